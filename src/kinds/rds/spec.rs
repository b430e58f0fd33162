//! What the manifest can say of one instance.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::values::plain;
use super::window;
use crate::kinds::{Scope, SpecProblem, tags};
use crate::manifest::FieldPath;

/// An RDS DB instance. Every field is optional: what is left out is neither read nor changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceSpec {
    /// The label of this entry. It is the instance's identifier too, where `instance` is left out.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["huntaze-db"]))]
    pub name: String,
    /// The DB instance identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z][a-zA-Z0-9-]*$"), extend("examples" = ["huntaze-db"]))]
    pub instance: Option<String>,
    /// Database parameters (`rds.force_ssl: 1`) and their values. They are set through a parameter group; `true`, `on` and `1` mean the
    /// same, and `null` sets one back to the engine's default. Parameters that are not named keep what they have.
    ///
    /// They are declared to be in force, which is compared as `parametersInForce`: RDS tells one status for a whole group, and they count as in force when
    /// that is `in-sync`. Where something waits in the group and may be one of them (one that needs a restart is declared, or the group is the instance's
    /// own), the restart is a disruptive step. Where none of them needs a restart, what waits is most likely somebody else's, set for a restart at a time of
    /// their own: the difference is shown, and the restart waits for consent under `policy.disruptive: Allow` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 200))]
    pub parameters: Option<BTreeMap<String, Option<ParameterValue>>>,
    /// Whether a parameter group may be changed that other instances use as well whose parameters nobody asked to change: those outside this
    /// manifest, and those in it without `parameters`. Left out or `Deny`: the instance gets a group of its own instead, a copy with what is declared.
    /// Where every instance that uses the group declares `parameters` here, it is changed in place in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_parameter_group: Option<SharedParameterGroup>,
    /// For how many days automated backups are kept, at least. 0 turns nothing off: more found satisfies less declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 35))]
    pub backup_retention_days: Option<i32>,
    /// The daily window of automated backups, in UTC: `03:00-04:00`, 30 minutes or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 11), regex(pattern = "^([01]?[0-9]|2[0-3]):[0-5][0-9]-([01]?[0-9]|2[0-3]):[0-5][0-9]$"), extend("examples" = ["03:00-04:00"]))]
    pub backup_window: Option<String>,
    /// The weekly maintenance window, in UTC: `sun:04:30-sun:05:30`, 30 minutes or more, apart from the backup window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 19),
        regex(pattern = "^[A-Za-z]{3}:([01]?[0-9]|2[0-3]):[0-5][0-9]-[A-Za-z]{3}:([01]?[0-9]|2[0-3]):[0-5][0-9]$"),
        extend("examples" = ["sun:04:00-sun:05:00"])
    )]
    pub maintenance_window: Option<String>,
    /// Whether a standby in another Availability Zone is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_az: Option<bool>,
    /// Up to how many GiB the storage may grow by itself, at least. It must exceed what is allocated by 10 %.
    #[serde(rename = "maxAllocatedStorageGiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 20, max = 65536))]
    pub max_allocated_storage_gib: Option<i32>,
    /// Whether the instance is guarded against deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// Performance Insights: the database's load, recorded by statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_insights: Option<PerformanceInsights>,
    /// Enhanced monitoring: the operating system's figures, sent to CloudWatch Logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced_monitoring: Option<EnhancedMonitoring>,
    /// The logs that go to CloudWatch Logs (`postgresql`, `upgrade`; for MySQL `error`, `general`, `slowquery`, `audit`). Others that go
    /// there already are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 64)))]
    pub log_exports: Option<Vec<String>>,
    /// Whether the endpoint resolves to a public address outside its network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publicly_accessible: Option<bool>,
    /// Whether IAM identities may sign in to the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_authentication: Option<bool>,
    /// Whether minor engine versions are installed by themselves, in the maintenance window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_minor_version_upgrade: Option<bool>,
    /// Whether snapshots carry the instance's tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_tags_to_snapshots: Option<bool>,
    /// The certificate authority of the server's certificate: `rds-ca-rsa2048-g1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub ca_certificate: Option<String>,
    /// Tags and their values; `null` takes a tag away. Tags that are not named are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// Encryption of the storage. It is fixed when an instance is made: a difference is reported, and never repaired in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_encrypted: Option<StorageEncrypted>,
    /// When changes that AWS lets wait (Multi-AZ, the CA certificate, IAM authentication, turning backups on) are made. Nothing that is
    /// compared. Parameters and restarts know no maintenance window: `policy.changeWindows` is for those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply_during: Option<ApplyDuring>,
}

/// A parameter's value, as it is written most naturally.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParameterValue {
    Flag(bool),
    Number(serde_json::Number),
    Text(String),
}

// Written by hand: one type list instead of a choice between three schemas.
impl JsonSchema for ParameterValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ParameterValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A parameter's value: text, a number or a flag.",
            "type": ["string", "number", "boolean"],
            "maxLength": 4096,
        })
    }
}

impl ParameterValue {
    pub fn value(&self) -> Value {
        match self {
            ParameterValue::Flag(flag) => Value::Bool(*flag),
            ParameterValue::Number(number) => Value::Number(number.clone()),
            ParameterValue::Text(text) => Value::String(text.clone()),
        }
    }
}

/// Whether a parameter group that others use may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SharedParameterGroup {
    Allow,
    Deny,
}

/// When changes that may wait are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApplyDuring {
    Immediately,
    MaintenanceWindow,
}

/// Performance Insights of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PerformanceInsights {
    /// Whether it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The KMS key that encrypts what is recorded: an alias, a key id or an ARN. It can be chosen only as it is turned on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
    /// For how many days records are kept, at least: 7, a multiple of 31 up to 713, or 731.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 7, max = 731))]
    pub retention_days: Option<i32>,
}

