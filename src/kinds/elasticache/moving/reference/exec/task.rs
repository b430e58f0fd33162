//! A command under way. It goes on between passes, in this process alone, and no longer than this process is known to be alive: another one may have taken the
//! move over then.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::{Clock, later};
use crate::exec::{Failure, Order, Runs};
use crate::kinds::elasticache::migration::Exec;
use crate::migration::lease::Lease;

/// The waits before an undo that failed is run again: doubled from the first to the longest.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// An undo that fails for so long is left to the next run.
pub const UNDOES_FOR: Duration = Duration::from_secs(30 * 60);

/// A command under way, or how it ended. Ended with everything that it began when this is dropped.
pub struct Task {
    /// Of the move that it is for.
    pub lock: String,
    lease: Lease,
    shared: Arc<Shared>,
    work: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    /// It is not to go on.
    cut: AtomicBool,
}

#[derive(Clone)]
pub enum State {
    Turning(Instant),
    /// It ended well, which is not noted yet.
    Turned,
    TurnFailed(String),
    Undoing(Instant),
    /// It failed so often by now, last with these words.
    UndoFailed(u32, String),
    /// It ended well, which is not noted yet.
    Undone,
    Noted,
}

impl Shared {
    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// What is run, and what it is told.
pub struct Told {
    pub exec: Exec,
    pub environment: Vec<(&'static str, String)>,
}

impl Told {
    async fn run(&self, runs: Runs, words: &[String], goes_on: &(dyn Fn() -> bool + Sync)) -> Result<(), Failure> {
        let order = Order { words, environment: self.environment.clone(), timeout: self.exec.within(), goes_on };
        crate::exec::run(runs, order).await
    }
}

impl Task {
    /// Begins the command that turns a place.
    pub fn turn(runs: Runs, told: Told, lock: &str, lease: Lease) -> Arc<Task> {
        Task::begin(State::Turning(Instant::now()), lock, lease, async move |lease, shared| {
            let goes_on = || lease.holds() && !shared.cut.load(Ordering::SeqCst);
            let ended = told.run(runs, &told.exec.command, &goes_on).await;
            shared.set(ended.map_or_else(|failure| State::TurnFailed(failure.to_string()), |()| State::Turned));
        })
    }

    /// Runs the undo until it ends with 0.
    pub fn undo(runs: Runs, told: Told, lock: &str, lease: Lease, clock: Clock) -> Arc<Task> {
        Task::begin(State::Undoing(Instant::now()), lock, lease, async move |lease, shared| {
            let goes_on = || lease.holds() && !shared.cut.load(Ordering::SeqCst);
            let (until, mut wait) = (later(clock.now(), UNDOES_FOR), WAITS[0]);
            for times in 1.. {
                match told.run(runs, &told.exec.undo, &goes_on).await {
                    Ok(()) => return shared.set(State::Undone),
                    Err(failure) => shared.set(State::UndoFailed(times, failure.to_string())),
                }
                if clock.now() >= until {
                    return;
                }
                clock.sleep(wait).await;
                wait = (wait * 2).min(WAITS[1]);
            }
        })
    }

    fn begin<F>(state: State, lock: &str, lease: Lease, work: impl FnOnce(Lease, Arc<Shared>) -> F) -> Arc<Task>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::new(Shared { state: Mutex::new(state), cut: AtomicBool::new(false) });
        let handle = tokio::spawn(work(lease.clone(), Arc::clone(&shared)));
        Arc::new(Task { lock: lock.to_owned(), lease, shared, work: Mutex::new(Some(handle)) })
    }

    pub fn state(&self) -> State {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// That it ended is noted.
    pub fn noted(&self) {
        self.shared.set(State::Noted);
    }

    /// Another sign of life of this process was taken, which was sent then.
    pub fn renew(&self, at: jiff::Timestamp) {
        self.lease.renew(at);
    }

    /// Whether a command of it runs, or is run again.
    pub fn goes_on(&self) -> bool {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|work| !work.is_finished())
    }

    /// Ends it with everything that it began; over when that is gone.
    pub async fn end(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut work) = work
            && tokio::time::timeout(ENDING, &mut work).await.is_err()
        {
            work.abort();
        }
    }
}

/// A command that is told to end is gone by then.
const ENDING: Duration = Duration::from_secs(10);

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(work) = self.work.lock().unwrap_or_else(PoisonError::into_inner).take() {
            work.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Allowed;
    use crate::exec::tests::{ends, runs};

    /// A process that sleeps takes nothing up again that another one may have taken over.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_command_ends_with_the_lease_of_its_process_and_with_its_task() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = serde_json::json!(format!("sleep 300 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display()));
        let exec: Exec = serde_json::from_value(serde_json::json!({"command": ["sh", "-c", script], "undo": ["true"]})).unwrap();
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let begin = || {
            let lease = Lease::new(clock.clone(), clock.now(), Duration::from_secs(60));
            let told = Told { exec: exec.clone(), environment: Vec::new() };
            Task::turn(Allowed::by_flag(true).unwrap().runs(), told, "lock", lease)
        };
        let pid = async || {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let pid = std::fs::read_to_string(&file).unwrap();
            std::fs::remove_file(&file).unwrap();
            pid
        };
        let task = begin();
        let first = pid().await;
        clock.advance(Duration::from_secs(59));
        task.renew(clock.now());
        clock.advance(Duration::from_secs(59));
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(runs(&first) && task.goes_on());
        clock.advance(Duration::from_secs(1));
        assert!(ends(&first));
        while task.goes_on() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let State::TurnFailed(why) = task.state() else { panic!("it goes on") };
        assert!(why.starts_with("sh was ended with all that it began: this process was silent for too long"), "{why}");
        let (task, second) = (begin(), pid().await);
        task.end().await;
        assert!(!runs(&second));
        let (task, third) = (begin(), pid().await);
        drop(task);
        assert!(ends(&third));
    }
}
