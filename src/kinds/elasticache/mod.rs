//! ElastiCache replication groups: what can be changed in place, and moving one into a new group where it cannot (`moving`).

mod check;
mod fields;
mod migration;
mod moving;
mod observe;
mod op;
mod seen;
mod spec;
mod standalone;
mod start;
mod steps;
#[cfg(test)]
mod tests;
mod token;
mod values;
mod version;
mod window;

pub use migration::{Cutover, EcsService, Exec, KubernetesEntry, Migration, Retire, SecretMember, SsmParameter, Workloads, WriteGap};
use moving::MoveOp;
pub use moving::{Figures, Move, MoveCommand, MovePhase, MoveStatus, PlaceStatus, Report, amount, length, size};
pub use op::Op;
pub use seen::Seen;
pub use spec::{
    AtRestEncryption, Auth, DestinationType, LogDeliveries, LogDelivery, LogFormat, ParameterValue, ReplicationGroupSpec,
    SharedParameterGroup, TransitEncryption,
};
pub use token::TokenRef;

use super::{Fact, FactSet, Field, Kind, Multiplicity, Planning, Progress, Scope, SpecProblem, Steps, Target};
use crate::aws::calls::{ecs, elasticache, kms, secretsmanager, ssm};
use crate::aws::{Call, CallError, GET_PARAMETER, GET_RANDOM_PASSWORD, GET_SECRET_VALUE, Reads, Writes};

/// The tags on what holdfast makes: by whom, and for which object.
const OWNER_TAG: &str = "holdfast.dev/owner";
const OWNER_TAG_VALUE: &str = "holdfast";
const OBJECT_TAG: &str = "holdfast.dev/object";

/// The kind `elasticache.replicationGroups`.
pub struct ReplicationGroups;

impl Kind for ReplicationGroups {
    const PATH: &'static str = "elasticache.replicationGroups";
    const TITLE: &'static str = "ElastiCache replication group";
    const SHAPE: Multiplicity = Multiplicity::Many;
    const FIELDS: &'static [Field<Self>] = fields::FIELDS;
    const CALLS: &'static [&'static Call] = &[
        &elasticache::DESCRIBE_REPLICATION_GROUPS,
        &elasticache::DESCRIBE_CACHE_CLUSTERS,
        &elasticache::DESCRIBE_CACHE_PARAMETER_GROUPS,
        &elasticache::DESCRIBE_CACHE_PARAMETERS,
        &elasticache::DESCRIBE_CACHE_ENGINE_VERSIONS,
        &elasticache::DESCRIBE_CACHE_SUBNET_GROUPS,
        &elasticache::DESCRIBE_SNAPSHOTS,
        &elasticache::LIST_TAGS_FOR_RESOURCE,
        &elasticache::MODIFY_REPLICATION_GROUP,
        &elasticache::CREATE_REPLICATION_GROUP,
        &elasticache::DELETE_REPLICATION_GROUP,
        &elasticache::DELETE_CACHE_CLUSTER,
        &elasticache::CREATE_SNAPSHOT,
        &elasticache::DELETE_SNAPSHOT,
        &elasticache::CREATE_CACHE_PARAMETER_GROUP,
        &elasticache::MODIFY_CACHE_PARAMETER_GROUP,
        &elasticache::RESET_CACHE_PARAMETER_GROUP,
        &elasticache::DELETE_CACHE_PARAMETER_GROUP,
        &elasticache::ADD_TAGS_TO_RESOURCE,
        &elasticache::REMOVE_TAGS_FROM_RESOURCE,
        &kms::DESCRIBE_KEY,
        &kms::GET_KEY_POLICY,
        &secretsmanager::DESCRIBE_SECRET,
        &secretsmanager::PUT_SECRET_VALUE,
        &secretsmanager::UPDATE_SECRET_VERSION_STAGE,
        &GET_SECRET_VALUE,
        &GET_RANDOM_PASSWORD,
        &ssm::GET_PARAMETER_HISTORY,
        &ssm::PUT_PARAMETER,
        &ssm::LABEL_PARAMETER_VERSION,
        &ssm::UNLABEL_PARAMETER_VERSION,
        &GET_PARAMETER,
        &ecs::DESCRIBE_SERVICES,
        &ecs::UPDATE_SERVICE,
        &ecs::TAG_RESOURCE,
        &ecs::UNTAG_RESOURCE,
    ];
    const IDENTITY: &'static [&'static str] = &["name", "replicationGroupId"];

    type Spec = ReplicationGroupSpec;
    type Seen = Seen;
    type Op = Op;

    fn name(spec: &ReplicationGroupSpec) -> String {
        spec.name.clone()
    }

    fn id(spec: &ReplicationGroupSpec, _scope: &Scope) -> String {
        spec.group_id()
    }

    fn problems(spec: &ReplicationGroupSpec, scope: &Scope) -> Vec<SpecProblem> {
        let mut problems = spec.problems();
        problems.extend(spec.problems_in(scope));
        problems
    }

    fn shares(spec: &ReplicationGroupSpec) -> Option<String> {
        spec.parameter_group_name()
    }

    async fn observe(reads: &Reads, target: &Target<'_, Self>, want: &FactSet) -> Seen {
        observe::observe(reads, target, want).await
    }

    fn presence(seen: &Seen) -> Fact<()> {
        // A cluster of that name is there, and its steps say what is to be done about it.
        if seen.bearer == standalone::Bearer::Memcached { Fact::Present(()) } else { seen.group.as_ref().map(|_| ()) }
    }

    fn tend(seen: &Seen) -> Option<Op> {
        moving::tend(&seen.moving).map(|op| Op::Move(Box::new(op)))
    }

    fn untold(seen: &Seen) -> Option<String> {
        seen.untold.as_ref().map(|(group, status)| format!("cannot be told while {group} is {status}"))
    }

    fn steps(planning: &Planning<'_, Self>) -> Steps<Op> {
        steps::steps(planning)
    }

    fn notes(_: &ReplicationGroupSpec, seen: &Seen) -> Vec<String> {
        moving::notes(&seen.moving)
    }

    fn check(op: &Op, seen: &Seen) -> Progress {
        check::check(op, seen)
    }

    async fn start(writes: &Writes, op: &Op) -> Result<(), CallError> {
        start::start(writes, op).await
    }

    fn undo(op: &Op, was: &Seen) -> Option<Op> {
        match op {
            // Debris: made, and perhaps not used. What was there before is not ours to take away.
            Op::CreateParameterGroup { name, .. } if was.parameter_groups.get(name).is_some_and(Fact::is_absent) => {
                Some(Op::DeleteParameterGroup { name: name.clone() })
            }
            _ => None,
        }
    }

    fn turns_back(op: &Op) -> Option<Op> {
        match op {
            Op::Move(op) => op.turns_back().map(|op| Op::Move(Box::new(op))),
            _ => None,
        }
    }

    fn is_way_back(op: &Op) -> bool {
        matches!(op, Op::Move(op) if matches!(**op, MoveOp::GoBack { .. } | MoveOp::GiveUp { .. }))
    }
}

/// The name of the parameter group that holdfast makes for a replication group: `holdfast-huntaze-redis-redis6-x`.
fn own_group_name(id: &str, family: &str) -> String {
    format!("holdfast-{id}-{}", family.replace('.', "-"))
}
