//! How far the move of a process is, for other processes of the same state folder to show: a small file beside the journal, written anew about once a
//! second. Nobody decides by it: where a move stands is read from AWS and from the nodes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::figures::Figures;
use crate::migration::copy::{self, Progress};
use crate::migration::mover::{Phase, State};

/// It is written no more often.
const EVERY: Duration = Duration::from_secs(1);

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The lock of the move that it speaks of.
    pub lock: String,
    /// When it was written, RFC 3339, by the machine's clock.
    pub at: String,
    /// What the move is doing, in words.
    pub doing: String,
    /// What does not go well at the moment, and is tried again; or why it was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    pub keys_copied: u64,
    pub bytes_copied: u64,
    /// Keys of this pass, or of the last one, that were compared, of how many.
    pub keys_compared: u64,
    pub keys_to_compare: u64,
    pub keys_left: u64,
    /// Keys that were changed meanwhile, and wait to be copied.
    pub keys_waiting: u64,
    /// Keys a second.
    pub rate: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_to_go: Option<f64>,
    /// How long writes have been held so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_seconds: Option<f64>,
    pub measured: Figures,
}

/// Writes it.
pub struct Reporter {
    file: Option<PathBuf>,
    lock: String,
    began: Instant,
    noted: Mutex<Noted>,
}

/// What is not shown any more when the move is over.
#[derive(Clone, Copy, Default)]
struct Noted {
    /// How many seconds the first pass over all keys took.
    copied: Option<f64>,
    keys: u64,
}

/// Where it is.
fn file(state: &Path, target: &str) -> PathBuf {
    state.join("moves").join(format!("{target}.json"))
}

/// What a process that moves into `target`, with this lock, wrote last. One of another move says nothing.
pub fn read(state: Option<&Path>, target: &str, lock: &str) -> Option<Report> {
    let text = crate::plain::read(&file(state?, target)).ok()?;
    serde_json::from_slice::<Report>(&text).ok().filter(|report| report.lock == lock)
}

/// How many seconds the pass over all keys takes yet, at its present rate.
pub fn to_go(copy: &Progress) -> Option<f64> {
    let left = copy.keys_to_compare.saturating_sub(copy.keys_compared);
    (copy.rate > 0 && copy.phase == copy::Phase::FullPass).then(|| left as f64 / copy.rate as f64)
}

impl Reporter {
    pub fn new(state: Option<&Path>, target: &str, lock: &str) -> Reporter {
        let file = state.map(|state| file(state, target));
        Reporter { file, lock: lock.to_owned(), began: Instant::now(), noted: Mutex::default() }
    }

    /// Looks at whatever the mover shows, until it ends, and writes it once a second, and when something else is done than before.
    pub async fn follow(self: Arc<Reporter>, mut state: watch::Receiver<State>) {
        let mut written: Option<(Instant, &str)> = None;
        loop {
            let now = state.borrow_and_update().clone();
            let doing = doing(&now);
            if written.is_none_or(|(at, before)| before != doing || at.elapsed() >= EVERY) {
                self.write(&now);
                written = Some((Instant::now(), doing));
            } else {
                self.note(&now);
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    }

    /// Writes it now, and answers with it. A folder that takes nothing is no reason to stop a move.
    pub fn write(&self, state: &State) -> Report {
        let report = self.of(state);
        if let Some(file) = &self.file
            && let Err(error) = put(file, &report)
        {
            tracing::debug!(%error, "how far the move is could not be written");
        }
        report
    }

    fn note(&self, state: &State) -> Noted {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copy) = &state.progress {
            noted.keys = noted.keys.max(copy.keys_to_compare);
            if copy.passes > 0 && noted.copied.is_none() {
                noted.copied = Some(self.began.elapsed().as_secs_f64());
            }
        }
        *noted
    }

    fn of(&self, state: &State) -> Report {
        let noted = self.note(state);
        let copy = state.progress.as_ref();
        let count = |of: fn(&Progress) -> u64| copy.map(of).unwrap_or_default();
        let seconds = |length: Option<Duration>| length.map(|length| length.as_secs_f64());
        let over = matches!(state.phase, Phase::Committed);
        Report {
            lock: self.lock.clone(),
            at: Timestamp::now().to_string(),
            doing: doing(state).to_owned(),
            trouble: state.why.clone().or_else(|| state.trouble.clone()),
            keys_copied: count(|copy| copy.keys_copied),
            bytes_copied: count(|copy| copy.bytes_copied),
            keys_compared: count(|copy| copy.keys_compared),
            keys_to_compare: count(|copy| copy.keys_to_compare),
            keys_left: count(|copy| copy.keys_to_compare.saturating_sub(copy.keys_compared)),
            keys_waiting: count(|copy| copy.marks + copy.in_flight),
            rate: count(|copy| copy.rate),
            seconds_to_go: copy.and_then(to_go),
            held_seconds: seconds(state.held).filter(|_| !over),
            measured: Figures {
                copy_seconds: noted.copied,
                settle_seconds: seconds(state.settle),
                outage_seconds: seconds(state.held).filter(|_| over),
                keys: (noted.keys > 0).then_some(noted.keys),
                ..Figures::default()
            },
        }
    }
}

fn doing(state: &State) -> &'static str {
    match state.phase {
        Phase::Following => match state.progress.as_ref().map(|copy| copy.phase) {
            Some(copy::Phase::FullPass) => "every key is compared",
            Some(copy::Phase::Following) => "what changes is copied",
            Some(copy::Phase::Watching) => "what changes is noted",
            Some(copy::Phase::Connecting) | None => "connecting",
        },
        Phase::Frozen => "writes are held, both groups are equal",
        Phase::Moving => "writes are held, clients are turned",
        Phase::Fenced => "writes are held, the old group's clients were sent away",
        Phase::Proven => "writes are held, all is proven",
        Phase::Committed => "the new group takes writes",
        Phase::Undoing => "it is undone",
        Phase::Undone => "it was undone",
        _ => "it has stopped",
    }
}

/// In one move: who reads it meanwhile finds the one before.
fn put(file: &Path, report: &Report) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let new = file.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(report)?)?;
    std::fs::rename(&new, file)
}
