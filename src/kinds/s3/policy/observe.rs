//! Reading the policy of a bucket, and what decides whether S3 takes another one.

use super::merge::Document;
use super::{ACCESS_LOGS, BucketPolicy, BucketPolicySpec, compare};
use crate::aws::{CallError, Class, Reads, calls};
use crate::kinds::s3::{At, NO_FLAGS, account, flags, flags_key, own_buckets, public_policy, public_policy_key, website, website_key};
use crate::kinds::{Fact, FactSet, Target, Unreadable, Why, few};

/// What was seen of a bucket's policy.
#[derive(Debug, Default)]
pub struct BucketPolicySeen {
    pub(super) bucket: Fact<()>,
    /// Where the bucket is, if that is another region than the manifest's.
    pub(super) region: Option<String>,
    /// A bucket without a policy has an empty one.
    pub(super) policy: Fact<Document>,
    /// Whether the bucket serves a website, whose endpoint speaks plain HTTP only. Read only when a refusal is to be added.
    pub(super) website: Fact<bool>,
    /// Which Block Public Access refuses every further write of this policy, since it lets everybody in. Read only when something is to be put into one
    /// that names everybody; absent: none does.
    pub(super) refused_by: Fact<&'static str>,
}

pub(super) async fn observe(reads: &Reads, target: &Target<'_, BucketPolicy>, want: &FactSet) -> BucketPolicySeen {
    let mut seen = BucketPolicySeen::default();
    if want.is_empty() {
        // Nothing is asked of the policy, and so nothing of the bucket.
        seen.bucket = Fact::Present(());
        return seen;
    }
    let owner = &target.scope.account;
    let mut answer = read(reads, At { bucket: target.id, owner, region: None }).await;
    if answer.as_ref().is_err_and(CallError::is_elsewhere) && may_be_elsewhere(target.spec) {
        match region_of(reads, target).await {
            Ok(region) => {
                answer = read(reads, At { bucket: target.id, owner, region: Some(&region) }).await;
                seen.region = Some(region);
            }
            Err(why) => {
                (seen.bucket, seen.policy) = (Fact::Unknown(why.clone()), Fact::Unknown(why));
                return seen;
            }
        }
    }
    let at = At { bucket: target.id, owner, region: seen.region.as_deref() };
    (seen.bucket, seen.policy) = match answer {
        Ok(None) => (Fact::Present(()), Fact::Present(Document::default())),
        Ok(Some(text)) => (Fact::Present(()), parsed(&text)),
        Err(error) if error.is("NoSuchBucketPolicy") => (Fact::Present(()), Fact::Present(Document::default())),
        Err(error) if error.is("NoSuchBucket") => (Fact::Absent, Fact::Absent),
        Err(error) => {
            let why = match error.class {
                Class::Denied => denied(reads, target, &error).await,
                _ => Unreadable::from(&error),
            };
            (Fact::Unknown(why.clone()), Fact::Unknown(why))
        }
    };
    let (lacks, refuses_more) = lacking(target.spec, seen.policy.present());
    if lacks && seen.policy.present().is_some_and(|policy| !policy.naming_everybody(target.spec).is_empty()) {
        seen.refused_by = refused_by(reads, at).await;
    }
    if refuses_more {
        let answer = reads.last(website_key(at), || website(reads, at)).await;
        seen.website = Fact::read(answer.map(|website| Some(*website)), |_| false);
    }
    seen
}

/// Whether a statement is to be put into the policy as it was found, and whether one that refuses.
fn lacking(spec: &BucketPolicySpec, found: Option<&Document>) -> (bool, bool) {
    let Some(found) = found.map(Document::by_sid) else { return (false, false) };
    let declared = spec.statements.iter().filter_map(|one| Some((&one.sid, one.statement.as_ref()?)));
    let lacking = declared.filter(|(sid, declared)| !found.get(*sid).is_some_and(|found| compare::satisfied(found, declared)));
    lacking.fold((false, false), |(_, refuses), (_, declared)| (true, refuses || compare::is_deny(declared)))
}

