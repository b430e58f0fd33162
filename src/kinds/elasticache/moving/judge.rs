//! What of a preflight stands in the way of a move, and what a person is told of it. Pure.

use std::time::Duration;

use super::FREEZE_BUDGET;
use super::figures::{amount, assumed, forecast, length, size};
use super::plan::Plan;
use super::preflight::{Preflight, Probed};
use super::seen::Source;
use crate::kinds::{Fact, Reason, Unreadable};
use crate::migration::hold::{Facts, Forecast, version_of};

/// What to do where no node could be asked.
pub const UNREACHED: &str = "run holdfast where the nodes can be reached, and let the security group admit that";
/// How many manual snapshots AWS takes of a node within a day. [AWS documentation, "Backup constraints"]
const SNAPSHOTS: usize = 20;
/// What AWS recommends to keep free for a snapshot. [AWS documentation, "Managing reserved memory"]
const RESERVED_PERCENT: u64 = 25;

impl Plan<'_> {
    /// Whether nothing stands in the way that was found before the move; what does is said, all of it at once.
    pub fn is_clear(&mut self, source: &Source) -> bool {
        let before = self.blocks();
        let Some(preflight) = self.moving.preflight.clone() else {
            self.block(
                Reason::Unreadable,
                "it was not looked at what stands in the way of the move".to_owned(),
                "run again when AWS shows the group as it is declared".to_owned(),
            );
            return false;
        };
        self.on_aws(source, &preflight);
        match &preflight.nodes {
            Fact::Present(probed) => self.on_nodes(source, probed),
            Fact::Unknown(why) => self.block(
                Reason::Unreadable,
                format!("what the nodes of {} allow: {}: {}", self.names.source, why.call, why.message),
                format!("allow {} to the role that holdfast runs as, where it only looks too; or mend what the message says", why.action()),
            ),
            Fact::Absent => {}
        }
        self.blocks() == before
    }

    fn on_aws(&mut self, source: &Source, preflight: &Preflight) {
        let subnet_group = &source.settings.subnet_group;
        match &preflight.subnets {
            Fact::Unknown(why) => self.unread(why, &format!("the subnet group {subnet_group}")),
            // A group without one is said where the new group is thought of.
            Fact::Absent if !subnet_group.is_empty() => self.block(
                Reason::NotSupported,
                format!("the subnet group {subnet_group}, which the new group would be made in, is not there or has no subnets"),
                "make it again with subnets of the group's VPC".to_owned(),
            ),
            _ => {}
        }
        self.on_key(&preflight.grants);
        match &preflight.taken {
            Fact::Unknown(why) => self.unread(why, "how many snapshots were taken within a day"),
            Fact::Present(taken) if *taken >= SNAPSHOTS => self.block(
                Reason::NotSupported,
                format!(
                    "{taken} snapshots of {} were taken by hand within a day, and AWS takes no more than {SNAPSHOTS}",
                    self.names.source
                ),
                "wait until the oldest is a day old".to_owned(),
            ),
            _ => {}
        }
        match &preflight.reserved {
            Fact::Unknown(why) => self.unread(why, &format!("the parameter group {}", source.settings.parameter_group)),
            Fact::Present(percent) if *percent < RESERVED_PERCENT => self.note(format!(
                "reserved-memory-percent is {percent}, and AWS recommends {RESERVED_PERCENT}: a snapshot needs memory beside the data, and may fail for lack of it"
            )),
            _ => {}
        }
    }

    fn on_key(&mut self, grants: &Fact<bool>) {
        let words = self.planning.seen.key.present().map(|key| key.words.clone()).unwrap_or_default();
        match grants {
            Fact::Present(false) => self.block(
                Reason::InvalidWish,
                format!("the policy of the KMS key {words} lets nobody of this account make grants of it, and ElastiCache needs one to encrypt a group"),
                "allow kms:CreateGrant there, to the account's root or to the role that holdfast runs as; or declare another key".to_owned(),
            ),
            Fact::Unknown(why) => self.note(format!(
                "whether the policy of the KMS key {words} allows grants could not be read: {}: {}; where it does not, the new group does not come up, and the old one is untouched",
                why.call, why.message
            )),
            Fact::Present(true) | Fact::Absent => {}
        }
    }

    fn on_nodes(&mut self, source: &Source, probed: &Probed) {
        for finding in &probed.findings {
            let (what, todo) = (finding.what.clone(), finding.what_to_do.clone());
            match (finding.blocks, finding.unread) {
                (true, true) => self.block(Reason::Unreadable, what, todo),
                (true, false) => self.block(Reason::NotSupported, what, todo),
                (false, _) => self.note(format!("{what}: {todo}")),
            }
        }
        for node in probed.facts.primaries() {
            if node.scripts > 0 && version_of(&node.version) < (7, 0, 0) {
                self.note(format!(
                    "{} runs {}, which holds every script with the writes, those that only read too",
                    node.node, node.version
                ));
            }
            if !node.modules.is_empty() {
                self.note(format!(
                    "{} has modules ({}): keys of their types are copied where the new group's engine, of the same version, has them too",
                    node.node,
                    node.modules.join(", ")
                ));
            }
        }
        // Of a group that was not read whole a sum would say too little.
        if probed.facts.primaries().count() > 0 && !probed.findings.iter().any(|finding| finding.unread) {
            self.forecast(source, &probed.facts);
        }
    }

    fn forecast(&mut self, source: &Source, facts: &Facts) {
        let budget = self.migration.budget().unwrap_or(FREEZE_BUDGET);
        let cutover = self.migration.cutover.clone().unwrap_or_default();
        let of = forecast(facts, &cutover);
        let assumed = assumed(&cutover);
        let shards = u64::try_from(source.settings.slots.len()).unwrap_or_default().max(1);
        let nodes = shards * (u64::from(source.settings.replicas) + 1);
        let cost = cost(nodes, &source.settings.node_type, of.copy.map(|copy| self.kept() + copy));
        self.note(words(facts, &of, assumed, budget, &cost));
        if of.copy.is_none() {
            self.block(
                Reason::NotSupported,
                format!("writes come faster than they can be copied ({}): the copy would come to no end", writes(facts)),
                "lower the rate of writes for the time of the move, or add shards first".to_owned(),
            );
        }
        if of.outage > budget {
            self.block(
                Reason::InvalidWish,
                format!(
                    "writes would wait about {}, and freezeBudget is {}",
                    length(of.outage.as_secs_f64()),
                    length(budget.as_secs_f64())
                ),
                "raise migration.freezeBudget, lower the rate of writes, or have fewer consumers to restart".to_owned(),
            );
        }
    }

    fn unread(&mut self, why: &Unreadable, what: &str) {
        self.block(Reason::Unreadable, format!("{what}: {}: {}", why.call, why.message), why.what_to_do());
    }
}

