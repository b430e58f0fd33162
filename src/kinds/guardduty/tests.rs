use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::execute::End;
use crate::kinds::testing::{ACCOUNT, Account, one_in, policy};
use crate::kinds::{Drift, Impact, Key, Reason, Unreadable, Why};
use crate::plan::{ResourcePlan, Status};

const KEY: &str = "arn:aws:kms:us-east-1:317805897534:key/k1";

fn scope() -> Scope {
    Scope { object: "test".to_owned(), account: ACCOUNT.to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
}

fn spec(value: Value) -> DetectorSpec {
    serde_json::from_value(value).unwrap()
}

/// An account with this detector, a bucket whose policy lets GuardDuty in below a prefix, and two keys.
fn services(guardduty: Value) -> Value {
    let wish = spec(json!({"publishingDestination": {"bucket": "findings", "prefix": "audit"}}));
    let text = policy(&Detector::contributes(&wish, "us-east-1", &scope()));
    json!({
        "s3": {"buckets": {"findings": {"policy": text}}},
        "kms": {"keys": {"k1": {}, "k2": {}}},
        "guardduty": guardduty,
    })
}

fn wish(detector: Value) -> Value {
    json!({"guardduty": {"detector": detector}})
}

async fn planned(account: &Account, detector: Value) -> ResourcePlan {
    account.resource("guardduty.detector", &wish(detector)).await
}

fn destination() -> Value {
    json!({"bucket": "findings", "prefix": "audit", "kmsKeyArn": KEY})
}

#[tokio::test]
async fn a_missing_detector_is_made_and_its_destination_follows() {
    let account = Account::new(&services(json!({})));
    let wish = wish(json!({
        "enabled": true,
        "findingPublishingFrequency": "FIFTEEN_MINUTES",
        "features": {
            "S3_DATA_EVENTS": {"enabled": true},
            "EKS_AUDIT_LOGS": {"enabled": false},
            "RUNTIME_MONITORING": {"enabled": true, "additionalConfiguration": {"EKS_ADDON_MANAGEMENT": {"enabled": true}}},
        },
        "publishingDestination": destination(),
        "tags": {"team": "audit"},
    }));
    let plan = account.converges(&wish).await;
    let resource = plan.resources.iter().find(|one| one.key.kind == "guardduty.detector").unwrap();
    assert_eq!(resource.key.id, "us-east-1");
    let titles: Vec<&str> = resource.steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Create the GuardDuty detector of us-east-1", "Publish findings to the bucket findings"]);
    assert_eq!(resource.steps[1].after, [0]);
    let made = account.sandbox.snapshot()["guardduty"]["detector"].clone();
    assert_eq!(made["status"], "ENABLED");
    assert_eq!(made["findingPublishingFrequency"], "FIFTEEN_MINUTES");
    assert_eq!(made["features"]["EKS_AUDIT_LOGS"]["status"], "DISABLED");
    assert_eq!(made["features"]["RUNTIME_MONITORING"]["additionalConfiguration"]["EKS_ADDON_MANAGEMENT"]["status"], "ENABLED");
    assert_eq!(made["features"]["RDS_LOGIN_EVENTS"]["status"], "ENABLED", "AWS's default stays where nothing is declared");
    assert_eq!(made["tags"], json!({"team": "audit", "holdfast.dev/owner": "holdfast", "holdfast.dev/object": "test"}));
    let destinations = made["destinations"].as_object().unwrap();
    assert_eq!(destinations.len(), 1);
    assert!(destinations.values().all(|one| one["destinationArn"] == "arn:aws:s3:::findings/audit" && one["kmsKeyArn"] == KEY));
}

/// One bucket takes the findings of all regions; its key is of its region.
#[tokio::test]
async fn a_bucket_in_another_region_is_published_to() {
    let account = Account::new(&json!({"s3": {"buckets": {"findings": {}}}, "kms": {"keys": {"k1": {}}}}));
    let mut far = wish(json!({"enabled": true, "publishingDestination": destination()}));
    far["region"] = json!("eu-west-1");
    account.converges(&far).await;
    let written = account.sandbox.snapshot()["s3"]["buckets"]["findings"]["policy"].to_string();
    assert!(written.contains("guardduty:eu-west-1:317805897534:detector"), "{written}");
}

/// A key that GuardDuty would refuse is said in the plan, and holds back nothing else.
#[tokio::test]
async fn a_key_that_cannot_be_used_is_said_beforehand() {
    let off = json!({"state": "PendingDeletion"});
    for (key, reason) in [(Some(off), Reason::UnexpectedState), (None, Reason::InvalidWish)] {
        let mut services = services(json!({}));
        services["kms"]["keys"] = json!({});
        if let Some(key) = key {
            services["kms"]["keys"]["k1"] = key;
        }
        let account = Account::new(&services);
        let members = json!({"enabled": true, "publishingDestination": destination()});
        let (plan, outcomes) = account.apply(&wish(members.clone())).await;
        let detector = plan.resources.iter().find(|one| one.key.kind == "guardduty.detector").unwrap();
        assert_eq!((detector.blocks[0].reason, detector.steps.len()), (reason, 1), "{detector:#?}");
        assert!(outcomes.resources.iter().all(|one| !matches!(one.end, End::Failed { .. })), "{outcomes:#?}");
        // The detector is there, and its destination still waits for a key.
        let again = planned(&account, members).await;
        assert_eq!((again.blocks[0].reason, again.steps.len()), (reason, 0), "{again:#?}");
    }
}

/// While a key's primary region is changed everything is encrypted with it as before.
#[tokio::test]
async fn a_key_whose_primary_region_changes_is_used() {
    let account = Account::new(&json!({"s3": {"buckets": {"findings": {}}}, "kms": {"keys": {"k1": {"state": "Updating"}}}}));
    account.converges(&wish(json!({"enabled": true, "publishingDestination": destination()}))).await;
}

#[tokio::test]
async fn the_bucket_and_its_policy_come_before_the_destination() {
    let account = Account::new(&json!({"kms": {"keys": {"k1": {}}}}));
    let mut spec = wish(json!({"enabled": true, "publishingDestination": destination()}));
    spec["s3"] = json!({"buckets": [{"name": "findings", "create": true, "denyInsecureTransport": true}]});
    account.converges(&spec).await;
    let made = account.sandbox.snapshot();
    assert_eq!(made["guardduty"]["detector"]["destinations"].as_object().unwrap().len(), 1);
    assert!(made["s3"]["buckets"]["findings"]["policy"].as_str().unwrap().contains("HoldfastGuardDutyWriteuseast1"));
}

#[tokio::test]
async fn a_new_detector_is_sent_the_declared_features_only() {
    let account = Account::new(&services(json!({})));
    account.apply(&wish(json!({"features": {"LAMBDA_NETWORK_LOGS": {"enabled": false}}}))).await;
    let sent = account.sent("CreateDetector");
    assert_eq!(sent["enable"], true);
    assert_eq!(sent["features"], json!([{"name": "LAMBDA_NETWORK_LOGS", "status": "DISABLED"}]));
    assert_eq!(sent.get("findingPublishingFrequency"), None);
}

/// Bug 10: a detector that is there is adopted, and its default features are no difference.
#[tokio::test]
async fn a_detector_that_is_there_is_adopted_and_sent_what_differs_only() {
    let account = Account::new(&services(json!({"detector": {"features": {"S3_DATA_EVENTS": {"status": "DISABLED"}}}})));
    let declared = json!({
        "enabled": true,
        "features": {
            "S3_DATA_EVENTS": {"enabled": true},
            "RDS_LOGIN_EVENTS": {"enabled": true},
            "RUNTIME_MONITORING": {"additionalConfiguration": {"EC2_AGENT_MANAGEMENT": {"enabled": true}}},
        },
    });
    let plan = planned(&account, declared.clone()).await;
    let drifts: Vec<&str> = plan.drifts.iter().map(|drift| drift.field.as_str()).collect();
    assert_eq!(drifts, ["features.RUNTIME_MONITORING.EC2_AGENT_MANAGEMENT", "features.S3_DATA_EVENTS"]);
    account.sandbox.forget_records();
    account.apply(&wish(declared.clone())).await;
    assert_eq!(account.writes(), ["UpdateDetector"]);
    let runtime = json!({"name": "RUNTIME_MONITORING", "additionalConfiguration": [{"name": "EC2_AGENT_MANAGEMENT", "status": "ENABLED"}]});
    assert_eq!(account.sent("UpdateDetector"), json!({"features": [runtime, {"name": "S3_DATA_EVENTS", "status": "ENABLED"}]}));
    account.converges(&wish(declared)).await;
    let account = Account::new(&services(json!({"detector": {}})));
    assert_eq!(planned(&account, json!({"enabled": true})).await.status, Status::InSync);
}

#[tokio::test]
async fn no_detector_is_what_a_suspended_one_asks_for() {
    let account = Account::new(&services(json!({})));
    assert_eq!(planned(&account, json!({"enabled": false})).await.status, Status::InSync);
}

#[tokio::test]
async fn a_member_account_reads_and_keeps_its_own_tags() {
    let guardduty = json!({"administrator": "999988887777", "detector": {"features": {"S3_DATA_EVENTS": {"status": "DISABLED"}}}});
    let account = Account::new(&services(guardduty));
    let declared = json!({
        "findingPublishingFrequency": "ONE_HOUR",
        "features": {"S3_DATA_EVENTS": {"enabled": true}, "RDS_LOGIN_EVENTS": {"enabled": true}},
        "tags": {"team": "audit"},
    });
    let (plan, outcomes) = account.apply(&wish(declared.clone())).await;
    let block = &plan.resources[0].blocks[0];
    assert_eq!((block.reason, plan.resources[0].blocks.len()), (Reason::ManagedAbove, 1));
    assert!(block.message.contains("999988887777"));
    assert_eq!(block.fields, ["findingPublishingFrequency", "features.S3_DATA_EVENTS"]);
    assert!(matches!(outcomes.resources[0].end, End::Partly { .. }), "{outcomes:?}");
    assert_eq!(account.writes(), ["TagResource"]);
}

#[tokio::test]
async fn the_administrator_is_asked_for_only_when_something_differs() {
    let account = Account::new(&services(json!({"detector": {}})));
    planned(&account, json!({"enabled": true, "features": {"S3_DATA_EVENTS": {"enabled": true}}})).await;
    let asked: BTreeSet<String> = ["GetCallerIdentity", "ListDetectors", "GetDetector"].map(str::to_owned).into_iter().collect();
    assert_eq!(account.operations(), asked, "nothing undeclared is read");
    planned(&account, json!({"enabled": true, "tags": {"team": "audit"}})).await;
    assert_eq!(account.operations(), asked, "tags are the account's own");
    planned(&account, json!({"features": {"S3_DATA_EVENTS": {"enabled": false}}})).await;
    assert!(account.operations().contains("GetAdministratorAccount"));
}

#[tokio::test]
async fn a_destination_is_updated_when_it_differs_and_never_otherwise() {
    let present = json!({"d1": {"destinationArn": "arn:aws:s3:::findings/audit/", "kmsKeyArn": KEY}});
    let account = Account::new(&services(json!({"detector": {"destinations": present}})));
    for bucket in ["findings", "arn:aws:s3:::findings"] {
        let declared = json!({"publishingDestination": {"bucket": bucket, "prefix": "audit", "kmsKeyArn": KEY}});
        assert_eq!(planned(&account, declared).await.status, Status::InSync, "{bucket}");
    }
    let other = KEY.replace("k1", "k2");
    let declared = json!({"publishingDestination": {"bucket": "findings", "kmsKeyArn": other}});
    account.sandbox.forget_records();
    account.apply(&wish(declared.clone())).await;
    assert_eq!(account.sent("UpdatePublishingDestination"), json!({"destinationProperties": {"kmsKeyArn": other}}));
    account.converges(&wish(declared)).await;
    assert_eq!(account.sandbox.snapshot()["guardduty"]["detector"]["destinations"]["d1"]["destinationArn"], "arn:aws:s3:::findings/audit/");
}

#[tokio::test]
async fn a_destination_that_cannot_be_published_to_is_not_in_sync() {
    let failing = json!({"d1": {
        "destinationArn": "arn:aws:s3:::findings/audit", "kmsKeyArn": KEY, "status": "UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY"
    }});
    let account = Account::new(&services(json!({"detector": {"destinations": failing}})));
    let declared = json!({"publishingDestination": destination()});
    let plan = planned(&account, declared.clone()).await;
    assert_eq!(plan.drifts.len(), 1);
    assert_eq!(plan.drifts[0].field, "publishingDestination.publishing");
    account.converges(&wish(declared)).await;
}

#[tokio::test]
async fn a_destination_cannot_be_made_of_half_a_wish() {
    let account = Account::new(&services(json!({"detector": {}})));
    let plan = planned(&account, json!({"publishingDestination": {"bucket": "findings"}})).await;
    assert_eq!((plan.blocks[0].reason, plan.steps.len()), (Reason::InvalidWish, 0));
}

/// Bug 12: what may not be read is neither compliant nor absent.
#[tokio::test]
async fn a_detector_that_may_not_be_read_is_not_made_again() {
    for denied in ["ListDetectors", "GetDetector", "ListPublishingDestinations", "GetAdministratorAccount"] {
        let account = Account::with(&services(json!({"detector": {"status": "DISABLED"}})), &format!("denied@{denied}"));
        let (plan, _) = account.apply(&wish(json!({"enabled": true, "publishingDestination": destination()}))).await;
        let resource = plan.resources.iter().find(|one| one.key.kind == "guardduty.detector").unwrap();
        match denied {
            "GetAdministratorAccount" => assert_eq!(resource.blocks[0].reason, Reason::Unreadable, "{resource:?}"),
            _ => assert_eq!(resource.status, Status::Unreadable, "{denied}"),
        }
        assert!(account.writes().is_empty(), "{denied}: {:?}", account.writes());
    }
}

/// Bug 8: the answer to a create is lost, or the run ends there.
#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_one_detector_and_one_destination() {
    let wish = wish(json!({"enabled": true, "publishingDestination": destination()}));
    let undisturbed = Account::new(&services(json!({})));
    undisturbed.apply(&wish).await;
    for call in one_in(4, (1..=undisturbed.sandbox.calls()).collect()) {
        for fault in ["cut-before", "cut-after"] {
            let account = Account::with(&services(json!({})), &format!("{fault}@{call}"));
            account.apply(&wish).await;
            assert!(account.sandbox.calls() >= call, "{fault}@{call} met nothing");
            account.converges(&wish).await;
            let state = account.sandbox.snapshot()["guardduty"].clone();
            assert_eq!(state["detectorsMade"], 1, "{fault}@{call}");
            assert_eq!(state["detector"]["destinationsMade"], 1, "{fault}@{call}");
        }
    }
}

