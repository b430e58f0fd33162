//! Catching up: the target is made equal to the source, and kept so, while the source serves.
//!
//! ```text
//! capture -> marks -> worker -> batch | large        what changes
//!            pass  ----------> batch | large         all there is, once
//! drain                                              the proof, under a hold
//! ```
//!
//! [`CatchUp`] owns a task in which one `Life` follows another: each is a set of pinned connections with tracking on, and ends where one of them breaks.

mod batch;
mod capture;
mod clocks;
mod drain;
mod functions;
mod large;
mod ledger;
mod life;
mod look;
mod marks;
mod nodes;
mod pace;
mod pass;
mod progress;
mod reading;
mod streams;
mod topology;
mod trouble;
mod versions;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::lease::Lease;
use super::side::{Rules, Side};
use super::wire::Name;
pub use drain::Proof;
pub use ledger::Calls;
use life::{Life, Start};
pub use progress::{Phase, Progress};
use streams::Streams;
pub use topology::current;
pub use trouble::Trouble;
pub use versions::payload_fits;

/// How long it waits before it connects again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A life that lasted as long went well: the next one is not waited for.
const WELL: Duration = Duration::from_secs(10);

/// The epoch of a migration, shared by all that work for it in this process. Whoever takes over raises it, and whoever has an older one writes no more
/// (rule 2).
#[derive(Clone, Debug)]
pub struct Epoch {
    now: Arc<AtomicU64>,
    lease: Option<Lease>,
}

impl Epoch {
    pub fn new(epoch: u64) -> Epoch {
        Epoch { now: Arc::new(AtomicU64::new(epoch)), lease: None }
    }

    /// One that is over with the lease, too: somebody else may have taken over where nobody here heard of it.
    pub fn leased(epoch: u64, lease: Lease) -> Epoch {
        Epoch { lease: Some(lease), ..Epoch::new(epoch) }
    }

    pub fn is(&self, epoch: u64) -> bool {
        self.now.load(std::sync::atomic::Ordering::SeqCst) == epoch && self.lease.as_ref().is_none_or(Lease::holds)
    }

    /// Never lowers it.
    pub fn raise(&self, epoch: u64) {
        self.now.fetch_max(epoch, std::sync::atomic::Ordering::SeqCst);
    }
}

/// How it is caught up.
#[derive(Clone, Debug)]
pub struct Settings {
    pub rules: Rules,
    pub epoch: Epoch,
    /// Percent of a core of the source's time that reading may take; 100: no limit.
    pub load: u8,
    /// How many changed keys are kept, at some 100 bytes and the key each: with more, a full pass takes their place.
    pub marks: usize,
    /// A person has looked: a source that holds far fewer keys than before is believed, and the target emptied accordingly (rule 1).
    pub believe_empty: bool,
    /// Bytes of a batch; eight batches are in flight at most (rule 2).
    pub window: usize,
    /// Values that take more memory on the source go in pieces, where their type allows it.
    pub pieces_from: u64,
    /// Bytes of a piece.
    pub piece: u64,
    /// Payloads beyond this are never sent whole: `proto-max-bulk-len` (512 MiB where nobody set another), less what is around them (rule 8).
    pub payload_limit: u64,
}

impl Settings {
    pub fn new(epoch: Epoch) -> Settings {
        const MIB: u64 = 1024 * 1024;
        Settings {
            rules: Rules::ALL,
            epoch,
            load: 25,
            marks: 200_000,
            believe_empty: false,
            window: MIB as usize,
            pieces_from: 32 * MIB,
            piece: MIB,
            payload_limit: 512 * MIB - 64,
        }
    }
}

/// What outlives a life.
pub struct Shared {
    settings: Settings,
    progress: progress::Counts,
    /// How many keys the source held when it was last seen well (rule 1).
    known_keys: AtomicU64,
    /// Values that went in pieces.
    large: AtomicU64,
}

/// What is done with changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    /// They are noted.
    Watch,
    /// They are copied.
    Follow,
}

