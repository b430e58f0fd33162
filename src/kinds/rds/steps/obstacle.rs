//! What keeps a difference from being repaired.

use super::super::seen::Instance;
use super::super::{Instances, window};
use super::changes::missing;
use crate::kinds::{Drift, Planning, Reason};

/// Fields that belong to the cluster where the instance is a member of one (ModifyDBInstance: "doesn't apply to Amazon Aurora DB
/// instances"; storage and its growth are the cluster's volume).
const OF_THE_CLUSTER: &[&str] = &[
    "backupRetentionDays",
    "backupWindow",
    "multiAz",
    "maxAllocatedStorageGiB",
    "deletionProtection",
    "logExports",
    "iamAuthentication",
    "copyTagsToSnapshots",
    "storageEncrypted.enabled",
    "storageEncrypted.kmsKeyId",
];

/// What keeps one difference from being repaired.
pub(super) fn obstacle(planning: &Planning<'_, Instances>, instance: &Instance, drift: &Drift) -> Option<(Reason, String, String)> {
    let field = drift.field.as_str();
    let declares = |field: &str| planning.drift(field);
    if let Some(cluster) = instance.cluster.as_deref().filter(|_| OF_THE_CLUSTER.contains(&field)) {
        return Some((
            Reason::NotSupported,
            format!("the instance is a member of the cluster {cluster}, to which {field} belongs"),
            "set it on the cluster, and take it out of this entry".to_owned(),
        ));
    }
    match field {
        "maxAllocatedStorageGiB" => {
            let (allocated, declared) = (i64::from(instance.allocated_gib?), drift.declared.as_i64()?);
            // "At least 10 % more than the allocated storage" (user guide, storage autoscaling).
            (declared * 10 < allocated * 11).then(|| {
                (
                    Reason::InvalidWish,
                    format!("{allocated} GiB are allocated: a limit of {declared} GiB leaves less than 10 % to grow by"),
                    format!("declare at least {} GiB", (allocated * 11 + 9) / 10),
                )
            })
        }
        "backupWindow" | "maintenanceWindow" => {
            let of = |field: &str, found: &Option<String>| match declares(field) {
                Some(drift) => drift.declared.as_str().map(str::to_owned),
                None => found.clone(),
            };
            let daily = of("backupWindow", &instance.backup_window)?;
            let weekly = of("maintenanceWindow", &instance.maintenance_window)?;
            window::overlap(window::daily(&daily)?, window::weekly(&weekly)?).then(|| {
                (
                    Reason::InvalidWish,
                    format!("the backup window {daily} and the maintenance window {weekly} would overlap, which RDS refuses"),
                    "declare both windows, apart from each other".to_owned(),
                )
            })
        }
        "performanceInsights.kmsKeyId" if instance.insights_enabled => Some((
            Reason::NotSupported,
            "the key of Performance Insights is chosen as it is turned on, and fixed from then on".to_owned(),
            "declare the key that it has, or turn it off and on again by hand (its records are lost)".to_owned(),
        )),
        "performanceInsights.kmsKeyId" | "performanceInsights.retentionDays"
            if !instance.insights_enabled && declares("performanceInsights.enabled").is_none() =>
        {
            Some((
                Reason::InvalidWish,
                "Performance Insights is off, and the manifest does not turn it on".to_owned(),
                "declare performanceInsights.enabled: true".to_owned(),
            ))
        }
        "enhancedMonitoring.intervalSeconds" if instance.monitoring_role.is_none() && declares("enhancedMonitoring.roleArn").is_none() => {
            Some((
                Reason::InvalidWish,
                "enhanced monitoring needs a role, and the instance has none".to_owned(),
                "declare enhancedMonitoring.roleArn".to_owned(),
            ))
        }
        "enhancedMonitoring.roleArn" if instance.monitoring_seconds == 0 && declares("enhancedMonitoring.intervalSeconds").is_none() => {
            Some((
                Reason::InvalidWish,
                "enhanced monitoring is off, and takes no role".to_owned(),
                "declare enhancedMonitoring.intervalSeconds".to_owned(),
            ))
        }
        "logExports" => {
            let engine = planning.seen.engine.present()?;
            let unknown: Vec<&str> =
                missing(drift).into_iter().filter(|name| !engine.log_types.iter().any(|known| known == name)).collect();
            (!engine.log_types.is_empty() && !unknown.is_empty()).then(|| {
                (
                    Reason::NotSupported,
                    format!("the engine has no log called {}; it has {}", unknown.join(", "), engine.log_types.join(", ")),
                    "declare logs that it has".to_owned(),
                )
            })
        }
        _ => None,
    }
}