/// Which Block Public Access refuses a further write of a policy that names everybody; absent where S3 does not judge it public, or none is on.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-options>
async fn refused_by(reads: &Reads, at: At<'_>) -> Fact<&'static str> {
    let owner = at.owner;
    match reads.last(public_policy_key(at), || public_policy(reads, at)).await {
        Ok(public) if *public => {}
        Ok(_) => return Fact::Absent,
        Err(error) if error.is("NoSuchBucketPolicy") => return Fact::Absent,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    }
    match reads.last(flags_key(at), || flags(reads, at)).await {
        Ok(flags) if flags.block_public_policy => return Fact::Present("the bucket's BlockPublicPolicy"),
        Ok(_) => {}
        Err(error) if error.is(NO_FLAGS) => {}
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    }
    match reads.once(account::flags_key(owner), || account::flags(reads, owner)).await {
        Ok(flags) if flags.block_public_policy => Fact::Present("the account's BlockPublicPolicy"),
        Ok(_) => Fact::Absent,
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

/// The text of a bucket's policy.
async fn read(reads: &Reads, at: At<'_>) -> Result<Option<String>, CallError> {
    let At { bucket, owner, .. } = at;
    let answer = at.s3(reads).get_bucket_policy(|request| request.bucket(bucket).expected_bucket_owner(owner)).await?;
    Ok(answer.policy().map(str::to_owned))
}

/// Whether the bucket may be of another region than the object: trails and detectors of all regions deliver to one bucket, and each object puts in what
/// its own ask for. Access logs go to buckets of their own region alone.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html>
fn may_be_elsewhere(spec: &BucketPolicySpec) -> bool {
    spec.statements.iter().all(|one| one.sid != ACCESS_LOGS)
}

/// Where a bucket is that S3 says is elsewhere. The list of the account's own buckets tells, whichever region is asked.
async fn region_of(reads: &Reads, target: &Target<'_, BucketPolicy>) -> Result<String, Unreadable> {
    let own = own_buckets(reads).await.map_err(|error| {
        let why = Unreadable::from(&error);
        Unreadable { message: format!("{} is in another region, and which one could not be read: {}", target.id, why.message), ..why }
    })?;
    let region = own.iter().find(|(name, _)| name == target.id).and_then(|(_, region)| region.clone());
    region.ok_or_else(|| Unreadable {
        call: calls::s3::LIST_BUCKETS.to_string(),
        why: Why::Failed,
        message: format!(
            "{} is in another region, and no bucket of account {}. Where a trail or a publishing destination delivers to it, have its owner put the \
             statements that the service needs into its policy, and declare the owner's account as bucketAccount beside the bucket",
            target.id, target.scope.account
        ),
    })
}

pub(super) fn parsed(text: &str) -> Fact<Document> {
    match Document::parse(text) {
        Ok(document) => Fact::Present(document),
        Err(reason) => Fact::Unknown(Unreadable {
            call: calls::s3::GET_BUCKET_POLICY.to_string(),
            why: Why::Failed,
            message: format!("the bucket's policy is not one that holdfast understands ({reason}); it is left alone"),
        }),
    }
}

/// Reading the policy was refused: either a permission is missing, or the bucket is another account's, which `ExpectedBucketOwner` answers in
/// the same way. The list of the account's own buckets tells.
async fn denied(reads: &Reads, target: &Target<'_, BucketPolicy>, error: &CallError) -> Unreadable {
    let mut why = Unreadable::from(error);
    let own = own_buckets(reads).await;
    let (bucket, account) = (target.id, &target.scope.account);
    let foreign = match own.as_deref() {
        Ok(own) if own.iter().any(|(name, _)| name == bucket) => return why,
        Ok(_) => {
            why.why = Why::Failed;
            format!(
                "{bucket} is not a bucket of account {account}, or not yet made (then allow s3:GetBucketPolicy to the role that holdfast runs as)"
            )
        }
        Err(_) => format!("or {bucket} is not a bucket of account {account} (s3:ListAllMyBuckets would tell)"),
    };
    let sids: Vec<&str> = target.spec.statements.iter().filter(|one| one.statement.is_some()).map(|one| one.sid.as_str()).collect();
    why.message = format!(
        "{}; {foreign}, and only the bucket's owner can change its policy. Where a trail or a publishing destination delivers to it, have the owner \
         put the statements that the service needs into it, and declare the owner's account as bucketAccount beside the bucket; what a bucket's own \
         entry asks for belongs into an object of the owner's account ({})",
        why.message,
        few(&sids)
    );
    if sids.contains(&ACCESS_LOGS) {
        why.message.push_str("; S3 delivers access logs to buckets of the same account only: name such a bucket as logging.targetBucket");
    }
    why
}
