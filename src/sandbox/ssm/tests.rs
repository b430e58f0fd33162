//! Parameter Store, in the wire form of awsJson 1.1.

use super::*;
use crate::sandbox::Sandbox;
use crate::sandbox::testing::{ask_json, json as request, sandbox};

async fn ask(sandbox: &Sandbox, operation: &str, body: Value) -> (u16, Value) {
    ask_json(sandbox, request("ssm", &format!("AmazonSSM.{operation}"), &body)).await
}

fn seeded() -> Sandbox {
    let text = "{account: '317805897534', pageSize: 2, ssm: {parameters: {/app/url: {type: SecureString, value: one, keyId: alias/app}, plain: {value: a}}},
        kms: {keys: {0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d: {}}, aliases: {alias/app: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d}}}";
    sandbox(serde_yaml::from_str(text).unwrap(), "")
}

#[tokio::test]
async fn a_new_value_is_a_new_version_and_labels_move() {
    let sandbox = seeded();
    let (status, read) = ask(&sandbox, "GetParameter", json!({"Name": "/app/url", "WithDecryption": true})).await;
    assert_eq!((status, &read["Parameter"]["Value"], &read["Parameter"]["Version"]), (200, &json!("one"), &json!(1)), "{read}");
    let (_, sealed) = ask(&sandbox, "GetParameter", json!({"Name": "/app/url"})).await;
    assert_ne!(sealed["Parameter"]["Value"], "one");
    let put = json!({"Name": "/app/url", "Value": "two", "Overwrite": true, "KeyId": "alias/app"});
    assert_eq!(ask(&sandbox, "PutParameter", put).await.1["Version"], 2);
    for version in [1, 2] {
        let (status, labelled) =
            ask(&sandbox, "LabelParameterVersion", json!({"Name": "/app/url", "ParameterVersion": version, "Labels": ["live", "1st"]}))
                .await;
        assert_eq!((status, &labelled["InvalidLabels"]), (200, &json!(["1st"])), "{labelled}");
    }
    let (_, read) = ask(&sandbox, "GetParameter", json!({"Name": "/app/url:live", "WithDecryption": true})).await;
    assert_eq!((&read["Parameter"]["Value"], &read["Parameter"]["Selector"]), (&json!("two"), &json!(":live")));
    let arn = read["Parameter"]["ARN"].as_str().unwrap().to_owned();
    assert_eq!(ask(&sandbox, "GetParameter", json!({"Name": format!("{arn}:1")})).await.1["Parameter"]["Version"], 1);
    let (_, history) = ask(&sandbox, "GetParameterHistory", json!({"Name": "/app/url", "WithDecryption": true})).await;
    let labels: Vec<&Value> = history["Parameters"].as_array().unwrap().iter().map(|one| &one["Labels"]).collect();
    assert_eq!(labels, [&json!([]), &json!(["live"])], "{history}");
    assert_eq!(history["Parameters"][1]["KeyId"], "alias/app");
    let gone =
        ask(&sandbox, "UnlabelParameterVersion", json!({"Name": "/app/url", "ParameterVersion": 2, "Labels": ["live", "x"]})).await.1;
    assert_eq!((&gone["RemovedLabels"], &gone["InvalidLabels"]), (&json!(["live"]), &json!(["x"])));
    let (_, several) = ask(&sandbox, "GetParameters", json!({"Names": ["plain", "none"]})).await;
    assert_eq!((&several["Parameters"][0]["Value"], &several["InvalidParameters"]), (&json!("a"), &json!(["none"])));
    assert!(!sandbox.snapshot().to_string().contains("\"two\""), "a secret is shown");
}

/// A key that an overwriting request does not name is the account's default.
#[tokio::test]
async fn an_overwritten_parameter_keeps_its_type_and_loses_its_key() {
    let sandbox = seeded();
    ask(&sandbox, "PutParameter", json!({"Name": "/app/url", "Value": "two", "Overwrite": true})).await;
    let parameter = &sandbox.world().ssm.parameters["/app/url"];
    assert_eq!((parameter.kind.as_str(), &parameter.key_id), ("SecureString", &None));
}

#[tokio::test]
async fn the_oldest_version_goes_unless_it_has_a_label() {
    let sandbox = seeded();
    let put = json!({"Name": "plain", "Value": "b", "Overwrite": true});
    for _ in 0..VERSIONS {
        assert_eq!(ask(&sandbox, "PutParameter", put.clone()).await.0, 200);
    }
    assert_eq!(sandbox.world().ssm.parameters["plain"].versions.len(), VERSIONS);
    ask(&sandbox, "LabelParameterVersion", json!({"Name": "plain", "ParameterVersion": 2, "Labels": ["kept"]})).await;
    assert_eq!(ask(&sandbox, "PutParameter", put).await.1["__type"], "ParameterMaxVersionLimitExceeded");
    let mut token = Value::Null;
    let mut seen = 0;
    loop {
        let body = if token.is_null() { json!({"Name": "plain"}) } else { json!({"Name": "plain", "NextToken": token}) };
        let (_, page) = ask(&sandbox, "GetParameterHistory", body).await;
        seen += page["Parameters"].as_array().unwrap().len();
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen, VERSIONS);
}

#[tokio::test]
async fn what_is_wrong_has_the_code_that_the_service_gives() {
    let sandbox = seeded();
    for (operation, body, code) in [
        ("GetParameter", json!({"Name": "none"}), "ParameterNotFound"),
        ("GetParameter", json!({"Name": "plain:9"}), "ParameterVersionNotFound"),
        ("PutParameter", json!({"Name": "plain", "Value": "b"}), "ParameterAlreadyExists"),
        ("PutParameter", json!({"Name": "new", "Value": "b"}), "ValidationException"),
        ("PutParameter", json!({"Name": "a/b", "Value": "b", "Type": "String"}), "ValidationException"),
        ("PutParameter", json!({"Name": "new", "Value": "b", "Type": "Text"}), "UnsupportedParameterType"),
        ("PutParameter", json!({"Name": "new", "Value": "b", "Type": "SecureString", "KeyId": "alias/none"}), "InvalidKeyId"),
        ("PutParameter", json!({"Name": "new", "Value": "b".repeat(4097), "Type": "String"}), "ValidationException"),
        ("LabelParameterVersion", json!({"Name": "plain", "ParameterVersion": 7, "Labels": ["a"]}), "ParameterVersionNotFound"),
        ("GetParameterHistory", json!({"Name": "plain", "NextToken": "x"}), "InvalidNextToken"),
        ("DescribeParameters", json!({"ParameterFilters": [{"Key": "Colour", "Values": ["red"]}]}), "InvalidFilterKey"),
        ("DeleteParameter", json!({"Name": "none"}), "ParameterNotFound"),
        ("GetInventory", json!({}), "NotImplemented"),
    ] {
        let (_, refused) = ask(&sandbox, operation, body.clone()).await;
        assert_eq!(refused["__type"], code, "{operation} {body}: {refused}");
    }
    let filtered = json!({"ParameterFilters": [{"Key": "Name", "Option": "BeginsWith", "Values": ["/app"]}]});
    let (_, described) = ask(&sandbox, "DescribeParameters", filtered).await;
    assert_eq!((described["Parameters"].as_array().unwrap().len(), &described["Parameters"][0]["Type"]), (1, &json!("SecureString")));
    assert_eq!(ask(&sandbox, "DeleteParameter", json!({"Name": "plain"})).await.0, 200);
}
