//! One life of a copier: from the moment in which every connection is pinned and tracking is on, until one of them breaks or another node answers.
//!
//! Nothing is taken over from an earlier life: it begins with all keys marked (rule 1).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio::sync::{Semaphore, watch};

use super::capture::{Heard, Hears, Watched};
use super::clocks::Clocks;
use super::ledger::{Ledger, Noted};
use super::marks::{Key, Marks};
use super::nodes::{Nodes, Writer};
use super::pace::Pace;
use super::streams::Streams;
use super::trouble::Trouble;
use super::{Settings, Shared, topology, versions};
use crate::migration::side::Side;
use crate::migration::wire::Name;

/// Bytes of a permit of [`Life::room`].
const PERMIT: u64 = 1024;

pub struct Life {
    pub shared: Arc<Shared>,
    pub source: Nodes,
    pub target: Nodes,
    pub marks: Arc<Marks>,
    pub streams: Streams,
    pub pace: Pace,
    /// The writes on the target: ours, and those of others.
    pub ledger: Ledger,
    /// What the source and the target counted when the last pass began.
    pub noted: tokio::sync::Mutex<Noted>,
    name: Name,
    source_watched: OnceLock<Watched>,
    target_watched: OnceLock<Watched>,
    clocks: RwLock<Arc<Clocks>>,
    /// Whether keys may be removed from the target: not before the first pass of this life has begun, on a source that is not suspiciously empty (rule 1).
    deletes: AtomicBool,
    /// A key was not removed because of that.
    withheld: AtomicBool,
    /// Under a drain nothing waits.
    draining: AtomicUsize,
    /// Bytes that may be in flight (rule 2).
    room: Semaphore,
    /// Values that go in pieces go one at a time.
    pub large: tokio::sync::Mutex<()>,
    ended: watch::Sender<Option<Trouble>>,
    /// Whether it copies: all is there that has to be before the first write.
    following: watch::Sender<bool>,
}

/// While it lives, all haste is made.
pub struct Haste<'l> {
    life: &'l Life,
    _lifted: super::pace::Lifted<'l>,
}

