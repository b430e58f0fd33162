//! A connection to each node of a side.

use std::time::Duration;

use redis::Value;

use super::HoldError;
use super::clients::{Whose, clients, text};
use crate::migration::side::{Shard, Side};
use crate::migration::wire::{Endpoint, Link, Name, Role, WireError};

/// How long one small question may take: longer means that the node is ill.
pub(super) const ASKING: Duration = Duration::from_secs(5);

/// One node, and the connection that it is asked on.
#[derive(Clone)]
pub struct NodeLink {
    pub endpoint: Endpoint,
    pub link: Link,
    /// Which shard of the side it is in.
    pub shard: usize,
}

/// All nodes of a side: primaries and replicas.
#[derive(Clone)]
pub struct Nodes {
    pub primaries: Vec<NodeLink>,
    pub replicas: Vec<NodeLink>,
    pub shards: Vec<Shard>,
}

impl Nodes {
    /// Connects to all nodes, and fails where one is not in its role.
    pub async fn connect(side: &Side, name: &Name) -> Result<Nodes, HoldError> {
        let one = |endpoint: &Endpoint, shard: usize, role: Role| {
            let (endpoint, name) = (endpoint.clone(), name.clone());
            async move {
                let link = Link::connect(&endpoint, 0, &name, None).await?;
                if link.identity.role != role {
                    let why = match role {
                        Role::Primary => "it is no primary",
                        Role::Replica => "it is no replica",
                    };
                    return Err(HoldError::NotAsKnown { node: link.node().to_owned(), why: why.to_owned() });
                }
                Ok(NodeLink { endpoint, link, shard })
            }
        };
        let primaries = side.shards.iter().enumerate().map(|(number, shard)| one(&shard.primary, number, Role::Primary));
        let replicas = side.shards.iter().enumerate();
        let replicas = replicas.flat_map(|(number, shard)| shard.replicas.iter().map(move |replica| (number, replica)));
        let replicas = replicas.map(|(number, replica)| one(replica, number, Role::Replica));
        let (primaries, replicas) =
            futures::future::try_join(futures::future::try_join_all(primaries), futures::future::try_join_all(replicas)).await?;
        let nodes = Nodes { primaries, replicas, shards: side.shards.clone() };
        nodes.are_ours(name).await?;
        Ok(nodes)
    }

    /// Fails where a later life of this migration is at work on one of the nodes: then this one is over, and does nothing any more (rule 2).
    pub async fn are_ours(&self, name: &Name) -> Result<(), HoldError> {
        let asked = self.all().map(|node| async move {
            for client in clients(&node.link).await? {
                if let Whose::Later(epoch) = client.whose(name) {
                    return Err(HoldError::Superseded { epoch });
                }
            }
            Ok(())
        });
        futures::future::try_join_all(asked).await?;
        Ok(())
    }

    /// Connects to those that answer, in whatever role they are now, and names the others.
    pub async fn reach(side: &Side, name: &Name) -> Result<(Nodes, Vec<String>), HoldError> {
        let asked = side.nodes().into_iter().map(|node| {
            let name = name.clone();
            async move {
                let link = Link::connect(&node.endpoint, 0, &name, None).await;
                (node, link)
            }
        });
        let mut nodes = Nodes { primaries: Vec::new(), replicas: Vec::new(), shards: side.shards.clone() };
        let mut silent = Vec::new();
        for (node, link) in futures::future::join_all(asked).await {
            match link {
                Ok(link) => {
                    let part = if link.identity.role == Role::Primary { &mut nodes.primaries } else { &mut nodes.replicas };
                    part.push(NodeLink { endpoint: node.endpoint, link, shard: node.shard });
                }
                Err(_) => silent.push(format!("{}:{}", node.endpoint.host, node.endpoint.port)),
            }
        }
        nodes.are_ours(name).await?;
        Ok((nodes, silent))
    }

    /// Replicas, then primaries.
    pub fn all(&self) -> impl Iterator<Item = &NodeLink> {
        self.replicas.iter().chain(&self.primaries)
    }

    /// Connects again where a connection broke; fails where another node answers, or the same in another life or role.
    pub async fn mend(&mut self, name: &Name) -> Result<(), HoldError> {
        let mut mended = false;
        for node in self.primaries.iter_mut().chain(&mut self.replicas) {
            if !node.link.is_broken() {
                continue;
            }
            let again = Link::connect(&node.endpoint, 0, name, None).await?;
            if again.identity != node.link.identity {
                let why = "another process answers there, or the same in another role".to_owned();
                return Err(WireError::Changed { node: again.node().to_owned(), why }.into());
            }
            node.link = again;
            mended = true;
        }
        // It may have been ended by a later life.
        if mended { self.are_ours(name).await } else { Ok(()) }
    }

    /// Fails where a node is another one than when the connections were made, or in another role, or its cluster in another epoch (rules 1 and 11).
    pub async fn are_still(&self) -> Result<(), WireError> {
        futures::future::try_join_all(self.all().map(|node| node.link.is_still())).await?;
        Ok(())
    }

    /// Fails where a slot is on its way from or to one of the nodes (rule 11).
    pub async fn no_slot_migrates(&self) -> Result<(), HoldError> {
        for node in self.primaries.iter().filter(|node| node.link.identity.cluster_epoch.is_some()) {
            if let Some(slot) = migrating_slots(&node.link).await?.first() {
                return Err(HoldError::Migrating { node: node.link.node().to_owned(), slot: *slot });
            }
        }
        Ok(())
    }
}

/// The slots that are on their way from or to this node: its own line of CLUSTER NODES ends with `[93-<-id]` or `[93->-id]` for each.
pub async fn migrating_slots(link: &Link) -> Result<Vec<u16>, WireError> {
    let answer = link.ask(redis::cmd("CLUSTER").arg("NODES"), ASKING).await?;
    let nodes = text(&answer).ok_or_else(|| link.strange("CLUSTER NODES"))?;
    Ok(slots_under_way(&nodes))
}

fn slots_under_way(nodes: &str) -> Vec<u16> {
    let own = nodes.lines().filter(|line| line.split(' ').nth(2).is_some_and(|flags| flags.contains("myself")));
    own.flat_map(|line| line.split(' ').filter_map(|word| word.strip_prefix('[')?.split('-').next()?.parse().ok())).collect()
}

/// `7.0.15` as numbers; what cannot be read is 0.
pub fn version_of(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// Whole seconds, at least one.
pub(super) fn seconds(length: Duration) -> u64 {
    length.as_secs().max(1)
}

/// Whether an answer says OK.
pub(super) fn is_ok(value: &Value) -> bool {
    matches!(value, Value::Okay) || matches!(value, Value::SimpleString(text) if text == "OK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_under_way_are_those_of_the_node_itself() {
        let nodes = "aa 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-92 94-5460 [93->-bb] [94-<-bb]\n\
            bb 127.0.0.1:3@4 master - 0 0 2 connected 5461-16383 [7-<-aa]\n";
        assert_eq!(slots_under_way(nodes), [93, 94]);
        assert_eq!(slots_under_way("aa 127.0.0.1:1@2 myself,slave bb 0 0 1 connected\n"), [0u16; 0]);
        assert_eq!(version_of("7.0.15"), (7, 0, 15));
        assert!(version_of("6.2.6") >= (6, 2, 0) && version_of("6.0.20") < (6, 2, 0) && version_of("x") == (0, 0, 0));
    }
}
