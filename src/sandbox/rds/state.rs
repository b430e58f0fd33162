//! What RDS holds: instances, parameter groups, final snapshots.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::changes::Changes;

/// What this service holds, by (lower-case) identifier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// The databases by identifier.
    pub instances: BTreeMap<String, Instance>,
    /// The groups that somebody made. `default.*` groups are there without being listed.
    pub parameter_groups: BTreeMap<String, ParameterGroup>,
    /// Snapshots by identifier.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// How many groups there may be. Left out: 50, as it is before anybody has the quota raised.
    pub parameter_group_quota: Option<usize>,
}

/// A DB instance. What is left out of an account file is what AWS fills in on creation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Instance {
    /// `postgres` or `mysql`.
    pub engine: String,
    /// Left out or empty: the engine's default version.
    pub engine_version: String,
    /// The instance class.
    pub class: String,
    /// What it is doing.
    pub status: Status,
    /// The name of the administrator.
    pub master_username: String,
    /// The database in it. Left out: none.
    pub database_name: Option<String>,
    /// Left out: the engine's usual port.
    pub port: Option<i64>,
    /// GiB.
    pub allocated_storage: i64,
    /// How far storage grows by itself, in GiB. Left out: it does not.
    pub max_allocated_storage: Option<i64>,
    /// `gp2`, `gp3`, `io1`, ...
    pub storage_type: String,
    /// Provisioned I/O operations a second. Left out: what the storage type gives.
    pub iops: Option<i64>,
    /// Whether it is encrypted at rest: nothing changes that later.
    pub storage_encrypted: bool,
    /// The ARN of the key that it is encrypted with. Left out: none is named.
    pub kms_key_id: Option<String>,
    /// How many days backups are kept; 0: no backups.
    pub backup_retention: i64,
    /// When backups are taken: `hh:mm-hh:mm`, UTC.
    pub backup_window: String,
    /// When what waits for it is changed: `ddd:hh:mm-ddd:hh:mm`, UTC.
    pub maintenance_window: String,
    /// Whether another one stands by in a second zone.
    pub multi_az: bool,
    /// Whether its name has an address that the internet reaches.
    pub publicly_accessible: bool,
    /// Whether a deletion is refused.
    pub deletion_protection: bool,
    /// Whether its snapshots get its tags.
    pub copy_tags_to_snapshot: bool,
    /// Whether minor versions come by themselves.
    pub auto_minor_version_upgrade: bool,
    /// Whether IAM users can log in.
    pub iam_authentication: bool,
    /// Performance Insights.
    pub performance_insights: PerformanceInsights,
    /// Enhanced monitoring.
    pub monitoring: Monitoring,
    /// The logs that go to CloudWatch: `postgresql`, `upgrade`, ...
    pub log_exports: BTreeSet<String>,
    /// The authority of its certificate.
    pub ca_certificate: String,
    /// Left out or empty: the default group of the engine's family.
    pub parameter_group: String,
    /// The values beyond the engine's defaults that the database really runs with, whatever its group says.
    /// Left out: those of its group, or none where `pendingReboot` is written.
    pub parameters_in_force: Option<BTreeMap<String, String>>,
    /// Something of the group comes into force only with a reboot: `ParameterApplyStatus` is `pending-reboot`.
    pub pending_reboot: bool,
    /// Dynamic parameters on their way into force.
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
    pub applying: Option<Applying>,
    /// The ids of its security groups.
    pub vpc_security_groups: BTreeSet<String>,
    /// The name of its subnet group. Left out: none is shown.
    pub subnet_group: Option<String>,
    /// Left out or empty: the first of the region.
    pub availability_zone: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made. Left out: AWS does not say it.
    pub created_at: Option<Timestamp>,
    /// What is under way.
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
    pub work: Option<Work>,
    /// What goes on without keeping the instance from being used or changed.
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
    pub background: Option<Background>,
    /// What waits for the maintenance window.
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
    pub pending: Changes,
    /// When that window opens; worked out when it is first needed.
    #[schemars(extend("readOnly" = true))]
    pub pending_opens_at: Option<Timestamp>,
}

