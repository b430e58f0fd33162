//! The way back after the commit, on the nodes (MIGRATION.md, rules 18 to 20), and what is looked at in the soak.
//!
//! The mover that committed goes on with it where it is still there. Another process has the evidence of the freeze as a digest on the lock: where the present
//! ledger has the same one, it is the evidence.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::live::{Live, both, error, keep, lease, name_back, own_name, released, setup, source, stop, token};
use super::lock::{Digests, Lock, NOT_LATE, RETURN_TAG, Return, STOPPED_TAG};
use super::op::Sides;
use super::start::{tag_lock, taggable};
use crate::aws::{CallError, Writes};
use crate::kinds::elasticache::start::put_tags;
use crate::migration::copy::{self, Trouble, payload_fits};
use crate::migration::hold::{Failing, Hold, HoldError, Ledger, Nodes, refuses_writes, release_side};
use crate::migration::mover::{Difference, Evidence, How, Journaled, Lengths, Mover, Order, Phase, State, Stop};
use crate::migration::side::{Rules, Side};

/// How many keys are named to a person.
const NAMED: usize = 20;
/// A look at the source in the soak takes no longer.
const LOOKING: Duration = Duration::from_secs(60);

/// The evidence of the freeze, in the moment before the commit.
pub fn evidence(writes: &Writes, target: &str) -> Result<Digests, CallError> {
    let live = writes.tasks().get::<Live>(target).ok_or_else(|| error("the copy has ended".to_owned()))?;
    let state = live.mover.state();
    match (&state.evidence, state.phase) {
        (Some(evidence), Phase::Proven | Phase::Committed) => Ok(Digests::of(&evidence.source)),
        (_, phase) => Err(error(format!("the move is {phase:?}, and not proven: it is not committed"))),
    }
}

/// Holds the source on, and says what was written there since the freeze, as far as it can be told, and whether its primaries refuse writes by themselves.
pub async fn look_on(writes: &Writes, sides: &Sides, lock: &Lock, kept: Duration) -> (String, Option<bool>) {
    let look = async {
        let hold = hold_on(writes, sides, lock, kept).await?;
        let ledger = Ledger::read(hold.nodes()).await.map_err(|wire| error(wire.to_string()))?;
        let fenced = refuses_writes(hold.nodes()).await.map_err(|wire| error(wire.to_string()))?;
        Ok::<(Digests, bool), CallError>((Digests::of(&ledger), fenced))
    };
    match (within(look).await, &lock.ledger) {
        (Ok((now, fenced)), Some(then)) if now.all == then.all => (NOT_LATE.to_owned(), Some(fenced)),
        (Ok((_, fenced)), _) => {
            let now = if fenced { "it refuses writes now" } else { "it is held, and not fenced" };
            let said = format!("{} was written to after the freeze, or its nodes are not those of then; {now}", sides.source);
            (said, Some(fenced))
        }
        (Err(why), _) => (format!("it could not be looked whether {} was written to: {}", sides.source, why.message), None),
    }
}

/// Holds the source on, where it is held, or anew: proven to be so when this answers.
pub async fn hold_source(writes: &Writes, sides: &Sides, lock: &Lock, kept: Duration) -> Result<(), CallError> {
    within(async { hold_on(writes, sides, lock, kept).await?.prove().await.map_err(held) }).await
}

/// Dropped, it leaves the pauses to end by themselves.
async fn hold_on(writes: &Writes, sides: &Sides, lock: &Lock, kept: Duration) -> Result<Hold, CallError> {
    let name = own_name(writes, sides, lock);
    let side = source(writes, sides, token(writes, sides).await?).await?;
    let side = copy::current(side, &name).await.map_err(|trouble| error(trouble.to_string()))?;
    let length = Lengths::new(Duration::ZERO).over(kept).soak;
    Hold::take(&side, &name, length, Rules::ALL, Failing::Keeps).await.map_err(held)
}

