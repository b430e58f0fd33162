//! What must be so at every moment of every move: DESIGN.md's "Invariants, checked by tests after every event", each by its name. That each is missed where it
//! does not hold is shown in `teeth`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use super::account::TOKEN;
use crate::kinds::elasticache::moving::SERVES_TAG;
use crate::sandbox::elasticache::state::{ParameterGroup, ReplicationGroup};
use crate::sandbox::world::World;

/// At least one of {source intact, our snapshot available, verified target} at all times.
pub const KEPT: &str = "source, snapshot or target";
/// Before cut over only reads, snapshots and the write hold touch the source.
pub const UNTOUCHED: &str = "the source is untouched before the cut over";
/// At most one target and one live snapshot a migration.
pub const ONE: &str = "one target and one live snapshot";
/// Nothing unowned is deleted.
pub const OWNED: &str = "nothing unowned is deleted";
/// After the commit the source is as it was found but for its parameter group, which may be the fence: that one as it was, and refusing writes. Before the
/// commit, and once the source is what counts again, it has its own.
pub const FENCED: &str = "the source is fenced while the target serves, and never else";
/// Nothing encrypted, authenticated or TLS-only becomes weaker, in roll back too.
pub const STRONG: &str = "nothing becomes weaker";
/// Once rolling back, no forward change.
pub const BACK: &str = "no forward change once rolling back";

const OLD: &str = "huntaze-redis";
const TARGET: &str = "huntaze-redis-72348fb3";
/// How the names of its fences begin.
const FENCE: &str = "holdfast-fence-";

/// What an account began with, and what a way back began with.
pub struct Invariants {
    found: Arc<World>,
    back: Mutex<Option<Back>>,
}

/// When the lock first said so.
struct Back {
    groups: BTreeSet<String>,
    snapshots: BTreeSet<String>,
    serves: bool,
    /// The places that named the target.
    turned: BTreeSet<String>,
}

impl Invariants {
    pub fn of(found: Arc<World>) -> Invariants {
        Invariants { found: Arc::new(grouped(&found).into_owned()), back: Mutex::default() }
    }

