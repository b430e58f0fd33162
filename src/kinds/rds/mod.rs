//! RDS DB instances (`rds.instances`).
//!
//! What belongs to a cluster (Aurora, Multi-AZ DB clusters) is not declared of its members.

mod brings;
mod cuts;
mod fields;
mod observe;
mod op;
mod parameter_steps;
mod progress;
mod restart;
mod seen;
mod spec;
mod steps;
mod values;
mod window;

#[cfg(test)]
mod tests;

pub use op::{Changes, Op, Resetting, Setting, Timing};
pub use seen::Seen;
pub use spec::{
    ApplyDuring, EnhancedMonitoring, InstanceSpec, ParameterValue, PerformanceInsights, SharedParameterGroup, StorageEncrypted,
};

use crate::aws::{Call, CallError, Reads, Writes, calls};
use crate::kinds::{Fact, FactSet, Field, Kind, Multiplicity, Planning, Progress, Scope, SpecProblem, Steps, Target};

/// RDS DB instances.
pub struct Instances;

impl Kind for Instances {
    const PATH: &'static str = "rds.instances";
    const TITLE: &'static str = "RDS instance";
    const SHAPE: Multiplicity = Multiplicity::Many;
    const IDENTITY: &'static [&'static str] = &["name", "instance"];
    const FIELDS: &'static [Field<Instances>] = fields::FIELDS;
    const CALLS: &'static [&'static Call] = &[
        &calls::rds::DESCRIBE_DB_INSTANCES,
        &calls::rds::DESCRIBE_DB_PARAMETER_GROUPS,
        &calls::rds::DESCRIBE_DB_PARAMETERS,
        &calls::rds::DESCRIBE_DB_ENGINE_VERSIONS,
        &calls::rds::LIST_TAGS_FOR_RESOURCE,
        &calls::kms::DESCRIBE_KEY,
        &calls::rds::MODIFY_DB_INSTANCE,
        &calls::rds::REBOOT_DB_INSTANCE,
        &calls::rds::CREATE_DB_PARAMETER_GROUP,
        &calls::rds::COPY_DB_PARAMETER_GROUP,
        &calls::rds::MODIFY_DB_PARAMETER_GROUP,
        &calls::rds::RESET_DB_PARAMETER_GROUP,
        &calls::rds::DELETE_DB_PARAMETER_GROUP,
        &calls::rds::ADD_TAGS_TO_RESOURCE,
        &calls::rds::REMOVE_TAGS_FROM_RESOURCE,
    ];

    type Spec = InstanceSpec;
    type Seen = Seen;
    type Op = Op;

    fn name(spec: &InstanceSpec) -> String {
        spec.name.clone()
    }

    fn id(spec: &InstanceSpec, _scope: &Scope) -> String {
        spec.identifier()
    }

    fn problems(spec: &InstanceSpec, scope: &Scope) -> Vec<SpecProblem> {
        spec.problems(scope)
    }

    async fn observe(reads: &Reads, target: &Target<'_, Instances>, want: &FactSet) -> Seen {
        observe::observe(reads, target, want).await
    }

    fn presence(seen: &Seen) -> Fact<()> {
        seen.instance.as_ref().map(|_| ())
    }

    fn steps(planning: &Planning<'_, Instances>) -> Steps<Op> {
        steps::steps(planning)
    }

    fn notes(spec: &InstanceSpec, seen: &Seen) -> Vec<String> {
        steps::waiting(spec, seen)
    }

    fn check(op: &Op, seen: &Seen) -> Progress {
        progress::check(op, seen)
    }

    async fn start(writes: &Writes, op: &Op) -> Result<(), CallError> {
        op::start(writes, op).await
    }

    /// A group that was made is taken back while nothing uses it. Attaching is not undone: the own group holds all that the former
    /// one did, and what is declared besides; going back would weaken the instance. Settings were hardened, and stay.
    fn undo(op: &Op, was: &Seen) -> Option<Op> {
        match op {
            Op::CreateGroup { group, .. } if was.own.is_absent() => Some(Op::DeleteGroup { group: group.clone() }),
            _ => None,
        }
    }
}
