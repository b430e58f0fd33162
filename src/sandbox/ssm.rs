//! Systems Manager's Parameter Store: parameters with their versions and labels.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, Operation, Refusal};
use super::ids;
use super::protocol::json as wire;
use super::secretsmanager::Text;
use super::world::World;

const SECURE: &str = "SecureString";
/// Versions that are kept of a parameter; the oldest go, as long as they have no label. [AWS documentation, "Working with parameter versions"]
const VERSIONS: usize = 100;
/// Labels of a version. [AWS documentation, "Working with parameter labels"]
const LABELS: usize = 10;
/// The longest value in the standard tier, in bytes. [service model, PutParameter]
const LONGEST: usize = 4096;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Parameters by name, with its path.
    pub parameters: BTreeMap<String, Parameter>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Parameter {
    /// `String`, `StringList` or `SecureString`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its value: a short form for a parameter with one version.
    pub value: Option<Text>,
    /// What somebody said of it. Left out: nothing.
    pub description: Option<String>,
    /// The key of a SecureString. Left out: `alias/aws/ssm`.
    pub key_id: Option<String>,
    /// `Standard` or `Advanced`.
    pub tier: String,
    /// `text`, `aws:ec2:image`, ...
    pub data_type: String,
    /// Its versions by number, from 1.
    pub versions: BTreeMap<u64, Version>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Default for Parameter {
    fn default() -> Parameter {
        Parameter {
            kind: "String".to_owned(),
            value: None,
            description: None,
            key_id: None,
            tier: "Standard".to_owned(),
            data_type: "text".to_owned(),
            versions: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }
}

/// A version of a parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Version {
    /// Its value.
    pub value: Text,
    /// The type that it was put with. Left out: none is shown.
    #[serde(rename = "type")]
    pub kind: String,
    /// The key of a SecureString. Left out: `alias/aws/ssm`.
    pub key_id: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// When it was put. Left out: the beginning of 1970.
    pub created: Option<Timestamp>,
}

impl State {
    /// Turns the short form into a version.
    pub fn settle(&mut self, now: Timestamp) {
        for parameter in self.parameters.values_mut() {
            if let Some(value) = parameter.value.take() {
                parameter.add(value, now);
            }
        }
    }

    /// Puts another address in the place of one, in every value.
    pub(super) fn readdress(&mut self, was: &str, is: &str) {
        for parameter in self.parameters.values_mut() {
            let versions = parameter.versions.values_mut().map(|version| &mut version.value);
            versions.chain(parameter.value.as_mut()).for_each(|text| text.0 = text.0.replace(was, is));
        }
    }

    /// Puts the SHA-256 of each secret in its place.
    pub(super) fn hide(&mut self) {
        for parameter in self.parameters.values_mut() {
            let secret = parameter.kind == SECURE;
            let versions =
                parameter.versions.values_mut().filter(|version| secret || version.kind == SECURE).map(|version| &mut version.value);
            for text in versions.chain(parameter.value.as_mut().filter(|_| secret)) {
                text.0 = format!("sha256:{}", ids::sha256(&text.0));
            }
        }
    }
}

impl Parameter {
    fn add(&mut self, value: Text, now: Timestamp) -> u64 {
        let number = self.last().map_or(1, |(number, _)| number + 1);
        let (kind, key_id) = (self.kind.clone(), self.key_id.clone());
        self.versions.insert(number, Version { value, kind, key_id, created: Some(now), labels: Vec::new() });
        number
    }

    fn last(&self) -> Option<(u64, &Version)> {
        self.versions.last_key_value().map(|(number, version)| (*number, version))
    }
}

pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let name = wire::target(call)?;
    let writes = !["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
    Ok(Operation { name, writes })
}

pub fn answer(world: &mut World, operation: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let body = wire::body(call)?;
    let answer = match operation.name.as_str() {
        "GetParameter" => get_parameter(world, &body)?,
        "GetParameters" => get_parameters(world, &body)?,
        "GetParameterHistory" => history(world, &body)?,
        "DescribeParameters" => describe(world, &body)?,
        "PutParameter" => put(world, &body)?,
        "LabelParameterVersion" => label(world, &body)?,
        "UnlabelParameterVersion" => unlabel(world, &body)?,
        "DeleteParameter" => {
            let name = name(world, &body)?;
            world.ssm.parameters.remove(&name).map(|_| json!({})).ok_or_else(not_found)?
        }
        other => return Err(Refusal::new(501, "NotImplemented", format!("The sandbox's Systems Manager has no operation {other}."))),
    };
    Ok(wire::answer(&answer))
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    wire::refuse(refusal, request_id)
}

/// What a name means: a parameter's name or ARN, with a version or a label after a colon.
fn selected<'a>(world: &'a World, id: &str) -> Result<(String, u64, &'a Parameter, &'a Version, Option<String>), Refusal> {
    let prefix = arn(world, "");
    let local = id
        .strip_prefix(&prefix)
        .map_or_else(|| id.to_owned(), |rest| if rest.contains('/') { format!("/{rest}") } else { rest.to_owned() });
    let (name, selector) = match local.split_once(':') {
        Some((name, selector)) => (name.to_owned(), Some(selector.to_owned())),
        None => (local, None),
    };
    let parameter = world.ssm.parameters.get(&name).ok_or_else(not_found)?;
    let version = match &selector {
        None => parameter.last(),
        Some(selector) => parameter
            .versions
            .iter()
            .find(|(number, version)| number.to_string() == *selector || version.labels.contains(selector))
            .map(|(number, version)| (*number, version)),
    };
    let (number, version) = version.ok_or_else(no_version)?;
    Ok((name, number, parameter, version, selector))
}

