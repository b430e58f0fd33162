//! One resource out of all entries that speak for it. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Spoken;
use crate::kinds::{AnyKind, AnySpec, Block, Reason, Scope};
use crate::plan::{Declared, Origin};

/// One resource out of all entries that speak for it. Two that disagree block it, and are both named.
pub(super) fn merged(kind: &'static dyn AnyKind, scope: &Scope, id: String, spoken: Spoken<'_>) -> Declared {
    let mut blocks = spoken.blocks;
    let origins = spoken.entries.iter().map(|entry| Origin { entry: entry.label(), field: None, parts: Vec::new(), by: None }).collect();
    // By the members on the way, not by a path in one text: a tag's key may hold dots.
    let mut says: BTreeMap<Vec<&str>, (String, &Value)> = BTreeMap::new();
    let mut value = Map::new();
    for entry in &spoken.entries {
        let Value::Object(members) = &entry.value else { continue };
        for (member, said) in members {
            if kind.identity().contains(&member.as_str()) {
                if member != "match" {
                    value.entry(member.clone()).or_insert_with(|| said.clone());
                }
                continue;
            }
            for (path, leaf) in leaves(vec![member.as_str()], said) {
                match disagreeing(&says, &path, leaf) {
                    Some((other, before)) => blocks.push(Block {
                        reason: Reason::Conflict,
                        fields: vec![path.join(".")],
                        message: format!("{other} says {}, and {} says {}: {leaf}", before, entry.label(), path.join(".")),
                        what_to_do: "let one entry speak of it: take the field out of the other, or name the thing under its `except`"
                            .to_owned(),
                    }),
                    None => {
                        says.entry(path).or_insert_with(|| (entry.label(), leaf));
                    }
                }
            }
            merge(value.entry(member.clone()).or_insert(Value::Null), said);
        }
    }
    let single = match spoken.entries.as_slice() {
        [entry] => Ok(entry.spec.clone()),
        _ => kind.spec(Value::Object(value)),
    };
    let spec = single.unwrap_or_else(|message| {
        blocks.push(Block {
            reason: Reason::InvalidWish,
            fields: Vec::new(),
            message: format!("its entries together make no sense: {message}"),
            what_to_do: "correct the entries that speak for it".to_owned(),
        });
        spoken.entries.first().map_or_else(|| std::sync::Arc::new(()) as AnySpec, |entry| entry.spec.clone())
    });
    let mut wish = kind.wish(spec, scope);
    wish.id = id;
    Declared { kind, wish, origins, blocks, needs: Vec::new(), maker: None }
}

/// The values of a tree that are no objects, each with the members on its way. A list counts as one value; one whose entries have ids, as lifecycle rules
/// do, as one value an id. An object without members says nothing.
fn leaves<'a>(path: Vec<&'a str>, value: &'a Value) -> Vec<(Vec<&'a str>, &'a Value)> {
    let longer = |member: &'a str| path.iter().copied().chain([member]).collect();
    match value {
        Value::Object(members) => members.iter().flat_map(|(member, value)| leaves(longer(member), value)).collect(),
        leaf => match by_id(leaf) {
            Some(entries) => entries.into_iter().map(|(id, entry)| (longer(id), entry)).collect(),
            None => vec![(path, leaf)],
        },
    }
}

/// The entries of a list by their ids; nothing where it is another kind of value, or is empty.
fn by_id(value: &Value) -> Option<Vec<(&str, &Value)>> {
    let entries = value.as_array().filter(|entries| !entries.is_empty())?;
    entries.iter().map(|entry| Some((entry.get("id")?.as_str()?, entry))).collect()
}

/// Who said something else of the same place before, above it (`encryption: null`) or below it; and what.
fn disagreeing(says: &BTreeMap<Vec<&str>, (String, &Value)>, path: &[&str], leaf: &Value) -> Option<(String, String)> {
    let said = |path: &[&str], (who, value): &(String, &Value)| (who.clone(), format!("{}: {value}", path.join(".")));
    if let Some(before) = says.get(path) {
        return (before.1 != leaf).then(|| said(path, before));
    }
    let above = (1..path.len()).filter_map(|length| path.get(..length)).find_map(|above| Some(said(above, says.get(above)?)));
    let below =
        || says.range(path.to_vec()..).next().filter(|(other, _)| other.starts_with(path)).map(|(other, before)| said(other, before));
    above.or_else(below)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (member, value) in from {
                merge(into.entry(member.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), from) if by_id(from).is_some() => {
            for entry in from.as_array().into_iter().flatten() {
                // One that both have is the same: else they disagree, and that was said.
                if !into.contains(entry) {
                    into.push(entry.clone());
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::desired::Entry;
    use crate::kinds::fake::{FAKE, scope};

    fn both(one: Value, other: Value) -> Declared {
        let entry = |name: &str, value: Value| Entry {
            kind: FAKE,
            spec: FAKE.spec(value.clone()).unwrap_or_else(|_| FAKE.spec(json!({})).unwrap()),
            value,
            name: name.to_owned(),
            path: String::new(),
        };
        let entries = [entry("one", one), entry("other", other)];
        merged(FAKE, &scope("merge"), "real".to_owned(), Spoken { entries: entries.iter().collect(), ..Spoken::default() })
    }

    #[test]
    fn entries_that_agree_are_merged() {
        let declared = both(json!({"name": "one", "v": {"x": 1}, "needs": ["n"]}), json!({"name": "other", "v": {"x": 1, "y.z": 2}}));
        assert_eq!(declared.blocks, []);
        assert_eq!(FAKE.value(&declared.wish.spec)["v"], json!({"x": 1, "y.z": 2}));
        assert_eq!((declared.wish.id.as_str(), declared.origins.len()), ("real", 2));
    }

    #[test]
    fn entries_that_disagree_block_and_name_both() {
        for (one, other, field) in [
            (json!({"v": {"x": 1}}), json!({"v": {"x": 2}}), "v.x"),
            (json!({"needs": ["a"]}), json!({"needs": ["b"]}), "needs"),
            // One says that there is none, the other what it is like: above and below are the same place.
            (json!({"second": null}), json!({"second": {"deep": 1}}), "second.deep"),
            (json!({"second": {"deep": 1}}), json!({"second": null}), "second"),
        ] {
            let declared = both(one.clone(), other);
            let block =
                declared.blocks.iter().find(|block| block.reason == Reason::Conflict).unwrap_or_else(|| panic!("{one}: no conflict"));
            assert_eq!(block.fields, [field]);
            assert!(block.message.contains("test.things/one") && block.message.contains("test.things/other"), "{}", block.message);
        }
        // A key with a dot is not a path.
        assert_eq!(both(json!({"v": {"x.y": 1}}), json!({"v": {"x": 2}})).blocks, []);
    }
}
