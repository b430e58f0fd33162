//! What the journal remembers: intents before effects, outcomes after them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kinds::{Key, Operation};
use crate::plan::ConsentedStep;

/// The version of the records' form. A reader refuses what is newer, and reads what is older.
pub const VERSION: u32 = 4;

/// One record. Records are chained: each carries the digest of the one before it, so that a journal in which bytes were lost is known
/// as damaged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub version: u32,
    /// Counts from 1, without gaps.
    pub number: u64,
    /// SHA-256 of the record before it, in hexadecimal; empty for the first.
    pub previous: String,
    pub at: Timestamp,
    /// The run that wrote it.
    pub run: String,
    /// The object it is about.
    pub object: String,
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    RunBegan {
        plan: String,
        holdfast: String,
    },
    /// A person consented to a plan; the digests of its steps let the next run carry it to its end.
    Consented {
        plan: String,
        steps: Vec<String>,
        /// What each of them is about.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        of: Vec<ConsentedStep>,
        /// Digests of steps that were begun on it, and that nobody saw at their end: where the record was written once more.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        under_way: BTreeSet<String>,
    },
    /// What was consented to and is not asked for any more: it is in force, or nobody wants it. A difference that comes back is another one.
    ConsentUsed {
        steps: Vec<String>,
    },
    /// A person took a consent back: it is as though it had not been given, but for what was done on it.
    ConsentRevoked {
        plan: String,
    },
    /// The account that the records before this one are about is gone: a sandbox begins anew. Nothing of them counts any more.
    AccountForgotten,
    /// Something is about to be changed. Written and flushed before the request is sent.
    Intent {
        resource: Key,
        step: String,
        op: Operation,
        /// It takes an earlier step back.
        undo: bool,
        attempt: u32,
        /// The digest of the step, where a consent to it counts for one beginning: this is it, unless the request is refused or was not sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uses: Option<String>,
    },
    /// What came of the intent with that number.
    Outcome {
        intent: u64,
        outcome: Outcome,
    },
    /// AWS shows the step as done.
    StepDone {
        resource: Key,
        step: String,
        /// Empty where the record was written once more, to be told.
        digest: String,
        undo: bool,
    },
    ResourceEnded {
        resource: Key,
        end: String,
        message: String,
    },
    RunEnded {
        exit: u8,
    },
    /// A message must reach the topic, with this id.
    NotificationDue {
        id: String,
        topic: String,
        /// What of the object the run looked at; empty: all of it.
        #[serde(default)]
        part: String,
        state: String,
        subject: String,
        body: String,
    },
    NotificationSent {
        id: String,
        /// The topic that took it: the manifest may name another by now.
        #[serde(default)]
        topic: String,
        #[serde(default)]
        part: String,
        state: String,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    Acknowledged,
    /// The service refused: surely not applied.
    Refused {
        code: String,
        message: String,
    },
    /// No answer: it may have been applied or not.
    Unknown {
        code: String,
        message: String,
    },
    /// It was interrupted before the request left.
    NotSent,
}

impl Event {
    /// A line for a person.
    pub fn words(&self) -> String {
        match self {
            Event::RunBegan { plan, holdfast } => format!("run began (holdfast {holdfast}, plan {})", short(plan)),
            Event::Consented { plan, .. } => format!("consent given to plan {}", short(plan)),
            Event::ConsentUsed { steps } => format!("the consent to {} counts no more: nothing asks for that now", steps_of(steps.len())),
            Event::ConsentRevoked { plan } => format!("consent to plan {} taken back", short(plan)),
            Event::AccountForgotten => "the account was forgotten: the next run begins anew, without the consents before".to_owned(),
            Event::Intent { resource, step, undo, attempt, .. } => {
                let what = if *undo { "about to undo" } else { "about to" };
                let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                format!("{resource}: {what}: {step}{again}")
            }
            Event::Outcome { intent, outcome } => match outcome {
                Outcome::Acknowledged => format!("#{intent}: AWS acknowledged it"),
                Outcome::Refused { code, message } => format!("#{intent}: refused: {code}: {message}"),
                Outcome::Unknown { code, message } => format!("#{intent}: no answer: {code}: {message}"),
                Outcome::NotSent => format!("#{intent}: not sent"),
            },
            Event::StepDone { resource, step, undo, .. } => {
                format!("{resource}: {}: {step}", if *undo { "undone" } else { "done" })
            }
            Event::ResourceEnded { resource, end, message } if message.is_empty() => format!("{resource}: {end}"),
            Event::ResourceEnded { resource, end, message } => format!("{resource}: {end}: {message}"),
            Event::RunEnded { exit } => format!("run ended with exit code {exit}"),
            Event::NotificationDue { id, topic, subject, .. } => format!("message {id} for {topic}: {subject}"),
            Event::NotificationSent { id, .. } => format!("message {id} was sent"),
        }
    }
}

fn steps_of(count: usize) -> String {
    if count == 1 { "a step".to_owned() } else { format!("{count} steps") }
}

/// The first digits of a hash, enough to tell it from others.
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
