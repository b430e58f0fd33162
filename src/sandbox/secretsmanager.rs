//! Secrets Manager: secrets with their versions and stages.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, Operation, Refusal};
use super::ids;
use super::protocol::json as wire;
use super::world::World;

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Secrets by name.
    pub secrets: BTreeMap<String, Secret>,
}

/// A secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Secret {
    /// What somebody said of it.
    pub description: String,
    /// The key that it is encrypted with, as it was given. Left out: `alias/aws/secretsmanager`.
    pub kms_key_id: Option<String>,
    /// The six characters at the end of the ARN. Left out: they follow from the name.
    pub arn_suffix: Option<String>,
    /// Its text: a short form for a secret with one, current version.
    pub secret_string: Option<Text>,
    /// Its versions by their ids.
    pub versions: BTreeMap<String, Version>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made. Left out: the beginning of 1970.
    pub created: Option<Timestamp>,
    /// When it was last changed. Left out: the beginning of 1970.
    pub changed: Option<Timestamp>,
    /// When it is to be deleted, of one that waits for that. Left out: it does not.
    pub deleted: Option<Timestamp>,
}

/// A version of a secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Version {
    /// Its text. Left out: it has bytes.
    pub secret_string: Option<Text>,
    /// Its bytes in Base64. Left out: it has a text.
    pub secret_binary: Option<Text>,
    /// What it stands for: `AWSCURRENT`, `AWSPREVIOUS`.
    pub stages: Vec<String>,
    /// When it was made. Left out: the beginning of 1970.
    pub created: Option<Timestamp>,
}

/// The text of a secret. It must be kept, since it is given out; it is never shown in a message.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Text(pub String);

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Text(..)")
    }
}

impl State {
    /// Turns the short form into a version.
    pub fn settle(&mut self, now: Timestamp) {
        for (name, secret) in &mut self.secrets {
            if let Some(text) = secret.secret_string.take() {
                let id = ids::uuid(&["version", name]);
                secret.versions.insert(id.clone(), Version { secret_string: Some(text), created: Some(now), ..Version::default() });
                secret.make_current(&id);
            }
        }
    }

    /// Puts another address in the place of one, in every text.
    pub(super) fn readdress(&mut self, was: &str, is: &str) {
        for secret in self.secrets.values_mut() {
            let versions = secret.versions.values_mut().filter_map(|version| version.secret_string.as_mut());
            versions.chain(secret.secret_string.as_mut()).for_each(|text| text.0 = text.0.replace(was, is));
        }
    }

    /// The name of the secret that a name, an ARN, or an ARN without its suffix means.
    fn name_of(&self, id: &str, world: (&str, &str)) -> Option<String> {
        if self.secrets.contains_key(id) {
            return Some(id.to_owned());
        }
        let local = id.strip_prefix(&prefix(world))?;
        if self.secrets.contains_key(local) {
            return Some(local.to_owned());
        }
        let (name, suffix) = local.rsplit_once('-')?;
        let secret = self.secrets.get(name)?;
        (secret.suffix(name) == suffix).then(|| name.to_owned())
    }
}

impl Secret {
    fn suffix(&self, name: &str) -> String {
        let made = || ids::hash(&["secret", name]).get(..6).unwrap_or_default().to_owned();
        self.arn_suffix.clone().unwrap_or_else(made)
    }

    /// Moves AWSCURRENT to a version; the one that had it becomes AWSPREVIOUS.
    fn make_current(&mut self, id: &str) {
        let was = self.versions.iter().find(|(_, version)| version.has(CURRENT)).map(|(id, _)| id.clone());
        if was.as_deref() == Some(id) {
            return;
        }
        for (other, version) in &mut self.versions {
            version.stages.retain(|stage| stage != CURRENT && stage != PREVIOUS);
            if other == id {
                version.stages.push(CURRENT.to_owned());
            } else if Some(other) == was.as_ref() {
                version.stages.push(PREVIOUS.to_owned());
            }
        }
    }

