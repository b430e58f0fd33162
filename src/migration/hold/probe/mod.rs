//! What a side is like, before anything is done to it: read only, and everything that stands in the way said at once.
//!
//! Nothing here writes a key, changes a setting or ends a connection. Commands that matter are tried in forms that do nothing.

mod allowed;
mod fit;
mod node;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::forecast::Measured;
use crate::migration::side::Side;
use crate::migration::wire::Name;

pub use fit::fit;

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// What is the matter, with the node that it is about.
    pub what: String,
    /// Whether the migration cannot begin with it.
    pub blocks: bool,
    /// Nothing was found: a node could not be asked.
    pub unread: bool,
    pub what_to_do: String,
}

impl Finding {
    fn blocks(what: String, what_to_do: &str) -> Finding {
        Finding { what, blocks: true, unread: false, what_to_do: what_to_do.to_owned() }
    }

    fn warns(what: String, what_to_do: &str) -> Finding {
        Finding { blocks: false, ..Finding::blocks(what, what_to_do) }
    }

    /// A node that does not answer blocks: nobody knows what it is like.
    pub fn unread(what: String, what_to_do: &str) -> Finding {
        Finding { unread: true, ..Finding::blocks(what, what_to_do) }
    }
}

/// Which part a side has: more is asked of some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Source,
    Target,
}

/// What was read of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// `host:port`.
    pub node: String,
    /// The place of its shard.
    pub shard: usize,
    pub primary: bool,
    pub version: String,
    pub run_id: String,
    pub cluster_epoch: Option<u64>,
    /// Bytes.
    pub used_memory: u64,
    /// Bytes of it that keys and values take, without the server's own.
    pub dataset: u64,
    /// Bytes; 0: no limit.
    pub maxmemory: u64,
    /// `maxmemory_policy`.
    pub eviction: String,
    pub evicted_keys: u64,
    /// Keys by database.
    pub keys: BTreeMap<u32, u64>,
    /// Writing commands a second, over about a second.
    pub changes: f64,
    pub round_trip: Duration,
    /// How far its clock is ahead of this machine's.
    pub clock_ahead_ms: i64,
    /// Whether changes are pushed.
    pub tracking: bool,
    /// Libraries of functions.
    pub functions: u64,
    /// How often scripts ran.
    pub scripts: u64,
    pub modules: Vec<String>,
    /// The version of its payloads; nothing where it holds no key that could be dumped.
    pub payload_version: Option<u16>,
}

/// What was read of a side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Of the nodes that answered; primaries first.
    pub nodes: Vec<NodeFacts>,
    pub databases: u32,
    pub cluster: bool,
}

impl Facts {
    pub fn primaries(&self) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(|node| node.primary)
    }

    pub fn keys(&self) -> u64 {
        self.primaries().flat_map(|node| node.keys.values()).sum()
    }

    /// What a forecast is made from. `source_load` and `restart` are wishes, not facts.
    pub fn measured(&self, source_load: f64, restart: Duration) -> Measured {
        Measured {
            keys: self.keys(),
            bytes: self.primaries().map(|node| node.dataset).sum(),
            changes: self.primaries().map(|node| node.changes).sum(),
            shards: self.primaries().count() as u64,
            round_trip: self.primaries().map(|node| node.round_trip).max().unwrap_or_default(),
            tracking: self.primaries().all(|node| node.tracking),
            source_load,
            restart,
        }
    }
}

/// Reads a side. A node that does not answer is a finding, and the others are read nevertheless.
pub async fn probe(side: &Side, us: &Name, part: Part) -> (Facts, Vec<Finding>) {
    let us = us.for_role("probe");
    let nodes = side.nodes();
    let read = futures::future::join_all(nodes.iter().map(|node| node::read(side, node, &us, part))).await;
    let mut facts = Facts { nodes: Vec::new(), databases: side.databases, cluster: side.is_cluster() };
    let mut findings = Vec::new();
    for (known, found) in read {
        findings.extend(found);
        facts.nodes.extend(known);
    }
    facts.nodes.sort_by_key(|node| (!node.primary, node.shard));
    findings.sort();
    findings.dedup();
    (facts, findings)
}
