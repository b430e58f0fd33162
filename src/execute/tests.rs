//! The executor over a world in memory: every answer that a request can get, in every place.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::record::{Event, Outcome, Record};
use super::*;
use crate::aws::{Class, ConnectOptions, Reads, connect};
use crate::clock::Clock;
use crate::kinds::fake::{self, Answer, World, enter, looked, scope, world};
use crate::kinds::{Operation, Peers, Progress, Reason, Why};
use crate::manifest::{Policy, Windows};
use crate::plan::{Consent, Declared, Judgement, Observed, plan};
use crate::sandbox::{Options, Sandbox};

/// One test's ground: a world of its name, a journal, a clock.
struct Ground {
    name: &'static str,
    state: tempfile::TempDir,
    clock: Clock,
    interrupt: Interrupt,
    policy: Policy,
    consent: Consent,
    reads: Reads,
}

impl Ground {
    async fn new(name: &'static str, set: impl FnOnce(&mut World)) -> Ground {
        set(&mut enter(&world(name)));
        let account =
            crate::sandbox::world::World { account: "123456789012".to_owned(), region: "us-east-1".to_owned(), ..Default::default() };
        let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
        let sandbox = Sandbox::new(account, Options { clock: clock.clone(), ..Options::default() }).unwrap();
        let options = ConnectOptions {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            embedded: Some(sandbox.http_client()),
            ..ConnectOptions::default()
        };
        let reads = connect(&options).await.unwrap().reads;
        Ground {
            name,
            state: tempfile::tempdir().unwrap(),
            clock,
            interrupt: Interrupt::default(),
            policy: Policy::default(),
            consent: Consent::default(),
            reads,
        }
    }

    fn looked(&self, specs: &[Value]) -> Vec<(Declared, Observed)> {
        specs.iter().map(|spec| looked(&scope(self.name), spec.clone())).collect()
    }

    /// Plans and carries out; a run that goes on for a day of its clock is taken for endless.
    async fn run(&self, specs: &[Value]) -> Outcomes {
        let journal = Journal::open(self.state.path(), "test").unwrap().journal;
        self.run_in(&journal, specs).await
    }

    async fn run_in(&self, journal: &Journal, specs: &[Value]) -> Outcomes {
        let scope = scope(self.name);
        let windows = Windows::new(&self.policy.change_windows).unwrap();
        let judgement = Judgement {
            scope: &scope,
            policy: &self.policy,
            windows: &windows,
            exceptions: &[],
            consent: &self.consent,
            peers: &Peers::default(),
            partial: false,
            at: self.clock.now(),
        };
        let resources = self.looked(specs);
        let plan = plan(&judgement, &resources);
        let began = self.clock.now();
        let (clock, interrupt) = (&self.clock, &self.interrupt);
        let say = |_: &Said| {
            if clock.now().duration_since(began).as_hours() >= 24 {
                interrupt.stop();
            }
        };
        let execution = Execution {
            judgement,
            reads: self.reads.clone(),
            journal,
            clock: &self.clock,
            run: "run",
            interrupt: &self.interrupt,
            at_once: 8,
            say: &say,
        };
        execution.run(&plan, &resources.into_iter().map(|(declared, _)| declared).collect::<Vec<_>>()).await
    }

    fn log(&self) -> Vec<String> {
        enter(&world(self.name)).log.clone()
    }

    fn value(&self, id: &str, field: &str) -> i64 {
        enter(&world(self.name)).things.get(id).and_then(|thing| thing.get(field)).copied().unwrap_or_default()
    }

    fn records(&self) -> Vec<Record> {
        Journal::read(self.state.path(), "test").unwrap()
    }

    fn seconds(&self) -> i64 {
        self.clock.now().as_second() - "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_second()
    }
}

/// Things that exist and hold nothing yet.
fn empty(ids: &'static [&'static str]) -> impl Fn(&mut World) {
    move |world| {
        for id in ids {
            world.things.entry((*id).to_owned()).or_default();
        }
    }
}

fn answer(world: &mut World, id: &str, field: &str, answers: impl IntoIterator<Item = Answer>) {
    world.answers.insert((id.to_owned(), field.to_owned()), answers.into_iter().collect::<VecDeque<_>>());
}

