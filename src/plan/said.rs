//! What plans say of real kinds over an embedded account: exceptions, and blocks that name what they stand against.

use serde_json::{Value, json};

use super::{Plan, ResourcePlan};
use crate::kinds::testing::Account;
use crate::kinds::{Key, Reason};

fn account(faults: &str) -> Account {
    Account::with(&json!({"s3": {"buckets": {"assets": {}, "backups": {"ownership": "ObjectWriter"}}}}), faults)
}

fn of<'p>(plan: &'p Plan, kind: &str, id: &str) -> &'p ResourcePlan {
    plan.resource(&Key::new(kind, id)).unwrap_or_else(|| panic!("{id}: {plan:#?}"))
}

fn excepting(field: &str) -> Value {
    json!([{"resource": "s3.buckets/assets", "field": field, "until": "2027-12-31", "reason": "old clients"}])
}

#[tokio::test]
async fn an_exception_for_one_field_leaves_the_other_statements_of_its_bucket() {
    let bucket = json!({"name": "assets", "create": true, "denyInsecureTransport": true, "minimumTlsVersion": "1.2"});
    for (field, left) in [
        ("minimumTlsVersion", &["statements.HoldfastDenyInsecureTransport"][..]),
        ("denyInsecureTransport", &["statements.HoldfastDenyOldTls"][..]),
        ("create", &["statements.HoldfastDenyInsecureTransport", "statements.HoldfastDenyOldTls"][..]),
    ] {
        let plan = account("").plan(&json!({"s3": {"buckets": [bucket]}, "exceptions": excepting(field)})).await;
        let policy = of(&plan, "s3.bucketPolicies", "assets");
        let drifts: Vec<&str> = policy.drifts.iter().map(|drift| drift.field.as_str()).collect();
        assert_eq!((drifts.as_slice(), policy.excepted.len()), (left, 2 - left.len()), "{field}");
        assert_eq!(plan.warnings.len(), usize::from(field == "create"), "{:?}", plan.warnings);
    }
}

/// A block beside its cause; never "report this as a bug" where the cause is known.
#[tokio::test]
async fn what_is_blocked_is_not_called_a_bug_besides() {
    let flags = json!({"blockPublicAcls": true, "ignorePublicAcls": true, "blockPublicPolicy": true, "restrictPublicBuckets": true});
    for (faults, bucket, exceptions, reasons) in [
        (
            "",
            json!({"name": "assets", "encryption": {"algorithm": "aws:kms", "kmsKeyId": "alias/nope"}}),
            json!([]),
            &[Reason::InvalidWish][..],
        ),
        (
            "denied@s3:GetBucketWebsite",
            json!({"name": "assets", "publicAccessBlock": flags, "denyInsecureTransport": true}),
            json!([]),
            &[Reason::Unreadable][..],
        ),
        (
            "",
            json!({"name": "assets", "bucket": "gone", "create": true, "versioning": "Enabled"}),
            excepting("create"),
            &[Reason::Missing][..],
        ),
        (
            "",
            json!({"name": "all", "match": {"names": ["assets"]}, "logging": {"targetPrefix": "p/", "targetBucket": "assets"}}),
            json!([]),
            &[Reason::InvalidWish][..],
        ),
    ] {
        let plan = account(faults).plan(&json!({"s3": {"buckets": [bucket]}, "exceptions": exceptions})).await;
        let resource = plan.resources.iter().find(|one| one.key.kind == "s3.buckets").unwrap();
        assert_eq!(resource.blocks.iter().map(|block| block.reason).collect::<Vec<_>>(), reasons, "{resource:#?}");
        let bugs = plan.resources.iter().flat_map(|one| &one.blocks).filter(|block| block.reason == Reason::UnexpectedState);
        assert_eq!(bugs.count(), 0, "{plan:#?}");
    }
}

#[tokio::test]
async fn only_logging_waits_for_the_bucket_that_the_log_goes_to_and_only_for_its_being_there() {
    for (target, waits) in [
        (json!({"name": "backups", "ownership": "BucketOwnerEnforced"}), None),
        (json!({"name": "backups", "bucket": "gone", "versioning": "Enabled"}), Some(Reason::WaitsForOther)),
    ] {
        let to = target.get("bucket").or(target.get("name")).cloned();
        let buckets = json!([target, {"name": "assets", "logging": {"targetBucket": to}, "versioning": "Enabled"}]);
        let plan = account("").plan(&json!({"s3": {"buckets": buckets}})).await;
        let held: Vec<(&str, Option<Reason>)> = of(&plan, "s3.buckets", "assets")
            .steps
            .iter()
            .map(|step| (step.fields[0].as_str(), step.held.as_ref().map(|block| block.reason)))
            .collect();
        assert_eq!(held, [("versioning", None), ("logging.targetBucket", waits)]);
    }
}
