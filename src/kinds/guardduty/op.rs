//! What a step does to the detector, as data: sent, and judged.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_guardduty::types::{
    DestinationProperties, DestinationType, DetectorAdditionalConfiguration, DetectorFeature, DetectorFeatureConfiguration,
    FeatureAdditionalConfiguration, FeatureStatus, FindingPublishingFrequency,
};
use serde::{Deserialize, Serialize};

use super::observe::{DetectorSeen, SeenDestination, only_detector};
use crate::aws::{CallError, Writes};
use crate::kinds::{Basis, Fact, Progress, Unreadable, Why};

/// What a destination that is not as it was planned from is called.
const DESTINATION: &str = "where findings are published";

/// One change of the detector. `detector` is its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DetectorOp {
    Create {
        enable: bool,
        settings: Settings,
        tags: BTreeMap<String, String>,
    },
    Update {
        detector: String,
        settings: Settings,
    },
    CreateDestination {
        /// None: the one that a step before makes, whose id GuardDuty chooses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detector: Option<String>,
        place: Place,
        tags: BTreeMap<String, String>,
    },
    UpdateDestination {
        detector: String,
        destination: String,
        place: Place,
        /// The destination that was found: bucket and prefix are one value, of which one may be declared.
        from: Basis,
    },
    /// Sends an unchanged destination again, so that GuardDuty tries anew to publish to it.
    VerifyDestination {
        detector: String,
        destination: String,
        place: Place,
        from: Basis,
    },
    Tag {
        arn: String,
        tags: BTreeMap<String, String>,
    },
    Untag {
        arn: String,
        keys: Vec<String>,
    },
}

/// What CreateDetector and UpdateDetector set; what is `None` or empty is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    /// Flat: `RUNTIME_MONITORING`, `RUNTIME_MONITORING.EKS_ADDON_MANAGEMENT`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, bool>,
}

/// Where findings are published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// `arn:aws:s3:::bucket` or `arn:aws:s3:::bucket/prefix`; `None`: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
}

impl Settings {
    /// The features as the API takes them: the additional configuration below its feature.
    fn features(&self) -> Option<Vec<DetectorFeatureConfiguration>> {
        let status = |enabled: bool| if enabled { FeatureStatus::Enabled } else { FeatureStatus::Disabled };
        let mut nested: BTreeMap<&str, (Option<bool>, Vec<DetectorAdditionalConfiguration>)> = BTreeMap::new();
        for (path, enabled) in &self.features {
            match path.split_once('.') {
                None => nested.entry(path).or_default().0 = Some(*enabled),
                Some((feature, part)) => nested.entry(feature).or_default().1.push(
                    DetectorAdditionalConfiguration::builder()
                        .name(FeatureAdditionalConfiguration::from(part))
                        .status(status(*enabled))
                        .build(),
                ),
            }
        }
        let features = nested.into_iter().map(|(name, (enabled, parts))| {
            DetectorFeatureConfiguration::builder()
                .name(DetectorFeature::from(name))
                .set_status(enabled.map(status))
                .set_additional_configuration((!parts.is_empty()).then_some(parts))
                .build()
        });
        (!self.features.is_empty()).then(|| features.collect())
    }

    fn frequency(&self) -> Option<FindingPublishingFrequency> {
        self.frequency.as_deref().map(FindingPublishingFrequency::from)
    }
}

impl Place {
    fn properties(&self) -> DestinationProperties {
        DestinationProperties::builder().set_destination_arn(self.arn.clone()).set_kms_key_arn(self.kms_key_arn.clone()).build()
    }

    fn is(&self, found: &SeenDestination) -> bool {
        let place = |arn: &str| {
            let place = super::spec::bucket_name(arn);
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            bucket == found.bucket && prefix.trim_matches('/') == found.prefix
        };
        self.arn.as_deref().is_none_or(place) && (self.kms_key_arn.is_none() || self.kms_key_arn == found.kms_key_arn)
    }
}

impl SeenDestination {
    /// The destination as what a change of it is planned from. Its status comes and goes.
    pub(super) fn basis(&self) -> Basis {
        Basis::of(&(&self.id, &self.bucket, &self.prefix, &self.kms_key_arn))
    }
}

