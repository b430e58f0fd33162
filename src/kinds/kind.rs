//! What a kind of AWS resource declares, once. Schema, validation, plan, journal, `explain` and everything to come are
//! derived from it; none of those names a kind.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AnySpec, Drift, Fact, Field, Progress, Steps};
use crate::aws::{Call, CallError, Reads, Writes};
use crate::manifest::FieldPath;

/// A kind of resource: one file or folder below `kinds/`, one line in [`super::registry`].
pub trait Kind: Sized + Send + Sync + 'static {
    /// Where it stands in the manifest's spec, and the first half of its journal key: `s3.buckets`.
    const PATH: &'static str;
    /// What a person calls one: `S3 bucket`.
    const TITLE: &'static str;
    /// How many the manifest can hold.
    const SHAPE: Multiplicity;
    /// Everything that can be declared and compared.
    const FIELDS: &'static [Field<Self>];
    /// Every request that it sends, for `iam-policy` and for the tests.
    const CALLS: &'static [&'static Call];

    /// The members of a spec that only say which thing is meant. Entries of a kind with selectors that speak for the same thing are merged in all
    /// other members.
    const IDENTITY: &'static [&'static str] = &["name"];

    /// The kind whose thing of the same id a person takes this one for a part of: whoever leaves a bucket alone means its policy, too.
    const PART_OF: Option<&'static str> = None;

    /// Whether its ids are unique in all regions of an account (buckets), so that two manifests for two regions can meet on one.
    const GLOBAL: bool = false;

    /// Of a kind that is global: whether this one is of its region all the same.
    fn is_regional(_: &Self::Spec) -> bool {
        !Self::GLOBAL
    }

    /// What the manifest says of one. All of it optional but names; no defaults (contract 15).
    type Spec: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// What was observed of one, fact by fact; the default knows nothing.
    type Seen: Default + Send + Sync + 'static;
    /// What a step does, as data.
    type Op: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The logical name: `name` in the manifest (for a single one, the last word of its path).
    fn name(spec: &Self::Spec) -> String;

    /// The real thing that it speaks for: a bucket's name, an instance's identifier. Selected and derived entries are given theirs.
    fn id(spec: &Self::Spec, scope: &Scope) -> String;

    /// What is wrong with a wish that its schema cannot say. Pure.
    fn problems(spec: &Self::Spec, scope: &Scope) -> Vec<SpecProblem> {
        let _ = (spec, scope);
        Vec::new()
    }

    /// The selector of an entry that speaks for many things.
    fn selector(spec: &Self::Spec) -> Option<&Selector> {
        let _ = spec;
        None
    }

    /// The real things of the scope's account that selectors choose from, those of other regions marked; tags only where `tags` asks for them.
    fn list(reads: &Reads, scope: &Scope, tags: bool) -> impl Future<Output = Result<Vec<Candidate>, CallError>> + Send {
        let _ = (reads, scope, tags);
        async { Ok(Vec::new()) }
    }

    /// What this wish asks of things that others speak for too (statements of a bucket's policy): composed before compared,
    /// written once (contract 13).
    fn contributes(spec: &Self::Spec, id: &str, scope: &Scope) -> Vec<Contribution> {
        let _ = (spec, id, scope);
        Vec::new()
    }

    /// The name of a thing that several may use, where this one declares which (a parameter group).
    fn shares(spec: &Self::Spec) -> Option<String> {
        let _ = spec;
        None
    }

    /// What it asks for in place of that once it was seen, which may hang on where it is at home, or on whom it serves; nothing: what was declared.
    fn asks(spec: &Self::Spec, id: &str, scope: &Scope, seen: &Self::Seen) -> Option<Vec<Contribution>> {
        let _ = (spec, id);
        Self::managed_elsewhere(scope, seen).then(Vec::new)
    }

    /// What must be in sync before this one, or some of its fields, are touched, where the manifest speaks of it. `asks`: what it asks of others, as far
    /// as that is known.
    fn needs(spec: &Self::Spec, id: &str, scope: &Scope, asks: &[Contribution]) -> Vec<Need> {
        let _ = (spec, id, scope, asks);
        Vec::new()
    }

    /// Reads what `want` asks for and no more. Never fails: what cannot be read is unknown.
    fn observe(reads: &Reads, target: &Target<'_, Self>, want: &FactSet) -> impl Future<Output = Self::Seen> + Send;

    /// Whether the thing is there at all.
    fn presence(seen: &Self::Seen) -> Fact<()>;

    /// What has to be done for it at each pass while it is under way, whatever step it is at: a sign of life. It is no part of a plan.
    fn tend(_: &Self::Seen) -> Option<Self::Op> {
        None
    }

    /// Why nothing can be told of it until something else has ended, where waiting for that is a step of its own: in words.
    fn untold(_: &Self::Seen) -> Option<String> {
        None
    }

    /// What is said of one that is not there and that nobody asks to be made, and what to do about it.
    fn missing(id: &str, scope: &Scope) -> (String, String) {
        (
            format!("there is no {} {id} in account {}, region {}", Self::TITLE, scope.account, scope.region),
            "make it, correct its name, or take the entry out of the manifest".to_owned(),
        )
    }

    /// Whether one that is absent is to be made.
    fn creates(spec: &Self::Spec) -> bool {
        let _ = spec;
        false
    }

    /// Whether what was seen is not for this account and region to change, but for an administrator, an organisation, or an object of
    /// another region: what it [`contributes`](Kind::contributes) is left unasked then.
    fn managed_elsewhere(scope: &Scope, seen: &Self::Seen) -> bool {
        let _ = (scope, seen);
        false
    }

    /// The steps that repair `planning.drifts`, and what stands in their way. Pure: no clock, no chance, no I/O. They are made from the drifts and
    /// what was seen, never from the spec alone: an excepted or undeclared field keeps what it has.
    fn steps(planning: &Planning<'_, Self>) -> Steps<Self::Op>;

    /// What a person should know of one beside its differences, in sync or not: "multiAz was taken, and waits for the maintenance window".
    fn notes(spec: &Self::Spec, seen: &Self::Seen) -> Vec<String> {
        let _ = (spec, seen);
        Vec::new()
    }

    /// How far `op` is, judged from what was seen.
    fn check(op: &Self::Op, seen: &Self::Seen) -> Progress;

    /// Begins `op`. Sends one changing request (rarely two that belong together), never waits, and may be sent twice.
    fn start(writes: &Writes, op: &Self::Op) -> impl Future<Output = Result<(), CallError>> + Send;

    /// What takes `op` back, given what was seen before it; `None` where nothing is to be taken back. Never weakens: what was
    /// hardened stays so.
    fn undo(op: &Self::Op, was: &Self::Seen) -> Option<Self::Op> {
        let _ = (op, was);
        None
    }

    /// What is done instead where `op` is a step of something long that is taken back as a whole: it makes the way back what is planned from then
    /// on, in this run and in every other, whatever becomes of this process. Steps before it are then not undone one by one.
    fn turns_back(op: &Self::Op) -> Option<Self::Op> {
        let _ = op;
        None
    }

    /// Whether `op` belongs to such a way back: a resource that has done it ends as rolled back.
    fn is_way_back(op: &Self::Op) -> bool {
        let _ = op;
        false
    }
}

/// How many of a kind the manifest can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplicity {
    /// One object at its path.
    One,
    /// A list keyed by `name`.
    Many,
    /// None: it is composed of what other kinds contribute, and stands in no manifest.
    Composed,
}

