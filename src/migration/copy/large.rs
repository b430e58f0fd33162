//! Values too large to go whole (rule 8): they are compared and copied by the commands of their type, in pieces, into a key of our own that is renamed at
//! the end. One at a time.
//!
//! What changes while that goes on is pushed, and the key copied again.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use redis::{Cmd, Pipeline, Value};

use super::batch::both;
use super::life::Life;
use super::marks::Done;
use super::nodes::{LONG, Use, microseconds, number, on, text};
use super::reading::{Held, is_exact};
use super::trouble::Trouble;
use crate::migration::slot;
use crate::migration::wire::{Link, Shape, WireError, shape};

/// Elements of a piece at most.
const ELEMENTS: u64 = 1000;

/// The types that can be had in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    String,
    List,
    Hash,
    Set,
    Sorted,
}

impl Kind {
    fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "string" => Kind::String,
            "list" => Kind::List,
            "hash" => Kind::Hash,
            "set" => Kind::Set,
            "zset" => Kind::Sorted,
            _ => return None,
        })
    }

    fn length(self) -> &'static str {
        match self {
            Kind::String => "STRLEN",
            Kind::List => "LLEN",
            Kind::Hash => "HLEN",
            Kind::Set => "SCARD",
            Kind::Sorted => "ZCARD",
        }
    }

    /// The command that adds a piece, and whether it comes in pairs.
    fn adds(self) -> &'static str {
        match self {
            Kind::String => "APPEND",
            Kind::List => "RPUSH",
            Kind::Hash => "HSET",
            Kind::Set => "SADD",
            Kind::Sorted => "ZADD",
        }
    }
}

/// From where to where one key goes.
struct Way {
    /// Shards of the source and of the target.
    from: usize,
    to: usize,
    source: Link,
    target: Link,
    /// How far the target's clock is ahead, in milliseconds.
    ahead: i64,
}

/// A value in pieces: where the next one begins.
struct Pieces<'k> {
    kind: Kind,
    key: &'k [u8],
    /// How many elements, or bytes, a piece has.
    size: u64,
    /// The offset of the next piece, or SCAN's cursor.
    next: Option<u64>,
}

impl Life {
    /// Makes one large key equal, in one database.
    pub async fn large(
        &self,
        shard: usize,
        database: u32,
        key: &[u8],
        done: &mut [Done],
        touched: &mut BTreeSet<usize>,
    ) -> Result<(), Trouble> {
        let _alone = self.large.lock().await;
        let Some(to) = self.target.routes.shard_of(key) else { return Err(Trouble::NoShard) };
        touched.insert(to);
        let outcome = match self.in_pieces(shard, to, database, key).await {
            // This key cannot be had or not be written now: the others go on.
            Err(trouble @ Trouble::Wire(WireError::Refused { .. })) if !trouble.is_change() => {
                self.hindered(trouble);
                Done::Failed
            }
            outcome => outcome?,
        };
        if let Some(done) = done.first_mut() {
            *done = both(*done, outcome);
        }
        Ok(())
    }

    async fn in_pieces(&self, from: usize, to: usize, database: u32, key: &[u8]) -> Result<Done, Trouble> {
        let way = Way {
            from,
            to,
            source: self.source.link(from, database, Use::Read).await?,
            target: self.target.link(to, database, Use::Write).await?,
            ahead: self.clocks().ahead(from, to),
        };
        let kind = type_of(&way.source, key).await?;
        let Some(kind) = Kind::named(&kind) else { return self.whole(&way, key, &kind).await };
        let length = length_of(&way.source, kind, key).await?;
        let bytes = number(&way.source.ask(redis::cmd("MEMORY").arg("USAGE").arg(key), LONG).await?).unwrap_or(0).unsigned_abs();
        let piece = self.shared.settings.piece;
        let size = if kind == Kind::String { piece } else { (piece.saturating_mul(length.max(1)) / bytes.max(1)).clamp(1, ELEMENTS) };
        let pieces = || Pieces { kind, key, size, next: Some(0) };
        let same = Kind::named(&type_of(&way.target, key).await?) == Some(kind)
            && length_of(&way.target, kind, key).await? == length
            && self.has_all(&way, pieces()).await?;
        if same {
            return self.expires_alike(&way, key).await;
        }
        self.is_still_mine()?;
        let prefix = format!("holdfast:piece:{}:{}:", std::process::id(), self.shared.large.fetch_add(1, Ordering::SeqCst));
        let name = if self.target.side.is_cluster() { slot::name_beside(key, &prefix) } else { prefix.into_bytes() };
        // Nobody else may take it for a stranger while it is being made; given up, it is a stranger.
        let ours = self.marks.claim(self.part_of(&name), vec![name.clone()]);
        let done = self.make(&way, pieces(), &name).await?;
        // Its pushes come before the claim ends.
        self.echoes(to).await?;
        ours.release(&[Done::WroteInPieces]);
        Ok(done)
    }

