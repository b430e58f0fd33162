//! Rules 3, 4 and 5: nothing that changes while it is copied is forgotten.

use std::time::Duration;

use redis::Value;

use super::proxy::Proxy;
use super::servers::{catch_up, difference, drained, name, passed, server, settings, side, until};
use crate::migration::copy::{CatchUp, Trouble};
use crate::migration::side::Rules;

/// What differs when keys change in the middle of the full pass.
async fn differs_after_changes_in_the_pass(rules: Rules) -> Option<Vec<String>> {
    let (source, target) = (server(&["rdbcompression no"])?, server(&[])?);
    let client = source.client(0).await;
    client.fill("key:", 5000, 200).await;
    target.client(9).await.run("SET stranger 1").await;
    let proxy = Proxy::before(source.server.port).await;
    // Several connections share the pass: each gets through with its first batch, and not with all.
    proxy.hold("copy-read", 100_000);
    let copier = CatchUp::start(side(proxy.port), target.side(), name(1), settings(rules)).await.unwrap();
    until("the middle of the pass", || async { proxy.held() > 0 && copier.progress().keys_copied > 0 }).await;
    client.fill("key:", 5000, 30).await;
    client.run("SET new 1").await;
    proxy.release();
    passed(&copier).await;
    drained(&copier).await.unwrap();
    Some(difference(&source.side(), &target.side()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_3_both_sides_are_tracked_before_the_first_read() {
    let Some(differs) = differs_after_changes_in_the_pass(Rules::ALL).await else { return };
    assert!(differs.is_empty(), "{} {:?}", differs.len(), differs.first());
    let differs = differs_after_changes_in_the_pass(Rules::without(3)).await.unwrap();
    assert!(differs.len() > 10 && differs.iter().any(|key| key.starts_with("9:stranger")), "{}", differs.len());
}

/// What the target has of a key that changes between its being read and its being written.
async fn left_by_a_change_in_flight(rules: Rules) -> Option<Value> {
    let (source, target) = (server(&[])?, server(&[])?);
    let client = source.client(0).await;
    client.run("SET key first").await;
    let proxy = Proxy::before(source.server.port).await;
    let copier = CatchUp::start(side(proxy.port), target.side(), name(1), settings(rules)).await.unwrap();
    passed(&copier).await;
    proxy.hold_value("copy-read", "second");
    client.run("SET key second").await;
    until("the read of the value", || async { proxy.held() > 0 }).await;
    client.run("SET key third").await;
    // Once the push of another key has been taken, that of this one has.
    client.run("SET other 1").await;
    until("the pushes", || async { copier.progress().marks + copier.progress().in_flight > 1 }).await;
    proxy.release();
    drained(&copier).await.unwrap();
    Some(target.client(0).await.run("GET key").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_a_key_that_changes_in_flight_is_copied_again() {
    let Some(value) = left_by_a_change_in_flight(Rules::ALL).await else { return };
    assert_eq!(value, Value::BulkString(b"third".to_vec()));
    let value = left_by_a_change_in_flight(Rules::without(4)).await.unwrap();
    assert_eq!(value, Value::BulkString(b"second".to_vec()));
}

/// What differs when the target had no memory for some time.
async fn differs_after_refusals(rules: Rules) -> Option<Vec<String>> {
    let (source, target) = (server(&[])?, server(&["maxmemory 1", "maxmemory-policy noeviction"])?);
    source.client(0).await.fill("key:", 300, 100).await;
    let copier = catch_up(&source.side(), &target.side(), rules).await;
    until("a refusal", || async { matches!(copier.last_trouble(), Some(Trouble::Wire(error)) if error.code() == Some("OOM")) }).await;
    target.client(0).await.run("CONFIG SET maxmemory 0").await;
    drained(&copier).await.unwrap();
    Some(difference(&source.side(), &target.side()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_what_was_refused_is_marked_again() {
    let Some(differs) = differs_after_refusals(Rules::ALL).await else { return };
    assert!(differs.is_empty(), "{} {:?}", differs.len(), differs.first());
    assert!(!differs_after_refusals(Rules::without(4)).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_4_a_key_that_is_gone_is_gone_and_one_that_stays_keeps_its_expiry_to_the_millisecond() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let client = source.client(0).await;
    for key in 0..200 {
        client.run(&format!("SET short:{key} x PX {}", 1 + key * 2)).await;
        client.run(&format!("SET long:{key} x PX {}", 3_600_000 + key)).await;
        client.run(&format!("SET stays:{key} x")).await;
    }
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    client.run("PERSIST long:7").await;
    client.run("PEXPIRE stays:7 7200000").await;
    tokio::time::sleep(Duration::from_millis(450)).await;
    drained(&copier).await.unwrap();
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{differs:?}");
    // None of those that expired became permanent.
    assert_eq!(target.client(0).await.run("KEYS short:*").await, Value::Array(vec![]));
    assert_eq!(target.client(0).await.run("PTTL long:7").await, Value::Int(-1));
}

/// Whether sets whose bytes depend on their history are ever proven equal.
async fn proves_sets(rules: Rules) -> Option<(Result<(), Trouble>, Vec<String>)> {
    let (source, target) = (server(&[])?, server(&[])?);
    let client = source.client(0).await;
    for set in 0..20 {
        let members: Vec<String> = (0..1000).map(|member| format!("member:{set}:{member}")).collect();
        client.run(&format!("SADD set:{set} {}", members.join(" "))).await;
        client.run(&format!("SREM set:{set} {}", members[..700].join(" "))).await;
    }
    let copier = catch_up(&source.side(), &target.side(), rules).await;
    let drained = copier.drain(Duration::from_secs(2)).await.map(|_| ());
    Some((drained, difference(&source.side(), &target.side()).await))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_5_unequal_bytes_are_not_unequal_values() {
    let Some((drained, differs)) = proves_sets(Rules::ALL).await else { return };
    assert!(drained.is_ok() && differs.is_empty(), "{drained:?} {differs:?}");
    let (drained, _) = proves_sets(Rules::without(5)).await.unwrap();
    assert!(matches!(drained, Err(Trouble::Deadline { .. })), "{drained:?}");
}
