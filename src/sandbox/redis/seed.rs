//! Made-up data for a group to begin with.

use redis::{Pipeline, RedisError};

use super::admin::{Admin, STATE};
use super::cluster::slot;
use super::error::FleetError;

/// Keys that go in one pipeline.
const BATCH: usize = 500;
/// Every third key or so ends by itself, in one to ten hours.
const ENDING: u64 = 3;
const HOUR: i64 = 3600;

/// Writes `count` keys to the primaries of a group, each to that of its slot (which it has by `slots`): of ten, eight strings of 100 to 500 bytes, and hashes, lists, sets and
/// sorted sets. The same ones each time. Each primary's replicas, of which there are so many, have them too in the end.
pub fn fill(primaries: &[Admin], slots: &[Vec<(u16, u16)>], replicas: usize, count: u64) -> Result<(), FleetError> {
    let mut random = fastrand::Rng::with_seed(count);
    let shards = primaries.len().max(1);
    let mut batches: Vec<Pipeline> = (0..shards).map(|_| Pipeline::new()).collect();
    let mut connections = primaries.iter().map(Admin::connect).collect::<Result<Vec<_>, _>>()?;
    for number in 0..count {
        let key = format!("seed:{number}");
        let slot = slot(key.as_bytes());
        let holds = |ranges: &Vec<(u16, u16)>| ranges.iter().any(|(first, last)| (*first..=*last).contains(&slot));
        // Cluster mode off: one shard has all.
        let shard = if shards > 1 { slots.iter().position(holds).unwrap_or(0) } else { 0 };
        if let Some(batch) = batches.get_mut(shard) {
            write(batch, &key, number, &mut random);
        }
        let last = number + 1 == count;
        for ((batch, connection), admin) in batches.iter_mut().zip(&mut connections).zip(primaries) {
            if batch.len() >= BATCH || (last && !batch.is_empty()) {
                let failed = |error: RedisError| admin.refused("the data to begin with", &error);
                std::mem::take(batch).exec(connection).map_err(failed)?;
            }
        }
    }
    for (connection, admin) in connections.iter_mut().zip(primaries) {
        let have: usize = admin.ask_on(connection, &["WAIT", &replicas.to_string(), &STATE.as_millis().to_string()])?;
        if have < replicas {
            return Err(FleetError::TooLong { what: format!("{}: its data on its replicas", admin.node), limit: STATE });
        }
    }
    Ok(())
}

fn write(batch: &mut Pipeline, key: &str, number: u64, random: &mut fastrand::Rng) {
    let mut word = |least: usize, most: usize| -> String { (0..random.usize(least..=most)).map(|_| random.alphanumeric()).collect() };
    match number % 50 {
        0..5 => batch.cmd("HSET").arg(key).arg("name").arg(word(5, 20)).arg("mail").arg(word(5, 20)).arg("visits").arg(number),
        5..8 => batch.cmd("RPUSH").arg(key).arg(word(10, 50)).arg(word(10, 50)).arg(word(10, 50)),
        8 => batch.cmd("SADD").arg(key).arg(word(5, 20)).arg(word(5, 20)).arg(number),
        9 => batch.cmd("ZADD").arg(key).arg(1).arg(word(5, 20)).arg(2.5).arg(word(5, 20)),
        _ => batch.cmd("SET").arg(key).arg(word(100, 500)),
    };
    if number.is_multiple_of(ENDING) {
        batch.cmd("EXPIRE").arg(key).arg(HOUR * i64::try_from(number % 10 + 1).unwrap_or(1));
    }
}
