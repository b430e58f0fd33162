//! Where a value must name a real thing, or mean something to the service: the one table of such paths. A path is the kind's, then the field's;
//! `[]` stands for an entry of a list and `*` for a value of a map.

use serde_json::{Map, Value, json};

use crate::draw::Draw;

pub const ACCOUNT: &str = "317805897534";
pub const BUCKETS: &[&str] = &["alpha-assets", "beta-uploads", "gamma-exports"];
/// Buckets that are always there, and that logs go to.
pub const LOG_BUCKETS: &[&str] = &["log-archive", "access-logs"];
pub const INSTANCES: &[&str] = &["orders-db", "reports-db"];
pub const GROUPS: &[&str] = &["cache-one", "cache-two"];
pub const TRAILS: &[&str] = &["audit", "data-events"];
/// Keys of maps: tags, mostly.
pub const KEYS: &[&str] = &["team", "environment", "cost centre", "data"];
pub const KEY_IDS: &[&str] = &["1111aaaa-0000-4000-8000-000000000001", "2222bbbb-0000-4000-8000-000000000002"];
pub const TOPICS: &[&str] = &["ops-alerts", "cache-events"];

/// What an entry is about.
pub struct About<'a> {
    /// The entry's name: the name of the thing, in this account or not.
    pub name: &'a str,
    pub world: &'a Value,
}

pub enum Tweak {
    /// What the schema says will do.
    Schema,
    /// This; `null` leaves the field out.
    Is(Value),
}

/// The names that entries of a kind have.
pub fn names(kind: &str) -> Vec<&'static str> {
    match kind {
        "s3.buckets" => [BUCKETS, &["every-bucket", "log-archive"]].concat(),
        "rds.instances" => INSTANCES.to_vec(),
        "elasticache.replicationGroups" => GROUPS.to_vec(),
        "cloudtrail.trails" => TRAILS.to_vec(),
        _ => vec!["thing-one", "thing-two"],
    }
}

pub fn key_arn(id: &str) -> String {
    format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}")
}

