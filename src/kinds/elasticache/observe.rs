//! Reading a replication group: the account's groups, clusters and parameter groups are listed once a pass, for all of them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CacheCluster, CacheParameterGroup, ChangeType, LogDeliveryConfiguration, MultiAzStatus, ReplicationGroup,
    StorageEncryptionType, TransitEncryptionMode,
};
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use futures::future::{OptionFuture, join_all};
use futures::join;
use serde_json::json;

use super::seen::{FoundLog, Group, Key, Members, Parameter, ParameterGroup, Seen, failed};
use super::spec::{ReplicationGroupSpec, TransitEncryption};
use super::standalone::{self, Bearer};
use super::token::TokenRef;
use super::{OWNER_TAG, OWNER_TAG_VALUE, ReplicationGroups, moving, own_group_name, version};
use crate::aws::{CallError, Class, Reads, pages};
use crate::kinds::{Fact, FactSet, Target, Unreadable, kms};

pub async fn observe(reads: &Reads, target: &Target<'_, ReplicationGroups>, want: &FactSet) -> Seen {
    let spec = target.spec;
    let parameters = ["parameters", "parameterGroup", "parametersInForce", "engineVersion"].into_iter().any(|field| want.has(field));
    // Whatever is changed, the clusters tell the engine's version and what else waits to be applied.
    let (groups, clusters) = join!(groups(reads), clusters(reads));
    let mut seen = Seen::default();
    let groups = match &groups {
        Err(error) => {
            seen.group = Fact::Unknown(Unreadable::from(error));
            return seen;
        }
        Ok(groups) => groups,
    };
    let chain = match moving::serving(reads, target.scope, groups, target.id).await {
        Ok(chain) => chain,
        Err(untold) => {
            seen.group = Fact::Unknown(Unreadable::from(&untold.why));
            seen.untold = untold.busy;
            return seen;
        }
    };
    let grouped = chain.last().and_then(|serving| moving::named(groups, serving));
    // Once something serves in its place, the name means that.
    let alone = match (&clusters, chain.as_slice()) {
        (Ok(clusters), [only]) => standalone::named(clusters, only),
        _ => None,
    };
    let memcached = alone.is_some_and(standalone::is_memcached);
    let alone = alone.filter(|_| !memcached).map(standalone::as_group);
    if grouped.is_none() && alone.is_none() {
        if let Err(error) = &clusters {
            seen.group = Fact::Unknown(Unreadable::from(error));
            return seen;
        }
        seen.group = Fact::Absent;
        seen.members = Fact::Absent;
        seen.tags = Fact::Absent;
        seen.token = Fact::Absent;
        if memcached {
            // Nothing of it can be moved: no lock is looked for.
            seen.moving.lock = Fact::Absent;
            seen.bearer = Bearer::Memcached;
        }
        return seen;
    }
    // Whatever a move may be for.
    let may_move =
        ["migration.finished", "transitEncryption", "auth"].into_iter().any(|field| want.has(field)) || want.any_below("atRestEncryption");
    if spec.migration.is_some() && may_move {
        match &clusters {
            Ok(clusters) => seen.moving = moving::observe(reads, target.scope, &chain, spec, groups, clusters).await,
            Err(error) => seen.moving.lock = Fact::Unknown(Unreadable::from(error)),
        }
    }
    seen.bearer = match (grouped, &alone, seen.moving.lock.present()) {
        (_, None, _) => Bearer::Group,
        (None, Some(_), _) => Bearer::Standalone,
        // The move that is under way was begun for one of the two.
        (Some(_), Some(_), Some(lock)) if lock.standalone.is_some() => Bearer::Standalone,
        (Some(_), Some(_), Some(_)) => Bearer::Group,
        (Some(_), Some(_), None) => Bearer::Both,
    };
    let found = alone.as_ref().filter(|_| seen.bearer == Bearer::Standalone).or(grouped);
    let Some(found) = found else { return seen };
    let group = group(found);
    seen.members = match &clusters {
        Ok(clusters) => members(found, clusters),
        Err(error) => Fact::Unknown(Unreadable::from(error)),
    };
    let with_tags = want.has("tags") || want.has("auth");
    let key = spec.at_rest_encryption.as_ref().and_then(|at_rest| at_rest.kms_key_id.as_deref());
    let auth = spec.auth.as_ref().filter(|_| want.has("auth"));
    let upward = |members: &&Members| spec.engine_version.as_ref().is_some_and(|declared| !version::satisfies(&members.version, declared));
    let rises = want.has("engineVersion") && seen.members.present().filter(upward).is_some();
    let (tags, key, token, offered, parameter_groups) = join!(
        OptionFuture::from(with_tags.then(|| tags(reads, &group.arn, &group.status))),
        OptionFuture::from(key.filter(|_| want.has("atRestEncryption.kmsKeyId")).map(|key| kms_key(reads, key))),
        OptionFuture::from(auth.map(|auth| token(reads, &auth.secret_arn, auth.key.as_deref()))),
        OptionFuture::from(rises.then(|| offered(reads, &group.engine))),
        async {
            match (parameters, &seen.members, &clusters) {
                (true, Fact::Present(members), Ok(clusters)) => parameter_groups(reads, &group.id, spec, &group, members, clusters).await,
                _ => BTreeMap::new(),
            }
        },
    );
    seen.tags = tags.unwrap_or_default();
    seen.tag_keys = spec.tags.iter().flat_map(BTreeMap::keys).cloned().collect();
    seen.key = key.unwrap_or_default();
    if token.as_ref().is_some_and(Fact::is_absent)
        && let Some(auth) = auth
    {
        seen.empty_secret = empty_secret(reads, &auth.secret_arn).await;
        seen.doomed_secret = secret(reads, &auth.secret_arn).await.is_ok_and(|found| found.deleted_date().is_some());
    }
    seen.token = token.unwrap_or_default();
    seen.token_words = spec.auth_value().unwrap_or_default();
    let declared = spec.parameter_values().unwrap_or_default();
    seen.defaults = declared.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()).collect();
    seen.wished = declared.into_iter().filter(|(_, value)| !value.is_null()).collect();
    seen.offered = offered.unwrap_or_default();
    seen.parameter_groups = parameter_groups;
    seen.group = Fact::Present(group);
    if let Ok(clusters) = &clusters {
        seen.moving.preflight = moving::preflight(reads, spec, &seen, found, clusters).await;
    }
    seen
}

