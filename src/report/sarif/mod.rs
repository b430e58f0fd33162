//! A run as SARIF 2.1.0: each finding at the line of the manifest that declares the field, so that it stands there in a pull request. The same finding
//! has the same fingerprint wherever its line moves, and whatever is found meanwhile.

mod form;
mod rules;

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use self::form::{
    Artifact, Driver, Fingerprints, Invocation, Level, Location, Log, Message, Notification, Physical, Region, Run, SarifResult,
    Suppression, Tool,
};
use self::rules::Rules;
use super::places::{Place, Places, kind};
use super::{Review, words};
use crate::exit::Exit;
use crate::hex::hex;
use crate::kinds::FieldDoc;
use crate::manifest::Severity;
use crate::plan::ResourcePlan;
use crate::plan::escape::shown;

/// The most results that GitHub takes of a run; it refuses the whole document where there are more.
pub const MOST: usize = 25_000;

/// The document.
pub fn render(review: &Review<'_>) -> serde_json::Result<String> {
    let mut rules = Rules::default();
    let mut results = Vec::new();
    for problem in review.problems.iter().filter(|problem| problem.severity != Severity::Note) {
        let place = Place { file: &problem.file, mark: problem.mark };
        let level = if problem.is_error() { Level::Error } else { Level::Warning };
        let expected = problem.expected.iter().map(|expected| format!("; expected {expected}"));
        let more: String = expected.chain(problem.help.iter().map(|help| format!("; {help}"))).collect();
        let said = format!("{}: {}{more}", problem.path, problem.message);
        let object = problem.object.as_deref().unwrap_or_default();
        // Neither where the run was started from nor what stands before it in a list makes it another finding.
        let (file, path) = (uri(&problem.file, review.folder), without_places(&problem.path));
        let finding = ["manifest", &file, object, problem.entry.as_deref().unwrap_or_default(), &path, &problem.message];
        results.push(result(rules.of_manifest(), level, &said, vec![place], &finding, review));
    }
    for report in review.reports {
        let Some(plan) = report.left.as_ref().or(report.plan.as_ref()) else { continue };
        let places = Places::of(review.baselines, report);
        for resource in &plan.resources {
            let docs = rules.docs(&resource.key.kind);
            of_resource(&mut results, &mut rules, review, &plan.object, places.as_ref(), resource, &docs);
        }
    }
    let left_out = results.len().saturating_sub(MOST);
    if left_out > 0 {
        results.sort_by_key(|result| result.level);
        results.truncate(MOST);
    }
    number_the_same(&mut results);
    let failed = |report: &crate::reconcile::Report| report.error.as_ref().map(|error| format!("{}: {error}", report.object));
    let notifications = review.error.map(str::to_owned).into_iter().chain(review.reports.iter().filter_map(failed));
    let cut = (left_out > 0).then(|| {
        let text = format!("{left_out} more results, the least severe, are left out: {MOST} are taken of a run; `-o json` has all of them");
        Notification { level: Level::Warning, message: message(&text) }
    });
    let notifications = notifications.map(|text| Notification { level: Level::Error, message: message(&text) }).chain(cut).collect();
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver: Driver { name: "holdfast", version: env!("CARGO_PKG_VERSION"), rules: rules.all() } },
            invocations: [Invocation {
                execution_successful: !matches!(review.exit, Exit::Failed | Exit::PartlyFailed | Exit::Interrupted),
                exit_code: review.exit.code(),
                tool_execution_notifications: notifications,
            }],
            results,
            column_kind: "unicodeCodePoints",
        }],
    };
    serde_json::to_string_pretty(&log)
}

/// Everything that is to be said of one resource.
fn of_resource(
    results: &mut Vec<SarifResult>,
    rules: &mut Rules,
    review: &Review<'_>,
    object: &str,
    places: Option<&Places<'_>>,
    resource: &ResourcePlan,
    docs: &[FieldDoc],
) {
    let key = resource.key.to_string();
    let place = |field: &str| places.map(|places| places.field(resource, docs, field)).unwrap_or_default();
    let mut add = |level: Level, field: &str, said: String, suppressed: Option<String>| {
        // What is composed is of the field that asks for it.
        let asking = resource.origins.iter().find(|origin| origin.asks_for(field));
        let rule = match asking.and_then(|origin| Some((origin.entry.split_once('/')?.0, origin.field.as_deref()?))) {
            Some((kind, asked)) => {
                let docs = rules.docs(kind);
                rules.of_field(kind, &docs, asked)
            }
            None => rules.of_field(&resource.key.kind, docs, field),
        };
        let said = if field.is_empty() { format!("{key} {said}") } else { format!("{key}: {field} {said}") };
        let mut one = result(rule, level, &said, place(field), &["resource", object, &key, field], review);
        one.suppressions = suppressed.map(|justification| [Suppression { kind: "external", status: "accepted", justification }]);
        results.push(one);
    };
    for drift in &resource.drifts {
        add(Level::Warning, &drift.field, format!("{}. {}", words::difference(drift), words::what_comes(resource, drift)), None);
    }
    for excepted in &resource.excepted {
        add(Level::Note, &excepted.drift.field, words::excepted(excepted), Some(shown(&excepted.reason).into_owned()));
    }
    for field in &resource.unreadable {
        add(Level::Error, &field.field, words::unreadable(field), None);
    }
    // What is blocked without a difference: a thing that is not there, wishes that disagree.
    let seen = |field: &str| resource.drifts.iter().any(|drift| crate::kinds::is_within(&drift.field, field));
    for block in &resource.blocks {
        let fields: Vec<&str> = block.fields.iter().map(String::as_str).filter(|field| !seen(field)).collect();
        let fields = if block.fields.is_empty() && resource.drifts.is_empty() { vec![""] } else { fields };
        for field in fields {
            add(Level::Warning, field, words::blocked(block), None);
        }
    }
}

