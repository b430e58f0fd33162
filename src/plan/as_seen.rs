//! What a resource asks of others is known for sure when it was seen: a trail that another region is home to is let into its bucket by that
//! region's name, and nothing is put into a bucket's policy for one that stays as it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Declared, Observed, Origin};
use crate::kinds::{Contribution, Key, Multiplicity, Need, Scope};

/// What resources ask for otherwise than was declared before they were seen. Pure.
#[derive(Default)]
pub struct AsSeen(Vec<Asked>);

/// What one asks for.
struct Asked {
    by: Key,
    /// The entries that speak for it.
    entries: Vec<String>,
    before: Vec<Contribution>,
    now: Vec<Contribution>,
}

impl AsSeen {
    /// Notes what a resource asks of others now that it was seen, and answers with what it stands on then, where that is something else.
    pub fn note(&mut self, scope: &Scope, declared: &Declared, seen: &Observed) -> Option<Vec<Need>> {
        let now = declared.kind.asks(&declared.wish, scope, seen.as_ref()?)?;
        let before = declared.kind.contributes(&declared.wish, scope);
        if before == now {
            return None;
        }
        // What is not of this manifest nobody stands on.
        let known = |need: &Need| declared.needs.iter().any(|one| one.key == need.key);
        let needs = declared.kind.needs(&declared.wish, scope, &now).into_iter().filter(known).collect();
        let entries = declared.origins.iter().map(|origin| origin.entry.clone()).collect();
        self.0.push(Asked { by: declared.key(), entries, before, now });
        Some(needs)
    }

    /// Puts that into the composed things in place of what was declared; one that nobody asks for any more goes whole.
    ///
    /// Two that ask for the same part are taken for one: parts carry ids of those who ask (a statement's Sid).
    pub fn put_into(self, scope: &Scope, resources: &mut Vec<Declared>) {
        let mut gone: BTreeSet<Key> = BTreeSet::new();
        for Asked { by, entries, before, now } in self.0 {
            let to: BTreeSet<&Key> = before.iter().map(|part| &part.to).collect();
            for key in to {
                let mut composed = resources.iter_mut().filter(|declared| declared.kind.shape() == Multiplicity::Composed);
                let Some(whole) = composed.find(|one| one.key() == *key) else { continue };
                let mut value = whole.kind.value(&whole.wish.spec);
                for part in before.iter().filter(|part| part.to == *key) {
                    whole.origins.retain(|origin| !(entries.contains(&origin.entry) && origin.field.as_deref() == Some(part.field)));
                    without(&mut value, &part.value);
                }
                for part in now.iter().filter(|part| part.to == *key) {
                    let spec = whole.kind.spec(part.value.clone());
                    let parts = spec.map(|spec| whole.kind.declares(&whole.kind.wish(spec, scope))).unwrap_or_default();
                    whole.origins.extend(entries.iter().map(|entry| Origin {
                        entry: entry.clone(),
                        field: Some(part.field.to_owned()),
                        parts: parts.clone(),
                        by: Some(by.clone()),
                    }));
                    with(&mut value, &part.value);
                }
                if whole.origins.is_empty() {
                    gone.insert(key.clone());
                    continue;
                }
                // A list that lost or gained entries is read as it was before.
                if let Ok(spec) = whole.kind.spec(value) {
                    let id = std::mem::take(&mut whole.wish.id);
                    whole.wish = whole.kind.wish(spec, scope);
                    whole.wish.id = id;
                }
            }
        }
        resources.retain(|declared| !gone.contains(&declared.key()));
    }
}

/// Takes the entries of `part`'s lists out of the same lists of `whole`.
fn without(whole: &mut Value, part: &Value) {
    for (member, entries) in part.as_object().into_iter().flatten() {
        if let (Some(Value::Array(all)), Some(entries)) = (whole.get_mut(member), entries.as_array()) {
            all.retain(|one| !entries.contains(one));
        }
    }
}

/// Puts the entries of `part`'s lists into the same lists of `whole`.
fn with(whole: &mut Value, part: &Value) {
    let Value::Object(members) = whole else { return };
    for (member, entries) in part.as_object().into_iter().flatten() {
        let Some(entries) = entries.as_array() else { continue };
        if let Value::Array(all) = members.entry(member.clone()).or_insert_with(|| Value::Array(Vec::new())) {
            let new: Vec<Value> = entries.iter().filter(|one| !all.contains(one)).cloned().collect();
            all.extend(new);
        }
    }
}
