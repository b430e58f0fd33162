//! ECS: clusters with services, and their deployments.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, Operation, Refusal};
use super::ids;
use super::protocol::json as wire;
use super::world::World;
use crate::clock::later;

/// New tasks are placed, pass their checks, and the old ones drain.
const ROLLOUT: Duration = Duration::from_secs(4 * 60);
/// How long it takes until the circuit breaker has seen enough tasks fail.
const BREAKING: Duration = Duration::from_secs(3 * 60);
/// Services that can be described at once. [service model, DescribeServices]
const AT_ONCE: usize = 10;
/// Tags of a service. [service model, TagResource]
const TAGS: usize = 50;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// Clusters by name.
    pub clusters: BTreeMap<String, Cluster>,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Cluster {
    /// Services by name.
    pub services: BTreeMap<String, Service>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Service {
    /// `ACTIVE`, `DRAINING` or `INACTIVE`.
    pub status: String,
    /// What its tasks are: `family:revision`.
    pub task_definition: String,
    /// How many tasks it runs.
    pub desired_count: u32,
    /// Who deploys it: `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    pub deployment_controller: String,
    /// What becomes of a deployment whose tasks fail.
    pub circuit_breaker: CircuitBreaker,
    /// How many of the next deployments bring up no healthy task.
    pub fail_deployments: u32,
    /// The newest first: that one is PRIMARY.
    #[schemars(with = "Vec<serde_json::Value>", extend("readOnly" = true))]
    pub deployments: Vec<Deployment>,
    /// How many deployments were made: their ids follow from it.
    #[schemars(extend("readOnly" = true))]
    pub made: u64,
    /// When it was made. Left out: when the sandbox began.
    pub created: Option<Timestamp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Default for Service {
    fn default() -> Service {
        Service {
            status: "ACTIVE".to_owned(),
            task_definition: "service:1".to_owned(),
            desired_count: 1,
            deployment_controller: "ECS".to_owned(),
            circuit_breaker: CircuitBreaker::default(),
            fail_deployments: 0,
            deployments: Vec::new(),
            made: 0,
            created: None,
            tags: BTreeMap::new(),
        }
    }
}

/// What becomes of a deployment whose tasks fail: without it, it goes on for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Whether such a deployment is given up.
    pub enable: bool,
    /// Whether the last one that came to its end is then put in its place.
    pub rollback: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployment {
    pub id: String,
    pub task_definition: String,
    pub rollout: Rollout,
    #[serde(default)]
    pub reason: String,
    pub created: Timestamp,
    /// When its state ends by itself.
    #[serde(default)]
    pub ready_at: Option<Timestamp>,
    #[serde(default)]
    pub doomed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rollout {
    InProgress,
    Completed,
    Failed,
}

impl State {
    /// Lets rollouts become what they are by `now`.
    pub fn settle(&mut self, now: Timestamp) {
        for (cluster, found) in &mut self.clusters {
            for (name, service) in &mut found.services {
                service.settle(cluster, name, now);
            }
        }
    }

    fn by_arn(&mut self, arn: &str, world: (&str, &str)) -> Option<&mut Service> {
        let (cluster, name) = arn.strip_prefix(&format!("{}service/", prefix(world)))?.split_once('/')?;
        self.clusters.get_mut(cluster)?.services.get_mut(name)
    }
}

impl Service {
    fn settle(&mut self, cluster: &str, name: &str, now: Timestamp) {
        let created = *self.created.get_or_insert(now);
        if self.deployments.is_empty() {
            self.begin(cluster, name, created, "");
            if let Some(first) = self.deployments.first_mut() {
                first.rollout = Rollout::Completed;
                first.ready_at = None;
            }
        }
        let Some(primary) = self.deployments.first_mut() else { return };
        let Some(at) = primary.ready_at.filter(|at| *at <= now) else { return };
        primary.ready_at = None;
        if !primary.doomed {
            primary.rollout = Rollout::Completed;
            primary.reason = format!("ECS deployment {} completed.", primary.id);
            self.deployments.truncate(1);
        } else if self.circuit_breaker.enable {
            primary.rollout = Rollout::Failed;
            primary.reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
            let before = self.deployments.iter().find(|one| one.rollout == Rollout::Completed).cloned();
            if let Some(before) = before.filter(|_| self.circuit_breaker.rollback) {
                self.task_definition = before.task_definition.clone();
                let reason = format!("ECS deployment circuit breaker: rolling back to deploymentId {}.", before.id);
                self.begin(cluster, name, at, &reason);
            }
        }
    }

    /// A new PRIMARY deployment.
    fn begin(&mut self, cluster: &str, name: &str, at: Timestamp, reason: &str) {
        self.made += 1;
        let digits: String =
            ids::sha256(format!("{cluster}/{name}/{}", self.made)).bytes().map(|byte| char::from(b'0' + byte % 10)).take(19).collect();
        let doomed = self.fail_deployments > 0 && self.made > 1;
        if doomed {
            self.fail_deployments -= 1;
        }
        let length = if doomed && self.circuit_breaker.enable { BREAKING } else { ROLLOUT };
        let id = format!("ecs-svc/{digits}");
        let reason = if reason.is_empty() { format!("ECS deployment {id} in progress.") } else { reason.to_owned() };
        let deployment = Deployment {
            task_definition: self.task_definition.clone(),
            rollout: Rollout::InProgress,
            reason,
            created: at,
            ready_at: (!doomed || self.circuit_breaker.enable).then(|| later(at, length)),
            doomed,
            id,
        };
        // What was overtaken on its way drains at once; what failed is shown until another one has come to its end.
        self.deployments.retain(|one| one.rollout != Rollout::InProgress);
        self.deployments.insert(0, deployment);
    }
}

pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let name = wire::target(call)?;
    let writes = !["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
    Ok(Operation { name, writes })
}

pub fn answer(world: &mut World, operation: &Operation, call: &Call) -> Result<Answer, Refusal> {
    let body = wire::body(call)?;
    let answer = match operation.name.as_str() {
        "DescribeServices" => describe_services(world, &body)?,
        "UpdateService" => update_service(world, &body)?,
        "TagResource" => tag(world, &body)?,
        "UntagResource" => untag(world, &body)?,
        other => return Err(Refusal::new(501, "NotImplemented", format!("The sandbox's ECS has no operation {other}."))),
    };
    Ok(wire::answer(&answer))
}

pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    wire::refuse(refusal, request_id)
}

fn describe_services(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let cluster = cluster(world, body)?;
    let asked: Vec<&str> = body.get("services").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if asked.is_empty() || asked.len() > AT_ONCE {
        return Err(invalid("Services cannot be empty, and at most 10 can be described at once."));
    }
    let tags = body.get("include").and_then(Value::as_array).is_some_and(|include| include.iter().any(|one| one == "TAGS"));
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for id in asked {
        let name = local(id);
        match world.ecs.clusters.get(&cluster).and_then(|found| found.services.get(name)) {
            Some(service) => services.push(shown(world, &cluster, name, service, tags)),
            None => failures.push(json!({ "arn": arn(world, &cluster, name), "reason": "MISSING" })),
        }
    }
    Ok(json!({ "services": services, "failures": failures }))
}

fn update_service(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let cluster = cluster(world, body)?;
    let name = local(text(body, "service").ok_or_else(|| invalid("service is required."))?).to_owned();
    for member in body.as_object().into_iter().flat_map(Map::keys) {
        if !["cluster", "service", "forceNewDeployment", "taskDefinition", "desiredCount"].contains(&member.as_str()) {
            return Err(Refusal::new(501, "NotImplemented", format!("The sandbox's UpdateService does not take {member}.")));
        }
    }
    let now = world.now;
    let service = world.ecs.clusters.get_mut(&cluster).and_then(|found| found.services.get_mut(&name));
    let service = service.ok_or_else(|| Refusal::new(400, "ServiceNotFoundException", "Service not found."))?;
    if service.status != "ACTIVE" {
        return Err(Refusal::new(400, "ServiceNotActiveException", "Service was not ACTIVE."));
    }
    let forced = body.get("forceNewDeployment").and_then(Value::as_bool).unwrap_or(false);
    let definition = text(body, "taskDefinition");
    if service.deployment_controller != "ECS" && (forced || definition.is_some()) {
        let message = format!(
            "Cannot force a new deployment on services with a {} deployment controller. Use AWS CodeDeploy to trigger a new deployment.",
            service.deployment_controller
        );
        return Err(invalid(message));
    }
    if let Some(count) = body.get("desiredCount").and_then(Value::as_u64) {
        service.desired_count = u32::try_from(count).unwrap_or(u32::MAX);
    }
    let changed = definition.is_some_and(|definition| definition != service.task_definition);
    if let Some(definition) = definition {
        service.task_definition = definition.to_owned();
    }
    if forced || changed {
        service.begin(&cluster, &name, now, "");
    }
    let service = service.clone();
    Ok(json!({ "service": shown(world, &cluster, &name, &service, false) }))
}

fn shown(world: &World, cluster: &str, name: &str, service: &Service, with_tags: bool) -> Value {
    let definition = |name: &str| format!("{}task-definition/{name}", prefix((&world.account, &world.region)));
    let deployments: Vec<Value> = service
        .deployments
        .iter()
        .enumerate()
        .map(|(place, one)| {
            let running = match one.rollout {
                Rollout::Completed => service.desired_count,
                _ if one.doomed => 0,
                _ => service.desired_count / 2,
            };
            json!({
                "id": one.id,
                "status": if place == 0 { "PRIMARY" } else { "ACTIVE" },
                "taskDefinition": definition(&one.task_definition),
                "desiredCount": service.desired_count,
                "runningCount": running,
                "pendingCount": service.desired_count - running,
                "failedTasks": if one.doomed { 3 } else { 0 },
                "createdAt": one.created.as_second(),
                "updatedAt": one.created.as_second(),
                "launchType": "FARGATE",
                "rolloutState": serde_json::to_value(one.rollout).unwrap_or_default(),
                "rolloutStateReason": one.reason,
            })
        })
        .collect();
    let CircuitBreaker { enable, rollback } = service.circuit_breaker;
    let mut shown = Map::from_iter([
        ("serviceArn".to_owned(), json!(arn(world, cluster, name))),
        ("serviceName".to_owned(), json!(name)),
        ("clusterArn".to_owned(), json!(format!("{}cluster/{cluster}", prefix((&world.account, &world.region))))),
        ("status".to_owned(), json!(service.status)),
        ("desiredCount".to_owned(), json!(service.desired_count)),
        ("runningCount".to_owned(), json!(service.desired_count)),
        ("pendingCount".to_owned(), json!(0)),
        ("launchType".to_owned(), json!("FARGATE")),
        ("taskDefinition".to_owned(), json!(definition(&service.task_definition))),
        ("deploymentController".to_owned(), json!({ "type": service.deployment_controller })),
        ("deploymentConfiguration".to_owned(), json!({ "deploymentCircuitBreaker": { "enable": enable, "rollback": rollback } })),
        ("deployments".to_owned(), Value::Array(deployments)),
        ("createdAt".to_owned(), json!(service.created.unwrap_or(Timestamp::UNIX_EPOCH).as_second())),
        ("schedulingStrategy".to_owned(), json!("REPLICA")),
    ]);
    if with_tags {
        let tags: Vec<Value> = service.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        shown.insert("tags".to_owned(), Value::Array(tags));
    }
    Value::Object(shown)
}

fn tag(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let new: Vec<(String, String)> = body
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tag| Some((text(tag, "key")?.to_owned(), text(tag, "value").unwrap_or_default().to_owned())))
        .collect();
    let known = |character: char| character.is_alphanumeric() || " _.:/=+-@".contains(character);
    if new.iter().any(|(key, value)| {
        key.is_empty() || key.len() > 128 || value.len() > 256 || key.starts_with("aws:") || !key.chars().chain(value.chars()).all(known)
    }) {
        return Err(invalid("A tag's key or value is not valid."));
    }
    let service = tagged(world, body)?;
    let mut tags = service.tags.clone();
    tags.extend(new);
    if tags.len() > TAGS {
        return Err(Refusal::new(400, "LimitExceededException", "A resource can have at most 50 tags."));
    }
    service.tags = tags;
    Ok(json!({}))
}

fn untag(world: &mut World, body: &Value) -> Result<Value, Refusal> {
    let keys: Vec<String> =
        body.get("tagKeys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let service = tagged(world, body)?;
    service.tags.retain(|key, _| !keys.contains(key));
    Ok(json!({}))
}

fn tagged<'a>(world: &'a mut World, body: &Value) -> Result<&'a mut Service, Refusal> {
    let arn = text(body, "resourceArn").ok_or_else(|| invalid("resourceArn is required."))?;
    let World { ecs, account, region, .. } = world;
    ecs.by_arn(arn, (account, region)).ok_or_else(|| Refusal::new(400, "ResourceNotFoundException", "The specified resource wasn't found."))
}

/// The cluster that a request names; `default` where it names none.
fn cluster(world: &World, body: &Value) -> Result<String, Refusal> {
    let name = local(text(body, "cluster").unwrap_or("default"));
    match world.ecs.clusters.contains_key(name) {
        true => Ok(name.to_owned()),
        false => Err(Refusal::new(400, "ClusterNotFoundException", "Cluster not found.")),
    }
}

/// The name out of a name or an ARN.
fn local(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn prefix((account, region): (&str, &str)) -> String {
    format!("arn:aws:ecs:{region}:{account}:")
}

fn arn(world: &World, cluster: &str, name: &str) -> String {
    format!("{}service/{cluster}/{name}", prefix((&world.account, &world.region)))
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterException", message)
}

#[cfg(test)]
mod tests;
