use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration, NoncurrentVersionTransition, Tag, Transition,
    TransitionDefaultMinimumObjectSize, TransitionStorageClass,
};
use http::Method;

use super::{client, code, code_in, raw, sandbox};

fn rule(id: &str) -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
    LifecycleRule::builder().id(id).status(ExpirationStatus::Enabled)
}

fn to(class: TransitionStorageClass, days: i32) -> Transition {
    Transition::builder().days(days).storage_class(class).build()
}

#[tokio::test]
async fn a_filter_by_a_tag_without_a_key_is_refused() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let s3 = client(&sandbox);
    let tag = || Tag::builder().key("").value("v").build().unwrap();
    let and = LifecycleRuleAndOperator::builder().prefix("a/").tags(tag()).build();
    for filter in [LifecycleRuleFilter::builder().tag(tag()).build(), LifecycleRuleFilter::builder().and(and).build()] {
        let rule = rule("a").filter(filter).expiration(LifecycleExpiration::builder().days(1).build()).build().unwrap();
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
        let answer = s3.put_bucket_lifecycle_configuration().bucket("one").lifecycle_configuration(rules).send().await;
        assert_eq!(code(answer), "InvalidTag");
    }
}

#[tokio::test]
async fn every_form_of_a_rule_comes_back_as_it_was_sent() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let s3 = client(&sandbox);
    let tag = |key: &str| Tag::builder().key(key).value("v").build().unwrap();
    // 2030-01-01 and a year later.
    let date = DateTime::from_secs(1_893_456_000);
    let and = LifecycleRuleAndOperator::builder().prefix("a/").tags(tag("k")).object_size_greater_than(1).object_size_less_than(9).build();
    let rules = vec![
        rule("all")
            .filter(LifecycleRuleFilter::builder().build())
            .transitions(to(TransitionStorageClass::IntelligentTiering, 0))
            .transitions(to(TransitionStorageClass::Glacier, 180))
            .transitions(to(TransitionStorageClass::DeepArchive, 400))
            .expiration(LifecycleExpiration::builder().days(2555).build())
            .build()
            .unwrap(),
        rule("ia")
            .filter(LifecycleRuleFilter::builder().prefix("ia/").build())
            .transitions(to(TransitionStorageClass::StandardIa, 30))
            .transitions(to(TransitionStorageClass::OnezoneIa, 60))
            .transitions(to(TransitionStorageClass::GlacierIr, 90))
            .build()
            .unwrap(),
        rule("dates")
            .filter(LifecycleRuleFilter::builder().tag(tag("t")).build())
            .transitions(Transition::builder().date(date).storage_class(TransitionStorageClass::Glacier).build())
            .expiration(LifecycleExpiration::builder().date(DateTime::from_secs(1_924_992_000)).build())
            .build()
            .unwrap(),
        rule("and")
            .filter(LifecycleRuleFilter::builder().and(and).build())
            .expiration(LifecycleExpiration::builder().days(1).build())
            .build()
            .unwrap(),
        rule("size")
            .filter(LifecycleRuleFilter::builder().object_size_less_than(100).build())
            .expiration(LifecycleExpiration::builder().days(1).build())
            .build()
            .unwrap(),
        rule("noncurrent")
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .noncurrent_version_transitions(
                NoncurrentVersionTransition::builder()
                    .noncurrent_days(30)
                    .newer_noncurrent_versions(2)
                    .storage_class(TransitionStorageClass::StandardIa)
                    .build(),
            )
            .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(90).newer_noncurrent_versions(3).build())
            .expiration(LifecycleExpiration::builder().expired_object_delete_marker(true).build())
            .abort_incomplete_multipart_upload(AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build())
            .build()
            .unwrap(),
        #[expect(deprecated, reason = "the form from before filters is still in many accounts")]
        LifecycleRule::builder()
            .id("legacy")
            .prefix("old/")
            .status(ExpirationStatus::Disabled)
            .expiration(LifecycleExpiration::builder().days(3).build())
            .build()
            .unwrap(),
    ];
    let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules.clone())).build().unwrap();
    let put = s3.put_bucket_lifecycle_configuration().bucket("one").lifecycle_configuration(configuration);
    let answer = put.clone().send().await.unwrap();
    assert_eq!(answer.transition_default_minimum_object_size, Some(TransitionDefaultMinimumObjectSize::AllStorageClasses128K));
    let found = s3.get_bucket_lifecycle_configuration().bucket("one").send().await.unwrap();
    assert_eq!(found.rules(), rules);
    put.transition_default_minimum_object_size(TransitionDefaultMinimumObjectSize::VariesByStorageClass).send().await.unwrap();
    let found = s3.get_bucket_lifecycle_configuration().bucket("one").send().await.unwrap();
    assert_eq!(found.transition_default_minimum_object_size, Some(TransitionDefaultMinimumObjectSize::VariesByStorageClass));
    s3.delete_bucket_lifecycle().bucket("one").send().await.unwrap();
    assert_eq!(code(s3.get_bucket_lifecycle_configuration().bucket("one").send().await), "NoSuchLifecycleConfiguration");
}

