//! What can be told of a DUMP payload without reading its values.
//!
//! A payload is the RDB type (one byte), the value, the RDB version (two bytes, little endian), and a CRC64 (eight bytes): `createDumpPayload` in
//! Redis' cluster.c.

/// What a payload holds, as far as a copier must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Its bytes are a function of its value: unequal bytes are unequal values.
    Plain,
    /// A set, a hash, a sorted set or a list: its bytes depend on its history (hash-table order, how lists were cut), so that unequal bytes may be
    /// equal values.
    Collection,
    /// A stream: it changes without a push when only its groups do (rule 6).
    Stream,
    /// A value of a module, which only the module can read.
    Module,
}

/// The bytes after the value: version and checksum.
const FOOTER: usize = 10;

/// What the payload holds; nothing where it is too short to be one. Types by number: RDB_TYPE_* in Redis' rdb.h.
pub fn shape(payload: &[u8]) -> Option<Shape> {
    if payload.len() <= FOOTER {
        return None;
    }
    Some(match payload.first()? {
        0 => Shape::Plain,
        15 | 19 | 21 => Shape::Stream,
        6 | 7 => Shape::Module,
        _ => Shape::Collection,
    })
}

/// The RDB version that the payload was written in: a node takes its own and older ones. 9: 5.0 to 6.2; 10: 7.0; 11: 7.2 and Valkey 8.
pub fn version(payload: &[u8]) -> Option<u16> {
    let at = payload.len().checked_sub(FOOTER)?;
    let bytes = payload.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_its_type_and_version() {
        // SET a hello, DUMP a on 7.0.15.
        let string = b"\x00\x05hello\x0a\x00\xc1\xa5\xd7\xa5\xd5\xbc\x8f\x93";
        assert_eq!((shape(string), version(string)), (Some(Shape::Plain), Some(10)));
        for (kind, expected) in [(15, Shape::Stream), (19, Shape::Stream), (21, Shape::Stream), (2, Shape::Collection), (7, Shape::Module)]
        {
            let mut payload = string.to_vec();
            payload[0] = kind;
            assert_eq!(shape(&payload), Some(expected), "{kind}");
        }
        for short in [&b""[..], b"\x00", &string[..10]] {
            assert_eq!(shape(short), None);
        }
        assert_eq!(version(b"123456789"), None);
    }
}
