//! Access logging: a log that may not be delivered is thrown away without a word.

use serde_json::{Value, json};

use super::*;

fn policy(sandbox: &Sandbox, bucket: &str) -> Value {
    sandbox.world().s3.buckets[bucket].policy.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

fn writes(sandbox: &Sandbox) -> Vec<String> {
    sandbox.writes().into_iter().map(|one| one.operation).collect()
}

#[tokio::test]
async fn the_target_lets_s3_in_before_anything_is_sent_there() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}, huntaze-web: {}, huntaze-logs: {ownership: BucketOwnerEnforced}}}");
    let wish = "{buckets: [{name: huntaze-assets, logging: {targetBucket: huntaze-logs, targetPrefix: assets/}},
                           {name: huntaze-web, logging: {targetBucket: huntaze-logs, targetPrefix: web/}}]}";
    let dry = plan(&sandbox, wish).await;
    let target = dry.resources.iter().find(|one| one.key.to_string() == "s3.bucketPolicies/huntaze-logs").unwrap();
    assert_eq!(target.steps[0].title, "Put HoldfastAccessLogs into the policy of huntaze-logs");
    assert_eq!(target.steps[0].impact, Impact::Online);
    run(&sandbox, wish).await;
    assert_eq!(writes(&sandbox), ["PutBucketPolicy", "PutBucketLogging", "PutBucketLogging"]);
    // One statement for all sources.
    let statements = policy(&sandbox, "huntaze-logs")["Statement"].clone();
    let expected = json!([{
        "Sid": "HoldfastAccessLogs", "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::huntaze-logs/*", "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }]);
    assert_eq!(statements, expected);
    assert!(plan(&sandbox, wish).await.resources.iter().all(|one| one.status == Status::InSync));
}

/// Logging that is as declared already, into a bucket that lets nobody in.
#[tokio::test]
async fn a_log_that_is_thrown_away_is_a_difference() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {logging: {targetBucket: huntaze-logs, targetPrefix: a/}}, huntaze-logs: {}}}");
    let before = converges(&sandbox, "{buckets: [{name: huntaze-assets, logging: {targetBucket: huntaze-logs}}]}").await;
    let drifted: Vec<_> = before.resources.iter().filter(|one| one.status == Status::Drifted).map(|one| one.key.to_string()).collect();
    assert_eq!(drifted, ["s3.bucketPolicies/huntaze-logs"]);
}

