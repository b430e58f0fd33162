//! The JSON schema of a manifest, assembled from the envelope's types and what each kind declares. No kind is named
//! here.
//!
//! What the derived schemas leave open is closed: an unknown field is an error at every level, `null` is no value (an
//! empty field would say in silence that it is unmanaged), lists have a maximum. References are resolved, as a
//! CustomResourceDefinition needs it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::object::{API_VERSION, KIND, Metadata, Spec};
use super::path::{FieldPath, Step};

/// How many items a list may have where nothing else is said.
pub const MAX_ITEMS: u64 = 1_000;

/// Marks the object that holds the kinds of a group.
pub(super) const GROUP: &str = "x-holdfast-group";
/// Marks what is declared of one kind.
pub(super) const KIND_PATH: &str = "x-holdfast-kind";

/// Lists what can differ of a kind, as [`KindSchema::fields`] says it: what an exception can name.
pub(super) const FIELDS: &str = "x-holdfast-fields";

/// Lists the kinds of a group that stand in no manifest, each with what can differ of it: an exception can name them, too.
pub(super) const COMPOSED: &str = "x-holdfast-composed";

/// What one kind adds to the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct KindSchema {
    /// Group and place in it: `s3.buckets`.
    pub path: &'static str,
    /// Whether an account has many of them (a list keyed by `name`) or one.
    pub many: bool,
    /// The schema of one of them, as [`derived`] makes it or otherwise.
    pub schema: Value,
    /// The paths of what is compared, below the resource; `tags.*` where each key is a field of its own.
    pub fields: Vec<String>,
}

/// The schema of a type of ours, without references.
pub fn derived<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    closed(generator.into_root_schema_for::<T>().to_value())
}

/// Makes a schema strict: see the module.
pub fn closed(schema: Value) -> Value {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    close(schema, &definitions, &mut Vec::new())
}

/// The schema of a whole manifest.
pub fn manifest_schema(kinds: &[KindSchema]) -> Value {
    let mut metadata = derived::<Metadata>();
    let said = "What the object is called, as in every Kubernetes object. Its name and namespace are read; what else Kubernetes keeps there is accepted.";
    put(&mut metadata, "description", said.into());
    if let (Some(Value::Object(fields)), Value::Object(kept)) = (metadata.get_mut("properties"), kept_by_kubernetes()) {
        fields.extend(kept);
    }
    let mut spec = derived::<Spec>();
    let mut groups: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for kind in kinds {
        let (group, name) = kind.path.split_once('.').unwrap_or((kind.path, "settings"));
        groups.entry(group).or_default().insert(name.to_owned(), kind_schema(kind));
    }
    if let Some(fields) = spec.get_mut("properties").and_then(Value::as_object_mut) {
        for (group, kinds) in groups {
            let group_schema = json!({
                "type": "object",
                "description": format!("What is declared of the account's {group} resources."),
                GROUP: group,
                "properties": kinds,
                "additionalProperties": false,
            });
            fields.insert(group.to_owned(), group_schema);
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("https://{API_VERSION}/awsbaseline.json"),
        "title": KIND,
        "description": "What an AWS account must look like.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "enum": [API_VERSION], "description": "The version of this schema."},
            "kind": {"type": "string", "enum": [KIND], "description": "What this object is."},
            "metadata": metadata,
            "spec": spec,
            "status": {"type": "object", "additionalProperties": true, "description": "What the controller last saw. Not read."},
        },
        "additionalProperties": false,
    })
}

/// What the API server adds to the metadata of an object, as `kubectl get -o yaml` shows it.
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>
fn kept_by_kubernetes() -> Value {
    let text = |said: &str| json!({"type": "string", "description": format!("{said} Not read.")});
    // An object that was never on a server is written with an empty one.
    let time = |said: &str| json!({"type": ["string", "null"], "description": format!("{said} Not read.")});
    let number = |said: &str| json!({"type": "integer", "description": format!("{said} Not read.")});
    let list = |said: &str, items: Value| json!({"type": "array", "maxItems": MAX_ITEMS, "items": items, "description": format!("{said} Not read.")});
    let open = json!({"type": "object", "additionalProperties": true});
    json!({
        "uid": text("What tells the object from a former one of its name."),
        "resourceVersion": text("Which version of the object this is."),
        "selfLink": text("Where older API servers have the object."),
        "generateName": text("What the API server made the name from."),
        "creationTimestamp": time("When the object was made."),
        "deletionTimestamp": time("When the object is to go."),
        "deletionGracePeriodSeconds": number("How long it may take to go."),
        "finalizers": list("Who must let go of the object before it goes.", json!({"type": "string"})),
        "ownerReferences": list("With what the object goes.", open.clone()),
        "managedFields": list("Who wrote which field.", open),
    })
}

