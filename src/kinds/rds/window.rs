//! The daily backup window and the weekly maintenance window, both in UTC.

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
/// "Must be at least 30 minutes" (ModifyDBInstance, both windows).
const SHORTEST: u32 = 30;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A window: its start, in minutes after the day's or the week's begin, and its length in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: u32,
    length: u32,
}

/// Reads `hh:mm-hh:mm`; nothing where it is none, or shorter than 30 minutes.
pub fn daily(text: &str) -> Option<Window> {
    let (start, end) = text.trim().split_once('-')?;
    between(clock(start)?, clock(end)?, DAY)
}

/// Reads `ddd:hh:mm-ddd:hh:mm`, in any case; nothing where it is none, shorter than 30 minutes or longer than a day.
pub fn weekly(text: &str) -> Option<Window> {
    let moment = |text: &str| {
        let (day, time) = text.trim().split_once(':')?;
        let day = DAYS.iter().position(|name| name.eq_ignore_ascii_case(day))?;
        Some(u32::try_from(day).ok()? * DAY + clock(time)?)
    };
    let (start, end) = text.split_once('-')?;
    // "A maintenance window … can't be longer than 24 hours" (user guide, "Maintaining a DB instance").
    between(moment(start)?, moment(end)?, WEEK).filter(|window| window.length <= DAY)
}

/// A window as RDS takes it: in lower case, hours in two digits ("must be in the format hh24:mi-hh24:mi", ModifyDBInstance).
pub fn written(text: &str) -> String {
    let part = |part: &str| match part.trim() {
        hour if hour.len() == 1 => format!("0{hour}"),
        other => other.to_ascii_lowercase(),
    };
    let moment = |moment: &str| moment.split(':').map(part).collect::<Vec<_>>().join(":");
    text.split('-').map(moment).collect::<Vec<_>>().join("-")
}

/// Whether two daily windows are the same, however they are written.
pub fn same_daily(one: &str, other: &str) -> bool {
    one == other || daily(one).is_some_and(|window| Some(window) == daily(other))
}

/// Whether two weekly windows are the same, however they are written.
pub fn same_weekly(one: &str, other: &str) -> bool {
    one == other || weekly(one).is_some_and(|window| Some(window) == weekly(other))
}

/// Whether a daily window meets a weekly one on any day: RDS refuses that.
pub fn overlap(daily: Window, weekly: Window) -> bool {
    (0..7).any(|day| {
        let start = day * DAY + daily.start;
        // Both as distances from the other's start, around the week.
        (start + WEEK - weekly.start) % WEEK < weekly.length || (weekly.start + WEEK - start) % WEEK < daily.length
    })
}

fn between(start: u32, end: u32, turn: u32) -> Option<Window> {
    let length = (end + turn - start) % turn;
    (length >= SHORTEST).then_some(Window { start, length })
}

fn clock(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str, end: u32| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number < end)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_or_refused() {
        assert_eq!(daily("03:00-04:00"), Some(Window { start: 180, length: 60 }));
        assert_eq!(daily("23:30-0:15"), Some(Window { start: 1410, length: 45 }));
        for wrong in ["03:00-03:29", "03:00-03:00", "24:00-01:00", "03:60-05:00", "03:00", "", "+3:00-4:00", "003:00-04:00", "é-é"] {
            assert_eq!(daily(wrong), None, "{wrong}");
        }
        assert_eq!(weekly("Sun:23:30-MON:00:30"), Some(Window { start: 6 * DAY + 1410, length: 60 }));
        for wrong in ["sun:03:00-mon:03:01", "son:03:00-son:04:00", "03:00-04:00", "sun:03:00-sun:03:10"] {
            assert_eq!(weekly(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_same_window_is_written_in_several_ways() {
        assert!(same_daily("3:00-04:00", "03:00-4:00"));
        assert!(!same_daily("03:00-04:00", "03:00-04:01"));
        assert!(same_weekly("SUN:04:00-sun:5:00", "sun:04:00-sun:05:00"));
        assert!(!same_weekly("sat:04:00-sat:05:00", "sun:04:00-sun:05:00"));
    }

    #[test]
    fn overlaps_are_seen_around_midnight_and_the_week() {
        let cases = [
            ("03:00-04:00", "sun:03:30-sun:04:30", true),
            ("03:00-04:00", "sun:04:00-sun:05:00", false),
            ("03:30-04:30", "sun:03:00-sun:04:00", true),
            ("23:30-00:30", "mon:00:00-mon:00:30", true),
            ("23:30-00:30", "sun:23:00-mon:00:00", true),
            ("12:00-12:30", "sun:13:00-mon:11:00", false),
            ("12:00-12:30", "sun:11:00-sun:13:00", true),
        ];
        for (day, week, meets) in cases {
            assert_eq!(daily(day).zip(weekly(week)).map(|(day, week)| overlap(day, week)), Some(meets), "{day} {week}");
        }
    }
}
