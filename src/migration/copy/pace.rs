//! How much of the source's time is taken (`sourceLoad`).
//!
//! Redis carries out commands one after another: what ours take, others wait. Each batch says how long it ran on the server; the next one waits until the
//! share holds. When answers become slow the share is halved, and grows back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a batch costs the server, of what its own clock shows: reading the questions and writing the answers come besides. INFO's used_cpu told.
const BESIDES: f64 = 1.5;
/// The share never falls below this: catching up would not end.
const LEAST: f64 = 0.02;
/// Answers that are this much slower than before are slow.
const SLOW: u32 = 2;
/// Differences below this are noise.
const NOISE: Duration = Duration::from_micros(500);
/// How fast the share grows back, a look.
const GROWTH: f64 = 1.1;
/// Answers of which the middle one counts: a single slow one may be anybody's.
const LOOKS: usize = 5;

#[derive(Debug)]
struct Shard {
    /// When the next batch may start.
    next: Instant,
    /// What a batch has put that off lately: taken on account when one starts, so that several do not start at once.
    usually: Duration,
    share: f64,
    /// How long an answer usually takes.
    usual: Option<Duration>,
    /// How long the last ones took.
    last: VecDeque<Duration>,
}

/// The pace at which the source's shards are read.
#[derive(Debug)]
pub struct Pace {
    shards: Vec<Mutex<Shard>>,
    /// Those who wait for a shard wait in a row, not all at once.
    rows: Vec<tokio::sync::Mutex<()>>,
    /// The share that was asked for; 1 and more: no limit.
    most: f64,
    /// Under a hold there is nobody to wait for us.
    lifted: AtomicUsize,
    /// Memory is short on the source: only small batches.
    tight: AtomicBool,
    /// Microseconds of the source's time that our batches took.
    spent: AtomicU64,
}

/// While it lives there is no limit.
pub struct Lifted<'p>(&'p Pace);

