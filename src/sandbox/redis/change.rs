//! How a group that runs becomes another: settings, tokens, roles, nodes, versions.

use super::access;
use super::admin::Admin;
use super::cluster;
use super::error::FleetError;
use super::fleet::Ground;
use super::group::Running;
use super::node::{Node, Start};
use super::wanted::{Group, Shard};

impl Running {
    /// Becomes what is wanted.
    pub fn follow(&mut self, ground: &Ground, wanted: &Group) -> Result<(), FleetError> {
        if !wanted.up {
            return Ok(());
        }
        if !self.is.up {
            return self.start(ground, wanted);
        }
        let was = std::mem::replace(&mut self.is, wanted.clone());
        let program = |group: &Group| ground.programs.nearest(group.version).cloned();
        // A closed door is closed before anything else.
        self.policies(ground);
        self.remove_nodes(ground, &was)?;
        for (before, after) in was.shards.iter().zip(&wanted.shards) {
            if before.primary != after.primary {
                self.fail_over(ground, before, after)?;
            }
        }
        if program(&was) != program(wanted) {
            self.replace_programs(ground)?;
        }
        self.add_nodes(ground, &was)?;
        self.reshard(ground, &was)?;
        for name in wanted.rebooting.difference(&was.rebooting) {
            self.restart(ground, name)?;
        }
        if (&was.tokens, was.passwordless) != (&wanted.tokens, wanted.passwordless) {
            self.let_in(ground)?;
        }
        self.apply_settings(ground, &was)?;
        self.policies(ground);
        Ok(())
    }

    fn admins(&self, ground: &Ground) -> Vec<Admin> {
        self.nodes.values().filter(|node| node.runs()).map(|node| node.admin(ground)).collect()
    }

    /// Gives every node the users of now. Who is connected stays connected.
    fn let_in(&self, ground: &Ground) -> Result<(), FleetError> {
        let major = ground.programs.nearest(self.is.version).map_or(0, |program| program.version[0]);
        for admin in self.admins(ground) {
            for (user, rules) in access::users(&self.is, &ground.passwords, major) {
                let words: Vec<&str> = ["ACL", "SETUSER", user].into_iter().chain(rules.iter().map(String::as_str)).collect();
                admin.ask::<()>(&words)?;
            }
        }
        Ok(())
    }

    fn apply_settings(&self, ground: &Ground, was: &Group) -> Result<(), FleetError> {
        let mut changed: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.is.settings {
            if was.settings.get(name) != Some(value) {
                changed.push((name.clone(), value.clone()));
            }
        }
        if was.maxmemory != self.is.maxmemory {
            changed.push(("maxmemory".to_owned(), self.is.maxmemory.to_string()));
        }
        if !changed.is_empty() {
            for admin in self.admins(ground) {
                admin.set(changed.clone())?;
            }
        }
        Ok(())
    }

    /// The primary of a shard goes down, a replica takes over, and a new node comes in the old one's place. What the old one had not sent is lost.
    fn fail_over(&mut self, ground: &Ground, before: &Shard, after: &Shard) -> Result<(), FleetError> {
        let gone =
            before.primary.clone().or_else(|| after.nodes.iter().find(|name| self.nodes.get(*name).is_some_and(|n| !n.runs())).cloned());
        if let Some(node) = gone.as_ref().and_then(|name| self.nodes.get_mut(name)) {
            node.stop();
        }
        self.policies(ground);
        let Some(next) = &after.primary else { return Ok(()) };
        match self.node(next)? {
            node if node.runs() => {}
            // An earlier life ended between the two: what the replica had is here.
            node if ground.lasting && node.left() => self.start_node(ground, next, Start::Again)?,
            _ => return Err(FleetError::NoNode(next.clone())),
        }
        let admin = self.node(next)?.admin(ground);
        if self.is.cluster {
            admin.ask::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"])?;
        } else {
            admin.ask::<()>(&["REPLICAOF", "NO", "ONE"])?;
        }
        self.policies(ground);
        for name in after.nodes.iter().filter(|name| *name != next) {
            if self.node(name)?.runs() {
                // In cluster mode they follow by themselves.
                if !self.is.cluster {
                    self.follow_primary(ground, name, next)?;
                }
            } else if self.is.cluster {
                self.come_back(ground, name, next)?;
            } else {
                self.start_replica(ground, name, next)?;
            }
        }
        self.in_step(ground, after)
    }

    /// Starts a node of a cluster anew, empty, as a replica of `primary`.
    fn come_back(&mut self, ground: &Ground, name: &str, primary: &str) -> Result<(), FleetError> {
        let said: String = self.node(primary)?.admin(ground).ask(&["CLUSTER", "NODES"])?;
        let (id, primary_id) = (self.node(name)?.id.clone(), self.node(primary)?.id.clone());
        let nodes = cluster::as_replica(&id, &primary_id, &said).ok_or_else(|| FleetError::NoNode(name.to_owned()))?;
        self.start_knowing(ground, name, Start::Empty, Some(&nodes))
    }

