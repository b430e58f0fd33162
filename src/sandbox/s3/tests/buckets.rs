use std::collections::BTreeSet;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership};
use http::Method;

use super::{client, client_in, code, code_in, raw, sandbox};
use crate::sandbox::world::World;

#[tokio::test]
async fn a_new_bucket_has_what_s3_gives_new_buckets() {
    let sandbox = sandbox("{}");
    let s3 = client(&sandbox);
    s3.create_bucket().bucket("fresh.one").send().await.unwrap();
    let block = s3.get_public_access_block().bucket("fresh.one").send().await.unwrap().public_access_block_configuration.unwrap();
    assert_eq!(
        [block.block_public_acls, block.ignore_public_acls, block.block_public_policy, block.restrict_public_buckets],
        [Some(true); 4]
    );
    let ownership = s3.get_bucket_ownership_controls().bucket("fresh.one").send().await.unwrap().ownership_controls.unwrap();
    assert_eq!(ownership.rules[0].object_ownership, ObjectOwnership::BucketOwnerEnforced);
    let rules = s3.get_bucket_encryption().bucket("fresh.one").send().await.unwrap().server_side_encryption_configuration.unwrap().rules;
    assert_eq!(rules[0].apply_server_side_encryption_by_default.as_ref().unwrap().sse_algorithm.as_str(), "AES256");
    assert_eq!(rules[0].bucket_key_enabled, Some(false));
    assert_eq!(s3.get_bucket_versioning().bucket("fresh.one").send().await.unwrap().status, None);
    assert_eq!(code(s3.get_bucket_policy().bucket("fresh.one").send().await), "NoSuchBucketPolicy");
    assert_eq!(code(s3.get_bucket_policy_status().bucket("fresh.one").send().await), "NoSuchBucketPolicy");
    assert_eq!(code(s3.get_bucket_lifecycle_configuration().bucket("fresh.one").send().await), "NoSuchLifecycleConfiguration");
    assert_eq!(code(s3.get_bucket_tagging().bucket("fresh.one").send().await), "NoSuchTagSet");
    assert_eq!(code(s3.get_bucket_website().bucket("fresh.one").send().await), "NoSuchWebsiteConfiguration");
    assert_eq!(code(s3.get_bucket_cors().bucket("fresh.one").send().await), "NoSuchCORSConfiguration");
    assert!(s3.get_bucket_logging().bucket("fresh.one").send().await.unwrap().logging_enabled.is_none());
    assert_eq!(code(s3.get_bucket_inventory_configuration().bucket("fresh.one").id("x").send().await), "NotImplemented");
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let sandbox = sandbox("{buckets: {old: {}}}");
    let s3 = client(&sandbox);
    assert_eq!(code(s3.get_public_access_block().bucket("old").send().await), "NoSuchPublicAccessBlockConfiguration");
    assert_eq!(code(s3.get_bucket_ownership_controls().bucket("old").send().await), "OwnershipControlsNotFoundError");
    assert_eq!(code(s3.get_bucket_policy().bucket("nobody-s").send().await), "NoSuchBucket");
    assert!(s3.head_bucket().bucket("nobody-s").send().await.unwrap_err().into_service_error().is_not_found());
    assert_eq!(raw(&sandbox, Method::HEAD, "nobody-s", "").await, (404, String::new()));
}

#[tokio::test]
async fn names_that_s3_does_not_give_are_refused() {
    let sandbox = sandbox("{foreign: [taken]}");
    for name in ["ab", "Upper", "-edge", "a..b", "10.0.0.1", "xn--a", "a-s3alias", &"a".repeat(64)] {
        let (status, body) = raw(&sandbox, Method::PUT, name, "").await;
        assert_eq!((status, code_in(&body)), (400, "InvalidBucketName"), "{name}");
    }
    let s3 = client(&sandbox);
    assert!(s3.create_bucket().bucket("taken").send().await.unwrap_err().into_service_error().is_bucket_already_exists());
    assert_eq!(code(s3.get_bucket_location().bucket("taken").send().await), "AccessDenied");
    assert!(sandbox.world().s3.buckets.is_empty());
}

#[tokio::test]
async fn a_bucket_is_made_where_the_endpoint_allows() {
    let sandbox = sandbox("{}");
    let (east, west) = (client(&sandbox), client_in(&sandbox, "eu-west-1"));
    let at = |region: &str| CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build();
    assert_eq!(code(west.create_bucket().bucket("one").send().await), "IllegalLocationConstraintException");
    assert_eq!(
        code(west.create_bucket().bucket("one").create_bucket_configuration(at("eu-central-1")).send().await),
        "IllegalLocationConstraintException"
    );
    assert_eq!(
        code(east.create_bucket().bucket("one").create_bucket_configuration(at("us-east-1")).send().await),
        "InvalidLocationConstraint"
    );
    east.create_bucket().bucket("one").create_bucket_configuration(at("eu-west-1")).send().await.unwrap();
    let found = east.get_bucket_location().bucket("one").send().await.unwrap();
    assert_eq!(found.location_constraint.unwrap().as_str(), "eu-west-1");

    // Everything but its place is told in its own region only.
    assert_eq!(code(east.get_bucket_acl().bucket("one").send().await), "PermanentRedirect");
    west.get_bucket_acl().bucket("one").send().await.unwrap();
    let error = east.head_bucket().bucket("one").send().await.unwrap_err();
    let response = error.raw_response().unwrap();
    assert_eq!((response.status().as_u16(), response.headers().get("x-amz-bucket-region")), (301, Some("eu-west-1")));
    assert_eq!(west.head_bucket().bucket("one").send().await.unwrap().bucket_region.unwrap(), "eu-west-1");
}

