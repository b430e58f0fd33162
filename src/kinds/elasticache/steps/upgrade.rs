//! The engine's version, which brings a family of parameters with it.

use std::collections::{BTreeMap, BTreeSet};

use super::parameters::{Changes, IN_FORCE, Prepared};
use super::settings::takes_with;
use super::{Context, UPGRADE, names};
use crate::kinds::elasticache::op::Op;
use crate::kinds::elasticache::seen::{Members, plain};
use crate::kinds::elasticache::version;
use crate::kinds::{Drift, Fact, Impact, Reason, Step, bounded, few};

impl<'a> Context<'a> {
    /// Blocks what is left of a version, its group and its parameters when one of the three is blocked: they change in one request.
    pub(super) fn wait_for_group(&mut self, fields: &[String], family: &str) {
        let blocked: BTreeSet<&String> = self.plan.blocks.iter().flat_map(|block| &block.fields).collect();
        let left: Vec<String> = fields.iter().filter(|field| !blocked.contains(field)).cloned().collect();
        if !left.is_empty() {
            let message = format!("the version comes with a parameter group of the family {family}, and what is declared of it is blocked");
            self.block(Reason::WaitsForOther, &left, message, "see what blocks the parameter group".to_owned());
        }
    }

    pub(super) fn can_upgrade(&mut self, drift: &Drift, members: &Members) -> bool {
        let declared = drift.declared.as_str().unwrap_or_default();
        if version::reaches(declared, [6, 0, 0]) && version::same_minor(&members.version, declared) {
            let message = format!("from Redis 6 on AWS chooses the patch of a version: {} cannot be asked for", declared);
            self.block(
                Reason::NotSupported,
                std::slice::from_ref(&drift.field),
                message,
                "declare the version without its patch, and apply ElastiCache's service updates".to_owned(),
            );
            return false;
        }
        let field = [drift.field.clone()];
        let engine = &self.group.engine;
        match &self.planning.seen.offered {
            Fact::Present(offered) if version::is_offered(offered, declared) => true,
            Fact::Present(offered) => {
                let message = format!("ElastiCache offers no version {declared} of {engine}");
                let newer = version::newer(offered, &members.version);
                let what_to_do = match newer.is_empty() {
                    true => format!("{} is the newest of {engine}: declare it, or leave engineVersion out", members.version),
                    false => format!("declare one of those that it offers: {}", newer.join(", ")),
                };
                self.block(Reason::InvalidWish, &field, message, format!("{what_to_do} (another engine, such as Valkey, takes a person)"));
                false
            }
            other => {
                let why = other.unknown().map(|why| format!(": {}: {}", why.call, why.message)).unwrap_or_default();
                let message = format!("which versions of {engine} ElastiCache offers could not be read{why}");
                self.block(Reason::Unreadable, &field, message, "allow elasticache:DescribeCacheEngineVersions, or run again".to_owned());
                false
            }
        }
    }

    /// `brings`: what nodes made anew begin with besides what is declared.
    pub(super) fn upgrade(
        &mut self,
        drift: &Drift,
        parameter_group: Option<String>,
        more: Vec<String>,
        after: Vec<usize>,
        brings: BTreeMap<String, String>,
    ) -> usize {
        let id = self.id();
        let declared = drift.declared.as_str().unwrap_or_default();
        let mut takes =
            "nodes are replaced one by one, with a fail-over and lost connections; without replicas the group is away for minutes"
                .to_owned();
        let waiting = self.waiting();
        if !waiting.is_empty() {
            takes = format!("{takes}. {}", takes_with(&waiting));
        }
        if !brings.is_empty() {
            let list: Vec<String> = brings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            // Of a group that the nodes have AWS says whether all of it is in force, never what is not.
            let waits = match parameter_group.is_none() && !self.members().is_some_and(|members| members.waits_for_restart) {
                true => "in force already, by what AWS says",
                false => "AWS does not say what of that is not in force yet",
            };
            let list = few(&list);
            takes =
                format!("{takes}. Nodes made anew begin with what their parameter group sets besides what is declared: {list} ({waits})");
        }
        let op = Op::Upgrade { group: id.to_owned(), version: version::asked(declared), parameter_group, brings, token: None };
        let fields = std::iter::once(drift.field.clone()).chain(more);
        let step = Step::online(format!("Upgrade {id} from {} to {declared}", plain(&drift.found)), op, fields)
            .impact(Impact::Disruptive, takes)
            .back("an engine is never downgraded: restore a snapshot from before into a new group")
            .within(UPGRADE)
            .after(after);
        self.plan.push(step)
    }

