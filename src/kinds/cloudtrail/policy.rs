//! What CloudTrail needs in the policy of the bucket that it delivers to.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{TrailSpec, arn};
use crate::kinds::{Contribution, Key, Scope};

pub(super) fn contributions(spec: &TrailSpec, id: &str, scope: &Scope) -> Vec<Contribution> {
    let Some(bucket) = spec.own_bucket(scope) else { return Vec::new() };
    let trail = arn(scope, id);
    // Trails that share a bucket, from other regions and manifests too, each have statements of their own.
    let own = mark(&trail);
    let service = json!({"Service": "cloudtrail.amazonaws.com"});
    let place = format!("arn:{}:s3:::{bucket}", scope.partition);
    // Each prefix has a statement of its own too: the trail delivers to the one that it has until it is changed, and what lets it
    // in there must not go before. Where none is declared the trail keeps the prefix that it has, whichever that is.
    let logs = format!("AWSLogs/{}/*", scope.account);
    let (writes, objects) = match spec.key_prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => (mark(&format!("{trail}/{prefix}")), json!(format!("{place}/{prefix}/{logs}"))),
        None => (own.clone(), json!([format!("{place}/{logs}"), format!("{place}/*/{logs}")])),
    };
    let check = json!({
        "Effect": "Allow",
        "Principal": service,
        "Action": "s3:GetBucketAcl",
        "Resource": place,
        "Condition": {"StringEquals": {"aws:SourceArn": trail}},
    });
    let write = json!({
        "Effect": "Allow",
        "Principal": service,
        "Action": "s3:PutObject",
        "Resource": objects,
        "Condition": {"StringEquals": {"aws:SourceArn": trail, "s3:x-amz-acl": "bucket-owner-full-control"}},
    });
    let statements = json!([
        {"sid": format!("HoldfastCloudTrailAclCheck{own}"), "statement": check},
        {"sid": format!("HoldfastCloudTrailWrite{writes}"), "statement": write},
    ]);
    vec![Contribution {
        to: Key::new("s3.bucketPolicies", bucket),
        value: json!({"bucket": bucket, "statements": statements}),
        field: "bucket",
    }]
}

/// Tells statements apart in their Sids, which hold letters and digits only: a short hash.
fn mark(of: &str) -> String {
    Sha256::digest(of).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
