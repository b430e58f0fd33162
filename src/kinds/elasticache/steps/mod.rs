//! From differences to steps. Pure.

mod access;
mod back;
mod parameters;
mod settings;
mod standalone;
mod upgrade;

use std::time::Duration;

use super::moving::{self, Stand};
use super::op::Op;
use super::seen::{Group, Members};
use super::standalone::Bearer;
use super::{ReplicationGroups, version};
use crate::kinds::{Block, Drift, Fact, Planning, Reason, Step, Steps};

const MINUTE: u64 = 60;
/// A change of settings: minutes, more while the group is snapshotting.
const SETTINGS: Duration = Duration::from_secs(60 * MINUTE);
/// Nodes are changed one by one; users report up to an hour for large groups.
const NODES: Duration = Duration::from_secs(120 * MINUTE);
/// Nodes are replaced one by one.
const UPGRADE: Duration = Duration::from_secs(240 * MINUTE);

/// The field that says whether something of a move is left to be done.
const MIGRATION: &str = "migration.finished";

/// What every part of the planning needs.
struct Context<'a> {
    planning: &'a Planning<'a, ReplicationGroups>,
    group: &'a Group,
    plan: Steps<Op>,
}

pub fn steps(planning: &Planning<'_, ReplicationGroups>) -> Steps<Op> {
    let mut plan = Steps::default();
    let group = match &planning.seen.group {
        Fact::Present(group) => group,
        _ if let Some((group, status)) = &planning.seen.untold => {
            let fields = names(&planning.drifts.iter().collect::<Vec<&Drift>>());
            let title = format!("Wait until {group} is available (it is {status})");
            plan.push(Step::online(title, Op::Wait { group: group.clone() }, fields).back("nothing is changed").within(NODES));
            return plan;
        }
        _ if planning.seen.bearer == Bearer::Memcached => {
            plan.blocks.push(standalone::memcached(planning.id));
            return plan;
        }
        _ => {
            plan.blocks.push(whole(Reason::Unreadable, "the group could not be read", "run again"));
            return plan;
        }
    };
    if planning.seen.bearer == Bearer::Both {
        plan.blocks.push(standalone::both(planning.id));
        return plan;
    }
    let is_standalone = planning.seen.bearer == Bearer::Standalone;
    // The last two are a standalone cluster's.
    if matches!(group.status.as_str(), "creating" | "deleting" | "create-failed" | "restore-failed" | "incompatible-network") {
        let what = if is_standalone { "cluster" } else { "group" };
        let message = format!("the {what} is {}: nothing of it can be changed", group.status);
        plan.blocks.push(whole(
            Reason::UnexpectedState,
            &message,
            "run again when it is available, or see what became of it in the console",
        ));
        return plan;
    }
    let mut context = Context { planning, group, plan };
    let stand = planning.seen.moving.stand();
    if stand == Stand::Returning {
        // What is about to serve nobody is not changed any more.
        return moving::plan(planning, names(&planning.drifts.iter().collect::<Vec<&Drift>>()));
    }
    let moved = if stand == Stand::UnderWay { names(&planning.drifts.iter().collect::<Vec<&Drift>>()) } else { context.needs_move() };
    let moves = !moved.is_empty() && planning.spec.migration.is_some();
    if moves {
        let own = context.needs_move();
        context.plan = moving::plan(planning, moved);
        if !context.plan.steps.is_empty() {
            if moving::ends_serving(&context.plan) {
                context.plan = on_the_new_group(planning, group, context.plan);
            }
            let known = |field: &String| context.plan.steps.iter().any(|step| step.fields.contains(field)) || context.is_blocked(field);
            let others: Vec<String> = names(&planning.drifts.iter().collect::<Vec<&Drift>>());
            let others: Vec<String> = others.into_iter().filter(|field| !own.contains(field) && !known(field)).collect();
            if !others.is_empty() {
                let message = match is_standalone {
                    true => "the cluster is moved into a group first".to_owned(),
                    false => "the group is moved into a new one first".to_owned(),
                };
                context.block(
                    Reason::WaitsForOther,
                    &others,
                    message,
                    "nothing: it is changed on the new group, in the same run".to_owned(),
                );
            }
            return context.plan;
        }
        // A move that cannot begin holds up nothing that can be changed where the group is.
    }
    if is_standalone {
        context.stays();
        return context.plan;
    }
    let moving = &planning.seen.moving;
    if matches!(stand, Stand::Held | Stand::Over) || moving.is_unclaimed() || moving.wants_look() || moving.wants_fence() {
        context.plan = moving::plan(planning, vec![MIGRATION.to_owned()]);
    }
    context.tags();
    context.settings();
    // A version that TLS or AUTH needs comes before them; else it is the last to be changed.
    let first = context.upgrade_comes_first();
    let upgraded = if first { context.parameters_and_version() } else { None };
    if !moves {
        context.access(upgraded);
    }
    let upgraded = if first { upgraded } else { context.parameters_and_version() };
    context.settings_of_version(upgraded);
    context.say_busy();
    context.plan
}

