mod impacts;
mod refused;
mod said;

use std::collections::BTreeMap;

use serde_json::json;

use super::change::Change;
use super::lifecycle::{from_sdk, impact, to_sdk};
use super::observe;
use super::*;
use crate::kinds::s3::Flags;
use crate::kinds::{AnyKind, Drift, Reason, Shape, kms, registry};

const BUCKET: &str = "huntaze-assets";

fn scope() -> Scope {
    Scope { object: "prod".to_owned(), account: "317805897534".to_owned(), region: "us-east-1".to_owned(), partition: "aws".to_owned() }
}

fn spec(yaml: &str) -> BucketSpec {
    serde_yaml::from_str(&format!("name: {BUCKET}\n{yaml}")).unwrap()
}

/// A bucket of today as AWS makes it.
fn fresh() -> BucketSeen {
    BucketSeen {
        presence: Fact::Present(()),
        flags: Fact::Present(Flags::ALL),
        exposure: Fact::Present(observe::Exposure::default()),
        object_acls: Fact::Present(false),
        encryption: Fact::Present(observe::Encryption { algorithm: "AES256".to_owned(), key: Fact::Absent, ..Default::default() }),
        key: Fact::Absent,
        versioning: Fact::Present(observe::Versioning::default()),
        ownership: Fact::Present("BucketOwnerEnforced".to_owned()),
        grants: Fact::Present(false),
        logging: Fact::Absent,
        log_encryption: Fact::Present(observe::LogEncryption::default()),
        lifecycle: Fact::Present(observe::Lifecycle::default()),
        tags: Fact::Present(BTreeMap::new()),
    }
}

fn missing() -> BucketSeen {
    BucketSeen {
        presence: Fact::Absent,
        flags: Fact::Absent,
        encryption: Fact::Absent,
        versioning: Fact::Absent,
        ownership: Fact::Absent,
        logging: Fact::Absent,
        lifecycle: Fact::Absent,
        tags: Fact::Absent,
        ..BucketSeen::default()
    }
}

fn kind() -> &'static dyn AnyKind {
    *registry().iter().find(|kind| kind.path() == "s3.buckets").unwrap()
}

fn drifts(spec: &BucketSpec, seen: BucketSeen) -> (Vec<Drift>, BucketSeen) {
    let wish = kind().wish(std::sync::Arc::new(spec.clone()), &scope());
    let seen: std::sync::Arc<dyn std::any::Any + Send + Sync> = std::sync::Arc::new(seen);
    let compared = kind().compare(&wish, &seen);
    let drift = |one: crate::kinds::Compared| Drift {
        field: one.field,
        found: one.found.present().cloned().unwrap_or_default(),
        declared: one.declared,
        impact: one.impact,
    };
    let drifts = compared.into_iter().filter(|one| !one.satisfied).map(drift).collect();
    (drifts, std::sync::Arc::into_inner(seen.downcast::<BucketSeen>().unwrap()).unwrap())
}

fn plan(yaml: &str, seen: BucketSeen) -> Steps<BucketOp> {
    let spec = spec(yaml);
    let (drifts, seen) = drifts(&spec, seen);
    if drifts.is_empty() {
        return Steps::default();
    }
    Bucket::steps(&Planning {
        scope: &scope(),
        id: BUCKET,
        spec: &spec,
        seen: &seen,
        drifts: &drifts,
        peers: &crate::kinds::KindPeers::default(),
    })
}

fn only(steps: Steps<BucketOp>) -> crate::kinds::Step<BucketOp> {
    assert!(steps.blocks.is_empty(), "{:?}", steps.blocks);
    assert_eq!(steps.steps.len(), 1);
    steps.steps.into_iter().next().unwrap()
}

fn blocked(steps: Steps<BucketOp>) -> Reason {
    assert!(steps.steps.is_empty());
    steps.blocks[0].reason
}

