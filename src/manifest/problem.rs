//! What is wrong with a manifest, said so that a person can mend it: where, what, what was expected, what was perhaps
//! meant. A manifest holds no secrets, but people paste them where a reference belongs: what may be one is not shown.

use std::fmt;

use serde::Serialize;

use super::scan::Mark;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is not enforced because of it.
    Error,
    /// It is enforced, and perhaps not what was meant.
    Warning,
    /// Nothing is wrong: a document of a folder that is none of ours.
    Note,
}

/// What an error stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// The object, or the document that should have been one.
    Object,
    /// One resource of it.
    Entry { path: String },
}

/// The other place that a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    pub file: String,
    #[serde(flatten)]
    pub mark: Option<Mark>,
    pub object: Option<String>,
    pub path: String,
    /// What the error stops there.
    pub scope: Scope,
}

/// One thing that is wrong. In order: by file, line and column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub file: String,
    /// None where the object did not come from a text.
    #[serde(flatten)]
    pub mark: Option<Mark>,
    pub severity: Severity,
    /// The name of the object, behind its namespace and a slash where it has one; nothing where none could be read.
    pub object: Option<String>,
    /// The path of the field; empty for the document as a whole.
    pub path: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    pub scope: Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
    /// The name of the entry that it is in, where that could be read: its place in the list is another one as soon as an entry is put before it.
    #[serde(skip)]
    pub entry: Option<String>,
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    /// An error of the whole of `file`.
    pub fn of_file(file: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: file.to_owned(),
            mark: None,
            severity: Severity::Error,
            object: None,
            path: String::new(),
            message: message.into(),
            expected: None,
            help: None,
            scope: Scope::Object,
            related: None,
            entry: None,
            excerpt: None,
        }
    }

    /// With what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// Without the line of the source.
    pub fn in_a_line(&self) -> String {
        Problem { excerpt: None, ..self.clone() }.to_string()
    }

    /// Whether something is not enforced because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(mark) = self.mark {
            write!(f, ":{}:{}", mark.line, mark.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(f, ": {severity}: ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        if let Some(other) = &self.related {
            write!(f, "; the other is at {}", other.file)?;
            if let Some(mark) = other.mark {
                write!(f, ":{}:{}", mark.line, mark.column)?;
            }
            if other.path != self.path {
                write!(f, " ({})", other.path)?;
            }
        }
        if let (Some(excerpt), Some(mark)) = (&self.excerpt, self.mark) {
            let margin = mark.line.to_string().len();
            write!(f, "\n{:margin$} |\n{} | {}", "", mark.line, excerpt.text)?;
            write!(f, "\n{:margin$} | {:before$}{:^^width$}", "", "", "", before = excerpt.before, width = excerpt.width)?;
        }
        Ok(())
    }
}

/// A line of the source, and what is meant in it, in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excerpt {
    pub text: String,
    pub before: usize,
    pub width: usize,
}

/// How much of a line is shown, in characters.
const SHOWN: usize = 120;
/// How much of a line is looked at for that, in bytes; nothing is shown of what stands after it.
const LOOKED_AT: usize = 4_000;

const SECRETIVE: &[&str] = &["secret", "token", "password", "passwd", "passphrase", "credential", "auth", "apikey", "accesskey", "private"];

/// Whether a field of this name may hold a secret, by right or by mistake.
pub fn is_secretive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETIVE.iter().any(|word| name.contains(word))
}

/// The text of a file, line by line.
#[derive(Clone, Debug)]
pub struct Source {
    text: String,
    starts: Vec<usize>,
}

impl Source {
    pub fn new(text: &str) -> Source {
        let starts = text.split_inclusive('\n').scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some(start)
        });
        Source { starts: starts.collect(), text: text.to_owned() }
    }

    fn line(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).map(|line| line.trim_end_matches('\n'))
    }

    /// The line of `mark` with the word at it marked. With `key_only` nothing after that word is shown.
    pub fn excerpt(&self, mark: Mark, key_only: bool) -> Option<Excerpt> {
        let whole = self.line(mark.line)?;
        let looked_at = whole.get(..whole.floor_char_boundary(LOOKED_AT)).unwrap_or_default();
        let line: Vec<char> = looked_at.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let at = usize::try_from(mark.column).ok()?.checked_sub(1)?;
        if at > line.len() {
            return None;
        }
        let mut shown = line.len();
        if key_only {
            shown = at + word(&line, at);
        }
        if let Some(secret) = first_secretive(looked_at) {
            shown = shown.min(secret);
        }
        if at > 0 && at >= shown && shown < line.len() {
            return None;
        }
        let from = if at > SHOWN / 2 && line.len() > SHOWN { at - SHOWN / 2 } else { 0 };
        let to = shown.min(from + SHOWN);
        let mut text: String = line.get(from..to)?.iter().collect();
        if from > 0 {
            text.insert(0, '…');
        }
        if to < line.len() || looked_at.len() < whole.len() {
            text.push_str(" …");
        }
        let width = word(&line, at).min(to.saturating_sub(at)).max(1);
        Some(Excerpt { text, before: at - from + usize::from(from > 0), width })
    }
}

/// How long the word at `at` is: up to a space or what ends a key or value in YAML.
fn word(line: &[char], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    match rest.first() {
        Some(quote @ ('"' | '\'')) => rest.iter().skip(1).position(|c| c == quote).map_or(rest.len(), |end| end + 2),
        _ => rest
            .iter()
            .enumerate()
            .position(|(i, c)| {
                c.is_whitespace() || matches!(c, ',' | ']' | '}') || *c == ':' && rest.get(i + 1).is_none_or(|c| c.is_whitespace())
            })
            .unwrap_or(rest.len()),
    }
}

/// Where in a line the value of something that may be a secret begins, in characters.
fn first_secretive(line: &str) -> Option<usize> {
    // Lower case of ASCII only: every character stays where it is.
    let lower = line.to_ascii_lowercase();
    let word = || {
        let end = SECRETIVE.iter().filter_map(|word| lower.find(word).map(|at| at + word.len())).min()?;
        Some(end + lower.get(end..)?.find([':', '=', ' '])? + 1)
    };
    let after = [word(), user_of_a_url(line)].into_iter().flatten().min()?;
    Some(lower.get(..after)?.chars().count())
}

/// Where in a text the user of a URL begins, with whom a password may stand: `https://user:password@host`.
pub fn user_of_a_url(text: &str) -> Option<usize> {
    text.match_indices("://").map(|(at, mark)| at + mark.len()).find(|begin| {
        let rest = text.get(*begin..).unwrap_or_default();
        rest.find('@').is_some_and(|at| !rest.get(..at).unwrap_or_default().contains([' ', '/', '"', '\'']))
    })
}
