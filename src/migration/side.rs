//! The two sides of a migration: which nodes each has, and which keys are whose.

use secrecy::SecretString;

use super::slot;
use super::wire::{Endpoint, Role};

/// A node of a side.
#[derive(Clone, Debug)]
pub struct Node {
    pub endpoint: Endpoint,
    /// The place of its shard in [`Side::shards`].
    pub shard: usize,
    /// What it is meant to be; what it is says [`super::wire::Identity`].
    pub role: Role,
}

/// A primary with its replicas, and the keys that they hold.
#[derive(Clone, Debug)]
pub struct Shard {
    pub primary: Endpoint,
    pub replicas: Vec<Endpoint>,
    /// The hash slots, both ends included. Empty: cluster mode is off, and it holds all keys.
    pub slots: Vec<(u16, u16)>,
}

/// A replication group, as it is spoken to.
#[derive(Clone, Debug)]
pub struct Side {
    /// At least one. Several: cluster mode is on.
    pub shards: Vec<Shard>,
    /// How many databases its nodes have: 16, where nobody set another number; 1 in cluster mode.
    pub databases: u32,
}

impl Shard {
    /// Whether the slot is one of its own.
    pub fn holds(&self, slot: u16) -> bool {
        self.slots.is_empty() || self.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }
}

impl Side {
    /// Whether cluster mode is on.
    pub fn is_cluster(&self) -> bool {
        self.shards.iter().any(|shard| !shard.slots.is_empty())
    }

    /// The place of the shard that has this key; nothing where no shard serves its slot.
    pub fn shard_of(&self, key: &[u8]) -> Option<usize> {
        if !self.is_cluster() {
            return (!self.shards.is_empty()).then_some(0);
        }
        let slot = slot::of(key);
        self.shards.iter().position(|shard| shard.holds(slot))
    }

    /// The same, to log in to with this token.
    pub fn with_token(mut self, token: Option<&SecretString>) -> Side {
        let nodes = self.shards.iter_mut().flat_map(|shard| std::iter::once(&mut shard.primary).chain(&mut shard.replicas));
        nodes.for_each(|node| node.login.token = token.cloned());
        self
    }

    /// All nodes, a shard's primary before its replicas.
    pub fn nodes(&self) -> Vec<Node> {
        let nodes = self.shards.iter().enumerate().flat_map(|(place, shard)| {
            let node = move |endpoint: &Endpoint, role| Node { endpoint: endpoint.clone(), shard: place, role };
            let primary = node(&shard.primary, Role::Primary);
            std::iter::once(primary).chain(shard.replicas.iter().map(move |replica| node(replica, Role::Replica)))
        });
        nodes.collect()
    }
}

/// Which rules of the protocol are followed: all of them. A test can leave one out, to show what it is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    #[cfg(test)]
    without: u32,
}

impl Rules {
    pub const ALL: Rules = Rules {
        #[cfg(test)]
        without: 0,
    };

    /// All but this one.
    #[cfg(test)]
    pub fn without(rule: u8) -> Rules {
        Rules { without: 1 << rule }
    }

    /// And this one neither.
    #[cfg(test)]
    pub fn nor(self, rule: u8) -> Rules {
        Rules { without: self.without | 1 << rule }
    }

    #[cfg(test)]
    pub fn follows(self, rule: u8) -> bool {
        self.without & (1 << rule) == 0
    }

    #[cfg(not(test))]
    pub const fn follows(self, _rule: u8) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::wire::Login;

    fn shard(port: u16, slots: &[(u16, u16)]) -> Shard {
        let endpoint = |port| Endpoint { host: "127.0.0.1".to_owned(), port, login: Login::default() };
        Shard { primary: endpoint(port), replicas: vec![endpoint(port + 100)], slots: slots.to_vec() }
    }

    #[test]
    fn a_key_is_on_the_shard_that_serves_its_slot() {
        // CLUSTER KEYSLOT foo: 12182; CLUSTER KEYSLOT a: 15495.
        let side = Side { shards: vec![shard(1, &[(0, 12181), (16000, 16383)]), shard(2, &[(12182, 15000)])], databases: 1 };
        assert_eq!((side.shard_of(b"foo"), side.shard_of(b"a")), (Some(1), None));
        let alone = Side { shards: vec![shard(1, &[])], databases: 16 };
        assert_eq!((alone.is_cluster(), alone.shard_of(b"foo")), (false, Some(0)));
        for side in [&side, &alone] {
            let routes = slot::Routes::of(side);
            assert!((0..1000).map(|key| format!("key:{key}")).all(|key| routes.shard_of(key.as_bytes()) == side.shard_of(key.as_bytes())));
        }
        let nodes = side.nodes();
        assert_eq!(
            nodes.iter().map(|node| (node.endpoint.port, node.shard, node.role)).collect::<Vec<_>>(),
            [(1, 0, Role::Primary), (101, 0, Role::Replica), (2, 1, Role::Primary), (102, 1, Role::Replica)]
        );
    }

    #[test]
    fn a_rule_is_left_out_alone() {
        assert!((1..=20).all(|rule| Rules::ALL.follows(rule)));
        assert!((1..=20).all(|rule| Rules::without(4).follows(rule) == (rule != 4)));
    }
}
