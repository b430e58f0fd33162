//! Who speaks for what, besides the entries that a run carries out: entries that a mistake stops, and the other objects of the run. What such a one
//! speaks for is left alone: what it asks for is not known, or belongs to another object (contracts 13, 14). Pure.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Entry;
use super::selector::{Chooser, Chosen, DeclaredTags, Tags};
use crate::kinds::{AnyKind, AnySpec, Block, Fact, Key, Multiplicity, Peers, Reason, Scope, Selector};
use crate::manifest::nearest;

/// An entry by what it speaks for, whether it is enforced or not.
#[derive(Clone, Debug)]
pub struct Speaker {
    kind: &'static str,
    /// Whether what it names belongs to no region.
    global: bool,
    /// `s3.buckets/assets`.
    entry: String,
    reach: Reach,
    /// A mistake may hide something of what it speaks for: the reach is the widest that it can mean.
    unsure: bool,
    /// The object, where that is refused as a whole and no run is about it.
    object: Option<String>,
}

/// What an entry speaks for.
#[derive(Clone, Debug)]
enum Reach {
    One(String),
    Chosen(Selector),
    /// A mistake hides it: it may be anything.
    Unknown,
}

impl Speaker {
    pub fn of(entry: &Entry, scope: &Scope) -> Speaker {
        let reach = match entry.kind.selector(&entry.spec) {
            Some(selector) => Reach::Chosen(selector),
            None => Reach::One(entry.kind.wish(entry.spec.clone(), scope).id),
        };
        Speaker::new(entry.kind, entry.label(), reach, false)
    }

    fn new(kind: &dyn AnyKind, entry: String, reach: Reach, unsure: bool) -> Speaker {
        Speaker { kind: kind.path(), global: kind.global(), entry, reach, unsure, object: None }
    }

    /// An entry with mistakes in it, by everything that it may speak for as far as it can be told. `path` is where it stands, for one without a name.
    pub fn stopped(kind: &'static dyn AnyKind, value: &Value, path: &str, scope: &Scope) -> Vec<Speaker> {
        let entry = match value.get("name").and_then(Value::as_str) {
            Some(name) => Key::new(kind.path(), name).to_string(),
            None => path.to_owned(),
        };
        reaches(kind, value, scope).into_iter().map(|(reach, unsure)| Speaker::new(kind, entry.clone(), reach, unsure)).collect()
    }

    /// The same of an object that a mistake stops as a whole.
    pub fn of_refused(self, object: &str) -> Speaker {
        Speaker { object: Some(object.to_owned()), ..self }
    }

    /// Whether, being of the scope `own`, it can meet with what is declared in `scope`.
    pub fn meets(&self, own: &Scope, scope: &Scope) -> bool {
        // A selector chooses from its own region alone.
        own.account == scope.account && (own.region == scope.region || self.global && matches!(self.reach, Reach::One(_)))
    }
}

/// What an entry with mistakes may speak for, and whether that is unsure.
fn reaches(kind: &dyn AnyKind, value: &Value, scope: &Scope) -> Vec<(Reach, bool)> {
    let Some(members) = value.as_object() else { return vec![(Reach::Unknown, true)] };
    let schema = kind.schema();
    let Some(known) = schema.get("properties").and_then(Value::as_object) else { return vec![(Reach::Unknown, true)] };
    let meant = |member: &String| {
        let near = nearest(member, known.keys().map(String::as_str)).filter(|_| !known.contains_key(member))?;
        (near != "name" && kind.identity().contains(&near)).then(|| (member.clone(), near.to_owned()))
    };
    let misspelt: Vec<(String, String)> = members.keys().filter_map(meant).collect();
    if misspelt.is_empty() {
        return vec![reach(kind, members, scope).unwrap_or((Reach::Unknown, true))];
    }
    // It may be anything; what the misspelt member most likely says is held against what is named, too.
    let mut reaches = vec![(Reach::Unknown, true)];
    for (member, near) in misspelt {
        let mut mended = members.clone();
        let Some(value) = mended.remove(&member) else { continue };
        let twice = mended.insert(near, value).is_some();
        let meant = [Some(&mended), twice.then_some(members)].into_iter().flatten();
        reaches.extend(meant.filter_map(|members| Some((reach(kind, members, scope)?.0, true))));
    }
    reaches
}

