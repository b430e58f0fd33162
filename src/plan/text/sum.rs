//! Everything counted: of a resource, of a plan.

use super::super::{Plan, ResourcePlan, Status, StepCounts, Summary};
use super::{DIM, YELLOW, count, line};
use crate::kinds::Drift;

/// What of a resource is done and what waits, where it is not all the same: `partly: 3 steps now, 2 held`.
pub(super) fn partly(resource: &ResourcePlan) -> String {
    if resource.status != Status::Partly {
        return String::new();
    }
    let StepCounts { now, held, .. } = resource.step_counts();
    let stuck = |drift: &&Drift| resource.blocks.iter().any(|block| block.concerns(&drift.field));
    let blocked = resource.drifts.iter().filter(stuck).count();
    let parts = [
        Some(format!("{} now", count(now, "step"))),
        (held > 0).then(|| format!("{held} held")),
        (blocked > 0).then(|| format!("{} blocked", count(blocked, "field"))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("  {YELLOW}partly: {}{YELLOW:#}", parts.join(", "))
}

/// The last lines of a plan.
pub(super) fn render(out: &mut String, plan: &Plan, left_out: usize) {
    let summary = &plan.summary;
    let wrong = wrong(left_out, "entry").map(|wrong| format!("; {wrong}")).unwrap_or_default();
    line(out, format_args!("{}{wrong}", resources(summary).as_deref().unwrap_or("there is nothing to look at")));
    // Where there is nothing to do there is nothing to consent to.
    if let Some(steps) = steps(&summary.steps) {
        line(out, format_args!("{steps}"));
        line(out, format_args!("{DIM}plan {}{DIM:#}", plan.hash));
    }
}

/// `2 entries of the manifest are wrong and left out, see above`.
pub fn wrong(left_out: usize, what: &str) -> Option<String> {
    let are = if left_out == 1 { "is" } else { "are" };
    (left_out > 0).then(|| format!("{} of the manifest {are} wrong and left out, see above", count(left_out, what)))
}

/// `3 resources: 2 to repair, 1 in sync; 1 difference excepted`: each once; what is excepted is counted for itself.
pub fn resources(summary: &Summary) -> Option<String> {
    let parts = [
        (summary.drifted, "to repair"),
        (summary.partly, "partly"),
        (summary.observed, "observed only"),
        (summary.blocked.saturating_sub(summary.observed), "blocked"),
        (summary.unreadable, "unreadable"),
        (summary.in_sync, "in sync"),
    ];
    let said: Vec<String> = parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let excepted = if summary.excepted > 0 { format!("; {} excepted", count(summary.excepted, "difference")) } else { String::new() };
    let all: usize = parts.iter().map(|(number, _)| number).sum();
    (all > 0).then(|| format!("{}: {}{excepted}", count(all, "resource"), said.join(", ")))
}

/// `6 steps now (2 disruptive, 1 irreversible), 3 held`; nothing where there is no step.
pub fn steps(counts: &StepCounts) -> Option<String> {
    let StepCounts { now, disruptive, irreversible, held } = *counts;
    let now = match (now, disruptive, irreversible) {
        (0, ..) if held == 0 => return None,
        (0, ..) => "no step now".to_owned(),
        (_, 0, 0) => format!("{} now (online)", count(now, "step")),
        (_, _, 0) => format!("{} now ({disruptive} disruptive)", count(now, "step")),
        (_, 0, _) => format!("{} now ({irreversible} irreversible)", count(now, "step")),
        _ => format!("{} now ({disruptive} disruptive, {irreversible} irreversible)", count(now, "step")),
    };
    // In the order of the list a way back would be put in the place of what the one before it has brought back.
    let order = if counts.now > 1 { "; to go back, begin with a resource's last step" } else { "" };
    Some(match held {
        0 => format!("{now}, none held{order}"),
        held => format!("{now}, {held} held{order}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_in_one_line() {
        let counts = |now, disruptive, irreversible, held| StepCounts { now, disruptive, irreversible, held };
        for (counts, said) in [
            (counts(0, 0, 0, 0), None),
            (counts(0, 0, 0, 2), Some("no step now, 2 held")),
            (counts(1, 0, 0, 0), Some("1 step now (online), none held")),
            (counts(3, 1, 0, 2), Some("3 steps now (1 disruptive), 2 held; to go back, begin with a resource's last step")),
            (counts(3, 1, 1, 2), Some("3 steps now (1 disruptive, 1 irreversible), 2 held; to go back, begin with a resource's last step")),
        ] {
            assert_eq!(steps(&counts).as_deref(), said);
        }
    }

    #[test]
    fn what_is_only_observed_is_not_counted_as_blocked() {
        let summary = Summary { blocked: 3, observed: 2, ..Summary::default() };
        assert_eq!(resources(&summary).as_deref(), Some("3 resources: 2 observed only, 1 blocked"));
    }

    #[test]
    fn an_excepted_difference_makes_no_second_resource() {
        let summary = Summary { blocked: 2, in_sync: 1, excepted: 1, ..Summary::default() };
        assert_eq!(resources(&summary).as_deref(), Some("3 resources: 2 blocked, 1 in sync; 1 difference excepted"));
    }
}
