//! DB parameter groups and their parameters.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::parameters::{self, Parameter};
use super::state::{Applying, ParameterGroup, State};
use super::{engines, lifecycle, read, refusals, times, write};
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

/// "A maximum of 20 parameters can be modified in a single request."
const PARAMETERS_A_CALL: usize = 20;
/// Groups that an account may have (user guide, "Quotas and constraints").
const QUOTA: usize = 50;

pub fn create(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let name = new_name(world, form, "DBParameterGroupName")?;
    let family = form.require("DBParameterGroupFamily")?;
    let description = form.require("Description")?.to_owned();
    if parameters::of(family).is_none() {
        return Err(unknown_family(family));
    }
    let group = ParameterGroup { family: family.to_owned(), description, tags: read::tags(form)?, ..ParameterGroup::default() };
    Ok(insert(world, name, group))
}

pub fn copy(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let source = read::identifier(form.require("SourceDBParameterGroupIdentifier")?);
    let description = form.require("TargetDBParameterGroupDescription")?.to_owned();
    if is_default(&source) {
        return Err(refusals::value(format!("You can't copy a default DB parameter group: {source}")));
    }
    let original = world.rds.parameter_groups.get(&source).ok_or_else(|| refusals::no_group(&source))?.clone();
    let name = new_name(world, form, "TargetDBParameterGroupIdentifier")?;
    Ok(insert(world, name, ParameterGroup { description, tags: read::tags(form)?, ..original }))
}

fn new_name(world: &World, form: &Form, member: &str) -> Result<String, Refusal> {
    let name = read::new_identifier(form, member, 255)?;
    if world.rds.parameter_groups.contains_key(&name) {
        return Err(Refusal::new(400, "DBParameterGroupAlreadyExists", format!("Parameter group {name} already exists")));
    }
    let quota = world.rds.parameter_group_quota.unwrap_or(QUOTA);
    if world.rds.parameter_groups.len() >= quota {
        return Err(Refusal::new(400, "DBParameterGroupQuotaExceeded", format!("You can't have more than {quota} DB parameter groups.")));
    }
    Ok(name)
}

fn insert(world: &mut World, name: String, mut group: ParameterGroup) -> Xml {
    group.complete_at = Some(later(world.now, times::GROUP_COMPLETE));
    let xml = Xml::new().node("DBParameterGroup", |xml| write::group(world, &name, &group, xml));
    world.rds.parameter_groups.insert(name, group);
    xml
}

pub fn describe(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let mut groups = world.rds.parameter_groups.clone();
    // A default group comes into being when an instance first uses it.
    let used = world.rds.instances.values().map(|instance| instance.parameter_group.as_str());
    groups.extend(used.filter_map(|name| Some((name.to_owned(), default_group(name)?))));
    let wanted = form.get("DBParameterGroupName").filter(|wanted| !wanted.is_empty()).map(read::identifier);
    if let Some(name) = &wanted {
        groups.retain(|key, _| key == name);
        if groups.is_empty() {
            return Err(refusals::no_group(name));
        }
    }
    let (page, marker) = read::page(world, form, groups.into_iter().collect())?;
    Ok(Xml::new()
        .list("DBParameterGroups", "DBParameterGroup", page, |xml, (name, group)| write::group(world, &name, &group, xml))
        .maybe("Marker", marker))
}

pub fn describe_parameters(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let name = read::identifier(form.require("DBParameterGroupName")?);
    let group = find(&world.rds, &name)?;
    let source = form.get("Source").filter(|source| !source.is_empty());
    if let Some(source) = source.filter(|source| !matches!(*source, "user" | "system" | "engine-default")) {
        return Err(refusals::value(format!("Invalid source: {source}. Valid values are user, system, engine-default.")));
    }
    let filters = read::filters(form, &["parameter-name"])?;
    let known = parameters::of(&group.family).unwrap_or_default();
    let shown = known.into_iter().filter(|parameter| {
        let set = group.parameters.contains_key(parameter.name);
        source.is_none_or(|source| source == write::source(parameter, set))
            && filters.iter().all(|(_, values)| values.iter().any(|value| value == parameter.name))
    });
    let entries = shown.map(|parameter| (parameter.name.to_owned(), parameter)).collect();
    let (page, marker) = read::page(world, form, entries)?;
    Ok(Xml::new()
        .list("Parameters", "Parameter", page, |xml, (name, parameter)| {
            let set = group.parameters.get(&name).map(|value| (value.as_str(), group.immediate.contains(&name)));
            write::parameter(xml, &parameter, set)
        })
        .maybe("Marker", marker))
}

