//! Reading where a move stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_elasticache::types::{CacheCluster, CacheParameterGroup, ReplicationGroup};
use futures::future::{OptionFuture, join_all};
use futures::join;

use super::fence;
use super::lock::Lock;
use super::names::Names;
use super::seen::{Moving, Snapshot, Source, Target};
use super::settings::Settings;
use super::start::created_at;
use super::{
    EPOCH_TAG, GIVEN_UP_TAG, HELD_TAG, KEEP_OLD, MOVE_TAG, REPLACED_TAG, RESTORE_TIMEOUT, SERVES_SINCE_TAG, SERVES_TAG, live, reference,
};
use crate::aws::{CallError, Class, Reads, pages};
use crate::kinds::elasticache::migration::Migration;
use crate::kinds::elasticache::observe::{group, known_tags};
use crate::kinds::elasticache::spec::ReplicationGroupSpec;
use crate::kinds::elasticache::{OWNER_TAG, OWNER_TAG_VALUE, standalone};
use crate::kinds::{Fact, Scope, Unreadable};

/// How often a name can have moved: a chain that is longer is no chain of ours.
const MOVES: usize = 8;

pub fn named<'g>(groups: &'g [ReplicationGroup], id: &str) -> Option<&'g ReplicationGroup> {
    groups.iter().find(|group| group.replication_group_id().is_some_and(|found| found.eq_ignore_ascii_case(id)))
}

/// Why it is not known which group a logical name means.
pub struct Untold {
    /// The group whose tags would tell, and what it is doing, where they cannot be read for that reason alone.
    pub busy: Option<(String, String)>,
    pub why: CallError,
}

/// The group that a logical name means: the one of that id, or what it was moved into. By the names that a move gives, and then by the tag.
pub async fn serving(reads: &Reads, scope: &Scope, groups: &[ReplicationGroup], id: &str) -> Result<Vec<String>, Untold> {
    let mut chain = vec![id.to_owned()];
    while chain.len() <= MOVES {
        let Some(last) = chain.last() else { break };
        let Some(target) = named(groups, &Names::of(scope, last).target) else { break };
        let (Some(arn), Some(next)) = (target.arn(), target.replication_group_id()) else { break };
        // Until it is available its tags cannot be read; what serves is available, or was, and then says so in a moment.
        // One that is being deleted serves nobody any more.
        if matches!(target.status(), Some("creating" | "create-failed" | "deleting")) {
            break;
        }
        let busy = target.status().filter(|status| *status != "available").map(|status| (next.to_owned(), status.to_owned()));
        let tags = known_tags(reads, arn).await.map_err(|why| Untold { busy: busy.filter(|_| why.class == Class::Busy), why })?;
        if tags.get(SERVES_TAG).map(String::as_str) != Some(id) {
            break;
        }
        chain.push(next.to_owned());
    }
    Ok(chain)
}

