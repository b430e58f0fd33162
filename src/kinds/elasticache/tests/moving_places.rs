//! The places of a move are those that it was begun with: its lock notes them, and a manifest that says otherwise in the middle is no answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::account::Account;
use super::super::blind::Blind;
use super::{OLD, account, url, wish};
use crate::execute::{End, Said};
use crate::kinds::elasticache::{Move, MoveCommand, MoveStatus, ReplicationGroupSpec, ReplicationGroups};
use crate::kinds::{Kind, Operation, Reason, registry};
use crate::plan::ResourcePlan;

const SECRET_PLACE: &str =
    "{secretsManager: {secretArn: 'arn:aws:secretsmanager:us-east-1:317805897534:secret:app-x1Y2z3', key: REDIS_URL}}";
const PARAMETER_PLACE: &str = "{ssmParameter: {name: /app/REDIS_URL}}";
const SERVICE_PLACE: &str = "{ecs: {cluster: main, service: api}}";

/// The wish with other places.
fn with(places: &[&str]) -> String {
    let all = wish("");
    let (before, _) = all.split_once("cutover: [").unwrap();
    format!("{before}cutover: [{}]}}}}", places.join(", "))
}

/// An account whose process ended after a step that begins so.
async fn ended_after(step: &str) -> Account {
    let account = account();
    let last = |said: &Said| matches!(said, Said::Done { step: done, .. } if done.starts_with(step));
    let outcomes = account.apply_until(&wish(""), last).await;
    assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{:#?}", outcomes.resources[0]);
    account
}

fn conflict(plan: &ResourcePlan) -> (String, String) {
    let blocks: Vec<_> = plan.all_blocks().filter(|block| block.reason == Reason::Conflict).collect();
    assert!(plan.steps.is_empty() && blocks.len() == 1, "{plan:#?}");
    (blocks[0].message.clone(), blocks[0].what_to_do.clone())
}

/// What the lock is tagged with, changed.
fn tags(account: &Account, change: impl FnOnce(&mut std::collections::BTreeMap<String, String>)) {
    account.sandbox.edit(|world| {
        let lock = world.elasticache.parameter_groups.iter_mut().find(|(name, _)| name.starts_with("holdfast-move-")).unwrap().1;
        change(&mut lock.tags);
    });
}

async fn found(account: &Account, wish: &str) -> (Move, crate::aws::Connection) {
    let baseline = account.baseline(wish);
    let process = crate::reconcile::connected(&baseline, &account.connect).await.unwrap();
    let spec: &ReplicationGroupSpec = baseline.entries[0].spec.downcast_ref().unwrap();
    (Move::look(&process.reads.fresh(), &baseline.scope, spec).await.unwrap(), process)
}

async fn status(account: &Account, wish: &str) -> MoveStatus {
    found(account, wish).await.0.status()
}

/// `holdfast migration rollback`, without the run that comes with it.
async fn ask_back(account: &Account, wish: &str) {
    let (found, process) = found(account, wish).await;
    let (_, op) = found.step(MoveCommand::RollBack { give_up_writes: true }).unwrap().expect("something to be done");
    let kind = registry().iter().find(|kind| kind.path() == ReplicationGroups::PATH).unwrap();
    kind.start(&process.reads.fresh().writes(&account.journal()), &Operation::from(op)).await.unwrap();
}

/// Nothing is done with such places, neither forward nor back.
async fn stands(account: &Account, places: &[&str], named: &str) {
    let wish = with(places);
    for back in [false, true] {
        let (message, what_to_do) = conflict(&account.planned(&wish).await);
        assert!(message.contains(named) && what_to_do.starts_with("declare it again as it was"), "{message}: {what_to_do}");
        let writes = account.writes().len();
        let outcomes = account.apply(&wish).await;
        assert!(matches!(outcomes.resources[0].end, End::Blocked { .. }), "{:#?}", outcomes.resources[0]);
        assert_eq!(account.writes().len(), writes, "{places:?}");
        tags(account, |tags| _ = tags.insert("holdfast.dev/direction".to_owned(), if back { "forward" } else { "back" }.to_owned()));
    }
}

#[tokio::test]
async fn a_place_that_is_taken_out_or_edited_in_the_middle_stops_the_move_both_ways() {
    let account = ended_after("Turn the secret").await;
    let named = "the secret app-x1Y2z3 REDIS_URL";
    let otherwise = SECRET_PLACE.replace(", key: REDIS_URL", "");
    stands(&account, &[], named).await;
    stands(&account, &[PARAMETER_PLACE, SERVICE_PLACE], named).await;
    stands(&account, &[&otherwise, PARAMETER_PLACE, SERVICE_PLACE], named).await;
    let places = status(&account, &with(&[PARAMETER_PLACE, SERVICE_PLACE])).await.places;
    assert!(places.iter().any(|place| place.place == named && place.stands.starts_with("is not known")), "{places:#?}");
    // Declared again, in whatever order, it goes on.
    let outcomes = account.apply(&with(&[PARAMETER_PLACE, SERVICE_PLACE, SECRET_PLACE])).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert!(url(&account).contains("huntaze-redis-72348fb3"));
    // In the soak they may change; the way back asks for them again before anything is held.
    let wish = with(&[PARAMETER_PLACE, SERVICE_PLACE]);
    account.in_sync(&wish).await;
    let refused = found(&account, &wish).await.0.step(MoveCommand::RollBack { give_up_writes: true }).unwrap_err();
    assert!(refused.contains(named), "{refused}");
    ask_back(&account, &self::wish("")).await;
    let (message, _) = conflict(&account.planned(&wish).await);
    assert!(message.contains(named), "{message}");
    let outcomes = account.apply(&self::wish("")).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
}

#[tokio::test]
async fn before_a_place_was_turned_the_move_can_be_taken_back_without_it() {
    let account = ended_after("Restore it").await;
    let before = url(&account);
    let wish = with(&[PARAMETER_PLACE]);
    let (message, what_to_do) = conflict(&account.planned(&wish).await);
    assert!(message.contains("the secret app-x1Y2z3 REDIS_URL, the ECS service api of main"), "{message}");
    assert!(what_to_do.contains("`holdfast migration rollback huntaze-redis`; no place was turned yet"), "{what_to_do}");
    ask_back(&account, &wish).await;
    let outcomes = account.apply(&wish).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert_eq!(url(&account), before);
}

#[tokio::test]
async fn a_place_that_is_added_in_the_middle_is_none_of_the_move() {
    let account = account();
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Turn the secret"));
    account.apply_until(&with(&[SECRET_PLACE]), last).await;
    let wish = with(&[SECRET_PLACE, PARAMETER_PLACE]);
    let (message, what_to_do) = conflict(&account.planned(&wish).await);
    assert!(message.contains("/app/REDIS_URL") && what_to_do.starts_with("take it out"), "{message}: {what_to_do}");
    let places = status(&account, &wish).await.places;
    assert!(places[1].stands.starts_with("is no place of this move"), "{places:#?}");
    // The way back has nothing to do there.
    ask_back(&account, &wish).await;
    let outcomes = account.apply(&wish).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert_eq!(account.sandbox.world().elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
}

/// As an earlier version left it.
fn without_notes(account: &Account) {
    tags(account, |tags| tags.retain(|tag, _| !tag.starts_with("holdfast.dev/places") && tag != "holdfast.dev/turning"));
}

#[tokio::test]
async fn a_lock_of_an_earlier_version_is_given_its_note_while_no_client_can_have_been_turned() {
    let account = ended_after("Take a snapshot").await;
    without_notes(&account);
    let plan = account.planned(&wish("")).await;
    assert!(plan.steps.iter().any(|step| step.title == "Note on the lock which places are turned"), "{:#?}", plan.steps);
    account.converge(&wish("")).await;
}

#[tokio::test]
async fn a_lock_of_an_earlier_version_waits_for_a_person_once_clients_may_have_been_turned() {
    for back in [false, true] {
        let account = ended_after("Turn the secret").await;
        let before = self::url(&self::account());
        without_notes(&account);
        if back {
            tags(&account, |tags| _ = tags.insert("holdfast.dev/direction".to_owned(), "back".to_owned()));
        }
        let (message, what_to_do) = conflict(&account.planned(&wish("")).await);
        assert!(message.contains("took no note") && what_to_do.contains("holdfast migration rollback huntaze-redis"), "{what_to_do}");
        ask_back(&account, &wish("")).await;
        let outcomes = account.apply(&wish("")).await;
        assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
        assert_eq!(url(&account), before);
    }
}

/// A process that sees nothing of the parameter from the start.
fn blind(account: &mut Account) -> Arc<AtomicBool> {
    let on = Blind::before(account, "GetParameterHistory", "/app/REDIS_URL");
    on.store(true, Ordering::SeqCst);
    on
}

fn unread(plan: &ResourcePlan) -> String {
    let blocks: Vec<_> = plan.all_blocks().map(|block| (block.reason, block.message.clone())).collect();
    assert!(
        matches!(blocks.as_slice(), [(Reason::Unreadable, message)] if message.contains("the parameter /app/REDIS_URL")),
        "{blocks:#?}"
    );
    blocks[0].1.clone()
}

#[tokio::test]
async fn a_place_that_cannot_be_read_stops_those_steps_alone_that_depend_on_it() {
    // None is begun with it.
    let mut account = account();
    let on = blind(&mut account);
    let plan = account.planned(&wish("")).await;
    assert!(unread(&plan).ends_with("no move is begun before that") && plan.steps.is_empty(), "{plan:#?}");
    on.store(false, Ordering::SeqCst);
    // One that was begun copies, and turns nobody.
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Take a snapshot"));
    account.apply_until(&wish(""), last).await;
    on.store(true, Ordering::SeqCst);
    let before = url(&account);
    let outcomes = account.apply(&wish("")).await;
    let End::Partly { blocks } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(blocks[0].message.ends_with("until then no client is turned"), "{blocks:#?}");
    assert!(outcomes.resources[0].done.iter().any(|step| step.starts_with("Compare")), "{:#?}", outcomes.resources[0].done);
    assert_eq!((account.sandbox.world().elasticache.replication_groups.len(), url(&account)), (2, before.clone()));
    on.store(false, Ordering::SeqCst);
    account.converge(&wish("")).await;
    assert_ne!(url(&account), before);
}

#[tokio::test]
async fn a_way_back_turns_back_what_it_can_and_is_not_at_its_end() {
    let mut account = ended_after("Start the ECS service").await;
    let before = url(&self::account());
    let on = blind(&mut account);
    ask_back(&account, &wish("")).await;
    let outcomes = account.apply(&wish("")).await;
    // The secret is as it was; its tasks would read a parameter that names the new group still.
    assert_eq!(url(&account), before);
    let world = account.sandbox.world();
    assert_eq!((world.elasticache.replication_groups.len(), world.ecs.clusters["main"].services["api"].made), (2, 2));
    let End::Partly { blocks } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(blocks[0].message.contains("until then huntaze-redis is not let go"), "{blocks:#?}");
    on.store(false, Ordering::SeqCst);
    let outcomes = account.apply(&wish("")).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    assert_eq!(account.sandbox.world().elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
}

/// A step fails, and on the way back a place cannot be read: that is not rolled back.
#[tokio::test]
async fn what_could_not_be_read_is_not_rolled_back() {
    let mut account = account();
    account.sandbox.edit(|world| world.ecs.clusters.get_mut("main").unwrap().services.get_mut("api").unwrap().fail_deployments = 1);
    let on = Blind::before(&mut account, "GetParameterHistory", "/app/REDIS_URL");
    let last = |said: &Said| {
        if matches!(said, Said::Starting { step, .. } if step.starts_with("Turn back what")) {
            on.store(true, Ordering::SeqCst);
        }
        false
    };
    let outcomes = account.apply_until(&wish(""), last).await;
    let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(
        message.contains("the way back is not at its end; it could not be read where the parameter /app/REDIS_URL stands"),
        "{message}"
    );
    // A move is brought to an end or back as a whole: nobody is told how to go on without one of its steps.
    let at = outcomes.resources[0].failed_at.as_deref().unwrap();
    assert!(at.fields.is_empty() && at.not_tried.is_empty() && at.step.contains("ECS service"), "{at:?}");
    assert_eq!(account.sandbox.world().elasticache.replication_groups.len(), 2);
    on.store(false, Ordering::SeqCst);
    let outcomes = account.apply(&wish("")).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
}

#[tokio::test]
async fn after_the_soak_a_place_that_cannot_be_read_keeps_the_lock_alone() {
    let mut account = account();
    let wish = wish(", keepOld: 2h, retire: Delete");
    account.converge(&wish).await;
    account.sandbox.clock().sleep(std::time::Duration::from_secs(7201)).await;
    let on = blind(&mut account);
    let locks = |account: &Account| {
        account.sandbox.world().elasticache.parameter_groups.keys().filter(|name| name.starts_with("holdfast-move-")).count()
    };
    account.apply(&wish).await;
    assert_eq!((account.sandbox.world().elasticache.replication_groups.contains_key(OLD), locks(&account)), (false, 1));
    on.store(false, Ordering::SeqCst);
    account.converge(&wish).await;
    assert_eq!(locks(&account), 0);
}
