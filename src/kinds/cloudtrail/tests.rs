mod delivery;
mod key;
mod policy;
mod recording;
mod regions;
mod room;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::kinds::testing::{ACCOUNT, Account, one_in, policy};
use crate::kinds::{Drift, Impact, Reason, Unreadable, Why, kms};
use crate::plan::{ResourcePlan, Status};

const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:317805897534:trail/audit";
const KEY: &str = "arn:aws:kms:us-east-1:317805897534:key/k1";

fn scope() -> Scope {
    Scope { object: "test".to_owned(), account: ACCOUNT.to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
}

fn spec(value: Value) -> TrailSpec {
    serde_json::from_value(value).unwrap()
}

/// The bucket's policy as holdfast asks for it.
fn statements(trails: &[Value]) -> String {
    let parts: Vec<_> = trails
        .iter()
        .map(|trail| spec(trail.clone()))
        .flat_map(|spec| {
            let id = Trails::id(&spec, &scope());
            Trails::contributes(&spec, &id, &scope())
        })
        .collect();
    policy(&parts)
}

/// An account with the bucket `logs`, a key, and these trails.
fn services(trails: Value) -> Value {
    let here = statements(&[json!({"name": "audit", "bucket": "logs"})]);
    json!({
        "s3": {"buckets": {"logs": {"policy": here}}},
        "kms": {"keys": {"k1": {}}, "aliases": {"alias/audit": "k1"}},
        "cloudtrail": {"trails": trails},
    })
}

fn wish(members: Value) -> Value {
    let mut trail = json!({"name": "audit"});
    trail.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"cloudtrail": {"trails": [trail]}})
}

async fn planned(account: &Account, members: Value) -> ResourcePlan {
    account.resource("cloudtrail.trails", &wish(members)).await
}

fn everything() -> Value {
    json!({
        "bucket": "logs",
        "multiRegion": true,
        "globalEvents": true,
        "logFileValidation": true,
        "kmsKeyId": "alias/audit",
        "cloudWatchLogs": {
            "logGroupArn": "arn:aws:logs:us-east-1:317805897534:log-group:/audit",
            "roleArn": "arn:aws:iam::317805897534:role/audit",
        },
        "logging": true,
        "eventSelectors": [{
            "readWriteType": "All",
            "includeManagementEvents": true,
            "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3:::b/", "arn:aws:s3:::a/"]}],
        }],
        "insights": ["ApiErrorRateInsight", "ApiCallRateInsight"],
        "tags": {"team": "audit"},
    })
}

/// A step that is refused halts its resource: recording must not wait behind it.
#[tokio::test]
async fn what_protects_and_stands_on_nothing_comes_first() {
    let mut services = services(json!({"audit": {"s3BucketName": "logs", "isLogging": false, "kmsKeyId": KEY}}));
    services["kms"]["keys"]["k1"] = json!({"state": "Disabled"});
    let account = Account::new(&services);
    let members = json!({
        "logFileValidation": true, "logging": true, "tags": {"team": "audit"},
        "eventSelectors": [{"readWriteType": "WriteOnly", "includeManagementEvents": true}],
    });
    let plan = planned(&account, members.clone()).await;
    let fields: Vec<&str> = plan.steps.iter().flat_map(|step| &step.fields).map(String::as_str).collect();
    assert_eq!(fields, ["logging", "logFileValidation", "eventSelectors", "tags.team"]);
    // CloudTrail refuses every update of a trail whose key is disabled.
    account.apply(&wish(members)).await;
    let found = account.sandbox.snapshot()["cloudtrail"]["trails"]["audit"].clone();
    assert_eq!((&found["isLogging"], &found["logFileValidationEnabled"]), (&json!(true), &json!(false)));
    // What takes recording away comes last.
    let account = Account::new(&self::services(json!({"audit": {"s3BucketName": "logs", "isLogging": true}})));
    let plan = planned(&account, json!({"logFileValidation": true, "logging": false, "tags": {"team": "audit"}})).await;
    assert_eq!(plan.steps.last().unwrap().fields, ["logging"]);
}

