//! The proof, under a hold: the target has all that the source has.

use std::time::{Duration, Instant};

use super::ledger::{Calls, Moved, replicas_have_all};
use super::life::Life;
use super::nodes::SHORT;
use super::trouble::Trouble;
use crate::migration::wire::Identity;

/// Passes that one drain begins before it gives up.
const PASSES: usize = 3;

/// What was found when the source was held: both sides are equal.
#[derive(Clone, Debug)]
pub struct Proof {
    /// How long it took until every change before the hold had been heard of.
    pub heard: Duration,
    /// Until all that was marked, and all streams, had been copied.
    pub copied: Duration,
    /// Until functions, counters and identities had been compared.
    pub compared: Duration,
    /// Until the target's replicas had everything.
    pub replicated: Duration,
    /// Keys written meanwhile.
    pub keys: u64,
    /// Full passes that were needed meanwhile.
    pub passes: u64,
    /// Changes of the source that had been heard of by then, and how often it had begun anew: [`super::CatchUp::holds`] compares them.
    pub changes: u64,
    pub restarts: u64,
    /// Who answered, shard by shard.
    pub source: Vec<Identity>,
    pub target: Vec<Identity>,
    /// What we wrote on the target's shards, since this life began: by command.
    pub written: Vec<Calls>,
}

impl Proof {
    /// From the beginning to the end.
    pub fn took(&self) -> Duration {
        self.heard + self.copied + self.compared + self.replicated
    }
}

impl Life {
    /// Copies all that is left, and proves that the sides are equal. Only under a hold of the source: otherwise it is true for a moment, or never.
    pub async fn drain(&self, ends: Instant) -> Result<Proof, Trouble> {
        self.until_over(self.prove(ends)).await?
    }

    async fn prove(&self, ends: Instant) -> Result<Proof, Trouble> {
        self.is_following().await;
        let rules = self.shared.settings.rules;
        let (copied_before, passed_before) = (self.shared.progress.keys_copied(), self.shared.progress.passes());
        let haste = self.make_haste();
        let mut clock = Stopwatch(Instant::now());

        self.are_still().await?;
        self.barrier().await?;
        let heard = clock.lap();

        if rules.follows(6) {
            self.streams.mark_all(&self.marks, |key| self.part_of(key));
        }
        if self.missing().is_some() || !self.are_deletes_allowed() {
            self.marks.mark_everything();
        }
        if !self.clocks().agree(&super::clocks::Clocks::measure(&self.source, &self.target).await?) {
            self.marks.mark_everything();
        }
        let mut tries = 0;
        let changes = loop {
            self.marks.settle().await;
            if rules.follows(6) {
                self.equal_functions().await?;
            }
            self.barrier().await?;
            let moved = self.counts_moved().await?;
            let foreign = if rules.follows(7) { self.ledger.foreign(&self.target).await? } else { None };
            if foreign.is_some() {
                // Nothing of ours is in flight: from here on it is counted anew, and the pass that follows undoes what was written.
                self.ledger.begin(&self.target).await?;
                self.marks.mark_everything();
            }
            if moved.is_none() && foreign.is_none() {
                // Counted before the look: what comes after is more than was counted.
                let changes = self.shared.progress.changes();
                if self.marks.is_settled() {
                    break changes;
                }
                continue;
            }
            tries += 1;
            if tries > PASSES {
                return Err(match (moved, foreign) {
                    (Some(Moved::Evicted { node, keys }), _) => Trouble::Evicts { node, keys },
                    (_, Some((node, commands))) => Trouble::Foreign { node, commands },
                    (Some(Moved::Swapped), _) => Trouble::Swapped,
                    (None, None) => Trouble::Ended,
                });
            }
        };
        let copied = clock.lap();

        if !self.are_deletes_allowed() || self.is_withheld() {
            let emptied = self.shared.progress.last_trouble().filter(|trouble| matches!(trouble, Trouble::Emptied { .. }));
            return Err(emptied.unwrap_or(Trouble::Emptied { node: self.source.node(0), before: 0, now: 0 }));
        }
        self.are_still().await?;
        let compared = clock.lap();
        if rules.follows(7) {
            // A little less than all the time that is left, so that it can be said which replica it was.
            let left = ends.saturating_duration_since(Instant::now()).mul_f64(0.8);
            replicas_have_all(&self.target, left.min(SHORT)).await?;
        }
        let replicated = clock.lap();
        drop(haste);

        let of =
            |nodes: &super::nodes::Nodes| (0..nodes.shards()).filter_map(|shard| nodes.identity(shard)).map(|at| (**at).clone()).collect();
        Ok(Proof {
            heard,
            copied,
            compared,
            replicated,
            keys: self.shared.progress.keys_copied() - copied_before,
            passes: self.shared.progress.passes() - passed_before,
            changes,
            restarts: self.shared.progress.restarts(),
            source: of(&self.source),
            target: of(&self.target),
            written: (0..self.target.shards()).map(|shard| self.ledger.ours(shard)).collect(),
        })
    }

    /// Fails where a primary of either side is not what it was when this life began.
    async fn are_still(&self) -> Result<(), Trouble> {
        self.source.are_still().await?;
        if self.shared.settings.rules.follows(7) {
            self.target.are_still().await?;
        }
        Ok(())
    }
}

struct Stopwatch(Instant);

impl Stopwatch {
    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.0, now))
    }
}
