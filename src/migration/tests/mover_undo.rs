//! Undoing before the commit, on command and by itself (rules 13, 14, 17).

use super::hold_ground::{SECOND, asked, foreign, sent, tell};
use super::mover_ground::{Stage, has, reaches, serves, stopped, waits};
use crate::migration::mover::{Lengths, Order, Phase};
use crate::migration::side::Rules;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_by_an_undo_from_every_phase() {
    for phase in [Phase::Frozen, Phase::Moving, Phase::Fenced, Phase::Proven] {
        let Some(stage) = Stage::plain().await else { return };
        let mover = stage.mover().await;
        stage.forward(&mover, phase).await;
        mover.order(Order::Undo).await.unwrap();
        mover.order(Order::Undo).await.unwrap();
        if phase == Phase::Frozen {
            // Nobody was sent anywhere: it follows on, and can be frozen again.
            serves(&stage).await;
            assert_eq!(mover.state().phase, Phase::Following);
            stage.forward(&mover, Phase::Committed).await;
            serves(&stage).await;
            assert_eq!(stage.application.lost(&stage.target.side).await, 0, "{phase:?}");
            continue;
        }
        assert_eq!(mover.state().phase, Phase::Undoing);
        let writer = foreign(stage.source.primary()).await;
        assert!(asked(&writer, &["SET", "early", "1"], SECOND / 4).await.is_err(), "released before the references are back");
        stage.refer_to(&stage.source);
        mover.order(Order::TurnedBack).await.unwrap();
        mover.order(Order::TurnedBack).await.unwrap();
        serves(&stage).await;
        assert_eq!(mover.state().phase, Phase::Undone);
        let straggler = foreign(stage.target.primary()).await;
        assert!(asked(&straggler, &["SET", "a", "1"], SECOND / 4).await.is_err(), "the target is still held");
        assert_eq!(stage.application.lost(&stage.source.side).await, 0, "{phase:?}");
    }
}

