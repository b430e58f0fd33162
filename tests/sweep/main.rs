//! One run over all kinds, and everything that can go wrong in it, one thing after the other (and some in pairs): whatever happens, the next
//! run reaches the end that an undisturbed run reaches, nothing is made twice, and nothing that is not declared is touched.
//!
//! A run over all kinds sends some two thousand requests, most of them the same question while something takes its time. So the kinds are
//! swept in four courses, each alone on the same account, at every call (of a question that is repeated while nothing is changed, at its first
//! and its last time); and the run over everything at each of its writes, at every write of
//! the journal, and at a sample of its reads. `HOLDFAST_CASES` says how much of it is tried: from 2,000 up all of that, below so many points
//! of each test, from a seed.

mod crashes;
mod dry;
mod faults;
mod ground;
mod killed;
mod pairs;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use holdfast::execute::End;
use holdfast::kinds::registry;

use ground::{Course, Kept};

/// The sweep is worth something only if every kind has something to do in it.
#[test]
fn every_kind_is_in_the_run() {
    let reference = Course::Everything.reference();
    let changing: BTreeSet<&str> = reference.plan.resources.iter().filter(|one| one.changes()).map(|one| one.key.kind.as_str()).collect();
    let missing: Vec<&str> = registry().iter().map(|kind| kind.path()).filter(|kind| !changing.contains(kind)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "these kinds have nothing to do in tests/sweep/manifest.yaml on tests/sweep/account.yaml");
    for one in &reference.outcomes.resources {
        assert!(matches!(one.end, End::Changed | End::Unchanged), "{}: {:?}", one.key, one.end);
    }
}

#[test]
fn the_undisturbed_run_repeats_itself_and_leaves_nothing() {
    for course in Course::ALL {
        let reference = course.reference();
        eprintln!(
            "{course}: {} calls, {} places, {} writes, {} moments of the journal",
            reference.calls,
            reference.places.len(),
            reference.writes.len(),
            reference.moments.len()
        );
        let run = course.run(ground::begin(Default::default()), &Kept::nothing());
        assert_eq!(run.end.good(), Ok(()), "{course}");
        assert_eq!(run.sandbox.calls(), reference.calls, "{course}: two equal runs differ: places of faults mean nothing then");
        assert_eq!(ground::end_state(&run.sandbox), reference.end, "{course}");
        assert_eq!(ground::untouched(&run.sandbox), Ok(()), "{course}");
        let again = course.run(ground::go_on(&run.sandbox.world(), Default::default()), &Kept::nothing());
        assert!(again.sandbox.writes().is_empty(), "{course}: the second run wrote: {:?}", again.sandbox.writes());
    }
}
