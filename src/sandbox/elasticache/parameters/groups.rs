//! Parameter groups: made, read, changed, reset, deleted.

use std::collections::BTreeMap;

use super::super::engine;
use super::super::place::Place;
use super::super::refusal::{combination, no_parameter_group, parameter_group_state, value};
use super::super::request::{id, new_id, only, page, tags, word};
use super::super::state::{ParameterGroup, State};
use super::table;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

/// How many parameters a request may change. [service model, ModifyCacheParameterGroup]
const MOST: usize = 20;
/// How many an account has in a region. [AWS documentation, "Quotas for ElastiCache": parameter groups per Region]
const QUOTA: usize = 150;

impl State {
    /// A group by name: the account's own, or a default one.
    pub fn parameter_group(&self, name: &str) -> Result<ParameterGroup, Refusal> {
        if let Some(group) = self.parameter_groups.get(name) {
            return Ok(group.clone());
        }
        defaults().remove(name).ok_or_else(|| no_parameter_group(name))
    }

    /// A group that fits the engine's family, or a refusal.
    pub fn fitting_parameter_group(&self, name: &str, family: &str) -> Result<ParameterGroup, Refusal> {
        let group = self.parameter_group(name)?;
        if group.family != family {
            return Err(combination(format!("Expected a parameter group of family {family} but found one of family {}", group.family)));
        }
        Ok(group)
    }

    fn parameter_group_user(&self, name: &str) -> Option<&str> {
        let groups = self.replication_groups.iter().filter(|(_, group)| {
            let next = [group.change.as_ref(), group.pending.as_ref().map(|pending| &pending.change)];
            group.parameter_group.as_deref() == Some(name)
                || next.into_iter().flatten().any(|change| change.parameter_group.as_deref() == Some(name))
        });
        let clusters = self.cache_clusters.iter().filter(|(_, cluster)| cluster.parameter_group.as_deref() == Some(name));
        groups.map(|(id, _)| id.as_str()).chain(clusters.map(|(id, _)| id.as_str())).next()
    }
}

/// The groups that AWS keeps for everybody.
fn defaults() -> BTreeMap<String, ParameterGroup> {
    let mut groups = BTreeMap::new();
    for family in engine::families() {
        let description = format!("Default parameter group for {family}");
        let plain = ParameterGroup { family: family.to_owned(), description, ..ParameterGroup::default() };
        if !family.starts_with("memcached") {
            let mut cluster = plain.clone();
            cluster.description = format!("Customized default parameter group for {family} with cluster mode on");
            cluster.parameters.insert("cluster-enabled".to_owned(), "yes".to_owned());
            groups.insert(format!("default.{family}.cluster.on"), cluster);
        }
        groups.insert(format!("default.{family}"), plain);
    }
    groups
}

fn show(xml: Xml, name: &str, group: &ParameterGroup, place: &Place) -> Xml {
    xml.text("CacheParameterGroupName", name)
        .text("CacheParameterGroupFamily", &group.family)
        .text("Description", &group.description)
        .text("IsGlobal", false)
        .text("ARN", place.arn("parametergroup", name))
}

pub fn create(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheParameterGroupName", "CacheParameterGroupFamily", "Description", "Tags"])?;
    form.require("CacheParameterGroupName")?;
    let name = new_id(form, "CacheParameterGroupName", 255)?;
    let family = form.require("CacheParameterGroupFamily")?;
    let description = form.require("Description")?.to_owned();
    if !engine::families().contains(&family) {
        return Err(value(format!("CacheParameterGroupFamily {family} is not a valid parameter group family.")));
    }
    if state.parameter_groups.contains_key(&name) {
        return Err(Refusal::new(400, "CacheParameterGroupAlreadyExists", format!("CacheParameterGroup {name} already exists.")));
    }
    if state.parameter_groups.len() >= QUOTA {
        let message = format!("The request could not be processed because it would exceed the maximum of {QUOTA} cache parameter groups.");
        return Err(Refusal::new(400, "CacheParameterGroupQuotaExceeded", message));
    }
    let group = ParameterGroup { family: family.to_owned(), description, parameters: BTreeMap::new(), tags: tags(form)? };
    let answer = Xml::new().node("CacheParameterGroup", |xml| show(xml, &name, &group, place));
    state.parameter_groups.insert(name, group);
    Ok(answer)
}

pub fn describe(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheParameterGroupName", "MaxRecords", "Marker"])?;
    let all = match form.get("CacheParameterGroupName") {
        Some(name) => {
            let name = name.to_lowercase();
            let group = state.parameter_group(&name)?;
            vec![(name, group)]
        }
        None => {
            let mut all = defaults();
            all.extend(state.parameter_groups.clone());
            all.into_iter().collect()
        }
    };
    let (groups, marker) = page(form, place, all)?;
    Ok(Xml::new()
        .maybe("Marker", marker)
        .list("CacheParameterGroups", "CacheParameterGroup", groups, |xml, (name, group)| show(xml, &name, &group, place)))
}

