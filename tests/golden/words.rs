//! Every property of the manifest's schema that speaks of a resource, down to list entries and the words of its enumerations, is declared by a golden
//! case, and by one whose plan shows it as different: `lifecycle.rules` is one field of a bucket, but a rule has many parts.

use std::collections::{BTreeMap, BTreeSet};

use holdfast::kinds::Drift;
use holdfast::kinds::registry;
use holdfast::load::{load_text, schema};
use holdfast::plan::Plan;
use serde_json::{Value, json};

use super::{Case, File, file, manifest, planned, sandbox};

/// What is no fact of a resource, so that nothing of it can be found different. It is declared in a case, no more.
const SETTINGS: &[(&str, &str)] = &[
    ("cloudtrail.trails[].bucketAccount", "says whose policy is left alone"),
    ("cloudtrail.trails[].name", "a label"),
    ("cloudtrail.trails[].organizationId", "names whose members' logs are let in"),
    ("cloudtrail.trails[].trail", "which trail"),
    ("elasticache.replicationGroups[].auth.key", "where in the secret the token stands"),
    ("elasticache.replicationGroups[].migration", "how a move is made"),
    ("elasticache.replicationGroups[].name", "a label"),
    ("elasticache.replicationGroups[].replicationGroupId", "which group"),
    ("elasticache.replicationGroups[].sharedParameterGroup", "consent"),
    ("guardduty.detector.publishingDestination.bucketAccount", "says whose policy is left alone"),
    ("rds.instances[].applyDuring", "when it is done"),
    ("rds.instances[].instance", "which instance"),
    ("rds.instances[].name", "a label"),
    ("rds.instances[].sharedParameterGroup", "consent"),
    ("s3.buckets[].bucket", "which bucket"),
    ("s3.buckets[].create", "consent to make it"),
    ("s3.buckets[].lifecycle.expiryApproved", "consent"),
    ("s3.buckets[].lifecycle.rules[].id", "which rule"),
    ("s3.buckets[].match", "which buckets"),
    ("s3.buckets[].name", "a label"),
];

/// What no plan shows as different, with the reason.
const CANNOT: &[(&str, &str)] = &[("rds.instances[].enhancedMonitoring.intervalSeconds=0", "whatever is found satisfies it")];

/// The part of the manifest's schema that the groups of resources are in.
fn resources() -> Value {
    let mut spec = schema()["properties"]["spec"].clone();
    if let Some(properties) = spec["properties"].as_object_mut() {
        properties.retain(|_, property| property.get("x-holdfast-group").is_some());
    }
    spec
}

/// The names of what a value can be, by its schema: one, or one a word.
fn words(schema: &Value, path: &str) -> Vec<String> {
    match schema["enum"].as_array() {
        Some(words) => words.iter().map(|word| format!("{path}={word}")).collect(),
        None => vec![path.to_owned()],
    }
}

/// Everything that can be declared: `s3.buckets[].tags{}`, `s3.buckets[].versioning="Enabled"`.
fn declarable(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    let mut inner = false;
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        declarable(property, &below(path, name), into);
        inner = true;
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            declarable(&schema[key], &format!("{path}{mark}"), into);
            inner = true;
        }
    }
    if !inner {
        into.extend(words(schema, path));
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A value that a case declares.
struct Leaf {
    /// As in [`declarable`].
    word: String,
    /// Where it stands below `spec`, as a JSON pointer.
    place: String,
    schema: Value,
}

fn leaves(schema: &Value, value: &Value, path: &str, place: &str, into: &mut Vec<Leaf>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                match &schema["properties"][name] {
                    Value::Null => leaves(&schema["additionalProperties"], member, &format!("{path}{{}}"), &place, into),
                    property => leaves(property, member, &below(path, name), &place, into),
                }
            }
        }
        Value::Array(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                leaves(&schema["items"], entry, &format!("{path}[]"), &format!("{place}/{at}"), into);
            }
        }
        value => {
            let word = if schema["enum"].is_array() { format!("{path}={value}") } else { path.to_owned() };
            into.push(Leaf { word, place: place.to_owned(), schema: schema.clone() });
        }
    }
}

/// The case with another value in the leaf's place; where no other value is valid there, without it; where it must be there, without what it is part of.
fn without(case: &Case, leaf: &Leaf) -> Option<Case> {
    let value = case.spec.pointer(&leaf.place)?;
    let others: Vec<Value> = match (leaf.schema["enum"].as_array(), value) {
        (Some(words), value) => words.iter().filter(|word| *word != value).cloned().collect(),
        (None, Value::Bool(on)) => vec![json!(!on)],
        (None, Value::Number(number)) => number.as_i64().into_iter().flat_map(|number| [json!(number + 1), json!(number - 1)]).collect(),
        (None, Value::String(text)) => {
            let mut but_last = text.clone();
            let last = but_last.pop().map_or('1', |last| if last == '1' { '2' } else { '1' });
            vec![json!(format!("{text}x")), json!(format!("{but_last}{last}"))]
        }
        _ => Vec::new(),
    };
    let replaced = others.into_iter().filter_map(|other| {
        let mut spec = case.spec.clone();
        *spec.pointer_mut(&leaf.place)? = other;
        Some(spec)
    });
    let places = std::iter::successors(Some(leaf.place.as_str()), |place| place.rsplit_once('/').map(|(above, _)| above));
    // An entry as a whole is no part of itself.
    let parts = places.take_while(|place| place.matches('/').count() > if leaf.word.contains("[]") { 3 } else { 2 });
    let removed = parts.filter_map(|place| {
        let (above, name) = place.rsplit_once('/')?;
        let mut spec = case.spec.clone();
        match spec.pointer_mut(above)? {
            Value::Object(members) => drop(members.remove(&name.replace("~1", "/").replace("~0", "~"))),
            Value::Array(entries) => drop(entries.remove(name.parse().ok()?)),
            _ => return None,
        }
        Some(spec)
    });
    replaced
        .chain(removed)
        .map(|spec| Case { name: case.name.clone(), spec, in_sync: None, drifted: Value::Null })
        .find(|other| load_text("manifest.yaml", &manifest(other)).problems.is_empty())
}

