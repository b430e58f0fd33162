//! The whole way: a writer goes on writing while the target catches up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::servers::{catch_up, difference, drained, passed, server};
use crate::migration::copy::Phase;
use crate::migration::side::Rules;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_is_equal_after_a_writer_has_stopped() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let client = source.client(0).await;
    client.fill("key:", 5000, 200).await;
    target.client(3).await.run("SET stranger 1").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (client, stop) = (client.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut count = 0_u32;
            while !stop.load(Ordering::SeqCst) {
                let key = fastrand::u32(0..6000);
                let command = match fastrand::u32(0..6) {
                    0 => format!("DEL key:{key}"),
                    1 => format!("PEXPIRE key:{key} {}", fastrand::u32(1..100_000)),
                    2 => format!("SADD set:{key} {count} a b c"),
                    3 => format!("HSET hash:{key} field {count} other {key}"),
                    4 => format!("RENAME key:{key} key:{}", fastrand::u32(0..6000)),
                    _ => format!("SET key:{key} {count}"),
                };
                let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
                let _ = client.try_all(&words).await;
                count += 1;
            }
            count
        })
    };
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    stop.store(true, Ordering::SeqCst);
    let written = writer.await.unwrap();
    let proof = drained(&copier).await.unwrap();
    println!("{written} writes, {:?}, {proof:?}", copier.progress());
    assert!(written > 100);
    assert_eq!(copier.progress().phase, Phase::Following);
    assert_eq!(proof.passes, 0);
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{} {differs:#?}", differs.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_holds_until_the_source_changes_or_a_connection_breaks() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let client = source.client(0).await;
    client.fill("key:", 100, 20).await;
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    let proof = drained(&copier).await.unwrap();
    // Reading changes nothing, nor does what is written on the target.
    client.run("GET key:1").await;
    target.client(0).await.run("GET key:1").await;
    assert!(copier.holds(&proof));
    client.run("SET key:1 later").await;
    super::servers::until("the push", || async { !copier.holds(&proof) }).await;
    let proof = drained(&copier).await.unwrap();
    assert!(copier.holds(&proof));
    client.run("CLIENT KILL TYPE normal SKIPME yes").await;
    super::servers::until("the break", || async { !copier.holds(&proof) }).await;
}
