//! The members of a request: their shapes, and what is refused about them.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::numbers;
use super::lifecycle::DAYS;
use super::place::Place;
use super::refusal::{combination, value};
use super::state::LogDelivery;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

/// Refuses members that this sandbox does not act on: better than to ignore them in silence.
pub fn only(form: &Form, known: &[&str]) -> Result<(), Refusal> {
    for name in form.names() {
        let head = name.split('.').next().unwrap_or(name);
        if !["Action", "Version"].contains(&head) && !known.contains(&head) {
            return Err(Refusal::new(501, "NotImplemented", format!("The sandbox's ElastiCache does not know the member {head} here.")));
        }
    }
    Ok(())
}

/// An identifier as it is stored, in lower case.
pub fn id(form: &Form, name: &str) -> Result<String, Refusal> {
    Ok(form.require(name)?.to_lowercase())
}

/// An identifier for something new: letters, digits and single hyphens, a letter first, no hyphen last.
pub fn new_id(form: &Form, name: &str, longest: usize) -> Result<String, Refusal> {
    let id = id(form, name)?;
    let shaped = id.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && !id.ends_with('-')
        && !id.contains("--");
    if !shaped || id.len() > longest {
        return Err(value(format!(
            "The parameter {name} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII \
             letters, digits, and hyphens; must not end with a hyphen or contain two consecutive hyphens; and must not be longer \
             than {longest} characters."
        )));
    }
    Ok(id)
}

/// A whole number in a range.
pub fn number(form: &Form, name: &str, low: u32, high: u32) -> Result<Option<u32>, Refusal> {
    let Some(number) = form.int(name)? else { return Ok(None) };
    match u32::try_from(number) {
        Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
        _ => Err(value(format!("{name} must be between {low} and {high}."))),
    }
}

/// One of a few words.
pub fn word<'a>(form: &'a Form, name: &str, words: &[&str]) -> Result<Option<&'a str>, Refusal> {
    match form.get(name) {
        Some(given) if !words.contains(&given) => Err(value(format!("Invalid value for {name}. Valid values: {}", words.join(", ")))),
        given => Ok(given),
    }
}

pub fn node_type(form: &Form) -> Result<Option<String>, Refusal> {
    match form.get("CacheNodeType") {
        None => Ok(None),
        Some(node) if node.starts_with("cache.") && node.split('.').count() == 3 => Ok(Some(node.to_owned())),
        Some(node) => Err(value(format!("Invalid cache node type: {node}"))),
    }
}

/// Larger is larger; only the size counts, not the family.
pub fn node_rank(node_type: &str) -> u32 {
    match node_type.rsplit('.').next().unwrap_or_default() {
        "micro" => 1,
        "small" => 2,
        "medium" => 3,
        "large" => 4,
        "xlarge" => 5,
        size => size.strip_suffix("xlarge").and_then(|times| times.parse::<u32>().ok()).map_or(0, |times| 4 + times),
    }
}

pub fn tags(form: &Form) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = BTreeMap::new();
    for tag in form.records("Tags") {
        let (key, text) = (tag.require("Key")?, tag.get("Value").unwrap_or_default());
        if let Some(why) = crate::sandbox::tags::refused(key, text, &["aws:"]) {
            return Err(value(why));
        }
        if tags.insert(key.to_owned(), text.to_owned()).is_some() {
            return Err(value(format!("Duplicate tag key: {key}")));
        }
    }
    if tags.len() > 50 {
        return Err(Refusal::new(400, "TagQuotaPerResourceExceeded", "A resource can have up to 50 tags."));
    }
    Ok(tags)
}

pub fn tag_list(xml: Xml, tags: &BTreeMap<String, String>) -> Xml {
    xml.list("TagList", "Tag", tags, |xml, (key, text)| xml.text("Key", key).text("Value", text))
}

pub fn security_groups(form: &Form) -> Option<BTreeSet<String>> {
    form.has("SecurityGroupIds").then(|| form.list("SecurityGroupIds").into_iter().collect())
}

/// The log delivery that a request leaves behind, where it says anything of it: one setting a log type, others stay.
pub fn log_delivery(form: &Form, present: &[LogDelivery], engine_version: &str) -> Result<Option<Vec<LogDelivery>>, Refusal> {
    if !form.has("LogDeliveryConfigurations") {
        return Ok(None);
    }
    let mut all = present.to_vec();
    for record in form.records("LogDeliveryConfigurations") {
        let log_type = word(&record, "LogType", &["slow-log", "engine-log"])?.ok_or_else(|| value("LogType is required."))?;
        // [AWS documentation, "Log delivery": the slow log from 6.0 on, the engine log from 6.2 on]
        let since = if log_type == "slow-log" { [6, 0, 0] } else { [6, 2, 0] };
        if numbers(engine_version) < since {
            return Err(combination(format!("{log_type} is not supported by engine version {engine_version}.")));
        }
        let was = present.iter().find(|one| one.log_type == log_type);
        all.retain(|one| one.log_type != log_type);
        if record.bool("Enabled")? == Some(false) {
            if was.is_none() {
                return Err(value(format!("Log delivery of {log_type} is not enabled.")));
            }
            continue;
        }
        let destination_type = word(&record, "DestinationType", &["cloudwatch-logs", "kinesis-firehose"])?
            .ok_or_else(|| value("DestinationType is required to enable log delivery."))?;
        let format =
            word(&record, "LogFormat", &["text", "json"])?.ok_or_else(|| value("LogFormat is required to enable log delivery."))?;
        let detail = match destination_type {
            "cloudwatch-logs" => "DestinationDetails.CloudWatchLogsDetails.LogGroup",
            _ => "DestinationDetails.KinesisFirehoseDetails.DeliveryStream",
        };
        let destination = record
            .get(detail)
            .filter(|destination| !destination.is_empty())
            .ok_or_else(|| combination(format!("{detail} is required for {destination_type}.")))?;
        all.push(LogDelivery {
            log_type: log_type.to_owned(),
            destination_type: destination_type.to_owned(),
            destination: destination.to_owned(),
            format: format.to_owned(),
        });
    }
    all.sort();
    Ok(Some(all))
}

