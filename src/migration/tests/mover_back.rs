//! Back after the commit (rules 18 to 20).

use super::hold_ground::{Made, foreign, sent, tell};
use super::mover_ground::{Stage, has, serves, stopped, waits};
use super::servers::difference;
use crate::migration::mover::{How, Journaled, Order, Phase};
use crate::migration::side::Rules;
use crate::migration::wire::Link;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_on_the_way_back() {
    let (Some(plain), Some(source), Some(target)) = (Stage::plain().await, Made::cluster(2, 1), Made::cluster(2, 1)) else { return };
    for stage in [plain, Stage::set(source, target).await] {
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Committed).await;
        serves(&stage).await;
        mover.order(Order::RollBack { give_up_late_writes: false }).await.unwrap();
        mover.order(Order::Reopen).await.unwrap();
        assert_eq!(mover.state().phase, Phase::Returned);
        assert_eq!(difference(&stage.source.side, &stage.target.side).await, [""; 0]);
        stage.refer_to(&stage.source);
        mover.order(Order::ReleaseSource).await.unwrap();
        serves(&stage).await;
        assert_eq!(stage.application.lost(&stage.source.side).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_on_the_target_is_deleted_on_the_way_back() {
    let Some(stage) = Stage::plain().await else { return };
    tell(&foreign(stage.source.primary()).await, &["MSET", "deleted", "1", "kept", "1"]).await;
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Committed).await;
    let consumer = foreign(stage.target.primary()).await;
    tell(&consumer, &["DEL", "deleted"]).await;
    tell(&consumer, &["XADD", "stream", "1-1", "f", "v"]).await;
    tell(&consumer, &["XGROUP", "CREATE", "stream", "group", "0"]).await;
    serves(&stage).await;
    stage.back(&mover).await;
    assert!(has(&stage.source, "kept").await && !has(&stage.source, "deleted").await);
    assert!(format!("{:?}", tell(&foreign(stage.source.primary()).await, &["XINFO", "GROUPS", "stream"]).await).contains("group"));
    serves(&stage).await;
    assert_eq!(stage.application.lost(&stage.source.side).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_18_a_late_write_on_the_source_stops_the_way_back_and_is_listed() {
    for (rules, stops) in [(Rules::ALL, true), (Rules::without(18).nor(19), false)] {
        let Some(mut stage) = Stage::plain().await else { return };
        stage.rules = rules;
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Committed).await;
        let person = foreign(stage.source.primary()).await;
        tell(&person, &["CLIENT", "UNPAUSE"]).await;
        tell(&person, &["SET", "late", "1"]).await;
        serves(&stage).await;
        // Tracking broke meanwhile: the way back compares everything, and what the target has not is removed from the source.
        let evidence = mover.state().evidence.unwrap();
        drop(mover);
        let mover = stage.resume(3, Journaled::Committed(evidence)).await;
        let back = mover.order(Order::RollBack { give_up_late_writes: false }).await;
        if stops {
            let said = stopped(back);
            assert!(said.contains("SET ran once"), "{said}");
            let state = mover.state();
            assert_eq!(state.phase, Phase::Committed);
            assert!(state.different.iter().any(|one| (one.key.as_str(), one.how) == ("late", How::OnSourceAlone)), "{state:?}");
            assert!(state.different.iter().any(|one| one.key.starts_with("app:") && one.how == How::Unequal), "{state:?}");
            // The target goes on serving until a person has decided.
            serves(&stage).await;
            // It dies in the decision: the same again.
            let evidence = state.evidence.unwrap();
            drop(mover);
            let mover = stage.resume(4, Journaled::RollingBack(evidence)).await;
            serves(&stage).await;
            assert!(mover.state().phase == Phase::Committed && !mover.state().late.is_empty(), "{:?}", mover.state());
            // Given up by a person: all of it is as on the target.
            mover.order(Order::RollBack { give_up_late_writes: true }).await.unwrap();
            mover.order(Order::Reopen).await.unwrap();
            assert!(!has(&stage.source, "late").await);
            assert_eq!(difference(&stage.source.side, &stage.target.side).await, [""; 0]);
            stage.refer_to(&stage.source);
            mover.order(Order::ReleaseSource).await.unwrap();
            serves(&stage).await;
            assert_eq!(stage.application.lost(&stage.source.side).await, 0);
        } else {
            back.unwrap();
            mover.order(Order::Reopen).await.unwrap();
            assert!(!has(&stage.source, "late").await, "an acknowledged write is gone, and nobody was asked");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_20_the_target_stays_held_after_the_way_back() {
    for (rules, acknowledged) in [(Rules::ALL, false), (Rules::without(20), true)] {
        let Some(mut stage) = Stage::plain().await else { return };
        stage.rules = rules;
        let mover = stage.mover().await;
        stage.forward(&mover, Phase::Committed).await;
        serves(&stage).await;
        mover.order(Order::RollBack { give_up_late_writes: false }).await.unwrap();
        let straggler = foreign(stage.target.primary()).await;
        let late = sent(&straggler, &["SET", "late", "1"]);
        waits(&stage.target, straggler.id).await;
        mover.order(Order::Reopen).await.unwrap();
        stage.refer_to(&stage.source);
        mover.order(Order::ReleaseSource).await.unwrap();
        assert_eq!(late.await.unwrap().is_ok(), acknowledged);
        assert!(!has(&stage.source, "late").await);
        serves(&stage).await;
        if !acknowledged {
            assert_eq!(stage.application.lost(&stage.source.side).await, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_19_who_writes_to_the_source_while_it_is_copied_back_stops_the_way_back() {
    let Some(stage) = Stage::plain().await else { return };
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Committed).await;
    serves(&stage).await;
    mover.order(Order::RollBack { give_up_late_writes: false }).await.unwrap();
    // There is no fence: somebody goes on trying.
    let stranger = crate::migration::wire::Endpoint::clone(stage.source.primary());
    let writing = tokio::spawn(async move {
        for number in 0.. {
            // Its connections are ended again and again, this one perhaps before it is one.
            let Ok(link) = Link::connect(&stranger, 0, &super::hold_ground::stranger(), None).await else { continue };
            if super::hold_ground::asked(&link, &["SET", "stranger", &number.to_string()], super::hold_ground::SECOND).await.is_ok() {
                return;
            }
        }
    });
    let said = stopped(mover.order(Order::Reopen).await);
    assert!(said.contains("SET ran"), "{said}");
    writing.await.unwrap();
    assert!(mover.state().late.iter().any(|late| late.contains("SET ran")), "{:?}", mover.state().late);
    // The target has everything, and serves on.
    serves(&stage).await;
    assert_eq!(mover.state().phase, Phase::Committed);
    assert_eq!(stage.application.lost(&stage.target.side).await, 0);
}
