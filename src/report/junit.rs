//! A run as JUnit XML, which every CI shows: a suite an object, a test a resource. What differs, or is blocked, is a failure; what could not be looked at is
//! an error, and never passed.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::{Review, words};
use crate::execute::{End, ResourceOutcome};
use crate::exit::Exit;
use crate::kinds::Key;
use crate::plan::escape::shown;
use crate::plan::{Plan, ResourcePlan, Status, text};
use crate::reconcile::Report;

/// How a test went.
enum Verdict {
    Passed,
    /// Its type, its message in a line, and more of it.
    Failed(&'static str, String, String),
    Error(&'static str, String, String),
}

struct Test {
    name: String,
    class: String,
    verdict: Verdict,
}

struct Suite<'a> {
    name: &'a str,
    properties: Vec<(&'static str, &'a str)>,
    tests: Vec<Test>,
    said: String,
}

/// The document.
pub fn render(review: &Review<'_>) -> String {
    let mut suites: Vec<Suite<'_>> = review.reports.iter().map(|report| suite(review, report)).collect();
    if review.exit == Exit::Interrupted {
        let reached: HashSet<&str> = review.reports.iter().map(|report| report.object.as_str()).collect();
        let objects = review.baselines.iter().map(|baseline| baseline.scope.object.as_str());
        suites.extend(objects.filter(|object| !reached.contains(object)).map(|object| not_reached(review, object)));
    }
    let mut of_run: Vec<Test> = Vec::new();
    if let Some(error) = review.error {
        of_run.push(Test {
            name: "run".to_owned(),
            class: "holdfast".to_owned(),
            verdict: Verdict::Error("failed", error.to_owned(), String::new()),
        });
    }
    of_run.extend(review.problems.iter().filter(|problem| problem.is_error()).map(|problem| {
        let verdict = Verdict::Error("wrong", problem.message.clone(), problem.in_a_line());
        let name = if problem.path.is_empty() { "document".to_owned() } else { problem.path.clone() };
        Test { name, class: problem.file.clone(), verdict }
    }));
    if !of_run.is_empty() {
        suites.insert(0, Suite { name: "manifest", properties: vec![("ground", review.ground)], tests: of_run, said: String::new() });
    }
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (place, suite) in suites.iter().enumerate() {
        write(&mut out, suite, place, review);
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite<'a>(review: &Review<'a>, report: &'a Report) -> Suite<'a> {
    let mut properties = vec![("ground", review.ground)];
    let plan = report.left.as_ref().or(report.plan.as_ref());
    let mut tests = Vec::new();
    for error in [&report.error, &report.untold].into_iter().flatten() {
        let verdict = Verdict::Error("failed", error.clone(), String::new());
        tests.push(Test { name: report.object.clone(), class: "holdfast".to_owned(), verdict });
    }
    if let Some(stopped) = report.outcomes.as_ref().and_then(|outcomes| outcomes.stopped.clone()) {
        let verdict = Verdict::Error("stopped", stopped, String::new());
        tests.push(Test { name: report.object.clone(), class: "holdfast".to_owned(), verdict });
    }
    if let Some(plan) = plan {
        properties.extend([("account", plan.account.as_str()), ("region", plan.region.as_str()), ("plan", plan.hash.as_str())]);
        let ended = report.outcomes.iter().flat_map(|outcomes| &outcomes.resources).map(|one| (&one.key, one));
        let mut ended: HashMap<&Key, &ResourceOutcome> = ended.collect();
        for resource in &plan.resources {
            let verdict = ended.remove(&resource.key).and_then(of_end).unwrap_or_else(|| planned(resource));
            tests.push(Test { name: resource.key.to_string(), class: resource.key.kind.clone(), verdict });
        }
        // What the last plan does not speak of any more.
        let mut gone: Vec<&ResourceOutcome> = ended.into_values().collect();
        gone.sort_by_key(|one| &one.key);
        tests.extend(gone.into_iter().map(|one| Test {
            name: one.key.to_string(),
            class: one.key.kind.clone(),
            verdict: of_end(one).unwrap_or(Verdict::Passed),
        }));
    }
    Suite { name: &report.object, properties, tests, said: plan.map(said).unwrap_or_default() }
}

/// An object that an interrupted run did not come to: of it nothing is known.
fn not_reached<'a>(review: &Review<'a>, object: &'a str) -> Suite<'a> {
    let verdict = Verdict::Error("interrupted", "the run was interrupted before it came to this object".to_owned(), String::new());
    let test = Test { name: object.to_owned(), class: "holdfast".to_owned(), verdict };
    Suite { name: object, properties: vec![("ground", review.ground)], tests: vec![test], said: String::new() }
}

/// How a resource ended; nothing where the plan made afterwards says it.
fn of_end(one: &ResourceOutcome) -> Option<Verdict> {
    match &one.end {
        End::Failed { message, what_to_do, undone } => {
            let undone: String = undone.iter().map(|step| format!("taken back: {step}\n")).collect();
            Some(Verdict::Error("failed", message.clone(), format!("{undone}what to do: {what_to_do}")))
        }
        End::RolledBack { message, what_to_do } => {
            Some(Verdict::Failed("rolled back", message.clone(), format!("what to do: {what_to_do}")))
        }
        End::Interrupted { under_way } => {
            let step = under_way.as_ref().map(|under_way| format!("under way: {}", under_way.step)).unwrap_or_default();
            Some(Verdict::Error("interrupted", "the run was stopped before it was done".to_owned(), step))
        }
        End::Unchanged | End::Changed | End::Blocked { .. } | End::Partly { .. } => None,
    }
}

fn planned(resource: &ResourcePlan) -> Verdict {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(resource.unreadable.iter().map(|field| format!("{} {}", field.field, words::unreadable(field))));
    let drifts = resource.drifts.iter();
    lines.extend(drifts.map(|drift| format!("{} {}. {}", drift.field, words::difference(drift), words::what_comes(resource, drift))));
    // Those of differences are said there.
    let others = resource.blocks.iter().filter(|block| !resource.drifts.iter().any(|drift| block.concerns(&drift.field)));
    lines.extend(others.map(words::blocked));
    let message = lines.first().cloned().unwrap_or_default();
    let more = lines.iter().map(|line| format!("{}\n", shown(line))).collect();
    match resource.status {
        Status::InSync => Verdict::Passed,
        Status::Unreadable => Verdict::Error("unreadable", message, more),
        Status::Blocked if resource.only_observed() => Verdict::Failed("observed only", message, more),
        Status::Blocked => Verdict::Failed("blocked", message, more),
        Status::Partly => Verdict::Failed("partly", message, more),
        Status::Drifted => Verdict::Failed("differs", message, more),
    }
}

/// What is no test: the plan counted, warnings, what is excepted.
fn said(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(&shown(text));
        out.push('\n');
    };
    text::resources(&plan.summary).iter().for_each(|counted| line(counted));
    text::steps(&plan.summary.steps).iter().for_each(|counted| line(counted));
    plan.warnings.iter().for_each(|warning| line(&format!("warning: {warning}")));
    for resource in &plan.resources {
        for one in &resource.excepted {
            line(&format!("{}: {} {}: {}", resource.key, one.drift.field, words::excepted(one), one.reason));
        }
    }
    out
}

fn write(out: &mut String, suite: &Suite<'_>, place: usize, review: &Review<'_>) {
    let count = |is: fn(&Verdict) -> bool| suite.tests.iter().filter(|test| is(&test.verdict)).count();
    let failures = count(|verdict| matches!(verdict, Verdict::Failed(..)));
    let errors = count(|verdict| matches!(verdict, Verdict::Error(..)));
    // Writing to a String does not fail. The schema of Ant wants each of these, and both texts at the end.
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"0\" timestamp=\"{}\" hostname=\"localhost\" id=\"{place}\" \
         package=\"holdfast\">",
        xml(&shown(suite.name)),
        suite.tests.len(),
        review.at.strftime("%Y-%m-%dT%H:%M:%S"),
    );
    out.push_str("    <properties>\n");
    for (name, value) in &suite.properties {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", xml(&shown(value)));
    }
    out.push_str("    </properties>\n");
    for test in &suite.tests {
        let (name, class) = (shown(&test.name), shown(&test.class));
        let _ = write!(out, "    <testcase name=\"{}\" classname=\"{}\" time=\"0\"", xml(&name), xml(&class));
        let (tag, kind, message, more) = match &test.verdict {
            Verdict::Passed => {
                out.push_str("/>\n");
                continue;
            }
            Verdict::Failed(kind, message, more) => ("failure", kind, message, more),
            Verdict::Error(kind, message, more) => ("error", kind, message, more),
        };
        // Its own lines: each was made safe as it was put in, or comes without others.
        let more: String = more.lines().map(|line| format!("{}\n", xml(&shown(line)))).collect();
        let _ = writeln!(out, ">\n      <{tag} type=\"{kind}\" message=\"{}\">{more}</{tag}>\n    </testcase>", xml(&shown(message)));
    }
    let _ = writeln!(out, "    <system-out>{}</system-out>\n    <system-err></system-err>\n  </testsuite>", xml(&suite.said));
}

/// A text inside XML. What XML cannot hold at all is shown as everything else that a terminal must not get.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            other => out.push(other),
        }
    }
    out
}
