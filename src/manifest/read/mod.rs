//! Reads manifests: a file or a folder to checked objects, with everything that is wrong at once.

mod files;
mod loaded;
mod origin;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

use super::check;
use super::object::{API_VERSION, AwsBaseline, KIND, full_name};
use super::path::FieldPath;
use super::problem::{Problem, Related, Scope, Severity, Source};
use super::prune::{Removed, find, prune, remove};
use super::raw;
use super::scan::{self, Document, Fault, MAX_DOCUMENTS, MAX_NODES, Mark};
use super::schema::Shape;
use super::tree::{self, Miswritten, Place};
use super::validate::{self, Finding};

pub use loaded::{Loaded, Positions, Written};
use origin::Origin;

/// How many problems of one file are listed, more than anybody reads; the rest is counted, so that a file of nothing else fits into memory.
const MAX_PROBLEMS: usize = 10_000;
/// What stands for standard input, as in `kubectl apply -f -`.
const STDIN: &str = "-";
/// What that is called in what is said.
const PIPED: &str = "standard input";
/// How deep folders are searched, and how many files they may hold together.
const MAX_FOLDERS_DEEP: usize = 16;
const MAX_FILES: usize = 10_000;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The objects that can be enforced, without the entries that cannot.
    pub objects: Vec<Loaded>,
    /// What is left of objects that cannot be enforced, for what else may be wrong with them, and for what they speak for. An entry with mistakes is
    /// both in what is left, without them, and among the stopped, as it was written.
    pub refused: Vec<Loaded>,
    /// Everything that is wrong, in order of file and line.
    pub problems: Vec<Problem>,
    /// How many problems are only counted.
    pub unlisted: usize,
    /// How many files were looked into.
    pub files: usize,
    /// How many folders could be read, and hold no object.
    pub empty: usize,
}

impl Reading {
    /// Whether something is not enforced because of a mistake.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Reads files, standard input (`-`), or every `*.yaml` and `*.yml` of a folder and the folders in it. Hidden ones and kustomizations are
/// passed over; documents of other kinds are noted in a folder, and an error in a file given by name.
pub fn read(paths: &[PathBuf], schema: &Value) -> Reading {
    match Reader::new(schema) {
        Ok(mut reader) => {
            for path in paths {
                reader.path(path);
            }
            reader.end()
        }
        Err(problem) => Reading { problems: vec![*problem], ..Reading::default() },
    }
}

/// Reads a text as the file `name` would be read.
pub fn read_text(name: &str, text: &str, schema: &Value) -> Reading {
    match Reader::new(schema) {
        Ok(mut reader) => {
            reader.bytes(Path::new(name), text.as_bytes(), false);
            reader.end()
        }
        Err(problem) => Reading { problems: vec![*problem], ..Reading::default() },
    }
}

/// Reads an object that did not come from a text: the API server's.
pub fn read_value(name: &str, value: Value, schema: &Value) -> Reading {
    match Reader::new(schema) {
        Ok(mut reader) => {
            reader.object(&Origin { file: name.to_owned(), source: None, place: None }, value, Vec::new(), false);
            reader.end()
        }
        Err(problem) => Reading { problems: vec![*problem], ..Reading::default() },
    }
}

struct Reader<'s> {
    schema: &'s Value,
    validator: Validator,
    shape: Arc<Shape>,
    reading: Reading,
    /// The first object of each name (behind its namespace), whether or not it can be enforced.
    named: BTreeMap<String, (String, Option<Mark>)>,
    /// Names that more than one object has.
    twice: BTreeSet<String>,
    /// Files of a folder that hold nothing of ours, nor of others.
    idle: Vec<String>,
}

