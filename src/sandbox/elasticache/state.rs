//! What ElastiCache holds, in a form that is pleasant to write by hand in an account file: what AWS derives (node ids,
//! endpoints, ARNs) is derived here too, and what AWS fills in has its default.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything of this service in the account. Keys are the identifiers, in lower case as AWS stores them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Replication groups by identifier.
    pub replication_groups: BTreeMap<String, ReplicationGroup>,
    /// Standalone clusters: memcached, and Redis outside of a replication group. A group's members are derived from it.
    pub cache_clusters: BTreeMap<String, CacheCluster>,
    /// The account's own parameter groups by name; `default.*` exist without being named.
    pub parameter_groups: BTreeMap<String, ParameterGroup>,
    /// Subnet groups by name.
    pub subnet_groups: BTreeMap<String, SubnetGroup>,
    /// Snapshots by name.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// How many of the next creates of a replication group end in `create-failed`.
    pub fail_creates: u32,
    /// How many of the next snapshots never leave `creating`. No state says that a snapshot failed: only a deadline tells.
    pub stick_snapshots: u32,
    /// Whether real Redis servers run behind the groups: it takes `redis-server` on this machine. Left out: none run.
    #[serde(skip_serializing_if = "is_default")]
    pub servers: bool,
    /// How many seconds after a group became available its addresses begin to answer: names come late. Left out: 0.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoints_late_by: u32,
    /// What is known of security groups, by id; those that are not named admit everybody.
    #[serde(skip_serializing_if = "is_default")]
    pub security_groups: BTreeMap<String, SecurityGroup>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A security group, as far as the servers ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SecurityGroup {
    /// Whom it lets connect.
    pub admits: Admits,
}

/// Whom a security group lets connect. A group of several lets in whomever one of them does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Admits {
    #[default]
    Everybody,
    /// Holdfast alone: it has addresses of its own ([`crate::sandbox::redis::for_holdfast`]).
    Holdfast,
}

/// What a server holds when it first starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Data {
    /// How many keys, of all types, some that expire. Left out: none.
    pub keys: u64,
}

/// Where a replication group stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Creating,
    #[default]
    Available,
    Modifying,
    Deleting,
    CreateFailed,
    Snapshotting,
    #[serde(rename = "rebooting cluster nodes")]
    Rebooting,
}

impl Status {
    pub fn text(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Available => "available",
            Status::Modifying => "modifying",
            Status::Deleting => "deleting",
            Status::CreateFailed => "create-failed",
            Status::Snapshotting => "snapshotting",
            Status::Rebooting => "rebooting cluster nodes",
        }
    }
}

/// Encryption in transit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transit {
    #[default]
    None,
    /// TLS and plain text are both accepted.
    Preferred,
    Required,
}

impl Transit {
    pub fn mode(self) -> Option<&'static str> {
        match self {
            Transit::None => None,
            Transit::Preferred => Some("preferred"),
            Transit::Required => Some("required"),
        }
    }
}

