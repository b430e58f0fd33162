//! Parameter groups that several instances use, and parameters that go back to the engine's defaults.

use super::pipeline::{Account, ops};
use crate::desired::Choice;
use crate::kinds::{Impact, Reason};

/// Two instances with one group.
const SHARED: &str = "
account: '317805897534'
rds:
  instances:
    db: {engineVersion: '14.9', parameterGroup: team}
    other: {engineVersion: '14.9', parameterGroup: team}
  parameterGroups:
    team: {family: postgres14, parameters: {work_mem: '8192', max_connections: '200', rds.force_ssl: '1'}}
";

/// Bug 1 of other tools: an endless difference. Two entries with one group would set each other's value back for ever.
#[tokio::test]
async fn two_entries_with_one_group_that_disagree_are_both_told() {
    let account = Account::new(SHARED);
    let disagree = "    - {name: first, instance: db, parameters: {work_mem: 4096, log_min_duration_statement: 500}}\n    - {name: other, parameters: \
                    {work_mem: 16384}}";
    let plan = account.plan(disagree).await;
    for resource in &plan.resources {
        assert_eq!(resource.blocks.len(), 1, "{:?}", resource.blocks);
        assert_eq!(
            (resource.blocks[0].reason, resource.blocks[0].fields.as_slice()),
            (Reason::Conflict, &["parameters.work_mem".to_owned()][..])
        );
        for word in ["rds.instances/first", "4096", "rds.instances/other", "16384", "team"] {
            assert!(resource.blocks[0].message.contains(word), "{word}: {}", resource.blocks[0].message);
        }
    }
    assert_eq!(ops(&plan.resources[0].steps), ["setParameters"], "what they agree on is set");
    account.apply(disagree).await;
    let outcomes = account.apply(disagree).await;
    assert!(outcomes.resources.iter().all(|one| one.end.blocks().is_some()), "{outcomes:?}");
    assert_eq!(account.sandbox.world().rds.parameter_groups["team"].parameters["work_mem"], "8192");
    assert_eq!(account.writes(), ["ModifyDBParameterGroup"]);

    // One that has what it wants does not lose it to the other.
    let account = Account::new(SHARED);
    let plan = account.plan("    - {name: db, parameters: {work_mem: 8192}}\n    - {name: other, parameters: {work_mem: null}}").await;
    assert!(plan.resources[0].blocks.is_empty() && plan.resources[0].steps.is_empty());
    assert_eq!(plan.resources[1].blocks[0].reason, Reason::Conflict);
    assert!(plan.resources[1].blocks[0].message.contains("the engine's default"));

    // The same value, however it is written, is no conflict.
    let agree = "    - {name: db, parameters: {rds.force_ssl: false}}\n    - {name: other, parameters: {rds.force_ssl: '0'}}";
    assert!(account.plan(agree).await.resources.iter().all(|resource| resource.blocks.is_empty()));
}

/// RDS tells one status for a whole group: a static parameter asks for a restart of every instance that has the group, and each of them must stand in the plan.
#[tokio::test]
async fn nobody_is_restarted_for_a_parameter_of_another_entry_that_no_plan_shows() {
    let restarts =
        |plan: &crate::plan::Plan| plan.resources.iter().map(|one| ops(&one.steps).contains(&"reboot".to_owned())).collect::<Vec<_>>();
    // The other would need one for a parameter that it does not declare.
    let account = Account::new(SHARED);
    let alone =
        "    - {name: db, parameters: {max_connections: 300, log_connections: 1}}\n    - {name: other, parameters: {work_mem: 8192}}";
    let plan = account.plan(alone).await;
    let block = &plan.resources[0].blocks[0];
    assert_eq!((block.reason, block.fields.as_slice()), (Reason::Conflict, &["parameters.max_connections".to_owned()][..]));
    assert!(block.what_to_do.contains("declare max_connections = 300 for rds.instances/other too"), "{block:?}");
    assert_eq!(ops(&plan.resources[0].steps), ["setParameters"], "what needs no restart is set");
    account.apply(alone).await;
    let again = account.plan(alone).await;
    assert!(again.resources[0].steps.is_empty() && again.resources[1].drifts.is_empty(), "{again:?}");
    // It declares it too; it declares no parameter at all, and may get what it did not ask for.
    for (manifest, restarted) in [
        ("    - {name: db, parameters: {max_connections: 300}}\n    - {name: other, parameters: {max_connections: '300'}}", [true, true]),
        (
            "    - {name: db, parameters: {max_connections: 300}, sharedParameterGroup: Allow}\n    - {name: other, deletionProtection: true}",
            [true, false],
        ),
    ] {
        let account = Account::new(SHARED);
        let plan = account.plan(manifest).await;
        assert!(plan.resources.iter().all(|one| one.blocks.is_empty()), "{manifest}: {plan:?}");
        assert_eq!(restarts(&plan), restarted, "{manifest}");
        account.apply(manifest).await;
        assert!(account.plan(manifest).await.in_sync(), "{manifest}");
    }
}

