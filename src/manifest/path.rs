//! The path of a field inside an object, as it is printed and as it is looked up.

use std::fmt;
use std::str::FromStr;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Where a field stands inside an object: `spec.s3.buckets[0].tags["cost.center"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(pub Vec<Step>);

impl FieldPath {
    /// The object itself.
    pub fn root() -> FieldPath {
        FieldPath::default()
    }

    /// This path and one key more.
    pub fn key(&self, key: &str) -> FieldPath {
        let mut longer = self.clone();
        longer.0.push(Step::Key(key.to_owned()));
        longer
    }

    /// This path and one place in a list more.
    pub fn index(&self, index: usize) -> FieldPath {
        let mut longer = self.clone();
        longer.0.push(Step::Index(index));
        longer
    }

    /// A path that stands in the source of a kind (`eventSelectors[0].values`). Keys that a manifest chose are added by [`FieldPath::key`].
    pub fn fixed(path: &str) -> FieldPath {
        path.parse().unwrap_or_default()
    }

    /// This path, and `below` from there.
    pub fn then(&self, below: &FieldPath) -> FieldPath {
        FieldPath(self.0.iter().chain(&below.0).cloned().collect())
    }

    /// The first `steps` steps of it.
    pub fn first(&self, steps: usize) -> FieldPath {
        FieldPath(self.0.iter().take(steps).cloned().collect())
    }

    /// Whether `self` is `other` or holds it.
    pub fn holds(&self, other: &FieldPath) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The last key on it, not counting places in lists.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// Reads a JSON pointer (RFC 6901). A step of digits is a place in a list.
    pub fn from_pointer(pointer: &str) -> FieldPath {
        let steps = pointer.split('/').skip(1).map(|step| match step.parse::<usize>() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Key(step.replace("~1", "/").replace("~0", "~")),
        });
        FieldPath(steps.collect())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'))
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if is_plain(key) && place > 0 => write!(f, ".{key}")?,
                Step::Key(key) if is_plain(key) => f.write_str(key)?,
                Step::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The text is not a path of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path such as spec.s3.buckets[0].versioning")]
pub struct BadPath;

impl FromStr for FieldPath {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<FieldPath, BadPath> {
        if text.starts_with('/') {
            return Ok(FieldPath::from_pointer(text));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                if inside.starts_with('"') {
                    let mut quoted = serde_json::Deserializer::from_str(inside).into_iter::<String>();
                    let key = quoted.next().and_then(Result::ok).ok_or(BadPath)?;
                    let after = inside.get(quoted.byte_offset()..).ok_or(BadPath)?;
                    rest = after.strip_prefix(']').ok_or(BadPath)?;
                    steps.push(Step::Key(key));
                } else {
                    let (index, after) = inside.split_once(']').ok_or(BadPath)?;
                    steps.push(Step::Index(index.parse().map_err(|_| BadPath)?));
                    rest = after;
                }
                continue;
            }
            let name = if steps.is_empty() { rest } else { rest.strip_prefix('.').ok_or(BadPath)? };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (key, after) = name.split_at(end);
            if key.is_empty() {
                return Err(BadPath);
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
        Ok(FieldPath(steps))
    }
}
