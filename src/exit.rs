//! Exit codes, the first that is true.

use crate::execute::{End, Outcomes};
use crate::kinds::Block;
use crate::plan::{Plan, Status};
use crate::reconcile::Report;

/// What `reconcile` can end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, or in sync.
    Done = 0,
    /// The run failed and nothing was done.
    Failed = 1,
    /// Changes are pending (only with `--detailed-exitcode`).
    Pending = 2,
    /// Something is blocked: consent or reading is missing.
    Blocked = 3,
    /// Some of it failed, or is left though nothing holds it.
    PartlyFailed = 4,
    /// A migration was rolled back, or brought to the end of its way back.
    RolledBack = 5,
    /// The command line is wrong.
    Usage = 64,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// The exit code of a run over all objects of a manifest. `invalid`: part of the manifest could not be read and is not enforced.
pub fn of_run(reports: &[Report], invalid: bool, detailed: bool) -> Exit {
    let outcomes: Vec<&Outcomes> = reports.iter().filter_map(|report| report.outcomes.as_ref()).collect();
    if outcomes.iter().any(|outcomes| outcomes.interrupted() && outcomes.stopped.is_none()) {
        return Exit::Interrupted;
    }
    let errors = reports.iter().filter(|report| report.error.is_some()).count()
        + outcomes.iter().filter(|outcomes| outcomes.stopped.is_some()).count();
    // People who were to be told and do not know are a part of the run that failed.
    let untold = reports.iter().any(|report| report.untold.is_some());
    let failed = errors > 0 || untold || outcomes.iter().any(|outcomes| outcomes.failed().next().is_some());
    let something_done = outcomes.iter().any(|outcomes| {
        outcomes.resources.iter().any(|one| {
            one.sent
                || !one.done.is_empty()
                || (outcomes.stopped.is_none() && matches!(one.end, End::Unchanged | End::Blocked { .. } | End::Partly { .. }))
        })
    });
    let something_seen = reports.iter().any(|report| report.error.is_none() && report.outcomes.is_none());
    // Planned again after the last change, something differs that nobody holds: it did not come to its end.
    if reports.iter().any(|report| report.outcomes.is_some() && report.left.as_ref().is_some_and(Plan::changes)) && !failed {
        return Exit::PartlyFailed;
    }
    if failed {
        return if something_done || something_seen { Exit::PartlyFailed } else { Exit::Failed };
    }
    if outcomes.iter().any(|outcomes| outcomes.rolled_back()) {
        return Exit::RolledBack;
    }
    let blocked = |report: &Report| match (&report.outcomes, &report.plan) {
        (Some(outcomes), _) => outcomes.blocked().next().is_some(),
        (None, Some(plan)) => plan.resources.iter().any(|resource| !matches!(resource.status, Status::Drifted | Status::InSync)),
        (None, None) => false,
    };
    if invalid || reports.iter().any(|report| blocked(report) && !held_by_mode_alone(report)) {
        return Exit::Blocked;
    }
    let changes = |report: &Report| report.outcomes.is_none() && report.plan.as_ref().is_some_and(Plan::changes);
    let pending = |report: &Report| changes(report) || blocked(report);
    if detailed && reports.iter().any(pending) { Exit::Pending } else { Exit::Done }
}

