//! Manifests, generated from the schemas that the kinds declare. A kind that is added is generated without a line here; where a value must name a
//! real thing, or mean something, [`crate::tweaks`] has a line for its path.

use std::collections::BTreeMap;

use holdfast::kinds::{AnyKind, Multiplicity, registry};
use serde_json::{Map, Value, json};

use crate::draw::Draw;
use crate::pattern;
use crate::tweaks::{self, About, Tweak};

/// The resources of a manifest, as they stand below `spec`.
pub fn spec(draw: &mut Draw, world: &Value) -> Value {
    let mut spec = json!({
        "account": "317805897534",
        "region": "us-east-1",
        "policy": {"disruptive": "Allow", "maxChanges": 1000},
    });
    for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
        let Some((group, list)) = kind.path().split_once('.') else { continue };
        let value = match kind.shape() {
            Multiplicity::Many => {
                let names = tweaks::names(kind.path());
                let entries: Vec<Value> = draw.some(&names, 35).into_iter().map(|name| entry(*kind, Some(name), draw, world)).collect();
                Value::Array(entries)
            }
            _ if draw.chance(50) => entry(*kind, None, draw, world),
            _ => Value::Null,
        };
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        spec[group][list] = value;
    }
    spec
}

fn entry(kind: &'static dyn AnyKind, name: Option<&str>, draw: &mut Draw, world: &Value) -> Value {
    let about = About { name: name.unwrap_or_default(), world };
    let mut entry = match value(&kind.schema(), kind.path(), &about, draw) {
        Value::Object(entry) => entry,
        other => panic!("{}: its schema makes no object but {other}", kind.path()),
    };
    if let Some(name) = name {
        entry.insert("name".to_owned(), json!(name));
    }
    tweaks::whole(kind.path(), &about, &mut entry, draw);
    Value::Object(entry)
}

/// A value that the schema admits.
fn value(schema: &Value, path: &str, about: &About<'_>, draw: &mut Draw) -> Value {
    match tweaks::at(path, about, draw) {
        Tweak::Schema => {}
        Tweak::Is(value) => return value,
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(all) = schema.get(choice).and_then(Value::as_array) {
            let some: Vec<&Value> = all.iter().filter(|one| one.get("type") != Some(&json!("null"))).collect();
            return value(draw.pick::<&Value>(&some), path, about, draw);
        }
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(all) = schema.get("enum").and_then(Value::as_array) {
        let some: Vec<&Value> = all.iter().filter(|one| !one.is_null()).collect();
        return (*draw.pick(&some)).clone();
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
        _ => panic!("{path}: its schema says no type: {schema}"),
    };
    let limit = |name: &str| schema.get(name).and_then(Value::as_i64);
    match *draw.pick(&types) {
        "boolean" => json!(draw.flag()),
        "integer" | "number" => {
            let low = limit("minimum").unwrap_or(0);
            json!(draw.number(low.max(0), limit("maximum").unwrap_or(low.max(0) + 100)))
        }
        "string" => json!(text(schema, path, draw)),
        "array" => {
            let items = schema.get("items").unwrap_or(&Value::Null);
            let least = limit("minItems").unwrap_or(0).max(i64::from(draw.chance(80)));
            let most = limit("maxItems").unwrap_or(2).clamp(least, 2.max(least));
            let entries = (0..draw.number(least, most)).map(|_| value(items, &format!("{path}[]"), about, draw));
            json!(entries.collect::<Vec<_>>())
        }
        _ => object(schema, path, about, draw),
    }
}

fn object(schema: &Value, path: &str, about: &About<'_>, draw: &mut Draw) -> Value {
    let mut members = Map::new();
    let required: Vec<&str> = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties: BTreeMap<&String, &Value> = schema.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
    // Small things are declared whole, large ones in a few fields.
    let percent = if properties.len() > 6 { 30 } else { 60 };
    for (name, property) in properties {
        if required.contains(&name.as_str()) || draw.chance(percent) {
            let value = value(property, &format!("{path}.{name}"), about, draw);
            if !value.is_null() {
                members.insert(name.clone(), value);
            }
        }
    }
    if let Some(entry @ Value::Object(_)) = schema.get("additionalProperties") {
        let nullable = entry.get("type").and_then(Value::as_array).is_some_and(|all| all.contains(&json!("null")));
        for key in draw.some(tweaks::KEYS, 30) {
            let value = if nullable && draw.chance(25) { Value::Null } else { value(entry, &format!("{path}.*"), about, draw) };
            members.insert((*key).to_owned(), value);
        }
    }
    Value::Object(members)
}

fn text(schema: &Value, path: &str, draw: &mut Draw) -> String {
    match schema.get("pattern").and_then(Value::as_str) {
        Some(written) => pattern::text(written, draw).unwrap_or_else(|error| panic!("{path}: {error}: give it a line in tweaks.rs")),
        None => (*draw.pick(&["plain", "two words", "ünïcode-é", "a/b/c", "x=1&y=<2>\"", "0"])).to_owned(),
    }
}
