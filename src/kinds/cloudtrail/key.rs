//! The key that log files are encrypted with: it must be of the region of the trail's bucket.
//!
//! CloudTrail answers KmsKeyNotFoundException "when the S3 bucket and the KMS key are not in the same Region".
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_UpdateTrail.html#API_UpdateTrail_Errors>

use std::collections::BTreeMap;

use super::{SeenTrail, Trails};
use crate::aws::Reads;
use crate::kinds::kms::{self, Unfit as Wrong};
use crate::kinds::s3::own_buckets;
use crate::kinds::{Fact, Planning, Reason, Unreadable, Why};

/// Where those of these buckets are that are the account's own, by name.
pub(super) async fn regions(reads: &Reads, buckets: &[&String]) -> Fact<BTreeMap<String, String>> {
    match own_buckets(reads).await {
        Ok(own) => {
            let asked = own.iter().filter(|(name, _)| buckets.contains(&name));
            Fact::Present(asked.filter_map(|(name, region)| Some((name.clone(), region.clone()?))).collect())
        }
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

/// The ARN of the declared key, where log files can be encrypted with it in the bucket that they will be in.
pub(super) fn declared(planning: &Planning<'_, Trails>, trail: Option<&SeenTrail>) -> Result<String, Wrong> {
    let words = planning.spec.kms_key_id.as_deref().unwrap_or_default();
    match unfit(planning, trail, words) {
        Some(wrong) => Err(wrong),
        None => kms::usable(&planning.seen.key, "kmsKeyId", words, planning.scope),
    }
}

/// Why the trail cannot move to the declared bucket with the key that it has, and keeps: no other is declared, or that cannot be used.
pub(super) fn kept(planning: &Planning<'_, Trails>, trail: &SeenTrail) -> Option<Wrong> {
    planning.drift("bucket")?;
    let keeps = planning.drift("kmsKeyId").is_none() || declared(planning, Some(trail)).is_err();
    let arn = trail.settings.kms_key_arn.as_deref().filter(|_| keeps)?;
    unfit(planning, Some(trail), arn)
}

/// Whether bucket and key can only be changed in one request: CloudTrail takes neither the new key with the old bucket nor the old one with the new.
pub(super) fn goes_with_the_bucket(planning: &Planning<'_, Trails>, trail: &SeenTrail) -> bool {
    let Fact::Present(regions) = &planning.seen.bucket_regions else { return false };
    let (Some(bucket), Some(_)) = (planning.drift("bucket"), planning.drift("kmsKeyId")) else { return false };
    let (old, new) = (trail.settings.bucket.as_deref(), bucket.declared.as_str());
    let differ = |key: Option<&str>, bucket: Option<&str>| {
        let places = key.and_then(kms::region_of).zip(bucket.and_then(|bucket| regions.get(bucket)));
        places.is_some_and(|(key, bucket)| key != bucket)
    };
    let wished = planning.seen.key.present().map(|key| key.arn.as_str());
    differ(wished, old) || differ(trail.settings.kms_key_arn.as_deref(), new)
}

fn unfit(planning: &Planning<'_, Trails>, trail: Option<&SeenTrail>, key: &str) -> Option<Wrong> {
    let found = || trail.and_then(|trail| trail.settings.bucket.as_deref());
    let bucket = planning.drift("bucket").and_then(|drift| drift.declared.as_str()).or_else(found)?;
    let declared = planning.spec.own_bucket(planning.scope).is_some_and(|own| own == bucket);
    match &planning.seen.bucket_regions {
        Fact::Unknown(why) if why.why == Why::NotAsked => None,
        // A trail that is not made records nothing, and a request that CloudTrail refuses harms nobody.
        Fact::Unknown(_) if trail.is_none() => None,
        Fact::Unknown(why) => Some(Wrong {
            reason: Reason::Unreadable,
            message: format!("whether the bucket {bucket} is in the key's region could not be read: {}: {}", why.call, why.message),
            what_to_do: why.what_to_do(),
        }),
        Fact::Present(regions) => {
            // One that this object makes will be in its region. Where another account's is, that account knows.
            let region = regions.get(bucket).or(Some(&planning.scope.region).filter(|_| declared))?;
            kms::elsewhere((key, planning.seen.home(planning.scope)), "kmsKeyId", (bucket, region))
        }
        Fact::Absent => None,
    }
}
