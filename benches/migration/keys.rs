//! The keys: 80 % strings of 100 to 500 bytes, 10 % hashes, 5 % lists, 3 % sets, 2 % sorted sets; 30 % of all expire.

use fastrand::Rng;

use super::raw::{Raw, command};

/// Commands that are sent at once.
const AT_ONCE: usize = 512;
/// Elements of a collection.
const ELEMENTS: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    Hash,
    List,
    Set,
    Sorted,
}

/// The kind of a key, and whether it expires, by its number alone.
fn kind(number: usize) -> (Kind, bool) {
    let mut lot = Rng::with_seed(number as u64);
    let kind = match lot.u32(0..100) {
        0..80 => Kind::String,
        80..90 => Kind::Hash,
        90..95 => Kind::List,
        95..98 => Kind::Set,
        _ => Kind::Sorted,
    };
    (kind, lot.u32(0..100) < 30)
}

pub fn name(number: usize) -> Vec<u8> {
    format!("application:{number:09}").into_bytes()
}

fn text(lot: &mut Rng, length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 8);
    while text.len() < length {
        // Six letters a draw: what is stored hardly compresses, as sessions and tokens do not.
        let mut draw = lot.u64(..);
        for _ in 0..8 {
            text.push(b'0' + (draw & 63) as u8);
            draw >>= 8;
        }
    }
    text.truncate(length);
    text
}

/// The commands that make a key anew.
fn make(to: &mut Vec<u8>, number: usize, lot: &mut Rng) -> usize {
    let key = name(number);
    let (kind, expires) = kind(number);
    let elements: Vec<Vec<u8>> = (0..2 * ELEMENTS)
        .map(|at| if kind == Kind::Sorted && at % 2 == 0 { lot.u32(..1000).to_string().into_bytes() } else { text(lot, 16) })
        .collect();
    let value = if kind == Kind::String { text(lot, 100 + number % 401) } else { Vec::new() };
    let mut words: Vec<&[u8]> = match kind {
        Kind::String => vec![b"SET", &key, &value],
        Kind::Hash => vec![b"HSET", &key],
        Kind::List => vec![b"RPUSH", &key],
        Kind::Set => vec![b"SADD", &key],
        Kind::Sorted => vec![b"ZADD", &key],
    };
    if kind != Kind::String {
        words.extend(elements.iter().map(Vec::as_slice));
    }
    command(to, &words);
    if expires {
        command(to, &[b"EXPIRE", &key, lot.u32(36_000..360_000).to_string().as_bytes()]);
    }
    1 + usize::from(expires)
}

/// A change of a key that leaves it as large as it was.
pub fn change(to: &mut Vec<u8>, number: usize, lot: &mut Rng) {
    let key = name(number);
    let value = text(lot, 16);
    match kind(number).0 {
        Kind::String => command(to, &[b"SET", &key, &text(lot, 100 + number % 401), b"KEEPTTL"]),
        Kind::Hash => command(to, &[b"HSET", &key, b"changed", &value]),
        Kind::List => command(to, &[b"LSET", &key, b"0", &value]),
        Kind::Set => command(to, &[b"SADD", &key, &value[..2]]),
        Kind::Sorted => command(to, &[b"ZADD", &key, lot.u32(..1000).to_string().as_bytes(), b"changed"]),
    }
}

/// Makes so many keys.
pub fn fill(raw: &mut Raw, keys: usize) {
    let mut lot = Rng::with_seed(11);
    in_pipelines(raw, keys, |to, number| make(to, number, &mut lot), |_| {});
}

/// Changes each of so many keys once.
pub fn change_all(raw: &mut Raw, keys: usize) {
    let mut lot = Rng::with_seed(12);
    let each = |to: &mut Vec<u8>, number| {
        change(to, number, &mut lot);
        1
    };
    in_pipelines(raw, keys, each, |_| {});
}

/// Sends what `each` writes for every number, several pipelines ahead of the answers, and shows these. It says how many commands it wrote.
pub fn in_pipelines(raw: &mut Raw, count: usize, mut each: impl FnMut(&mut Vec<u8>, usize) -> usize, mut seen: impl FnMut(&[u8])) {
    let mut ahead = std::collections::VecDeque::new();
    let mut bytes = Vec::new();
    for first in (0..count).step_by(AT_ONCE) {
        bytes.clear();
        let commands: usize = (first..count.min(first + AT_ONCE)).map(|number| each(&mut bytes, number)).sum();
        raw.send(&bytes);
        ahead.push_back(commands);
        if ahead.len() >= 4 {
            (0..ahead.pop_front().unwrap_or(0)).for_each(|_| raw.answer(&mut seen));
        }
    }
    (0..ahead.into_iter().sum::<usize>()).for_each(|_| raw.answer(&mut seen));
}
