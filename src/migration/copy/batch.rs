//! One operation: some keys are read from the source and written to the target, or removed there (rule 4).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use super::life::Life;
use super::marks::{Claim, Done};
use super::nodes::{LONG, SHORT, Taken, Use};
use super::reading::{Held, Reading, is_exact, is_same, questions, reading};
use super::trouble::Trouble;
use crate::migration::wire::{Answer, Ask, Shape, refused, shape};

/// Keys that are asked about at once, where the source is to notice as little of us as possible: others wait for some 100 us.
const FEW: usize = 16;
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

/// A shard of the target, and the places of the keys that it has.
struct There<'n> {
    shard: usize,
    places: Vec<usize>,
    taken: Taken<'n>,
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
        let mut taken = self.source.bulk(work.shard, work.database, Use::Read).await?;
        let mut sizes = Vec::with_capacity(keys.len());
        // They take a fifth of what a value takes.
        while let Some(rest) = keys.get(sizes.len()..).filter(|rest| !rest.is_empty()) {
            self.pace.ready(work.shard).await;
            let some = rest.get(..4 * FEW).filter(|_| self.pace.is_limited()).unwrap_or(rest);
            let mut ask = Ask::with_capacity(some.iter().map(|key| key.len() + 48).sum());
            some.iter().for_each(|key| ask.add(&[b"MEMORY", b"USAGE", key]));
            let answers = taken.ask(&ask, SHORT).await?;
            self.pace.took(work.shard, QUICK * some.len() as u32);
            sizes.extend(answers.map(|answer| match answer {
                Answer::Number(bytes) => u64::try_from(bytes).unwrap_or(UNKNOWN),
                Answer::Nil => 0,
                // Not allowed, or not in a state to say: each is read on its own then.
                _ => self.shared.settings.window as u64,
            }));
        }
        Ok(sizes)
    }

    async fn batch(&self, work: &Work, keys: &[Vec<u8>], done: &mut [Done], touched: &mut BTreeSet<usize>) -> Result<(), Trouble> {
        self.pace.ready(work.shard).await;
        for writes in self.differing(work, keys, done, touched).await? {
            touched.insert(writes.shard);
            self.write(work, keys, writes, done).await?;
        }
        Ok(())
    }

    /// Reads the keys, and says what is to be written.
    async fn differing(
        &self,
        work: &Work,
        keys: &[Vec<u8>],
        done: &mut [Done],
        touched: &mut BTreeSet<usize>,
    ) -> Result<Vec<Writes>, Trouble> {
        let mut here = self.source.bulk(work.shard, work.database, Use::Read).await?;
        let mut there = if work.compare { self.there(work, keys).await? } else { Vec::new() };
        let (read, there) = match work.compare {
            true => {
                let (read, there) = tokio::try_join!(self.read_source(work, keys, &mut here), self.read_target(keys, &mut there))?;
                (read, Some(there))
            }
            false => (self.read_source(work, keys, &mut here).await?, None),
        };
        let clocks = self.clocks();
        let mut writes: Vec<Writes> = Vec::new();
        for (at, (key, held)) in keys.iter().zip(read.held).enumerate() {
            let Some(shard) = self.target.routes.shard_of(key) else { return Err(Trouble::NoShard) };
            let there = there.as_ref().and_then(|there| there.get(at));
            if held.payload.and_then(shape) == Some(Shape::Stream) {
                self.streams.saw(key);
            }
            let ahead = clocks.ahead(work.shard, shard);
            if let Some((there, known_to)) = there
                && is_same(&held, there, ahead, read.known_to + known_to)
            {
                continue;
            }
            let limit = self.shared.settings.payload_limit;
            if held.payload.is_some_and(|payload| payload.len() as u64 > limit) && self.shared.settings.rules.follows(8) {
                // Larger than MEMORY USAGE made us believe.
                if let Some(done) = done.get_mut(at..=at) {
                    self.large(work.shard, work.database, key, done, touched).await?;
                }
                continue;
            }
            let writes = match writes.iter_mut().position(|writes| writes.shard == shard) {
                Some(place) => writes.get_mut(place),
                None => {
                    writes.push(Writes { shard, ask: Ask::default(), places: Vec::with_capacity(keys.len()), restores: 0 });
                    writes.last_mut()
                }
            };
            let Some(writes) = writes else { continue };
            match held.payload {
                Some(payload) => writes.restore(at, key, payload, held.expires.map(|expires| expires.saturating_add(ahead))),
                None if self.may_delete() => writes.unlink(at, key),
                None => {}
            }
        }
        writes.retain(|writes| !writes.places.is_empty());
        Ok(writes)
    }

    async fn read_source<'t>(&self, work: &Work, keys: &[Vec<u8>], taken: &'t mut Taken<'_>) -> Result<Reading<'t>, Trouble> {
        let node = self.source.node(work.shard);
        let exact = is_exact(&taken.identity());
        let mut ask = Ask::with_capacity(keys.iter().map(|key| 2 * key.len() + 64).sum());
        // Whoever was made a replica may be empty while it loads what its primary sends (rule 1): asked before, and after.
        ask.add(&[b"INFO", b"replication"]);
        questions(&mut ask, keys.iter(), exact);
        ask.add(&[b"INFO", b"replication"]);
        let mut answers = if self.source.side.is_cluster() {
            // A transaction is of one slot there. What changes between a key's two answers is pushed, and read again.
            taken.ask(&ask, LONG).await?
        } else {
            taken.ask_atomically(&ask, LONG).await?
        };
        let is_primary =
            |info: Option<Answer<'_>>| matches!(info, Some(Answer::Text(info)) if String::from_utf8_lossy(info).contains("role:master"));
        let was_primary = is_primary(answers.next());
        let read = reading(&node, &mut answers, keys.len(), exact);
        if !(was_primary && (read.is_err() || is_primary(answers.next()))) && self.shared.settings.rules.follows(1) {
            return Err(Trouble::NotPrimary { node });
        }
        let (reading, on_server) = read?;
        self.pace.took(work.shard, on_server);
        Ok(reading)
    }

    /// The shards of the target that have these keys.
    async fn there(&self, work: &Work, keys: &[Vec<u8>]) -> Result<Vec<There<'_>>, Trouble> {
        let mut all = Vec::new();
        for shard in 0..self.target.shards() {
            let of_shard = |(at, key): (usize, &Vec<u8>)| (self.target.routes.shard_of(key) == Some(shard)).then_some(at);
            let places: Vec<usize> = keys.iter().enumerate().filter_map(of_shard).collect();
            if !places.is_empty() {
                all.push(There { shard, places, taken: self.target.bulk(shard, work.database, Use::Read).await? });
            }
        }
        Ok(all)
    }

    /// What the target holds of them, with how exactly its expiry is known.
    async fn read_target<'t>(&self, keys: &[Vec<u8>], there: &'t mut [There<'_>]) -> Result<Vec<(Held<'t>, i64)>, Trouble> {
        let mut all = vec![(Held::default(), 0); keys.len()];
        for There { shard, places, taken } in there {
            let exact = is_exact(&taken.identity());
            let mut ask = Ask::with_capacity(places.len() * 128);
            questions(&mut ask, places.iter().filter_map(|at| keys.get(*at)), exact);
            let mut answers = taken.ask(&ask, LONG).await?;
            let (reading, _) = reading(&self.target.node(*shard), &mut answers, places.len(), exact)?;
            for (at, held) in places.iter().zip(reading.held) {
                if let Some(place) = all.get_mut(*at) {
                    *place = (held, reading.known_to);
                }
            }
        }
        Ok(all)
    }

    async fn write(&self, work: &Work, keys: &[Vec<u8>], writes: Writes, done: &mut [Done]) -> Result<(), Trouble> {
        let mut taken = self.target.bulk(writes.shard, work.database, Use::Write).await?;
        // The last thing before it leaves: whoever slept since it read must not write (rule 2).
        self.is_still_mine()?;
        self.ledger.sends(writes.shard, "restore", writes.restores);
        self.ledger.sends(writes.shard, "unlink", writes.places.len() as u64 - writes.restores);
        let answers = match taken.ask(&writes.ask, LONG).await {
            Ok(answers) => answers,
            Err(trouble) => {
                // Whether it was carried out is not known, and it may still be: this life is over.
                self.end(trouble.clone());
                return Err(trouble);
            }
        };
        let progress = &self.shared.progress;
        let mut error = None;
        for ((at, bytes), answer) in writes.places.iter().zip(answers) {
            let outcome = match (answer, bytes) {
                (Answer::Refused(message), _) => {
                    error = Some(refused(&self.target.node(writes.shard), "a write", message));
                    Done::Failed
                }
                (_, Some(bytes)) => {
                    progress.copied(*bytes);
                    Done::Wrote(1)
                }
                (answer, None) => {
                    progress.removed(u64::from(answer == Answer::Number(1)));
                    Done::Wrote(1)
                }
            };
            if let Some(done) = done.get_mut(*at) {
                *done = both(*done, outcome);
            }
        }
        if let Some(error) = error {
            self.hindered(error.into());
        }
        if !self.shared.settings.rules.follows(5) {
            self.must_be_bytes(work, keys, &writes, done).await?;
        }
        Ok(())
    }

    /// Rule 5 left out: what was written has to be there byte for byte.
    async fn must_be_bytes(&self, work: &Work, keys: &[Vec<u8>], writes: &Writes, done: &mut [Done]) -> Result<(), Trouble> {
        let mut here = self.source.bulk(work.shard, work.database, Use::Read).await?;
        let mut there = self.there(work, keys).await?;
        let (source, target) = tokio::try_join!(self.read_source(work, keys, &mut here), self.read_target(keys, &mut there))?;
        for (at, _) in &writes.places {
            let payload = source.held.get(*at).map(|held| held.payload);
            if let (Some(done), true) = (done.get_mut(*at), payload != target.get(*at).map(|(held, _)| held.payload)) {
                *done = Done::Failed;
            }
        }
        Ok(())
    }
}

