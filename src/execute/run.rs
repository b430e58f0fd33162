//! The executor: passes over all resources until each is done, blocked or failed. One transition a resource a pass; nothing sleeps
//! inside a pass; intents are on disk before anything is sent.

use std::time::Duration;

use futures::{StreamExt, stream};
use tracing::Instrument;

use super::order::Order;
use super::record::{Event, Outcome};
use super::work::{Decision, Phase, Work};
use super::{End, Interrupt, Journal, JournalError, Outcomes, ResourceOutcome};
use crate::aws::{Class, Reads, Writes};
use crate::clock::Clock;
use crate::kinds::{AnySeen, Key, Operation, StartError};
use crate::plan::{Declared, Judgement, Plan, PlannedStep, op_digest, plan_one, step_digest};

/// The waits between passes in which nothing moved, from the first to the longest.
const WAITS: [Duration; 5] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

/// Resources that are looked at, decided on, recorded and changed together, before the next ones of a pass: what was seen of them is held only
/// meanwhile, and their intents are one write of the journal.
const TOGETHER: usize = 256;

/// What the journal calls a sign of life.
const SIGN: &str = "Say that this process is alive";

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
    op: Operation,
    intent: u64,
}

impl Execution<'_> {
    /// Carries the plan out, and says how each resource ended.
    pub async fn run(&self, plan: &Plan, resources: &[Declared]) -> Outcomes {
        let mut works: Vec<Work<'_>> = plan.resources.iter().enumerate().map(|(place, plan)| Work::new(place, plan)).collect();
        let order = Order::new(&plan.resources);
        let mut stopped = self.passes(&mut works, &order, resources).await.err();
        if !matches!(stopped, Some(Stopped::Journal(_)))
            && let Err(error) = self.close(&mut works).await
        {
            stopped = Some(error.into());
        }
        let outcome = |mut work: Work<'_>| {
            work.done.shrink_to_fit();
            let under_way = work.under_way();
            ResourceOutcome {
                key: work.plan.key.clone(),
                title: work.plan.title.clone(),
                done: work.done,
                sent: work.sent,
                failed_at: work.failed_at,
                spent: work.spent,
                end: match work.phase {
                    Phase::Ended(end) => end,
                    _ => End::Interrupted { under_way },
                },
            }
        };
        // Not collected in place: the list lives on, and an outcome is a fraction of what a resource under way takes.
        let mut resources = Vec::with_capacity(works.len());
        resources.extend(works.into_iter().map(outcome));
        Outcomes { resources, stopped: stopped.map(|stopped| stopped.to_string()) }
    }

    /// Says what happens, to the log too: who looks into a run that is stuck sees there what it waits for.
    fn tell(&self, said: &Said) {
        match said {
            Said::Pass { number, open, ended } => tracing::debug!(number, open, ended, "pass"),
            Said::Starting { resource, step, undo } => tracing::debug!(%resource, step, undo, "step begins"),
            Said::Waiting { resource, what } => tracing::debug!(%resource, why = what, "looked at again in the next pass"),
            Said::Done { resource, step, undo } => tracing::debug!(%resource, step, undo, "step done"),
            Said::Ended { resource, end } => tracing::debug!(%resource, end = end.word(), "ended"),
        }
        (self.say)(said);
    }

    async fn passes(&self, works: &mut [Work<'_>], order: &Order<'_>, resources: &[Declared]) -> Result<(), Stopped> {
        let writes = self.reads.writes(self.journal);
        let mut waits = 0;
        let mut number = 0;
        loop {
            order.hold_needy(works);
            let open = order.ready(works);
            let unended = works.iter().filter(|work| !work.ended()).count();
            if unended == 0 || self.interrupt.stopped() {
                return Ok(());
            }
            number += 1;
            self.tell(&Said::Pass { number, open: unended, ended: works.len() - unended });
            // The first pass reads anew too: what was seen for the plan may be minutes old, and what is sent replaces what is there now.
            let reads = self.reads.fresh();
            let mut moved = false;
            for some in open.chunks(TOGETHER) {
                // Reading can be left at any time.
                let seen = tokio::select! {
                    biased;
                    () = self.interrupt.wished() => return Ok(()),
                    seen = self.look(works, resources, some, &reads) => seen,
                };
                if let Some(code) = self.reads.credentials_refused() {
                    return Err(Stopped::Credentials(code));
                }
                moved |= self.pass(works, resources, seen, &writes).await?;
            }
            waits = if moved { 0 } else { (waits + 1).min(WAITS.len()) };
            if let Some(wait) = waits.checked_sub(1).and_then(|at| WAITS.get(at)) {
                tokio::select! {
                    () = self.clock.sleep(*wait) => {}
                    () = self.interrupt.wished() => {}
                }
            }
        }
    }

    /// Tells the last ends, those of what was left in the middle too, and brings everything recorded to the disk.
    async fn close(&self, works: &mut [Work<'_>]) -> Result<(), JournalError> {
        let mut events = self.ends(works);
        for work in works.iter().filter(|work| !work.ended()) {
            self.tell(&Said::Ended { resource: work.plan.key.clone(), end: End::Interrupted { under_way: work.under_way() } });
            if work.touched() {
                events.push(Event::ResourceEnded {
                    resource: work.plan.key.clone(),
                    end: "interrupted".to_owned(),
                    message: String::new(),
                });
            }
        }
        self.journal.append(self.run, &self.judgement.scope.object, self.clock.now(), events, true).await?;
        Ok(())
    }

    /// What is seen now of the resources with these places, in their order.
    async fn look(&self, works: &[Work<'_>], resources: &[Declared], some: &[usize], reads: &Reads) -> Vec<(usize, AnySeen)> {
        let looks = some.iter().filter_map(|place| works.get(*place)).filter_map(|work| {
            let declared = resources.get(work.place)?;
            let (want, place) = (work.want(declared), work.place);
            let span = tracing::debug_span!("of", resource = %work.plan.key);
            Some(async move { (place, declared.kind.observe(reads, self.judgement.scope, &declared.wish, &want).await) }.instrument(span))
        });
        let looks: Vec<_> = looks.collect();
        let mut seen: Vec<(usize, AnySeen)> = stream::iter(looks).buffer_unordered(self.at_once.max(1)).collect().await;
        seen.sort_unstable_by_key(|(place, _)| *place);
        seen
    }

    /// A pass over some: decide for each, record all intents at once, send, record what came of it. Says whether anything moved.
    async fn pass(
        &self,
        works: &mut [Work<'_>],
        resources: &[Declared],
        seen: Vec<(usize, AnySeen)>,
        writes: &Writes,
    ) -> Result<bool, Stopped> {
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut starts = Vec::new();
        let mut signs = Vec::new();
        let mut moved = false;
        for (place, seen) in seen {
            let (Some(work), Some(declared)) = (works.get_mut(place), resources.get(place)) else { continue };
            let key = work.plan.key.clone();
            let digest = |step: &PlannedStep| step_digest(self.judgement.scope, &key, step);
            let judgement = Judgement { at: now, ..self.judgement };
            if let Some(op) = declared.kind.tend(&seen) {
                signs.push((place, op.clone(), events.len()));
                events.push(Event::Intent { resource: key.clone(), step: SIGN.to_owned(), op, undo: false, attempt: 1, uses: None });
            }
            if matches!(work.phase, Phase::Verifying { .. }) {
                let changed = !(work.spent.is_empty() && work.settled.is_empty());
                let left = changed.then(|| judgement.consent.after(&work.spent, &work.settled));
                let judgement = Judgement { consent: left.as_ref().unwrap_or(judgement.consent), ..judgement };
                work.verified(declared, plan_one(&judgement, declared, &Some(seen)), now);
                match work.phase {
                    Phase::Verifying { .. } => {
                        tracing::debug!(resource = %key, why = "its steps are done, and AWS does not show it as declared", "looked at again in the next pass");
                    }
                    _ => moved = true,
                }
                continue;
            }
            match work.decide(declared, &seen, &judgement, digest) {
                Decision::Anew(why) => {
                    self.tell(&Said::Waiting { resource: key.clone(), what: format!("to be planned anew: {why}") });
                    moved = true;
                }
                Decision::Wait(what) => self.tell(&Said::Waiting { resource: key.clone(), what }),
                Decision::Start { title, op, undo, attempt, uses } => {
                    self.tell(&Said::Starting { resource: key.clone(), step: title.clone(), undo });
                    starts.push((place, op.clone(), events.len()));
                    events.push(Event::Intent { resource: key.clone(), step: title, op, undo, attempt, uses });
                }
                Decision::Advanced(advances) => {
                    moved = true;
                    for advance in advances {
                        self.tell(&Said::Done { resource: key.clone(), step: advance.title.clone(), undo: advance.undo });
                        let digest = op_digest(self.judgement.scope, &key, &advance.op, advance.impact);
                        events.push(Event::StepDone { resource: key.clone(), step: advance.title, digest, undo: advance.undo });
                    }
                }
                Decision::Ended => moved = true,
            }
        }
        let durable = !starts.is_empty() || !signs.is_empty();
        let numbers = self.record(events, durable).await?;
        let due = |all: Vec<(usize, Operation, usize)>| -> Vec<Due> {
            all.into_iter().filter_map(|(place, op, at)| Some(Due { place, op, intent: *numbers.get(at)? })).collect()
        };
        let signed = self.sign(resources, due(signs), writes).await;
        let (mut outcomes, took, credentials) = self.send(works, resources, due(starts), writes).await;
        outcomes.extend(signed);
        outcomes.extend(self.ends(works));
        self.record(outcomes, false).await?;
        match credentials {
            Some(code) => Err(Stopped::Credentials(code)),
            None => Ok(moved || took),
        }
    }

    /// Sends signs of life. One that is not taken is followed by another in the next pass.
    async fn sign(&self, resources: &[Declared], due: Vec<Due>, writes: &Writes) -> Vec<Event> {
        let mut events = Vec::new();
        for due in due {
            let Some(declared) = resources.get(due.place).filter(|_| !self.interrupt.stopped()) else {
                events.push(Event::Outcome { intent: due.intent, outcome: Outcome::NotSent });
                continue;
            };
            let span = tracing::debug_span!("of", resource = %declared.key());
            let outcome = match declared.kind.start(writes, &due.op).instrument(span).await {
                Ok(()) => Outcome::Acknowledged,
                Err(StartError::NotUnderstood(message)) => Outcome::Refused { code: "NotUnderstood".to_owned(), message },
                Err(StartError::Call(error)) if error.class == Class::Ambiguous => {
                    Outcome::Unknown { code: error.code, message: error.message }
                }
                Err(StartError::Call(error)) => Outcome::Refused { code: error.code, message: error.message },
            };
            events.push(Event::Outcome { intent: due.intent, outcome });
        }
        events
    }

    /// Sends what is due. Answers with what is to be recorded, whether AWS took anything, and the code with which it refused the credentials.
    async fn send(
        &self,
        works: &mut [Work<'_>],
        resources: &[Declared],
        due: Vec<Due>,
        writes: &Writes,
    ) -> (Vec<Event>, bool, Option<String>) {
        let sent = due.into_iter().filter_map(|due| {
            let declared = resources.get(due.place)?;
            let span = tracing::debug_span!("of", resource = %declared.key());
            let sent = async move {
                let answer = match self.interrupt.stopped() {
                    true => None,
                    false => Some(declared.kind.start(writes, &due.op).await),
                };
                (due, answer)
            };
            Some(sent.instrument(span))
        });
        let sent: Vec<_> = sent.collect();
        let answers = stream::iter(sent).buffer_unordered(self.at_once.max(1)).collect();
        tokio::pin!(answers);
        let answers: Vec<(Due, Option<Result<(), StartError>>)> = tokio::select! {
            biased;
            answers = &mut answers => answers,
            () = self.interrupt.wished() => {
                writes.leave();
                answers.await
            }
        };
        let now = self.clock.now();
        let mut events = Vec::new();
        let mut took = false;
        let mut credentials = None;
        for (due, answer) in answers {
            let (Some(work), Some(declared)) = (works.get_mut(due.place), resources.get(due.place)) else { continue };
            let outcome = match answer {
                None => Outcome::NotSent,
                Some(Ok(())) => {
                    work.begun(now, true, true);
                    took = true;
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
                            work.begun(now, false, true);
                            Outcome::Unknown { code: error.code.clone(), message: error.message.clone() }
                        }
                        // Somebody made it: what is seen next decides. It is not this run's to take back, unless an answer of its own was lost.
                        Class::AlreadyExists => {
                            work.begun(now, true, false);
                            refused
                        }
                        // What is to be taken back is gone: what is seen next decides.
                        Class::NotFound if matches!(work.phase, Phase::Undoing { .. }) => {
                            work.begun(now, true, false);
                            refused
                        }
                        Class::Busy | Class::Throttled => {
                            work.postponed(now, error.class == Class::Throttled, error.to_string());
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
        (events, took, credentials)
    }

    /// Tells the resources that ended in this pass, and answers with what is to be recorded of them.
    fn ends(&self, works: &mut [Work<'_>]) -> Vec<Event> {
        let mut events = Vec::new();
        for work in works.iter_mut().filter(|work| !work.told) {
            let Phase::Ended(end) = &work.phase else { continue };
            work.told = true;
            let message = match end {
                End::Unchanged => continue,
                End::Changed | End::Interrupted { .. } => String::new(),
                End::Blocked { blocks } | End::Partly { blocks } => blocks.first().map(|block| block.message.clone()).unwrap_or_default(),
                End::Failed { message, .. } | End::RolledBack { message, .. } => message.clone(),
            };
            let word = end.word();
            self.tell(&Said::Ended { resource: work.plan.key.clone(), end: end.clone() });
            events.push(Event::ResourceEnded { resource: work.plan.key.clone(), end: word.to_owned(), message });
        }
        events
    }

    async fn record(&self, events: Vec<Event>, durable: bool) -> Result<Vec<u64>, JournalError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.journal.append(self.run, &self.judgement.scope.object, self.clock.now(), events, durable).await
    }
}
