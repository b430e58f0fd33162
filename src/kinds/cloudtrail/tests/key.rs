//! CloudTrail takes a key of the region of the trail's bucket alone.

use serde_json::json;

use super::*;

/// Buckets in two regions, and a key in that of the account.
fn two_regions(trail: Value) -> Value {
    let mut services = services(json!({"audit": trail}));
    let far = statements(&[json!({"name": "audit", "bucket": "far"})]);
    services["s3"]["buckets"]["far"] = json!({"region": "eu-west-1", "policy": far});
    services
}

#[tokio::test]
async fn a_key_of_another_region_than_the_buckets_is_not_taken() {
    let refused = |plan: &ResourcePlan, field: &str| {
        let block = plan.blocks.iter().find(|block| block.concerns(field)).unwrap_or_else(|| panic!("{field}: {plan:#?}"));
        assert_eq!(block.reason, Reason::InvalidWish, "{plan:#?}");
        assert!(block.message.contains("is in us-east-1, and the bucket far in eu-west-1"), "{block:?}");
        assert!(block.what_to_do.contains("declare a key of eu-west-1 as kmsKeyId"), "{block:?}");
    };
    // The key is new, or the bucket, or the trail.
    for (trail, members, field) in [
        (json!({"s3BucketName": "far"}), json!({"kmsKeyId": "alias/audit", "logFileValidation": true}), "kmsKeyId"),
        (
            json!({"s3BucketName": "logs", "kmsKeyId": KEY}),
            json!({"bucket": "far", "keyPrefix": "audit", "logFileValidation": true}),
            "keyPrefix",
        ),
        (json!({"s3BucketName": "logs", "kmsKeyId": KEY}), json!({"bucket": "far", "logFileValidation": true}), "bucket"),
        (json!({"s3BucketName": "logs", "kmsKeyId": KEY}), json!({"bucket": "far", "kmsKeyId": KEY, "logFileValidation": true}), "bucket"),
        (json!({"s3BucketName": "logs"}), json!({"bucket": "far", "kmsKeyId": KEY, "logFileValidation": true}), "kmsKeyId"),
        // Where the new key cannot be used, the old one would stay.
        (
            json!({"s3BucketName": "logs", "kmsKeyId": KEY}),
            json!({"bucket": "far", "kmsKeyId": "arn:aws:kms:eu-west-1:317805897534:key/none", "logFileValidation": true}),
            "bucket",
        ),
    ] {
        let account = Account::new(&two_regions(trail));
        refused(&planned(&account, members.clone()).await, field);
        let (plan, outcomes) = account.apply(&wish(members.clone())).await;
        assert!(
            outcomes.resources.iter().all(|one| !matches!(one.end, crate::execute::End::Failed { .. })),
            "{members}: {plan:#?} {outcomes:#?}"
        );
        assert_eq!(
            account.sandbox.snapshot()["cloudtrail"]["trails"]["audit"]["logFileValidationEnabled"],
            true,
            "the rest is no part of it"
        );
    }
    let account = Account::new(&two_regions(json!({"s3BucketName": "logs"})));
    let new = json!({"cloudtrail": {"trails": [{"name": "new", "bucket": "far", "kmsKeyId": KEY}]}});
    let new = account.resource("cloudtrail.trails", &new).await;
    refused(&new, "bucket");
    assert_eq!(new.steps.len(), 0);
    // One that the same run makes will be here.
    let mut made = json!({"cloudtrail": {"trails": [{"name": "new", "bucket": "made", "kmsKeyId": KEY, "logging": true}]}});
    made["s3"] = json!({"buckets": [{"name": "made", "create": true}]});
    let mut elsewhere = made.clone();
    elsewhere["cloudtrail"]["trails"][0]["kmsKeyId"] = json!("arn:aws:kms:eu-west-1:317805897534:key/k1");
    let elsewhere = account.resource("cloudtrail.trails", &elsewhere).await;
    assert!(elsewhere.blocks[0].message.contains("is in eu-west-1, and the bucket made in us-east-1"), "{elsewhere:#?}");
    account.converges(&made).await;
}

#[tokio::test]
async fn where_the_bucket_is_must_be_known() {
    let account = Account::with(&two_regions(json!({"s3BucketName": "logs"})), "denied@ListBuckets");
    let plan = planned(&account, json!({"kmsKeyId": KEY, "logFileValidation": true})).await;
    assert_eq!((plan.blocks.len(), plan.blocks[0].reason, plan.steps.len()), (1, Reason::Unreadable, 1), "{plan:#?}");
    assert!(plan.blocks[0].what_to_do.contains("s3:ListAllMyBuckets"), "{plan:#?}");
    // A trail that is not made records nothing: whether it may be, CloudTrail says.
    let new = json!({"cloudtrail": {"trails": [{"name": "new", "bucket": "logs", "kmsKeyId": KEY, "logging": true}]}});
    let account = Account::with(&two_regions(json!({"s3BucketName": "logs"})), "denied@ListBuckets");
    account.converges(&new).await;
    // That of another account is not listed, and CloudTrail itself says whether it takes the key.
    let account = Account::new(&two_regions(json!({"s3BucketName": "theirs"})));
    let plan = planned(&account, json!({"bucket": "theirs", "bucketAccount": "111122223333", "kmsKeyId": KEY})).await;
    assert_eq!((plan.blocks.len(), plan.steps.len()), (0, 1), "{plan:#?}");
}

