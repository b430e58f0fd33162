//! The whole of reading, from text to objects and problems. The kinds here are made up: reading knows none.

mod envelope;
mod hostile;
mod kept;
mod said;

use serde_json::{Value, json};

use super::*;

/// A schema with a kind that an account has once, and two that it has many of.
fn schema() -> Value {
    let bucket = json!({
        "type": "object",
        "properties": {
            "bucket": {"type": "string", "maxLength": 63},
            "versioning": {"type": ["boolean", "null"]},
            "days": {"type": "integer", "format": "uint16"},
            "ownership": {"oneOf": [
                {"const": "Enforced", "type": "string", "description": "No ACLs."},
                {"const": "Preferred", "type": "string", "description": "ACLs."},
            ]},
            "ratio": {"type": "number"},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "auth": {"type": "object", "properties": {"secretArn": {"type": "string", "pattern": "^arn:", "examples": ["arn:aws:x"]}}},
            "target": {"oneOf": [
                {"type": "object", "properties": {"ecs": {"$ref": "#/$defs/Ecs"}}, "required": ["ecs"]},
                {"type": "object", "properties": {"lambda": {"type": "string"}}, "required": ["lambda"]},
            ]},
            "rules": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}},
        },
        "$defs": {"Ecs": {"type": "object", "properties": {"service": {"type": "string"}}, "required": ["service"]}},
    });
    let account = json!({"type": "object", "properties": {"blockPublicAcls": {"type": "boolean"}}});
    let instance = json!({"type": "object", "properties": {"multiAz": {"type": "boolean"}}});
    let fields = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    manifest_schema(&[
        KindSchema { path: "s3.account", many: false, schema: account, fields: fields(&["blockPublicAcls"]) },
        KindSchema {
            path: "s3.buckets",
            many: true,
            schema: bucket,
            fields: fields(&["versioning", "days", "ownership", "auth.secretArn", "rules.*", "tags.*"]),
        },
        KindSchema { path: "rds.instances", many: true, schema: instance, fields: fields(&["multiAz"]) },
    ])
}

/// A manifest with `spec` below its account and region; the first line of it is line 7.
fn manifest(spec: &str) -> String {
    format!(
        "apiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {{name: prod}}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n{spec}"
    )
}

fn reading(text: &str) -> Reading {
    read_text("a.yaml", text, &schema())
}

/// The problems of a text as they are printed.
fn said(text: &str) -> String {
    reading(text).problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Their first lines.
fn lines(text: &str) -> Vec<String> {
    reading(text).problems.iter().filter_map(|problem| problem.to_string().lines().next().map(str::to_owned)).collect()
}
