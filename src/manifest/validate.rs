//! A value held against the schema: every error, in words.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::path::{FieldPath, Step};
use super::problem::{is_secretive, user_of_a_url};
use super::tree::{Place, Trap};

/// One thing that is wrong at a path of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    pub path: FieldPath,
    /// Whether the key is meant and not its value.
    pub at_key: bool,
    pub message: String,
    pub expected: Option<String>,
    pub help: Option<String>,
    /// The other place that it is about; what is there is stopped too.
    pub other: Option<FieldPath>,
}

impl Finding {
    pub fn at(path: FieldPath, message: impl Into<String>) -> Finding {
        Finding { path, message: message.into(), ..Finding::default() }
    }

    pub fn expected(mut self, expected: impl Into<String>) -> Finding {
        self.expected = Some(expected.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(help.into());
        self
    }
}

/// The name of `known` that `name` is most like, if it is like any.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean "..."?`, where something is near.
pub fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    // Names of ours are short; comparing a long text with each of them is time for nothing.
    if name.len() > 100 {
        return None;
    }
    nearest(name, known).map(|near| format!("did you mean \"{near}\"?"))
}

/// `one of a, b, c`, cut where it gets long.
pub fn one_of<'k>(names: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.get(..names.len().min(40))?.join(", ");
    match names.len() {
        0 => None,
        1 => Some(shown),
        n if n > 40 => Some(format!("one of {shown}, ...")),
        _ => Some(format!("one of {shown}")),
    }
}

/// Whether a value at this path may be a secret and is not to be shown.
pub fn hides(path: &FieldPath) -> bool {
    path.0.iter().any(|step| matches!(step, Step::Key(key) if is_secretive(key)))
}

/// What is said of a text without a letter.
const EMPTY: &str = "empty";

/// Everything that is wrong with `value` by the schema.
pub fn validate(schema: &Value, validator: &Validator, value: &Value, place: Option<&Place>) -> Vec<Finding> {
    let mut judge = Judge { schema, place, findings: Vec::new() };
    for error in validator.iter_errors(value) {
        judge.error(&error);
    }
    // What is empty has no form either: said once.
    let empty: Vec<FieldPath> = judge.findings.iter().filter(|one| one.message == EMPTY).map(|one| one.path.clone()).collect();
    judge.findings.retain(|one| one.message == EMPTY || !empty.contains(&one.path));
    judge.findings
}

/// Scalars without quotes that are text to us and something else to other readers of YAML.
pub fn traps(place: &Place, value: &Value, path: &mut FieldPath, findings: &mut Vec<Finding>) {
    match (&place.trap, value) {
        (Some(trap), Value::String(text)) => {
            let what = if matches!(trap, Trap::Switch(_)) { "a boolean" } else { "a number" };
            let finding = Finding::at(path.clone(), format!("without quotes this is {what} to other YAML readers"));
            findings.push(if hides(path) { finding.help("write it in quotes") } else { finding.help(quoted(text)) });
        }
        (_, Value::Object(map)) => {
            for (key, value) in map {
                path.0.push(Step::Key(key.clone()));
                if let Some(place) = path.0.last().and_then(|step| place.child(step)) {
                    traps(place, value, path, findings);
                }
                path.0.pop();
            }
        }
        (_, Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                path.0.push(Step::Index(index));
                if let Some(place) = path.0.last().and_then(|step| place.child(step)) {
                    traps(place, value, path, findings);
                }
                path.0.pop();
            }
        }
        _ => {}
    }
}

fn quoted(value: &str) -> String {
    format!("write it in quotes: {}", Value::from(value))
}

struct Judge<'s> {
    schema: &'s Value,
    place: Option<&'s Place>,
    findings: Vec<Finding>,
}

fn path_of(location: &jsonschema::paths::Location) -> FieldPath {
    let steps = location.segments().map(|segment| match segment {
        jsonschema::paths::LocationSegment::Property(key) => Step::Key(key.into_owned()),
        jsonschema::paths::LocationSegment::Index(index) => Step::Index(index),
    });
    FieldPath(steps.collect())
}