/// A replication group: a primary with its replicas, or shards of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplicationGroup {
    /// What somebody said of it.
    pub description: String,
    /// What it is doing.
    pub status: Status,
    /// When `status` ends by itself.
    #[schemars(extend("readOnly" = true))]
    pub ready_at: Option<Timestamp>,
    /// A create that will not succeed.
    #[schemars(extend("readOnly" = true))]
    pub doomed: bool,
    /// What the group is changing into while it is `modifying`.
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
    pub change: Option<Change>,
    /// What waits for the maintenance window.
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
    pub pending: Option<Pending>,
    /// `redis` or `valkey`.
    pub engine: String,
    /// The whole version: `7.1.0`.
    pub engine_version: String,
    /// `cache.t3.medium`, ...
    pub node_type: String,
    /// Nodes a shard, the primary among them.
    pub nodes: u32,
    /// Whether it is in cluster mode.
    pub cluster_enabled: bool,
    /// How many shards it has; 1 without cluster mode.
    pub shards: u32,
    /// The slots of each shard in cluster mode, where they are not dealt evenly: `0-999,16000-16383`.
    #[serde(skip_serializing_if = "is_default")]
    pub slots: Vec<String>,
    /// The number of the primary within each shard; where a shard is not named, 1.
    pub primaries: BTreeMap<u32, u32>,
    /// Where its nodes listen.
    pub port: u16,
    /// The name of its subnet group.
    pub subnet_group: String,
    /// The ids of its security groups.
    pub security_groups: BTreeSet<String>,
    /// Left out: the family's default group.
    pub parameter_group: Option<String>,
    /// How far the parameters of its group are in force on it.
    #[schemars(extend("readOnly" = true))]
    pub parameter_apply: ParameterApply,
    /// Whether a replica takes over where the primary fails.
    pub automatic_failover: bool,
    /// Whether its nodes stand in several zones.
    pub multi_az: bool,
    /// How many days automatic snapshots are kept; 0: none are taken.
    pub snapshot_retention_limit: u32,
    /// When they are taken: `hh:mm-hh:mm`, UTC.
    pub snapshot_window: String,
    /// The node that they are taken from. Left out: AWS chooses a replica, if there is one and snapshots are on.
    pub snapshotting_cluster: Option<String>,
    /// When what waits for it is changed: `ddd:hh:mm-ddd:hh:mm`, UTC.
    pub maintenance_window: String,
    /// Whether its disks are encrypted: nothing changes that later.
    pub at_rest_encryption: bool,
    /// The encryption at rest that AWS shows (`none`, `sse-elasticache`, `sse-kms`). Left out: what `atRestEncryption` and `kmsKeyId` say.
    pub storage_encryption_type: Option<String>,
    /// The key that it is encrypted with. Left out: AWS's own.
    pub kms_key_id: Option<String>,
    /// Whether it speaks TLS.
    pub transit_encryption: Transit,
    /// Whether the endpoints have the names of a group made with TLS (`master.x`); in-place TLS keeps the old names. Left out: as
    /// `transitEncryption` says.
    pub tls_endpoints: Option<bool>,
    /// Who may log in.
    pub auth: Auth,
    /// The logs that are delivered.
    pub log_delivery: Vec<LogDelivery>,
    /// The ARN of the topic that is told of events. Left out: none.
    pub notification_topic: Option<String>,
    /// Whether that topic is told.
    pub notification_active: bool,
    /// Whether minor versions come by themselves.
    pub auto_minor_version_upgrade: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What its servers begin with.
    #[serde(skip_serializing_if = "is_default")]
    pub data: Data,
    /// The snapshot that its servers begin with.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("readOnly" = true))]
    pub restored_from: Option<String>,
    /// The members that restart while the group is `rebooting cluster nodes`.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("readOnly" = true))]
    pub rebooting: BTreeSet<String>,
    /// When its addresses begin to answer, where that is later than its being available.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("readOnly" = true))]
    pub answers_at: Option<Timestamp>,
}

impl Default for ReplicationGroup {
    fn default() -> ReplicationGroup {
        ReplicationGroup {
            description: String::new(),
            status: Status::Available,
            ready_at: None,
            doomed: false,
            change: None,
            pending: None,
            engine: "redis".to_owned(),
            engine_version: "7.1.0".to_owned(),
            node_type: "cache.t3.micro".to_owned(),
            nodes: 1,
            cluster_enabled: false,
            shards: 1,
            slots: Vec::new(),
            primaries: BTreeMap::new(),
            port: 6379,
            subnet_group: "default".to_owned(),
            security_groups: BTreeSet::new(),
            parameter_group: None,
            parameter_apply: ParameterApply::default(),
            automatic_failover: false,
            multi_az: false,
            snapshot_retention_limit: 0,
            snapshot_window: SNAPSHOT_WINDOW.to_owned(),
            snapshotting_cluster: None,
            maintenance_window: MAINTENANCE_WINDOW.to_owned(),
            at_rest_encryption: false,
            storage_encryption_type: None,
            kms_key_id: None,
            transit_encryption: Transit::None,
            tls_endpoints: None,
            auth: Auth::default(),
            log_delivery: Vec::new(),
            notification_topic: None,
            notification_active: true,
            auto_minor_version_upgrade: true,
            created_at: created_long_ago(),
            tags: BTreeMap::new(),
            data: Data::default(),
            restored_from: None,
            rebooting: BTreeSet::new(),
            answers_at: None,
        }
    }
}

