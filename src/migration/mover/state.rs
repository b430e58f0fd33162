//! What a mover is told, and what it shows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::migration::copy::{Progress, Trouble};
use crate::migration::hold::{Foreigner, HoldError, Ledger};
use crate::migration::wire::WireError;

/// Where the move stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The source serves, and the target follows it.
    Following,
    /// Both sides are held and equal. Nobody was sent anywhere.
    Frozen,
    /// Both sides are held; the references are being turned, and consumers arrive at the held target.
    Moving,
    /// No foreign client is left on the source, and its hold lasts.
    Fenced,
    /// All was looked at once more. The owner writes COMMIT next, or orders to undo.
    Proven,
    /// The target serves. The source is held, and watched.
    Committed,
    /// The references are being turned back; then the source is released.
    Undoing,
    /// The source serves. The target is held, and to be discarded.
    Undone,
    /// Rolling back: the target is held, and the source's ledger is unchanged.
    TargetHeld,
    /// Rolled back, but for the references: the source has what the target had, and both are held.
    Returned,
    /// The source serves again. The target is held, and to be discarded.
    Back,
    /// A person must look: nothing goes on by itself.
    Halted,
}

/// What the owner wants next. Each may be ordered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hold the source, copy what is left, hold the target.
    Freeze,
    /// The references are about to be turned: from here on an undo waits for them.
    Move,
    /// Send the source's clients away for good, and make its hold last. AWS' part of the fence comes before: who connects later is only ended once more,
    /// by [`Order::Commit`].
    Fence,
    /// Look at everything once more.
    Commit,
    /// COMMIT is written: let the target go. There is no undo any more.
    Release,
    /// Back to the source, before the commit. On the way back after it (in [`Phase::TargetHeld`]): the target serves on.
    Undo,
    /// The references point to the source again (in [`Phase::Undoing`]).
    TurnedBack,
    /// Back to the source, after the commit: hold the target, and look at the source's ledger.
    RollBack {
        /// A person has seen the late writes on the source, and gives them up.
        give_up_late_writes: bool,
    },
    /// The intent is written: open the source behind its fence, and copy back.
    Reopen,
    /// The references point to the source again, and its fence is lifted: let it go (in [`Phase::Returned`]).
    ReleaseSource,
}

/// What a later mover, or a way back, must know of the moment of the freeze. The owner keeps it in its journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub source: Ledger,
    pub target: Ledger,
}

/// What the journal of an owner that died says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Journaled {
    /// A freeze may have begun; no reference was turned.
    Freezing,
    /// References may have been turned; there is no COMMIT. Evidence: of the freeze.
    Moving(Evidence),
    /// COMMIT.
    Committed(Evidence),
    /// A roll back was ordered after COMMIT; the source was not opened.
    RollingBack(Evidence),
    /// The source may have been opened for the way back. Evidence: as its owner knows it; what the copier wrote since is no late write.
    Reopened(Evidence),
    /// The way back has come to [`Phase::Returned`]; references may have been turned back.
    Returned,
}

/// What is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub phase: Phase,
    /// Why it was undone, or halted.
    pub why: Option<String>,
    /// What does not go well at the moment, and is tried again.
    pub trouble: Option<String>,
    /// From the hold to "target proven equal".
    pub settle: Option<Duration>,
    /// How long writes have been held, or were.
    pub held: Option<Duration>,
    pub evidence: Option<Evidence>,
    /// Why there is no way back after the commit: the source cannot read what the target writes.
    pub no_way_back: Option<String>,
    /// Foreign clients of the two sides, as last seen.
    pub on_source: Vec<Foreigner>,
    pub on_target: Vec<Foreigner>,
    /// Writes on the source since the freeze, in words.
    pub late: Vec<String>,
    /// Keys that differ between the sides: what a person decides about. The first of them.
    pub different: Vec<Difference>,
    /// What copying is like.
    pub progress: Option<Progress>,
}

impl State {
    pub(super) fn new(phase: Phase) -> State {
        State {
            phase,
            why: None,
            trouble: None,
            settle: None,
            held: None,
            evidence: None,
            no_way_back: None,
            on_source: Vec::new(),
            on_target: Vec::new(),
            late: Vec::new(),
            different: Vec::new(),
            progress: None,
        }
    }
}

/// A key that differs between source and target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    pub database: u32,
    /// Its name; what is not UTF-8 is replaced.
    pub key: String,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    OnSourceAlone,
    OnTargetAlone,
    Unequal,
}

/// Why an order was not carried out, or not to its end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Stop {
    #[error("{order} makes no sense where the move is {phase:?}")]
    NotNow { order: &'static str, phase: Phase },
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Copy(#[from] Trouble),
    #[error("the target has not caught up: {compared} of {keys} keys are compared")]
    NotYet { compared: u64, keys: u64 },
    #[error("{0}")]
    Unproven(String),
    #[error(
        "the new group did not pass the trial that goes before anything is held: {0}; where it stays so, `migration.writeGap: Accept` moves it all the same, and what is written meanwhile is lost"
    )]
    Unfit(String),
    #[error("the source was written to after the freeze: {}", .0.join("; "))]
    Late(Vec<String>),
    #[error("there is no way back: {0}")]
    NoWayBack(String),
    #[error("the mover has ended")]
    Ended,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Stop {
        Stop::Hold(HoldError::Wire(error))
    }
}

impl Order {
    pub(super) fn words(&self) -> &'static str {
        match self {
            Order::Freeze => "to freeze",
            Order::Move => "to turn the references",
            Order::Fence => "to fence the source",
            Order::Commit => "to prove all once more",
            Order::Release => "to release the target",
            Order::Undo => "to undo",
            Order::TurnedBack => "to go on once the references are turned back",
            Order::RollBack { .. } => "to roll back",
            Order::Reopen => "to reopen the source",
            Order::ReleaseSource => "to release the source",
        }
    }
}