fn get_parameter(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let id = required(body, "Name")?;
    Ok(json!({ "Parameter": shown(world, id, decrypted(body))? }))
}

fn get_parameters(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let names: Vec<&str> = texts(body, "Names");
    if names.is_empty() || names.len() > 10 {
        return Err(invalid(
            "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have 1 to 10 entries.",
        ));
    }
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match shown(world, name, decrypted(body)) {
            Ok(parameter) => found.push(parameter),
            Err(refusal) if refusal.code == "InvalidKeyId" => return Err(refusal),
            Err(_) => unknown.push(name),
        }
    }
    Ok(json!({ "Parameters": found, "InvalidParameters": unknown }))
}

fn shown(world: &World, id: &str, decrypted: bool) -> Result<Value, Refusal> {
    let (name, number, parameter, version, selector) = selected(world, id)?;
    let mut shown = Map::from_iter([
        ("Name".to_owned(), json!(name)),
        ("Type".to_owned(), json!(version.kind)),
        ("Value".to_owned(), json!(value(world, version, decrypted)?)),
        ("Version".to_owned(), json!(number)),
        ("LastModifiedDate".to_owned(), seconds(version.created)),
        ("ARN".to_owned(), json!(arn(world, &name))),
        ("DataType".to_owned(), json!(parameter.data_type)),
    ]);
    shown.extend(selector.map(|selector| ("Selector".to_owned(), json!(format!(":{selector}")))));
    Ok(Value::Object(shown))
}

/// The value as it is given out: without decryption a SecureString is a text in which nothing can be read.
fn value(world: &World, version: &Version, decrypted: bool) -> Result<String, Refusal> {
    if version.kind != SECURE {
        return Ok(version.value.0.clone());
    }
    if !decrypted {
        return Ok(format!("AQICAH{}", ids::sha256(&version.value.0)));
    }
    usable(world, version.key_id.as_deref())?;
    Ok(version.value.0.clone())
}

