//! A group's processes, and how they come to be what is wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::access;
use super::addresses;
use super::cluster::{self, Known};
use super::endpoint::{Endpoint, Policy};
use super::error::FleetError;
use super::fleet::Ground;
use super::network::Network;
use super::node::{Node, Start};
use super::seed;
use super::snapshots;
use super::wanted::{Group, Shard};

/// A group that has its addresses, and its processes when it is up.
pub struct Running {
    name: String,
    /// What it is now.
    pub(super) is: Group,
    pub(super) nodes: BTreeMap<String, Node>,
    /// Its endpoints by their names.
    endpoints: BTreeMap<String, Endpoint>,
}

impl Running {
    /// Takes the addresses.
    pub fn open(ground: &Ground, name: &str, wanted: &Group) -> Result<Running, FleetError> {
        let mut group = Running {
            name: name.to_owned(),
            is: Group { up: false, ..wanted.clone() },
            nodes: BTreeMap::new(),
            endpoints: BTreeMap::new(),
        };
        for node in wanted.shards.iter().flat_map(|shard| &shard.nodes) {
            group.nodes.insert(node.clone(), Node::open(ground, node, wanted.port)?);
        }
        let names =
            if wanted.cluster { vec![addresses::configuration(name)] } else { vec![addresses::primary(name), addresses::reader(name)] };
        for name in names {
            let open = |ip, port| Endpoint::open(&ground.runtime, ip, port, |ips| ground.authority.server(ips));
            let endpoint = ground.addresses.give(&name, wanted.port, open)?;
            group.endpoints.insert(name, endpoint);
        }
        Ok(group)
    }

    /// Starts the processes, with the data of a snapshot, of an earlier life, or made up.
    pub fn start(&mut self, ground: &Ground, wanted: &Group) -> Result<(), FleetError> {
        let again = wanted.shards.iter().any(|shard| shard.primary.as_ref().and_then(|name| self.nodes.get(name)).is_some_and(Node::left));
        let rdbs = match &wanted.restored_from {
            Some(snapshot) if !again => Some(snapshots::find(ground, snapshot)?),
            _ => None,
        };
        if let Some(rdbs) = rdbs.as_ref().filter(|rdbs| rdbs.len() != wanted.shards.len()) {
            return Err(FleetError::Shards { from: rdbs.len(), to: wanted.shards.len() });
        }
        self.is = wanted.clone();
        let [major, minor] = wanted.version;
        if let Some(program) = ground.programs.nearest(wanted.version).filter(|program| program.version[..2] != wanted.version) {
            let runs = program.version.map(|number| number.to_string()).join(".");
            tracing::info!(group = self.name, "the sandbox has no server {major}.{minor}: redis-server {runs} runs in its place");
        }
        for (index, shard) in wanted.shards.iter().enumerate() {
            let Some(primary) = &shard.primary else { continue };
            let rdb: Option<&PathBuf> = rdbs.as_ref().and_then(|rdbs| rdbs.get(index));
            let start = match rdb {
                _ if again => Start::Again,
                Some(rdb) => Start::With(rdb),
                None => Start::Empty,
            };
            self.start_node(ground, primary, start)?;
            for replica in shard.nodes.iter().filter(|node| *node != primary) {
                self.start_replica(ground, replica, primary)?;
            }
        }
        self.settle(ground)?;
        if wanted.keys > 0 && rdbs.is_none() && !again {
            let primaries: Vec<_> = wanted.shards.iter().filter_map(|shard| Some(self.primary(shard)?.admin(ground))).collect();
            let replicas = wanted.shards.first().map_or(0, |shard| shard.nodes.len().saturating_sub(1));
            let slots: Vec<_> = (0..wanted.shards.len()).map(|shard| wanted.slots_of(shard)).collect();
            seed::fill(&primaries, &slots, replicas, wanted.keys)?;
        }
        Ok(())
    }

    /// Waits until replicas are in step and the cluster is whole, and lets the clients in.
    fn settle(&mut self, ground: &Ground) -> Result<(), FleetError> {
        for shard in &self.is.shards {
            self.in_step(ground, shard)?;
        }
        if self.is.cluster {
            self.whole(ground)?;
        }
        self.policies(ground);
        Ok(())
    }

    /// Waits until a shard's replicas have what its primary has.
    pub(super) fn in_step(&self, ground: &Ground, shard: &Shard) -> Result<(), FleetError> {
        let Some(primary) = &shard.primary else { return Ok(()) };
        for name in shard.nodes.iter().filter(|name| *name != primary) {
            self.node(name)?.admin(ground).synced()?;
        }
        self.node(primary)?.admin(ground).has_replicas(shard.nodes.len().saturating_sub(1))
    }

    /// Waits until every node of a cluster sees all of it.
    pub(super) fn whole(&self, ground: &Ground) -> Result<(), FleetError> {
        let names: Vec<&String> = self.is.shards.iter().filter(|shard| shard.primary.is_some()).flat_map(|shard| &shard.nodes).collect();
        for name in &names {
            let admin = self.node(name)?.admin(ground);
            admin.wait("a whole cluster", || {
                let text: String = admin.ask(&["CLUSTER", "INFO"])?;
                let known = format!("cluster_known_nodes:{}", names.len());
                let has = |line: &str| text.lines().any(|found| found.trim_end() == line);
                Ok(has("cluster_state:ok") && has(&known) && has("cluster_slots_ok:16384"))
            })?;
        }
        Ok(())
    }

