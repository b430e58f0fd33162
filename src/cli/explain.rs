//! `holdfast explain`: what a field of the manifest means.

use std::fmt::Write;

use serde_json::Value;

use super::{complain, print};
use crate::exit::Exit;
use crate::kinds::{FieldDoc, Multiplicity, registry};
use crate::load;
use crate::manifest::{did_you_mean, without_bounds_of_types};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  holdfast explain                            what a manifest holds, and the kinds\n  holdfast explain s3.buckets                 all fields of a kind\n  holdfast explain s3.buckets.versioning\n  holdfast explain policy.maxChanges"
)]
pub struct Args {
    /// The path of a field, below `spec` or from it: rds.instances.backupRetentionDays; without it, what a manifest holds.
    #[arg(value_name = "FIELD", default_value = "spec", hide_default_value = true)]
    field: String,
}

pub fn run(args: &Args) -> Exit {
    match explain(&without_bounds_of_types(load::schema()), &args.field) {
        Ok(text) => print(&text),
        Err(message) => complain(Exit::Failed, &message),
    }
}

fn explain(schema: &Value, field: &str) -> Result<String, String> {
    let path: Vec<&str> = field.split('.').filter(|part| !part.is_empty()).map(|part| part.split('[').next().unwrap_or(part)).collect();
    let first_known =
        |root: &Value| path.first().is_some_and(|first| *first == "spec" || root.pointer(&format!("/properties/{first}")).is_some());
    let spec = schema.pointer("/properties/spec").unwrap_or(schema);
    let mut at = if first_known(schema) { schema } else { spec };
    let mut said: Vec<String> = Vec::new();
    let mut rest = path.as_slice();
    while let Some((part, after)) = rest.split_first() {
        let inside = inner(at);
        let fields = inside.get("properties").and_then(Value::as_object);
        if let Some(next) = fields.and_then(|fields| fields.get(*part)) {
            (at, rest) = (next, after);
            said.push((*part).to_owned());
        } else if let Some(open) = inside.get("additionalProperties").filter(|open| open.is_object()) {
            // A key of a map is a name of AWS's and may hold dots (`rds.force_ssl`): where nothing can stand below it, all that is left is the key.
            let holds_fields =
                ["properties", "additionalProperties"].iter().any(|word| inner(open).get(word).is_some_and(Value::is_object));
            let (key, left) = if holds_fields { ((*part).to_owned(), after) } else { (rest.join("."), [].as_slice()) };
            (at, rest) = (open, left);
            said.push(key);
        } else {
            let known: Vec<&str> = fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let place = if said.is_empty() { "the manifest's spec".to_owned() } else { said.join(".") };
            if known.is_empty() {
                return Err(format!("{place} is a value ({}), and has no field {part} or any other", kind_of(at)));
            }
            let guess = did_you_mean(part, known.iter().copied()).map_or_else(|| ".".to_owned(), |near| format!("; {near}"));
            return Err(format!("{place} has no field {part}{guess} It has: {}", known.join(", ")));
        }
    }
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    Ok(describe(&said, at))
}

/// What stands inside a field: the entries of a list count as the field.
fn inner(schema: &Value) -> &Value {
    schema.get("items").unwrap_or(schema)
}

/// What a field's description says; a list that has none is described by its entries.
fn said_of(schema: &Value) -> Option<&str> {
    fn text(schema: &Value) -> Option<&str> {
        schema.get("description")?.as_str().filter(|text| !text.trim().is_empty())
    }
    text(schema).or_else(|| text(inner(schema)))
}

fn describe(path: &[&str], schema: &Value) -> String {
    let mut out = String::new();
    let name = path.join(".");
    line(&mut out, format_args!("{name}  <{}>", kind_of(schema)));
    if let Some(text) = said_of(schema) {
        line(&mut out, format_args!("\n{}", text.trim()));
    }
    for (word, what) in [
        ("default", "default"),
        ("pattern", "pattern"),
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "shortest"),
        ("maxLength", "longest"),
        ("maxItems", "entries at most"),
        ("examples", "for example"),
    ] {
        if let Some(value) = schema.get(word) {
            line(&mut out, format_args!("  {what}: {value}"));
        }
    }
    let below: Vec<&str> = if path.first() == Some(&"spec") { path[1..].to_vec() } else { path.to_vec() };
    if let Some(kind) = below.get(..2).map(|two| two.join(".")).and_then(|kind| registry().iter().find(|one| one.path() == kind)) {
        let rest = below.get(2..).unwrap_or_default().join(".");
        for doc in kind.fields() {
            let exact = doc.path == rest || (doc.keyed && rest.starts_with(&format!("{}.", doc.path)));
            if exact {
                compared(&mut out, &doc);
            }
            if doc.implied_by == Some(rest.as_str()) {
                line(&mut out, format_args!("\nwith it, {} is compared: {}", doc.path, doc.rule));
            }
        }
    }
    if let Some(fields) = inner(schema).get("properties").and_then(Value::as_object) {
        line(&mut out, format_args!("\nfields:"));
        let required: Vec<&str> =
            inner(schema).get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, schema) in fields {
            let first = said_of(schema).unwrap_or_default().split("\n\n").next().unwrap_or_default().replace('\n', " ");
            let must = if required.contains(&field.as_str()) { ", required" } else { "" };
            line(&mut out, format_args!("  {field}  <{}{must}>\n      {first}", kind_of(schema)));
        }
    }
    if path == ["spec"] {
        line(&mut out, format_args!("\nkinds of resources (`holdfast explain KIND` lists the fields of one):"));
        for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
            line(&mut out, format_args!("  {:28}{}", kind.path(), kind.title()));
        }
    }
    out
}

fn compared(out: &mut String, doc: &FieldDoc) {
    line(out, format_args!("\ncompared: {}", doc.rule));
    line(
        out,
        format_args!(
            "cost: what a change takes depends on what is found; a dry run says it at each step (online, disruptive, irreversible)"
        ),
    );
    if doc.keyed {
        line(out, format_args!("each key is a field of its own; keys that are not declared are not looked at"));
    }
    for control in doc.controls {
        line(out, format_args!("control: {} {}", control.benchmark, control.id));
    }
}

/// A type in a word or two.
fn kind_of(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect::<Vec<_>>().join("|");
    }
    match schema.get("type") {
        Some(Value::String(one)) if one == "array" => format!("list of {}", schema.get("items").map_or("anything".to_owned(), kind_of)),
        Some(Value::String(one)) if one == "object" && schema.get("properties").is_none() => "map".to_owned(),
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect::<Vec<_>>().join("|"),
        _ => "one of several forms".to_owned(),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{text}");
}
