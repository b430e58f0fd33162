//! What a restart puts in force besides what is declared: parameters that somebody set in the instance's group, and that wait there.
//!
//! RDS tells one status for the whole group (`pending-reboot`), never which of its parameters wait. So all of those are named that somebody set and that
//! may: static ones, and dynamic ones that were set to wait for a restart (`ApplyMethod` is `pending-reboot`). Whoever consents to a restart consents to
//! them, too, with the values that they have then. Not named is what somebody set back to the engine's default, as RDS then shows nobody's hand in it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Instances;
use super::cuts::{Cuts, cuts, worst};
use super::op::{Op, Setting};
use super::seen::{OwnGroup, Seen};
use super::spec::InstanceSpec;
use super::values::{Parameter, same};
use crate::kinds::{Block, Fact, Planning, Progress, Reason, Step, Steps, Unreadable, Why, bounded, few};

/// The parameters of a group that somebody set and that a restart may put in force, by name, with their values as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    undeclared: BTreeMap<String, String>,
    /// Declared, with another value.
    otherwise: BTreeMap<String, String>,
}

impl Waiting {
    pub fn read(spec: &InstanceSpec, parameters: &BTreeMap<String, Parameter>) -> Waiting {
        let mut waiting = Waiting::default();
        for (name, parameter) in parameters.iter().filter(|(_, parameter)| parameter.may_wait()) {
            let Some(value) = parameter.value.as_deref() else { continue };
            let list = match spec.parameter(name) {
                None => &mut waiting.undeclared,
                Some(declared) if same(&Value::String(value.to_owned()), &declared) => continue,
                Some(_) => &mut waiting.otherwise,
            };
            list.insert(name.clone(), bounded(value));
        }
        waiting
    }

    /// All of them but those that the plan sets before the restart: what is declared otherwise and not set (a conflict, an exception, a value that is not
    /// taken) stays as it is, and comes into force so.
    fn besides(&self, sets: &[&str]) -> BTreeMap<String, String> {
        let left = self.otherwise.iter().filter(|(name, _)| !sets.contains(&name.as_str()));
        self.undeclared.iter().chain(left).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The first parameter that somebody set, or set otherwise or back, since `brings` was planned. What the plan sets is as declared by then.
    fn changed<'a>(&'a self, brings: &'a BTreeMap<String, String>) -> Option<&'a String> {
        let more = self.undeclared.iter().chain(&self.otherwise).find(|(name, value)| brings.get(*name) != Some(value));
        let now = |name| self.undeclared.get(name).or_else(|| self.otherwise.get(name));
        let less = || brings.iter().find(|(name, value)| now(*name) != Some(value));
        more.or_else(less).map(|(name, _)| name)
    }
}

/// What a restart of the instance with the group that it has may put in force besides the parameters that its plan `sets` in that group before.
pub fn of<'a>(planning: &Planning<'a, Instances>, sets: &[&str]) -> Result<BTreeMap<String, String>, &'a Unreadable> {
    match &planning.seen.waiting {
        Fact::Present(waiting) => Ok(waiting.besides(sets)),
        Fact::Absent => Ok(BTreeMap::new()),
        Fact::Unknown(why) => Err(why),
    }
}

/// The same of a group that was begun for the instance, as it is when it is attached: with `settings`, which are carried over too, and all that the plan
/// `sets`.
pub fn begun(spec: &InstanceSpec, own: &OwnGroup, settings: &[Setting], sets: &[&str]) -> BTreeMap<String, String> {
    let mut parameters = own.parameters.clone();
    for setting in settings {
        let parameter = parameters.entry(setting.name.clone()).or_default();
        (parameter.value, parameter.set, parameter.waits) = (Some(setting.value.clone()), true, setting.restarts);
    }
    Waiting::read(spec, &parameters).besides(sets)
}

/// In words, for what a restart takes; `group` is the one that the instance restarts with.
pub fn words(seen: &Seen, group: &str, brings: &BTreeMap<String, String>) -> String {
    let instance = seen.instance.present();
    let cluster = instance.and_then(|instance| instance.cluster.as_deref());
    let cluster = cluster
        .map(|cluster| format!("what waits in the parameter group of the cluster {cluster} comes into force too, and was not looked at"));
    let in_sync = instance.and_then(|instance| instance.group.as_ref()).is_some_and(|attached| attached.status == "in-sync");
    let effect = |name: &str, value: &str| cuts(name, Some(value));
    let mut sorted: Vec<(&String, &String)> = brings.iter().collect();
    // Those first that clients notice: a long list is cut.
    sorted.sort_by_key(|(name, value)| match effect(name, value) {
        Some(Cuts::Some) => 1,
        Some(_) => 0,
        None => 2,
    });
    let list: Vec<String> = sorted.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let list = few(&list);
    let whom = worst(sorted.iter().map(|(name, value)| (name.as_str(), effect(name, value))));
    let group = match (brings.is_empty(), in_sync) {
        (true, _) => None,
        (false, true) => Some(format!("besides what is declared {group} sets {list}: in force already, by what RDS says")),
        (false, false) => {
            let whom = whom.map(|whom| format!(": where it does, {whom}")).unwrap_or_default();
            Some(format!("besides what is declared {group} sets {list}; RDS does not say what of that waits{whom}"))
        }
    };
    group.into_iter().chain(cluster).collect::<Vec<_>>().join("; ")
}

/// A step that restarts the instance, or may, says and holds what that brings, and comes after those of `steps` that change the group before; a block where
/// nobody knows.
pub fn told(planning: &Planning<'_, Instances>, mut step: Step<Op>, steps: &Steps<Op>) -> Result<Step<Op>, Block> {
    let mut sets: Vec<&str> = Vec::new();
    let mut changing = Vec::new();
    for (place, before) in steps.steps.iter().enumerate() {
        match &before.op {
            Op::SetParameters { settings, .. } => sets.extend(settings.iter().map(|one| one.name.as_str())),
            Op::ResetParameters { parameters, .. } => sets.extend(parameters.iter().map(|one| one.name.as_str())),
            _ => continue,
        }
        changing.push(place);
    }
    step = step.after(changing);
    let brought = match of(planning, &sets) {
        Ok(brought) => brought,
        Err(why) => {
            let message = format!("it may restart the instance, and what that puts in force is not known: {}: {}", why.call, why.message);
            return Err(Block { reason: Reason::Unreadable, fields: step.fields, message, what_to_do: why.what_to_do() });
        }
    };
    let group = planning.seen.instance.present().and_then(|instance| instance.group.as_ref()).map_or("", |group| group.name.as_str());
    let besides = words(planning.seen, group, &brought);
    if let Op::Modify { brings, .. } = &mut step.op {
        *brings = Some(brought);
    }
    if besides.is_empty() {
        return Ok(step);
    }
    Ok(step.also_takes("a restart puts in force what waits in the parameter group").also_takes(&besides))
}

/// How far a step that restarts the instance is: it does not begin where the restart would put in force something else than was planned.
pub fn unless_more(progress: Progress, brings: Option<&BTreeMap<String, String>>, seen: &Seen) -> Progress {
    let (Some(brings), Progress::Pending | Progress::Unclear { .. }) = (brings, &progress) else { return progress };
    match &seen.waiting {
        Fact::Present(waiting) => match waiting.changed(brings) {
            Some(name) => Progress::Stale(format!("somebody else changed {name} in the parameter group since it was planned")),
            None => progress,
        },
        Fact::Unknown(why) if why.why != Why::NotAsked => Progress::Unknown(why.clone()),
        _ => progress,
    }
}
