//! What CloudTrail needs in the policy of the bucket that it delivers to.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>

use serde_json::json;

use super::{SeenTrail, TrailSpec, arn};
use crate::hex::short_sha256;
use crate::kinds::{Contribution, Key, Scope};

/// For a trail that is at home in `scope`, and records the events of this account.
pub(super) fn contributions(spec: &TrailSpec, id: &str, scope: &Scope) -> Vec<Contribution> {
    composed(spec, id, scope, None)
}

/// For a trail as it was seen: where it is at home, and for whom it records.
pub(super) fn asked(spec: &TrailSpec, id: &str, scope: &Scope, trail: &SeenTrail) -> Vec<Contribution> {
    // Of one that is at home elsewhere the bucket and the prefix stay as they are, so that nothing is asked of others.
    let kept = |declared: &Option<String>, found: &Option<String>| {
        declared.as_deref().is_none_or(|declared| declared == found.as_deref().unwrap_or_default())
    };
    let stays = kept(&spec.bucket, &trail.settings.bucket) && kept(&spec.key_prefix, &trail.settings.key_prefix);
    if trail.owner != scope.account || (trail.home_region != scope.region && !stays) {
        return Vec::new();
    }
    let home = Scope { region: trail.home_region.clone(), ..scope.clone() };
    composed(spec, id, &home, spec.organization_id.as_deref().filter(|_| trail.organization))
}

fn composed(spec: &TrailSpec, id: &str, scope: &Scope, organization: Option<&str>) -> Vec<Contribution> {
    let Some(bucket) = spec.own_bucket(scope) else { return Vec::new() };
    let trail = arn(scope, id);
    // Trails that share a bucket, from other regions and manifests too, each have statements of their own.
    let own = mark(&trail);
    let service = json!({"Service": "cloudtrail.amazonaws.com"});
    let place = format!("arn:{}:s3:::{bucket}", scope.partition);
    // Each prefix has a statement of its own too: the trail delivers to the one that it has until it is changed, and what lets it
    // in there must not go before. Where none is declared the trail keeps the prefix that it has, whichever that is.
    let prefix = spec.key_prefix.as_deref().filter(|prefix| !prefix.is_empty());
    let writes = prefix.map_or_else(|| own.clone(), |prefix| mark(&format!("{trail}/{prefix}")));
    let objects = |of: &str| match prefix {
        Some(prefix) => json!(format!("{place}/{prefix}/AWSLogs/{of}/*")),
        None => json!([format!("{place}/AWSLogs/{of}/*"), format!("{place}/*/AWSLogs/{of}/*")]),
    };
    let check = json!({
        "Effect": "Allow",
        "Principal": service,
        "Action": "s3:GetBucketAcl",
        "Resource": place,
        "Condition": {"StringEquals": {"aws:SourceArn": trail}},
    });
    let write = |of: &str| {
        json!({
            "Effect": "Allow",
            "Principal": service,
            "Action": "s3:PutObject",
            "Resource": objects(of),
            "Condition": {"StringEquals": {"aws:SourceArn": trail, "s3:x-amz-acl": "bucket-owner-full-control"}},
        })
    };
    let mut statements = vec![
        json!({"sid": format!("HoldfastCloudTrailAclCheck{own}"), "statement": check}),
        json!({"sid": format!("HoldfastCloudTrailWrite{writes}"), "statement": write(&scope.account)}),
    ];
    // Logs of members are written below the organization's id, those of the management account below its own, too.
    // https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html#org-trail-bucket-policy
    statements.extend(organization.map(|id| json!({"sid": format!("HoldfastCloudTrailOrganization{writes}"), "statement": write(id)})));
    vec![Contribution {
        to: Key::new("s3.bucketPolicies", bucket),
        value: json!({"bucket": bucket, "statements": statements}),
        field: "bucket",
    }]
}

/// Tells statements apart in their Sids, which hold letters and digits only: a short hash.
fn mark(of: &str) -> String {
    short_sha256(of, 12)
}
