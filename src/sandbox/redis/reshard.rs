//! Slots that go to another shard while the cluster serves.

use super::access::ADMIN;
use super::error::FleetError;
use super::fleet::Ground;
use super::group::Running;
use super::node::Node;
use super::wanted::Group;

/// Keys that go at once.
const BATCH: &str = "100";

impl Running {
    /// Moves each slot to the shard that it is wanted in, with its keys.
    pub(super) fn reshard(&self, ground: &Ground, was: &Group) -> Result<(), FleetError> {
        if !self.is.cluster || was.slots == self.is.slots || was.shards.len() != self.is.shards.len() {
            return Ok(());
        }
        for (to, _) in self.is.shards.iter().enumerate() {
            for slot in self.is.slots_of(to).into_iter().flat_map(|(first, last)| first..=last) {
                let holds = |shard: &usize| was.slots_of(*shard).iter().any(|(first, last)| (*first..=*last).contains(&slot));
                if let Some(from) = (0..was.shards.len()).find(holds).filter(|from| *from != to) {
                    self.move_slot(ground, &slot.to_string(), self.primary_of(from)?, self.primary_of(to)?)?;
                }
            }
        }
        Ok(())
    }

    fn primary_of(&self, shard: usize) -> Result<&Node, FleetError> {
        let primary = self.is.shards.get(shard).and_then(|shard| shard.primary.as_ref());
        self.node(primary.ok_or_else(|| FleetError::NoNode(format!("the primary of shard {}", shard + 1)))?)
    }

    fn move_slot(&self, ground: &Ground, slot: &str, from: &Node, to: &Node) -> Result<(), FleetError> {
        let (source, target) = (from.admin(ground), to.admin(ground));
        target.ask::<()>(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &from.id])?;
        source.ask::<()>(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &to.id])?;
        let (host, port) = (to.at().ip().to_string(), to.at().port().to_string());
        loop {
            let keys: Vec<String> = source.ask(&["CLUSTER", "GETKEYSINSLOT", slot, BATCH])?;
            if keys.is_empty() {
                break;
            }
            let head = ["MIGRATE", &host, &port, "", "0", "5000", "AUTH2", ADMIN, &ground.passwords.admin, "KEYS"];
            let words: Vec<&str> = head.into_iter().chain(keys.iter().map(String::as_str)).collect();
            source.ask::<()>(&words)?;
        }
        // First who has it now, so that nobody is sent to where it is not any more.
        target.ask::<()>(&["CLUSTER", "SETSLOT", slot, "NODE", &to.id])?;
        source.ask::<()>(&["CLUSTER", "SETSLOT", slot, "NODE", &to.id])
    }
}
