//! Event selectors, in a form in which two that mean the same are equal.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudtrail::types;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::Impact;

/// A plain event selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventSelector {
    /// Which events are recorded: those that read, those that write, or all.
    pub read_write_type: ReadWriteType,
    /// Whether management events are recorded.
    pub include_management_events: bool,
    /// Resources whose data events are recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 250))]
    pub data_resources: Vec<DataResource>,
    /// Services whose management events are left out: `kms.amazonaws.com`, `rdsdata.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 128)))]
    pub exclude_management_event_sources: Vec<String>,
}

/// Which events a plain selector records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ReadWriteType {
    ReadOnly,
    WriteOnly,
    All,
}

/// Resources of one type whose data events are recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataResource {
    /// `AWS::S3::Object`, `AWS::Lambda::Function` or `AWS::DynamoDB::Table`; the advanced form knows others.
    #[schemars(length(min = 1, max = 128))]
    pub r#type: String,
    /// ARNs, or what they begin with: `arn:aws:s3` for every bucket, `arn:aws:s3:::assets/` for one.
    #[schemars(length(min = 1, max = 250), inner(length(min = 1, max = 2048)))]
    pub values: Vec<String>,
}

/// An advanced event selector: events that meet all its conditions are recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdvancedEventSelector {
    /// What a person calls it. Left out: any name will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub name: Option<String>,
    /// The conditions, a field each. `eventCategory` must be among them.
    #[schemars(length(min = 1, max = 50))]
    pub field_selectors: Vec<FieldSelector>,
}

/// A condition on one field of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldSelector {
    /// `eventCategory`, `readOnly`, `eventName`, `resources.type`, `resources.ARN` and others.
    #[schemars(length(min = 1, max = 1000))]
    pub field: String,
    /// The value is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 2048)))]
    pub equals: Vec<String>,
    /// The value begins with one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 2048)))]
    pub starts_with: Vec<String>,
    /// The value ends with one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 2048)))]
    pub ends_with: Vec<String>,
    /// The value is none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 2048)))]
    pub not_equals: Vec<String>,
    /// The value begins with none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 2048)))]
    pub not_starts_with: Vec<String>,
    /// The value ends with none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 2048)))]
    pub not_ends_with: Vec<String>,
}

/// What a trail records, in whichever form it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Events {
    Plain(Vec<EventSelector>),
    Advanced(Vec<AdvancedEventSelector>),
}

impl Events {
    /// What a trail has that nobody has given selectors: all management events.
    pub fn are_default(&self) -> bool {
        match self {
            Events::Plain(selectors) => selectors.iter().all(EventSelector::is_default),
            Events::Advanced(_) => false,
        }
    }

    /// Whether management events that write are among what is recorded.
    pub fn record_writes(&self) -> bool {
        match self {
            // Without selectors, all management events are.
            Events::Plain(selectors) => {
                selectors.is_empty()
                    || selectors.iter().any(|one| one.include_management_events && one.read_write_type != ReadWriteType::ReadOnly)
            }
            Events::Advanced(selectors) => selectors.iter().any(|selector| {
                let equals = |field: &str, value: &str| {
                    selector.field_selectors.iter().any(|one| one.field == field && one.equals.iter().any(|equal| equal == value))
                };
                equals("eventCategory", "Management") && !equals("readOnly", "true")
            }),
        }
    }

    /// Whether other events than management events are among what is recorded.
    pub fn record_data(&self) -> bool {
        match self {
            Events::Plain(selectors) => selectors.iter().any(|selector| !selector.data_resources.is_empty()),
            Events::Advanced(selectors) => selectors.iter().any(|selector| {
                let other = |one: &FieldSelector| one.field == "eventCategory" && one.equals.iter().any(|equal| equal != "Management");
                selector.field_selectors.iter().any(other)
            }),
        }
    }

    /// Whether `self` means what `declared` says.
    pub fn satisfy(&self, declared: &Events) -> bool {
        match (self, declared) {
            (Events::Plain(found), Events::Plain(declared)) => {
                canonical(found, EventSelector::canonical) == canonical(declared, EventSelector::canonical)
            }
            (Events::Advanced(found), Events::Advanced(declared)) => same_advanced(found, declared),
            _ => false,
        }
    }
}

