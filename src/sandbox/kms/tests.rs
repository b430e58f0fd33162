//! KMS, in the wire form of awsJson 1.1.

use super::*;
use crate::sandbox::Sandbox;
use crate::sandbox::testing::{ask_json, json as request, sandbox};

async fn kms(sandbox: &Sandbox, operation: &str, body: Value) -> (u16, Value) {
    ask_json(sandbox, request("kms", &format!("TrentService.{operation}"), &body)).await
}

#[tokio::test]
async fn a_key_is_found_by_every_name_it_has() {
    let sandbox = sandbox(World::default(), "");
    let (_, made) = kms(&sandbox, "CreateKey", json!({"Description": "redis", "Tags": [{"TagKey": "a", "TagValue": "b"}]})).await;
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    assert_eq!(kms(&sandbox, "CreateAlias", json!({"AliasName": "alias/redis", "TargetKeyId": id})).await.0, 200);
    for name in [
        id.clone(),
        format!("arn:aws:kms:us-east-1:000000000000:key/{id}"),
        "alias/redis".to_owned(),
        "arn:aws:kms:us-east-1:000000000000:alias/redis".to_owned(),
    ] {
        let (status, body) = kms(&sandbox, "DescribeKey", json!({"KeyId": name})).await;
        assert_eq!((status, body["KeyMetadata"]["KeyId"].as_str()), (200, Some(id.as_str())), "{name}: {body}");
        assert_eq!(body["KeyMetadata"]["Description"], "redis");
    }
    let (_, aliases) = kms(&sandbox, "ListAliases", json!({"KeyId": id})).await;
    assert_eq!(aliases["Aliases"][0]["AliasName"], "alias/redis");
    assert_eq!(aliases["Truncated"], false);
    let (_, managed) = kms(&sandbox, "DescribeKey", json!({"KeyId": "alias/aws/rds"})).await;
    assert_eq!(managed["KeyMetadata"]["KeyManager"], "AWS");
    let by_arn = json!({"KeyId": managed["KeyMetadata"]["Arn"]});
    assert_eq!(kms(&sandbox, "DescribeKey", by_arn).await.1, managed);
}

#[tokio::test]
async fn what_is_wrong_has_the_code_that_kms_gives() {
    let mut world = World::default();
    world.kms.add("1234", "Enabled");
    world.kms.aliases.insert("alias/redis".to_owned(), "1234".to_owned());
    let sandbox = sandbox(world.clone(), "");
    for (operation, body, code) in [
        ("DescribeKey", json!({"KeyId": "nothing"}), "NotFoundException"),
        ("DescribeKey", json!({"KeyId": "alias/nothing"}), "NotFoundException"),
        ("DescribeKey", json!({"KeyId": "alias/aws/nothing"}), "NotFoundException"),
        ("DisableKey", json!({"KeyId": "alias/aws/rds"}), "AccessDeniedException"),
        ("DescribeKey", json!({"KeyId": "arn:aws:kms:eu-west-1:000000000000:key/1234"}), "NotFoundException"),
        ("DescribeKey", json!({"KeyId": "arn:aws:s3:::bucket"}), "InvalidArnException"),
        ("DescribeKey", json!({}), "ValidationException"),
        ("CreateAlias", json!({"AliasName": "alias/redis", "TargetKeyId": "1234"}), "AlreadyExistsException"),
        ("CreateAlias", json!({"AliasName": "redis", "TargetKeyId": "1234"}), "InvalidAliasNameException"),
        ("CreateAlias", json!({"AliasName": "alias/aws/x", "TargetKeyId": "1234"}), "NotAuthorizedException"),
        ("CreateAlias", json!({"AliasName": "alias/x", "TargetKeyId": "nothing"}), "NotFoundException"),
        ("CreateKey", json!({"Policy": "{"}), "MalformedPolicyDocumentException"),
        ("DisableKey", json!({"KeyId": "alias/redis"}), "NotFoundException"),
        ("ListKeys", json!({"Marker": "nothing"}), "InvalidMarkerException"),
        ("Encrypt", json!({"KeyId": "1234"}), "NotImplemented"),
    ] {
        let (status, answer) = kms(&sandbox, operation, body).await;
        assert_eq!(answer["__type"], code, "{operation} {status}");
    }
    assert_eq!(sandbox.world().kms, world.kms);
}

#[tokio::test]
async fn a_disabled_key_is_there_and_cannot_be_used() {
    let mut world = World::default();
    world.kms.add("1234", "Enabled");
    let sandbox = sandbox(world, "");
    assert!(sandbox.world().kms.usable("1234", "000000000000", "us-east-1").is_ok());
    assert_eq!(kms(&sandbox, "DisableKey", json!({"KeyId": "1234"})).await.0, 200);
    let (_, body) = kms(&sandbox, "DescribeKey", json!({"KeyId": "1234"})).await;
    assert_eq!((body["KeyMetadata"]["KeyState"].as_str(), body["KeyMetadata"]["Enabled"].as_bool()), (Some("Disabled"), Some(false)));
    assert_eq!(sandbox.world().kms.usable("1234", "000000000000", "us-east-1").unwrap_err().code, "DisabledException");
}

#[tokio::test]
async fn keys_come_in_pages() {
    let mut world = World { page_size: 2, ..World::default() };
    for id in ["a", "b", "c"] {
        world.kms.add(id, "Enabled");
    }
    let sandbox = sandbox(world, "");
    let (_, first) = kms(&sandbox, "ListKeys", json!({})).await;
    assert_eq!((first["Keys"].as_array().unwrap().len(), first["Truncated"].as_bool()), (2, Some(true)));
    let (_, second) = kms(&sandbox, "ListKeys", json!({"Marker": first["NextMarker"]})).await;
    assert_eq!((second["Keys"].as_array().unwrap().len(), second["Truncated"].as_bool()), (1, Some(false)));
}

#[tokio::test]
async fn a_key_policy_is_kept() {
    let mut world = World::default();
    world.kms.add("1234", "Enabled");
    let sandbox = sandbox(world, "");
    let (_, body) = kms(&sandbox, "GetKeyPolicy", json!({"KeyId": "1234"})).await;
    assert!(body["Policy"].as_str().unwrap().contains("arn:aws:iam::000000000000:root"));
    let policy = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    assert_eq!(kms(&sandbox, "PutKeyPolicy", json!({"KeyId": "1234", "PolicyName": "default", "Policy": policy})).await.0, 200);
    assert_eq!(kms(&sandbox, "GetKeyPolicy", json!({"KeyId": "1234"})).await.1["Policy"], policy.as_str());
}