impl Default for Instance {
    fn default() -> Instance {
        Instance {
            engine: "postgres".to_owned(),
            engine_version: String::new(),
            class: "db.t3.medium".to_owned(),
            status: Status::Available,
            master_username: "postgres".to_owned(),
            database_name: None,
            port: None,
            allocated_storage: 20,
            max_allocated_storage: None,
            storage_type: "gp3".to_owned(),
            iops: None,
            storage_encrypted: false,
            kms_key_id: None,
            backup_retention: 1,
            backup_window: "03:00-03:30".to_owned(),
            maintenance_window: "sun:05:00-sun:05:30".to_owned(),
            multi_az: false,
            publicly_accessible: false,
            deletion_protection: false,
            copy_tags_to_snapshot: false,
            auto_minor_version_upgrade: true,
            iam_authentication: false,
            performance_insights: PerformanceInsights::default(),
            monitoring: Monitoring::default(),
            log_exports: BTreeSet::new(),
            ca_certificate: "rds-ca-rsa2048-g1".to_owned(),
            parameter_group: String::new(),
            parameters_in_force: None,
            pending_reboot: false,
            applying: None,
            vpc_security_groups: BTreeSet::new(),
            subnet_group: None,
            availability_zone: String::new(),
            tags: BTreeMap::new(),
            created_at: None,
            work: None,
            background: None,
            pending: Changes::default(),
            pending_opens_at: None,
        }
    }
}

/// `DBInstanceStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Available,
    BackingUp,
    ConfiguringEnhancedMonitoring,
    ConfiguringIamDatabaseAuth,
    ConfiguringLogExports,
    Creating,
    Deleting,
    Failed,
    IncompatibleParameters,
    Modifying,
    Rebooting,
    Starting,
    Stopped,
    Stopping,
    StorageFull,
    StorageOptimization,
    Upgrading,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Available => "available",
            Status::BackingUp => "backing-up",
            Status::ConfiguringEnhancedMonitoring => "configuring-enhanced-monitoring",
            Status::ConfiguringIamDatabaseAuth => "configuring-iam-database-auth",
            Status::ConfiguringLogExports => "configuring-log-exports",
            Status::Creating => "creating",
            Status::Deleting => "deleting",
            Status::Failed => "failed",
            Status::IncompatibleParameters => "incompatible-parameters",
            Status::Modifying => "modifying",
            Status::Rebooting => "rebooting",
            Status::Starting => "starting",
            Status::Stopped => "stopped",
            Status::Stopping => "stopping",
            Status::StorageFull => "storage-full",
            Status::StorageOptimization => "storage-optimization",
            Status::Upgrading => "upgrading",
        }
    }

    /// Whether a modify is accepted.
    pub fn accepts_changes(self) -> bool {
        matches!(self, Status::Available | Status::BackingUp | Status::StorageOptimization)
    }
}

/// Something that takes its time and that the instance's status shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Work {
    pub status: Status,
    /// From when the status shows it.
    pub starts_at: Timestamp,
    pub ready_at: Timestamp,
    /// What is true afterwards.
    #[serde(default)]
    pub changes: Changes,
    /// The values that the database read as it started again, where it did.
    #[serde(default)]
    pub boot: Option<BTreeMap<String, String>>,
    pub then: Status,
}

/// `backing-up` or `storage-optimization`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Background {
    pub status: Status,
    pub ready_at: Timestamp,
}

/// Dynamic parameters that come into force at `until`; None where one goes back to its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Applying {
    pub until: Timestamp,
    #[serde(default)]
    pub values: BTreeMap<String, Option<String>>,
}

/// Performance Insights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PerformanceInsights {
    /// Whether it is on.
    pub enabled: bool,
    /// The key that its data is encrypted with. Left out: AWS's own.
    pub kms_key_id: Option<String>,
    /// How many days its data is kept. Left out: 7.
    pub retention_period: Option<i64>,
}

/// Enhanced monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Monitoring {
    /// Every how many seconds; 0: off.
    pub interval: i64,
    /// The role that it writes logs with. Left out: none.
    pub role_arn: Option<String>,
}

/// A parameter group that somebody made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ParameterGroup {
    /// What it is for: `postgres14`.
    pub family: String,
    /// What somebody said of it.
    pub description: String,
    /// What was set by a user.
    #[serde(deserialize_with = "scalars")]
    #[schemars(with = "BTreeMap<String, Scalar>")]
    pub parameters: BTreeMap<String, String>,
    /// Which of them were set with the method `immediate`.
    pub immediate: BTreeSet<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Until then a database that starts with this group reads the engine's defaults instead.
    #[schemars(extend("readOnly" = true))]
    pub complete_at: Option<Timestamp>,
}

/// A final snapshot: only its name matters here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Snapshot {
    /// The database that it was taken from.
    pub instance: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// A value as people write it in YAML: `rds.force_ssl: 1` is the text `1`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Whole(i64),
    Real(f64),
}

/// Such values as texts.
fn scalars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
    let text = |value| match value {
        Scalar::Text(text) => text,
        Scalar::Whole(number) => number.to_string(),
        Scalar::Real(number) => number.to_string(),
    };
    Ok(values.into_iter().map(|(name, value)| (name, text(value))).collect())
}