    /// Gives a version a stage, which no other version then has.
    fn stage(&mut self, id: &str, stage: &str) {
        if stage == CURRENT {
            return self.make_current(id);
        }
        for (other, version) in &mut self.versions {
            version.stages.retain(|existing| existing != stage);
            if other == id {
                version.stages.push(stage.to_owned());
            }
        }
    }
}

impl Version {
    fn has(&self, stage: &str) -> bool {
        self.stages.iter().any(|existing| existing == stage)
    }
}

pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let name = wire::target(call)?;
    let writes = !["Describe", "Get", "List", "BatchGet", "Validate"].iter().any(|verb| name.starts_with(verb));
    Ok(Operation { name, writes })
}

pub fn answer(world: &mut World, operation: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let body = wire::body(call)?;
    let answer = match operation.name.as_str() {
        "CreateSecret" => create_secret(world, &body)?,
        "DescribeSecret" => describe_secret(world, &body)?,
        "GetSecretValue" => get_secret_value(world, &body)?,
        "ListSecrets" => list_secrets(world, &body)?,
        "GetRandomPassword" => random_password(world, &body)?,
        "PutSecretValue" => put_secret_value(world, &body)?,
        "UpdateSecretVersionStage" => update_secret_version_stage(world, &body)?,
        other => return Err(Refusal::new(501, "NotImplemented", format!("The sandbox's Secrets Manager has no operation {other}."))),
    };
    Ok(wire::answer(&answer))
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    wire::refuse(refusal, request_id)
}

