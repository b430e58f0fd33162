//! One resource on its way: which step it is at, judged from what was seen. Pure: it decides, and does nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::planned::Planned;
use super::{End, UnderWay};
use crate::clock::later;
use crate::kinds::{AnySeen, Block, FactSet, Impact, Need, Operation, Progress, Reason, Why};
use crate::plan::{Declared, Judgement, PlannedStep, ResourcePlan, closed};

/// After an answer that never came, how long a step may look as if it had not begun before it is begun again: longer than
/// eventually consistent reads usually lag.
const DOUBT: Duration = Duration::from_secs(30);
/// How often a step is begun at the most.
const ATTEMPTS: u32 = 5;
/// The waits after "busy": doubled from the first to the longest.
const BUSY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// How long AWS may go on showing what was, after all steps were seen as done.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long throttled reads are put up with at that point: throttling slows holdfast down, and fails nothing.
const THROTTLED: Duration = Duration::from_secs(1800);
/// How often a resource is planned anew within a run: transit encryption takes two rounds; more than a few mean that it never ends.
const ROUNDS: u32 = 8;
/// What is said of a thing that ended badly, to those that stand on it.
const NOT_AS_DECLARED: &str = "not as declared";
/// How long undoing one step may take.
const UNDOING: Duration = Duration::from_secs(1800);

/// A resource under way.
pub(super) struct Work<'a> {
    /// Its place in the list of resources.
    pub(super) place: usize,
    pub(super) plan: Planned<'a>,
    pub(super) phase: Phase,
    /// The sentences of the steps that were done.
    pub(super) done: Vec<String>,
    /// The steps that requests of this run may have had an effect of, in their order.
    taken: Vec<Taken>,
    /// The step that is about to be begun: one of those once a request may have had an effect.
    starting: Option<Taken>,
    /// Digests of operations that AWS acknowledged and showed as done in this run.
    finished: Vec<String>,
    /// Since when the present step is looked at.
    entered: Option<Timestamp>,
    begun: Option<Begun>,
    rounds: u32,
    /// What it stands on that ended badly: steps that need it are held, in every round.
    stuck: Vec<Need>,
    /// Why it was planned anew before its steps were done: somebody else changed what they were planned from.
    stale: Option<String>,
    /// Why it is taken back as a whole, and what a person does about it.
    turned: Option<(String, String)>,
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
    /// A step of something long failed: from this step on, the way back is what is planned.
    Turning(Box<PlannedStep>),
    Ended(End),
}

/// A step that can be taken back, if there is a way.
#[derive(Clone)]
struct Taken {
    title: String,
    impact: Impact,
    /// What takes it back, from what was seen before it.
    undo: Option<Operation>,
}

/// A step that was begun.
#[derive(Clone, Debug)]
struct Begun {
    first: Timestamp,
    last: Timestamp,
    /// AWS acknowledged it: then it is only waited for.
    acknowledged: bool,
    /// It was seen to run: an answer that was lost was no refusal.
    ran: bool,
    /// Requests that may have had an effect.
    attempts: u32,
    /// How often in a row the service could not take it.
    refused: u32,
    /// After such a refusal it is not sent before this.
    not_before: Timestamp,
    /// The last such refusal in words.
    refusal: Option<String>,
}

/// What is to be done next.
pub(super) enum Decision {
    /// Nothing but waiting; the words say for what.
    Wait(String),
    /// Begin this operation.
    Start {
        title: String,
        op: Operation,
        undo: bool,
        attempt: u32,
    },
    /// Something was found done; look again at once.
    Advanced(Vec<Advance>),
    /// Somebody else changed what the step was planned from, as the words say: the resource is planned anew.
    Anew(String),
    Ended,
}

/// A transition that needs no request.
pub(super) struct Advance {
    pub(super) title: String,
    pub(super) op: Operation,
    pub(super) impact: Impact,
    pub(super) undo: bool,
}

