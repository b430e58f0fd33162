//! A bucket's tags.

use std::collections::BTreeMap;

use super::wire::{self, Element, document, gone};
use super::{find, find_mut};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::world::World;

/// How many tags a bucket may carry.
const MOST: usize = 50;

pub fn get(world: &World, name: &str) -> Result<Answer, Refusal> {
    let tags = &find(world, name)?.tags;
    if tags.is_empty() {
        return Err(Refusal::new(404, "NoSuchTagSet", "The TagSet does not exist"));
    }
    Ok(document("Tagging", |xml| xml.list("TagSet", "Tag", tags, |xml, (key, value)| xml.text("Key", key).text("Value", value))))
}

/// The whole set is replaced; what AWS itself put there has to be in the new one, too.
pub fn put(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let tags = wire::body(call, "Tagging", |root| {
        root.only(&["TagSet"])?;
        read(root.child("TagSet").ok_or_else(wire::malformed)?)
    })?;
    let bucket = find_mut(world, name)?;
    let (system, own): (Vec<_>, Vec<_>) = tags.into_iter().partition(|(key, _)| is_system(key));
    let there = bucket.tags.iter().filter(|(key, _)| is_system(key));
    if there.clone().any(|(key, _)| !system.iter().any(|(sent, _)| sent == key)) {
        return Err(invalid("System tags cannot be removed by requester"));
    }
    if system.iter().any(|(key, value)| bucket.tags.get(key) != Some(value)) {
        return Err(invalid("System tags cannot be added/updated by requester"));
    }
    let mut tags = check(own)?;
    tags.extend(system);
    bucket.tags = tags;
    Ok(gone())
}

pub fn delete(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    let bucket = find_mut(world, name)?;
    if bucket.tags.keys().any(|key| is_system(key)) {
        return Err(invalid("System tags cannot be removed by requester"));
    }
    bucket.tags.clear();
    Ok(gone())
}

/// The pairs in a list of `Tag` elements.
pub fn read(list: Element<'_, '_>) -> Result<Vec<(String, String)>, Refusal> {
    list.only(&["Tag"])?;
    list.children("Tag")
        .map(|tag| {
            tag.only(&["Key", "Value"])?;
            Ok((tag.require("Key")?, tag.require("Value")?))
        })
        .collect()
}

/// The tags in a request of S3 Control's.
pub fn read_request(call: &Call) -> Result<BTreeMap<String, String>, Refusal> {
    check(wire::body(call, "TagResourceRequest", |root| read(root.child("Tags").ok_or_else(wire::malformed)?))?)
}

/// The rules for tags that a caller sets.
pub fn check(tags: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Refusal> {
    if tags.len() > MOST {
        return Err(Refusal::new(400, "BadRequest", "Bucket tag count cannot be greater than 50"));
    }
    let mut checked = BTreeMap::new();
    for (key, value) in tags {
        if is_system(&key) {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if !(1..=128).contains(&key.chars().count()) || !key.chars().all(allowed) {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 || !value.chars().all(allowed) {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if checked.insert(key, value).is_some() {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(checked)
}

fn is_system(key: &str) -> bool {
    key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
}

fn allowed(character: char) -> bool {
    // As in `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`: every kind of space, no tab and no line end.
    let space = character.is_whitespace() && !character.is_control();
    character.is_alphanumeric() || space || "_.:/=+-@".contains(character)
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(400, "InvalidTag", message)
}
