//! Change windows: whether a moment is inside one, and when the next one opens.
//!
//! A window is what the clock on the wall shows: when clocks go forward it is shorter by what they skip, when they go
//! back it is open both times that the hour is shown. So nothing here adds hours to a local time.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::object::{ChangeWindow, Day};

/// The change windows of a policy, ready to be asked.
#[derive(Clone, Debug)]
pub struct Windows(Vec<Window>);

#[derive(Clone, Debug)]
struct Window {
    days: Vec<Weekday>,
    /// Minutes since midnight; `to` may be 1440.
    from: i16,
    to: i16,
    zone: TimeZone,
}

/// What is wrong with a window, by field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    #[error("{0} is not a time such as 22:00")]
    Time(&'static str),
    #[error("not the IANA name of a time zone")]
    Zone,
    #[error("the window opens and closes at the same time")]
    Empty,
}

impl BadWindow {
    /// The field that it is about.
    pub fn field(&self) -> &'static str {
        match self {
            BadWindow::Time(field) => field,
            BadWindow::Zone => "timeZone",
            BadWindow::Empty => "to",
        }
    }
}

/// Whether disruptive steps may run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Until then, or without end where there are no windows.
    Open { until: Option<Timestamp> },
    /// They may from then on; none: in no week ahead that was looked at.
    Closed { opens: Option<Timestamp> },
}

/// How many days ahead are looked at. Every window opens within a week, save when its hours are skipped by a change
/// of the clocks; so two weeks and a day before.
const DAYS_AHEAD: i64 = 15;

impl Windows {
    /// Reads the windows of a policy.
    pub fn new(windows: &[ChangeWindow]) -> Result<Windows, BadWindow> {
        windows.iter().map(Window::new).collect::<Result<_, _>>().map(Windows)
    }

    /// Everything that is wrong with a window, as far as its fields are given.
    pub fn faults(from: Option<&str>, to: Option<&str>, zone: Option<&str>) -> Vec<BadWindow> {
        let (from, to) = (from.map(opens), to.map(minutes));
        let found = [
            (from == Some(None)).then_some(BadWindow::Time("from")),
            (to == Some(None)).then_some(BadWindow::Time("to")),
            from.flatten().is_some_and(|from| to.flatten() == Some(from)).then_some(BadWindow::Empty),
            zone.is_some_and(|zone| TimeZone::get(zone).is_err()).then_some(BadWindow::Zone),
        ];
        found.into_iter().flatten().collect()
    }

    /// Whether `at` is inside a window. Without windows every moment is.
    pub fn contain(&self, at: Timestamp) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.contains(at))
    }

    /// Whether a window is open at `at`, and when that changes.
    pub fn opening(&self, at: Timestamp) -> Opening {
        if self.0.is_empty() {
            return Opening::Open { until: None };
        }
        let open = self.contain(at);
        let mut turns: Vec<Timestamp> = self.0.iter().flat_map(|window| window.turns(at)).filter(|turn| *turn > at).collect();
        turns.sort_unstable();
        let next = turns.into_iter().find(|turn| self.contain(*turn) != open);
        if open { Opening::Open { until: next } } else { Opening::Closed { opens: next } }
    }
}

impl Window {
    fn new(window: &ChangeWindow) -> Result<Window, BadWindow> {
        let from = opens(&window.from).ok_or(BadWindow::Time("from"))?;
        let to = minutes(&window.to).ok_or(BadWindow::Time("to"))?;
        if from == to || (from == 0 && to == 1440 && window.days.is_empty()) {
            return Err(BadWindow::Empty);
        }
        let zone = TimeZone::get(&window.time_zone).map_err(|_| BadWindow::Zone)?;
        Ok(Window { days: window.days.iter().map(|day| weekday(*day)).collect(), from, to, zone })
    }

    fn contains(&self, at: Timestamp) -> bool {
        let wall = self.zone.to_datetime(at);
        let minute = i16::from(wall.hour()) * 60 + i16::from(wall.minute());
        let opens_on = |day: Date| self.days.contains(&day.weekday());
        if self.from < self.to {
            return opens_on(wall.date()) && (self.from..self.to).contains(&minute);
        }
        let since_yesterday = minute < self.to && wall.date().yesterday().is_ok_and(opens_on);
        since_yesterday || minute >= self.from && opens_on(wall.date())
    }

