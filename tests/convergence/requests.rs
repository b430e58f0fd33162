//! Only declared fields are sent: for each operation, which members a request may hold for which repaired fields. Documents that S3 takes whole are
//! judged by what became of them ([`crate::changes`]).

use std::collections::BTreeSet;

use holdfast::sandbox::record::Recorded;
use serde_json::Value;

use crate::changes::Repaired;

/// An operation: the kinds that send it, the members that only say what is meant and when, and each other member with the fields that it is sent for.
struct Line {
    operation: &'static str,
    kind: &'static str,
    identity: &'static [&'static str],
    members: &'static [(&'static str, &'static [&'static str])],
}

const WHOLE: &[(&str, &[&str])] = &[];

const LINES: &[Line] = &[
    Line {
        operation: "rds:ModifyDBInstance",
        kind: "rds.instances",
        identity: &["DBInstanceIdentifier", "ApplyImmediately"],
        members: &[
            ("BackupRetentionPeriod", &["backupRetentionDays"]),
            ("PreferredBackupWindow", &["backupWindow"]),
            ("PreferredMaintenanceWindow", &["maintenanceWindow"]),
            ("MultiAZ", &["multiAz"]),
            ("MaxAllocatedStorage", &["maxAllocatedStorageGiB"]),
            ("DeletionProtection", &["deletionProtection"]),
            ("EnablePerformanceInsights", &["performanceInsights"]),
            ("PerformanceInsightsKMSKeyId", &["performanceInsights.enabled", "performanceInsights.kmsKeyId"]),
            ("PerformanceInsightsRetentionPeriod", &["performanceInsights.enabled", "performanceInsights.retentionDays"]),
            // RDS takes an interval with its role only.
            ("MonitoringInterval", &["enhancedMonitoring"]),
            ("MonitoringRoleArn", &["enhancedMonitoring"]),
            ("CloudwatchLogsExportConfiguration", &["logExports"]),
            ("PubliclyAccessible", &["publiclyAccessible"]),
            ("EnableIAMDatabaseAuthentication", &["iamAuthentication"]),
            ("AutoMinorVersionUpgrade", &["autoMinorVersionUpgrade"]),
            ("CopyTagsToSnapshot", &["copyTagsToSnapshots"]),
            ("CACertificateIdentifier", &["caCertificate"]),
            ("DBParameterGroupName", &["parameters"]),
        ],
    },
    Line { operation: "rds:RebootDBInstance", kind: "rds.instances", identity: &["DBInstanceIdentifier", "ForceFailover"], members: WHOLE },
    Line {
        operation: "rds:CreateDBParameterGroup",
        kind: "rds.instances",
        identity: &["DBParameterGroupName"],
        members: &[("DBParameterGroupFamily", &["parameters"]), ("Description", &["parameters"]), ("Tags", &["parameters"])],
    },
    Line {
        operation: "rds:CopyDBParameterGroup",
        kind: "rds.instances",
        identity: &["SourceDBParameterGroupIdentifier"],
        members: &[
            ("TargetDBParameterGroupIdentifier", &["parameters"]),
            ("TargetDBParameterGroupDescription", &["parameters"]),
            ("Tags", &["parameters"]),
        ],
    },
    Line {
        operation: "rds:ModifyDBParameterGroup",
        kind: "rds.instances",
        identity: &["DBParameterGroupName"],
        members: &[("Parameters", &["parameters"])],
    },
    Line { operation: "rds:AddTagsToResource", kind: "rds.instances", identity: &["ResourceName"], members: &[("Tags", &["tags"])] },
    Line {
        operation: "rds:RemoveTagsFromResource",
        kind: "rds.instances",
        identity: &["ResourceName"],
        members: &[("TagKeys", &["tags"])],
    },
    Line {
        operation: "elasticache:ModifyReplicationGroup",
        kind: "elasticache.replicationGroups",
        identity: &["ReplicationGroupId", "ApplyImmediately"],
        members: &[
            ("TransitEncryptionEnabled", &["transitEncryption"]),
            ("TransitEncryptionMode", &["transitEncryption"]),
            ("AuthToken", &["auth"]),
            ("AuthTokenUpdateStrategy", &["auth"]),
            ("AutomaticFailoverEnabled", &["automaticFailover", "multiAz"]),
            ("MultiAZEnabled", &["multiAz"]),
            ("SnapshotRetentionLimit", &["snapshotRetentionDays"]),
            // AWS turns snapshots on only where it is told of which node.
            ("SnapshottingClusterId", &["snapshotRetentionDays"]),
            ("SnapshotWindow", &["snapshotWindow"]),
            ("PreferredMaintenanceWindow", &["maintenanceWindow"]),
            // A new major version comes with a group of its family.
            ("CacheParameterGroupName", &["parameterGroup", "parameters", "engineVersion"]),
            ("LogDeliveryConfigurations", &["logDelivery"]),
            ("NotificationTopicArn", &["notificationTopicArn"]),
            ("NotificationTopicStatus", &["notificationTopicArn"]),
            ("AutoMinorVersionUpgrade", &["autoMinorVersionUpgrade"]),
            ("EngineVersion", &["engineVersion"]),
        ],
    },
    Line {
        operation: "elasticache:CreateCacheParameterGroup",
        kind: "elasticache.replicationGroups",
        identity: &["CacheParameterGroupName"],
        members: &[("CacheParameterGroupFamily", &["parameters"]), ("Description", &["parameters"]), ("Tags", &["parameters"])],
    },
    Line {
        operation: "elasticache:ModifyCacheParameterGroup",
        kind: "elasticache.replicationGroups",
        identity: &["CacheParameterGroupName"],
        members: &[("ParameterNameValues", &["parameters"])],
    },
    Line {
        operation: "elasticache:AddTagsToResource",
        kind: "elasticache.replicationGroups",
        identity: &["ResourceName"],
        members: &[
            // Which version of the secret is in force is noted in a tag.
            ("Tags", &["tags", "auth"]),
        ],
    },
    Line {
        operation: "elasticache:RemoveTagsFromResource",
        kind: "elasticache.replicationGroups",
        identity: &["ResourceName"],
        members: &[("TagKeys", &["tags"])],
    },
    Line {
        operation: "cloudtrail:UpdateTrail",
        kind: "cloudtrail.trails",
        identity: &["Name"],
        members: &[
            ("S3BucketName", &["bucket"]),
            ("S3KeyPrefix", &["keyPrefix"]),
            // A multi-region trail records global events: the two are sent together.
            ("IncludeGlobalServiceEvents", &["globalEvents", "multiRegion"]),
            ("IsMultiRegionTrail", &["multiRegion"]),
            ("EnableLogFileValidation", &["logFileValidation"]),
            ("CloudWatchLogsLogGroupArn", &["cloudWatchLogs"]),
            ("CloudWatchLogsRoleArn", &["cloudWatchLogs"]),
            ("KmsKeyId", &["kmsKeyId"]),
        ],
    },
    Line {
        operation: "cloudtrail:CreateTrail",
        kind: "cloudtrail.trails",
        identity: &["Name"],
        members: &[
            ("S3BucketName", &["bucket"]),
            ("S3KeyPrefix", &["keyPrefix"]),
            ("IncludeGlobalServiceEvents", &["globalEvents", "multiRegion"]),
            ("IsMultiRegionTrail", &["multiRegion"]),
            ("EnableLogFileValidation", &["logFileValidation"]),
            ("CloudWatchLogsLogGroupArn", &["cloudWatchLogs"]),
            ("CloudWatchLogsRoleArn", &["cloudWatchLogs"]),
            ("KmsKeyId", &["kmsKeyId"]),
            ("TagsList", &["tags", ""]),
        ],
    },
    Line { operation: "cloudtrail:StartLogging", kind: "cloudtrail.trails", identity: &["Name"], members: WHOLE },
    Line { operation: "cloudtrail:StopLogging", kind: "cloudtrail.trails", identity: &["Name"], members: WHOLE },
    Line {
        operation: "cloudtrail:PutEventSelectors",
        kind: "cloudtrail.trails",
        identity: &["TrailName"],
        members: &[("EventSelectors", &["eventSelectors"]), ("AdvancedEventSelectors", &["advancedEventSelectors"])],
    },
    Line {
        operation: "cloudtrail:PutInsightSelectors",
        kind: "cloudtrail.trails",
        identity: &["TrailName"],
        members: &[("InsightSelectors", &["insights"])],
    },
    Line { operation: "cloudtrail:AddTags", kind: "cloudtrail.trails", identity: &["ResourceId"], members: &[("TagsList", &["tags"])] },
    Line { operation: "cloudtrail:RemoveTags", kind: "cloudtrail.trails", identity: &["ResourceId"], members: &[("TagsList", &["tags"])] },
    Line {
        operation: "guardduty:UpdateDetector",
        kind: "guardduty.detector",
        identity: &[],
        members: &[("enable", &["enabled"]), ("findingPublishingFrequency", &["findingPublishingFrequency"]), ("features", &["features"])],
    },
    Line {
        operation: "guardduty:CreateDetector",
        kind: "guardduty.detector",
        // A detector has to be told whether it watches.
        identity: &["clientToken", "enable"],
        members: &[("findingPublishingFrequency", &["findingPublishingFrequency"]), ("features", &["features"]), ("tags", &["tags", ""])],
    },
    Line {
        operation: "guardduty:CreatePublishingDestination",
        kind: "guardduty.detector",
        identity: &["destinationType", "clientToken"],
        members: &[("destinationProperties", &["publishingDestination"]), ("tags", &["publishingDestination"])],
    },
    Line {
        operation: "guardduty:UpdatePublishingDestination",
        kind: "guardduty.detector",
        identity: &[],
        members: &[("destinationProperties", &["publishingDestination"])],
    },
    Line { operation: "guardduty:TagResource", kind: "guardduty.detector", identity: &[], members: &[("tags", &["tags"])] },
    Line { operation: "guardduty:UntagResource", kind: "guardduty.detector", identity: &[], members: WHOLE },
];

