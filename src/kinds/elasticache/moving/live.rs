//! What goes on between passes while clients are moved without losing a write: the mover, which copies and holds. It lives in this process alone; after a
//! restart nothing is believed of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::LEASE;
use super::figures::{Figures, length};
use super::lock::Lock;
use super::nodes;
use super::op::Sides;
use super::report::{Reporter, to_go};
use super::start::{present, present_source, read_lock};
use crate::aws::calls::elasticache::{DESCRIBE_CACHE_CLUSTERS, MODIFY_REPLICATION_GROUP};
use crate::aws::{CallError, Class, Reads, Writes};
use crate::kinds::Progress;
use crate::kinds::elasticache::start::{bytes, not_sent};
use crate::migration::copy::{self, Epoch, Settings};
use crate::migration::hold::{HoldError, Nodes, Released, end_foreign, release_side};
use crate::migration::lease::Lease;
use crate::migration::mover::{Lengths, Mover, Order, Phase, Setup, State, Stop};
use crate::migration::side::{Rules, Side};
use crate::migration::wire::Name;

/// How long foreign clients are sent away again and again before it is said that they stay.
const PATIENCE: Duration = Duration::from_secs(30);
/// After the commit the mover looks at the old group once. What it looks at later is a step, which reads on the lock whether it may: a mover that does not
/// know that another process has gone back would hold the group again that serves.
const LOOKING: Duration = Duration::MAX;

/// A mover, what became of the last order, and how far it is, for others to see.
pub struct Live {
    /// Its name on the nodes.
    pub(super) name: Name,
    pub(super) mover: Mover,
    pub(super) lease: Lease,
    pub(super) stopped: Mutex<Option<String>>,
    report: Arc<Reporter>,
}

/// What is seen of it.
#[derive(Clone, Debug)]
pub struct LiveSeen {
    pub state: State,
    /// Why the last order was not carried out.
    pub stopped: Option<String>,
}

pub fn look(reads: &Reads, target: &str) -> Option<LiveSeen> {
    let live = reads.task::<Live>(target)?;
    let stopped = live.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Some(LiveSeen { state: live.mover.state(), stopped })
}

pub(super) fn error(message: String) -> CallError {
    not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "NotMoved", message)
}

pub(super) fn stop(stop: Stop) -> CallError {
    error(stop.to_string())
}

pub(super) async fn token(writes: &Writes, sides: &Sides) -> Result<Option<SecretString>, CallError> {
    match &sides.token {
        Some(token) => bytes(writes, token).await.map(Some),
        None => Ok(None),
    }
}

/// What a process is called on the nodes, by the epoch that the lock gives it. Each has two lives there, forward and back: one that comes back ends what is
/// left of the one that went there, wherever that runs.
pub(super) fn name(sides: &Sides, lock: &Lock) -> Name {
    Name { migration: sides.target.clone(), epoch: lock.connections() * 2, role: "move" }
}

/// On the way back after the commit, where another process went there.
pub(super) fn name_back(sides: &Sides, lock: &Lock) -> Name {
    Name { epoch: name(sides, lock).epoch + 1, ..name(sides, lock) }
}

/// What this process is called on the nodes: as the mover that it has.
pub(super) fn own_name(writes: &Writes, sides: &Sides, lock: &Lock) -> Name {
    writes.tasks().get::<Live>(&sides.target).map_or_else(|| name(sides, lock), |live| live.name.clone())
}

/// For how long this process may act, by the last sign of life that the lock has of it.
pub(super) fn lease(writes: &Writes, lock: &Lock) -> Lease {
    Lease::new(writes.clock(), lock.beat.unwrap_or_else(|| writes.now()), LEASE)
}

/// A sign of life was taken that was sent then.
pub fn renew(writes: &Writes, target: &str, at: Timestamp) {
    if let Some(live) = writes.tasks().get::<Live>(target) {
        live.lease.renew(at);
    }
}

/// Keeps a mover between passes, and has it say how far it is.
pub(super) fn keep(writes: &Writes, sides: &Sides, name: Name, mover: Mover, lease: Lease) {
    let report = Arc::new(Reporter::new(writes.reads().state(), &sides.target, &sides.lock));
    tokio::spawn(Arc::clone(&report).follow(mover.watch()));
    writes.tasks().put(&sides.target, Arc::new(Live { name, mover, lease, stopped: Mutex::default(), report }));
}