#[tokio::test]
async fn a_rule_without_an_id_gets_one() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let one = "<Rule><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>";
    let body = format!("<LifecycleConfiguration>{one}{one}</LifecycleConfiguration>");
    assert_eq!(raw(&sandbox, Method::PUT, "one?lifecycle", &body).await.0, 200);
    let rules = sandbox.world().s3.buckets["one"].lifecycle.clone().unwrap().rules;
    assert_eq!(rules[0].id.len(), 48);
    assert_ne!(rules[0].id, rules[1].id);
}

#[tokio::test]
async fn refusals_are_those_of_s3() {
    let sandbox = sandbox("{buckets: {one: {}, mfa: {mfaDelete: true}}}");
    let expire = "<Expiration><Days>400</Days></Expiration>";
    let step = |class: &str, days: i64| format!("<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>");
    let noncurrent = |inside: &str| format!("<Filter/><NoncurrentVersionExpiration>{inside}</NoncurrentVersionExpiration>");
    let cases = [
        (String::new(), "MalformedXML"),
        (format!("<Filter/><Prefix/>{expire}"), "MalformedXML"),
        (expire.to_owned(), "MalformedXML"),
        ("<Filter/>".to_owned(), "InvalidRequest"),
        (format!("<Filter><Prefix>a</Prefix><ObjectSizeLessThan>1</ObjectSizeLessThan></Filter>{expire}"), "MalformedXML"),
        (format!("<Filter><And><Prefix>a</Prefix></And></Filter>{expire}"), "MalformedXML"),
        (format!("<Filter><Prefixx>a</Prefixx></Filter>{expire}"), "MalformedXML"),
        ("<Filter/><Expiration><Days>0</Days></Expiration>".to_owned(), "InvalidArgument"),
        ("<Filter/><Expiration><Days>x</Days></Expiration>".to_owned(), "MalformedXML"),
        ("<Filter/><Expiration/>".to_owned(), "MalformedXML"),
        ("<Filter/><Expiration><Date>2030-01-01T01:00:00Z</Date></Expiration>".to_owned(), "InvalidArgument"),
        ("<Filter/><Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>".to_owned(), "MalformedXML"),
        (format!("<Filter/>{}<Expiration><Date>2030-01-01</Date></Expiration>", step("GLACIER", 1)), "InvalidRequest"),
        (format!("<Filter/>{}", step("STANDARD_IA", 29)), "InvalidArgument"),
        (format!("<Filter/>{}", step("GLACIER", -1)), "InvalidArgument"),
        (format!("<Filter/>{}", step("STANDARD", 30)), "MalformedXML"),
        (format!("<Filter/>{}{}", step("GLACIER", 30), step("GLACIER", 60)), "InvalidRequest"),
        (format!("<Filter/>{}{}", step("GLACIER", 30), step("DEEP_ARCHIVE", 30)), "InvalidArgument"),
        (format!("<Filter/>{}{}", step("GLACIER", 59), step("STANDARD_IA", 30)), "InvalidArgument"),
        (format!("<Filter/>{}{expire}", step("GLACIER", 400)), "InvalidArgument"),
        (noncurrent("<NoncurrentDays>0</NoncurrentDays>"), "InvalidArgument"),
        (noncurrent("<NewerNoncurrentVersions>1</NewerNoncurrentVersions>"), "MalformedXML"),
        (noncurrent("<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions>"), "InvalidArgument"),
        (
            "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>".to_owned(),
            "InvalidRequest",
        ),
    ];
    for (inside, expected) in &cases {
        let body = format!("<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status>{inside}</Rule></LifecycleConfiguration>");
        let (status, answer) = raw(&sandbox, Method::PUT, "one?lifecycle", &body).await;
        assert_eq!((status, code_in(&answer)), (400, *expected), "{inside}");
    }
    let same = format!("<Rule><ID>a</ID><Status>Enabled</Status><Filter/>{expire}</Rule>");
    let put = async |bucket: &str, rules: &str| {
        let body = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        let (status, answer) = raw(&sandbox, Method::PUT, &format!("{bucket}?lifecycle"), &body).await;
        (status, code_in(&answer).to_owned())
    };
    assert_eq!(put("one", &format!("{same}{same}")).await, (400, "InvalidArgument".to_owned()));
    assert_eq!(put("one", "").await, (400, "MalformedXML".to_owned()));
    assert_eq!(put("mfa", &same).await, (409, "InvalidBucketState".to_owned()));
    assert_eq!(put("one", &same).await.0, 200);
    assert!(sandbox.world().s3.buckets["mfa"].lifecycle.is_none());
}
