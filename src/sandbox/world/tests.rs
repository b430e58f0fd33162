//! The account file: its schema says what its reader does.

use serde_json::json;

use super::*;
use crate::sandbox::testing::{ask, form, sandbox};

const AS_FOUND: &str = include_str!("../../../examples/accounts/huntaze-as-found.yaml");
const LIVE: &str = include_str!("../../../examples/accounts/huntaze-redis-live.yaml");

/// What the two examples have nothing of, in every spelling that the reader takes.
const MORE: &str = r#"
region: eu-west-1
s3:
  foreign: [taken]
  buckets:
    site: {website: true, acl: [{to: {group: AllUsers}, permission: READ}, {to: {id: "0a"}, permission: FULL_CONTROL}]}
    old: {website: {redirectHost: example.com}, versioning: Suspended, encryption: {algorithm: none}, logging: {targetBucket: site}}
    kept:
      region: us-east-1
      lifecycle: {rules: [{transitions: [{days: 30, storageClass: GLACIER}], filter: {and: {prefix: a, tags: {k: v}}}}]}
      objects: {a: {size: 1, modified: "2024-01-01T00:00:00Z"}}
rds:
  parameterGroups: {p: {family: postgres14, parameters: {rds.force_ssl: 1, a: text, b: 0.5}}}
elasticache:
  replicationGroups:
    r: {clusterEnabled: true, shards: 2, primaries: {2: 1}, transitEncryption: preferred, logDelivery: [{logType: slow-log, destinationType: cloudwatch-logs, destination: l, format: json}]}
  cacheClusters: {c: {engine: memcached, port: 11211, status: rebooting cluster nodes}}
cloudtrail:
  trails:
    plain: {s3BucketName: kept, eventSelectors: [{readWriteType: All, DataResources: [{Type: "AWS::S3::Object", values: ["arn:aws:s3"]}]}]}
    other: {advancedEventSelectors: [{Name: n, fieldSelectors: [{field: eventCategory, Equals: [Data]}]}], insightSelectors: [{InsightType: ApiCallRateInsight}]}
guardduty:
  detector: {features: {S3_DATA_EVENTS: {status: DISABLED}}, destinations: {d: {destinationArn: "arn:aws:s3:::kept"}}}
secretsmanager: {secrets: {s: {versions: {v: {secretBinary: AA==, stages: [AWSCURRENT]}}}}}
ssm: {parameters: {/p: {type: StringList, versions: {1: {value: "a,b", type: StringList}}}}}
sts: {caller: null, roles: {"arn:aws:iam::000000000000:role/r": {externalId: x}}}
"#;

fn validator() -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(&World::schema()).unwrap()
}

