//! Every kind has an example that is right, declares each of its fields, and every manifest that is shipped is right.

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use holdfast::clock::Clock;
use holdfast::kinds::{Multiplicity, Reason, registry};
use holdfast::load::load;
use holdfast::plan::{Plan, Status};
use holdfast::reconcile::Baseline;
use holdfast::sandbox::{Options, Sandbox};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(yaml_below(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "yaml") {
            found.push(entry);
        }
    }
    found.sort();
    found
}

#[test]
fn every_kind_has_an_example_that_is_right() {
    for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
        let file = root().join("examples/kinds").join(format!("{}.yaml", kind.path()));
        assert!(file.is_file(), "{} has no example: {} is missing", kind.path(), file.display());
        let manifests = load(&file);
        assert!(manifests.problems.is_empty(), "{}", manifests.problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
        let kinds: BTreeSet<&str> = manifests.baselines.iter().flat_map(|one| &one.entries).map(|entry| entry.kind.path()).collect();
        assert!(kinds.contains(kind.path()), "{} does not show a {}", file.display(), kind.path());
    }
}

#[test]
fn no_example_is_left_of_a_kind_that_is_gone() {
    let known: BTreeSet<String> = registry().iter().map(|kind| format!("{}.yaml", kind.path())).collect();
    for file in yaml_below(&root().join("examples/kinds")) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(known.contains(&name), "{} shows no kind that there is", file.display());
    }
}

#[test]
fn every_baseline_is_right() {
    let files = yaml_below(&root().join("manifests/baselines"));
    assert!(!files.is_empty(), "there is no baseline");
    for file in files {
        let manifests = load(&file);
        assert!(manifests.problems.is_empty(), "{}", manifests.problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
        assert_eq!(manifests.baselines.len(), 1);
    }
}

/// The embedded account as the audit found it, at a time.
fn as_found(at: &str) -> Sandbox {
    let text = std::fs::read_to_string(root().join("examples/accounts/huntaze-as-found.yaml")).expect("a text");
    let options = Options { clock: Clock::simulated(at.parse().expect("a time")), ..Options::default() };
    Sandbox::from_yaml(&text, options).expect("the account is right")
}

/// What is left after runs with consent, until none of them does anything.
async fn left(baseline: &Baseline, sandbox: &Sandbox) -> Plan {
    let state = tempfile::tempdir().expect("a folder");
    for _ in 0..8 {
        sandbox.forget_records();
        let (_, outcomes) = support::wet(sandbox, baseline, state.path(), true).await.expect("a run");
        assert_eq!(outcomes.failed().count(), 0, "{outcomes:?}");
        if sandbox.writes().is_empty() {
            return support::dry(sandbox, baseline).await.expect("a plan");
        }
    }
    panic!("it comes to no end: {:?}", sandbox.writes());
}

/// The comment at the head of a file, as one line.
fn head(text: &str) -> String {
    text.lines().take_while(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ")
}

/// The fields of which a comment says that they stay blocked: "a, b and c stay blocked".
fn stay_blocked(head: &str) -> BTreeSet<String> {
    let Some((before, _)) = head.split_once(" stay blocked") else { return BTreeSet::new() };
    let sentence = before.rsplit(". ").next().unwrap_or(before);
    sentence.replace(" and ", ", ").split(", ").map(|field| field.trim().to_owned()).collect()
}

#[tokio::test]
async fn every_example_of_a_kind_comes_to_its_end_on_the_sandbox() {
    for file in yaml_below(&root().join("examples/kinds")) {
        let text = std::fs::read_to_string(&file).expect("a text");
        let head = head(&text);
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let command = format!("Try it: `holdfast reconcile -f examples/kinds/{name} --sandbox`");
        assert!(head.contains(&command), "{name} does not say how to try it: {head}");
        let baseline = support::baseline(&text);
        let sandbox = as_found("2026-01-15T10:00:00Z");
        let found = support::dry(&sandbox, &baseline).await.expect("a plan");
        let waits = found.resources.iter().flat_map(|resource| &resource.steps).any(|step| step.held.is_some());
        assert_eq!(head.contains("run the command that is shown then"), waits, "{name}: whether something waits for consent");
        let plan = left(&baseline, &sandbox).await;
        let top = |field: &str| field.split('.').next().unwrap_or(field).to_owned();
        let differing: BTreeSet<String> = plan.resources.iter().flat_map(|one| &one.drifts).map(|drift| top(&drift.field)).collect();
        assert_eq!(differing, stay_blocked(&head), "{name}: {plan:#?}");
        assert_eq!(plan.in_sync(), differing.is_empty(), "{name}: {plan:#?}");
    }
}

#[tokio::test]
async fn the_example_of_policy_does_what_its_comments_say() {
    let file = root().join("examples/policy.yaml");
    let text = std::fs::read_to_string(file).expect("a text");
    let baseline = support::baseline(&text);
    let state = |plan: &Plan| -> Vec<(String, Status)> { plan.resources.iter().map(|one| (one.key.to_string(), one.status)).collect() };
    // A Thursday morning, and a Thursday night in Paris.
    for (at, open) in [("2026-01-15T10:00:00Z", false), ("2026-01-15T22:00:00Z", true)] {
        let sandbox = as_found(at);
        let plan = left(&baseline, &sandbox).await;
        let blocks: Vec<Reason> =
            plan.resources.iter().flat_map(|one| &one.steps).filter_map(|step| step.held.as_ref()).map(|held| held.reason).collect();
        assert_eq!(blocks, if open { vec![] } else { vec![Reason::OutsideChangeWindow] }, "{at}: {:?}", state(&plan));
        assert_eq!(plan.summary.drifted + plan.summary.unreadable, 0, "{at}: {:?}", state(&plan));
        let excepted: Vec<&str> = plan.resources.iter().flat_map(|one| &one.excepted).map(|one| one.drift.field.as_str()).collect();
        assert_eq!(excepted, ["versioning"], "{at}");
        assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    }
    for part in ["assumeRole", "mode", "disruptive", "changeWindows", "maxChanges", "exceptions", "notifications"] {
        assert!(text.contains(&format!("{part}:")), "{part} is not shown");
    }
}

#[test]
fn every_account_for_the_sandbox_is_right() {
    let files = yaml_below(&root().join("examples/accounts"));
    assert!(!files.is_empty(), "there is no account");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        if text.contains("servers: true") && holdfast::sandbox::redis::program().is_none() {
            // Past the harness, which keeps what passing tests print.
            let _ = writeln!(std::io::stderr(), "skipped: needs redis-server");
            continue;
        }
        if let Err(error) = Sandbox::from_yaml(&text, Options::default()) {
            panic!("{}: {error}", file.display());
        }
    }
}

#[test]
fn every_kind_says_what_it_is() {
    for kind in registry() {
        assert!(kind.path().split('.').count() == 2, "{} is no path of a group and a kind", kind.path());
        assert!(!kind.title().is_empty());
        assert!(!kind.calls().is_empty(), "{} names no request", kind.path());
        assert!(
            kind.calls().iter().any(|call| call.writes) && kind.calls().iter().any(|call| !call.writes),
            "{} reads or writes nothing",
            kind.path()
        );
        for call in kind.calls() {
            assert!(call.action.contains(':'), "{call} names no IAM action");
        }
        assert!(!kind.fields().is_empty(), "{} has no field", kind.path());
        let mut seen = BTreeSet::new();
        for field in kind.fields() {
            assert!(seen.insert(field.path), "{} declares {} twice", kind.path(), field.path);
        }
    }
}

/// Every field that is compared can be written in the manifest: its path leads through the kind's schema, and what it leads to is described.
#[test]
fn every_field_stands_in_the_schema_with_a_description() {
    for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
        let schema = kind.schema();
        for field in kind.fields() {
            let mut at = &schema;
            // What is implied stands in no manifest; what implies it does.
            for part in field.implied_by.unwrap_or(field.path).split('.') {
                let inside = at.get("items").unwrap_or(at);
                at = inside
                    .pointer(&format!("/properties/{part}"))
                    .or_else(|| inside.get("additionalProperties").filter(|open| open.is_object()))
                    .unwrap_or_else(|| panic!("{}: {} is not in the schema (at {part})", kind.path(), field.path));
            }
            let described = at.get("description").and_then(serde_json::Value::as_str).is_some_and(|text| text.len() > 10);
            assert!(described, "{}: {} has no description", kind.path(), field.path);
        }
    }
}