impl Judge<'_> {
    /// The schema at which the keyword of `error` stands.
    fn around(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(parent)
    }

    fn error(&mut self, error: &ValidationError<'_>) {
        let path = path_of(error.instance_path());
        let value = error.instance().as_ref();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                self.unknown_fields(error, &path, unexpected);
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                // Who chooses by tags alone chooses among all names, and says so: an entry never comes to mean everything by leaving something out.
                let chooses = name == "names" && value.get("tags").is_some();
                let help = chooses.then(|| "to choose by tags alone, say `names: [\"*\"]`".to_owned());
                self.findings.push(Finding { at_key: true, help, ..Finding::at(path.key(name), "missing") });
            }
            ValidationErrorKind::Type { kind } => {
                let types: Vec<String> = match kind {
                    TypeKind::Single(kind) => vec![kind.to_string()],
                    TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect(),
                };
                let around = self.around(error);
                // A list of names says it better, and is held against the value by itself.
                if !value.is_string() && around.is_some_and(lists_names) {
                    return;
                }
                let finding = self.wrong_type(path, value, &types, around);
                self.findings.push(finding);
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
                self.unknown_value(path, value, &options);
            }
            ValidationErrorKind::Constant { expected_value } => self.unknown_value(path, value, &[plain(expected_value)]),
            ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
                self.branches(error, path, value, context);
            }
            ValidationErrorKind::OneOfMultipleValid { .. } => {
                self.findings.push(Finding::at(path, "fits more than one of the allowed forms"));
            }
            ValidationErrorKind::FalseSchema | ValidationErrorKind::Not { .. } => {
                self.findings.push(Finding { at_key: true, ..Finding::at(path, "not allowed here") });
            }
            ValidationErrorKind::Pattern { pattern } => {
                let example = self.around(error).and_then(example);
                let expected = example.unwrap_or_else(|| format!("text that matches {pattern}"));
                let finding = Finding::at(path.clone(), shown(&path, value, "does not have the right form")).expected(expected);
                self.findings.push(finding);
            }
            kind => {
                let finding = self.bound(path, value, kind, error);
                self.findings.push(finding);
            }
        }
    }

    fn bound(&self, path: FieldPath, value: &Value, kind: &ValidationErrorKind, error: &ValidationError<'_>) -> Finding {
        let (message, expected) = match kind {
            ValidationErrorKind::Minimum { limit } => (shown(&path, value, "is too small"), format!("at least {limit}")),
            ValidationErrorKind::Maximum { limit } => (shown(&path, value, "is too large"), format!("at most {limit}")),
            ValidationErrorKind::ExclusiveMinimum { limit } => (shown(&path, value, "is too small"), format!("more than {limit}")),
            ValidationErrorKind::ExclusiveMaximum { limit } => (shown(&path, value, "is too large"), format!("less than {limit}")),
            ValidationErrorKind::MultipleOf { multiple_of } => {
                (shown(&path, value, "does not fit"), format!("a multiple of {multiple_of}"))
            }
            ValidationErrorKind::MinLength { limit: 1 } => (EMPTY.to_owned(), "text".to_owned()),
            ValidationErrorKind::MinLength { limit } => ("too short".to_owned(), format!("at least {limit} characters")),
            ValidationErrorKind::MaxLength { limit } => ("too long".to_owned(), format!("at most {limit} characters")),
            ValidationErrorKind::MinItems { limit: 1 } => ("an empty list".to_owned(), "at least one item".to_owned()),
            ValidationErrorKind::MinItems { limit } => ("too short a list".to_owned(), format!("at least {limit} items")),
            ValidationErrorKind::MaxItems { limit } => ("too long a list".to_owned(), format!("at most {limit} items")),
            ValidationErrorKind::UniqueItems => ("the same item twice".to_owned(), "a list without repetition".to_owned()),
            ValidationErrorKind::MinProperties { limit } => ("too few fields".to_owned(), format!("at least {limit}")),
            ValidationErrorKind::MaxProperties { limit } => ("too many fields".to_owned(), format!("at most {limit}")),
            // Without the value: it may be long, or a secret.
            _ => return Finding::at(path, error.masked_with("this").to_string()),
        };
        Finding::at(path, message).expected(expected)
    }

    fn unknown_fields(&mut self, error: &ValidationError<'_>, path: &FieldPath, unexpected: &[String]) {
        let known: Vec<String> = self
            .around(error)
            .and_then(|schema| schema.get("properties")?.as_object())
            .into_iter()
            .flat_map(|fields| fields.keys().cloned())
            .collect();
        for name in unexpected {
            let holds = error.instance().get(name).is_some_and(|inside| match inside {
                Value::Object(fields) => !fields.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => false,
            });
            let message = if holds { "unknown field; what stands in it was not looked at" } else { "unknown field" };
            let mut finding = Finding { at_key: true, ..Finding::at(path.key(name), message) };
            finding.expected = one_of(known.iter().map(String::as_str));
            finding.help = if known.len() > 1 { did_you_mean(name, known.iter().map(String::as_str)) } else { None };
            self.findings.push(finding);
        }
    }

    fn unknown_value(&mut self, path: FieldPath, value: &Value, options: &[String]) {
        if let Some(options) = (!value.is_string()).then_some(options)
            && options.iter().all(|option| option.parse::<f64>().is_err())
        {
            let finding = Finding::at(path, format!("this is {}", what(value)));
            let expected = one_of(options.iter().map(String::as_str));
            // Quotes help only where the word is one of those.
            let help = match value {
                Value::Null => Some("give it a value, or leave the field out".to_owned()),
                Value::Bool(_) | Value::Number(_) if options.contains(&plain(value)) => Some(quoted(&plain(value))),
                _ => None,
            };
            self.findings.push(Finding { expected, help, ..finding });
            return;
        }
        let mut finding = Finding::at(path.clone(), shown(&path, value, "is not a known value"));
        finding.expected = one_of(options.iter().map(String::as_str));
        // One that is the only one was just named.
        let text = value.as_str().filter(|_| options.len() > 1 && !hides(&path));
        finding.help = match value {
            Value::Number(_) if options.contains(&plain(value)) => Some(quoted(&plain(value))),
            _ => text.and_then(|text| did_you_mean(text, options.iter().map(String::as_str))),
        };
        self.findings.push(finding);
    }

    fn wrong_type(&self, path: FieldPath, value: &Value, types: &[String], schema: Option<&Value>) -> Finding {
        let named = types.iter().map(|kind| match kind.as_str() {
            "object" => schema.and_then(|schema| mapping(schema, value)).unwrap_or_else(|| type_name(kind).to_owned()),
            _ => type_name(kind).to_owned(),
        });
        let expected = named.collect::<Vec<_>>().join(" or ");
        let wants = |kind: &str| types.iter().any(|known| known == kind);
        let trap = self.place.and_then(|place| place.find(&path)).and_then(|place| place.trap);
        let secret = hides(&path);
        let help = match value {
            Value::Null => Some("give it a value, or leave the field out".to_owned()),
            Value::Number(_) | Value::Bool(_) if wants("string") && secret => Some("write it in quotes".to_owned()),
            Value::Number(_) | Value::Bool(_) if wants("string") => Some(quoted(&plain(value))),
            Value::String(_) if wants("boolean") && trap.is_some() => match trap {
                Some(Trap::Switch(on)) => Some(format!("write {on}")),
                _ => None,
            },
            Value::String(text) if wants("boolean") && matches!(text.as_str(), "true" | "false") => {
                Some("write it without quotes".to_owned())
            }
            Value::String(text) if (wants("integer") || wants("number")) && !secret => {
                let digits = text.replace('_', "");
                let is_number = !digits.is_empty() && digits.len() < 20 && digits.bytes().all(|b| b.is_ascii_digit());
                is_number.then(|| format!("write {}", digits.trim_start_matches('0')))
            }
            _ if wants("array") && !value.is_array() => Some("write it as a list: begin each item with \"- \"".to_owned()),
            _ => None,
        };
        Finding { help, ..Finding::at(path, format!("this is {}", what(value))).expected(expected) }
    }

    /// None of several forms fits: what is wrong with the one that was meant.
    fn branches(&mut self, error: &ValidationError<'_>, path: FieldPath, value: &Value, context: &[Vec<ValidationError<'static>>]) {
        let forms: Vec<&Value> =
            self.schema.pointer(error.schema_path().as_str()).and_then(Value::as_array).into_iter().flatten().collect();
        let names = |form: &Value| -> Vec<String> {
            let fields = form.get("properties").and_then(Value::as_object);
            fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect()
        };
        if let Value::Object(map) = value {
            let meant: Vec<usize> = forms
                .iter()
                .enumerate()
                .filter(|(_, form)| names(form).iter().any(|name| map.contains_key(name)))
                .map(|(index, _)| index)
                .collect();
            let errors = meant.iter().filter_map(|index| context.get(*index));
            // A form whose tag says another name is not the one that was meant.
            let distance = |errors: &&Vec<ValidationError<'static>>| {
                let tags = errors
                    .iter()
                    .filter(|error| matches!(error.kind(), ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. }));
                (tags.count(), errors.len())
            };
            if let Some(best) = errors.min_by_key(distance) {
                for error in best {
                    self.error(error);
                }
                return;
            }
            let mut all: Vec<String> = forms.iter().flat_map(|form| names(form)).collect();
            all.dedup();
            let help = map.keys().find_map(|key| did_you_mean(key, all.iter().map(String::as_str)));
            let expected = one_of(all.iter().map(String::as_str));
            self.findings.push(Finding { expected, help, ..Finding::at(path, "fits none of the allowed forms") });
            return;
        }
        let mut types: Vec<String> = forms.iter().filter_map(|form| form.get("type").and_then(Value::as_str).map(str::to_owned)).collect();
        types.dedup();
        let right_type =
            context.iter().filter(|errors| !errors.iter().any(|error| matches!(error.kind(), ValidationErrorKind::Type { .. })));
        match right_type.min_by_key(|errors| errors.len()) {
            Some(best) if !best.is_empty() => {
                for error in best {
                    self.error(error);
                }
            }
            _ => {
                // Of several mappings nobody knows which was meant.
                let mut mappings = forms.iter().copied().filter(|form| form.get("type") == Some(&"object".into()));
                let form = mappings.next().filter(|_| mappings.next().is_none());
                let finding = self.wrong_type(path, value, &types, form);
                self.findings.push(finding);
            }
        }
    }
}

