//! One consent, one restart: it is not lost where the restart has to wait, and does not count for a second one.

use std::time::Duration;

use super::pipeline::{Account, ops};
use crate::clock::later;
use crate::execute::{End, Outcomes};
use crate::kinds::{Block, Reason};
use crate::sandbox::faults::{Fault, Faults};

/// Others set parameters in the group, too.
const TEAM: &str = "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team}
  parameterGroups:
    team: {family: postgres14, parameters: {rds.force_ssl: '1', shared_buffers: '1000'}}
";

const APPROVE: &str = "{disruptive: Approve}";
/// The run begins on a Thursday at midnight.
const WINDOW: &str = "{disruptive: Approve, changeWindows: [{days: [Thu], from: '06:00', to: '08:00', timeZone: UTC}]}";

/// Setting it is online, and putting it in force a restart.
const WISH: &str = "    - {name: db, parameters: {track_activity_query_size: 8192}}";

fn blocks(outcomes: &Outcomes) -> Vec<Reason> {
    outcomes.resources[0].end.blocks().unwrap_or_default().iter().map(|block: &Block| block.reason).collect()
}

fn in_force(account: &Account) -> bool {
    account.in_force("db", "track_activity_query_size").as_deref() == Some("8192")
}

#[tokio::test]
async fn a_restart_that_waits_for_its_window_goes_on_with_its_consent() {
    let account = Account::new(TEAM);
    let hash = account.hash(WINDOW, WISH).await;
    let (plan, outcomes) = account.run(WINDOW, WISH, Some(&hash)).await;
    assert_eq!(ops(&plan.resources[0].steps), ["setParameters", "reboot"]);
    assert_eq!((blocks(&outcomes), account.restarts()), (vec![Reason::OutsideChangeWindow], 0));
    // Before it opens nothing is done, and nobody is asked.
    let (plan, outcomes) = account.run(WINDOW, WISH, None).await;
    assert_eq!((ops(&plan.resources[0].steps), blocks(&outcomes)), (vec!["reboot".to_owned()], vec![Reason::OutsideChangeWindow]));
    account.sandbox.clock().advance(Duration::from_secs(7 * 3600));
    let (_, outcomes) = account.run(WINDOW, WISH, None).await;
    assert_eq!((outcomes.resources[0].end.clone(), account.restarts()), (End::Changed, 1));
    assert!(in_force(&account) && account.run(WINDOW, WISH, None).await.0.in_sync());
}

/// A day later it is another day's consent.
#[tokio::test]
async fn a_restart_that_waits_longer_than_a_day_is_asked_for_again() {
    let window = WINDOW.replace("Thu", "Fri");
    let account = Account::new(TEAM);
    let hash = account.hash(&window, WISH).await;
    account.run(&window, WISH, Some(&hash)).await;
    account.sandbox.clock().advance(Duration::from_secs(31 * 3600));
    let (_, outcomes) = account.run(&window, WISH, None).await;
    assert_eq!((blocks(&outcomes), account.restarts()), (vec![Reason::NeedsConsent], 0));
}

/// What it brings belongs to the consent: where somebody sets one more parameter in between, it is another restart.
#[tokio::test]
async fn a_restart_that_brings_more_by_the_time_of_its_window_is_asked_for_again() {
    let account = Account::new(TEAM);
    let hash = account.hash(WINDOW, WISH).await;
    account.run(WINDOW, WISH, Some(&hash)).await;
    account.sandbox.edit(|world| {
        let team = world.rds.parameter_groups.get_mut("team").unwrap();
        team.parameters.insert("max_wal_senders".to_owned(), "30".to_owned());
    });
    account.sandbox.clock().advance(Duration::from_secs(7 * 3600));
    let (_, outcomes) = account.run(WINDOW, WISH, None).await;
    assert_eq!((blocks(&outcomes), account.restarts()), (vec![Reason::NeedsConsent], 0));
}

