//! Amazon S3 Control: the account's Block Public Access, and tags of buckets by ARN.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call, Operation, Refusal};
use super::protocol::rest::segments;
use super::protocol::xml::Xml;
use super::s3::{self, Earlier, PublicAccessBlock};
use super::world::World;
use crate::clock::later;

/// The version of the API, which every path begins with.
const VERSION: &str = "v20180820";
const NAMESPACE: &str = "http://awss3control.amazonaws.com/doc/2018-08-20/";

/// How long reads show the old account setting after a change. The user guide says that it is eventually consistent,
/// and gives no figure.
const SPREADS: Duration = Duration::from_secs(5);

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Block Public Access for the whole account. Left out: never configured, which is all four off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
    /// What reads still show after a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
    pub before: Option<Earlier<Option<PublicAccessBlock>>>,
    /// Whether an organisation policy holds the flags, so that the account may not write them.
    pub managed_above: bool,
}

impl State {
    /// Lets what was changed long enough ago be seen.
    pub fn settle(&mut self, now: Timestamp) {
        if self.before.as_ref().is_some_and(|before| before.visible_at <= now) {
            self.before = None;
        }
    }
}

/// Which operation a request is.
pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let segments = segments(call);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let name = match (&call.method, path.as_slice()) {
        (&Method::GET, [VERSION, "configuration", "publicAccessBlock"]) => "GetPublicAccessBlock",
        (&Method::PUT, [VERSION, "configuration", "publicAccessBlock"]) => "PutPublicAccessBlock",
        (&Method::DELETE, [VERSION, "configuration", "publicAccessBlock"]) => "DeletePublicAccessBlock",
        (&Method::GET, [VERSION, "tags", ..]) => "ListTagsForResource",
        (&Method::POST, [VERSION, "tags", ..]) => "TagResource",
        (&Method::DELETE, [VERSION, "tags", ..]) => "UntagResource",
        _ => {
            let message = format!("This account does not implement {} {}.", call.method, call.path);
            return Err(Refusal::new(501, "NotImplemented", message));
        }
    };
    Ok(Operation { name: name.to_owned(), writes: call.method != Method::GET })
}

/// Does what a request asks, or refuses.
pub fn answer(world: &mut World, op: &Operation, call: &Call) -> Result<Answer, Refusal> {
    check_account(world, call)?;
    match op.name.as_str() {
        "GetPublicAccessBlock" => get(world),
        "PutPublicAccessBlock" => {
            let block = s3::read_flags(call)?;
            set(world, Some(block))?;
            Ok(empty(StatusCode::CREATED))
        }
        "DeletePublicAccessBlock" => {
            set(world, None)?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        "ListTagsForResource" => list_tags(world, call),
        "TagResource" => tag(world, call),
        "UntagResource" => untag(world, call),
        other => Err(Refusal::new(501, "NotImplemented", format!("This account does not implement {other}."))),
    }
}

/// S3 Control's refusals stand inside an `ErrorResponse`, unlike those of S3.
pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    let body = Xml::new().node("ErrorResponse", |xml| {
        xml.node("Error", |xml| xml.text("Code", &refusal.code).text("Message", &refusal.message)).text("RequestId", request_id)
    });
    Answer {
        status: StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST),
        headers: vec![("content-type", "application/xml".to_owned()), ("x-amz-request-id", request_id.to_owned())],
        body: body.document(),
    }
}

/// The account stands in a header, or before the host's name.
fn check_account(world: &World, call: &Call) -> Result<(), Refusal> {
    let header = call.headers.get("x-amz-account-id").and_then(|value| value.to_str().ok());
    let host = call.host.split('.').next().filter(|label| label.len() == 12 && label.bytes().all(|byte| byte.is_ascii_digit()));
    match header.or(host) {
        Some(account) if account == world.account => Ok(()),
        Some(_) => Err(Refusal::new(403, "AccessDenied", "Access Denied")),
        None => Err(Refusal::new(400, "InvalidRequest", "Missing required header for this request: x-amz-account-id")),
    }
}

fn get(world: &World) -> Result<Answer, Refusal> {
    let state = &world.s3control;
    let shown = state.before.as_ref().map_or(state.public_access_block, |before| before.value);
    let block = shown.ok_or_else(|| {
        let message = "The public access block configuration was not found";
        Refusal::new(404, "NoSuchPublicAccessBlockConfiguration", message)
    })?;
    Ok(document("PublicAccessBlockConfiguration", |xml| s3::flags(xml, &block)))
}

fn set(world: &mut World, block: Option<PublicAccessBlock>) -> Result<(), Refusal> {
    if world.s3control.managed_above {
        let message = format!(
            "User: arn:aws:iam::{}:root is not authorized to perform: s3:PutAccountPublicAccessBlock because the account's public access settings are managed by an organization policy",
            world.account
        );
        return Err(Refusal::new(403, "AccessDenied", message));
    }
    let state = &mut world.s3control;
    let old = std::mem::replace(&mut state.public_access_block, block);
    if old != block {
        // Reads that still show something older go on doing so.
        let value = state.before.take().map_or(old, |before| before.value);
        state.before = Some(Earlier { value, visible_at: later(world.now, SPREADS) });
    }
    Ok(())
}

/// The tags of the bucket that the path names by ARN.
fn tags<'a>(world: &'a mut World, call: &Call) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    // The ARN's own slashes, if any, make further segments.
    let arn = segments(call).get(2..).map(|arn| arn.join("/")).unwrap_or_default();
    let Some(name) = arn.strip_prefix("arn:aws:s3:::").filter(|name| !name.contains('/')) else {
        return Err(Refusal::new(501, "NotImplemented", format!("This account does not implement tags of {arn}.")));
    };
    let bucket = world.s3.buckets.get_mut(name);
    bucket.map(|bucket| &mut bucket.tags).ok_or_else(|| Refusal::new(404, "NoSuchResource", "The specified resource doesn't exist."))
}

