//! Standalone clusters: a node of Redis or Valkey outside of any replication group, which can be neither encrypted nor given a token. It is looked at as the group
//! of one node that it would be, so that what moves a group moves it too.
//!
//! A group and a standalone cluster have names apart: of each there can be one that is called the same. Which of the two is meant never follows from a name alone.

use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CacheCluster, IpDiscovery, MultiAzStatus, NetworkType, NodeGroup, NodeGroupMember, ReplicationGroup,
};

/// What of the account bears the name that an entry means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bearer {
    /// A replication group, or nothing.
    #[default]
    Group,
    /// A standalone cluster of Redis or Valkey.
    Standalone,
    /// A cluster of Memcached.
    Memcached,
    /// A group and a standalone cluster, and no move under way says which is meant.
    Both,
}

/// The standalone cluster of that name, of whatever engine.
pub fn named<'c>(clusters: &'c [CacheCluster], id: &str) -> Option<&'c CacheCluster> {
    clusters.iter().find(|cluster| {
        let called = cluster.cache_cluster_id().is_some_and(|found| found.eq_ignore_ascii_case(id));
        // A state of clusters alone: it is listed still, and is gone. [service model, CacheClusterStatus]
        called && cluster.replication_group_id().is_none() && cluster.cache_cluster_status() != Some("deleted")
    })
}

pub fn is_memcached(cluster: &CacheCluster) -> bool {
    cluster.engine() == Some("memcached")
}

/// The cluster as the group of one node that it would be: what AWS says of it, where AWS would say it of a group.
pub fn as_group(cluster: &CacheCluster) -> ReplicationGroup {
    let id = cluster.cache_cluster_id().unwrap_or_default();
    let node = cluster.cache_nodes().first();
    let endpoint = node.and_then(|node| node.endpoint().cloned());
    let member = NodeGroupMember::builder()
        .cache_cluster_id(id)
        .cache_node_id(node.and_then(|node| node.cache_node_id()).unwrap_or("0001"))
        .set_read_endpoint(endpoint.clone())
        .current_role("primary");
    let shard = NodeGroup::builder().node_group_id("0001").set_primary_endpoint(endpoint).node_group_members(member.build());
    ReplicationGroup::builder()
        .replication_group_id(id)
        // A cluster has none, and a group must have one.
        .description(format!("moved from the standalone cluster {id}"))
        .set_arn(cluster.arn().map(str::to_owned))
        .set_status(cluster.cache_cluster_status().map(str::to_owned))
        .set_engine(cluster.engine().map(str::to_owned))
        .set_cache_node_type(cluster.cache_node_type().map(str::to_owned))
        .set_replication_group_create_time(cluster.cache_cluster_create_time().copied())
        .member_clusters(id)
        .node_groups(shard.build())
        .cluster_enabled(false)
        .automatic_failover(AutomaticFailoverStatus::Disabled)
        .multi_az(MultiAzStatus::Disabled)
        .set_snapshot_retention_limit(cluster.snapshot_retention_limit())
        .set_snapshot_window(cluster.snapshot_window().map(str::to_owned))
        .set_auth_token_enabled(cluster.auth_token_enabled())
        .set_auth_token_last_modified_date(cluster.auth_token_last_modified_date().copied())
        .set_transit_encryption_enabled(cluster.transit_encryption_enabled())
        .set_transit_encryption_mode(cluster.transit_encryption_mode().cloned())
        .set_at_rest_encryption_enabled(cluster.at_rest_encryption_enabled())
        .set_log_delivery_configurations(Some(cluster.log_delivery_configurations().to_vec()))
        .set_auto_minor_version_upgrade(cluster.auto_minor_version_upgrade())
        // What is left out is IPv4, which a group says in words. [service model, CreateCacheCluster]
        .network_type(cluster.network_type().cloned().unwrap_or(NetworkType::Ipv4))
        .ip_discovery(cluster.ip_discovery().cloned().unwrap_or(IpDiscovery::Ipv4))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(id: &str) -> aws_sdk_elasticache::types::builders::CacheClusterBuilder {
        CacheCluster::builder().cache_cluster_id(id).engine("redis").cache_cluster_status("available")
    }

    #[test]
    fn a_member_of_a_group_and_what_is_gone_is_no_standalone_cluster() {
        let all = [
            cluster("member").replication_group_id("group").build(),
            cluster("gone").cache_cluster_status("deleted").build(),
            cluster("Alone").build(),
            cluster("memory").engine("memcached").build(),
        ];
        let named = |id: &str| named(&all, id).and_then(CacheCluster::cache_cluster_id);
        assert_eq!(["member", "gone", "alone", "nobody"].map(named), [None, None, Some("Alone"), None]);
        assert!(is_memcached(&all[3]) && !is_memcached(&all[2]));
    }
}