    pub fn hold(&self, world: &World) -> Result<(), String> {
        let broken: Vec<String> = self.broken(world).into_iter().map(|(name, why)| format!("{name}: {why}")).collect();
        if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) }
    }

    /// What does not hold now, by the invariant's name.
    pub fn broken(&self, world: &World) -> Vec<(&'static str, String)> {
        let world = &*grouped(world);
        let mut broken = Vec::new();
        let mut holds = |name: &'static str, holds: bool, why: &str| {
            if !holds {
                broken.push((name, why.to_owned()));
            }
        };
        let groups = &world.elasticache.replication_groups;
        let up = |id: &str| groups.get(id).is_some_and(|group| matches!(group.status.text(), "available" | "snapshotting" | "modifying"));
        let theirs = &self.found.elasticache.replication_groups;
        let targets: Vec<&String> = groups.keys().filter(|id| !theirs.contains_key(*id)).collect();
        let serves = targets.iter().any(|id| up(id) && groups[*id].tags.contains_key(SERVES_TAG));

        let ours: Vec<(&String, &str)> = world
            .elasticache
            .snapshots
            .iter()
            .filter(|(name, _)| name.starts_with(TARGET))
            .map(|(name, snapshot)| (name, snapshot.status.text()))
            .collect();
        let kept = ours.iter().any(|(_, status)| matches!(*status, "available" | "restoring"));
        let intact = up(OLD);
        holds(KEPT, intact || kept || serves, "there is neither the source, nor a snapshot, nor a target that serves");
        holds(KEPT, intact || kept && serves, "the source is gone without a last snapshot and a group that serves");

        let old = groups.get(OLD).filter(|group| group.status.text() != "deleting");
        holds(UNTOUCHED, serves || old.is_some(), "it is gone, and nothing serves in its place");
        holds(UNTOUCHED, old.is_none_or(|old| as_found(old) == as_found(&theirs[OLD])), "it was changed");
        let counts = |lock: &ParameterGroup| lock.tags.get("holdfast.dev/return").is_some_and(|how| how == "returned");
        let returned = world.elasticache.parameter_groups.values().any(counts);
        if let Some(why) = old.and_then(|old| badly_fenced(world, old, &theirs[OLD], serves && !returned)) {
            holds(FENCED, false, &why);
        }

        holds(ONE, targets.len() <= 1, "there are several targets");
        let live = |last: &str| ours.iter().filter(|(name, status)| name.ends_with(last) && *status != "deleting").count();
        let moved = ours.iter().filter(|(name, status)| !name.ends_with("-final") && !name.ends_with("-back") && *status != "deleting");
        holds(ONE, moved.count() <= 1 && live("-final") <= 1 && live("-back") <= 1, "there are several live snapshots");

        let gone = theirs.keys().filter(|id| *id != OLD).any(|id| groups.get(id).is_none_or(|group| group.status.text() == "deleting"));
        holds(OWNED, !gone, "somebody else's group is gone");
        let has_all = |before: Vec<&String>, now: &dyn Fn(&String) -> bool| before.into_iter().all(now);
        let now = &world.elasticache;
        let before = &self.found.elasticache;
        holds(
            OWNED,
            has_all(before.parameter_groups.keys().collect(), &|name| now.parameter_groups.contains_key(name)),
            "a parameter group is gone",
        );
        holds(OWNED, has_all(before.snapshots.keys().collect(), &|name| now.snapshots.contains_key(name)), "a snapshot is gone");
        let secrets = &world.secretsmanager.secrets;
        holds(OWNED, has_all(self.found.secretsmanager.secrets.keys().collect(), &|name| secrets.contains_key(name)), "a secret is gone");

        for id in targets {
            let target = &groups[id];
            holds(STRONG, target.at_rest_encryption, "the target is not encrypted");
            holds(STRONG, target.transit_encryption.mode() == Some("required"), "the target takes plain text");
            holds(STRONG, !target.auth.admits(None) && target.auth.admits(Some(TOKEN)), "the target is open, or locked");
        }
        // What was weak when it was found is not made weaker either.
        for (id, before) in theirs {
            let as_strong = groups.get(id).is_none_or(|group| {
                (group.transit_encryption, group.auth.admits(None)) == (before.transit_encryption, before.auth.admits(None))
            });
            holds(STRONG, as_strong, "a group that was found is weaker");
        }

        if let Err(why) = self.goes_only_back(world, serves) {
            broken.push((BACK, why));
        }
        broken
    }

    fn goes_only_back(&self, world: &World, serves: bool) -> Result<(), String> {
        let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        let all = &world.elasticache;
        let locks = all.parameter_groups.values();
        if !locks.clone().any(|lock| lock.tags.get("holdfast.dev/direction").is_some_and(|direction| direction == "back")) {
            *back = None;
            return Ok(());
        }
        let now = Back {
            groups: all.replication_groups.keys().cloned().collect(),
            snapshots: all.snapshots.keys().filter(|name| !name.ends_with("-back")).cloned().collect(),
            serves,
            turned: turned(world),
        };
        let Some(then) = &*back else {
            *back = Some(now);
            return Ok(());
        };
        let more = |what: &str, now: &BTreeSet<String>, then: &BTreeSet<String>| match now.difference(then).next() {
            Some(new) => Err(format!("{what}: {new}")),
            None => Ok(()),
        };
        more("a group was made", &now.groups, &then.groups)?;
        more("a snapshot was taken", &now.snapshots, &then.snapshots)?;
        more("a place was turned", &now.turned, &then.turned)?;
        if now.serves && !then.serves { Err("the target was let serve".to_owned()) } else { Ok(()) }
    }
}

