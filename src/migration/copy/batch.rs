//! One operation: some keys are read from the source and written to the target, or removed there (rule 4).

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use super::life::Life;
use super::marks::{Claim, Done};
use super::nodes::{LONG, SHORT, Use, microseconds, number, on, text};
use super::trouble::Trouble;
use super::versions;
use crate::migration::wire::{Link, Shape, shape};

/// The version and checksum behind a payload's value: they differ where the versions do.
const FOOTER: usize = 10;
/// Keys of a transaction on the source, where it is to notice as little of us as possible.
const FEW: usize = 32;
/// Keys of a transaction, where there is no limit.
const MANY: usize = 256;
/// Bytes of a batch that the source hardly notices.
const SMALL: u64 = 128 * 1024;
/// Bytes of a batch where the source has little memory left.
const TINY: u64 = 16 * 1024;
/// What a question that reads no value takes on the server, about.
pub const QUICK: Duration = Duration::from_micros(1);
/// What is taken for the size of a key whose size is not known.
const UNKNOWN: u64 = 1024;

/// What a node holds of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub payload: Option<Vec<u8>>,
    /// When it expires, in milliseconds of the node's clock.
    pub expires: Option<i64>,
}

/// What was read of some keys.
struct Reading {
    held: Vec<Held>,
    /// Expiries are known to so many milliseconds.
    known_to: i64,
}

/// An operation's own account.
struct Work {
    shard: usize,
    database: u32,
    /// Read the target too, and write only what differs.
    compare: bool,
}

impl Life {
    /// Makes the target's keys equal to the source's, in these databases, and releases the claim when the echoes of what was written have been taken.
    /// What fails is marked again.
    pub async fn operate(&self, claim: Claim<'_>, databases: &[u32], compare: bool) -> Result<(), Trouble> {
        if claim.keys.is_empty() {
            return Ok(());
        }
        let mut done = vec![Done::Left; claim.keys.len()];
        let mut touched = BTreeSet::new();
        for database in databases {
            let work = Work { shard: claim.part, database: *database, compare };
            self.copy(&work, &claim.keys, &mut done, &mut touched).await?;
        }
        for shard in touched {
            self.echoes(shard).await?;
        }
        claim.release(&done);
        Ok(())
    }

    async fn copy(&self, work: &Work, keys: &[Vec<u8>], done: &mut [Done], touched: &mut BTreeSet<usize>) -> Result<(), Trouble> {
        let settings = &self.shared.settings;
        let sizes = self.sizes(work, keys).await?;
        let (most, bytes) = match (settings.rules.follows(2), self.pace.is_tight(), self.pace.is_limited()) {
            (false, ..) => (usize::MAX, u64::MAX),
            (_, true, _) => (FEW, TINY),
            (.., true) => (FEW, SMALL.min(settings.window as u64)),
            (.., false) => (MANY, settings.window as u64),
        };
        let mut first = 0;
        while let Some(rest) = sizes.get(first..).filter(|rest| !rest.is_empty()) {
            let mut sum = 0;
            let fits = |size: &&u64| {
                sum = u64::saturating_add(sum, **size);
                sum <= bytes
            };
            let count = rest.iter().take(most).take_while(fits).count().max(1);
            let (Some(batch), Some(done)) = (keys.get(first..first + count), done.get_mut(first..first + count)) else { break };
            let size = rest.iter().take(count).fold(0, |sum: u64, size| sum.saturating_add(*size));
            let room = self.room(size).await;
            if let ([key], true) = (batch, size > settings.pieces_from && settings.rules.follows(8)) {
                self.large(work.shard, work.database, key, done, touched).await?;
            } else {
                self.batch(work, batch, done, touched).await?;
            }
            drop(room);
            first += count;
        }
        Ok(())
    }