/// What the members say that only name the thing; nothing where one of them is wrong. A selector that is wrong chooses the most that it can mean.
fn reach(kind: &dyn AnyKind, members: &Map<String, Value>, scope: &Scope) -> Option<(Reach, bool)> {
    let of_identity = members.iter().filter(|(member, _)| kind.identity().contains(&member.as_str()));
    let mut identity: Map<String, Value> = of_identity.map(|(member, value)| (member.clone(), value.clone())).collect();
    if kind.shape() == Multiplicity::Many && !identity.get("name").is_some_and(Value::is_string) {
        // The name counts only where nothing else says which thing is meant.
        identity.keys().find(|member| *member != "name")?;
        identity.insert("name".to_owned(), Value::from("?"));
    }
    let wrong = identity.get("match").map(widest);
    let Ok(spec) = kind.spec(Value::Object(identity)) else { return Some((Reach::Chosen(wrong?), true)) };
    Some(match kind.selector(&spec) {
        Some(selector) if selector.names.is_empty() => (Reach::Chosen(wrong?), true),
        Some(selector) => (Reach::Chosen(selector), false),
        None => (Reach::One(kind.wish(spec, scope).id), false),
    })
}

/// The most that a selector with mistakes can choose: what its names say, or every name where they cannot be read; with the tags that it asks for,
/// where they can, and no exception, which may be what is wrong.
fn widest(selector: &Value) -> Selector {
    let names = selector.get("names").and_then(Value::as_array).and_then(|names| names.iter().map(text).collect());
    let names = names.filter(|names: &Vec<String>| !names.is_empty()).unwrap_or_else(|| vec!["*".to_owned()]);
    let tags = selector.get("tags").and_then(Value::as_object);
    let tags = tags.and_then(|tags| tags.iter().map(|(key, value)| Some((key.clone(), text(value)?))).collect());
    Selector { names, except: Vec::new(), tags: tags.unwrap_or_default() }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The other objects of a run, by what their entries speak for.
#[derive(Clone, Debug, Default)]
pub struct Others {
    all: Arc<Vec<Object>>,
    /// The object whose others they are, by its place.
    own: usize,
}

#[derive(Debug)]
struct Object {
    scope: Scope,
    speakers: Vec<Speaker>,
    /// What it says of things by their names.
    named: Vec<Named>,
}

struct Named {
    kind: &'static str,
    id: String,
    spec: AnySpec,
}

impl std::fmt::Debug for Named {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.kind, self.id)
    }
}

impl Others {
    /// The others of each object, in the order in which the objects come: with their entries, and those that a mistake stops.
    pub fn of_each<'a>(objects: impl IntoIterator<Item = (&'a Scope, &'a [Entry], &'a [Speaker])>) -> Vec<Others> {
        fn named(entry: &Entry, scope: &Scope) -> Option<Named> {
            let names = entry.kind.selector(&entry.spec).is_none();
            let id = || entry.kind.wish(entry.spec.clone(), scope).id;
            names.then(|| Named { kind: entry.kind.path(), id: id(), spec: entry.spec.clone() })
        }
        // Those of refused objects every object knows already.
        fn own(stopped: &[Speaker]) -> impl Iterator<Item = &Speaker> {
            stopped.iter().filter(|speaker| speaker.object.is_none())
        }
        let object = |(scope, entries, stopped): (&Scope, &[Entry], &[Speaker])| Object {
            scope: scope.clone(),
            speakers: entries.iter().map(|entry| Speaker::of(entry, scope)).chain(own(stopped).cloned()).collect(),
            named: entries.iter().filter_map(|entry| named(entry, scope)).collect(),
        };
        let all: Arc<Vec<Object>> = Arc::new(objects.into_iter().map(object).collect());
        (0..all.len()).map(|own| Others { all: Arc::clone(&all), own }).collect()
    }

    /// What the others of the same account and region say of things by their names.
    pub(super) fn add_to(&self, peers: &mut Peers, scope: &Scope) {
        let others = self.all.iter().enumerate().filter(|(place, _)| *place != self.own).map(|(_, object)| object);
        for other in others.filter(|other| other.scope.account == scope.account && other.scope.region == scope.region) {
            for Named { kind, id, spec } in &other.named {
                peers.add_of(&other.scope.object, kind, id.clone(), spec.clone());
            }
        }
    }

    /// Whether one of them is for that region of the account.
    pub(super) fn are_for(&self, account: &str, region: &str) -> bool {
        self.all.iter().any(|object| object.scope.account == account && object.scope.region == region)
    }

    /// Those who can meet with what `scope` declares of a kind.
    fn of<'o>(&'o self, kind: &'o dyn AnyKind, scope: &'o Scope) -> impl Iterator<Item = (&'o str, &'o Speaker)> {
        let others = self.all.iter().enumerate().filter(|(place, _)| *place != self.own).map(|(_, object)| object);
        others.flat_map(move |object| {
            let meets = |speaker: &&Speaker| speaker.kind == kind.path() && speaker.meets(&object.scope, scope);
            object.speakers.iter().filter(meets).map(|speaker| (object.scope.object.as_str(), speaker))
        })
    }
}

