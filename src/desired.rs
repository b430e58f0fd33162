//! From a manifest to the resources that it speaks for: entries read, selectors resolved, wishes that meet on one thing merged or composed.
//!
//! Resolving selectors asks AWS what there is; everything else here is pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use wildmatch::WildMatch;

use crate::aws::Reads;
use crate::kinds::{AnyKind, AnySpec, Block, Candidate, Fact, Key, Multiplicity, Reason, Scope, Selector, SpecProblem, registry};
use crate::manifest::AwsBaseline;
use crate::plan::{Declared, Origin};

/// One entry of a manifest, read by its kind.
#[derive(Clone)]
pub struct Entry {
    pub kind: &'static dyn AnyKind,
    pub spec: AnySpec,
    pub value: Value,
    /// The logical name.
    pub name: String,
    /// Where it stands: `spec.s3.buckets[0]`.
    pub path: String,
}

impl Entry {
    /// `s3.buckets/assets`.
    pub fn label(&self) -> String {
        Key::new(self.kind.path(), self.name.clone()).to_string()
    }
}

/// An entry that its kind cannot read, or that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The path of the field in the manifest.
    pub path: String,
    pub message: String,
    pub expected: String,
}

/// Reads the entries of an object, kind by kind. What is wrong with one is said, and the others are kept (contract 14).
pub fn entries(object: &AwsBaseline, scope: &Scope) -> (Vec<Entry>, Vec<Wrong>) {
    let mut entries = Vec::new();
    let mut wrong = Vec::new();
    for kind in registry() {
        let Some((group, list)) = kind.path().split_once('.') else { continue };
        let Some(value) = object.spec.resources.get(group).and_then(|group| group.get(list)) else { continue };
        let values: Vec<(String, &Value)> = match (kind.shape(), value) {
            (Multiplicity::Composed, _) => continue,
            (Multiplicity::One, value) => vec![(format!("spec.{group}.{list}"), value)],
            (Multiplicity::Many, Value::Array(values)) => {
                values.iter().enumerate().map(|(at, value)| (format!("spec.{group}.{list}[{at}]"), value)).collect()
            }
            (Multiplicity::Many, _) => {
                wrong.push(Wrong { path: format!("spec.{group}.{list}"), message: "not a list".to_owned(), expected: "a list".to_owned() });
                continue;
            }
        };
        for (path, value) in values {
            match kind.spec(value.clone()) {
                Ok(spec) => {
                    let problems = kind.problems(&spec, scope);
                    if problems.is_empty() {
                        let name = kind.wish(spec.clone(), scope).name;
                        entries.push(Entry { kind: *kind, spec, value: value.clone(), name, path: path.clone() });
                    }
                    wrong.extend(problems.into_iter().map(|SpecProblem { path: field, message, expected }| Wrong {
                        path: if field.is_empty() { path.clone() } else { format!("{path}.{field}") },
                        message,
                        expected,
                    }));
                }
                Err(message) => wrong.push(Wrong { path, message, expected: format!("what `holdfast explain {}` shows", kind.path()) }),
            }
        }
    }
    (entries, wrong)
}

/// Which resources a run looks at: `--only` and `--skip`.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub only: Vec<String>,
    pub skip: Vec<String>,
}

impl Choice {
    fn admits(&self, declared: &Declared) -> bool {
        let key = declared.key().to_string();
        let names: Vec<&str> = std::iter::once(key.as_str()).chain(declared.origins.iter().map(|origin| origin.entry.as_str())).collect();
        let any = |patterns: &[String]| patterns.iter().any(|pattern| names.iter().any(|name| named(pattern, name)));
        (self.only.is_empty() || any(&self.only)) && !any(&self.skip)
    }
}

/// Whether `s3`, `s3.buckets` or `s3.buckets/huntaze-*` names `s3.buckets/huntaze-assets`.
fn named(pattern: &str, name: &str) -> bool {
    let below = name.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(['.', '/']));
    below || WildMatch::new(pattern).matches(name)
}

