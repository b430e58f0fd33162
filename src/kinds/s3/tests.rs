//! The kinds of S3 through the whole pipeline, on the embedded AWS.

mod access_logs;
mod regions;
mod selectors;

use std::time::Duration;

use jiff::Timestamp;

use crate::aws::{ConnectOptions, Pace};
use crate::clock::Clock;
use crate::desired;
use crate::execute::{End, Interrupt, Journal, Outcomes};
use crate::kinds::{Impact, Reason, Scope};
use crate::manifest::{AwsBaseline, Windows};
use crate::plan::{Consent, Plan, Status};
use crate::reconcile::{Apply, Baseline, Request, apply, connected, look};
use crate::sandbox::{Options, Sandbox};

const ACCOUNT: &str = "317805897534";
const KEY: &str = "11111111-2222-3333-4444-555555555555";

/// An account on a clock that moves only when somebody waits.
fn sandbox(services: &str) -> Sandbox {
    faulty(services, "")
}

/// The same, with faults.
fn faulty(services: &str, faults: &str) -> Sandbox {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let account = format!("account: '{ACCOUNT}'\npageSize: 2\n{services}");
    let options = Options { clock: Clock::simulated(start), faults: faults.parse().unwrap(), ..Options::default() };
    Sandbox::from_yaml(&account, options).unwrap()
}

fn baseline(s3: &str) -> Baseline {
    let text = format!(
        "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: o}}, spec: {{account: '{ACCOUNT}', region: us-east-1, policy: {{disruptive: Allow}}, s3: {s3}}}}}"
    );
    baseline_of(&text)
}

fn baseline_of(text: &str) -> Baseline {
    let object: AwsBaseline = serde_yaml::from_str(text).unwrap();
    let scope = Scope { object: "o".to_owned(), account: ACCOUNT.to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() };
    let (entries, _, wrong) = desired::entries(&object, &scope);
    assert_eq!(wrong, []);
    let windows = Windows::new(&object.spec.policy.change_windows).unwrap();
    Baseline { object, scope, entries, stopped: Vec::new(), windows, written: Default::default() }
}

fn base(sandbox: &Sandbox) -> ConnectOptions {
    ConnectOptions { embedded: Some(sandbox.http_client()), pace: Pace::default(), ..ConnectOptions::default() }
}

async fn plan(sandbox: &Sandbox, s3: &str) -> Plan {
    let baseline = baseline(s3);
    let connection = connected(&baseline, &base(sandbox)).await.unwrap();
    look(&baseline, &connection, &Request::default(), sandbox.clock().now()).await.plan
}

async fn run(sandbox: &Sandbox, s3: &str) -> Outcomes {
    let baseline = baseline(s3);
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::open(state.path(), "a test").unwrap().journal;
    let connection = connected(&baseline, &base(sandbox)).await.unwrap();
    let found = look(&baseline, &connection, &Request::default(), sandbox.clock().now()).await;
    let clock = sandbox.clock();
    let with = Apply { journal: &journal, clock: &clock, run: "r", interrupt: &Interrupt::default(), say: &|_| {} };
    apply(&baseline, &found, &Default::default(), &with).await.unwrap()
}

fn writes(sandbox: &Sandbox) -> Vec<String> {
    sandbox.writes().into_iter().map(|one| one.operation).collect()
}

/// Drift, repair, nothing left, and a second run that writes nothing.
async fn converges(sandbox: &Sandbox, s3: &str) -> Plan {
    let before = plan(sandbox, s3).await;
    assert!(before.resources.iter().any(|one| one.status == Status::Drifted), "{before:#?}");
    assert_eq!(sandbox.writes().len(), 0, "a dry run wrote");
    let outcomes = run(sandbox, s3).await;
    assert_eq!(outcomes.blocked().count() + outcomes.failed().count(), 0, "{outcomes:#?}");
    // Whatever spreads slowly has spread.
    sandbox.clock().advance(Duration::from_secs(3600));
    sandbox.forget_records();
    let after = plan(sandbox, s3).await;
    assert!(after.resources.iter().all(|one| one.status == Status::InSync), "{after:#?}");
    run(sandbox, s3).await;
    assert_eq!(sandbox.writes().len(), 0, "a second run wrote");
    before
}