impl<'s> Reader<'s> {
    fn new(schema: &'s Value) -> Result<Reader<'s>, Box<Problem>> {
        let validator = jsonschema::validator_for(schema)
            .map_err(|error| Box::new(Problem::of_file("schema", format!("the schema of this build cannot be used: {error}"))))?;
        Ok(Reader {
            schema,
            validator,
            shape: Arc::new(Shape::of(schema)),
            reading: Reading::default(),
            named: BTreeMap::new(),
            twice: BTreeSet::new(),
            idle: Vec::new(),
        })
    }

    fn path(&mut self, path: &Path) {
        if path == Path::new(STDIN) {
            return match files::stdin() {
                Ok(bytes) => self.bytes(Path::new(PIPED), bytes, false),
                Err(error) => self.say(Problem::of_file(PIPED, format!("this cannot be read: {error}"))),
            };
        }
        if !path.is_dir() {
            return self.file(path, false);
        }
        let mut files = Vec::new();
        let before = (self.reading.problems.iter().filter(|problem| problem.is_error()).count(), self.reading.objects.len());
        self.list(path, 0, &mut BTreeSet::new(), &mut files);
        for file in &files {
            self.file(file, true);
        }
        if before == (self.reading.problems.iter().filter(|problem| problem.is_error()).count(), self.reading.objects.len()) {
            let number = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
            self.say(Problem::of_file(&path.display().to_string(), format!("no {KIND} in this folder, in {number}")));
            self.reading.empty += 1;
        } else if !self.idle.is_empty() && self.reading.objects.len() > before.1 {
            // One that is empty by mistake looks like one that was enforced.
            let first = self.idle.first().cloned().unwrap_or_default();
            let message = format!("no {KIND} in {} of its files, the first of them {first}", self.idle.len());
            self.say(Problem { severity: Severity::Note, ..Problem::of_file(&path.display().to_string(), message) });
        }
        self.idle.clear();
    }

    fn end(mut self) -> Reading {
        // Of two objects of one name neither is meant more than the other.
        let twice = |loaded: &mut Loaded| self.twice.contains(&loaded.object.metadata.object());
        let refused = self.reading.objects.extract_if(.., twice).map(|mut loaded| match loaded.legible.take() {
            Some(legible) => Loaded { stopped: loaded.stopped, ..*legible },
            None => loaded,
        });
        self.reading.refused.extend(refused);
        self.reading.problems.sort();
        self.reading.problems.dedup();
        self.reading
    }

    fn say(&mut self, problem: Problem) {
        self.reading.problems.push(problem);
    }

    fn bytes(&mut self, path: &Path, bytes: &[u8], in_folder: bool) {
        self.reading.files += 1;
        let file = path.display().to_string();
        let before = (self.reading.problems.len(), self.reading.objects.len());
        let text = match scan::decode(bytes) {
            Ok(text) => text,
            Err(fault) => {
                let place = fault.mark;
                return self.say(Problem { mark: Some(place), help: fault.help, ..Problem::of_file(&file, fault.message) });
            }
        };
        let source = Arc::new(Source::new(&text));
        let documents = scan::documents(&text);
        if documents.len() > MAX_DOCUMENTS {
            return self.say(Problem::of_file(&file, format!("more than {MAX_DOCUMENTS} documents in one file")));
        }
        let mut budget = MAX_NODES;
        for document in documents {
            let origin = Origin { file: file.clone(), source: Some(source.clone()), place: None };
            match self.document(document, &mut budget) {
                Ok(None) => {}
                Ok(Some(joined)) => {
                    let origin = Origin { place: Some(&joined.place), ..origin };
                    self.object(&origin, joined.value, joined.miswritten, in_folder);
                }
                Err(fault) => self.say(origin.fault(fault)),
            }
        }
        if before == (self.reading.problems.len(), self.reading.objects.len()) {
            match in_folder {
                true => self.idle.push(file.clone()),
                false => self.say(Problem::of_file(&file, format!("no {KIND} in this file"))),
            }
        }
        self.count_the_rest(&file, before.0);
    }

    /// Lists the first problems of a file and counts the others.
    fn count_the_rest(&mut self, file: &str, before: usize) {
        let problems = &mut self.reading.problems;
        let Some(own) = problems.get_mut(before..) else { return };
        own.sort();
        let more = own.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            problems.truncate(before + MAX_PROBLEMS);
            let last = problems.last().and_then(|problem| problem.mark);
            let end = last.map(|mark| Mark { line: mark.line.saturating_add(1), column: 1 });
            let said = Problem::of_file(file, format!("{more} more problems from here on are not listed"));
            problems.push(Problem { mark: end, ..said.with_help("mend those above, and validate again") });
            // The line that says it is none of them.
            self.reading.unlisted += more - 1;
        }
    }

