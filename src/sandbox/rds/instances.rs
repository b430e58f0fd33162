//! Reading, deleting, rebooting, stopping and starting instances.

use super::state::{Instance, Snapshot, Status, Work};
use super::{read, refusals, times, write};
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

pub fn describe(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let world = &*world;
    let filters = read::filters(form, &["db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"])?;
    let wanted = form.get("DBInstanceIdentifier").filter(|wanted| !wanted.is_empty()).map(read::identifier);
    if let Some(id) = wanted.as_ref().filter(|id| !world.rds.instances.contains_key(*id)) {
        return Err(refusals::no_instance(id));
    }
    let matches = |id: &String, instance: &Instance| {
        filters.iter().all(|(name, values)| match name.as_str() {
            "db-instance-id" => values.iter().any(|value| read::identifier(value) == *id),
            "dbi-resource-id" => values.contains(&write::resource_id(world, id)),
            "engine" => values.contains(&instance.engine),
            // No instance here is part of a cluster or a domain.
            _ => false,
        })
    };
    let found =
        world.rds.instances.iter().filter(|(id, instance)| wanted.as_ref().is_none_or(|wanted| wanted == *id) && matches(id, instance));
    let entries = found.map(|(id, instance)| (id.clone(), instance)).collect();
    let (page, marker) = read::page(world, form, entries)?;
    Ok(Xml::new()
        .list("DBInstances", "DBInstance", page, |xml, (id, instance)| write::instance(world, &id, instance, xml))
        .maybe("Marker", marker))
}

pub fn delete(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let skip = form.bool("SkipFinalSnapshot")?.unwrap_or(false);
    let snapshot =
        form.has("FinalDBSnapshotIdentifier").then(|| read::new_identifier(form, "FinalDBSnapshotIdentifier", 255)).transpose()?;
    form.bool("DeleteAutomatedBackups")?;
    let ready_at = later(world.now, times::DELETE);
    let (id, instance) = named(world, form)?;
    if instance.deletion_protection {
        return Err(refusals::combination("Cannot delete protected DB Instance, please disable deletion protection and try again."));
    }
    if instance.status == Status::Deleting {
        return Err(refusals::instance_state(format!("Instance {id} is already being deleted.")));
    }
    match (&snapshot, skip) {
        (None, false) => return Err(refusals::combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")),
        (Some(_), true) => {
            return Err(refusals::combination("FinalDBSnapshotIdentifier can not be specified when SkipFinalSnapshot is specified."));
        }
        (Some(_), false) if !instance.status.accepts_changes() => {
            return Err(refusals::instance_state(format!("Cannot take a final snapshot: instance {id} is {}.", instance.status.name())));
        }
        _ => {}
    }
    let encrypted = instance.storage_encrypted;
    if let Some(name) = snapshot {
        if world.rds.snapshots.contains_key(&name) {
            return Err(Refusal::new(400, "DBSnapshotAlreadyExists", format!("Cannot create the snapshot because {name} already exists.")));
        }
        world.rds.snapshots.insert(name, Snapshot { instance: id.clone(), encrypted });
    }
    begin(world, &id, Status::Deleting, Status::Deleting, ready_at)
}

pub fn reboot(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let failover = form.bool("ForceFailover")?.unwrap_or(false);
    let now = world.now;
    let (id, instance) = named(world, form)?;
    if !instance.status.accepts_changes() || instance.status == Status::BackingUp || instance.work.is_some() {
        return Err(refusals::instance_state(format!("Instance {id} is not in available state.")));
    }
    if failover && !instance.multi_az {
        return Err(refusals::combination("ForceFailover can only be specified for Multi-AZ instances."));
    }
    let group = instance.parameter_group.clone();
    let (length, boot) = match failover {
        // "Until you reboot the instance without failover": the standby was already running.
        true => (times::FAILOVER, None),
        false => (times::REBOOT, Some(world.rds.values_read(&group, now))),
    };
    let xml = begin(world, &id, Status::Rebooting, Status::Available, later(now, length));
    if let Some(work) = world.rds.instances.get_mut(&id).and_then(|instance| instance.work.as_mut()) {
        work.boot = boot;
    }
    xml
}

pub fn stop(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let ready_at = later(world.now, times::STOP);
    let (id, instance) = named(world, form)?;
    if instance.status != Status::Available || instance.work.is_some() {
        return Err(refusals::instance_state(format!("Instance {id} is not in available state.")));
    }
    begin(world, &id, Status::Stopping, Status::Stopped, ready_at)
}

pub fn start(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let ready_at = later(world.now, times::START);
    let (id, instance) = named(world, form)?;
    if instance.status != Status::Stopped {
        return Err(refusals::instance_state(format!("Instance {id} is not stopped.")));
    }
    begin(world, &id, Status::Starting, Status::Available, ready_at)
}

fn named<'a>(world: &'a mut World, form: &Form) -> Result<(String, &'a mut Instance), Refusal> {
    let id = read::identifier(form.require("DBInstanceIdentifier")?);
    match world.rds.instances.get_mut(&id) {
        Some(instance) => Ok((id, instance)),
        None => Err(refusals::no_instance(&id)),
    }
}

/// Puts an instance to work at once, and answers with what it looks like now.
fn begin(world: &mut World, id: &str, status: Status, then: Status, ready_at: jiff::Timestamp) -> Result<Xml, Refusal> {
    let starts_at = world.now;
    let instance = world.rds.instances.get_mut(id).ok_or_else(|| refusals::no_instance(id))?;
    instance.status = status;
    instance.work = Some(Work { status, starts_at, ready_at, changes: Default::default(), boot: None, then });
    let instance = instance.clone();
    Ok(Xml::new().node("DBInstance", |xml| write::instance(world, id, &instance, xml)))
}
