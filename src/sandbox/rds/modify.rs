//! ModifyDBInstance: what comes true at once, what is under way, and what waits for the maintenance window.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::changes::Changes;
use super::state::{Applying, Instance, State, Status, Work};
use super::{engines, groups, read, reference, refusals, settings, times, window, write};
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

pub fn modify(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let id = read::identifier(form.require("DBInstanceIdentifier")?);
    // All or nothing: the changes are made to a copy.
    let mut instance = world.rds.instances.get(&id).ok_or_else(|| refusals::no_instance(&id))?.clone();
    if !instance.status.accepts_changes() || instance.work.as_ref().is_some_and(|work| work.status == Status::Deleting) {
        return Err(refusals::instance_state(format!("Database instance is not in available state: {id} is {}.", instance.status.name())));
    }
    change(&mut instance, &world.rds, form, world.now)?;
    let xml = Xml::new().node("DBInstance", |xml| write::instance(world, &id, &instance, xml));
    world.rds.instances.insert(id, instance);
    Ok(xml)
}

/// A value under way: none where the instance has it already.
fn put<T: PartialEq>(slot: &mut Option<T>, current: &T, wanted: T) {
    *slot = (wanted != *current).then_some(wanted);
}

fn change(instance: &mut Instance, rds: &State, form: &Form, now: Timestamp) -> Result<(), Refusal> {
    let immediately = form.bool("ApplyImmediately")?.unwrap_or(false);
    // A change that was accepted some seconds ago and has not started: this one joins it.
    let mut soon = instance.work.as_ref().map(|work| work.changes.clone()).unwrap_or_default();
    let mut waits = std::mem::take(&mut instance.pending);

    at_once(instance, form)?;
    waiting(instance, &mut soon, &mut waits, form)?;
    storage(instance, &mut soon, &mut waits, form)?;
    upgrade(instance, rds, &mut soon, &mut waits, form, now)?;
    never_waiting(instance, &mut soon, form)?;

    if let Some(days) = form.int("BackupRetentionPeriod")? {
        let days = settings::retention(days)?;
        soon.backup_retention = None;
        waits.backup_retention = None;
        // Turning backups on or off interrupts the service and waits; a longer or shorter retention does not.
        let slot = if (days == 0) == (instance.backup_retention == 0) { &mut soon } else { &mut waits };
        put(&mut slot.backup_retention, &instance.backup_retention, days);
    }

    if immediately {
        // "The modifications in this request and any pending modifications".
        soon.merge(std::mem::take(&mut waits));
    }
    instance.pending_opens_at = match window::weekly(&instance.maintenance_window) {
        // "If there are pending actions that cause a reboot, and the maintenance window is changed to include the current time, then changing this
        // parameter causes a reboot of the DB instance" (PreferredMaintenanceWindow).
        Ok(window) if !waits.is_empty() && form.has("PreferredMaintenanceWindow") && window::open(window, now) => Some(now),
        Ok(window) if !waits.is_empty() => Some(window::next_opening(window, now)),
        _ => None,
    };
    instance.pending = waits;
    instance.work = (!soon.is_empty()).then(|| {
        let starts_at = instance.work.as_ref().map_or(later(now, times::MODIFY_STARTS_AFTER), |work| work.starts_at);
        Work {
            status: soon.status(),
            starts_at,
            ready_at: later(starts_at, soon.length()),
            changes: soon,
            boot: None,
            then: Status::Available,
        }
    });
    Ok(())
}

/// Settings that are only noted down: neither the host nor the window is involved.
fn at_once(instance: &mut Instance, form: &Form) -> Result<(), Refusal> {
    settings::windows(instance, form)?;
    instance.deletion_protection = form.bool("DeletionProtection")?.unwrap_or(instance.deletion_protection);
    instance.copy_tags_to_snapshot = form.bool("CopyTagsToSnapshot")?.unwrap_or(instance.copy_tags_to_snapshot);
    instance.auto_minor_version_upgrade = form.bool("AutoMinorVersionUpgrade")?.unwrap_or(instance.auto_minor_version_upgrade);
    Ok(())
}

/// Settings that wait for the window unless `ApplyImmediately` is set.
fn waiting(instance: &Instance, soon: &mut Changes, waits: &mut Changes, form: &Form) -> Result<(), Refusal> {
    if let Some(name) = form.get("DBInstanceClass") {
        soon.class = None;
        put(&mut waits.class, &instance.class, settings::class(name)?);
    }
    if let Some(wanted) = form.bool("MultiAZ")? {
        soon.multi_az = None;
        put(&mut waits.multi_az, &instance.multi_az, wanted);
    }
    // These engines rotate certificates without a restart, so that `CertificateRotationRestart` changes nothing.
    form.bool("CertificateRotationRestart")?;
    if let Some(name) = form.get("CACertificateIdentifier") {
        soon.ca_certificate = None;
        put(&mut waits.ca_certificate, &instance.ca_certificate, reference::certificate(name)?);
    }
    if let Some(wanted) = form.bool("EnableIAMDatabaseAuthentication")? {
        soon.iam_authentication = None;
        put(&mut waits.iam_authentication, &instance.iam_authentication, wanted);
    }
    Ok(())
}