/// The account, region and object that wishes are read in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The object's `metadata.name`, behind its namespace and a slash where it has one.
    pub object: String,
    /// Twelve digits.
    pub account: String,
    pub region: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
}

/// A real thing: `s3.buckets/huntaze-assets`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// The kind of resource, by its path in the manifest: `s3.buckets`.
    pub kind: String,
    /// What the resource is called in AWS, within its kind, account and region: `huntaze-assets`.
    pub id: String,
}

impl Key {
    pub fn new(kind: &str, id: impl Into<String>) -> Key {
        Key { kind: kind.to_owned(), id: id.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.kind, self.id)
    }
}

/// Something that one stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    #[serde(flatten)]
    pub key: Key,
    /// The fields of the one that needs it which it is needed for, each with what is below it: steps for other fields do not wait for it.
    /// Empty: it is needed for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The fields of the thing needed that must be as declared, each with what is below it: whatever else of it is blocked keeps nobody waiting.
    /// Empty: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// Only which of the two goes first: where the thing needed is held, or fails, nobody is kept waiting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub order_only: bool,
}

impl Need {
    /// In place of an id: every resource of the kind.
    pub const EVERY: &'static str = "*";

    /// What a whole resource stands on.
    pub fn of_all(kind: &str, id: impl Into<String>) -> Need {
        Need { key: Key::new(kind, id), fields: Vec::new(), parts: Vec::new(), order_only: false }
    }

