use aws_sdk_cloudtrail::config::retry::RetryConfig;
use aws_sdk_cloudtrail::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudtrail::error::ProvideErrorMetadata;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::super::delivery::tests::Written;
use super::*;
use crate::clock::Clock;
use crate::sandbox::{Options, Sandbox};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k1";
const MAIN: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";

fn policy(prefix: &str) -> String {
    let service = json!({"Service": "cloudtrail.amazonaws.com"});
    let object = format!("arn:aws:s3:::logs/{prefix}AWSLogs/111122223333/*");
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Acl", "Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl", "Resource": "arn:aws:s3:::logs",
         "Condition": {"StringEquals": {"aws:SourceArn": MAIN}}},
        {"Sid": "Write", "Effect": "Allow", "Principal": service, "Action": "s3:PutObject", "Resource": object,
         "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceArn": MAIN}}},
    ]})
    .to_string()
}

fn next_door() -> Written {
    Written {
        s3: json!({"buckets": {
            "logs": {"policy": policy("")},
            "plain": {"policy": null},
            "far": {"region": "us-east-1", "policy": policy("").replace("arn:aws:s3:::logs", "arn:aws:s3:::far")},
        }}),
        kms: json!({"keys": {"k1": {}, "off": {"keyState": "Disabled"}, "shut": {"policy": "{\"Statement\": []}"}}, "aliases": {"alias/logs": "k1"}}),
        sns: json!({"topics": {"alerts": {}}}),
    }
}

/// One account in a test: its trails, its neighbours, its time.
struct Account {
    state: State,
    next_door: Written,
    now: Timestamp,
    page_size: usize,
}

impl Account {
    fn new(state: &str) -> Account {
        let state = serde_yaml::from_str(state).unwrap();
        Account { state, next_door: next_door(), now: "2026-01-01T00:00:00Z".parse().unwrap(), page_size: 100 }
    }

    fn ask_from(&mut self, region: &str, name: &str, body: Value) -> Result<Value, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", HeaderValue::from_str(&format!("CloudTrail_20131101.{name}")).unwrap());
        let call = Call {
            method: Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            host: String::new(),
            headers,
            body: Bytes::from(body.to_string()),
            service: "cloudtrail".to_owned(),
            region: region.to_owned(),
        };
        let here = Here {
            account: "111122223333",
            region,
            home: "eu-west-1",
            now: self.now,
            page_size: self.page_size,
            neighbours: &self.next_door,
        };
        let op = operation(&call)?;
        perform(&mut self.state, &here, &op, &call).map(|answer| serde_json::from_str(&answer.body).unwrap())
    }

    fn ask(&mut self, name: &str, body: Value) -> Result<Value, Refusal> {
        self.ask_from("eu-west-1", name, body)
    }

    /// The error code of a refused call, which must have changed nothing.
    #[track_caller]
    fn refused(&mut self, name: &str, body: Value) -> String {
        let before = self.state.clone();
        let refusal = self.ask(name, body).unwrap_err();
        assert_eq!(self.state, before, "{name} was refused and yet changed something");
        refusal.code
    }
}

