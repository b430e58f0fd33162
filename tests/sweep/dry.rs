//! A dry run sends no writing request and opens no journal, whatever happens to it, and whatever state it finds.

use std::fmt;

use holdfast::sandbox::Sandbox;
use holdfast::sandbox::faults::{Fault, Faults};

use crate::ground::{self, Course, go_on};
use crate::support;

struct Point {
    fault: Fault,
    call: u64,
    /// On the account as a run left it that was at this moment of its journal; none: before any run.
    after: Option<usize>,
}

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{} in a dry run", self.fault, self.call)?;
        match self.after {
            Some(moment) => write!(out, " on a run that ended at moment {moment}"),
            None => Ok(()),
        }
    }
}

/// Looks, and answers with how many requests that took.
fn look(sandbox: &Sandbox) -> Result<u64, String> {
    let before = sandbox.snapshot();
    ground::block_on(async {
        tokio::select! {
            _ = sandbox.ended() => {}
            // It may fail: that is an answer.
            _ = support::dry(sandbox, ground::baseline()) => {}
        }
    });
    if !sandbox.writes().is_empty() {
        return Err(format!("a dry run wrote: {:?}", sandbox.writes()));
    }
    // Time passes, and with it what an earlier run began; everything else stays.
    if before.pointer("/s3/buckets") != sandbox.snapshot().pointer("/s3/buckets") {
        return Err("a dry run changed a bucket".to_owned());
    }
    Ok(sandbox.calls())
}

#[test]
fn a_dry_run_writes_nothing_whatever_happens() {
    let calls = look(&ground::begin(Faults::default())).expect("a dry run");
    assert!(calls > 20, "only {calls} calls");
    let faults = ground::every_fault();
    let moments = Course::Everything.reference().moments.len();
    let points = (1..=calls).flat_map(|call| {
        faults.iter().enumerate().map(move |(place, fault)| {
            let turn = call as usize * 9 + place;
            Point { fault: fault.clone(), call, after: (turn % 2 == 1).then_some(turn % moments) }
        })
    });
    let points: Vec<Point> = points.collect();
    ground::sweep(&ground::sampled(points), |point| {
        let faults = Faults::once(point.call, point.fault.clone());
        let sandbox = match point.after {
            None => ground::begin(faults),
            Some(moment) => go_on(&Course::Everything.reference().moments[moment].1, faults),
        };
        look(&sandbox).map(drop)
    });
}