/// The differences that a plan shows, by resource and field.
fn drifts(plan: &Plan) -> BTreeMap<(String, &str), &Drift> {
    plan.resources
        .iter()
        .flat_map(|resource| resource.drifts.iter().map(move |drift| ((resource.key.to_string(), drift.field.as_str()), drift)))
        .collect()
}

/// Whether `plan` shows as different what is not said in `other`: a difference is gone, or what changed in what is declared was not found so.
fn shows(plan: &Plan, other: &Plan) -> bool {
    let others = drifts(other);
    drifts(plan).iter().any(|(place, drift)| match others.get(place) {
        None => true,
        Some(other) => lacks(&drift.found, &drift.declared, &other.declared),
    })
}

/// Whether something that `declared` says and `other` does not is not `found`.
fn lacks(found: &Value, declared: &Value, other: &Value) -> bool {
    match (declared, other) {
        (declared, other) if declared == other => false,
        (Value::Object(members), Value::Object(others)) => {
            members.iter().any(|(name, member)| lacks(&found[name.as_str()], member, others.get(name).unwrap_or(&Value::Null)))
        }
        (Value::Array(entries), Value::Array(others)) if entries.len() == others.len() => {
            entries.iter().zip(others).enumerate().any(|(at, (entry, other))| lacks(&found[at], entry, other))
        }
        (declared, _) => found != declared,
    }
}

async fn collect(file: &File, schema: &Value, declared: &mut BTreeSet<String>, different: &mut BTreeSet<String>) {
    for case in &file.cases {
        let plan = planned(case, &sandbox(file, &case.drifted, &[])).await;
        let mut said = Vec::new();
        leaves(schema, &case.spec, "", "", &mut said);
        for leaf in said {
            declared.insert(leaf.word.clone());
            if different.contains(&leaf.word) || setting(&leaf.word).is_some() {
                continue;
            }
            let Some(other) = without(case, &leaf) else { continue };
            if shows(&plan, &planned(&other, &sandbox(file, &case.drifted, &[])).await) {
                different.insert(leaf.word);
            }
        }
    }
}

/// The entry of [`SETTINGS`] that a word is of.
fn setting(word: &str) -> Option<&'static str> {
    let within = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[', '{', '=']);
    SETTINGS.iter().map(|(path, _)| *path).find(|path| word.strip_prefix(path).is_some_and(within))
}

#[tokio::test]
async fn every_word_of_the_schema_is_declared_and_shown_as_different() {
    let schema = resources();
    let mut all = BTreeSet::new();
    declarable(&schema, "", &mut all);
    let (mut declared, mut different) = (BTreeSet::new(), BTreeSet::new());
    for kind in registry().iter().copied() {
        collect(&file(kind), &schema, &mut declared, &mut different).await;
    }
    let cannot: BTreeSet<&str> = CANNOT.iter().map(|(word, _)| *word).collect();
    let mut problems = Vec::new();
    for word in &all {
        if !declared.contains(word) {
            problems.push(format!("{word}: no golden case declares it"));
        } else if setting(word).is_none() && different.contains(word) == cannot.contains(word.as_str()) {
            problems.push(if cannot.contains(word.as_str()) {
                format!("{word}: a golden plan shows it as different, and CANNOT says that none can")
            } else {
                format!("{word}: no golden plan shows it as different")
            });
        }
    }
    // What is named here must be in the schema.
    let stale = SETTINGS.iter().map(|(path, _)| *path).filter(|path| !all.iter().any(|word| setting(word) == Some(path)));
    problems
        .extend(stale.chain(cannot.iter().copied().filter(|word| !all.contains(*word))).map(|word| format!("{word}: not in the schema")));
    assert!(problems.is_empty(), "{} of {}:\n{}", problems.len(), all.len(), problems.join("\n"));
}

/// The check itself: a part of a rule that is as declared is not shown as different by a difference beside it.
#[test]
fn what_was_found_as_declared_is_not_different() {
    let found = json!({"days": 30, "classes": ["GLACIER"]});
    let declared = json!({"days": 400, "classes": ["GLACIER"]});
    assert!(lacks(&found, &declared, &json!({"days": 401, "classes": ["GLACIER"]})));
    assert!(!lacks(&found, &declared, &json!({"days": 400, "classes": ["STANDARD_IA"]})));
    assert!(lacks(&Value::Null, &declared, &json!({"days": 400, "classes": ["STANDARD_IA"]})));
}
