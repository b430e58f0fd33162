//! What is asked of some keys on either side, and what is made of the answers.

use std::time::Duration;

use super::nodes::time;
use super::trouble::Trouble;
use super::versions;
use crate::migration::wire::{Answer, Answers, Ask, Identity, refused, strange};

/// The version and checksum behind a payload's value: they differ where the versions do.
const FOOTER: usize = 10;

/// What a node holds of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held<'b> {
    pub payload: Option<&'b [u8]>,
    /// When it expires, in milliseconds of the node's clock.
    pub expires: Option<i64>,
}

/// What was read of some keys.
pub struct Reading<'b> {
    pub held: Vec<Held<'b>>,
    /// Expiries are known to so many milliseconds.
    pub known_to: i64,
}

/// PEXPIRETIME came with 7.0: before that an expiry is computed from TIME and PTTL.
pub fn is_exact(node: &Identity) -> bool {
    versions::number(&node.version) >= (7, 0)
}

/// TIME, expiry and payload of each key, TIME. Where the expiry is computed, all of them stand before the payloads, close to a TIME on either side.
pub fn questions<'k>(ask: &mut Ask, keys: impl Iterator<Item = &'k Vec<u8>> + Clone, exact: bool) {
    ask.add(&[b"TIME"]);
    if exact {
        // Both at once: the second finds the key in the server's nearest cache.
        for key in keys {
            ask.add(&[b"PEXPIRETIME", key]);
            ask.add(&[b"DUMP", key]);
        }
    } else {
        keys.clone().for_each(|key| ask.add(&[b"PTTL", key]));
        ask.add(&[b"TIME"]);
        keys.for_each(|key| ask.add(&[b"DUMP", key]));
    }
    ask.add(&[b"TIME"]);
}

/// The answers to [`questions`] about so many keys, and how long they ran on the server.
pub fn reading<'b>(node: &str, answers: &mut Answers<'b>, count: usize, exact: bool) -> Result<(Reading<'b>, Duration), Trouble> {
    let odd = || Trouble::from(strange(node, "a batch of reads"));
    let began = time(answers).ok_or_else(odd)?;
    let expiry = |answer: Option<Answer<'_>>| match answer {
        Some(Answer::Number(left)) => Ok((left >= 0).then(|| if exact { left } else { left.saturating_add(began / 1000) })),
        Some(Answer::Refused(message)) => Err(Trouble::from(refused(node, "PTTL", message))),
        _ => Err(odd()),
    };
    let payload = |answer: Option<Answer<'b>>| match answer {
        Some(Answer::Text(payload)) => Ok(Some(payload)),
        Some(Answer::Nil) => Ok(None),
        Some(Answer::Refused(message)) => Err(Trouble::from(refused(node, "DUMP", message))),
        _ => Err(odd()),
    };
    let mut held = Vec::with_capacity(count);
    let mut known_to = 0;
    if exact {
        for _ in 0..count {
            let expires = expiry(answers.next())?;
            held.push(Held { expires, payload: payload(answers.next())? });
        }
    } else {
        for _ in 0..count {
            held.push(Held { expires: expiry(answers.next())?, payload: None });
        }
        // TIME's milliseconds may have gone on between it and PTTL; and so they may have when what is compared was copied.
        known_to = (time(answers).ok_or_else(odd)? / 1000).saturating_sub(began / 1000).max(0) + 1;
        for held in &mut held {
            held.payload = payload(answers.next())?;
        }
    }
    // Gone is what DUMP says, also where it was there a moment before, when its expiry was asked for.
    held.iter_mut().filter(|held| held.payload.is_none()).for_each(|held| held.expires = None);
    let ended = time(answers).ok_or_else(odd)?;
    Ok((Reading { held, known_to }, Duration::from_micros(ended.saturating_sub(began).max(0) as u64)))
}

/// Whether the target has what the source has: equal bytes are equal values (rule 5), whichever version wrote them down.
pub fn is_same(source: &Held<'_>, target: &Held<'_>, ahead: i64, known_to: i64) -> bool {
    let value = |held: &Held<'_>| held.payload.map(|payload| payload.len().saturating_sub(FOOTER));
    let same_value = match (source.payload, target.payload) {
        (Some(one), Some(other)) => match (value(source), value(target)) {
            (Some(length), Some(other_length)) => length == other_length && one.get(..length) == other.get(..length),
            _ => false,
        },
        (None, None) => true,
        _ => false,
    };
    let same_expiry = match (source.expires, target.expires) {
        (Some(one), Some(other)) => one.saturating_add(ahead).abs_diff(other) <= known_to.unsigned_abs(),
        (None, None) => true,
        _ => false,
    };
    same_value && same_expiry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(payload: &[u8], expires: Option<i64>) -> Held<'_> {
        Held { payload: Some(payload), expires }
    }

    #[test]
    fn equal_values_are_equal_whichever_version_wrote_them() {
        let (seven, newer) =
            (b"\x00\x05hello\x0a\x00\xc1\xa5\xd7\xa5\xd5\xbc\x8f\x93", b"\x00\x05hello\x0b\x00\x01\x02\x03\x04\x05\x06\x07\x08");
        assert!(is_same(&held(seven, None), &held(newer, None), 0, 0));
        let other = b"\x00\x05hallo\x0a\x00\xc1\xa5\xd7\xa5\xd5\xbc\x8f\x93";
        assert!(!is_same(&held(seven, None), &held(other, None), 0, 0));
        assert!(!is_same(&held(seven, None), &Held::default(), 0, 0));
        assert!(is_same(&Held::default(), &Held::default(), 0, 0));
    }

    #[test]
    fn expiries_are_equal_to_the_millisecond_after_the_clocks_difference() {
        let same = |one, other, ahead, known_to| {
            is_same(&held(b"\x00\x01a1234567890", one), &held(b"\x00\x01a1234567890", other), ahead, known_to)
        };
        assert!(same(Some(5000), Some(5000), 0, 0));
        assert!(!same(Some(5000), Some(5001), 0, 0));
        assert!(same(Some(5000), Some(5001), 0, 1));
        assert!(same(Some(5000), Some(5700), 700, 0));
        assert!(!same(Some(5000), None, 0, 1) && !same(None, Some(5000), 0, 1));
    }
}
