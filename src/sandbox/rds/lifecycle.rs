//! What time does to instances: work starts and ends, windows open, parameters come into force.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::state::{Background, Instance, ParameterGroup, State, Status, Work};
use super::{engines, parameters, times, window};
use crate::clock::later;

impl State {
    /// Lets everything become what it is by `now`.
    pub fn settle(&mut self, now: Timestamp) {
        let groups = &mut self.parameter_groups;
        for group in groups.values_mut() {
            group.complete_at = group.complete_at.filter(|at| *at > now);
        }
        self.instances.retain(|_, instance| {
            fill_in(instance, groups, now);
            settle(instance, groups, now)
        });
    }

    /// What the database of an instance really runs with, its engine's defaults included; empty where there is no such instance.
    pub fn in_force(&self, id: &str) -> BTreeMap<String, String> {
        let Some(instance) = self.instances.get(id) else { return BTreeMap::new() };
        let family = engines::family(&instance.engine, &instance.engine_version);
        parameters::effective(&family, instance.parameters_in_force.as_ref().unwrap_or(&BTreeMap::new()))
    }

    /// The values that a database which starts now with the group `name` reads. Default groups, groups that are not
    /// complete yet and groups that do not exist set nothing.
    pub fn values_read(&self, name: &str, now: Timestamp) -> BTreeMap<String, String> {
        values_read(&self.parameter_groups, name, now)
    }
}

/// What an account file may leave out.
fn fill_in(instance: &mut Instance, groups: &BTreeMap<String, ParameterGroup>, now: Timestamp) {
    if instance.engine_version.is_empty() {
        instance.engine_version = engines::default_version(&instance.engine).unwrap_or_default().to_owned();
    }
    if instance.parameter_group.is_empty() {
        instance.parameter_group = format!("default.{}", engines::family(&instance.engine, &instance.engine_version));
    }
    if instance.parameters_in_force.is_none() {
        let group = groups.get(&instance.parameter_group).filter(|_| !instance.pending_reboot);
        instance.parameters_in_force = Some(group.map(|group| group.parameters.clone()).unwrap_or_default());
    }
    if instance.work.is_some() || instance.background.is_some() {
        return;
    }
    // A status that passes, written down without saying when it began: it begins now.
    let (length, then) = match instance.status {
        Status::Available | Status::Failed | Status::IncompatibleParameters | Status::Stopped | Status::StorageFull => return,
        Status::BackingUp => {
            instance.background = Some(Background { status: instance.status, ready_at: later(now, times::BACKUP) });
            return;
        }
        Status::StorageOptimization => {
            instance.background = Some(Background { status: instance.status, ready_at: later(now, times::STORAGE_OPTIMIZATION) });
            return;
        }
        Status::ConfiguringEnhancedMonitoring | Status::ConfiguringIamDatabaseAuth | Status::ConfiguringLogExports => {
            (times::MODIFY_BRIEFLY, Status::Available)
        }
        Status::Creating => (times::CREATE, Status::Available),
        Status::Deleting => (times::DELETE, Status::Deleting),
        Status::Modifying => (times::MODIFY, Status::Available),
        Status::Rebooting => (times::REBOOT, Status::Available),
        Status::Starting => (times::START, Status::Available),
        Status::Stopping => (times::STOP, Status::Stopped),
        Status::Upgrading => (times::UPGRADE, Status::Available),
    };
    let boot = (instance.status == Status::Rebooting).then(|| values_read(groups, &instance.parameter_group, now));
    instance.work =
        Some(Work { status: instance.status, starts_at: now, ready_at: later(now, length), changes: Default::default(), boot, then });
}

/// Whether the instance is still there.
fn settle(instance: &mut Instance, groups: &BTreeMap<String, ParameterGroup>, now: Timestamp) -> bool {
    if let Some(applying) = instance.applying.take_if(|applying| applying.until <= now) {
        put_in_force(instance.parameters_in_force.get_or_insert_default(), applying.values);
    }
    loop {
        if let Some(work) = instance.work.take_if(|work| work.ready_at <= now) {
            if work.then == Status::Deleting {
                return false;
            }
            finish(instance, work, groups);
        } else if let Some(work) = &instance.work {
            if work.starts_at <= now {
                instance.status = work.status;
            }
            break;
        } else if !open_window(instance, now) {
            break;
        }
    }
    instance.background.take_if(|background| background.ready_at <= now);
    if instance.status.accepts_changes() {
        instance.status = instance.background.as_ref().map_or(Status::Available, |background| background.status);
    }
    true
}

/// Starts what waited for the maintenance window, if that has opened.
fn open_window(instance: &mut Instance, now: Timestamp) -> bool {
    if instance.pending.is_empty() || !instance.status.accepts_changes() {
        return false;
    }
    let Ok(window) = window::weekly(&instance.maintenance_window) else { return false };
    let opens_at = *instance.pending_opens_at.get_or_insert_with(|| window::next_opening(window, now));
    if opens_at > now {
        return false;
    }
    let changes = std::mem::take(&mut instance.pending);
    instance.pending_opens_at = None;
    instance.work = Some(Work {
        status: changes.status(),
        starts_at: opens_at,
        ready_at: later(opens_at, changes.length()),
        changes,
        boot: None,
        then: Status::Available,
    });
    true
}

fn finish(instance: &mut Instance, work: Work, groups: &BTreeMap<String, ParameterGroup>) {
    let Work { status, ready_at, changes, boot, then, .. } = work;
    let first_backup = status == Status::Creating && instance.backup_retention > 0
        || instance.backup_retention == 0 && changes.backup_retention.is_some_and(|days| days > 0);
    let storage = changes.storage();
    let group = instance.parameter_group.clone();
    changes.apply(instance);
    // An upgrade that changes the group starts the database with the new one.
    let boot = if group == instance.parameter_group { boot } else { Some(values_read(groups, &instance.parameter_group, ready_at)) };
    if let Some(read) = boot {
        let mut soon = read.clone();
        if let Some(applying) = &instance.applying {
            put_in_force(&mut soon, applying.values.clone());
        }
        let set = groups.get(&instance.parameter_group).map(|group| &group.parameters);
        instance.pending_reboot = set.is_some_and(|set| *set != soon);
        instance.parameters_in_force = Some(read);
    }
    instance.status = then;
    if storage {
        instance.background =
            Some(Background { status: Status::StorageOptimization, ready_at: later(ready_at, times::STORAGE_OPTIMIZATION) });
    } else if first_backup {
        instance.background = Some(Background { status: Status::BackingUp, ready_at: later(ready_at, times::BACKUP) });
    }
}

fn values_read(groups: &BTreeMap<String, ParameterGroup>, name: &str, now: Timestamp) -> BTreeMap<String, String> {
    let complete = |group: &&ParameterGroup| group.complete_at.is_none_or(|at| at <= now);
    groups.get(name).filter(complete).map(|group| group.parameters.clone()).unwrap_or_default()
}

/// Sets `values` in `in_force`; None takes one away.
pub fn put_in_force(in_force: &mut BTreeMap<String, String>, values: BTreeMap<String, Option<String>>) {
    for (name, value) in values {
        match value {
            Some(value) => in_force.insert(name, value),
            None => in_force.remove(&name),
        };
    }
}
