//! The trial on the new group, before anything is held.

use std::collections::BTreeSet;

use super::*;
use crate::migration::wire::{Link, Name};

/// One build that does not do what the promise rests on: the move is turned back, with a sentence and a way on, and the application has noticed nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_group_that_cannot_hold_is_found_out_before_anything_is_held() {
    for (lacks, says) in [("client|pause", "CLIENT PAUSE"), ("client|tracking", "does not push changes")] {
        let Some((account, application)) = serving(FLAT).await else { return };
        let sandbox = account.sandbox.clone();
        let comes_up = |said: &Said| {
            if matches!(said, Said::Done { step, .. } if step.starts_with("Restore it")) {
                let target = sandbox.world().elasticache.replication_groups.keys().find(|id| *id != OLD).cloned().unwrap();
                sandbox.redis().unwrap().forbid(&target, lacks).unwrap();
            }
            matches!(said, Said::Starting { step, .. } if step.starts_with("Hold the writes"))
        };
        let outcomes = account.apply_until(&wish(), comes_up).await;
        let end = &outcomes.resources[0].end;
        let End::RolledBack { message, .. } = end else { panic!("{lacks}: {end:#?}") };
        assert!(message.contains("the new group did not pass the trial") && message.contains(says), "{message}");
        assert!(message.contains("writeGap: Accept"), "a way on: {message}");
        is_as_found(&account);
        application.writes_more(200).await;
        assert_eq!(application.lost(&account).await, [""; 0], "{lacks}");
    }
}

/// What the trial writes is not left: the new group has what the old one has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_trial_is_left() {
    let Some((account, application)) = serving(FLAT).await else { return };
    account.apply_until(&wish(), |said| matches!(said, Said::Done { step, .. } if step.starts_with("Hold the writes"))).await;
    let (host, port) = address(&account).await;
    drop(application);
    let old = endpoint(&format!("redis://{host}:{port}/0"), &[]).unwrap();
    let baseline = account.baseline("{name: huntaze-redis}");
    let connection = crate::reconcile::connected(&baseline, &account.connect).await.unwrap();
    let new = "huntaze-redis-72348fb3";
    let found = connection.reads.elasticache().describe_replication_groups(|request| request.replication_group_id(new)).await.unwrap();
    let at = found.replication_groups()[0].node_groups()[0].primary_endpoint().unwrap();
    let url = format!("rediss://:{TOKEN}@{}:{}/0", at.address().unwrap(), at.port().unwrap());
    let new = endpoint(&url, account.connect.trusted.as_deref().unwrap()).unwrap();
    let mut held = Vec::new();
    for to in [old, new] {
        let link = Link::connect(&to, 0, &Name { migration: "check".to_owned(), epoch: 1, role: "check" }, None).await.unwrap();
        let answer = link.ask(redis::cmd("SCAN").arg(0).arg("COUNT").arg(100_000), Duration::from_secs(10)).await.unwrap();
        let redis::Value::Array(parts) = answer else { panic!("{answer:?}") };
        let redis::Value::Array(keys) = &parts[1] else { panic!("{parts:?}") };
        let keys: BTreeSet<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        assert!(keys.len() > 2000 && !keys.iter().any(|key| key.contains("holdfast")), "{keys:?}");
        // Of the application's some expire by themselves, at each node in its own time.
        held.push(keys.into_iter().filter(|key| !key.contains("app:")).collect::<Vec<String>>());
    }
    assert_eq!(held[0], held[1]);
}
