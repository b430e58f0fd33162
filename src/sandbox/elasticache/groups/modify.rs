//! ModifyReplicationGroup: what is in force at once, what takes its time, and what waits for the maintenance window.

use super::super::auth;
use super::super::engine::{self, TOKEN_CHANGE, TRANSIT_IN_PLACE, numbers};
use super::super::lifecycle::next_window;
use super::super::place::Place;
use super::super::refusal::{combination, group_state, no_cluster, no_group, value};
use super::super::request::{
    apart, id, log_delivery, maintenance_window, node_type, number, only, security_groups, snapshot_window, topic, word,
};
use super::super::state::{AuthChange, Change, Pending, ReplicationGroup, State, Status, Strategy, Transit};
use super::describe::answer;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

const MEMBERS: &[&str] = &[
    "ReplicationGroupId",
    "ReplicationGroupDescription",
    "PrimaryClusterId",
    "SnapshottingClusterId",
    "AutomaticFailoverEnabled",
    "MultiAZEnabled",
    "SecurityGroupIds",
    "PreferredMaintenanceWindow",
    "NotificationTopicArn",
    "NotificationTopicStatus",
    "CacheParameterGroupName",
    "ApplyImmediately",
    "Engine",
    "EngineVersion",
    "AutoMinorVersionUpgrade",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "CacheNodeType",
    "AuthToken",
    "AuthTokenUpdateStrategy",
    "UserGroupIdsToAdd",
    "LogDeliveryConfigurations",
    "TransitEncryptionEnabled",
    "TransitEncryptionMode",
];

pub fn modify(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, MEMBERS)?;
    let id = id(form, "ReplicationGroupId")?;
    let found = state.replication_groups.get(&id).ok_or_else(|| no_group(&id))?;
    if found.status != Status::Available {
        return Err(group_state(&id, found.status));
    }
    let asks = |name: &&&str| !["ReplicationGroupId", "ApplyImmediately"].contains(name) && form.has(name);
    if !MEMBERS.iter().any(|name| asks(&name)) {
        return Err(combination("No modifications were requested"));
    }
    let immediately = form.bool("ApplyImmediately")?.unwrap_or(false);
    let change = changes(state, form, &id, found, immediately)?;
    let mut group = found.clone();
    let settings = settings(&mut group, place, form, &id)?;
    schedule(&mut group, change, immediately, settings, place);
    let answer = answer(&id, &group, place);
    state.replication_groups.insert(id, group);
    Ok(answer)
}

/// Puts the change on its way, with whatever waited where the request says at once.
fn schedule(group: &mut ReplicationGroup, change: Change, immediately: bool, settings: bool, place: &Place) {
    let earlier = group.pending.take();
    if immediately {
        let change = merge(earlier.map(|pending| pending.change).unwrap_or_default(), change);
        group.begin(change, place.now);
        return;
    }
    // What AWS does at once whatever ApplyImmediately says.
    let at_once = Change { primary: change.primary, ..Change::default() };
    let waits = Change { primary: None, ..change };
    let had_earlier = earlier.is_some();
    let waiting = merge(earlier.map(|pending| pending.change).unwrap_or_default(), waits);
    if had_earlier || waiting != Change::default() {
        group.pending = Some(Pending { at: next_window(&group.maintenance_window, place.now), change: waiting });
    }
    if settings || at_once != Change::default() {
        group.begin(at_once, place.now);
    }
}

/// The later wish wins, member by member.
fn merge(earlier: Change, later: Change) -> Change {
    Change {
        engine: later.engine.or(earlier.engine),
        engine_version: later.engine_version.or(earlier.engine_version),
        node_type: later.node_type.or(earlier.node_type),
        parameter_group: later.parameter_group.or(earlier.parameter_group),
        automatic_failover: later.automatic_failover.or(earlier.automatic_failover),
        multi_az: later.multi_az.or(earlier.multi_az),
        transit_encryption: later.transit_encryption.or(earlier.transit_encryption),
        auth: later.auth.or(earlier.auth),
        log_delivery: later.log_delivery.or(earlier.log_delivery),
        nodes: later.nodes.or(earlier.nodes),
        primary: later.primary.or(earlier.primary),
    }
}

