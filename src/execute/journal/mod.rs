//! The journal, in sled: the evidence of intents and outcomes, never the only place of a truth (contract 6).
//!
//! sled 0.34 overwrites a foreign file, after damage its opening can hang, and its flush does not reach the disk. So the folder has a header
//! and a mark of our own, records are chained, opening happens on a thread that can be given up (`open`), and a flush ends with the
//! system's own; a journal that cannot be opened is set aside, never deleted.

mod files;
mod open;
mod past;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use jiff::Timestamp;

use super::record::{Event, Record, VERSION};
use crate::hex::sha256;

pub use past::{Given, Past};

/// How long a flush may take before the disk is taken for gone.
const FLUSHING: Duration = Duration::from_secs(30);

/// How many records sled is given at once: it holds a batch several times over until it is written.
const BATCH: usize = 256;

/// An open journal: one writer at a time, by a lock on its folder.
pub struct Journal {
    db: sled::Db,
    /// sled's data file, to be synced.
    data: Arc<File>,
    mark: File,
    chain: Mutex<Chain>,
    folder: PathBuf,
    watch: Option<Watch>,
    /// Held as long as the journal is open; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// Told of the moments of each append.
type Watch = Box<dyn Fn(Moment) + Send + Sync>;

/// A moment of an append. The process may end at each: tests look at what is on disk then, and go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The records are not written yet.
    Before,
    /// They are written, and not flushed.
    Written,
    /// They are on disk, if they were to be.
    After,
}

/// The end of the chain of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain {
    number: u64,
    digest: String,
}

/// What was found on opening.
pub struct Opened {
    pub journal: Journal,
    /// A journal that could not be opened was moved here, and why.
    pub set_aside: Option<(PathBuf, String)>,
    /// What is known of earlier runs.
    pub past: Past,
}

/// Why there is no journal. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "{folder} is in use by {holder}: one run at a time writes a journal. Wait until it has ended. A folder of its own (--state-dir) is only for a run over another account: two runs over one get in each other's way"
    )]
    Held { folder: PathBuf, holder: String },
    #[error("the journal in {folder} cannot be read now, as {holder} has it open: wait until that has ended, or look at its own output")]
    HeldFromReaders { folder: PathBuf, holder: String },
    #[error(
        "the journal in {folder} cannot be written: {error}. Nothing was changed. Make room (2 MiB at least, some 1 KB for each step besides) or give holdfast the right to write there, or name another folder with --state-dir"
    )]
    Unwritable { folder: PathBuf, error: String },
    #[error(
        "the journal in {folder} can be written no longer: {error}. Nothing more is begun; what was begun goes on in AWS. Make room (2 MiB at least), then run again: it goes on from where AWS is"
    )]
    Lost { folder: PathBuf, error: String },
    #[error(
        "the journal in {folder} is of runs on {was}, and this one is on {is}: what was consented to there, and what is to be told of it, is nothing of this one's. Give this run a folder of its own with --state-dir"
    )]
    OtherGround { folder: PathBuf, was: String, is: String },
    #[error(
        "{folder} could not be locked: {error}. Nothing was changed. Take away what stands there, or name another folder with --state-dir"
    )]
    Unlocked { folder: PathBuf, error: String },
    #[error(
        "the journal in {folder} cannot be read where it is ({why}), and could not be copied to be read: {error}. Name a folder with room in TMPDIR"
    )]
    Uncopied { folder: PathBuf, why: String, error: String },
    #[error("the journal in {folder} cannot be read: {why}. The next run sets it aside, and finds in AWS where things stand")]
    Damaged { folder: PathBuf, why: String },
    #[error(
        "the journal in {folder} was written by a newer holdfast (records of version {found}, this one knows {VERSION}). Use that version"
    )]
    Newer { folder: PathBuf, found: u32 },
}

impl Journal {
    /// Opens the journal below `state`, or begins one. `who` is told to a second process.
    pub fn open(state: &Path, who: &str) -> Result<Opened, JournalError> {
        open::open(state, who, None)
    }

    /// The same, of the AWS of that name: one that was written on another is refused. Consents and messages must not go from a sandbox to the
    /// account that it is a picture of.
    pub fn open_on(ground: &str, state: &Path, who: &str) -> Result<Opened, JournalError> {
        open::open(state, who, Some(ground))
    }

