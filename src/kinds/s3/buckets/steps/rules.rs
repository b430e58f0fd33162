//! Lifecycle rules: all of a bucket are written at once.

use serde_json::Value;

use super::super::change::{Change, lifecycle_basis};
use super::super::lifecycle::{self, ID_PREFIX, Rule};
use super::super::observe::Lifecycle;
use super::{Maker, back};
use crate::kinds::{Drift, Fact, Impact, Reason, few};

/// A bucket holds this many lifecycle rules.
const MOST_RULES: usize = 1000;

impl Maker<'_> {
    /// A request for each impact: rules that delete nothing, and have nothing wait in an archive, need nobody's consent.
    pub(super) fn lifecycle(&mut self) {
        let drifts = self.planning.below("lifecycle");
        if drifts.is_empty() {
            return;
        }
        let none = Lifecycle::default();
        let found = match &self.planning.seen.lifecycle {
            Fact::Present(found) => found,
            Fact::Absent => &none,
            Fact::Unknown(why) => {
                let why = why.clone();
                return self.unreadable("lifecycle", &why);
            }
        };
        let of = |impact: Impact| drifts.iter().copied().filter(|drift| drift.impact == impact).collect::<Vec<&Drift>>();
        let mut groups = [Impact::Online, Impact::Disruptive, Impact::Irreversible].map(of);
        // Of a bucket that is to be made there are no others to remove: that asks for no step of its own.
        if let [online, others @ ..] = &mut groups
            && found.others.is_empty()
            && online.iter().all(|drift| drift.field == "lifecycle.exclusive")
            && let Some(first) = others.iter_mut().find(|group| !group.is_empty())
        {
            first.append(online);
        }
        let mut rules = found.rules.clone();
        let mut after = None;
        for drifts in groups.into_iter().filter(|group| !group.is_empty()) {
            let deletes = drifts.iter().any(|drift| drift.impact == Impact::Irreversible);
            // The second is planned from what the first makes of the rules.
            let from = lifecycle_basis(if after.is_none() { &found.rules } else { &rules }, found.minimum_size.as_deref());
            let before = if after.is_none() { found.rules.clone() } else { rules.clone() };
            let exclusive = drifts.iter().any(|drift| drift.field == "lifecycle.exclusive");
            if exclusive {
                rules.retain(|rule| !found.others.contains(&rule.id));
            }
            for drift in &drifts {
                put(&mut rules, drift);
            }
            if rules.len() > MOST_RULES {
                let message = format!("{} would have {} lifecycle rules, and S3 takes {MOST_RULES}", self.bucket, rules.len());
                return self.steps.block(Reason::NotSupported, "lifecycle", message, "declare fewer rules, or remove others");
            }
            let change = Change::Lifecycle { rules: rules.clone(), minimum_size: found.minimum_size.clone() };
            let mut step = self.step(title(self.bucket, &drifts, &found.others), change, &drifts).after(after);
            step.op.from = Some(from);
            if deletes {
                step.takes = "what the rules expire is deleted by S3, for good where it has no other version".to_owned();
                step.consented = self.planning.spec.lifecycle.as_ref().and_then(|lifecycle| lifecycle.expiry_approved) == Some(true);
            }
            if exclusive && !found.others.is_empty() {
                step = step.also_takes("what these rules of others do for the bucket ends: what they expire is kept, and paid for");
            }
            if moves_to(&drifts, &["GLACIER", "DEEP_ARCHIVE"]) {
                step = step
                    .also_takes("objects that reach GLACIER or DEEP_ARCHIVE must be restored before they can be read, which takes hours");
            }
            if moves_to(&drifts, &["ONEZONE_IA"]) {
                step = step.also_takes("objects that reach ONEZONE_IA are kept in one zone, and lost with it");
            }
            if moves(&drifts) {
                step = step.also_takes("each object that changes its storage class is paid for");
            }
            let remains = if deletes { ": what S3 deleted by then is gone" } else { "" };
            let size = found.minimum_size.as_deref();
            let back = self.back(|bucket| back::lifecycle(bucket, &before, size, || rules_back(&drifts, found)), remains);
            after = Some(self.steps.push(step.back(back)));
        }
    }
}

/// Puts a declared rule in, in the place of the one under its id.
fn put(rules: &mut Vec<Rule>, drift: &Drift) {
    let Some(id) = drift.field.strip_prefix("lifecycle.rules.").map(|id| format!("{ID_PREFIX}{id}")) else { return };
    let Some(rule) = Rule::from_value(id, &drift.declared) else { return };
    match rules.iter_mut().find(|one| one.id == rule.id) {
        Some(place) => *place = rule,
        None => rules.push(rule),
    }
}

fn title(bucket: &str, drifts: &[&Drift], others: &[String]) -> String {
    let ids: Vec<_> = drifts.iter().filter_map(|drift| drift.field.strip_prefix("lifecycle.rules.")).collect();
    let removed =
        drifts.iter().any(|drift| drift.field == "lifecycle.exclusive").then(|| few(others)).filter(|removed| !removed.is_empty());
    match (ids.is_empty(), removed) {
        (false, None) => format!("Set the lifecycle rules {} of {bucket}", few(&ids)),
        (true, Some(removed)) => format!("Remove the lifecycle rules {removed} of {bucket}"),
        (true, None) => format!("Leave no other lifecycle rules on {bucket}"),
        (false, removed) => format!("Set the lifecycle rules {} of {bucket} and remove {}", few(&ids), removed.unwrap_or_default()),
    }
}

/// How to go back from rules: what each was, and those that were removed.
fn rules_back(drifts: &[&Drift], found: &Lifecycle) -> String {
    let of = |id: &str| found.rules.iter().find(|rule| rule.id == id).map_or(Value::Null, Rule::value);
    let mut each: Vec<String> = Vec::new();
    for drift in drifts {
        match drift.field.strip_prefix("lifecycle.rules.") {
            Some(id) if drift.found.is_null() => each.push(format!("remove the rule {ID_PREFIX}{id}")),
            Some(id) => each.push(format!("set the rule {ID_PREFIX}{id} to {}", drift.found)),
            None => each.extend(found.others.iter().map(|id| format!("put the rule {id} back: {}", of(id)))),
        }
    }
    if each.is_empty() { "nothing to take back".to_owned() } else { each.join(", ") }
}

/// The storage classes that the rules move objects to.
fn classes(drifts: &[&Drift]) -> Vec<lifecycle::StorageClass> {
    let of = |drift: &&Drift| {
        let rule = Rule::from_value(String::new(), &drift.declared).unwrap_or_default();
        let current = rule.transitions.into_iter().map(|transition| transition.storage_class);
        current.chain(rule.noncurrent_transitions.into_iter().map(|transition| transition.storage_class)).collect::<Vec<_>>()
    };
    drifts.iter().flat_map(of).collect()
}

fn moves_to(drifts: &[&Drift], some: &[&str]) -> bool {
    classes(drifts).iter().any(|class| some.contains(&class.0.as_str()))
}

fn moves(drifts: &[&Drift]) -> bool {
    !classes(drifts).is_empty()
}
