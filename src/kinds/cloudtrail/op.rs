//! What a step does to a trail, as data: sent, and judged.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types;
use serde::{Deserialize, Serialize};

use super::fields::log_group;
use super::observe::TrailSeen;
use super::selectors::Events;
use crate::aws::{Call, CallError, Class, Writes, calls};
use crate::kinds::{Basis, Fact, Progress};

/// One change of a trail. `trail` is its ARN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TrailOp {
    Create {
        name: String,
        settings: Settings,
        tags: BTreeMap<String, String>,
    },
    Update {
        trail: String,
        settings: Settings,
        /// The log group and the role that were found, where one of them is sent only because CloudTrail takes both together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Basis>,
    },
    StartLogging {
        trail: String,
    },
    StopLogging {
        trail: String,
    },
    PutEventSelectors {
        trail: String,
        events: Events,
        /// What was recorded, all of which is replaced; none for a trail that is to be made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Basis>,
    },
    PutInsights {
        trail: String,
        insights: Vec<InsightSetting>,
        /// The insights that were found, all of which are replaced.
        from: Basis,
    },
    Tag {
        trail: String,
        tags: BTreeMap<String, String>,
    },
    Untag {
        trail: String,
        keys: Vec<String>,
    },
}

/// What CreateTrail and UpdateTrail set; what is `None` is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_region: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_events: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_file_validation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// An insight that a trail looks for, and in which events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InsightSetting {
    /// `ApiCallRateInsight`.
    pub insight: String,
    /// `Management`, `Data`. Empty: not said, which CloudTrail takes for `Management`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl Settings {
    /// The log group and the role, as what another change of them is planned from.
    pub(super) fn cloud_watch_logs(&self) -> Basis {
        Basis::of(&(&self.log_group_arn, &self.role_arn))
    }

    /// Whether everything that is set here is so in `found`.
    fn hold_in(&self, found: &Settings) -> bool {
        fn held<T: PartialEq>(set: &Option<T>, found: &Option<T>) -> bool {
            set.is_none() || set == found
        }
        let group = |arn: &Option<String>| arn.as_deref().map(|arn| log_group(arn).to_owned());
        // No prefix and an empty one are the same.
        let prefix = Some(found.key_prefix.clone().unwrap_or_default());
        held(&self.bucket, &found.bucket)
            && held(&self.key_prefix, &prefix)
            && held(&self.multi_region, &found.multi_region)
            && held(&self.global_events, &found.global_events)
            && held(&self.log_file_validation, &found.log_file_validation)
            && held(&self.kms_key_arn, &found.kms_key_arn)
            && held(&group(&self.log_group_arn), &group(&found.log_group_arn))
            && held(&self.role_arn, &found.role_arn)
    }
}

impl TrailOp {
    pub(super) fn check(&self, seen: &TrailSeen) -> Progress {
        match self {
            // What CloudTrail made otherwise than asked shows as a difference afterwards.
            TrailOp::Create { .. } => judge(&seen.trail, |_| true),
            TrailOp::Update { settings, from, .. } => {
                match (judge(&seen.trail, |trail| settings.hold_in(&trail.settings)), &seen.trail, from) {
                    (Progress::Pending, Fact::Present(trail), Some(from)) => {
                        from.pending(&trail.settings.cloud_watch_logs(), "the trail's log group and role")
                    }
                    (progress, _, _) => progress,
                }
            }
            TrailOp::StartLogging { .. } => judge(&seen.logging, |logging| *logging),
            TrailOp::StopLogging { .. } => judge(&seen.logging, |logging| !logging),
            TrailOp::PutEventSelectors { events, from, .. } => {
                match (judge(&seen.events, |found| found.satisfy(events)), &seen.events, from) {
                    (Progress::Pending, Fact::Present(found), Some(from)) => from.pending(&Basis::of(found), "what the trail records"),
                    (Progress::Pending, Fact::Present(found), None) if !found.are_default() => {
                        Progress::Stale("somebody else set what the new trail records".to_owned())
                    }
                    (progress, _, _) => progress,
                }
            }
            TrailOp::PutInsights { insights, from, .. } => match (
                judge(&seen.insights, |found| {
                    let kinds = |list: &[InsightSetting]| {
                        let mut kinds: Vec<String> = list.iter().map(|insight| insight.insight.clone()).collect();
                        kinds.sort();
                        kinds.dedup();
                        kinds
                    };
                    kinds(found) == kinds(insights)
                }),
                &seen.insights,
            ) {
                (Progress::Pending, Fact::Present(found)) => from.pending(&insights_basis(found), "what Insights looks for in the trail"),
                (progress, _) => progress,
            },
            TrailOp::Tag { tags, .. } => judge(&seen.tags, |found| tags.iter().all(|(key, value)| found.get(key) == Some(value))),
            TrailOp::Untag { keys, .. } => judge(&seen.tags, |found| keys.iter().all(|key| !found.contains_key(key))),
        }
    }

