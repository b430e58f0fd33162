//! What would be done, as data: pure, deterministic, the same for the dry run and the apply (contract 1).

mod as_seen;
pub mod escape;
mod hash;
mod needs;
mod parts;
mod resource;
mod room;
mod settle;
pub mod text;

#[cfg(all(test, feature = "sandbox"))]
mod said;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::{Block, Drift, Impact, Key, Need, Once, Operation, Room, Unreadable};

pub use as_seen::AsSeen;
pub use hash::{op_digest, step_digest};
pub use resource::{Declared, Maker, Observed, Origin};
pub use settle::{Consent, ConsentedStep, Draft, Judgement, begun_already, closed, plan, plan_one};

/// The version of the plan's JSON form. A member is only ever added within a version. In v1 what is `partly` was `blocked`.
pub const SCHEMA_VERSION: &str = "holdfast.dev/plan/v2";

/// Everything that a run would do to one object's account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The version of this form.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub schema_version: String,
    /// The object's `metadata.name`, behind its namespace and a slash where it has one.
    pub object: String,
    /// The AWS account, by its 12 digits.
    pub account: String,
    /// The region that the object is for.
    pub region: String,
    /// Consent is given to exactly this plan: SHA-256 over account, region, object, resources and steps with their arguments and impacts; 64
    /// hexadecimal digits. Times, forecasts and counts are not in it.
    pub hash: String,
    /// The resources and steps, counted.
    pub summary: Summary,
    /// In the order of the kinds, then of the ids.
    pub resources: Vec<ResourcePlan>,
    /// What a person should know of the manifest itself: an exception that matches nothing, one that ran out.
    pub warnings: Vec<String>,
}

/// Resources counted by how they stand; each is counted once, by the first that is true from the top.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Something could not be read.
    pub unreadable: usize,
    /// Something is blocked, or waits for consent, and nothing of it is done.
    pub blocked: usize,
    /// Of those: only observed, as the manifest's `policy.mode` says, and held by nothing else.
    #[serde(default)]
    pub observed: usize,
    /// Some of its steps are done, and something of it is blocked or waits for consent.
    pub partly: usize,
    /// Something differs and is repaired.
    pub drifted: usize,
    /// Nothing differs that is not excepted.
    pub in_sync: usize,
    /// Differences that an exception covers: no resources, which are counted above by what else there is of them.
    pub excepted: usize,
    /// The steps of all resources, counted.
    pub steps: StepCounts,
}

/// Steps counted by whether they are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepCounts {
    /// Done in this run.
    pub now: usize,
    /// Of those.
    pub disruptive: usize,
    /// Of those.
    pub irreversible: usize,
    /// Not done in this run: each says why.
    pub held: usize,
}

/// One resource: how it differs, and what would be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourcePlan {
    #[serde(flatten)]
    pub key: Key,
    /// What a person calls the kind: `S3 bucket`.
    pub title: String,
    /// The entries of the manifest that speak for it.
    pub origins: Vec<Origin>,
    /// How it stands.
    pub status: Status,
    /// The declared fields that are not as declared, and that no exception covers.
    pub drifts: Vec<Drift>,
    /// Those that an exception covers: nothing is done about them.
    pub excepted: Vec<Excepted>,
    /// Fields that could not be read; while there is one, nothing of the resource is changed.
    pub unreadable: Vec<UnreadableField>,
    /// What would be done about the differences. A step comes after those that it names in `after`.
    pub steps: Vec<PlannedStep>,
    /// What is not done, with the reason. A step that waits for consent has its own in `held`.
    pub blocks: Vec<Block>,
    /// What a person should know, though it blocks nothing.
    pub notes: Vec<String>,
    /// What must be in sync first, and what for.
    pub needs: Vec<Need>,
    /// How many declared fields were compared.
    pub compared: usize,
    /// Something that was begun is not at its end. Known to the process that planned it.
    #[serde(skip)]
    pub under_way: bool,
}

/// How a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Something of it could not be read, so that nothing of it is done.
    Unreadable,
    /// Something of it is blocked or held, and nothing of it is done.
    Blocked,
    /// Some of its steps are done, and something of it is blocked or held: each step says which.
    Partly,
    /// It differs, and all of its steps are done.
    Drifted,
    /// Nothing differs that is not excepted.
    InSync,
}

