//! An object that was read, and where it was written.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::super::object::AwsBaseline;
use super::super::path::FieldPath;
use super::super::problem::{Problem, Source};
use super::super::prune::Removed;
use super::super::scan::Mark;
use super::super::schema::Shape;
use super::super::tree::Place;
use super::super::validate::Finding;
use super::origin::Origin;

/// An object, and where it was written.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub object: AwsBaseline,
    pub file: PathBuf,
    pub positions: Positions,
    /// The entries that were taken out of it since they are wrong, as they were written, each with its path in the file.
    pub stopped: Vec<(FieldPath, Value)>,
    /// Its name, where one could be read.
    pub(super) name: Option<String>,
    pub(super) shape: Arc<Shape>,
    pub(super) source: Option<Arc<Source>>,
    pub(super) removed: Removed,
    /// With the entries that have mistakes, as far as they can be read; nothing where there are none.
    pub(super) legible: Option<Box<Loaded>>,
}

impl Loaded {
    /// An error at a field of this object: for what is found wrong later than by reading. Given `path` is one of the
    /// object as it is here; said is the one in the file.
    pub fn problem(&self, path: &FieldPath, message: impl Into<String>) -> Problem {
        let origin = Origin { file: self.file.display().to_string(), source: self.source.clone(), place: self.positions.0.as_deref() };
        origin.problem(&Finding::at(path.clone(), message), self.name.clone(), &self.shape)
    }

    /// All that can be read of it, for finding what else is wrong: with the entries that have mistakes, without the fields that are the mistakes.
    /// Never to be enforced.
    pub fn legible(&self) -> &Loaded {
        self.legible.as_deref().unwrap_or(self)
    }

    /// Whether what is wrong at `path` may only come of fields that were taken out.
    pub fn is_doubtful(&self, path: &FieldPath) -> bool {
        self.removed.casts_doubt_on(&self.positions.written_path(path), &self.shape)
    }

    /// Whether the account and region are as they were written, and nothing stands in for them.
    pub fn is_placed(&self) -> bool {
        self.removed.is_placed()
    }

    /// Whether it is known for certain which thing the entry at `path` speaks for.
    pub fn identifies(&self, path: &FieldPath) -> bool {
        self.removed.is_placed() && self.removed.leaves_identity(&self.positions.written_path(path), &self.shape)
    }
}

/// Where an object stands: its file, and the fields in it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub file: String,
    pub positions: Positions,
}

impl Written {
    /// Where the key at `path` stands, or the nearest thing around it; and whether it is that key itself.
    pub fn nearest(&self, path: &FieldPath) -> (bool, Option<Mark>) {
        let Some(root) = self.positions.0.as_deref() else { return (false, None) };
        let mut place = root;
        for step in &path.0 {
            match place.child(step) {
                Some(inner) => place = inner,
                None => return (false, Some(place.key)),
            }
        }
        (true, Some(place.key))
    }
}

/// Where the fields of an object were written.
#[derive(Clone, Debug, Default)]
pub struct Positions(pub(super) Option<Arc<Place>>);

impl Positions {
    /// Line and column of the key at `path` (`spec.s3.buckets[0]`, or a JSON pointer).
    pub fn at(&self, path: &str) -> Option<(u32, u32)> {
        let place = self.0.as_ref()?.find(&path.parse().ok()?)?;
        Some((place.key.line, place.key.column))
    }

    /// `path` with every index as it was in the file: entries with mistakes have been taken out since.
    pub fn written(&self, path: &str) -> String {
        path.parse().map_or_else(|_| path.to_owned(), |path| self.written_path(&path).to_string())
    }

    fn written_path(&self, path: &FieldPath) -> FieldPath {
        self.0.as_ref().map_or_else(|| path.clone(), |place| place.written(path))
    }
}
