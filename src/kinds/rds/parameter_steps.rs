//! From differing parameters to steps: which group is changed, and what puts it in force.
//!
//! A `default.*` group cannot be changed, and one that instances use whose parameters the manifest does not declare is left alone: then the instance gets
//! a group of its own, with the values of the present one and the declared ones. What was begun is found again by the group's name.

use serde_json::Value;

use super::Instances;
use super::brings;
use super::cuts::{Cuts, cuts, worst};
use super::observe::own_name;
use super::op::{MOST_PARAMETERS, Op, Resetting, Setting};
use super::restart::{IN_FORCE, Restart, may_be_what_waits};
use super::seen::{Attached, Instance, OwnGroup};
use super::spec::{InstanceSpec, SharedParameterGroup};
use super::steps::{MINUTE, back, distinct};
use super::values::{plain, same, same_text};
use crate::kinds::{Block, Fact, Impact, Planning, Reason, Step, Steps, Unreadable, few};

/// A parameter that is to be set.
pub struct Wanted {
    field: String,
    name: String,
    /// None: the engine's default.
    value: Option<String>,
    /// A restart puts it in force.
    restarts: bool,
}

impl Wanted {
    fn setting(&self) -> Option<Setting> {
        Some(Setting { name: self.name.clone(), value: self.value.clone()?, restarts: self.restarts })
    }

    fn resetting(&self) -> Option<Resetting> {
        self.value.is_none().then(|| Resetting { name: self.name.clone(), restarts: self.restarts })
    }

    /// Whom it refuses of those that were served until now, or lets in. What the engine's default is nobody says before it is there.
    fn cuts(&self) -> Option<Cuts> {
        cuts(&self.name, self.value.as_deref())
    }
}

/// What is left to be done about parameters when the group that the instance has is changed.
pub enum Rest<'a> {
    Nothing,
    Restart(Box<Step<Op>>),
    /// The instance gets a group of its own.
    OwnGroup {
        attached: &'a Attached,
        outsiders: Vec<&'a str>,
        wanted: Vec<Wanted>,
        in_force: bool,
    },
}

/// Changes the group that the instance has, where that is what is to be changed. It comes before all else, and the restart after: other entries may
/// change the same group, and whoever restarts before them has to restart again.
pub fn in_present_group<'a>(planning: &'a Planning<'_, Instances>, instance: &'a Instance, steps: &mut Steps<Op>) -> Rest<'a> {
    let drifts = planning.below("parameters");
    let in_force = planning.drift(IN_FORCE).is_some();
    if drifts.is_empty() && !in_force {
        return Rest::Nothing;
    }
    let Some(attached) = &instance.group else {
        let mut fields: Vec<String> = drifts.iter().map(|drift| drift.field.clone()).collect();
        fields.extend(in_force.then(|| IN_FORCE.to_owned()));
        steps.blocks.push(Block {
            reason: Reason::UnexpectedState,
            fields,
            message: "RDS names no parameter group of the instance".to_owned(),
            what_to_do: "run again; if it stays so, attach a parameter group by hand".to_owned(),
        });
        return Rest::Nothing;
    };
    let wanted = wanted(planning, instance, attached, steps);
    if wanted.is_empty() {
        return if in_force { restart_only(planning, attached, steps) } else { Rest::Nothing };
    }
    let outsiders: Vec<&str> = attached.others.iter().filter(|user| !asks(planning, user)).map(String::as_str).collect();
    let allowed = planning.spec.shared_parameter_group == Some(SharedParameterGroup::Allow);
    if !attached.name.starts_with("default.") && (outsiders.is_empty() || allowed) {
        let wanted = agreed(planning, attached, wanted, steps);
        match wanted.is_empty() {
            false => in_place(planning, attached, &wanted, in_force, steps),
            true if in_force => restart_only(planning, attached, steps),
            true => Rest::Nothing,
        }
    } else {
        Rest::OwnGroup { attached, outsiders, wanted, in_force }
    }
}

/// Whether the same manifest declares parameters of another instance. One that it says nothing of, or nothing of its parameters, keeps those that it has.
fn asks(planning: &Planning<'_, Instances>, instance: &str) -> bool {
    let peer = planning.peer(&instance.to_ascii_lowercase());
    peer.and_then(|peer| peer.parameters.as_ref()).is_some_and(|parameters| !parameters.is_empty())
}