    fn document(&self, document: Document<'_>, budget: &mut usize) -> Result<Option<tree::Joined>, Fault> {
        let Some(tree) = scan::scan(document, budget)? else { return Ok(None) };
        tree::join(&tree, raw::parse(document)?).map(Some)
    }

    fn object(&mut self, origin: &Origin<'_>, value: Value, miswritten: Vec<Miswritten>, in_folder: bool) {
        if let Some(items) = list_items(&value) {
            for (index, item) in items.into_iter().enumerate() {
                let step = FieldPath::root().key("items").index(index);
                let inside = miswritten.iter().filter(|wrong| step.holds(&wrong.path));
                let inside =
                    inside.map(|wrong| Miswritten { path: FieldPath(wrong.path.0.iter().skip(2).cloned().collect()), ..wrong.clone() });
                let place = origin.place.and_then(|place| place.find(&step));
                let origin = Origin { file: origin.file.clone(), source: origin.source.clone(), place };
                self.object(&origin, item, inside.collect(), in_folder);
            }
            return;
        }
        if let Some(other) = other_kind(&value) {
            let severity = if in_folder { Severity::Note } else { Severity::Error };
            let finding = Finding::at(FieldPath::root(), other).expected(format!("an object of {API_VERSION}, {KIND}"));
            let mut problem = origin.problem(&finding, None, &self.shape);
            problem.severity = severity;
            problem.excerpt = None;
            if in_folder {
                problem.expected = None;
                problem.message.push_str(": passed over");
            }
            return self.say(problem);
        }
        self.baseline(origin, value, miswritten);
    }

    fn baseline(&mut self, origin: &Origin<'_>, mut value: Value, miswritten: Vec<Miswritten>) {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").map(|name| full_name(text("/metadata/namespace"), name));
        let mut paths: BTreeSet<FieldPath> = miswritten.iter().map(|wrong| wrong.path.clone()).collect();
        let mut problems: Vec<Problem> = miswritten.into_iter().map(|wrong| self.miswritten(origin, wrong, name.as_deref())).collect();
        let mut stopped: Vec<Option<FieldPath>> = paths.iter().map(|path| self.shape.entry(path)).collect();
        let mut findings = validate::validate(self.schema, &self.validator, &value, origin.place);
        findings.retain(|finding| !paths.contains(&finding.path));
        paths.extend(findings.iter().map(|finding| finding.path.clone()));
        let mut more = check::object(&value, &self.shape);
        if let Some(place) = origin.place {
            validate::traps(place, &value, &mut FieldPath::root(), &mut more);
        }
        more.retain(|finding| !paths.contains(&finding.path));
        // Inside an entry it is what several fields say together, and its kind can still read them.
        paths.extend(more.iter().map(|finding| finding.path.clone()).filter(|path| self.shape.entry(path).is_none()));
        findings.extend(more);
        for finding in &findings {
            stopped.push(self.shape.entry(&finding.path));
            stopped.extend(finding.other.as_ref().map(|other| self.shape.entry(other)));
            problems.push(origin.problem(finding, name.clone(), &self.shape));
        }
        problems.extend(name.as_deref().and_then(|name| self.same_name(origin, name)));
        self.reading.problems.extend(problems);
        let legible = if stopped.is_empty() { None } else { self.legible(origin, value.clone(), paths, name.as_deref()) };
        let is_refused = stopped.contains(&None);
        let mut place = origin.place.cloned();
        let mut entries: Vec<FieldPath> = stopped.into_iter().flatten().collect();
        entries.sort();
        entries.dedup();
        let written = |path: &FieldPath| place.as_ref().map_or_else(|| path.clone(), |place| place.written(path));
        let stopped = entries.iter().filter_map(|entry| Some((written(entry), find(&value, entry)?.clone()))).collect();
        if is_refused {
            return self.reading.refused.extend(legible.map(|legible| Loaded { stopped, ..legible }));
        }
        // From the last to the first, so that the indices of those to come stay right.
        for entry in entries.iter().rev() {
            remove(&mut value, entry);
            if let Some(place) = &mut place {
                place.remove(entry);
            }
        }
        match serde_json::from_value::<AwsBaseline>(value) {
            Ok(object) => {
                let loaded = self.loaded(origin, object, place, name);
                self.reading.objects.push(Loaded { legible: legible.map(Box::new), stopped, ..loaded });
            }
            Err(error) => {
                let finding = Finding::at(FieldPath::root(), format!("this fits the schema and still cannot be read: {error}"));
                let problem = origin.problem(&finding, name, &self.shape);
                self.say(problem);
            }
        }
    }

