//! Holding all writes of a side, and letting them go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::HoldError;
use super::listener::Listener;
use super::nodes::{ASKING, NodeLink, Nodes, is_ok, version_of};
use super::sentinel::{Broken, Sentinel};
use crate::migration::side::{Rules, Side};
use crate::migration::wire::{Link, Name, WireError};

/// The first version that holds writes alone (CLIENT PAUSE ms WRITE) and can let them go (CLIENT UNPAUSE).
const WRITE_PAUSE: (u32, u32, u32) = (6, 2, 0);
/// How long replicas may take to reach their primaries' offset once no write comes any more: a healthy one needs a round trip.
const REPLICAS: Duration = Duration::from_secs(20);
/// After which a replica that has not caught up may be held itself.
const STUCK: Duration = Duration::from_millis(500);
/// How long a release goes on asking a replica that does not answer before its primary is released nevertheless.
const RELEASING: Duration = Duration::from_secs(10);
const LOOKING: Duration = Duration::from_millis(2);

/// What happens to the pauses where a hold cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// They are ended: nothing was held before.
    Releases,
    /// They stay: another life of this migration may have held the side, and it must stay held.
    Keeps,
}

/// A side whose writes are held, on primaries and replicas, with a sentinel on each node. Dropped, it leaves the pauses to end by themselves
/// (rule 17 counts on that); [`Hold::release`] ends them.
pub struct Hold {
    nodes: Nodes,
    name: Name,
    rules: Rules,
    sentinels: Vec<(Sentinel, NodeLink)>,
    listeners: Vec<Listener>,
    broken: watch::Sender<Option<Broken>>,
    over: Arc<AtomicBool>,
    ends: Instant,
}

/// What a release could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Nodes that did not answer. Their pause ends by itself, or they are gone.
    pub silent: Vec<String>,
}

impl Released {
    /// Fails where a node did not answer.
    pub fn complete(self) -> Result<(), HoldError> {
        match self.silent.into_iter().next() {
            Some(node) => Err(HoldError::NotReleased { node }),
            None => Ok(()),
        }
    }
}

impl Hold {
    /// Holds a side for `length` from now (rules 10 and 11). When it returns, no node of the side takes a write, every write that a primary acknowledged
    /// is on its replicas, and a sentinel waits on each node.
    pub async fn take(side: &Side, name: &Name, length: Duration, rules: Rules, failing: Failing) -> Result<Hold, HoldError> {
        let nodes = Nodes::connect(side, &name.for_role("hold")).await?;
        for node in nodes.all() {
            let version = &node.link.identity.version;
            if version_of(version) < WRITE_PAUSE {
                return Err(HoldError::TooOld { node: node.link.node().to_owned(), version: version.clone() });
            }
        }
        if rules.follows(10) {
            replicas_are_known(&nodes).await?;
        }
        if rules.follows(11) {
            nodes.no_slot_migrates().await?;
        }
        let hold = Hold {
            nodes,
            name: name.clone(),
            rules,
            sentinels: Vec::new(),
            listeners: Vec::new(),
            broken: watch::Sender::new(None),
            over: Arc::new(AtomicBool::new(false)),
            ends: Instant::now() + length,
        };
        hold.begin(length, failing).await
    }

    async fn begin(mut self, length: Duration, failing: Failing) -> Result<Hold, HoldError> {
        match self.pause_all(length).await {
            Ok(()) => Ok(self),
            Err(error) => {
                if failing == Failing::Releases {
                    self.release().await;
                }
                Err(error)
            }
        }
    }

    async fn pause_all(&mut self, length: Duration) -> Result<(), HoldError> {
        each(&self.nodes.primaries, |node| pause(&node.link, length)).await?;
        if self.rules.follows(10) {
            // A replica that is held before it has caught up holds its primary's stream too: promoted, it has lost what was in it.
            let behind = self.nodes.primaries.iter().map(|primary| replicas_catch_up(primary, &self.nodes));
            futures::future::try_join_all(behind).await?;
            each(&self.nodes.replicas, |node| pause(&node.link, length)).await?;
            let sentinels = self.nodes.all().map(|node| async {
                let shard = self.nodes.shards.get(node.shard);
                let sentinel = Sentinel::post(node, shard, &self.name, self.broken.clone(), Arc::clone(&self.over)).await?;
                Ok::<_, HoldError>((sentinel, node.clone()))
            });
            self.sentinels = futures::future::try_join_all(sentinels).await?;
        }
        if self.rules.follows(11) {
            // A held node answers ASK for a slot on its way, and the other node accepts the write.
            self.nodes.no_slot_migrates().await?;
            self.nodes.are_still().await?;
        }
        Ok(())
    }

