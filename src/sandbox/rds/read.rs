//! What requests have in common: identifiers, filters, pages, tags.

use std::collections::BTreeMap;

use super::refusals;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::tags;
use crate::sandbox::world::World;

/// A new identifier, as RDS stores it: in lower case.
pub fn new_identifier(form: &Form, member: &str, longest: usize) -> Result<String, Refusal> {
    let name = form.require(member)?.to_ascii_lowercase();
    let shaped = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-')
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= longest;
    if shaped {
        return Ok(name);
    }
    Err(refusals::value(format!(
        "The parameter {member} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, \
         and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// The identifier of something that exists: itself, in any case, or its ARN.
pub fn identifier(text: &str) -> String {
    let name = if text.starts_with("arn:") { text.rsplit(':').next().unwrap_or(text) } else { text };
    name.to_ascii_lowercase()
}

/// The filters of a request. A name that is not among `known` is refused.
pub fn filters(form: &Form, known: &[&str]) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    let mut filters = Vec::new();
    for filter in form.records("Filters") {
        let name = filter.require("Name")?;
        if !known.contains(&name) {
            return Err(refusals::value(format!("Unrecognized filter name: {name}")));
        }
        let values = filter.list("Values");
        if values.is_empty() {
            return Err(refusals::value(format!("The filter {name} has no values.")));
        }
        filters.push((name.to_owned(), values));
    }
    Ok(filters)
}

/// Entries with their keys, and the marker of the next page, if there is one.
type Page<T> = (Vec<(String, T)>, Option<String>);

/// One page of `entries`, which are sorted by their keys, and the marker of the next. The marker is the key of the last
/// entry sent, so that entries which come or go meanwhile do no harm.
pub fn page<T>(world: &World, form: &Form, entries: Vec<(String, T)>) -> Result<Page<T>, Refusal> {
    let asked = match form.int("MaxRecords")? {
        Some(count) if !(20..=100).contains(&count) => {
            return Err(refusals::value(format!("Invalid value {count} for MaxRecords. Must be between 20 and 100")));
        }
        Some(count) => usize::try_from(count).unwrap_or(100),
        None => 100,
    };
    let size = asked.min(world.page_size.max(1));
    let mut rest: Vec<(String, T)> = match form.get("Marker").filter(|marker| !marker.is_empty()) {
        Some(marker) => entries.into_iter().filter(|(key, _)| key.as_str() > marker).collect(),
        None => entries,
    };
    let more = rest.len() > size;
    rest.truncate(size);
    let marker = rest.last().filter(|_| more).map(|(key, _)| key.clone());
    Ok((rest, marker))
}

/// The `Tags` of a request.
pub fn tags(form: &Form) -> Result<BTreeMap<String, String>, Refusal> {
    let mut all = BTreeMap::new();
    for tag in form.records("Tags") {
        let key = tag.get("Key").unwrap_or_default();
        let value = tag.get("Value").unwrap_or_default();
        if let Some(why) = tags::refused(key, value, &["aws:", "rds:"]) {
            return Err(refusals::value(why));
        }
        all.insert(key.to_owned(), value.to_owned());
    }
    match all.len() {
        0..=50 => Ok(all),
        _ => Err(refusals::value("A resource has at most 50 tags.")),
    }
}