/// The nodes of the target.
async fn target(writes: &Writes, sides: &Sides, token: Option<SecretString>) -> Result<Side, CallError> {
    nodes::side(&writes.reads(), &present(writes, &sides.target, &DESCRIBE_CACHE_CLUSTERS).await?, token).await
}

/// The nodes of the source.
pub(super) async fn source(writes: &Writes, sides: &Sides, token: Option<SecretString>) -> Result<Side, CallError> {
    let found = present_source(writes, &sides.source, sides.standalone.as_deref(), &DESCRIBE_CACHE_CLUSTERS).await?;
    nodes::side(&writes.reads(), &found, token).await
}

/// The nodes of both groups as they are now.
pub(super) async fn both(writes: &Writes, sides: &Sides, name: &Name) -> Result<(Side, Side), CallError> {
    let token = token(writes, sides).await?;
    let now = async |side: Side| copy::current(side, name).await.map_err(|trouble| error(trouble.to_string()));
    let source = now(source(writes, sides, token.clone()).await?).await?;
    Ok((source, now(target(writes, sides, token).await?).await?))
}

pub(super) fn setup((source, target): (Side, Side), name: Name, lengths: Lengths, lease: &Lease) -> Setup {
    let copy = Settings::new(Epoch::leased(name.epoch, lease.clone()));
    Setup { source, target, copy, name, lengths, patience: PATIENCE, looking: LOOKING }
}

/// Begins to copy; one that copies already is left at it.
pub async fn follow(writes: &Writes, sides: &Sides, reopen: bool, lengths: Lengths) -> Result<(), CallError> {
    if writes.tasks().get::<Live>(&sides.target).is_some() {
        return Ok(());
    }
    let lock = read_lock(&writes.reads(), &sides.lock).await?;
    let (name, lease) = (name(sides, &lock), lease(writes, &lock));
    let both = both(writes, sides, &name).await?;
    if reopen {
        released(release_side(&both.0, &name, Rules::ALL).await)?;
    }
    let setup = setup(both, name.clone(), lengths, &lease);
    keep(writes, sides, name, Mover::start_with_trial(setup), lease);
    Ok(())
}

/// How long the move of this process took so far.
pub fn measured(reads: &Reads, target: &str) -> Option<Figures> {
    let live = reads.task::<Live>(target)?;
    Some(live.report.write(&live.mover.state()).measured)
}

/// Gives an order, and does not wait for what comes of it.
pub fn post(writes: &Writes, target: &str, order: Order) -> Result<(), CallError> {
    let Some(live) = writes.tasks().get::<Live>(target) else { return Err(error("the copy has ended".to_owned())) };
    let answer = live.mover.post(order);
    *live.stopped.lock().unwrap_or_else(PoisonError::into_inner) = None;
    tokio::spawn(async move {
        if let Err(stop) = answer.await.unwrap_or(Err(Stop::Ended)) {
            *live.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop.to_string());
        }
    });
    Ok(())
}

/// Gives an order that is carried out at once.
pub async fn order(writes: &Writes, target: &str, order: Order) -> Result<(), CallError> {
    match writes.tasks().get::<Live>(target) {
        Some(live) => live.mover.order(order).await.map_err(stop),
        None => Err(error("the copy has ended".to_owned())),
    }
}

/// Lets the target go after the commit, whoever held it.
pub async fn let_go(writes: &Writes, sides: &Sides) -> Result<(), CallError> {
    if writes.tasks().get::<Live>(&sides.target).is_some() {
        order(writes, &sides.target, Order::Release).await?;
    }
    // The mover asks a node that was silent again and again, but only as long as this process lives: the step is done when all have answered.
    let name = own_name(writes, sides, &read_lock(&writes.reads(), &sides.lock).await?);
    let side = target(writes, sides, token(writes, sides).await?).await?;
    let side = copy::current(side, &name).await.map_err(|trouble| error(trouble.to_string()))?;
    released(release_side(&side, &name, Rules::ALL).await)
}