    /// The trail's ARN; none of one that is to be made.
    fn trail(&self) -> Option<&str> {
        match self {
            TrailOp::Create { .. } => None,
            TrailOp::Update { trail, .. }
            | TrailOp::StartLogging { trail }
            | TrailOp::StopLogging { trail }
            | TrailOp::PutEventSelectors { trail, .. }
            | TrailOp::PutInsights { trail, .. }
            | TrailOp::Tag { trail, .. }
            | TrailOp::Untag { trail, .. } => Some(trail),
        }
    }

    pub(super) async fn start(&self, writes: &Writes) -> Result<(), CallError> {
        // "This operation must be called from the Region in which the trail was created." (UpdateTrail, StartLogging and the others)
        let home = self.trail().and_then(|arn| arn.split(':').nth(3)).filter(|region| !region.is_empty());
        let cloudtrail = match home {
            Some(home) => writes.cloudtrail().in_region(home),
            None => writes.cloudtrail(),
        };
        match self {
            TrailOp::Create { name, settings, tags } => {
                let tags = built(&calls::cloudtrail::CREATE_TRAIL, self::tags(tags))?;
                let settings = settings.clone();
                let sent = cloudtrail
                    .create_trail(|request| {
                        request
                            .name(name)
                            .set_s3_bucket_name(settings.bucket)
                            .set_s3_key_prefix(settings.key_prefix.filter(|prefix| !prefix.is_empty()))
                            .set_is_multi_region_trail(settings.multi_region)
                            .set_include_global_service_events(settings.global_events)
                            .set_enable_log_file_validation(settings.log_file_validation)
                            .set_kms_key_id(settings.kms_key_arn)
                            .set_cloud_watch_logs_log_group_arn(settings.log_group_arn)
                            .set_cloud_watch_logs_role_arn(settings.role_arn)
                            .set_tags_list(Some(tags))
                    })
                    .await;
                match sent {
                    // It was made in between, by an earlier try whose answer was lost or by somebody else: it is taken as it is, and
                    // compared.
                    Err(error) if error.class == Class::AlreadyExists => Ok(()),
                    sent => sent.map(drop),
                }
            }
            TrailOp::Update { trail, settings, .. } => {
                let settings = settings.clone();
                let sent = cloudtrail.update_trail(|request| {
                    request
                        .name(trail)
                        .set_s3_bucket_name(settings.bucket)
                        .set_s3_key_prefix(settings.key_prefix)
                        .set_is_multi_region_trail(settings.multi_region)
                        .set_include_global_service_events(settings.global_events)
                        .set_enable_log_file_validation(settings.log_file_validation)
                        .set_kms_key_id(settings.kms_key_arn)
                        .set_cloud_watch_logs_log_group_arn(settings.log_group_arn)
                        .set_cloud_watch_logs_role_arn(settings.role_arn)
                });
                sent.await.map(drop)
            }
            TrailOp::StartLogging { trail } => cloudtrail.start_logging(|request| request.name(trail)).await.map(drop),
            TrailOp::StopLogging { trail } => cloudtrail.stop_logging(|request| request.name(trail)).await.map(drop),
            TrailOp::PutEventSelectors { trail, events: Events::Plain(selectors), .. } => {
                let selectors = selectors.iter().map(|selector| selector.send()).collect();
                cloudtrail.put_event_selectors(|request| request.trail_name(trail).set_event_selectors(Some(selectors))).await.map(drop)
            }
            TrailOp::PutEventSelectors { trail, events: Events::Advanced(selectors), .. } => {
                let selectors: Result<Vec<_>, _> = selectors.iter().map(|selector| selector.send()).collect();
                let selectors = built(&calls::cloudtrail::PUT_EVENT_SELECTORS, selectors)?;
                let sent =
                    cloudtrail.put_event_selectors(|request| request.trail_name(trail).set_advanced_event_selectors(Some(selectors)));
                sent.await.map(drop)
            }
            TrailOp::PutInsights { trail, insights, .. } => {
                let selectors = insights.iter().map(|insight| {
                    let categories = insight.categories.iter().map(|category| types::SourceEventCategory::from(category.as_str()));
                    types::InsightSelector::builder()
                        .insight_type(types::InsightType::from(insight.insight.as_str()))
                        .set_event_categories((!insight.categories.is_empty()).then(|| categories.collect()))
                        .build()
                });
                let selectors = selectors.collect();
                cloudtrail.put_insight_selectors(|request| request.trail_name(trail).set_insight_selectors(Some(selectors))).await.map(drop)
            }
            TrailOp::Tag { trail, tags } => {
                let tags = built(&calls::cloudtrail::ADD_TAGS, self::tags(tags))?;
                cloudtrail.add_tags(|request| request.resource_id(trail).set_tags_list(Some(tags))).await.map(drop)
            }
            TrailOp::Untag { trail, keys } => {
                let tags: Result<Vec<_>, _> = keys.iter().map(|key| types::Tag::builder().key(key).build()).collect();
                let tags = built(&calls::cloudtrail::REMOVE_TAGS, tags)?;
                cloudtrail.remove_tags(|request| request.resource_id(trail).set_tags_list(Some(tags))).await.map(drop)
            }
        }
    }
}

