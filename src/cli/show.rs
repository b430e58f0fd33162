//! What results look like: documents for programs, lines for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use crate::execute::{Counts, End, Outcomes, ResourceOutcome, UnderWay};
use crate::exit::Exit;
use crate::kinds::few;
use crate::manifest::{Problem, Scope};
use crate::plan::escape::shown;
use crate::plan::{Plan, SCHEMA_VERSION, Summary, text};
use crate::reconcile::Report;
use crate::report::compare::Comparison;

pub use crate::plan::text::count;

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// The version of a report's JSON form: it grew with the plan's.
const REPORT_VERSION: &str = "holdfast.dev/report/v2";

/// What `reconcile --dry-run -o json` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("$id" = format!("https://{SCHEMA_VERSION}.json")))]
pub struct PlanDocument<'a> {
    /// The version of this form.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub schema_version: &'static str,
    /// Where it was looked: `AWS`, `the endpoint` with its URL, or `the sandbox`.
    pub ground: &'a str,
    /// One plan an object that could be looked at.
    pub plans: Vec<&'a Plan>,
    /// The objects that could not be looked at.
    pub errors: Vec<ObjectError<'a>>,
    /// Why the run as a whole failed, where it did not come to the objects.
    pub error: Option<&'a str>,
    /// What is wrong with the manifest, as `holdfast validate` says it.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub problems: &'a [Problem],
    /// Whether steps are held for want of a consent that may have been given before: a dry run opens no journal and knows of none, and the next run heeds it.
    pub consents_not_looked_at: bool,
    /// What this manifest changes, held apart from what differed before; only with `--compare-to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<&'a Comparison>,
    /// What the process exits with.
    pub exit_code: u8,
}

/// What `reconcile -o json` prints after applying.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("$id" = format!("https://{REPORT_VERSION}.json")))]
pub struct ReportDocument<'a> {
    /// The version of this form.
    #[schemars(extend("const" = REPORT_VERSION))]
    pub schema_version: &'static str,
    /// Where it ran: `AWS`, `the endpoint` with its URL, or `the sandbox`.
    pub ground: &'a str,
    /// The run, as `holdfast journal --run` takes it; empty where none was begun.
    pub run: &'a str,
    /// How the run over each object of the manifest ended.
    pub objects: Vec<ObjectReport<'a>>,
    /// Why the run as a whole failed, where it did not come to the objects.
    pub error: Option<&'a str>,
    /// What is wrong with the manifest, as `holdfast validate` says it.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub problems: &'a [Problem],
    /// What the process exits with.
    pub exit_code: u8,
}

/// One object of a report.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReport<'a> {
    /// The object's `metadata.name`, behind its namespace and a slash where it has one.
    pub object: &'a str,
    /// The plan that was carried out.
    pub plan: Option<&'a Plan>,
    /// How each resource ended: `end` is unchanged, changed, partly (steps were done, and something waits), blocked (nothing
    /// was done), failed, rolledBack or interrupted.
    pub outcomes: Option<&'a Outcomes>,
    /// The outcomes, counted.
    pub counts: Option<Counts>,
    /// Why the run over this object failed as a whole.
    pub error: Option<&'a str>,
    /// Why the object's topic could not be told.
    pub notification_error: Option<&'a str>,
}

/// An object that could not be looked at.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectError<'a> {
    /// The object's `metadata.name`, behind its namespace and a slash where it has one.
    pub object: &'a str,
    /// Why it could not be looked at.
    pub error: &'a str,
}

/// The objects whose run failed as a whole.
fn errors(reports: &[Report]) -> Vec<ObjectError<'_>> {
    reports.iter().filter_map(|report| Some(ObjectError { object: &report.object, error: report.error.as_deref()? })).collect()
}

/// Whether something in these plans waits for consent; where no journal was opened, one may have been given before.
pub fn consents_not_looked_at(reports: &[Report]) -> bool {
    reports.iter().filter_map(|report| report.plan.as_ref()).any(Plan::waits_for_consent)
}

