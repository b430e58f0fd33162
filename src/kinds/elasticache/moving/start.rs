//! Sending what a step of a move does. Whatever is deleted is looked at once more in that moment.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticache::types::{NodeGroupConfiguration, ReplicationGroup, Tag, TransitEncryptionMode};
use secrecy::{ExposeSecret, SecretString};

use super::fence;
use super::figures::Figures;
use super::live::{self, Live};
use super::lock::{
    ATTEMPT_SINCE_TAG, ATTEMPT_TAG, BEAT_TAG, CLUSTERS_TAG, CONSENT_TAG, DIRECTION_TAG, Direction, FINALIZED_TAG, FORECAST_TAG, FROZEN_TAG,
    GIVE_UP_WRITES_TAG, HEIRS_TAG, HOLDER_TAG, LATE_TAG, LEDGER_TAG, LOOKED_TAG, Lock, MEASURED_TAG, NOT_LATE, RELEASED_TAG, RETURN_TAG,
    Return, SINCE_TAG, SOURCE_TAG, STANDALONE, TAKEN_TAG, TURNING_TAG, WHY_TAG, id,
};
use super::names::Names;
use super::observe::named;
use super::op::{MoveOp, Sides};
use super::preflight::{self, Preflight};
use super::reference::{self, Endpoints, Way};
use super::returning;
use super::settings::Settings;
use super::{GIVEN_UP_TAG, HELD_TAG, MOVE_TAG, REPLACED_TAG, SERVES_SINCE_TAG, SERVES_TAG};
use crate::aws::calls::elasticache::{
    DELETE_CACHE_CLUSTER, DELETE_CACHE_PARAMETER_GROUP, DELETE_REPLICATION_GROUP, DELETE_SNAPSHOT, MODIFY_REPLICATION_GROUP,
};
use crate::aws::{Call, CallError, Class, Reads, Writes, pages};
use crate::kinds::Progress;
use crate::kinds::elasticache::migration::Cutover;
use crate::kinds::elasticache::observe::tags_of;
use crate::kinds::elasticache::start::{bytes as token, log_request, not_sent, put_tags, tag};
use crate::kinds::elasticache::token::{Phase, TAG, TokenRef};
use crate::kinds::elasticache::{OBJECT_TAG, OWNER_TAG, OWNER_TAG_VALUE, standalone, version};
use crate::migration::mover::{self, Lengths, Order};

/// The characters of a token that holdfast has made: ElastiCache takes 16 to 128.
const TOKEN_LENGTH: i64 = 64;

