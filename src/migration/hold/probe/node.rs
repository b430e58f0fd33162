//! What one node says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::Value;

use super::allowed::try_all;
use super::{Finding, NodeFacts, Part};
use crate::migration::hold::clients::{Whose, clients, text};
use crate::migration::hold::ledger::{calls, items, writing_commands};
use crate::migration::hold::nodes::{ASKING, is_ok, migrating_slots, version_of};
use crate::migration::side::{Node, Side};
use crate::migration::wire::{Info, Link, Name, Role, WireError, version};

/// Over which the rate of changes is measured.
const RATE: Duration = Duration::from_millis(1000);
/// A replica that is further behind is not healthy.
const LAG: u64 = 64 * 1024 * 1024;
/// Of 100 bytes of maxmemory this many must be free on the source: unread replies evict its keys (rule 2).
const HEADROOM_PERCENT: u64 = 3;
/// How many keys are looked at to find one that can be dumped.
const KEYS: usize = 100;
/// A value that is dumped to see the version of payloads is no larger.
const DUMPED: i64 = 1024 * 1024;

/// Reads a node; without facts where it does not answer or is not what it is said to be.
pub(super) async fn read(side: &Side, node: &Node, us: &Name, part: Part) -> (Option<NodeFacts>, Vec<Finding>) {
    let mut findings = Vec::new();
    match read_into(side, node, us, part, &mut findings).await {
        Ok(facts) => (facts, findings),
        Err(error) => {
            findings.push(Finding::unread(error.to_string(), todo(&error)));
            (None, findings)
        }
    }
}

/// What to do about a node that could not be asked.
fn todo(error: &WireError) -> &'static str {
    match error {
        // The server's own word for a wrong password, and the library's for what came of it.
        WireError::Unreachable { why, .. } if ["WRONGPASS", "NOAUTH", "NOPERM", "uthentication"].iter().any(|word| why.contains(word)) => {
            "have the secret hold the token that is in force on the group"
        }
        WireError::Refused { code, .. } if matches!(code.as_str(), "NOAUTH" | "WRONGPASS") => {
            "declare the secret with the token that is in force on the group"
        }
        WireError::Unreachable { .. } => {
            "run holdfast where it can be reached, let the security group admit that, and see whether TLS is as AWS says"
        }
        _ => "look at the node, and try again",
    }
}

async fn read_into(side: &Side, node: &Node, us: &Name, part: Part, findings: &mut Vec<Finding>) -> Result<Option<NodeFacts>, WireError> {
    let link = Link::connect(&node.endpoint, 0, us, None).await?;
    let primary = node.role == Role::Primary;
    if link.identity.role != node.role {
        let is = if primary { "a replica" } else { "a primary" };
        findings.push(Finding::blocks(format!("{} is {is}", link.node()), "the group is failing over: wait until it is available"));
        return Ok(None);
    }
    let info = link.info("all").await?;
    let (round_trip, clock_ahead_ms) = clock(&link).await?;
    hold_possible(&link, findings);
    findings.extend(try_all(&link, primary, part).await?);
    for client in clients(&link).await.unwrap_or_default() {
        if let Whose::Later(epoch) = client.whose(us) {
            let what = format!("epoch {epoch} of this migration is at work on {}", link.node());
            findings.push(Finding::blocks(what, "another holdfast moves this group: let it finish"));
        }
    }
    let mut facts = NodeFacts {
        node: link.node().to_owned(),
        shard: node.shard,
        primary,
        version: link.identity.version.clone(),
        run_id: link.identity.run_id.clone(),
        cluster_epoch: link.identity.cluster_epoch,
        used_memory: info.number("used_memory").unwrap_or(0),
        dataset: info.number("used_memory_dataset").or_else(|| info.number("used_memory")).unwrap_or(0),
        maxmemory: info.number("maxmemory").unwrap_or(0),
        eviction: info.text("maxmemory_policy").unwrap_or("").to_owned(),
        evicted_keys: info.number("evicted_keys").unwrap_or(0),
        keys: info.databases(),
        changes: 0.0,
        round_trip,
        clock_ahead_ms,
        tracking: false,
        functions: 0,
        scripts: scripts(&info),
        modules: modules(&link, &info).await,
        payload_version: None,
    };
    replication(side, node, &link, &info, findings);
    usage(&link, &info, &facts, part, findings);
    cluster(side, node, &link, findings).await?;
    if primary {
        facts.functions = functions(&link).await;
        facts.tracking = tracking(node, us, &link, findings).await?;
        facts.payload_version = payload_version(&link).await?;
        facts.changes = rate(&link).await?;
    }
    Ok(Some(facts))
}

fn hold_possible(link: &Link, findings: &mut Vec<Finding>) {
    let engine = &link.identity.version;
    if version_of(engine) < (6, 2, 0) {
        let what = format!("{} runs {engine}, which can only hold reads and writes alike", link.node());
        findings.push(Finding::blocks(what, "upgrade the engine to 6.2 or newer first (in place), or migrate with writeGap: Accept"));
    }
}

