//! What a step does, as data, and how it is begun.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{ApplyMethod, CloudwatchLogsExportConfiguration, Parameter, Tag};
use serde::{Deserialize, Serialize};

use super::observe::{MADE_TAG, OBJECT_TAG, OWNER_TAG};
use crate::aws::{CallError, Class, Writes};

/// One change of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Op {
    /// Makes the instance's own parameter group.
    CreateGroup {
        instance: String,
        group: String,
        family: String,
        /// The group that it is a copy of; none for a `default.*` group, which RDS does not copy and which holds the engine's defaults.
        #[serde(skip_serializing_if = "Option::is_none")]
        copy_of: Option<String>,
        /// The object that it is made for: its tag.
        object: String,
    },
    /// Sets parameters of a group, at most 20 at once.
    SetParameters {
        group: String,
        settings: Vec<Setting>,
        /// The other instances that were seen to use the group: they get the values too, and consent is to that. In alphabetical order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        users: Vec<String>,
    },
    /// Sets parameters of a group back to the engine's defaults, at most 20 at once.
    ResetParameters {
        group: String,
        parameters: Vec<Resetting>,
        /// As of `SetParameters`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        users: Vec<String>,
    },
    /// Has the instance use a group in the place of the one that it `was` using as it was planned.
    Attach { instance: String, group: String, was: String },
    /// Waits until RDS has applied the group that the instance has, as an earlier run or somebody else asked for. Nothing is sent.
    Settle { group: String },
    /// Restarts the instance, without failover: only that puts a group's parameters in force.
    Reboot {
        instance: String,
        group: String,
        /// The plan changes the group before: that the instance says `in-sync` before the restart proves nothing then, as it notices a change late.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        changed: bool,
        /// The declared values that only a restart puts in force: consent to one is not consent to another that is declared since.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        declared: BTreeMap<String, String>,
        /// What the group sets besides what is declared and a restart may put in force, with the values: consent is to that, too.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        brings: BTreeMap<String, String>,
    },
    /// Changes settings of the instance.
    Modify {
        instance: String,
        changes: Changes,
        timing: Timing,
        /// Where it restarts the instance, or may: the same as of `Reboot`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        brings: Option<BTreeMap<String, String>>,
    },
    /// Sets and takes away tags of the instance.
    Tag {
        arn: String,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        set: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove: Vec<String>,
    },
    /// Deletes an own group that was made and never attached: the undoing of `CreateGroup`.
    DeleteGroup { group: String },
}

/// When RDS makes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Timing {
    /// As soon as it can, whatever the request says; it is sent without `ApplyImmediately`, which would make everything that waits
    /// for the maintenance window happen now (user guide, "Settings for DB instances": which settings ignore it).
    Regardless,
    /// With `ApplyImmediately`.
    Immediately,
    /// In the next maintenance window.
    MaintenanceWindow,
}

/// "A maximum of 20 parameters can be modified in a single request" (ModifyDBParameterGroup).
pub const MOST_PARAMETERS: usize = 20;

/// A parameter's new value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    pub name: String,
    pub value: String,
    /// A restart puts it in force: it is static, so that `immediate` would be refused, or it waits for one in the group that this is to be a copy of.
    pub restarts: bool,
}

/// A parameter that is set back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resetting {
    pub name: String,
    /// It is static, as in [`Setting`].
    pub restarts: bool,
}

/// What is changed of an instance; what is left out is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Changes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_retention_days: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_az: Option<bool>,
    #[serde(rename = "maxAllocatedStorageGiB", skip_serializing_if = "Option::is_none")]
    pub max_allocated_storage_gib: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_insights: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_insights_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_insights_days: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring_seconds: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring_role: Option<String>,
    /// Logs to be turned on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_exports: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publicly_accessible: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_authentication: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_minor_version_upgrade: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_tags_to_snapshots: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<String>,
}

