//! Trails that are at home in another region, or belong to another account.

use serde_json::json;

use super::*;

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