#[tokio::test]
async fn the_accounts_flags() {
    let sandbox = sandbox("s3control: {publicAccessBlock: {blockPublicAcls: true}}");
    converges(&sandbox, "{account: {publicAccessBlock: {ignorePublicAcls: true, restrictPublicBuckets: true}}}").await;
    let flags = sandbox.world().s3control.public_access_block.unwrap();
    assert!(flags.block_public_acls && flags.ignore_public_acls && flags.restrict_public_buckets && !flags.block_public_policy);
}

#[tokio::test]
async fn flags_that_the_organisation_manages_fail_with_that_word() {
    let sandbox = sandbox("s3control: {managedAbove: true}");
    let outcomes = run(&sandbox, "{account: {publicAccessBlock: {blockPublicPolicy: true}}}").await;
    let said = format!("{outcomes:?}");
    assert_eq!(outcomes.failed().count(), 1);
    assert!(said.contains("managed above"), "{said}");
}

/// A bucket of before 2023: nothing is set but a policy of its owner's.
const OLD: &str = r#"
s3:
  buckets:
    huntaze-assets:
      policy: '{"Version":"2008-10-17","Id":"theirs","Statement":{"Sid":"Theirs","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::317805897534:role/app"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::huntaze-assets/*"}}'
      encryption: {algorithm: none}
      tags: {team: old, 'aws:cloudformation:stack-name': s}
      lifecycle: {rules: [{id: theirs, prefix: tmp/, abortIncompleteMultipartUpload: {daysAfterInitiation: 7}}]}
    huntaze-logs: {}
kms:
  keys: {'11111111-2222-3333-4444-555555555555': {}}
  aliases: {alias/data: '11111111-2222-3333-4444-555555555555'}
"#;

const ALL: &str = "{buckets: [{name: assets, bucket: huntaze-assets,
  publicAccessBlock: {blockPublicAcls: true, ignorePublicAcls: true, blockPublicPolicy: true, restrictPublicBuckets: true},
  encryption: {algorithm: 'aws:kms', kmsKeyId: alias/data, bucketKey: true},
  denyInsecureTransport: true, minimumTlsVersion: '1.2', versioning: Enabled, ownership: BucketOwnerEnforced,
  logging: {targetBucket: huntaze-logs, targetPrefix: assets/},
  lifecycle: {expiryApproved: true, rules: [
    {id: tier, enabled: true, transitions: [{days: 0, storageClass: INTELLIGENT_TIERING}, {days: 180, storageClass: GLACIER}]},
    {id: expire, enabled: true, filter: {prefix: tmp/, tags: {a: b}}, expiration: {days: 365}, noncurrentExpiration: {days: 30, newerNoncurrentVersions: 2}}]},
  tags: {team: platform, 'cost.center': '7'}}]}";

#[tokio::test]
async fn every_setting_of_a_bucket() {
    let sandbox = sandbox(OLD);
    converges(&sandbox, ALL).await;
    let world = sandbox.world();
    let bucket = &world.s3.buckets["huntaze-assets"];
    assert_eq!(bucket.tags.get("aws:cloudformation:stack-name").map(String::as_str), Some("s"));
    assert_eq!(bucket.tags.get("team").map(String::as_str), Some("platform"));
    let key = bucket.encryption.as_ref().unwrap().kms_key_id.clone().unwrap();
    assert_eq!(key, format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}"));
    let policy: serde_json::Value = serde_json::from_str(bucket.policy.as_ref().unwrap()).unwrap();
    assert_eq!((&policy["Version"], &policy["Id"]), (&"2008-10-17".into(), &"theirs".into()));
    let sids: Vec<_> = policy["Statement"].as_array().unwrap().iter().map(|one| one["Sid"].as_str().unwrap()).collect();
    assert_eq!(sids, ["Theirs", "HoldfastDenyInsecureTransport", "HoldfastDenyOldTls"]);
    let rules: Vec<_> = bucket.lifecycle.as_ref().unwrap().rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(rules, ["theirs", "holdfast-tier", "holdfast-expire"]);
    // The log's target got the statement by which S3 may deliver it, and nothing else.
    let mut target = world.s3.buckets["huntaze-logs"].clone();
    assert!(target.policy.take().is_some_and(|policy| policy.contains("HoldfastAccessLogs")));
    assert_eq!(target, self::sandbox(OLD).world().s3.buckets["huntaze-logs"]);
}

