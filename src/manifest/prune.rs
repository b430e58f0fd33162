//! What is left of an object when its mistakes are taken out, field by field: what comes after reading looks at that too, so that no mistake
//! hides another. Nothing of it is enforced.

use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::object::{API_VERSION, KIND};
use super::path::{FieldPath, Step};
use super::schema::Shape;
use super::tree::Place;
use super::validate::{self, nearest};

/// How often what is left is held against the schema again. Each time a mistake takes at most what stands around it with it.
const ROUNDS: usize = 16;
/// What stands in for a name that cannot be read.
const UNNAMED: &str = "unnamed";

/// An object that fits the schema again.
pub struct Pruned {
    pub value: Value,
    pub place: Option<Place>,
    pub removed: Removed,
}

/// What was taken out of an object.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// With every index as it was in the file.
    paths: BTreeSet<FieldPath>,
}

impl Removed {
    /// Whether the account and region of the object are as they were written, and nothing stands in for them.
    pub fn is_placed(&self) -> bool {
        let spec = FieldPath::root().key("spec");
        !["account", "region"].iter().any(|field| self.paths.contains(&spec.key(field)))
    }

    /// Whether what is said of `path` may only come of what was taken out: of the same place, of something around it, of a field beside it
    /// (a key without its algorithm), or of which thing is meant. It is not said then; once the mistakes are mended it is.
    pub fn casts_doubt_on(&self, path: &FieldPath, shape: &Shape) -> bool {
        let Some(entry) = shape.entry(path) else { return false };
        self.inside(&entry).any(|gone| {
            let around = gone.first(gone.0.len().saturating_sub(1));
            // Items of a list and keys that somebody chose stand beside each other without a bond.
            let bound = matches!(gone.0.last(), Some(Step::Key(_))) && around != entry && !is_keyed(&around, &entry, shape);
            gone.holds(path) || path.holds(gone) || bound && around.holds(path) || says_which(gone, shape) && says_which(path, shape)
        })
    }

    /// Whether it is still known which thing the entry at `path` is about.
    pub fn leaves_identity(&self, path: &FieldPath, shape: &Shape) -> bool {
        !self.inside(path).any(|gone| says_which(gone, shape))
    }

    fn inside<'a>(&'a self, path: &'a FieldPath) -> impl Iterator<Item = &'a FieldPath> {
        // In order, what a path holds stands right behind it.
        self.paths.range(path..).take_while(|gone| path.holds(gone))
    }
}

/// Whether the keys of the mapping at `path` are fields of their own, as tags are.
fn is_keyed(path: &FieldPath, entry: &FieldPath, shape: &Shape) -> bool {
    let below = FieldPath(path.0.iter().skip(entry.0.len()).cloned().collect()).to_string();
    shape.fields(&kind(path)).iter().any(|field| field.strip_suffix(".*") == Some(&below))
}

/// Whether `path` stands in a member of its entry that is nothing to compare, nor like such a one by its name: it may say which thing is meant.
fn says_which(path: &FieldPath, shape: &Shape) -> bool {
    let member = shape.entry(path).and_then(|entry| path.0.get(entry.0.len()));
    let Some(Step::Key(member)) = member else { return true };
    // As in `did_you_mean`: names of ours are short.
    if member.len() > 100 {
        return true;
    }
    let fields = shape.fields(&kind(path));
    nearest(member, fields.iter().filter_map(|field| field.split('.').next())).is_none()
}

/// `s3.buckets` of `spec.s3.buckets[0].tags`.
fn kind(path: &FieldPath) -> String {
    FieldPath(path.0.iter().skip(1).take(2).cloned().collect()).to_string()
}

/// Takes out what stands at `wrong`, and then what the schema still does not like. Nothing: nothing legible is left.
pub fn prune(
    schema: &Value,
    validator: &Validator,
    shape: &Shape,
    value: Value,
    place: Option<Place>,
    mut wrong: BTreeSet<FieldPath>,
) -> Option<Pruned> {
    let mut pruned = Pruned { value, place, removed: Removed::default() };
    for _ in 0..ROUNDS {
        if wrong.is_empty() {
            return Some(pruned);
        }
        let mut targets = BTreeSet::new();
        for path in &wrong {
            targets.insert(pruned.target(path, shape)?);
        }
        // From the last to the first, so that the indices of those to come stay right; what goes with something around it goes first.
        for target in targets.iter().rev() {
            pruned.take_out(target, shape);
        }
        wrong = validate::validate(schema, validator, &pruned.value, None).into_iter().map(|finding| finding.path).collect();
    }
    None
}

impl Pruned {
    /// What has to go for a mistake at `path`: what stands there or, where something is missing, what it is missing in.
    fn target(&self, path: &FieldPath, shape: &Shape) -> Option<FieldPath> {
        let mut path = path.clone();
        while stand_in(&path, shape).is_none() && find(&self.value, &path).is_none() {
            path.0.pop()?;
        }
        let is_frame = path.0.is_empty() || matches!(path.to_string().as_str(), "metadata" | "spec");
        (!is_frame).then_some(path)
    }

    fn take_out(&mut self, path: &FieldPath, shape: &Shape) {
        let written = self.place.as_ref().map_or_else(|| path.clone(), |place| place.written(path));
        self.removed.paths.insert(written);
        remove(&mut self.value, path);
        match (stand_in(path, shape), path.0.split_last()) {
            (Some(other), Some((Step::Key(key), parents))) => {
                if let Some(Value::Object(map)) = find_mut(&mut self.value, parents) {
                    map.insert(key.clone(), other);
                }
            }
            _ => {
                if let Some(place) = &mut self.place {
                    place.remove(path);
                }
            }
        }
    }
}

/// What can take the place of a field without which nothing can be read at all.
fn stand_in(path: &FieldPath, shape: &Shape) -> Option<Value> {
    match path.to_string().as_str() {
        "apiVersion" => Some(API_VERSION.into()),
        "kind" => Some(KIND.into()),
        "metadata" => Some(json!({"name": UNNAMED})),
        "metadata.name" => Some(UNNAMED.into()),
        "spec.account" => Some("000000000000".into()),
        "spec.region" => Some("us-east-1".into()),
        _ => {
            let entry = shape.entry(path)?;
            let is_item = matches!(entry.0.last(), Some(Step::Index(_)));
            (is_item && *path == entry.key("name")).then(|| UNNAMED.into())
        }
    }
}

pub(super) fn find<'v>(value: &'v Value, path: &FieldPath) -> Option<&'v Value> {
    path.0.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

fn find_mut<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Takes out what stands at `path`.
pub fn remove(value: &mut Value, path: &FieldPath) {
    let Some((last, parents)) = path.0.split_last() else { return };
    match (find_mut(value, parents), last) {
        (Some(Value::Object(map)), Step::Key(key)) => {
            map.remove(key);
        }
        (Some(Value::Array(items)), Step::Index(index)) if *index < items.len() => {
            items.remove(*index);
        }
        _ => {}
    }
}
