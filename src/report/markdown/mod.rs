//! A run as a comment in a pull request: the verdict, the changes by impact, what is blocked, how to consent, and each resource folded. It fits into a
//! comment whatever was planned, and nothing that a manifest or AWS says becomes markup.

mod changes;
mod details;
mod ends;
mod inert;
mod page;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use self::inert::{NAME, SENTENCE, VALUE, code, prose};
use self::page::{Frame, Page};
use super::{Review, compare};
use crate::kinds::{Block, Key, Reason};
use crate::manifest::Until;
use crate::plan::{Excepted, Plan, ResourcePlan, text};

pub use self::page::LIMIT;

/// How long before its end an exception is spoken of.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Where the sections stand; their shares are what each may take of a page, whatever the others do. What is left, at least a tenth, is for the details.
mod place {
    pub(super) const VERDICT: usize = 0;
    pub(super) const OBJECTS: usize = 2;
    pub(super) const ERRORS: usize = 3;
    pub(super) const MISTAKES: usize = 4;
    pub(super) const ENDS: usize = 5;
    pub(super) const COMPARED: usize = 6;
    pub(super) const CHANGES: usize = 7;
    pub(super) const STOOD: usize = 8;
    pub(super) const BLOCKED: usize = 9;
    pub(super) const CONSENT: usize = 10;
    pub(super) const MOVES: usize = 11;
    pub(super) const EXCEPTIONS: usize = 12;
    pub(super) const WARNINGS: usize = 13;
    pub(super) const DETAILS: usize = 14;
}

/// The comment.
pub fn render(review: &Review<'_>) -> String {
    let plans: Vec<&Plan> = review.plans().collect();
    let mut page = Page::new();
    let head = format!("{}\n", verdict::line(review));
    page.add(Frame { place: place::VERDICT, share: 3_000, head: &head, rest: &|_| String::new() }, 1, std::iter::once(String::new()));
    objects(&mut page, review);
    errors(&mut page, review);
    mistakes(&mut page, review);
    if !review.dry_run {
        ends::render(&mut page, review);
    }
    compared(&mut page, review);
    changes::render(&mut page, review, &plans);
    blocked(&mut page, &plans);
    consent(&mut page, review.consent);
    let open = details::moves(&mut page, &plans);
    exceptions(&mut page, &plans, review.at);
    warnings(&mut page, &plans);
    details::render(&mut page, &plans, open);
    page.end()
}

/// The objects, each with what it comes to and the hash of its plan.
fn objects(page: &mut Page, review: &Review<'_>) {
    let mut plans: Vec<&Plan> = review.plans().collect();
    // The hash of what waits for consent is asked for.
    plans.sort_by_key(|plan| !plan.waits_for_consent());
    // Of one alone, the verdict has said it.
    let said = review.dry_run && plans.len() == 1;
    let of = |plan: &&Plan| {
        let counted = [text::resources(&plan.summary), text::steps(&plan.summary.steps)];
        let counted: Vec<String> = counted.into_iter().flatten().collect();
        // Where there is nothing to do there is nothing to consent to.
        let hash = if plan.summary.steps.now + plan.summary.steps.held > 0 {
            format!("; plan {}", code(&plan.hash, NAME, false))
        } else {
            String::new()
        };
        let counted = match (counted.is_empty(), review.dry_run) {
            _ if said => String::new(),
            (true, _) => ": there is nothing to look at".to_owned(),
            (false, true) => format!(": {}", counted.join("; ")),
            (false, false) => format!(": now {}", counted.join("; ")),
        };
        format!(
            "- **{}**, account {}, {}{counted}{hash}\n",
            code(&plan.object, NAME, false),
            code(&plan.account, NAME, false),
            code(&plan.region, NAME, false)
        )
    };
    let rest = |more| format!("and {} more", text::count(more, "object"));
    page.add(Frame { place: place::OBJECTS, share: 4_000, head: "", rest: &rest }, plans.len(), plans.iter().map(of));
}

/// What failed as a whole.
fn errors(page: &mut Page, review: &Review<'_>) {
    let failed: Vec<(&str, &str)> = review
        .reports
        .iter()
        .flat_map(|report| {
            let stopped = report.outcomes.as_ref().and_then(|outcomes| outcomes.stopped.as_deref());
            let why = [report.error.as_deref(), report.untold.as_deref(), stopped];
            why.into_iter().flatten().map(|why| (report.object.as_str(), why))
        })
        .collect();
    let of = |(object, error): &(&str, &str)| format!("- **{}**: {}\n", code(object, NAME, false), prose(error));
    let rest = |more| format!("and {} more", text::count(more, "error"));
    let frame = Frame { place: place::ERRORS, share: 5_000, head: "#### Failed\n\n", rest: &rest };
    page.add(frame, failed.len(), failed.iter().map(of));
}

