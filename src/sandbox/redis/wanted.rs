//! What servers an account asks for.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that is to run, by group, and the snapshots that are to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub groups: BTreeMap<String, Group>,
    pub snapshots: BTreeMap<String, Snapshot>,
}

/// Whether the endpoints of a group speak TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transit {
    #[default]
    Plain,
    /// Both, on one port.
    Either,
    /// TLS alone.
    Tls,
}

/// A group: of cluster mode, or of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Whether its nodes run. Before that it has its addresses, which answer nobody.
    pub up: bool,
    /// Major and minor version of the engine.
    pub version: [u32; 2],
    pub cluster: bool,
    pub shards: Vec<Shard>,
    /// The slots of each shard, both ends included, in cluster mode where they are not dealt evenly.
    pub slots: Vec<Vec<(u16, u16)>>,
    /// Of every node and endpoint; each has an address of its own.
    pub port: u16,
    pub transit: Transit,
    /// SHA-256, in hex, of the tokens that are valid.
    pub tokens: Vec<String>,
    /// Whether one may connect without a token.
    pub passwordless: bool,
    /// Bytes.
    pub maxmemory: u64,
    /// Settings by their names in redis.conf, that CONFIG SET takes.
    pub settings: BTreeMap<String, String>,
    /// Takes effect when a node starts.
    pub databases: u32,
    /// The snapshot that it begins with.
    pub restored_from: Option<String>,
    /// Whether the application's side is let in; holdfast's always is.
    pub application: bool,
    /// Whether the endpoints answer yet: their names come late.
    pub answers: bool,
    /// Nodes that are restarted when they come into this set.
    pub rebooting: BTreeSet<String>,
    /// How many keys it begins with.
    pub keys: u64,
}

impl Group {
    /// The slots of a shard in cluster mode.
    pub fn slots_of(&self, shard: usize) -> Vec<(u16, u16)> {
        self.slots.get(shard).cloned().unwrap_or_else(|| vec![super::cluster::slots(shard, self.shards.len())])
    }
}

/// A shard and its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// The primary's; none while the shard fails over: the old one is gone, the new one not yet there.
    pub primary: Option<String>,
}

/// Where a snapshot's data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// These nodes of the group, one a shard, in the order of the shards.
    Nodes { group: String, nodes: Vec<String> },
    /// Another snapshot.
    Copy(String),
    /// It never gets any.
    Stuck,
}
