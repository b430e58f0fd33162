//! From differences to steps: settings of the instance itself. Parameters have their own file.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::op::{Changes, Op, Timing};
use super::seen::{Instance, Seen, State};
use super::spec::InstanceSpec;
use super::{Instances, parameter_steps, window};
use crate::kinds::{Block, Drift, Impact, Planning, Reason, Step, Steps, back as way_back, few};

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

const MINUTE: Duration = Duration::from_secs(60);
const NEW_WINDOW: &str = "what waits for maintenance happens in the new window";

pub fn steps(planning: &Planning<'_, Instances>) -> Steps<Op> {
    let mut steps = Steps::default();
    let Some(instance) = planning.seen.instance.present() else { return steps };
    encryption(planning, instance, &mut steps);
    let encryption_only = planning.drifts.iter().all(|drift| drift.field.starts_with("storageEncrypted."));
    if encryption_only || !fit(planning, instance, &mut steps) {
        return steps;
    }
    let rest = parameter_steps::in_present_group(planning, instance, &mut steps);
    tags(planning, instance, &mut steps);
    settings(planning, instance, &mut steps);
    parameter_steps::finish(planning, rest, &mut steps);
    steps
}

/// Whether the instance takes changes now or soon.
fn fit(planning: &Planning<'_, Instances>, instance: &Instance, steps: &mut Steps<Op>) -> bool {
    let (message, what_to_do) = match State::of(&instance.status) {
        State::Ready | State::Busy => return true,
        State::Stuck if instance.status == "stopped" => {
            ("the instance is stopped: RDS changes it only while it runs".to_owned(), "start it, then run again".to_owned())
        }
        State::Stuck => (format!("the instance is {}", instance.status), "see in the RDS console what it needs, then run again".to_owned()),
        State::Strange => (
            format!("the instance has a status that holdfast does not know: {:?}", instance.status),
            "wait until it is available, then run again".to_owned(),
        ),
    };
    let fields = planning.drifts.iter().map(|drift| drift.field.clone()).filter(|field| !field.starts_with("storageEncrypted."));
    steps.blocks.push(Block { reason: Reason::UnexpectedState, fields: fields.collect(), message, what_to_do });
    false
}

/// Encryption of storage is fixed when an instance is made: never repaired in place, never by replacing the instance.
fn encryption(planning: &Planning<'_, Instances>, instance: &Instance, steps: &mut Steps<Op>) {
    let fields: Vec<String> = planning.below("storageEncrypted").iter().map(|drift| drift.field.clone()).collect();
    if fields.is_empty() || instance.cluster.is_some() {
        return;
    }
    let message = match instance.encrypted {
        true => "the storage's encryption and its key are fixed when an instance is made; RDS cannot change them in place",
        false => "the storage is not encrypted, and RDS cannot encrypt it in place: that is fixed when an instance is made",
    };
    steps.blocks.push(Block {
        reason: Reason::NeedsMigration,
        fields,
        message: message.to_owned(),
        what_to_do:
            "take a snapshot, copy it with the key, restore the copy as a new instance, move the clients to it; holdfast replaces no \
                     database"
                .to_owned(),
    });
}

fn tags(planning: &Planning<'_, Instances>, instance: &Instance, steps: &mut Steps<Op>) {
    let drifts = planning.below("tags");
    if drifts.is_empty() {
        return;
    }
    let fields: Vec<String> = drifts.iter().map(|drift| drift.field.clone()).collect();
    let Some(arn) = instance.arn.clone() else {
        steps.blocks.push(Block {
            reason: Reason::Unreadable,
            fields,
            message: "RDS did not say the instance's ARN, by which it is tagged".to_owned(),
            what_to_do: "run again".to_owned(),
        });
        return;
    };
    let back = way_back::tags(drifts.iter().copied());
    let (mut set, mut remove) = (BTreeMap::new(), Vec::new());
    for drift in drifts {
        let Some(key) = drift.field.strip_prefix("tags.") else { continue };
        match drift.declared.as_str() {
            Some(value) => drop(set.insert(key.to_owned(), value.to_owned())),
            None => remove.push(key.to_owned()),
        }
    }
    let keys: Vec<&str> = fields.iter().filter_map(|field| field.strip_prefix("tags.")).collect();
    let title = format!("Tag {}: {}", planning.id, few(&keys));
    steps.push(Step::online(title, Op::Tag { arn, set, remove }, fields).back(back));
}

