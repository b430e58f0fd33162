//! A held command that writes nothing: its answer before the release means that the hold broke (rule 10).
//!
//! A pause is a time on the node's own wall clock, and anyone may end it. No question tells whether it held all the time; a command that has been waiting
//! since it began does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::HoldError;
use super::clients::client;
use super::nodes::NodeLink;
use crate::migration::side::Shard;
use crate::migration::slot;
use crate::migration::wire::{Link, Name, Role, WireError};

/// Longer than any hold.
const FOR_EVER: Duration = Duration::from_secs(400 * 24 * 3600);
/// How long a command may take to be held: it takes a round trip, or it is answered.
const HELD_WITHIN: Duration = Duration::from_secs(5);
const LOOKING: Duration = Duration::from_millis(2);

/// That a hold is no more proven, and why. The first reason stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub node: String,
    pub why: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the hold of {} broke: {}", self.node, self.why)
    }
}

impl Broken {
    pub(super) fn tell(all: &watch::Sender<Option<Broken>>, node: &str, why: String) {
        all.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(Broken { node: node.to_owned(), why });
            }
            is_first
        });
    }
}

/// A command that waits on one node.
pub struct Sentinel {
    id: i64,
    task: JoinHandle<()>,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sentinel {
    /// Sends the command on a connection of its own and waits until the node says that it waits. `over` is true once the hold is released on purpose.
    pub async fn post(
        at: &NodeLink,
        shard: Option<&Shard>,
        name: &Name,
        broken: watch::Sender<Option<Broken>>,
        over: Arc<AtomicBool>,
    ) -> Result<Sentinel, HoldError> {
        let link = Link::connect(&at.endpoint, 0, &name.for_role("sentinel"), None).await?;
        if link.identity.run_id != at.link.identity.run_id {
            let why = "another process answers".to_owned();
            return Err(WireError::Changed { node: link.node().to_owned(), why }.into());
        }
        // A replica of a cluster sends readers to its primary, unless they say that they mean it.
        if link.identity.cluster_epoch.is_some() && link.identity.role == Role::Replica {
            link.ask(&redis::cmd("READONLY"), HELD_WITHIN).await?;
        }
        let key = missing_key(name, shard);
        let id = link.id;
        let node = link.node().to_owned();
        let task = tokio::spawn(async move {
            let answer = link.ask(redis::cmd("PFCOUNT").arg(key), FOR_EVER).await;
            if over.load(Ordering::SeqCst) {
                return;
            }
            let why = match answer {
                Ok(_) => "a command that it held was answered".to_owned(),
                Err(error) => error.to_string(),
            };
            Broken::tell(&broken, link.node(), why);
        });
        let sentinel = Sentinel { id, task };
        let until = tokio::time::Instant::now() + HELD_WITHIN;
        while !sentinel.waits(&at.link).await? {
            if sentinel.task.is_finished() || tokio::time::Instant::now() >= until {
                return Err(HoldError::NotHeld { node });
            }
            tokio::time::sleep(LOOKING).await;
        }
        Ok(sentinel)
    }

    /// Whether the node itself says that the command waits.
    pub async fn waits(&self, control: &Link) -> Result<bool, WireError> {
        Ok(!self.task.is_finished() && client(control, self.id).await?.is_some_and(|client| client.waits()))
    }
}

/// A key that is not there, in a slot of the shard.
fn missing_key(name: &Name, shard: Option<&Shard>) -> String {
    let named = |number: u32| format!("holdfast:{}:sentinel:{{{number}}}", name.migration);
    let Some(shard) = shard.filter(|shard| !shard.slots.is_empty()) else { return named(0) };
    let inside = |key: &String| shard.holds(slot::of(key.as_bytes()));
    // A shard of one slot is met after some 16,384 tries.
    (0..1_000_000).map(named).find(inside).unwrap_or_else(|| named(0))
}
