//! What S3 always refuses is said before anything is sent.

use super::{BUCKET, spec};
use crate::kinds::s3::buckets::BucketSpec;

fn paths(spec: &BucketSpec) -> Vec<String> {
    spec.problems().into_iter().map(|problem| problem.path.to_string()).collect()
}

#[test]
fn rules_whose_parts_do_not_go_together() {
    let table = [
        ("transitions: [{date: 2027-01-31, storageClass: GLACIER}], expiration: {days: 400}", "transitions"),
        ("filter: {sizeGreaterThan: 500, sizeLessThan: 100}, expiration: {days: 1}", "filter"),
        ("filter: {sizeGreaterThan: 100, sizeLessThan: 100}, expiration: {days: 1}", "filter"),
        ("filter: {tags: {'': x}}, expiration: {days: 1}", "filter"),
        ("transitions: [{days: 30, storageClass: GLACIER}, {days: 60, storageClass: GLACIER}]", "transitions"),
        ("noncurrentTransitions: [{days: 30, storageClass: GLACIER}, {days: 60, storageClass: GLACIER}]", "noncurrentTransitions"),
        ("noncurrentTransitions: [{days: 90, storageClass: GLACIER}], noncurrentExpiration: {days: 30}", "noncurrentExpiration"),
        ("noncurrentTransitions: [{days: 5, storageClass: STANDARD_IA}]", "noncurrentTransitions"),
        ("transitions: [{days: 30, storageClass: GLACIER}, {days: 60, storageClass: STANDARD_IA}]", "transitions"),
        ("transitions: [{days: 30, storageClass: STANDARD_IA}, {days: 31, storageClass: GLACIER}]", "transitions"),
        ("transitions: [{days: 40, storageClass: INTELLIGENT_TIERING}, {days: 40, storageClass: GLACIER}]", "transitions"),
        ("transitions: [{date: 2027-01-31, storageClass: STANDARD_IA}, {date: 2027-02-01, storageClass: GLACIER}]", "transitions"),
        ("transitions: [{date: 2028-01-31, storageClass: GLACIER}], expiration: {date: 2027-01-31}", "expiration"),
        ("transitions: [{date: 2027-01-31, storageClass: GLACIER}], expiration: {date: 2027-01-31}", "expiration"),
        ("expiration: {date: '0000-01-01'}", "expiration"),
        ("filter: {sizeGreaterThan: 1}, expiration: {expiredObjectDeleteMarker: true}", "expiration.expiredObjectDeleteMarker"),
    ];
    for (rule, member) in table {
        let spec = spec(&format!("lifecycle: {{rules: [{{id: a, enabled: true, {rule}}}]}}"));
        assert_eq!(paths(&spec), [format!("lifecycle.rules[0].{member}")], "{rule}");
    }
}

#[test]
fn rules_that_s3_takes_pass() {
    let table = [
        "transitions: [{days: 30, storageClass: STANDARD_IA}, {days: 60, storageClass: ONEZONE_IA}, {days: 90, storageClass: GLACIER_IR}]",
        "transitions: [{days: 0, storageClass: INTELLIGENT_TIERING}, {days: 1, storageClass: GLACIER}], expiration: {days: 2}",
        "transitions: [{days: 180, storageClass: DEEP_ARCHIVE}, {days: 60, storageClass: STANDARD_IA}]",
        "transitions: [{date: 2027-01-31, storageClass: GLACIER}], expiration: {date: 2027-02-01}",
        "transitions: [{days: 9, storageClass: GLACIER}], noncurrentExpiration: {days: 1}",
        "noncurrentTransitions: [{days: 5, storageClass: GLACIER}], noncurrentExpiration: {days: 6}",
        "transitions: [{days: 1, storageClass: GLACIER}], expiration: {expiredObjectDeleteMarker: true}",
        "filter: {sizeGreaterThan: 99, sizeLessThan: 101, tags: {a: ''}}, expiration: {date: '2000-01-01'}",
    ];
    for rule in table {
        let spec = spec(&format!("lifecycle: {{rules: [{{id: a, enabled: true, {rule}}}]}}"));
        assert_eq!(spec.problems(), [], "{rule}");
    }
}

/// Entries that speak of one bucket are merged: a consent that stands alone would be one to the rules of another entry.
#[test]
fn an_entry_consents_to_its_own_rules_only() {
    let alone = spec("lifecycle: {expiryApproved: true}");
    assert_eq!(paths(&alone), ["lifecycle.expiryApproved"]);
    assert_eq!(paths(&spec("lifecycle: {expiryApproved: true, exclusive: true, rules: []}")), ["lifecycle.expiryApproved"]);
    assert!(paths(&spec("lifecycle: {expiryApproved: false, exclusive: true}")).is_empty());
    assert!(paths(&spec("lifecycle: {expiryApproved: true, rules: [{id: a, enabled: true, expiration: {days: 1}}]}")).is_empty());
}

#[test]
fn names_that_no_bucket_has() {
    for name in ["192.168.5.4", "a..b", "foo-s3alias", "xn--foo", "sthree-abc", "amzn-s3-demo-a", "a--ol-s3", "a.mrap", "a--x-s3", "ab"] {
        assert_eq!(paths(&spec(&format!("bucket: {name}"))), ["bucket"], "{name}");
        assert_eq!(paths(&spec(&format!("logging: {{targetBucket: {name}}}"))), ["logging.targetBucket"], "{name}");
        let by_name: BucketSpec = serde_yaml::from_str(&format!("name: {name}")).unwrap();
        assert_eq!(paths(&by_name), ["bucket"], "{name}");
        // The entry's label may be anything where the bucket is named, or chosen, beside it.
        let label = |rest: &str| serde_yaml::from_str::<BucketSpec>(&format!("name: {name}\n{rest}")).unwrap();
        assert!(paths(&label(&format!("bucket: {BUCKET}"))).is_empty());
        assert!(paths(&label("match: {names: ['*']}")).is_empty());
    }
    for name in ["abc", "192.168.5.x", "a.b", "a-s3", "192-168-5-4", "1.2.3.400"] {
        assert!(paths(&spec(&format!("bucket: {name}"))).is_empty(), "{name}");
    }
}

#[test]
fn tags_of_characters_that_s3_does_not_take() {
    assert_eq!(paths(&spec("tags: {'¡bad!': x}")), ["tags[\"¡bad!\"]"]);
    assert_eq!(paths(&spec(r#"tags: {"a\tb": null}"#)), ["tags[\"a\\tb\"]"]);
    assert_eq!(paths(&spec("tags: {a: 'no;'}")), ["tags.a"]);
    assert!(paths(&spec("tags: {'Größe 7_.:/=+-@': '日本\u{a0}x', b: ''}")).is_empty());
}
