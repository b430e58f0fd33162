//! SARIF: valid by its published schema, each finding at the line that declares it, and known again when lines move.

use std::collections::BTreeSet;

use holdfast::load::load_text;
use holdfast::report::sarif::render;
use serde_json::Value;

use super::plans::{HEAD, Sample, now};
use super::{schemas, snapshot, ten};

fn document(sample: &Sample) -> Value {
    serde_json::from_str(&render(&sample.review()).expect("JSON")).expect("JSON")
}

fn results(document: &Value) -> &[Value] {
    document["runs"][0]["results"].as_array().expect("results")
}

#[test]
fn the_ten() {
    let schema = schemas::sarif();
    for sample in ten() {
        let text = render(&sample.review()).expect("JSON");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let wrong: Vec<String> = schema.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {}", sample.name, wrong.join("\n"));
        let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
        let mut prints = BTreeSet::new();
        for result in results(&document) {
            let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().expect("a place")).expect("a place")];
            assert_eq!(rule["id"], result["ruleId"]);
            assert!(!result["locations"].as_array().expect("locations").is_empty(), "{}: {result:#}", sample.name);
            assert!(
                prints.insert(result["partialFingerprints"].to_string()),
                "{}: two findings have one fingerprint: {result:#}",
                sample.name
            );
        }
        snapshot("sarif", sample, &text);
    }
    let broken = serde_json::json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": 1}}}]});
    assert!(!schema.is_valid(&broken), "the schema refuses nothing");
}

/// Every finding of a difference stands on the line that declares its field, at the field's name.
#[test]
fn findings_stand_where_the_field_is_declared() {
    for name in ["small", "blocked", "migration", "excepted", "unreadable"] {
        let sample = super::sample(name);
        let text = sample.text.as_str();
        let document = document(sample);
        let mut met = 0;
        for result in results(&document).iter().filter(|one| one["ruleId"] != "manifest") {
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "manifests/production.yaml");
            let number = |of: &str| usize::try_from(place["region"][of].as_u64().expect("a number")).expect("a number");
            let line = text.lines().nth(number("startLine") - 1).expect("a line");
            let there: String = line.chars().skip(number("startColumn") - 1).collect();
            let rule = result["ruleId"].as_str().expect("an id");
            // The rule of a field ends with its name; what is composed is asked for by another, a resource as a whole is its entry.
            let name = match rule {
                "s3.bucketPolicies" => "denyInsecureTransport",
                "s3.buckets" => "name",
                field => field.rsplit('.').next().expect("a name"),
            };
            assert!(there.starts_with(&format!("{name}:")) || there.starts_with(&format!("{{{name}:")), "{rule} stands at {there:?}");
            met += 1;
        }
        assert!(met > 0, "{name} has no finding");
    }
}

#[test]
fn the_same_finding_on_another_line_has_the_same_fingerprint() {
    let sample = super::sample("blocked");
    let moved = sample.text.replace("  s3:\n", "  # moved\n\n  s3:\n").replace(HEAD, &format!("# a line\n{HEAD}"));
    let read = load_text("manifests/production.yaml", &moved);
    let other = Sample {
        name: "moved",
        dry_run: true,
        text: moved,
        baselines: read.baselines,
        reports: sample.reports.clone(),
        problems: read.problems,
        consent: String::new(),
    };
    let prints = |sample: &Sample, lines: bool| -> Vec<String> {
        let of = |one: &Value| match lines {
            true => one["locations"].to_string(),
            false => one["partialFingerprints"].to_string(),
        };
        results(&document(sample)).iter().map(of).collect()
    };
    assert_eq!(prints(sample, false), prints(&other, false));
    let both = prints(sample, true).into_iter().zip(prints(&other, true)).filter(|(one, other)| one == other).count();
    assert_eq!(both, 0, "no line has moved");
    // Another finding is another one.
    let mut renamed = super::plans::copy(sample);
    renamed.plan().resources.iter_mut().for_each(|resource| resource.key.id.push('x'));
    assert!(prints(sample, false).iter().skip(1).all(|print| !prints(&renamed, false).contains(print)));
    assert!(now() > jiff::Timestamp::UNIX_EPOCH);
}

/// What is known of a field comes from its kind.
#[test]
fn rules_say_the_field_its_controls_and_what_to_do() {
    let document = document(super::sample("small"));
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    let rule = rules.iter().find(|rule| rule["id"] == "s3.buckets.denyInsecureTransport").expect("the rule");
    let kind = holdfast::kinds::registry().iter().find(|kind| kind.path() == "s3.buckets").expect("the kind");
    let field = kind.fields().into_iter().find(|field| field.path == "denyInsecureTransport").expect("the field");
    let controls: Vec<String> = field.controls.iter().map(|control| format!("{} {}", control.benchmark, control.id)).collect();
    assert!(!controls.is_empty());
    for control in controls {
        assert!(rule["properties"]["tags"].as_array().expect("tags").contains(&control.as_str().into()), "{rule:#}");
    }
    let help = rule["help"]["text"].as_str().expect("a text");
    assert!(help.contains("spec.exceptions") && help.contains("holdfast explain s3.buckets.denyInsecureTransport"), "{help}");
    assert!(rule["fullDescription"]["text"].as_str().expect("a text").len() > 20, "{rule:#}");
}

/// A mistake is known again wherever its entry stands in the list, and wherever the run is started.
#[test]
fn the_same_mistake_in_another_place_of_the_list_has_the_same_fingerprint() {
    let wrong = "      - {name: huntaze-backups, versionin: Enabled}\n      - {name: huntaze-logs, versionin: Enabled}\n";
    let first = "      - {name: huntaze-first, tags: {a: b}}\n";
    let prints = |file: &str, folder: Option<&str>, entries: &str| -> BTreeSet<String> {
        let mut sample = super::plans::copy(super::sample("empty"));
        sample.problems = load_text(file, &format!("{HEAD}  s3:\n    buckets:\n{entries}")).problems;
        let text = render(&holdfast::report::Review { folder, ..sample.review() }).expect("JSON");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let mistakes = results(&document).iter().filter(|one| one["ruleId"] == "manifest");
        mistakes.map(|one| one["partialFingerprints"].to_string()).collect()
    };
    let here = prints("manifests/m.yaml", None, wrong);
    assert_eq!(here.len(), 2, "{here:?}");
    assert_eq!(here, prints("manifests/m.yaml", None, &format!("{first}{wrong}")));
    assert_eq!(here, prints("/home/of/it/manifests/m.yaml", Some("/home/of/it"), wrong));
    assert_ne!(here, prints("manifests/other.yaml", None, wrong));
}

/// GitHub refuses a document of more results, whole.
#[test]
fn of_too_many_results_the_least_severe_are_left_out() {
    let mut sample = super::plans::many(super::sample("small"), holdfast::report::sarif::MOST + 10);
    let mut unread = super::sample("unreadable").reports[0].plan.clone().expect("a plan").resources;
    unread.retain(|one| !one.unreadable.is_empty());
    sample.plan().resources.extend(unread);
    let document = document(&sample);
    assert_eq!(results(&document).len(), holdfast::report::sarif::MOST);
    assert_eq!(results(&document)[0]["level"], "error");
    let said = document["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].as_str().expect("it is said");
    assert!(said.contains("the least severe, are left out"), "{said}");
}
