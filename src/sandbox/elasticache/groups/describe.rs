//! A replication group as clients read it.

use super::super::place::{Endpoint, Place};
use super::super::refusal::no_group;
use super::super::request::{only, page};
use super::super::state::{Change, LogDelivery, ReplicationGroup, State, Status, Strategy};
use super::super::topology::Member;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

pub fn describe(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ReplicationGroupId", "MaxRecords", "Marker"])?;
    let all = match form.get("ReplicationGroupId") {
        Some(id) => {
            let id = id.to_lowercase();
            let group = state.replication_groups.get(&id).cloned().ok_or_else(|| no_group(&id))?;
            vec![(id, group)]
        }
        None => state.replication_groups.clone().into_iter().collect(),
    };
    let (groups, marker) = page(form, place, all)?;
    Ok(Xml::new()
        .maybe("Marker", marker)
        .list("ReplicationGroups", "ReplicationGroup", groups, |xml, (id, group)| show(xml, &id, &group, place)))
}

/// The answer of an operation on one group.
pub fn answer(id: &str, group: &ReplicationGroup, place: &Place) -> Xml {
    Xml::new().node("ReplicationGroup", |xml| show(xml, id, group, place))
}

fn show(xml: Xml, id: &str, group: &ReplicationGroup, place: &Place) -> Xml {
    let members = group.members(id);
    let xml = xml
        .text("ReplicationGroupId", id)
        .text("Description", &group.description)
        .node("GlobalReplicationGroupInfo", |xml| xml)
        .text("Status", group.status.text())
        .node("PendingModifiedValues", |xml| pending(xml, id, group))
        .texts("MemberClusters", "ClusterId", members.iter().map(|member| &member.id));
    // Addresses come with the nodes.
    let up = !matches!(group.status, Status::Creating | Status::CreateFailed);
    let xml = if up { node_groups(xml, id, group, &members, place) } else { xml };
    let failover = match group.change.as_ref().and_then(|change| change.automatic_failover) {
        Some(true) if !group.automatic_failover => "enabling",
        Some(false) if group.automatic_failover => "disabling",
        _ => switch(group.automatic_failover),
    };
    let xml = xml
        .maybe("SnapshottingClusterId", group.snapshot_source(id))
        .text("AutomaticFailover", failover)
        .text("MultiAZ", switch(group.multi_az));
    let xml = if group.cluster_enabled && up {
        xml.node("ConfigurationEndpoint", |xml| endpoint(xml, &group.configuration_endpoint(id, place)))
    } else {
        xml
    };
    let changing = group.change.as_ref().and_then(|change| change.log_delivery.as_deref());
    xml.text("SnapshotRetentionLimit", group.snapshot_retention_limit)
        .text("SnapshotWindow", &group.snapshot_window)
        .text("ClusterEnabled", group.cluster_enabled)
        .text("CacheNodeType", &group.node_type)
        .text("AuthTokenEnabled", !group.auth.tokens.is_empty())
        .maybe("AuthTokenLastModifiedDate", group.auth.last_modified)
        .text("TransitEncryptionEnabled", group.transit_encryption.mode().is_some())
        .maybe("TransitEncryptionMode", group.transit_encryption.mode())
        .text("AtRestEncryptionEnabled", group.at_rest_encryption)
        .text("StorageEncryptionType", group.storage_encryption())
        .maybe("KmsKeyId", group.kms_key_id.as_deref().map(|key| place.key(key)))
        .node("MemberClustersOutpostArns", |xml| xml)
        .node("UserGroupIds", |xml| xml)
        .text("ARN", place.arn("replicationgroup", id))
        .node("LogDeliveryConfigurations", |xml| log_deliveries(xml, &group.log_delivery, changing))
        .text("ReplicationGroupCreateTime", group.created_at)
        .text("DataTiering", "disabled")
        .text("AutoMinorVersionUpgrade", group.auto_minor_version_upgrade)
        .text("NetworkType", "ipv4")
        .text("IpDiscovery", "ipv4")
        .text("ClusterMode", switch(group.cluster_enabled))
        .text("Engine", &group.engine)
}