/// The members that touch no node: in force as soon as they are accepted. Whether there were any.
fn settings(group: &mut ReplicationGroup, place: &Place, form: &Form, id: &str) -> Result<bool, Refusal> {
    let before = group.clone();
    if let Some(description) = form.get("ReplicationGroupDescription") {
        if description.is_empty() {
            return Err(value("ReplicationGroupDescription must not be empty."));
        }
        group.description = description.to_owned();
    }
    if let Some(limit) = number(form, "SnapshotRetentionLimit", 0, 35)? {
        if limit > 0 && group.node_type == "cache.t1.micro" {
            return Err(combination("Snapshots are not supported on cache.t1.micro."));
        }
        let turned_on = limit > 0 && group.snapshot_retention_limit == 0;
        if turned_on && !group.cluster_enabled && form.get("SnapshottingClusterId").is_none() {
            // [hashicorp/terraform#10581, aws-controllers-k8s/community#1846]
            return Err(combination("Must specify both SnapshotRetentionLimit and SnapshottingClusterId to turn on snapshots"));
        }
        group.snapshot_retention_limit = limit;
    }
    let (snapshots, maintenance) = (snapshot_window(form)?, maintenance_window(form)?);
    if snapshots.is_some() || maintenance.is_some() {
        group.snapshot_window = snapshots.unwrap_or_else(|| group.snapshot_window.clone());
        group.maintenance_window = maintenance.unwrap_or_else(|| group.maintenance_window.clone());
        apart(&group.snapshot_window, &group.maintenance_window)?;
    }
    if let Some(cluster) = form.get("SnapshottingClusterId").map(str::to_lowercase) {
        if group.cluster_enabled {
            return Err(combination("SnapshottingClusterId cannot be set for cluster mode enabled replication groups."));
        }
        if !group.members(id).iter().any(|member| member.id == cluster) {
            return Err(no_cluster(&cluster));
        }
        group.snapshotting_cluster = Some(cluster);
    }
    if let Some(topic) = topic(form, place)? {
        group.notification_topic = topic;
        group.notification_active = group.notification_topic.is_some() || group.notification_active;
    }
    if let Some(status) = word(form, "NotificationTopicStatus", &["active", "inactive"])? {
        if group.notification_topic.is_none() {
            return Err(combination("NotificationTopicStatus needs a notification topic."));
        }
        group.notification_active = status == "active";
    }
    group.auto_minor_version_upgrade = form.bool("AutoMinorVersionUpgrade")?.unwrap_or(group.auto_minor_version_upgrade);
    group.security_groups = security_groups(form).unwrap_or_else(|| group.security_groups.clone());
    Ok(*group != before)
}

/// The members that take their time, each refused as the service refuses it.
fn changes(state: &State, form: &Form, id: &str, group: &ReplicationGroup, immediately: bool) -> Result<Change, Refusal> {
    // What a group has already is no change.
    let node_type = node_type(form)?.filter(|node| *node != group.node_type);
    let mut change = Change { node_type, ..Change::default() };
    version(&mut change, form, group)?;
    let engine = change.engine.as_deref().unwrap_or(&group.engine);
    let version = change.engine_version.clone().unwrap_or_else(|| group.engine_version.clone());
    let family = engine::family(engine, &version);
    match form.get("CacheParameterGroupName").map(str::to_lowercase) {
        Some(name) => {
            let chosen = state.fitting_parameter_group(&name, &family)?;
            if chosen.parameters.get("cluster-enabled").is_some_and(|on| on == "yes") != group.cluster_enabled {
                return Err(combination("The parameter group must have the same cluster mode as the replication group."));
            }
            change.parameter_group = Some(name).filter(|name| *name != group.parameter_group_name());
        }
        // A custom group of the old family cannot follow a change of family; a default one does by itself.
        None if group.parameter_group.is_some() && family != group.family() => {
            return Err(combination(format!("Upgrading to family {family} needs a CacheParameterGroupName of that family.")));
        }
        None => {}
    }
    failover(&mut change, form, id, group)?;
    change.log_delivery = log_delivery(form, &group.log_delivery, &version)?.filter(|next| *next != group.log_delivery);
    transit(&mut change, form, group, immediately)?;
    change.auth = token(form, group, &change, immediately)?;
    Ok(change)
}

fn version(change: &mut Change, form: &Form, group: &ReplicationGroup) -> Result<(), Refusal> {
    let engine = word(form, "Engine", &["redis", "valkey", "memcached"])?.unwrap_or(&group.engine).to_owned();
    let wanted = form.get("EngineVersion");
    if engine == group.engine && wanted.is_none() {
        return Ok(());
    }
    let target = engine::resolve(&engine, wanted)?;
    // `7.1` names what a group on 7.1.0 has already.
    let same = wanted.is_some_and(|wanted| numbers(wanted)[..2] == numbers(&group.engine_version)[..2] && wanted.split('.').count() < 3);
    let target = if same && engine == group.engine { group.engine_version.clone() } else { target };
    engine::upgrade(&group.engine, &group.engine_version, &engine, &target)?;
    if engine != group.engine {
        change.engine = Some(engine);
    }
    if target != group.engine_version {
        change.engine_version = Some(target);
    }
    Ok(())
}