    /// How many bytes each key takes on the source, about: what is in flight must be bounded before it is asked for (rule 2).
    async fn sizes(&self, work: &Work, keys: &[Vec<u8>]) -> Result<Vec<u64>, Trouble> {
        if !self.shared.settings.rules.follows(2) && !self.shared.settings.rules.follows(8) {
            return Ok(vec![UNKNOWN; keys.len()]);
        }
        let link = self.source.link(work.shard, work.database, Use::Read).await?;
        let mut ask = Pipeline::with_capacity(keys.len());
        for key in keys {
            let mut command = Cmd::with_capacity(3, 16 + key.len());
            command.arg("MEMORY").arg("USAGE").arg(key);
            ask.add_command(command);
        }
        let answers = link.ask_all(&ask, SHORT).await?;
        self.pace.charge(work.shard, QUICK * keys.len() as u32);
        let size = |answer: &Value| match answer {
            Value::Int(bytes) => u64::try_from(*bytes).unwrap_or(UNKNOWN),
            Value::Nil => 0,
            // Not allowed, or not in a state to say: each is read on its own then.
            _ => self.shared.settings.window as u64,
        };
        Ok(answers.iter().map(size).collect())
    }

    async fn batch(&self, work: &Work, keys: &[Vec<u8>], done: &mut [Done], touched: &mut BTreeSet<usize>) -> Result<(), Trouble> {
        self.pace.ready(work.shard).await;
        let (read, there) = if work.compare {
            let (read, there) = tokio::try_join!(self.read_source(work, keys), self.read_target(work, keys))?;
            (read, Some(there))
        } else {
            (self.read_source(work, keys).await?, None)
        };
        let mut writes: Vec<Writes> = Vec::new();
        for (at, (key, held)) in keys.iter().zip(read.held).enumerate() {
            let Some(shard) = self.target.routes.shard_of(key) else { return Err(Trouble::NoShard) };
            let there = there.as_ref().and_then(|there| there.get(at));
            if held.payload.as_deref().and_then(shape) == Some(Shape::Stream) {
                self.streams.saw(key);
            }
            let ahead = self.clocks().ahead(work.shard, shard);
            if let Some((there, known_to)) = there
                && is_same(&held, there, ahead, read.known_to + known_to)
            {
                continue;
            }
            let limit = self.shared.settings.payload_limit;
            if held.payload.as_ref().is_some_and(|payload| payload.len() as u64 > limit) && self.shared.settings.rules.follows(8) {
                // Larger than MEMORY USAGE made us believe.
                if let Some(done) = done.get_mut(at..=at) {
                    drop(held);
                    self.large(work.shard, work.database, key, done, touched).await?;
                }
                continue;
            }
            let writes = match writes.iter_mut().position(|writes| writes.shard == shard) {
                Some(place) => writes.get_mut(place),
                None => {
                    writes.push(Writes::to(shard, keys.len()));
                    writes.last_mut()
                }
            };
            let Some(writes) = writes else { continue };
            match held.payload {
                Some(payload) => writes.restore(at, key, &payload, held.expires.map(|expires| expires.saturating_add(ahead))),
                None if self.may_delete() => writes.unlink(at, key),
                None => {}
            }
        }
        for writes in writes.into_iter().filter(|writes| !writes.places.is_empty()) {
            touched.insert(writes.shard);
            self.write(work, keys, writes, done).await?;
        }
        Ok(())
    }

    async fn read_source(&self, work: &Work, keys: &[Vec<u8>]) -> Result<Reading, Trouble> {
        let link = self.source.link(work.shard, work.database, Use::Read).await?;
        let mut ask = Pipeline::with_capacity(2 * keys.len() + 5);
        // Whoever was made a replica may be empty while it loads what its primary sends (rule 1): asked before, and after.
        ask.cmd("INFO").arg("replication");
        let exact = is_exact(&link);
        questions(&mut ask, keys, exact);
        ask.cmd("INFO").arg("replication");
        let mut answers = if self.source.side.is_cluster() {
            // A transaction is of one slot there. What changes between a key's two answers is pushed, and read again.
            link.ask_all(&ask, LONG).await?
        } else {
            link.ask_atomically(ask, LONG).await?
        };
        let is_primary = |info: Option<&Value>| info.and_then(text).is_some_and(|info| info.contains("role:master"));
        if !(is_primary(answers.first()) && is_primary(answers.last())) && self.shared.settings.rules.follows(1) {
            return Err(Trouble::NotPrimary { node: link.node().to_owned() });
        }
        answers.pop();
        let answers = answers.into_iter().skip(1);
        let (reading, on_server) = reading(&link, answers, keys.len(), exact)?;
        self.pace.took(work.shard, on_server);
        Ok(reading)
    }

