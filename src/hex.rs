//! Bytes as hexadecimal digits, and digests as such.

use sha2::{Digest, Sha256};

/// Two lower-case digits a byte. Plans hold thousands of digests: by a table, since the formatter of numbers takes ten times as long.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// The SHA-256 of something, whole: 64 digits.
pub fn sha256(of: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(of))
}

/// The first so many digits of the SHA-256 of something: for names and tags, which have to be short.
pub fn short_sha256(of: impl AsRef<[u8]>, digits: usize) -> String {
    let mut all = sha256(of);
    all.truncate(digits);
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_digest_is_that_of_the_standard_and_is_cut_behind() {
        // FIPS 180-4's own example.
        let whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(super::sha256("abc"), whole);
        assert_eq!(super::short_sha256("abc", 12), &whole[..12]);
        assert_eq!(super::short_sha256("abc", 80), whole);
    }

    #[test]
    fn every_byte_is_two_digits() {
        let all: Vec<u8> = (0..=255).collect();
        let slow: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(super::hex(&all), slow);
    }
}
