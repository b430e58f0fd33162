//! What a step of a move does, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fence::Fence;
use super::settings::Settings;
use crate::kinds::elasticache::migration::Cutover;
use crate::kinds::elasticache::token::TokenRef;

/// The two groups of a move that holds writes, and how to log in to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sides {
    pub source: String,
    /// The source is a standalone cluster that was created then: another one of its name is not the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standalone: Option<String>,
    pub target: String,
    pub lock: String,
    /// The lock's: connections carry it.
    pub epoch: u32,
    /// The token of those groups that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenRef>,
}

/// One change of a move. Tokens are named by reference, addresses never stand in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "move", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MoveOp {
    /// Takes over a move that nobody holds, or whose holder was not heard of for long: writes itself into the lock, and waits whether that stands.
    Adopt {
        lock: String,
        /// Who held it; empty: nobody.
        #[serde(default)]
        from: String,
    },
    /// Counts itself among those that took it over: connections of earlier ones are ended and refused from now on.
    Count {
        lock: String,
        /// The number, as far as it is known.
        heirs: u32,
    },
    /// Says that this process is alive. In no plan: it is sent while another step goes on.
    Beat { lock: String, target: String },
    /// Ends what this process does between passes: another one has taken the move over. In no plan.
    Leave {
        target: String,
        #[serde(default)]
        lock: String,
    },
    /// Notes on the lock that a command of this process, which turns a place, has ended.
    NoteEnded { lock: String, tag: String, value: String },
    /// Waits until the group that is moved is available: nothing is sent.
    Wait { source: String },
    /// Makes a token, and stores it in the secret that is there for it.
    MakeToken { token: TokenRef },
    /// Makes the lock, after every place was read that will be turned.
    TakeLock {
        name: String,
        family: String,
        object: String,
        source: String,
        /// As of [`Sides`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standalone: Option<String>,
        target: String,
        cutover: Vec<Cutover>,
        /// The tags by which the lock notes these places.
        #[serde(default)]
        places: BTreeMap<String, String>,
        /// All that is consented to with this step, as the lock notes it: a digest of what may be noticed, to the commit.
        #[serde(default)]
        consent: String,
    },
    /// Notes the places on a lock that an earlier version made, while none of them was turned.
    NotePlaces {
        lock: String,
        places: BTreeMap<String, String>,
        /// By a person, who has seen to it that they are all of them: whoever holds the move.
        #[serde(default)]
        asked: bool,
    },
    Snapshot {
        name: String,
        source: String,
        /// The cluster that it is taken from; none: the whole group, in cluster mode.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster: Option<String>,
        /// The key that the snapshot is encrypted with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kms_key: Option<String>,
        target: String,
        lock: String,
    },
    Restore {
        lock: String,
        target: String,
        snapshot: String,
        object: String,
        settings: Box<Settings>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kms_key: Option<String>,
        tls: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenRef>,
    },
    /// Sends nothing: the new group has what the old one has.
    Compare { source: String, target: String, lock: String },
    /// Makes the target follow the source, whatever changes there.
    Follow {
        sides: Sides,
        /// An earlier process may have left the source held: nobody was turned, so that it is let go first.
        #[serde(default)]
        reopen: bool,
        /// For how long writes may be held later.
        budget_seconds: u64,
        /// For how long the source is kept, and held, after the commit.
        kept_seconds: u64,
    },
    /// Holds the writes of the source, copies what is left, proves that both are equal, and holds the target.
    Freeze { sides: Sides },
    /// Sends the source's clients away, and makes its hold last.
    Fence { sides: Sides },
    /// Looks at everything once more, before the commit.
    Prove { sides: Sides },
    /// Lets the target take writes, after the commit.
    LetGo { sides: Sides, arn: String },
    /// Lets the source take writes again, on the way back.
    Reopen { sides: Sides },
    /// Turns one place to the target.
    Turn {
        /// Both groups are held meanwhile.
        #[serde(default)]
        held: bool,
        place: usize,
        cutover: Cutover,
        source: String,
        /// As of [`Sides`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standalone: Option<String>,
        target: String,
        lock: String,
        tls: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenRef>,
    },
    /// The commit: from now on the logical name means the target.
    Serve {
        /// The target is held, and let go in a step of its own.
        #[serde(default)]
        held: bool,
        name: String,
        target: String,
        arn: String,
        lock: String,
        /// The token that it was made with, to be noted as the one in force.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenRef>,
    },
    /// Takes off the target what a way back may delete it by.
    Claim { target: String, arn: String },
    /// Makes the parameter group that is to fence the source.
    MakeFence { fence: Fence, family: String, object: String },
    /// Gives it what the source's own one sets, and what refuses writes.
    FillFence {
        fence: Fence,
        #[serde(default)]
        cluster_mode: bool,
    },
    /// Has the source use it.
    RaiseFence { fence: Fence },
    /// Has the source use its own one again, on the way back.
    LowerFence {
        fence: Fence,
        /// Its writes are held for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sides: Option<Sides>,
        kept_seconds: u64,
    },
    /// Deletes the parameter group that was a fence.
    DropFence { name: String, target: String },
    LastSnapshot {
        name: String,
        source: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster: Option<String>,
        target: String,
    },
    DeleteSource {
        source: String,
        /// As of [`Sides`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standalone: Option<String>,
        /// When it was created: one of that name that is younger is another one.
        created: String,
        last_snapshot: String,
        target: String,
        lock: String,
    },
    /// Looks whether the source was written to since the freeze, holds it on, and notes what was found.
    LookAtSource { sides: Sides, kept_seconds: u64 },
    /// A person wants the way back after the commit.
    AskBack {
        lock: String,
        /// The writes that it cannot keep are given up.
        give_up: bool,
        /// As for the way back before the commit.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        places: BTreeMap<String, String>,
    },
    /// Holds the writes of the target, which serves, and looks at the source's ledger. Goes on where another process has ended.
    HoldBack { sides: Sides, arn: String, budget_seconds: u64, kept_seconds: u64 },
    /// Opens the source for us alone, and copies back until both are equal, and held.
    CopyBack { sides: Sides },
    /// From now on the source is what counts, and the way back is the one before the commit.
    NoteReturned {
        lock: String,
        target: String,
        /// Both are held, and equal.
        held: bool,
    },
    /// Gives the target the tag back that a way back may delete it by.
    Reclaim {
        target: String,
        arn: String,
        /// When it was created: a group of that name that is younger is another one.
        created: String,
        lock: String,
    },
    /// The logical name means the source again.
    Unserve { target: String, arn: String, lock: String },
    /// A snapshot of what served, before it is deleted.
    KeepTarget {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster: Option<String>,
        target: String,
    },
    /// Notes on the source what serves in its place.
    NoteReplaced { source: String, arn: String, target: String },
    DropSnapshot {
        name: String,
        target: String,
        /// Empty after the commit: then nobody holds the move.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        lock: String,
    },
    DropTarget {
        target: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        lock: String,
        /// Where a restore failed: which attempt, from 1. The next one has another snapshot.
        attempt: u32,
        /// None of these may name it in that moment.
        #[serde(default)]
        cutover: Vec<Cutover>,
        /// It has served: this snapshot of it must be available.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_snapshot: Option<String>,
    },
    /// Notes on the lock that the next attempt begins.
    NextAttempt { lock: String, attempt: u32 },
    /// From now on only the way back.
    GoBack {
        lock: String,
        why: String,
        /// By a person, whoever holds the move.
        #[serde(default)]
        asked: bool,
        /// The places, where the lock notes none: the person has seen to it that they are all of them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        places: BTreeMap<String, String>,
    },
    /// The soak is over when this says so.
    Finalize { lock: String },
    /// Lets a move be begun again that was given up.
    Resume { arn: String },
    TurnBack {
        place: usize,
        cutover: Cutover,
        source: String,
        /// As of [`Sides`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standalone: Option<String>,
        target: String,
        lock: String,
    },
    /// Takes away what stands at a place of the move.
    Forget { place: usize, cutover: Cutover, source: String, target: String, lock: String },
    /// Notes on the source that a move was given up: another is begun only when a person has taken the note away.
    GiveUp {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        lock: String,
        source: String,
        arn: String,
        tags: BTreeMap<String, String>,
    },
    Unlock {
        name: String,
        /// The last epoch that is ended with it: a later one is another move.
        #[serde(default = "last")]
        through: u32,
    },
}