/// `sharedParameterGroup: Allow` is for those that use the group when somebody reads the plan: one that comes into it after that belongs to another plan.
#[tokio::test]
async fn who_uses_a_shared_group_belongs_to_the_plan() {
    const APPROVE: &str = "{disruptive: Approve}";
    let with_new = SHARED.replace("  parameterGroups:", "    new: {engineVersion: '14.9'}\n  parameterGroups:");
    let come = |world: &mut crate::sandbox::world::World| world.rds.instances.get_mut("new").unwrap().parameter_group = "team".to_owned();
    // Clients may notice the value: it is consented to.
    let manifest = "    - {name: db, parameters: {statement_timeout: 1000}, sharedParameterGroup: Allow}";
    let account = Account::new(&with_new);
    let plan = account.plan(manifest).await;
    assert_eq!(plan.resources[0].steps[0].op.value()["users"], serde_json::json!(["other"]));
    let hash = account.hash(APPROVE, manifest).await;
    account.sandbox.edit(come);
    assert_ne!(account.hash(APPROVE, manifest).await, hash);
    // It comes after the plan was made and before its request: the consent does not count for it.
    let account = Account::new(&with_new);
    let (_, outcomes) = account.disturbed(APPROVE, manifest, Some(&hash), |sandbox| sandbox.edit(come)).await;
    let blocks = outcomes.resources[0].end.blocks().unwrap();
    assert_eq!(blocks[0].reason, Reason::NeedsConsent);
    assert!(blocks[0].message.contains("new uses the parameter group team since it was planned"), "{blocks:?}");
    assert!(account.writes().is_empty());
    // Without a disturbance it does.
    let account = Account::new(&with_new);
    account.run(APPROVE, manifest, Some(&hash)).await;
    assert_eq!(account.sandbox.world().rds.parameter_groups["team"].parameters["statement_timeout"], "1000");
}

/// What the manifest speaks for is no outsider because this run leaves it out.
#[tokio::test]
async fn a_part_of_the_manifest_knows_the_rest() {
    let account = Account::new(SHARED);
    let only = || Choice { only: vec!["rds.instances/db".to_owned()], ..Choice::default() };
    let agree = "    - {name: db, parameters: {work_mem: 4096}}\n    - {name: other, parameters: {log_connections: 1}}";
    let plan = account.chosen(agree, only()).await;
    assert_eq!(plan.resources.len(), 1);
    assert_eq!(ops(&plan.resources[0].steps), ["setParameters"]);
    let disagree = "    - {name: db, parameters: {work_mem: 4096}}\n    - {name: other, parameters: {work_mem: 8192}}";
    assert_eq!(account.chosen(disagree, only()).await.resources[0].blocks[0].reason, Reason::Conflict);
}

