//! The table of changes: by impact, what cannot be taken back first.

use std::cmp::Reverse;

use super::super::Review;
use super::inert::{NAME, code};
use super::page::{Frame, Page};
use super::place;
use crate::kinds::{Drift, Impact};
use crate::plan::{Plan, ResourcePlan, text};

/// The most fields that a row names.
const FEW: usize = 5;

/// What changes of one resource, of one impact.
struct Row<'p> {
    resource: &'p ResourcePlan,
    impact: Impact,
    drifts: Vec<&'p Drift>,
    /// Whether a run does something of it.
    now: bool,
}

/// All of them or, beside another manifest, those that come with this one before those that stood.
pub(super) fn render(page: &mut Page, review: &Review<'_>, plans: &[&Plan]) {
    let title = if review.dry_run { "#### Changes" } else { "#### What is left" };
    let Some(comparison) = review.comparison else {
        return table(page, plans, title, (place::CHANGES, 18_000), &|_, _, _| true);
    };
    let new = comparison.of_this();
    let is_new = |object: &str, resource: &ResourcePlan, drift: &Drift| new.contains(&(object, &resource.key, drift.field.as_str()));
    table(page, plans, "#### What this commit changes", (place::CHANGES, 12_000), &is_new);
    let stood = |object: &str, resource: &ResourcePlan, drift: &Drift| !is_new(object, resource, drift);
    table(page, plans, "#### Drift that was there before", (place::STOOD, 5_000), &stood);
}

type Chosen<'c> = &'c dyn Fn(&str, &ResourcePlan, &Drift) -> bool;

fn table(page: &mut Page, plans: &[&Plan], title: &str, (place, share): (usize, usize), chosen: Chosen<'_>) {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let all = plans.iter().flat_map(|plan| plan.resources.iter().map(|resource| (plan.object.as_str(), resource)));
    for (object, resource) in all.filter(|(_, resource)| !resource.drifts.is_empty()) {
        for impact in [Impact::Irreversible, Impact::Disruptive, Impact::Online] {
            let of = resource.drifts.iter().filter(|drift| drift.impact == impact && chosen(object, resource, drift));
            let drifts: Vec<&Drift> = of.collect();
            if !drifts.is_empty() {
                rows.push(Row { resource, impact, now: drifts.iter().any(|drift| when(resource, drift).is_none()), drifts });
            }
        }
    }
    // Their order is the plan's otherwise.
    rows.sort_by_key(|row| (Reverse(row.impact), !row.now));
    let head = format!("{title}\n\n| impact | resource | fields | when |\n|---|---|---|---|\n");
    let of = |row: &Row<'_>| {
        let Row { resource, impact, drifts, .. } = row;
        let mut fields: Vec<String> = drifts.iter().take(FEW).map(|drift| code(&drift.field, NAME, true)).collect();
        if drifts.len() > FEW {
            fields.push(format!("{} more", drifts.len() - FEW));
        }
        let mut whens: Vec<String> = Vec::new();
        for drift in drifts {
            let when = when(resource, drift).unwrap_or_else(|| "now".to_owned());
            if !whens.contains(&when) {
                whens.push(when);
            }
        }
        let impact = match impact {
            Impact::Online => text::impact(*impact).to_owned(),
            Impact::Disruptive | Impact::Irreversible => format!("**{}**", text::impact(*impact)),
        };
        format!("| {impact} | {} | {} | {} |\n", code(&resource.key.to_string(), NAME, true), fields.join(", "), whens.join("; "))
    };
    let rest = |more| format!("and {} more of the least impact, all in `-o json`", text::count(more, "row"));
    page.add(Frame { place, share, head: &head, rest: &rest }, rows.len(), rows.iter().map(of));
}

/// Why a difference is not repaired in this run; nothing where it is.
fn when(resource: &ResourcePlan, drift: &Drift) -> Option<String> {
    let mut steps = resource.steps.iter().filter(|step| step.fields.contains(&drift.field)).peekable();
    if steps.peek().is_some() {
        let held = steps.find_map(|step| step.held.as_ref())?;
        return Some(format!("held: {}", text::reason(held.reason)));
    }
    let block = resource.blocks.iter().find(|block| block.concerns(&drift.field));
    Some(block.map_or_else(|| "blocked".to_owned(), |block| format!("blocked: {}", text::reason(block.reason))))
}