/// Writes to one shard of the target.
struct Writes {
    shard: usize,
    ask: Ask,
    /// The places of the keys, with the bytes of what is restored.
    places: Vec<(usize, Option<usize>)>,
    restores: u64,
}

impl Writes {
    fn restore(&mut self, at: usize, key: &[u8], payload: &[u8], expires: Option<i64>) {
        // 0: it never expires. A moment that is past is deleted at once, as it will be on the source (ABSTTL: 5.0).
        let expires = expires.map_or(Cow::Borrowed("0"), |expires| Cow::Owned(expires.max(1).to_string()));
        self.ask.add(&[b"RESTORE", key, expires.as_bytes(), payload, b"REPLACE", b"ABSTTL"]);
        self.places.push((at, Some(payload.len())));
        self.restores += 1;
    }

    fn unlink(&mut self, at: usize, key: &[u8]) {
        self.ask.add(&[b"UNLINK", key]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_of_two_databases_add_up() {
        assert_eq!(both(Done::Wrote(1), Done::Wrote(1)), Done::Wrote(2));
        assert_eq!(both(Done::Left, Done::Wrote(1)), Done::Wrote(1));
        assert_eq!(both(Done::Failed, Done::Wrote(1)), Done::Failed);
        assert_eq!(both(Done::Wrote(1), Done::WroteInPieces), Done::WroteInPieces);
    }
}
