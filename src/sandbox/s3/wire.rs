//! S3's bodies: reading them strictly, as the service validates against its schema, and writing the usual answers.

use http::StatusCode;
use roxmltree::{Document, Node};

use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::protocol::xml::Xml;

/// The namespace of S3's documents.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An enumeration whose members have one spelling, in the API and in the account file.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(#[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// The member as the API spells it.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }

            /// The member that the API spells so.
            pub fn parse(word: &str) -> Option<$name> {
                match word {
                    $($word => Some($name::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use words;

/// One element of a request's body.
#[derive(Clone, Copy)]
pub struct Element<'a, 'input>(Node<'a, 'input>);

/// Parses the body, whose root has to be `name`, and reads it with `read`.
pub fn body<T>(call: &Call, name: &str, read: impl FnOnce(Element<'_, '_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
    if call.body.is_empty() {
        return Err(Refusal::new(400, "MissingRequestBodyError", "Request Body is empty"));
    }
    let text = std::str::from_utf8(&call.body).map_err(|_| malformed())?;
    let document = Document::parse(text).map_err(|_| malformed())?;
    let root = document.root_element();
    if root.tag_name().name() != name {
        return Err(malformed());
    }
    read(Element(root))
}

impl<'a, 'input> Element<'a, 'input> {
    /// Refuses what the schema does not have at this place.
    pub fn only(self, names: &[&str]) -> Result<(), Refusal> {
        let unknown = self.0.children().filter(Node::is_element).any(|child| !names.contains(&child.tag_name().name()));
        if unknown { Err(malformed()) } else { Ok(()) }
    }

    pub fn children(self, name: &str) -> impl Iterator<Item = Element<'a, 'input>> {
        self.0.children().filter(move |child| child.is_element() && child.tag_name().name() == name).map(Element)
    }

    pub fn child(self, name: &str) -> Option<Element<'a, 'input>> {
        self.children(name).next()
    }

    /// The text inside; nothing where there is none.
    pub fn text(self) -> String {
        self.0.children().filter(Node::is_text).filter_map(|node| node.text()).collect()
    }

    /// The text of a child.
    pub fn get(self, name: &str) -> Option<String> {
        self.child(name).map(Element::text)
    }

    pub fn require(self, name: &str) -> Result<String, Refusal> {
        self.get(name).ok_or_else(malformed)
    }

    pub fn bool(self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.get(name).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(malformed()),
        }
    }

    pub fn number(self, name: &str) -> Result<Option<i64>, Refusal> {
        self.get(name).map(|text| text.trim().parse().map_err(|_| malformed())).transpose()
    }

    /// A child that holds a member of an enumeration, read by its `parse`.
    pub fn word<T>(self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        self.get(name).map(|text| parse(text.trim()).ok_or_else(malformed)).transpose()
    }
}

/// `MalformedXML`: what S3 says of everything that its schema does not have.
pub fn malformed() -> Refusal {
    Refusal::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

pub fn invalid_argument(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidArgument", message)
}

pub fn invalid_request(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidRequest", message)
}

pub fn access_denied(message: impl Into<String>) -> Refusal {
    Refusal::new(403, "AccessDenied", message)
}

pub fn not_implemented(operation: &str) -> Refusal {
    Refusal::new(501, "NotImplemented", format!("This account does not implement {operation}."))
}

/// A header's value, where it is text.
pub fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.get(name).and_then(|value| value.to_str().ok())
}

/// A header that holds a member of an enumeration.
pub fn header_word<T>(call: &Call, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
    header(call, name).map(|text| parse(text).ok_or_else(|| invalid_argument(format!("Invalid {name} header")))).transpose()
}

/// An answer that holds a document.
pub fn document(root: &str, inside: impl FnOnce(Xml) -> Xml) -> Answer {
    let body = Xml::new().node_with(root, &format!("xmlns=\"{NAMESPACE}\""), inside).document();
    Answer { status: StatusCode::OK, headers: vec![("content-type", "application/xml".to_owned())], body }
}

/// An answer without a body: 200.
pub fn done() -> Answer {
    Answer { status: StatusCode::OK, headers: Vec::new(), body: String::new() }
}

/// An answer without a body: 204.
pub fn gone() -> Answer {
    Answer { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: String::new() }
}

/// A moment as S3 writes it in XML.
pub fn moment(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