/// A node that did not answer is asked again: one that is gone for good is not among the group's nodes for long.
pub(super) fn released(released: Result<Released, HoldError>) -> Result<(), CallError> {
    let released = released.map_err(|hold| error(hold.to_string()))?;
    match released.silent.as_slice() {
        [] => Ok(()),
        silent => {
            let message = format!("{} did not answer when it was to take writes again", silent.join(", "));
            Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "NotReleased", message))
        }
    }
}

/// Lets the source take writes again on the way back, once nobody is left on the target (rule 14).
pub async fn reopen(writes: &Writes, sides: &Sides) -> Result<(), CallError> {
    if let Some(live) = writes.tasks().get::<Live>(&sides.target) {
        if matches!(live.mover.state().phase, Phase::Frozen | Phase::Moving | Phase::Fenced | Phase::Proven) {
            live.mover.order(Order::Undo).await.map_err(stop)?;
        }
        // Where nobody was sent to the target the undo is at its end with that.
        return match live.mover.state().phase {
            Phase::Following | Phase::Undone | Phase::Back => Ok(()),
            Phase::Returned => live.mover.order(Order::ReleaseSource).await.map_err(stop),
            _ => live.mover.order(Order::TurnedBack).await.map_err(stop),
        };
    }
    let name = own_name(writes, sides, &read_lock(&writes.reads(), &sides.lock).await?);
    let (source, target) = both(writes, sides, &name).await?;
    let hold = |hold: HoldError| error(hold.to_string());
    let nodes = Nodes::connect(&target, &name).await.map_err(hold)?;
    end_foreign(&nodes, &name, PATIENCE).await.map_err(hold)?;
    released(release_side(&source, &name, Rules::ALL).await)
}

/// How far a step of the mover is: done from one of these phases on.
pub fn progress(live: Option<&LiveSeen>, from: Phase) -> Progress {
    let Some(LiveSeen { state, stopped }) = live else {
        return match from {
            // Begun, or begun again.
            Phase::Following => Progress::Pending,
            _ => Progress::Failed("the copy has ended: holdfast was started again meanwhile".to_owned()),
        };
    };
    let why = || state.why.clone().or_else(|| stopped.clone()).unwrap_or_else(|| "it was undone".to_owned());
    match state.phase {
        Phase::Following if from == Phase::Following => match &state.progress {
            Some(copy) if copy.passes > 0 && copy.phase == copy::Phase::Following => Progress::Done,
            Some(copy) => Progress::Running(format!(
                "the copy: {} of {} keys compared, {} copied, {} a second{}",
                copy.keys_compared,
                copy.keys_to_compare,
                copy.keys_copied,
                copy.rate,
                to_go(copy).map(|seconds| format!(", {} to go", length(seconds))).unwrap_or_default()
            )),
            None => Progress::Running(match &state.trouble {
                Some(trouble) => format!("the new group to pass its trial: {trouble}"),
                None => "the new group to pass its trial".to_owned(),
            }),
        },
        Phase::Following | Phase::Frozen | Phase::Moving | Phase::Fenced | Phase::Proven | Phase::Committed if state.phase >= from => {
            Progress::Done
        }
        Phase::Following | Phase::Frozen | Phase::Moving | Phase::Fenced | Phase::Proven | Phase::Committed => match stopped {
            Some(why) => Progress::Failed(why.clone()),
            None => Progress::Pending,
        },
        _ => Progress::Failed(why()),
    }
}

/// How far the way back after the commit is: done from one of these phases on.
pub fn progress_back(live: Option<&LiveSeen>, from: Phase) -> Progress {
    let Some(LiveSeen { state, stopped }) = live else {
        return match from {
            // Begun, or gone on with.
            Phase::TargetHeld => Progress::Pending,
            _ => Progress::Failed("the copy has ended: holdfast was started again meanwhile".to_owned()),
        };
    };
    match (state.phase, from) {
        (Phase::Returned | Phase::Back, _) | (Phase::TargetHeld, Phase::TargetHeld) => Progress::Done,
        // What stopped an earlier one is no answer to this one.
        (_, Phase::TargetHeld) => Progress::Pending,
        _ => match stopped.as_ref().or(state.why.as_ref().filter(|_| state.phase == Phase::Halted)) {
            Some(why) => Progress::Failed(why.clone()),
            None => Progress::Pending,
        },
    }
}
