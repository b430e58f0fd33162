//! For how long a process may act without having said that it is alive.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, later};

/// Others take over from a process that was not heard of for long. One that sleeps (SIGSTOP, the lid of a laptop) and wakes finds here, without asking
/// anybody, that its time is over, before it does anything: by the wall clock, which goes on while a machine is suspended. Clones share it.
#[derive(Clone, Debug)]
pub struct Lease {
    clock: Clock,
    length: Duration,
    since: Arc<Mutex<Timestamp>>,
}

impl Lease {
    /// From the moment on in which the last sign of life was sent.
    pub fn new(clock: Clock, since: Timestamp, length: Duration) -> Lease {
        Lease { clock, length, since: Arc::new(Mutex::new(since)) }
    }

    /// Another sign of life was taken, which was sent then.
    pub fn renew(&self, since: Timestamp) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    pub fn holds(&self) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.now() < later(since, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_with_its_time_unless_it_is_renewed() {
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let lease = Lease::new(clock.clone(), clock.now(), Duration::from_secs(60));
        let shared = lease.clone();
        clock.advance(Duration::from_secs(59));
        assert!(lease.holds());
        shared.renew(clock.now());
        clock.advance(Duration::from_secs(59));
        assert!(lease.holds());
        clock.advance(Duration::from_secs(1));
        assert!(!lease.holds());
    }
}