fn said(validator: &jsonschema::Validator, account: &Value) -> Vec<String> {
    validator.iter_errors(account).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Every mapping in an account, its members made one more.
fn each_with(account: &Value, name: &str) -> Vec<(String, Value)> {
    fn places(value: &Value, at: &str, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                into.push(at.to_owned());
                for (name, member) in members {
                    places(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), into);
                }
            }
            Value::Array(items) => items.iter().enumerate().for_each(|(at_item, item)| places(item, &format!("{at}/{at_item}"), into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    places(account, "", &mut all);
    let with = |at: String| {
        let mut changed = account.clone();
        changed.pointer_mut(&at).unwrap().as_object_mut().unwrap().insert(name.to_owned(), json!({ "shade": {} }));
        (at, changed)
    };
    all.into_iter().map(with).collect()
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_no_member_that_it_does_not_know() {
    let validator = validator();
    let mut places = 0;
    for text in [AS_FOUND, LIVE, MORE, "{}"] {
        let account: Value = serde_yaml::from_str(text).unwrap();
        serde_yaml::from_str::<World>(text).unwrap().check().unwrap();
        assert_eq!(said(&validator, &account), [""; 0]);
        for (at, changed) in each_with(&account, "colour") {
            places += 1;
            assert!(serde_json::from_value::<World>(changed.clone()).is_err(), "the reader takes colour at {at}");
            assert!(!validator.is_valid(&changed), "the schema takes colour at {at}");
        }
    }
    assert!(places > 120, "{places} only");
}

#[test]
fn what_the_reader_refuses_the_schema_does_not_take() {
    let validator = validator();
    for text in [
        "account: '12'",
        "region: ''",
        "pageSize: 0",
        "s3: {buckets: {a: {versioning: enabled}}}",
        "s3: {buckets: {a: {website: 1}}}",
        "s3: {buckets: {a: {created: yesterday}}}",
        "s3: {buckets: {a: {policy: {Version: x}}}}",
        "rds: {instances: {a: {status: idle}}}",
        "rds: {parameterGroups: {a: {parameters: {b: true}}}}",
        "elasticache: {replicationGroups: {a: {port: -1}}}",
        "elasticache: {replicationGroups: {a: {logDelivery: [{}]}}}",
        "elasticache: {securityGroups: {a: {admits: nobody}}}",
        "guardduty: {detector: {features: {NOTHING: {status: ENABLED}}}}",
        "guardduty: {detector: {features: {S3_DATA_EVENTS: {status: 'ON'}}}}",
    ] {
        let read = serde_yaml::from_str::<World>(text).map_err(|error| error.to_string()).and_then(|world| world.check());
        assert!(read.is_err(), "the reader takes {text}");
        assert!(!validator.is_valid(&serde_yaml::from_str(text).unwrap()), "the schema takes {text}");
    }
}

/// An account in the midst of things holds members that nobody writes.
#[tokio::test]
async fn the_schema_takes_an_account_as_the_sandbox_keeps_it() {
    let sandbox = sandbox(serde_yaml::from_str(AS_FOUND).unwrap(), "");
    for (service, body) in [
        ("rds", "Action=ModifyDBInstance&DBInstanceIdentifier=huntaze-postgres&DBInstanceClass=db.m5.large"),
        ("rds", "Action=ModifyDBInstance&DBInstanceIdentifier=huntaze-postgres&BackupRetentionPeriod=7&ApplyImmediately=true"),
        (
            "elasticache",
            "Action=ModifyReplicationGroup&ReplicationGroupId=huntaze-redis&TransitEncryptionEnabled=true&TransitEncryptionMode=preferred&ApplyImmediately=true",
        ),
        ("sns", "Action=Publish&TopicArn=arn:aws:sns:us-east-1:317805897534:huntaze-ops-alerts&Message=x"),
    ] {
        let (status, answer) = ask(&sandbox, form(service, body)).await;
        assert_eq!(status, 200, "{answer}");
    }
    let kept = serde_json::to_value(sandbox.world()).unwrap();
    let there = ["/rds/instances/huntaze-postgres/work", "/elasticache/replicationGroups/huntaze-redis/change", "/sns/messages/0"];
    assert!(there.iter().all(|member| kept.pointer(member).is_some_and(Value::is_object)), "{kept:#}");
    assert_eq!(said(&validator(), &kept), [""; 0]);
    assert_eq!(serde_json::from_value::<World>(kept).unwrap(), World { now: Timestamp::UNIX_EPOCH, ..sandbox.world() });
}

#[tokio::test]
async fn a_bucket_that_names_no_region_is_in_that_of_the_account() {
    let here = |account: &str| {
        let world = sandbox(serde_yaml::from_str(account).unwrap(), "").world();
        world.s3.buckets.into_iter().map(|(name, bucket)| format!("{name} {}", bucket.region)).collect::<Vec<String>>()
    };
    assert_eq!(here("{region: eu-west-1, s3: {buckets: {a: {}, b: {region: us-east-1}}}}"), ["a eu-west-1", "b us-east-1"]);
    assert_eq!(here("{s3: {buckets: {a: {}}}}"), ["a us-east-1"]);
}

/// What an earlier version left of an account elsewhere than in us-east-1 stays where it was.
#[test]
fn a_bucket_of_a_saved_account_stays_in_its_region() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    let mut world: World = serde_yaml::from_str("{region: eu-west-1, s3: {buckets: {a: {region: us-east-1}}}}").unwrap();
    world.now = Timestamp::UNIX_EPOCH;
    world.save(&file).unwrap();
    let loaded = crate::sandbox::Sandbox::load(&file, crate::sandbox::Options::default()).unwrap().unwrap();
    assert_eq!(loaded.world().s3.buckets["a"].region, "us-east-1");
}
