//! How far a step of a move is, from facts alone.

use super::lock::{Direction, Lock, Return};
use super::op::MoveOp;
use super::reference::{Here, Place, Turned, reads_another};
use super::seen::{Moving, Snapshot, Stand, Target};
use super::{ATTEMPTS, BEAT, SETTLING};
use super::{fence, live};
use crate::clock::later;
use crate::kinds::{Fact, Progress};
use crate::migration::mover::Phase;

/// What this process has to do at each pass beside its steps: to say that it is alive, to note that a command of it has ended, or to leave what another one has
/// taken over.
pub fn tend(moving: &Moving) -> Option<MoveOp> {
    let (lock, names, at) = (moving.lock.present()?, moving.names.as_ref()?, moving.at?);
    let here = || moving.references.iter().filter_map(|place| place.present()?.here.as_ref());
    let acts = moving.live.is_some() || here().next().is_some();
    let tended = match moving.stand() {
        Stand::UnderWay | Stand::Held | Stand::Returning => true,
        // What watches on may act only as long as it is known to live.
        Stand::Soaking(_) => acts,
        Stand::None | Stand::Over => false,
    };
    if !tended {
        return None;
    }
    if lock.is_held_by_another(&moving.me) {
        return acts.then(|| MoveOp::Leave { target: names.target.clone(), lock: lock.name.clone() });
    }
    let silent = lock.beat.is_none_or(|beat| at >= later(beat, BEAT));
    match (lock.is_held_by(&moving.me), silent) {
        (true, true) => Some(MoveOp::Beat { lock: lock.name.clone(), target: names.target.clone() }),
        (true, false) => here().find_map(|here| match here {
            Here::Ended { tag, value } => Some(MoveOp::NoteEnded { lock: lock.name.clone(), tag: tag.clone(), value: value.clone() }),
            Here::Runs => None,
        }),
        (false, _) => None,
    }
}