/// The resources that a run is about.
pub async fn resolve(reads: &Reads, scope: &Scope, entries: &[Entry], choice: &Choice) -> Vec<Declared> {
    let mut found: Vec<Declared> = Vec::new();
    for kind in registry() {
        let own: Vec<&Entry> = entries.iter().filter(|entry| entry.kind.path() == kind.path()).collect();
        let selectors: Vec<(&Entry, Selector)> = own.iter().filter_map(|entry| Some((*entry, kind.selector(&entry.spec)?))).collect();
        let mut spoken: BTreeMap<String, Spoken<'_>> = BTreeMap::new();
        for entry in own.iter().filter(|entry| kind.selector(&entry.spec).is_none()) {
            let id = kind.wish(entry.spec.clone(), scope).id;
            spoken.entry(id).or_default().entries.push(entry);
        }
        if !selectors.is_empty() {
            match kind.list(reads, selectors.iter().any(|(_, selector)| !selector.tags.is_empty())).await {
                Ok(candidates) => {
                    for candidate in &candidates {
                        for (entry, selector) in &selectors {
                            match chosen(selector, candidate) {
                                Chosen::Yes => spoken.entry(candidate.id.clone()).or_default().entries.push(entry),
                                Chosen::No => {}
                                Chosen::Unknown(block) => spoken.entry(candidate.id.clone()).or_default().blocks.push(block),
                            }
                        }
                    }
                }
                Err(error) => {
                    for (entry, _) in &selectors {
                        let place = spoken.entry(format!("({})", entry.name)).or_default();
                        place.entries.push(entry);
                        place.blocks.push(Block {
                            reason: Reason::Unreadable,
                            fields: Vec::new(),
                            message: format!("what its selector chooses could not be listed: {error}"),
                            what_to_do: format!("allow {} to the role that holdfast runs as, or run again", error.call.action),
                        });
                    }
                }
            }
        }
        found.extend(spoken.into_iter().map(|(id, spoken)| merged(*kind, scope, id, spoken)));
    }
    let composed = compose(&found, scope);
    found.extend(composed);
    let known: BTreeSet<Key> = found.iter().map(Declared::key).collect();
    for declared in &mut found {
        let own = declared.key();
        declared.needs =
            declared.kind.needs(&declared.wish, scope).into_iter().filter(|need| *need != own && known.contains(need)).collect();
    }
    found.retain(|declared| choice.admits(declared));
    let order = |declared: &Declared| registry().iter().position(|kind| kind.path() == declared.kind.path());
    found.sort_by_key(order);
    found
}

/// The entries that speak for one thing, and what already stands against it.
#[derive(Default)]
struct Spoken<'a> {
    entries: Vec<&'a Entry>,
    blocks: Vec<Block>,
}

enum Chosen {
    Yes,
    No,
    Unknown(Block),
}

fn chosen(selector: &Selector, candidate: &Candidate) -> Chosen {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| WildMatch::new(pattern).matches(&candidate.id));
    if !any(&selector.names) || any(&selector.except) {
        return Chosen::No;
    }
    if selector.tags.is_empty() {
        return Chosen::Yes;
    }
    match &candidate.tags {
        Fact::Present(tags) if selector.tags.iter().all(|(key, value)| tags.get(key) == Some(value)) => Chosen::Yes,
        Fact::Present(_) | Fact::Absent => Chosen::No,
        Fact::Unknown(why) => Chosen::Unknown(Block {
            reason: Reason::Unreadable,
            fields: Vec::new(),
            message: format!("whether a selector by tags chooses it is not known: {}: {}", why.call, why.message),
            what_to_do: format!("allow {} to the role that holdfast runs as, or run again", why.call),
        }),
    }
}