/// A difference that an exception covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Excepted {
    #[serde(flatten)]
    pub drift: Drift,
    /// When the exception ends, by RFC 3339: from then on the difference counts again.
    pub until: String,
    /// Why it was made, in the manifest's words.
    pub reason: String,
}

/// A declared field that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadableField {
    /// The field's path below its resource; empty: the whole resource.
    pub field: String,
    #[serde(flatten)]
    pub why: Unreadable,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// A sentence in the imperative: "Turn on versioning of huntaze-assets".
    pub title: String,
    /// What is sent, as data. It holds references to secrets, never their bytes.
    pub op: Operation,
    /// What it means for those who use the resource.
    pub impact: Impact,
    /// What it takes; empty: nothing.
    pub takes: String,
    /// How to go back by hand.
    pub back: String,
    /// Seconds after which it has failed.
    pub deadline_seconds: u64,
    /// The drifts, by their `field`, that it repairs.
    pub fields: Vec<String>,
    /// The steps of this resource, by place, that come before it.
    pub after: Vec<usize>,
    /// The manifest's own words consent to it.
    pub consented: bool,
    /// It was consented to when the change of many steps that it belongs to was begun, as AWS says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// Each beginning of it is felt. Known to the process that planned it.
    #[serde(skip)]
    pub once: Option<Box<Once<Operation>>>,
    /// What it takes a place of. Known to the process that planned it.
    #[serde(skip)]
    pub room: Option<Box<Room>>,
    /// Why it is not done in this run; nothing: it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Block>,
}

impl PlannedStep {
    /// What a consent to it is remembered by.
    pub fn consent_to(&self) -> &Operation {
        self.once.as_ref().map_or(&self.op, |once| &once.consent_to)
    }
}

impl std::ops::AddAssign for StepCounts {
    fn add_assign(&mut self, other: StepCounts) {
        self.now += other.now;
        self.disruptive += other.disruptive;
        self.irreversible += other.irreversible;
        self.held += other.held;
    }
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Summary) {
        self.unreadable += other.unreadable;
        self.blocked += other.blocked;
        self.observed += other.observed;
        self.partly += other.partly;
        self.drifted += other.drifted;
        self.in_sync += other.in_sync;
        self.excepted += other.excepted;
        self.steps += other.steps;
    }
}

impl Plan {
    /// The resource of that key.
    pub fn resource(&self, key: &Key) -> Option<&ResourcePlan> {
        self.resources.iter().find(|resource| resource.key == *key)
    }

    /// Whether a run would change anything.
    pub fn changes(&self) -> bool {
        self.resources.iter().any(ResourcePlan::changes)
    }

    /// Whether something of it waits for a person's consent.
    pub fn waits_for_consent(&self) -> bool {
        let mut blocks = self.resources.iter().flat_map(ResourcePlan::all_blocks);
        blocks.any(Block::waits_for_consent)
    }

    /// Whether a difference is left that no exception covers.
    pub fn in_sync(&self) -> bool {
        self.resources.iter().all(|resource| resource.status == Status::InSync)
    }
}

impl ResourcePlan {
    /// Whether a run would change it.
    pub fn changes(&self) -> bool {
        self.steps.iter().any(|step| step.held.is_none())
    }

    /// Its steps, counted.
    pub fn step_counts(&self) -> StepCounts {
        let mut counts = StepCounts::default();
        for step in &self.steps {
            counts.now += usize::from(step.held.is_none());
            counts.held += usize::from(step.held.is_some());
            counts.disruptive += usize::from(step.held.is_none() && step.impact == Impact::Disruptive);
            counts.irreversible += usize::from(step.held.is_none() && step.impact == Impact::Irreversible);
        }
        counts
    }

    /// Whether it is left as it is because it is only observed, and for no other reason.
    pub fn only_observed(&self) -> bool {
        self.status == Status::Blocked && Block::only_observe(self.all_blocks())
    }

    /// Everything that stands in the way: the resource's own blocks and its held steps'.
    pub fn all_blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().chain(self.steps.iter().filter_map(|step| step.held.as_ref()))
    }
}
