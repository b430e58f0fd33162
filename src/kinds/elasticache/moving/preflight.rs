//! What stands in the way of a move before it is begun, and what its forecast is made from. Reading only: AWS, and for `writeGap: None` the nodes of the
//! group themselves, with commands that change nothing. What it means is said in [`super::judge`].

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_elasticache::types::{CacheCluster, ReplicationGroup};
use futures::join;
use jiff::SignedDuration;
use serde_json::Value;

use super::grants::grants;
use super::names::Names;
use super::nodes;
use super::seen::Source;
use crate::aws::{Class, Reads, pages};
use crate::kinds::elasticache::fields::FIELDS;
use crate::kinds::elasticache::migration::WriteGap;
use crate::kinds::elasticache::observe::parameters;
use crate::kinds::elasticache::seen::Seen;
use crate::kinds::elasticache::spec::ReplicationGroupSpec;
use crate::kinds::elasticache::standalone::Bearer;
use crate::kinds::elasticache::start::login;
use crate::kinds::elasticache::version;
use crate::kinds::{Fact, Unreadable};
use crate::migration::copy::current;
use crate::migration::hold::{Facts, Finding, Part, probe};
use crate::migration::wire::Name;

/// How long the nodes of a cluster may take to say what it looks like now.
const ASKING: Duration = Duration::from_secs(30);
/// The day within which snapshots are counted.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What was read before a move.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// The subnet group that the new group is made in: it is there, and has subnets.
    pub subnets: Fact<()>,
    /// Manual snapshots of the last day that are there still, of the node or the group that one would be taken from.
    pub taken: Fact<usize>,
    /// `reserved-memory-percent`.
    pub reserved: Fact<u64>,
    /// Whether the policy of the declared KMS key may let somebody of the account make grants.
    pub grants: Fact<bool>,
    /// What the nodes say. Absent: they need not be asked, or what keeps them from being asked is said elsewhere.
    pub nodes: Fact<Probed>,
}

/// What the nodes of the source say.
#[derive(Clone, Debug)]
pub struct Probed {
    pub facts: Facts,
    pub findings: Vec<Finding>,
}

/// Under which it is known to the run.
pub fn key(source: &str) -> String {
    format!("preflight/{source}")
}

/// Whether differences need a new group: encryption at rest always, as everything of access where it is a standalone cluster; TLS and a token on engines that
/// cannot change them. `upgrade`: the declared version
/// where it differs and comes first.
pub fn is_needed(at_rest: bool, tls: bool, token: bool, found: Option<&str>, upgrade: Option<&str>) -> bool {
    let too_old = |least| {
        let reaches = |found| version::reaches(found, least) || upgrade.is_some_and(|declared| version::newest_reaches(declared, least));
        found.is_some_and(|found| !reaches(found))
    };
    at_rest || tls && too_old(version::TRANSIT_IN_PLACE) || token && too_old(version::TOKEN_CHANGE)
}

/// Reads it where a move is wanted and none is under way, once a run: a move that has begun is judged by what it does.
pub async fn preflight(
    reads: &Reads,
    spec: &ReplicationGroupSpec,
    seen: &Seen,
    found: &ReplicationGroup,
    clusters: &[CacheCluster],
) -> Option<Arc<Preflight>> {
    let names = seen.moving.names.as_ref()?;
    let source = seen.moving.source.present().filter(|source| source.given_up.is_none())?;
    if spec.migration.is_none() || !seen.moving.lock.is_absent() || !is_wanted(spec, seen) {
        return None;
    }
    let read = || async {
        // An ARN says whose it is: the group is of the manifest's account.
        let account = source.group.arn.split(':').nth(4).unwrap_or_default();
        let (subnets, taken, reserved, grants, nodes) = join!(
            subnets(reads, &source.settings.subnet_group),
            taken(reads, source, &names.source),
            reserved(reads, &source.settings.parameter_group),
            grants(reads, seen.key.present().map(|key| key.arn.as_str()), account),
            Box::pin(ask(reads, spec, seen, names, source, found)),
        );
        Ok(Preflight { subnets, taken, reserved, grants, nodes })
    };
    // Where the group's clusters are not all listed there is nothing to ask: its settings are not known then.
    let complete = found.member_clusters().iter().all(|id| clusters.iter().any(|one| one.cache_cluster_id() == Some(id.as_str())));
    if complete { reads.once_a_run(key(&names.source), read).await.ok() } else { None }
}

fn is_wanted(spec: &ReplicationGroupSpec, seen: &Seen) -> bool {
    let differs = |path: &str| {
        let field = FIELDS.iter().find(|field| field.path == path);
        field.and_then(|field| Some((field, (field.wish)(spec)?))).is_some_and(|(field, declared)| match (field.fact)(seen) {
            Fact::Unknown(_) => false,
            Fact::Absent => !field.rule.satisfied(&Value::Null, &declared),
            Fact::Present(found) => !field.rule.satisfied(&found, &declared),
        })
    };
    let at_rest = differs("atRestEncryption.enabled") || differs("atRestEncryption.kmsKeyId");
    let found = seen.members.present().map(|members| members.version.as_str());
    let upgrade = spec.engine_version.as_deref().filter(|_| differs("engineVersion"));
    let (tls, token) = (differs("transitEncryption"), differs("auth"));
    is_needed(at_rest || seen.bearer == Bearer::Standalone && (tls || token), tls, token, found, upgrade)
}

