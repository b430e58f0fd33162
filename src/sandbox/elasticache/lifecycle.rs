//! How long things take, and what they become when the time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::parameters::table;
use super::state::{CacheCluster, Change, ParameterApply, ParameterGroup, Pending, ReplicationGroup, SnapshotStatus, State, Status};

use crate::clock::later;

type ParameterGroups = BTreeMap<String, ParameterGroup>;

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// A group of small nodes; users report 10 to 60 minutes, and the SDK's own waiter gives up after 10.
pub const CREATE: Duration = minutes(12);
/// Each node is changed in turn.
pub const MODIFY: Duration = minutes(4);
/// Version, engine and node type: nodes are replaced one by one.
pub const REPLACE: Duration = minutes(20);
/// Settings that touch no node still pass through `modifying`.
pub const SETTINGS: Duration = minutes(1);
pub const DELETE: Duration = minutes(6);
pub const SNAPSHOT: Duration = minutes(3);
pub const COPY: Duration = minutes(2);
pub const DELETE_SNAPSHOT: Duration = minutes(1);
pub const FAILOVER: Duration = minutes(2);
pub const REBOOT: Duration = minutes(1);
/// `applying`, after a change of a parameter that needs no reboot.
pub const APPLY_PARAMETERS: Duration = minutes(1);

/// How long a change keeps the group in `modifying`.
pub fn length(change: &Change) -> Duration {
    if *change == Change::default() {
        SETTINGS
    } else if change.engine.is_some() || change.engine_version.is_some() || change.node_type.is_some() || change.nodes.is_some() {
        REPLACE
    } else if change.primary.is_some() {
        FAILOVER
    } else {
        MODIFY
    }
}

impl State {
    /// Lets everything become what it is at `now`.
    pub fn settle(&mut self, now: Timestamp) {
        let due = |at: Option<Timestamp>| at.filter(|at| *at <= now);
        let parameter_groups = &self.parameter_groups;
        let late = Duration::from_secs(self.endpoints_late_by.into());
        self.replication_groups.retain(|id, group| {
            group.tls_endpoints.get_or_insert(group.transit_encryption.mode().is_some());
            loop {
                if let Some(at) = due(group.ready_at) {
                    group.ready_at = None;
                    match group.status {
                        Status::Deleting => return false,
                        Status::Creating if group.doomed => group.status = Status::CreateFailed,
                        Status::Creating if !late.is_zero() => {
                            group.status = Status::Available;
                            group.answers_at = Some(later(at, late));
                        }
                        Status::Modifying => {
                            group.status = Status::Available;
                            if let Some(change) = group.change.take() {
                                group.put_in_force(id, &change, parameter_groups, at);
                            }
                        }
                        _ => {
                            group.status = Status::Available;
                            group.rebooting.clear();
                        }
                    }
                } else if group.status == Status::Available
                    && let Some(Pending { at, change }) = group.pending.take_if(|pending| pending.at <= now)
                {
                    // A window that came while the group was busy is used as soon as it is free.
                    group.begin(change, at);
                } else {
                    break;
                }
            }
            group.parameter_apply.settle(now);
            group.answers_at.take_if(|at| *at <= now);
            true
        });
        self.cache_clusters.retain(|_, cluster| {
            while let Some(at) = due(cluster.ready_at) {
                cluster.ready_at = None;
                match cluster.status {
                    Status::Deleting => return false,
                    Status::Snapshotting if cluster.ends => cluster.begin(Status::Deleting, later(at, DELETE)),
                    _ => cluster.status = Status::Available,
                }
            }
            cluster.parameter_apply.settle(now);
            true
        });
        self.snapshots.retain(|_, snapshot| {
            if due(snapshot.ready_at).is_some() {
                snapshot.ready_at = None;
                if snapshot.status == SnapshotStatus::Deleting {
                    return false;
                }
                snapshot.status = SnapshotStatus::Available;
            }
            true
        });
    }

    /// A parameter of `group` was changed: who uses it applies it, or waits for a reboot.
    pub fn parameters_changed(&mut self, group: &str, names: &[String], now: Timestamp) {
        let Some(family) = self.parameter_groups.get(group).map(|group| group.family.clone()) else { return };
        let reboot = names.iter().any(|name| table::find(&family, name).is_some_and(|parameter| parameter.reboot));
        let until = later(now, APPLY_PARAMETERS);
        for (id, user) in &mut self.replication_groups {
            if user.parameter_group.as_deref() == Some(group) {
                let members = user.members(id).into_iter().map(|member| member.id).collect();
                user.parameter_apply.begin(until, reboot.then_some(members));
            }
        }
        for user in self.cache_clusters.values_mut() {
            if user.parameter_group.as_deref() == Some(group) {
                let nodes = user.node_ids();
                user.parameter_apply.begin(until, reboot.then_some(nodes));
            }
        }
    }
}

