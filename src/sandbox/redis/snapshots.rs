//! Snapshots: the RDB files of a group, one a shard, by the snapshot's name.

use std::fs;
use std::path::PathBuf;

use super::error::FleetError;
use super::fleet::Ground;
use super::node::Node;

fn folder(ground: &Ground, name: &str) -> PathBuf {
    ground.folder.join("snapshots").join(name)
}

/// The snapshots that are here.
pub fn all(ground: &Ground) -> Vec<String> {
    let Ok(entries) = fs::read_dir(ground.folder.join("snapshots")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| !name.ends_with(PART)).collect()
}

/// A folder that is not whole yet.
const PART: &str = ".part";

/// The files of a snapshot, in the order of the shards.
pub fn find(ground: &Ground, name: &str) -> Result<Vec<PathBuf>, FleetError> {
    let mut files: Vec<PathBuf> = match fs::read_dir(folder(ground, name)) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    files.sort();
    if files.is_empty() { Err(FleetError::NoSnapshot(name.to_owned())) } else { Ok(files) }
}

/// Takes a snapshot from these nodes, one a shard.
pub fn take(ground: &Ground, name: &str, nodes: &[&Node]) -> Result<(), FleetError> {
    let mut files = Vec::new();
    for node in nodes {
        files.push(node.save(ground)?);
    }
    store(ground, name, &files)
}

/// A snapshot with the data of another.
pub fn copy(ground: &Ground, name: &str, source: &str) -> Result<(), FleetError> {
    store(ground, name, &find(ground, source)?)
}

fn store(ground: &Ground, name: &str, files: &[PathBuf]) -> Result<(), FleetError> {
    let part = folder(ground, &format!("{name}{PART}"));
    fs::create_dir_all(&part)?;
    for (index, file) in files.iter().enumerate() {
        fs::copy(file, part.join(format!("{:04}.rdb", index + 1)))?;
    }
    Ok(fs::rename(part, folder(ground, name))?)
}

pub fn remove(ground: &Ground, name: &str) -> Result<(), FleetError> {
    Ok(fs::remove_dir_all(folder(ground, name))?)
}