fn storage(instance: &mut Instance, soon: &mut Changes, waits: &mut Changes, form: &Form) -> Result<(), Refusal> {
    let current = instance.allocated_storage;
    if let Some(wanted) = form.int("AllocatedStorage")? {
        if wanted < current {
            return Err(refusals::combination(format!(
                "Requested storage size ({wanted}) cannot be less than the current storage size ({current})"
            )));
        }
        // Less than 10 % more is rounded up to 10 % more.
        let least = current.saturating_mul(11).saturating_add(9) / 10;
        soon.allocated_storage = None;
        put(&mut waits.allocated_storage, &current, if wanted == current { wanted } else { wanted.max(least) });
    }
    if let Some(name) = form.get("StorageType") {
        soon.storage_type = None;
        put(&mut waits.storage_type, &instance.storage_type, settings::storage_type(name)?);
    }
    if let Some(wanted) = form.int("Iops")? {
        soon.iops = None;
        waits.iops = (instance.iops != Some(wanted)).then_some(wanted);
    }
    let named = form.has("AllocatedStorage") || form.has("StorageType") || form.has("Iops");
    let optimizing = instance.background.as_ref().is_some_and(|background| background.status == Status::StorageOptimization);
    if named && waits.storage() && optimizing {
        return Err(refusals::combination(
            "You can't currently modify the storage of this DB instance because the previous storage change is being optimized.",
        ));
    }
    let allocated = waits.allocated_storage.or(soon.allocated_storage).unwrap_or(current);
    if let Some(limit) = form.int("MaxAllocatedStorage")? {
        instance.max_allocated_storage = settings::max_storage(limit, allocated)?;
    } else if instance.max_allocated_storage.is_some_and(|limit| limit < allocated) {
        return Err(refusals::combination(format!("The allocated storage of {allocated} GiB exceeds the max allocated storage.")));
    }
    Ok(())
}

/// Another engine version, another parameter group, or both at once, as a major upgrade may need.
fn upgrade(
    instance: &mut Instance,
    rds: &State,
    soon: &mut Changes,
    waits: &mut Changes,
    form: &Form,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (engine, current) = (instance.engine.clone(), instance.engine_version.clone());
    let major_allowed = form.bool("AllowMajorVersionUpgrade")?.unwrap_or(false);
    let mut target = current.clone();
    if let Some(wanted) = form.get("EngineVersion") {
        if wanted != current {
            let version = engines::resolve(&engine, wanted)
                .ok_or_else(|| refusals::combination(format!("Cannot find version {wanted} for {engine}")))?;
            if engines::numbers(version) < engines::numbers(&current) {
                return Err(refusals::combination(format!("Cannot upgrade {engine} from {current} to {version}")));
            }
            if engines::major(&engine, version) != engines::major(&engine, &current) && !major_allowed {
                return Err(refusals::combination(
                    "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
                ));
            }
            target = version.to_owned();
        }
        soon.engine_version = None;
        soon.parameter_group = None;
        waits.parameter_group = None;
        put(&mut waits.engine_version, &current, target.clone());
    }
    let Some(group) = form.get("DBParameterGroupName") else { return Ok(()) };
    let family = engines::family(&engine, &target);
    let group = groups::usable(rds, group, &family)?;
    if family != engines::family(&engine, &current) {
        waits.parameter_group = Some(group);
    } else if group != instance.parameter_group {
        // The name changes at once; no value does until a reboot.
        instance.parameter_group = group;
        instance.pending_reboot = true;
        instance.applying = Some(Applying { until: later(now, times::APPLY_PARAMETERS), values: Default::default() });
    }
    Ok(())
}

/// Settings that `ApplyImmediately` has no effect on, but that take some time.
fn never_waiting(instance: &Instance, soon: &mut Changes, form: &Form) -> Result<(), Refusal> {
    if let Some(wanted) = form.bool("PubliclyAccessible")? {
        put(&mut soon.publicly_accessible, &instance.publicly_accessible, wanted);
    }
    let class = soon.class.as_deref().unwrap_or(&instance.class);
    if let Some(wanted) = settings::performance_insights(instance, class, form)? {
        put(&mut soon.performance_insights, &instance.performance_insights, wanted);
    }
    if let Some(wanted) = settings::monitoring(soon.monitoring.as_ref().unwrap_or(&instance.monitoring), form)? {
        put(&mut soon.monitoring, &instance.monitoring, wanted);
    }
    if let Some(wanted) = settings::security_groups(form)? {
        put(&mut soon.vpc_security_groups, &instance.vpc_security_groups, wanted);
    }
    let logs = form.below("CloudwatchLogsExportConfiguration");
    let (enable, disable) = (logs.list("EnableLogTypes"), logs.list("DisableLogTypes"));
    reference::log_types(&instance.engine, &instance.engine_version, &enable)?;
    reference::log_types(&instance.engine, &instance.engine_version, &disable)?;
    if let Some(both) = enable.iter().find(|name| disable.contains(name)) {
        return Err(refusals::combination(format!("You can't enable and disable the log type '{both}' in one request.")));
    }
    if !enable.is_empty() || !disable.is_empty() {
        let mut wanted: BTreeSet<String> = soon.log_exports.as_ref().unwrap_or(&instance.log_exports).clone();
        wanted.extend(enable);
        wanted.retain(|name| !disable.contains(name));
        put(&mut soon.log_exports, &instance.log_exports, wanted);
    }
    Ok(())
}