pub async fn groups(reads: &Reads) -> Result<std::sync::Arc<Vec<ReplicationGroup>>, CallError> {
    let read = || {
        pages(|marker| async {
            let answer = reads.elasticache().describe_replication_groups(|request| request.set_marker(marker)).await?;
            Ok((answer.replication_groups.unwrap_or_default(), answer.marker))
        })
    };
    reads.once("elasticache:DescribeReplicationGroups", read).await
}

pub async fn clusters(reads: &Reads) -> Result<std::sync::Arc<Vec<CacheCluster>>, CallError> {
    let read = || {
        pages(|marker| async {
            // A standalone cluster has its address at its node alone.
            let ask = reads.elasticache();
            let answer = ask.describe_cache_clusters(|request| request.show_cache_node_info(true).set_marker(marker)).await?;
            Ok((answer.cache_clusters.unwrap_or_default(), answer.marker))
        })
    };
    reads.once("elasticache:DescribeCacheClusters", read).await
}

/// What the answer says of a group.
pub fn group(found: &ReplicationGroup) -> Group {
    let transit = match (found.transit_encryption_enabled(), found.transit_encryption_mode()) {
        (Some(true), Some(TransitEncryptionMode::Preferred)) => Some(TransitEncryption::Preferred),
        // A group made with TLS says no mode: nothing but TLS is accepted there.
        (Some(true), _) => Some(TransitEncryption::Required),
        _ => None,
    };
    // The flag can be false while the disks are encrypted by the service: this is the effective state. [service model]
    let stored = found.storage_encryption_type().is_some_and(|stored| *stored != StorageEncryptionType::None);
    let shards = found.node_groups();
    let global = found.global_replication_group_info().and_then(|info| info.global_replication_group_id());
    Group {
        id: found.replication_group_id().unwrap_or_default().to_owned(),
        arn: found.arn().unwrap_or_default().to_owned(),
        status: found.status().unwrap_or("unknown").to_owned(),
        engine: found.engine().unwrap_or("redis").to_owned(),
        global: global.filter(|id| !id.is_empty()).map(str::to_owned),
        cluster_mode: found.cluster_enabled().unwrap_or_default(),
        replicas: !shards.is_empty() && shards.iter().all(|shard| shard.node_group_members().len() > 1),
        failover: found.automatic_failover().and_then(|state| match state {
            AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Disabling => Some(true),
            AutomaticFailoverStatus::Disabled | AutomaticFailoverStatus::Enabling => Some(false),
            _ => None,
        }),
        multi_az: found.multi_az().and_then(|state| match state {
            MultiAzStatus::Enabled => Some(true),
            MultiAzStatus::Disabled => Some(false),
            _ => None,
        }),
        retention_days: found.snapshot_retention_limit(),
        snapshot_window: found.snapshot_window().map(str::to_owned),
        snapshot_source: snapshot_source(found),
        auth: found.auth_token_enabled().unwrap_or_default(),
        auth_changed: found.auth_token_last_modified_date().map(|date| date.secs()),
        user_groups: !found.user_group_ids().is_empty(),
        transit,
        at_rest: stored || found.at_rest_encryption_enabled().unwrap_or_default(),
        kms_key: found.kms_key_id().filter(|key| !key.is_empty()).map(str::to_owned),
        logs: found.log_delivery_configurations().iter().filter_map(log).collect(),
        auto_minor: found.auto_minor_version_upgrade(),
        waiting: group_waiting(found),
    }
}