/// Undoes a move whose consumers wait at the target, and says whether one of them was told that its write is done.
async fn undone_under_a_waiting_consumer(rules: Rules) -> Option<(bool, bool)> {
    let mut stage = Stage::plain().await?;
    stage.rules = rules;
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Moving).await;
    let consumer = foreign(stage.target.primary()).await;
    let write = sent(&consumer, &["SET", "moved", "1"]);
    waits(&stage.target, consumer.id).await;
    mover.order(Order::Undo).await.unwrap();
    stage.refer_to(&stage.source);
    if mover.state().phase == Phase::Undoing {
        mover.order(Order::TurnedBack).await.unwrap();
    }
    let acknowledged = write.await.unwrap().is_ok();
    serves(&stage).await;
    Some((acknowledged, has(&stage.source, "moved").await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_14_an_undo_under_hold_acknowledges_nothing_on_the_target() {
    let Some(kept) = undone_under_a_waiting_consumer(Rules::ALL).await else { return };
    assert_eq!(kept, (false, false));
    let broken = undone_under_a_waiting_consumer(Rules::without(14)).await.unwrap();
    assert_eq!(broken, (true, false), "without the rule a write is acknowledged, and is nowhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_a_hold_that_breaks_while_the_references_turn_undoes_the_move() {
    for (rules, undone) in [(Rules::ALL, true), (Rules::without(13), false)] {
        let Some(mut stage) = Stage::plain().await else { return };
        stage.rules = rules;
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Moving).await;
        let person = foreign(stage.source.primary()).await;
        tell(&person, &["CLIENT", "UNPAUSE"]).await;
        tell(&person, &["SET", "slipped", "1"]).await;
        if undone {
            let state = reaches(&mover, Phase::Undoing).await;
            // The sentinel's answer, the push of a write that was let through, or a look at the hold: whichever comes first.
            let why = state.why.as_deref().unwrap();
            let told = ["broke", "a key changed", "was told to hold writes, and does not"];
            assert!(told.iter().any(|words| why.contains(words)), "{state:?}");
            stage.refer_to(&stage.source);
            mover.order(Order::TurnedBack).await.unwrap();
            serves(&stage).await;
            assert_eq!(stage.application.lost(&stage.source.side).await, 0);
        } else {
            tokio::time::sleep(SECOND).await;
            assert_eq!(mover.state().phase, Phase::Moving, "the source takes writes, and nobody notices");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_13_a_source_that_is_lost_or_fails_over_in_the_hold_undoes_the_move() {
    for fails_over in [false, true] {
        let Some(mut stage) = Stage::plain().await else { return };
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Moving).await;
        if fails_over {
            tell(&foreign(stage.source.replica(0)).await, &["REPLICAOF", "NO", "ONE"]).await;
        } else {
            stage.source.shards[0].primary.kill();
        }
        reaches(&mover, Phase::Undoing).await;
        // What ElastiCache does then: the replica is the primary.
        let mut promoted = stage.source.side.clone();
        promoted.shards[0].primary = stage.source.replica(0).clone();
        let replica = foreign(stage.source.replica(0)).await;
        tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
        assert!(asked(&replica, &["SET", "early", "1"], SECOND / 4).await.is_err(), "the promoted replica takes writes in the hold");
        stage.application.refer(&promoted);
        stage.application.restart();
        // A primary that is gone cannot be released; its replica is.
        let _ = mover.order(Order::TurnedBack).await;
        serves(&stage).await;
        assert_eq!(stage.application.lost(&promoted).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_is_spent_undoes_the_move() {
    let Some(mut stage) = Stage::plain().await else { return };
    stage.lengths = Lengths { budget: 2 * SECOND, source: 30 * SECOND, ..stage.lengths };
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Moving).await;
    let state = reaches(&mover, Phase::Undoing).await;
    assert!(state.why.unwrap().contains("freezeBudget"));
    stage.refer_to(&stage.source);
    mover.order(Order::TurnedBack).await.unwrap();
    serves(&stage).await;
    assert_eq!(stage.application.lost(&stage.source.side).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_never_leaves_is_named_and_the_move_undone() {
    let Some(mut stage) = Stage::plain().await else { return };
    stage.lengths = Lengths { budget: 6 * SECOND, ..stage.lengths };
    let mover = crate::migration::mover::Mover::start(crate::migration::mover::Setup { patience: SECOND, ..stage.setup(2) }).await.unwrap();
    stage.forward(&mover, Phase::Frozen).await;
    mover.order(Order::Move).await.unwrap();
    // The reference is turned, and nobody restarts.
    let said = stopped(mover.order(Order::Fence).await);
    assert!(said.contains("clients came back") && said.contains(" on 127.0.0.1:"), "{said}");
    reaches(&mover, Phase::Undoing).await;
    mover.order(Order::TurnedBack).await.unwrap();
    serves(&stage).await;
    assert_eq!(stage.application.lost(&stage.source.side).await, 0);
}

/// holdfast dies while the references turn, and nobody comes. Says who takes writes once the source's hold has ended.
async fn left_alone(rules: Rules) -> Option<(bool, bool)> {
    let mut stage = Stage::plain().await?;
    stage.rules = rules;
    stage.lengths = Lengths { source: 4 * SECOND, ..stage.lengths };
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Moving).await;
    drop(mover);
    let (left, moved) = (foreign(stage.source.primary()).await, foreign(stage.target.primary()).await);
    let by_source = asked(&left, &["SET", "left", "1"], 20 * SECOND).await.is_ok();
    let by_target = asked(&moved, &["SET", "moved", "1"], SECOND).await.is_ok();
    Some((by_source, by_target))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_17_never_two_writers_when_nobody_comes_back() {
    let Some(alone) = left_alone(Rules::ALL).await else { return };
    assert_eq!(alone, (true, false), "the source reopens by itself, and the target waits");
    assert_eq!(left_alone(Rules::without(17)).await, Some((true, true)), "without the rule both take writes");
}
