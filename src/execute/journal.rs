//! The journal, in sled: the evidence of intents and outcomes, never the only place of a truth (contract 6).
//!
//! sled 0.34 overwrites a foreign file, and after damage its opening can hang. So the folder has a header of our own, records are
//! chained, and opening happens on a thread that can be given up; a journal that cannot be opened is set aside, never deleted.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::{Event, Record, VERSION};

/// How long sled may take to open before it is given up. A sound journal of 100,000 records opens in well under a second.
const OPENING: Duration = Duration::from_secs(4);
/// How many records are kept; the oldest go when a journal is opened. About 10 MB, and months of a quiet account.
const KEPT: usize = 20_000;
const FORMAT: &str = "holdfast.dev/journal";

/// An open journal: one writer at a time, by a lock on its folder.
pub struct Journal {
    db: sled::Db,
    chain: Mutex<Chain>,
    folder: PathBuf,
    /// Held as long as the journal is open; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// The end of the chain of records.
#[derive(Clone, Debug, Default)]
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

/// What earlier runs left.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Intents without an outcome: the process ended in between.
    pub interrupted: Vec<Record>,
    /// Consents, by object: when they were given, to what, and which steps are done.
    pub consents: Vec<Given>,
    /// Messages that were due and not sent.
    pub unsent: Vec<Record>,
    /// The state that the last message of each object and topic told.
    pub told: std::collections::BTreeMap<String, String>,
}

/// A consent that was given.
#[derive(Clone, Debug)]
pub struct Given {
    pub object: String,
    pub plan: String,
    pub at: Timestamp,
    /// The steps consented to that are not done yet.
    pub open: BTreeSet<String>,
}

/// Why there is no journal. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "{folder} is in use by {holder}: one run at a time writes a journal. Wait for it, or give this run a folder of its own with --state-dir"
    )]
    Held { folder: PathBuf, holder: String },
    #[error(
        "the journal in {folder} cannot be written: {error}. Nothing was changed. Make room or give holdfast the right to write there, or name another folder with --state-dir"
    )]
    Unwritable { folder: PathBuf, error: String },
    #[error(
        "the journal in {folder} was written by a newer holdfast (records of version {found}, this one knows {VERSION}). Use that version, or another folder with --state-dir"
    )]
    Newer { folder: PathBuf, found: u32 },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

impl Journal {
    /// Opens the journal below `state`, or begins one. `who` is told to a second process.
    pub fn open(state: &Path, who: &str) -> Result<Opened, JournalError> {
        let unwritable = |error: std::io::Error| JournalError::Unwritable { folder: state.to_owned(), error: error.to_string() };
        fs::create_dir_all(state).map_err(unwritable)?;
        let lock = lock(state, who)?;
        probe(state).map_err(unwritable)?;
        let folder = state.join("journal");
        let mut set_aside = None;
        let found = match inspect(&folder)? {
            Found::Nothing => begin(&folder).map_err(unwritable).and_then(|()| match open_within(&folder.join("sled")) {
                Ok(found) => Ok(found),
                Err(Damage(error)) => Err(JournalError::Unwritable { folder: folder.clone(), error }),
            })?,
            Found::Ours => match open_within(&folder.join("sled")) {
                Ok(found) => found,
                Err(Damage(why)) => replace(&folder, why, &mut set_aside).map_err(unwritable)?,
            },
            Found::Foreign(why) => replace(&folder, why, &mut set_aside).map_err(unwritable)?,
        };
        if let Some(newest) = found.records.iter().map(|record| record.version).max().filter(|version| *version > VERSION) {
            return Err(JournalError::Newer { folder, found: newest });
        }
        let past = Past::of(&found.records);
        let journal = Journal { db: found.db, chain: Mutex::new(found.chain), folder, _lock: lock };
        Ok(Opened { journal, set_aside, past })
    }

