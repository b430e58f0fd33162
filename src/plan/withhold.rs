//! What a resource asks of others is left unasked where the resource itself is not this object's to change: no statement is put into a
//! bucket's policy for a trail that stays as it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Declared, Observed};
use crate::kinds::{Key, Multiplicity, Scope};

/// Takes out of the composed things what those ask for that are managed elsewhere; one that nobody else asks for goes whole. Pure.
///
/// Two that ask for the same part are taken for one: parts carry ids of those who ask (a statement's Sid).
pub fn withhold(scope: &Scope, resources: &mut Vec<(Declared, Observed)>) {
    let mut parts = Vec::new();
    for (declared, seen) in resources.iter() {
        let elsewhere = seen.as_ref().is_some_and(|seen| declared.kind.managed_elsewhere(scope, seen));
        if elsewhere {
            let origins: Vec<String> = declared.origins.iter().map(|origin| origin.entry.clone()).collect();
            parts.extend(declared.kind.contributes(&declared.wish, scope).into_iter().map(|part| (part, origins.clone())));
        }
    }
    let mut gone: BTreeSet<Key> = BTreeSet::new();
    for (part, origins) in parts {
        let composed = resources.iter_mut().map(|(declared, _)| declared);
        let composed = composed.filter(|declared| declared.kind.shape() == Multiplicity::Composed).find(|one| one.key() == part.to);
        let Some(composed) = composed else { continue };
        composed.origins.retain(|origin| !(origins.contains(&origin.entry) && origin.field.as_deref() == Some(part.field)));
        if composed.origins.is_empty() {
            gone.insert(part.to);
            continue;
        }
        let mut value = composed.kind.value(&composed.wish.spec);
        without(&mut value, &part.value);
        // A list that lost entries is read as it was before.
        if let Ok(spec) = composed.kind.spec(value) {
            let id = std::mem::take(&mut composed.wish.id);
            composed.wish = composed.kind.wish(spec, scope);
            composed.wish.id = id;
        }
    }
    resources.retain(|(declared, _)| !gone.contains(&declared.key()));
}

/// Takes the entries of `part`'s lists out of the same lists of `whole`.
fn without(whole: &mut Value, part: &Value) {
    for (member, entries) in part.as_object().into_iter().flatten() {
        if let (Some(Value::Array(all)), Some(entries)) = (whole.get_mut(member), entries.as_array()) {
            all.retain(|one| !entries.contains(one));
        }
    }
}
