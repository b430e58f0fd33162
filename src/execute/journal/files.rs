//! The files of a state folder: the lock, and a copy of the data where it cannot be read in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::JournalError;
use crate::plain;

/// The data of a journal somewhere else, for as long as it is read.
pub(super) struct Copied(pub(super) PathBuf);

impl Copied {
    pub(super) fn of(data: &Path) -> std::io::Result<Copied> {
        let place = std::env::temp_dir().join(format!("holdfast-journal-{}-{:016x}", std::process::id(), fastrand::u64(..)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Refused where it is there already: somebody else's.
        builder.create(&place)?;
        let copied = Copied(place);
        copy(data, &copied.0)?;
        Ok(copied)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // What stays behind is in the folder for what is temporary.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, place) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&place)?;
            copy(&entry.path(), &place)?;
        } else if kind.is_file() {
            // Not `fs::copy`, which takes over that nobody may write.
            std::io::copy(&mut File::open(entry.path())?, &mut File::create(&place)?)?;
        }
    }
    Ok(())
}

/// Locks the folder for a run.
pub(super) fn lock(state: &Path, who: &str) -> Result<File, JournalError> {
    let path = state.join("lock");
    let unwritable = |error: std::io::Error| JournalError::Unwritable { folder: state.to_owned(), error: error.to_string() };
    plain::no_other(&path).map_err(unwritable)?;
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
    take(&mut file, state)?;
    tell_holder(&mut file, who).map_err(unwritable)?;
    Ok(file)
}

/// The lock of somebody who only reads: nothing need be written for it. None where there is no file to lock, and none can be made.
pub(super) fn lock_to_read(state: &Path, who: &str) -> Result<Option<File>, JournalError> {
    let path = state.join("lock");
    let unlocked = |error: std::io::Error| JournalError::Unlocked { folder: state.to_owned(), error: error.to_string() };
    plain::no_other(&path).map_err(unlocked)?;
    if let Ok(mut file) = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
        take(&mut file, state).map_err(of_reader)?;
        // Only words for a second process.
        let _ = tell_holder(&mut file, who);
        return Ok(Some(file));
    }
    match File::open(&path) {
        Ok(mut file) => take(&mut file, state).map(|()| Some(file)).map_err(of_reader),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unlocked(error)),
    }
}

/// Another folder holds nothing of what a reader looks for.
fn of_reader(error: JournalError) -> JournalError {
    match error {
        JournalError::Held { folder, holder } => JournalError::HeldFromReaders { folder, holder },
        error => error,
    }
}

fn take(file: &mut File, state: &Path) -> Result<(), JournalError> {
    // A process that was just begun elsewhere in this one (credential_process) holds its copy of an earlier lock until it is another program.
    let mut locked = file.try_lock();
    for _ in 0..20 {
        if !matches!(locked, Err(fs::TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = Vec::new();
            // Only words for a person: what cannot be read is simply not told.
            let _ = file.take(4096).read_to_end(&mut holder);
            let holder = crate::aws::clean(&String::from_utf8_lossy(&holder));
            let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
            Err(JournalError::Held { folder: state.to_owned(), holder })
        }
        Err(fs::TryLockError::Error(error)) => Err(JournalError::Unlocked { folder: state.to_owned(), error: error.to_string() }),
    }
}

/// Writes down who holds the lock, for whoever finds it held.
fn tell_holder(file: &mut File, who: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    let told = format!("process {} ({who}), since {}", std::process::id(), Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"));
    file.write_all(told.as_bytes())
}
