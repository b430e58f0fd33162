//! The same of a group in cluster mode: three shards with a replica each, whose slots were moved between them by hand.

use super::*;

const SLOTS: [&str; 3] = ["0-999,12000-16383", "1000-7999", "8000-11999"];

pub fn shape() -> String {
    format!("clusterEnabled: true, shards: 3, slots: ['{}'], nodes: 2, data: {{keys: 2000}}", SLOTS.join("', '"))
}

/// Whether the new group has the shards of the old one, and its clients are turned to it with TLS and the token.
fn is_moved(account: &Account) {
    let text = read_secret(&account.sandbox);
    assert!(text.starts_with(&format!("rediss://:{TOKEN}@")) && !text.contains("//huntaze-redis:"), "{}", text.len());
    let world = account.sandbox.world();
    let groups = &world.elasticache.replication_groups;
    let (old, new) = (&groups[OLD], groups.iter().find(|(id, _)| *id != OLD).unwrap().1);
    assert_eq!((new.shards, new.nodes, &new.slots), (3, 2, &old.slots));
    assert!(new.cluster_enabled && new.at_rest_encryption && new.auth.admits(Some(TOKEN)) && !new.auth.admits(None));
    assert_eq!(new.transit_encryption.mode(), Some("required"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_when_a_group_of_shards_is_moved() {
    let Some((account, application)) = serving(&shape()).await else { return };
    let outcomes = account.apply(&wish()).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    is_moved(&account);
    application.writes_more(200).await;
    assert_eq!(application.lost(&account).await, [""; 0]);
    let plan = account.plan(&wish()).await;
    assert!(plan.in_sync(), "{:#?}", plan.resources);
}

/// Between the copy and the hold some slots go to another shard, with their keys, while the application writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_when_the_old_group_is_resharded_after_it_was_copied() {
    let Some((account, application)) = serving(&shape()).await else { return };
    let sandbox = account.sandbox.clone();
    let reshard = |said: &Said| {
        if matches!(said, Said::Done { step, .. } if step.starts_with("Copy to")) {
            let slots = ["0-899,12000-16383", "900-8099", "8100-11999"].map(str::to_owned).to_vec();
            sandbox.edit(|world| world.elasticache.replication_groups.get_mut(OLD).unwrap().slots = slots);
        }
        false
    };
    let outcomes = account.apply_until(&wish(), reshard).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    application.writes_more(200).await;
    assert_eq!(application.lost(&account).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_while_it_copies_or_holds_shards_is_followed_by_one_that_finishes() {
    for step in ["Copy to", "Hold the writes"] {
        let Some((account, application, end)) = ended_after(&shape(), step).await else { return };
        assert_eq!(end, End::Changed, "{step}");
        is_moved(&account);
        assert_eq!(application.lost(&account).await, [""; 0], "{step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_when_clients_of_shards_are_turned_is_followed_by_one_that_turns_them_back() {
    let Some((account, application, end)) = ended_after(&shape(), "Turn the secret").await else { return };
    assert!(matches!(end, End::RolledBack { .. }), "{end:?}");
    is_as_found(&account);
    assert_eq!(application.lost(&account).await, [""; 0]);
}
