//! A region takes five trails: who has one of the places, and who takes one.

use serde_json::json;

use super::*;
use crate::execute::End;

/// Three trails, and room for two.
fn three() -> Value {
    let one = json!({"s3BucketName": "logs"});
    let mut services = services(json!({"one": one, "two": one, "audit": one}));
    services["kms"]["keys"]["disabled"] = json!({"state": "Disabled"});
    services
}

/// What each of these new trails comes to: its first block, and whether it is made.
async fn made(trails: &[Value]) -> (Vec<(String, Option<Reason>)>, Account) {
    let account = Account::new(&three());
    let (plan, outcomes) = account.apply(&json!({"cloudtrail": {"trails": trails}})).await;
    assert!(outcomes.resources.iter().all(|one| !matches!(one.end, End::Failed { .. })), "{outcomes:#?}");
    let new = plan.resources.iter().filter(|one| one.key.kind == "cloudtrail.trails");
    (new.map(|one| (one.key.id.clone(), one.all_blocks().next().map(|block| block.reason))).collect(), account)
}

fn names(account: &Account) -> Vec<String> {
    account.sandbox.snapshot()["cloudtrail"]["trails"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_region_takes_five_trails() {
    let account = Account::new(&three());
    let trails = ["new1", "new2", "new3"].map(|name| json!({"name": name, "bucket": "logs", "logging": true}));
    let spec = json!({"cloudtrail": {"trails": trails}});
    let last = account.plan(&spec).await.resources.into_iter().find(|one| one.key.id == "new3").unwrap();
    let held: Vec<_> = last.steps.iter().map(|step| step.held.as_ref().unwrap()).collect();
    assert_eq!((held[0].reason, held[1].reason, last.status), (Reason::NotSupported, Reason::WaitsForOther, Status::Blocked));
    let said = "CloudTrail takes 5 trails a region, and us-east-1 has 3 (audit, one, two), and new1, new2 come before it";
    assert_eq!(held[0].message, said);
    let (_, outcomes) = account.apply(&spec).await;
    assert!(outcomes.resources.iter().all(|one| !matches!(one.end, End::Failed { .. })), "{outcomes:#?}");
    assert_eq!(names(&account), ["audit", "new1", "new2", "one", "two"]);
}

/// What is blocked for another reason takes no place, and says that reason.
#[tokio::test]
async fn a_trail_that_is_not_made_leaves_its_place_to_others() {
    let good = |name: &str| json!({"name": name, "bucket": "logs"});
    let with = |name: &str, members: Value| {
        let mut trail = good(name);
        trail.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        trail
    };
    let far = json!({"logGroupArn": "arn:aws:logs:eu-west-1:317805897534:log-group:g", "roleArn": "arn:aws:iam::317805897534:role/r"});
    for (first, reason) in [
        (with("new1", json!({"kmsKeyId": "disabled"})), Reason::UnexpectedState),
        (with("new1", json!({"cloudWatchLogs": far})), Reason::InvalidWish),
        // The bucket is not there: the step waits for its policy.
        (with("new1", json!({"bucket": "none"})), Reason::WaitsForOther),
    ] {
        let (new, account) = made(&[first.clone(), good("new2"), good("new3")]).await;
        assert_eq!(new, [("new1".to_owned(), Some(reason)), ("new2".to_owned(), None), ("new3".to_owned(), None)], "{first}");
        assert_eq!(names(&account), ["audit", "new2", "new3", "one", "two"]);
    }
    // Nor does the want of a place hide a reason.
    let (new, _) = made(&[good("new1"), good("new2"), with("new3", json!({"kmsKeyId": "disabled"}))]).await;
    assert_eq!(new[2].1, Some(Reason::UnexpectedState));
    // What a run leaves out it does not make; it leaves the policy alone, too, which that asks for.
    let mut services = three();
    services["s3"]["buckets"]["logs"]["policy"] = json!(statements(&["new1", "new2", "new3"].map(good)));
    let account = Account::new(&services);
    let choice = crate::desired::Choice { skip: vec!["cloudtrail.trails/new1".to_owned()], ..Default::default() };
    let trails = ["new1", "new2", "new3"].map(good);
    account.apply_chosen(&json!({"cloudtrail": {"trails": trails}}), choice).await;
    assert_eq!(names(&account), ["audit", "new2", "new3", "one", "two"]);
}