pub fn describe_parameters(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheParameterGroupName", "Source", "MaxRecords", "Marker"])?;
    let name = id(form, "CacheParameterGroupName")?;
    let source = word(form, "Source", &["user", "system", "engine-default"])?;
    let group = state.parameter_group(&name)?;
    // What AWS set in its own groups is no user's doing.
    let own = !name.starts_with("default.");
    let all = table::of(&group.family)
        .into_iter()
        .map(|parameter| {
            let given = group.parameters.get(parameter.name);
            let from = if given.is_some() && own { "user" } else { "system" };
            (parameter.name.to_owned(), (parameter, given.map_or(parameter.default, String::as_str), from))
        })
        .filter(|(_, (_, _, from))| source.is_none_or(|source| source == *from))
        .collect();
    let (parameters, marker) = page(form, place, all)?;
    Ok(Xml::new().maybe("Marker", marker).list("Parameters", "Parameter", parameters, |xml, (name, (parameter, present, from))| {
        xml.text("ParameterName", &name)
            .maybe("ParameterValue", Some(present).filter(|present| !present.is_empty()))
            .text("Description", format!("Engine parameter {name}"))
            .text("Source", from)
            .text("DataType", parameter.data_type)
            .maybe("AllowedValues", Some(parameter.allowed).filter(|allowed| !allowed.is_empty()))
            .text("IsModifiable", parameter.modifiable)
            .text("MinimumEngineVersion", parameter.since)
            .text("ChangeType", if parameter.reboot { "requires-reboot" } else { "immediate" })
    }))
}

pub fn modify(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheParameterGroupName", "ParameterNameValues"])?;
    let name = id(form, "CacheParameterGroupName")?;
    let group = own(state, &name)?;
    let mut changed = BTreeMap::new();
    for record in wanted(form)? {
        let parameter = record.require("ParameterName")?;
        let given = record.get("ParameterValue").ok_or_else(|| combination(format!("The parameter {parameter} has no value.")))?;
        let known = known(&group, parameter)?;
        if !known.takes(given) {
            return Err(value(format!("The parameter {parameter} has an invalid value. Allowed values: {}", known.allowed)));
        }
        if changed.insert(parameter.to_owned(), given.to_owned()).is_some() {
            return Err(combination(format!("The parameter {parameter} was given twice.")));
        }
    }
    let names = changed.iter().filter(|(parameter, given)| group.parameters.get(*parameter) != Some(given));
    let names: Vec<String> = names.map(|(parameter, _)| parameter.clone()).collect();
    state.parameter_groups.entry(name.clone()).or_default().parameters.extend(changed);
    if !names.is_empty() {
        state.parameters_changed(&name, &names, place.now);
    }
    Ok(Xml::new().text("CacheParameterGroupName", name))
}

pub fn reset(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheParameterGroupName", "ResetAllParameters", "ParameterNameValues"])?;
    let name = id(form, "CacheParameterGroupName")?;
    let group = own(state, &name)?;
    let all = form.bool("ResetAllParameters")?.unwrap_or(false);
    let names: Vec<String> = match (all, form.has("ParameterNameValues")) {
        (true, true) => return Err(combination("ResetAllParameters and ParameterNameValues cannot be used together.")),
        (true, false) => group.parameters.keys().cloned().collect(),
        (false, _) => {
            let mut names = Vec::new();
            for record in wanted(form)? {
                let parameter = record.require("ParameterName")?;
                known(&group, parameter)?;
                names.push(parameter.to_owned());
            }
            names
        }
    };
    let names: Vec<String> = names.into_iter().filter(|parameter| group.parameters.contains_key(parameter)).collect();
    state.parameter_groups.entry(name.clone()).or_default().parameters.retain(|parameter, _| !names.contains(parameter));
    if !names.is_empty() {
        state.parameters_changed(&name, &names, place.now);
    }
    Ok(Xml::new().text("CacheParameterGroupName", name))
}

pub fn delete(state: &mut State, _: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheParameterGroupName"])?;
    let name = id(form, "CacheParameterGroupName")?;
    own(state, &name)?;
    if let Some(user) = state.parameter_group_user(&name) {
        return Err(parameter_group_state(format!("One or more cache clusters are still members of this parameter group {name}: {user}")));
    }
    state.parameter_groups.remove(&name);
    Ok(Xml::new())
}

/// A group that may be changed: not one of AWS's own.
fn own(state: &State, name: &str) -> Result<ParameterGroup, Refusal> {
    let group = state.parameter_group(name)?;
    if name.starts_with("default.") {
        // The only state refusal that the model has for these operations. [service model]
        return Err(parameter_group_state(format!("The default parameter group {name} cannot be modified, reset or deleted.")));
    }
    Ok(group)
}

fn wanted(form: &Form) -> Result<Vec<Form>, Refusal> {
    let records = form.records("ParameterNameValues");
    if records.is_empty() {
        return Err(Refusal::new(400, "MissingParameter", "The request must contain the parameter ParameterNameValues."));
    }
    if records.len() > MOST {
        return Err(combination(format!("A maximum of {MOST} parameters may be modified in a single request.")));
    }
    Ok(records)
}

fn known(group: &ParameterGroup, name: &str) -> Result<&'static table::Parameter, Refusal> {
    let Some(parameter) = table::find(&group.family, name) else {
        return Err(value(format!("Could not find parameter {name} in family {}.", group.family)));
    };
    if !parameter.modifiable {
        return Err(value(format!("The parameter {name} cannot be modified.")));
    }
    Ok(parameter)
}