#[test]
fn what_is_as_declared_needs_nothing() {
    let all = "publicAccessBlock: {blockPublicAcls: true, ignorePublicAcls: true}\nencryption: {algorithm: AES256, bucketKey: false}\nownership: BucketOwnerEnforced\ncreate: true\nlifecycle: {exclusive: true}";
    assert!(plan(all, fresh()).steps.is_empty());
}

#[test]
fn only_fields_of_the_manifest_are_wanted() {
    let wish = kind().wish(std::sync::Arc::new(spec("versioning: Enabled\ndenyInsecureTransport: true")), &scope());
    assert_eq!(wish.want, FactSet::new(["versioning"]));
}

#[test]
fn undeclared_flags_keep_what_they_have() {
    let mut seen = fresh();
    seen.flags = Fact::Present(Flags { restrict_public_buckets: true, ..Flags::default() });
    let step = only(plan("publicAccessBlock: {blockPublicAcls: true}", seen));
    let expected = Flags { block_public_acls: true, restrict_public_buckets: true, ..Flags::default() };
    assert_eq!(step.op.change, Change::PublicAccessBlock(expected));
    assert_eq!(step.impact, Impact::Online);
}

#[test]
fn closing_a_public_bucket_is_disruptive_and_says_so() {
    const CUT: &str = "whoever reads it without credentials no longer can";
    const BY_POLICY: &str = "whoever reads it without credentials no longer can; other accounts that its policy names neither";
    const ACL: &str = "huntaze-assets is public now: its ACL lets everybody in";
    const POLICY_STAYS: &str = "huntaze-assets is public now, and stays so: its policy lets everybody in";
    let website = "huntaze-assets is set up as a website";
    let new = "blockPublicAcls: true, blockPublicPolicy: true";
    for (acl, policy, wish, takes, notes) in [
        (true, false, "ignorePublicAcls: true", CUT, vec![ACL]),
        (false, true, "restrictPublicBuckets: true", BY_POLICY, vec!["huntaze-assets is public now: its policy lets everybody in"]),
        (
            true,
            true,
            "ignorePublicAcls: true, restrictPublicBuckets: true",
            BY_POLICY,
            vec!["huntaze-assets is public now: its ACL lets everybody in, its policy lets everybody in"],
        ),
        // What lets somebody in stays, and nobody is cut off; whoever keeps it open is refused.
        (false, true, "ignorePublicAcls: true", "", vec![POLICY_STAYS]),
        (false, true, new, "changes of its public policy are refused", vec![POLICY_STAYS]),
        (
            true,
            false,
            new,
            "uploads with a public ACL are refused",
            vec!["huntaze-assets is public now, and stays so: its ACL lets everybody in"],
        ),
        (
            true,
            true,
            "ignorePublicAcls: true",
            "whoever reads it without credentials by its ACL alone no longer can",
            vec![ACL, POLICY_STAYS],
        ),
        // A website that neither policy nor ACL lets anybody into is read by nobody.
        (false, false, "ignorePublicAcls: true, restrictPublicBuckets: true", "", vec![]),
    ] {
        let seen = |website| BucketSeen {
            flags: Fact::Present(Flags::default()),
            exposure: Fact::Present(observe::Exposure { acl, policy, website }),
            ..fresh()
        };
        let wish = format!("publicAccessBlock: {{{wish}}}");
        let steps = plan(&wish, seen(false));
        assert_eq!(steps.notes, notes, "{wish}");
        let step = only(steps);
        let impact = if takes.is_empty() { Impact::Online } else { Impact::Disruptive };
        assert_eq!((step.impact, step.takes.as_str()), (impact, takes), "{wish}");
        let steps = plan(&wish, seen(true));
        assert_eq!(steps.notes.last().map(String::as_str), Some(website), "{wish}");
        assert_eq!(only(steps).impact, impact, "{wish}");
    }
}

