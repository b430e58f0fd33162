//! What RDS holds: instances, parameter groups, final snapshots.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::changes::Changes;

/// What this service holds, by (lower-case) identifier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    pub instances: BTreeMap<String, Instance>,
    /// The groups that somebody made. `default.*` groups are there without being listed.
    pub parameter_groups: BTreeMap<String, ParameterGroup>,
    pub snapshots: BTreeMap<String, Snapshot>,
    /// How many groups there may be; None: 50, as it is before anybody has the quota raised.
    pub parameter_group_quota: Option<usize>,
}

/// A DB instance. What is left out of an account file is what AWS fills in on creation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Instance {
    pub engine: String,
    /// Empty: the engine's default version.
    pub engine_version: String,
    pub class: String,
    pub status: Status,
    pub master_username: String,
    pub database_name: Option<String>,
    /// None: the engine's usual port.
    pub port: Option<i64>,
    /// GiB.
    pub allocated_storage: i64,
    /// GiB; None: storage does not grow by itself.
    pub max_allocated_storage: Option<i64>,
    pub storage_type: String,
    pub iops: Option<i64>,
    pub storage_encrypted: bool,
    pub kms_key_id: Option<String>,
    /// Days; 0: no backups.
    pub backup_retention: i64,
    /// `hh:mm-hh:mm`, UTC.
    pub backup_window: String,
    /// `ddd:hh:mm-ddd:hh:mm`, UTC.
    pub maintenance_window: String,
    pub multi_az: bool,
    pub publicly_accessible: bool,
    pub deletion_protection: bool,
    pub copy_tags_to_snapshot: bool,
    pub auto_minor_version_upgrade: bool,
    pub iam_authentication: bool,
    pub performance_insights: PerformanceInsights,
    pub monitoring: Monitoring,
    pub log_exports: BTreeSet<String>,
    pub ca_certificate: String,
    /// Empty: the default group of the engine's family.
    pub parameter_group: String,
    /// The values beyond the engine's defaults that the database really runs with, whatever its group says.
    /// Left out: those of its group, or none where `pendingReboot` is written.
    pub parameters_in_force: Option<BTreeMap<String, String>>,
    /// Something of the group comes into force only with a reboot: `ParameterApplyStatus` is `pending-reboot`.
    pub pending_reboot: bool,
    /// Dynamic parameters on their way into force.
    pub applying: Option<Applying>,
    pub vpc_security_groups: BTreeSet<String>,
    pub subnet_group: Option<String>,
    /// Empty: the first of the region.
    pub availability_zone: String,
    pub tags: BTreeMap<String, String>,
    pub created_at: Option<Timestamp>,
    /// What is under way.
    pub work: Option<Work>,
    /// What goes on without keeping the instance from being used or changed.
    pub background: Option<Background>,
    /// What waits for the maintenance window.
    pub pending: Changes,
    /// When that window opens; worked out when it is first needed.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PerformanceInsights {
    pub enabled: bool,
    pub kms_key_id: Option<String>,
    /// Days; None: 7.
    pub retention_period: Option<i64>,
}

/// Enhanced monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Monitoring {
    /// Seconds; 0: off.
    pub interval: i64,
    pub role_arn: Option<String>,
}

/// A parameter group that somebody made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ParameterGroup {
    /// `postgres14`.
    pub family: String,
    pub description: String,
    /// What was set by a user.
    #[serde(deserialize_with = "scalars")]
    pub parameters: BTreeMap<String, String>,
    /// Which of them were set with the method `immediate`.
    pub immediate: BTreeSet<String>,
    pub tags: BTreeMap<String, String>,
    /// Until then a database that starts with this group reads the engine's defaults instead.
    pub complete_at: Option<Timestamp>,
}

/// A final snapshot: only its name matters here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Snapshot {
    pub instance: String,
    pub encrypted: bool,
}

/// Values as people write them in YAML: `rds.force_ssl: 1` is the text `1`.
fn scalars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Text(String),
        Whole(i64),
        Real(f64),
    }
    let values = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
    let text = |value| match value {
        Scalar::Text(text) => text,
        Scalar::Whole(number) => number.to_string(),
        Scalar::Real(number) => number.to_string(),
    };
    Ok(values.into_iter().map(|(name, value)| (name, text(value))).collect())
}
