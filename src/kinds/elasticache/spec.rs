//! What the manifest can say of one replication group.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::migration::Migration;
use super::window;
use crate::kinds::{Scope, SpecProblem, tags};
use crate::manifest::FieldPath;

/// An ElastiCache replication group (Redis or Valkey), or a standalone cluster that is moved into one. Every field is optional: what is left out is neither read
/// nor changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplicationGroupSpec {
    /// The label of this entry. It is the group's id too, where `replicationGroupId` is left out.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["huntaze-redis"]))]
    pub name: String,
    /// The replication group's id; or that of a standalone cluster of Redis or Valkey, which `migration` moves into a group: nothing of it is changed where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[a-zA-Z][a-zA-Z0-9-]*$"), extend("examples" = ["huntaze-redis"]))]
    pub replication_group_id: Option<String>,
    /// Encryption of what is written to disk. It is fixed when a group is made: a difference is reported, and never repaired in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_rest_encryption: Option<AtRestEncryption>,
    /// Encryption of connections. `Preferred` takes TLS and plain text, `Required` only TLS; what is required already satisfies
    /// `Preferred`. It is turned on in place from Redis 7.0.5 on and on Valkey: preferred at once, required only with consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transit_encryption: Option<TransitEncryption>,
    /// The token that clients must show, by reference. It needs TLS to be required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Whether a replica takes over when the primary fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic_failover: Option<bool>,
    /// Whether nodes are kept in several Availability Zones. It needs automatic failover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_az: Option<bool>,
    /// For how many days automatic snapshots are kept, at least: more found satisfies less declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 35))]
    pub snapshot_retention_days: Option<i32>,
    /// The daily window of snapshots, in UTC: `03:00-04:00`, an hour or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 11), regex(pattern = "^([01]?[0-9]|2[0-3]):[0-5][0-9]-([01]?[0-9]|2[0-3]):[0-5][0-9]$"), extend("examples" = ["03:00-04:00"]))]
    pub snapshot_window: Option<String>,
    /// The weekly maintenance window, in UTC: `sun:05:00-sun:06:00`, an hour or more, apart from the snapshot window.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 19),
        regex(pattern = "^[A-Za-z]{3}:([01]?[0-9]|2[0-3]):[0-5][0-9]-[A-Za-z]{3}:([01]?[0-9]|2[0-3]):[0-5][0-9]$"),
        extend("examples" = ["sun:04:00-sun:05:00"])
    )]
    pub maintenance_window: Option<String>,
    /// The cache parameter group, by name. All that it holds must be in force: what only a restart of the nodes brings is reported, and
    /// never forced. Left out while `parameters` are declared, the group gets one of its own where it needs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[a-zA-Z][a-zA-Z0-9.-]*$"), extend("examples" = ["huntaze-redis7"]))]
    pub parameter_group: Option<String>,
    /// Engine parameters (`maxmemory-policy: volatile-lru`) and their values. They are set through a parameter group; `null` sets one
    /// back to the engine's default. Parameters that are not named keep what they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 200))]
    pub parameters: Option<BTreeMap<String, Option<ParameterValue>>>,
    /// Whether a parameter group may be changed that others use as well whose parameters nobody asked to change: clusters outside this manifest, and
    /// groups in it that declare neither `parameters` nor a `parameterGroup`. Left out or `Deny`: the group gets one of its own instead, a copy with
    /// what is declared; where it declares `parameterGroup`, it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_parameter_group: Option<SharedParameterGroup>,
    /// Where the engine's logs go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_delivery: Option<LogDeliveries>,
    /// The SNS topic that is told of the group's events, in the group's own account and region. It is made active too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = "^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$"), extend("examples" = ["arn:aws:sns:us-east-1:317805897534:huntaze-ops-alerts"]))]
    pub notification_topic_arn: Option<String>,
    /// Whether minor engine versions are installed by themselves, in the maintenance window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_minor_version_upgrade: Option<bool>,
    /// The engine version, at least, as far as it is written out: `7.1` is satisfied by 7.1.0 and by what is newer. It only ever goes up,
    /// to a version that ElastiCache offers of the group's own engine: the last of Redis is 7.1; 8.0 is Valkey's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), regex(pattern = r"^[0-9]{1,2}\.([0-9]{1,2}(\.[0-9]{1,3})?|x)$"), extend("examples" = ["7.1"]))]
    pub engine_version: Option<String>,
    /// Tags and their values; `null` takes a tag away. Tags that are not named are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// How the group is moved into a new one, where what is declared cannot be had in place. The name goes on meaning the group that serves: the old
    /// one before the move, the new one after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migration>,
}

