//! How far a step of the fence is. None that raises it ever fails: the move goes on without it.

use super::{Fencing, MODIFYING, Seen};
use crate::kinds::elasticache::moving::lock::Return;
use crate::kinds::elasticache::moving::op::MoveOp;
use crate::kinds::elasticache::moving::seen::{Moving, Stand};
use crate::kinds::{Fact, Progress};

/// Nothing where it is no step of the fence.
pub fn check(op: &MoveOp, moving: &Moving) -> Option<Progress> {
    match op {
        MoveOp::MakeFence { .. } => Some(raising(moving).unwrap_or_else(|| of_group(&moving.fence, |_| true))),
        MoveOp::FillFence { .. } => Some(raising(moving).unwrap_or_else(|| of_group(&moving.fence, |made| made.filled))),
        MoveOp::RaiseFence { fence } => Some(raising(moving).unwrap_or_else(|| match moving.fencing() {
            Fencing::Raising => Progress::Running(format!("the parameters to reach the nodes of {}", fence.source)),
            _ if moving.fence.status != "available" => Progress::Running(format!("{}, which is {}", fence.source, moving.fence.status)),
            _ => Progress::Pending,
        })),
        MoveOp::LowerFence { .. } => Some(lowered(moving)),
        MoveOp::DropFence { .. } => Some(match &moving.fence.group {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present(made) if made.ours => match &moving.fence.nodes {
                Fact::Unknown(why) => Progress::Unknown(why.clone()),
                // Given to it since this was planned.
                _ if moving.fence.is_attached() => Progress::Stale("the old group uses it still".to_owned()),
                _ => Progress::Pending,
            },
            _ => Progress::Done,
        }),
        _ => None,
    }
}

/// What is to be said of every step that raises it, before it is looked at how far that one is.
fn raising(moving: &Moving) -> Option<Progress> {
    match moving.stand() {
        Stand::Returning => return Some(Progress::Stale("the move is taken back".to_owned())),
        Stand::None => return Some(Progress::Stale("the move is over".to_owned())),
        // What is read can be older than the commit.
        Stand::UnderWay | Stand::Held => return Some(Progress::Running("AWS to show that the new group serves".to_owned())),
        Stand::Soaking(_) | Stand::Over => {}
    }
    match moving.fencing() {
        Fencing::None | Fencing::InForce | Fencing::Impossible(_) => Some(Progress::Done),
        Fencing::Unknown(why) => Some(Progress::Unknown(why)),
        Fencing::Lacking | Fencing::Raising if moving.fence_is_late() => Some(Progress::Done),
        Fencing::Lacking | Fencing::Raising => None,
    }
}

fn of_group(fence: &Seen, done: impl Fn(&super::Made) -> bool) -> Progress {
    match &fence.group {
        Fact::Present(made) if made.ours && done(made) => Progress::Done,
        Fact::Unknown(why) => Progress::Unknown(why.clone()),
        _ => Progress::Pending,
    }
}

fn lowered(moving: &Moving) -> Progress {
    if let Some(lock) = moving.lock.present().filter(|lock| lock.returning == Some(Return::Stopped)) {
        return Progress::Failed(lock.stopped.clone());
    }
    let fence = &moving.fence;
    match &fence.nodes {
        Fact::Unknown(why) => Progress::Unknown(why.clone()),
        Fact::Absent => Progress::Done,
        Fact::Present(_) if fence.is_attached() && fence.status == "available" => Progress::Pending,
        Fact::Present(_) if fence.is_attached() || fence.status == MODIFYING => {
            Progress::Running(format!("the old group, which is {}", fence.status))
        }
        Fact::Present(nodes) if nodes.applying => Progress::Running("the parameters to reach the nodes of the old group".to_owned()),
        Fact::Present(_) => Progress::Done,
    }
}
