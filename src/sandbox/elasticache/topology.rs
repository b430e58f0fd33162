//! What follows from the shape of a group: its members, their roles and their addresses.

use super::engine;
use super::place::{Endpoint, Place};
use super::state::{CacheCluster, ReplicationGroup};
use crate::sandbox::redis;

/// A node of a replication group, which is a cache cluster of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `huntaze-redis-001`; in cluster mode `huntaze-redis-0001-001`.
    pub id: String,
    pub shard: u32,
    pub number: u32,
    pub primary: bool,
}

impl ReplicationGroup {
    /// All members, shard by shard.
    pub fn members(&self, id: &str) -> Vec<Member> {
        let shards = if self.cluster_enabled { self.shards } else { 1 };
        let member = |shard: u32, number: u32| Member {
            id: if self.cluster_enabled { format!("{id}-{shard:04}-{number:03}") } else { format!("{id}-{number:03}") },
            shard,
            number,
            primary: number == self.primary(shard),
        };
        (1..=shards)
            .flat_map(|shard| (1..=self.nodes).map(move |number| (shard, number)))
            .map(|(shard, number)| member(shard, number))
            .collect()
    }

    /// The slots of a shard, from 1, in cluster mode: the 16,384 evenly, where nobody said otherwise.
    pub fn slots_of(&self, shard: u32) -> String {
        let own = usize::try_from(shard).ok().and_then(|shard| self.slots.get(shard.checked_sub(1)?).cloned());
        let bound = |shard: u32| u64::from(shard) * 16_384 / u64::from(self.shards.max(1));
        own.unwrap_or_else(|| format!("{}-{}", bound(shard.saturating_sub(1)), bound(shard).saturating_sub(1)))
    }

    /// The number of a shard's primary.
    pub fn primary(&self, shard: u32) -> u32 {
        self.primaries.get(&shard).copied().filter(|number| (1..=self.nodes).contains(number)).unwrap_or(1)
    }

    pub fn family(&self) -> String {
        engine::family(&self.engine, &self.engine_version)
    }

    /// The parameter group in use, a default one by its name.
    pub fn parameter_group_name(&self) -> String {
        self.parameter_group.clone().unwrap_or_else(|| {
            let cluster = if self.cluster_enabled { ".cluster.on" } else { "" };
            format!("default.{}{cluster}", self.family())
        })
    }

    /// Where snapshots are taken: as set, else a replica, as AWS chooses.
    pub fn snapshot_source(&self, id: &str) -> Option<String> {
        if self.cluster_enabled {
            return None;
        }
        let automatic = || {
            let members = self.members(id);
            let replica = members.iter().rev().find(|member| !member.primary).or(members.first());
            replica.filter(|_| self.snapshot_retention_limit > 0).map(|member| member.id.clone())
        };
        self.snapshotting_cluster.clone().or_else(automatic)
    }

    /// The effective encryption at rest.
    pub fn storage_encryption(&self) -> &str {
        match (&self.storage_encryption_type, self.at_rest_encryption, &self.kms_key_id) {
            (Some(effective), _, _) => effective,
            (None, false, _) => "none",
            (None, true, None) => "sse-elasticache",
            (None, true, Some(_)) => "sse-kms",
        }
    }

    fn tls_names(&self) -> bool {
        self.tls_endpoints.unwrap_or(self.transit_encryption.mode().is_some())
    }

    pub fn primary_endpoint(&self, id: &str, place: &Place) -> Endpoint {
        let (key, domain) = (place.host_key(), place.domain());
        let host = if self.tls_names() { format!("master.{id}.{key}.{domain}") } else { format!("{id}.{key}.ng.0001.{domain}") };
        place.endpoint(&redis::primary(id), host, self.port)
    }

    pub fn reader_endpoint(&self, id: &str, place: &Place) -> Endpoint {
        let (key, domain) = (place.host_key(), place.domain());
        let host = if self.tls_names() { format!("replica.{id}.{key}.{domain}") } else { format!("{id}-ro.{key}.ng.0001.{domain}") };
        place.endpoint(&redis::reader(id), host, self.port)
    }

    pub fn configuration_endpoint(&self, id: &str, place: &Place) -> Endpoint {
        let (key, domain) = (place.host_key(), place.domain());
        let host = if self.tls_names() { format!("clustercfg.{id}.{key}.{domain}") } else { format!("{id}.{key}.clustercfg.{domain}") };
        place.endpoint(&redis::configuration(id), host, self.port)
    }

    pub fn member_endpoint(&self, id: &str, member: &Member, place: &Place) -> Endpoint {
        let (key, domain) = (place.host_key(), place.domain());
        let host =
            if self.tls_names() { format!("{}.{id}.{key}.{domain}", member.id) } else { format!("{}.{key}.0001.{domain}", member.id) };
        place.endpoint(&member.id, host, self.port)
    }
}

/// Slots as they are written: `0-999,16000`. None where that is not what it says.
pub fn ranges(text: &str) -> Option<Vec<(u16, u16)>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last && last < 16_384).then_some((first, last))
    };
    text.split(',').map(range).collect()
}

impl CacheCluster {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.engine == "memcached" { 11211 } else { 6379 })
    }

    pub fn parameter_group_name(&self) -> String {
        self.parameter_group.clone().unwrap_or_else(|| format!("default.{}", engine::family(&self.engine, &self.engine_version)))
    }

    /// `0001`, `0002`, ...
    pub fn node_ids(&self) -> Vec<String> {
        (1..=self.nodes).map(|number| format!("{number:04}")).collect()
    }
}
