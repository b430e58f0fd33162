//! A live move taken back on command after every one of its steps, and every undo done twice.

use std::fmt;

use super::super::gate::process;
use super::super::moving::ground::sweep_on;
use super::back::{ask, process as connection};
use super::ground::{Ground, Way, is_an_end, quietly, stands_back};
use super::wish;
use crate::execute::{End, Said};
use crate::kinds::elasticache::ReplicationGroups;
use crate::kinds::testing::one_in;
use crate::kinds::{Kind, registry};

struct After {
    step: String,
    /// By the process that came so far.
    same: bool,
}

impl fmt::Display for After {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "after `{}`, by {}", self.step, if self.same { "the same process" } else { "another one" })
    }
}

#[test]
fn a_live_move_is_taken_back_after_every_step() {
    let Some(reference) = Way::There.reference() else { return };
    let points: Vec<After> = reference.steps.iter().flat_map(|step| [true, false].map(|same| After { step: step.clone(), same })).collect();
    assert!(points.len() >= 20, "{:?}", reference.steps);
    sweep_on(1, &one_in(500, points), |After { step, same }| {
        quietly(|| {
            let Some(mut ground) = Ground::new() else { return Ok(()) };
            let (outcomes, gate) = ground.commanded_after(step, *same);
            gate.judged()?;
            is_an_end(&outcomes.ok_or("it ended")?)?;
            if !stands_back(&ground) {
                return Err("it was not taken back".to_owned());
            }
            ground.ends(true)
        })
        .and_then(|tried| tried)
    });
}

/// After each step of the way back its operation is begun once more, as by a process that does not know that it was done.
fn undone_twice(way: Way) {
    let Some(mut ground) = Ground::new() else { return };
    let gate = ground.gate(None);
    let (account, clock) = (&ground.account, ground.account.sandbox.clock());
    let kind = registry().iter().find(|kind| kind.path() == ReplicationGroups::PATH).unwrap();
    let (twice, end) = process(&gate, async || {
        let first = connection(account).await;
        let last = |said: &Said| {
            gate.hears(said, &clock);
            way == Way::Back && matches!(said, Said::Done { step, .. } if step.starts_with("Prove once more"))
        };
        account.apply_in(&first, &wish(), last).await;
        ask(account, &first, false).await;
        let mut twice = Vec::new();
        loop {
            let steps = account.planned(&wish()).await.steps;
            let done = std::sync::Mutex::new(None);
            let one = |said: &Said| {
                gate.hears(said, &clock);
                // What lives in the process alone is done again by each run.
                let Said::Done { step, .. } = said else { return false };
                let is_new = !twice.contains(step);
                if is_new {
                    done.lock().unwrap().get_or_insert(step.clone());
                }
                is_new
            };
            let outcomes = account.apply_in(&first, &wish(), one).await;
            let end = outcomes.resources[0].end.clone();
            let Some(done) = done.into_inner().unwrap() else { return (twice, end) };
            if let Some(step) = steps.iter().find(|step| step.title == done) {
                let writes = first.reads.fresh().writes(&account.journal());
                // What is gone cannot be taken away again, and says so.
                let again = kind.start(&writes, &step.op).await;
                println!("{done}, again: {again:?}");
                twice.push(done);
            }
            if !matches!(end, End::Interrupted { .. }) {
                return (twice, end);
            }
        }
    })
    .unwrap();
    gate.judged().unwrap();
    assert!(twice.len() >= 5, "{twice:?}");
    assert!(matches!(end, End::RolledBack { .. } | End::Blocked { .. } | End::Partly { .. }), "{end:?} after {twice:?}");
    assert!(stands_back(&ground));
    ground.ends(true).unwrap();
}

#[test]
fn every_undo_before_the_commit_can_be_done_twice() {
    undone_twice(Way::Back);
}

#[test]
fn every_undo_after_the_commit_can_be_done_twice() {
    undone_twice(Way::Return);
}
