//! What servers the account asks for: its groups and clusters as the servers' own terms have them.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::numbers;
use super::parameters::table;
use super::snapshots::as_group;
use super::state::{Admits, CacheCluster, ReplicationGroup, State, Status, Transit};
use super::topology::ranges;
use crate::sandbox::redis::wanted::{Group, Shard, Snapshot, Transit as Spoken, Wanted};

/// A node has this part of the memory that it has at AWS: the largest of a test is then a few hundred MB.
const MEMORY_SCALE: u64 = 16;
const MIB: u64 = 1 << 20;

/// Parameters that are settings of redis.conf by the same name and take effect at once.
const SETTINGS: &[&str] = &[
    "activerehashing",
    "client-query-buffer-limit",
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hash-max-ziplist-entries",
    "hash-max-ziplist-value",
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "list-compress-depth",
    "list-max-listpack-size",
    "list-max-ziplist-size",
    "maxmemory-policy",
    "maxmemory-samples",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "notify-keyspace-events",
    "proto-max-bulk-len",
    "repl-backlog-size",
    "repl-backlog-ttl",
    "set-max-intset-entries",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "stream-node-max-bytes",
    "stream-node-max-entries",
    "tcp-keepalive",
    "timeout",
    "tracking-table-max-keys",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "zset-max-ziplist-entries",
    "zset-max-ziplist-value",
];

/// Everything that is to run by now. Nothing, where the account has no servers.
pub fn wanted(state: &State) -> Wanted {
    if !state.servers {
        return Wanted::default();
    }
    let mut groups = BTreeMap::new();
    for (id, group) in &state.replication_groups {
        if runs(group.status, &group.engine) {
            groups.insert(id.clone(), replication_group(state, id, group));
        }
    }
    for (id, cluster) in &state.cache_clusters {
        if runs(cluster.status, &cluster.engine) {
            groups.insert(key(id), cache_cluster(state, id, cluster));
        }
    }
    let snapshots = state.snapshots.iter().map(|(name, snapshot)| {
        let source = match (&snapshot.copied_from, &snapshot.cluster, &snapshot.group) {
            // It stays in `creating`: nothing will be in it.
            _ if snapshot.status == super::state::SnapshotStatus::Creating && snapshot.ready_at.is_none() => Snapshot::Stuck,
            (Some(source), _, _) => Snapshot::Copy(source.clone()),
            (None, Some(node), Some(group)) => Snapshot::Nodes { group: group.clone(), nodes: vec![node.clone()] },
            (None, Some(node), None) => Snapshot::Nodes { group: key(node), nodes: vec![node.clone()] },
            (None, None, Some(group)) => {
                let members = snapshot.origin.members(group).into_iter();
                let nodes = members.filter(|member| member.primary).map(|member| member.id).collect();
                Snapshot::Nodes { group: group.clone(), nodes }
            }
            (None, None, None) => Snapshot::Stuck,
        };
        (name.clone(), source)
    });
    Wanted { groups, snapshots: snapshots.collect() }
}

/// The name of a standalone cluster among the groups: a group may be called the same.
fn key(cluster: &str) -> String {
    format!("cluster:{cluster}")
}

fn runs(status: Status, engine: &str) -> bool {
    engine != "memcached" && !matches!(status, Status::Deleting | Status::CreateFailed)
}

fn replication_group(state: &State, id: &str, group: &ReplicationGroup) -> Group {
    let members = group.members(id);
    // From the moment that a failover begins nobody is the primary.
    let failing = group.change.as_ref().and_then(|change| change.primary).filter(|_| group.status == Status::Modifying);
    let count = if group.cluster_enabled { group.shards } else { 1 };
    let shard = |number: u32| {
        let of = || members.iter().filter(move |member| member.shard == number);
        let primary = of().find(|member| member.primary && failing.is_none_or(|(shard, _)| shard != number));
        Shard { nodes: of().map(|member| member.id.clone()).collect(), primary: primary.map(|member| member.id.clone()) }
    };
    let parameters = parameters(state, &group.parameter_group_name(), &group.family());
    let number = |name: &str| parameters.get(name).and_then(|value| value.parse::<u64>().ok());
    let open = |id: &String| state.security_groups.get(id).is_none_or(|group| group.admits == Admits::Everybody);
    let [major, minor, _] = numbers(&group.engine_version);
    Group {
        up: group.status != Status::Creating,
        version: [major, minor],
        cluster: group.cluster_enabled,
        shards: (1..=count).map(shard).collect(),
        slots: group.slots.iter().filter_map(|slots| ranges(slots)).collect(),
        port: group.port,
        transit: match group.transit_encryption {
            Transit::None => Spoken::Plain,
            Transit::Preferred => Spoken::Either,
            Transit::Required => Spoken::Tls,
        },
        tokens: group.auth.tokens.clone(),
        passwordless: group.auth.passwordless,
        maxmemory: memory(&group.node_type) * (100 - number("reserved-memory-percent").unwrap_or(0).min(100)) / 100,
        settings: SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), parameters.get(*name)?.clone()))).collect(),
        databases: match group.cluster_enabled {
            true => 1,
            false => number("databases").and_then(|count| u32::try_from(count).ok()).unwrap_or(16),
        },
        restored_from: group.restored_from.clone(),
        application: group.security_groups.is_empty() || group.security_groups.iter().any(open),
        answers: group.answers_at.is_none(),
        rebooting: group.rebooting.clone(),
        keys: group.data.keys,
    }
}

fn cache_cluster(state: &State, id: &str, cluster: &CacheCluster) -> Group {
    let group = ReplicationGroup { security_groups: cluster.security_groups.clone(), ..as_group(cluster) };
    let rebooting = if cluster.status == Status::Rebooting { BTreeSet::from([id.to_owned()]) } else { BTreeSet::new() };
    Group {
        up: cluster.status != Status::Creating,
        shards: vec![Shard { nodes: vec![id.to_owned()], primary: Some(id.to_owned()) }],
        rebooting,
        keys: cluster.data.keys,
        ..replication_group(state, id, &group)
    }
}

/// The parameters of a group in force, those of its family included.
fn parameters(state: &State, name: &str, family: &str) -> BTreeMap<String, String> {
    let own = state.parameter_group(name).map(|group| group.parameters).unwrap_or_default();
    let defaults = table::of(family).into_iter().map(|one| (one.name.to_owned(), one.default.to_owned()));
    defaults.chain(own).collect()
}

/// The memory of a node, in bytes, scaled down. [AWS documentation, "Supported node types"; sizes from `xlarge` on are near enough multiples of it]
fn memory(node_type: &str) -> u64 {
    let mut parts = node_type.split('.').skip(1);
    let (family, size) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // Of a `large`.
    let large = if family.starts_with('r') || family.starts_with('x') { 13_387 } else { 6_537 };
    let mebibytes = match size {
        "micro" => 512,
        "small" => 1_403,
        "medium" => 3_164,
        "large" => large,
        size => 2 * large * size.strip_suffix("xlarge").and_then(|times| times.parse::<u64>().ok()).unwrap_or(1),
    };
    mebibytes * MIB / MEMORY_SCALE
}