pub fn at(path: &str, about: &About<'_>, draw: &mut Draw) -> Tweak {
    let thing = |list: &str, member: &str| {
        let (service, list) = list.split_once('.').unwrap_or((list, ""));
        about.world.get(service).and_then(|one| one.get(list)?.get(about.name)?.get(member)?.as_str()).unwrap_or_default().to_owned()
    };
    let key = |draw: &mut Draw| match draw.number(0, 3) {
        0 => "alias/data".to_owned(),
        1 => "alias/cache".to_owned(),
        2 => KEY_IDS[0].to_owned(),
        _ => key_arn(KEY_IDS[1]),
    };
    let windows = ["03:00-04:00", "22:30-23:30", "1:15-02:15"];
    let weeks = ["sun:05:00-sun:06:30", "Wed:10:00-wed:11:00", "sat:23:30-sun:00:30"];
    let tags = |draw: &mut Draw, draws: bool| {
        let mut tags = Map::new();
        // GuardDuty takes no key with a space in it.
        for key in draw.some(KEYS, 40).into_iter().filter(|key| path != "guardduty.detector.tags" || !key.contains(' ')) {
            let value = if draws && draw.chance(25) { Value::Null } else { json!(draw.pick(&["web", "production", "", "a b"])) };
            tags.insert((*key).to_owned(), value);
        }
        Tweak::Is(Value::Object(tags))
    };
    Tweak::Is(match path {
        "s3.buckets.bucket" | "s3.buckets.match" => Value::Null,
        "s3.buckets.encryption.kmsKeyId" => json!(key(draw)),
        "s3.buckets.logging.targetBucket" => json!(draw.pick(LOG_BUCKETS)),
        "s3.buckets.logging.targetPrefix" => json!(draw.pick(&["", "logs/", "s3/"])),
        "s3.buckets.tags" => return tags(draw, false),
        "s3.buckets.lifecycle.rules" => lifecycle(draw),
        "rds.instances.instance" | "elasticache.replicationGroups.replicationGroupId" => Value::Null,
        "rds.instances.parameters" => parameters(&thing("rds.instances", "engine"), draw),
        "rds.instances.backupWindow" | "elasticache.replicationGroups.snapshotWindow" => json!(draw.pick(&windows)),
        "rds.instances.maintenanceWindow" | "elasticache.replicationGroups.maintenanceWindow" => json!(draw.pick(&weeks)),
        "rds.instances.maxAllocatedStorageGiB" => json!(draw.pick(&[20, 22, 50, 100, 1000])),
        "rds.instances.performanceInsights.kmsKeyId" | "rds.instances.storageEncrypted.kmsKeyId" => json!(key(draw)),
        "rds.instances.performanceInsights.retentionDays" => json!(draw.pick(&[7, 31, 93, 731])),
        "rds.instances.enhancedMonitoring.intervalSeconds" => json!(draw.pick(&[0, 1, 15, 60])),
        "rds.instances.enhancedMonitoring.roleArn" => {
            json!(format!("arn:aws:iam::{ACCOUNT}:role/{}", draw.pick(&["rds-monitoring", "other"])))
        }
        "rds.instances.logExports" => {
            let known: &[&str] =
                if thing("rds.instances", "engine") == "mysql" { &["error", "slowquery"] } else { &["postgresql", "upgrade"] };
            json!(if draw.flag() { known.to_vec() } else { vec![*draw.pick(known)] })
        }
        "rds.instances.caCertificate" => json!(draw.pick(&["rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"])),
        "rds.instances.tags" | "cloudtrail.trails.tags" | "guardduty.detector.tags" | "elasticache.replicationGroups.tags" => {
            return tags(draw, true);
        }
        "elasticache.replicationGroups.atRestEncryption.kmsKeyId" => json!(key(draw)),
        "elasticache.replicationGroups.auth.secretArn" => {
            json!(format!("arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:cache-auth-a1B2c3"))
        }
        "elasticache.replicationGroups.auth.key" => json!("token"),
        "elasticache.replicationGroups.parameterGroup" => json!(draw.pick(&["cache-parameters", "default.redis7"])),
        "elasticache.replicationGroups.parameters" => cache_parameters(draw),
        "elasticache.replicationGroups.logDelivery.slowLog" | "elasticache.replicationGroups.logDelivery.engineLog" => json!({
            "destinationType": draw.pick(&["cloudwatch-logs", "kinesis-firehose"]), "destination": draw.pick(&["cache-log", "other-log"]),
            "format": draw.pick(&["json", "text"]),
        }),
        "elasticache.replicationGroups.notificationTopicArn" => json!(format!("arn:aws:sns:us-east-1:{ACCOUNT}:{}", draw.pick(TOPICS))),
        "elasticache.replicationGroups.engineVersion" => json!(draw.pick(&["6.2", "7.0", "7.1"])),
        // A move makes a group that no wish names: it has tests of its own (src/kinds/elasticache/tests).
        "elasticache.replicationGroups.migration" => Value::Null,
        "cloudtrail.trails.trail" => Value::Null,
        // The trails of generated accounts are no organization's.
        "cloudtrail.trails.organizationId" => Value::Null,
        // A bucket of another account, whose policy nobody here can write.
        "cloudtrail.trails.bucketAccount" | "guardduty.detector.publishingDestination.bucketAccount" => Value::Null,
        "cloudtrail.trails.bucket" | "guardduty.detector.publishingDestination.bucket" => json!(draw.pick(LOG_BUCKETS)),
        "cloudtrail.trails.keyPrefix" | "guardduty.detector.publishingDestination.prefix" => json!(draw.pick(&["", "security", "a/b"])),
        "cloudtrail.trails.kmsKeyId" => json!(key(draw)),
        "guardduty.detector.publishingDestination.kmsKeyArn" => json!(key_arn(draw.word(KEY_IDS))),
        "cloudtrail.trails.cloudWatchLogs.logGroupArn" => {
            json!(format!("arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{}:*", draw.pick(&["trail", "other"])))
        }
        "cloudtrail.trails.cloudWatchLogs.roleArn" => json!(format!("arn:aws:iam::{ACCOUNT}:role/{}", draw.pick(&["trail", "other"]))),
        "cloudtrail.trails.eventSelectors[].dataResources" => match draw.number(0, 2) {
            0 => json!([{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}]),
            1 => json!([{"type": "AWS::Lambda::Function", "values": ["arn:aws:lambda"]}]),
            _ => json!([{"type": "AWS::S3::Object", "values": ["arn:aws:s3:::alpha-assets/", "arn:aws:s3:::beta-uploads/"]}]),
        },
        "cloudtrail.trails.eventSelectors[].excludeManagementEventSources" => {
            if draw.flag() {
                json!(["kms.amazonaws.com"])
            } else {
                json!(["kms.amazonaws.com", "rdsdata.amazonaws.com"])
            }
        }
        "cloudtrail.trails.advancedEventSelectors" => match draw.number(0, 2) {
            0 => json!([{"name": "management", "fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]}]),
            1 => json!([{"fieldSelectors": [
                {"field": "eventCategory", "equals": ["Management"]}, {"field": "readOnly", "equals": ["false"]},
            ]}]),
            _ => json!([
                {"name": "all", "fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]},
                {"name": "objects", "fieldSelectors": [
                    {"field": "eventCategory", "equals": ["Data"]}, {"field": "resources.type", "equals": ["AWS::S3::Object"]},
                    {"field": "resources.ARN", "startsWith": ["arn:aws:s3:::alpha-assets/"]},
                ]},
            ]),
        },
        "cloudtrail.trails.insights" => match draw.number(0, 3) {
            0 => json!([]),
            1 => json!(["ApiCallRateInsight"]),
            2 => json!(["ApiErrorRateInsight"]),
            _ => json!(["ApiErrorRateInsight", "ApiCallRateInsight"]),
        },
        _ => return Tweak::Schema,
    })
}

/// What goes together, or not: said of a whole entry. It is not all that is refused: some of what remains is to be refused, and counted.
pub fn whole(kind: &str, about: &About<'_>, entry: &mut Map<String, Value>, draw: &mut Draw) {
    if kind == "s3.buckets" {
        encryption_that_fits(entry);
        // An entry consents to its own rules.
        if let Some(lifecycle) = entry.get_mut("lifecycle").and_then(Value::as_object_mut)
            && lifecycle.get("rules").and_then(Value::as_array).is_none_or(Vec::is_empty)
        {
            lifecycle.remove("expiryApproved");
        }
    }
    match kind {
        "s3.buckets" if about.name == "every-bucket" => {
            entry.remove("create");
            let names = if draw.flag() { json!(["*-assets", "beta-*"]) } else { json!(["*"]) };
            let mut chosen = json!({"names": names, "except": LOG_BUCKETS});
            if draw.flag() {
                // A tag that no entry sets: what is chosen stays so.
                chosen["tags"] = json!({"owner": "web"});
            }
            entry.insert("match".to_owned(), chosen);
            // It logs to a bucket that may choose itself, else.
            entry.remove("logging");
        }
        "s3.buckets" => {
            if about.name == "log-archive" {
                entry.remove("logging");
                // Others log to it, which S3 does only where it is not encrypted by KMS.
                if let Some(encryption) = entry.get_mut("encryption").and_then(Value::as_object_mut) {
                    encryption.remove("kmsKeyId");
                    encryption.insert("algorithm".to_owned(), json!("AES256"));
                }
            }
            if entry.get("logging").is_some_and(|logging| logging.get("targetBucket").is_none()) {
                entry.remove("logging");
            }
        }
        "rds.instances" => {
            if let Some(insights) = entry.get_mut("performanceInsights").and_then(Value::as_object_mut)
                && insights.get("enabled") != Some(&json!(true))
            {
                insights.remove("kmsKeyId");
                insights.remove("retentionDays");
            }
            if let Some(monitoring) = entry.get_mut("enhancedMonitoring").and_then(Value::as_object_mut)
                && monitoring.get("intervalSeconds").is_none_or(|seconds| seconds == 0)
            {
                monitoring.remove("roleArn");
            }
            if let Some(encrypted) = entry.get_mut("storageEncrypted").and_then(Value::as_object_mut)
                && encrypted.get("enabled") == Some(&json!(false))
            {
                encrypted.remove("kmsKeyId");
            }
        }
        "cloudtrail.trails" => {
            if entry.contains_key("eventSelectors") {
                entry.remove("advancedEventSelectors");
                for selector in entry.get_mut("eventSelectors").and_then(Value::as_array_mut).into_iter().flatten() {
                    if selector["includeManagementEvents"] != json!(true) {
                        selector["excludeManagementEventSources"] = json!([]);
                    }
                }
            }
            if entry.get("multiRegion") == Some(&json!(true)) {
                entry.remove("globalEvents");
            }
        }
        "guardduty.detector" => {
            if let Some(features) = entry.get_mut("features").and_then(Value::as_object_mut)
                && features.contains_key("RUNTIME_MONITORING")
            {
                features.remove("EKS_RUNTIME_MONITORING");
            }
        }
        "elasticache.replicationGroups" => {
            // The secret holds the token under a key; what a secret holds, no plan can tell.
            if let Some(auth) = entry.get_mut("auth") {
                auth["key"] = json!("token");
            }
            if entry.contains_key("auth") && entry.contains_key("transitEncryption") {
                entry.insert("transitEncryption".to_owned(), json!("Required"));
            }
            if entry.get("multiAz") == Some(&json!(true)) {
                entry.insert("automaticFailover".to_owned(), json!(true));
            }
            if entry.contains_key("parameters") && entry.get("parameterGroup") == Some(&json!("default.redis7")) {
                entry.remove("parameterGroup");
            }
            if let Some(at_rest) = entry.get_mut("atRestEncryption").and_then(Value::as_object_mut)
                && at_rest.get("enabled") == Some(&json!(false))
            {
                at_rest.remove("kmsKeyId");
            }
        }
        _ => {}
    }
}

fn encryption_that_fits(entry: &mut Map<String, Value>) {
    if let Some(encryption) = entry.get_mut("encryption").and_then(Value::as_object_mut) {
        match encryption.get("algorithm").and_then(Value::as_str) {
            Some("aws:kms") => {}
            Some("aws:kms:dsse") => drop(encryption.remove("bucketKey")),
            _ => drop(encryption.remove("kmsKeyId")),
        }
    }
}

fn lifecycle(draw: &mut Draw) -> Value {
    let mut rules = Vec::new();
    for id in draw.some(&["logs", "Old_1", "uploads"], 45) {
        let mut rule = json!({"id": id, "enabled": draw.flag()});
        match draw.number(0, 3) {
            0 => {}
            1 => rule["filter"] = json!({}),
            2 => rule["filter"] = json!({"prefix": "logs/"}),
            _ => rule["filter"] = json!({"prefix": "logs/", "tags": {"kind": "log"}, "sizeGreaterThan": 1024}),
        }
        match draw.number(0, 5) {
            // Unfinished uploads have neither tags nor a size.
            0 => {
                rule["abortMultipartAfterDays"] = json!(7);
                rule["filter"] = json!({"prefix": "logs/"});
            }
            1 => rule["expiration"] = json!({"days": 400}),
            2 => rule["transitions"] = json!([{"days": 30, "storageClass": "STANDARD_IA"}, {"days": 90, "storageClass": "GLACIER"}]),
            3 => rule["noncurrentExpiration"] = json!({"days": 90, "newerNoncurrentVersions": 3}),
            4 => rule["noncurrentTransitions"] = json!([{"days": 30, "storageClass": "GLACIER_IR"}]),
            _ => {
                rule["expiration"] = json!({"date": "2031-01-31"});
                rule["transitions"] = json!([{"date": "2030-01-31", "storageClass": "DEEP_ARCHIVE"}]);
            }
        }
        rules.push(rule);
    }
    json!(rules)
}

/// Parameters of the instance's engine; now and then one of another.
fn parameters(engine: &str, draw: &mut Draw) -> Value {
    let postgres: &[(&str, &[&str])] = &[
        ("rds.force_ssl", &["1", "0"]),
        ("log_min_duration_statement", &["1000", "-1"]),
        ("log_connections", &["1", "0"]),
        ("shared_preload_libraries", &["pg_stat_statements,pgaudit", "pgaudit"]),
        ("max_connections", &["200", "500"]),
    ];
    let mysql: &[(&str, &[&str])] = &[
        ("require_secure_transport", &["1", "0"]),
        ("slow_query_log", &["1"]),
        ("performance_schema", &["1", "0"]),
        ("long_query_time", &["2.5"]),
    ];
    let of = if draw.chance(3) == (engine == "mysql") { postgres } else { mysql };
    let chosen = draw.some(of, 40);
    let values = chosen.into_iter().map(|(name, values)| {
        let value = *draw.pick(values);
        // As people write them: a number, a flag or text.
        let written = match value.parse::<i64>() {
            Ok(flag @ (0 | 1)) if draw.chance(30) => json!(flag == 1),
            Ok(number) if draw.chance(60) => json!(number),
            _ => json!(value),
        };
        ((*name).to_owned(), written)
    });
    Value::Object(values.collect())
}

fn cache_parameters(draw: &mut Draw) -> Value {
    let known: &[(&str, Value)] = &[
        ("maxmemory-policy", json!("allkeys-lru")),
        ("notify-keyspace-events", json!("AKE")),
        ("timeout", json!(300)),
        ("activedefrag", json!("yes")),
    ];
    Value::Object(draw.some(known, 40).into_iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}
