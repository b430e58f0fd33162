//! The process ends at every call, and at every write of the journal, of a whole move and of its way back.

use std::fmt;

use super::super::account::Account;
use super::ground::{Course, block_on, sampled, sound, sweep};
use crate::sandbox::faults::{Fault, Faults};

struct AtCall(Course, u64, Fault);

impl fmt::Display for AtCall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}@{} ({})", self.0, self.2, self.1, self.0.operation(self.1))
    }
}

/// Before and after each write takes effect. A read has none: there it is one of the two, in turn.
fn points(course: Course) -> Vec<AtCall> {
    let mut points = Vec::new();
    for (call, writes) in &course.reference().places {
        let faults = [Fault::EndBefore, Fault::EndAfter].into_iter().enumerate();
        let faults = faults.filter(|(place, _)| *writes || *call as usize % 2 == *place);
        points.extend(faults.map(|(_, fault)| AtCall(course, *call, fault)));
    }
    points
}

fn end_at(point: &AtCall) -> Result<(), String> {
    let AtCall(course, call, fault) = point;
    let first = Account::with(course.begin(), Faults::once(*call, fault.clone()));
    block_on(course.run(&first));
    let (world, records) = (first.sandbox.world(), first.sandbox.recorded());
    sound(&world)?;
    course.arrives(world, &records)
}

#[test]
fn the_process_ended_at_every_call_of_a_whole_move() {
    sweep(&sampled(points(Course::There)), end_at);
}

#[test]
fn the_process_ended_at_every_call_of_the_way_back() {
    sweep(&sampled(points(Course::Back)), end_at);
}

#[test]
fn the_process_ended_at_every_call_of_the_way_back_after_the_commit() {
    sweep(&sampled(points(Course::Return)), end_at);
}

#[test]
fn the_process_ended_at_every_call_of_the_move_of_a_standalone_cluster() {
    sweep(&sampled(points(Course::AloneThere)), end_at);
}

#[test]
fn the_process_ended_at_every_call_of_the_ways_back_to_a_standalone_cluster() {
    let points = [Course::AloneBack, Course::AloneReturn].into_iter().flat_map(points).collect();
    sweep(&sampled(points), end_at);
}

struct AtWrite(Course, usize);

impl fmt::Display for AtWrite {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: moment {}", self.0, self.1)
    }
}

#[test]
fn the_process_ended_at_every_write_of_the_journal() {
    let of = |course: Course| (0..course.reference().moments.len()).map(move |moment| AtWrite(course, moment));
    let points: Vec<AtWrite> = Course::ALL.into_iter().flat_map(of).collect();
    assert!(points.len() > 20, "only {} moments: the journal is not watched", points.len());
    sweep(&sampled(points), |AtWrite(course, moment)| {
        let world = course.reference().moments[*moment].clone();
        let next = Account::with(world, Faults::default());
        let outcomes = block_on(course.run(&next));
        course.good(&outcomes)?;
        super::ground::same(&course.reference().end, &course.end(&next))
    });
}
