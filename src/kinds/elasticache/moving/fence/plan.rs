//! The steps of the fence, and what a person is told of it. Pure.

use std::time::Duration;

use aws_sdk_elasticache::types::{CacheCluster, ReplicationGroup};

use super::{ALONE, Fence, Fencing, MODIFYING, Raised};
use crate::kinds::elasticache::moving::lock::{Direction, Lock, Return};
use crate::kinds::elasticache::moving::names::Names;
use crate::kinds::elasticache::moving::observe::named;
use crate::kinds::elasticache::moving::op::MoveOp;
use crate::kinds::elasticache::moving::plan::{AT_ONCE, Plan};
use crate::kinds::elasticache::moving::seen::{Moving, Stand};
use crate::kinds::elasticache::observe::members;
use crate::kinds::elasticache::op::Op;
use crate::kinds::elasticache::token::TokenRef;
use crate::kinds::elasticache::version;
use crate::kinds::{Fact, Impact, Reason, Step, Unreadable};

/// A run waits no longer than [`super::RAISING`] for it: this is beyond that, so that it never fails for the time that it takes.
const ATTACHING: Duration = Duration::from_secs(90 * 60);

impl Plan<'_> {
    fn fence(&self, lock: &str) -> Option<Fence> {
        let seen = &self.moving.fence;
        let was = match (&seen.group, self.moving.source.present()) {
            (Fact::Present(made), _) if made.ours && !made.was.is_empty() => made.was.clone(),
            (_, Some(source)) if !seen.is_attached() => source.settings.parameter_group.clone(),
            _ => return None,
        };
        let (source, target) = (self.names.source.clone(), self.names.target.clone());
        Some(Fence { name: seen.name.clone(), lock: lock.to_owned(), source, target, was })
    }

    /// Raises it: after the new group was let go, since nobody is to wait for it. `lock`: the move's, which may be yet to be taken.
    pub fn raise_fence(&mut self, lock: &str, token: Option<TokenRef>) {
        let seen = &self.moving.fence;
        let obstacle = match (self.moving.fencing(), seen.nodes.present()) {
            _ if self.names.standalone => Some(ALONE.to_owned()),
            // Before the move has begun.
            (Fencing::None, Some(_)) => seen.obstacle(&self.names.source),
            (Fencing::Lacking | Fencing::Raising, _) if self.moving.fence_is_late() => return,
            (Fencing::Lacking | Fencing::Raising, _) => None,
            (Fencing::Impossible(why), _) => Some(why),
            (Fencing::None | Fencing::InForce | Fencing::Unknown(_), _) => return,
        };
        let (from, made) = (self.names.source.clone(), self.moving.fence.group.present().cloned());
        if let Some(why) = obstacle {
            let late = if self.holds() { "detected, not prevented" } else { "lost" };
            self.note(format!("{from} is not fenced after the commit: {why}; a late write there is {late}"));
            return;
        }
        let (Some(fence), Some(source)) = (self.fence(lock), self.moving.source.present()) else { return };
        let settings = &source.settings;
        let (family, cluster_mode) = (version::family(&settings.engine, &settings.engine_version), settings.cluster_mode);
        let (holds, approved) = (self.holds(), self.migration.approved == Some(true));
        let (object, name, was) = (self.planning.scope.object.clone(), fence.name.clone(), fence.was.clone());
        if made.is_none() {
            let op = MoveOp::MakeFence { fence: fence.clone(), family, object };
            self.push(format!("Make the parameter group {name}, which refuses writes"), op, |step| {
                step.within(ATTACHING).back("nothing uses it yet: delete it")
            });
        }
        if made.is_none_or(|made| !made.filled) {
            let op = MoveOp::FillFence { fence: fence.clone(), cluster_mode };
            self.push(format!("Set in it what {was} sets, and more replicas to write than there can be"), op, |step| {
                step.within(ATTACHING).back("nothing uses it yet: delete it")
            });
        }
        self.push(format!("Fence {from} with it"), MoveOp::RaiseFence { fence }, |step| {
            let step = step
                .within(ATTACHING)
                .back(lifting(&from, &was))
                .also_takes("minutes, while the new group serves: the old one refuses every write then, whatever becomes of its nodes");
            match holds {
                true => step,
                // Nobody was kept from writing there so far.
                false => step
                    .impact(
                        Impact::Disruptive,
                        "clients that still write to the old group are refused from then on; minutes, while the new group serves",
                    )
                    .consented(approved),
            }
        });
        let committed = self.moving.lock.present().filter(|_| self.moving.stand() != Stand::UnderWay);
        if committed.map_or(self.holds(), |lock| lock.ledger.is_some()) {
            self.push_look(lock, token);
        }
    }

    /// Whether the source has it, or is given it by this plan.
    pub(in super::super) fn is_or_gets_fenced(&self) -> bool {
        let raises = |step: &Step<Op>| matches!(&step.op, Op::Move(op) if matches!(**op, MoveOp::RaiseFence { .. }));
        self.moving.fence.is_attached() || self.steps.steps.iter().any(raises)
    }

    /// Blocks a way back whose fence could not be lowered: the source would be what counts, and refuse every write. Whether it is so.
    pub(in super::super) fn says_stuck_fence(&mut self) -> bool {
        let seen = &self.moving.fence;
        let fences = self.names.fences();
        let is_fence = |name: &&String| name.starts_with(&fences);
        let Some(name) = seen.nodes.present().and_then(|nodes| nodes.parameter_groups.iter().find(is_fence)).cloned() else { return false };
        if name == seen.name && self.fence("").is_some() && seen.group.present().is_some_and(|made| made.ours) {
            return false;
        }
        let from = self.names.source.clone();
        let message = format!(
            "{from} has the parameter group {name}, which refuses every write, and its tags do not say whose it is or what {from} had before"
        );
        let what_to_do = format!(
            "give {from} the parameter group that it had (its CloudTrail events, or its snapshots before the move, name it): {}; then run again",
            lifting(&from, "NAME")
        );
        self.block(Reason::Conflict, message, what_to_do);
        true
    }

    /// Lowers it for the way back, while the source's hold is proven and the target serves.
    pub(in super::super) fn lower_fence(&mut self, lock: &Lock) {
        let seen = &self.moving.fence;
        // One that is being lowered already.
        let on_its_way = seen.group.present().is_some_and(|made| made.ours)
            && (seen.status == MODIFYING || seen.nodes.present().is_some_and(|nodes| nodes.applying));
        let Some(fence) = self.fence(&lock.name).filter(|_| seen.is_attached() || on_its_way) else { return };
        let from = self.names.source.clone();
        // What counts already is not held any more.
        let holds = lock.ledger.is_some() && lock.returning != Some(Return::Returned);
        let sides = holds.then(|| self.sides(lock.name.clone(), lock.epoch, self.token()));
        let title = match holds {
            true => format!("Hold the writes of {from} on, and give it {} back", fence.was),
            false => format!("Give {from} {} back, so that it takes writes", fence.was),
        };
        let back = format!("by itself where it fails: {} serves on", self.names.target);
        let op = MoveOp::LowerFence { fence, sides, kept_seconds: self.kept().as_secs() };
        self.push(title, op, |step| step.within(ATTACHING).back(back).also_takes("minutes, while the new group serves"));
    }

    /// Away with what nobody uses any more.
    pub(in super::super) fn drop_fence(&mut self) {
        if self.moving.fence.group.present().is_some_and(|made| made.ours) {
            let (name, target) = (self.moving.fence.name.clone(), self.names.target.clone());
            self.push(format!("Delete the parameter group {name}"), MoveOp::DropFence { name, target }, |step| {
                step.within(AT_ONCE).back("nothing to take back: nobody uses it")
            });
        }
    }
}

