//! Secrets Manager, in the wire form of awsJson 1.1.

use super::*;
use crate::sandbox::Sandbox;
use crate::sandbox::testing::{ask_json, json as request, sandbox};

async fn ask(sandbox: &Sandbox, operation: &str, body: Value) -> (u16, Value) {
    ask_json(sandbox, request("secretsmanager", &format!("secretsmanager.{operation}"), &body)).await
}

const TOKEN: &str = "11111111-1111-4111-8111-111111111111";

#[tokio::test]
async fn a_secret_is_read_back_by_name_and_by_arn() {
    let sandbox = sandbox(World::default(), "");
    let (status, made) = ask(&sandbox, "CreateSecret", json!({"Name": "app/redis-auth", "SecretString": "one"})).await;
    assert_eq!(status, 200, "{made}");
    let arn = made["ARN"].as_str().unwrap().to_owned();
    let partial = arn.rsplit_once('-').unwrap().0.to_owned();
    for id in ["app/redis-auth".to_owned(), arn, partial] {
        let (_, read) = ask(&sandbox, "GetSecretValue", json!({"SecretId": id})).await;
        assert_eq!((read["SecretString"].as_str(), &read["VersionStages"]), (Some("one"), &json!(["AWSCURRENT"])), "{id}");
    }
}

#[tokio::test]
async fn a_new_value_makes_the_old_one_previous() {
    let sandbox = Sandbox::from_yaml(
        "account: '000000000000'\nsecretsmanager: {secrets: {redis: {secretString: one, arnSuffix: AbCdEf}}}",
        crate::sandbox::Options::default(),
    )
    .unwrap();
    let (status, put) =
        ask(&sandbox, "PutSecretValue", json!({"SecretId": "redis", "SecretString": "two", "ClientRequestToken": TOKEN})).await;
    assert_eq!((status, put["VersionId"].as_str()), (200, Some(TOKEN)), "{put}");
    assert!(put["ARN"].as_str().unwrap().ends_with(":secret:redis-AbCdEf"));
    for (stage, value) in [("AWSCURRENT", "two"), ("AWSPREVIOUS", "one")] {
        let (_, read) = ask(&sandbox, "GetSecretValue", json!({"SecretId": "redis", "VersionStage": stage})).await;
        assert_eq!(read["SecretString"], value);
    }
    // Once more, as after a lost answer; then another value under the same token.
    let again = json!({"SecretId": "redis", "SecretString": "two", "ClientRequestToken": TOKEN});
    assert_eq!(ask(&sandbox, "PutSecretValue", again).await.0, 200);
    assert_eq!(sandbox.world().secretsmanager.secrets["redis"].versions.len(), 2);
    let other = json!({"SecretId": "redis", "SecretString": "three", "ClientRequestToken": TOKEN});
    assert_eq!(ask(&sandbox, "PutSecretValue", other).await.1["__type"], "ResourceExistsException");
    let (_, described) = ask(&sandbox, "DescribeSecret", json!({"SecretId": "redis"})).await;
    assert_eq!(described["VersionIdsToStages"][TOKEN], json!(["AWSCURRENT"]));
}

#[tokio::test]
async fn what_is_wrong_has_the_code_that_the_service_gives() {
    let mut world = World::default();
    world.kms.add("1234", "Disabled");
    let current = Version { secret_string: Some(Text("one".to_owned())), stages: vec![CURRENT.to_owned()], ..Version::default() };
    let versions = BTreeMap::from([(TOKEN.to_owned(), current)]);
    let locked = Secret { kms_key_id: Some("1234".to_owned()), versions: versions.clone(), ..Secret::default() };
    let deleted = Secret { deleted: Some(Timestamp::UNIX_EPOCH), versions, ..Secret::default() };
    world.secretsmanager.secrets =
        BTreeMap::from([("locked".to_owned(), locked), ("deleted".to_owned(), deleted), ("empty".to_owned(), Secret::default())]);
    let sandbox = sandbox(world.clone(), "");
    for (operation, body, code) in [
        ("GetSecretValue", json!({"SecretId": "nothing"}), "ResourceNotFoundException"),
        ("GetSecretValue", json!({"SecretId": "empty"}), "ResourceNotFoundException"),
        (
            "GetSecretValue",
            json!({"SecretId": "arn:aws:secretsmanager:us-east-1:000000000000:secret:empty-zzzzzz"}),
            "ResourceNotFoundException",
        ),
        ("GetSecretValue", json!({"SecretId": "deleted"}), "InvalidRequestException"),
        ("GetSecretValue", json!({"SecretId": "locked"}), "DecryptionFailure"),
        ("GetSecretValue", json!({}), "InvalidParameterException"),
        ("PutSecretValue", json!({"SecretId": "locked", "SecretString": "x"}), "EncryptionFailure"),
        ("PutSecretValue", json!({"SecretId": "empty"}), "InvalidParameterException"),
        ("PutSecretValue", json!({"SecretId": "empty", "SecretString": "x", "ClientRequestToken": "short"}), "InvalidParameterException"),
        ("CreateSecret", json!({"Name": "empty", "SecretString": "x"}), "ResourceExistsException"),
        ("CreateSecret", json!({"Name": "deleted", "SecretString": "x"}), "InvalidRequestException"),
        ("CreateSecret", json!({"Name": "a b"}), "ValidationException"),
        ("CreateSecret", json!({"Name": "x", "SecretString": "x", "SecretBinary": "eA=="}), "InvalidParameterException"),
        ("CreateSecret", json!({"Name": "x", "KmsKeyId": "alias/nothing"}), "EncryptionFailure"),
        ("DeleteSecret", json!({"SecretId": "empty"}), "NotImplemented"),
    ] {
        let (_, answer) = ask(&sandbox, operation, body.clone()).await;
        assert_eq!(answer["__type"], code, "{operation} {body}");
    }
    assert_eq!(sandbox.world().secretsmanager, world.secretsmanager);
}

#[tokio::test]
async fn secrets_are_listed_in_pages_without_their_values() {
    let mut world = World { page_size: 2, ..World::default() };
    for name in ["a", "b", "c"] {
        let secret = Secret { secret_string: Some(Text("canary".to_owned())), ..Secret::default() };
        world.secretsmanager.secrets.insert(name.to_owned(), secret);
    }
    let sandbox = sandbox(world, "");
    let (_, first) = ask(&sandbox, "ListSecrets", json!({})).await;
    assert_eq!(first["SecretList"].as_array().unwrap().len(), 2);
    let (_, second) = ask(&sandbox, "ListSecrets", json!({"NextToken": first["NextToken"]})).await;
    assert_eq!((second["SecretList"][0]["Name"].as_str(), second.get("NextToken")), (Some("c"), None));
    assert!(!format!("{first}{second}").contains("canary"));
    let shown = sandbox.snapshot().to_string();
    assert!(!shown.contains("canary") && shown.contains(&ids::sha256("canary")));
    assert!(!format!("{:?}", sandbox.world()).contains("canary"));
}
