//! STS: who is asking, and roles. Also the check of credentials that every service makes first.
//!
//! An access key called `EXPIRED` is one that ran out; every other access key belongs to [`State::caller`], save those
//! that AssumeRole gave out: they say in their session token which role they are and until when.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call, Operation, Refusal};
use super::dispatch::{Credential, Service};
use super::ids;
use super::protocol::query::{self, Form};
use super::protocol::xml::Xml;
use super::world::World;
use crate::clock::later;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The access key of credentials that ran out.
const EXPIRED: &str = "EXPIRED";

/// How long a role's credentials hold where the request does not say, in seconds. docs: STS API, AssumeRole.
const SESSION: i64 = 3600;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// The ARN of whoever holds plain credentials. Left out: a user called `sandbox`.
    pub caller: Option<String>,
    /// The roles that may be assumed, by ARN. Where none is written down, every role may.
    pub roles: BTreeMap<String, Role>,
}

/// A role, as far as assuming it goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Role {
    /// The external id that its trust policy asks for. Left out: it asks for none.
    pub external_id: Option<String>,
}

impl State {
    pub fn settle(&mut self, _now: Timestamp) {}
}

pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let name = Form::parse(call).action()?.to_owned();
    Ok(Operation { name, writes: false })
}

pub fn answer(world: &mut World, operation: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let form = Form::parse(call);
    match operation.name.as_str() {
        "GetCallerIdentity" => {
            let caller = Caller::of(world, call);
            let xml = Xml::new().text("Arn", &caller.arn).text("UserId", &caller.user_id).text("Account", &caller.account);
            Ok(query::answer("GetCallerIdentity", NAMESPACE, xml))
        }
        "AssumeRole" => assume_role(world, &form),
        other => Err(Refusal::new(501, "NotImplemented", format!("The sandbox's STS has no operation {other}."))),
    }
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    query::refuse(refusal, request_id)
}

/// Refuses credentials that ran out, and sessions of another account at services of this one.
pub(super) fn admit(world: &World, service: Service, call: &Call) -> Result<(), Refusal> {
    let session = Session::of(call);
    let key = Credential::of(call).map(|credential| credential.access_key).unwrap_or_default();
    if key == EXPIRED || session.as_ref().is_some_and(|session| session.until <= world.now) {
        return Err(expired(service));
    }
    match session {
        Some(session) if service != Service::Sts && account_of(&session.arn) != Some(world.account.as_str()) => {
            // Another account holds none of what this one holds, and names in it are not for its roles.
            let operation = Operation { name: "*".to_owned(), writes: false };
            super::faults::Fault::Denied.refusal(service, &operation).map_or(Ok(()), Err)
        }
        _ => Ok(()),
    }
}

/// As each protocol says it: S3 with 400, AWS Query with 403, JSON with a code that ends in `Exception`.
fn expired(service: Service) -> Refusal {
    let (status, code) = match service {
        Service::S3 | Service::S3Control => (400, "ExpiredToken"),
        Service::Rds | Service::ElastiCache | Service::Sns | Service::Sts => (403, "ExpiredToken"),
        Service::CloudTrail | Service::Ecs | Service::Kms | Service::SecretsManager | Service::Ssm => (400, "ExpiredTokenException"),
        Service::GuardDuty => (403, "ExpiredTokenException"),
    };
    Refusal::new(status, code, "The security token included in the request is expired")
}

/// Who signed a request.
struct Caller {
    arn: String,
    account: String,
    user_id: String,
}

impl Caller {
    fn of(world: &World, call: &Call) -> Caller {
        let arn = match Session::of(call) {
            Some(session) => session.arn,
            None => world.sts.caller.clone().unwrap_or_else(|| format!("arn:aws:iam::{}:user/sandbox", world.account)),
        };
        let account = account_of(&arn).unwrap_or(&world.account).to_owned();
        let user_id = match arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.split_once('/')) {
            Some((role, session)) => format!("{}:{session}", unique_id("AROA", &[&account, role])),
            None => unique_id("AIDA", &[&arn]),
        };
        Caller { arn, account, user_id }
    }
}

