use aws_sdk_guardduty::config::retry::RetryConfig;
use aws_sdk_guardduty::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_guardduty::error::ProvideErrorMetadata;
use aws_sdk_guardduty::types::{
    DetectorAdditionalConfiguration, DetectorFeature, DetectorFeatureConfiguration, DetectorStatus, FeatureAdditionalConfiguration,
    FeatureStatus, FindingPublishingFrequency,
};
use bytes::Bytes;
use http::HeaderMap;

use super::super::delivery::tests::Written;
use super::*;
use crate::clock::Clock;
use crate::sandbox::{Options, Sandbox};

fn sandbox(guardduty: &str) -> (Sandbox, aws_sdk_guardduty::Client) {
    let world = format!("account: '111122223333'\nregion: eu-west-1\nguardduty: {guardduty}");
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
    let sandbox = Sandbox::from_yaml(&world, Options { clock, ..Options::default() }).unwrap();
    let config = aws_sdk_guardduty::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("AKIASANDBOX", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(sandbox.http_client())
        .build();
    (sandbox, aws_sdk_guardduty::Client::from_conf(config))
}

fn feature(name: DetectorFeature, status: FeatureStatus) -> DetectorFeatureConfiguration {
    DetectorFeatureConfiguration::builder().name(name).status(status).build()
}

/// The features that are on, in the order in which they are shown.
async fn on(client: &aws_sdk_guardduty::Client, id: &str) -> Vec<String> {
    let detector = client.get_detector().detector_id(id).send().await.unwrap();
    let on = detector.features().iter().filter(|feature| feature.status() == Some(&FeatureStatus::Enabled));
    on.map(|feature| feature.name().unwrap().as_str().to_owned()).collect()
}

#[tokio::test]
async fn a_new_detector_has_everything_on_but_runtime_monitoring() {
    let (_, client) = sandbox("{}");
    assert!(client.list_detectors().send().await.unwrap().detector_ids().is_empty());
    let created = client
        .create_detector()
        .enable(true)
        .client_token("once")
        .features(feature(DetectorFeature::S3DataEvents, FeatureStatus::Disabled))
        .tags("team", "audit")
        .send()
        .await
        .unwrap();
    let id = created.detector_id().unwrap();
    assert_eq!(id.len(), 32);
    let expected =
        ["CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS"];
    assert_eq!(on(&client, id).await, expected);
    let detector = client.get_detector().detector_id(id).send().await.unwrap();
    assert_eq!(detector.status(), Some(&DetectorStatus::Enabled));
    assert_eq!(detector.finding_publishing_frequency(), Some(&FindingPublishingFrequency::SixHours));
    assert_eq!(detector.created_at(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(detector.tags().unwrap()["team"], "audit");
    let runtime = detector.features().last().unwrap();
    assert_eq!((runtime.name().unwrap().as_str(), runtime.additional_configuration().len()), ("RUNTIME_MONITORING", 3));
    let second = client.create_detector().enable(true).send().await.unwrap_err().into_service_error();
    assert!(second.is_bad_request_exception());
    assert_eq!(second.message(), Some("The request is rejected because a detector already exists for the current account."));
    let repeated = client.create_detector().enable(true).client_token("once").send().await.unwrap();
    assert_eq!(repeated.detector_id(), Some(id), "the same token is the same request");
}

#[tokio::test]
async fn an_update_changes_what_it_names_or_nothing() {
    let (sandbox, client) = sandbox("{detector: {features: {S3_DATA_EVENTS: {status: DISABLED}}}}");
    let ids = client.list_detectors().send().await.unwrap();
    let id = ids.detector_ids()[0].as_str();
    let update = || client.update_detector().detector_id(id);
    let agent = DetectorAdditionalConfiguration::builder()
        .name(FeatureAdditionalConfiguration::Ec2AgentManagement)
        .status(FeatureStatus::Enabled)
        .build();
    let runtime = |status| feature(DetectorFeature::RuntimeMonitoring, status);
    let eks = |status| feature(DetectorFeature::EksRuntimeMonitoring, status);
    let before = sandbox.snapshot();
    let wrong_agent =
        DetectorFeatureConfiguration::builder().name(DetectorFeature::S3DataEvents).additional_configuration(agent.clone()).build();
    for (first, second) in [
        (runtime(FeatureStatus::Enabled), eks(FeatureStatus::Enabled)),
        (runtime(FeatureStatus::Enabled), runtime(FeatureStatus::Enabled)),
        (feature(DetectorFeature::S3DataEvents, FeatureStatus::Enabled), feature("NO_SUCH".into(), FeatureStatus::Enabled)),
        (runtime(FeatureStatus::Enabled), feature(DetectorFeature::S3DataEvents, "ON".into())),
        (runtime(FeatureStatus::Enabled), wrong_agent),
    ] {
        let refused = update().features(first).features(second).send().await.unwrap_err().into_service_error();
        assert!(refused.is_bad_request_exception(), "{refused:?}");
    }
    let frequency = update().finding_publishing_frequency("DAILY".into()).send().await;
    assert!(frequency.unwrap_err().into_service_error().is_bad_request_exception());
    assert_eq!(sandbox.snapshot(), before, "a refused request changes nothing");
    let with_agent = DetectorFeatureConfiguration::builder()
        .name(DetectorFeature::RuntimeMonitoring)
        .status(FeatureStatus::Enabled)
        .additional_configuration(agent)
        .build();
    update().features(with_agent).finding_publishing_frequency(FindingPublishingFrequency::FifteenMinutes).send().await.unwrap();
    let detector = client.get_detector().detector_id(id).send().await.unwrap();
    let runtime = detector.features().iter().find(|one| one.name().unwrap().as_str() == "RUNTIME_MONITORING").unwrap();
    let agents: Vec<_> = runtime.additional_configuration().iter().map(|one| one.status().unwrap().as_str()).collect();
    assert_eq!((runtime.status(), agents), (Some(&FeatureStatus::Enabled), vec!["DISABLED", "DISABLED", "ENABLED"]));
    assert_eq!(detector.finding_publishing_frequency(), Some(&FindingPublishingFrequency::FifteenMinutes));
    assert!(!on(&client, id).await.contains(&"S3_DATA_EVENTS".to_owned()), "what was not named stays");
    let both = update().features(eks(FeatureStatus::Enabled)).send().await.unwrap_err().into_service_error();
    assert!(both.is_bad_request_exception(), "runtime monitoring is on already");
    update().enable(false).send().await.unwrap();
    assert_eq!(client.get_detector().detector_id(id).send().await.unwrap().status(), Some(&DetectorStatus::Disabled));
    client.delete_detector().detector_id(id).send().await.unwrap();
    let gone = client.get_detector().detector_id(id).send().await.unwrap_err().into_service_error();
    assert_eq!(gone.message(), Some("The request is rejected because the input detectorId is not owned by the current account."));
}

#[tokio::test]
async fn a_member_account_reads_and_does_not_change() {
    let (sandbox, client) = sandbox("{administrator: '999988887777', detector: {}}");
    let ids = client.list_detectors().send().await.unwrap();
    let id = ids.detector_ids()[0].as_str();
    let before = sandbox.snapshot();
    let said = Some("The request is rejected because member accounts cannot manage specified resources or properties.");
    let frequency = FindingPublishingFrequency::OneHour;
    let update = client.update_detector().detector_id(id).finding_publishing_frequency(frequency).send().await;
    assert_eq!(update.unwrap_err().into_service_error().message(), said);
    assert_eq!(client.create_detector().enable(true).send().await.unwrap_err().into_service_error().message(), said);
    assert_eq!(client.delete_detector().detector_id(id).send().await.unwrap_err().into_service_error().message(), said);
    assert_eq!(sandbox.snapshot(), before);
    let administrator = client.get_administrator_account().detector_id(id).send().await.unwrap();
    assert_eq!(administrator.administrator().unwrap().account_id(), Some("999988887777"));
}

#[tokio::test]
async fn tags_are_added_and_removed_by_arn() {
    let (_, client) = sandbox("{detector: {id: 0123456789abcdef0123456789abcdef, tags: {a: '1', b: '2'}}}");
    let arn = "arn:aws:guardduty:eu-west-1:111122223333:detector/0123456789abcdef0123456789abcdef";
    client.tag_resource().resource_arn(arn).tags("c", "3").tags("a", "4").send().await.unwrap();
    client.untag_resource().resource_arn(arn).tag_keys("b").tag_keys("c").send().await.unwrap();
    let tags = client.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags().unwrap().iter().collect::<Vec<_>>(), [(&"a".to_owned(), &"4".to_owned())]);
    let reserved = client.tag_resource().resource_arn(arn).tags("aws:x", "y").send().await.unwrap_err().into_service_error();
    assert!(reserved.is_bad_request_exception());
    let administrator = client.get_administrator_account().detector_id("0123456789abcdef0123456789abcdef").send().await.unwrap();
    // The SDK makes an empty administrator of an answer without one.
    let account = administrator.administrator().and_then(|administrator| administrator.account_id());
    assert_eq!(account, None, "an account on its own has none");
}

const ID: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k1";

/// A detector, its neighbours and its time.
struct Account {
    state: State,
    next_door: Written,
    now: Timestamp,
}

impl Account {
    fn new() -> Account {
        let service = json!({"Service": "guardduty.amazonaws.com"});
        let policy = json!({"Statement": [
            {"Effect": "Allow", "Principal": service, "Action": ["s3:GetBucketLocation", "s3:PutObject"],
             "Resource": ["arn:aws:s3:::findings", "arn:aws:s3:::findings/gd/*"],
             "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}},
            {"Effect": "Deny", "Principal": service, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::findings/*",
             "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": KEY}}},
        ]});
        Account {
            state: serde_yaml::from_str(&format!("detector: {{id: {ID}}}")).unwrap(),
            next_door: Written {
                s3: json!({"buckets": {"findings": {"policy": policy.to_string()}, "plain": {}}}),
                kms: json!({"keys": {"k1": {}, "k2": {}}}),
                sns: json!({}),
            },
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn ask(&mut self, method: Method, path: &str, body: Value) -> Result<Value, Refusal> {
        let call = Call {
            method,
            path: format!("/detector/{ID}/publishingDestination{path}"),
            query: String::new(),
            host: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_string()),
            service: "guardduty".to_owned(),
            region: "eu-west-1".to_owned(),
        };
        let here = Here { account: "111122223333", region: "eu-west-1", now: self.now, page_size: 100, neighbours: &self.next_door };
        self.state.settle(self.now);
        perform(&mut self.state, &here, &call).map(|answer| serde_json::from_str(&answer.body).unwrap())
    }
}

fn to(destination: &str, key: &str) -> Value {
    json!({"destinationType": "S3", "destinationProperties": {"destinationArn": destination, "kmsKeyArn": key}})
}

#[test]
fn findings_are_published_only_where_guardduty_may_write() {
    let mut account = Account::new();
    let good = to("arn:aws:s3:::findings/gd", KEY);
    for bad in [
        to("arn:aws:s3:::none/gd", KEY),
        to("arn:aws:s3:::plain", KEY),
        to("arn:aws:s3:::findings", KEY),
        to("arn:aws:s3:::findings/gd", "arn:aws:kms:eu-west-1:111122223333:key/k2"),
        to("arn:aws:s3:::findings/gd", "arn:aws:kms:eu-west-1:111122223333:key/none"),
        to("findings", KEY),
        json!({"destinationType": "S3", "destinationProperties": {"destinationArn": "arn:aws:s3:::findings/gd"}}),
    ] {
        assert_eq!(account.ask(Method::POST, "", bad.clone()).unwrap_err().code, "BadRequestException", "{bad}");
    }
    let made = account.ask(Method::POST, "", good.clone()).unwrap();
    let path = format!("/{}", made["destinationId"].as_str().unwrap());
    assert_eq!(account.ask(Method::POST, "", good).unwrap_err().code, "BadRequestException", "there is one destination");
    let status = |account: &mut Account| account.ask(Method::GET, &path, json!({})).unwrap()["status"].clone();
    assert_eq!(status(&mut account), "PENDING_VERIFICATION");
    account.now = "2026-01-01T00:01:00Z".parse().unwrap();
    assert_eq!(status(&mut account), "PUBLISHING");
    assert_eq!(account.ask(Method::GET, "", json!({})).unwrap()["destinations"][0]["status"], "PUBLISHING");
    let elsewhere = json!({"destinationProperties": {"destinationArn": "arn:aws:s3:::findings/gd/deeper"}});
    account.ask(Method::POST, &path, elsewhere).unwrap();
    let described = account.ask(Method::GET, &path, json!({})).unwrap();
    assert_eq!((&described["status"], &described["publishingFailureStartTimestamp"]), (&json!("PENDING_VERIFICATION"), &json!(0)));
    assert_eq!(described["destinationProperties"], json!({"destinationArn": "arn:aws:s3:::findings/gd/deeper", "kmsKeyArn": KEY}));
    account.ask(Method::DELETE, &path, json!({})).unwrap();
    assert_eq!(account.ask(Method::GET, &path, json!({})).unwrap_err().code, "BadRequestException");
}

#[test]
fn publishing_fails_once_guardduty_may_write_no_more() {
    let mut account = Account::new();
    let good = to("arn:aws:s3:::findings/gd", KEY);
    let made = account.ask(Method::POST, "", good.clone()).unwrap();
    let path = format!("/{}", made["destinationId"].as_str().unwrap());
    account.now = "2026-01-01T00:01:00Z".parse().unwrap();
    let status = |account: &mut Account| account.ask(Method::GET, &path, json!({})).unwrap()["status"].clone();
    assert_eq!(status(&mut account), "PUBLISHING");
    let policy = account.next_door.s3["buckets"]["findings"]["policy"].take();
    assert_eq!(status(&mut account), "UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY");
    account.next_door.s3["buckets"]["findings"]["policy"] = policy;
    assert_eq!(account.ask(Method::GET, "", json!({})).unwrap()["destinations"][0]["status"], "UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY");
    account.ask(Method::POST, &path, good).unwrap();
    account.now = "2026-01-01T00:02:00Z".parse().unwrap();
    assert_eq!(status(&mut account), "PUBLISHING", "verified anew");
}

#[test]
fn account_files_are_checked_and_completed() {
    let state: State = serde_yaml::from_str("detector: {features: {RUNTIME_MONITORING: {status: ENABLED}}}").unwrap();
    let features = state.detector.unwrap().features;
    assert_eq!((features.len(), features["RUNTIME_MONITORING"].additional_configuration.len()), (7, 3));
    for bad in [
        "detector: {features: {NO_SUCH: {status: ENABLED}}}",
        "detector: {features: {S3_DATA_EVENTS: {status: on}}}",
        "detector: {features: {S3_DATA_EVENTS: {status: ENABLED, additionalConfiguration: {EC2_AGENT_MANAGEMENT: {status: ENABLED}}}}}",
        "detector: {frequency: ONE_HOUR}",
    ] {
        assert!(serde_yaml::from_str::<State>(bad).is_err(), "{bad}");
    }
}
