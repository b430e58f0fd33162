//! The first look at a manifest's text, event by event, before anything builds values from it: cuts the file into
//! documents, holds them to limits, and keeps where every key and value was written.
//!
//! Documents are cut here and not by a parser, so that one that cannot be read does not hide the others. YAML makes
//! that safe: a line that begins with `---` or `...` is a boundary wherever it stands.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};
use serde::Serialize;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;
/// How deep lists and mappings may stand in each other, aliases followed.
pub const MAX_DEPTH: usize = 64;
/// How many keys, values, lists and mappings one file may hold, aliases followed. A thousand buckets with every
/// field declared take some 80,000.
pub const MAX_NODES: usize = 500_000;
/// How many documents one file may hold.
pub const MAX_DOCUMENTS: usize = 5_000;

/// A place in a file: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
}

/// Why a text could not be read as YAML, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub mark: Mark,
    pub message: String,
    pub help: Option<String>,
}

impl Fault {
    pub(super) fn new(mark: Mark, message: impl Into<String>) -> Fault {
        Fault { mark, message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}

/// One document of a file: its text, and how many lines of the file stand before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'t> {
    pub text: &'t str,
    pub lines_before: u32,
}

/// The text of a file, or why it has none: too large, not UTF-8, characters that YAML does not allow.
/// Line ends come out as LF, whatever they were: YAML makes no difference between them.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let start = Mark { line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        return Err(Fault::new(start, format!("the file is larger than {} MiB", MAX_BYTES >> 20)).help("split it into several files"));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Fault::new(start, "the file is UTF-16").help("save it as UTF-8"));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let before = String::from_utf8_lossy(valid);
            let mark = mark_after(&before);
            let message = format!("not UTF-8: the byte at offset {} begins no character", error.valid_up_to());
            return Err(Fault::new(mark, message).help("save the file as UTF-8"));
        }
    };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    // A parser takes a NUL for the end of the text: what follows it would be dropped in silence.
    let forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}') || c == '\u{FEFF}';
    if let Some((at, found)) = text.char_indices().find(|(_, c)| forbidden(*c)) {
        let mark = mark_after(text.get(..at).unwrap_or_default());
        return Err(Fault::new(mark, format!("the character U+{:04X} is not allowed in YAML", u32::from(found))));
    }
    if text.contains('\r') {
        return Ok(Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")));
    }
    Ok(Cow::Borrowed(text))
}

fn mark_after(text: &str) -> Mark {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let last = text.rsplit('\n').next().unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
    Mark { line: count(text.matches('\n').count()), column: count(last.chars().count()) }
}

fn is_boundary(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n']))
}

/// Cuts a text into its documents. Directives go with the document that they stand before.
pub fn documents(text: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let (mut start, mut at, mut first, mut line_number) = (0, 0, 0, 0);
    let mut has_content = false;
    let mut cut = |from: usize, to: usize, lines_before: u32| {
        if let Some(text) = text.get(from..to) {
            found.push(Document { text, lines_before });
        }
    };
    for line in text.split_inclusive('\n') {
        let begins = is_boundary(line, "---");
        if begins && has_content {
            cut(start, at, first);
            (start, first) = (at, line_number);
        }
        at += line.len();
        line_number = u32::saturating_add(line_number, 1);
        let said = line.trim();
        has_content |= begins || !(said.is_empty() || said.starts_with('#') || line.starts_with('%'));
        if is_boundary(line, "...") {
            cut(start, at, first);
            (start, first, has_content) = (at, line_number, false);
        }
    }
    if start < at {
        cut(start, at, first);
    }
    found
}

/// Which node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(usize);

/// A value as it was written.
#[derive(Clone, Debug)]
pub struct Node {
    pub mark: Mark,
    pub content: Content,
    /// How many nodes it is with everything inside it, aliases followed.
    size: usize,
    /// How many lists and mappings stand in each other in it, itself counted, aliases followed.
    height: usize,
}

#[derive(Clone, Debug)]
pub enum Content {
    /// `plain` means without quotes: only then may it be something else than text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
    Alias(NodeId),
}