fn history(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let name = name(world, body)?;
    let decrypted = decrypted(body);
    let parameter = world.ssm.parameters.get(&name).ok_or_else(not_found)?;
    let all: Vec<(u64, &Version)> = parameter.versions.iter().map(|(number, version)| (*number, version)).collect();
    let (page, next) = page(world, body, &all)?;
    let mut versions = Vec::new();
    for (number, version) in page {
        let mut one = description(parameter, version);
        one.extend([
            ("Name".to_owned(), json!(name)),
            ("Version".to_owned(), json!(number)),
            ("Value".to_owned(), json!(value(world, version, decrypted)?)),
            ("Labels".to_owned(), json!(version.labels)),
        ]);
        versions.push(Value::Object(one));
    }
    Ok(with_next(json!({ "Parameters": versions }), next))
}

fn describe(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    if body.get("Filters").is_some() {
        return Err(Refusal::new(501, "NotImplemented", "The sandbox's DescribeParameters has ParameterFilters only."));
    }
    let filters = body.get("ParameterFilters").and_then(Value::as_array).cloned().unwrap_or_default();
    for filter in &filters {
        if !["Name", "Type"].contains(&text(filter, "Key").unwrap_or_default()) {
            return Err(Refusal::new(400, "InvalidFilterKey", "The filter key is not one that DescribeParameters knows."));
        }
        if !["Equals", "BeginsWith"].contains(&text(filter, "Option").unwrap_or("Equals")) {
            return Err(Refusal::new(400, "InvalidFilterOption", "The filter option is not one that this key takes."));
        }
    }
    let fits = |name: &str, parameter: &Parameter| {
        filters.iter().all(|filter| {
            let of = if text(filter, "Key") == Some("Type") { parameter.kind.as_str() } else { name };
            let begins = text(filter, "Option") == Some("BeginsWith");
            texts(filter, "Values").iter().any(|value| if begins { of.starts_with(value) } else { of == *value })
        })
    };
    let all: Vec<(&String, &Parameter)> = world.ssm.parameters.iter().filter(|(name, parameter)| fits(name, parameter)).collect();
    let (page, next) = page(world, body, &all)?;
    let mut parameters = Vec::new();
    for (name, parameter) in page {
        let Some((number, version)) = parameter.last() else { continue };
        let mut one = description(parameter, version);
        one.extend([("Name".to_owned(), json!(name)), ("Version".to_owned(), json!(number)), ("ARN".to_owned(), json!(arn(world, name)))]);
        parameters.push(Value::Object(one));
    }
    Ok(with_next(json!({ "Parameters": parameters }), next))
}

/// What listings tell of a version.
fn description(parameter: &Parameter, version: &Version) -> Map<String, Value> {
    let mut one = Map::from_iter([
        ("Type".to_owned(), json!(version.kind)),
        ("LastModifiedDate".to_owned(), seconds(version.created)),
        ("Tier".to_owned(), json!(parameter.tier)),
        ("Policies".to_owned(), json!([])),
        ("DataType".to_owned(), json!(parameter.data_type)),
    ]);
    one.extend(parameter.description.as_ref().map(|text| ("Description".to_owned(), json!(text))));
    let key = (version.kind == SECURE).then(|| version.key_id.clone().unwrap_or_else(|| "alias/aws/ssm".to_owned()));
    one.extend(key.map(|key| ("KeyId".to_owned(), json!(key))));
    one
}

