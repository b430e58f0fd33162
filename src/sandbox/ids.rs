//! Identifiers that services make up. Never random: two runs that do the same must end in equal accounts.

use sha2::{Digest, Sha256};

pub use crate::hex::{hex, sha256};

/// The SHA-256 of `parts`, as 64 lower-case hex digits. Each part's length goes in, so that `ab`+`c` is not `a`+`bc`.
pub fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}

/// What [`hex`] wrote, or nothing where it is no hex.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// A UUID made of the hash of `parts`.
pub fn uuid(parts: &[&str]) -> String {
    let hash = hash(parts);
    let piece = |from: usize, to: usize| hash.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-4{}-8{}-{}", piece(0, 8), piece(8, 12), piece(12, 15), piece(15, 18), piece(18, 30))
}

/// The request id of a call.
pub fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_depend_on_every_part_and_on_nothing_else() {
        assert_eq!(uuid(&["key", "1"]), uuid(&["key", "1"]));
        assert_ne!(uuid(&["key", "1"]), uuid(&["key1", ""]));
        assert_eq!(uuid(&["x"]).len(), 36);
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(unhex(&hex(b"role/session")).as_deref(), Some(b"role/session".as_slice()));
        assert_eq!(unhex("abc"), None);
        assert_eq!(unhex("zz"), None);
    }
}