#[test]
fn a_trail_is_made_only_where_it_can_deliver() {
    let mut account = Account::new("{}");
    let wanted = |more: Value| {
        let mut body = json!({"Name": "main", "S3BucketName": "logs"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, code) in [
        (json!({"Name": "ab"}), "InvalidTrailNameException"),
        (json!({"Name": "-main"}), "InvalidTrailNameException"),
        (json!({"Name": "ma--in"}), "InvalidTrailNameException"),
        (json!({"Name": "10.0.0.1"}), "InvalidTrailNameException"),
        (json!({"S3BucketName": "none"}), "S3BucketDoesNotExistException"),
        (json!({"S3BucketName": "plain"}), "InsufficientS3BucketPolicyException"),
        (json!({"S3KeyPrefix": "audit"}), "InsufficientS3BucketPolicyException"),
        // The policy names another trail as source.
        (json!({"Name": "other"}), "InsufficientS3BucketPolicyException"),
        (json!({"S3BucketName": "none", "KmsKeyId": "nokey"}), "S3BucketDoesNotExistException"),
        (json!({"KmsKeyId": "nokey"}), "KmsKeyNotFoundException"),
        (json!({"S3BucketName": "far", "KmsKeyId": "k1"}), "KmsKeyNotFoundException"),
        (json!({"KmsKeyId": "off"}), "KmsKeyDisabledException"),
        (json!({"KmsKeyId": "shut"}), "InsufficientEncryptionPolicyException"),
        (json!({"SnsTopicName": "none"}), "InsufficientSnsTopicPolicyException"),
        (json!({"CloudWatchLogsRoleArn": "arn:aws:iam::111122223333:role/r"}), "InvalidParameterCombinationException"),
        (json!({"IsMultiRegionTrail": true, "IncludeGlobalServiceEvents": false}), "InvalidParameterCombinationException"),
        (json!({"IsOrganizationTrail": true}), "OrganizationsNotInUseException"),
        (json!({"TagsList": [{"Key": "aws:x", "Value": "y"}]}), "InvalidTagParameterException"),
        (json!({"IsMultiRegionTrail": "yes"}), "SerializationException"),
    ] {
        assert_eq!(account.refused("CreateTrail", wanted(more.clone())), code, "{more}");
    }
    let made = account.ask("CreateTrail", wanted(json!({"KmsKeyId": "alias/logs", "SnsTopicName": "alerts"}))).unwrap();
    assert_eq!(made["TrailARN"], MAIN);
    assert_eq!(made["KmsKeyId"], KEY);
    assert_eq!(made["SnsTopicARN"], "arn:aws:sns:eu-west-1:111122223333:alerts");
    assert_eq!((&made["IncludeGlobalServiceEvents"], &made["IsMultiRegionTrail"]), (&json!(true), &json!(false)));
    assert_eq!(made.get("S3KeyPrefix"), None);
    let status = account.ask("GetTrailStatus", json!({"Name": "main"})).unwrap();
    assert_eq!(status["IsLogging"], false, "a new trail does not log");
    assert_eq!(account.refused("CreateTrail", wanted(json!({}))), "TrailAlreadyExistsException");
}

#[test]
fn the_sixth_trail_of_a_region_is_refused() {
    let mut account = Account::new("trails: {t-1: {}, t-2: {}, t-3: {}, t-4: {}, elsewhere: {homeRegion: us-east-1}}");
    account.ask("CreateTrail", json!({"Name": "main", "S3BucketName": "logs"})).unwrap();
    assert_eq!(account.refused("CreateTrail", json!({"Name": "more", "S3BucketName": "logs"})), "MaximumNumberOfTrailsExceededException");
}

#[test]
fn a_prefix_needs_a_grant_of_its_own() {
    let mut account = Account::new("{}");
    account.next_door.s3 = json!({"buckets": {"logs": {"policy": policy("audit/")}}});
    let body = |prefix: &str| json!({"Name": "main", "S3BucketName": "logs", "S3KeyPrefix": prefix});
    assert_eq!(account.refused("CreateTrail", body("other")), "InsufficientS3BucketPolicyException");
    assert_eq!(account.ask("CreateTrail", body("audit")).unwrap()["S3KeyPrefix"], "audit");
}

#[test]
fn an_update_changes_what_it_names_and_breaks_the_digest_chain_visibly() {
    let mut account = Account::new("trails: {main: {s3BucketName: logs, logFileValidationEnabled: true, kmsKeyId: k1}}");
    assert_eq!(account.refused("UpdateTrail", json!({"Name": "main", "S3BucketName": "plain"})), "InsufficientS3BucketPolicyException");
    let changed = account.ask("UpdateTrail", json!({"Name": MAIN, "IsMultiRegionTrail": true, "KmsKeyId": ""})).unwrap();
    assert_eq!((&changed["IsMultiRegionTrail"], changed.get("KmsKeyId")), (&json!(true), None));
    assert!(!account.state.trails["main"].digest_chain_broken);
    account.ask("UpdateTrail", json!({"Name": "main", "EnableLogFileValidation": false})).unwrap();
    account.ask("UpdateTrail", json!({"Name": "main", "EnableLogFileValidation": true})).unwrap();
    assert!(account.state.trails["main"].digest_chain_broken);
}

#[test]
fn trails_change_in_their_home_region_and_by_their_owner_only() {
    let mut account = Account::new(
        "managementAccount: '999988887777'\ntrails: {abroad: {homeRegion: us-east-1, isMultiRegionTrail: true}, far: {homeRegion: us-east-1}, org: {isOrganizationTrail: true, isMultiRegionTrail: true}}",
    );
    for name in ["UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"] {
        assert_eq!(account.refused(name, json!({"Name": "abroad"})), "InvalidHomeRegionException");
        assert_eq!(account.refused(name, json!({"Name": "far"})), "TrailNotFoundException");
        assert_eq!(account.refused(name, json!({"Name": "org"})), "TrailNotFoundException", "members know it by its ARN");
        let org = "arn:aws:cloudtrail:eu-west-1:999988887777:trail/org";
        assert_eq!(account.refused(name, json!({"Name": org})), "NotOrganizationMasterAccountException");
    }
    let tags = json!({"ResourceId": "arn:aws:cloudtrail:eu-west-1:999988887777:trail/org", "TagsList": [{"Key": "a", "Value": "b"}]});
    assert_eq!(account.refused("AddTags", tags), "NotOrganizationMasterAccountException");
    account.ask_from("us-east-1", "StartLogging", json!({"Name": "abroad"})).unwrap();
    let names = |answer: Value| -> Vec<String> {
        answer["trailList"].as_array().unwrap().iter().map(|trail| trail["Name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(account.ask("DescribeTrails", json!({})).unwrap()), ["abroad", "org"]);
    assert_eq!(names(account.ask("DescribeTrails", json!({"includeShadowTrails": false})).unwrap()), Vec::<String>::new());
    assert_eq!(names(account.ask("DescribeTrails", json!({"trailNameList": ["abroad", "unknown"]})).unwrap()), ["abroad"]);
    assert_eq!(account.refused("GetTrail", json!({"Name": "arn:aws:cloudtrail:bad"})), "CloudTrailARNInvalidException");
}

#[test]
fn listings_page_to_their_end() {
    let mut account = Account::new("trails: {one: {}, two: {homeRegion: us-east-1}, three: {}}");
    account.page_size = 2;
    let first = account.ask("ListTrails", json!({})).unwrap();
    let second = account.ask("ListTrails", json!({"NextToken": first["NextToken"]})).unwrap();
    assert_eq!((first["Trails"].as_array().unwrap().len(), second["Trails"].as_array().unwrap().len()), (2, 1));
    assert_eq!(second.get("NextToken"), None);
    assert_eq!(account.refused("ListTrails", json!({"NextToken": "7"})), "InvalidNextTokenException");
    let arn = |name: &str| format!("arn:aws:cloudtrail:eu-west-1:111122223333:trail/{name}");
    let asked = json!({"ResourceIdList": [arn("one"), arn("three"), arn("one")], "NextToken": "2"});
    assert_eq!(account.ask("ListTags", asked).unwrap()["ResourceTagList"].as_array().unwrap().len(), 1);
}

#[test]
fn tags_are_limited_and_known_by_arn() {
    let mut account = Account::new("trails: {main: {}}");
    let many: Vec<Value> = (0..50).map(|number| json!({"Key": format!("k{number}"), "Value": "v"})).collect();
    account.ask("AddTags", json!({"ResourceId": MAIN, "TagsList": many})).unwrap();
    assert_eq!(account.refused("AddTags", json!({"ResourceId": MAIN, "TagsList": [{"Key": "one more"}]})), "TagsLimitExceededException");
    account.ask("AddTags", json!({"ResourceId": MAIN, "TagsList": [{"Key": "k1", "Value": "new"}]})).unwrap();
    assert_eq!(account.state.trails["main"].tags["k1"], "new");
    account.ask("RemoveTags", json!({"ResourceId": MAIN, "TagsList": [{"Key": "k1"}]})).unwrap();
    assert_eq!(account.state.trails["main"].tags.len(), 49);
    assert_eq!(account.refused("AddTags", json!({"ResourceId": "main", "TagsList": []})), "CloudTrailARNInvalidException");
    assert_eq!(account.refused("ListTags", json!({"ResourceIdList": [format!("{MAIN}2")]})), "ResourceNotFoundException");
}

#[test]
fn plain_and_advanced_selectors_exclude_each_other() {
    let mut account = Account::new("trails: {main: {}}");
    let default = account.ask("GetEventSelectors", json!({"TrailName": "main"})).unwrap();
    assert_eq!(
        default["EventSelectors"],
        json!([{"ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": [], "ExcludeManagementEventSources": []}])
    );
    let advanced = json!([{"Name": "data", "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]}]);
    let plain = json!([{"ReadWriteType": "ReadOnly", "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]);
    let put = |plain: &Value, advanced: &Value| json!({"TrailName": "main", "EventSelectors": plain, "AdvancedEventSelectors": advanced});
    let code = "InvalidEventSelectorsException";
    assert_eq!(account.refused("PutEventSelectors", put(&plain, &advanced)), code);
    assert_eq!(account.refused("PutEventSelectors", json!({"TrailName": "main"})), code);
    for bad in [
        json!([{"ReadWriteType": "Both"}]),
        json!([{"DataResources": [{"Type": "AWS::SQS::Queue", "Values": ["arn:aws:sqs:::q"]}]}]),
        json!([{"IncludeManagementEvents": false, "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]),
        json!([{}, {}, {}, {}, {}, {}]),
    ] {
        assert_eq!(account.refused("PutEventSelectors", put(&bad, &Value::Null)), code, "{bad}");
    }
    for bad in [
        json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]),
        json!([{"FieldSelectors": [{"Field": "eventCategory", "StartsWith": ["Man"]}]}]),
        json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "colour", "Equals": ["red"]}]}]),
        json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "readOnly", "Equals": ["maybe"]}]}]),
    ] {
        assert_eq!(account.refused("PutEventSelectors", put(&Value::Null, &bad)), code, "{bad}");
    }
    account.ask("PutEventSelectors", put(&plain, &Value::Null)).unwrap();
    assert_eq!(account.ask("GetTrail", json!({"Name": "main"})).unwrap()["Trail"]["HasCustomEventSelectors"], true);
    account.ask("PutEventSelectors", put(&Value::Null, &advanced)).unwrap();
    let read = account.ask("GetEventSelectors", json!({"TrailName": "main"})).unwrap();
    assert_eq!((read.get("EventSelectors"), &read["AdvancedEventSelectors"]), (None, &advanced));
}

#[test]
fn insights_need_management_events_and_are_refused_where_there_are_none() {
    let mut account = Account::new("trails: {main: {}, reading: {eventSelectors: [{readWriteType: ReadOnly}]}}");
    assert_eq!(account.refused("GetInsightSelectors", json!({"TrailName": "main"})), "InsightNotEnabledException");
    let put = |name: &str, kinds: &[&str]| {
        let selectors: Vec<Value> = kinds.iter().map(|kind| json!({"InsightType": kind})).collect();
        json!({"TrailName": name, "InsightSelectors": selectors})
    };
    let code = "InvalidInsightSelectorsException";
    assert_eq!(account.refused("PutInsightSelectors", put("main", &["Other"])), code);
    assert_eq!(account.refused("PutInsightSelectors", put("main", &["ApiErrorRateInsight", "ApiErrorRateInsight"])), code);
    assert_eq!(account.refused("PutInsightSelectors", put("reading", &["ApiCallRateInsight"])), code);
    account.ask("PutInsightSelectors", put("reading", &["ApiErrorRateInsight"])).unwrap();
    account.ask("PutInsightSelectors", put("main", &["ApiCallRateInsight"])).unwrap();
    let read = account.ask("GetInsightSelectors", json!({"TrailName": "main"})).unwrap();
    assert_eq!(read["InsightSelectors"], json!([{"InsightType": "ApiCallRateInsight", "EventCategories": ["Management"]}]));
    account.ask("PutInsightSelectors", put("main", &[])).unwrap();
    assert_eq!(account.refused("GetInsightSelectors", json!({"TrailName": "main"})), "InsightNotEnabledException");
}

#[test]
fn the_status_tells_of_deliveries_and_of_what_prevents_them() {
    let mut account = Account::new("trails: {main: {s3BucketName: logs, logFileValidationEnabled: true}}");
    account.ask("StartLogging", json!({"Name": "main"})).unwrap();
    let started = account.now.as_second();
    account.now = "2026-01-01T01:07:00Z".parse().unwrap();
    account.ask("StartLogging", json!({"Name": "main"})).unwrap();
    let status = account.ask("GetTrailStatus", json!({"Name": "main"})).unwrap();
    assert_eq!((&status["IsLogging"], &status["StartLoggingTime"]), (&json!(true), &json!(started)));
    assert_eq!(status["LatestDeliveryTime"], json!(started + 65 * 60));
    assert_eq!(status["LatestDigestDeliveryTime"], json!(started + 3600));
    assert_eq!(status["TimeLoggingStarted"], "2026-01-01T00:00:00Z");
    account.next_door.s3 = json!({"buckets": {"logs": {"policy": null}}});
    assert_eq!(account.ask("GetTrailStatus", json!({"Name": "main"})).unwrap()["LatestDeliveryError"], "AccessDenied");
    account.next_door.s3 = json!({"buckets": {}});
    assert_eq!(account.ask("GetTrailStatus", json!({"Name": "main"})).unwrap()["LatestDeliveryError"], "NoSuchBucket");
    account.ask("StopLogging", json!({"Name": "main"})).unwrap();
    assert_eq!(account.ask("GetTrailStatus", json!({"Name": "main"})).unwrap()["IsLogging"], false);
}

#[test]
fn what_is_not_offered_is_said() {
    let mut account = Account::new("{}");
    let refusal = account.ask("CreateEventDataStore", json!({})).unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (501, "NotImplemented"));
    assert!(serde_yaml::from_str::<State>("trails: {main: {buckett: x}}").is_err());
}

#[tokio::test]
async fn the_sdk_reads_and_writes_it() {
    let world = "account: '111122223333'\nregion: eu-west-1\npageSize: 1\ncloudtrail: {trails: {main: {s3BucketName: logs, tags: {team: audit}}, more: {}}}";
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
    let sandbox = Sandbox::from_yaml(world, Options { clock, ..Options::default() }).unwrap();
    let config = aws_sdk_cloudtrail::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("AKIASANDBOX", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(sandbox.http_client())
        .build();
    let client = aws_sdk_cloudtrail::Client::from_conf(config);
    let pages: Vec<_> = {
        let mut pages = client.list_trails().into_paginator().send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            all.extend(page.unwrap().trails().iter().map(|trail| trail.name().unwrap().to_owned()).collect::<Vec<_>>());
        }
        all
    };
    assert_eq!(pages, ["main", "more"]);
    client.start_logging().name("main").send().await.unwrap();
    let status = client.get_trail_status().name("main").send().await.unwrap();
    assert_eq!((status.is_logging(), status.start_logging_time().map(|time| time.secs())), (Some(true), Some(1_767_225_600)));
    let tags = client.list_tags().resource_id_list(MAIN).send().await.unwrap();
    assert_eq!(tags.resource_tag_list()[0].tags_list()[0].value(), Some("audit"));
    let selectors = client.get_event_selectors().trail_name("main").send().await.unwrap();
    assert_eq!(selectors.event_selectors()[0].include_management_events(), Some(true));
    let unknown = client.get_trail().name("unknown").send().await.unwrap_err().into_service_error();
    assert!(unknown.is_trail_not_found_exception(), "{unknown:?}");
    assert_eq!(unknown.message(), Some("Unknown trail: unknown for the user: 111122223333"));
    let refused = client.create_trail().name("third").s3_bucket_name("nobucket").send().await.unwrap_err().into_service_error();
    assert!(refused.is_s3_bucket_does_not_exist_exception(), "{refused:?}");
    client.delete_trail().name("more").send().await.unwrap();
    assert_eq!(client.describe_trails().send().await.unwrap().trail_list().len(), 1);
}
