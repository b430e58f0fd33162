//! What others left waiting for the maintenance window, or are changing meanwhile: it is not set off, and it undoes nothing.

use super::pipeline::{Account, BARE, ops};
use crate::kinds::Impact;
use crate::plan::Status;

/// As declared, and about to be undone.
fn undone(pending: &str) -> Account {
    let protected = "backupRetention: 30\n      multiAz: true\n      iamAuthentication: true";
    Account::new(&BARE.replace("backupRetention: 0", &format!("{protected}\n      pending: {{{pending}}}")))
}

const IN_BOTH: [&str; 2] = ["", ", applyDuring: MaintenanceWindow"];

#[tokio::test]
async fn a_change_that_waits_and_would_undo_what_is_declared_is_dropped() {
    for during in IN_BOTH {
        for (pending, wish, title) in [
            ("multiAz: false", "multiAz: true", "Keep multiAz of db as found"),
            ("backupRetention: 0", "backupRetentionDays: 7", "Keep backupRetentionDays of db as found"),
            ("iamAuthentication: false", "iamAuthentication: true", "Keep iamAuthentication of db as found"),
            ("caCertificate: rds-ca-2019", "caCertificate: rds-ca-rsa2048-g1", "Keep caCertificate of db as found"),
        ] {
            let account = undone(pending);
            let manifest = format!("    - {{name: db, {wish}{during}}}");
            let plan = account.planned(&manifest).await;
            assert_eq!((plan.status, plan.drifts.len()), (Status::Drifted, 1), "{manifest}");
            let [step] = plan.steps.as_slice() else { panic!("{manifest}: {:#?}", plan.steps) };
            assert_eq!((step.title.as_str(), step.impact), (title, Impact::Online), "{manifest}: {}", step.takes);
            assert!(step.takes.contains("is dropped"), "{}", step.takes);
            account.converge(&manifest).await;
            let instance = account.sandbox.world().rds.instances["db"].clone();
            assert!(instance.pending.is_empty(), "{manifest}: {:?}", instance.pending);
            assert_eq!(instance.backup_retention, 30, "more than is declared stays: {manifest}");
        }
    }
}

/// One request for all of it: each made at once would set the others off.
#[tokio::test]
async fn several_changes_that_wait_are_dropped_together_and_set_off_nothing() {
    for during in IN_BOTH {
        let account = undone("multiAz: false, iamAuthentication: false");
        let manifest = format!(
            "    - {{name: db, multiAz: true, iamAuthentication: true, caCertificate: rds-ca-rsa4096-g1, maintenanceWindow: 'thu:10:00-thu:11:00'{during}}}"
        );
        let plan = account.planned(&manifest).await;
        assert_eq!(plan.steps.len(), 3, "{:#?}", plan.steps);
        assert_eq!(plan.steps[0].fields, ["multiAz", "iamAuthentication"]);
        assert!(plan.steps.iter().all(|step| step.impact == Impact::Online), "nothing waits any more: {:#?}", plan.steps);
        account.converge(&manifest).await;
        let instance = account.sandbox.world().rds.instances["db"].clone();
        assert!(instance.multi_az && instance.iam_authentication, "they were not undone on the way");

        // What nobody declares is set off by the dropping, and named.
        let account = undone("multiAz: false, class: db.m5.large");
        let step = account.planned(&format!("    - {{name: db, multiAz: true{during}}}")).await.steps.remove(0);
        assert_eq!(step.impact, Impact::Disruptive);
        assert!(step.takes.contains("another instance class"), "{}", step.takes);
    }
}

/// Whatever waits is dropped or set off by the first request that is made at once: the steps after it do not say it again, and go only after it.
#[tokio::test]
async fn what_waits_happens_with_the_first_request_that_is_made_at_once() {
    let besides = "another instance class";
    let account = undone("backupRetention: 0, multiAz: false, class: db.m5.large");
    let manifest = "    - {name: db, backupRetentionDays: 14, multiAz: true, caCertificate: rds-ca-rsa4096-g1, maintenanceWindow: 'thu:10:00-thu:11:00'}";
    let steps = account.planned(manifest).await.steps;
    let told: Vec<(&str, bool, &[usize])> =
        steps.iter().map(|step| (step.fields[0].as_str(), step.takes.contains(besides), step.after.as_slice())).collect();
    assert_eq!(told, [("backupRetentionDays", true, &[][..]), ("caCertificate", false, &[0]), ("maintenanceWindow", false, &[0])]);
    assert!(steps[0].takes.contains("is dropped") && !steps[1].takes.contains("backup retention"), "{steps:#?}");
    account.converge(manifest).await;
    let instance = account.sandbox.world().rds.instances["db"].clone();
    assert!(instance.multi_az && instance.pending.is_empty() && instance.class == "db.m5.large");

    // Nothing is dropped: the first of the declared ones takes it along.
    let account = Account::new(&BARE.replace("backupRetention: 0", "backupRetention: 0\n      pending: {class: db.m5.large}"));
    let steps = account.planned("    - {name: db, iamAuthentication: true, multiAz: true}").await.steps;
    let told: Vec<(bool, &[usize])> = steps.iter().map(|step| (step.takes.contains(besides), step.after.as_slice())).collect();
    assert_eq!(told, [(true, &[][..]), (false, &[0])], "{steps:#?}");
}

/// What waits and nobody declares is left alone.
#[tokio::test]
async fn what_waits_and_is_not_declared_is_no_difference() {
    for pending in ["multiAz: false", "backupRetention: 7"] {
        assert!(undone(pending).plan("    - {name: db, backupRetentionDays: 7, iamAuthentication: true}").await.in_sync(), "{pending}");
    }
}