/// The windows that AWS gives a group made without them (it chooses per region; these are fixed so that worlds compare).
pub const SNAPSHOT_WINDOW: &str = "03:00-04:00";
pub const MAINTENANCE_WINDOW: &str = "sun:05:00-sun:06:00";

/// Before any run, for what the account file gives no date.
pub fn created_long_ago() -> Timestamp {
    Timestamp::from_second(1_672_531_200).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Who may connect, as long as no user groups are in play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Auth {
    /// SHA-256, in hex, of the tokens that are valid now; the newest last, never more than two.
    pub tokens: Vec<String>,
    /// Whether a client may connect without a password.
    pub passwordless: bool,
    /// When tokens last changed. Left out: never.
    pub last_modified: Option<Timestamp>,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth { tokens: Vec::new(), passwordless: true, last_modified: None }
    }
}

/// How far the parameters of its group are in force on a group or cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ParameterApply {
    /// Until when `applying` is shown.
    pub applying_until: Option<Timestamp>,
    /// The members (`id-001`; of a standalone cluster its nodes, `0001`) that need a reboot.
    pub reboot: BTreeSet<String>,
}

/// What a modification changes once it is through. A request's other members take effect at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Change {
    pub engine: Option<String>,
    pub engine_version: Option<String>,
    pub node_type: Option<String>,
    pub parameter_group: Option<String>,
    pub automatic_failover: Option<bool>,
    pub multi_az: Option<bool>,
    pub transit_encryption: Option<Transit>,
    pub auth: Option<AuthChange>,
    pub log_delivery: Option<Vec<LogDelivery>>,
    pub nodes: Option<u32>,
    /// Shard and the number of its next primary.
    pub primary: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Strategy {
    Rotate,
    Set,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AuthChange {
    pub strategy: Strategy,
    /// SHA-256, in hex.
    pub token: String,
}

/// Changes that wait for the maintenance window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pending {
    /// The start of that window.
    pub at: Timestamp,
    pub change: Change,
}

/// A log that is delivered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LogDelivery {
    /// `slow-log` or `engine-log`.
    pub log_type: String,
    /// `cloudwatch-logs` or `kinesis-firehose`.
    pub destination_type: String,
    /// The log group's or the stream's name.
    pub destination: String,
    /// `text` or `json`.
    pub format: String,
}