/// Notes a kind that stands in no manifest since it is composed of what others ask for: exceptions can name its differences, as [`KindSchema::fields`]
/// says them. Nothing where its group is not there.
pub fn note_composed(schema: &mut Value, path: &str, fields: Vec<String>) {
    let Some((group, name)) = path.split_once('.') else { return };
    let group = schema.pointer_mut("/properties/spec/properties").and_then(|groups| groups.get_mut(group)).and_then(Value::as_object_mut);
    let composed = group.map(|group| group.entry(COMPOSED).or_insert_with(|| json!({})));
    if let Some(composed) = composed {
        put(composed, name, fields.into());
    }
}

fn kind_schema(kind: &KindSchema) -> Value {
    let mut schema = closed(kind.schema.clone());
    if !kind.many {
        put(&mut schema, KIND_PATH, kind.path.into());
        put(&mut schema, FIELDS, kind.fields.clone().into());
        return schema;
    }
    let name = json!({
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": r"^\S+$",
        "description": "The name of this entry, unique in its list. It stays when the real thing changes.",
    });
    if let Some(item) = schema.as_object_mut() {
        if let Some(fields) = item.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
            fields.entry("name").or_insert(name);
        }
        let required = item.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut()
            && !required.contains(&"name".into())
        {
            required.insert(0, "name".into());
        }
    }
    json!({
        "type": "array",
        "description": schema.get("description").cloned().unwrap_or_else(|| kind.path.into()),
        KIND_PATH: kind.path,
        FIELDS: kind.fields,
        "maxItems": MAX_ITEMS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": schema,
    })
}

fn put(schema: &mut Value, key: &str, value: Value) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(key.to_owned(), value);
    }
}

fn close(schema: Value, definitions: &Value, inside: &mut Vec<String>) -> Value {
    let mut map = match schema {
        Value::Object(map) => map,
        other => return other,
    };
    for key in ["$schema", "$defs", "title"] {
        map.remove(key);
    }
    if let Some(Value::String(reference)) = map.remove("$ref") {
        let name = reference.trim_start_matches("#/$defs/").to_owned();
        // A type that holds itself has no finite schema: what is inside the second one is refused.
        let target = if inside.contains(&name) { None } else { definitions.get(&name).cloned() };
        inside.push(name);
        let resolved = target.map_or_else(|| json!({"not": {}}), |target| close(target, definitions, inside));
        inside.pop();
        return with_siblings(resolved, map);
    }
    without_null(&mut map);
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(branches)) = map.get_mut(key) {
            branches.retain(|branch| branch.get("type") != Some(&"null".into()));
            let taken = std::mem::take(branches);
            *branches = taken.into_iter().map(|branch| close(branch, definitions, inside)).collect();
            if branches.len() == 1 {
                let only = branches.pop().unwrap_or_default();
                map.remove(key);
                return with_siblings(only, map);
            }
        }
    }
    one_of_constants(&mut map);
    bounded(&mut map);
    if let Some(Value::Object(fields)) = map.get_mut("properties") {
        for field in fields.values_mut() {
            *field = close(field.take(), definitions, inside);
        }
        map.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            let nullable = takes_null(inner);
            *inner = close(inner.take(), definitions, inside);
            // In a map, null is a wish of its own: the key must be absent.
            if nullable && key == "additionalProperties" {
                let kinds = match inner.get("type") {
                    Some(Value::String(kind)) => json!([kind, "null"]),
                    Some(Value::Array(kinds)) => kinds.iter().cloned().chain(["null".into()]).collect(),
                    _ => continue,
                };
                put(inner, "type", kinds);
            }
        }
    }
    match map.get("type").and_then(Value::as_str) {
        Some("object") => map.entry("additionalProperties").or_insert(Value::Bool(false)),
        Some("array") => map.entry("maxItems").or_insert(MAX_ITEMS.into()),
        _ => return Value::Object(map),
    };
    Value::Object(map)
}

/// What stands beside a reference says more of it: it wins.
fn with_siblings(schema: Value, siblings: Map<String, Value>) -> Value {
    match schema {
        Value::Object(mut map) => {
            map.extend(siblings);
            Value::Object(map)
        }
        other => other,
    }
}

/// Whether a derived schema is that of an `Option`.
fn takes_null(schema: &Value) -> bool {
    let null = Value::from("null");
    let listed = schema.get("type").and_then(Value::as_array).is_some_and(|kinds| kinds.contains(&null));
    listed
        || schema.get("anyOf").and_then(Value::as_array).is_some_and(|branches| branches.iter().any(|one| one.get("type") == Some(&null)))
}

fn without_null(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
}

