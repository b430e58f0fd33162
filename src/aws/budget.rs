//! Requests are budgeted per service (contract 12): so many at once, and slower after throttling.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use backoff::ExponentialBackoff;
use tokio::sync::Semaphore;

use super::{Call, CallError, Class, Service};

/// How requests are paced and tried again.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests under way at once, per service.
    pub at_once: usize,
    /// The first wait after throttling or a lost answer; it doubles from there.
    pub first: Duration,
    /// The longest wait between two tries.
    pub longest: Duration,
    /// How long throttling is waited out before the answer is "throttled".
    pub patience: Duration,
    /// How often a read without an answer is sent in all.
    pub tries: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            // S3 and the control planes allow more; ten keep a run of hundreds of resources within seconds and well below the
            // published rates (RDS and ElastiCache begin to throttle near 20 a second).
            at_once: 10,
            first: Duration::from_millis(200),
            longest: Duration::from_secs(20),
            patience: Duration::from_secs(300),
            tries: 5,
        }
    }
}

/// The budget of one account: shared by all that talks to it.
#[derive(Debug)]
pub struct Budget {
    pace: Pace,
    /// By the service's place in [`Service::ALL`].
    services: [Line; Service::ALL.len()],
}

#[derive(Debug)]
struct Line {
    open: Semaphore,
    /// After throttling, nobody sends before this.
    not_before: Mutex<Option<Instant>>,
}

impl Budget {
    pub fn new(pace: Pace) -> Budget {
        let line = || Line { open: Semaphore::new(pace.at_once.max(1)), not_before: Mutex::new(None) };
        Budget { pace, services: Service::ALL.map(|_| line()) }
    }

    /// Sends a request: throttling is waited out; a read without an answer is sent again, a write never (nobody knows whether
    /// it was applied: the next pass looks).
    pub async fn send<T, E, F>(&self, call: &'static Call, mut attempt: impl FnMut() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let policy = ExponentialBackoff {
            initial_interval: self.pace.first,
            current_interval: self.pace.first,
            max_interval: self.pace.longest,
            max_elapsed_time: Some(self.pace.patience),
            ..ExponentialBackoff::default()
        };
        let mut tries = 0;
        let line = &self.services[call.service as usize];
        let once = || {
            // On the heap: a request of the SDK is 30 KB large, and many of them side by side would not fit on a worker's stack.
            let sent = line.through(Box::pin(attempt()));
            tries += 1;
            let tries = tries;
            async move {
                sent.await.map_err(|error| {
                    let error = CallError::new(call, error);
                    match error.class {
                        Class::Throttled => backoff::Error::transient(error),
                        Class::Ambiguous if !call.writes && tries < self.pace.tries => backoff::Error::transient(error),
                        _ => backoff::Error::permanent(error),
                    }
                })
            }
        };
        backoff::future::retry_notify(policy, once, |error: CallError, wait: Duration| {
            tracing::debug!(call = %call, code = %error.code, wait_ms = wait.as_millis() as u64, "sent again");
            if error.class == Class::Throttled {
                let mut not_before = line.not_before.lock().unwrap_or_else(PoisonError::into_inner);
                let until = Instant::now() + wait;
                *not_before = Some(not_before.map_or(until, |other| other.max(until)));
            }
        })
        .await
    }
}

impl Line {
    /// Waits for a place and for the end of a pause, then lets the request go.
    async fn through<F: Future>(&self, sent: F) -> F::Output {
        // The semaphore is never closed; without a permit the request is merely not held back.
        let _permit = self.open.acquire().await.ok();
        let wait = {
            let not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            not_before.and_then(|until| until.checked_duration_since(Instant::now()))
        };
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        sent.await
    }
}
