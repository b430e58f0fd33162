//! The entries of an object, each read by its kind. Pure.

use serde_json::Value;

use crate::kinds::{AnyKind, AnySpec, Key, Multiplicity, Scope, SpecProblem, registry};
use crate::manifest::{AwsBaseline, FieldPath};

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

/// Everything that an object declares, in the order of the kinds: with its kind, and where it stands.
pub fn declared(object: &AwsBaseline) -> impl Iterator<Item = (&'static dyn AnyKind, FieldPath, &Value)> {
    registry().iter().flat_map(|kind| {
        let place = kind.path().split_once('.').filter(|_| kind.shape() != Multiplicity::Composed);
        let found = place.and_then(|(group, list)| {
            Some((FieldPath::root().key("spec").key(group).key(list), object.spec.resources.get(group)?.get(list)?))
        });
        let values: Vec<(FieldPath, &Value)> = match (kind.shape(), found) {
            (Multiplicity::Many, Some((path, Value::Array(values)))) => {
                values.iter().enumerate().map(|(at, value)| (path.index(at), value)).collect()
            }
            (_, found) => found.into_iter().collect(),
        };
        values.into_iter().map(move |(path, value)| (*kind, path, value))
    })
}

/// Reads the entries of an object, kind by kind: those that are right, those that say something wrong, and what that is. One stops no other
/// (contract 14).
pub fn entries(object: &AwsBaseline, scope: &Scope) -> (Vec<Entry>, Vec<Entry>, Vec<Wrong>) {
    let mut entries = Vec::new();
    let mut stopped = Vec::new();
    let mut wrong = Vec::new();
    for (kind, path, value) in declared(object) {
        if kind.shape() == Multiplicity::Many && path.to_string().ends_with(kind.path()) {
            wrong.push(Wrong { path, message: "not a list".to_owned(), expected: "a list".to_owned() });
            continue;
        }
        match kind.spec(value.clone()) {
            Ok(spec) => {
                let problems = kind.problems(&spec, scope);
                let name = kind.wish(spec.clone(), scope).name;
                let entry = Entry { kind, spec, value: value.clone(), name, path: path.to_string() };
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
    (entries, stopped, wrong)
}