/// Settings that ModifyDBInstance changes: those that nobody notices in one request, the others each in a step of its own.
fn settings(planning: &Planning<'_, Instances>, instance: &Instance, steps: &mut Steps<Op>) {
    let mut together = Changes::default();
    let mut fields: Vec<String> = Vec::new();
    let mut alone: Vec<(&Drift, Changes)> = Vec::new();
    let mut keep = Changes::default();
    let kept: Vec<&Drift> = planning
        .drifts
        .iter()
        .filter(|drift| undone(instance, drift) && obstacle(planning, instance, drift).is_none())
        .filter(|drift| keep.take(planning, instance, drift, None))
        .collect();
    let dropped: Vec<&str> = kept.iter().map(|drift| drift.field.as_str()).collect();
    let waiting = instance.pending.besides(&dropped);
    // Both windows in one request: RDS refuses that they overlap, also on the way.
    let mut windows: Vec<&Drift> = Vec::new();
    let mut shift = Changes::default();
    let moved = planning.drift("maintenanceWindow").is_some() && !waiting.is_empty();
    for drift in planning.drifts {
        if let Some((reason, message, what_to_do)) = obstacle(planning, instance, drift) {
            steps.block(reason, drift.field.clone(), message, what_to_do);
            continue;
        }
        if dropped.contains(&drift.field.as_str()) {
            continue;
        }
        if moved && matches!(drift.field.as_str(), "backupWindow" | "maintenanceWindow") {
            shift.take(planning, instance, drift, None);
            windows.push(drift);
            continue;
        }
        let own_step = match drift.field.as_str() {
            "multiAz" | "iamAuthentication" | "caCertificate" => true,
            "backupRetentionDays" | "publiclyAccessible" => drift.impact > Impact::Online,
            _ => false,
        };
        let mut changes = Changes::default();
        if !changes.take(planning, instance, drift, if own_step { None } else { Some(&mut together) }) {
            continue;
        }
        if own_step {
            alone.push((drift, changes));
        } else {
            fields.push(drift.field.clone());
        }
    }
    // The first request that is made at once takes along all that waits; from then on nothing does, for those that come after it.
    let waits = !instance.pending.besides(&[]).is_empty();
    let mut first: Option<usize> = None;
    if !kept.is_empty() {
        first = Some(steps.push(keep_step(planning, &kept, keep, &waiting)));
    }
    if !fields.is_empty() {
        let title = format!("Set {} of {}", few(&fields), planning.id);
        let back = back(planning.drifts.iter().filter(|drift| fields.contains(&drift.field)));
        let op = Op::Modify { instance: planning.id.to_owned(), changes: together, timing: Timing::Regardless };
        let when = fields.iter().any(|field| field == "maintenanceWindow");
        let takes = if when { NEW_WINDOW } else { "" };
        let paid = planning.drifts.iter().filter(|drift| fields.contains(&drift.field)).filter_map(paid).collect::<Vec<_>>().join("; ");
        // What is dropped must not happen in a new window that is open already.
        let after = first.filter(|_| when);
        let weaker =
            planning.drifts.iter().filter(|drift| fields.contains(&drift.field)).filter_map(weakens).collect::<Vec<_>>().join("; ");
        let step = Step::online(title, op, fields).impact(Impact::Online, takes).also_takes(&weaker).also_takes(&paid).after(after);
        steps.push(step.back(back).within(30 * MINUTE));
    }
    for (drift, changes) in alone {
        let besides = if first.is_some() { Vec::new() } else { instance.pending.besides(&[&drift.field]) };
        let step = alone_step(planning, instance, drift, changes, &besides);
        if waits && matches!(step.op, Op::Modify { timing: Timing::Immediately, .. }) {
            let place = steps.push(step.after(first));
            first.get_or_insert(place);
        } else {
            steps.push(step);
        }
    }
    if !windows.is_empty() {
        let fields: Vec<String> = windows.iter().map(|drift| drift.field.clone()).collect();
        let title = format!("Set {} of {}", few(&fields), planning.id);
        let op = Op::Modify { instance: planning.id.to_owned(), changes: shift, timing: Timing::Regardless };
        let (impact, takes) = match first {
            Some(_) => (Impact::Online, NEW_WINDOW.to_owned()),
            // "If there are pending actions that cause a reboot, and the maintenance window is changed to include the current time, then changing
            // this parameter causes a reboot of the DB instance" (ModifyDBInstance, PreferredMaintenanceWindow).
            None => (Impact::Disruptive, format!("{NEW_WINDOW}, at once where that is open: {}", waiting.join(", "))),
        };
        steps.push(Step::online(title, op, fields).impact(impact, takes).back(back(windows)).within(30 * MINUTE).after(first));
    }
}

