//! Wishes for parameters and versions that ElastiCache cannot fulfil in place, or not unnoticed.

use super::account::{Account, found};
use super::pipeline::{GROUPS, blocked, reasons, with_groups};
use crate::kinds::{Impact, Reason};

/// Bug family 11: what a declared group holds is in force, or it is not done.
#[tokio::test]
async fn a_named_group_that_waits_for_a_restart_is_not_done() {
    let waits = "{name: huntaze-redis, parameterGroup: team}";
    let account = Account::new(&with_groups("", "").replacen("timeout: '30'", "timeout: '30', databases: '64'", 1));
    let plan = account.planned(waits).await;
    assert_eq!(reasons(&plan), [blocked(Reason::NotSupported, &["parametersInForce"])], "said before it is attached");
    assert!(plan.blocks[0].message.contains("databases"), "{}", plan.blocks[0].message);
    assert_eq!((plan.steps.len(), plan.steps[0].impact), (1, Impact::Online));
    account.apply(waits).await;
    let plan = account.planned(waits).await;
    assert_eq!(plan.drifts.iter().map(|drift| drift.field.as_str()).collect::<Vec<_>>(), ["parametersInForce"]);
    assert_eq!(reasons(&plan), [blocked(Reason::NotSupported, &["parametersInForce"])]);
    assert!(plan.blocks[0].message.contains("databases"), "{}", plan.blocks[0].message);

    // Nodes made anew begin with all of it.
    let old = found(", engineVersion: 7.0.7, parameterGroup: team, parameterApply: {reboot: [huntaze-redis-001]}");
    let old = old.replacen("engineVersion: 7.1.0, ", "", 1).replacen("secretsmanager", &format!("{GROUPS}secretsmanager"), 1);
    let account = Account::new(&old);
    assert_eq!(reasons(&account.planned(waits).await), [blocked(Reason::NotSupported, &["parametersInForce"])]);
    account.sandbox.edit(|world| {
        let team = world.elasticache.parameter_groups.get_mut("team").unwrap();
        team.parameters.insert("databases".to_owned(), "20".to_owned());
    });
    let upgrade = "{name: huntaze-redis, parameterGroup: team, engineVersion: '7.1'}";
    let plan = account.planned(upgrade).await;
    let step = plan.steps.last().unwrap();
    assert!(
        step.takes.ends_with("besides what is declared: databases = 20 (AWS does not say what of that is not in force yet)"),
        "{}",
        step.takes
    );
    assert_eq!(step.op.value()["brings"], serde_json::json!({"databases": "20"}), "it is consented to with the step");
    account.converge(upgrade).await;
}

