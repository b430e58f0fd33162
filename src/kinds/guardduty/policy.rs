//! What GuardDuty needs in the policy of the bucket that it publishes to.
//! <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_exportfindings.html>

use serde_json::json;

use super::DetectorSpec;
use crate::hex::short_sha256;
use crate::kinds::{Contribution, Key, Scope};

pub(super) fn contributions(spec: &DetectorSpec, scope: &Scope) -> Vec<Contribution> {
    let (Some(bucket), Some(to)) = (spec.own_bucket(scope), &spec.publishing_destination) else { return Vec::new() };
    let place = format!("arn:{}:s3:::{bucket}", scope.partition);
    // Each prefix has a statement of its own: findings go to the one that the destination has until it is changed, and what lets
    // GuardDuty in there must not go before. Without a prefix the statement is for the whole bucket, any prefix in it too.
    let (folder, mark) = match to.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => (format!("{prefix}/"), format!("X{}", short_sha256(prefix, 12))),
        None => (String::new(), String::new()),
    };
    let service = json!({"Service": "guardduty.amazonaws.com"});
    // The detector's id is not known before it is made; there is one in the region.
    let from = json!({
        "StringEquals": {"aws:SourceAccount": scope.account},
        "ArnLike": {"aws:SourceArn": format!("arn:{}:guardduty:{}:{}:detector/*", scope.partition, scope.region, scope.account)},
    });
    let statement = |action: &str, resource: String| json!({"Effect": "Allow", "Principal": service, "Action": action, "Resource": resource, "Condition": from});
    // Detectors of several regions, each in a manifest object of its own, may share a bucket: each has its own statements. A Sid holds
    // letters and digits only.
    let region: String = scope.region.chars().filter(char::is_ascii_alphanumeric).collect();
    let statements = json!([
        {"sid": format!("HoldfastGuardDutyGetLocation{region}"), "statement": statement("s3:GetBucketLocation", place.clone())},
        {"sid": format!("HoldfastGuardDutyWrite{region}{mark}"), "statement": statement("s3:PutObject", format!("{place}/{folder}*"))},
    ]);
    vec![Contribution {
        to: Key::new("s3.bucketPolicies", bucket),
        value: json!({"bucket": bucket, "statements": statements}),
        field: "publishingDestination.bucket",
    }]
}
