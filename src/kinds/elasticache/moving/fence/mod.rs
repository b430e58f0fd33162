//! The fence of the old group (MIGRATION.md, rule 15). From the commit on its writes are held by CLIENT PAUSE, which a failover, a replaced node or
//! somebody's UNPAUSE opens. The fence outlives all of them: a cache parameter group of holdfast's, with what the old group's own one sets and more
//! replicas to be in step with than a shard can have, so that every primary refuses every write, however it came to be one.
//!
//! It is raised when the new group takes writes: nobody waits for it, the pause goes on under it, and where it cannot be had the move goes on without, and
//! says so. The way back lowers it while the pause is proven and the new group serves, since RESTORE is refused behind it too.
//!
//! AWS changes the parameter on running nodes, and lets a group be given another parameter group at any time as long as those values that wait for a restart
//! are the same in both. [AWS documentation, "Redis Specific Parameters": `min-slaves-to-write`, "Modifiable: Yes, Changes Take Effect: Immediately", called
//! `min-replicas-to-write` from Redis 5.0 on; and its first paragraph]

mod check;
mod observe;
mod plan;
mod start;

pub(super) use check::check;
pub(super) use observe::observe;
pub use plan::{left, unread, words};
pub(super) use start::start;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::seen::{Moving, Stand};
use crate::clock::later;
use crate::kinds::elasticache::seen::Members;
use crate::kinds::{Fact, Unreadable};

/// On the lock: how far the fence is, as [`Raised`].
pub const FENCE_TAG: &str = "holdfast.dev/fence";
/// On the lock: whether every primary of the source said that it has the fence, when it was last looked at.
pub const ON_NODES_TAG: &str = "holdfast.dev/fence-on-nodes";
/// On the parameter group: the one that the source had.
const WAS_TAG: &str = "holdfast.dev/fence-instead-of";
/// On the parameter group: it has all that it is to have.
const FILLED_TAG: &str = "holdfast.dev/fence-filled";

/// How the parameter is called, from 5.0 on and before. Valkey has the newer name.
const REFUSING: [&str; 2] = ["min-replicas-to-write", "min-slaves-to-write"];
/// With 0 here, the other says nothing.
const LAG: [&str; 2] = ["min-replicas-max-lag", "min-slaves-max-lag"];
/// More replicas than AWS gives a shard, which is five.
const REPLICAS: &str = "100";
const LAG_SECONDS: &str = "10";

/// Why a standalone cluster has none.
const ALONE: &str = "it is a standalone cluster, and holdfast gives parameter groups to replication groups only";
/// What AWS says of a group whose nodes are being changed.
const MODIFYING: &str = "modifying";

/// After this long a run does not wait for it any more.
const RAISING: Duration = Duration::from_secs(60 * 60);
/// After this long it is tried again.
const AGAIN: Duration = Duration::from_secs(2 * 60 * 60);

/// The fence of one move, as its steps name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fence {
    /// The parameter group.
    pub name: String,
    pub lock: String,
    pub source: String,
    pub target: String,
    /// The parameter group that the source has, and gets back.
    pub was: String,
}

/// What the lock says of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Raised {
    /// Nothing was begun, or it was lowered for the way back.
    #[default]
    No,
    /// Since then.
    Begun(Timestamp),
    /// It cannot be had, for this reason.
    GivenUp(String),
}

impl Raised {
    pub fn read(text: &str) -> Raised {
        match text.split_once(' ') {
            Some(("begun", at)) => at.parse().map_or(Raised::No, Raised::Begun),
            Some(("none", why)) => Raised::GivenUp(why.to_owned()),
            _ => Raised::No,
        }
    }
}

/// What is seen of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The name of its parameter group.
    pub name: String,
    pub group: Fact<Made>,
    /// The nodes of the source; absent where that is no replication group, or is gone.
    pub nodes: Fact<Members>,
    /// What the source is doing.
    pub status: String,
    /// What waits for the source's maintenance window beside its nodes.
    pub waiting: Vec<String>,
}

/// Its parameter group.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub ours: bool,
    /// The one that the source had.
    pub was: String,
    pub filled: bool,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Fencing {
    /// There is nothing to be fenced.
    None,
    /// The source takes writes where its pause ends.
    Lacking,
    /// It is on its way to the nodes.
    Raising,
    /// AWS says that every node has it.
    InForce,
    /// It cannot be had, for this reason.
    Impossible(String),
    Unknown(Unreadable),
}

impl Seen {
    /// Whether a node of the source has it, as AWS says.
    pub fn is_attached(&self) -> bool {
        self.nodes.present().is_some_and(|nodes| nodes.parameter_groups.contains(&self.name))
    }