/// How a resource ends whose steps are all done or held.
pub(super) fn rest(plan: &ResourcePlan, changed: bool) -> End {
    let mut blocks: Vec<Block> = plan.all_blocks().cloned().collect();
    blocks.extend(plan.unreadable.iter().map(|field| Block {
        reason: Reason::Unreadable,
        // An empty one is the whole resource.
        fields: Some(field.field.clone()).filter(|field| !field.is_empty()).into_iter().collect(),
        message: format!("{}: {}", field.why.call, field.why.message),
        what_to_do: field.why.what_to_do(),
    }));
    match (blocks.is_empty(), changed) {
        (false, _) => End::Blocked { blocks },
        (true, true) => End::Changed,
        (true, false) => End::Unchanged,
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(place: usize, plan: &'a ResourcePlan) -> Work<'a> {
        let phase = if plan.changes() { Phase::Stepping(0) } else { Phase::Ended(rest(plan, false)) };
        Work {
            place,
            plan: Planned::of_the_run(plan),
            phase,
            done: Vec::new(),
            taken: Vec::new(),
            starting: None,
            finished: Vec::new(),
            entered: None,
            begun: None,
            rounds: 0,
            stuck: Vec::new(),
            stale: None,
            turned: None,
            told: false,
        }
    }

    /// Whether this run sent anything for it, or found a step done.
    pub(super) fn touched(&self) -> bool {
        self.begun.is_some() || !self.taken.is_empty() || !self.done.is_empty()
    }

    /// The step that AWS may be carrying out now.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        let begun = self.begun.as_ref().filter(|begun| begun.attempts > 0)?;
        let step = match &self.phase {
            Phase::Stepping(at) => self.plan.steps.get(*at)?.title.clone(),
            Phase::Undoing { .. } => format!("taking back: {}", self.taken.last()?.title),
            Phase::Turning(step) => step.title.clone(),
            Phase::Verifying { .. } | Phase::Ended(_) => return None,
        };
        Some(UnderWay { step, acknowledged: begun.acknowledged })
    }

    pub(super) fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// The fields of the step that is to be begun next; none where one was begun, or there is none.
    pub(super) fn next_fields(&self) -> Option<&[String]> {
        let Phase::Stepping(at) = self.phase else { return None };
        let step = self.plan.steps.iter().skip(at).find(|step| step.held.is_none()).filter(|_| self.begun.is_none())?;
        Some(&step.fields)
    }

    /// Whether it ended, and not with what others need of it.
    pub(super) fn fails(&self, need: &Need) -> bool {
        let undone = match &self.phase {
            Phase::Ended(End::Failed { undone, .. }) => undone.as_slice(),
            // What it did is taken back: nothing that others need of it is there.
            Phase::Ended(End::RolledBack { .. }) => return true,
            Phase::Ended(End::Blocked { .. }) => &[],
            _ => return false,
        };
        let done = |step: &PlannedStep| self.done.contains(&step.title) && !undone.contains(&step.title);
        let asked = |step: &&PlannedStep| step.fields.iter().any(|field| need.counts(field));
        need.parts.is_empty() || !self.plan.meets(need) || !self.plan.steps.iter().filter(asked).all(done)
    }

    /// Holds the steps that need something which ended badly; a step that was begun is brought to its end.
    pub(super) fn wait_for(&mut self, need: &Need) {
        if self.ended() || self.stuck.contains(need) {
            return;
        }
        self.stuck.push(need.clone());
        let Phase::Stepping(at) = self.phase else { return };
        let from = if self.begun.is_some() { at + 1 } else { at };
        self.plan.to_mut().hold_for(need, from, NOT_AS_DECLARED);
        if !self.touched() && !self.plan.changes() {
            self.end(rest(&self.plan, false));
        }
    }

    /// Ends it, and lets go of what only one under way needs.
    fn end(&mut self, end: End) {
        self.phase = Phase::Ended(end);
        self.turn();
        self.taken = Vec::new();
        self.finished = Vec::new();
        self.stuck = Vec::new();
    }

    /// The same after it was planned anew: a step that waits for consent though consent was given says why that does not count for it.
    fn rest_after_rounds(&self, plan: &ResourcePlan) -> End {
        if let Some((message, what_to_do)) = &self.turned {
            let (message, what_to_do) = (message.clone(), what_to_do.clone());
            return match plan.steps.is_empty() {
                true => End::RolledBack { message, what_to_do },
                false => End::Failed { message: format!("{message}; the way back is not at its end"), what_to_do, undone: Vec::new() },
            };
        }
        let mut end = rest(plan, !self.done.is_empty());
        if let (End::Blocked { blocks }, Some(why)) = (&mut end, &self.stale) {
            for block in blocks.iter_mut().filter(|block| block.reason == Reason::NeedsConsent) {
                block.message = format!("{}; {why}, and a consent to the change as it was planned before does not count", block.message);
            }
        }
        end
    }

    /// Whether AWS has its step, and it is looked at for nothing else.
    fn waits(&self) -> bool {
        matches!(self.phase, Phase::Stepping(_)) && self.begun.as_ref().is_some_and(|begun| begun.acknowledged)
    }

    /// The facts that the open steps need, or the one that is waited for; everything where it is verified.
    pub(super) fn want(&self, declared: &Declared) -> FactSet {
        let Phase::Stepping(at) = self.phase else { return declared.wish.want.clone() };
        let steps = if self.waits() { 1 } else { usize::MAX };
        let open = self.plan.steps.iter().skip(at).filter(|step| step.held.is_none()).take(steps);
        let open: Vec<&String> = open.flat_map(|step| &step.fields).collect();
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
        judgement: &Judgement<'_>,
        digest: impl Fn(&PlannedStep) -> String,
    ) -> Decision {
        let now = judgement.at;
        let waits = self.waits();
        let mut advances = Vec::new();
        loop {
            match &self.phase {
                Phase::Stepping(at) => {
                    let at = *at;
                    let Some(step) = self.plan.steps.get(at).cloned() else {
                        self.turn();
                        self.phase = Phase::Verifying { since: None };
                        return Decision::Advanced(advances);
                    };
                    if step.held.is_some() {
                        self.phase = Phase::Stepping(at + 1);
                        continue;
                    }
                    match self.judge(declared.kind.check(&step.op, seen), &step.title, step.deadline_seconds, false, now) {
                        Verdict::Done => {
                            self.finished.push(digest(&step));
                            // A plan that is made again may list what an earlier round did.
                            if !self.done.contains(&step.title) {
                                self.done.push(step.title.clone());
                            }
                            if self.turned.is_none() && declared.kind.is_way_back(&step.op) {
                                let what_to_do = "see why it was taken back; until that is mended it is not begun again".to_owned();
                                self.turned = Some(("it was being taken back, and was brought to that end".to_owned(), what_to_do));
                            }
                            advances.push(Advance { title: step.title.clone(), op: step.op.clone(), impact: step.impact, undo: false });
                            self.turn();
                            self.phase = Phase::Stepping(at + 1);
                            if waits && self.plan.steps.iter().skip(at + 1).any(|next| next.held.is_none()) {
                                // What the next steps need was not read.
                                return Decision::Advanced(advances);
                            }
                        }
                        Verdict::Wait(_) | Verdict::Start(_) if !advances.is_empty() => return Decision::Advanced(advances),
                        Verdict::Wait(why) => return Decision::Wait(why),
                        Verdict::Start(attempt) => {
                            if let Some(block) = closed(judgement, &step) {
                                self.hold(at, block);
                                self.turn();
                                continue;
                            }
                            if attempt == 1 {
                                self.starting = Some(Taken {
                                    title: step.title.clone(),
                                    impact: step.impact,
                                    undo: declared.kind.undo(&step.op, seen),
                                });
                            }
                            return Decision::Start { title: step.title, op: step.op, undo: false, attempt };
                        }
                        Verdict::Stale(_) if !advances.is_empty() => return Decision::Advanced(advances),
                        Verdict::Stale(why) => {
                            self.turn();
                            self.phase = Phase::Verifying { since: None };
                            self.stale = Some(why.clone());
                            return Decision::Anew(why);
                        }
                        Verdict::Failed(why) => self.fail(declared, why, "see the message, mend its cause, and run again".to_owned()),
                    }
                }
                Phase::Undoing { .. } => {
                    let Some(Taken { title, impact, undo }) = self.taken.last().cloned() else {
                        self.end_undoing();
                        continue;
                    };
                    let Some(op) = undo else {
                        self.taken.pop();
                        continue;
                    };
                    match self.judge(declared.kind.check(&op, seen), &title, UNDOING.as_secs(), true, now) {
                        Verdict::Done => {
                            self.turn();
                            self.taken.pop();
                            if let Phase::Undoing { undone, .. } = &mut self.phase {
                                undone.push(title.clone());
                            }
                            advances.push(Advance { title, op, impact, undo: true });
                        }
                        Verdict::Wait(_) | Verdict::Start(_) if !advances.is_empty() => return Decision::Advanced(advances),
                        Verdict::Wait(why) => return Decision::Wait(why),
                        Verdict::Start(attempt) => return Decision::Start { title, op, undo: true, attempt },
                        Verdict::Failed(why) | Verdict::Stale(why) => {
                            // It is stuck: a person is told, and nothing more is tried.
                            if let Phase::Undoing { why: first, .. } = &mut self.phase {
                                *first = format!("{first}; and \"{title}\" could not be taken back: {why}");
                            }
                            self.taken.clear();
                        }
                    }
                }
                Phase::Turning(step) => {
                    let step = PlannedStep::clone(step);
                    match self.judge(declared.kind.check(&step.op, seen), &step.title, step.deadline_seconds, false, now) {
                        Verdict::Done | Verdict::Stale(_) => {
                            self.turn();
                            self.done.push(step.title.clone());
                            advances.push(Advance { title: step.title, op: step.op, impact: step.impact, undo: false });
                            // The way back is planned as any way is.
                            self.taken.clear();
                            self.phase = Phase::Verifying { since: None };
                        }
                        Verdict::Wait(_) | Verdict::Start(_) if !advances.is_empty() => return Decision::Advanced(advances),
                        Verdict::Wait(why) => return Decision::Wait(why),
                        Verdict::Start(attempt) => return Decision::Start { title: step.title, op: step.op, undo: false, attempt },
                        Verdict::Failed(why) => self.fail(declared, why, String::new()),
                    }
                }
                Phase::Verifying { .. } => return Decision::Advanced(advances),
                // What was found done on the way to the end is still to be recorded.
                Phase::Ended(_) if advances.is_empty() => return Decision::Ended,
                Phase::Ended(_) => return Decision::Advanced(advances),
            }
        }
    }

    /// Takes the plan of a resource that was looked at again as a whole.
    pub(super) fn verified(
        &mut self,
        declared: &Declared,
        mut plan: ResourcePlan,
        now: Timestamp,
        digest: impl Fn(&PlannedStep) -> String,
    ) {
        let Phase::Verifying { since } = &self.phase else { return };
        let since = since.unwrap_or(now);
        for need in &self.stuck {
            plan.hold_for(need, 0, NOT_AS_DECLARED);
        }
        let open: Vec<&PlannedStep> = plan.steps.iter().filter(|step| step.held.is_none()).collect();
        let denied = plan.unreadable.iter().any(|field| field.why.why == Why::Denied);
        // A plan of something long lists what is done of it too, however often it is made.
        let long = plan.steps.iter().any(|step| declared.kind.turns_back(&step.op).is_some());
        let again = !long && open.iter().any(|step| self.finished.contains(&digest(step)));
        let throttled = plan.unreadable.iter().any(|field| field.why.why == Why::Throttled);
        let patient = now < later(since, if throttled { THROTTLED } else { PATIENCE });
        // What would end it blocked though its plan was not is looked at a second time.
        let new_block = plan.blocks.iter().any(|block| !self.plan.blocks.contains(block));
        let unread = !plan.unreadable.is_empty() || plan.blocks.iter().any(|block| block.reason == Reason::Unreadable);
        if unread && !denied && patient || (again || new_block) && patient {
            // AWS may be showing what was: a moment of patience before it counts.
            self.phase = Phase::Verifying { since: Some(since) };
        } else if again {
            let fields: Vec<&str> = plan.drifts.iter().map(|drift| drift.field.as_str()).collect();
            self.end(End::Failed {
                message: format!("AWS took every change and still differs in {}", fields.join(", ")),
                what_to_do: "see who else changes it; if nobody does, report this as a bug".to_owned(),
                undone: Vec::new(),
            });
        } else if open.is_empty() {
            self.end(self.rest_after_rounds(&plan));
        } else if self.rounds >= ROUNDS {
            self.end(End::Failed {
                message: format!("it was planned {ROUNDS} times and is not done"),
                what_to_do: "run again and compare the plans".to_owned(),
                undone: Vec::new(),
            });
        } else {
            self.rounds += 1;
            self.turn();
            // What an earlier round brought to its end stands, whatever comes of this one.
            self.taken.clear();
            self.phase = Phase::Stepping(0);
        }
        // Of what ended as declared nothing more is asked than what it is excepted from: thousands need no second plan each.
        let as_declared = matches!(self.phase, Phase::Ended(End::Changed | End::Unchanged));
        if !as_declared || plan.excepted != self.plan.excepted || plan.origins != self.plan.origins {
            self.plan.replace(plan);
        }
    }

    /// Holds a step that its plan let through, and what comes after it.
    fn hold(&mut self, at: usize, block: Block) {
        let mut held = vec![at];
        for (place, step) in self.plan.to_mut().steps.iter_mut().enumerate().skip(at) {
            if place == at || step.after.iter().any(|before| held.contains(before)) {
                held.push(place);
                step.held = Some(Block { fields: step.fields.clone(), ..block.clone() });
            }
        }
    }

    /// Turns to another step.
    fn turn(&mut self) {
        self.begun = None;
        self.entered = None;
        self.starting = None;
    }

    /// Notes a request that may have had an effect. `ours`: an effect would be this run's, to be taken back.
    pub(super) fn begun(&mut self, now: Timestamp, acknowledged: bool, ours: bool) {
        let begun = self.begun.get_or_insert_with(|| Begun::new(now));
        if begun.attempts == 0 {
            begun.first = now;
        }
        begun.last = now;
        begun.attempts += 1;
        begun.acknowledged = acknowledged;
        begun.refused = 0;
        begun.refusal = None;
        if let Some(starting) = self.starting.take_if(|_| ours && matches!(self.phase, Phase::Stepping(_))) {
            // Most resources have one step.
            self.taken.reserve_exact(1);
            self.taken.push(starting);
        }
    }

    /// Notes that the service cannot take it now. It is tried again later, and does not count as an attempt; the time that it was `throttled` for does
    /// not count at all.
    pub(super) fn postponed(&mut self, now: Timestamp, throttled: bool, why: String) {
        let begun = self.begun.get_or_insert_with(|| Begun::new(now));
        let wait = BUSY[0].saturating_mul(1 << begun.refused.min(16)).min(BUSY[1]);
        begun.refused += 1;
        begun.refusal = Some(why);
        begun.not_before = later(now, wait);
        if throttled {
            begun.first = now;
            self.entered = None;
        }
    }

    /// A step failed: what was done is taken back.
    pub(super) fn fail(&mut self, declared: &Declared, why: String, what_to_do: String) {
        self.turn();
        if let (Phase::Turning(step), Some((first, what_to_do))) = (&self.phase, &self.turned) {
            let message = format!("{first}; and it could not be turned back: \"{}\": {why}", step.title);
            let what_to_do = what_to_do.clone();
            self.end(End::Failed { message, what_to_do, undone: Vec::new() });
            return;
        }
        if let Some(turning) = self.turning(declared) {
            self.turned = Some((why, what_to_do));
            self.phase = Phase::Turning(Box::new(turning));
            return;
        }
        if let Phase::Undoing { why: first, .. } = &mut self.phase {
            let step = self.taken.last().map(|step| step.title.as_str()).unwrap_or_default();
            *first = format!("{first}; and \"{step}\" could not be taken back: {why}");
            self.taken.clear();
            self.end_undoing();
            return;
        }
        self.taken.retain(|step| step.undo.is_some());
        self.phase = Phase::Undoing { why, what_to_do, undone: Vec::new() };
        if self.taken.is_empty() {
            self.end_undoing();
        }
    }

    /// The step that turns back what the present one belongs to.
    fn turning(&self, declared: &Declared) -> Option<PlannedStep> {
        let Phase::Stepping(at) = self.phase else { return None };
        let step = self.plan.steps.get(at)?;
        let op = declared.kind.turns_back(&step.op)?;
        Some(PlannedStep {
            title: format!("Turn back what \"{}\" belongs to", step.title),
            op,
            deadline_seconds: UNDOING.as_secs(),
            ..step.clone()
        })
    }

    fn end_undoing(&mut self) {
        if let Phase::Undoing { why, what_to_do, undone } = &self.phase {
            self.end(End::Failed { message: why.clone(), what_to_do: what_to_do.clone(), undone: undone.clone() });
        }
    }

    fn judge(&mut self, progress: Progress, title: &str, seconds: u64, undo: bool, now: Timestamp) -> Verdict {
        let deadline = Duration::from_secs(seconds);
        // What runs already, begun by somebody else or by an earlier run, has a deadline too.
        let entered = *self.entered.get_or_insert(now);
        let late = now > later(self.begun.as_ref().map_or(entered, |begun| begun.first), deadline);
        let too_late = |what: &str| {
            let verb = if undo { "undoing it" } else { "it" };
            Verdict::Failed(format!("\"{title}\": {verb} was not done within {} ({what})", minutes(seconds)))
        };
        match progress {
            Progress::Done => Verdict::Done,
            Progress::Failed(why) => Verdict::Failed(format!("\"{title}\": {why}")),
            Progress::Unknown(why) if why.why == Why::Denied => {
                Verdict::Failed(format!("\"{title}\": {}: {} ({})", why.call, why.message, why.what_to_do()))
            }
            Progress::Unknown(why) if late && why.why != Why::Throttled => {
                too_late(&format!("{} could not be read: {}", why.call, why.message))
            }
            Progress::Unknown(why) => Verdict::Wait(format!("an answer to {}", why.call)),
            Progress::Running(what) if late => too_late(&what),
            Progress::Running(what) => {
                if let Some(begun) = self.begun.as_mut().filter(|begun| begun.attempts > 0) {
                    begun.ran = true;
                }
                Verdict::Wait(what)
            }
            // After a request of this run an older document may be on show: no sign that somebody else was there.
            Progress::Stale(_) if self.begun.as_ref().is_some_and(|begun| begun.attempts > 0 && now < later(begun.last, DOUBT)) => {
                Verdict::Wait("AWS to show it".to_owned())
            }
            Progress::Stale(why) => Verdict::Stale(why),
            Progress::Unclear { what, settle } if self.begun.as_ref().is_some_and(|begun| begun.acknowledged || begun.ran) => {
                let settled = self.begun.as_ref().is_some_and(|begun| now >= later(begun.last, settle));
                if settled { Verdict::Done } else { Verdict::Wait(what) }
            }
            Progress::Pending | Progress::Unclear { .. } => match &self.begun {
                None => Verdict::Start(1),
                Some(begun) if late => too_late(begun.refusal.as_deref().unwrap_or("AWS does not show it")),
                Some(begun) if begun.acknowledged => Verdict::Wait("AWS to show it".to_owned()),
                Some(begun) if now < begun.not_before => Verdict::Wait("AWS to take it: it is busy".to_owned()),
                Some(begun) if begun.attempts == 0 => Verdict::Start(1),
                Some(begun) if now < later(begun.last, DOUBT) => Verdict::Wait("AWS to show whether it was applied".to_owned()),
                Some(begun) if begun.attempts >= ATTEMPTS => Verdict::Failed(format!("\"{title}\": no answer to {ATTEMPTS} tries")),
                Some(begun) => Verdict::Start(begun.attempts + 1),
            },
        }
    }
}

impl Begun {
    fn new(now: Timestamp) -> Begun {
        Begun { first: now, last: now, acknowledged: false, ran: false, attempts: 0, refused: 0, not_before: now, refusal: None }
    }
}

enum Verdict {
    Done,
    Wait(String),
    Start(u32),
    Failed(String),
    Stale(String),
}

fn minutes(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}
