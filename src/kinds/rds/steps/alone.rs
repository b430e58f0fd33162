//! A step for one setting: what it takes, and what is paid for from then on.

use serde_json::Value;

use super::super::op::{Changes, Op, Timing};
use super::super::seen::{Instance, Pending};
use super::super::{Instances, brings, window};
use super::obstacle::obstacle;
use super::settings::set_off;
use super::{MINUTE, back, joined, shown};
use crate::kinds::{Block, Drift, Impact, Planning, Step, Steps};

/// A step for one setting that is noticed, or that may wait for the maintenance window, behind those `before`; a block where it may not be begun.
pub(super) fn alone_step(
    planning: &Planning<'_, Instances>,
    instance: &Instance,
    drift: &Drift,
    changes: Changes,
    besides: &[&str],
    before: &Steps<Op>,
) -> Result<Step<Op>, Block> {
    let id = planning.id;
    let waits = planning.spec.waits();
    let (timing, impact, takes) = match drift.field.as_str() {
        "publiclyAccessible" if drift.declared == Value::Bool(false) => (
            Timing::Regardless,
            drift.impact,
            "the endpoint no longer resolves to a public address: clients outside the network lose the database".to_owned(),
        ),
        "publiclyAccessible" | "deletionProtection" | "autoMinorVersionUpgrade" | "copyTagsToSnapshots" => {
            (Timing::Regardless, drift.impact, String::new())
        }
        "multiAz" if drift.declared == Value::Bool(true) => (
            window(waits),
            Impact::Online,
            "a standby is built from a snapshot: no outage, but writes may be slower for minutes to hours".to_owned(),
        ),
        "multiAz" => (window(waits), drift.impact, "less protected: the standby goes, and with it the failover".to_owned()),
        "backupRetentionDays" => (
            window(waits),
            Impact::Disruptive,
            "backups are turned on: input and output may stand still for seconds to minutes, and a first backup is taken".to_owned(),
        ),
        "caCertificate" => match rotates(planning) {
            true => {
                (window(waits), Impact::Online, "new connections see a certificate of the new authority: clients must trust it".to_owned())
            }
            false => (
                window(waits),
                Impact::Disruptive,
                "a restart, about a minute without connections; clients must trust the new authority".to_owned(),
            ),
        },
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
    let back = back::modify(planning, instance, [drift], timing);
    let op = Op::Modify { instance: id.to_owned(), changes, timing, brings: None };
    let restarts = drift.field == "caCertificate" && !rotates(planning) || timing == Timing::Immediately && Pending::restarts(besides);
    let step = Step::online(title, op, [drift.field.clone()])
        .impact(impact, takes)
        .also_takes(weakens(drift).unwrap_or_default())
        .also_takes(paid(drift).unwrap_or_default())
        .back(back)
        .within(deadline);
    if restarts { brings::told(planning, step, before) } else { Ok(step) }
}

/// Whether the engine takes another certificate while it runs.
fn rotates(planning: &Planning<'_, Instances>) -> bool {
    planning.seen.engine.present().is_some_and(|engine| engine.rotates_certificate_without_restart)
}

fn window(waits: bool) -> Timing {
    if waits { Timing::MaintenanceWindow } else { Timing::Immediately }
}

/// What becomes weaker, where a setting takes protection away.
pub(super) fn weakens(drift: &Drift) -> Option<&'static str> {
    let (off, on) = (drift.declared == Value::Bool(false), drift.declared == Value::Bool(true));
    match drift.field.as_str() {
        "deletionProtection" if off => Some("less protected: nothing keeps the instance from being deleted any more"),
        "publiclyAccessible" if on => {
            Some("less protected: the endpoint gets a public address, and whom the security groups let in reaches it")
        }
        "copyTagsToSnapshots" if off => Some("snapshots no longer get the instance's tags"),
        "iamAuthentication" if off => Some("who signs in by IAM no longer can; passwords are the only way in"),
        "autoMinorVersionUpgrade" if off => Some("less protected: minor versions, which mend security holes, no longer come by themselves"),
        _ => None,
    }
}

/// What is paid for from then on, where a setting costs something.
pub(super) fn paid(drift: &Drift) -> Option<&'static str> {
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