/// The rest of it, when the instance's other settings are as declared.
pub fn finish(planning: &Planning<'_, Instances>, rest: Rest<'_>, steps: &mut Steps<Op>) {
    match rest {
        Rest::Nothing => {}
        Rest::Restart(step) => drop(steps.push(*step)),
        Rest::OwnGroup { attached, outsiders, wanted, in_force } => {
            in_own_group(planning, attached, &outsiders, &wanted, in_force, steps);
        }
    }
}

/// The differing parameters that can be set, with their values as they are sent; blocks for the others.
fn wanted(planning: &Planning<'_, Instances>, instance: &Instance, attached: &Attached, steps: &mut Steps<Op>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for drift in planning.below("parameters") {
        let Some(name) = drift.field.strip_prefix("parameters.") else { continue };
        let parameter = planning.seen.attached.present().and_then(|parameters| parameters.get(name));
        let Some(parameter) = parameter else {
            let message = match &instance.cluster {
                Some(cluster) => format!("{} has no parameter {name}; it may be one of the cluster {cluster}", attached.name),
                None => format!("{} has no parameter {name}: the engine or its version does not know it", attached.name),
            };
            steps.block(Reason::NotSupported, drift.field.clone(), message, "correct its name, or take it out of the manifest");
            continue;
        };
        let value = (!drift.declared.is_null()).then(|| parameter.spelled(&drift.declared));
        if !parameter.modifiable {
            let message = format!("RDS does not let {name} be changed");
            steps.block(Reason::NotSupported, drift.field.clone(), message, "take it out of the manifest");
        } else if let Some(value) = value.as_ref().filter(|value| !parameter.takes(value)) {
            let allowed = parameter.allowed.as_deref().unwrap_or_default();
            steps.block(
                Reason::InvalidWish,
                drift.field.clone(),
                format!("{name} does not take {value}; it takes {allowed}"),
                "declare a value that it takes",
            );
        } else {
            wanted.push(Wanted { field: drift.field.clone(), name: name.to_owned(), value, restarts: parameter.restarts });
        }
    }
    wanted
}

/// Without those that another entry, whose instance uses the same group, stands against: the two would set each other's back for ever, or the other
/// would need a restart that stands in no plan.
fn agreed(planning: &Planning<'_, Instances>, attached: &Attached, wanted: Vec<Wanted>, steps: &mut Steps<Op>) -> Vec<Wanted> {
    let against = |one: &Wanted| {
        let mut peers = attached.others.iter().filter_map(|user| planning.peer_anywhere(&user.to_ascii_lowercase()));
        peers.find_map(|(peer, whose)| disagreement(planning.spec, peer, &whose, one, &attached.name))
    };
    wanted
        .into_iter()
        .filter(|one| match against(one) {
            Some((message, what_to_do)) => {
                steps.block(Reason::Conflict, one.field.clone(), message, what_to_do);
                false
            }
            None => true,
        })
        .collect()
}

/// What another entry, whose instance uses the same group, has against a parameter, and what to do about it.
fn disagreement(spec: &InstanceSpec, peer: &InstanceSpec, whose: &str, one: &Wanted, group: &str) -> Option<(String, String)> {
    let declared = spec.parameter(&one.name)?;
    let words = |value: &Value| if value.is_null() { "the engine's default".to_owned() } else { plain(value) };
    let (own, other) = (format!("rds.instances/{}", spec.name), format!("rds.instances/{}{whose}", peer.name));
    match peer.parameter(&one.name) {
        Some(wish) if same(&wish, &declared) => None,
        Some(wish) => Some((
            format!("{own} declares {} and {other} {}, and both instances use the parameter group {group}", words(&declared), words(&wish)),
            "declare the same value in both, or give one of them a parameter group of its own".to_owned(),
        )),
        // RDS tells one status for the whole group: until it is restarted, none of the other's parameters counts as in force. Told by what is declared
        // alone: whether the other has a restart of its own to come differs from run to run.
        None if one.restarts && peer.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) => Some((
            format!("{other} uses the parameter group {group} too: it would need a restart for {}, which it does not declare", one.name),
            format!("declare {} = {} for {other} too, or give one of them a parameter group of its own", one.name, words(&declared)),
        )),
        None => None,
    }
}

