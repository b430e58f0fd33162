//! A trial on the new target, before any consumer has it: that what the promise rests on holds on this very build. Nothing of it is documented by AWS.
//!
//! Several connections write keys of ours while the target is held, extended and released. Every acknowledged write must have been pushed, no write may be
//! acknowledged in the hold, and no sentinel may answer.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{PushInfo, PushKind, Value};
use tokio::task::JoinHandle;

use super::clients::client;
use super::ledger::{Ledger, items, word};
use super::nodes::{ASKING, is_ok};
use super::pause::{Failing, Hold};
use super::{Finding, HoldError};
use crate::migration::side::{Rules, Side};
use crate::migration::slot;
use crate::migration::wire::{Endpoint, Link, Name, Pushes, WireError};

/// Connections that write, a shard.
const WRITERS: usize = 4;
/// How long they write before the hold.
const WRITING: Duration = Duration::from_millis(200);
/// How long the hold is looked at.
const HOLDING: Duration = Duration::from_millis(300);
/// The hold, should this process die in it.
const LENGTH: Duration = Duration::from_secs(20);
/// Keys of ours end by themselves, should this process die.
const EXPIRY: Duration = Duration::from_secs(600);
/// How many different keys a writer writes.
const KEYS: usize = 1000;

/// What the trial found.
#[derive(Clone, Debug, PartialEq)]
pub struct Stressed {
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// What does not hold; empty: all of it holds.
    pub findings: Vec<Finding>,
}