#[tokio::test]
async fn statements_that_are_not_wanted_go_and_the_rest_stays() {
    let sandbox = sandbox(OLD);
    let wish = |declared: bool| format!("{{buckets: [{{name: huntaze-assets, denyInsecureTransport: {declared}}}]}}");
    let before = sandbox.world().s3.buckets["huntaze-assets"].policy.clone().unwrap();
    converges(&sandbox, &wish(true)).await;
    sandbox.forget_records();
    converges(&sandbox, &wish(false)).await;
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let after = read(sandbox.world().s3.buckets["huntaze-assets"].policy.as_ref().unwrap());
    assert_eq!(after["Statement"], serde_json::json!([read(&before)["Statement"]]));
}

#[tokio::test]
async fn a_bucket_that_must_exist_is_made_with_all_that_is_declared() {
    let sandbox =
        sandbox("kms: {keys: {'11111111-2222-3333-4444-555555555555': {}}, aliases: {alias/data: '11111111-2222-3333-4444-555555555555'}}");
    let logs = "{name: huntaze-logs, create: true, publicAccessBlock: {blockPublicPolicy: true}}";
    let wish = ALL.replace("bucket: huntaze-assets,", "bucket: huntaze-assets, create: true,");
    let wish = wish.replace("'7'}}]}", &format!("'7'}}}}, {logs}]}}"));
    converges(&sandbox, &wish).await;
    let world = sandbox.world();
    assert_eq!(world.s3.buckets.len(), 2);
    for bucket in world.s3.buckets.values() {
        assert_eq!(bucket.tags.get("holdfast.dev/owner").map(String::as_str), Some("holdfast"));
        let flags = bucket.public_access_block.unwrap();
        assert!(flags.block_public_acls && flags.ignore_public_acls && flags.block_public_policy && flags.restrict_public_buckets);
    }
    assert!(world.s3.buckets["huntaze-assets"].policy.is_some());
}

#[tokio::test]
async fn a_missing_bucket_is_never_made_unasked() {
    let sandbox = sandbox("");
    let outcomes = run(&sandbox, "{buckets: [{name: huntaze-assets, versioning: Enabled, denyInsecureTransport: true}]}").await;
    assert_eq!(outcomes.blocked().count(), 2, "{outcomes:?}");
    assert_eq!(sandbox.writes().len(), 0);
    assert!(
        plan(&sandbox, "{buckets: [{name: huntaze-assets, denyInsecureTransport: true}]}")
            .await
            .resources
            .iter()
            .all(|one| one.status == Status::Blocked)
    );
}

#[tokio::test]
async fn four_controls_take_four_requests() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {publicAccessBlock: {blockPublicAcls: true}}}}");
    let wish = "{buckets: [{name: huntaze-assets, publicAccessBlock: {blockPublicAcls: true}, encryption: {algorithm: AES256}, denyInsecureTransport: false, versioning: Enabled}]}";
    plan(&sandbox, wish).await;
    let asked: Vec<_> = sandbox.recorded().into_iter().map(|one| one.operation).collect();
    assert_eq!(asked.len(), 5, "the caller and four readings, found {asked:?}");
}

#[tokio::test]
async fn a_public_website_is_closed_knowingly() {
    let policy = r#"'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::huntaze-web/*"}]}'"#;
    let sandbox = sandbox(&format!("s3: {{buckets: {{huntaze-web: {{website: true, policy: {policy}}}}}}}"));
    let wish = "{buckets: [{name: huntaze-web, publicAccessBlock: {restrictPublicBuckets: true}, denyInsecureTransport: true}]}";
    let before = converges(&sandbox, wish).await;
    for resource in &before.resources {
        assert_eq!(resource.steps[0].impact, Impact::Disruptive, "{resource:#?}");
        assert!(resource.notes.iter().any(|note| note.contains("website")), "{resource:#?}");
    }
}

#[tokio::test]
async fn a_concurrent_change_is_waited_out() {
    let sandbox = sandbox("s3: {conflicts: 2, buckets: {huntaze-assets: {}}}");
    converges(&sandbox, "{buckets: [{name: huntaze-assets, versioning: Enabled, tags: {a: b}}]}").await;
}

