//! How far catching up is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::trouble::Trouble;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Connecting again, after something broke.
    Connecting,
    /// Every key of both sides is compared.
    FullPass,
    /// What changes is copied.
    Following,
    /// What changes is noted, and not copied (rule 19).
    Watching,
}

/// How far catching up is, as it is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub phase: Phase,
    /// Keys that were written to the target, and the bytes of their payloads.
    pub keys_copied: u64,
    pub bytes_copied: u64,
    /// Keys that were removed from the target.
    pub keys_removed: u64,
    /// Keys that this pass, or the last one, has compared, of how many.
    pub keys_compared: u64,
    pub keys_to_compare: u64,
    /// Changed keys that wait, and those that are being copied.
    pub marks: u64,
    pub in_flight: u64,
    /// Changes of the source that were heard of.
    pub changes: u64,
    /// Streams: all of them are compared under the hold.
    pub streams: u64,
    /// Keys a second that were compared or copied, over the last second.
    pub rate: u64,
    /// Full passes that came to their end.
    pub passes: u64,
    /// How often everything began anew, since a connection broke or a node changed.
    pub restarts: u64,
    /// Why changes are not heard of; full passes take the place of that. Nothing: they are heard of.
    pub full_passes: Option<String>,
    /// The share of the source's time that is taken at most now: it is lowered when the source answers slowly. 1 and more: all of it.
    pub share: f64,
    /// Milliseconds that our reads have run on the source since it was connected to last.
    pub source_time_ms: u64,
    pub last_trouble: Option<String>,
}

/// Counts, as they come.
#[derive(Debug, Default)]
pub struct Counts {
    keys_copied: AtomicU64,
    bytes_copied: AtomicU64,
    keys_removed: AtomicU64,
    keys_compared: AtomicU64,
    keys_to_compare: AtomicU64,
    all_compared: AtomicU64,
    changes: AtomicU64,
    passes: AtomicU64,
    restarts: AtomicU64,
    troubles: AtomicU64,
    last_trouble: Mutex<Option<Trouble>>,
    rate: Mutex<Rate>,
}

#[derive(Debug, Default)]
struct Rate {
    at: Option<(Instant, u64)>,
    rate: u64,
}

impl Counts {
    pub fn copied(&self, bytes: usize) {
        self.keys_copied.fetch_add(1, Ordering::Relaxed);
        self.bytes_copied.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn removed(&self, keys: u64) {
        self.keys_removed.fetch_add(keys, Ordering::Relaxed);
    }

    pub fn scanned(&self, keys: u64) {
        self.keys_compared.fetch_add(keys, Ordering::Relaxed);
        self.all_compared.fetch_add(keys, Ordering::Relaxed);
    }

    pub fn pass_begins(&self) {
        self.keys_compared.store(0, Ordering::Relaxed);
    }

    pub fn pass_of(&self, keys: u64) {
        self.keys_to_compare.store(keys, Ordering::Relaxed);
    }

    pub fn passed(&self) {
        self.passes.fetch_add(1, Ordering::SeqCst);
    }

    pub fn passes(&self) -> u64 {
        self.passes.load(Ordering::SeqCst)
    }

    pub fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
    }

    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::SeqCst)
    }

    /// The source has pushed a change.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub fn trouble(&self, trouble: &Trouble) {
        self.troubles.fetch_add(1, Ordering::SeqCst);
        tracing::warn!(%trouble, "catching up");
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble.clone());
    }

    /// How often there was trouble.
    pub fn troubles(&self) -> u64 {
        self.troubles.load(Ordering::SeqCst)
    }

    pub fn last_trouble(&self) -> Option<Trouble> {
        self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Called about once a second.
    pub fn sample(&self) {
        let done = self.done();
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((at, before)) = rate.at {
            let milliseconds = now.duration_since(at).as_millis().max(1) as u64;
            rate.rate = done.saturating_sub(before) * 1000 / milliseconds;
        }
        rate.at = Some((now, done));
    }

    fn done(&self) -> u64 {
        self.all_compared.load(Ordering::Relaxed).max(self.keys_copied.load(Ordering::Relaxed))
    }

    /// Keys written so far.
    pub fn keys_copied(&self) -> u64 {
        self.keys_copied.load(Ordering::Relaxed)
    }

    /// What is counted here; the rest is the life's to say.
    pub fn progress(&self, phase: Phase) -> Progress {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Progress {
            phase,
            keys_copied: load(&self.keys_copied),
            bytes_copied: load(&self.bytes_copied),
            keys_removed: load(&self.keys_removed),
            keys_compared: load(&self.keys_compared),
            keys_to_compare: load(&self.keys_to_compare),
            changes: self.changes(),
            marks: 0,
            in_flight: 0,
            streams: 0,
            rate: self.rate.lock().unwrap_or_else(PoisonError::into_inner).rate,
            passes: load(&self.passes),
            restarts: load(&self.restarts),
            full_passes: None,
            share: 0.0,
            source_time_ms: 0,
            last_trouble: self.last_trouble().map(|trouble| trouble.to_string()),
        }
    }
}
