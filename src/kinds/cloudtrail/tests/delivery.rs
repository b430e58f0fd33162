//! What CloudTrail refuses because of the bucket that a trail delivers to now.

use serde_json::json;

use super::*;

/// An account whose trail delivers to a bucket that is gone.
fn gone(faults: &str) -> Account {
    Account::with(&services(json!({"audit": {"s3BucketName": "gone", "isLogging": true}})), faults)
}

fn blocked<'p>(plan: &'p ResourcePlan, field: &str) -> &'p crate::kinds::Block {
    plan.blocks.iter().find(|block| block.concerns(field)).unwrap_or_else(|| panic!("{field}: {plan:#?}"))
}

/// Contract 2: what could not be read is not taken for a bucket in which all is well.
#[tokio::test]
async fn a_bucket_of_which_nothing_could_be_read_may_take_nothing() {
    let account = gone("denied@GetTrailStatus");
    let members = json!({"bucket": "logs", "logFileValidation": true});
    let (plan, _) = account.apply_without_consent(&wish(members.clone())).await;
    let trail = plan.resources.iter().find(|one| one.key.kind == "cloudtrail.trails").unwrap();
    let fields: Vec<_> = trail.steps.iter().map(|step| (step.fields.join(","), step.after.as_slice(), step.held.is_some())).collect();
    assert_eq!(fields, [("bucket".to_owned(), [].as_slice(), true), ("logFileValidation".to_owned(), [0].as_slice(), true)]);
    assert!(!account.writes().contains(&"UpdateTrail".to_owned()), "{:?}", account.writes());
    account.converges(&wish(members)).await;
    // Where the trail cannot leave it either, nothing is sent, and what to allow is said.
    for (members, trail) in [
        (json!({"bucket": "logs", "logFileValidation": true}), json!({"s3BucketName": "gone", "isOrganizationTrail": true})),
        (
            json!({
                "bucket": "logs", "logFileValidation": true,
                "cloudWatchLogs": {"logGroupArn": "arn:aws:logs:eu-west-1:317805897534:log-group:g", "roleArn": "arn:aws:iam::317805897534:role/r"},
            }),
            json!({"s3BucketName": "gone", "cloudWatchLogsLogGroupArn": "arn:aws:logs:us-east-1:317805897534:log-group:old:*", "cloudWatchLogsRoleArn": "arn:aws:iam::317805897534:role/r"}),
        ),
    ] {
        let mut services = services(json!({"audit": trail}));
        services["cloudtrail"]["managementAccount"] = json!(ACCOUNT);
        let account = Account::with(&services, "denied@GetTrailStatus");
        let plan = planned(&account, members).await;
        assert_eq!(plan.steps.len(), 0, "{plan:#?}");
        assert!(matches!(blocked(&plan, "bucket").reason, Reason::InvalidWish), "{plan:#?}");
        let block = blocked(&plan, "logFileValidation");
        assert_eq!(block.reason, Reason::Unreadable, "{plan:#?}");
        assert!(block.what_to_do.starts_with("allow cloudtrail:GetTrailStatus"), "{block:?}");
    }
}

/// CloudTrail refuses every update of such a trail, and nothing in the plan mends that.
#[tokio::test]
async fn a_trail_that_stays_in_a_bucket_that_takes_nothing_is_not_updated() {
    let account = gone("");
    let members = json!({"logFileValidation": true, "multiRegion": true, "tags": {"team": "audit"}});
    let (plan, outcomes) = account.apply(&wish(members.clone())).await;
    let block = blocked(&plan.resources[0], "logFileValidation");
    assert_eq!((block.reason, block.fields.len()), (Reason::UnexpectedState, 2), "{block:?}");
    assert!(block.message.contains("the bucket gone takes nothing of this trail (NoSuchBucket)"), "{block:?}");
    assert!(block.what_to_do.contains("declare bucket: gone"), "{block:?}");
    assert!(outcomes.resources.iter().all(|one| !matches!(one.end, crate::execute::End::Failed { .. })), "{outcomes:#?}");
    assert_eq!(account.writes(), ["AddTags"], "the rest is no part of it");
    // The two ways out that are said.
    let mut again = wish(json!({"bucket": "gone", "logFileValidation": true}));
    again["s3"] = json!({"buckets": [{"name": "gone", "create": true}]});
    account.converges(&again).await;
    gone("").converges(&wish(json!({"bucket": "logs", "logFileValidation": true}))).await;
    // Whether it is so could not be read.
    let plan = planned(&gone("denied@GetTrailStatus"), members).await;
    let block = blocked(&plan, "multiRegion");
    assert_eq!((block.reason, plan.steps.len()), (Reason::Unreadable, 1), "{plan:#?}");
    assert!(block.what_to_do.starts_with("allow cloudtrail:GetTrailStatus") && block.what_to_do.contains("bucket: gone"), "{block:?}");
    // One of another account is put right there.
    let theirs = planned(&gone(""), json!({"bucket": "gone", "bucketAccount": "111122223333", "logFileValidation": true})).await;
    assert_eq!((theirs.blocks.len(), theirs.steps.len()), (1, 0), "{theirs:#?}");
    assert!(blocked(&theirs, "logFileValidation").what_to_do.contains("the account that gone belongs to"), "{theirs:#?}");
}

