//! What a schema cannot say: fields that must fit each other, inside an object and between objects.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::{Until, full_name};
use super::path::{FieldPath, Step};
use super::problem::{Problem, Related, Scope, Severity};
use super::scan::Mark;
use super::schema::Shape;
use super::validate::{Finding, did_you_mean, one_of};
use super::window::Windows;

/// Checks the envelope and the names of what is declared. The value may be anything: fields of the wrong type are
/// passed over, the schema has spoken of them.
pub fn object(value: &Value, shape: &Shape) -> Vec<Finding> {
    let mut findings = Vec::new();
    let spec = FieldPath::root().key("spec");
    name_length(value, &mut findings);
    arns(value, &spec, &mut findings);
    super::region::check(value, &spec, &mut findings);
    windows(value, &spec.key("policy").key("changeWindows"), &mut findings);
    exceptions(value, &spec.key("exceptions"), shape, &mut findings);
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

/// The longest value that AWS takes for a tag, in characters: what is made carries the name of its object.
/// <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>
const LONGEST_NAME: usize = 256;

fn name_length(value: &Value, findings: &mut Vec<Finding>) {
    let (Some(name), namespace) = (text(value, "/metadata/name"), text(value, "/metadata/namespace")) else { return };
    if namespace.is_some() && full_name(namespace, name).chars().count() > LONGEST_NAME {
        let finding = Finding::at(FieldPath::root().key("metadata").key("name"), "too long together with its namespace");
        findings.push(finding.expected(format!("at most {} characters of both", LONGEST_NAME - 1)));
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
        let (its_partition, _, its_region, its_account) = (parts.next(), parts.next(), parts.next(), parts.next());
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
        } else if let (Some(other), Some(region)) = (its_region, region)
            && !other.is_empty()
            && other != region
        {
            // A role is of no region. SNS takes a message in the topic's own region alone.
            let finding = Finding::at(path, format!("this is in the region {other}"));
            findings.push(finding.expected(format!("one in the region of the manifest, {region}")));
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
        let days = path.index(index).key("days");
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        // Not in the schema: API servers refuse `uniqueItems`.
        for (at, day) in window.get("days").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let Some(day) = day.as_str() else { continue };
            if let Some(first) = seen.get(day) {
                let finding = Finding::at(days.index(at), format!("the day {} is given twice", Value::from(day)));
                findings.push(Finding { other: Some(days.index(*first)), ..finding });
            } else {
                seen.insert(day, at);
            }
        }
        let zone = text(window, "/timeZone");
        for bad in Windows::faults(text(window, "/from"), text(window, "/to"), zone) {
            let mut finding = Finding::at(path.index(index).key(bad.field()), bad.to_string());
            if bad.field() == "timeZone" {
                let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
                finding.expected = Some("a name such as Europe/Paris".to_owned());
                finding.help = zone.and_then(|zone| did_you_mean(zone, known.iter().map(String::as_str)));
            }
            findings.push(finding);
        }
    }
}

fn exceptions(value: &Value, path: &FieldPath, shape: &Shape, findings: &mut Vec<Finding>) {
    let kinds: Vec<(String, bool)> = shape.excepted().collect();
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
            let unknown = unknown_field(kind, field, shape.fields(kind)).map(|finding| {
                // What stands in the manifest is somebody's wish, and shown at what it asks for it.
                let asks =
                    shape.kinds().find(|(other, _)| other != kind && shape.fields(other).iter().any(|known| can_differ(field, known)));
                let by = asks.filter(|_| !shape.kinds().any(|(known, _)| known == kind));
                let help = by.map(|(by, _)| format!("{field} is a field of {by}: name who asks for it, {by}/NAME"));
                Finding { path: path.key("field"), help: finding.help.clone().or(help), ..finding }
            });
            findings.extend(unknown);
        }
    }
}

/// That an exception for `field` could never match: no difference of its kind has that name, as the plan prints it, or stands below it.
fn unknown_field(kind: &str, field: &str, known: &[String]) -> Option<Finding> {
    if known.is_empty() || known.iter().any(|known| can_differ(field, known)) {
        return None;
    }
    let shown: Vec<String> = known.iter().map(|known| known.replace(".*", ".KEY")).collect();
    let plain = known.iter().map(|known| known.trim_end_matches(".*"));
    let heads = plain.clone().filter_map(|known| known.split('.').next());
    Some(Finding {
        message: format!("{kind} has no field {} that could differ", Value::from(field)),
        expected: one_of(shown.iter().map(String::as_str)),
        help: did_you_mean(field, plain.chain(heads)),
        ..Finding::default()
    })
}

/// Whether `field` is the known one, holds it, or is a key of it (`tags.*`; a key may hold dots).
fn can_differ(field: &str, known: &str) -> bool {
    let below = |holds: &str, path: &str| path.strip_prefix(holds).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.'));
    match known.strip_suffix(".*") {
        Some(keyed) => field == keyed || below(field, keyed) || below(keyed, field),
        None => field == known || below(field, known),
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
    let mut first: BTreeMap<(&str, &str, &str), Vec<&Claim>> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut in_order: Vec<&Claim> = claims.iter().collect();
    in_order.sort_by_key(|claim| (&claim.file, claim.position, &claim.object, &claim.path));
    for claim in in_order {
        let so_far = first.entry((claim.kind.as_str(), claim.account.as_str(), claim.id.as_str())).or_default();
        // What belongs to no region, or is shown in all of them, meets with that of any.
        let meets = |other: &&&Claim| other.region == claim.region || other.region.is_empty() || claim.region.is_empty();
        let Some(earlier) = so_far.iter().find(meets).copied() else {
            so_far.push(claim);
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
