//! Time, as every part of holdfast sees it: the system's, or a simulated one on which a day passes in
//! milliseconds. Nothing else in the crate asks the machine what time it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A source of time. Cheap to clone; clones of a simulated clock share one time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Wall-clock time that runs `factor` times as fast as the machine's, from `from` on.
    Scaled {
        from: Arc<Mutex<Timestamp>>,
        started: std::time::Instant,
        factor: u32,
    },
    Simulated(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that starts now and runs `factor` times as fast: for a served sandbox, where real clients wait.
    pub fn scaled(factor: u32) -> Clock {
        Clock::running(Timestamp::now(), factor)
    }

    /// The same, from another moment: a clock that somebody else's is to be read by.
    pub fn running(from: Timestamp, factor: u32) -> Clock {
        let from = Arc::new(Mutex::new(from));
        Clock(Source::Scaled { from, started: std::time::Instant::now(), factor: factor.max(1) })
    }

    /// A clock that stands at `start` and moves only when somebody sleeps on it or advances it.
    pub fn simulated(start: Timestamp) -> Clock {
        Clock(Source::Simulated(Arc::new(Mutex::new(start))))
    }

    /// How many times as fast as the machine's it runs.
    pub fn speed(&self) -> u32 {
        match &self.0 {
            Source::Scaled { factor, .. } => *factor,
            Source::System | Source::Simulated(_) => 1,
        }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Scaled { from, started, factor } => {
                later(*from.lock().unwrap_or_else(PoisonError::into_inner), started.elapsed() * *factor)
            }
            Source::Simulated(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a clock on that is not the machine's own.
    pub fn advance(&self, by: Duration) {
        if let Source::Simulated(at) | Source::Scaled { from: at, .. } = &self.0 {
            let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
            *at = later(*at, by);
        }
    }

    /// Waits `time`, as measured on this clock.
    pub async fn sleep(&self, time: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(time).await,
            Source::Scaled { factor, .. } => tokio::time::sleep(time / *factor).await,
            Source::Simulated(_) => {
                self.advance(time);
                tokio::task::yield_now().await;
            }
        }
    }
}

/// `time` after `from`, or the last moment that can be written.
pub fn later(from: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time).ok().and_then(|time| from.checked_add(time).ok()).unwrap_or(Timestamp::MAX)
}