    /// What the target holds of them, with how exactly its expiry is known.
    async fn read_target(&self, work: &Work, keys: &[Vec<u8>]) -> Result<Vec<(Held, i64)>, Trouble> {
        let mut all = vec![(Held::default(), 0); keys.len()];
        for shard in 0..self.target.shards() {
            let whole = self.target.shards() == 1;
            let places: Vec<usize> = match whole {
                true => (0..keys.len()).collect(),
                false => {
                    keys.iter().enumerate().filter(|(_, key)| self.target.routes.shard_of(key) == Some(shard)).map(|(at, _)| at).collect()
                }
            };
            if places.is_empty() {
                continue;
            }
            let link = self.target.link(shard, work.database, Use::Read).await?;
            let exact = is_exact(&link);
            let mut ask = Pipeline::with_capacity(2 * places.len() + 3);
            if whole {
                questions(&mut ask, keys, exact);
            } else {
                let keys: Vec<&Vec<u8>> = places.iter().filter_map(|at| keys.get(*at)).collect();
                questions(&mut ask, &keys, exact);
            }
            let answers = link.ask_all(&ask, LONG).await?;
            let (reading, _) = reading(&link, answers.into_iter(), places.len(), exact)?;
            for (at, held) in places.into_iter().zip(reading.held) {
                if let Some(place) = all.get_mut(at) {
                    *place = (held, reading.known_to);
                }
            }
        }
        Ok(all)
    }

    async fn write(&self, work: &Work, keys: &[Vec<u8>], writes: Writes, done: &mut [Done]) -> Result<(), Trouble> {
        let link = self.target.link(writes.shard, work.database, Use::Write).await?;
        // The last thing before it leaves: whoever slept since it read must not write (rule 2).
        self.is_still_mine()?;
        self.ledger.sends(writes.shard, "restore", writes.restores);
        self.ledger.sends(writes.shard, "unlink", writes.places.len() as u64 - writes.restores);
        let answers = match link.ask_all(&writes.ask, LONG).await {
            Ok(answers) => answers,
            Err(error) => {
                // Whether it was carried out is not known, and it may still be: this life is over.
                self.end(error.clone().into());
                return Err(error.into());
            }
        };
        let progress = &self.shared.progress;
        let mut refused = None;
        for ((at, bytes), answer) in writes.places.iter().zip(&answers) {
            let outcome = match (link.refusal("a write", answer), bytes) {
                (Some(error), _) => {
                    refused = Some(error);
                    Done::Failed
                }
                (None, Some(bytes)) => {
                    progress.copied(*bytes);
                    Done::Wrote(1)
                }
                (None, None) => {
                    progress.removed(u64::from(matches!(answer, Value::Int(1))));
                    Done::Wrote(1)
                }
            };
            if let Some(done) = done.get_mut(*at) {
                *done = both(*done, outcome);
            }
        }
        if let Some(error) = refused {
            self.hindered(error.into());
        }
        if !self.shared.settings.rules.follows(5) {
            self.must_be_bytes(work, keys, &writes, done).await?;
        }
        Ok(())
    }

    /// Rule 5 left out: what was written has to be there byte for byte.
    async fn must_be_bytes(&self, work: &Work, keys: &[Vec<u8>], writes: &Writes, done: &mut [Done]) -> Result<(), Trouble> {
        let (source, target) = tokio::try_join!(self.read_source(work, keys), self.read_target(work, keys))?;
        for (at, _) in &writes.places {
            let payload = source.held.get(*at).map(|held| &held.payload);
            if let (Some(done), true) = (done.get_mut(*at), payload != target.get(*at).map(|(held, _)| &held.payload)) {
                *done = Done::Failed;
            }
        }
        Ok(())
    }
}

/// Writes to one shard of the target.
struct Writes {
    shard: usize,
    ask: Pipeline,
    /// The places of the keys, with the bytes of what is restored.
    places: Vec<(usize, Option<usize>)>,
    restores: u64,
}

impl Writes {
    fn to(shard: usize, most: usize) -> Writes {
        Writes { shard, ask: Pipeline::with_capacity(most), places: Vec::with_capacity(most), restores: 0 }
    }

    fn restore(&mut self, at: usize, key: &[u8], payload: &[u8], expires: Option<i64>) {
        let mut command = Cmd::with_capacity(6, 48 + key.len() + payload.len());
        // 0: it never expires. A moment that is past is deleted at once, as it will be on the source (ABSTTL: 5.0).
        command.arg("RESTORE").arg(key).arg(expires.map_or(0, |expires| expires.max(1))).arg(payload).arg("REPLACE").arg("ABSTTL");
        self.ask.add_command(command);
        self.places.push((at, Some(payload.len())));
        self.restores += 1;
    }

