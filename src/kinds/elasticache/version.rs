//! Engine versions: how they compare, how they are asked for, and which parameter groups fit them.

/// Where transit encryption can be turned on in place. Valkey, which began with 7.2, lies above. [AWS documentation, "Enabling
/// in-transit encryption on a node-based cluster"]
pub const TRANSIT_IN_PLACE: [u32; 3] = [7, 0, 5];
/// Where the AUTH token of a group can be changed. [AWS documentation, "Authenticating with the AUTH command"]
pub const TOKEN_CHANGE: [u32; 3] = [5, 0, 6];
/// Where writes can be held alone (CLIENT PAUSE WRITE) and let go (CLIENT UNPAUSE). [Redis documentation, CLIENT PAUSE]
pub const HOLDS_WRITES: [u32; 3] = [6, 2, 0];
/// Where the slow log can be delivered. [AWS documentation, "Log delivery"]
pub const SLOW_LOG: [u32; 3] = [6, 0, 0];
/// Where the engine log can be delivered. [AWS documentation, "Log delivery"]
pub const ENGINE_LOG: [u32; 3] = [6, 2, 0];

/// The numbers of a version; an `x` ends them: `7.1.0` is 7, 1, 0 and `6.x` is 6.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Whether a version found is the declared one or a newer, as far as the declared one is written out: 7.1.0 satisfies `7.1`.
pub fn satisfies(found: &str, declared: &str) -> bool {
    let (found, declared) = (numbers(found), numbers(declared));
    let found: Vec<u32> = found.into_iter().chain(std::iter::repeat(0)).take(declared.len()).collect();
    !declared.is_empty() && found >= declared
}

/// Whether a version is `least` or newer.
pub fn reaches(version: &str, least: [u32; 3]) -> bool {
    let padded: Vec<u32> = numbers(version).into_iter().chain(std::iter::repeat(0)).take(3).collect();
    padded.as_slice() >= least.as_slice()
}

/// Whether the newest version that AWS makes of the asked one is `least` or newer: it chooses the patch.
pub fn newest_reaches(wanted: &str, least: [u32; 3]) -> bool {
    let newest: Vec<u32> = numbers(&asked(wanted)).into_iter().chain(std::iter::repeat(u32::MAX)).take(3).collect();
    newest.as_slice() >= least.as_slice()
}

/// Whether one of the versions that AWS offers is the declared one, as far as both are written out: `7.1` is, of 7.1.0 as of 7.1.
pub fn is_offered(offered: &[String], declared: &str) -> bool {
    let asked = numbers(&asked(declared));
    let is = |one: &String| asked.iter().zip(numbers(one)).all(|(asked, one)| *asked == one) && numbers(one).len() >= asked.len();
    !asked.is_empty() && offered.iter().any(is)
}

/// Those of the offered versions that are newer than `found`, the oldest first.
pub fn newer(offered: &[String], found: &str) -> Vec<String> {
    let mut newer: Vec<String> = offered.iter().filter(|one| !satisfies(found, one)).cloned().collect();
    newer.sort_by_key(|one| numbers(one));
    newer
}

/// The lower of two versions.
pub fn lower(one: String, other: String) -> String {
    if numbers(&other) < numbers(&one) { other } else { one }
}

/// Whether two versions differ in their patch only.
pub fn same_minor(one: &str, other: &str) -> bool {
    let (one, other) = (numbers(one), numbers(other));
    one.len() >= 2 && one.iter().take(2).eq(other.iter().take(2))
}

/// A version as the API takes it: from Redis 6 on AWS chooses the patch, and refuses a version that names it.
/// [hashicorp/terraform-provider-aws, documentation of `engine_version`]
pub fn asked(version: &str) -> String {
    match numbers(version).as_slice() {
        [major, minor, ..] if *major >= 6 => format!("{major}.{minor}"),
        _ => version.to_owned(),
    }
}