/// An ACL that is ignored already, and a policy that is restricted, let nobody in.
#[test]
fn what_is_closed_already_is_not_called_public() {
    let mut seen = fresh();
    seen.flags = Fact::Present(Flags { block_public_acls: false, ..Flags::ALL });
    seen.exposure = Fact::Present(observe::Exposure { acl: true, policy: true, website: false });
    let steps = plan("publicAccessBlock: {blockPublicAcls: true}", seen);
    assert_eq!(steps.notes, [""; 0]);
    assert_eq!(only(steps).impact, Impact::Online);
}

#[test]
fn whether_a_bucket_is_public_must_be_known_before_it_is_closed() {
    let mut seen = fresh();
    seen.flags = Fact::Present(Flags::default());
    seen.exposure = Fact::default();
    assert_eq!(blocked(plan("publicAccessBlock: {ignorePublicAcls: true}", seen)), Reason::Unreadable);
}

#[test]
fn a_key_is_sent_by_its_arn_and_only_when_it_can_be_used() {
    let yaml = "encryption: {algorithm: 'aws:kms', kmsKeyId: alias/data, bucketKey: true}";
    let with = |state: &str| {
        let mut seen = fresh();
        seen.key = Fact::Present(kms::Key {
            words: "k".to_owned(),
            arn: "arn:aws:kms:us-east-1:1:key/k".to_owned(),
            unusable: Some(state.to_owned()).filter(|state| state != "Enabled"),
        });
        seen
    };
    let step = only(plan(yaml, with("Enabled")));
    let expected = Change::Encryption {
        algorithm: "aws:kms".to_owned(),
        key: Some("arn:aws:kms:us-east-1:1:key/k".to_owned()),
        bucket_key: Some(true),
        blocked: Vec::new(),
    };
    assert_eq!(step.op.change, expected);
    assert_eq!(step.impact, Impact::Disruptive);
    assert_eq!(step.fields, ["encryption.algorithm", "encryption.kmsKeyId", "encryption.bucketKey"]);
    assert_eq!(blocked(plan(yaml, with("PendingDeletion"))), Reason::UnexpectedState);
    assert_eq!(blocked(plan(yaml, fresh())), Reason::InvalidWish);
    let mut unknown = fresh();
    unknown.key = Fact::default();
    assert_eq!(blocked(plan(yaml, unknown)), Reason::Unreadable);
}

#[test]
fn encryption_keeps_the_key_and_what_is_blocked() {
    let mut seen = fresh();
    seen.encryption = Fact::Present(observe::Encryption {
        algorithm: "aws:kms".to_owned(),
        key: Fact::Present("k".to_owned()),
        raw_key: Some("k".to_owned()),
        bucket_key: true,
        blocked: vec!["SSE-C".to_owned()],
    });
    let step = only(plan("encryption: {algorithm: 'aws:kms:dsse'}", seen));
    let expected = Change::Encryption {
        algorithm: "aws:kms:dsse".to_owned(),
        key: Some("k".to_owned()),
        bucket_key: None,
        blocked: vec!["SSE-C".to_owned()],
    };
    assert_eq!(step.op.change, expected);
}

#[test]
fn versioning_by_value() {
    let with = |status: Option<&str>, mfa_delete| {
        let mut seen = fresh();
        seen.versioning = Fact::Present(observe::Versioning { status: status.map(str::to_owned), mfa_delete });
        seen
    };
    assert_eq!(only(plan("versioning: Enabled", with(None, false))).impact, Impact::Online);
    assert_eq!(only(plan("versioning: Suspended", with(Some("Enabled"), false))).impact, Impact::Disruptive);
    assert_eq!(only(plan("versioning: Suspended", with(None, false))).impact, Impact::Online);
    assert!(plan("versioning: Suspended", with(Some("Suspended"), false)).steps.is_empty());
    assert_eq!(blocked(plan("versioning: Suspended", with(Some("Enabled"), true))), Reason::NotSupported);
}

