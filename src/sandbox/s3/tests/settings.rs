use aws_sdk_s3::types::{
    BucketLoggingStatus, BucketVersioningStatus, IndexDocument, LoggingEnabled, MfaDelete, PartitionDateSource, PartitionedPrefix,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    TargetObjectKeyFormat, VersioningConfiguration, WebsiteConfiguration,
};
use http::Method;

use super::{client, code, code_in, raw, sandbox, wait};
use crate::sandbox::Sandbox;

async fn set_versioning(sandbox: &Sandbox, status: BucketVersioningStatus) {
    let configuration = VersioningConfiguration::builder().status(status).build();
    client(sandbox).put_bucket_versioning().bucket("one").versioning_configuration(configuration).send().await.unwrap();
}

async fn versioning(sandbox: &Sandbox) -> Option<BucketVersioningStatus> {
    client(sandbox).get_bucket_versioning().bucket("one").send().await.unwrap().status
}

#[tokio::test]
async fn versioning_is_seen_half_a_minute_later() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    set_versioning(&sandbox, BucketVersioningStatus::Enabled).await;
    assert_eq!(versioning(&sandbox).await, None);
    wait(&sandbox, 29);
    assert_eq!(versioning(&sandbox).await, None);
    // A second change before the first is seen: what is seen stays the oldest.
    set_versioning(&sandbox, BucketVersioningStatus::Suspended).await;
    wait(&sandbox, 29);
    assert_eq!(versioning(&sandbox).await, None);
    wait(&sandbox, 1);
    assert_eq!(versioning(&sandbox).await, Some(BucketVersioningStatus::Suspended));
    assert!(sandbox.world().s3.versioning_before.is_empty());
    // The same again changes nothing.
    set_versioning(&sandbox, BucketVersioningStatus::Suspended).await;
    assert!(sandbox.world().s3.versioning_before.is_empty());
    let (status, body) = raw(&sandbox, Method::PUT, "one?versioning", "<VersioningConfiguration/>").await;
    assert_eq!((status, code_in(&body)), (400, "IllegalVersioningConfigurationException"));
}

#[tokio::test]
async fn mfa_delete_takes_the_device() {
    let sandbox = sandbox("{buckets: {one: {versioning: Enabled, mfaDelete: true}}}");
    let s3 = client(&sandbox);
    let put = |mfa: Option<&str>| {
        let configuration =
            VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).mfa_delete(MfaDelete::Disabled).build();
        s3.put_bucket_versioning().bucket("one").versioning_configuration(configuration).set_mfa(mfa.map(str::to_owned)).send()
    };
    assert_eq!(s3.get_bucket_versioning().bucket("one").send().await.unwrap().mfa_delete.unwrap().as_str(), "Enabled");
    assert_eq!(code(put(None).await), "AccessDenied");
    put(Some("arn:aws:iam::317805897534:mfa/root 123456")).await.unwrap();
    assert!(!sandbox.world().s3.buckets["one"].mfa_delete);
}

#[tokio::test]
async fn default_encryption_can_be_changed_and_never_removed() {
    let sandbox = sandbox("{buckets: {one: {}, ancient: {encryption: {algorithm: none}}}}");
    let s3 = client(&sandbox);
    let put = |algorithm: ServerSideEncryption, key: Option<&str>, bucket_key: bool| {
        let by_default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(algorithm)
            .set_kms_master_key_id(key.map(str::to_owned))
            .build()
            .unwrap();
        let rule =
            ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by_default).bucket_key_enabled(bucket_key).build();
        let configuration = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
        s3.put_bucket_encryption().bucket("one").server_side_encryption_configuration(configuration).send()
    };
    let get = async || {
        let rules = s3.get_bucket_encryption().bucket("one").send().await.unwrap().server_side_encryption_configuration.unwrap().rules;
        let by_default = rules[0].apply_server_side_encryption_by_default.clone().unwrap();
        (by_default.sse_algorithm.as_str().to_owned(), by_default.kms_master_key_id, rules[0].bucket_key_enabled)
    };
    put(ServerSideEncryption::AwsKms, Some("alias/a"), true).await.unwrap();
    assert_eq!(get().await, ("aws:kms".to_owned(), Some("alias/a".to_owned()), Some(true)));
    put(ServerSideEncryption::AwsKmsDsse, None, false).await.unwrap();
    assert_eq!(get().await, ("aws:kms:dsse".to_owned(), None, Some(false)));
    assert_eq!(code(put(ServerSideEncryption::AwsKmsDsse, None, true).await), "InvalidArgument");
    assert_eq!(code(put(ServerSideEncryption::Aes256, Some("alias/a"), false).await), "InvalidArgument");
    assert_eq!(code(put(ServerSideEncryption::from("none"), None, false).await), "MalformedXML");
    s3.delete_bucket_encryption().bucket("one").send().await.unwrap();
    assert_eq!(get().await, ("AES256".to_owned(), None, Some(false)));
    assert_eq!(code(s3.get_bucket_encryption().bucket("ancient").send().await), "ServerSideEncryptionConfigurationNotFoundError");
    let body = "<ServerSideEncryptionConfiguration><Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>";
    assert_eq!(raw(&sandbox, Method::PUT, "one?encryption", body).await.0, 200);
    assert!(raw(&sandbox, Method::GET, "one?encryption", "").await.1.contains("<EncryptionType>SSE-C</EncryptionType>"));
}

