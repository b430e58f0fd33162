//! The one line that says what a run comes to.

use super::super::Review;
use super::inert::prose;
use crate::execute::Counts;
use crate::exit::Exit;
use crate::plan::{Summary, text};

pub(super) fn line(review: &Review<'_>) -> String {
    let mut planned = Summary::default();
    review.plans().for_each(|plan| planned += plan.summary.clone());
    let mut ended: Option<Counts> = None;
    for outcomes in review.reports.iter().filter_map(|report| report.outcomes.as_ref()) {
        *ended.get_or_insert_default() += outcomes.counts();
    }
    let failed = review.reports.iter().filter(|report| report.error.is_some()).count();
    let parts = [
        review.error.map(prose),
        (failed > 0).then(|| format!("{} failed", text::count(failed, "object"))),
        ended.as_ref().map(Counts::words),
        text::resources(&planned).filter(|_| ended.is_none()),
        text::steps(&planned.steps).filter(|_| ended.is_none()),
        review.has_mistakes().then(|| "part of the manifest is wrong".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { "there is nothing to look at".to_owned() } else { parts.join("; ") };
    let at = if review.ground == "AWS" { String::new() } else { format!(" ({})", prose(review.ground)) };
    format!("**holdfast: {}.** {parts}{at}", word(review, &planned, failed))
}

/// What counts most, in a word or two.
fn word(review: &Review<'_>, planned: &Summary, failed: usize) -> &'static str {
    if !review.dry_run {
        return match review.exit {
            Exit::Done => "done",
            Exit::Pending => "changes are pending",
            Exit::Blocked if review.error.is_some() => "nothing was done",
            Exit::Blocked => "something is blocked",
            Exit::PartlyFailed => "some of it failed",
            Exit::RolledBack => "taken back",
            Exit::Interrupted => "interrupted",
            Exit::Failed | Exit::Usage => "failed",
        };
    }
    let waits = review.plans().any(crate::plan::Plan::waits_for_consent);
    let steps = &planned.steps;
    match () {
        () if review.exit == Exit::Interrupted => "interrupted",
        () if review.error.is_some() || failed > 0 || planned.unreadable > 0 => "not completed",
        () if steps.irreversible > 0 => "changes, some of which cannot be taken back",
        () if waits => "needs consent",
        () if planned.blocked > planned.observed || planned.partly > 0 || review.has_mistakes() => "something is blocked",
        () if steps.disruptive > 0 => "changes, some of which are disruptive",
        () if steps.now > 0 => "changes",
        () if planned.observed > 0 => "something differs, and is only observed",
        () => "in sync",
    }
}
