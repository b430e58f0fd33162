//! Settings that are changed each in a way of its own: one request, its arguments, and what is said of it.

use super::pipeline::{Account, BARE};
use crate::kinds::{Impact, Reason};
use crate::plan::{Status, text};

const OLD: &str = "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', caCertificate: rds-ca-2019, maintenanceWindow: 'sun:05:00-sun:05:30'}
";

/// The body of the last changing request, and its operation.
fn last(account: &Account) -> (String, String) {
    let write = account.sandbox.writes().pop().unwrap();
    (write.operation, write.body)
}

#[tokio::test]
async fn a_certificate_is_changed_at_once_or_in_the_window() {
    let account = Account::new(OLD);
    let manifest = "    - {name: db, caCertificate: rds-ca-rsa2048-g1}";
    let step = account.planned(manifest).await.steps.remove(0);
    assert_eq!(step.impact, Impact::Online, "this engine takes another certificate while it runs");
    assert!(step.takes.contains("clients must trust it"), "{}", step.takes);
    let back = "--db-instance-identifier db --ca-certificate-identifier rds-ca-2019 --apply-immediately`";
    assert!(step.back.starts_with("`aws rds modify-db-instance --region ") && step.back.ends_with(back), "{}", step.back);
    account.converge(manifest).await;
    assert_eq!(account.sandbox.world().rds.instances["db"].ca_certificate, "rds-ca-rsa2048-g1");
    let (operation, body) = last(&account);
    assert_eq!(operation, "ModifyDBInstance");
    assert!(body.contains("ApplyImmediately=true") && body.contains("CACertificateIdentifier=rds-ca-rsa2048-g1"), "{body}");
    assert!(!body.contains("CertificateRotationRestart"), "nobody declared it: {body}");

    let account = Account::new(OLD);
    let later = "    - {name: db, caCertificate: rds-ca-rsa2048-g1, applyDuring: MaintenanceWindow}";
    account.converge(later).await;
    assert!(last(&account).1.contains("ApplyImmediately=false"));
    assert_eq!(account.sandbox.world().rds.instances["db"].ca_certificate, "rds-ca-2019", "the window has not opened");
}

/// What RDS took and lets wait is no difference; that it is not in force yet is said all the same.
#[tokio::test]
async fn what_waits_for_the_window_is_said_of_an_instance_in_sync() {
    let account = Account::new(OLD);
    let manifest = "    - {name: db, caCertificate: rds-ca-rsa2048-g1, deletionProtection: false, applyDuring: MaintenanceWindow}";
    assert!(account.planned(manifest).await.notes.is_empty(), "nothing waits yet");
    account.converge(manifest).await;
    let plan = account.plan(manifest).await;
    assert_eq!(plan.resources[0].status, Status::InSync);
    let shown = text::render(&plan, 0, false);
    assert!(shown.contains("note: caCertificate: changed already") && shown.contains("sun:05:00-sun:05:30 UTC"), "{shown}");
    assert!(!shown.contains("deletionProtection"), "{shown}");
    // Where nobody leaves it to the window it is a difference.
    let at_once = account.planned("    - {name: db, caCertificate: rds-ca-rsa2048-g1}").await;
    assert_eq!((at_once.drifts.len(), at_once.notes.len()), (1, 0));
}

#[tokio::test]
async fn iam_authentication_is_a_request_of_its_own() {
    let account = Account::new(BARE);
    let manifest = "    - {name: db, iamAuthentication: true}";
    let step = account.planned(manifest).await.steps.remove(0);
    assert_eq!((step.impact, step.fields.as_slice()), (Impact::Online, &["iamAuthentication".to_owned()][..]));
    account.converge(manifest).await;
    assert!(account.sandbox.world().rds.instances["db"].iam_authentication);
    let (operation, body) = last(&account);
    assert_eq!(operation, "ModifyDBInstance");
    assert!(body.contains("EnableIAMDatabaseAuthentication=true") && body.contains("ApplyImmediately=true"), "{body}");
}

/// Taking the public address away cuts clients off; giving one does not, and goes with what nobody notices.
#[tokio::test]
async fn public_access_off_is_disruptive_and_alone() {
    let account = Account::new(BARE);
    let manifest = "    - {name: db, publiclyAccessible: false, deletionProtection: true}";
    let plan = account.planned(manifest).await;
    let fields: Vec<(&[String], Impact)> = plan.steps.iter().map(|step| (step.fields.as_slice(), step.impact)).collect();
    assert_eq!(
        fields,
        [(&["deletionProtection".to_owned()][..], Impact::Online), (&["publiclyAccessible".to_owned()][..], Impact::Disruptive)]
    );
    assert!(plan.steps[1].takes.contains("lose the database"), "{}", plan.steps[1].takes);
    account.converge(manifest).await;
    assert!(!account.sandbox.world().rds.instances["db"].publicly_accessible);
    // It never waits; asked for at once it would set off what does.
    let (_, body) = last(&account);
    assert!(body.contains("PubliclyAccessible=false") && body.contains("ApplyImmediately=false"), "{body}");

    let back = account.planned("    - {name: db, publiclyAccessible: true}").await;
    assert_eq!(back.steps[0].impact, Impact::Disruptive);
    assert!(back.steps[0].takes.starts_with("less protected: the endpoint gets a public address"), "{}", back.steps[0].takes);
}