/// A run's result, for programs; `error` says why it did not come to the objects.
#[expect(clippy::too_many_arguments, reason = "one document with what it is made of")]
pub fn document(
    dry_run: bool,
    ground: &str,
    run: &str,
    reports: &[Report],
    problems: &[Problem],
    error: Option<&str>,
    comparison: Option<&Comparison>,
    exit: Exit,
) -> serde_json::Result<String> {
    if dry_run {
        return serde_json::to_string_pretty(&PlanDocument {
            schema_version: SCHEMA_VERSION,
            ground,
            plans: reports.iter().filter_map(|report| report.plan.as_ref()).collect(),
            errors: errors(reports),
            error,
            problems,
            consents_not_looked_at: consents_not_looked_at(reports),
            comparison,
            exit_code: exit.code(),
        });
    }
    serde_json::to_string_pretty(&ReportDocument {
        schema_version: REPORT_VERSION,
        ground,
        run,
        objects: reports.iter().map(object).collect(),
        error,
        problems,
        exit_code: exit.code(),
    })
}

fn object(report: &Report) -> ObjectReport<'_> {
    ObjectReport {
        object: &report.object,
        plan: report.plan.as_ref(),
        outcomes: report.outcomes.as_ref(),
        counts: report.outcomes.as_ref().map(Outcomes::counts),
        error: report.error.as_deref(),
        notification_error: report.untold.as_deref(),
    }
}

/// What a manifest changes, beside what differed before.
pub fn comparison(comparison: &Comparison) -> String {
    let mut out = String::new();
    for one in &comparison.objects {
        let object = shown(&one.object);
        say(
            &mut out,
            format_args!(
                "\n{BOLD}{object}{BOLD:#} compared with {}{}: {}",
                shown(&comparison.base),
                comparison.ground(),
                shown(&one.words())
            ),
        );
        if let Some(error) = &one.error {
            say(&mut out, format_args!("    {RED}not known:{RED:#} the base could not be planned: {}", shown(error)));
        }
        let fields =
            [("with this manifest", &one.changes), ("as before", &one.before), ("not known", &one.unknown), ("no more", &one.gone)];
        for (what, fields) in fields {
            for field in fields {
                say(&mut out, format_args!("    {what:18}  {}  {}", shown(&field.key.to_string()), shown(&field.field)));
            }
        }
        for step in &one.let_go {
            say(&mut out, format_args!("    {:18}  {}  {}", "let go", shown(&step.key.to_string()), shown(&step.step)));
        }
    }
    out
}

/// Problems of manifests, each with its line.
pub fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// How a run ended, resource by resource and summed up.
pub fn outcomes(outcomes: &Outcomes) -> String {
    let mut out = String::new();
    for one in &outcomes.resources {
        outcome(&mut out, one);
    }
    if let Some(stopped) = &outcomes.stopped {
        say(&mut out, format_args!("{RED}stopped:{RED:#} {}", shown(stopped)));
    }
    say(&mut out, format_args!("{}", outcomes.counts().words()));
    out
}

/// How many entries of an object are wrong, so that nothing is done for them.
pub fn left_out(problems: &[Problem], object: &str) -> usize {
    mistakes(problems, object).len()
}

/// The entries of an object that are wrong, each by its file and path with what is wrong about it.
pub fn mistakes<'p>(problems: &'p [Problem], object: &str) -> BTreeMap<String, &'p Problem> {
    let errors = problems.iter().filter(|problem| problem.is_error());
    let places = errors.flat_map(|problem| {
        let other = problem.related.as_ref().map(|other| (&other.file, &other.object, &other.scope, problem));
        [Some((&problem.file, &problem.object, &problem.scope, problem)), other].into_iter().flatten()
    });
    let entries = places.filter_map(|(file, of, scope, problem)| match scope {
        Scope::Entry { path } if of.as_deref() == Some(object) => Some((format!("{file}: {path}"), problem)),
        _ => None,
    });
    entries.collect()
}

/// How many objects, or documents that should have been one, are wrong as a whole.
fn objects_left_out(problems: &[Problem]) -> usize {
    let errors = problems.iter().filter(|problem| problem.is_error() && problem.scope == Scope::Object);
    // What has no name yet is told from others by its file.
    errors.map(|problem| (&problem.file, &problem.object)).collect::<BTreeSet<_>>().len()
}