/// Operations on documents that the service takes whole.
const DOCUMENTS: &[(&str, &str)] = &[
    ("s3control:PutPublicAccessBlock", "s3.account"),
    ("s3:CreateBucket", "s3.buckets"),
    ("s3:PutPublicAccessBlock", "s3.buckets"),
    ("s3:PutBucketEncryption", "s3.buckets"),
    ("s3:PutBucketVersioning", "s3.buckets"),
    ("s3:PutBucketOwnershipControls", "s3.buckets"),
    ("s3:PutBucketLogging", "s3.buckets"),
    ("s3:PutBucketLifecycleConfiguration", "s3.buckets"),
    ("s3:DeleteBucketLifecycle", "s3.buckets"),
    ("s3:PutBucketTagging", "s3.buckets"),
    ("s3:PutBucketPolicy", "s3.bucketPolicies"),
    ("s3:DeleteBucketPolicy", "s3.bucketPolicies"),
];

/// What is wrong with a changing request, given what was to be repaired.
pub fn wrong(request: &Recorded, repaired: &Repaired) -> Vec<String> {
    let name = format!("{}:{}", request.service, request.operation);
    if let Some((_, kind)) = DOCUMENTS.iter().find(|(operation, _)| *operation == name) {
        let id = request.path.trim_matches('/').split('/').next().unwrap_or_default();
        let of = |(of, thing, _): &&(String, String, String)| of == kind && (thing == id || name.starts_with("s3control:"));
        return if repaired.iter().any(|one| of(&one)) {
            Vec::new()
        } else {
            vec![format!("{request:?}: nothing of {id} was to be repaired")]
        };
    }
    let Some(line) = LINES.iter().find(|line| line.operation == name) else {
        return vec![format!("{name} has no line in the table of requests")];
    };
    let members = members(request);
    let ids: BTreeSet<&str> = repaired.iter().filter(|(kind, ..)| kind == line.kind).map(|(_, id, _)| id.as_str()).collect();
    let identity: String =
        members.iter().filter(|(member, _)| line.identity.contains(&member.as_str())).map(|(_, value)| value.as_str()).collect();
    // There is one detector. A parameter group is named after its instance, or is the instance's own: the account's difference tells.
    let only = line.kind == "guardduty.detector";
    let meant: Vec<&str> = ids.iter().copied().filter(|id| only || identity.contains(id) || name.contains("ParameterGroup")).collect();
    let mut wrong = Vec::new();
    if meant.is_empty() {
        wrong.push(format!("{request:?}: nothing of {identity:?} was to be repaired"));
    }
    for (member, _) in members.iter().filter(|(member, _)| !line.identity.contains(&member.as_str())) {
        let Some((_, fields)) = line.members.iter().find(|(known, _)| known == member) else {
            wrong.push(format!("{request:?}: it holds {member}, which nothing declared asks for"));
            continue;
        };
        let asked = repaired.iter().any(|(kind, id, field)| {
            kind == line.kind
                && meant.contains(&id.as_str())
                && fields.iter().any(|wanted| {
                    wanted.is_empty() || field == wanted || field.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
                })
        });
        if !asked {
            wrong.push(format!("{request:?}: it holds {member}, and none of {fields:?} was to be repaired"));
        }
    }
    wrong
}

/// The members of a request at its top, each with what identifies a thing in it.
fn members(request: &Recorded) -> BTreeSet<(String, String)> {
    if let Ok(Value::Object(body)) = serde_json::from_str::<Value>(&request.body) {
        return body.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    }
    let pairs = request.body.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, _)| !matches!(*name, "Action" | "Version"))
        .map(|(name, value)| (name.split('.').next().unwrap_or(name).to_owned(), value.to_owned()))
        .collect()
}