/// The group holds what is declared, and the instance does not run with it.
///
/// RDS tells one status for the whole group: while it is not `in-sync` nothing shows which of its parameters the database runs with, so
/// none of the declared ones counts as in force.
fn restart_only<'a>(planning: &Planning<'_, Instances>, attached: &Attached, steps: &mut Steps<Op>) -> Rest<'a> {
    let name = &attached.name;
    let (message, what_to_do) = match attached.status.as_str() {
        // What an earlier run began before it ended: what it needs yet is planned when it is seen.
        "applying" => {
            let title = format!("Wait until RDS has applied {name} to {}", planning.id);
            let step = Step::online(title, Op::Settle { group: name.clone() }, [IN_FORCE])
                .impact(Impact::Online, "nothing is sent; a restart may be needed then, and is planned when that shows")
                .back("nothing is changed")
                .within(30 * MINUTE);
            steps.push(step);
            return Rest::Nothing;
        }
        "failed-to-apply" => (format!("RDS could not apply {name}: a value in it is wrong"), "correct the group's values by hand"),
        "pending-database-upgrade" => (format!("{name} comes into force with an engine upgrade that waits"), "let the upgrade happen"),
        _ => return restart_in_place(planning, attached, vec![IN_FORCE.to_owned()], &[], Vec::new(), steps),
    };
    steps.block(Reason::UnexpectedState, IN_FORCE, message, what_to_do);
    Rest::Nothing
}

/// Changes the group that the instance has.
fn in_place<'a>(
    planning: &Planning<'_, Instances>,
    attached: &Attached,
    wanted: &[Wanted],
    in_force: bool,
    steps: &mut Steps<Op>,
) -> Rest<'a> {
    if !attached.others.is_empty() {
        steps.notes.push(format!(
            "{} is the parameter group of {} too: they get the same values",
            attached.name,
            attached.others.join(", ")
        ));
    }
    let mut users = attached.others.clone();
    users.sort();
    let settling = in_force && attached.status == "applying";
    let mut set = Vec::new();
    let repairs = |name: &str| {
        let field = wanted.iter().find(|one| one.name == name).map(|one| one.field.clone());
        field.into_iter().chain(settling.then(|| IN_FORCE.to_owned()))
    };
    let settings: Vec<Setting> = wanted.iter().filter_map(Wanted::setting).collect();
    for chunk in settings.chunks(MOST_PARAMETERS) {
        let fields = distinct(chunk.iter().flat_map(|one| repairs(&one.name)));
        set.push(steps.push(set_step(planning, &attached.name, chunk.to_vec(), fields, Some(&users))));
    }
    let resets: Vec<Resetting> = wanted.iter().filter_map(Wanted::resetting).collect();
    for chunk in resets.chunks(MOST_PARAMETERS) {
        let fields = distinct(chunk.iter().flat_map(|one| repairs(&one.name)));
        set.push(steps.push(reset_step(planning, &attached.name, chunk.to_vec(), fields, Some(&users))));
    }
    let mut fields: Vec<String> = wanted.iter().filter(|one| one.restarts).map(|one| one.field.clone()).collect();
    fields.extend((in_force && !settling).then(|| IN_FORCE.to_owned()));
    if fields.is_empty() { Rest::Nothing } else { restart_in_place(planning, attached, fields, wanted, set, steps) }
}

/// A restart with the group that the instance has, in which the steps of the places `after` set what is `wanted`; a block where nobody knows what that would
/// put in force.
fn restart_in_place<'a>(
    planning: &Planning<'_, Instances>,
    attached: &Attached,
    fields: Vec<String>,
    wanted: &[Wanted],
    after: Vec<usize>,
    steps: &mut Steps<Op>,
) -> Rest<'a> {
    let changed = wanted.iter().any(|one| one.restarts);
    let sets = names(wanted);
    match brings::of(planning, &sets) {
        Ok(brings) => {
            let unasked = !changed && !may_be_what_waits(planning, attached);
            let restart = Restart { group: &attached.name, changed, sets: &sets, unasked, brings };
            Rest::Restart(Box::new(restart.step(planning, fields, after)))
        }
        Err(why) => {
            unreadable(why, fields, steps);
            Rest::Nothing
        }
    }
}