#[tokio::test]
async fn the_target_may_be_made_in_the_same_run() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}}}");
    let logs = "{name: huntaze-logs, create: true, denyInsecureTransport: true}";
    converges(&sandbox, &format!("{{buckets: [{{name: huntaze-assets, logging: {{targetBucket: huntaze-logs}}}}, {logs}]}}")).await;
    assert_eq!(policy(&sandbox, "huntaze-logs")["Statement"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_selector_that_chooses_the_target_too_asks_nothing_of_it_for_itself() {
    let sandbox = sandbox("s3: {buckets: {huntaze-logs: {}}}");
    let dry = plan(&sandbox, "{buckets: [{name: all, match: {names: ['*']}, logging: {targetBucket: huntaze-logs}}]}").await;
    assert_eq!(dry.resources.len(), 1, "{dry:#?}");
    assert_eq!(dry.resources[0].blocks[0].reason, Reason::InvalidWish);
}

/// S3 delivers within an account only: a target elsewhere, or none, holds back what would log there, and no other bucket.
#[tokio::test]
async fn a_target_that_is_not_the_accounts_is_said() {
    let sandbox = sandbox("s3: {foreign: [theirs-logs], buckets: {huntaze-assets: {}, huntaze-web: {}}}");
    let wish = "{buckets: [{name: huntaze-assets, logging: {targetBucket: theirs-logs}}, {name: huntaze-web, versioning: Enabled}]}";
    let dry = plan(&sandbox, wish).await;
    let target = dry.resources.iter().find(|one| one.key.id == "theirs-logs").unwrap();
    assert_eq!(target.status, Status::Unreadable);
    assert!(target.unreadable[0].why.message.contains("buckets of the same account only"), "{target:#?}");
    run(&sandbox, wish).await;
    assert_eq!(writes(&sandbox), ["PutBucketVersioning"]);
    let missing = plan(&sandbox, "{buckets: [{name: huntaze-web, logging: {targetBucket: nobodys-logs}}]}").await;
    let target = missing.resources.iter().find(|one| one.key.id == "nobodys-logs").unwrap();
    assert_eq!(target.blocks[0].reason, Reason::Missing);
}

/// What is declared of the target besides, and waits for consent, keeps no log from being delivered.
#[tokio::test]
async fn a_target_is_needed_only_for_being_there() {
    for waiting in ["ownership: BucketOwnerEnforced", "encryption: {algorithm: 'aws:kms'}"] {
        let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}, huntaze-logs: {ownership: ObjectWriter}}}");
        let approve = |s3: String| {
            baseline_of(&format!(
                "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: o}}, spec: {{account: '{ACCOUNT}', region: us-east-1, cloudtrail: {{trails: [{{name: audit, bucket: huntaze-logs, logging: true}}]}}, s3: {s3}}}}}"
            ))
        };
        let baseline = approve(format!("{{buckets: [{{name: huntaze-logs, {waiting}}}]}}"));
        let connection = connected(&baseline, &base(&sandbox)).await.unwrap();
        let plan = look(&baseline, &connection, &Request::default(), sandbox.clock().now()).await.plan;
        let held = |kind: &str| -> Vec<bool> {
            let steps = plan.resources.iter().filter(|one| one.key.kind == kind).flat_map(|one| &one.steps);
            steps.map(|step| step.held.is_some()).collect()
        };
        assert_eq!(held("s3.buckets"), [true], "{plan:#?}");
        assert_eq!((held("s3.bucketPolicies"), held("cloudtrail.trails")), (vec![false], vec![false; 2]), "{waiting}: {plan:#?}");
    }
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}, huntaze-logs: {ownership: ObjectWriter}}}");
    let text = format!(
        "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: o}}, spec: {{account: '{ACCOUNT}', region: us-east-1, s3: {{buckets: [{{name: huntaze-logs, ownership: BucketOwnerEnforced}}, {{name: huntaze-assets, logging: {{targetBucket: huntaze-logs}}}}]}}}}}}"
    );
    let baseline = baseline_of(&text);
    let connection = connected(&baseline, &base(&sandbox)).await.unwrap();
    let plan = look(&baseline, &connection, &Request::default(), sandbox.clock().now()).await.plan;
    let held: Vec<_> = plan.resources.iter().map(|one| (one.key.to_string(), one.steps[0].held.is_some())).collect();
    let held: Vec<_> = held.iter().map(|(key, held)| (key.as_str(), *held)).collect();
    assert_eq!(held, [("s3.buckets/huntaze-assets", false), ("s3.buckets/huntaze-logs", true), ("s3.bucketPolicies/huntaze-logs", false)]);
}

/// S3 delivers no log to a bucket whose default encryption is by KMS: neither is begun, and where it is so already that is a difference.
#[tokio::test]
async fn no_log_goes_to_a_bucket_encrypted_by_kms() {
    let logged = "{name: huntaze-assets, versioning: Enabled, logging: {targetBucket: huntaze-logs}}";
    let both = format!("{{buckets: [{logged}, {{name: huntaze-logs, encryption: {{algorithm: 'aws:kms'}}}}]}}");
    let blocked = |plan: &Plan, id: &str| -> Vec<(Reason, Vec<String>)> {
        let one = plan.resources.iter().find(|one| one.key.kind == "s3.buckets" && one.key.id == id).unwrap();
        one.blocks.iter().map(|block| (block.reason, block.fields.clone())).collect()
    };
    let conflict = |field: &str| vec![(Reason::Conflict, vec![field.to_owned()])];
    let wished = sandbox("s3: {buckets: {huntaze-assets: {}, huntaze-logs: {}}}");
    let dry = plan(&wished, &both).await;
    assert_eq!(blocked(&dry, "huntaze-assets"), conflict("logging.targetBucket"));
    assert_eq!(blocked(&dry, "huntaze-logs"), conflict("encryption.algorithm"));
    run(&wished, &both).await;
    assert_eq!(writes(&wished), ["PutBucketPolicy", "PutBucketVersioning"]);

    let found = "s3: {buckets: {huntaze-assets: {versioning: Enabled, logging: {targetBucket: huntaze-logs, targetPrefix: ''}}, huntaze-logs: {encryption: {algorithm: 'aws:kms'}}}}";
    for wish in [format!("{{buckets: [{logged}]}}"), both] {
        let dry = plan(&sandbox(found), &wish).await;
        assert_eq!(blocked(&dry, "huntaze-assets"), conflict("logging.targetBucket"), "{dry:#?}");
    }
    // With the target mended all is well, and nothing is sent to the other.
    let found = sandbox(found);
    converges(&found, &format!("{{buckets: [{logged}, {{name: huntaze-logs, encryption: {{algorithm: AES256}}}}]}}")).await;
}
