//! What is seen of a replication group, in the manifest's words where it is compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::moving::{Moving, Stand};
use super::spec::{LogDelivery, TransitEncryption};
use super::standalone::Bearer;
use super::token::{Note, Stage, TAG, TokenRef, stage};
use super::version;
use crate::kinds::{Fact, Unreadable, Why};

/// Everything that is seen of one group.
#[derive(Default)]
pub struct Seen {
    pub group: Fact<Group>,
    /// A group that may serve in its place, and what that one is doing: until it is done nobody can tell which of the two serves.
    pub untold: Option<(String, String)>,
    /// Where a move into another group stands, where one is declared or has been begun.
    pub moving: Moving,
    /// The secret of the token is there and holds nothing: by its ARN.
    pub empty_secret: Option<String>,
    /// The secret of the token is scheduled for deletion: it is there, and gives nothing out.
    pub doomed_secret: bool,
    /// What bears the name: of a standalone cluster all of this is said as of the group of one node that it would be.
    pub bearer: Bearer,
    /// The group's clusters taken together.
    pub members: Fact<Members>,
    /// Readable only while the group is available.
    pub tags: Fact<BTreeMap<String, String>>,
    /// The keys of the declared tags.
    pub tag_keys: Vec<String>,
    /// The declared key: how the manifest names it, and its ARN.
    pub key: Fact<Key>,
    /// The declared token, with the version of its secret that is current.
    pub token: Fact<TokenRef>,
    /// The token as the manifest names it.
    pub token_words: Value,
    /// The parameters that are declared to have the engine's default: where they have it, there is nothing to be seen of them.
    pub defaults: BTreeSet<String>,
    /// The declared values of the other parameters, as the manifest writes them.
    pub wished: BTreeMap<String, Value>,
    /// The versions that ElastiCache offers of the group's engine. Asked for only when another is declared.
    pub offered: Fact<Vec<String>>,
    /// The parameter groups that matter to this group, by name: the present one, the declared one, and its own ones.
    pub parameter_groups: BTreeMap<String, Fact<ParameterGroup>>,
}

/// A KMS key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub words: String,
    pub id: String,
    pub arn: String,
    /// Why nothing can be encrypted with it.
    pub unusable: Option<String>,
}

/// What DescribeReplicationGroups says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Its own id: after a move it is not the one that the manifest names.
    pub id: String,
    pub arn: String,
    /// creating, available, modifying, deleting, create-failed, snapshotting and others.
    pub status: String,
    pub engine: String,
    /// The global datastore that it belongs to.
    pub global: Option<String>,
    pub cluster_mode: bool,
    /// Every shard has a replica.
    pub replicas: bool,
    pub failover: Option<bool>,
    pub multi_az: Option<bool>,
    pub retention_days: Option<i32>,
    pub snapshot_window: Option<String>,
    /// The cluster that daily snapshots are taken from, or a good one for it: a replica where there is one. In cluster mode AWS chooses.
    pub snapshot_source: Option<String>,
    pub auth: bool,
    /// When the token was last modified, in seconds since 1970.
    pub auth_changed: Option<i64>,
    /// Access is by user groups (role-based access control), not by a token.
    pub user_groups: bool,
    /// None: plain text only.
    pub transit: Option<TransitEncryption>,
    /// Whether it is encrypted at rest, in effect.
    pub at_rest: bool,
    pub kms_key: Option<String>,
    /// By the API's name: `slow-log`, `engine-log`.
    pub logs: BTreeMap<String, FoundLog>,
    pub auto_minor: Option<bool>,
    /// What waits for the maintenance window, and would be done at once by any change that is.
    pub waiting: Vec<String>,
}

/// A log's delivery as AWS has it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundLog {
    /// Nothing where AWS's answer is not understood.
    pub delivery: Option<LogDelivery>,
    /// active, enabling, modifying, disabling, error.
    pub status: String,
    pub message: String,
}

/// What DescribeCacheClusters says of the group's clusters. Any of them may be the primary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    /// The lowest.
    pub version: String,
    /// All in one VPC subnet group.
    pub in_vpc: bool,
    pub parameter_groups: BTreeSet<String>,
    /// A change of parameters is on its way to the nodes.
    pub applying: bool,
    /// A change of parameters waits for the nodes to start again.
    pub waits_for_restart: bool,
    pub maintenance_windows: BTreeSet<String>,
    /// Topics, an inactive one marked so.
    pub topics: BTreeSet<String>,
    /// What waits for the maintenance window.
    pub waiting: Vec<String>,
}

impl Members {
    /// The parameter group of all of them.
    pub fn parameter_group(&self) -> Option<&str> {
        let mut names = self.parameter_groups.iter();
        names.next().filter(|_| names.next().is_none()).map(String::as_str)
    }
}

