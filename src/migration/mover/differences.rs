//! Which keys differ between two held sides: what a person decides about.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::time::Instant;

use super::Setup;
use super::state::{Difference, How, Stop};
use crate::migration::hold::{NodeLink, Nodes};
use crate::migration::side::Side;
use crate::migration::wire::{Link, Name, Shape, WireError, shape};

/// How many are listed, and how long they are looked for: writes are held meanwhile.
const LISTED: usize = 1000;
const LOOKING: Duration = Duration::from_secs(20);
const ASKING: Duration = Duration::from_secs(10);
/// Keys a round trip.
const BATCH: u64 = 500;
/// A collection of more members is not compared by content: unequal bytes count as a difference.
const MEMBERS: i64 = 10_000;

/// The first keys that differ, by database and name.
pub(super) async fn differences(source: &Nodes, target: &Nodes, setup: &Setup) -> Result<Vec<Difference>, Stop> {
    let until = Instant::now() + LOOKING;
    let mut found = BTreeSet::new();
    let databases: BTreeSet<u32> = used(source).await?.into_iter().chain(used(target).await?).collect();
    let name = setup.name.for_role("compare");
    for database in databases {
        let (here, there) = (Links::open(source, database, &name).await?, Links::open(target, database, &name).await?);
        // Each side's keys: what one has alone is met on its own side.
        for (from, to, alone, side) in
            [(&here, &there, How::OnSourceAlone, &setup.target), (&there, &here, How::OnTargetAlone, &setup.source)]
        {
            for link in &from.0 {
                let mut cursor = b"0".to_vec();
                loop {
                    if found.len() >= LISTED || Instant::now() >= until {
                        return Ok(found.into_iter().take(LISTED).collect());
                    }
                    let (next, keys) = scan(link, &cursor).await?;
                    for (key, how) in compare(link, to, side, keys, alone).await? {
                        found.insert(Difference { database, key: String::from_utf8_lossy(&key).into_owned(), how });
                    }
                    if next == b"0" {
                        break;
                    }
                    cursor = next;
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// A connection to each primary, in one database.
struct Links(Vec<Link>);

impl Links {
    async fn open(nodes: &Nodes, database: u32, name: &Name) -> Result<Links, WireError> {
        let one = |node: &NodeLink| {
            let (endpoint, name) = (node.endpoint.clone(), name.clone());
            async move { Link::connect(&endpoint, database, &name, None).await }
        };
        Ok(Links(futures::future::try_join_all(nodes.primaries.iter().map(one)).await?))
    }
}

async fn used(nodes: &Nodes) -> Result<BTreeSet<u32>, WireError> {
    let mut all = BTreeSet::new();
    for node in &nodes.primaries {
        all.extend(node.link.info("keyspace").await?.databases().into_keys());
    }
    Ok(all)
}

async fn scan(link: &Link, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), WireError> {
    let answer = link.ask(redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(BATCH), ASKING).await?;
    let bytes = |value: &Value| match value {
        Value::BulkString(bytes) => Some(bytes.clone()),
        _ => None,
    };
    match &answer {
        Value::Array(parts) => match parts.as_slice() {
            [next, Value::Array(keys)] => Ok((bytes(next).ok_or_else(|| link.strange("SCAN"))?, keys.iter().filter_map(bytes).collect())),
            _ => Err(link.strange("SCAN")),
        },
        _ => Err(link.strange("SCAN")),
    }
}

/// Those of these keys that differ.
async fn compare(from: &Link, to: &Links, side: &Side, keys: Vec<Vec<u8>>, alone: How) -> Result<Vec<(Vec<u8>, How)>, WireError> {
    let mut found = Vec::new();
    let mut by_shard: Vec<Vec<Vec<u8>>> = vec![Vec::new(); to.0.len()];
    for key in keys {
        match side.shard_of(&key).and_then(|shard| by_shard.get_mut(shard)) {
            Some(keys) => keys.push(key),
            None => found.push((key, alone)),
        }
    }
    for (link, keys) in to.0.iter().zip(by_shard) {
        let (ours, theirs) = futures::future::try_join(dumps(from, &keys), dumps(link, &keys)).await?;
        for ((key, ours), theirs) in keys.into_iter().zip(ours).zip(theirs) {
            match (ours, theirs) {
                // Expired meanwhile: in a hold such a key dumps as nothing.
                (None, _) => {}
                (Some(_), None) => found.push((key, alone)),
                (Some(ours), Some(theirs)) if ours == theirs => {}
                (Some(ours), Some(_)) => {
                    let equal =
                        shape(&ours) == Some(Shape::Collection) && content(from, &key).await?.is_some_and_equal(content(link, &key).await?);
                    if !equal {
                        found.push((key, How::Unequal));
                    }
                }
            }
        }
    }
    Ok(found)
}

async fn dumps(link: &Link, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, WireError> {
    let mut pipeline = Pipeline::new();
    for key in keys {
        pipeline.cmd("DUMP").arg(key);
    }
    let answers = link.ask_all(&pipeline, ASKING).await?;
    let one = |answer: Value| match answer {
        Value::BulkString(payload) => Ok(Some(payload)),
        Value::Nil => Ok(None),
        other => Err(link.refusal("DUMP", &other).unwrap_or_else(|| link.strange("DUMP"))),
    };
    answers.into_iter().map(one).collect()
}

/// What a collection holds, in an order that does not depend on its history; nothing where it is too large to ask for.
struct Content(Option<(String, Vec<Vec<u8>>)>);

impl Content {
    fn is_some_and_equal(&self, other: Content) -> bool {
        self.0.is_some() && self.0 == other.0
    }
}

async fn content(link: &Link, key: &[u8]) -> Result<Content, WireError> {
    let kind = match link.ask(redis::cmd("TYPE").arg(key), ASKING).await? {
        Value::SimpleString(kind) => kind,
        _ => return Ok(Content(None)),
    };
    let (count, all, last) = match kind.as_str() {
        "set" => ("SCARD", "SMEMBERS", None),
        "hash" => ("HLEN", "HGETALL", None),
        "list" => ("LLEN", "LRANGE", Some(())),
        "zset" => ("ZCARD", "ZRANGE", Some(())),
        _ => return Ok(Content(None)),
    };
    match link.ask(redis::cmd(count).arg(key), ASKING).await? {
        Value::Int(members) if members <= MEMBERS => {}
        _ => return Ok(Content(None)),
    }
    let mut command = redis::cmd(all);
    command.arg(key);
    if last.is_some() {
        command.arg(0).arg(-1);
    }
    if kind == "zset" {
        command.arg("WITHSCORES");
    }
    let mut parts = Vec::new();
    match link.ask(&command, ASKING).await? {
        Value::Map(pairs) => parts.extend(pairs.iter().map(|(field, value)| [flat(field), flat(value)].join(&b"\0="[..]))),
        Value::Array(items) | Value::Set(items) => parts.extend(items.iter().map(flat)),
        _ => return Ok(Content(None)),
    }
    // The order of a list is its content.
    if kind != "list" {
        parts.sort();
    }
    Ok(Content(Some((kind, parts))))
}

fn flat(value: &Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes.clone(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(&b"\0="[..]),
        other => format!("{other:?}").into_bytes(),
    }
}
