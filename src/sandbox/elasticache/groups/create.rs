//! CreateReplicationGroup, from nothing or from a snapshot.

use std::collections::BTreeMap;

use super::super::auth;
use super::super::engine::{self, TRANSIT_IN_PLACE, numbers};
use super::super::lifecycle::CREATE;
use super::super::place::Place;
use super::super::refusal::{combination, value};
use super::super::request::{
    apart, log_delivery, maintenance_window, new_id, node_rank, node_type, number, only, security_groups, snapshot_window, tags, topic,
    word,
};
use super::super::state::{Auth, MAINTENANCE_WINDOW, ReplicationGroup, SNAPSHOT_WINDOW, SnapshotStatus, State, Status, Transit};
use super::super::topology::ranges;
use super::describe::answer;
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::ids::sha256;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

const MEMBERS: &[&str] = &[
    "ReplicationGroupId",
    "ReplicationGroupDescription",
    "AutomaticFailoverEnabled",
    "MultiAZEnabled",
    "NumCacheClusters",
    "NumNodeGroups",
    "ReplicasPerNodeGroup",
    "NodeGroupConfiguration",
    "CacheNodeType",
    "Engine",
    "EngineVersion",
    "CacheParameterGroupName",
    "CacheSubnetGroupName",
    "SecurityGroupIds",
    "Tags",
    "SnapshotName",
    "PreferredMaintenanceWindow",
    "PreferredCacheClusterAZs",
    "Port",
    "NotificationTopicArn",
    "AutoMinorVersionUpgrade",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "AuthToken",
    "TransitEncryptionEnabled",
    "TransitEncryptionMode",
    "AtRestEncryptionEnabled",
    "KmsKeyId",
    "LogDeliveryConfigurations",
    "ClusterMode",
];

pub fn create(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, MEMBERS)?;
    form.require("ReplicationGroupDescription")?;
    let id = new_id(form, "ReplicationGroupId", 40)?;
    if state.replication_groups.contains_key(&id) {
        return Err(Refusal::new(400, "ReplicationGroupAlreadyExists", format!("Replication group {id} already exists.")));
    }
    let origin = snapshot(state, form)?;
    let mut group = wish(state, place, form, origin.as_ref())?;
    if state.fail_creates > 0 {
        state.fail_creates -= 1;
        group.doomed = true;
    }
    // A restore into nodes smaller than the snapshot's does not come up: the data of a sandbox has no size of its own.
    if origin.as_ref().is_some_and(|origin| node_rank(&group.node_type) < node_rank(&origin.node_type)) {
        group.doomed = true;
    }
    group.restored_from = form.get("SnapshotName").map(str::to_lowercase);
    if let Some(snapshot) = group.restored_from.as_ref().and_then(|name| state.snapshots.get_mut(name)) {
        snapshot.status = SnapshotStatus::Restoring;
        snapshot.ready_at = group.ready_at;
    }
    let answer = answer(&id, &group, place);
    state.replication_groups.insert(id, group);
    Ok(answer)
}

/// What is to be restored. The operation's errors in the model have none for a snapshot, so both are InvalidParameterValue.
fn snapshot(state: &State, form: &Form) -> Result<Option<ReplicationGroup>, Refusal> {
    let Some(name) = form.get("SnapshotName").map(str::to_lowercase) else { return Ok(None) };
    let snapshot = state.snapshots.get(&name).ok_or_else(|| value(format!("Snapshot {name} not found.")))?;
    if snapshot.status != SnapshotStatus::Available {
        return Err(value(format!("Snapshot {name} is {}: only an available one can be restored.", snapshot.status.text())));
    }
    Ok(Some(snapshot.origin.clone()))
}

