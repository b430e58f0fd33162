//! What a schema cannot say: fields that must fit each other, inside an object and between objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::{ChangeWindow, Until};
use super::path::{FieldPath, Step};
use super::problem::{Problem, Related, Scope, Severity};
use super::scan::Mark;
use super::schema::Shape;
use super::validate::{Finding, did_you_mean, one_of};
use super::window::Windows;

/// Checks the envelope and the names of what is declared. The value may be anything: fields of the wrong type are
/// passed over, the schema has spoken of them.
pub fn object(value: &Value, schema: &Value, shape: &Shape) -> Vec<Finding> {
    let mut findings = Vec::new();
    let spec = FieldPath::root().key("spec");
    arns(value, &spec, &mut findings);
    windows(value, &spec.key("policy").key("changeWindows"), &mut findings);
    exceptions(value, &spec.key("exceptions"), schema, shape, &mut findings);
    names(value, &spec, shape, &mut findings);
    findings
}

/// The partition that a region is in, as its ARNs say it. From botocore's partitions.json.
pub fn partition(region: &str) -> &'static str {
    let starts = |prefix: &str| region.starts_with(prefix);
    match region {
        _ if starts("cn-") => "aws-cn",
        _ if starts("us-gov-") => "aws-us-gov",
        _ if starts("us-iso-") => "aws-iso",
        _ if starts("us-isob-") => "aws-iso-b",
        _ if starts("us-isof-") => "aws-iso-f",
        _ if starts("eu-isoe-") => "aws-iso-e",
        _ if starts("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn arns(value: &Value, spec: &FieldPath, findings: &mut Vec<Finding>) {
    let Some(account) = text(value, "/spec/account") else { return };
    let region = text(value, "/spec/region");
    for (pointer, path) in [
        ("/spec/assumeRole/roleArn", spec.key("assumeRole").key("roleArn")),
        ("/spec/notifications/topicArn", spec.key("notifications").key("topicArn")),
    ] {
        let Some(arn) = text(value, pointer) else { continue };
        let mut parts = arn.split(':').skip(1);
        let (its_partition, its_account) = (parts.next(), parts.nth(2));
        if let Some(other) = its_account
            && other != account
        {
            let finding = Finding::at(path.clone(), format!("this is in account {other}"));
            findings.push(finding.expected(format!("one in the account of the manifest, {account}")));
        }
        if let (Some(other), Some(region)) = (its_partition, region)
            && other != partition(region)
        {
            let finding = Finding::at(path, format!("this is in the partition {other}"));
            findings.push(finding.expected(format!("one in {}, as {region} is", partition(region))));
        }
    }
}

fn list<'v>(value: &'v Value, path: &FieldPath) -> &'v [Value] {
    let found = path.0.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    });
    found.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn windows(value: &Value, path: &FieldPath, findings: &mut Vec<Finding>) {
    for (index, window) in list(value, path).iter().enumerate() {
        let Ok(window) = serde_json::from_value::<ChangeWindow>(window.clone()) else { continue };
        let Err(bad) = Windows::new(std::slice::from_ref(&window)) else { continue };
        let mut finding = Finding::at(path.index(index).key(bad.field()), bad.to_string());
        if bad.field() == "timeZone" {
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
            finding.expected = Some("a name such as Europe/Paris".to_owned());
            finding.help = did_you_mean(&window.time_zone, known.iter().map(String::as_str));
        }
        findings.push(finding);
    }
}

fn exceptions(value: &Value, path: &FieldPath, schema: &Value, shape: &Shape, findings: &mut Vec<Finding>) {
    let kinds: Vec<(String, bool)> = shape.kinds().collect();
    for (index, exception) in list(value, path).iter().enumerate() {
        let path = path.index(index);
        if let Some(Err(bad)) = text(exception, "/until").map(str::parse::<Until>) {
            findings.push(Finding::at(path.key("until"), bad.to_string()));
        }
        let Some(resource) = text(exception, "/resource") else { continue };
        let (kind, name) = resource.split_once('/').map_or((resource, None), |(kind, name)| (kind, Some(name)));
        let Some((_, many)) = kinds.iter().find(|(known, _)| known == kind) else {
            let known = || kinds.iter().map(|(known, _)| known.as_str());
            let finding = Finding::at(path.key("resource"), format!("{} is no kind of resource", Value::from(kind)));
            findings.push(Finding { expected: one_of(known()), help: did_you_mean(kind, known()), ..finding });
            continue;
        };
        if *many && name.is_none() {
            let finding = Finding::at(path.key("resource"), "this names a kind and no resource");
            findings.push(finding.expected(format!("{kind}/NAME, where NAME is its name here or in AWS")));
        } else if !*many && name.is_some() {
            let finding = Finding::at(path.key("resource"), "an account has this once, without a name");
            findings.push(finding.expected(kind.to_owned()));
        }
        if let Some(field) = text(exception, "/field") {
            findings.extend(unknown_field(kind, field, schema).map(|finding| Finding { path: path.key("field"), ..finding }));
        }
    }
}