/// Begins `op`. Sent twice it does no harm: values are set to the same again, and a group that is there already is judged by
/// [`super::progress`] before it is used.
pub async fn start(writes: &Writes, op: &Op) -> Result<(), CallError> {
    let rds = writes.rds();
    match op {
        Op::CreateGroup { instance, group, family, copy_of, object } => {
            let description = format!("Parameters of {instance}, kept by holdfast");
            let tags = vec![tag(OWNER_TAG.0, OWNER_TAG.1), tag(OBJECT_TAG, object), tag(MADE_TAG, &writes.now().to_string())];
            let answer = match copy_of {
                Some(source) => rds
                    .copy_db_parameter_group(|request| {
                        request
                            .source_db_parameter_group_identifier(source)
                            .target_db_parameter_group_identifier(group)
                            .target_db_parameter_group_description(description)
                            .set_tags(Some(tags))
                    })
                    .await
                    .map(drop),
                None => rds
                    .create_db_parameter_group(|request| {
                        request
                            .db_parameter_group_name(group)
                            .db_parameter_group_family(family)
                            .description(description)
                            .set_tags(Some(tags))
                    })
                    .await
                    .map(drop),
            };
            match answer {
                Err(error) if error.class == Class::AlreadyExists => Ok(()),
                answer => answer,
            }
        }
        Op::SetParameters { group, settings, .. } => {
            let parameters = settings.iter().map(|setting| {
                Parameter::builder()
                    .parameter_name(&setting.name)
                    .parameter_value(&setting.value)
                    .apply_method(method(setting.restarts))
                    .build()
            });
            let parameters = parameters.collect();
            let answer =
                rds.modify_db_parameter_group(|request| request.db_parameter_group_name(group).set_parameters(Some(parameters))).await;
            soon(answer.map(drop))
        }
        Op::ResetParameters { group, parameters, .. } => {
            let parameters =
                parameters.iter().map(|one| Parameter::builder().parameter_name(&one.name).apply_method(method(one.restarts)).build());
            let parameters = parameters.collect();
            // "By default, all parameters in the DB parameter group are reset" (ResetDBParameterGroup): it is said that they are not.
            let answer = rds
                .reset_db_parameter_group(|request| {
                    request.db_parameter_group_name(group).reset_all_parameters(false).set_parameters(Some(parameters))
                })
                .await;
            soon(answer.map(drop))
        }
        Op::Attach { instance, group, .. } => {
            let answer = rds
                .modify_db_instance(|request| {
                    request.db_instance_identifier(instance).db_parameter_group_name(group).apply_immediately(false)
                })
                .await;
            soon(answer.map(drop))
        }
        Op::Settle { .. } => Ok(()),
        Op::Reboot { instance, .. } => {
            rds.reboot_db_instance(|request| request.db_instance_identifier(instance).force_failover(false)).await.map(drop)
        }
        Op::Modify { instance, changes, timing, .. } => modify(writes, instance, changes, *timing == Timing::Immediately).await,
        Op::Tag { arn, set, remove } => {
            if !set.is_empty() {
                let tags = set.iter().map(|(key, value)| tag(key, value)).collect();
                rds.add_tags_to_resource(|request| request.resource_name(arn).set_tags(Some(tags))).await?;
            }
            if !remove.is_empty() {
                rds.remove_tags_from_resource(|request| request.resource_name(arn).set_tag_keys(Some(remove.clone()))).await?;
            }
            Ok(())
        }
        Op::DeleteGroup { group } => match rds.delete_db_parameter_group(|request| request.db_parameter_group_name(group)).await {
            Err(error) if error.class == Class::NotFound => Ok(()),
            answer => answer.map(drop),
        },
    }
}

/// Sends the changed settings and nothing else.
async fn modify(writes: &Writes, instance: &str, changes: &Changes, immediately: bool) -> Result<(), CallError> {
    let changes = changes.clone();
    let logs = (!changes.log_exports.is_empty())
        .then(|| CloudwatchLogsExportConfiguration::builder().set_enable_log_types(Some(changes.log_exports)).build());
    writes
        .rds()
        .modify_db_instance(|request| {
            request
                .db_instance_identifier(instance)
                .apply_immediately(immediately)
                .set_backup_retention_period(changes.backup_retention_days)
                .set_preferred_backup_window(changes.backup_window)
                .set_preferred_maintenance_window(changes.maintenance_window)
                .set_multi_az(changes.multi_az)
                .set_max_allocated_storage(changes.max_allocated_storage_gib)
                .set_deletion_protection(changes.deletion_protection)
                .set_enable_performance_insights(changes.performance_insights)
                .set_performance_insights_kms_key_id(changes.performance_insights_key)
                .set_performance_insights_retention_period(changes.performance_insights_days)
                .set_monitoring_interval(changes.monitoring_seconds)
                .set_monitoring_role_arn(changes.monitoring_role)
                .set_cloudwatch_logs_export_configuration(logs)
                .set_publicly_accessible(changes.publicly_accessible)
                .set_enable_iam_database_authentication(changes.iam_authentication)
                .set_auto_minor_version_upgrade(changes.auto_minor_version_upgrade)
                .set_copy_tags_to_snapshot(changes.copy_tags_to_snapshots)
                .set_ca_certificate_identifier(changes.ca_certificate)
        })
        .await
        .map(drop)
}

/// A parameter group that was made a moment ago may not be found yet: that is for later, no error.
fn soon(answer: Result<(), CallError>) -> Result<(), CallError> {
    answer.map_err(|mut error| {
        if error.code.starts_with("DBParameterGroupNotFound") {
            error.class = Class::Busy;
        }
        error
    })
}

fn method(restarts: bool) -> ApplyMethod {
    if restarts { ApplyMethod::PendingReboot } else { ApplyMethod::Immediate }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}