/// Whether nothing stands in the way but `policy.mode: Observe`: what differs is left as somebody wants it, and is pending like what a dry run leaves. What
/// was begun and is left in the middle nobody wants so.
fn held_by_mode_alone(report: &Report) -> bool {
    let Some(plan) = report.left.as_ref().or(report.plan.as_ref()) else { return false };
    let told = plan.resources.iter().all(|one| one.status != Status::Unreadable && one.unreadable.is_empty() && !one.under_way);
    // What a run ended with, it says itself: a window may have closed since it was planned.
    let blocks: Vec<&Block> = match &report.outcomes {
        Some(outcomes) => outcomes.blocked().flat_map(|one| one.end.blocks().unwrap_or_default()).collect(),
        None => plan.resources.iter().flat_map(|resource| resource.all_blocks()).collect(),
    };
    told && Block::only_observe(blocks)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::fake::{FAKE, looked, scope, world};
    use crate::kinds::{Key, Peers};
    use crate::manifest::{Policy, Windows};
    use crate::plan::{Consent, Judgement, plan};

    /// A plan for a thing whose one field is at 0, and is to be `value`.
    fn planned(value: i64) -> Plan {
        let scope = scope("exit");
        crate::kinds::fake::enter(&world("exit")).things.entry("a".to_owned()).or_default().insert("x".to_owned(), 0);
        let judgement = Judgement {
            scope: &scope,
            policy: &Policy::default(),
            windows: &Windows::new(&[]).unwrap(),
            exceptions: &[],
            consent: &Consent::default(),
            peers: &Peers::default(),
            partial: false,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        plan(&judgement, &[looked(&scope, json!({"name": "a", "v": {"x": value}}))])
    }

    #[test]
    fn never_done_while_something_is_left_that_nobody_holds() {
        let changed = crate::execute::ResourceOutcome {
            key: Key::new(FAKE.path(), "a"),
            title: String::new(),
            done: vec!["x".to_owned()],
            end: End::Changed,
            sent: true,
            failed_at: None,
            spent: Default::default(),
        };
        let report = |left: Option<Plan>| Report {
            object: "exit".to_owned(),
            plan: Some(planned(1)),
            outcomes: Some(Outcomes { resources: vec![changed.clone()], stopped: None }),
            left,
            error: None,
            untold: None,
        };
        assert_eq!(of_run(&[report(None)], false, true), Exit::Done);
        assert_eq!(of_run(&[report(Some(planned(0)))], false, true), Exit::Done);
        assert_eq!(of_run(&[report(Some(planned(1)))], false, false), Exit::PartlyFailed);
        // What is found blocked at the end counts, whatever the run itself saw of it.
        let mut left = planned(1);
        let block = crate::kinds::Block {
            reason: crate::kinds::Reason::NeedsConsent,
            fields: Vec::new(),
            message: "nobody has consented".to_owned(),
            what_to_do: "consent".to_owned(),
        };
        left.resources.iter_mut().for_each(|one| {
            one.status = Status::Blocked;
            one.steps.iter_mut().for_each(|step| step.held = Some(block.clone()));
        });
        let mut outcomes = Outcomes { resources: vec![changed.clone()], stopped: None };
        outcomes.see(&left);
        assert_eq!(of_run(&[Report { outcomes: Some(outcomes), ..report(Some(left)) }], false, false), Exit::Blocked);
    }

    #[test]
    fn what_a_run_saw_done_is_doubted_where_a_later_look_shows_it_otherwise() {
        let key = Key::new(FAKE.path(), "a");
        let ended = |end: End| Outcomes {
            resources: vec![crate::execute::ResourceOutcome {
                key: key.clone(),
                title: String::new(),
                done: vec!["x".to_owned()],
                sent: true,
                failed_at: None,
                spent: Default::default(),
                end,
            }],
            stopped: None,
        };
        let failed = || End::Failed { message: String::new(), what_to_do: String::new(), undone: Vec::new() };
        let (differs, agrees) = (planned(1), planned(0));
        let (blocked, partly) = (End::Blocked { blocks: Vec::new() }, End::Partly { blocks: Vec::new() });
        for (end, doubted) in [(End::Changed, true), (End::Unchanged, true), (blocked, true), (partly, true), (failed(), false)] {
            assert_eq!(ended(end.clone()).contradicted(&differs).contains(&key), doubted, "{end:?}");
            assert!(ended(end).contradicted(&agrees).is_empty());
        }
    }

    #[test]
    fn what_is_only_observed_is_pending_and_not_blocked() {
        let scope = scope("exit observed");
        let world = world("exit observed");
        for id in ["a", "b"] {
            crate::kinds::fake::enter(&world).things.entry(id.to_owned()).or_default().insert("x".to_owned(), 0);
        }
        let planned = |specs: &[serde_json::Value]| {
            let judgement = Judgement {
                scope: &scope,
                policy: &Policy { mode: crate::manifest::Mode::Observe, ..Policy::default() },
                windows: &Windows::new(&[]).unwrap(),
                exceptions: &[],
                consent: &Consent::default(),
                peers: &Peers::default(),
                partial: false,
                at: jiff::Timestamp::UNIX_EPOCH,
            };
            let looked: Vec<_> = specs.iter().map(|spec| looked(&scope, spec.clone())).collect();
            plan(&judgement, &looked)
        };
        let dry = |plan: Plan| Report { object: String::new(), plan: Some(plan), outcomes: None, left: None, error: None, untold: None };
        let differs = || planned(&[json!({"name": "a", "v": {"x": 1}}), json!({"name": "b", "v": {"x": 0}})]);
        let blocks: Vec<_> = differs().resources.iter().flat_map(|one| one.all_blocks().cloned()).collect();
        let blocked = crate::execute::ResourceOutcome {
            key: Key::new(FAKE.path(), "a"),
            title: String::new(),
            done: Vec::new(),
            end: End::Blocked { blocks: blocks.clone() },
            sent: false,
            failed_at: None,
            spent: Default::default(),
        };
        let wet = Report { outcomes: Some(Outcomes { resources: vec![blocked.clone()], stopped: None }), ..dry(differs()) };
        for report in [dry(differs()), wet] {
            let report = [report];
            assert_eq!((of_run(&report, false, false), of_run(&report, false, true)), (Exit::Done, Exit::Pending));
        }
        assert_eq!(of_run(&[dry(planned(&[json!({"name": "a", "v": {"x": 0}})]))], false, true), Exit::Done);
        // Something besides stands in the way: a thing that is not there.
        let gone = dry(planned(&[json!({"name": "a", "v": {"x": 1}}), json!({"name": "gone", "v": {"x": 1}})]));
        assert_eq!(of_run(&[gone], false, false), Exit::Blocked);
        // A run may end otherwise than its plan was: what it ended with counts.
        let closed = crate::kinds::Block { reason: crate::kinds::Reason::OutsideChangeWindow, ..blocks[0].clone() };
        for end in [
            End::Blocked { blocks: vec![closed.clone()] },
            End::Partly { blocks: vec![blocks[0].clone(), closed] },
            End::Partly { blocks: Vec::new() },
        ] {
            let outcomes = Outcomes { resources: vec![crate::execute::ResourceOutcome { end, ..blocked.clone() }], stopped: None };
            assert_eq!(of_run(&[Report { outcomes: Some(outcomes), ..dry(differs()) }], false, false), Exit::Blocked);
        }
        // What was begun is left in the middle.
        let mut begun = differs();
        begun.resources[0].under_way = true;
        assert_eq!(of_run(&[dry(begun)], false, false), Exit::Blocked);
        // A field that could not be read.
        let mut unread = differs();
        unread.resources[0].unreadable.push(crate::plan::UnreadableField {
            field: "v.y".to_owned(),
            why: crate::kinds::Unreadable { call: String::new(), why: crate::kinds::Why::Denied, message: String::new() },
        });
        assert_eq!(of_run(&[dry(unread)], false, false), Exit::Blocked);
    }
}
