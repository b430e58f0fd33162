//! Who moves: one process at a time, and another one when that is dead.

use std::time::Duration;

use super::super::account::Account;
use super::super::pipeline::reasons;
use super::super::sleeper::Sleeper;
use super::ground::block_on;
use super::{OLD, account, wish};
use crate::execute::{End, Said};
use crate::kinds::Reason;
use crate::kinds::elasticache::moving::Move;

const MINUTE: Duration = Duration::from_secs(60);

fn tag(account: &Account, tag: &str) -> Option<String> {
    let world = account.sandbox.world();
    let lock = world.elasticache.parameter_groups.iter().find(|(name, _)| name.starts_with("holdfast-move-"));
    lock.and_then(|(_, lock)| lock.tags.get(&format!("holdfast.dev/{tag}")).cloned())
}

/// A process that ends when the new group is being made.
fn ended_in_the_restore() -> Account {
    let account = account();
    let outcomes =
        block_on(account.apply_until(&wish(""), |said| matches!(said, Said::Done { step, .. } if step.starts_with("Take a snapshot"))));
    assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{:#?}", outcomes.resources[0]);
    account
}

#[test]
fn whoever_moves_says_once_a_minute_that_it_is_alive() {
    let account = ended_in_the_restore();
    let world = account.sandbox.world();
    let beats = account.writes().iter().filter(|(_, body)| body.contains("holdfast.dev%2Fbeat")).count();
    // A snapshot takes three minutes, and the lock is made with a first sign.
    assert!((2..=6).contains(&beats), "{beats}");
    assert_eq!(tag(&account, "holder").as_deref(), Some("one:1"), "{:?}", world.elasticache.parameter_groups.keys());
}

#[test]
fn a_move_is_taken_over_when_its_holder_was_not_heard_of_for_long_and_not_before() {
    let account = ended_in_the_restore();
    let other = account.another("two:2");
    let beat: jiff::Timestamp = tag(&account, "beat").unwrap().parse().unwrap();
    let clock = account.sandbox.clock();
    let status = block_on(async {
        let baseline = other.baseline(&wish(""));
        let connection = crate::reconcile::connected(&baseline, &other.connect).await.unwrap();
        let spec = baseline.entries[0].spec.downcast_ref().unwrap();
        Move::look(&connection.reads, &baseline.scope, spec).await.unwrap().status()
    });
    assert_eq!((status.holder.as_deref(), status.last_beat), (Some("one:1"), Some(beat.to_string())));
    assert_eq!(status.dead_from, Some(crate::clock::later(beat, 20 * MINUTE).to_string()));
    let silent = || Duration::try_from(clock.now().duration_since(beat)).unwrap();
    clock.advance(20 * MINUTE - silent() - Duration::from_secs(1));
    let plan = block_on(other.planned(&wish("")));
    assert_eq!(reasons(&plan).iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), [Reason::Conflict], "{plan:#?}");
    let block = plan.all_blocks().next().unwrap();
    let dead = crate::clock::later(beat, 20 * MINUTE).strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    assert!(block.message.starts_with("one:1 moves it since") && block.what_to_do.contains(&dead), "{block:?}");
    let writes = account.writes().len();
    block_on(other.apply(&wish("")));
    assert_eq!(account.writes().len(), writes);

    clock.advance(Duration::from_secs(1));
    let plan = block_on(other.planned(&wish("")));
    assert!(plan.steps[0].title.starts_with("Take over the move of huntaze-redis from one:1"), "{:#?}", plan.steps);
    let before = clock.now();
    let outcomes = block_on(other.apply(&wish("")));
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!((tag(&account, "holder").as_deref(), tag(&account, "heirs").as_deref()), (Some("two:2"), Some("1:2")));
    let taken: jiff::Timestamp = tag(&account, "taken").unwrap().parse().unwrap();
    assert!(taken >= before);
    // It soaks: whoever comes is welcome.
    block_on(account.in_sync(&wish("")));
}

#[test]
fn a_sleeper_that_wakes_writes_nothing() {
    for step in ["Restore it", "Turn the secret", "Let huntaze-redis-72348fb3 serve"] {
        let account = account();
        let other = account.another("two:2");
        let first = account.another("one:1");
        let sleeper =
            Sleeper::of(first, wish(""), move |said| matches!(said, Said::Starting { step: starting, .. } if starting.starts_with(step)));
        sleeper.sleeps();
        account.sandbox.clock().advance(21 * MINUTE);
        // It takes over, and does not come far.
        let counted = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Refuse the connections"));
        let outcomes = block_on(other.apply_until(&wish(""), counted));
        assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{:#?}", outcomes.resources[0]);
        let writes = account.writes().len();
        let end = sleeper.wakes();
        let (End::Blocked { blocks } | End::Partly { blocks }) = &end else { panic!("{step}: {end:?}") };
        assert!(blocks.iter().any(|block| block.message.starts_with("two:2 moves it")), "{step}: {blocks:?}");
        assert_eq!(account.writes()[writes..], [], "{step}");
        let outcomes = block_on(other.apply(&wish("")));
        assert_eq!(outcomes.resources[0].end, End::Changed, "{step}: {:#?}", outcomes.resources[0]);
    }
}

#[test]
fn of_two_that_take_over_at_once_one_goes_on() {
    // The one comes when the other has written itself.
    let account = ended_in_the_restore();
    account.sandbox.clock().advance(21 * MINUTE);
    let takes_over = |said: &Said| matches!(said, Said::Starting { step, .. } if step.starts_with("Take over"));
    let waits = |said: &Said| matches!(said, Said::Waiting { what, .. } if what.contains("nobody else takes it over"));
    let late = Sleeper::of(account.another("late:3"), wish(""), takes_over);
    late.sleeps();
    let soon = Sleeper::of(account.another("soon:2"), wish(""), waits);
    soon.sleeps();
    let writes = account.writes().len();
    let end = late.wakes();
    assert!(
        matches!(&end, End::Blocked { blocks } | End::Partly { blocks } if blocks[0].message.starts_with("soon:2 moves it")),
        "{end:?}"
    );
    assert_eq!(account.writes()[writes..], []);
    assert_eq!(soon.wakes(), End::Changed);

    // Both have read who is dead before either wrote: what was written last stands, and is seen by both.
    let account = ended_in_the_restore();
    account.sandbox.clock().advance(21 * MINUTE);
    let first = Sleeper::of(account.another("first:2"), wish(""), waits);
    first.sleeps();
    account.sandbox.edit(|world| {
        let lock = world.elasticache.parameter_groups.iter_mut().find(|(name, _)| name.starts_with("holdfast-move-")).unwrap().1;
        lock.tags.insert("holdfast.dev/holder".to_owned(), "second:3".to_owned());
    });
    let writes = account.writes().len();
    let end = first.wakes();
    assert!(
        matches!(&end, End::Blocked { blocks } | End::Partly { blocks } if blocks[0].message.starts_with("second:3 moves it")),
        "{end:?}"
    );
    assert_eq!(account.writes()[writes..], []);
    let second = account.another("second:3");
    let outcomes = block_on(second.apply(&wish("")));
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(tag(&account, "heirs").as_deref(), Some("1:3"));
    assert!(account.sandbox.world().elasticache.replication_groups.contains_key(OLD));
}
