//! How far a step is, judged from what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::brings;
use super::observe::MADE_TAG;
use super::op::{Changes, Op, Timing};
use super::seen::{Instance, Seen, State};
use super::values::{Parameter, same_text, watches};
use super::window;
use crate::kinds::{Fact, Progress};

/// How long after a change of its group an instance may go on saying `in-sync`: users see seconds, rarely a minute.
const NOTICES: Duration = Duration::from_secs(90);
/// How long after a restart was asked for the instance may go on saying `available`.
const RESTARTS: Duration = Duration::from_secs(30);
/// How long after a restart was asked for the group may go on saying `pending-reboot` while the instance says `available`. After that it was restarted,
/// and the group is not in force all the same: what that needs is planned anew.
const TAKES: Duration = Duration::from_secs(300);

pub fn check(op: &Op, seen: &Seen) -> Progress {
    let instance = match &seen.instance {
        Fact::Present(instance) => instance,
        Fact::Absent => return Progress::Failed("the instance is not there any more".to_owned()),
        Fact::Unknown(why) => return Progress::Unknown(why.clone()),
    };
    match op {
        Op::CreateGroup { group, .. } if uses(instance, group) => Progress::Done,
        Op::CreateGroup { group, family, .. } => match &seen.own {
            Fact::Present(own) if own.name != *group || own.family != *family => {
                Progress::Failed(format!("the parameter group {} is of the family {}, not {family}", own.name, own.family))
            }
            Fact::Present(own) if !own.ours => {
                Progress::Failed(format!("a parameter group {group} is there that holdfast did not make (its tags say so)"))
            }
            Fact::Present(_) => Progress::Done,
            Fact::Absent => Progress::Pending,
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
        },
        Op::SetParameters { group, settings, users } => {
            let set = |values: &BTreeMap<String, Parameter>| {
                let value = |name: &str| values.get(name).and_then(|parameter| parameter.value.as_deref());
                settings.iter().all(|setting| value(&setting.name).is_some_and(|value| same_text(value, &setting.value)))
            };
            changed(group, users, settings.iter().any(|setting| setting.restarts), set, instance, seen)
        }
        Op::ResetParameters { group, parameters, users } => {
            let reset = |values: &BTreeMap<String, Parameter>| {
                parameters.iter().all(|one| values.get(&one.name).is_none_or(|parameter| !parameter.set))
            };
            changed(group, users, parameters.iter().any(|one| one.restarts), reset, instance, seen)
        }
        Op::Attach { group, was, .. } => match &instance.group {
            // The name changes at once; what it means for the instance is told when `applying` is over.
            Some(attached) if attached.name == *group && attached.status == "applying" => {
                Progress::Running(format!("{group} is being applied"))
            }
            Some(attached) if attached.name == *group => Progress::Done,
            Some(attached) if attached.name != *was => {
                Progress::Stale(format!("somebody else gave the instance the parameter group {} since it was planned", attached.name))
            }
            _ => attachable(group, instance, seen),
        },
        Op::Settle { group } => match &instance.group {
            Some(attached) if attached.name == *group && attached.status == "applying" => {
                Progress::Running(format!("{group} is being applied"))
            }
            _ => Progress::Done,
        },
        Op::Reboot { group, changed, brings, .. } => brings::unless_more(reboot(group, *changed, instance), Some(brings), seen),
        Op::Modify { changes, timing, brings, .. } => brings::unless_more(modify(changes, *timing, instance, seen), brings.as_ref(), seen),
        Op::Tag { set, remove, .. } => {
            let set = set.iter().all(|(key, value)| instance.tags.get(key) == Some(value));
            let removed = remove.iter().all(|key| !instance.tags.contains_key(key));
            if set && removed { Progress::Done } else { Progress::Pending }
        }
        Op::DeleteGroup { group } if uses(instance, group) => Progress::Failed(format!("the parameter group {group} is in use, and stays")),
        Op::DeleteGroup { group } => match &seen.own {
            Fact::Absent => Progress::Done,
            Fact::Present(own) if own.name != *group || !own.ours => {
                Progress::Failed(format!("the parameter group {group} is not holdfast's to delete"))
            }
            Fact::Present(own) if !own.users.is_empty() => {
                Progress::Failed(format!("the parameter group {group} is in use by {}, and stays", own.users.join(", ")))
            }
            Fact::Present(_) => Progress::Pending,
            Fact::Unknown(why) => Progress::Unknown(why.clone()),
        },
    }
}

fn uses(instance: &Instance, group: &str) -> bool {
    instance.group.as_ref().is_some_and(|attached| attached.name == group)
}

/// Whether the instance can be given its own group: that must be seen to be complete. One that is not on show has just been made.
fn attachable(group: &str, instance: &Instance, seen: &Seen) -> Progress {
    match &seen.own {
        Fact::Present(own) if own.name == group && own.complete => not_yet(instance),
        Fact::Present(own) if own.name == group => Progress::Running(format!(
            "the new parameter group {group} to be complete, five minutes after the time that its tag {MADE_TAG} says"
        )),
        Fact::Unknown(why) => Progress::Unknown(why.clone()),
        _ => Progress::Running(format!("RDS to show the new parameter group {group}")),
    }
}

