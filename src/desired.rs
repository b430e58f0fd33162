//! From a manifest to the resources that it speaks for: entries read, selectors resolved, wishes that meet on one thing merged or composed.
//!
//! Resolving selectors asks AWS what there is; everything else here is pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value};
use wildmatch::WildMatch;

use crate::aws::Reads;
use crate::kinds::{AnyKind, AnySpec, Block, Candidate, Fact, Key, Multiplicity, Peers, Reason, Scope, Selector, SpecProblem, registry};
use crate::manifest::{AwsBaseline, FieldPath};
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
    pub path: FieldPath,
    pub message: String,
    pub expected: String,
}

/// Reads the entries of an object, kind by kind: those that are right, those that say something wrong, and what that is. One stops no other
/// (contract 14).
pub fn entries(object: &AwsBaseline, scope: &Scope) -> (Vec<Entry>, Vec<Entry>, Vec<Wrong>) {
    let mut entries = Vec::new();
    let mut stopped = Vec::new();
    let mut wrong = Vec::new();
    for kind in registry() {
        let Some((group, list)) = kind.path().split_once('.') else { continue };
        let Some(value) = object.spec.resources.get(group).and_then(|group| group.get(list)) else { continue };
        let list_path = FieldPath::root().key("spec").key(group).key(list);
        let values: Vec<(FieldPath, &Value)> = match (kind.shape(), value) {
            (Multiplicity::Composed, _) => continue,
            (Multiplicity::One, value) => vec![(list_path, value)],
            (Multiplicity::Many, Value::Array(values)) => {
                values.iter().enumerate().map(|(at, value)| (list_path.index(at), value)).collect()
            }
            (Multiplicity::Many, _) => {
                wrong.push(Wrong { path: list_path, message: "not a list".to_owned(), expected: "a list".to_owned() });
                continue;
            }
        };
        for (path, value) in values {
            match kind.spec(value.clone()) {
                Ok(spec) => {
                    let problems = kind.problems(&spec, scope);
                    let name = kind.wish(spec.clone(), scope).name;
                    let entry = Entry { kind: *kind, spec, value: value.clone(), name, path: path.to_string() };
                    if problems.is_empty() {
                        entries.push(entry)
                    } else {
                        stopped.push(entry)
                    }
                    wrong.extend(problems.into_iter().map(|SpecProblem { path: field, message, expected }| Wrong {
                        path: path.then(&field),
                        message,
                        expected,
                    }));
                }
                Err(message) => wrong.push(Wrong { path, message, expected: format!("what `holdfast explain {}` shows", kind.path()) }),
            }
        }
    }
    (entries, stopped, wrong)
}

/// Which resources a run looks at: `--only` and `--skip`.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub only: Vec<String>,
    pub skip: Vec<String>,
}

impl Choice {
    /// Whether it leaves anything out.
    pub fn is_partial(&self) -> bool {
        !self.only.is_empty() || !self.skip.is_empty()
    }

    fn admits(&self, declared: &Declared) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| names_it(pattern, declared));
        (self.only.is_empty() || any(&self.only)) && !any(&self.skip)
    }

    /// The patterns that name nothing of what the manifest speaks for: a misspelt one must not look like an account in sync.
    fn idle(&self, found: &[Declared]) -> Vec<String> {
        let given = self.only.iter().map(|pattern| ("--only", pattern)).chain(self.skip.iter().map(|pattern| ("--skip", pattern)));
        let idle = given.filter(|(_, pattern)| !found.iter().any(|declared| names_it(pattern, declared)));
        idle.map(|(option, pattern)| format!("{option} {pattern} names nothing that this manifest speaks for: correct it, or leave it out"))
            .collect()
    }
}

fn names_it(pattern: &str, declared: &Declared) -> bool {
    named(pattern, &declared.key().to_string()) || declared.origins.iter().any(|origin| named(pattern, &origin.entry))
}

/// Whether `s3`, `s3.buckets` or `s3.buckets/huntaze-*` names `s3.buckets/huntaze-assets`.
fn named(pattern: &str, name: &str) -> bool {
    // Only a group or a kind has something below it: a bucket's name may go on after a dot, and is another bucket's then.
    let below = || name.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(['.', '/']));
    !pattern.contains('/') && below() || WildMatch::new(pattern).matches(name)
}

/// What a manifest comes to.
pub struct Desired {
    /// The resources that a run is about.
    pub resources: Vec<Declared>,
    /// All that the manifest speaks for, chosen or not.
    pub peers: Peers,
    /// What a person should know of the choice.
    pub warnings: Vec<String>,
}