    /// Fails unless the side has been held without a break since it was taken, and its nodes are what they were.
    pub async fn prove(&mut self) -> Result<(), HoldError> {
        self.unbroken()?;
        self.nodes.mend(&self.name.for_role("hold")).await?;
        self.nodes.are_still().await?;
        if self.rules.follows(11) {
            self.nodes.no_slot_migrates().await?;
        }
        let all = &self.nodes;
        let waiting = self.sentinels.iter().map(|(sentinel, node)| async move {
            let control = all.all().find(|other| other.link.node() == node.link.node()).map_or(&node.link, |other| &other.link);
            match sentinel.waits(control).await? {
                true => Ok(()),
                false => Err(HoldError::NotHeld { node: node.link.node().to_owned() }),
            }
        });
        futures::future::try_join_all(waiting).await?;
        self.unbroken()
    }

    /// From now on a change that is pushed breaks the hold, where the nodes push changes.
    pub async fn listen(&mut self) -> Result<(), HoldError> {
        if self.listeners.is_empty() {
            let listeners =
                self.nodes.primaries.iter().map(|node| Listener::begin(node, &self.name, self.broken.clone(), Arc::clone(&self.over)));
            self.listeners = futures::future::try_join_all(listeners).await?.into_iter().flatten().collect();
        }
        Ok(())
    }

    fn unbroken(&self) -> Result<(), HoldError> {
        match &*self.broken.borrow() {
            Some(broken) => Err(HoldError::Broken(broken.clone())),
            None => Ok(()),
        }
    }

    /// Told once the hold is known to have broken.
    pub fn broken(&self) -> watch::Receiver<Option<Broken>> {
        self.broken.subscribe()
    }

    /// When the first of the pauses may end by itself.
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// The connections to the side's nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Makes the hold last at least `length` from now, by a longer pause: an UNPAUSE before it lets through what waits (rule 10).
    pub async fn extend(&mut self, length: Duration) -> Result<(), HoldError> {
        self.nodes.mend(&self.name.for_role("hold")).await?;
        let begun = Instant::now();
        if self.rules.follows(10) {
            let all: Vec<NodeLink> = self.nodes.all().cloned().collect();
            each(&all, |node| pause(&node.link, length)).await?;
            // Were one of them not paused any more, this pause would be a new one: its sentinel has answered.
            self.prove().await?;
        } else {
            each(&self.nodes.primaries, |node| unpause(&node.link)).await?;
            each(&self.nodes.primaries, |node| pause(&node.link, length)).await?;
        }
        // A node never shortens a pause.
        self.ends = self.ends.max(begun + length);
        Ok(())
    }

    /// Lets the side go: its replicas first, so that no primary acknowledges what its replicas hold back. Can be done again.
    pub async fn release(&mut self) -> Released {
        self.over.store(true, Ordering::SeqCst);
        let replicas_first = self.rules.follows(16);
        let (first, last) = match replicas_first {
            true => (&self.nodes.replicas, &self.nodes.primaries),
            false => (&self.nodes.primaries, &self.nodes.replicas),
        };
        let name = self.name.for_role("release");
        let mut silent = let_go(first, &name).await;
        silent.extend(let_go(last, &name).await);
        self.sentinels.clear();
        self.listeners.clear();
        Released { silent }
    }

    /// Ends the sentinels, so that what ends this hold outside of [`Hold::release`] is not taken for a break.
    pub(in crate::migration) fn stand_down(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.sentinels.clear();
        self.listeners.clear();
    }
}

/// Ends the pauses of a side that another life may have held, replicas first, in whatever role its nodes are now.
pub async fn release_side(side: &Side, name: &Name, rules: Rules) -> Result<Released, HoldError> {
    let until = Instant::now() + RELEASING;
    let (nodes, mut silent) = loop {
        let (nodes, silent) = Nodes::reach(side, name).await?;
        if silent.is_empty() || Instant::now() >= until {
            break (nodes, silent);
        }
        tokio::time::sleep(LOOKING * 50).await;
    };
    let (first, last) = match rules.follows(16) {
        true => (&nodes.replicas, &nodes.primaries),
        false => (&nodes.primaries, &nodes.replicas),
    };
    silent.extend(let_go(first, name).await);
    silent.extend(let_go(last, name).await);
    Ok(Released { silent })
}

