//! Forward, over the variants.

use std::time::Duration;

use super::hold_ground::{Made, SECOND, eventually, foreign, tell, words};
use super::mover_ground::{Stage, serves};
use super::servers::difference;
use crate::clock::Clock;
use crate::migration::copy::Epoch;
use crate::migration::lease::Lease;
use crate::migration::mover::{Mover, Order, Phase, Stop};
use crate::migration::side::Rules;

async fn moves(stage: Stage) {
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Committed).await;
    serves(&stage).await;
    let state = mover.state();
    assert!(state.settle.unwrap() < 10 * SECOND && state.held.unwrap() >= state.settle.unwrap(), "{state:?}");
    assert!(state.late.is_empty() && state.trouble.is_none(), "{state:?}");
    assert_eq!(stage.application.lost(&stage.target.side).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_forward() {
    let Some(stage) = Stage::plain().await else { return };
    moves(stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_forward_from_6_2_to_7_0() {
    let Some(program) = std::env::var_os("HOLDFAST_REDIS_62") else {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs HOLDFAST_REDIS_62\n");
        return;
    };
    let (Some(source), Some(target)) = (Made::plain(2), Made::plain(1)) else { return };
    let stage = Stage::set(Made { program: program.into(), ..source }, target).await;
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Committed).await;
    // What 7.0 dumps 6.2 cannot read: said, not tried.
    assert!(matches!(mover.order(Order::RollBack { give_up_late_writes: false }).await, Err(Stop::NoWayBack(_))));
    serves(&stage).await;
    assert_eq!(stage.application.lost(&stage.target.side).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_forward_from_cluster_to_cluster() {
    let (Some(source), Some(target)) = (Made::cluster(2, 1), Made::cluster(2, 0)) else { return };
    moves(Stage::set(source, target).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_can_be_given_again_and_not_out_of_turn() {
    let Some(stage) = Stage::plain().await else { return };
    let mover = stage.mover().await;
    for early in [Order::Move, Order::Fence, Order::Commit, Order::Release, Order::TurnedBack, Order::Reopen, Order::ReleaseSource] {
        assert!(matches!(mover.order(early.clone()).await, Err(Stop::NotNow { phase: Phase::Following, .. })), "{early:?}");
    }
    mover.order(Order::Undo).await.unwrap();
    stage.forward(&mover, Phase::Frozen).await;
    mover.order(Order::Freeze).await.unwrap();
    assert!(mover.order(Order::Commit).await.is_err());
    assert_eq!(difference(&stage.source.side, &stage.target.side).await, [""; 0], "frozen is equal");
    stage.forward(&mover, Phase::Committed).await;
    for again in [Order::Freeze, Order::Move, Order::Fence, Order::Commit, Order::Release] {
        mover.order(again).await.unwrap();
    }
    assert!(matches!(mover.order(Order::Undo).await, Err(Stop::NotNow { .. })), "no undo after the commit");
    serves(&stage).await;
    stage.back(&mover).await;
    for again in [Order::RollBack { give_up_late_writes: false }, Order::Reopen, Order::ReleaseSource] {
        mover.order(again).await.unwrap();
    }
    serves(&stage).await;
    assert_eq!(stage.application.lost(&stage.source.side).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_written_to_is_left_alone() {
    let Some(stage) = Stage::plain().await else { return };
    let consumer = foreign(stage.target.primary()).await;
    tell(&consumer, &["SET", "precious", "1"]).await;
    let error = Mover::start(stage.setup(2)).await.err().unwrap().to_string();
    assert!(error.contains("it may serve already"), "{error}");
    tell(&consumer, &["GET", "precious"]).await;
    assert_eq!(stage.application.lost(&stage.source.side).await, 0);
}

/// A replica that was just made connects a moment later: that is no build that cannot hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trial_waits_for_nodes_that_do_not_know_one_another_yet() {
    let Some(stage) = Stage::plain().await else { return };
    let replica = foreign(stage.target.replica(0)).await;
    tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
    let mover = Mover::start_with_trial(stage.setup(2));
    let says = |words: &str| mover.state().trouble.is_some_and(|trouble| trouble.contains(words));
    eventually("the mover says what it waits for", async || says("is no replica")).await;
    assert!(mover.state().phase == Phase::Following && mover.state().progress.is_none());
    tell(&replica, &["REPLICAOF", "127.0.0.1", &stage.target.primary().port.to_string()]).await;
    stage.forward(&mover, Phase::Committed).await;
    assert_eq!(mover.state().trouble, None);
    assert_eq!(stage.application.lost(&stage.target.side).await, 0);
}

/// One that slept while it waited for the nodes finds a target that another process may have let serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trial_of_a_process_whose_time_is_over_is_not_made() {
    let Some(stage) = Stage::plain().await else { return };
    let (primary, replica) = (foreign(stage.target.primary()).await, foreign(stage.target.replica(0)).await);
    tell(&replica, &["REPLICAOF", "NO", "ONE"]).await;
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
    let mut setup = stage.setup(2);
    setup.copy.epoch = Epoch::leased(setup.name.epoch, Lease::new(clock.clone(), clock.now(), Duration::from_secs(60)));
    let mover = Mover::start_with_trial(setup);
    eventually("the mover waits", async || mover.state().trouble.is_some()).await;
    clock.advance(Duration::from_secs(60));
    tell(&primary, &["CONFIG", "RESETSTAT"]).await;
    tell(&replica, &["REPLICAOF", "127.0.0.1", &stage.target.primary().port.to_string()]).await;
    eventually("the mover leaves it alone", async || mover.state().phase == Phase::Halted).await;
    // It has had its chance.
    tokio::time::sleep(SECOND).await;
    let stats = words(&tell(&primary, &["INFO", "commandstats"]).await);
    for command in ["set", "client|pause", "client|kill"] {
        assert!(!stats.contains(&format!("cmdstat_{command}:")), "{command} was sent: {stats}");
    }
    assert_eq!(mover.state().phase, Phase::Halted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_9_nothing_is_held_before_the_target_has_caught_up() {
    for (rules, frozen) in [(Rules::ALL, false), (Rules::without(9), true)] {
        let Some(mut stage) = Stage::plain().await else { return };
        stage.rules = rules;
        let filler = foreign(stage.source.primary()).await;
        let fill = "for i = 1, 60000 do redis.call('SET', 'filler:' .. i, i) end";
        tell(&filler, &["EVAL", fill, "0"]).await;
        // As slow as it is allowed to be.
        let mut setup = stage.setup(2);
        setup.copy.load = 1;
        let mover = Mover::start(setup).await.unwrap();
        let order = mover.order(Order::Freeze).await;
        assert_eq!(order.is_ok(), frozen, "{order:?}");
        if frozen {
            assert!(mover.state().settle.unwrap() > SECOND / 4, "all was copied while writes were held: {:?}", mover.state().settle);
        } else {
            assert!(matches!(order, Err(Stop::NotYet { .. })), "{order:?}");
            serves(&stage).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_expire_in_the_hold_do_not_undo_it() {
    let Some(stage) = Stage::plain().await else { return };
    let filler = foreign(stage.source.primary()).await;
    let mover = stage.mover().await;
    // Some expire before, some in the middle of the freeze, some while both sides are held.
    let fill = "for i = 1, 20000 do redis.call('SET', 'short:' .. i, i, 'PX', 1500 + i % 2000) end";
    tell(&filler, &["EVAL", fill, "0"]).await;
    tell(&filler, &["SET", "long", "1", "PX", "600000"]).await;
    stage.forward(&mover, Phase::Moving).await;
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!(mover.state().phase, Phase::Moving, "{:?}", mover.state());
    stage.forward(&mover, Phase::Committed).await;
    serves(&stage).await;
    let consumer = foreign(stage.target.primary()).await;
    eventually("what has expired is gone", async || tell(&consumer, &["EXISTS", "short:1", "short:1999"]).await == redis::Value::Int(0))
        .await;
    let redis::Value::Int(left) = tell(&consumer, &["PTTL", "long"]).await else { panic!() };
    assert!(left > 500_000 && left < 600_000, "{left}");
    assert_eq!(stage.application.lost(&stage.target.side).await, 0);
}