    /// Why a source that does not have it cannot be given it now.
    pub fn obstacle(&self, source: &str) -> Option<String> {
        let nodes = self.nodes.present()?;
        let waiting: Vec<&str> = self.waiting.iter().chain(&nodes.waiting).map(String::as_str).collect();
        if nodes.parameter_group().is_none() {
            return Some(format!("the nodes of {source} do not all have the same parameter group"));
        }
        if nodes.waits_for_restart {
            return Some(format!("parameters of {source} wait for a restart of its nodes, which would come with another parameter group"));
        }
        if !waiting.is_empty() {
            return Some(format!("{} of {source} waits for the maintenance window, and would be done with it", waiting.join(" and ")));
        }
        match &self.group {
            Fact::Present(group) if !group.ours => {
                Some(format!("the parameter group {} is there, and holdfast did not make it", self.name))
            }
            _ => None,
        }
    }
}

impl Moving {
    pub fn fencing(&self) -> Fencing {
        let (Some(names), Some(lock), fence) = (&self.names, self.lock.present(), &self.fence) else { return Fencing::None };
        if names.standalone {
            return Fencing::Impossible(ALONE.to_owned());
        }
        let nodes = match &fence.nodes {
            Fact::Unknown(why) => return Fencing::Unknown(why.clone()),
            Fact::Absent => return Fencing::None,
            Fact::Present(nodes) => nodes,
        };
        if fence.is_attached() {
            return match (nodes.parameter_group(), nodes.waits_for_restart) {
                (Some(_), true) => {
                    Fencing::Impossible(format!("AWS says that {} waits for a restart of the nodes of {}", fence.name, names.source))
                }
                // Another status, a snapshot's, changes nothing of it.
                (Some(_), false) if !nodes.applying && fence.status != MODIFYING => Fencing::InForce,
                _ => Fencing::Raising,
            };
        }
        if let Raised::GivenUp(why) = &lock.fence {
            return Fencing::Impossible(why.clone());
        }
        match (&fence.group, fence.obstacle(&names.source)) {
            (Fact::Unknown(why), _) => Fencing::Unknown(why.clone()),
            (_, Some(why)) => Fencing::Impossible(why),
            (_, None) => Fencing::Lacking,
        }
    }

    /// Whether it was begun so long ago that a run goes on without it, until it is tried again.
    pub fn fence_is_late(&self) -> bool {
        let begun = match self.lock.present().map(|lock| &lock.fence) {
            Some(Raised::Begun(begun)) => Some(*begun),
            _ => None,
        };
        // What AWS has taken is not asked for again: it comes, or does not.
        let again = |begun| self.fencing() != Fencing::Raising && self.at.is_some_and(|at| at >= later(begun, AGAIN));
        begun.zip(self.at).is_some_and(|(begun, at)| at >= later(begun, RAISING) && !again(begun))
    }

    /// Whether it is to be raised, or waited for: the new group serves, and the old one is kept.
    pub fn wants_fence(&self) -> bool {
        let soaks = matches!(self.stand(), Stand::Soaking(_));
        soaks && matches!(self.fencing(), Fencing::Lacking | Fencing::Raising) && !self.fence_is_late()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_says_how_far_it_is() {
        assert_eq!(Raised::read(""), Raised::No);
        assert_eq!(Raised::read("lowered"), Raised::No);
        assert_eq!(Raised::read("begun 2026-01-01T00:00:00Z"), Raised::Begun("2026-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(Raised::read("begun yesterday"), Raised::No);
        assert_eq!(Raised::read("none it was refused"), Raised::GivenUp("it was refused".to_owned()));
    }

    #[test]
    fn what_waits_at_the_old_group_stands_in_its_way() {
        let nodes = Members { parameter_groups: ["p".to_owned()].into(), ..Members::default() };
        let seen = |nodes: Members| Seen { name: "fence".to_owned(), nodes: Fact::Present(nodes), group: Fact::Absent, ..Seen::default() };
        assert_eq!(seen(nodes.clone()).obstacle("old"), None);
        let said = |nodes: Members| seen(nodes).obstacle("old").unwrap_or_default();
        assert!(said(Members { waits_for_restart: true, ..nodes.clone() }).contains("wait for a restart"));
        assert!(said(Members { waiting: vec!["node type x".to_owned()], ..nodes.clone() }).contains("node type x of old waits"));
        let two = Members { parameter_groups: ["p".to_owned(), "q".to_owned()].into(), ..nodes.clone() };
        assert!(said(two).contains("do not all have the same"));
        let theirs = Made { ours: false, was: String::new(), filled: false };
        let taken = Seen { group: Fact::Present(theirs), ..seen(nodes) };
        assert!(taken.obstacle("old").unwrap_or_default().contains("holdfast did not make it"));
    }
}
