//! Preflight: everything that stands in the way is said at once, and nothing is changed.

use super::hold_ground::{Application, Made, foreign, tell, us};
use crate::migration::hold::{Finding, Ledger, Nodes, Part, fit, probe};

fn said(findings: &[Finding], words: &str) -> Option<bool> {
    findings.iter().find(|finding| finding.what.contains(words)).map(|finding| finding.blocks)
}

#[tokio::test]
async fn a_healthy_side_has_nothing_in_the_way_and_is_not_written_to() {
    for program in [crate::sandbox::redis::program(), std::env::var_os("HOLDFAST_REDIS_62").map(Into::into)].into_iter().flatten() {
        let Some(made) = Made::plain(1) else { return };
        let group = Made { program, ..made }.start().await;
        let api = foreign(group.primary()).await;
        tell(&api, &["SET", "a", "1"]).await;
        tell(&api, &["SELECT", "3"]).await;
        tell(&api, &["SET", "b", "1"]).await;
        let nodes = Nodes::connect(&group.side, &us(2)).await.unwrap();
        let before = Ledger::read(&nodes).await.unwrap();
        let (facts, findings) = probe(&group.side, &us(2), Part::Source).await;
        assert_eq!(findings, []);
        assert_eq!(Ledger::read(&nodes).await.unwrap(), before, "preflight wrote");
        let primary = &facts.nodes[0];
        assert!(primary.primary && facts.nodes.len() == 2 && facts.keys() == 2);
        assert_eq!(primary.keys.keys().copied().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(primary.payload_version, Some(if primary.version.starts_with("6.2") { 9 } else { 10 }));
        assert!(primary.tracking && primary.clock_ahead_ms.abs() < 100, "{primary:?}");
        let (target, findings) = probe(&group.side, &us(2), Part::Target).await;
        assert_eq!((findings, fit(&facts, &target)), (vec![], vec![]));
        // The connections that it made are gone, or ours.
        assert_eq!(crate::migration::hold::foreigners(&nodes, &us(2)).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn everything_in_the_way_is_said_at_once() {
    let Some(made) = Made::plain(1) else { return };
    let config = vec![
        "user default on nopass ~* &* +@all -dump -client|pause -client|tracking -restore".to_owned(),
        "maxmemory 100mb".to_owned(),
        "maxmemory-policy allkeys-lru".to_owned(),
    ];
    let mut group = Made { config, ..made }.start().await;
    let api = foreign(group.primary()).await;
    tell(&api, &["SET", "a", "1"]).await;
    tell(&api, &["RANDOMKEY"]).await;
    tell(&api, &["EVAL", "return 1", "0"]).await;
    tell(&api, &["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"]).await;
    // A replica that nobody was told of, and another life of ours.
    let unknown = group.side.shards[0].replicas.pop().unwrap();
    let _later = crate::migration::wire::Link::connect(group.primary(), 0, &us(9), None).await.unwrap();
    let (facts, findings) = probe(&group.side, &us(2), Part::Source).await;
    for (words, blocks) in [
        ("refuses DUMP", true),
        ("refuses CLIENT PAUSE", true),
        ("refuses RESTORE", true),
        ("does not push changes", false),
        ("RANDOMKEY", false),
        ("scripts are in use", false),
        ("1 replicas are connected", true),
        ("epoch 9", true),
    ] {
        assert_eq!(said(&findings, words), Some(blocks), "{words}: {findings:#?}");
    }
    assert_eq!((findings.len(), facts.nodes[0].functions, facts.nodes[0].tracking), (8, 1, false), "{findings:#?}");
    // In another role, and away.
    let mut swapped = group.side.clone();
    swapped.shards[0].primary = unknown;
    assert_eq!(said(&probe(&swapped, &us(2), Part::Source).await.1, "is a replica"), Some(true));
    group.shards[0].primary.kill();
    let (facts, findings) = probe(&group.side, &us(2), Part::Source).await;
    assert_eq!((facts.nodes.len(), said(&findings, "could not be reached")), (0, Some(true)));
}

#[tokio::test]
async fn the_rate_of_changes_is_measured() {
    let Some(made) = Made::plain(0) else { return };
    let group = made.start().await;
    let application = Application::start(&group.side, 2);
    application.writes_more(10).await;
    let (facts, _) = probe(&group.side, &us(2), Part::Source).await;
    assert!(facts.nodes[0].changes > 10.0, "{facts:?}");
    assert!(facts.measured(0.25, super::hold_ground::SECOND).changes > 10.0);
    assert_eq!(application.lost(&group.side).await, 0);
}

#[tokio::test]
async fn a_cluster_is_probed_shard_by_shard() {
    let Some(made) = Made::cluster(2, 1) else { return };
    let group = made.start().await;
    let (facts, findings) = probe(&group.side, &us(2), Part::Source).await;
    assert_eq!((findings, facts.nodes.len(), facts.cluster), (vec![], 4, true));
    let mut alone = group.side.clone();
    alone.shards.truncate(1);
    assert_eq!(said(&probe(&alone, &us(2), Part::Source).await.1, "knows 2 shards, and 1 are known"), Some(true));
    let other = foreign(&group.side.shards[1].primary).await;
    let id = super::hold_ground::words(&tell(&other, &["CLUSTER", "MYID"]).await);
    tell(&foreign(group.primary()).await, &["CLUSTER", "SETSLOT", "7", "MIGRATING", &id]).await;
    assert_eq!(said(&probe(&group.side, &us(2), Part::Source).await.1, "slot 7 is on its way"), Some(true));
}