#[test]
fn acls_are_not_turned_off_while_they_grant_something() {
    let with = |grants| {
        let mut seen = fresh();
        seen.ownership = Fact::Present("ObjectWriter".to_owned());
        seen.grants = grants;
        seen
    };
    assert_eq!(only(plan("ownership: BucketOwnerEnforced", with(Fact::Present(false)))).impact, Impact::Disruptive);
    assert_eq!(blocked(plan("ownership: BucketOwnerEnforced", with(Fact::Present(true)))), Reason::Conflict);
    assert_eq!(blocked(plan("ownership: BucketOwnerEnforced", with(Fact::default()))), Reason::Unreadable);
    assert_eq!(only(plan("ownership: BucketOwnerPreferred", with(Fact::Present(true)))).impact, Impact::Online);
}

#[test]
fn logging_keeps_what_is_not_declared() {
    let mut seen = fresh();
    let found = observe::Logging {
        bucket: "old".to_owned(),
        prefix: "p/".to_owned(),
        key_format: Some(observe::KeyFormat::Partitioned(Some("EventTime".to_owned()))),
        grants: false,
    };
    seen.logging = Fact::Present(found.clone());
    let step = only(plan("logging: {targetBucket: logs}", seen));
    let expected = Change::Logging { target: "logs".to_owned(), prefix: "p/".to_owned(), key_format: found.key_format.clone() };
    assert_eq!(step.op.change, expected);
    let mut granting = fresh();
    granting.logging = Fact::Present(observe::Logging { grants: true, ..found });
    assert_eq!(blocked(plan("logging: {targetBucket: logs}", granting)), Reason::NotSupported);
    let itself = plan(&format!("logging: {{targetBucket: {BUCKET}}}"), fresh());
    assert_eq!(blocked(itself), Reason::InvalidWish);
}

#[test]
fn a_bucket_is_waited_for_until_the_next_bucket_needs_it() {
    let spec = spec("logging: {targetBucket: huntaze-logs}");
    let needs = [("s3.bucketPolicies", "statements.HoldfastAccessLogs"), ("s3.buckets", "create"), ("s3.buckets", "encryption.algorithm")];
    let needs = needs.map(|(kind, part)| Need::of_field(kind, "huntaze-logs", "logging").only([part]));
    assert_eq!(Bucket::needs(&spec, BUCKET, &scope(), &[]), needs);
    assert!(Bucket::needs(&spec, "huntaze-logs", &scope(), &[]).is_empty());
}

const RULES: &str = "lifecycle: {rules: [
  {id: tier, enabled: true, transitions: [{days: 0, storageClass: INTELLIGENT_TIERING}]},
  {id: expire, enabled: true, filter: {prefix: tmp/}, expiration: {days: 30}}]";

fn theirs() -> Rule {
    Rule { id: "theirs".to_owned(), enabled: true, abort_multipart_after_days: Some(7), ..Rule::default() }
}

fn ruled(rules: Vec<Rule>, others: &[&str]) -> BucketSeen {
    let others = others.iter().map(|id| (*id).to_owned()).collect();
    let lifecycle = observe::Lifecycle { rules, others, minimum_size: Some("varies_by_storage_class".to_owned()) };
    BucketSeen { lifecycle: Fact::Present(lifecycle), ..fresh() }
}

