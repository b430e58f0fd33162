//! What a restart puts in force besides what is declared: named, consented to with it, and as it was planned when it comes.

use super::pipeline::{Account, ops};
use crate::kinds::Reason;
use crate::plan::ResourcePlan;

/// `rds.force_ssl` is static in this family, was set by somebody, and waits.
const WAITING: &str = "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team, pendingReboot: true}
  parameterGroups:
    team: {family: postgres14, parameters: {rds.force_ssl: '1', work_mem: '8192', shared_buffers: '1000'}, immediate: [work_mem]}
";

const NAMED: &str = "besides what is declared team sets rds.force_ssl = 1, shared_buffers = 1000; RDS does not say what of that waits: where it \
                     does, clients without TLS are refused";

fn restart(plan: &ResourcePlan) -> &crate::plan::PlannedStep {
    plan.steps.iter().find(|step| step.op.value()["do"] == "reboot").unwrap()
}

#[tokio::test]
async fn a_restart_names_what_waits_in_the_group_and_is_consented_to_with_it() {
    for manifest in ["    - {name: db, parameters: {max_connections: 300}}", "    - {name: db, parameters: {rds.logical_replication: 0}}"] {
        let account = Account::new(WAITING);
        let before = account.plan(manifest).await;
        let step = restart(&before.resources[0]);
        assert!(step.takes.ends_with(NAMED), "{}", step.takes);
        assert_eq!(step.op.value()["brings"], serde_json::json!({"rds.force_ssl": "1", "shared_buffers": "1000"}));
        assert_eq!(account.plan(manifest).await.hash, before.hash, "the same facts are the same plan");
        // Somebody sets one more that waits, a dynamic one for the next restart, too: that is another plan. One that was set at once is not.
        let changes = [
            ("max_wal_senders", "5", true),
            ("shared_buffers", "2000", true),
            ("log_statement", "ddl", true),
            ("log_connections", "1", false),
        ];
        for (name, value, other) in changes {
            account.sandbox.edit(|world| {
                let team = world.rds.parameter_groups.get_mut("team").unwrap();
                team.immediate.extend((name == "log_connections").then(|| name.to_owned()));
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

/// A dynamic parameter waits for a restart too, where it was set to; and what is declared otherwise and not set, for whatever reason, comes into force as it is.
#[tokio::test]
async fn a_restart_names_dynamic_parameters_that_wait_and_what_stays_otherwise() {
    let shared = WAITING
        .replace("  parameterGroups:", "    other: {engineVersion: '14.9', parameterGroup: team}\n  parameterGroups:")
        .replace("shared_buffers: '1000'", "statement_timeout: '5', max_connections: '200'");
    let account = Account::new(&shared);
    // A static one of the first, of which the second's restart would be in no plan: a conflict, and not set.
    let manifest =
        "    - {name: db, parameters: {max_connections: 300, rds.force_ssl: 1}}\n    - {name: other, parameters: {work_mem: 8192}}";
    let plan = account.planned(manifest).await;
    assert_eq!((plan.blocks.len(), plan.blocks[0].reason), (1, Reason::Conflict), "{:?}", plan.blocks);
    assert_eq!(ops(&plan.steps), ["reboot"]);
    let step = restart(&plan);
    assert_eq!(step.op.value()["brings"], serde_json::json!({"max_connections": "200", "statement_timeout": "5"}));
    assert!(step.takes.contains("clients may be refused or cut off (max_connections, statement_timeout)"), "{}", step.takes);
    account.apply(manifest).await;
    assert_eq!(account.in_force("db", "statement_timeout").as_deref(), Some("5"), "it went on as it was planned");
}

/// A change of the instance that restarts it comes after what its plan sets in the group, and names what of the present group nothing sets before it.
#[tokio::test]
async fn a_setting_that_restarts_the_instance_comes_after_the_group() {
    let pending = WAITING.replace("pendingReboot: true", "pendingReboot: true, pending: {class: db.m5.large}");
    let manifest = "    - {name: db, multiAz: true, parameters: {shared_buffers: 2000}}";
    let account = Account::new(&pending);
    let plan = account.planned(manifest).await;
    assert_eq!(ops(&plan.steps), ["setParameters", "modify", "reboot"]);
    assert_eq!(
        (plan.steps[1].after.as_slice(), &plan.steps[1].op.value()["brings"]),
        (&[0][..], &serde_json::json!({"rds.force_ssl": "1"}))
    );
    account.converge(manifest).await;
    // With a group of its own to come, the present one is what it restarts with.
    let shared = pending.replace("  parameterGroups:", "    other: {engineVersion: '14.9', parameterGroup: team}\n  parameterGroups:");
    let account = Account::new(&shared);
    let plan = account.planned(manifest).await;
    let both = serde_json::json!({"rds.force_ssl": "1", "shared_buffers": "1000"});
    assert_eq!((ops(&plan.steps)[0].as_str(), &plan.steps[0].op.value()["brings"]), ("modify", &both), "{:?}", ops(&plan.steps));
    assert_eq!(restart(&plan).op.value()["brings"], serde_json::json!({"rds.force_ssl": "1"}));
    account.converge(manifest).await;
}

/// A group that is begun carries what waits in the present one, and how it waits: the restart brings it, and the plan of the next run names it still.
#[tokio::test]
async fn a_dynamic_parameter_that_waits_is_carried_into_a_group_that_was_begun() {
    let tags = "{holdfast.dev/owner: holdfast, holdfast.dev/object: test, holdfast.dev/made-at: '2025-12-31T00:00:00Z'}";
    let begun = WAITING
        .replace("  parameterGroups:", "    other: {engineVersion: '14.9', parameterGroup: team}\n  parameterGroups:")
        .replace("shared_buffers: '1000'", "log_statement: ddl")
        + &format!("    holdfast-db-postgres14: {{family: postgres14, tags: {tags}}}\n");
    let account = Account::new(&begun);
    let manifest = "    - {name: db, parameters: {max_connections: 300}}";
    let plan = account.planned(manifest).await;
    assert_eq!(ops(&plan.steps), ["setParameters", "attach", "reboot"]);
    let brings = serde_json::json!({"log_statement": "ddl", "rds.force_ssl": "1"});
    assert_eq!(restart(&plan).op.value()["brings"], brings);
    account.converge(manifest).await;
    assert_eq!(account.in_force("db", "log_statement").as_deref(), Some("ddl"));
    assert_eq!(account.restarts(), 1, "it went on as it was planned");
    account.sandbox.edit(|world| world.rds.instances.get_mut("db").unwrap().pending_reboot = true);
    assert_eq!(restart(&account.planned(manifest).await).op.value()["brings"], brings);
}