    /// Reads a journal without the right to write it: what `holdfast journal` shows. It needs the lock all the same, as sled has one
    /// process at a time.
    pub fn read(state: &Path, who: &str) -> Result<Vec<Record>, JournalError> {
        if !state.join("journal").is_dir() {
            return Ok(Vec::new());
        }
        let opened = Journal::open(state, who)?;
        match opened.set_aside {
            Some((place, why)) => Err(JournalError::Unwritable {
                folder: state.to_owned(),
                error: format!("it could not be read ({why}) and was set aside as {}", place.display()),
            }),
            None => Ok(opened.journal.records()),
        }
    }

    /// Adds records. They are on disk when this returns, if `durable`; else with the next durable ones. Answers with their numbers.
    pub async fn append(
        &self,
        run: &str,
        object: &str,
        at: Timestamp,
        events: Vec<Event>,
        durable: bool,
    ) -> Result<Vec<u64>, JournalError> {
        let numbers = self.insert(run, object, at, events).map_err(|error| self.unwritable(error))?;
        if durable {
            self.db.flush_async().await.map_err(|error| self.unwritable(error.to_string()))?;
        }
        Ok(numbers)
    }

    fn insert(&self, run: &str, object: &str, at: Timestamp, events: Vec<Event>) -> Result<Vec<u64>, String> {
        let mut chain = self.chain.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = chain.clone();
        let mut batch = sled::Batch::default();
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
            next = Chain { number: record.number, digest: digest(&bytes) };
            numbers.push(record.number);
            batch.insert(&record.number.to_be_bytes(), bytes);
        }
        self.db.apply_batch(batch).map_err(|error| error.to_string())?;
        *chain = next;
        Ok(numbers)
    }

    /// All records, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.db.iter().filter_map(|entry| serde_json::from_slice(&entry.ok()?.1).ok()).collect()
    }

    fn unwritable(&self, error: impl ToString) -> JournalError {
        JournalError::Unwritable { folder: self.folder.clone(), error: error.to_string() }
    }
}

/// What stands where the journal should be.
enum Found {
    Nothing,
    Ours,
    Foreign(String),
}

fn inspect(folder: &Path) -> Result<Found, JournalError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Ok(Found::Foreign(format!("it is no folder that can be read: {error}"))),
        Ok(_) => {}
    }
    let mut text = String::new();
    let read = File::open(folder.join("header.json")).and_then(|file| file.take(4096).read_to_string(&mut text));
    if let Err(error) = read {
        return Ok(Found::Foreign(format!("its header cannot be read: {error}")));
    }
    match serde_json::from_str::<Header>(&text) {
        Ok(header) if header.format != FORMAT => Ok(Found::Foreign(format!("it is of the format {}", header.format))),
        Ok(header) if header.version > VERSION => Err(JournalError::Newer { folder: folder.to_owned(), found: header.version }),
        Ok(_) => Ok(Found::Ours),
        Err(error) => Ok(Found::Foreign(format!("its header is damaged: {error}"))),
    }
}

/// Begins an empty journal: the header first, so that a folder without one is never ours.
fn begin(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let header = serde_json::to_vec(&Header { format: FORMAT.to_owned(), version: VERSION })?;
    let half = folder.join("header.json.half");
    let mut file = File::create(&half)?;
    file.write_all(&header)?;
    file.sync_all()?;
    fs::rename(&half, folder.join("header.json"))
}

/// Moves a journal that cannot be used aside and begins a new one.
fn replace(folder: &Path, why: String, set_aside: &mut Option<(PathBuf, String)>) -> std::io::Result<Contents> {
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
    let mut place = folder.with_file_name(format!("journal.set-aside-{stamp}"));
    let mut count = 1;
    while place.exists() {
        count += 1;
        place = folder.with_file_name(format!("journal.set-aside-{stamp}-{count}"));
    }
    fs::rename(folder, &place)?;
    *set_aside = Some((place, why));
    begin(folder)?;
    open_within(&folder.join("sled")).map_err(|Damage(error)| std::io::Error::other(error))
}

struct Contents {
    db: sled::Db,
    records: Vec<Record>,
    chain: Chain,
}

