//! The fifteen families of bugs that users of other tools met, each under its name, through the whole pipeline on the embedded account.
//!
//! Some of them, or parts of them, are about moving a Redis, and come with the migration: `create-failed` that is reported as a time-out (of
//! the fourth: nothing here makes a replication group), and the source of a snapshot (of the fifth).

mod support;

use std::path::Path;
use std::time::Duration;

use holdfast::aws::{ConnectOptions, Pace};
use holdfast::clock::Clock;
use holdfast::execute::{End, Outcomes};
use holdfast::kinds::{Impact, Reason};
use holdfast::plan::{Plan, Status};
use holdfast::reconcile::{Baseline, Request, connected, look};
use holdfast::sandbox::faults::{Fault, Faults};
use holdfast::sandbox::record::Recorded;
use holdfast::sandbox::{Options, Sandbox};

const EVERYTHING: &str = include_str!("sweep/manifest.yaml");
const ACCOUNT: &str = include_str!("sweep/account.yaml");
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:317805897534:secret:huntaze/redis-auth-a1B2c3";

fn options(faults: Faults) -> Options {
    Options { clock: Clock::simulated("2026-01-15T10:00:00Z".parse().expect("a time")), faults, ..Options::default() }
}

/// The account of the sweep: everything in it differs from [`EVERYTHING`].
fn account(faults: &str) -> Sandbox {
    Sandbox::from_yaml(ACCOUNT, options(faults.parse().expect("faults"))).expect("the account is right")
}

fn small(services: &str) -> Sandbox {
    Sandbox::from_yaml(&format!("account: '317805897534'\nregion: us-east-1\n{services}"), options(Faults::default())).expect("an account")
}

/// A manifest with this as its resources.
fn wish(resources: &str) -> Baseline {
    policy("Allow", resources)
}

fn policy(disruptive: &str, resources: &str) -> Baseline {
    support::baseline(&format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {{name: everything}}\nspec:\n  account: '317805897534'\n  region: us-east-1\n  \
         policy: {{disruptive: {disruptive}}}\n{resources}"
    ))
}

/// A run with a journal of its own.
async fn run(sandbox: &Sandbox, baseline: &Baseline) -> (Plan, Outcomes) {
    let state = tempfile::tempdir().expect("a folder");
    run_in(sandbox, baseline, state.path()).await
}

async fn run_in(sandbox: &Sandbox, baseline: &Baseline, state: &Path) -> (Plan, Outcomes) {
    support::wet(sandbox, baseline, state, false).await.expect("a run")
}

fn good(outcomes: &Outcomes) {
    assert_eq!(outcomes.stopped, None);
    for one in &outcomes.resources {
        assert!(matches!(one.end, End::Changed | End::Unchanged), "{}: {:?}", one.key, one.end);
    }
}

fn sent<'a>(records: &'a [Recorded], operation: &'a str) -> impl Iterator<Item = &'a Recorded> {
    records.iter().filter(move |record| record.operation == operation)
}

/// terraform-provider-aws#33403, #18075, #4817; aws-controllers-k8s#3000, #2711.
#[tokio::test]
async fn bug_01_an_endless_diff() {
    let sandbox = account("");
    let baseline = support::baseline(EVERYTHING);
    good(&run(&sandbox, &baseline).await.1);
    for _ in 0..2 {
        sandbox.forget_records();
        let again = support::dry(&sandbox, &baseline).await.expect("a plan");
        assert!(again.in_sync(), "{:?}", again.resources.iter().filter(|one| one.status != Status::InSync).collect::<Vec<_>>());
        good(&run(&sandbox, &baseline).await.1);
        assert!(sandbox.writes().is_empty(), "{:?}", sandbox.writes());
        sandbox.clock().advance(Duration::from_secs(8 * 24 * 3600));
    }
}

