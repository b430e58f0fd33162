//! The places that name the group's address: how each is looked at, turned to the new group, and turned back.
//!
//! A look reads no secret: that a place is turned is told by what holdfast left there (a version, a label, a tag), whose name follows from the move.

mod address;
mod ecs;
mod secrets_manager;
mod ssm;

pub use address::{Endpoints, Way, names, rewritten};

use crate::aws::{CallError, Reads, Writes};
use crate::kinds::Fact;
use crate::kinds::elasticache::migration::Cutover;

/// Which group a place names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// What it named before the move: it was not turned.
    Source,
    /// Its turning was begun and is begun again where it is not seen through.
    Begun,
    /// On its way to the target, as the words say.
    Turning(String),
    Target,
    /// It cannot come to the target, as the words say.
    Failed(String),
    /// On its way back.
    TurningBack(String),
    /// It was turned, and is so no more: it is as it was before, or somebody gave it something else since.
    Back,
    /// It cannot come back, as the words say.
    BackFailed(String),
}

impl Turned {
    /// Whether nothing of the target is left there.
    pub fn is_back(&self) -> bool {
        matches!(self, Turned::Source | Turned::Back)
    }
}

/// A place that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub turned: Turned,
    /// It is not made for secrets.
    pub plain: bool,
    /// Why it cannot be turned, and what to do.
    pub cannot: Option<(String, String)>,
    /// Something of the move stands there that goes when the move is over.
    pub marked: bool,
}

impl Place {
    fn of(turned: Turned) -> Place {
        Place { turned, plain: false, cannot: None, marked: false }
    }
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

/// What it is, for names that follow from it.
pub fn key(cutover: &Cutover) -> String {
    serde_json::to_string(cutover).unwrap_or_default()
}

/// Whether this version can turn it.
pub fn is_known(cutover: &Cutover) -> bool {
    cutover.kubernetes.is_none()
}

/// Whether it holds no address: it reads one that stands at a place before it, and has to be begun anew for that.
pub fn reads_another(cutover: &Cutover) -> bool {
    cutover.ecs.is_some()
}

/// Whether a move writes notes there that go when it is over.
pub fn leaves_marks(cutover: &Cutover) -> bool {
    cutover.ssm_parameter.is_some() || cutover.ecs.is_some()
}

/// Where it stands. `turned`: the name of what holdfast makes there.
pub async fn look(reads: &Reads, cutover: &Cutover, turned: &str) -> Fact<Place> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::look(reads, secret, turned).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::look(reads, &parameter.name, turned).await
    } else if let Some(service) = &cutover.ecs {
        ecs::look(reads, service, turned).await
    } else {
        Fact::default()
    }
}

/// Whether it names any address of a group. Reads the secret.
pub async fn names_any(writes: &Writes, cutover: &Cutover, of: &Endpoints) -> Result<bool, CallError> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::names_any(writes, secret, of).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::names_any(writes, &parameter.name, of).await
    } else {
        Ok(false)
    }
}

/// Fails where it does not name the source: then turning it would turn nothing.
pub async fn names_source(writes: &Writes, cutover: &Cutover, way: &Way<'_>) -> Result<(), CallError> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::names_source(writes, secret, way).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::names_source(writes, &parameter.name, way).await
    } else {
        Ok(())
    }
}

/// Turns it to the target.
pub async fn turn(writes: &Writes, cutover: &Cutover, turned: &str, way: &Way<'_>) -> Result<(), CallError> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::turn(writes, secret, turned, way).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::turn(writes, &parameter.name, turned, way).await
    } else if let Some(service) = &cutover.ecs {
        ecs::turn(writes, service, turned).await
    } else {
        Ok(())
    }
}

/// Turns it back to what it named before. `source`: the addresses of the group that it named.
pub async fn turn_back(writes: &Writes, cutover: &Cutover, turned: &str, source: &Endpoints) -> Result<(), CallError> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::turn_back(writes, secret, turned).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::turn_back(writes, &parameter.name, turned, source).await
    } else if let Some(service) = &cutover.ecs {
        ecs::turn_back(writes, service, turned).await
    } else {
        Ok(())
    }
}

/// Takes away what stands there of the move.
pub async fn forget(writes: &Writes, cutover: &Cutover, turned: &str) -> Result<(), CallError> {
    if let Some(parameter) = &cutover.ssm_parameter {
        ssm::forget(writes, &parameter.name, turned).await
    } else if let Some(service) = &cutover.ecs {
        ecs::forget(writes, service).await
    } else {
        Ok(())
    }
}
