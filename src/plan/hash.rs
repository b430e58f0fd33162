//! The hash by which a person consents to a plan.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{PlannedStep, ResourcePlan};
use crate::kinds::{Impact, Key, Scope};

/// The digest of one step: what is done to what, with which impact. Consent that was given to a plan is remembered by these.
pub fn step_digest(scope: &Scope, key: &Key, op: &Value, impact: Impact) -> String {
    digest(&json!([scope.account, scope.region, scope.object, key, impact, op]))
}

/// The digest of a whole plan.
pub(super) fn plan_hash(scope: &Scope, resources: &[ResourcePlan]) -> String {
    let step = |key: &Key, step: &PlannedStep| step_digest(scope, key, &step.op, step.impact);
    let steps: Vec<Value> = resources
        .iter()
        .filter(|resource| !resource.steps.is_empty())
        .map(|resource| json!([resource.key, resource.steps.iter().map(|one| step(&resource.key, one)).collect::<Vec<_>>()]))
        .collect();
    digest(&json!([super::SCHEMA_VERSION, scope.account, scope.region, scope.object, steps]))
}

/// SHA-256 over the canonical form: serde_json keeps the members of an object sorted.
fn digest(value: &Value) -> String {
    let bytes = Sha256::digest(value.to_string().as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
