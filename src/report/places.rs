//! Where in the manifest a field of a planned resource is declared.

use std::collections::HashMap;

use crate::kinds::{AnyKind, FieldDoc, registry};
use crate::manifest::{FieldPath, Mark};
use crate::plan::{Origin, ResourcePlan};
use crate::reconcile::{Baseline, Report};

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    /// Nothing where the object did not come from a text.
    pub(super) mark: Option<Mark>,
}

/// The places of one object.
pub(super) struct Places<'a> {
    baseline: &'a Baseline,
    /// Where each entry stands, by its kind and name.
    entries: HashMap<String, FieldPath>,
}

impl<'a> Places<'a> {
    pub(super) fn of(baselines: &'a [Baseline], report: &Report) -> Option<Places<'a>> {
        let baseline = baselines.iter().find(|baseline| baseline.scope.object == report.object)?;
        let entries = baseline.entries.iter().map(|entry| (entry.label(), FieldPath::fixed(&entry.path))).collect();
        Some(Places { baseline, entries })
    }

    /// The object itself.
    pub(super) fn object(&self) -> Place<'a> {
        let written = &self.baseline.written;
        Place { file: &written.file, mark: written.nearest(&FieldPath::fixed("metadata")).1 }
    }

    /// Where the field is declared: in each of the entries that do. Where none does in so many words, the entry that asks for the resource.
    pub(super) fn field(&self, resource: &ResourcePlan, docs: &[FieldDoc], field: &str) -> Vec<Place<'a>> {
        let written = &self.baseline.written;
        let mut exact = Vec::new();
        let mut near = Vec::new();
        for origin in &resource.origins {
            let Some(entry) = self.entries.get(&origin.entry) else { continue };
            let path = entry.then(&below(origin, docs, field));
            let asks = origin.field.is_none() || field.is_empty() || origin.asks_for(field);
            let (whole, mark) = written.nearest(&path);
            let place = Place { file: &written.file, mark };
            if whole && asks { exact.push(place) } else { near.push(place) }
        }
        let mut places = if exact.is_empty() { near.into_iter().take(1).collect() } else { exact };
        places.dedup();
        if places.is_empty() { vec![self.object()] } else { places }
    }
}

/// A field's path below the entry that asks for it.
fn below(origin: &Origin, docs: &[FieldDoc], field: &str) -> FieldPath {
    match &origin.field {
        Some(asked) => FieldPath::fixed(asked),
        None => match declaration(docs, field) {
            // A key is a name of AWS's and may hold dots.
            Some((doc, Some(key))) => FieldPath::fixed(doc.implied_by.unwrap_or(doc.path)).key(key),
            Some((doc, None)) => FieldPath::fixed(doc.implied_by.unwrap_or(doc.path)),
            None => FieldPath::fixed(field),
        },
    }
}

/// What a kind declares of a field, and which key of it is meant.
pub(super) fn declaration<'d, 'f>(docs: &'d [FieldDoc], field: &'f str) -> Option<(&'d FieldDoc, Option<&'f str>)> {
    let exact = docs.iter().find(|doc| doc.path == field).map(|doc| (doc, None));
    let key = |doc: &FieldDoc| field.strip_prefix(doc.path)?.strip_prefix('.').filter(|_| doc.keyed);
    exact.or_else(|| docs.iter().find_map(|doc| Some((doc, Some(key(doc)?)))))
}

pub(super) fn kind(path: &str) -> Option<&'static dyn AnyKind> {
    registry().iter().copied().find(|kind| kind.path() == path)
}
