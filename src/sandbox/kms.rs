//! KMS: keys and their aliases. Nothing is encrypted here; other services ask whether a key could be used.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, Operation, Refusal};
use super::ids;
use super::protocol::json as wire;
use super::world::World;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Keys by id.
    pub keys: BTreeMap<String, Key>,
    /// From the alias, `alias/` included, to the key id. AWS's own (`alias/aws/s3`) need not be written down.
    pub aliases: BTreeMap<String, String>,
    /// How many keys were made: their ids follow from it.
    #[schemars(extend("readOnly" = true))]
    pub made: u64,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Key {
    /// What somebody said of it.
    pub description: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, `PendingImport`, `Unavailable`.
    pub state: String,
    /// `CUSTOMER` or `AWS`.
    pub manager: String,
    /// `ENCRYPT_DECRYPT`, `SIGN_VERIFY`, ...
    pub usage: String,
    /// `SYMMETRIC_DEFAULT`, `RSA_2048`, ...
    pub spec: String,
    /// Whether it is a key of several regions.
    pub multi_region: bool,
    /// When it was made. Left out: the beginning of 1970.
    pub created: Option<Timestamp>,
    /// The key policy as JSON text. Left out: AWS's default.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Default for Key {
    fn default() -> Key {
        Key {
            description: String::new(),
            state: "Enabled".to_owned(),
            manager: "CUSTOMER".to_owned(),
            usage: "ENCRYPT_DECRYPT".to_owned(),
            spec: "SYMMETRIC_DEFAULT".to_owned(),
            multi_region: false,
            created: None,
            policy: None,
            tags: BTreeMap::new(),
        }
    }
}

/// The services for which AWS makes a key of its own (`alias/aws/rds`) when they first need one.
const MANAGED: [&str; 14] = [
    "acm",
    "backup",
    "dynamodb",
    "ebs",
    "elasticache",
    "elasticfilesystem",
    "kinesis",
    "lambda",
    "rds",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
];

/// AWS's own key for a service: it is there for whoever asks, and need not be kept.
fn managed(service: &str, account: &str, region: &str) -> (String, Key) {
    let description = format!("Default key that protects my {service} resources when no other key is defined");
    let key = Key { manager: "AWS".to_owned(), description, ..Key::default() };
    (ids::uuid(&["aws-managed", account, region, service]), key)
}

impl State {
    pub fn settle(&mut self, _now: Timestamp) {}

    /// The id and the key that an id, an ARN, an alias or an alias's ARN names.
    pub(super) fn find(&self, name: &str, account: &str, region: &str) -> Result<(String, Key), Refusal> {
        let prefix = format!("arn:aws:kms:{region}:{account}:");
        let local = match name.strip_prefix("arn:") {
            None => name,
            Some(_) => match name.strip_prefix(&prefix) {
                Some(local) => local.strip_prefix("key/").unwrap_or(local),
                // Another account's or region's key is nothing that can be seen from here.
                None if name.split(':').nth(2) == Some("kms") => return Err(not_found(name, "Key")),
                None => return Err(Refusal::new(400, "InvalidArnException", format!("Invalid arn {name}"))),
            },
        };
        if local.starts_with("alias/") {
            if let Some(id) = self.aliases.get(local) {
                return self.keys.get(id).map(|key| (id.clone(), key.clone())).ok_or_else(|| not_found(name, "Key"));
            }
            if let Some(service) = local.strip_prefix("alias/aws/").filter(|service| MANAGED.contains(service)) {
                return Ok(managed(service, account, region));
            }
            return Err(not_found(&format!("{prefix}{local}"), "Alias"));
        }
        if let Some(key) = self.keys.get(local) {
            return Ok((local.to_owned(), key.clone()));
        }
        let mut managed = MANAGED.iter().map(|service| managed(service, account, region));
        managed.find(|(id, _)| id == local).ok_or_else(|| not_found(&format!("{prefix}key/{local}"), "Key"))
    }

    /// The ARN of a key with which things can be encrypted; refused where it is absent, disabled or of another use.
    pub(super) fn usable(&self, name: &str, account: &str, region: &str) -> Result<String, Refusal> {
        let (id, key) = self.find(name, account, region)?;
        let arn = arn(account, region, &id);
        match key.state.as_str() {
            // Encrypting goes on while the primary region is changed. <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
            "Enabled" | "Updating" if key.usage == "ENCRYPT_DECRYPT" => Ok(arn),
            "Enabled" | "Updating" => Err(Refusal::new(400, "InvalidKeyUsageException", format!("{arn} key usage is {}", key.usage))),
            "Disabled" => Err(Refusal::new(400, "DisabledException", format!("{arn} is disabled."))),
            state => Err(Refusal::new(400, "KMSInvalidStateException", format!("{arn} is {state}."))),
        }
    }