fn failed(outcomes: &Outcomes, place: usize) -> (&str, &[String]) {
    match &outcomes.resources[place].end {
        End::Failed { message, undone, .. } => (message, undone),
        other => panic!("{other:?}"),
    }
}

fn one() -> Vec<Value> {
    vec![json!({"name": "a", "v": {"x": 1}})]
}

fn three() -> Vec<Value> {
    vec![json!({"name": "a", "v": {"s1": 1, "s2": 1, "s3": 1}})]
}

/// At three in the morning: which step it was, and what that left undone.
#[tokio::test]
async fn a_failure_names_its_step_and_those_that_were_not_tried() {
    let ground = Ground::new("failed-at", empty(&["a"])).await;
    answer(&mut enter(&world("failed-at")), "a", "s2", [Answer::Refused(Class::Denied)]);
    let outcomes = ground.run(&three()).await;
    failed(&outcomes, 0);
    let at = outcomes.resources[0].failed_at.as_deref().unwrap();
    assert_eq!((at.step.as_str(), at.fields.as_slice()), ("Set s2 of a", &["v.s2".to_owned()][..]));
    assert_eq!(at.not_tried, ["Set s3 of a"]);
    let ground = Ground::new("failed-not", empty(&["a"])).await;
    assert_eq!(ground.run(&three()).await.resources[0].failed_at, None);
}

#[tokio::test]
async fn every_answer_to_a_request() {
    use Answer::{Late, Lost, Meanwhile, Refused, Swallowed, Turns};
    let running = || Progress::Running("modifying".to_owned());
    // Answers, how it ends (the beginning of a message where it fails), requests sent.
    type Case = (&'static str, Vec<Answer>, &'static str, usize);
    let cases: Vec<Case> = vec![
        ("answer-none", vec![], "", 1),
        ("answer-late", vec![Late(6)], "", 1),
        ("answer-swallowed", vec![Swallowed], "\"Set x of a\": it was not done within 5 min", 1),
        ("answer-lost-applied", vec![Lost(true)], "", 1),
        ("answer-lost", vec![Lost(false)], "", 2),
        ("answer-lost-always", vec![Lost(false); 9], "\"Set x of a\": no answer to 5 tries", 5),
        ("answer-last-late", vec![Lost(false), Lost(false), Lost(false), Lost(false), Late(4)], "", 5),
        ("answer-busy", vec![Refused(Class::Busy); 4], "", 5),
        ("answer-throttled", vec![Refused(Class::Throttled); 40], "", 41),
        ("answer-exists", vec![Meanwhile(Class::AlreadyExists)], "", 1),
        ("answer-denied", vec![Refused(Class::Denied)], "sts:GetCallerIdentity: Denied", 1),
        ("answer-invalid", vec![Refused(Class::Invalid)], "sts:GetCallerIdentity: Invalid", 1),
        ("answer-gone", vec![Refused(Class::NotFound)], "sts:GetCallerIdentity: NotFound", 1),
        ("answer-hangs", vec![Turns(running())], "\"Set x of a\": it was not done within 5 min (modifying)", 1),
        ("answer-breaks", vec![Turns(Progress::Failed("create-failed".to_owned()))], "\"Set x of a\": create-failed", 1),
    ];
    for (name, answers, end, sent) in cases {
        let ground = Ground::new(name, empty(&["a"])).await;
        answer(&mut enter(&world(name)), "a", "x", answers);
        let outcomes = ground.run(&one()).await;
        match end {
            "" => assert_eq!(outcomes.resources[0].end, End::Changed, "{name}"),
            message => assert!(failed(&outcomes, 0).0.starts_with(message), "{name}: {outcomes:?}"),
        }
        let log = ground.log();
        assert_eq!(log.iter().filter(|line| *line == "a x=1").count(), sent, "{name}: {log:?}");
        // The journal grows with requests, not with passes.
        assert!(ground.records().len() <= 2 * log.len() + 4, "{name}: {} records", ground.records().len());
    }
}