/// What becomes weaker, where a setting takes protection away.
fn weakens(drift: &Drift) -> Option<&'static str> {
    let (off, on) = (drift.declared == Value::Bool(false), drift.declared == Value::Bool(true));
    match drift.field.as_str() {
        "deletionProtection" if off => Some("less protected: nothing keeps the instance from being deleted any more"),
        "publiclyAccessible" if on => {
            Some("less protected: the endpoint gets a public address, and whom the security groups let in reaches it")
        }
        "iamAuthentication" if off => Some("who signs in by IAM no longer can; passwords are the only way in"),
        "autoMinorVersionUpgrade" if off => Some("less protected: minor versions, which mend security holes, no longer come by themselves"),
        _ => None,
    }
}

/// What is paid for from then on, where a setting costs something.
fn paid(drift: &Drift) -> Option<&'static str> {
    let more_than = |least: i64| drift.declared.as_i64().is_some_and(|declared| declared > least);
    match drift.field.as_str() {
        "multiAz" => (drift.declared == Value::Bool(true)).then_some("a second instance and its storage are paid for"),
        // As much as the databases of the region hold comes with them. <https://aws.amazon.com/rds/postgresql/pricing/>
        "backupRetentionDays" => more_than(0).then_some("backups beyond the size of the databases are paid for"),
        "maxAllocatedStorageGiB" => Some("storage that is added as it grows is paid for, and is never given back"),
        // Seven days come with the instance. <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PerfInsights.Overview.cost.html>
        "performanceInsights.retentionDays" => more_than(7).then_some("Performance Insights is paid for beyond 7 days"),
        "enhancedMonitoring.intervalSeconds" => more_than(0).then_some("enhanced monitoring is paid for as logs in CloudWatch"),
        "logExports" => Some("exported logs are paid for by volume in CloudWatch"),
        _ => None,
    }
}

/// How to go back from settings.
fn back<'a>(drifts: impl IntoIterator<Item = &'a Drift>) -> String {
    let each = drifts.into_iter().map(|drift| format!("{} back to {}", drift.field, shown(&drift.found)));
    format!("set {}", each.collect::<Vec<_>>().join(", "))
}

/// Whether the instance is as declared, and only what waits for the maintenance window will undo it.
fn undone(instance: &Instance, drift: &Drift) -> bool {
    match drift.field.as_str() {
        "backupRetentionDays" => instance.backup_retention_days.is_some_and(|days| Some(i64::from(days)) >= drift.declared.as_i64()),
        "multiAz" => drift.declared.as_bool() == Some(instance.multi_az),
        "iamAuthentication" => drift.declared.as_bool() == Some(instance.iam_authentication),
        "caCertificate" => drift.declared.as_str() == instance.ca_certificate.as_deref(),
        _ => false,
    }
}