fn last() -> u32 {
    u32::MAX
}

impl MoveOp {
    /// The lock that who does this must hold: nothing where it is anybody's to do.
    pub fn needs_lock(&self) -> Option<&str> {
        let lock = match self {
            MoveOp::Snapshot { lock, .. }
            | MoveOp::Count { lock, .. }
            | MoveOp::NotePlaces { lock, asked: false, .. }
            | MoveOp::Beat { lock, .. }
            | MoveOp::NoteEnded { lock, .. }
            | MoveOp::Restore { lock, .. }
            | MoveOp::Compare { lock, .. }
            | MoveOp::Turn { lock, .. }
            | MoveOp::TurnBack { lock, .. }
            | MoveOp::Serve { lock, .. }
            | MoveOp::DropSnapshot { lock, .. }
            | MoveOp::DropTarget { lock, .. }
            | MoveOp::GiveUp { lock, .. }
            | MoveOp::GoBack { lock, asked: false, .. }
            | MoveOp::NoteReturned { lock, .. }
            | MoveOp::Reclaim { lock, .. }
            | MoveOp::Unserve { lock, .. }
            | MoveOp::NextAttempt { lock, .. } => lock,
            MoveOp::LowerFence { fence, .. } => &fence.lock,
            MoveOp::Follow { sides, .. }
            | MoveOp::Freeze { sides }
            | MoveOp::Fence { sides }
            | MoveOp::Prove { sides }
            | MoveOp::HoldBack { sides, .. }
            | MoveOp::CopyBack { sides }
            | MoveOp::Reopen { sides } => &sides.lock,
            _ => return None,
        };
        Some(lock.as_str()).filter(|lock| !lock.is_empty())
    }

    /// What turns the move back where this step fails. Before the lock there is nothing to turn; after the commit it goes forward only.
    pub fn turns_back(&self) -> Option<MoveOp> {
        let lock = match self {
            MoveOp::Snapshot { lock, .. }
            | MoveOp::Restore { lock, .. }
            | MoveOp::Compare { lock, .. }
            | MoveOp::Turn { lock, .. }
            | MoveOp::NextAttempt { lock, .. } => lock,
            MoveOp::Follow { sides, .. } | MoveOp::Freeze { sides } | MoveOp::Fence { sides } | MoveOp::Prove { sides } => &sides.lock,
            _ => return None,
        };
        Some(MoveOp::GoBack {
            lock: lock.clone(),
            why: "a step failed: see the run that reported it".to_owned(),
            asked: false,
            places: BTreeMap::new(),
        })
    }
}