fn ids(step: &crate::kinds::Step<BucketOp>) -> Vec<String> {
    match &step.op.change {
        Change::Lifecycle { rules, minimum_size } => {
            assert_eq!(minimum_size.as_deref(), Some("varies_by_storage_class"));
            rules.iter().map(|rule| rule.id.clone()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_that_delete_wait_for_consent_and_others_do_not() {
    let steps = plan(&format!("{RULES}}}"), ruled(vec![theirs()], &["theirs"])).steps;
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].impact, steps[1].impact), (Impact::Online, Impact::Irreversible));
    assert_eq!(ids(&steps[0]), ["theirs", "holdfast-tier"]);
    assert_eq!(ids(&steps[1]), ["theirs", "holdfast-tier", "holdfast-expire"]);
    assert_eq!((steps[1].after.as_slice(), steps[1].consented), ([0].as_slice(), false));
    let approved = plan(&format!("{RULES}, expiryApproved: true}}"), ruled(vec![theirs()], &["theirs"])).steps;
    assert!(approved[1].consented && !approved[0].consented);
}

#[test]
fn exclusive_removes_other_rules_and_the_last_one_removes_the_setting() {
    let steps = plan(&format!("{RULES}, exclusive: true}}"), ruled(vec![theirs()], &["theirs"])).steps;
    // What somebody else made goes with consent alone, and not before.
    assert_eq!(steps.iter().map(|step| step.impact).collect::<Vec<_>>(), [Impact::Online, Impact::Disruptive, Impact::Irreversible]);
    assert_eq!(ids(&steps[0]), ["theirs", "holdfast-tier"]);
    assert_eq!(ids(&steps[1]), ["holdfast-tier"]);
    assert_eq!(ids(&steps[2]), ["holdfast-tier", "holdfast-expire"]);
    let step = only(plan("lifecycle: {exclusive: true}", ruled(vec![theirs()], &["theirs"])));
    assert_eq!(ids(&step), Vec::<String>::new());
    assert_eq!(step.title, "Remove the lifecycle rules theirs of huntaze-assets");
}

#[test]
fn a_rule_is_judged_by_what_it_deletes_and_when() {
    let expire = |days: i32| json!({"enabled": true, "expiration": {"days": days}});
    let old = |days: i32, keep: i32| json!({"enabled": true, "noncurrentExpiration": {"days": days, "newerNoncurrentVersions": keep}});
    let on = |date: &str| json!({"enabled": true, "expiration": {"date": date}});
    let to = |class: &str, days: i32| json!({"enabled": true, "transitions": [{"days": days, "storageClass": class}]});
    let moves = to("GLACIER", 180);
    let both =
        json!({"enabled": true, "transitions": [{"days": 30, "storageClass": "GLACIER_IR"}, {"days": 180, "storageClass": "GLACIER"}]});
    let noncurrent = |days: i32| json!({"enabled": true, "noncurrentTransitions": [{"days": days, "storageClass": "DEEP_ARCHIVE"}]});
    let table = [
        (Value::Null, to("STANDARD_IA", 30), Impact::Online),
        (Value::Null, to("GLACIER_IR", 0), Impact::Online),
        (Value::Null, moves.clone(), Impact::Disruptive),
        (Value::Null, to("DEEP_ARCHIVE", 0), Impact::Disruptive),
        (Value::Null, to("ONEZONE_IA", 30), Impact::Disruptive),
        (moves.clone(), to("GLACIER", 181), Impact::Online),
        (moves.clone(), both, Impact::Online),
        (moves.clone(), to("GLACIER", 179), Impact::Disruptive),
        (moves.clone(), to("DEEP_ARCHIVE", 365), Impact::Disruptive),
        (json!({"enabled": false, "transitions": [{"days": 1, "storageClass": "GLACIER"}]}), moves.clone(), Impact::Disruptive),
        (Value::Null, noncurrent(30), Impact::Disruptive),
        (noncurrent(30), noncurrent(31), Impact::Online),
        (noncurrent(30), noncurrent(29), Impact::Disruptive),
        (Value::Null, json!({"enabled": false, "transitions": [{"days": 0, "storageClass": "DEEP_ARCHIVE"}]}), Impact::Online),
        (Value::Null, json!({"enabled": true, "abortMultipartAfterDays": 7}), Impact::Online),
        (Value::Null, json!({"enabled": true, "expiration": {"expiredObjectDeleteMarker": true}}), Impact::Online),
        (Value::Null, json!({"enabled": false, "expiration": {"days": 1}}), Impact::Online),
        (Value::Null, expire(365), Impact::Irreversible),
        (json!({"enabled": false, "expiration": {"days": 365}}), expire(365), Impact::Irreversible),
        (moves, expire(365), Impact::Irreversible),
        (expire(365), expire(366), Impact::Online),
        (expire(365), expire(364), Impact::Irreversible),
        (json!({"enabled": true, "filter": {"prefix": "a/"}, "expiration": {"days": 365}}), expire(366), Impact::Irreversible),
        (on("2027-01-01"), on("2027-01-02"), Impact::Online),
        (on("2027-01-02"), on("2027-01-01"), Impact::Irreversible),
        (on("2027-01-02"), expire(3000), Impact::Irreversible),
        (expire(365), old(365, 5), Impact::Irreversible),
        (old(30, 5), old(30, 6), Impact::Online),
        (old(30, 5), old(30, 4), Impact::Irreversible),
        (old(30, 5), old(29, 5), Impact::Irreversible),
    ];
    for (found, declared, expected) in table {
        assert_eq!(impact(&found, &declared), expected, "{found} to {declared}");
    }
}

#[test]
fn a_rule_comes_back_from_the_wire_form_as_it_was() {
    let rules = "
- {id: a, enabled: true, transitions: [{days: 30, storageClass: STANDARD_IA}, {date: 2027-01-31, storageClass: GLACIER}]}
- {id: b, enabled: false, filter: {prefix: x/}, expiration: {date: 2027-01-31}}
- {id: c, enabled: true, filter: {tags: {k: v}}, expiration: {days: 9}}
- {id: d, enabled: true, filter: {prefix: x/, tags: {k: v, l: w}, sizeGreaterThan: 1, sizeLessThan: 9}, abortMultipartAfterDays: 3}
- {id: e, enabled: true, filter: {sizeLessThan: 9}, noncurrentExpiration: {days: 3, newerNoncurrentVersions: 2}}
- {id: f, enabled: true, noncurrentTransitions: [{days: 3, storageClass: YOUNGER_THAN_US}], expiration: {expiredObjectDeleteMarker: true}}";
    let rules: Vec<Rule> = serde_yaml::from_str(rules).unwrap();
    assert_eq!(rules.len(), 6);
    for rule in rules {
        assert_eq!(from_sdk(&to_sdk(&rule).unwrap()), rule.clone().normal(), "{rule:?}");
    }
    let several = to_sdk(&Rule { filter: Some(Filter { prefix: Some("a".to_owned()), ..Filter::default() }), ..theirs() }).unwrap();
    assert_eq!(several.filter().and_then(|filter| filter.prefix()), Some("a"));
    assert!(several.filter().is_some_and(|filter| filter.and().is_none()));
}

#[test]
fn the_order_of_moves_and_a_false_that_says_nothing_are_no_difference() {
    let one: Rule = serde_yaml::from_str("{id: a, enabled: true, filter: {prefix: ''}, transitions: [{days: 90, storageClass: GLACIER}, {days: 30, storageClass: STANDARD_IA}], expiration: {days: 900, expiredObjectDeleteMarker: false}}").unwrap();
    let other: Rule = serde_yaml::from_str("{id: b, enabled: true, transitions: [{days: 30, storageClass: STANDARD_IA}, {days: 90, storageClass: GLACIER}], expiration: {days: 900}}").unwrap();
    assert_eq!(one.value(), other.value());
}

#[test]
fn tags_of_others_stay_and_those_of_aws_are_sent_back() {
    let mut seen = fresh();
    let found = [("aws:cloudformation:stack-name", "s"), ("team", "old"), ("other", "o")];
    seen.tags = Fact::Present(found.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    let step = only(plan("tags: {team: new, other: o}", seen));
    assert_eq!(step.fields, ["tags.team"]);
    let expected = [("aws:cloudformation:stack-name", "s"), ("other", "o"), ("team", "new")];
    assert_eq!(step.op.change, Change::Tags(expected.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()));
}

/// The tags that a bucket is made with.
fn ours(step: &crate::kinds::Step<BucketOp>) -> BTreeMap<String, String> {
    match &step.op.change {
        Change::Create { tags, .. } => tags.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_bucket_is_made_first_and_only_when_asked_for() {
    assert_eq!(blocked(plan("versioning: Enabled", missing())), Reason::Missing);
    let yaml = "create: true\nversioning: Enabled\npublicAccessBlock: {blockPublicAcls: true}\ntags: {team: a}\nownership: BucketOwnerEnforced\nencryption: {algorithm: AES256}";
    let steps = plan(yaml, missing());
    assert!(steps.blocks.is_empty(), "{:?}", steps.blocks);
    assert_eq!(steps.steps.len(), 6);
    assert!(matches!(steps.steps[0].op.change, Change::Create { .. }));
    for step in &steps.steps[1..] {
        assert_eq!(step.after, [0], "{}", step.title);
        assert_eq!(step.impact, Impact::Online, "{}", step.title);
        assert!(matches!(Bucket::check(&step.op, &missing()), Progress::Running(_)), "{}", step.title);
        let made = BucketSeen { tags: Fact::Present(ours(&steps.steps[0])), flags: Fact::Present(Flags::ALL), ..fresh() };
        let begins = matches!(Bucket::check(&step.op, &made), Progress::Pending | Progress::Done);
        assert!(begins, "{}: it is planned from what S3 makes a bucket with", step.title);
        // Somebody else made it in the meantime.
        if let Change::Tags(_) = &step.op.change {
            let theirs = BucketSeen { tags: Fact::Present(BTreeMap::from([("team".to_owned(), "b".to_owned())])), ..fresh() };
            assert!(matches!(Bucket::check(&step.op, &theirs), Progress::Stale(_)));
        }
        match &step.op.change {
            // A new bucket blocks everything: what is not declared must not be opened.
            Change::PublicAccessBlock(flags) => assert_eq!(*flags, Flags::ALL),
            Change::Tags(tags) => assert_eq!(tags.get("holdfast.dev/object").map(String::as_str), Some("prod")),
            _ => {}
        }
    }
}

#[test]
fn a_change_is_done_when_it_is_read_back() {
    let step = only(plan("versioning: Enabled", fresh()));
    assert_eq!(Bucket::check(&step.op, &fresh()), Progress::Pending);
    let mut seen = fresh();
    seen.versioning = Fact::Present(observe::Versioning { status: Some("Enabled".to_owned()), mfa_delete: false });
    assert_eq!(Bucket::check(&step.op, &seen), Progress::Done);
    seen.versioning = Fact::default();
    assert!(matches!(Bucket::check(&step.op, &seen), Progress::Unknown(_)));
}

#[test]
fn an_operation_survives_the_journal() {
    for step in plan(
        &format!("{RULES}}}\ncreate: true\ntags: {{a: b}}\nlogging: {{targetBucket: logs}}\nencryption: {{bucketKey: true}}"),
        missing(),
    )
    .steps
    {
        let written = serde_json::to_value(&step.op).unwrap();
        assert_eq!(serde_json::from_value::<BucketOp>(written).unwrap(), step.op);
    }
}

#[test]
fn wishes_that_cannot_be_met_are_said() {
    let paths = |yaml: &str| -> Vec<String> { spec(yaml).problems().into_iter().map(|problem| problem.path.to_string()).collect() };
    let table = [
        ("match: {names: ['*']}\nbucket: abc", "match"),
        ("match: {names: ['*']}\ncreate: true", "create"),
        ("bucket: ab", "bucket"),
        ("encryption: {kmsKeyId: k}", "encryption.kmsKeyId"),
        ("encryption: {algorithm: AES256, kmsKeyId: k}", "encryption.kmsKeyId"),
        ("encryption: {algorithm: 'aws:kms:dsse', bucketKey: true}", "encryption.bucketKey"),
        ("logging: {targetPrefix: a/}", "logging.targetPrefix"),
        ("logging: {targetBucket: huntaze-assets}", "logging.targetBucket"),
        ("tags: {'aws:x': y}", "tags[\"aws:x\"]"),
        ("tags: {'holdfast.dev/owner': null}", "tags[\"holdfast.dev/owner\"]"),
        ("tags: {'': y}", "tags[\"\"]"),
        ("lifecycle: {rules: [{id: a, enabled: true}]}", "lifecycle.rules[0]"),
        ("lifecycle: {rules: [{id: a, enabled: true, expiration: {days: 1, date: 2027-01-31}}]}", "lifecycle.rules[0].expiration"),
        ("lifecycle: {rules: [{id: a, enabled: true, expiration: {date: 2027-02-31}}]}", "lifecycle.rules[0].expiration"),
        ("lifecycle: {rules: [{id: a, enabled: true, transitions: [{storageClass: GLACIER}]}]}", "lifecycle.rules[0].transitions"),
        (
            "lifecycle: {rules: [{id: a, enabled: true, transitions: [{days: 29, storageClass: STANDARD_IA}]}]}",
            "lifecycle.rules[0].transitions",
        ),
        (
            "lifecycle: {rules: [{id: a, enabled: true, transitions: [{days: 9, storageClass: GLACIER}], expiration: {days: 9}}]}",
            "lifecycle.rules[0].expiration.days",
        ),
        (
            "lifecycle: {rules: [{id: a, enabled: true, filter: {tags: {a: b}}, abortMultipartAfterDays: 1}]}",
            "lifecycle.rules[0].abortMultipartAfterDays",
        ),
        (
            "lifecycle: {rules: [{id: a, enabled: true, noncurrentExpiration: {newerNoncurrentVersions: 1}}]}",
            "lifecycle.rules[0].noncurrentExpiration",
        ),
        (
            "lifecycle: {rules: [{id: a, enabled: true, expiration: {days: 1}}, {id: a, enabled: true, expiration: {days: 1}}]}",
            "lifecycle.rules[1].id",
        ),
    ];
    for (yaml, path) in table {
        assert_eq!(paths(yaml), [path], "{yaml}");
    }
    assert!(paths("match: {names: ['*']}\nversioning: Enabled").is_empty());
}

#[test]
fn both_transport_rules_go_to_the_buckets_policy() {
    let spec = spec("denyInsecureTransport: false\nminimumTlsVersion: '1.3'");
    let contributions = Bucket::contributes(&spec, BUCKET, &scope());
    let sids: Vec<_> = contributions.iter().map(|one| one.value["statements"][0]["sid"].as_str().unwrap()).collect();
    assert_eq!(sids, ["HoldfastDenyInsecureTransport", "HoldfastDenyOldTls"]);
    assert!(contributions[0].value["statements"][0]["statement"].is_null());
    assert_eq!(contributions[1].value["statements"][0]["statement"]["Condition"], json!({"NumericLessThan": {"s3:TlsVersion": "1.3"}}));
}

#[test]
fn the_schema_names_every_field_and_every_storage_class() {
    let schema = kind().schema();
    for field in Bucket::FIELDS {
        let mut at = &schema;
        for part in field.path.split('.') {
            at = &at["properties"][part];
        }
        assert!(at["description"].is_string() || field.shape == Shape::Keyed, "{}: {at}", field.path);
    }
    let class = &schema["properties"]["lifecycle"]["properties"]["rules"]["items"]["properties"]["transitions"]["items"]["properties"]["storageClass"];
    assert!(class["enum"].as_array().is_some_and(|classes| classes.len() == 6), "{class} in {}", schema["properties"]["lifecycle"]);
}