    #[cfg(test)]
    pub(super) fn add(&mut self, id: &str, state: &str) -> String {
        self.keys.insert(id.to_owned(), Key { state: state.to_owned(), ..Key::default() });
        id.to_owned()
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
        "CreateKey" => create_key(world, &body)?,
        "DescribeKey" => {
            let (id, key) = find(world, &body, "KeyId")?;
            json!({"KeyMetadata": metadata(world, &id, &key)})
        }
        "EnableKey" => set_state(world, &body, "Enabled")?,
        "DisableKey" => set_state(world, &body, "Disabled")?,
        "ListKeys" => list_keys(world, &body)?,
        "CreateAlias" => create_alias(world, &body)?,
        "ListAliases" => list_aliases(world, &body)?,
        "GetKeyPolicy" => {
            let (_, key) = find(world, &body, "KeyId")?;
            json!({"Policy": key.policy.unwrap_or_else(|| default_policy(&world.account)), "PolicyName": "default"})
        }
        "PutKeyPolicy" => put_key_policy(world, &body)?,
        other => return Err(Refusal::new(501, "NotImplemented", format!("The sandbox's KMS has no operation {other}."))),
    };
    Ok(wire::answer(&answer))
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    wire::refuse(refusal, request_id)
}

fn create_key(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let usage = text("KeyUsage").unwrap_or("ENCRYPT_DECRYPT");
    if !["ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"].contains(&usage) {
        return Err(validation("keyUsage"));
    }
    let spec = text("KeySpec").or(text("CustomerMasterKeySpec")).unwrap_or("SYMMETRIC_DEFAULT");
    if spec == "SYMMETRIC_DEFAULT" && usage != "ENCRYPT_DECRYPT" {
        return Err(validation("keyUsage"));
    }
    let policy = text("Policy").map(policy).transpose()?;
    let mut tags = BTreeMap::new();
    for tag in body.get("Tags").and_then(Value::as_array).into_iter().flatten() {
        let member = |name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned);
        match (member("TagKey"), member("TagValue")) {
            (Some(key), Some(value)) if !key.is_empty() && !key.starts_with("aws:") => tags.insert(key, value),
            _ => return Err(Refusal::new(400, "TagException", "Tag key or value is not valid.")),
        };
    }
    let key = Key {
        description: text("Description").unwrap_or_default().to_owned(),
        usage: usage.to_owned(),
        spec: spec.to_owned(),
        multi_region: body.get("MultiRegion").and_then(Value::as_bool).unwrap_or(false),
        created: Some(world.now),
        policy,
        tags,
        ..Key::default()
    };
    world.kms.made += 1;
    let id = ids::uuid(&["key", &world.account, &world.region, &world.kms.made.to_string()]);
    // docs: the ids of multi-Region keys begin with mrk-.
    let id = if key.multi_region { format!("mrk-{}", id.replace('-', "")) } else { id };
    let shown = metadata(world, &id, &key);
    world.kms.keys.insert(id, key);
    Ok(json!({"KeyMetadata": shown}))
}

fn set_state(world: &mut World, body: &Value, state: &str) -> Result<Value, Refusal> {
    let key = own_key(world, body)?;
    if !["Enabled", "Disabled"].contains(&key.state.as_str()) {
        return Err(Refusal::new(400, "KMSInvalidStateException", format!("The key is {}.", key.state)));
    }
    state.clone_into(&mut key.state);
    Ok(json!({}))
}

fn put_key_policy(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let text = policy(body.get("Policy").and_then(Value::as_str).ok_or_else(|| validation("policy"))?)?;
    own_key(world, body)?.policy = Some(text);
    Ok(json!({}))
}

/// A policy that is at least JSON with statements.
fn policy(text: &str) -> Result<String, Refusal> {
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    match parsed.as_ref().and_then(|policy| policy.get("Statement")) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Refusal::new(400, "MalformedPolicyDocumentException", "The new key policy is not valid JSON with statements.")),
    }
}

fn create_alias(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let alias = require(body, "AliasName")?;
    let known = |character: char| character.is_ascii_alphanumeric() || matches!(character, '/' | '_' | '-');
    let name = alias.strip_prefix("alias/").unwrap_or_default();
    if name.is_empty() || alias.len() > 256 || !name.chars().all(known) {
        return Err(Refusal::new(400, "InvalidAliasNameException", "Alias must start with the prefix \"alias/\" and have a valid name."));
    }
    if name.starts_with("aws/") {
        return Err(Refusal::new(400, "NotAuthorizedException", "Aliases that begin with alias/aws/ are AWS's own."));
    }
    if world.kms.aliases.contains_key(alias) {
        let message = format!("An alias with the name arn:aws:kms:{}:{}:{alias} already exists", world.region, world.account);
        return Err(Refusal::new(400, "AlreadyExistsException", message));
    }
    if require(body, "TargetKeyId")?.contains("alias/") {
        return Err(validation("targetKeyId"));
    }
    let (id, _) = find(world, body, "TargetKeyId")?;
    world.kms.aliases.insert(alias.to_owned(), id);
    Ok(json!({}))
}

