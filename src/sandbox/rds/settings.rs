//! What RDS demands of the settings of an instance, at its creation and in a change.

use std::collections::BTreeSet;

use super::state::{Instance, Monitoring, PerformanceInsights};
use super::{engines, refusals, window};
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;

pub fn class(name: &str) -> Result<String, Refusal> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        ["db", family, size] if !family.is_empty() && !size.is_empty() => Ok(name.to_owned()),
        _ => Err(refusals::value(format!("Invalid DB Instance class: {name}"))),
    }
}

pub fn retention(days: i64) -> Result<i64, Refusal> {
    match days {
        0..=35 => Ok(days),
        _ => Err(refusals::value(format!("Invalid backup retention period: {days}. Must be between 0 and 35."))),
    }
}

/// Both windows, whichever of them the request sets.
pub fn windows(instance: &mut Instance, form: &Form) -> Result<(), Refusal> {
    let (backup, maintenance) = (form.get("PreferredBackupWindow"), form.get("PreferredMaintenanceWindow"));
    if backup.is_none() && maintenance.is_none() {
        return Ok(());
    }
    let backup = backup.unwrap_or(&instance.backup_window).to_ascii_lowercase();
    let maintenance = maintenance.unwrap_or(&instance.maintenance_window).to_ascii_lowercase();
    let daily = window::daily(&backup).map_err(|why| refusals::value(format!("Invalid backup window {backup}: {why}.")))?;
    let weekly =
        window::weekly(&maintenance).map_err(|why| refusals::value(format!("Invalid maintenance window {maintenance}: {why}.")))?;
    if window::overlap(daily, weekly) {
        return Err(refusals::combination("The backup window and maintenance window must not overlap."));
    }
    instance.backup_window = backup;
    instance.maintenance_window = maintenance;
    Ok(())
}

/// The upper limit of storage that grows by itself. The size that is allocated turns the growth off.
pub fn max_storage(limit: i64, allocated: i64) -> Result<Option<i64>, Refusal> {
    if limit == allocated {
        return Ok(None);
    }
    // User guide, "Managing capacity automatically with storage autoscaling": at least 10 % more.
    if limit.saturating_mul(10) < allocated.saturating_mul(11) {
        return Err(refusals::combination(format!(
            "Invalid max storage size: {limit}. It must be at least 10 percent greater than the allocated storage of {allocated} GiB."
        )));
    }
    match limit {
        ..=65536 => Ok(Some(limit)),
        _ => Err(refusals::combination(format!("Invalid max storage size: {limit}. The maximum is 65536 GiB."))),
    }
}

pub fn storage_type(name: &str) -> Result<String, Refusal> {
    match name {
        "gp2" | "gp3" | "io1" | "io2" | "standard" => Ok(name.to_owned()),
        _ => Err(refusals::value(format!("Invalid storage type: {name}"))),
    }
}

/// Performance Insights after the request; None where it says nothing of it.
pub fn performance_insights(instance: &Instance, class: &str, form: &Form) -> Result<Option<PerformanceInsights>, Refusal> {
    let enable = form.bool("EnablePerformanceInsights")?;
    let key = form.get("PerformanceInsightsKMSKeyId");
    let days = form.int("PerformanceInsightsRetentionPeriod")?;
    let now = &instance.performance_insights;
    if enable.is_none() && key.is_none() && days.is_none() {
        return Ok(None);
    }
    if !enable.unwrap_or(now.enabled) {
        if key.is_some() || days.is_some() {
            return Err(refusals::combination(
                "PerformanceInsightsKMSKeyId and PerformanceInsightsRetentionPeriod need Performance Insights to be enabled.",
            ));
        }
        return Ok(Some(PerformanceInsights::default()));
    }
    if !engines::performance_insights(&instance.engine, class) {
        return Err(refusals::combination("Performance Insights not supported for this configuration."));
    }
    if let Some(days) = days {
        let months = days % 31 == 0 && (1..=23).contains(&(days / 31));
        if days != 7 && days != 731 && !months {
            return Err(refusals::value(format!("Invalid Performance Insights retention period: {days}")));
        }
    }
    if now.enabled && key.is_some_and(|key| now.kms_key_id.as_deref() != Some(key)) {
        return Err(refusals::combination("You can't change the KMS key of Performance Insights while it is enabled."));
    }
    let key = key.map(str::to_owned).or_else(|| now.kms_key_id.clone().filter(|_| now.enabled));
    Ok(Some(PerformanceInsights { enabled: true, kms_key_id: key, retention_period: days.or(now.retention_period).or(Some(7)) }))
}

/// Enhanced monitoring after the request; None where it says nothing of it.
pub fn monitoring(now: &Monitoring, form: &Form) -> Result<Option<Monitoring>, Refusal> {
    let interval = form.int("MonitoringInterval")?;
    let role = form.get("MonitoringRoleArn").filter(|role| !role.is_empty());
    if interval.is_none() && role.is_none() {
        return Ok(None);
    }
    match interval.unwrap_or(now.interval) {
        0 if role.is_some() => Err(refusals::combination(
            "You must specify a MonitoringInterval value other than 0 when you specify a MonitoringRoleARN value.",
        )),
        0 => Ok(Some(Monitoring::default())),
        interval @ (1 | 5 | 10 | 15 | 30 | 60) => match role.map(str::to_owned).or_else(|| now.role_arn.clone()) {
            Some(role) if !role.starts_with("arn:aws:iam::") => Err(refusals::value(format!("Invalid MonitoringRoleARN: {role}"))),
            Some(role) => Ok(Some(Monitoring { interval, role_arn: Some(role) })),
            None => {
                Err(refusals::combination("A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0."))
            }
        },
        other => Err(refusals::value(format!("Invalid monitoring interval: {other}. Valid values are 0, 1, 5, 10, 15, 30, 60."))),
    }
}

pub fn security_groups(form: &Form) -> Result<Option<BTreeSet<String>>, Refusal> {
    if !form.has("VpcSecurityGroupIds") {
        return Ok(None);
    }
    let groups: BTreeSet<String> = form.list("VpcSecurityGroupIds").into_iter().collect();
    match groups.iter().find(|group| !group.starts_with("sg-")) {
        Some(group) => Err(refusals::value(format!("Invalid security group: {group}"))),
        None => Ok(Some(groups)),
    }
}
