//! Buckets and keys of another region than the object, and names that another account has.

use super::*;

#[tokio::test]
async fn a_bucket_of_another_region_is_named_with_its_region() {
    let sandbox = sandbox("s3: {buckets: {huntaze-eu: {region: eu-west-1}}}");
    for wish in ["versioning: Enabled", "create: true", "denyInsecureTransport: true"] {
        let plan = plan(&sandbox, &format!("{{buckets: [{{name: huntaze-eu, {wish}}}]}}")).await;
        assert_eq!(plan.resources[0].status, Status::Unreadable, "{plan:#?}");
        assert!(plan.resources[0].unreadable[0].why.message.contains("eu-west-1"), "{plan:#?}");
    }
}

/// S3 takes any name of a key, and refuses what is uploaded from then on.
#[tokio::test]
async fn a_key_of_another_region_than_the_buckets_is_not_set() {
    let sandbox = sandbox(OLD);
    let wish = |region: &str| {
        let key = format!("arn:aws:kms:{region}:{ACCOUNT}:key/{KEY}");
        format!(
            "{{buckets: [{{name: all, match: {{names: ['huntaze-*']}}, versioning: Enabled, encryption: {{algorithm: 'aws:kms', kmsKeyId: '{key}'}}}}]}}"
        )
    };
    let before = plan(&sandbox, &wish("eu-west-1")).await;
    for one in &before.resources {
        let block = &one.blocks[0];
        assert_eq!((block.reason, block.fields.len(), one.steps.len()), (Reason::InvalidWish, 2, 1), "{one:#?}");
        assert!(block.message.contains("is in eu-west-1, and the bucket") && block.what_to_do.contains("a key of us-east-1"), "{block:?}");
    }
    run(&sandbox, &wish("eu-west-1")).await;
    assert_eq!(writes(&sandbox), ["PutBucketVersioning", "PutBucketVersioning"]);
    sandbox.forget_records();
    converges(&sandbox, &wish("us-east-1")).await;
}

/// The flags hold for the whole account: two objects of different regions speak of the same ones.
#[test]
fn two_regions_cannot_both_speak_for_the_account() {
    let object = |name: &str, region: &str, on: bool| {
        format!(
            "{{apiVersion: holdfast.dev/v1alpha1, kind: AwsBaseline, metadata: {{name: {name}}}, spec: {{account: '{ACCOUNT}', region: {region}, s3: {{account: {{publicAccessBlock: {{blockPublicAcls: {on}}}}}}}}}}}\n---\n"
        )
    };
    let both = crate::load::load_text("both.yaml", &(object("one", "us-east-1", true) + &object("other", "eu-west-1", false)));
    assert!(both.has_errors() && both.problems[0].message.contains("s3.account"), "{:?}", both.problems);
    assert!(both.baselines.iter().all(|baseline| baseline.entries.is_empty()));
}

#[tokio::test]
async fn the_policy_of_another_accounts_bucket_says_whose_it_is_to_change() {
    let sandbox = sandbox("s3: {foreign: [theirs-logs]}");
    let plan = plan(&sandbox, "{buckets: [{name: theirs-logs, denyInsecureTransport: true}]}").await;
    let unreadable = plan.resources.iter().flat_map(|one| &one.unreadable).find(|one| one.why.call == "s3:GetBucketPolicy").unwrap();
    let said = &unreadable.why.message;
    assert!(said.contains("not a bucket of account 317805897534") && said.contains("bucketAccount"), "{said}");
}

/// S3 answers 403 for a bucket of another account, as it does where a permission is missing.
#[tokio::test]
async fn a_name_that_another_account_has_taken_is_no_missing_permission() {
    let said = async |sandbox: &Sandbox, wish: &str| {
        let plan = plan(sandbox, wish).await;
        let resource = &plan.resources[0];
        assert_eq!((resource.status, resource.unreadable[0].field.as_str()), (Status::Unreadable, ""), "{plan:#?}");
        (resource.unreadable[0].why.message.clone(), resource.unreadable[0].why.what_to_do())
    };
    let world = "s3: {foreign: [taken], buckets: {huntaze-assets: {}}}";
    for wish in ["{buckets: [{name: taken, create: true}]}", "{buckets: [{name: taken, create: true, versioning: Enabled}]}"] {
        let (message, what_to_do) = said(&sandbox(world), wish).await;
        assert!(message.contains("no bucket of account 317805897534: either another account has taken the name"), "{message}");
        assert!(message.contains("Declare another name") && !what_to_do.contains("allow"), "{message} {what_to_do}");
        assert!(message.contains(if wish.contains("versioning") { "s3:GetBucketVersioning" } else { "s3:GetBucketLocation" }), "{message}");
    }
    // Of the account's own it is the permission.
    let denied = |operations: &str| faulty(world, operations);
    let own = "{buckets: [{name: huntaze-assets, versioning: Enabled}]}";
    let (message, what_to_do) = said(&denied("denied@s3:GetBucketVersioning"), own).await;
    assert!(!message.contains("another account"), "{message}");
    assert_eq!(what_to_do, "allow s3:GetBucketVersioning to the role that holdfast runs as");
    let (message, _) = said(&denied("denied@s3:ListBuckets"), "{buckets: [{name: taken, create: true}]}").await;
    assert!(message.contains("s3:ListAllMyBuckets would tell"), "{message}");
}
