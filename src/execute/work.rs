//! One resource on its way: which step it is at, judged from what was seen. Pure: it decides, and does nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::End;
use crate::clock::later;
use crate::kinds::{AnySeen, Block, FactSet, Progress, Reason, Why};
use crate::plan::{Declared, PlannedStep, ResourcePlan};

/// After an answer that never came, how long a step may look as if it had not begun before it is begun again: longer than
/// eventually consistent reads usually lag.
const DOUBT: Duration = Duration::from_secs(30);
/// How often a step is begun at the most.
const ATTEMPTS: u32 = 5;
/// How often a resource is planned anew within a run: transit encryption takes two rounds; more than a few mean that it never ends.
const ROUNDS: u32 = 8;
/// How long undoing one step may take.
const UNDOING: Duration = Duration::from_secs(1800);

/// A resource under way.
pub(super) struct Work {
    /// Its place in the list of resources.
    pub(super) place: usize,
    pub(super) plan: ResourcePlan,
    pub(super) phase: Phase,
    /// The sentences of the steps that were done.
    pub(super) done: Vec<String>,
    /// What can be taken back: the operation, and what was seen before it.
    taken: Vec<(PlannedStep, AnySeen)>,
    /// Digests of operations that AWS acknowledged and showed as done in this run.
    finished: BTreeSet<String>,
    begun: Option<Begun>,
    rounds: u32,
    /// Its end was recorded and said.
    pub(super) told: bool,
}

/// Where a resource is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// At the step with this place.
    Stepping(usize),
    /// All steps are done: it is looked at as a whole.
    Verifying {
        since: Option<Timestamp>,
    },
    /// A step failed: what was done is taken back, from the last.
    Undoing {
        why: String,
        what_to_do: String,
        undone: Vec<String>,
    },
    Ended(End),
}

/// A step that was begun.
#[derive(Clone, Debug)]
struct Begun {
    first: Timestamp,
    last: Timestamp,
    /// AWS acknowledged it: then it is only waited for.
    acknowledged: bool,
    attempts: u32,
}

/// What is to be done next.
pub(super) enum Decision {
    /// Nothing but waiting; the words say for what.
    Wait(String),
    /// Begin this operation.
    Start {
        title: String,
        op: Value,
        undo: bool,
        attempt: u32,
    },
    /// Something was found done; look again at once.
    Advanced(Vec<Advance>),
    Ended,
}

/// A transition that needs no request.
pub(super) struct Advance {
    pub(super) title: String,
    pub(super) op: Value,
    pub(super) impact: crate::kinds::Impact,
    pub(super) undo: bool,
}

impl Work {
    pub(super) fn new(place: usize, plan: ResourcePlan) -> Work {
        let phase = if plan.changes() { Phase::Stepping(0) } else { Phase::Ended(Self::rest(&plan, false)) };
        Work { place, plan, phase, done: Vec::new(), taken: Vec::new(), finished: BTreeSet::new(), begun: None, rounds: 0, told: false }
    }

    pub(super) fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// How a resource ends whose steps are all done or held.
    fn rest(plan: &ResourcePlan, changed: bool) -> End {
        let mut blocks: Vec<Block> = plan.all_blocks().cloned().collect();
        blocks.extend(plan.unreadable.iter().map(|field| Block {
            reason: Reason::Unreadable,
            fields: vec![field.field.clone()],
            message: format!("{} could not be read: {}: {}", field.field, field.why.call, field.why.message),
            what_to_do: match field.why.why {
                Why::Denied => format!("allow it to the role that holdfast runs as ({})", field.why.call),
                _ => "run again; if it stays so, look at the message".to_owned(),
            },
        }));
        match (blocks.is_empty(), changed) {
            (false, _) => End::Blocked { blocks },
            (true, true) => End::Changed,
            (true, false) => End::Unchanged,
        }
    }