/// Makes a group for this instance alone, or goes on with the one that was begun.
fn in_own_group(
    planning: &Planning<'_, Instances>,
    attached: &Attached,
    outsiders: &[&str],
    wanted: &[Wanted],
    in_force: bool,
    steps: &mut Steps<Op>,
) {
    let mut fields: Vec<String> = wanted.iter().map(|one| one.field.clone()).collect();
    let family = match &planning.seen.family {
        Fact::Present(family) => family,
        Fact::Absent => {
            let message = format!("RDS does not show the parameter group {}", attached.name);
            steps.blocks.push(Block { reason: Reason::UnexpectedState, fields, message, what_to_do: "run again".to_owned() });
            return;
        }
        Fact::Unknown(why) => return unreadable(why, fields, steps),
    };
    let group = own_name(planning.id, family);
    let settings = wanted.iter().filter_map(Wanted::setting);
    let sets = names(wanted);
    let mut brings = match brings::of(planning, &sets) {
        Ok(brings) => brings,
        Err(why) => return unreadable(why, fields, steps),
    };
    let (create, settings): (bool, Vec<Setting>) = match &planning.seen.own {
        _ if group == attached.name => {
            let message = format!("{group} is this instance's own group, and {} use it, too", outsiders.join(", "));
            let what_to_do = "give them another group, or say sharedParameterGroup: Allow".to_owned();
            steps.blocks.push(Block { reason: Reason::Conflict, fields, message, what_to_do });
            return;
        }
        Fact::Unknown(why) => return unreadable(why, fields, steps),
        Fact::Absent => (true, settings.collect()),
        Fact::Present(own) => match left_over(planning, own, family, wanted) {
            Ok(settings) => (false, settings),
            Err(message) => {
                let what_to_do = format!("delete the parameter group {group}, or rename it; holdfast then makes its own");
                steps.blocks.push(Block { reason: Reason::Conflict, fields, message, what_to_do });
                return;
            }
        },
    };
    let begun = planning.seen.own.present();
    // One that was begun may set more than the present group does: with the same values, and set all the same.
    brings.extend(begun.map(|own| brings::begun(planning.spec, own, &settings, &sets)).unwrap_or_default());
    let default = attached.name.starts_with("default.");
    let mut after = Vec::new();
    if create {
        let title = match default {
            true => format!("Make the parameter group {group} with the engine's defaults"),
            false => format!("Make the parameter group {group}, a copy of {}", attached.name),
        };
        let op = Op::CreateGroup {
            instance: planning.id.to_owned(),
            group: group.clone(),
            family: family.clone(),
            copy_of: (!default).then(|| attached.name.clone()),
            object: planning.scope.object.clone(),
        };
        let why = match default {
            true => format!("{} cannot be changed", attached.name),
            false => format!("{} is shared with {}", attached.name, outsiders.join(", ")),
        };
        let step = Step::online(title, op, fields.clone()).impact(Impact::Online, why).back(back::delete_group(planning, &group));
        after = vec![steps.push(step)];
    }
    let mut set = Vec::new();
    for chunk in settings.chunks(MOST_PARAMETERS) {
        let names = |field: &&String| chunk.iter().any(|one| field.strip_prefix("parameters.") == Some(one.name.as_str()));
        let mut repairs: Vec<String> = fields.iter().filter(names).cloned().collect();
        if repairs.is_empty() {
            // A chunk of values that are only carried over from the present group: it serves all of them.
            repairs.clone_from(&fields);
        }
        let step = set_step(planning, &group, chunk.to_vec(), repairs, None).after(after.clone());
        set.push(steps.push(step));
    }
    let still_set = |one: &Resetting| begun.is_none_or(|own| own.parameters.get(&one.name).is_some_and(|parameter| parameter.set));
    let resets: Vec<Resetting> = wanted.iter().filter_map(Wanted::resetting).filter(still_set).collect();
    for chunk in resets.chunks(MOST_PARAMETERS) {
        let repairs: Vec<String> = chunk.iter().map(|one| format!("parameters.{}", one.name)).collect();
        let step = reset_step(planning, &group, chunk.to_vec(), repairs, None).after(after.clone());
        set.push(steps.push(step));
    }
    let title = format!("Have {} use the parameter group {group}", planning.id);
    let op = Op::Attach { instance: planning.id.to_owned(), group: group.clone(), was: attached.name.clone() };
    let cutting = worst(wanted.iter().map(|one| (one.name.as_str(), one.cuts())));
    let attach = Step::online(title, op, fields.clone())
        .impact(
            if cutting.is_some() { Impact::Disruptive } else { Impact::Online },
            match cutting {
                Some(whom) => format!("nothing at once; from the next restart on, whoever causes it, {whom}"),
                None => "nothing at once; its values come into force with the next restart, whoever causes it".to_owned(),
            },
        )
        .back(back::attach(planning, &attached.name))
        .within(30 * MINUTE)
        .after(after.into_iter().chain(set));
    let attach = steps.push(attach);
    fields.extend(in_force.then(|| IN_FORCE.to_owned()));
    // Only a restart puts a group in force that was attached: it is for what is declared.
    let restart = Restart { group: &group, changed: true, sets: &sets, unasked: false, brings };
    steps.push(restart.step(planning, fields, vec![attach]));
}

