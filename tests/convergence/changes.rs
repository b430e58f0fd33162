//! What a run changed of an account, place by place, and which declared field explains each change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Every place of an account that holds something, with what it holds. Documents are taken apart by what their entries are called, so that an
/// entry of somebody else's is found again wherever it stands.
pub fn places(world: &Value) -> BTreeMap<Vec<String>, Value> {
    let mut out = BTreeMap::new();
    flatten(&mut Vec::new(), world, &mut out);
    out
}

fn flatten(path: &mut Vec<String>, value: &Value, out: &mut BTreeMap<Vec<String>, Value>) {
    let mut inside = |path: &mut Vec<String>, name: String, value: &Value| {
        path.push(name);
        flatten(path, value, out);
        path.pop();
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                inside(path, name.clone(), member);
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                let name = ["Sid", "id", "InsightType", "logType"].iter().find_map(|name| entry.get(name)?.as_str());
                let name = name.map(str::to_owned).or_else(|| Some(entry.as_str()?.to_owned()));
                // Without a name: by what it says.
                inside(path, name.unwrap_or_else(|| entry.to_string()), if entry.is_object() { entry } else { &Value::Bool(true) });
            }
        }
        Value::String(text) if path.last().is_some_and(|name| name == "policy") => match serde_json::from_str::<Value>(text) {
            Ok(mut policy @ Value::Object(_)) => {
                plain(&mut policy);
                flatten(path, &policy, out);
            }
            _ => drop(out.insert(path.clone(), value.clone())),
        },
        // Never set and set to nothing are the same here: services answer one for the other.
        Value::Null | Value::Bool(false) => {}
        Value::String(text) if text.is_empty() || text.parse::<jiff::Timestamp>().is_ok() => {}
        Value::Number(number) if number.as_i64() == Some(0) => {}
        // What every bucket has without being told.
        Value::String(text) if text == "AES256" && path.ends_with(&["encryption".to_owned(), "algorithm".to_owned()]) => {}
        other => drop(out.insert(path.clone(), other.clone())),
    }
}