/// The resources that a run is about, and what the manifest speaks for besides.
pub async fn resolve(reads: &Reads, scope: &Scope, entries: &[Entry], choice: &Choice) -> Desired {
    let mut found: Vec<Declared> = Vec::new();
    for kind in registry() {
        let own: Vec<&Entry> = entries.iter().filter(|entry| entry.kind.path() == kind.path()).collect();
        let selectors: Vec<(&Entry, Chooser)> =
            own.iter().filter_map(|entry| Some((*entry, Chooser::new(kind.selector(&entry.spec)?)))).collect();
        let mut spoken: BTreeMap<String, Spoken<'_>> = BTreeMap::new();
        for entry in own.iter().filter(|entry| kind.selector(&entry.spec).is_none()) {
            let id = kind.wish(entry.spec.clone(), scope).id;
            spoken.entry(id).or_default().entries.push(entry);
        }
        if !selectors.is_empty() {
            match kind.list(reads, scope, selectors.iter().any(|(_, chooser)| !chooser.tags.is_empty())).await {
                Ok(mut candidates) => {
                    candidates.extend(made(*kind, scope, &own, &candidates));
                    for candidate in &candidates {
                        for (entry, chooser) in &selectors {
                            match chooser.chosen(candidate) {
                                Chosen::Yes => spoken.entry(candidate.id.clone()).or_default().entries.push(entry),
                                Chosen::No => {}
                                Chosen::Unknown(block) => {
                                    let place = spoken.entry(candidate.id.clone()).or_default();
                                    place.entries.push(entry);
                                    place.blocks.push(block);
                                }
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
    let composed = compose(&mut found, scope);
    found.extend(composed);
    let known: BTreeSet<Key> = found.iter().map(Declared::key).collect();
    for declared in &mut found {
        let own = declared.key();
        declared.needs =
            declared.kind.needs(&declared.wish, scope).into_iter().filter(|need| *need != own && known.contains(need)).collect();
    }
    let mut peers = Peers::default();
    for declared in &found {
        peers.add(declared.kind.path(), declared.wish.id.clone(), declared.wish.spec.clone());
    }
    let warnings = choice.idle(&found);
    found.retain(|declared| choice.admits(declared));
    let order = |declared: &Declared| registry().iter().position(|kind| kind.path() == declared.kind.path());
    found.sort_by_key(order);
    Desired { resources: found, peers, warnings }
}

/// What this run makes: selectors choose it as if it were there already, with the tags that its entry gives it. Else the next run would find more to do.
fn made(kind: &dyn AnyKind, scope: &Scope, own: &[&Entry], found: &[Candidate]) -> Vec<Candidate> {
    let mut made = Vec::new();
    for entry in own.iter().filter(|entry| kind.selector(&entry.spec).is_none()) {
        let wish = kind.wish(entry.spec.clone(), scope);
        if kind.creates(&wish) && !found.iter().any(|candidate| candidate.id == wish.id) {
            let tags = entry.value.get("tags").and_then(Value::as_object).into_iter().flatten();
            let tags = tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
            made.push(Candidate { id: wish.id, tags: Fact::Present(tags) });
        }
    }
    made
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

/// A selector, ready to be asked.
struct Chooser {
    names: Vec<WildMatch>,
    except: Vec<WildMatch>,
    tags: BTreeMap<String, String>,
}

impl Chooser {
    fn new(selector: Selector) -> Chooser {
        let patterns = |texts: &[String]| texts.iter().map(|text| WildMatch::new(text)).collect();
        Chooser { names: patterns(&selector.names), except: patterns(&selector.except), tags: selector.tags }
    }

    fn chosen(&self, candidate: &Candidate) -> Chosen {
        let any = |patterns: &[WildMatch]| patterns.iter().any(|pattern| pattern.matches(&candidate.id));
        if !any(&self.names) || any(&self.except) {
            return Chosen::No;
        }
        if self.tags.is_empty() {
            return Chosen::Yes;
        }
        match &candidate.tags {
            Fact::Present(tags) if self.tags.iter().all(|(key, value)| tags.get(key) == Some(value)) => Chosen::Yes,
            Fact::Present(_) | Fact::Absent => Chosen::No,
            Fact::Unknown(why) => Chosen::Unknown(Block {
                reason: Reason::Unreadable,
                fields: Vec::new(),
                message: format!("whether a selector by tags chooses it is not known: {}: {}", why.call, why.message),
                what_to_do: format!("allow {} to the role that holdfast runs as, or run again", why.call),
            }),
        }
    }
}

/// One resource out of all entries that speak for it. Two that disagree block it, and are both named.
fn merged(kind: &'static dyn AnyKind, scope: &Scope, id: String, spoken: Spoken<'_>) -> Declared {
    let mut blocks = spoken.blocks;
    let origins = spoken.entries.iter().map(|entry| Origin { entry: entry.label(), field: None }).collect();
    // By the members on the way, not by a path in one text: a tag's key may hold dots.
    let mut says: BTreeMap<Vec<&str>, (String, &Value)> = BTreeMap::new();
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
            for (path, leaf) in leaves(vec![member.as_str()], said) {
                match disagreeing(&says, &path, leaf) {
                    Some((other, before)) => blocks.push(Block {
                        reason: Reason::Conflict,
                        fields: vec![path.join(".")],
                        message: format!("{other} says {}, and {} says {}: {leaf}", before, entry.label(), path.join(".")),
                        what_to_do: "let one entry speak of it: take the field out of the other, or name the thing under its `except`"
                            .to_owned(),
                    }),
                    None => {
                        says.entry(path).or_insert_with(|| (entry.label(), leaf));
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

/// The values of a tree that are no objects, each with the members on its way. Lists count as one value, an object without members says nothing.
fn leaves<'a>(path: Vec<&'a str>, value: &'a Value) -> Vec<(Vec<&'a str>, &'a Value)> {
    let longer = |member: &'a str| path.iter().copied().chain([member]).collect();
    match value {
        Value::Object(members) => members.iter().flat_map(|(member, value)| leaves(longer(member), value)).collect(),
        leaf => vec![(path, leaf)],
    }
}

/// Who said something else of the same place before, above it (`encryption: null`) or below it; and what.
fn disagreeing(says: &BTreeMap<Vec<&str>, (String, &Value)>, path: &[&str], leaf: &Value) -> Option<(String, String)> {
    let said = |path: &[&str], (who, value): &(String, &Value)| (who.clone(), format!("{}: {value}", path.join(".")));
    if let Some(before) = says.get(path) {
        return (before.1 != leaf).then(|| said(path, before));
    }
    let above = (1..path.len()).filter_map(|length| path.get(..length)).find_map(|above| Some(said(above, says.get(above)?)));
    let below =
        || says.range(path.to_vec()..).next().filter(|(other, _)| other.starts_with(path)).map(|(other, before)| said(other, before));
    above.or_else(below)
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

/// The things that several wishes meet on, each composed once (contract 13). Where that fails, those who asked for it are blocked: what they
/// declare would not be kept.
fn compose(found: &mut [Declared], scope: &Scope) -> Vec<Declared> {
    #[derive(Default)]
    struct Parts {
        value: Map<String, Value>,
        /// What is in its lists, by member and text: thousands of wishes may meet on one thing.
        listed: HashSet<(String, String)>,
        /// Who asks, by place.
        from: Vec<usize>,
        origins: Vec<Origin>,
        blocks: Vec<Block>,
    }
    let mut composed: BTreeMap<Key, Parts> = BTreeMap::new();
    for (place, declared) in found.iter().enumerate().filter(|(_, declared)| declared.blocks.is_empty()) {
        for part in declared.kind.contributes(&declared.wish, scope) {
            let parts = composed.entry(part.to).or_default();
            parts.from.push(place);
            let names = declared.origins.iter().map(|origin| &origin.entry);
            parts.origins.extend(names.map(|entry| Origin { entry: entry.clone(), field: Some(part.field.to_owned()) }));
            let Value::Object(members) = part.value else { continue };
            for (member, value) in members {
                match (parts.value.get_mut(&member), value) {
                    (None | Some(Value::Array(_)), Value::Array(more)) => {
                        let listed = &mut parts.listed;
                        let new: Vec<Value> = more.into_iter().filter(|one| listed.insert((member.clone(), one.to_string()))).collect();
                        if let Value::Array(all) = parts.value.entry(member).or_insert_with(|| Value::Array(Vec::new())) {
                            all.extend(new);
                        }
                    }
                    (None, value) => {
                        parts.value.insert(member, value);
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
        let kind = registry().iter().find(|kind| kind.path() == key.kind);
        let read =
            kind.ok_or_else(|| "there is no such kind".to_owned()).and_then(|kind| Ok((kind, kind.spec(Value::Object(parts.value))?)));
        match read {
            Ok((kind, spec)) => {
                let mut blocks = parts.blocks;
                blocks.extend(kind.problems(&spec, scope).into_iter().map(|problem| Block {
                    reason: Reason::Conflict,
                    fields: vec![problem.path.to_string()],
                    message: problem.message,
                    what_to_do: problem.expected,
                }));
                let mut wish = kind.wish(spec, scope);
                wish.id = key.id;
                declared.push(Declared { kind: *kind, wish, origins: parts.origins, blocks, needs: Vec::new() });
            }
            Err(message) => {
                for place in parts.from {
                    let Some(declared) = found.get_mut(place) else { continue };
                    declared.blocks.push(Block {
                        reason: Reason::InvalidWish,
                        fields: Vec::new(),
                        message: format!("what it asks of {key} makes no sense together with what others ask: {message}"),
                        what_to_do: "correct the entries that ask for it, or report this as a bug".to_owned(),
                    });
                }
            }
        }
    }
    declared
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::fake::{self, FAKE, scope};
    use crate::kinds::{Unreadable, Why};

    fn candidate(id: &str, tags: Fact<BTreeMap<String, String>>) -> Candidate {
        Candidate { id: id.to_owned(), tags }
    }

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn selectors_choose_by_name_exception_and_tags() {
        let selector = |value: Value| Chooser::new(serde_json::from_value(value).unwrap());
        let by_name = selector(json!({"names": ["app-*", "one?"], "except": ["*-logs"]}));
        let unread = || Fact::Unknown(Unreadable { call: "s3:GetBucketTagging".to_owned(), why: Why::Denied, message: "no".to_owned() });
        for (id, chosen) in
            [("app-a", true), ("app-a-logs", false), ("my-app-a", false), ("one1", true), ("one12", false), ("APP-a", false)]
        {
            assert_eq!(matches!(by_name.chosen(&candidate(id, unread())), Chosen::Yes), chosen, "{id}: tags are not asked for");
        }
        let by_tags = selector(json!({"names": ["*"], "tags": {"env": "prod", "team": "a"}}));
        let answer = |tags| by_tags.chosen(&candidate("x", tags));
        assert!(matches!(answer(Fact::Present(tags(&[("env", "prod"), ("team", "a"), ("more", "")]))), Chosen::Yes));
        assert!(matches!(answer(Fact::Present(tags(&[("env", "prod")]))), Chosen::No));
        assert!(matches!(answer(Fact::Absent), Chosen::No));
        assert!(matches!(answer(unread()), Chosen::Unknown(block) if block.reason == Reason::Unreadable));
    }

    #[test]
    fn only_and_skip_name_groups_kinds_and_resources() {
        for (pattern, name, matches) in [
            ("s3", "s3.buckets/a", true),
            ("s3.buckets", "s3.buckets/a", true),
            ("s3.b", "s3.buckets/a", false),
            ("s3.buckets/a", "s3.buckets/a", true),
            // Another bucket, whose name only goes on.
            ("s3.buckets/a", "s3.buckets/a.logs", false),
            ("s3.buckets/a*", "s3.buckets/a.logs", true),
            ("*", "rds.instances/db", true),
            ("", "s3.buckets/a", false),
        ] {
            assert_eq!(named(pattern, name), matches, "{pattern} {name}");
        }
        let declared = fake::declared(&scope("choice"), json!({"name": "a"}));
        let admits = |only: &[&str], skip: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
            Choice { only: own(only), skip: own(skip) }.admits(&declared)
        };
        assert!(admits(&[], &[]) && admits(&["test"], &[]) && !admits(&["s3"], &[]) && !admits(&["test"], &["test.things/a"]));
    }

    fn both(one: Value, other: Value) -> Declared {
        let entry = |name: &str, value: Value| Entry {
            kind: FAKE,
            spec: FAKE.spec(value.clone()).unwrap_or_else(|_| FAKE.spec(json!({})).unwrap()),
            value,
            name: name.to_owned(),
            path: String::new(),
        };
        let entries = [entry("one", one), entry("other", other)];
        merged(FAKE, &scope("merge"), "real".to_owned(), Spoken { entries: entries.iter().collect(), blocks: Vec::new() })
    }

    #[test]
    fn entries_that_agree_are_merged() {
        let declared = both(json!({"name": "one", "v": {"x": 1}, "needs": ["n"]}), json!({"name": "other", "v": {"x": 1, "y.z": 2}}));
        assert_eq!(declared.blocks, []);
        assert_eq!(FAKE.value(&declared.wish.spec)["v"], json!({"x": 1, "y.z": 2}));
        assert_eq!((declared.wish.id.as_str(), declared.origins.len()), ("real", 2));
    }

    #[test]
    fn entries_that_disagree_block_and_name_both() {
        for (one, other, field) in [
            (json!({"v": {"x": 1}}), json!({"v": {"x": 2}}), "v.x"),
            (json!({"needs": ["a"]}), json!({"needs": ["b"]}), "needs"),
            // One says that there is none, the other what it is like: above and below are the same place.
            (json!({"second": null}), json!({"second": {"deep": 1}}), "second.deep"),
            (json!({"second": {"deep": 1}}), json!({"second": null}), "second"),
        ] {
            let declared = both(one.clone(), other);
            let block =
                declared.blocks.iter().find(|block| block.reason == Reason::Conflict).unwrap_or_else(|| panic!("{one}: no conflict"));
            assert_eq!(block.fields, [field]);
            assert!(block.message.contains("test.things/one") && block.message.contains("test.things/other"), "{}", block.message);
        }
        // A key with a dot is not a path.
        assert_eq!(both(json!({"v": {"x.y": 1}}), json!({"v": {"x": 2}})).blocks, []);
    }
}
