//! The restart that puts a parameter group in force: what it is for, and what it brings.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Instances;
use super::brings;
use super::observe::own_name;
use super::op::Op;
use super::seen::Attached;
use super::steps::{MINUTE, distinct};
use super::values::{Parameter, plain, same};
use crate::kinds::{Impact, Once, Planning, Step, bounded};

/// The field that says whether parameters are in force.
pub const IN_FORCE: &str = "parametersInForce";

/// Whether what waits in the attached group for a restart may be something that is declared.
///
/// RDS tells one status for the whole group. Where one of the declared parameters needs a restart to come into force, it may be that one, and a parameter is
/// declared to be in force: the restart is asked for. So is that with the instance's own group, which was attached for what is declared. Where none of them
/// needs one, what waits is most likely what somebody else set there for a restart at a time of their own choice, or the whole of a group that somebody has
/// just attached. That cannot be told apart: to call the declared ones in force would be a guess (a group left at pending-reboot and called done), so that the
/// difference stays; and to restart a database unasked is worse than to leave it so, so that the restart waits for consent whatever the policy.
pub fn may_be_what_waits(planning: &Planning<'_, Instances>, attached: &Attached) -> bool {
    let seen = planning.seen;
    let own = seen.family.present().is_some_and(|family| own_name(planning.id, family) == attached.name);
    let waits = |name: &String| {
        let parameter = seen.attached.present().and_then(|parameters| parameters.get(name));
        // What is not as declared (an exception, a conflict) stays so, and is nothing that is declared. A static one that nobody set may have been set back.
        parameter.is_some_and(|parameter| (parameter.restarts || parameter.may_wait()) && is_as_declared(planning, name, parameter))
    };
    own || planning.spec.parameters.iter().flatten().any(|(name, _)| waits(name))
}

fn is_as_declared(planning: &Planning<'_, Instances>, name: &str, parameter: &Parameter) -> bool {
    match planning.spec.parameter(name) {
        None => false,
        Some(Value::Null) => !parameter.set,
        Some(declared) => parameter.value.as_ref().is_some_and(|value| same(&Value::String(value.clone()), &declared)),
    }
}

/// The declared values that only a restart puts in force, by name: whether they are to be set, are set and wait, or are in force, so that the restart is
/// the same one in the plan that sets them and in that which is left of it. What is left as it is (an exception, a conflict) is none of them.
fn declared(planning: &Planning<'_, Instances>, sets: &[&str]) -> BTreeMap<String, String> {
    let spec = planning.spec;
    let found = |name: &String| planning.seen.attached.present().and_then(|parameters| parameters.get(name));
    let will_be = |name: &String| sets.contains(&name.as_str()) || found(name).is_some_and(|found| is_as_declared(planning, name, found));
    let restarts = |name: &String| found(name).is_none_or(|found| found.restarts);
    let declared = spec.parameters.iter().flatten().map(|(name, _)| name).filter(|name| restarts(name) && will_be(name));
    declared.filter_map(|name| Some((name.clone(), bounded(&plain(&spec.parameter(name)?))))).collect()
}

/// A restart for the sake of a parameter group.
pub struct Restart<'a> {
    pub group: &'a str,
    /// The plan changes the group before.
    pub changed: bool,
    /// The declared parameters that the plan sets before.
    pub sets: &'a [&'a str],
    /// What waits in the group is, as far as can be told, nothing that is declared.
    pub unasked: bool,
    /// What it may put in force besides what is declared.
    pub brings: BTreeMap<String, String>,
}

impl Restart<'_> {
    pub fn step(self, planning: &Planning<'_, Instances>, fields: Vec<String>, after: Vec<usize>) -> Step<Op> {
        let Restart { group, changed, sets, unasked, brings } = self;
        let id = planning.id;
        let besides = brings::words(planning.seen, group, &brings);
        let (brings, declared) = (&brings, &declared(planning, sets));
        let reboot = |changed| {
            let (instance, group) = (id.to_owned(), group.to_owned());
            Op::Reboot { instance, group, changed, declared: declared.clone(), brings: brings.clone() }
        };
        // Where it has to wait for its window, or the run ends before it, the next plan has it alone: it is the same restart, and goes on with its consent.
        let once = Once { consent_to: reboot(false), unasked };
        // A difference of each parameter ends as it is set; this one is there for as long as the restart is to come.
        let fields = distinct(fields.into_iter().chain([IN_FORCE.to_owned()]));
        let unasked =
            if unasked { "none of the declared parameters needs a restart: what waits is most likely somebody else's" } else { "" };
        Step::online(format!("Restart {id}, without failover, so that {group} comes into force"), reboot(changed), fields)
            .impact(
                Impact::Disruptive,
                "a restart: about a minute without connections; everything that waits in the group comes into force",
            )
            .also_takes(unasked)
            .also_takes(&besides)
            .back("nothing: a restart is not taken back; where the values themselves are, it takes another one")
            .within(60 * MINUTE)
            .after(after)
            .once(once)
    }
}
