//! Who speaks for what, over manifests as they are read and an embedded account.

use jiff::Timestamp;

use crate::aws::{ConnectOptions, Pace};
use crate::clock::Clock;
use crate::kinds::{Key, Reason};
use crate::load::{Manifests, load_text};
use crate::plan::{Plan, ResourcePlan, Status};
use crate::reconcile::{Request, connected, look, others};
use crate::sandbox::{Options, Sandbox};

/// An object in us-east-1 with these buckets.
fn object(name: &str, buckets: &[&str]) -> String {
    let buckets: String = buckets.iter().map(|bucket| format!("      - {bucket}\n")).collect();
    format!(
        "---\napiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {{name: {name}}}\nspec:\n  account: \"317805897534\"\n  region: us-east-1\n  policy: {{disruptive: Allow}}\n  s3:\n    buckets:\n{buckets}"
    )
}

fn sandbox(faults: &str) -> Sandbox {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let account = "{account: '317805897534', s3: {buckets: {assets: {tags: {tier: gold}}, uploads: {}, logs: {}}}}";
    let options = Options { clock: Clock::simulated(start), faults: faults.parse().unwrap(), ..Options::default() };
    Sandbox::from_yaml(account, options).unwrap()
}

/// The plans of all objects of a manifest, as a run plans them.
async fn plans(sandbox: &Sandbox, manifests: &Manifests) -> Vec<Plan> {
    let pace = Pace { first: std::time::Duration::from_millis(1), longest: std::time::Duration::from_millis(4), ..Pace::default() };
    let base = ConnectOptions { embedded: Some(sandbox.http_client()), pace, ..ConnectOptions::default() };
    let mut plans = Vec::new();
    for (baseline, others) in manifests.baselines.iter().zip(others(&manifests.baselines)) {
        let connection = connected(baseline, &base).await.unwrap();
        plans.push(look(baseline, &connection, &Request { others, ..Request::default() }, sandbox.clock().now()).await.plan);
    }
    plans
}

async fn of(text: &str) -> Vec<Plan> {
    plans(&sandbox(""), &load_text("m.yaml", text)).await
}

fn bucket<'p>(plan: &'p Plan, id: &str) -> &'p ResourcePlan {
    plan.resource(&Key::new("s3.buckets", id)).unwrap_or_else(|| panic!("{id}: {plan:#?}"))
}

/// Why a bucket is left alone, in the first block's words.
fn left_alone<'p>(plan: &'p Plan, id: &str) -> (Reason, &'p str) {
    let bucket = bucket(plan, id);
    assert_eq!((bucket.status, bucket.steps.len()), (Status::Blocked, 0), "{bucket:#?}");
    (bucket.blocks[0].reason, &bucket.blocks[0].message)
}

const ALL: &str = "{name: all, match: {names: ['*'], except: [logs]}, versioning: Enabled}";

#[tokio::test]
async fn an_entry_with_a_mistake_stops_what_it_speaks_for() {
    for wrong in [
        // An unknown field, a value of the wrong type, a wish that its kind refuses; by its bucket, by its name, by a selector.
        "{name: website, bucket: assets, versioning: Suspended, tagz: {a: b}}",
        "{name: assets, versioning: 5}",
        "{bucket: assets, versioning: Suspended}",
        "{name: website, bucket: assets, encryption: {algorithm: AES256, kmsKeyId: alias/x}}",
        "{name: some, match: {names: [as*]}, versionin: Suspended}",
        "{name: some, match: {names: ['*'], tags: {tier: gold}}, versionin: Suspended}",
    ] {
        let plan = &of(&object("o", &[ALL, wrong])).await[0];
        assert_eq!(left_alone(plan, "assets").0, Reason::InvalidWish, "{wrong}");
        assert!(left_alone(plan, "assets").1.contains("speaks for it too"), "{wrong}");
        assert!(bucket(plan, "uploads").changes(), "{wrong}: the others are kept");
    }
    // Where it cannot be told what it speaks for, whatever a selector chooses may be meant; what is named is not.
    let wrong = "{name: website, buket: assets, versioning: Suspended}";
    let plan = &of(&object("o", &[ALL, "{name: logs, versioning: Enabled}", wrong])).await[0];
    assert_eq!((left_alone(plan, "assets").0, left_alone(plan, "uploads").0), (Reason::InvalidWish, Reason::InvalidWish));
    assert!(bucket(plan, "logs").changes());
    // Of a mistake that has nothing to do with the bucket nothing is held.
    let plan = &of(&object("o", &[ALL, "{name: other, versionin: Enabled}"])).await[0];
    assert!(bucket(plan, "assets").changes());
}

