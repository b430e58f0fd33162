//! The policy of a bucket, which no manifest holds: S3, CloudTrail and GuardDuty each need statements in it. What they ask
//! for is joined first, compared statement by statement, and written once (contract 13). Statements that are not ours are
//! never touched.

mod compare;
mod lockout;
mod merge;
mod observe;
mod spec;

pub use observe::BucketPolicySeen;
pub(super) use spec::made;
pub use spec::{BucketPolicySpec, SID_PREFIX, Statement, contribution};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::merge::Document;
use super::{explain_denied, reached, wants};
use crate::aws::{Call, CallError, Reads, Writes, calls};
use crate::kinds::{
    Basis, Contribution, Drift, Fact, FactSet, Field, Impact, Kind, Multiplicity, Need, Planning, Progress, Reason, Scope, SpecProblem,
    Step, Steps, Target, Why,
};
use crate::manifest::FieldPath;

/// What a service needs of its bucket before it is sent there: that it is there, and that its policy holds the statements which `contributions` ask
/// for. `fields` are those of the service's resource that wait for it.
pub fn needs_of_delivery(bucket: &str, contributions: &[Contribution], fields: &[&str]) -> Vec<Need> {
    let statements = contributions.iter().flat_map(|part| part.value.get("statements").and_then(Value::as_array).into_iter().flatten());
    let parts: Vec<String> = statements.filter_map(|one| one.get("sid")?.as_str()).map(|sid| format!("statements.{sid}")).collect();
    let policy = Need::of_fields(BucketPolicy::PATH, bucket, fields).only(parts.iter().map(String::as_str));
    vec![policy, Need::of_fields("s3.buckets", bucket, fields).only(["create"])]
}

/// The largest policy that S3 takes, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html>
const LARGEST: usize = 20 * 1024;

/// The Sid under which S3 is let in to deliver access logs.
const ACCESS_LOGS: &str = "HoldfastAccessLogs";

/// The policy of one bucket.
pub struct BucketPolicy;

/// Writes a whole policy: what was found, with our statements put in or taken out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketPolicyOp {
    bucket: String,
    /// The bucket's owner: S3 refuses the request when the bucket is somebody else's.
    account: String,
    /// Where the bucket is, if that is another region than the manifest's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// The policy to be written; `null` deletes it, since S3 takes none without statements.
    policy: Option<Value>,
    /// The policy that was found.
    from: Basis,
    wants: BTreeMap<String, Value>,
}

/// A refusal that is new or different can stop somebody who gets through today; one that goes lets in whom it kept out.
fn refuses(found: &Value, declared: &Value) -> Impact {
    if compare::is_deny(declared) || compare::is_deny(found) { Impact::Disruptive } else { Impact::Online }
}

