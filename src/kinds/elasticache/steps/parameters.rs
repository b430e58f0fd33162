//! Parameters and their group.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::settings::takes_with;
use super::{Context, NODES, names};
use crate::kinds::elasticache::op::Op;
use crate::kinds::elasticache::own_group_name;
use crate::kinds::elasticache::seen::{Members, Parameter, ParameterGroup, plain};
use crate::kinds::elasticache::spec::SharedParameterGroup;
use crate::kinds::elasticache::version;
use crate::kinds::{Drift, Fact, Impact, Reason, Step, few};

/// How many parameters a request may change. [service model, ModifyCacheParameterGroup]
const MOST: usize = 20;
/// Parameters that decide which keys are evicted: data may go as they change.
const EVICTING: [&str; 3] = ["maxmemory-policy", "reserved-memory-percent", "reserved-memory"];

/// The field of what a declared group holds being in force.
pub(super) const IN_FORCE: &str = "parametersInForce";
/// Why a parameter cannot be had in place.
const RESTART: &str = "it is in force only after a restart of the nodes, which empties their memory (and is refused in cluster mode)";
const RESTART_COMES_WITH: &str = "it comes with nodes made anew: with a higher engineVersion, or with a new group restored from a snapshot and made \
                                  with a parameter group that has it";

/// A parameter group as it must be before the group uses it.
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) after: Vec<usize>,
    evicts: bool,
}

/// Parameters that are to be changed in a group.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) set: BTreeMap<String, String>,
    /// Those that get the engine's default.
    pub(super) reset: BTreeSet<String>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.reset.is_empty()
    }

    fn fields(&self) -> Vec<String> {
        self.set.keys().chain(&self.reset).map(|name| format!("parameters.{name}")).collect()
    }

    /// What a group does not have yet.
    fn differing(self, group: Option<&ParameterGroup>) -> Changes {
        let found = |name: &String| group.and_then(|group| group.parameters.get(name));
        let has = |name: &String, value: &String| found(name).is_some_and(|parameter| parameter.value == *value);
        Changes {
            set: self.set.into_iter().filter(|(name, value)| !has(name, value)).collect(),
            reset: self.reset.into_iter().filter(|name| found(name).is_some_and(|parameter| parameter.set)).collect(),
        }
    }
}

impl<'a> Context<'a> {
    /// Plans parameters, their group and the version; answers with the step of the version.
    pub(super) fn parameters_and_version(&mut self) -> Option<usize> {
        let drifts: Vec<&'a Drift> = self
            .below("parameters")
            .into_iter()
            .chain(["parameterGroup", IN_FORCE, "engineVersion"].into_iter().filter_map(|field| self.drift(field)))
            .collect();
        if drifts.is_empty() {
            return None;
        }
        let fields = names(&drifts);
        let members = self.members_for(&fields)?;
        if let Some(global) = &self.group.global {
            let message = format!("the group belongs to the global datastore {global}, which decides version and parameters");
            self.block(Reason::ManagedAbove, &fields, message, "change them in the global datastore".to_owned());
            return None;
        }
        let now = version::family(&self.group.engine, &members.version);
        let upgrade = self.drift("engineVersion").filter(|drift| self.can_upgrade(drift, members));
        let then = upgrade.and_then(|drift| drift.declared.as_str()).map(|declared| version::family(&self.group.engine, declared));
        match (upgrade, then) {
            (Some(drift), Some(family)) if family != now => {
                let upgraded = self.upgrade_family(drift, members, &family);
                if upgraded.is_none() {
                    self.wait_for_group(&fields, &family);
                }
                upgraded
            }
            (Some(drift), _) => {
                self.same_family(members, &now);
                // Nodes made anew begin with everything that their group holds.
                let in_force = self.drift(IN_FORCE).map(|drift| drift.field.clone()).into_iter().collect();
                let brings = self.brought_by(members.parameter_group().unwrap_or_default());
                Some(self.upgrade(drift, None, in_force, Vec::new(), brings))
            }
            (None, _) => {
                self.same_family(members, &now);
                self.in_force(members);
                None
            }
        }
    }

