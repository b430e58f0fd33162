//! Kinds without their types, so that the pipeline can hold a list of them.

use std::any::Any;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::{
    Candidate, Contribution, Control, Drift, Fact, FactSet, Impact, Kind, KindPeers, Multiplicity, Need, Once, Operation, Planning,
    Progress, Scope, Selector, Shape, SpecProblem, Step, Steps, Target, Unreadable,
};
use crate::aws::{Call, CallError, Reads, Writes};

/// A spec of some kind.
pub type AnySpec = Arc<dyn Any + Send + Sync>;
/// What was seen of a resource of some kind.
pub type AnySeen = Arc<dyn Any + Send + Sync>;

/// A declared resource: what its kind says of the spec, taken out once.
#[derive(Clone)]
pub struct Wish {
    pub name: String,
    pub id: String,
    pub spec: AnySpec,
    /// The fields that it declares.
    pub want: FactSet,
}

/// What a kind says of one of its fields, for `explain` and `audit`.
#[derive(Clone, Debug)]
pub struct FieldDoc {
    pub path: &'static str,
    pub rule: &'static str,
    pub keyed: bool,
    pub controls: &'static [Control],
    /// The field whose declaration asks for this one; it stands in no manifest itself.
    pub implied_by: Option<&'static str>,
    /// It says whether something that was begun is at its end.
    pub must_end: bool,
}

/// One declared field beside what was found of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub field: String,
    pub declared: Value,
    pub found: Fact<Value>,
    pub satisfied: bool,
    pub impact: Impact,
}

/// A [`Kind`] without its types.
pub trait AnyKind: Send + Sync {
    fn path(&self) -> &'static str;
    fn title(&self) -> &'static str;
    fn shape(&self) -> Multiplicity;
    fn identity(&self) -> &'static [&'static str];
    fn global(&self) -> bool;
    fn part_of(&self) -> Option<&'static str>;
    fn is_regional(&self, spec: &AnySpec) -> bool;
    fn calls(&self) -> &'static [&'static Call];
    fn fields(&self) -> Vec<FieldDoc>;
    /// The fields that say whether something that was begun is at its end.
    fn must_end(&self) -> Vec<&'static str>;
    fn schema(&self) -> Value;
    /// Reads a spec; the error is serde's, for values that the schema let through.
    fn spec(&self, value: Value) -> Result<AnySpec, String>;
    fn wish(&self, spec: AnySpec, scope: &Scope) -> Wish;
    /// The spec as a value again, as the manifest would say it.
    fn value(&self, spec: &AnySpec) -> Value;
    fn problems(&self, spec: &AnySpec, scope: &Scope) -> Vec<SpecProblem>;
    fn selector(&self, spec: &AnySpec) -> Option<Selector>;
    fn list<'a>(&self, reads: &'a Reads, scope: &'a Scope, tags: bool) -> BoxFuture<'a, Result<Vec<Candidate>, CallError>>;
    fn contributes(&self, wish: &Wish, scope: &Scope) -> Vec<Contribution>;
    fn asks(&self, wish: &Wish, scope: &Scope, seen: &AnySeen) -> Option<Vec<Contribution>>;
    fn needs(&self, wish: &Wish, scope: &Scope, asks: &[Contribution]) -> Vec<Need>;
    fn missing(&self, id: &str, scope: &Scope) -> (String, String);
    fn creates(&self, wish: &Wish) -> bool;
    fn observe<'a>(&'a self, reads: &'a Reads, scope: &'a Scope, wish: &'a Wish, want: &'a FactSet) -> BoxFuture<'a, AnySeen>;
    fn presence(&self, seen: &AnySeen) -> Fact<()>;
    fn untold(&self, seen: &AnySeen) -> Option<String>;
    fn tend(&self, seen: &AnySeen) -> Option<Operation>;
    /// The paths of all that a wish declares, a keyed field's with their keys.
    fn declares(&self, wish: &Wish) -> Vec<String>;
    /// Every declared field beside what was found.
    fn compare(&self, wish: &Wish, seen: &AnySeen) -> Vec<Compared>;
    fn steps(&self, scope: &Scope, wish: &Wish, seen: &AnySeen, drifts: &[Drift], peers: &KindPeers) -> Steps<Operation>;
    fn notes(&self, wish: &Wish, seen: &AnySeen) -> Vec<String>;
    fn check(&self, op: &Operation, seen: &AnySeen) -> Progress;
    fn start<'a>(&'a self, writes: &'a Writes, op: &'a Operation) -> BoxFuture<'a, Result<(), StartError>>;
    fn undo(&self, op: &Operation, was: &AnySeen) -> Option<Operation>;
    fn turns_back(&self, op: &Operation) -> Option<Operation>;
    fn is_way_back(&self, op: &Operation) -> bool;
}