impl DetectorOp {
    pub(super) fn check(&self, seen: &DetectorSeen) -> Progress {
        match self {
            // What GuardDuty made otherwise than asked shows as a difference afterwards.
            DetectorOp::Create { .. } => judge(&seen.detector, |_| Progress::Done),
            DetectorOp::Update { settings, .. } => judge(&seen.detector, |detector| {
                let enabled = settings.enabled.is_none_or(|enabled| detector.enabled == enabled);
                let frequency = settings.frequency.is_none() || settings.frequency == detector.frequency;
                let feature =
                    |(name, enabled): (&String, &bool)| detector.features.get(name).is_some_and(|feature| feature.enabled == *enabled);
                done(enabled && frequency && settings.features.iter().all(feature))
            }),
            // One that somebody else made meanwhile may be an administrator's, and is planned for as any that is found.
            DetectorOp::CreateDestination { detector: None, tags, .. }
                if seen
                    .detector
                    .present()
                    .is_some_and(|detector| tags.iter().any(|(key, value)| detector.tags.get(key) != Some(value))) =>
            {
                Progress::Stale("somebody else made the detector since it was planned".to_owned())
            }
            DetectorOp::CreateDestination { place, .. } => judge(&seen.destination, |found| match place.is(found) {
                true => published(found),
                false => Progress::Stale("somebody else made another publishing destination since it was planned".to_owned()),
            }),
            DetectorOp::UpdateDestination { place, from, .. } => judge(&seen.destination, |found| match place.is(found) {
                true => published(found),
                false => from.pending(&found.basis(), DESTINATION),
            }),
            DetectorOp::VerifyDestination { from, .. } => judge(&seen.destination, |found| match found.fails() {
                true => from.pending(&found.basis(), DESTINATION),
                false => published(found),
            }),
            DetectorOp::Tag { tags, .. } => {
                judge(&seen.detector, |detector| done(tags.iter().all(|(key, value)| detector.tags.get(key) == Some(value))))
            }
            DetectorOp::Untag { keys, .. } => {
                judge(&seen.detector, |detector| done(keys.iter().all(|key| !detector.tags.contains_key(key))))
            }
        }
    }

    pub(super) async fn start(&self, writes: &Writes) -> Result<(), CallError> {
        let guardduty = writes.guardduty();
        match self {
            DetectorOp::Create { enable, settings, tags } => {
                let sent = guardduty.create_detector(|request| {
                    request
                        .enable(*enable)
                        .set_finding_publishing_frequency(settings.frequency())
                        .set_features(settings.features())
                        .set_tags(Some(map(tags)))
                });
                made(sent.await.map(drop))
            }
            DetectorOp::Update { detector, settings } => {
                let sent = guardduty.update_detector(|request| {
                    request
                        .detector_id(detector)
                        .set_enable(settings.enabled)
                        .set_finding_publishing_frequency(settings.frequency())
                        .set_features(settings.features())
                });
                sent.await.map(drop)
            }
            DetectorOp::CreateDestination { detector, place, tags } => {
                let detector = match detector {
                    Some(detector) => detector.clone(),
                    None => only_detector(&writes.reads()).await?,
                };
                let sent = guardduty.create_publishing_destination(|request| {
                    request
                        .detector_id(&detector)
                        .destination_type(DestinationType::S3)
                        .destination_properties(place.properties())
                        .set_tags(Some(map(tags)))
                });
                made(sent.await.map(drop))
            }
            DetectorOp::UpdateDestination { detector, destination, place, .. }
            | DetectorOp::VerifyDestination { detector, destination, place, .. } => {
                let sent = guardduty.update_publishing_destination(|request| {
                    request.detector_id(detector).destination_id(destination).destination_properties(place.properties())
                });
                sent.await.map(drop)
            }
            DetectorOp::Tag { arn, tags } => {
                guardduty.tag_resource(|request| request.resource_arn(arn).set_tags(Some(map(tags)))).await.map(drop)
            }
            DetectorOp::Untag { arn, keys } => {
                guardduty.untag_resource(|request| request.resource_arn(arn).set_tag_keys(Some(keys.clone()))).await.map(drop)
            }
        }
    }
}

/// A thing that is there already was made by an earlier try whose answer was lost, or by somebody else: it is adopted, and compared.
/// GuardDuty has no code for it, only words.
fn made(sent: Result<(), CallError>) -> Result<(), CallError> {
    match sent {
        Err(error) if error.is("BadRequestException") && error.message.contains("already exists") => Ok(()),
        sent => sent,
    }
}

fn map(tags: &BTreeMap<String, String>) -> HashMap<String, String> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn done(done: bool) -> Progress {
    if done { Progress::Done } else { Progress::Pending }
}

/// Where the thing is not shown (yet), the step has not begun.
fn judge<T>(fact: &Fact<T>, of: impl FnOnce(&T) -> Progress) -> Progress {
    match fact {
        Fact::Present(found) => of(found),
        Fact::Absent => Progress::Pending,
        Fact::Unknown(why) => Progress::Unknown(why.clone()),
    }
}

/// How far GuardDuty is with a destination that is as declared.
fn published(found: &SeenDestination) -> Progress {
    match found.status.as_str() {
        "PENDING_VERIFICATION" => Progress::Running("GuardDuty to verify the publishing destination".to_owned()),
        // STOPPED: the detector is suspended, and has nothing to publish.
        "PUBLISHING" | "STOPPED" => Progress::Done,
        _ if found.fails() => Progress::Failed(format!(
            "GuardDuty cannot publish to the bucket {}: the policies of the bucket and of the key must let guardduty.amazonaws.com in",
            found.bucket
        )),
        other => Progress::Unknown(Unreadable {
            call: crate::aws::calls::guardduty::DESCRIBE_PUBLISHING_DESTINATION.to_string(),
            why: Why::Failed,
            message: format!("the publishing destination has a status that holdfast does not know: {other}"),
        }),
    }
}