/// terraform-provider-aws#30700, #41181.
#[tokio::test]
async fn bug_02_a_tls_switch_that_forces_a_replacement() {
    let sandbox = account("");
    let made = sandbox.world().elasticache.replication_groups["huntaze-sessions"].created_at;
    let baseline =
        wish("  elasticache: {replicationGroups: [{name: a, replicationGroupId: huntaze-sessions, transitEncryption: Required}]}");
    let plan = support::dry(&sandbox, &baseline).await.expect("a plan");
    assert!(plan.resources[0].steps.iter().all(|step| step.impact < Impact::Irreversible), "{plan:#?}");
    good(&run(&sandbox, &baseline).await.1);
    let records = sandbox.recorded();
    assert!(!records.iter().any(|record| record.operation.starts_with("Create") || record.operation.starts_with("Delete")), "{records:?}");
    assert_eq!(sandbox.world().elasticache.replication_groups["huntaze-sessions"].created_at, made);
    let modes: Vec<&str> = sent(&records, "ModifyReplicationGroup")
        .map(|record| if record.body.contains("TransitEncryptionMode=preferred") { "preferred" } else { "required" })
        .collect();
    assert_eq!(modes, ["preferred", "required"], "the one first, then the other");
}

/// #33439, #34609; that no token is shown (#42239, #10226) is what tests/canary.rs tries.
#[tokio::test]
async fn bug_03_rotation_that_leaves_passwordless_access_or_a_stale_token() {
    let sandbox = account("");
    let baseline = wish(&format!(
        "  elasticache: {{replicationGroups: [{{name: a, replicationGroupId: huntaze-sessions, transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}}}}]}}"
    ));
    good(&run(&sandbox, &baseline).await.1);
    let strategies = |records: &[Recorded]| -> Vec<String> {
        let of = |record: &Recorded| {
            form_urlencoded::parse(record.body.as_bytes())
                .find(|(name, _)| name == "AuthTokenUpdateStrategy")
                .map(|(_, value)| value.into_owned())
        };
        sent(records, "ModifyReplicationGroup").filter_map(of).collect()
    };
    // SET alone ends the access without a password that ROTATE leaves beside the token.
    assert_eq!(strategies(&sandbox.recorded()), ["ROTATE", "SET"]);

    // A new version of the secret is taken on, and the old token is never sent again.
    sandbox.forget_records();
    sandbox.edit(|world| {
        let secret = world.secretsmanager.secrets.get_mut("huntaze/redis-auth").expect("the secret");
        secret.versions.clear();
        let text = r#"{"token": "the-second-token-of-this-test"}"#.to_owned();
        secret.secret_string = Some(serde_json::from_value(text.into()).expect("a text"));
        let _ = secret;
    });
    // The version that the short form becomes has the id of the first: a really new version has one of its own.
    sandbox.edit(|world| {
        let secret = world.secretsmanager.secrets.get_mut("huntaze/redis-auth").expect("the secret");
        let versions = std::mem::take(&mut secret.versions);
        secret.versions = versions.into_values().map(|version| ("22222222-2222-4222-8222-222222222222".to_owned(), version)).collect();
    });
    good(&run(&sandbox, &baseline).await.1);
    let records = sandbox.recorded();
    assert_eq!(strategies(&records), ["ROTATE", "SET"]);
    for record in sent(&records, "ModifyReplicationGroup").filter(|record| record.body.contains("AuthToken=")) {
        assert!(record.body.contains("AuthToken=the-second-token-of-this-test"), "{record:?}");
    }
}

/// PR#30493, #8561.
#[tokio::test]
async fn bug_04_snapshotting_or_modifying_taken_for_a_failure() {
    for status in ["snapshotting", "modifying"] {
        let account = ACCOUNT.replace(
            "      description: sessions\n",
            &format!("      description: sessions\n      status: {status}\n      readyAt: '2026-01-15T10:20:00Z'\n"),
        );
        assert_ne!(account, ACCOUNT);
        let sandbox = Sandbox::from_yaml(&account, options(Faults::default())).expect("an account");
        let baseline = wish(
            "  elasticache: {replicationGroups: [{name: a, replicationGroupId: huntaze-sessions, snapshotRetentionDays: 9, tags: {a: b}}]}",
        );
        let (_, outcomes) = run(&sandbox, &baseline).await;
        assert_eq!(outcomes.failed().count(), 0, "{status}: {outcomes:?}");
        good(&outcomes);
        assert_eq!(sandbox.world().elasticache.replication_groups["huntaze-sessions"].snapshot_retention_limit, 9);
    }
    for status in ["backing-up", "modifying", "storage-optimization"] {
        let account = ACCOUNT.replace("      backupRetention: 0\n", &format!("      backupRetention: 1\n      status: {status}\n"));
        let sandbox = Sandbox::from_yaml(&account, options(Faults::default())).expect("an account");
        let (_, outcomes) =
            run(&sandbox, &wish("  rds: {instances: [{name: huntaze-postgres, deletionProtection: true, multiAz: true}]}")).await;
        good(&outcomes);
    }
}

