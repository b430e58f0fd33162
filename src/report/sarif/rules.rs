//! The rules that findings are of, from what the kinds declare of their fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::places::declaration;
use super::form::{Message, Properties, Rule};
use super::kind;
use crate::kinds::{FieldDoc, Multiplicity};

/// The rule of what is wrong with the manifest itself.
const MANIFEST: &str = "manifest";

/// The rules in the order in which they were needed.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
    /// What is known of each kind that was met: its fields, and its schema.
    kinds: BTreeMap<String, (Arc<[FieldDoc]>, Value)>,
}

impl Rules {
    pub(super) fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// The fields of a kind.
    pub(super) fn docs(&mut self, path: &str) -> Arc<[FieldDoc]> {
        let known = self.kinds.entry(path.to_owned()).or_insert_with(|| match kind(path) {
            Some(kind) => (kind.fields().into(), kind.schema()),
            None => (Arc::from([]), Value::Null),
        });
        known.0.clone()
    }

    pub(super) fn of_manifest(&mut self) -> (String, usize) {
        if let Some(place) = self.by_id.get(MANIFEST) {
            return (MANIFEST.to_owned(), *place);
        }
        let short = "The manifest is as its schema and its kinds want it".to_owned();
        let full = "What is wrong in a manifest is left out, and the rest of it is enforced.".to_owned();
        let help =
            "Correct it; `holdfast validate` says the same without any AWS, `holdfast explain` with the field what it means.".to_owned();
        self.push(MANIFEST.to_owned(), short, full, help, Vec::new())
    }

    /// The rule of a field; without one, that of the whole resource.
    pub(super) fn of_field(&mut self, path: &str, docs: &[FieldDoc], field: &str) -> (String, usize) {
        let doc = declaration(docs, field).map(|(doc, _)| doc);
        let id = match (doc, field) {
            (_, "") => path.to_owned(),
            (Some(doc), _) => format!("{path}.{}", doc.path),
            // A field above those that are compared.
            (None, field) => format!("{path}.{field}"),
        };
        if let Some(place) = self.by_id.get(&id) {
            return (id, *place);
        }
        let declared = kind(path);
        let schema = self.kinds.get(path).map(|(_, schema)| schema);
        let said = schema.and_then(|schema| description(schema, doc.map_or(field, |doc| doc.implied_by.unwrap_or(doc.path))));
        let title = declared.map(|kind| kind.title()).unwrap_or_default();
        let rule = doc.map_or("must be as declared", |doc| doc.rule);
        let short = match field {
            "" => format!("{title}: it is there, and can be read and changed as declared"),
            _ => format!("{title}: {id} {rule}"),
        };
        let controls = doc.map(|doc| doc.controls).unwrap_or_default();
        let controls: Vec<String> = controls.iter().map(|control| format!("{} {}", control.benchmark, control.id)).collect();
        let answers = if controls.is_empty() { String::new() } else { format!(" It answers to {}.", controls.join(", ")) };
        // What is composed of what others ask for stands in no manifest.
        let composed = declared.is_none_or(|kind| kind.shape() == Multiplicity::Composed);
        let explain = if composed { String::new() } else { format!(" What the field means: `holdfast explain {id}`.") };
        let help = format!(
            "`holdfast reconcile` repairs what differs, in steps that its dry run shows with what they take and the way back. To accept a difference until a \
             date, say so in spec.exceptions.{explain}{answers}"
        );
        let full = said.unwrap_or_else(|| short.clone());
        self.push(id, short, full, help, controls)
    }

    fn push(&mut self, id: String, short: String, full: String, help: String, controls: Vec<String>) -> (String, usize) {
        let text = |text: String| Message { text };
        self.rules.push(Rule {
            id: id.clone(),
            short_description: text(short),
            full_description: text(full),
            help: text(help),
            properties: Properties { tags: ["security".to_owned()].into_iter().chain(controls).collect(), precision: "very-high" },
        });
        let place = self.rules.len() - 1;
        self.by_id.insert(id.clone(), place);
        (id, place)
    }
}

/// What a kind's schema says of a field.
fn description(schema: &Value, field: &str) -> Option<String> {
    let at = field.split('.').try_fold(schema, |at, name| at.get("items").unwrap_or(at).get("properties")?.get(name))?;
    let text = at.get("description").or_else(|| at.get("items")?.get("description"))?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
