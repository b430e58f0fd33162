//! A manifest that is edited while clients are turned, with an application that writes all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::blind::Blind;
use super::super::pipeline::reasons;
use super::*;
use crate::kinds::Reason;

/// The process was ended when clients were turned; before another one goes on, somebody has edited or emptied `cutover`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_where_a_place_is_taken_out_or_edited_while_clients_are_turned() {
    let place = format!("{{secretsManager: {{secretArn: '{APP}'}}}}");
    for instead in ["", "{secretsManager: {secretArn: 'arn:aws:secretsmanager:us-east-1:317805897534:secret:redis-a1B2c3', key: token}}"] {
        let Some((account, application)) = serving(FLAT).await else { return };
        let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Turn the secret"));
        account.apply_until(&wish(), last).await;
        let edited = wish().replace(&place, instead);
        assert_ne!(edited, wish());
        let plan = account.planned(&edited).await;
        assert_eq!(reasons(&plan).iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), [Reason::Conflict], "{plan:#?}");
        let outcomes = account.apply(&edited).await;
        assert!(matches!(outcomes.resources[0].end, End::Blocked { .. }), "{:#?}", outcomes.resources[0]);
        assert!(account.sandbox.world().elasticache.replication_groups.len() == 2, "the new group was taken away under its clients");
        // As it was: they are turned back.
        let outcomes = account.apply(&wish()).await;
        assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
        application.writes_more(200).await;
        is_as_found(&account);
        assert_eq!(application.lost(&account).await, [""; 0]);
    }
}

const OTHER: &str = "arn:aws:secretsmanager:us-east-1:317805897534:secret:other-q1W2e3";

/// The wish with another secret that names the address, turned after the first.
fn with_another() -> String {
    let place = format!("{{secretsManager: {{secretArn: '{APP}'}}}}");
    wish().replace(&place, &format!("{place}, {{secretsManager: {{secretArn: '{OTHER}'}}}}"))
}

/// The account that such an application writes to, whose process can be made blind for the other secret.
async fn serving_with_another() -> Option<(Account, Application, Arc<AtomicBool>)> {
    let (mut account, application) = serving(FLAT).await?;
    let text = read_secret(&account.sandbox);
    account.sandbox.edit(|world| {
        let secret = format!("{{arnSuffix: q1W2e3, secretString: '{text}'}}");
        world.secretsmanager.secrets.insert("other".to_owned(), serde_yaml::from_str(&secret).unwrap());
        world.secretsmanager.settle("2026-01-01T00:00:00Z".parse().unwrap());
    });
    let on = Blind::before(&mut account, "DescribeSecret", "secret:other-");
    Some((account, application, on))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_group_is_let_go_after_the_commit_whatever_a_place_says() {
    let Some((account, application, on)) = serving_with_another().await else { return };
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Let huntaze-redis-72348fb3 serve"));
    account.apply_until(&with_another(), last).await;
    on.store(true, Ordering::SeqCst);
    account.apply(&with_another()).await;
    application.writes_more(200).await;
    on.store(false, Ordering::SeqCst);
    let outcomes = account.apply(&with_another()).await;
    assert!(matches!(outcomes.resources[0].end, End::Changed | End::Unchanged), "{:#?}", outcomes.resources[0]);
    assert_eq!(application.lost(&account).await, [""; 0]);
}

/// What broke the hold, or spent its budget, turns the move back at once, though a place cannot be read meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_cannot_be_read_does_not_keep_a_broken_hold_from_turning_the_move_back() {
    let Some((account, application, on)) = serving_with_another().await else { return };
    let wish = with_another();
    let waits = |said: &Said| {
        if matches!(said, Said::Done { step, .. } if step.starts_with("Turn the secret app")) {
            on.store(true, Ordering::SeqCst);
        }
        false
    };
    let breaks = async {
        while !on.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        super::back::on_the_old_group(&account, &["CLIENT", "UNPAUSE"]).await;
    };
    let (outcomes, ()) = tokio::join!(account.apply_until(&wish, waits), breaks);
    let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(!message.contains("not done within") && message.contains("it could not be read where the secret other"), "{message}");
    // Those who can be turned back write on the old group.
    application.writes_more(200).await;
    on.store(false, Ordering::SeqCst);
    let outcomes = account.apply(&wish).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    application.writes_more(200).await;
    is_as_found(&account);
    assert_eq!(application.lost(&account).await, [""; 0]);
}
