//! Access logging: a log that may not be delivered is thrown away without a word.

use serde_json::{Value, json};

use super::*;

fn policy(sandbox: &Sandbox, bucket: &str) -> Value {
    sandbox.world().s3.buckets[bucket].policy.as_deref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
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

/// Two buckets that are made and log into each other, and a circle of three: each is made before anything waits for it.
#[tokio::test]
async fn new_buckets_may_log_into_each_other() {
    for names in [&["one", "two"][..], &["one", "two", "three"]] {
        let sandbox = sandbox("s3: {buckets: {}}");
        let next = |at: usize| names[(at + 1) % names.len()];
        let bucket =
            |(at, name): (usize, &&str)| format!("{{name: huntaze-{name}, create: true, logging: {{targetBucket: huntaze-{}}}}}", next(at));
        let buckets: Vec<String> = names.iter().enumerate().map(bucket).collect();
        let wish = format!("{{buckets: [{}]}}", buckets.join(", "));
        let outcomes = run(&sandbox, &wish).await;
        assert_eq!(outcomes.blocked().count() + outcomes.failed().count(), 0, "{outcomes:#?}");
        let last = |operation: &str| writes(&sandbox).iter().rposition(|one| one == operation).unwrap();
        let first = writes(&sandbox).iter().position(|one| one == "PutBucketLogging").unwrap();
        assert!(last("CreateBucket") < first && last("PutBucketPolicy") < first, "{:?}", writes(&sandbox));
        assert!(plan(&sandbox, &wish).await.resources.iter().all(|one| one.status == Status::InSync));
    }
}

fn excepted(resource: &str, field: &str, second: bool) -> Baseline {
    let second = if second { ", {name: b, bucket: huntaze-uploads, logging: {targetBucket: huntaze-logs, targetPrefix: b/}}" } else { "" };
    baseline_of(&format!(
        "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: o}}, spec: {{account: '{ACCOUNT}', region: us-east-1, \
         policy: {{disruptive: Allow}}, exceptions: [{{resource: {resource}, field: {field}, until: 2027-12-31, reason: r}}], s3: {{buckets: [\
         {{name: a, bucket: huntaze-assets, logging: {{targetBucket: huntaze-logs, targetPrefix: a/}}}}{second}]}}}}}}"
    ))
}

#[tokio::test]
async fn an_exception_of_one_source_does_not_switch_off_the_delivery_of_another() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}, huntaze-uploads: {}, huntaze-logs: {ownership: BucketOwnerEnforced}}}");
    let looked = async |baseline: &Baseline| {
        let connection = connected(baseline, &base(&sandbox)).await.unwrap();
        look(baseline, &connection, &Request::default(), sandbox.clock().now()).await.plan
    };
    let status = |plan: &Plan| -> Vec<(String, Status, usize)> {
        plan.resources.iter().map(|one| (one.key.id.clone(), one.status, one.excepted.len())).collect()
    };
    let of = |id: &str, status: Status, excepted: usize| (id.to_owned(), status, excepted);
    // The other source still needs the statement.
    let plan = looked(&excepted("s3.buckets/a", "logging", true)).await;
    let (assets, uploads, logs) = ("huntaze-assets", "huntaze-uploads", "huntaze-logs");
    assert_eq!(status(&plan), [of(assets, Status::InSync, 2), of(uploads, Status::Drifted, 0), of(logs, Status::Drifted, 0)], "{plan:#?}");
    assert_eq!(plan.warnings, Vec::<String>::new());
    // Where nobody else does, it is excepted with the rest.
    let plan = looked(&excepted("s3.buckets/a", "logging", false)).await;
    assert_eq!(status(&plan), [of(assets, Status::InSync, 2), of(logs, Status::InSync, 1)]);
    // Excepted by its own name it is for all, and nothing is sent where nobody is let in.
    let baseline = excepted("s3.bucketPolicies/huntaze-logs", "statements.HoldfastAccessLogs", true);
    let plan = looked(&baseline).await;
    assert_eq!(status(&plan), [of(assets, Status::Blocked, 0), of(uploads, Status::Blocked, 0), of(logs, Status::InSync, 1)]);
    let held = plan.resources[0].steps[0].held.as_ref().unwrap();
    assert_eq!(held.reason, Reason::WaitsForOther);
    assert!(held.message.contains("s3.bucketPolicies/huntaze-logs, which is not as declared, by an exception"), "{}", held.message);
}

/// In a later round of the run, too: the source is made first.
#[tokio::test]
async fn a_new_source_sends_nothing_where_an_exception_lets_nobody_in() {
    let sandbox = sandbox("s3: {buckets: {huntaze-logs: {ownership: BucketOwnerEnforced}}}");
    let mut baseline = excepted("s3.bucketPolicies/huntaze-logs", "statements.HoldfastAccessLogs", false);
    let wish = "{buckets: [{name: a, bucket: huntaze-assets, create: true, logging: {targetBucket: huntaze-logs, targetPrefix: a/}}]}";
    baseline.entries = self::baseline(wish).entries;
    let connection = connected(&baseline, &base(&sandbox)).await.unwrap();
    let found = look(&baseline, &connection, &Request::default(), sandbox.clock().now()).await;
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::open(state.path(), "a test").unwrap().journal;
    let clock = sandbox.clock();
    let with = Apply { journal: &journal, clock: &clock, run: "r", interrupt: &Interrupt::default(), say: &|_| {} };
    let outcomes = apply(&baseline, &found, &Default::default(), &with).await.unwrap();
    assert_eq!(outcomes.blocked().count(), 1, "{outcomes:#?}");
    assert!(!writes(&sandbox).contains(&"PutBucketLogging".to_owned()), "{:?}", writes(&sandbox));
}

#[tokio::test]
async fn a_policy_that_a_run_leaves_out_is_noted() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}, huntaze-logs: {ownership: BucketOwnerEnforced}}}");
    let baseline = baseline("{buckets: [{name: a, bucket: huntaze-assets, logging: {targetBucket: huntaze-logs}}]}");
    let connection = connected(&baseline, &base(&sandbox)).await.unwrap();
    let choice = crate::desired::Choice { skip: vec!["s3.bucketPolicies".to_owned()], ..Default::default() };
    let plan = look(&baseline, &connection, &Request { choice, ..Request::default() }, sandbox.clock().now()).await.plan;
    assert_eq!(plan.resources.len(), 1);
    assert!(
        plan.resources[0].notes.iter().any(|note| note.contains("s3.bucketPolicies/huntaze-logs, which this run leaves out")),
        "{plan:#?}"
    );
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
