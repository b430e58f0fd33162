//! The executor: passes over all resources until each is done, blocked or failed. One transition a resource a pass; nothing sleeps
//! inside a pass; intents are on disk before anything is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::Value;

use super::record::{Event, Outcome};
use super::work::{Decision, Phase, Work};
use super::{End, Interrupt, Journal, JournalError, Outcomes, ResourceOutcome};
use crate::aws::{Class, Reads, Writes};
use crate::clock::Clock;
use crate::kinds::{AnySeen, Key, StartError};
use crate::plan::{Declared, Judgement, Observed, Plan, PlannedStep, plan_one, step_digest};

/// The waits between passes in which nothing moved, from the first to the longest.
const WAITS: [Duration; 5] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

/// Everything that carrying out a plan needs.
pub struct Execution<'a> {
    pub judgement: Judgement<'a>,
    pub reads: Reads,
    pub journal: &'a Journal,
    pub clock: &'a Clock,
    /// The run's name, in the journal and in messages.
    pub run: &'a str,
    pub interrupt: &'a Interrupt,
    /// Resources that are looked at or changed at once.
    pub at_once: usize,
    /// Told what happens, as it happens.
    pub say: &'a (dyn Fn(&Said) + Sync),
}

/// What happens, for progress.
#[derive(Clone, Debug)]
pub enum Said {
    Pass { number: u64, open: usize, ended: usize },
    Starting { resource: Key, step: String, undo: bool },
    Waiting { resource: Key, what: String },
    Done { resource: Key, step: String, undo: bool },
    Ended { resource: Key, end: End },
}

/// Why a run as a whole stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("AWS refused the credentials in the middle of the run ({0}): renew them and run again, it goes on from where it is")]
    Credentials(String),
}

/// A request about to be sent.
struct Due {
    place: usize,
    op: Value,
    intent: u64,
}

