//! Snapshots and restores.

use super::{Account, FOUND, code};

fn take(account: &Account, name: &str) -> aws_sdk_elasticache::operation::create_snapshot::builders::CreateSnapshotFluentBuilder {
    account.client.create_snapshot().snapshot_name(name).cache_cluster_id("huntaze-redis-001").kms_key_id("1234")
}

async fn status(account: &Account, name: &str) -> String {
    let answer = account.client.describe_snapshots().snapshot_name(name).send().await.unwrap();
    answer.snapshots()[0].snapshot_status().unwrap().to_owned()
}

#[tokio::test]
async fn a_snapshot_is_taken_copied_restored_and_deleted() {
    let account = Account::new(FOUND);
    take(&account, "Before").send().await.unwrap();
    assert_eq!(account.group("huntaze-redis").await.status(), Some("snapshotting"));
    assert_eq!(code(account.modify("huntaze-redis").snapshot_retention_limit(1).send().await), "InvalidReplicationGroupState");
    let restore = |node: &str| {
        let request = account.client.create_replication_group().replication_group_id("target").replication_group_description("restored");
        request.snapshot_name("before").cache_node_type(node).send()
    };
    assert_eq!(code(restore("cache.t3.medium").await), "InvalidParameterValue", "not before it is available");
    assert_eq!(code(account.client.delete_snapshot().snapshot_name("before").send().await), "InvalidSnapshotState");
    account.wait(3);
    assert_eq!(status(&account, "before").await, "available");
    assert_eq!(account.group("huntaze-redis").await.status(), Some("available"));
    assert_eq!(code(take(&account, "before").send().await), "SnapshotAlreadyExistsFault");
    let found = account.client.describe_snapshots().replication_group_id("huntaze-redis").snapshot_source("user").send().await.unwrap();
    assert_eq!(found.snapshots()[0].kms_key_id(), Some("arn:aws:kms:us-east-1:317805897534:key/1234"));
    assert_eq!(found.snapshots()[0].node_snapshots()[0].cache_cluster_id(), Some("huntaze-redis-001"));

    account.client.copy_snapshot().source_snapshot_name("before").target_snapshot_name("copy").send().await.unwrap();
    account.wait(2);
    assert_eq!(status(&account, "copy").await, "available");

    restore("cache.t3.medium").await.unwrap();
    assert_eq!(status(&account, "before").await, "restoring");
    account.wait(12);
    assert_eq!((status(&account, "before").await.as_str(), account.group("target").await.status()), ("available", Some("available")));
    assert_eq!(account.state("target").engine_version, "7.1.0");

    account.client.delete_snapshot().snapshot_name("before").send().await.unwrap();
    account.wait(1);
    assert_eq!(code(account.client.describe_snapshots().snapshot_name("before").send().await), "SnapshotNotFoundFault");
}

#[tokio::test]
async fn too_small_a_node_gives_create_failed() {
    let account = Account::new(FOUND);
    take(&account, "before").send().await.unwrap();
    account.wait(3);
    let request = account.client.create_replication_group().replication_group_id("target").replication_group_description("restored");
    request.snapshot_name("before").cache_node_type("cache.t3.micro").send().await.unwrap();
    account.wait(12);
    assert_eq!(account.group("target").await.status(), Some("create-failed"));
    assert_eq!(status(&account, "before").await, "available");
}

#[tokio::test]
async fn a_stuck_snapshot_says_creating_for_ever() {
    let account = Account::new(FOUND);
    account.sandbox.edit(|world| world.elasticache.stick_snapshots = 1);
    take(&account, "stuck").send().await.unwrap();
    account.wait(24 * 60);
    assert_eq!(status(&account, "stuck").await, "creating");
    assert_eq!(account.group("huntaze-redis").await.status(), Some("available"));
    take(&account, "next").send().await.unwrap();
    account.wait(3);
    assert_eq!(status(&account, "next").await, "available");
}

#[tokio::test]
async fn snapshots_are_refused_as_the_service_refuses_them() {
    let account = Account::new(
        "elasticache: {replicationGroups: {tiny: {nodeType: cache.t1.micro}, big: {clusterEnabled: true, shards: 2}, r: {}}, \
         cacheClusters: {memory: {engine: memcached, engineVersion: 1.6.22}}}",
    );
    let snapshot = || account.client.create_snapshot().snapshot_name("s");
    assert_eq!(code(snapshot().send().await), "InvalidParameterCombination");
    assert_eq!(code(snapshot().cache_cluster_id("nobody").send().await), "CacheClusterNotFound");
    assert_eq!(code(snapshot().replication_group_id("nobody").send().await), "ReplicationGroupNotFoundFault");
    assert_eq!(
        code(snapshot().replication_group_id("r").send().await),
        "InvalidParameterCombination",
        "the whole group in cluster mode only"
    );
    assert_eq!(code(snapshot().cache_cluster_id("big-0001-001").send().await), "InvalidParameterCombination");
    assert_eq!(code(snapshot().cache_cluster_id("tiny-001").send().await), "SnapshotFeatureNotSupportedFault");
    assert_eq!(code(snapshot().cache_cluster_id("memory").send().await), "SnapshotFeatureNotSupportedFault");
    for number in 0..20 {
        account.client.create_snapshot().snapshot_name(format!("s{number}")).cache_cluster_id("r-001").send().await.unwrap();
        account.wait(3);
    }
    assert_eq!(code(snapshot().cache_cluster_id("r-001").send().await), "SnapshotQuotaExceededFault");
    account.wait(24 * 60);
    snapshot().cache_cluster_id("r-001").send().await.unwrap();

    snapshot().snapshot_name("cluster").replication_group_id("big").send().await.unwrap();
    account.wait(3);
    let flat =
        account.client.create_replication_group().replication_group_id("flat").replication_group_description("d").snapshot_name("cluster");
    assert_eq!(code(flat.cache_parameter_group_name("default.redis7").send().await), "InvalidParameterCombination");
}

#[tokio::test]
async fn deleting_can_leave_a_final_snapshot() {
    let account = Account::new(FOUND);
    let delete = || account.client.delete_replication_group().replication_group_id("huntaze-redis").final_snapshot_identifier("last");
    let group = delete().send().await.unwrap().replication_group.unwrap();
    assert_eq!(group.status(), Some("deleting"));
    assert_eq!(code(delete().send().await), "InvalidReplicationGroupState");
    account.wait(6);
    assert_eq!(status(&account, "last").await, "available");
    let found = account.client.describe_snapshots().snapshot_name("last").send().await.unwrap();
    assert_eq!(found.snapshots()[0].cache_cluster_id(), Some("huntaze-redis-002"), "taken on the primary");
    assert_eq!(
        code(account.client.describe_replication_groups().replication_group_id("huntaze-redis").send().await),
        "ReplicationGroupNotFoundFault"
    );
}