/// What is wrong with the manifest.
fn mistakes(page: &mut Page, review: &Review<'_>) {
    let wrong: Vec<_> = review.problems.iter().filter(|problem| problem.is_error()).collect();
    let of = |problem: &&crate::manifest::Problem| {
        let mark = problem.mark.map(|mark| format!(":{}:{}", mark.line, mark.column)).unwrap_or_default();
        let path = if problem.path.is_empty() { String::new() } else { format!(" {}", code(&problem.path, NAME, false)) };
        let more = [problem.expected.as_ref().map(|expected| format!("expected {expected}")), problem.help.clone()];
        let more: String = more.into_iter().flatten().map(|more| format!("; {more}")).collect();
        format!("- {}{path}: {}\n", code(&format!("{}{mark}", problem.file), NAME, false), prose(&format!("{}{more}", problem.message)))
    };
    let rest = |more| format!("and {} more, which `holdfast validate` names", text::count(more, "mistake"));
    let head = "#### Wrong in the manifest, and not enforced\n\n";
    page.add(Frame { place: place::MISTAKES, share: 5_000, head, rest: &rest }, wrong.len(), wrong.iter().map(of));
}

/// What comes with this manifest, counted, and what of it no table shows.
fn compared(page: &mut Page, review: &Review<'_>) {
    let Some(comparison) = review.comparison else { return };
    let mut entries: Vec<String> = Vec::new();
    let waiting: BTreeSet<&str> = review.plans().filter(|plan| plan.waits_for_consent()).map(|plan| plan.object.as_str()).collect();
    let mut objects: Vec<&compare::Compared> = comparison.objects.iter().collect();
    // What is done that was not asks for a reader's eyes first, then what waits for consent.
    objects.sort_by_key(|one| (one.let_go.is_empty(), !waiting.contains(one.object.as_str())));
    for one in &objects {
        let error = one.error.as_ref().map(|error| format!("; the base could not be planned: {}", prose(error))).unwrap_or_default();
        let base = code(&comparison.base, NAME, false);
        entries.push(format!(
            "- **{}** compared with {base}{}: {}{error}\n",
            code(&one.object, NAME, false),
            comparison.ground(),
            prose(&one.words())
        ));
        let step = |step: &compare::StepOf| format!("- let go: {}: {}\n", code(&step.key.to_string(), NAME, false), prose(&step.step));
        entries.extend(one.let_go.iter().map(step));
    }
    let others = entries.len();
    for one in &objects {
        let gone = |field: &compare::FieldOf| {
            format!("- no more: {} {}\n", code(&field.key.to_string(), NAME, false), code(&field.field, NAME, false))
        };
        entries.extend(one.gone.iter().map(gone));
    }
    let gone = entries.len() - others;
    let rest = |more: usize| {
        let (lines, of_base) = (more.saturating_sub(gone), more.min(gone));
        let lines = (lines > 0).then(|| format!("{} more", text::count(lines, "line")));
        let of_base = (of_base > 0).then(|| format!("{} more of the base that are no more", text::count(of_base, "difference")));
        let said: Vec<String> = lines.into_iter().chain(of_base).collect();
        format!("and {}, all in `-o json`", said.join(" and "))
    };
    page.add(Frame { place: place::COMPARED, share: 4_000, head: "", rest: &rest }, entries.len(), entries.into_iter());
}