struct Writer {
    link: Link,
    acknowledged: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<Result<(), WireError>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listener {
    link: Link,
    pushed: Arc<Mutex<HashSet<Vec<u8>>>>,
}

/// Tries it. The side must have no consumer: it is held for less than a second, and may be held longer where something does not hold.
pub async fn stress(side: &Side, us: &Name, rules: Rules) -> Result<Stressed, HoldError> {
    let us = us.for_role("trial");
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let (mut listeners, mut writers, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    for shard in &side.shards {
        match listen(&shard.primary, &us).await? {
            Ok(listener) => listeners.push(listener),
            Err(finding) => findings.push(finding),
        }
        let tag = (0..1_000_000u32).map(|number| number.to_string()).find(|tag| shard.holds(slot::of(tag.as_bytes())));
        let tag = tag.unwrap_or_default();
        for number in 0..WRITERS {
            let prefix = format!("holdfast:{}:trial:{{{tag}}}:{number}:", us.migration);
            writers.push(Writer::start(&shard.primary, &us, prefix, Arc::clone(&stop), Arc::clone(&count)).await?);
        }
    }
    tokio::time::sleep(WRITING).await;
    let mut hold = Hold::take(side, &us, LENGTH, rules, Failing::Releases).await?;
    let held = watch_held(&mut hold, &writers, &count, &mut findings).await;
    if held.is_ok() {
        pushes_are_complete(&listeners, &writers, &mut findings).await?;
    }
    stop.store(true, Ordering::SeqCst);
    let released = hold.release().await;
    for node in released.silent {
        findings.push(refused(format!("{node} was not released"), "look at the node, and try again"));
    }
    for writer in &mut writers {
        // Held writes go through now.
        if !matches!(tokio::time::timeout(ASKING, &mut writer.task).await, Ok(Ok(Ok(())))) {
            findings
                .push(refused(format!("a held write was not answered by {} after the release", writer.link.node()), "look at the node"));
        }
    }
    let acknowledged = count.load(Ordering::SeqCst);
    clear(&writers).await?;
    held?;
    Ok(Stressed { acknowledged, findings })
}

fn refused(what: String, what_to_do: &str) -> Finding {
    let what_to_do = format!("writeGap: None is not to be had on this engine build: {what_to_do}");
    Finding { what, blocks: true, unread: false, what_to_do }
}

async fn listen(to: &Endpoint, us: &Name) -> Result<Result<Listener, Finding>, WireError> {
    let pushed: Arc<Mutex<HashSet<Vec<u8>>>> = Arc::default();
    let keep = Arc::clone(&pushed);
    let pushes: Pushes = Arc::new(move |push: PushInfo| {
        if push.kind == PushKind::Invalidate {
            let mut keep = keep.lock().unwrap_or_else(PoisonError::into_inner);
            for key in push.data.iter().flat_map(items) {
                if let Value::BulkString(key) = key {
                    keep.insert(key.clone());
                }
            }
        }
    });
    let link = Link::connect(to, 0, us, Some(pushes)).await?;
    let on = link.ask(redis::cmd("CLIENT").arg("TRACKING").arg("ON").arg("BCAST"), ASKING).await;
    let said = match on {
        Ok(answer) if is_ok(&answer) => None,
        Ok(_) => Some("an answer that makes no sense".to_owned()),
        Err(WireError::Refused { message, .. }) => Some(message),
        Err(error) => return Err(error),
    };
    if let Some(said) = said {
        let what = format!("{} does not push changes: {said}", link.node());
        return Ok(Err(refused(what, "allow CLIENT TRACKING")));
    }
    let info = link.ask(redis::cmd("CLIENT").arg("TRACKINGINFO"), ASKING).await?;
    if !says_broadcast(&info) {
        let what = format!("{} says OK to CLIENT TRACKING, and does not track", link.node());
        return Ok(Err(refused(what, "ask AWS what this build does")));
    }
    Ok(Ok(Listener { link, pushed }))
}

/// Whether TRACKINGINFO has the flags `on` and `bcast`.
fn says_broadcast(info: &Value) -> bool {
    let flags: Vec<String> = match info {
        Value::Map(members) => members.iter().flat_map(|(_, value)| items(value)).filter_map(word).collect(),
        other => items(other).iter().flat_map(items).filter_map(word).collect(),
    };
    ["on", "bcast"].iter().all(|flag| flags.iter().any(|known| known == flag))
}

impl Writer {
    async fn start(to: &Endpoint, us: &Name, prefix: String, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Result<Writer, WireError> {
        let link = Link::connect(to, 0, us, None).await?;
        let acknowledged: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (writing, keep) = (link.clone(), Arc::clone(&acknowledged));
        let task = tokio::spawn(async move {
            for number in 0usize.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let key = format!("{prefix}{}", number % KEYS);
                let mut write = redis::cmd("SET");
                write.arg(&key).arg(number).arg("PX").arg(EXPIRY.as_millis() as u64);
                writing.ask(&write, 2 * LENGTH).await?;
                count.fetch_add(1, Ordering::SeqCst);
                let mut keep = keep.lock().unwrap_or_else(PoisonError::into_inner);
                if number < KEYS {
                    keep.push(key.into_bytes());
                }
            }
            Ok(())
        });
        Ok(Writer { link, acknowledged, task })
    }

    fn keys(&self) -> Vec<Vec<u8>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks at the hold while everyone goes on trying to write.
async fn watch_held(hold: &mut Hold, writers: &[Writer], count: &AtomicUsize, findings: &mut Vec<Finding>) -> Result<(), HoldError> {
    // What was acknowledged before the hold is taken off the wire first: then each writer waits.
    for writer in writers {
        let node = hold.nodes().primaries.iter().find(|node| node.link.node() == writer.link.node());
        let Some(node) = node else { continue };
        let until = tokio::time::Instant::now() + ASKING;
        while !client(&node.link, writer.link.id).await?.is_some_and(|client| client.waits()) {
            if tokio::time::Instant::now() >= until {
                findings.push(refused(format!("{} takes writes in the hold", node.link.node()), "ask AWS what this build does"));
                return Ok(());
            }
        }
    }
    let ledger = Ledger::read(hold.nodes()).await?;
    let acknowledged = count.load(Ordering::SeqCst);
    tokio::time::sleep(HOLDING).await;
    if let Err(error) = hold.extend(LENGTH).await {
        findings.push(refused(error.to_string(), "ask AWS what this build does"));
    }
    tokio::time::sleep(HOLDING).await;
    let said = Ledger::read(hold.nodes()).await?.changed_since(&ledger);
    let slipped = count.load(Ordering::SeqCst).saturating_sub(acknowledged);
    // Half a second in a hold: an answer that was on its way is no longer.
    if slipped > 0 || !said.is_empty() {
        findings
            .push(refused(format!("{slipped} writes were acknowledged in the hold: {}", said.join("; ")), "ask AWS what this build does"));
    }
    match hold.prove().await {
        Ok(()) => Ok(()),
        Err(error @ (HoldError::Broken(_) | HoldError::NotHeld { .. })) => {
            findings.push(refused(error.to_string(), "ask AWS what this build does"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Every write that was acknowledged must have been pushed by the time that a PING on the listening connection is answered.
async fn pushes_are_complete(listeners: &[Listener], writers: &[Writer], findings: &mut Vec<Finding>) -> Result<(), WireError> {
    for listener in listeners {
        listener.link.ask(&redis::cmd("PING"), ASKING).await?;
        let pushed = listener.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writers.iter().filter(|writer| writer.link.node() == listener.link.node()).flat_map(Writer::keys);
        let (mut all, mut missing) = (0usize, 0usize);
        for key in written {
            all += 1;
            missing += usize::from(!pushed.contains(&key));
        }
        if missing > 0 || all == 0 {
            let what = format!("{} pushed all but {missing} of {all} keys that were written", listener.link.node());
            findings.push(refused(what, "ask AWS what this build does"));
        }
    }
    Ok(())
}

/// Removes what the trial wrote.
async fn clear(writers: &[Writer]) -> Result<(), WireError> {
    for writer in writers {
        let mut pipeline = redis::pipe();
        for key in writer.keys() {
            pipeline.cmd("UNLINK").arg(key);
        }
        let answers = writer.link.ask_all(&pipeline, ASKING).await?;
        if let Some(error) = answers.iter().find_map(|answer| writer.link.refusal("UNLINK", answer)) {
            return Err(error);
        }
    }
    Ok(())
}