/// "If there are pending actions that cause a reboot, and the maintenance window is changed to include the current time, then changing this parameter
/// causes a reboot".
#[tokio::test]
async fn another_maintenance_window_may_set_off_what_waits() {
    let account = undone("class: db.m5.large");
    let manifest = "    - {name: db, maintenanceWindow: 'wed:23:30-thu:00:30', backupWindow: '05:00-05:30', deletionProtection: true}";
    let plan = account.planned(manifest).await;
    let steps: Vec<(&[String], Impact)> = plan.steps.iter().map(|step| (step.fields.as_slice(), step.impact)).collect();
    let windows = ["backupWindow".to_owned(), "maintenanceWindow".to_owned()];
    assert_eq!(steps, [(&["deletionProtection".to_owned()][..], Impact::Online), (&windows[..], Impact::Disruptive)]);
    assert!(plan.steps[1].takes.contains("another instance class"), "{}", plan.steps[1].takes);
    account.converge(manifest).await;
    account.sandbox.clock().advance(std::time::Duration::from_secs(1800));
    account.plan(manifest).await;
    assert_eq!(account.sandbox.world().rds.instances["db"].class, "db.m5.large", "the new window was open already");

    // Where nothing waits nobody notices it.
    let plan = Account::new(BARE).planned(manifest).await;
    assert_eq!(plan.steps.iter().map(|step| step.impact).collect::<Vec<_>>(), [Impact::Online]);
}

/// Somebody raises the number while the run waits for the instance: it is not lowered to what is declared.
#[tokio::test]
async fn a_number_that_was_raised_meanwhile_is_not_lowered() {
    let changing = |from: u8, more: &str| {
        let work = "work: {status: modifying, startsAt: 2025-12-31T23:00:00Z, readyAt: 2026-01-01T00:10:00Z, changes: {backupRetention: 30}, then: available}";
        Account::new(&BARE.replace("backupRetention: 0", &format!("backupRetention: {from}\n      status: modifying\n      {work}{more}")))
    };
    for from in [7, 0] {
        let account = changing(from, "");
        let manifest = "    - {name: db, backupRetentionDays: 14}";
        let plan = account.planned(manifest).await;
        assert_eq!(plan.drifts.len(), 1);
        assert!(
            plan.notes.iter().any(|note| note.contains("is modifying") && note.contains("waits until that is over")),
            "{:?}",
            plan.notes
        );
        account.apply(manifest).await;
        assert_eq!(account.sandbox.world().rds.instances["db"].backup_retention, 30, "from {from}");
        assert!(account.writes().is_empty(), "{:?}", account.writes());
    }
    // Together with what is to be changed all the same.
    let account = changing(7, "");
    let manifest = "    - {name: db, backupRetentionDays: 14, deletionProtection: true}";
    account.converge(manifest).await;
    let instance = account.sandbox.world().rds.instances["db"].clone();
    assert!(instance.deletion_protection && instance.backup_retention == 30);

    // What waits for the window and is wanted at once comes as high as it would have.
    let account = Account::new(&BARE.replace("backupRetention: 0", "backupRetention: 0\n      pending: {backupRetention: 30}"));
    let plan = account.planned("    - {name: db, backupRetentionDays: 14}").await;
    assert_eq!((ops(&plan.steps), plan.steps[0].title.as_str()), (vec!["modify".to_owned()], "Set backupRetentionDays of db to 30"));
    account.converge("    - {name: db, backupRetentionDays: 14}").await;
    assert_eq!(account.sandbox.world().rds.instances["db"].backup_retention, 30);
}

/// What happens in the maintenance window happens in the one that the same plan sets.
#[tokio::test]
async fn a_plan_names_the_window_that_it_sets() {
    let account = Account::new(BARE);
    let takes = |manifest: &'static str| {
        let account = &account;
        async move {
            let steps = account.planned(manifest).await.steps;
            steps.into_iter().find(|step| step.title.contains("multiAz")).map(|step| step.takes).unwrap_or_default()
        }
    };
    let moved = takes("    - {name: db, multiAz: true, maintenanceWindow: 'Mon:06:00-Mon:07:00', applyDuring: MaintenanceWindow}").await;
    assert!(moved.contains("(mon:06:00-mon:07:00 UTC)"), "{moved}");
    let stays = takes("    - {name: db, multiAz: true, applyDuring: MaintenanceWindow}").await;
    assert!(stays.contains("(sun:05:00-sun:05:30 UTC)"), "{stays}");
}

/// What takes protection away is online, and not without a word.
#[tokio::test]
async fn what_becomes_weaker_is_said() {
    let account = Account::new(
        "{account: '317805897534', rds: {instances: {db: {engineVersion: '14.9', deletionProtection: true, publiclyAccessible: false}}}}",
    );
    let steps = account.planned("    - {name: db, deletionProtection: false, publiclyAccessible: true}").await.steps;
    let takes = steps.iter().map(|step| step.takes.as_str()).collect::<Vec<_>>().join("\n");
    assert!(takes.contains("nothing keeps the instance from being deleted") && takes.contains("public address"), "{takes}");
    let account = Account::new("{account: '317805897534', rds: {instances: {db: {engineVersion: '14.9'}}}}");
    let steps = account.planned("    - {name: db, deletionProtection: true}").await.steps;
    assert!(!steps[0].takes.contains("less protected"), "{}", steps[0].takes);
}