#[tokio::test]
async fn a_missing_trail_is_made_as_declared_and_then_left_alone() {
    let account = Account::new(&services(json!({})));
    let plan = account.converges(&wish(everything())).await;
    let titles: Vec<&str> = plan.resources.iter().flat_map(|one| &one.steps).map(|step| step.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Create the trail audit",
            "Start logging of the trail audit",
            "Set what the trail audit records",
            "Set what Insights looks for in the trail audit"
        ]
    );
    let made = account.sandbox.snapshot()["cloudtrail"]["trails"]["audit"].clone();
    assert_eq!(made["isLogging"], true);
    assert_eq!(made["kmsKeyId"], KEY);
    assert_eq!(made["cloudWatchLogsLogGroupArn"], "arn:aws:logs:us-east-1:317805897534:log-group:/audit:*");
    assert_eq!(made["tags"], json!({"team": "audit", "holdfast.dev/owner": "holdfast", "holdfast.dev/object": "test"}));
    assert_eq!(made["insightSelectors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_trail_that_cannot_be_made_is_missing() {
    let account = Account::new(&services(json!({})));
    let plan = planned(&account, json!({"logging": true})).await;
    assert_eq!((plan.status, plan.blocks[0].reason), (Status::Blocked, Reason::Missing));
}

#[tokio::test]
async fn a_drifted_trail_is_sent_its_changed_fields_only() {
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs", "s3KeyPrefix": null, "isMultiRegionTrail": false}})));
    let members = json!({"bucket": "logs", "keyPrefix": "", "multiRegion": true, "logFileValidation": true, "tags": {"team": "audit"}});
    account.sandbox.forget_records();
    account.apply(&wish(members.clone())).await;
    assert_eq!(account.sent("UpdateTrail"), json!({"Name": TRAIL, "IsMultiRegionTrail": true, "EnableLogFileValidation": true}));
    assert_eq!(account.writes(), ["UpdateTrail", "AddTags"]);
    account.converges(&wish(members)).await;
}

#[tokio::test]
async fn what_is_not_declared_is_not_read() {
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs"}})));
    let plan = planned(&account, json!({"multiRegion": false})).await;
    assert_eq!(plan.status, Status::InSync);
    assert_eq!(account.operations(), ["DescribeTrails", "GetCallerIdentity"].map(str::to_owned).into_iter().collect());
}

#[tokio::test]
async fn weakening_a_trail_needs_consent_and_says_what_is_lost() {
    let trails = json!({"audit": {
        "s3BucketName": "logs", "isMultiRegionTrail": true, "logFileValidationEnabled": true, "isLogging": true
    }});
    let account = Account::new(&services(trails));
    let members = json!({"multiRegion": false, "logFileValidation": false, "kmsKeyId": "alias/audit", "logging": false});
    let plan = planned(&account, members).await;
    let impacts: Vec<(Impact, usize)> = plan.steps.iter().map(|step| (step.impact, step.fields.len())).collect();
    assert_eq!(impacts, [(Impact::Online, 1), (Impact::Disruptive, 2), (Impact::Disruptive, 1)]);
    assert!(plan.steps[1].takes.contains("never be shown to be unchanged"), "{:?}", plan.steps[1]);
    assert!(plan.notes.iter().any(|note| note.contains("chain of digests")));
    assert!(plan.steps[0].held.is_none() && plan.steps[1].held.is_some());
}

/// Bug 12: what may not be read is neither compliant nor absent.
#[tokio::test]
async fn a_trail_that_may_not_be_read_is_not_made_again() {
    for (denied, field) in [("DescribeTrails", ""), ("GetTrailStatus", "logging"), ("ListTags", "tags.team")] {
        let account = Account::with(&services(json!({"audit": {"s3BucketName": "logs"}})), &format!("denied@{denied}"));
        let (plan, _) = account.apply(&wish(json!({"bucket": "logs", "logging": true, "tags": {"team": "audit"}}))).await;
        let trail = plan.resources.iter().find(|one| one.key.kind == "cloudtrail.trails").unwrap();
        assert_eq!(trail.status, Status::Unreadable, "{denied}");
        assert_eq!(trail.unreadable[0].field, field);
        assert!(account.writes().is_empty(), "{denied}: {:?}", account.writes());
    }
}

/// Bug 8: the answer to a create is lost, or the run ends there.
#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_one_trail() {
    let wish = wish(json!({"bucket": "logs", "logging": true, "insights": ["ApiErrorRateInsight"]}));
    let undisturbed = Account::new(&services(json!({})));
    undisturbed.apply(&wish).await;
    for call in one_in(4, (1..=undisturbed.sandbox.calls()).collect()) {
        for fault in ["cut-before", "cut-after"] {
            let account = Account::with(&services(json!({})), &format!("{fault}@{call}"));
            account.apply(&wish).await;
            assert!(account.sandbox.calls() >= call, "{fault}@{call} met nothing");
            account.converges(&wish).await;
            assert_eq!(account.sandbox.snapshot()["cloudtrail"]["trails"].as_object().unwrap().len(), 1);
        }
    }
}

