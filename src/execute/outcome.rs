//! What came of a run, resource by resource.

use std::collections::{BTreeSet, HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::{Block, Key};
use crate::plan::text::count;
use crate::plan::{Plan, ResourcePlan, Status};

/// How a resource ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "end", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum End {
    /// Nothing differed.
    Unchanged,
    /// Everything that differed was repaired, and AWS shows it.
    Changed,
    /// Something waits for a person, and nothing was done.
    Blocked {
        /// What stands in the way.
        blocks: Vec<Block>,
    },
    /// Steps were done, and something is left that waits for a person.
    Partly {
        /// What stands in the way of what is left.
        blocks: Vec<Block>,
    },
    /// A step did not succeed.
    Failed {
        /// What went wrong.
        message: String,
        /// What a person does about it.
        what_to_do: String,
        /// Earlier steps that were taken back.
        undone: Vec<String>,
    },
    /// A change of many steps failed, or a person wished it, and it was taken back as a whole.
    RolledBack {
        /// Why.
        message: String,
        /// What a person does about it.
        what_to_do: String,
    },
    /// The run was stopped before it was done.
    Interrupted {
        /// What AWS may be doing meanwhile.
        #[serde(skip_serializing_if = "Option::is_none")]
        under_way: Option<UnderWay>,
    },
}

impl End {
    /// In a word or two, for the journal and the log.
    pub fn word(&self) -> &'static str {
        match self {
            End::Unchanged | End::Changed => "in sync",
            End::Blocked { .. } if self.only_observed() => "observed only",
            End::Blocked { .. } => "blocked",
            End::Partly { .. } => "partly",
            End::Failed { .. } => "failed",
            End::RolledBack { .. } => "rolled back",
            End::Interrupted { .. } => "interrupted",
        }
    }

    /// Whether it was left as it is because it is only observed, and for no other reason.
    pub fn only_observed(&self) -> bool {
        matches!(self, End::Blocked { blocks } if Block::only_observe(blocks))
    }

    /// What waits for a person; nothing where it ended otherwise.
    pub fn blocks(&self) -> Option<&[Block]> {
        match self {
            End::Blocked { blocks } | End::Partly { blocks } => Some(blocks),
            _ => None,
        }
    }
}

/// A step that was begun, and that nobody has seen the end of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnderWay {
    /// Its sentence.
    pub step: String,
    /// AWS said that it took it; otherwise its answer was lost.
    pub acknowledged: bool,
}

/// Resources counted by how they ended: each once, whatever else was done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Everything that differed was repaired.
    pub changed: usize,
    /// Nothing differed.
    pub unchanged: usize,
    /// Something waits for a person, and nothing was done.
    pub blocked: usize,
    /// Of those: only observed, as the manifest's `policy.mode` says, and held by nothing else.
    pub observed: usize,
    /// Steps were done, and something is left that waits for a person.
    pub partly: usize,
    /// A step did not succeed.
    pub failed: usize,
    /// A change of many steps was taken back as a whole.
    pub rolled_back: usize,
    /// The run was stopped before it was done.
    pub interrupted: usize,
}

/// One resource's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceOutcome {
    #[serde(flatten)]
    pub key: Key,
    /// What a person calls the kind: `S3 bucket`.
    pub title: String,
    /// The steps that were done, by their sentences.
    pub done: Vec<String>,
    /// A request was sent that may have changed something, whether or not a step was seen done.
    pub sent: bool,
    /// The step at which it failed, where it did at one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Box<FailedAt>>,
    /// Digests of steps the consent to which was used up as they were begun, seen done or not.
    #[serde(skip)]
    pub spent: BTreeSet<String>,
    #[serde(flatten)]
    pub end: End,
}

/// The step at which a resource failed, and what that left undone: nothing more is changed of a thing that did not behave as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedAt {
    /// Its sentence.
    pub step: String,
    /// The fields that it was to repair; none where the change is carried to its end or taken back as a whole.
    pub fields: Vec<String>,
    /// The steps behind it that were to be done in this run, and were not begun; none of a change that is taken back as a whole.
    pub not_tried: Vec<String>,
}

/// All ends of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcomes {
    /// Each resource once.
    pub resources: Vec<ResourceOutcome>,
    /// Why the run as a whole stopped, where it did.
    pub stopped: Option<String>,
}

impl Counts {
    /// `3 resources: 1 changed, 2 partly`: how resources ended.
    pub fn words(&self) -> String {
        let Counts { changed, unchanged, blocked, observed, partly, failed, rolled_back, interrupted } = *self;
        let parts = [
            (changed, "changed"),
            (unchanged, "unchanged"),
            (partly, "partly"),
            (observed, "observed only"),
            (blocked.saturating_sub(observed), "blocked"),
            (failed, "failed"),
            (rolled_back, "rolled back"),
            (interrupted, "interrupted"),
        ];
        let said: Vec<String> = parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
        let all: usize = parts.iter().map(|(number, _)| number).sum();
        format!("{}: {}", count(all, "resource"), if said.is_empty() { "nothing to do".to_owned() } else { said.join(", ") })
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.blocked += other.blocked;
        self.observed += other.observed;
        self.partly += other.partly;
        self.failed += other.failed;
        self.rolled_back += other.rolled_back;
        self.interrupted += other.interrupted;
    }
}