#[tokio::test]
async fn rules_of_others_go_only_where_ours_are_exclusive() {
    let rules = "lifecycle: {rules: [{id: theirs, expiration: {days: 9}}, {id: holdfast-gone, expiration: {days: 9}}], transitionDefaultMinimumObjectSize: varies_by_storage_class}";
    let sandbox = sandbox(&format!("s3: {{buckets: {{huntaze-assets: {{{rules}}}}}}}"));
    let wish = |exclusive: &str| {
        format!(
            "{{buckets: [{{name: huntaze-assets, lifecycle: {{{exclusive} rules: [{{id: a, enabled: true, abortMultipartAfterDays: 7}}]}}}}]}}"
        )
    };
    let ids = || -> Vec<String> {
        let world = sandbox.world();
        let lifecycle = world.s3.buckets["huntaze-assets"].lifecycle.as_ref().unwrap();
        assert!(lifecycle.transition_default_minimum_object_size.is_some());
        lifecycle.rules.iter().map(|rule| rule.id.clone()).collect()
    };
    converges(&sandbox, &wish("")).await;
    assert_eq!(ids(), ["theirs", "holdfast-gone", "holdfast-a"]);
    sandbox.forget_records();
    converges(&sandbox, &wish("exclusive: true,")).await;
    assert_eq!(ids(), ["holdfast-a"]);
    sandbox.forget_records();
    converges(&sandbox, "{buckets: [{name: huntaze-assets, lifecycle: {exclusive: true}, tags: {a: b}}]}").await;
    assert_eq!(sandbox.world().s3.buckets["huntaze-assets"].lifecycle, None);
}

#[tokio::test]
async fn expiry_waits_for_the_manifests_consent() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}}}");
    let wish = |approved: &str| {
        format!(
            "{{buckets: [{{name: huntaze-assets, lifecycle: {{{approved} rules: [{{id: a, enabled: true, expiration: {{days: 7}}}}]}}}}]}}"
        )
    };
    let outcomes = run(&sandbox, &wish("")).await;
    assert_eq!(outcomes.blocked().count(), 1, "{outcomes:?}");
    assert_eq!(sandbox.writes().len(), 0);
    converges(&sandbox, &wish("expiryApproved: true,")).await;
}

/// Plans, lets somebody else change the account, and applies what was planned, with consent to exactly that.
async fn raced(sandbox: &Sandbox, baseline: &Baseline, meanwhile: impl FnOnce(&mut crate::sandbox::world::World)) -> Outcomes {
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::open(state.path(), "a test").unwrap().journal;
    let connection = connected(baseline, &base(sandbox)).await.unwrap();
    let at = || sandbox.clock().now();
    let hash = look(baseline, &connection, &Request::default(), at()).await.plan.hash;
    let request = Request { consent: Consent { hashes: [hash].into(), ..Consent::default() }, ..Request::default() };
    let found = look(baseline, &connection, &request, at()).await;
    assert!(found.plan.changes(), "{:#?}", found.plan);
    sandbox.edit(meanwhile);
    let clock = sandbox.clock();
    let with = Apply { journal: &journal, clock: &clock, run: "r", interrupt: &Interrupt::default(), say: &|_| {} };
    apply(baseline, &found, &request.consent, &with).await.unwrap()
}

const THEIRS: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::317805897534:role/app"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::huntaze-assets/*"}]}"#;

/// Bug 9 of the list in AWS-FACTS: a bucket policy that overwrites another's statements.
#[tokio::test]
async fn a_statement_added_between_plan_and_start_survives() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}}}");
    let wish = baseline("{buckets: [{name: huntaze-assets, denyInsecureTransport: true}]}");
    let outcomes = raced(&sandbox, &wish, |world| {
        world.s3.buckets.get_mut("huntaze-assets").unwrap().policy = Some(THEIRS.to_owned());
    })
    .await;
    assert_eq!(outcomes.blocked().count() + outcomes.failed().count(), 0, "{outcomes:#?}");
    let policy = sandbox.world().s3.buckets["huntaze-assets"].policy.clone().unwrap();
    assert!(policy.contains("Theirs") && policy.contains("HoldfastDenyInsecureTransport"), "{policy}");
    assert_eq!(sandbox.writes().len(), 1, "the policy was written once");
}

