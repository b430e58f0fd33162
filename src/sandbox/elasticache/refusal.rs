//! ElastiCache's refusals, with the codes and statuses of the published service model.

use super::state::Status;
use crate::sandbox::call::Refusal;

pub fn value(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterValue", message)
}

pub fn combination(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterCombination", message)
}

pub fn no_group(id: &str) -> Refusal {
    Refusal::new(404, "ReplicationGroupNotFoundFault", format!("ReplicationGroup {id} not found."))
}

pub fn no_cluster(id: &str) -> Refusal {
    Refusal::new(404, "CacheClusterNotFound", format!("CacheCluster not found: {id}"))
}

pub fn no_parameter_group(name: &str) -> Refusal {
    Refusal::new(404, "CacheParameterGroupNotFound", format!("CacheParameterGroup {name} not found."))
}

pub fn no_subnet_group(name: &str) -> Refusal {
    Refusal::new(400, "CacheSubnetGroupNotFoundFault", format!("Cache Subnet Group {name} does not exist."))
}

pub fn no_snapshot(name: &str) -> Refusal {
    Refusal::new(404, "SnapshotNotFoundFault", format!("{name} is not found."))
}

pub fn group_state(id: &str, status: Status) -> Refusal {
    let status = status.text();
    Refusal::new(
        400,
        "InvalidReplicationGroupState",
        format!("Replication group {id} has status {status} which is not valid for this request."),
    )
}

pub fn cluster_state(id: &str, status: Status) -> Refusal {
    let status = status.text();
    Refusal::new(400, "InvalidCacheClusterState", format!("Cache cluster {id} has status {status} which is not valid for this request."))
}

pub fn parameter_group_state(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidCacheParameterGroupState", message)
}