/// A standalone cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CacheCluster {
    /// What it is doing.
    pub status: Status,
    /// When `status` ends by itself.
    #[schemars(extend("readOnly" = true))]
    pub ready_at: Option<Timestamp>,
    /// It is deleted once its last snapshot has been taken.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("readOnly" = true))]
    pub ends: bool,
    /// `redis`, `valkey` or `memcached`.
    pub engine: String,
    /// The whole version: `7.1.0`.
    pub engine_version: String,
    /// `cache.t3.medium`, ...
    pub node_type: String,
    /// How many nodes; a Redis has one.
    pub nodes: u32,
    /// Left out: 6379 for Redis and 11211 for memcached.
    pub port: Option<u16>,
    /// The name of its subnet group.
    pub subnet_group: String,
    /// The ids of its security groups.
    pub security_groups: BTreeSet<String>,
    /// Left out: the family's default group.
    pub parameter_group: Option<String>,
    /// How far the parameters of its group are in force on it.
    #[schemars(extend("readOnly" = true))]
    pub parameter_apply: ParameterApply,
    /// How many days automatic snapshots are kept; 0: none are taken.
    pub snapshot_retention_limit: u32,
    /// When they are taken: `hh:mm-hh:mm`, UTC.
    pub snapshot_window: String,
    /// When what waits for it is changed: `ddd:hh:mm-ddd:hh:mm`, UTC.
    pub maintenance_window: String,
    /// Whether it speaks TLS. memcached only: a standalone Redis cannot be encrypted.
    pub transit_encryption: bool,
    /// The ARN of the topic that is told of events. Left out: none.
    pub notification_topic: Option<String>,
    /// Whether that topic is told.
    pub notification_active: bool,
    /// Whether minor versions come by themselves.
    pub auto_minor_version_upgrade: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What its server begins with.
    #[serde(skip_serializing_if = "is_default")]
    pub data: Data,
}

impl Default for CacheCluster {
    fn default() -> CacheCluster {
        CacheCluster {
            status: Status::Available,
            ready_at: None,
            ends: false,
            engine: "redis".to_owned(),
            engine_version: "7.1.0".to_owned(),
            node_type: "cache.t3.micro".to_owned(),
            nodes: 1,
            port: None,
            subnet_group: "default".to_owned(),
            security_groups: BTreeSet::new(),
            parameter_group: None,
            parameter_apply: ParameterApply::default(),
            snapshot_retention_limit: 0,
            snapshot_window: SNAPSHOT_WINDOW.to_owned(),
            maintenance_window: MAINTENANCE_WINDOW.to_owned(),
            transit_encryption: false,
            notification_topic: None,
            notification_active: true,
            auto_minor_version_upgrade: true,
            created_at: created_long_ago(),
            tags: BTreeMap::new(),
            data: Data::default(),
        }
    }
}

/// A parameter group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ParameterGroup {
    /// What it is for: `redis7`.
    pub family: String,
    /// What somebody said of it.
    pub description: String,
    /// Only what differs from the family's defaults: AWS's `Source=user`.
    pub parameters: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A subnet group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SubnetGroup {
    /// What somebody said of it.
    pub description: String,
    /// The id of its VPC.
    pub vpc_id: String,
    /// The ids of its subnets.
    pub subnets: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotStatus {
    Creating,
    #[default]
    Available,
    Restoring,
    Copying,
    Deleting,
}

impl SnapshotStatus {
    pub fn text(self) -> &'static str {
        match self {
            SnapshotStatus::Creating => "creating",
            SnapshotStatus::Available => "available",
            SnapshotStatus::Restoring => "restoring",
            SnapshotStatus::Copying => "copying",
            SnapshotStatus::Deleting => "deleting",
        }
    }
}

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Snapshot {
    /// What it is doing.
    pub status: SnapshotStatus,
    /// When `status` ends by itself. Left out: nothing is under way, or the snapshot is stuck.
    #[schemars(extend("readOnly" = true))]
    pub ready_at: Option<Timestamp>,
    /// Taken by the snapshot window, not by hand.
    pub automated: bool,
    /// The key that it is encrypted with. Left out: AWS's own.
    pub kms_key_id: Option<String>,
    /// When it was taken. Left out: AWS does not say it.
    pub created_at: Option<Timestamp>,
    /// The cluster that it was taken from. Left out: it was taken from a whole group.
    pub cluster: Option<String>,
    /// The group that it was taken from. Left out: a standalone cluster.
    pub group: Option<String>,
    /// The group, or the group that a standalone cluster would be, as it was at that time.
    pub origin: ReplicationGroup,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The snapshot that it is a copy of. Left out: it is none.
    #[serde(skip_serializing_if = "is_default")]
    pub copied_from: Option<String>,
}
