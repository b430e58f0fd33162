//! Accounts, generated: nothing to three things of each kind, in any state that the service lets them have.

use serde_json::{Map, Value, json};

use crate::draw::Draw;
use crate::tweaks::{ACCOUNT, BUCKETS, GROUPS, INSTANCES, KEY_IDS, KEYS, LOG_BUCKETS, TOPICS, TRAILS, key_arn};

/// The account as the sandbox reads it.
pub fn world(draw: &mut Draw) -> Value {
    let mut world = json!({
        "account": ACCOUNT,
        "region": "us-east-1",
        "pageSize": draw.pick(&[6, 100, 100]),
        "kms": {
            "keys": {KEY_IDS[0]: {}, KEY_IDS[1]: {}},
            "aliases": {"alias/data": KEY_IDS[0], "alias/cache": KEY_IDS[1]},
        },
        "secretsmanager": {"secrets": {"cache-auth": {"arnSuffix": "a1B2c3", "secretString": "{\"token\": \"generated-not-a-real-token-1\"}"}}},
        "sns": {"topics": TOPICS.iter().map(|topic| ((*topic).to_owned(), json!({}))).collect::<Map<_, _>>()},
        "s3": {"buckets": {}},
        "s3control": {},
        "rds": {"instances": {}, "parameterGroups": parameter_groups(draw)},
        "elasticache": {"replicationGroups": {}},
        "cloudtrail": {"trails": {}},
        "guardduty": {},
    });
    for name in draw.some(BUCKETS, 70).into_iter().chain(LOG_BUCKETS) {
        world["s3"]["buckets"][*name] = bucket(name, draw);
    }
    if draw.chance(60) {
        world["s3control"]["publicAccessBlock"] = flags(draw);
    }
    for name in draw.some(INSTANCES, 75) {
        world["rds"]["instances"][*name] = instance(draw);
    }
    world["elasticache"]["subnetGroups"] = json!({"private": {
        "description": "private", "vpcId": "vpc-0a1b2c3d4e5f60718", "subnets": ["subnet-0a1b2c3d4e5f60711", "subnet-0a1b2c3d4e5f60712"],
    }});
    world["elasticache"]["parameterGroups"] = json!({"cache-parameters": {
        "family": "redis7", "description": "ours", "parameters": if draw.flag() { json!({"timeout": "60"}) } else { json!({}) },
    }});
    for name in draw.some(GROUPS, 70) {
        world["elasticache"]["replicationGroups"][*name] = group(draw);
    }
    for name in draw.some(TRAILS, 60) {
        world["cloudtrail"]["trails"][*name] = trail(draw);
    }
    if draw.chance(60) {
        world["guardduty"]["detector"] = detector(draw);
    }
    let deliver = deliveries(&world);
    for name in LOG_BUCKETS {
        // S3 delivers no access log to a bucket that is encrypted by KMS.
        if let Some(bucket) = world["s3"]["buckets"][*name].as_object_mut() {
            bucket.remove("encryption");
        }
        let policy = &mut world["s3"]["buckets"][*name]["policy"];
        let mut written: Value =
            policy.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({"Version": "2012-10-17"}));
        let statements: Vec<Value> = written["Statement"].as_array().into_iter().flatten().chain(deliver(name).iter()).cloned().collect();
        if !statements.is_empty() {
            written["Statement"] = Value::Array(statements);
            *policy = json!(written.to_string());
        }
    }
    world
}

/// What the trails and destinations that are there need in the policy of their bucket: without it nobody could have made them.
fn deliveries(world: &Value) -> impl Fn(&str) -> Vec<Value> + use<> {
    let trails = world["cloudtrail"]["trails"].as_object().is_some_and(|trails| !trails.is_empty());
    let detector = world["guardduty"]["detector"]["destinations"].is_object();
    move |bucket| {
        let arn = format!("arn:aws:s3:::{bucket}");
        let allow = |sid: &str, service: &str, action: &str, resource: String| json!({"Sid": sid, "Effect": "Allow", "Principal": {"Service": format!("{service}.amazonaws.com")}, "Action": action, "Resource": resource});
        let mut statements = Vec::new();
        if trails {
            statements.push(allow("TrailLooks", "cloudtrail", "s3:GetBucketAcl", arn.clone()));
            statements.push(allow("TrailWrites", "cloudtrail", "s3:PutObject", format!("{arn}/*")));
        }
        if detector {
            statements.push(allow("FindingsLook", "guardduty", "s3:GetBucketLocation", arn.clone()));
            statements.push(allow("FindingsWritten", "guardduty", "s3:PutObject", format!("{arn}/*")));
        }
        statements
    }
}

