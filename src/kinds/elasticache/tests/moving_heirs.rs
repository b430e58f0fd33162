//! A move that another process takes over, with an application that writes all the time.

use super::super::pipeline::reasons;
use super::super::sleeper::Sleeper;
use super::*;
use crate::kinds::Reason;

/// Waits until the process that moves is taken for dead, and takes its move over to the end.
async fn taken_over(account: &Account) {
    let other = account.another("two:2");
    let mut plan = other.planned(&wish()).await;
    while plan.steps.is_empty() {
        assert_eq!(reasons(&plan).first().map(|(reason, _)| *reason), Some(Reason::Conflict), "{plan:#?}");
        account.sandbox.clock().sleep(Duration::from_secs(30)).await;
        plan = other.planned(&wish()).await;
    }
    let outcomes = other.apply(&wish()).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_when_a_dead_processs_move_is_taken_over() {
    for (shape, step) in [(FLAT.to_owned(), "Copy to"), (FLAT.to_owned(), "Hold the writes"), (shards::shape(), "Hold the writes")] {
        let Some((account, application)) = serving(&shape).await else { return };
        let last = |said: &Said| matches!(said, Said::Done { step: done, .. } if done.starts_with(step));
        let outcomes = account.apply_until(&wish(), last).await;
        assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{:#?}", outcomes.resources[0]);
        taken_over(&account).await;
        application.writes_more(200).await;
        assert_eq!(application.lost(&account).await, [""; 0], "{step}");
    }
}

/// Its copy and its hold sleep with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_when_the_first_process_was_only_asleep() {
    for step in ["Copy to", "Hold the writes"] {
        let Some((account, application)) = serving(FLAT).await else { return };
        let at = move |said: &Said| matches!(said, Said::Done { step: done, .. } if done.starts_with(step));
        let sleeper = Sleeper::of(account.another("one:1"), wish(), at);
        let sleeper = tokio::task::spawn_blocking(move || {
            sleeper.sleeps();
            sleeper
        });
        let sleeper = sleeper.await.unwrap();
        taken_over(&account).await;
        application.writes_more(200).await;
        let end = tokio::task::spawn_blocking(move || sleeper.wakes()).await.unwrap();
        assert!(matches!(end, End::Changed | End::Unchanged), "{step}: {end:?}");
        application.writes_more(200).await;
        assert_eq!(application.lost(&account).await, [""; 0], "{step}");
        assert!(account.planned(&wish()).await.steps.is_empty());
    }
}