#[test]
fn the_policy_lets_in_the_detectors_of_this_region_only() {
    let wish = spec(json!({"publishingDestination": {"bucket": "arn:aws:s3:::findings", "prefix": "audit"}}));
    let parts = Detector::contributes(&wish, "us-east-1", &scope());
    assert_eq!(parts[0].to, Key::new("s3.bucketPolicies", "findings"));
    assert_eq!(parts[0].value["bucket"], "findings");
    let statements = parts[0].value["statements"].as_array().unwrap();
    let sids: Vec<&str> = statements.iter().map(|one| one["sid"].as_str().unwrap()).collect();
    assert_eq!(sids, ["HoldfastGuardDutyGetLocationuseast1", "HoldfastGuardDutyWriteuseast1Xb81f37a043a6"]);
    assert_eq!(statements[1]["statement"]["Resource"], "arn:aws:s3:::findings/audit/*");
    let condition = &statements[1]["statement"]["Condition"];
    assert_eq!(condition["StringEquals"]["aws:SourceAccount"], ACCOUNT);
    assert_eq!(condition["ArnLike"]["aws:SourceArn"], "arn:aws:guardduty:us-east-1:317805897534:detector/*");
    assert_eq!(Detector::needs(&wish, "us-east-1", &scope(), &Detector::contributes(&wish, "us-east-1", &scope())).len(), 2);
    assert!(Detector::contributes(&DetectorSpec::default(), "us-east-1", &scope()).is_empty());
}

