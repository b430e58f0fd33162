//! What is changed of a bucket, as data, and the request that changes it.

use std::collections::BTreeMap;

use aws_sdk_s3::types as sdk;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lifecycle::{self, Rule};
use super::observe::{self, BucketSeen, KeyFormat};
use crate::aws::{Call, CallError, Class, Writes, calls};
use crate::kinds::s3::{Flags, explain_denied, not_built};
use crate::kinds::{Basis, Fact, Progress};

/// One change of one bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketOp {
    // By name, as operations are written: that spares sorting them.
    /// The bucket's owner: S3 refuses the request when the bucket of that name is somebody else's.
    pub(super) account: String,
    pub(super) bucket: String,
    pub(super) change: Change,
    /// The setting that was found, which the change replaces; none where nothing is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Basis>,
    /// The fields that it is for, by path: what else a request carries is what was found.
    pub(super) wants: BTreeMap<String, Value>,
}

/// S3 replaces settings whole, so that each carries all of its setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Change {
    Create {
        region: String,
        tags: BTreeMap<String, String>,
    },
    PublicAccessBlock(Flags),
    Encryption {
        algorithm: String,
        blocked: Vec<String>,
        bucket_key: Option<bool>,
        /// The key's ARN, which no change of an alias can turn into another key.
        key: Option<String>,
    },
    Versioning(String),
    Ownership(String),
    Logging {
        target: String,
        prefix: String,
        key_format: Option<KeyFormat>,
    },
    /// Every rule that the bucket is to have; none deletes the setting.
    Lifecycle {
        rules: Vec<Rule>,
        minimum_size: Option<String>,
    },
    /// Every tag that the bucket is to have; none deletes the set.
    Tags(BTreeMap<String, String>),
}

/// What S3 does with transitions of small objects where nobody says: what a bucket without lifecycle rules comes to have with its first.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>
const USUAL_MINIMUM: &str = "all_storage_classes_128K";

impl BucketOp {
    /// How far it is, where its fields are not as declared: a setting that is no longer what it was planned from is not replaced.
    pub(super) fn pending(&self, seen: &BucketSeen) -> Progress {
        let (Some(from), Some(found)) = (&self.from, self.change.replaces(seen, self.closes())) else { return Progress::Pending };
        match found {
            // Made a moment ago, and not shown everywhere yet; if it was deleted, the deadline tells.
            _ if seen.presence.is_absent() => Progress::Running("the bucket to be there".to_owned()),
            Fact::Present(found) => from.pending(&found, &format!("{} of {}", self.change.setting(), self.bucket)),
            Fact::Absent => Progress::Pending,
            Fact::Unknown(why) => Progress::Unknown(why),
        }
    }

    /// Whether it turns a Block Public Access flag on.
    pub(super) fn closes(&self) -> bool {
        self.wants.values().any(|wanted| *wanted == Value::Bool(true))
    }
}

impl Change {
    /// The whole setting that it replaces, as it is seen now; of a bucket that is not there yet, what S3 makes a bucket with. `closes`: whether the
    /// bucket is public matters too, since closing it is planned by that.
    pub(super) fn replaces(&self, seen: &BucketSeen, closes: bool) -> Option<Fact<Basis>> {
        Some(match self {
            Change::Create { .. } => return None,
            Change::PublicAccessBlock(_) => match (&seen.flags, &seen.exposure) {
                (Fact::Present(flags), Fact::Present(exposure)) if closes => Fact::Present(Basis::of(&(flags, exposure))),
                (Fact::Present(_), Fact::Unknown(why)) if closes => Fact::Unknown(why.clone()),
                // A bucket that is to be made will not be public.
                (flags, _) => basis(flags, || Flags::ALL, |flags| Basis::of(&(flags, observe::Exposure::default()))),
            },
            Change::Encryption { .. } => basis(&seen.encryption, observe::Encryption::of_a_new_bucket, |found| {
                let mut blocked = found.blocked.clone();
                blocked.sort();
                Basis::of(&(&found.algorithm, &found.raw_key, found.bucket_key, blocked))
            }),
            Change::Versioning(_) => {
                basis(&seen.versioning, observe::Versioning::default, |found| Basis::of(&(&found.status, found.mfa_delete)))
            }
            Change::Ownership(_) => basis(&seen.ownership, || "BucketOwnerEnforced".to_owned(), Basis::of),
            Change::Logging { .. } => match &seen.logging {
                Fact::Unknown(why) => Fact::Unknown(why.clone()),
                found => {
                    let found = found.present().map(|found| (&found.bucket, &found.prefix, &found.key_format, found.grants));
                    Fact::Present(Basis::of(&found))
                }
            },
            Change::Lifecycle { .. } => {
                basis(&seen.lifecycle, observe::Lifecycle::default, |found| lifecycle_basis(&found.rules, found.minimum_size.as_deref()))
            }
            Change::Tags(_) => basis(&seen.tags, BTreeMap::new, Basis::of),
        })
    }

