//! GuardDuty: the detector of an account and region, its features, and where its findings are published.

mod back;
mod fields;
mod observe;
mod op;
mod policy;
mod spec;
mod steps;
#[cfg(all(test, feature = "sandbox"))]
mod tests;

pub use observe::{DetectorSeen, SeenDestination, SeenDetector, SeenFeature};
pub use op::{DetectorOp, Settings};
pub use spec::{DetectorSpec, Feature, Features, Frequency, PublishingDestination};

use crate::aws::{Call, CallError, Reads, Writes, calls};
use crate::kinds::s3::needs_of_delivery;
use crate::kinds::{Contribution, Fact, FactSet, Field, Kind, Multiplicity, Need, Planning, Progress, Scope, SpecProblem, Steps, Target};

/// The detector: GuardDuty has one an account and region.
pub struct Detector;

impl Kind for Detector {
    const PATH: &'static str = "guardduty.detector";
    const TITLE: &'static str = "GuardDuty detector";
    const SHAPE: Multiplicity = Multiplicity::One;
    const FIELDS: &'static [Field<Detector>] = fields::FIELDS;
    const CALLS: &'static [&'static Call] = &[
        &calls::guardduty::LIST_DETECTORS,
        &calls::guardduty::GET_DETECTOR,
        &calls::guardduty::LIST_PUBLISHING_DESTINATIONS,
        &calls::guardduty::DESCRIBE_PUBLISHING_DESTINATION,
        &calls::guardduty::GET_ADMINISTRATOR_ACCOUNT,
        &calls::kms::DESCRIBE_KEY,
        &calls::guardduty::CREATE_DETECTOR,
        &calls::guardduty::UPDATE_DETECTOR,
        &calls::guardduty::CREATE_PUBLISHING_DESTINATION,
        &calls::guardduty::UPDATE_PUBLISHING_DESTINATION,
        &calls::guardduty::TAG_RESOURCE,
        &calls::guardduty::UNTAG_RESOURCE,
    ];
    const IDENTITY: &'static [&'static str] = &[];

    type Spec = DetectorSpec;
    type Seen = DetectorSeen;
    type Op = DetectorOp;

    fn name(_: &DetectorSpec) -> String {
        "detector".to_owned()
    }

    /// The region: there is one detector in each, and its own id is AWS's choice.
    fn id(_: &DetectorSpec, scope: &Scope) -> String {
        scope.region.clone()
    }

    fn problems(spec: &DetectorSpec, _: &Scope) -> Vec<SpecProblem> {
        spec.problems()
    }

    fn contributes(spec: &DetectorSpec, _: &str, scope: &Scope) -> Vec<Contribution> {
        policy::contributions(spec, scope)
    }

    fn needs(spec: &DetectorSpec, _: &str, scope: &Scope, asks: &[Contribution]) -> Vec<Need> {
        let Some(bucket) = spec.own_bucket(scope) else { return Vec::new() };
        needs_of_delivery(bucket, asks, &["publishingDestination"])
    }

    async fn observe(reads: &Reads, target: &Target<'_, Detector>, want: &FactSet) -> DetectorSeen {
        observe::observe(reads, target, want).await
    }

    fn presence(seen: &DetectorSeen) -> Fact<()> {
        seen.detector.as_ref().map(|_| ())
    }

    /// A member account's publishing destination is its administrator's.
    fn managed_elsewhere(_: &Scope, seen: &DetectorSeen) -> bool {
        seen.administrator.present().is_some()
    }

    fn creates(_: &DetectorSpec) -> bool {
        true
    }

    fn steps(planning: &Planning<'_, Detector>) -> Steps<DetectorOp> {
        steps::steps(planning)
    }

    fn check(op: &DetectorOp, seen: &DetectorSeen) -> Progress {
        op.check(seen)
    }

    async fn start(writes: &Writes, op: &DetectorOp) -> Result<(), CallError> {
        op.start(writes).await
    }
}