/// What a session token of ours says: an ARN and an end, readable without a table of sessions, so that AssumeRole
/// changes nothing.
struct Session {
    arn: String,
    until: Timestamp,
}

impl Session {
    fn of(call: &Call) -> Option<Session> {
        let token = call.headers.get("x-amz-security-token")?.to_str().ok()?;
        let text = String::from_utf8(ids::unhex(token.strip_prefix("sandbox")?)?).ok()?;
        let (until, arn) = text.split_once(' ')?;
        Some(Session { arn: arn.to_owned(), until: until.parse().ok()? })
    }

    fn token(&self) -> String {
        format!("sandbox{}", ids::hex(format!("{} {}", self.until, self.arn).as_bytes()))
    }
}

fn assume_role(world: &World, form: &Form) -> Result<Answer, Refusal> {
    let role_arn = require(form, "RoleArn")?;
    let session_name = require(form, "RoleSessionName")?;
    let role = role_arn.split_once(":role/").map(|(_, role)| role).filter(|role| role_arn.starts_with("arn:aws") && !role.is_empty());
    let (Some(role), Some(account)) = (role, account_of(role_arn)) else {
        return Err(Refusal::new(400, "ValidationError", format!("{role_arn} is invalid")));
    };
    let known = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    if !(2..=64).contains(&session_name.len()) || !session_name.chars().all(known) {
        return Err(constraint(
            "roleSessionName",
            "Member must satisfy regular expression pattern: [\\w+=,.@-]* and have 2 to 64 characters",
        ));
    }
    let seconds = match form.get("DurationSeconds").map(str::parse::<i64>) {
        None => SESSION,
        Some(Ok(seconds)) if (900..=43_200).contains(&seconds) => seconds,
        Some(_) => return Err(constraint("durationSeconds", "Member must have a value from 900 to 43200")),
    };
    let allowed = match world.sts.roles.get(role_arn) {
        Some(known) => known.external_id.as_deref().is_none_or(|id| form.get("ExternalId") == Some(id)),
        None => world.sts.roles.is_empty(),
    };
    if !allowed {
        let message = format!("User is not authorized to perform: sts:AssumeRole on resource: {role_arn}");
        return Err(Refusal::new(403, "AccessDenied", message));
    }
    // A path is not part of the session's ARN.
    let name = role.rsplit('/').next().unwrap_or(role);
    let arn = format!("arn:aws:sts::{account}:assumed-role/{name}/{session_name}");
    let until = later(world.now, Duration::from_secs(seconds.unsigned_abs()));
    let session = Session { arn: arn.clone(), until };
    let role_id = unique_id("AROA", &[account, name]);
    let xml = Xml::new()
        .node("Credentials", |xml| {
            xml.text("AccessKeyId", unique_id("ASIA", &[&arn]))
                .text("SecretAccessKey", ids::hash(&["secret", &arn]).get(..40).unwrap_or_default())
                .text("SessionToken", session.token())
                .text("Expiration", until)
        })
        .node("AssumedRoleUser", |xml| xml.text("AssumedRoleId", format!("{role_id}:{session_name}")).text("Arn", &arn));
    Ok(query::answer("AssumeRole", NAMESPACE, xml))
}

fn require<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refusal> {
    form.get(name).filter(|value| !value.is_empty()).ok_or_else(|| constraint(name, "Member must not be null"))
}

fn constraint(name: &str, must: &str) -> Refusal {
    let message = format!("1 validation error detected: Value at '{name}' failed to satisfy constraint: {must}");
    Refusal::new(StatusCode::BAD_REQUEST.as_u16(), "ValidationError", message)
}

/// The account in an ARN: twelve digits, or nothing.
fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An id as IAM makes them: a prefix that tells the kind, and 17 capitals and digits.
fn unique_id(prefix: &str, parts: &[&str]) -> String {
    let hash = ids::hash(parts).to_ascii_uppercase();
    format!("{prefix}{}", hash.get(..17).unwrap_or_default())
}