/// What protects is not turned off along with what nobody notices.
#[tokio::test]
async fn what_protects_is_turned_off_in_steps_of_their_own() {
    let account = Account::new(&BARE.replace("    db:\n", "    db:\n      deletionProtection: true\n      copyTagsToSnapshot: true\n"));
    let manifest = "    - {name: db, deletionProtection: false, copyTagsToSnapshots: false, logExports: [postgresql]}";
    let plan = account.planned(manifest).await;
    let steps: Vec<(&str, Impact)> = plan.steps.iter().map(|step| (step.title.as_str(), step.impact)).collect();
    assert_eq!(
        steps,
        [
            ("Set logExports of db", Impact::Online),
            ("Set deletionProtection of db to false", Impact::Disruptive),
            ("Set copyTagsToSnapshots of db to false", Impact::Disruptive)
        ]
    );
    account.converge(manifest).await;
    assert!(!account.sandbox.world().rds.instances["db"].deletion_protection);
    let (_, body) = last(&account);
    assert!(body.contains("ApplyImmediately=false"), "{body}");
}

/// Interval and role go together, and only one of them may be declared where the other is there.
#[tokio::test]
async fn enhanced_monitoring_takes_interval_and_role() {
    const ROLE: &str = "arn:aws:iam::317805897534:role/monitoring";
    let account = Account::new(BARE);
    let both = format!("    - {{name: db, enhancedMonitoring: {{intervalSeconds: 60, roleArn: '{ROLE}'}}}}");
    assert_eq!(account.planned(&both).await.steps.len(), 1);
    account.converge(&both).await;
    assert_eq!(account.writes(), ["ModifyDBInstance"]);
    let monitoring = account.sandbox.world().rds.instances["db"].monitoring.clone();
    assert_eq!((monitoring.interval, monitoring.role_arn.as_deref()), (60, Some(ROLE)));

    // The interval alone keeps the role, the role alone the interval.
    account.converge("    - {name: db, enhancedMonitoring: {intervalSeconds: 5}}").await;
    account.converge(&format!("    - {{name: db, enhancedMonitoring: {{roleArn: '{ROLE}-2'}}}}")).await;
    let monitoring = account.sandbox.world().rds.instances["db"].monitoring.clone();
    assert_eq!((monitoring.interval, monitoring.role_arn), (5, Some(format!("{ROLE}-2"))));

    // What watches more closely than declared is left.
    for coarser in [5, 10, 60, 0] {
        let plan = account.planned(&format!("    - {{name: db, enhancedMonitoring: {{intervalSeconds: {coarser}}}}}")).await;
        assert!(plan.drifts.is_empty() && plan.steps.is_empty(), "{coarser}: {plan:#?}");
    }
    let plan = account.planned("    - {name: db, enhancedMonitoring: {intervalSeconds: 1}}").await;
    assert_eq!(plan.steps.len(), 1, "{plan:#?}");

    // A role alone does not turn it on.
    account.sandbox.edit(|world| {
        let instance = world.rds.instances.get_mut("db").unwrap();
        (instance.monitoring.interval, instance.monitoring.role_arn) = (0, None);
    });
    let plan = account.planned("    - {name: db, enhancedMonitoring: {intervalSeconds: 0}}").await;
    assert!(plan.drifts.is_empty(), "{plan:#?}");
    let plan = account.planned(&format!("    - {{name: db, enhancedMonitoring: {{roleArn: '{ROLE}'}}}}")).await;
    assert_eq!((plan.steps.len(), plan.blocks[0].reason), (0, Reason::InvalidWish));
}

/// What is paid for from then on is said where it begins, and the way back has what was found.
#[tokio::test]
async fn what_costs_says_so() {
    let account = Account::new(BARE);
    let plan = account.planned("    - {name: db, multiAz: true, performanceInsights: {enabled: true, retentionDays: 31}, logExports: [postgresql], tags: {team: web}}").await;
    let takes: Vec<&str> = plan.steps.iter().map(|step| step.takes.as_str()).collect();
    assert_eq!(takes[0], "");
    assert_eq!(takes[1], "Performance Insights is paid for beyond 7 days; exported logs are paid for by volume in CloudWatch");
    assert!(takes[2].ends_with("; a second instance and its storage are paid for"), "{}", takes[2]);
    let back = &plan.steps[0].back;
    assert!(back.starts_with("`aws rds remove-tags-from-resource ") && back.ends_with("--tag-keys '[\"team\"]'`"), "{back}");
    let free = account.planned("    - {name: db, performanceInsights: {enabled: true, retentionDays: 7}}").await;
    assert!(free.steps.iter().all(|step| step.takes.is_empty()), "{free:?}");
}
