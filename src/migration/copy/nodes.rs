//! The primaries of a side, with the connections to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Value;

use super::trouble::Trouble;
use crate::migration::side::{Rules, Side};
use crate::migration::slot::Routes;
use crate::migration::wire::{Answer, Answers, Ask, Bulk, Endpoint, Identity, Link, Name, Role, WireError};

/// How long a small question may take to be answered.
pub const SHORT: Duration = Duration::from_secs(10);
/// How long a batch of values may take.
pub const LONG: Duration = Duration::from_secs(60);

/// What a connection is for; a part of its name on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    Read,
    Write,
    Ask,
    /// For its latency alone: nothing else is asked there.
    Ping,
}

impl Use {
    fn role(self) -> &'static str {
        match self {
            Use::Read => "copy-read",
            Use::Write => "copy-write",
            Use::Ask => "copy-ask",
            Use::Ping => "copy-ping",
        }
    }
}

/// The primaries of a side in one life of a copier: each is the process that it was when that life began (rule 1).
pub struct Nodes {
    pub side: Side,
    pub routes: Routes,
    name: Name,
    pinned: Vec<Arc<Identity>>,
    links: Mutex<HashMap<(usize, u32, Use), Link>>,
    /// Those that nobody uses at the moment.
    bulks: Mutex<HashMap<(usize, u32, Use), Vec<Bulk>>>,
    /// The connections that wrote: where they broke, what they had sent may still be carried out.
    writers: Mutex<Vec<Writer>>,
    rules: Rules,
}

/// A connection for many keys that somebody uses; given back when it is dropped with all its answers read.
pub struct Taken<'n> {
    nodes: &'n Nodes,
    slot: (usize, u32, Use),
    bulk: Option<Bulk>,
}

impl Taken<'_> {
    /// Who answers.
    pub fn identity(&self) -> Identity {
        self.bulk.as_ref().map(|bulk| bulk.identity.clone()).unwrap_or_default()
    }

    pub async fn ask(&mut self, ask: &Ask, within: Duration) -> Result<Answers<'_>, Trouble> {
        let bulk = self.bulk.as_mut().ok_or(Trouble::Ended)?;
        Ok(bulk.ask(ask, within).await?)
    }

    pub async fn ask_atomically(&mut self, ask: &Ask, within: Duration) -> Result<Answers<'_>, Trouble> {
        let bulk = self.bulk.as_mut().ok_or(Trouble::Ended)?;
        Ok(bulk.ask_atomically(ask, within).await?)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(mut bulk) = self.bulk.take().filter(Bulk::is_usable) {
            bulk.rest();
            self.nodes.idle().entry(self.slot).or_default().push(bulk);
        }
    }
}

/// A connection that wrote.
#[derive(Clone, Debug)]
pub struct Writer {
    endpoint: Endpoint,
    run_id: String,
    id: i64,
}

impl Nodes {
    /// Connects to each primary, and notes who answers.
    pub async fn pin(side: Side, name: Name, rules: Rules) -> Result<Nodes, Trouble> {
        let mut links = HashMap::new();
        let mut pinned = Vec::new();
        for (shard, at) in side.shards.iter().enumerate() {
            let link = Link::connect(&at.primary, 0, &name.for_role(Use::Ask.role()), None).await?;
            if link.identity.role != Role::Primary && rules.follows(1) {
                return Err(Trouble::NotPrimary { node: link.node().to_owned() });
            }
            pinned.push(Arc::clone(&link.identity));
            links.insert((shard, 0, Use::Ask), link);
        }
        let (links, bulks) = (Mutex::new(links), Mutex::default());
        Ok(Nodes { routes: Routes::of(&side), side, name, pinned, links, bulks, writers: Mutex::default(), rules })
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.side.shards.len()
    }

    /// Who answered when the life began.
    pub fn identity(&self, shard: usize) -> Option<&Arc<Identity>> {
        self.pinned.get(shard)
    }

    /// The primary, as `host:port`.
    pub fn node(&self, shard: usize) -> String {
        self.side.shards.get(shard).map_or_else(String::new, |shard| format!("{}:{}", shard.primary.host, shard.primary.port))
    }

