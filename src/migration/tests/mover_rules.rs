//! Rules 15 and 16 in a whole move.

use super::hold_ground::{Group, SECOND, eventually, foreign, sent, tell};
use super::mover_ground::{Stage, has, serves, stopped, waits};
use crate::migration::mover::{Order, Phase};
use crate::migration::side::Rules;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_a_late_writer_is_never_told_that_its_write_is_done() {
    for (rules, acknowledged) in [(Rules::ALL, false), (Rules::without(15), true)] {
        let Some(mut stage) = Stage::plain().await else { return };
        stage.rules = rules;
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Moving).await;
        let straggler = foreign(stage.source.primary()).await;
        let late = sent(&straggler, &["SET", "late", "1"]);
        waits(&stage.source, straggler.id).await;
        stage.forward(&mover, Phase::Committed).await;
        serves(&stage).await;
        // The soak ends, one way or another.
        tell(&foreign(stage.source.primary()).await, &["CLIENT", "UNPAUSE"]).await;
        assert_eq!(late.await.unwrap().is_ok(), acknowledged);
        assert!(!has(&stage.target, "late").await);
        if acknowledged {
            eventually("the late write is reported", async || mover.state().late.iter().any(|late| late.contains("SET ran once"))).await;
        }
        assert_eq!(stage.application.lost(&stage.target.side).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_16_a_source_that_took_a_write_is_not_committed() {
    // Were the sentinels' answers not heeded (rule 13), the last look still sees what happened.
    for (rules, committed) in [(Rules::without(13), false), (Rules::without(13).nor(16), true)] {
        let Some(mut stage) = Stage::plain().await else { return };
        stage.rules = rules;
        tell(&foreign(stage.source.primary()).await, &["XADD", "stream", "1-1", "f", "v"]).await;
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Fenced).await;
        let person = foreign(stage.source.primary()).await;
        tell(&person, &["CLIENT", "UNPAUSE"]).await;
        // A write that pushes nothing.
        tell(&person, &["XGROUP", "CREATE", "stream", "slipped", "0"]).await;
        tell(&person, &["CLIENT", "PAUSE", "600000", "WRITE"]).await;
        if committed {
            stage.forward(&mover, Phase::Committed).await;
            assert!(!has_group(&stage.target).await, "an acknowledged write is lost");
            eventually("it is reported at least", async || !mover.state().late.is_empty()).await;
        } else {
            let said = stopped(mover.order(Order::Commit).await);
            assert!(said.contains("broke"), "{said}");
            stage.refer_to(&stage.source);
            mover.order(Order::TurnedBack).await.unwrap();
            serves(&stage).await;
            assert!(has_group(&stage.source).await);
            assert_eq!(stage.application.lost(&stage.source.side).await, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_commit_the_source_is_held_on_and_late_writes_are_reported() {
    let Some(stage) = Stage::plain().await else { return };
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Committed).await;
    let person = foreign(stage.source.primary()).await;
    tell(&person, &["CLIENT", "UNPAUSE"]).await;
    eventually("it is held again", async || super::hold_ground::asked(&person, &["SET", "late", "1"], SECOND / 2).await.is_err()).await;
    eventually("what slipped through is told", async || {
        // A write that was in time, or the next look has nothing to tell.
        !mover.state().late.is_empty() || !has(&stage.source, "late").await
    })
    .await;
    assert!(!has(&stage.target, "late").await, "a late write is never copied");
    serves(&stage).await;
    assert_eq!(stage.application.lost(&stage.target.side).await, 0);
}

async fn has_group(group: &Group) -> bool {
    format!("{:?}", tell(&foreign(group.primary()).await, &["XINFO", "GROUPS", "stream"]).await).contains("slipped")
}
