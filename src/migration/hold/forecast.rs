//! How long a migration will take, before it begins: from what was measured, without a clock of its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a key costs the node that dumps it: measured, DUMP with PTTL of small values, pipelined, 271,000 a second and core.
const DUMP_MICROS: f64 = 3.7;
/// And each thousand bytes of its value: about 1 GB a second and core.
const DUMP_MICROS_A_KILOBYTE: f64 = 1.0;
/// Keys that are asked for in one round trip.
const BATCH: f64 = 256.0;
/// Batches that are on their way at a time.
const BATCHES: f64 = 4.0;
/// How long a change may wait until it is copied while the source serves: what is left to do at the freeze.
const LAG_SECONDS: f64 = 0.25;
/// Round trips of a freeze: pause, offsets, replicas, sentinels, barriers, proof, ledger.
const FREEZE_ROUND_TRIPS: f64 = 24.0;
/// The release of the target, and what the mover does about it.
const RELEASE: Duration = Duration::from_secs(1);
/// Where more than this share of the copying rate is needed to keep up with changes, the copy does not end.
const KEEPING_UP: f64 = 0.8;

/// What a forecast is made from. Sums over shards, where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub keys: u64,
    /// Of the values, as they lie in memory.
    pub bytes: u64,
    /// Writing commands a second.
    pub changes: f64,
    /// Shards that are copied at the same time.
    pub shards: u64,
    pub round_trip: Duration,
    /// Whether changes are pushed; else every key is compared under the hold.
    pub tracking: bool,
    /// `sourceLoad`: which share of the source's one core copying may take, 0 to 1.
    pub source_load: f64,
    /// How long the consumers take to restart: they do so within the outage.
    pub restart: Duration,
}

/// How long it will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The first full pass, while the source serves; nothing where changes come faster than they can be copied.
    pub copy: Option<Duration>,
    /// From the hold to "target proven equal".
    pub settle: Duration,
    /// From the hold to the release of the target.
    pub outage: Duration,
}

impl Forecast {
    pub fn of(measured: &Measured) -> Forecast {
        let shards = measured.shards.max(1) as f64;
        let keys = measured.keys as f64 / shards;
        let kilobytes = measured.bytes as f64 / 1000.0 / (measured.keys.max(1) as f64);
        let cost = (DUMP_MICROS + DUMP_MICROS_A_KILOBYTE * kilobytes) / 1_000_000.0;
        let trip = measured.round_trip.as_secs_f64().max(0.000_05);
        let bound_by_trips = BATCH * BATCHES / trip;
        let load = if measured.source_load.is_finite() { measured.source_load.clamp(0.01, 1.0) } else { 0.25 };
        let serving = (load / cost).min(bound_by_trips);
        // Held, the source has nothing else to do.
        let held = (1.0 / cost).min(bound_by_trips);
        let changes = if measured.changes.is_finite() { measured.changes.max(0.0) / shards } else { 0.0 };
        let left = serving - changes;
        let copy = (changes <= KEEPING_UP * serving).then(|| seconds(keys / left));
        let to_do = if measured.tracking { (changes * LAG_SECONDS).min(keys) } else { keys };
        let settle = seconds(to_do / held) + measured.round_trip.mul_f64(FREEZE_ROUND_TRIPS);
        Forecast { copy, settle, outage: settle.saturating_add(measured.restart).saturating_add(RELEASE) }
    }

    /// Whether the outage fits `freezeBudget`, and the copy ends at all.
    pub fn fits(&self, budget: Duration) -> bool {
        self.copy.is_some() && self.outage <= budget
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLION: Measured = Measured {
        keys: 1_000_000,
        bytes: 300_000_000,
        changes: 5_000.0,
        shards: 1,
        round_trip: Duration::from_micros(500),
        tracking: true,
        source_load: 0.25,
        restart: Duration::from_secs(60),
    };

    #[test]
    fn settling_depends_on_changes_where_they_are_pushed_and_on_keys_where_not() {
        let of = Forecast::of(&MILLION);
        let copy = of.copy.unwrap();
        assert!(copy > Duration::from_secs(10) && copy < Duration::from_secs(60), "{of:?}");
        assert!(of.settle < Duration::from_secs(1), "{of:?}");
        assert!(of.outage > Duration::from_secs(61) && of.fits(Duration::from_secs(240)) && !of.fits(Duration::from_secs(60)));
        let smaller = Forecast::of(&Measured { keys: 100_000, bytes: 30_000_000, ..MILLION });
        assert_eq!(smaller.settle, of.settle);
        let untracked = Forecast::of(&Measured { tracking: false, ..MILLION });
        assert!(untracked.settle > 3 * of.settle, "{untracked:?}");
    }

    #[test]
    fn what_changes_faster_than_it_is_copied_never_fits() {
        let of = Forecast::of(&Measured { changes: 200_000.0, ..MILLION });
        assert_eq!(of.copy, None);
        assert!(!of.fits(Duration::MAX));
        let sharded = Forecast::of(&Measured { changes: 200_000.0, shards: 8, ..MILLION });
        assert!(sharded.copy.is_some());
    }

    #[test]
    fn no_measurement_makes_it_panic() {
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            for keys in [0, u64::MAX] {
                let measured =
                    Measured { keys, bytes: keys, changes: odd, shards: 0, round_trip: Duration::ZERO, source_load: odd, ..MILLION };
                let of = Forecast::of(&measured);
                assert!(of.outage >= of.settle);
            }
        }
        assert!(
            Forecast::of(&Measured { round_trip: Duration::from_secs(3600), restart: Duration::MAX, ..MILLION }).outage == Duration::MAX
        );
    }
}
