//! What the manifest can say of moving a group into a new one: typed and checked, so that a manifest can carry it. Nothing here is
//! compared with AWS.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::SpecProblem;
use crate::manifest::FieldPath;

/// How a group, or a standalone cluster, may be moved into a new, encrypted group. What is left out has the default that its description names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Migration {
    /// Whether the move is consented to, up to the turning of clients. Left out: no, and the plan's hash is asked for; a move that was begun with it goes on
    /// by it. `false` takes that back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    /// Whether writes may be lost while clients move. `None` loses no write, and needs a network path to both groups; `Accept` takes
    /// what the snapshot holds. Left out: `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_gap: Option<WriteGap>,
    /// For how long writes are held at the most; after that the cut-over is undone. A forecast beyond it blocks the move: what cannot be measured is
    /// assumed in it, 60 s for each place that starts something anew (ECS, `restart`), a command's `timeout`, 5 s for each other place, 15 s for the rest.
    /// Left out: `240s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]{0,6}(s|m|h)$"), extend("examples" = ["240s"]))]
    pub freeze_budget: Option<String>,
    /// For how long a restore is tried, over all its attempts. Left out: `30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]{0,6}(s|m|h)$"), extend("examples" = ["30m"]))]
    pub restore_timeout: Option<String>,
    /// For how long the old group, or cluster, is kept after the cut-over. Left out: `24h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]{0,6}(s|m|h)$"), extend("examples" = ["24h"]))]
    pub keep_old: Option<String>,
    /// What becomes of the old group after `keepOld`. Left out: `Keep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retire: Option<Retire>,
    /// Where the address of the group is written, so that it can be turned to the new one, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub cutover: Option<Vec<Cutover>>,
}

/// Whether writes may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WriteGap {
    None,
    Accept,
}

/// What becomes of the old group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retire {
    /// It stays until somebody deletes it.
    Keep,
    /// It is deleted, after a final snapshot was seen available and while the new group is healthy.
    Delete,
}

/// One place that names the group's address: exactly one of the members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Cutover {
    /// A member of a JSON secret in Secrets Manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets_manager: Option<SecretMember>,
    /// A parameter in Systems Manager's Parameter Store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssm_parameter: Option<SsmParameter>,
    /// A key of a Kubernetes Secret or ConfigMap, and what is restarted to read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesEntry>,
    /// An ECS service that is deployed anew to read what was written before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecs: Option<EcsService>,
    /// Commands of yours, for a place that holdfast does not know. They are run only where `--allow-exec` is given to the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
}

/// A member of a JSON secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretMember {
    /// The secret's ARN.
    #[schemars(length(min = 20, max = 2048), regex(pattern = "^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$"), extend("examples" = ["arn:aws:secretsmanager:us-east-1:317805897534:secret:huntaze/redis-auth-Ab12Cd"]))]
    pub secret_arn: String,
    /// The member that holds the address. Left out: the secret's whole text is looked through, and every address of the group in it is turned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub key: Option<String>,
}

/// A parameter of the Parameter Store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SsmParameter {
    /// Its name, with its path: `/huntaze/REDIS_URL`.
    #[schemars(length(min = 1, max = 1011), regex(pattern = "^[a-zA-Z0-9_.:/-]+$"), extend("examples" = ["/huntaze/REDIS_URL"]))]
    pub name: String,
}

/// A key of a Kubernetes Secret or ConfigMap: exactly one of `secret` and `configMap`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesEntry {
    /// The context of the kubeconfig that leads to the cluster. Left out: the one that leads to `server`. Without either: in a pod the cluster that it runs in,
    /// unless KUBECONFIG is set or `--kubeconfig` given; else the kubeconfig's only context. Of several none is taken, the current one neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("examples" = ["production"]))]
    pub context: Option<String>,
    /// The URL of the cluster's API server, as the kubeconfig has it: nothing is read or changed where the context leads to another one. Left out: any, and the
    /// plan says which.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = "^https?://[^@/ ]+(/[^ ]*)?$"), extend("examples" = ["https://ABCD1234.gr7.us-east-1.eks.amazonaws.com"]))]
    pub server: Option<String>,
    /// The namespace. Left out: that of the manifest's object, or else of the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), extend("examples" = ["web"]))]
    pub namespace: Option<String>,
    /// The Secret's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["app-env"]))]
    pub secret: Option<String>,
    /// The ConfigMap's name. An address that would hold the token is not written there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["app-env"]))]
    pub config_map: Option<String>,
    /// The key in it that holds the address.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"), extend("examples" = ["REDIS_URL"]))]
    pub key: String,
    /// What reads it only when it starts, one or several: `deployment/api`. Their pods are made anew as by `kubectl rollout restart`, and watched until that is
    /// done. A workload that reads several of these places is named at the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Workloads>,
}

/// One workload, or a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Workloads {
    One(String),
    Several(Vec<String>),
}