    /// Blocks what only a restart puts in force: what waits for one already, and what the declared group brings with it.
    fn in_force(&mut self, members: &Members) {
        let present = members.parameter_group().unwrap_or_default();
        // One that is not attached brings nothing.
        let named = self.drift("parameterGroup").filter(|named| !self.is_blocked(&named.field));
        let declared = named.map(|named| plain(&named.declared));
        let (group, names) = match (&declared, self.drift(IN_FORCE)) {
            (None, Some(_)) => {
                let group = self.planning.seen.parameter_groups.get(present).and_then(Fact::present);
                let set = group.into_iter().flat_map(|group| &group.parameters).filter(|(_, one)| one.set && one.restart);
                (present, set.map(|(name, _)| name.clone()).collect())
            }
            (Some(declared), waits) => {
                let names = self.differing_in(present, declared, |one| one.restart);
                if names.is_empty() && waits.is_none() {
                    return;
                }
                (declared.as_str(), names)
            }
            (None, None) => return,
        };
        let what = if names.is_empty() { String::new() } else { format!(" ({})", few(&names)) };
        let message = format!("not all that {group} holds is in force on the nodes{what}: {RESTART}");
        self.block(Reason::NotSupported, &[IN_FORCE.to_owned()], message, RESTART_COMES_WITH.to_owned());
    }

    /// The parameters that have another value in one group than in another; none where one of the two could not be read.
    fn differing_in(&self, one: &str, other: &str, of: impl Fn(&Parameter) -> bool) -> Vec<String> {
        let group = |name: &str| self.planning.seen.parameter_groups.get(name).and_then(Fact::present);
        let (Some(one), Some(other)) = (group(one), group(other)) else { return Vec::new() };
        let differs = |(name, parameter): &(&String, &Parameter)| {
            of(parameter) && one.parameters.get(*name).is_some_and(|before| before.value != parameter.value)
        };
        other.parameters.iter().filter(differs).map(|(name, _)| name.clone()).collect()
    }

    /// Parameters and group within the present family.
    fn same_family(&mut self, members: &Members, family: &str) {
        let parameters = self.below("parameters");
        let present = members.parameter_group().unwrap_or_default().to_owned();
        let named = self.drift("parameterGroup");
        let name = named.map_or_else(|| present.clone(), |named| plain(&named.declared));
        if named.is_some_and(|named| !self.fits(named, &name, family)) {
            if !parameters.is_empty() {
                let message = "they belong into the parameter group, which is blocked".to_owned();
                self.block(Reason::WaitsForOther, &names(&parameters), message, "see parameterGroup".to_owned());
            }
            return;
        }
        let mut values = self.settable(&parameters, &name);
        if let Some(named) = named {
            match self.changed_first(named, &name, &present, &parameters, values) {
                Some(changes) => values = changes,
                None => return,
            }
        }
        let fields = values.fields();
        // What the declared group holds already comes with it.
        let held = |drift: &&&Drift| {
            let parameter = drift.field.strip_prefix("parameters.").unwrap_or_default();
            self.has(&name, parameter, &drift.declared)
        };
        let carried = parameters.iter().filter(held).map(|drift| drift.field.clone());
        let attached: Option<Vec<String>> = named.map(|named| std::iter::once(named.field.clone()).chain(carried).collect());
        if values.is_empty() {
            if let Some(attached) = attached {
                self.attach(Prepared::of(&name), attached);
            }
            return;
        }
        let others: BTreeSet<&String> = self.outsiders(&name);
        let may = self.planning.spec.shared_parameter_group == Some(SharedParameterGroup::Allow);
        let declared_name = self.planning.spec.parameter_group.is_some();
        if !name.starts_with("default.") && (others.is_empty() || may) {
            let Some(prepared) = self.change_group(&name, values) else { return };
            if let Some(attached) = attached {
                self.attach(prepared, attached);
            }
        } else if declared_name {
            self.block_shared(&name, &others, &fields);
        } else {
            let mut set = self.copied(&name);
            set.retain(|name, _| !values.reset.contains(name));
            set.extend(values.set);
            if let Some(own) = self.own_group(family, Changes { set, reset: values.reset }, &fields, &fields) {
                self.attach(own, fields);
            }
        }
    }

