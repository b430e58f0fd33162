//! S3 buckets, by name or by selector.

mod change;
mod lifecycle;
mod observe;
mod spec;
mod steps;

pub use change::BucketOp;
pub use lifecycle::{Expiration, Filter, Lifecycle, NoncurrentExpiration, NoncurrentTransition, Rule, StorageClass, Transition};
pub use observe::BucketSeen;
pub(super) use observe::all;
pub use spec::{Algorithm, BucketSpec, Encryption, Logging, Ownership, TlsVersion, Versioning};

use serde_json::{Map, Value};

use super::policy;
use super::reached;
use crate::aws::{CREATE_BUCKET_WITH_TAGS, Call, CallError, Reads, Writes, calls};
use crate::kinds::{
    Candidate, Contribution, Control, Fact, FactSet, Field, Impact, Kind, Multiplicity, Need, Planning, Progress, Rule as Compare, Scope,
    Selector, SpecProblem, Steps, Target,
};

/// An S3 bucket.
pub struct Bucket;

const fn fsbp(id: &'static str) -> Control {
    Control { benchmark: "FSBP", id }
}

const fn cis(id: &'static str) -> Control {
    Control { benchmark: "CIS", id }
}

// Numbers as in https://docs.aws.amazon.com/securityhub/latest/userguide/s3-controls.html and CIS AWS Foundations 3.0.0.
const PUBLIC: &[Control] = &[fsbp("S3.8"), fsbp("S3.2"), fsbp("S3.3"), cis("3.0.0/2.1.4")];
const TRANSPORT: &[Control] = &[fsbp("S3.5"), cis("3.0.0/2.1.1")];
const OWNERSHIP: &[Control] = &[fsbp("S3.12")];
const LOGGING: &[Control] = &[fsbp("S3.9")];
const LIFECYCLE: &[Control] = &[fsbp("S3.13")];

fn by_kms(algorithm: &Value) -> bool {
    algorithm.as_str().is_some_and(|algorithm| algorithm.starts_with("aws:kms"))
}

/// Whoever reads the log where it is looks in vain from then on; one that is thrown away nobody reads.
fn moves_log(found: &Value, _: &Value) -> Impact {
    match found.as_str().is_none_or(|found| found.contains("nothing is delivered")) {
        true => Impact::Online,
        false => Impact::Disruptive,
    }
}

