//! SNS: topics, and what was published to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call, Operation, Refusal};
use super::ids;
use super::protocol::query::{self, Form};
use super::protocol::xml::Xml;
use super::world::World;

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// The most that a message holds, in bytes. docs: SNS API, Publish.
const LONGEST: usize = 262_144;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Topics by name.
    pub topics: BTreeMap<String, Topic>,
    /// Everything that was published, in order: `GET /_holdfast/world` shows it.
    #[schemars(extend("readOnly" = true))]
    pub messages: Vec<Message>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Topic {
    /// Those of its attributes that were set, by their API name; the others have their defaults.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Who is told.
    pub subscriptions: Vec<Subscription>,
}

/// Somebody who is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Subscription {
    /// Its own ARN.
    pub arn: String,
    /// `email`, `https`, `sqs`, ...
    pub protocol: String,
    /// The address, or the ARN.
    pub endpoint: String,
    /// Whether it was confirmed. E-mail and HTTP endpoints stay unconfirmed: nobody here answers them.
    pub confirmed: bool,
}

/// A message that was published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The topic that it was published to.
    pub topic_arn: String,
    /// Its subject, where it has one.
    pub subject: Option<String>,
    /// Its text.
    pub message: String,
    /// Its attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// An attribute of a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Attribute {
    /// `String`, `String.Array`, `Number` or `Binary`.
    pub data_type: String,
    /// Its value; of a `Binary` one in Base64.
    pub value: String,
}

impl State {
    pub fn settle(&mut self, _now: Timestamp) {}
}

/// The attributes of a topic that can be set. docs: SNS API, SetTopicAttributes.
const SETTABLE: [&str; 26] = [
    "ApplicationFailureFeedbackRoleArn",
    "ApplicationSuccessFeedbackRoleArn",
    "ApplicationSuccessFeedbackSampleRate",
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DeliveryPolicy",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "FirehoseFailureFeedbackRoleArn",
    "FirehoseSuccessFeedbackRoleArn",
    "FirehoseSuccessFeedbackSampleRate",
    "HTTPFailureFeedbackRoleArn",
    "HTTPSuccessFeedbackRoleArn",
    "HTTPSuccessFeedbackSampleRate",
    "KmsMasterKeyId",
    "LambdaFailureFeedbackRoleArn",
    "LambdaSuccessFeedbackRoleArn",
    "LambdaSuccessFeedbackSampleRate",
    "Policy",
    "SQSFailureFeedbackRoleArn",
    "SQSSuccessFeedbackRoleArn",
    "SQSSuccessFeedbackSampleRate",
    "SignatureVersion",
    "TracingConfig",
    "DataProtectionPolicy",
];

pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let name = Form::parse(call).action()?.to_owned();
    let writes = !["Get", "List", "Check"].iter().any(|verb| name.starts_with(verb));
    Ok(Operation { name, writes })
}

pub fn answer(world: &mut World, operation: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let form = Form::parse(call);
    let result = match operation.name.as_str() {
        "CreateTopic" => create_topic(world, &form)?,
        "DeleteTopic" => delete_topic(world, &form)?,
        "GetTopicAttributes" => get_topic_attributes(world, &form)?,
        "SetTopicAttributes" => set_topic_attributes(world, &form)?,
        "ListTopics" => list_topics(world, &form)?,
        "Subscribe" => subscribe(world, &form)?,
        "ListSubscriptionsByTopic" => list_subscriptions_by_topic(world, &form)?,
        "Publish" => publish(world, &form)?,
        "ListTagsForResource" => list_tags_for_resource(world, &form)?,
        "TagResource" => tag_resource(world, &form)?,
        other => return Err(Refusal::new(501, "NotImplemented", format!("The sandbox's SNS has no operation {other}."))),
    };
    Ok(query::answer(&operation.name, NAMESPACE, result))
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    query::refuse(refusal, request_id)
}