/// Why a step was not begun.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Call(#[from] CallError),
    /// The operation was written by another version of holdfast, which this one does not understand.
    #[error("this version of holdfast does not understand the recorded operation: {0}")]
    NotUnderstood(String),
}

pub(super) struct Erased<K>(std::marker::PhantomData<K>);

impl<K: Kind> Erased<K> {
    /// The spec as its type. The registry hands every kind its own specs only; another one's would be compared as saying nothing.
    fn with<R>(spec: &AnySpec, otherwise: R, then: impl FnOnce(&K::Spec) -> R) -> R {
        match spec.downcast_ref::<K::Spec>() {
            Some(spec) => then(spec),
            None => {
                debug_assert!(false, "{} was given another kind's spec", K::PATH);
                otherwise
            }
        }
    }

    fn op(op: &Operation) -> Result<K::Op, StartError> {
        op.read().map_err(|error| StartError::NotUnderstood(error.to_string()))
    }

    fn unseen() -> Unreadable {
        match Fact::<()>::default() {
            Fact::Unknown(why) => why,
            _ => Unreadable { call: String::new(), why: super::Why::NotAsked, message: String::new() },
        }
    }
}

impl<K: Kind> AnyKind for Erased<K> {
    fn path(&self) -> &'static str {
        K::PATH
    }

    fn title(&self) -> &'static str {
        K::TITLE
    }

    fn shape(&self) -> Multiplicity {
        K::SHAPE
    }

    fn identity(&self) -> &'static [&'static str] {
        K::IDENTITY
    }

    fn part_of(&self) -> Option<&'static str> {
        K::PART_OF
    }

    fn global(&self) -> bool {
        K::GLOBAL
    }

    fn is_regional(&self, spec: &AnySpec) -> bool {
        Self::with(spec, !K::GLOBAL, K::is_regional)
    }

    fn calls(&self) -> &'static [&'static Call] {
        K::CALLS
    }

    fn fields(&self) -> Vec<FieldDoc> {
        let doc = |field: &super::Field<K>| FieldDoc {
            path: field.path,
            rule: field.rule.words(),
            keyed: field.shape == Shape::Keyed,
            controls: field.controls,
            implied_by: field.implied_by,
            must_end: field.must_end,
        };
        K::FIELDS.iter().map(doc).collect()
    }

    fn must_end(&self) -> Vec<&'static str> {
        K::FIELDS.iter().filter(|field| field.must_end).map(|field| field.path).collect()
    }

    fn schema(&self) -> Value {
        // Inlined: every resource's schema stands for itself, and the API server wants no references.
        let mut settings = schemars::generate::SchemaSettings::draft2020_12();
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.into_generator().into_root_schema_for::<K::Spec>().to_value()
    }

    fn spec(&self, value: Value) -> Result<AnySpec, String> {
        serde_json::from_value::<K::Spec>(value).map(|spec| Arc::new(spec) as AnySpec).map_err(|error| error.to_string())
    }

    fn wish(&self, spec: AnySpec, scope: &Scope) -> Wish {
        let (name, id, want) = Self::with(&spec, Default::default(), |spec| {
            let declared = K::FIELDS.iter().filter(|field| (field.wish)(spec).is_some()).map(|field| field.path);
            (K::name(spec), K::id(spec, scope), FactSet::new(declared))
        });
        Wish { name, id, spec, want }
    }

    fn value(&self, spec: &AnySpec) -> Value {
        Self::with(spec, Value::Null, |spec| serde_json::to_value(spec).unwrap_or(Value::Null))
    }

    fn problems(&self, spec: &AnySpec, scope: &Scope) -> Vec<SpecProblem> {
        Self::with(spec, Vec::new(), |spec| K::problems(spec, scope))
    }

    fn selector(&self, spec: &AnySpec) -> Option<Selector> {
        Self::with(spec, None, |spec| K::selector(spec).cloned())
    }

    fn list<'a>(&self, reads: &'a Reads, scope: &'a Scope, tags: bool) -> BoxFuture<'a, Result<Vec<Candidate>, CallError>> {
        K::list(reads, scope, tags).boxed()
    }

    fn contributes(&self, wish: &Wish, scope: &Scope) -> Vec<Contribution> {
        Self::with(&wish.spec, Vec::new(), |spec| K::contributes(spec, &wish.id, scope))
    }

    fn asks(&self, wish: &Wish, scope: &Scope, seen: &AnySeen) -> Option<Vec<Contribution>> {
        let seen = seen.downcast_ref::<K::Seen>()?;
        Self::with(&wish.spec, None, |spec| K::asks(spec, &wish.id, scope, seen))
    }

    fn needs(&self, wish: &Wish, scope: &Scope, asks: &[Contribution]) -> Vec<Need> {
        Self::with(&wish.spec, Vec::new(), |spec| K::needs(spec, &wish.id, scope, asks))
    }

    fn missing(&self, id: &str, scope: &Scope) -> (String, String) {
        K::missing(id, scope)
    }

    fn creates(&self, wish: &Wish) -> bool {
        Self::with(&wish.spec, false, K::creates)
    }

    fn observe<'a>(&'a self, reads: &'a Reads, scope: &'a Scope, wish: &'a Wish, want: &'a FactSet) -> BoxFuture<'a, AnySeen> {
        async move {
            match wish.spec.downcast_ref::<K::Spec>() {
                Some(spec) => Arc::new(K::observe(reads, &Target { scope, id: &wish.id, spec }, want).await) as AnySeen,
                None => Arc::new(K::Seen::default()) as AnySeen,
            }
        }
        .boxed()
    }

    fn presence(&self, seen: &AnySeen) -> Fact<()> {
        seen.downcast_ref::<K::Seen>().map_or_else(Fact::default, K::presence)
    }

    fn untold(&self, seen: &AnySeen) -> Option<String> {
        seen.downcast_ref::<K::Seen>().and_then(K::untold)
    }

    fn tend(&self, seen: &AnySeen) -> Option<Operation> {
        seen.downcast_ref::<K::Seen>().and_then(K::tend).map(|op| Operation::of(&op))
    }

    fn declares(&self, wish: &Wish) -> Vec<String> {
        Self::with(&wish.spec, Vec::new(), |spec| {
            let declared = |field: &super::Field<K>| match (field.shape, (field.wish)(spec)) {
                (_, None) => Vec::new(),
                (Shape::Keyed, Some(Value::Object(entries))) => entries.keys().map(|key| format!("{}.{key}", field.path)).collect(),
                (_, Some(_)) => vec![field.path.to_owned()],
            };
            K::FIELDS.iter().flat_map(declared).collect()
        })
    }

    fn compare(&self, wish: &Wish, seen: &AnySeen) -> Vec<Compared> {
        let Some(seen) = seen.downcast_ref::<K::Seen>() else { return Vec::new() };
        Self::with(&wish.spec, Vec::new(), |spec| {
            let mut compared = Vec::new();
            for field in K::FIELDS {
                let Some(declared) = (field.wish)(spec) else { continue };
                let found = (field.fact)(seen);
                match (field.shape, declared) {
                    (Shape::Keyed, Value::Object(entries)) => {
                        for (key, declared) in entries {
                            let found = found.clone().and_then(|found| match found.get(&key) {
                                None | Some(Value::Null) => Fact::Absent,
                                Some(value) => Fact::Present(value.clone()),
                            });
                            compared.push(one(field, format!("{}.{key}", field.path), declared, found));
                        }
                    }
                    (_, declared) => compared.push(one(field, field.path.to_owned(), declared, found)),
                }
            }
            compared
        })
    }

    fn steps(&self, scope: &Scope, wish: &Wish, seen: &AnySeen, drifts: &[Drift], peers: &KindPeers) -> Steps<Operation> {
        let Some(seen) = seen.downcast_ref::<K::Seen>() else { return Steps::default() };
        Self::with(&wish.spec, Steps::default(), |spec| {
            let steps = K::steps(&Planning { scope, id: &wish.id, spec, seen, drifts, peers });
            let value = |step: Step<K::Op>| Step {
                op: Operation::of(&step.op),
                title: step.title,
                impact: step.impact,
                takes: step.takes,
                back: step.back,
                deadline: step.deadline,
                fields: step.fields,
                after: step.after,
                consented: step.consented,
                begun: step.begun,
                once: step.once.map(|once| Box::new(Once { consent_to: Operation::of(&once.consent_to), unasked: once.unasked })),
                room: step.room,
            };
            Steps { steps: steps.steps.into_iter().map(value).collect(), blocks: steps.blocks, notes: steps.notes }
        })
    }

    fn notes(&self, wish: &Wish, seen: &AnySeen) -> Vec<String> {
        let Some(seen) = seen.downcast_ref::<K::Seen>() else { return Vec::new() };
        Self::with(&wish.spec, Vec::new(), |spec| K::notes(spec, seen))
    }

    fn check(&self, op: &Operation, seen: &AnySeen) -> Progress {
        match (Self::op(op), seen.downcast_ref::<K::Seen>()) {
            (Ok(op), Some(seen)) => K::check(&op, seen),
            (Err(error), _) => Progress::Failed(error.to_string()),
            (_, None) => Progress::Unknown(Self::unseen()),
        }
    }

    fn start<'a>(&'a self, writes: &'a Writes, op: &'a Operation) -> BoxFuture<'a, Result<(), StartError>> {
        async move { Ok(K::start(writes, &Self::op(op)?).await?) }.boxed()
    }

    fn undo(&self, op: &Operation, was: &AnySeen) -> Option<Operation> {
        K::undo(&Self::op(op).ok()?, was.downcast_ref::<K::Seen>()?).map(|op| Operation::of(&op))
    }

    fn turns_back(&self, op: &Operation) -> Option<Operation> {
        K::turns_back(&Self::op(op).ok()?).map(|op| Operation::of(&op))
    }

    fn is_way_back(&self, op: &Operation) -> bool {
        Self::op(op).is_ok_and(|op| K::is_way_back(&op))
    }
}

