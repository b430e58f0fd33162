mod delivery;
mod key;
mod room;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::kinds::testing::{ACCOUNT, Account, one_in, policy};
use crate::kinds::{Drift, Impact, Reason, Unreadable, Why, kms};
use crate::plan::{ResourcePlan, Status};

const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:317805897534:trail/audit";
const KEY: &str = "arn:aws:kms:us-east-1:317805897534:key/k1";

fn scope() -> Scope {
    Scope { object: "test".to_owned(), account: ACCOUNT.to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
}

fn spec(value: Value) -> TrailSpec {
    serde_json::from_value(value).unwrap()
}

/// The bucket's policy as holdfast asks for it.
fn statements(trails: &[Value]) -> String {
    let parts: Vec<_> = trails
        .iter()
        .map(|trail| spec(trail.clone()))
        .flat_map(|spec| {
            let id = Trails::id(&spec, &scope());
            Trails::contributes(&spec, &id, &scope())
        })
        .collect();
    policy(&parts)
}

/// An account with the bucket `logs`, a key, and these trails.
fn services(trails: Value) -> Value {
    let here = statements(&[json!({"name": "audit", "bucket": "logs"})]);
    json!({
        "s3": {"buckets": {"logs": {"policy": here}}},
        "kms": {"keys": {"k1": {}}, "aliases": {"alias/audit": "k1"}},
        "cloudtrail": {"trails": trails},
    })
}

fn wish(members: Value) -> Value {
    let mut trail = json!({"name": "audit"});
    trail.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"cloudtrail": {"trails": [trail]}})
}

async fn planned(account: &Account, members: Value) -> ResourcePlan {
    account.resource("cloudtrail.trails", &wish(members)).await
}

fn everything() -> Value {
    json!({
        "bucket": "logs",
        "multiRegion": true,
        "globalEvents": true,
        "logFileValidation": true,
        "kmsKeyId": "alias/audit",
        "cloudWatchLogs": {
            "logGroupArn": "arn:aws:logs:us-east-1:317805897534:log-group:/audit",
            "roleArn": "arn:aws:iam::317805897534:role/audit",
        },
        "logging": true,
        "eventSelectors": [{
            "readWriteType": "All",
            "includeManagementEvents": true,
            "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3:::b/", "arn:aws:s3:::a/"]}],
        }],
        "insights": ["ApiErrorRateInsight", "ApiCallRateInsight"],
        "tags": {"team": "audit"},
    })
}

/// The normal case of several regions: one bucket that all of their trails deliver to.
#[tokio::test]
async fn one_bucket_takes_the_trails_of_all_regions() {
    let account = Account::new(&json!({"s3": {"buckets": {"logs": {}}}}));
    let mut far = wish(json!({"bucket": "logs", "logging": true, "logFileValidation": true}));
    far["region"] = json!("eu-west-1");
    let plan = account.converges(&far).await;
    let policy = plan.resources.iter().find(|one| one.key.kind == "s3.bucketPolicies").unwrap();
    assert!(policy.notes.iter().any(|note| note.contains("us-east-1")), "{policy:#?}");
    assert!(policy.steps[0].back.contains("--region us-east-1"), "{policy:#?}");
    let near = json!({
        "cloudtrail": {"trails": [{"name": "home", "bucket": "logs", "logging": true}]},
        "s3": {"buckets": [{"name": "logs", "denyInsecureTransport": true}]},
    });
    account.converges(&near).await;
    // Neither takes from the policy what the other put in.
    assert!(account.plan(&far).await.in_sync());
    let written = account.sandbox.snapshot()["s3"]["buckets"]["logs"]["policy"].to_string();
    for part in ["cloudtrail:eu-west-1:317805897534:trail/audit", "cloudtrail:us-east-1:317805897534:trail/home", "aws:SecureTransport"] {
        assert!(written.contains(part), "{part}: {written}");
    }
}

/// An object is for one region: what its entry says of a bucket elsewhere is blocked, and holds what stands on that bucket.
#[tokio::test]
async fn an_entry_for_a_bucket_elsewhere_changes_nothing_of_its_policy() {
    let account = Account::new(&json!({"s3": {"buckets": {"logs": {}}}}));
    let mut far = wish(json!({"bucket": "logs", "logging": true}));
    far["region"] = json!("eu-west-1");
    far["s3"] = json!({"buckets": [{"name": "logs", "denyInsecureTransport": true}]});
    let (plan, _) = account.apply(&far).await;
    let bucket = plan.resources.iter().find(|one| one.key.kind == "s3.buckets").unwrap();
    assert_eq!(bucket.status, Status::Unreadable, "{bucket:#?}");
    assert_eq!(account.writes(), Vec::<String>::new());
    // S3 delivers access logs within a region.
    let account = Account::new(&json!({"s3": {"buckets": {"logs": {}, "far": {"region": "eu-west-1"}}}}));
    let logging = json!([{"name": "far", "logging": {"targetBucket": "logs", "targetPrefix": ""}}]);
    account.apply(&json!({"region": "eu-west-1", "s3": {"buckets": logging}})).await;
    assert_eq!(account.writes(), Vec::<String>::new());
}

/// The policy of its bucket names a trail by the region where it is at home.
#[tokio::test]
async fn a_trail_from_elsewhere_is_let_into_its_bucket() {
    let trails = json!({"audit": {"s3BucketName": "bare", "isMultiRegionTrail": true, "isLogging": true, "homeRegion": "eu-west-1"}});
    let account = Account::new(&json!({"s3": {"buckets": {"bare": {}}}, "cloudtrail": {"trails": trails}}));
    let members = wish(json!({"bucket": "bare", "logging": true}));
    assert!(!account.plan(&members).await.in_sync(), "its bucket lets no CloudTrail in");
    account.converges(&members).await;
    let written = account.sandbox.snapshot()["s3"]["buckets"]["bare"]["policy"].to_string();
    assert!(written.contains("cloudtrail:eu-west-1:") && !written.contains("cloudtrail:us-east-1:"), "{written}");
    // An object of its home asks for the very same.
    let mut home = members.clone();
    home["region"] = json!("eu-west-1");
    assert!(account.plan(&home).await.in_sync());
}