pub async fn start(writes: &Writes, op: &MoveOp) -> Result<(), CallError> {
    let elasticache = writes.elasticache();
    let held_lock = match op.needs_lock() {
        Some(lock) => Some(still_mine(writes, lock).await?),
        None => None,
    };
    match op {
        MoveOp::TakeLock { name, family, object, source, standalone, target, cutover, places, consent } => {
            // Before anything is made: what cannot be turned is found out now. It names the source, and is given to the target that is not there yet.
            let from = Endpoints::of(&present_source(writes, source, standalone.as_deref(), &MODIFY_REPLICATION_GROUP).await?);
            for place in cutover {
                reference::names_source(writes, place, &Way { from: &from, to: &from, tls: false, token: None, login: None }).await?;
            }
            let answer = elasticache
                .create_cache_parameter_group(|request| {
                    let request = request.cache_parameter_group_name(name).cache_parameter_group_family(family);
                    let request = request.description(format!("the lock of holdfast moving {source}"));
                    let request = request.tags(tag(OWNER_TAG, OWNER_TAG_VALUE)).tags(tag(OBJECT_TAG, object)).tags(tag(MOVE_TAG, target));
                    // Read once, when this run looked: no part of the plan, whose hash holds no forecast.
                    let probed =
                        writes.reads().known::<Preflight>(&preflight::key(source)).and_then(|found| found.nodes.present().cloned());
                    let forecast = probed.filter(|probed| probed.facts.primaries().count() > 0);
                    let forecast = forecast.map(|probed| tag(FORECAST_TAG, &Figures::of(&probed.facts, cutover).to_string()));
                    let request = forecast.into_iter().fold(request, |request, forecast| request.tags(forecast));
                    let clusters = reference::clusters(cutover);
                    let clusters = (!clusters.is_empty()).then(|| tag(CLUSTERS_TAG, &clusters.join(" ")));
                    let request = clusters.into_iter().fold(request, |request, clusters| request.tags(clusters));
                    let request = places.iter().fold(request, |request, (key, value)| request.tags(tag(key, value)));
                    let alone = standalone.as_ref().map(|created| tag(SOURCE_TAG, &format!("{STANDALONE}{created}")));
                    let request = alone.into_iter().fold(request, |request, alone| request.tags(alone));
                    request
                        .tags(tag(CONSENT_TAG, consent))
                        .tags(tag(SINCE_TAG, &writes.now().to_string()))
                        .tags(tag(HOLDER_TAG, writes.reads().holder()))
                        .tags(tag(BEAT_TAG, &writes.now().to_string()))
                        .tags(tag(ATTEMPT_TAG, "1"))
                        .tags(tag(ATTEMPT_SINCE_TAG, &writes.now().to_string()))
                })
                .await;
            answer.map(|_| ())
        }
        MoveOp::Snapshot { name, source, cluster, kms_key, target, .. } => {
            snapshot(writes, name, source, cluster.as_deref(), kms_key.as_deref(), target).await
        }
        MoveOp::LastSnapshot { name, source, cluster, target } => snapshot(writes, name, source, cluster.as_deref(), None, target).await,
        MoveOp::Restore { target, snapshot, object, settings, kms_key, tls, token: with, .. } => {
            restore(writes, &Restoring { target, snapshot, object, settings, kms_key: kms_key.as_deref(), tls: *tls, token: with.as_ref() })
                .await
        }
        MoveOp::Compare { .. } | MoveOp::Wait { .. } => Ok(()),
        MoveOp::Leave { target, lock } => {
            writes.tasks().end::<Live>(target);
            reference::leave(writes, lock).await;
            Ok(())
        }
        MoveOp::NoteEnded { lock, tag, value } => tag_lock(writes, lock, &[(tag, value)]).await,
        MoveOp::Beat { lock, target } => {
            let at = writes.now();
            tag_lock(writes, lock, &[(BEAT_TAG, &at.to_string())]).await?;
            live::renew(writes, target, at);
            reference::renew(writes, lock, at);
            Ok(())
        }
        MoveOp::Count { lock, .. } => {
            let heirs = held_lock.map_or(0, |held| held.heirs).saturating_add(1);
            let me = writes.reads();
            tag_lock(writes, lock, &[(HEIRS_TAG, &format!("{heirs}:{}", id(me.holder())))]).await
        }
        MoveOp::NotePlaces { lock, places, .. } => tag_lock(writes, lock, &pairs(places)).await,
        MoveOp::MakeToken { token } => make_token(writes, token).await,
        MoveOp::Follow { sides, reopen, budget_seconds, kept_seconds } => {
            live::follow(writes, sides, *reopen, lengths(*budget_seconds, *kept_seconds)).await
        }
        MoveOp::Adopt { lock, from } => {
            let (reads, now) = (writes.reads(), writes.now());
            let found = read_lock(&reads, lock).await?;
            if found.is_held_by_another(reads.holder()) && (found.holder != *from || !found.is_dead(Some(now))) {
                return Err(taken_over(&found));
            }
            let (holder, now) = (reads.holder().to_owned(), now.to_string());
            tag_lock(writes, lock, &[(HOLDER_TAG, &holder), (TAKEN_TAG, &now), (BEAT_TAG, &now)]).await
        }
        MoveOp::Freeze { sides } => {
            // What was resharded or failed over since it caught up is compared anew: that is done while the source serves (rule 9).
            if live::progress(live::look(&writes.reads(), &sides.target).as_ref(), mover::Phase::Following) != Progress::Done {
                let message = format!("{} has not caught up", sides.target);
                return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "NotCaughtUp", message));
            }
            tag_lock(writes, &sides.lock, &[(FROZEN_TAG, "yes")]).await?;
            live::post(writes, &sides.target, Order::Freeze)
        }
        MoveOp::Fence { sides } => live::post(writes, &sides.target, Order::Fence),
        MoveOp::Prove { sides } => live::post(writes, &sides.target, Order::Commit),
        MoveOp::LetGo { sides, arn } => {
            live::let_go(writes, sides).await?;
            measured(writes, sides).await;
            let answer = elasticache.remove_tags_from_resource(|request| request.resource_name(arn).tag_keys(HELD_TAG)).await;
            answer.map(|_| ()).or_else(|error| if error.is("TagNotFound") { Ok(()) } else { Err(error) })
        }
        MoveOp::Reopen { sides } => {
            live::reopen(writes, sides).await?;
            tag_lock(writes, &sides.lock, &[(RELEASED_TAG, "yes")]).await
        }
        MoveOp::Turn { held, cutover, source, standalone, target, lock, tls, token: with, .. } => {
            still_forward(held_lock.as_ref())?;
            // Before the first place is turned: from here on none of them may be missing on the way back.
            if held_lock.is_none_or(|lock| !lock.turning) {
                tag_lock(writes, lock, &[(TURNING_TAG, "yes")]).await?;
            }
            if *held {
                live::order(writes, target, Order::Move).await?;
            }
            let from = Endpoints::of(&present_source(writes, source, standalone.as_deref(), &MODIFY_REPLICATION_GROUP).await?);
            let to = Endpoints::of(&present(writes, target, &MODIFY_REPLICATION_GROUP).await?);
            let token = match with {
                Some(with) => Some(token(writes, with).await?),
                None => None,
            };
            let way = Way { from: &from, to: &to, tls: *tls, token: token.as_ref(), login: with.as_ref() };
            reference::turn(writes, cutover, &turned_name(lock, cutover, source, target), lock, &way).await
        }
        MoveOp::TurnBack { cutover, source, standalone, target, lock, .. } => {
            let all = groups(&writes.reads()).await?;
            if let Some(found) = named(&all, target)
                && found.status() == Some("available")
                && tags_of(&writes.reads(), found.arn().unwrap_or_default()).await?.contains_key(SERVES_TAG)
            {
                let message = format!("{target} serves: nothing is turned back from it");
                return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "Serves", message));
            }
            let old = match standalone {
                Some(created) => alone(&writes.reads(), source).await?.filter(|found| is_created(found, created)),
                None => named(&all, source).cloned(),
            };
            let endpoints = |found: Option<&ReplicationGroup>| found.map(Endpoints::of).unwrap_or_default();
            let tls = old.as_ref().is_some_and(|found| found.transit_encryption_enabled() == Some(true));
            let way = Way { from: &endpoints(named(&all, target)), to: &endpoints(old.as_ref()), tls, token: None, login: None };
            reference::turn_back(writes, cutover, &turned_name(lock, cutover, source, target), lock, &way).await
        }
        MoveOp::Forget { cutover, source, target, lock, .. } => {
            reference::forget(writes, cutover, &turned_name(lock, cutover, source, target)).await
        }
        MoveOp::Serve { held, name, target, arn, lock, token: with } => {
            still_forward(held_lock.as_ref())?;
            let found = present(writes, target, &MODIFY_REPLICATION_GROUP).await?;
            let arn = found.arn().unwrap_or(arn).to_owned();
            let mut tags = BTreeMap::from([(SERVES_TAG.to_owned(), name.clone()), (SERVES_SINCE_TAG.to_owned(), writes.now().to_string())]);
            if *held {
                tags.insert(HELD_TAG.to_owned(), "yes".to_owned());
                // First: a commit without it could not be taken back.
                let evidence = returning::evidence(writes, target)?.text();
                let looked = writes.now().to_string();
                tag_lock(writes, lock, &[(LEDGER_TAG, &evidence), (LOOKED_TAG, &looked), (LATE_TAG, NOT_LATE)]).await?;
            }
            if let Some(with) = with {
                let changed = found.auth_token_last_modified_date().map(|date| date.secs());
                tags.insert(TAG.to_owned(), with.note(Phase::InForce, changed).to_string());
            }
            put_tags(writes, &arn, tags).await
        }
        MoveOp::Claim { arn, .. } => {
            let answer = elasticache.remove_tags_from_resource(|request| request.resource_name(arn).tag_keys(MOVE_TAG)).await;
            answer.map(|_| ()).or_else(|error| if error.is("TagNotFound") { Ok(()) } else { Err(error) })
        }
        MoveOp::DeleteSource { source, standalone, created, last_snapshot, target, lock } => {
            let returning = read_lock(&writes.reads(), lock).await?.returning;
            if returning.is_some_and(|returning| returning != Return::Stopped) {
                let message = "the move is taken back since, and needs it".to_owned();
                return Err(not_sent(&DELETE_REPLICATION_GROUP, Class::Invalid, "TakenBack", message));
            }
            delete_source(writes, &Deleted { source, standalone: standalone.as_deref(), created, last_snapshot, target }).await
        }
        MoveOp::LookAtSource { sides, kept_seconds } => {
            let lock = read_lock(&writes.reads(), &sides.lock).await?;
            if lock.returning.is_some_and(|returning| returning != Return::Stopped) {
                return Err(taken_back());
            }
            let (late, fenced) = returning::look_on(writes, sides, &lock, Duration::from_secs(*kept_seconds)).await;
            let (now, late) = (writes.now().to_string(), taggable(&late));
            let mut tags = vec![(LOOKED_TAG, now.as_str()), (LATE_TAG, late.as_str())];
            tags.extend(fenced.map(|fenced| (fence::ON_NODES_TAG, if fenced { "yes" } else { "no" })));
            tag_lock(writes, &sides.lock, &tags).await
        }
        MoveOp::AskBack { lock, give_up, places } => {
            let why = "asked for by holdfast migration rollback";
            let reads = writes.reads();
            let now = writes.now().to_string();
            let mut tags = vec![(RETURN_TAG, Return::Asked.word()), (HOLDER_TAG, reads.holder()), (BEAT_TAG, now.as_str()), (WHY_TAG, why)];
            tags.extend(give_up.then_some((GIVE_UP_WRITES_TAG, "yes")));
            tags.extend(pairs(places));
            tag_lock(writes, lock, &tags).await
        }
        MoveOp::HoldBack { sides, arn, budget_seconds, kept_seconds } => {
            let lock = read_lock(&writes.reads(), &sides.lock).await?;
            returning::hold(writes, sides, &lock, arn, lengths(*budget_seconds, *kept_seconds)).await
        }
        MoveOp::CopyBack { sides } => returning::copy_back(writes, sides).await,
        MoveOp::NoteReturned { lock, target, held } => {
            if *held {
                returning::returned(writes, target)?;
            }
            // In one request: what is returned goes back, and what goes back after the commit is returned.
            tag_lock(writes, lock, &[(RETURN_TAG, Return::Returned.word()), (DIRECTION_TAG, "back")]).await
        }
        MoveOp::Reclaim { target, arn, created, .. } => {
            has_returned(held_lock.as_ref())?;
            let found = present(writes, target, &MODIFY_REPLICATION_GROUP).await?;
            if created_at(&found).as_ref() != Some(created) {
                let message = format!("{target} is not the group that the move made: it was created at another time");
                return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "NotOurs", message));
            }
            put_tags(writes, arn, BTreeMap::from([(MOVE_TAG.to_owned(), target.clone())])).await
        }
        MoveOp::Unserve { arn, .. } => {
            has_returned(held_lock.as_ref())?;
            // Alone: TagNotFound does not say which of several were taken off. The others say nothing without it, and go with the group.
            let answer = elasticache.remove_tags_from_resource(|request| request.resource_name(arn).tag_keys(SERVES_TAG)).await;
            answer.map(|_| ()).or_else(|error| if error.is("TagNotFound") { Ok(()) } else { Err(error) })
        }
        MoveOp::KeepTarget { name, cluster, target } => snapshot(writes, name, target, cluster.as_deref(), None, target).await,
        MoveOp::NoteReplaced { arn, target, .. } => {
            put_tags(writes, arn, BTreeMap::from([(REPLACED_TAG.to_owned(), target.clone())])).await
        }
        MoveOp::DropSnapshot { name, target, .. } => drop_snapshot(writes, name, target).await,
        MoveOp::DropTarget { target, cutover, last_snapshot, .. } => {
            writes.tasks().end::<Live>(target);
            if let Some(name) = last_snapshot {
                is_kept(writes, name).await?;
            }
            drop_target(writes, target, cutover).await
        }
        MoveOp::MakeFence { .. }
        | MoveOp::FillFence { .. }
        | MoveOp::RaiseFence { .. }
        | MoveOp::LowerFence { .. }
        | MoveOp::DropFence { .. } => fence::start(writes, op).await,
        MoveOp::NextAttempt { lock, attempt } => {
            tag_lock(writes, lock, &[(ATTEMPT_TAG, &attempt.to_string()), (ATTEMPT_SINCE_TAG, &writes.now().to_string())]).await
        }
        MoveOp::GoBack { lock, why, places, .. } => {
            let why = taggable(why);
            let tags: Vec<(&str, &str)> = [(DIRECTION_TAG, "back"), (WHY_TAG, why.as_str())].into_iter().chain(pairs(places)).collect();
            tag_lock(writes, lock, &tags).await
        }
        MoveOp::Finalize { lock } => tag_lock(writes, lock, &[(FINALIZED_TAG, &writes.now().to_string())]).await,
        MoveOp::Resume { arn } => {
            let answer = elasticache.remove_tags_from_resource(|request| request.resource_name(arn).tag_keys(GIVEN_UP_TAG)).await;
            answer.map(|_| ()).or_else(|error| if error.is("TagNotFound") { Ok(()) } else { Err(error) })
        }
        MoveOp::GiveUp { arn, tags, .. } => put_tags(writes, arn, tags.clone()).await,
        MoveOp::Unlock { name, through } => {
            let locks = locks(&writes.reads(), name, *through).await?;
            if locks.is_empty() {
                return Err(not_shown(&DELETE_CACHE_PARAMETER_GROUP, name));
            }
            for lock in locks {
                let answer = elasticache.delete_cache_parameter_group(|request| request.cache_parameter_group_name(&lock)).await;
                gone(answer.map(|_| ()))?;
            }
            Ok(())
        }
    }
}