fn put(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let name = required(body, "Name")?.to_owned();
    let value = text(body, "Value").filter(|value| !value.is_empty()).ok_or_else(|| invalid("The parameter's value cannot be empty."))?;
    named(&name)?;
    let kind = text(body, "Type").map(str::to_owned);
    if kind.as_deref().is_some_and(|kind| !["String", "StringList", SECURE].contains(&kind)) {
        return Err(Refusal::new(400, "UnsupportedParameterType", "The parameter type is not supported."));
    }
    let tier = text(body, "Tier").map(str::to_owned);
    let overwrite = body.get("Overwrite").and_then(Value::as_bool).unwrap_or(false);
    let found = world.ssm.parameters.get(&name);
    if found.is_some() && !overwrite {
        let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
        return Err(Refusal::new(400, "ParameterAlreadyExists", message));
    }
    let mut parameter = found.cloned().unwrap_or_default();
    let is_new = found.is_none();
    if is_new && kind.is_none() {
        return Err(invalid("A parameter type is required when you create a parameter."));
    }
    let advanced = tier.as_deref().unwrap_or(&parameter.tier) == "Advanced";
    if parameter.tier == "Advanced" && tier.as_deref() == Some("Standard") {
        return Err(invalid("This parameter uses the advanced-parameter tier. You can't downgrade it to the standard-parameter tier."));
    }
    if value.len() > LONGEST && !advanced {
        return Err(invalid("Standard tier parameters support a maximum parameter value of 4096 characters."));
    }
    if !is_new && !texts(body, "Tags").is_empty() {
        return Err(invalid("Tags and overwrite can't be used together."));
    }
    // A key that the request does not name is the account's default again. [service model, PutParameter, KeyId]
    parameter.kind = kind.unwrap_or(parameter.kind);
    parameter.key_id = text(body, "KeyId").map(str::to_owned);
    if parameter.kind != SECURE && parameter.key_id.is_some() {
        return Err(Refusal::new(400, "InvalidKeyId", "KeyId can be given for the type SecureString only."));
    }
    if parameter.kind == SECURE {
        usable(world, parameter.key_id.as_deref())?;
    }
    parameter.tier = tier.unwrap_or(parameter.tier);
    parameter.data_type = text(body, "DataType").map_or(parameter.data_type, str::to_owned);
    parameter.description = text(body, "Description").map(str::to_owned).or(parameter.description);
    if parameter.versions.len() >= VERSIONS {
        // The oldest goes, unless somebody gave it a label. [service model, ParameterMaxVersionLimitExceeded]
        match parameter.versions.first_key_value().map(|(number, version)| (*number, version.labels.is_empty())) {
            Some((number, true)) => _ = parameter.versions.remove(&number),
            _ => {
                let message = "You attempted to create a new version of the parameter, and the oldest one has a label: move it first.";
                return Err(Refusal::new(400, "ParameterMaxVersionLimitExceeded", message));
            }
        }
    }
    let number = parameter.add(Text(value.to_owned()), world.now);
    let tier = parameter.tier.clone();
    world.ssm.parameters.insert(name, parameter);
    Ok(json!({ "Version": number, "Tier": tier }))
}

/// Gives a version labels, which no other version then has.
fn label(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let (name, number) = version_named(world, body)?;
    let labels = texts(body, "Labels");
    let (good, bad): (Vec<&str>, Vec<&str>) = labels.into_iter().partition(|label| is_label(label));
    let parameter = world.ssm.parameters.get_mut(&name).ok_or_else(not_found)?;
    let has = parameter.versions.get(&number).map(|version| version.labels.len()).unwrap_or_default();
    if has + good.len() > LABELS {
        return Err(Refusal::new(400, "ParameterVersionLabelLimitExceeded", "A parameter version can have maximum 10 labels."));
    }
    for (other, version) in &mut parameter.versions {
        version.labels.retain(|label| !good.contains(&label.as_str()));
        if *other == number {
            version.labels.extend(good.iter().map(|label| (*label).to_owned()));
        }
    }
    Ok(json!({ "InvalidLabels": bad, "ParameterVersion": number }))
}

fn unlabel(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let (name, number) = version_named(world, body)?;
    let labels = texts(body, "Labels");
    let parameter = world.ssm.parameters.get_mut(&name).ok_or_else(not_found)?;
    let version = parameter.versions.get_mut(&number).ok_or_else(no_version)?;
    let (gone, unknown): (Vec<&str>, Vec<&str>) = labels.into_iter().partition(|label| version.labels.iter().any(|one| one == label));
    version.labels.retain(|label| !gone.contains(&label.as_str()));
    Ok(json!({ "RemovedLabels": gone, "InvalidLabels": unknown }))
}

/// The parameter and the version that a request names; without a version, the current one.
fn version_named(world: &World, body: &Value) -> Result<(String, u64), Refusal> {
    let name = name(world, body)?;
    let parameter = world.ssm.parameters.get(&name).ok_or_else(not_found)?;
    let number = match body.get("ParameterVersion").and_then(Value::as_u64) {
        Some(number) => number,
        None => parameter.last().map(|(number, _)| number).ok_or_else(no_version)?,
    };
    if parameter.versions.contains_key(&number) { Ok((name, number)) } else { Err(no_version()) }
}