    /// The same, where it is better done afterwards, and done all the same.
    pub fn order_only(self) -> Need {
        Need { order_only: true, ..self }
    }

    /// The same for a field, and what is below it.
    pub fn of_field(kind: &str, id: impl Into<String>, field: &str) -> Need {
        Need { fields: vec![field.to_owned()], ..Need::of_all(kind, id) }
    }

    /// The same for several fields.
    pub fn of_fields(kind: &str, id: impl Into<String>, fields: &[&str]) -> Need {
        Need { fields: fields.iter().map(|field| (*field).to_owned()).collect(), ..Need::of_all(kind, id) }
    }

    /// Only these fields of the thing needed count: `create` of a bucket that must be there, and no more.
    pub fn only<'p>(self, parts: impl IntoIterator<Item = &'p str>) -> Need {
        Need { parts: parts.into_iter().map(str::to_owned).collect(), ..self }
    }

    /// Whether a field of the thing needed counts.
    pub fn counts(&self, field: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| is_within(field, part) || is_within(part, field))
    }

    /// Whether a step for these fields waits for it.
    pub fn concerns(&self, fields: &[String]) -> bool {
        self.fields.is_empty() || fields.iter().any(|field| self.fields.iter().any(|of| is_within(field, of)))
    }
}

/// Whether `field` is `path`, or below it.
pub fn is_within(field: &str, path: &str) -> bool {
    field == path || field.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}

/// A resource as the manifest wants it.
pub struct Target<'a, K: Kind> {
    pub scope: &'a Scope,
    pub id: &'a str,
    pub spec: &'a K::Spec,
}

/// What a kind plans from.
pub struct Planning<'a, K: Kind> {
    pub scope: &'a Scope,
    pub id: &'a str,
    pub spec: &'a K::Spec,
    pub seen: &'a K::Seen,
    /// What differs, is readable and is not excepted. Never empty.
    pub drifts: &'a [Drift],
    /// All of this kind that the same manifest speaks for, this one among them, by id.
    pub peers: &'a KindPeers,
}

/// What a manifest says of the resources of one kind.
#[derive(Clone, Default)]
pub struct KindPeers {
    specs: BTreeMap<String, AnySpec>,
    /// What other objects of the same account and region say of theirs, each with the object's name.
    elsewhere: BTreeMap<String, (String, AnySpec)>,
    /// The ids of all of them by what [`Kind::shares`] says of them; made when it is first asked for.
    sharing: OnceLock<BTreeMap<String, Vec<String>>>,
}

impl KindPeers {
    pub const fn new() -> KindPeers {
        KindPeers { specs: BTreeMap::new(), elsewhere: BTreeMap::new(), sharing: OnceLock::new() }
    }

    pub fn add(&mut self, id: String, spec: AnySpec) {
        self.sharing.take();
        self.specs.insert(id, spec);
    }

    pub fn add_of(&mut self, object: &str, id: String, spec: AnySpec) {
        self.sharing.take();
        self.elsewhere.insert(id, (object.to_owned(), spec));
    }
}

