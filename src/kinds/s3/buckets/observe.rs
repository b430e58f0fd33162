//! Reading a bucket: one request a declared setting, and whether the bucket is there out of the same answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::operation::list_buckets::builders::ListBucketsFluentBuilder;
use aws_sdk_s3::types as sdk;
use futures::{StreamExt, join};

use super::Bucket;
use super::lifecycle::{self, ID_PREFIX, Rule};
use super::spec::{BucketSpec, Ownership};
use crate::aws::{CallError, Reads, calls, pages};
use crate::kinds::s3::{self, At, Flags, website, website_key};
use crate::kinds::{Candidate, Fact, FactSet, Scope, Target, Unreadable, Why, kms};

/// What was seen of a bucket. Facts of a bucket that is not there are absent.
#[derive(Debug, Default)]
pub struct BucketSeen {
    pub(super) presence: Fact<()>,
    pub(super) flags: Fact<Flags>,
    /// What lets everybody into the bucket. Read only when a flag is to change.
    pub(super) exposure: Fact<Exposure>,
    /// Whether ACLs of single objects may let somebody in now. Read only when they are to be ignored; no part of what a change is planned
    /// from, since the same plan may turn ACLs off before.
    pub(super) object_acls: Fact<bool>,
    pub(super) encryption: Fact<Encryption>,
    /// The key that the manifest names, where the bucket does not have it already.
    pub(super) key: Fact<kms::Key>,
    pub(super) versioning: Fact<Versioning>,
    pub(super) ownership: Fact<String>,
    /// Whether the ACL grants something to others than the owner. Read only when ACLs are to be turned off.
    pub(super) grants: Fact<bool>,
    pub(super) logging: Fact<Logging>,
    /// How the bucket is encrypted that the declared log goes to.
    pub(super) log_encryption: Fact<LogEncryption>,
    pub(super) lifecycle: Fact<Lifecycle>,
    pub(super) tags: Fact<BTreeMap<String, String>>,
}

/// What lets everybody into a bucket, or looks like it.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(super) struct Exposure {
    /// Its ACL names everybody, which counts as long as public ACLs are not ignored.
    pub(super) acl: bool,
    /// S3 judges its policy public, which counts as long as public buckets are not restricted.
    pub(super) policy: bool,
    /// It is set up as a website. By that alone nobody is let in: policy or ACLs decide who reads it.
    pub(super) website: bool,
}

/// Default encryption as S3 holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Encryption {
    pub(super) algorithm: String,
    /// In the manifest's words where it is the key that the manifest names.
    pub(super) key: Fact<String>,
    /// As S3 said it.
    pub(super) raw_key: Option<String>,
    pub(super) bucket_key: bool,
    /// Kinds of encryption that uploads may not use (`SSE-C`): not managed, and kept.
    pub(super) blocked: Vec<String>,
}