    fn remove_nodes(&mut self, ground: &Ground, was: &Group) -> Result<(), FleetError> {
        let kept: Vec<String> = self.is.shards.iter().flat_map(|shard| shard.nodes.clone()).collect();
        for name in was.shards.iter().flat_map(|shard| &shard.nodes).filter(|name| !kept.contains(name)) {
            if let Some(node) = self.nodes.remove(name) {
                let id = node.id.clone();
                node.remove()?;
                ground.addresses.forget(name);
                if self.is.cluster {
                    for admin in self.admins(ground) {
                        admin.ask::<()>(&["CLUSTER", "FORGET", &id])?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add_nodes(&mut self, ground: &Ground, was: &Group) -> Result<(), FleetError> {
        let had: Vec<&String> = was.shards.iter().flat_map(|shard| &shard.nodes).collect();
        for shard in self.is.shards.clone() {
            let Some(primary) = &shard.primary else { continue };
            for name in shard.nodes.iter().filter(|name| !had.contains(name)) {
                self.nodes.insert(name.clone(), Node::open(ground, name, self.is.port)?);
                if self.is.cluster {
                    self.join(ground, name, primary)?;
                } else {
                    self.start_replica(ground, name, primary)?;
                }
            }
            self.in_step(ground, &shard)?;
        }
        // Also the other shards must know who is new, or they could not forget it.
        if self.is.cluster && self.nodes.len() > had.len() { self.whole(ground) } else { Ok(()) }
    }

    /// Brings a new node into a cluster that runs, as a replica of `primary`.
    fn join(&mut self, ground: &Ground, name: &str, primary: &str) -> Result<(), FleetError> {
        self.start_knowing(ground, name, Start::Empty, None)?;
        let other = self.node(primary)?;
        let (ip, port, bus) = (other.ip.to_string(), other.endpoint.at.port().to_string(), other.bus().to_string());
        let primary_id = other.id.clone();
        let admin = self.node(name)?.admin(ground);
        let id: String = admin.ask(&["CLUSTER", "MYID"])?;
        if let Some(node) = self.nodes.get_mut(name) {
            node.id = id;
        }
        admin.ask::<()>(&["CLUSTER", "MEET", &ip, &port, &bus])?;
        admin.wait("to know its primary", || {
            let said: String = admin.ask(&["CLUSTER", "NODES"])?;
            Ok(said.lines().any(|line| line.starts_with(&primary_id) && !line.contains("handshake")))
        })?;
        admin.ask::<()>(&["CLUSTER", "REPLICATE", &primary_id])
    }

    /// A node restarts with what it held.
    fn restart(&mut self, ground: &Ground, name: &str) -> Result<(), FleetError> {
        let Some(shard) = self.is.shards.iter().find(|shard| shard.nodes.iter().any(|node| node == name)).cloned() else { return Ok(()) };
        match &shard.primary {
            Some(primary) if primary != name && self.is.cluster => self.come_back(ground, name, primary)?,
            Some(primary) if primary != name => self.start_replica(ground, name, primary)?,
            _ => self.restart_primary(ground, name)?,
        }
        self.in_step(ground, &shard)
    }

    /// A primary restarts with what it held; nothing is written meanwhile.
    fn restart_primary(&mut self, ground: &Ground, name: &str) -> Result<(), FleetError> {
        let node = self.node(name)?;
        node.admin(ground).ask::<()>(&["CLIENT", "PAUSE", "60000", "WRITE"])?;
        let rdb = node.save(ground)?;
        // Beside its folder, which is emptied.
        let kept = ground.folder.join(format!("{name}.rdb"));
        std::fs::rename(&rdb, &kept)?;
        let nodes = match self.is.cluster {
            true => Some(std::fs::read_to_string(node.folder().join(cluster::NODES))?),
            false => None,
        };
        self.start_knowing(ground, name, Start::With(&kept), nodes.as_deref())?;
        Ok(std::fs::remove_file(&kept)?)
    }

    /// Another program runs every node: a change of version. The primary first, whose data the new program reads.
    fn replace_programs(&mut self, ground: &Ground) -> Result<(), FleetError> {
        for shard in self.is.shards.clone() {
            let Some(primary) = &shard.primary else { continue };
            self.restart_primary(ground, primary)?;
            for name in shard.nodes.iter().filter(|name| *name != primary) {
                if self.is.cluster {
                    self.come_back(ground, name, primary)?;
                } else {
                    self.start_replica(ground, name, primary)?;
                }
            }
            self.in_step(ground, &shard)?;
        }
        Ok(())
    }

    /// A node's process ends as by a crash, and stays down.
    pub fn crash(&mut self, ground: &Ground, name: &str) -> Result<(), FleetError> {
        self.nodes.get_mut(name).ok_or_else(|| FleetError::NoNode(name.to_owned()))?.stop();
        self.policies(ground);
        Ok(())
    }

    /// A node is replaced by an empty one in the same role, before anybody takes over: the danger that comes with nodes that restart by themselves.
    pub fn replace(&mut self, ground: &Ground, name: &str) -> Result<(), FleetError> {
        let Some(shard) = self.is.shards.iter().find(|shard| shard.nodes.iter().any(|node| node == name)).cloned() else {
            return Err(FleetError::NoNode(name.to_owned()));
        };
        match &shard.primary {
            Some(primary) if primary != name && self.is.cluster => self.come_back(ground, name, primary),
            Some(primary) if primary != name => self.start_replica(ground, name, primary),
            _ if self.is.cluster => {
                let nodes = std::fs::read_to_string(self.node(name)?.folder().join(cluster::NODES))?;
                self.start_knowing(ground, name, Start::Empty, Some(&nodes))
            }
            _ => self.start_knowing(ground, name, Start::Empty, None),
        }
    }
}
