//! The places that name the group's address: how each is looked at, turned to the new group, and turned back.
//!
//! A look reads no secret: that a place is turned is told by what holdfast left there (a version, a label, a tag), whose name follows from the move.

mod address;
mod ecs;
mod exec;
mod kubernetes;
mod secrets_manager;
mod ssm;

pub use address::{Endpoints, Way, names, rewritten};

use std::time::Duration;

use super::lock::Lock;
use super::plan::{AT_ONCE, ROLLOUT};
use crate::aws::{CallError, Reads, Writes};
use crate::hex::short_sha256;
use crate::kinds::Fact;
use crate::kinds::elasticache::migration::Cutover;

/// What a place is looked at for.
pub struct Asked<'a> {
    /// The name of what holdfast makes there.
    pub turned: &'a str,
    /// The manifest's object, `namespace/name` where it has a namespace.
    pub object: &'a str,
    /// The addresses of the group that is moved, and of the one that it is moved into; of one that is not there there are none.
    pub from: &'a Endpoints,
    pub to: &'a Endpoints,
    /// The lock of the move, where one is under way.
    pub lock: Option<&'a Lock>,
}

/// Where a Kubernetes place stands: what the manifest leaves open is said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub context: Option<String>,
    pub server: String,
    pub namespace: String,
}

impl Standing {
    /// In short, for the lock.
    pub fn digest(&self) -> String {
        digest(&self.server, &self.namespace)
    }
}

fn digest(server: &str, namespace: &str) -> String {
    short_sha256(format!("{server}\n{namespace}"), 12)
}

/// Which clusters a move's Kubernetes places stand in, for the lock: another process that reaches others by the same names must not take them for these.
pub fn clusters(cutover: &[Cutover]) -> Vec<String> {
    let of =
        |entry: &crate::kinds::elasticache::migration::KubernetesEntry| Some(digest(entry.server.as_deref()?, entry.namespace.as_deref()?));
    let mut all: Vec<String> = cutover.iter().filter_map(|place| of(place.kubernetes.as_ref()?)).collect();
    all.sort();
    all.dedup();
    all
}

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
    /// Why this run may not turn it, neither there nor back, and what to do.
    pub barred: Option<(String, String)>,
    /// Something of the move stands there that goes when the move is over.
    pub marked: bool,
    /// Of a Kubernetes place.
    pub standing: Option<Standing>,
    /// What of it goes on in this process.
    pub here: Option<Here>,
}

/// What of a place goes on in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    /// A command runs.
    Runs,
    /// One has ended, and the lock is to note that under this tag.
    Ended { tag: String, value: String },
}

