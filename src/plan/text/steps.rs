//! The steps of a resource: which are done in this run, what holds the others, what each waits for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::escape::shown;
use super::super::{PlannedStep, ResourcePlan};
use super::{DIM, GREEN, RED, YELLOW, line, reason, render_block};
use crate::kinds::{Block, Impact, Key, Need};

pub(super) fn render(out: &mut String, resource: &ResourcePlan, with: &HashMap<&Key, &ResourcePlan>) {
    let width = resource.steps.len().to_string().len();
    for (place, step) in resource.steps.iter().enumerate() {
        let impact = super::impact(step.impact);
        let style = match step.impact {
            Impact::Online => GREEN,
            Impact::Disruptive => YELLOW,
            Impact::Irreversible => RED,
        };
        let takes = if step.takes.is_empty() { String::new() } else { format!(": {}", shown(&step.takes)) };
        let (when, colour) = match &step.held {
            None => ("now".to_owned(), GREEN),
            Some(held) => (format!("held, {}", reason(held.reason)), RED),
        };
        let number = place + 1;
        line(out, format_args!("    {number:>width$}. {colour}{when}:{colour:#} {} {style}[{impact}{takes}]{style:#}", shown(&step.title)));
        for awaited in awaited(resource, step, with) {
            line(out, format_args!("    {:width$}  {DIM}after {}{DIM:#}", "", shown(&awaited)));
        }
        if !step.back.is_empty() {
            line(out, format_args!("    {:width$}  {DIM}to go back: {}{DIM:#}", "", shown(&step.back)));
        }
    }
    holds(out, resource);
}

/// The steps of other resources that come before this one: `step 1 of s3.bucketPolicies/huntaze-assets`. What the run leaves out, and what is held and
/// keeps nobody waiting, comes neither before nor after.
pub fn awaited(resource: &ResourcePlan, step: &PlannedStep, with: &HashMap<&Key, &ResourcePlan>) -> Vec<String> {
    let comes = |other: &PlannedStep| other.held.is_none() || step.held.is_some();
    let mut every: BTreeSet<&str> = BTreeSet::new();
    let mut of: BTreeMap<&Key, BTreeSet<usize>> = BTreeMap::new();
    for need in resource.needs.iter().filter(|need| need.concerns(&step.fields)) {
        if need.key.id == Need::EVERY {
            let comes = with.values().any(|other| other.key.kind == need.key.kind && other.steps.iter().any(comes));
            every.extend(comes.then_some(need.key.kind.as_str()));
            continue;
        }
        let Some(other) = with.get(&need.key) else { continue };
        let counts = |other: &&(usize, &PlannedStep)| comes(other.1) && other.1.fields.iter().any(|field| need.counts(field));
        let steps: Vec<(usize, &PlannedStep)> = other.steps.iter().enumerate().collect();
        of.entry(&need.key).or_default().extend(steps.iter().filter(counts).map(|(place, _)| place + 1));
    }
    let steps = of.into_iter().filter(|(_, numbers)| !numbers.is_empty());
    let steps = steps.map(|(key, numbers)| format!("{} of {key}", numbered(numbers)));
    every.into_iter().map(|kind| format!("the steps of all {kind}")).chain(steps).collect()
}

/// Why steps are held: what holds several is said once, below the last step.
fn holds(out: &mut String, resource: &ResourcePlan) {
    let mut holds: Vec<(&Block, Vec<usize>)> = Vec::new();
    let held = resource.steps.iter().enumerate().filter_map(|(place, step)| Some((place + 1, step.held.as_ref()?)));
    for (number, block) in held {
        let same = |other: &Block| (other.reason, &other.message, &other.what_to_do) == (block.reason, &block.message, &block.what_to_do);
        match holds.iter_mut().find(|(other, _)| same(other)) {
            Some((_, numbers)) => numbers.push(number),
            None => holds.push((block, vec![number])),
        }
    }
    for (block, numbers) in holds {
        let about = if numbers.len() == resource.steps.len() { String::new() } else { format!(" ({})", numbered(numbers)) };
        render_block(out, block, &about, true);
    }
}

/// `step 2`, `steps 1, 2`.
pub fn numbered(numbers: impl IntoIterator<Item = usize>) -> String {
    let all: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    format!("step{} {}", if all.len() == 1 { "" } else { "s" }, all.join(", "))
}
