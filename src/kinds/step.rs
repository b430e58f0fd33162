//! What a kind plans: steps, and what stands in their way.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Unreadable, is_within};

/// What a change does to those who use the thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Impact {
    /// Nobody notices.
    Online,
    /// Somebody may: a reboot, a failover, clients cut off. Or a protection is taken off: public access let in, a control turned off.
    Disruptive,
    /// It cannot be taken back: data expires, a thing is deleted.
    Irreversible,
}

/// One declared field that is not as declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The field's path below its resource; for a keyed field with its key (`parameters.rds.force_ssl`).
    pub field: String,
    /// What was found; `null` where there is none.
    pub found: Value,
    /// What the manifest says; `null`: that there be none.
    pub declared: Value,
    /// What changing it means for those who use the resource: the most that a step of its repair does; where there is none, what the field does by
    /// itself.
    pub impact: Impact,
}

/// Places of which AWS gives so many and no more, and one of which a step takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many are left: resources of the same kind share them, in the order of the plan.
    pub left: usize,
    /// How many there are, and who has them.
    pub message: String,
    /// What a person does where none is left.
    pub what_to_do: String,
}

/// One change of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<Op> {
    /// A sentence in the imperative: "Turn on versioning of huntaze-assets".
    pub title: String,
    /// What is done, as data: it goes into the journal, the plan's JSON and its hash. No secret, ever: references only.
    pub op: Op,
    pub impact: Impact,
    /// What it takes, what people see of it, and what is paid for from then on: "a reboot, about a minute without connections". Empty: nothing.
    pub takes: String,
    /// How to go back by hand.
    pub back: String,
    /// After this long without being done it has failed.
    pub deadline: Duration,
    /// The drifts (their `field`) that it repairs.
    pub fields: Vec<String>,
    /// The steps of this resource, by their place in the list, that must be done before it.
    pub after: Vec<usize>,
    /// The manifest's own words consent to it (a migration approved, an expiry approved), so that policy need not be asked.
    pub consented: bool,
    /// It belongs to something long that was begun with consent to exactly this step, as AWS itself says: carrying that to its end needs no other one.
    pub begun: bool,
    /// Each beginning of it is felt.
    pub once: Option<Box<Once<Op>>>,
    /// What it takes a place of, where there are only so many.
    pub room: Option<Box<Room>>,
}

/// Of a step that is felt each time it is begun, whatever it leads to (a restart): a consent to it counts for one beginning, and is used up by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Once<Op> {
    /// What a consent to it is remembered by: `op` without what says how far its plan is. The same step of a later plan, in which what comes before it is
    /// done, goes on with the consent to the earlier one.
    pub consent_to: Op,
    /// As far as can be told, nothing that is declared needs it: `policy.disruptive: Allow` does not let it through, consent does.
    pub unasked: bool,
}

impl<Op> Step<Op> {
    /// An online step that repairs `fields` and may take five minutes.
    pub fn online(title: impl Into<String>, op: Op, fields: impl IntoIterator<Item = impl Into<String>>) -> Step<Op> {
        Step {
            title: title.into(),
            op,
            impact: Impact::Online,
            takes: String::new(),
            back: String::new(),
            deadline: Duration::from_secs(300),
            fields: fields.into_iter().map(Into::into).collect(),
            after: Vec::new(),
            consented: false,
            begun: false,
            once: None,
            room: None,
        }
    }

    /// It takes a place of which there are only so many.
    pub fn within_room(mut self, room: Room) -> Step<Op> {
        self.room = Some(Box::new(room));
        self
    }

    pub fn impact(mut self, impact: Impact, takes: impl Into<String>) -> Step<Op> {
        self.impact = impact;
        self.takes = takes.into();
        self
    }

    /// Adds to what it takes.
    pub fn also_takes(mut self, more: &str) -> Step<Op> {
        if !more.is_empty() {
            self.takes = if self.takes.is_empty() { more.to_owned() } else { format!("{}; {more}", self.takes) };
        }
        self
    }

    pub fn back(mut self, back: impl Into<String>) -> Step<Op> {
        self.back = back.into();
        self
    }

    pub fn within(mut self, deadline: Duration) -> Step<Op> {
        self.deadline = deadline;
        self
    }

    pub fn after(mut self, steps: impl IntoIterator<Item = usize>) -> Step<Op> {
        self.after.extend(steps);
        self
    }

    pub fn consented(mut self, consented: bool) -> Step<Op> {
        self.consented = consented;
        self
    }

    pub fn once(mut self, once: Once<Op>) -> Step<Op> {
        self.once = Some(Box::new(once));
        self
    }
}

/// What a kind answers to a list of drifts.
#[derive(Clone, Debug)]
pub struct Steps<Op> {
    pub steps: Vec<Step<Op>>,
    /// Drifts that cannot be repaired, each with its reason.
    pub blocks: Vec<Block>,
    /// What a person should know, though it blocks nothing: "the bucket is public now: its website will stop answering".
    pub notes: Vec<String>,
}