/// The statement for the prefix that is in use stays until the destination has moved, whatever becomes of the move.
#[tokio::test]
async fn a_prefix_that_is_not_moved_to_takes_nothing_from_the_one_in_use() {
    let account = Account::new(&services(json!({})));
    account.converges(&wish(json!({"publishingDestination": destination()}))).await;
    let moved = json!({"publishingDestination": {"bucket": "findings", "prefix": "other", "kmsKeyArn": KEY}});
    for (declared, held) in [(moved, true), (json!({"publishingDestination": {"bucket": "findings", "kmsKeyArn": KEY}}), false)] {
        let (plan, _) = account.apply_without_consent(&wish(declared.clone())).await;
        let resource = |kind: &str| plan.resources.iter().find(|one| one.key.kind == kind).unwrap();
        let detector = resource("guardduty.detector");
        assert_eq!(detector.steps.iter().any(|step| step.held.is_some()), held, "{detector:#?}");
        assert!(resource("s3.bucketPolicies").changes(), "another statement is put in beside the present one");
        let still = planned(&account, json!({"publishingDestination": destination()})).await;
        assert_eq!(still.status, Status::InSync, "{declared}: {still:#?}");
    }
}

/// The policy of a bucket that nobody declares is left alone, and GuardDuty would refuse a prefix that it does not let it write below.
#[tokio::test]
async fn a_prefix_is_changed_only_where_its_bucket_is_declared() {
    let account = Account::new(&services(json!({})));
    account.converges(&wish(json!({"publishingDestination": destination()}))).await;
    account.sandbox.forget_records();
    let other = KEY.replace("k1", "k2");
    let (plan, _) = account.apply(&wish(json!({"publishingDestination": {"prefix": "two", "kmsKeyArn": other}}))).await;
    let block = &plan.resources[0].blocks[0];
    assert_eq!((block.reason, plan.resources[0].blocks.len()), (Reason::Conflict, 1), "{plan:#?}");
    assert_eq!(block.fields, ["publishingDestination.prefix"]);
    assert_eq!(block.what_to_do, "declare publishingDestination.bucket too: findings");
    assert_eq!(
        account.sent("UpdatePublishingDestination"),
        json!({"destinationProperties": {"kmsKeyArn": other}}),
        "the key is no part of it"
    );
    account.converges(&wish(json!({"publishingDestination": {"bucket": "findings", "prefix": "two"}}))).await;
}

