//! Ctrl-C and SIGTERM: the request under way is finished and recorded, nothing new is begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A wish to stop, seen by everything that runs. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<(AtomicBool, Notify)>);

impl Interrupt {
    pub fn stop(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    pub fn stopped(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Returns when somebody wishes to stop.
    pub async fn wished(&self) {
        loop {
            let told = self.0.1.notified();
            tokio::pin!(told);
            // Registered before the flag is read, so that a wish in between is not missed.
            told.as_mut().enable();
            if self.stopped() {
                return;
            }
            told.await;
        }
    }
}