    pub(super) fn node(&self, name: &str) -> Result<&Node, FleetError> {
        self.nodes.get(name).ok_or_else(|| FleetError::NoNode(name.to_owned()))
    }

    fn primary(&self, shard: &Shard) -> Option<&Node> {
        self.nodes.get(shard.primary.as_ref()?)
    }

    pub(super) fn start_node(&mut self, ground: &Ground, name: &str, start: Start<'_>) -> Result<(), FleetError> {
        let nodes = if self.is.cluster { Some(self.introduction(name)?) } else { None };
        self.start_knowing(ground, name, start, nodes.as_deref())
    }

    /// Starts a node that is told of its cluster in `nodes`.
    pub(super) fn start_knowing(&mut self, ground: &Ground, name: &str, start: Start<'_>, nodes: Option<&str>) -> Result<(), FleetError> {
        let node = self.nodes.get_mut(name).ok_or_else(|| FleetError::NoNode(name.to_owned()))?;
        node.start(ground, &self.is, start, nodes)?;
        // In cluster mode its fellows reach it through its endpoint, at once.
        self.policies(ground);
        Ok(())
    }

    /// Starts a replica with nothing in it; it is in step later.
    pub(super) fn start_replica(&mut self, ground: &Ground, name: &str, primary: &str) -> Result<(), FleetError> {
        self.start_node(ground, name, Start::Empty)?;
        if !self.is.cluster {
            self.follow_primary(ground, name, primary)?;
        }
        Ok(())
    }

    pub(super) fn follow_primary(&self, ground: &Ground, name: &str, primary: &str) -> Result<(), FleetError> {
        let at = self.node(primary)?.at();
        let (host, port) = (at.ip().to_string(), at.port().to_string());
        self.node(name)?.admin(ground).ask::<()>(&["REPLICAOF", &host, &port])
    }

    /// What a node of a new cluster is told.
    fn introduction(&self, name: &str) -> Result<String, FleetError> {
        let mut all = Vec::new();
        for (index, shard) in self.is.shards.iter().enumerate() {
            let primary = self.primary(shard).map(|node| node.id.clone());
            for name in &shard.nodes {
                let node = self.node(name)?;
                all.push(Known {
                    node,
                    shard: index,
                    slots: self.is.slots_of(index),
                    follows: primary.clone().filter(|primary| *primary != node.id),
                });
            }
        }
        Ok(cluster::introduce(self.node(name)?, &all, self.is.shards.len()))
    }

    /// Tells every endpoint where it leads and whom it lets in.
    pub(super) fn policies(&self, ground: &Ground) {
        let policy = Policy {
            targets: Vec::new(),
            transit: self.is.transit,
            application: self.is.application,
            answers: self.is.answers && self.is.up,
            anonymous: access::both(&self.is).then(|| ground.passwords.anonymous.clone()),
        };
        for node in self.nodes.values() {
            node.policy(&policy);
        }
        let running = |node: &&Node| node.runs();
        let primaries: Vec<_> = self.is.shards.iter().filter_map(|shard| self.primary(shard)).filter(running).map(Node::at).collect();
        let is_primary = |node: &&Node| self.is.shards.iter().any(|shard| shard.primary.as_ref() == Some(&node.name));
        let replicas: Vec<_> = self.nodes.values().filter(running).filter(|node| !is_primary(node)).map(Node::at).collect();
        for (name, endpoint) in &self.endpoints {
            let targets = if *name == addresses::primary(&self.name) || (*name == addresses::reader(&self.name) && replicas.is_empty()) {
                primaries.clone()
            } else if *name == addresses::reader(&self.name) {
                replicas.clone()
            } else {
                self.nodes.values().filter(running).map(Node::at).collect()
            };
            endpoint.set(Policy { targets, ..policy.clone() });
        }
    }

    /// Ends the processes, gives the addresses back and removes the files.
    pub fn remove(self, ground: &Ground) -> Result<(), FleetError> {
        for name in self.nodes.keys().chain(self.endpoints.keys()) {
            ground.addresses.forget(name);
        }
        for node in self.nodes.into_values() {
            node.remove()?;
        }
        Ok(())
    }

    /// What becomes of the connections of its clients.
    pub fn network(&self, network: Network) {
        self.nodes.values().map(|node| &node.endpoint).chain(self.endpoints.values()).for_each(|endpoint| endpoint.network(network));
    }

    pub fn forbid(&self, ground: &Ground, command: &str) -> Result<(), FleetError> {
        let rule = format!("-{command}");
        for node in self.nodes.values() {
            let _: redis::Value = node.admin(ground).ask(&["ACL", "SETUSER", "default", &rule])?;
        }
        Ok(())
    }

    pub fn pids(&self) -> Vec<u32> {
        self.nodes.values().filter_map(Node::pid).collect()
    }
}
