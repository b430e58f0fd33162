//! Engines that are older, or cannot do all of it; clusters; clocks.

use redis::Value;

use super::proxy::Proxy;
use super::servers::{
    Client, Here, catch_up, client, contents, difference, drained, name, passed, program_62, server, server_of, settings, side, until,
};
use crate::migration::copy::{CatchUp, Trouble};
use crate::migration::side::{Rules, Shard, Side};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_cannot_read_the_sources_payloads_is_refused_before_anything() {
    let (Some(source), Some(target)) = (server(&[]), server_of(program_62(), 0, &[])) else { return };
    source.client(0).await.run("SET key 1").await;
    target.client(0).await.run("SET stranger 1").await;
    let refused = CatchUp::start(source.side(), target.side(), name(1), settings(Rules::ALL)).await.map(|_| ());
    let Err(Trouble::Versions { source_version, target: target_version, .. }) = refused else { panic!("{refused:?}") };
    assert!(source_version.starts_with("7.0") && target_version.starts_with("6.2"));
    assert_eq!(contents(&target.side()).await.len(), 1);
}

/// A source of 6.2: expiries are computed from TIME and PTTL there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_source_is_copied_to_an_equal_or_newer_target() {
    for newer in [false, true] {
        let Some(source) = server_of(program_62(), 0, &[]) else { return };
        let Some(target) = (if newer { server(&[]) } else { server_of(program_62(), 0, &[]) }) else { return };
        let client = source.client(0).await;
        client.fill("key:", 500, 50).await;
        for key in 0..300 {
            client.run(&format!("PEXPIRE key:{key} {}", 1_000_000 + key)).await;
        }
        for words in
            ["XADD stream 1-1 a 1", "XGROUP CREATE stream g 0", "HSET hash a 1", "ZADD sorted 1 a", "SADD set a b", "RPUSH list a b"]
        {
            client.run(words).await;
        }
        let moment = |value: Value| if let Value::Int(left) = value { left } else { panic!() };
        let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
        passed(&copier).await;
        client.run("XREADGROUP GROUP g c STREAMS stream >").await;
        client.run("SET key:1 later").await;
        let proof = drained(&copier).await.unwrap();
        // XINFO and encodings have other members in the newer one.
        let differs = difference(&source.side(), &target.side()).await;
        let differs: Vec<_> = differs.iter().filter(|key| !newer || !key.starts_with("0:stream")).collect();
        assert!(differs.is_empty(), "{newer}: {} {differs:?}", differs.len());
        assert_eq!(proof.passes, 0);
        let there = target.client(0).await;
        assert_eq!(format!("{:?}", there.run("XPENDING stream g").await), format!("{:?}", client.run("XPENDING stream g").await));
        let (one, other) = tokio::join!(client.run("PTTL key:100"), there.run("PTTL key:100"));
        assert!(moment(one).abs_diff(moment(other)) < 50);
        // A second copier finds nothing to write: expiries are equal as far as they can be known.
        drop(copier);
        let again = catch_up(&source.side(), &target.side(), Rules::ALL).await;
        passed(&again).await;
        assert!(again.progress().keys_copied < 30 || newer, "{:?}", again.progress());
    }
}

