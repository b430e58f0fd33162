//! The worker of a shard of the source: it copies what is marked.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::life::Life;

/// Keys that one operation takes.
const KEYS: usize = 512;
/// Operations under way at a time.
const OPERATIONS: usize = 4;
/// How long marks are let gather while nobody waits: a key that is written again and again is then copied once.
const GATHER: Duration = Duration::from_millis(20);
/// How long it waits after a failure, at first, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

impl Life {
    /// Copies what is marked, until the life is over.
    pub async fn work(&self, shard: usize) {
        let mut running = FuturesUnordered::new();
        let mut wait = WAIT.0;
        loop {
            let room = running.len() < OPERATIONS;
            tokio::select! {
                Some(went_well) = running.next() => {
                    if went_well {
                        wait = WAIT.0;
                    } else {
                        tokio::time::sleep(wait).await;
                        wait = (wait * 2).min(WAIT.1);
                    }
                }
                () = self.marks.wait(shard), if room => {
                    if !self.is_draining() && self.marks.waiting_in(shard) < KEYS {
                        self.gather().await;
                    }
                    let (copy, compare) = self.marks.take(shard, KEYS);
                    running.push(async move {
                        let done = async {
                            let databases = self.databases().await?;
                            self.operate(copy, &databases, false).await?;
                            self.operate(compare, &databases, true).await
                        };
                        let before = self.shared.progress.troubles();
                        if let Err(trouble) = done.await {
                            self.hindered(trouble);
                        }
                        self.shared.progress.troubles() == before
                    });
                }
            }
        }
    }

    async fn gather(&self) {
        let step = GATHER / 10;
        for _ in 0..10 {
            if self.is_draining() {
                return;
            }
            tokio::time::sleep(step).await;
        }
    }
}