/// Entries that may choose or name the bucket `assets`, and are wrong.
const MAY_MEAN_ASSETS: &[&str] = &[
    "{name: some, match: {names: [as*], exept: [x]}, versioning: Enabled}",
    "{name: some, match: {names: ['*'], exept: [x], tags: {tier: gold}}, versioning: Enabled}",
    "{name: some, match: {names: as*}, versioning: Enabled}",
    "{name: some, match: {names: []}, versioning: Enabled}",
    "{name: some, match: as*, versioning: Enabled}",
    "{name: some, mach: {names: [as*]}, versioning: Enabled}",
    "{name: website, buket: assets, versioning: Enabled}",
];

#[tokio::test]
async fn what_a_wrong_entry_may_mean_is_not_written_where_another_names_it() {
    let named = ["{name: a, bucket: assets, versioning: Suspended}", "{name: u, bucket: uploads, versioning: Suspended}"];
    for wrong in MAY_MEAN_ASSETS {
        // In the same object, and in another one.
        let same = of(&object("o", &[named[0], named[1], wrong])).await;
        let other = of(&format!("{}{}", object("b", &named), object("a", &[wrong, "{name: logs}"]))).await;
        for plan in [&same[0], &other[0]] {
            let (reason, message) = left_alone(plan, "assets");
            assert_eq!(reason, Reason::InvalidWish, "{wrong}");
            assert!(message.contains("speaks for it too, or may, and is wrong"), "{message}");
            let hidden = wrong.contains("names: as*") || wrong.contains("[]") || wrong.contains("match: as*");
            assert_eq!(bucket(plan, "uploads").changes(), !hidden, "{wrong}");
        }
    }
    // What it may choose it does not name: the tags tell here.
    let plan = &of(&object("o", &["{name: logs, versioning: Suspended}", MAY_MEAN_ASSETS[1]])).await[0];
    assert!(bucket(plan, "logs").changes());
    // A selector of another object may choose whatever a hidden entry speaks for.
    let plans = of(&format!("{}{}", object("b", &[ALL]), object("a", &[MAY_MEAN_ASSETS[6], "{name: logs}"]))).await;
    assert_eq!((left_alone(&plans[0], "assets").0, left_alone(&plans[0], "uploads").0), (Reason::InvalidWish, Reason::InvalidWish));
}

#[tokio::test]
async fn an_object_that_is_refused_still_speaks_for_what_it_names() {
    let b = object("b", &["{name: website, bucket: assets, versioning: Suspended}", "{name: logs, versioning: Suspended}"]);
    let a = object("a", &["{name: all, match: {names: ['*'], except: [logs]}, versioning: Enabled}"]);
    for (right, wrong) in [
        ("{disruptive: Allow}", "{disruptve: Allow}"),
        ("{disruptive: Allow}", "{changeWindows: [{days: [Mon], from: '25:00', to: '26:00', timeZone: UTC}]}"),
        // Whose account it is then nobody knows.
        ("\"317805897534\"", "31780589753"),
    ] {
        let manifests = load_text("m.yaml", &format!("{}{b}", a.replace(right, wrong)));
        assert_eq!(manifests.baselines.len(), 1, "{wrong}");
        let plan = &plans(&sandbox(""), &manifests).await[0];
        let (reason, message) = left_alone(plan, "assets");
        assert_eq!(reason, Reason::Conflict, "{wrong}");
        assert!(message.contains("b with s3.buckets/website, and a with s3.buckets/all"), "{message}");
        assert!(bucket(plan, "logs").changes(), "{wrong}");
    }
    // With a mistake in the entry besides, and two objects of one name.
    let both = object("a", &["{name: all, match: {names: ['as*'], exept: [logs]}, versioning: Enabled}"]);
    let twice = format!("{both}{}", object("a", &["{name: uploads}"]));
    for refused in [both.replace("disruptive", "disruptve"), twice] {
        let plan = &of(&format!("{refused}{b}")).await[0];
        assert!(left_alone(plan, "assets").1.contains("s3.buckets/all of the object a speaks for it too, or may"));
        assert!(bucket(plan, "logs").changes());
    }
    // Of another region it is no concern.
    let plan = &of(&format!("{}{b}", a.replace("disruptive", "disruptve").replace("us-east-1", "eu-west-1"))).await[0];
    assert!(bucket(plan, "assets").changes());
}

