//! A whole move: two groups, an application that writes all the time, and an owner that turns its reference.

use std::time::Duration;

use super::hold_ground::{Application, Group, Made, SECOND, eventually, foreign, tell, us, words};
use crate::migration::copy::{Epoch, Settings};
use crate::migration::mover::{Journaled, Lengths, Mover, Order, Phase, Setup, State, Stop};
use crate::migration::side::Rules;

pub(super) struct Stage {
    pub(super) source: Group,
    pub(super) target: Group,
    pub(super) application: Application,
    pub(super) rules: Rules,
    pub(super) lengths: Lengths,
}

impl Stage {
    pub(super) async fn set(source: Made, target: Made) -> Stage {
        let (source, target) = futures::future::join(source.start(), target.start()).await;
        let application = Application::start(&source.side, 6);
        application.writes_more(300).await;
        let day = Duration::from_secs(24 * 3600);
        let lengths = Lengths { budget: 60 * SECOND, source: 90 * SECOND, soak: day, target: 7 * day };
        Stage { source, target, application, rules: Rules::ALL, lengths }
    }

    /// Two groups of a primary and a replica; nothing where there is no redis-server.
    pub(super) async fn plain() -> Option<Stage> {
        Some(Stage::set(Made::plain(1)?, Made::plain(1)?).await)
    }

    pub(super) fn setup(&self, epoch: u64) -> Setup {
        let mut copy = Settings::new(Epoch::new(epoch));
        (copy.rules, copy.load) = (self.rules, 100);
        Setup {
            source: self.source.side.clone(),
            target: self.target.side.clone(),
            name: us(epoch).for_role("move"),
            copy,
            lengths: self.lengths,
            patience: 5 * SECOND,
            looking: SECOND / 5,
        }
    }

    pub(super) async fn mover(&self) -> Mover {
        Mover::start(self.setup(2)).await.unwrap()
    }

    pub(super) async fn resume(&self, epoch: u64, journaled: Journaled) -> Mover {
        Mover::resume(self.setup(epoch), journaled).await.unwrap()
    }

    /// What an owner does about its references.
    pub(super) fn refer_to(&self, group: &Group) {
        self.application.refer(&group.side);
        self.application.restart();
    }

    /// Forward to this phase, as an owner does it.
    pub(super) async fn forward(&self, mover: &Mover, to: Phase) {
        for (order, phase) in [
            (Order::Freeze, Phase::Frozen),
            (Order::Move, Phase::Moving),
            (Order::Fence, Phase::Fenced),
            (Order::Commit, Phase::Proven),
            (Order::Release, Phase::Committed),
        ] {
            if phase > to || mover.state().phase >= phase {
                continue;
            }
            if order == Order::Freeze {
                caught_up(mover).await;
            }
            mover.order(order.clone()).await.unwrap_or_else(|stop| panic!("{order:?}: {stop}; {:?}", mover.state()));
            assert_eq!(mover.state().phase, phase, "{:?}", mover.state());
            if order == Order::Move {
                self.refer_to(&self.target);
            }
        }
    }

    /// Back to the source after the commit.
    pub(super) async fn back(&self, mover: &Mover) {
        mover.order(Order::RollBack { give_up_late_writes: false }).await.unwrap();
        mover.order(Order::Reopen).await.unwrap();
        self.refer_to(&self.source);
        mover.order(Order::ReleaseSource).await.unwrap();
        assert_eq!(mover.state().phase, Phase::Back);
    }
}

/// Waits until it may be frozen.
pub(super) async fn caught_up(mover: &Mover) {
    eventually("the target catches up", async || {
        let progress = mover.state().progress;
        progress.is_some_and(|progress| progress.passes > 0 && progress.phase == crate::migration::copy::Phase::Following)
    })
    .await;
}

/// Waits for a phase.
pub(super) async fn reaches(mover: &Mover, phase: Phase) -> State {
    let mut watch = mover.watch();
    let reached = tokio::time::timeout(20 * SECOND, watch.wait_for(|state| state.phase == phase)).await;
    match reached {
        Ok(state) => state.unwrap().clone(),
        Err(_) => panic!("not {phase:?} within 20 s: {:?}", mover.state()),
    }
}

pub(super) fn stopped(result: Result<(), Stop>) -> String {
    result.unwrap_err().to_string()
}

/// Whether a key is on the first shard's primary.
pub(super) async fn has(group: &Group, key: &str) -> bool {
    let answer = tell(&foreign(group.primary()).await, &["GET", key]).await;
    answer != redis::Value::Nil && !words(&answer).is_empty()
}

/// Waits until the application writes again, wherever it does.
pub(super) async fn serves(stage: &Stage) {
    stage.application.writes_more(50).await;
}

/// Waits until each of these keys is held, or answered.
pub(super) async fn waits(group: &Group, id: i64) {
    let seen_from = foreign(group.primary()).await;
    eventually("a write waits", async || words(&tell(&seen_from, &["CLIENT", "LIST", "ID", &id.to_string()]).await).contains(" flags=b"))
        .await;
}
