//! What a side had done when it was held: the evidence, later, that nobody wrote on it since.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::Value;
use serde::{Deserialize, Serialize};

use super::nodes::Nodes;
use crate::hex::sha256;
use crate::migration::wire::{Info, Link, WireError};

/// COMMAND answers some 200 kB.
const ASKING: Duration = Duration::from_secs(10);

/// What every primary of a side has counted so far. It goes into a journal, and is compared with a later one, by another process perhaps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// By node, as `host:port`.
    pub nodes: BTreeMap<String, Counted>,
}

/// What one primary has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Another one: another process, whose counters say nothing of this one's.
    pub run_id: String,
    /// How often each writing command ran, in scripts and in EXEC too (`INFO commandstats`). Held commands have not run.
    pub calls: BTreeMap<String, u64>,
    /// `rdb_changes_since_last_save`. Begins anew when a snapshot is saved: that it became smaller says nothing.
    pub changes: u64,
}

/// What the copier writes with: all that it sends, but for keys that are too large for one payload.
pub const COPIED_WITH: [&str; 4] = ["restore", "unlink", "function|restore", "function|delete"];

/// The writing commands that we sent ourselves: counted apart from others' (rule 19).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnWrites(pub BTreeMap<String, u64>);

impl Ledger {
    /// Reads it from all primaries.
    pub async fn read(nodes: &Nodes) -> Result<Ledger, WireError> {
        let counted = nodes.primaries.iter().map(|node| async move {
            let counted = Counted::read(&node.link).await?;
            Ok::<_, WireError>((node.link.node().to_owned(), counted))
        });
        Ok(Ledger { nodes: futures::future::try_join_all(counted).await?.into_iter().collect() })
    }

    /// Equal where nobody wrote in between, `without` these commands: what fits where a ledger does not. Without `changes`, which begin anew when a
    /// snapshot is saved.
    pub fn digest(&self, without: &[&str]) -> String {
        let mut text = String::new();
        for (node, counted) in &self.nodes {
            text.push_str(&format!("{node} {}\n", counted.run_id));
            for (command, calls) in counted.calls.iter().filter(|(command, calls)| **calls > 0 && !without.contains(&command.as_str())) {
                text.push_str(&format!("{command} {calls}\n"));
            }
        }
        sha256(text)
    }

    /// What happened since then, in words; nothing where nobody wrote.
    pub fn changed_since(&self, then: &Ledger) -> Vec<String> {
        self.changed_beyond(then, &OwnWrites::default())
    }

    /// What happened since then beside our own writes, in words.
    pub fn changed_beyond(&self, then: &Ledger, own: &OwnWrites) -> Vec<String> {
        let mut said = Vec::new();
        let mut more: BTreeMap<&str, u64> = BTreeMap::new();
        for (node, was) in &then.nodes {
            let Some(now) = self.nodes.get(node) else {
                said.push(format!("{node} is no primary any more"));
                continue;
            };
            if now.run_id != was.run_id {
                said.push(format!("{node}: another process answers than then"));
                continue;
            }
            let before = |command: &str| was.calls.get(command).copied().unwrap_or(0);
            if was.calls.iter().any(|(command, calls)| now.calls.get(command).copied().unwrap_or(0) < *calls) {
                said.push(format!("{node}: its counters were set back, so that they prove nothing"));
                continue;
            }
            let ran: Vec<(&str, u64)> = now
                .calls
                .iter()
                .filter_map(|(command, calls)| Some((command.as_str(), calls.checked_sub(before(command))?)).filter(|(_, more)| *more > 0))
                .collect();
            for (command, count) in &ran {
                *more.entry(command).or_default() += count;
                if own.0.is_empty() {
                    said.push(format!("{node}: {} ran {}", command.to_uppercase(), times(*count)));
                }
            }
            // With our own writes among them the number of changes tells nothing: one command may change much.
            if own.0.is_empty() && ran.is_empty() && now.changes > was.changes {
                said.push(format!("{node}: its data changed ({} changes since the last save, then {})", now.changes, was.changes));
            }
        }
        for node in self.nodes.keys().filter(|node| !then.nodes.contains_key(*node)) {
            said.push(format!("{node} is a primary that was none then"));
        }
        if !own.0.is_empty() {
            let commands: BTreeSet<&str> = more.keys().copied().chain(own.0.keys().map(String::as_str)).collect();
            for command in commands {
                let (ran, ours) = (more.get(command).copied().unwrap_or(0), own.0.get(command).copied().unwrap_or(0));
                // Fewer: what we sent was refused, or did not arrive.
                if ran > ours {
                    said.push(format!("{} ran {}, of which {ours} were ours", command.to_uppercase(), times(ran)));
                }
            }
        }
        said
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

impl Counted {
    async fn read(link: &Link) -> Result<Counted, WireError> {
        let writing = writing_commands(link).await?;
        let persistence = link.info("persistence").await?;
        let stats = link.info("commandstats").await?;
        let run_id = link.info("server").await?.text("run_id").map(str::to_owned).ok_or_else(|| link.strange("INFO"))?;
        Ok(Counted { run_id, calls: calls(&stats, &writing), changes: persistence.number("rdb_changes_since_last_save").unwrap_or(0) })
    }
}

/// How often each of these ran.
pub(super) fn calls(stats: &Info, of: &BTreeSet<String>) -> BTreeMap<String, u64> {
    let stats = stats.command_stats().into_iter().filter(|(command, stats)| stats.calls > 0 && of.contains(command));
    stats.map(|(command, stats)| (command, stats.calls)).collect()
}

/// The commands of this node that write, by the node's own account: those of modules too, and those renamed under the names that
/// commandstats counts them by.
pub async fn writing_commands(link: &Link) -> Result<BTreeSet<String>, WireError> {
    let answer = link.ask(&redis::cmd("COMMAND"), ASKING).await?;
    let mut writing = BTreeSet::new();
    collect(&answer, &mut writing);
    if writing.is_empty() { Err(link.strange("COMMAND")) } else { Ok(writing) }
}

/// An entry is name, arity, flags and more; from 7.0 on the tenth member are its subcommands, in the same form.
fn collect(entries: &Value, writing: &mut BTreeSet<String>) {
    for entry in items(entries) {
        let members = items(entry);
        let name = members.first().and_then(word);
        let writes = members.get(2).is_some_and(|flags| items(flags).iter().any(|flag| word(flag).as_deref() == Some("write")));
        if let (Some(name), true) = (name, writes) {
            writing.insert(name.to_lowercase());
        }
        if let Some(subcommands) = members.get(9) {
            collect(subcommands, writing);
        }
    }
}

pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        _ => &[],
    }
}

