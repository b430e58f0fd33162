//! The process ends at every call, and at every write of the journal. What is on disk then is all that the next run has; or not even that.

use std::fmt;

use holdfast::sandbox::faults::{Fault, Faults};

use crate::ground::{self, Course, Ended, Kept, arrived, go_on, judge, untouched};

struct AtCall {
    course: Course,
    fault: Fault,
    call: u64,
}

impl fmt::Display for AtCall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}@{}", self.course, self.fault, self.call)
    }
}

fn end_at(point: &AtCall) -> Result<(), String> {
    let course = point.course;
    let first = course.run(ground::begin(Faults::once(point.call, point.fault.clone())), &Kept::nothing());
    if !matches!(first.end, Ended::Process(call) if call == point.call) {
        return Err(format!("the process did not end: {:?}", first.end.good()));
    }
    untouched(&first.sandbox)?;
    let (world, before) = (first.sandbox.world(), first.sandbox.recorded());
    for (with, kept) in [("the journal", first.kept), ("an empty journal", Kept::nothing())] {
        let second = course.run(go_on(&world, Faults::default()), &kept);
        let mut records = before.clone();
        records.extend(second.sandbox.recorded());
        untouched(&second.sandbox).and_then(|()| judge(course, &second, &records)).map_err(|why| format!("then with {with}: {why}"))?;
    }
    Ok(())
}

/// Before and after each write takes effect. A read has none: there it is one of the two, in turn.
fn points(course: Course, calls: &[u64]) -> Vec<AtCall> {
    let mut points = Vec::new();
    for call in calls {
        let write = course.reference().writes.contains(call);
        let faults = [Fault::EndBefore, Fault::EndAfter].into_iter().enumerate();
        let faults = faults.filter(|(place, _)| write || *call as usize % 2 == *place);
        points.extend(faults.map(|(_, fault)| AtCall { course, fault, call: *call }));
    }
    points
}

#[test]
fn the_process_ended_at_every_call() {
    let of = |course: Course| points(course, &course.reference().places);
    ground::sweep(&ground::sampled(Course::PARTS.into_iter().flat_map(of).collect()), end_at);
}

#[test]
fn the_process_ended_at_every_write_of_the_run_over_everything() {
    let everything = Course::Everything;
    ground::sweep(&ground::sampled(points(everything, &everything.reference().writes)), end_at);
}

struct AtWrite(usize);

impl fmt::Display for AtWrite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} a write of the journal, moment {}", Course::Everything.reference().moments[self.0].0, self.0)
    }
}

fn end_at_write(point: &AtWrite) -> Result<(), String> {
    let (_, world, kept) = &Course::Everything.reference().moments[point.0];
    for (with, kept) in [("the journal", kept), ("an empty journal", &Kept::nothing())] {
        let second = Course::Everything.run(go_on(world, Faults::default()), kept);
        // What was made before is there, and is not made again: the end would differ by it.
        untouched(&second.sandbox).and_then(|()| arrived(Course::Everything, &second)).map_err(|why| format!("then with {with}: {why}"))?;
    }
    Ok(())
}

#[test]
fn the_process_ended_at_every_write_of_the_journal() {
    let moments = Course::Everything.reference().moments.len();
    assert!(moments > 60, "only {moments} moments: the journal is not watched");
    ground::sweep(&ground::sampled((0..moments).map(AtWrite).collect()), end_at_write);
}
