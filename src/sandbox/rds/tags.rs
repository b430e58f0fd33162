//! Tags of instances and parameter groups.

use std::collections::BTreeMap;

use super::{read, refusals, write};
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

pub fn list(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    read::filters(form, &[])?;
    Ok(write::tags(Xml::new(), tagged(world, form)?))
}

pub fn add(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let new = read::tags(form)?;
    if new.is_empty() {
        return Err(refusals::value("The request must contain the parameter Tags."));
    }
    let tags = tagged(world, form)?;
    let mut all = tags.clone();
    all.extend(new);
    if all.len() > 50 {
        return Err(refusals::value("A resource has at most 50 tags."));
    }
    *tags = all;
    Ok(Xml::new())
}

pub fn remove(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let keys = form.list("TagKeys");
    if keys.is_empty() {
        return Err(refusals::value("The request must contain the parameter TagKeys."));
    }
    let tags = tagged(world, form)?;
    tags.retain(|key, _| !keys.contains(key));
    Ok(Xml::new())
}

/// The tags of the resource that `ResourceName`, an ARN, names.
fn tagged<'a>(world: &'a mut World, form: &Form) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    let arn = form.require("ResourceName")?;
    let invalid = || refusals::value(format!("Invalid resource name: {arn}"));
    let home = format!("arn:aws:rds:{}:{}:", world.region, world.account);
    let (sort, name) = arn.strip_prefix(&home).and_then(|rest| rest.split_once(':')).ok_or_else(invalid)?;
    match sort {
        "db" => world.rds.instances.get_mut(name).map(|instance| &mut instance.tags).ok_or_else(|| refusals::no_instance(name)),
        "pg" => world.rds.parameter_groups.get_mut(name).map(|group| &mut group.tags).ok_or_else(|| refusals::no_group(name)),
        _ => Err(invalid()),
    }
}