fn writes(facts: &Facts) -> String {
    let changes = facts.measured(1.0, Duration::ZERO).changes;
    format!("{} writes/s", amount(changes.round().clamp(0.0, 1e18) as u64))
}

/// What the second group costs: the nodes' hours, for the copy and for as long as the old one is kept. What an hour costs AWS knows.
fn cost(nodes: u64, node_type: &str, length: Option<Duration>) -> String {
    let Some(length) = length else { return format!("{nodes} x {node_type} more for as long as both are kept") };
    let minutes = (length.as_secs() + 30) / 60;
    let words = match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    };
    let hours = minutes.saturating_mul(nodes).div_ceil(60);
    format!("{nodes} x {node_type} more for {words}: {hours} node-hours")
}

/// The forecast in one line: what is measured, what is assumed, what it costs.
fn words(facts: &Facts, of: &Forecast, (aws, consumers): (Duration, Duration), budget: Duration, cost: &str) -> String {
    let seconds = |length: Duration| self::length(length.as_secs_f64());
    let copy = of.copy.map_or_else(|| "copy without end".to_owned(), |copy| format!("copy {}", seconds(copy)));
    let measured = facts.measured(1.0, Duration::ZERO);
    let restart = match consumers.is_zero() {
        true => String::new(),
        false => format!(" and {} for consumers to restart", seconds(consumers)),
    };
    format!(
        "forecast: {copy} ({} keys, {}, {}), writes wait {} (settle {}; {} for AWS{restart} are assumed); budget {}; {cost}; whether the quota of nodes has room for them AWS alone knows: where it refuses, the old group is untouched",
        amount(measured.keys),
        size(measured.bytes),
        writes(facts),
        seconds(of.outage),
        seconds(of.settle),
        seconds(aws),
        seconds(budget),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::hold::NodeFacts;

    fn facts(keys: u64, changes: f64) -> Facts {
        let node = NodeFacts {
            node: "a:1".to_owned(),
            shard: 0,
            primary: true,
            version: "7.0.15".to_owned(),
            run_id: "x".to_owned(),
            cluster_epoch: None,
            used_memory: 500_000_000,
            dataset: 412_000_000,
            maxmemory: 0,
            eviction: "noeviction".to_owned(),
            evicted_keys: 0,
            keys: std::collections::BTreeMap::from([(0, keys)]),
            changes,
            round_trip: Duration::from_micros(500),
            clock_ahead_ms: 0,
            tracking: true,
            functions: 0,
            scripts: 0,
            modules: Vec::new(),
            payload_version: Some(10),
        };
        Facts { nodes: vec![node], databases: 16, cluster: false }
    }

    #[test]
    fn the_forecast_says_what_is_measured_and_what_is_assumed() {
        let facts = facts(2_100_000, 5000.0);
        let parts = (Duration::from_secs(20), Duration::from_secs(60));
        let of =
            Forecast { copy: Some(Duration::from_secs(360)), settle: Duration::from_millis(400), outage: Duration::from_millis(81_400) };
        assert_eq!(
            words(&facts, &of, parts, Duration::from_secs(240), &cost(3, "cache.r6g.large", Some(Duration::from_secs(24 * 3600 + 360)))),
            "forecast: copy 6 min (2.1 M keys, 412 MB, 5000 writes/s), writes wait 81 s (settle 0.4 s; 20 s for AWS and 60 s for consumers to restart \
             are assumed); budget 4 min; 3 x cache.r6g.large more for 24 h 6 min: 73 node-hours; whether the quota of nodes has room for them AWS alone \
             knows: where it refuses, the old group is untouched"
        );
        let endless = words(&facts, &Forecast { copy: None, ..of }, (parts.0, Duration::ZERO), Duration::from_secs(90), "no cost");
        assert_eq!(
            cost(2, "cache.t3.medium", Some(Duration::from_secs(24 * 3600 + 240))),
            "2 x cache.t3.medium more for 24 h 4 min: 49 node-hours"
        );
        assert_eq!(
            cost(2, "cache.t3.medium", Some(Duration::from_millis(24 * 3_600_000 + 200))),
            "2 x cache.t3.medium more for 24 h: 48 node-hours"
        );
        assert_eq!(cost(2, "x", None), "2 x x more for as long as both are kept");
        assert!(
            endless.starts_with("forecast: copy without end (") && endless.contains("20 s for AWS are assumed); budget 90 s"),
            "{endless}"
        );
    }
}