#[test]
fn wishes_that_contradict_themselves_are_said() {
    let problem = |value: Value| spec(value).problems(&scope()).into_iter().map(|problem| problem.path.to_string()).collect::<Vec<_>>();
    let plain = json!([{"readWriteType": "All", "includeManagementEvents": false, "excludeManagementEventSources": ["kms.amazonaws.com"]}]);
    let advanced = json!([{"fieldSelectors": [{"field": "readOnly"}]}]);
    let logs = |region: &str, account: &str| {
        let (group, role) = (format!("arn:aws:logs:{region}:{account}:log-group:g"), format!("arn:aws:iam::{account}:role/r"));
        json!({"logGroupArn": group, "roleArn": role})
    };
    for (value, paths) in [
        (json!({"name": "audit"}), vec![]),
        (json!({"name": "ab"}), vec!["name"]),
        (json!({"name": "a", "trail": "10.0.0.1"}), vec!["trail"]),
        (json!({"name": "a", "trail": "au--dit"}), vec!["trail"]),
        (json!({"name": "audit", "multiRegion": true, "globalEvents": false}), vec!["globalEvents"]),
        (
            json!({"name": "audit", "eventSelectors": plain, "advancedEventSelectors": advanced}),
            vec![
                "advancedEventSelectors",
                "eventSelectors[0].excludeManagementEventSources",
                "advancedEventSelectors[0].fieldSelectors",
                "advancedEventSelectors[0].fieldSelectors",
            ],
        ),
        (json!({"name": "audit", "tags": {"aws:x": "y"}}), vec!["tags[\"aws:x\"]"]),
        (json!({"name": "audit", "cloudWatchLogs": logs("us-east-1", ACCOUNT)}), vec![]),
        (
            json!({"name": "audit", "cloudWatchLogs": logs("us-east-1", "111122223333")}),
            vec!["cloudWatchLogs.logGroupArn", "cloudWatchLogs.roleArn"],
        ),
        (json!({"name": "audit", "cloudWatchLogs": logs("eu-west-1", ACCOUNT)}), vec![]),
        (json!({"name": "audit", "multiRegion": false, "cloudWatchLogs": logs("eu-west-1", ACCOUNT)}), vec!["cloudWatchLogs.logGroupArn"]),
    ] {
        assert_eq!(problem(value.clone()), paths, "{value}");
    }
}

fn planning(seen: &TrailSeen, drifts: &[Drift]) -> Steps<TrailOp> {
    planning_of(json!({"name": "audit"}), seen, drifts)
}

fn planning_of(declared: Value, seen: &TrailSeen, drifts: &[Drift]) -> Steps<TrailOp> {
    let peers = crate::kinds::KindPeers::default();
    Trails::steps(&Planning { scope: &scope(), id: "audit", spec: &spec(declared), seen, drifts, peers: &peers })
}

fn drift(field: &str, found: Value, declared: Value) -> Drift {
    Drift { field: field.to_owned(), found, declared, impact: Impact::Online }
}

fn seen(settings: Settings) -> TrailSeen {
    let trail =
        SeenTrail { arn: TRAIL.to_owned(), home_region: "us-east-1".to_owned(), owner: ACCOUNT.to_owned(), organization: false, settings };
    TrailSeen { trail: Fact::Present(trail), ..TrailSeen::default() }
}

