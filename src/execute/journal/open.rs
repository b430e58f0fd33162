//! Opening a journal: the lock, what stands in the folder, and sled on a thread that can be given up.
//!
//! ```text
//! state/lock                     who writes here
//! state/journal/header.json      format, version, the folder of the data, the AWS it is of
//! state/journal/mark             the number and digest of the last record known to be on disk
//! state/journal/sled/            sled's own
//! state/journal.set-aside-.../   a journal that could not be used
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::files::{Copied, lock, lock_to_read};
use super::past::{Gathering, Past};
use super::{Chain, Journal, JournalError, Opened};
use crate::execute::record::{Record, VERSION};
use crate::hex::sha256;
use crate::plain;

/// How long sled may take to open before it is given up. A sound journal of 20,000 records opens in well under a second.
const OPENING: Duration = Duration::from_secs(4);
/// How many records are kept; the oldest go when a journal is opened. About 10 MB, and months of a quiet account.
pub(super) const KEPT: usize = 20_000;
/// What must be free before sled is asked: it takes its file in segments of 512 KiB, and may not open again when one did not fit.
const ROOM: usize = 2 << 20;
/// sled's segments, by its default.
const SEGMENT: i64 = 512 * 1024;
const FORMAT: &str = "holdfast.dev/journal";
const HEADER: &str = "header.json";
const HALF: &str = "header.json.half";
const MARK: &str = "mark";

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// The folder of the data, below this one. A journal that takes the place of one that was set aside has another: an opening that was given up
    /// may come back, and writes where its folder was.
    data: String,
    /// The AWS that it is of; nothing: none was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ground: Option<String>,
}

/// What stands where the journal should be.
enum Found {
    Nothing,
    Ours(Header),
    Foreign(String),
}

/// Why sled's data could not be opened.
enum Trouble {
    /// The data is not as it was written: it is set aside.
    Damaged(String),
    /// The disk or its rights are in the way: the data may be sound, and stays where it is.
    Unwritable(String),
    Newer(u32),
}

struct Contents {
    db: sled::Db,
    past: Past,
    chain: Chain,
}

pub(super) fn open(state: &Path, who: &str, ground: Option<&str>) -> Result<Opened, JournalError> {
    let unwritable = |error: std::io::Error| JournalError::Unwritable { folder: state.to_owned(), error: error.to_string() };
    fs::create_dir_all(state).map_err(unwritable)?;
    let lock = lock(state, who)?;
    probe(state).map_err(unwritable)?;
    let folder = state.join("journal");
    let mut set_aside = None;
    let found = inspect(&folder)?;
    let mut data = match &found {
        Found::Ours(header) => match (&header.ground, ground) {
            (Some(was), Some(is)) if was != is => {
                return Err(JournalError::OtherGround { folder: state.to_owned(), was: was.clone(), is: is.to_owned() });
            }
            (None, Some(_)) => begin(&folder, &header.data, ground).map_err(unwritable)?,
            _ => folder.join(&header.data),
        },
        Found::Nothing => begin(&folder, "sled", ground).map_err(unwritable)?,
        Found::Foreign(why) => replace(&folder, ground, why.clone(), &mut set_aside).map_err(unwritable)?,
    };
    let mut opened = open_within(&folder, &data, true);
    if let (Found::Ours(_), Err(Trouble::Damaged(why))) = (found, &opened) {
        data = replace(&folder, ground, why.clone(), &mut set_aside).map_err(unwritable)?;
        opened = open_within(&folder, &data, true);
    }
    let contents = opened.map_err(|trouble| refusal(state, trouble))?;
    let whole = || {
        let mark = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(MARK))?;
        // The entries of new files in their folders are on disk only when the folders are.
        for place in [&data, &folder, &state.to_owned()] {
            File::open(place)?.sync_all()?;
        }
        Ok((mark, File::open(data.join("db"))?))
    };
    let (mark, file) = whole().map_err(unwritable)?;
    let journal = Journal {
        db: contents.db,
        data: Arc::new(file),
        mark,
        chain: Mutex::new(contents.chain),
        folder: state.to_owned(),
        watch: None,
        _lock: lock,
    };
    Ok(Opened { journal, set_aside, past: contents.past })
}

