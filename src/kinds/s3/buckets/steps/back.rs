//! The way back from a change of a bucket, as commands with what was found. A bucket that the plan itself makes has nothing to go back to.

use serde_json::{Value, json};

use super::super::lifecycle::{Filter, Rule};
use super::super::observe::{Encryption, KeyFormat, Logging};
use super::Maker;
use crate::kinds::back::{document, short, word};

impl Maker<'_> {
    /// What is said of a step whose way back is `command`, and what remains in spite of it.
    pub(super) fn back(&self, command: impl FnOnce(&str) -> String, remains: &str) -> String {
        if !self.made.is_empty() {
            return "nothing of its own: the bucket is new, and goes as a whole".to_owned();
        }
        format!("{}{remains}", command(self.bucket))
    }
}

pub(super) fn ownership(bucket: &str, found: Option<&str>) -> String {
    match found {
        None => format!("`aws s3api delete-bucket-ownership-controls --bucket {bucket}`"),
        Some(found) => {
            let controls = document(&json!({"Rules": [{"ObjectOwnership": found}]}));
            format!("`aws s3api put-bucket-ownership-controls --bucket {bucket} --ownership-controls {controls}`")
        }
    }
}

pub(super) fn versioning(bucket: &str, status: &str) -> String {
    format!("`aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status={status}`")
}

pub(super) fn encryption(bucket: &str, found: &Encryption) -> String {
    if found.algorithm.is_empty() {
        return format!("`aws s3api delete-bucket-encryption --bucket {bucket}`");
    }
    let mut default = json!({"SSEAlgorithm": found.algorithm});
    if let Some(key) = &found.raw_key {
        default["KMSMasterKeyID"] = json!(key);
    }
    let mut rule = json!({"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": found.bucket_key});
    if !found.blocked.is_empty() {
        rule["BlockedEncryptionTypes"] = json!({"EncryptionType": found.blocked});
    }
    let rules = document(&json!({"Rules": [rule]}));
    format!("`aws s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration {rules}`")
}

pub(super) fn logging(bucket: &str, found: Option<&Logging>) -> String {
    let status = found.map_or_else(
        || json!({}),
        |found| {
            let mut enabled = json!({"TargetBucket": found.bucket, "TargetPrefix": found.prefix});
            match &found.key_format {
                None => {}
                Some(KeyFormat::Simple) => enabled["TargetObjectKeyFormat"] = json!({"SimplePrefix": {}}),
                Some(KeyFormat::Partitioned(source)) => {
                    let source = source.as_ref().map_or_else(|| json!({}), |source| json!({"PartitionDateSource": source}));
                    enabled["TargetObjectKeyFormat"] = json!({"PartitionedPrefix": source});
                }
            }
            json!({"LoggingEnabled": enabled})
        },
    );
    format!("`aws s3api put-bucket-logging --bucket {bucket} --bucket-logging-status {}`", document(&status))
}

/// S3 replaces the whole set.
pub(super) fn tags(bucket: &str, found: Option<&std::collections::BTreeMap<String, String>>) -> String {
    match found.filter(|found| !found.is_empty()) {
        None => format!("`aws s3api delete-bucket-tagging --bucket {bucket}`"),
        Some(found) => {
            let set = format!(
                "{{\"TagSet\":{}}}",
                json!(found.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect::<Vec<_>>())
            );
            format!("`aws s3api put-bucket-tagging --bucket {bucket} --tagging {}`, which replaces all tags", word(&set))
        }
    }
}

/// The rules that were there before: S3 replaces all of them. `otherwise` says it in words, where they are too many.
pub(super) fn lifecycle(bucket: &str, rules: &[Rule], minimum_size: Option<&str>, otherwise: impl FnOnce() -> String) -> String {
    if rules.is_empty() {
        return format!("`aws s3api delete-bucket-lifecycle --bucket {bucket}`, if nobody added rules since");
    }
    let size = minimum_size.map(|size| format!(" --transition-default-minimum-object-size {}", word(size))).unwrap_or_default();
    let rules = document(&json!({"Rules": rules.iter().map(as_the_api_spells).collect::<Vec<_>>()}));
    let command = format!("aws s3api put-bucket-lifecycle-configuration --bucket {bucket}{size} --lifecycle-configuration {rules}");
    let said = short(command, otherwise);
    if said.starts_with('`') { said + ", which replaces all rules" } else { said }
}

