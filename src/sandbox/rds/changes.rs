//! The values that a modify sets and that do not come true at once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::state::{Instance, Monitoring, PerformanceInsights, Status};
use super::{engines, times};

/// New values for members of an instance; None leaves a member as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Changes {
    // These wait for the maintenance window unless `ApplyImmediately` is set.
    pub class: Option<String>,
    pub allocated_storage: Option<i64>,
    pub storage_type: Option<String>,
    pub iops: Option<i64>,
    pub backup_retention: Option<i64>,
    pub multi_az: Option<bool>,
    pub engine_version: Option<String>,
    /// The group that a major upgrade moves to.
    pub parameter_group: Option<String>,
    pub ca_certificate: Option<String>,
    pub iam_authentication: Option<bool>,
    // These never wait.
    pub publicly_accessible: Option<bool>,
    pub performance_insights: Option<PerformanceInsights>,
    pub monitoring: Option<Monitoring>,
    pub log_exports: Option<BTreeSet<String>>,
    pub vpc_security_groups: Option<BTreeSet<String>>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    /// Takes over what `later` sets.
    pub fn merge(&mut self, later: Changes) {
        fn take<T>(slot: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *slot = later;
            }
        }
        take(&mut self.class, later.class);
        take(&mut self.allocated_storage, later.allocated_storage);
        take(&mut self.storage_type, later.storage_type);
        take(&mut self.iops, later.iops);
        take(&mut self.backup_retention, later.backup_retention);
        take(&mut self.multi_az, later.multi_az);
        take(&mut self.engine_version, later.engine_version);
        take(&mut self.parameter_group, later.parameter_group);
        take(&mut self.ca_certificate, later.ca_certificate);
        take(&mut self.iam_authentication, later.iam_authentication);
        take(&mut self.publicly_accessible, later.publicly_accessible);
        take(&mut self.performance_insights, later.performance_insights);
        take(&mut self.monitoring, later.monitoring);
        take(&mut self.log_exports, later.log_exports);
        take(&mut self.vpc_security_groups, later.vpc_security_groups);
    }

    /// Makes the changes true. A major upgrade without a group of its own moves the instance to the default group of the
    /// new family.
    pub fn apply(self, instance: &mut Instance) {
        fn put<T>(slot: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *slot = value;
            }
        }
        let family = engines::family(&instance.engine, &instance.engine_version);
        put(&mut instance.class, self.class);
        put(&mut instance.allocated_storage, self.allocated_storage);
        put(&mut instance.storage_type, self.storage_type);
        put(&mut instance.backup_retention, self.backup_retention);
        put(&mut instance.multi_az, self.multi_az);
        put(&mut instance.engine_version, self.engine_version);
        put(&mut instance.ca_certificate, self.ca_certificate);
        put(&mut instance.iam_authentication, self.iam_authentication);
        put(&mut instance.publicly_accessible, self.publicly_accessible);
        put(&mut instance.performance_insights, self.performance_insights);
        put(&mut instance.monitoring, self.monitoring);
        put(&mut instance.log_exports, self.log_exports);
        put(&mut instance.vpc_security_groups, self.vpc_security_groups);
        if self.iops.is_some() {
            instance.iops = self.iops;
        }
        let new_family = engines::family(&instance.engine, &instance.engine_version);
        if new_family != family {
            instance.parameter_group = self.parameter_group.unwrap_or_else(|| format!("default.{new_family}"));
        }
    }

    /// Whether the volume changes.
    pub fn storage(&self) -> bool {
        self.allocated_storage.is_some() || self.storage_type.is_some() || self.iops.is_some()
    }

    /// The status that the instance shows meanwhile.
    pub fn status(&self) -> Status {
        if self.engine_version.is_some() {
            return Status::Upgrading;
        }
        let only = |changes: Changes| *self == changes;
        if only(Changes { log_exports: self.log_exports.clone(), ..Changes::default() }) {
            Status::ConfiguringLogExports
        } else if only(Changes { monitoring: self.monitoring.clone(), ..Changes::default() }) {
            Status::ConfiguringEnhancedMonitoring
        } else if only(Changes { iam_authentication: self.iam_authentication, ..Changes::default() }) {
            Status::ConfiguringIamDatabaseAuth
        } else {
            Status::Modifying
        }
    }

    /// How long it takes.
    pub fn length(&self) -> Duration {
        if self.engine_version.is_some() {
            times::UPGRADE
        } else if self.class.is_some() || self.storage() || self.multi_az.is_some() || self.ca_certificate.is_some() {
            times::MODIFY
        } else {
            times::MODIFY_BRIEFLY
        }
    }
}