/// What is not done, by what stands in the way.
fn blocked(page: &mut Page, plans: &[&Plan]) {
    let mut groups: Vec<(&Block, Vec<&Key>)> = Vec::new();
    let mut known: BTreeMap<(Reason, &str, &str), usize> = BTreeMap::new();
    for resource in plans.iter().flat_map(|plan| &plan.resources) {
        for block in resource.all_blocks().filter(|block| block.reason != Reason::WaitsForOther || resource.steps.is_empty()) {
            let group = *known.entry((block.reason, &block.message, &block.what_to_do)).or_insert_with(|| {
                groups.push((block, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, keys)) = groups.get_mut(group)
                && keys.last() != Some(&&resource.key)
            {
                keys.push(&resource.key);
            }
        }
    }
    let unread: Vec<&ResourcePlan> =
        plans.iter().flat_map(|plan| &plan.resources).filter(|resource| !resource.unreadable.is_empty()).collect();
    let unreadable = |resource: &&ResourcePlan| {
        let calls: Vec<String> = resource.unreadable.iter().map(|field| format!("{}: {}", field.why.call, field.why.message)).collect();
        let mut calls: Vec<&String> = calls.iter().collect();
        calls.dedup();
        let what_to_do = crate::kinds::Unreadable::what_to_do_about(resource.unreadable.iter().map(|field| &field.why));
        let more = if calls.len() > 3 { format!(" and {} more", calls.len() - 3) } else { String::new() };
        let said: Vec<String> = calls.iter().take(3).map(|call| prose(call)).collect();
        format!("- **could not be read**: {}: {}{more}. What to do: {}\n", keyed(&[&resource.key]), said.join("; "), prose(&what_to_do))
    };
    let of = |(block, keys): &(&Block, Vec<&Key>)| {
        let todo = if block.what_to_do.is_empty() { String::new() } else { format!(". What to do: {}", prose(&block.what_to_do)) };
        format!("- **{}**: {}: {}{todo}\n", text::reason(block.reason), keyed(keys), prose(&block.message))
    };
    let rest = |more| format!("and {} more", text::count(more, "reason"));
    let entries = unread.iter().map(unreadable).chain(groups.iter().map(of));
    let frame = Frame { place: place::BLOCKED, share: 9_000, head: "#### Blocked\n\n", rest: &rest };
    page.add(frame, unread.len() + groups.len(), entries);
}

/// `a`, `b` and 3 more.
fn keyed(keys: &[&Key]) -> String {
    const FEW: usize = 4;
    let named: Vec<String> = keys.iter().take(FEW).map(|key| code(&key.to_string(), NAME, false)).collect();
    match keys.len().saturating_sub(FEW) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// How to consent, word for word.
fn consent(page: &mut Page, consent: &str) {
    let lines: Vec<&str> = consent.lines().filter(|line| !line.trim().is_empty()).collect();
    let of = |line: &&str| match line.strip_prefix("  ") {
        // A block of code by its indentation: nothing that stands in it ends it.
        Some(command) => format!("\n    {}\n\n", crate::plan::escape::shown(command)),
        None => format!("{}\n", prose(line)),
    };
    let rest = |more| format!("{} too long for a comment: give each plan's hash, as above, with `--approve`", text::count(more, "line"));
    page.add(Frame { place: place::CONSENT, share: 6_000, head: "#### Consent\n\n", rest: &rest }, lines.len(), lines.iter().map(of));
}

/// Exceptions that end soon: their differences count again then.
fn exceptions(page: &mut Page, plans: &[&Plan], at: Timestamp) {
    let mut ending: Vec<(Timestamp, &Key, &Excepted)> = Vec::new();
    for resource in plans.iter().flat_map(|plan| &plan.resources) {
        let soon = resource.excepted.iter().filter_map(|excepted| {
            let end = excepted.until.parse::<Until>().ok()?.at();
            // A time so far away that nothing can be added to `at` is not soon.
            (end <= at.checked_add(SOON).ok()?).then_some((end, &resource.key, excepted))
        });
        ending.extend(soon);
    }
    ending.sort_by_key(|(end, ..)| *end);
    let of = |(_, key, excepted): &(Timestamp, &Key, &Excepted)| {
        format!(
            "- {} {}, until {}: {}\n",
            code(&key.to_string(), NAME, false),
            code(&excepted.drift.field, NAME, false),
            code(&excepted.until, VALUE, false),
            prose(&excepted.reason)
        )
    };
    let rest = |more| format!("and {} more", text::count(more, "exception"));
    let head = "#### Exceptions that run out within 14 days\n\n";
    page.add(Frame { place: place::EXCEPTIONS, share: 4_000, head, rest: &rest }, ending.len(), ending.iter().map(of));
}

/// What a person should know of the manifest itself.
fn warnings(page: &mut Page, plans: &[&Plan]) {
    let warnings: Vec<&String> = plans.iter().flat_map(|plan| &plan.warnings).collect();
    let of = |warning: &&String| format!("- {}\n", prose(warning));
    let rest = |more| format!("and {} more", text::count(more, "warning"));
    let frame = Frame { place: place::WARNINGS, share: 3_000, head: "#### Warnings\n\n", rest: &rest };
    page.add(frame, warnings.len(), warnings.iter().map(of));
}

const _: () = assert!(SENTENCE * 4 < 3_000, "a section's share has room for a sentence");