/// The name of what holdfast makes at a place: as [`super::Names::turned`] gives it.
fn turned_name(lock: &str, cutover: &Cutover, source: &str, target: &str) -> String {
    Names { source: source.to_owned(), target: target.to_owned(), standalone: false }.turned(lock, &reference::key(cutover))
}

/// The lock, where this process holds it still. Another one may have taken it over from one that slept: what it was about to do is theirs to do now.
async fn still_mine(writes: &Writes, name: &str) -> Result<Lock, CallError> {
    let reads = writes.reads();
    let lock = read_lock(&reads, name).await?;
    if lock.is_held_by_another(reads.holder()) { Err(taken_over(&lock)) } else { Ok(lock) }
}

/// What is seen next decides: it is planned anew where it is so.
fn taken_over(lock: &Lock) -> CallError {
    not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "TakenOver", format!("{} has taken the move over", lock.holder))
}

pub(super) async fn read_lock(reads: &Reads, name: &str) -> Result<Lock, CallError> {
    let arn = lock_arn(reads, name).await?;
    let epoch = name.rsplit('-').next().and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
    Ok(Lock::read(name, &arn, epoch, &tags_of(reads, &arn).await?))
}

fn taken_back() -> CallError {
    let message = "the move is taken back since: it was turned by somebody else".to_owned();
    not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "TakenBack", message)
}