impl Kind for BucketPolicy {
    const PATH: &'static str = "s3.bucketPolicies";
    const TITLE: &'static str = "S3 bucket policy";
    const SHAPE: Multiplicity = Multiplicity::Composed;
    const PART_OF: Option<&'static str> = Some("s3.buckets");
    const FIELDS: &'static [Field<BucketPolicy>] = &[Field::<BucketPolicy>::new(
        "statements",
        |spec| {
            let entries = spec.statements.iter().map(|one| (one.sid.clone(), one.statement.clone().unwrap_or(Value::Null)));
            (!spec.statements.is_empty()).then(|| Value::Object(entries.collect()))
        },
        |seen| seen.policy.as_ref().map(|policy| Value::Object(policy.by_sid())),
    )
    .keyed()
    .rule(crate::kinds::Rule::Own(compare::satisfied))
    .impact(refuses)];
    const CALLS: &'static [&'static Call] = &[
        &calls::s3::GET_BUCKET_POLICY,
        &calls::s3::GET_BUCKET_POLICY_STATUS,
        &calls::s3::GET_BUCKET_WEBSITE,
        &calls::s3::GET_PUBLIC_ACCESS_BLOCK,
        &calls::s3::LIST_BUCKETS,
        &calls::s3control::GET_PUBLIC_ACCESS_BLOCK,
        &calls::s3::PUT_BUCKET_POLICY,
        &calls::s3::DELETE_BUCKET_POLICY,
    ];

    type Spec = BucketPolicySpec;
    type Seen = BucketPolicySeen;
    type Op = BucketPolicyOp;

    fn name(spec: &BucketPolicySpec) -> String {
        spec.bucket.clone()
    }

    fn id(spec: &BucketPolicySpec, _: &Scope) -> String {
        spec.bucket.clone()
    }

    fn problems(spec: &BucketPolicySpec, _: &Scope) -> Vec<SpecProblem> {
        spec.conflicts()
            .into_iter()
            .map(|sid| SpecProblem {
                path: FieldPath::fixed("statements").key(&sid),
                message: format!("two wishes ask for different statements {sid} in the policy of {}", spec.bucket),
                expected: "one statement a Sid".to_owned(),
            })
            .collect()
    }

    fn needs(_: &BucketPolicySpec, id: &str, _: &Scope, _: &[Contribution]) -> Vec<Need> {
        // S3 keeps a policy for any bucket that is there, however it is set.
        vec![Need::of_all("s3.buckets", id).only(["create"])]
    }

    async fn observe(reads: &Reads, target: &Target<'_, BucketPolicy>, want: &FactSet) -> BucketPolicySeen {
        observe::observe(reads, target, want).await
    }

    fn presence(seen: &BucketPolicySeen) -> Fact<()> {
        seen.bucket.clone()
    }

    fn missing(id: &str, scope: &Scope) -> (String, String) {
        (
            format!("there is no bucket {id} in account {}, whose policy could be changed", scope.account),
            "make the bucket (`create: true` in an entry of s3.buckets), or correct its name where it is declared".to_owned(),
        )
    }

    fn creates(spec: &BucketPolicySpec) -> bool {
        spec.bucket_is_made == Some(true)
    }

    fn steps(planning: &Planning<'_, BucketPolicy>) -> Steps<BucketPolicyOp> {
        let mut steps = Steps::default();
        let bucket = planning.id;
        // A bucket that is to be made begins without a policy.
        let empty = Document::default();
        let policy = match &planning.seen.policy {
            Fact::Present(policy) => policy,
            Fact::Absent => &empty,
            Fact::Unknown(why) => {
                steps.block(
                    Reason::Unreadable,
                    "statements",
                    why.message.clone(),
                    "allow s3:GetBucketPolicy, or correct the policy by hand",
                );
                return steps;
            }
        };
        let drifts = planning.below("statements");
        if drifts.is_empty() || blocked(planning, &drifts, &mut steps) {
            return steps;
        }
        let everybody = policy.naming_everybody(planning.spec);
        if !everybody.is_empty() && planning.seen.refused_by == Fact::Absent {
            steps.notes.push(format!(
                "its statement {} may let everybody in: once BlockPublicPolicy is on, S3 takes no change of such a policy any more",
                everybody.join(", ")
            ));
        }
        let changes = drifts.iter().map(|drift| (sid(drift), (!drift.declared.is_null()).then_some(&drift.declared)));
        let merged = policy.with(changes);
        let size = merged.as_ref().map(|merged| merged.to_string().len()).unwrap_or_default();
        if size > LARGEST {
            steps.block(
                Reason::NotSupported,
                "statements",
                format!("the policy of {bucket} would be {size} bytes long, and S3 takes {LARGEST}"),
                "shorten the policy's other statements",
            );
            return steps;
        }
        let refusing = drifts.iter().any(|drift| compare::is_deny(&drift.declared));
        let lets_in = drifts.iter().any(|drift| drift.declared.is_null() && compare::is_deny(&drift.found));
        let website = planning.seen.website.present() == Some(&true);
        if refusing && website {
            steps.notes.push(format!("{bucket} serves a website: its endpoint speaks plain HTTP only and will be refused"));
        }
        let takes = match (refusing, website) {
            (false, _) => "",
            _ if matches!(planning.seen.policy, Fact::Absent) => "",
            (true, false) => "clients that do what the statement denies (plain HTTP, old TLS) are refused from then on",
            (true, true) => "the website stops answering, and clients that do what the statement denies (plain HTTP, old TLS) are refused",
        };
        let in_region = planning.seen.region.as_ref().map(|region| format!(" --region {region}")).unwrap_or_default();
        if let Some(region) = &planning.seen.region {
            steps.notes.push(format!("{bucket} is in {region}, and its policy is changed there"));
        }
        let back = match policy.text() {
            // No command: it would put the whole policy back, over what others write into it meanwhile, and a policy may hold what is not to be shown.
            Some(_) => statements_back(&drifts),
            None => {
                format!("`aws s3api delete-bucket-policy --bucket {bucket}{in_region}`, if nobody added to it since: there was none before")
            }
        };
        let impact = match planning.seen.policy {
            // Nobody is a client of a bucket that is made in the same plan.
            Fact::Absent => Impact::Online,
            _ => drifts.iter().map(|drift| drift.impact).max().unwrap_or(Impact::Online),
        };
        let op = BucketPolicyOp {
            bucket: bucket.to_owned(),
            account: planning.scope.account.clone(),
            region: planning.seen.region.clone(),
            policy: merged,
            from: Basis::of(&policy.canonical()),
            wants: wants(drifts.iter().copied()),
        };
        steps.push(
            Step::online(title(bucket, &drifts), op, drifts.iter().map(|drift| drift.field.clone()))
                .impact(impact, takes)
                .also_takes(if lets_in { "less protected: whom the statement kept out gets in" } else { "" })
                .back(back),
        );
        steps
    }

    fn check(op: &BucketPolicyOp, seen: &BucketPolicySeen) -> Progress {
        match (reached::<BucketPolicy>(seen, &op.wants), &seen.policy) {
            (Progress::Pending, Fact::Present(found)) => {
                op.from.pending(&Basis::of(&found.canonical()), &format!("the policy of {}", op.bucket))
            }
            // Made a moment ago, and not shown everywhere yet; if it was deleted, the deadline tells.
            (Progress::Pending, Fact::Absent) => Progress::Running("the bucket to be there".to_owned()),
            (progress, _) => progress,
        }
    }

    async fn start(writes: &Writes, op: &BucketPolicyOp) -> Result<(), CallError> {
        let s3 = match &op.region {
            Some(region) => writes.s3().in_region(region),
            None => writes.s3(),
        };
        let sent = match &op.policy {
            Some(policy) => s3
                .put_bucket_policy(|request| request.bucket(&op.bucket).expected_bucket_owner(&op.account).policy(policy.to_string()))
                .await
                .map(drop),
            None => s3.delete_bucket_policy(|request| request.bucket(&op.bucket).expected_bucket_owner(&op.account)).await.map(drop),
        };
        sent.map_err(|error| {
            explain_denied(
                error,
                "either s3:PutBucketPolicy is missing, or Block Public Access refuses the policy because another statement in it makes the bucket public",
            )
        })
    }
}