/// Catching up, or watching. Ends when it is dropped.
pub struct CatchUp {
    shared: Arc<Shared>,
    name: Name,
    stance: watch::Sender<Stance>,
    life: watch::Receiver<Option<Arc<Life>>>,
    task: JoinHandle<()>,
}

impl Drop for CatchUp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl CatchUp {
    /// Connects to both sides, refuses what cannot go well (versions, databases, clocks), and begins to make the target equal to the source. The epoch of
    /// `name` is the one that [`Settings::epoch`] is compared with.
    pub async fn start(source: Side, target: Side, name: Name, settings: Settings) -> Result<CatchUp, Trouble> {
        CatchUp::begin(
            Start { source, target, name, everything: true, writers: Vec::new(), streams: Streams::default() },
            settings,
            Stance::Follow,
        )
        .await
    }

    /// Watches a side whose changes may have to go back to another one, about which nothing is known any more: turning it round begins with a full pass.
    pub async fn start_watching(source: Side, target: Side, name: Name, settings: Settings) -> Result<CatchUp, Trouble> {
        CatchUp::begin(
            Start { source, target, name, everything: true, writers: Vec::new(), streams: Streams::default() },
            settings,
            Stance::Watch,
        )
        .await
    }

    async fn begin(start: Start, settings: Settings, stance: Stance) -> Result<CatchUp, Trouble> {
        let name = start.name.clone();
        let shared =
            Arc::new(Shared { settings, progress: progress::Counts::default(), known_keys: AtomicU64::new(0), large: AtomicU64::new(0) });
        let first = Life::begin(Arc::clone(&shared), start).await?;
        if stance == Stance::Follow {
            first.follow().await?;
        }
        let stance = watch::Sender::new(stance);
        let (lives, life) = watch::channel(Some(Arc::clone(&first)));
        let task = tokio::spawn(lead(Arc::clone(&shared), name.clone(), first, stance.subscribe(), lives));
        Ok(CatchUp { shared, name, stance, life, task })
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let life = self.life.borrow().clone();
        let phase = match (&life, *self.stance.borrow()) {
            (_, Stance::Watch) => Phase::Watching,
            (None, _) => Phase::Connecting,
            (Some(life), _) if life.marks.is_passing() => Phase::FullPass,
            (Some(_), _) => Phase::Following,
        };
        let mut progress = self.shared.progress.progress(phase);
        if let Some(life) = life {
            let (marks, in_flight) = life.marks.count();
            progress.marks = marks as u64;
            progress.in_flight = in_flight as u64;
            progress.streams = life.streams.count() as u64;
            progress.full_passes = life.missing().map(str::to_owned);
            progress.share = life.pace.share();
            progress.source_time_ms = life.pace.spent().as_millis() as u64;
        }
        progress
    }