/// The parameter group family of a version. [service model, CacheParameterGroupFamily]
pub fn family(engine: &str, version: &str) -> String {
    let numbers = numbers(version);
    let major = numbers.first().copied().unwrap_or_default();
    match (engine, major) {
        ("redis", 6) => "redis6.x".to_owned(),
        ("redis", 0..=5) => format!("redis{major}.{}", numbers.get(1).copied().unwrap_or_default()),
        (engine, major) => format!("{engine}{major}"),
    }
}

/// AWS's own parameter group of a family.
pub fn default_group(family: &str, cluster_mode: bool) -> String {
    format!("default.{family}{}", if cluster_mode { ".cluster.on" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_chooses_the_newest_patch() {
        assert!(
            newest_reaches("7.0", TRANSIT_IN_PLACE) && newest_reaches("7.1", TRANSIT_IN_PLACE) && newest_reaches("8.x", TRANSIT_IN_PLACE)
        );
        assert!(
            !newest_reaches("6.2", TRANSIT_IN_PLACE)
                && !newest_reaches("6.x", TRANSIT_IN_PLACE)
                && !newest_reaches("5.0.6", TRANSIT_IN_PLACE)
        );
    }

    #[test]
    fn a_version_found_satisfies_what_is_declared_of_it() {
        for (found, declared, is) in [
            ("7.1.0", "7.1", true),
            ("7.1.0", "7.1.0", true),
            ("7.1.0", "7.0", true),
            ("8.0.1", "7.1", true),
            ("7.0.7", "7.1", false),
            ("7.0.4", "7.0.7", false),
            ("6.2.6", "6.x", true),
            ("5.0.6", "6.x", false),
            ("10.0.0", "9.1", true),
            ("7.1", "7.1.0", true),
            ("", "7.1", false),
        ] {
            assert_eq!(satisfies(found, declared), is, "{found} for {declared}");
        }
    }

    #[test]
    fn what_is_offered_is_known_with_and_without_its_patch() {
        let offered: Vec<String> = ["7.0", "5.0.6", "7.1.0", "6.2"].map(str::to_owned).into();
        for declared in ["7.1", "7.1.0", "7.0", "6.x", "5.0.6"] {
            assert!(is_offered(&offered, declared), "{declared}");
        }
        for declared in ["7.9", "8.0", "8.x", "5.0.7", "7.10", "x"] {
            assert!(!is_offered(&offered, declared), "{declared}");
        }
        assert_eq!(newer(&offered, "6.2.6"), ["7.0", "7.1.0"]);
    }

    #[test]
    fn thresholds_and_families() {
        assert!(reaches("7.0.5", TRANSIT_IN_PLACE) && reaches("7.2", TRANSIT_IN_PLACE) && reaches("8.0.1", TRANSIT_IN_PLACE));
        assert!(!reaches("7.0.4", TRANSIT_IN_PLACE) && !reaches("6.2.6", TRANSIT_IN_PLACE) && !reaches("", TRANSIT_IN_PLACE));
        for (engine, version, is) in [
            ("redis", "3.2.10", "redis3.2"),
            ("redis", "5.0.6", "redis5.0"),
            ("redis", "6.2.6", "redis6.x"),
            ("redis", "7.1.0", "redis7"),
            ("valkey", "7.2.6", "valkey7"),
            ("valkey", "8.1.0", "valkey8"),
        ] {
            assert_eq!(family(engine, version), is);
        }
        assert_eq!(default_group("redis7", true), "default.redis7.cluster.on");
        assert_eq!((asked("7.1.0").as_str(), asked("6.x").as_str(), asked("5.0.6").as_str()), ("7.1", "6.x", "5.0.6"));
        assert!(same_minor("7.0.4", "7.0.7") && !same_minor("7.0.4", "7.1"));
        assert_eq!(lower("7.1.0".to_owned(), "7.0.7".to_owned()), "7.0.7");
    }
}
