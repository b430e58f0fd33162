//! Where an object comes from, and where in it a problem is.

use std::sync::Arc;

use super::super::path::FieldPath;
use super::super::problem::{Problem, Related, Scope, Severity, Source};
use super::super::scan::{Fault, Mark};
use super::super::schema::Shape;
use super::super::tree::{self, Place};
use super::super::validate::{Finding, hides};

/// Where an object comes from.
pub(super) struct Origin<'p> {
    pub(super) file: String,
    pub(super) source: Option<Arc<Source>>,
    pub(super) place: Option<&'p Place>,
}

impl Origin<'_> {
    /// The mark of the key or value at `path`, or of the nearest thing around it.
    pub(super) fn mark(&self, path: &FieldPath, at_key: bool) -> Option<Mark> {
        let root = self.place?;
        let mut place = root;
        let mut complete = true;
        for step in &path.0 {
            match place.child(step) {
                Some(inner) => place = inner,
                None => {
                    complete = false;
                    break;
                }
            }
        }
        // What is said of a list or a mapping as a whole is said at its key.
        let is_large = !matches!(place.inside, tree::Inside::Nothing);
        Some(if at_key || !complete || is_large || hides(path) { place.key } else { place.value })
    }

    pub(super) fn problem(&self, finding: &Finding, object: Option<String>, shape: &Shape) -> Problem {
        let written = |path: &FieldPath| self.place.map_or_else(|| path.clone(), |place| place.written(path));
        let scope = |path: &FieldPath| match shape.entry(path) {
            Some(entry) => Scope::Entry { path: written(&entry).to_string() },
            None => Scope::Object,
        };
        let mark = self.mark(&finding.path, finding.at_key);
        let key_only = finding.at_key || hides(&finding.path);
        Problem {
            mark,
            severity: Severity::Error,
            object: object.clone(),
            path: written(&finding.path).to_string(),
            expected: finding.expected.clone(),
            help: finding.help.clone(),
            scope: scope(&finding.path),
            related: finding.other.as_ref().map(|other| Related {
                file: self.file.clone(),
                mark: self.mark(other, true),
                object,
                path: written(other).to_string(),
                scope: scope(other),
            }),
            excerpt: mark.and_then(|mark| self.source.as_ref()?.excerpt(mark, key_only)),
            ..Problem::of_file(&self.file, finding.message.clone())
        }
    }

    pub(super) fn fault(&self, fault: Fault) -> Problem {
        let excerpt = self.source.as_ref().and_then(|source| source.excerpt(fault.mark, false));
        Problem { mark: Some(fault.mark), help: fault.help, excerpt, ..Problem::of_file(&self.file, fault.message) }
    }
}
