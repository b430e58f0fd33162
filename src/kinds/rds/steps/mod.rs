//! From differences to steps: settings of the instance itself. Parameters have their own file.

mod alone;
pub(in crate::kinds::rds) mod back;
mod changes;
mod obstacle;
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::op::Op;
use super::seen::{Instance, Seen, State};
use super::spec::InstanceSpec;
use super::{Instances, parameter_steps};
use crate::kinds::{Block, Planning, Reason, Step, Steps, few};

use settings::settings;

pub(in crate::kinds::rds) const MINUTE: Duration = Duration::from_secs(60);
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
    if State::of(&instance.status) == State::Busy && !steps.steps.is_empty() {
        let status = &instance.status;
        steps.notes.push(format!("the instance is {status}: a step that changes it waits until that is over, and sends nothing before"));
    }
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
    let back = back::tags(planning, &arn, drifts.iter().copied());
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

/// Each of them once, in their order.
pub(in crate::kinds::rds) fn distinct(fields: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for field in fields {
        if !distinct.contains(&field) {
            distinct.push(field);
        }
    }
    distinct
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