/// The step for what is as declared and would be undone in the maintenance window. All of it goes in one request: a change that is made at once takes
/// along all that waits. "If you don't want a pending change to be applied in the next maintenance window, you can modify the DB instance to
/// revert the change [...] specifying the --apply-immediately option" (user guide, "Using the schedule modifications setting").
fn keep_step(planning: &Planning<'_, Instances>, drifts: &[&Drift], changes: Changes, besides: &[&str]) -> Step<Op> {
    let fields: Vec<&str> = drifts.iter().map(|drift| drift.field.as_str()).collect();
    let to: Vec<String> = drifts.iter().map(|drift| format!("{} to {}", drift.field, shown(&drift.found))).collect();
    let takes = format!("the change that waits for the maintenance window ({}) is dropped", to.join(", "));
    let (impact, takes) = match besides.is_empty() {
        true => (Impact::Online, takes),
        false => (Impact::Disruptive, joined(&takes, &set_off(besides))),
    };
    let op = Op::Modify { instance: planning.id.to_owned(), changes, timing: Timing::Immediately };
    Step::online(format!("Keep {} of {} as found", few(&fields), planning.id), op, fields)
        .impact(impact, takes)
        .back(format!("ask for it again: {}", to.join(", ")))
        .within(60 * MINUTE)
}

/// ApplyImmediately makes "the modifications in this request and any pending modifications" happen now (ModifyDBInstance).
fn set_off(besides: &[&str]) -> String {
    format!("what waits for the maintenance window happens now, too: {}", besides.join(", "))
}

/// A step for one setting that is noticed, or that may wait for the maintenance window.
fn alone_step(planning: &Planning<'_, Instances>, instance: &Instance, drift: &Drift, changes: Changes, besides: &[&str]) -> Step<Op> {
    let id = planning.id;
    let waits = planning.spec.waits();
    let (timing, impact, takes) = match drift.field.as_str() {
        "publiclyAccessible" => (
            Timing::Regardless,
            Impact::Disruptive,
            "the endpoint no longer resolves to a public address: clients outside the network lose the database".to_owned(),
        ),
        "multiAz" if drift.declared == Value::Bool(true) => (
            window(waits),
            Impact::Online,
            "a standby is built from a snapshot: no outage, but writes may be slower for minutes to hours".to_owned(),
        ),
        "multiAz" => (window(waits), Impact::Online, "the standby goes: no failover any more".to_owned()),
        "backupRetentionDays" => (
            window(waits),
            Impact::Disruptive,
            "backups are turned on: input and output may stand still for seconds to minutes, and a first backup is taken".to_owned(),
        ),
        "caCertificate" => {
            let online = planning.seen.engine.present().is_some_and(|engine| engine.rotates_certificate_without_restart);
            match online {
                true => (
                    window(waits),
                    Impact::Online,
                    "new connections see a certificate of the new authority: clients must trust it".to_owned(),
                ),
                false => (
                    window(waits),
                    Impact::Disruptive,
                    "a restart, about a minute without connections; clients must trust the new authority".to_owned(),
                ),
            }
        }
        _ => (window(waits), drift.impact, String::new()),
    };
    let (impact, takes) = match timing == Timing::Immediately && !besides.is_empty() {
        true => (Impact::Disruptive, joined(&takes, &set_off(besides))),
        false if timing == Timing::MaintenanceWindow => {
            // A window that this plan sets is the one in which it happens.
            let set = planning.drift("maintenanceWindow").filter(|drift| obstacle(planning, instance, drift).is_none());
            let when = set.and_then(|drift| drift.declared.as_str()).or(instance.maintenance_window.as_deref());
            let when = when.map_or_else(|| "the maintenance window".to_owned(), window::written);
            (impact, joined(&takes, &format!("it happens in the maintenance window ({when} UTC)")))
        }
        false => (impact, takes),
    };
    let deadline = if drift.field == "multiAz" { 6 * 60 * MINUTE } else { 60 * MINUTE };
    let to = changes.backup_retention_days.map_or_else(|| shown(&drift.declared), |days| days.to_string());
    let title = format!("Set {} of {id} to {to}", drift.field);
    let op = Op::Modify { instance: id.to_owned(), changes, timing };
    Step::online(title, op, [drift.field.clone()])
        .impact(impact, takes)
        .also_takes(weakens(drift).unwrap_or_default())
        .also_takes(paid(drift).unwrap_or_default())
        .back(format!("set {} back to {}", drift.field, shown(&drift.found)))
        .within(deadline)
}