/// Fails where the source has not all yet that the target had: then the target serves.
fn has_returned(lock: Option<&Lock>) -> Result<(), CallError> {
    match lock.and_then(|lock| lock.returning) {
        Some(Return::Returned) => Ok(()),
        _ => {
            let message = "the lock does not say that the move is taken back after the commit: the new group serves on".to_owned();
            Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "NotReturned", message))
        }
    }
}

/// Fails where the lock says `back` by now: what goes forward is sent by nobody then.
fn still_forward(lock: Option<&Lock>) -> Result<(), CallError> {
    match lock.map(|lock| lock.direction) {
        Some(Direction::Back) => Err(taken_back()),
        _ => Ok(()),
    }
}

fn lengths(budget: u64, kept: u64) -> Lengths {
    Lengths::new(Duration::from_secs(budget)).over(Duration::from_secs(kept))
}

/// When a group was created, as a plan names it.
pub(super) fn created_at(found: &ReplicationGroup) -> Option<String> {
    found.replication_group_create_time().map(|time| time.to_string())
}

/// Fails where this snapshot is not available.
async fn is_kept(writes: &Writes, name: &str) -> Result<(), CallError> {
    let answer = writes.reads().elasticache().describe_snapshots(|request| request.snapshot_name(name)).await?;
    if answer.snapshots().iter().any(|snapshot| snapshot.snapshot_status() == Some("available")) {
        return Ok(());
    }
    Err(not_sent(&DELETE_REPLICATION_GROUP, Class::Invalid, "NotDeleted", format!("the last snapshot, {name}, is not available")))
}