/// Puts a member there, or leaves it out.
fn maybe(into: &mut Value, member: &str, percent: u32, draw: &mut Draw, value: impl FnOnce(&mut Draw) -> Value) {
    if draw.chance(percent) {
        into[member] = value(draw);
    }
}

fn flags(draw: &mut Draw) -> Value {
    json!({
        "blockPublicAcls": draw.flag(), "ignorePublicAcls": draw.flag(), "blockPublicPolicy": draw.flag(), "restrictPublicBuckets": draw.flag(),
    })
}

fn tags(draw: &mut Draw) -> Value {
    let keys: Vec<&str> = [KEYS, &["owner", "aws-like"]].concat();
    Value::Object(draw.some(&keys, 35).into_iter().map(|key| ((*key).to_owned(), json!(draw.pick(&["web", "db", "a b"])))).collect())
}

fn bucket(name: &str, draw: &mut Draw) -> Value {
    let mut bucket = json!({"created": "2024-03-02T09:00:00Z", "tags": tags(draw)});
    maybe(&mut bucket, "publicAccessBlock", 50, draw, flags);
    maybe(&mut bucket, "versioning", 50, draw, |draw| json!(draw.pick(&["Enabled", "Suspended"])));
    maybe(&mut bucket, "ownership", 60, draw, |draw| json!(draw.pick(&["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])));
    maybe(&mut bucket, "encryption", 50, draw, |draw| {
        let mut encryption = json!({"algorithm": draw.pick(&["AES256", "aws:kms", "aws:kms:dsse"])});
        if encryption["algorithm"] != "AES256" {
            maybe(&mut encryption, "kmsKeyId", 60, draw, |draw| json!(key_arn(draw.word(KEY_IDS))));
        }
        if encryption["algorithm"] != "aws:kms:dsse" {
            encryption["bucketKeyEnabled"] = json!(draw.flag());
        }
        maybe(&mut encryption, "blockedEncryptionTypes", 30, draw, |_| json!(["SSE-C"]));
        encryption
    });
    if name != "log-archive" {
        maybe(
            &mut bucket,
            "logging",
            30,
            draw,
            |draw| json!({"targetBucket": "log-archive", "targetPrefix": draw.pick(&["", "s3/", "old/"]), "keyFormat": draw.pick(&["SimplePrefix", "EventTime"])}),
        );
    }
    maybe(&mut bucket, "policy", 50, draw, |draw| json!(policy(name, draw)));
    maybe(&mut bucket, "website", 10, draw, |_| json!(true));
    maybe(&mut bucket, "lifecycle", 50, draw, |draw| {
        let all = [
            json!({"id": "theirs", "filter": {"prefix": "tmp/"}, "expiration": {"days": 3}}),
            json!({"id": "theirs too", "filter": {}, "abortIncompleteMultipartUpload": {"daysAfterInitiation": 2}}),
            json!({"id": "holdfast-logs", "filter": {}, "expiration": {"days": 30}}),
            json!({"id": "holdfast-gone", "status": "Disabled", "filter": {"prefix": "x"}, "transitions": [{"days": 40, "storageClass": "GLACIER"}]}),
        ];
        let mut rules: Vec<&Value> = draw.some(&all, 40);
        if rules.is_empty() {
            rules.push(&all[0]);
        }
        json!({"rules": rules})
    });
    bucket
}

/// Statements of others, and now and then one of ours.
fn policy(bucket: &str, draw: &mut Draw) -> String {
    let arn = format!("arn:aws:s3:::{bucket}");
    let all = [
        json!({"Sid": "App", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:role/app")},
               "Action": ["s3:PutObject", "s3:GetObject"], "Resource": format!("{arn}/*")}),
        json!({"Effect": "Allow", "Principal": {"AWS": [format!("arn:aws:iam::{ACCOUNT}:root")]}, "Action": "s3:ListBucket", "Resource": arn}),
        json!({"Sid": "HoldfastDenyInsecureTransport", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
               "Resource": [format!("{arn}/*"), arn], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
        json!({"Sid": "TheirDeny", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": arn}),
    ];
    let mut statements: Vec<&Value> = draw.some(&all, 45);
    if statements.is_empty() {
        statements.push(&all[0]);
    }
    json!({"Version": "2012-10-17", "Id": "theirs", "Statement": statements}).to_string()
}

fn parameter_groups(draw: &mut Draw) -> Value {
    let mut groups = json!({
        "orders-postgres14": {"family": "postgres14", "description": "theirs", "parameters": {"log_min_duration_statement": "500"}},
        "shared-postgres16": {"family": "postgres16", "description": "theirs"},
    });
    maybe(&mut groups["shared-postgres16"], "parameters", 50, draw, |_| json!({"rds.force_ssl": "0", "work_mem": "8192"}));
    groups
}

fn instance(draw: &mut Draw) -> Value {
    let (engine, version, group) = *draw.pick(&[
        ("postgres", "14.9", ""),
        ("postgres", "14.9", "orders-postgres14"),
        ("postgres", "16.4", "shared-postgres16"),
        ("postgres", "16.4", ""),
        ("postgres", "17.4", ""),
        ("mysql", "8.0.36", ""),
    ]);
    let mut instance = json!({
        "engine": engine, "engineVersion": version, "parameterGroup": group, "class": draw.pick(&["db.t3.medium", "db.m6g.large"]),
        "storageEncrypted": draw.chance(80), "backupRetention": draw.pick(&[0, 1, 7, 35]), "multiAz": draw.flag(),
        "publiclyAccessible": draw.flag(), "deletionProtection": draw.flag(), "copyTagsToSnapshot": draw.flag(),
        "autoMinorVersionUpgrade": draw.flag(), "iamAuthentication": draw.flag(), "tags": tags(draw),
        "caCertificate": draw.pick(&["rds-ca-2019", "rds-ca-rsa2048-g1"]),
    });
    if instance["storageEncrypted"] == true {
        instance["kmsKeyId"] = json!(key_arn(KEY_IDS[0]));
    }
    maybe(&mut instance, "maxAllocatedStorage", 40, draw, |draw| json!(draw.pick(&[50, 200])));
    maybe(
        &mut instance,
        "performanceInsights",
        40,
        draw,
        |_| json!({"enabled": true, "kmsKeyId": key_arn(KEY_IDS[0]), "retentionPeriod": 7}),
    );
    maybe(
        &mut instance,
        "monitoring",
        40,
        draw,
        |draw| json!({"interval": draw.pick(&[1, 60]), "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/rds-monitoring")}),
    );
    let log = if engine == "mysql" { "error" } else { "postgresql" };
    maybe(&mut instance, "logExports", 40, draw, |_| json!([log]));
    maybe(&mut instance, "backupWindow", 30, draw, |_| json!("04:00-04:30"));
    maybe(&mut instance, "status", 12, draw, |draw| json!(draw.pick(&["backing-up", "stopped", "storage-optimization"])));
    maybe(&mut instance, "pendingReboot", 10, draw, |_| json!(true));
    instance
}

fn group(draw: &mut Draw) -> Value {
    let (engine, version) =
        *draw.pick(&[("redis", "5.0.6"), ("redis", "6.2.6"), ("redis", "7.0.7"), ("redis", "7.1.0"), ("valkey", "7.2.6")]);
    let nodes = *draw.pick(&[1, 2, 3]);
    let failover = nodes > 1 && draw.flag();
    let mut group = json!({
        "description": "generated", "engine": engine, "engineVersion": version, "nodeType": "cache.t3.medium", "nodes": nodes,
        "subnetGroup": "private", "automaticFailover": failover, "multiAz": failover && draw.flag(), "snapshotRetentionLimit": draw.pick(&[0, 1, 7]),
        "atRestEncryption": draw.flag(), "transitEncryption": draw.pick(&["none", "none", "preferred", "required"]),
        "autoMinorVersionUpgrade": draw.flag(), "tags": tags(draw),
    });
    if engine == "redis" && version == "5.0.6" && group["transitEncryption"] == "preferred" {
        group["transitEncryption"] = json!("none");
    }
    if engine == "redis" && version.starts_with('7') {
        maybe(&mut group, "parameterGroup", 30, draw, |_| json!("cache-parameters"));
    }
    maybe(&mut group, "notificationTopic", 30, draw, |draw| json!(format!("arn:aws:sns:us-east-1:{ACCOUNT}:{}", draw.pick(TOPICS))));
    maybe(&mut group, "status", 8, draw, |_| json!("snapshotting"));
    if group["status"] == "snapshotting" {
        group["readyAt"] = json!("2026-01-15T10:04:00Z");
    }
    group
}

fn trail(draw: &mut Draw) -> Value {
    let multi = draw.flag();
    let mut trail = json!({
        "s3BucketName": draw.pick(LOG_BUCKETS), "isMultiRegionTrail": multi, "includeGlobalServiceEvents": multi || draw.flag(),
        "logFileValidationEnabled": draw.flag(), "isLogging": draw.flag(), "tags": tags(draw),
    });
    maybe(&mut trail, "s3KeyPrefix", 30, draw, |_| json!("old"));
    maybe(&mut trail, "kmsKeyId", 40, draw, |draw| json!(key_arn(draw.word(KEY_IDS))));
    if draw.chance(30) {
        trail["cloudWatchLogsLogGroupArn"] = json!(format!("arn:aws:logs:us-east-1:{ACCOUNT}:log-group:trail:*"));
        trail["cloudWatchLogsRoleArn"] = json!(format!("arn:aws:iam::{ACCOUNT}:role/trail"));
    }
    match draw.number(0, 4) {
        0 => trail["eventSelectors"] = json!([{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true}]),
        1 => {
            trail["advancedEventSelectors"] =
                json!([{"Name": "management", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]);
        }
        _ => {}
    }
    maybe(&mut trail, "insightSelectors", 30, draw, |_| json!([{"InsightType": "ApiCallRateInsight"}]));
    maybe(&mut trail, "homeRegion", if multi { 12 } else { 0 }, draw, |_| json!("eu-west-1"));
    // A trail's log group is in its home region: CloudTrail takes no other.
    if let (Some(home), Some(group)) = (trail["homeRegion"].as_str(), trail["cloudWatchLogsLogGroupArn"].as_str()) {
        trail["cloudWatchLogsLogGroupArn"] = json!(group.replace("us-east-1", home));
    }
    trail
}

fn detector(draw: &mut Draw) -> Value {
    let status = |draw: &mut Draw| json!(draw.pick(&["ENABLED", "DISABLED"]));
    let mut detector = json!({
        "status": status(draw), "findingPublishingFrequency": draw.pick(&["FIFTEEN_MINUTES", "ONE_HOUR", "SIX_HOURS"]), "tags": tags(draw),
        "features": {},
    });
    // GuardDuty takes no key with a space in it.
    if let Some(tags) = detector["tags"].as_object_mut() {
        tags.retain(|key, _| !key.contains(' '));
    }
    for feature in draw.some(&["S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS"], 50)
    {
        detector["features"][*feature] = json!({"status": status(draw)});
    }
    match draw.number(0, 3) {
        0 => {
            detector["features"]["RUNTIME_MONITORING"] =
                json!({"status": "ENABLED", "additionalConfiguration": {"EC2_AGENT_MANAGEMENT": {"status": "ENABLED"}}})
        }
        1 => detector["features"]["EKS_RUNTIME_MONITORING"] = json!({"status": "ENABLED"}),
        _ => {}
    }
    maybe(&mut detector, "destinations", 30, draw, |draw| {
        json!({"0123456789abcdef0123456789abcdef": {
            "destinationArn": format!("arn:aws:s3:::{}", draw.pick(LOG_BUCKETS)), "kmsKeyArn": key_arn(KEY_IDS[0]), "status": "PUBLISHING",
        }})
    });
    detector
}
