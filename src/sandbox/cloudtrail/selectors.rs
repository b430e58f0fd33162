//! What a trail records: event selectors, plain or advanced, and insights.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::call::Refusal;
use super::{Here, State, Trail, checks, not_implemented, refusal};

/// Quotas of CloudTrail's user guide.
const MOST_SELECTORS: usize = 5;
const MOST_DATA_RESOURCES: usize = 250;
const MOST_CONDITIONS: usize = 500;
const READ_WRITE_TYPES: [&str; 3] = ["ReadOnly", "WriteOnly", "All"];
/// What plain selectors can select; everything else needs advanced ones. (PutEventSelectors, DataResource)
const DATA_TYPES: [&str; 3] = ["AWS::S3::Object", "AWS::Lambda::Function", "AWS::DynamoDB::Table"];
const EXCLUDABLE: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];
const CATEGORIES: [&str; 3] = ["Management", "Data", "NetworkActivity"];
/// The fields of advanced selectors. (AdvancedFieldSelector)
const FIELDS: [&str; 11] = [
    "readOnly",
    "eventSource",
    "eventName",
    "eventCategory",
    "eventType",
    "errorCode",
    "resources.type",
    "resources.ARN",
    "sessionCredentialFromConsole",
    "userIdentity.arn",
    "vpcEndpointId",
];
const INSIGHTS: [&str; 2] = ["ApiCallRateInsight", "ApiErrorRateInsight"];

/// Adds to the members that stand in a schema in the API's spelling those in the spelling of account files.
fn in_camel_case_too(schema: &mut Schema) {
    let Some(Value::Object(members)) = schema.get_mut("properties") else { return };
    for (name, member) in members.clone() {
        let camel: String =
            name.chars().enumerate().map(|(at, letter)| if at == 0 { letter.to_ascii_lowercase() } else { letter }).collect();
        members.insert(camel, member);
    }
}

/// A plain event selector, in the API's spelling; account files may also write its members in camel case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[schemars(transform = in_camel_case_too)]
pub struct EventSelector {
    /// `ReadOnly`, `WriteOnly` or `All`.
    #[serde(alias = "readWriteType")]
    pub read_write_type: String,
    /// Whether management events are recorded.
    #[serde(alias = "includeManagementEvents")]
    pub include_management_events: bool,
    /// The resources whose data events are recorded.
    #[serde(alias = "dataResources")]
    pub data_resources: Vec<DataResource>,
    /// Services whose management events are not: `kms.amazonaws.com`, `rdsdata.amazonaws.com`.
    #[serde(alias = "excludeManagementEventSources")]
    pub exclude_management_event_sources: Vec<String>,
}

impl Default for EventSelector {
    fn default() -> EventSelector {
        EventSelector {
            read_write_type: "All".to_owned(),
            include_management_events: true,
            data_resources: Vec::new(),
            exclude_management_event_sources: Vec::new(),
        }
    }
}

/// Resources whose data events a plain selector records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[schemars(transform = in_camel_case_too)]
pub struct DataResource {
    /// `AWS::S3::Object`, `AWS::Lambda::Function` or `AWS::DynamoDB::Table`.
    #[serde(rename = "Type", alias = "type")]
    pub kind: String,
    /// Their ARNs, or what those begin with.
    #[serde(alias = "values")]
    pub values: Vec<String>,
}

/// An advanced event selector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[schemars(transform = in_camel_case_too)]
pub struct AdvancedEventSelector {
    /// What it is called. Left out: nothing.
    #[serde(alias = "name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its conditions: all of them must be true.
    #[serde(alias = "fieldSelectors")]
    pub field_selectors: Vec<FieldSelector>,
}

/// One condition of an advanced event selector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[schemars(transform = in_camel_case_too)]
pub struct FieldSelector {
    /// The field of an event: `eventCategory`, `resources.type`, ...
    #[serde(alias = "field")]
    pub field: String,
    /// Is one of these.
    #[serde(alias = "equals", skip_serializing_if = "Option::is_none")]
    pub equals: Option<Vec<String>>,
    /// Begins with one of these.
    #[serde(alias = "startsWith", skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<Vec<String>>,
    /// Ends with one of these.
    #[serde(alias = "endsWith", skip_serializing_if = "Option::is_none")]
    pub ends_with: Option<Vec<String>>,
    /// Is none of these.
    #[serde(alias = "notEquals", skip_serializing_if = "Option::is_none")]
    pub not_equals: Option<Vec<String>>,
    /// Begins with none of these.
    #[serde(alias = "notStartsWith", skip_serializing_if = "Option::is_none")]
    pub not_starts_with: Option<Vec<String>>,
    /// Ends with none of these.
    #[serde(alias = "notEndsWith", skip_serializing_if = "Option::is_none")]
    pub not_ends_with: Option<Vec<String>>,
}

