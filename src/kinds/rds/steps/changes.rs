//! Differences, as ModifyDBInstance takes them.

use serde_json::Value;

use super::super::op::Changes;
use super::super::seen::Instance;
use super::super::{Instances, window};
use crate::kinds::{Drift, Planning};

impl Changes {
    /// Takes one difference up, into `together` where it is given; whether ModifyDBInstance repairs it at all.
    pub(super) fn take(
        &mut self,
        planning: &Planning<'_, Instances>,
        instance: &Instance,
        drift: &Drift,
        together: Option<&mut Changes>,
    ) -> bool {
        let changes = together.unwrap_or(self);
        let flag = drift.declared.as_bool();
        let number = drift.declared.as_i64().and_then(|number| i32::try_from(number).ok());
        let text = drift.declared.as_str().map(str::to_owned);
        match drift.field.as_str() {
            // Never below what the instance has or is about to have.
            "backupRetentionDays" => {
                changes.backup_retention_days = number.max(instance.backup_retention_days).max(instance.pending.backup_retention_days);
            }
            "backupWindow" => changes.backup_window = text.map(|text| window::written(&text)),
            // RDS wants the days in lower case.
            "maintenanceWindow" => changes.maintenance_window = text.map(|text| window::written(&text)),
            "multiAz" => changes.multi_az = flag,
            "maxAllocatedStorageGiB" => changes.max_allocated_storage_gib = number,
            "deletionProtection" => changes.deletion_protection = flag,
            "performanceInsights.enabled" => changes.performance_insights = flag,
            "performanceInsights.kmsKeyId" => changes.performance_insights_key = text,
            "performanceInsights.retentionDays" => {
                changes.performance_insights_days = number;
                // The three belong to one setting: RDS takes a retention only together with the switch.
                changes.performance_insights = Some(true);
            }
            // The interval and the role go together: "If MonitoringInterval is set to a value other than 0, supply a MonitoringRoleArn". It
            // differs only where it is to be shorter, and so is never 0.
            "enhancedMonitoring.intervalSeconds" => {
                changes.monitoring_seconds = number;
                if changes.monitoring_role.is_none() {
                    changes.monitoring_role.clone_from(&instance.monitoring_role);
                }
            }
            "enhancedMonitoring.roleArn" => {
                changes.monitoring_role = text;
                if changes.monitoring_seconds.is_none() && planning.drift("enhancedMonitoring.intervalSeconds").is_none() {
                    changes.monitoring_seconds = Some(instance.monitoring_seconds);
                }
            }
            "logExports" => changes.log_exports = missing(drift).into_iter().map(str::to_owned).collect(),
            "publiclyAccessible" => changes.publicly_accessible = flag,
            "iamAuthentication" => changes.iam_authentication = flag,
            "autoMinorVersionUpgrade" => changes.auto_minor_version_upgrade = flag,
            "copyTagsToSnapshots" => changes.copy_tags_to_snapshots = flag,
            "caCertificate" => changes.ca_certificate = text,
            _ => return false,
        }
        true
    }
}

/// The declared logs that are not exported.
pub(super) fn missing(drift: &Drift) -> Vec<&str> {
    let names = |value: &'_ Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let found = names(&drift.found);
    drift.declared.as_array().into_iter().flatten().filter_map(Value::as_str).filter(|name| !found.iter().any(|has| has == name)).collect()
}
