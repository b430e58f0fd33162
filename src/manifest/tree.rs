//! From what was written to one JSON value: aliases followed, merge keys applied, and the place of every key and value
//! kept beside it. Two parsers have read the text; where they disagree on what it says, it is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::path::{FieldPath, Step};
use super::raw::Raw;
use super::scan::{Content, Fault, Mark, Node, NodeId, Tree};

/// What a scalar without quotes is to other readers of YAML (kubectl and Helm among them), though it is text to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// `yes`, `no`, `on`, `off`.
    Switch(bool),
    /// Digits after a zero: a number to the base of eight.
    Octal,
    /// `1_000`, `0b101`.
    Number,
}

/// Where a value was written, and what stands inside it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its key; for an item of a list the item itself.
    pub key: Mark,
    pub value: Mark,
    pub trap: Option<Trap>,
    pub inside: Inside,
}

#[derive(Clone, Debug, Default)]
pub enum Inside {
    #[default]
    Nothing,
    Mapping(BTreeMap<String, Place>),
    /// Each item with the index at which it was written: items may have been taken out since.
    List(Vec<(usize, Place)>),
}

impl Place {
    /// What stands at `path` inside it.
    pub fn find(&self, path: &FieldPath) -> Option<&Place> {
        path.0.iter().try_fold(self, |place, step| place.child(step))
    }

    /// What stands one step inside it.
    pub fn child(&self, step: &Step) -> Option<&Place> {
        match (&self.inside, step) {
            (Inside::Mapping(entries), Step::Key(key)) => entries.get(key),
            (Inside::List(items), Step::Index(index)) => items.get(*index).map(|(_, place)| place),
            // A JSON pointer cannot tell a key of digits from an index.
            (Inside::Mapping(entries), Step::Index(index)) => entries.get(&index.to_string()),
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Place> {
        match (&mut self.inside, step) {
            (Inside::Mapping(entries), Step::Key(key)) => entries.get_mut(key),
            (Inside::List(items), Step::Index(index)) => items.get_mut(*index).map(|(_, place)| place),
            _ => None,
        }
    }

    /// Forgets what stands at `path`.
    pub fn remove(&mut self, path: &FieldPath) {
        let Some((last, parents)) = path.0.split_last() else { return };
        let parent = parents.iter().try_fold(self, |place, step| place.child_mut(step));
        match (parent.map(|place| &mut place.inside), last) {
            (Some(Inside::Mapping(entries)), Step::Key(key)) => {
                entries.remove(key);
            }
            (Some(Inside::List(items)), Step::Index(index)) if *index < items.len() => {
                items.remove(*index);
            }
            _ => {}
        }
    }

    /// `path` with every index as it was in the file.
    pub fn written(&self, path: &FieldPath) -> FieldPath {
        let mut place = Some(self);
        let steps = path.0.iter().map(|step| {
            let written = match (place.map(|place| &place.inside), step) {
                (Some(Inside::List(items)), Step::Index(index)) => items.get(*index).map(|(at, _)| Step::Index(*at)),
                _ => None,
            };
            place = place.and_then(|place| place.child(step));
            written.unwrap_or_else(|| step.clone())
        });
        FieldPath(steps.collect())
    }
}

/// Something wrong with how a value was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Miswritten {
    pub path: FieldPath,
    pub mark: Mark,
    pub message: String,
    pub help: Option<String>,
    /// The other place that it is about.
    pub other: Option<Mark>,
}

/// A document as a value.
#[derive(Clone, Debug)]
pub struct Joined {
    pub value: Value,
    pub place: Place,
    pub miswritten: Vec<Miswritten>,
}

/// Joins the two readings of one document.
pub fn join(tree: &Tree, raw: Raw) -> Result<Joined, Fault> {
    let mut joiner = Joiner { tree, miswritten: Vec::new() };
    let mark = tree.node(tree.root).map(|node| node.mark).unwrap_or_default();
    let (value, place) = joiner.value(tree.root, raw, &mut FieldPath::root(), mark)?;
    Ok(Joined { value, place, miswritten: joiner.miswritten })
}

struct Joiner<'t> {
    tree: &'t Tree,
    miswritten: Vec<Miswritten>,
}

