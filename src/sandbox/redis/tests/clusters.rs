//! Cluster mode.

use super::*;

async fn size(fleet: &Fleet, nodes: &[&str]) -> u32 {
    let mut sum = 0;
    for node in nodes {
        sum += text(&plain(fleet, node).await, &["DBSIZE"]).await.unwrap().parse::<u32>().unwrap();
    }
    sum
}

#[tokio::test]
async fn a_cluster_of_three_shards_is_restored() {
    let Some(fleet) = fleet() else { return };
    let source = Group { keys: 300, ..cluster(3, 2) };
    let mut account = wanted("g", source);
    follow(&fleet, &account);
    let primaries = ["g-0001-001", "g-0002-001", "g-0003-001"];
    assert_eq!(size(&fleet, &primaries).await, 300);
    assert_eq!(size(&fleet, &["g-0001-002", "g-0002-002", "g-0003-002"]).await, 300);
    let nodes = primaries.map(str::to_owned).to_vec();
    account.snapshots.insert("s".to_owned(), Snapshot::Nodes { group: "g".to_owned(), nodes });
    follow(&fleet, &account);
    let rename = |shard: &Shard| Shard {
        nodes: shard.nodes.iter().map(|name| name.replace("g-", "t-")).collect(),
        primary: shard.primary.as_ref().map(|name| name.replace("g-", "t-")),
    };
    let target = cluster(3, 2);
    let shards = target.shards.iter().map(rename).collect();
    let target = Group { shards, transit: Transit::Tls, restored_from: Some("s".to_owned()), ..target };
    account.groups.insert("t".to_owned(), target);
    follow(&fleet, &account);
    let mut sum = 0;
    for node in ["t-0001-001", "t-0002-001", "t-0003-001"] {
        let link = connect(&endpoint(&fleet, node, true, None)).await.unwrap();
        sum += text(&link, &["DBSIZE"]).await.unwrap().parse::<u32>().unwrap();
        assert!(text(&link, &["CLUSTER", "INFO"]).await.unwrap().contains("cluster_state:ok"));
        let said = text(&link, &["CLUSTER", "NODES"]).await.unwrap();
        let told = at(&fleet, "t-0002-002");
        assert!(said.contains(&format!("{told}@")), "the addresses that are announced are those of the endpoints: {said}");
    }
    assert_eq!(sum, 300);
    let entry = connect(&endpoint(&fleet, &super::super::configuration("t"), true, None)).await.unwrap();
    assert!(text(&entry, &["CLUSTER", "INFO"]).await.unwrap().contains("cluster_size:3"));
}

#[tokio::test]
async fn a_shard_of_a_cluster_fails_over_and_grows() {
    let Some(fleet) = fleet() else { return };
    let with = |nodes, primary: &str| {
        let mut group = Group { keys: 200, ..cluster(2, nodes) };
        group.shards[1].primary = Some(primary.to_owned());
        group
    };
    follow(&fleet, &wanted("g", with(2, "g-0002-001")));
    let held = size(&fleet, &["g-0002-001"]).await;
    follow(&fleet, &wanted("g", with(2, "g-0002-002")));
    assert_eq!(size(&fleet, &["g-0002-002"]).await, held);
    let link = plain(&fleet, "g-0002-001").await;
    assert!(text(&link, &["INFO", "replication"]).await.unwrap().contains("role:slave"));
    assert_eq!(size(&fleet, &["g-0002-001"]).await, held);
    let write = plain(&fleet, "g-0002-002").await;
    // Slot 10850, of the second shard.
    assert_eq!(text(&write, &["SET", "key:2", "v"]).await.as_deref(), Some("OK"));

    follow(&fleet, &wanted("g", with(3, "g-0002-002")));
    assert_eq!(size(&fleet, &["g-0002-003"]).await, held + 1);
    follow(&fleet, &wanted("g", with(2, "g-0002-002")));
    let said = text(&write, &["CLUSTER", "NODES"]).await.unwrap();
    assert_eq!(said.lines().count(), 4, "a node that is gone is forgotten: {said}");
    follow(&fleet, &wanted("g", Group { rebooting: ["g-0002-002".to_owned()].into(), ..with(2, "g-0002-002") }));
    assert_eq!(size(&fleet, &["g-0002-002"]).await, held + 1);
}