/// Adds what is changed on the new group once it serves, as steps of the same plan: what is done is what was shown.
fn on_the_new_group(planning: &Planning<'_, ReplicationGroups>, group: &Group, plan: Steps<Op>) -> Steps<Op> {
    let Some(names) = &planning.seen.moving.names else { return plan };
    // Until then it is as the old one in every setting: the step that compares them sees to it.
    let renamed = |name: &String| name.strip_prefix(&names.source).map(|rest| format!("{}{rest}", names.target));
    let new = Group {
        id: names.target.clone(),
        arn: moving::arn_of(&group.arn, &names.source, &names.target),
        snapshot_source: match planning.seen.bearer {
            // It has one node, which AWS names so.
            Bearer::Standalone => Some(format!("{}-001", names.target)),
            _ => group.snapshot_source.as_ref().and_then(renamed),
        },
        waiting: Vec::new(),
        ..group.clone()
    };
    let first = plan.steps.len();
    let mut context = Context { planning, group: &new, plan };
    if planning.seen.busy().is_none() {
        context.tags();
    }
    context.settings();
    for step in context.plan.steps.iter_mut().skip(first) {
        step.after.extend(first.checked_sub(1));
    }
    context.plan
}

fn whole(reason: Reason, message: &str, what_to_do: &str) -> Block {
    Block { reason, fields: Vec::new(), message: message.to_owned(), what_to_do: what_to_do.to_owned() }
}

impl<'a> Context<'a> {
    /// The group that serves: after a move it is not the one that the manifest names.
    fn id(&self) -> &'a str {
        &self.group.id
    }

    fn drift(&self, field: &str) -> Option<&'a Drift> {
        let drifts: &'a [Drift] = self.planning.drifts;
        drifts.iter().find(|drift| drift.field == field)
    }

    fn is_blocked(&self, field: &str) -> bool {
        self.plan.blocks.iter().any(|block| block.concerns(field))
    }

    /// The drifts at or below a path.
    fn below(&self, path: &str) -> Vec<&'a Drift> {
        let drifts: &'a [Drift] = self.planning.drifts;
        let below = |drift: &&Drift| drift.field == path || drift.field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        drifts.iter().filter(below).collect()
    }

    fn members(&self) -> Option<&'a Members> {
        let seen = self.planning.seen;
        seen.members.present()
    }

    /// The engine's version, or a block for what cannot be planned without it.
    fn members_for(&mut self, fields: &[String]) -> Option<&'a Members> {
        let members = self.members();
        if members.is_none() && !fields.is_empty() {
            let why = self.planning.seen.members.unknown();
            let message = why.map_or_else(String::new, |why| format!(": {}: {}", why.call, why.message));
            self.block(Reason::Unreadable, fields, format!("the group's clusters could not be read{message}"), "run again".to_owned());
        }
        members
    }

    /// Has what cannot be told while the group is busy waited for: it is planned anew when the group is available.
    /// Answers with the step's place.
    fn wait(&mut self, fields: Vec<String>) -> usize {
        let op = Op::Wait { group: self.id().to_owned() };
        match self.plan.steps.iter_mut().enumerate().find(|(_, step)| step.op == op) {
            Some((place, step)) => {
                step.fields.extend(fields);
                place
            }
            None => {
                let title = format!("Wait until {} is available (it is {})", self.id(), self.group.status);
                self.plan.push(Step::online(title, op, fields).back("nothing is changed").within(NODES))
            }
        }
    }

    /// Says that something else is under way on the group, where there are steps that wait for its end.
    fn say_busy(&mut self) {
        let status = self.group.status.as_str();
        if status != "available" && !self.plan.steps.is_empty() {
            self.plan
                .notes
                .push(format!("the group is {status}: a step that changes it waits until it is available, and sends nothing before"));
        }
    }

    fn block(&mut self, reason: Reason, fields: &[String], message: String, what_to_do: String) {
        self.plan.blocks.push(Block { reason, fields: fields.to_vec(), message, what_to_do });
    }

    /// What waits for the maintenance window, and would be done at once by a change that is immediate: in words, empty for nothing.
    fn waiting(&self) -> Vec<String> {
        let clusters = self.members().map(|members| members.waiting.clone()).unwrap_or_default();
        self.group.waiting.iter().cloned().chain(clusters).collect()
    }

    /// Whether the declared version is needed for TLS or AUTH that are declared too.
    fn upgrade_comes_first(&self) -> bool {
        let (Some(members), Some(_)) = (self.members(), self.drift("engineVersion")) else { return false };
        let tls = self.drift("transitEncryption").is_some() && !version::reaches(&members.version, version::TRANSIT_IN_PLACE);
        let auth = self.drift("auth").is_some() && !version::reaches(&members.version, version::TOKEN_CHANGE);
        tls || auth
    }
}

fn names(drifts: &[&Drift]) -> Vec<String> {
    drifts.iter().map(|drift| drift.field.clone()).collect()
}