/// It logs as declared, and nothing of that is kept: a person is told, in sync or not.
#[tokio::test]
async fn a_trail_that_delivers_nowhere_is_not_passed_over() {
    let plan = planned(&gone(""), json!({"logging": true})).await;
    assert!(plan.drifts.is_empty() && plan.notes.len() == 1 && plan.notes[0].contains("(NoSuchBucket)"), "{plan:#?}");
    let well = Account::new(&services(json!({"audit": {"s3BucketName": "logs", "isLogging": true}})));
    assert_eq!(planned(&well, json!({"logging": true})).await.notes, Vec::<String>::new());
}

/// An exception that keeps the trail in its bucket does not open that bucket.
#[tokio::test]
async fn an_exception_for_the_bucket_opens_none() {
    let mut spec = wish(json!({"bucket": "logs", "logFileValidation": true}));
    spec["exceptions"] = json!([{"resource": "cloudtrail.trails/audit", "field": "bucket", "until": "2027-12-31", "reason": "r"}]);
    let plan = gone("").resource("cloudtrail.trails", &spec).await;
    assert_eq!((plan.excepted.len(), plan.steps.len()), (1, 0), "{plan:#?}");
    assert!(blocked(&plan, "logFileValidation").what_to_do.contains("which an exception keeps it from"), "{plan:#?}");
}

/// Another key may be just what is needed.
#[test]
fn a_key_that_s3_cannot_use_is_no_fault_of_the_bucket() {
    let with = |error: &str| TrailSeen { delivery_error: Fact::Present(error.to_owned()), ..seen(Settings::default()) };
    let drifts = [drift("logFileValidation", json!(false), json!(true))];
    assert_eq!(planning(&with("KMS.DisabledException"), &drifts).steps.len(), 1);
    assert_eq!(planning(&with("AccessDenied"), &drifts).steps.len(), 0);
    // Nor is what a trail met when it last logged.
    let logs = |logs: bool| TrailSeen { logging: Fact::Present(logs), ..with("AccessDenied") };
    assert_eq!([true, false].map(|on| planning(&logs(on), &drifts).steps.len()), [0, 1]);
}

/// One read a fact, and only of facts that are needed.
#[tokio::test]
async fn how_delivery_goes_is_asked_only_where_it_counts() {
    let asks = async |trail: Value, members: Value| {
        let account = Account::new(&services(json!({"audit": trail})));
        planned(&account, members).await;
        account.sandbox.recorded().iter().filter(|call| call.operation == "GetTrailStatus").count()
    };
    let trail = |validated: bool| json!({"s3BucketName": "logs", "logFileValidationEnabled": validated});
    for (found, members, times) in [
        (trail(true), json!({"logFileValidation": true}), 0),
        (trail(false), json!({"logFileValidation": true}), 1),
        (trail(false), json!({"tags": {"team": "audit"}}), 0),
        // The policy of a declared bucket is seen to first.
        (trail(false), json!({"bucket": "logs", "logFileValidation": true}), 0),
        (trail(true), json!({"bucket": "other", "logFileValidation": true}), 1),
        (trail(false), json!({"logFileValidation": true, "logging": true}), 1),
    ] {
        assert_eq!(asks(found, members.clone()).await, times, "{members}");
    }
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
