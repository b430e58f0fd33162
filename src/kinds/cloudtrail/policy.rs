//! What CloudTrail needs in the policy of the bucket that it delivers to.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{TrailSpec, arn};
use crate::kinds::{Contribution, Key, Scope};

pub(super) fn contributions(spec: &TrailSpec, id: &str, scope: &Scope) -> Vec<Contribution> {
    let Some(bucket) = spec.own_bucket(scope) else { return Vec::new() };
    let trail = arn(scope, id);
    // Trails that share a bucket, from other regions and manifests too, each have statements of their own: a Sid holds letters and
    // digits only, so that the ARN itself cannot be in it.
    let own: String = Sha256::digest(&trail).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let service = json!({"Service": "cloudtrail.amazonaws.com"});
    let place = format!("arn:{}:s3:::{bucket}", scope.partition);
    let folder = spec.key_prefix.as_deref().filter(|prefix| !prefix.is_empty()).map(|prefix| format!("{prefix}/")).unwrap_or_default();
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
        "Resource": format!("{place}/{folder}AWSLogs/{}/*", scope.account),
        "Condition": {"StringEquals": {"aws:SourceArn": trail, "s3:x-amz-acl": "bucket-owner-full-control"}},
    });
    let statements = json!([
        {"sid": format!("HoldfastCloudTrailAclCheck{own}"), "statement": check},
        {"sid": format!("HoldfastCloudTrailWrite{own}"), "statement": write},
    ]);
    vec![Contribution {
        to: Key::new("s3.bucketPolicies", bucket),
        value: json!({"bucket": bucket, "statements": statements}),
        field: "bucket",
    }]
}
