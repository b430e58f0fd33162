//! Whether two sides fit.

use std::collections::BTreeMap;

use super::{Facts, Finding};
use crate::migration::hold::nodes::version_of;

/// Clocks that differ by more are refused: RESTORE with a time that is past on the target answers OK and deletes (rule 4).
const CLOCKS_MS: i64 = 1000;
/// What a target must have free, for each 100 bytes that the source uses: representation, buffers, fragmentation.
const ROOM_PERCENT: u64 = 110;

/// What stands in the way between the two, and what is promised less.
pub fn fit(source: &Facts, target: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    versions(source, target, &mut findings);
    memory(source, target, &mut findings);
    databases(source, target, &mut findings);
    modules(source, target, &mut findings);
    clocks(source, target, &mut findings);
    findings.sort();
    findings
}

/// The version of the payloads that a server of this version writes, where no key of it could be dumped.
fn payloads_of(version: &str) -> Option<u16> {
    match version_of(version) {
        (5, ..) | (6, ..) => Some(9),
        (7, 0 | 1, _) => Some(10),
        (7, 2 | 3, _) => Some(11),
        (7, 4, _) => Some(12),
        _ => None,
    }
}

fn versions(source: &Facts, target: &Facts, findings: &mut Vec<Finding>) {
    let payloads = |facts: &Facts| facts.primaries().filter_map(|node| node.payload_version.or_else(|| payloads_of(&node.version))).max();
    let lowest = |facts: &Facts| facts.primaries().filter_map(|node| node.payload_version.or_else(|| payloads_of(&node.version))).min();
    if let (Some(written), Some(read)) = (payloads(source), lowest(target))
        && written > read
    {
        let what = format!("the source writes payloads of version {written}, and the target reads up to {read}");
        findings.push(Finding::blocks(what, "restore into an engine that is not older than the source"));
    }
    if let (Some(written), Some(read)) = (payloads(target), lowest(source))
        && written > read
    {
        let what = format!(
            "the target writes payloads of version {written}, and the source reads up to {read}: after the cut over there is no way back with what was written since"
        );
        findings.push(Finding::warns(what, "restore into the source's own engine version first, and upgrade later"));
    }
}

fn memory(source: &Facts, target: &Facts, findings: &mut Vec<Finding>) {
    let used: u64 = source.primaries().map(|node| node.used_memory).sum();
    let unlimited = target.primaries().any(|node| node.maxmemory == 0);
    let room: u64 = target.primaries().map(|node| node.maxmemory).sum();
    let needed = used.saturating_mul(ROOM_PERCENT) / 100;
    if !unlimited && target.primaries().count() > 0 && needed > room {
        let what = format!("the source uses {used} bytes, and the target may use {room}");
        findings.push(Finding::blocks(what, "take a larger node type, or more shards"));
    }
    if target.primaries().any(|node| node.eviction != "noeviction" && node.maxmemory > 0)
        && needed.saturating_mul(10) / 9 > room
        && !unlimited
    {
        findings.push(Finding::warns(
            "the target is nearly full with the source's keys, and evicts".to_owned(),
            "take a larger node type: each eviction before the commit means another full pass",
        ));
    }
}

fn databases(source: &Facts, target: &Facts, findings: &mut Vec<Finding>) {
    let used: Vec<u32> = source.primaries().flat_map(|node| node.keys.keys().copied()).collect();
    if let Some(last) = used.iter().max().filter(|last| **last >= target.databases) {
        let what = format!("the source uses database {last}, and the target has {}", target.databases);
        findings.push(Finding::blocks(what, "set `databases` in the target's parameter group, or keep cluster mode off"));
    }
}

fn modules(source: &Facts, target: &Facts, findings: &mut Vec<Finding>) {
    for node in source.primaries() {
        let missing: Vec<&str> = node
            .modules
            .iter()
            .map(String::as_str)
            .filter(|module| !target.primaries().all(|other| other.modules.iter().any(|known| known == module)))
            .collect();
        if !missing.is_empty() {
            let what = format!("{} has modules that the target has not: {}", node.node, missing.join(", "));
            findings.push(Finding::blocks(what, "keys of a module's types can only be read by the module: choose an engine that has it"));
        }
    }
    let libraries: u64 = source.primaries().map(|node| node.functions).sum();
    if libraries > 0 && target.primaries().any(|node| version_of(&node.version) < (7, 0, 0)) {
        let what = format!("the source has {libraries} libraries of functions, and the target's engine has no functions");
        findings.push(Finding::blocks(what, "restore into 7.0 or newer"));
    }
}

fn clocks(source: &Facts, target: &Facts, findings: &mut Vec<Finding>) {
    let all: BTreeMap<i64, &str> =
        source.primaries().chain(target.primaries()).map(|node| (node.clock_ahead_ms, node.node.as_str())).collect();
    if let (Some((slow, one)), Some((fast, other))) = (all.first_key_value(), all.last_key_value()) {
        let apart = fast.saturating_sub(*slow);
        if apart > CLOCKS_MS {
            let what = format!("the clock of {other} is {apart} ms ahead of that of {one}");
            findings.push(Finding::blocks(what, "wait until AWS has set them, or replace the node: expiries would be wrong"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::NodeFacts;
    use super::*;

    fn facts(change: impl FnOnce(&mut NodeFacts)) -> Facts {
        let mut node = NodeFacts {
            node: "a:1".to_owned(),
            shard: 0,
            primary: true,
            version: "7.0.15".to_owned(),
            run_id: "x".to_owned(),
            cluster_epoch: None,
            used_memory: 1000,
            dataset: 900,
            maxmemory: 2000,
            eviction: "noeviction".to_owned(),
            evicted_keys: 0,
            keys: BTreeMap::from([(0, 10), (3, 1)]),
            changes: 1.0,
            round_trip: Duration::from_millis(1),
            clock_ahead_ms: 0,
            tracking: true,
            functions: 0,
            scripts: 0,
            modules: Vec::new(),
            payload_version: Some(10),
        };
        change(&mut node);
        Facts { nodes: vec![node], databases: 16, cluster: false }
    }

    #[test]
    fn each_misfit_is_said() {
        let plain = || facts(|_| {});
        assert_eq!(fit(&plain(), &plain()), []);
        let one = |source: Facts, target: Facts| {
            let findings = fit(&source, &target);
            assert_eq!(findings.len(), 1, "{findings:?}");
            (findings[0].blocks, findings[0].what.clone())
        };
        let misfits = [
            (facts(|node| node.payload_version = Some(11)), plain(), true, "payloads of version 11"),
            (plain(), facts(|node| node.payload_version = Some(11)), false, "no way back"),
            (facts(|node| node.used_memory = 1900), plain(), true, "uses 1900 bytes"),
            (facts(|node| node.modules.push("bf".to_owned())), plain(), true, "bf"),
            (plain(), facts(|node| node.clock_ahead_ms = -1500), true, "1500 ms ahead"),
            (plain(), Facts { databases: 1, ..plain() }, true, "database 3"),
            (facts(|node| node.used_memory = 1700), facts(|node| node.eviction = "allkeys-lru".to_owned()), false, "nearly full"),
        ];
        for (source, target, blocks, words) in misfits {
            let (blocked, what) = one(source, target);
            assert!(blocked == blocks && what.contains(words), "{what}");
        }
        // An empty side says what it can by its engine's version.
        let old = facts(|node| (node.payload_version, node.version) = (None, "6.2.6".to_owned()));
        assert!(fit(&plain(), &old).iter().any(|finding| finding.blocks));
        assert_eq!(fit(&Facts::default(), &Facts::default()), []);
    }
}
