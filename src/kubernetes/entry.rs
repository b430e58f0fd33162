//! What a Secret or a ConfigMap holds, and changes of it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Resource;
use super::client::MANAGER;
use crate::aws::remember;

/// What was read of a Secret or a ConfigMap.
#[derive(Debug)]
pub struct Entry {
    pub metadata: ObjectMeta,
    /// Nobody can change what it holds.
    pub immutable: bool,
    /// Those keys that were asked for, are there, and hold text.
    pub values: BTreeMap<String, SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    metadata: ObjectMeta,
    #[serde(default)]
    immutable: Option<bool>,
    #[serde(default)]
    data: Option<BTreeMap<String, Value>>,
}

impl Entry {
    pub(super) fn read(resource: Resource, found: Value, keys: &[&str]) -> Result<Entry, serde_json::Error> {
        let mut raw: Raw = serde_json::from_value(found)?;
        let mut values = BTreeMap::new();
        for key in keys {
            let Some(value) = raw.data.as_mut().and_then(|data| data.remove(*key)) else { continue };
            let text = match resource {
                Resource::Secrets => {
                    // As it stands in requests and answers.
                    if let Some(encoded) = value.as_str() {
                        remember(&SecretString::from(encoded.to_owned()));
                    }
                    let ByteString(bytes) = serde_json::from_value(value)?;
                    String::from_utf8(bytes).ok()
                }
                _ => value.as_str().map(str::to_owned),
            };
            if let Some(text) = text.map(SecretString::from) {
                if resource == Resource::Secrets {
                    remember(&text);
                }
                values.insert((*key).to_owned(), text);
            }
        }
        Ok(Entry { metadata: raw.metadata, immutable: raw.immutable == Some(true), values })
    }
}

/// A change of a Secret or a ConfigMap; nothing in the place of a value takes it away.
#[derive(Default)]
pub struct Change {
    /// Of what was read: where it has another one by now, nothing is changed.
    pub version: Option<String>,
    pub annotations: Vec<(String, Option<String>)>,
    pub values: Vec<(String, Option<SecretString>)>,
}

impl Change {
    /// As a JSON merge patch (RFC 7396).
    pub(super) fn patch(&self, resource: Resource) -> Value {
        let value = |value: &SecretString| match resource {
            Resource::Secrets => {
                let encoded = json!(ByteString(value.expose_secret().as_bytes().to_vec()));
                if let Some(encoded) = encoded.as_str() {
                    remember(&SecretString::from(encoded.to_owned()));
                }
                encoded
            }
            _ => Value::from(value.expose_secret()),
        };
        let annotations: Map<String, Value> = self.annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let mut metadata = Map::from_iter([("annotations".to_owned(), Value::Object(annotations))]);
        if let Some(version) = &self.version {
            metadata.insert("resourceVersion".to_owned(), Value::from(version.as_str()));
        }
        let mut patch = json!({"metadata": metadata});
        if !self.values.is_empty() {
            let data = self.values.iter().map(|(key, new)| (key.clone(), new.as_ref().map_or(Value::Null, value)));
            patch["data"] = Value::Object(data.collect());
        }
        patch
    }
}

/// Who has written a key of a Secret or a ConfigMap, as far as the API server notes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// holdfast was the last to give it another value.
    Ours,
    /// Somebody else was: by this name, if any is noted.
    Other(String),
}

impl Held {
    /// Who was the last to give this key another value. The API server notes it of every write; no value is read for it.
    /// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers>
    pub fn of(metadata: &ObjectMeta, key: &str) -> Held {
        let field = format!("f:{key}");
        let holds = |fields: &Value| fields.get("f:data").and_then(|data| data.get(&field)).is_some();
        let managers = metadata.managed_fields.iter().flatten().filter(|one| one.fields_v1.as_ref().is_some_and(|fields| holds(&fields.0)));
        let names: Vec<&str> = managers.filter_map(|one| one.manager.as_deref()).collect();
        match names.contains(&MANAGER) {
            true => Held::Ours,
            false => Held::Other(names.join(", ")),
        }
    }
}