/// The process ends at any of its writes and on either side of it: the next run goes on with the consent, and no course has two restarts. Where the restart
/// itself may have been sent, the consent is used up.
#[tokio::test]
async fn a_run_that_ends_before_its_restart_leaves_the_consent_to_the_next() {
    let undisturbed = Account::new(TEAM);
    let hash = undisturbed.hash(APPROVE, WISH).await;
    undisturbed.run(APPROVE, WISH, Some(&hash)).await;
    let writes: Vec<(u64, String)> = undisturbed.sandbox.writes().into_iter().map(|write| (write.number, write.operation)).collect();
    let names: Vec<&str> = writes.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["ModifyDBParameterGroup", "RebootDBInstance"]);
    for fault in [Fault::EndBefore, Fault::EndAfter] {
        for (number, name) in &writes {
            let (account, next) = ended(TEAM, *number, fault.clone(), &hash).await;
            // Longer than an instance takes to notice a change of its group.
            next.sandbox.clock().advance(Duration::from_secs(120));
            let (_, outcomes) = next.run(APPROVE, WISH, None).await;
            let restarts = account.restarts() + next.restarts();
            match (name.as_str(), &fault) {
                ("ModifyDBParameterGroup", _) => {
                    assert_eq!(outcomes.resources[0].end, End::Changed, "{fault:?} at {name}");
                    assert!(in_force(&next) && restarts == 1, "{fault:?} at {name}");
                }
                // It was about to be sent when the process ended: whether it was, that journal cannot tell.
                (_, Fault::EndBefore) => {
                    assert_eq!((blocks(&outcomes), next.restarts(), in_force(&next)), (vec![Reason::NeedsConsent], 0, false), "{name}");
                    let block = &outcomes.resources[0].end.blocks().unwrap()[0];
                    assert!(block.message.contains("counted for one beginning"), "{}", block.message);
                    let hash = next.hash(APPROVE, WISH).await;
                    next.run(APPROVE, WISH, Some(&hash)).await;
                    assert!(in_force(&next) && next.restarts() == 1);
                }
                _ => assert!(in_force(&next) && restarts == 1, "{fault:?} at {name}"),
            }
        }
    }
}

/// The account of a run that was ended at its call of that number, and the same for the next process.
async fn ended(yaml: &str, number: u64, fault: Fault, hash: &str) -> (Account, Account) {
    let account = Account::with(yaml, Faults::once(number, fault.clone()));
    // The number counts the calls of the look for the hash, too.
    assert_eq!(account.hash(APPROVE, WISH).await, hash);
    tokio::select! {
        _ = account.run(APPROVE, WISH, Some(hash)) => panic!("{fault:?} at {number} did not end the run"),
        _ = account.sandbox.ended() => {}
    }
    let next = account.with_its_journal();
    (account, next)
}

/// A parameter that somebody has set already: the plan is the restart alone, today and after it was begun.
const ALONE: &str = "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team, pendingReboot: true}
  parameterGroups:
    team: {family: postgres14, parameters: {track_activity_query_size: '8192'}}
";

/// The run ends right after the restart was asked for: the next one, with the same command or without the hash, follows it to its end and begins no other.
#[tokio::test]
async fn a_restart_that_was_begun_is_followed_by_the_next_run() {
    let (hash, number) = alone().await;
    for approve in [None, Some(hash.as_str())] {
        let next = ended(ALONE, number, Fault::EndAfter, &hash).await.1;
        let (plan, outcomes) = next.run(APPROVE, WISH, approve).await;
        assert_eq!((plan.hash == hash, outcomes.resources[0].end.clone(), next.restarts()), (true, End::Changed, 0), "{approve:?}");
        assert!(in_force(&next));
        // It was seen done: what comes back is asked about, whether by its hash or not.
        next.sandbox.edit(|world| world.rds.instances.get_mut("db").unwrap().pending_reboot = true);
        let (_, outcomes) = next.run(APPROVE, WISH, approve).await;
        assert_eq!((blocks(&outcomes), next.restarts()), (vec![Reason::NeedsConsent], 0), "{approve:?}");
    }
}