impl EventSelector {
    fn is_default(&self) -> bool {
        self.read_write_type == ReadWriteType::All
            && self.include_management_events
            && self.data_resources.is_empty()
            && self.exclude_management_event_sources.is_empty()
    }

    /// One entry a type, sorted, each value once.
    pub fn canonical(&self) -> EventSelector {
        let mut types: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for resource in &self.data_resources {
            // Both forms mean the objects of every bucket: <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DataResource.html>
            let values = resource.values.iter().map(|value| match value.strip_suffix(":::") {
                Some(all) if all.ends_with(":s3") => all.to_owned(),
                _ => value.clone(),
            });
            types.entry(&resource.r#type).or_default().extend(values);
        }
        let resources = types.into_iter().map(|(r#type, values)| DataResource { r#type: r#type.to_owned(), values: sorted(values) });
        EventSelector {
            data_resources: resources.collect(),
            exclude_management_event_sources: sorted(self.exclude_management_event_sources.iter().cloned()),
            ..*self
        }
    }

    /// The selector as the service shows it; nothing where it says something that holdfast does not know.
    pub fn read(shown: &types::EventSelector) -> Option<EventSelector> {
        let read_write_type = match shown.read_write_type() {
            // "By default, the value is All." (EventSelector)
            None | Some(types::ReadWriteType::All) => ReadWriteType::All,
            Some(types::ReadWriteType::ReadOnly) => ReadWriteType::ReadOnly,
            Some(types::ReadWriteType::WriteOnly) => ReadWriteType::WriteOnly,
            Some(_) => return None,
        };
        let resources = shown
            .data_resources()
            .iter()
            .map(|resource| DataResource { r#type: resource.r#type().unwrap_or_default().to_owned(), values: resource.values().to_vec() });
        let selector = EventSelector {
            read_write_type,
            // "By default, the value is true." (EventSelector)
            include_management_events: shown.include_management_events().unwrap_or(true),
            data_resources: resources.collect(),
            exclude_management_event_sources: shown.exclude_management_event_sources().to_vec(),
        };
        Some(selector.canonical())
    }

    pub fn send(&self) -> types::EventSelector {
        let resources = self
            .data_resources
            .iter()
            .map(|resource| types::DataResource::builder().r#type(&resource.r#type).set_values(Some(resource.values.clone())).build());
        types::EventSelector::builder()
            .read_write_type(match self.read_write_type {
                ReadWriteType::ReadOnly => types::ReadWriteType::ReadOnly,
                ReadWriteType::WriteOnly => types::ReadWriteType::WriteOnly,
                ReadWriteType::All => types::ReadWriteType::All,
            })
            .include_management_events(self.include_management_events)
            .set_data_resources(Some(resources.collect()))
            .set_exclude_management_event_sources(Some(self.exclude_management_event_sources.clone()))
            .build()
    }
}

impl AdvancedEventSelector {
    /// Conditions and values sorted, each once; an empty name is none.
    pub fn canonical(&self) -> AdvancedEventSelector {
        AdvancedEventSelector {
            name: self.name.clone().filter(|name| !name.is_empty()),
            field_selectors: sorted(self.field_selectors.iter().map(FieldSelector::canonical)),
        }
    }

    /// Whether it says which category of events it selects, as CloudTrail demands.
    pub fn has_category(&self) -> bool {
        let mut category = self.field_selectors.iter().filter(|field| field.field == "eventCategory");
        matches!((category.next(), category.next()), (Some(one), None) if one.equals.len() == 1)
    }

    pub fn read(shown: &types::AdvancedEventSelector) -> AdvancedEventSelector {
        let fields = shown.field_selectors().iter().map(|field| FieldSelector {
            field: field.field().to_owned(),
            equals: field.equals().to_vec(),
            starts_with: field.starts_with().to_vec(),
            ends_with: field.ends_with().to_vec(),
            not_equals: field.not_equals().to_vec(),
            not_starts_with: field.not_starts_with().to_vec(),
            not_ends_with: field.not_ends_with().to_vec(),
        });
        AdvancedEventSelector { name: shown.name().map(str::to_owned), field_selectors: fields.collect() }.canonical()
    }

    pub fn send(&self) -> Result<types::AdvancedEventSelector, aws_smithy_types::error::operation::BuildError> {
        let given = |values: &Vec<String>| (!values.is_empty()).then(|| values.clone());
        let fields = self.field_selectors.iter().map(|field| {
            types::AdvancedFieldSelector::builder()
                .field(&field.field)
                .set_equals(given(&field.equals))
                .set_starts_with(given(&field.starts_with))
                .set_ends_with(given(&field.ends_with))
                .set_not_equals(given(&field.not_equals))
                .set_not_starts_with(given(&field.not_starts_with))
                .set_not_ends_with(given(&field.not_ends_with))
                .build()
        });
        let fields: Result<Vec<_>, _> = fields.collect();
        types::AdvancedEventSelector::builder().set_name(self.name.clone()).set_field_selectors(Some(fields?)).build()
    }

    /// Whether it means what `declared` says: a name is compared only where one is declared.
    fn satisfies(&self, declared: &AdvancedEventSelector) -> bool {
        self.field_selectors == declared.field_selectors && (declared.name.is_none() || declared.name == self.name)
    }
}

impl FieldSelector {
    fn canonical(&self) -> FieldSelector {
        FieldSelector {
            field: self.field.clone(),
            equals: sorted(self.equals.iter().cloned()),
            starts_with: sorted(self.starts_with.iter().cloned()),
            ends_with: sorted(self.ends_with.iter().cloned()),
            not_equals: sorted(self.not_equals.iter().cloned()),
            not_starts_with: sorted(self.not_starts_with.iter().cloned()),
            not_ends_with: sorted(self.not_ends_with.iter().cloned()),
        }
    }

    pub fn has_operator(&self) -> bool {
        [&self.equals, &self.starts_with, &self.ends_with, &self.not_equals, &self.not_starts_with, &self.not_ends_with]
            .into_iter()
            .any(|values| !values.is_empty())
    }
}

/// The canonical forms of a list, sorted, each once.
pub fn canonical<T: Ord>(selectors: &[T], of: impl Fn(&T) -> T) -> Vec<T> {
    sorted(selectors.iter().map(of))
}

fn sorted<T: Ord>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    values.into_iter().collect::<BTreeSet<T>>().into_iter().collect()
}

fn same_advanced(found: &[AdvancedEventSelector], declared: &[AdvancedEventSelector]) -> bool {
    let found = canonical(found, AdvancedEventSelector::canonical);
    let declared = canonical(declared, AdvancedEventSelector::canonical);
    declared.iter().all(|declared| found.iter().any(|found| found.satisfies(declared)))
        && found.iter().all(|found| declared.iter().any(|declared| found.satisfies(declared)))
}

/// [`same_advanced`], of values.
pub fn same_advanced_values(found: &Value, declared: &Value) -> bool {
    let read = |value: &Value| serde_json::from_value::<Vec<AdvancedEventSelector>>(value.clone()).ok();
    read(found).zip(read(declared)).is_some_and(|(found, declared)| same_advanced(&found, &declared))
}

/// What changing plain selectors means: where something that is recorded would no longer be, it is more than online.
pub fn plain_impact(found: &Value, declared: &Value) -> Impact {
    let read = |value: &Value| serde_json::from_value::<Vec<EventSelector>>(value.clone()).unwrap_or_default();
    let declared = read(declared);
    let everything_managed = declared.iter().any(|selector| {
        selector.read_write_type == ReadWriteType::All
            && selector.include_management_events
            && selector.exclude_management_event_sources.is_empty()
    });
    let kept = |found: &EventSelector| declared.contains(found) || (found.data_resources.is_empty() && everything_managed);
    if read(found).iter().all(kept) { Impact::Online } else { Impact::Disruptive }
}

/// The same of advanced selectors.
pub fn advanced_impact(found: &Value, declared: &Value) -> Impact {
    let read = |value: &Value| serde_json::from_value::<Vec<AdvancedEventSelector>>(value.clone()).unwrap_or_default();
    let declared = read(declared);
    let kept = |found: &AdvancedEventSelector| declared.iter().any(|declared| declared.field_selectors == found.field_selectors);
    if read(found).iter().all(kept) { Impact::Online } else { Impact::Disruptive }
}
