//! An application that writes 5,000 times a second, and notes how long each write took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::keys::change;
use super::servers::Server;

const WRITES: u32 = 5000;
const CONNECTIONS: u32 = 8;

pub struct Application {
    stop: Arc<AtomicBool>,
    took: Arc<Mutex<Vec<Duration>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Application {
    /// Begins to change some of so many keys.
    pub fn start(source: &Server, keys: usize) -> Application {
        let stop = Arc::new(AtomicBool::new(false));
        let took = Arc::new(Mutex::new(Vec::new()));
        let threads = (0..CONNECTIONS)
            .map(|connection| {
                let (stop, took, mut raw) = (Arc::clone(&stop), Arc::clone(&took), source.raw());
                std::thread::spawn(move || {
                    let between = Duration::from_secs(1) * CONNECTIONS / WRITES;
                    let mut lot = fastrand::Rng::with_seed(u64::from(connection));
                    let mut next = Instant::now() + between * connection / CONNECTIONS;
                    let mut bytes = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        bytes.clear();
                        change(&mut bytes, lot.usize(..keys), &mut lot);
                        std::thread::sleep(next.saturating_duration_since(Instant::now()));
                        let sent = Instant::now();
                        raw.send(&bytes);
                        raw.answer(&mut |_| {});
                        took.lock().unwrap_or_else(PoisonError::into_inner).push(sent.elapsed());
                        // What was held up is not made up for.
                        next = (next + between).max(sent);
                    }
                })
            })
            .collect();
        Application { stop, took, threads }
    }

    /// How long each write took since this was asked last, in order.
    pub fn took(&self) -> Vec<Duration> {
        let mut took = std::mem::take(&mut *self.took.lock().unwrap_or_else(PoisonError::into_inner));
        took.sort_unstable();
        took
    }

    /// The 99th percentile of so long a time from now.
    pub fn p99(&self, during: Duration) -> Duration {
        self.took();
        std::thread::sleep(during);
        percentile(&self.took(), 99)
    }
}

pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

impl Drop for Application {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