    async fn make(&self, way: &Way, mut pieces: Pieces<'_>, name: &[u8]) -> Result<Done, Trouble> {
        let key = pieces.key;
        self.send(way, vec![("unlink", on("UNLINK", name))]).await?;
        let mut bytes = 0;
        while let Some(piece) = self.piece(way, &mut pieces).await? {
            if piece.is_empty() {
                continue;
            }
            self.is_still_mine()?;
            bytes += piece.iter().map(Vec::len).sum::<usize>();
            let adds = pieces.kind.adds();
            let mut add = on(adds, name);
            match pieces.kind {
                // ZSCAN gives the member before its score, ZADD takes the score first.
                Kind::Sorted => piece.chunks_exact(2).for_each(|pair| {
                    pair.iter().rev().for_each(|part| {
                        add.arg(part);
                    });
                }),
                _ => piece.iter().for_each(|part| {
                    add.arg(part);
                }),
            }
            self.send(way, vec![(adds, add)]).await?;
        }
        let held = expiry(&way.source, key).await?;
        if bytes == 0 || held.payload.is_none() {
            // Gone meanwhile: that was pushed.
            self.send(way, vec![("unlink", on("UNLINK", name))]).await?;
            return Ok(Done::Failed);
        }
        let mut last = Vec::new();
        if let Some(expires) = held.expires {
            let mut expire = on("PEXPIREAT", name);
            expire.arg(expires.saturating_add(way.ahead));
            last.push(("pexpireat", expire));
        }
        let mut rename = on("RENAME", name);
        rename.arg(key);
        last.push(("rename", rename));
        self.is_still_mine()?;
        self.send(way, last).await?;
        self.shared.progress.copied(bytes);
        Ok(Done::WroteInPieces)
    }

    /// Streams and values of modules cannot be had in pieces: whole, or not at all.
    async fn whole(&self, way: &Way, key: &[u8], kind: &str) -> Result<Done, Trouble> {
        let source = &way.source;
        let mut ask = Pipeline::new();
        ask.add_command(on("DUMP", key));
        let payload = match source.ask_all(&ask, LONG).await?.into_iter().next() {
            Some(Value::BulkString(payload)) => payload,
            Some(Value::Nil) => {
                if self.may_delete() {
                    self.is_still_mine()?;
                    self.send(way, vec![("unlink", on("UNLINK", key))]).await?;
                    return Ok(Done::Wrote(1));
                }
                return Ok(Done::Left);
            }
            Some(other) => return Err(source.refusal("DUMP", &other).unwrap_or_else(|| source.strange("DUMP")).into()),
            None => return Err(source.strange("DUMP").into()),
        };
        if payload.len() as u64 > self.shared.settings.payload_limit {
            self.hindered(Trouble::TooLarge { node: source.node().to_owned(), kind: kind.to_owned(), bytes: payload.len() as u64 });
            return Ok(Done::Failed);
        }
        if shape(&payload) == Some(Shape::Stream) {
            self.streams.saw(key);
        }
        let expires = expiry(source, key).await?.expires.map_or(0, |expires| expires.saturating_add(way.ahead).max(1));
        self.is_still_mine()?;
        let mut restore = on("RESTORE", key);
        restore.arg(expires).arg(payload.as_slice()).arg("REPLACE").arg("ABSTTL");
        self.send(way, vec![("restore", restore)]).await?;
        self.shared.progress.copied(payload.len());
        Ok(Done::Wrote(1))
    }