/// What could not be read of it, where a way back or the end of the move depends on it.
pub fn unread(moving: &Moving) -> Vec<&Unreadable> {
    let goes_back = moving.lock.present().is_some_and(|lock| lock.direction == Direction::Back);
    let depends = goes_back || matches!(moving.stand(), Stand::Returning | Stand::Over);
    let all = [moving.fence.group.unknown(), moving.fence.nodes.unknown()];
    if depends { all.into_iter().flatten().collect() } else { Vec::new() }
}

/// How a person lets a fenced group take writes again.
fn lifting(source: &str, was: &str) -> String {
    format!(
        "`aws elasticache modify-replication-group --replication-group-id {source} --cache-parameter-group-name {was} --apply-immediately`"
    )
}

/// Whether the source refuses writes, in words for a person.
pub fn words(moving: &Moving) -> Option<String> {
    let (names, lock) = (moving.names.as_ref()?, moving.lock.present()?);
    let (source, name) = (&names.source, &moving.fence.name);
    let not = if lock.ledger.is_some() { format!("{source} is held, and not fenced") } else { format!("{source} is not fenced") };
    Some(match moving.fencing() {
        Fencing::None => return None,
        Fencing::InForce if lock.fence_on_nodes == Some(false) => {
            format!("AWS says that {source} has the parameter group {name}, which refuses writes, and its nodes do not show it")
        }
        Fencing::InForce => format!("{source} is fenced: its parameter group {name} refuses every write"),
        Fencing::Raising => format!("{source} is being fenced: its parameter group {name} is on its way to the nodes"),
        Fencing::Lacking if matches!(lock.fence, Raised::Begun(_)) => format!("{not}: that was begun, and AWS does not show it yet"),
        Fencing::Lacking => format!("{not} yet"),
        Fencing::Impossible(why) => format!("{not}: {why}"),
        Fencing::Unknown(why) => format!("whether {source} is fenced could not be read: {}: {}", why.call, why.message),
    })
}

/// What is left of the fence where the move is over and the old group was kept: with the one command that lifts it.
pub fn left(chain: &[String], scope: &crate::kinds::Scope, groups: &[ReplicationGroup], clusters: &[CacheCluster]) -> Option<String> {
    let source = chain.get(chain.len().checked_sub(2)?)?;
    let names = Names::of(scope, source);
    let nodes = members(named(groups, source)?, clusters);
    let name = nodes.present()?.parameter_group().filter(|name| name.starts_with(&names.fences()))?.to_owned();
    Some(format!(
        "{source} is left, and refuses every write by its parameter group {name}; to let it take writes: {}, with the parameter group that the tag {} of {name} names",
        lifting(source, "NAME"),
        super::WAS_TAG
    ))
}
