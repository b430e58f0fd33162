//! How far a step is, from facts alone.

use serde_json::{Value, json};

use super::fields::FIELDS;
use super::moving::MoveOp;
use super::op::Op;
use super::seen::{ParameterGroup, Seen};
use super::token::{Stage, TokenRef};
use super::version;
use crate::kinds::{Fact, Progress};

pub fn check(op: &Op, seen: &Seen) -> Progress {
    if let Some((group, status)) = &seen.untold {
        return Progress::Running(format!("{group}, which is {status}: its tags tell whether it serves"));
    }
    match op {
        Op::CreateParameterGroup { name, family, .. } => match seen.parameter_groups.get(name) {
            Some(Fact::Present(group)) if !group.ours => Progress::Failed(format!("{name} is there, and holdfast did not make it")),
            Some(Fact::Present(group)) if group.family != *family => Progress::Failed(format!("{name} is of another family")),
            Some(Fact::Present(_)) => Progress::Done,
            other => pending(other),
        },
        Op::SetParameters { name, parameters } => changed(name, seen, |group| {
            parameters.iter().all(|(name, value)| group.parameters.get(name).is_some_and(|found| found.value == *value))
        }),
        Op::ResetParameters { name, parameters } => {
            changed(name, seen, |group| parameters.iter().all(|name| group.parameters.get(name).is_none_or(|found| !found.set)))
        }
        Op::DeleteParameterGroup { name } => match seen.parameter_groups.get(name) {
            // In use, or not ours: then it is nothing to be taken back.
            Some(Fact::Present(group)) if group.ours && group.users.is_empty() => Progress::Pending,
            Some(Fact::Present(_) | Fact::Absent) => Progress::Done,
            other => pending(other),
        },
        Op::Move(op) if matches!(**op, MoveOp::MakeToken { .. }) => match &seen.token {
            Fact::Present(_) => Progress::Done,
            other => pending(Some(other)),
        },
        // What was not looked at says nothing: a place that is missing in it is not gone.
        Op::Move(op) if seen.moving.names.is_none() => match (&seen.group, &seen.moving.lock) {
            (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Progress::Unknown(why.clone()),
            _ => super::moving::check(op, &seen.moving),
        },
        Op::Move(op) => super::moving::check(op, &seen.moving),
        _ => match busy(seen) {
            Some(progress) => progress,
            None => of_group(op, seen),
        },
    }
}

/// How far a change of a parameter group's values is.
fn changed(name: &str, seen: &Seen, right: impl FnOnce(&ParameterGroup) -> bool) -> Progress {
    let group = match seen.parameter_groups.get(name) {
        Some(Fact::Present(group)) => group,
        other => return pending(other),
    };
    let used = seen.members.present().filter(|members| members.parameter_group() == Some(name));
    match (right(group), used) {
        (false, _) => Progress::Pending,
        (true, Some(members)) if members.applying => Progress::Running("the parameters to reach the nodes".to_owned()),
        (true, _) => Progress::Done,
    }
}

/// What stands in the way of every change of the group itself: one is under way, or the group is no more.
fn busy(seen: &Seen) -> Option<Progress> {
    match &seen.group {
        Fact::Unknown(why) => Some(Progress::Unknown(why.clone())),
        Fact::Absent => Some(Progress::Failed("the group is not there any more".to_owned())),
        Fact::Present(group) => match group.status.as_str() {
            "available" => None,
            "deleting" | "create-failed" => Some(Progress::Failed(format!("the group is {}", group.status))),
            status => Some(Progress::Running(format!("the group, which is {status}"))),
        },
    }
}

fn of_group(op: &Op, seen: &Seen) -> Progress {
    match op {
        Op::Wait { .. } => Progress::Done,
        Op::Settings { settings, .. } => {
            let mut all = Progress::Done;
            for (path, declared) in settings {
                let Some(field) = FIELDS.iter().find(|field| field.path == path) else {
                    return Progress::Failed(format!("{path} is no setting that this version knows"));
                };
                if let Some(log) = path.strip_prefix("logDelivery.") {
                    match log_progress(log, declared, seen) {
                        Some(failed @ Progress::Failed(_)) => return failed,
                        Some(running) => all = running,
                        None => {}
                    }
                }
                match (field.fact)(seen) {
                    Fact::Unknown(why) => return Progress::Unknown(why),
                    Fact::Present(found) if field.rule.satisfied(&found, declared) => {}
                    _ => return Progress::Pending,
                }
            }
            all
        }
        Op::Transit { mode, .. } => match seen.transit() {
            Fact::Unknown(why) => Progress::Unknown(why),
            Fact::Present(found) if super::seen::transit_satisfies(&found, &mode.word().into()) => Progress::Done,
            _ => Progress::Pending,
        },
        Op::RotateToken { token, .. } => stage(token, seen, |stage| stage != Stage::Before),
        Op::SetToken { token, .. } => stage(token, seen, |stage| matches!(stage, Stage::Set | Stage::InForce)),
        Op::RecordToken { token, .. } => stage(token, seen, |stage| stage == Stage::InForce),
        Op::Upgrade { version, parameter_group, .. } => match &seen.members {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Absent => Progress::Pending,
            Fact::Present(members) => {
                let attached = parameter_group.as_ref().is_none_or(|name| members.parameter_group() == Some(name));
                match version::satisfies(&members.version, version) && attached {
                    true => Progress::Done,
                    false => Progress::Pending,
                }
            }
        },
        Op::AttachParameterGroup { name, was, .. } => match &seen.members {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present(members) if members.parameter_group() == Some(name) => match members.applying {
                true => Progress::Running("the parameters to reach the nodes".to_owned()),
                false => Progress::Done,
            },
            Fact::Present(members) if members.parameter_group() != was.as_deref() => {
                Progress::Stale("somebody else gave the group another parameter group since it was planned".to_owned())
            }
            _ => Progress::Pending,
        },
        Op::Tag { tags, .. } => match &seen.tags {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present(found) if tags.iter().all(|(key, value)| found.get(key) == Some(value)) => Progress::Done,
            _ => Progress::Pending,
        },
        Op::Untag { keys, .. } => match &seen.tags {
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
            Fact::Present(found) if keys.iter().any(|key| found.contains_key(key)) => Progress::Pending,
            _ => Progress::Done,
        },
        // Judged above, whatever the group's state.
        Op::CreateParameterGroup { .. }
        | Op::SetParameters { .. }
        | Op::ResetParameters { .. }
        | Op::DeleteParameterGroup { .. }
        | Op::Move(_) => Progress::Pending,
    }
}

/// A log delivery as declared that is on its way, or that AWS gave up.
fn log_progress(log: &str, declared: &Value, seen: &Seen) -> Option<Progress> {
    let log_type = if log == "slowLog" { "slow-log" } else { "engine-log" };
    let found = seen.group.present()?.logs.get(log_type)?;
    if found.delivery.as_ref().is_none_or(|delivery| json!(delivery) != *declared) {
        return None;
    }
    match found.status.as_str() {
        "error" => Some(Progress::Failed(format!("AWS cannot deliver the {log_type}: {}", found.message))),
        "enabling" | "modifying" => Some(Progress::Running(format!("the delivery of the {log_type}"))),
        _ => None,
    }
}

fn stage(token: &TokenRef, seen: &Seen, done: impl Fn(Stage) -> bool) -> Progress {
    match seen.stage(token) {
        Fact::Unknown(why) => Progress::Unknown(why),
        Fact::Present(stage) if done(stage) => Progress::Done,
        _ => Progress::Pending,
    }
}

fn pending<T>(fact: Option<&Fact<T>>) -> Progress {
    match fact {
        Some(Fact::Unknown(why)) => Progress::Unknown(why.clone()),
        Some(_) => Progress::Pending,
        None => Progress::Unknown(super::seen::failed("elasticache:DescribeCacheParameterGroups", "the parameter group was not looked at")),
    }
}