impl Encryption {
    /// What every new bucket has. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html>
    pub(super) fn of_a_new_bucket() -> Encryption {
        Encryption { algorithm: "AES256".to_owned(), key: Fact::Absent, ..Encryption::default() }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Versioning {
    /// `None`: it never was on.
    pub(super) status: Option<String>,
    pub(super) mfa_delete: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Logging {
    pub(super) bucket: String,
    pub(super) prefix: String,
    /// How keys of log objects are made; not managed, and kept.
    pub(super) key_format: Option<KeyFormat>,
    /// Whether grants are given on log objects, which no bucket with enforced ownership has and which are not carried over.
    pub(super) grants: bool,
}

/// Default encryption of the bucket that a log goes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LogEncryption {
    pub(super) bucket: String,
    pub(super) algorithm: String,
}

impl LogEncryption {
    /// S3 delivers no log there: "You can use default bucket encryption on the destination bucket only if you use SSE-S3".
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html>
    pub(super) fn by_kms(&self) -> bool {
        self.algorithm.starts_with("aws:kms")
    }
}

/// The forms of log object keys.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) enum KeyFormat {
    Simple,
    /// By date; the source of the date as S3 spells it.
    Partitioned(Option<String>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lifecycle {
    /// All rules, under their ids on S3.
    pub(super) rules: Vec<Rule>,
    /// The ids of those that the manifest does not declare.
    pub(super) others: Vec<String>,
    /// Below which size S3 moves nothing; not managed, and kept.
    pub(super) minimum_size: Option<String>,
}

/// Buckets a page: accounts with a quota above 10,000 are refused a listing in one piece.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>
const PAGE: i32 = 1000;

/// Every bucket of the account by its name, with its region where S3 says it: it does to whoever asks with one of its parameters.
pub(in crate::kinds::s3) async fn all(reads: &Reads) -> Result<Vec<(String, Option<String>)>, CallError> {
    pages(|token| async move {
        let request = |request: ListBucketsFluentBuilder| request.max_buckets(PAGE).set_continuation_token(token);
        let answer = reads.s3().list_buckets(request).await?;
        let named = |bucket: &sdk::Bucket| Some((bucket.name()?.to_owned(), bucket.bucket_region().map(str::to_owned)));
        Ok((answer.buckets().iter().filter_map(named).collect::<Vec<_>>(), answer.continuation_token().map(str::to_owned)))
    })
    .await
}

/// Every bucket of the account, those of that region with their tags where they are asked for.
pub(super) async fn list(reads: &Reads, region: &str, tags: bool) -> Result<Vec<Candidate>, CallError> {
    let all = s3::own_buckets(reads).await?;
    let candidate = |(id, place): (String, Option<String>)| async move {
        // An endpoint that says no region has but one.
        let elsewhere = place.filter(|place| place != region);
        let tags = if tags && elsewhere.is_none() { self::tags(reads, &id, None).await.0 } else { Fact::default() };
        Candidate { id, elsewhere, tags }
    };
    // Requests are paced per service; this bounds only what waits for its turn.
    Ok(futures::stream::iter(all.iter().cloned()).map(candidate).buffered(32).collect().await)
}

pub(super) async fn observe(reads: &Reads, target: &Target<'_, Bucket>, want: &FactSet) -> BucketSeen {
    let (bucket, owner, spec) = (target.id, target.scope.account.as_str(), target.spec);
    let (flags, encryption, versioning, ownership, logging, lifecycle, tags) = join!(
        asked(want.any_below("publicAccessBlock"), flags(reads, bucket, owner)),
        asked(want.any_below("encryption"), encryption(reads, bucket, owner)),
        asked(want.has("versioning"), versioning(reads, bucket, owner)),
        asked(want.has("ownership"), ownership(reads, bucket, owner)),
        asked(want.any_below("logging"), logging(reads, bucket, owner)),
        asked(want.any_below("lifecycle"), lifecycle(reads, bucket, owner, spec)),
        asked(want.has("tags"), tags(reads, bucket, Some(owner))),
    );
    let there = [flags.1, encryption.1, versioning.1, ownership.1, logging.1, lifecycle.1, tags.1];
    let mut seen = BucketSeen {
        presence: presence(&there),
        flags: flags.0,
        encryption: encryption.0,
        versioning: versioning.0,
        ownership: ownership.0,
        logging: logging.0,
        lifecycle: lifecycle.0,
        tags: tags.0,
        ..BucketSeen::default()
    };
    // No setting was asked for, or S3 sent us to another region: only then the bucket's place is worth a request.
    let moved = there.iter().any(|there| matches!(there, There::Elsewhere));
    let asked_nothing = there.iter().all(|there| matches!(there, There::NotAsked));
    if moved || asked_nothing {
        place(reads, target, moved, &mut seen).await;
    }
    if let Fact::Unknown(why) = &seen.presence
        && why.why == Why::Denied
    {
        seen.presence = Fact::Unknown(refused(reads, target, why.clone()).await);
    }
    let declared = spec.public_access_block.clone().unwrap_or_default();
    let opens_question = seen.flags.present().is_some_and(|flags| !flags.satisfy(&declared));
    let enforces = spec.ownership == Some(Ownership::BucketOwnerEnforced)
        && seen.ownership.present().is_some_and(|found| found != Ownership::BucketOwnerEnforced.as_str());
    if opens_question || enforces {
        let (grants, policy, website) = join!(
            asked_fact(true, grants(reads, bucket, owner)),
            asked_fact(opens_question, public_policy(reads, bucket, owner)),
            asked_fact(opens_question, served(reads, bucket, owner)),
        );
        if opens_question {
            seen.exposure = exposure(&grants, &policy, &website);
        }
        if declared.ignore_public_acls == Some(true) && seen.flags.present().is_some_and(|flags| !flags.ignore_public_acls) {
            let found = match want.has("ownership") {
                true => seen.ownership.clone(),
                false => self::ownership(reads, bucket, owner).await.0,
            };
            seen.object_acls = found.map(|found| found != Ownership::BucketOwnerEnforced.as_str());
        }
        seen.grants = grants.map(|grants| grants.others);
    }
    if let Some(target) = spec.log_target(bucket).filter(|_| want.has("logging.targetBucket") && seen.presence.present().is_some()) {
        let (found, _) = self::encryption(reads, target, owner).await;
        seen.log_encryption = found.map(|found| LogEncryption { bucket: target.to_owned(), algorithm: found.algorithm });
    }
    if let (Some(declared), Fact::Present(found)) =
        (spec.encryption.as_ref().and_then(|spec| spec.kms_key_id.as_deref()), &mut seen.encryption)
        && want.has("encryption.kmsKeyId")
    {
        seen.key = resolve(reads, target.scope, declared, found).await;
    } else if let (Some(declared), Fact::Absent) = (spec.encryption.as_ref().and_then(|spec| spec.kms_key_id.as_deref()), &seen.encryption)
    {
        // The bucket is to be made first, and then gets this key.
        seen.key = kms::wished(reads, target.scope, &target.scope.region, declared).await;
    }
    seen
}

/// What an answer says of the bucket itself.
#[derive(Clone, Debug)]
enum There {
    NotAsked,
    Yes,
    No,
    /// S3 says that another region's endpoint is to be asked.
    Elsewhere,
    Unknown(Unreadable),
}

async fn asked<T>(asked: bool, read: impl Future<Output = (Fact<T>, There)>) -> (Fact<T>, There) {
    if asked { read.await } else { (Fact::default(), There::NotAsked) }
}

async fn asked_fact<T>(asked: bool, read: impl Future<Output = Fact<T>>) -> Fact<T> {
    if asked { read.await } else { Fact::default() }
}

/// A setting out of an answer; `unset` is the code that says that the bucket has none (empty: there is no such code), and `otherwise` what
/// holds then.
fn setting<T>(answer: Result<T, CallError>, unset: &str, otherwise: Fact<T>) -> (Fact<T>, There) {
    match answer {
        Ok(value) => (Fact::Present(value), There::Yes),
        Err(error) if error.is("NoSuchBucket") => (Fact::Absent, There::No),
        Err(error) if !unset.is_empty() && error.is(unset) => (otherwise, There::Yes),
        Err(error) => {
            let why = Unreadable::from(&error);
            (Fact::Unknown(why.clone()), if error.is_elsewhere() { There::Elsewhere } else { There::Unknown(why) })
        }
    }
}

/// Whether the bucket is there: one answer that speaks of it is enough.
fn presence(there: &[There]) -> Fact<()> {
    let mut presence = Fact::default();
    for one in there {
        match one {
            There::Yes | There::Elsewhere => return Fact::Present(()),
            There::No => presence = Fact::Absent,
            There::Unknown(why) if !presence.is_absent() => presence = Fact::Unknown(why.clone()),
            There::Unknown(_) | There::NotAsked => {}
        }
    }
    presence
}

/// Where the bucket is. Any region's endpoint tells it for a bucket of us-east-1's, and us-east-1's for all.
async fn place(reads: &Reads, target: &Target<'_, Bucket>, moved: bool, seen: &mut BucketSeen) {
    let answer = reads
        .s3()
        .get_bucket_location(|request| request.bucket(target.id).expected_bucket_owner(&target.scope.account))
        .await
        // us-east-1 is said by saying nothing, and eu-west-1 was once called EU.
        .map(|answer| match answer.location_constraint().map(|region| region.as_str()) {
            None | Some("") => "us-east-1".to_owned(),
            Some("EU") => "eu-west-1".to_owned(),
            Some(region) => region.to_owned(),
        });
    let region = match setting(answer, "", Fact::Absent) {
        (Fact::Present(region), _) => Some(region),
        (_, There::Elsewhere) => None,
        (_, there) => {
            if !moved {
                seen.presence = presence(&[there]);
                return;
            }
            None
        }
    };
    seen.presence = Fact::Present(());
    if !moved && region.as_deref() == Some(target.scope.region.as_str()) {
        return;
    }
    let place = region.unwrap_or_else(|| "another region".to_owned());
    let why = Unreadable {
        call: calls::s3::GET_BUCKET_LOCATION.to_string(),
        why: Why::Elsewhere,
        message: format!("the bucket is in {place}, and this object is for {}", target.scope.region),
    };
    // What another region's endpoint answered is no fact about the bucket.
    seen.flags = Fact::Unknown(why.clone());
    seen.encryption = Fact::Unknown(why.clone());
    seen.versioning = Fact::Unknown(why.clone());
    seen.ownership = Fact::Unknown(why.clone());
    seen.logging = Fact::Unknown(why.clone());
    seen.lifecycle = Fact::Unknown(why.clone());
    seen.tags = Fact::Unknown(why.clone());
    seen.presence = Fact::Unknown(why);
}

/// Why nothing of a bucket may be read: a permission is missing, or the bucket is another account's, which S3 answers in the same way where it is
/// told whose it must be. The list of the account's own buckets tells.
async fn refused(reads: &Reads, target: &Target<'_, Bucket>, why: Unreadable) -> Unreadable {
    let (bucket, account, action) = (target.id, &target.scope.account, why.action());
    match s3::own_buckets(reads).await.as_deref() {
        Ok(own) if own.iter().any(|(name, _)| name == bucket) => why,
        Ok(_) => Unreadable {
            message: format!(
                "{}; {bucket} is no bucket of account {account}: either another account has taken the name, which no two buckets can have, or {action} is \
                 missing. Declare another name, or allow {action} to the role that holdfast runs as",
                why.message
            ),
            why: Why::Failed,
            ..why
        },
        Err(_) => Unreadable {
            message: format!("{}; or another account has taken the name {bucket} (s3:ListAllMyBuckets would tell)", why.message),
            ..why
        },
    }
}

async fn flags(reads: &Reads, bucket: &str, owner: &str) -> (Fact<Flags>, There) {
    let at = At { bucket, owner, region: None };
    let answer = reads.once(s3::flags_key(at), || s3::flags(reads, at)).await;
    // A bucket without the setting has all four off.
    setting(answer.map(|flags| *flags), s3::NO_FLAGS, Fact::Present(Flags::default()))
}

/// Of a bucket that logs go to, whoever logs there asks for it, too.
async fn encryption(reads: &Reads, bucket: &str, owner: &str) -> (Fact<Encryption>, There) {
    let read = || async {
        let answer = reads.s3().get_bucket_encryption(|request| request.bucket(bucket).expected_bucket_owner(owner)).await?;
        let rule = answer.server_side_encryption_configuration().and_then(|all| all.rules().first());
        let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default());
        let blocked = rule.and_then(|rule| rule.blocked_encryption_types()).map(|blocked| blocked.encryption_type()).unwrap_or_default();
        let key = default.and_then(|default| default.kms_master_key_id()).map(str::to_owned);
        Ok(Encryption {
            algorithm: default.map(|default| default.sse_algorithm().as_str().to_owned()).unwrap_or_default(),
            key: Fact::given(key.clone()),
            raw_key: key,
            bucket_key: rule.and_then(|rule| rule.bucket_key_enabled()).unwrap_or_default(),
            blocked: blocked.iter().map(|kind| kind.as_str().to_owned()).collect(),
        })
    };
    let answer = reads.once(format!("GetBucketEncryption/{bucket}"), read).await.map(|found| (*found).clone());
    let none = Encryption { key: Fact::Absent, ..Encryption::default() };
    setting(answer, "ServerSideEncryptionConfigurationNotFoundError", Fact::Present(none))
}

async fn versioning(reads: &Reads, bucket: &str, owner: &str) -> (Fact<Versioning>, There) {
    let answer = reads.s3().get_bucket_versioning(|request| request.bucket(bucket).expected_bucket_owner(owner)).await;
    let answer = answer.map(|answer| Versioning {
        status: answer.status().map(|status| status.as_str().to_owned()),
        mfa_delete: answer.mfa_delete() == Some(&sdk::MfaDeleteStatus::Enabled),
    });
    setting(answer, "", Fact::Absent)
}

async fn ownership(reads: &Reads, bucket: &str, owner: &str) -> (Fact<String>, There) {
    let answer = reads.s3().get_bucket_ownership_controls(|request| request.bucket(bucket).expected_bucket_owner(owner)).await;
    let writer = || Ownership::ObjectWriter.as_str().to_owned();
    let answer = answer.map(|answer| {
        let rule = answer.ownership_controls().and_then(|controls| controls.rules().first());
        rule.map(|rule| rule.object_ownership().as_str().to_owned()).unwrap_or_else(writer)
    });
    // A bucket without the setting is one of before it was invented: who uploads owns.
    setting(answer, "OwnershipControlsNotFoundError", Fact::Present(writer()))
}

async fn logging(reads: &Reads, bucket: &str, owner: &str) -> (Fact<Logging>, There) {
    let answer = reads.s3().get_bucket_logging(|request| request.bucket(bucket).expected_bucket_owner(owner)).await;
    let format = |format: &sdk::TargetObjectKeyFormat| match format.partitioned_prefix() {
        Some(partitioned) => KeyFormat::Partitioned(partitioned.partition_date_source().map(|source| source.as_str().to_owned())),
        None => KeyFormat::Simple,
    };
    let answer = answer.map(|answer| {
        answer.logging_enabled().map(|logging| Logging {
            bucket: logging.target_bucket().to_owned(),
            prefix: logging.target_prefix().to_owned(),
            key_format: logging.target_object_key_format().map(format),
            grants: !logging.target_grants().is_empty(),
        })
    });
    let (logging, there) = setting(answer, "", Fact::Absent);
    (logging.and_then(Fact::given), there)
}

async fn lifecycle(reads: &Reads, bucket: &str, owner: &str, spec: &BucketSpec) -> (Fact<Lifecycle>, There) {
    let answer = reads.s3().get_bucket_lifecycle_configuration(|request| request.bucket(bucket).expected_bucket_owner(owner)).await;
    let declared = |id: &str| {
        let rules = spec.lifecycle.as_ref().map(|lifecycle| lifecycle.rules.as_slice()).unwrap_or_default();
        id.strip_prefix(ID_PREFIX).is_some_and(|id| rules.iter().any(|rule| rule.id == id))
    };
    let answer = answer.map(|answer| {
        let rules: Vec<Rule> = answer.rules().iter().map(lifecycle::from_sdk).collect();
        Lifecycle {
            others: rules.iter().filter(|rule| !declared(&rule.id)).map(|rule| rule.id.clone()).collect(),
            rules,
            minimum_size: answer.transition_default_minimum_object_size().map(|size| size.as_str().to_owned()),
        }
    });
    setting(answer, "NoSuchLifecycleConfiguration", Fact::Present(Lifecycle::default()))
}

/// A selector by tags and the bucket's own tags ask the same: it is read once. The listing, which names no owner, asks first.
async fn tags(reads: &Reads, bucket: &str, owner: Option<&str>) -> (Fact<BTreeMap<String, String>>, There) {
    let key = format!("GetBucketTagging {bucket}");
    let read = || async {
        let owner = owner.map(str::to_owned);
        let answer = reads.s3().get_bucket_tagging(|request| request.bucket(bucket).set_expected_bucket_owner(owner)).await?;
        Ok(answer.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect::<BTreeMap<_, _>>())
    };
    let answer = if owner.is_none() { reads.once(key, read).await } else { reads.last(key, read).await };
    setting(answer.map(Arc::unwrap_or_clone), "NoSuchTagSet", Fact::Present(BTreeMap::new()))
}

struct Grants {
    public: bool,
    others: bool,
}

async fn grants(reads: &Reads, bucket: &str, owner: &str) -> Fact<Grants> {
    let answer = reads.s3().get_bucket_acl(|request| request.bucket(bucket).expected_bucket_owner(owner)).await;
    let answer = answer.map(|acl| {
        let owner = acl.owner().and_then(|owner| owner.id()).map(str::to_owned);
        let grantees = || acl.grants().iter().filter_map(|grant| grant.grantee());
        // Both groups mean everybody: any AWS account is "authenticated".
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups
        let everybody = |uri: &str| uri.ends_with("/groups/global/AllUsers") || uri.ends_with("/groups/global/AuthenticatedUsers");
        Some(Grants {
            public: grantees().any(|grantee| grantee.uri().is_some_and(everybody)),
            others: grantees().any(|grantee| grantee.uri().is_some() || grantee.id() != owner.as_deref()),
        })
    });
    Fact::read(answer, |_| false)
}

async fn public_policy(reads: &Reads, bucket: &str, owner: &str) -> Fact<bool> {
    let at = At { bucket, owner, region: None };
    let answer = reads.once(s3::public_policy_key(at), || s3::public_policy(reads, at)).await;
    Fact::read(answer.map(|public| Some(*public)), |error| error.is("NoSuchBucketPolicy"))
}

/// Whether the bucket serves a website. Its policy's impact asks the same.
async fn served(reads: &Reads, bucket: &str, owner: &str) -> Fact<bool> {
    let at = At { bucket, owner, region: None };
    let answer = reads.once(website_key(at), || website(reads, at)).await;
    Fact::read(answer.map(|website| Some(*website)), |_| false)
}

/// Unknown when a part of it could not be read.
fn exposure(grants: &Fact<Grants>, policy: &Fact<bool>, website: &Fact<bool>) -> Fact<Exposure> {
    let is = |fact: Fact<bool>| match fact {
        Fact::Present(is) => Ok(is),
        Fact::Absent => Ok(false),
        Fact::Unknown(why) => Err(why),
    };
    let read = || {
        Ok(Exposure { acl: is(grants.as_ref().map(|grants| grants.public))?, policy: is(policy.clone())?, website: is(website.clone())? })
    };
    read().map_or_else(Fact::Unknown, Fact::Present)
}

/// Turns the key that was found into the manifest's word for it, where both mean one key, and answers with the declared one
/// where they do not.
async fn resolve(reads: &Reads, scope: &Scope, declared: &str, found: &mut Encryption) -> Fact<kms::Key> {
    let described = async |words: &str| kms::wished(reads, scope, &scope.region, words).await;
    let Some(raw) = found.raw_key.clone() else { return described(declared).await };
    let is_alias = |key: &str| key.starts_with("alias/") || key.contains(":alias/");
    if raw == declared || (!is_alias(&raw) && raw.rsplit_once('/').is_some_and(|(_, id)| id == declared)) {
        found.key = Fact::Present(declared.to_owned());
        return Fact::default();
    }
    let key = described(declared).await;
    let present = if is_alias(&raw) { described(&raw).await.map(|key| key.arn) } else { Fact::Present(raw.clone()) };
    let id = |arn: &str| arn.rsplit('/').next().map(str::to_owned);
    found.key = match (&key, &present) {
        // S3 gives a key back as it was sent: as an ARN or as the bare id.
        (Fact::Present(key), Fact::Present(present)) if key.arn == *present || id(&key.arn).as_ref() == Some(present) => {
            Fact::Present(declared.to_owned())
        }
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Fact::Unknown(why.clone()),
        _ => Fact::Present(raw),
    };
    key
}