/// Letters, digits, `.`, `-`, `_`, at most 100; not beginning with a digit, `aws` or `ssm`. [AWS documentation, "Working with parameter labels"]
fn is_label(label: &str) -> bool {
    let known = |character: char| character.is_ascii_alphanumeric() || ".-_".contains(character);
    let begins = label.chars().next().is_some_and(|first| !first.is_ascii_digit());
    let low = label.to_ascii_lowercase();
    begins && label.len() <= 100 && label.chars().all(known) && !low.starts_with("aws") && !low.starts_with("ssm")
}

fn named(name: &str) -> Result<(), Refusal> {
    let known = |character: char| character.is_ascii_alphanumeric() || "_.-/".contains(character);
    if !name.chars().all(known) || name.len() > 1011 {
        return Err(invalid("Parameter name: only a mix of letters, numbers and the following symbols is allowed: .-_/"));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(invalid("Parameter name must be a fully qualified name: it begins with a slash."));
    }
    if name.matches('/').count() > 15 {
        return Err(Refusal::new(400, "HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels."));
    }
    Ok(())
}

/// The name in a request that takes no selector.
fn name(world: &World, body: &Value) -> Result<String, Refusal> {
    selected(world, required(body, "Name")?).map(|(name, ..)| name)
}

fn page<'a, T>(world: &World, body: &Value, all: &'a [T]) -> Result<(&'a [T], Option<String>), Refusal> {
    let limit = match body.get("MaxResults").map(Value::as_u64) {
        None => world.page_size.min(50),
        Some(Some(limit @ 1..=50)) => usize::try_from(limit).unwrap_or(50).min(world.page_size),
        Some(_) => return Err(invalid("MaxResults: 1 to 50.")),
    };
    let from = match text(body, "NextToken") {
        None => 0,
        Some(token) => {
            let from = token.strip_prefix("from-").and_then(|from| from.parse::<usize>().ok());
            from.ok_or_else(|| Refusal::new(400, "InvalidNextToken", "The specified token is not valid."))?
        }
    };
    let end = (from + limit).min(all.len());
    Ok((all.get(from..end).unwrap_or_default(), (end < all.len()).then(|| format!("from-{end}"))))
}

fn with_next(mut answer: Value, next: Option<String>) -> Value {
    if let (Value::Object(members), Some(next)) = (&mut answer, next) {
        members.insert("NextToken".to_owned(), json!(next));
    }
    answer
}

/// Refuses where the parameter's key cannot be used.
fn usable(world: &World, key: Option<&str>) -> Result<(), Refusal> {
    match world.kms.usable(key.unwrap_or("alias/aws/ssm"), &world.account, &world.region) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(Refusal::new(400, "InvalidKeyId", refusal.message)),
    }
}

fn arn(world: &World, name: &str) -> String {
    format!("arn:aws:ssm:{}:{}:parameter/{}", world.region, world.account, name.trim_start_matches('/'))
}

fn decrypted(body: &Value) -> bool {
    body.get("WithDecryption").and_then(Value::as_bool).unwrap_or(false)
}

fn seconds(at: Option<Timestamp>) -> Value {
    json!(at.unwrap_or(Timestamp::UNIX_EPOCH).as_second())
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn texts<'a>(body: &'a Value, name: &str) -> Vec<&'a str> {
    body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn required<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    text(body, name).filter(|text| !text.is_empty()).ok_or_else(|| invalid(format!("{name} is required.")))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

fn not_found() -> Refusal {
    Refusal::new(400, "ParameterNotFound", "The parameter could not be found. Verify the name and try again.")
}

fn no_version() -> Refusal {
    Refusal::new(400, "ParameterVersionNotFound", "The specified parameter version was not found.")
}

#[cfg(test)]
mod tests;