/// What is on its way: the change under way, and what waits for the maintenance window.
fn pending(xml: Xml, id: &str, group: &ReplicationGroup) -> Xml {
    let waiting = group.pending.as_ref().map(|pending| &pending.change);
    let changes: Vec<&Change> = group.change.as_ref().into_iter().chain(waiting).collect();
    let primary = changes.iter().find_map(|change| change.primary).and_then(|(shard, number)| {
        group.members(id).into_iter().find(|member| (member.shard, member.number) == (shard, number)).map(|member| member.id)
    });
    let transit = changes.iter().find_map(|change| change.transit_encryption);
    let turned = transit.filter(|transit| transit.mode().is_some() != group.transit_encryption.mode().is_some());
    let auth = changes.iter().find_map(|change| change.auth.as_ref()).map(|auth| match auth.strategy {
        Strategy::Rotate => "ROTATING",
        Strategy::Set => "SETTING",
    });
    let xml = xml
        .maybe("PrimaryClusterId", primary)
        .maybe("AutomaticFailoverStatus", changes.iter().find_map(|change| change.automatic_failover).map(switch))
        .maybe("AuthTokenStatus", auth)
        .maybe("TransitEncryptionEnabled", turned.map(|transit| transit.mode().is_some()))
        .maybe("TransitEncryptionMode", transit.and_then(|transit| transit.mode()));
    match changes.iter().find_map(|change| change.log_delivery.as_ref()) {
        Some(deliveries) => xml.node("LogDeliveryConfigurations", |xml| xml.each("member", deliveries, destination)),
        None => xml,
    }
}

fn node_groups(xml: Xml, id: &str, group: &ReplicationGroup, members: &[Member], place: &Place) -> Xml {
    let shards = if group.cluster_enabled { group.shards.max(1) } else { 1 };
    xml.list("NodeGroups", "NodeGroup", 1..=shards, |xml, shard| {
        let xml = xml.text("NodeGroupId", format!("{shard:04}")).text("Status", group.status.text());
        let xml = if group.cluster_enabled {
            xml.text("Slots", group.slots_of(shard))
        } else {
            xml.node("PrimaryEndpoint", |xml| endpoint(xml, &group.primary_endpoint(id, place)))
                .node("ReaderEndpoint", |xml| endpoint(xml, &group.reader_endpoint(id, place)))
        };
        let members = members.iter().filter(|member| member.shard == shard);
        xml.list("NodeGroupMembers", "NodeGroupMember", members, |xml, member| {
            let xml = xml
                .text("CacheClusterId", &member.id)
                .text("CacheNodeId", "0001")
                .text("PreferredAvailabilityZone", place.zone(member.number - 1));
            if group.cluster_enabled {
                // Roles are the engine's own business in cluster mode: the service does not say them.
                return xml;
            }
            xml.node("ReadEndpoint", |xml| endpoint(xml, &group.member_endpoint(id, member, place)))
                .text("CurrentRole", if member.primary { "primary" } else { "replica" })
        })
    })
}

/// Log deliveries with how far they are, given what they are changing into.
pub fn log_deliveries(xml: Xml, present: &[LogDelivery], changing: Option<&[LogDelivery]>) -> Xml {
    let next = changing.unwrap_or(present);
    let enabling = next.iter().filter(|one| !present.iter().any(|was| was.log_type == one.log_type)).map(|one| (one, "enabling"));
    let standing = present.iter().map(|one| match next.iter().find(|next| next.log_type == one.log_type) {
        None => (one, "disabling"),
        Some(same) if same == one => (one, "active"),
        Some(_) => (one, "modifying"),
    });
    xml.each("LogDeliveryConfiguration", standing.chain(enabling), |xml, (one, status)| destination(xml, one).text("Status", status))
}

fn destination(xml: Xml, delivery: &LogDelivery) -> Xml {
    xml.text("LogType", &delivery.log_type)
        .text("DestinationType", &delivery.destination_type)
        .node("DestinationDetails", |xml| match delivery.destination_type.as_str() {
            "cloudwatch-logs" => xml.node("CloudWatchLogsDetails", |xml| xml.text("LogGroup", &delivery.destination)),
            _ => xml.node("KinesisFirehoseDetails", |xml| xml.text("DeliveryStream", &delivery.destination)),
        })
        .text("LogFormat", &delivery.format)
}

fn endpoint(xml: Xml, endpoint: &Endpoint) -> Xml {
    xml.text("Address", &endpoint.host).text("Port", endpoint.port)
}

fn switch(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}
