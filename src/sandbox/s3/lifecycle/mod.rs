//! Lifecycle configurations.

mod check;
mod read;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire::{self, document, done, gone, header_word, words};
use super::{find, find_mut};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::ids;
use crate::sandbox::world::World;

/// The header that carries the smallest size of object that transitions move.
const MINIMUM_SIZE: &str = "x-amz-transition-default-minimum-object-size";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Lifecycle {
    pub rules: Vec<Rule>,
    /// Absent: 128 KiB for all classes, the default since September 2024.
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    #[serde(default)]
    pub id: String,
    #[serde(default = "enabled")]
    pub status: Status,
    /// The form from before filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Expiration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noncurrent_version_transitions: Vec<NoncurrentTransition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noncurrent_version_expiration: Option<NoncurrentExpiration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_incomplete_multipart_upload: Option<AbortUploads>,
}

fn enabled() -> Status {
    Status::Enabled
}

/// Which objects a rule is for. Empty: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<i64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub and: Option<And>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// Several conditions at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct And {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    pub tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_greater_than: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_size_less_than: Option<i64>,
}

/// Days after an object's creation, or a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Transition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    pub storage_class: StorageClass,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Expiration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_object_delete_marker: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NoncurrentTransition {
    pub noncurrent_days: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_noncurrent_versions: Option<i64>,
    pub storage_class: StorageClass,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NoncurrentExpiration {
    pub noncurrent_days: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_noncurrent_versions: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AbortUploads {
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
