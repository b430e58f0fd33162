//! Where a detector's findings are published: an S3 bucket, encrypted with a KMS key.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::call::Refusal;
use super::super::delivery::policy::{Access, allows};
use super::{Here, Page, State, bad_request, detector, listed, not_as_member, out_of_range, tags};
use crate::clock::later;

/// GuardDuty's service principal.
const SERVICE: &str = "guardduty.amazonaws.com";
/// How long a destination is verified after it was made or changed. The service states no figure; Terraform's
/// acceptance test of the resource, which waits for it, took 50 s. (terraform-provider-aws#13894)
const VERIFICATION: Duration = Duration::from_secs(60);

/// A publishing destination. Its type is S3, the only one there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Destination {
    /// The bucket's ARN, with the prefix behind a slash where there is one.
    pub destination_arn: String,
    /// The ARN of the key that findings are encrypted with.
    pub kms_key_arn: String,
    /// `PENDING_VERIFICATION`, `PUBLISHING`, `UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY` or `STOPPED`.
    pub status: String,
    /// When the verification ends.
    #[schemars(extend("readOnly" = true))]
    pub ready_at: Option<Timestamp>,
    /// Since when publishing fails.
    #[schemars(extend("readOnly" = true))]
    pub failing_since: Option<Timestamp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The idempotency token it was made with.
    #[serde(skip)]
    pub client_token: Option<String>,
}

impl Default for Destination {
    fn default() -> Destination {
        Destination {
            destination_arn: String::new(),
            kms_key_arn: String::new(),
            status: "PUBLISHING".to_owned(),
            ready_at: None,
            failing_since: None,
            tags: BTreeMap::new(),
            client_token: None,
        }
    }
}

impl Destination {
    pub fn settle(&mut self, now: Timestamp) {
        if self.ready_at.is_some_and(|ready| ready <= now) {
            self.ready_at = None;
            self.status = "PUBLISHING".to_owned();
        }
    }

    fn verify(&mut self, now: Timestamp) {
        self.status = "PENDING_VERIFICATION".to_owned();
        self.ready_at = Some(later(now, VERIFICATION));
        self.failing_since = None;
    }
}

/// What became of publishing since: a destination that GuardDuty may no longer write to fails, and goes on failing until it is
/// verified anew. (user guide, "Exporting GuardDuty findings": "Unable to publish findings (fix destination property)")
fn publish(state: &mut State, here: &Here, id: &str) {
    if detector::find(state, here, id).is_err() {
        return;
    }
    for destination in state.detector.iter_mut().flat_map(|detector| detector.destinations.values_mut()) {
        if destination.status == "PUBLISHING" && reachable(here, id, destination).is_err() {
            destination.status = "UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY".to_owned();
            destination.failing_since = Some(here.now);
        }
    }
}

/// What the operations on destinations take.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Wanted {
    destination_type: Option<String>,
    destination_properties: Option<Properties>,
    client_token: Option<String>,
    tags: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Properties {
    destination_arn: Option<String>,
    kms_key_arn: Option<String>,
}

pub fn list(state: &mut State, here: &Here, id: &str, page: &Page) -> Result<Value, Refusal> {
    publish(state, here, id);
    let destinations = detector::find(state, here, id)?.destinations.iter();
    let entry =
        |(id, destination): (&String, &Destination)| json!({"destinationId": id, "destinationType": "S3", "status": destination.status});
    let (entries, next) = page.of(destinations.map(entry).collect());
    Ok(listed("destinations", entries, next))
}

pub fn create(state: &mut State, here: &Here, id: &str, wanted: Wanted) -> Result<Value, Refusal> {
    let detector = detector::find(state, here, id)?;
    not_as_member(state)?;
    let properties = wanted.destination_properties.unwrap_or_default();
    let (Some(destination_arn), Some(kms_key_arn)) = (properties.destination_arn, properties.kms_key_arn) else {
        return Err(out_of_range());
    };
    if wanted.destination_type.as_deref() != Some("S3") {
        return Err(out_of_range());
    }
    if let Some((id, present)) = detector.destinations.iter().next() {
        if present.client_token.is_some() && present.client_token == wanted.client_token {
            return Ok(json!({"destinationId": id}));
        }
        // The settings of a detector hold one bucket; the API reference states no such limit.
        return Err(bad_request("The request is rejected because a publishing destination of this type already exists for the detector."));
    }
    tags::checked(&wanted.tags)?;
    let mut destination =
        Destination { destination_arn, kms_key_arn, tags: wanted.tags, client_token: wanted.client_token, ..Destination::default() };
    reachable(here, id, &destination)?;
    destination.verify(here.now);
    let new = detector::made_up_id(here, &format!("destination {} of {id}", detector.destinations_made));
    let detector = detector::find_mut(state, here, id)?;
    detector.destinations_made = detector.destinations_made.saturating_add(1);
    detector.destinations.insert(new.clone(), destination);
    Ok(json!({"destinationId": new}))
}