    /// The facts that the open steps need; everything where it is verified.
    pub(super) fn want(&self, declared: &Declared) -> FactSet {
        let Phase::Stepping(at) = self.phase else { return declared.wish.want.clone() };
        let open: Vec<&String> = self.plan.steps.iter().skip(at).filter(|step| step.held.is_none()).flat_map(|step| &step.fields).collect();
        let needed = |field: &&'static str| {
            open.iter().any(|one| one.as_str() == *field || one.strip_prefix(*field).is_some_and(|rest| rest.starts_with('.')))
        };
        let narrowed =
            FactSet::new(declared.kind.fields().iter().map(|doc| doc.path).filter(needed).filter(|field| declared.wish.want.has(field)));
        if narrowed.is_empty() { declared.wish.want.clone() } else { narrowed }
    }

    /// What comes next, from what is seen now.
    pub(super) fn decide(
        &mut self,
        declared: &Declared,
        seen: &AnySeen,
        now: Timestamp,
        digest: impl Fn(&PlannedStep) -> String,
    ) -> Decision {
        let mut advances = Vec::new();
        loop {
            match &self.phase {
                Phase::Stepping(at) => {
                    let at = *at;
                    let Some(step) = self.plan.steps.get(at).cloned() else {
                        self.phase = Phase::Verifying { since: None };
                        return Decision::Advanced(advances);
                    };
                    if step.held.is_some() {
                        self.phase = Phase::Stepping(at + 1);
                        continue;
                    }
                    match self.judge(declared.kind.check(&step.op, seen), &step, false, now) {
                        Verdict::Done => {
                            self.finished.insert(digest(&step));
                            self.done.push(step.title.clone());
                            advances.push(Advance { title: step.title.clone(), op: step.op.clone(), impact: step.impact, undo: false });
                            // `was` is what was seen before the step began, where this run began it.
                            if self.begun.take().is_none() {
                                self.taken.retain(|(other, _)| other.op != step.op);
                            }
                            self.phase = Phase::Stepping(at + 1);
                        }
                        Verdict::Wait(_) | Verdict::Start(_) if !advances.is_empty() => return Decision::Advanced(advances),
                        Verdict::Wait(why) => return Decision::Wait(why),
                        Verdict::Start(attempt) => {
                            if attempt == 1 {
                                self.taken.push((step.clone(), seen.clone()));
                            }
                            return Decision::Start { title: step.title, op: step.op, undo: false, attempt };
                        }
                        Verdict::Failed(why) => self.fail(declared, why, "see the message, mend its cause, and run again".to_owned()),
                    }
                }
                Phase::Undoing { .. } => {
                    let Some((step, was)) = self.taken.last().cloned() else {
                        self.end_undoing();
                        return Decision::Ended;
                    };
                    let Some(op) = declared.kind.undo(&step.op, &was) else {
                        self.taken.pop();
                        continue;
                    };
                    let undo = PlannedStep { op: op.clone(), deadline_seconds: UNDOING.as_secs(), ..step.clone() };
                    match self.judge(declared.kind.check(&op, seen), &undo, true, now) {
                        Verdict::Done => {
                            self.begun = None;
                            self.taken.pop();
                            if let Phase::Undoing { undone, .. } = &mut self.phase {
                                undone.push(step.title.clone());
                            }
                            advances.push(Advance { title: step.title, op, impact: step.impact, undo: true });
                        }
                        Verdict::Wait(_) | Verdict::Start(_) if !advances.is_empty() => return Decision::Advanced(advances),
                        Verdict::Wait(why) => return Decision::Wait(why),
                        Verdict::Start(attempt) => return Decision::Start { title: step.title, op, undo: true, attempt },
                        Verdict::Failed(why) => {
                            // It is stuck: a person is told, and nothing more is tried.
                            if let Phase::Undoing { why: first, .. } = &mut self.phase {
                                *first = format!("{first}; and \"{}\" could not be taken back: {why}", step.title);
                            }
                            self.taken.clear();
                        }
                    }
                }
                Phase::Verifying { .. } => return Decision::Advanced(advances),
                Phase::Ended(_) => return Decision::Ended,
            }
        }
    }

    /// Takes the plan of a resource that was looked at again as a whole.
    pub(super) fn verified(&mut self, plan: ResourcePlan, now: Timestamp, digest: impl Fn(&PlannedStep) -> String) {
        let Phase::Verifying { since } = &self.phase else { return };
        let since = since.unwrap_or(now);
        let open: Vec<&PlannedStep> = plan.steps.iter().filter(|step| step.held.is_none()).collect();
        let denied = plan.unreadable.iter().any(|field| field.why.why == Why::Denied);
        let again = open.iter().any(|step| self.finished.contains(&digest(step)));
        let patient = now < later(since, Duration::from_secs(120));
        self.phase = if !plan.unreadable.is_empty() && !denied && patient || again && patient {
            // AWS may be showing what was: a moment of patience before it counts.
            Phase::Verifying { since: Some(since) }
        } else if again {
            let fields: Vec<&str> = plan.drifts.iter().map(|drift| drift.field.as_str()).collect();
            Phase::Ended(End::Failed {
                message: format!("AWS took every change and still differs in {}", fields.join(", ")),
                what_to_do: "see who else changes it; if nobody does, report this as a bug".to_owned(),
                undone: Vec::new(),
            })
        } else if open.is_empty() {
            Phase::Ended(Self::rest(&plan, !self.done.is_empty()))
        } else if self.rounds >= ROUNDS {
            Phase::Ended(End::Failed {
                message: format!("it was planned {ROUNDS} times and is not done"),
                what_to_do: "run again and compare the plans".to_owned(),
                undone: Vec::new(),
            })
        } else {
            self.rounds += 1;
            self.begun = None;
            Phase::Stepping(0)
        };
        self.plan = plan;
    }

    /// Notes what came of a request.
    pub(super) fn begun(&mut self, now: Timestamp, acknowledged: bool) {
        let begun = self.begun.get_or_insert(Begun { first: now, last: now, acknowledged: false, attempts: 0 });
        begun.last = now;
        begun.attempts += 1;
        begun.acknowledged = acknowledged;
    }

    /// Notes that the service cannot take it now: busy, throttled. It is tried again later, and does not count as an attempt.
    pub(super) fn postponed(&mut self, now: Timestamp) {
        self.begun.get_or_insert(Begun { first: now, last: now, acknowledged: false, attempts: 0 });
    }

    /// A step failed: what was done is taken back.
    pub(super) fn fail(&mut self, declared: &Declared, why: String, what_to_do: String) {
        self.begun = None;
        if let Phase::Undoing { why: first, .. } = &mut self.phase {
            *first = format!("{first}; and taking it back failed: {why}");
            self.taken.clear();
            return;
        }
        self.taken.retain(|(step, was)| declared.kind.undo(&step.op, was).is_some());
        self.phase = Phase::Undoing { why, what_to_do, undone: Vec::new() };
        if self.taken.is_empty() {
            self.end_undoing();
        }
    }

    fn end_undoing(&mut self) {
        if let Phase::Undoing { why, what_to_do, undone } = &self.phase {
            self.phase = Phase::Ended(End::Failed { message: why.clone(), what_to_do: what_to_do.clone(), undone: undone.clone() });
        }
    }

    fn judge(&self, progress: Progress, step: &PlannedStep, undo: bool, now: Timestamp) -> Verdict {
        let deadline = Duration::from_secs(step.deadline_seconds);
        let late = self.begun.as_ref().is_some_and(|begun| now > later(begun.first, deadline));
        let too_late = |what: &str| {
            let verb = if undo { "undoing it" } else { "it" };
            Verdict::Failed(format!("\"{}\": {verb} was not done within {} ({what})", step.title, minutes(step.deadline_seconds)))
        };
        match progress {
            Progress::Done => Verdict::Done,
            Progress::Failed(why) => Verdict::Failed(format!("\"{}\": {why}", step.title)),
            Progress::Unknown(why) if why.why == Why::Denied => {
                Verdict::Failed(format!("\"{}\": {}: {}", step.title, why.call, why.message))
            }
            Progress::Unknown(why) if late => too_late(&format!("{} could not be read: {}", why.call, why.message)),
            Progress::Unknown(why) => Verdict::Wait(format!("an answer to {}", why.call)),
            Progress::Running(what) if late => too_late(&what),
            Progress::Running(what) => Verdict::Wait(what),
            Progress::Pending => match &self.begun {
                None => Verdict::Start(1),
                Some(_) if late => too_late("AWS does not show it"),
                Some(begun) if begun.acknowledged => Verdict::Wait("AWS to show it".to_owned()),
                Some(begun) if begun.attempts == 0 => Verdict::Start(1),
                Some(begun) if begun.attempts >= ATTEMPTS => Verdict::Failed(format!("\"{}\": no answer to {ATTEMPTS} tries", step.title)),
                Some(begun) if now < later(begun.last, DOUBT) => Verdict::Wait("AWS to show whether it was applied".to_owned()),
                Some(begun) => Verdict::Start(begun.attempts + 1),
            },
        }
    }
}

enum Verdict {
    Done,
    Wait(String),
    Start(u32),
    Failed(String),
}

fn minutes(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}