    fn unlink(&mut self, at: usize, key: &[u8]) {
        self.ask.add_command(on("UNLINK", key));
        self.places.push((at, None));
    }
}

/// What becomes of a key that was operated on in two databases.
pub fn both(one: Done, other: Done) -> Done {
    match (one, other) {
        (Done::Failed, _) | (_, Done::Failed) => Done::Failed,
        (Done::WroteInPieces, _) | (_, Done::WroteInPieces) => Done::WroteInPieces,
        (Done::Wrote(one), Done::Wrote(other)) => Done::Wrote(one + other),
        (Done::Left, other) => other,
        (one, Done::Left) => one,
    }
}

/// PEXPIRETIME came with 7.0: before that an expiry is computed from TIME and PTTL.
pub fn is_exact(link: &Link) -> bool {
    versions::number(&link.identity.version) >= (7, 0)
}

/// TIME, the expiries, TIME, the payloads, TIME.
fn questions<K: AsRef<[u8]>>(ask: &mut Pipeline, keys: &[K], exact: bool) {
    let expiry = if exact { "PEXPIRETIME" } else { "PTTL" };
    ask.cmd("TIME");
    for key in keys {
        ask.add_command(on(expiry, key.as_ref()));
    }
    ask.cmd("TIME");
    for key in keys {
        ask.add_command(on("DUMP", key.as_ref()));
    }
    ask.cmd("TIME");
}

fn reading(link: &Link, mut answers: impl Iterator<Item = Value>, count: usize, exact: bool) -> Result<(Reading, Duration), Trouble> {
    let strange = || link.strange("a batch of reads");
    let time = |answers: &mut dyn Iterator<Item = Value>| answers.next().as_ref().and_then(microseconds).ok_or_else(strange);
    let began = time(&mut answers)?;
    let mut held = Vec::with_capacity(count);
    for answer in answers.by_ref().take(count) {
        if let Some(error) = link.refusal("PTTL", &answer) {
            return Err(error.into());
        }
        let left = number(&answer).ok_or_else(strange)?;
        // -1: it does not expire. -2: it is gone, which DUMP says too.
        let expires = (left >= 0).then(|| if exact { left } else { left.saturating_add(began / 1000) });
        held.push(Held { payload: None, expires });
    }
    let asked = time(&mut answers)?;
    for held in &mut held {
        match answers.next().ok_or_else(strange)? {
            Value::BulkString(payload) => held.payload = Some(payload),
            // Gone: also where it was there a moment before, when its expiry was asked for.
            Value::Nil => held.expires = None,
            other => return Err(link.refusal("DUMP", &other).unwrap_or_else(strange).into()),
        }
    }
    let ended = time(&mut answers)?;
    if held.len() != count {
        return Err(strange().into());
    }
    // TIME's milliseconds may have gone on between it and PTTL.
    let known_to = if exact { 0 } else { (asked / 1000).saturating_sub(began / 1000).max(0) };
    Ok((Reading { held, known_to }, Duration::from_micros(ended.saturating_sub(began).max(0) as u64)))
}

/// Whether the target has what the source has: equal bytes are equal values (rule 5), whichever version wrote them down.
pub fn is_same(source: &Held, target: &Held, ahead: i64, known_to: i64) -> bool {
    let value = |held: &Held| held.payload.as_deref().map(|payload| payload.len().saturating_sub(FOOTER));
    let same_value = match (&source.payload, &target.payload) {
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

    fn held(payload: &[u8], expires: Option<i64>) -> Held {
        Held { payload: Some(payload.to_vec()), expires }
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

    #[test]
    fn outcomes_of_two_databases_add_up() {
        assert_eq!(both(Done::Wrote(1), Done::Wrote(1)), Done::Wrote(2));
        assert_eq!(both(Done::Left, Done::Wrote(1)), Done::Wrote(1));
        assert_eq!(both(Done::Failed, Done::Wrote(1)), Done::Failed);
        assert_eq!(both(Done::Wrote(1), Done::WroteInPieces), Done::WroteInPieces);
    }
}
