//! Engines, their versions and the parameter group families of those.

/// A version that RDS offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub engine: &'static str,
    pub version: &'static str,
}

/// Oldest first. Not every version there is: some of each major one, so that upgrades can be tried.
const VERSIONS: &[(&str, &[&str])] = &[
    ("mysql", &["8.0.32", "8.0.35", "8.0.36", "8.0.40"]),
    (
        "postgres",
        &[
            "13.11", "13.15", "13.20", "14.7", "14.9", "14.10", "14.12", "14.17", "15.3", "15.4", "15.7", "15.12", "16.1", "16.3", "16.4",
            "16.8", "17.2", "17.4",
        ],
    ),
];

const DEFAULT_VERSIONS: &[(&str, &str)] = &[("mysql", "8.0.40"), ("postgres", "17.4")];

/// Families that parameter groups can be made for.
pub const FAMILIES: &[&str] = &["mysql8.0", "postgres13", "postgres14", "postgres15", "postgres16", "postgres17"];

/// Every version, by engine, oldest first.
pub fn versions() -> impl Iterator<Item = Version> {
    VERSIONS.iter().flat_map(|(engine, versions)| versions.iter().map(|version| Version { engine, version }))
}

/// The version that an engine gets where none is named; None for an engine that is not offered here.
pub fn default_version(engine: &str) -> Option<&'static str> {
    DEFAULT_VERSIONS.iter().find(|(name, _)| *name == engine).map(|(_, version)| *version)
}

/// The whole version that `wanted` names: itself, or the newest of a major version (`15`).
pub fn resolve(engine: &str, wanted: &str) -> Option<&'static str> {
    let mut offered: Vec<&str> = versions().filter(|version| version.engine == engine).map(|version| version.version).collect();
    offered.reverse();
    offered.iter().find(|version| **version == wanted).or_else(|| offered.iter().find(|version| major(engine, version) == wanted)).copied()
}

/// `14` of PostgreSQL's `14.9`, `8.0` of MySQL's `8.0.36`.
pub fn major<'a>(engine: &str, version: &'a str) -> &'a str {
    let dots = if engine == "mysql" { 2 } else { 1 };
    version.match_indices('.').nth(dots - 1).map_or(version, |(at, _)| version.get(..at).unwrap_or(version))
}

/// `postgres14`.
pub fn family(engine: &str, version: &str) -> String {
    format!("{engine}{}", major(engine, version))
}

/// A version as numbers, for comparing.
pub fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// The logs that an engine can export.
pub fn log_types(engine: &str) -> &'static [&'static str] {
    match engine {
        "mysql" => &["audit", "error", "general", "iam-db-auth-error", "slowquery"],
        "postgres" => &["iam-db-auth-error", "postgresql", "upgrade"],
        _ => &[],
    }
}

/// The port that an engine listens on unless told otherwise.
pub fn port(engine: &str) -> i64 {
    if engine == "mysql" { 3306 } else { 5432 }
}

/// Whether Performance Insights can be turned on (user guide, "Amazon RDS DB engine, Region, and instance class support
/// for Performance Insights").
pub fn performance_insights(engine: &str, class: &str) -> bool {
    const TOO_SMALL: &[&str] = &["db.t2.micro", "db.t2.small", "db.t3.micro", "db.t3.small", "db.t4g.micro", "db.t4g.small"];
    engine != "mysql" || !TOO_SMALL.contains(&class)
}

/// The certificate authorities: identifier, end of validity.
pub const CERTIFICATES: &[(&str, &str)] = &[
    ("rds-ca-2019", "2024-08-22T17:08:50Z"),
    ("rds-ca-ecc384-g1", "2121-05-25T22:25:58Z"),
    ("rds-ca-rsa2048-g1", "2061-05-21T23:24:31Z"),
    ("rds-ca-rsa4096-g1", "2121-05-21T23:27:25Z"),
];

/// What a certificate that nobody named is replaced by.
pub const DEFAULT_CERTIFICATE: &str = "rds-ca-rsa2048-g1";
