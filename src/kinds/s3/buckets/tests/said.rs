//! What the steps say: their titles, what is paid for, and the way back.

use super::*;

#[test]
fn a_bucket_that_is_made_has_no_rules_to_remove() {
    let titles = |yaml: &str| plan(yaml, missing()).steps.into_iter().map(|step| step.title).collect::<Vec<_>>();
    let exclusive = |rules: &str| format!("create: true\nlifecycle: {{exclusive: true, expiryApproved: true, rules: [{rules}]}}");
    let make = "Make the bucket huntaze-assets in us-east-1";
    let logs = "{id: logs, enabled: true, expiration: {days: 400}}";
    assert_eq!(titles(&exclusive(logs)), [make, "Set the lifecycle rules logs of huntaze-assets"]);
    let parts = "{id: parts, enabled: true, abortMultipartAfterDays: 7}";
    assert_eq!(
        titles(&exclusive(&format!("{parts}, {logs}"))),
        [make, "Set the lifecycle rules parts of huntaze-assets", "Set the lifecycle rules logs of huntaze-assets"]
    );
    assert_eq!(titles(&exclusive("")), [make, "Leave no other lifecycle rules on huntaze-assets"]);
}

#[test]
fn flags_go_back_to_what_was_found() {
    let all = "publicAccessBlock: {blockPublicAcls: true, restrictPublicBuckets: true}";
    let back = |flags: Flags| only(plan(all, BucketSeen { flags: Fact::Present(flags), ..fresh() })).back;
    assert_eq!(back(Flags::default()), "`aws s3api delete-public-access-block --bucket huntaze-assets`");
    assert_eq!(
        back(Flags { block_public_policy: true, ..Flags::default() }),
        "`aws s3api put-public-access-block --bucket huntaze-assets --public-access-block-configuration \
         BlockPublicAcls=false,IgnorePublicAcls=false,BlockPublicPolicy=true,RestrictPublicBuckets=false`"
    );
}

#[test]
fn rules_go_back_to_what_was_found_and_moving_objects_is_paid_for() {
    let rule = |id: &str, days: i32| Rule { id: id.to_owned(), enabled: true, abort_multipart_after_days: Some(days), ..Rule::default() };
    let lifecycle = observe::Lifecycle {
        rules: vec![rule("holdfast-a", 3), rule("theirs", 9)],
        others: vec!["theirs".to_owned()],
        ..Default::default()
    };
    let seen = BucketSeen { lifecycle: Fact::Present(lifecycle), ..fresh() };
    let moving = "{id: b, enabled: true, transitions: [{days: 30, storageClass: STANDARD_IA}]}";
    let steps =
        plan(&format!("lifecycle: {{exclusive: true, rules: [{{id: a, enabled: true, abortMultipartAfterDays: 7}}, {moving}]}}"), seen)
            .steps;
    let titles: Vec<&str> = steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Set the lifecycle rules a, b of huntaze-assets", "Remove the lifecycle rules theirs of huntaze-assets"]);
    let step = &steps[0];
    assert_eq!(
        step.back,
        "`aws s3api put-bucket-lifecycle-configuration --bucket huntaze-assets --lifecycle-configuration \
         '{\"Rules\":[{\"AbortIncompleteMultipartUpload\":{\"DaysAfterInitiation\":3},\"Filter\":{\"Prefix\":\"\"},\"ID\":\"holdfast-a\",\"Status\":\"Enabled\"},\
         {\"AbortIncompleteMultipartUpload\":{\"DaysAfterInitiation\":9},\"Filter\":{\"Prefix\":\"\"},\"ID\":\"theirs\",\"Status\":\"Enabled\"}]}'`, which replaces all rules"
    );
    assert_eq!(step.takes, "each object that changes its storage class is paid for");
}