#[tokio::test]
async fn nothing_is_asked_of_a_bucket_for_a_detector_that_is_managed_above() {
    let mut services = services(json!({"administrator": "111122223333", "detector": {}}));
    services["s3"]["buckets"]["findings"] = json!({});
    let account = Account::new(&services);
    let (plan, _) = account.apply(&wish(json!({"publishingDestination": destination(), "tags": {"team": "audit"}}))).await;
    assert_eq!(plan.resources.len(), 1, "{plan:#?}");
    assert_eq!(plan.resources[0].blocks[0].reason, Reason::ManagedAbove);
    assert_eq!(account.writes(), ["TagResource"]);
}

#[test]
fn both_forms_of_runtime_monitoring_are_refused() {
    let problems = |value: Value| spec(value).problems().into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>();
    let both = json!({"features": {"RUNTIME_MONITORING": {"enabled": true}, "EKS_RUNTIME_MONITORING": {"enabled": false}}});
    assert_eq!(problems(both), ["features.EKS_RUNTIME_MONITORING"]);
    assert!(problems(json!({"features": {"EKS_RUNTIME_MONITORING": {"enabled": true}}})).is_empty());
    assert_eq!(problems(json!({"tags": {"": "x"}})), ["tags[\"\"]"]);
    assert_eq!(problems(json!({"tags": {"cost centre": "x"}})), ["tags[\"cost centre\"]"]);
    assert!(problems(json!({"tags": {"cost-centre/1=2_a:b.c+d": "x"}})).is_empty());
}