fn sid(drift: &Drift) -> &str {
    drift.field.strip_prefix("statements.").unwrap_or(&drift.field)
}

/// How to go back from statements: the others of the policy are as they were.
fn statements_back(drifts: &[&Drift]) -> String {
    let each = drifts.iter().map(|drift| match &drift.found {
        Value::Null => format!("take {} out of the policy", sid(drift)),
        found => format!("put {} into the policy as it was: {found}", sid(drift)),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn title(bucket: &str, drifts: &[&Drift]) -> String {
    let named = |put: bool| {
        let sids = drifts.iter().filter(|drift| put != drift.declared.is_null()).map(|drift| sid(drift));
        sids.collect::<Vec<_>>().join(", ")
    };
    match (named(true), named(false)) {
        (put, taken) if taken.is_empty() => format!("Put {put} into the policy of {bucket}"),
        (put, taken) if put.is_empty() => format!("Take {taken} out of the policy of {bucket}"),
        (put, taken) => format!("Put {put} into the policy of {bucket} and take {taken} out"),
    }
}

/// Statements that must not be written.
fn blocked(planning: &Planning<'_, BucketPolicy>, drifts: &[&Drift], steps: &mut Steps<BucketPolicyOp>) -> bool {
    let conflicts = planning.spec.conflicts();
    for drift in drifts {
        let sid = sid(drift);
        if conflicts.iter().any(|conflict| conflict == sid) {
            steps.block(
                Reason::Conflict,
                drift.field.clone(),
                format!("two wishes ask for different statements {sid} in the policy of {}", planning.id),
                "make the wishes agree",
            );
        } else if !sid.starts_with(SID_PREFIX) {
            steps.block(
                Reason::InvalidWish,
                drift.field.clone(),
                format!("{sid} is not a statement id of ours, and holdfast writes no other"),
                format!("begin the Sid with {SID_PREFIX}"),
            );
        } else if lockout::denies_repair(&drift.declared, planning.id) {
            steps.block(
                Reason::Conflict,
                drift.field.clone(),
                format!("{sid} would deny holdfast the repair of this very policy"),
                "leave s3:GetBucketPolicy, s3:PutBucketPolicy and s3:DeleteBucketPolicy out of what it denies",
            );
        }
    }
    match &planning.seen.refused_by {
        Fact::Present(by) => steps.block(
            Reason::Conflict,
            "statements",
            format!("the policy of {} lets everybody in, and {by} has S3 refuse every write of such a policy", planning.id),
            format!(
                "take the statement that lets everybody in ({}) out of it; while that Block Public Access is on, nobody gets in by it anyway",
                planning.seen.policy.present().map(|policy| policy.naming_everybody(planning.spec)).unwrap_or_default().join(", ")
            ),
        ),
        Fact::Unknown(why) if why.why != Why::NotAsked => steps.block(
            Reason::Unreadable,
            "statements",
            format!("whether Block Public Access refuses a policy like that of {} could not be read: {}", planning.id, why.message),
            "allow s3:GetBucketPolicyStatus, s3:GetBucketPublicAccessBlock and s3:GetAccountPublicAccessBlock",
        ),
        _ => {}
    }
    let website = &planning.seen.website;
    if let (true, Fact::Unknown(why)) = (drifts.iter().any(|drift| compare::is_deny(&drift.declared)), website) {
        // A bucket that is not there yet serves nothing.
        if why.why != Why::NotAsked {
            steps.block(
                Reason::Unreadable,
                "statements",
                format!("whether {} serves a website could not be read: {}", planning.id, why.message),
                "allow s3:GetBucketWebsite",
            );
        }
    }
    !steps.blocks.is_empty()
}

/// Requests that do not come over TLS are refused, for the bucket and all in it. FSBP S3.5, CIS 3.0.0/2.1.1.
pub fn deny_insecure_transport(bucket: &str, partition: &str, declared: bool) -> Statement {
    let condition = json!({"Bool": {"aws:SecureTransport": "false"}});
    ours("HoldfastDenyInsecureTransport", bucket, partition, declared.then_some(condition))
}

/// Requests that come over an older TLS than `version` are refused. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html>
pub fn deny_old_tls(bucket: &str, partition: &str, version: &str) -> Statement {
    ours("HoldfastDenyOldTls", bucket, partition, Some(json!({"NumericLessThan": {"s3:TlsVersion": version}})))
}

/// S3 may deliver the access logs of the account's buckets: to a bucket without ACLs it cannot otherwise. One statement for all of them, under every
/// prefix: with one a source, as `aws:SourceArn` would have it, some fifty sources fill the largest policy that there is.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html>
pub fn allow_access_logs(bucket: &str, partition: &str, account: &str) -> Statement {
    let statement = json!({
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": format!("arn:{partition}:s3:::{bucket}/*"),
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    });
    Statement { sid: ACCESS_LOGS.to_owned(), statement: Some(statement) }
}

fn ours(sid: &str, bucket: &str, partition: &str, condition: Option<Value>) -> Statement {
    let statement = condition.map(|condition| {
        let mut statement = Map::new();
        statement.insert("Effect".to_owned(), json!("Deny"));
        statement.insert("Principal".to_owned(), json!("*"));
        statement.insert("Action".to_owned(), json!("s3:*"));
        statement
            .insert("Resource".to_owned(), json!([format!("arn:{partition}:s3:::{bucket}"), format!("arn:{partition}:s3:::{bucket}/*")]));
        statement.insert("Condition".to_owned(), condition);
        Value::Object(statement)
    });
    Statement { sid: sid.to_owned(), statement }
}

#[cfg(test)]
mod tests;