    fn block_shared(&mut self, name: &str, others: &BTreeSet<&String>, fields: &[String]) {
        let who = others.iter().map(|user| user.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("{name} is used by {who} too, of whose parameters this manifest says nothing");
        let what_to_do = "say sharedParameterGroup: Allow, or leave parameterGroup out to have a group of its own made".to_owned();
        self.block(Reason::Conflict, fields, message, what_to_do);
    }

    /// What is changed in a declared group before it is attached, so that it has all that is declared: `values` that differ there, and what is as
    /// declared in the present group and is not in that one. None, and blocked, where it cannot have all of it: a group that is known to be wrong
    /// is not attached.
    pub(super) fn changed_first(
        &mut self,
        named: &Drift,
        name: &str,
        present: &str,
        parameters: &[&Drift],
        mut values: Changes,
    ) -> Option<Changes> {
        let catalog = self.planning.seen.parameter_groups.get(name).and_then(Fact::present);
        // A difference that is excepted is none, and none is made of it.
        let asked: Vec<(String, Value)> = self.planning.spec.parameter_values().unwrap_or_default().into_iter().collect();
        let asked = asked.into_iter().filter(|(parameter, declared)| {
            self.drift(&format!("parameters.{parameter}")).is_some() || self.has(present, parameter, declared)
        });
        let lacks: Vec<(String, Value)> = asked.filter(|(parameter, declared)| !self.has(name, parameter, declared)).collect();
        for (parameter, declared) in &lacks {
            let Some(known) = catalog.and_then(|catalog| catalog.parameters.get(parameter)) else { continue };
            let spelled = known.spelled(&plain(declared));
            // Of what differs now the values are given.
            let kept = self.drift(&format!("parameters.{parameter}")).is_none() && known.modifiable && !known.restart;
            if kept && declared.is_null() {
                values.reset.insert(parameter.clone());
            } else if kept && known.takes(&spelled) {
                values.set.insert(parameter.clone(), spelled);
            }
        }
        let values = self.agreed(name, values.differing(catalog));
        let others = self.outsiders(name);
        let may = others.is_empty() || self.planning.spec.shared_parameter_group == Some(SharedParameterGroup::Allow);
        let set = |parameter: &String| may && (values.set.contains_key(parameter) || values.reset.contains(parameter));
        let words = |(parameter, declared): &(String, Value)| {
            let found = self.present_value(name, parameter).map_or_else(|| "nothing".to_owned(), |found| format!("{found:?}"));
            let declared = if declared.is_null() { "the engine's default".to_owned() } else { declared.to_string() };
            format!("{parameter} is {found} there, and {declared} is declared")
        };
        let wrong: Vec<String> = lacks.iter().filter(|(parameter, _)| !set(parameter)).map(words).collect();
        if wrong.is_empty() {
            return Some(values);
        }
        let fields: Vec<String> = values.fields().into_iter().filter(|field| self.drift(field).is_some()).collect();
        if !may && !fields.is_empty() {
            self.block_shared(name, &others, &fields);
        }
        let message = format!("{name} would be attached without what is declared: {}", few(&wrong));
        let what_to_do = "name a group that has it, or correct `parameters`".to_owned();
        self.block(Reason::Conflict, std::slice::from_ref(&named.field), message, what_to_do);
        let rest: Vec<String> = names(parameters).into_iter().filter(|field| !self.is_blocked(field)).collect();
        if !rest.is_empty() {
            let message = "they belong into the parameter group, which is blocked".to_owned();
            self.block(Reason::WaitsForOther, &rest, message, "see parameterGroup".to_owned());
        }
        None
    }

    /// Whether a parameter is as declared in a parameter group.
    fn has(&self, group: &str, parameter: &str, declared: &Value) -> bool {
        let known = self.planning.seen.parameter_groups.get(group).and_then(Fact::present);
        let known = known.and_then(|group| group.parameters.get(parameter));
        match declared.is_null() {
            true => known.is_none_or(|known| !known.set),
            false => known.is_some_and(|known| known.value == known.spelled(&plain(declared))),
        }
    }

    /// Whether the declared group is there and of the right family.
    pub(super) fn fits(&mut self, drift: &Drift, name: &str, family: &str) -> bool {
        let field = [drift.field.clone()];
        match self.planning.seen.parameter_groups.get(name) {
            Some(Fact::Present(group)) if group.family == family => true,
            Some(Fact::Present(group)) => {
                let message = format!("{name} is of the family {}, and the engine needs one of {family}", group.family);
                self.block(Reason::InvalidWish, &field, message, format!("name a group of the family {family}"));
                false
            }
            Some(Fact::Absent) => {
                self.block(
                    Reason::InvalidWish,
                    &field,
                    format!("there is no parameter group {name}"),
                    "make it, or name another".to_owned(),
                );
                false
            }
            _ => {
                self.block(Reason::Unreadable, &field, format!("the parameter group {name} could not be read"), "run again".to_owned());
                false
            }
        }
    }

    /// The values that can be had without a restart; the others are blocked.
    pub(super) fn settable(&mut self, drifts: &[&Drift], group: &str) -> Changes {
        let mut values = Changes::default();
        let catalog = self.planning.seen.parameter_groups.get(group);
        for drift in drifts {
            let Some(name) = drift.field.strip_prefix("parameters.") else { continue };
            let field = [drift.field.clone()];
            let Some(Fact::Present(catalog)) = catalog else {
                self.block(Reason::Unreadable, &field, format!("the parameter group {group} could not be read"), "run again".to_owned());
                continue;
            };
            match catalog.parameters.get(name) {
                None => {
                    let message = format!("the family {} has no such parameter", catalog.family);
                    self.block(Reason::InvalidWish, &field, message, "correct or remove it".to_owned());
                }
                Some(Parameter { modifiable: false, .. }) => {
                    self.block(Reason::NotSupported, &field, "AWS does not let it be changed".to_owned(), "remove it".to_owned());
                }
                Some(Parameter { restart: true, .. }) => {
                    self.block(Reason::NotSupported, &field, RESTART.to_owned(), RESTART_COMES_WITH.to_owned());
                }
                Some(_) if drift.declared.is_null() => {
                    values.reset.insert(name.to_owned());
                }
                Some(known) => match known.spelled(&plain(&drift.declared)) {
                    spelled if known.takes(&spelled) => {
                        values.set.insert(name.to_owned(), spelled);
                    }
                    _ => self.not_taken(known, drift),
                },
            }
        }
        values
    }

    /// Blocks a value that ElastiCache would refuse.
    pub(super) fn not_taken(&mut self, parameter: &Parameter, drift: &Drift) {
        let takes = match parameter.allowed.as_str() {
            "" => "a number",
            allowed => allowed,
        };
        let name = drift.field.strip_prefix("parameters.").unwrap_or(&drift.field);
        let message = format!("{name} takes {takes}, and {} is declared", drift.declared);
        self.block(Reason::InvalidWish, std::slice::from_ref(&drift.field), message, "declare a value that it takes".to_owned());
    }

    /// A declared value as the parameter of that group spells it.
    fn spelled(&self, group: &str, name: &str, declared: &Value) -> String {
        let group = self.planning.seen.parameter_groups.get(group).and_then(Fact::present);
        let parameter = group.and_then(|group| group.parameters.get(name));
        parameter.map_or_else(|| plain(declared), |parameter| parameter.spelled(&plain(declared)))
    }

    /// Users of a group of whose parameters this manifest says nothing: neither what they are, nor in which group they are.
    fn outsiders(&self, name: &str) -> BTreeSet<&'a String> {
        let seen = self.planning.seen;
        let users = seen.parameter_groups.get(name).and_then(Fact::present).map(|group| &group.users);
        let asks = |user: &String| {
            let peer = self.planning.peer(user);
            peer.is_some_and(|peer| {
                peer.parameter_group.is_some() || peer.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty())
            })
        };
        users.into_iter().flatten().filter(|user| **user != self.group.id && !asks(user)).collect()
    }

    pub(super) fn present_value(&self, group: &str, name: &str) -> Option<String> {
        let group = self.planning.seen.parameter_groups.get(group)?.present()?;
        group.parameters.get(name).map(|parameter| parameter.value.clone())
    }

    /// What a group that takes the place of `name` begins with.
    pub(super) fn copied(&self, name: &str) -> BTreeMap<String, String> {
        let group = self.planning.seen.parameter_groups.get(name).and_then(Fact::present);
        let set = group.into_iter().flat_map(|group| &group.parameters).filter(|(_, parameter)| parameter.set && parameter.modifiable);
        let mut values: BTreeMap<String, String> = set.map(|(name, parameter)| (name.clone(), parameter.value.clone())).collect();
        if self.group.cluster_mode {
            // AWS's own groups for cluster mode have it set by AWS, so it does not show among what was set.
            values.insert("cluster-enabled".to_owned(), "yes".to_owned());
        }
        values
    }

    /// The ids of the other entries that have their parameters in the group `name`: those that declare it, and those that use it and declare none.
    fn sharers(&self, name: &str) -> BTreeSet<&'a str> {
        let seen = self.planning.seen;
        let users = seen.parameter_groups.get(name).and_then(Fact::present).map(|group| &group.users);
        let users = users.into_iter().flatten().map(String::as_str);
        let undeclared = users.filter(|user| self.planning.peer_anywhere(user).is_some_and(|(peer, _)| peer.parameter_group.is_none()));
        let declared = self.planning.sharing(name).iter().map(String::as_str);
        undeclared.chain(declared).filter(|other| **other != self.group.id).collect()
    }

    /// Without those for which another entry with the same group declares another value: the two would set each other's back for ever.
    fn agreed(&mut self, group: &str, mut values: Changes) -> Changes {
        let mine = self.planning.spec.parameter_values().unwrap_or_default();
        for other in self.sharers(group) {
            let Some((peer, whose)) = self.planning.peer_anywhere(other) else { continue };
            let theirs = peer.parameter_values().unwrap_or_default();
            let disagree = |name: &&String| match (mine.get(*name), theirs.get(*name)) {
                (Some(mine), Some(theirs)) => {
                    mine.is_null() != theirs.is_null() || self.spelled(group, name, mine) != self.spelled(group, name, theirs)
                }
                _ => false,
            };
            let names: Vec<String> = values.set.keys().chain(&values.reset).filter(disagree).cloned().collect();
            for name in names {
                let words = |values: &Map<String, Value>| match values.get(&name) {
                    None | Some(Value::Null) => "the engine's default".to_owned(),
                    Some(value) => plain(value),
                };
                let message = format!(
                    "elasticache.replicationGroups/{} declares {} and elasticache.replicationGroups/{}{whose} {}, and both have the parameter group {group}",
                    self.planning.spec.name,
                    words(&mine),
                    peer.name,
                    words(&theirs)
                );
                let what_to_do = "declare the same value in both, or give one of them a parameter group of its own".to_owned();
                self.block(Reason::Conflict, &[format!("parameters.{name}")], message, what_to_do);
                values.set.remove(&name);
                values.reset.remove(&name);
            }
        }
        values
    }

    /// Changes a group that may be changed.
    pub(super) fn change_group(&mut self, name: &str, values: Changes) -> Option<Prepared> {
        let values = self.agreed(name, values);
        let mut fields = values.fields();
        // What is so now, and is set in another group before that is attached, is no difference of its own.
        fields.retain(|field| self.drift(field).is_some());
        if fields.is_empty() {
            fields.extend(self.drift("parameterGroup").map(|named| named.field.clone()));
        }
        let others = self.outsiders(name);
        let may = self.planning.spec.shared_parameter_group == Some(SharedParameterGroup::Allow);
        if name.starts_with("default.") || !(others.is_empty() || may) {
            let message = format!("{name} is not this group's alone, and may not be changed");
            self.block(Reason::Conflict, &fields, message, "name a group of its own, or say sharedParameterGroup: Allow".to_owned());
            return None;
        }
        if !others.is_empty() {
            let who = others.iter().map(|user| user.as_str()).collect::<Vec<_>>().join(", ");
            self.plan.notes.push(format!("{name} is used by {who} too: they change with it"));
        }
        let known = self.planning.seen.parameter_groups.get(name).and_then(Fact::present);
        let used = known.is_some_and(|group| !group.users.is_empty());
        Some(self.set(name, values.differing(known), &fields, Vec::new(), used))
    }

    /// A group of our own, made or completed: deterministic by name, so that a crash in between finds it again.
    pub(super) fn own_group(&mut self, family: &str, values: Changes, fields: &[String], else_block: &[String]) -> Option<Prepared> {
        let name = own_group_name(self.id(), family);
        let blocked = if fields.is_empty() { else_block } else { fields };
        let known = match self.planning.seen.parameter_groups.get(&name) {
            Some(Fact::Present(group)) if group.ours && group.family == family => Some(group),
            Some(Fact::Present(_)) => {
                let message = format!("the parameter group {name} is there, and holdfast did not make it");
                self.block(Reason::Conflict, blocked, message, "rename or delete it, or name a parameterGroup".to_owned());
                return None;
            }
            Some(Fact::Absent) => None,
            _ => {
                let message = format!("whether there is a parameter group {name} could not be read");
                self.block(Reason::Unreadable, blocked, message, "run again".to_owned());
                return None;
            }
        };
        let others = self.outsiders(&name);
        if !others.is_empty() && self.planning.spec.shared_parameter_group != Some(SharedParameterGroup::Allow) {
            let who = others.iter().map(|user| user.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("{name} was made for this group alone, and {who} use it, too");
            self.block(Reason::Conflict, blocked, message, "give them another group, or say sharedParameterGroup: Allow".to_owned());
            return None;
        }
        let values = self.agreed(&name, values);
        let fields = if fields.is_empty() { else_block } else { fields };
        let after = match known {
            Some(_) => Vec::new(),
            None => {
                let op = Op::CreateParameterGroup {
                    name: name.clone(),
                    family: family.to_owned(),
                    object: self.planning.scope.object.clone(),
                    group: self.id().to_owned(),
                };
                let step = Step::online(format!("Make the parameter group {name} ({family})"), op, fields);
                vec![self.plan.push(step.back(self.delete_group_back(&name)))]
            }
        };
        let values = values.differing(known);
        let used = known.is_some_and(|group| !group.users.is_empty());
        Some(self.set(&name, values, fields, after, used))
    }

    /// `used`: nodes have the group already, so that values count at once.
    fn set(&mut self, name: &str, values: Changes, fields: &[String], mut after: Vec<usize>, used: bool) -> Prepared {
        let evicts = values.set.keys().chain(&values.reset).any(|name| EVICTING.contains(&name.as_str()));
        let reset: Vec<String> = values.reset.into_iter().collect();
        let set: Vec<(String, String)> = values.set.into_iter().collect();
        for part in set.chunks(MOST) {
            let words: Vec<String> = part.iter().map(|(name, value)| format!("{name} to {value:?}")).collect();
            let words = few(&words);
            let op = Op::SetParameters { name: name.to_owned(), parameters: part.iter().cloned().collect() };
            let mut step = Step::online(format!("Set {words} in the parameter group {name}"), op, fields)
                .back(self.parameters_back(name, part.iter().map(|(parameter, _)| parameter.as_str())))
                .within(NODES)
                .after(after.iter().copied());
            if evicts && used {
                step = step.impact(Impact::Disruptive, EVICTS);
            }
            after = vec![self.plan.push(step)];
        }
        for part in reset.chunks(MOST) {
            let title = format!("Set {} in the parameter group {name} back to the engine's default", part.join(", "));
            let op = Op::ResetParameters { name: name.to_owned(), parameters: part.to_vec() };
            let mut step = Step::online(title, op, fields)
                .back(self.parameters_back(name, part.iter().map(String::as_str)))
                .within(NODES)
                .after(after.iter().copied());
            if evicts && used {
                step = step.impact(Impact::Disruptive, EVICTS);
            }
            after = vec![self.plan.push(step)];
        }
        Prepared { name: name.to_owned(), after, evicts: evicts && !used }
    }

    /// Whether a group that is there evicts other keys than the one that it takes the place of; one that cannot be read may.
    fn evicts_otherwise(&self, was: Option<&str>, name: &str) -> bool {
        let group = |name: &str| self.planning.seen.parameter_groups.get(name).and_then(Fact::present);
        match was.and_then(group) {
            Some(_) => was.is_some_and(|was| self.differing_in(was, name, |_| true).iter().any(|one| EVICTING.contains(&one.as_str()))),
            None => true,
        }
    }

    fn attach(&mut self, prepared: Prepared, fields: Vec<String>) {
        let id = self.id();
        let was = self.members().and_then(Members::parameter_group).map(str::to_owned);
        let evicts = prepared.evicts || self.evicts_otherwise(was.as_deref(), &prepared.name);
        let op = Op::AttachParameterGroup { group: id.to_owned(), name: prepared.name.clone(), was: was.clone() };
        let back = self.attach_back(was.as_deref());
        let waiting = self.waiting();
        let mut step = Step::online(format!("Have {id} use the parameter group {}", prepared.name), op, fields)
            .back(back)
            .within(NODES)
            .after(prepared.after);
        if evicts {
            step = step.impact(Impact::Disruptive, EVICTS);
        }
        if !waiting.is_empty() {
            let takes = [step.takes.clone(), takes_with(&waiting)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            step = step.impact(Impact::Disruptive, takes.join(". "));
        }
        self.plan.push(step);
    }
}

const EVICTS: &str = "it decides which keys are evicted and when: look at the free memory first";

impl Prepared {
    pub(super) fn of(name: &str) -> Prepared {
        Prepared { name: name.to_owned(), after: Vec::new(), evicts: false }
    }
}
