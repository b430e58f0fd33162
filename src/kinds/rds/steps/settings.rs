//! Settings that ModifyDBInstance changes, and which of them go in one request.

use super::super::op::{Changes, Op, Timing};
use super::super::seen::{Instance, Pending};
use super::super::{Instances, brings};
use super::alone::{alone_step, paid, weakens};
use super::obstacle::obstacle;
use super::{MINUTE, NEW_WINDOW, back, joined, shown};
use crate::kinds::{Block, Drift, Impact, Planning, Step, Steps, few};

/// Settings that ModifyDBInstance changes: those that nobody notices in one request, the others each in a step of its own.
pub(super) fn settings(planning: &Planning<'_, Instances>, instance: &Instance, steps: &mut Steps<Op>) {
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
            _ => drift.impact > Impact::Online,
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
        let step = keep_step(planning, instance, &kept, keep, &waiting);
        match unless_unknown(planning, step, Pending::restarts(&waiting), steps) {
            Ok(step) => first = Some(steps.push(step)),
            Err(block) => steps.blocks.push(block),
        }
    }
    if !fields.is_empty() {
        let title = format!("Set {} of {}", few(&fields), planning.id);
        let drifts = planning.drifts.iter().filter(|drift| fields.contains(&drift.field));
        let back = back::modify(planning, instance, drifts, Timing::Regardless);
        let op = Op::Modify { instance: planning.id.to_owned(), changes: together, timing: Timing::Regardless, brings: None };
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
        let step = match alone_step(planning, instance, drift, changes, &besides, steps) {
            Ok(step) => step,
            Err(block) => {
                steps.blocks.push(block);
                continue;
            }
        };
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
        let back = back::modify(planning, instance, windows, Timing::Regardless);
        let op = Op::Modify { instance: planning.id.to_owned(), changes: shift, timing: Timing::Regardless, brings: None };
        let (impact, takes) = match first {
            Some(_) => (Impact::Online, NEW_WINDOW.to_owned()),
            // "If there are pending actions that cause a reboot, and the maintenance window is changed to include the current time, then changing
            // this parameter causes a reboot of the DB instance" (ModifyDBInstance, PreferredMaintenanceWindow).
            None => (Impact::Disruptive, format!("{NEW_WINDOW}, at once where that is open: {}", waiting.join(", "))),
        };
        let step = Step::online(title, op, fields).impact(impact, takes).back(back).within(30 * MINUTE).after(first);
        match unless_unknown(planning, step, first.is_none() && Pending::restarts(&waiting), steps) {
            Ok(step) => drop(steps.push(step)),
            Err(block) => steps.blocks.push(block),
        }
    }
}

/// Where a step may restart the instance it says what that brings; a block where that is not known.
fn unless_unknown(planning: &Planning<'_, Instances>, step: Step<Op>, restarts: bool, steps: &Steps<Op>) -> Result<Step<Op>, Block> {
    if restarts { brings::told(planning, step, steps) } else { Ok(step) }
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
fn keep_step(planning: &Planning<'_, Instances>, instance: &Instance, drifts: &[&Drift], changes: Changes, besides: &[&str]) -> Step<Op> {
    let fields: Vec<&str> = drifts.iter().map(|drift| drift.field.as_str()).collect();
    let to: Vec<String> = drifts.iter().map(|drift| format!("{} to {}", drift.field, shown(&drift.found))).collect();
    let takes = format!("the change that waits for the maintenance window ({}) is dropped", to.join(", "));
    let (impact, takes) = match besides.is_empty() {
        true => (Impact::Online, takes),
        false => (Impact::Disruptive, joined(&takes, &set_off(besides))),
    };
    let op = Op::Modify { instance: planning.id.to_owned(), changes, timing: Timing::Immediately, brings: None };
    Step::online(format!("Keep {} of {} as found", few(&fields), planning.id), op, fields)
        .impact(impact, takes)
        .back(back::modify(planning, instance, drifts.iter().copied(), Timing::MaintenanceWindow))
        .within(60 * MINUTE)
}

/// ApplyImmediately makes "the modifications in this request and any pending modifications" happen now (ModifyDBInstance).
pub(super) fn set_off(besides: &[&str]) -> String {
    format!("what waits for the maintenance window happens now, too: {}", besides.join(", "))
}