#[tokio::test]
async fn what_two_objects_speak_for_is_left_alone_by_both() {
    let a = object("a", &[ALL]);
    for b in [
        object("b", &["{name: assets, versioning: Suspended}"]),
        object("b", &["{name: b, match: {names: ['ass*']}, versioning: Suspended}"]),
        // By tags, which are read once, when the buckets are listed.
        object("b", &["{name: b, match: {names: ['*'], tags: {tier: gold}}, versioning: Suspended}"]),
        // A mistake elsewhere does not take the other object's word away.
        object("b", &["{name: assets, versionin: Suspended}", "{name: mine, bucket: logs}"]),
    ] {
        let plans = of(&format!("{a}{b}")).await;
        let (reason, message) = left_alone(&plans[0], "assets");
        assert_eq!(reason, Reason::Conflict, "{b}");
        assert!(message.contains("a with s3.buckets/all") && message.contains("b with s3.buckets/"), "{message}");
        assert!(bucket(&plans[0], "uploads").changes(), "{b}");
        if plans[1].resource(&Key::new("s3.buckets", "assets")).is_some() {
            assert_eq!(left_alone(&plans[1], "assets").0, Reason::Conflict, "{b}");
        }
    }
    // A bucket that one names and another's selector chooses by tags.
    let by_tags = object("b", &["{name: b, match: {names: ['*'], tags: {tier: gold}}, versioning: Suspended}"]);
    let named = object("a", &["{name: assets, versioning: Enabled}", "{name: uploads, versioning: Enabled}"]);
    let text = format!("{named}{by_tags}");
    let manifests = load_text("m.yaml", &text);
    assert!(manifests.problems.is_empty(), "names alone do not tell: {:?}", manifests.problems);
    let account = sandbox("");
    let both = plans(&account, &manifests).await;
    assert_eq!((left_alone(&both[0], "assets").0, left_alone(&both[1], "assets").0), (Reason::Conflict, Reason::Conflict));
    assert!(bucket(&both[0], "uploads").changes());
    let denied = plans(&sandbox("denied@s3:GetBucketTagging"), &manifests).await;
    assert_eq!(left_alone(&denied[0], "uploads").0, Reason::Unreadable);
    let listings = account.recorded().iter().filter(|record| record.operation == "ListBuckets").count();
    assert_eq!(listings, 2, "once for each object");
    // Another account, or a selector of another region, is somebody else's.
    for (what, other) in [("317805897534", "210987654321"), ("us-east-1", "eu-west-1")] {
        let elsewhere = object("b", &["{name: b, match: {names: ['*']}, versioning: Suspended}"]).replace(what, other);
        let manifests = load_text("m.yaml", &format!("{named}{elsewhere}"));
        assert!(manifests.problems.is_empty(), "{:?}", manifests.problems);
        let mut own = load_text("m.yaml", &named).baselines;
        let others = others(&manifests.baselines).remove(0);
        let base = ConnectOptions { embedded: Some(account.http_client()), ..ConnectOptions::default() };
        let connection = connected(&own[0], &base).await.unwrap();
        let plan = look(&own.remove(0), &connection, &Request { others, ..Request::default() }, account.clock().now()).await.plan;
        assert!(bucket(&plan, "assets").changes(), "{other}");
    }
}