impl Outcomes {
    /// The one way to count: for reports, documents and messages.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for one in &self.resources {
            let place = match one.end {
                End::Changed => &mut counts.changed,
                End::Unchanged => &mut counts.unchanged,
                End::Blocked { .. } => &mut counts.blocked,
                End::Partly { .. } => &mut counts.partly,
                End::Failed { .. } => &mut counts.failed,
                End::RolledBack { .. } => &mut counts.rolled_back,
                End::Interrupted { .. } => &mut counts.interrupted,
            };
            *place += 1;
            counts.observed += usize::from(one.end.only_observed());
        }
        counts
    }

    /// Whether any step was done, of resources that ended otherwise too.
    pub fn acted(&self) -> bool {
        self.resources.iter().any(|one| !one.done.is_empty())
    }

    /// Those of which something waits for a person, whatever else of them was done.
    pub fn blocked(&self) -> impl Iterator<Item = &ResourceOutcome> {
        self.resources.iter().filter(|one| one.end.blocks().is_some())
    }

    pub fn failed(&self) -> impl Iterator<Item = &ResourceOutcome> {
        self.resources.iter().filter(|one| matches!(one.end, End::Failed { .. }))
    }

    /// The resources that a plan made afterwards shows otherwise than this run left them. AWS may be showing what was: they are looked at again before that
    /// counts.
    pub fn contradicted(&self, left: &Plan) -> HashSet<Key> {
        let ended: HashMap<&Key, &End> = self.resources.iter().map(|one| (&one.key, &one.end)).collect();
        let contradicts = |now: &&ResourcePlan| match ended.get(&now.key) {
            Some(End::Changed | End::Unchanged) => now.status != Status::InSync,
            Some(End::Blocked { .. } | End::Partly { .. }) => now.changes(),
            _ => false,
        };
        left.resources.iter().filter(contradicts).map(|now| now.key.clone()).collect()
    }

    /// Takes up what a plan made afterwards shows as blocked or unreadable: how things stand at the end is what counts.
    pub fn see(&mut self, left: &Plan) {
        let mut known: HashMap<&Key, (bool, &mut End)> =
            self.resources.iter_mut().map(|one| (&one.key, (!one.done.is_empty(), &mut one.end))).collect();
        let mut new = Vec::new();
        for resource in left.resources.iter().filter(|one| matches!(one.status, Status::Blocked | Status::Partly | Status::Unreadable)) {
            let end = |acted: bool| super::work::rest(resource, acted);
            match known.get_mut(&resource.key) {
                Some((acted, known)) if matches!(known, End::Changed | End::Unchanged) => **known = end(*acted),
                Some(_) => {}
                None => new.push(ResourceOutcome {
                    key: resource.key.clone(),
                    title: resource.title.clone(),
                    done: Vec::new(),
                    sent: false,
                    failed_at: None,
                    spent: BTreeSet::new(),
                    end: end(false),
                }),
            }
        }
        self.resources.extend(new);
    }

    pub fn rolled_back(&self) -> bool {
        self.resources.iter().any(|one| matches!(one.end, End::RolledBack { .. }))
    }

    pub fn interrupted(&self) -> bool {
        self.resources.iter().any(|one| matches!(one.end, End::Interrupted { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: &str, done: &[&str], end: End) -> ResourceOutcome {
        ResourceOutcome {
            key: Key::new("test.things", id),
            title: String::new(),
            done: done.iter().map(|step| (*step).to_owned()).collect(),
            sent: false,
            failed_at: None,
            spent: BTreeSet::new(),
            end,
        }
    }

    #[test]
    fn each_is_counted_once_by_its_end() {
        let failed = End::Failed { message: String::new(), what_to_do: String::new(), undone: Vec::new() };
        let rolled = End::RolledBack { message: String::new(), what_to_do: String::new() };
        let (blocked, partly) = (End::Blocked { blocks: Vec::new() }, End::Partly { blocks: Vec::new() });
        let ends = [End::Unchanged, End::Changed, blocked, partly, failed, rolled, End::Interrupted { under_way: None }];
        // Steps that were done make none of them a changed one.
        let all = Outcomes { resources: ends.map(|end| one("a", &["x"], end)).into(), stopped: None };
        assert_eq!(
            all.counts(),
            Counts { changed: 1, unchanged: 1, blocked: 1, observed: 0, partly: 1, failed: 1, rolled_back: 1, interrupted: 1 }
        );
        assert!(all.acted() && !Outcomes { resources: vec![one("a", &[], End::Unchanged)], stopped: None }.acted());
    }
}