fn one<K: Kind>(field: &super::Field<K>, path: String, declared: Value, found: Fact<Value>) -> Compared {
    let satisfied = match &found {
        Fact::Present(found) => field.rule.satisfied(found, &declared),
        // A declared null asks for absence.
        Fact::Absent => declared.is_null(),
        Fact::Unknown(_) => false,
    };
    let null = Value::Null;
    let impact = field.impact_of(found.present().unwrap_or(&null), &declared);
    Compared { field: path, declared, found, satisfied, impact }
}

/// The kinds, a line each, in the order in which they are planned and shown.
pub fn registry() -> &'static [&'static dyn AnyKind] {
    #[rustfmt::skip] // a line a kind
    static KINDS: &[&dyn AnyKind] = &[
        &kind::<super::s3::Account>(),
        &kind::<super::s3::Bucket>(),
        &kind::<super::s3::BucketPolicy>(),
        &kind::<super::rds::Instances>(),
        &kind::<super::elasticache::ReplicationGroups>(),
        &kind::<super::cloudtrail::Trails>(),
        &kind::<super::guardduty::Detector>(),
    ];
    KINDS
}

/// The place of a kind among them, by its path; of one that is not there, behind all.
pub fn place(path: &str) -> usize {
    registry().iter().position(|kind| kind.path() == path).unwrap_or(usize::MAX)
}

pub(super) const fn kind<K: Kind>() -> Erased<K> {
    Erased(std::marker::PhantomData)
}
