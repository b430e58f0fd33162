//! What versions can do.

use super::nodes::Nodes;
use super::trouble::Trouble;

/// `7.0.15` as (7, 0); (0, 0) where it is not a version.
pub fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// The RDB version that a server of this version dumps in (RDB_VERSION in Redis' rdb.h); nothing for those that are not known. Valkey 7.2 and 8 say that
/// they are 7.2.4.
fn payload_version(version: &str) -> Option<u16> {
    match number(version) {
        (5, _) | (6, 0..=2) => Some(9),
        (7, 0 | 1) => Some(10),
        (7, 2 | 3) => Some(11),
        (7, 4) => Some(12),
        _ => None,
    }
}

/// Whether `reader` reads what `dumper` dumps, both versions.
pub fn payload_fits(dumper: &str, reader: &str) -> bool {
    match (payload_version(dumper), payload_version(reader)) {
        (Some(dumps), Some(reads)) => dumps <= reads,
        // Not known: a newer version reads what an older one dumps.
        _ => number(dumper) <= number(reader),
    }
}

/// Fails where a primary of the target cannot read what one of the source dumps.
pub fn fit(source: &Nodes, target: &Nodes) -> Result<(), Trouble> {
    for from in 0..source.shards() {
        for to in 0..target.shards() {
            let (Some(one), Some(other)) = (source.identity(from), target.identity(to)) else { return Err(Trouble::NoShard) };
            if !payload_fits(&one.version, &other.version) {
                return Err(Trouble::Versions {
                    source_node: source.node(from),
                    source_version: one.version.clone(),
                    target_node: target.node(to),
                    target: other.version.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_as_old_as_the_server() {
        for (version, payload) in [("5.0.6", 9), ("6.2.14", 9), ("7.0.15", 10), ("7.1.0", 10), ("7.2.4", 11)] {
            assert_eq!(payload_version(version), Some(payload), "{version}");
        }
        assert_eq!(payload_version("canary"), None);
        assert!(number("6.2.14") < number("7.0.4") && number("7.0.15") < number("10.1"));
        assert!(
            payload_fits("7.0.4", "7.1.0")
                && payload_fits("7.1.0", "7.0.4")
                && payload_fits("6.2.14", "7.1.0")
                && !payload_fits("7.1.0", "6.2.14")
        );
    }
}
