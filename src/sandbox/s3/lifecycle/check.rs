//! What S3 refuses in a lifecycle configuration that its schema lets through.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Filter, Rule, StorageClass};
use crate::sandbox::call::Refusal;
use crate::sandbox::s3::wire::{invalid_argument, invalid_request, malformed};

/// How many rules a bucket may have.
const MOST_RULES: usize = 1000;

/// Days that an object has to have been there before it goes to an infrequent-access class, and has to stay there.
const INFREQUENT: i64 = 30;

pub fn rules(rules: &[Rule]) -> Result<(), Refusal> {
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(malformed());
    }
    let mut ids = BTreeSet::new();
    for rule in rules {
        if rule.id.chars().count() > 255 {
            return Err(invalid_argument("ID length should not exceed allowed limit of 255"));
        }
        if !rule.id.is_empty() && !ids.insert(rule.id.as_str()) {
            return Err(invalid_argument("Rule ID must be unique. Found same ID for one or more rules"));
        }
        check(rule)?;
    }
    Ok(())
}

fn check(rule: &Rule) -> Result<(), Refusal> {
    match (&rule.prefix, &rule.filter) {
        (Some(_), None) => {}
        (None, Some(filter)) => check_filter(filter)?,
        _ => return Err(malformed()),
    }
    let acts = !rule.transitions.is_empty()
        || rule.expiration.is_some()
        || !rule.noncurrent_version_transitions.is_empty()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some();
    if !acts {
        return Err(invalid_request("At least one action needs to be specified in a rule"));
    }
    check_actions_of_filter(rule)?;
    check_current(rule)?;
    check_noncurrent(rule)?;
    match &rule.abort_incomplete_multipart_upload {
        Some(abort) if abort.days_after_initiation <= 0 => {
            Err(invalid_argument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"))
        }
        _ => Ok(()),
    }
}

/// One condition at the top; several stand inside `And`.
fn check_filter(filter: &Filter) -> Result<(), Refusal> {
    let alone = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
        filter.and.is_some(),
    ];
    if alone.into_iter().filter(|there| *there).count() > 1 {
        return Err(malformed());
    }
    check_sizes(filter.object_size_greater_than, filter.object_size_less_than)?;
    let tags = filter.tag.iter().map(|tag| (&tag.key, &tag.value));
    for (key, value) in tags.chain(filter.and.iter().flat_map(|and| &and.tags)) {
        if !(1..=128).contains(&key.chars().count()) {
            return Err(Refusal::new(400, "InvalidTag", "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(Refusal::new(400, "InvalidTag", "The TagValue you have provided is invalid"));
        }
    }
    let Some(and) = &filter.and else { return Ok(()) };
    let sizes = usize::from(and.object_size_greater_than.is_some()) + usize::from(and.object_size_less_than.is_some());
    if usize::from(and.prefix.is_some()) + and.tags.len() + sizes < 2 {
        return Err(malformed());
    }
    check_sizes(and.object_size_greater_than, and.object_size_less_than)
}

fn check_sizes(greater: Option<i64>, less: Option<i64>) -> Result<(), Refusal> {
    if greater.is_some_and(|size| size < 0) || less.is_some_and(|size| size <= 0) {
        return Err(invalid_request("ObjectSize must be a positive integer"));
    }
    match (greater, less) {
        (Some(greater), Some(less)) if less <= greater => {
            Err(invalid_request("ObjectSizeLessThan must be greater than ObjectSizeGreaterThan"))
        }
        _ => Ok(()),
    }
}

/// Delete markers and uploads have neither tags nor a size.
fn check_actions_of_filter(rule: &Rule) -> Result<(), Refusal> {
    let Some(filter) = &rule.filter else { return Ok(()) };
    let and = filter.and.as_ref();
    let tags = filter.tag.is_some() || and.is_some_and(|and| !and.tags.is_empty());
    let sizes = filter.object_size_greater_than.is_some()
        || filter.object_size_less_than.is_some()
        || and.is_some_and(|and| and.object_size_greater_than.is_some() || and.object_size_less_than.is_some());
    let marker = rule.expiration.as_ref().is_some_and(|expiration| expiration.expired_object_delete_marker.is_some());
    for (there, what) in [(tags, "Tags"), (sizes, "ObjectSize")] {
        if there && rule.abort_incomplete_multipart_upload.is_some() {
            return Err(invalid_request(format!("AbortIncompleteMultipartUpload cannot be specified with {what}.")));
        }
        if there && marker {
            return Err(invalid_request(format!("ExpiredObjectDeleteMarker cannot be specified with {what}.")));
        }
    }
    Ok(())
}

fn check_current(rule: &Rule) -> Result<(), Refusal> {
    let place = place(rule);
    for transition in &rule.transitions {
        let class = transition.storage_class;
        match (transition.days, transition.date) {
            (Some(days), None) if days < 0 => {
                return Err(invalid_argument("'Days' in the Transition action must be nonnegative"));
            }
            (Some(days), None) if days < INFREQUENT && is_infrequent(class) => {
                return Err(too_early("Days", "Transition", class));
            }
            (Some(_), None) => {}
            (None, Some(date)) => at_midnight(date)?,
            _ => return Err(malformed()),
        }
    }
    let expires = rule.expiration.as_ref();
    if let Some(expiration) = expires {
        match (expiration.days, expiration.date, expiration.expired_object_delete_marker) {
            (Some(days), None, None) if days <= 0 => {
                return Err(invalid_argument("'Days' for Expiration action must be a positive integer"));
            }
            (Some(_), None, None) | (None, None, Some(_)) => {}
            (None, Some(date), None) => at_midnight(date)?,
            _ => return Err(malformed()),
        }
    }
    let by_days = rule.transitions.iter().any(|one| one.days.is_some()) || expires.is_some_and(|one| one.days.is_some());
    let by_date = rule.transitions.iter().any(|one| one.date.is_some()) || expires.is_some_and(|one| one.date.is_some());
    if by_days && by_date {
        return Err(invalid_request(format!(
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {place}"
        )));
    }
    let days: Vec<(StorageClass, i64)> = rule.transitions.iter().filter_map(|one| Some((one.storage_class, one.days?))).collect();
    let dates: Vec<(StorageClass, i64)> =
        rule.transitions.iter().filter_map(|one| Some((one.storage_class, one.date?.as_second() / 86_400))).collect();
    in_order("Days", "Transition", &days, expires.and_then(|one| one.days), &place)?;
    in_order("Date", "Transition", &dates, expires.and_then(|one| Some(one.date?.as_second() / 86_400)), &place)
}

fn check_noncurrent(rule: &Rule) -> Result<(), Refusal> {
    let expires = rule.noncurrent_version_expiration.as_ref();
    let kept = rule.noncurrent_version_transitions.iter().filter_map(|one| one.newer_noncurrent_versions);
    for newer in kept.chain(expires.and_then(|one| one.newer_noncurrent_versions)) {
        if !(1..=100).contains(&newer) {
            return Err(invalid_argument("'NewerNoncurrentVersions' must be between 1 and 100"));
        }
        if rule.filter.is_none() {
            return Err(invalid_request("NewerNoncurrentVersions can only be used in a rule with a Filter"));
        }
    }
    for transition in &rule.noncurrent_version_transitions {
        if transition.noncurrent_days < 0 {
            return Err(invalid_argument("'NoncurrentDays' in the NoncurrentVersionTransition action must be nonnegative"));
        }
        if transition.noncurrent_days < INFREQUENT && is_infrequent(transition.storage_class) {
            return Err(too_early("NoncurrentDays", "NoncurrentVersionTransition", transition.storage_class));
        }
    }
    if expires.is_some_and(|one| one.noncurrent_days <= 0) {
        return Err(invalid_argument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"));
    }
    let days: Vec<(StorageClass, i64)> =
        rule.noncurrent_version_transitions.iter().map(|one| (one.storage_class, one.noncurrent_days)).collect();
    in_order("NoncurrentDays", "NoncurrentVersionTransition", &days, expires.map(|one| one.noncurrent_days), &place(rule))
}

/// Objects go down the classes one after another, and expire after the last.
fn in_order(unit: &str, action: &str, steps: &[(StorageClass, i64)], expires: Option<i64>, place: &str) -> Result<(), Refusal> {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|(class, _)| *class);
    for pair in steps.windows(2) {
        let [(higher, first), (lower, second)] = pair else { continue };
        if higher == lower {
            return Err(invalid_request(format!("'StorageClass' must be different for '{action}' actions in same 'Rule' with {place}")));
        }
        if second <= first {
            return Err(invalid_argument(format!(
                "'{unit}' in the '{action}' action for StorageClass '{}' for {place} must be greater than '{unit}' in the '{action}' action for StorageClass '{}'",
                lower.word(),
                higher.word()
            )));
        }
        if is_infrequent(*higher) && *second < first.saturating_add(INFREQUENT) {
            return Err(invalid_argument(format!(
                "'{unit}' in the '{action}' action for StorageClass '{}' for {place} must be 30 days more than '{unit}' in the '{action}' action for StorageClass '{}'",
                lower.word(),
                higher.word()
            )));
        }
    }
    match (expires, steps.iter().map(|(_, at)| *at).max()) {
        (Some(expires), Some(last)) if expires <= last => {
            let expiry = if action == "Transition" { "Expiration" } else { "NoncurrentVersionExpiration" };
            Err(invalid_argument(format!(
                "'{unit}' in the {expiry} action for {place} must be greater than '{unit}' in the {action} action"
            )))
        }
        _ => Ok(()),
    }
}

fn is_infrequent(class: StorageClass) -> bool {
    matches!(class, StorageClass::StandardIa | StorageClass::OneZoneIa)
}

fn too_early(unit: &str, action: &str, class: StorageClass) -> Refusal {
    invalid_argument(format!("'{unit}' in {action} action must be greater than or equal to 30 for storageClass '{}'", class.word()))
}

fn at_midnight(date: Timestamp) -> Result<(), Refusal> {
    if date.as_second() % 86_400 == 0 && date.subsec_nanosecond() == 0 {
        Ok(())
    } else {
        Err(invalid_argument("'Date' must be at midnight GMT"))
    }
}

/// How S3's messages name a rule.
fn place(rule: &Rule) -> String {
    let filter = rule.filter.as_ref();
    let inside = filter.and_then(|filter| filter.prefix.as_ref().or(filter.and.as_ref().and_then(|and| and.prefix.as_ref())));
    format!("filter '(prefix={})'", rule.prefix.as_ref().or(inside).map_or("", String::as_str))
}
