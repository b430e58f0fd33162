//! Where the programs that a test starts record the requests that they send.

use std::path::{Path, PathBuf};

/// The folder of records of a test whose own folder, which no other test has, is `folder`. Where the whole suite is recorded it is below that, so
/// that what is sent here is checked against the published models, too (`tests/run requests`).
pub fn requests(folder: &Path) -> PathBuf {
    let suite = std::env::var_os("HOLDFAST_SANDBOX_RECORD");
    match (suite, folder.file_name()) {
        (Some(suite), Some(name)) => Path::new(&suite).join(format!("{}-{}", std::process::id(), name.to_string_lossy())),
        _ => folder.join("requests"),
    }
}