/// #41567, #11539.
#[tokio::test]
async fn bug_05_member_001_taken_for_the_primary() {
    let account = ACCOUNT.replace("      description: sessions\n", "      description: sessions\n      primaries: {1: 2}\n");
    assert_ne!(account, ACCOUNT);
    let sandbox = Sandbox::from_yaml(&account, options(Faults::default())).expect("an account");
    let baseline = support::baseline(EVERYTHING);
    good(&run(&sandbox, &baseline).await.1);
    for write in sandbox.writes() {
        // The primary is member 002 here: where a member is named (the source of snapshots), it is the replica, found by its role.
        assert!(!write.body.contains("huntaze-sessions-002"), "the primary is named: {write:?} {}", write.body);
    }
}

/// #32244.
#[tokio::test]
async fn bug_06_a_resource_removed_by_hand_breaks_the_refresh() {
    let sandbox = account("");
    let baseline = support::baseline(EVERYTHING);
    good(&run(&sandbox, &baseline).await.1);
    sandbox.edit(|world| {
        world.rds.instances.remove("huntaze-postgres");
        world.elasticache.replication_groups.remove("huntaze-sessions");
        world.s3.buckets.remove("huntaze-assets");
        world.cloudtrail.trails.remove("huntaze-audit");
        world.guardduty.detector = None;
    });
    let (_, outcomes) = run(&sandbox, &baseline).await;
    let end = |key: &str| outcomes.resources.iter().find(|one| one.key.to_string() == key).map(|one| &one.end);
    for gone in ["rds.instances/huntaze-postgres", "elasticache.replicationGroups/huntaze-sessions", "s3.buckets/huntaze-assets"] {
        let Some(End::Blocked { blocks }) = end(gone) else { panic!("{gone}: {:?}", end(gone)) };
        assert!(blocks.iter().any(|block| block.reason == Reason::Missing), "{gone}: {blocks:?}");
    }
    // What the manifest asks to be made is made again, and the rest is as it was.
    for made in ["cloudtrail.trails/huntaze-audit", "guardduty.detector/us-east-1"] {
        assert!(matches!(end(made), Some(End::Changed) | None), "{made}: {:?}", end(made));
    }
    assert_eq!(outcomes.failed().count(), 0, "{outcomes:?}");
    let world = sandbox.world();
    assert!(world.cloudtrail.trails["huntaze-audit"].is_logging && world.guardduty.detector.is_some());
}

/// aws-controllers-k8s#2102.
#[tokio::test]
async fn bug_07_deleting_what_was_never_owned() {
    // Somebody else's thing under the very name that holdfast would give to its own.
    let account = ACCOUNT.replace(
        "    unused: {family: postgres14",
        "    holdfast-huntaze-postgres-postgres14: {family: postgres14, tags: {team: theirs}}\n    unused: {family: postgres14",
    );
    assert_ne!(account, ACCOUNT);
    let sandbox = Sandbox::from_yaml(&account, options(Faults::default())).expect("an account");
    let baseline = support::baseline(EVERYTHING);
    let before = sandbox.world().rds.parameter_groups.clone();
    let (_, outcomes) = run(&sandbox, &baseline).await;
    assert_eq!(outcomes.blocked().map(|one| one.key.to_string()).collect::<Vec<_>>(), ["rds.instances/huntaze-postgres"]);
    assert_eq!(sandbox.world().rds.parameter_groups, before);
    // Leaving the manifest deletes nothing.
    sandbox.forget_records();
    good(&run(&sandbox, &wish("  s3: {buckets: [{name: partner-archive, tags: {a: b}}]}")).await.1);
    let writes: Vec<String> = sandbox.writes().iter().map(|write| format!("{} {}", write.operation, write.path)).collect();
    assert_eq!(writes, ["PutBucketTagging /partner-archive/"]);
}

