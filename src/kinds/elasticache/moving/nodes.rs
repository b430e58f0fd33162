//! The nodes of a group, and how to log in to them.

use aws_sdk_elasticache::types::{CacheCluster, Endpoint as SdkEndpoint, NodeGroup, ReplicationGroup};
use secrecy::SecretString;

use crate::aws::calls::elasticache::DESCRIBE_CACHE_CLUSTERS;
use crate::aws::{CallError, Class, Reads};
use crate::kinds::elasticache::observe::{clusters, parameters};
use crate::kinds::elasticache::start::not_sent;
use crate::migration::side::{Shard, Side};
use crate::migration::wire::{Endpoint, Login, Tls};

/// How many databases a node has where its parameter group does not say. [AWS documentation, Redis parameters: `databases`]
const DATABASES: u32 = 16;

/// A group as its nodes are spoken to. Roles are AWS's word; in cluster mode, where it has none, the first node of a shard is asked.
pub async fn side(reads: &Reads, found: &ReplicationGroup, token: Option<SecretString>) -> Result<Side, CallError> {
    let tls = match found.transit_encryption_enabled() {
        Some(true) => Tls::On { roots: reads.trusted().map(<[u8]>::to_vec) },
        _ => Tls::Off,
    };
    let login = Login { user: None, token: token.filter(|_| found.auth_token_enabled() == Some(true)), tls };
    let clusters = clusters(reads).await?;
    let databases = if found.cluster_enabled() == Some(true) { 1 } else { databases(reads, found, &clusters).await? };
    let shards: Option<Vec<Shard>> = found.node_groups().iter().map(|shard| self::shard(shard, &clusters, &login)).collect();
    match shards.filter(|shards| !shards.is_empty()) {
        Some(shards) => Ok(Side { shards, databases }),
        None => {
            let message = format!("AWS does not say the addresses of all nodes of {}", found.replication_group_id().unwrap_or_default());
            Err(not_sent(&DESCRIBE_CACHE_CLUSTERS, Class::Invalid, "NoAddresses", message))
        }
    }
}

fn shard(shard: &NodeGroup, clusters: &[CacheCluster], login: &Login) -> Option<Shard> {
    let mut primary = None;
    let mut replicas = Vec::new();
    for member in shard.node_group_members() {
        let cluster = || clusters.iter().find(|cluster| cluster.cache_cluster_id() == member.cache_cluster_id());
        let own = || cluster()?.cache_nodes().first()?.endpoint();
        let endpoint = endpoint(member.read_endpoint().or_else(own)?, login)?;
        match member.current_role() {
            Some("replica") => replicas.push(endpoint),
            _ if primary.is_none() => primary = Some(endpoint),
            _ => replicas.push(endpoint),
        }
    }
    Some(Shard { primary: primary?, replicas, slots: slots(shard.slots().unwrap_or_default())? })
}

fn endpoint(found: &SdkEndpoint, login: &Login) -> Option<Endpoint> {
    Some(Endpoint { host: found.address()?.to_owned(), port: u16::try_from(found.port()?).ok()?, login: login.clone() })
}

/// `0-5460,10000-10001`; nothing where that is not what it says.
fn slots(text: &str) -> Option<Vec<(u16, u16)>> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(range).collect()
}

/// What the group's parameter group says of `databases`.
async fn databases(reads: &Reads, found: &ReplicationGroup, clusters: &[CacheCluster]) -> Result<u32, CallError> {
    let first = found.member_clusters().first();
    let cluster =
        clusters.iter().find(|cluster| cluster.cache_cluster_id().is_some() && cluster.cache_cluster_id() == first.map(String::as_str));
    let Some(group) = cluster.and_then(|cluster| cluster.cache_parameter_group()?.cache_parameter_group_name()) else {
        return Ok(DATABASES);
    };
    let parameters = parameters(reads, group).await?;
    Ok(parameters.get("databases").and_then(|databases| databases.value.parse().ok()).unwrap_or(DATABASES))
}

#[cfg(test)]
mod tests {
    use super::slots;

    #[test]
    fn slots_are_ranges() {
        assert_eq!(slots(""), Some(vec![]));
        assert_eq!(slots("0-5460, 10000-10001,7"), Some(vec![(0, 5460), (10000, 10001), (7, 7)]));
        assert_eq!(slots("0-x"), None);
    }
}