/// A document as it was written: every node with its place.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    pub root: NodeId,
}

impl Tree {
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    /// The node, or what it is an alias of.
    pub fn resolved(&self, id: NodeId) -> Option<&Node> {
        let mut node = self.node(id)?;
        // An alias names a node that was finished before it, so this ends.
        while let Content::Alias(target) = node.content {
            node = self.node(target)?;
        }
        Some(node)
    }
}

/// Reads one document. `budget` is how many nodes the file may still hold; what this document takes is taken off.
/// None: the document says nothing.
pub fn scan(document: Document<'_>, budget: &mut usize) -> Result<Option<Tree>, Fault> {
    let mut builder =
        Builder { lines_before: document.lines_before, nodes: Vec::new(), open: Vec::new(), anchors: HashMap::new(), budget: *budget };
    let mut parser = Parser::new_from_str(document.text);
    let mut root = None;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.refused(&error, document.text))?;
        if root.is_some() && !matches!(event, Event::DocumentEnd | Event::StreamEnd | Event::Nothing) {
            return Err(Fault::new(builder.mark(span.start), "the document has ended before this").help("begin a new one with ---"));
        }
        if let Some(done) = builder.take(event, span.start)? {
            root = Some(done);
        }
    }
    let Some(root) = root else { return Ok(None) };
    let tree = Tree { nodes: builder.nodes, root };
    let Some(node) = tree.node(root) else { return Ok(None) };
    if let Content::Scalar { text, plain: true } = &node.content
        && matches!(text.as_str(), "" | "~" | "null")
    {
        return Ok(None);
    }
    *budget = budget.saturating_sub(node.size);
    Ok(Some(tree))
}

struct Open {
    id: NodeId,
    anchor: usize,
    key: Option<NodeId>,
    size: usize,
    height: usize,
}

struct Builder {
    lines_before: u32,
    nodes: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    budget: usize,
}

impl Builder {
    fn mark(&self, at: Marker) -> Mark {
        let line = u32::try_from(at.line()).unwrap_or(u32::MAX).max(1);
        let column = u32::try_from(at.col()).unwrap_or(u32::MAX);
        Mark { line: line.saturating_add(self.lines_before), column: column.saturating_add(1) }
    }

    fn refused(&self, error: &ScanError, text: &str) -> Fault {
        let mark = self.mark(*error.marker());
        // The parser has a limit of its own on brackets, and looks ahead of what was taken so far.
        if error.info().contains("recursion limit") {
            return self.too_deep(mark);
        }
        explain(mark, error.info(), text, self.lines_before)
    }

    fn too_many(&self, mark: Mark) -> Fault {
        let message = format!("the file holds more than {MAX_NODES} values, aliases followed");
        Fault::new(mark, message).help("split it into several files, or say less through aliases")
    }

    fn too_deep(&self, mark: Mark) -> Fault {
        Fault::new(mark, format!("lists and mappings stand more than {MAX_DEPTH} deep in each other"))
    }