impl Place {
    fn of(turned: Turned) -> Place {
        Place { turned, plain: false, cannot: None, barred: None, marked: false, standing: None, here: None }
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
    if let Some(entry) = &cutover.kubernetes {
        return kubernetes::words(entry);
    }
    if let Some(exec) = &cutover.exec {
        return exec::words(exec);
    }
    match &cutover.ecs {
        Some(ecs) => format!("the ECS service {} of {}", ecs.service, ecs.cluster),
        None => "nothing".to_owned(),
    }
}

/// Each of these places in the words of a plan, no two of them alike: what is done and what is consented to is known by its title.
pub fn all_words(cutover: &[Cutover]) -> Vec<String> {
    let all: Vec<String> = cutover.iter().map(words).collect();
    let alike = |one: &String| all.iter().filter(|other| *other == one).count() > 1;
    let one =
        |(place, words): (usize, &String)| if alike(words) { format!("{words}, place {} of cutover", place + 1) } else { words.clone() };
    all.iter().enumerate().map(one).collect()
}

/// What it is, for names that follow from it: without what only says how it is turned, which may be corrected while a move is under way.
pub fn key(cutover: &Cutover) -> String {
    match (&cutover.kubernetes, &cutover.exec) {
        (Some(entry), _) => kubernetes::key(entry),
        (None, Some(exec)) => exec::key(exec),
        // Nothing of the others says anything else.
        (None, None) => serde_json::to_string(cutover).unwrap_or_default(),
    }
}

/// The same, with what tells it from a place of that name on other ground, and with all that is started anew: so that a lock knows it again.
pub fn identity(cutover: &Cutover) -> String {
    match &cutover.kubernetes {
        Some(entry) => kubernetes::identity(entry),
        None => key(cutover),
    }
}

/// The place with nothing left open that was found out of it.
pub fn pinned(cutover: Cutover, found: Option<&Place>) -> Cutover {
    match (&cutover.kubernetes, found.and_then(|found| found.standing.as_ref())) {
        (Some(entry), Some(standing)) => Cutover { kubernetes: Some(kubernetes::pinned(entry, standing)), ..cutover },
        _ => cutover,
    }
}

/// Whether it holds no address: it reads one that stands at a place before it, and has to be begun anew for that.
pub fn reads_another(cutover: &Cutover) -> bool {
    cutover.ecs.is_some()
}

/// What is started anew when it is turned, in the words of a manifest.
pub fn restarts(cutover: &Cutover) -> &[String] {
    cutover.kubernetes.as_ref().map(kubernetes::restarts).unwrap_or_default()
}

/// How long turning it may take.
pub fn turned_within(cutover: &Cutover) -> Duration {
    match &cutover.exec {
        Some(exec) => exec.within() + AT_ONCE,
        None if reads_another(cutover) || !restarts(cutover).is_empty() => ROLLOUT,
        None => AT_ONCE,
    }
}

/// How long turning it back may take.
pub fn back_within(cutover: &Cutover) -> Duration {
    if cutover.exec.is_some() { turned_within(cutover) + exec::undone_within() } else { turned_within(cutover) }
}

/// Whether a move writes notes there that go when it is over.
pub fn leaves_marks(cutover: &Cutover) -> bool {
    cutover.ssm_parameter.is_some() || cutover.ecs.is_some() || cutover.kubernetes.is_some()
}

/// Where it stands.
pub async fn look(reads: &Reads, cutover: &Cutover, asked: &Asked<'_>) -> Fact<Place> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::look(reads, secret, asked.turned).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::look(reads, &parameter.name, asked.turned).await
    } else if let Some(service) = &cutover.ecs {
        ecs::look(reads, service, asked.turned).await
    } else if let Some(entry) = &cutover.kubernetes {
        kubernetes::look(reads, entry, asked).await
    } else if let Some(exec) = &cutover.exec {
        exec::look(reads, exec, asked).await
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
    } else if let Some(entry) = &cutover.kubernetes {
        kubernetes::names_any(writes, entry, of).await
    } else if let Some(exec) = &cutover.exec {
        exec::names_any(writes, exec, of).await
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
    } else if let Some(entry) = &cutover.kubernetes {
        kubernetes::names_source(writes, entry, way).await
    } else if let Some(exec) = &cutover.exec {
        exec::names_source(writes, exec, way).await
    } else {
        Ok(())
    }
}

/// Turns it to the target. `lock`: the name of the move's.
pub async fn turn(writes: &Writes, cutover: &Cutover, turned: &str, lock: &str, way: &Way<'_>) -> Result<(), CallError> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::turn(writes, secret, turned, way).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::turn(writes, &parameter.name, turned, way).await
    } else if let Some(service) = &cutover.ecs {
        ecs::turn(writes, service, turned).await
    } else if let Some(entry) = &cutover.kubernetes {
        kubernetes::turn(writes, entry, turned, way).await
    } else if let Some(exec) = &cutover.exec {
        exec::turn(writes, exec, turned, lock, way).await
    } else {
        Ok(())
    }
}

/// Turns it back to what it named before. `way`: from the target to the source.
pub async fn turn_back(writes: &Writes, cutover: &Cutover, turned: &str, lock: &str, way: &Way<'_>) -> Result<(), CallError> {
    if let Some(secret) = &cutover.secrets_manager {
        secrets_manager::turn_back(writes, secret, turned).await
    } else if let Some(parameter) = &cutover.ssm_parameter {
        ssm::turn_back(writes, &parameter.name, turned, way.to).await
    } else if let Some(service) = &cutover.ecs {
        ecs::turn_back(writes, service, turned).await
    } else if let Some(entry) = &cutover.kubernetes {
        kubernetes::turn_back(writes, entry, turned).await
    } else if let Some(exec) = &cutover.exec {
        exec::turn_back(writes, exec, turned, lock, way).await
    } else {
        Ok(())
    }
}

/// A sign of life of this process was taken, which was sent then: what of the move with this lock goes on in it may go on.
pub fn renew(writes: &Writes, lock: &str, at: jiff::Timestamp) {
    exec::renew(writes, lock, at);
}

/// Ends what of the move with this lock goes on in this process: another one has taken it over.
pub async fn leave(writes: &Writes, lock: &str) {
    exec::leave(writes, lock).await;
}

/// Takes away what stands there of the move.
pub async fn forget(writes: &Writes, cutover: &Cutover, turned: &str) -> Result<(), CallError> {
    if let Some(parameter) = &cutover.ssm_parameter {
        ssm::forget(writes, &parameter.name, turned).await
    } else if let Some(service) = &cutover.ecs {
        ecs::forget(writes, service).await
    } else if let Some(entry) = &cutover.kubernetes {
        kubernetes::forget(writes, entry, turned).await
    } else {
        Ok(())
    }
}
