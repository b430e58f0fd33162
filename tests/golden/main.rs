//! Golden plans: for every kind, and every field that it declares, how the plan reads when the thing is in sync, differs, is absent, and cannot be
//! read. A kind without a file in `cases/`, or a field that no case shows in one of the four states, fails.
//!
//! `INSTA_UPDATE=always cargo test --test golden` writes the plans anew; what changed is then read in the diff.

#[path = "../support/mod.rs"]
mod support;
mod weaker;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use holdfast::clock::Clock;
use holdfast::kinds::{AnyKind, Drift, Multiplicity, Reason, registry};
use holdfast::plan::{Plan, ResourcePlan, Status, text};
use holdfast::reconcile::Baseline;
use holdfast::sandbox::faults::Faults;
use holdfast::sandbox::world::World;
use holdfast::sandbox::{Options, Sandbox};
use serde::Deserialize;
use serde_json::{Value, json};

/// The file of a kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What is in the account in every case, whether the thing is there or not.
    #[serde(default)]
    account: Value,
    cases: Vec<Case>,
}

/// A manifest, and the account in its states. What is absent is absent in the file's account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    name: String,
    /// Below `spec`.
    spec: Value,
    /// Left out where it cannot be set up, but only comes of a run.
    in_sync: Option<Value>,
    drifted: Value,
}

fn file(kind: &dyn AnyKind) -> File {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases").join(format!("{}.yaml", kind.path()));
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} has no golden plans: {}: {error}", kind.path(), path.display()));
    let mut value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    value.apply_merge().expect("merge keys");
    serde_yaml::from_value(value).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn baseline(case: &Case) -> Baseline {
    support::baseline(&manifest(case))
}

fn manifest(case: &Case) -> String {
    let mut manifest = json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "AwsBaseline", "metadata": {"name": "golden"},
        "spec": {"account": "317805897534", "region": "us-east-1"},
    });
    merge(&mut manifest["spec"], &case.spec);
    format!("{manifest:#}")
}

fn sandbox(file: &File, state: &Value, denied: &[String]) -> Sandbox {
    let mut world = json!({"account": "317805897534", "region": "us-east-1"});
    merge(&mut world, &file.account);
    merge(&mut world, state);
    let world: World = serde_json::from_value(world).expect("an account");
    let clock = Clock::simulated("2026-01-15T10:00:00Z".parse().expect("a time"));
    let faults = Faults { denied: denied.to_vec(), ..Faults::default() };
    Sandbox::new(world, Options { clock, faults, ..Options::default() }).expect("the account is right")
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

async fn planned(case: &Case, sandbox: &Sandbox) -> Plan {
    let plan = support::dry(sandbox, &baseline(case)).await.expect("a plan");
    assert!(sandbox.writes().is_empty(), "a dry run wrote");
    plan
}

fn own<'a>(kind: &dyn AnyKind, plan: &'a Plan) -> Vec<&'a ResourcePlan> {
    plan.resources.iter().filter(|resource| resource.key.kind == kind.path()).collect()
}

fn shown(plan: &Plan) -> String {
    anstream::adapter::strip_str(&text::render(plan, 0, true)).to_string()
}

/// The fields that cannot be in a state, or not without another one, with the reason.
const CANNOT: &[(&str, &str, &[&str], &str)] = &[("s3.buckets", "different", &["create"], "a bucket is there or it is not")];

/// The fields of a kind that a case's manifest declares; those of a composed thing are asked for by others.
fn declared(kind: &dyn AnyKind, case: &Case) -> BTreeSet<&'static str> {
    let baseline = baseline(case);
    let entries = || baseline.entries.iter().filter(|entry| entry.kind.path() == kind.path());
    let wants: Vec<_> = entries().map(|entry| kind.wish(entry.spec.clone(), &baseline.scope).want).collect();
    let composed = kind.shape() == Multiplicity::Composed;
    let asks = |field: &str| {
        entries().any(|entry| {
            kind.contributes(&kind.wish(entry.spec.clone(), &baseline.scope), &baseline.scope).iter().any(|part| part.field == field)
        })
    };
    kind.fields()
        .into_iter()
        .map(|field| field.path)
        .filter(|field| composed || asks(field) || wants.iter().any(|want| want.has(field)))
        .collect()
}