/// The run ends right before it: nobody knows, so that no other is begun. A person who has looked takes the consent back, and gives it anew by the same hash.
#[tokio::test]
async fn a_restart_that_may_have_been_begun_is_consented_to_anew() {
    let (hash, number) = alone().await;
    let next = ended(ALONE, number, Fault::EndBefore, &hash).await.1;
    for approve in [None, Some(hash.as_str())] {
        let (_, outcomes) = next.run(APPROVE, WISH, approve).await;
        assert_eq!((blocks(&outcomes), next.restarts()), (vec![Reason::NeedsConsent], 0), "{approve:?}");
        let block = &outcomes.resources[0].end.blocks().unwrap()[0];
        assert!(block.message.contains("counted for one beginning") && block.what_to_do.contains("journal revoke"), "{block:?}");
    }
    next.revoke(&hash).await;
    let (_, outcomes) = next.run(APPROVE, WISH, Some(&hash)).await;
    assert_eq!((outcomes.resources[0].end.clone(), next.restarts()), (End::Changed, 1));
}

/// Nobody saw it at its end: it is over all the same once nothing differs. What is set back and declared anew is another restart.
#[tokio::test]
async fn a_restart_that_ended_between_two_runs_is_followed_no_more() {
    let (hash, number) = alone().await;
    let next = ended(ALONE, number, Fault::EndAfter, &hash).await.1;
    next.sandbox.clock().advance(Duration::from_secs(600));
    let (plan, _) = next.run(APPROVE, WISH, None).await;
    assert!(plan.in_sync(), "{plan:#?}");
    next.sandbox.edit(|world| world.rds.instances.get_mut("db").unwrap().pending_reboot = true);
    let (plan, outcomes) = next.run(APPROVE, WISH, None).await;
    assert!(plan.resources[0].steps[0].held.is_some(), "{plan:#?}");
    assert_eq!((blocks(&outcomes), next.restarts()), (vec![Reason::NeedsConsent], 0));
}

/// What was begun is no change of the run that follows it: `maxChanges` does not hold it back, nor does it hold back others by it.
#[tokio::test]
async fn what_is_followed_counts_for_no_change() {
    let (hash, number) = alone().await;
    let next = ended(ALONE, number, Fault::EndAfter, &hash).await.1;
    let (_, outcomes) = next.run("{disruptive: Approve, maxChanges: 0}", WISH, None).await;
    assert_eq!((outcomes.resources[0].end.clone(), next.restarts()), (End::Changed, 0));
}

/// The hash of the plan, and which call the restart is in a run that looks for the hash first.
async fn alone() -> (String, u64) {
    let undisturbed = Account::new(ALONE);
    let hash = undisturbed.hash(APPROVE, WISH).await;
    let (plan, _) = undisturbed.run(APPROVE, WISH, Some(&hash)).await;
    assert_eq!(ops(&plan.resources[0].steps), ["reboot"]);
    (hash, undisturbed.sandbox.writes().last().unwrap().number)
}