/// A policy as S3 gives it back: a list of one is that one.
fn plain(policy: &mut Value) {
    match policy {
        Value::Object(members) => {
            for (name, member) in members {
                plain(member);
                if name != "Statement"
                    && let Value::Array(entries) = member
                    && let [entry] = entries.as_slice()
                {
                    *member = entry.clone();
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(plain),
        _ => {}
    }
}

/// The places where two accounts differ.
pub fn between(before: &Value, after: &Value) -> Vec<Vec<String>> {
    let (before, after) = (places(before), places(after));
    let names: BTreeSet<&Vec<String>> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// A line of the table: a pattern of places (`{id}` the thing, `{x}` any one part that the field may name again, `**` anything below), the kind,
/// and the fields of which at least one must have been repaired. `{new}` is a parameter group that was not there, `{used}` one that a repaired
/// thing used, `{peer}` a thing with the same parameter group as a repaired one, `{own}` a tag of ours.
type Line = (&'static str, &'static str, &'static [&'static str]);

/// Below `{id}` of a thing that was not there before, anything may be.
const LINES: &[Line] = &[
    ("s3control.before.**", "s3.account", &["publicAccessBlock"]),
    ("s3control.publicAccessBlock.{x}", "s3.account", &["publicAccessBlock.{x}"]),
    ("s3.versioningBefore.{id}.**", "s3.buckets", &["versioning"]),
    ("s3.buckets.{id}.publicAccessBlock.{x}", "s3.buckets", &["publicAccessBlock.{x}"]),
    ("s3.buckets.{id}.encryption.algorithm", "s3.buckets", &["encryption.algorithm"]),
    // A key belongs to its algorithm: with that it goes.
    ("s3.buckets.{id}.encryption.kmsKeyId", "s3.buckets", &["encryption.kmsKeyId", "encryption.algorithm"]),
    ("s3.buckets.{id}.encryption.bucketKeyEnabled", "s3.buckets", &["encryption.bucketKey", "encryption.algorithm"]),
    ("s3.buckets.{id}.versioning", "s3.buckets", &["versioning"]),
    ("s3.buckets.{id}.ownership", "s3.buckets", &["ownership"]),
    ("s3.buckets.{id}.logging.targetBucket", "s3.buckets", &["logging.targetBucket"]),
    ("s3.buckets.{id}.logging.targetPrefix", "s3.buckets", &["logging.targetPrefix"]),
    ("s3.buckets.{id}.tags.{x}", "s3.buckets", &["tags.{x}"]),
    ("s3.buckets.{id}.lifecycle.rules.holdfast-{x}.**", "s3.buckets", &["lifecycle.rules.{x}", "lifecycle.exclusive"]),
    ("s3.buckets.{id}.lifecycle.rules.**", "s3.buckets", &["lifecycle.exclusive"]),
    ("s3.buckets.{id}.lifecycle.transitionDefaultMinimumObjectSize", "s3.buckets", &["lifecycle.rules"]),
    ("s3.buckets.{id}.policy.Statement.{x}.**", "s3.bucketPolicies", &["statements.{x}"]),
    ("s3.buckets.{id}.policy.Version", "s3.bucketPolicies", &["statements"]),
    ("rds.instances.{id}.backupRetention", "rds.instances", &["backupRetentionDays"]),
    // Backups are begun with one.
    ("rds.instances.{id}.status", "rds.instances", &["backupRetentionDays"]),
    ("rds.instances.{id}.background.**", "rds.instances", &["backupRetentionDays"]),
    ("rds.instances.{id}.backupWindow", "rds.instances", &["backupWindow"]),
    ("rds.instances.{id}.maintenanceWindow", "rds.instances", &["maintenanceWindow"]),
    ("rds.instances.{id}.multiAz", "rds.instances", &["multiAz"]),
    ("rds.instances.{id}.maxAllocatedStorage", "rds.instances", &["maxAllocatedStorageGiB"]),
    ("rds.instances.{id}.deletionProtection", "rds.instances", &["deletionProtection"]),
    ("rds.instances.{id}.performanceInsights.**", "rds.instances", &["performanceInsights"]),
    ("rds.instances.{id}.monitoring.**", "rds.instances", &["enhancedMonitoring"]),
    ("rds.instances.{id}.logExports.{x}", "rds.instances", &["logExports"]),
    ("rds.instances.{id}.publiclyAccessible", "rds.instances", &["publiclyAccessible"]),
    ("rds.instances.{id}.iamAuthentication", "rds.instances", &["iamAuthentication"]),
    ("rds.instances.{id}.autoMinorVersionUpgrade", "rds.instances", &["autoMinorVersionUpgrade"]),
    ("rds.instances.{id}.copyTagsToSnapshot", "rds.instances", &["copyTagsToSnapshots"]),
    ("rds.instances.{id}.caCertificate", "rds.instances", &["caCertificate"]),
    ("rds.instances.{id}.tags.{x}", "rds.instances", &["tags.{x}"]),
    ("rds.instances.{id}.parameterGroup", "rds.instances", &["parameters"]),
    ("rds.instances.{id}.parametersInForce.**", "rds.instances", &["parameters", "parametersInForce"]),
    ("rds.instances.{id}.pendingReboot", "rds.instances", &["parameters", "parametersInForce"]),
    ("rds.instances.{id}.applying.**", "rds.instances", &["parameters", "parametersInForce"]),
    // Who shares a group that is changed, has the change too.
    ("rds.instances.{peer}.parametersInForce.{x}.**", "rds.instances", &["parameters.{x}"]),
    ("rds.instances.{peer}.pendingReboot", "rds.instances", &["parameters"]),
    ("rds.instances.{peer}.applying.**", "rds.instances", &["parameters"]),
    // What waits for the maintenance window.
    ("rds.instances.{id}.pending.backupRetention", "rds.instances", &["backupRetentionDays"]),
    ("rds.instances.{id}.pending.multiAz", "rds.instances", &["multiAz"]),
    ("rds.instances.{id}.pending.iamAuthentication", "rds.instances", &["iamAuthentication"]),
    ("rds.instances.{id}.pending.caCertificate", "rds.instances", &["caCertificate"]),
    // A group of the account's own, where the instance alone uses it or the manifest allows it: which parameters, the table of requests says.
    ("rds.parameterGroups.{new}.**", "rds.instances", &["parameters"]),
    ("rds.parameterGroups.{used}.parameters.{x}", "rds.instances", &["parameters.{x}"]),
    ("rds.parameterGroups.{used}.immediate.{x}", "rds.instances", &["parameters.{x}"]),
    ("cloudtrail.trails.{id}.s3BucketName", "cloudtrail.trails", &["bucket"]),
    ("cloudtrail.trails.{id}.s3KeyPrefix", "cloudtrail.trails", &["keyPrefix"]),
    ("cloudtrail.trails.{id}.includeGlobalServiceEvents", "cloudtrail.trails", &["globalEvents", "multiRegion"]),
    ("cloudtrail.trails.{id}.isMultiRegionTrail", "cloudtrail.trails", &["multiRegion"]),
    ("cloudtrail.trails.{id}.logFileValidationEnabled", "cloudtrail.trails", &["logFileValidation"]),
    ("cloudtrail.trails.{id}.digestChainBroken", "cloudtrail.trails", &["logFileValidation"]),
    ("cloudtrail.trails.{id}.cloudWatchLogsLogGroupArn", "cloudtrail.trails", &["cloudWatchLogs"]),
    ("cloudtrail.trails.{id}.cloudWatchLogsRoleArn", "cloudtrail.trails", &["cloudWatchLogs"]),
    ("cloudtrail.trails.{id}.kmsKeyId", "cloudtrail.trails", &["kmsKeyId"]),
    ("cloudtrail.trails.{id}.isLogging", "cloudtrail.trails", &["logging"]),
    ("cloudtrail.trails.{id}.eventSelectors.**", "cloudtrail.trails", &["eventSelectors", "advancedEventSelectors"]),
    ("cloudtrail.trails.{id}.advancedEventSelectors.**", "cloudtrail.trails", &["eventSelectors", "advancedEventSelectors"]),
    ("cloudtrail.trails.{id}.insightSelectors.**", "cloudtrail.trails", &["insights"]),
    ("cloudtrail.trails.{id}.tags.{x}", "cloudtrail.trails", &["tags.{x}"]),
    ("guardduty.detector.status", "guardduty.detector", &["enabled"]),
    ("guardduty.detector.findingPublishingFrequency", "guardduty.detector", &["findingPublishingFrequency"]),
    ("guardduty.detector.features.{x}.status", "guardduty.detector", &["features.{x}"]),
    ("guardduty.detector.features.{x}.additionalConfiguration.{y}.status", "guardduty.detector", &["features.{x}.{y}"]),
    ("guardduty.detector.tags.{x}", "guardduty.detector", &["tags.{x}"]),
    ("guardduty.detector.destinations.**", "guardduty.detector", &["publishingDestination"]),
    ("guardduty.detector.destinationsMade", "guardduty.detector", &["publishingDestination"]),
    ("elasticache.replicationGroups.{id}.transitEncryption", "elasticache.replicationGroups", &["transitEncryption"]),
    ("elasticache.replicationGroups.{id}.tlsEndpoints", "elasticache.replicationGroups", &["transitEncryption"]),
    ("elasticache.replicationGroups.{id}.auth.**", "elasticache.replicationGroups", &["auth"]),
    ("elasticache.replicationGroups.{id}.tags.{own}", "elasticache.replicationGroups", &["auth"]),
    ("elasticache.replicationGroups.{id}.tags.{x}", "elasticache.replicationGroups", &["tags.{x}"]),
    ("elasticache.replicationGroups.{id}.automaticFailover", "elasticache.replicationGroups", &["automaticFailover", "multiAz"]),
    ("elasticache.replicationGroups.{id}.multiAz", "elasticache.replicationGroups", &["multiAz"]),
    ("elasticache.replicationGroups.{id}.snapshotRetentionLimit", "elasticache.replicationGroups", &["snapshotRetentionDays"]),
    ("elasticache.replicationGroups.{id}.snapshottingCluster", "elasticache.replicationGroups", &["snapshotRetentionDays"]),
    ("elasticache.replicationGroups.{id}.snapshotWindow", "elasticache.replicationGroups", &["snapshotWindow"]),
    ("elasticache.replicationGroups.{id}.maintenanceWindow", "elasticache.replicationGroups", &["maintenanceWindow"]),
    // With its engine a group gets that engine's default parameters.
    (
        "elasticache.replicationGroups.{id}.parameterGroup",
        "elasticache.replicationGroups",
        &["parameterGroup", "parameters", "engineVersion"],
    ),
    ("elasticache.replicationGroups.{id}.parameterApply.**", "elasticache.replicationGroups", &["parameterGroup", "parameters"]),
    ("elasticache.replicationGroups.{id}.logDelivery.slow-log.**", "elasticache.replicationGroups", &["logDelivery.slowLog"]),
    ("elasticache.replicationGroups.{id}.logDelivery.engine-log.**", "elasticache.replicationGroups", &["logDelivery.engineLog"]),
    ("elasticache.replicationGroups.{id}.notificationTopic", "elasticache.replicationGroups", &["notificationTopicArn"]),
    ("elasticache.replicationGroups.{id}.notificationActive", "elasticache.replicationGroups", &["notificationTopicArn"]),
    ("elasticache.replicationGroups.{id}.autoMinorVersionUpgrade", "elasticache.replicationGroups", &["autoMinorVersionUpgrade"]),
    ("elasticache.replicationGroups.{id}.engineVersion", "elasticache.replicationGroups", &["engineVersion"]),
    ("elasticache.parameterGroups.{new}.**", "elasticache.replicationGroups", &["parameters"]),
    ("elasticache.parameterGroups.{used}.parameters.{x}", "elasticache.replicationGroups", &["parameters.{x}"]),
];

/// What was repaired: kind, id, field.
pub type Repaired = BTreeSet<(String, String, String)>;

/// The changes that no repaired field explains.
pub fn unexplained(before: &Value, after: &Value, repaired: &Repaired) -> Vec<String> {
    let changed = between(before, after);
    let explained = |place: &&Vec<String>| {
        !went_with_its_document(place, after)
            && !LINES.iter().any(|line| explains(line, place, (before, after), repaired))
            && !is_made(place, before, repaired)
    };
    changed.iter().filter(explained).map(|place| place.join(".")).collect()
}

/// A thing that was not there, and that a repaired resource is.
fn is_made(place: &[String], before: &Value, repaired: &Repaired) -> bool {
    let made = |group: &str, list: &str, kind: &str| match place {
        [service, things, id, ..] if service == group && things == list => {
            before.get(group).and_then(|all| all.get(list)?.get(id)).is_none_or(Value::is_null)
                && repaired.iter().any(|(of, thing, _)| of == kind && thing == id)
        }
        _ => false,
    };
    let detector = || {
        matches!(place, [service, ..] if service == "guardduty")
            && before["guardduty"].get("detector").is_none_or(Value::is_null)
            && repaired.iter().any(|(kind, ..)| kind == "guardduty.detector")
    };
    made("s3", "buckets", "s3.buckets") || made("cloudtrail", "trails", "cloudtrail.trails") || detector()
}

/// The id of a policy that is no more: S3 takes none without statements. Whether those could go, their own lines say.
fn went_with_its_document(place: &[String], after: &Value) -> bool {
    match place {
        [s3, buckets, bucket, policy, id] if policy == "policy" && id == "Id" => after[s3][buckets][bucket]["policy"].is_null(),
        _ => false,
    }
}

fn explains(&(pattern, kind, fields): &Line, place: &[String], (before, after): (&Value, &Value), repaired: &Repaired) -> bool {
    let Some(found) = matches(pattern, place) else { return false };
    let id = found.get("id");
    let group = place.first().map(String::as_str).unwrap_or_default();
    let held = |name: &String| before[group]["parameterGroups"].get(name).is_some();
    if found.get("new").is_some_and(held) {
        return false;
    }
    // A group that was there: only one that a repaired thing used, or was told to use.
    let things = if group == "rds" { "instances" } else { "replicationGroups" };
    let users = |name: &String| -> Vec<String> {
        let all = [before, after].into_iter().flat_map(|world| world[group][things].as_object().into_iter().flatten());
        all.filter(|(_, thing)| thing["parameterGroup"] == name.as_str()).map(|(id, _)| id.clone()).collect()
    };
    let groups = |thing: &String| [before, after].map(|world| world[group][things][thing]["parameterGroup"].as_str().map(str::to_owned));
    let shared = |peer: &String| groups(peer).into_iter().flatten().flat_map(|name| users(&name)).collect();
    let used: Option<Vec<String>> = found.get("used").map(users).or_else(|| found.get("peer").map(shared));
    repaired.iter().any(|(of, thing, field)| {
        of == kind
            && id.is_none_or(|id| id == thing)
            && used.as_ref().is_none_or(|used| used.contains(thing))
            && fields.iter().any(|wanted| {
                let wanted = found.iter().fold((*wanted).to_owned(), |wanted, (name, value)| wanted.replace(&format!("{{{name}}}"), value));
                *field == wanted || field.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('.'))
            })
    })
}

/// The parts of a place that a pattern names, where it matches.
fn matches(pattern: &str, place: &[String]) -> Option<BTreeMap<&'static str, String>> {
    const NAMES: [&str; 7] = ["id", "x", "y", "new", "used", "peer", "own"];
    let mut found = BTreeMap::new();
    let mut rest = place.iter();
    for part in pattern.split('.') {
        if part == "**" {
            return Some(found);
        }
        let value = rest.next()?;
        let (start, name) = part.split_once('{').unwrap_or((part, ""));
        let name = NAMES.into_iter().find(|known| name.strip_suffix('}') == Some(known));
        match (value.strip_prefix(start), name) {
            (Some(""), None) => {}
            (Some(value), Some("own")) if !value.starts_with("holdfast.dev/") => return None,
            (Some(value), Some(name)) => drop(found.insert(name, value.to_owned())),
            _ => return None,
        }
    }
    rest.next().is_none().then_some(found)
}