/// Everybody who must not be overheard when things of one kind are declared.
pub(super) struct Bystanders<'a> {
    named: HashMap<&'a str, Vec<Bystander<'a>>>,
    choosing: Vec<(Chooser, Bystander<'a>)>,
    /// Entries with a mistake that hides what they speak for.
    hidden: Vec<Bystander<'a>>,
}

#[derive(Clone, Copy)]
struct Bystander<'a> {
    /// The other object; nothing for an entry of the same one, which a mistake stops.
    object: Option<&'a str>,
    entry: &'a str,
    /// It may speak for something else.
    unsure: bool,
}

impl<'a> Bystanders<'a> {
    pub(super) fn new(kind: &'a dyn AnyKind, scope: &'a Scope, stopped: &'a [Speaker], others: &'a Others) -> Bystanders<'a> {
        let mut all = Bystanders { named: HashMap::new(), choosing: Vec::new(), hidden: Vec::new() };
        let own = stopped.iter().filter(|speaker| speaker.kind == kind.path()).map(|speaker| (speaker.object.as_deref(), speaker));
        for (object, speaker) in own.chain(others.of(kind, scope).map(|(object, speaker)| (Some(object), speaker))) {
            let bystander = Bystander { object, entry: &speaker.entry, unsure: speaker.unsure };
            match &speaker.reach {
                Reach::One(id) => all.named.entry(id.as_str()).or_default().push(bystander),
                Reach::Chosen(selector) => all.choosing.push((Chooser::new(selector), bystander)),
                Reach::Unknown => all.hidden.push(bystander),
            }
        }
        all
    }

    /// Whether any of them chooses by tags.
    pub(super) fn by_tags(&self) -> bool {
        self.choosing.iter().any(|(chooser, _)| chooser.by_tags())
    }

    /// Whether the tags of a thing of this name decide who speaks for it.
    pub(super) fn ask_for_tags(&self, id: &str) -> bool {
        self.choosing.iter().any(|(chooser, _)| chooser.by_tags() && chooser.names(id))
    }

    /// What stands against carrying out what `entry` of the object `own` says of a thing. `selected`: a selector of the same object chose it.
    pub(super) fn blocks(
        &self,
        (own, entry): (&str, &str),
        id: &str,
        selected: bool,
        tags: &Fact<Tags>,
        declared: Option<&DeclaredTags>,
    ) -> Vec<Block> {
        let mut blocks: Vec<Block> = self.named.get(id).into_iter().flatten().map(|one| one.block(own, entry)).collect();
        for (chooser, bystander) in &self.choosing {
            match chooser.chosen(id, tags, declared) {
                Chosen::Yes => blocks.push(bystander.block(own, entry)),
                Chosen::No => {}
                Chosen::Unknown(block) => blocks.push(block),
            }
        }
        blocks.extend(self.hidden.iter().filter(|_| selected).map(|one| one.block(own, entry)));
        blocks
    }
}

impl Bystander<'_> {
    fn block(&self, own: &str, entry: &str) -> Block {
        let other = self.entry;
        let wrong = |other: String| Block {
            reason: Reason::InvalidWish,
            fields: Vec::new(),
            message: format!("{other} speaks for it too, or may, and is wrong: what it asks for is not known"),
            what_to_do: format!("correct {other}: `holdfast validate` shows its mistakes"),
        };
        match self.object {
            None => wrong(other.to_owned()),
            Some(object) if self.unsure => wrong(format!("{other} of the object {object}")),
            Some(object) => Block {
                reason: Reason::Conflict,
                fields: Vec::new(),
                message: format!("two objects speak for it: {own} with {entry}, and {object} with {other}"),
                what_to_do: "let one object speak for it: take its entry out of the other, or name it under the selector's `except`"
                    .to_owned(),
            },
        }
    }
}