pub(super) fn read(state: &Path, who: &str) -> Result<Vec<Record>, JournalError> {
    let folder = state.join("journal");
    let damaged = |why: String| JournalError::Damaged { folder: state.to_owned(), why };
    match fs::symlink_metadata(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        _ => {}
    }
    let lock = lock_to_read(state, who)?;
    let mut data = match inspect(&folder)? {
        Found::Nothing => return Ok(Vec::new()),
        Found::Foreign(why) => return Err(damaged(why)),
        Found::Ours(header) => folder.join(header.data),
    };
    let copy = match probe(state) {
        Ok(()) => None,
        // sled writes when it opens, too.
        Err(why) => {
            let uncopied =
                |error: std::io::Error| JournalError::Uncopied { folder: state.to_owned(), why: why.to_string(), error: error.to_string() };
            Some(Copied::of(&data).map_err(uncopied)?)
        }
    };
    if let Some(copy) = &copy {
        data = copy.0.clone();
    }
    let contents = open_within(&folder, &data, false).map_err(|trouble| match trouble {
        Trouble::Damaged(why) => damaged(why),
        trouble => refusal(state, trouble),
    })?;
    let records = contents.db.iter().map(|entry| {
        let (_, bytes) = entry.map_err(|_| damaged("its data is not as it was written".to_owned()))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    });
    let records = records.collect();
    drop((lock, copy));
    records
}

fn refusal(state: &Path, trouble: Trouble) -> JournalError {
    match trouble {
        // A new journal that cannot be opened: nothing is there to be set aside.
        Trouble::Damaged(error) | Trouble::Unwritable(error) => JournalError::Unwritable { folder: state.to_owned(), error },
        Trouble::Newer(found) => JournalError::Newer { folder: state.to_owned(), found },
    }
}

fn inspect(folder: &Path) -> Result<Found, JournalError> {
    let mut entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Ok(Found::Foreign(format!("it is no folder that can be read: {error}"))),
        Ok(entries) => entries,
    };
    // A process that ended while it began a journal left no more than half a header.
    if entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == HALF)) {
        return Ok(Found::Nothing);
    }
    let mut text = String::new();
    let read = plain::open(&folder.join(HEADER)).and_then(|file| file.take(4096).read_to_string(&mut text));
    if let Err(error) = read {
        return Ok(Found::Foreign(format!("its header cannot be read: {error}")));
    }
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(header) => {
            let format = header.get("format").and_then(serde_json::Value::as_str).unwrap_or("unknown");
            if format != FORMAT {
                return Ok(Found::Foreign(format!("it is of the format {format:?}")));
            }
            // The version comes first: what else a newer header holds is not known.
            if let Some(found) = header.get("version").and_then(serde_json::Value::as_u64).filter(|found| *found > u64::from(VERSION)) {
                return Err(JournalError::Newer { folder: folder.to_owned(), found: u32::try_from(found).unwrap_or(u32::MAX) });
            }
            match serde_json::from_value::<Header>(header) {
                Ok(header) if header.data.starts_with("sled") && !header.data.contains(['/', '\\', '\0']) => Ok(Found::Ours(header)),
                Ok(_) => Ok(Found::Foreign("its header names a folder that is not its own".to_owned())),
                Err(error) => Ok(Found::Foreign(format!("its header is damaged: {error}"))),
            }
        }
        Err(error) => Ok(Found::Foreign(format!("its header is damaged: {error}"))),
    }
}

/// Begins an empty journal: the header first, so that a folder without one is never ours. Answers with the folder of its data.
fn begin(folder: &Path, data: &str, ground: Option<&str>) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let ground = ground.map(str::to_owned);
    let header = serde_json::to_vec(&Header { format: FORMAT.to_owned(), version: VERSION, data: data.to_owned(), ground })?;
    let half = folder.join(HALF);
    plain::no_other(&half)?;
    let mut file = File::create(&half)?;
    file.write_all(&header)?;
    file.sync_all()?;
    fs::rename(&half, folder.join(HEADER))?;
    Ok(folder.join(data))
}

