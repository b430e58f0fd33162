//! The network between holdfast and a side is cut, while the applications' is not.

use super::hold_ground::{SECOND, asked, eventually, foreign};
use super::mover_ground::{Stage, reaches, serves};
use super::proxy::Proxy;
use crate::migration::mover::{Lengths, Mover, Order, Phase, Setup};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    Source,
    Target,
}

/// A mover that reaches the primary of one side through a proxy.
async fn mover_through(stage: &Stage, which: Cut) -> (Mover, Proxy, u16) {
    let mut setup: Setup = stage.setup(2);
    let side = if which == Cut::Source { &mut setup.source } else { &mut setup.target };
    let real = side.shards[0].primary.port;
    let proxy = Proxy::before(real).await;
    side.shards[0].primary.port = proxy.port;
    (Mover::start(setup).await.unwrap(), proxy, real)
}

fn nowhere() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut_in_the_hold_loses_nothing() {
    for which in [Cut::Source, Cut::Target] {
        let Some(mut stage) = Stage::plain().await else { return };
        stage.lengths = Lengths { source: 6 * SECOND, ..stage.lengths };
        let (mover, proxy, real) = mover_through(&stage, which).await;
        stage.forward(&mover, Phase::Moving).await;
        proxy.point_to(nowhere());
        proxy.cut();
        let state = reaches(&mover, Phase::Undoing).await;
        stage.refer_to(&stage.source);
        let turned = mover.order(Order::TurnedBack).await;
        // The source cannot be released without a network, and reopens by itself; the target need not be asked.
        assert_eq!(turned.is_err(), which == Cut::Source, "{turned:?}; {state:?}");
        serves(&stage).await;
        let straggler = foreign(stage.target.primary()).await;
        assert!(asked(&straggler, &["SET", "a", "1"], SECOND / 4).await.is_err(), "the target is held on");
        drop(straggler);
        proxy.point_to(real);
        reaches(&mover, Phase::Undone).await;
        serves(&stage).await;
        assert_eq!(stage.application.lost(&stage.source.side).await, 0, "{which:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut_after_the_commit_is_waited_for() {
    for which in [Cut::Source, Cut::Target] {
        let Some(stage) = Stage::plain().await else { return };
        let (mover, proxy, real) = mover_through(&stage, which).await;
        stage.forward(&mover, Phase::Committed).await;
        proxy.point_to(nowhere());
        proxy.cut();
        serves(&stage).await;
        if which == Cut::Source {
            eventually("it is said", async || mover.state().trouble.is_some()).await;
        }
        proxy.point_to(real);
        eventually("it is looked at again", async || mover.state().trouble.is_none()).await;
        assert_eq!((mover.state().phase, mover.state().late), (Phase::Committed, vec![]));
        // What changed on the target meanwhile is not known: the way back compares everything.
        serves(&stage).await;
        eventually("copying has begun anew", async || {
            which == Cut::Source || mover.state().progress.is_some_and(|progress| progress.restarts > 0)
        })
        .await;
        stage.back(&mover).await;
        serves(&stage).await;
        assert_eq!(stage.application.lost(&stage.source.side).await, 0, "{which:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_7_a_target_that_forgets_in_the_hold_is_not_committed() {
    let Some(mut stage) = Stage::plain().await else { return };
    let mover = stage.mover().await;
    stage.forward(&mover, Phase::Fenced).await;
    stage.target.shards[0].primary.kill();
    let state = reaches(&mover, Phase::Undoing).await;
    stage.refer_to(&stage.source);
    // Nothing of it can be asked, and nothing of it is waited for.
    mover.order(Order::TurnedBack).await.unwrap_or_else(|stop| panic!("{stop}; {state:?}"));
    serves(&stage).await;
    assert_eq!(mover.state().phase, Phase::Undone);
    assert_eq!(stage.application.lost(&stage.source.side).await, 0);
}