impl Execution<'_> {
    /// Carries the plan out, and says how each resource ended.
    pub async fn run(&self, plan: &Plan, resources: &[(Declared, Observed)]) -> Outcomes {
        let mut works: Vec<Work> = plan.resources.iter().cloned().enumerate().map(|(place, plan)| Work::new(place, plan)).collect();
        let stopped = self.passes(&mut works, resources).await.err().map(|stopped| stopped.to_string());
        let outcome = |work: Work| ResourceOutcome {
            key: work.plan.key,
            title: work.plan.title,
            done: work.done,
            end: match work.phase {
                Phase::Ended(end) => end,
                _ => End::Interrupted,
            },
        };
        Outcomes { resources: works.into_iter().map(outcome).collect(), stopped }
    }

    async fn passes(&self, works: &mut [Work], resources: &[(Declared, Observed)]) -> Result<(), Stopped> {
        let writes = self.reads.writes(self.journal);
        let mut waits = 0;
        let mut number = 0;
        loop {
            self.end_needy(works);
            let open: BTreeSet<usize> = self.ready(works);
            let unended = works.iter().filter(|work| !work.ended()).count();
            if unended == 0 || self.interrupt.stopped() {
                return Ok(());
            }
            number += 1;
            (self.say)(&Said::Pass { number, open: unended, ended: works.len() - unended });
            // The first pass goes by what was seen for the plan; each later one reads anew.
            let seen = self.look(works, resources, &open, number == 1).await;
            let moved = self.pass(works, resources, seen, &writes).await?;
            waits = if moved { 0 } else { (waits + 1).min(WAITS.len()) };
            if let Some(wait) = waits.checked_sub(1).and_then(|at| WAITS.get(at)) {
                tokio::select! {
                    () = self.clock.sleep(*wait) => {}
                    () = self.interrupt.wished() => {}
                }
            }
        }
    }

    /// The resources that may move: not ended, and nothing that they stand on is still under way.
    fn ready(&self, works: &[Work]) -> BTreeSet<usize> {
        let under_way: BTreeSet<&Key> = works.iter().filter(|work| !work.ended()).map(|work| &work.plan.key).collect();
        works
            .iter()
            .filter(|work| !work.ended() && !work.plan.needs.iter().any(|need| under_way.contains(need)))
            .map(|work| work.place)
            .collect()
    }

    /// Ends what stands on something that ended badly.
    fn end_needy(&self, works: &mut [Work]) {
        loop {
            let bad: BTreeSet<Key> = works
                .iter()
                .filter(|work| matches!(work.phase, Phase::Ended(End::Failed { .. } | End::Blocked { .. })))
                .map(|work| work.plan.key.clone())
                .collect();
            let mut more = false;
            for work in works.iter_mut().filter(|work| !work.ended()) {
                // A circle of needs (two buckets that log into each other) is broken by going on.
                let Some(on) = work.plan.needs.iter().find(|need| bad.contains(need)) else { continue };
                let block = crate::kinds::Block {
                    reason: crate::kinds::Reason::WaitsForOther,
                    fields: Vec::new(),
                    message: format!("it stands on {on}, which is not as declared"),
                    what_to_do: format!("see {on}, then run again"),
                };
                work.phase = Phase::Ended(End::Blocked { blocks: vec![block] });
                more = true;
            }
            if !more {
                return;
            }
        }
    }

    async fn look(
        &self,
        works: &[Work],
        resources: &[(Declared, Observed)],
        open: &BTreeSet<usize>,
        first: bool,
    ) -> BTreeMap<usize, AnySeen> {
        let reads = self.reads.fresh();
        let looks = works.iter().filter(|work| open.contains(&work.place)).filter_map(|work| {
            let (declared, observed) = resources.get(work.place)?;
            let (reads, want, place) = (&reads, work.want(declared), work.place);
            Some(async move {
                let seen = match observed {
                    Some(seen) if first => seen.clone(),
                    _ => declared.kind.observe(reads, self.judgement.scope, &declared.wish, &want).await,
                };
                (place, seen)
            })
        });
        let looks: Vec<_> = looks.collect();
        stream::iter(looks).buffer_unordered(self.at_once.max(1)).collect().await
    }

    /// One pass: decide for all, record all intents at once, send, record what came of it. Says whether anything moved.
    async fn pass(
        &self,
        works: &mut [Work],
        resources: &[(Declared, Observed)],
        seen: BTreeMap<usize, AnySeen>,
        writes: &Writes,
    ) -> Result<bool, Stopped> {
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut starts = Vec::new();
        let mut moved = false;
        for (place, seen) in &seen {
            let (Some(work), Some((declared, _))) = (works.get_mut(*place), resources.get(*place)) else { continue };
            let key = work.plan.key.clone();
            let digest = |step: &PlannedStep| step_digest(self.judgement.scope, &key, &step.op, step.impact);
            if matches!(work.phase, Phase::Verifying { .. }) {
                let judgement = Judgement { at: now, ..self.judgement };
                let peers =
                    resources.iter().filter(|(other, _)| other.kind.path() == declared.kind.path()).map(|(other, _)| other.wish.id.clone());
                work.verified(plan_one(&judgement, declared, &Some(seen.clone()), &peers.collect()), now, digest);
                moved |= !matches!(work.phase, Phase::Verifying { .. });
                continue;
            }
            match work.decide(declared, seen, now, digest) {
                Decision::Wait(what) => (self.say)(&Said::Waiting { resource: key.clone(), what }),
                Decision::Start { title, op, undo, attempt } => {
                    (self.say)(&Said::Starting { resource: key.clone(), step: title.clone(), undo });
                    starts.push((*place, op.clone(), events.len()));
                    events.push(Event::Intent { resource: key.clone(), step: title, op, undo, attempt });
                }
                Decision::Advanced(advances) => {
                    moved = true;
                    for advance in advances {
                        (self.say)(&Said::Done { resource: key.clone(), step: advance.title.clone(), undo: advance.undo });
                        let digest = step_digest(self.judgement.scope, &key, &advance.op, advance.impact);
                        events.push(Event::StepDone { resource: key.clone(), step: advance.title, digest, undo: advance.undo });
                    }
                }
                Decision::Ended => moved = true,
            }
        }
        let durable = !starts.is_empty();
        let numbers = self.record(events, durable).await?;
        let due = starts.into_iter().filter_map(|(place, op, at)| Some(Due { place, op, intent: *numbers.get(at)? })).collect();
        moved |= durable;
        self.send(works, resources, due, writes).await?;
        self.tell_ends(works).await?;
        Ok(moved)
    }

    async fn send(&self, works: &mut [Work], resources: &[(Declared, Observed)], due: Vec<Due>, writes: &Writes) -> Result<(), Stopped> {
        if due.is_empty() {
            return Ok(());
        }
        let sent = due.into_iter().filter_map(|due| {
            let (declared, _) = resources.get(due.place)?;
            Some(async move {
                let answer = match self.interrupt.stopped() {
                    true => None,
                    false => Some(declared.kind.start(writes, &due.op).await),
                };
                (due, answer)
            })
        });
        let sent: Vec<_> = sent.collect();
        let answers: Vec<(Due, Option<Result<(), StartError>>)> = stream::iter(sent).buffer_unordered(self.at_once.max(1)).collect().await;
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut credentials = None;
        for (due, answer) in answers {
            let (Some(work), Some((declared, _))) = (works.get_mut(due.place), resources.get(due.place)) else { continue };
            let outcome = match answer {
                None => Outcome::NotSent,
                Some(Ok(())) => {
                    work.begun(now, true);
                    Outcome::Acknowledged
                }
                Some(Err(StartError::NotUnderstood(why))) => {
                    work.fail(declared, why.clone(), "run again with the version of holdfast that planned it".to_owned());
                    Outcome::Refused { code: "NotUnderstood".to_owned(), message: why }
                }
                Some(Err(StartError::Call(error))) => {
                    tracing::info!(resource = %work.plan.key, call = %error.call, code = %error.code, request = error.request_id, "refused");
                    let refused = Outcome::Refused { code: error.code.clone(), message: error.message.clone() };
                    match error.class {
                        Class::Ambiguous => {
                            work.begun(now, false);
                            Outcome::Unknown { code: error.code.clone(), message: error.message.clone() }
                        }
                        // Somebody, perhaps this very run with an answer lost, made it: what is seen next decides.
                        Class::AlreadyExists => {
                            work.begun(now, true);
                            refused
                        }
                        Class::Busy | Class::Throttled => {
                            work.postponed(now);
                            refused
                        }
                        Class::Credentials => {
                            credentials = Some(error.code.clone());
                            refused
                        }
                        Class::Denied => {
                            let what_to_do = format!(
                                "allow {} to the role that holdfast runs as; where an organisation's policy forbids it, it is managed above this account",
                                error.call.action
                            );
                            work.fail(declared, error.to_string(), what_to_do);
                            refused
                        }
                        Class::NotFound | Class::Invalid => {
                            work.fail(
                                declared,
                                error.to_string(),
                                "see the message, correct the manifest or the account, and run again".to_owned(),
                            );
                            refused
                        }
                    }
                }
            };
            events.push(Event::Outcome { intent: due.intent, outcome });
        }
        self.record(events, false).await?;
        match credentials {
            Some(code) => Err(Stopped::Credentials(code)),
            None => Ok(()),
        }
    }

    /// Records and tells the resources that ended in this pass.
    async fn tell_ends(&self, works: &mut [Work]) -> Result<(), Stopped> {
        let mut events = Vec::new();
        for work in works.iter_mut().filter(|work| !work.told) {
            let Phase::Ended(end) = &work.phase else { continue };
            work.told = true;
            let (word, message) = match end {
                End::Unchanged => continue,
                End::Changed => ("in sync", String::new()),
                End::Blocked { blocks } => ("blocked", blocks.first().map(|block| block.message.clone()).unwrap_or_default()),
                End::Failed { message, .. } => ("failed", message.clone()),
                End::Interrupted => ("interrupted", String::new()),
            };
            (self.say)(&Said::Ended { resource: work.plan.key.clone(), end: end.clone() });
            events.push(Event::ResourceEnded { resource: work.plan.key.clone(), end: word.to_owned(), message });
        }
        self.record(events, false).await?;
        Ok(())
    }

    async fn record(&self, events: Vec<Event>, durable: bool) -> Result<Vec<u64>, JournalError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.journal.append(self.run, &self.judgement.scope.object, self.clock.now(), events, durable).await
    }
}