    fn loaded(&self, origin: &Origin<'_>, object: AwsBaseline, place: Option<Place>, name: Option<String>) -> Loaded {
        Loaded {
            object,
            file: PathBuf::from(&origin.file),
            positions: Positions(place.map(Arc::new)),
            stopped: Vec::new(),
            name,
            shape: self.shape.clone(),
            source: origin.source.clone(),
            removed: Removed::default(),
            legible: None,
        }
    }

    /// What is left of an object without what is wrong at `paths`.
    fn legible(&self, origin: &Origin<'_>, value: Value, paths: BTreeSet<FieldPath>, name: Option<&str>) -> Option<Loaded> {
        let pruned = prune(self.schema, &self.validator, &self.shape, value, origin.place.cloned(), paths)?;
        let object = serde_json::from_value::<AwsBaseline>(pruned.value).ok()?;
        Some(Loaded { removed: pruned.removed, ..self.loaded(origin, object, pruned.place, name.map(str::to_owned)) })
    }

    fn miswritten(&self, origin: &Origin<'_>, wrong: Miswritten, name: Option<&str>) -> Problem {
        let finding = Finding { help: wrong.help, at_key: true, ..Finding::at(wrong.path, wrong.message) };
        let mut problem = origin.problem(&finding, name.map(str::to_owned), &self.shape);
        problem.mark = Some(wrong.mark);
        problem.excerpt = origin.source.as_ref().and_then(|source| source.excerpt(wrong.mark, true));
        problem.related = wrong.other.map(|mark| Related {
            file: origin.file.clone(),
            mark: Some(mark),
            object: problem.object.clone(),
            path: problem.path.clone(),
            scope: problem.scope.clone(),
        });
        problem
    }

    fn same_name(&mut self, origin: &Origin<'_>, name: &str) -> Option<Problem> {
        let path = FieldPath::root().key("metadata").key("name");
        let mark = origin.mark(&path, false);
        let Some((file, other)) = self.named.get(name).cloned() else {
            self.named.insert(name.to_owned(), (origin.file.clone(), mark));
            return None;
        };
        self.twice.insert(name.to_owned());
        let message = format!("another object has the name {} as well", Value::from(name));
        let mut problem = origin.problem(&Finding::at(path.clone(), message), Some(name.to_owned()), &self.shape);
        let object = Some(name.to_owned());
        problem.related = Some(Related { file, mark: other, object, path: path.to_string(), scope: Scope::Object });
        Some(problem)
    }
}

/// The items of a Kubernetes list.
fn list_items(value: &Value) -> Option<Vec<Value>> {
    let kind = value.get("kind").and_then(Value::as_str)?;
    let api = value.get("apiVersion").and_then(Value::as_str)?;
    let is_list = (api == "v1" && kind == "List") || (api == API_VERSION && kind.strip_suffix("List") == Some(KIND));
    is_list.then(|| value.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// What a document is, if it is certainly none of ours. One with our group or our kind in it is: a mistake in the
/// other is said by the schema.
fn other_kind(value: &Value) -> Option<String> {
    let kind = value.get("kind").and_then(Value::as_str);
    let api = value.get("apiVersion").and_then(Value::as_str);
    let group = |api: &str| api.split('/').next().map(str::to_owned);
    let ours = kind == Some(KIND) || api.and_then(group) == group(API_VERSION);
    match (kind, value) {
        _ if ours => None,
        (Some(kind), _) => Some(format!("this is a {kind}")),
        (None, Value::Object(_)) => Some("this is no Kubernetes object: it has no kind".to_owned()),
        (None, _) => Some("this is no object".to_owned()),
    }
}