pub(super) fn word(value: &Value) -> Option<String> {
    super::clients::text(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(run_id: &str, calls: &[(&str, u64)], changes: u64) -> Ledger {
        let calls = calls.iter().map(|(command, calls)| ((*command).to_owned(), *calls)).collect();
        Ledger { nodes: BTreeMap::from([("a:1".to_owned(), Counted { run_id: run_id.to_owned(), calls, changes })]) }
    }

    #[test]
    fn a_ledger_says_what_happened() {
        let then = ledger("x", &[("set", 5)], 9);
        let said = |now: Ledger| now.changed_since(&then);
        assert_eq!(said(then.clone()), [""; 0]);
        assert_eq!(said(ledger("x", &[("set", 6), ("xgroup|create", 2)], 9)), ["a:1: SET ran once", "a:1: XGROUP|CREATE ran 2 times"]);
        assert_eq!(said(ledger("x", &[("set", 5)], 10)), ["a:1: its data changed (10 changes since the last save, then 9)"]);
        assert_eq!(said(ledger("y", &[("set", 5)], 9)), ["a:1: another process answers than then"]);
        assert_eq!(said(ledger("x", &[("set", 1)], 9)), ["a:1: its counters were set back, so that they prove nothing"]);
        // A snapshot between them, which began before or after the hold.
        assert_eq!(said(ledger("x", &[("set", 5)], 0)), [""; 0]);
        assert_eq!(said(ledger("x", &[("set", 5)], 3)), [""; 0]);
        assert_eq!(said(Ledger::default()), ["a:1 is no primary any more"]);
        assert_eq!(then.changed_since(&Ledger::default()), ["a:1 is a primary that was none then"]);
    }

    #[test]
    fn our_own_writes_are_counted_apart() {
        let then = ledger("x", &[("set", 5)], 9);
        let now = ledger("x", &[("restore", 3), ("set", 5)], 12);
        let own = |count| OwnWrites(BTreeMap::from([("restore".to_owned(), count)]));
        assert_eq!(now.changed_beyond(&then, &own(3)), [""; 0]);
        assert_eq!(now.changed_beyond(&then, &own(2)), ["RESTORE ran 3 times, of which 2 were ours"]);
        assert_eq!(now.changed_beyond(&then, &own(4)), [""; 0]);
        let late = ledger("x", &[("restore", 3), ("set", 6)], 13);
        assert_eq!(late.changed_beyond(&then, &own(3)), ["SET ran once, of which 0 were ours"]);
    }

    #[test]
    fn a_digest_is_another_where_somebody_wrote() {
        let then = ledger("x", &[("restore", 7), ("set", 5)], 9);
        let (all, others) = (then.digest(&[]), then.digest(&COPIED_WITH));
        assert_eq!(all.len(), 64);
        assert_ne!(all, others);
        // A snapshot was saved in between; a command that never ran is counted as one that is not counted.
        assert_eq!(ledger("x", &[("del", 0), ("restore", 7), ("set", 5)], 0).digest(&[]), all);
        for changed in [
            ledger("y", &[("restore", 7), ("set", 5)], 9),
            ledger("x", &[("restore", 7), ("set", 6)], 9),
            ledger("x", &[("restore", 7), ("set", 5), ("sets", 1)], 9),
            ledger("x", &[("restore", 7), ("hset", 5)], 9),
            Ledger::default(),
        ] {
            assert!(changed.digest(&[]) != all && changed.digest(&COPIED_WITH) != others, "{changed:?}");
        }
        // The copier's own writes, on a way back that another process began.
        let copied = ledger("x", &[("restore", 9), ("set", 5), ("unlink", 1)], 9);
        assert!(copied.digest(&[]) != all && copied.digest(&COPIED_WITH) == others);
    }

    #[test]
    fn a_ledger_goes_through_a_journal() {
        let then = ledger("x", &[("set", 5)], 9);
        let text = serde_json::to_string(&then).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), then);
    }
}
