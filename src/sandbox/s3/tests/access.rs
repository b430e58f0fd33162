use aws_sdk_s3::types::{BucketCannedAcl, ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration};

use super::{client, code, code_in, raw, sandbox};

fn controls(ownership: ObjectOwnership) -> OwnershipControls {
    OwnershipControls::builder().rules(OwnershipControlsRule::builder().object_ownership(ownership).build().unwrap()).build().unwrap()
}

#[tokio::test]
async fn public_access_block_is_replaced_as_a_whole() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let s3 = client(&sandbox);
    let flags = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true).build();
    s3.put_public_access_block().bucket("one").public_access_block_configuration(flags).send().await.unwrap();
    let flags = PublicAccessBlockConfiguration::builder().block_public_policy(true).build();
    s3.put_public_access_block().bucket("one").public_access_block_configuration(flags).send().await.unwrap();
    let found = s3.get_public_access_block().bucket("one").send().await.unwrap().public_access_block_configuration.unwrap();
    assert_eq!(
        [found.block_public_acls, found.ignore_public_acls, found.block_public_policy, found.restrict_public_buckets],
        [Some(false), Some(false), Some(true), Some(false)]
    );
    for body in
        ["<PublicAccessBlockConfiguration><BlockPublicAcl>true</BlockPublicAcl></PublicAccessBlockConfiguration>", "<a>", "x", "<b/>"]
    {
        let (status, answer) = raw(&sandbox, http::Method::PUT, "one?publicAccessBlock", body).await;
        assert_eq!((status, code_in(&answer)), (400, "MalformedXML"), "{body}");
    }
    s3.delete_public_access_block().bucket("one").send().await.unwrap();
    assert_eq!(code(s3.get_public_access_block().bucket("one").send().await), "NoSuchPublicAccessBlockConfiguration");
}

#[tokio::test]
async fn a_bucket_with_owner_enforced_has_no_acls() {
    let sandbox = sandbox("{buckets: {new: {ownership: BucketOwnerEnforced}, old: {ownership: ObjectWriter}}}");
    let s3 = client(&sandbox);
    let put = |bucket: &str| s3.put_bucket_acl().bucket(bucket).acl(BucketCannedAcl::PublicRead).send();
    assert_eq!(code(put("new").await), "AccessControlListNotSupported");
    put("old").await.unwrap();
    let grants = s3.get_bucket_acl().bucket("old").send().await.unwrap().grants.unwrap();
    assert_eq!(grants.len(), 2);
    assert!(grants[1].grantee.as_ref().unwrap().uri.as_ref().unwrap().ends_with("AllUsers"));
    let enforce =
        || s3.put_bucket_ownership_controls().bucket("old").ownership_controls(controls(ObjectOwnership::BucketOwnerEnforced)).send();
    assert_eq!(code(enforce().await), "InvalidBucketAclWithObjectOwnership");
    s3.put_bucket_acl().bucket("old").acl(BucketCannedAcl::Private).send().await.unwrap();
    enforce().await.unwrap();
    s3.delete_bucket_ownership_controls().bucket("old").send().await.unwrap();
    assert_eq!(code(s3.get_bucket_ownership_controls().bucket("old").send().await), "OwnershipControlsNotFoundError");
}

#[tokio::test]
async fn public_acls_are_blocked_by_the_bucket_or_by_the_account() {
    let sandbox = sandbox("{buckets: {one: {publicAccessBlock: {blockPublicAcls: true}}, two: {}}}");
    let s3 = client(&sandbox);
    let put = |bucket: &str| s3.put_bucket_acl().bucket(bucket).acl(BucketCannedAcl::PublicRead).send();
    assert_eq!(code(put("one").await), "AccessDenied");
    put("two").await.unwrap();
    sandbox.edit(|world| world.s3control.public_access_block = Some(crate::sandbox::s3::PublicAccessBlock::ALL));
    assert_eq!(code(put("two").await), "AccessDenied");
    s3.put_bucket_acl().bucket("two").acl(BucketCannedAcl::from("log-delivery-write")).send().await.unwrap();
    assert_eq!(sandbox.world().s3.buckets["two"].acl.len(), 2);
}

#[tokio::test]
async fn the_wrong_owner_is_refused() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let s3 = client(&sandbox);
    assert_eq!(code(s3.get_bucket_acl().bucket("one").expected_bucket_owner("111111111111").send().await), "AccessDenied");
    s3.get_bucket_acl().bucket("one").expected_bucket_owner("317805897534").send().await.unwrap();
}