fn list_tags(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let tags = tags(world, call)?;
    Ok(document("ListTagsForResourceResult", |xml| {
        xml.list("Tags", "Tag", &*tags, |xml, (key, value)| xml.text("Key", key).text("Value", value))
    }))
}

fn tag(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let sent = s3::read_tags(call)?;
    let tags = tags(world, call)?;
    let mut merged: Vec<(String, String)> = sent.clone().into_iter().collect();
    merged.extend(tags.iter().filter(|(key, _)| !sent.contains_key(*key)).map(|(key, value)| (key.clone(), value.clone())));
    if merged.len() > 50 {
        return Err(Refusal::new(400, "TooManyTagsException", "The number of tags exceeds the limit of 50 tags."));
    }
    *tags = merged.into_iter().collect();
    Ok(empty(StatusCode::NO_CONTENT))
}

fn untag(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let keys: Vec<String> =
        form_urlencoded::parse(call.query.as_bytes()).filter(|(name, _)| name == "tagKeys").map(|(_, key)| key.into_owned()).collect();
    tags(world, call)?.retain(|key, _| !keys.contains(key));
    Ok(empty(StatusCode::NO_CONTENT))
}

fn document(root: &str, inside: impl FnOnce(Xml) -> Xml) -> Answer {
    let body = Xml::new().node_with(root, &format!("xmlns=\"{NAMESPACE}\""), inside).document();
    Answer { status: StatusCode::OK, headers: vec![("content-type", "application/xml".to_owned())], body }
}

fn empty(status: StatusCode) -> Answer {
    Answer { status, headers: Vec::new(), body: String::new() }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3control::Client;
    use aws_sdk_s3control::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_s3control::error::ProvideErrorMetadata;
    use aws_sdk_s3control::types::{PublicAccessBlockConfiguration, Tag};

    use super::*;
    use crate::sandbox::Sandbox;

    const ACCOUNT: &str = "317805897534";

    fn sandbox(text: &str) -> (Sandbox, Client) {
        let world = serde_yaml::from_str(&format!("account: '{ACCOUNT}'\n{text}")).unwrap();
        let sandbox = crate::sandbox::testing::sandbox(world, "");
        let config = aws_sdk_s3control::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::for_tests())
            .retry_config(aws_sdk_s3control::config::retry::RetryConfig::disabled())
            .http_client(sandbox.http_client())
            .build();
        (sandbox, Client::from_conf(config))
    }

    async fn put(client: &Client, account: &str) -> Result<(), String> {
        let flags = PublicAccessBlockConfiguration::builder().block_public_acls(true).block_public_policy(true).build();
        let put = client.put_public_access_block().account_id(account).public_access_block_configuration(flags).send().await;
        put.map(drop).map_err(|error| error.code().unwrap_or("none").to_owned())
    }

    /// `blockPublicAcls` and `ignorePublicAcls`, as read.
    async fn get(client: &Client) -> Result<[Option<bool>; 2], String> {
        match client.get_public_access_block().account_id(ACCOUNT).send().await {
            Ok(found) => {
                let flags = found.public_access_block_configuration.unwrap();
                Ok([flags.block_public_acls, flags.ignore_public_acls])
            }
            Err(error) => Err(error.code().unwrap_or("none").to_owned()),
        }
    }

    #[tokio::test]
    async fn the_account_s_flags_are_seen_some_seconds_later() {
        let (sandbox, client) = sandbox("");
        let missing = || Err("NoSuchPublicAccessBlockConfiguration".to_owned());
        assert_eq!(get(&client).await, missing());
        put(&client, ACCOUNT).await.unwrap();
        assert_eq!(get(&client).await, missing());
        sandbox.clock().advance(Duration::from_secs(5));
        assert_eq!(get(&client).await, Ok([Some(true), Some(false)]));
        client.delete_public_access_block().account_id(ACCOUNT).send().await.unwrap();
        assert_eq!(get(&client).await, Ok([Some(true), Some(false)]));
        sandbox.clock().advance(Duration::from_secs(5));
        assert_eq!(get(&client).await, missing());
        assert_eq!(sandbox.world().s3control, State::default());
    }

    #[tokio::test]
    async fn another_account_and_a_managed_one_are_refused() {
        let (_, client) = sandbox("");
        assert_eq!(put(&client, "111111111111").await, Err("AccessDenied".to_owned()));
        let (sandbox, client) = self::sandbox("s3control: {managedAbove: true, publicAccessBlock: {ignorePublicAcls: true}}");
        assert_eq!(put(&client, ACCOUNT).await, Err("AccessDenied".to_owned()));
        assert_eq!(get(&client).await, Ok([Some(false), Some(true)]));
        assert!(sandbox.world().s3control.before.is_none());
    }

    #[tokio::test]
    async fn tags_of_a_bucket_can_be_changed_one_by_one() {
        let (sandbox, client) = sandbox("s3: {buckets: {one: {tags: {a: '1', b: '2'}}}}");
        let arn = "arn:aws:s3:::one";
        let tag = Tag::builder().key("a").value("3").build().unwrap();
        client.tag_resource().account_id(ACCOUNT).resource_arn(arn).tags(tag).send().await.unwrap();
        client.untag_resource().account_id(ACCOUNT).resource_arn(arn).tag_keys("b").send().await.unwrap();
        let tags = client.list_tags_for_resource().account_id(ACCOUNT).resource_arn(arn).send().await.unwrap().tags.unwrap();
        assert_eq!(tags.iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(), [("a", "3")]);
        assert_eq!(sandbox.world().s3.buckets["one"].tags.len(), 1);
    }
}