/// A restart: what is seen after it is what was seen before.
#[tokio::test]
async fn what_looks_done_before_it_was_begun_is_begun_and_given_time() {
    for (name, answers, sent) in [("unclear", vec![], 1), ("unclear-lost", vec![Answer::Lost(true)], 2)] {
        let unclear = Progress::Unclear { what: "the restart to show".to_owned(), settle: std::time::Duration::from_secs(90) };
        let ground = Ground::new(name, |world| {
            empty(&["a"])(world);
            world.status.insert(("a".to_owned(), "x".to_owned()), unclear);
        })
        .await;
        answer(&mut enter(&world(name)), "a", "x", answers);
        let outcomes = ground.run(&one()).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "{name}");
        assert_eq!(ground.log(), vec!["a x=1"; sent], "{name}");
        assert!((90..250).contains(&ground.seconds()), "{name}: {} s", ground.seconds());
    }
}

#[tokio::test]
async fn busy_for_ever_ends_with_the_deadline_and_without_a_flood() {
    let ground = Ground::new("busy-for-ever", empty(&["a"])).await;
    answer(&mut enter(&world("busy-for-ever")), "a", "x", vec![Answer::Refused(Class::Busy); 10_000]);
    let outcomes = ground.run(&one()).await;
    assert!(failed(&outcomes, 0).0.contains("not done within 5 min"));
    assert!(ground.log().len() < 40, "{} requests in five minutes", ground.log().len());
}

#[tokio::test]
async fn throttling_longer_than_the_deadline_fails_nothing() {
    let ground = Ground::new("throttled-long", empty(&["a"])).await;
    answer(&mut enter(&world("throttled-long")), "a", "x", vec![Answer::Refused(Class::Throttled); 60]);
    assert_eq!(ground.run(&one()).await.resources[0].end, End::Changed);
    assert!(ground.seconds() > 600, "it took no longer than the deadline: {} s", ground.seconds());
}

#[tokio::test]
async fn what_somebody_else_left_running_has_a_deadline_too() {
    let ground = Ground::new("running-before", |world| {
        empty(&["a"])(world);
        world.status.insert(("a".to_owned(), "x".to_owned()), Progress::Running("modifying".to_owned()));
    })
    .await;
    assert!(failed(&ground.run(&one()).await, 0).0.contains("not done within 5 min (modifying; nothing was sent for it in this run)"));
    assert_eq!(ground.log(), Vec::<String>::new());
}

#[tokio::test]
async fn a_failure_takes_back_what_was_done_from_the_last() {
    let ground = Ground::new("unwind", empty(&["a"])).await;
    answer(&mut enter(&world("unwind")), "a", "s3", [Answer::Refused(Class::Invalid)]);
    let outcomes = ground.run(&three()).await;
    let (_, undone) = failed(&outcomes, 0);
    assert_eq!(undone, ["Set s2 of a", "Set s1 of a"]);
    assert_eq!(ground.log(), ["a s1=1", "a s2=1", "a s3=1", "a undo s2=0", "a undo s1=0"]);
    // Every step that was done is in the journal, though the next one failed in the same breath.
    let done = ground.records().iter().filter(|record| matches!(record.event, Event::StepDone { undo: false, .. })).count();
    assert_eq!(done, 2);
    assert_eq!(outcomes.resources[0].done, ["Set s1 of a", "Set s2 of a"]);
}

#[tokio::test]
async fn taking_back_is_asked_for_until_it_is_done() {
    let ground = Ground::new("unwind-hard", empty(&["a"])).await;
    {
        let world = world("unwind-hard");
        let mut world = enter(&world);
        answer(&mut world, "a", "s3", [Answer::Refused(Class::Invalid)]);
        answer(&mut world, "a", "undo s2", [Answer::Refused(Class::Busy), Answer::Lost(false), Answer::Late(2)]);
        // It is gone already: what is seen next decides, and nothing is stuck.
        answer(&mut world, "a", "undo s1", [Answer::Meanwhile(Class::NotFound)]);
    }
    let outcomes = ground.run(&three()).await;
    assert_eq!(failed(&outcomes, 0).1, ["Set s2 of a", "Set s1 of a"]);
    let sent = |line: &str| ground.log().iter().filter(|one| *one == line).count();
    assert_eq!((sent("a undo s2=0"), sent("a undo s1=0")), (3, 1));
}

#[tokio::test]
async fn a_state_that_cannot_be_left_is_stuck_and_nothing_more_is_tried() {
    let ground = Ground::new("broken", empty(&["a"])).await;
    answer(&mut enter(&world("broken")), "a", "s3", [Answer::Turns(Progress::Failed("broken".to_owned()))]);
    let outcomes = ground.run(&three()).await;
    let (message, undone) = failed(&outcomes, 0);
    assert!(message.contains("\"Set s3 of a\" could not be taken back"), "{message}");
    assert_eq!(undone, Vec::<String>::new());
    assert_eq!((ground.value("a", "s1"), ground.value("a", "s2")), (1, 1));
}