/// Everything that a plan of the move asks for. `chain`: what [`serving`] said.
pub async fn observe(
    reads: &Reads,
    scope: &Scope,
    chain: &[String],
    spec: &ReplicationGroupSpec,
    groups: &[ReplicationGroup],
    clusters: &[CacheCluster],
) -> Moving {
    let at = Some(reads.now());
    let kept = spec.migration.as_ref().and_then(Migration::kept).unwrap_or(KEEP_OLD);
    let restored_within = spec.migration.as_ref().and_then(Migration::restored_within).unwrap_or(RESTORE_TIMEOUT);
    let Some(serving) = chain.last() else { return Moving { at, kept, ..Moving::default() } };
    // A move that has come to the serving group and is not finished goes first; else one that would go from it.
    let came = chain.len().checked_sub(2).and_then(|before| chain.get(before)).map(|source| Names::of(scope, source));
    let mut names = Names::of(scope, serving);
    let mut lock = lock(reads, &names).await;
    if let Some(came) = came {
        let behind = self::lock(reads, &came).await;
        if !behind.is_absent() {
            (names, lock) = (came, behind);
        }
    }
    names.standalone = match lock.present() {
        Some(lock) => lock.standalone.is_some(),
        None => named(groups, &names.source).is_none() && standalone::named(clusters, &names.source).is_some(),
    };
    let alone = standalone::named(clusters, &names.source).filter(|_| names.standalone).map(standalone::as_group);
    // One that has got its name since is another thing.
    let begun_for = lock.present().and_then(|lock| lock.standalone.clone());
    let alone = alone.filter(|found| begun_for.is_none() || created_at(found) == begun_for);
    let found = if names.standalone { alone.as_ref() } else { named(groups, &names.source) };
    let taken = lock.present().map(|lock| (1..=lock.attempt).map(|attempt| names.snapshot(lock.epoch, attempt)).collect::<Vec<String>>());
    let name = lock.present().map_or_else(|| names.lock(1), |lock| lock.name.clone());
    let snapshots = taken.unwrap_or_default().into_iter().map(|name| async {
        let fact = snapshot(reads, name.clone(), &names.source, &names.target).await;
        (name, fact)
    });
    let busy = found.map(|found| group(found).status).filter(|status| status != "available");
    let returns = lock.present().filter(|lock| lock.returning.is_some()).map(|lock| names.back_snapshot(lock.epoch));
    let (source, target, snapshots, last_snapshot, back_snapshot, references) = join!(
        source(reads, found, clusters),
        target(reads, groups, clusters, &names),
        join_all(snapshots),
        snapshot(reads, names.last_snapshot(), &names.source, &names.target),
        OptionFuture::from(returns.map(|name| snapshot(reads, name, &names.target, &names.target))),
        references(reads, scope, spec, (found, named(groups, &names.target)), &names, (&name, lock.present())),
    );
    let snapshots = snapshots.into_iter().collect();
    let back_snapshot = back_snapshot.unwrap_or(Fact::Absent);
    let epoch = lock.present().map(|lock| lock.epoch).or(source.present().map(|source| source.epoch + 1)).unwrap_or(1);
    let fence = fence::observe(reads, found.filter(|_| !names.standalone), clusters, &names, epoch).await;
    let live = live::look(reads, &names.target);
    let busy = busy.filter(|_| source.unknown().is_some());
    let me = reads.holder().to_owned();
    // What stands in the way is asked for when it is known what differs.
    let (names, preflight) = (Some(names), None);
    Moving {
        names,
        me,
        live,
        lock,
        source,
        busy,
        target,
        snapshots,
        last_snapshot,
        back_snapshot,
        references,
        fence,
        kept,
        restored_within,
        at,
        preflight,
    }
}

async fn references(
    reads: &Reads,
    scope: &Scope,
    spec: &ReplicationGroupSpec,
    (from, to): (Option<&ReplicationGroup>, Option<&ReplicationGroup>),
    names: &Names,
    (name, lock): (&str, Option<&Lock>),
) -> Vec<Fact<reference::Place>> {
    let endpoints = |found: Option<&ReplicationGroup>| found.map(reference::Endpoints::of).unwrap_or_default();
    let (from, to) = (endpoints(from), endpoints(to));
    let places = spec.migration.iter().flat_map(|migration| migration.cutover.iter().flatten());
    let look = |cutover| {
        let (from, to, object) = (&from, &to, &scope.object);
        async move {
            let turned = names.turned(name, &reference::key(cutover));
            reference::look(reads, cutover, &reference::Asked { turned: &turned, object, from, to, lock }).await
        }
    };
    join_all(places.map(look)).await
}

/// All parameter groups of the account, as this pass has read them.
pub async fn parameter_groups(reads: &Reads) -> Result<Arc<Vec<CacheParameterGroup>>, CallError> {
    let read = || {
        pages(|marker| async {
            let answer = reads.elasticache().describe_cache_parameter_groups(|request| request.set_marker(marker)).await?;
            Ok((answer.cache_parameter_groups.unwrap_or_default(), answer.marker))
        })
    };
    reads.once("elasticache:DescribeCacheParameterGroups", read).await
}