/// The quickest round trip of several, and how far the node's clock is ahead of ours.
async fn clock(link: &Link) -> Result<(Duration, i64), WireError> {
    let mut best = (Duration::MAX, 0);
    for _ in 0..5 {
        let asked = Instant::now();
        let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let answer = link.ask(&redis::cmd("TIME"), ASKING).await?;
        let took = asked.elapsed();
        let part = |place: usize| items(&answer).get(place).and_then(text).and_then(|part| part.parse::<i64>().ok());
        let (Some(seconds), Some(micros)) = (part(0), part(1)) else { return Err(link.strange("TIME")) };
        let theirs = seconds.saturating_mul(1000).saturating_add(micros / 1000);
        let ours = i64::try_from((ours + took / 2).as_millis()).unwrap_or(i64::MAX);
        if took < best.0 {
            best = (took, theirs.saturating_sub(ours));
        }
    }
    Ok(best)
}

fn replication(side: &Side, node: &Node, link: &Link, info: &Info, findings: &mut Vec<Finding>) {
    let at = link.node();
    if node.role == Role::Replica {
        if info.text("master_link_status") != Some("up") {
            findings.push(Finding::blocks(format!("replica {at} does not follow its primary"), "wait until the group is available"));
        }
        return;
    }
    let known = side.shards.get(node.shard).map_or(0, |shard| shard.replicas.len() as u64);
    let connected = info.number("connected_slaves").unwrap_or(0);
    if known != connected {
        let what = format!("{connected} replicas are connected to {at}, and {known} are known");
        // CLUSTER SLOTS does not name a replica that nothing was sent to yet; before writes are held it is waited for all of them.
        findings.push(match side.is_cluster() && known < connected {
            true => Finding::warns(what, "nothing: every replica must be known before writes are held, and is waited for then"),
            false => Finding::blocks(what, "wait until the group is available: every replica must be held"),
        });
    }
    let offset = info.number("master_repl_offset").unwrap_or(0);
    for number in 0..connected {
        let name = format!("slave{number}");
        let Some(replica) = info.members(&name) else { continue };
        let has: u64 = replica.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        if replica.get("state") != Some(&"online") || offset.saturating_sub(has) > LAG {
            let what = format!("a replica of {at} is {} bytes behind", offset.saturating_sub(has));
            findings.push(Finding::blocks(what, "wait until it has caught up"));
        }
    }
}

fn usage(link: &Link, info: &Info, facts: &NodeFacts, part: Part, findings: &mut Vec<Finding>) {
    let at = link.node();
    if info.number("loading").is_some_and(|loading| loading != 0) {
        findings.push(Finding::blocks(format!("{at} is loading its data"), "wait until the group is available"));
    }
    let used =
        |command: &str| info.members(&format!("cmdstat_{command}")).and_then(|stats| stats.get("calls")?.parse::<u64>().ok()).unwrap_or(0);
    let random = used("randomkey");
    if facts.primary && random > 0 {
        let what = format!(
            "RANDOMKEY is in use on {at} ({random} calls): in a hold, with all keys expired, it hangs the server for good (redis#13862)"
        );
        findings.push(Finding::warns(what, "stop what uses it for the time of the cut over"));
    }
    if facts.primary && part == Part::Source && facts.scripts > 0 {
        let what = format!("scripts are in use on {at} ({} calls): their cache is not moved", facts.scripts);
        findings.push(Finding::warns(what, "applications must answer NOSCRIPT by loading them again, as client libraries do"));
    }
    let free = facts.maxmemory.saturating_sub(facts.used_memory);
    if part == Part::Source && facts.primary && facts.maxmemory > 0 && free < facts.maxmemory / 100 * HEADROOM_PERCENT {
        let what = format!("{at} has {free} bytes free of {}", facts.maxmemory);
        let todo = "free memory, or take a larger node type first: replies that wait to be read would evict keys";
        let blocks = facts.eviction != "noeviction";
        findings.push(if blocks { Finding::blocks(what, todo) } else { Finding::warns(what, todo) });
    }
    if part == Part::Target && facts.primary && facts.evicted_keys > 0 {
        let what = format!("{at} has evicted {} keys already", facts.evicted_keys);
        findings.push(Finding::warns(what, "take a larger node type: each eviction before the commit means another full pass"));
    }
}

async fn cluster(side: &Side, node: &Node, link: &Link, findings: &mut Vec<Finding>) -> Result<(), WireError> {
    let at = link.node();
    if link.identity.cluster_epoch.is_some() != side.is_cluster() {
        let is = if side.is_cluster() { "off" } else { "on" };
        findings.push(Finding::blocks(format!("cluster mode is {is} on {at}"), "holdfast was told otherwise: read the group again"));
    }
    if link.identity.cluster_epoch.is_none() || node.role == Role::Replica {
        return Ok(());
    }
    if let Some(slot) = migrating_slots(link).await?.first() {
        let what = format!("slot {slot} is on its way from or to {at}");
        findings.push(Finding::blocks(what, "wait until the cluster has finished resharding"));
    }
    let state = link.ask(redis::cmd("CLUSTER").arg("INFO"), ASKING).await?;
    let state = Info::parse(&text(&state).unwrap_or_default());
    if state.text("cluster_state") != Some("ok") {
        findings.push(Finding::blocks(format!("the cluster is not ok, says {at}"), "wait until the group is available"));
    }
    let masters = state.number("cluster_size").unwrap_or(0);
    if masters != side.shards.len() as u64 {
        let what = format!("{at} knows {masters} shards, and {} are known", side.shards.len());
        findings.push(Finding::blocks(what, "holdfast was told otherwise: read the group again"));
    }
    Ok(())
}

