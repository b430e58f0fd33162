//! What is looked at again and again while catching up: identities, counters, latency, memory.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::ledger::Moved;
use super::life::Life;
use super::nodes::{SHORT, Use};
use super::trouble::Trouble;

/// Between two looks at the source's latency.
const LATENCY: Duration = Duration::from_millis(100);
/// Looks at the latency, for one at everything else.
const SELDOM: u32 = 10;

impl Life {
    /// Looks again and again, until the life is over.
    pub async fn look(&self) {
        let mut looks: u32 = 0;
        loop {
            let looked = async {
                self.latency().await?;
                if looks.is_multiple_of(SELDOM) {
                    self.others().await?;
                }
                Ok(())
            };
            if let Err(trouble) = looked.await {
                match trouble {
                    // A tracking connection that does not answer has not told what it should have.
                    Trouble::TrackingBroke { .. } => self.end(trouble),
                    other => self.hindered(other),
                }
            }
            looks = looks.wrapping_add(1);
            tokio::time::sleep(LATENCY).await;
        }
    }

    async fn latency(&self) -> Result<(), Trouble> {
        if !self.pace.is_limited() {
            return Ok(());
        }
        for shard in 0..self.source.shards() {
            let link = self.source.link(shard, 0, Use::Ping).await?;
            let asked = Instant::now();
            link.ask(&redis::cmd("PING"), SHORT).await?;
            self.pace.answered(shard, asked.elapsed());
        }
        Ok(())
    }

    async fn others(&self) -> Result<(), Trouble> {
        self.shared.progress.sample();
        self.is_still_mine()?;
        self.source.are_still().await?;
        if self.shared.settings.rules.follows(7) {
            self.target.are_still().await?;
        }
        self.barrier().await?;
        self.headroom().await?;
        if !self.follows() {
            return Ok(());
        }
        if let Some(Moved::Evicted { node, keys }) = self.counts_moved().await? {
            self.shared.progress.trouble(&Trouble::Evicts { node, keys });
        }
        self.strangers().await?;
        let mut keys = 0;
        for shard in 0..self.source.shards() {
            keys = u64::saturating_add(keys, self.source.keys(shard).await?);
        }
        let before = self.shared.known_keys.load(Ordering::SeqCst);
        if self.are_deletes_allowed() {
            self.shared.known_keys.store(keys, Ordering::SeqCst);
        } else if self.marks.is_settled() && keys > 0 && keys >= before.div_ceil(2) {
            // What was suspiciously empty has its keys again.
            self.marks.mark_everything();
        }
        Ok(())
    }

    /// Whether somebody else has written to the target: better found now than under the hold, where it costs a pass too. Only where nothing of ours is
    /// in flight; a mistake costs a pass, and no more.
    async fn strangers(&self) -> Result<(), Trouble> {
        if !self.shared.settings.rules.follows(7) || !self.marks.is_settled() {
            return Ok(());
        }
        let sent = self.ledger.sent();
        let foreign = self.ledger.foreign(&self.target).await?;
        if let Some((node, commands)) = foreign
            && self.marks.is_settled()
            && self.ledger.sent() == sent
        {
            self.ledger.begin(&self.target).await?;
            self.marks.mark_everything();
            self.shared.progress.trouble(&Trouble::Foreign { node, commands });
        }
        Ok(())
    }

    /// How much memory the source has left: answers that wait to be read take from it, and then it evicts keys (rule 2).
    async fn headroom(&self) -> Result<(), Trouble> {
        let mut least: Option<u64> = None;
        for shard in 0..self.source.shards() {
            let info = self.source.link(shard, 0, Use::Ask).await?.info("memory").await?;
            if let (Some(most @ 1..), Some(used)) = (info.number("maxmemory"), info.number("used_memory")) {
                let left = most.saturating_sub(used);
                least = Some(least.map_or(left, |least| least.min(left)));
            }
        }
        self.pace.headroom(least, 8 * self.shared.settings.window as u64);
        Ok(())
    }
}
