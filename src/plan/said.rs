//! What plans say of real kinds over an embedded account: exceptions, and blocks that name what they stand against.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Consent, Declared, Judgement, Observed, Plan, ResourcePlan};
use crate::aws::ConnectOptions;
use crate::clock::Clock;
use crate::kinds::testing::Account;
use crate::kinds::{Key, Multiplicity, Peers, Reason, is_within, registry};
use crate::load::load_text;
use crate::manifest::Exception;
use crate::reconcile::{Baseline, Request, connected_look};
use crate::sandbox::{Options, Sandbox};

fn account(faults: &str) -> Account {
    Account::with(&json!({"s3": {"buckets": {"assets": {}, "backups": {"ownership": "ObjectWriter"}}}}), faults)
}

fn of<'p>(plan: &'p Plan, kind: &str, id: &str) -> &'p ResourcePlan {
    plan.resource(&Key::new(kind, id)).unwrap_or_else(|| panic!("{id}: {plan:#?}"))
}

fn excepting(field: &str) -> Value {
    json!([{"resource": "s3.buckets/assets", "field": field, "until": "2027-12-31", "reason": "old clients"}])
}

#[tokio::test]
async fn an_exception_for_one_field_leaves_the_other_statements_of_its_bucket() {
    let bucket = json!({"name": "assets", "create": true, "denyInsecureTransport": true, "minimumTlsVersion": "1.2"});
    for (field, left) in [
        ("minimumTlsVersion", &["statements.HoldfastDenyInsecureTransport"][..]),
        ("denyInsecureTransport", &["statements.HoldfastDenyOldTls"][..]),
        ("create", &["statements.HoldfastDenyInsecureTransport", "statements.HoldfastDenyOldTls"][..]),
    ] {
        let plan = account("").plan(&json!({"s3": {"buckets": [bucket]}, "exceptions": excepting(field)})).await;
        let policy = of(&plan, "s3.bucketPolicies", "assets");
        let drifts: Vec<&str> = policy.drifts.iter().map(|drift| drift.field.as_str()).collect();
        assert_eq!((drifts.as_slice(), policy.excepted.len()), (left, 2 - left.len()), "{field}");
        assert_eq!(plan.warnings.len(), usize::from(field == "create"), "{:?}", plan.warnings);
    }
}

/// A block beside its cause; never "report this as a bug" where the cause is known.
#[tokio::test]
async fn what_is_blocked_is_not_called_a_bug_besides() {
    let flags = json!({"blockPublicAcls": true, "ignorePublicAcls": true, "blockPublicPolicy": true, "restrictPublicBuckets": true});
    for (faults, bucket, exceptions, reasons) in [
        (
            "",
            json!({"name": "assets", "encryption": {"algorithm": "aws:kms", "kmsKeyId": "alias/nope"}}),
            json!([]),
            &[Reason::InvalidWish][..],
        ),
        (
            "denied@s3:GetBucketWebsite",
            json!({"name": "assets", "publicAccessBlock": flags, "denyInsecureTransport": true}),
            json!([]),
            &[Reason::Unreadable][..],
        ),
        (
            "",
            json!({"name": "assets", "bucket": "gone", "create": true, "versioning": "Enabled"}),
            excepting("create"),
            &[Reason::Missing][..],
        ),
        (
            "",
            json!({"name": "all", "match": {"names": ["assets"]}, "logging": {"targetPrefix": "p/", "targetBucket": "assets"}}),
            json!([]),
            &[Reason::InvalidWish][..],
        ),
    ] {
        let plan = account(faults).plan(&json!({"s3": {"buckets": [bucket]}, "exceptions": exceptions})).await;
        let resource = plan.resources.iter().find(|one| one.key.kind == "s3.buckets").unwrap();
        assert_eq!(resource.blocks.iter().map(|block| block.reason).collect::<Vec<_>>(), reasons, "{resource:#?}");
        let bugs = plan.resources.iter().flat_map(|one| &one.blocks).filter(|block| block.reason == Reason::UnexpectedState);
        assert_eq!(bugs.count(), 0, "{plan:#?}");
    }
}

/// Whoever is to have the bucket made says so already, and is blocked: nobody is told to say it again.
#[tokio::test]
async fn a_policy_whose_bucket_is_to_be_made_and_blocked_says_which_that_is() {
    let buckets = json!([
        {"name": "gone", "create": true, "versioning": "Enabled"},
        {"name": "all", "match": {"names": ["go*"]}, "versioning": "Suspended"},
        {"name": "assets", "logging": {"targetBucket": "gone"}}
    ]);
    let plan = account("").plan(&json!({"s3": {"buckets": buckets}})).await;
    let block = &of(&plan, "s3.bucketPolicies", "gone").blocks[0];
    assert_eq!(block.message, "it stands on s3.buckets/gone, which is not there, and which is blocked");
    assert_eq!(block.what_to_do, "see s3.buckets/gone");
}

#[tokio::test]
async fn only_logging_waits_for_the_bucket_that_the_log_goes_to_and_only_for_its_being_there() {
    for (target, waits) in [
        (json!({"name": "backups", "ownership": "BucketOwnerEnforced"}), None),
        (json!({"name": "backups", "bucket": "gone", "versioning": "Enabled"}), Some(Reason::WaitsForOther)),
    ] {
        let to = target.get("bucket").or(target.get("name")).cloned();
        let buckets = json!([target, {"name": "assets", "logging": {"targetBucket": to}, "versioning": "Enabled"}]);
        let plan = account("").plan(&json!({"s3": {"buckets": buckets}})).await;
        let held: Vec<(&str, Option<Reason>)> = of(&plan, "s3.buckets", "assets")
            .steps
            .iter()
            .map(|step| (step.fields[0].as_str(), step.held.as_ref().map(|block| block.reason)))
            .collect();
        assert_eq!(held, [("versioning", None), ("logging.targetBucket", waits)]);
    }
}

