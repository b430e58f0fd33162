//! How the resources of a run ended: what went wrong first.

use super::super::Review;
use super::inert::{NAME, code, prose};
use super::page::{Frame, Page};
use super::place;
use crate::execute::{End, ResourceOutcome};
use crate::plan::text;

pub(super) fn render(page: &mut Page, review: &Review<'_>) {
    let all = review.reports.iter().filter_map(|report| report.outcomes.as_ref()).flat_map(|outcomes| &outcomes.resources);
    // What is blocked is said once, below.
    let mut ended: Vec<&ResourceOutcome> = all.filter(|one| weight(&one.end).is_some()).collect();
    ended.sort_by_key(|one| weight(&one.end));
    let rest = |more| format!("and {} more, all in `-o json`", text::count(more, "resource"));
    let frame = Frame { place: place::ENDS, share: 9_000, head: "#### What the run did\n\n", rest: &rest };
    page.add(frame, ended.len(), ended.iter().map(|one| entry(one)));
}

fn weight(end: &End) -> Option<u8> {
    match end {
        End::Failed { .. } => Some(0),
        End::RolledBack { .. } => Some(1),
        End::Interrupted { .. } => Some(2),
        End::Partly { .. } => Some(3),
        End::Changed => Some(4),
        End::Unchanged | End::Blocked { .. } => None,
    }
}

fn entry(one: &ResourceOutcome) -> String {
    let word = if one.end == End::Changed { "changed" } else { one.end.word() };
    let steps = |number: usize| text::count(number, "step");
    let said = match &one.end {
        End::Failed { message, what_to_do, undone } => {
            let at = one.failed_at.as_ref().filter(|at| !message.contains(&at.step));
            let at = at.map(|at| format!(" At the step: {}.", prose(&at.step))).unwrap_or_default();
            let back: String = undone.iter().take(6).map(|step| format!(" Taken back: {}.", prose(step))).collect();
            format!("{}.{at}{back} What to do: {}", prose(message), prose(what_to_do))
        }
        End::RolledBack { message, what_to_do } => format!("{}. What to do: {}", prose(message), prose(what_to_do)),
        End::Interrupted { under_way } => match under_way {
            Some(under_way) if under_way.acknowledged => format!("{} was sent and is under way", prose(&under_way.step)),
            Some(under_way) => format!("{} was sent, and the answer was lost: it may be under way", prose(&under_way.step)),
            None => format!("after {}", steps(one.done.len())),
        },
        _ => format!("{} done", steps(one.done.len())),
    };
    format!("- **{word}**: {}: {said}\n", code(&one.key.to_string(), NAME, false))
}