/// A cache parameter group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterGroup {
    pub family: String,
    /// It carries our tags.
    pub ours: bool,
    pub parameters: BTreeMap<String, Parameter>,
    /// The replication groups and standalone clusters that use it.
    pub users: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameter {
    /// Empty where there is none.
    pub value: String,
    /// Set by a person, not by AWS.
    pub set: bool,
    pub modifiable: bool,
    /// A change is in force only when the nodes have started again.
    pub restart: bool,
    /// `yes,no`, `0-100`, `0-`, `0,20-`; empty where AWS lists none.
    pub allowed: String,
    /// `DataType` is `integer`.
    pub number: bool,
}

impl Seen {
    /// The present parameter group.
    pub fn parameter_group(&self) -> Fact<&ParameterGroup> {
        self.members.as_ref().and_then(|members| match members.parameter_group() {
            None => Fact::Unknown(failed("elasticache:DescribeCacheClusters", "its clusters use different parameter groups")),
            Some(name) => self.parameter_groups.get(name).map_or_else(Fact::default, Fact::as_ref),
        })
    }

    fn group(&self) -> Fact<&Group> {
        self.group.as_ref()
    }

    /// What the group is doing while its tags cannot be read for that reason alone: they can be when it is done.
    pub fn busy(&self) -> Option<&str> {
        let status = self.group.present().map(|group| group.status.as_str())?;
        (status != "available" && self.tags.unknown().is_some()).then_some(status)
    }

    /// Whether nothing of a move is left to be done: one that soaks counts as done.
    pub fn moved(&self) -> Fact<Value> {
        match &self.moving.lock {
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
            Fact::Absent => Fact::Present(Value::Bool(true)),
            Fact::Present(_) => {
                let soaks = matches!(self.moving.stand(), Stand::Soaking(_));
                Fact::Present(Value::Bool(soaks && !self.moving.is_unclaimed() && !self.moving.wants_look() && !self.moving.wants_fence()))
            }
        }
    }

    pub fn at_rest(&self) -> Fact<Value> {
        self.group().map(|group| Value::Bool(group.at_rest))
    }

    /// The key by the manifest's name for it, where it is that one.
    pub fn kms_key(&self) -> Fact<Value> {
        self.group().and_then(|group| match (&group.kms_key, &self.key) {
            (None, _) => Fact::Absent,
            (Some(_), Fact::Unknown(why)) => Fact::Unknown(why.clone()),
            (Some(found), Fact::Present(key)) if *found == key.arn || *found == key.id => Fact::Present(json!(key.words)),
            (Some(found), _) => Fact::Present(json!(found)),
        })
    }

    pub fn transit(&self) -> Fact<Value> {
        self.group().map(|group| json!(group.transit.map_or("None", TransitEncryption::word)))
    }

    /// The note on the token, where there is one.
    pub fn note(&self) -> Fact<Note> {
        self.tags.as_ref().and_then(|tags| Fact::given(tags.get(TAG).and_then(|text| Note::read(text))))
    }

    /// Where the group stands on the way to `token`.
    pub fn stage(&self, token: &TokenRef) -> Fact<Stage> {
        let changed = self.group.present().and_then(|group| group.auth_changed);
        match self.note() {
            Fact::Unknown(why) => Fact::Unknown(why),
            Fact::Absent => Fact::Present(Stage::Before),
            Fact::Present(note) => Fact::Present(stage(token, Some(&note), changed)),
        }
    }

    pub fn auth(&self) -> Fact<Value> {
        let group = match self.group() {
            Fact::Present(group) => group,
            Fact::Absent => return Fact::Absent,
            Fact::Unknown(why) => return Fact::Unknown(why),
        };
        let token = match &self.token {
            Fact::Unknown(why) => return Fact::Unknown(why.clone()),
            Fact::Present(token) if group.auth => token,
            // Without the secret nothing can be told of the token but that there is one.
            Fact::Absent if group.auth => {
                return Fact::Present(json!({ "state": format!("a token that cannot be compared: the secret {}", self.no_token()) }));
            }
            _ => return Fact::Absent,
        };
        if let Some(status) = self.busy() {
            return Fact::Present(json!({ "state": format!("cannot be told while the group is {status}") }));
        }
        self.stage(token).map(|stage| match stage {
            Stage::InForce => self.token_words.clone(),
            Stage::Before => json!({ "state": "not known to be the current version of the secret" }),
            Stage::Rotated => json!({ "state": "the secret's token is valid; what was valid before it still is" }),
            Stage::Set => json!({ "state": "the secret's token is the only one; that is not noted yet" }),
        })
    }