impl Workloads {
    pub fn all(&self) -> &[String] {
        match self {
            Workloads::One(one) => std::slice::from_ref(one),
            Workloads::Several(all) => all,
        }
    }
}

// Written by hand: one type list instead of a choice between schemas.
impl JsonSchema for Workloads {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Workloads".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = "^(deployment|statefulset|daemonset)/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
        schemars::json_schema!({
            "type": ["string", "array"],
            "maxLength": 300,
            "pattern": pattern,
            "maxItems": 20,
            "items": {"type": "string", "maxLength": 300, "pattern": pattern, "examples": ["deployment/api"]},
            "examples": ["deployment/api", ["deployment/api", "statefulset/worker"]],
        })
    }
}

/// Commands that turn a place. Each is a program and its arguments: no shell reads them. They are given the addresses in their environment, never the token,
/// and what they change must bear to be done twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exec {
    /// Turns the place to `HOLDFAST_ADDRESS`, and ends with exit code 0 when clients read it. Anything else turns the move back.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 4096)), extend("examples" = [["./turn-redis.sh", "production"]]))]
    pub command: Vec<String>,
    /// Prints the address that is in force, and changes nothing. Left out: what is believed is what the runs of the other two have noted on AWS, on the lock of
    /// the move.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 4096)))]
    pub check: Option<Vec<String>>,
    /// Turns the place back to `HOLDFAST_ADDRESS`, which is the old group's then. Run again and again until its exit code is 0.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 4096)))]
    pub undo: Vec<String>,
    /// How long each of them may take; then it is ended, with everything that it began. Left out: `60s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]{0,6}(s|m|h)$"), extend("examples" = ["60s"]))]
    pub timeout: Option<String>,
}

impl Exec {
    /// `timeout`, or what it is where it is left out.
    pub fn within(&self) -> Duration {
        self.timeout.as_deref().and_then(seconds).map_or(Duration::from_secs(60), Duration::from_secs)
    }
}

/// An ECS service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EcsService {
    /// The cluster's name.
    #[schemars(length(min = 1, max = 255))]
    pub cluster: String,
    /// The service's name.
    #[schemars(length(min = 1, max = 255))]
    pub service: String,
}

impl Migration {
    /// `restoreTimeout`, where it is declared.
    pub fn restored_within(&self) -> Option<Duration> {
        self.restore_timeout.as_deref().and_then(seconds).map(Duration::from_secs)
    }

    /// `freezeBudget`, where it is declared.
    pub fn budget(&self) -> Option<Duration> {
        self.freeze_budget.as_deref().and_then(seconds).map(Duration::from_secs)
    }

    /// `keepOld`, where it is declared.
    pub fn kept(&self) -> Option<Duration> {
        self.keep_old.as_deref().and_then(seconds).map(Duration::from_secs)
    }

    /// `retire`, or what it is where it is left out.
    pub fn retired(&self) -> Retire {
        self.retire.unwrap_or(Retire::Keep)
    }

    /// `writeGap`, or what it is where it is left out.
    pub fn gap(&self) -> WriteGap {
        self.write_gap.unwrap_or(WriteGap::None)
    }

    /// What is wrong with it that its schema cannot say.
    pub fn problems(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        for (path, value) in [("freezeBudget", &self.freeze_budget), ("restoreTimeout", &self.restore_timeout), ("keepOld", &self.keep_old)]
        {
            if value.as_ref().is_some_and(|value| seconds(value).is_none()) {
                problems.push(problem(path, "is no length of time", "a number and s, m or h: 240s, 30m, 24h"));
            }
        }
        let places: Vec<&Cutover> = self.cutover.iter().flatten().collect();
        let mut restarted: Vec<(&KubernetesEntry, &String)> = Vec::new();
        for (at, place) in places.iter().enumerate() {
            // Each turn makes a version of the whole, and the way back is to the version before.
            if places.iter().take(at).any(|other| is_same(place, other)) {
                let expected = "each place once; a secret without `key` has every address in it turned";
                problems.push(problem(&format!("cutover[{at}]"), "is a place that stands before in the list", expected));
            }
            let named = [
                place.secrets_manager.is_some(),
                place.ssm_parameter.is_some(),
                place.kubernetes.is_some(),
                place.ecs.is_some(),
                place.exec.is_some(),
            ];
            if named.iter().filter(|named| **named).count() != 1 {
                let expected = "exactly one of secretsManager, ssmParameter, kubernetes, ecs, exec";
                problems.push(problem(&format!("cutover[{at}]"), "names no place, or several", expected));
            }
            if let Some(entry) = &place.kubernetes {
                if entry.secret.is_some() == entry.config_map.is_some() {
                    let expected = "exactly one of secret, configMap";
                    problems.push(problem(&format!("cutover[{at}].kubernetes"), "names no object, or two", expected));
                }
                for workload in entry.restart.iter().flat_map(Workloads::all) {
                    if restarted.iter().any(|(other, name)| *name == workload && is_same_ground(entry, other)) {
                        let message = format!("names {workload} a second time");
                        let expected = "each workload once, at the last place that it reads";
                        problems.push(problem(&format!("cutover[{at}].kubernetes.restart"), &message, expected));
                    }
                    restarted.push((entry, workload));
                }
            }
            if let Some(exec) = &place.exec {
                let longest = exec.timeout.as_ref().is_none_or(|_| exec.within() <= LONGEST_COMMAND);
                if exec.timeout.as_deref().is_some_and(|timeout| seconds(timeout).is_none()) || !longest {
                    let expected = "a number and s, m or h, at most 1h: 60s, 10m";
                    problems.push(problem(
                        &format!("cutover[{at}].exec.timeout"),
                        "is no length of time that a command may take",
                        expected,
                    ));
                }
            }
        }
        problems
    }
}

