//! Backup and maintenance windows.

use jiff::{SignedDuration, Timestamp};

const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;
/// "Must be at least 30 minutes."
const SHORTEST: i64 = 30;

/// A span of UTC minutes: from Monday 00:00, or, for a daily window, from 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: i64,
    length: i64,
}

/// `hh:mm-hh:mm`; the reason where it is none.
pub fn daily(text: &str) -> Result<Window, &'static str> {
    let (start, end) = text.split_once('-').ok_or("it must be in the format hh24:mi-hh24:mi")?;
    let clock = |text| clock(text).ok_or("it must be in the format hh24:mi-hh24:mi");
    window(clock(start)?, clock(end)?, DAY)
}

/// `ddd:hh:mm-ddd:hh:mm`; the reason where it is none.
pub fn weekly(text: &str) -> Result<Window, &'static str> {
    const FORMAT: &str = "it must be in the format ddd:hh24:mi-ddd:hh24:mi";
    let moment = |text: &str| {
        let (day, time) = text.split_once(':')?;
        let day = DAYS.iter().position(|name| name.eq_ignore_ascii_case(day))?;
        Some(i64::try_from(day).ok()? * DAY + clock(time)?)
    };
    let (start, end) = text.split_once('-').ok_or(FORMAT)?;
    window(moment(start).ok_or(FORMAT)?, moment(end).ok_or(FORMAT)?, WEEK)
}

/// Whether a daily and a weekly window share a minute.
pub fn overlap(daily: Window, weekly: Window) -> bool {
    // Day by day, the Sunday before included: its backup window may reach into Monday.
    (-1..=7).any(|day| {
        let start = daily.start + day * DAY;
        [0, WEEK].iter().any(|turn| start < weekly.start + weekly.length - turn && weekly.start - turn < start + daily.length)
    })
}

/// Whether a weekly window is open.
pub fn open(weekly: Window, now: Timestamp) -> bool {
    (minute(now) - weekly.start).rem_euclid(WEEK) < weekly.length
}

/// When a weekly window opens next, after `now`.
pub fn next_opening(weekly: Window, now: Timestamp) -> Timestamp {
    let wait = match (weekly.start - minute(now)).rem_euclid(WEEK) {
        0 => WEEK,
        wait => wait,
    };
    let seconds = wait * 60 - now.as_second().rem_euclid(60);
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The minute from some Monday 00:00 on: 1 January 1970 was a Thursday.
fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60) + 3 * DAY
}

fn window(start: i64, end: i64, turn: i64) -> Result<Window, &'static str> {
    match (end - start).rem_euclid(turn) {
        length if length < SHORTEST => Err("it must be at least 30 minutes long"),
        length if turn == WEEK && length > DAY => Err("it must be less than 24 hours long"),
        length => Ok(Window { start, length }),
    }
}

fn clock(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let part = |text: &str, limit: i64| {
        let number = text.parse::<i64>().ok()?;
        (text.len() == 2 && (0..limit).contains(&number)).then_some(number)
    };
    Some(part(hours, 24)? * 60 + part(minutes, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_refused() {
        assert!(daily("03:00-03:30").is_ok());
        assert!(daily("23:45-00:15").is_ok());
        assert!(daily("03:00-03:29").is_err());
        assert!(daily("3:00-04:00").is_err());
        assert!(weekly("sun:23:45-mon:00:15").is_ok());
        assert!(weekly("Sun:05:00-Sun:06:00").is_ok());
        assert!(weekly("sun:05:00").is_err());
        assert!(weekly("mon:00:00-wed:00:00").is_err());
    }

    #[test]
    fn overlaps_are_seen_across_midnight() {
        assert!(overlap(daily("23:45-00:30").unwrap(), weekly("mon:00:00-mon:00:30").unwrap()));
        assert!(overlap(daily("00:00-00:30").unwrap(), weekly("sun:23:45-mon:00:15").unwrap()));
        assert!(!overlap(daily("03:00-03:30").unwrap(), weekly("sun:05:00-sun:05:30").unwrap()));
        assert!(!overlap(daily("03:00-03:30").unwrap(), weekly("sun:03:30-sun:04:00").unwrap()));
    }

    #[test]
    fn a_window_opens_next_week_once_it_has_opened() {
        let sunday = weekly("sun:05:00-sun:05:30").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // 4 January 2026 is a Sunday.
        assert_eq!(next_opening(sunday, at("2026-01-01T12:00:20Z")), at("2026-01-04T05:00:00Z"));
        assert_eq!(next_opening(sunday, at("2026-01-04T05:00:00Z")), at("2026-01-11T05:00:00Z"));
    }
}
