//! The way back from a change of an instance or its parameter group, as commands with what was found.

use serde_json::{Value, json};

use super::super::op::{Resetting, Setting, Timing};
use super::super::seen::Instance;
use super::super::{Instances, window};
use super::changes::missing;
use crate::kinds::back::{document, switch, tag_list, word};
use crate::kinds::{Drift, Planning, back};

/// What every command begins with.
fn command(planning: &Planning<'_, Instances>, verb: &str) -> String {
    format!("aws rds {verb} --region {}", planning.scope.region)
}

/// Sets what these drifts change to what was found, as it was asked for. In words, what no request brings back.
pub(super) fn modify<'a>(
    planning: &Planning<'_, Instances>,
    instance: &Instance,
    drifts: impl IntoIterator<Item = &'a Drift>,
    timing: Timing,
) -> String {
    let (mut options, mut stay, mut lost): (Vec<String>, Vec<&str>, Option<String>) = Default::default();
    for drift in drifts {
        if let ("backupRetentionDays", Some(days)) = (drift.field.as_str(), drift.found.as_i64()) {
            lost = Some(format!("; automated backups beyond {days} days are deleted by it"));
        }
        if drift.field == "maxAllocatedStorageGiB" && !drift.found.is_null() {
            lost.get_or_insert_with(|| "; RDS refuses it once the storage has grown beyond that".to_owned());
        }
        match option(instance, drift) {
            Some(option) if options.contains(&option) => {}
            Some(option) => options.push(option),
            None => stay.push(&drift.field),
        }
    }
    // What goes with its switch needs no word.
    stay.retain(|field| *field != "performanceInsights.retentionDays" && *field != "enhancedMonitoring.roleArn" || options.is_empty());
    let when = match timing {
        Timing::Immediately => " --apply-immediately",
        Timing::Regardless | Timing::MaintenanceWindow => " --no-apply-immediately",
    };
    let head = command(planning, "modify-db-instance");
    let command = format!("`{head} --db-instance-identifier {} {}{when}`", word(planning.id), options.join(" "));
    match (options.is_empty(), stay.is_empty()) {
        (false, true) => format!("{command}{}", lost.unwrap_or_default()),
        (false, false) => format!("{command}: {} stays{}", stay.join(", "), lost.unwrap_or_default()),
        (true, _) => format!("nothing: RDS takes {} back by no request", stay.join(", ")),
    }
}

/// <https://docs.aws.amazon.com/cli/latest/reference/rds/modify-db-instance.html>
fn option(instance: &Instance, drift: &Drift) -> Option<String> {
    let found = &drift.found;
    let flag = |name: &str| Some(switch(name, found.as_bool()?));
    let number = |name: &str| Some(format!("--{name} {}", found.as_i64()?));
    let text = |name: &str| Some(format!("--{name} {}", word(found.as_str()?)));
    let window = |name: &str| Some(format!("--{name} {}", word(&window::written(found.as_str()?))));
    match drift.field.as_str() {
        "backupRetentionDays" => number("backup-retention-period"),
        "backupWindow" => window("preferred-backup-window"),
        "maintenanceWindow" => window("preferred-maintenance-window"),
        "multiAz" => flag("multi-az"),
        // "To turn off storage autoscaling, set MaxAllocatedStorage to the same value as the current allocated storage" (user guide).
        "maxAllocatedStorageGiB" if found.is_null() => Some(format!("--max-allocated-storage {}", instance.allocated_gib?)),
        "maxAllocatedStorageGiB" => number("max-allocated-storage"),
        "deletionProtection" => flag("deletion-protection"),
        "performanceInsights.enabled" => flag("enable-performance-insights"),
        "performanceInsights.retentionDays" => number("performance-insights-retention-period"),
        "enhancedMonitoring.intervalSeconds" => Some(format!("--monitoring-interval {}", found.as_i64().unwrap_or(0))),
        "enhancedMonitoring.roleArn" => text("monitoring-role-arn"),
        "logExports" => {
            let exports = document(&json!({"DisableLogTypes": missing(drift)}));
            Some(format!("--cloudwatch-logs-export-configuration {exports}"))
        }
        "publiclyAccessible" => flag("publicly-accessible"),
        "iamAuthentication" => flag("enable-iam-database-authentication"),
        "autoMinorVersionUpgrade" => flag("auto-minor-version-upgrade"),
        "copyTagsToSnapshots" => flag("copy-tags-to-snapshot"),
        "caCertificate" => text("ca-certificate-identifier"),
        _ => None,
    }
}