/// Has AWS think of a token, and stores it as the first version of the secret.
async fn make_token(writes: &Writes, token: &TokenRef) -> Result<(), CallError> {
    let made = writes.random_password(TOKEN_LENGTH).await?;
    let text = match &token.key {
        Some(key) => SecretString::from(serde_json::json!({ key.as_str(): made.expose_secret() }).to_string()),
        None => made,
    };
    let answer = writes
        .secretsmanager()
        .put_secret_value(|request| {
            request.secret_id(&token.secret_arn).client_request_token(&token.version).secret_string(text.expose_secret())
        })
        .await;
    // The answer to an earlier request was lost: that token stands.
    answer.map(|_| ()).or_else(|error| if error.is("ResourceExistsException") { Ok(()) } else { Err(error) })
}

async fn groups(reads: &Reads) -> Result<Vec<ReplicationGroup>, CallError> {
    pages(|marker| async {
        let answer = reads.elasticache().describe_replication_groups(|request| request.set_marker(marker)).await?;
        Ok((answer.replication_groups.unwrap_or_default(), answer.marker))
    })
    .await
}

/// The group as it is now.
pub async fn present(writes: &Writes, id: &str, call: &'static Call) -> Result<ReplicationGroup, CallError> {
    let found = groups(&writes.reads()).await?;
    named(&found, id).cloned().ok_or_else(|| not_shown(call, id))
}

