//! What other kinds ask of a bucket's policy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compare;
use crate::kinds::{Contribution, Key};

/// Every statement of ours has a Sid that begins so; statements under other Sids are not ours.
pub const SID_PREFIX: &str = "Holdfast";

/// All that is asked of one bucket's policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketPolicySpec {
    /// The bucket's name.
    #[schemars(length(min = 3, max = 63))]
    pub bucket: String,
    /// `true`: the bucket is made in the same run, so that a policy can be planned for it before it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_is_made: Option<bool>,
    /// The statements, each under a Sid of ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub statements: Vec<Statement>,
}

/// One statement that a bucket's policy must hold, or must not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    /// The statement's id; it begins with `Holdfast`, then letters and digits.
    #[schemars(length(min = 9, max = 100), regex(pattern = "^Holdfast[A-Za-z0-9]+$"))]
    pub sid: String,
    /// The statement in IAM's policy language, without its Sid. `null`: there must be none under this Sid.
    pub statement: Option<Value>,
}

impl BucketPolicySpec {
    /// The Sids under which two different statements are asked for.
    pub(super) fn conflicts(&self) -> Vec<String> {
        let mut first: BTreeMap<&str, &Option<Value>> = BTreeMap::new();
        let mut conflicts = Vec::new();
        for one in &self.statements {
            let before = first.entry(&one.sid).or_insert(&one.statement);
            let same = match (before, &one.statement) {
                (None, None) => true,
                (Some(before), Some(now)) => compare::same(before, now),
                _ => false,
            };
            if !same && !conflicts.contains(&one.sid) {
                conflicts.push(one.sid.clone());
            }
        }
        conflicts
    }
}

/// What a kind hands in so that `bucket`'s policy comes to hold `statements`; `field` is the field of that kind which asks for it.
pub fn contribution(bucket: &str, statements: &[Statement], field: &'static str) -> Contribution {
    composed(BucketPolicySpec { bucket: bucket.to_owned(), bucket_is_made: None, statements: statements.to_vec() }, field)
}

/// What the bucket itself hands in where the manifest says that it is to be made.
pub(in crate::kinds::s3) fn made(bucket: &str, field: &'static str) -> Contribution {
    composed(BucketPolicySpec { bucket: bucket.to_owned(), bucket_is_made: Some(true), statements: Vec::new() }, field)
}

fn composed(value: BucketPolicySpec, field: &'static str) -> Contribution {
    Contribution {
        to: Key::new("s3.bucketPolicies", value.bucket.clone()),
        // Strings, lists and JSON values: they can always be written down.
        value: serde_json::to_value(&value).unwrap_or(Value::Null),
        field,
    }
}