pub fn describe(state: &mut State, here: &Here, id: &str, to: &str) -> Result<Value, Refusal> {
    publish(state, here, id);
    let destination = detector::find(state, here, id)?.destinations.get(to).ok_or_else(unknown)?;
    Ok(json!({
        "destinationId": to,
        "destinationType": "S3",
        "status": destination.status,
        // In milliseconds; 0 while nothing fails.
        "publishingFailureStartTimestamp": destination.failing_since.map_or(0, Timestamp::as_millisecond),
        "destinationProperties": {"destinationArn": destination.destination_arn, "kmsKeyArn": destination.kms_key_arn},
        "tags": destination.tags,
    }))
}

pub fn update(state: &mut State, here: &Here, id: &str, to: &str, wanted: Wanted) -> Result<Value, Refusal> {
    let present = detector::find(state, here, id)?.destinations.get(to).ok_or_else(unknown)?;
    not_as_member(state)?;
    let mut destination = present.clone();
    let properties = wanted.destination_properties.unwrap_or_default();
    destination.destination_arn = properties.destination_arn.unwrap_or(destination.destination_arn);
    destination.kms_key_arn = properties.kms_key_arn.unwrap_or(destination.kms_key_arn);
    reachable(here, id, &destination)?;
    destination.verify(here.now);
    detector::find_mut(state, here, id)?.destinations.insert(to.to_owned(), destination);
    Ok(json!({}))
}

pub fn delete(state: &mut State, here: &Here, id: &str, to: &str) -> Result<Value, Refusal> {
    detector::find(state, here, id)?.destinations.get(to).ok_or_else(unknown)?;
    not_as_member(state)?;
    detector::find_mut(state, here, id)?.destinations.remove(to);
    Ok(json!({}))
}

fn unknown() -> Refusal {
    bad_request("The request is rejected because the one or more input parameters have invalid values.")
}

/// What GuardDuty checks of a destination: bucket and key are there, and both policies let it in. (user guide,
/// "Exporting GuardDuty findings")
fn reachable(here: &Here, id: &str, destination: &Destination) -> Result<(), Refusal> {
    let refused = || {
        bad_request(
            "The request failed because the GuardDuty service principal does not have permission to the KMS key or the resource specified by the destinationArn parameter.",
        )
    };
    let place = destination.destination_arn.strip_prefix("arn:aws:s3:::").ok_or_else(out_of_range)?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let key = &destination.kms_key_arn;
    if bucket.is_empty() || !key.starts_with("arn:") || !key.contains(":kms:") {
        return Err(out_of_range());
    }
    let policy = here.neighbours.bucket_policy(bucket).flatten().ok_or_else(refused)?;
    let known = here.neighbours.key(key).filter(|key| key.enabled).ok_or_else(refused)?;
    let bucket = format!("arn:aws:s3:::{bucket}");
    let folder = if prefix.is_empty() { String::new() } else { format!("{}/", prefix.trim_end_matches('/')) };
    let object = format!("{bucket}/{folder}AWSLogs/{}/GuardDuty/{}/findings.jsonl.gz", here.account, here.region);
    let source = format!("arn:aws:guardduty:{}:{}:detector/{id}", here.region, here.account);
    let from = [("aws:sourceaccount", here.account), ("aws:sourcearn", source.as_str())];
    let mut writing = from.to_vec();
    writing.extend([("s3:x-amz-server-side-encryption", "aws:kms"), ("s3:x-amz-server-side-encryption-aws-kms-key-id", &known.arn)]);
    let asks = [
        (policy.as_str(), Access { service: SERVICE, action: "s3:GetBucketLocation", resource: &bucket, context: &from }),
        (policy.as_str(), Access { service: SERVICE, action: "s3:PutObject", resource: &object, context: &writing }),
    ];
    let key_access = Access { service: SERVICE, action: "kms:GenerateDataKey", resource: &known.arn, context: &from };
    let of_key = known.policy.as_deref().map(|policy| (policy, key_access));
    if asks.into_iter().chain(of_key).all(|(policy, access)| allows(policy, &access)) { Ok(()) } else { Err(refused()) }
}
