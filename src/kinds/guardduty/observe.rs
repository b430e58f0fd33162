//! Looking at the detector. GuardDuty answers nearly every question about something that is not there with the same BadRequestException,
//! so what is there is asked of its lists.

use std::collections::BTreeMap;

use aws_sdk_guardduty::types::{DestinationType, DetectorStatus, FeatureStatus};
use serde_json::Value;

use super::{Detector, DetectorSpec};
use crate::aws::{CallError, Class, Reads, calls, pages};
use crate::kinds::{Fact, FactSet, Kind, Shape, Target, Unreadable, Why, kms};

/// What was seen of the detector.
#[derive(Clone, Debug, Default)]
pub struct DetectorSeen {
    pub detector: Fact<SeenDetector>,
    pub destination: Fact<SeenDestination>,
    /// The key that findings are to be encrypted with. Asked for only where it is another one than before, or publishing fails.
    pub(super) key: Fact<kms::Key>,
    /// The account that administers GuardDuty here. Asked for only when something differs that it would decide.
    pub administrator: Fact<String>,
}

/// A detector as GetDetector shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenDetector {
    pub id: String,
    pub enabled: bool,
    pub frequency: Option<String>,
    /// Flat, as the manifest's are: `S3_DATA_EVENTS`, `RUNTIME_MONITORING.EKS_ADDON_MANAGEMENT`.
    pub features: BTreeMap<String, SeenFeature>,
    pub tags: BTreeMap<String, String>,
}

/// A feature, or an additional configuration of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenFeature {
    pub enabled: bool,
    /// A GuardDuty policy of the organisation decides it.
    pub managed: bool,
}

/// The publishing destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenDestination {
    pub id: String,
    /// The bucket's name.
    pub bucket: String,
    pub prefix: String,
    pub kms_key_arn: Option<String>,
    /// `PENDING_VERIFICATION`, `PUBLISHING`, `UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY`, `STOPPED`.
    pub status: String,
}

impl SeenDestination {
    /// GuardDuty tried and could not publish to it.
    pub fn fails(&self) -> bool {
        self.status == "UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY"
    }
}

pub(super) async fn observe(reads: &Reads, target: &Target<'_, Detector>, want: &FactSet) -> DetectorSeen {
    if want.is_empty() {
        return DetectorSeen::default();
    }
    let id = match detector_id(reads).await {
        Fact::Present(id) => id,
        Fact::Absent => {
            let key = key(reads, target, want, &Fact::Absent).await;
            return DetectorSeen { detector: Fact::Absent, destination: Fact::Absent, key, administrator: Fact::Absent };
        }
        Fact::Unknown(why) => {
            return DetectorSeen { detector: Fact::Unknown(why.clone()), destination: Fact::Unknown(why), ..DetectorSeen::default() };
        }
    };
    let wants_destination = want.any_below("publishingDestination");
    let destination = async { if wants_destination { destination(reads, &id).await } else { Fact::default() } };
    let (detector, destination) = futures::join!(detector(reads, &id, target.spec), destination);
    let key = key(reads, target, want, &destination).await;
    let mut seen = DetectorSeen { detector, destination, key, administrator: Fact::default() };
    if differs(target.spec, &seen, want) {
        seen.administrator = administrator(reads, &id).await;
    }
    seen
}

async fn key(reads: &Reads, target: &Target<'_, Detector>, want: &FactSet, destination: &Fact<SeenDestination>) -> Fact<kms::Key> {
    let to = target.spec.publishing_destination.as_ref().filter(|_| want.any_below("publishingDestination"));
    let Some(words) = to.and_then(|to| to.kms_key_arn.as_deref()) else { return Fact::default() };
    match destination {
        Fact::Present(found) if found.kms_key_arn.as_deref() == Some(words) && !found.fails() => Fact::default(),
        Fact::Unknown(_) => Fact::default(),
        _ => kms::wished(reads, target.scope, &target.scope.region, words).await,
    }
}

/// The detector of the region, as AWS shows it at this moment.
pub(super) async fn only_detector(reads: &Reads) -> Result<String, CallError> {
    let error = |message: &str| CallError {
        call: &calls::guardduty::LIST_DETECTORS,
        class: Class::Busy,
        code: "NotOne".to_owned(),
        message: message.to_owned(),
        request_id: None,
    };
    match detector_ids(reads).await?.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(error("the detector that was made is not shown yet")),
        _ => Err(error("several detectors are listed, and an account has one a region")),
    }
}

