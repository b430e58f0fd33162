//! What a benchmark wants on is not turned off without consent: each switch of the golden manifests is turned round, one at a time, in the account that is
//! in sync with it.

use std::collections::BTreeSet;

use holdfast::kinds::{Impact, registry};
use holdfast::load::load_text;
use serde_json::{Value, json};

use super::{Case, file, manifest, planned, sandbox};

/// The places of everything that is a switch and on, or is off and should be: `/rds/instances/0/deletionProtection`.
fn switches(value: &Value, place: &str, into: &mut Vec<String>) {
    match value {
        Value::Bool(_) => into.push(place.to_owned()),
        Value::Object(members) => members.iter().for_each(|(name, one)| switches(one, &format!("{place}/{name}"), into)),
        Value::Array(entries) => entries.iter().enumerate().for_each(|(at, one)| switches(one, &format!("{place}/{at}"), into)),
        _ => {}
    }
}

/// Off is the protection.
const OFF_PROTECTS: &[&str] = &["publiclyAccessible"];

#[tokio::test]
async fn what_a_benchmark_wants_on_is_not_turned_off_without_consent() {
    let mut turned: BTreeSet<String> = BTreeSet::new();
    for kind in registry().iter().copied() {
        let file = file(kind);
        for case in file.cases.iter().filter(|case| case.in_sync.is_some()) {
            let mut places = Vec::new();
            switches(&case.spec, "", &mut places);
            for place in places {
                let mut spec = case.spec.clone();
                let Some(switch) = spec.pointer_mut(&place) else { continue };
                *switch = json!(switch != &json!(true));
                let weaker = Case { name: case.name.clone(), spec, in_sync: None, drifted: Value::Null };
                // Some cannot be said the other way round.
                if !load_text("manifest.yaml", &manifest(&weaker)).problems.is_empty() {
                    continue;
                }
                let plan = planned(&weaker, &sandbox(&file, case.in_sync.as_ref().unwrap_or(&Value::Null), &[])).await;
                for resource in &plan.resources {
                    let of = registry().iter().find(|kind| kind.path() == resource.key.kind).expect("a kind");
                    let controlled: Vec<_> =
                        of.fields().into_iter().filter(|field| !field.controls.is_empty()).map(|field| field.path).collect();
                    for drift in &resource.drifts {
                        let within = |field: &&&str| {
                            drift.field == **field || drift.field.strip_prefix(**field).is_some_and(|rest| rest.starts_with('.'))
                        };
                        let field = controlled.iter().find(within).copied();
                        let protects = json!(!OFF_PROTECTS.contains(&drift.field.as_str()));
                        let off = field.is_some() && drift.found == protects && drift.declared == json!(protects != json!(true));
                        let deny_goes = drift.declared.is_null() && drift.found["Effect"] == "Deny";
                        if !off && !deny_goes {
                            continue;
                        }
                        turned.insert(format!("{} {}", resource.key.kind, drift.field));
                        let steps = resource.steps.iter().filter(|step| step.fields.contains(&drift.field));
                        let online: Vec<_> = steps.filter(|step| step.impact == Impact::Online).map(|step| &step.title).collect();
                        assert!(online.is_empty(), "{}: {} goes off without consent: {online:?}", case.name, drift.field);
                    }
                }
            }
        }
    }
    let turned: Vec<String> = turned.into_iter().collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("switches-turned-off", turned.join("\n")));
}
