//! Every field of an instance that can be declared and compared.

use serde_json::{Value, json};

use super::values::{same, watches};
use super::window::{same_daily, same_weekly};
use super::{InstanceSpec, Instances, Seen};
use crate::kinds::{Control, Field, Impact, Rule};

const fn fsbp(id: &'static str) -> Control {
    Control { benchmark: "FSBP", id }
}

const fn cis(id: &'static str) -> Control {
    Control { benchmark: "CIS", id }
}

fn value<T: serde::Serialize>(declared: &Option<T>) -> Option<Value> {
    declared.as_ref().map(|declared| json!(declared))
}

fn text(same: fn(&str, &str) -> bool, found: &Value, declared: &Value) -> bool {
    found.as_str().zip(declared.as_str()).is_some_and(|(found, declared)| same(found, declared))
}

/// The fields, in the order in which they are shown.
///
/// Sources of the controls: the AWS Foundational Security Best Practices controls for RDS, and CIS AWS Foundations Benchmark 3.0.0.
pub const FIELDS: &[Field<Instances>] = &[
    Field::new(
        "parameters",
        |spec: &InstanceSpec| {
            let parameters = spec.parameters.as_ref()?;
            Some(Value::Object(parameters.keys().filter_map(|name| Some((name.clone(), spec.parameter(name)?))).collect()))
        },
        |seen: &Seen| seen.parameters.clone().map(Value::Object),
    )
    .keyed()
    .rule(Rule::Own(same))
    .controls(&[fsbp("RDS.38"), fsbp("RDS.39")]),
    // Not a wish of its own: parameters are declared to be in force, not only to stand in a group. What is restarted for it: restart.rs.
    Field::new(
        "parametersInForce",
        |spec: &InstanceSpec| spec.parameters.as_ref().filter(|parameters| !parameters.is_empty()).map(|_| Value::Bool(true)),
        |seen: &Seen| seen.of(|instance| instance.group.as_ref().map(|group| group.status == "in-sync")),
    )
    .implied_by("parameters")
    .impact(|_, _| Impact::Disruptive),
    Field::new(
        "backupRetentionDays",
        |spec: &InstanceSpec| value(&spec.backup_retention_days),
        |seen: &Seen| seen.or_waiting(|instance| instance.backup_retention_days, |pending| pending.backup_retention_days),
    )
    .rule(Rule::AtLeast)
    // "Enabling and disabling backups can result in a brief I/O suspension" (ModifyDBInstance).
    .impact(|found, _| if found.as_i64() == Some(0) { Impact::Disruptive } else { Impact::Online })
    .controls(&[fsbp("RDS.11")]),
    Field::new(
        "backupWindow",
        |spec: &InstanceSpec| value(&spec.backup_window),
        |seen: &Seen| seen.of(|instance| instance.backup_window.clone()),
    )
    .rule(Rule::Own(|found, declared| text(same_daily, found, declared))),
    Field::new(
        "maintenanceWindow",
        |spec: &InstanceSpec| value(&spec.maintenance_window),
        |seen: &Seen| seen.of(|instance| instance.maintenance_window.clone()),
    )
    .rule(Rule::Own(|found, declared| text(same_weekly, found, declared))),
    Field::new(
        "multiAz",
        |spec: &InstanceSpec| value(&spec.multi_az),
        |seen: &Seen| seen.or_waiting(|instance| Some(instance.multi_az), |pending| pending.multi_az),
    )
    .controls(&[fsbp("RDS.5")]),
    Field::new(
        "maxAllocatedStorageGiB",
        |spec: &InstanceSpec| value(&spec.max_allocated_storage_gib),
        |seen: &Seen| seen.of(|instance| instance.max_allocated_storage_gib),
    )
    .rule(Rule::AtLeast),
    Field::new(
        "deletionProtection",
        |spec: &InstanceSpec| value(&spec.deletion_protection),
        |seen: &Seen| seen.of(|instance| Some(instance.deletion_protection)),
    )
    .controls(&[fsbp("RDS.8")]),
    Field::new(
        "performanceInsights.enabled",
        |spec: &InstanceSpec| value(&spec.performance_insights.as_ref()?.enabled),
        |seen: &Seen| seen.of(|instance| Some(instance.insights_enabled)),
    ),
    Field::new(
        "performanceInsights.kmsKeyId",
        |spec: &InstanceSpec| value(&spec.performance_insights.as_ref()?.kms_key_id),
        |seen: &Seen| seen.insights_key.clone().map(Value::String),
    ),
    Field::new(
        "performanceInsights.retentionDays",
        |spec: &InstanceSpec| value(&spec.performance_insights.as_ref()?.retention_days),
        |seen: &Seen| seen.of(|instance| instance.insights_days),
    )
    .rule(Rule::AtLeast),
    Field::new(
        "enhancedMonitoring.intervalSeconds",
        |spec: &InstanceSpec| value(&spec.enhanced_monitoring.as_ref()?.interval_seconds),
        |seen: &Seen| seen.of(|instance| Some(instance.monitoring_seconds)),
    )
    // The shorter, the more is seen.
    .rule(Rule::OwnAtLeast(|found, declared| {
        found.as_i64().zip(declared.as_i64()).is_some_and(|(found, declared)| watches(found, declared))
    }))
    .controls(&[fsbp("RDS.6")]),
    Field::new(
        "enhancedMonitoring.roleArn",
        |spec: &InstanceSpec| value(&spec.enhanced_monitoring.as_ref()?.role_arn),
        |seen: &Seen| seen.of(|instance| instance.monitoring_role.clone()),
    ),
    Field::new(
        "logExports",
        |spec: &InstanceSpec| value(&spec.log_exports),
        |seen: &Seen| seen.of(|instance| Some(instance.log_exports.clone())),
    )
    .rule(Rule::Superset)
    .controls(&[fsbp("RDS.9"), fsbp("RDS.36")]),
    Field::new(
        "publiclyAccessible",
        |spec: &InstanceSpec| value(&spec.publicly_accessible),
        |seen: &Seen| seen.of(|instance| instance.publicly_accessible),
    )
    // Off, clients outside the network lose it; on, whoever is outside may reach it.
    .impact(|_, _| Impact::Disruptive)
    .controls(&[fsbp("RDS.2"), cis("3.0.0/2.3.3")]),
    Field::new(
        "iamAuthentication",
        |spec: &InstanceSpec| value(&spec.iam_authentication),
        |seen: &Seen| seen.or_waiting(|instance| Some(instance.iam_authentication), |pending| pending.iam_authentication),
    )
    .controls(&[fsbp("RDS.10")]),
    Field::new(
        "autoMinorVersionUpgrade",
        |spec: &InstanceSpec| value(&spec.auto_minor_version_upgrade),
        |seen: &Seen| seen.of(|instance| Some(instance.auto_minor_version_upgrade)),
    )
    .controls(&[fsbp("RDS.13"), cis("3.0.0/2.3.2")]),
    Field::new(
        "copyTagsToSnapshots",
        |spec: &InstanceSpec| value(&spec.copy_tags_to_snapshots),
        |seen: &Seen| seen.of(|instance| Some(instance.copy_tags_to_snapshots)),
    )
    .controls(&[fsbp("RDS.17")]),
    Field::new(
        "caCertificate",
        |spec: &InstanceSpec| value(&spec.ca_certificate),
        |seen: &Seen| seen.or_waiting(|instance| instance.ca_certificate.clone(), |pending| pending.ca_certificate.clone()),
    )
    .impact(|_, _| Impact::Disruptive),
    Field::new("tags", |spec: &InstanceSpec| value(&spec.tags), |seen: &Seen| seen.of(|instance| Some(instance.tags.clone()))).keyed(),
    Field::new(
        "storageEncrypted.enabled",
        |spec: &InstanceSpec| value(&spec.storage_encrypted.as_ref()?.enabled),
        |seen: &Seen| seen.of(|instance| Some(instance.encrypted)),
    )
    // It cannot be turned off, and nothing is ever weakened.
    .rule(Rule::Own(|found, declared| found == declared || *found == Value::Bool(true)))
    .impact(|_, _| Impact::Disruptive)
    .controls(&[fsbp("RDS.3"), cis("3.0.0/2.3.1")]),
    Field::new(
        "storageEncrypted.kmsKeyId",
        |spec: &InstanceSpec| value(&spec.storage_encrypted.as_ref()?.kms_key_id),
        |seen: &Seen| seen.storage_key.clone().map(Value::String),
    )
    .impact(|_, _| Impact::Disruptive),
];
