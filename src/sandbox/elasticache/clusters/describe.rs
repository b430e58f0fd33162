//! A cache cluster as clients read it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::groups::log_deliveries;
use super::super::place::{Endpoint, Place};
use super::super::refusal::no_cluster;
use super::super::request::{only, page};
use super::super::state::{CacheCluster, LogDelivery, ReplicationGroup, State, Status, Strategy};
use super::super::topology::Member;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

impl State {
    /// The replication group that a cluster is a member of.
    pub fn group_of(&self, cluster: &str) -> Option<String> {
        let mut groups = self.replication_groups.iter();
        groups
            .find(|(id, group)| cluster.starts_with(id.as_str()) && group.members(id).iter().any(|member| member.id == cluster))
            .map(|(id, _)| id.clone())
    }
}

impl CacheCluster {
    /// Where one of its nodes, from 1, is connected to.
    pub fn endpoint(&self, id: &str, number: u32, place: &Place) -> Endpoint {
        let host = format!("{id}.{}.{number:04}.{}", place.host_key(), place.domain());
        // Of a cluster with servers there is one node, which has the cluster's name.
        place.endpoint(id, host, self.port())
    }
}

/// What both sorts of cluster show.
struct View {
    id: String,
    group: Option<String>,
    status: Status,
    engine: String,
    version: String,
    node_type: String,
    nodes: Vec<Node>,
    zone: String,
    created: Timestamp,
    maintenance: String,
    topic: Option<(String, bool)>,
    parameter_group: String,
    parameter_apply: &'static str,
    reboot: BTreeSet<String>,
    subnet_group: String,
    auto_minor: bool,
    security_groups: BTreeSet<String>,
    retention: u32,
    snapshot_window: String,
    auth: bool,
    auth_modified: Option<Timestamp>,
    transit_mode: Option<&'static str>,
    transit: bool,
    at_rest: bool,
    log_delivery: Vec<LogDelivery>,
    log_changing: Option<Vec<LogDelivery>>,
    configuration: Option<(String, u16)>,
    pending: Vec<(&'static str, String)>,
}

struct Node {
    id: String,
    endpoint: Endpoint,
    zone: String,
}

pub fn describe(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheClusterId", "ShowCacheNodeInfo", "ShowCacheClustersNotInReplicationGroups", "MaxRecords", "Marker"])?;
    let info = form.bool("ShowCacheNodeInfo")?.unwrap_or(false);
    let alone = form.bool("ShowCacheClustersNotInReplicationGroups")?.unwrap_or(false);
    let mut views: Vec<View> = state.cache_clusters.iter().map(|(id, cluster)| standalone(id, cluster, place)).collect();
    if !alone {
        for (id, group) in &state.replication_groups {
            views.extend(group.members(id).iter().map(|one| member(id, group, one, place)));
        }
    }
    if let Some(id) = form.get("CacheClusterId").map(str::to_lowercase) {
        views.retain(|view| view.id == id);
        if views.is_empty() {
            return Err(no_cluster(&id));
        }
    }
    views.sort_by(|one, other| one.id.cmp(&other.id));
    let (views, marker) = page(form, place, views.into_iter().map(|view| (view.id.clone(), view)).collect())?;
    Ok(Xml::new().maybe("Marker", marker).list("CacheClusters", "CacheCluster", views, |xml, (_, view)| show(xml, &view, info, place)))
}

/// The answer of an operation on one standalone cluster.
pub fn answer(id: &str, cluster: &CacheCluster, place: &Place) -> Xml {
    Xml::new().node("CacheCluster", |xml| show(xml, &standalone(id, cluster, place), false, place))
}

/// The answer of an operation on one member of a group.
pub fn member_answer(group_id: &str, group: &ReplicationGroup, one: &Member, place: &Place) -> Xml {
    Xml::new().node("CacheCluster", |xml| show(xml, &member(group_id, group, one, place), false, place))
}

fn standalone(id: &str, cluster: &CacheCluster, place: &Place) -> View {
    let (key, domain, port) = (place.host_key(), place.domain(), cluster.port());
    let nodes = (1..=cluster.nodes).map(|number| {
        let endpoint = cluster.endpoint(id, number, place);
        Node { id: format!("{number:04}"), endpoint, zone: place.zone(number - 1) }
    });
    View {
        id: id.to_owned(),
        group: None,
        status: cluster.status,
        engine: cluster.engine.clone(),
        version: cluster.engine_version.clone(),
        node_type: cluster.node_type.clone(),
        nodes: nodes.collect(),
        zone: if cluster.nodes > 1 { "Multiple".to_owned() } else { place.zone(0) },
        created: cluster.created_at,
        maintenance: cluster.maintenance_window.clone(),
        topic: cluster.notification_topic.clone().map(|topic| (topic, cluster.notification_active)),
        parameter_group: cluster.parameter_group_name(),
        parameter_apply: cluster.parameter_apply.text(),
        reboot: cluster.parameter_apply.reboot.clone(),
        subnet_group: cluster.subnet_group.clone(),
        auto_minor: cluster.auto_minor_version_upgrade,
        security_groups: cluster.security_groups.clone(),
        retention: cluster.snapshot_retention_limit,
        snapshot_window: cluster.snapshot_window.clone(),
        auth: false,
        auth_modified: None,
        transit_mode: None,
        transit: cluster.transit_encryption,
        at_rest: false,
        log_delivery: Vec::new(),
        log_changing: None,
        configuration: (cluster.engine == "memcached").then(|| (format!("{id}.{key}.cfg.{domain}"), port)),
        pending: Vec::new(),
    }
}

fn member(group_id: &str, group: &ReplicationGroup, member: &Member, place: &Place) -> View {
    let change = group.change.clone().unwrap_or_default();
    let waiting = group.pending.as_ref().map(|pending| pending.change.clone()).unwrap_or_default();
    let auth = change.auth.as_ref().map(|auth| match auth.strategy {
        Strategy::Rotate => "ROTATING",
        Strategy::Set => "SETTING",
    });
    let transit = change.transit_encryption.and_then(|transit| transit.mode());
    let pending = [
        ("EngineVersion", change.engine_version.or(waiting.engine_version)),
        ("CacheNodeType", change.node_type.or(waiting.node_type)),
        ("AuthTokenStatus", auth.map(str::to_owned)),
        ("TransitEncryptionMode", transit.map(str::to_owned)),
    ];
    let zone = place.zone(member.number - 1);
    let endpoint = group.member_endpoint(group_id, member, place);
    let source = group.snapshot_source(group_id);
    // A node whose parameters wait for a reboot names itself: a member has one node, 0001.
    let waits = group.parameter_apply.reboot.contains(&member.id);
    let apply = if group.parameter_apply.text() == "pending-reboot" && !waits { "in-sync" } else { group.parameter_apply.text() };
    View {
        id: member.id.clone(),
        group: Some(group_id.to_owned()),
        status: group.status,
        engine: group.engine.clone(),
        version: group.engine_version.clone(),
        node_type: group.node_type.clone(),
        nodes: vec![Node { id: "0001".to_owned(), endpoint, zone: zone.clone() }],
        zone,
        created: group.created_at,
        maintenance: group.maintenance_window.clone(),
        topic: group.notification_topic.clone().map(|topic| (topic, group.notification_active)),
        parameter_group: group.parameter_group_name(),
        parameter_apply: apply,
        reboot: waits.then(|| "0001".to_owned()).into_iter().collect(),
        subnet_group: group.subnet_group.clone(),
        auto_minor: group.auto_minor_version_upgrade,
        security_groups: group.security_groups.clone(),
        // Only the node that snapshots are taken from says how long they are kept.
        retention: if group.cluster_enabled || source.as_ref() == Some(&member.id) { group.snapshot_retention_limit } else { 0 },
        snapshot_window: group.snapshot_window.clone(),
        auth: !group.auth.tokens.is_empty(),
        auth_modified: group.auth.last_modified,
        transit_mode: group.transit_encryption.mode(),
        transit: group.transit_encryption.mode().is_some(),
        at_rest: group.at_rest_encryption,
        log_delivery: group.log_delivery.clone(),
        log_changing: change.log_delivery,
        configuration: None,
        pending: pending.into_iter().filter_map(|(name, text)| Some((name, text?))).collect(),
    }
}

fn show(xml: Xml, view: &View, info: bool, place: &Place) -> Xml {
    let status = match view.status {
        Status::CreateFailed => "restore-failed",
        status => status.text(),
    };
    let up = !matches!(view.status, Status::Creating | Status::CreateFailed);
    let xml = xml.text("CacheClusterId", &view.id);
    let xml = match &view.configuration {
        Some((host, port)) if up => xml.node("ConfigurationEndpoint", |xml| xml.text("Address", host).text("Port", port)),
        _ => xml,
    };
    let xml = xml
        .text("ClientDownloadLandingPage", "https://console.aws.amazon.com/elasticache/home#client-download:")
        .text("CacheNodeType", &view.node_type)
        .text("Engine", &view.engine)
        .text("EngineVersion", &view.version)
        .text("CacheClusterStatus", status)
        .text("NumCacheNodes", view.nodes.len())
        .text("PreferredAvailabilityZone", &view.zone)
        .text("CacheClusterCreateTime", view.created)
        .text("PreferredMaintenanceWindow", &view.maintenance)
        .node("PendingModifiedValues", |xml| view.pending.iter().fold(xml, |xml, (name, text)| xml.text(name, text)));
    let xml = match &view.topic {
        Some((topic, active)) => xml.node("NotificationConfiguration", |xml| {
            xml.text("TopicArn", topic).text("TopicStatus", if *active { "active" } else { "inactive" })
        }),
        None => xml,
    };
    let xml = xml
        .node("CacheSecurityGroups", |xml| xml)
        .node("CacheParameterGroup", |xml| {
            xml.text("CacheParameterGroupName", &view.parameter_group).text("ParameterApplyStatus", view.parameter_apply).texts(
                "CacheNodeIdsToReboot",
                "CacheNodeId",
                &view.reboot,
            )
        })
        .text("CacheSubnetGroupName", &view.subnet_group);
    let xml = if info && up {
        xml.list("CacheNodes", "CacheNode", &view.nodes, |xml, node| {
            let parameters = if view.reboot.contains(&node.id) { view.parameter_apply } else { "in-sync" };
            xml.text("CacheNodeId", &node.id)
                .text("CacheNodeStatus", status)
                .text("CacheNodeCreateTime", view.created)
                .node("Endpoint", |xml| xml.text("Address", &node.endpoint.host).text("Port", node.endpoint.port))
                .text("ParameterGroupStatus", parameters)
                .text("CustomerAvailabilityZone", &node.zone)
        })
    } else {
        xml
    };
    xml.text("AutoMinorVersionUpgrade", view.auto_minor)
        .list("SecurityGroups", "member", &view.security_groups, |xml, id| xml.text("SecurityGroupId", id).text("Status", "active"))
        .maybe("ReplicationGroupId", view.group.as_ref())
        .text("SnapshotRetentionLimit", view.retention)
        .text("SnapshotWindow", &view.snapshot_window)
        .text("AuthTokenEnabled", view.auth)
        .maybe("AuthTokenLastModifiedDate", view.auth_modified)
        .text("TransitEncryptionEnabled", view.transit)
        .maybe("TransitEncryptionMode", view.transit_mode)
        .text("AtRestEncryptionEnabled", view.at_rest)
        .text("ARN", place.arn("cluster", &view.id))
        .text("ReplicationGroupLogDeliveryEnabled", view.group.is_some() && !view.log_delivery.is_empty())
        .node("LogDeliveryConfigurations", |xml| log_deliveries(xml, &view.log_delivery, view.log_changing.as_deref()))
        .text("NetworkType", "ipv4")
        .text("IpDiscovery", "ipv4")
}
