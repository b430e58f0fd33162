//! What a commit changes, beside what differed before: pure, from two plans.

use holdfast::kinds::Key;
use holdfast::plan::Plan;
use holdfast::report::compare::{Base, Compared, FieldOf, compare};

use super::plans::{BUCKETS, dry};

async fn plan(policy: &str, spec: &str, denied: &[&str]) -> Plan {
    dry("compared", policy, spec, denied).await.plan().clone()
}

fn field(kind: &str, id: &str, field: &str) -> FieldOf {
    FieldOf { key: Key::new(kind, id), field: field.to_owned() }
}

fn versioning() -> FieldOf {
    field("s3.buckets", "huntaze-assets", "versioning")
}

#[tokio::test]
async fn the_same_manifest_changes_nothing() {
    let now = plan("", BUCKETS, &[]).await;
    let compared = compare(&now, &Base::Planned(&now));
    assert_eq!(compared.before.len(), 3);
    assert_eq!(Compared { before: Vec::new(), object: String::new(), ..compared }, Compared::default());
}

#[tokio::test]
async fn another_value_is_a_change_and_one_that_is_accepted_is_no_more() {
    let base = plan("", BUCKETS, &[]).await;
    let exceptions = "  exceptions:\n    - {resource: s3.buckets/huntaze-assets, field: versioning, until: 2026-12-20, reason: later}\n";
    let now = plan(exceptions, &BUCKETS.replace("BucketOwnerEnforced", "BucketOwnerPreferred"), &[]).await;
    let compared = compare(&now, &Base::Planned(&base));
    assert_eq!(compared.changes, [field("s3.buckets", "huntaze-uploads", "ownership")]);
    assert_eq!(compared.gone, [versioning()]);
    assert_eq!(compared.before, [field("s3.bucketPolicies", "huntaze-uploads", "statements.HoldfastDenyInsecureTransport")]);
}

/// A commit that changes no field can change what is done.
#[tokio::test]
async fn steps_that_a_policy_lets_go_are_named() {
    let (base, now) = (plan("", BUCKETS, &[]).await, plan("  policy: {disruptive: Allow}\n", BUCKETS, &[]).await);
    let compared = compare(&now, &Base::Planned(&base));
    assert!(compared.changes.is_empty() && compared.before.len() == 3, "{compared:?}");
    let steps: Vec<&str> = compared.let_go.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert!(steps[0].starts_with("Set object ownership of huntaze-uploads"), "{steps:?}");
    // The other way round nothing is let go.
    assert!(compare(&base, &Base::Planned(&now)).let_go.is_empty());
}

#[tokio::test]
async fn what_the_base_does_not_tell_is_neither_new_nor_old() {
    let now = plan("", BUCKETS, &[]).await;
    let base = plan("", BUCKETS, &["s3:GetBucketVersioning"]).await;
    let compared = compare(&now, &Base::Planned(&base));
    assert!(compared.unknown == [versioning()] && compared.changes.is_empty(), "{compared:?}");
    let unknown = compare(&now, &Base::Unknown("it is wrong".to_owned()));
    assert_eq!((unknown.unknown.len(), unknown.changes.len(), unknown.before.len()), (3, 0, 0));
    assert_eq!(unknown.error.as_deref(), Some("it is wrong"));
    // An object that the base does not hold, or holds for another account, brings all of its differences.
    assert_eq!(compare(&now, &Base::Absent).changes.len(), 3);
    let elsewhere = Plan { account: "111111111111".to_owned(), ..now.clone() };
    assert_eq!(compare(&now, &Base::Planned(&elsewhere)).changes.len(), 3);
}
