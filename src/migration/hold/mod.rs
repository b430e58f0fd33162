//! Holding a side: no node takes a write, it is proven all the time, and what happened nevertheless is told afterwards.
//!
//! ```text
//! probe, forecast, stress   before: can it be held here, and how long will it take
//! pause, sentinel, listener the hold and its proof (rules 10 and 11)
//! clients, fence            who is there, and sending them away (rules 2 and 15)
//! ledger                    that nobody wrote since (rules 16 and 18)
//! ```

mod clients;
mod fence;
mod forecast;
mod ledger;
mod listener;
mod nodes;
mod pause;
mod probe;
mod sentinel;
mod stress;

pub use clients::{Client, Foreigner, Whose, clients, end_earlier, end_foreign, end_role, foreigners};
pub use fence::{fence, open_for_us, refuses_writes, reopen};
pub use forecast::{Forecast, Measured};
pub use ledger::{COPIED_WITH, Counted, Ledger, OwnWrites, writing_commands};
pub use nodes::{NodeLink, Nodes, migrating_slots, version_of};
pub use pause::{Failing, Hold, Released, release_side, replicas_are_known};
pub use probe::{Facts, Finding, NodeFacts, Part, fit, probe};
pub use sentinel::{Broken, Sentinel};
pub use stress::{Stressed, stress};

use super::wire::WireError;

/// Why a side is not held, or not as it must be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HoldError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("{node} runs {version}, which can only hold reads and writes alike: upgrade the engine to 6.2 or newer first")]
    TooOld { node: String, version: String },
    #[error("{node} is not as it is known: {why}")]
    NotAsKnown { node: String, why: String },
    #[error("slot {slot} is on its way from or to {node}: wait until the cluster has finished resharding")]
    Migrating { node: String, slot: u16 },
    #[error("replica {node} {}: {bytes} bytes are missing", if *.follows { "does not catch up with its primary" } else { "does not follow its primary" })]
    Behind { node: String, bytes: u64, follows: bool },
    #[error("{node} does not answer, and was not told to take writes again")]
    NotReleased { node: String },
    #[error("{node} was told to hold writes, and does not")]
    NotHeld { node: String },
    #[error("{0}")]
    Broken(Broken),
    #[error("epoch {epoch} of this migration is at work: this one is over")]
    Superseded { epoch: u64 },
    #[error("{} clients came back for {seconds} s, among them {}", clients.len(), clients.first().map(ToString::to_string).unwrap_or_default())]
    ClientsStay { seconds: u64, clients: Vec<Foreigner> },
}