fn rust_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| rust_below(folder))).collect()
}

/// The examples in the comments of a source: what stands behind the fence, and the lines.
fn fenced(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut open = false;
    for line in text.lines().map(str::trim_start) {
        let Some(line) = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).map(str::trim) else { continue };
        match line.strip_prefix("```") {
            Some(word) if !open => found.push((word.to_owned(), Vec::new())),
            Some(_) => {}
            None if open => found.last_mut().expect("an open one").1.push(line.to_owned()),
            None => continue,
        }
        open ^= line.starts_with("```");
    }
    found
}

/// An example that must not compile passes on any mistake: stable rustdoc does not look at its error code. So each is followed by one that compiles and
/// differs in the forbidden line alone.
#[test]
fn what_must_not_compile_does_so_but_for_one_line() {
    let mut number = 0;
    for file in rust_below(&root().join("src")) {
        let examples = fenced(&std::fs::read_to_string(&file).expect("a source"));
        for (place, (word, wrong)) in examples.iter().enumerate().filter(|(_, (word, _))| word.starts_with("compile_fail")) {
            number += 1;
            assert!(word.starts_with("compile_fail,E"), "{}: {word} says no error code", file.display());
            let right = examples.get(place + 1).filter(|(word, right)| word.is_empty() && right.len() == wrong.len());
            let (_, right) = right.unwrap_or_else(|| panic!("{}: nothing that compiles follows {wrong:#?}", file.display()));
            let differ = wrong.iter().zip(right).filter(|(wrong, right)| wrong != right).count();
            assert_eq!(differ, 1, "{}: {wrong:#?} {right:#?}", file.display());
        }
    }
    assert!(number >= 2, "the examples that must not compile are gone");
}
