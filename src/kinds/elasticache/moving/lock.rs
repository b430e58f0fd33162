//! The lock of a move: a cache parameter group. Of a name there can be one, so that of two who make it at once one is refused; tags can be read and set
//! but not compared and set, and so whoever takes a lock over writes itself, waits, and goes on only where that still stands. Its connections have a higher epoch
//! than those of who held it before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DEAD_AFTER;
use crate::clock::later;

/// The tags of a lock.
pub const DIRECTION_TAG: &str = "holdfast.dev/direction";
pub const ATTEMPT_TAG: &str = "holdfast.dev/attempt";
pub const ATTEMPT_SINCE_TAG: &str = "holdfast.dev/attempt-since";
pub const SINCE_TAG: &str = "holdfast.dev/since";
/// Who moves: the machine, for people, and the id of the state folder. Nobody else goes on with the move as long as it says that it is alive.
pub const HOLDER_TAG: &str = "holdfast.dev/holder";
/// When the holder last said that it is alive, RFC 3339.
pub const BEAT_TAG: &str = "holdfast.dev/beat";
/// When the holder took the move over from another one, RFC 3339.
pub const TAKEN_TAG: &str = "holdfast.dev/taken";
/// How often the move was taken over, and by whom it was last: `2:9f3c…`. The number is part of the epoch of connections.
pub const HEIRS_TAG: &str = "holdfast.dev/heirs";
/// Writes of the source may be held.
pub const FROZEN_TAG: &str = "holdfast.dev/frozen";
/// The source was let go, on the way back.
pub const RELEASED_TAG: &str = "holdfast.dev/released";
pub const WHY_TAG: &str = "holdfast.dev/why";
/// When a person ended the soak.
pub const FINALIZED_TAG: &str = "holdfast.dev/finalized";

/// Where a move is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    Forward,
    /// Taken back. It never turns forward again: another move has another lock.
    Back,
}

/// A lock that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// When it last said that it is alive.
    pub beat: Option<Timestamp>,
    /// When it took the move over; nothing: it began it.
    pub taken: Option<Timestamp>,
    /// How often the move was taken over.
    pub heirs: u32,
    /// The id of who was the last to count itself there.
    pub heir: String,
    /// Writes of the source may be held.
    pub frozen: bool,
    /// The source was let go, on the way back.
    pub released: bool,
    /// Why it goes back, where it does.
    pub why: String,
    /// A person ended the soak.
    pub finalized: bool,
}

impl Lock {
    /// The lock of these tags; what cannot be read of them is as it was when the move began.
    pub fn read(name: &str, arn: &str, epoch: u32, tags: &BTreeMap<String, String>) -> Lock {
        let text = |key: &str| tags.get(key).cloned().unwrap_or_default();
        let heirs = text(HEIRS_TAG);
        let (heirs, heir) = heirs.split_once(':').unwrap_or((&heirs, ""));
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
            beat: text(BEAT_TAG).parse().ok(),
            taken: text(TAKEN_TAG).parse().ok(),
            heirs: heirs.parse().unwrap_or_default(),
            heir: heir.to_owned(),
            frozen: tags.contains_key(FROZEN_TAG),
            released: tags.contains_key(RELEASED_TAG),
            why: text(WHY_TAG),
            finalized: tags.contains_key(FINALIZED_TAG),
        }
    }
}

/// The id of a holder: the machine's name before it is for people, and may change.
pub fn id(holder: &str) -> &str {
    holder.rsplit(':').next().unwrap_or_default()
}

impl Lock {
    /// Whether this process holds it; where nobody is named, nobody does.
    pub fn is_held_by(&self, me: &str) -> bool {
        !self.holder.is_empty() && id(&self.holder) == id(me)
    }

    /// Whether another one holds it, dead or alive.
    pub fn is_held_by_another(&self, me: &str) -> bool {
        !self.holder.is_empty() && !self.is_held_by(me)
    }

    /// From when on the holder is taken for dead; nothing where it never said that it is alive: only a person knows then.
    pub fn dead_from(&self) -> Option<Timestamp> {
        self.beat.map(|beat| later(beat, DEAD_AFTER))
    }

    pub fn is_dead(&self, at: Option<Timestamp>) -> bool {
        self.dead_from().zip(at).is_some_and(|(dead, at)| at >= dead)
    }

    /// Whether the holder began the move, or has counted itself among those that took it over.
    pub fn is_settled(&self) -> bool {
        self.taken.is_none() || self.heir == id(&self.holder)
    }

    /// The epoch of connections: above that of whoever held the move before, and of every earlier move (rule 2).
    pub fn connections(&self) -> u64 {
        u64::from(self.epoch) * HEIRS + u64::from(self.heirs)
    }
}

/// More often a move is not taken over.
const HEIRS: u64 = 10_000;