fn failover(change: &mut Change, form: &Form, id: &str, group: &ReplicationGroup) -> Result<(), Refusal> {
    let (failover, multi_az) = (form.bool("AutomaticFailoverEnabled")?, form.bool("MultiAZEnabled")?);
    let after = (failover.unwrap_or(group.automatic_failover), multi_az.unwrap_or(group.multi_az));
    if failover == Some(true) && group.nodes < 2 {
        return Err(combination("Automatic failover needs a replication group with at least one replica."));
    }
    if failover == Some(false) && group.cluster_enabled {
        return Err(combination("Automatic failover cannot be disabled for cluster mode enabled replication groups."));
    }
    if after == (false, true) {
        return Err(combination("Multi-AZ needs automatic failover to be enabled."));
    }
    if multi_az == Some(true) && group.nodes < 2 {
        return Err(combination("Multi-AZ needs a replication group with at least one replica."));
    }
    change.automatic_failover = failover.filter(|on| *on != group.automatic_failover);
    change.multi_az = multi_az.filter(|on| *on != group.multi_az);
    if let Some(cluster) = form.get("PrimaryClusterId").map(str::to_lowercase) {
        if after.0 || group.cluster_enabled {
            return Err(combination("A primary can only be chosen while automatic failover is disabled."));
        }
        let member = group.members(id).into_iter().find(|member| member.id == cluster).ok_or_else(|| no_cluster(&cluster))?;
        change.primary = Some((member.shard, member.number)).filter(|_| !member.primary);
    }
    Ok(())
}

/// Transit encryption in place: none -> preferred -> required, and back the same way.
fn transit(change: &mut Change, form: &Form, group: &ReplicationGroup, immediately: bool) -> Result<(), Refusal> {
    let enabled = form.bool("TransitEncryptionEnabled")?;
    let mode = word(form, "TransitEncryptionMode", &["preferred", "required"])?;
    if enabled.is_none() && mode.is_none() {
        return Ok(());
    }
    let on = group.transit_encryption != Transit::None;
    // Also when nothing would change. [aws-controllers-k8s/community#2536, for groups with a token]
    if !group.auth.tokens.is_empty() {
        return Err(combination("Modification of transit encryption is not supported for access control enabled clusters."));
    }
    if numbers(&group.engine_version) < TRANSIT_IN_PLACE {
        return Err(combination("Modification of transit encryption is only supported from engine version 7.0.5 on."));
    }
    if enabled == Some(on) {
        return Err(combination(format!("Transit encryption is already {}.", if on { "enabled" } else { "disabled" })));
    }
    if !immediately {
        return Err(combination("Modification of transit encryption must be applied immediately."));
    }
    let next = match (group.transit_encryption, enabled, mode) {
        (Transit::None, Some(true), Some("preferred")) => Transit::Preferred,
        (Transit::None, Some(true), _) => {
            return Err(combination("To enable transit encryption, set TransitEncryptionMode to preferred first."));
        }
        (Transit::None, _, _) => return Err(combination("To modify transit encryption mode, set encryption-in-transit as enabled.")),
        (Transit::Preferred, Some(false), None) => Transit::None,
        (Transit::Required, Some(false), _) => {
            return Err(combination("To disable transit encryption, set TransitEncryptionMode to preferred first."));
        }
        (_, Some(false), Some(_)) => return Err(combination("TransitEncryptionMode needs transit encryption to be enabled.")),
        (Transit::Preferred, _, Some("required")) => Transit::Required,
        (Transit::Required, _, Some("preferred")) => Transit::Preferred,
        (same, _, _) => return Err(combination(format!("Transit encryption mode is already {}.", same.mode().unwrap_or("none")))),
    };
    change.transit_encryption = Some(next);
    Ok(())
}

fn token(form: &Form, group: &ReplicationGroup, change: &Change, immediately: bool) -> Result<Option<AuthChange>, Refusal> {
    let strategy = word(form, "AuthTokenUpdateStrategy", &["SET", "ROTATE", "DELETE"])?;
    if form.has("UserGroupIdsToAdd") {
        // The sandbox knows no user groups, so none that is named exists.
        return Err(Refusal::new(404, "UserGroupNotFound", "User group not found."));
    }
    let token = match (form.get("AuthToken"), strategy) {
        (None, None) => return Ok(None),
        (_, Some("DELETE")) => {
            return Err(combination("AuthTokenUpdateStrategy DELETE is only allowed when transitioning to role-based access control."));
        }
        (None, Some(_)) => return Err(combination("AuthToken and AuthTokenUpdateStrategy must be specified together.")),
        (Some(token), _) => token,
    };
    if group.transit_encryption == Transit::None {
        return Err(combination("AUTH token modification is only supported when encryption-in-transit is enabled."));
    }
    if group.transit_encryption == Transit::Preferred || change.transit_encryption.is_some() {
        return Err(combination("AUTH token modification is only supported when TransitEncryptionMode is required."));
    }
    if numbers(&group.engine_version) < TOKEN_CHANGE {
        return Err(combination("AUTH token modification is only supported from engine version 5.0.6 on."));
    }
    auth::check_shape(token)?;
    if !immediately {
        return Err(combination("AUTH token modification must be applied immediately."));
    }
    let strategy = if strategy == Some("SET") { Strategy::Set } else { Strategy::Rotate };
    group.auth.plan(strategy, token).map(Some)
}