fn result(rule: (String, usize), level: Level, said: &str, places: Vec<Place<'_>>, finding: &[&str], review: &Review<'_>) -> SarifResult {
    let (rule_id, rule_index) = rule;
    let location = |place: &Place<'_>| Location {
        physical_location: Physical {
            artifact_location: Artifact { uri: uri(place.file, review.folder) },
            region: place.mark.map(|mark| Region { start_line: mark.line.max(1), start_column: mark.column.max(1) }),
        },
    };
    let mut locations: Vec<Location> = places.iter().map(location).collect();
    // The first is where it stands; others that ask for the same are related to it.
    let related_locations = if locations.len() > 1 { locations.split_off(1) } else { Vec::new() };
    let print = fingerprint(finding);
    SarifResult {
        rule_id,
        rule_index,
        level,
        message: message(said),
        locations,
        related_locations,
        // GitHub knows a finding again by the first of these, others by any.
        partial_fingerprints: Fingerprints { primary_location_line_hash: format!("{print}:1"), finding: print },
        suppressions: None,
    }
}

/// What tells a finding from all others: neither where it stands nor what was found.
fn fingerprint(finding: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in finding {
        // With its length, so that no two lists are one text.
        hasher.update(format!("{}:{part}", part.len()));
    }
    hex(&hasher.finalize()).get(..32).unwrap_or_default().to_owned()
}

/// A path without places in lists: `spec.s3.buckets[].versioning`.
fn without_places(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut parts = path.split('[');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        out.push('[');
        // What stands in brackets otherwise is a key.
        out.push_str(if rest.starts_with(']') { rest } else { part });
    }
    out
}

/// Findings that are told apart by nothing but their place are the first, the second of them.
fn number_the_same(results: &mut [SarifResult]) {
    let mut met: HashMap<String, usize> = HashMap::new();
    for prints in results.iter_mut().map(|result| &mut result.partial_fingerprints) {
        let number = met.entry(prints.finding.clone()).or_default();
        *number += 1;
        prints.primary_location_line_hash = format!("{}:{number}", prints.finding);
        if *number > 1 {
            prints.finding = prints.primary_location_line_hash.clone();
        }
    }
}

/// A message of plain text: in it, a word in brackets right before one in parentheses would be a link, and a number in braces a place for an argument.
fn message(said: &str) -> Message {
    let said = shown(said);
    if !said.contains("](") && !said.contains('{') {
        return Message { text: said.into_owned() };
    }
    let mut text = String::with_capacity(said.len() + 8);
    let mut before = ' ';
    for letter in said.chars() {
        if (before, letter) == (']', '(') || before == '{' && letter.is_ascii_digit() {
            text.push(' ');
        }
        text.push(letter);
        before = letter;
    }
    Message { text }
}

/// A file as the reader's repository knows it: from the folder that the run was started in.
fn uri(file: &str, folder: Option<&str>) -> String {
    let inside = folder.and_then(|folder| file.strip_prefix(folder)?.strip_prefix('/'));
    let path = inside.unwrap_or(file);
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_from_the_folder_of_the_run() {
        for (file, folder, said) in [
            ("manifests/a.yaml", None, "manifests/a.yaml"),
            ("./manifests/a b.yaml", Some("/repo"), "manifests/a%20b.yaml"),
            ("/repo/manifests/a.yaml", Some("/repo"), "manifests/a.yaml"),
            ("/repository/a.yaml", Some("/repo"), "file:///repository/a.yaml"),
            ("a:b#c.yaml", None, "a%3Ab%23c.yaml"),
        ] {
            assert_eq!(uri(file, folder), said);
        }
    }

    #[test]
    fn a_message_holds_no_link_and_no_argument() {
        assert_eq!(message("[a](http://b) {0} [\"c\"] {\"d\":1}\n").text, "[a] (http://b) { 0} [\"c\"] {\"d\":1}\\n");
    }

    #[test]
    fn a_path_is_the_same_wherever_its_entry_stands_in_the_list() {
        for (path, said) in [
            ("spec.s3.buckets[12].rules[0].id", "spec.s3.buckets[].rules[].id"),
            ("spec.a[\"3\"].b[1x]", "spec.a[\"3\"].b[1x]"),
            ("", ""),
            ("a[", "a["),
        ] {
            assert_eq!(without_places(path), said);
        }
    }

    #[test]
    fn no_two_findings_have_one_fingerprint() {
        assert_ne!(fingerprint(&["a", "bc"]), fingerprint(&["ab", "c"]));
        assert_eq!(fingerprint(&["a", "b"]), fingerprint(&["a", "b"]));
    }
}