#[test]
fn what_cloudtrail_would_refuse_is_blocked_beforehand() {
    let local = seen(Settings { multi_region: Some(false), global_events: Some(false), ..Settings::default() });
    let steps = planning(&local, &[drift("multiRegion", json!(false), json!(true))]);
    assert_eq!((steps.steps.len(), steps.blocks[0].reason), (0, Reason::Conflict));
    let both = [drift("multiRegion", json!(false), json!(true)), drift("globalEvents", json!(false), json!(true))];
    assert_eq!(planning(&local, &both).steps.len(), 1, "together they are taken");
    let group = [drift("cloudWatchLogs.logGroupArn", Value::Null, json!("arn:aws:logs:us-east-1:317805897534:log-group:g"))];
    assert_eq!(planning(&local, &group).blocks[0].reason, Reason::Conflict, "no role, declared or found");
    let with_role = seen(Settings { role_arn: Some("role".to_owned()), ..Settings::default() });
    let steps = planning(&with_role, &group);
    let TrailOp::Update { settings, .. } = &steps.steps[0].op else { panic!("{steps:?}") };
    assert_eq!(settings.role_arn.as_deref(), Some("role"), "both go together");
    assert_eq!(settings.log_group_arn.as_deref(), Some("arn:aws:logs:us-east-1:317805897534:log-group:g:*"));
    assert_eq!(Trails::check(&steps.steps[0].op, &with_role), Progress::Pending);
    let other_role = seen(Settings { role_arn: Some("other".to_owned()), ..Settings::default() });
    assert!(matches!(Trails::check(&steps.steps[0].op, &other_role), Progress::Stale(_)), "the role would be set back");
}

#[test]
fn a_step_is_done_when_it_is_seen_to_be() {
    let unknown = Unreadable { call: "c".to_owned(), why: Why::Failed, message: String::new() };
    let trail = || TRAIL.to_owned();
    let settings = Settings { key_prefix: Some(String::new()), log_group_arn: Some("g".to_owned()), ..Settings::default() };
    let update = TrailOp::Update { trail: trail(), settings, from: None };
    let present = seen(Settings { log_group_arn: Some("g:*".to_owned()), ..Settings::default() });
    assert_eq!(Trails::check(&update, &present), Progress::Done);
    assert_eq!(Trails::check(&update, &seen(Settings::default())), Progress::Pending);
    let logging = |fact| TrailSeen { logging: fact, ..seen(Settings::default()) };
    let (start, stop) = (TrailOp::StartLogging { trail: trail() }, TrailOp::StopLogging { trail: trail() });
    assert_eq!(Trails::check(&start, &logging(Fact::Present(true))), Progress::Done);
    assert_eq!(Trails::check(&start, &logging(Fact::Present(false))), Progress::Pending);
    assert_eq!(Trails::check(&start, &logging(Fact::Absent)), Progress::Pending, "a stale reading");
    assert_eq!(Trails::check(&stop, &logging(Fact::Present(true))), Progress::Pending);
    assert_eq!(Trails::check(&start, &logging(Fact::Unknown(unknown.clone()))), Progress::Unknown(unknown));
    let untag = TrailOp::Untag { trail: trail(), keys: vec!["a".to_owned()] };
    let tagged = |tags: Value| TrailSeen { tags: Fact::Present(serde_json::from_value(tags).unwrap()), ..TrailSeen::default() };
    assert_eq!(Trails::check(&untag, &tagged(json!({"a": ""}))), Progress::Pending);
    assert_eq!(Trails::check(&untag, &tagged(json!({"b": ""}))), Progress::Done);
    let written = serde_json::to_value(&update).unwrap();
    assert_eq!(serde_json::from_value::<TrailOp>(written).unwrap(), update, "an operation survives the journal");
}

#[test]
fn the_example_is_right() {
    let loaded = crate::load::load_text("cloudtrail.trails.yaml", include_str!("../../../examples/kinds/cloudtrail.trails.yaml"));
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert!(loaded.baselines[0].entries.iter().any(|entry| entry.kind.path().starts_with("cloudtrail.")));
}