    /// Reads a journal and changes nothing of it: what `holdfast journal` shows. It needs the lock all the same, as sled has one process at
    /// a time. Where the folder cannot be written, a copy is read.
    pub fn read(state: &Path, who: &str) -> Result<Vec<Record>, JournalError> {
        open::read(state, who)
    }

    /// The same journal, of whose every append `watch` is told.
    pub fn watched(self, watch: impl Fn(Moment) + Send + Sync + 'static) -> Journal {
        Journal { watch: Some(Box::new(watch)), ..self }
    }

    fn tell(&self, moment: Moment) {
        if let Some(watch) = &self.watch {
            watch(moment);
        }
    }

    /// Adds records. They are on disk when this returns, if `durable`, with all that were added before; else with the next durable ones. Answers with
    /// their numbers.
    pub async fn append(
        &self,
        run: &str,
        object: &str,
        at: Timestamp,
        events: Vec<Event>,
        durable: bool,
    ) -> Result<Vec<u64>, JournalError> {
        self.tell(Moment::Before);
        let numbers = self.insert(run, object, at, events).map_err(|error| self.lost(error))?;
        self.tell(Moment::Written);
        if durable {
            self.flush().await.map_err(|error| self.lost(error))?;
        }
        self.tell(Moment::After);
        Ok(numbers)
    }

    fn insert(&self, run: &str, object: &str, at: Timestamp, events: Vec<Event>) -> Result<Vec<u64>, String> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = chain.clone();
        let mut batch = sled::Batch::default();
        let mut size = 0;
        let mut numbers = Vec::with_capacity(events.len());
        for event in events {
            let record = Record {
                version: VERSION,
                number: next.number + 1,
                previous: next.digest.clone(),
                at,
                run: run.to_owned(),
                object: object.to_owned(),
                event,
            };
            let bytes = serde_json::to_vec(&record).map_err(|error| error.to_string())?;
            next = Chain { number: record.number, digest: sha256(&bytes) };
            numbers.push(record.number);
            batch.insert(&record.number.to_be_bytes(), bytes);
            size += 1;
            if size == BATCH {
                self.db.apply_batch(std::mem::take(&mut batch)).map_err(said)?;
                *chain = next.clone();
                size = 0;
            }
        }
        self.db.apply_batch(batch).map_err(said)?;
        *chain = next;
        Ok(numbers)
    }

    /// Brings everything to the disk. sled only starts the writing (`sync_file_range`, which neither waits for the disk's own cache nor writes the file's
    /// size), so its data file is synced besides. On a thread of its own, since a disk can take its time or never answer.
    async fn flush(&self) -> Result<(), String> {
        let reached = self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (db, data) = (self.db.clone(), Arc::clone(&self.data));
        let flushed = tokio::task::spawn_blocking(move || {
            let (tell, told) = mpsc::channel();
            let flush = move || {
                let flushed = db.flush().map_err(said);
                // Whoever gave up listening has said so already.
                let _ = tell.send(flushed.and_then(|_| data.sync_data().map_err(|error| error.to_string())));
            };
            std::thread::Builder::new().name("journal-flush".to_owned()).spawn(flush).map_err(|error| error.to_string())?;
            match told.recv_timeout(FLUSHING) {
                Ok(flushed) => flushed,
                Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("the disk did not take it within {} s", FLUSHING.as_secs())),
                Err(mpsc::RecvTimeoutError::Disconnected) => Err("writing it failed".to_owned()),
            }
        });
        flushed.await.map_err(|error| error.to_string())??;
        open::mark(&self.mark, &reached).map_err(|error| error.to_string())
    }

    /// All records, oldest first.
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        let damaged = |why: String| JournalError::Damaged { folder: self.folder.clone(), why };
        let mut records = Vec::new();
        for entry in self.db.iter() {
            let (_, bytes) = entry.map_err(|error| damaged(said(error)))?;
            records.push(serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?);
        }
        Ok(records)
    }

    fn lost(&self, error: String) -> JournalError {
        JournalError::Lost { folder: self.folder.clone(), error }
    }
}

/// What went wrong, as the system says it; sled's own words show it as code.
fn said(error: sled::Error) -> String {
    match error {
        // Of an error that sled has copied only the kind is left in words.
        sled::Error::Io(error) if error.raw_os_error().is_none() => error.kind().to_string(),
        sled::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}
