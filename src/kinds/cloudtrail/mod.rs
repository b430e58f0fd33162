//! CloudTrail: trails, what they record, where they deliver it, and whether they log.

mod back;
mod delivery;
mod fields;
mod key;
mod observe;
mod op;
mod policy;
mod selectors;
mod spec;
mod steps;
#[cfg(all(test, feature = "sandbox"))]
mod tests;

pub use observe::{SeenTrail, TrailSeen};
pub use op::{Settings, TrailOp};
pub use selectors::{AdvancedEventSelector, DataResource, EventSelector, Events, FieldSelector, ReadWriteType};
pub use spec::{CloudWatchLogs, Insight, TrailSpec};

use crate::aws::{Call, CallError, Reads, Writes, calls};
use crate::kinds::s3::needs_of_delivery;
use crate::kinds::{Contribution, Fact, FactSet, Field, Kind, Multiplicity, Need, Planning, Progress, Scope, SpecProblem, Steps, Target};

/// The trails of an account.
pub struct Trails;

impl Kind for Trails {
    const PATH: &'static str = "cloudtrail.trails";
    const TITLE: &'static str = "CloudTrail trail";
    const SHAPE: Multiplicity = Multiplicity::Many;
    const FIELDS: &'static [Field<Trails>] = fields::FIELDS;
    const CALLS: &'static [&'static Call] = &[
        &calls::cloudtrail::DESCRIBE_TRAILS,
        &calls::cloudtrail::GET_TRAIL_STATUS,
        &calls::cloudtrail::GET_EVENT_SELECTORS,
        &calls::cloudtrail::GET_INSIGHT_SELECTORS,
        &calls::cloudtrail::LIST_TAGS,
        &calls::kms::DESCRIBE_KEY,
        &calls::s3::LIST_BUCKETS,
        &calls::cloudtrail::CREATE_TRAIL,
        &calls::cloudtrail::UPDATE_TRAIL,
        &calls::cloudtrail::START_LOGGING,
        &calls::cloudtrail::STOP_LOGGING,
        &calls::cloudtrail::PUT_EVENT_SELECTORS,
        &calls::cloudtrail::PUT_INSIGHT_SELECTORS,
        &calls::cloudtrail::ADD_TAGS,
        &calls::cloudtrail::REMOVE_TAGS,
    ];
    const IDENTITY: &'static [&'static str] = &["name", "trail"];
    // A trail of all regions is shown in each of them, under the same name.
    const GLOBAL: bool = true;

    type Spec = TrailSpec;
    type Seen = TrailSeen;
    type Op = TrailOp;

    fn is_regional(spec: &TrailSpec) -> bool {
        spec.multi_region == Some(false)
    }

    fn name(spec: &TrailSpec) -> String {
        spec.name.clone()
    }

    fn id(spec: &TrailSpec, _: &Scope) -> String {
        spec.trail.clone().unwrap_or_else(|| spec.name.clone())
    }

    fn problems(spec: &TrailSpec, scope: &Scope) -> Vec<SpecProblem> {
        spec.problems(scope)
    }

    fn contributes(spec: &TrailSpec, id: &str, scope: &Scope) -> Vec<Contribution> {
        policy::contributions(spec, id, scope)
    }

    fn asks(spec: &TrailSpec, id: &str, scope: &Scope, seen: &TrailSeen) -> Option<Vec<Contribution>> {
        Some(policy::asked(spec, id, scope, seen.trail.present()?))
    }

    fn needs(spec: &TrailSpec, _: &str, scope: &Scope, asks: &[Contribution]) -> Vec<Need> {
        let Some(bucket) = spec.own_bucket(scope) else { return Vec::new() };
        // CloudTrail looks at the policy whenever a trail is made or updated, and not when it is told to log.
        needs_of_delivery(bucket, asks, &steps::SETTINGS)
    }

    async fn observe(reads: &Reads, target: &Target<'_, Trails>, want: &FactSet) -> TrailSeen {
        observe::observe(reads, target, want).await
    }

    fn presence(seen: &TrailSeen) -> Fact<()> {
        seen.trail.as_ref().map(|_| ())
    }

    /// A trail cannot be made without a bucket.
    fn missing(id: &str, scope: &Scope) -> (String, String) {
        (
            format!("there is no CloudTrail trail {id} in account {}, region {}", scope.account, scope.region),
            "declare its `bucket` to have it made, correct its name, or take the entry out of the manifest".to_owned(),
        )
    }

    fn creates(spec: &TrailSpec) -> bool {
        spec.bucket.is_some()
    }

    fn notes(spec: &TrailSpec, seen: &TrailSeen) -> Vec<String> {
        let alone = seen.trail.present().filter(|trail| spec.organization_id.is_some() && !trail.organization);
        let note = |_| "organizationId is declared, and the trail is none of an organization's: nothing is done with it".to_owned();
        let lost = seen.delivery_error.present().filter(|_| seen.logging.present() == Some(&true));
        let lost = lost.map(|error| {
            format!("CloudTrail could not deliver to the trail's bucket when it last tried ({error}): see that the bucket is there and lets CloudTrail in, or declare `bucket` here")
        });
        alone.map(note).into_iter().chain(lost).collect()
    }

    fn steps(planning: &Planning<'_, Trails>) -> Steps<TrailOp> {
        steps::steps(planning)
    }

    fn check(op: &TrailOp, seen: &TrailSeen) -> Progress {
        op.check(seen)
    }

    async fn start(writes: &Writes, op: &TrailOp) -> Result<(), CallError> {
        op.start(writes).await
    }
}

/// The ARN of a trail that is at home in this account and region.
fn arn(scope: &Scope, name: &str) -> String {
    format!("arn:{}:cloudtrail:{}:{}:trail/{name}", scope.partition, scope.region, scope.account)
}
