//! A process that is stopped and woken, as by SIGSTOP and SIGCONT.

use std::sync::mpsc;
use std::time::Duration;

use super::account::Account;
use crate::execute::{End, Said};

/// A process on a thread of its own that is stopped, with all that it does between passes, when this is said; it wakes when it is told to.
pub struct Sleeper {
    asleep: mpsc::Receiver<()>,
    wake: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<End>,
}

impl Sleeper {
    pub fn of(account: Account, wish: String, at: impl Fn(&Said) -> bool + Send + Sync + 'static) -> Sleeper {
        let (sleeps, asleep) = mpsc::channel();
        let (wake, wakes) = mpsc::channel();
        let stop = std::sync::Mutex::new(Some((sleeps, wakes)));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let watch = |said: &Said| {
                let stopped = if at(said) { stop.lock().unwrap().take() } else { None };
                if let Some((sleeps, wakes)) = stopped {
                    sleeps.send(()).unwrap();
                    wakes.recv().unwrap();
                }
                false
            };
            runtime.block_on(account.apply_until(&wish, watch)).resources.remove(0).end
        });
        Sleeper { asleep, wake, thread }
    }

    pub fn sleeps(&self) {
        self.asleep.recv_timeout(Duration::from_secs(120)).expect("it comes to where it is to be stopped");
    }

    pub fn wakes(self) -> End {
        self.wake.send(()).unwrap();
        self.thread.join().unwrap()
    }
}