#[tokio::test]
async fn an_undo_that_fails_is_stuck_and_said() {
    let ground = Ground::new("stuck", empty(&["a"])).await;
    {
        let world = world("stuck");
        let mut world = enter(&world);
        answer(&mut world, "a", "s3", [Answer::Refused(Class::Invalid)]);
        answer(&mut world, "a", "undo s2", [Answer::Lost(false), Answer::Refused(Class::Busy), Answer::Late(3)]);
        answer(&mut world, "a", "undo s1", [Answer::Refused(Class::Denied)]);
    }
    let outcomes = ground.run(&three()).await;
    let (message, undone) = failed(&outcomes, 0);
    assert!(message.contains("Invalid") && message.contains("\"Set s1 of a\" could not be taken back"), "{message}");
    assert_eq!(undone, ["Set s2 of a"]);
    assert_eq!((ground.value("a", "s1"), ground.value("a", "s2")), (1, 0));
}

#[tokio::test]
async fn what_others_did_is_not_taken_back() {
    let ground = Ground::new("not-ours", empty(&["a"])).await;
    {
        let world = world("not-ours");
        let mut world = enter(&world);
        answer(&mut world, "a", "s1", [Answer::Meanwhile(Class::Busy)]);
        answer(&mut world, "a", "s2", [Answer::Meanwhile(Class::AlreadyExists)]);
        answer(&mut world, "a", "s3", [Answer::Refused(Class::Invalid)]);
    }
    let outcomes = ground.run(&three()).await;
    assert_eq!(failed(&outcomes, 0).1, Vec::<String>::new());
    assert!(ground.log().iter().all(|line| !line.contains("undo")), "{:?}", ground.log());
}

#[tokio::test]
async fn bug_1_an_endless_difference_is_detected() {
    let ground = Ground::new("endless", |world| {
        empty(&["a"])(world);
        world.fought = Some(("x".to_owned(), 7));
        // Seen as done once, then as before.
        world.status.insert(("a".to_owned(), "x".to_owned()), Progress::Done);
    })
    .await;
    let outcomes = ground.run(&one()).await;
    assert!(failed(&outcomes, 0).0.contains("still differs in v.x"), "{outcomes:?}");
    assert!(ground.log().len() <= 1 && ground.seconds() < 300);
}

#[tokio::test]
async fn a_second_round_runs_and_waits_for_consent_where_it_needs_one() {
    let spec = |disruptive: &[&str]| vec![json!({"name": "a", "v": {"x": 1, "y": 2}, "second": "y", "disruptive": disruptive})];
    let ground = Ground::new("rounds", empty(&["a"])).await;
    assert_eq!(ground.run(&spec(&[])).await.resources[0].end, End::Changed);
    assert_eq!(ground.log(), ["a x=1", "a y=2"]);

    let ground = Ground::new("rounds-held", empty(&["a"])).await;
    let outcomes = ground.run(&spec(&["y"])).await;
    let End::Partly { blocks } = &outcomes.resources[0].end else { panic!("{outcomes:?}") };
    assert_eq!((blocks[0].reason, ground.log()), (Reason::NeedsConsent, vec!["a x=1".to_owned()]));

    // What the first round brought to its end stands when the second fails.
    let ground = Ground::new("rounds-fail", empty(&["a"])).await;
    answer(&mut enter(&world("rounds-fail")), "a", "y", [Answer::Refused(Class::Invalid)]);
    let outcomes = ground.run(&spec(&[])).await;
    assert_eq!((failed(&outcomes, 0).1, ground.value("a", "x")), (&[] as &[String], 1));
}

#[tokio::test]
async fn held_steps_are_skipped_with_those_after_them() {
    let ground = Ground::new("held", empty(&["a"])).await;
    let spec = json!({"name": "a", "v": {"s1": 1, "s2": 1, "s3": 1}, "disruptive": ["s2"]});
    let outcomes = ground.run(&[spec]).await;
    let End::Partly { blocks } = &outcomes.resources[0].end else { panic!("{outcomes:?}") };
    assert_eq!(blocks.iter().map(|block| block.reason).collect::<Vec<_>>(), [Reason::NeedsConsent, Reason::WaitsForOther]);
    assert_eq!((ground.log(), &outcomes.resources[0].done), (vec!["a s1=1".to_owned()], &vec!["Set s1 of a".to_owned()]));
}