impl Drop for Haste<'_> {
    fn drop(&mut self) {
        self.life.draining.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a life begins with.
pub struct Start {
    pub source: Side,
    pub target: Side,
    pub name: Name,
    /// All keys are marked: anything may have changed. Not so where both sides are proven equal, and held.
    pub everything: bool,
    /// Connections of the life before, on the target.
    pub writers: Vec<Writer>,
    /// Streams that are known already.
    pub streams: Streams,
}

impl Life {
    /// Connects to the primaries of both sides, checks that they fit, and turns tracking on at the source, before anything is read (rule 3).
    pub async fn begin(shared: Arc<Shared>, start: Start) -> Result<Arc<Life>, Trouble> {
        let Settings { rules, window, marks, load, .. } = shared.settings;
        let (source, target) = tokio::try_join!(
            async { Nodes::pin(topology::current(start.source, &start.name).await?, start.name.clone(), rules).await },
            async { Nodes::pin(topology::current(start.target, &start.name).await?, start.name.clone(), rules).await },
        )?;
        versions::fit(&source, &target)?;
        let databases = if target.side.is_cluster() {
            source.databases().await?.into_iter().max().map_or(1, |last| last.saturating_add(1))
        } else {
            source.side.databases
        };
        if databases > target.side.databases {
            return Err(Trouble::Databases { node: target.node(0), databases });
        }
        target.has_databases(databases).await?;
        target.end(&start.writers).await?;
        let clocks = Clocks::measure(&source, &target).await?;
        let shards = source.shards();
        let life = Arc::new(Life {
            marks: Arc::new(Marks::new(shards, marks, rules)),
            streams: start.streams,
            pace: Pace::new(shards, load),
            ledger: Ledger::new(target.shards()),
            noted: tokio::sync::Mutex::default(),
            name: start.name,
            source_watched: OnceLock::new(),
            target_watched: OnceLock::new(),
            clocks: RwLock::new(Arc::new(clocks)),
            deletes: AtomicBool::new(!start.everything),
            withheld: AtomicBool::new(false),
            draining: AtomicUsize::new(0),
            room: Semaphore::new((8 * window as u64 / PERMIT).max(1) as usize),
            large: tokio::sync::Mutex::new(()),
            ended: watch::Sender::new(None),
            following: watch::Sender::new(false),
            source,
            target,
            shared,
        });
        if start.everything {
            life.marks.mark_everything();
        }
        if rules.follows(3) {
            life.watch_source().await?;
        }
        life.note().await?;
        Ok(life)
    }

    /// Turns tracking on at the source.
    pub async fn watch_source(&self) -> Result<(), Trouble> {
        let watched = Watched::begin(&self.source, &self.name, self.shared.settings.rules, &self.hears(true)).await?;
        let _ = self.source_watched.set(watched);
        Ok(())
    }

    /// What has to be there before the first write: tracking on the target, and the account of its writes.
    pub async fn follow(&self) -> Result<(), Trouble> {
        let rules = self.shared.settings.rules;
        if rules.follows(3) && self.target_watched.get().is_none() {
            let watched = Watched::begin(&self.target, &self.name, rules, &self.hears(false)).await?;
            let _ = self.target_watched.set(watched);
        }
        if !self.follows() {
            self.ledger.begin(&self.target).await?;
        }
        Ok(())
    }

    /// Copying begins.
    pub fn is_ready(&self) {
        self.following.send_replace(true);
    }

    /// Whether it copies.
    pub fn follows(&self) -> bool {
        *self.following.borrow()
    }

    /// Waits until it copies.
    pub async fn is_following(&self) {
        // The sender is here: it cannot fail.
        let _ = self.following.subscribe().wait_for(|following| *following).await;
    }

    fn hears(&self, of_source: bool) -> Hears {
        let (marks, ended, routes) = (Arc::clone(&self.marks), self.ended.clone(), self.source.routes.clone());
        let (rules, shared) = (self.shared.settings.rules, Arc::clone(&self.shared));
        Arc::new(move |heard| match heard {
            Heard::Key(key) => {
                let part = routes.shard_of(&key).unwrap_or(usize::MAX);
                if of_source {
                    marks.changed(part, key);
                    // After the mark: who counts it finds it marked.
                    shared.progress.changed();
                } else {
                    marks.echoed(part, key);
                }
            }
            Heard::Everything => {
                marks.mark_everything();
                if of_source {
                    shared.progress.changed();
                }
            }
            Heard::Broke if rules.follows(1) => {
                let node = if of_source { "the source" } else { "the target" };
                end(&ended, Trouble::TrackingBroke { node: node.to_owned() });
            }
            Heard::Broke => {}
        })
    }

    /// The life is over.
    pub fn end(&self, trouble: Trouble) {
        end(&self.ended, trouble);
    }

    /// Waits until it is over.
    pub async fn over(&self) -> Trouble {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await {
            Ok(trouble) => trouble.clone().unwrap_or(Trouble::Ended),
            Err(_) => Trouble::Ended,
        }
    }

    /// An operation failed: the life ends where nothing can be made of it, else the trouble is kept, to be shown.
    pub fn hindered(&self, trouble: Trouble) {
        if trouble.is_final() || trouble.is_change() {
            self.end(trouble.clone());
        }
        self.shared.progress.trouble(&trouble);
    }

    /// Fails where another copier has taken over (rule 2).
    pub fn is_still_mine(&self) -> Result<(), Trouble> {
        let Settings { rules, epoch, .. } = &self.shared.settings;
        if !rules.follows(2) || epoch.is(self.name.epoch) {
            return Ok(());
        }
        let trouble = Trouble::Superseded { epoch: self.name.epoch };
        self.end(trouble.clone());
        Err(trouble)
    }

    /// Why changes are not heard of, on either side; full passes take the place of that.
    pub fn missing(&self) -> Option<&str> {
        let sides = [&self.source_watched, &self.target_watched];
        sides.into_iter().filter_map(|watched| watched.get()?.missing.as_deref()).next()
    }

    /// Every push of both sides before this moment has been taken.
    pub async fn barrier(&self) -> Result<(), Trouble> {
        for watched in [&self.source_watched, &self.target_watched].into_iter().filter_map(OnceLock::get) {
            watched.barrier().await?;
        }
        Ok(())
    }

    /// The echoes of what was written on this shard of the target have been taken.
    pub async fn echoes(&self, shard: usize) -> Result<(), Trouble> {
        match self.target_watched.get() {
            Some(watched) => watched.barrier_of(shard).await,
            None => Ok(()),
        }
    }

    pub fn clocks(&self) -> Arc<Clocks> {
        Arc::clone(&self.clocks.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Measures the clocks again, for the pass that begins.
    pub async fn set_clocks(&self) -> Result<(), Trouble> {
        let clocks = Arc::new(Clocks::measure(&self.source, &self.target).await?);
        *self.clocks.write().unwrap_or_else(PoisonError::into_inner) = clocks;
        Ok(())
    }

    /// Whether a key may be removed from the target. Where not, that is remembered: the sides are not equal then.
    pub fn may_delete(&self) -> bool {
        let may = self.deletes.load(Ordering::SeqCst) || !self.shared.settings.rules.follows(1);
        if !may {
            self.withheld.store(true, Ordering::SeqCst);
        }
        may
    }

    pub fn allow_deletes(&self, allowed: bool) {
        self.deletes.store(allowed, Ordering::SeqCst);
        if allowed {
            self.withheld.store(false, Ordering::SeqCst);
        }
    }

    pub fn are_deletes_allowed(&self) -> bool {
        self.deletes.load(Ordering::SeqCst) || !self.shared.settings.rules.follows(1)
    }

    pub fn is_withheld(&self) -> bool {
        self.withheld.load(Ordering::SeqCst)
    }

    pub fn make_haste(&self) -> Haste<'_> {
        self.draining.fetch_add(1, Ordering::SeqCst);
        Haste { life: self, _lifted: self.pace.lift() }
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst) > 0
    }

    /// Waits until so many bytes may be in flight. What is larger than all the room takes all of it.
    pub async fn room(&self, bytes: u64) -> Option<tokio::sync::SemaphorePermit<'_>> {
        if !self.shared.settings.rules.follows(2) {
            return None;
        }
        let all = 8 * self.shared.settings.window as u64 / PERMIT;
        let permits = (bytes / PERMIT + 1).min(all.max(1)) as u32;
        self.room.acquire_many(permits).await.ok()
    }

    /// The part of the marks that a key is in.
    pub fn part_of(&self, key: &[u8]) -> usize {
        self.source.routes.shard_of(key).unwrap_or(usize::MAX)
    }

    /// The keys by the shard of the source that has them.
    pub fn by_source(&self, keys: Vec<Key>) -> Vec<(usize, Vec<Key>)> {
        if !self.source.side.is_cluster() {
            return vec![(0, keys)];
        }
        let mut parts: std::collections::BTreeMap<usize, Vec<Key>> = std::collections::BTreeMap::new();
        for key in keys {
            parts.entry(self.part_of(&key)).or_default().push(key);
        }
        parts.into_iter().collect()
    }

    /// The databases that hold keys on either side.
    pub async fn databases(&self) -> Result<Vec<u32>, Trouble> {
        let (mut source, target) = tokio::try_join!(self.source.databases(), self.target.databases())?;
        source.extend(target);
        source.sort_unstable();
        source.dedup();
        Ok(source)
    }

    /// Waits until something breaks, or `others` do.
    pub async fn until_over<T>(&self, others: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::select! {
            biased;
            trouble = self.over() => Err(trouble),
            done = others => Ok(done),
        }
    }
}

fn end(ended: &watch::Sender<Option<Trouble>>, trouble: Trouble) {
    ended.send_if_modified(|now| {
        let first = now.is_none();
        if first {
            *now = Some(trouble);
        }
        first
    });
}
