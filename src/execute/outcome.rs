//! What came of a run, resource by resource.

use serde::Serialize;

use crate::kinds::{Block, Key};

/// How a resource ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "end", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum End {
    /// Nothing differed.
    Unchanged,
    /// Everything that differed was repaired, and AWS shows it.
    Changed,
    /// Something is left that waits for a person.
    Blocked { blocks: Vec<Block> },
    /// A step did not succeed.
    Failed {
        message: String,
        what_to_do: String,
        /// Earlier steps that were taken back.
        undone: Vec<String>,
    },
    /// The run was stopped before it was done.
    Interrupted,
}

/// One resource's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceOutcome {
    #[serde(flatten)]
    pub key: Key,
    pub title: String,
    /// The steps that were done, by their sentences.
    pub done: Vec<String>,
    #[serde(flatten)]
    pub end: End,
}

/// All ends of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcomes {
    pub resources: Vec<ResourceOutcome>,
    /// Why the run as a whole stopped, where it did.
    pub stopped: Option<String>,
}

impl Outcomes {
    pub fn changed(&self) -> impl Iterator<Item = &ResourceOutcome> {
        self.resources.iter().filter(|one| !one.done.is_empty())
    }

    pub fn blocked(&self) -> impl Iterator<Item = &ResourceOutcome> {
        self.resources.iter().filter(|one| matches!(one.end, End::Blocked { .. }))
    }

    pub fn failed(&self) -> impl Iterator<Item = &ResourceOutcome> {
        self.resources.iter().filter(|one| matches!(one.end, End::Failed { .. }))
    }

    pub fn interrupted(&self) -> bool {
        self.resources.iter().any(|one| one.end == End::Interrupted)
    }
}