pub fn modify(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let now = world.now;
    let (name, family) = own(world, form, "modified")?;
    let requests = requests(form, &family)?;
    if requests.is_empty() {
        return Err(refusals::value("At least one parameter name, value, and apply method must be supplied"));
    }
    let mut values = Vec::new();
    for (parameter, immediate, form) in requests {
        let value = form.get("ParameterValue").ok_or_else(|| {
            refusals::value(format!("The parameter value of {} must be supplied; to unset it, reset it.", parameter.name))
        })?;
        if !parameter.takes(value) {
            return Err(refusals::value(format!(
                "Invalid parameter value: {value} for: {} allowed values are: {}",
                parameter.name, parameter.allowed
            )));
        }
        values.push((parameter, immediate, Some(value.to_owned())));
    }
    set(&mut world.rds, &name, values, now);
    Ok(Xml::new().text("DBParameterGroupName", name))
}

pub fn reset(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let now = world.now;
    let (name, family) = own(world, form, "reset")?;
    let requests = requests(form, &family)?;
    let values = match (form.bool("ResetAllParameters")?.unwrap_or(false), requests.is_empty()) {
        (true, false) => return Err(refusals::combination("ResetAllParameters and Parameters can't be given both.")),
        (false, true) => return Err(refusals::value("At least one parameter must be supplied, or ResetAllParameters.")),
        (false, false) => requests.into_iter().map(|(parameter, immediate, _)| (parameter, immediate, None)).collect(),
        // "Dynamic parameters are updated immediately and static parameters are set to pending-reboot."
        (true, true) => {
            let set = find(&world.rds, &name)?.parameters;
            let known = parameters::of(&family).unwrap_or_default().into_iter();
            known.filter(|parameter| set.contains_key(parameter.name)).map(|parameter| (parameter, !parameter.is_static, None)).collect()
        }
    };
    set(&mut world.rds, &name, values, now);
    Ok(Xml::new().text("DBParameterGroupName", name))
}

pub fn delete(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let (name, _) = own(world, form, "deleted")?;
    let waiting = |changes: &super::changes::Changes| changes.parameter_group.as_ref() == Some(&name);
    let used = world.rds.instances.values().any(|instance| {
        instance.parameter_group == name || waiting(&instance.pending) || instance.work.as_ref().is_some_and(|work| waiting(&work.changes))
    });
    if used {
        return Err(refusals::group_state(format!(
            "One or more database instances are still members of this parameter group {name}, so the group cannot be deleted"
        )));
    }
    world.rds.parameter_groups.remove(&name);
    Ok(Xml::new())
}

/// The group `name`, stored under that name, if an instance of `family` can use it.
pub fn usable(rds: &State, name: &str, family: &str) -> Result<String, Refusal> {
    let name = read::identifier(name);
    let group = find(rds, &name)?;
    if group.family == family {
        return Ok(name);
    }
    Err(refusals::combination(format!(
        "The parameter group {name} with DBParameterGroupFamily {} can't be used for this instance. Please use a parameter group with \
         DBParameterGroupFamily {family}",
        group.family
    )))
}

pub fn unknown_family(family: &str) -> Refusal {
    refusals::value(format!("ParameterGroupFamily {family} is not a valid parameter group family"))
}

fn is_default(name: &str) -> bool {
    name.starts_with("default.")
}