    /// A version of another family: the group's parameters move with it.
    pub(super) fn upgrade_family(&mut self, drift: &'a Drift, members: &Members, family: &str) -> Option<usize> {
        let parameters = self.below("parameters");
        // Nodes made anew begin with everything that their group holds.
        let in_force = self.drift(IN_FORCE).map(|drift| drift.field.clone());
        let default = version::default_group(family, self.group.cluster_mode);
        if let Some(named) = self.drift("parameterGroup") {
            let name = plain(&named.declared);
            if !self.fits(named, &name, family) {
                return None;
            }
            let values = self.settable(&parameters, &name);
            let present = members.parameter_group().unwrap_or_default();
            let values = self.changed_first(named, &name, present, &parameters, values)?;
            let prepared = if values.is_empty() { Prepared::of(&name) } else { self.change_group(&name, values)? };
            let more = names(&parameters).into_iter().chain([named.field.clone()]).chain(in_force).collect();
            let brings = self.brought_by(&prepared.name);
            return Some(self.upgrade(drift, Some(prepared.name), more, prepared.after, brings));
        }
        let present = members.parameter_group().unwrap_or_default();
        if self.planning.spec.parameter_group.is_some() && !present.starts_with("default.") {
            let message = format!("{present} is of the family before, and version {} needs one of {family}", plain(&drift.declared));
            let what_to_do = format!("name a parameterGroup of the family {family}, or leave it out to have one made");
            self.block(Reason::Conflict, &names(&[drift]), message, what_to_do);
            return None;
        }
        if present.starts_with("default.") && parameters.is_empty() {
            return Some(self.upgrade(drift, Some(default), in_force.into_iter().collect(), Vec::new(), BTreeMap::new()));
        }
        // What was set by hand comes along, as far as the new family knows it; then what is declared.
        let catalog = match self.planning.seen.parameter_groups.get(&default) {
            Some(Fact::Present(catalog)) => catalog,
            Some(Fact::Absent) => {
                let message = format!("AWS has no parameter group {default}, which version {} would begin with", plain(&drift.declared));
                self.block(
                    Reason::InvalidWish,
                    &names(&[drift]),
                    message,
                    "declare another engineVersion, or name a parameterGroup".to_owned(),
                );
                return None;
            }
            _ => {
                let message = format!("the parameters of the family {family} could not be read");
                self.block(Reason::Unreadable, &names(&[drift]), message, "run again".to_owned());
                return None;
            }
        };
        let mut values: BTreeMap<String, String> = self.copied(present);
        let left: Vec<String> = values.keys().filter(|name| !catalog.parameters.contains_key(*name)).cloned().collect();
        values.retain(|name, _| catalog.parameters.contains_key(name));
        if !left.is_empty() {
            self.plan.notes.push(format!("the family {family} does not know these parameters, which are left behind: {}", left.join(", ")));
        }
        let mut reset = BTreeSet::new();
        for (name, value) in self.planning.spec.parameter_values().unwrap_or_default() {
            let name = &name;
            let value = &value;
            let drifts = self.drift(&format!("parameters.{name}")).is_some();
            if value.is_null() {
                if drifts {
                    values.remove(name);
                    reset.insert(name.clone());
                }
                continue;
            }
            // One that is as declared now must be so after; one whose difference is excepted keeps what it has.
            let Some(known) = catalog.parameters.get(name) else { continue };
            let spelled = known.spelled(&plain(value));
            let satisfied = values.get(name).or(self.present_value(present, name).as_ref()).is_some_and(|found| *found == spelled);
            if (drifts && known.takes(&spelled)) || satisfied {
                values.insert(name.clone(), spelled);
            }
        }
        let declared = parameters.iter().filter(|drift| !drift.declared.is_null());
        let declared = declared.filter_map(|drift| Some((drift.field.strip_prefix("parameters.")?, drift)));
        let (mut unknown, mut refused) = (Vec::new(), Vec::new());
        for (name, drift) in declared {
            match catalog.parameters.get(name) {
                None => unknown.push(drift.field.clone()),
                Some(known) if !known.takes(&known.spelled(&plain(&drift.declared))) => refused.push((known, *drift)),
                Some(_) => {}
            }
        }
        if !unknown.is_empty() {
            self.block(
                Reason::InvalidWish,
                &unknown,
                format!("the family {family} has no such parameter"),
                "correct or remove it".to_owned(),
            );
        }
        for (known, drift) in refused {
            self.not_taken(known, drift);
            unknown.push(drift.field.clone());
        }
        let fields: Vec<String> = names(&parameters).into_iter().filter(|field| !unknown.contains(field)).collect();
        let mut brings =
            self.undeclared(values.iter().filter(|(name, _)| catalog.parameters.get(*name).is_some_and(|known| known.restart)));
        let own = self.own_group(family, Changes { set: values, reset }, &fields, &names(&[drift]))?;
        for (name, value) in self.brought_by(&own.name) {
            brings.entry(name).or_insert(value);
        }
        Some(self.upgrade(drift, Some(own.name), fields.into_iter().chain(in_force).collect(), own.after, brings))
    }

    /// What somebody set in a parameter group that only nodes made anew begin with, and that is not declared, with the values as they are shown.
    pub(super) fn brought_by(&self, group: &str) -> BTreeMap<String, String> {
        let group = self.planning.seen.parameter_groups.get(group).and_then(Fact::present);
        let set = group.into_iter().flat_map(|group| &group.parameters).filter(|(_, one)| one.set && one.restart);
        self.undeclared(set.map(|(name, one)| (name, &one.value)))
    }

    fn undeclared<'v>(&self, values: impl Iterator<Item = (&'v String, &'v String)>) -> BTreeMap<String, String> {
        let declared = self.planning.spec.parameter_values().unwrap_or_default();
        values.filter(|(name, _)| !declared.contains_key(*name)).map(|(name, value)| (name.clone(), bounded(value))).collect()
    }
}
