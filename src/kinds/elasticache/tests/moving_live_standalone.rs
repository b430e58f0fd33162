//! A standalone cluster moved into a group, and back, while an application writes all the time.

use super::back::{ask, process};
use super::*;
use crate::execute::Outcomes;
use crate::kinds::elasticache::moving::GIVEN_UP_TAG;

const FOUND: &str = "engineVersion: 7.1.0, subnetGroup: private, tags: {team: web}, data: {keys: 2000}";

/// A standalone cluster whose application writes.
async fn serving() -> Option<(Account, Application)> {
    let account = account_found(SPEED, &format!("cacheClusters: {{{OLD}: {{{FOUND}}}}}"), "", "")?;
    let baseline = account.baseline(&wish());
    let connection = crate::reconcile::connected(&baseline, &account.connect).await.unwrap();
    let asked = connection.reads.elasticache().describe_cache_clusters(|ask| ask.cache_cluster_id(OLD).show_cache_node_info(true)).await;
    let found = asked.unwrap();
    let endpoint = found.cache_clusters()[0].cache_nodes()[0].endpoint().unwrap();
    write_secret(&account, &format!("redis://{}:{}/0", endpoint.address().unwrap(), endpoint.port().unwrap()));
    let application = Application::start(&account, 4, Duration::from_millis(1));
    application.writes_more(200).await;
    Some((account, application))
}

fn serves_encrypted(account: &Account) {
    let world = account.sandbox.world();
    let (_, group) = world.elasticache.replication_groups.iter().next().unwrap();
    assert!(group.at_rest_encryption && group.auth.admits(Some(TOKEN)) && !group.auth.admits(None) && group.nodes == 1);
    assert!(read_secret(&account.sandbox).starts_with(&format!("rediss://:{TOKEN}@")));
}

/// The cluster serves, the new group is gone but for a last snapshot where it has served, and no write is lost.
async fn is_back(account: &Account, application: Application, outcomes: &Outcomes, snapshots: usize) {
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    application.writes_more(200).await;
    let world = account.sandbox.world();
    assert!(world.elasticache.replication_groups.is_empty() && world.elasticache.cache_clusters.len() == 1);
    assert!(world.elasticache.cache_clusters[OLD].tags.contains_key(GIVEN_UP_TAG));
    assert_eq!(world.elasticache.snapshots.len(), snapshots, "{:?}", world.elasticache.snapshots.keys());
    assert!(world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-")));
    assert!(read_secret(&account.sandbox).starts_with("redis://"));
    assert_eq!(application.lost(account).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_when_a_standalone_cluster_is_moved() {
    let Some((account, application)) = serving().await else { return };
    let plan = account.planned(&wish()).await;
    let forecast = plan.notes.iter().find(|note| note.starts_with("forecast: ")).unwrap_or_else(|| panic!("{plan:#?}"));
    assert!(forecast.contains("1 x cache.t3.micro more for 24 h: 24 node-hours"), "{forecast}");
    let outcomes = account.apply(&wish()).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    serves_encrypted(&account);
    application.writes_more(200).await;
    assert_eq!(application.lost(&account).await, [""; 0]);
    assert!(account.plan(&wish()).await.in_sync());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_on_the_way_back_to_a_standalone_cluster() {
    for another in [false, true] {
        let Some((account, application)) = serving().await else { return };
        let first = process(&account).await;
        let outcomes = account.apply_in(&first, &wish(), |_| false).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
        serves_encrypted(&account);
        application.writes_more(200).await;
        let second = if another { process(&account).await } else { first };
        ask(&account, &second, false).await;
        let outcomes = account.apply_in(&second, &wish(), |_| false).await;
        is_back(&account, application, &outcomes, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_while_it_moves_a_standalone_cluster_is_followed_by_another_one() {
    for (step, forward) in [("Copy to", true), ("Hold the writes", true), ("Turn the secret", false), ("Prove once more", false)] {
        let Some((account, application)) = serving().await else { return };
        let last = |said: &Said| matches!(said, Said::Done { step: done, .. } if done.starts_with(step));
        let outcomes = account.apply_until(&wish(), last).await;
        assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{step}: {:#?}", outcomes.resources[0]);
        let outcomes = account.apply(&wish()).await;
        if forward {
            assert_eq!(outcomes.resources[0].end, End::Changed, "{step}: {:#?}", outcomes.resources[0]);
            serves_encrypted(&account);
            application.writes_more(200).await;
            assert_eq!(application.lost(&account).await, [""; 0], "{step}");
        } else {
            is_back(&account, application, &outcomes, 0).await;
        }
    }
}