/// Moves a journal that cannot be used aside and begins a new one.
fn replace(folder: &Path, ground: Option<&str>, why: String, set_aside: &mut Option<(PathBuf, String)>) -> std::io::Result<PathBuf> {
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
    let name = |count: u32| if count == 1 { stamp.clone() } else { format!("{stamp}-{count}") };
    let free = |count: &u32| fs::symlink_metadata(folder.with_file_name(format!("journal.set-aside-{}", name(*count)))).is_err();
    let name = name((1..u32::MAX).find(free).unwrap_or(u32::MAX));
    let place = folder.with_file_name(format!("journal.set-aside-{name}"));
    fs::rename(folder, &place)?;
    *set_aside = Some((place, why));
    begin(folder, &format!("sled-{name}"), ground)
}

/// Opens sled and reads everything, on a thread that is given up when it hangs. Such a thread does not keep the process from ending.
fn open_within(folder: &Path, data: &Path, trim: bool) -> Result<Contents, Trouble> {
    let known = read_mark(folder).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => Trouble::Damaged(format!("its mark cannot be read: {error}")),
        _ => Trouble::Unwritable(format!("its mark cannot be read: {error}")),
    })?;
    foresee(data, known.as_ref())?;
    let (tell, told) = mpsc::channel();
    let path = data.to_owned();
    let opened = std::thread::Builder::new().name("journal-opening".to_owned()).spawn(move || {
        // sled can panic on damage, too: then the channel closes, and that is an answer.
        let _ = tell.send(open_and_check(&path, known.as_ref(), trim));
    });
    if let Err(error) = opened {
        return Err(Trouble::Unwritable(format!("no thread could be started: {error}")));
    }
    match told.recv_timeout(OPENING) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Trouble::Damaged(format!("opening it took longer than {} s", OPENING.as_secs()))),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Trouble::Damaged("opening it failed".to_owned())),
    }
}

/// What can be known to be wrong before sled is asked: it takes a foreign file for an empty database and writes over it.
fn foresee(data: &Path, known: Option<&Chain>) -> Result<(), Trouble> {
    let missing = |what: &str| Err(Trouble::Damaged(format!("{what}, where {} records were", known.map_or(0, |chain| chain.number))));
    let mut begins = Vec::new();
    match plain::open(&data.join("db")).and_then(|file| file.take(20).read_to_end(&mut begins)) {
        Err(error) if error.kind() == ErrorKind::NotFound && known.is_some() => return missing("its data is gone"),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if is_in_the_way(&error) => return Err(Trouble::Unwritable(error.to_string())),
        Err(error) => return Err(Trouble::Damaged(format!("its data cannot be read: {error}"))),
        Ok(0) if known.is_some() => return missing("its data is empty"),
        Ok(_) => {}
    }
    if begins.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    // A segment begins with a checksum and its place in the log, inverted (sled 0.34, `SegmentHeader`).
    let place = begins.get(4..12).and_then(|bytes| bytes.try_into().ok()).map(|bytes| i64::from_le_bytes(bytes) ^ i64::MAX);
    match place {
        Some(place) if place >= 0 && place % SEGMENT == 0 && data.join("conf").is_file() => Ok(()),
        _ => Err(Trouble::Damaged("its data is no file of sled's".to_owned())),
    }
}

fn open_and_check(folder: &Path, known: Option<&Chain>, trim: bool) -> Result<Contents, Trouble> {
    let damaged = |error: &dyn std::fmt::Display| Trouble::Damaged(error.to_string());
    let config = sled::Config::new().path(folder).cache_capacity(4 << 20).flush_every_ms(None);
    let db = patiently(&config).map_err(of_sled)?;
    let mut gathering = Gathering::default();
    let mut first = None;
    let mut chain: Option<Chain> = None;
    for entry in db.iter() {
        let (key, bytes) = entry.map_err(of_sled)?;
        let version: Versioned = serde_json::from_slice(&bytes).map_err(|error| damaged(&format!("a record cannot be read: {error}")))?;
        if version.version > VERSION {
            return Err(Trouble::Newer(version.version));
        }
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| damaged(&format!("a record cannot be read: {error}")))?;
        let follows = chain.as_ref().is_none_or(|chain| record.number == chain.number + 1 && record.previous == chain.digest);
        if key.as_ref() != record.number.to_be_bytes() || !follows {
            return Err(damaged(&format!("records are missing before number {}", record.number)));
        }
        let digest = sha256(&bytes);
        if known.is_some_and(|known| known.number == record.number && known.digest != digest) {
            return Err(damaged(&format!("record {} is not the one that was written", record.number)));
        }
        gathering.take(&record);
        first.get_or_insert(record.number);
        chain = Some(Chain { number: record.number, digest });
    }
    let mut chain = chain.unwrap_or_default();
    if let Some(known) = known.filter(|known| known.number > chain.number) {
        return Err(damaged(&format!("it ends at record {}, and {} were written", chain.number, known.number)));
    }
    let first = first.unwrap_or(1);
    if trim && chain.number.saturating_sub(first) >= KEPT as u64 {
        let end = chain.number + 1 - KEPT as u64;
        chain = shorten(&db, first..end, gathering.needed(end, Timestamp::now()), chain)?;
    }
    Ok(Contents { db, past: gathering.past(), chain })
}