/// The topic of a request: empty takes it away. "The Amazon SNS topic owner must be same as the replication group owner." [service model,
/// ModifyReplicationGroup]
pub fn topic(form: &Form, place: &Place) -> Result<Option<Option<String>>, Refusal> {
    let Some(topic) = form.get("NotificationTopicArn") else { return Ok(None) };
    if topic.is_empty() {
        return Ok(Some(None));
    }
    match topic.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "sns", _, account, name] if !name.is_empty() && *account == place.account => Ok(Some(Some(topic.to_owned()))),
        ["arn", _, "sns", _, _, _] => Err(value(format!("The topic {topic} is not owned by the account of the replication group."))),
        _ => Err(value(format!("Invalid topic ARN: {topic}"))),
    }
}

/// `hh24:mi-hh24:mi`, at least an hour.
pub fn snapshot_window(form: &Form) -> Result<Option<String>, Refusal> {
    let Some(window) = form.get("SnapshotWindow") else { return Ok(None) };
    let window = window.to_lowercase();
    let (start, end) = window.split_once('-').unwrap_or_default();
    match (clock(start), clock(end)) {
        (Some(start), Some(end)) if (end - start).rem_euclid(1440) >= 60 => Ok(Some(window)),
        _ => Err(value(format!("Invalid snapshot window {window}: use hh24:mi-hh24:mi, at least 60 minutes."))),
    }
}

/// `ddd:hh24:mi-ddd:hh24:mi`, at least an hour.
pub fn maintenance_window(form: &Form) -> Result<Option<String>, Refusal> {
    let Some(window) = form.get("PreferredMaintenanceWindow") else { return Ok(None) };
    let window = window.to_lowercase();
    let (start, end) = window.split_once('-').unwrap_or_default();
    match (weekly(start), weekly(end)) {
        (Some(start), Some(end)) if (end - start).rem_euclid(WEEK) >= 60 => Ok(Some(window)),
        _ => Err(value(format!("Invalid maintenance window {window}: use ddd:hh24:mi-ddd:hh24:mi, at least 60 minutes."))),
    }
}

const WEEK: i64 = 7 * 1440;

/// Refuses a snapshot window that a maintenance window runs into on its day.
pub fn apart(snapshot: &str, maintenance: &str) -> Result<(), Refusal> {
    let (from, to) = snapshot.split_once('-').unwrap_or_default();
    let (start, end) = maintenance.split_once('-').unwrap_or_default();
    let (Some(from), Some(to), Some(start), Some(end)) = (clock(from), clock(to), weekly(start), weekly(end)) else { return Ok(()) };
    let (length, maintained) = ((to - from).rem_euclid(1440), (end - start).rem_euclid(WEEK));
    let overlaps = (0..7).any(|day| {
        let from = day * 1440 + from;
        (start - from).rem_euclid(WEEK) < length || (from - start).rem_euclid(WEEK) < maintained
    });
    if overlaps {
        return Err(value("The snapshot window and maintenance window must not overlap."));
    }
    Ok(())
}

/// Minutes since midnight.
fn clock(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let shaped = hour.len() == 2 && minute.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    (shaped && hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Minutes since Monday began.
fn weekly(text: &str) -> Option<i64> {
    let (day, time) = text.split_once(':')?;
    let day = DAYS.iter().position(|name| *name == day)?;
    Some(i64::try_from(day).ok()? * 1440 + clock(time)?)
}

/// One page of `all`, which must be sorted by its key, and the marker of the next.
pub fn page<T>(form: &Form, place: &Place, all: Vec<(String, T)>) -> Result<Page<T>, Refusal> {
    // The service allows 20 to 100; the sandbox's own pages may be smaller still.
    let asked = number(form, "MaxRecords", 20, 100)?.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(100);
    let size = asked.min(place.page_size).max(1);
    let after = match form.get("Marker").filter(|marker| !marker.is_empty()) {
        None => None,
        Some(marker) => Some(marker.strip_prefix(MARKER).ok_or_else(|| value("Invalid marker."))?.to_owned()),
    };
    let mut rest: Vec<(String, T)> = all.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).collect();
    let more = rest.len() > size;
    rest.truncate(size);
    let marker = rest.last().filter(|_| more).map(|(key, _)| format!("{MARKER}{key}"));
    Ok((rest, marker))
}

/// Entries under their keys, and the marker of the next page where there is one.
pub type Page<T> = (Vec<(String, T)>, Option<String>);

const MARKER: &str = "after:";
