//! Every single fault at every call: the run may fail or block; what does no harm must not even do that. The next run reaches the end.

use std::fmt;
use std::time::Duration;

use holdfast::sandbox::faults::{Fault, Faults};

use crate::ground::{self, Course, Kept, go_on, judge, untouched};

/// A fault, where it comes, and whether the next run has the journal.
struct Point {
    course: Course,
    fault: Fault,
    call: u64,
    journal: bool,
}

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}@{}, then {}", self.course, self.fault, self.call, if self.journal { "the journal" } else { "an empty journal" })
    }
}

/// What a run gets over by itself.
fn harmless(fault: &Fault) -> bool {
    // What is refused is refused; a person must hear of it.
    !matches!(fault, Fault::Denied)
}

fn try_one(point: &Point) -> Result<(), String> {
    let course = point.course;
    let first = course.run(ground::begin(Faults::once(point.call, point.fault.clone())), &Kept::nothing());
    first.end.answered()?;
    untouched(&first.sandbox)?;
    if harmless(&point.fault) {
        first.end.good().map_err(|why| format!("it must not hurt: {why}"))?;
    } else if course.reference().writes.contains(&point.call) && first.end.good().is_ok() {
        // A reading may be made again, and then nothing is amiss.
        return Err("a request was refused, and nobody hears of it".to_owned());
    }
    let mut records = first.sandbox.recorded();
    let kept = if point.journal { first.kept } else { Kept::nothing() };
    let second = course.run(go_on(&first.sandbox.world(), Faults::default()), &kept);
    records.extend(second.sandbox.recorded());
    untouched(&second.sandbox)?;
    judge(course, &second, &records)
}

/// Every fault at each of the calls. A read that is cut off has no effect whether it arrived or not, and a write is never stale: what is the same
/// to both sides is tried once.
fn points(course: Course, calls: &[u64]) -> Vec<Point> {
    let mut points = Vec::new();
    for call in calls {
        let write = course.reference().writes.contains(call);
        let odd = call % 2 == 1;
        let mut faults = vec![Fault::Throttle, Fault::ServerError, Fault::Denied, Fault::Slow(Duration::from_secs(60))];
        match write {
            true => faults.extend([Fault::CutBefore, Fault::CutAfter]),
            false => faults.extend([Fault::StaleRead, if odd { Fault::CutBefore } else { Fault::CutAfter }]),
        }
        for (place, fault) in faults.into_iter().enumerate() {
            // What leaves the first run whole, or refuses it a reading, leaves as much to the next run with a journal as without: one of the
            // two is enough there.
            let both = write && !harmless(&fault);
            let even = (*call as usize + place).is_multiple_of(2);
            let journals = [true, false].into_iter().filter(|journal| both || *journal == even);
            points.extend(journals.map(|journal| Point { course, fault: fault.clone(), call: *call, journal }));
        }
    }
    points
}

#[test]
fn every_fault_at_every_call() {
    let of = |course: Course| points(course, &course.reference().places);
    ground::sweep(&ground::sampled(Course::PARTS.into_iter().flat_map(of).collect()), try_one);
}

#[test]
fn every_fault_at_every_write_of_the_run_over_everything() {
    let everything = Course::Everything;
    ground::sweep(&ground::sampled(points(everything, &everything.reference().writes)), try_one);
}

#[test]
fn faults_at_reads_of_the_run_over_everything() {
    let mut points = points(Course::Everything, &Course::Everything.reference().places);
    fastrand::Rng::with_seed(9).shuffle(&mut points);
    points.truncate(200);
    ground::sweep(&ground::sampled(points), try_one);
}