impl FieldSelector {
    /// The values under each operator that is given.
    fn operators(&self) -> impl Iterator<Item = &Vec<String>> {
        let all = [&self.equals, &self.starts_with, &self.ends_with, &self.not_equals, &self.not_starts_with, &self.not_ends_with];
        all.into_iter().flatten()
    }
}

/// An insight that a trail records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
#[schemars(transform = in_camel_case_too)]
pub struct InsightSelector {
    /// `ApiCallRateInsight` or `ApiErrorRateInsight`.
    #[serde(alias = "insightType")]
    pub insight_type: String,
    /// Of which events: `Management`, `Data`.
    #[serde(alias = "eventCategories")]
    pub event_categories: Vec<String>,
}

impl Default for InsightSelector {
    fn default() -> InsightSelector {
        InsightSelector { insight_type: String::new(), event_categories: vec!["Management".to_owned()] }
    }
}

/// What the operations on event selectors take.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Events {
    trail_name: Option<String>,
    event_selectors: Option<Vec<EventSelector>>,
    advanced_event_selectors: Option<Vec<AdvancedEventSelector>>,
}

/// What the operations on insight selectors take.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Insights {
    trail_name: Option<String>,
    event_data_store: Option<String>,
    insight_selectors: Option<Vec<InsightSelector>>,
}

/// Whether the trail records anything else than a new one does.
pub fn are_custom(trail: &Trail) -> bool {
    !trail.advanced_event_selectors.is_empty() || !(trail.event_selectors.is_empty() || trail.event_selectors == [EventSelector::default()])
}

pub fn get_events(state: &mut State, here: &Here, wanted: Events) -> Result<Value, Refusal> {
    let name = checks::find(state, here, wanted.trail_name.as_deref())?;
    Ok(events(state, here, &name))
}

pub fn put_events(state: &mut State, here: &Here, wanted: Events) -> Result<Value, Refusal> {
    let name = checks::find_to_change(state, here, wanted.trail_name.as_deref())?;
    let plain = wanted.event_selectors.unwrap_or_default();
    let advanced = wanted.advanced_event_selectors.unwrap_or_default();
    match (plain.is_empty(), advanced.is_empty()) {
        (false, true) => plain_are_valid(&plain)?,
        (true, false) => advanced_are_valid(&advanced)?,
        _ => return Err(invalid("Give either event selectors or advanced event selectors.")),
    }
    if let Some(trail) = state.trails.get_mut(&name) {
        trail.event_selectors = plain;
        trail.advanced_event_selectors = advanced;
    }
    Ok(events(state, here, &name))
}

fn events(state: &State, here: &Here, name: &str) -> Value {
    let Some(trail) = state.trails.get(name) else { return json!({}) };
    let arn = checks::arn(state, here, name, trail);
    if !trail.advanced_event_selectors.is_empty() {
        return json!({"TrailARN": arn, "AdvancedEventSelectors": trail.advanced_event_selectors});
    }
    match trail.event_selectors.is_empty() {
        true => json!({"TrailARN": arn, "EventSelectors": [EventSelector::default()]}),
        false => json!({"TrailARN": arn, "EventSelectors": trail.event_selectors}),
    }
}

pub fn get_insights(state: &mut State, here: &Here, wanted: Insights) -> Result<Value, Refusal> {
    let name = insights_of(&wanted).and_then(|name| checks::find(state, here, name))?;
    let Some(trail) = state.trails.get(&name) else { return Ok(json!({})) };
    let arn = checks::arn(state, here, &name, trail);
    if trail.insight_selectors.is_empty() {
        let message = format!(
            "Trail {arn} does not have Insights enabled. Edit the trail settings to enable Insights, and then try the operation again."
        );
        return Err(refusal("InsightNotEnabledException", message));
    }
    Ok(json!({"TrailARN": arn, "InsightSelectors": trail.insight_selectors}))
}

/// An empty list turns insights off.
pub fn put_insights(state: &mut State, here: &Here, wanted: Insights) -> Result<Value, Refusal> {
    let name = insights_of(&wanted).and_then(|name| checks::find_to_change(state, here, name))?;
    let Some(selectors) = wanted.insight_selectors else {
        return Err(refusal("InvalidParameterException", "InsightSelectors must be given."));
    };
    let Some(trail) = state.trails.get(&name) else { return Ok(json!({})) };
    insights_are_valid(trail, &selectors)?;
    let arn = checks::arn(state, here, &name, trail);
    let answer = json!({"TrailARN": arn, "InsightSelectors": selectors});
    if let Some(trail) = state.trails.get_mut(&name) {
        trail.insight_selectors = selectors;
    }
    Ok(answer)
}

/// The trail that is meant; event data stores have insights too, which the sandbox does not offer.
fn insights_of(wanted: &Insights) -> Result<Option<&str>, Refusal> {
    match (&wanted.trail_name, &wanted.event_data_store) {
        (Some(_), Some(_)) => Err(refusal("InvalidParameterCombinationException", "Give either a trail or an event data store.")),
        (None, Some(_)) => Err(not_implemented("insights of event data stores")),
        (name, None) => Ok(name.as_deref()),
    }
}