/// By roles, since names tell nothing of them; the only cluster, or the first, where no replica is shown.
fn snapshot_source(found: &ReplicationGroup) -> Option<String> {
    if found.cluster_enabled().unwrap_or_default() {
        return None;
    }
    let set = found.snapshotting_cluster_id().filter(|id| found.member_clusters().iter().any(|member| member == id));
    let members = found.node_groups().iter().flat_map(|shard| shard.node_group_members());
    let replicas = members.filter(|member| member.current_role() == Some("replica")).filter_map(|member| member.cache_cluster_id());
    let any = || found.member_clusters().iter().map(String::as_str).min();
    set.or_else(|| replicas.min()).or_else(any).map(str::to_owned)
}

fn log(found: &LogDeliveryConfiguration) -> Option<(String, FoundLog)> {
    let details = found.destination_details();
    let destination = details.and_then(|details| {
        let log_group = details.cloud_watch_logs_details().and_then(|details| details.log_group());
        log_group.or_else(|| details.kinesis_firehose_details().and_then(|details| details.delivery_stream()))
    });
    let delivery = json!({
        "destinationType": found.destination_type().map(|one| one.as_str()),
        "destination": destination,
        "format": found.log_format().map(|one| one.as_str()),
    });
    let log_type = found.log_type()?.as_str().to_owned();
    let found = FoundLog {
        delivery: serde_json::from_value(delivery).ok(),
        status: found.status().map(|status| status.as_str()).unwrap_or_default().to_owned(),
        message: crate::aws::clean(found.message().unwrap_or_default()),
    };
    Some((log_type, found))
}

