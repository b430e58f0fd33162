//! What earlier runs left, gathered record by record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::execute::record::{Event, Outcome, Record};
use crate::exit::Exit;
use crate::kinds::Key;
use crate::plan::ConsentedStep;

/// What earlier runs left.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Intents without an outcome: the process ended in between, and no later run has looked since.
    pub interrupted: Vec<Record>,
    /// Consents, by object: when they were given, to what, and which steps are done.
    pub consents: Vec<Given>,
    /// Messages that were due and not sent.
    pub unsent: Vec<Record>,
    /// What runs did that ended before they could tell anybody, by object and step: the last record of each that is done, or whose request may have taken
    /// effect.
    pub untold: BTreeMap<String, BTreeMap<(Key, String), Record>>,
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
    /// Those of them whose consent was used up as they were begun.
    pub begun: BTreeSet<String>,
    /// Those of `begun` that nobody saw at their end, with the intent, where that may still have an outcome.
    pub under_way: BTreeMap<String, Option<u64>>,
    /// When the last of them was done, begun or found in force; none also where the record of that is gone.
    pub used_up: Option<Timestamp>,
    /// What each of the steps is about.
    pub of: Vec<ConsentedStep>,
}

impl Given {
    /// Whether all that it was for was seen done, or is in force.
    pub fn is_at_its_end(&self) -> bool {
        self.open.is_empty() && self.under_way.is_empty()
    }

    /// Takes steps out of what it is still for.
    fn done(&mut self, at: Timestamp, is_done: impl Fn(&str) -> bool) {
        let before = self.open.len();
        self.open.retain(|digest| !is_done(digest));
        if self.open.is_empty() && before > 0 {
            self.used_up = Some(at);
        }
    }

    /// A step was begun, and a consent to it counts for one beginning.
    fn begin(&mut self, at: Timestamp, intent: u64, digest: &str) {
        if self.open.contains(digest) {
            self.begun.insert(digest.to_owned());
            self.under_way.insert(digest.to_owned(), Some(intent));
            self.done(at, |open| open == digest);
        }
    }

    /// It was not begun after all.
    fn not_begun(&mut self, intent: u64) {
        let digest = self.under_way.iter().find(|(_, by)| **by == Some(intent)).map(|(digest, _)| digest.clone());
        if let Some(digest) = digest {
            self.under_way.remove(&digest);
            self.begun.remove(&digest);
            self.open.insert(digest);
            self.used_up = None;
        }
    }
}

/// Gathers [`Past`] from records in their order; holds no more than it answers with.
#[derive(Default)]
pub(super) struct Gathering {
    past: Past,
    /// Intents without an outcome, by number.
    open: BTreeMap<u64, Record>,
    /// The objects that a run began with, until it ends: its end shows that it looked at them.
    began: BTreeMap<String, BTreeSet<String>>,
    /// The records of `past.consents`, in the same order.
    consented: Vec<Record>,
    /// The records of `past.told`.
    told: BTreeMap<(String, String, String), Record>,
    /// When the last record was written.
    last: Option<Timestamp>,
}

/// How long before the end of a journal a consent may have been given and still count. Longer than it counts, by as much as clocks may differ.
const CONSENTS: SignedDuration = SignedDuration::from_hours(48);