/// A restart puts in force what is declared: one that was consented to for one value is not consented to for another that is declared since.
#[tokio::test]
async fn a_restart_for_more_that_is_declared_is_asked_for_again() {
    let account = Account::new(TEAM);
    let hash = account.hash(WINDOW, WISH).await;
    account.run(WINDOW, WISH, Some(&hash)).await;
    account.sandbox.clock().advance(Duration::from_secs(7 * 3600));
    let wish = "    - {name: db, parameters: {track_activity_query_size: 8192, shared_buffers: 2000}}";
    let (_, outcomes) = account.run(WINDOW, wish, None).await;
    assert_eq!((blocks(&outcomes), account.restarts()), (vec![Reason::NeedsConsent], 0));
    // One that an exception kept as it is, until the consent was given.
    let excepted = "    - {name: db, parameters: {track_activity_query_size: 8192, shared_buffers: 2000}}\n  exceptions:\n    - {resource: rds.instances/db, field: parameters.shared_buffers, until: 2026-01-01, reason: r}";
    let account = Account::new(TEAM);
    let hash = account.hash(WINDOW, excepted).await;
    let (plan, _) = account.run(WINDOW, excepted, Some(&hash)).await;
    assert_eq!(
        (ops(&plan.resources[0].steps), plan.resources[0].excepted.len()),
        (vec!["setParameters".to_owned(), "reboot".to_owned()], 1)
    );
    account.sandbox.clock().advance(Duration::from_secs(7 * 3600));
    let (_, outcomes) = account.run(WINDOW, wish, None).await;
    assert_eq!((blocks(&outcomes), account.restarts()), (vec![Reason::NeedsConsent], 0));
    // Nor is it by the hash of a restart for another value.
    let (one, _) = alone().await;
    let other = Account::new(&ALONE.replace("track_activity_query_size: '8192'", "max_connections: '300'"));
    assert_ne!(one, other.hash(APPROVE, "    - {name: db, parameters: {max_connections: 300}}").await);
}

/// A request that was refused did nothing: the consent to it counts on.
#[tokio::test]
async fn a_restart_that_was_refused_goes_on_with_its_consent() {
    let account = Account::with(TEAM, Faults { denied: vec!["RebootDBInstance".to_owned()], ..Faults::default() });
    let hash = account.hash(APPROVE, WISH).await;
    let (_, outcomes) = account.run(APPROVE, WISH, Some(&hash)).await;
    assert!(matches!(outcomes.resources[0].end, End::Failed { .. }) && outcomes.resources[0].spent.is_empty(), "{outcomes:?}");
    let next = account.with_its_journal();
    let (_, outcomes) = next.run(APPROVE, WISH, None).await;
    assert_eq!((outcomes.resources[0].end.clone(), next.restarts()), (End::Changed, 1));
}

/// No answer came to it: it may have been done. It is not sent a second time on the same consent, whatever is seen then.
#[tokio::test]
async fn a_restart_without_an_answer_is_not_sent_twice() {
    let undisturbed = Account::new(TEAM);
    let hash = undisturbed.hash(APPROVE, WISH).await;
    undisturbed.run(APPROVE, WISH, Some(&hash)).await;
    let number = undisturbed.sandbox.writes().last().unwrap().number;
    for (fault, restarted) in [(Fault::CutBefore, false), (Fault::CutAfter, true)] {
        let account = Account::with(TEAM, Faults::once(number, fault.clone()));
        account.hash(APPROVE, WISH).await;
        let (_, outcomes) = account.run(APPROVE, WISH, Some(&hash)).await;
        assert_eq!((account.restarts(), in_force(&account)), (1, restarted), "{fault:?}: {outcomes:?}");
        assert_eq!(outcomes.resources[0].spent.len(), 1);
        match restarted {
            false => assert_eq!(blocks(&outcomes), [Reason::NeedsConsent]),
            true => assert_eq!(outcomes.resources[0].end, End::Changed),
        }
    }
    // Where the policy needs no consent, it is.
    let account = Account::with(TEAM, Faults::once(number, Fault::CutBefore));
    account.hash(APPROVE, WISH).await;
    let (_, outcomes) = account.run("{disruptive: Allow}", WISH, None).await;
    assert_eq!((outcomes.resources[0].end.clone(), account.restarts()), (End::Changed, 2));
    assert!(in_force(&account));
}