impl Kind for Bucket {
    const PATH: &'static str = "s3.buckets";
    const TITLE: &'static str = "S3 bucket";
    const SHAPE: Multiplicity = Multiplicity::Many;
    const FIELDS: &'static [Field<Bucket>] = &[
        Field::<Bucket>::new(
            "create",
            |spec| (spec.create == Some(true)).then_some(Value::Bool(true)),
            |seen| match &seen.presence {
                Fact::Absent => Fact::Present(Value::Bool(false)),
                presence => presence.as_ref().map(|_| Value::Bool(true)),
            },
        ),
        Field::<Bucket>::new(
            "publicAccessBlock.blockPublicAcls",
            |spec| spec.public_access_block.as_ref()?.block_public_acls.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.block_public_acls)),
        )
        .controls(PUBLIC),
        Field::<Bucket>::new(
            "publicAccessBlock.ignorePublicAcls",
            |spec| spec.public_access_block.as_ref()?.ignore_public_acls.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.ignore_public_acls)),
        )
        .controls(PUBLIC),
        Field::<Bucket>::new(
            "publicAccessBlock.blockPublicPolicy",
            |spec| spec.public_access_block.as_ref()?.block_public_policy.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.block_public_policy)),
        )
        .controls(PUBLIC),
        Field::<Bucket>::new(
            "publicAccessBlock.restrictPublicBuckets",
            |spec| spec.public_access_block.as_ref()?.restrict_public_buckets.map(Value::Bool),
            |seen| seen.flags.as_ref().map(|flags| Value::Bool(flags.restrict_public_buckets)),
        )
        .controls(PUBLIC),
        // By KMS, whoever writes and reads needs permissions on a key: other accounts and anonymous readers have none.
        Field::<Bucket>::new(
            "encryption.algorithm",
            |spec| spec.encryption.as_ref()?.algorithm.map(|algorithm| Value::from(algorithm.as_str())),
            |seen| {
                let algorithm = seen.encryption.as_ref().map(|found| found.algorithm.clone());
                algorithm.and_then(|found| if found.is_empty() { Fact::Absent } else { Fact::Present(Value::from(found)) })
            },
        )
        .impact(|found, declared| if by_kms(declared) != by_kms(found) { Impact::Disruptive } else { Impact::Online }),
        // Whoever may not use the new key can neither write to the bucket nor read what is written from then on.
        Field::<Bucket>::new(
            "encryption.kmsKeyId",
            |spec| spec.encryption.as_ref()?.kms_key_id.clone().map(Value::from),
            |seen| seen.encryption.as_ref().and_then(|found| found.key.clone()).map(Value::from),
        )
        .impact(|_, _| Impact::Disruptive),
        Field::<Bucket>::new(
            "encryption.bucketKey",
            |spec| spec.encryption.as_ref()?.bucket_key.map(Value::Bool),
            |seen| seen.encryption.as_ref().map(|found| Value::Bool(found.bucket_key)),
        ),
        // Compared and written as statements of the bucket's policy, which other kinds have a say in: see `contributes`. They
        // stand here for what `explain` says of them.
        Field::<Bucket>::new("denyInsecureTransport", |_| None, |_| Fact::default()).controls(TRANSPORT),
        Field::<Bucket>::new("minimumTlsVersion", |_| None, |_| Fact::default()).rule(Compare::AtLeast),
        // Suspended, what is overwritten or deleted from then on is gone.
        Field::<Bucket>::new(
            "versioning",
            |spec| spec.versioning.map(|versioning| Value::from(versioning.as_str())),
            |seen| seen.versioning.as_ref().and_then(|found| Fact::given(found.status.clone())).map(Value::from),
        )
        .impact(|found, declared| if found == "Enabled" && declared == "Suspended" { Impact::Disruptive } else { Impact::Online }),
        // Enforced, whoever had access by an ACL has none; no longer, ACLs count again.
        Field::<Bucket>::new(
            "ownership",
            |spec| spec.ownership.map(|ownership| Value::from(ownership.as_str())),
            |seen| seen.ownership.clone().map(Value::from),
        )
        .impact(
            |found, declared| {
                if [found, declared].iter().any(|one| *one == "BucketOwnerEnforced") { Impact::Disruptive } else { Impact::Online }
            },
        )
        .controls(OWNERSHIP),
        Field::<Bucket>::new(
            "logging.targetBucket",
            |spec| spec.logging.as_ref()?.target_bucket.clone().map(Value::from),
            // A log that is thrown away is none.
            |seen| {
                let by = |bucket: &str| seen.log_encryption.present().filter(|log| log.bucket == bucket && log.by_kms());
                seen.logging.as_ref().map(|found| match by(&found.bucket) {
                    Some(log) => Value::from(format!("{} (encrypted by {}: nothing is delivered)", found.bucket, log.algorithm)),
                    None => Value::from(found.bucket.clone()),
                })
            },
        )
        .impact(moves_log)
        .controls(LOGGING),
        Field::<Bucket>::new(
            "logging.targetPrefix",
            |spec| spec.logging.as_ref()?.target_prefix.clone().map(Value::from),
            |seen| seen.logging.as_ref().map(|found| Value::from(found.prefix.clone())),
        )
        .impact(moves_log)
        .controls(LOGGING),
        Field::<Bucket>::new(
            "lifecycle.rules",
            |spec| {
                let rules = &spec.lifecycle.as_ref()?.rules;
                let entries = rules.iter().map(|rule| (rule.id.clone(), rule.value()));
                (!rules.is_empty()).then(|| Value::Object(entries.collect()))
            },
            |seen| {
                seen.lifecycle.as_ref().map(|found| {
                    let ours =
                        found.rules.iter().filter_map(|rule| Some((rule.id.strip_prefix(lifecycle::ID_PREFIX)?.to_owned(), rule.value())));
                    Value::Object(ours.collect::<Map<_, _>>())
                })
            },
        )
        .keyed()
        .impact(lifecycle::impact)
        .controls(LIFECYCLE),
        // Found: `true`, or the ids of the rules that are too many.
        Field::<Bucket>::new(
            "lifecycle.exclusive",
            |spec| spec.lifecycle.as_ref()?.exclusive.filter(|exclusive| *exclusive).map(Value::Bool),
            |seen| {
                seen.lifecycle
                    .as_ref()
                    .map(|found| if found.others.is_empty() { Value::Bool(true) } else { Value::from(found.others.clone()) })
            },
        )
        // Rules that somebody else made.
        .impact(|found, _| if found.is_array() { Impact::Disruptive } else { Impact::Online }),
        Field::<Bucket>::new(
            "tags",
            |spec| {
                let entries = || spec.tags.iter().map(|(key, value)| (key.clone(), value.clone().map_or(Value::Null, Value::from)));
                (!spec.tags.is_empty()).then(|| entries().collect())
            },
            |seen| seen.tags.as_ref().map(|tags| tags.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect()),
        )
        .keyed(),
    ];
    const CALLS: &'static [&'static Call] = &[
        &calls::s3::LIST_BUCKETS,
        &calls::s3::GET_BUCKET_LOCATION,
        &calls::s3::GET_PUBLIC_ACCESS_BLOCK,
        &calls::s3::GET_BUCKET_ENCRYPTION,
        &calls::s3::GET_BUCKET_POLICY_STATUS,
        &calls::s3::GET_BUCKET_ACL,
        &calls::s3::GET_BUCKET_WEBSITE,
        &calls::s3::GET_BUCKET_VERSIONING,
        &calls::s3::GET_BUCKET_OWNERSHIP_CONTROLS,
        &calls::s3::GET_BUCKET_LOGGING,
        &calls::s3::GET_BUCKET_LIFECYCLE_CONFIGURATION,
        &calls::s3::GET_BUCKET_TAGGING,
        &calls::kms::DESCRIBE_KEY,
        &calls::s3::CREATE_BUCKET,
        &CREATE_BUCKET_WITH_TAGS,
        &calls::s3::PUT_PUBLIC_ACCESS_BLOCK,
        &calls::s3::PUT_BUCKET_ENCRYPTION,
        &calls::s3::PUT_BUCKET_VERSIONING,
        &calls::s3::PUT_BUCKET_OWNERSHIP_CONTROLS,
        &calls::s3::PUT_BUCKET_LOGGING,
        &calls::s3::PUT_BUCKET_LIFECYCLE_CONFIGURATION,
        &calls::s3::DELETE_BUCKET_LIFECYCLE,
        &calls::s3::PUT_BUCKET_TAGGING,
        &calls::s3::DELETE_BUCKET_TAGGING,
    ];

    const IDENTITY: &'static [&'static str] = &["name", "bucket", "match"];
    const GLOBAL: bool = true;

    type Spec = BucketSpec;
    type Seen = BucketSeen;
    type Op = BucketOp;

    fn name(spec: &BucketSpec) -> String {
        spec.name.clone()
    }

    fn id(spec: &BucketSpec, _: &Scope) -> String {
        spec.id().to_owned()
    }

    fn problems(spec: &BucketSpec, _: &Scope) -> Vec<SpecProblem> {
        spec.problems()
    }

    fn selector(spec: &BucketSpec) -> Option<&Selector> {
        spec.matching.as_ref()
    }

    async fn list(reads: &Reads, scope: &Scope, tags: bool) -> Result<Vec<Candidate>, CallError> {
        observe::list(reads, &scope.region, tags).await
    }

    fn contributes(spec: &BucketSpec, id: &str, scope: &Scope) -> Vec<Contribution> {
        let transport = spec.deny_insecure_transport.map(|declared| policy::deny_insecure_transport(id, &scope.partition, declared));
        let version = spec.minimum_tls_version.map(|version| policy::deny_old_tls(id, &scope.partition, version.as_str()));
        let transport = transport.map(|one| policy::contribution(id, &[one], "denyInsecureTransport"));
        let version = version.map(|one| policy::contribution(id, &[one], "minimumTlsVersion"));
        let made = (spec.create == Some(true)).then(|| policy::made(id, "create"));
        let logs = spec.log_target(id).map(|target| log_contribution(target, scope));
        made.into_iter().chain(transport).chain(version).chain(logs).collect()
    }

    /// The bucket that its access log goes to.
    fn shares(spec: &BucketSpec) -> Option<String> {
        spec.logging.as_ref()?.target_bucket.clone()
    }

    /// That the bucket is there which its access log goes to, and that its policy lets S3 in, for that alone: S3 throws away what it may not deliver,
    /// so that it is let in before it is sent.
    ///
    /// The bucket's own policy comes before BlockPublicPolicy, which leaves a policy that lets everybody in as it is, and takes no change of it any more.
    fn needs(spec: &BucketSpec, id: &str, scope: &Scope, _: &[Contribution]) -> Vec<Need> {
        let mut needs = Vec::new();
        if spec.public_access_block.as_ref().is_some_and(|flags| flags.block_public_policy == Some(true)) {
            needs.push(Need::of_field("s3.bucketPolicies", id, "publicAccessBlock").order_only());
        }
        let Some(target) = spec.log_target(id) else { return needs };
        let asked = [log_contribution(target, scope)];
        needs.extend(policy::needs_of_delivery(target, &asked, &["logging"]));
        needs.push(Need::of_field(Self::PATH, target, "logging").only(["encryption.algorithm"]));
        needs
    }

    async fn observe(reads: &Reads, target: &Target<'_, Bucket>, want: &FactSet) -> BucketSeen {
        observe::observe(reads, target, want).await
    }

    fn presence(seen: &BucketSeen) -> Fact<()> {
        seen.presence.clone()
    }

    fn missing(id: &str, scope: &Scope) -> (String, String) {
        (
            format!("there is no S3 bucket {id} in account {}, region {}", scope.account, scope.region),
            "say `create: true` to have it made, correct its name, or take the entry out of the manifest".to_owned(),
        )
    }

    fn creates(spec: &BucketSpec) -> bool {
        spec.create == Some(true)
    }

    fn steps(planning: &Planning<'_, Bucket>) -> Steps<BucketOp> {
        steps::steps(planning)
    }

    fn check(op: &BucketOp, seen: &BucketSeen) -> Progress {
        match reached::<Bucket>(seen, &op.wants) {
            Progress::Pending => op.pending(seen),
            progress => progress,
        }
    }

    async fn start(writes: &Writes, op: &BucketOp) -> Result<(), CallError> {
        change::start(writes, op).await
    }
}

#[cfg(test)]
mod tests;

/// What a bucket asks of the policy of the one that its access log goes to.
fn log_contribution(target: &str, scope: &Scope) -> Contribution {
    policy::contribution(target, &[policy::allow_access_logs(target, &scope.partition, &scope.account)], "logging.targetBucket")
}
