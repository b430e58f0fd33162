//! Rules 1 and 2: who is at the other end of a connection, and who may still write.

use std::time::Duration;

use super::proxy::Proxy;
use super::servers::{Here, catch_up, contents, difference, drained, name, passed, server, server_of, settings, side, until};
use crate::clock::Clock;
use crate::migration::copy::{CatchUp, Epoch, Phase, Settings, Trouble};
use crate::migration::lease::Lease;
use crate::migration::side::Rules;
use crate::sandbox::redis::program;
use redis::Value;

/// How many keys the target keeps when the source comes up empty, in another process, and the target's keys are touched.
async fn kept_after_an_empty_replacement(rules: Rules) -> Option<(usize, Result<(), Trouble>)> {
    let (mut source, target) = (server(&[])?, server(&[])?);
    source.client(0).await.fill("key:", 300, 20).await;
    let copier = catch_up(&source.side(), &target.side(), rules).await;
    passed(&copier).await;
    source.server.kill();
    let _empty = server_of(program(), source.server.port, &[])?;
    let touch = target.client(0).await;
    // The old connections have broken: this is heard on the target's tracking, or found by a pass.
    tokio::time::sleep(Duration::from_millis(100)).await;
    for key in 0..300 {
        touch.run(&format!("APPEND key:{key} x")).await;
    }
    let drained = copier.drain(Duration::from_secs(4)).await.map(|_| ());
    Some((contents(&target.side()).await.len(), drained))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_an_empty_replacement_does_not_empty_the_target() {
    let Some((kept, drained)) = kept_after_an_empty_replacement(Rules::ALL).await else { return };
    assert_eq!(kept, 300);
    assert!(matches!(drained, Err(Trouble::Emptied { before: 300, now: 0, .. })), "{drained:?}");
    let (kept, _) = kept_after_an_empty_replacement(Rules::without(1)).await.unwrap();
    assert_eq!(kept, 0);
}

/// What differs when the tracking connection was ended, and keys were written afterwards.
async fn differs_after_tracking_broke(rules: Rules) -> Option<Vec<String>> {
    let (source, target) = (server(&[])?, server(&[])?);
    let client = source.client(0).await;
    client.fill("key:", 300, 20).await;
    let copier = catch_up(&source.side(), &target.side(), rules).await;
    passed(&copier).await;
    end(&source, "copy-track").await;
    for key in 0..50 {
        client.run(&format!("SET key:{key} later")).await;
    }
    client.run("DEL key:100").await;
    let proof = drained(&copier).await;
    assert!(proof.is_ok(), "{proof:?}");
    assert_eq!(copier.progress().restarts > 0, rules.follows(1));
    Some(difference(&source.side(), &target.side()).await)
}

/// Ends our connections of this role.
async fn end(at: &Here, role: &str) {
    let client = at.client(0).await;
    let list = match client.run("CLIENT LIST").await {
        Value::VerbatimString { text, .. } => text,
        Value::BulkString(text) => String::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    };
    let line = list.lines().find(|line| line.contains(role)).expect("a connection of ours");
    let id = line.split_whitespace().find_map(|word| word.strip_prefix("id=")).unwrap();
    client.run(&format!("CLIENT KILL ID {id}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_a_broken_tracking_connection_is_not_made_anew_in_silence() {
    let Some(differs) = differs_after_tracking_broke(Rules::ALL).await else { return };
    assert!(differs.is_empty(), "{differs:?}");
    let differs = differs_after_tracking_broke(Rules::without(1)).await.unwrap();
    assert_eq!(differs.len(), 51);
}

/// What the target has of a key when a copier that slept since it read is woken, after another one wrote.
async fn left_by_a_woken_copier(rules: Rules) -> Option<(Value, Option<Trouble>)> {
    let (source, target) = (server(&[])?, server(&[])?);
    let (client, successor) = (source.client(0).await, target.client(0).await);
    client.run("SET key first").await;
    let proxy = Proxy::before(source.server.port).await;
    let settings = settings(rules);
    let copier = CatchUp::start(side(proxy.port), target.side(), name(1), settings.clone()).await.unwrap();
    passed(&copier).await;
    proxy.hold_value("copy-read", "second");
    client.run("SET key second").await;
    until("a read that is answered", || async { proxy.held() > 0 }).await;
    settings.epoch.raise(2);
    successor.run("SET key third").await;
    proxy.release();
    until("the copier to wake", || async {
        copier.last_trouble().is_some() || successor.run("GET key").await != Value::BulkString(b"third".to_vec())
    })
    .await;
    // It has had its chance.
    tokio::time::sleep(Duration::from_millis(50)).await;
    Some((successor.run("GET key").await, copier.last_trouble()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_2_a_woken_copier_does_not_write() {
    let Some((value, trouble)) = left_by_a_woken_copier(Rules::ALL).await else { return };
    assert_eq!(value, Value::BulkString(b"third".to_vec()));
    assert_eq!(trouble, Some(Trouble::Superseded { epoch: 1 }));
    let (value, _) = left_by_a_woken_copier(Rules::without(2)).await.unwrap();
    assert_eq!(value, Value::BulkString(b"second".to_vec()));
}

/// What the target has of a key when a copier finds its connections ended by who has taken over and is gone again, and its own time over.
async fn left_by_a_copier_whose_time_is_over(leased: bool) -> Option<Value> {
    let (source, target) = (server(&[])?, server(&[])?);
    let (client, successor) = (source.client(0).await, target.client(0).await);
    client.run("SET key first").await;
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
    let lease = Lease::new(clock.clone(), clock.now(), Duration::from_secs(60));
    let epoch = if leased { Epoch::leased(1, lease) } else { Epoch::new(1) };
    let copier = CatchUp::start(source.side(), target.side(), name(1), Settings { epoch, ..settings(Rules::ALL) }).await.unwrap();
    passed(&copier).await;
    clock.advance(Duration::from_secs(60));
    for one in [&client, &successor] {
        one.run("CLIENT KILL TYPE normal SKIPME yes").await;
    }
    successor.run("SET key third").await;
    until("the copier to do as it does", || async {
        let over = matches!(copier.last_trouble(), Some(Trouble::Superseded { .. }));
        over || successor.run("GET key").await != Value::BulkString(b"third".to_vec())
    })
    .await;
    // It has had its chance.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Some(successor.run("GET key").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_2_a_copier_whose_time_is_over_does_not_connect_again() {
    let Some(value) = left_by_a_copier_whose_time_is_over(true).await else { return };
    assert_eq!(value, Value::BulkString(b"third".to_vec()));
    let value = left_by_a_copier_whose_time_is_over(false).await.unwrap();
    assert_eq!(value, Value::BulkString(b"first".to_vec()));
}

/// How many keys the source evicts while our answers wait to be read.
async fn evicted_by_unread_answers(rules: Rules) -> Option<u64> {
    let source = server(&["maxmemory-policy allkeys-random", "rdbcompression no"])?;
    let target = server(&[])?;
    let client = source.client(0).await;
    client.fill("key:", 300, 100_000).await;
    let used = client.0.info("memory").await.unwrap().number("used_memory").unwrap();
    client.run(&format!("CONFIG SET maxmemory {}", used + 12_000_000)).await;
    let proxy = Proxy::before(source.server.port).await;
    proxy.hold("copy-read", 40_000);
    let settings = Settings { window: 256 * 1024, ..settings(rules) };
    let copier = CatchUp::start(side(proxy.port), target.side(), name(1), settings).await.unwrap();
    until("answers that are held", || async { proxy.held() > 0 }).await;
    let mut evicted = 0;
    for _ in 0..50 {
        // Every command makes the server look at its memory.
        evicted = client.0.info("stats").await.unwrap().number("evicted_keys").unwrap();
        if evicted > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    proxy.release();
    // To compare takes memory too.
    client.run("CONFIG SET maxmemory 0").await;
    drained(&copier).await.unwrap();
    assert!(difference(&source.side(), &target.side()).await.is_empty());
    Some(evicted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_2_unread_answers_do_not_evict_the_sources_keys() {
    let Some(evicted) = evicted_by_unread_answers(Rules::ALL).await else { return };
    assert_eq!(evicted, 0);
    assert!(evicted_by_unread_answers(Rules::without(2)).await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_a_failover_of_the_source_is_followed_and_compared_anew() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let Some(replica) = server(&[&format!("replicaof 127.0.0.1 {}", source.server.port)]) else { return };
    source.client(0).await.fill("key:", 500, 20).await;
    let of_replica = replica.client(0).await;
    until("the replica to have the keys", || async { contents(&replica.side()).await.len() == 500 }).await;
    let primary = Proxy::before(source.server.port).await;
    let copier = CatchUp::start(side(primary.port), target.side(), name(1), settings(Rules::ALL)).await.unwrap();
    passed(&copier).await;
    // What replication had not delivered is lost, and must go from the target too.
    of_replica.run("REPLICAOF NO ONE").await;
    source.client(0).await.run("SET lost 1").await;
    until("the write to be copied", || async { contents(&target.side()).await.len() == 501 }).await;
    primary.point_to(replica.server.port);
    of_replica.run("SET key:1 later").await;
    until("another life", || async { copier.progress().restarts > 0 && copier.progress().passes > 1 }).await;
    drained(&copier).await.unwrap();
    let differs = difference(&replica.side(), &target.side()).await;
    assert!(differs.is_empty(), "{differs:?}");
    assert_eq!(contents(&target.side()).await.len(), 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_a_source_that_is_made_the_replica_of_an_empty_node_does_not_empty_the_target() {
    let (Some(source), Some(target), Some(empty)) = (server(&[]), server(&[]), server(&[])) else { return };
    let client = source.client(0).await;
    client.fill("key:", 500, 20).await;
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    // Its connections stay, and it says that everything has changed when it loads what the other one has.
    client.run(&format!("REPLICAOF 127.0.0.1 {}", empty.server.port)).await;
    until("the keys to be gone", || async { contents(&source.side()).await.is_empty() }).await;
    until("the copier to see it", || async { copier.progress().restarts > 0 }).await;
    let proven = copier.drain(Duration::from_millis(500)).await.map(|_| ());
    assert!(proven.is_err(), "{proven:?}");
    assert_eq!(contents(&target.side()).await.len(), 500);
    // Made the primary again, it is empty all the same.
    client.run("REPLICAOF NO ONE").await;
    let proven = drained(&copier).await.map(|_| ());
    assert!(matches!(proven, Err(Trouble::Emptied { .. })), "{proven:?}");
    assert_eq!(contents(&target.side()).await.len(), 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_1_a_person_can_say_that_an_empty_source_is_right() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    target.client(0).await.fill("key:", 50, 20).await;
    for believe_empty in [false, true] {
        let settings = Settings { believe_empty, ..settings(Rules::ALL) };
        let copier = CatchUp::start(source.side(), target.side(), name(1), settings).await.unwrap();
        let proven = drained(&copier).await.map(|_| ());
        assert_eq!((proven.is_ok(), contents(&target.side()).await.len()), if believe_empty { (true, 0) } else { (false, 50) });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_network_is_survived_and_everything_compared_anew() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let client = source.client(0).await;
    client.fill("key:", 3000, 100).await;
    let (before_source, before_target) = (Proxy::before(source.server.port).await, Proxy::before(target.server.port).await);
    let copier = CatchUp::start(side(before_source.port), side(before_target.port), name(1), settings(Rules::ALL)).await.unwrap();
    for cut in [&before_source, &before_target, &before_source] {
        client.fill("more:", 100, 50).await;
        until("a life", || async { copier.progress().phase != Phase::Connecting }).await;
        let restarts = copier.progress().restarts;
        cut.cut();
        client.run("SET key:1 later").await;
        client.run("DEL key:2").await;
        until("another life", || async { copier.progress().restarts > restarts }).await;
    }
    drained(&copier).await.unwrap();
    assert!(difference(&source.side(), &target.side()).await.is_empty());
    assert_eq!(copier.progress().full_passes, None);
}
