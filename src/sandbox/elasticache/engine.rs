//! Engines, their versions and parameter group families.

use super::refusal::{combination, value};
use crate::sandbox::call::Refusal;

/// An engine version that can be created: engine, version, family. The newest of each family last.
pub const VERSIONS: &[(&str, &str, &str)] = &[
    ("memcached", "1.5.16", "memcached1.5"),
    ("memcached", "1.6.12", "memcached1.6"),
    ("memcached", "1.6.22", "memcached1.6"),
    ("redis", "4.0.10", "redis4.0"),
    ("redis", "5.0.0", "redis5.0"),
    ("redis", "5.0.3", "redis5.0"),
    ("redis", "5.0.4", "redis5.0"),
    ("redis", "5.0.5", "redis5.0"),
    ("redis", "5.0.6", "redis5.0"),
    ("redis", "6.0.5", "redis6.x"),
    ("redis", "6.2.6", "redis6.x"),
    ("redis", "7.0.4", "redis7"),
    ("redis", "7.0.5", "redis7"),
    ("redis", "7.0.7", "redis7"),
    ("redis", "7.1.0", "redis7"),
    ("valkey", "7.2.6", "valkey7"),
    ("valkey", "8.0.1", "valkey8"),
    ("valkey", "8.1.0", "valkey8"),
];

/// Where in-place transit encryption begins. [AWS documentation, "Enabling in-transit encryption"]
pub const TRANSIT_IN_PLACE: [u32; 3] = [7, 0, 5];
/// Where an AUTH token can be changed. [AWS documentation, "Authenticating with the AUTH command"]
pub const TOKEN_CHANGE: [u32; 3] = [5, 0, 6];

/// A version as numbers; what is missing or no number counts as 0.
pub fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

/// The full version behind what a request names: `7.1` and `6.x` stand for the newest that they begin.
pub fn resolve(engine: &str, version: Option<&str>) -> Result<String, Refusal> {
    if !["redis", "valkey", "memcached"].contains(&engine) {
        return Err(value(format!("Invalid value {engine} for parameter Engine. Supported: redis, valkey, memcached.")));
    }
    // From 6 on the service chooses the patch. [hashicorp/terraform-provider-aws, documentation of `engine_version`]
    if let Some(exact) = version.filter(|version| offered(engine, version) != *version && !version.ends_with(".x")) {
        let offered = offered(engine, exact);
        return Err(combination(format!("Specific version selection is not allowed for '{exact}', please use '{offered}'")));
    }
    let wanted = version.map(|version| version.trim_end_matches(".x"));
    let mut matching = VERSIONS.iter().filter(|(candidate, full, _)| {
        *candidate == engine
            && wanted.is_none_or(|wanted| *full == wanted || full.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')))
    });
    match matching.next_back() {
        Some((_, full, _)) => Ok((*full).to_owned()),
        None => Err(combination(format!("Cannot find version {} for {engine}", version.unwrap_or_default()))),
    }
}

/// A version as it is asked for and listed: without its patch from Redis 6 on.
pub fn offered<'a>(engine: &str, version: &'a str) -> &'a str {
    if engine == "memcached" || numbers(version) < [6, 0, 0] {
        return version;
    }
    match version.match_indices('.').nth(1) {
        Some((end, _)) => version.get(..end).unwrap_or(version),
        None => version,
    }
}

/// The parameter group family of a version.
pub fn family(engine: &str, version: &str) -> String {
    let [major, minor, _] = numbers(version);
    match (engine, major) {
        ("memcached", _) => format!("memcached{major}.{minor}"),
        ("redis", 6) => "redis6.x".to_owned(),
        ("redis", 0..=5) => format!("redis{major}.0"),
        (engine, _) => format!("{engine}{major}"),
    }
}

pub fn families() -> Vec<&'static str> {
    let mut families: Vec<&str> = VERSIONS.iter().map(|(_, _, family)| *family).collect();
    families.dedup();
    families
}

/// Refuses a change of version or engine that is no upgrade. Valkey may take over from Redis, never the other way.
pub fn upgrade(engine: &str, version: &str, to_engine: &str, to_version: &str) -> Result<(), Refusal> {
    match (engine, to_engine) {
        ("redis", "valkey") => {
            // [AWS documentation: cross-engine upgrades start from Redis OSS 5.0.6]
            if numbers(version) < TOKEN_CHANGE {
                return Err(combination(format!("Upgrading from {engine} {version} to {to_engine} is not supported.")));
            }
            Ok(())
        }
        (from, to) if from != to => Err(combination(format!("Modifying the engine from {from} to {to} is not supported."))),
        _ if numbers(to_version) < numbers(version) => {
            Err(combination(format!("Downgrading engine version from {version} to {to_version} is not supported.")))
        }
        _ => Ok(()),
    }
}