fn create_topic(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let name = require(form, "Name")?;
    let fifo = form.records("Attributes").iter().any(|entry| entry.get("key") == Some("FifoTopic") && entry.get("value") == Some("true"));
    let stem = if fifo {
        name.strip_suffix(".fifo").ok_or_else(|| invalid("Invalid parameter: Topic Name: a FIFO topic's name ends in .fifo"))?
    } else {
        name
    };
    let known = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if name.len() > 256 || stem.is_empty() || !stem.chars().all(known) {
        return Err(invalid("Invalid parameter: Topic Name"));
    }
    let attributes = pairs(form, "Attributes", "key", "value");
    if let Some(name) = attributes.keys().find(|name| !SETTABLE.contains(&name.as_str())) {
        return Err(invalid(format!("Invalid parameter: Attributes Reason: Unknown attribute {name}")));
    }
    let tags = pairs(form, "Tags", "Key", "Value");
    let arn = arn(world, name);
    match world.sns.topics.get(name) {
        // Creating it again is no error, as long as nothing else is meant.
        Some(topic) => {
            if attributes.iter().any(|(name, value)| topic.attributes.get(name) != Some(value)) {
                return Err(invalid("Invalid parameter: Attributes Reason: Topic already exists with different attributes"));
            }
            if !tags.is_empty() && tags != topic.tags {
                return Err(invalid("Invalid parameter: Tags Reason: Topic already exists with different tags"));
            }
        }
        None => {
            world.sns.topics.insert(name.to_owned(), Topic { attributes, tags, subscriptions: Vec::new() });
        }
    }
    Ok(Xml::new().text("TopicArn", arn))
}

fn delete_topic(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let name = topic_name(world, require(form, "TopicArn")?)?;
    // docs: deleting a topic that is not there is no error.
    world.sns.topics.remove(&name);
    Ok(Xml::new())
}

fn get_topic_attributes(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let arn = require(form, "TopicArn")?;
    let owner = world.account.clone();
    let topic = topic(world, arn)?;
    let confirmed = topic.subscriptions.iter().filter(|subscription| subscription.confirmed).count();
    let mut attributes = BTreeMap::from([
        ("TopicArn", arn.to_owned()),
        ("Owner", owner.clone()),
        ("DisplayName", String::new()),
        ("Policy", default_policy(arn, &owner)),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsPending", (topic.subscriptions.len() - confirmed).to_string()),
        ("SubscriptionsDeleted", "0".to_owned()),
        ("EffectiveDeliveryPolicy", DELIVERY.to_owned()),
    ]);
    attributes.extend(topic.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())));
    Ok(Xml::new().list("Attributes", "entry", attributes, |xml, (name, value)| xml.text("key", name).text("value", value)))
}

fn set_topic_attributes(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let (arn, name) = (require(form, "TopicArn")?, require(form, "AttributeName")?);
    if !SETTABLE.contains(&name) || name == "FifoTopic" {
        return Err(invalid("Invalid parameter: AttributeName"));
    }
    let value = form.get("AttributeValue").unwrap_or_default().to_owned();
    if matches!(name, "Policy" | "DeliveryPolicy") && serde_json::from_str::<serde_json::Value>(&value).is_err() {
        return Err(invalid(format!("Invalid parameter: {name} failed to parse JSON.")));
    }
    topic_mut(world, arn)?.attributes.insert(name.to_owned(), value);
    Ok(Xml::new())
}

fn list_topics(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let names: Vec<String> = world.sns.topics.keys().cloned().collect();
    let (page, next) = page(&names, world.page_size, form)?;
    let xml = Xml::new().list("Topics", "member", page, |xml, name| xml.text("TopicArn", arn(world, name)));
    Ok(xml.maybe("NextToken", next))
}

fn subscribe(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let (topic_arn, protocol) = (require(form, "TopicArn")?, require(form, "Protocol")?);
    let waits = match protocol {
        "http" | "https" | "email" | "email-json" => true,
        "sms" | "sqs" | "application" | "lambda" | "firehose" => false,
        other => return Err(invalid(format!("Invalid parameter: Protocol Reason: unsupported protocol {other}"))),
    };
    let endpoint = form.get("Endpoint").unwrap_or_default();
    if endpoint.is_empty() {
        return Err(invalid("Invalid parameter: Endpoint"));
    }
    let topic = topic_mut(world, topic_arn)?;
    let same = |subscription: &&Subscription| subscription.protocol == protocol && subscription.endpoint == endpoint;
    let subscription = match topic.subscriptions.iter().find(same) {
        Some(subscription) => subscription.clone(),
        None => {
            let arn = format!("{topic_arn}:{}", ids::uuid(&["subscription", topic_arn, protocol, endpoint]));
            let subscription = Subscription { arn, protocol: protocol.to_owned(), endpoint: endpoint.to_owned(), confirmed: !waits };
            topic.subscriptions.push(subscription.clone());
            subscription
        }
    };
    let shown = subscription.confirmed || form.bool("ReturnSubscriptionArn")? == Some(true);
    Ok(Xml::new().text("SubscriptionArn", if shown { &subscription.arn } else { "pending confirmation" }))
}