/// Members' logs are delivered below the organisation's id.
#[tokio::test]
async fn an_organisations_trail_takes_its_members_along() {
    let mut services = services(json!({"audit": {"s3BucketName": "logs", "isOrganizationTrail": true, "isLogging": true}}));
    services["s3"]["buckets"]["new"] = json!({});
    services["cloudtrail"]["managementAccount"] = json!(ACCOUNT);
    services["cloudtrail"]["organizationId"] = json!("o-a1b2c3d4e5");
    let account = Account::new(&services);
    let bucket = |account: &Account| account.sandbox.snapshot()["cloudtrail"]["trails"]["audit"]["s3BucketName"].clone();
    // Its bucket lets no member in, so that CloudTrail refuses all else as well.
    let plan = planned(&account, json!({"bucket": "new", "logFileValidation": true})).await;
    let block = &plan.blocks[0];
    assert_eq!(
        (plan.blocks[1].reason, plan.blocks[1].fields.as_slice()),
        (Reason::WaitsForOther, ["logFileValidation".to_owned()].as_slice())
    );
    assert_eq!((block.reason, block.fields.as_slice(), plan.steps.len()), (Reason::InvalidWish, ["bucket".to_owned()].as_slice(), 0));
    assert!(block.what_to_do.contains("organizationId"), "{block:?}");
    // CloudTrail itself looks for it.
    account.apply(&wish(json!({"bucket": "new", "organizationId": "o-zzzzzzzzzz"}))).await;
    assert_eq!(bucket(&account), "logs");
    account.converges(&wish(json!({"bucket": "new", "organizationId": "o-a1b2c3d4e5"}))).await;
    assert_eq!(bucket(&account), "new");
    let written = account.sandbox.snapshot()["s3"]["buckets"]["new"]["policy"].to_string();
    assert!(written.contains("AWSLogs/o-a1b2c3d4e5/*") && written.contains("AWSLogs/317805897534/*"), "{written}");
    // Of a trail of the account's own nothing of that is asked.
    let account = Account::new(&self::services(json!({"audit": {"s3BucketName": "logs"}})));
    let plan = account.converges(&wish(json!({"bucket": "logs", "organizationId": "o-a1b2c3d4e5"}))).await;
    assert!(plan.resources.iter().any(|one| one.notes.iter().any(|note| note.contains("organizationId"))), "{plan:#?}");
    let written = account.sandbox.snapshot()["s3"]["buckets"]["logs"]["policy"].to_string();
    assert!(!written.contains("o-a1b2c3d4e5"), "{written}");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_said_beforehand() {
    let mut services = services(json!({"audit": {"s3BucketName": "logs"}}));
    services["kms"]["keys"]["k1"] = json!({"state": "Disabled"});
    let account = Account::new(&services);
    for words in ["alias/audit", KEY] {
        let plan = planned(&account, json!({"kmsKeyId": words, "logFileValidation": true})).await;
        assert_eq!((plan.blocks[0].reason, plan.steps.len()), (Reason::UnexpectedState, 1), "{words}: {plan:#?}");
        assert!(plan.blocks[0].message.contains("Disabled"), "{plan:#?}");
        let new = json!({"cloudtrail": {"trails": [{"name": "new", "bucket": "logs", "kmsKeyId": words}]}});
        let new = account.resource("cloudtrail.trails", &new).await;
        assert_eq!((new.blocks[0].reason, new.steps.len()), (Reason::UnexpectedState, 0), "{words}: {new:#?}");
    }
    let missing = planned(&account, json!({"kmsKeyId": "arn:aws:kms:us-east-1:317805897534:key/none"})).await;
    assert_eq!((missing.blocks[0].reason, missing.steps.len()), (Reason::InvalidWish, 0), "{missing:#?}");
    // What another account's key is, its owner knows.
    let theirs = planned(&account, json!({"kmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/k1"})).await;
    assert_eq!((theirs.blocks.len(), theirs.steps.len()), (0, 1), "{theirs:#?}");
}

/// What refuses every UpdateTrail: a bucket that is gone, and one whose policy lets CloudTrail in no more.
#[tokio::test]
async fn a_trail_whose_bucket_takes_nothing_is_moved_first() {
    for (found, logs) in [("gone", true), ("gone", false), ("shut", true), ("shut", false)] {
        let mut services = services(json!({"audit": {"s3BucketName": found, "isLogging": logs}}));
        services["s3"]["buckets"]["shut"] = json!({});
        let account = Account::new(&services);
        let members = json!({"bucket": "logs", "logFileValidation": true, "logging": true, "tags": {"team": "audit"}});
        let (plan, _) = account.apply_without_consent(&wish(members.clone())).await;
        let trail = plan.resources.iter().find(|one| one.key.kind == "cloudtrail.trails").unwrap();
        let update = |field: &str| trail.steps.iter().position(|step| step.fields.iter().any(|of| of == field)).unwrap();
        assert!(update("bucket") < update("logFileValidation"), "{found}: {trail:#?}");
        // What is known to be refused waits for the move, and that for consent.
        assert_eq!(trail.steps[update("logFileValidation")].held.is_some(), logs, "{found}: {trail:#?}");
        account.converges(&wish(members)).await;
        assert_eq!(account.sandbox.snapshot()["cloudtrail"]["trails"]["audit"]["logFileValidationEnabled"], true);
    }
}

/// A step that is refused halts its resource: recording must not wait behind it.
#[tokio::test]
async fn what_protects_and_stands_on_nothing_comes_first() {
    let mut services = services(json!({"audit": {"s3BucketName": "logs", "isLogging": false, "kmsKeyId": KEY}}));
    services["kms"]["keys"]["k1"] = json!({"state": "Disabled"});
    let account = Account::new(&services);
    let members = json!({
        "logFileValidation": true, "logging": true, "tags": {"team": "audit"},
        "eventSelectors": [{"readWriteType": "WriteOnly", "includeManagementEvents": true}],
    });
    let plan = planned(&account, members.clone()).await;
    let fields: Vec<&str> = plan.steps.iter().flat_map(|step| &step.fields).map(String::as_str).collect();
    assert_eq!(fields, ["logging", "logFileValidation", "eventSelectors", "tags.team"]);
    // CloudTrail refuses every update of a trail whose key is disabled.
    account.apply(&wish(members)).await;
    let found = account.sandbox.snapshot()["cloudtrail"]["trails"]["audit"].clone();
    assert_eq!((&found["isLogging"], &found["logFileValidationEnabled"]), (&json!(true), &json!(false)));
    // What takes recording away comes last.
    let account = Account::new(&self::services(json!({"audit": {"s3BucketName": "logs", "isLogging": true}})));
    let plan = planned(&account, json!({"logFileValidation": true, "logging": false, "tags": {"team": "audit"}})).await;
    assert_eq!(plan.steps.last().unwrap().fields, ["logging"]);
}

#[tokio::test]
async fn a_missing_trail_is_made_as_declared_and_then_left_alone() {
    let account = Account::new(&services(json!({})));
    let plan = account.converges(&wish(everything())).await;
    let titles: Vec<&str> = plan.resources.iter().flat_map(|one| &one.steps).map(|step| step.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Create the trail audit",
            "Start logging of the trail audit",
            "Set what the trail audit records",
            "Set what Insights looks for in the trail audit"
        ]
    );
    let made = account.sandbox.snapshot()["cloudtrail"]["trails"]["audit"].clone();
    assert_eq!(made["isLogging"], true);
    assert_eq!(made["kmsKeyId"], KEY);
    assert_eq!(made["cloudWatchLogsLogGroupArn"], "arn:aws:logs:us-east-1:317805897534:log-group:/audit:*");
    assert_eq!(made["tags"], json!({"team": "audit", "holdfast.dev/owner": "holdfast", "holdfast.dev/object": "test"}));
    assert_eq!(made["insightSelectors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_bucket_and_its_policy_come_before_the_trail() {
    let account = Account::new(&json!({}));
    let mut spec = wish(json!({"bucket": "logs", "keyPrefix": "audit", "logging": true}));
    spec["s3"] = json!({"buckets": [{"name": "logs", "create": true, "denyInsecureTransport": true}]});
    account.apply(&spec).await;
    let writes = account.writes();
    let place = |operation: &str| writes.iter().position(|one| one == operation);
    assert!(place("CreateBucket") < place("PutBucketPolicy") && place("PutBucketPolicy") < place("CreateTrail"), "{writes:?}");
    assert!(place("CreateBucket").is_some() && place("CreateTrail") < place("StartLogging"));
    assert_eq!(writes.iter().filter(|one| *one == "PutBucketPolicy").count(), 1, "statements of several wishes are written at once");
    account.converges(&spec).await;
}

#[tokio::test]
async fn a_trail_that_cannot_be_made_is_missing() {
    let account = Account::new(&services(json!({})));
    let plan = planned(&account, json!({"logging": true})).await;
    assert_eq!((plan.status, plan.blocks[0].reason), (Status::Blocked, Reason::Missing));
}

#[tokio::test]
async fn a_drifted_trail_is_sent_its_changed_fields_only() {
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs", "s3KeyPrefix": null, "isMultiRegionTrail": false}})));
    let members = json!({"bucket": "logs", "keyPrefix": "", "multiRegion": true, "logFileValidation": true, "tags": {"team": "audit"}});
    account.sandbox.forget_records();
    account.apply(&wish(members.clone())).await;
    assert_eq!(account.sent("UpdateTrail"), json!({"Name": TRAIL, "IsMultiRegionTrail": true, "EnableLogFileValidation": true}));
    assert_eq!(account.writes(), ["UpdateTrail", "AddTags"]);
    account.converges(&wish(members)).await;
}

#[tokio::test]
async fn what_is_not_declared_is_not_read() {
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs"}})));
    let plan = planned(&account, json!({"multiRegion": false})).await;
    assert_eq!(plan.status, Status::InSync);
    assert_eq!(account.operations(), ["DescribeTrails", "GetCallerIdentity"].map(str::to_owned).into_iter().collect());
}

#[tokio::test]
async fn a_shadow_is_changed_in_its_home_region() {
    let trails = json!({"audit": {"s3BucketName": "logs", "isMultiRegionTrail": true, "homeRegion": "eu-west-1"}});
    let mut services = services(trails);
    let policy = services["s3"]["buckets"]["logs"]["policy"].to_string().replace("cloudtrail:us-east-1", "cloudtrail:eu-west-1");
    services["s3"]["buckets"]["logs"]["policy"] = serde_json::from_str(&policy).unwrap();
    let account = Account::new(&services);
    let members = json!({
        "bucket": "logs", "logging": true, "logFileValidation": true, "tags": {"team": "audit"}, "insights": ["ApiErrorRateInsight"],
        "eventSelectors": [{"readWriteType": "WriteOnly", "includeManagementEvents": true}],
    });
    let plan = planned(&account, members.clone()).await;
    assert_eq!(plan.blocks, [], "{plan:?}");
    assert!(plan.notes.iter().any(|note| note.contains("eu-west-1")), "{plan:?}");
    assert!(plan.steps.iter().filter(|step| step.back.contains("aws cloudtrail")).all(|step| step.back.contains("--region eu-west-1")));
    account.apply(&wish(members.clone())).await;
    let mut sent = account.writes();
    sent.sort();
    assert_eq!(sent, ["AddTags", "PutBucketPolicy", "PutEventSelectors", "PutInsightSelectors", "StartLogging", "UpdateTrail"]);
    account.converges(&wish(members)).await;
}

#[tokio::test]
async fn what_is_of_the_region_of_a_trail_from_elsewhere_stays() {
    let trails = json!({"audit": {"s3BucketName": "old", "isMultiRegionTrail": true, "homeRegion": "eu-west-1"}});
    let account = Account::new(&services(trails));
    let plan = planned(&account, json!({"bucket": "logs", "logging": true, "multiRegion": false, "kmsKeyId": KEY})).await;
    assert_eq!((plan.blocks.len(), plan.steps.len()), (3, 1), "{plan:?}");
    let mut fields: Vec<&String> = plan.blocks.iter().flat_map(|block| &block.fields).collect();
    fields.sort();
    assert_eq!(fields, ["bucket", "kmsKeyId", "multiRegion"]);
    assert!(plan.blocks.iter().all(|block| block.reason == Reason::NotSupported && block.what_to_do.contains("spec.region is eu-west-1")));
}

#[tokio::test]
async fn an_organisations_trail_is_managed_above() {
    let mut services = services(json!({"audit": {"s3BucketName": "logs", "isOrganizationTrail": true}}));
    services["cloudtrail"]["managementAccount"] = json!("999988887777");
    let account = Account::new(&services);
    let plan = planned(&account, json!({"multiRegion": true})).await;
    assert_eq!(plan.blocks[0].reason, Reason::ManagedAbove);
    assert!(plan.blocks[0].message.contains("999988887777"), "{plan:?}");
    assert!(plan.steps.is_empty());
}

/// Contract 2: a run that leaves trails out knows not what they are, and takes nothing out of a policy that lets them in.
#[tokio::test]
async fn a_policy_that_is_chosen_alone_keeps_what_lets_trails_in() {
    let organization = json!({"s3BucketName": "logs", "isOrganizationTrail": true, "isLogging": true});
    let abroad = json!({"s3BucketName": "logs", "isMultiRegionTrail": true, "homeRegion": "eu-west-1", "isLogging": true});
    for trail in [organization, abroad, json!({"s3BucketName": "logs", "s3KeyPrefix": "old"})] {
        let mut services = json!({"s3": {"buckets": {"logs": {}}}, "cloudtrail": {"trails": {"audit": trail}}});
        services["cloudtrail"]["managementAccount"] = json!(ACCOUNT);
        services["cloudtrail"]["organizationId"] = json!("o-a1b2c3d4e5");
        let account = Account::new(&services);
        let mut whole = wish(json!({"bucket": "logs", "organizationId": "o-a1b2c3d4e5"}));
        account.converges(&whole).await;
        let statements = |account: &Account| {
            let text = account.sandbox.snapshot()["s3"]["buckets"]["logs"]["policy"].as_str().unwrap().to_owned();
            serde_json::from_str::<Value>(&text).unwrap()["Statement"].as_array().unwrap().clone()
        };
        let before = statements(&account);
        // There is something to write: the whole policy is sent.
        whole["s3"] = json!({"buckets": [{"name": "logs", "denyInsecureTransport": true}]});
        let choice = crate::desired::Choice { only: vec!["s3.bucketPolicies".to_owned()], ..Default::default() };
        account.sandbox.forget_records();
        let (plan, _) = account.apply_chosen(&whole, choice).await;
        assert_eq!((plan.resources.len(), account.writes()), (1, vec!["PutBucketPolicy".to_owned()]), "{plan:#?}");
        assert!(!account.operations().contains("DescribeTrails"), "the trail was looked at");
        let after = statements(&account);
        assert!(before.iter().all(|one| after.contains(one)), "{before:#?} {after:#?}");
        assert!(after.len() > before.len());
    }
}

/// Nothing is put into a bucket's policy for a trail that is left as it is; what others ask of that policy is.
#[tokio::test]
async fn nothing_is_asked_of_a_bucket_for_a_trail_that_is_changed_elsewhere() {
    let abroad = json!({"s3BucketName": "old", "isMultiRegionTrail": true, "homeRegion": "eu-west-1"});
    for trail in [abroad, json!({"s3BucketName": "logs", "isOrganizationTrail": true})] {
        let mut services = json!({"s3": {"buckets": {"logs": {}}}, "cloudtrail": {"managementAccount": "999988887777"}});
        services["cloudtrail"]["trails"]["audit"] = trail;
        let account = Account::new(&services);
        let mut spec = wish(json!({"bucket": "logs", "tags": {"team": "audit"}}));
        let (plan, _) = account.apply(&spec).await;
        assert_eq!(plan.resources.len(), 1, "{plan:#?}");
        assert!(!account.writes().contains(&"PutBucketPolicy".to_owned()));
        account.sandbox.forget_records();
        spec["s3"] = json!({"buckets": [{"name": "logs", "denyInsecureTransport": true}]});
        let (plan, _) = account.apply(&spec).await;
        let policy = plan.resources.iter().find(|one| one.key.kind == "s3.bucketPolicies").unwrap();
        assert_eq!((policy.origins.len(), policy.drifts.len()), (1, 1), "{policy:#?}");
        assert_eq!(account.writes(), ["PutBucketPolicy"]);
        let written = account.sandbox.snapshot()["s3"]["buckets"]["logs"]["policy"].to_string();
        assert!(!written.contains("cloudtrail.amazonaws.com"), "{written}");
    }
}

#[tokio::test]
async fn weakening_a_trail_needs_consent_and_says_what_is_lost() {
    let trails = json!({"audit": {
        "s3BucketName": "logs", "isMultiRegionTrail": true, "logFileValidationEnabled": true, "isLogging": true
    }});
    let account = Account::new(&services(trails));
    let members = json!({"multiRegion": false, "logFileValidation": false, "kmsKeyId": "alias/audit", "logging": false});
    let plan = planned(&account, members).await;
    let impacts: Vec<(Impact, usize)> = plan.steps.iter().map(|step| (step.impact, step.fields.len())).collect();
    assert_eq!(impacts, [(Impact::Online, 1), (Impact::Disruptive, 2), (Impact::Disruptive, 1)]);
    assert!(plan.steps[1].takes.contains("never be shown to be unchanged"), "{:?}", plan.steps[1]);
    assert!(plan.notes.iter().any(|note| note.contains("chain of digests")));
    assert!(plan.steps[0].held.is_none() && plan.steps[1].held.is_some());
}

#[tokio::test]
async fn a_key_is_compared_by_what_it_is() {
    let trails = json!({"audit": {"s3BucketName": "logs", "kmsKeyId": KEY}});
    let account = Account::new(&services(trails.clone()));
    for words in ["alias/audit", "k1", KEY, "arn:aws:kms:us-east-1:317805897534:alias/audit"] {
        let plan = planned(&account, json!({"kmsKeyId": words})).await;
        assert_eq!(plan.status, Status::InSync, "{words}: {plan:?}");
    }
    let plan = planned(&account, json!({"kmsKeyId": "alias/other"})).await;
    assert_eq!(plan.blocks[0].reason, Reason::InvalidWish);
    let account = Account::with(&services(trails), "denied@DescribeKey");
    let plan = planned(&account, json!({"kmsKeyId": "alias/audit"})).await;
    assert_eq!(plan.status, Status::Unreadable);
}

/// Bug 12: what may not be read is neither compliant nor absent.
#[tokio::test]
async fn a_trail_that_may_not_be_read_is_not_made_again() {
    for (denied, field) in [("DescribeTrails", ""), ("GetTrailStatus", "logging"), ("ListTags", "tags.team")] {
        let account = Account::with(&services(json!({"audit": {"s3BucketName": "logs"}})), &format!("denied@{denied}"));
        let (plan, _) = account.apply(&wish(json!({"bucket": "logs", "logging": true, "tags": {"team": "audit"}}))).await;
        let trail = plan.resources.iter().find(|one| one.key.kind == "cloudtrail.trails").unwrap();
        assert_eq!(trail.status, Status::Unreadable, "{denied}");
        assert_eq!(trail.unreadable[0].field, field);
        assert!(account.writes().is_empty(), "{denied}: {:?}", account.writes());
    }
}

/// Bug 8: the answer to a create is lost, or the run ends there.
#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_one_trail() {
    let wish = wish(json!({"bucket": "logs", "logging": true, "insights": ["ApiErrorRateInsight"]}));
    let undisturbed = Account::new(&services(json!({})));
    undisturbed.apply(&wish).await;
    for call in one_in(4, (1..=undisturbed.sandbox.calls()).collect()) {
        for fault in ["cut-before", "cut-after"] {
            let account = Account::with(&services(json!({})), &format!("{fault}@{call}"));
            account.apply(&wish).await;
            assert!(account.sandbox.calls() >= call, "{fault}@{call} met nothing");
            account.converges(&wish).await;
            assert_eq!(account.sandbox.snapshot()["cloudtrail"]["trails"].as_object().unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn changing_the_form_of_selectors_is_more_than_online_where_something_was_selected() {
    let advanced = json!([{"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]}]);
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs"}})));
    let plan = planned(&account, json!({"advancedEventSelectors": advanced})).await;
    assert_eq!(plan.steps[0].impact, Impact::Online, "{plan:?}");
    let custom = json!([{"ReadWriteType": "All", "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]);
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs", "eventSelectors": custom}})));
    let plan = planned(&account, json!({"advancedEventSelectors": advanced})).await;
    assert_eq!(plan.steps[0].impact, Impact::Disruptive);
    account.converges(&wish(json!({"advancedEventSelectors": advanced}))).await;
    account.converges(&wish(json!({"eventSelectors": [{"readWriteType": "WriteOnly", "includeManagementEvents": true}]}))).await;
}

/// Bug 1: the same wish in other words is no difference.
#[test]
fn selectors_that_mean_the_same_are_equal() {
    let plain = |value: Value| Events::Plain(serde_json::from_value(value).unwrap());
    let resource = |kind: &str, values: &[&str]| json!({"type": kind, "values": values});
    let selector = |resources: Value, sources: &[&str]| json!({"readWriteType": "All", "includeManagementEvents": true, "dataResources": resources, "excludeManagementEventSources": sources});
    let (s3, lambda) = ("AWS::S3::Object", "AWS::Lambda::Function");
    let one = plain(json!([
        selector(json!([resource(s3, &["b", "a"]), resource(lambda, &["f"])]), &["rds", "kms"]),
        selector(json!([resource(s3, &["arn:aws:s3:::"])]), &[]),
    ]));
    let other = plain(json!([
        selector(json!([resource(s3, &["arn:aws:s3"])]), &[]),
        selector(json!([resource(lambda, &["f"]), resource(s3, &["a"]), resource(s3, &["a", "b"])]), &["kms", "rds"]),
    ]));
    assert!(one.satisfy(&other) && other.satisfy(&one));
    let fewer = plain(json!([selector(json!([resource(s3, &["arn:aws:s3"])]), &[])]));
    assert!(!one.satisfy(&fewer) && !fewer.satisfy(&one));

    let advanced = |value: Value| Events::Advanced(serde_json::from_value(value).unwrap());
    let found = advanced(json!([{"name": "writes", "fieldSelectors": [
        {"field": "readOnly", "equals": ["false"]}, {"field": "eventCategory", "equals": ["Management"]}]}]));
    let unnamed = advanced(json!([{"fieldSelectors": [
        {"field": "eventCategory", "equals": ["Management"]}, {"field": "readOnly", "equals": ["false", "false"]}]}]));
    let renamed = advanced(json!([{"name": "other", "fieldSelectors": [
        {"field": "eventCategory", "equals": ["Management"]}, {"field": "readOnly", "equals": ["false"]}]}]));
    assert!(found.satisfy(&unnamed), "a name that is not declared is not compared");
    assert!(!found.satisfy(&renamed));
    assert!(!found.satisfy(&one));
}

#[test]
fn narrowing_what_is_recorded_is_more_than_online() {
    let all = json!([{"readWriteType": "All", "includeManagementEvents": true}]);
    let writes = json!([{"readWriteType": "WriteOnly", "includeManagementEvents": true}]);
    let both = json!([{"readWriteType": "All", "includeManagementEvents": true}, {"readWriteType": "All", "includeManagementEvents": false,
        "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}]}]);
    for (found, declared, impact) in [
        (&all, &writes, Impact::Disruptive),
        (&writes, &all, Impact::Online),
        (&all, &both, Impact::Online),
        (&both, &all, Impact::Disruptive),
        (&Value::Null, &writes, Impact::Online),
    ] {
        assert_eq!(selectors::plain_impact(found, declared), impact, "{found} -> {declared}");
    }
}

#[tokio::test]
async fn trails_that_share_a_bucket_each_have_their_own_statements() {
    let trails =
        [json!({"name": "one", "bucket": "logs", "keyPrefix": "audit/one"}), json!({"name": "one.b", "trail": "one_b", "bucket": "logs"})];
    let text = statements(&trails);
    let document: Value = serde_json::from_str(&text).unwrap();
    let sids: BTreeSet<&str> = document["Statement"].as_array().unwrap().iter().map(|one| one["Sid"].as_str().unwrap()).collect();
    assert_eq!(sids.len(), 4);
    assert!(sids.iter().all(|sid| sid.starts_with("Holdfast") && sid.chars().all(|letter| letter.is_ascii_alphanumeric())), "{sids:?}");
    // CloudTrail takes both.
    let account = Account::new(&json!({"s3": {"buckets": {"logs": {"policy": text}}}}));
    account.converges(&json!({"cloudtrail": {"trails": trails}})).await;
    let elsewhere = Scope { region: "eu-west-1".to_owned(), ..scope() };
    let spec = spec(json!({"name": "one", "bucket": "logs", "keyPrefix": "audit/one"}));
    let sid = |scope: &Scope| Trails::contributes(&spec, "one", scope)[0].value["statements"][0]["sid"].clone();
    assert_ne!(sid(&scope()), sid(&elsewhere), "a trail of the same name in another region");
    let [policy, bucket] = Trails::needs(&spec, "one", &scope(), &Trails::contributes(&spec, "one", &scope())).try_into().unwrap();
    assert_eq!((policy.key.to_string().as_str(), bucket.key.to_string().as_str()), ("s3.bucketPolicies/logs", "s3.buckets/logs"));
    assert!(policy.parts.len() == 2 && policy.parts.iter().all(|part| sids.contains(part.trim_start_matches("statements."))), "{policy:?}");
    assert_eq!(bucket.parts, ["create"]);
    assert!(policy.concerns(&["keyPrefix".to_owned()]) && !policy.concerns(&["logging".to_owned()]));
    assert!(Trails::contributes(&TrailSpec::default(), "one", &scope()).is_empty());
}

/// The statement for the prefix that is in use stays until the trail has moved, whatever becomes of the move.
#[tokio::test]
async fn a_prefix_that_is_not_moved_to_takes_nothing_from_the_one_in_use() {
    let account = Account::new(&services(json!({})));
    let members = |prefix: Value| wish(json!({"bucket": "logs", "logging": true, "keyPrefix": prefix}));
    account.converges(&members(json!("one"))).await;
    // CloudTrail looks at the bucket's policy before it takes any change.
    let delivers = async |change: bool| {
        let (_, outcomes) = account.apply(&wish(json!({"logFileValidation": change}))).await;
        assert!(outcomes.resources.iter().all(|one| one.end == crate::execute::End::Changed), "{outcomes:#?}");
    };
    let (plan, _) = account.apply_without_consent(&members(json!("two"))).await;
    let trail = plan.resources.iter().find(|one| one.key.kind == "cloudtrail.trails").unwrap();
    assert!(trail.steps.iter().all(|step| step.held.is_some()), "{trail:#?}");
    delivers(true).await;
    let plan = account.converges(&wish(json!({"bucket": "logs", "logging": true}))).await;
    assert!(plan.resources.iter().all(|one| one.key.kind != "cloudtrail.trails" || one.steps.is_empty()), "{plan:#?}");
    delivers(false).await;
    // Without what was put in for the prefix before, too: the trail that declares none has what it needs.
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs", "s3KeyPrefix": "one"}})));
    account.converges(&wish(json!({"bucket": "logs", "logFileValidation": true}))).await;
}

/// The policy of a bucket that nobody declares is left alone, and CloudTrail would refuse a prefix that it does not let it write below.
#[tokio::test]
async fn a_prefix_is_changed_only_where_its_bucket_is_declared() {
    let account = Account::new(&services(json!({})));
    account.converges(&wish(json!({"bucket": "logs", "keyPrefix": "one"}))).await;
    account.sandbox.forget_records();
    let (plan, _) = account.apply(&wish(json!({"keyPrefix": "two", "logFileValidation": true}))).await;
    let block = &plan.resources[0].blocks[0];
    assert_eq!((block.reason, plan.resources[0].blocks.len()), (Reason::Conflict, 1), "{plan:#?}");
    assert_eq!((block.fields.as_slice(), block.what_to_do.as_str()), (["keyPrefix".to_owned()].as_slice(), "declare bucket too: logs"));
    assert_eq!(account.sent("UpdateTrail"), json!({"Name": TRAIL, "EnableLogFileValidation": true}), "the rest is no part of it");
    account.converges(&wish(json!({"bucket": "logs", "keyPrefix": "two"}))).await;
}

#[test]
fn wishes_that_contradict_themselves_are_said() {
    let problem = |value: Value| spec(value).problems(&scope()).into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>();
    let plain = json!([{"readWriteType": "All", "includeManagementEvents": false, "excludeManagementEventSources": ["kms.amazonaws.com"]}]);
    let advanced = json!([{"fieldSelectors": [{"field": "readOnly"}]}]);
    let logs = |region: &str, account: &str| {
        let (group, role) = (format!("arn:aws:logs:{region}:{account}:log-group:g"), format!("arn:aws:iam::{account}:role/r"));
        json!({"logGroupArn": group, "roleArn": role})
    };
    for (value, paths) in [
        (json!({"name": "audit"}), vec![]),
        (json!({"name": "ab"}), vec!["name"]),
        (json!({"name": "a", "trail": "10.0.0.1"}), vec!["trail"]),
        (json!({"name": "a", "trail": "au--dit"}), vec!["trail"]),
        (json!({"name": "audit", "multiRegion": true, "globalEvents": false}), vec!["globalEvents"]),
        (
            json!({"name": "audit", "eventSelectors": plain, "advancedEventSelectors": advanced}),
            vec![
                "advancedEventSelectors",
                "eventSelectors[0].excludeManagementEventSources",
                "advancedEventSelectors[0].fieldSelectors",
                "advancedEventSelectors[0].fieldSelectors",
            ],
        ),
        (json!({"name": "audit", "tags": {"aws:x": "y"}}), vec!["tags[\"aws:x\"]"]),
        (json!({"name": "audit", "cloudWatchLogs": logs("us-east-1", ACCOUNT)}), vec![]),
        (
            json!({"name": "audit", "cloudWatchLogs": logs("us-east-1", "111122223333")}),
            vec!["cloudWatchLogs.logGroupArn", "cloudWatchLogs.roleArn"],
        ),
        (json!({"name": "audit", "cloudWatchLogs": logs("eu-west-1", ACCOUNT)}), vec![]),
        (json!({"name": "audit", "multiRegion": false, "cloudWatchLogs": logs("eu-west-1", ACCOUNT)}), vec!["cloudWatchLogs.logGroupArn"]),
    ] {
        assert_eq!(problem(value.clone()), paths, "{value}");
    }
}

fn planning(seen: &TrailSeen, drifts: &[Drift]) -> Steps<TrailOp> {
    planning_of(json!({"name": "audit"}), seen, drifts)
}

fn planning_of(declared: Value, seen: &TrailSeen, drifts: &[Drift]) -> Steps<TrailOp> {
    let peers = crate::kinds::KindPeers::default();
    Trails::steps(&Planning { scope: &scope(), id: "audit", spec: &spec(declared), seen, drifts, peers: &peers })
}

fn drift(field: &str, found: Value, declared: Value) -> Drift {
    Drift { field: field.to_owned(), found, declared, impact: Impact::Online }
}

fn seen(settings: Settings) -> TrailSeen {
    let trail =
        SeenTrail { arn: TRAIL.to_owned(), home_region: "us-east-1".to_owned(), owner: ACCOUNT.to_owned(), organization: false, settings };
    TrailSeen { trail: Fact::Present(trail), ..TrailSeen::default() }
}

#[test]
fn what_cloudtrail_would_refuse_is_blocked_beforehand() {
    let local = seen(Settings { multi_region: Some(false), global_events: Some(false), ..Settings::default() });
    let steps = planning(&local, &[drift("multiRegion", json!(false), json!(true))]);
    assert_eq!((steps.steps.len(), steps.blocks[0].reason), (0, Reason::Conflict));
    let both = [drift("multiRegion", json!(false), json!(true)), drift("globalEvents", json!(false), json!(true))];
    assert_eq!(planning(&local, &both).steps.len(), 1, "together they are taken");
    let group = [drift("cloudWatchLogs.logGroupArn", Value::Null, json!("arn:aws:logs:us-east-1:317805897534:log-group:g"))];
    assert_eq!(planning(&local, &group).blocks[0].reason, Reason::Conflict, "no role, declared or found");
    let with_role = seen(Settings { role_arn: Some("role".to_owned()), ..Settings::default() });
    let steps = planning(&with_role, &group);
    let TrailOp::Update { settings, .. } = &steps.steps[0].op else { panic!("{steps:?}") };
    assert_eq!(settings.role_arn.as_deref(), Some("role"), "both go together");
    assert_eq!(settings.log_group_arn.as_deref(), Some("arn:aws:logs:us-east-1:317805897534:log-group:g:*"));
    assert_eq!(Trails::check(&steps.steps[0].op, &with_role), Progress::Pending);
    let other_role = seen(Settings { role_arn: Some("other".to_owned()), ..Settings::default() });
    assert!(matches!(Trails::check(&steps.steps[0].op, &other_role), Progress::Stale(_)), "the role would be set back");
}

#[test]
fn insights_keep_the_events_that_they_look_at() {
    let kept = op::InsightSetting { insight: "ApiCallRateInsight".to_owned(), categories: vec!["Data".to_owned()] };
    let seen = TrailSeen { insights: Fact::Present(vec![kept.clone()]), ..seen(Settings::default()) };
    let declared = json!(["ApiCallRateInsight", "ApiErrorRateInsight"]);
    let steps = planning(&seen, &[drift("insights", json!(["ApiCallRateInsight"]), declared)]);
    let TrailOp::PutInsights { insights, .. } = &steps.steps[0].op else { panic!("{steps:?}") };
    assert_eq!(insights[0], kept);
    assert_eq!(insights[1].categories, Vec::<String>::new());
    let op = &steps.steps[0].op;
    assert_eq!(Trails::check(op, &seen), Progress::Pending);
    let other =
        TrailSeen { insights: Fact::Present(vec![op::InsightSetting { categories: vec!["Management".to_owned()], ..kept }]), ..seen };
    assert!(matches!(Trails::check(op, &other), Progress::Stale(_)), "its events would be set back");
}

#[test]
fn what_a_trail_records_is_replaced_only_as_it_was_planned() {
    let selector = |kind: ReadWriteType| EventSelector {
        read_write_type: kind,
        include_management_events: true,
        data_resources: Vec::new(),
        exclude_management_event_sources: Vec::new(),
    };
    let recording = |kind| TrailSeen { events: Fact::Present(Events::Plain(vec![selector(kind)])), ..seen(Settings::default()) };
    let found = recording(ReadWriteType::ReadOnly);
    let declared = json!([selector(ReadWriteType::WriteOnly)]);
    let steps = planning(&found, &[drift("eventSelectors", json!([selector(ReadWriteType::ReadOnly)]), declared)]);
    let op = &steps.steps[0].op;
    assert_eq!(Trails::check(op, &found), Progress::Pending);
    assert_eq!(Trails::check(op, &recording(ReadWriteType::WriteOnly)), Progress::Done);
    assert!(matches!(Trails::check(op, &recording(ReadWriteType::All)), Progress::Stale(_)));
}

#[test]
fn a_step_is_done_when_it_is_seen_to_be() {
    let unknown = Unreadable { call: "c".to_owned(), why: Why::Failed, message: String::new() };
    let trail = || TRAIL.to_owned();
    let settings = Settings { key_prefix: Some(String::new()), log_group_arn: Some("g".to_owned()), ..Settings::default() };
    let update = TrailOp::Update { trail: trail(), settings, from: None };
    let present = seen(Settings { log_group_arn: Some("g:*".to_owned()), ..Settings::default() });
    assert_eq!(Trails::check(&update, &present), Progress::Done);
    assert_eq!(Trails::check(&update, &seen(Settings::default())), Progress::Pending);
    let logging = |fact| TrailSeen { logging: fact, ..seen(Settings::default()) };
    let (start, stop) = (TrailOp::StartLogging { trail: trail() }, TrailOp::StopLogging { trail: trail() });
    assert_eq!(Trails::check(&start, &logging(Fact::Present(true))), Progress::Done);
    assert_eq!(Trails::check(&start, &logging(Fact::Present(false))), Progress::Pending);
    assert_eq!(Trails::check(&start, &logging(Fact::Absent)), Progress::Pending, "a stale reading");
    assert_eq!(Trails::check(&stop, &logging(Fact::Present(true))), Progress::Pending);
    assert_eq!(Trails::check(&start, &logging(Fact::Unknown(unknown.clone()))), Progress::Unknown(unknown));
    let untag = TrailOp::Untag { trail: trail(), keys: vec!["a".to_owned()] };
    let tagged = |tags: Value| TrailSeen { tags: Fact::Present(serde_json::from_value(tags).unwrap()), ..TrailSeen::default() };
    assert_eq!(Trails::check(&untag, &tagged(json!({"a": ""}))), Progress::Pending);
    assert_eq!(Trails::check(&untag, &tagged(json!({"b": ""}))), Progress::Done);
    let written = serde_json::to_value(&update).unwrap();
    assert_eq!(serde_json::from_value::<TrailOp>(written).unwrap(), update, "an operation survives the journal");
}

#[test]
fn the_policy_of_another_accounts_bucket_is_left_to_that_account() {
    let asked = |account: Value| {
        let spec = spec(json!({"name": "t", "bucket": "theirs-logs", "bucketAccount": account}));
        let parts = Trails::contributes(&spec, "t", &scope());
        (parts.len(), Trails::needs(&spec, "t", &scope(), &parts).len())
    };
    assert_eq!(asked(Value::Null), (1, 2));
    assert_eq!(asked(json!("317805897534")), (1, 2));
    assert_eq!(asked(json!("111111111111")), (0, 0));
}

#[test]
fn the_example_is_right() {
    let loaded = crate::load::load_text("cloudtrail.trails.yaml", include_str!("../../../examples/kinds/cloudtrail.trails.yaml"));
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert!(loaded.baselines[0].entries.iter().any(|entry| entry.kind.path().starts_with("cloudtrail.")));
}