/// What a manifest says of its resources, by kind and id: of all of them, those that a run leaves out too.
#[derive(Clone, Default)]
pub struct Peers(BTreeMap<&'static str, KindPeers>);

impl Peers {
    pub fn add(&mut self, kind: &'static str, id: String, spec: AnySpec) {
        self.0.entry(kind).or_default().add(id, spec);
    }

    /// The same of another object.
    pub fn add_of(&mut self, object: &str, kind: &'static str, id: String, spec: AnySpec) {
        self.0.entry(kind).or_default().add_of(object, id, spec);
    }

    /// Those of one kind.
    pub fn of(&self, kind: &str) -> &KindPeers {
        static NONE: KindPeers = KindPeers::new();
        self.0.get(kind).unwrap_or(&NONE)
    }
}

impl<'a, K: Kind> Planning<'a, K> {
    /// What the same manifest says of another one of this kind; nothing where it does not speak for it.
    pub fn peer(&self, id: &str) -> Option<&'a K::Spec> {
        self.peers.specs.get(id)?.downcast_ref()
    }

    /// The same, by another object of the account and region too: with the words that say which, where it is another. What two of them declare of a
    /// thing that they share must agree; what may be changed is still a matter of the same manifest.
    pub fn peer_anywhere(&self, id: &str) -> Option<(&'a K::Spec, String)> {
        let elsewhere = || {
            let (object, spec) = self.peers.elsewhere.get(id)?;
            Some((spec.downcast_ref()?, format!(" of the object {object}")))
        };
        self.peer(id).map(|spec| (spec, String::new())).or_else(elsewhere)
    }

    /// The ids of those that declare the shared thing of this name ([`Kind::shares`]), in other objects too.
    pub fn sharing(&self, name: &str) -> &'a [String] {
        let index = self.peers.sharing.get_or_init(|| {
            let mut index: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let elsewhere = self.peers.elsewhere.iter().filter(|(id, _)| !self.peers.specs.contains_key(*id));
            for (id, spec) in self.peers.specs.iter().chain(elsewhere.map(|(id, (_, spec))| (id, spec))) {
                if let Some(name) = spec.downcast_ref().and_then(K::shares) {
                    index.entry(name).or_default().push(id.clone());
                }
            }
            index
        });
        index.get(name).map_or(&[], Vec::as_slice)
    }

    /// The drift of a field, by its exact path.
    pub fn drift(&self, field: &str) -> Option<&Drift> {
        self.drifts.iter().find(|drift| drift.field == field)
    }

    /// The drifts below a path: `parameters` gives `parameters.rds.force_ssl` and its like.
    pub fn below(&self, path: &str) -> Vec<&Drift> {
        self.drifts.iter().filter(|drift| is_within(&drift.field, path)).collect()
    }
}

/// Which fields are asked for. A kind reads what these need, and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactSet(Box<[&'static str]>);

impl FactSet {
    pub fn new(fields: impl IntoIterator<Item = &'static str>) -> FactSet {
        FactSet(fields.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
    }

    pub fn has(&self, field: &str) -> bool {
        self.0.contains(&field)
    }

    /// Whether any field below `path` (or `path` itself) is asked for.
    pub fn any_below(&self, path: &str) -> bool {
        self.0.iter().any(|field| is_within(field, path))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Something that is wrong with a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// The field below the resource.
    pub path: FieldPath,
    pub message: String,
    pub expected: String,
}

/// `match: {names: ["huntaze-*"], except: [...], tags: {...}}`: a rule that covers things created later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Patterns of names; `*` stands for any characters, `?` for one. A thing is chosen when one of them matches.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 255)))]
    pub names: Vec<String>,
    /// Patterns of names that are not chosen, whatever `names` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 255)))]
    pub except: Vec<String>,
    /// Tags that a thing must carry, with these values, to be chosen.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: std::collections::BTreeMap<String, String>,
}

/// A real thing that a selector may choose.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub id: String,
    /// The region where it is, where that is not the scope's: selectors pass over it.
    pub elsewhere: Option<String>,
    /// Unknown where reading them was refused: a selector by tags then blocks the thing.
    pub tags: Fact<std::collections::BTreeMap<String, String>>,
}

/// A part of a composed thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The composed thing.
    pub to: Key,
    /// Its spec, to be merged: lists are joined, other members must agree.
    pub value: Value,
    /// The field of the contributing resource that asks for it: `denyInsecureTransport`.
    pub field: &'static str,
}
