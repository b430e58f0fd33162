//! What is not lost when the oldest records go.

use super::*;

fn at(journal: &Journal, object: &str, at: Timestamp, events: Vec<Event>) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(journal.append("run", object, at, events, true)).unwrap()
}

fn due(id: &str) -> Event {
    let text = |text: &str| text.to_owned();
    Event::NotificationDue { id: text(id), topic: text("t"), part: String::new(), state: text("s"), subject: text("a"), body: text("b") }
}

fn sent(topic: &str, state: &str) -> Event {
    Event::NotificationSent { id: "sent".to_owned(), topic: topic.to_owned(), part: String::new(), state: state.to_owned() }
}

/// A run over ten thousand resources writes more records than are kept.
#[test]
fn what_still_counts_outlives_a_large_run() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Journal::open(folder.path(), "test").unwrap();
    let now = Timestamp::now();
    let hours = |hours: i64| now - jiff::SignedDuration::from_hours(hours);
    let consented = |plan: &str| Event::Consented {
        plan: plan.to_owned(),
        steps: vec!["s1".to_owned(), "s2".to_owned()],
        of: Vec::new(),
        under_way: Default::default(),
    };
    let done = |digest: &str| Event::StepDone {
        resource: Key::new("test.things", "one"),
        step: "a".to_owned(),
        digest: digest.to_owned(),
        undo: false,
    };
    at(&opened.journal, "late", hours(100), vec![consented("late")]);
    at(&opened.journal, "half", hours(23), vec![consented("half"), done("s1")]);
    at(&opened.journal, "whole", hours(23), vec![consented("whole"), done("s1"), done("s2")]);
    let revoked = |plan: &str| Event::ConsentRevoked { plan: plan.to_owned() };
    at(&opened.journal, "revoked", hours(23), vec![consented("revoked"), consented("other"), revoked("revoked")]);
    at(&opened.journal, "o", hours(1), vec![due("lost"), due("sent")]);
    at(&opened.journal, "o", hours(1), vec![sent("t", "well"), sent("u", "well")]);
    at(&opened.journal, "o", hours(1), vec![sent("t", "blocked")]);
    let open = at(&opened.journal, "o", hours(1), vec![intent("open"), intent("answered")]);
    at(&opened.journal, "o", now, vec![Event::Outcome { intent: open[1], outcome: Outcome::Acknowledged }]);
    let once = |step: &str| match intent(step) {
        Event::Intent { resource, step, op, .. } => {
            Event::Intent { resource, step, op, undo: false, attempt: 1, uses: Some("s2".to_owned()) }
        }
        other => other,
    };
    at(&opened.journal, "begun", hours(2), vec![consented("begun"), done("s1"), once("begun")]);
    at(&opened.journal, "o", now, (0..open::KEPT).map(|_| done("other")).collect());
    at(&opened.journal, "begun", now, vec![consented("again")]);
    drop(opened);

    // It is shortened once, then again with the records that were written once more, and nothing grows.
    for round in 0..4 {
        let opened = Journal::open(folder.path(), "test").unwrap();
        assert!(opened.set_aside.is_none(), "{:?}", opened.set_aside);
        let past = opened.past;
        let given = |object: &str| past.consents.iter().filter(|given| given.object == object).collect::<Vec<_>>();
        assert_eq!(given("half").len(), 1, "round {round}: a consent is forgotten, and could be given again");
        assert_eq!((given("half")[0].at, given("half")[0].plan.as_str()), (hours(23), "half"));
        assert_eq!(given("half")[0].open, ["s2".to_owned()].into());
        assert_eq!((given("whole").len(), given("whole")[0].open.len()), (1, 0), "round {round}: a consent that was used up counts again");
        let left: Vec<&str> = given("revoked").iter().map(|given| given.plan.as_str()).collect();
        assert_eq!(left, ["other"], "round {round}: what was taken back counts again, or what was not is gone");
        // Of the intent nobody knows what came; a consent that was given after it, and after what was done, is not used up by them.
        let mut begun: Vec<(&str, usize)> = given("begun").iter().map(|given| (given.plan.as_str(), given.open.len())).collect();
        begun.sort_unstable();
        assert_eq!(begun, [("again", 2), ("begun", 0)], "round {round}");
        let at_its_end = |plan: &str| given("begun").iter().any(|given| given.plan == plan && given.is_at_its_end());
        let under_way: Vec<&String> = given("begun").iter().flat_map(|given| given.under_way.keys()).collect();
        assert_eq!((under_way, at_its_end("begun")), (vec![&"s2".to_owned()], false), "round {round}: what was begun is forgotten");
        assert_eq!(given("late").len(), usize::from(round == 0), "round {round}");
        assert_eq!(past.unsent.len(), 1, "round {round}");
        let told: Vec<&str> = past.told.values().map(String::as_str).collect();
        assert_eq!(told, ["blocked", "well"], "round {round}");
        let steps: Vec<String> = past.interrupted.iter().map(|record| record.event.words()).collect();
        assert!(matches!(steps.as_slice(), [open, begun] if open.contains("open") && begun.contains("begun")), "round {round}: {steps:?}");
        let records = opened.journal.records().unwrap();
        assert!((open::KEPT..open::KEPT + 15).contains(&records.len()), "round {round}: {}", records.len());
        assert!(records.windows(2).all(|two| two[1].previous == crate::hex::sha256(serde_json::to_vec(&two[0]).unwrap())));
    }
}
