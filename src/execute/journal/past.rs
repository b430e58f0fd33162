//! What earlier runs left, gathered record by record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::execute::record::{Event, Record};

/// What earlier runs left.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Intents without an outcome: the process ended in between, and no later run has looked since.
    pub interrupted: Vec<Record>,
    /// Consents, by object: when they were given, to what, and which steps are done.
    pub consents: Vec<Given>,
    /// Messages that were due and not sent.
    pub unsent: Vec<Record>,
    /// The state that the last message told, by object, topic and the part of the object that was looked at.
    pub told: BTreeMap<(String, String, String), String>,
}

/// A consent that was given.
#[derive(Clone, Debug)]
pub struct Given {
    pub object: String,
    pub plan: String,
    pub at: Timestamp,
    /// The steps consented to that are not done yet.
    pub open: BTreeSet<String>,
}

/// Gathers [`Past`] from records in their order; holds no more than it answers with.
#[derive(Default)]
pub(super) struct Gathering {
    past: Past,
    /// Intents without an outcome, by number.
    open: BTreeMap<u64, Record>,
    /// The objects that a run began with, until it ends: its end shows that it looked at them.
    began: BTreeMap<String, BTreeSet<String>>,
}

impl Gathering {
    pub(super) fn take(&mut self, record: &Record) {
        let past = &mut self.past;
        match &record.event {
            Event::RunBegan { .. } => {
                self.began.entry(record.run.clone()).or_default().insert(record.object.clone());
            }
            Event::RunEnded { .. } => {
                let looked = self.began.remove(&record.run).unwrap_or_default();
                self.open.retain(|_, intent| intent.run == record.run || !looked.contains(&intent.object));
            }
            Event::Intent { .. } => {
                self.open.insert(record.number, record.clone());
            }
            Event::Outcome { intent, .. } => {
                self.open.remove(intent);
            }
            Event::Consented { plan, steps } => past.consents.push(Given {
                object: record.object.clone(),
                plan: plan.clone(),
                at: record.at,
                open: steps.iter().cloned().collect(),
            }),
            Event::StepDone { digest, undo: false, .. } => {
                for given in past.consents.iter_mut().filter(|given| given.object == record.object) {
                    given.open.remove(digest);
                }
            }
            Event::NotificationDue { .. } => past.unsent.push(record.clone()),
            Event::NotificationSent { id, topic, part, state } => {
                past.unsent.retain(|due| !matches!(&due.event, Event::NotificationDue { id: other, .. } if other == id));
                past.told.insert((record.object.clone(), topic.clone(), part.clone()), state.clone());
            }
            Event::StepDone { .. } | Event::ResourceEnded { .. } => {}
        }
    }

    pub(super) fn past(self) -> Past {
        Past { interrupted: self.open.into_values().collect(), ..self.past }
    }
}
