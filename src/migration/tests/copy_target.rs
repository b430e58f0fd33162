//! Rules 7 and 8: the target keeps what it acknowledged, and takes what is large.

use std::time::Duration;

use super::proxy::Proxy;
use super::servers::{Client, catch_up, contents, difference, drained, endpoint, name, passed, server, settings, until};
use crate::migration::copy::{CatchUp, Settings, Trouble};
use crate::migration::side::{Rules, Side};

/// What a replica of the target lacks when it is promoted after the proof; and the proof.
async fn lacks_after_a_failover(rules: Rules) -> Option<(Vec<String>, Result<(), Trouble>)> {
    let (source, mut target) = (server(&[])?, server(&[])?);
    let proxy = Proxy::before(target.server.port).await;
    let replica = server(&[&format!("replicaof 127.0.0.1 {}", proxy.port)])?;
    let of_replica = replica.client(0).await;
    until("the replica", || async { of_replica.0.info("replication").await.unwrap().text("master_link_status") == Some("up") }).await;
    let client = source.client(0).await;
    client.fill("key:", 100, 20).await;
    let mut side = target.side();
    side.shards[0].replicas.push(endpoint(replica.server.port));
    let copier = catch_up(&source.side(), &side, rules).await;
    passed(&copier).await;
    drained(&copier).await.unwrap();
    until("the replica to have the keys", || async { contents(&replica.side()).await.len() == 100 }).await;
    proxy.hold("PSYNC", 0);
    client.run("SET late 1").await;
    let drained = copier.drain(Duration::from_millis(1500)).await.map(|_| ());
    target.server.kill();
    proxy.cut();
    of_replica.run("REPLICAOF NO ONE").await;
    Some((difference(&source.side(), &replica.side()).await, drained))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_7_the_replicas_of_the_target_have_everything() {
    let Some((lacks, proven)) = lacks_after_a_failover(Rules::ALL).await else { return };
    assert!(matches!(proven, Err(Trouble::Replicas { acknowledged: 0, replicas: 1, .. })), "{proven:?} {lacks:?}");
    let (lacks, proven) = lacks_after_a_failover(Rules::without(7)).await.unwrap();
    assert!(proven.is_ok() && lacks.len() == 1, "{proven:?} {lacks:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_7_a_target_that_evicts_proves_nothing() {
    let (Some(source), Some(target)) = (server(&[]), server(&["maxmemory 4mb", "maxmemory-policy allkeys-lru"])) else { return };
    let client = source.client(0).await;
    client.run("CONFIG SET rdbcompression no").await;
    client.fill("key:", 400, 20_000).await;
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    let proven = copier.drain(Duration::from_secs(2)).await.map(|_| ());
    assert!(matches!(proven, Err(Trouble::Evicts { .. } | Trouble::Deadline { .. })), "{proven:?}");
    // With room it is.
    target.client(0).await.run("CONFIG SET maxmemory 0").await;
    drained(&copier).await.unwrap();
    assert!(difference(&source.side(), &target.side()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_7_what_others_write_on_the_target_is_undone_or_reported() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    source.client(0).await.fill("key:", 200, 20).await;
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    let stranger = target.client(0).await;
    for words in ["SET key:1 theirs", "DEL key:2", "SET theirs 1", "RENAME key:3 key:4", "EXPIRE key:5 100", "HSET elsewhere a 1"] {
        stranger.run(words).await;
    }
    target.client(7).await.run("SET elsewhere 1").await;
    drained(&copier).await.unwrap();
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{differs:?}");
    let writing = tokio::spawn(async move {
        loop {
            stranger.run("SET theirs 1").await;
        }
    });
    let proven = copier.drain(Duration::from_secs(3)).await.map(|_| ());
    writing.abort();
    assert!(matches!(proven, Err(Trouble::Foreign { .. } | Trouble::Deadline { .. })), "{proven:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_7_a_target_that_came_up_empty_is_filled_again() {
    let (Some(source), Some(mut target)) = (server(&[]), server(&[])) else { return };
    source.client(0).await.fill("key:", 200, 20).await;
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    target.server.kill();
    let again = super::servers::server_of(crate::sandbox::redis::program(), target.server.port, &[]).unwrap();
    drained(&copier).await.unwrap();
    assert!(difference(&source.side(), &again.side()).await.is_empty());
    assert_eq!(contents(&again.side()).await.len(), 200);
}

/// Values of more than 1 MiB of every type that comes in pieces; the string is as large as a string can be, and its payload larger.
async fn large(client: &Client) {
    let noise = |seed: usize, bytes: usize| -> String {
        let mut state = seed as u64 + 1;
        let letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + (state >> 59) as u8 % 26)
        };
        (0..bytes).map(letter).collect()
    };
    client.run_all(&["SET", "large:string", &noise(1, 1024 * 1024)]).await;
    for part in 0..30 {
        let elements: Vec<String> = (0..100).map(|element| format!("{part}:{element}:{}", noise(part * 100 + element, 600))).collect();
        for (command, key) in [("RPUSH", "large:list"), ("SADD", "large:set")] {
            let words: Vec<&str> = [command, key].into_iter().chain(elements.iter().map(String::as_str)).collect();
            client.run_all(&words).await;
        }
        let mut hash = vec!["HSET".to_owned(), "large:hash".to_owned()];
        let mut sorted = vec!["ZADD".to_owned(), "large:sorted".to_owned()];
        for (number, element) in elements.iter().enumerate() {
            hash.extend([format!("field:{part}:{number}"), element.clone()]);
            sorted.extend([format!("{}.25", part * 100 + number), element.clone()]);
        }
        client.run_all(&hash).await;
        client.run_all(&sorted).await;
    }
    client.run("ZADD large:sorted inf infinite -inf least 0.1 tenth").await;
    client.run("PEXPIRE large:hash 5000000").await;
    client.run("SET small 1").await;
}

fn pieces(rules: Rules) -> Settings {
    Settings { pieces_from: 512 * 1024, piece: 64 * 1024, payload_limit: 1024 * 1024 - 64, ..settings(rules) }
}

async fn differs_after_large(rules: Rules, within: Duration) -> Option<(Vec<String>, Result<(), Trouble>)> {
    let (source, target) = (server(&["rdbcompression no"])?, server(&["proto-max-bulk-len 1mb"])?);
    let client = source.client(0).await;
    large(&client).await;
    let copier = CatchUp::start(source.side(), target.side(), name(1), pieces(rules)).await.unwrap();
    let proven = copier.drain(within).await.map(|_| ());
    let differs = difference(&source.side(), &target.side()).await;
    if proven.is_ok() {
        // They change, and go again; those that do not are left alone.
        let copied = copier.progress().keys_copied;
        client.run("SETRANGE large:string 700000 other").await;
        client.run("LSET large:list 1500 other").await;
        client.run("SREM large:set nothing").await;
        client.run("HDEL large:hash field:3:3").await;
        client.run("PERSIST large:hash").await;
        client.run("ZADD large:sorted 7 tenth").await;
        drained(&copier).await.unwrap();
        assert!(difference(&source.side(), &target.side()).await.is_empty());
        assert_eq!(copier.progress().keys_copied - copied, 4);
        client.run("DEL large:list").await;
        client.run("PEXPIRE large:string 4000000").await;
        drained(&copier).await.unwrap();
        assert!(difference(&source.side(), &target.side()).await.is_empty());
        // Nothing of ours is left behind.
        assert_eq!(contents(&target.side()).await.len(), 5);
    }
    Some((differs, proven))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_8_large_values_go_in_pieces() {
    let Some((differs, proven)) = differs_after_large(Rules::ALL, Duration::from_secs(20)).await else { return };
    assert!(proven.is_ok() && differs.is_empty(), "{proven:?} {differs:?}");
    let (differs, proven) = differs_after_large(Rules::without(8), Duration::from_secs(1)).await.unwrap();
    assert!(proven.is_err() && !differs.is_empty(), "{proven:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_8_a_stream_that_is_too_large_is_said_and_the_rest_goes_on() {
    let (Some(source), Some(target)) = (server(&["rdbcompression no"]), server(&["proto-max-bulk-len 1mb"])) else { return };
    let client = source.client(0).await;
    for _ in 0..20 {
        client.run_all(&["XADD", "stream", "*", "field", &"x".repeat(100_000)]).await;
    }
    client.fill("key:", 100, 20).await;
    let copier = CatchUp::start(source.side(), target.side(), name(1), pieces(Rules::ALL)).await.unwrap();
    let proven = copier.drain(Duration::from_secs(1)).await.map(|_| ());
    assert!(matches!(proven, Err(Trouble::Deadline { .. })), "{proven:?}");
    assert!(matches!(copier.last_trouble(), Some(Trouble::TooLarge { ref kind, .. }) if kind == "stream"), "{:?}", copier.last_trouble());
    let differs = difference(&source.side(), &target.side()).await;
    assert_eq!(differs.len(), 1);
    client.run("XTRIM stream MAXLEN 2").await;
    drained(&copier).await.unwrap();
    let (one, other): (Side, Side) = (source.side(), target.side());
    assert!(difference(&one, &other).await.is_empty());
}