/// The bucket that the key belongs to is blocked: by itself CloudTrail would refuse the key in each run.
#[test]
fn a_key_that_goes_with_a_blocked_bucket_waits_for_it() {
    let arn = "arn:aws:kms:eu-west-1:317805897534:key/k2";
    let key = kms::Key { words: arn.to_owned(), arn: arn.to_owned(), unusable: None };
    let regions = [("logs", "us-east-1"), ("far", "eu-west-1")].map(|(name, region)| (name.to_owned(), region.to_owned()));
    let here = Settings { bucket: Some("logs".to_owned()), kms_key_arn: Some(KEY.to_owned()), ..Settings::default() };
    let mut seen = TrailSeen { key: Fact::Present(key), bucket_regions: Fact::Present(regions.into()), ..seen(here) };
    if let Fact::Present(trail) = &mut seen.trail {
        trail.organization = true;
    }
    let moved = Drift { impact: Impact::Disruptive, ..drift("bucket", json!("logs"), json!("far")) };
    let drifts = [moved, drift("kmsKeyId", json!(KEY), json!(arn)), drift("logFileValidation", json!(false), json!(true))];
    let steps = planning_of(json!({"name": "audit", "bucket": "far", "kmsKeyId": arn, "logFileValidation": true}), &seen, &drifts);
    let block = |field: &str| steps.blocks.iter().find(|block| block.concerns(field)).map(|block| block.reason);
    assert_eq!((block("bucket"), block("kmsKeyId")), (Some(Reason::InvalidWish), Some(Reason::WaitsForOther)), "{steps:#?}");
    assert_eq!((steps.steps.len(), &steps.steps[0].fields), (1, &vec!["logFileValidation".to_owned()]), "{steps:#?}");
}

/// A trail in sync asks for no bucket, and one that differs in something else neither.
#[tokio::test]
async fn where_the_bucket_is_is_asked_only_for_a_key_that_it_meets_anew() {
    let trail = json!({"s3BucketName": "logs", "kmsKeyId": KEY});
    for members in [json!({"bucket": "logs", "kmsKeyId": "alias/audit"}), json!({"kmsKeyId": KEY, "logFileValidation": true})] {
        let account = Account::new(&two_regions(trail.clone()));
        planned(&account, members).await;
        assert!(!account.operations().contains("ListBuckets"), "{:?}", account.operations());
    }
}

/// CloudTrail takes neither of the two alone.
#[test]
fn bucket_and_key_of_another_region_are_changed_in_one_request() {
    let arn = "arn:aws:kms:eu-west-1:317805897534:key/k2";
    let key = kms::Key { words: arn.to_owned(), arn: arn.to_owned(), unusable: None };
    let regions =
        [("logs", "us-east-1"), ("far", "eu-west-1"), ("near", "us-east-1")].map(|(name, region)| (name.to_owned(), region.to_owned()));
    let found = |key: &kms::Key, settings: Settings| TrailSeen {
        key: Fact::Present(key.clone()),
        bucket_regions: Fact::Present(regions.clone().into()),
        ..seen(settings)
    };
    let here = Settings { bucket: Some("logs".to_owned()), kms_key_arn: Some(KEY.to_owned()), ..Settings::default() };
    let drifts = |bucket: &str, key: &str| {
        let moved = Drift { impact: Impact::Disruptive, ..drift("bucket", json!("logs"), json!(bucket)) };
        [moved, drift("kmsKeyId", json!(KEY), json!(key))]
    };
    let fields = |key: &kms::Key, bucket: &str| {
        let declared = json!({"name": "audit", "bucket": bucket, "kmsKeyId": key.words});
        let steps = planning_of(declared, &found(key, here.clone()), &drifts(bucket, &key.words)).steps;
        steps.into_iter().map(|step| step.fields).collect::<Vec<_>>()
    };
    assert_eq!(fields(&key, "far"), [["bucket", "kmsKeyId"]]);
    // Within a region neither waits for the other's consent.
    let near = kms::Key { words: "n".to_owned(), arn: KEY.replace("k1", "k3"), unusable: None };
    assert_eq!(fields(&near, "near"), [["bucket"], ["kmsKeyId"]]);
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
