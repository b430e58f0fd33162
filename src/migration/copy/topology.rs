//! Which primaries a cluster has now: slots move when it is resharded, and a failover makes another node the primary.

use redis::Value;

use super::nodes::{SHORT, number, text};
use super::trouble::Trouble;
use crate::migration::side::{Shard, Side};
use crate::migration::wire::{Endpoint, Link, Name};

/// The side as its nodes tell it. Cluster mode off: as it was given.
pub async fn current(side: Side, name: &Name) -> Result<Side, Trouble> {
    if !side.is_cluster() {
        return Ok(side);
    }
    let mut last = Trouble::NoShard;
    for node in side.nodes() {
        match ask(&node.endpoint, name).await {
            Ok(shards) if !shards.is_empty() => return Ok(Side { shards, databases: side.databases }),
            Ok(_) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(node: &Endpoint, name: &Name) -> Result<Vec<Shard>, Trouble> {
    let link = Link::connect(node, 0, &name.for_role("copy-ask"), None).await?;
    let answer = link.ask(redis::cmd("CLUSTER").arg("SLOTS"), SHORT).await?;
    Ok(shards(node, &answer).ok_or_else(|| link.strange("CLUSTER SLOTS"))?)
}

/// CLUSTER SLOTS: for each range its first and last slot, the primary, and the replicas, each with address and port.
fn shards(asked: &Endpoint, answer: &Value) -> Option<Vec<Shard>> {
    let Value::Array(ranges) = answer else { return None };
    let mut shards: Vec<Shard> = Vec::new();
    for range in ranges {
        let Value::Array(parts) = range else { return None };
        let [first, last, primary, replicas @ ..] = parts.as_slice() else { return None };
        let slots = (u16::try_from(number(first)?).ok()?, u16::try_from(number(last)?).ok()?);
        let primary = endpoint(asked, primary)?;
        match shards.iter_mut().find(|shard| (&shard.primary.host, shard.primary.port) == (&primary.host, primary.port)) {
            Some(shard) => shard.slots.push(slots),
            None => {
                let replicas = replicas.iter().map(|replica| endpoint(asked, replica)).collect::<Option<Vec<_>>>()?;
                shards.push(Shard { primary, replicas, slots: vec![slots] });
            }
        }
    }
    Some(shards)
}

fn endpoint(asked: &Endpoint, node: &Value) -> Option<Endpoint> {
    let Value::Array(parts) = node else { return None };
    let [host, port, ..] = parts.as_slice() else { return None };
    // A node that does not know its own address says nothing, or ?: it is the one that was asked.
    let host = text(host).filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| asked.host.clone());
    Some(Endpoint { host, port: u16::try_from(number(port)?).ok()?, login: asked.login.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::wire::Login;

    #[test]
    fn ranges_of_one_primary_are_one_shard() {
        let asked = Endpoint { host: "seed".to_owned(), port: 1, login: Login::default() };
        let node = |host: &str, port| Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString("id".into())]);
        let range = |first, last, nodes: &[Value]| Value::Array([&[Value::Int(first), Value::Int(last)], nodes].concat());
        let answer = Value::Array(vec![
            range(0, 5460, &[node("10.0.0.1", 6379), node("10.0.0.2", 6379)]),
            range(5461, 16382, &[node("", 6380)]),
            range(16383, 16383, &[node("10.0.0.1", 6379)]),
        ]);
        let shards = shards(&asked, &answer).unwrap();
        let seen: Vec<_> = shards.iter().map(|shard| (shard.primary.host.as_str(), shard.replicas.len(), shard.slots.clone())).collect();
        assert_eq!(seen, [("10.0.0.1", 1, vec![(0, 5460), (16383, 16383)]), ("seed", 0, vec![(5461, 16382)])]);
        assert!(super::shards(&asked, &Value::Nil).is_none());
        assert!(super::shards(&asked, &Value::Array(vec![range(0, 70000, &[node("a", 1)])])).is_none());
    }
}
