//! Failover, nodes that come and go, settings.

use super::super::Network;
use super::*;

fn after_failover() -> Group {
    let mut group = group(3);
    group.shards[0].primary = Some("g-002".to_owned());
    group
}

#[tokio::test]
async fn the_primary_endpoint_follows_a_failover() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", group(3)));
    let primary = super::super::primary("g");
    let link = plain(&fleet, &primary).await;
    text(&link, &["SET", "a", "1"]).await;
    ask(&link, &["WAIT", "2", "10000"]).await.unwrap();
    let before = link.identity.run_id.clone();

    let mut under_way = group(3);
    under_way.shards[0].primary = None;
    follow(&fleet, &wanted("g", under_way));
    assert!(connect(&endpoint(&fleet, &primary, false, None)).await.is_err(), "nobody is there between the two");
    assert!(ask(&link, &["PING"]).await.is_err());

    follow(&fleet, &wanted("g", after_failover()));
    let link = plain(&fleet, &primary).await;
    assert_ne!(link.identity.run_id, before);
    assert_eq!(link.identity.run_id, plain(&fleet, "g-002").await.identity.run_id);
    assert_eq!(text(&link, &["GET", "a"]).await.as_deref(), Some("1"));
    text(&link, &["SET", "b", "2"]).await;
    assert_eq!(text(&link, &["WAIT", "2", "10000"]).await.as_deref(), Some("2"), "the old primary is back as a replica");
    assert_eq!(text(&plain(&fleet, "g-001").await, &["GET", "b"]).await.as_deref(), Some("2"));
    let reader = plain(&fleet, &super::super::reader("g")).await;
    assert_ne!(reader.identity.run_id, link.identity.run_id);
}

#[tokio::test]
async fn a_failover_loses_what_no_replica_had() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", group(2)));
    let (primary, replica) = (plain(&fleet, "g-001").await, plain(&fleet, "g-002").await);
    text(&primary, &["SET", "a", "1"]).await;
    ask(&primary, &["WAIT", "1", "10000"]).await.unwrap();
    // A replica that stands still has nothing that comes now.
    let pid = text(&replica, &["INFO", "server"]).await.unwrap();
    let pid = pid.lines().find_map(|line| line.trim_end().strip_prefix("process_id:")).unwrap().to_owned();
    let signal = |name: &str| assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    // More than the sockets between the two hold.
    let large = "x".repeat(1 << 20);
    for number in 0..40 {
        text(&primary, &["SET", &format!("large:{number}"), &large]).await;
    }
    fleet.crash("g", "g-001").unwrap();
    signal("-CONT");
    let mut next = group(2);
    next.shards[0].primary = Some("g-002".to_owned());
    follow(&fleet, &wanted("g", next));
    let link = plain(&fleet, &super::super::primary("g")).await;
    assert_eq!(text(&link, &["GET", "a"]).await.as_deref(), Some("1"));
    assert_eq!(text(&link, &["GET", "large:39"]).await, None);
}

#[tokio::test]
async fn a_node_can_be_replaced_by_an_empty_one() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", Group { keys: 10, ..group(1) }));
    let before = plain(&fleet, "g-001").await;
    fleet.replace("g", "g-001").unwrap();
    let after = plain(&fleet, "g-001").await;
    assert_ne!(before.identity.run_id, after.identity.run_id);
    assert_eq!(text(&after, &["DBSIZE"]).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn replicas_come_and_go() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", Group { keys: 100, ..group(1) }));
    follow(&fleet, &wanted("g", Group { keys: 100, ..group(3) }));
    assert_eq!(text(&plain(&fleet, "g-003").await, &["DBSIZE"]).await.as_deref(), Some("100"));
    let pids = fleet.pids();
    follow(&fleet, &wanted("g", Group { keys: 100, ..group(2) }));
    assert_eq!((pids.len(), fleet.pids().len()), (3, 2));
    assert_eq!(fleet.addresses().get("g-003"), None);
}

#[tokio::test]
async fn settings_and_versions_change_and_the_data_stays() {
    let Some(fleet) = fleet() else { return };
    let with = |version, policy: &str| Group {
        version,
        settings: [("maxmemory-policy", policy), ("min-replicas-to-write", "1"), ("notify-keyspace-events", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        keys: 50,
        ..group(2)
    };
    follow(&fleet, &wanted("g", with([6, 2], "volatile-lru")));
    let policy = |text: String| text.lines().find_map(|line| line.trim_end().strip_prefix("maxmemory_policy:").map(str::to_owned)).unwrap();
    let link = plain(&fleet, "g-001").await;
    assert_eq!(policy(text(&link, &["INFO", "memory"]).await.unwrap()), "volatile-lru");
    follow(&fleet, &wanted("g", with([6, 2], "noeviction")));
    assert_eq!(policy(text(&link, &["INFO", "memory"]).await.unwrap()), "noeviction");
    fleet.crash("g", "g-002").unwrap();
    let refused = loop {
        if let Err(refused) = ask(&link, &["SET", "a", "1"]).await {
            break refused;
        }
    };
    assert!(refused.to_string().contains("NOREPLICAS"), "{refused}");
    fleet.replace("g", "g-002").unwrap();
    follow(&fleet, &wanted("g", with([7, 0], "noeviction")));
    let link = plain(&fleet, &super::super::primary("g")).await;
    assert!(link.identity.version.starts_with("7.") || std::env::var_os("HOLDFAST_REDIS_62").is_none());
    assert!(text(&link, &["DBSIZE"]).await.unwrap().parse::<u32>().unwrap() >= 50);
    let before = link.identity.run_id.clone();
    follow(&fleet, &wanted("g", Group { rebooting: ["g-001".to_owned()].into(), ..with([7, 0], "noeviction") }));
    let link = plain(&fleet, &super::super::primary("g")).await;
    assert_ne!(link.identity.run_id, before);
    assert!(text(&link, &["DBSIZE"]).await.unwrap().parse::<u32>().unwrap() >= 50);
}

#[tokio::test]
async fn the_network_can_be_cut_and_fall_silent() {
    let Some(fleet) = fleet() else { return };
    follow(&fleet, &wanted("g", group(2)));
    let link = plain(&fleet, "g-001").await;
    fleet.network("g", Network::Cut).unwrap();
    assert!(matches!(ask(&link, &["PING"]).await, Err(WireError::Lost { .. })));
    assert!(connect(&endpoint(&fleet, "g-001", false, None)).await.is_err());
    fleet.network("g", Network::Up).unwrap();
    let link = plain(&fleet, "g-001").await;
    fleet.network("g", Network::Silent).unwrap();
    let waited = link.ask(redis::cmd("SET").arg("a").arg(1), Duration::from_millis(300)).await;
    assert!(matches!(waited, Err(WireError::Silent { .. })), "{waited:?}");
    fleet.network("g", Network::Up).unwrap();
    assert!(matches!(ask(&link, &["PING"]).await, Err(WireError::Lost { .. })));
    let link = plain(&fleet, "g-001").await;
    assert_eq!(text(&link, &["GET", "a"]).await, None);
    assert!(text(&link, &["INFO", "replication"]).await.unwrap().contains("connected_slaves:1"), "nodes hear each other");
}