#[tokio::test]
async fn logs_go_to_a_bucket_that_is_there() {
    let sandbox = sandbox("{buckets: {one: {}, logs: {}, far: {region: eu-west-1}}}");
    let s3 = client(&sandbox);
    let put = |target: &str| {
        let partitioned = PartitionedPrefix::builder().partition_date_source(PartitionDateSource::EventTime).build();
        let format = TargetObjectKeyFormat::builder().partitioned_prefix(partitioned).build();
        let enabled =
            LoggingEnabled::builder().target_bucket(target).target_prefix("one/").target_object_key_format(format).build().unwrap();
        let status = BucketLoggingStatus::builder().logging_enabled(enabled).build();
        s3.put_bucket_logging().bucket("one").bucket_logging_status(status).send()
    };
    assert_eq!(code(put("none").await), "InvalidTargetBucketForLogging");
    assert_eq!(code(put("far").await), "CrossLocationLoggingProhibited");
    put("logs").await.unwrap();
    let enabled = s3.get_bucket_logging().bucket("one").send().await.unwrap().logging_enabled.unwrap();
    assert_eq!((enabled.target_bucket.as_str(), enabled.target_prefix.as_str()), ("logs", "one/"));
    let source = enabled.target_object_key_format.unwrap().partitioned_prefix.unwrap().partition_date_source;
    assert_eq!(source, Some(PartitionDateSource::EventTime));
    s3.put_bucket_logging().bucket("one").bucket_logging_status(BucketLoggingStatus::builder().build()).send().await.unwrap();
    assert!(s3.get_bucket_logging().bucket("one").send().await.unwrap().logging_enabled.is_none());
}

#[tokio::test]
async fn tags_are_replaced_save_those_of_aws() {
    let sandbox = sandbox("{buckets: {one: {tags: {'aws:cloudformation:stack-name': web, old: x}}}}");
    let s3 = client(&sandbox);
    let put = |tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build().unwrap()).collect();
        s3.put_bucket_tagging().bucket("one").tagging(Tagging::builder().set_tag_set(Some(tags)).build().unwrap()).send()
    };
    let system = ("aws:cloudformation:stack-name", "web");
    for refused in [
        &[("env", "x")][..],
        &[system, ("aws:new", "x")],
        &[(system.0, "other")],
        &[system, ("a", "1"), ("a", "2")],
        &[system, ("", "1")],
        &[system, ("é!", "1")],
    ] {
        assert_eq!(code(put(refused).await), "InvalidTag", "{refused:?}");
    }
    put(&[system, ("env", "production")]).await.unwrap();
    let found = s3.get_bucket_tagging().bucket("one").send().await.unwrap().tag_set;
    assert_eq!(found.iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(), [system, ("env", "production")]);
    assert_eq!(code(s3.delete_bucket_tagging().bucket("one").send().await), "InvalidTag");
}

#[tokio::test]
async fn a_website_is_written_read_and_removed() {
    let sandbox = sandbox("{buckets: {one: {website: {redirectHost: example.org, redirectProtocol: https}}}}");
    let s3 = client(&sandbox);
    let found = s3.get_bucket_website().bucket("one").send().await.unwrap().redirect_all_requests_to.unwrap();
    assert_eq!((found.host_name.as_str(), found.protocol.unwrap().as_str()), ("example.org", "https"));
    let configuration =
        WebsiteConfiguration::builder().index_document(IndexDocument::builder().suffix("home.html").build().unwrap()).build();
    s3.put_bucket_website().bucket("one").website_configuration(configuration).send().await.unwrap();
    let found = s3.get_bucket_website().bucket("one").send().await.unwrap();
    assert_eq!((found.index_document.unwrap().suffix.as_str(), found.redirect_all_requests_to), ("home.html", None));
    s3.delete_bucket_website().bucket("one").send().await.unwrap();
    assert_eq!(code(s3.get_bucket_website().bucket("one").send().await), "NoSuchWebsiteConfiguration");
}
