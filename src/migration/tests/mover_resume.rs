//! The owner dies at any point, and another mover goes on from what the journal says.

use super::hold_ground::{asked, eventually, foreign, tell};
use super::mover_ground::{Stage, has, serves};
use crate::migration::mover::{Evidence, Journaled, Mover, Order, Phase};

/// What the owner has written in its journal by then.
fn evidence(mover: &Mover) -> Evidence {
    // Through its text: a journal keeps nothing else.
    let text = serde_json::to_string(&mover.state().evidence.unwrap()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_any_reference_was_turned_leaves_the_source_serving() {
    let Some(stage) = Stage::plain().await else { return };
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Frozen).await;
    drop(mover);
    let mover = stage.resume(3, Journaled::Freezing).await;
    serves(&stage).await;
    assert_eq!(mover.state().phase, Phase::Following);
    stage.forward(&mover, Phase::Committed).await;
    serves(&stage).await;
    assert_eq!(stage.application.lost(&stage.target.side).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_before_the_commit_is_undone() {
    for phase in [Phase::Moving, Phase::Fenced, Phase::Proven] {
        let Some(stage) = Stage::plain().await else { return };
        let mover = stage.mover().await;
        stage.forward(&mover, phase).await;
        let evidence = evidence(&mover);
        drop(mover);
        let mover = stage.resume(3, Journaled::Moving(evidence)).await;
        assert_eq!(mover.state().phase, Phase::Undoing, "{:?}", mover.state());
        stage.refer_to(&stage.source);
        mover.order(Order::TurnedBack).await.unwrap();
        serves(&stage).await;
        assert_eq!(mover.state().phase, Phase::Undone);
        // And from the beginning, on the same target.
        drop(mover);
        let mover = Mover::start(stage.setup(4)).await.unwrap();
        stage.forward(&mover, Phase::Committed).await;
        serves(&stage).await;
        assert_eq!(stage.application.lost(&stage.target.side).await, 0, "{phase:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_took_writes_without_a_commit_is_for_a_person() {
    let Some(stage) = Stage::plain().await else { return };
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Moving).await;
    let evidence = evidence(&mover);
    drop(mover);
    let person = foreign(stage.target.primary()).await;
    tell(&person, &["CLIENT", "UNPAUSE"]).await;
    tell(&person, &["SET", "strange", "1"]).await;
    let mover = stage.resume(3, Journaled::Moving(evidence)).await;
    let state = mover.state();
    assert_eq!(state.phase, Phase::Halted);
    assert!(state.why.unwrap().contains("without a commit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_after_the_commit_goes_forward_and_can_still_go_back() {
    // COMMIT is written; the target may be released or not.
    for phase in [Phase::Proven, Phase::Committed] {
        let Some(stage) = Stage::plain().await else { return };
        let mover = stage.mover().await;
        stage.forward(&mover, phase).await;
        let evidence = evidence(&mover);
        drop(mover);
        let mover = stage.resume(3, Journaled::Committed(evidence.clone())).await;
        serves(&stage).await;
        assert_eq!((mover.state().phase, mover.state().late), (Phase::Committed, vec![]));
        let straggler = foreign(stage.source.primary()).await;
        assert!(asked(&straggler, &["SET", "late", "1"], super::hold_ground::SECOND / 4).await.is_err(), "the source is held");
        drop(straggler);
        stage.back(&mover).await;
        serves(&stage).await;
        assert_eq!(stage.application.lost(&stage.source.side).await, 0, "{phase:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_every_step_of_the_way_back_goes_on() {
    for step in 0..4 {
        let Some(stage) = Stage::plain().await else { return };
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Committed).await;
        serves(&stage).await;
        let evidence = evidence(&mover);
        // The order was written down; it was not given, or given and not seen to its end.
        let journaled = match step {
            0 => Journaled::RollingBack(evidence),
            1 => {
                mover.order(Order::RollBack { give_up_late_writes: false }).await.unwrap();
                Journaled::RollingBack(evidence)
            }
            2 => {
                mover.order(Order::RollBack { give_up_late_writes: false }).await.unwrap();
                let reopening = mover.post(Order::Reopen);
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
                drop(reopening);
                Journaled::Reopened(evidence)
            }
            _ => {
                mover.order(Order::RollBack { give_up_late_writes: false }).await.unwrap();
                mover.order(Order::Reopen).await.unwrap();
                Journaled::Returned
            }
        };
        drop(mover);
        let mover = stage.resume(3, journaled).await;
        if step < 3 {
            assert_eq!(mover.state().phase, Phase::TargetHeld, "{:?}", mover.state());
            mover.order(Order::Reopen).await.unwrap();
        }
        assert_eq!(mover.state().phase, Phase::Returned);
        stage.refer_to(&stage.source);
        mover.order(Order::ReleaseSource).await.unwrap();
        serves(&stage).await;
        assert_eq!(stage.application.lost(&stage.source.side).await, 0, "step {step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mover_of_an_earlier_life_does_nothing_any_more() {
    let Some(stage) = Stage::plain().await else { return };
    let early = stage.mover().await;
    stage.forward(&early, Phase::Moving).await;
    let evidence = evidence(&early);
    let later = stage.resume(3, Journaled::Moving(evidence)).await;
    // Its connections were ended: what it held it knows to be broken, and it sees who is there now.
    eventually("the earlier one notices", async || early.state().phase == Phase::Halted).await;
    assert!(early.state().why.unwrap().contains("epoch 3"));
    assert!(early.order(Order::TurnedBack).await.is_err(), "it must not release anything");
    assert_eq!(later.state().phase, Phase::Undoing);
    stage.refer_to(&stage.source);
    later.order(Order::TurnedBack).await.unwrap();
    serves(&stage).await;
    assert!(!has(&stage.target, "strange").await);
    assert_eq!(stage.application.lost(&stage.source.side).await, 0);
}