/// Whether a kind has the field of an exception, as far as its schema names fields.
fn unknown_field(kind: &str, field: &str, schema: &Value) -> Option<Finding> {
    let (group, name) = kind.split_once('.')?;
    let mut at = ["properties", "spec", "properties", group, "properties", name].iter().try_fold(schema, |at, key| at.get(key))?;
    let Ok(steps) = field.parse::<FieldPath>() else {
        return Some(Finding::default().expected("a field such as versioning or tags.owner").with("not the path of a field"));
    };
    for step in &steps.0 {
        at = at.get("items").unwrap_or(at);
        let Step::Key(key) = step else { continue };
        let fields = at.get("properties").and_then(Value::as_object)?;
        match fields.get(key) {
            Some(inner) => at = inner,
            None => {
                let known = || fields.keys().map(String::as_str).filter(|known| *known != "name");
                let said = format!("{kind} has no field {}", Value::from(key.as_str()));
                return Some(Finding { expected: one_of(known()), help: did_you_mean(key, known()), ..Finding::default().with(&said) });
            }
        }
    }
    None
}

impl Finding {
    fn with(self, message: &str) -> Finding {
        Finding { message: message.to_owned(), ..self }
    }
}

fn names(value: &Value, spec: &FieldPath, shape: &Shape, findings: &mut Vec<Finding>) {
    for (kind, _) in shape.kinds().filter(|(_, many)| *many) {
        let Some((group, name)) = kind.split_once('.') else { continue };
        let path = spec.key(group).key(name);
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, entry) in list(value, &path).iter().enumerate() {
            let Some(name) = text(entry, "/name") else { continue };
            match seen.get(name) {
                Some(first) => {
                    let finding = Finding::at(path.index(index).key("name"), format!("the name {} is given twice", Value::from(name)));
                    findings.push(Finding { other: Some(path.index(*first).key("name")), ..finding });
                }
                None => {
                    seen.insert(name, index);
                }
            }
        }
    }
}

/// That an entry of a manifest speaks for a real thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The path of its kind: `s3.buckets`.
    pub kind: String,
    /// Its real id.
    pub id: String,
    pub account: String,
    /// Empty for what belongs to no region.
    pub region: String,
    pub file: String,
    pub position: Option<Mark>,
    /// The entry: `spec.s3.buckets[0]`.
    pub path: String,
    pub object: String,
}

/// A thing that the selector of another object chooses besides. Nothing is stopped here: a run leaves the thing alone, and what else the selector
/// chooses is enforced.
pub fn overlap(claim: &Claim, selector: &Claim) -> Problem {
    let scope = |claim: &Claim| Scope::Entry { path: claim.path.clone() };
    Problem {
        mark: claim.position,
        object: Some(claim.object.clone()),
        path: claim.path.clone(),
        scope: scope(claim),
        related: Some(Related {
            file: selector.file.clone(),
            mark: selector.position,
            object: Some(selector.object.clone()),
            path: selector.path.clone(),
            scope: scope(selector),
        }),
        ..Problem::of_file(
            &claim.file,
            format!(
                "{} {} of account {} is chosen by a selector of the object {} as well",
                claim.kind, claim.id, claim.account, selector.object
            ),
        )
        .with_help("let one object speak for it: name it under the selector's `except`, or move its entry beside the selector")
    }
}

/// Real things that more than one entry speaks for: one problem for each further entry, with the first beside it. Both
/// entries are stopped.
pub fn claims(claims: &[Claim]) -> Vec<Problem> {
    let mut first: BTreeMap<(&str, &str, &str, &str), &Claim> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut in_order: Vec<&Claim> = claims.iter().collect();
    in_order.sort_by_key(|claim| (&claim.file, claim.position, &claim.object, &claim.path));
    for claim in in_order {
        let thing = (claim.kind.as_str(), claim.account.as_str(), claim.region.as_str(), claim.id.as_str());
        let Some(earlier) = first.get(&thing) else {
            first.insert(thing, claim);
            continue;
        };
        let is_same_entry = (&earlier.file, &earlier.object, &earlier.path) == (&claim.file, &claim.object, &claim.path);
        if is_same_entry && earlier.position == claim.position {
            continue;
        }
        problems.push(Problem {
            mark: claim.position,
            severity: Severity::Error,
            object: Some(claim.object.clone()),
            path: claim.path.clone(),
            scope: Scope::Entry { path: claim.path.clone() },
            related: Some(Related {
                file: earlier.file.clone(),
                mark: earlier.position,
                object: Some(earlier.object.clone()),
                path: earlier.path.clone(),
                scope: Scope::Entry { path: earlier.path.clone() },
            }),
            ..Problem::of_file(&claim.file, format!("{} {} of account {} is declared twice", claim.kind, claim.id, claim.account))
                .with_help("declare it in one place")
        });
    }
    problems
}