/// Differences: of which resource, and which field.
type Differences = BTreeSet<(Key, String)>;

/// What a plan would come to with these exceptions, of what was seen once.
fn differences(baseline: &Baseline, seen: &[(Declared, Observed)], exceptions: &[Exception]) -> (Plan, Differences) {
    let (consent, peers) = (Consent::default(), Peers::default());
    let judgement = Judgement {
        scope: &baseline.scope,
        policy: &baseline.object.spec.policy,
        windows: &baseline.windows,
        exceptions,
        consent: &consent,
        peers: &peers,
        partial: false,
        at: "2026-03-06T12:00:00Z".parse().unwrap(),
    };
    let plan = super::plan(&judgement, seen);
    let all = plan.resources.iter().flat_map(|one| one.drifts.iter().map(|drift| (one.key.clone(), drift.field.clone())));
    let all = all.collect();
    (plan, all)
}

/// Whatever a plan shows as different can be excepted by the resource and the field that ask for it, as the manifest calls them, and by nothing else: for every
/// field of every kind that its example declares (`tests/examples.rs` demands that it declares them all), wherever the difference is shown.
#[tokio::test]
async fn every_difference_can_be_excepted_as_the_manifest_calls_it() {
    for kind in registry().iter().filter(|kind| kind.shape() != Multiplicity::Composed) {
        let file = format!("{}/examples/kinds/{}.yaml", env!("CARGO_MANIFEST_DIR"), kind.path());
        let text = std::fs::read_to_string(&file).unwrap();
        let baseline = load_text(&file, &text).baselines.remove(0);
        let clock = Clock::simulated("2026-03-06T12:00:00Z".parse().unwrap());
        let options = Options { clock: clock.clone(), ..Options::default() };
        let sandbox = Sandbox::from_yaml(include_str!("../../examples/accounts/huntaze-as-found.yaml"), options).unwrap();
        let base = ConnectOptions { embedded: Some(sandbox.http_client()), clock: Some(clock.clone()), ..ConnectOptions::default() };
        let look = connected_look(&baseline, &base, &Request::default(), &clock).await.unwrap();
        let mut seen = Vec::new();
        for declared in look.resources {
            let one = declared.kind.observe(&look.connection.reads, &baseline.scope, &declared.wish, &declared.wish.want).await;
            seen.push((declared, Some(one)));
        }
        let (plan, before) = differences(&baseline, &seen, &[]);
        // Who asks for a difference: by which field of which resource.
        let asks = |key: &Key, field: &str| -> BTreeSet<(String, String)> {
            let resource = plan.resource(key).unwrap();
            let once = registry().iter().any(|kind| kind.path() == key.kind && kind.shape() == Multiplicity::One);
            let own = if once { key.kind.clone() } else { key.to_string() };
            let name = |key: &Key| if key.kind == "guardduty.detector" { key.kind.clone() } else { key.to_string() };
            let by = resource.origins.iter().filter(|origin| origin.asks_for(field));
            let by: BTreeSet<_> = by.map(|origin| (name(origin.by.as_ref().unwrap()), origin.field.clone().unwrap())).collect();
            if by.is_empty() { [(own, field.to_owned())].into() } else { by }
        };
        let mut tried: BTreeSet<(String, String)> = BTreeSet::new();
        let mut texts = Vec::new();
        for (key, field) in &before {
            let asked = asks(key, field);
            let text = |(resource, field): &(String, String)| json!({"resource": resource, "field": field, "until": "2027-12-31", "reason": "old clients"});
            let written: Vec<Value> = asked.iter().map(text).collect();
            let exceptions: Vec<Exception> = written.iter().map(|one| serde_json::from_value(one.clone()).unwrap()).collect();
            let (with, after) = differences(&baseline, &seen, &exceptions);
            assert_eq!(with.warnings, Vec::<String>::new(), "{key} {field}");
            assert!(!after.contains(&(key.clone(), field.clone())), "{key} {field}: {asked:?} excepts nothing");
            for (other, gone) in before.difference(&after) {
                let by = asks(other, gone);
                let meant = |(resource, field): &(String, String)| {
                    asked.iter().any(|(excepted, below)| excepted == resource && is_within(field, below))
                };
                assert!(by.iter().all(meant), "{key} {field}: {asked:?} excepts {other} {gone} as well, which {by:?} ask for");
            }
            tried.extend(asked);
            texts.extend(written);
        }
        // Each of them is right as it is written in a manifest.
        let mut object: Value = serde_yaml::from_str(&text).unwrap();
        object["spec"]["exceptions"] = texts.into();
        let problems = load_text("manifest.yaml", &serde_yaml::to_string(&object).unwrap()).problems;
        assert!(problems.is_empty(), "{problems:#?}");
        // A field that is compared at another resource was among them, or is said of its own resource.
        for declared in seen.iter().map(|(declared, _)| declared).filter(|declared| declared.kind.path() == kind.path()) {
            let value = declared.kind.value(&declared.wish.spec);
            let compared = declared.kind.declares(&declared.wish);
            for field in kind.fields().into_iter().filter(|field| field.implied_by.is_none() && field.path != "create") {
                let said = value.pointer(&format!("/{}", field.path.replace('.', "/"))).is_some_and(|said| !said.is_null());
                let own = compared.iter().any(|compared| is_within(compared, field.path));
                let elsewhere = tried.iter().any(|(resource, tried)| *resource == declared.key().to_string() && tried == field.path);
                assert!(
                    !said || own || elsewhere,
                    "{} {} differs nowhere, so that no exception for it was tried",
                    declared.key(),
                    field.path
                );
            }
        }
    }
}
