//! A secret, or a member of one that is JSON. Turned, it has a version of holdfast's as the current one; turned back, the one before.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};

use super::{Endpoints, Place, Turned, Way, names, rewritten};
use crate::aws::{CallError, Class, GET_SECRET_VALUE, Reads, Writes};
use crate::kinds::elasticache::migration::SecretMember;
use crate::kinds::elasticache::start::not_sent;
use crate::kinds::{Fact, Unreadable};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

pub fn words(secret: &SecretMember) -> String {
    let name = secret.secret_arn.rsplit(":secret:").next().unwrap_or(&secret.secret_arn);
    match &secret.key {
        Some(key) => format!("the secret {name} ({key})"),
        None => format!("the secret {name}"),
    }
}

/// The versions that have a stage, with their stages.
async fn versions(reads: &Reads, secret: &SecretMember) -> Result<HashMap<String, Vec<String>>, CallError> {
    let arn = secret.secret_arn.as_str();
    let read = || async { reads.secretsmanager().describe_secret(|request| request.secret_id(arn)).await };
    let answer = reads.once(format!("secretsmanager:DescribeSecret/{arn}"), read).await?;
    Ok(answer.version_ids_to_stages().cloned().unwrap_or_default())
}

fn with_stage(versions: &HashMap<String, Vec<String>>, stage: &str) -> Option<String> {
    versions.iter().find(|(_, stages)| stages.iter().any(|one| one == stage)).map(|(version, _)| version.clone())
}

pub async fn look(reads: &Reads, secret: &SecretMember, turned: &str) -> Fact<Place> {
    match versions(reads, secret).await {
        Ok(versions) => match with_stage(&versions, CURRENT) {
            Some(version) if version == turned => Fact::Present(Place::of(Turned::Target)),
            Some(_) if versions.contains_key(turned) => Fact::Present(Place::of(Turned::Back)),
            Some(_) => Fact::Present(Place::of(Turned::Source)),
            None => Fact::Absent,
        },
        Err(error) if error.class == Class::NotFound => Fact::Absent,
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

pub async fn names_any(writes: &Writes, secret: &SecretMember, of: &Endpoints) -> Result<bool, CallError> {
    match writes.secret(&secret.secret_arn, None).await {
        Ok(text) => Ok(names(text.expose_secret(), of)),
        Err(error) if error.class == Class::NotFound || error.is("SecretEmpty") => Ok(false),
        Err(error) => Err(error),
    }
}

pub async fn names_source(writes: &Writes, secret: &SecretMember, way: &Way<'_>) -> Result<(), CallError> {
    let text = writes.secret(&secret.secret_arn, None).await?;
    with_member(&text, secret, way).map(|_| ())
}

pub async fn turn(writes: &Writes, secret: &SecretMember, turned: &str, way: &Way<'_>) -> Result<(), CallError> {
    let text = writes.secret(&secret.secret_arn, None).await?;
    let new = with_member(&text, secret, way)?;
    let answer = writes
        .secretsmanager()
        .put_secret_value(|request| {
            request.secret_id(&secret.secret_arn).client_request_token(turned).secret_string(new.expose_secret()).version_stages(CURRENT)
        })
        .await;
    answer.map(|_| ())
}

pub async fn turn_back(writes: &Writes, secret: &SecretMember, turned: &str) -> Result<(), CallError> {
    let reads = writes.reads();
    // Somebody has given it another version since: that one stays.
    let versions = versions(&reads, secret).await?;
    if with_stage(&versions, CURRENT).as_deref() != Some(turned) {
        return Ok(());
    }
    let Some(before) = with_stage(&versions, PREVIOUS) else {
        let message = format!("{} has no version before holdfast's: write the address into it by hand", words(secret));
        return Err(not_sent(&GET_SECRET_VALUE, Class::Invalid, "NoPreviousVersion", message));
    };
    let answer = writes
        .secretsmanager()
        .update_secret_version_stage(|request| {
            request.secret_id(&secret.secret_arn).version_stage(CURRENT).move_to_version_id(before).remove_from_version_id(turned)
        })
        .await;
    answer.map(|_| ())
}

/// The whole text of the secret with the target's address in it.
fn with_member(text: &SecretString, secret: &SecretMember, way: &Way<'_>) -> Result<SecretString, CallError> {
    let refused = |message: String| not_sent(&GET_SECRET_VALUE, Class::Invalid, "NotTheAddress", message);
    let other = || {
        refused(format!(
            "{} does not name the address of the group that is moved: correct `cutover`, or what is written there",
            words(secret)
        ))
    };
    let Some(key) = &secret.key else {
        return rewritten(text.expose_secret(), way).map(SecretString::from).ok_or_else(other);
    };
    let parsed: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text.expose_secret()).ok();
    let Some(mut members) = parsed else { return Err(refused(format!("{} is no JSON object, and a key is declared", words(secret)))) };
    let Some(serde_json::Value::String(member)) = members.get_mut(key) else {
        return Err(refused(format!("{} holds no text under that key", words(secret))));
    };
    *member = rewritten(member, way).ok_or_else(other)?;
    serde_json::to_string(&members).map(SecretString::from).map_err(|_| other())
}
