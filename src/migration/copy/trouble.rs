//! Why catching up does not go on, or is not proven.

use crate::migration::wire::WireError;

/// What stands in the way. Holds no keys and no values: they are data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("another copier has taken over: this one is of epoch {epoch}, and writes no more")]
    Superseded { epoch: u64 },
    #[error("{node} is a replica: it is not read from, and cannot be written to")]
    NotPrimary { node: String },
    #[error(
        "the target ({target_node}, {target}) cannot read what the source ({source_node}, {source_version}) dumps: choose a target of that version or a newer one"
    )]
    Versions { source_node: String, source_version: String, target_node: String, target: String },
    #[error("{node} has fewer than {databases} databases")]
    Databases { node: String, databases: u32 },
    #[error("the clocks of {one} and {other} differ by {milliseconds} ms, more than {limit} ms: times to live would not survive")]
    Clocks { one: String, other: String, milliseconds: i64, limit: i64 },
    #[error("the tracking connection to {node} broke: every key is compared anew")]
    TrackingBroke { node: String },
    #[error("{node} holds {now} keys where it held {before}: nothing is removed from the target until a person has looked")]
    Emptied { node: String, before: u64, now: u64 },
    #[error("{node} has evicted {keys} keys since the last pass began: it has not the room for what it is given")]
    Evicts { node: String, keys: u64 },
    #[error("databases of the source are swapped again and again: it is not held")]
    Swapped,
    #[error("somebody else writes to {node}: {commands}")]
    Foreign { node: String, commands: String },
    #[error("{node} has {acknowledged} of {replicas} replicas that have all that was written")]
    Replicas { node: String, acknowledged: usize, replicas: usize },
    #[error("{node} holds a {kind} of {bytes} bytes, which goes neither whole nor in pieces")]
    TooLarge { node: String, kind: String, bytes: u64 },
    #[error("a slot is served by no shard")]
    NoShard,
    #[error("the functions of the source's nodes contradict each other: library {library}")]
    Functions { library: String },
    #[error("not all is copied yet: {marks} keys are marked{pass}", pass = if *.passing { ", a pass over all keys is under way" } else { "" })]
    Deadline { marks: usize, passing: bool },
    #[error("it follows nothing: it watches")]
    Watching,
    #[error("it has ended")]
    Ended,
}

impl Trouble {
    /// Whether no other try can help: somebody else has to do something first.
    pub fn is_final(&self) -> bool {
        matches!(self, Trouble::Superseded { .. } | Trouble::Versions { .. } | Trouble::Databases { .. } | Trouble::Ended)
    }

    /// Whether it says that the node is not what it was, or that the slots are elsewhere: all connections are made anew.
    pub fn is_change(&self) -> bool {
        match self {
            Trouble::Wire(WireError::Changed { .. }) | Trouble::NotPrimary { .. } | Trouble::NoShard => true,
            Trouble::Wire(error) => matches!(error.code(), Some("MOVED" | "ASK" | "READONLY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN")),
            _ => false,
        }
    }
}
