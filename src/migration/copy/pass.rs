//! The full comparing pass: every key of the source is compared, and copied where it differs; every key of the target that the source has not is removed.
//!
//! Both are streamed by SCAN. A key that changes while the pass is under way is marked, and is the workers' business; so is a key that is marked already.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::batch::QUICK;
use super::life::Life;
use super::marks::Key;
use super::nodes::{SHORT, Use};
use super::trouble::Trouble;
use crate::migration::wire::{Answer, Ask, refused, strange};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

/// Keys a SCAN: fewer cost more each (at 10, four times as much).
const SCAN: usize = 1000;
/// Keys a SCAN where the source is to notice little of it.
const SCAN_LIMITED: usize = 100;
/// Pages that are worked on at a time, a shard.
const PAGES: usize = 8;
/// How long it waits after a pass that failed.
const AGAIN: Duration = Duration::from_millis(200);
/// Between two passes where no changes are heard of.
const BETWEEN: Duration = Duration::from_secs(2);

/// Which side is scanned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scanned {
    Source,
    Target,
}

impl Life {
    /// A pass whenever everything is marked, until the life is over. Where changes are not heard of, one after another.
    pub async fn passes(self: &Arc<Self>) {
        loop {
            self.marks.begin_pass().await;
            let passed = self.pass().await;
            match &passed {
                Ok(true) => self.shared.progress.passed(),
                Ok(false) => {}
                Err(trouble) => {
                    self.marks.mark_everything();
                    self.hindered(trouble.clone());
                }
            }
            self.marks.passed();
            if passed.is_err() {
                tokio::time::sleep(AGAIN).await;
            }
            if self.missing().is_some() {
                let ended = Instant::now();
                // A drain asks for a pass of its own, and for no other after it.
                while (ended.elapsed() < BETWEEN || self.is_draining()) && !self.marks.is_everything_marked() {
                    tokio::time::sleep(BETWEEN / 100).await;
                }
                self.marks.mark_everything();
            }
        }
    }

    /// One pass; says whether it came to its end, or was given up since everything is marked again.
    async fn pass(self: &Arc<Self>) -> Result<bool, Trouble> {
        self.shared.progress.pass_begins();
        self.note().await?;
        self.set_clocks().await?;
        self.judge_deletes().await?;
        let rules = self.shared.settings.rules;
        // What comes to the target later is pushed, or our own: it need not be scanned.
        let there = self.target.databases().await?;
        let here = self.source.databases().await?;
        let mut scans = tokio::task::JoinSet::new();
        for shard in 0..self.source.shards() {
            let life = Arc::clone(self);
            let (here, there) = (here.clone(), there.clone());
            scans.spawn(async move { life.scan(Scanned::Source, shard, here, &there).await });
        }
        if self.are_deletes_allowed() && rules.follows(3) {
            for shard in 0..self.target.shards() {
                let life = Arc::clone(self);
                let there = there.clone();
                scans.spawn(async move { life.scan(Scanned::Target, shard, there, &[]).await });
            }
        }
        let mut failed = None;
        while let Some(scanned) = scans.join_next().await {
            let trouble = match scanned {
                Ok(Ok(())) => continue,
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Ended,
            };
            // The others see it at their next page, and end: an operation is never broken off.
            self.marks.mark_everything();
            failed = Some(trouble);
        }
        if let Some(trouble) = failed {
            return Err(trouble);
        }
        if rules.follows(6)
            && let Err(trouble) = self.equal_functions().await
        {
            // They are compared under the hold, where it counts.
            self.hindered(trouble);
        }
        if !rules.follows(3) {
            // Rule 3 left out: changes are heard of from here on.
            self.watch_source().await?;
        }
        Ok(!self.marks.is_everything_marked())
    }

    /// Whether keys may be removed from the target from now on: not where the source is suspiciously empty (rule 1). A node that is replaced comes up
    /// empty, and answers as if nothing were the matter.
    async fn judge_deletes(&self) -> Result<(), Trouble> {
        let mut suspicious = None;
        let mut there = 0;
        for shard in 0..self.target.shards() {
            there = u64::saturating_add(there, self.target.keys(shard).await?);
        }
        let mut held = Vec::new();
        for shard in 0..self.source.shards() {
            held.push((self.source.node(shard), self.source.keys(shard).await?));
        }
        let now = held.iter().fold(0, |sum: u64, (_, keys)| sum.saturating_add(*keys));
        // What was seen in this life was pushed, if it went: a FLUSHALL is believed. What an earlier life saw was not.
        if (!self.are_deletes_allowed() || self.is_withheld()) && !self.shared.settings.believe_empty {
            let before = self.shared.known_keys.load(Ordering::SeqCst);
            if now < before.div_ceil(2) || (now == 0 && there > 0) {
                suspicious = Some(Trouble::Emptied { node: self.source.node(0), before: before.max(there), now });
            }
        }
        self.allow_deletes(suspicious.is_none());
        match suspicious {
            Some(trouble) => self.shared.progress.trouble(&trouble),
            None => self.shared.known_keys.store(now, Ordering::SeqCst),
        }
        self.shared.progress.pass_of(now);
        Ok(())
    }

