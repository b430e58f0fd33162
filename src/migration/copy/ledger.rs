//! What the servers count: writes on the target that are not ours, keys that it evicted, databases of the source that were swapped (rules 6, 7, 19).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::Value;

use super::life::Life;
use super::nodes::{Nodes, SHORT, Use, text};
use super::trouble::Trouble;

/// How often each command ran on a node, or was refused.
pub type Calls = BTreeMap<String, u64>;

/// The account of the writes on the target: what it counts, and what we sent.
#[derive(Debug)]
pub struct Ledger {
    shards: Vec<Mutex<Account>>,
}

#[derive(Debug, Default)]
struct Account {
    /// The commands that write, by COMMAND.
    writing: BTreeSet<String>,
    /// What the node had counted when the account was opened.
    before: Calls,
    /// What was sent by us since.
    ours: Calls,
}

impl Ledger {
    pub fn new(shards: usize) -> Ledger {
        Ledger { shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    fn account(&self, shard: usize) -> Option<MutexGuard<'_, Account>> {
        Some(self.shards.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the account anew. Nothing of ours may be in flight.
    pub async fn begin(&self, target: &Nodes) -> Result<(), Trouble> {
        for shard in 0..self.shards.len() {
            let link = target.link(shard, 0, Use::Ask).await?;
            let known = self.account(shard).is_some_and(|account| !account.writing.is_empty());
            let writing = if known { None } else { Some(writing(&link.ask(&redis::cmd("COMMAND"), SHORT).await?)) };
            let before = calls(target, shard).await?;
            if let Some(mut account) = self.account(shard) {
                if let Some(writing) = writing {
                    account.writing = writing;
                }
                account.before = before;
                account.ours = Calls::new();
            }
        }
        Ok(())
    }

    /// These commands are about to be sent.
    pub fn sends(&self, shard: usize, command: &str, times: u64) {
        if times > 0
            && let Some(mut account) = self.account(shard)
        {
            *account.ours.entry(command.to_owned()).or_default() += times;
        }
    }

    /// What we sent to a shard since the account was opened: rule 19 compares it with what the node counts.
    pub fn ours(&self, shard: usize) -> Calls {
        self.account(shard).map(|account| account.ours.clone()).unwrap_or_default()
    }

    /// How many commands we sent, altogether.
    pub fn sent(&self) -> u64 {
        (0..self.shards.len()).map(|shard| self.ours(shard).values().sum::<u64>()).sum()
    }

    /// The writes that are not ours, in words; nothing where there are none. Nothing of ours may be in flight.
    pub async fn foreign(&self, target: &Nodes) -> Result<Option<(String, String)>, Trouble> {
        for shard in 0..self.shards.len() {
            let now = calls(target, shard).await?;
            if let Some(account) = self.account(shard)
                && let Some(foreign) = account.foreign(&now)
            {
                return Ok(Some((target.node(shard), foreign)));
            }
        }
        Ok(None)
    }
}

impl Account {
    fn foreign(&self, now: &Calls) -> Option<String> {
        let count = |calls: &Calls, command: &str| calls.get(command).copied().unwrap_or(0);
        let others = now.iter().filter(|(command, _)| self.writes(command)).filter_map(|(command, now)| {
            let expected = count(&self.before, command).saturating_add(count(&self.ours, command));
            (*now != expected).then(|| format!("{command} {now} times, of which {expected} are known"))
        });
        // A counter that was there and is not any more was reset: nothing can be said.
        let reset =
            self.ours.keys().filter(|command| !now.contains_key(*command)).map(|command| format!("the count of {command} was reset"));
        let all: Vec<String> = others.chain(reset).take(5).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    fn writes(&self, command: &str) -> bool {
        let name = command.split('|').next().unwrap_or(command);
        self.writing.contains(command) || (self.writing.contains(name) && !command.contains('|'))
    }
}

/// The commands with the flag `write` in COMMAND's answer; subcommands as `xgroup|create`.
fn writing(answer: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let items = |value: &Value| match value {
        Value::Array(items) | Value::Set(items) => items.clone(),
        _ => Vec::new(),
    };
    let mut left = items(answer);
    while let Some(command) = left.pop() {
        let parts = items(&command);
        let writes = parts.get(2).map(items).unwrap_or_default().iter().any(|flag| text(flag).as_deref() == Some("write"));
        if let (true, Some(name)) = (writes, parts.first().and_then(text)) {
            names.insert(name.to_lowercase());
        }
        // 7.0: the subcommands are the last of ten members.
        left.extend(parts.get(9).map(items).unwrap_or_default());
    }
    names
}

async fn calls(nodes: &Nodes, shard: usize) -> Result<Calls, Trouble> {
    let info = nodes.link(shard, 0, Use::Ask).await?.info("commandstats").await?;
    Ok(info.command_stats().into_iter().map(|(command, stats)| (command, stats.calls.saturating_add(stats.rejected))).collect())
}

/// What a pass notes when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// SWAPDB calls, by shard of the source: it pushes nothing.
    swapped: Vec<u64>,
    /// Evicted keys, by shard of the target.
    evicted: Vec<u64>,
}

impl Life {
    async fn count_now(&self) -> Result<Noted, Trouble> {
        let mut noted = Noted::default();
        for shard in 0..self.source.shards() {
            let calls = calls(&self.source, shard).await?;
            noted.swapped.push(calls.get("swapdb").copied().unwrap_or(0));
        }
        for shard in 0..self.target.shards() {
            let info = self.target.link(shard, 0, Use::Ask).await?.info("stats").await?;
            noted.evicted.push(info.number("evicted_keys").unwrap_or(0));
        }
        Ok(noted)
    }

    /// Notes what the servers have counted: the pass that follows sees everything that is counted by now.
    pub async fn note(&self) -> Result<(), Trouble> {
        let mut noted = self.noted.lock().await;
        *noted = self.count_now().await?;
        Ok(())
    }

    /// Marks everything where databases were swapped on the source, or keys evicted on the target, since this was asked last, or a pass began. Says
    /// whether.
    pub async fn counts_moved(&self) -> Result<Option<Moved>, Trouble> {
        let rules = self.shared.settings.rules;
        let mut noted = self.noted.lock().await;
        let now = self.count_now().await?;
        // Said once: the pass that is asked for sees all that is counted by now.
        let was = std::mem::replace(&mut *noted, now.clone());
        let swapped = rules.follows(6) && now.swapped != was.swapped;
        let evicted = now.evicted.iter().zip(&was.evicted).enumerate().find(|(_, (now, was))| now != was);
        let moved = match evicted.filter(|_| rules.follows(7)) {
            Some((shard, (now, was))) => Some(Moved::Evicted { node: self.target.node(shard), keys: now.saturating_sub(*was) }),
            None => swapped.then_some(Moved::Swapped),
        };
        if moved.is_some() {
            self.marks.mark_everything();
        }
        Ok(moved)
    }
}

/// What has moved that nobody pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    Swapped,
    Evicted { node: String, keys: u64 },
}

/// Waits until the replicas of each primary of the target have all that was written (rule 7), no longer than so.
pub async fn replicas_have_all(target: &Nodes, within: Duration) -> Result<(), Trouble> {
    futures::future::try_join_all((0..target.shards()).map(|shard| shard_has_all(target, shard, within))).await.map(|_| ())
}

async fn shard_has_all(target: &Nodes, shard: usize, within: Duration) -> Result<(), Trouble> {
    let began = Instant::now();
    let link = target.link(shard, 0, Use::Ask).await?;
    let expected = target.side.shards.get(shard).map_or(0, |shard| shard.replicas.len());
    let written = link.info("replication").await?.number("master_repl_offset").unwrap_or(0);
    // A connection's WAIT is about its own last write: this one has none, and is answered at once. The writers' own make the replicas say where they are.
    target.wait(shard, expected, within).await?;
    loop {
        let info = link.info("replication").await?;
        let offset = |(number, _): (&str, &str)| info.members(&format!("slave{number}"))?.get("offset")?.parse::<u64>().ok();
        let have = info.below("slave").filter_map(offset).filter(|offset| *offset >= written).count();
        if have >= expected {
            return Ok(());
        }
        if began.elapsed() >= within {
            return Err(Trouble::Replicas { node: target.node(shard), acknowledged: have, replicas: expected });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_write_are_found_with_their_subcommands() {
        let word = |word: &str| Value::SimpleString(word.to_owned());
        let command = |name: &str, flags: &[&str], subcommands: Vec<Value>| {
            let mut parts = vec![Value::BulkString(name.as_bytes().to_vec()), Value::Int(2)];
            parts.push(Value::Set(flags.iter().map(|flag| word(flag)).collect()));
            parts.extend((0..6).map(|_| Value::Nil));
            parts.push(Value::Array(subcommands));
            Value::Array(parts)
        };
        let answer = Value::Array(vec![
            command("set", &["write", "denyoom"], vec![]),
            command("get", &["readonly"], vec![]),
            command("xgroup", &[], vec![command("xgroup|create", &["write"], vec![]), command("xgroup|help", &[], vec![])]),
        ]);
        assert_eq!(writing(&answer), BTreeSet::from(["set".to_owned(), "xgroup|create".to_owned()]));
        assert!(writing(&Value::Nil).is_empty());
    }

    #[test]
    fn writes_of_others_are_told_from_ours() {
        let calls = |calls: &[(&str, u64)]| -> Calls { calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect() };
        let account = Account {
            writing: ["set", "restore", "xgroup|create"].map(str::to_owned).into(),
            before: calls(&[("set", 3), ("get", 9)]),
            ours: calls(&[("restore", 5)]),
        };
        assert_eq!(account.foreign(&calls(&[("set", 3), ("restore", 5), ("get", 10)])), None);
        let foreign = account.foreign(&calls(&[("set", 4), ("restore", 5)])).unwrap();
        assert_eq!(foreign, "set 4 times, of which 3 are known");
        assert!(account.foreign(&calls(&[("set", 3), ("restore", 5), ("xgroup|create", 1)])).is_some());
        assert_eq!(account.foreign(&calls(&[("set", 3)])).unwrap(), "the count of restore was reset");
    }
}