/// What is still to be set in an own group that is there already, so that it holds the present group's values and the declared ones.
fn left_over(planning: &Planning<'_, Instances>, own: &OwnGroup, family: &str, wanted: &[Wanted]) -> Result<Vec<Setting>, String> {
    if !own.ours {
        return Err(format!("a parameter group {} is there that holdfast did not make for this object (its tags say so)", own.name));
    }
    if own.family != family {
        return Err(format!("the parameter group {} is of the family {}, and the instance needs {family}", own.name, own.family));
    }
    if !own.users.is_empty() {
        return Err(format!("the parameter group {} is used by {}", own.name, own.users.join(", ")));
    }
    let has = |name: &str| own.parameters.get(name).and_then(|parameter| parameter.value.as_deref());
    let mut settings: Vec<Setting> = wanted
        .iter()
        .filter_map(Wanted::setting)
        .filter(|setting| !has(&setting.name).is_some_and(|value| same_text(value, &setting.value)))
        .collect();
    for (name, present) in planning.seen.attached.present().into_iter().flatten() {
        let set = present.set || own.parameters.get(name).is_some_and(|parameter| parameter.set);
        if !set || !present.modifiable || wanted.iter().any(|one| one.name == *name) {
            continue;
        }
        match (present.value.as_deref(), has(name)) {
            (Some(value), Some(other)) if same_text(value, other) => {}
            (Some(value), _) => {
                let restarts = present.restarts || present.may_wait();
                settings.push(Setting { name: name.clone(), value: value.to_owned(), restarts });
            }
            (None, None) => {}
            (None, Some(other)) => {
                return Err(format!("the parameter group {} sets {name} to {other}, which the present group leaves alone", own.name));
            }
        }
    }
    Ok(settings)
}

fn unreadable(why: &Unreadable, fields: Vec<String>, steps: &mut Steps<Op>) {
    steps.blocks.push(Block {
        reason: Reason::Unreadable,
        fields,
        message: format!("{}: {}", why.call, why.message),
        what_to_do: why.what_to_do(),
    });
}

/// What changing an attached group does to clients.
fn cutting_off<'a>(attached: bool, parameters: impl Iterator<Item = (&'a str, Option<Cuts>)>) -> (Impact, String) {
    match worst(parameters.filter(|_| attached)) {
        Some(whom) => (Impact::Disruptive, format!("{whom}: at once, or from the next restart on where that is needed")),
        None => (Impact::Online, String::new()),
    }
}

/// `users`: of a group that is attached, the other instances that use it.
fn set_step(
    planning: &Planning<'_, Instances>,
    group: &str,
    settings: Vec<Setting>,
    fields: Vec<String>,
    users: Option<&[String]>,
) -> Step<Op> {
    let list: Vec<String> = settings.iter().map(|setting| format!("{} = {}", setting.name, setting.value)).collect();
    let title = format!("Set {} in {group}", few(&list));
    let (impact, takes) = cutting_off(users.is_some(), settings.iter().map(|one| (one.name.as_str(), cuts(&one.name, Some(&one.value)))));
    let back = back::parameters(planning, group, back::set(&settings));
    let op = Op::SetParameters { group: group.to_owned(), settings, users: users.unwrap_or_default().to_vec() };
    Step::online(title, op, fields).impact(impact, takes).back(back).within(20 * MINUTE)
}

fn reset_step(
    planning: &Planning<'_, Instances>,
    group: &str,
    parameters: Vec<Resetting>,
    fields: Vec<String>,
    users: Option<&[String]>,
) -> Step<Op> {
    let names: Vec<&str> = parameters.iter().map(|one| one.name.as_str()).collect();
    let title = format!("Set {} in {group} back to the engine's default", names.join(", "));
    let (impact, takes) = cutting_off(users.is_some(), names.iter().map(|name| (*name, cuts(name, None))));
    let back = back::parameters(planning, group, back::reset(&parameters));
    let op = Op::ResetParameters { group: group.to_owned(), parameters, users: users.unwrap_or_default().to_vec() };
    Step::online(title, op, fields).impact(impact, takes).back(back).within(20 * MINUTE)
}

fn names(wanted: &[Wanted]) -> Vec<&str> {
    wanted.iter().map(|one| one.name.as_str()).collect()
}