fn window(waits: bool) -> Timing {
    if waits { Timing::MaintenanceWindow } else { Timing::Immediately }
}

fn joined(one: &str, other: &str) -> String {
    if one.is_empty() { other.to_owned() } else { format!("{one}; {other}") }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "off (it was not set)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What keeps one difference from being repaired.
fn obstacle(planning: &Planning<'_, Instances>, instance: &Instance, drift: &Drift) -> Option<(Reason, String, String)> {
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
        "enhancedMonitoring.intervalSeconds"
            if drift.declared.as_i64() > Some(0)
                && instance.monitoring_role.is_none()
                && declares("enhancedMonitoring.roleArn").is_none() =>
        {
            Some((
                Reason::InvalidWish,
                "enhanced monitoring needs a role, and the instance has none".to_owned(),
                "declare enhancedMonitoring.roleArn".to_owned(),
            ))
        }
        "enhancedMonitoring.roleArn"
            if instance.monitoring_seconds == 0
                && declares("enhancedMonitoring.intervalSeconds").is_none_or(|drift| drift.declared.as_i64() == Some(0)) =>
        {
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

/// The declared logs that are not exported.
fn missing(drift: &Drift) -> Vec<&str> {
    let names = |value: &'_ Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let found = names(&drift.found);
    drift.declared.as_array().into_iter().flatten().filter_map(Value::as_str).filter(|name| !found.iter().any(|has| has == name)).collect()
}

impl Changes {
    /// Takes one difference up, into `together` where it is given; whether ModifyDBInstance repairs it at all.
    fn take(&mut self, planning: &Planning<'_, Instances>, instance: &Instance, drift: &Drift, together: Option<&mut Changes>) -> bool {
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
            // The interval and the role go together: "If MonitoringInterval is set to a value other than 0, supply a MonitoringRoleArn".
            "enhancedMonitoring.intervalSeconds" => {
                changes.monitoring_seconds = number;
                if number > Some(0) && changes.monitoring_role.is_none() {
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

/// Says what was taken by RDS and waits for the maintenance window: declared, and not in force yet.
pub fn waiting(spec: &InstanceSpec, seen: &Seen) -> Vec<String> {
    let Some(instance) = seen.instance.present().filter(|_| spec.waits()) else { return Vec::new() };
    let pending = &instance.pending;
    /// Whether what is declared waits, and is not what is found.
    fn waits<T: PartialEq>(declared: Option<T>, found: Option<T>, pending: Option<T>) -> bool {
        declared.is_some() && pending == declared && found != declared
    }
    let retention = match (spec.backup_retention_days, pending.backup_retention_days) {
        (Some(declared), Some(pending)) => pending >= declared && instance.backup_retention_days.is_none_or(|found| found < declared),
        _ => false,
    };
    let waiting: Vec<&str> = [
        ("backupRetentionDays", retention),
        ("multiAz", waits(spec.multi_az, Some(instance.multi_az), pending.multi_az)),
        ("iamAuthentication", waits(spec.iam_authentication, Some(instance.iam_authentication), pending.iam_authentication)),
        ("caCertificate", waits(spec.ca_certificate.as_deref(), instance.ca_certificate.as_deref(), pending.ca_certificate.as_deref())),
    ]
    .into_iter()
    .filter(|(_, waits)| *waits)
    .map(|(field, _)| field)
    .collect();
    if waiting.is_empty() {
        return Vec::new();
    }
    let when = instance.maintenance_window.as_deref().map_or_else(|| "its time is not known".to_owned(), |when| format!("{when} UTC"));
    vec![format!("{}: changed already, and in force from the next maintenance window on ({when})", waiting.join(", "))]
}
