//! Cluster mode: who has which slots, and how a node knows.
//!
//! A new cluster's nodes are not introduced to each other: each finds a `nodes.conf` in which all of it is written already.

use std::fmt::Write as _;

use super::node::Node;

/// Slots of a cluster.
pub const SLOTS: u32 = 16_384;

/// The slots of shard `index` of `count`, first and last: evenly, as ElastiCache deals them.
pub fn slots(index: usize, count: usize) -> (u16, u16) {
    let bound = |index: usize| u64::try_from(index).unwrap_or(0) * u64::from(SLOTS) / u64::try_from(count.max(1)).unwrap_or(1);
    let number = |bound: u64| u16::try_from(bound).unwrap_or(u16::MAX);
    (number(bound(index)), number(bound(index + 1).saturating_sub(1)))
}

/// The slot of a key: CRC16 (XMODEM) of the key, or of what stands in its first braces. [redis.io, cluster specification]
pub fn slot(key: &[u8]) -> u16 {
    let open = key.iter().position(|byte| *byte == b'{');
    let tag = open.and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}').filter(|close| *close > 0)?;
        rest.get(..close)
    });
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % 16_384
}

/// A node as the others know it.
pub struct Known<'a> {
    pub node: &'a Node,
    pub shard: usize,
    /// Of a primary.
    pub slots: Vec<(u16, u16)>,
    /// The name (in the cluster) of the primary that it follows; none of a primary.
    pub follows: Option<String>,
}

/// What `node` knows of the cluster when it starts: its [`NODES`].
pub fn introduce(node: &Node, all: &[Known<'_>], shards: usize) -> String {
    let mut text = String::new();
    for known in all {
        let myself = if known.node.id == node.id { "myself," } else { "" };
        let (role, primary) = match &known.follows {
            Some(primary) => ("slave", primary.as_str()),
            None => ("master", "-"),
        };
        let (ip, port, bus) = (known.node.ip, known.node.endpoint.at.port(), known.node.bus());
        let epoch = known.shard + 1;
        let _ = write!(text, "{} {ip}:{port}@{bus} {myself}{role} {primary} 0 0 {epoch} connected", known.node.id);
        if known.follows.is_none() {
            for (first, last) in &known.slots {
                let _ = write!(text, " {first}-{last}");
            }
        }
        text.push('\n');
    }
    let _ = writeln!(text, "vars currentEpoch {shards} lastVoteEpoch 0");
    text
}

/// What `id` knows when it starts as a replica of `primary`, given what the primary says with CLUSTER NODES. None where the primary does not know
/// it.
pub fn as_replica(id: &str, primary: &str, said: &str) -> Option<String> {
    let mut text = String::new();
    let (mut known, mut epoch) = (false, 0);
    for line in said.lines() {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let [name, _, flags, follows, _, _, its_epoch, ..] = words.as_mut_slice() else { continue };
        epoch = epoch.max(its_epoch.parse().unwrap_or(0));
        if name == id {
            known = true;
            *flags = "myself,slave".to_owned();
            primary.clone_into(follows);
            words.truncate(8);
        } else {
            let plain = flags.split(',').filter(|flag| *flag != "myself" && !flag.starts_with("fail"));
            *flags = plain.collect::<Vec<_>>().join(",");
        }
        let _ = writeln!(text, "{}", words.join(" "));
    }
    let _ = writeln!(text, "vars currentEpoch {epoch} lastVoteEpoch 0");
    known.then_some(text)
}

/// The file in which a node keeps what it knows of its cluster; Redis' own default.
pub const NODES: &str = "nodes.conf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_dealt_evenly() {
        assert_eq!((0..3).map(|index| slots(index, 3)).collect::<Vec<_>>(), [(0, 5460), (5461, 10_921), (10_922, 16_383)]);
        assert_eq!(slots(0, 1), (0, 16_383));
    }

    #[test]
    fn a_key_has_its_slot() {
        // CLUSTER KEYSLOT on 7.0.15.
        assert_eq!(slot(b"somekey"), 11_058);
        assert_eq!(slot(b"foo{hash_tag}"), slot(b"hash_tag"));
        assert_eq!(slot(b"foo{}"), 5542);
        assert_eq!(slot(b"123456789"), 12_739);
    }
}
