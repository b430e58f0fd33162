//! The planner over a fake kind: hash, consent, policy, exceptions, what is unknown.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::kinds::fake::{declared, enter, looked, scope, world};
use crate::kinds::{Peers, Reason, Scope, Why};
use crate::manifest::{ChangeWindow, Day, Disruptive, Exception, Mode, Policy, Windows};

/// What a plan is judged by, owned.
#[derive(Clone)]
struct Given {
    scope: Scope,
    policy: Policy,
    exceptions: Vec<Exception>,
    consent: Consent,
    partial: bool,
    at: Timestamp,
}

fn given(name: &str) -> Given {
    Given {
        scope: scope(name),
        policy: Policy::default(),
        exceptions: Vec::new(),
        consent: Consent::default(),
        partial: false,
        // A Friday.
        at: "2026-03-06T12:00:00Z".parse().unwrap(),
    }
}

impl Given {
    fn plan(&self, resources: &[(Declared, Observed)]) -> Plan {
        self.judged(|judgement| plan(judgement, resources))
    }

    fn judged<T>(&self, judge: impl FnOnce(&Judgement<'_>) -> T) -> T {
        let windows = Windows::new(&self.policy.change_windows).unwrap();
        let judgement = Judgement {
            scope: &self.scope,
            policy: &self.policy,
            windows: &windows,
            exceptions: &self.exceptions,
            consent: &self.consent,
            peers: &Peers::default(),
            partial: self.partial,
            at: self.at,
        };
        judge(&judgement)
    }

    fn of(&self, specs: &[Value]) -> Plan {
        let looked: Vec<_> = specs.iter().map(|spec| looked(&self.scope, spec.clone())).collect();
        self.plan(&looked)
    }

    fn except(mut self, resource: &str, field: &str, until: &str) -> Given {
        self.exceptions.push(Exception {
            resource: resource.to_owned(),
            field: field.to_owned(),
            until: until.parse().unwrap(),
            reason: "old clients".to_owned(),
        });
        self
    }
}

fn there(name: &str, ids: &[&str]) {
    let world = world(name);
    for id in ids {
        enter(&world).things.entry((*id).to_owned()).or_default();
    }
}

fn thing(name: &str, value: i64) -> Value {
    json!({"name": name, "v": {"x": value}})
}

fn held(plan: &Plan) -> Vec<Vec<Option<Reason>>> {
    plan.resources.iter().map(|one| one.steps.iter().map(|step| step.held.as_ref().map(|block| block.reason)).collect()).collect()
}

#[test]
fn the_hash_is_of_what_is_done_and_of_nothing_else() {
    there("hash", &["a", "b"]);
    let base = given("hash");
    let hash = |given: &Given, specs: &[Value]| given.of(specs).hash;
    let first = hash(&base, &[thing("a", 1), thing("b", 1)]);
    assert_eq!(first.len(), 64);
    // The order of the manifest, the time, policy and consent are no part of it.
    assert_eq!(first, hash(&base, &[thing("b", 1), thing("a", 1)]));
    let mut later = base.clone();
    later.at = "2027-01-01T00:00:00Z".parse().unwrap();
    later.policy.mode = Mode::Observe;
    later.consent.hashes = ["x".to_owned()].into();
    assert_eq!(first, hash(&later, &[thing("a", 1), thing("b", 1)]));
    // Arguments, impacts, resources, account, region and object are.
    let mut others = vec![
        hash(&base, &[thing("a", 2), thing("b", 1)]),
        hash(&base, &[thing("a", 1)]),
        hash(&base, &[json!({"name": "a", "v": {"x": 1}, "disruptive": ["x"]}), thing("b", 1)]),
    ];
    let looked = [looked(&base.scope, thing("a", 1)), looked(&base.scope, thing("b", 1))];
    for change in [
        (|scope: &mut Scope| scope.account = "210987654321".to_owned()) as fn(&mut Scope),
        |scope: &mut Scope| scope.region = "eu-west-1".to_owned(),
        |scope: &mut Scope| scope.object = "other".to_owned(),
    ] {
        let mut elsewhere = base.clone();
        change(&mut elsewhere.scope);
        others.push(elsewhere.plan(&looked).hash);
    }
    assert!(!others.contains(&first));
    let count = others.len();
    others.sort();
    others.dedup();
    assert_eq!(others.len(), count);
}

#[test]
fn members_are_written_in_one_order() {
    assert_eq!(json!({"b": 1, "a": {"d": 1, "c": 2}}).to_string(), r#"{"a":{"c":2,"d":1},"b":1}"#, "the hash rests on it");
}

#[test]
fn policy_consent_and_windows() {
    there("policy", &["a"]);
    let specs = [json!({"name": "a", "v": {"s1": 1, "s2": 1, "s3": 1}, "disruptive": ["s2"], "irreversible": ["s3"]})];
    let base = given("policy");
    let plan = base.of(&specs);
    assert_eq!(held(&plan), [[None, Some(Reason::NeedsConsent), Some(Reason::WaitsForOther)]]);
    assert_eq!((plan.resources[0].status, plan.summary.partly), (Status::Partly, 1));
    let counts = StepCounts { now: 1, disruptive: 0, irreversible: 0, held: 2 };
    assert_eq!(plan.summary.steps, counts);

    let with = |change: &dyn Fn(&mut Given)| {
        let mut given = base.clone();
        change(&mut given);
        held(&given.of(&specs)).remove(0)
    };
    let hash = plan.hash.clone();
    assert_eq!(with(&|given| given.consent.hashes = [hash.clone()].into()), [None, None, None]);
    assert_eq!(with(&|given| given.consent.hashes = ["another".to_owned()].into())[1], Some(Reason::NeedsConsent));
    let digest = |place: usize| {
        let step = &plan.resources[0].steps[place];
        step_digest(&base.scope, &plan.resources[0].key, step)
    };
    assert_eq!(with(&|given| given.consent.steps = [digest(1)].into()), [None, None, Some(Reason::NeedsConsent)]);
    assert_eq!(with(&|given| given.consent.steps = [digest(1), digest(2)].into()), [None, None, None]);
    // Allow is for what is disruptive alone.
    assert_eq!(with(&|given| given.policy.disruptive = Disruptive::Allow), [None, None, Some(Reason::NeedsConsent)]);
    // No consent overrides Deny.
    let denied = with(&|given| {
        given.policy.disruptive = Disruptive::Deny;
        given.consent.hashes = [hash.clone()].into();
    });
    assert_eq!(denied, [None, Some(Reason::DeniedByPolicy), Some(Reason::WaitsForOther)]);
    assert_eq!(with(&|given| given.policy.mode = Mode::Observe), [Some(Reason::ObserveOnly); 3]);
    // Consent does not open a window; what is online needs none.
    let closed = with(&|given| {
        given.consent.hashes = [hash.clone()].into();
        let window = ChangeWindow { days: vec![Day::Sat], from: "01:00".to_owned(), to: "02:00".to_owned(), time_zone: "UTC".to_owned() };
        given.policy.change_windows = vec![window];
    });
    assert_eq!(closed, [None, Some(Reason::OutsideChangeWindow), Some(Reason::WaitsForOther)]);
}

#[test]
fn too_many_changes_wait_for_consent() {
    there("many-changes", &["a", "b", "c"]);
    let specs = [thing("a", 1), thing("b", 1), json!({"name": "c"})];
    let mut given = given("many-changes");
    given.policy.max_changes = 2;
    assert_eq!(held(&given.of(&specs)), [vec![None], vec![None], vec![]]);
    given.policy.max_changes = 1;
    let plan = given.of(&specs);
    assert_eq!(held(&plan), [vec![Some(Reason::TooManyChanges)], vec![Some(Reason::TooManyChanges)], vec![]]);
    let mut approved = given.clone();
    approved.consent.hashes = [plan.hash.clone()].into();
    assert_eq!(held(&approved.of(&specs)), [vec![None], vec![None], vec![]]);
    // The rest of a plan that was consented to needs no second word; anything beyond it does.
    given.consent.steps =
        plan.resources.iter().flat_map(|one| one.steps.iter().map(|step| step_digest(&given.scope, &one.key, step))).collect();
    assert_eq!(held(&given.of(&specs)), [vec![None], vec![None], vec![]]);
    assert_eq!(held(&given.of(&[thing("a", 1), thing("b", 5)])), [[Some(Reason::TooManyChanges)], [Some(Reason::TooManyChanges)]]);
}

#[test]
fn exceptions_cover_until_their_date() {
    there("except", &["a"]);
    let specs = [json!({"name": "a", "v": {"x": 1, "y": 1}})];
    let base = given("except");
    for (resource, field, covered) in [
        ("test.things/a", "v.x", 1),
        ("test.things/a", "v", 2),
        ("test.things/a", "v.xx", 0),
        ("test.things/a", "x", 0),
        ("test.things/b", "v.x", 0),
        ("test.things", "v.x", 0),
        ("test.things/*", "v.x", 1),
        ("test.things/b?", "v.x", 0),
    ] {
        let plan = base.clone().except(resource, field, "2026-03-06").of(&specs);
        let one = &plan.resources[0];
        assert_eq!((one.excepted.len(), one.drifts.len(), one.steps.len()), (covered, 2 - covered, 2 - covered), "{resource} {field}");
        assert_eq!(plan.warnings.len(), usize::from(covered == 0), "{:?}", plan.warnings);
    }
    let ran_out = base.clone().except("test.things/a", "v.x", "2026-03-05").of(&specs);
    assert_eq!((ran_out.resources[0].drifts.len(), ran_out.warnings.len()), (2, 1));
    assert!(ran_out.warnings[0].contains("ran out"));
    // Where only some resources are looked at, an exception for another is no mistake.
    let mut partial = base.clone().except("test.things/b", "v.x", "2027-01-01");
    partial.partial = true;
    assert_eq!(partial.of(&specs).warnings, Vec::<String>::new());
    // Nor where its resource could not be read.
    there("except-unread", &["a"]);
    enter(&world("except-unread")).unreadable.insert("a".to_owned(), Why::Failed);
    let unread = given("except-unread").except("test.things/a", "v.x", "2027-01-01").of(&specs);
    assert_eq!((unread.warnings.len(), unread.resources[0].status), (0, Status::Unreadable));
}

#[test]
fn exceptions_name_a_resource_by_its_entry_and_a_part_by_who_asks_for_it() {
    there("except-origin", &["real"]);
    let given = given("except-origin");
    let (mut declared, seen) = looked(&given.scope, thing("real", 1));
    declared.origins = vec![Origin { entry: "test.things/logical".to_owned(), field: None, parts: Vec::new(), by: None }];
    let plan = given.clone().except("test.things/logical", "v.x", "2027-01-01").plan(&[(declared.clone(), seen.clone())]);
    assert_eq!((plan.resources[0].excepted.len(), plan.warnings.len()), (1, 0));
    // What an idle one should have been called.
    let idle = |resource: &str, field: &str| {
        given.clone().except(resource, field, "2027-01-01").plan(&[(declared.clone(), seen.clone())]).warnings.remove(0)
    };
    assert!(
        idle("test.things/logicla", "v.x").ends_with("names nothing that the manifest speaks for; did you mean \"test.things/logical\"?")
    );
    let said = idle("test.things/other", "v.x");
    assert!(said.ends_with("names nothing that the manifest speaks for; correct its resource, or take it out of the manifest"), "{said}");
    let said = idle("test.things/real", "v.y");
    assert!(said.contains("matches no difference: v.y is as declared there, or not declared"), "{said}");
    // Composed: the bucket asks for three things by three of its fields, and by `create` for nothing that is compared.
    let (mut declared, seen) = looked(&given.scope, json!({"name": "real", "v": {"x": 1, "y": 1, "x.z": 1}}));
    let part = |field: &str, parts: &[&str]| Origin {
        entry: "s3.buckets/everywhere".to_owned(),
        field: Some(field.to_owned()),
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
        by: Some(crate::kinds::Key::new("s3.buckets", "assets")),
    };
    declared.origins =
        vec![part("create", &[]), part("denyInsecureTransport", &["v.x"]), part("minimumTlsVersion", &["v.y"]), part("more", &["v.x.z"])];
    let excepted = |resource: &str, field: &str| {
        let plan = given.clone().except(resource, field, "2027-01-01").plan(&[(declared.clone(), seen.clone())]);
        plan.resources[0].excepted.iter().map(|one| one.drift.field.clone()).collect::<Vec<_>>()
    };
    // By the entry, by the resource that it chose, by a pattern.
    for resource in ["s3.buckets/everywhere", "s3.buckets/assets", "s3.buckets/a*"] {
        assert_eq!(excepted(resource, "denyInsecureTransport"), ["v.x"], "{resource}");
        assert_eq!(excepted(resource, "minimumTlsVersion"), ["v.y"], "{resource}");
        assert!(excepted(resource, "create").is_empty() && excepted(resource, "v.x").is_empty());
    }
    // A pattern is of resources: what the entry that chose them is called says nothing.
    for resource in ["s3.buckets/other", "s3.buckets/e*"] {
        assert!(excepted(resource, "denyInsecureTransport").is_empty(), "{resource}");
    }
}

#[test]
fn what_is_unknown_missing_blocked_or_helpless_is_reported_and_not_touched() {
    there("unknown", &["a", "b", "h"]);
    enter(&world("unknown")).unreadable.insert("a".to_owned(), Why::Denied);
    let given = given("unknown");
    let needy = json!({"name": "b", "v": {"x": 1}, "needs": ["a"]});
    let plan = given.of(&[thing("a", 1), needy, thing("gone", 1), json!({"name": "h", "v": {"x": 1, "y": 1}, "helpless": "x"})]);
    let status: Vec<Status> = plan.resources.iter().map(|one| one.status).collect();
    assert_eq!(status, [Status::Unreadable, Status::Blocked, Status::Blocked, Status::Partly]);
    assert_eq!(plan.resources[0].steps, []);
    assert_eq!(held(&plan)[1], [Some(Reason::WaitsForOther)]);
    assert_eq!(plan.resources[2].blocks[0].reason, Reason::Missing);
    assert_eq!(
        (plan.resources[3].blocks[0].reason, plan.resources[3].blocks[0].fields.as_slice()),
        (Reason::UnexpectedState, &["v.x".to_owned()][..])
    );
    let summary = &plan.summary;
    assert_eq!((summary.unreadable, summary.blocked, summary.partly, summary.drifted, summary.in_sync), (1, 2, 1, 0, 0));
    assert!(!plan.in_sync());
    // A wish that is blocked itself was not looked at.
    let mut wrong = declared(&given.scope, thing("b", 1));
    wrong.blocks.push(crate::kinds::Block {
        reason: Reason::Conflict,
        fields: Vec::new(),
        message: String::new(),
        what_to_do: String::new(),
    });
    let plan = given.plan(&[(wrong, None)]);
    assert_eq!((plan.resources[0].status, plan.resources[0].blocks.len()), (Status::Blocked, 1));
}

/// Of two blocked ones that a third stands on, the same one is named in whatever order they are declared.
#[test]
fn what_is_stood_on_is_named_alike_in_any_order() {
    let given = given("alike");
    there("alike", &["a", "b", "c", "d"]);
    let needs = [("a", vec![]), ("b", vec!["e"]), ("c", vec!["e"]), ("d", vec!["c", "b"])];
    let mut looked: Vec<_> =
        needs.iter().map(|(name, needs)| looked(&given.scope, json!({"name": name, "v": {"x": 1}, "needs": needs}))).collect();
    let mut wrong = declared(&given.scope, thing("e", 1));
    let (fields, message, what_to_do) = (Vec::new(), String::new(), String::new());
    wrong.blocks.push(crate::kinds::Block { reason: Reason::Conflict, fields, message, what_to_do });
    looked.push((wrong, None));
    let first = given.plan(&looked);
    for _ in 0..looked.len() {
        looked.rotate_left(1);
        let turned = given.plan(&looked);
        for resource in &first.resources {
            assert_eq!(Some(resource), turned.resource(&resource.key));
        }
    }
}

proptest::proptest! {
    #![proptest_config(crate::kinds::testing::generated(200))]
    /// The same facts give the same plan, in whatever order they come, and planning looks at nothing.
    #[test]
    fn planning_is_pure(things in proptest::collection::btree_map("[a-e]", (0_i64..3, proptest::collection::btree_map("[x-z]", 0_i64..3, 0..3), proptest::collection::vec("[a-e]", 0..3), proptest::prelude::any::<bool>()), 1..6), turn in 0_usize..6) {
        let given = given("pure");
        let specs: Vec<Value> = things.iter().map(|(name, (_, v, needs, second))| {
            json!({"name": name, "v": v, "needs": needs, "disruptive": if *second { vec!["x"] } else { vec![] }})
        }).collect();
        there("pure", &["a", "b", "c", "d"]);
        let mut looked: Vec<_> = specs.iter().map(|spec| looked(&given.scope, spec.clone())).collect();
        let looks = enter(&world("pure")).looks;
        let first = given.plan(&looked);
        proptest::prop_assert_eq!(&first, &given.plan(&looked));
        let turn = turn % looked.len();
        looked.rotate_left(turn);
        let turned = given.plan(&looked);
        proptest::prop_assert_eq!(&first.hash, &turned.hash);
        proptest::prop_assert_eq!(&first.summary, &turned.summary);
        for resource in &first.resources {
            proptest::prop_assert_eq!(Some(resource), turned.resource(&resource.key));
        }
        proptest::prop_assert_eq!(looks, enter(&world("pure")).looks);
        let text = serde_json::to_string(&first).unwrap();
        proptest::prop_assert_eq!(&serde_json::from_str::<Plan>(&text).unwrap(), &first);
    }
}

/// Prints what planning costs; ten times as much takes about ten times as long.
#[test]
fn planning_is_linear() {
    let given = given("linear");
    let mut looked = Vec::new();
    let mut times = Vec::new();
    for size in [1_000, 10_000, 100_000] {
        while looked.len() < size {
            let name = format!("t{}", looked.len());
            let (declared, _) = looked_at(&given, &name);
            let seen = crate::kinds::fake::Seen { v: crate::kinds::Fact::Present(Default::default()), ..Default::default() };
            looked.push((declared, Some(std::sync::Arc::new(seen) as crate::kinds::AnySeen)));
        }
        let began = std::time::Instant::now();
        let plan = given.plan(&looked);
        times.push(began.elapsed());
        assert_eq!(plan.summary.blocked, size, "more changes than the manifest allows");
    }
    println!("planning 1,000, 10,000 and 100,000 drifted resources: {times:?}");
    // A square would take a hundred times as long; a busy machine, a few times as long as it should.
    assert!(times[2] < times[1] * 50, "{times:?}");
}

fn looked_at(given: &Given, name: &str) -> (Declared, Observed) {
    (declared(&given.scope, json!({"name": name, "v": {"x": 1, "y": 2}, "needs": ["t0"]})), None)
}

/// As at the end of a run: what lagging reads showed otherwise is looked at again, and what others were held for is asked again with it.
#[test]
fn some_of_a_plan_is_planned_again_as_if_all_of_it_were() {
    there("anew", &["a", "b", "c"]);
    let mut given = given("anew");
    given.policy.max_changes = 1;
    let specs =
        |values: [i64; 3]| [thing("a", values[0]), thing("b", values[1]), json!({"name": "c", "v": {"x": values[2]}, "disruptive": ["x"]})];
    let all = given.of(&specs([1, 1, 1]));
    assert_eq!(held(&all), [[Some(Reason::TooManyChanges)], [Some(Reason::TooManyChanges)], [Some(Reason::NeedsConsent)]].map(Vec::from));
    for (values, doubted) in [([0, 1, 1], "a"), ([1, 1, 0], "c"), ([0, 0, 0], "b")] {
        let now = given.of(&specs(values));
        let keys: Vec<&str> = if values == [0, 0, 0] { vec!["a", "b", "c"] } else { vec![doubted] };
        // Planned by itself, before anything is held.
        let raw = |id: &str, value: i64| {
            let place = usize::from(id.as_bytes()[0] - b'a');
            let (declared, seen) = looked(&given.scope, specs([value; 3])[place].clone());
            given.judged(|judgement| Draft::new(judgement).resource(&declared, &seen))
        };
        let seen: Vec<ResourcePlan> = keys.iter().map(|id| raw(id, 0)).collect();
        assert_eq!(given.judged(|judgement| all.clone().anew(judgement, seen.clone())), now, "{doubted}");
    }
}
