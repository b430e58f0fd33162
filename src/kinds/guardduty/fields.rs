//! Every field of the detector that can be declared and compared.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::spec::{PublishingDestination, bucket_name};
use super::{Detector, DetectorSpec};
use crate::kinds::{Control, Fact, Field, Impact, Rule};

const fn fsbp(id: &'static str) -> Control {
    Control { benchmark: "FSBP", id }
}

fn value<T: Serialize>(declared: &Option<T>) -> Option<Value> {
    declared.as_ref().map(|declared| json!(declared))
}

/// Whoever reads the findings where they are looks in vain from then on.
fn moves(found: &Value, _: &Value) -> Impact {
    if found.is_null() { Impact::Online } else { Impact::Disruptive }
}

fn same_bucket(found: &Value, declared: &Value) -> bool {
    found.as_str().zip(declared.as_str()).is_some_and(|(found, declared)| bucket_name(found) == bucket_name(declared))
}

fn destination(spec: &DetectorSpec, of: impl Fn(&PublishingDestination) -> &Option<String>) -> Option<Value> {
    value(of(spec.publishing_destination.as_ref()?))
}

/// The fields, in the order in which they are shown.
///
/// Source of the controls: the AWS Foundational Security Best Practices controls for GuardDuty.
pub const FIELDS: &[Field<Detector>] = &[
    Field::<Detector>::new(
        "enabled",
        |spec| value(&spec.enabled),
        // Where there is no detector, nothing watches: that is what `enabled: false` asks for.
        |seen| match seen.detector.as_ref().map(|detector| detector.enabled) {
            Fact::Absent => Fact::Present(json!(false)),
            known => known.map(Value::Bool),
        },
    )
    .controls(&[fsbp("GuardDuty.1")]),
    Field::<Detector>::new(
        "findingPublishingFrequency",
        |spec| value(&spec.finding_publishing_frequency),
        |seen| seen.detector.as_ref().and_then(|detector| Fact::given(detector.frequency.clone().map(Value::String))),
    ),
    Field::<Detector>::new(
        "features",
        |spec| {
            let flat = spec.features.as_ref()?.flat();
            (!flat.is_empty()).then(|| Value::Object(flat.into_iter().map(|(name, enabled)| (name, Value::Bool(enabled))).collect()))
        },
        |seen| {
            seen.detector.as_ref().map(|detector| {
                let flat = detector.features.iter().map(|(name, feature)| (name.clone(), Value::Bool(feature.enabled)));
                Value::Object(flat.collect::<Map<_, _>>())
            })
        },
    )
    .keyed()
    .controls(&[
        fsbp("GuardDuty.5"),
        fsbp("GuardDuty.6"),
        fsbp("GuardDuty.7"),
        fsbp("GuardDuty.8"),
        fsbp("GuardDuty.9"),
        fsbp("GuardDuty.10"),
        fsbp("GuardDuty.11"),
        fsbp("GuardDuty.12"),
        fsbp("GuardDuty.13"),
    ]),
    Field::<Detector>::new(
        "publishingDestination.bucket",
        |spec| destination(spec, |to| &to.bucket),
        |seen| seen.destination.as_ref().map(|found| json!(found.bucket)),
    )
    .rule(Rule::Own(same_bucket))
    .impact(moves),
    Field::<Detector>::new(
        "publishingDestination.prefix",
        |spec| destination(spec, |to| &to.prefix),
        |seen| seen.destination.as_ref().map(|found| json!(found.prefix)),
    )
    .impact(moves),
    Field::<Detector>::new(
        "publishingDestination.kmsKeyArn",
        |spec| destination(spec, |to| &to.kms_key_arn),
        |seen| seen.destination.as_ref().and_then(|found| Fact::given(found.kms_key_arn.clone().map(Value::String))),
    ),
    // Not a wish of its own: a destination is declared to be published to, not only to stand there.
    Field::<Detector>::new(
        "publishingDestination.publishing",
        |spec| spec.publishing_destination.as_ref().and_then(|to| to.bucket.as_ref()).map(|_| Value::Bool(true)),
        |seen| seen.destination.as_ref().map(|found| Value::Bool(!found.fails())),
    )
    .implied_by("publishingDestination"),
    Field::<Detector>::new("tags", |spec| value(&spec.tags), |seen| seen.detector.as_ref().map(|detector| json!(detector.tags))).keyed(),
];