impl ParameterApply {
    fn begin(&mut self, until: Timestamp, reboot: Option<Vec<String>>) {
        self.applying_until = Some(until);
        self.reboot.extend(reboot.unwrap_or_default());
    }

    fn settle(&mut self, now: Timestamp) {
        self.applying_until.take_if(|until| *until <= now);
    }

    pub fn text(&self) -> &'static str {
        match (&self.applying_until, self.reboot.is_empty()) {
            (Some(_), _) => "applying",
            (None, false) => "pending-reboot",
            (None, true) => "in-sync",
        }
    }
}

impl ReplicationGroup {
    /// Starts a change at `at`; an empty one is a change of settings that are in force already.
    pub fn begin(&mut self, change: Change, at: Timestamp) {
        self.status = Status::Modifying;
        self.ready_at = Some(later(at, length(&change)));
        self.change = Some(change).filter(|change| *change != Change::default());
    }

    /// Puts a change in force.
    fn put_in_force(&mut self, id: &str, change: &Change, groups: &ParameterGroups, at: Timestamp) {
        let Change {
            engine,
            engine_version,
            node_type,
            parameter_group,
            automatic_failover,
            multi_az,
            transit_encryption,
            auth,
            log_delivery,
            nodes,
            primary,
        } = change.clone();
        self.engine = engine.unwrap_or_else(|| self.engine.clone());
        if let Some(version) = engine_version {
            // A group on a default parameter group follows its family; nodes start afresh, so no parameter waits.
            self.engine_version = version;
            self.parameter_apply = ParameterApply::default();
        }
        self.node_type = node_type.unwrap_or_else(|| self.node_type.clone());
        if let Some(name) = parameter_group {
            let before = self.parameter_group.replace(name);
            self.parameter_group.take_if(|name| name.starts_with("default."));
            let family = self.family();
            let chosen = |group: &Option<String>| group.as_ref().and_then(|name| groups.get(name)).map(|group| group.parameters.clone());
            let (was, is) = (chosen(&before), chosen(&self.parameter_group));
            // AWS's own groups for cluster mode have it on.
            let value = |set: &Option<BTreeMap<String, String>>, one: &table::Parameter| match set {
                None if one.name == "cluster-enabled" && self.cluster_enabled => "yes".to_owned(),
                set => set.as_ref().and_then(|set| set.get(one.name)).map_or(one.default, String::as_str).to_owned(),
            };
            // Nodes made afresh by a new version start with all of it.
            let reboot = change.engine_version.is_none()
                && table::of(&family).into_iter().any(|one| one.reboot && value(&was, one) != value(&is, one));
            let members = self.members(id).into_iter().map(|member| member.id).collect();
            self.parameter_apply.begin(later(at, APPLY_PARAMETERS), reboot.then_some(members));
        }
        self.automatic_failover = automatic_failover.unwrap_or(self.automatic_failover);
        self.multi_az = multi_az.unwrap_or(self.multi_az);
        self.transit_encryption = transit_encryption.unwrap_or(self.transit_encryption);
        if let Some(auth) = auth {
            self.auth.apply(&auth, at);
        }
        self.log_delivery = log_delivery.unwrap_or_else(|| self.log_delivery.clone());
        self.nodes = nodes.unwrap_or(self.nodes);
        if let Some((shard, node)) = primary {
            self.primaries.insert(shard, node);
        }
        let members: Vec<String> = self.members(id).into_iter().map(|member| member.id).collect();
        self.snapshotting_cluster.take_if(|cluster| !members.contains(cluster));
    }
}

impl CacheCluster {
    pub fn begin(&mut self, status: Status, ready_at: Timestamp) {
        self.status = status;
        self.ready_at = Some(ready_at);
    }
}

/// When a window like `sun:05:00-sun:06:00` next begins, strictly after `now` (UTC).
pub fn next_window(window: &str, now: Timestamp) -> Timestamp {
    let mut parts = window.split(['-', ':']);
    let day = parts.next().and_then(|day| DAYS.iter().position(|name| *name == day)).unwrap_or(0);
    let hour = parts.next().and_then(|hour| hour.parse::<i64>().ok()).unwrap_or(0);
    let minute = parts.next().and_then(|minute| minute.parse::<i64>().ok()).unwrap_or(0);
    let today = now.to_zoned(TimeZone::UTC);
    let since_monday =
        i64::from(today.weekday().to_monday_zero_offset()) * 24 * 60 + i64::from(today.hour()) * 60 + i64::from(today.minute());
    let start = i64::try_from(day).unwrap_or(0) * 24 * 60 + hour * 60 + minute;
    let wait = match (start - since_monday).rem_euclid(7 * 24 * 60) {
        0 => 7 * 24 * 60,
        wait => wait,
    };
    let whole_minute = now.as_second() - now.as_second().rem_euclid(60);
    let from = Timestamp::from_second(whole_minute).unwrap_or(now);
    from.checked_add(SignedDuration::from_mins(wait)).unwrap_or(Timestamp::MAX)
}

/// The days as windows name them, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