    /// The moments around and after `at` at which this window may open or close: its own times, and the changes of
    /// the clocks, which can carry the wall's clock over one of them.
    fn turns(&self, at: Timestamp) -> Vec<Timestamp> {
        let mut turns = Vec::new();
        let today = self.zone.to_datetime(at).date();
        for ahead in -1..DAYS_AHEAD {
            let Ok(day) = today.checked_add(ahead.days()) else { continue };
            for minute in [self.from, self.to] {
                let Ok(wall) = day.to_datetime(jiff::civil::Time::midnight()).checked_add(i64::from(minute).minutes()) else { continue };
                turns.extend(self.moments(wall));
            }
        }
        let end = at.checked_add((DAYS_AHEAD * 24).hours()).unwrap_or(Timestamp::MAX);
        turns.extend(self.zone.following(at).map(|change| change.timestamp()).take_while(|change| *change <= end));
        turns
    }

    /// When the wall's clock shows `wall`: once, twice (clocks went back) or never (forward; the change itself counts).
    fn moments(&self, wall: DateTime) -> Vec<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(wall);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).into_iter().collect(),
            AmbiguousOffset::Fold { before, after } => {
                [before, after].into_iter().filter_map(|offset| offset.to_timestamp(wall).ok()).collect()
            }
            AmbiguousOffset::Gap { .. } => Vec::new(),
        }
    }
}

/// As [`minutes`], of the beginning of a window: no day begins at its end.
fn opens(text: &str) -> Option<i16> {
    minutes(text).filter(|from| *from < 1440)
}

