//! Back after the commit: the same application, which writes all the time, and a person who wants the old group.

use std::time::Duration;

use super::super::account::Account;
use super::{Application, OLD, address, endpoint, read_secret, serving, wish};
use crate::aws::Connection;
use crate::execute::{End, Outcomes, Said};
use crate::kinds::elasticache::{Move, MoveCommand, MovePhase, MoveStatus, ReplicationGroupSpec, ReplicationGroups};
use crate::kinds::{Kind, Operation, registry};
use crate::migration::wire::{Endpoint, Link, Login, Name, Tls};

const NEW: &str = "huntaze-redis-72348fb3";

pub(super) async fn process(account: &Account) -> Connection {
    crate::reconcile::connected(&account.baseline(&wish()), &account.connect).await.unwrap()
}

pub(super) async fn found(account: &Account, process: &Connection) -> Move {
    found_of(account, process, &wish()).await
}

async fn found_of(account: &Account, process: &Connection, wish: &str) -> Move {
    let baseline = account.baseline(wish);
    let spec: &ReplicationGroupSpec = baseline.entries[0].spec.downcast_ref().unwrap();
    Move::look(&process.reads.fresh(), &baseline.scope, spec).await.unwrap()
}

pub(super) async fn status(account: &Account) -> MoveStatus {
    found(account, &process(account).await).await.status()
}

/// `holdfast migration rollback`, without the run that comes with it.
pub(super) async fn ask(account: &Account, process: &Connection, give_up_writes: bool) {
    ask_of(account, process, &wish(), give_up_writes).await;
}

pub(super) async fn ask_of(account: &Account, process: &Connection, wish: &str, give_up_writes: bool) {
    let step = found_of(account, process, wish).await.step(MoveCommand::RollBack { give_up_writes }).unwrap();
    let (_, op) = step.expect("something to be done");
    let kind = registry().iter().find(|kind| kind.path() == ReplicationGroups::PATH).unwrap();
    kind.start(&process.reads.fresh().writes(&account.journal()), &Operation::from(op)).await.unwrap();
}

pub(super) async fn apply(account: &Account, process: &Connection) -> Outcomes {
    account.apply_in(process, &wish(), |_| false).await
}

/// An application on the new group, and the process that moved it there.
pub(super) async fn moved() -> Option<(Account, Application, Connection)> {
    let (account, application) = serving(super::FLAT).await?;
    let process = process(&account).await;
    let outcomes = apply(&account, &process).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    application.writes_more(200).await;
    Some((account, application, process))
}

/// The old group serves, the new one is gone but for a last snapshot, and no write is lost.
pub(super) async fn is_back(account: &Account, application: Application, end: &End, what: &str) {
    assert!(matches!(end, End::RolledBack { .. }), "{what}: {end:?}");
    application.writes_more(200).await;
    let world = account.sandbox.world();
    assert_eq!(world.elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD], "{what}");
    assert_eq!(world.elasticache.snapshots.keys().collect::<Vec<_>>(), [&format!("{NEW}-1-back")], "{what}");
    assert!(world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-")), "{what}");
    assert_eq!(world.elasticache.replication_groups[OLD].parameter_group, None, "{what}: its own parameter group");
    assert!(read_secret(&account.sandbox).starts_with("redis://"), "{what}");
    assert_eq!(application.lost(account).await, [""; 0], "{what}");
}

/// A person who still knows the old group's address.
pub(super) async fn on_the_old_group(account: &Account, command: &[&str]) {
    let (host, port) = address(account).await;
    let login = Login { user: None, token: None, tls: Tls::Off };
    let to = Endpoint { host, port: u16::try_from(port).unwrap(), login };
    let link = Link::connect(&to, 0, &Name { migration: "person".to_owned(), epoch: 1, role: "person" }, None).await.unwrap();
    let mut asked = redis::cmd(command[0]);
    command[1..].iter().for_each(|word| {
        asked.arg(word);
    });
    link.ask(&asked, Duration::from_secs(10)).await.unwrap();
}

