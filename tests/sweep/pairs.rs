//! Two things go wrong: in one run, or the second while the next run mends what the first did. A sample, from a seed.

use std::fmt;

use holdfast::sandbox::faults::{Fault, Faults};

use crate::ground::{self, Course, Kept, go_on, judge, untouched};
use crate::support;

struct Pair {
    course: Course,
    first: (u64, Fault),
    second: (u64, Fault),
    /// Whether the second comes in the run after the one that the first hit.
    later: bool,
    journal: bool,
}

impl fmt::Display for Pair {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { course, first, second, later, journal } = self;
        let when = if *later { "in the next run " } else { "" };
        let with = if *journal { "journals kept" } else { "journals lost" };
        write!(out, "{course}: {}@{}, {when}{}@{}, {with}", first.1, first.0, second.1, second.0)
    }
}

fn try_one(pair: &Pair) -> Result<(), String> {
    let (one, other) = (pair.first.clone(), pair.second.clone());
    let runs = match pair.later {
        false => vec![vec![one, other], vec![]],
        true => vec![vec![one], vec![other], vec![]],
    };
    let last = runs.len() - 1;
    let mut sandbox = None;
    let mut kept = Kept::nothing();
    let mut records = Vec::new();
    for (number, at) in runs.into_iter().enumerate() {
        let faults = Faults { at, ..Faults::default() };
        let next = sandbox.take().map_or_else(|| ground::begin(faults.clone()), |world| go_on(&world, faults.clone()));
        let done = pair.course.run(next, &kept);
        done.end.answered()?;
        untouched(&done.sandbox)?;
        records.extend(done.sandbox.recorded());
        if number == last {
            return judge(pair.course, &done, &records);
        }
        sandbox = Some(done.sandbox.world());
        kept = if pair.journal { done.kept } else { Kept::nothing() };
    }
    Ok(())
}

#[test]
fn pairs_of_faults_and_ends() {
    let faults = ground::every_fault();
    let mut random = fastrand::Rng::with_seed(5);
    let pairs = (0..(support::cases() / 8).clamp(8, 400)).map(|number| {
        // One in five in the run over everything.
        let course = Course::ALL[number as usize % Course::ALL.len()];
        let mut one = || (random.u64(1..=course.reference().calls), random.choice(&faults).cloned().expect("a fault"));
        let (first, second) = (one(), one());
        Pair { course, first, second, later: random.bool(), journal: random.bool() }
    });
    let pairs: Vec<Pair> = pairs.collect();
    ground::sweep(&pairs, try_one);
}
