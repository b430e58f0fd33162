//! What was observed of one instance.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbInstance, PendingModifiedValues};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::brings::Waiting;
use super::spec::InstanceSpec;
use super::values::Parameter;
use crate::kinds::Fact;

/// What is known of one instance and of what stands around it.
#[derive(Default)]
pub struct Seen {
    pub instance: Fact<Instance>,
    /// What of that which waits for the maintenance window counts as found; see `Pending::counting`.
    pub counts: Pending,
    /// The parameters of the group that is attached.
    pub attached: Fact<BTreeMap<String, Parameter>>,
    /// What of that group a restart may put in force; read where one may be planned.
    pub waiting: Fact<Waiting>,
    /// The declared ones among them, as they are compared.
    pub parameters: Fact<Map<String, Value>>,
    /// The attached group's family (`postgres15`); not asked for where the attached group is the instance's own.
    pub family: Fact<String>,
    /// The group that holdfast makes for this instance alone, where it is not attached (yet).
    pub own: Fact<OwnGroup>,
    /// The key of Performance Insights, in the manifest's words where it is the declared one.
    pub insights_key: Fact<String>,
    /// The key of the storage, in the manifest's words where it is the declared one.
    pub storage_key: Fact<String>,
    /// What the engine's version can do; read only where it is needed to plan.
    pub engine: Fact<Engine>,
}

/// What a version of an engine can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    pub rotates_certificate_without_restart: bool,
    pub log_types: Vec<String>,
}

/// A parameter group with the name that this instance's own one has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnGroup {
    pub name: String,
    pub family: String,
    /// It carries holdfast's tags.
    pub ours: bool,
    /// It was made long enough ago to be used.
    pub complete: bool,
    /// The instances that use it.
    pub users: Vec<String>,
    pub parameters: BTreeMap<String, Parameter>,
}

/// A DB instance, in the manifest's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    pub id: String,
    pub arn: Option<String>,
    pub status: String,
    pub engine: Option<String>,
    pub engine_version: Option<String>,
    /// The cluster that it is a member of (Aurora, Multi-AZ DB clusters, Neptune, DocumentDB).
    pub cluster: Option<String>,
    pub group: Option<Attached>,
    pub allocated_gib: Option<i32>,
    pub backup_retention_days: Option<i32>,
    pub backup_window: Option<String>,
    pub maintenance_window: Option<String>,
    pub multi_az: bool,
    pub max_allocated_storage_gib: Option<i32>,
    pub deletion_protection: bool,
    pub insights_enabled: bool,
    pub insights_key: Option<String>,
    pub insights_days: Option<i32>,
    pub monitoring_seconds: i32,
    pub monitoring_role: Option<String>,
    pub log_exports: Vec<String>,
    pub publicly_accessible: Option<bool>,
    pub iam_authentication: bool,
    pub auto_minor_version_upgrade: bool,
    pub copy_tags_to_snapshots: bool,
    pub ca_certificate: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub encrypted: bool,
    pub storage_key: Option<String>,
    pub pending: Pending,
}

/// The parameter group of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    pub name: String,
    /// `ParameterApplyStatus`: `in-sync`, `applying`, `pending-reboot`, `pending-database-upgrade`, `failed-to-apply`.
    pub status: String,
    /// The other instances of the account and region that use it.
    pub others: Vec<String>,
}

/// What waits for the maintenance window (`PendingModifiedValues`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    pub backup_retention_days: Option<i32>,
    pub multi_az: Option<bool>,
    pub iam_authentication: Option<bool>,
    pub ca_certificate: Option<String>,
    /// Logs that are being turned on.
    pub log_exports: Vec<String>,
    /// What else waits, in words: a change of the class, a new engine version.
    pub others: Vec<&'static str>,
}