    /// What of its secret it is that leaves the group without a token to compare: "the secret ...".
    pub fn no_token(&self) -> &'static str {
        match (self.doomed_secret, &self.empty_secret) {
            (true, _) => "is scheduled for deletion",
            (false, Some(_)) => "holds no value yet",
            (false, None) => "is not there, or has no current version",
        }
    }

    pub fn failover(&self) -> Fact<Value> {
        self.group().and_then(|group| Fact::given(group.failover.map(Value::Bool)))
    }

    pub fn multi_az(&self) -> Fact<Value> {
        self.group().and_then(|group| Fact::given(group.multi_az.map(Value::Bool)))
    }

    pub fn retention_days(&self) -> Fact<Value> {
        self.group().and_then(|group| Fact::given(group.retention_days.map(Value::from)))
    }

    pub fn snapshot_window(&self) -> Fact<Value> {
        self.group().and_then(|group| Fact::given(group.snapshot_window.clone().map(Value::String)))
    }

    pub fn auto_minor(&self) -> Fact<Value> {
        self.group().and_then(|group| Fact::given(group.auto_minor.map(Value::Bool)))
    }

    pub fn log(&self, log: &str) -> Fact<Value> {
        self.group().and_then(|group| match group.logs.get(log) {
            None => Fact::Absent,
            Some(found) => match (&found.delivery, found.status.as_str()) {
                (_, "disabling") => Fact::Absent,
                (Some(delivery), "error") => {
                    let mut words = json!(delivery);
                    if let Value::Object(words) = &mut words {
                        words.insert("error".to_owned(), json!(found.message));
                    }
                    Fact::Present(words)
                }
                (Some(delivery), _) => Fact::Present(json!(delivery)),
                (None, _) => Fact::Unknown(failed("elasticache:DescribeReplicationGroups", "a log delivery that is not understood")),
            },
        })
    }

    pub fn maintenance_window(&self) -> Fact<Value> {
        self.members.as_ref().and_then(|members| joined(&members.maintenance_windows))
    }

    pub fn topic(&self) -> Fact<Value> {
        self.members.as_ref().and_then(|members| joined(&members.topics))
    }

    pub fn parameter_group_name(&self) -> Fact<Value> {
        self.members.as_ref().and_then(|members| joined(&members.parameter_groups))
    }

    pub fn engine_version(&self) -> Fact<Value> {
        self.members.as_ref().map(|members| json!(members.version))
    }

    /// Whether everything in the parameter group is in force on the nodes.
    pub fn parameters_in_force(&self) -> Fact<Value> {
        self.members.as_ref().map(|members| Value::Bool(!members.waits_for_restart))
    }

    /// The parameters by name, in the manifest's words where they mean the same. One that waits for the nodes to start again is not in force, and
    /// says so.
    pub fn parameters(&self) -> Fact<Value> {
        let waits = self.members.present().is_some_and(|members| members.waits_for_restart);
        self.parameter_group().map(|group| {
            let words = |name: &String, parameter: &Parameter| match waits && parameter.restart && parameter.set {
                true => json!(format!("{} (in force only after a restart)", parameter.value)),
                false => match self.wished.get(name).filter(|wished| parameter.spelled(&plain(wished)) == parameter.value) {
                    Some(wished) => wished.clone(),
                    None => json!(parameter.value),
                },
            };
            let shown = group.parameters.iter().filter(|(name, parameter)| parameter.set || !self.defaults.contains(*name));
            Value::Object(shown.map(|(name, parameter)| (name.clone(), words(name, parameter))).collect())
        })
    }

    pub fn tag_values(&self) -> Fact<Value> {
        match self.busy() {
            Some(status) => {
                let words = json!(format!("cannot be read while the group is {status}"));
                Fact::Present(Value::Object(self.tag_keys.iter().map(|key| (key.clone(), words.clone())).collect()))
            }
            None => self.tags.as_ref().map(|tags| json!(tags)),
        }
    }
}

impl TransitEncryption {
    pub fn word(self) -> &'static str {
        match self {
            TransitEncryption::Preferred => "Preferred",
            TransitEncryption::Required => "Required",
        }
    }
}

/// What is the same on all clusters, or all of it where they differ.
fn joined(words: &BTreeSet<String>) -> Fact<Value> {
    match words.is_empty() {
        true => Fact::Absent,
        false => Fact::Present(json!(words.iter().map(String::as_str).collect::<Vec<_>>().join(", "))),
    }
}

/// An answer that does not tell.
pub fn failed(call: &str, message: &str) -> Unreadable {
    Unreadable { call: call.to_owned(), why: Why::Failed, message: message.to_owned() }
}

/// Whether a transit encryption found satisfies a declared one: required satisfies preferred, since nothing is ever weakened.
pub fn transit_satisfies(found: &Value, declared: &Value) -> bool {
    found == declared || (found.as_str() == Some("Required") && declared.as_str() == Some("Preferred"))
}

/// Whether an engine version found satisfies a declared one.
pub fn version_satisfies(found: &Value, declared: &Value) -> bool {
    matches!((found.as_str(), declared.as_str()), (Some(found), Some(declared)) if version::satisfies(found, declared))
}

/// A parameter's value as AWS writes it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