/// The account with each standalone cluster among the groups: what must be so of the one must be so of the other.
pub fn grouped(world: &World) -> Cow<'_, World> {
    if world.elasticache.cache_clusters.is_empty() {
        return Cow::Borrowed(world);
    }
    let mut world = world.clone();
    for (id, cluster) in std::mem::take(&mut world.elasticache.cache_clusters) {
        let group = ReplicationGroup {
            status: cluster.status,
            tags: cluster.tags,
            engine_version: cluster.engine_version,
            node_type: cluster.node_type,
            security_groups: cluster.security_groups,
            parameter_group: cluster.parameter_group,
            snapshot_retention_limit: cluster.snapshot_retention_limit,
            maintenance_window: cluster.maintenance_window,
            ..ReplicationGroup::default()
        };
        world.elasticache.replication_groups.insert(id, group);
    }
    Cow::Owned(world)
}

/// The places that name the target: it alone takes TLS.
fn turned(world: &World) -> BTreeSet<String> {
    let mut turned = BTreeSet::new();
    for (name, secret) in &world.secretsmanager.secrets {
        let current = secret.versions.values().find(|version| version.stages.iter().any(|stage| stage == "AWSCURRENT"));
        if current.and_then(|version| version.secret_string.as_ref()).is_some_and(|text| text.0.contains("rediss://")) {
            turned.insert(format!("secret {name}"));
        }
    }
    for (name, parameter) in &world.ssm.parameters {
        if parameter.versions.last_key_value().is_some_and(|(_, last)| last.value.0.contains("rediss://")) {
            turned.insert(format!("parameter {name}"));
        }
    }
    turned
}

/// Why the parameter group of the source is not what it may be. `may`: it may be the fence.
fn badly_fenced(world: &World, old: &ReplicationGroup, found: &ReplicationGroup, may: bool) -> Option<String> {
    let groups = &world.elasticache.parameter_groups;
    let fences: Vec<&String> = groups.keys().filter(|name| name.starts_with(FENCE)).collect();
    if fences.len() > 1 {
        return Some(format!("there are several fences: {fences:?}"));
    }
    let has = [Some(old.parameter_group.as_ref()), old.change.as_ref().map(|change| change.parameter_group.as_ref())];
    for name in has.into_iter().flatten().flatten().filter(|name| Some(*name) != found.parameter_group.as_ref()) {
        // The way back to a default one.
        if found.parameter_group.is_none() && name.starts_with("default.") {
            continue;
        }
        if !name.starts_with(FENCE) {
            return Some(format!("the source is given {name}"));
        }
        if !may {
            return Some(format!("the source is given {name}, and it is what counts"));
        }
        let mut set = groups.get(name).map(|group| group.parameters.clone()).unwrap_or_default();
        let refuses = set.remove("min-replicas-to-write").and_then(|least| least.parse().ok()).is_some_and(|least: u32| least > 5);
        let own = found.parameter_group.as_ref().and_then(|own| groups.get(own)).map(|own| own.parameters.clone()).unwrap_or_default();
        let own: BTreeMap<String, String> = own.into_iter().filter(|(name, _)| name != "min-replicas-to-write").collect();
        set.retain(|name, value| !(name == "cluster-enabled" && value == "yes" && found.cluster_enabled));
        if !refuses || set != own {
            return Some(format!("{name} is given to it before it refuses writes and has all else: {set:?}"));
        }
    }
    None
}

/// What of a group nobody but its owner changes.
fn as_found(group: &impl Serialize) -> Value {
    let mut group = serde_json::to_value(group).unwrap();
    if let Some(members) = group.as_object_mut() {
        // What time does, and which node is the primary; its parameter group is looked at by itself.
        for member in ["status", "readyAt", "primaries", "createdAt", "parameterGroup", "parameterApply"] {
            members.remove(member);
        }
    }
    if let Some(change) = group.pointer_mut("/change").and_then(Value::as_object_mut) {
        change.remove("parameterGroup");
        if change.values().all(Value::is_null) {
            group["change"] = Value::Null;
        }
    }
    if let Some(tags) = group.pointer_mut("/tags").and_then(Value::as_object_mut) {
        tags.retain(|key, _| !key.starts_with("holdfast.dev/"));
    }
    group
}