/// The group was not complete: the restart leaves it out of force, and another is needed. That one is another's consent.
#[tokio::test]
async fn a_second_restart_asks_again() {
    let begin = async |wish: &str| {
        let account = Account::new(TEAM);
        let soon = later(account.sandbox.clock().now(), Duration::from_secs(250));
        account.sandbox.edit(|world| world.rds.parameter_groups.get_mut("team").unwrap().complete_at = Some(soon));
        let hash = account.hash(APPROVE, wish).await;
        let (_, outcomes) = account.run(APPROVE, wish, Some(&hash)).await;
        (account, outcomes)
    };
    let (account, outcomes) = begin(WISH).await;
    assert_eq!((blocks(&outcomes), account.restarts(), in_force(&account)), (vec![Reason::NeedsConsent], 1, false), "{outcomes:?}");
    let block = &outcomes.resources[0].end.blocks().unwrap()[0];
    assert!(block.message.contains("counted for one beginning") && block.what_to_do.contains("--approve"), "{block:?}");
    // Nor does the next run take the consent for it.
    let (plan, outcomes) = account.run(APPROVE, WISH, None).await;
    assert_eq!((ops(&plan.resources[0].steps), blocks(&outcomes)), (vec!["reboot".to_owned()], vec![Reason::NeedsConsent]));
    let hash = plan.hash.clone();
    let (_, outcomes) = account.run(APPROVE, WISH, Some(&hash)).await;
    assert_eq!((outcomes.resources[0].end.clone(), account.restarts()), (End::Changed, 2));
    assert!(in_force(&account));
}

/// What waits in the group is nothing that is declared: a restart that nobody asked for waits for consent, whatever the policy, and the difference stays.
#[tokio::test]
async fn nobody_is_restarted_for_what_nobody_declared() {
    const ALLOW: &str = "{disruptive: Allow}";
    let waiting = |group: &str, parameters: &str| {
        Account::new(&format!(
            "account: '317805897534'\nrds:\n  instances:\n    db: {{engineVersion: '14.9', parameterGroup: {group}, pendingReboot: true}}\n  \
             parameterGroups:\n    {group}: {{family: postgres14, parameters: {{{parameters}}}, immediate: [log_connections]}}\n"
        ))
    };
    let wish = "    - {name: db, parameters: {log_connections: 1}}";
    let account = waiting("team", "log_connections: '1', shared_buffers: '1000'");
    let (plan, outcomes) = account.run(ALLOW, wish, None).await;
    assert_eq!((blocks(&outcomes), account.restarts()), (vec![Reason::NeedsConsent], 0));
    let step = &plan.resources[0].steps[0];
    assert_eq!((step.fields.as_slice(), plan.resources[0].drifts.len()), (&["parametersInForce".to_owned()][..], 1));
    let block = step.held.as_ref().unwrap();
    assert!(block.message.contains("policy.disruptive: Allow does not count"), "{}", block.message);
    assert!(step.takes.contains("none of the declared parameters needs a restart"), "{}", step.takes);
    account.run(ALLOW, wish, Some(&plan.hash)).await;
    assert_eq!((account.restarts(), account.in_force("db", "shared_buffers").as_deref()), (1, Some("1000")));
    // One of the declared ones may be what waits: static, set back perhaps, or dynamic and set for the next restart. Or the group was attached for them.
    let own = "holdfast-db-postgres14";
    for (group, parameters, declared) in [
        ("team", "shared_buffers: '1000', max_connections: '200'", "max_connections: 200"),
        ("team", "shared_buffers: '1000'", "max_connections: null"),
        ("team", "shared_buffers: '1000', log_statement: ddl", "log_statement: ddl"),
        (own, "shared_buffers: '1000', log_connections: '1'", "log_connections: 1"),
    ] {
        let account = waiting(group, parameters);
        let wish = format!("    - {{name: db, parameters: {{{declared}}}}}");
        let (_, outcomes) = account.run(ALLOW, &wish, None).await;
        assert_eq!((outcomes.resources[0].end.clone(), account.restarts()), (End::Changed, 1), "{group} {declared}");
    }
}