fn planning(seen: &DetectorSeen, drifts: &[Drift]) -> Steps<DetectorOp> {
    let peers = crate::kinds::KindPeers::default();
    Detector::steps(&Planning { scope: &scope(), id: "us-east-1", spec: &DetectorSpec::default(), seen, drifts, peers: &peers })
}

fn drift(field: &str, found: Value, declared: Value, impact: Impact) -> Drift {
    Drift { field: field.to_owned(), found, declared, impact }
}

fn seen(detector: SeenDetector) -> DetectorSeen {
    DetectorSeen { detector: Fact::Present(detector), administrator: Fact::Absent, ..DetectorSeen::default() }
}

#[test]
fn turning_off_waits_for_consent_and_turning_on_does_not() {
    let drifts = [
        drift("enabled", json!(true), json!(false), Impact::Disruptive),
        drift("features.S3_DATA_EVENTS", json!(false), json!(true), Impact::Online),
    ];
    let steps = planning(&seen(SeenDetector::default()), &drifts).steps;
    let shown: Vec<(Impact, &[String])> = steps.iter().map(|step| (step.impact, step.fields.as_slice())).collect();
    assert_eq!(shown, [(Impact::Online, &["features.S3_DATA_EVENTS".to_owned()][..]), (Impact::Disruptive, &["enabled".to_owned()][..])]);
    assert!(!steps[1].takes.is_empty());
}

