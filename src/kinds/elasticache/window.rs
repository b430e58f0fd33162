//! The daily window of snapshots and the weekly one of maintenance, in UTC.

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
/// AWS asks for an hour at the least. [service model]
const LEAST: u32 = 60;

/// A window as ElastiCache writes it: lower case, hours with two digits.
pub fn normal(window: &str) -> String {
    let hour = |part: &str| match part.split_once(':') {
        Some((hour, minute)) if hour.len() == 1 && hour.bytes().all(|byte| byte.is_ascii_digit()) => format!("0{hour}:{minute}"),
        _ => part.to_owned(),
    };
    let side = |side: &str| match side.split_once(':') {
        Some((day, time)) if time.contains(':') => format!("{day}:{}", hour(time)),
        _ => hour(side),
    };
    window.trim().to_lowercase().split('-').map(|part| side(part.trim())).collect::<Vec<_>>().join("-")
}

/// Start and length, in minutes of the day.
fn daily(window: &str) -> Option<(u32, u32)> {
    let (start, end) = window.split_once('-')?;
    let (start, end) = (clock(start)?, clock(end)?);
    Some((start, (end + DAY - start) % DAY))
}

/// Start and length, in minutes of the week.
fn weekly(window: &str) -> Option<(u32, u32)> {
    let (start, end) = window.split_once('-')?;
    let (start, end) = (moment(start)?, moment(end)?);
    Some((start, (end + WEEK - start) % WEEK))
}

fn clock(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn moment(text: &str) -> Option<u32> {
    let (day, time) = text.split_once(':')?;
    let day = DAYS.iter().position(|name| *name == day)?;
    Some(u32::try_from(day).ok()? * DAY + clock(time)?)
}

/// Whether it is a daily window of an hour or more.
pub fn is_daily(window: &str) -> bool {
    daily(&normal(window)).is_some_and(|(_, length)| length >= LEAST)
}

/// Whether it is a weekly window of an hour or more.
pub fn is_weekly(window: &str) -> bool {
    weekly(&normal(window)).is_some_and(|(_, length)| length >= LEAST)
}

/// Whether snapshots and maintenance would run into each other, which AWS refuses.
pub fn overlap(snapshots: &str, maintenance: &str) -> bool {
    let (Some((from, length)), Some((start, maintained))) = (daily(&normal(snapshots)), weekly(&normal(maintenance))) else { return false };
    (0..7).any(|day| {
        let from = day * DAY + from;
        (start + WEEK - from) % WEEK < length || (from + WEEK - start) % WEEK < maintained
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_written_one_way() {
        assert_eq!(normal("Sun:5:00-sun:06:30"), "sun:05:00-sun:06:30");
        assert_eq!(normal("3:00-04:00"), "03:00-04:00");
        assert!(is_daily("23:30-00:30") && !is_daily("03:00-03:59") && !is_daily("24:00-01:00") && !is_daily("nonsense"));
        assert!(is_weekly("sun:23:30-mon:00:30") && !is_weekly("sun:05:00-sun:05:30") && !is_weekly("day:05:00-sun:06:00"));
    }

    #[test]
    fn windows_that_meet_are_found_on_every_day() {
        assert!(overlap("04:30-05:30", "sun:05:00-sun:06:00"));
        assert!(overlap("23:30-00:30", "mon:00:00-mon:01:00"));
        assert!(overlap("12:00-13:00", "sat:23:00-sun:23:00"));
        assert!(!overlap("03:00-04:00", "sun:05:00-sun:06:00"));
        assert!(!overlap("nonsense", "sun:05:00-sun:06:00"));
    }
}
