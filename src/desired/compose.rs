//! Things that several wishes meet on: a bucket's policy is what S3, CloudTrail and GuardDuty need of it, put together. Pure.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::Choice;
use crate::kinds::{AnyKind, Block, Key, Reason, Scope, registry};
use crate::plan::{Declared, Maker, Origin};

/// The things that several wishes meet on, each composed once (contract 13). Where that fails, those who asked for it are blocked: what they
/// declare would not be kept.
///
/// That a thing will be made counts only where who makes it is of this run: it would be waited for in vain.
pub(super) fn compose(found: &mut [Declared], scope: &Scope, choice: &Choice) -> Vec<Declared> {
    #[derive(Default)]
    struct Parts {
        value: Map<String, Value>,
        /// What is in its lists, by member and text: thousands of wishes may meet on one thing.
        listed: HashSet<(String, String)>,
        /// Who asks, by place.
        from: Vec<usize>,
        origins: Vec<Origin>,
        blocks: Vec<Block>,
    }
    let mut composed: BTreeMap<Key, Parts> = BTreeMap::new();
    let mut makers: BTreeMap<Key, Maker> = BTreeMap::new();
    for (place, declared) in found.iter().enumerate() {
        for part in declared.kind.contributes(&declared.wish, scope) {
            // What it asks for by itself: an exception for its field covers that, and nothing that others ask for.
            let own = kind_of(&part.to).and_then(|kind| Some(kind.declares(&kind.wish(kind.spec(part.value.clone()).ok()?, scope))));
            let own = own.unwrap_or_default();
            // Without parts of its own, all that it says is that the thing will be there.
            let idle = match choice.leaves_out(declared) {
                _ if !declared.blocks.is_empty() => Some(Maker::blocked(declared.key())),
                choose => choose.map(|choose| Maker::left_out(declared.key(), choose)),
            };
            if let Some(idle) = idle.filter(|_| own.is_empty()) {
                makers.entry(part.to).or_insert(idle);
                continue;
            }
            // What is blocked itself asks for nothing.
            if !declared.blocks.is_empty() {
                continue;
            }
            let parts = composed.entry(part.to).or_default();
            parts.from.push(place);
            parts.origins.extend(declared.origins.iter().map(|origin| Origin {
                entry: origin.entry.clone(),
                field: Some(part.field.to_owned()),
                parts: own.clone(),
                by: Some(declared.key()),
            }));
            let Value::Object(members) = part.value else { continue };
            for (member, value) in members {
                match (parts.value.get_mut(&member), value) {
                    (None | Some(Value::Array(_)), Value::Array(more)) => {
                        let listed = &mut parts.listed;
                        let new: Vec<Value> = more.into_iter().filter(|one| listed.insert((member.clone(), one.to_string()))).collect();
                        if let Value::Array(all) = parts.value.entry(member).or_insert_with(|| Value::Array(Vec::new())) {
                            all.extend(new);
                        }
                    }
                    (None, value) => {
                        parts.value.insert(member, value);
                    }
                    (Some(before), value) if *before == value => {}
                    (Some(before), value) => parts.blocks.push(Block {
                        reason: Reason::Conflict,
                        fields: vec![member.clone()],
                        message: format!("its entries ask for {member}: {before} and for {value}"),
                        what_to_do: "let one entry speak of it".to_owned(),
                    }),
                }
            }
        }
    }
    let mut declared = Vec::new();
    for (key, parts) in composed {
        let read = kind_of(&key)
            .ok_or_else(|| "there is no such kind".to_owned())
            .and_then(|kind| Ok((kind, kind.spec(Value::Object(parts.value))?)));
        match read {
            Ok((kind, spec)) => {
                let mut blocks = parts.blocks;
                blocks.extend(kind.problems(&spec, scope).into_iter().map(|problem| Block {
                    reason: Reason::Conflict,
                    fields: vec![problem.path.to_string()],
                    message: problem.message,
                    what_to_do: problem.expected,
                }));
                let mut wish = kind.wish(spec, scope);
                let maker = makers.remove(&key);
                wish.id = key.id;
                declared.push(Declared { kind, wish, origins: parts.origins, blocks, needs: Vec::new(), maker });
            }
            Err(message) => {
                for place in parts.from {
                    let Some(declared) = found.get_mut(place) else { continue };
                    declared.blocks.push(Block {
                        reason: Reason::InvalidWish,
                        fields: Vec::new(),
                        message: format!("what it asks of {key} makes no sense together with what others ask: {message}"),
                        what_to_do: "correct the entries that ask for it, or report this as a bug".to_owned(),
                    });
                }
            }
        }
    }
    declared
}

fn kind_of(key: &Key) -> Option<&'static dyn AnyKind> {
    registry().iter().copied().find(|kind| kind.path() == key.kind)
}