/// crossplane#3037.
#[tokio::test]
async fn bug_08_a_crash_in_the_middle_of_a_create() {
    let baseline = support::baseline(EVERYTHING);
    let undisturbed = account("");
    run(&undisturbed, &baseline).await;
    let creates: Vec<u64> = undisturbed
        .writes()
        .iter()
        .filter(|write| write.operation.contains("Create") || write.operation.contains("Copy"))
        .map(|write| write.number)
        .collect();
    assert!(creates.len() >= 5, "only {} creates", creates.len());
    let faults = [Fault::EndAfter, Fault::EndBefore, Fault::CutAfter];
    // Below as many cases as try every point of the sweeps, one fault a create, another at the next.
    let all = support::cases() >= 2000;
    for (place, call) in creates.into_iter().enumerate() {
        for fault in faults.iter().enumerate().filter(|(at, _)| all || *at == place % faults.len()).map(|(_, fault)| fault) {
            let sandbox = Sandbox::from_yaml(ACCOUNT, options(Faults::once(call, fault.clone()))).expect("an account");
            let state = tempfile::tempdir().expect("a folder");
            tokio::select! {
                _ = sandbox.ended() => {}
                (_, outcomes) = run_in(&sandbox, &baseline, state.path()) => good(&outcomes),
            }
            let next = Sandbox::new(sandbox.world(), options(Faults::default())).expect("an account");
            good(&run_in(&next, &baseline, state.path()).await.1);
            let codes: Vec<String> =
                next.recorded().into_iter().filter_map(|record| record.code).filter(|code| code.contains("Already")).collect();
            assert_eq!(codes, Vec::<String>::new(), "{fault} at {call}");
        }
    }
}

