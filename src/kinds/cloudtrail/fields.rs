//! Every field of a trail that can be declared and compared.

use serde::Serialize;
use serde_json::{Value, json};

use super::selectors::{self, AdvancedEventSelector, EventSelector, Events};
use super::{TrailSpec, Trails};
use crate::kinds::{Control, Fact, Field, Impact, Rule};

const fn fsbp(id: &'static str) -> Control {
    Control { benchmark: "FSBP", id }
}

const fn cis(id: &'static str) -> Control {
    Control { benchmark: "CIS", id }
}

fn value<T: Serialize>(declared: &Option<T>) -> Option<Value> {
    declared.as_ref().map(|declared| json!(declared))
}

/// Less is recorded, or less can be proven, from then on.
fn weakens(found: &Value, declared: &Value) -> Impact {
    if found == &json!(true) && declared == &json!(false) { Impact::Disruptive } else { Impact::Online }
}

/// Whoever reads the log where it is looks in vain from then on.
fn moves(found: &Value, _: &Value) -> Impact {
    if found.is_null() { Impact::Online } else { Impact::Disruptive }
}

/// CloudTrail shows the ARN of a log group with `:*` behind it.
pub fn log_group(arn: &str) -> &str {
    arn.strip_suffix(":*").unwrap_or(arn)
}

fn same_log_group(found: &Value, declared: &Value) -> bool {
    found.as_str().zip(declared.as_str()).is_some_and(|(found, declared)| log_group(found) == log_group(declared))
}

fn fewer_insights(found: &Value, declared: &Value) -> Impact {
    let entries = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let declared = entries(declared);
    if entries(found).iter().all(|found| declared.contains(found)) { Impact::Online } else { Impact::Disruptive }
}

fn plain(spec: &TrailSpec) -> Option<Value> {
    spec.event_selectors.as_ref().map(|list| json!(selectors::canonical(list, EventSelector::canonical)))
}

fn advanced(spec: &TrailSpec) -> Option<Value> {
    spec.advanced_event_selectors.as_ref().map(|list| json!(selectors::canonical(list, AdvancedEventSelector::canonical)))
}

/// The fields, in the order in which they are shown.
///
/// Sources of the controls: the AWS Foundational Security Best Practices controls for CloudTrail; CIS AWS Foundations Benchmark 3.0.0, and
/// 1.4.0 for what later versions dropped.
pub const FIELDS: &[Field<Trails>] = &[
    Field::<Trails>::new("bucket", |spec| value(&spec.bucket), |seen| seen.setting(|trail| trail.settings.bucket.clone())).impact(moves),
    Field::<Trails>::new(
        "keyPrefix",
        |spec| value(&spec.key_prefix),
        |seen| seen.setting(|trail| Some(trail.settings.key_prefix.clone().unwrap_or_default())),
    )
    .impact(moves),
    Field::<Trails>::new("multiRegion", |spec| value(&spec.multi_region), |seen| seen.setting(|trail| trail.settings.multi_region))
        .controls(&[fsbp("CloudTrail.1"), cis("3.0.0/3.1")]),
    Field::<Trails>::new("globalEvents", |spec| value(&spec.global_events), |seen| seen.setting(|trail| trail.settings.global_events))
        .impact(weakens),
    Field::<Trails>::new(
        "logFileValidation",
        |spec| value(&spec.log_file_validation),
        |seen| seen.setting(|trail| trail.settings.log_file_validation),
    )
    .controls(&[fsbp("CloudTrail.4"), cis("3.0.0/3.2")]),
    Field::<Trails>::new("kmsKeyId", |spec| value(&spec.kms_key_id), |seen| seen.key_in_the_manifests_words().map(Value::String))
        .controls(&[fsbp("CloudTrail.2"), cis("3.0.0/3.5")]),
    Field::<Trails>::new(
        "cloudWatchLogs.logGroupArn",
        |spec| spec.cloud_watch_logs.as_ref().map(|logs| json!(logs.log_group_arn)),
        |seen| seen.setting(|trail| trail.settings.log_group_arn.clone()),
    )
    .rule(Rule::Own(same_log_group))
    .impact(moves)
    .controls(&[fsbp("CloudTrail.5"), cis("1.4.0/3.4")]),
    Field::<Trails>::new(
        "cloudWatchLogs.roleArn",
        |spec| spec.cloud_watch_logs.as_ref().map(|logs| json!(logs.role_arn)),
        |seen| seen.setting(|trail| trail.settings.role_arn.clone()),
    )
    .controls(&[fsbp("CloudTrail.5"), cis("1.4.0/3.4")]),
    Field::<Trails>::new("logging", |spec| value(&spec.logging), |seen| seen.logging.clone().map(Value::Bool))
        .controls(&[fsbp("CloudTrail.1"), cis("3.0.0/3.1")]),
    Field::<Trails>::new("eventSelectors", plain, |seen| {
        seen.events.as_ref().and_then(|events| match events {
            Events::Plain(selectors) => Fact::Present(json!(selectors)),
            Events::Advanced(_) => Fact::Absent,
        })
    })
    .rule(Rule::Set)
    .impact(selectors::plain_impact)
    .controls(&[fsbp("CloudTrail.1"), cis("3.0.0/3.8"), cis("3.0.0/3.9")]),
    Field::<Trails>::new("advancedEventSelectors", advanced, |seen| {
        seen.events.as_ref().and_then(|events| match events {
            Events::Plain(_) => Fact::Absent,
            Events::Advanced(selectors) => Fact::Present(json!(selectors)),
        })
    })
    .rule(Rule::Own(selectors::same_advanced_values))
    .impact(selectors::advanced_impact)
    .controls(&[fsbp("CloudTrail.1"), cis("3.0.0/3.8"), cis("3.0.0/3.9")]),
    Field::<Trails>::new(
        "insights",
        |spec| value(&spec.insights),
        |seen| seen.insights.as_ref().map(|found| json!(found.iter().map(|insight| &insight.insight).collect::<Vec<_>>())),
    )
    .rule(Rule::Set)
    .impact(fewer_insights),
    Field::<Trails>::new("tags", |spec| value(&spec.tags), |seen| seen.tags.as_ref().map(|tags| json!(tags))).keyed(),
];