#[tokio::test]
async fn consent_to_a_change_of_one_policy_is_none_to_that_of_another() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}}}");
    let text = format!(
        "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: o}}, spec: {{account: '{ACCOUNT}', region: us-east-1, policy: {{disruptive: Approve}}, s3: {{buckets: [{{name: huntaze-assets, denyInsecureTransport: true}}]}}}}}}"
    );
    let outcomes = raced(&sandbox, &baseline_of(&text), |world| {
        world.s3.buckets.get_mut("huntaze-assets").unwrap().policy = Some(THEIRS.to_owned());
    })
    .await;
    let blocked: Vec<_> = outcomes.blocked().collect();
    let [blocked] = blocked.as_slice() else { panic!("{outcomes:#?}") };
    let End::Blocked { blocks } = &blocked.end else { panic!("{blocked:?}") };
    assert_eq!(blocks[0].reason, Reason::NeedsConsent);
    assert!(blocks[0].message.contains("somebody else changed the policy of huntaze-assets"), "{blocks:?}");
    assert_eq!(sandbox.writes().len(), 0);
    assert_eq!(sandbox.world().s3.buckets["huntaze-assets"].policy.as_deref(), Some(THEIRS));
}

#[tokio::test]
async fn what_is_the_same_in_another_order_is_no_change() {
    let principals = |list: &str| THEIRS.replace(r#""arn:aws:iam::317805897534:role/app""#, list);
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}}}");
    let set = |list: &str| {
        let policy = principals(list);
        move |world: &mut crate::sandbox::world::World| world.s3.buckets.get_mut("huntaze-assets").unwrap().policy = Some(policy)
    };
    sandbox.edit(set(r#"["arn:aws:iam::1:role/a","arn:aws:iam::1:role/b"]"#));
    let text = format!(
        "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: o}}, spec: {{account: '{ACCOUNT}', region: us-east-1, policy: {{disruptive: Approve}}, s3: {{buckets: [{{name: huntaze-assets, denyInsecureTransport: true}}]}}}}}}"
    );
    let outcomes = raced(&sandbox, &baseline_of(&text), set(r#"["arn:aws:iam::1:role/b","arn:aws:iam::1:role/a"]"#)).await;
    assert_eq!(outcomes.blocked().count() + outcomes.failed().count(), 0, "{outcomes:#?}");
}

#[tokio::test]
async fn nothing_that_somebody_else_set_meanwhile_is_set_back() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {lifecycle: {rules: [{id: theirs, expiration: {days: 9}}]}}}}");
    let wish = baseline(
        "{account: {publicAccessBlock: {blockPublicAcls: true}}, buckets: [{name: huntaze-assets,
          publicAccessBlock: {blockPublicAcls: true}, encryption: {bucketKey: true}, tags: {team: platform},
          lifecycle: {expiryApproved: true, rules: [{id: a, enabled: true, abortMultipartAfterDays: 7}, {id: b, enabled: true, expiration: {days: 7}}]}}]}",
    );
    let outcomes = raced(&sandbox, &wish, |world| {
        let flags = || serde_json::from_value(serde_json::json!({"blockPublicPolicy": true})).unwrap();
        world.s3control.public_access_block = Some(flags());
        let bucket = world.s3.buckets.get_mut("huntaze-assets").unwrap();
        bucket.public_access_block = Some(flags());
        bucket.tags.insert("cost".to_owned(), "7".to_owned());
        let rules = &mut bucket.lifecycle.as_mut().unwrap().rules;
        let mut more = rules[0].clone();
        more.id = "more".to_owned();
        rules.push(more);
    })
    .await;
    assert_eq!(outcomes.blocked().count() + outcomes.failed().count(), 0, "{outcomes:#?}");
    let world = sandbox.world();
    let flags = world.s3control.public_access_block.unwrap();
    assert!(flags.block_public_acls && flags.block_public_policy);
    let bucket = &world.s3.buckets["huntaze-assets"];
    let flags = bucket.public_access_block.unwrap();
    assert!(flags.block_public_acls && flags.block_public_policy && !flags.ignore_public_acls);
    assert_eq!(bucket.tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(), ["cost=7", "team=platform"]);
    let ids: Vec<_> = bucket.lifecycle.as_ref().unwrap().rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["theirs", "more", "holdfast-a", "holdfast-b"]);
}