fn wish(state: &State, place: &Place, form: &Form, origin: Option<&ReplicationGroup>) -> Result<ReplicationGroup, Refusal> {
    let mut group = ReplicationGroup {
        description: form.require("ReplicationGroupDescription")?.to_owned(),
        status: Status::Creating,
        ready_at: Some(later(place.now, CREATE)),
        created_at: place.now,
        tags: tags(form)?,
        ..ReplicationGroup::default()
    };
    engine_of(&mut group, form, origin)?;
    group.node_type = match (node_type(form)?, origin) {
        (Some(node), _) => node,
        (None, Some(origin)) => origin.node_type.clone(),
        (None, None) => return Err(value("CacheNodeType is required.")),
    };
    shape(&mut group, state, form, origin)?;
    if let Some(name) = form.get("CacheSubnetGroupName") {
        group.subnet_group = state.subnet_group(&name.to_lowercase(), place)?.0;
    }
    group.security_groups = security_groups(form).unwrap_or_default();
    group.port = match number(form, "Port", 1, 65_535)?.map(u16::try_from) {
        Some(Ok(port)) => port,
        _ => group.port,
    };
    encryption(&mut group, form)?;
    group.automatic_failover = form.bool("AutomaticFailoverEnabled")?.unwrap_or(false);
    group.multi_az = form.bool("MultiAZEnabled")?.unwrap_or(false);
    if group.automatic_failover && group.nodes < 2 && !group.cluster_enabled {
        return Err(combination("Automatic failover is enabled, so the replication group must have at least 2 cache clusters."));
    }
    if group.cluster_enabled && !group.automatic_failover {
        return Err(combination("Automatic failover must be enabled for cluster mode enabled replication groups."));
    }
    if group.multi_az && !(group.automatic_failover && group.nodes > 1) {
        return Err(combination("Must specify automatic failover and at least one replica to enable Multi-AZ."));
    }
    group.snapshot_retention_limit = number(form, "SnapshotRetentionLimit", 0, 35)?.unwrap_or(0);
    if group.snapshot_retention_limit > 0 && group.node_type == "cache.t1.micro" {
        return Err(combination("Snapshots are not supported on cache.t1.micro."));
    }
    let (snapshots, maintenance) = (snapshot_window(form)?, maintenance_window(form)?);
    if snapshots.is_some() || maintenance.is_some() {
        group.snapshot_window = snapshots.unwrap_or_else(|| SNAPSHOT_WINDOW.to_owned());
        group.maintenance_window = maintenance.unwrap_or_else(|| MAINTENANCE_WINDOW.to_owned());
        apart(&group.snapshot_window, &group.maintenance_window)?;
    }
    group.notification_topic = topic(form, place)?.flatten();
    group.auto_minor_version_upgrade = form.bool("AutoMinorVersionUpgrade")?.unwrap_or(true);
    group.log_delivery = log_delivery(form, &[], &group.engine_version)?.unwrap_or_default();
    Ok(group)
}

fn engine_of(group: &mut ReplicationGroup, form: &Form, origin: Option<&ReplicationGroup>) -> Result<(), Refusal> {
    let engine = form.get("Engine").or(origin.map(|origin| origin.engine.as_str())).unwrap_or("redis").to_lowercase();
    if engine == "memcached" {
        return Err(value("Invalid value memcached for parameter Engine: replication groups are of Redis OSS or Valkey."));
    }
    let version = form.get("EngineVersion");
    group.engine_version = match (version, origin) {
        (None, Some(origin)) if origin.engine == engine => origin.engine_version.clone(),
        _ => engine::resolve(&engine, version)?,
    };
    if let Some(origin) = origin {
        engine::upgrade(&origin.engine, &origin.engine_version, &engine, &group.engine_version)?;
    }
    group.engine = engine;
    Ok(())
}

/// Shards, nodes and the parameter group, which says whether the group is in cluster mode.
fn shape(group: &mut ReplicationGroup, state: &State, form: &Form, origin: Option<&ReplicationGroup>) -> Result<(), Refusal> {
    let clusters = number(form, "NumCacheClusters", 1, 6)?;
    let (each, each_replicas) = each_shard(form)?;
    let counted = u32::try_from(each.len()).ok().filter(|count| *count > 0);
    let shards = match (number(form, "NumNodeGroups", 1, 90)?, counted) {
        (Some(asked), Some(counted)) if asked != counted => {
            return Err(value("NodeGroupConfiguration must name as many node groups as NumNodeGroups says."));
        }
        (asked, counted) => asked.or(counted),
    };
    let replicas = number(form, "ReplicasPerNodeGroup", 0, 5)?.or(each_replicas);
    if clusters.is_some() && (shards.is_some_and(|shards| shards > 1) || replicas.is_some()) {
        return Err(combination("Using NumCacheClusters with NumNodeGroups or ReplicasPerNodeGroup is not allowed."));
    }
    let mode = word(form, "ClusterMode", &["enabled", "disabled", "compatible"])?;
    let mut parameters = None;
    if let Some(name) = form.get("CacheParameterGroupName").map(str::to_lowercase) {
        let chosen = state.fitting_parameter_group(&name, &group.family())?;
        parameters = Some(chosen.parameters.get("cluster-enabled").is_some_and(|on| on == "yes"));
        group.parameter_group = Some(name).filter(|name| !name.starts_with("default."));
    }
    let many = counted.is_some() || shards.is_some_and(|shards| shards > 1) || mode == Some("enabled");
    let as_before = origin.is_some_and(|origin| origin.cluster_enabled) && parameters.is_none() && mode.is_none();
    group.cluster_enabled = parameters.unwrap_or(false) || many || as_before;
    if many && parameters == Some(false) {
        return Err(combination("Cluster mode needs a parameter group with cluster-enabled set to yes."));
    }
    if origin.is_some_and(|origin| origin.cluster_enabled) && !group.cluster_enabled {
        return Err(combination("A snapshot of a cluster mode enabled group cannot be restored into a cluster mode disabled group."));
    }
    group.shards = shards.or(origin.filter(|_| group.cluster_enabled).map(|origin| origin.shards)).unwrap_or(1);
    group.slots = each.into_iter().flatten().collect();
    if let Some(origin) = origin.filter(|origin| origin.cluster_enabled) {
        if group.slots.is_empty() && group.shards == origin.shards {
            group.slots.clone_from(&origin.slots);
        }
        let slots = |group: &ReplicationGroup| (1..=group.shards).map(|shard| group.slots_of(shard)).collect::<Vec<String>>();
        if slots(group) != slots(origin) {
            let message = "The sandbox restores a snapshot into shards of the same slots alone.";
            return Err(Refusal::new(501, "NotImplemented", message));
        }
    }
    group.nodes = clusters.or(replicas.map(|replicas| replicas + 1)).unwrap_or(1);
    Ok(())
}