/// Whether a schema takes one of several words and nothing else.
fn lists_names(schema: &Value) -> bool {
    schema.get("enum").and_then(Value::as_array).is_some_and(|names| names.iter().all(Value::is_string))
}

/// What a mapping is to hold, where something else stands: with the value that stands there, if one of its fields takes it; else by its fields.
fn mapping(schema: &Value, value: &Value) -> Option<String> {
    let fields = schema.get("properties")?.as_object()?;
    let takes = |field: &Value| field.get("enum").and_then(Value::as_array).is_some_and(|names| names.contains(value));
    match fields.iter().find(|(_, field)| takes(field)) {
        Some((name, _)) => Some(format!("a mapping such as {{{name}: {}}}", plain(value))),
        None if fields.is_empty() => None,
        None => Some(format!("a mapping with fields of its own ({})", fields.keys().map(String::as_str).collect::<Vec<_>>().join(", "))),
    }
}

/// `such as ...`, from the examples of a schema.
fn example(schema: &Value) -> Option<String> {
    let examples = schema.get("examples")?.as_array()?;
    examples.first().map(|example| format!("text such as {}", plain(example)))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(path: &FieldPath, value: &Value, message: &str) -> String {
    if hides(path) || value.is_object() || value.is_array() {
        return format!("the value {message}");
    }
    let text = value.to_string();
    if user_of_a_url(&text).is_some() {
        return format!("the value {message}");
    }
    if text.chars().count() <= 80 {
        return format!("{text} {message}");
    }
    let start: String = text.chars().take(60).collect();
    format!("{start}…\" {message}")
}

fn type_name(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