    fn setting(&self) -> &'static str {
        match self {
            Change::Create { .. } => "the bucket",
            Change::PublicAccessBlock(_) => "Block Public Access, or who can reach all,",
            Change::Encryption { .. } => "the default encryption",
            Change::Versioning(_) => "the versioning",
            Change::Ownership(_) => "the object ownership",
            Change::Logging { .. } => "the access logging",
            Change::Lifecycle { .. } => "the lifecycle rules",
            Change::Tags(_) => "the tags",
        }
    }
}

fn basis<T>(found: &Fact<T>, new: impl FnOnce() -> T, of: impl FnOnce(&T) -> Basis) -> Fact<Basis> {
    match found {
        Fact::Present(found) => Fact::Present(of(found)),
        Fact::Absent => Fact::Present(of(&new())),
        Fact::Unknown(why) => Fact::Unknown(why.clone()),
    }
}

/// Lifecycle rules as what another change of them is planned from: in whichever order S3 hands them back.
pub(super) fn lifecycle_basis(rules: &[Rule], minimum_size: Option<&str>) -> Basis {
    let mut rules: Vec<(&str, Value)> = rules.iter().map(|rule| (rule.id.as_str(), rule.value())).collect();
    rules.sort_by_cached_key(|(id, value)| (*id, value.to_string()));
    let size = (!rules.is_empty()).then(|| minimum_size.unwrap_or(USUAL_MINIMUM));
    Basis::of(&(rules, size))
}

pub(super) async fn start(writes: &Writes, op: &BucketOp) -> Result<(), CallError> {
    let s3 = writes.s3();
    let (bucket, owner) = (op.bucket.as_str(), op.account.as_str());
    match &op.change {
        Change::Create { region, tags } => create(writes, op, region, tags).await,
        Change::PublicAccessBlock(flags) => s3
            .put_public_access_block(|request| {
                request.bucket(bucket).expected_bucket_owner(owner).public_access_block_configuration((*flags).into())
            })
            .await
            .map(drop)
            .map_err(|error| {
                explain_denied(error, "s3:PutBucketPublicAccessBlock is missing, or an organisation policy manages these flags")
            }),
        Change::Encryption { algorithm, key, bucket_key, blocked } => {
            let rule = encryption(algorithm, key.as_deref(), *bucket_key, blocked).map_err(built(&calls::s3::PUT_BUCKET_ENCRYPTION))?;
            s3.put_bucket_encryption(|request| {
                request.bucket(bucket).expected_bucket_owner(owner).server_side_encryption_configuration(rule)
            })
            .await
            .map(drop)
        }
        Change::Versioning(status) => {
            let versioning = sdk::VersioningConfiguration::builder().status(status.as_str().into()).build();
            s3.put_bucket_versioning(|request| request.bucket(bucket).expected_bucket_owner(owner).versioning_configuration(versioning))
                .await
                .map(drop)
        }
        Change::Ownership(ownership) => {
            let call = &calls::s3::PUT_BUCKET_OWNERSHIP_CONTROLS;
            let rule = sdk::OwnershipControlsRule::builder().object_ownership(ownership.as_str().into()).build().map_err(built(call))?;
            let controls = sdk::OwnershipControls::builder().rules(rule).build().map_err(built(call))?;
            s3.put_bucket_ownership_controls(|request| request.bucket(bucket).expected_bucket_owner(owner).ownership_controls(controls))
                .await
                .map(drop)
        }
        Change::Logging { target, prefix, key_format } => {
            let enabled = sdk::LoggingEnabled::builder()
                .target_bucket(target)
                .target_prefix(prefix)
                .set_target_object_key_format(key_format.as_ref().map(log_keys))
                .build()
                .map_err(built(&calls::s3::PUT_BUCKET_LOGGING))?;
            let status = sdk::BucketLoggingStatus::builder().logging_enabled(enabled).build();
            s3.put_bucket_logging(|request| request.bucket(bucket).expected_bucket_owner(owner).bucket_logging_status(status))
                .await
                .map(drop)
        }
        Change::Lifecycle { rules, .. } if rules.is_empty() => {
            s3.delete_bucket_lifecycle(|request| request.bucket(bucket).expected_bucket_owner(owner)).await.map(drop)
        }
        Change::Lifecycle { rules, minimum_size } => {
            let call = &calls::s3::PUT_BUCKET_LIFECYCLE_CONFIGURATION;
            let rules = rules.iter().map(lifecycle::to_sdk).collect::<Result<Vec<_>, _>>().map_err(built(call))?;
            let configuration = sdk::BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().map_err(built(call))?;
            let size = minimum_size.as_deref().map(sdk::TransitionDefaultMinimumObjectSize::from);
            s3.put_bucket_lifecycle_configuration(|request| {
                request
                    .bucket(bucket)
                    .expected_bucket_owner(owner)
                    .lifecycle_configuration(configuration)
                    .set_transition_default_minimum_object_size(size)
            })
            .await
            .map(drop)
        }
        // S3 takes no empty set.
        Change::Tags(tags) if tags.is_empty() => {
            s3.delete_bucket_tagging(|request| request.bucket(bucket).expected_bucket_owner(owner)).await.map(drop)
        }
        Change::Tags(tags) => {
            let tags = tagging(tags).map_err(built(&calls::s3::PUT_BUCKET_TAGGING))?;
            s3.put_bucket_tagging(|request| request.bucket(bucket).expected_bucket_owner(owner).tagging(tags)).await.map(drop)
        }
    }
}

