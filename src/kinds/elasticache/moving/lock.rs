//! The lock of a move: a cache parameter group. Of a name there can be one, so that of two who make it at once one is refused; tags can be read and set
//! but not compared and set, and so whoever takes a lock over writes itself, waits, and goes on only where that still stands. Its connections have a higher epoch
//! than those of who held it before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DEAD_AFTER;
use super::fence::{FENCE_TAG, ON_NODES_TAG, Raised};
use super::figures::Figures;
use super::places::{self, Noted};
use crate::clock::later;
use crate::migration::hold::{COPIED_WITH, Ledger};

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
/// How long the move was thought to take when it began: [`Figures`].
pub const FORECAST_TAG: &str = "holdfast.dev/forecast";
/// How long it took.
pub const MEASURED_TAG: &str = "holdfast.dev/measured";

/// What the source had counted at the freeze, as [`Digests`]: there before the commit, as the evidence on a way back after it. A ledger itself does not
/// fit: a tag's value has 256 characters, a resource 50 tags, and a group up to 500 shards. The target's is not kept: from the commit on it takes writes.
pub const LEDGER_TAG: &str = "holdfast.dev/source-ledger";
/// When it was last looked whether the source was written to, and its hold was renewed.
pub const LOOKED_TAG: &str = "holdfast.dev/source-looked";
/// What was found then.
pub const LATE_TAG: &str = "holdfast.dev/source-late";
/// In [`LATE_TAG`]: nothing was found.
pub const NOT_LATE: &str = "none";
/// How far the way back after the commit is: see [`Return`].
pub const RETURN_TAG: &str = "holdfast.dev/return";
/// Why it was stopped, where it was.
pub const STOPPED_TAG: &str = "holdfast.dev/return-stopped";
/// A person gives up the writes that this way back cannot keep.
pub const GIVE_UP_WRITES_TAG: &str = "holdfast.dev/give-up-writes";

/// That the source is a standalone cluster, and when that was created: `cluster 2026-01-01T00:00:00Z`. Not there: it is a group.
pub const SOURCE_TAG: &str = "holdfast.dev/source";
/// How it begins.
pub const STANDALONE: &str = "cluster ";

/// What was consented to when the move was begun: [`super::op::MoveOp::TakeLock`] has it.
pub const CONSENT_TAG: &str = "holdfast.dev/consent";
/// A place may have been turned, or is about to be.
pub const TURNING_TAG: &str = "holdfast.dev/turning";
/// Which clusters and namespaces the move's Kubernetes places stand in, in short.
pub const CLUSTERS_TAG: &str = "holdfast.dev/clusters";
/// How what a move notes of its places begins: a name of [`super::names::Names::turned`] ends it.
const NOTES: &str = "holdfast.dev/holdfast-";

/// How far the way back after the commit is. Each is written before what it names may have happened.
///
/// ```text
/// (none) --a person asks--> Asked --intent--> Reopened --both held and equal--> Returned --> the way back as before the commit
///                             \_______________/ late writes, or it fails: the target serves on
///                                    Stopped --a person asks again--> Asked
/// ```
///
/// | | who takes writes | where a process ends |
/// |---|---|---|
/// | Asked | the target, until it is held | the target is held again, and the source's ledger looked at |
/// | Reopened | nobody, but us on the source | the same, and all is compared; the source has what nobody reads |
/// | Returned | nobody; then the source, whose hold ends by itself | what names the target is turned back, the source let go; the target is never let go again |
/// | Stopped | the target | it is let go, where it is held still |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// A person wants it. Until it is `Reopened` only the target is held.
    Asked,
    /// The source may have been opened, and written to by us.
    Reopened,
    /// The source has all that the target had. From here on the source is what counts.
    Returned,
    /// It did not come to its end, and the target serves on: a person decides.
    Stopped,
}

impl Return {
    pub fn word(self) -> &'static str {
        match self {
            Return::Asked => "asked",
            Return::Reopened => "reopened",
            Return::Returned => "returned",
            Return::Stopped => "stopped",
        }
    }

    /// What is not known is for a person.
    fn read(word: &str) -> Return {
        let all = [Return::Asked, Return::Reopened, Return::Returned];
        all.into_iter().find(|one| one.word() == word).unwrap_or(Return::Stopped)
    }
}

/// A ledger in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    pub all: String,
    /// Without what the copier writes with: equal after it wrote too.
    pub others: String,
}

impl Digests {
    pub fn of(ledger: &Ledger) -> Digests {
        Digests { all: ledger.digest(&[]), others: ledger.digest(&COPIED_WITH) }
    }

    pub fn text(&self) -> String {
        format!("{}:{}", self.all, self.others)
    }

    fn read(text: &str) -> Option<Digests> {
        let (all, others) = text.split_once(':')?;
        Some(Digests { all: all.to_owned(), others: others.to_owned() })
    }
}

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
    /// The evidence of the freeze; nothing where writes were not held, or nothing was committed.
    pub ledger: Option<Digests>,
    /// When the source was last looked at, in the soak.
    pub looked: Option<Timestamp>,
    /// What was found then, where it is not as it was at the freeze.
    pub late: Option<String>,
    /// How far the fence of the source is.
    pub fence: Raised,
    /// Whether the source's primaries showed it when they were last looked at.
    pub fence_on_nodes: Option<bool>,
    /// How far the way back after the commit is, where there is one.
    pub returning: Option<Return>,
    /// Why it was stopped; empty: it was not.
    pub stopped: String,
    /// The writes that it cannot keep are given up.
    pub gives_up: bool,
    pub forecast: Option<Figures>,
    pub measured: Option<Figures>,
    /// The places that it was begun with; nothing: an earlier version began it, which took no note of them.
    pub places: Option<Vec<Noted>>,
    /// What was consented to when it was begun; empty: an earlier version began it, which took no note of that.
    pub consent: String,
    /// One of the places may have been turned.
    pub turning: bool,
    /// The clusters of its Kubernetes places, in short.
    pub clusters: Vec<String>,
    /// What was noted of places that can keep no note themselves, by tag.
    pub notes: BTreeMap<String, String>,
    /// When the standalone cluster was created that is moved; nothing: a group is.
    pub standalone: Option<String>,
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
            ledger: Digests::read(&text(LEDGER_TAG)),
            looked: text(LOOKED_TAG).parse().ok(),
            late: tags.get(LATE_TAG).filter(|late| *late != NOT_LATE).cloned(),
            fence: Raised::read(&text(FENCE_TAG)),
            fence_on_nodes: match text(ON_NODES_TAG).as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
            returning: tags.get(RETURN_TAG).map(|word| Return::read(word)),
            stopped: text(STOPPED_TAG),
            gives_up: text(GIVE_UP_WRITES_TAG) == "yes",
            forecast: tags.get(FORECAST_TAG).map(|text| Figures::read(text)),
            measured: tags.get(MEASURED_TAG).map(|text| Figures::read(text)),
            places: places::read(tags),
            consent: text(CONSENT_TAG),
            turning: tags.contains_key(TURNING_TAG),
            clusters: text(CLUSTERS_TAG).split_whitespace().map(str::to_owned).collect(),
            notes: tags.iter().filter(|(key, _)| key.starts_with(NOTES)).map(|(key, value)| (key.clone(), value.clone())).collect(),
            standalone: tags.get(SOURCE_TAG).and_then(|text| text.strip_prefix(STANDALONE)).map(str::to_owned),
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
