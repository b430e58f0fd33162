//! One resource on its way: which step it is at, judged from what was seen. Pure: it decides, and does nothing.

mod decide;
mod ends;
mod judge;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::planned::Planned;
use super::{End, FailedAt, UnderWay};
use crate::clock::later;
use crate::kinds::{Block, FactSet, Impact, Need, Operation, Reason};
use crate::plan::{Declared, PlannedStep, ResourcePlan};

/// After an answer that never came, how long a step may look as if it had not begun before it is begun again: longer than
/// eventually consistent reads usually lag.
const DOUBT: Duration = Duration::from_secs(30);
/// How long a step that an earlier run has begun may look as if it had not been, before a person is asked about a second beginning.
const BEGUN_BEFORE: Duration = Duration::from_secs(60);
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
    /// Operations that AWS acknowledged and showed as done in this run, with their impacts.
    finished: Vec<(Operation, Impact)>,
    /// The digest of the step that is about to be begun, where a consent to it counts for one beginning.
    using: Option<String>,
    /// Digests of such steps that were begun: their consents are used up.
    pub(super) spent: BTreeSet<String>,
    /// Digests of steps that a consent let begin once, and that were seen at their end or are not begun a second time.
    pub(super) settled: BTreeSet<String>,
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
    /// A request was sent for it that may have had an effect.
    pub(super) sent: bool,
    /// The step at which it failed.
    pub(super) failed_at: Option<Box<FailedAt>>,
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
        /// The digest of the consent that it uses up.
        uses: Option<String>,
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
        (false, true) => End::Partly { blocks },
        (false, false) => End::Blocked { blocks },
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
            using: None,
            spent: BTreeSet::new(),
            settled: BTreeSet::new(),
            entered: None,
            begun: None,
            rounds: 0,
            stuck: Vec::new(),
            stale: None,
            turned: None,
            sent: false,
            failed_at: None,
            told: false,
        }
    }

    /// Whether this run sent anything for it, or found a step done.
    pub(super) fn touched(&self) -> bool {
        self.begun.is_some() || !self.taken.is_empty() || !self.done.is_empty()
    }

    /// Whether it was planned and found done in this run already: the very operation, not one that the same consent would be for.
    fn is_finished(&self, step: &PlannedStep) -> bool {
        self.finished.iter().any(|(op, impact)| *op == step.op && *impact == step.impact)
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
            Phase::Ended(End::Blocked { .. } | End::Partly { .. }) => &[],
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
            // Of what could not be read nobody knows whether it is back.
            let unread = plan.unreadable.iter().map(|field| (format!("{}: {}", field.why.call, field.why.message), field.why.what_to_do()));
            let of_blocks = plan.blocks.iter().filter(|block| plan.under_way || block.reason == Reason::Unreadable);
            let of_blocks = of_blocks.map(|block| (block.message.clone(), block.what_to_do.clone()));
            let left: Vec<(String, String)> = unread.chain(of_blocks).collect();
            if plan.steps.is_empty() && left.is_empty() && !plan.under_way {
                return End::RolledBack { message, what_to_do };
            }
            let mut message = format!("{message}; the way back is not at its end");
            left.iter().for_each(|(why, _)| message.push_str(&format!("; {why}")));
            let what_to_do = left.into_iter().next().map_or(what_to_do, |(_, what_to_do)| format!("{what_to_do}; then run again"));
            return End::Failed { message, what_to_do, undone: Vec::new() };
        }
        let mut end = rest(plan, !self.done.is_empty());
        if let (End::Blocked { blocks } | End::Partly { blocks }, Some(why)) = (&mut end, &self.stale) {
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

    /// Whether the present step may have been begun by an earlier run a moment ago, and AWS not show it yet.
    fn may_not_be_shown(&self, now: Timestamp) -> bool {
        self.begun.is_none() && self.entered.is_none_or(|entered| now < later(entered, BEGUN_BEFORE))
    }

    /// Turns to another step.
    fn turn(&mut self) {
        self.begun = None;
        self.entered = None;
        self.starting = None;
        self.using = None;
    }

    /// Notes a request that may have had an effect. `ours`: an effect would be this run's, to be taken back.
    pub(super) fn begun(&mut self, now: Timestamp, acknowledged: bool, ours: bool) {
        self.sent |= ours;
        self.spent.extend(self.using.take_if(|_| ours));
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
}

impl Begun {
    fn new(now: Timestamp) -> Begun {
        Begun { first: now, last: now, acknowledged: false, ran: false, attempts: 0, refused: 0, not_before: now, refusal: None }
    }
}
