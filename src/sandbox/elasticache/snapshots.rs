//! Snapshots: taken, read, copied, deleted.

use std::time::Duration;

use super::lifecycle::{COPY, DELETE_SNAPSHOT, SNAPSHOT};
use super::place::Place;
use super::refusal::{cluster_state, combination, group_state, no_cluster, no_group, no_snapshot};
use super::request::{id, new_id, only, page, tags, word};
use super::state::{CacheCluster, ReplicationGroup, Snapshot, SnapshotStatus, State, Status};
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

/// Manual snapshots of a node within a day. [AWS documentation, "Backup constraints"]
const DAILY_QUOTA: usize = 20;
const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn create(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ReplicationGroupId", "CacheClusterId", "SnapshotName", "KmsKeyId", "Tags"])?;
    let name = new_id(form, "SnapshotName", 255)?;
    let (group_id, cluster_id) = (form.get("ReplicationGroupId"), form.get("CacheClusterId"));
    let (group_id, cluster_id) = match (group_id.map(str::to_lowercase), cluster_id.map(str::to_lowercase)) {
        (Some(group), None) => {
            let found = state.replication_groups.get(&group).ok_or_else(|| no_group(&group))?;
            if !found.cluster_enabled {
                return Err(combination("A snapshot of a group with cluster mode disabled is taken from one of its clusters."));
            }
            (Some(group), None)
        }
        (None, Some(cluster)) => (state.group_of(&cluster), Some(cluster)),
        _ => return Err(combination("Specify either a ReplicationGroupId or a CacheClusterId.")),
    };
    let tags = tags(form)?;
    let origin = match (&group_id, &cluster_id) {
        (Some(id), cluster) => {
            let group = state.replication_groups.get(id).ok_or_else(|| no_group(id))?;
            if group.cluster_enabled && cluster.is_some() {
                return Err(combination("A snapshot of a cluster mode enabled group is taken from the whole group."));
            }
            if group.status != Status::Available {
                let status = group.status;
                return Err(cluster.as_ref().map_or_else(|| group_state(id, status), |cluster| cluster_state(cluster, status)));
            }
            group.clone()
        }
        (None, cluster) => {
            let cluster = cluster.as_deref().unwrap_or_default();
            let found = state.cache_clusters.get(cluster).ok_or_else(|| no_cluster(cluster))?;
            if found.status != Status::Available {
                return Err(cluster_state(cluster, found.status));
            }
            as_group(found)
        }
    };
    let mut snapshot = taken(state, place, &name, group_id.clone(), cluster_id.clone(), origin)?;
    snapshot.kms_key_id = form.get("KmsKeyId").filter(|key| !key.is_empty()).map(str::to_owned);
    snapshot.tags = tags;
    let busy_until = Some(later(place.now, SNAPSHOT));
    if let Some(group) = group_id.and_then(|id| state.replication_groups.get_mut(&id)) {
        group.status = Status::Snapshotting;
        group.ready_at = busy_until;
    } else if let Some(cluster) = cluster_id.and_then(|id| state.cache_clusters.get_mut(&id)) {
        cluster.status = Status::Snapshotting;
        cluster.ready_at = busy_until;
    }
    let answer = answer(&name, &snapshot, place);
    state.snapshots.insert(name, snapshot);
    Ok(answer)
}