#[tokio::test]
async fn null_sets_a_parameter_back_to_the_engines_default() {
    let alone = SHARED.replace("    other: {engineVersion: '14.9', parameterGroup: team}\n", "");
    let account = Account::new(&alone);
    // Dynamic, static, one that may cut clients off as it changes, one that is as declared.
    let manifest = "    - {name: db, parameters: {work_mem: null, max_connections: null, rds.force_ssl: null, log_connections: null}}";
    let plan = account.planned(manifest).await;
    let drifting: Vec<&str> = plan.drifts.iter().map(|drift| drift.field.as_str()).collect();
    assert_eq!(drifting, ["parameters.max_connections", "parameters.rds.force_ssl", "parameters.work_mem"]);
    assert_eq!(ops(&plan.steps), ["resetParameters", "reboot"]);
    assert_eq!(plan.steps[0].impact, Impact::Disruptive);
    account.converge(manifest).await;
    assert!(account.sandbox.world().rds.parameter_groups["team"].parameters.is_empty());
    assert_ne!(account.in_force("db", "max_connections").as_deref(), Some("200"), "the engine's default is in force");
    assert_eq!(account.writes(), ["ResetDBParameterGroup", "RebootDBInstance"]);

    // From a group that others use, into one of its own that is a copy of it.
    let account = Account::new(SHARED);
    let manifest = "    - {name: db, parameters: {work_mem: null}}";
    assert_eq!(ops(&account.planned(manifest).await.steps), ["createGroup", "resetParameters", "attach", "reboot"]);
    account.converge(manifest).await;
    let groups = account.sandbox.world().rds.parameter_groups;
    assert!(!groups["holdfast-db-postgres14"].parameters.contains_key("work_mem"));
    assert_eq!(groups["holdfast-db-postgres14"].parameters["max_connections"], "200");
    assert_eq!(groups["team"].parameters["work_mem"], "8192");

    // A default group has nothing to set back.
    let account = Account::new("{account: '317805897534', rds: {instances: {db: {engineVersion: '14.9'}}}}");
    assert!(account.plan(manifest).await.in_sync());
}

/// Dynamic parameters of an attached group come into force at once: what may refuse clients, or end what they do, is no matter of `online`.
#[tokio::test]
async fn parameters_that_clients_notice_are_disruptive() {
    let account = Account::new(&SHARED.replace("    other: {engineVersion: '14.9', parameterGroup: team}\n", ""));
    for (parameter, impact) in [
        ("ssl_min_protocol_version: TLSv1.3", Impact::Disruptive),
        ("ssl_min_protocol_version: null", Impact::Disruptive),
        ("statement_timeout: 1", Impact::Disruptive),
        ("statement_timeout: 0", Impact::Online),
        ("idle_in_transaction_session_timeout: 1000", Impact::Disruptive),
        ("work_mem: 4096", Impact::Online),
        ("log_connections: 1", Impact::Online),
    ] {
        account.sandbox.edit(|world| {
            let team = world.rds.parameter_groups.get_mut("team").unwrap();
            team.parameters.insert("ssl_min_protocol_version".to_owned(), "TLSv1.2".to_owned());
        });
        let step = account.planned(&format!("    - {{name: db, parameters: {{{parameter}}}}}")).await.steps.remove(0);
        assert_eq!(step.impact, impact, "{parameter}: {}", step.takes);
        let name = parameter.split(':').next().unwrap();
        assert_eq!(
            step.takes.contains(&format!("clients may be refused or cut off ({name})")),
            impact == Impact::Disruptive,
            "{}",
            step.takes
        );
    }
}

/// What the engine's default is differs by version: going back to it refuses nobody for certain.
#[tokio::test]
async fn the_engines_default_may_refuse_clients_without_tls() {
    let account = Account::new(
        "{account: '317805897534', rds: {instances: {db: {engineVersion: '14.9', parameterGroup: team}}, \
         parameterGroups: {team: {family: postgres14, parameters: {rds.force_ssl: '1'}}}}}",
    );
    let step = account.planned("    - {name: db, parameters: {rds.force_ssl: null}}").await.steps.remove(0);
    assert!(step.takes.starts_with("clients without TLS may be refused"), "{}", step.takes);
    assert_eq!(step.impact, Impact::Disruptive);
}

/// The schema takes what the kinds take.
#[test]
fn a_manifest_may_say_null_of_a_parameter() {
    let parameters = serde_json::json!({"name": "db", "parameters": {"work_mem": null, "timeout": 5}});
    let spec = serde_json::json!({"rds": {"instances": [parameters]}, "elasticache": {"replicationGroups": [parameters]}});
    assert_eq!(crate::kinds::testing::baseline(&spec).entries.len(), 2);
}
