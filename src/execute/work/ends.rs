//! How a resource under way ends: as declared when it is looked at as a whole, or taken back.

use jiff::Timestamp;

use super::super::{End, FailedAt};
use super::{NOT_AS_DECLARED, PATIENCE, Phase, ROUNDS, THROTTLED, UNDOING, Work};
use crate::clock::later;
use crate::kinds::{Reason, Why};
use crate::plan::{Declared, PlannedStep, ResourcePlan};

impl Work<'_> {
    /// Takes the plan of a resource that was looked at again as a whole.
    pub(in crate::execute) fn verified(&mut self, declared: &Declared, mut plan: ResourcePlan, now: Timestamp) {
        let Phase::Verifying { since } = &self.phase else { return };
        let since = since.unwrap_or(now);
        for need in &self.stuck {
            plan.hold_for(need, 0, NOT_AS_DECLARED);
        }
        let open: Vec<&PlannedStep> = plan.steps.iter().filter(|step| step.held.is_none()).collect();
        let denied = plan.unreadable.iter().any(|field| field.why.why == Why::Denied);
        // A plan of something long lists what is done of it too, however often it is made.
        let long = plan.steps.iter().any(|step| declared.kind.turns_back(&step.op).is_some());
        let again = !long && open.iter().any(|step| self.is_finished(step));
        // Everything that can be done now is done, and is listed again beside what stands in the way of the rest.
        let finished = |step: &&PlannedStep| self.is_finished(step);
        let stands = (long || plan.under_way) && !plan.blocks.is_empty() && !open.is_empty() && open.iter().all(finished);
        let throttled = plan.unreadable.iter().any(|field| field.why.why == Why::Throttled);
        let patient = now < later(since, if throttled { THROTTLED } else { PATIENCE });
        // What would end it blocked though its plan was not is looked at a second time.
        let new_block = plan.blocks.iter().any(|block| !self.plan.blocks.contains(block));
        let unread = !plan.unreadable.is_empty() || plan.blocks.iter().any(|block| block.reason == Reason::Unreadable);
        // A move holds writes: what of it can be done is not kept waiting for what could not be read.
        let waits = open.is_empty() || stands || !plan.under_way;
        if unread && !denied && patient && waits || (again && !stands || new_block && waits) && patient {
            // AWS may be showing what was: a moment of patience before it counts.
            self.phase = Phase::Verifying { since: Some(since) };
        } else if stands {
            self.end(self.rest_after_rounds(&plan));
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

    /// A step failed: what was done is taken back.
    pub(in crate::execute) fn fail(&mut self, declared: &Declared, why: String, what_to_do: String) {
        self.turn();
        if let Phase::Stepping(at) = self.phase
            && let Some(step) = self.plan.steps.get(at)
        {
            let mut at_step = FailedAt { step: step.title.clone(), fields: Vec::new(), not_tried: Vec::new() };
            // What is done in many steps is brought to an end or back as a whole: nobody is to go on without one of them.
            let kind = declared.kind;
            if !self.plan.under_way && self.turned.is_none() && kind.turns_back(&step.op).is_none() && !kind.is_way_back(&step.op) {
                at_step.fields.clone_from(&step.fields);
                let behind = self.plan.steps.iter().skip(at + 1).filter(|step| step.held.is_none());
                at_step.not_tried = behind.map(|step| step.title.clone()).collect();
            }
            self.failed_at = Some(Box::new(at_step));
        }
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
            once: None,
            deadline_seconds: UNDOING.as_secs(),
            ..step.clone()
        })
    }

    pub(super) fn end_undoing(&mut self) {
        if let Phase::Undoing { why, what_to_do, undone } = &self.phase {
            self.end(End::Failed { message: why.clone(), what_to_do: what_to_do.clone(), undone: undone.clone() });
        }
    }
}
