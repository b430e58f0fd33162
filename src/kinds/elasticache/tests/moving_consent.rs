//! A move that was begun with a consent goes on by it, and by nothing more.

use super::super::account::Account;
use super::{account, url, wish};
use crate::execute::{End, Said};
use crate::kinds::{Impact, Reason};
use crate::plan::{Consent, ResourcePlan};

/// The wish without `approved`.
fn asked(migration: &str) -> String {
    wish(migration).replace("approved: true, ", "")
}

/// An account whose policy asks, and whose process ended after a step that begins so; the consent that it was given is not known to the next one.
async fn ended_after(wish: &str, step: &str) -> Account {
    let mut account = account();
    account.disruptive = "Approve";
    let plan = account.plan(wish).await;
    assert!(held(&plan.resources[0]).iter().any(|(_, reason)| *reason == Reason::NeedsConsent), "{plan:#?}");
    account.consent.hashes = [plan.hash].into();
    let last = |said: &Said| matches!(said, Said::Done { step: done, .. } if done.starts_with(step));
    let outcomes = account.apply_until(wish, last).await;
    assert!(matches!(outcomes.resources[0].end, End::Interrupted { .. }), "{:#?}", outcomes.resources[0]);
    account.consent = Consent::default();
    account
}

fn held(plan: &ResourcePlan) -> Vec<(&str, Reason)> {
    plan.steps.iter().filter_map(|step| Some((step.title.as_str(), step.held.as_ref()?.reason))).collect()
}

#[tokio::test]
async fn a_move_that_was_consented_to_by_hash_goes_on_after_a_kill() {
    let wish = asked("");
    for step in ["Begin to move", "Restore it", "Turn the secret"] {
        let account = ended_after(&wish, step).await;
        // Days later, too; a restore that takes so long is turned back.
        if step != "Begin to move" {
            account.sandbox.clock().advance(std::time::Duration::from_secs(30 * 3600));
        }
        let plan = account.planned(&wish).await;
        assert_eq!(held(&plan), [], "{step}");
        assert!(plan.notes.iter().any(|note| note.contains("by the consent that it was begun with")), "{:#?}", plan.notes);
        let outcomes = account.apply(&wish).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "{step}: {:#?}", outcomes.resources[0]);
        assert!(url(&account).contains("huntaze-redis-72348fb3"), "{step}");
    }
}

#[tokio::test]
async fn nothing_goes_on_that_was_not_consented_to() {
    let account = ended_after(&asked(""), "Restore it").await;
    let turned = |plan: &ResourcePlan| -> Option<Reason> {
        let step = plan.steps.iter().find(|step| step.title.starts_with("Turn the secret")).unwrap();
        step.held.as_ref().map(|block| block.reason)
    };
    assert_eq!(turned(&account.planned(&asked("")).await), None);
    for (other, what) in [
        (asked(", keepOld: 1h"), "how long the old group is kept"),
        (asked(", retire: Delete"), "what becomes of it"),
        (asked(", approved: false"), "a consent that is taken back"),
    ] {
        assert_eq!(turned(&account.planned(&other).await), Some(Reason::NeedsConsent), "{what}");
        let before = url(&account);
        account.apply(&other).await;
        assert_eq!(url(&account), before, "{what}");
    }
    // The token is another one by now: the address would be.
    account.sandbox.edit(|world| {
        let secret = world.secretsmanager.secrets.get_mut("redis").unwrap();
        let mut versions = std::mem::take(&mut secret.versions);
        let (_, version) = versions.pop_first().unwrap();
        secret.versions = [("another-version-of-the-token-0001".to_owned(), version)].into();
    });
    assert_ne!(turned(&account.planned(&asked("")).await), None);
}

#[tokio::test]
async fn a_policy_that_denies_counts_more_than_what_was_begun() {
    let mut account = ended_after(&asked(""), "Restore it").await;
    account.disruptive = "Deny";
    let plan = account.planned(&asked("")).await;
    let disruptive: Vec<bool> =
        plan.steps.iter().filter(|step| step.impact == Impact::Disruptive).map(|step| step.held.is_some()).collect();
    assert!(disruptive.len() > 3 && disruptive.iter().all(|held| *held), "{:#?}", held(&plan));
}
