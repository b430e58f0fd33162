//! Rule 6: what changes without a push.

use super::servers::{Client, catch_up, difference, drained, passed, server};
use crate::migration::copy::{CatchUp, Proof};
use crate::migration::side::{Rules, Side};

const LIBRARY: &str =
    "#!lua name=counter\nredis.register_function{function_name='f', callback=function(keys, args) return 1 end, flags={'no-writes'}}";
const OTHER: &str =
    "#!lua name=other\nredis.register_function{function_name='g', callback=function(keys, args) return 2 end, flags={'no-writes'}}";

/// What differs after these were run on source and target that had caught up.
async fn differs<A: AsyncFn(&Client, &Client)>(rules: Rules, before: &[&str], unpushed: A) -> Option<(Vec<String>, Proof)> {
    let (source, target) = (server(&[])?, server(&[])?);
    let (client, there) = (source.client(0).await, target.client(0).await);
    for words in before {
        client.run(words).await;
    }
    let copier = catch_up(&source.side(), &target.side(), rules).await;
    passed(&copier).await;
    unpushed(&client, &there).await;
    let proof = drained(&copier).await.unwrap();
    Some((difference(&source.side(), &target.side()).await, proof))
}

const STREAM: [&str; 6] = [
    "XADD stream 1-1 field a",
    "XADD stream 1-2 field b",
    "XADD stream 1-3 field c",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group one COUNT 1 STREAMS stream >",
    "SET plain 1",
];

async fn read_by_groups(source: &Client, _: &Client) {
    source.run("XREADGROUP GROUP group two COUNT 1 STREAMS stream >").await;
    source.run("XACK stream group 1-1").await;
    source.run("XGROUP CREATE stream late $").await;
    source.run("XCLAIM stream group three 0 1-2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_6_groups_of_streams() {
    let Some((differs_by, proof)) = differs(Rules::ALL, &STREAM, read_by_groups).await else { return };
    assert!(differs_by.is_empty(), "{differs_by:?}");
    assert_eq!(proof.passes, 0);
    let (differs_by, _) = differs(Rules::without(6), &STREAM, read_by_groups).await.unwrap();
    assert!(differs_by.iter().all(|key| key.starts_with("0:stream")) && differs_by.len() == 1, "{differs_by:?}");
}

async fn load_functions(source: &Client, target: &Client) {
    source.run_all(&["FUNCTION", "LOAD", LIBRARY]).await;
    target.run_all(&["FUNCTION", "LOAD", OTHER]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_6_functions() {
    let Some((differs_by, _)) = differs(Rules::ALL, &["SET plain 1"], load_functions).await else { return };
    assert!(differs_by.is_empty(), "{differs_by:?}");
    let (differs_by, _) = differs(Rules::without(6), &["SET plain 1"], load_functions).await.unwrap();
    assert_eq!(differs_by.len(), 2, "{differs_by:?}");
}

async fn swap_databases(source: &Client, _: &Client) {
    source.run("SWAPDB 0 5").await;
}

async fn swap_in_a_script(source: &Client, _: &Client) {
    source.run_all(&["EVAL", "return redis.call('SWAPDB', 0, 5)", "0"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_6_swapped_databases() {
    let before = ["SET zero 1", "COPY zero five DB 5", "SET both 1", "COPY both both DB 5"];
    let Some((differs_by, proof)) = differs(Rules::ALL, &before, swap_databases).await else { return };
    assert!(differs_by.is_empty(), "{differs_by:?}");
    // One, or none where it was seen before the drain.
    assert!(proof.passes <= 1, "{}", proof.passes);
    let (differs_by, _) = differs(Rules::ALL, &before, swap_in_a_script).await.unwrap();
    assert!(differs_by.is_empty(), "{differs_by:?}");
    let (differs_by, _) = differs(Rules::without(6), &before, swap_databases).await.unwrap();
    assert!(!differs_by.is_empty());
}

/// Stream keys are known from the source alone: those that came while it was watched are read when it is turned round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_6_groups_of_streams_on_the_way_back() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    let (client, there) = (source.client(0).await, target.client(0).await);
    for words in STREAM {
        client.run(words).await;
    }
    let mut copier: CatchUp = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    drained(&copier).await.unwrap();
    copier.watch().await.unwrap();
    // Only the group of a stream that never pushed.
    there.run("XREADGROUP GROUP group two COUNT 1 STREAMS stream >").await;
    copier.turn();
    let proof = drained(&copier).await.unwrap();
    assert_eq!(proof.passes, 0);
    let (one, other): (Side, Side) = (source.side(), target.side());
    assert!(difference(&one, &other).await.is_empty(), "{:?}", difference(&one, &other).await);
}