/// Minutes since midnight of `HH:MM`, up to 24:00.
fn minutes(text: &str) -> Option<i16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i16>().ok()).flatten();
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 1440).then_some(all)
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(days: &[Day], from: &str, to: &str, zone: &str) -> Windows {
        let window = ChangeWindow { days: days.to_vec(), from: from.into(), to: to.into(), time_zone: zone.into() };
        Windows::new(&[window]).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

    #[test]
    fn without_windows_every_moment_is_open() {
        let none = Windows::new(&[]).unwrap();
        assert_eq!(none.opening(at("2026-03-01T00:00:00Z")), Opening::Open { until: None });
    }

    #[test]
    fn a_window_that_crosses_midnight_belongs_to_the_day_on_which_it_opens() {
        // 2026-03-06 is a Friday.
        let friday = windows(&[Day::Fri], "22:00", "04:00", "UTC");
        let cases = [
            ("2026-03-06T03:00:00Z", false),
            ("2026-03-06T21:59:59Z", false),
            ("2026-03-06T22:00:00Z", true),
            ("2026-03-07T03:59:59Z", true),
            ("2026-03-07T04:00:00Z", false),
            ("2026-03-07T22:30:00Z", false),
        ];
        for (moment, open) in cases {
            assert_eq!(friday.contain(at(moment)), open, "{moment}");
        }
        assert_eq!(friday.opening(at("2026-03-07T04:00:00Z")), Opening::Closed { opens: Some(at("2026-03-13T22:00:00Z")) });
        assert_eq!(friday.opening(at("2026-03-07T00:00:00Z")), Opening::Open { until: Some(at("2026-03-07T04:00:00Z")) });
    }

    #[test]
    fn midnight_can_be_written_as_the_end_of_the_day() {
        let day = windows(&[Day::Sat], "00:00", "24:00", "UTC");
        assert!(day.contain(at("2026-03-07T23:59:59Z")) && !day.contain(at("2026-03-08T00:00:00Z")));
        let evening = windows(&[Day::Sat], "20:00", "00:00", "UTC");
        assert_eq!(evening.opening(at("2026-03-07T21:00:00Z")), Opening::Open { until: Some(at("2026-03-08T00:00:00Z")) });
    }

    #[test]
    fn hours_that_the_clocks_skip_are_no_window() {
        // Paris, 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC.
        let inside = windows(&ALL, "02:15", "02:45", "Europe/Paris");
        assert_eq!(inside.opening(at("2026-03-29T00:30:00Z")), Opening::Closed { opens: Some(at("2026-03-30T00:15:00Z")) });
        let over = windows(&ALL, "02:30", "04:00", "Europe/Paris");
        let opens = at("2026-03-29T01:00:00Z");
        assert_eq!(over.opening(at("2026-03-29T00:30:00Z")), Opening::Closed { opens: Some(opens) });
        let until = windows(&ALL, "01:00", "02:30", "Europe/Paris");
        assert_eq!(until.opening(at("2026-03-29T00:30:00Z")), Opening::Open { until: Some(opens) });
    }

    #[test]
    fn an_hour_that_is_shown_twice_is_open_twice() {
        // Paris, 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
        let window = windows(&ALL, "02:15", "02:45", "Europe/Paris");
        assert_eq!(window.opening(at("2026-10-25T00:20:00Z")), Opening::Open { until: Some(at("2026-10-25T00:45:00Z")) });
        assert_eq!(window.opening(at("2026-10-25T00:50:00Z")), Opening::Closed { opens: Some(at("2026-10-25T01:15:00Z")) });
        let early = windows(&ALL, "01:00", "02:30", "Europe/Paris");
        assert_eq!(early.opening(at("2026-10-25T00:40:00Z")), Opening::Closed { opens: Some(at("2026-10-25T01:00:00Z")) });
    }

    #[test]
    fn a_day_that_a_zone_skipped_opens_nothing() {
        // Samoa had no 30 December 2011, a Friday.
        let friday = windows(&[Day::Fri], "10:00", "12:00", "Pacific/Apia");
        let before = at("2011-12-30T09:00:00Z");
        assert_eq!(friday.opening(before), Opening::Closed { opens: Some(at("2012-01-05T20:00:00Z")) });
    }

    #[test]
    fn what_is_no_window_is_refused() {
        let new = |from: &str, to: &str, zone: &str| {
            Windows::new(&[ChangeWindow { days: vec![Day::Mon], from: from.into(), to: to.into(), time_zone: zone.into() }]).map(|_| ())
        };
        assert_eq!(new("22:00", "22:00", "UTC"), Err(BadWindow::Empty));
        assert_eq!(new("24:00", "04:00", "UTC"), Err(BadWindow::Time("from")));
        assert_eq!(new("22:00", "25:00", "UTC"), Err(BadWindow::Time("to")));
        assert_eq!(new("22:00", "+4:00", "UTC"), Err(BadWindow::Time("to")));
        assert_eq!(new("22:00", "04:00", "Europe/Pari"), Err(BadWindow::Zone));
        let faults = |from, to, zone| Windows::faults(Some(from), Some(to), zone);
        assert_eq!(faults("22:00", "22:00", Some("Europe/Pari")), [BadWindow::Empty, BadWindow::Zone]);
        assert_eq!(faults("24:00", "24:30", Some("UTC")), [BadWindow::Time("from"), BadWindow::Time("to")]);
        assert_eq!(faults("22:00", "04:00", None), []);
    }

    proptest::proptest! {
        /// What `opening` answers is what `contain` says of every minute up to there.
        #[test]
        fn the_next_turn_is_the_first(start in 1_700_000_000_i64..1_900_000_000, from in 0_i16..1440, length in 1_i16..1440,
                                      day in 0_usize..7, zone in proptest::sample::select(vec!["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"])) {
            let write = |minute: i16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let windows = windows(&[ALL[day], ALL[(day + 3) % 7]], &write(from), &write((from + length) % 1440), zone);
            let start = Timestamp::from_second(start - start % 60).unwrap();
            let (open, turn) = match windows.opening(start) {
                Opening::Open { until } => (true, until.unwrap()),
                Opening::Closed { opens } => (false, opens.unwrap()),
            };
            let mut minute = start;
            while minute < turn {
                proptest::prop_assert_eq!(windows.contain(minute), open, "{}", minute);
                minute = minute.checked_add(1.minutes()).unwrap();
            }
            proptest::prop_assert_eq!(windows.contain(turn), !open);
        }
    }
}