/// A command takes no longer.
const LONGEST_COMMAND: Duration = Duration::from_secs(3600);

/// Whether two places are one.
fn is_same(one: &Cutover, other: &Cutover) -> bool {
    let secret = |one: &Cutover| one.secrets_manager.as_ref().map(|secret| secret.secret_arn.clone());
    let command = |one: &Cutover| one.exec.as_ref().map(|exec| exec.command.clone());
    let parameter = |one: &Cutover| one.ssm_parameter.as_ref().map(|parameter| parameter.name.clone());
    let entry = |one: &KubernetesEntry, other: &KubernetesEntry| {
        is_same_ground(one, other) && (&one.secret, &one.config_map, &one.key) == (&other.secret, &other.config_map, &other.key)
    };
    secret(one).is_some() && secret(one) == secret(other)
        || parameter(one).is_some() && parameter(one) == parameter(other)
        || one.ecs.is_some() && one.ecs == other.ecs
        || one.exec.is_some() && command(one) == command(other)
        || one.kubernetes.as_ref().zip(other.kubernetes.as_ref()).is_some_and(|(one, other)| entry(one, other))
}

/// Whether two places stand in one namespace of one cluster, as far as the manifest tells.
fn is_same_ground(one: &KubernetesEntry, other: &KubernetesEntry) -> bool {
    (&one.context, &one.server, &one.namespace) == (&other.context, &other.server, &other.namespace)
}

fn problem(path: &str, message: &str, expected: &str) -> SpecProblem {
    SpecProblem { path: FieldPath::fixed(&format!("migration.{path}")), message: message.to_owned(), expected: expected.to_owned() }
}

/// The seconds of `240s`, `30m`, `24h`.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<u64>().ok().filter(|number| *number > 0)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!((seconds("240s"), seconds("30m"), seconds("24h")), (Some(240), Some(1800), Some(86_400)));
        assert_eq!((seconds(""), seconds("m"), seconds("0s"), seconds("5d"), seconds("é")), (None, None, None, None, None));
    }

    #[test]
    fn a_place_is_one_place() {
        let migration: Migration = serde_json::from_value(serde_json::json!({
            "approved": true, "freezeBudget": "4 minutes",
            "cutover": [{"ecs": {"cluster": "main", "service": "api"}}, {}, {"ssmParameter": {"name": "/a"}, "ecs": {"cluster": "a", "service": "b"}}],
        }))
        .unwrap();
        let paths: Vec<String> = migration.problems().into_iter().map(|problem| problem.path.to_string()).collect();
        assert_eq!(paths, ["migration.freezeBudget", "migration.cutover[1]", "migration.cutover[2]"]);
    }

    #[test]
    fn a_kubernetes_place_is_one_object_and_a_workload_is_named_once() {
        let migration: Migration = serde_json::from_value(serde_json::json!({"cutover": [
            {"kubernetes": {"secret": "app", "key": "URL", "restart": "deployment/api"}},
            {"kubernetes": {"configMap": "app", "key": "URL", "restart": ["statefulset/api", "deployment/api"]}},
            {"kubernetes": {"secret": "app", "configMap": "app", "key": "URL"}},
            {"kubernetes": {"key": "URL", "namespace": "other", "restart": "deployment/api"}},
            {"kubernetes": {"secret": "app", "key": "URL"}},
            {"exec": {"command": ["a"], "undo": ["b"], "timeout": "2h"}},
            {"exec": {"command": ["c"], "undo": ["b"], "timeout": "1h"}},
            {"exec": {"command": ["c"], "undo": ["d"]}},
        ]}))
        .unwrap();
        let paths: Vec<String> = migration.problems().into_iter().map(|problem| problem.path.to_string()).collect();
        let expected = ["[1].kubernetes.restart", "[2].kubernetes", "[3].kubernetes", "[4]", "[5].exec.timeout", "[7]"];
        assert_eq!(paths, expected.map(|place| format!("migration.cutover{place}")));
    }
}