/// As before 6.0, and where the command is forbidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tracking_full_passes_take_its_place_and_that_is_said() {
    for untracked in ["source", "target"] {
        let forbids = ["user default on nopass ~* &* +@all -client|tracking"];
        let config = |side: &str| if side == untracked { &forbids[..] } else { &[] };
        let (Some(source), Some(target)) = (server(config("source")), server(config("target"))) else { return };
        let client = source.client(0).await;
        client.fill("key:", 500, 20).await;
        let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
        passed(&copier).await;
        let said = copier.progress().full_passes.unwrap();
        assert!(said.contains("refuses client tracking: NOPERM"), "{said}");
        client.fill("key:", 400, 30).await;
        client.fill("more:", 100, 30).await;
        client.run("DEL key:450").await;
        target.client(0).await.run("SET stranger 1").await;
        let proof = drained(&copier).await.unwrap();
        assert!(proof.passes >= 1);
        let differs = difference(&source.side(), &target.side()).await;
        assert!(differs.is_empty(), "{untracked}: {} {differs:?}", differs.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_refused() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let proxy = Proxy::before(target.server.port).await;
    for ahead in [2, -2] {
        proxy.ahead(ahead);
        let refused = CatchUp::start(source.side(), side(proxy.port), name(1), settings(Rules::ALL)).await.map(|_| ());
        let Err(Trouble::Clocks { milliseconds, limit: 1000, .. }) = refused else { panic!("{refused:?}") };
        assert!((milliseconds - ahead * 1000).abs() < 200, "{milliseconds}");
    }
    proxy.ahead(0);
    let copier = CatchUp::start(source.side(), side(proxy.port), name(1), settings(Rules::ALL)).await.unwrap();
    passed(&copier).await;
    drained(&copier).await.unwrap();
    // A step of the clock in the middle is found under the hold.
    proxy.ahead(3);
    let proven = copier.drain(std::time::Duration::from_millis(800)).await.map(|_| ());
    assert!(matches!(proven, Err(Trouble::Clocks { .. })), "{proven:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_databases_and_replicas_are_refused() {
    let (Some(source), Some(target)) = (server(&[]), server(&["databases 4"])) else { return };
    let refused = CatchUp::start(source.side(), target.side(), name(1), settings(Rules::ALL)).await.map(|_| ());
    assert!(matches!(refused, Err(Trouble::Databases { databases: 16, .. })), "{refused:?}");
    let Some(replica) = server(&[&format!("replicaof 127.0.0.1 {}", source.server.port)]) else { return };
    let refused = CatchUp::start(replica.side(), source.side(), name(1), settings(Rules::ALL)).await.map(|_| ());
    assert!(matches!(refused, Err(Trouble::NotPrimary { .. })), "{refused:?}");
}

/// Nodes with cluster mode on, with all slots divided among them.
async fn cluster(nodes: u16) -> Option<(Vec<Here>, Side)> {
    let mut all = Vec::new();
    for _ in 0..nodes {
        all.push(server(&["cluster-enabled yes", "cluster-node-timeout 5000", "cluster-port 0"])?);
    }
    let each = 16384 / nodes;
    let mut shards = Vec::new();
    for (place, node) in (0..).zip(&all) {
        let last = if place + 1 == nodes { 16383 } else { (place + 1) * each - 1 };
        let client = node.client(0).await;
        client.run(&format!("CLUSTER ADDSLOTSRANGE {} {last}", place * each)).await;
        client.run(&format!("CLUSTER SET-CONFIG-EPOCH {}", place + 1)).await;
        shards.push(Shard { primary: node.endpoint(), replicas: vec![], slots: vec![(place * each, last)] });
    }
    let first = all[0].client(0).await;
    for other in &all[1..] {
        first.run(&format!("CLUSTER MEET 127.0.0.1 {}", other.server.port)).await;
    }
    for node in &all {
        let client = node.client(0).await;
        until("the cluster", || async {
            let info = text(client.run("CLUSTER INFO").await);
            info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}"))
        })
        .await;
    }
    Some((all, Side { shards, databases: 1 }))
}

fn text(value: Value) -> String {
    match value {
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        Value::BulkString(text) => String::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Runs a command where its key is.
async fn on(side: &Side, words: &str) {
    let key = words.split(' ').nth(1).unwrap();
    let shard = side.shard_of(key.as_bytes()).unwrap();
    client(&side.shards[shard].primary, 0).await.run(words).await;
}

async fn write(side: &Side, prefix: &str, keys: u32) {
    let mut clients: Vec<Client> = Vec::new();
    for shard in &side.shards {
        clients.push(client(&shard.primary, 0).await);
    }
    for key in 0..keys {
        let key = format!("{prefix}{key}");
        clients[side.shard_of(key.as_bytes()).unwrap()].run(&format!("SET {key} {prefix}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_are_copied_shard_by_shard_into_other_numbers_of_shards() {
    let Some((_two, source)) = cluster(2).await else { return };
    let Some((_three, target)) = cluster(3).await else { return };
    write(&source, "key:", 600).await;
    write(&target, "stranger:", 50).await;
    let copier = catch_up(&source, &target, Rules::ALL).await;
    passed(&copier).await;
    write(&source, "more:", 200).await;
    for words in ["DEL key:1", "PEXPIRE key:2 5000000", "RENAME {a}b {a}c", "SADD set 1 2 3", "XADD stream 1-1 a 1"] {
        if words.starts_with("RENAME") {
            on(&source, "SET {a}b 1").await;
        }
        on(&source, words).await;
    }
    let proof = drained(&copier).await.unwrap();
    let differs = difference(&source, &target).await;
    assert!(differs.is_empty(), "{} {differs:?}", differs.len());
    assert_eq!((proof.passes, proof.source.len(), proof.target.len()), (0, 2, 3));
    assert_eq!(contents(&target).await.len(), 600 + 200 - 1 + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_resharded_is_followed() {
    let (Some((nodes, source)), Some(target)) = (cluster(2).await, server(&[])) else { return };
    write(&source, "key:", 300).await;
    let copier = catch_up(&source, &target.side(), Rules::ALL).await;
    passed(&copier).await;
    // The slot of key:7 goes to the other node, with what is in it.
    let slot = crate::migration::slot::of(b"key:7");
    let from = source.shard_of(b"key:7").unwrap();
    let (old, new) = (nodes[from].client(0).await, nodes[1 - from].client(0).await);
    let (old_id, new_id) = (text(old.run("CLUSTER MYID").await), text(new.run("CLUSTER MYID").await));
    new.run(&format!("CLUSTER SETSLOT {slot} IMPORTING {old_id}")).await;
    old.run(&format!("CLUSTER SETSLOT {slot} MIGRATING {new_id}")).await;
    let Value::Array(keys) = old.run(&format!("CLUSTER GETKEYSINSLOT {slot} 100")).await else { panic!() };
    for key in keys {
        let Value::BulkString(key) = key else { panic!() };
        let port = nodes[1 - from].server.port.to_string();
        old.run_all(&[b"MIGRATE".as_slice(), b"127.0.0.1", port.as_bytes(), &key, b"0", b"5000"]).await;
    }
    for client in [&new, &old] {
        client.run(&format!("CLUSTER SETSLOT {slot} NODE {new_id}")).await;
    }
    new.run("SET key:7 moved").await;
    until("the slots as they are now", || async { copier.progress().restarts > 0 && copier.progress().passes > 1 }).await;
    drained(&copier).await.unwrap();
    let differs = difference(&source, &target.side()).await;
    assert!(differs.is_empty(), "{} {differs:?}", differs.len());
    assert_eq!(target.client(0).await.run("GET key:7").await, Value::BulkString(b"moved".to_vec()));
}