fn list_keys(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let ids: Vec<String> = world.kms.keys.keys().cloned().collect();
    let (page, next) = page(&ids, world.page_size, body)?;
    let keys = page.iter().map(|id| json!({"KeyId": id, "KeyArn": arn(&world.account, &world.region, id)})).collect();
    Ok(listing("Keys", keys, next))
}

fn list_aliases(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let only = match body.get("KeyId") {
        Some(_) => Some(find(world, body, "KeyId")?.0),
        None => None,
    };
    let matches = |id: &String| only.as_ref().is_none_or(|only| only == id);
    let names: Vec<String> = world.kms.aliases.iter().filter(|(_, id)| matches(id)).map(|(name, _)| name.clone()).collect();
    let (page, next) = page(&names, world.page_size, body)?;
    let aliases = page
        .iter()
        .map(|name| {
            let arn = format!("arn:aws:kms:{}:{}:{name}", world.region, world.account);
            json!({"AliasName": name, "AliasArn": arn, "TargetKeyId": world.kms.aliases.get(name)})
        })
        .collect();
    Ok(listing("Aliases", aliases, next))
}

fn listing(name: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::from_iter([(name.to_owned(), Value::Array(items)), ("Truncated".to_owned(), Value::Bool(next.is_some()))]);
    answer.extend(next.map(|next| ("NextMarker".to_owned(), Value::String(next))));
    Value::Object(answer)
}

/// A page of `all`; the marker is the last entry of the page before.
fn page<'a>(all: &'a [String], size: usize, body: &Value) -> Result<(&'a [String], Option<String>), Refusal> {
    let limit = match body.get("Limit") {
        None => size,
        Some(limit) => match limit.as_u64().and_then(|limit| usize::try_from(limit).ok()) {
            Some(limit @ 1..=1000) => limit.min(size),
            _ => return Err(validation("limit")),
        },
    };
    let from = match body.get("Marker").and_then(Value::as_str) {
        None => 0,
        Some(marker) => match all.iter().position(|entry| entry == marker) {
            Some(last) => last + 1,
            None => return Err(Refusal::new(400, "InvalidMarkerException", "Could not deserialize marker.")),
        },
    };
    let page = all.get(from..(from + limit).min(all.len())).unwrap_or_default();
    let more = from + page.len() < all.len();
    Ok((page, page.last().filter(|_| more).cloned()))
}

fn metadata(world: &World, id: &str, key: &Key) -> Value {
    let mut metadata = json!({
        "AWSAccountId": world.account,
        "KeyId": id,
        "Arn": arn(&world.account, &world.region, id),
        "CreationDate": key.created.unwrap_or(Timestamp::UNIX_EPOCH).as_second(),
        "Enabled": key.state == "Enabled",
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "Origin": "AWS_KMS",
        "KeyManager": key.manager,
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "MultiRegion": key.multi_region,
    });
    if key.spec == "SYMMETRIC_DEFAULT"
        && let Value::Object(members) = &mut metadata
    {
        members.insert("EncryptionAlgorithms".to_owned(), json!(["SYMMETRIC_DEFAULT"]));
    }
    metadata
}

fn find(world: &World, body: &Value, member: &str) -> Result<(String, Key), Refusal> {
    world.kms.find(require(body, member)?, &world.account, &world.region)
}

/// The key that `KeyId` names, to be changed: by id or ARN, no alias, and none of AWS's own.
fn own_key<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Key, Refusal> {
    let name = require(body, "KeyId")?;
    let (id, key) = find(world, body, "KeyId")?;
    if key.manager == "AWS" {
        return Err(Refusal::new(400, "AccessDeniedException", "Keys that AWS manages cannot be changed."));
    }
    if name.contains("alias/") {
        return Err(Refusal::new(400, "NotFoundException", format!("Invalid keyId {name}")));
    }
    world.kms.keys.get_mut(&id).ok_or_else(|| not_found(name, "Key"))
}

fn arn(account: &str, region: &str, id: &str) -> String {
    format!("arn:aws:kms:{region}:{account}:key/{id}")
}

fn require<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    body.get(name).and_then(Value::as_str).filter(|value| !value.is_empty()).ok_or_else(|| validation(name))
}

fn validation(name: &str) -> Refusal {
    Refusal::new(400, "ValidationException", format!("1 validation error detected: Value at '{name}' failed to satisfy constraint"))
}

fn not_found(name: &str, what: &str) -> Refusal {
    let message = if what == "Alias" { format!("Alias {name} is not found.") } else { format!("{what} '{name}' does not exist") };
    Refusal::new(400, "NotFoundException", message)
}

/// The policy of a key that was given none: the account's root may do everything, IAM policies decide the rest.
fn default_policy(account: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

#[cfg(test)]
mod tests;
