//! One thing goes wrong at every call of a whole move and of its way back.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::super::account::Account;
use super::super::invariants::Invariants;
use super::OLD;
use super::ground::{Course, block_on, found, same, sampled, sound, sweep, wish};
use crate::kinds::elasticache::moving::GIVEN_UP_TAG;
use crate::sandbox::faults::{Fault, Faults};

struct At(Course, u64, Fault);

impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}@{} ({})", self.0, self.2, self.1, self.0.operation(self.1))
    }
}

fn points(course: Course, faults: &[Fault]) -> Vec<At> {
    course.reference().places.iter().flat_map(|(call, _)| faults.iter().map(|fault| At(course, *call, fault.clone()))).collect()
}

/// What a later try cures, cures itself: the same end, and nothing made twice.
#[test]
fn what_passes_is_put_up_with() {
    let faults = [Fault::Throttle, Fault::ServerError, Fault::CutBefore, Fault::CutAfter, Fault::StaleRead];
    let points: Vec<At> = [Course::There, Course::Back].into_iter().flat_map(|course| points(course, &faults)).collect();
    sweep(&sampled(points), |At(course, call, fault)| {
        let (account, judged) = watched(*course, Faults::once(*call, fault.clone()));
        let outcomes = block_on(course.run(&account));
        judged.lock().unwrap().clone()?;
        course.good(&outcomes)?;
        sound(&account.sandbox.world())?;
        same(&course.reference().end, &course.end(&account))
    });
}

/// What is refused for good ends the run in a sound state, from which another one arrives.
#[test]
fn what_is_denied_leaves_a_sound_account() {
    let points: Vec<At> = [Course::There, Course::Back].into_iter().flat_map(|course| points(course, &[Fault::Denied])).collect();
    sweep(&sampled(points), |At(course, call, fault)| {
        let (account, judged) = watched(*course, Faults::once(*call, fault.clone()));
        block_on(course.run(&account));
        judged.lock().unwrap().clone()?;
        let mut world = account.sandbox.world();
        sound(&world)?;
        // The way back, where one was begun, is brought to its end first.
        let next = Account::with(world, Faults::default());
        block_on(next.apply(&wish()));
        world = next.sandbox.world();
        sound(&world)?;
        if *course == Course::There
            && let Some(old) = world.elasticache.replication_groups.get_mut(OLD)
        {
            old.tags.remove(GIVEN_UP_TAG);
        }
        let last = Account::with(world, Faults::default());
        let outcomes = block_on(course.run(&last));
        course.good(&outcomes)?;
        sound(&last.sandbox.world())?;
        same(&course.reference().end, &course.end(&last))
    });
}

/// An account whose state is judged at every write of the journal; the first that is not sound is kept.
fn watched(course: Course, faults: Faults) -> (Account, Arc<Mutex<Result<(), String>>>) {
    let mut account = Account::with(course.begin(), faults);
    let judged = Arc::new(Mutex::new(Ok(())));
    let into = Arc::clone(&judged);
    let invariants = Invariants::of(Arc::new(found()));
    account.watch = Some(Arc::new(move |world| {
        let mut judged = into.lock().unwrap();
        if judged.is_ok() {
            *judged = sound(world).and_then(|()| invariants.hold(world));
        }
    }));
    (account, judged)
}