    /// Takes one event; answers with the root when it is complete.
    fn take(&mut self, event: Event<'_>, at: Marker) -> Result<Option<NodeId>, Fault> {
        let mark = self.mark(at);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.as_deref(), mark)?;
                let content = Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let id = self.add(mark, content, 1, 0)?;
                self.done(id, anchor, 1, 0)
            }
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor).copied() else {
                    return Err(Fault::new(mark, "this alias stands inside the value that it names"));
                };
                let (size, height) = self.nodes.get(target.0).map_or((1, 0), |node| (node.size, node.height));
                if self.open.len().saturating_add(height) > MAX_DEPTH {
                    return Err(self.too_deep(mark));
                }
                let id = self.add(mark, Content::Alias(target), size, height)?;
                self.done(id, 0, size, height)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), mark)?;
                self.begin(mark, Content::List(Vec::new()), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_deref(), mark)?;
                self.begin(mark, Content::Mapping(Vec::new()), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                if let Some(node) = self.nodes.get_mut(open.id.0) {
                    node.size = open.size;
                    node.height = open.height;
                }
                self.done(open.id, open.anchor, open.size, open.height)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => Ok(None),
        }
    }

    fn add(&mut self, mark: Mark, content: Content, size: usize, height: usize) -> Result<NodeId, Fault> {
        if self.nodes.len() >= self.budget {
            return Err(self.too_many(mark));
        }
        self.nodes.push(Node { mark, content, size, height });
        Ok(NodeId(self.nodes.len() - 1))
    }

    fn begin(&mut self, mark: Mark, content: Content, anchor: usize) -> Result<Option<NodeId>, Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(mark));
        }
        let id = self.add(mark, content, 1, 1)?;
        self.open.push(Open { id, anchor, key: None, size: 1, height: 1 });
        Ok(None)
    }

    /// Puts a finished node into what is open around it.
    fn done(&mut self, id: NodeId, anchor: usize, size: usize, height: usize) -> Result<Option<NodeId>, Fault> {
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        let Some(parent) = self.open.last_mut() else { return Ok(Some(id)) };
        parent.size = parent.size.saturating_add(size);
        parent.height = parent.height.max(height.saturating_add(1));
        let too_many = parent.size > self.budget;
        match self.nodes.get_mut(parent.id.0).map(|node| &mut node.content) {
            Some(Content::List(items)) => items.push(id),
            Some(Content::Mapping(entries)) => match parent.key.take() {
                Some(key) => entries.push((key, id)),
                None => parent.key = Some(id),
            },
            _ => {}
        }
        if too_many {
            let mark = self.nodes.get(id.0).map_or_else(Mark::default, |node| node.mark);
            return Err(self.too_many(mark));
        }
        Ok(None)
    }
}

fn refuse_tag(tag: Option<&Tag>, mark: Mark) -> Result<(), Fault> {
    let Some(tag) = tag else { return Ok(()) };
    let known = ["str", "int", "float", "bool", "null", "seq", "map"];
    if tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str()) {
        return Ok(());
    }
    Err(Fault::new(mark, format!("the tag {tag} means nothing here")).help("take it out"))
}

/// What a parser's complaint means to a person: a tab in the indentation is by far the most common cause.
pub(super) fn explain(mark: Mark, info: &str, text: &str, lines_before: u32) -> Fault {
    let line = usize::try_from(mark.line.saturating_sub(lines_before)).unwrap_or_default();
    // A value without quotes may go on in the next line: a tab that stands there is found while the value is read.
    let after = text.lines().enumerate().skip(line).find(|(_, written)| !written.trim().is_empty()).map(|(index, _)| index + 1);
    let after = after.filter(|_| info.contains("found a tab"));
    // Else the parser notices at the line itself or at the start of the next.
    for candidate in [Some(line), line.checked_sub(1), after].into_iter().flatten().filter(|line| *line > 0) {
        let Some(written) = text.lines().nth(candidate - 1) else { continue };
        let indentation: String = written.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        if let Some(column) = indentation.chars().position(|c| c == '\t') {
            let line = u32::try_from(candidate).unwrap_or(u32::MAX).saturating_add(lines_before);
            let mark = Mark { line, column: u32::try_from(column).unwrap_or_default().saturating_add(1) };
            return Fault::new(mark, "a tab in the indentation; YAML indents with spaces").help("replace it by spaces");
        }
    }
    let written = line.checked_sub(1).and_then(|line| text.lines().nth(line)).unwrap_or_default();
    // The parser is at the tab, or has just passed it.
    let sign_before = |column: u32| {
        let mut from = written.chars().skip(usize::try_from(column.checked_sub(2)?).ok()?);
        from.next().filter(|sign| matches!(sign, ':' | '-') && from.next() == Some('\t')).map(|sign| (column, sign))
    };
    match [mark.column, mark.column.saturating_sub(1)].into_iter().find_map(sign_before) {
        Some((column, sign)) => Fault::new(Mark { column, ..mark }, format!("a tab after '{sign}'")).help("replace it by a space"),
        None => Fault::new(mark, format!("not YAML: {info}")),
    }
}
