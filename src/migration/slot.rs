//! Hash slots: which part of a cluster has a key.

use super::side::Side;

/// How many slots a cluster has.
pub const SLOTS: u16 = 16384;

/// The slot of a key: CRC16 (XMODEM) of its hash tag, or of all of it where it has none, modulo 16384 (`keyHashSlot` in Redis' cluster.c).
pub fn of(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

/// What stands between the first `{` and the next `}`, where that is not empty; else the whole key.
fn tag(key: &[u8]) -> &[u8] {
    let inside = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close)
    });
    inside.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

/// A name of ours in the slot of `key`: `prefix` with a number behind it. Tries some 16,000 names.
pub fn name_beside(key: &[u8], prefix: &str) -> Vec<u8> {
    let wanted = of(key);
    // Each slot has its share of the numbers: far fewer than these are needed.
    let mut names = (0..u32::MAX).map(|number| format!("{prefix}{number}").into_bytes());
    names.find(|name| of(name) == wanted).unwrap_or_default()
}

/// What each value of the upper byte adds.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let [upper, _] = (crc ^ (u16::from(*byte) << 8)).to_be_bytes();
        (crc << 8) ^ TABLE.get(usize::from(upper)).copied().unwrap_or(0)
    })
}

/// Which shard serves each slot, looked up at once.
#[derive(Clone, Debug)]
pub struct Routes {
    /// Empty: cluster mode is off, and the first shard has all keys.
    shards: std::sync::Arc<[Option<usize>]>,
}

impl Routes {
    pub fn of(side: &Side) -> Routes {
        if !side.is_cluster() {
            return Routes { shards: std::sync::Arc::from([]) };
        }
        Routes { shards: (0..SLOTS).map(|slot| side.shards.iter().position(|shard| shard.holds(slot))).collect() }
    }

    /// The shard of a key; nothing where none serves its slot.
    pub fn shard_of(&self, key: &[u8]) -> Option<usize> {
        if self.shards.is_empty() {
            return Some(0);
        }
        self.shards.get(usize::from(of(key))).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_as_the_server_counts_them() {
        // CLUSTER KEYSLOT on 7.0.15.
        for (key, slot) in [
            (&b"foo"[..], 12182),
            (b"a", 15495),
            (b"", 0),
            (b"123456789", 12739),
            (b"{user1000}.following", 3443),
            (b"user1000", 3443),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", 4015),
            (b"{bar", 4015),
        ] {
            assert_eq!(of(key), slot, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn a_name_of_ours_goes_where_the_key_is() {
        for key in [&b"foo"[..], b"a}b{", b"{x}y", b"\x00\xff"] {
            let name = name_beside(key, "holdfast:m:1:");
            assert_eq!(of(&name), of(key));
            assert!(name.starts_with(b"holdfast:m:1:"));
        }
    }
}
