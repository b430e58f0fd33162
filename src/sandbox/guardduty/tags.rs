//! Tags of the detector and its publishing destinations.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::call::{Call, Refusal};
use super::{Here, State, bad_request, detector, out_of_range};

/// GuardDuty's limit of tags a resource. (user guide, "Tagging")
const MOST_TAGS: usize = 50;

/// What TagResource takes.
#[derive(Deserialize)]
pub struct Wanted {
    tags: BTreeMap<String, String>,
}

/// The tag keys that UntagResource names in its query string.
pub fn keys(call: &Call) -> Vec<String> {
    form_urlencoded::parse(call.query.as_bytes()).filter(|(name, _)| name == "tagKeys").map(|(_, key)| key.into_owned()).collect()
}

pub fn list(state: &mut State, here: &Here, arn: &str) -> Result<Value, Refusal> {
    Ok(json!({"tags": of(state, here, arn)?}))
}

pub fn add(state: &mut State, here: &Here, arn: &str, wanted: Wanted) -> Result<(), Refusal> {
    let tags = of(state, here, arn)?;
    let mut all = tags.clone();
    all.extend(wanted.tags);
    checked(&all)?;
    *tags = all;
    Ok(())
}

pub fn remove(state: &mut State, here: &Here, arn: &str, keys: &[String]) -> Result<(), Refusal> {
    let tags = of(state, here, arn)?;
    if keys.is_empty() {
        return Err(out_of_range());
    }
    tags.retain(|key, _| !keys.contains(key));
    Ok(())
}

/// Refuses tags that GuardDuty does not take.
pub fn checked(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    // `(?!aws:)[a-zA-Z+-=._:/]+` [service model, TagKey]
    let letter = |letter: char| letter.is_ascii_alphabetic() || ('+'..='=').contains(&letter) || letter == '_';
    let takes_key = |key: &str| (1..=128).contains(&key.len()) && !key.to_ascii_lowercase().starts_with("aws:") && key.chars().all(letter);
    let takes = |(key, value): (&String, &String)| takes_key(key) && value.chars().count() <= 256;
    if tags.len() <= MOST_TAGS && tags.iter().all(takes) { Ok(()) } else { Err(out_of_range()) }
}

/// The tags of the resource with that ARN.
fn of<'a>(state: &'a mut State, here: &Here, arn: &str) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    let place = format!("arn:aws:guardduty:{}:{}:detector/", here.region, here.account);
    let path: Vec<&str> = arn.strip_prefix(&place).ok_or_else(out_of_range)?.split('/').collect();
    match path.as_slice() {
        [id] => Ok(&mut detector::find_mut(state, here, id)?.tags),
        [id, "publishingDestination" | "publishingdestination", to] => {
            let destinations = &mut detector::find_mut(state, here, id)?.destinations;
            let unknown = || bad_request("The request is rejected because the one or more input parameters have invalid values.");
            destinations.get_mut(*to).map(|destination| &mut destination.tags).ok_or_else(unknown)
        }
        _ => Err(out_of_range()),
    }
}