/// A group that is known to lack what is declared is not attached; what it lacks and may be given is set first.
#[tokio::test]
async fn a_named_group_that_is_not_as_declared_is_not_attached() {
    let world = with_groups("", "").replacen("timeout: '30'", "timeout: '30', databases: '32'", 1);
    let account = Account::new(&world);
    for (databases, timeout) in [("64", "30"), ("64", "5"), ("16", "30")] {
        let wish = format!("{{name: huntaze-redis, parameterGroup: team, parameters: {{databases: {databases}, timeout: {timeout}}}}}");
        let plan = account.planned(&wish).await;
        let group = plan.blocks.iter().find(|block| block.fields == ["parameterGroup"]).unwrap();
        assert_eq!(group.reason, Reason::Conflict);
        assert!(group.message.contains("databases is \"32\" there") && group.message.contains(databases), "{}", group.message);
        assert_eq!(plan.steps, [], "{databases} {timeout}");
    }
    let had = account.planned("{name: huntaze-redis, parameterGroup: team, parameters: {databases: 32}}").await;
    assert_eq!(had.steps.len(), 1, "what it holds comes with it");

    // What is as declared now stays so: the declared group has another value, and gets that one before it is attached.
    let kept = "{name: huntaze-redis, parameterGroup: team, parameters: {timeout: 0, maxmemory-samples: null}}";
    let account = Account::new(&with_groups("", ""));
    let plan = account.planned(kept).await;
    assert_eq!(plan.steps.last().unwrap().fields, ["parameterGroup"]);
    account.converge(kept).await;
    let team = account.sandbox.world().elasticache.parameter_groups["team"].parameters.clone();
    assert_eq!((team["timeout"].as_str(), team.get("maxmemory-samples")), ("0", None));
    assert_eq!(account.writes().last().unwrap().0, "ModifyReplicationGroup");

    // Others use it, and nobody asked for theirs to be changed.
    let account = Account::new(&with_groups("", ", parameterGroup: team"));
    let plan = account.planned("{name: huntaze-redis, parameterGroup: team, parameters: {timeout: 300}}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::Conflict, &["parameters.timeout"]), blocked(Reason::Conflict, &["parameterGroup"])]);
    assert_eq!(plan.steps, []);
    account.converge("{name: huntaze-redis, parameterGroup: team, parameters: {timeout: 30}}").await;
}

#[tokio::test]
async fn a_group_that_evicts_otherwise_is_attached_with_consent_only() {
    let mut account = Account::new(&with_groups("", "").replacen("timeout: '30'", "maxmemory-policy: allkeys-lru", 1));
    account.disruptive = "Deny";
    let evicts = "{name: huntaze-redis, parameterGroup: team}";
    let plan = account.planned(evicts).await;
    assert_eq!(plan.steps[0].impact, Impact::Disruptive);
    assert!(plan.steps[0].takes.contains("evicted"), "{}", plan.steps[0].takes);
    account.apply(evicts).await;
    assert_eq!(account.writes(), []);
    // A group of its own, made and filled before the process ended.
    let own =
        "holdfast-huntaze-redis-redis7: {family: redis7, tags: {holdfast.dev/owner: holdfast}, parameters: {maxmemory-policy: noeviction}}";
    let begun = found("").replacen("secretsmanager", &format!("  parameterGroups: {{{own}}}\nsecretsmanager"), 1);
    let plan = Account::new(&begun).planned("{name: huntaze-redis, parameters: {maxmemory-policy: noeviction}}").await;
    assert_eq!(plan.steps.iter().map(|step| step.impact).collect::<Vec<_>>(), [Impact::Disruptive]);
}

#[tokio::test]
async fn a_version_that_is_not_offered_is_a_wrong_wish() {
    for group in ["", ", parameterGroup: team"] {
        let account = Account::new(&with_groups(group, ""));
        for version in ["7.9", "8.0", "8.x"] {
            let plan = account.planned(&format!("{{name: huntaze-redis, engineVersion: '{version}'}}")).await;
            assert_eq!(reasons(&plan), [blocked(Reason::InvalidWish, &["engineVersion"])], "{version}");
            assert_eq!(plan.steps, []);
        }
    }
    let older = Account::new(&found(", engineVersion: 6.2.6").replacen("engineVersion: 7.1.0, ", "", 1));
    let plan = older.planned("{name: huntaze-redis, engineVersion: '8.0', parameters: {timeout: 5}}").await;
    assert_eq!(plan.blocks[0].reason, Reason::InvalidWish);
    assert!(plan.blocks[0].what_to_do.contains("7.0, 7.1"), "{}", plan.blocks[0].what_to_do);
    older.sandbox.forget_records();
    older.planned("{name: huntaze-redis, engineVersion: '6.2'}").await;
    assert!(older.sandbox.recorded().iter().all(|one| one.operation != "DescribeCacheEngineVersions"), "read only where it differs");
    let denied = Account::with(serde_yaml::from_str(&found("")).unwrap(), "denied@DescribeCacheEngineVersions".parse().unwrap());
    let plan = denied.planned("{name: huntaze-redis, engineVersion: '7.2'}").await;
    assert_eq!(reasons(&plan), [blocked(Reason::Unreadable, &["engineVersion"])]);
}

#[tokio::test]
async fn values_that_a_parameter_does_not_take_are_a_wrong_wish() {
    let account = Account::new(&found(""));
    let plan = account.planned("{name: huntaze-redis, parameters: {maxmemory-policy: bogus, timeout: -5, tcp-keepalive: 60}}").await;
    let expected = [blocked(Reason::InvalidWish, &["parameters.maxmemory-policy"]), blocked(Reason::InvalidWish, &["parameters.timeout"])];
    assert_eq!(reasons(&plan), expected);
    assert!(plan.blocks[0].message.contains("noeviction"), "{}", plan.blocks[0].message);
    assert!(plan.steps.iter().all(|step| step.fields == ["parameters.tcp-keepalive"]), "{:?}", plan.steps);
    account.in_sync("{name: huntaze-redis, parameters: {timeout: 0.0, activedefrag: 'No'}}").await;
    account.converge("{name: huntaze-redis, parameters: {timeout: 5.0, activedefrag: 'Yes'}}").await;
    let parameters = account.sandbox.world().elasticache.parameter_groups["holdfast-huntaze-redis-redis7"].parameters.clone();
    assert_eq!((parameters["timeout"].as_str(), parameters["activedefrag"].as_str()), ("5", "yes"));
    // With a version of another family, too.
    let older = Account::new(&found(", engineVersion: 6.2.6").replacen("engineVersion: 7.1.0, ", "", 1));
    let wish =
        |timeout: &str| format!("{{name: huntaze-redis, engineVersion: '7.1', parameters: {{timeout: {timeout}, activedefrag: 'YES'}}}}");
    assert_eq!(reasons(&older.planned(&wish("-5")).await), [blocked(Reason::InvalidWish, &["parameters.timeout"])]);
    older.converge(&wish("7.0")).await;
}
