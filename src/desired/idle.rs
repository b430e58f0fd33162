//! What of selectors meets nothing: a pattern that is misspelt reads like an account in which all is well, or chooses what was to be left alone. Pure.

use std::collections::BTreeSet;

use super::Entry;
use super::selector::Chooser;
use super::speaker::Others;
use crate::kinds::{Candidate, Scope};
use crate::manifest::did_you_mean;
use crate::plan::Declared;
use crate::plan::escape::shown;

/// Things of other regions that are named in a warning; the rest is counted.
const SHOWN: usize = 5;

/// Selectors that choose nothing.
pub(super) fn selectors(entries: &[Entry], found: &[Declared]) -> Vec<String> {
    let chosen: BTreeSet<&str> = found.iter().flat_map(|one| &one.origins).map(|origin| origin.entry.as_str()).collect();
    let idle = entries.iter().filter(|entry| entry.kind.selector(&entry.spec).is_some()).map(Entry::label);
    let idle = idle.filter(|label| !chosen.contains(label.as_str()));
    idle.map(|label| format!("the selector of {label} chooses nothing that is there now: correct it, unless that is meant")).collect()
}

/// What there is for selectors to choose from.
pub(super) struct Listed<'a> {
    pub all: &'a [Candidate],
    /// What entries name, there or not.
    pub named: Vec<&'a str>,
    pub scope: &'a Scope,
    pub others: &'a Others,
}

/// Patterns that match nothing, and things of other regions that patterns match: an object is for one region, and nobody looks after those where
/// no object of the run is for theirs.
pub(super) fn patterns(selectors: &[(&Entry, Chooser)], listed: &Listed<'_>) -> Vec<String> {
    let ids: Vec<&str> = listed.all.iter().map(|one| one.id.as_str()).chain(listed.named.iter().copied()).collect();
    let mut said = Vec::new();
    for (entry, chooser) in selectors {
        let label = entry.label();
        let (names, except) = chooser.idle(&ids);
        let mean = |pattern: &str| did_you_mean(pattern, ids.iter().copied()).map_or_else(String::new, |near| format!("{} ", shown(&near)));
        // Where nothing is chosen at all, that is said of the whole selector.
        let some = listed.all.iter().any(|one| one.elsewhere.is_none() && chooser.names(&one.id));
        for pattern in names.iter().filter(|_| some) {
            let (near, pattern) = (mean(pattern), shown(pattern));
            said.push(format!(
                "\"{pattern}\" in the selector of {label} names nothing that is there now: {near}correct it, unless that is meant"
            ));
        }
        for pattern in &except {
            let (near, pattern) = (mean(pattern), shown(pattern));
            said.push(format!(
                "\"{pattern}\" under `except` of {label} names nothing that is there now, and excepts nothing: {near}correct it, unless that is meant"
            ));
        }
        said.extend(elsewhere(&label, chooser, listed));
    }
    said
}

fn elsewhere(label: &str, chooser: &Chooser, listed: &Listed<'_>) -> Option<String> {
    let unseen = |one: &Candidate| {
        let region = one.elsewhere.as_deref().filter(|region| !listed.others.are_for(&listed.scope.account, region))?;
        chooser.names(&one.id).then(|| format!("{} in {}", shown(&one.id), shown(region)))
    };
    let passed: Vec<String> = listed.all.iter().filter_map(unseen).collect();
    let first = passed.get(..passed.len().min(SHOWN)).filter(|first| !first.is_empty())?.join(", ");
    let more = if passed.len() > SHOWN { format!(" and {} more", passed.len() - SHOWN) } else { String::new() };
    let tags = if chooser.by_tags() { "; their tags were not read" } else { "" };
    Some(format!(
        "the selector of {label} passes over what it names in other regions ({first}{more}{tags}): nobody looks after it but an object for its region"
    ))
}
