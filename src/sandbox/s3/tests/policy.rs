use serde_json::{Value, json};

use super::{client, code, sandbox};
use crate::sandbox::Sandbox;

async fn put(sandbox: &Sandbox, policy: &Value) -> Result<(), String> {
    let result = client(sandbox).put_bucket_policy().bucket("one").policy(policy.to_string()).send().await;
    if result.is_ok() { Ok(()) } else { Err(code(result)) }
}

fn allow(principal: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::one/*"}
    ]})
}

#[tokio::test]
async fn a_policy_comes_back_in_another_form() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let sent = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "B", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::222222222222:role/b", "111111111111"]},
         "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::one/*"]},
        {"Sid": "A", "Effect": "Deny", "Principal": "*", "Action": ["s3:*"],
         "Resource": ["arn:aws:s3:::one", "arn:aws:s3:::one/*"], "Condition": {"Bool": {"aws:SecureTransport": [false]}}},
    ]});
    put(&sandbox, &sent).await.unwrap();
    let found = client(&sandbox).get_bucket_policy().bucket("one").send().await.unwrap().policy.unwrap();
    let expected = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "B", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:role/b"]},
         "Action": "s3:GetObject", "Resource": "arn:aws:s3:::one/*"},
        {"Sid": "A", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
         "Resource": ["arn:aws:s3:::one", "arn:aws:s3:::one/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ]});
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), expected);
    client(&sandbox).delete_bucket_policy().bucket("one").send().await.unwrap();
    assert_eq!(code(client(&sandbox).get_bucket_policy().bucket("one").send().await), "NoSuchBucketPolicy");
}

#[tokio::test]
async fn what_is_no_policy_is_malformed() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let with = |member: &str, value: Value| {
        let mut policy = allow(json!({"AWS": "111111111111"}));
        policy["Statement"][0][member] = value;
        policy
    };
    let mut twice = with("Sid", json!("A"));
    let statement = twice["Statement"][0].clone();
    twice["Statement"].as_array_mut().unwrap().push(statement);
    let policies = [
        json!([]),
        json!({}),
        json!({"Statement": []}),
        json!({"Version": "2020-01-01", "Statement": allow(json!("*"))["Statement"]}),
        json!({"Statement": allow(json!("*"))["Statement"], "Extra": 1}),
        with("Effect", json!("Maybe")),
        with("Principal", json!({"AWS": "nobody"})),
        with("Principal", json!({"AWS": []})),
        with("Principal", json!("someone")),
        with("NotPrincipal", json!("*")),
        with("Action", json!("ec2:RunInstances")),
        with("Action", json!("s3:ListBucket")),
        with("Resource", json!("arn:aws:s3:::other/*")),
        with("Resource", json!("arn:aws:s3:::one")),
        with("Condition", json!({"Equals": {"aws:SourceIp": "1"}})),
        with("Condition", json!({"Bool": {"nonsense": "1"}})),
        with("Unknown", json!(1)),
        with("Id", json!("x".repeat(30_000))),
        twice,
    ];
    for policy in policies {
        assert_eq!(put(&sandbox, &policy).await, Err("MalformedPolicy".to_owned()), "{policy}");
    }
    for principal in [json!("*"), json!({"Service": "cloudtrail.amazonaws.com"}), json!({"AWS": "arn:aws:iam::111111111111:root"})] {
        put(&sandbox, &allow(principal)).await.unwrap();
    }
}

#[tokio::test]
async fn a_public_policy_is_told_and_can_be_blocked() {
    let sandbox = sandbox("{buckets: {one: {}}}");
    let status = async || {
        let status = client(&sandbox).get_bucket_policy_status().bucket("one").send().await.unwrap();
        status.policy_status.unwrap().is_public.unwrap()
    };
    let mut narrowed = allow(json!({"AWS": "*"}));
    narrowed["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}});
    let mut not_narrowed = allow(json!("*"));
    not_narrowed["Statement"][0]["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}});
    for (policy, public) in [
        (&allow(json!("*")), true),
        (&allow(json!({"AWS": ["*"]})), true),
        (&not_narrowed, true),
        (&narrowed, false),
        (&allow(json!({"AWS": "111111111111"})), false),
    ] {
        sandbox.edit(|world| world.s3.buckets.get_mut("one").unwrap().public_access_block = None);
        put(&sandbox, policy).await.unwrap();
        assert_eq!(status().await, public, "{policy}");
        sandbox
            .edit(|world| world.s3.buckets.get_mut("one").unwrap().public_access_block = Some(crate::sandbox::s3::PublicAccessBlock::ALL));
        // What is there already stays.
        assert_eq!(status().await, public, "{policy}");
        assert_eq!(put(&sandbox, policy).await.is_err(), public, "{policy}");
    }
    sandbox.edit(|world| {
        world.s3.buckets.get_mut("one").unwrap().public_access_block = None;
        world.s3control.public_access_block = Some(crate::sandbox::s3::PublicAccessBlock::ALL);
    });
    assert_eq!(put(&sandbox, &allow(json!("*"))).await, Err("AccessDenied".to_owned()));
}

#[tokio::test]
async fn a_policy_can_lock_its_author_out() {
    let deny = |action: Value, resource: &str| json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource}]});
    let sandbox = sandbox("{buckets: {one: {}}}");
    let s3 = client(&sandbox);
    // On the objects alone, on condition, or to somebody else: not on the caller's policy calls.
    let mut tls = deny(json!("s3:*"), "arn:aws:s3:::one");
    tls["Statement"][0]["Condition"] = json!({"Bool": {"aws:SecureTransport": "false"}});
    let mut other = deny(json!("s3:*"), "arn:aws:s3:::one");
    other["Statement"][0]["Principal"] = json!({"AWS": "111111111111"});
    for policy in [deny(json!("s3:*"), "arn:aws:s3:::one/*"), tls, other] {
        put(&sandbox, &policy).await.unwrap();
        s3.get_bucket_policy().bucket("one").send().await.unwrap();
    }
    put(&sandbox, &deny(json!(["s3:Put*Policy", "s3:deletebucketpolicy"]), "arn:aws:s3:::o?e")).await.unwrap();
    s3.get_bucket_policy().bucket("one").send().await.unwrap();
    assert_eq!(put(&sandbox, &allow(json!("*"))).await, Err("AccessDenied".to_owned()));
    assert_eq!(code(s3.delete_bucket_policy().bucket("one").send().await), "AccessDenied");
    let locked = deny(json!("s3:*"), "*").to_string();
    sandbox.edit(|world| world.s3.buckets.get_mut("one").unwrap().policy = Some(locked));
    assert_eq!(code(s3.get_bucket_policy().bucket("one").send().await), "AccessDenied");
    assert_eq!(code(s3.get_bucket_encryption().bucket("one").send().await), "AccessDenied");
}
