//! The fence of the old group on real servers: what opens its pause lets no write in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::back::{apply, ask, is_back, moved, process, status};
use super::{Account, FLAT, OLD, account_with, address, wish, write_secret};
use crate::execute::End;
use crate::migration::wire::{Endpoint, Link, Login, Name, Tls, WireError};

/// A client whose address is old, at whatever answers there now.
async fn late(account: &Account, words: &[&str]) -> Result<redis::Value, WireError> {
    let (host, port) = address(account).await;
    let login = Login { user: None, token: None, tls: Tls::Off };
    let to = Endpoint { host, port: u16::try_from(port).unwrap(), login };
    let link = Link::connect(&to, 0, &Name { migration: "late".to_owned(), epoch: 1, role: "late" }, None).await?;
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| _ = command.arg(*word));
    link.ask(&command, Duration::from_secs(10)).await
}

/// What becomes of a late write: `NOREPLICAS`, or nothing where it was taken.
async fn refused(account: &Account) -> Option<String> {
    let answer = late(account, &["SET", "a:late", "1"]).await.err().map(|error| error.to_string());
    let there = late(account, &["EXISTS", "a:late"]).await.unwrap();
    assert_eq!(there == redis::Value::Int(1), answer.is_none(), "{answer:?} and {there:?}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_opens_the_pause_lets_no_late_write_in() {
    let Some((account, application, first)) = moved().await else { return };
    let fence = status(&account).await.fence.unwrap_or_default();
    assert!(fence.contains("huntaze-redis is fenced"), "{fence}");
    // The lock says that the nodes themselves showed it.
    let lock = account.sandbox.world().elasticache.parameter_groups["holdfast-move-huntaze-redis-72348fb3-1"].tags.clone();
    assert_eq!(lock.get("holdfast.dev/fence-on-nodes").map(String::as_str), Some("yes"), "{lock:?}");

    late(&account, &["CLIENT", "UNPAUSE"]).await.unwrap();
    assert!(refused(&account).await.is_some_and(|why| why.contains("NOREPLICAS")), "after somebody's UNPAUSE");

    assert!(account.sandbox.fail_over(OLD, 1).await);
    assert!(refused(&account).await.is_some_and(|why| why.contains("NOREPLICAS")), "on a replica that took over");

    let primary = account.sandbox.world().elasticache.replication_groups[OLD].primary(1);
    account.sandbox.redis().unwrap().replace(OLD, &format!("{OLD}-00{primary}")).unwrap();
    assert!(refused(&account).await.is_some_and(|why| why.contains("NOREPLICAS")), "on a new node");
    application.writes_more(50).await;
    drop(first);
    assert_eq!(application.lost(&account).await, [""; 0]);
}

/// The same client, where there was no fence to be had: the write is taken, and found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fence_a_late_write_is_detected_and_not_prevented() {
    let Some(account) = account_with(FLAT, "denied@ModifyCacheParameterGroup") else { return };
    let (host, port) = address(&account).await;
    write_secret(&account, &format!("redis://{host}:{port}/0"));
    let first = process(&account).await;
    let outcomes = apply(&account, &first).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    let told = status(&account).await.fence.unwrap_or_default();
    assert!(told.contains("huntaze-redis is held, and not fenced: ") && told.contains("ModifyCacheParameterGroup"), "{told}");
    late(&account, &["CLIENT", "UNPAUSE"]).await.unwrap();
    assert_eq!(refused(&account).await, None, "{}", wish());
    ask(&account, &first, false).await;
    let outcomes = apply(&account, &first).await;
    let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(message.contains("there alone: a:late"), "{message}");
}

/// The hold broke before the way back: it is taken anew behind the fence, and only then is that lowered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_holds_the_old_group_before_it_lowers_the_fence() {
    for another in [false, true] {
        let Some((account, application, first)) = moved().await else { return };
        late(&account, &["CLIENT", "UNPAUSE"]).await.unwrap();
        let process = if another { process(&account).await } else { first };
        ask(&account, &process, false).await;
        // All the way a client tries.
        let stop = AtomicBool::new(false);
        let tries = async {
            let mut taken = 0;
            while !stop.load(Ordering::SeqCst) {
                let write = tokio::time::timeout(Duration::from_millis(200), late(&account, &["SETNX", "a:late", "1"])).await;
                taken += usize::from(write.is_ok_and(|answer| answer.is_ok()));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            taken
        };
        let goes = async {
            let outcomes = account
                .apply_in(&process, &wish(), |said| matches!(said, crate::execute::Said::Done { step, .. } if step.starts_with("Hold the writes of huntaze-redis on")))
                .await;
            stop.store(true, Ordering::SeqCst);
            outcomes
        };
        let (outcomes, taken) = tokio::join!(goes, tries);
        assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{:#?}", outcomes.resources[0]);
        assert_eq!(taken, 0, "late writes while the fence was lowered");
        assert_eq!(account.sandbox.world().elasticache.replication_groups[OLD].parameter_group, None, "its own again");
        let outcomes = apply(&account, &process).await;
        is_back(&account, application, &outcomes.resources[0].end, "").await;
    }
}
