//! Standalone clusters: made, changed, deleted; and the reboot of any cluster.

use super::super::engine;
use super::super::lifecycle::{CREATE, DELETE, MODIFY, REBOOT, SETTINGS, SNAPSHOT};
use super::super::place::Place;
use super::super::refusal::{cluster_state, combination, no_cluster, value};
use super::super::request::{apart, id, maintenance_window, new_id, node_type, number, only, security_groups, snapshot_window, tags, word};
use super::super::snapshots;
use super::super::state::{CacheCluster, State, Status};
use super::describe::{answer, member_answer};
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

pub fn create(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, CREATE_MEMBERS)?;
    let id = new_id(form, "CacheClusterId", 50)?;
    if state.cache_clusters.contains_key(&id) || state.group_of(&id).is_some() {
        return Err(Refusal::new(400, "CacheClusterAlreadyExists", format!("Cache cluster {id} already exists.")));
    }
    let engine = form.get("Engine").ok_or_else(|| value("The parameter Engine must be provided and must not be blank."))?.to_lowercase();
    let mut cluster = CacheCluster {
        status: Status::Creating,
        ready_at: Some(later(place.now, CREATE)),
        created_at: place.now,
        engine_version: engine::resolve(&engine, form.get("EngineVersion"))?,
        node_type: node_type(form)?.ok_or_else(|| value("CacheNodeType is required."))?,
        tags: tags(form)?,
        engine,
        ..CacheCluster::default()
    };
    let most = if cluster.engine == "memcached" { 40 } else { 1 };
    cluster.nodes = number(form, "NumCacheNodes", 1, most)?.unwrap_or(1);
    cluster.transit_encryption = form.bool("TransitEncryptionEnabled")?.unwrap_or(false);
    if cluster.transit_encryption && cluster.engine != "memcached" {
        return Err(combination(format!("Encryption features are not supported for standalone clusters of engine {}.", cluster.engine)));
    }
    if let Some(name) = form.get("CacheSubnetGroupName") {
        cluster.subnet_group = state.subnet_group(&name.to_lowercase(), place)?.0;
    }
    cluster.port = match number(form, "Port", 1, 65_535)?.map(u16::try_from) {
        Some(Ok(port)) => Some(port),
        _ => None,
    };
    settings(state, &mut cluster, form)?;
    let answer = answer(&id, &cluster, place);
    state.cache_clusters.insert(id, cluster);
    Ok(answer)
}

const CREATE_MEMBERS: &[&str] = &[
    "CacheClusterId",
    "NumCacheNodes",
    "CacheNodeType",
    "Engine",
    "EngineVersion",
    "CacheParameterGroupName",
    "CacheSubnetGroupName",
    "SecurityGroupIds",
    "Tags",
    "PreferredMaintenanceWindow",
    "PreferredAvailabilityZone",
    "Port",
    "NotificationTopicArn",
    "AutoMinorVersionUpgrade",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionEnabled",
];

pub fn modify(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, MODIFY_MEMBERS)?;
    let id = id(form, "CacheClusterId")?;
    let mut cluster = alone(state, &id)?.clone();
    if let Some(version) = form.get("EngineVersion") {
        let version = engine::resolve(&cluster.engine, Some(version))?;
        engine::upgrade(&cluster.engine, &cluster.engine_version, &cluster.engine, &version)?;
        cluster.engine_version = version;
    }
    cluster.node_type = node_type(form)?.unwrap_or(cluster.node_type);
    if let Some(nodes) = number(form, "NumCacheNodes", 1, if cluster.engine == "memcached" { 40 } else { 1 })? {
        if nodes < cluster.nodes {
            return Err(combination("Nodes are removed by name, with CacheNodeIdsToRemove, which the sandbox does not know."));
        }
        cluster.nodes = nodes;
    }
    if let Some(status) = word(form, "NotificationTopicStatus", &["active", "inactive"])? {
        cluster.notification_active = status == "active";
    }
    settings(state, &mut cluster, form)?;
    let before = alone(state, &id)?;
    let on_nodes = (&before.engine_version, &before.node_type, before.nodes, &before.parameter_group)
        != (&cluster.engine_version, &cluster.node_type, cluster.nodes, &cluster.parameter_group);
    if on_nodes && form.bool("ApplyImmediately")? != Some(true) {
        return Err(Refusal::new(501, "NotImplemented", "The sandbox changes standalone clusters immediately only."));
    }
    cluster.begin(Status::Modifying, later(place.now, if on_nodes { MODIFY } else { SETTINGS }));
    let answer = answer(&id, &cluster, place);
    state.cache_clusters.insert(id, cluster);
    Ok(answer)
}

