//! Which commands a node takes from us: each is tried in a form that does nothing.
//!
//! COMMAND does not know of access rules, and ACL DRYRUN is not to be had before 7.0. A command that is refused because of its arguments was allowed.

use super::{Finding, Part};
use crate::migration::hold::nodes::{ASKING, version_of};
use crate::migration::wire::{Link, WireError};

/// A command, what it is needed for, and the version that it came with.
struct Needed {
    words: &'static [&'static str],
    what_for: &'static str,
    since: (u32, u32, u32),
    /// What is lost without it.
    without: Without,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    /// Nothing can be done.
    Blocks,
    /// More time is needed, or less is promised.
    Worse,
}

/// A key of ours that nobody has: its name shows whether all keys are ours to read.
const KEY: &str = "holdfast:probe:nothing";

const EVERYWHERE: &[Needed] = &[
    Needed { words: &["CLIENT", "LIST"], what_for: "seeing who is connected", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["CLIENT", "KILL", "ID", "x"], what_for: "ending late writers", since: (0, 0, 0), without: Without::Blocks },
    // Not a number: refused, after it was allowed.
    Needed { words: &["CLIENT", "PAUSE", "x", "WRITE"], what_for: "holding writes", since: (6, 2, 0), without: Without::Blocks },
    // One word too many: the same.
    Needed { words: &["CLIENT", "UNPAUSE", "x"], what_for: "releasing writes", since: (6, 2, 0), without: Without::Blocks },
    Needed { words: &["PFCOUNT", KEY], what_for: "proving the hold", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["PING"], what_for: "asking after it", since: (0, 0, 0), without: Without::Blocks },
];

const ON_PRIMARIES: &[Needed] = &[
    Needed { words: &["SCAN", "0", "COUNT", "1"], what_for: "finding keys", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["DUMP", KEY], what_for: "reading keys", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["PTTL", KEY], what_for: "reading expiries", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["TIME"], what_for: "reading expiries", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["COMMAND", "COUNT"], what_for: "the ledger", since: (0, 0, 0), without: Without::Blocks },
    // No payload at all: refused, after it was allowed.
    Needed { words: &["RESTORE", KEY, "0", "x"], what_for: "writing keys, there and back", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["UNLINK", KEY], what_for: "removing keys, there and back", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["WAIT", "0", "1"], what_for: "knowing that replicas have all", since: (0, 0, 0), without: Without::Blocks },
    Needed { words: &["FUNCTION", "STATS"], what_for: "copying functions", since: (7, 0, 0), without: Without::Blocks },
    Needed { words: &["CLIENT", "TRACKINGINFO"], what_for: "being told of changes", since: (6, 2, 0), without: Without::Worse },
];

/// Tries them all, and says what is refused.
pub(super) async fn try_all(link: &Link, primary: bool, part: Part) -> Result<Vec<Finding>, WireError> {
    let version = version_of(&link.identity.version);
    let more = if primary { ON_PRIMARIES } else { &[] };
    let needed: Vec<&Needed> = EVERYWHERE.iter().chain(more).filter(|needed| version >= needed.since).collect();
    let mut findings = Vec::new();
    for needed in needed {
        // On the source not even what does nothing may be counted as a write: the ledger of an earlier hold may be compared yet.
        let counted = matches!(needed.words, ["UNLINK" | "RESTORE", ..]);
        if counted && part == Part::Source {
            continue;
        }
        if let Some(said) = refused(link, needed.words).await? {
            findings.push(needed.missing(link.node(), &said));
        }
    }
    if primary && part == Part::Source {
        findings.extend(on_paper(link, version, ON_PRIMARIES).await?);
    }
    Ok(findings)
}

impl Needed {
    fn missing(&self, node: &str, said: &str) -> Finding {
        let name = match self.words {
            ["CLIENT" | "COMMAND" | "FUNCTION", second, ..] => format!("{} {second}", self.words.first().unwrap_or(&"")),
            words => words.first().map_or(String::new(), |word| (*word).to_owned()),
        };
        let what = format!("{node} refuses {name}, which {} needs: {said}", self.what_for);
        match self.without {
            Without::Blocks => Finding::blocks(what, "allow it for holdfast's user (ACL), or migrate with writeGap: Accept"),
            Without::Worse => {
                Finding::warns(what, "allow it for holdfast's user (ACL); without it every key is compared while writes are held")
            }
        }
    }
}

/// What the node says where the command is not allowed or not there.
async fn refused(link: &Link, words: &[&str]) -> Result<Option<String>, WireError> {
    let mut command = redis::cmd(words.first().unwrap_or(&"PING"));
    for word in words.iter().skip(1) {
        command.arg(*word);
    }
    match link.ask(&command, ASKING).await {
        Ok(_) => Ok(None),
        Err(WireError::Refused { code, message, .. }) => Ok(is_missing(&code, &message).then(|| format!("{code} {message}"))),
        Err(error) => Err(error),
    }
}

fn is_missing(code: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    code == "NOPERM" || message.contains("unknown command") || (message.contains("unknown subcommand") && !message.contains("wrong number"))
}

/// For those that may not even be tried: COMMAND INFO knows whether the node has it, and ACL DRYRUN (7.0) whether we may.
async fn on_paper(link: &Link, version: (u32, u32, u32), needed: &[Needed]) -> Result<Vec<Finding>, WireError> {
    let mut findings = Vec::new();
    let who = link.ask(redis::cmd("ACL").arg("WHOAMI"), ASKING).await;
    for needed in needed.iter().filter(|needed| matches!(needed.words, ["UNLINK" | "RESTORE", ..])) {
        let Some(name) = needed.words.first() else { continue };
        let known = link.ask(redis::cmd("COMMAND").arg("INFO").arg(*name), ASKING).await;
        let is_there = match &known {
            Ok(answer) => super::super::ledger::items(answer).first().is_some_and(|entry| !matches!(entry, redis::Value::Nil)),
            Err(_) => true,
        };
        if !is_there {
            findings.push(needed.missing(link.node(), "unknown command"));
            continue;
        }
        let Some(user) = who.as_ref().ok().and_then(super::super::clients::text) else { continue };
        if version < (7, 0, 0) {
            continue;
        }
        let mut dry = redis::cmd("ACL");
        dry.arg("DRYRUN").arg(user);
        for word in needed.words {
            dry.arg(*word);
        }
        // Who may not ask is not told: it is found out before the first write, on the target.
        if let Ok(answer) = link.ask(&dry, ASKING).await
            && let Some(said) = super::super::clients::text(&answer)
            && said != "OK"
        {
            findings.push(needed.missing(link.node(), &said));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_its_arguments_was_allowed() {
        for (code, message, missing) in [
            ("NOPERM", "this user has no permissions to run the 'client|pause' command", true),
            ("NOPERM", "this user has no permissions to access one of the keys used as arguments", true),
            ("ERR", "unknown command 'DUMP'", true),
            ("ERR", "unknown subcommand 'tracking'. Try CLIENT HELP.", true),
            // 6.2's way to say that the number of arguments is wrong.
            ("ERR", "Unknown subcommand or wrong number of arguments for 'unpause'. Try CLIENT HELP.", false),
            ("ERR", "wrong number of arguments for 'client|unpause' command", false),
            ("ERR", "timeout is not an integer or out of range", false),
            ("ERR", "DUMP payload version or checksum are wrong", false),
        ] {
            assert_eq!(is_missing(code, message), missing, "{message}");
        }
    }
}