/// It is not done: whether to begin it, wait or give up.
fn not_yet(instance: &Instance) -> Progress {
    match State::of(&instance.status) {
        State::Ready => Progress::Pending,
        State::Busy | State::Strange => Progress::Running(format!("the instance is {}", instance.status)),
        State::Stuck => Progress::Failed(format!("the instance is {}", instance.status)),
    }
}

/// How far a change of a group's values is; `users` are the other instances that were seen to use it, `restarts`: one of the values is static.
fn changed(
    group: &str,
    users: &[String],
    restarts: bool,
    right: impl FnOnce(&BTreeMap<String, Parameter>) -> bool,
    instance: &Instance,
    seen: &Seen,
) -> Progress {
    let attached = uses(instance, group);
    let values: Fact<&BTreeMap<String, Parameter>> = match attached {
        true => seen.attached.as_ref(),
        false => seen.own.as_ref().and_then(|own| if own.name == group { Fact::Present(&own.parameters) } else { Fact::Absent }),
    };
    let values = match values {
        Fact::Present(values) => values,
        Fact::Absent => return Progress::Pending,
        Fact::Unknown(why) => return Progress::Unknown(why),
    };
    if !right(values) {
        let now: &[String] = match &instance.group {
            Some(attached) if attached.name == group => &attached.others,
            _ => seen.own.present().filter(|own| own.name == group).map_or(&[], |own| &own.users),
        };
        // Whoever came into the group since would get values that no plan shows for it.
        return match now.iter().find(|user| !users.contains(user)) {
            Some(user) => Progress::Stale(format!("{user} uses the parameter group {group} since it was planned")),
            None => Progress::Pending,
        };
    }
    match instance.group.as_ref().map(|attached| attached.status.as_str()) {
        Some("applying") if attached => Progress::Running(format!("{group} is being applied")),
        // The group changes at once, the instance notices later, and a restart before it has may not count. Should it never say so (it was restarted
        // by somebody else in between), the restart that follows is asked for all the same.
        Some("in-sync") if attached && restarts => {
            Progress::Unclear { what: "the instance has not noticed the change yet".to_owned(), settle: NOTICES }
        }
        _ => Progress::Done,
    }
}

fn reboot(group: &str, changed: bool, instance: &Instance) -> Progress {
    let Some(attached) = instance.group.as_ref().filter(|attached| attached.name == group) else { return not_yet(instance) };
    match attached.status.as_str() {
        "in-sync" if State::of(&instance.status) != State::Ready => not_yet(instance),
        // Before a change of the group is noticed the instance says in-sync, too: only a restart that this run asked for puts it in force.
        "in-sync" if changed => Progress::Unclear { what: "RDS to show the restart".to_owned(), settle: RESTARTS },
        "in-sync" => Progress::Done,
        "applying" => Progress::Running(format!("{group} is being applied")),
        "failed-to-apply" => Progress::Failed(format!("RDS could not apply {group}")),
        "pending-database-upgrade" => Progress::Failed(format!("{group} is applied only with an engine upgrade that waits")),
        _ if State::of(&instance.status) == State::Ready => Progress::Unclear { what: "RDS to show the restart".to_owned(), settle: TAKES },
        _ => not_yet(instance),
    }
}

fn modify(changes: &Changes, timing: Timing, instance: &Instance, seen: &Seen) -> Progress {
    let unmet = changes.unmet(instance, seen);
    let waits = |field: &&str| changes.waits(field, instance);
    match timing {
        _ if unmet.is_empty() => Progress::Done,
        // RDS took it, and makes it in the window: nothing more is to be done.
        Timing::MaintenanceWindow if unmet.iter().all(waits) => Progress::Done,
        // Logs that are being turned on stand among the pending values, while the status may say nothing.
        Timing::Regardless if unmet.iter().all(|field| *field == "logExports" && waits(field)) => {
            Progress::Running("the logs are being turned on".to_owned())
        }
        _ => match (not_yet(instance), changes.lowers(instance)) {
            (Progress::Pending, Some((field, found))) => {
                Progress::Stale(format!("somebody else set {field} to {found} since it was planned"))
            }
            (progress, _) => progress,
        },
    }
}