/// The fields of a kind that a plan shows as different, blocked or asked of a composed thing, where `is` holds for what was found.
fn differing(kind: &dyn AnyKind, plan: &Plan, is: impl Fn(&Value) -> bool) -> BTreeSet<&'static str> {
    let covers = |field: &str, said: &str| said == field || said.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'));
    let shows = |field: &str| {
        plan.resources.iter().any(|resource| {
            let here = resource.key.kind == kind.path();
            let differs = resource.drifts.iter().any(|drift| covers(field, &drift.field) && is(&drift.found));
            let asked = |origin: &holdfast::plan::Origin| {
                origin.entry.split('/').next() == Some(kind.path()) && origin.field.as_deref() == Some(field)
            };
            let asked_differs = resource.drifts.iter().any(|drift| {
                is(&drift.found) && resource.origins.iter().any(|origin| asked(origin) && origin.parts.contains(&drift.field))
            });
            here && differs || asked_differs
        })
    };
    kind.fields().into_iter().map(|field| field.path).filter(|field| shows(field)).collect()
}

fn snapshots(kind: &dyn AnyKind, name: &str, what: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("{}@{name}", kind.path()), what));
}

#[tokio::test]
async fn every_field_of_every_kind_in_every_state() {
    let mut problems = Vec::new();
    for kind in registry().iter().copied() {
        let file = file(kind);
        let mut shown_as: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for case in &file.cases {
            let place = format!("{}, {}", kind.path(), case.name);
            if let Some(state) = &case.in_sync {
                let plan = planned(case, &sandbox(&file, state, &[])).await;
                assert!(!own(kind, &plan).is_empty(), "{place}: the manifest does not speak of the kind");
                let rest: Vec<_> = own(kind, &plan).into_iter().filter(|one| one.status != Status::InSync || one.compared == 0).collect();
                // What the kind asks of composed things belongs to it.
                let asks = |one: &&ResourcePlan| one.origins.iter().any(|from| from.field.is_some() && from.entry.starts_with(kind.path()));
                let asked = plan.resources.iter().filter(asks).all(|one| one.status == Status::InSync);
                assert!(rest.is_empty() && asked, "{place}: in sync, it says\n{}", shown(&plan));
                snapshots(kind, &format!("{}-in-sync", case.name), &shown(&plan));
                shown_as.entry("in sync").or_default().extend(declared(kind, case));
            }
            let drifted = planned(case, &sandbox(&file, &case.drifted, &[])).await;
            shown_as.entry("different").or_default().extend(differing(kind, &drifted, |found| !found.is_null()));
            for resource in own(kind, &drifted) {
                assert!(
                    matches!(resource.status, Status::Drifted | Status::Partly | Status::Blocked),
                    "{place}: drifted, it says\n{}",
                    shown(&drifted)
                );
                let lost = resource.blocks.iter().any(|block| block.reason == Reason::UnexpectedState);
                assert!(!lost, "{place}: a difference that nobody repairs and nobody blocks\n{}", shown(&drifted));
            }
            snapshots(kind, &format!("{}-drifted", case.name), &shown(&drifted));
            let absent = planned(case, &sandbox(&file, &Value::Null, &[])).await;
            shown_as.entry("absent").or_default().extend(differing(kind, &absent, |_| true));
            shown_as.entry("absent").or_default().extend(differing(kind, &drifted, Value::is_null));
            if own(kind, &absent).iter().any(|one| one.blocks.iter().any(|block| block.reason == Reason::Missing)) {
                shown_as.entry("absent").or_default().extend(declared(kind, case));
            }
            for resource in own(kind, &absent) {
                let missing = resource.blocks.iter().any(|block| block.reason == Reason::Missing);
                assert!(missing || !resource.drifts.is_empty(), "{place}: absent, it says\n{}", shown(&absent));
            }
            snapshots(kind, &format!("{}-absent", case.name), &shown(&absent));
            shown_as.entry("unreadable").or_default().extend(unreadable(kind, &file, case, &drifted).await);
        }
        for state in ["in sync", "different", "absent", "unreadable"] {
            let shown = shown_as.remove(state).unwrap_or_default();
            let lost: Vec<&str> = kind.fields().into_iter().map(|field| field.path).filter(|field| !shown.contains(field)).collect();
            let cannot: Vec<&str> =
                CANNOT.iter().filter(|(of, as_, ..)| *of == kind.path() && *as_ == state).flat_map(|one| one.2).copied().collect();
            if lost != cannot {
                problems.push(format!("{}: no golden plan shows as {state}: {lost:?}; expected {cannot:?}", kind.path()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Denies each reading request of the kind in turn. What it would have told is unknown: never in sync, never absent, never repaired.
async fn unreadable(kind: &dyn AnyKind, file: &File, case: &Case, open: &Plan) -> BTreeSet<&'static str> {
    let mut fields = BTreeSet::new();
    let mut shows = BTreeMap::new();
    // What it asks of a composed thing is read there.
    let baseline = baseline(case);
    let of_kind = baseline.entries.iter().filter(|entry| entry.kind.path() == kind.path());
    let asked: BTreeSet<String> = of_kind
        .flat_map(|entry| kind.contributes(&kind.wish(entry.spec.clone(), &baseline.scope), &baseline.scope))
        .map(|part| part.to.kind)
        .collect();
    let composed = registry().iter().filter(|other| asked.contains(other.path())).flat_map(|other| other.calls());
    let mut calls: Vec<_> = kind.calls().iter().chain(composed).filter(|call| !call.writes && call.operation != "GetSecretValue").collect();
    calls.dedup_by_key(|call| call.to_string());
    for call in calls {
        let sandbox = sandbox(file, &case.drifted, &[call.to_string()]);
        let plan = planned(case, &sandbox).await;
        let refused =
            sandbox.recorded().iter().any(|one| one.operation == call.operation && one.status.is_some_and(|status| status >= 400));
        if !refused {
            continue;
        }
        let place = format!("{}, {}, {call} denied", kind.path(), case.name);
        for before in own(kind, open) {
            let Some(now) = own(kind, &plan).into_iter().find(|now| now.key == before.key) else {
                // What a selector chooses is not known: its entry stands there instead, and says so.
                let instead = own(kind, &plan)
                    .into_iter()
                    .any(|now| now.origins == before.origins && now.blocks.iter().any(|block| block.reason == Reason::Unreadable));
                assert!(instead, "{place}: {} is spoken of no more\n{}", before.key, shown(&plan));
                continue;
            };
            let unknown = |field: &str| {
                now.unreadable.iter().any(|one| one.field.is_empty() || one.field == field)
                    || now.blocks.iter().any(|block| block.reason == Reason::Unreadable && block.concerns(field))
            };
            for drift in &now.drifts {
                // What changing it means is known by its steps, and there are none of a thing that is not known whole.
                let said = |one: &Drift| (one.field.clone(), one.found.clone(), one.declared.clone());
                let same = before.drifts.iter().any(|one| said(one) == said(drift));
                assert!(same, "{place}: it says of {} what it cannot know\n{}", drift.field, shown(&plan));
            }
            for drift in &before.drifts {
                let said = now.drifts.iter().any(|one| one.field == drift.field);
                assert!(said || unknown(&drift.field), "{place}: {} passes for in sync\n{}", drift.field, shown(&plan));
            }
            let steps = now.unreadable.is_empty() || now.steps.is_empty();
            assert!(steps, "{place}: a thing that is not known whole would be changed\n{}", shown(&plan));
            let missing = now.blocks.iter().any(|block| block.reason == Reason::Missing);
            assert!(!missing, "{place}: it passes for absent\n{}", shown(&plan));
        }
        for now in own(kind, &plan) {
            let said = |field: &str| {
                let covers =
                    |said: &str| said.is_empty() || said == field || said.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'));
                now.unreadable.iter().any(|one| covers(&one.field))
                    || now.blocks.iter().any(|block| block.reason == Reason::Unreadable && block.fields.iter().any(|one| covers(one)))
            };
            fields.extend(declared(kind, case).into_iter().filter(|field| said(field)));
        }
        // What a field asks of a composed thing is not known where that is not.
        for unread in plan.resources.iter().filter(|one| !one.unreadable.is_empty()) {
            let asking = unread.origins.iter().filter(|origin| origin.entry.split('/').next() == Some(kind.path()));
            let asked: BTreeSet<&str> = asking.filter_map(|origin| origin.field.as_deref()).collect();
            fields.extend(kind.fields().into_iter().map(|field| field.path).filter(|field| asked.contains(field)));
        }
        shows.insert(call.to_string(), shown(&plan));
    }
    assert!(!shows.is_empty(), "{}, {}: no reading request was denied", kind.path(), case.name);
    let all: String = shows.iter().map(|(call, plan)| format!("==== {call} denied\n{plan}\n")).collect();
    snapshots(kind, &format!("{}-unreadable", case.name), &all);
    fields
}

/// The plan's JSON form, once: what a program reads.
#[tokio::test]
async fn the_plan_as_json() {
    let kind = *registry().iter().find(|kind| kind.path() == "s3.buckets").expect("buckets");
    let file = file(kind);
    let case = &file.cases[0];
    let plan = planned(case, &sandbox(&file, &case.drifted, &[])).await;
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!("plan-as-json", plan));
}
