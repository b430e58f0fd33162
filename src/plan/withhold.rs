//! What a resource asks of others is left unasked where the resource itself is not this object's to change: no statement is put into a
//! bucket's policy for a trail that stays as it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Declared, Observed};
use crate::kinds::{Contribution, Key, Multiplicity, Scope};

/// What those ask for that are managed elsewhere, each part with the entries that speak for whoever asks. Pure.
#[derive(Default)]
pub struct Withheld(Vec<(Contribution, Vec<String>)>);

impl Withheld {
    /// Notes what a resource asks of others, where it is managed elsewhere.
    pub fn note(&mut self, scope: &Scope, declared: &Declared, seen: &Observed) {
        if seen.as_ref().is_some_and(|seen| declared.kind.managed_elsewhere(scope, seen)) {
            let origins: Vec<String> = declared.origins.iter().map(|origin| origin.entry.clone()).collect();
            self.0.extend(declared.kind.contributes(&declared.wish, scope).into_iter().map(|part| (part, origins.clone())));
        }
    }

    /// Takes that out of the composed things; one that nobody else asks for goes whole.
    ///
    /// Two that ask for the same part are taken for one: parts carry ids of those who ask (a statement's Sid).
    pub fn take_out_of(self, scope: &Scope, resources: &mut Vec<Declared>) {
        let mut gone: BTreeSet<Key> = BTreeSet::new();
        for (part, origins) in self.0 {
            let mut composed = resources.iter_mut().filter(|declared| declared.kind.shape() == Multiplicity::Composed);
            let Some(whole) = composed.find(|one| one.key() == part.to) else { continue };
            whole.origins.retain(|origin| !(origins.contains(&origin.entry) && origin.field.as_deref() == Some(part.field)));
            if whole.origins.is_empty() {
                gone.insert(part.to);
                continue;
            }
            let mut value = whole.kind.value(&whole.wish.spec);
            without(&mut value, &part.value);
            // A list that lost entries is read as it was before.
            if let Ok(spec) = whole.kind.spec(value) {
                let id = std::mem::take(&mut whole.wish.id);
                whole.wish = whole.kind.wish(spec, scope);
                whole.wish.id = id;
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