async fn within<T>(look: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    tokio::time::timeout(LOOKING, look).await.unwrap_or_else(|_| Err(error("its nodes did not answer".to_owned())))
}

fn held(hold: HoldError) -> CallError {
    error(hold.to_string())
}

/// Holds the target and looks at the source's ledger, or goes on where another process has ended. Fails where the target is to serve on.
pub async fn hold(writes: &Writes, sides: &Sides, lock: &Lock, target_arn: &str, lengths: Lengths) -> Result<(), CallError> {
    let returning = lock.returning.unwrap_or(Return::Asked);
    if let Some(live) = writes.tasks().get::<Live>(&sides.target) {
        match live.mover.state().phase {
            Phase::TargetHeld | Phase::Returned | Phase::Back => return Ok(()),
            Phase::Committed if returning == Return::Asked => {
                note_held(writes, target_arn).await?;
                order(writes, &live, sides, Order::RollBack { give_up_late_writes: lock.gives_up });
                return Ok(());
            }
            _ => writes.tasks().end::<Live>(&sides.target),
        }
    }
    let sides_now = both(writes, sides, &name_back(sides, lock)).await?;
    let (source, target) = &sides_now;
    let journaled = match returning {
        Return::Returned => Journaled::Returned,
        Return::Stopped => return Err(error(lock.stopped.clone())),
        Return::Asked | Return::Reopened => {
            fits(source, target, sides, lock).await?;
            let now = Ledger::read(&Nodes::connect(source, &name_back(sides, lock)).await.map_err(held)?).await;
            let now = now.map_err(|wire| error(wire.to_string()))?;
            let digests = Digests::of(&now);
            let proven = |then: &Digests| match returning {
                Return::Asked => digests.all == then.all,
                _ => digests.others == then.others,
            };
            let evidence = match lock.gives_up || lock.ledger.as_ref().is_some_and(proven) {
                true => Evidence { source: now, target: Ledger::default() },
                // Nothing is known of the freeze's: any ledger is another one, and what differs is listed.
                false => Evidence::default(),
            };
            note_held(writes, target_arn).await?;
            if returning == Return::Asked { Journaled::RollingBack(evidence) } else { Journaled::Reopened(evidence) }
        }
    };
    let lease = lease(writes, lock);
    let mover = match Mover::resume(setup(sides_now.clone(), name_back(sides, lock), lengths, &lease), journaled).await {
        Ok(mover) => mover,
        Err(why) => {
            if returning != Return::Returned && !is_superseded(&why) {
                // It has everything, and serves on.
                released(release_side(target, &name_back(sides, lock), Rules::ALL).await)?;
                note_stopped(writes, &sides.lock, &why.to_string()).await?;
            }
            return Err(stop(why));
        }
    };
    let state = mover.state();
    keep(writes, sides, name_back(sides, lock), mover, lease);
    match state.phase {
        Phase::TargetHeld | Phase::Returned => Ok(()),
        _ => {
            let said = match state.late.is_empty() {
                true => state.why.clone().unwrap_or_else(|| "the source is not as it was at the freeze".to_owned()),
                false => late(&state, sides),
            };
            note_stopped(writes, &sides.lock, &said).await?;
            Err(error(said))
        }
    }
}

/// Fails where the source cannot read what the target dumps: before anything is held (rule 20).
async fn fits(source: &Side, target: &Side, sides: &Sides, lock: &Lock) -> Result<(), CallError> {
    let name = name_back(sides, lock);
    let (source, target) = futures::future::try_join(Nodes::connect(source, &name), Nodes::connect(target, &name)).await.map_err(held)?;
    for (reader, dumper) in source.primaries.iter().flat_map(|one| target.primaries.iter().map(move |other| (one, other))) {
        let (old, new) = (&reader.link.identity.version, &dumper.link.identity.version);
        if !payload_fits(new, old) {
            return Err(error(format!(
                "there is no way back: version {old} of {} does not read what {new} of {} has",
                sides.source, sides.target
            )));
        }
    }
    Ok(())
}