    /// A connection to the primary of a shard; another one where it broke, to the same process or none.
    pub async fn link(&self, shard: usize, database: u32, what: Use) -> Result<Link, Trouble> {
        let slot = (shard, database, what);
        let lock = || self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = lock().get(&slot).filter(|link| !link.is_broken()) {
            return Ok(link.clone());
        }
        let (Some(at), Some(pinned)) = (self.side.shards.get(shard), self.pinned.get(shard)) else { return Err(Trouble::NoShard) };
        let link = Link::connect(&at.primary, database, &self.name.for_role(what.role()), None).await?;
        self.is_pinned(pinned, &link)?;
        let mut links = lock();
        if let Some(other) = links.get(&slot).filter(|link| !link.is_broken()) {
            return Ok(other.clone());
        }
        links.insert(slot, link.clone());
        if what == Use::Write {
            self.writes(&at.primary, &link.identity, link.id);
        }
        Ok(link)
    }

    /// A connection for many keys to the primary of a shard: one that is idle, or another one to the same process.
    pub async fn bulk(&self, shard: usize, database: u32, what: Use) -> Result<Taken<'_>, Trouble> {
        let slot = (shard, database, what);
        // One that was closed meanwhile is dropped.
        while let Some(bulk) = self.idle().get_mut(&slot).and_then(Vec::pop) {
            if bulk.is_usable() {
                return Ok(Taken { nodes: self, slot, bulk: Some(bulk) });
            }
        }
        let (Some(at), Some(pinned)) = (self.side.shards.get(shard), self.pinned.get(shard)) else { return Err(Trouble::NoShard) };
        let bulk = Bulk::connect(&at.primary, database, &self.name.for_role(what.role())).await?;
        self.is_same(pinned, &bulk.identity, bulk.node())?;
        if what == Use::Write {
            self.writes(&at.primary, &bulk.identity, bulk.id);
        }
        Ok(Taken { nodes: self, slot, bulk: Some(bulk) })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, HashMap<(usize, u32, Use), Vec<Bulk>>> {
        self.bulks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This connection will write.
    fn writes(&self, endpoint: &Endpoint, identity: &Identity, id: i64) {
        let writer = Writer { endpoint: endpoint.clone(), run_id: identity.run_id.clone(), id };
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).push(writer);
    }

    /// Fails where the connection is to another process than the one of the beginning, or to one that is not the primary any more.
    pub fn is_pinned(&self, pinned: &Identity, link: &Link) -> Result<(), Trouble> {
        self.is_same(pinned, &link.identity, link.node())
    }

    fn is_same(&self, pinned: &Identity, now: &Identity, node: &str) -> Result<(), Trouble> {
        if !self.rules.follows(1) || now == pinned {
            return Ok(());
        }
        let why = if now.run_id != pinned.run_id {
            "another process answers"
        } else if now.role != pinned.role {
            "its role is another one"
        } else {
            "the cluster's epoch is another one"
        };
        Err(WireError::Changed { node: node.to_owned(), why: why.to_owned() }.into())
    }

    /// Asks each primary who it is; fails where one is not what it was.
    pub async fn are_still(&self) -> Result<(), Trouble> {
        if !self.rules.follows(1) {
            return Ok(());
        }
        for shard in 0..self.shards() {
            self.link(shard, 0, Use::Ask).await?.is_still().await?;
        }
        Ok(())
    }