/// The newest lock.
async fn lock(reads: &Reads, names: &Names) -> Fact<Lock> {
    let listing = match parameter_groups(reads).await {
        Ok(listing) => listing,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    };
    let prefix = names.locks();
    let epoch = |group: &CacheParameterGroup| group.cache_parameter_group_name()?.strip_prefix(&prefix)?.parse::<u32>().ok();
    let newest = listing.iter().filter_map(|group| Some((epoch(group)?, group.cache_parameter_group_name()?, group.arn()?))).max();
    let Some((epoch, name, arn)) = newest else { return Fact::Absent };
    match known_tags(reads, arn).await {
        Ok(tags) => Fact::Present(Lock::read(name, arn, epoch, &tags)),
        Err(error) if error.class == Class::NotFound => Fact::Absent,
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

async fn source(reads: &Reads, found: Option<&ReplicationGroup>, clusters: &[CacheCluster]) -> Fact<Source> {
    let Some(found) = found else { return Fact::Absent };
    let group = group(found);
    // While it is busy its tags cannot be read, and neither can it be moved.
    let tags = match known_tags(reads, &group.arn).await {
        Ok(tags) => tags,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    };
    match Settings::of(found, clusters, &group.logs, &tags) {
        Some(settings) => Fact::Present(Source {
            settings,
            given_up: tags.get(GIVEN_UP_TAG).cloned(),
            replaced: tags.contains_key(REPLACED_TAG),
            epoch: tags.get(EPOCH_TAG).and_then(|epoch| epoch.parse().ok()).unwrap_or_default(),
            created: created_at(found).unwrap_or_default(),
            endpoints: reference::Endpoints::of(found),
            group,
        }),
        None => Fact::Unknown(super::super::seen::failed("elasticache:DescribeCacheClusters", "the group's clusters are not all listed")),
    }
}

async fn target(reads: &Reads, groups: &[ReplicationGroup], clusters: &[CacheCluster], names: &Names) -> Fact<Target> {
    let Some(found) = named(groups, &names.target) else { return Fact::Absent };
    let group = group(found);
    let tags = match group.status.as_str() {
        status @ ("creating" | "create-failed" | "deleting") => Fact::Unknown(super::super::seen::failed(
            "elasticache:ListTagsForResource",
            &format!("the group is {status}: its tags can be read when it is available"),
        )),
        // Whether it serves is known by now, whatever it is doing.
        _ => known_tags(reads, &group.arn).await.map_or_else(|error| Fact::Unknown(Unreadable::from(&error)), Fact::Present),
    };
    let time = |tags: &BTreeMap<String, String>| tags.get(SERVES_SINCE_TAG).and_then(|time| time.parse().ok());
    Fact::Present(Target {
        settings: tags.present().and_then(|tags| Settings::of(found, clusters, &group.logs, tags)),
        ours: tags.as_ref().map(|tags| {
            tags.get(OWNER_TAG).is_some_and(|owner| owner == OWNER_TAG_VALUE) && tags.get(MOVE_TAG).is_some_and(|of| *of == names.target)
        }),
        held: tags.present().is_some_and(|tags| tags.contains_key(HELD_TAG)),
        serves: tags.as_ref().and_then(|tags| Fact::given(tags.get(SERVES_TAG).map(|name| (name.clone(), time(tags))))),
        created: created_at(found),
        endpoints: reference::Endpoints::of(found),
        group,
    })
}

/// A snapshot of a group, by its name. `target`: of the move that it belongs to.
async fn snapshot(reads: &Reads, name: String, group: &str, target: &str) -> Fact<Snapshot> {
    let answer = reads.elasticache().describe_snapshots(|request| request.snapshot_name(&name)).await;
    let found = match answer {
        Ok(answer) => answer.snapshots.unwrap_or_default().into_iter().next(),
        Err(error) if error.class == Class::NotFound => return Fact::Absent,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    };
    let Some(found) = found else { return Fact::Absent };
    let status = found.snapshot_status().unwrap_or("unknown").to_owned();
    let of = found.replication_group_id().or(found.cache_cluster_id()).unwrap_or_default();
    let of_group = of == group || of.strip_prefix(group).is_some_and(|rest| rest.starts_with('-'));
    let ours = match (status.as_str(), found.arn()) {
        (_, _) if !of_group => Fact::Present(false),
        ("available" | "restoring", Some(arn)) => match known_tags(reads, arn).await {
            Ok(tags) => Fact::Present(tags.get(MOVE_TAG).is_some_and(|of| of == target)),
            Err(error) => Fact::Unknown(Unreadable::from(&error)),
        },
        _ => Fact::Unknown(super::super::seen::failed("elasticache:ListTagsForResource", &format!("the snapshot is {status}"))),
    };
    Fact::Present(Snapshot { status, ours })
}
