//! The places that name the group's address: how each is looked at, turned to the new group, and turned back.
//!
//! A look reads no secret: that a place is turned is told by the version of it that holdfast made, whose name follows from the move.

mod address;
mod secrets_manager;

pub use address::{Endpoints, Way, rewritten};

use crate::aws::{CallError, Reads, Writes};
use crate::kinds::Fact;
use crate::kinds::elasticache::migration::Cutover;

/// Which group a place names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// What it named before the move.
    Source,
    Target,
}

/// A place in the words of a plan: `the secret huntaze/app (REDIS_URL)`.
pub fn words(cutover: &Cutover) -> String {
    if let Some(secret) = &cutover.secrets_manager {
        return secrets_manager::words(secret);
    }
    if let Some(parameter) = &cutover.ssm_parameter {
        return format!("the parameter {}", parameter.name);
    }
    if let Some(kubernetes) = &cutover.kubernetes {
        return format!("the Kubernetes Secret {} ({})", kubernetes.secret, kubernetes.key);
    }
    match &cutover.ecs {
        Some(ecs) => format!("the ECS service {} of {}", ecs.service, ecs.cluster),
        None => "nothing".to_owned(),
    }
}

/// Whether this version can turn it.
pub fn is_known(cutover: &Cutover) -> bool {
    cutover.secrets_manager.is_some()
}

/// Which group it names. `turned`: the name of what holdfast makes there.
pub async fn look(reads: &Reads, cutover: &Cutover, turned: &str) -> Fact<Turned> {
    match &cutover.secrets_manager {
        Some(secret) => secrets_manager::look(reads, secret, turned).await,
        None => Fact::default(),
    }
}

/// Fails where it does not name the source: then turning it would turn nothing.
pub async fn names_source(writes: &Writes, cutover: &Cutover, way: &Way<'_>) -> Result<(), CallError> {
    match &cutover.secrets_manager {
        Some(secret) => secrets_manager::names_source(writes, secret, way).await,
        None => Ok(()),
    }
}

/// Turns it to the target.
pub async fn turn(writes: &Writes, cutover: &Cutover, turned: &str, way: &Way<'_>) -> Result<(), CallError> {
    match &cutover.secrets_manager {
        Some(secret) => secrets_manager::turn(writes, secret, turned, way).await,
        None => Ok(()),
    }
}

/// Turns it back to what it named before.
pub async fn turn_back(writes: &Writes, cutover: &Cutover, turned: &str) -> Result<(), CallError> {
    match &cutover.secrets_manager {
        Some(secret) => secrets_manager::turn_back(writes, secret, turned).await,
        None => Ok(()),
    }
}