fn list_subscriptions_by_topic(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let (page_size, owner) = (world.page_size, world.account.clone());
    let topic_arn = require(form, "TopicArn")?;
    let topic = topic(world, topic_arn)?;
    let arns: Vec<String> = topic.subscriptions.iter().map(|subscription| subscription.arn.clone()).collect();
    let (page, next) = page(&arns, page_size, form)?;
    let shown = topic.subscriptions.iter().filter(|subscription| page.contains(&subscription.arn));
    let xml = Xml::new().list("Subscriptions", "member", shown, |xml, subscription| {
        xml.text("TopicArn", topic_arn)
            .text("Protocol", &subscription.protocol)
            .text("SubscriptionArn", if subscription.confirmed { &subscription.arn } else { "PendingConfirmation" })
            .text("Owner", &owner)
            .text("Endpoint", &subscription.endpoint)
    });
    Ok(xml.maybe("NextToken", next))
}

fn publish(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let arn = form.get("TopicArn").or(form.get("TargetArn")).filter(|arn| !arn.is_empty());
    let arn = arn.ok_or_else(|| invalid("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"))?;
    let topic = topic(world, arn)?;
    let key = topic.attributes.get("KmsMasterKeyId").cloned().filter(|key| !key.is_empty());
    if arn.ends_with(".fifo") && form.get("MessageGroupId").is_none() {
        return Err(invalid("Invalid parameter: The MessageGroupId parameter is required for FIFO topics"));
    }
    let message = form.get("Message").filter(|message| !message.is_empty()).ok_or_else(|| invalid("Invalid parameter: Empty message"))?;
    let subject = form.get("Subject");
    // docs: up to 100 characters, ASCII, no line breaks or control characters.
    if subject.is_some_and(|subject| {
        subject.is_empty()
            || subject.chars().count() > 100
            || subject.chars().any(|character| character.is_control() || !character.is_ascii())
    }) {
        return Err(invalid("Invalid parameter: Subject"));
    }
    let mut attributes = BTreeMap::new();
    for entry in form.records("MessageAttributes") {
        let (name, attribute) = attribute(&entry)?;
        attributes.insert(name, attribute);
    }
    let size = message.len() + attributes.iter().map(|(name, value)| name.len() + value.data_type.len() + value.value.len()).sum::<usize>();
    if size > LONGEST {
        return Err(invalid("Invalid parameter: Message too long"));
    }
    if form.get("MessageStructure") == Some("json") {
        let parsed: Option<serde_json::Value> = serde_json::from_str(message).ok();
        if !parsed.is_some_and(|parsed| parsed.get("default").is_some_and(serde_json::Value::is_string)) {
            return Err(invalid("Invalid parameter: Message Structure - No default entry in JSON message body"));
        }
    }
    if let Some(key) = key {
        world.kms.usable(&key, &world.account, &world.region).map_err(|refusal| match refusal.code.as_str() {
            "NotFoundException" => Refusal::new(400, "KMSNotFound", refusal.message),
            "DisabledException" => Refusal::new(400, "KMSDisabled", refusal.message),
            _ => Refusal::new(400, "KMSInvalidState", refusal.message),
        })?;
    }
    let id = ids::uuid(&["message", &world.sns.messages.len().to_string(), arn]);
    world.sns.messages.push(Message {
        id: id.clone(),
        topic_arn: arn.to_owned(),
        subject: subject.map(str::to_owned),
        message: message.to_owned(),
        attributes,
    });
    Ok(Xml::new().text("MessageId", id))
}