fn create_secret(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let name = text(body, "Name").filter(|name| !name.is_empty()).ok_or_else(|| invalid("You must provide a name."))?;
    let known = |character: char| character.is_ascii_alphanumeric() || "/_+=.@-".contains(character);
    if name.len() > 512 || !name.chars().all(known) {
        return Err(Refusal::new(
            400,
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
    }
    let value = value(body)?;
    let token = token(body, &["create", name])?;
    let key = text(body, "KmsKeyId").map(str::to_owned);
    if let Some(existing) = world.secretsmanager.secrets.get(name) {
        if existing.deleted.is_some() {
            let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
            return Err(Refusal::new(400, "InvalidRequestException", message));
        }
        // The same request once more, after its answer was lost.
        let same = |value: &Version| existing.versions.get(&token).is_some_and(|version| version.holds(value));
        if !value.as_ref().is_some_and(same) {
            let message = format!("The operation failed because the secret {name} already exists.");
            return Err(Refusal::new(400, "ResourceExistsException", message));
        }
        return Ok(identity(world, name, Some(&token)));
    }
    usable(world, key.as_deref(), "EncryptionFailure")?;
    let mut secret = Secret {
        description: text(body, "Description").unwrap_or_default().to_owned(),
        kms_key_id: key,
        tags: tags(body)?,
        created: Some(world.now),
        changed: Some(world.now),
        ..Secret::default()
    };
    let version = value.is_some().then_some(token);
    if let (Some(value), Some(id)) = (value, &version) {
        secret.versions.insert(id.clone(), Version { created: Some(world.now), ..value });
        secret.make_current(id);
    }
    world.secretsmanager.secrets.insert(name.to_owned(), secret);
    Ok(identity(world, name, version.as_deref()))
}

/// Moves a stage from one version to another. Where a version has it, that one must be named. [service model]
fn update_secret_version_stage(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let stage = text(body, "VersionStage").filter(|stage| !stage.is_empty()).ok_or_else(|| invalid("You must provide a VersionStage."))?;
    let (to, from) = (text(body, "MoveToVersionId"), text(body, "RemoveFromVersionId"));
    let (name, secret) = living_mut(world, body)?;
    let holder = secret.versions.iter().find(|(_, version)| version.has(stage)).map(|(id, _)| id.clone());
    if let Some(unknown) = to.iter().chain(&from).find(|id| !secret.versions.contains_key(**id)) {
        let message = format!("Secrets Manager can't find the specified secret version {unknown}.");
        return Err(Refusal::new(400, "ResourceNotFoundException", message));
    }
    if holder.is_some() && holder.as_deref() != from && to.is_some() && holder.as_deref() != to {
        let message =
            format!("The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to another version.");
        return Err(Refusal::new(400, "InvalidParameterException", message));
    }
    match (to, from) {
        (Some(to), _) => secret.stage(to, stage),
        (None, Some(_)) if stage == CURRENT => {
            return Err(invalid("You can't remove the staging label AWSCURRENT: move it to another version."));
        }
        (None, Some(from)) => {
            if let Some(version) = secret.versions.get_mut(from) {
                version.stages.retain(|existing| existing != stage);
            }
        }
        (None, None) => return Err(invalid("You must provide MoveToVersionId or RemoveFromVersionId.")),
    }
    Ok(identity(world, &name, None))
}

fn put_secret_value(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let (name, secret) = living(world, body)?;
    let value = value(body)?.ok_or_else(|| invalid("You must provide either SecretString or SecretBinary."))?;
    let key = secret.kms_key_id.clone();
    let number = secret.versions.len().to_string();
    let token = token(body, &["put", &name, &number])?;
    let stages: Vec<String> = match body.get("VersionStages").and_then(Value::as_array) {
        None => vec![CURRENT.to_owned()],
        Some(stages) => stages.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    };
    if stages.is_empty() || stages.len() > 20 {
        return Err(invalid("VersionStages: 1 to 20 stages."));
    }
    usable(world, key.as_deref(), "EncryptionFailure")?;
    let now = world.now;
    let (_, secret) = living_mut(world, body)?;
    match secret.versions.get(&token) {
        Some(version) if !version.holds(&value) => {
            let message = format!("You can't use ClientRequestToken {token} because that value is already in use for a version of secret.");
            return Err(Refusal::new(400, "ResourceExistsException", message));
        }
        // The same request once more: nothing changes, whatever became of the version since.
        Some(_) => {}
        None => {
            secret.versions.insert(token.clone(), Version { created: Some(now), ..value });
            stages.iter().for_each(|stage| secret.stage(&token, stage));
            secret.changed = Some(now);
        }
    }
    let stages = secret.versions.get(&token).map(|version| version.stages.clone());
    let mut answer = identity(world, &name, Some(&token));
    if let Value::Object(members) = &mut answer {
        members.insert("VersionStages".to_owned(), json!(stages));
    }
    Ok(answer)
}

fn get_secret_value(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let (name, secret) = living(world, body)?;
    let (id, stage) = (text(body, "VersionId"), text(body, "VersionStage"));
    let wanted = |version: (&String, &Version)| match (id, stage) {
        (Some(id), stage) => version.0 == id && stage.is_none_or(|stage| version.1.has(stage)),
        (None, stage) => version.1.has(stage.unwrap_or(CURRENT)),
    };
    let Some((id, version)) = secret.versions.iter().find(|(id, version)| wanted((id, version))) else {
        let what = id.map_or_else(|| format!("staging label: {}", stage.unwrap_or(CURRENT)), |id| format!("VersionId: {id}"));
        let message = format!("Secrets Manager can't find the specified secret value for {what}");
        return Err(Refusal::new(400, "ResourceNotFoundException", message));
    };
    usable(world, secret.kms_key_id.as_deref(), "DecryptionFailure")?;
    let mut answer = Map::from_iter([
        ("ARN".to_owned(), json!(arn(world, &name, secret))),
        ("Name".to_owned(), json!(name)),
        ("VersionId".to_owned(), json!(id)),
        ("VersionStages".to_owned(), json!(version.stages)),
        ("CreatedDate".to_owned(), seconds(version.created)),
    ]);
    answer.extend(version.secret_string.as_ref().map(|text| ("SecretString".to_owned(), json!(text))));
    answer.extend(version.secret_binary.as_ref().map(|text| ("SecretBinary".to_owned(), json!(text))));
    Ok(Value::Object(answer))
}

/// As random as a sandbox is that does the same each time: it follows from the time.
fn random_password(world: &World, body: &Value) -> Result<Value, Refusal> {
    let length = match body.get("PasswordLength").map(Value::as_u64) {
        None => 32,
        Some(Some(length @ 1..=4096)) => usize::try_from(length).unwrap_or(32),
        Some(_) => return Err(invalid("PasswordLength: 1 to 4096.")),
    };
    let excluded = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let signs = if excluded("ExcludePunctuation") { "" } else { "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\" };
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(signs.chars()).collect();
    let left_out = text(body, "ExcludeCharacters").unwrap_or_default();
    let letters: Vec<char> = letters.into_iter().filter(|letter| !left_out.contains(*letter)).collect();
    let pick = |place: usize| {
        let at = ids::sha256(format!("{} {place}", world.now)).get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok());
        letters.get(at.unwrap_or_default() % letters.len().max(1)).copied()
    };
    let password: String = (0..length).filter_map(pick).collect();
    Ok(json!({ "RandomPassword": password }))
}

fn describe_secret(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    // Unlike its value, the secret can be described while it waits for deletion.
    let (name, secret) = secret(world, body)?;
    Ok(description(world, &name, secret, "VersionIdsToStages"))
}

fn list_secrets(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let deleted = body.get("IncludePlannedDeletion").and_then(Value::as_bool).unwrap_or(false);
    if body.get("Filters").and_then(Value::as_array).is_some_and(|filters| !filters.is_empty()) {
        return Err(Refusal::new(501, "NotImplemented", "The sandbox's ListSecrets has no filters."));
    }
    let all: Vec<(&String, &Secret)> =
        world.secretsmanager.secrets.iter().filter(|(_, secret)| deleted || secret.deleted.is_none()).collect();
    let limit = match body.get("MaxResults").map(Value::as_u64) {
        None => world.page_size.min(100),
        Some(Some(limit @ 1..=100)) => usize::try_from(limit).unwrap_or(100).min(world.page_size),
        Some(_) => return Err(invalid("MaxResults: 1 to 100.")),
    };
    let from = match text(body, "NextToken") {
        None => 0,
        Some(token) => match all.iter().position(|(name, _)| ids::sha256(name) == token) {
            Some(last) => last + 1,
            None => return Err(Refusal::new(400, "InvalidNextTokenException", "The NextToken value is invalid.")),
        },
    };
    let page = all.get(from..(from + limit).min(all.len())).unwrap_or_default();
    let list: Vec<Value> = page.iter().map(|(name, secret)| description(world, name, secret, "SecretVersionsToStages")).collect();
    let mut answer = Map::from_iter([("SecretList".to_owned(), Value::Array(list))]);
    if let Some((name, _)) = page.last().filter(|_| from + page.len() < all.len()) {
        answer.insert("NextToken".to_owned(), json!(ids::sha256(name)));
    }
    Ok(Value::Object(answer))
}

fn description(world: &World, name: &str, secret: &Secret, stages: &str) -> Value {
    let versions: BTreeMap<&String, &Vec<String>> =
        secret.versions.iter().filter(|(_, version)| !version.stages.is_empty()).map(|(id, version)| (id, &version.stages)).collect();
    let tags: Vec<Value> = secret.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut answer = Map::from_iter([
        ("ARN".to_owned(), json!(arn(world, name, secret))),
        ("Name".to_owned(), json!(name)),
        ("CreatedDate".to_owned(), seconds(secret.created)),
        ("LastChangedDate".to_owned(), seconds(secret.changed)),
        ("Tags".to_owned(), Value::Array(tags)),
        (stages.to_owned(), json!(versions)),
    ]);
    let texts = [("Description", Some(&secret.description).filter(|text| !text.is_empty())), ("KmsKeyId", secret.kms_key_id.as_ref())];
    answer.extend(texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    answer.extend(secret.deleted.map(|at| ("DeletedDate".to_owned(), seconds(Some(at)))));
    Value::Object(answer)
}

/// What every answer about a secret begins with.
fn identity(world: &World, name: &str, version: Option<&str>) -> Value {
    let arn = world.secretsmanager.secrets.get(name).map(|secret| arn(world, name, secret));
    let mut answer = Map::from_iter([("ARN".to_owned(), json!(arn)), ("Name".to_owned(), json!(name))]);
    answer.extend(version.map(|version| ("VersionId".to_owned(), json!(version))));
    Value::Object(answer)
}

fn secret<'a>(world: &'a World, body: &Value) -> Result<(String, &'a Secret), Refusal> {
    let id = text(body, "SecretId").filter(|id| !id.is_empty()).ok_or_else(|| invalid("You must provide a SecretId."))?;
    let name = world.secretsmanager.name_of(id, (&world.account, &world.region)).ok_or_else(not_found)?;
    let secret = world.secretsmanager.secrets.get(&name).ok_or_else(not_found)?;
    Ok((name, secret))
}

/// A secret that does not wait for its deletion.
fn living<'a>(world: &'a World, body: &Value) -> Result<(String, &'a Secret), Refusal> {
    let (name, secret) = secret(world, body)?;
    if secret.deleted.is_some() {
        let message = "You can't perform this operation on the secret because it was marked for deletion.";
        return Err(Refusal::new(400, "InvalidRequestException", message));
    }
    Ok((name, secret))
}

fn living_mut<'a>(world: &'a mut World, body: &Value) -> Result<(String, &'a mut Secret), Refusal> {
    let (name, _) = living(world, body)?;
    let secret = world.secretsmanager.secrets.get_mut(&name).ok_or_else(not_found)?;
    Ok((name, secret))
}

