//! What `check` of a place answers. No pass waits for it: it is run beside them, and they read what it answered last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::aws::{CallError, Reads};
use crate::clock::later;
use crate::exec::{Looks, Order};

/// An answer that is older is asked for anew.
const FRESH: Duration = Duration::from_secs(5);
/// On an answer that is older nothing is begun or deleted.
const RECENT: Duration = Duration::from_secs(60);

/// What it wrote to stdout, or why there is nothing.
pub type Said = Result<String, String>;

/// The answers of one `check`, in this process.
#[derive(Default)]
pub struct Answers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// With the time at which it was asked.
    last: Option<(Timestamp, Said)>,
    asking: Option<Asking>,
    /// It has answered before.
    answered: bool,
}

/// `check` under way. Ended when this is dropped.
struct Asking {
    at: Timestamp,
    since: Instant,
    said: watch::Receiver<Option<Said>>,
    work: tokio::task::JoinHandle<()>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// What is run.
pub struct Question {
    pub words: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
    pub timeout: Duration,
}

/// What is known of it now.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Said(Said),
    /// What it said does not count any more; it is asked for so long.
    Awaited(Duration),
}

impl Answers {
    /// Those of this run.
    pub async fn of(reads: &Reads, words: &[String]) -> Result<Arc<Answers>, CallError> {
        let key = format!("exec:check {}", serde_json::to_string(words).unwrap_or_default());
        reads.once_a_run(key, || async { Ok(Answers::default()) }).await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asking) = &inner.asking {
            let said = asking.said.borrow().clone();
            let ended = said.is_none() && asking.work.is_finished();
            let said = said.or_else(|| ended.then(|| Err("`check` ended without an answer".to_owned())));
            if let Some(said) = said {
                inner.last = Some((asking.at, said));
                (inner.asking, inner.answered) = (None, true);
            }
        }
        inner
    }

    /// Has it asked, unless it is being asked or answered a moment ago.
    fn ask(&self, looks: Looks, question: Question, now: Timestamp) {
        let mut inner = self.lock();
        let fresh = inner.last.as_ref().is_some_and(|(at, _)| now < later(*at, FRESH));
        if fresh || inner.asking.is_some() {
            return;
        }
        let (tell, said) = watch::channel(None);
        let work = tokio::spawn(async move {
            let Question { words, environment, timeout } = question;
            let order = Order { words: &words, environment, timeout, goes_on: &|| true };
            let said = crate::exec::look(looks, order).await.map_err(|failure| failure.to_string());
            tell.send_replace(Some(said));
        });
        inner.asking = Some(Asking { at: now, since: Instant::now(), said, work });
    }

    /// What it says. Only the first answer of a process is waited for: before that nothing is planned, and no pass is under way.
    pub async fn now(&self, looks: Looks, question: Question, now: Timestamp) -> Answer {
        self.ask(looks, question, now);
        let first = {
            let inner = self.lock();
            let asking = inner.asking.as_ref();
            match (&inner.last, asking) {
                (Some((_, said)), _) => return Answer::Said(said.clone()),
                (None, Some(asking)) if inner.answered => return Answer::Awaited(asking.since.elapsed()),
                (None, asking) => asking.map(|asking| asking.said.clone()),
            }
        };
        if let Some(mut first) = first {
            // A sender that is gone has ended without an answer.
            let _ = first.wait_for(Option::is_some).await;
        }
        match &self.lock().last {
            Some((_, said)) => Answer::Said(said.clone()),
            None => Answer::Awaited(Duration::ZERO),
        }
    }

    /// What it said a moment ago, for what is begun or deleted on its word; nothing where it has to be asked first, which is begun.
    pub fn recent(&self, looks: Looks, question: Question, now: Timestamp) -> Option<Said> {
        self.ask(looks, question, now);
        self.lock().last.as_ref().filter(|(at, _)| now < later(*at, RECENT)).map(|(_, said)| said.clone())
    }

    /// What it said, and says to what it was asked before, does not count any more.
    pub fn forget(&self) {
        let mut inner = self.lock();
        (inner.last, inner.asking) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::exec::Allowed;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_first_answer_is_waited_for_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("address");
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let looks = Allowed::by_flag(true).unwrap().looks();
        let question = |pause: u32| {
            let script = format!("sleep {pause}; cat {}", file.display());
            Question { words: ["sh", "-c", &script].map(str::to_owned).to_vec(), environment: Vec::new(), timeout: Duration::from_secs(30) }
        };
        let said = |text: &str| Answer::Said(Ok(text.to_owned()));
        std::fs::write(&file, "old").unwrap();
        let answers = Answers::default();
        assert_eq!(answers.now(looks, question(1), clock.now()).await, said("old"));
        std::fs::write(&file, "new").unwrap();
        // Not asked again at once; and when it is, the answer before it counts until it is there.
        assert_eq!(answers.now(looks, question(0), clock.now()).await, said("old"));
        assert!(answers.lock().asking.is_none());
        clock.advance(FRESH);
        let began = Instant::now();
        assert_eq!(answers.now(looks, question(3), clock.now()).await, said("old"));
        assert!(began.elapsed() < Duration::from_secs(2));
        while answers.lock().asking.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(answers.now(looks, question(0), clock.now()).await, said("new"));
        assert_eq!(answers.recent(looks, question(0), clock.now()), Some(Ok("new".to_owned())));
        clock.advance(RECENT);
        assert_eq!(answers.recent(looks, question(0), clock.now()), None);
        // What it said before something was changed is worth nothing, and nobody waits for what it says then.
        answers.forget();
        let began = Instant::now();
        assert!(matches!(answers.now(looks, question(30), clock.now()).await, Answer::Awaited(_)));
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