type Kids = BTreeMap<String, Place>;

impl<'t> Joiner<'t> {
    fn say(&mut self, path: &FieldPath, mark: Mark, message: impl Into<String>, help: Option<String>) {
        self.miswritten.push(Miswritten { path: path.clone(), mark, message: message.into(), help, other: None });
    }

    fn disagree(mark: Mark) -> Fault {
        let mut fault = Fault::new(mark, "two YAML parsers read this differently");
        fault.help = Some("write it more plainly".to_owned());
        fault
    }

    /// The node that `id` stands for, and where it is used.
    fn resolve(&self, id: NodeId) -> Result<(&'t Node, Mark), Fault> {
        let used = self.tree.node(id).map(|node| node.mark).unwrap_or_default();
        self.tree.resolved(id).map(|node| (node, used)).ok_or_else(|| Self::disagree(used))
    }

    fn value(&mut self, id: NodeId, raw: Raw, path: &mut FieldPath, key: Mark) -> Result<(Value, Place), Fault> {
        let (node, mark) = self.resolve(id)?;
        let place = |inside| Place { key, value: mark, trap: None, inside };
        match (&node.content, raw) {
            (Content::Scalar { text, plain }, raw) => {
                let (value, trap) = self.scalar(text, *plain, raw, path, mark)?;
                Ok((value, Place { trap, ..place(Inside::Nothing) }))
            }
            (Content::List(ids), Raw::List(raws)) if ids.len() == raws.len() => {
                let mut items = Vec::with_capacity(ids.len());
                let mut places = Vec::with_capacity(ids.len());
                for (index, (&id, raw)) in ids.iter().zip(raws).enumerate() {
                    let at = self.tree.node(id).map_or(mark, |node| node.mark);
                    path.0.push(Step::Index(index));
                    let (item, place) = self.value(id, raw, path, at)?;
                    path.0.pop();
                    items.push(item);
                    places.push((index, place));
                }
                Ok((Value::Array(items), place(Inside::List(places))))
            }
            (Content::Mapping(entries), Raw::Mapping(raws)) => {
                let (mut map, mut kids) = (Map::new(), Kids::new());
                self.fill(entries, raws, path, mark, false, &mut map, &mut kids)?;
                Ok((Value::Object(map), place(Inside::Mapping(kids))))
            }
            _ => Err(Self::disagree(mark)),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one recursion with what it fills")]
    fn fill(
        &mut self,
        entries: &'t [(NodeId, NodeId)],
        raws: Vec<(Raw, Raw)>,
        path: &mut FieldPath,
        mark: Mark,
        merged: bool,
        map: &mut Map<String, Value>,
        kids: &mut Kids,
    ) -> Result<(), Fault> {
        if entries.len() != raws.len() {
            return Err(Self::disagree(mark));
        }
        let mut merges = Vec::new();
        for (&(key_id, value_id), (raw_key, raw_value)) in entries.iter().zip(raws) {
            let (key, at) = self.resolve(key_id)?;
            let Content::Scalar { text, plain } = &key.content else {
                self.say(path, at, "a key must be text", None);
                continue;
            };
            if *plain && text == "<<" {
                merges.push((value_id, raw_value, at));
                continue;
            }
            path.0.push(Step::Key(text.clone()));
            if !map.contains_key(text) {
                self.key(text, *plain, &raw_key, path, at)?;
                let (value, place) = self.value(value_id, raw_value, path, at)?;
                map.insert(text.clone(), value);
                kids.insert(text.clone(), place);
            } else if !merged {
                let other = kids.get(text).map(|place| place.key);
                let message = "the same key twice".to_owned();
                self.miswritten.push(Miswritten { path: path.clone(), mark: at, message, help: None, other });
            }
            path.0.pop();
        }
        for (place, (id, raw, at)) in merges.into_iter().enumerate() {
            if place > 0 {
                self.say(path, at, "a second merge key", Some("merge several mappings with one: <<: [*a, *b]".to_owned()));
                continue;
            }
            self.merge(id, raw, path, at, true, map, kids)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one recursion with what it fills")]
    fn merge(
        &mut self,
        id: NodeId,
        raw: Raw,
        path: &mut FieldPath,
        at: Mark,
        may_be_list: bool,
        map: &mut Map<String, Value>,
        kids: &mut Kids,
    ) -> Result<(), Fault> {
        let (node, mark) = self.resolve(id)?;
        match (&node.content, raw) {
            (Content::Mapping(entries), Raw::Mapping(raws)) => self.fill(entries, raws, path, mark, true, map, kids),
            (Content::List(ids), Raw::List(raws)) if may_be_list && ids.len() == raws.len() => {
                for (&id, raw) in ids.iter().zip(raws) {
                    self.merge(id, raw, path, at, false, map, kids)?;
                }
                Ok(())
            }
            _ => {
                self.say(path, at, "a merge key takes a mapping, or a list of mappings", None);
                Ok(())
            }
        }
    }

    fn key(&mut self, text: &str, plain: bool, raw: &Raw, path: &FieldPath, at: Mark) -> Result<(), Fault> {
        let read_as = match raw {
            Raw::Text(read) if read == text => match trap(text, plain) {
                Some(Trap::Switch(_)) => "a boolean to other YAML readers",
                Some(Trap::Octal | Trap::Number) => "a number to other YAML readers",
                None => return Ok(()),
            },
            Raw::Text(_) | Raw::List(_) | Raw::Mapping(_) => return Err(Self::disagree(at)),
            Raw::Null => "null",
            Raw::Bool(_) => "a boolean",
            Raw::Int(_) | Raw::Unsigned(_) | Raw::Huge | Raw::Float(_) => "a number",
        };
        self.say(path, at, format!("this key is {read_as}"), Some(format!("write it in quotes: {}", Value::from(text))));
        Ok(())
    }

    fn scalar(&mut self, text: &str, plain: bool, raw: Raw, path: &FieldPath, mark: Mark) -> Result<(Value, Option<Trap>), Fault> {
        let number = match raw {
            Raw::Null => return Ok((Value::Null, None)),
            Raw::Bool(value) => return Ok((Value::Bool(value), None)),
            Raw::Text(read) if read == text => return Ok((Value::String(read), trap(text, plain))),
            Raw::Text(_) | Raw::List(_) | Raw::Mapping(_) => return Err(Self::disagree(mark)),
            Raw::Int(value) => Some(Number::from(value)),
            Raw::Unsigned(value) => Some(Number::from(value)),
            Raw::Huge => None,
            // A whole number however it is written: 1.0 and 1e3 are 1 and 1000 to the schema, so to the types too.
            Raw::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => Some(Number::from(value as i64)),
            Raw::Float(value) => Number::from_f64(value),
        };
        if let Some(number) = number {
            return Ok((Value::Number(number), None));
        }
        self.say(path, mark, "not a number that can be used", Some("if it is text, write it in quotes".to_owned()));
        Ok((Value::Null, None))
    }
}

fn trap(text: &str, plain: bool) -> Option<Trap> {
    if !plain {
        return None;
    }
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => return Some(Trap::Switch(true)),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => return Some(Trap::Switch(false)),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Trap::Octal);
    }
    let only = |text: &str, allowed: &str| !text.is_empty() && text.chars().all(|c| allowed.contains(c));
    let binary = digits.strip_prefix("0b").is_some_and(|rest| only(rest, "01_"));
    let grouped = digits.contains('_') && digits.starts_with(|c: char| c.is_ascii_digit()) && only(digits, "0123456789_");
    (binary || grouped).then_some(Trap::Number)
}