impl Drop for Lifted<'_> {
    fn drop(&mut self) {
        self.0.lifted.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pace {
    /// `percent` of a core of the source's time.
    pub fn new(shards: usize, percent: u8) -> Pace {
        let most = f64::from(percent.max(1)) / 100.0;
        let shard = || Mutex::new(Shard { next: Instant::now(), usually: Duration::ZERO, share: most, usual: None, last: VecDeque::new() });
        Pace {
            shards: (0..shards).map(|_| shard()).collect(),
            rows: (0..shards).map(|_| tokio::sync::Mutex::new(())).collect(),
            most,
            lifted: AtomicUsize::new(0),
            tight: AtomicBool::new(false),
            spent: AtomicU64::new(0),
        }
    }

    fn shard(&self, shard: usize) -> Option<MutexGuard<'_, Shard>> {
        Some(self.shards.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn lift(&self) -> Lifted<'_> {
        self.lifted.fetch_add(1, Ordering::SeqCst);
        Lifted(self)
    }

    /// Whether there is a limit now.
    pub fn is_limited(&self) -> bool {
        self.most < 1.0 && self.lifted.load(Ordering::SeqCst) == 0
    }

    /// Waits until the next batch may start.
    pub async fn ready(&self, shard: usize) {
        let Some(row) = self.rows.get(shard).filter(|_| self.is_limited()) else { return };
        let _first = row.lock().await;
        while self.is_limited() {
            let wait = {
                let Some(mut shard) = self.shard(shard) else { return };
                let now = Instant::now();
                if shard.next <= now {
                    shard.next = now + shard.usually;
                    return;
                }
                shard.next.duration_since(now)
            };
            // In pieces, since the limit may be lifted meanwhile.
            tokio::time::sleep(wait.min(Duration::from_millis(20))).await;
        }
    }

    /// A batch that was let start by [`Pace::ready`] has run on the server for so long.
    pub fn took(&self, shard: usize, on_server: Duration) {
        if let Some(wait) = self.charge(shard, on_server)
            && let Some(mut shard) = self.shard(shard)
        {
            shard.next = shard.next.checked_sub(shard.usually).unwrap_or(shard.next);
            shard.usually = (shard.usually * 3 + wait) / 4;
        }
    }

    /// Something small has run on the server for so long, about. Says what that puts the next batch off.
    fn charge(&self, shard: usize, on_server: Duration) -> Option<Duration> {
        self.spent.fetch_add(on_server.as_micros() as u64, Ordering::Relaxed);
        let mut shard = self.shard(shard)?;
        let wait = on_server.mul_f64(BESIDES / shard.share.max(LEAST));
        shard.next = shard.next.max(Instant::now()) + wait;
        Some(wait)
    }

    /// An answer to a question that costs nothing took so long.
    pub fn answered(&self, shard: usize, within: Duration) {
        if let Some(mut shard) = self.shard(shard) {
            if shard.last.len() == LOOKS {
                shard.last.pop_front();
            }
            shard.last.push_back(within);
            let mut sorted: Vec<Duration> = shard.last.iter().copied().collect();
            sorted.sort_unstable();
            let now = sorted.get(sorted.len() / 2).copied().unwrap_or(within);
            let usual = *shard.usual.get_or_insert(now);
            // It follows slowly: a source gets slower and quicker by its own load too, and what we do to it must not become the usual.
            shard.usual = Some(if now < usual { usual - (usual - now) / 10 } else { usual + (now - usual) / 100 });
            if now > usual * SLOW + NOISE {
                shard.share = (shard.share / 2.0).max(LEAST);
            } else {
                shard.share = (shard.share * GROWTH).min(self.most);
            }
        }
    }

    /// What is left below the source's maxmemory, and how much a batch of ours may take at most; nothing: no limit of memory.
    pub fn headroom(&self, left: Option<u64>, batches: u64) {
        self.tight.store(left.is_some_and(|left| left < 4 * batches), Ordering::SeqCst);
    }

    /// Whether batches have to be small.
    pub fn is_tight(&self) -> bool {
        self.tight.load(Ordering::SeqCst)
    }

    /// The share of now, of the shard that has the least.
    pub fn share(&self) -> f64 {
        let shares = (0..self.shards.len()).filter_map(|shard| Some(self.shard(shard)?.share));
        shares.fold(self.most, f64::min)
    }

    /// How long our batches ran on the source, altogether.
    pub fn spent(&self) -> Duration {
        Duration::from_micros(self.spent.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_share_holds_and_is_lifted() {
        let pace = Pace::new(1, 25);
        let began = Instant::now();
        for _ in 0..4 {
            pace.ready(0).await;
            pace.took(0, Duration::from_millis(1));
        }
        // Three batches before the last one, of 1 ms each, half as much again with what is besides, at a quarter of the time.
        assert!(began.elapsed() >= Duration::from_millis(18), "{:?}", began.elapsed());
        pace.took(0, Duration::from_secs(60));
        let lifted = pace.lift();
        pace.ready(0).await;
        drop(lifted);
        assert!(pace.is_limited());
        assert_eq!(pace.spent(), Duration::from_millis(60_004));
    }

    #[test]
    fn slow_answers_halve_the_share_and_quick_ones_bring_it_back() {
        let pace = Pace::new(1, 40);
        let quick = Duration::from_micros(100);
        (0..9).for_each(|_| pace.answered(0, quick));
        (0..2).for_each(|_| pace.answered(0, Duration::from_millis(5)));
        assert_eq!(pace.share(), 0.4, "two slow answers of five are chance");
        pace.answered(0, Duration::from_millis(5));
        assert_eq!(pace.share(), 0.2);
        (0..9).for_each(|_| pace.answered(0, Duration::from_millis(5)));
        assert_eq!(pace.share(), LEAST);
        (0..90).for_each(|_| pace.answered(0, quick));
        assert_eq!(pace.share(), 0.4);
    }

    #[test]
    fn little_headroom_makes_it_tight() {
        let pace = Pace::new(1, 100);
        assert!(!pace.is_limited());
        pace.headroom(Some(39), 10);
        assert!(pace.is_tight());
        pace.headroom(Some(40), 10);
        assert!(!pace.is_tight());
        pace.headroom(None, 10);
        assert!(!pace.is_tight());
    }
}