/// Insights as what another change of them is planned from.
pub(super) fn insights_basis(found: &[InsightSetting]) -> Basis {
    let mut found: Vec<&InsightSetting> = found.iter().collect();
    found.sort();
    Basis::of(&found)
}

/// Done when what is there is as it should be. Where the trail is not shown (yet), it has not begun.
fn judge<T>(fact: &Fact<T>, done: impl FnOnce(&T) -> bool) -> Progress {
    match fact {
        Fact::Present(found) if done(found) => Progress::Done,
        Fact::Present(_) | Fact::Absent => Progress::Pending,
        Fact::Unknown(why) => Progress::Unknown(why.clone()),
    }
}

fn tags(tags: &BTreeMap<String, String>) -> Result<Vec<types::Tag>, aws_smithy_types::error::operation::BuildError> {
    // A value is 1 to 256 characters, or not there. [service model, TagValue]
    let value = |value: &String| (!value.is_empty()).then(|| value.clone());
    tags.iter().map(|(key, text)| types::Tag::builder().key(key).set_value(value(text)).build()).collect()
}

/// A part of a request that could not be put together is a request that the service would refuse.
fn built<T>(call: &'static Call, part: Result<T, aws_smithy_types::error::operation::BuildError>) -> Result<T, CallError> {
    part.map_err(|error| CallError {
        call,
        class: Class::Invalid,
        code: "RequestNotBuilt".to_owned(),
        message: error.to_string(),
        request_id: None,
    })
}
