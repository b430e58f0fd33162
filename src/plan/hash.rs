//! The hash by which a person consents to a plan.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{PlannedStep, ResourcePlan};
use crate::kinds::{Impact, Key, Scope};

/// The digest of one step: what is done to what, with which impact. Consent that was given to a plan is remembered by these.
pub fn step_digest(scope: &Scope, key: &Key, op: &Value, impact: Impact) -> String {
    digest(&(&scope.account, &scope.region, &scope.object, key, impact, op))
}

/// The digest of a whole plan.
pub(super) fn plan_hash(scope: &Scope, resources: &[ResourcePlan]) -> String {
    let step = |key: &Key, step: &PlannedStep| step_digest(scope, key, &step.op, step.impact);
    let mut steps: Vec<(&Key, Vec<String>)> = resources
        .iter()
        .filter(|resource| !resource.steps.is_empty())
        .map(|resource| (&resource.key, resource.steps.iter().map(|one| step(&resource.key, one)).collect()))
        .collect();
    // In which order a manifest names its resources changes nothing that is done.
    steps.sort_by_key(|(key, _)| *key);
    digest(&(super::SCHEMA_VERSION, &scope.account, &scope.region, &scope.object, steps))
}

/// SHA-256 over the JSON of a value: serde_json keeps the members of an operation sorted.
fn digest(value: &impl Serialize) -> String {
    let mut hasher = Sha256::new();
    // Neither texts nor numbers nor operations (JSON already) can fail to be written, and the hasher takes everything.
    let _ = serde_json::to_writer(Hashing(&mut hasher), value);
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