    /// The connections that wrote in this life.
    pub fn writers(&self) -> Vec<Writer> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the replicas of a shard say where they are: WAIT on each connection that wrote. Nothing of ours may be in flight.
    pub async fn wait(&self, shard: usize, replicas: usize, within: Duration) -> Result<(), Trouble> {
        let milliseconds = within.as_millis().max(2) as u64 / 2;
        let writes = |slot: &(usize, u32, Use)| slot.0 == shard && slot.2 == Use::Write;
        let links: Vec<Link> = {
            let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.iter().filter(|(slot, _)| writes(slot)).map(|(_, link)| link.clone()).collect()
        };
        let bulks: Vec<Taken<'_>> = {
            let mut idle = self.idle();
            let writers = idle.iter_mut().filter(|(slot, _)| writes(slot));
            writers.flat_map(|(slot, bulks)| bulks.drain(..).map(|bulk| Taken { nodes: self, slot: *slot, bulk: Some(bulk) })).collect()
        };
        let mut wait = redis::Pipeline::new();
        wait.cmd("WAIT").arg(replicas).arg(milliseconds);
        let mut ask = Ask::default();
        ask.add(&[b"WAIT", replicas.to_string().as_bytes(), milliseconds.to_string().as_bytes()]);
        let by_links = futures::future::try_join_all(links.iter().map(|link| link.ask_all(&wait, SHORT)));
        let by_bulks = bulks.into_iter().map(|mut bulk| {
            let ask = &ask;
            async move { bulk.ask(ask, SHORT).await.map(|_| ()) }
        });
        futures::future::try_join(async { Ok(by_links.await?) }, futures::future::try_join_all(by_bulks)).await?;
        Ok(())
    }

    /// Ends connections of an earlier life that may still carry out what they were sent (rule 4: one operation in flight for a key).
    pub async fn end(&self, writers: &[Writer]) -> Result<(), Trouble> {
        for writer in writers {
            let same = |(shard, at): (usize, &Arc<Identity>)| {
                let endpoint = &self.side.shards.get(shard)?.primary;
                (at.run_id == writer.run_id && (&endpoint.host, endpoint.port) == (&writer.endpoint.host, writer.endpoint.port))
                    .then_some(shard)
            };
            // A process that is gone carries out nothing.
            let Some(shard) = self.pinned.iter().enumerate().find_map(same) else { continue };
            let link = self.link(shard, 0, Use::Ask).await?;
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(writer.id);
            link.ask(&kill, SHORT).await?;
        }
        Ok(())
    }

    /// The databases that hold keys, on any of the primaries.
    pub async fn databases(&self) -> Result<Vec<u32>, Trouble> {
        if self.side.databases <= 1 {
            return Ok(vec![0]);
        }
        let mut all = std::collections::BTreeSet::new();
        for shard in 0..self.shards() {
            let info = self.link(shard, 0, Use::Ask).await?.info("keyspace").await?;
            all.extend(info.databases().into_keys());
        }
        Ok(all.into_iter().collect())
    }

    /// How many keys a primary holds, in all databases.
    pub async fn keys(&self, shard: usize) -> Result<u64, Trouble> {
        let info = self.link(shard, 0, Use::Ask).await?.info("keyspace").await?;
        Ok(info.databases().into_values().fold(0, u64::saturating_add))
    }

    /// Fails where a primary has not all the databases of the other side.
    pub async fn has_databases(&self, databases: u32) -> Result<(), Trouble> {
        for (shard, at) in self.side.shards.iter().enumerate() {
            let Some(last) = databases.checked_sub(1).filter(|last| *last > 0) else { continue };
            match Link::connect(&at.primary, last, &self.name.for_role(Use::Ask.role()), None).await {
                Ok(_) => {}
                // SELECT is a part of connecting.
                Err(WireError::Unreachable { why, .. }) if why.contains("out of range") => {
                    return Err(Trouble::Databases { node: self.node(shard), databases });
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }
}

/// A number among answers.
pub fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::SimpleString(text) => text.parse().ok(),
        _ => None,
    }
}

/// The answer of TIME, in microseconds.
pub fn microseconds(value: &Value) -> Option<i64> {
    match value {
        Value::Array(parts) => match parts.as_slice() {
            [seconds, micros] => number(seconds)?.checked_mul(1_000_000)?.checked_add(number(micros)?),
            _ => None,
        },
        _ => None,
    }
}

/// The answer of TIME among a batch's.
pub fn time<'b>(answers: &mut impl Iterator<Item = Answer<'b>>) -> Option<i64> {
    match answers.next()? {
        Answer::Array(2) => answers.next()?.number()?.checked_mul(1_000_000)?.checked_add(answers.next()?.number()?),
        _ => None,
    }
}

/// The text of an answer.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// A command with a key.
pub fn on(name: &str, key: &[u8]) -> redis::Cmd {
    let mut command = redis::Cmd::with_capacity(2, name.len() + key.len());
    command.arg(name).arg(key);
    command
}