/// Refuses where the secret's key cannot be used.
fn usable(world: &World, key: Option<&str>, code: &str) -> Result<(), Refusal> {
    let key = key.unwrap_or("alias/aws/secretsmanager");
    match world.kms.usable(key, &world.account, &world.region) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(Refusal::new(400, code, format!("Secrets Manager can't use the KMS key: {}", refusal.message))),
    }
}

impl Version {
    fn holds(&self, other: &Version) -> bool {
        self.secret_string == other.secret_string && self.secret_binary == other.secret_binary
    }
}

/// The value in a request: a text or Base64, not both.
fn value(body: &Value) -> Result<Option<Version>, Refusal> {
    let member = |name: &str| text(body, name).map(|text| Text(text.to_owned()));
    let (secret_string, secret_binary) = (member("SecretString"), member("SecretBinary"));
    match (&secret_string, &secret_binary) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(invalid("You can't specify both a binary secret value and a string secret value.")),
        (Some(text), None) | (None, Some(text)) if text.0.is_empty() || text.0.len() > 65_536 => {
            return Err(invalid("A secret value has 1 to 65536 bytes."));
        }
        _ => {}
    }
    Ok(Some(Version { secret_string, secret_binary, ..Version::default() }))
}

/// The request's token, which becomes the version's id.
fn token(body: &Value, made_of: &[&str]) -> Result<String, Refusal> {
    match text(body, "ClientRequestToken") {
        Some(token) if (32..=64).contains(&token.len()) => Ok(token.to_owned()),
        Some(_) => Err(invalid("ClientRequestToken must be 32-64 characters long.")),
        None => Ok(ids::uuid(made_of)),
    }
}

fn tags(body: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    for tag in body.get("Tags").and_then(Value::as_array).into_iter().flatten() {
        let key = text(tag, "Key").filter(|key| !key.is_empty() && !key.starts_with("aws:"));
        let key = key.ok_or_else(|| invalid("A tag's key cannot be empty or begin with aws:"))?;
        tags.insert(key.to_owned(), text(tag, "Value").unwrap_or_default().to_owned());
    }
    Ok(tags)
}

fn prefix((account, region): (&str, &str)) -> String {
    format!("arn:aws:secretsmanager:{region}:{account}:secret:")
}

fn arn(world: &World, name: &str, secret: &Secret) -> String {
    format!("{}{name}-{}", prefix((&world.account, &world.region)), secret.suffix(name))
}

fn seconds(at: Option<Timestamp>) -> Value {
    json!(at.unwrap_or(Timestamp::UNIX_EPOCH).as_second())
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterException", message)
}

fn not_found() -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

#[cfg(test)]
mod tests;
