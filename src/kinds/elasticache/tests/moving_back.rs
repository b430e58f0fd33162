//! Taken back on command, at every step.

use std::fmt;

use super::super::account::Account;
use super::ground::{self, Course, block_on, ended, found, reads_as_found, same, shape, sound, sweep, turn_back, wish};
use crate::execute::End;
use crate::kinds::elasticache::moving::SERVES_TAG;
use crate::kinds::testing::one_in;
use crate::sandbox::faults::{Fault, Faults};
use crate::sandbox::world::World;

struct At(u64, String, Fault);

impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{} ({})", self.2, self.0, self.1)
    }
}

fn taken_back(point: &At) -> Result<(), String> {
    let first = Account::with(found(), Faults::once(point.0, point.2.clone()));
    block_on(ended(&first, &wish()));
    let mut world = first.sandbox.world();
    sound(&world)?;
    let (begun, committed) = (turn_back(&mut world), serves(&world));
    let next = Account::with(world, Faults::default());
    let outcomes = block_on(next.apply(&wish()));
    sound(&next.sandbox.world())?;
    let end = &outcomes.resources[0].end;
    match (begun, committed, end) {
        // Nothing was begun: the move is made.
        (false, _, End::Changed) => return Ok(()),
        // What serves is not taken back any more: the command says so, and a lock that is marked after all changes nothing.
        (true, true, End::Changed | End::Unchanged) => {
            return Course::There.arrives(next.sandbox.world(), &{
                let mut records = first.sandbox.recorded();
                records.extend(next.sandbox.recorded());
                records
            });
        }
        (true, false, End::RolledBack { .. }) => {}
        other => return Err(format!("{other:?} after {:?}", outcomes.resources[0].done)),
    }
    if !reads_as_found(&next) {
        return Err("the application does not read what it read before".to_owned());
    }
    let before = Account::with(found(), Faults::default());
    before.sandbox.clock().advance(std::time::Duration::from_secs(24 * 3600));
    next.sandbox.clock().advance(std::time::Duration::from_secs(24 * 3600));
    same(&shape(&before.sandbox), &shape(&next.sandbox))?;
    // And again: nothing more is done, and nothing begun.
    let writes = next.writes().len();
    let again = block_on(next.apply(&wish()));
    let blocked = matches!(again.resources[0].end, End::Blocked { .. });
    if next.writes().len() == writes && blocked { Ok(()) } else { Err(format!("a second run: {again:?}")) }
}

fn serves(world: &World) -> bool {
    world.elasticache.replication_groups.values().any(|group| group.tags.contains_key(SERVES_TAG))
}

#[test]
fn a_move_is_taken_back_from_every_step() {
    let whole = Course::There.reference();
    let soaked = whole.writes.iter().position(|write| write.body.contains("serves-since")).unwrap();
    let of = |write: &crate::sandbox::record::Recorded| {
        [Fault::EndBefore, Fault::EndAfter].map(|fault| At(write.number, write.operation.clone(), fault))
    };
    sweep(&one_in(4, whole.writes.iter().take(soaked + 1).flat_map(of).collect::<Vec<At>>()), taken_back);
}

/// A lock that is there and says `back`, and everything else of the move gone: what is left of it is ended.
#[test]
fn what_somebody_took_away_by_hand_is_not_missed() {
    let mut world = ground::before_the_commit();
    world.elasticache.snapshots.clear();
    world.elasticache.replication_groups.retain(|id, _| id == super::OLD || id == "huntaze-redis-other");
    let next = Account::with(world, Faults::default());
    let outcomes = block_on(next.apply(&wish()));
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:?}", outcomes.resources[0]);
    assert!(reads_as_found(&next));
}