async fn subnets(reads: &Reads, name: &str) -> Fact<()> {
    if name.is_empty() {
        return Fact::Absent;
    }
    let answer = reads.elasticache().describe_cache_subnet_groups(|request| request.cache_subnet_group_name(name)).await;
    let usable = answer.map(|answer| {
        let found = answer.cache_subnet_groups().first()?;
        (found.vpc_id().is_some_and(|vpc| !vpc.is_empty()) && !found.subnets().is_empty()).then_some(())
    });
    Fact::read(usable, |error| error.class == Class::NotFound)
}

async fn taken(reads: &Reads, source: &Source, group: &str) -> Fact<usize> {
    let cluster = source.group.snapshot_source.as_deref().filter(|_| !source.settings.cluster_mode);
    let read = pages(|marker| async {
        let answer = reads
            .elasticache()
            .describe_snapshots(|request| {
                let request = request.snapshot_source("user").set_marker(marker);
                match cluster {
                    Some(cluster) => request.cache_cluster_id(cluster),
                    None => request.replication_group_id(group),
                }
            })
            .await?;
        Ok((answer.snapshots.unwrap_or_default(), answer.marker))
    });
    let since = reads.now().checked_sub(DAY).map_or(i64::MIN, |since| since.as_second());
    let counted = read.await.map(|snapshots| {
        let times = |snapshot: &aws_sdk_elasticache::types::Snapshot| {
            let made = snapshot.node_snapshots().iter().filter_map(|node| Some(node.snapshot_create_time()?.secs())).max();
            // One that says no time yet is being made.
            made.is_none_or(|made| made >= since)
        };
        Some(snapshots.iter().filter(|snapshot| times(snapshot)).count())
    });
    Fact::read(counted, |_| false)
}

async fn reserved(reads: &Reads, parameter_group: &str) -> Fact<u64> {
    match parameters(reads, parameter_group).await {
        Ok(found) => Fact::given(found.get("reserved-memory-percent").and_then(|percent| percent.value.parse().ok())),
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

/// Asks the nodes.
async fn ask(
    reads: &Reads,
    spec: &ReplicationGroupSpec,
    seen: &Seen,
    names: &Names,
    source: &Source,
    found: &ReplicationGroup,
) -> Fact<Probed> {
    let holds = spec.migration.as_ref().is_some_and(|migration| migration.gap() == WriteGap::None);
    // An engine that is too old, a group that is open to user groups alone, a token that is nowhere: said by what is planned.
    let askable = version::reaches(&source.settings.engine_version, version::HOLDS_WRITES) && !source.group.user_groups;
    if !holds || !askable || source.group.auth && (spec.auth.is_none() || seen.token.is_absent()) {
        return Fact::Absent;
    }
    let side = match nodes::side(reads, found, None).await {
        Ok(side) => side,
        Err(error) => return Fact::Unknown(Unreadable::from(&error)),
    };
    if let Some(node) = side.nodes().iter().find(|node| !reads.has_nodes_at(&node.endpoint.host)) {
        let what =
            format!("{}:{} could not be reached: the AWS inside this process has no Redis there", node.endpoint.host, node.endpoint.port);
        let finding = Finding::unread(what, "run with --sandbox=live, where a real redis-server is behind each node");
        return Fact::Present(Probed { facts: Facts::default(), findings: vec![finding] });
    }
    let token = match &seen.token {
        Fact::Present(token) if source.group.auth => match login(reads, token).await {
            Ok(token) => Some(token),
            Err(error) => return Fact::Unknown(Unreadable::from(&error)),
        },
        Fact::Unknown(why) if source.group.auth => return Fact::Unknown(why.clone()),
        _ => None,
    };
    let side = side.with_token(token.as_ref());
    let name = Name { migration: names.target.clone(), epoch: u64::from(source.epoch) + 1, role: "probe" };
    let first = side.nodes().first().map(|node| format!("{}:{}", node.endpoint.host, node.endpoint.port)).unwrap_or_default();
    let side = match tokio::time::timeout(ASKING, current(side, &name)).await {
        Ok(Ok(side)) => side,
        Ok(Err(trouble)) => return Fact::Present(Probed::silent(trouble.to_string())),
        Err(_) => return Fact::Present(Probed::silent(format!("{first} and the others did not answer within {} s", ASKING.as_secs()))),
    };
    let (facts, findings) = probe(&side, &name, Part::Source).await;
    Fact::Present(Probed { facts, findings })
}

impl Probed {
    fn silent(what: String) -> Probed {
        Probed { facts: Facts::default(), findings: vec![Finding::unread(what, super::judge::UNREACHED)] }
    }
}
