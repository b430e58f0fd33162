//! Tags, and the settings that are changed while everything runs, several in one request.

use std::collections::BTreeMap;

use super::{Context, SETTINGS, names};
use crate::kinds::elasticache::op::Op;
use crate::kinds::elasticache::{version, window};
use crate::kinds::{Drift, Impact, Reason, Step, few};

/// Settings that touch no node: in force as soon as AWS takes them, whatever ApplyImmediately says. [AWS documentation, ModifyReplicationGroup]
const UNTOUCHING: [&str; 5] =
    ["snapshotRetentionDays", "snapshotWindow", "maintenanceWindow", "notificationTopicArn", "autoMinorVersionUpgrade"];
/// Settings that are carried out on the nodes.
const TOUCHING: [&str; 4] = ["automaticFailover", "multiAz", "logDelivery.slowLog", "logDelivery.engineLog"];

impl Context<'_> {
    pub(super) fn tags(&mut self) {
        let drifts = self.below("tags");
        // What it has is not known: what is declared is set, and found done where it is so already.
        let unknown = self.planning.seen.busy().is_some();
        let first = (unknown && !drifts.is_empty()).then(|| self.wait(names(&drifts)));
        let back = |gone: bool| match unknown {
            true => "set them back to what they were, which can be read when the group is available".to_owned(),
            false => self.tags_back(drifts.iter().copied().filter(|drift| drift.declared.is_null() == gone)),
        };
        let (set_back, gone_back) = (back(false), back(true));
        let mut set = BTreeMap::new();
        let mut gone = Vec::new();
        for drift in drifts {
            let Some(key) = drift.field.strip_prefix("tags.") else { continue };
            match drift.declared.as_str() {
                Some(value) => {
                    set.insert(key.to_owned(), value.to_owned());
                }
                None => gone.push(key.to_owned()),
            }
        }
        let fields = |keys: &mut dyn Iterator<Item = &String>| keys.map(|key| format!("tags.{key}")).collect::<Vec<_>>();
        let (id, arn) = (self.id(), self.group.arn.clone());
        if !set.is_empty() {
            let fields = fields(&mut set.keys());
            let step = Step::online(format!("Tag {id}"), Op::Tag { arn: arn.clone(), tags: set }, fields);
            self.plan.push(step.back(set_back).within(SETTINGS).after(first));
        }
        if !gone.is_empty() {
            let fields = fields(&mut gone.iter());
            let step = Step::online(format!("Remove tags from {id}"), Op::Untag { arn, keys: gone }, fields);
            self.plan.push(step.back(gone_back).within(SETTINGS).after(first));
        }
    }

    pub(super) fn settings(&mut self) {
        let untouching = UNTOUCHING.iter().filter_map(|field| self.drift(field));
        let (untouching, clashing): (Vec<&Drift>, Vec<&Drift>) = untouching.partition(|drift| self.impossible(drift).is_none());
        let touching = TOUCHING.iter().filter_map(|field| self.drift(field)).filter(|drift| !self.comes_with_version(drift));
        let (touching, impossible): (Vec<&Drift>, Vec<&Drift>) = touching.partition(|drift| self.impossible(drift).is_none());
        for drift in clashing.into_iter().chain(impossible) {
            self.block_impossible(drift);
        }
        let waiting = self.waiting();
        // What takes a protection off is not done along with what nobody notices.
        let weaker = |drift: &&Drift| drift.impact > Impact::Online;
        let (weaker_untouching, untouching): (Vec<&Drift>, Vec<&Drift>) = untouching.into_iter().partition(weaker);
        let (weaker_touching, touching): (Vec<&Drift>, Vec<&Drift>) = touching.into_iter().partition(weaker);
        for (untouching, touching) in [(untouching, touching), (weaker_untouching, weaker_touching)] {
            if waiting.is_empty() {
                self.change(untouching.into_iter().chain(touching).collect(), true, &waiting);
            } else {
                // An immediate change would carry out what waits, too: what can be had without does not ask for that.
                self.change(untouching, false, &waiting);
                self.change(touching, true, &waiting);
            }
        }
    }

    /// Turns on what the version brings that the step `upgraded` makes of the engine's.
    pub(super) fn settings_of_version(&mut self, upgraded: Option<usize>) {
        let drifts: Vec<&Drift> =
            TOUCHING.iter().filter_map(|field| self.drift(field)).filter(|drift| self.comes_with_version(drift)).collect();
        let Some(upgraded) = upgraded else { return drifts.into_iter().for_each(|drift| self.block_impossible(drift)) };
        let waiting = self.waiting();
        if let Some(step) = self.change(drifts, true, &waiting).and_then(|place| self.plan.steps.get_mut(place)) {
            step.after.push(upgraded);
        }
    }

    /// Whether the engine is too old for it and the declared version is not.
    fn comes_with_version(&self, drift: &Drift) -> bool {
        let (Some(members), Some(version)) = (self.members(), self.drift("engineVersion")) else { return false };
        let declared = version.declared.as_str().unwrap_or_default();
        let least = match drift.field.as_str() {
            "logDelivery.slowLog" => version::SLOW_LOG,
            "logDelivery.engineLog" => version::ENGINE_LOG,
            _ => return false,
        };
        gave_up(drift).is_none() && !version::reaches(&members.version, least) && version::newest_reaches(declared, least)
    }

    /// Answers with the step's place.
    fn change(&mut self, drifts: Vec<&Drift>, immediately: bool, waiting: &[String]) -> Option<usize> {
        if drifts.is_empty() {
            return None;
        }
        let settings: BTreeMap<_, _> = drifts.iter().map(|drift| (drift.field.clone(), drift.declared.clone())).collect();
        let fields: Vec<String> = settings.keys().cloned().collect();
        let title = format!("Change {} of {}", few(&fields), self.id());
        // "Must specify both SnapshotRetentionLimit and SnapshottingClusterId to turn on snapshots" [aws-controllers-k8s/community#1846]; in cluster
        // mode it is refused.
        let off = self.group.retention_days.unwrap_or_default() == 0;
        let snapshot_source = self.group.snapshot_source.clone().filter(|_| off && settings.contains_key("snapshotRetentionDays"));
        let op = Op::Settings { group: self.id().to_owned(), settings, immediately, snapshot_source };
        let mut step = Step::online(title, op, fields).back(self.settings_back(&drifts, immediately)).within(SETTINGS);
        if drifts.iter().any(|drift| drift.impact > Impact::Online) {
            let off: Vec<&str> = drifts.iter().map(|drift| drift.field.as_str()).collect();
            step = step.impact(Impact::Disruptive, format!("less protected: {} is turned off", off.join(" and ")));
        }
        if immediately && !waiting.is_empty() {
            let takes = takes_with(waiting);
            step = Step { impact: Impact::Disruptive, ..step.also_takes(&takes) };
        }
        let mut paid: Vec<&str> = drifts.iter().filter_map(|drift| paid(drift)).collect();
        // Both logs say the same.
        paid.dedup();
        Some(self.plan.push(step.also_takes(&paid.join("; "))))
    }

    fn block_impossible(&mut self, drift: &Drift) {
        if let Some((message, what_to_do)) = self.impossible(drift) {
            let reason = match drift.field.as_str() {
                _ if drift.found.get("error").is_some() => Reason::UnexpectedState,
                "snapshotWindow" | "maintenanceWindow" => Reason::InvalidWish,
                _ => Reason::NotSupported,
            };
            self.block(reason, std::slice::from_ref(&drift.field), message, what_to_do.to_owned());
        }
    }

    /// Why the group cannot do it, as far as can be told, and what to do.
    fn impossible(&self, drift: &Drift) -> Option<(String, &'static str)> {
        if let Some(error) = gave_up(drift) {
            return Some((format!("AWS gave the delivery up: {error}"), "mend its cause, turn the delivery off, then run again"));
        }
        if let ("snapshotWindow" | "maintenanceWindow", Some((daily, weekly))) = (drift.field.as_str(), self.windows_meet()) {
            let message =
                format!("the snapshot window {daily} and the maintenance window {weekly} would overlap, which ElastiCache refuses");
            return Some((message, "declare both windows, apart from each other"));
        }
        self.unsupported(drift).map(|(message, what_to_do)| (message.to_owned(), what_to_do))
    }

    /// The two windows as they will be, where they run into each other.
    fn windows_meet(&self) -> Option<(String, String)> {
        let declared = |field: &str| self.drift(field).and_then(|drift| drift.declared.as_str()).map(str::to_owned);
        let daily = declared("snapshotWindow").or_else(|| self.group.snapshot_window.clone())?;
        let weekly: Vec<String> = match declared("maintenanceWindow") {
            Some(declared) => vec![declared],
            None => self.members()?.maintenance_windows.iter().cloned().collect(),
        };
        weekly.into_iter().find(|weekly| window::overlap(&daily, weekly)).map(|weekly| (daily, weekly))
    }

    fn unsupported(&self, drift: &Drift) -> Option<(&'static str, &'static str)> {
        let on = drift.declared.as_bool();
        let group = self.group;
        // What it will be when the drifts are repaired.
        let failover = match self.drift("automaticFailover") {
            Some(drift) => drift.declared.as_bool(),
            None => group.failover,
        };
        let multi_az = match self.drift("multiAz") {
            Some(drift) => drift.declared.as_bool(),
            None => group.multi_az,
        };
        let too_old = |least| self.members().is_some_and(|members| !version::reaches(&members.version, least));
        match drift.field.as_str() {
            "automaticFailover" | "multiAz" if on == Some(true) && !group.replicas => {
                Some(("a shard without a replica cannot fail over", "add a replica to every shard, then run again"))
            }
            "automaticFailover" if on == Some(false) && group.cluster_mode => {
                Some(("in cluster mode, automatic failover cannot be turned off", "declare it true, or leave it out"))
            }
            "automaticFailover" if on == Some(false) && multi_az == Some(true) => {
                Some(("Multi-AZ is on, and needs automatic failover", "declare multiAz: false too, or keep automatic failover"))
            }
            "multiAz" if on == Some(true) && failover != Some(true) => {
                Some(("Multi-AZ needs automatic failover, which is off", "declare automaticFailover: true too"))
            }
            "logDelivery.slowLog" if too_old(version::SLOW_LOG) => {
                Some(("the slow log is delivered from Redis 6.0 on", "declare a newer engineVersion first"))
            }
            "logDelivery.engineLog" if too_old(version::ENGINE_LOG) => {
                Some(("the engine log is delivered from Redis 6.2 on", "declare a newer engineVersion first"))
            }
            _ => None,
        }
    }
}

/// What is paid for from then on, where a setting costs something.
fn paid(drift: &Drift) -> Option<&'static str> {
    match drift.field.as_str() {
        // One of each group comes with it. <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups.html>
        "snapshotRetentionDays" => drift.declared.as_i64().is_some_and(|days| days > 1).then_some("snapshots beyond one are paid for"),
        field if field.starts_with("logDelivery.") && !drift.declared.is_null() => {
            Some("delivered logs are paid for by volume where they go")
        }
        _ => None,
    }
}

/// AWS's words, where a log delivery is as declared but for AWS not managing it: asking for the same again changes nothing.
fn gave_up(drift: &Drift) -> Option<&str> {
    let mut found = drift.found.as_object()?.clone();
    found.remove("error")?;
    (drift.declared.as_object() == Some(&found)).then(|| drift.found.get("error")?.as_str()).flatten()
}

/// What an immediate change takes where other changes wait for the maintenance window.
pub(super) fn takes_with(waiting: &[String]) -> String {
    format!("AWS then also carries out at once what waits for the maintenance window: {}", waiting.join(", "))
}