/// #6334, #18878, #13144.
#[tokio::test]
async fn bug_09_a_bucket_policy_that_overwrites_reorders_or_locks_out() {
    let theirs = r#"{"Version":"2008-10-17","Id":"theirs","Statement":[{"Sid":"Readers","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::317805897534:role/b","arn:aws:iam::317805897534:role/a"]},"Action":"s3:GetObject","Resource":"arn:aws:s3:::web/*"}]}"#;
    let sandbox = small(&format!("s3: {{buckets: {{web: {{policy: '{theirs}'}}}}}}"));
    let baseline = wish("  s3: {buckets: [{name: web, denyInsecureTransport: true}]}");
    good(&run(&sandbox, &baseline).await.1);
    let policy = |sandbox: &Sandbox| -> serde_json::Value {
        serde_json::from_str(sandbox.world().s3.buckets["web"].policy.as_deref().expect("a policy")).expect("JSON")
    };
    let now = policy(&sandbox);
    let before: serde_json::Value = serde_json::from_str(theirs).expect("JSON");
    assert_eq!((&now["Version"], &now["Id"]), (&before["Version"], &before["Id"]));
    // S3 gives lists back in an order of its own.
    let sorted = |statement: &serde_json::Value| {
        let mut statement = statement.clone();
        statement["Principal"]["AWS"].as_array_mut().expect("a list").sort_by_key(|one| one.to_string());
        statement
    };
    assert_eq!(sorted(&now["Statement"][0]), sorted(&before["Statement"][0]), "somebody else's statement stays");
    let ours = &now["Statement"][1];
    // It denies what comes without TLS, and nobody anything else.
    assert_eq!((&ours["Effect"], &ours["Condition"]), (&"Deny".into(), &serde_json::json!({"Bool": {"aws:SecureTransport": "false"}})));

    // The order of principals, statements and actions means nothing, a single word and a list of one are the same.
    sandbox.edit(|world| {
        let mut policy = now.clone();
        policy["Statement"][0]["Principal"]["AWS"].as_array_mut().expect("a list").reverse();
        let action = policy["Statement"][1]["Action"].take();
        policy["Statement"][1]["Action"] = serde_json::json!([action]);
        policy["Statement"].as_array_mut().expect("a list").reverse();
        world.s3.buckets.get_mut("web").expect("the bucket").policy = Some(policy.to_string());
    });
    sandbox.forget_records();
    let plan = support::dry(&sandbox, &baseline).await.expect("a plan");
    assert!(plan.in_sync(), "{plan:#?}");
    run(&sandbox, &baseline).await;
    assert!(sandbox.writes().is_empty());

    // A policy that already keeps everybody out is not written again in our name.
    let locked = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::web","arn:aws:s3:::web/*"]}]}"#;
    let sandbox = small(&format!("s3: {{buckets: {{web: {{policy: '{locked}'}}}}}}"));
    let (_, outcomes) = run(&sandbox, &baseline).await;
    assert!(!outcomes.acted(), "{outcomes:?}");
    assert_eq!(sandbox.world().s3.buckets["web"].policy.as_deref(), Some(locked));
}

/// #11780.
#[tokio::test]
async fn bug_10_a_detector_that_is_there_or_has_its_defaults() {
    let sandbox = small("guardduty: {detector: {tags: {team: theirs}}}");
    let baseline = wish("  guardduty: {detector: {enabled: true, findingPublishingFrequency: ONE_HOUR}}");
    let id = |sandbox: &Sandbox| sandbox.world().guardduty.detector.and_then(|detector| detector.id);
    let (before, features) = (id(&sandbox), sandbox.world().guardduty.detector.expect("a detector").features);
    good(&run(&sandbox, &baseline).await.1);
    let operations: Vec<String> = sandbox.writes().into_iter().map(|write| write.operation).collect();
    assert_eq!(operations, ["UpdateDetector"], "it is adopted");
    assert!(!sandbox.writes()[0].body.contains("features"), "features that nobody declared were sent");
    let after = sandbox.world().guardduty.detector.expect("a detector");
    assert_eq!((after.id, after.features.len()), (before, features.len()));
    assert!(support::dry(&sandbox, &baseline).await.expect("a plan").in_sync(), "features that nobody declared are no difference");
}

/// #40089.
#[tokio::test]
async fn bug_11_a_parameter_group_left_at_pending_reboot() {
    let sandbox =
        small("rds: {instances: {db: {engineVersion: '14.9', parameterGroup: team}}, parameterGroups: {team: {family: postgres14}}}");
    // A static parameter; nobody consents to the restart.
    let resources = "  rds: {instances: [{name: db, parameters: {max_connections: 120}}]}";
    let (_, outcomes) = run(&sandbox, &policy("Approve", resources)).await;
    assert!(matches!(outcomes.resources[0].end, End::Blocked { .. }), "{outcomes:?}");
    let plan = support::dry(&sandbox, &policy("Approve", resources)).await.expect("a plan");
    assert_eq!(plan.resources[0].status, Status::Blocked, "set and not in force is not done: {plan:#?}");
    assert_ne!(sandbox.world().rds.in_force("db").get("max_connections").map(String::as_str), Some("120"));
    good(&run(&sandbox, &wish(resources)).await.1);
    assert_eq!(sandbox.world().rds.in_force("db").get("max_connections").map(String::as_str), Some("120"));
}

/// An unreadable resource is neither compliant nor absent.
#[tokio::test]
async fn bug_12_the_unreadable_shown_as_compliant_or_made_again() {
    let baseline = support::baseline(EVERYTHING);
    let done = account("");
    good(&run(&done, &baseline).await.1);
    let reads: std::collections::BTreeSet<String> = done
        .recorded()
        .into_iter()
        .filter(|record| !record.writes && record.service != "sts")
        .map(|record| format!("{}:{}", record.service, record.operation))
        .collect();
    assert!(reads.len() > 25, "{reads:?}");
    // Everything is as declared; one kind of reading is refused.
    for read in &reads {
        let faults: Faults = format!("denied@{read}").parse().expect("faults");
        let sandbox = Sandbox::new(done.world(), options(faults)).expect("an account");
        let plan = support::dry(&sandbox, &baseline).await.expect("a plan");
        let refused =
            sandbox.recorded().iter().any(|record| record.code.is_some() && format!("{}:{}", record.service, record.operation) == *read);
        // The family of a parameter group and who uses it are asked for in case a group has to be made: no declared field hangs on it.
        let aside = read.ends_with("ParameterGroups");
        assert!(!refused || aside || !plan.in_sync(), "{read} is refused, and everything is in sync");
        run(&sandbox, &baseline).await;
        let made: Vec<Recorded> = sandbox.writes();
        assert!(made.is_empty(), "{read} is refused, and something was written: {made:?}");
    }
}

/// driftctl#1344.
#[tokio::test]
async fn bug_13_a_throttled_scan_that_gives_up_and_reports_success() {
    let baseline = support::baseline(EVERYTHING);
    // Every third request is throttled: it takes longer, and that is all.
    let sandbox = account("rate=0.3,kinds=throttle,seed=11");
    good(&run(&sandbox, &baseline).await.1);
    assert!(support::dry(&sandbox, &baseline).await.expect("a plan").in_sync());

    // One that never ends is said, resource by resource.
    let sandbox =
        Sandbox::new(sandbox.world(), options("throttle-for@s3:GetBucketPolicy=9999h".parse().expect("faults"))).expect("an account");
    let pace = Pace {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(5),
        patience: Duration::from_millis(100),
        ..Pace::default()
    };
    let base = ConnectOptions { pace, ..support::ground(&sandbox) };
    let connection = connected(&baseline, &base).await.expect("a connection");
    let plan = look(&baseline, &connection, &Request::default(), sandbox.clock().now()).await.plan;
    let unreadable: Vec<String> =
        plan.resources.iter().filter(|one| one.status == Status::Unreadable).map(|one| one.key.to_string()).collect();
    assert!(unreadable.iter().any(|key| key.starts_with("s3.bucketPolicies/")), "{unreadable:?}");
    assert!(!plan.in_sync());
}

/// cloud-custodian#1713, #4953.
#[tokio::test]
async fn bug_14_a_dry_run_that_writes_or_differs_from_the_apply() {
    let sandbox = account("");
    let baseline = support::baseline(EVERYTHING);
    let dry = support::dry(&sandbox, &baseline).await.expect("a plan");
    assert!(sandbox.writes().is_empty(), "{:?}", sandbox.writes());
    let (plan, outcomes) = run(&sandbox, &baseline).await;
    assert_eq!(plan, dry);
    for (planned, outcome) in dry.resources.iter().zip(&outcomes.resources) {
        let titles: Vec<&String> = planned.steps.iter().map(|step| &step.title).collect();
        assert_eq!(planned.key, outcome.key);
        // What is done first is exactly what was shown; a kind that goes on in rounds plans the next one when the first is done.
        assert!(outcome.done.len() >= titles.len(), "{}: {:?} of {titles:?}", planned.key, outcome.done);
        assert!(
            titles.iter().zip(&outcome.done).all(|(title, done)| *title == done),
            "{}: {titles:?}, done {:?}",
            planned.key,
            outcome.done
        );
    }
}

/// terraform#18481.
#[tokio::test]
async fn bug_15_delete_protection_that_ends_when_the_resource_leaves() {
    let sandbox = small("rds: {instances: {db: {engineVersion: '14.9'}, other: {engineVersion: '14.9'}}}");
    let state = tempfile::tempdir().expect("a folder");
    good(&run_in(&sandbox, &wish("  rds: {instances: [{name: db, deletionProtection: true}]}"), state.path()).await.1);
    sandbox.forget_records();
    // The field leaves, then the resource.
    good(&run_in(&sandbox, &wish("  rds: {instances: [{name: db, copyTagsToSnapshots: false}]}"), state.path()).await.1);
    good(&run_in(&sandbox, &wish("  rds: {instances: [{name: other, copyTagsToSnapshots: false}]}"), state.path()).await.1);
    assert!(sandbox.writes().is_empty(), "{:?}", sandbox.writes());
    assert!(sandbox.world().rds.instances["db"].deletion_protection);
}