#[test]
fn features_that_others_decide_are_blocked_alone() {
    let feature = |enabled, managed| SeenFeature { enabled, managed };
    let features = [("S3_DATA_EVENTS", feature(false, true)), ("RUNTIME_MONITORING", feature(true, false))];
    let features = features.into_iter().map(|(name, feature)| (name.to_owned(), feature)).collect();
    let drifts = ["S3_DATA_EVENTS", "EKS_RUNTIME_MONITORING", "EKS_AUDIT_LOGS"]
        .map(|name| drift(&format!("features.{name}"), json!(false), json!(true), Impact::Online));
    let steps = planning(&seen(SeenDetector { features, ..SeenDetector::default() }), &drifts);
    let reasons: Vec<(Reason, &str)> = steps.blocks.iter().map(|block| (block.reason, block.fields[0].as_str())).collect();
    assert_eq!(reasons, [(Reason::ManagedAbove, "features.S3_DATA_EVENTS"), (Reason::Conflict, "features.EKS_RUNTIME_MONITORING")]);
    assert_eq!(steps.steps.len(), 1);
    assert_eq!(steps.steps[0].fields, ["features.EKS_AUDIT_LOGS"]);
}

#[test]
fn a_step_is_done_when_it_is_seen_to_be() {
    let place = || op::Place { arn: Some("arn:aws:s3:::findings/audit".to_owned()), kms_key_arn: Some(KEY.to_owned()) };
    let create = DetectorOp::CreateDestination { detector: Some("d".to_owned()), place: place(), tags: Default::default() };
    // The new detector's: only on the one that was made, not on one that an administrator switched on meanwhile.
    let tags = std::collections::BTreeMap::from([("holdfast.dev/object".to_owned(), "test".to_owned())]);
    let new = DetectorOp::CreateDestination { detector: None, place: place(), tags: tags.clone() };
    let made = |tags| DetectorSeen {
        detector: Fact::Present(SeenDetector { tags, ..SeenDetector::default() }),
        destination: Fact::Absent,
        ..DetectorSeen::default()
    };
    assert_eq!(new.check(&made(tags)), Progress::Pending);
    assert!(matches!(new.check(&made(Default::default())), Progress::Stale(_)));
    let (detector, destination) = ("d".to_owned(), "1".to_owned());
    let with = |status: &str| DetectorSeen {
        destination: Fact::Present(SeenDestination {
            id: "1".to_owned(),
            bucket: "findings".to_owned(),
            prefix: "audit".to_owned(),
            kms_key_arn: Some(KEY.to_owned()),
            status: status.to_owned(),
        }),
        ..DetectorSeen::default()
    };
    let from = with("").destination.present().unwrap().basis();
    let verify = DetectorOp::VerifyDestination { detector, destination, place: place(), from };
    let mut moved = with("UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY");
    if let Fact::Present(found) = &mut moved.destination {
        found.bucket = "elsewhere".to_owned();
    }
    assert!(matches!(Detector::check(&verify, &moved), Progress::Stale(_)), "it would be moved back");
    assert!(matches!(Detector::check(&create, &moved), Progress::Stale(_)));
    assert_eq!(Detector::check(&create, &with("PUBLISHING")), Progress::Done);
    assert_eq!(Detector::check(&create, &with("STOPPED")), Progress::Done);
    assert!(matches!(Detector::check(&create, &with("PENDING_VERIFICATION")), Progress::Running(_)));
    assert!(matches!(Detector::check(&create, &with("UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY")), Progress::Failed(_)));
    assert!(matches!(Detector::check(&create, &with("SOMETHING_NEW")), Progress::Unknown(_)));
    let absent = DetectorSeen { destination: Fact::Absent, ..DetectorSeen::default() };
    assert_eq!(Detector::check(&create, &absent), Progress::Pending);
    assert_eq!(Detector::check(&verify, &with("UNABLE_TO_PUBLISH_FIX_DESTINATION_PROPERTY")), Progress::Pending);
    assert_eq!(Detector::check(&verify, &with("PUBLISHING")), Progress::Done);
    let why = Unreadable { call: "c".to_owned(), why: Why::Failed, message: String::new() };
    let unknown = DetectorSeen { destination: Fact::Unknown(why.clone()), ..DetectorSeen::default() };
    assert_eq!(Detector::check(&create, &unknown), Progress::Unknown(why));
    let settings = Settings { enabled: Some(true), features: [("S3_DATA_EVENTS".to_owned(), true)].into(), ..Settings::default() };
    let update = DetectorOp::Update { detector: "d".to_owned(), settings };
    let on = SeenFeature { enabled: true, managed: false };
    let found = |enabled, features: &[(&str, SeenFeature)]| {
        let features = features.iter().map(|(name, feature)| ((*name).to_owned(), *feature)).collect();
        seen(SeenDetector { enabled, features, ..SeenDetector::default() })
    };
    assert_eq!(Detector::check(&update, &found(true, &[("S3_DATA_EVENTS", on)])), Progress::Done);
    assert_eq!(Detector::check(&update, &found(false, &[("S3_DATA_EVENTS", on)])), Progress::Pending);
    assert_eq!(Detector::check(&update, &found(true, &[])), Progress::Pending);
    let written = serde_json::to_value(&create).unwrap();
    assert_eq!(serde_json::from_value::<DetectorOp>(written).unwrap(), create, "an operation survives the journal");
}

#[test]
fn the_policy_of_another_accounts_bucket_is_left_to_that_account() {
    let asked = |account: Value| {
        let spec = json!({"publishingDestination": {"bucket": "theirs-findings", "kmsKeyArn": KEY, "bucketAccount": account}});
        let spec: DetectorSpec = serde_json::from_value(spec).unwrap();
        let parts = Detector::contributes(&spec, "d", &scope());
        (parts.len(), Detector::needs(&spec, "d", &scope(), &parts).len())
    };
    assert_eq!(asked(Value::Null), (1, 2));
    assert_eq!(asked(json!("111111111111")), (0, 0));
}

#[test]
fn the_example_is_right() {
    let loaded = crate::load::load_text("guardduty.detector.yaml", include_str!("../../../examples/kinds/guardduty.detector.yaml"));
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert!(loaded.baselines[0].entries.iter().any(|entry| entry.kind.path().starts_with("guardduty.")));
}