/// `default.postgres14`, as AWS makes it.
fn default_group(name: &str) -> Option<ParameterGroup> {
    let family = engines::FAMILIES.iter().find(|family| name.strip_prefix("default.") == Some(**family))?;
    let description = format!("Default parameter group for {family}");
    Some(ParameterGroup { family: (*family).to_owned(), description, ..ParameterGroup::default() })
}

fn find(rds: &State, name: &str) -> Result<ParameterGroup, Refusal> {
    rds.parameter_groups.get(name).cloned().or_else(|| default_group(name)).ok_or_else(|| refusals::no_group(name))
}

/// The name and family of a group that somebody made: nobody can change a default one.
fn own(world: &World, form: &Form, done: &str) -> Result<(String, String), Refusal> {
    let name = read::identifier(form.require("DBParameterGroupName")?);
    if is_default(&name) {
        return Err(refusals::value(format!("Default DBParameterGroup cannot be {done}: {name}")));
    }
    let group = world.rds.parameter_groups.get(&name).ok_or_else(|| refusals::no_group(&name))?;
    Ok((name, group.family.clone()))
}

/// The parameters that a request names, whether each is to apply immediately, and what else it says of them.
fn requests(form: &Form, family: &str) -> Result<Vec<(Parameter, bool, Form)>, Refusal> {
    let records = form.records("Parameters");
    if records.len() > PARAMETERS_A_CALL {
        return Err(refusals::value(format!("You can't modify more than {PARAMETERS_A_CALL} parameters in a single request.")));
    }
    let known = parameters::of(family).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut requests = Vec::new();
    for record in records {
        let name = record.get("ParameterName").unwrap_or_default();
        let parameter = known.iter().find(|parameter| parameter.name == name);
        let parameter = *parameter.ok_or_else(|| refusals::value(format!("Could not find parameter with name: {name}")))?;
        if !seen.insert(parameter.name) {
            return Err(refusals::value(format!("The parameter {name} is given more than once.")));
        }
        if !parameter.modifiable {
            return Err(refusals::value(format!("The parameter {name} cannot be modified.")));
        }
        let immediate = match record.get("ApplyMethod") {
            Some("immediate") => true,
            Some("pending-reboot") => false,
            other => {
                return Err(refusals::value(format!(
                    "Invalid apply method: {}. Valid values are immediate, pending-reboot.",
                    other.unwrap_or("none")
                )));
            }
        };
        if immediate && parameter.is_static {
            return Err(refusals::combination("cannot use immediate apply method for static parameter"));
        }
        requests.push((parameter, immediate, record));
    }
    Ok(requests)
}

/// Sets values in a group, and lets the instances that use it feel it.
fn set(rds: &mut State, name: &str, values: Vec<(Parameter, bool, Option<String>)>, now: Timestamp) {
    let Some(group) = rds.parameter_groups.get_mut(name) else { return };
    let before = group.parameters.clone();
    let mut live: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut reboot = false;
    for (parameter, immediate, value) in values {
        let key = parameter.name.to_owned();
        group.immediate.remove(&key);
        if before.get(&key) != value.as_ref() {
            reboot |= !immediate;
        }
        if immediate {
            live.insert(key.clone(), value.clone());
            if value.is_some() {
                group.immediate.insert(key.clone());
            }
        }
        lifecycle::put_in_force(&mut group.parameters, BTreeMap::from([(key, value)]));
    }
    for instance in rds.instances.values_mut().filter(|instance| instance.parameter_group == name) {
        instance.pending_reboot |= reboot;
        if live.is_empty() {
            continue;
        }
        // A database that is starting has read the old values already.
        if let Some(boot) = instance.work.as_mut().and_then(|work| work.boot.as_mut()) {
            lifecycle::put_in_force(boot, live.clone());
        }
        let until = later(now, times::APPLY_PARAMETERS);
        let applying = instance.applying.get_or_insert(Applying { until, values: BTreeMap::new() });
        applying.until = until;
        applying.values.extend(live.clone());
    }
}