/// What the group's own answer says is waiting. While it is `modifying`, that is what is under way.
fn group_waiting(found: &ReplicationGroup) -> Vec<String> {
    let Some(pending) = found.pending_modified_values().filter(|_| found.status() == Some("available")) else { return Vec::new() };
    // An AUTH token never waits: it is always applied immediately.
    let waiting = [
        (pending.primary_cluster_id().is_some(), "another primary"),
        (pending.automatic_failover_status().is_some(), "automatic failover"),
        (pending.resharding().is_some(), "resharding"),
        (pending.user_groups().is_some(), "user groups"),
        (!pending.log_delivery_configurations().is_empty(), "log delivery"),
        (pending.transit_encryption_enabled().is_some() || pending.transit_encryption_mode().is_some(), "encryption in transit"),
    ];
    waiting.into_iter().filter(|(waits, _)| *waits).map(|(_, what)| what.to_owned()).collect()
}

/// The group's clusters, by the list that the group itself gives: names tell nothing of roles.
pub fn members(found: &ReplicationGroup, clusters: &[CacheCluster]) -> Fact<Members> {
    let unclear = |message: &str| Fact::Unknown(failed("elasticache:DescribeCacheClusters", message));
    let mut members = Members { in_vpc: true, ..Members::default() };
    if found.member_clusters().is_empty() {
        return unclear("the group has no clusters yet");
    }
    for id in found.member_clusters() {
        let Some(cluster) = clusters.iter().find(|cluster| cluster.cache_cluster_id() == Some(id.as_str())) else {
            return unclear("one of the group's clusters is not listed");
        };
        let Some(version) = cluster.engine_version() else { return unclear("a cluster does not say its engine version") };
        members.version = if members.version.is_empty() { version.to_owned() } else { version::lower(members.version, version.to_owned()) };
        members.in_vpc &= cluster.cache_subnet_group_name().is_some_and(|name| !name.is_empty());
        if let Some(group) = cluster.cache_parameter_group() {
            members.parameter_groups.extend(group.cache_parameter_group_name().map(str::to_owned));
            members.applying |= group.parameter_apply_status() == Some("applying");
            members.waits_for_restart |=
                group.parameter_apply_status() == Some("pending-reboot") || !group.cache_node_ids_to_reboot().is_empty();
        }
        members.maintenance_windows.extend(cluster.preferred_maintenance_window().map(str::to_owned));
        members.topics.insert(match cluster.notification_configuration() {
            Some(topic) if topic.topic_status() == Some("inactive") => format!("{} (inactive)", topic.topic_arn().unwrap_or_default()),
            Some(topic) => topic.topic_arn().unwrap_or_default().to_owned(),
            None => String::new(),
        });
        if let Some(pending) = cluster.pending_modified_values().filter(|_| found.status() == Some("available")) {
            members.waiting.extend(pending.engine_version().map(|version| format!("engine version {version}")));
            members.waiting.extend(pending.cache_node_type().map(|node_type| format!("node type {node_type}")));
            members.waiting.extend(pending.num_cache_nodes().map(|count| format!("{count} nodes")));
        }
    }
    members.waiting.sort();
    members.waiting.dedup();
    if members.topics.iter().all(String::is_empty) {
        members.topics.clear();
    }
    Fact::Present(members)
}