    /// The values are equal: so must be their expiry.
    async fn expires_alike(&self, way: &Way, key: &[u8]) -> Result<Done, Trouble> {
        let (here, there) = tokio::try_join!(expiry(&way.source, key), expiry(&way.target, key))?;
        let wanted = here.expires.map(|expires| expires.saturating_add(way.ahead));
        let exact = is_exact(&way.source.identity) && is_exact(&way.target.identity);
        let alike = match (wanted, there.expires) {
            (Some(one), Some(other)) => one.abs_diff(other) <= if exact { 0 } else { 2 },
            (None, None) => true,
            _ => false,
        };
        if alike {
            return Ok(Done::Left);
        }
        self.is_still_mine()?;
        let change = match wanted {
            Some(expires) => {
                let mut expire = on("PEXPIREAT", key);
                expire.arg(expires);
                ("pexpireat", expire)
            }
            None => ("persist", on("PERSIST", key)),
        };
        self.send(way, vec![change]).await?;
        Ok(Done::Wrote(1))
    }

    /// Whether the target has every piece: with equal lengths, it has nothing else then.
    async fn has_all(&self, way: &Way, mut pieces: Pieces<'_>) -> Result<bool, Trouble> {
        loop {
            let at = pieces.next;
            let Some(piece) = self.piece(way, &mut pieces).await? else { return Ok(true) };
            let same = match pieces.kind {
                Kind::String | Kind::List => {
                    let mut there = Pieces { kind: pieces.kind, key: pieces.key, size: pieces.size, next: at };
                    ask_piece(&way.target, &mut there).await?.is_some_and(|there| there == piece)
                }
                Kind::Hash | Kind::Sorted => {
                    let command = if pieces.kind == Kind::Hash { "HGET" } else { "ZSCORE" };
                    let pairs: Vec<&[Vec<u8>]> = piece.chunks_exact(2).collect();
                    let there = members(&way.target, command, pieces.key, pairs.iter().filter_map(|pair| pair.first())).await?;
                    pairs.iter().zip(&there).all(|(pair, there)| is_value(pair.get(1), there))
                }
                Kind::Set => {
                    members(&way.target, "SISMEMBER", pieces.key, piece.iter()).await?.iter().all(|there| number(there) == Some(1))
                }
            };
            if !same {
                return Ok(false);
            }
        }
    }

    /// The next piece of the source's value, at the pace that the source is read.
    async fn piece(&self, way: &Way, pieces: &mut Pieces<'_>) -> Result<Option<Vec<Vec<u8>>>, Trouble> {
        if pieces.next.is_none() {
            return Ok(None);
        }
        self.pace.ready(way.from).await;
        let began = std::time::Instant::now();
        let piece = ask_piece(&way.source, pieces).await?;
        // Its time on the server is not known: no more than it took altogether.
        self.pace.took(way.from, began.elapsed() / 2);
        Ok(piece)
    }