#[test]
fn a_bucket_that_anothers_selector_names_is_said_offline() {
    let text = format!("{}{}", object("a", &[ALL]), object("b", &["{name: assets, versioning: Suspended}", "{name: logs}"]));
    let manifests = load_text("m.yaml", &text);
    let said: Vec<String> = manifests.problems.iter().map(|problem| format!("{} {}", problem.path, problem.message)).collect();
    assert_eq!(said, ["spec.s3.buckets[0] s3.buckets assets of account 317805897534 is chosen by a selector of the object a as well"]);
    assert!(manifests.has_errors());
    // What else the selector chooses is enforced.
    assert_eq!(manifests.baselines.iter().map(|one| one.entries.len()).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_selector_sees_the_tags_that_its_bucket_is_about_to_have() {
    let entries = ["{name: uploads, tags: {tier: gold}}", "{name: gold, match: {names: ['*'], tags: {tier: gold}}, versioning: Enabled}"];
    let plan = &of(&object("o", &entries)).await[0];
    let fields: Vec<&str> = bucket(plan, "uploads").drifts.iter().map(|drift| drift.field.as_str()).collect();
    assert_eq!(fields, ["versioning", "tags.tier"]);
    let entries = ["{name: assets, tags: {tier: null}}", entries[1]];
    let plan = &of(&object("o", &entries)).await[0];
    assert_eq!(bucket(plan, "assets").drifts.len(), 1, "the tag goes, and the selector with it");
    // The tag of one selector chooses for the next, and that for another: the plan has it all.
    let chain = [
        "{name: last, match: {names: ['*'], tags: {tier: silver}}, versioning: Enabled}",
        entries[1],
        "{name: more, match: {names: ['*'], tags: {team: web}}, tags: {tier: silver}}",
        "{name: first, match: {names: [uploads]}, tags: {team: web}}",
    ];
    let plan = &of(&object("o", &chain)).await[0];
    let fields: Vec<&str> = bucket(plan, "uploads").drifts.iter().map(|drift| drift.field.as_str()).collect();
    assert_eq!(fields, ["versioning", "tags.team", "tags.tier"]);
    // One that gives another value to the tag by which it was chosen, and so has another one choose it: they would take turns.
    let turns = [
        "{name: down, match: {names: ['*'], tags: {tier: gold}}, tags: {tier: silver}}",
        "{name: up, match: {names: ['*'], tags: {tier: silver}}, tags: {tier: gold}}",
    ];
    assert_eq!(left_alone(&of(&object("o", &turns)).await[0], "assets").0, Reason::Conflict);
}

#[tokio::test]
async fn a_selector_that_cannot_be_listed_still_disagrees_with_what_is_named() {
    let text = object("o", &[ALL, "{name: assets, versioning: Suspended}"]);
    let plan = &plans(&sandbox("denied@s3:ListBuckets"), &load_text("m.yaml", &text)).await[0];
    assert_eq!(left_alone(plan, "assets").0, Reason::Conflict);
}

/// Bug family 1: two objects whose databases use one parameter group would set each other's value back for ever.
#[tokio::test]
async fn two_objects_that_disagree_on_a_shared_parameter_group_are_both_told() {
    let account = "{account: '317805897534', rds: {instances: {first: {engineVersion: '14.9', parameterGroup: team}, second: {engineVersion: '14.9', \
                   parameterGroup: team}}, parameterGroups: {team: {family: postgres14}}}}";
    let options = Options { clock: Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap()), ..Options::default() };
    let account = Sandbox::from_yaml(account, options).unwrap();
    let database = |object_name: &str, region: &str, name: &str, value: u32| {
        format!(
            "---\napiVersion: holdfast.dev/v1alpha1\nkind: AwsBaseline\nmetadata: {{name: {object_name}}}\nspec:\n  account: \"317805897534\"\n  \
             region: {region}\n  policy: {{disruptive: Allow}}\n  rds: {{instances: [{{name: {name}, sharedParameterGroup: Allow, parameters: \
             {{log_min_duration_statement: {value}}}}}]}}\n"
        )
    };
    let planned = async |region: &str, value: u32| {
        let text = format!("{}{}", database("a", "us-east-1", "first", 500), database("b", region, "second", value));
        let manifests = load_text("m.yaml", &text);
        let mut own = load_text("m.yaml", &database("a", "us-east-1", "first", 500)).baselines;
        let base = ConnectOptions { embedded: Some(account.http_client()), ..ConnectOptions::default() };
        let connection = connected(&own[0], &base).await.unwrap();
        let request = Request { others: others(&manifests.baselines).remove(0), ..Request::default() };
        look(&own.remove(0), &connection, &request, account.clock().now()).await.plan.resources.remove(0)
    };
    let told = planned("us-east-1", 1000).await;
    assert_eq!((told.status, told.steps.len(), told.blocks[0].reason), (Status::Blocked, 0, Reason::Conflict), "{told:#?}");
    for word in ["rds.instances/first declares 500", "rds.instances/second of the object b 1000", "parameter group team"] {
        assert!(told.blocks[0].message.contains(word), "{word}: {}", told.blocks[0].message);
    }
    // The same value, or a database of the same name in another region, is no conflict.
    for (region, value) in [("us-east-1", 500), ("eu-west-1", 1000)] {
        assert_eq!(planned(region, value).await.steps.len(), 1, "{region}");
    }
}