    /// Scans these databases. `there`: those of the target that held keys when the pass began.
    async fn scan(&self, what: Scanned, shard: usize, databases: Vec<u32>, there: &[u32]) -> Result<(), Trouble> {
        for database in databases {
            // Where the target's database was empty there is nothing to compare with.
            let compare = what == Scanned::Target || there.contains(&database);
            let mut running: FuturesUnordered<BoxFuture<'_, Result<(), Trouble>>> = FuturesUnordered::new();
            let mut fetching = Some(self.page(what, shard, database, 0).boxed());
            let mut failed = None;
            while fetching.is_some() || !running.is_empty() {
                let outcome = tokio::select! {
                    Some(done) = running.next(), if !running.is_empty() => done,
                    page = maybe(&mut fetching), if fetching.is_some() && running.len() < PAGES => {
                        fetching = None;
                        page.map(|(next, keys)| {
                            if next != 0 && !self.marks.is_everything_marked() {
                                fetching = Some(self.page(what, shard, database, next).boxed());
                            }
                            running.push(self.page_is_equal(what, shard, database, keys, compare).boxed());
                        })
                    }
                };
                if let Err(trouble) = outcome {
                    // Those under way come to their end.
                    self.marks.mark_everything();
                    fetching = None;
                    failed = Some(trouble);
                }
            }
            if let Some(trouble) = failed {
                return Err(trouble);
            }
        }
        Ok(())
    }

    async fn page_is_equal(&self, what: Scanned, shard: usize, database: u32, keys: Vec<Key>, compare: bool) -> Result<(), Trouble> {
        match what {
            Scanned::Source => {
                let scanned = keys.len() as u64;
                self.operate(self.marks.claim(shard, keys), &[database], compare).await?;
                self.shared.progress.scanned(scanned);
                Ok(())
            }
            Scanned::Target => self.remove_strangers(database, keys).await,
        }
    }

    /// A page of keys, and the cursor of the next one; 0: it was the last.
    async fn page(&self, what: Scanned, shard: usize, database: u32, cursor: u64) -> Result<(u64, Vec<Key>), Trouble> {
        let nodes = if what == Scanned::Source { &self.source } else { &self.target };
        if what == Scanned::Source {
            self.pace.ready(shard).await;
        }
        let mut taken = nodes.bulk(shard, database, Use::Read).await?;
        let count = if what == Scanned::Source && self.pace.is_limited() { SCAN_LIMITED } else { SCAN };
        let mut ask = Ask::default();
        ask.add(&[b"SCAN", cursor.to_string().as_bytes(), b"COUNT", count.to_string().as_bytes()]);
        let mut answers = taken.ask(&ask, SHORT).await?;
        if what == Scanned::Source {
            self.pace.took(shard, QUICK * count as u32);
        }
        let odd = || strange(&nodes.node(shard), "SCAN");
        match answers.next() {
            Some(Answer::Array(2)) => {}
            Some(Answer::Refused(message)) => return Err(refused(&nodes.node(shard), "SCAN", message).into()),
            _ => return Err(odd().into()),
        }
        let next = match answers.next() {
            Some(Answer::Text(cursor)) => std::str::from_utf8(cursor).ok().and_then(|cursor| cursor.parse().ok()),
            _ => None,
        };
        let (Some(next), Some(Answer::Array(_))) = (next, answers.next()) else { return Err(odd().into()) };
        let key = |answer| if let Answer::Text(key) = answer { Some(key.to_vec()) } else { None };
        let keys = answers.map(key).collect::<Option<Vec<Key>>>().ok_or_else(odd)?;
        Ok((next, keys))
    }

    /// Removes those that the source has not. What it has is left to the scan of the source.
    async fn remove_strangers(&self, database: u32, keys: Vec<Key>) -> Result<(), Trouble> {
        for (shard, keys) in self.by_source(keys) {
            let missing = self.missing_on_source(shard, database, keys).await?;
            if !missing.is_empty() {
                self.operate(self.marks.claim(shard, missing), &[database], true).await?;
            }
        }
        Ok(())
    }

    async fn missing_on_source(&self, shard: usize, database: u32, keys: Vec<Key>) -> Result<Vec<Key>, Trouble> {
        if keys.is_empty() {
            return Ok(keys);
        }
        self.pace.ready(shard).await;
        let mut taken = self.source.bulk(shard, database, Use::Read).await?;
        self.pace.took(shard, QUICK * keys.len() as u32);
        if !self.source.side.is_cluster() {
            let mut all = Ask::with_capacity(keys.iter().map(|key| key.len() + 16).sum());
            all.begin(keys.len() + 1);
            all.word(b"EXISTS");
            keys.iter().for_each(|key| all.word(key));
            if taken.ask(&all, SHORT).await?.next().and_then(|answer| answer.number()) == i64::try_from(keys.len()).ok() {
                return Ok(Vec::new());
            }
        }
        let mut each = Ask::with_capacity(keys.iter().map(|key| key.len() + 32).sum());
        keys.iter().for_each(|key| each.add(&[b"EXISTS", key]));
        let answers: Vec<Answer<'_>> = taken.ask(&each, SHORT).await?.collect();
        if let Some(Answer::Refused(message)) = answers.iter().find(|answer| matches!(answer, Answer::Refused(_))) {
            return Err(refused(&self.source.node(shard), "EXISTS", message).into());
        }
        Ok(keys.into_iter().zip(answers).filter(|(_, answer)| answer.number() != Some(1)).map(|(key, _)| key).collect())
    }
}

/// Waits for what is there, or for ever.
async fn maybe<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
