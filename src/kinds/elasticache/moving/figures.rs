//! How long a move takes, as it is forecast and as it came true: in a tag of the lock, so that whoever asks finds it.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference;
use crate::kinds::elasticache::migration::Cutover;
use crate::migration::hold::{Facts, Forecast};

/// The share of a core of the source that copying takes at most: `Settings::load` of the copy.
const SOURCE_LOAD: f64 = 0.25;
/// What is assumed of each place that starts something anew: from the first new task or pod to the last of the old ones. Nothing tells it beforehand.
const STARTED: Duration = Duration::from_secs(60);
/// What is assumed of each place that is written to: the request, and until it is seen to be done.
const WRITTEN: Duration = Duration::from_secs(5);
/// What is assumed of the rest: clients sent away, the proof, the commit, each with what AWS takes to show it.
const REST: Duration = Duration::from_secs(15);

/// Lengths and sizes; what is not known is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Seconds until every key was compared or copied once, while the old group serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_seconds: Option<f64>,
    /// Seconds from the hold to the proof that both groups are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_seconds: Option<f64>,
    /// Seconds from the hold until writes go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// Of the values, as they lie in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes_per_second: Option<f64>,
}

/// What is assumed of the time between hold and release that nobody can measure beforehand: AWS's part, and the consumers'.
pub fn assumed(cutover: &[Cutover]) -> (Duration, Duration) {
    let mut all = (REST, Duration::ZERO);
    for place in cutover {
        let starts = !reference::restarts(place).is_empty();
        match &place.exec {
            Some(exec) => all.1 = all.1.saturating_add(exec.within()),
            None if reference::reads_another(place) => all.1 += STARTED,
            None => all = (all.0 + WRITTEN, all.1 + if starts { STARTED } else { Duration::ZERO }),
        }
    }
    all
}

/// The forecast of a move from these facts.
pub fn forecast(facts: &Facts, cutover: &[Cutover]) -> Forecast {
    let (aws, consumers) = assumed(cutover);
    Forecast::of(&facts.measured(SOURCE_LOAD, aws + consumers))
}

impl Figures {
    pub fn of(facts: &Facts, cutover: &[Cutover]) -> Figures {
        let (forecast, measured) = (forecast(facts, cutover), facts.measured(SOURCE_LOAD, Duration::ZERO));
        Figures {
            copy_seconds: forecast.copy.map(|copy| copy.as_secs_f64()),
            settle_seconds: Some(forecast.settle.as_secs_f64()),
            outage_seconds: Some(forecast.outage.as_secs_f64()),
            keys: Some(measured.keys),
            bytes: Some(measured.bytes),
            writes_per_second: Some(measured.changes),
        }
    }

    /// Reads a tag's value; what is not understood is left out.
    pub fn read(text: &str) -> Figures {
        let word = |name: &str| text.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let seconds =
            |name: &str| word(name).and_then(|value| value.parse::<f64>().ok()).filter(|value| value.is_finite() && *value >= 0.0);
        let count = |name: &str| word(name).and_then(|value| value.parse::<u64>().ok());
        Figures {
            copy_seconds: seconds("copy"),
            settle_seconds: seconds("settle"),
            outage_seconds: seconds("outage"),
            keys: count("keys"),
            bytes: count("bytes"),
            writes_per_second: seconds("writes"),
        }
    }

    /// For a person: `copy 6 min, settle 0.4 s, writes wait 64 s`.
    pub fn words(&self) -> String {
        let of = |name: &str, seconds: Option<f64>| seconds.map(|seconds| format!("{name} {}", length(seconds)));
        let parts = [of("copy", self.copy_seconds), of("settle", self.settle_seconds), of("writes wait", self.outage_seconds)];
        parts.into_iter().flatten().collect::<Vec<String>>().join(", ")
    }
}

/// As a tag takes it: letters, digits, spaces, `.` and `=`.
impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |name: &str, seconds: Option<f64>| seconds.map(|seconds| format!("{name}={seconds:.3}"));
        let count = |name: &str, count: Option<u64>| count.map(|count| format!("{name}={count}"));
        let words = [
            seconds("copy", self.copy_seconds),
            seconds("settle", self.settle_seconds),
            seconds("outage", self.outage_seconds),
            count("keys", self.keys),
            count("bytes", self.bytes),
            seconds("writes", self.writes_per_second),
        ];
        out.write_str(&words.into_iter().flatten().collect::<Vec<String>>().join(" "))
    }
}

/// `40 ms`, `0.4 s`, `64 s`, `6 min`, `2.5 h`.
pub fn length(seconds: f64) -> String {
    match seconds {
        under if under < 0.095 => format!("{:.0} ms", under * 1000.0),
        under if under < 9.95 => format!("{under:.1} s"),
        under if under < 119.5 => format!("{under:.0} s"),
        under if under < 119.5 * 60.0 => format!("{:.0} min", under / 60.0),
        more => format!("{:.1} h", more / 3600.0),
    }
}

/// `412`, `2.1 k`, `2.1 M`.
pub fn amount(count: u64) -> String {
    match count as f64 {
        under if under < 10_000.0 => format!("{count}"),
        under if under < 1e6 => format!("{:.0} k", under / 1e3),
        under if under < 1e9 => format!("{:.1} M", under / 1e6),
        more => format!("{:.1} G", more / 1e9),
    }
}

/// `412 kB`, `1.2 GB`.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        under if under < 1e6 => format!("{:.0} kB", under / 1e3),
        under if under < 1e9 => format!("{:.0} MB", under / 1e6),
        more => format!("{:.1} GB", more / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_survive_the_tag() {
        let all = Figures {
            copy_seconds: Some(312.5),
            settle_seconds: Some(0.412),
            outage_seconds: Some(75.0),
            keys: Some(u64::MAX),
            bytes: Some(u64::MAX),
            writes_per_second: Some(5000.0),
        };
        let some = Figures { copy_seconds: None, keys: None, ..all };
        for figures in [all, some, Figures::default()] {
            let tag = figures.to_string();
            assert_eq!(Figures::read(&tag), figures);
            assert!(tag.len() <= 256 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .=".contains(&byte)), "{tag}");
        }
        assert_eq!(Figures::read("copy=NaN settle=-1 keys=x outage"), Figures::default());
        assert_eq!(all.words(), "copy 5 min, settle 0.4 s, writes wait 75 s");
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!([0.04, 9.96, 119.0, 120.0, 7300.0].map(length), ["40 ms", "10 s", "119 s", "2 min", "2.0 h"]);
        assert_eq!([999, 25_000, 2_100_000, 3_000_000_000].map(amount), ["999", "25 k", "2.1 M", "3.0 G"]);
        assert_eq!([0, 412_000, 412_000_000, 1_200_000_000].map(size), ["0 kB", "412 kB", "412 MB", "1.2 GB"]);
    }

    #[test]
    fn a_place_that_restarts_takes_longer_than_one_that_is_written_to() {
        let places: Vec<Cutover> =
            serde_json::from_str(r#"[{"ssmParameter": {"name": "/a"}}, {"ecs": {"cluster": "a", "service": "b"}}]"#).unwrap();
        assert_eq!(assumed(&places), (REST + WRITTEN, STARTED));
        assert_eq!(assumed(&[]), (REST, Duration::ZERO));
    }
}