#[tokio::test]
async fn needs_come_first_circles_end_and_what_failed_stops_what_stands_on_it() {
    let thing = |name: &str, needs: &[&str]| json!({"name": name, "v": {"x": 1}, "needs": needs});
    let ground = Ground::new("needs", empty(&["a", "b", "c", "d", "e"])).await;
    let specs = [thing("a", &["b"]), thing("b", &["c"]), thing("c", &[]), thing("d", &["e"]), thing("e", &["d", "c"])];
    let outcomes = ground.run(&specs).await;
    assert!(outcomes.resources.iter().all(|one| one.end == End::Changed), "{outcomes:?}");
    let place = |line: &str| ground.log().iter().position(|one| one == line).unwrap();
    assert!(place("c x=1") < place("b x=1") && place("b x=1") < place("a x=1") && place("c x=1") < place("e x=1"));
    assert!(place("e x=1") < place("d x=1"), "the circle is broken at the need that closes it");

    let ground = Ground::new("needs-fail", empty(&["a", "b", "c"])).await;
    answer(&mut enter(&world("needs-fail")), "c", "x", [Answer::Refused(Class::Denied)]);
    let outcomes = ground.run(&[thing("a", &["b"]), thing("b", &["c"]), thing("c", &[])]).await;
    for (place, on) in [(0, "b"), (1, "c")] {
        let End::Blocked { blocks } = &outcomes.resources[place].end else { panic!("{outcomes:?}") };
        assert_eq!(blocks[0].reason, Reason::WaitsForOther);
        assert!(blocks[0].message.contains(&format!("test.things/{on}")));
    }
    assert_eq!(ground.log(), ["c x=1"]);
}

#[tokio::test]
async fn only_the_steps_that_need_what_failed_are_held_in_every_round() {
    // By its plan (c is not to be read), and while it is carried out (c fails).
    for (name, blocked) in [("needs-part-plan", true), ("needs-part-run", false)] {
        let ground = Ground::new(name, empty(&["a", "c"])).await;
        if blocked {
            enter(&world(name)).unreadable.insert("c".to_owned(), crate::kinds::Why::Denied);
        } else {
            answer(&mut enter(&world(name)), "c", "x", [Answer::Refused(Class::Denied)]);
        }
        let specs = [json!({"name": "a", "v": {"x": 1, "y": 1}, "needsFor": {"y": "c"}}), json!({"name": "c", "v": {"x": 1}})];
        let outcomes = ground.run(&specs).await;
        let End::Partly { blocks } = &outcomes.resources[0].end else { panic!("{outcomes:?}") };
        assert_eq!(
            blocks.iter().map(|block| (block.reason, block.fields.clone())).collect::<Vec<_>>(),
            [(Reason::WaitsForOther, vec!["v.y".to_owned()])]
        );
        assert!(blocks[0].message.contains("test.things/c"));
        assert_eq!((outcomes.resources[0].done.as_slice(), ground.value("a", "y")), (&["Set x of a".to_owned()][..], 0));
    }
}

/// Of c, x is set and y waits for consent: whoever needs x goes on, whoever needs y or all of c does not.
#[tokio::test]
async fn only_what_is_needed_of_a_thing_counts() {
    let ground = Ground::new("needs-parts", empty(&["a", "b", "c", "d"])).await;
    let needy = |name: &str, need: &str| json!({"name": name, "v": {"x": 1}, "needs": [need]});
    let c = json!({"name": "c", "v": {"x": 1, "y": 1}, "disruptive": ["y"]});
    let outcomes = ground.run(&[needy("a", "c.x"), needy("b", "c.y"), c, needy("d", "c")]).await;
    assert_eq!(ground.log(), ["c x=1", "a x=1"], "{outcomes:?}");
    assert!(matches!(outcomes.resources[0].end, End::Changed), "{outcomes:?}");
    for held in [1, 3] {
        let End::Blocked { blocks } = &outcomes.resources[held].end else { panic!("{outcomes:?}") };
        assert_eq!(blocks[0].reason, Reason::WaitsForOther);
    }
}