#[tokio::test]
async fn a_bucket_that_became_public_is_not_closed_without_consent() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}}}");
    let text = format!(
        "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: o}}, spec: {{account: '{ACCOUNT}', region: us-east-1, policy: {{disruptive: Approve}}, s3: {{buckets: [{{name: huntaze-assets, publicAccessBlock: {{restrictPublicBuckets: true}}}}]}}}}}}"
    );
    let public = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::huntaze-assets/*"}]}"#;
    let outcomes = raced(&sandbox, &baseline_of(&text), |world| {
        world.s3.buckets.get_mut("huntaze-assets").unwrap().policy = Some(public.to_owned());
    })
    .await;
    assert_eq!(outcomes.blocked().count(), 1, "{outcomes:#?}");
    assert_eq!(sandbox.writes().len(), 0);
}

#[tokio::test]
async fn tags_that_must_be_absent_go_and_others_stay() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {tags: {team: old, cost: '7'}}, huntaze-logs: {tags: {team: old}}}}");
    let wish = "{buckets: [{name: huntaze-assets, tags: {team: null, gone: null}}, {name: huntaze-logs, tags: {team: null}}]}";
    let plan = converges(&sandbox, wish).await;
    assert_eq!(plan.resources[0].steps[0].title, "Take the tags team off huntaze-assets");
    let world = sandbox.world();
    assert_eq!(world.s3.buckets["huntaze-assets"].tags.keys().collect::<Vec<_>>(), ["cost"]);
    assert!(world.s3.buckets["huntaze-logs"].tags.is_empty());
}

/// A stricter statement of ours stays, and a weaker one is raised.
#[tokio::test]
async fn a_minimum_of_tls_is_never_lowered() {
    let statement = |version: &str| {
        format!(
            r#"'{{"Version":"2012-10-17","Statement":[{{"Sid":"HoldfastDenyOldTls","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::huntaze-assets","arn:aws:s3:::huntaze-assets/*"],"Condition":{{"NumericLessThan":{{"s3:TlsVersion":"{version}"}}}}}}]}}'"#
        )
    };
    let wish = "{buckets: [{name: huntaze-assets, minimumTlsVersion: '1.2'}]}";
    for (found, status) in [("1.3", Status::InSync), ("1.2", Status::InSync), ("1.1", Status::Drifted), ("many", Status::Drifted)] {
        let sandbox = sandbox(&format!("s3: {{buckets: {{huntaze-assets: {{policy: {}}}}}}}", statement(found)));
        let plan = plan(&sandbox, wish).await;
        let policy = plan.resources.iter().find(|one| one.key.kind == "s3.bucketPolicies").unwrap();
        assert_eq!(policy.status, status, "{found}: {policy:#?}");
    }
}

/// Objects of a bucket with ACLs may be public one by one, which no reading of the bucket tells.
#[tokio::test]
async fn acls_of_objects_are_ignored_knowingly() {
    let sandbox = sandbox("s3: {buckets: {huntaze-acls: {ownership: ObjectWriter}, huntaze-plain: {ownership: BucketOwnerEnforced}}}");
    sandbox.edit(|world| world.s3.buckets.values_mut().for_each(|bucket| bucket.public_access_block = None));
    let wish = "{buckets: [{name: all, match: {names: ['*']}, publicAccessBlock: {blockPublicAcls: true, ignorePublicAcls: true}}]}";
    let before = converges(&sandbox, wish).await;
    let impacts: Vec<_> = before.resources.iter().map(|one| (one.key.id.as_str(), one.steps[0].impact, one.notes.len())).collect();
    assert_eq!(impacts, [("huntaze-acls", Impact::Disruptive, 1), ("huntaze-plain", Impact::Online, 0)]);
}

#[test]
fn making_a_bucket_takes_the_permission_to_tag_it() {
    use crate::kinds::Kind;
    let actions: Vec<_> = crate::kinds::s3::Bucket::CALLS.iter().map(|call| call.action).collect();
    assert!(actions.contains(&"s3:CreateBucket") && actions.contains(&"s3:TagResource"));
}

const PUBLIC: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Open","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::huntaze-assets/*"}]}"#;

/// Once BlockPublicPolicy is on, S3 takes no change of a policy that lets everybody in: ours is put into it before, of the bucket and of the account.
#[tokio::test]
async fn a_public_policy_gets_its_statement_before_public_policies_are_blocked() {
    let flags = "publicAccessBlock: {blockPublicPolicy: true, restrictPublicBuckets: true}";
    for wish in [
        format!("{{account: {{{flags}}}, buckets: [{{name: huntaze-assets, denyInsecureTransport: true}}]}}"),
        format!("{{buckets: [{{name: huntaze-assets, denyInsecureTransport: true, {flags}}}]}}"),
        format!("{{account: {{{flags}}}, buckets: [{{name: huntaze-assets, denyInsecureTransport: true, {flags}}}]}}"),
    ] {
        let sandbox = sandbox(&format!("s3: {{buckets: {{huntaze-assets: {{policy: '{PUBLIC}'}}}}}}"));
        let before = converges(&sandbox, &wish).await;
        let notes: Vec<&String> = before.resources.iter().flat_map(|one| &one.notes).collect();
        assert!(notes.iter().any(|note| note.contains("its statement Open may let everybody in")), "{wish}: {notes:?}");
    }
}

#[tokio::test]
async fn a_public_policy_that_s3_takes_no_more_blocks_in_the_plan() {
    let blocked = "publicAccessBlock: {blockPublicPolicy: true}";
    for (account, by) in [
        (format!("s3: {{buckets: {{huntaze-assets: {{policy: '{PUBLIC}', {blocked}}}}}}}"), "the bucket's BlockPublicPolicy"),
        (
            format!("s3control: {{{blocked}}}\ns3: {{buckets: {{huntaze-assets: {{policy: '{PUBLIC}'}}}}}}"),
            "the account's BlockPublicPolicy",
        ),
    ] {
        let sandbox = sandbox(&account);
        let plan = plan(&sandbox, "{buckets: [{name: huntaze-assets, denyInsecureTransport: true}]}").await;
        let blocks: Vec<_> = plan.resources.iter().flat_map(|one| &one.blocks).collect();
        let [block] = blocks.as_slice() else { panic!("{plan:#?}") };
        assert!(block.reason == Reason::Conflict && block.message.contains(by) && block.what_to_do.contains("(Open)"), "{block:?}");
        assert_eq!(plan.resources.iter().map(|one| one.steps.len()).sum::<usize>(), 0);
    }
    // One that names everybody under a condition is none that S3 judges public.
    let narrow = PUBLIC.replace("\"Resource\"", "\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":\"317805897534\"}},\"Resource\"");
    let sandbox = sandbox(&format!("s3: {{buckets: {{huntaze-assets: {{policy: '{narrow}', {blocked}}}}}}}"));
    converges(&sandbox, "{buckets: [{name: huntaze-assets, denyInsecureTransport: true}]}").await;
}

/// Nobody can be a client of it yet: nobody's consent is waited for.
#[tokio::test]
async fn a_refusal_in_the_policy_of_a_bucket_that_is_made_is_online() {
    let sandbox = sandbox("");
    let before =
        converges(&sandbox, "{buckets: [{name: huntaze-new, create: true, denyInsecureTransport: true, minimumTlsVersion: '1.2'}]}").await;
    let steps: Vec<_> = before.resources.iter().flat_map(|one| &one.steps).collect();
    assert!(steps.len() >= 2 && steps.iter().all(|step| step.impact == Impact::Online), "{steps:#?}");
}

/// A rule for all buckets, and one of a bucket's own.
#[tokio::test]
async fn lifecycle_rules_of_two_entries_stand_side_by_side_by_their_ids() {
    let sandbox = sandbox("s3: {buckets: {huntaze-assets: {}, huntaze-logs: {}}}");
    let wish = |own: &str| {
        format!(
            "{{buckets: [{{name: all, match: {{names: ['huntaze-*']}}, lifecycle: {{rules: [{{id: uploads, enabled: true, abortMultipartAfterDays: 7}}]}}}}, {{name: huntaze-assets, lifecycle: {{rules: [{own}]}}}}]}}"
        )
    };
    converges(&sandbox, &wish("{id: old, enabled: true, transitions: [{days: 30, storageClass: STANDARD_IA}]}")).await;
    let world = sandbox.world();
    let ids = |bucket: &str| -> Vec<String> {
        world.s3.buckets[bucket].lifecycle.iter().flat_map(|lifecycle| &lifecycle.rules).map(|rule| rule.id.clone()).collect()
    };
    let mut both = ids("huntaze-assets");
    both.sort();
    assert_eq!(
        (both, ids("huntaze-logs")),
        (vec!["holdfast-old".to_owned(), "holdfast-uploads".to_owned()], vec!["holdfast-uploads".to_owned()])
    );
    // The same id with other words is a disagreement about that rule.
    let plan = plan(&sandbox, &wish("{id: uploads, enabled: true, abortMultipartAfterDays: 9}")).await;
    let blocks: Vec<_> = plan.resources.iter().flat_map(|one| &one.blocks).collect();
    assert_eq!(blocks.iter().map(|block| block.fields.clone()).collect::<Vec<_>>(), [["lifecycle.rules.uploads"]], "{plan:#?}");
}