/// What was seen a moment ago and is not shown now: an answer can be older than the one before. It is asked again, and what is then seen decides.
pub(super) fn not_shown(call: &'static Call, what: &str) -> CallError {
    not_sent(call, Class::Busy, "NotShown", format!("{what} is not shown"))
}

/// What is moved, as it is now: a group, or a standalone cluster as the group that it would be.
pub(super) async fn present_source(
    writes: &Writes,
    id: &str,
    standalone: Option<&str>,
    call: &'static Call,
) -> Result<ReplicationGroup, CallError> {
    let Some(created) = standalone else { return present(writes, id, call).await };
    let found = alone(&writes.reads(), id).await?.ok_or_else(|| not_shown(call, id))?;
    if is_created(&found, created) {
        return Ok(found);
    }
    let message = format!("{id} is not the cluster that the move was begun for: it was created at another time");
    Err(not_sent(call, Class::Invalid, "NotTheSource", message))
}

fn is_created(found: &ReplicationGroup, created: &str) -> bool {
    created_at(found).as_deref() == Some(created)
}

/// The standalone cluster of that name, as the group that it would be.
async fn alone(reads: &Reads, id: &str) -> Result<Option<ReplicationGroup>, CallError> {
    let ask = reads.elasticache();
    match ask.describe_cache_clusters(|request| request.cache_cluster_id(id).show_cache_node_info(true)).await {
        Ok(answer) => Ok(standalone::named(answer.cache_clusters(), id).map(standalone::as_group)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn snapshot(
    writes: &Writes,
    name: &str,
    source: &str,
    cluster: Option<&str>,
    kms_key: Option<&str>,
    target: &str,
) -> Result<(), CallError> {
    let answer = writes
        .elasticache()
        .create_snapshot(|request| {
            let request = request.snapshot_name(name).set_kms_key_id(kms_key.map(str::to_owned));
            let request = request.tags(tag(OWNER_TAG, OWNER_TAG_VALUE)).tags(tag(MOVE_TAG, target));
            match cluster {
                Some(cluster) => request.cache_cluster_id(cluster),
                None => request.replication_group_id(source),
            }
        })
        .await;
    answer.map(|_| ())
}

struct Restoring<'a> {
    target: &'a str,
    snapshot: &'a str,
    object: &'a str,
    settings: &'a Settings,
    kms_key: Option<&'a str>,
    tls: bool,
    token: Option<&'a TokenRef>,
}

async fn restore(writes: &Writes, wish: &Restoring<'_>) -> Result<(), CallError> {
    let settings = wish.settings;
    let token: Option<SecretString> = match wish.token {
        Some(with) => Some(token(writes, with).await?),
        None => None,
    };
    let mut tags: Vec<Tag> = settings.tags.iter().map(|(key, value)| tag(key, value)).collect();
    tags.extend([tag(OWNER_TAG, OWNER_TAG_VALUE), tag(OBJECT_TAG, wish.object), tag(MOVE_TAG, wish.target)]);
    let logs = settings.logs.iter().map(|(name, log)| log_request(name, log)).collect::<Result<Vec<_>, CallError>>()?;
    let replicas = i32::try_from(settings.replicas).unwrap_or_default();
    let answer = writes
        .elasticache()
        .create_replication_group(|request| {
            let mut request = request
                .replication_group_id(wish.target)
                .replication_group_description(&settings.description)
                .snapshot_name(wish.snapshot)
                .engine(&settings.engine)
                .engine_version(version::asked(&settings.engine_version))
                .cache_node_type(&settings.node_type)
                .cache_parameter_group_name(&settings.parameter_group)
                .cache_subnet_group_name(&settings.subnet_group)
                .set_security_group_ids(Some(settings.security_groups.clone()).filter(|groups| !groups.is_empty()))
                .set_port(settings.port)
                .preferred_maintenance_window(&settings.maintenance_window)
                .snapshot_retention_limit(settings.snapshot_retention_days)
                .set_snapshot_window(Some(settings.snapshot_window.clone()).filter(|window| !window.is_empty()))
                .set_notification_topic_arn(settings.notification_topic.clone())
                .auto_minor_version_upgrade(settings.auto_minor)
                .automatic_failover_enabled(settings.failover)
                .multi_az_enabled(settings.multi_az)
                .set_log_delivery_configurations(Some(logs).filter(|logs| !logs.is_empty()))
                .at_rest_encryption_enabled(true)
                .set_kms_key_id(wish.kms_key.map(str::to_owned))
                .set_tags(Some(tags));
            request = match settings.cluster_mode {
                false => request.num_cache_clusters(replicas.saturating_add(1)),
                true => settings.slots.iter().fold(request, |request, slots| {
                    request.node_group_configuration(NodeGroupConfiguration::builder().slots(slots).replica_count(replicas).build())
                }),
            };
            if wish.tls {
                request = request.transit_encryption_enabled(true);
                if version::reaches(&settings.engine_version, version::TRANSIT_IN_PLACE) {
                    request = request.transit_encryption_mode(TransitEncryptionMode::Required);
                }
            }
            match &token {
                Some(token) => request.auth_token(token.expose_secret()),
                None => request,
            }
        })
        .await;
    answer.map(|_| ())
}

/// What of a source says that it is the one to delete.
struct Deleted<'a> {
    source: &'a str,
    standalone: Option<&'a str>,
    created: &'a str,
    last_snapshot: &'a str,
    target: &'a str,
}

/// Deletes the source: what has that name and creation time, while its last snapshot is available and another one serves.
async fn delete_source(writes: &Writes, of: &Deleted<'_>) -> Result<(), CallError> {
    let Deleted { source, standalone, created, last_snapshot, target } = *of;
    let call = if standalone.is_some() { &DELETE_CACHE_CLUSTER } else { &DELETE_REPLICATION_GROUP };
    let refuse = |message: String| Err(not_sent(call, Class::Invalid, "NotDeleted", message));
    let reads = writes.reads();
    let found = present_source(writes, source, standalone, call).await?;
    if !is_created(&found, created) {
        return refuse(format!("{source} is not the group that was moved: it was created at another time"));
    }
    let all = groups(&reads).await?;
    let Some(serving) = named(&all, target).filter(|group| group.status() == Some("available")) else {
        return refuse(format!("{target}, which serves in its place, is not available"));
    };
    let tags = tags_of(&reads, serving.arn().unwrap_or_default()).await?;
    if !tags.contains_key(SERVES_TAG) {
        return refuse(format!("{target} does not serve in its place"));
    }
    is_kept(writes, last_snapshot).await?;
    let elasticache = writes.elasticache();
    gone(match standalone {
        Some(_) => elasticache.delete_cache_cluster(|request| request.cache_cluster_id(source)).await.map(|_| ()),
        None => elasticache.delete_replication_group(|request| request.replication_group_id(source)).await.map(|_| ()),
    })
}

/// Deletes what the move made and nobody uses: by its name, its tags, and that it does not serve.
async fn drop_target(writes: &Writes, target: &str, cutover: &[Cutover]) -> Result<(), CallError> {
    let reads = writes.reads();
    let all = groups(&reads).await?;
    let Some(found) = named(&all, target) else { return Err(not_shown(&DELETE_REPLICATION_GROUP, target)) };
    let tags = tags_of(&reads, found.arn().unwrap_or_default()).await;
    let ours = match &tags {
        Ok(tags) => {
            tags.get(OWNER_TAG).is_some_and(|owner| owner == OWNER_TAG_VALUE)
                && tags.get(MOVE_TAG).is_some_and(|of| of == target)
                && !tags.contains_key(SERVES_TAG)
        }
        // What never came up shows no tags: there is nothing in it.
        Err(_) => found.status() == Some("create-failed"),
    };
    if !ours {
        let message = format!("{target} does not carry the tag of this move, or serves: it is not deleted");
        return Err(not_sent(&DELETE_REPLICATION_GROUP, Class::Invalid, "NotOurs", message));
    }
    for place in cutover {
        if reference::names_any(writes, place, &Endpoints::of(found)).await? {
            let message = format!("{} names {target}: it is not deleted before that is corrected", reference::words(place));
            return Err(not_sent(&DELETE_REPLICATION_GROUP, Class::Invalid, "StillNamed", message));
        }
    }
    let answer = writes.elasticache().delete_replication_group(|request| request.replication_group_id(target)).await;
    gone(answer.map(|_| ()))
}

async fn drop_snapshot(writes: &Writes, name: &str, target: &str) -> Result<(), CallError> {
    let reads = writes.reads();
    let answer = reads.elasticache().describe_snapshots(|request| request.snapshot_name(name)).await;
    let answer = match answer {
        Err(error) if error.class == Class::NotFound => return Err(not_shown(&DELETE_SNAPSHOT, name)),
        answer => answer?,
    };
    let Some(found) = answer.snapshots().first() else { return Err(not_shown(&DELETE_SNAPSHOT, name)) };
    let tags = tags_of(&reads, found.arn().unwrap_or_default()).await?;
    if tags.get(MOVE_TAG).is_none_or(|of| of != target) {
        let message = format!("the snapshot {name} does not carry the tag of this move: it is not deleted");
        return Err(not_sent(&DELETE_SNAPSHOT, Class::Invalid, "NotOurs", message));
    }
    let answer = writes.elasticache().delete_snapshot(|request| request.snapshot_name(name)).await;
    gone(answer.map(|_| ()))
}

/// A text as a tag takes it. [AWS documentation, "Tagging your ElastiCache resources"]
pub(super) fn taggable(text: &str) -> String {
    let known = |letter: char| letter.is_alphanumeric() || " _.:/=+-@".contains(letter);
    text.chars().map(|letter| if known(letter) { letter } else { ' ' }).take(256).collect()
}

/// Notes on the lock how long it took, where this process has seen it. It is for a person to read: the move goes on without it.
async fn measured(writes: &Writes, sides: &Sides) {
    if let Some(figures) = live::measured(&writes.reads(), &sides.target)
        && let Err(error) = tag_lock(writes, &sides.lock, &[(MEASURED_TAG, &figures.to_string())]).await
    {
        tracing::warn!(%error, "how long the move took could not be noted on its lock");
    }
}

fn pairs(tags: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

pub(super) async fn tag_lock(writes: &Writes, lock: &str, tags: &[(&str, &str)]) -> Result<(), CallError> {
    let arn = lock_arn(&writes.reads(), lock).await?;
    put_tags(writes, &arn, tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()).await
}

pub(super) async fn lock_arn(reads: &Reads, lock: &str) -> Result<String, CallError> {
    let answer = reads.elasticache().describe_cache_parameter_groups(|request| request.cache_parameter_group_name(lock)).await;
    let answer = match answer {
        Err(error) if error.class == Class::NotFound => return Err(not_shown(&DELETE_CACHE_PARAMETER_GROUP, lock)),
        answer => answer?,
    };
    let arn = answer.cache_parameter_groups().first().and_then(|group| group.arn()).map(str::to_owned);
    arn.ok_or_else(|| not_shown(&DELETE_CACHE_PARAMETER_GROUP, lock))
}

/// The names of all locks up to an epoch that begin so and carry our tag, the oldest first.
async fn locks(reads: &Reads, prefix: &str, through: u32) -> Result<Vec<String>, CallError> {
    let all = pages(|marker| async {
        let answer = reads.elasticache().describe_cache_parameter_groups(|request| request.set_marker(marker)).await?;
        Ok((answer.cache_parameter_groups.unwrap_or_default(), answer.marker))
    })
    .await?;
    let mut locks = Vec::new();
    for group in all {
        let (Some(name), Some(arn)) = (group.cache_parameter_group_name(), group.arn()) else { continue };
        let epoch = name.strip_prefix(prefix).and_then(|rest| rest.parse::<u32>().ok());
        if let Some(epoch) = epoch.filter(|epoch| *epoch <= through)
            && tags_of(reads, arn).await?.contains_key(MOVE_TAG)
        {
            locks.push((epoch, name.to_owned()));
        }
    }
    locks.sort();
    Ok(locks.into_iter().map(|(_, name)| name).collect())
}

pub(super) fn gone(answer: Result<(), CallError>) -> Result<(), CallError> {
    answer.or_else(|error| if error.class == Class::NotFound { Ok(()) } else { Err(error) })
}