#[tokio::test]
async fn a_chain_of_ten_thousand_is_no_stack() {
    let thing = |at: usize| {
        let key = crate::kinds::Key::new("test.things", at.to_string());
        let mut one = crate::plan::plan_one(
            &Judgement {
                scope: &scope("chain"),
                policy: &Policy::default(),
                windows: &Windows::new(&[]).unwrap(),
                exceptions: &[],
                consent: &Consent::default(),
                peers: &Peers::default(),
                partial: false,
                at: Timestamp::UNIX_EPOCH,
            },
            &fake::declared(&scope("chain"), json!({"name": at.to_string()})),
            &None,
        );
        one.needs = vec![crate::kinds::Need::of_all("test.things", ((at + 1) % 10_000).to_string())];
        assert_eq!(one.key, key);
        one
    };
    let resources: Vec<_> = (0..10_000).map(thing).collect();
    let mut works: Vec<_> = resources.iter().enumerate().map(|(place, one)| work::Work::new(place, one)).collect();
    for work in &mut works {
        work.phase = work::Phase::Stepping(0);
    }
    let order = order::Order::new(&resources);
    assert_eq!(order.ready(&works), [9_999]);
    works[9_999].phase = work::Phase::Ended(End::Blocked { blocks: Vec::new() });
    order.hold_needy(&mut works);
    assert!(works.iter().all(work::Work::ended));
}

#[tokio::test]
async fn an_interrupt_finishes_the_request_under_way_and_records_it() {
    let ground = Ground::new("interrupt", empty(&["a", "b"])).await;
    let interrupt = ground.interrupt.clone();
    enter(&world("interrupt")).probe = Some(Arc::new(move |_| interrupt.stop()));
    let specs = [json!({"name": "a", "v": {"x": 1, "y": 1}}), json!({"name": "b", "v": {"x": 1}})];
    let outcomes = ground.run(&specs).await;
    assert!(outcomes.interrupted() && outcomes.stopped.is_none());
    assert_eq!(ground.log(), ["a x=1"], "nothing new is begun");
    let outcomes: Vec<Outcome> = ground
        .records()
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Outcome { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, [Outcome::Acknowledged, Outcome::NotSent]);
    assert!(ground.records().iter().any(|record| matches!(&record.event, Event::ResourceEnded { end, .. } if end == "interrupted")));
}

#[tokio::test]
async fn what_is_not_online_does_not_begin_after_its_window_has_closed() {
    let mut ground = Ground::new("closing", empty(&["a"])).await;
    let window = json!({"days": ["Thu"], "from": "00:00", "to": "00:10", "timeZone": "UTC"});
    ground.policy.disruptive = crate::manifest::Disruptive::Allow;
    ground.policy.change_windows = vec![serde_json::from_value(window).unwrap()];
    let clock = ground.clock.clone();
    // The first request takes longer than the window is open.
    enter(&world("closing")).probe = Some(Arc::new(move |_| clock.advance(std::time::Duration::from_secs(1200))));
    let specs = [json!({"name": "a", "v": {"x": 1, "y": 1}, "disruptive": ["y"]})];
    let outcomes = ground.run(&specs).await;
    assert_eq!(ground.log(), ["a x=1"]);
    let End::Partly { blocks } = &outcomes.resources[0].end else { panic!("{:?}", outcomes.resources[0].end) };
    assert_eq!(blocks.iter().map(|block| block.reason).collect::<Vec<_>>(), [Reason::OutsideChangeWindow]);
    // The next week it does.
    enter(&world("closing")).probe = None;
    ground.clock.advance(std::time::Duration::from_secs((7 * 24 * 3600 + 60 - ground.seconds()).try_into().unwrap()));
    ground.run(&specs).await;
    assert_eq!(ground.value("a", "y"), 1);
}

#[tokio::test]
async fn refused_credentials_stop_the_run() {
    let ground = Ground::new("credentials", empty(&["a", "b"])).await;
    answer(&mut enter(&world("credentials")), "a", "x", [Answer::Refused(Class::Credentials)]);
    let outcomes = ground.run(&[json!({"name": "a", "v": {"x": 1}}), json!({"name": "b", "v": {"x": 1, "y": 1}})]).await;
    assert!(outcomes.stopped.as_deref().is_some_and(|stopped| stopped.contains("renew them")));
    assert!(outcomes.failed().next().is_none() && outcomes.interrupted());
    assert!(ground.log().iter().all(|line| !line.contains("y=1") && !line.contains("undo")));
}