async fn detector_ids(reads: &Reads) -> Result<Vec<String>, CallError> {
    pages(|token| async move {
        let answer = reads.guardduty().list_detectors(|request| request.set_next_token(token)).await?;
        Ok((answer.detector_ids.unwrap_or_default(), answer.next_token))
    })
    .await
}

async fn detector_id(reads: &Reads) -> Fact<String> {
    match detector_ids(reads).await {
        Ok(ids) => match ids.as_slice() {
            [] => Fact::Absent,
            [id] => Fact::Present(id.clone()),
            _ => Fact::Unknown(Unreadable {
                call: calls::guardduty::LIST_DETECTORS.to_string(),
                why: Why::Failed,
                message: "it lists several detectors, and an account has one a region".to_owned(),
            }),
        },
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

async fn detector(reads: &Reads, id: &str, spec: &DetectorSpec) -> Fact<SeenDetector> {
    let answer = match reads.guardduty().get_detector(|request| request.detector_id(id)).await {
        Ok(answer) => answer,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    };
    let mut features = BTreeMap::new();
    // A feature that an older detector was never given is not shown: it is off.
    for name in spec.features.iter().flat_map(|features| features.flat().into_keys()) {
        features.insert(name, SeenFeature::default());
    }
    let on = |status: Option<&FeatureStatus>| status == Some(&FeatureStatus::Enabled);
    for feature in answer.features() {
        let Some(name) = feature.name() else { continue };
        let shown = SeenFeature { enabled: on(feature.status()), managed: feature.managed_by().is_some() };
        features.insert(name.as_str().to_owned(), shown);
        for part in feature.additional_configuration() {
            let Some(additional) = part.name() else { continue };
            let shown = SeenFeature { enabled: on(part.status()), managed: part.managed_by().is_some() };
            features.insert(format!("{}.{}", name.as_str(), additional.as_str()), shown);
        }
    }
    Fact::Present(SeenDetector {
        id: id.to_owned(),
        enabled: answer.status() == Some(&DetectorStatus::Enabled),
        frequency: answer.finding_publishing_frequency().map(|frequency| frequency.as_str().to_owned()),
        features,
        tags: answer.tags().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect(),
    })
}

async fn destination(reads: &Reads, detector: &str) -> Fact<SeenDestination> {
    let page = |token: Option<String>| async move {
        let answer = reads.guardduty().list_publishing_destinations(|request| request.detector_id(detector).set_next_token(token)).await?;
        Ok((answer.destinations.unwrap_or_default(), answer.next_token))
    };
    let read = async {
        let listed = pages(page).await?;
        let Some(id) = listed.iter().find(|one| one.destination_type() == Some(&DestinationType::S3)).and_then(|one| one.destination_id())
        else {
            return Ok::<_, CallError>(None);
        };
        let answer = reads.guardduty().describe_publishing_destination(|request| request.detector_id(detector).destination_id(id)).await?;
        let place = answer.destination_properties().and_then(|properties| properties.destination_arn()).unwrap_or_default();
        let place = super::spec::bucket_name(place);
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        Ok(Some(SeenDestination {
            id: id.to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            kms_key_arn: answer.destination_properties().and_then(|properties| properties.kms_key_arn()).map(str::to_owned),
            status: answer.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        }))
    };
    Fact::read(read.await, |_| false)
}

/// The account that administers GuardDuty here, where there is one: an account on its own gets an answer without content.
async fn administrator(reads: &Reads, detector: &str) -> Fact<String> {
    match reads.guardduty().get_administrator_account(|request| request.detector_id(detector)).await {
        Ok(answer) => {
            let account = answer.administrator().and_then(|administrator| administrator.account_id());
            Fact::given(account.filter(|account| !account.is_empty()).map(str::to_owned))
        }
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

/// Whether anything that is asked for is known and not as declared. Tags are left out: they are the account's own, whoever administers GuardDuty.
fn differs(spec: &DetectorSpec, seen: &DetectorSeen, want: &FactSet) -> bool {
    Detector::FIELDS.iter().filter(|field| field.path != "tags" && want.has(field.path)).any(|field| {
        let Some(declared) = (field.wish)(spec) else { return false };
        let satisfied = |found: &Fact<Value>, declared: &Value| match found {
            Fact::Present(found) => field.rule.satisfied(found, declared),
            Fact::Absent => declared.is_null(),
            Fact::Unknown(_) => true,
        };
        let found = (field.fact)(seen);
        match (field.shape, &declared) {
            (Shape::Keyed, Value::Object(entries)) => entries.iter().any(|(key, declared)| {
                let found = found.clone().and_then(|found| Fact::given(found.get(key).cloned()));
                !satisfied(&found, declared)
            }),
            _ => !satisfied(&found, &declared),
        }
    })
}