/// The tags of a group. They cannot be read while it is not available.
pub async fn tags(reads: &Reads, arn: &str, status: &str) -> Fact<BTreeMap<String, String>> {
    if status != "available" {
        let message = format!("the group is {status}: its tags can be read when it is available");
        return Fact::Unknown(failed("elasticache:ListTagsForResource", &message));
    }
    match known_tags(reads, arn).await {
        Ok(tags) => Fact::Present(tags),
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

/// The tags of a group, a parameter group or a snapshot as this pass has read them: a group's own fields and its move ask for the same.
pub async fn known_tags(reads: &Reads, arn: &str) -> Result<BTreeMap<String, String>, CallError> {
    let read = || tags_of(reads, arn);
    reads.once(format!("elasticache:ListTagsForResource/{arn}"), read).await.map(|tags| tags.as_ref().clone())
}

/// The same as they are in this moment.
pub async fn tags_of(reads: &Reads, arn: &str) -> Result<BTreeMap<String, String>, CallError> {
    let answer = reads.elasticache().list_tags_for_resource(|request| request.resource_name(arn)).await?;
    let tags = answer.tag_list.unwrap_or_default();
    Ok(tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect())
}

async fn kms_key(reads: &Reads, words: &str) -> Fact<Key> {
    let key = kms::described(reads, None, words).await.map(|answer| {
        let key = answer.key_metadata()?;
        let (id, arn) = (key.key_id().to_owned(), key.arn().unwrap_or_default().to_owned());
        Some(Key { words: words.to_owned(), id, arn, unusable: unusable(key) })
    });
    Fact::read(key, |error| error.class == Class::NotFound)
}

/// Why data cannot be encrypted with a key: it is not in force, or is of another kind. ElastiCache takes symmetric keys. [AWS documentation, "At-Rest
/// Encryption in ElastiCache"]
fn unusable(key: &KeyMetadata) -> Option<String> {
    if let Some(state) = key.key_state().filter(|state| **state != KeyState::Enabled) {
        return Some(format!("is {state}"));
    }
    let other = key.key_spec().is_some_and(|spec| *spec != KeySpec::SymmetricDefault);
    other.then(|| "is not a symmetric encryption key".to_owned())
}

/// The declared token with the version of its secret that is current. No byte of it is read.
async fn secret(reads: &Reads, secret_arn: &str) -> Result<std::sync::Arc<DescribeSecretOutput>, CallError> {
    let read = || async { reads.secretsmanager().describe_secret(|request| request.secret_id(secret_arn)).await };
    reads.once(format!("secretsmanager:DescribeSecret/{secret_arn}"), read).await
}

/// The ARN of the secret where it is there and never held anything.
async fn empty_secret(reads: &Reads, secret_arn: &str) -> Option<String> {
    let found = secret(reads, secret_arn).await.ok()?;
    let empty = found.deleted_date().is_none() && found.version_ids_to_stages().is_none_or(|versions| versions.is_empty());
    empty.then(|| found.arn().unwrap_or(secret_arn).to_owned())
}

async fn token(reads: &Reads, secret_arn: &str, key: Option<&str>) -> Fact<TokenRef> {
    let answer = secret(reads, secret_arn).await;
    let token = answer.map(|answer| {
        let current =
            |(version, stages): (&String, &Vec<String>)| stages.iter().any(|stage| stage == "AWSCURRENT").then(|| version.clone());
        let version = answer.version_ids_to_stages().into_iter().flatten().find_map(current)?;
        let living = answer.deleted_date().is_none();
        living.then(|| TokenRef { secret_arn: answer.arn().unwrap_or(secret_arn).to_owned(), key: key.map(str::to_owned), version })
    });
    Fact::read(token, |error| error.is("ResourceNotFoundException"))
}

/// The versions of an engine that a group can be upgraded to, as far as AWS lists them.
async fn offered(reads: &Reads, engine: &str) -> Fact<Vec<String>> {
    let read = || async {
        let all = pages(|marker| async {
            let ask = reads.elasticache();
            let answer = ask.describe_cache_engine_versions(|request| request.engine(engine).set_marker(marker)).await?;
            Ok((answer.cache_engine_versions.unwrap_or_default(), answer.marker))
        });
        Ok(all.await?.into_iter().filter_map(|one| one.engine_version).collect::<Vec<String>>())
    };
    match reads.once(format!("elasticache:DescribeCacheEngineVersions/{engine}"), read).await {
        Ok(versions) => Fact::Present(versions.as_ref().clone()),
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

/// The parameter groups that a repair of this group may have to do with.
async fn parameter_groups(
    reads: &Reads,
    id: &str,
    spec: &ReplicationGroupSpec,
    group: &Group,
    members: &Members,
    clusters: &[CacheCluster],
) -> BTreeMap<String, Fact<ParameterGroup>> {
    let read = || {
        pages(|marker| async {
            let answer = reads.elasticache().describe_cache_parameter_groups(|request| request.set_marker(marker)).await?;
            Ok((answer.cache_parameter_groups.unwrap_or_default(), answer.marker))
        })
    };
    let listing = reads.once("elasticache:DescribeCacheParameterGroups", read).await;
    let now = version::family(&group.engine, &members.version);
    let then = spec.engine_version.as_ref().filter(|declared| !version::satisfies(&members.version, declared));
    let then = then.map(|declared| version::family(&group.engine, declared));
    let families: BTreeSet<String> = std::iter::once(now).chain(then).collect();
    let mut names: BTreeSet<String> = members.parameter_groups.clone();
    names.extend(spec.parameter_group_name());
    for family in &families {
        names.insert(own_group_name(id, family));
        names.insert(version::default_group(family, group.cluster_mode));
    }
    let read = names.into_iter().map(|name| async {
        let fact = match &listing {
            Ok(listing) => parameter_group(reads, listing, &name, clusters).await,
            Err(error) => Fact::Unknown(Unreadable::from(error)),
        };
        (name, fact)
    });
    join_all(read).await.into_iter().collect()
}

async fn parameter_group(reads: &Reads, listing: &[CacheParameterGroup], name: &str, clusters: &[CacheCluster]) -> Fact<ParameterGroup> {
    let Some(listed) = listing.iter().find(|group| group.cache_parameter_group_name() == Some(name)) else { return Fact::Absent };
    let named_as_ours = name.starts_with("holdfast-");
    let (parameters, tags) = join!(parameters(reads, name), async {
        match listed.arn().filter(|_| named_as_ours) {
            Some(arn) => known_tags(reads, arn).await,
            None => Ok(BTreeMap::new()),
        }
    });
    // Deleted since it was listed.
    let gone = |error: &CallError| error.class == Class::NotFound;
    match (parameters, tags) {
        (Err(error), _) | (_, Err(error)) if gone(&error) => Fact::Absent,
        (Err(error), _) | (_, Err(error)) => Fact::Unknown(Unreadable::from(&error)),
        (Ok(parameters), Ok(tags)) => {
            let uses = |cluster: &&CacheCluster| {
                cluster.cache_parameter_group().is_some_and(|group| group.cache_parameter_group_name() == Some(name))
            };
            let user = |cluster: &CacheCluster| cluster.replication_group_id().or(cluster.cache_cluster_id()).map(str::to_owned);
            Fact::Present(ParameterGroup {
                family: listed.cache_parameter_group_family().unwrap_or_default().to_owned(),
                ours: tags.get(OWNER_TAG).is_some_and(|owner| owner == OWNER_TAG_VALUE),
                parameters: parameters.as_ref().clone(),
                users: clusters.iter().filter(uses).filter_map(user).collect(),
            })
        }
    }
}

pub async fn parameters(reads: &Reads, name: &str) -> Result<std::sync::Arc<BTreeMap<String, Parameter>>, CallError> {
    let read = || async {
        let all = pages(|marker| async {
            let elasticache = reads.elasticache();
            let ask = elasticache.describe_cache_parameters(|request| request.cache_parameter_group_name(name).set_marker(marker));
            let answer = ask.await?;
            Ok((answer.parameters.unwrap_or_default(), answer.marker))
        });
        let parameter = |parameter: aws_sdk_elasticache::types::Parameter| {
            let restart = parameter.change_type() == Some(&ChangeType::RequiresReboot);
            let set = parameter.source() == Some("user");
            let modifiable = parameter.is_modifiable().unwrap_or_default();
            let number = parameter.data_type() == Some("integer");
            let allowed = parameter.allowed_values.unwrap_or_default();
            let value = parameter.parameter_value.unwrap_or_default();
            Some((parameter.parameter_name?, Parameter { value, set, modifiable, restart, allowed, number }))
        };
        Ok(all.await?.into_iter().filter_map(parameter).collect())
    };
    reads.once(format!("elasticache:DescribeCacheParameters/{name}"), read).await
}