    /// Copies all that is left and proves that the sides are equal. The source must be held, and stay so: whoever holds it watches for pushes and sentinels.
    pub async fn drain(&self, within: Duration) -> Result<Proof, Trouble> {
        if *self.stance.borrow() == Stance::Watch {
            return Err(Trouble::Watching);
        }
        let ends = Instant::now() + within;
        let mut lives = self.life.clone();
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            let proven = tokio::time::timeout(left, async {
                let life = match lives.wait_for(Option::is_some).await {
                    Ok(life) => life.clone(),
                    Err(_) => return Err(self.last_trouble().unwrap_or(Trouble::Ended)),
                };
                match life {
                    Some(life) => life.drain(ends).await,
                    None => Err(Trouble::Ended),
                }
            });
            match proven.await {
                Ok(Ok(proof)) => return Ok(proof),
                // Another life begins, with everything marked: slower, and as good.
                Ok(Err(Trouble::TrackingBroke { .. } | Trouble::Wire(super::wire::WireError::Lost { .. }))) => {
                    let _ = tokio::time::timeout(AGAIN.0, lives.changed()).await;
                }
                Ok(Err(trouble)) => return Err(trouble),
                Err(_) => {
                    let progress = self.progress();
                    return Err(Trouble::Deadline { marks: progress.marks as usize, passing: progress.phase == Phase::FullPass });
                }
            }
        }
    }

    /// Whether nothing was heard of the source since the proof, and no connection broke: what was proven still holds, as far as can be heard (rule 13).
    pub fn holds(&self, proof: &Proof) -> bool {
        (self.shared.progress.changes(), self.shared.progress.restarts()) == (proof.changes, proof.restarts)
    }

    /// After a commit: nothing is copied any more, and what changes on the target is noted, for the way back (rule 19). To be called while both sides are
    /// held and proven equal: it is that state from which changes are counted.
    pub async fn watch(&mut self) -> Result<(), Trouble> {
        let life = self.life.borrow().clone().ok_or(Trouble::Ended)?;
        let start = Start {
            source: life.target.side.clone(),
            target: life.source.side.clone(),
            name: self.name.clone(),
            everything: false,
            writers: Vec::new(),
            streams: life.streams.clone(),
        };
        *self = CatchUp::begin(start, self.shared.settings.clone(), Stance::Watch).await?;
        Ok(())
    }

    /// What was noted since [`CatchUp::watch`] is copied, and what changes from now on: to what was the source. Everything is compared where tracking broke
    /// meanwhile.
    pub fn turn(&self) {
        self.stance.send_replace(Stance::Follow);
    }

    /// Why the last thing that did not go well did not.
    pub fn last_trouble(&self) -> Option<Trouble> {
        self.shared.progress.last_trouble()
    }
}

/// One life after another.
async fn lead(
    shared: Arc<Shared>,
    name: Name,
    first: Arc<Life>,
    mut stance: watch::Receiver<Stance>,
    lives: watch::Sender<Option<Arc<Life>>>,
) {
    let mut life = first;
    let mut wait = AGAIN.0;
    loop {
        let began = Instant::now();
        let trouble = live(&life, &mut stance).await;
        lives.send_replace(None);
        shared.progress.trouble(&trouble);
        shared.progress.restarted();
        if trouble.is_final() {
            return;
        }
        if began.elapsed() > WELL {
            wait = AGAIN.0;
        }
        life = loop {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(AGAIN.1);
            // Connections may have been ended by who has taken over.
            if let Err(trouble) = life.is_still_mine() {
                shared.progress.trouble(&trouble);
                return;
            }
            let start = Start {
                source: life.source.side.clone(),
                target: life.target.side.clone(),
                name: name.clone(),
                everything: true,
                writers: life.target.writers(),
                streams: Streams::default(),
            };
            let begun = async {
                let next = Life::begin(Arc::clone(&shared), start).await?;
                if *stance.borrow() == Stance::Follow {
                    next.follow().await?;
                }
                Ok::<_, Trouble>(next)
            };
            match begun.await {
                Ok(next) => break next,
                Err(trouble) => {
                    shared.progress.trouble(&trouble);
                    if trouble.is_final() {
                        return;
                    }
                }
            }
        };
        lives.send_replace(Some(Arc::clone(&life)));
    }
}

/// Works until the life is over, and says why it is.
async fn live(life: &Arc<Life>, stance: &mut watch::Receiver<Stance>) -> Trouble {
    let mut tasks = JoinSet::new();
    let looking = Arc::clone(life);
    tasks.spawn(async move { looking.look().await });
    let work = async {
        if stance.wait_for(|stance| *stance == Stance::Follow).await.is_err() {
            return Trouble::Ended;
        }
        if let Err(trouble) = life.follow().await {
            return trouble;
        }
        life.is_ready();
        let passing = Arc::clone(life);
        tasks.spawn(async move { passing.passes().await });
        for shard in 0..life.source.shards() {
            let working = Arc::clone(life);
            tasks.spawn(async move { working.work(shard).await });
        }
        // None of them ends.
        let _ = tasks.join_next().await;
        Trouble::Ended
    };
    let trouble = life.until_over(work).await.unwrap_or_else(|trouble| trouble);
    life.end(trouble.clone());
    tasks.shutdown().await;
    trouble
}
