//! From a folder to the files in it, and to their bytes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::super::problem::Problem;
use super::super::scan::MAX_BYTES;
use super::{MAX_FILES, MAX_FOLDERS_DEEP, Reader};

/// What stands in standard input, which can be read once: a command may ask for its manifest again.
pub(super) fn stdin() -> std::io::Result<&'static [u8]> {
    static READ: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(bytes) = READ.get() {
        return Ok(bytes);
    }
    let bytes = read_all(std::io::stdin().lock())?;
    Ok(READ.get_or_init(|| bytes))
}

/// The bytes of a manifest; of one that is too large as many as show that.
fn read_all(from: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Reader<'_> {
    pub(super) fn list(&mut self, folder: &Path, deep: usize, seen: &mut BTreeSet<PathBuf>, files: &mut Vec<PathBuf>) {
        let name = folder.display().to_string();
        if deep > MAX_FOLDERS_DEEP {
            return self.say(Problem::of_file(&name, format!("folders stand more than {MAX_FOLDERS_DEEP} deep in each other")));
        }
        // A link to a folder around it would lead here for ever.
        if folder.canonicalize().is_ok_and(|real| !seen.insert(real)) {
            return;
        }
        let entries = match fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>()) {
            Ok(entries) => entries,
            Err(error) => return self.say(Problem::of_file(&name, format!("this folder cannot be read: {error}"))),
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                self.list(&path, deep + 1, seen, files);
                continue;
            }
            let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
            if !is_yaml || matches!(name.as_str(), "kustomization.yaml" | "kustomization.yml") {
                continue;
            }
            if files.len() >= MAX_FILES {
                return self.say(Problem::of_file(&path.display().to_string(), format!("more than {MAX_FILES} files in this folder")));
            }
            files.push(path);
        }
    }

    pub(super) fn file(&mut self, path: &Path, in_folder: bool) {
        let name = path.display().to_string();
        // In a folder a pipe or a device would be waited for without end, by opening it already; given by name it is what somebody wants.
        if in_folder && path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return self.say(Problem::of_file(&name, "not a regular file"));
        }
        match File::open(path).and_then(read_all) {
            Ok(bytes) => self.bytes(path, &bytes, in_folder),
            Err(error) => self.say(Problem::of_file(&name, format!("this file cannot be read: {error}"))),
        }
    }
}
