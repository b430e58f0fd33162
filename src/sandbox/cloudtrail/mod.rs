//! CloudTrail: trails, their logging, what they record, their tags. AwsJson 1.1.

mod checks;
mod logging;
mod selectors;
mod tags;
#[cfg(test)]
mod tests;
mod trails;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Answer, Call, Operation, Refusal};
use super::delivery::Neighbours;
use super::protocol::json;
use super::world::World;
use selectors::{AdvancedEventSelector, EventSelector, InsightSelector};

/// The operations this module answers, and whether each writes.
const OPERATIONS: [(&str, bool); 16] = [
    ("CreateTrail", true),
    ("UpdateTrail", true),
    ("DeleteTrail", true),
    ("GetTrail", false),
    ("DescribeTrails", false),
    ("ListTrails", false),
    ("GetTrailStatus", false),
    ("StartLogging", true),
    ("StopLogging", true),
    ("GetEventSelectors", false),
    ("PutEventSelectors", true),
    ("GetInsightSelectors", false),
    ("PutInsightSelectors", true),
    ("AddTags", true),
    ("RemoveTags", true),
    ("ListTags", false),
];

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// The trails by name.
    pub trails: BTreeMap<String, Trail>,
    /// The management account of the organisation that the account belongs to. Left out: it belongs to none. Trails of the organisation are
    /// that account's: everybody else only reads them.
    pub management_account: Option<String>,
    /// The organisation's id.
    pub organization_id: Option<String>,
}

/// A trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Trail {
    /// The bucket that it delivers to.
    pub s3_bucket_name: String,
    /// What the keys of its files begin with. Left out: nothing.
    pub s3_key_prefix: Option<String>,
    /// The topic that is told of each delivery. Left out: none.
    pub sns_topic_arn: Option<String>,
    /// Whether events of services without a region, such as IAM, are recorded.
    pub include_global_service_events: bool,
    /// Whether events of all regions are recorded.
    pub is_multi_region_trail: bool,
    /// Where it was made and alone can be changed. Left out: the region of the account.
    pub home_region: Option<String>,
    /// Whether digests show that no file was changed.
    pub log_file_validation_enabled: bool,
    /// The log group that events go to, too. Left out: none.
    pub cloud_watch_logs_log_group_arn: Option<String>,
    /// The role that they are written there with. Left out: none.
    pub cloud_watch_logs_role_arn: Option<String>,
    /// The ARN of the key that files are encrypted with. Left out: SSE-S3.
    pub kms_key_id: Option<String>,
    /// Whether it is the organisation's.
    pub is_organization_trail: bool,
    /// Whether it records.
    pub is_logging: bool,
    /// When it last began to record. Left out: never.
    pub started_at: Option<Timestamp>,
    /// When it last ceased to record. Left out: never.
    pub stopped_at: Option<Timestamp>,
    /// Whether validation was turned off at some time: the chain of digests has a gap that nothing mends.
    pub digest_chain_broken: bool,
    /// In the API's own form; with both lists empty the trail records management events, reading and writing.
    pub event_selectors: Vec<EventSelector>,
    /// What is recorded, by conditions; in place of `eventSelectors`.
    pub advanced_event_selectors: Vec<AdvancedEventSelector>,
    /// The insights that are recorded.
    pub insight_selectors: Vec<InsightSelector>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Default for Trail {
    fn default() -> Trail {
        Trail {
            s3_bucket_name: String::new(),
            s3_key_prefix: None,
            sns_topic_arn: None,
            // What CreateTrail takes when it is not said.
            include_global_service_events: true,
            is_multi_region_trail: false,
            home_region: None,
            log_file_validation_enabled: false,
            cloud_watch_logs_log_group_arn: None,
            cloud_watch_logs_role_arn: None,
            kms_key_id: None,
            is_organization_trail: false,
            is_logging: false,
            started_at: None,
            stopped_at: None,
            digest_chain_broken: false,
            event_selectors: Vec::new(),
            advanced_event_selectors: Vec::new(),
            insight_selectors: Vec::new(),
            tags: BTreeMap::new(),
        }
    }
}

impl State {
    /// Nothing here takes time: what depends on it (when logs were last delivered) is worked out when it is read.
    pub fn settle(&mut self, _now: Timestamp) {}
}

/// Where and when a call is made, and who is next door.
struct Here<'a> {
    account: &'a str,
    /// The region that the call is addressed to.
    region: &'a str,
    /// The region of trails that name no other.
    home: &'a str,
    now: Timestamp,
    page_size: usize,
    neighbours: &'a dyn Neighbours,
}

/// Which operation a call is.
pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let name = json::target(call)?;
    match OPERATIONS.iter().find(|(known, _)| *known == name) {
        Some((_, writes)) => Ok(Operation { name, writes: *writes }),
        None => Err(not_implemented(&name)),
    }
}

pub fn answer(world: &mut World, op: &Operation, call: &Call) -> Result<Answer, Refusal> {
    // Taken out for the call, so that the neighbours can be looked at while this state changes.
    let mut state = std::mem::take(&mut world.cloudtrail);
    let answered = perform(&mut state, &here(world, call, world), op, call);
    world.cloudtrail = state;
    answered
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    json::refuse(refusal, request_id)
}

fn here<'a>(world: &'a World, call: &'a Call, neighbours: &'a dyn Neighbours) -> Here<'a> {
    let region = if call.region.is_empty() { &world.region } else { &call.region };
    let page_size = world.page_size.max(1);
    Here { account: &world.account, region, home: &world.region, now: world.now, page_size, neighbours }
}

fn perform(state: &mut State, here: &Here, op: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let body = json::body(call)?;
    let answer = match op.name.as_str() {
        "CreateTrail" => trails::create(state, here, read(body)?),
        "UpdateTrail" => trails::update(state, here, read(body)?),
        "DeleteTrail" => trails::delete(state, here, read(body)?),
        "GetTrail" => trails::get(state, here, read(body)?),
        "DescribeTrails" => trails::describe(state, here, read(body)?),
        "ListTrails" => trails::list(state, here, read(body)?),
        "GetTrailStatus" => logging::status(state, here, read(body)?),
        "StartLogging" => logging::start(state, here, read(body)?),
        "StopLogging" => logging::stop(state, here, read(body)?),
        "GetEventSelectors" => selectors::get_events(state, here, read(body)?),
        "PutEventSelectors" => selectors::put_events(state, here, read(body)?),
        "GetInsightSelectors" => selectors::get_insights(state, here, read(body)?),
        "PutInsightSelectors" => selectors::put_insights(state, here, read(body)?),
        "AddTags" => tags::add(state, here, read(body)?),
        "RemoveTags" => tags::remove(state, here, read(body)?),
        "ListTags" => tags::list(state, here, read(body)?),
        other => Err(not_implemented(other)),
    }?;
    Ok(json::answer(&without_nulls(answer)))
}

/// A request that names one trail.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Named {
    name: Option<String>,
}

/// The body as the operation's input. Members that the operation does not know are ignored, as CloudTrail does.
fn read<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| refusal("SerializationException", error.to_string()))
}

fn refusal(code: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(400, code, message)
}

fn not_implemented(name: &str) -> Refusal {
    Refusal::new(501, "NotImplemented", format!("The sandbox's CloudTrail does not offer {name}."))
}

/// An object without the members that have no value: AWS leaves them out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, without_nulls(value))).collect(),
        ),
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