/// One of the attributes of a message.
fn attribute(entry: &Form) -> Result<(String, Attribute), Refusal> {
    let name = entry.get("Name").filter(|name| !name.is_empty()).ok_or_else(|| invalid("Invalid parameter: MessageAttributes Name"))?;
    let data_type = entry.get("Value.DataType").unwrap_or_default();
    let kind = data_type.split('.').next().unwrap_or_default();
    if !matches!(kind, "String" | "Number" | "Binary") {
        let problem = format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        );
        return Err(Refusal::new(400, "ParameterValueInvalid", problem));
    }
    let member = if kind == "Binary" { "Value.BinaryValue" } else { "Value.StringValue" };
    let value = entry.get(member).filter(|value| !value.is_empty()).ok_or_else(|| {
        Refusal::new(
            400,
            "ParameterValueInvalid",
            format!("The message attribute '{name}' must contain a non-empty message attribute value."),
        )
    })?;
    Ok((name.to_owned(), Attribute { data_type: data_type.to_owned(), value: value.to_owned() }))
}

fn list_tags_for_resource(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let topic = topic(world, require(form, "ResourceArn")?).map_err(resource)?;
    Ok(Xml::new().list("Tags", "member", &topic.tags, |xml, (key, value)| xml.text("Key", key).text("Value", value)))
}

fn tag_resource(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let tags = pairs(form, "Tags", "Key", "Value");
    topic_mut(world, require(form, "ResourceArn")?).map_err(resource)?.tags.extend(tags);
    Ok(Xml::new())
}

/// The tagging operations have a code of their own for what is not there.
fn resource(refusal: Refusal) -> Refusal {
    if refusal.code == "NotFound" { Refusal::new(404, "ResourceNotFound", "Resource does not exist") } else { refusal }
}

fn arn(world: &World, name: &str) -> String {
    format!("arn:aws:sns:{}:{}:{name}", world.region, world.account)
}

/// The name in an ARN of this account and region.
fn topic_name(world: &World, arn: &str) -> Result<String, Refusal> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "sns", region, account, name] if !name.is_empty() => {
            if *account != world.account {
                return Err(Refusal::new(403, "AuthorizationError", format!("User is not authorized to access the resource {arn}")));
            }
            if *region != world.region {
                return Err(invalid("Invalid parameter: TopicArn"));
            }
            Ok((*name).to_owned())
        }
        _ => Err(invalid(
            "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not ".to_owned() + &parts.len().to_string(),
        )),
    }
}

fn topic<'a>(world: &'a World, arn: &str) -> Result<&'a Topic, Refusal> {
    let name = topic_name(world, arn)?;
    world.sns.topics.get(&name).ok_or_else(not_found)
}

fn topic_mut<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Topic, Refusal> {
    let name = topic_name(world, arn)?;
    world.sns.topics.get_mut(&name).ok_or_else(not_found)
}

fn not_found() -> Refusal {
    Refusal::new(404, "NotFound", "Topic does not exist")
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameter", message)
}

/// SNS's own words for what is missing.
fn require<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refusal> {
    let missing = || invalid(format!("Invalid parameter: {name} Reason: no value for required parameter"));
    form.get(name).filter(|value| !value.is_empty()).ok_or_else(missing)
}

fn pairs(form: &Form, list: &str, key: &str, value: &str) -> BTreeMap<String, String> {
    let pair = |entry: Form| Some((entry.get(key)?.to_owned(), entry.get(value).unwrap_or_default().to_owned()));
    form.records(list).into_iter().filter_map(pair).collect()
}

/// A page of `all`, and the token of the next: the hash of the last entry that was shown.
fn page<'a>(all: &'a [String], size: usize, form: &Form) -> Result<(&'a [String], Option<String>), Refusal> {
    let from = match form.get("NextToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => match all.iter().position(|entry| ids::sha256(entry) == token) {
            Some(last) => last + 1,
            None => return Err(invalid("Invalid parameter: NextToken")),
        },
    };
    let page = all.get(from..(from + size).min(all.len())).unwrap_or_default();
    let more = from + page.len() < all.len();
    Ok((page, page.last().filter(|_| more).map(ids::sha256)))
}

const DELIVERY: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false}}"#;

/// The policy of a topic that was given none.
fn default_policy(arn: &str, owner: &str) -> String {
    let actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ];
    serde_json::json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": actions.map(|action| format!("SNS:{action}")),
            "Resource": arn,
            "Condition": {"StringEquals": {"AWS:SourceOwner": owner}},
        }],
    })
    .to_string()
}

#[cfg(test)]
mod tests;
