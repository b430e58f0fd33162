//! Replicas, failover and the end of a group.

use super::super::lifecycle::DELETE;
use super::super::place::Place;
use super::super::refusal::{combination, group_state, no_group, value};
use super::super::request::{id, new_id, number, only};
use super::super::snapshots;
use super::super::state::{Change, ReplicationGroup, State, Status};
use super::describe::answer;
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

/// A shard has five replicas at the most. [service model]
const MOST_REPLICAS: u32 = 5;

pub fn increase(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    resize(state, place, form, |present, wanted| wanted > present)
}

pub fn decrease(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    resize(state, place, form, |present, wanted| wanted < present)
}

fn resize(state: &mut State, place: &Place, form: &Form, right_way: fn(u32, u32) -> bool) -> Result<Xml, Refusal> {
    only(form, &["ReplicationGroupId", "NewReplicaCount", "ApplyImmediately"])?;
    let (id, group) = available(state, form)?;
    form.require("ApplyImmediately")?;
    if form.bool("ApplyImmediately")? != Some(true) {
        return Err(combination("The replica count can only be changed immediately."));
    }
    let wanted = number(form, "NewReplicaCount", 0, MOST_REPLICAS)?
        .ok_or_else(|| Refusal::new(400, "MissingParameter", "The request must contain the parameter NewReplicaCount."))?;
    let present = group.nodes.saturating_sub(1);
    if wanted == present {
        return Err(Refusal::new(400, "NoOperationFault", format!("The replication group has {present} replicas already.")));
    }
    if !right_way(present, wanted) {
        return Err(value(format!("NewReplicaCount {wanted} is on the wrong side of the present {present}.")));
    }
    if wanted == 0 && (group.automatic_failover || group.multi_az) && !group.cluster_enabled {
        return Err(combination("Automatic failover and Multi-AZ need at least one replica."));
    }
    if group.members(&id).iter().any(|member| member.primary && member.number > wanted + 1) {
        return Err(combination("The primary cannot be removed: fail over to another node first."));
    }
    group.begin(Change { nodes: Some(wanted + 1), ..Change::default() }, place.now);
    Ok(answer(&id, group, place))
}

pub fn test_failover(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ReplicationGroupId", "NodeGroupId"])?;
    let (id, group) = available(state, form)?;
    let shard = form.require("NodeGroupId")?;
    let members = group.members(&id);
    let Some(primary) = members.iter().find(|member| member.primary && format!("{:04}", member.shard) == shard) else {
        return Err(Refusal::new(404, "NodeGroupNotFoundFault", format!("NodeGroup {shard} not found.")));
    };
    if !group.automatic_failover {
        return Err(combination("Automatic failover must be enabled to test failover."));
    }
    if group.nodes < 2 {
        return Err(combination("The node group has no replica to fail over to."));
    }
    // The next in line takes over.
    let next = primary.number % group.nodes.max(1) + 1;
    let change = Change { primary: Some((primary.shard, next)), ..Change::default() };
    group.begin(change, place.now);
    Ok(answer(&id, group, place))
}

pub fn delete(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ReplicationGroupId", "RetainPrimaryCluster", "FinalSnapshotIdentifier"])?;
    let id = id(form, "ReplicationGroupId")?;
    let group = state.replication_groups.get(&id).cloned().ok_or_else(|| no_group(&id))?;
    if !matches!(group.status, Status::Available | Status::CreateFailed) {
        return Err(group_state(&id, group.status));
    }
    let retain = form.bool("RetainPrimaryCluster")?.unwrap_or(false);
    if retain {
        return Err(Refusal::new(501, "NotImplemented", "The sandbox's ElastiCache cannot keep the primary of a deleted group."));
    }
    if form.has("FinalSnapshotIdentifier") {
        let name = new_id(form, "FinalSnapshotIdentifier", 255)?;
        if group.status == Status::CreateFailed {
            return Err(group_state(&id, group.status));
        }
        let source = group.members(&id).into_iter().find(|member| member.primary).map(|member| member.id);
        let source = source.filter(|_| !group.cluster_enabled);
        let snapshot = snapshots::taken(state, place, &name, Some(id.clone()), source, group.clone())?;
        state.snapshots.insert(name, snapshot);
    }
    let group = state.replication_groups.entry(id.clone()).or_insert(group);
    group.status = Status::Deleting;
    group.ready_at = Some(later(place.now, DELETE));
    group.change = None;
    group.pending = None;
    Ok(answer(&id, group, place))
}

fn available<'a>(state: &'a mut State, form: &Form) -> Result<(String, &'a mut ReplicationGroup), Refusal> {
    let id = id(form, "ReplicationGroupId")?;
    let group = state.replication_groups.get_mut(&id).ok_or_else(|| no_group(&id))?;
    if group.status != Status::Available {
        return Err(group_state(&id, group.status));
    }
    Ok((id, group))
}
