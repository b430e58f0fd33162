//! What a restart puts in force besides what is declared: named, consented to with it, and as it was planned when it comes.

use super::pipeline::{Account, ops};
use crate::plan::ResourcePlan;

/// `rds.force_ssl` is static in this family, was set by somebody, and waits.
const WAITING: &str = "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team, pendingReboot: true}
  parameterGroups:
    team: {family: postgres14, parameters: {rds.force_ssl: '1', work_mem: '8192', shared_buffers: '1000'}}
";

const NAMED: &str = "besides what is declared team sets rds.force_ssl = 1, shared_buffers = 1000; RDS does not say what of that waits: where it \
                     does, clients without TLS are refused";

fn restart(plan: &ResourcePlan) -> &crate::plan::PlannedStep {
    plan.steps.iter().find(|step| step.op.value()["do"] == "reboot").unwrap()
}

#[tokio::test]
async fn a_restart_names_what_waits_in_the_group_and_is_consented_to_with_it() {
    for manifest in ["    - {name: db, parameters: {max_connections: 300}}", "    - {name: db, parameters: {work_mem: 8192}}"] {
        let account = Account::new(WAITING);
        let before = account.plan(manifest).await;
        let step = restart(&before.resources[0]);
        assert!(step.takes.ends_with(NAMED), "{}", step.takes);
        assert_eq!(step.op.value()["brings"], serde_json::json!({"rds.force_ssl": "1", "shared_buffers": "1000"}));
        assert_eq!(account.plan(manifest).await.hash, before.hash, "the same facts are the same plan");
        // Somebody sets one more that waits: that is another plan. One that needs no restart, or is declared, is not.
        for (name, value, other) in [("max_wal_senders", "5", true), ("shared_buffers", "2000", true), ("log_connections", "1", false)] {
            account.sandbox.edit(|world| {
                let team = world.rds.parameter_groups.get_mut("team").unwrap();
                team.parameters.insert(name.to_owned(), value.to_owned());
            });
            let after = account.plan(manifest).await;
            assert_eq!(after.hash != before.hash, other, "{name}");
            account.sandbox.edit(|world| world.rds.parameter_groups.get_mut("team").unwrap().parameters.remove(name));
            account.sandbox.edit(|world| {
                let team = world.rds.parameter_groups.get_mut("team").unwrap();
                team.parameters.insert("shared_buffers".to_owned(), "1000".to_owned());
            });
        }
        account.converge(manifest).await;
        assert_eq!(account.in_force("db", "rds.force_ssl").as_deref(), Some("1"));
        assert_eq!(account.writes().iter().filter(|name| *name == "RebootDBInstance").count(), 1);
    }
}

/// What is declared is the plan's own, and what is in force waits for nothing.
#[tokio::test]
async fn what_is_declared_or_in_force_is_not_named_as_waiting() {
    let account = Account::new(WAITING);
    let step = restart(&account.planned("    - {name: db, parameters: {rds.force_ssl: 1, shared_buffers: 1000}}").await).clone();
    assert!(step.op.value().get("brings").is_none() && !step.takes.contains("besides"), "{}", step.takes);
    let account = Account::new(&WAITING.replace(", pendingReboot: true", ""));
    let plan = account.planned("    - {name: db, parameters: {max_connections: 300}}").await;
    assert!(restart(&plan).takes.ends_with("shared_buffers = 1000: in force already, by what RDS says"), "{}", restart(&plan).takes);
}

/// A group of its own is a copy: what waits in the present one comes into force with it.
#[tokio::test]
async fn a_copy_brings_what_waits_in_the_group_that_it_is_a_copy_of() {
    let shared = WAITING.replace("  parameterGroups:", "    other: {engineVersion: '14.9', parameterGroup: team}\n  parameterGroups:");
    let account = Account::new(&shared);
    let manifest = "    - {name: db, parameters: {max_connections: 300}}";
    let plan = account.planned(manifest).await;
    assert_eq!(ops(&plan.steps), ["createGroup", "setParameters", "attach", "reboot"]);
    assert!(restart(&plan).takes.ends_with(&NAMED.replace("team sets", "holdfast-db-postgres14 sets")), "{}", restart(&plan).takes);
    account.converge(manifest).await;
    assert_eq!(account.in_force("db", "rds.force_ssl").as_deref(), Some("1"));
    assert_eq!(account.writes().iter().filter(|name| *name == "RebootDBInstance").count(), 1, "it went on as it was planned");
}

/// The same words where an earlier run attached the group and was ended before the restart: the same step, by the same consent.
#[tokio::test]
async fn a_restart_that_an_earlier_run_left_brings_the_same() {
    let account = Account::new(WAITING);
    let manifest = "    - {name: db, parameters: {max_connections: 300}}";
    let before = restart(&account.planned(manifest).await).op.value()["brings"].clone();
    assert_eq!(before, serde_json::json!({"rds.force_ssl": "1", "shared_buffers": "1000"}));
    account.sandbox.edit(|world| {
        let team = world.rds.parameter_groups.get_mut("team").unwrap();
        team.parameters.insert("max_connections".to_owned(), "300".to_owned());
    });
    assert_eq!(restart(&account.planned(manifest).await).op.value()["brings"], before);
}