    /// Sends writes to the target, one after another.
    async fn send(&self, way: &Way, commands: Vec<(&str, Cmd)>) -> Result<(), Trouble> {
        let mut all = Pipeline::with_capacity(commands.len());
        for (name, command) in commands {
            self.ledger.sends(way.to, &name.to_lowercase(), 1);
            all.add_command(command);
        }
        let answers = match way.target.ask_all(&all, LONG).await {
            Ok(answers) => answers,
            Err(error) => {
                self.end(error.clone().into());
                return Err(error.into());
            }
        };
        match answers.iter().find_map(|answer| way.target.refusal("a piece", answer)) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

async fn type_of(link: &Link, key: &[u8]) -> Result<String, Trouble> {
    Ok(text(&link.ask(&on("TYPE", key), LONG).await?).ok_or_else(|| link.strange("TYPE"))?)
}

async fn length_of(link: &Link, kind: Kind, key: &[u8]) -> Result<u64, Trouble> {
    match link.ask(&on(kind.length(), key), LONG).await {
        Ok(answer) => Ok(number(&answer).and_then(|length| u64::try_from(length).ok()).ok_or_else(|| link.strange(kind.length()))?),
        // Of another type by now.
        Err(WireError::Refused { code, .. }) if code == "WRONGTYPE" => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// When a key expires, by the node's clock. No payload: it is gone.
async fn expiry(link: &Link, key: &[u8]) -> Result<Held<'static>, Trouble> {
    let exact = is_exact(&link.identity);
    let mut ask = Pipeline::new();
    ask.cmd("TIME");
    ask.add_command(on(if exact { "PEXPIRETIME" } else { "PTTL" }, key));
    let answers = link.ask_atomically(ask, LONG).await?;
    let strange = || link.strange("PTTL");
    let now = answers.first().and_then(microseconds).ok_or_else(strange)?;
    let left = answers.get(1).and_then(number).ok_or_else(strange)?;
    let expires = (left >= 0).then(|| if exact { left } else { left.saturating_add(now / 1000) });
    Ok(Held { payload: (left != -2).then_some(&[][..]), expires })
}

async fn members<'m>(link: &Link, command: &str, key: &[u8], members: impl Iterator<Item = &'m Vec<u8>>) -> Result<Vec<Value>, Trouble> {
    let mut ask = Pipeline::new();
    for member in members {
        let mut one = on(command, key);
        one.arg(member);
        ask.add_command(one);
    }
    Ok(link.ask_all(&ask, LONG).await?)
}

/// Whether an answer is that value: a score comes as a number in RESP3.
fn is_value(value: Option<&Vec<u8>>, answer: &Value) -> bool {
    let number = |value: &Vec<u8>| std::str::from_utf8(value).ok()?.parse::<f64>().ok();
    match (value, answer) {
        (Some(value), Value::BulkString(other)) => value == other,
        (Some(value), Value::Double(other)) => number(value) == Some(*other),
        _ => false,
    }
}

async fn ask_piece(link: &Link, pieces: &mut Pieces<'_>) -> Result<Option<Vec<Vec<u8>>>, Trouble> {
    let Some(at) = pieces.next else { return Ok(None) };
    let last = at.saturating_add(pieces.size).saturating_sub(1);
    let (name, mut ask) = match pieces.kind {
        Kind::String => ("GETRANGE", on("GETRANGE", pieces.key)),
        Kind::List => ("LRANGE", on("LRANGE", pieces.key)),
        Kind::Hash => ("HSCAN", on("HSCAN", pieces.key)),
        Kind::Set => ("SSCAN", on("SSCAN", pieces.key)),
        Kind::Sorted => ("ZSCAN", on("ZSCAN", pieces.key)),
    };
    match pieces.kind {
        Kind::String | Kind::List => ask.arg(at).arg(last),
        _ => ask.arg(at).arg("COUNT").arg(pieces.size),
    };
    let strange = || link.strange(name);
    let answer = link.ask(&ask, LONG).await?;
    let strings = |values: Vec<Value>| {
        let string = |value| match value {
            Value::BulkString(bytes) => Some(bytes),
            Value::Double(score) => Some(score.to_string().into_bytes()),
            _ => None,
        };
        values.into_iter().map(string).collect::<Option<Vec<_>>>()
    };
    match (pieces.kind, answer) {
        (Kind::String, Value::BulkString(bytes)) => {
            pieces.next = (bytes.len() as u64 == pieces.size).then_some(last.saturating_add(1));
            Ok(Some(if bytes.is_empty() { Vec::new() } else { vec![bytes] }))
        }
        (Kind::List, Value::Array(values)) => {
            pieces.next = (values.len() as u64 == pieces.size).then_some(last.saturating_add(1));
            Ok(Some(strings(values).ok_or_else(strange)?))
        }
        (Kind::Hash | Kind::Set | Kind::Sorted, Value::Array(parts)) => {
            let mut parts = parts.into_iter();
            let cursor = match parts.next() {
                Some(Value::BulkString(text)) => std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).ok_or_else(strange)?,
                _ => return Err(strange().into()),
            };
            pieces.next = (cursor != 0_u64).then_some(cursor);
            match parts.next() {
                Some(Value::Array(values)) => Ok(Some(strings(values).ok_or_else(strange)?)),
                _ => Err(strange().into()),
            }
        }
        _ => Err(strange().into()),
    }
}
