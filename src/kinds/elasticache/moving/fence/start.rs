//! Sending what a step of the fence does. What AWS refuses for good while it is raised is noted on the lock, and the move goes on without it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticache::types::ParameterNameValue;

use super::{AGAIN, FENCE_TAG, FILLED_TAG, Fence, LAG, LAG_SECONDS, ON_NODES_TAG, RAISING, REFUSING, REPLICAS, Raised, Seen, WAS_TAG};
use crate::aws::calls::elasticache::{DELETE_CACHE_PARAMETER_GROUP, MODIFY_REPLICATION_GROUP};
use crate::aws::{CallError, Class, Writes};
use crate::clock::later;
use crate::kinds::Fact;
use crate::kinds::elasticache::moving::MOVE_TAG;
use crate::kinds::elasticache::moving::lock::{LOOKED_TAG, Lock, Return};
use crate::kinds::elasticache::moving::op::{MoveOp, Sides};
use crate::kinds::elasticache::moving::returning;
use crate::kinds::elasticache::moving::start::{gone, lock_arn, present, read_lock, tag_lock, taggable};
use crate::kinds::elasticache::observe::{clusters, group, members, parameters, tags_of};
use crate::kinds::elasticache::seen::{Members, Parameter};
use crate::kinds::elasticache::start::{not_sent, put_tags, tag};
use crate::kinds::elasticache::{OBJECT_TAG, OWNER_TAG, OWNER_TAG_VALUE};

/// How many parameters a request may change. [service model, ModifyCacheParameterGroup]
const MOST: usize = 20;

type Parameters = BTreeMap<String, Parameter>;

/// Any other operation sends nothing.
pub async fn start(writes: &Writes, op: &MoveOp) -> Result<(), CallError> {
    match op {
        MoveOp::MakeFence { fence, family, object } => {
            begin(writes, fence).await?;
            let made = make(writes, fence, family, object).await;
            or_without(writes, fence, made).await
        }
        MoveOp::FillFence { fence, cluster_mode } => {
            begin(writes, fence).await?;
            let filled = fill(writes, fence, *cluster_mode).await;
            or_without(writes, fence, filled).await
        }
        MoveOp::RaiseFence { fence } => {
            begin(writes, fence).await?;
            let raised = raise(writes, fence).await;
            or_without(writes, fence, raised).await
        }
        MoveOp::LowerFence { fence, sides, kept_seconds } => lower(writes, fence, sides.as_ref(), Duration::from_secs(*kept_seconds)).await,
        MoveOp::DropFence { name, target } => delete(writes, name, target).await,
        _ => Ok(()),
    }
}

/// Notes since when it is tried; fails where the move is taken back by now: then the source is about to be written to.
async fn begin(writes: &Writes, fence: &Fence) -> Result<(), CallError> {
    let lock = read_lock(&writes.reads(), &fence.lock).await?;
    if lock.returning.is_some_and(|returning| returning != Return::Stopped) {
        return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "TakenBack", "the move is taken back since".to_owned()));
    }
    let now = writes.now();
    match lock.fence {
        Raised::Begun(begun) if now < later(begun, AGAIN) => Ok(()),
        _ => tag_lock(writes, &fence.lock, &[(FENCE_TAG, &format!("begun {now}"))]).await,
    }
}

/// Goes on without a fence where AWS refuses it for good.
async fn or_without(writes: &Writes, fence: &Fence, answer: Result<(), CallError>) -> Result<(), CallError> {
    match answer {
        Err(error) if matches!(error.class, Class::Denied | Class::Invalid | Class::NotFound) => {
            tracing::warn!(%error, "{} cannot be fenced", fence.source);
            tag_lock(writes, &fence.lock, &[(FENCE_TAG, &taggable(&format!("none {error}")))]).await
        }
        answer => answer,
    }
}

fn impossible(why: String) -> CallError {
    not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "NotFenced", why)
}

async fn make(writes: &Writes, fence: &Fence, family: &str, object: &str) -> Result<(), CallError> {
    let answer = writes
        .elasticache()
        .create_cache_parameter_group(|request| {
            let request = request.cache_parameter_group_name(&fence.name).cache_parameter_group_family(family);
            let request = request.description(format!("refuses writes on {}, which {} serves for", fence.source, fence.target));
            let request = request.tags(tag(OWNER_TAG, OWNER_TAG_VALUE)).tags(tag(OBJECT_TAG, object));
            request.tags(tag(MOVE_TAG, &fence.target)).tags(tag(WAS_TAG, &fence.was))
        })
        .await;
    // Of an earlier request; whose it is, is looked at next.
    answer.map(|_| ()).or_else(|error| if error.class == Class::AlreadyExists { Ok(()) } else { Err(error) })
}

