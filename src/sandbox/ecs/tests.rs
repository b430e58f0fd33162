//! ECS, in the wire form of awsJson 1.1.

use super::*;
use crate::sandbox::Sandbox;
use crate::sandbox::testing::{ask_json, json as request, sandbox};

async fn ask(sandbox: &Sandbox, operation: &str, body: Value) -> (u16, Value) {
    ask_json(sandbox, request("ecs", &format!("AmazonEC2ContainerServiceV20141113.{operation}"), &body)).await
}

fn seeded(service: &str) -> Sandbox {
    let text = format!("{{account: '317805897534', ecs: {{clusters: {{main: {{services: {{api: {{desiredCount: 2{service}}}}}}}}}}}}}");
    sandbox(serde_yaml::from_str(&text).unwrap(), "")
}

async fn deployments(sandbox: &Sandbox) -> Vec<(String, String, String)> {
    let (_, found) = ask(sandbox, "DescribeServices", json!({"cluster": "main", "services": ["api"]})).await;
    let member = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let all = found["services"][0]["deployments"].as_array().unwrap_or_else(|| panic!("{found}"));
    all.iter().map(|one| (member(one, "id"), member(one, "status"), member(one, "rolloutState"))).collect()
}

#[tokio::test]
async fn a_forced_deployment_is_another_one_and_takes_its_time() {
    let sandbox = seeded("");
    let before = deployments(&sandbox).await;
    assert_eq!((before.len(), before[0].1.as_str(), before[0].2.as_str()), (1, "PRIMARY", "COMPLETED"));
    let forced = json!({"cluster": "main", "service": "api", "forceNewDeployment": true});
    let (status, updated) = ask(&sandbox, "UpdateService", forced).await;
    assert_eq!((status, &updated["service"]["deployments"][0]["rolloutState"]), (200, &json!("IN_PROGRESS")), "{updated}");
    let during = deployments(&sandbox).await;
    assert_ne!(during[0].0, before[0].0);
    assert_eq!((during[1].0.as_str(), during[1].1.as_str()), (before[0].0.as_str(), "ACTIVE"));
    sandbox.clock().advance(ROLLOUT);
    let after = deployments(&sandbox).await;
    assert_eq!((after.len(), &after[0].0, after[0].2.as_str()), (1, &during[0].0, "COMPLETED"));
    // A change that needs no deployment makes none.
    ask(&sandbox, "UpdateService", json!({"cluster": "main", "service": "api", "desiredCount": 3})).await;
    assert_eq!(deployments(&sandbox).await, after);
}

#[tokio::test]
async fn a_deployment_that_fails_is_stopped_by_the_circuit_breaker_alone() {
    let forced = json!({"cluster": "main", "service": "api", "forceNewDeployment": true});
    for (breaker, states) in [
        ("", vec!["IN_PROGRESS", "COMPLETED"]),
        (", circuitBreaker: {enable: true}", vec!["FAILED", "COMPLETED"]),
        (", circuitBreaker: {enable: true, rollback: true}", vec!["IN_PROGRESS", "FAILED", "COMPLETED"]),
    ] {
        let sandbox = seeded(&format!(", failDeployments: 1{breaker}"));
        ask(&sandbox, "UpdateService", forced.clone()).await;
        sandbox.clock().advance(BREAKING);
        let found: Vec<String> = deployments(&sandbox).await.into_iter().map(|one| one.2).collect();
        assert_eq!(found, states, "{breaker}");
        sandbox.clock().advance(Duration::from_secs(3600));
        let last = deployments(&sandbox).await;
        let expected = if breaker.contains("rollback") { "COMPLETED" } else { states[0] };
        assert_eq!(last[0].2, expected, "{breaker}");
    }
}

#[tokio::test]
async fn tags_are_shown_where_they_are_asked_for() {
    let sandbox = seeded("");
    let arn = "arn:aws:ecs:us-east-1:317805897534:service/main/api";
    let tag = json!({"resourceArn": arn, "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]});
    assert_eq!(ask(&sandbox, "TagResource", tag).await.0, 200);
    ask(&sandbox, "UntagResource", json!({"resourceArn": arn, "tagKeys": ["b", "c"]})).await;
    let with = json!({"cluster": "main", "services": [arn], "include": ["TAGS"]});
    assert_eq!(ask(&sandbox, "DescribeServices", with).await.1["services"][0]["tags"], json!([{"key": "a", "value": "1"}]));
    let without = json!({"cluster": "main", "services": ["api"]});
    assert!(ask(&sandbox, "DescribeServices", without).await.1["services"][0].get("tags").is_none());
}

#[tokio::test]
async fn what_is_wrong_has_the_code_that_the_service_gives() {
    let sandbox = seeded("");
    for (operation, body, code) in [
        ("DescribeServices", json!({"cluster": "none", "services": ["api"]}), "ClusterNotFoundException"),
        ("DescribeServices", json!({"cluster": "main", "services": []}), "InvalidParameterException"),
        ("UpdateService", json!({"cluster": "main", "service": "none"}), "ServiceNotFoundException"),
        (
            "TagResource",
            json!({"resourceArn": "arn:aws:ecs:us-east-1:317805897534:service/main/none", "tags": []}),
            "ResourceNotFoundException",
        ),
        ("CreateService", json!({}), "NotImplemented"),
    ] {
        let (_, refused) = ask(&sandbox, operation, body.clone()).await;
        assert_eq!(refused["__type"], code, "{operation} {body}: {refused}");
    }
    let (_, missing) = ask(&sandbox, "DescribeServices", json!({"cluster": "main", "services": ["none"]})).await;
    assert_eq!(missing["failures"][0]["reason"], "MISSING");
    for (service, code) in
        [(", status: INACTIVE", "ServiceNotActiveException"), (", deploymentController: CODE_DEPLOY", "InvalidParameterException")]
    {
        let forced = json!({"cluster": "main", "service": "api", "forceNewDeployment": true});
        assert_eq!(ask(&seeded(service), "UpdateService", forced).await.1["__type"], code, "{service}");
    }
}