/// Encryption at rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AtRestEncryption {
    /// Whether it is on. It cannot be turned off: a group found encrypted satisfies `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The KMS key: an alias, a key id or an ARN. Left out: any key, the service's own among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
}

/// Encryption in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TransitEncryption {
    /// TLS and plain text are both accepted.
    Preferred,
    /// Only TLS is accepted.
    Required,
}

/// The AUTH token, by reference. Its bytes are never shown, compared or kept: which version of the secret is in force is noted in a tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// The ARN of the Secrets Manager secret that holds the token: 16 to 128 letters, digits and `! & # $ ^ < > -`.
    #[schemars(length(min = 20, max = 2048), regex(pattern = "^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$"), extend("examples" = ["arn:aws:secretsmanager:us-east-1:317805897534:secret:huntaze/redis-auth-Ab12Cd"]))]
    pub secret_arn: String,
    /// The member of a JSON secret that is the token. Left out: the whole secret is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key: Option<String>,
}

/// A parameter's value, as it is written most naturally.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParameterValue {
    Number(serde_json::Number),
    Text(String),
}

// Written by hand: one type list instead of a choice between schemas.
impl JsonSchema for ParameterValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ParameterValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A parameter's value: text (`yes` and `no` are text) or a number.",
            "type": ["string", "number"],
            "maxLength": 4096,
        })
    }
}

impl ParameterValue {
    fn value(&self) -> Value {
        match self {
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

/// The engine's logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogDeliveries {
    /// The slow log (Redis 6.0 and newer, Valkey).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_log: Option<LogDelivery>,
    /// The engine log (Redis 6.2 and newer, Valkey).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_log: Option<LogDelivery>,
}

/// Where a log goes, and how it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogDelivery {
    /// The service that takes it.
    pub destination_type: DestinationType,
    /// The name (not the ARN) of the log group or the delivery stream, which must exist.
    #[schemars(length(min = 1, max = 512))]
    pub destination: String,
    /// How an entry is written.
    pub format: LogFormat,
}

/// The service that takes a log, as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DestinationType {
    #[serde(rename = "cloudwatch-logs")]
    CloudWatchLogs,
    KinesisFirehose,
}

/// How an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

impl ReplicationGroupSpec {
    /// The replication group's id; ElastiCache keeps them in lower case.
    pub fn group_id(&self) -> String {
        self.replication_group_id.as_deref().unwrap_or(&self.name).to_ascii_lowercase()
    }

    /// The declared parameter group; ElastiCache keeps names in lower case.
    pub fn parameter_group_name(&self) -> Option<String> {
        self.parameter_group.as_deref().map(str::to_ascii_lowercase)
    }

    /// The token as plan and manifest name it.
    pub fn auth_value(&self) -> Option<Value> {
        let auth = self.auth.as_ref()?;
        Some(match &auth.key {
            Some(key) => json!({ "secretArn": auth.secret_arn, "key": key }),
            None => json!({ "secretArn": auth.secret_arn }),
        })
    }

    /// The declared parameters, by name; `null` is the engine's default.
    pub fn parameter_values(&self) -> Option<Map<String, Value>> {
        let value = |value: &Option<ParameterValue>| value.as_ref().map_or(Value::Null, ParameterValue::value);
        Some(self.parameters.as_ref()?.iter().map(|(name, declared)| (name.to_lowercase(), value(declared))).collect())
    }