/// A new manual snapshot, or why there is none.
pub fn taken(
    state: &mut State,
    place: &Place,
    name: &str,
    group: Option<String>,
    cluster: Option<String>,
    mut origin: ReplicationGroup,
) -> Result<Snapshot, Refusal> {
    if state.snapshots.contains_key(name) {
        return Err(exists(name));
    }
    if origin.engine == "memcached" || origin.node_type == "cache.t1.micro" {
        return Err(Refusal::new(
            400,
            "SnapshotFeatureNotSupportedFault",
            format!("Snapshots are not supported for {} on {}.", origin.engine, origin.node_type),
        ));
    }
    let recent = state.snapshots.values().filter(|other| {
        let young = other.created_at.is_some_and(|created| later(created, DAY) > place.now);
        !other.automated && young && other.group == group && other.cluster == cluster
    });
    if recent.count() >= DAILY_QUOTA {
        return Err(Refusal::new(
            400,
            "SnapshotQuotaExceededFault",
            format!("More than {DAILY_QUOTA} manual snapshots of a node in 24 hours."),
        ));
    }
    let stuck = state.stick_snapshots > 0;
    state.stick_snapshots = state.stick_snapshots.saturating_sub(1);
    // A snapshot holds data and settings; who may connect and what was under way are not among them.
    origin.auth = Default::default();
    origin.change = None;
    origin.pending = None;
    origin.ready_at = None;
    origin.status = Status::Available;
    origin.tags.clear();
    origin.data = Default::default();
    origin.restored_from = None;
    origin.answers_at = None;
    Ok(Snapshot {
        status: SnapshotStatus::Creating,
        ready_at: (!stuck).then(|| later(place.now, SNAPSHOT)),
        automated: false,
        kms_key_id: None,
        created_at: Some(place.now),
        cluster,
        group,
        origin,
        tags: Default::default(),
        copied_from: None,
    })
}

/// A standalone cluster as the group that it can be restored into.
pub fn as_group(cluster: &CacheCluster) -> ReplicationGroup {
    ReplicationGroup {
        engine: cluster.engine.clone(),
        engine_version: cluster.engine_version.clone(),
        node_type: cluster.node_type.clone(),
        port: cluster.port(),
        subnet_group: cluster.subnet_group.clone(),
        parameter_group: cluster.parameter_group.clone(),
        snapshot_retention_limit: cluster.snapshot_retention_limit,
        snapshot_window: cluster.snapshot_window.clone(),
        maintenance_window: cluster.maintenance_window.clone(),
        notification_topic: cluster.notification_topic.clone(),
        auto_minor_version_upgrade: cluster.auto_minor_version_upgrade,
        created_at: cluster.created_at,
        ..ReplicationGroup::default()
    }
}

pub fn describe(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ReplicationGroupId", "CacheClusterId", "SnapshotName", "SnapshotSource", "Marker", "MaxRecords", "ShowNodeGroupConfig"])?;
    let name = form.get("SnapshotName").map(str::to_lowercase);
    if let Some(name) = name.as_deref().filter(|name| !state.snapshots.contains_key(*name)) {
        return Err(no_snapshot(name));
    }
    let group = form.get("ReplicationGroupId").map(str::to_lowercase);
    let cluster = form.get("CacheClusterId").map(str::to_lowercase);
    // `system` shows automatic snapshots, `user` those taken by hand. [service model]
    let automated =
        word(form, "SnapshotSource", &["system", "user", "automated", "manual"])?.map(|source| ["system", "automated"].contains(&source));
    let all = state.snapshots.iter().filter(|(other, snapshot)| {
        name.as_ref().is_none_or(|name| name == *other)
            && (group.is_none() || snapshot.group == group)
            && (cluster.is_none() || snapshot.cluster == cluster)
            && automated.is_none_or(|automated| automated == snapshot.automated)
    });
    let (snapshots, marker) = page(form, place, all.map(|(name, snapshot)| (name.clone(), snapshot)).collect())?;
    Ok(Xml::new()
        .maybe("Marker", marker)
        .list("Snapshots", "Snapshot", snapshots, |xml, (name, snapshot)| show(xml, &name, snapshot, place)))
}

pub fn copy(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["SourceSnapshotName", "TargetSnapshotName", "KmsKeyId", "Tags"])?;
    let source = id(form, "SourceSnapshotName")?;
    let target = new_id(form, "TargetSnapshotName", 255)?;
    let original = state.snapshots.get(&source).ok_or_else(|| no_snapshot(&source))?;
    if state.snapshots.contains_key(&target) {
        return Err(exists(&target));
    }
    ready(&source, original)?;
    let copy = Snapshot {
        status: SnapshotStatus::Creating,
        ready_at: Some(later(place.now, COPY)),
        automated: false,
        created_at: Some(place.now),
        kms_key_id: form.get("KmsKeyId").map(str::to_owned).or(original.kms_key_id.clone()),
        tags: tags(form)?,
        copied_from: Some(source.clone()),
        ..original.clone()
    };
    let answer = answer(&target, &copy, place);
    if let Some(original) = state.snapshots.get_mut(&source) {
        original.status = SnapshotStatus::Copying;
        original.ready_at = copy.ready_at;
    }
    state.snapshots.insert(target, copy);
    Ok(answer)
}

