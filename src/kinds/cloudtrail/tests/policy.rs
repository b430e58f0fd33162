//! What trails ask of the policy of their bucket.

use serde_json::json;

use super::*;

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