    /// What is wrong with it that its schema cannot say.
    pub fn problems(&self) -> Vec<SpecProblem> {
        let mut problems = self.migration.as_ref().map(Migration::problems).unwrap_or_default();
        let mut say_at = |path: FieldPath, message: &str, expected: &str| {
            problems.push(SpecProblem { path, message: message.to_owned(), expected: expected.to_owned() });
        };
        let mut say = |path: &str, message: &str, expected: &str| say_at(FieldPath::fixed(path), message, expected);
        if !is_group_id(&self.group_id()) {
            let path = if self.replication_group_id.is_some() { "replicationGroupId" } else { "name" };
            say(
                path,
                "cannot be the id of a replication group",
                "1 to 40 letters, digits and single hyphens (a standalone cluster's: to 50), a letter first, no hyphen last; a name that is not such needs replicationGroupId",
            );
        }
        if self.at_rest_encryption.as_ref().is_some_and(|at_rest| at_rest.enabled == Some(false) && at_rest.kms_key_id.is_some()) {
            say("atRestEncryption.kmsKeyId", "a key is named though enabled is false", "enabled: true, or no key");
        }
        if self.auth.is_some() && self.transit_encryption == Some(TransitEncryption::Preferred) {
            say("transitEncryption", "AUTH needs TLS to be required, and Preferred is declared", "Required");
        }
        if self.multi_az == Some(true) && self.automatic_failover == Some(false) {
            say("automaticFailover", "Multi-AZ needs automatic failover, and it is declared off", "true");
        }
        if self.snapshot_window.as_deref().is_some_and(|window| !window::is_daily(window)) {
            say("snapshotWindow", "is no daily window of an hour or more", "hh:mm-hh:mm in UTC, such as 03:00-04:00");
        }
        if self.maintenance_window.as_deref().is_some_and(|window| !window::is_weekly(window)) {
            say("maintenanceWindow", "is no weekly window of an hour or more", "ddd:hh:mm-ddd:hh:mm in UTC, such as sun:05:00-sun:06:00");
        }
        if let (Some(snapshots), Some(maintenance)) = (&self.snapshot_window, &self.maintenance_window)
            && window::overlap(snapshots, maintenance)
        {
            say("maintenanceWindow", "meets the snapshot window, which AWS refuses", "a window apart from snapshotWindow");
        }
        let named_default = self.parameter_group_name().is_some_and(|name| name.starts_with("default."));
        if named_default && self.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
            say("parameterGroup", "AWS's default groups cannot be changed, and parameters are declared", "a group of your own, or none");
        }
        for name in self.parameters.iter().flat_map(BTreeMap::keys).filter(|name| name.as_str() == "cluster-enabled") {
            say_at(FieldPath::fixed("parameters").key(name), "the cluster mode is no parameter of a running group", "no such parameter");
        }
        let logs = self.log_delivery.iter().flat_map(|logs| [("slowLog", &logs.slow_log), ("engineLog", &logs.engine_log)]);
        for (name, log) in logs {
            if let Some(log) = log
                && let Some((message, expected)) = log.problem()
            {
                say_at(FieldPath::fixed("logDelivery").key(name).key("destination"), message, expected);
            }
        }
        problems.extend(tags::problems(self.tags.as_ref(), &["aws:"]));
        problems
    }
}

impl LogDelivery {
    /// Why the destination can be no name of what it is said to be. [service models: logs, LogGroupName; firehose, DeliveryStreamName]
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let holds = |signs: &str| self.destination.chars().all(|one| one.is_ascii_alphanumeric() || signs.contains(one));
        match self.destination_type {
            DestinationType::CloudWatchLogs => {
                (!holds("._-/#")).then_some(("is no name of a log group", "its name, not its ARN: letters, digits and . _ - / #"))
            }
            DestinationType::KinesisFirehose => (!holds("._-") || self.destination.len() > 64)
                .then_some(("is no name of a delivery stream", "its name, not its ARN: 1 to 64 letters, digits and . _ -")),
        }
    }
}

impl ReplicationGroupSpec {
    /// What is wrong with it in this account and region. The topic's owner must be the group's [service model, ModifyReplicationGroup], and SNS
    /// knows a topic in its own region alone.
    pub fn problems_in(&self, scope: &Scope) -> Vec<SpecProblem> {
        let Some(topic) = &self.notification_topic_arn else { return Vec::new() };
        let mut parts = topic.split(':').skip(1);
        let (Some(partition), Some("sns"), Some(region), Some(account)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            // Its form is the schema's matter.
            return Vec::new();
        };
        if (partition, region, account) == (scope.partition.as_str(), scope.region.as_str(), scope.account.as_str()) {
            return Vec::new();
        }
        let message = format!("is a topic of account {account} in {region}, and ElastiCache takes one of the group's own");
        let expected = format!("arn:{}:sns:{}:{}:NAME", scope.partition, scope.region, scope.account);
        vec![SpecProblem { path: FieldPath::fixed("notificationTopicArn"), message, expected }]
    }
}

/// A group's id has 40 characters at the most, a standalone cluster's 50. [AWS documentation, CreateReplicationGroup, CreateCacheCluster]
const LONGEST_ID: usize = 50;

/// Whether AWS would take it as the id of a group, or of a standalone cluster. [service model, CreateReplicationGroup]
fn is_group_id(id: &str) -> bool {
    let shaped = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let first = id.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    shaped && first && id.len() <= LONGEST_ID && !id.ends_with('-') && !id.contains("--")
}
