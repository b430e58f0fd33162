//! The streams: they push nothing when only their groups change (rule 6), so that all of them are compared under the hold.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::marks::{Key, Marks};

/// How many streams are remembered; with more, a full pass takes the place of their list.
const LIMIT: usize = 100_000;

/// Every stream that was read from the source, whichever database it is in.
#[derive(Debug, Default)]
pub struct Streams(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    keys: HashSet<Key>,
    too_many: bool,
}

impl Clone for Streams {
    fn clone(&self) -> Streams {
        Streams(Mutex::new(self.lock().clone()))
    }
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn saw(&self, key: &[u8]) {
        let mut known = self.lock();
        if known.keys.len() < LIMIT {
            if !known.keys.contains(key) {
                known.keys.insert(key.to_vec());
            }
        } else if !known.keys.contains(key) {
            known.too_many = true;
        }
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.lock().keys.len()
    }

    /// Marks all of them, to be compared.
    pub fn mark_all(&self, marks: &Marks, part_of: impl Fn(&[u8]) -> usize) {
        let (keys, too_many) = {
            let known = self.lock();
            (known.keys.iter().cloned().collect::<Vec<_>>(), known.too_many)
        };
        if too_many {
            return marks.mark_everything();
        }
        let mut parts: std::collections::BTreeMap<usize, Vec<Key>> = std::collections::BTreeMap::new();
        for key in keys {
            parts.entry(part_of(&key)).or_default().push(key);
        }
        for (part, keys) in parts {
            marks.compare(part, keys);
        }
    }
}