/// One resource out of all entries that speak for it. Two that disagree block it, and are both named.
fn merged(kind: &'static dyn AnyKind, scope: &Scope, id: String, spoken: Spoken<'_>) -> Declared {
    let mut blocks = spoken.blocks;
    let origins = spoken.entries.iter().map(|entry| Origin { entry: entry.label(), field: None }).collect();
    let mut says: BTreeMap<String, (String, Value)> = BTreeMap::new();
    let mut value = Map::new();
    for entry in &spoken.entries {
        let Value::Object(members) = &entry.value else { continue };
        for (member, said) in members {
            if kind.identity().contains(&member.as_str()) {
                if member != "match" {
                    value.entry(member.clone()).or_insert_with(|| said.clone());
                }
                continue;
            }
            for (path, leaf) in leaves(member, said) {
                match says.get(&path) {
                    Some((other, before)) if *before != leaf => blocks.push(Block {
                        reason: Reason::Conflict,
                        fields: vec![path.clone()],
                        message: format!("{other} says {path}: {before}, and {} says {path}: {leaf}", entry.label()),
                        what_to_do: "let one entry speak of it: take the field out of the other, or name the thing under its `except`"
                            .to_owned(),
                    }),
                    Some(_) => {}
                    None => {
                        says.insert(path, (entry.label(), leaf));
                    }
                }
            }
            merge(value.entry(member.clone()).or_insert(Value::Null), said);
        }
    }
    let single = match spoken.entries.as_slice() {
        [entry] => Ok(entry.spec.clone()),
        _ => kind.spec(Value::Object(value)),
    };
    let spec = single.unwrap_or_else(|message| {
        blocks.push(Block {
            reason: Reason::InvalidWish,
            fields: Vec::new(),
            message: format!("its entries together make no sense: {message}"),
            what_to_do: "correct the entries that speak for it".to_owned(),
        });
        spoken.entries.first().map_or_else(|| std::sync::Arc::new(()) as AnySpec, |entry| entry.spec.clone())
    });
    let mut wish = kind.wish(spec, scope);
    wish.id = id;
    Declared { kind, wish, origins, blocks, needs: Vec::new() }
}

/// The values of a tree that are no objects, each with its path. Lists count as one value.
fn leaves(path: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(members) => members.iter().flat_map(|(member, value)| leaves(&format!("{path}.{member}"), value)).collect(),
        leaf => vec![(path.to_owned(), leaf.clone())],
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (member, value) in from {
                merge(into.entry(member.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The things that several wishes meet on, each composed once (contract 13).
fn compose(found: &[Declared], scope: &Scope) -> Vec<Declared> {
    struct Parts {
        value: Map<String, Value>,
        origins: Vec<Origin>,
        blocks: Vec<Block>,
    }
    let mut composed: BTreeMap<Key, Parts> = BTreeMap::new();
    for declared in found.iter().filter(|declared| declared.blocks.is_empty()) {
        for part in declared.kind.contributes(&declared.wish, scope) {
            let parts = composed.entry(part.to).or_insert_with(|| Parts { value: Map::new(), origins: Vec::new(), blocks: Vec::new() });
            let names = declared.origins.iter().map(|origin| &origin.entry);
            parts.origins.extend(names.map(|entry| Origin { entry: entry.clone(), field: Some(part.field.to_owned()) }));
            let Value::Object(members) = part.value else { continue };
            for (member, value) in members {
                match (parts.value.get_mut(&member), value) {
                    (None, value) => {
                        parts.value.insert(member, value);
                    }
                    (Some(Value::Array(all)), Value::Array(more)) => {
                        for one in more {
                            if !all.contains(&one) {
                                all.push(one);
                            }
                        }
                    }
                    (Some(before), value) if *before == value => {}
                    (Some(before), value) => parts.blocks.push(Block {
                        reason: Reason::Conflict,
                        fields: vec![member.clone()],
                        message: format!("its entries ask for {member}: {before} and for {value}"),
                        what_to_do: "let one entry speak of it".to_owned(),
                    }),
                }
            }
        }
    }
    let mut declared = Vec::new();
    for (key, parts) in composed {
        let Some(kind) = registry().iter().find(|kind| kind.path() == key.kind) else { continue };
        match kind.spec(Value::Object(parts.value)) {
            Ok(spec) => {
                let mut blocks = parts.blocks;
                blocks.extend(kind.problems(&spec, scope).into_iter().map(|problem| Block {
                    reason: Reason::Conflict,
                    fields: vec![problem.path],
                    message: problem.message,
                    what_to_do: problem.expected,
                }));
                let mut wish = kind.wish(spec, scope);
                wish.id = key.id;
                declared.push(Declared { kind: *kind, wish, origins: parts.origins, blocks, needs: Vec::new() });
            }
            Err(message) => tracing::error!(resource = %key, message, "a composed wish cannot be read"),
        }
    }
    declared
}
