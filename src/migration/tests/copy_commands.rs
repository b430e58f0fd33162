//! All that an application does, on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::servers::{Client, catch_up, contents, difference, drained, name, passed, server, settings};
use crate::migration::copy::{CatchUp, Proof, Settings};
use crate::migration::side::Rules;

/// A pair that has caught up sees these; it must be equal after the drain.
async fn follows<A: AsyncFn(&Client, &Client), B: AsyncFn(&Client, &Client)>(before: A, meanwhile: B) -> Option<(Proof, usize)> {
    let (source, target) = (server(&[])?, server(&[])?);
    let (zero, nine) = (source.client(0).await, source.client(9).await);
    before(&zero, &nine).await;
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    meanwhile(&zero, &nine).await;
    let proof = drained(&copier).await.unwrap();
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{} {differs:#?}", differs.len());
    Some((proof, contents(&target.side()).await.len()))
}

async fn run(client: &Client, all: &[&str]) {
    for words in all {
        client.run(words).await;
    }
}

async fn every_type(zero: &Client, nine: &Client) {
    for client in [zero, nine] {
        run(
            client,
            &[
                "SET string value",
                "SET number 12345",
                "SETRANGE sparse 100 x",
                "PFADD loglog a b c",
                "SETBIT bits 77 1",
                "RPUSH list a b c 1 2 3",
                "SADD numbers 1 2 3",
                "SADD words a b c",
                "HSET hash a 1 b 2",
                "ZADD sorted 1 a 2.5 b -inf c",
                "GEOADD places 13.361389 38.115556 Palermo",
                "XADD stream 1-1 a 1",
                "XGROUP CREATE stream group 0",
                "XREADGROUP GROUP group one STREAMS stream >",
                "SET expires x PX 3600001",
                "SADD expiring a b c",
                "PEXPIREAT expiring 4000000000123",
            ],
        )
        .await;
        let many: Vec<String> = (0..600).map(|number| format!("member:{number}")).collect();
        run(client, &[&format!("SADD many {}", many.join(" ")), &format!("RPUSH long {}", many.join(" "))]).await;
        client.run_all(&[&b"SET"[..], b"\x00\xff\r\n{}*$", b"\x00\r\n\xfe"]).await;
        client.run_all(&[&b"SET"[..], b"", b""]).await;
    }
}

async fn nothing(_: &Client, _: &Client) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_is_copied_by_the_pass_and_on_the_way() {
    let Some((_, keys)) = follows(every_type, nothing).await else { return };
    assert_eq!(keys, 36);
    let (proof, keys) = follows(nothing, every_type).await.unwrap();
    assert_eq!((keys, proof.passes), (36, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_touch_other_keys_and_databases_are_followed() {
    let before = async |zero: &Client, nine: &Client| {
        for client in [zero, nine] {
            run(
                client,
                &["SET a 1", "SET b 2", "SET c 3", "SET d 4", "RPUSH l 1 2 3", "RPUSH m 9", "SADD s 1 2 3", "SADD t 3 4", "SET gone x"],
            )
            .await;
        }
    };
    let meanwhile = async |zero: &Client, nine: &Client| {
        run(
            zero,
            &[
                "RENAME a renamed",
                "RENAMENX b renamed-too",
                "MOVE c 4",
                "COPY d copied",
                "COPY d copied DB 11",
                "SMOVE s t 1",
                "SINTERSTORE both s t",
                "LMOVE l m LEFT RIGHT",
                "LPOP l",
                "GETDEL gone",
                "SORT l STORE sorted",
                "BITOP NOT turned d",
                "MSET x 1 y 2",
                "GETEX x PX 5000000",
                "EXPIRE y 5000",
                "PERSIST y",
                "OBJECT ENCODING x",
                "INCR counter",
                "APPEND x more",
            ],
        )
        .await;
        zero.run_all(&["EVAL", "redis.call('SET', 'undeclared', 1) redis.call('DEL', 'renamed') return 1", "0"]).await;
        let mut transaction = redis::Pipeline::new();
        transaction.cmd("SELECT").arg(13).cmd("SET").arg("thirteen").arg(1).cmd("SELECT").arg(0).cmd("INCR").arg("counter");
        zero.0.ask_atomically(transaction, std::time::Duration::from_secs(5)).await.unwrap();
        run(nine, &["MOVE a 3", "SET a back", "UNLINK b"]).await;
        // Refused: it changes nothing.
        assert!(nine.try_all(&[b"RESTORE", b"restored", b"0", b"nonsense"]).await.is_err());
    };
    let Some((proof, _)) = follows(before, meanwhile).await else { return };
    assert_eq!(proof.passes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushes_are_followed_in_every_database() {
    for flush in ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB", "SWAPDB 0 9"] {
        let before = async |zero: &Client, nine: &Client| {
            zero.fill("zero:", 500, 20).await;
            nine.fill("nine:", 300, 20).await;
        };
        let meanwhile = async |zero: &Client, nine: &Client| {
            zero.run(flush).await;
            run(zero, &["SET after 1"]).await;
            run(nine, &["SET after 2"]).await;
        };
        let (source, target) = match (server(&[]), server(&[])) {
            (Some(source), Some(target)) => (source, target),
            _ => return,
        };
        let (zero, nine) = (source.client(0).await, source.client(9).await);
        before(&zero, &nine).await;
        let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
        passed(&copier).await;
        meanwhile(&zero, &nine).await;
        drained(&copier).await.unwrap();
        let differs = difference(&source.side(), &target.side()).await;
        assert!(differs.is_empty(), "{flush}: {} {differs:?}", differs.len());
        let expected = match flush {
            "FLUSHDB" => 302,
            "SWAPDB 0 9" => 802,
            _ => 2,
        };
        assert_eq!(contents(&target.side()).await.len(), expected, "{flush}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sixteen_databases_are_followed_also_those_that_were_empty() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    for database in (0..16).step_by(2) {
        source.client(database).await.fill("key:", 30, 20).await;
        target.client(15 - database).await.fill("stranger:", 30, 20).await;
    }
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    for database in 0..16 {
        let client = source.client(database).await;
        run(&client, &["SET key:1 later", "SET own 1", "DEL key:2"]).await;
    }
    let proof = drained(&copier).await.unwrap();
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{} {differs:?}", differs.len());
    assert_eq!((proof.passes, contents(&target.side()).await.len()), (0, 8 * 30 + 8 * 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_expire_or_are_evicted_on_the_way_go_on_the_target_too() {
    let (Some(source), Some(target)) = (server(&["maxmemory-policy allkeys-random", "hz 100"]), server(&[])) else { return };
    let client = source.client(0).await;
    client.fill("key:", 3000, 500).await;
    for key in 0..300 {
        client.run(&format!("PEXPIRE key:{key} {}", 1 + key)).await;
    }
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    let used = client.0.info("memory").await.unwrap().number("used_memory").unwrap();
    client.run(&format!("CONFIG SET maxmemory {}", used - 600_000)).await;
    super::servers::until("evictions", || async { client.0.info("stats").await.unwrap().number("evicted_keys").unwrap() > 100 }).await;
    client.run("CONFIG SET maxmemory 0").await;
    tokio::time::sleep(std::time::Duration::from_millis(350)).await;
    let proof = drained(&copier).await.unwrap();
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{} {differs:?}", differs.len());
    assert!(contents(&target.side()).await.len() < 2600);
    assert_eq!(proof.passes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_changes_than_are_kept_become_a_full_pass() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let client = source.client(0).await;
    client.fill("key:", 3000, 20).await;
    let few = Settings { marks: 50, ..settings(Rules::ALL) };
    let copier = CatchUp::start(source.side(), target.side(), name(1), few).await.unwrap();
    passed(&copier).await;
    client.fill("key:", 3000, 30).await;
    client.fill("more:", 3000, 30).await;
    drained(&copier).await.unwrap();
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{} {differs:?}", differs.len());
    assert!(copier.progress().passes > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_does_not_keep_to_the_load_and_a_drop_ends_everything() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let client = source.client(0).await;
    client.fill("key:", 20_000, 100).await;
    let slow = Settings { load: 1, ..settings(Rules::ALL) };
    let copier = CatchUp::start(source.side(), target.side(), name(1), slow).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let compared = copier.progress().keys_compared;
    assert!(compared < 10_000, "{compared}");
    drained(&copier).await.unwrap();
    assert!(difference(&source.side(), &target.side()).await.is_empty());
    drop(copier);
    super::servers::until("our connections to end", || async {
        let ours = |value: redis::Value| format!("{value:?}").contains(":copy-");
        !ours(client.run("CLIENT LIST").await) && !ours(target.client(0).await.run("CLIENT LIST").await)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_of_the_sources_time_is_taken_than_its_share() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    source.client(0).await.fill("key:", 4000, 100).await;
    let began = std::time::Instant::now();
    let slow = Settings { load: 10, ..settings(Rules::ALL) };
    let copier = CatchUp::start(source.side(), target.side(), name(1), slow).await.unwrap();
    passed(&copier).await;
    let (took, spent) = (began.elapsed().as_millis() as u64, copier.progress().source_time_ms);
    // A first batch does not wait.
    assert!(spent > 5 && spent * 10 < took + 300, "{spent} of {took} ms");
    assert!(difference(&source.side(), &target.side()).await.is_empty());
}

/// Several writers that do anything to anything, while passes, changes and drains go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_do_anything_are_followed() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..4_u32 {
        let (client, stop) = (source.client(writer % 2 * 3).await, Arc::clone(&stop));
        writers.push(tokio::spawn(async move {
            let mut count = 0_u32;
            while !stop.load(Ordering::SeqCst) {
                let (key, other) = (fastrand::u32(0..400), fastrand::u32(0..400));
                let command = match fastrand::u32(0..24) {
                    0 => format!("DEL k{key}"),
                    1 => format!("PEXPIRE k{key} {}", fastrand::u32(1..3000)),
                    2 => format!("SADD s{key} {count} a b c"),
                    3 => format!("HSET h{key} f{count} x"),
                    4 => format!("RENAME k{key} k{other}"),
                    5 => format!("ZADD z{key} {count} a"),
                    6 => format!("RPUSH l{key} {count}"),
                    7 => format!("XADD x{key} * a {count}"),
                    8 => format!("MOVE k{key} {}", fastrand::u32(0..6)),
                    9 => format!("COPY k{key} k{other} REPLACE"),
                    10 => format!("UNLINK s{key} h{other}"),
                    11 => format!("XGROUP CREATE x{key} g 0 MKSTREAM"),
                    12 => format!("XREADGROUP GROUP g c COUNT 1 STREAMS x{key} >"),
                    13 if count.is_multiple_of(50) => "FLUSHDB".to_owned(),
                    14 if count.is_multiple_of(50) => "SWAPDB 0 5".to_owned(),
                    15 => format!("PERSIST k{key}"),
                    _ => format!("SET k{key} {writer}:{count}"),
                };
                let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
                let _ = client.try_all(&words).await;
                count += 1;
            }
            count
        }));
    }
    let copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    passed(&copier).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    stop.store(true, Ordering::SeqCst);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    drained(&copier).await.unwrap();
    let differs = difference(&source.side(), &target.side()).await;
    assert!(differs.is_empty(), "{} {differs:#?}", differs.len());
    assert!(written > 500 && copier.progress().restarts == 0, "{written} {:?}", copier.progress());
}