fn insights_are_valid(trail: &Trail, selectors: &[InsightSelector]) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(refusal("InvalidInsightSelectorsException", message));
    let mut kinds = BTreeSet::new();
    for selector in selectors {
        let kind = selector.insight_type.as_str();
        if !INSIGHTS.contains(&kind) || !kinds.insert(kind) {
            return invalid("Each insight type must be ApiCallRateInsight or ApiErrorRateInsight, and given once.");
        }
        if selector.event_categories.iter().any(|category| !["Management", "Data"].contains(&category.as_str())) {
            return invalid("The event categories of an insight are Management and Data.");
        }
        // "To log Insights events on the API call rate, the trail must log write management events." (user guide)
        if kind == "ApiCallRateInsight" && !records_writes(trail) {
            return invalid("A trail must log write management events to log insights on the API call rate.");
        }
    }
    Ok(())
}

fn records_writes(trail: &Trail) -> bool {
    let plain = |selector: &EventSelector| selector.include_management_events && selector.read_write_type != "ReadOnly";
    let advanced = |selector: &AdvancedEventSelector| {
        let equals = |field: &str, value: &str| {
            let given = selector.field_selectors.iter().filter(|one| one.field == field).filter_map(|one| one.equals.as_ref());
            given.flatten().any(|one| one == value)
        };
        equals("eventCategory", "Management") && !equals("readOnly", "true")
    };
    if !trail.advanced_event_selectors.is_empty() {
        return trail.advanced_event_selectors.iter().any(advanced);
    }
    trail.event_selectors.is_empty() || trail.event_selectors.iter().any(plain)
}

fn plain_are_valid(selectors: &[EventSelector]) -> Result<(), Refusal> {
    if selectors.len() > MOST_SELECTORS {
        return Err(invalid("A trail has at most 5 event selectors."));
    }
    let resources = selectors.iter().flat_map(|selector| &selector.data_resources);
    if resources.clone().map(|resource| resource.values.len()).sum::<usize>() > MOST_DATA_RESOURCES {
        return Err(invalid("A trail has at most 250 data resources."));
    }
    for selector in selectors {
        if !READ_WRITE_TYPES.contains(&selector.read_write_type.as_str()) {
            return Err(invalid("ReadWriteType must be ReadOnly, WriteOnly or All."));
        }
        let excluded = &selector.exclude_management_event_sources;
        if excluded.iter().any(|source| !EXCLUDABLE.contains(&source.as_str())) {
            return Err(invalid("Only kms.amazonaws.com and rdsdata.amazonaws.com can be excluded."));
        }
        if !excluded.is_empty() && !selector.include_management_events {
            return Err(invalid("Event sources can be excluded only where management events are included."));
        }
    }
    for resource in resources {
        let arns = resource.values.iter().all(|value| value.starts_with("arn:"));
        if !DATA_TYPES.contains(&resource.kind.as_str()) || resource.values.is_empty() || !arns {
            return Err(invalid("A data resource needs a type that plain event selectors know, and ARNs as values."));
        }
    }
    Ok(())
}

fn advanced_are_valid(selectors: &[AdvancedEventSelector]) -> Result<(), Refusal> {
    let conditions = selectors.iter().flat_map(|selector| &selector.field_selectors);
    if conditions.clone().flat_map(FieldSelector::operators).map(Vec::len).sum::<usize>() > MOST_CONDITIONS {
        return Err(invalid("The advanced event selectors of a trail have at most 500 conditions."));
    }
    for condition in conditions {
        if !FIELDS.contains(&condition.field.as_str()) {
            return Err(invalid(format!("{} is not a field of advanced event selectors.", condition.field)));
        }
        if condition.operators().next().is_none()
            || condition.operators().any(|values| values.is_empty() || values.contains(&String::new()))
        {
            return Err(invalid(format!("The field {} needs an operator with values.", condition.field)));
        }
    }
    for selector in selectors {
        let only = |field: &str| {
            let mut given = selector.field_selectors.iter().filter(|one| one.field == field);
            match (given.next(), given.next()) {
                (Some(one), None) if one.operators().count() == 1 => one.equals.as_deref(),
                _ => None,
            }
        };
        let category = match only("eventCategory") {
            Some([category]) if CATEGORIES.contains(&category.as_str()) => category,
            _ => return Err(invalid("An advanced event selector needs the field eventCategory, with one value under Equals.")),
        };
        if category == "Data" && !matches!(only("resources.type"), Some([_])) {
            return Err(invalid("A selector of data events needs the field resources.type, with one value under Equals."));
        }
        if selector.field_selectors.iter().any(|one| one.field == "readOnly")
            && !matches!(only("readOnly"), Some([one]) if one == "true" || one == "false")
        {
            return Err(invalid("The field readOnly takes true or false under Equals."));
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Refusal {
    refusal("InvalidEventSelectorsException", message)
}
