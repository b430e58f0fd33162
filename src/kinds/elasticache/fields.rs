//! Everything of a replication group that can be declared and compared.

use serde_json::{Value, json};

use super::ReplicationGroups;
use super::seen::{Seen, plain, transit_satisfies, version_satisfies};
use super::spec::ReplicationGroupSpec;
use super::window;
use crate::kinds::{Control, Fact, Field, Impact, Rule};

/// Controls of AWS Foundational Security Best Practices.
macro_rules! fsbp {
    ($id:literal) => {
        &[Control { benchmark: "FSBP", id: $id }]
    };
}

const fn field(
    path: &'static str,
    wish: fn(&ReplicationGroupSpec) -> Option<Value>,
    fact: fn(&Seen) -> Fact<Value>,
) -> Field<ReplicationGroups> {
    Field::new(path, wish, fact)
}

pub const FIELDS: &[Field<ReplicationGroups>] = &[
    field("atRestEncryption.enabled", |spec| spec.at_rest_encryption.as_ref()?.enabled.map(Value::Bool), |seen| seen.at_rest())
        // It cannot be turned off, and nothing is ever weakened.
        .rule(Rule::Own(|found, declared| found == declared || *found == Value::Bool(true)))
        .controls(fsbp!("ElastiCache.4")),
    field(
        "atRestEncryption.kmsKeyId",
        |spec| spec.at_rest_encryption.as_ref()?.kms_key_id.clone().map(Value::String),
        |seen| seen.kms_key(),
    ),
    field("transitEncryption", |spec| spec.transit_encryption.map(|wish| json!(wish.word())), |seen| seen.transit())
        .rule(Rule::OwnAtLeast(transit_satisfies))
        .impact(|_, declared| if declared.as_str() == Some("Required") { Impact::Disruptive } else { Impact::Online })
        .controls(fsbp!("ElastiCache.5")),
    field("auth", |spec| spec.auth_value(), |seen| seen.auth()).impact(|_, _| Impact::Disruptive).controls(fsbp!("ElastiCache.6")),
    field("automaticFailover", |spec| spec.automatic_failover.map(Value::Bool), |seen| seen.failover()).controls(fsbp!("ElastiCache.3")),
    field("multiAz", |spec| spec.multi_az.map(Value::Bool), |seen| seen.multi_az())
        // Two nodes of one zone are lost with it.
        .impact(|_, declared| if *declared == Value::Bool(false) { Impact::Disruptive } else { Impact::Online }),
    field("snapshotRetentionDays", |spec| spec.snapshot_retention_days.map(Value::from), |seen| seen.retention_days())
        .rule(Rule::AtLeast)
        .controls(fsbp!("ElastiCache.1")),
    field("snapshotWindow", |spec| spec.snapshot_window.clone().map(Value::String), |seen| seen.snapshot_window())
        .rule(Rule::Own(same_window)),
    field("maintenanceWindow", |spec| spec.maintenance_window.clone().map(Value::String), |seen| seen.maintenance_window())
        .rule(Rule::Own(same_window)),
    field("parameterGroup", |spec| spec.parameter_group_name().map(Value::String), |seen| seen.parameter_group_name()),
    // Not a wish of its own: what a declared group holds is declared to be in force, not only to stand in it.
    field("parametersInForce", |spec| spec.parameter_group.as_ref().map(|_| Value::Bool(true)), |seen| seen.parameters_in_force())
        .implied_by("parameterGroup"),
    field("parameters", |spec| spec.parameter_values().map(Value::Object), |seen| seen.parameters())
        .keyed()
        .rule(Rule::Own(|found, declared| plain(found) == plain(declared))),
    field("logDelivery.slowLog", |spec| spec.log_delivery.as_ref()?.slow_log.as_ref().map(|log| json!(log)), |seen| seen.log("slow-log")),
    field(
        "logDelivery.engineLog",
        |spec| spec.log_delivery.as_ref()?.engine_log.as_ref().map(|log| json!(log)),
        |seen| seen.log("engine-log"),
    ),
    field("notificationTopicArn", |spec| spec.notification_topic_arn.clone().map(Value::String), |seen| seen.topic()),
    field("autoMinorVersionUpgrade", |spec| spec.auto_minor_version_upgrade.map(Value::Bool), |seen| seen.auto_minor())
        .controls(fsbp!("ElastiCache.2")),
    field("engineVersion", |spec| spec.engine_version.clone().map(Value::String), |seen| seen.engine_version())
        .rule(Rule::OwnAtLeast(version_satisfies))
        .impact(|_, _| Impact::Disruptive),
    // Not a wish of its own: a move that was begun is brought to its end.
    field("migration.finished", |spec| spec.migration.as_ref().map(|_| Value::Bool(true)), |seen| seen.moved())
        .implied_by("migration")
        .must_end(),
    field("tags", |spec| spec.tags.as_ref().map(|tags| json!(tags)), |seen| seen.tag_values()).keyed(),
];

fn same_window(found: &Value, declared: &Value) -> bool {
    matches!((found.as_str(), declared.as_str()), (Some(found), Some(declared)) if window::normal(found) == window::normal(declared))
}