const MODIFY_MEMBERS: &[&str] = &[
    "CacheClusterId",
    "NumCacheNodes",
    "SecurityGroupIds",
    "PreferredMaintenanceWindow",
    "NotificationTopicArn",
    "NotificationTopicStatus",
    "CacheParameterGroupName",
    "ApplyImmediately",
    "EngineVersion",
    "AutoMinorVersionUpgrade",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "CacheNodeType",
];

/// The members that creating and modifying share.
fn settings(state: &State, cluster: &mut CacheCluster, form: &Form) -> Result<(), Refusal> {
    if let Some(name) = form.get("CacheParameterGroupName").map(str::to_lowercase) {
        state.fitting_parameter_group(&name, &engine::family(&cluster.engine, &cluster.engine_version))?;
        cluster.parameter_group = Some(name).filter(|name| !name.starts_with("default."));
    }
    if let Some(limit) = number(form, "SnapshotRetentionLimit", 0, 35)? {
        if limit > 0 && (cluster.engine == "memcached" || cluster.node_type == "cache.t1.micro") {
            return Err(combination("Snapshots are not supported for this cluster."));
        }
        cluster.snapshot_retention_limit = limit;
    }
    let (snapshots, maintenance) = (snapshot_window(form)?, maintenance_window(form)?);
    if snapshots.is_some() || maintenance.is_some() {
        cluster.snapshot_window = snapshots.unwrap_or_else(|| cluster.snapshot_window.clone());
        cluster.maintenance_window = maintenance.unwrap_or_else(|| cluster.maintenance_window.clone());
        if cluster.engine != "memcached" {
            apart(&cluster.snapshot_window, &cluster.maintenance_window)?;
        }
    }
    cluster.security_groups = security_groups(form).unwrap_or_else(|| cluster.security_groups.clone());
    if let Some(topic) = form.get("NotificationTopicArn") {
        cluster.notification_topic = Some(topic.to_owned()).filter(|topic| !topic.is_empty());
    }
    cluster.auto_minor_version_upgrade = form.bool("AutoMinorVersionUpgrade")?.unwrap_or(cluster.auto_minor_version_upgrade);
    Ok(())
}

pub fn delete(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheClusterId", "FinalSnapshotIdentifier"])?;
    let id = id(form, "CacheClusterId")?;
    let mut cluster = alone(state, &id)?.clone();
    if form.has("FinalSnapshotIdentifier") {
        let name = new_id(form, "FinalSnapshotIdentifier", 255)?;
        let snapshot = snapshots::taken(state, place, &name, None, Some(id.clone()), snapshots::as_group(&cluster))?;
        state.snapshots.insert(name, snapshot);
        // It is deleted when the snapshot has been taken.
        cluster.ends = true;
        cluster.begin(Status::Snapshotting, later(place.now, SNAPSHOT));
    } else {
        cluster.begin(Status::Deleting, later(place.now, DELETE));
    }
    let answer = answer(&id, &cluster, place);
    state.cache_clusters.insert(id, cluster);
    Ok(answer)
}

/// A standalone cluster that is available.
fn alone<'a>(state: &'a State, id: &str) -> Result<&'a CacheCluster, Refusal> {
    if let Some(group) = state.group_of(id) {
        let message = format!("Cache cluster {id} is part of replication group {group}: change the group instead.");
        return Err(Refusal::new(400, "InvalidCacheClusterState", message));
    }
    let cluster = state.cache_clusters.get(id).ok_or_else(|| no_cluster(id))?;
    if cluster.status != Status::Available {
        return Err(cluster_state(id, cluster.status));
    }
    Ok(cluster)
}

pub fn reboot(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheClusterId", "CacheNodeIdsToReboot"])?;
    let id = id(form, "CacheClusterId")?;
    let nodes = form.list("CacheNodeIdsToReboot");
    if nodes.is_empty() {
        return Err(Refusal::new(400, "MissingParameter", "The request must contain the parameter CacheNodeIdsToReboot."));
    }
    let until = later(place.now, REBOOT);
    if let Some(group_id) = state.group_of(&id) {
        let group = state.replication_groups.get_mut(&group_id).ok_or_else(|| no_cluster(&id))?;
        if group.status != Status::Available || group.cluster_enabled {
            return Err(cluster_state(&id, group.status));
        }
        let member = group.members(&group_id).into_iter().find(|member| member.id == id).ok_or_else(|| no_cluster(&id))?;
        group.parameter_apply.reboot.remove(&id);
        group.rebooting.insert(id);
        group.status = Status::Rebooting;
        group.ready_at = Some(until);
        return Ok(member_answer(&group_id, group, &member, place));
    }
    let cluster = state.cache_clusters.get_mut(&id).ok_or_else(|| no_cluster(&id))?;
    if cluster.status != Status::Available {
        return Err(cluster_state(&id, cluster.status));
    }
    cluster.parameter_apply.reboot.retain(|node| !nodes.contains(node));
    cluster.begin(Status::Rebooting, until);
    Ok(answer(&id, cluster, place))
}