/// What the fence has beside what the other group sets: nothing where that family has no such parameter, or not one that is in force at once.
fn refusing(all: &Parameters) -> Option<Vec<(String, String)>> {
    let known = |names: [&str; 2]| names.into_iter().find_map(|name| Some((name.to_owned(), all.get(name)?)));
    let (name, parameter) = known(REFUSING)?;
    let (lag, seconds) = known(LAG)?;
    if !parameter.modifiable || parameter.restart || !parameter.takes(REPLICAS) {
        return None;
    }
    let mut set = vec![(name, REPLICAS.to_owned())];
    if seconds.value == "0" {
        set.push((lag, LAG_SECONDS.to_owned()));
    }
    Some(set)
}

async fn fill(writes: &Writes, fence: &Fence, cluster_mode: bool) -> Result<(), CallError> {
    let all = parameters(&writes.reads().fresh(), &fence.was).await?;
    let Some(more) = refusing(&all) else {
        return Err(impossible(format!("the family of {} has no {} that is in force at once", fence.was, REFUSING[0])));
    };
    let set = all.iter().filter(|(_, parameter)| parameter.set && parameter.modifiable);
    let mut values: BTreeMap<String, String> = set.map(|(name, parameter)| (name.clone(), parameter.value.clone())).collect();
    if cluster_mode {
        // AWS's own groups for cluster mode have it set by AWS, so it does not show among what was set.
        values.insert("cluster-enabled".to_owned(), "yes".to_owned());
    }
    values.extend(more);
    let values: Vec<ParameterNameValue> =
        values.iter().map(|(name, value)| ParameterNameValue::builder().parameter_name(name).parameter_value(value).build()).collect();
    for part in values.chunks(MOST) {
        let answer = writes
            .elasticache()
            .modify_cache_parameter_group(|request| {
                request.cache_parameter_group_name(&fence.name).set_parameter_name_values(Some(part.to_vec()))
            })
            .await;
        answer?;
    }
    let arn = lock_arn(&writes.reads(), &fence.name).await?;
    put_tags(writes, &arn, BTreeMap::from([(FILLED_TAG.to_owned(), "yes".to_owned())])).await
}

async fn raise(writes: &Writes, fence: &Fence) -> Result<(), CallError> {
    // In this moment: what differs and waits for a restart would hold up what refuses writes, and somebody may have changed the other one since.
    let reads = writes.reads().fresh();
    let (was, is) = (parameters(&reads, &fence.was).await?, parameters(&reads, &fence.name).await?);
    let ours = |name: &String| REFUSING.iter().chain(&LAG).any(|one| one == name);
    let differs = |(name, value): &(&String, &Parameter)| !ours(name) && is.get(*name).is_none_or(|one| one.value != value.value);
    let refuses = is.iter().any(|(name, one)| REFUSING.contains(&name.as_str()) && one.value == REPLICAS);
    let lags = is.iter().any(|(name, one)| LAG.contains(&name.as_str()) && one.value != "0");
    if !refuses || !lags {
        return Err(impossible(format!("{} does not refuse writes: delete it", fence.name)));
    }
    let different: Vec<&str> = was.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
    if !different.is_empty() {
        let message = format!("{} is not as {} in {}: delete it", fence.name, fence.was, different.join(", "));
        return Err(impossible(message));
    }
    let (found, clusters) = (present(writes, &fence.source, &MODIFY_REPLICATION_GROUP).await?, clusters(&reads).await?);
    let source = group(&found);
    let nodes = members(&found, &clusters);
    match nodes.present().and_then(Members::parameter_group) {
        Some(name) if name == fence.name => return Ok(()),
        Some(name) if name != fence.was => {
            return Err(impossible(format!("somebody gave {} the parameter group {name} since {}", fence.source, fence.was)));
        }
        _ => {}
    }
    let seen = Seen { name: fence.name.clone(), group: Fact::Absent, nodes, status: source.status, waiting: source.waiting };
    if let Some(why) = seen.obstacle(&fence.source) {
        return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "NotFenced", why));
    }
    // What was seen of the nodes before says nothing any more: they are looked at when they have it.
    tag_lock(writes, &fence.lock, &[(ON_NODES_TAG, "unlooked"), (LOOKED_TAG, "never")]).await?;
    // Much was read since: a way back that began meanwhile is not to find its source fenced.
    begin(writes, fence).await?;
    attach(writes, fence, &fence.name).await
}