/// Written before the target is held: whoever comes lets it go, or goes on with the way back.
async fn note_held(writes: &Writes, arn: &str) -> Result<(), CallError> {
    put_tags(writes, arn, [(super::HELD_TAG.to_owned(), "yes".to_owned())].into()).await
}

/// What is in the way of the way back, for a person. The source's hold is not trusted any more: it is looked at next.
pub async fn note_stopped(writes: &Writes, lock: &str, why: &str) -> Result<(), CallError> {
    let tags = [(RETURN_TAG, Return::Stopped.word()), (STOPPED_TAG, &taggable(why)), (super::lock::LOOKED_TAG, "never")];
    tag_lock(writes, lock, &tags).await
}

/// Opens the source and copies back: what comes of it is seen in the mover's state, or noted on the lock.
pub async fn copy_back(writes: &Writes, sides: &Sides) -> Result<(), CallError> {
    let live = writes.tasks().get::<Live>(&sides.target).ok_or_else(|| error("the copy has ended".to_owned()))?;
    tag_lock(writes, &sides.lock, &[(RETURN_TAG, Return::Reopened.word())]).await?;
    order(writes, &live, sides, Order::Reopen);
    Ok(())
}

/// Gives an order of the way back, and does not wait. Where it is not carried out, the target serves on, and a person decides.
fn order(writes: &Writes, live: &Arc<Live>, sides: &Sides, order: Order) {
    let answer = live.mover.post(order);
    *live.stopped.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let (writes, live, sides) = (writes.clone(), Arc::clone(live), sides.clone());
    tokio::spawn(async move {
        let Err(why) = answer.await.unwrap_or(Err(Stop::Ended)) else { return };
        let state = live.mover.state();
        let mut said = match &why {
            Stop::Late(_) => late(&state, &sides),
            why => why.to_string(),
        };
        if !is_superseded(&why) && why != Stop::Ended {
            if state.phase == Phase::TargetHeld
                && let Err(still) = live.mover.order(Order::Undo).await
            {
                said = format!("{said}; and {} may be held still: {still}", sides.target);
            }
            if let Err(untold) = note_stopped(&writes, &sides.lock, &said).await {
                said = format!("{said}; and this could not be noted on the lock: {untold}");
            }
        }
        *live.stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
    });
}

fn is_superseded(why: &Stop) -> bool {
    matches!(why, Stop::Hold(HoldError::Superseded { .. }) | Stop::Copy(Trouble::Superseded { .. }))
}

/// What was written late, with the keys: those first that the target does not have.
fn late(state: &State, sides: &Sides) -> String {
    let of = |how: How| -> Vec<&Difference> { state.different.iter().filter(|one| one.how == how).collect() };
    let mut said = format!("{} was written to after the freeze", sides.source);
    // What another process has counted is known as a digest alone.
    if state.evidence.as_ref().is_some_and(|evidence| *evidence != Evidence::default()) && !state.late.is_empty() {
        said.push_str(&format!(" ({})", state.late.join("; ")));
    }
    for (how, words) in [(How::OnSourceAlone, "there alone"), (How::Unequal, "unequal"), (How::OnTargetAlone, "on the new group alone")] {
        let keys = of(how);
        if keys.is_empty() {
            continue;
        }
        let named: Vec<String> = keys
            .iter()
            .take(NAMED)
            .map(|one| if one.database == 0 { one.key.clone() } else { format!("{} (database {})", one.key, one.database) })
            .collect();
        let more = keys.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        said.push_str(&format!("; {words}: {}{more}", named.join(", ")));
    }
    said
}

/// Fails unless both sides are held, and equal.
pub fn returned(writes: &Writes, target: &str) -> Result<(), CallError> {
    match writes.tasks().get::<Live>(target).map(|live| live.mover.state().phase) {
        Some(Phase::Returned) => Ok(()),
        phase => Err(error(format!("nothing is proven to be copied back ({phase:?})"))),
    }
}