/// Enhanced monitoring of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnhancedMonitoring {
    /// Seconds between two measurements. A shorter interval that is found watches more closely, and is left; so is any by 0, which asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [0, 1, 5, 10, 15, 30, 60]))]
    pub interval_seconds: Option<i32>,
    /// The role by which RDS writes to CloudWatch Logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 2048), regex(pattern = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"), extend("examples" = ["arn:aws:iam::317805897534:role/rds-monitoring"]))]
    pub role_arn: Option<String>,
}

/// Encryption of an instance's storage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageEncrypted {
    /// Whether it is on. It cannot be turned off: an instance found encrypted satisfies `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The KMS key: an alias, a key id or an ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
}

impl InstanceSpec {
    /// The DB instance identifier; RDS keeps them in lower case.
    pub fn identifier(&self) -> String {
        self.instance.as_deref().unwrap_or(&self.name).to_ascii_lowercase()
    }

    /// The declared value of a parameter: `null` is the engine's default.
    pub fn parameter(&self, name: &str) -> Option<Value> {
        let declared = self.parameters.as_ref()?.get(name)?;
        Some(declared.as_ref().map_or(Value::Null, ParameterValue::value))
    }

    /// Whether changes that may wait are left to the maintenance window.
    pub fn waits(&self) -> bool {
        self.apply_during == Some(ApplyDuring::MaintenanceWindow)
    }

    /// What is wrong with it that its schema cannot say.
    pub fn problems(&self, scope: &Scope) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut problem_at = |path: FieldPath, message: String, expected: &str| {
            problems.push(SpecProblem { path, message, expected: expected.to_owned() });
        };
        let mut problem = |path: &str, message: String, expected: &str| problem_at(FieldPath::fixed(path), message, expected);
        if !is_identifier(&self.identifier()) {
            let path = if self.instance.is_some() { "instance" } else { "name" };
            problem(
                path,
                "this cannot be the identifier of a DB instance".to_owned(),
                "1 to 63 letters, digits and single hyphens, a letter first, no hyphen last; a name that is not such needs instance",
            );
        }
        let daily = self.backup_window.as_deref().map(window::daily);
        let weekly = self.maintenance_window.as_deref().map(window::weekly);
        if daily == Some(None) {
            problem("backupWindow", "this is no daily window".to_owned(), "hh:mm-hh:mm in UTC, 30 minutes or more");
        }
        if weekly == Some(None) {
            problem("maintenanceWindow", "this is no weekly window".to_owned(), "ddd:hh:mm-ddd:hh:mm in UTC, from 30 minutes to a day");
        }
        if let (Some(Some(daily)), Some(Some(weekly))) = (daily, weekly)
            && window::overlap(daily, weekly)
        {
            problem("maintenanceWindow", "it overlaps the backup window".to_owned(), "a window apart from backupWindow");
        }
        if let Some(insights) = &self.performance_insights {
            if let Some(days) = insights.retention_days
                && !(days == 7 || days == 731 || (days % 31 == 0 && (1..=23).contains(&(days / 31))))
            {
                problem("performanceInsights.retentionDays", format!("RDS does not offer {days} days"), "7, 31 times 1 to 23, or 731");
            }
            if insights.enabled == Some(false) && (insights.kms_key_id.is_some() || insights.retention_days.is_some()) {
                problem(
                    "performanceInsights.enabled",
                    "off, it keeps no records".to_owned(),
                    "enabled: true, or neither key nor retention",
                );
            }
        }
        // "You can only use the PassRole permission to pass an IAM role to a service that shares the same AWS account."
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
        let role = self.enhanced_monitoring.as_ref().and_then(|monitoring| monitoring.role_arn.as_deref());
        if let Some(of) = role.and_then(|role| role.split(':').nth(4)).filter(|of| *of != scope.account) {
            problem(
                "enhancedMonitoring.roleArn",
                format!("the role is account {of}'s, and no service takes one of another account"),
                "a role of the account in spec.account",
            );
        }
        if let Some(monitoring) = &self.enhanced_monitoring
            && monitoring.interval_seconds == Some(0)
            && monitoring.role_arn.is_some()
        {
            problem("enhancedMonitoring.intervalSeconds", "off, it takes no role".to_owned(), "an interval above 0, or no roleArn");
        }
        if let Some(encrypted) = &self.storage_encrypted
            && encrypted.enabled == Some(false)
            && encrypted.kms_key_id.is_some()
        {
            problem("storageEncrypted.enabled", "off, it takes no key".to_owned(), "enabled: true, or no kmsKeyId");
        }
        for (name, value) in self.parameters.iter().flatten() {
            if name.is_empty() || name.len() > 255 || name.chars().any(char::is_whitespace) {
                problem_at(
                    FieldPath::fixed("parameters").key(name),
                    "this is no parameter's name".to_owned(),
                    "a name of 1 to 255 characters, no blanks",
                );
            }
            if value.as_ref().is_some_and(|value| plain(&value.value()).is_empty()) {
                problem_at(
                    FieldPath::fixed("parameters").key(name),
                    "the value is empty".to_owned(),
                    "a value; null to set it back to the engine's default; leave it out to leave it alone",
                );
            }
        }
        // https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_Tag.html
        problems.extend(tags::problems(self.tags.as_ref(), &["aws:", "rds:"]));
        problems
    }
}

/// Whether RDS would take it as the identifier of an instance (CreateDBInstance, DBInstanceIdentifier).
fn is_identifier(id: &str) -> bool {
    let shaped = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let first = id.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    shaped && first && id.len() <= 63 && !id.ends_with('-') && !id.contains("--")
}
