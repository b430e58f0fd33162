//! Each resource by itself: its fields, folded; its steps, each with the way back. Changes of many steps that are taken back as a whole stand open.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::super::speaks;
use super::inert::{NAME, VALUE, code, html, prose};
use super::page::{Frame, Page};
use super::place;
use crate::kinds::{Drift, Impact, Key, registry};
use crate::plan::{Plan, ResourcePlan, text};

/// The most that one resource takes, in bytes.
const MOST: usize = 6_000;
/// The most that a change of many steps takes.
const MOST_OF_A_MOVE: usize = 8_000;

type With<'p> = HashMap<&'p Key, &'p ResourcePlan>;

/// Changes of many steps: what is known of them beforehand (the forecast), and each step. Answers with those that had room, each by the place of its plan;
/// the others are told in their folds.
pub(super) fn moves<'p>(page: &mut Page, plans: &[&'p Plan]) -> HashSet<(usize, &'p Key)> {
    let found: Vec<(usize, &'p ResourcePlan)> = plans
        .iter()
        .enumerate()
        .flat_map(|(at, plan)| plan.resources.iter().filter(|one| is_move(one)).map(move |one| (at, one)))
        .collect();
    let cut = Cell::new(false);
    let of = |(at, resource): &(usize, &ResourcePlan)| {
        let with = plans.get(*at).map(|plan| with(plan)).unwrap_or_default();
        let head = format!("**{}** {}\n\n", code(&resource.key.to_string(), NAME, false), resource.title);
        let mut lines = notes(resource);
        lines.extend(steps(resource, &with));
        format!("{head}{}\n", bounded(lines, MOST_OF_A_MOVE, &cut))
    };
    let rest = |more| format!("and {} more, folded below as far as there is room", text::count(more, "migration"));
    let frame = Frame { place: place::MOVES, share: 9_000, head: "#### Migrations, step by step\n\n", rest: &rest };
    let shown = page.add(frame, found.len(), found.iter().map(of));
    if cut.get() {
        page.is_cut();
    }
    found.into_iter().take(shown).map(|(at, resource)| (at, &resource.key)).collect()
}

/// Every resource of which there is something to say, the most felt first; of those that stand open already the steps are not said again.
pub(super) fn render(page: &mut Page, plans: &[&Plan], open: HashSet<(usize, &Key)>) {
    let mut found: Vec<(usize, &ResourcePlan)> = plans
        .iter()
        .enumerate()
        .flat_map(|(at, plan)| plan.resources.iter().filter(|resource| speaks(resource)).map(move |resource| (at, resource)))
        .collect();
    found.sort_by_key(|(_, resource)| Reverse(weight(resource)));
    let mut made: Option<(usize, With<'_>)> = None;
    let cut = Cell::new(false);
    let of = |(at, resource): &(usize, &ResourcePlan)| {
        if made.as_ref().is_none_or(|(of, _)| of != at) {
            made = plans.get(*at).map(|plan| (*at, with(plan)));
        }
        made.as_ref().map(|(_, with)| folded(resource, with, open.contains(&(*at, &resource.key)), &cut)).unwrap_or_default()
    };
    let rest = |more| format!("and {} more of the least impact, all in `-o json`", text::count(more, "resource"));
    let (share, count) = (page.left(), found.len());
    page.add(Frame { place: place::DETAILS, share, head: "#### Resources\n\n", rest: &rest }, count, found.iter().map(of));
    if cut.get() {
        page.is_cut();
    }
}

fn with(plan: &Plan) -> With<'_> {
    plan.resources.iter().map(|resource| (&resource.key, resource)).collect()
}

/// What nobody could read counts like a disruption: it may be one.
fn weight(resource: &ResourcePlan) -> (u8, bool) {
    let most = resource.drifts.iter().map(|drift| drift.impact).max();
    let weight = match most {
        Some(Impact::Irreversible) => 4,
        Some(Impact::Disruptive) => 3,
        _ if !resource.unreadable.is_empty() || !resource.blocks.is_empty() => 3,
        Some(Impact::Online) => 2,
        None => 1,
    };
    (weight, resource.changes())
}

/// Whether its kind takes the steps back as a whole, and not one by one.
fn is_move(resource: &ResourcePlan) -> bool {
    if resource.steps.is_empty() {
        return false;
    }
    let kind = registry().iter().find(|kind| kind.path() == resource.key.kind);
    kind.is_some_and(|kind| resource.steps.iter().any(|step| kind.turns_back(&step.op).is_some() || kind.is_way_back(&step.op)))
}

fn folded(resource: &ResourcePlan, with: &With<'_>, is_open: bool, cut: &Cell<bool>) -> String {
    let counted = [(resource.drifts.len(), "field"), (resource.steps.len(), "step"), (resource.excepted.len(), "exception")];
    let counted: Vec<String> = counted.iter().filter(|(number, _)| *number > 0).map(|(number, what)| text::count(*number, what)).collect();
    let counted = if counted.is_empty() { String::new() } else { format!(": {}", counted.join(", ")) };
    let mut names: Vec<&str> = resource.origins.iter().map(|origin| origin.entry.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let named: Vec<String> = names.iter().take(4).map(|name| code(name, NAME, false)).collect();
    let more = if names.len() > 4 { format!(" and {} more", names.len() - 4) } else { String::new() };
    let head = format!(
        "<details>\n<summary><code>{}</code> {}{counted}</summary>\n\n",
        html(&resource.key.to_string(), NAME),
        html(&resource.title, NAME)
    );
    let said = if named.is_empty() { String::new() } else { format!("declared by {}{more}\n\n", named.join(", ")) };
    // What stands in the way first: of a large resource the end is cut off.
    let (mut lines, mut rest) = (Vec::new(), Vec::new());
    for block in &resource.blocks {
        let todo = if block.what_to_do.is_empty() { String::new() } else { format!(". What to do: {}", prose(&block.what_to_do)) };
        lines.push(format!("- **{}**: {}{todo}\n", text::reason(block.reason), prose(&block.message)));
    }
    let is_move = is_move(resource);
    if !is_open {
        let (held, now): (Vec<_>, Vec<_>) =
            steps(resource, with).into_iter().zip(&resource.steps).partition(|(_, step)| is_move || step.held.is_some());
        // A change of many steps is read as a whole, with what is known of it beforehand.
        let first = if is_move { &mut lines } else { &mut rest };
        first.extend(notes(resource));
        lines.extend(held.into_iter().map(|(line, _)| line));
        rest.extend(now.into_iter().map(|(line, _)| line));
    }
    for field in &resource.unreadable {
        let what = if field.field.is_empty() { "the resource".to_owned() } else { code(&field.field, NAME, false) };
        lines.push(format!("- **could not be read**: {what}: {}\n", prose(&format!("{}: {}", field.why.call, field.why.message))));
    }
    // A table is a block of its own, between empty lines.
    let mut table = fields(resource);
    if let Some(first) = table.first_mut().filter(|_| !lines.is_empty()) {
        first.insert(0, '\n');
    }
    if let Some(first) = rest.first_mut().filter(|_| !table.is_empty()) {
        first.insert(0, '\n');
    }
    let most = if is_move { MOST_OF_A_MOVE } else { MOST };
    let lines: Vec<String> = lines.into_iter().chain(table).chain(rest).collect();
    format!("{head}{said}{}\n</details>\n\n", bounded(lines, most, cut))
}

/// The table of what differs, what is felt most first.
fn fields(resource: &ResourcePlan) -> Vec<String> {
    if resource.drifts.is_empty() && resource.excepted.is_empty() {
        return Vec::new();
    }
    let value = |value: &serde_json::Value| code(&text::whole_value(value), VALUE, true);
    let mut lines = Vec::new();
    let mut drifts: Vec<&Drift> = resource.drifts.iter().collect();
    drifts.sort_by_key(|drift| Reverse(drift.impact));
    for drift in drifts {
        let impact = text::impact(drift.impact);
        lines.push(format!("| {} | {} | {} | {impact} |\n", code(&drift.field, NAME, true), value(&drift.found), value(&drift.declared)));
    }
    for excepted in &resource.excepted {
        let drift = &excepted.drift;
        lines.push(format!(
            "| {} | {} | {} | excepted until {}: {} |\n",
            code(&drift.field, NAME, true),
            value(&drift.found),
            value(&drift.declared),
            code(&excepted.until, VALUE, true),
            code(&excepted.reason, VALUE, true)
        ));
    }
    // With the first row, so that no table is begun without one.
    if let Some(first) = lines.first_mut() {
        first.insert_str(0, "| field | found | declared | impact |\n|---|---|---|---|\n");
    }
    lines
}

fn notes(resource: &ResourcePlan) -> Vec<String> {
    resource.notes.iter().map(|note| format!("- note: {}\n", prose(note))).collect()
}

fn steps(resource: &ResourcePlan, with: &With<'_>) -> Vec<String> {
    let of = |(place, step): (usize, &crate::plan::PlannedStep)| {
        let when = match &step.held {
            None => "now".to_owned(),
            Some(held) => format!("held, {}", text::reason(held.reason)),
        };
        let takes = if step.takes.is_empty() { String::new() } else { format!(": {}", prose(&step.takes)) };
        let after: String =
            text::awaited(resource, step, with).iter().take(4).map(|awaited| format!("  - after {}\n", prose(awaited))).collect();
        let back = if step.back.is_empty() { String::new() } else { format!("  - to go back: {}\n", prose(&step.back)) };
        format!("- **step {}, {when}**: {} ({}{takes})\n{after}{back}", place + 1, prose(&step.title), text::impact(step.impact))
    };
    resource.steps.iter().enumerate().map(of).collect()
}

/// As many of the lines as there is room for, with how many there are more; `cut` is set where there are.
fn bounded(lines: Vec<String>, room: usize, cut: &Cell<bool>) -> String {
    let mut out = String::new();
    let count = lines.len();
    for (shown, line) in lines.into_iter().enumerate() {
        if out.len() + line.len() > room {
            cut.set(true);
            out.push_str(&format!("\n{} of it not shown, all in `-o json`\n", text::count(count - shown, "line")));
            return out;
        }
        out.push_str(&line);
    }
    out
}
