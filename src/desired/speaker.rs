//! Who speaks for what, besides the entries that a run carries out: entries that a mistake stops, and the other objects of the run. What such a one
//! speaks for is left alone: what it asks for is not known, or belongs to another object (contracts 13, 14). Pure.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Entry;
use super::selector::{Chooser, Chosen, DeclaredTags, Tags};
use crate::kinds::{AnyKind, Block, Fact, Key, Multiplicity, Reason, Scope, Selector};
use crate::manifest::nearest;

/// An entry by what it speaks for, whether it is enforced or not.
#[derive(Clone, Debug)]
pub struct Speaker {
    kind: &'static str,
    /// `s3.buckets/assets`.
    entry: String,
    reach: Reach,
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
        Speaker { kind: entry.kind.path(), entry: entry.label(), reach }
    }

    /// An entry with mistakes in it, as far as it says what it speaks for. `path` is where it stands, for one without a name.
    pub fn stopped(kind: &'static dyn AnyKind, value: &Value, path: &str, scope: &Scope) -> Speaker {
        let entry = match value.get("name").and_then(Value::as_str) {
            Some(name) => Key::new(kind.path(), name).to_string(),
            None => path.to_owned(),
        };
        Speaker { kind: kind.path(), entry, reach: reach(kind, value, scope).unwrap_or(Reach::Unknown) }
    }
}

/// What the members say that only name the thing; nothing where one of them is wrong, or may be meant by a misspelt one.
fn reach(kind: &dyn AnyKind, value: &Value, scope: &Scope) -> Option<Reach> {
    let members = value.as_object()?;
    let schema = kind.schema();
    let known = schema.get("properties").and_then(Value::as_object)?;
    let names_it = |member: &str| member != "name" && kind.identity().contains(&member);
    let misspelt =
        |member: &String| !known.contains_key(member) && nearest(member, known.keys().map(String::as_str)).is_some_and(&names_it);
    if members.keys().any(misspelt) {
        return None;
    }
    let of_identity = members.iter().filter(|(member, _)| kind.identity().contains(&member.as_str()));
    let mut identity: Map<String, Value> = of_identity.map(|(member, value)| (member.clone(), value.clone())).collect();
    if kind.shape() == Multiplicity::Many && !identity.get("name").is_some_and(Value::is_string) {
        // The name counts only where nothing else says which thing is meant.
        identity.keys().find(|member| names_it(member))?;
        identity.insert("name".to_owned(), Value::from("?"));
    }
    let spec = kind.spec(Value::Object(identity)).ok()?;
    Some(match kind.selector(&spec) {
        Some(selector) => Reach::Chosen(selector),
        None => Reach::One(kind.wish(spec, scope).id),
    })
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
}

impl Others {
    /// The others of each object, in the order in which the objects come: with their entries, and those that a mistake stops.
    pub fn of_each<'a>(objects: impl IntoIterator<Item = (&'a Scope, &'a [Entry], &'a [Speaker])>) -> Vec<Others> {
        let object = |(scope, entries, stopped): (&Scope, &[Entry], &[Speaker])| Object {
            scope: scope.clone(),
            speakers: entries.iter().map(|entry| Speaker::of(entry, scope)).chain(stopped.iter().cloned()).collect(),
        };
        let all: Arc<Vec<Object>> = Arc::new(objects.into_iter().map(object).collect());
        (0..all.len()).map(|own| Others { all: Arc::clone(&all), own }).collect()
    }

    /// Those who can meet with what `scope` declares of a kind.
    fn of<'o>(&'o self, kind: &'o dyn AnyKind, scope: &'o Scope) -> impl Iterator<Item = (&'o str, &'o Speaker)> {
        let others = self.all.iter().enumerate().filter(|(place, _)| *place != self.own).map(|(_, object)| object);
        others.filter(|object| object.scope.account == scope.account).flat_map(move |object| {
            let near = object.scope.region == scope.region;
            let meets = move |speaker: &&Speaker| {
                // A selector chooses from its own region alone.
                speaker.kind == kind.path() && (near || kind.global() && matches!(speaker.reach, Reach::One(_)))
            };
            object.speakers.iter().filter(meets).map(|speaker| (object.scope.object.as_str(), speaker))
        })
    }
}

/// Everybody who must not be overheard when things of one kind are declared.
pub(super) struct Bystanders<'a> {
    named: HashMap<&'a str, Vec<Bystander<'a>>>,
    choosing: Vec<(Chooser, Bystander<'a>)>,
    /// Entries of the same object with a mistake that hides what they speak for.
    hidden: Vec<Bystander<'a>>,
}

#[derive(Clone, Copy)]
struct Bystander<'a> {
    /// The other object; nothing for an entry of the same one, which a mistake stops.
    object: Option<&'a str>,
    entry: &'a str,
}

impl<'a> Bystanders<'a> {
    pub(super) fn new(kind: &'a dyn AnyKind, scope: &'a Scope, stopped: &'a [Speaker], others: &'a Others) -> Bystanders<'a> {
        let mut all = Bystanders { named: HashMap::new(), choosing: Vec::new(), hidden: Vec::new() };
        let own = stopped.iter().filter(|speaker| speaker.kind == kind.path()).map(|speaker| (None, speaker));
        for (object, speaker) in own.chain(others.of(kind, scope).map(|(object, speaker)| (Some(object), speaker))) {
            let bystander = Bystander { object, entry: &speaker.entry };
            match &speaker.reach {
                Reach::One(id) => all.named.entry(id.as_str()).or_default().push(bystander),
                Reach::Chosen(selector) => all.choosing.push((Chooser::new(selector), bystander)),
                Reach::Unknown if object.is_none() => all.hidden.push(bystander),
                Reach::Unknown => {}
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
        match self.object {
            None => Block {
                reason: Reason::InvalidWish,
                fields: Vec::new(),
                message: format!("{other} speaks for it too, or may, and is wrong: what it asks for is not known"),
                what_to_do: format!("correct {other}: `holdfast validate` shows its mistakes"),
            },
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
