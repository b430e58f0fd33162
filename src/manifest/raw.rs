//! The values of a document as serde_yaml reads them. The only file that names that crate: it decides what a scalar
//! without quotes means, and is a second opinion on what the event scan found.

use std::fmt;

use serde::de::{Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::scan::{Document, Fault, Mark, explain};

/// A value, with duplicate keys and merge keys as written, so that all of them can be reported.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    /// A whole number that no field of ours could hold.
    Huge,
    Float(f64),
    Text(String),
    List(Vec<Raw>),
    Mapping(Vec<(Raw, Raw)>),
}

/// Reads one document whose limits the scan has checked.
pub fn parse(document: Document<'_>) -> Result<Raw, Fault> {
    serde_yaml::from_str(document.text).map_err(|error| {
        let place = error.location();
        let line = place.as_ref().map_or(1, |place| u32::try_from(place.line()).unwrap_or(u32::MAX));
        let column = place.as_ref().map_or(1, |place| u32::try_from(place.column()).unwrap_or(u32::MAX));
        let mark = Mark { line: line.saturating_add(document.lines_before), column };
        explain(mark, &error.to_string(), document.text, document.lines_before)
    })
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Unsigned(value))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Huge)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Huge)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = mapping.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Mapping(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Raw, A::Error> {
        // Tags were refused by the scan; one that only this parser sees is dropped, and the value compared as it is.
        let (_, value) = tagged.variant::<String>()?;
        value.newtype_variant()
    }
}
