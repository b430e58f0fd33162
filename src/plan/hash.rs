//! The hash by which a person consents to a plan.

use std::io::{BufWriter, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::parts::side_by_side;
use super::{PlannedStep, ResourcePlan};
use crate::hex::hex;
use crate::kinds::{Impact, Key, Operation, Scope};

/// The digest of one step: what is done to what, with which impact. Consent that was given to a plan is remembered by these.
pub fn step_digest(scope: &Scope, key: &Key, step: &PlannedStep) -> String {
    op_digest(scope, key, step.consent_to(), step.impact)
}

/// The same of an operation that stands in no plan.
pub fn op_digest(scope: &Scope, key: &Key, op: &Operation, impact: Impact) -> String {
    // Texts can always be written down. The operation, which is JSON already, is the last element of their list.
    let list = serde_json::to_string(&(&scope.account, &scope.region, &scope.object, key, impact)).unwrap_or_default();
    let mut hasher = Sha256::new();
    for part in [list.strip_suffix(']').unwrap_or(&list), ",", op.text(), "]"] {
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// What stands before the list that is hashed, so that another form of it never has the same hash. The JSON form of a plan has a version of its own.
const FORM: &str = "holdfast.dev/plan/v1";

/// The digest of a whole plan.
pub(super) fn plan_hash(scope: &Scope, resources: &[ResourcePlan]) -> String {
    let of = |resource: &'_ ResourcePlan| resource.steps.iter().map(|one| step_digest(scope, &resource.key, one)).collect::<Vec<String>>();
    let digests = side_by_side(resources, |part| part.iter().map(of).collect::<Vec<_>>());
    let with_steps = resources.iter().zip(digests.into_iter().flatten()).filter(|(resource, _)| !resource.steps.is_empty());
    let mut steps: Vec<(&Key, Vec<String>)> = with_steps.map(|(resource, digests)| (&resource.key, digests)).collect();
    // In which order a manifest names its resources changes nothing that is done.
    steps.sort_by_key(|(key, _)| *key);
    digest(&(FORM, &scope.account, &scope.region, &scope.object, steps))
}

/// SHA-256 over the JSON of a value.
fn digest(value: &impl Serialize) -> String {
    let mut hasher = Sha256::new();
    // Texts cannot fail to be written, and the hasher takes everything. It is written to in pieces of a few bytes, so that they are gathered first.
    let mut gathered = BufWriter::with_capacity(16 * 1024, Hashing(&mut hasher));
    let _ = serde_json::to_writer(&mut gathered, value);
    let _ = gathered.flush();
    drop(gathered);
    hex(&hasher.finalize())
}

struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Consents that were given are remembered by these digests: how an operation is kept must not change them.
    #[test]
    fn a_steps_digest_is_of_the_operation_as_json_among_the_rest() {
        let scope = crate::kinds::fake::scope("digest");
        let key = Key::new("test.things", "a \"b\"]");
        let op = json!({"b": [1, -2, u64::MAX, 0.5], "a": {"text": "]ü\n", "none": null}, "yes": true});
        let whole = digest(&(&scope.account, &scope.region, &scope.object, &key, Impact::Disruptive, &op));
        assert_eq!(op_digest(&scope, &key, &Operation::from(op), Impact::Disruptive), whole);
    }
}
