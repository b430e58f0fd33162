//! What the manifest can say of moving a group into a new one: typed and checked, so that a manifest can carry it. Nothing here is
//! compared with AWS.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::SpecProblem;
use crate::manifest::FieldPath;

/// How a group may be moved into a new, encrypted one. What is left out has the default that its description names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Migration {
    /// Whether the move is consented to, up to the turning of clients. Left out: no, and the plan's hash is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    /// Whether writes may be lost while clients move. `None` loses no write, and needs a network path to both groups; `Accept` takes
    /// what the snapshot holds. Left out: `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_gap: Option<WriteGap>,
    /// For how long writes are held at the most; after that the cut-over is undone. A forecast beyond it blocks the move: what cannot be measured is
    /// assumed in it, 60 s for each ECS service to start anew, 5 s for each other place, 15 s for the rest. Left out: `240s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]{0,6}(s|m|h)$"), extend("examples" = ["240s"]))]
    pub freeze_budget: Option<String>,
    /// For how long a restore is tried, over all its attempts. Left out: `30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[1-9][0-9]{0,6}(s|m|h)$"), extend("examples" = ["30m"]))]
    pub restore_timeout: Option<String>,
    /// For how long the old group is kept after the cut-over. Left out: `24h`.
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
    /// A key of a Kubernetes Secret, and what is restarted to read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesSecret>,
    /// An ECS service that is deployed anew to read what was written before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecs: Option<EcsService>,
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

/// A key of a Kubernetes Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesSecret {
    /// The namespace of the Secret. Left out: that of the manifest's object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
    /// The key in it that holds the address.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// What reads it only when it starts: `deployment/api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300), regex(pattern = "^(deployment|statefulset|daemonset)/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["deployment/api"]))]
    pub restart: Option<String>,
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
        for (at, place) in places.iter().enumerate() {
            let same = |other: &&Cutover| {
                let secret = |one: &Cutover| one.secrets_manager.as_ref().map(|secret| secret.secret_arn.clone());
                let parameter = |one: &Cutover| one.ssm_parameter.as_ref().map(|parameter| parameter.name.clone());
                secret(place).is_some() && secret(place) == secret(other)
                    || parameter(place).is_some() && parameter(place) == parameter(other)
                    || place.ecs.is_some() && place.ecs == other.ecs
            };
            // Each turn makes a version of the whole, and the way back is to the version before.
            if places.iter().take(at).any(same) {
                let expected = "each place once; a secret without `key` has every address in it turned";
                problems.push(problem(&format!("cutover[{at}]"), "is a place that stands before in the list", expected));
            }
            let named = [place.secrets_manager.is_some(), place.ssm_parameter.is_some(), place.kubernetes.is_some(), place.ecs.is_some()];
            if named.iter().filter(|named| **named).count() != 1 {
                let expected = "exactly one of secretsManager, ssmParameter, kubernetes, ecs";
                problems.push(problem(&format!("cutover[{at}]"), "names no place, or several", expected));
            }
        }
        problems
    }
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
}