/// Says the range of Rust's integer types in words of JSON schema, which has no such formats.
fn bounded(map: &mut Map<String, Value>) {
    let (least, most) = match map.get("format").and_then(Value::as_str) {
        Some("uint8") => (0, i64::from(u8::MAX)),
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        Some("uint64" | "uint") => (0, i64::MAX),
        Some("int8") => (i8::MIN.into(), i8::MAX.into()),
        Some("int16") => (i16::MIN.into(), i16::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("int64" | "int") => (i64::MIN, i64::MAX),
        _ => return,
    };
    map.remove("format");
    map.entry("minimum").or_insert(least.into());
    map.entry("maximum").or_insert(most.into());
}

/// The schema as a person or an editor reads it: a bound that is only that of a type of numbers is said as its `format`, which is what an API server
/// holds numbers to.
pub fn without_bounds_of_types(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(map) => {
            let bound = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_i64);
            let most = bound(map, "maximum");
            let format = [(i64::from(i32::MAX), "int32"), (i64::MAX, "int64")].into_iter().find(|(of_type, _)| most == Some(*of_type));
            if let Some((_, format)) = format {
                map.remove("maximum");
                map.insert("format".to_owned(), format.into());
            }
            if bound(map, "minimum").is_some_and(|least| least == i64::from(i32::MIN) || least == i64::MIN) {
                map.remove("minimum");
            }
            map.values_mut().for_each(|inner| *inner = without_bounds_of_types(inner.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| *inner = without_bounds_of_types(inner.take())),
        _ => {}
    }
    schema
}

/// A Rust enum whose variants have doc comments comes as one schema a variant: said as one list of values, which
/// error messages and the API server can show.
fn one_of_constants(map: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = map.get("oneOf") else { return };
    let mut values = Vec::new();
    let mut said = String::new();
    for branch in branches {
        let constant = branch.get("const").and_then(Value::as_str).map(|value| vec![value]);
        let listed = || branch.get("enum")?.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
        let Some(names) = constant.or_else(listed) else { return };
        let meaning = branch.get("description").and_then(Value::as_str);
        for name in names {
            if let Some(meaning) = meaning {
                said.push_str(&format!("\n- `{name}`: {meaning}"));
            }
            values.push(Value::from(name));
        }
    }
    map.remove("oneOf");
    map.insert("type".to_owned(), "string".into());
    map.insert("enum".to_owned(), Value::Array(values));
    if !said.is_empty() {
        let before = map.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = format!("{before}\n{said}").trim().to_owned();
        map.insert("description".to_owned(), description.into());
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Which paths of a manifest speak of which resource, read from its schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    groups: BTreeSet<String>,
    /// By group and place in it.
    kinds: BTreeMap<(String, String), KindShape>,
    /// By path, the kinds that stand in no manifest, with what can differ of them.
    composed: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct KindShape {
    /// Whether it is a list.
    many: bool,
    /// See [`KindSchema::fields`].
    fields: Vec<String>,
}

impl Shape {
    /// Reads the marks that [`manifest_schema`] left.
    pub fn of(schema: &Value) -> Shape {
        let mut shape = Shape::default();
        let Some(fields) = schema.pointer("/properties/spec/properties").and_then(Value::as_object) else { return shape };
        for (group, group_schema) in fields.iter().filter(|(_, field)| field.get(GROUP).is_some()) {
            shape.groups.insert(group.clone());
            let kinds = group_schema.get("properties").and_then(Value::as_object);
            for (name, kind) in kinds.into_iter().flatten() {
                let many = kind.get("type") == Some(&"array".into());
                let fields = kind.get(FIELDS).map(texts).unwrap_or_default();
                shape.kinds.insert((group.clone(), name.clone()), KindShape { many, fields });
            }
            let composed = group_schema.get(COMPOSED).and_then(Value::as_object);
            shape.composed.extend(composed.into_iter().flatten().map(|(name, fields)| (format!("{group}.{name}"), texts(fields))));
        }
        shape
    }

    /// The paths of all kinds (`s3.buckets`) with whether an account has many of them.
    pub fn kinds(&self) -> impl Iterator<Item = (String, bool)> {
        self.kinds.iter().map(|((group, name), kind)| (format!("{group}.{name}"), kind.many))
    }

    /// The same of what can be excepted: with the kinds that stand in no manifest.
    pub fn excepted(&self) -> impl Iterator<Item = (String, bool)> {
        self.kinds().chain(self.composed.keys().map(|kind| (kind.clone(), true)))
    }

    /// What can differ of a kind: see [`KindSchema::fields`].
    pub fn fields(&self, kind: &str) -> &[String] {
        let known = kind.split_once('.').and_then(|(group, name)| self.kinds.get(&(group.to_owned(), name.to_owned())));
        known.map(|kind| &kind.fields).or_else(|| self.composed.get(kind)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The path of the resource inside whose declaration `path` stands, or that it is. A name that no kind has, in a
    /// known group, can only be meant for a resource: it stops itself.
    pub fn entry(&self, path: &FieldPath) -> Option<FieldPath> {
        let [Step::Key(spec), Step::Key(group), Step::Key(name), rest @ ..] = path.0.as_slice() else { return None };
        if spec != "spec" || !self.groups.contains(group) {
            return None;
        }
        let many = self.kinds.get(&(group.clone(), name.clone())).is_some_and(|kind| kind.many);
        let in_list = many && matches!(rest.first(), Some(Step::Index(_)));
        Some(path.first(if in_list { 4 } else { 3 }))
    }
}