/// The slots of each shard, where the request gives the shards one by one, and how many replicas each has.
fn each_shard(form: &Form) -> Result<(Vec<Option<String>>, Option<u32>), Refusal> {
    let (mut slots, mut replicas) = (Vec::new(), Vec::new());
    for shard in form.records("NodeGroupConfiguration") {
        only(&shard, &["Slots", "ReplicaCount"])?;
        slots.push(shard.get("Slots").map(str::to_owned));
        replicas.push(number(&shard, "ReplicaCount", 0, 5)?);
    }
    if replicas.windows(2).any(|two| matches!(two, [one, other] if one != other)) {
        return Err(Refusal::new(501, "NotImplemented", "The sandbox's shards all have the same number of replicas."));
    }
    let given: Vec<&String> = slots.iter().flatten().collect();
    if !given.is_empty() {
        let ranges: Option<Vec<_>> = given.iter().map(|slots| ranges(slots)).collect();
        let mut ranges = ranges.ok_or_else(|| value("Slots must be ranges of 0 to 16383."))?.concat();
        ranges.sort_unstable();
        let next = ranges.iter().try_fold(0, |next, (first, last)| (*first == next).then_some(last + 1));
        if given.len() != slots.len() || next != Some(16_384) {
            return Err(value("The slots of all node groups must be all 16384 slots, each of them once."));
        }
    }
    Ok((slots, replicas.first().copied().flatten()))
}

fn encryption(group: &mut ReplicationGroup, form: &Form) -> Result<(), Refusal> {
    // Valkey is encrypted at rest unless it is told not to be. [service model]
    group.at_rest_encryption = form.bool("AtRestEncryptionEnabled")?.unwrap_or(group.engine == "valkey");
    group.kms_key_id = form.get("KmsKeyId").filter(|key| !key.is_empty()).map(str::to_owned);
    if group.kms_key_id.is_some() && !group.at_rest_encryption {
        return Err(combination("KmsKeyId can only be used when AtRestEncryptionEnabled is true."));
    }
    let transit = form.bool("TransitEncryptionEnabled")?.unwrap_or(false);
    let mode = word(form, "TransitEncryptionMode", &["preferred", "required"])?;
    group.transit_encryption = match (transit, mode) {
        (false, None) => Transit::None,
        (false, Some(_)) => return Err(combination("To use a transit encryption mode, set encryption-in-transit as enabled.")),
        (true, Some("preferred")) if numbers(&group.engine_version) < TRANSIT_IN_PLACE => {
            return Err(combination("TransitEncryptionMode preferred needs engine version 7.0.5 or later."));
        }
        (true, Some("preferred")) => Transit::Preferred,
        (true, _) => Transit::Required,
    };
    group.tls_endpoints = Some(transit);
    if (transit || group.at_rest_encryption) && form.get("CacheSubnetGroupName").is_none() {
        return Err(combination("Encryption needs a cluster in a VPC: specify a CacheSubnetGroupName."));
    }
    if let Some(token) = form.get("AuthToken") {
        match group.transit_encryption {
            Transit::None => return Err(combination("AuthToken can only be used when TransitEncryptionEnabled is true.")),
            Transit::Preferred => return Err(combination("AuthToken is not supported with TransitEncryptionMode preferred.")),
            Transit::Required => auth::check_shape(token)?,
        }
        group.auth = Auth { tokens: vec![sha256(token)], passwordless: false, last_modified: group.ready_at };
    }
    group.primaries = BTreeMap::new();
    Ok(())
}
