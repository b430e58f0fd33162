//! Lifecycle configurations.

mod check;
mod read;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::{self, document, done, gone, header_word, words};
use super::{find, find_mut};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::ids;
use crate::sandbox::world::World;

/// The header that carries the smallest size of object that transitions move.
const MINIMUM_SIZE: &str = "x-amz-transition-default-minimum-object-size";

/// What becomes of objects in time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Lifecycle {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The smallest objects that transitions move. Left out: 128 KiB for all classes, the default since September 2024.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition_default_minimum_object_size: Option<MinimumSize>,
}

words!(MinimumSize { ByClass = "varies_by_storage_class", All128K = "all_storage_classes_128K" });

words!(Status { Enabled = "Enabled", Disabled = "Disabled" });

words!(
    /// In the order in which objects may go down.
    StorageClass {
        StandardIa = "STANDARD_IA",
        IntelligentTiering = "INTELLIGENT_TIERING",
        OneZoneIa = "ONEZONE_IA",
        GlacierIr = "GLACIER_IR",
        Glacier = "GLACIER",
        DeepArchive = "DEEP_ARCHIVE",
    }
);

/// One rule of a lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Its name.
    #[serde(default)]
    pub id: String,
    /// Left out: `Enabled`.
    #[serde(default = "enabled")]
    pub status: Status,
    /// Which objects it is for, in the form from before filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Which objects it is for. Left out: those of `prefix`, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// When current objects go to another storage class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    /// When current objects go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Expiration>,
    /// When versions that were replaced go to another storage class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noncurrent_version_transitions: Vec<NoncurrentTransition>,
    /// When versions that were replaced go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noncurrent_version_expiration: Option<NoncurrentExpiration>,
    /// When uploads that were never finished go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_incomplete_multipart_upload: Option<AbortUploads>,
}

fn enabled() -> Status {
    Status::Enabled
}

/// Which objects a rule is for. Empty: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Filter {
    /// What their keys begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// A tag that they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// Larger than this, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<i64>,
    /// Smaller than this, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<i64>,
    /// Several conditions at once, in place of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub and: Option<And>,
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Several conditions at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct And {
    /// What their keys begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Tags that they have.
    pub tags: BTreeMap<String, String>,
    /// Larger than this, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<i64>,
    /// Smaller than this, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<i64>,
}

/// Days after an object's creation, or a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Transition {
    /// Days after the object's creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<i64>,
    /// A date in place of days: midnight, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// The class that they go to.
    pub storage_class: StorageClass,
}

/// Days after an object's creation, or a date, or delete markers alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Expiration {
    /// Days after the object's creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<i64>,
    /// A date in place of days: midnight, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// Whether delete markers without a version behind them go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_object_delete_marker: Option<bool>,
}

/// Days after a version was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NoncurrentTransition {
    /// Days after it was replaced.
    pub noncurrent_days: i64,
    /// How many of the newest replaced versions stay. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_noncurrent_versions: Option<i64>,
    /// The class that they go to.
    pub storage_class: StorageClass,
}

/// Days after a version was replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NoncurrentExpiration {
    /// Days after it was replaced.
    pub noncurrent_days: i64,
    /// How many of the newest replaced versions stay. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_noncurrent_versions: Option<i64>,
}

/// Uploads that were never finished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AbortUploads {
    /// Days after the upload was begun.
    pub days_after_initiation: i64,
}

fn minimum_size(lifecycle: &Lifecycle) -> (&'static str, String) {
    (MINIMUM_SIZE, lifecycle.transition_default_minimum_object_size.unwrap_or(MinimumSize::All128K).word().to_owned())
}

pub fn get(world: &World, name: &str) -> Result<Answer, Refusal> {
    let lifecycle = find(world, name)?
        .lifecycle
        .as_ref()
        .ok_or_else(|| Refusal::new(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"))?;
    let mut answer = document("LifecycleConfiguration", |xml| xml.each("Rule", &lifecycle.rules, write::rule));
    answer.headers.push(minimum_size(lifecycle));
    Ok(answer)
}

/// The whole configuration is replaced. A rule without an id gets one.
pub fn put(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let size = header_word(call, MINIMUM_SIZE, MinimumSize::parse)?;
    let mut rules = wire::body(call, "LifecycleConfiguration", read::rules)?;
    check::rules(&rules)?;
    for (number, rule) in rules.iter_mut().enumerate().filter(|(_, rule)| rule.id.is_empty()) {
        let mut id = ids::hash(&[name, &number.to_string(), &format!("{rule:?}")]);
        // S3's own ids have 48 characters.
        id.truncate(48);
        rule.id = id;
    }
    let bucket = find_mut(world, name)?;
    if bucket.mfa_delete {
        return Err(Refusal::new(409, "InvalidBucketState", "Lifecycle configuration is not allowed on a bucket with MFA delete."));
    }
    let lifecycle = Lifecycle { rules, transition_default_minimum_object_size: size };
    let headers = vec![minimum_size(&lifecycle)];
    bucket.lifecycle = Some(lifecycle);
    Ok(Answer { headers, ..done() })
}

pub fn delete(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    find_mut(world, name)?.lifecycle = None;
    Ok(gone())
}