pub fn delete(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["SnapshotName"])?;
    let name = id(form, "SnapshotName")?;
    let snapshot = state.snapshots.get_mut(&name).ok_or_else(|| no_snapshot(&name))?;
    ready(&name, snapshot)?;
    snapshot.status = SnapshotStatus::Deleting;
    snapshot.ready_at = Some(later(place.now, DELETE_SNAPSHOT));
    Ok(answer(&name, snapshot, place))
}

fn ready(name: &str, snapshot: &Snapshot) -> Result<(), Refusal> {
    if snapshot.status == SnapshotStatus::Available {
        return Ok(());
    }
    let status = snapshot.status.text();
    Err(Refusal::new(400, "InvalidSnapshotState", format!("Snapshot {name} has status {status} which is not valid for this request.")))
}

fn exists(name: &str) -> Refusal {
    Refusal::new(400, "SnapshotAlreadyExistsFault", format!("Snapshot {name} already exists."))
}

fn answer(name: &str, snapshot: &Snapshot, place: &Place) -> Xml {
    Xml::new().node("Snapshot", |xml| show(xml, name, snapshot, place))
}

fn show(xml: Xml, name: &str, snapshot: &Snapshot, place: &Place) -> Xml {
    let origin = &snapshot.origin;
    let group_id = snapshot.group.as_deref();
    let failover = if origin.automatic_failover { "enabled" } else { "disabled" };
    let xml = xml
        .text("SnapshotName", name)
        .maybe("ReplicationGroupId", group_id)
        .maybe("ReplicationGroupDescription", group_id.map(|_| &origin.description))
        .maybe("CacheClusterId", snapshot.cluster.as_deref())
        .text("SnapshotStatus", snapshot.status.text())
        .text("SnapshotSource", if snapshot.automated { "automated" } else { "manual" })
        .text("CacheNodeType", &origin.node_type)
        .text("Engine", &origin.engine)
        .text("EngineVersion", &origin.engine_version)
        .maybe("NumCacheNodes", snapshot.cluster.as_ref().map(|_| 1))
        .text("CacheClusterCreateTime", origin.created_at)
        .text("PreferredMaintenanceWindow", &origin.maintenance_window)
        .maybe("TopicArn", origin.notification_topic.as_deref())
        .text("Port", origin.port)
        .text("CacheParameterGroupName", origin.parameter_group_name())
        .text("CacheSubnetGroupName", &origin.subnet_group)
        .text("AutoMinorVersionUpgrade", origin.auto_minor_version_upgrade)
        .text("SnapshotRetentionLimit", origin.snapshot_retention_limit)
        .text("SnapshotWindow", &origin.snapshot_window)
        .maybe("NumNodeGroups", group_id.map(|_| origin.shards))
        .text("AutomaticFailover", failover)
        .maybe("KmsKeyId", snapshot.kms_key_id.as_deref().map(|key| place.key(key)))
        .text("ARN", place.arn("snapshot", name))
        .text("DataTiering", "disabled");
    let sources: Vec<(String, u32)> = match (&snapshot.cluster, group_id) {
        (Some(cluster), _) => vec![(cluster.clone(), 1)],
        (None, Some(id)) => {
            origin.members(id).into_iter().filter(|member| member.primary).map(|member| (member.id, member.shard)).collect()
        }
        (None, None) => Vec::new(),
    };
    xml.list("NodeSnapshots", "NodeSnapshot", sources, |xml, (source, shard)| {
        let xml = xml
            .text("CacheClusterId", source)
            .text("NodeGroupId", format!("{shard:04}"))
            .text("CacheNodeId", "0001")
            .text("CacheNodeCreateTime", origin.created_at);
        // Until the data is there it has neither size nor date.
        if snapshot.status == SnapshotStatus::Creating {
            xml
        } else {
            xml.text("CacheSize", "6 MB").maybe("SnapshotCreateTime", snapshot.created_at)
        }
    })
}