impl Instance {
    /// Reads an answer. A protective switch that the answer leaves out is off: nothing says that it protects.
    pub fn read(instance: &DbInstance, all: &[DbInstance]) -> Instance {
        let id = instance.db_instance_identifier().unwrap_or_default().to_owned();
        let group = instance.db_parameter_groups().iter().find_map(|group| {
            let name = group.db_parameter_group_name()?.to_owned();
            let others = users(all, &name).into_iter().filter(|user| *user != id).collect();
            Some(Attached { name, status: group.parameter_apply_status().unwrap_or_default().to_owned(), others })
        });
        let insights_enabled = instance.performance_insights_enabled().unwrap_or(false);
        let monitoring_seconds = instance.monitoring_interval().unwrap_or(0);
        // `none` or nothing: not encrypted. `sse-rds`: with a key that AWS owns, while StorageEncrypted may be false (both: DBInstance in the model).
        let kind = instance.storage_encryption_type().map(|kind| kind.as_str());
        let encrypted = instance.storage_encrypted().unwrap_or(false) || matches!(kind, Some("sse-rds" | "sse-kms"));
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Instance {
            arn: text(instance.db_instance_arn()),
            status: instance.db_instance_status().unwrap_or_default().to_owned(),
            engine: text(instance.engine()),
            engine_version: text(instance.engine_version()),
            cluster: text(instance.db_cluster_identifier()),
            group,
            allocated_gib: instance.allocated_storage(),
            backup_retention_days: instance.backup_retention_period(),
            backup_window: text(instance.preferred_backup_window()),
            maintenance_window: text(instance.preferred_maintenance_window()),
            multi_az: instance.multi_az().unwrap_or(false),
            max_allocated_storage_gib: instance.max_allocated_storage(),
            deletion_protection: instance.deletion_protection().unwrap_or(false),
            insights_enabled,
            // What is left of an earlier use does not count while it is off.
            insights_key: text(instance.performance_insights_kms_key_id()).filter(|_| insights_enabled),
            insights_days: instance.performance_insights_retention_period().filter(|_| insights_enabled),
            monitoring_seconds,
            monitoring_role: text(instance.monitoring_role_arn()).filter(|_| monitoring_seconds > 0),
            log_exports: instance.enabled_cloudwatch_logs_exports().to_vec(),
            publicly_accessible: instance.publicly_accessible(),
            iam_authentication: instance.iam_database_authentication_enabled().unwrap_or(false),
            auto_minor_version_upgrade: instance.auto_minor_version_upgrade().unwrap_or(false),
            copy_tags_to_snapshots: instance.copy_tags_to_snapshot().unwrap_or(false),
            ca_certificate: text(instance.ca_certificate_identifier()),
            tags: instance
                .tag_list()
                .iter()
                .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
                .collect(),
            encrypted,
            storage_key: text(instance.kms_key_id()),
            pending: instance.pending_modified_values().map(Pending::read).unwrap_or_default(),
            id,
        }
    }
}

/// The instances that use a parameter group.
pub fn users(all: &[DbInstance], group: &str) -> Vec<String> {
    let uses = |instance: &&DbInstance| instance.db_parameter_groups().iter().any(|used| used.db_parameter_group_name() == Some(group));
    all.iter().filter(uses).filter_map(|instance| instance.db_instance_identifier().map(str::to_owned)).collect()
}

impl Pending {
    fn read(pending: &PendingModifiedValues) -> Pending {
        // The password's bytes are never looked at; that one waits is enough.
        let others = [
            (pending.db_instance_class().is_some(), "another instance class"),
            (pending.allocated_storage().is_some(), "more storage"),
            (pending.master_user_password().is_some(), "another master password"),
            (pending.port().is_some(), "another port"),
            (pending.engine_version().is_some() || pending.engine().is_some(), "another engine version"),
            (pending.license_model().is_some(), "another licence model"),
            (pending.iops().is_some() || pending.storage_throughput().is_some(), "other provisioned I/O"),
            (pending.db_instance_identifier().is_some(), "another name"),
            (pending.storage_type().is_some() || !pending.additional_storage_volumes().is_empty(), "other storage"),
            (pending.db_subnet_group_name().is_some(), "another subnet group"),
            (!pending.processor_features().is_empty(), "other processor features"),
            (pending.multi_tenant().is_some(), "another tenancy"),
            (pending.dedicated_log_volume().is_some(), "another log volume"),
        ];
        Pending {
            backup_retention_days: pending.backup_retention_period(),
            multi_az: pending.multi_az(),
            iam_authentication: pending.iam_database_authentication_enabled(),
            ca_certificate: pending.ca_certificate_identifier().map(str::to_owned),
            log_exports: pending.pending_cloudwatch_logs_exports().map(|logs| logs.log_types_to_enable().to_vec()).unwrap_or_default(),
            others: others.into_iter().filter(|(waits, _)| *waits).map(|(_, what)| what).collect(),
        }
    }

