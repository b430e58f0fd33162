//! A lifecycle configuration out of its XML; what the schema does not have is refused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{
    AbortUploads, And, Expiration, Filter, NoncurrentExpiration, NoncurrentTransition, Rule, Status, StorageClass, Tag, Transition,
};
use crate::sandbox::call::Refusal;
use crate::sandbox::s3::wire::{Element, invalid_request, malformed};

pub fn rules(root: Element<'_, '_>) -> Result<Vec<Rule>, Refusal> {
    root.only(&["Rule"])?;
    root.children("Rule").map(rule).collect()
}

fn rule(rule: Element<'_, '_>) -> Result<Rule, Refusal> {
    rule.only(&[
        "ID",
        "Status",
        "Prefix",
        "Filter",
        "Transition",
        "Expiration",
        "NoncurrentVersionTransition",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    ])?;
    Ok(Rule {
        id: rule.get("ID").unwrap_or_default(),
        status: rule.word("Status", Status::parse)?.ok_or_else(malformed)?,
        prefix: rule.get("Prefix"),
        filter: rule.child("Filter").map(filter).transpose()?,
        transitions: rule.children("Transition").map(transition).collect::<Result<_, _>>()?,
        expiration: rule.child("Expiration").map(expiration).transpose()?,
        noncurrent_version_transitions: rule
            .children("NoncurrentVersionTransition")
            .map(noncurrent_transition)
            .collect::<Result<_, _>>()?,
        noncurrent_version_expiration: rule.child("NoncurrentVersionExpiration").map(noncurrent_expiration).transpose()?,
        abort_incomplete_multipart_upload: rule.child("AbortIncompleteMultipartUpload").map(abort).transpose()?,
    })
}

fn filter(filter: Element<'_, '_>) -> Result<Filter, Refusal> {
    filter.only(&["Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "And"])?;
    Ok(Filter {
        prefix: filter.get("Prefix"),
        tag: filter.child("Tag").map(tag).transpose()?,
        object_size_greater_than: filter.number("ObjectSizeGreaterThan")?,
        object_size_less_than: filter.number("ObjectSizeLessThan")?,
        and: filter.child("And").map(and).transpose()?,
    })
}

fn and(and: Element<'_, '_>) -> Result<And, Refusal> {
    and.only(&["Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"])?;
    let mut tags = BTreeMap::new();
    for Tag { key, value } in and.children("Tag").map(tag).collect::<Result<Vec<Tag>, Refusal>>()? {
        if tags.insert(key, value).is_some() {
            return Err(invalid_request("Duplicate Tag Keys are not allowed."));
        }
    }
    Ok(And {
        prefix: and.get("Prefix"),
        tags,
        object_size_greater_than: and.number("ObjectSizeGreaterThan")?,
        object_size_less_than: and.number("ObjectSizeLessThan")?,
    })
}

fn tag(tag: Element<'_, '_>) -> Result<Tag, Refusal> {
    tag.only(&["Key", "Value"])?;
    Ok(Tag { key: tag.require("Key")?, value: tag.require("Value")? })
}

fn transition(transition: Element<'_, '_>) -> Result<Transition, Refusal> {
    transition.only(&["Days", "Date", "StorageClass"])?;
    Ok(Transition {
        days: transition.number("Days")?,
        date: date(transition)?,
        storage_class: transition.word("StorageClass", StorageClass::parse)?.ok_or_else(malformed)?,
    })
}

fn expiration(expiration: Element<'_, '_>) -> Result<Expiration, Refusal> {
    expiration.only(&["Days", "Date", "ExpiredObjectDeleteMarker"])?;
    Ok(Expiration {
        days: expiration.number("Days")?,
        date: date(expiration)?,
        expired_object_delete_marker: expiration.bool("ExpiredObjectDeleteMarker")?,
    })
}

fn noncurrent_transition(transition: Element<'_, '_>) -> Result<NoncurrentTransition, Refusal> {
    transition.only(&["NoncurrentDays", "NewerNoncurrentVersions", "StorageClass"])?;
    Ok(NoncurrentTransition {
        noncurrent_days: transition.number("NoncurrentDays")?.ok_or_else(malformed)?,
        newer_noncurrent_versions: transition.number("NewerNoncurrentVersions")?,
        storage_class: transition.word("StorageClass", StorageClass::parse)?.ok_or_else(malformed)?,
    })
}

fn noncurrent_expiration(expiration: Element<'_, '_>) -> Result<NoncurrentExpiration, Refusal> {
    expiration.only(&["NoncurrentDays", "NewerNoncurrentVersions"])?;
    Ok(NoncurrentExpiration {
        noncurrent_days: expiration.number("NoncurrentDays")?.ok_or_else(malformed)?,
        newer_noncurrent_versions: expiration.number("NewerNoncurrentVersions")?,
    })
}

fn abort(abort: Element<'_, '_>) -> Result<AbortUploads, Refusal> {
    abort.only(&["DaysAfterInitiation"])?;
    Ok(AbortUploads { days_after_initiation: abort.number("DaysAfterInitiation")?.ok_or_else(malformed)? })
}

/// A moment, or a day: its midnight in UTC.
fn date(element: Element<'_, '_>) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = element.get("Date") else { return Ok(None) };
    let day = |text: &str| text.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC)).map(|midnight| midnight.timestamp());
    text.trim().parse::<Timestamp>().or_else(|_| day(text.trim())).map(Some).map_err(|_| malformed())
}