impl Changes {
    /// A protective number that the request would make weaker than it is found, or is about to be, by now.
    fn lowers(&self, instance: &Instance) -> Option<(&'static str, i32)> {
        // An interval is turned round: the shorter it is, the more it protects.
        let coarser =
            |wanted: &i32| *wanted != instance.monitoring_seconds && watches(instance.monitoring_seconds.into(), (*wanted).into());
        if self.monitoring_seconds.as_ref().is_some_and(coarser) {
            return Some(("enhancedMonitoring.intervalSeconds", instance.monitoring_seconds));
        }
        let numbers = [
            ("backupRetentionDays", self.backup_retention_days, instance.backup_retention_days),
            ("backupRetentionDays", self.backup_retention_days, instance.pending.backup_retention_days),
            ("maxAllocatedStorageGiB", self.max_allocated_storage_gib, instance.max_allocated_storage_gib),
            ("performanceInsights.retentionDays", self.performance_insights_days, instance.insights_days),
        ];
        numbers
            .into_iter()
            .find_map(|(field, wanted, found)| Some((field, found.filter(|found| wanted.is_some_and(|wanted| *found > wanted))?)))
    }

    /// The fields that are not as they are to be, or that a change which waits will not leave so.
    fn unmet(&self, instance: &Instance, seen: &Seen) -> Vec<&'static str> {
        fn met<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted.as_ref() == found
        }
        fn window(wanted: &Option<String>, found: &Option<String>, same: fn(&str, &str) -> bool) -> bool {
            wanted.as_deref().is_none_or(|wanted| found.as_deref().is_some_and(|found| same(found, wanted)))
        }
        /// A protective number is met by a higher one, too.
        fn least(wanted: Option<i32>, found: Option<i32>) -> bool {
            wanted.is_none_or(|wanted| found.is_some_and(|found| found >= wanted))
        }
        /// Whether what waits for the maintenance window, if anything does, is what is wanted.
        fn stays<T: PartialEq>(wanted: &Option<T>, pending: &Option<T>) -> bool {
            pending.is_none() || met(wanted, pending.as_ref())
        }
        let pending = &instance.pending;
        let key = seen.insights_key.present().or(instance.insights_key.as_ref());
        let fields = [
            (
                "backupRetentionDays",
                least(self.backup_retention_days, instance.backup_retention_days)
                    && (pending.backup_retention_days.is_none() || least(self.backup_retention_days, pending.backup_retention_days)),
            ),
            ("backupWindow", window(&self.backup_window, &instance.backup_window, window::same_daily)),
            ("maintenanceWindow", window(&self.maintenance_window, &instance.maintenance_window, window::same_weekly)),
            ("multiAz", met(&self.multi_az, Some(&instance.multi_az)) && stays(&self.multi_az, &pending.multi_az)),
            ("maxAllocatedStorageGiB", least(self.max_allocated_storage_gib, instance.max_allocated_storage_gib)),
            ("deletionProtection", met(&self.deletion_protection, Some(&instance.deletion_protection))),
            ("performanceInsights.enabled", met(&self.performance_insights, Some(&instance.insights_enabled))),
            ("performanceInsights.kmsKeyId", met(&self.performance_insights_key, key)),
            ("performanceInsights.retentionDays", least(self.performance_insights_days, instance.insights_days)),
            (
                "enhancedMonitoring.intervalSeconds",
                self.monitoring_seconds.is_none_or(|wanted| watches(instance.monitoring_seconds.into(), wanted.into())),
            ),
            ("enhancedMonitoring.roleArn", met(&self.monitoring_role, instance.monitoring_role.as_ref())),
            ("logExports", self.log_exports.iter().all(|name| instance.log_exports.contains(name))),
            ("publiclyAccessible", met(&self.publicly_accessible, instance.publicly_accessible.as_ref())),
            (
                "iamAuthentication",
                met(&self.iam_authentication, Some(&instance.iam_authentication))
                    && stays(&self.iam_authentication, &pending.iam_authentication),
            ),
            ("autoMinorVersionUpgrade", met(&self.auto_minor_version_upgrade, Some(&instance.auto_minor_version_upgrade))),
            ("copyTagsToSnapshots", met(&self.copy_tags_to_snapshots, Some(&instance.copy_tags_to_snapshots))),
            (
                "caCertificate",
                met(&self.ca_certificate, instance.ca_certificate.as_ref()) && stays(&self.ca_certificate, &pending.ca_certificate),
            ),
        ];
        fields.into_iter().filter(|(_, met)| !met).map(|(field, _)| field).collect()
    }

    /// Whether the change of a field was taken and waits.
    fn waits(&self, field: &str, instance: &Instance) -> bool {
        let pending = &instance.pending;
        match field {
            "backupRetentionDays" => pending.backup_retention_days.is_some() && pending.backup_retention_days >= self.backup_retention_days,
            "multiAz" => pending.multi_az.is_some() && pending.multi_az == self.multi_az,
            "iamAuthentication" => pending.iam_authentication.is_some() && pending.iam_authentication == self.iam_authentication,
            "caCertificate" => pending.ca_certificate.is_some() && pending.ca_certificate == self.ca_certificate,
            "logExports" => {
                let on = |name: &String| instance.log_exports.contains(name) || pending.log_exports.contains(name);
                self.log_exports.iter().all(on)
            }
            _ => false,
        }
    }
}
