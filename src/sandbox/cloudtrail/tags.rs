//! Tags of trails.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::call::Refusal;
use super::{Here, State, Trail, checks, refusal};

/// "Adds one or more tags to a trail, up to a limit of 50." (AddTags)
pub const MOST_TAGS: usize = 50;
/// "The list has a limit of 20 ARNs." (ListTags)
const MOST_RESOURCES: usize = 20;

/// A tag on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    key: String,
    value: Option<String>,
}

/// What AddTags and RemoveTags take.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Change {
    resource_id: Option<String>,
    tags_list: Option<Vec<Tag>>,
}

pub fn add(state: &mut State, here: &Here, change: Change) -> Result<Value, Refusal> {
    let trail = to_change(state, here, change.resource_id.as_deref())?;
    let mut tags = trail.tags.clone();
    tags.extend(checked(change.tags_list.as_deref().unwrap_or_default())?);
    if tags.len() > MOST_TAGS {
        return Err(too_many());
    }
    trail.tags = tags;
    Ok(json!({}))
}

pub fn remove(state: &mut State, here: &Here, change: Change) -> Result<Value, Refusal> {
    let trail = to_change(state, here, change.resource_id.as_deref())?;
    for key in checked(change.tags_list.as_deref().unwrap_or_default())?.keys() {
        trail.tags.remove(key);
    }
    Ok(json!({}))
}

/// What ListTags takes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Listed {
    resource_id_list: Option<Vec<String>>,
    next_token: Option<String>,
}

/// Pages hold resources, in the order in which they were asked for.
pub fn list(state: &mut State, here: &Here, wanted: Listed) -> Result<Value, Refusal> {
    let resources = wanted.resource_id_list.unwrap_or_default();
    if resources.is_empty() || resources.len() > MOST_RESOURCES {
        return Err(refusal("InvalidParameterException", format!("Give 1 to {MOST_RESOURCES} resource ARNs.")));
    }
    let from = match wanted.next_token.as_deref().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(from)) if from < resources.len() => from,
        Some(_) => return Err(refusal("InvalidTokenException", "The token is not valid.")),
    };
    let mut page = Vec::new();
    for arn in resources.iter().skip(from).take(here.page_size) {
        let trail = state.trails.get(&resource(state, here, Some(arn))?);
        let tags = trail
            .iter()
            .flat_map(|trail| &trail.tags)
            .map(|(key, value)| json!({"Key": key, "Value": (!value.is_empty()).then_some(value)}));
        page.push(json!({"ResourceId": arn, "TagsList": tags.collect::<Vec<_>>()}));
    }
    let next = Some(from.saturating_add(here.page_size)).filter(|next| *next < resources.len());
    Ok(json!({"ResourceTagList": page, "NextToken": next.map(|next| next.to_string())}))
}

/// The tags of a request as a map, if they are what CloudTrail takes.
pub fn checked(tags: &[Tag]) -> Result<BTreeMap<String, String>, Refusal> {
    let invalid = |message: &str| Err(refusal("InvalidTagParameterException", message));
    let mut map = BTreeMap::new();
    for tag in tags {
        let value = tag.value.clone().unwrap_or_default();
        // "min": 1 [service model, TagValue]
        if tag.value.as_ref().is_some_and(String::is_empty) {
            return invalid("A tag value has at least one character, or is not given.");
        }
        if tag.key.is_empty() || tag.key.chars().count() > 128 {
            return invalid("A tag key has 1 to 128 characters.");
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return invalid("Tag keys that start with aws: are reserved.");
        }
        if value.chars().count() > 256 {
            return invalid("A tag value has at most 256 characters.");
        }
        if map.insert(tag.key.clone(), value).is_some() {
            return invalid("The same tag key is given twice.");
        }
    }
    Ok(map)
}

pub fn too_many() -> Refusal {
    refusal("TagsLimitExceededException", format!("The number of tags per trail has exceeded the permitted amount: {MOST_TAGS}."))
}

/// The name of the trail of that ARN. The operations on tags take ARNs only, and have their own word for an
/// unknown one.
fn resource(state: &State, here: &Here, arn: Option<&str>) -> Result<String, Refusal> {
    let arn = arn.unwrap_or_default();
    checks::name_in_arn(arn)?;
    checks::find(state, here, Some(arn))
        .map_err(|_| refusal("ResourceNotFoundException", format!("The specified resource is not found: {arn}")))
}

fn to_change<'a>(state: &'a mut State, here: &Here, arn: Option<&str>) -> Result<&'a mut Trail, Refusal> {
    let name = resource(state, here, arn)?;
    if state.trails.get(&name).is_some_and(|trail| checks::owner(state, here, trail) != here.account) {
        return Err(checks::not_management());
    }
    state.trails.get_mut(&name).ok_or_else(|| refusal("ResourceNotFoundException", "The specified resource is not found."))
}