pub(super) fn tags<'a>(planning: &Planning<'_, Instances>, arn: &str, drifts: impl IntoIterator<Item = &'a Drift>) -> String {
    let of = |verb: &str| format!("{} --resource-name {}", command(planning, verb), word(arn));
    back::tags(
        drifts,
        |found| format!("{} --tags {}", of("add-tags-to-resource"), tag_list(found)),
        |keys| format!("{} --tag-keys {}", of("remove-tags-from-resource"), document(&json!(keys))),
    )
}

/// Deletes a parameter group that is made.
pub(in crate::kinds::rds) fn delete_group(planning: &Planning<'_, Instances>, group: &str) -> String {
    let head = command(planning, "delete-db-parameter-group");
    format!("`{head} --db-parameter-group-name {}`, once nothing uses it", word(group))
}

/// Has the instance use its former group again.
pub(in crate::kinds::rds) fn attach(planning: &Planning<'_, Instances>, group: &str) -> String {
    let of = |verb: &str| format!("{} --db-instance-identifier {}", command(planning, verb), word(planning.id));
    format!("`{} --db-parameter-group-name {}`, then `{}`", of("modify-db-instance"), word(group), of("reboot-db-instance"))
}

/// Gives parameters of a group the values that they had; what nobody had set goes back to the engine's default.
pub(in crate::kinds::rds) fn parameters<'n>(
    planning: &Planning<'_, Instances>,
    group: &str,
    parameters: impl IntoIterator<Item = (&'n str, bool)>,
) -> String {
    let own = planning.seen.own.present().filter(|own| own.name == group).map(|own| &own.parameters);
    let is_attached = planning.seen.instance.present().and_then(|instance| instance.group.as_ref()).is_some_and(|one| one.name == group);
    let known = own.or(planning.seen.attached.present().filter(|_| is_attached));
    let Some(known) = known else { return "nothing of its own: the parameter group is new, and goes as a whole".to_owned() };
    let (mut set, mut reset): (Vec<Value>, Vec<Value>) = Default::default();
    for (name, restarts) in parameters {
        let method = if restarts { "pending-reboot" } else { "immediate" };
        match known.get(name).filter(|parameter| parameter.set).and_then(|parameter| parameter.value.as_deref()) {
            Some(value) => set.push(json!({"ParameterName": name, "ParameterValue": value, "ApplyMethod": method})),
            None => reset.push(json!({"ParameterName": name, "ApplyMethod": method})),
        }
    }
    let of = |verb: &str, parameters: Vec<Value>, all: &str| {
        let head = command(planning, verb);
        let parameters = document(&Value::Array(parameters));
        format!("`{head} --db-parameter-group-name {}{all} --parameters {parameters}`", word(group))
    };
    let commands = [
        (!set.is_empty()).then(|| of("modify-db-parameter-group", set, "")),
        // "By default, all parameters in the DB parameter group are reset" (ResetDBParameterGroup).
        (!reset.is_empty()).then(|| of("reset-db-parameter-group", reset, " --no-reset-all-parameters")),
    ];
    commands.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

pub(in crate::kinds::rds) fn set(settings: &[Setting]) -> impl Iterator<Item = (&str, bool)> {
    settings.iter().map(|one| (one.name.as_str(), one.restarts))
}

pub(in crate::kinds::rds) fn reset(resets: &[Resetting]) -> impl Iterator<Item = (&str, bool)> {
    resets.iter().map(|one| (one.name.as_str(), one.restarts))
}