async fn each<'n, A: Future<Output = Result<(), WireError>>>(
    nodes: &'n [NodeLink],
    act: impl Fn(&'n NodeLink) -> A,
) -> Result<(), WireError> {
    futures::future::try_join_all(nodes.iter().map(act)).await?;
    Ok(())
}

/// Ends the pauses of these nodes, and names those that do not answer.
async fn let_go(nodes: &[NodeLink], name: &Name) -> Vec<String> {
    let one = |node: &NodeLink| {
        let node = node.clone();
        async move {
            if unpause(&node.link).await.is_ok() {
                return None;
            }
            let until = Instant::now() + RELEASING;
            loop {
                // In whatever role it is now: it must not stay held.
                let again = match Link::connect(&node.endpoint, 0, name, None).await {
                    Ok(link) => unpause(&link).await,
                    Err(error) => Err(error),
                };
                match again {
                    Ok(()) => return None,
                    Err(_) if Instant::now() >= until => return Some(node.link.node().to_owned()),
                    Err(_) => tokio::time::sleep(LOOKING * 50).await,
                }
            }
        }
    };
    futures::future::join_all(nodes.iter().map(one)).await.into_iter().flatten().collect()
}

async fn pause(link: &Link, length: Duration) -> Result<(), WireError> {
    let milliseconds = u64::try_from(length.as_millis()).unwrap_or(u64::MAX).min(i64::MAX as u64);
    let answer = link.ask(redis::cmd("CLIENT").arg("PAUSE").arg(milliseconds).arg("WRITE"), ASKING).await?;
    if is_ok(&answer) { Ok(()) } else { Err(link.strange("CLIENT PAUSE")) }
}

async fn unpause(link: &Link) -> Result<(), WireError> {
    let answer = link.ask(redis::cmd("CLIENT").arg("UNPAUSE"), ASKING).await?;
    if is_ok(&answer) { Ok(()) } else { Err(link.strange("CLIENT UNPAUSE")) }
}

/// Fails where a primary has another number of replicas than its shard is said to have: one that nobody knows would not be held, and one that is away
/// would never catch up.
pub async fn replicas_are_known(nodes: &Nodes) -> Result<(), HoldError> {
    for primary in &nodes.primaries {
        let known = nodes.replicas.iter().filter(|replica| replica.shard == primary.shard).count() as u64;
        let connected = primary.link.info("replication").await?.number("connected_slaves").unwrap_or(0);
        if connected != known {
            let why = format!("{connected} replicas are connected to it, and {known} are known");
            return Err(HoldError::NotAsKnown { node: primary.link.node().to_owned(), why });
        }
    }
    Ok(())
}

/// Waits until the replicas have applied all that their primary, which is held, has sent them. One that an earlier hold still holds does not: it is let go,
/// until it has.
async fn replicas_catch_up(primary: &NodeLink, nodes: &Nodes) -> Result<(), HoldError> {
    let info = primary.link.info("replication").await?;
    let strange = || primary.link.strange("INFO");
    let goal = info.number("master_repl_offset").ok_or_else(strange)?;
    let history = info.text("master_replid").ok_or_else(strange)?;
    let until = Instant::now() + REPLICAS;
    for replica in nodes.replicas.iter().filter(|replica| replica.shard == primary.shard) {
        let mut stuck_at = Some(Instant::now() + STUCK);
        loop {
            let info = replica.link.info("replication").await?;
            let follows = info.text("master_link_status") == Some("up") && info.text("master_replid") == Some(history);
            let at = info.number("slave_repl_offset").unwrap_or(0);
            if follows && at >= goal {
                break;
            }
            if follows && stuck_at.is_some_and(|stuck| Instant::now() >= stuck) {
                stuck_at = None;
                unpause(&replica.link).await?;
            }
            if Instant::now() >= until {
                let node = replica.link.node().to_owned();
                return Err(HoldError::Behind { node, bytes: goal.saturating_sub(at), follows });
            }
            tokio::time::sleep(LOOKING).await;
        }
    }
    Ok(())
}