#[tokio::test]
async fn the_second_creation_is_done_in_us_east_1_and_refused_elsewhere() {
    let sandbox = sandbox("{buckets: {here: {tags: {a: b}}, there: {region: eu-west-1}}}");
    client(&sandbox).create_bucket().bucket("here").send().await.unwrap();
    assert_eq!(sandbox.world().s3.buckets["here"].tags["a"], "b");
    let west = client_in(&sandbox, "eu-west-1");
    let at = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest1).build();
    let error = west.create_bucket().bucket("there").create_bucket_configuration(at).send().await.unwrap_err();
    assert!(error.into_service_error().is_bucket_already_owned_by_you());
}

#[tokio::test]
async fn listing_pages_only_for_who_asks() {
    let sandbox = sandbox("{buckets: {a-1: {}, a-2: {}, a-3: {region: eu-west-1}, b-1: {}}}");
    let s3 = client(&sandbox);
    let all = s3.list_buckets().send().await.unwrap();
    assert_eq!((all.buckets().len(), all.buckets()[0].bucket_region(), all.continuation_token()), (4, None, None));

    let mut names = BTreeSet::new();
    let mut pages = s3.list_buckets().prefix("a-").into_paginator().send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        count += 1;
        assert!(page.buckets().len() <= 2);
        names.extend(page.buckets().iter().map(|bucket| (bucket.name().unwrap().to_owned(), bucket.bucket_region().unwrap().to_owned())));
    }
    let expected = [("a-1", "us-east-1"), ("a-2", "us-east-1"), ("a-3", "eu-west-1")];
    assert_eq!((count, names), (2, expected.map(|(name, region)| (name.to_owned(), region.to_owned())).into()));
    assert_eq!(s3.list_buckets().bucket_region("eu-west-1").send().await.unwrap().buckets().len(), 1);
    assert_eq!(code(s3.list_buckets().continuation_token("zz").send().await), "InvalidArgument");
    assert_eq!(code(s3.list_buckets().max_buckets(0).send().await), "InvalidArgument");
}

#[tokio::test]
async fn the_next_writes_may_meet_a_conflict() {
    let sandbox = sandbox("{conflicts: 1, buckets: {one: {}}}");
    let s3 = client(&sandbox);
    s3.get_bucket_acl().bucket("one").send().await.unwrap();
    assert_eq!(code(s3.delete_bucket_policy().bucket("one").send().await), "OperationAborted");
    s3.delete_bucket_policy().bucket("one").send().await.unwrap();
    assert_eq!(sandbox.world().s3.conflicts, 0);
}

#[tokio::test]
async fn objects_can_be_put_seen_listed_and_removed() {
    let sandbox = sandbox("{buckets: {store: {encryption: {algorithm: 'aws:kms', kmsKeyId: alias/x}}}}");
    let s3 = client(&sandbox);
    for key in ["logs/a b", "logs/c", "logs/deep/d", "top"] {
        let put = s3.put_object().bucket("store").key(key).body(ByteStream::from_static(b"hello")).send().await.unwrap();
        assert_eq!(put.ssekms_key_id.unwrap(), "alias/x");
    }
    let head = s3.head_object().bucket("store").key("logs/a b").send().await.unwrap();
    assert_eq!(head.content_length, Some(5));
    let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(sandbox.world().s3.buckets["store"].objects["logs/a b"].sha256, sum);
    assert!(s3.head_object().bucket("store").key("none").send().await.unwrap_err().into_service_error().is_not_found());

    let mut keys = Vec::new();
    let mut pages = s3.list_objects_v2().bucket("store").prefix("logs/").delimiter("/").into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        keys.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
    }
    assert_eq!(keys, ["logs/a b", "logs/c", "logs/deep/"]);
    assert_eq!(code(s3.delete_bucket().bucket("store").send().await), "BucketNotEmpty");
    assert_eq!(code(s3.get_object().bucket("store").key("top").send().await), "NotImplemented");
    for key in ["logs/a b", "logs/c", "logs/deep/d", "top", "top"] {
        s3.delete_object().bucket("store").key(key).send().await.unwrap();
    }
    s3.delete_bucket().bucket("store").send().await.unwrap();
    assert_eq!(code(s3.delete_bucket().bucket("store").send().await), "NoSuchBucket");
}

#[test]
fn an_account_written_by_hand_is_read_and_written_back() {
    let text = "
s3:
  buckets:
    huntaze-assets:
      region: us-east-1
      created: 2024-03-01T10:00:00Z
      policy: '{}'
      versioning: Suspended
      tags: {env: production}
      lifecycle: {rules: [{id: old, filter: {prefix: a}, transitions: [{days: 180, storageClass: GLACIER}]}]}
      website: true
      ownership: ObjectWriter
      acl: [{to: {group: AllUsers}, permission: READ}]
      logging: {targetBucket: logs, targetPrefix: x/}
      encryption: {algorithm: 'aws:kms:dsse', kmsKeyId: k}
    plain: {publicAccessBlock: {blockPublicAcls: true}}
s3control: {managedAbove: true}
";
    let world: World = serde_yaml::from_str(text).unwrap();
    let website = world.s3.buckets["huntaze-assets"].website.as_ref().unwrap();
    assert_eq!(website.index_document.as_deref(), Some("index.html"));
    let again: World = serde_yaml::from_str(&serde_yaml::to_string(&world).unwrap()).unwrap();
    assert_eq!(again.s3, world.s3);
    let json: World = serde_json::from_value(serde_json::to_value(&world).unwrap()).unwrap();
    assert_eq!(json.s3, world.s3);
    assert!(serde_yaml::from_str::<World>("s3: {buckets: {a: {versionning: Enabled}}}").is_err());
}
