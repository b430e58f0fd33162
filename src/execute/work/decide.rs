//! What comes next of a resource, from what is seen now.

use super::judge::Verdict;
use super::{Advance, Decision, Phase, Taken, UNDOING, Work};
use crate::kinds::AnySeen;
use crate::plan::{Declared, Judgement, PlannedStep, begun_already, closed};

impl Work<'_> {
    /// What comes next, from what is seen now.
    pub(in crate::execute) fn decide(
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
                            self.finished.push((step.op.clone(), step.impact));
                            // A plan that is made again may list what an earlier round did.
                            if !self.done.contains(&step.title) {
                                self.done.push(step.title.clone());
                            }
                            if self.turned.is_none() && declared.kind.is_way_back(&step.op) {
                                let what_to_do = "see why it was taken back; until that is mended it is not begun again".to_owned();
                                self.turned = Some(("it was being taken back, and was brought to that end".to_owned(), what_to_do));
                            }
                            self.settled.extend(step.once.as_ref().map(|_| digest(&step)));
                            let op = step.consent_to().clone();
                            advances.push(Advance { title: step.title.clone(), op, impact: step.impact, undo: false });
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
                            let once = step.once.as_ref().map(|_| digest(&step));
                            let uses = once.clone().filter(|once| judgement.consent.steps.contains(once));
                            let spent = |once: &String| self.spent.contains(once) || judgement.consent.is_spent(once);
                            let again = once.filter(spent).and_then(|once| Some((once, begun_already(judgement, &step)?)));
                            if again.is_some() && self.may_not_be_shown(now) {
                                return Decision::Wait("what was begun before, to be seen".to_owned());
                            }
                            let again = again.map(|(once, block)| {
                                self.settled.insert(once);
                                block
                            });
                            if let Some(block) = again.or_else(|| closed(judgement, &step)) {
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
                            self.using.clone_from(&uses);
                            return Decision::Start { title: step.title, op: step.op, undo: false, attempt, uses };
                        }
                        Verdict::Stale(_) if !advances.is_empty() => return Decision::Advanced(advances),
                        Verdict::Stale(why) => {
                            self.turn();
                            self.phase = Phase::Verifying { since: None };
                            self.stale = Some(why.clone());
                            return Decision::Anew(why);
                        }
                        Verdict::Failed(why) => {
                            self.fail(declared, why, "see the message, mend its cause, and run again".to_owned());
                            if !self.ended() {
                                // What is taken back is judged by all that can be seen, not by what this step alone was looked at for.
                                return Decision::Advanced(advances);
                            }
                        }
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
                        Verdict::Start(attempt) => return Decision::Start { title, op, undo: true, attempt, uses: None },
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
                        Verdict::Start(attempt) => {
                            return Decision::Start { title: step.title, op: step.op, undo: false, attempt, uses: None };
                        }
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
}