    /// What of it counts as found: all of it where the manifest leaves changes to the maintenance window, as a change that waits is
    /// made then; else that which will undo what is declared and found.
    pub fn counting(&self, spec: &InstanceSpec, instance: &Instance) -> Pending {
        if spec.waits() {
            return self.clone();
        }
        fn undoes<T: PartialEq>(wanted: &Option<T>, found: Option<&T>, pending: &Option<T>) -> bool {
            wanted.is_some() && wanted.as_ref() == found && pending != wanted
        }
        let days = spec.backup_retention_days;
        let shortens = days.is_some() && instance.backup_retention_days >= days && self.backup_retention_days < days;
        let multi_az = undoes(&spec.multi_az, Some(&instance.multi_az), &self.multi_az);
        let iam = undoes(&spec.iam_authentication, Some(&instance.iam_authentication), &self.iam_authentication);
        let certificate = undoes(&spec.ca_certificate, instance.ca_certificate.as_ref(), &self.ca_certificate);
        Pending {
            backup_retention_days: self.backup_retention_days.filter(|_| shortens),
            multi_az: self.multi_az.filter(|_| multi_az),
            iam_authentication: self.iam_authentication.filter(|_| iam),
            ca_certificate: self.ca_certificate.clone().filter(|_| certificate),
            ..Pending::default()
        }
    }

    /// Whether one of these, in the words of `besides`, restarts the instance as it is made.
    pub fn restarts(besides: &[&str]) -> bool {
        // Storage grows, a password changes, backups and IAM are switched without one. <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ModifyInstance.Settings.html>
        const WITHOUT: &[&str] = &[
            "another backup retention",
            "a change of Multi-AZ",
            "a change of IAM authentication",
            "more storage",
            "another master password",
            "other provisioned I/O",
            "other storage",
        ];
        besides.iter().any(|what| !WITHOUT.contains(what))
    }

    /// What waits besides changes of `fields`, in words: a change that is made at once takes all of it along.
    pub fn besides(&self, fields: &[&str]) -> Vec<&'static str> {
        let ours = [
            (self.backup_retention_days.is_some(), "backupRetentionDays", "another backup retention"),
            (self.multi_az.is_some(), "multiAz", "a change of Multi-AZ"),
            (self.iam_authentication.is_some(), "iamAuthentication", "a change of IAM authentication"),
            (self.ca_certificate.is_some(), "caCertificate", "another CA certificate"),
        ];
        let ours = ours.into_iter().filter(|(waits, path, _)| *waits && !fields.contains(path)).map(|(_, _, what)| what);
        ours.chain(self.others.iter().copied()).collect()
    }
}

impl Seen {
    /// A fact of the instance.
    pub fn of<T: Serialize>(&self, get: impl FnOnce(&Instance) -> Option<T>) -> Fact<Value> {
        self.instance.as_ref().and_then(|instance| Fact::given(get(instance).map(|value| json!(value))))
    }

    /// A fact of the instance that may wait for the maintenance window, by what counts of that.
    pub fn or_waiting<T: Serialize>(
        &self,
        get: impl FnOnce(&Instance) -> Option<T>,
        waiting: impl FnOnce(&Pending) -> Option<T>,
    ) -> Fact<Value> {
        self.of(|instance| waiting(&self.counts).or_else(|| get(instance)))
    }
}

/// What an instance's status means for those who want to change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes changes.
    Ready,
    /// Something is under way that ends by itself.
    Busy,
    /// A person must see to it.
    Stuck,
    /// A status that holdfast does not know.
    Strange,
}

impl State {
    /// By the user guide's list ("Viewing Amazon RDS DB instance status").
    pub fn of(status: &str) -> State {
        match status {
            "available" | "backing-up" | "storage-optimization" | "storage-initialization" => State::Ready,
            "creating"
            | "modifying"
            | "rebooting"
            | "renaming"
            | "upgrading"
            | "maintenance"
            | "starting"
            | "stopping"
            | "resetting-master-credentials"
            | "converting-to-vpc"
            | "moving-to-vpc"
            | "storage-config-upgrade" => State::Busy,
            "stopped" | "failed" | "deleting" | "delete-precheck" | "storage-full" | "insufficient-capacity" | "restore-error" => {
                State::Stuck
            }
            _ if status.starts_with("configuring-") => State::Busy,
            _ if status.starts_with("incompatible-") || status.starts_with("inaccessible-") => State::Stuck,
            _ => State::Strange,
        }
    }
}