#[tokio::test]
async fn what_cannot_be_read_in_the_middle_is_waited_for_or_said() {
    for (name, why, end) in [("read-denied", Why::Denied, "sts:GetCallerIdentity: no"), ("read-failed", Why::Failed, "could not be read")] {
        let ground = Ground::new(name, empty(&["a"])).await;
        answer(&mut enter(&world(name)), "a", "x", [Answer::Swallowed]);
        let target = world(name);
        let weak = Arc::downgrade(&target);
        enter(&target).probe = Some(Arc::new(move |_| {
            if let Some(world) = weak.upgrade() {
                enter(&world).unreadable.insert("a".to_owned(), why);
            }
        }));
        let outcomes = ground.run(&one()).await;
        assert!(failed(&outcomes, 0).0.contains(end), "{name}: {outcomes:?}");
    }
}

/// Contract 6: at every request, and at every crash right after it, the journal on disk holds its intent.
#[tokio::test]
async fn no_effect_without_a_flushed_intent() {
    let ground = Ground::new("intents", empty(&["a", "b"])).await;
    answer(&mut enter(&world("intents")), "a", "s3", [Answer::Refused(Class::Invalid)]);
    let copies: Arc<Mutex<Vec<(String, tempfile::TempDir)>>> = Arc::default();
    let (kept, state) = (Arc::clone(&copies), ground.state.path().to_owned());
    enter(&world("intents")).probe = Some(Arc::new(move |op| {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(&state, copy.path());
        kept.lock().unwrap().push((serde_json::to_string(op).unwrap(), copy));
    }));
    let mut specs = three();
    specs.push(json!({"name": "b", "v": {"x": 1}}));
    ground.run(&specs).await;
    enter(&world("intents")).probe = None;
    let copies = copies.lock().unwrap();
    assert_eq!(copies.len(), ground.log().len());
    for (op, copy) in copies.iter() {
        let opened = Journal::open(copy.path(), "test").unwrap();
        assert!(opened.set_aside.is_none());
        let op: Operation = serde_json::from_str(op).unwrap();
        let found = opened.past.interrupted.iter().any(|record| matches!(&record.event, Event::Intent { op: other, .. } if *other == op));
        assert!(found, "no intent on disk for {op:?}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[tokio::test]
async fn ten_thousand_resources_cost_no_square() {
    let ground = Ground::new("many", |world| {
        for at in 0..10_000 {
            world.things.insert(format!("t{at}"), Default::default());
        }
    })
    .await;
    let mut ground = ground;
    ground.policy.max_changes = 1_000_000;
    let specs: Vec<Value> = (0..10_000).map(|at| json!({"name": format!("t{at}"), "v": {"x": 1}})).collect();
    let began = std::time::Instant::now();
    let outcomes = ground.run(&specs).await;
    println!("10,000 resources changed in {:?}", began.elapsed());
    assert_eq!(outcomes.counts().changed, 10_000);
    assert_eq!(enter(&world("many")).looks, 30_000, "one look before the step, one for it and one for the whole");
}

#[tokio::test]
async fn what_somebody_else_changed_is_planned_anew_and_never_overwritten() {
    // It never comes to rest: planned again a few times, and then given up, without a single request.
    let stale = || Progress::Stale("somebody else changed it".to_owned());
    let ground = Ground::new("stale", |world| {
        empty(&["a"])(world);
        world.status.insert(("a".to_owned(), "x".to_owned()), stale());
    })
    .await;
    let outcomes = ground.run(&one()).await;
    assert!(failed(&outcomes, 0).0.contains("planned 8 times"), "{outcomes:?}");
    assert_eq!(ground.log(), Vec::<String>::new());
    // An older document after a request of this run is waited out, and is no sign of somebody else.
    let ground = Ground::new("stale once", |world| {
        empty(&["a"])(world);
        answer(world, "a", "x", [Answer::Turns(stale())]);
    })
    .await;
    let outcomes = ground.run(&one()).await;
    assert_eq!(ground.log(), ["a x=1"], "{outcomes:?}");
    assert!(ground.seconds() >= 30);
}