fn scripts(info: &Info) -> u64 {
    let stats = info.command_stats();
    ["eval", "evalsha", "eval_ro", "evalsha_ro"].iter().filter_map(|command| stats.get(*command)).map(|stats| stats.calls).sum()
}

async fn functions(link: &Link) -> u64 {
    if version_of(&link.identity.version) < (7, 0, 0) {
        return 0;
    }
    match link.ask(redis::cmd("FUNCTION").arg("LIST"), ASKING).await {
        Ok(list) => items(&list).len() as u64,
        Err(_) => 0,
    }
}

/// MODULE LIST, or where that is forbidden what INFO tells.
async fn modules(link: &Link, info: &Info) -> Vec<String> {
    let of = |entry: &Value| match entry {
        Value::Map(members) => members.iter().find(|(name, _)| text(name).as_deref() == Some("name")).and_then(|(_, name)| text(name)),
        other => items(other).chunks(2).find(|pair| pair.first().and_then(text).as_deref() == Some("name"))?.get(1).and_then(text),
    };
    match link.ask(redis::cmd("MODULE").arg("LIST"), ASKING).await {
        Ok(list) => items(&list).iter().filter_map(of).collect::<BTreeSet<_>>().into_iter().collect(),
        Err(_) => info.members("module").and_then(|module| module.get("name").map(|name| (*name).to_owned())).into_iter().collect(),
    }
}

/// Whether the node pushes changes: tried on a connection of its own, which ends here.
async fn tracking(node: &Node, us: &Name, link: &Link, findings: &mut Vec<Finding>) -> Result<bool, WireError> {
    if version_of(&link.identity.version) < (6, 0, 0) {
        return Ok(false);
    }
    let own = Link::connect(&node.endpoint, 0, us, Some(std::sync::Arc::new(|_| {}))).await?;
    let on = own.ask(redis::cmd("CLIENT").arg("TRACKING").arg("ON").arg("BCAST"), ASKING).await;
    match on {
        Ok(answer) => Ok(is_ok(&answer)),
        Err(WireError::Refused { code, message, .. }) => {
            let what = format!("{} does not push changes: {code} {message}", own.node());
            findings.push(Finding::warns(
                what,
                "allow CLIENT TRACKING for holdfast's user; without it every key is compared while writes are held",
            ));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The version in the footer of an existing key's dump: nothing is written to find it out.
async fn payload_version(link: &Link) -> Result<Option<u16>, WireError> {
    let mut cursor = "0".to_owned();
    let mut looked = 0;
    while looked < KEYS {
        let answer = match link.ask(redis::cmd("SCAN").arg(&cursor).arg("COUNT").arg(KEYS), ASKING).await {
            Ok(answer) => answer,
            // Said by the list of commands.
            Err(WireError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(next) = items(&answer).first().and_then(text) else { return Ok(None) };
        for key in items(&answer).get(1).map(items).unwrap_or_default() {
            let Value::BulkString(key) = key else { continue };
            looked += 1;
            if let Some(version) = payload_of(link, key).await? {
                return Ok(Some(version));
            }
        }
        if next == "0" {
            return Ok(None);
        }
        cursor = next;
        looked += 1;
    }
    Ok(None)
}

async fn payload_of(link: &Link, key: &[u8]) -> Result<Option<u16>, WireError> {
    // A large value is not dumped for this.
    let size = link.ask(redis::cmd("MEMORY").arg("USAGE").arg(key), ASKING).await;
    if matches!(size, Ok(Value::Int(bytes)) if bytes > DUMPED) {
        return Ok(None);
    }
    match link.ask(redis::cmd("DUMP").arg(key), ASKING).await {
        Ok(Value::BulkString(payload)) => Ok(version(&payload)),
        Ok(_) | Err(WireError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writing commands a second.
async fn rate(link: &Link) -> Result<f64, WireError> {
    let writing = match writing_commands(link).await {
        Ok(writing) => writing,
        Err(WireError::Refused { .. }) => return Ok(0.0),
        Err(error) => return Err(error),
    };
    let count = async || Ok::<u64, WireError>(calls(&link.info("commandstats").await?, &writing).values().sum());
    let (before, began) = (count().await?, Instant::now());
    tokio::time::sleep(RATE).await;
    let after = count().await?;
    Ok(after.saturating_sub(before) as f64 / began.elapsed().as_secs_f64().max(0.001))
}