fn as_the_api_spells(rule: &Rule) -> Value {
    let status = if rule.enabled { "Enabled" } else { "Disabled" };
    let mut out = json!({"Status": status, "Filter": filter(&rule.filter.clone().unwrap_or_default())});
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out[name] = value;
        }
    };
    let some = |all: Vec<Value>| (!all.is_empty()).then(|| json!(all));
    put("ID", (!rule.id.is_empty()).then(|| json!(rule.id)));
    let moves = rule.transitions.iter();
    put(
        "Transitions",
        some(moves.map(|one| given(json!({"Days": one.days, "Date": one.date, "StorageClass": one.storage_class}))).collect()),
    );
    let expiration = rule.expiration.as_ref();
    put(
        "Expiration",
        expiration
            .map(|one| given(json!({"Days": one.days, "Date": one.date, "ExpiredObjectDeleteMarker": one.expired_object_delete_marker}))),
    );
    let moves = rule.noncurrent_transitions.iter().map(|one| {
        given(json!({"NoncurrentDays": one.days, "NewerNoncurrentVersions": one.newer_noncurrent_versions, "StorageClass": one.storage_class}))
    });
    put("NoncurrentVersionTransitions", some(moves.collect()));
    let expiration = rule.noncurrent_expiration.as_ref();
    put(
        "NoncurrentVersionExpiration",
        expiration.map(|one| given(json!({"NoncurrentDays": one.days, "NewerNoncurrentVersions": one.newer_noncurrent_versions}))),
    );
    put("AbortIncompleteMultipartUpload", rule.abort_multipart_after_days.map(|days| json!({"DaysAfterInitiation": days})));
    out
}

/// S3 wants one condition bare and several inside `And`.
fn filter(filter: &Filter) -> Value {
    let tags: Vec<Value> = filter.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let bare = given(
        json!({"Prefix": filter.prefix, "ObjectSizeGreaterThan": filter.size_greater_than, "ObjectSizeLessThan": filter.size_less_than}),
    );
    let conditions = bare.as_object().map_or(0, serde_json::Map::len) + tags.len();
    match (conditions, tags.as_slice()) {
        (0, _) => json!({"Prefix": ""}),
        (1, [tag]) => json!({"Tag": tag}),
        (1, _) => bare,
        _ => {
            let mut both = bare;
            if !tags.is_empty() {
                both["Tags"] = json!(tags);
            }
            json!({"And": both})
        }
    }
}

/// The members that say something.
fn given(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_go_back_as_the_api_takes_them() {
        let rule = json!({"enabled": true, "filter": {"prefix": "it's/", "tags": {"a": "b"}}, "expiration": {"days": 30}});
        let rules = [Rule::from_value("theirs".to_owned(), &rule).unwrap()];
        assert_eq!(
            lifecycle("b", &rules, None, String::new),
            "`aws s3api put-bucket-lifecycle-configuration --bucket b --lifecycle-configuration \
             '{\"Rules\":[{\"Expiration\":{\"Days\":30},\"Filter\":{\"And\":{\"Prefix\":\"it'\\''s/\",\"Tags\":[{\"Key\":\"a\",\"Value\":\"b\"}]}},\
             \"ID\":\"theirs\",\"Status\":\"Enabled\"}]}'`, which replaces all rules"
        );
        assert_eq!(lifecycle("b", &[], None, String::new), "`aws s3api delete-bucket-lifecycle --bucket b`, if nobody added rules since");
        let many = vec![rules[0].clone(); 100];
        assert_eq!(lifecycle("b", &many, None, || "in words".to_owned()), "in words");
    }
}