async fn attach(writes: &Writes, fence: &Fence, name: &str) -> Result<(), CallError> {
    let answer = writes
        .elasticache()
        .modify_replication_group(|request| {
            request.replication_group_id(&fence.source).apply_immediately(true).cache_parameter_group_name(name)
        })
        .await;
    answer.map(|_| ())
}

/// Gives the source its own parameter group back, held by us: behind the fence nothing was written there, and a hold that broke is taken anew before that.
async fn lower(writes: &Writes, fence: &Fence, sides: Option<&Sides>, kept: Duration) -> Result<(), CallError> {
    let lock = read_lock(&writes.reads(), &fence.lock).await?;
    if let Some(sides) = sides {
        let length = kept.max(RAISING + AGAIN);
        if let Err(why) = returning::hold_source(writes, sides, &lock, length).await {
            let why = format!("{} is left fenced, since its writes could not be held: {}", fence.source, why.message);
            return Err(stopped(writes, fence, &lock, why).await);
        }
    }
    tag_lock(writes, &fence.lock, &[(FENCE_TAG, "lowered")]).await?;
    match attach(writes, fence, &fence.was).await {
        Err(error) if matches!(error.class, Class::Denied | Class::Invalid | Class::NotFound) => {
            let why = format!("{} could not be given {} back: {error}", fence.source, fence.was);
            Err(stopped(writes, fence, &lock, why).await)
        }
        answer => answer,
    }
}

/// What is in the way of the way back, for a person: the target is not held yet, and serves on.
async fn stopped(writes: &Writes, fence: &Fence, lock: &Lock, why: String) -> CallError {
    if matches!(lock.returning, Some(Return::Asked | Return::Reopened))
        && let Err(untold) = returning::note_stopped(writes, &fence.lock, &why).await
    {
        return untold;
    }
    not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "NotLowered", why)
}

/// Deletes it: by its name and its tags.
async fn delete(writes: &Writes, name: &str, target: &str) -> Result<(), CallError> {
    let reads = writes.reads();
    let arn = lock_arn(&reads, name).await?;
    let tags = tags_of(&reads, &arn).await?;
    if tags.get(OWNER_TAG).is_none_or(|owner| owner != OWNER_TAG_VALUE) || tags.get(MOVE_TAG).is_none_or(|of| of != target) {
        let message = format!("the parameter group {name} does not carry the tags of this move: it is not deleted");
        return Err(not_sent(&DELETE_CACHE_PARAMETER_GROUP, Class::Invalid, "NotOurs", message));
    }
    let answer = writes.elasticache().delete_cache_parameter_group(|request| request.cache_parameter_group_name(name)).await;
    gone(answer.map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Parameter {
        Parameter { value: value.to_owned(), modifiable: true, number: true, allowed: "0-".to_owned(), ..Parameter::default() }
    }

    fn all(name: &str, parameter: Parameter, lag: (&str, &str)) -> Parameters {
        BTreeMap::from([(name.to_owned(), parameter), (lag.0.to_owned(), one(lag.1))])
    }

    #[test]
    fn what_refuses_writes_is_had_where_it_is_in_force_at_once() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let newer = all(REFUSING[0], one("0"), (LAG[0], "10"));
        assert_eq!(refusing(&newer), Some(vec![pair("min-replicas-to-write", "100")]));
        // A lag of 0 would turn it off.
        let without_lag = all(REFUSING[0], one("1"), (LAG[0], "0"));
        assert_eq!(refusing(&without_lag), Some(vec![pair("min-replicas-to-write", "100"), pair("min-replicas-max-lag", "10")]));
        let older = all(REFUSING[1], one("0"), (LAG[1], "10"));
        assert_eq!(refusing(&older), Some(vec![pair("min-slaves-to-write", "100")]));
        assert_eq!(refusing(&Parameters::new()), None);
        assert_eq!(refusing(&all(REFUSING[0], Parameter { restart: true, ..one("0") }, (LAG[0], "10"))), None);
        assert_eq!(refusing(&all(REFUSING[0], Parameter { modifiable: false, ..one("0") }, (LAG[0], "10"))), None);
        assert_eq!(refusing(&all(REFUSING[0], Parameter { allowed: "0-5".to_owned(), ..one("0") }, (LAG[0], "10"))), None);
    }
}
