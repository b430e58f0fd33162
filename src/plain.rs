//! Plain files alone, in the folder of a run's state: what else has such a name is somebody else's.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Opens a file to read it. Anything but a plain file is refused: opening a pipe waits for somebody at its other end, for ever.
pub fn open(path: &Path) -> std::io::Result<File> {
    no_other(path)?;
    File::open(path)
}

/// The bytes of a plain file.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Refuses what stands at `path` and is no plain file.
pub fn no_other(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(std::io::Error::new(ErrorKind::InvalidInput, format!("{} is no plain file", path.display()))),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
