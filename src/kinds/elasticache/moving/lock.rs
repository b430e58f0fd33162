//! The lock of a move: a cache parameter group. Of a name there can be one, so that of two who make it at once one is refused; tags can be read and set
//! but not compared and set, and so a lock that is taken over is a new one, with a higher epoch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::figures::Figures;

/// The tags of a lock.
pub const DIRECTION_TAG: &str = "holdfast.dev/direction";
pub const ATTEMPT_TAG: &str = "holdfast.dev/attempt";
pub const ATTEMPT_SINCE_TAG: &str = "holdfast.dev/attempt-since";
pub const SINCE_TAG: &str = "holdfast.dev/since";
/// Who moves: the machine and the state folder. Nobody else goes on with the move while it stands there.
pub const HOLDER_TAG: &str = "holdfast.dev/holder";
/// Writes of the source may be held.
pub const FROZEN_TAG: &str = "holdfast.dev/frozen";
/// The source was let go, on the way back.
pub const RELEASED_TAG: &str = "holdfast.dev/released";
pub const WHY_TAG: &str = "holdfast.dev/why";
/// When a person ended the soak.
pub const FINALIZED_TAG: &str = "holdfast.dev/finalized";
/// How long the move was thought to take when it began: [`Figures`].
pub const FORECAST_TAG: &str = "holdfast.dev/forecast";
/// How long it took.
pub const MEASURED_TAG: &str = "holdfast.dev/measured";

/// Where a move is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    Forward,
    /// Taken back. It never turns forward again: another move has another lock.
    Back,
}

/// A lock that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    pub name: String,
    pub arn: String,
    pub epoch: u32,
    /// It carries our tags.
    pub ours: bool,
    /// The object that it was made for.
    pub object: String,
    pub direction: Direction,
    /// Which snapshot is being restored, from 1.
    pub attempt: u32,
    /// When that attempt began.
    pub attempt_since: Option<Timestamp>,
    /// When the move began.
    pub since: Option<Timestamp>,
    /// Who moves; empty: nobody, and whoever comes may.
    pub holder: String,
    /// Writes of the source may be held.
    pub frozen: bool,
    /// The source was let go, on the way back.
    pub released: bool,
    /// Why it goes back, where it does.
    pub why: String,
    /// A person ended the soak.
    pub finalized: bool,
    pub forecast: Option<Figures>,
    pub measured: Option<Figures>,
}

impl Lock {
    /// The lock of these tags; what cannot be read of them is as it was when the move began.
    pub fn read(name: &str, arn: &str, epoch: u32, tags: &BTreeMap<String, String>) -> Lock {
        let text = |key: &str| tags.get(key).cloned().unwrap_or_default();
        Lock {
            name: name.to_owned(),
            arn: arn.to_owned(),
            epoch,
            ours: text(super::super::OWNER_TAG) == super::super::OWNER_TAG_VALUE,
            object: text(super::super::OBJECT_TAG),
            direction: if text(DIRECTION_TAG) == "back" { Direction::Back } else { Direction::Forward },
            attempt: text(ATTEMPT_TAG).parse().unwrap_or(1),
            attempt_since: text(ATTEMPT_SINCE_TAG).parse().ok(),
            since: text(SINCE_TAG).parse().ok(),
            holder: text(HOLDER_TAG),
            frozen: tags.contains_key(FROZEN_TAG),
            released: tags.contains_key(RELEASED_TAG),
            why: text(WHY_TAG),
            finalized: tags.contains_key(FINALIZED_TAG),
            forecast: tags.get(FORECAST_TAG).map(|text| Figures::read(text)),
            measured: tags.get(MEASURED_TAG).map(|text| Figures::read(text)),
        }
    }
}
