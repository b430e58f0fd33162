//! The cut over as one task: it owns the copying, the holds with their sentinels, and the ledgers, and is told what to do next by its owner, who turns
//! references, fences on AWS' side and writes the journal.
//!
//! ```text
//! Following -> Freeze -> Frozen -> Move -> Moving -> Fence -> Fenced -> Commit -> Proven -> (COMMIT) Release -> Committed
//!                any of these -> Undoing -> TurnedBack -> Undone          Committed -> RollBack -> TargetHeld -> Reopen -> Returned -> ReleaseSource -> Back
//! ```
//!
//! The owner may die at any point. Dropped, a mover leaves both sides as they are held: the source's hold is short, so that it reopens by itself while
//! consumers that have moved wait at the target, whose hold is long (rule 17); once the source is fenced both wait. [`Mover::resume`] goes on from there.

mod back;
mod commit;
mod differences;
mod freeze;
mod resume;
mod state;
mod task;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::copy::{CatchUp, Settings};
use super::side::Side;
use super::wire::Name;

pub use state::{Difference, Evidence, How, Journaled, Order, Phase, State, Stop};

use task::Task;

/// What a mover moves, and how.
#[derive(Clone, Debug)]
pub struct Setup {
    pub source: Side,
    pub target: Side,
    /// The epoch must be above that of every earlier mover of this migration.
    pub name: Name,
    pub copy: Settings,
    pub lengths: Lengths,
    /// How long foreign clients are sent away again and again before it is said that they stay.
    pub patience: Duration,
    /// Between two looks at the source's ledger after the commit, the first of which is at once. Each takes a hold anew that broke.
    pub looking: Duration,
}

/// How long the sides are held, where nobody ends it (rule 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// `freezeBudget`: writes are held no longer, or the move is undone.
    pub budget: Duration,
    /// The source, until it is fenced: a little longer than the budget, and it reopens by itself.
    pub source: Duration,
    /// The source once it is fenced; renewed.
    pub soak: Duration,
    /// The target before the commit, and after a way back: at least a day.
    pub target: Duration,
}

impl Lengths {
    /// By the budget.
    pub fn new(budget: Duration) -> Lengths {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Lengths { budget, source: budget + Duration::from_secs(30), soak: 2 * DAY, target: 7 * DAY }
    }

    /// With a hold that lasts over a soak of this length, though nobody renews it.
    pub fn over(self, kept: Duration) -> Lengths {
        Lengths { soak: self.soak.max(kept + Duration::from_secs(24 * 3600)), ..self }
    }
}

/// The owner's end of the task.
pub struct Mover {
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<Result<(), Stop>>)>,
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mover {
    /// As [`Mover::start`], after a trial on the target, which has no consumer yet: whether its engine's very build keeps what the promise rests on, tracking,
    /// pause and barrier. Returns at once; what comes of it is seen in the state, which is [`Phase::Undone`] where the trial is not passed. The source is not
    /// asked for anything by it, and what it writes it removes.
    pub fn start_with_trial(setup: Setup) -> Mover {
        Mover::run(Task { trial: true, ..Task::new(setup, Phase::Following) })
    }

    /// Begins to make the target follow the source. Connections of earlier lives are ended; a target that is still held from an earlier try is opened for
    /// us alone.
    pub async fn start(setup: Setup) -> Result<Mover, Stop> {
        let mut task = Task::new(setup, Phase::Following);
        task.open_target().await?;
        let Setup { source, target, name, copy, .. } = task.setup.clone();
        task.copy = Some(CatchUp::start(source, target, name, copy).await?);
        Ok(Mover::run(task))
    }

    /// Goes on where another mover has died, by what the journal says and nothing else.
    pub async fn resume(setup: Setup, journaled: Journaled) -> Result<Mover, Stop> {
        match resume::task(setup.clone(), journaled).await? {
            Some(task) => Ok(Mover::run(task)),
            None => Mover::start(setup).await,
        }
    }

    fn run(task: Task) -> Mover {
        let (orders, received) = mpsc::unbounded_channel();
        let state = task.state.subscribe();
        Mover { orders, state, task: tokio::spawn(task.run(received)) }
    }

    /// Orders something and waits until it is done, or has failed.
    pub async fn order(&self, order: Order) -> Result<(), Stop> {
        self.post(order).await.unwrap_or(Err(Stop::Ended))
    }

    /// Orders something and does not wait: what comes of it is seen in the state.
    pub fn post(&self, order: Order) -> oneshot::Receiver<Result<(), Stop>> {
        let (answer, answered) = oneshot::channel();
        // Ended: the answer's sender is gone with it, and that is what the receiver is told.
        let _ = self.orders.send((order, answer));
        answered
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Told of each change of the state.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}