fn built<E: std::fmt::Display>(call: &'static Call) -> impl Fn(E) -> CallError {
    move |error| not_built(call, error)
}

/// Makes the bucket and says in its tags that we did: in one request, since a bucket that was made by a process which then ended would never
/// be known as ours. A bucket of ours that is there already is as good.
async fn create(writes: &Writes, op: &BucketOp, region: &str, tags: &BTreeMap<String, String>) -> Result<(), CallError> {
    let tags = tagging(tags).map_err(built(&calls::s3::CREATE_BUCKET))?;
    let mut bucket = sdk::CreateBucketConfiguration::builder().set_tags(Some(tags.tag_set));
    // us-east-1 is the one region that must not be named.
    if region != "us-east-1" {
        bucket = bucket.location_constraint(region.into());
    }
    let made = writes.s3().create_bucket(|request| request.bucket(&op.bucket).create_bucket_configuration(bucket.build())).await;
    match made {
        Err(error) if error.is("BucketAlreadyOwnedByYou") => Ok(()),
        Err(error) if error.class == Class::AlreadyExists => {
            let message = format!("{}; the name belongs to another account: choose another one", error.message);
            Err(CallError { message, ..error })
        }
        made => made
            .map(drop)
            .map_err(|error| explain_denied(error, "s3:CreateBucket or s3:TagResource is missing: a bucket is made with its tags")),
    }
}

fn tagging(tags: &BTreeMap<String, String>) -> Result<sdk::Tagging, String> {
    let tags = tags.iter().map(|(key, value)| sdk::Tag::builder().key(key).value(value).build());
    let tags = tags.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    sdk::Tagging::builder().set_tag_set(Some(tags)).build().map_err(|error| error.to_string())
}

fn encryption(
    algorithm: &str,
    key: Option<&str>,
    bucket_key: Option<bool>,
    blocked: &[String],
) -> Result<sdk::ServerSideEncryptionConfiguration, String> {
    let default = sdk::ServerSideEncryptionByDefault::builder()
        .sse_algorithm(algorithm.into())
        .set_kms_master_key_id(key.map(str::to_owned))
        .build()
        .map_err(|error| error.to_string())?;
    let blocked = (!blocked.is_empty()).then(|| {
        let kinds = blocked.iter().map(|kind| sdk::EncryptionType::from(kind.as_str())).collect();
        sdk::BlockedEncryptionTypes::builder().set_encryption_type(Some(kinds)).build()
    });
    let rule = sdk::ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .set_bucket_key_enabled(bucket_key)
        .set_blocked_encryption_types(blocked)
        .build();
    sdk::ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(|error| error.to_string())
}

fn log_keys(format: &KeyFormat) -> sdk::TargetObjectKeyFormat {
    match format {
        KeyFormat::Simple => sdk::TargetObjectKeyFormat::builder().simple_prefix(sdk::SimplePrefix::builder().build()).build(),
        KeyFormat::Partitioned(source) => {
            let source = source.as_deref().map(sdk::PartitionDateSource::from);
            let partitioned = sdk::PartitionedPrefix::builder().set_partition_date_source(source).build();
            sdk::TargetObjectKeyFormat::builder().partitioned_prefix(partitioned).build()
        }
    }
}
