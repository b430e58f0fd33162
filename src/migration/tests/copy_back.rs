//! The way back (rule 19): after the commit changes are noted, and copied when it is turned round.

use super::servers::{catch_up, contents, difference, drained, name, server, settings, until};
use crate::migration::copy::{CatchUp, Phase, Trouble};
use crate::migration::side::Rules;

async fn change(client: &super::servers::Client) {
    for words in [
        "SET key:1 there",
        "DEL key:2",
        "HSET new a 1",
        "PEXPIRE key:3 5000000",
        "RENAME key:4 renamed",
        "XADD stream 1-1 a 1",
        "XGROUP CREATE stream g 0",
    ] {
        client.run(words).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_19_what_changed_since_the_commit_goes_back_without_a_pass() {
    let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
    source.client(0).await.fill("key:", 2000, 50).await;
    let mut copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
    drained(&copier).await.unwrap();
    copier.watch().await.unwrap();
    assert_eq!(copier.progress().phase, Phase::Watching);
    assert!(matches!(drained(&copier).await, Err(Trouble::Watching)));
    let there = target.client(0).await;
    change(&there).await;
    target.client(5).await.run("SET five 1").await;
    until("the marks", || async { copier.progress().marks >= 7 }).await;
    // Nothing goes anywhere while it watches.
    assert_eq!(contents(&source.side()).await.len(), 2000);
    copier.turn();
    // The target goes on being written to.
    there.run("SET key:9 later").await;
    let proof = drained(&copier).await.unwrap();
    let differs = difference(&target.side(), &source.side()).await;
    assert!(differs.is_empty(), "{} {differs:?}", differs.len());
    assert_eq!(proof.passes, 0);
    assert!(copier.progress().keys_copied < 20);
    // What we wrote on the source is known by command: its own count must say the same.
    let info = source.client(0).await.0.info("commandstats").await.unwrap();
    assert_eq!(proof.written[0].get("restore").copied(), info.command_stats().get("restore").map(|stats| stats.calls));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_19_a_full_reverse_pass_where_tracking_broke_or_nothing_is_known() {
    for known in [true, false] {
        let (Some(source), Some(target)) = (server(&[]), server(&[])) else { return };
        source.client(0).await.fill("key:", 500, 50).await;
        let mut copier = catch_up(&source.side(), &target.side(), Rules::ALL).await;
        drained(&copier).await.unwrap();
        let there = target.client(0).await;
        if known {
            copier.watch().await.unwrap();
            there.run("CLIENT KILL TYPE normal SKIPME yes").await;
            let there = target.client(0).await;
            change(&there).await;
        } else {
            // Another process, which comes later.
            drop(copier);
            change(&there).await;
            copier = CatchUp::start_watching(target.side(), source.side(), name(1), settings(Rules::ALL)).await.unwrap();
        }
        copier.turn();
        let proof = drained(&copier).await.unwrap();
        let differs = difference(&target.side(), &source.side()).await;
        assert!(differs.is_empty(), "{known}: {} {differs:?}", differs.len());
        assert!(proof.passes >= 1 || copier.progress().passes >= 1);
    }
}
