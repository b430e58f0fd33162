//! What a trail records, and what Insights looks for.

use serde_json::json;

use super::*;

#[tokio::test]
async fn changing_the_form_of_selectors_is_more_than_online_where_something_was_selected() {
    let advanced = json!([{"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]}]);
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs"}})));
    let plan = planned(&account, json!({"advancedEventSelectors": advanced})).await;
    assert_eq!(plan.steps[0].impact, Impact::Online, "{plan:?}");
    let custom = json!([{"ReadWriteType": "All", "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]);
    let account = Account::new(&services(json!({"audit": {"s3BucketName": "logs", "eventSelectors": custom}})));
    let plan = planned(&account, json!({"advancedEventSelectors": advanced})).await;
    assert_eq!(plan.steps[0].impact, Impact::Disruptive);
    account.converges(&wish(json!({"advancedEventSelectors": advanced}))).await;
    account.converges(&wish(json!({"eventSelectors": [{"readWriteType": "WriteOnly", "includeManagementEvents": true}]}))).await;
}

/// Bug 1: the same wish in other words is no difference.
#[test]
fn selectors_that_mean_the_same_are_equal() {
    let plain = |value: Value| Events::Plain(serde_json::from_value(value).unwrap());
    let resource = |kind: &str, values: &[&str]| json!({"type": kind, "values": values});
    let selector = |resources: Value, sources: &[&str]| json!({"readWriteType": "All", "includeManagementEvents": true, "dataResources": resources, "excludeManagementEventSources": sources});
    let (s3, lambda) = ("AWS::S3::Object", "AWS::Lambda::Function");
    let one = plain(json!([
        selector(json!([resource(s3, &["b", "a"]), resource(lambda, &["f"])]), &["rds", "kms"]),
        selector(json!([resource(s3, &["arn:aws:s3:::"])]), &[]),
    ]));
    let other = plain(json!([
        selector(json!([resource(s3, &["arn:aws:s3"])]), &[]),
        selector(json!([resource(lambda, &["f"]), resource(s3, &["a"]), resource(s3, &["a", "b"])]), &["kms", "rds"]),
    ]));
    assert!(one.satisfy(&other) && other.satisfy(&one));
    let fewer = plain(json!([selector(json!([resource(s3, &["arn:aws:s3"])]), &[])]));
    assert!(!one.satisfy(&fewer) && !fewer.satisfy(&one));

    let advanced = |value: Value| Events::Advanced(serde_json::from_value(value).unwrap());
    let found = advanced(json!([{"name": "writes", "fieldSelectors": [
        {"field": "readOnly", "equals": ["false"]}, {"field": "eventCategory", "equals": ["Management"]}]}]));
    let unnamed = advanced(json!([{"fieldSelectors": [
        {"field": "eventCategory", "equals": ["Management"]}, {"field": "readOnly", "equals": ["false", "false"]}]}]));
    let renamed = advanced(json!([{"name": "other", "fieldSelectors": [
        {"field": "eventCategory", "equals": ["Management"]}, {"field": "readOnly", "equals": ["false"]}]}]));
    assert!(found.satisfy(&unnamed), "a name that is not declared is not compared");
    assert!(!found.satisfy(&renamed));
    assert!(!found.satisfy(&one));
}

#[test]
fn narrowing_what_is_recorded_is_more_than_online() {
    let all = json!([{"readWriteType": "All", "includeManagementEvents": true}]);
    let writes = json!([{"readWriteType": "WriteOnly", "includeManagementEvents": true}]);
    let both = json!([{"readWriteType": "All", "includeManagementEvents": true}, {"readWriteType": "All", "includeManagementEvents": false,
        "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}]}]);
    for (found, declared, impact) in [
        (&all, &writes, Impact::Disruptive),
        (&writes, &all, Impact::Online),
        (&all, &both, Impact::Online),
        (&both, &all, Impact::Disruptive),
        (&Value::Null, &writes, Impact::Online),
    ] {
        assert_eq!(selectors::plain_impact(found, declared), impact, "{found} -> {declared}");
    }
}

#[test]
fn insights_keep_the_events_that_they_look_at() {
    let kept = op::InsightSetting { insight: "ApiCallRateInsight".to_owned(), categories: vec!["Data".to_owned()] };
    let seen = TrailSeen { insights: Fact::Present(vec![kept.clone()]), ..seen(Settings::default()) };
    let declared = json!(["ApiCallRateInsight", "ApiErrorRateInsight"]);
    let steps = planning(&seen, &[drift("insights", json!(["ApiCallRateInsight"]), declared)]);
    let TrailOp::PutInsights { insights, .. } = &steps.steps[0].op else { panic!("{steps:?}") };
    assert_eq!(insights[0], kept);
    assert_eq!(insights[1].categories, Vec::<String>::new());
    let op = &steps.steps[0].op;
    assert_eq!(Trails::check(op, &seen), Progress::Pending);
    let other =
        TrailSeen { insights: Fact::Present(vec![op::InsightSetting { categories: vec!["Management".to_owned()], ..kept }]), ..seen };
    assert!(matches!(Trails::check(op, &other), Progress::Stale(_)), "its events would be set back");
}

#[test]
fn what_a_trail_records_is_replaced_only_as_it_was_planned() {
    let selector = |kind: ReadWriteType| EventSelector {
        read_write_type: kind,
        include_management_events: true,
        data_resources: Vec::new(),
        exclude_management_event_sources: Vec::new(),
    };
    let recording = |kind| TrailSeen { events: Fact::Present(Events::Plain(vec![selector(kind)])), ..seen(Settings::default()) };
    let found = recording(ReadWriteType::ReadOnly);
    let declared = json!([selector(ReadWriteType::WriteOnly)]);
    let steps = planning(&found, &[drift("eventSelectors", json!([selector(ReadWriteType::ReadOnly)]), declared)]);
    let op = &steps.steps[0].op;
    assert_eq!(Trails::check(op, &found), Progress::Pending);
    assert_eq!(Trails::check(op, &recording(ReadWriteType::WriteOnly)), Progress::Done);
    assert!(matches!(Trails::check(op, &recording(ReadWriteType::All)), Progress::Stale(_)));
}