/// One line over all objects, where there are several: how they stand or, after a run, how they ended.
pub fn in_all(reports: &[Report], problems: &[Problem]) -> Option<String> {
    let wrong = objects_left_out(problems);
    if reports.len() + wrong < 2 {
        return None;
    }
    // What went wrong is said where it happened, on stderr: its name is what ties the two together.
    let failed: Vec<&str> = reports.iter().filter(|report| report.error.is_some()).map(|report| report.object.as_str()).collect();
    let mut ended: Option<Counts> = None;
    let mut planned = Summary::default();
    for report in reports {
        match (&report.outcomes, &report.plan) {
            (Some(outcomes), _) => *ended.get_or_insert_default() += outcomes.counts(),
            (None, Some(plan)) if report.error.is_none() => planned += plan.summary.clone(),
            _ => {}
        }
    }
    let parts = [
        ended.as_ref().map(Counts::words),
        text::resources(&planned),
        text::steps(&planned.steps),
        (!failed.is_empty()).then(|| format!("{} failed: {}", count(failed.len(), "object"), shown(&few(&failed)))),
        text::wrong(wrong, "object"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Some(format!("{BOLD}in all{BOLD:#}, {}: {}\n", count(reports.len(), "object"), parts.join("; ")))
}

/// What is known of a step that the run did not see the end of.
pub fn sent(under_way: &UnderWay) -> String {
    let state = match under_way.acknowledged {
        true => "was sent and is under way",
        false => "was sent, and the answer was lost: it may be under way",
    };
    format!("\"{}\" {state}", under_way.step)
}

fn outcome(out: &mut String, one: &ResourceOutcome) {
    let key = one.key.to_string();
    let key = shown(&key);
    match &one.end {
        End::Unchanged => {}
        End::Changed => say(out, format_args!("{GREEN}changed{GREEN:#}      {BOLD}{}{BOLD:#}  {}", key, count(one.done.len(), "step"))),
        End::Interrupted { under_way } => {
            let done = if one.done.is_empty() { String::new() } else { format!("  after {}", count(one.done.len(), "step")) };
            say(out, format_args!("{YELLOW}interrupted{YELLOW:#}  {BOLD}{}{BOLD:#}{done}", key));
            if let Some(under_way) = under_way {
                say(out, format_args!("               {}", shown(&sent(under_way))));
            }
        }
        End::Blocked { blocks } | End::Partly { blocks } => {
            let (word, done) = match one.done.len() {
                0 if one.end.only_observed() => ("observed", String::new()),
                0 => ("blocked ", String::new()),
                done => ("partly  ", format!("  {} done, what is left waits", count(done, "step"))),
            };
            say(out, format_args!("{YELLOW}{word}{YELLOW:#}     {BOLD}{}{BOLD:#}{done}", key));
            // Steps that wait for the same thing say so once, with the fields of all.
            let mut told = Vec::new();
            for (at, block) in blocks.iter().enumerate() {
                if told.contains(&(&block.message, block.reason)) {
                    continue;
                }
                told.push((&block.message, block.reason));
                let same = || blocks.iter().filter(|other| (&other.message, other.reason) == (&block.message, block.reason));
                let whole = same().any(|other| other.fields.is_empty());
                let fields = if whole { String::new() } else { text::fields(same().flat_map(|other| &other.fields)) };
                say(out, format_args!("               {}{fields}: {}", text::reason(block.reason), shown(&block.message)));
                if blocks.iter().skip(at + 1).all(|later| later.what_to_do != block.what_to_do || later.message == block.message) {
                    say(out, format_args!("               what to do: {}", shown(&block.what_to_do)));
                }
            }
        }
        End::RolledBack { message, what_to_do } => {
            say(out, format_args!("{RED}rolled back{RED:#}  {BOLD}{}{BOLD:#}  {}", key, shown(message)));
            say(out, format_args!("               what to do: {}", shown(what_to_do)));
        }
        End::Failed { message, what_to_do, undone } => {
            say(out, format_args!("{RED}failed{RED:#}       {BOLD}{}{BOLD:#}  {}", key, shown(message)));
            let at = one.failed_at.as_deref();
            if let Some(at) = at.filter(|at| !message.contains(&at.step)) {
                say(out, format_args!("               at the step: {}", shown(&at.step)));
            }
            // Those that were taken back are named below.
            let done = one.done.len().saturating_sub(undone.len());
            if done > 0 {
                say(out, format_args!("               {} done before that", count(done, "step")));
            }
            for step in at.iter().flat_map(|at| &at.not_tried) {
                say(out, format_args!("               not tried: {}", shown(step)));
            }
            for step in undone {
                say(out, format_args!("               taken back: {}", shown(step)));
            }
            say(out, format_args!("               what to do: {}", shown(what_to_do)));
            if let Some(at) = at.filter(|at| !at.not_tried.is_empty() && !at.fields.is_empty()) {
                let fields = text::fields(&at.fields);
                say(
                    out,
                    format_args!(
                        "               to have the rest done without it: take its fields out of the manifest, or except them{fields}"
                    ),
                );
            }
        }
    }
}

fn say(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}
