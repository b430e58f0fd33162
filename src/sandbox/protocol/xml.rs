//! A small XML writer: every text is escaped, every element closed.

use std::fmt::Write;

/// XML under construction. `Xml::new().text("Name", "a<b").node("List", |list| list.text("member", "x"))`.
#[derive(Clone, Debug, Default)]
pub struct Xml(String);

impl Xml {
    pub fn new() -> Xml {
        Xml::default()
    }

    /// An element that holds text.
    pub fn text(mut self, name: &str, value: impl std::fmt::Display) -> Xml {
        // Writing to a String does not fail.
        let _ = write!(self.0, "<{name}>{}</{name}>", escape(&value.to_string()));
        self
    }

    /// An element that holds text, left out where there is none.
    pub fn maybe(self, name: &str, value: Option<impl std::fmt::Display>) -> Xml {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// An element that holds elements.
    pub fn node(mut self, name: &str, inside: impl FnOnce(Xml) -> Xml) -> Xml {
        let inside = inside(Xml::new()).0;
        let _ = write!(self.0, "<{name}>{inside}</{name}>");
        self
    }

    /// An element with attributes, already escaped, that holds elements: `xsi:type="Group"`.
    pub fn node_with(mut self, name: &str, attributes: &str, inside: impl FnOnce(Xml) -> Xml) -> Xml {
        let inside = inside(Xml::new()).0;
        let _ = write!(self.0, "<{name} {attributes}>{inside}</{name}>");
        self
    }

    /// One `item` element for each of `values`, inside a `name` element: AWS's lists.
    pub fn list<T>(self, name: &str, item: &str, values: impl IntoIterator<Item = T>, one: impl Fn(Xml, T) -> Xml) -> Xml {
        self.node(name, |list| values.into_iter().fold(list, |list, value| list.node(item, |xml| one(xml, value))))
    }

    /// A list of plain texts.
    pub fn texts<T: std::fmt::Display>(self, name: &str, item: &str, values: impl IntoIterator<Item = T>) -> Xml {
        self.node(name, |list| values.into_iter().fold(list, |list, value| list.text(item, value)))
    }

    /// One element for each of `values`, without a list around them: S3's flattened lists.
    pub fn each<T>(self, item: &str, values: impl IntoIterator<Item = T>, one: impl Fn(Xml, T) -> Xml) -> Xml {
        values.into_iter().fold(self, |xml, value| xml.node(item, |inside| one(inside, value)))
    }

    /// What was written, as a document.
    pub fn document(self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.0)
    }
}

/// `text` as XML character data.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}