pub fn check(op: &MoveOp, moving: &Moving) -> Progress {
    if op.needs_lock().is_some()
        && let Some(lock) = moving.lock.present().filter(|lock| lock.is_held_by_another(&moving.me))
    {
        let why = format!("{} has taken the move over", lock.holder);
        // Planned anew, it is seen whether that one lives. What goes wrong here is nothing to take back there.
        return if matches!(op, MoveOp::GoBack { .. }) { Progress::Failed(why) } else { Progress::Stale(why) };
    }
    if let Some(progress) = fence::check(op, moving) {
        return progress;
    }
    match op {
        MoveOp::Wait { source } => match &moving.busy {
            Some(status) => Progress::Running(format!("{source}, which is {status}")),
            None => Progress::Done,
        },
        // Of the token the group's own facts tell.
        MoveOp::MakeToken { .. } => Progress::Pending,
        MoveOp::TakeLock { name, object, .. } => match &moving.lock {
            Fact::Present(lock) if !lock.ours || lock.object != *object => {
                Progress::Failed(format!("the lock {} was taken by somebody else: another process moves this group", lock.name))
            }
            Fact::Present(lock) if lock.is_held_by_another(&moving.me) => Progress::Failed(format!("{} moves this group", lock.holder)),
            Fact::Present(lock) if lock.name == *name => Progress::Done,
            Fact::Present(lock) => Progress::Stale(format!("another move began, with the lock {}", lock.name)),
            other => pending(other),
        },
        MoveOp::Adopt { from, .. } => match moving.lock.present() {
            Some(lock) if lock.is_held_by(&moving.me) => match (lock.taken, moving.at) {
                (Some(taken), Some(at)) if at < later(taken, SETTLING) => {
                    Progress::Running("that nobody else takes it over at the same time".to_owned())
                }
                _ => Progress::Done,
            },
            Some(lock) if lock.holder != *from || lock.is_held_by_another(&moving.me) && !lock.is_dead(moving.at) => {
                Progress::Stale(format!("{} moves it", lock.holder))
            }
            _ => of_lock(moving, |_| false),
        },
        MoveOp::Count { .. } => of_lock(moving, Lock::is_settled),
        MoveOp::NotePlaces { .. } => of_lock(moving, |lock| lock.places.is_some()),
        MoveOp::Beat { .. } | MoveOp::NoteEnded { .. } | MoveOp::Leave { .. } => Progress::Done,
        // Where the target is there, it was restored from it.
        MoveOp::Snapshot { .. } if there(moving).is_some() => Progress::Done,
        // An attempt that AWS does not show yet: the note that it began is a moment old.
        MoveOp::Snapshot { name, .. } if moving.lock.present().is_some() && !moving.snapshots.contains_key(name) => {
            Progress::Running("AWS to show which attempt it is".to_owned())
        }
        MoveOp::Snapshot { .. } if moving.is_stuck() => match lock(moving) {
            Some(lock) if lock.attempt < ATTEMPTS => Progress::Stale("the snapshot is stuck, and another one is tried".to_owned()),
            _ => Progress::Running("the snapshot, which is creating".to_owned()),
        },
        MoveOp::Snapshot { name, .. } => taken(moving.snapshot(name)),
        MoveOp::LastSnapshot { .. } => match &moving.source {
            Fact::Absent => Progress::Done,
            _ => taken(moving.last_snapshot.as_ref()),
        },
        MoveOp::Restore { target, .. } => match &moving.target {
            Fact::Present(found) => match found.group.status.as_str() {
                "creating" => Progress::Running(format!("{target} to come up")),
                "create-failed" if lock(moving).is_some_and(|lock| lock.attempt < ATTEMPTS) => {
                    Progress::Stale("the restore failed, and is tried again with another snapshot".to_owned())
                }
                "create-failed" => Progress::Stale(format!("the restore failed {ATTEMPTS} times, and the move is taken back")),
                "available" => match &found.ours {
                    Fact::Unknown(why) => Progress::Unknown(why.clone()),
                    Fact::Present(true) => Progress::Done,
                    _ => Progress::Failed(format!("{target} is there, and it is not of this move")),
                },
                "deleting" => Progress::Running(format!("an earlier {target} to be gone")),
                status => Progress::Running(format!("{target}, which is {status}")),
            },
            other => pending(other),
        },
        MoveOp::Compare { target, .. } => match (&moving.source, &moving.target) {
            (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Progress::Unknown(why.clone()),
            (Fact::Present(source), Fact::Present(found)) => match &found.settings {
                None => Progress::Running(format!("{target} to show its settings")),
                Some(settings) => {
                    let differences = source.settings.differences(settings);
                    match differences.is_empty() {
                        true => Progress::Done,
                        false => Progress::Failed(format!("{target} is not as the old group: {}", differences.join("; "))),
                    }
                }
            },
            _ => Progress::Failed("one of the two groups is not there any more".to_owned()),
        },
        MoveOp::Follow { .. } => live::progress(moving.live.as_ref(), Phase::Following),
        MoveOp::Freeze { .. } => live::progress(moving.live.as_ref(), Phase::Frozen),
        MoveOp::Fence { .. } => live::progress(moving.live.as_ref(), Phase::Fenced),
        MoveOp::Prove { .. } => live::progress(moving.live.as_ref(), Phase::Proven),
        MoveOp::LetGo { .. } => match &moving.target {
            Fact::Present(target) if let Some(why) = target.serves.unknown() => Progress::Unknown(why.clone()),
            // Both tags are set in one request: without the one, the other says nothing.
            Fact::Present(target) if !target.held && target.serves.present().is_some() => Progress::Done,
            Fact::Absent => Progress::Failed("the group that serves is not there any more".to_owned()),
            other => pending(other),
        },
        MoveOp::Reopen { .. } => of_lock(moving, |lock| lock.released),
        // While both are held: what breaks the hold, or spends its budget, counts whatever the place says, and where it says nothing.
        MoveOp::Turn { held: true, .. } if let failed @ Progress::Failed(_) = live::progress(moving.live.as_ref(), Phase::Frozen) => failed,
        MoveOp::Turn { place, .. } => of_place(moving, *place, |found| match &found.turned {
            Turned::Target => Progress::Done,
            Turned::Turning(words) => Progress::Running(words.clone()),
            Turned::Failed(why) => Progress::Failed(why.clone()),
            _ => Progress::Pending,
        }),
        // What reads an address has read it before it was turned back, whether it was asked to or not.
        MoveOp::TurnBack { place, cutover, .. } => of_place(moving, *place, |found| match &found.turned {
            Turned::Back => Progress::Done,
            Turned::Source if !reads_another(cutover) => Progress::Done,
            Turned::TurningBack(words) => Progress::Running(words.clone()),
            Turned::BackFailed(why) => Progress::Failed(why.clone()),
            _ => Progress::Pending,
        }),
        MoveOp::Forget { place, .. } => match moving.references.get(*place) {
            Some(Fact::Present(found)) if found.marked => Progress::Pending,
            Some(Fact::Unknown(why)) => Progress::Unknown(why.clone()),
            Some(_) => Progress::Done,
            None => Progress::Failed("it is not declared any more".to_owned()),
        },
        MoveOp::Serve { name, target, .. } => match moving.target.as_ref().and_then(|target| target.serves.as_ref()) {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present((served, _)) if served == name => Progress::Done,
            Fact::Present((served, _)) => Progress::Failed(format!("{target} serves as {served}")),
            Fact::Absent if moving.target.is_absent() => Progress::Failed(format!("{target} is not there any more")),
            Fact::Absent => Progress::Pending,
        },
        MoveOp::Claim { target, .. } => match moving.target.as_ref().and_then(|target| target.ours.as_ref()) {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present(true) => Progress::Pending,
            Fact::Present(false) => Progress::Done,
            Fact::Absent => Progress::Failed(format!("{target} is not there any more")),
        },
        MoveOp::DeleteSource { .. } => match &moving.source {
            Fact::Absent => Progress::Done,
            Fact::Present(source) if source.group.status == "deleting" => Progress::Running(format!("{} to be gone", source.group.arn)),
            other => pending(other),
        },
        MoveOp::NoteReplaced { .. } => match &moving.source {
            Fact::Absent => Progress::Done,
            Fact::Present(source) if source.replaced => Progress::Done,
            other => pending(other),
        },
        MoveOp::DropTarget { target, .. } => match &moving.target {
            Fact::Absent => Progress::Done,
            Fact::Present(found) if found.serves.present().is_some() => Progress::Failed(format!("{target} serves: it is not deleted")),
            Fact::Present(found) => match found.group.status.as_str() {
                "deleting" => Progress::Running(format!("{target} to be gone")),
                "available" | "create-failed" => Progress::Pending,
                status => Progress::Running(format!("{target}, which is {status} and can be deleted after that")),
            },
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
        },
        MoveOp::DropSnapshot { name, .. } => match moving.snapshot(name) {
            Fact::Absent => Progress::Done,
            Fact::Present(snapshot) => match (snapshot.status.as_str(), &snapshot.ours) {
                ("available", Fact::Present(true)) => Progress::Pending,
                ("available", Fact::Unknown(why)) => Progress::Unknown(why.clone()),
                ("available", _) => Progress::Failed(format!("the snapshot {name} is not of this move: it is not deleted")),
                (status, _) => Progress::Running(format!("the snapshot {name}, which is {status}")),
            },
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
        },
        MoveOp::KeepTarget { .. } => match &moving.target {
            Fact::Absent => Progress::Done,
            _ => taken(moving.back_snapshot.as_ref()),
        },
        MoveOp::LookAtSource { .. } => match moving.wants_look() {
            true => Progress::Pending,
            false => Progress::Done,
        },
        MoveOp::AskBack { .. } => of_lock(moving, |lock| lock.returning.is_some_and(|returning| returning != Return::Stopped)),
        MoveOp::HoldBack { .. } => of_return(moving, |_| live::progress_back(moving.live.as_ref(), Phase::TargetHeld)),
        MoveOp::CopyBack { .. } => of_return(moving, |lock| match lock.returning {
            Some(Return::Returned) => Progress::Done,
            _ => live::progress_back(moving.live.as_ref(), Phase::Returned),
        }),
        MoveOp::NoteReturned { .. } => of_return(moving, |lock| match lock.returning {
            Some(Return::Returned) => Progress::Done,
            _ => Progress::Pending,
        }),
        MoveOp::Reclaim { target, .. } => match moving.target.as_ref().and_then(|target| target.ours.as_ref()) {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present(true) => Progress::Done,
            Fact::Present(false) => Progress::Pending,
            Fact::Absent => Progress::Failed(format!("{target} is not there any more")),
        },
        MoveOp::Unserve { .. } => match moving.target.as_ref().and_then(|target| target.serves.as_ref()) {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present(_) => Progress::Pending,
            Fact::Absent => Progress::Done,
        },
        MoveOp::NextAttempt { attempt, .. } => of_lock(moving, |lock| lock.attempt >= *attempt),
        MoveOp::GoBack { .. } => of_lock(moving, |lock| lock.direction == Direction::Back),
        MoveOp::Finalize { .. } => of_lock(moving, |lock| lock.finalized),
        MoveOp::Resume { .. } => match &moving.source {
            Fact::Present(source) if source.given_up.is_some() => Progress::Pending,
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            _ => Progress::Done,
        },
        MoveOp::GiveUp { .. } => match &moving.source {
            Fact::Present(source) if source.given_up.is_some() => Progress::Done,
            Fact::Absent => Progress::Done,
            other => pending(other),
        },
        MoveOp::Unlock { .. } => match &moving.lock {
            Fact::Absent => Progress::Done,
            other => pending(other),
        },
        // Judged above.
        MoveOp::MakeFence { .. }
        | MoveOp::FillFence { .. }
        | MoveOp::RaiseFence { .. }
        | MoveOp::LowerFence { .. }
        | MoveOp::DropFence { .. } => Progress::Pending,
    }
}

fn lock(moving: &Moving) -> Option<&Lock> {
    moving.lock.present()
}

fn there(moving: &Moving) -> Option<&Target> {
    moving.target.present().filter(|target| !matches!(target.group.status.as_str(), "creating" | "create-failed" | "deleting"))
}

fn taken(snapshot: Fact<&Snapshot>) -> Progress {
    match snapshot {
        Fact::Present(snapshot) => match (snapshot.status.as_str(), &snapshot.ours) {
            ("available" | "restoring", Fact::Present(true)) => Progress::Done,
            ("available" | "restoring", Fact::Unknown(why)) => Progress::Unknown(why.clone()),
            ("available" | "restoring", _) => Progress::Failed("a snapshot of that name is there, and it is not of this move".to_owned()),
            (status, _) => Progress::Running(format!("the snapshot, which is {status}")),
        },
        other => pending(&other),
    }
}

fn of_place(moving: &Moving, place: usize, progress: impl Fn(&Place) -> Progress) -> Progress {
    match moving.references.get(place) {
        Some(Fact::Present(found)) => progress(found),
        Some(Fact::Unknown(why)) => Progress::Unknown(why.clone()),
        Some(Fact::Absent) => Progress::Failed("what names the address is not there any more".to_owned()),
        None => Progress::Failed("it is not declared any more".to_owned()),
    }
}

fn of_lock(moving: &Moving, done: impl Fn(&Lock) -> bool) -> Progress {
    match &moving.lock {
        Fact::Present(lock) if done(lock) => Progress::Done,
        Fact::Absent => Progress::Failed("the lock of the move is gone: somebody deleted it, and nothing is known of the move".to_owned()),
        other => pending(other),
    }
}

/// Of the way back after the commit: one that was stopped is for a person.
fn of_return(moving: &Moving, progress: impl Fn(&Lock) -> Progress) -> Progress {
    match &moving.lock {
        Fact::Present(lock) if lock.returning == Some(Return::Stopped) => {
            let said = moving.live.as_ref().and_then(|live| live.stopped.clone());
            Progress::Failed(said.unwrap_or_else(|| lock.stopped.clone()))
        }
        Fact::Present(lock) => progress(lock),
        _ => of_lock(moving, |_| false),
    }
}

fn pending<T>(fact: &Fact<T>) -> Progress {
    match fact {
        Fact::Unknown(why) => Progress::Unknown(why.clone()),
        _ => Progress::Pending,
    }
}