/// Somebody gives the old group its own parameter group back by hand, and ends its pause.
async fn opened_by_hand(account: &Account) {
    account.sandbox.edit(|world| world.elasticache.replication_groups.get_mut(OLD).unwrap().parameter_group = None);
    account.sandbox.followed().await;
    on_the_old_group(account, &["CLIENT", "UNPAUSE"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_on_the_way_back_by_the_process_that_moved_it() {
    let Some((account, application, process)) = moved().await else { return };
    ask(&account, &process, false).await;
    assert_eq!(status(&account).await.phase, MovePhase::RollBack);
    let outcomes = apply(&account, &process).await;
    is_back(&account, application, &outcomes.resources[0].end, "").await;
    // It is not begun again by itself.
    assert_eq!(status(&account).await.phase, MovePhase::GivenUp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_on_the_way_back_by_another_process() {
    let Some((account, application, first)) = moved().await else { return };
    drop(first);
    let second = process(&account).await;
    ask(&account, &second, false).await;
    let outcomes = apply(&account, &second).await;
    is_back(&account, application, &outcomes.resources[0].end, "").await;
}

/// The process ends after each step, and another one goes on.
async fn ended_after(step: &str, another: bool) {
    let Some((account, application, first)) = moved().await else { return };
    let second = if another { process(&account).await } else { first };
    ask(&account, &second, false).await;
    let last = |said: &Said| matches!(said, Said::Done { step: done, .. } if done.starts_with(step));
    let outcomes = account.apply_in(&second, &wish(), last).await;
    assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{step}: {:#?}", outcomes.resources[0]);
    drop(second);
    let third = process(&account).await;
    let outcomes = apply(&account, &third).await;
    is_back(&account, application, &outcomes.resources[0].end, step).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_while_it_copies_back_is_followed_by_one_that_finishes() {
    for step in ["Hold the writes of", "Copy back"] {
        ended_after(step, false).await;
        ended_after(step, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_when_the_old_group_counts_is_followed_by_one_that_finishes() {
    for step in ["Note that huntaze-redis is what counts", "Note on huntaze-redis-72348fb3", "Let huntaze-redis mean", "Turn the secret"] {
        ended_after(step, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_when_the_old_group_serves_is_followed_by_one_that_finishes() {
    for step in ["Let huntaze-redis take writes", "Take a last snapshot", "Delete huntaze-redis-72348fb3", "Note on huntaze-redis that"] {
        ended_after(step, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_write_on_the_old_group_stops_the_way_back_and_a_person_decides() {
    for another in [false, true] {
        let Some((account, application, first)) = moved().await else { return };
        let second = if another { process(&account).await } else { first };
        opened_by_hand(&account).await;
        on_the_old_group(&account, &["SET", "a:late", "1"]).await;
        ask(&account, &second, false).await;
        let outcomes = apply(&account, &second).await;
        let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
        assert!(message.contains("was written to after the freeze") && message.contains("there alone: a:late"), "{message}");
        // The new group serves on, and the old one is held again, before anybody has decided.
        application.writes_more(200).await;
        let told = status(&account).await;
        assert_eq!(told.phase, MovePhase::Soak, "{told:#?}");
        let outcomes = apply(&account, &second).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
        let told = status(&account).await;
        assert_eq!(told.phase, MovePhase::Soak, "{told:#?}");
        assert!(told.late.iter().any(|late| late.contains("a:late")), "{told:#?}");
        assert!(told.can.contains(&format!("holdfast migration rollback {OLD} --give-up-writes")), "{told:#?}");
        let plan = account.planned(&wish()).await;
        assert!(plan.notes.iter().any(|note| note.contains("a:late")), "{:#?}", plan.notes);
        application.writes_more(200).await;
        // Asked again without giving it up: the same again.
        ask(&account, &second, false).await;
        let outcomes = apply(&account, &second).await;
        assert!(matches!(outcomes.resources[0].end, End::Failed { .. }), "{:#?}", outcomes.resources[0]);
        application.writes_more(200).await;
        // Given up.
        ask(&account, &second, true).await;
        let outcomes = apply(&account, &second).await;
        is_back(&account, application, &outcomes.resources[0].end, "given up").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_by_somebody_while_it_is_copied_back_is_found_by_the_next_process() {
    let Some((account, application, first)) = moved().await else { return };
    ask(&account, &first, false).await;
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Copy back"));
    account.apply_in(&first, &wish(), last).await;
    drop(first);
    on_the_old_group(&account, &["CLIENT", "UNPAUSE"]).await;
    on_the_old_group(&account, &["SET", "a:late", "1"]).await;
    let second = process(&account).await;
    let outcomes = apply(&account, &second).await;
    let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(message.contains("there alone: a:late"), "{message}");
    application.writes_more(200).await;
    ask(&account, &second, true).await;
    let outcomes = apply(&account, &second).await;
    is_back(&account, application, &outcomes.resources[0].end, "given up").await;
}

fn looked_long_ago(account: &Account) {
    account.sandbox.edit(|world| {
        let lock = world.elasticache.parameter_groups.iter_mut().find(|(name, _)| name.starts_with("holdfast-move-")).unwrap().1;
        lock.tags.insert("holdfast.dev/source-looked".to_owned(), "2026-01-01T00:00:00Z".to_owned());
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_soak_is_looked_after_by_another_process() {
    let Some((account, application, first)) = moved().await else { return };
    drop(first);
    on_the_old_group(&account, &["CLIENT", "UNPAUSE"]).await;
    assert!(account.plan(&wish()).await.in_sync());
    looked_long_ago(&account);
    let plan = account.planned(&wish()).await;
    let titles: Vec<&str> = plan.steps.iter().map(|step| step.title.as_str()).collect();
    assert_eq!(titles, ["Look whether huntaze-redis was written to since the freeze, and hold its writes on"]);
    let outcomes = account.apply(&wish()).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(status(&account).await.late, [""; 0]);
    // It is held again.
    let (host, port) = address(&account).await;
    let person = endpoint(&format!("redis://{host}:{port}/0"), &[]).unwrap();
    let link = Link::connect(&person, 0, &Name { migration: "person".to_owned(), epoch: 1, role: "person" }, None).await.unwrap();
    assert!(link.ask(redis::cmd("SET").arg("a:late").arg(1), Duration::from_millis(300)).await.is_err());
    // And a write is reported.
    opened_by_hand(&account).await;
    on_the_old_group(&account, &["SET", "a:late", "2"]).await;
    looked_long_ago(&account);
    account.apply(&wish()).await;
    assert_eq!(
        status(&account).await.late,
        ["huntaze-redis was written to after the freeze  or its nodes are not those of then  it refuses writes now"]
    );
    assert_eq!(application.lost(&account).await, [""; 0]);
    // An engine that was upgraded since: the old one does not read what the new one dumps.
    account.sandbox.edit(|world| {
        world.elasticache.replication_groups.get_mut(NEW).unwrap().engine_version = "7.2.4".to_owned();
    });
    let why = found(&account, &process(&account).await).await.step(MoveCommand::RollBack { give_up_writes: true }).unwrap_err();
    assert!(why.contains("huntaze-redis runs 7.1.0, which does not read what 7.2.4 of huntaze-redis-72348fb3 has"), "{why}");
}