impl Gathering {
    pub(super) fn take(&mut self, record: &Record) {
        let past = &mut self.past;
        self.last = Some(record.at);
        match &record.event {
            Event::RunBegan { .. } => {
                self.began.entry(record.run.clone()).or_default().insert(record.object.clone());
            }
            Event::RunEnded { exit } => {
                let looked = self.began.remove(&record.run).unwrap_or_default();
                self.open.retain(|_, intent| intent.run == record.run || !looked.contains(&intent.object));
                // One that came to its end has told, or has nobody to tell; one that was interrupted left that to the next.
                if *exit != Exit::Interrupted.code() {
                    past.untold.retain(|object, _| !looked.contains(object));
                }
            }
            Event::Intent { resource, step, uses, .. } => {
                // Before anything is sent: whatever becomes of the process, what may have been begun is not begun a second time on the same consent.
                for given in past.consents.iter_mut().filter(|given| given.object == record.object) {
                    uses.iter().for_each(|digest| given.begin(record.at, record.number, digest));
                }
                self.open.insert(record.number, record.clone());
                past.untold.entry(record.object.clone()).or_default().insert((resource.clone(), step.clone()), record.clone());
            }
            Event::Outcome { intent, outcome } => {
                if let Outcome::Refused { .. } | Outcome::NotSent = outcome {
                    past.consents.iter_mut().for_each(|given| given.not_begun(*intent));
                    if let Some(untold) = past.untold.get_mut(&record.object) {
                        untold.retain(|_, sent| sent.number != *intent);
                    }
                }
                self.open.remove(intent);
            }
            Event::Consented { plan, steps, of, under_way } => {
                self.consented.push(record.clone());
                past.consents.push(Given {
                    object: record.object.clone(),
                    plan: plan.clone(),
                    at: record.at,
                    open: steps.iter().cloned().collect(),
                    begun: under_way.clone(),
                    under_way: under_way.iter().map(|digest| (digest.clone(), None)).collect(),
                    used_up: None,
                    of: of.clone(),
                });
            }
            Event::ConsentRevoked { plan } => {
                // It can be given again: that is a person's word, too.
                let taken_back = |given: &Given| given.object == record.object && given.plan == *plan;
                let mut kept = past.consents.iter().map(|given| !taken_back(given)).collect::<Vec<_>>().into_iter();
                self.consented.retain(|_| kept.next().unwrap_or(true));
                past.consents.retain(|given| !taken_back(given));
            }
            Event::AccountForgotten => *self = Gathering { last: self.last, ..Gathering::default() },
            Event::ConsentUsed { steps } => {
                for given in past.consents.iter_mut().filter(|given| given.object == record.object) {
                    given.done(record.at, |digest| steps.iter().any(|step| step == digest));
                    given.under_way.retain(|begun, _| !steps.contains(begun));
                }
            }
            Event::StepDone { resource, step, digest, undo } => {
                for given in past.consents.iter_mut().filter(|given| !undo && given.object == record.object) {
                    given.done(record.at, |open| open == digest);
                    given.under_way.remove(digest);
                }
                past.untold.entry(record.object.clone()).or_default().insert((resource.clone(), step.clone()), record.clone());
            }
            Event::NotificationDue { .. } => {
                past.untold.remove(&record.object);
                past.unsent.push(record.clone());
            }
            Event::NotificationSent { id, topic, part, state } => {
                past.unsent.retain(|due| !matches!(&due.event, Event::NotificationDue { id: other, .. } if other == id));
                let key = (record.object.clone(), topic.clone(), part.clone());
                past.told.insert(key.clone(), state.clone());
                self.told.insert(key, record.clone());
            }
            Event::ResourceEnded { .. } => {}
        }
    }

    /// The records before number `end` without which the past would be another one, at `now`: consents that may still count, with those of their steps
    /// that are not done, or were begun and not seen done; messages that were not sent; what was told last; intents that nobody has looked after, and what is done and nobody was told of.
    pub(super) fn needed(&self, end: u64, now: Timestamp) -> Vec<Record> {
        // A run's clock can be behind this machine's or ahead of it: a consent is old only where it is so by both.
        let fresh = |record: &Record| {
            let last = self.last.map_or(now, |last| last.min(now));
            record.at.duration_since(last) > -CONSENTS
        };
        let consents = self.consented.iter().zip(&self.past.consents).filter(|(record, _)| fresh(record)).map(|(record, given)| Record {
            event: Event::Consented {
                plan: given.plan.clone(),
                steps: given.open.iter().cloned().collect(),
                of: given
                    .of
                    .iter()
                    .filter(|step| given.open.contains(&step.digest) || given.under_way.contains_key(&step.digest))
                    .cloned()
                    .collect(),
                under_way: given.under_way.keys().cloned().collect(),
            },
            ..record.clone()
        });
        let done = self.past.untold.values().flat_map(BTreeMap::values).filter(|record| matches!(record.event, Event::StepDone { .. }));
        let others = self.open.values().chain(&self.past.unsent).chain(self.told.values()).chain(done).cloned();
        // What they used up is no longer in those consents, and they come to stand behind consents that were given after them.
        let others = others.map(|mut record| {
            match &mut record.event {
                Event::Intent { uses, .. } => *uses = None,
                Event::StepDone { digest, .. } => digest.clear(),
                _ => {}
            }
            record
        });
        let mut needed: Vec<Record> = consents.chain(others).filter(|record| record.number < end).collect();
        needed.sort_by_key(|record| record.number);
        needed.dedup_by_key(|record| record.number);
        needed
    }

    pub(super) fn past(self) -> Past {
        Past { interrupted: self.open.into_values().collect(), ..self.past }
    }
}
