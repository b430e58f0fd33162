//! The owner dies at any moment, forward and back, again and again: with a journal that has its intents alone, nothing is lost.

use std::time::Duration;

use super::mover_ground::{Stage, caught_up, serves};
use crate::migration::mover::{Evidence, Journaled, Mover, Order, Phase};

/// How often it dies.
const DEATHS: u64 = 6;

struct Owner<'s> {
    stage: &'s Stage,
    epoch: u64,
    /// Nothing: no move is under way.
    journal: Option<Journaled>,
    /// Whole ways there and back.
    rounds: u64,
}

impl Owner<'_> {
    fn evidence(mover: &Mover) -> Evidence {
        mover.state().evidence.unwrap()
    }

    /// One life: goes on from the journal, there and back, again and again.
    async fn live(&mut self) {
        self.epoch += 1;
        let mut mover = match self.journal.clone() {
            Some(journaled) => self.stage.resume(self.epoch, journaled).await,
            None => Mover::start(self.stage.setup(self.epoch)).await.unwrap(),
        };
        loop {
            match mover.state().phase {
                Phase::Following => {
                    self.journal = None;
                    caught_up(&mover).await;
                    self.journal = Some(Journaled::Freezing);
                    order(&mover, Order::Freeze).await;
                }
                Phase::Frozen => {
                    self.journal = Some(Journaled::Moving(Self::evidence(&mover)));
                    order(&mover, Order::Move).await;
                    self.stage.refer_to(&self.stage.target);
                }
                Phase::Moving => order(&mover, Order::Fence).await,
                Phase::Fenced => order(&mover, Order::Commit).await,
                Phase::Proven => {
                    self.journal = Some(Journaled::Committed(Self::evidence(&mover)));
                    order(&mover, Order::Release).await;
                }
                Phase::Committed => {
                    self.stage.refer_to(&self.stage.target);
                    serves(self.stage).await;
                    self.journal = Some(Journaled::RollingBack(Self::evidence(&mover)));
                    order(&mover, Order::RollBack { give_up_late_writes: false }).await;
                }
                Phase::TargetHeld => {
                    self.journal = Some(Journaled::Reopened(Self::evidence(&mover)));
                    order(&mover, Order::Reopen).await;
                }
                Phase::Returned => {
                    self.journal = Some(Journaled::Returned);
                    self.stage.refer_to(&self.stage.source);
                    order(&mover, Order::ReleaseSource).await;
                }
                Phase::Undoing => {
                    self.stage.refer_to(&self.stage.source);
                    order(&mover, Order::TurnedBack).await;
                }
                Phase::Back | Phase::Undone => {
                    self.journal = None;
                    serves(self.stage).await;
                    self.rounds += 1;
                    self.epoch += 1;
                    drop(mover);
                    mover = Mover::start(self.stage.setup(self.epoch)).await.unwrap();
                }
                Phase::Halted => panic!("{:?}", mover.state()),
            }
        }
    }
}

async fn order(mover: &Mover, order: Order) {
    let words = format!("{order:?}");
    mover.order(order).await.unwrap_or_else(|stop| panic!("{words}: {stop}; {:?}", mover.state()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_whenever_the_owner_dies() {
    let Some(stage) = Stage::plain().await else { return };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut owner = Owner { stage: &stage, epoch: 1, journal: None, rounds: 0 };
    for _ in 0..DEATHS {
        let life = Duration::from_millis(random.u64(5..1200));
        let _ = tokio::time::timeout(life, owner.live()).await;
        println!("died after {life:?} with {:?}", owner.journal.as_ref().map(std::mem::discriminant));
    }
    // And one that lives until it has gone there and back.
    let rounds = owner.rounds;
    let _ = tokio::time::timeout(Duration::from_secs(3), owner.live()).await;
    println!("{} rounds, {} in the end", rounds, owner.rounds - rounds);
    // Wherever it stands, it is brought to an end.
    let side = match owner.journal.clone() {
        None | Some(Journaled::Freezing) => {
            let mover = stage.resume(owner.epoch + 1, Journaled::Freezing).await;
            serves(&stage).await;
            drop(mover);
            &stage.source.side
        }
        Some(journaled) => {
            let mover = stage.resume(owner.epoch + 1, journaled).await;
            let side = bring_to_an_end(&stage, &mover).await;
            drop(mover);
            side
        }
    };
    let side = side.clone();
    assert_eq!(stage.application.lost(&side).await, 0, "seed {seed}");
}

async fn bring_to_an_end<'s>(stage: &'s Stage, mover: &Mover) -> &'s crate::migration::side::Side {
    loop {
        match mover.state().phase {
            Phase::Undoing => {
                stage.refer_to(&stage.source);
                order(mover, Order::TurnedBack).await;
            }
            Phase::TargetHeld => order(mover, Order::Reopen).await,
            Phase::Returned => {
                stage.refer_to(&stage.source);
                order(mover, Order::ReleaseSource).await;
            }
            Phase::Committed => {
                stage.refer_to(&stage.target);
                serves(stage).await;
                return &stage.target.side;
            }
            Phase::Undone | Phase::Back | Phase::Following => {
                serves(stage).await;
                return &stage.source.side;
            }
            phase => panic!("{phase:?}: {:?}", mover.state()),
        }
    }
}