/// Takes the oldest records out. What still counts of them is written once more at the end, at the same moment: so the journal stays short, however many
/// records one run writes. Answers with the new end of the chain.
fn shorten(db: &sled::Db, gone: std::ops::Range<u64>, needed: Vec<Record>, chain: Chain) -> Result<Chain, Trouble> {
    let mut batch = sled::Batch::default();
    for number in gone {
        batch.remove(&number.to_be_bytes());
    }
    let chain = needed.into_iter().try_fold(chain, |chain, record| {
        let record = Record { version: VERSION, number: chain.number + 1, previous: chain.digest, ..record };
        let bytes = serde_json::to_vec(&record).map_err(|error| Trouble::Damaged(error.to_string()))?;
        let next = Chain { number: record.number, digest: sha256(&bytes) };
        batch.insert(&record.number.to_be_bytes(), bytes);
        Ok(next)
    })?;
    db.apply_batch(batch).map_err(of_sled)?;
    Ok(chain)
}

/// Opens sled; its threads let go of the file a moment after the journal that had it was closed.
fn patiently(config: &sled::Config) -> sled::Result<sled::Db> {
    for _ in 0..50 {
        match config.open() {
            Err(sled::Error::Io(error)) if is_locked(&error) => std::thread::sleep(Duration::from_millis(20)),
            opened => return opened,
        }
    }
    config.open()
}

/// The version of a record, whatever else it holds.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Whether an error says that the disk is full, the folder not to be written, or its data in use: nothing is wrong with the data then.
fn is_in_the_way(error: &std::io::Error) -> bool {
    use ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, ResourceBusy, StorageFull, WriteZero};
    matches!(error.kind(), FileTooLarge | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | ResourceBusy | StorageFull | WriteZero)
        || is_locked(error)
}

fn of_sled(error: sled::Error) -> Trouble {
    match &error {
        sled::Error::Io(inner) if is_in_the_way(inner) => Trouble::Unwritable(inner.to_string()),
        // In the words of a person: sled shows offsets and its own types.
        sled::Error::Io(inner) => Trouble::Damaged(format!("its data cannot be read: {inner}")),
        sled::Error::Corruption { .. } => Trouble::Damaged("its data is not as it was written".to_owned()),
        _ => Trouble::Damaged("its data cannot be understood".to_owned()),
    }
}

/// sled has no kind of error for it.
fn is_locked(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// Writes down the last record that is on disk. Not synced itself: an older mark after a loss of power is still a true one.
pub(super) fn mark(mut file: &File, chain: &Chain) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{:020} {}\n", chain.number, chain.digest).as_bytes())
}

/// The last record that was known to be on disk. A mark that cannot be understood says nothing.
fn read_mark(folder: &Path) -> std::io::Result<Option<Chain>> {
    let mut bytes = Vec::new();
    match plain::open(&folder.join(MARK)).and_then(|file| file.take(4096).read_to_end(&mut bytes)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let text = String::from_utf8_lossy(&bytes);
    let mark = text.trim_end().split_once(' ').and_then(|(number, digest)| Some((number.parse::<u64>().ok()?, digest)));
    let sound = mark.filter(|(number, digest)| *number > 0 && digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if sound.is_none() && !bytes.is_empty() {
        tracing::warn!(
            "{} cannot be understood: whether records are missing at the journal's end is not known",
            folder.join(MARK).display()
        );
    }
    Ok(sound.map(|(number, digest)| Chain { number, digest: digest.to_owned() }))
}

/// Shows that the folder can be written, before sled is asked: a full disk is no damage.
fn probe(state: &Path) -> std::io::Result<()> {
    let path = state.join("probe");
    plain::no_other(&path)?;
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; ROOM])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}