/// What is wrong with a journal's contents.
struct Damage(String);

/// Opens sled and reads everything, on a thread that is given up when it hangs.
fn open_within(folder: &Path) -> Result<Contents, Damage> {
    let (tell, told) = mpsc::channel();
    let path = folder.to_owned();
    let opened = std::thread::Builder::new().name("journal-opening".to_owned()).spawn(move || {
        // sled can panic on damage, too: then the channel closes, and that is an answer.
        let _ = tell.send(open_and_check(&path));
    });
    if let Err(error) = opened {
        return Err(Damage(format!("no thread could be started: {error}")));
    }
    match told.recv_timeout(OPENING) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Damage(format!("opening it took longer than {} s", OPENING.as_secs()))),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Damage("opening it failed".to_owned())),
    }
}

fn open_and_check(folder: &Path) -> Result<Contents, Damage> {
    let config = sled::Config::new().path(folder).cache_capacity(16 << 20).flush_every_ms(None);
    let db = config.open().map_err(|error| Damage(error.to_string()))?;
    let mut records: Vec<Record> = Vec::new();
    let mut chain = Chain::default();
    for entry in db.iter() {
        let (key, bytes) = entry.map_err(|error| Damage(error.to_string()))?;
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| Damage(format!("a record cannot be read: {error}")))?;
        let first = records.is_empty();
        if key.as_ref() != record.number.to_be_bytes() || (!first && (record.number != chain.number + 1 || record.previous != chain.digest))
        {
            return Err(Damage(format!("records are missing before number {}", record.number)));
        }
        chain = Chain { number: record.number, digest: digest(&bytes) };
        records.push(record);
    }
    let surplus = records.len().saturating_sub(KEPT);
    for record in records.drain(..surplus) {
        db.remove(record.number.to_be_bytes()).map_err(|error| Damage(error.to_string()))?;
    }
    Ok(Contents { db, records, chain })
}

/// Shows that the folder can be written, before sled is asked: a full disk is no damage.
fn probe(state: &Path) -> std::io::Result<()> {
    let path = state.join("probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 64 * 1024])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn lock(state: &Path, who: &str) -> Result<File, JournalError> {
    let path = state.join("lock");
    let unwritable = |error: std::io::Error| JournalError::Unwritable { folder: state.to_owned(), error: error.to_string() };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only words for a person: what cannot be read is simply not told.
            let _ = (&mut file).take(4096).read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "another process".to_owned() } else { holder.trim().to_owned() };
            return Err(JournalError::Held { folder: state.to_owned(), holder });
        }
        Err(fs::TryLockError::Error(error)) => return Err(unwritable(error)),
    }
    file.set_len(0).map_err(unwritable)?;
    let told = format!("process {} ({who}), since {}", std::process::id(), Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"));
    file.write_all(told.as_bytes()).map_err(unwritable)?;
    Ok(file)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Past {
    fn of(records: &[Record]) -> Past {
        let mut past = Past::default();
        for record in records {
            match &record.event {
                Event::Intent { .. } => past.interrupted.push(record.clone()),
                Event::Outcome { intent, .. } => past.interrupted.retain(|open| open.number != *intent),
                Event::Consented { plan, steps } => past.consents.push(Given {
                    object: record.object.clone(),
                    plan: plan.clone(),
                    at: record.at,
                    open: steps.iter().cloned().collect(),
                }),
                Event::StepDone { digest, undo: false, .. } => {
                    for given in past.consents.iter_mut().filter(|given| given.object == record.object) {
                        given.open.remove(digest);
                    }
                }
                Event::NotificationDue { .. } => past.unsent.push(record.clone()),
                Event::NotificationSent { id, state } => {
                    past.unsent.retain(|due| !matches!(&due.event, Event::NotificationDue { id: other, .. } if other == id));
                    past.told.insert(record.object.clone(), state.clone());
                }
                Event::RunBegan { .. } | Event::StepDone { .. } | Event::ResourceEnded { .. } | Event::RunEnded { .. } => {}
            }
        }
        past
    }
}