impl<Op> Default for Steps<Op> {
    fn default() -> Steps<Op> {
        Steps { steps: Vec::new(), blocks: Vec::new(), notes: Vec::new() }
    }
}

impl<Op> Steps<Op> {
    /// Adds a step and answers with its place, for `after`.
    pub fn push(&mut self, step: Step<Op>) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// Blocks a field, with all below it; an empty one is the whole resource.
    pub fn block(&mut self, reason: Reason, field: impl Into<String>, message: impl Into<String>, what_to_do: impl Into<String>) {
        let fields = Some(field.into()).filter(|field| !field.is_empty()).into_iter().collect();
        self.blocks.push(Block { reason, fields, message: message.into(), what_to_do: what_to_do.into() });
    }
}

/// Something that is not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// Why, in one word.
    pub reason: Reason,
    /// The fields concerned; empty: the whole resource.
    pub fields: Vec<String>,
    /// Why, in a sentence.
    pub message: String,
    /// What a person does about it.
    pub what_to_do: String,
}

impl Block {
    /// Whether it stands against a field: that, one above it, or the whole resource is blocked.
    pub fn concerns(&self, field: &str) -> bool {
        self.fields.is_empty() || self.fields.iter().any(|blocked| is_within(field, blocked))
    }

    /// Whether a person's word is all that it waits for.
    pub fn waits_for_consent(&self) -> bool {
        matches!(self.reason, Reason::NeedsConsent | Reason::TooManyChanges)
    }

    /// Whether these all say that the manifest only observes, and there is one.
    pub fn only_observe<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> bool {
        let mut blocks = blocks.into_iter().peekable();
        blocks.peek().is_some() && blocks.all(|block| block.reason == Reason::ObserveOnly)
    }
}

/// The fixed list of reasons for which something is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    /// A fact could not be read.
    Unreadable,
    /// The thing is not there, and the manifest does not ask for it to be made.
    Missing,
    /// It cannot be changed in place.
    NeedsMigration,
    /// The step is disruptive or irreversible and nobody has consented.
    NeedsConsent,
    /// `policy.disruptive: Deny`.
    DeniedByPolicy,
    /// Disruptive, consented, but its change window is not open.
    OutsideChangeWindow,
    /// More resources would change than `policy.maxChanges` allows.
    TooManyChanges,
    /// Two wishes disagree about it.
    Conflict,
    /// An organisation or an administrator account decides it.
    ManagedAbove,
    /// The engine, class or region cannot do it.
    NotSupported,
    /// Something that it stands on is blocked or failed.
    WaitsForOther,
    /// `policy.mode: Observe`.
    ObserveOnly,
    /// The wish itself is wrong.
    InvalidWish,
    /// A state that was not expected: holdfast does not touch what it does not understand.
    UnexpectedState,
}

/// How far a step is, judged from what was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has not begun, or must be begun again.
    Pending,
    /// It is under way; the words say what is waited for.
    Running(String),
    /// What it was planned from is no longer there: somebody else changed it, and beginning it would undo that. The resource is planned anew;
    /// the words say what was changed. See [`super::Basis`].
    Stale(String),
    Done,
    /// It looks done, as it did before it was begun: what was seen cannot tell. It is begun, unless this run has; then it is done when it has
    /// looked so for as long as `settle` after AWS took it.
    Unclear {
        what: String,
        settle: Duration,
    },
    /// It cannot succeed any more (create-failed): the words say why.
    Failed(String),
    /// The facts that would tell could not be read.
    Unknown(Unreadable),
}

/// The most names that a title holds whatever their length, and how long it may become with more.
const FEW: usize = 6;
const ROOM: usize = 240;

/// A list for a title: all of it where there is room, else the first six: "a, b, c, d, e, f and 40 more (all of them with -o json)".
pub fn few(names: &[impl AsRef<str>]) -> String {
    let listed = |most: usize| names.iter().take(most).map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    let all = listed(names.len());
    match names.len().saturating_sub(FEW) {
        more if more > 0 && all.len() > ROOM => format!("{} and {more} more (all of them with -o json)", listed(FEW)),
        _ => all,
    }
}

#[cfg(test)]
mod tests {
    use super::few;

    #[test]
    fn a_title_names_six_at_most() {
        assert_eq!(few(&[""; 0]), "");
        assert_eq!(few(&["a"]), "a");
        assert_eq!(few(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d, e, f");
        assert_eq!(few(&["a", "b", "c", "d", "e", "f", "g", "h"]), "a, b, c, d, e, f, g, h");
        assert_eq!(few(&["a"; 100]), "a, a, a, a, a, a and 94 more (all of them with -o json)");
    }
}
