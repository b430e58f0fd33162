//! The fence of the old group on AWS alone: what it is made of, what keeps it from being had, and what becomes of it.

use std::time::Duration;

use super::ground::block_on;
use super::{Account, OLD, account, wish};
use crate::execute::End;
use crate::kinds::elasticache::{Move, MoveStatus};
use crate::sandbox::faults::Faults;

const FENCE: &str = "holdfast-fence-huntaze-redis-72348fb3-1";

async fn status(account: &Account, wish: &str) -> MoveStatus {
    let baseline = account.baseline(wish);
    let connection = crate::reconcile::connected(&baseline, &account.connect).await.unwrap();
    let spec = baseline.entries[0].spec.downcast_ref().unwrap();
    Move::look(&connection.reads.fresh(), &baseline.scope, spec).await.unwrap().status()
}

fn has(account: &Account) -> Option<String> {
    account.sandbox.world().elasticache.replication_groups[OLD].parameter_group.clone()
}

fn with_parameters(account: &Account, yaml: &str) {
    account.sandbox.edit(|world| {
        world.elasticache.parameter_groups.insert("own".to_owned(), serde_yaml::from_str(yaml).unwrap());
        world.elasticache.replication_groups.get_mut(OLD).unwrap().parameter_group = Some("own".to_owned());
    });
}

fn notes(account: &Account, wish: &str) -> String {
    block_on(account.planned(wish)).notes.join("\n")
}

#[test]
fn it_is_a_copy_that_refuses_writes_in_force_when_the_move_is_done() {
    let account = account();
    with_parameters(
        &account,
        "{family: redis7, description: own, parameters: {maxmemory-policy: noeviction, databases: '4', min-replicas-to-write: '1', min-replicas-max-lag: '0'}}",
    );
    block_on(account.converge(&wish("")));
    assert_eq!(has(&account).as_deref(), Some(FENCE));
    let world = account.sandbox.world();
    let set: Vec<String> =
        world.elasticache.parameter_groups[FENCE].parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(set, ["databases=4", "maxmemory-policy=noeviction", "min-replicas-max-lag=10", "min-replicas-to-write=100"]);
    let old = &world.elasticache.replication_groups[OLD];
    assert_eq!((old.parameter_apply.text(), old.status.text()), ("in-sync", "available"), "nothing waits for a restart");
    assert_eq!(world.elasticache.replication_groups["huntaze-redis-72348fb3"].parameter_group.as_deref(), Some("own"));
    let said = format!("huntaze-redis is fenced: its parameter group {FENCE} refuses every write");
    assert!(notes(&account, &wish("")).contains(&said), "{}", notes(&account, &wish("")));
    assert_eq!(block_on(status(&account, &wish(""))).fence, Some(said));
}

#[test]
fn in_cluster_mode_it_is_one_of_cluster_mode() {
    let account = account();
    account.sandbox.edit(|world| {
        let group = world.elasticache.replication_groups.get_mut(OLD).unwrap();
        (group.cluster_enabled, group.shards, group.primaries) = (true, 2, Default::default());
        let turned = |text: &mut String| *text = text.replace(".6bf2a7.ng.0001.", ".6bf2a7.clustercfg.");
        let versions = world.secretsmanager.secrets.get_mut("app").unwrap().versions.values_mut();
        versions.for_each(|version| turned(&mut version.secret_string.as_mut().unwrap().0));
        let versions = world.ssm.parameters.get_mut(super::PARAMETER).unwrap().versions.values_mut();
        versions.for_each(|version| turned(&mut version.value.0));
    });
    block_on(account.converge(&wish("")));
    assert_eq!(has(&account).as_deref(), Some(FENCE));
    let world = account.sandbox.world();
    let parameters = &world.elasticache.parameter_groups[FENCE].parameters;
    assert_eq!(parameters.get("cluster-enabled").map(String::as_str), Some("yes"), "{parameters:?}");
    assert!(notes(&account, &wish("")).contains("huntaze-redis is fenced"), "{}", notes(&account, &wish("")));
}

#[test]
fn a_group_that_is_kept_goes_on_refusing_writes_and_one_that_is_deleted_takes_it_along() {
    for (retire, kept) in [("Keep", true), ("Delete", false)] {
        let (account, wish) = (account(), wish(&format!(", keepOld: 2h, retire: {retire}")));
        block_on(account.converge(&wish));
        account.sandbox.clock().advance(Duration::from_secs(7201));
        block_on(account.converge(&wish));
        let world = account.sandbox.world();
        assert_eq!(world.elasticache.parameter_groups.contains_key(FENCE), kept);
        assert_eq!(world.elasticache.replication_groups.contains_key(OLD), kept);
        let said = block_on(status(&account, &wish)).fence;
        match kept {
            true => {
                assert_eq!(has(&account).as_deref(), Some(FENCE));
                let said = said.unwrap_or_default();
                assert!(said.contains(&format!("{OLD} is left, and refuses every write by its parameter group {FENCE}")), "{said}");
                assert!(said.contains("aws elasticache modify-replication-group --replication-group-id huntaze-redis"), "{said}");
            }
            false => assert_eq!(said, None),
        }
    }
}

/// What a kept group was not given while it soaked it is given then.
#[test]
fn a_group_that_somebody_unfenced_is_fenced_again_before_it_is_left() {
    let (account, wish) = (account(), wish(", keepOld: 2h"));
    block_on(account.converge(&wish));
    let unfence = || account.sandbox.edit(|world| world.elasticache.replication_groups.get_mut(OLD).unwrap().parameter_group = None);
    unfence();
    block_on(account.converge(&wish));
    assert_eq!(has(&account).as_deref(), Some(FENCE), "in the soak");
    unfence();
    account.sandbox.clock().advance(Duration::from_secs(7201));
    block_on(account.converge(&wish));
    assert_eq!(has(&account).as_deref(), Some(FENCE), "before it is left");
}

/// A move never fails for it: the reason is said, and what was made is deleted in the end.
#[test]
fn where_aws_refuses_it_the_move_goes_on_without() {
    for (faults, said) in [
        ("denied@ModifyCacheParameterGroup", "is not authorized to perform"),
        ("denied@ModifyReplicationGroup", "is not authorized to perform"),
        ("", "exceed the maximum of 150"),
    ] {
        let mut world = account().sandbox.world();
        if faults.is_empty() {
            // The lock is the last that there is room for.
            for number in 0..149 {
                let group = serde_yaml::from_str("{family: redis7, description: theirs}").unwrap();
                world.elasticache.parameter_groups.insert(format!("p{number}"), group);
            }
        }
        let (account, wish) = (Account::with(world, faults.parse().unwrap()), wish(", keepOld: 2h"));
        let outcomes = block_on(account.apply(&wish));
        assert_eq!(outcomes.resources[0].end, End::Changed, "{faults}: {:#?}", outcomes.resources[0]);
        assert_eq!(has(&account), None, "{faults}");
        let told = notes(&account, &wish);
        assert!(told.contains("huntaze-redis is not fenced: ") && told.contains(said), "{faults}: {told}");
        block_on(account.in_sync(&wish));
        account.sandbox.clock().advance(Duration::from_secs(7201));
        block_on(account.converge(&wish));
        let left = account.sandbox.world().elasticache.parameter_groups;
        assert!(left.keys().all(|name| !name.starts_with("holdfast-")), "{faults}: {:?}", left.keys());
    }
}

/// Another parameter group would be attached with what waits, and take the nodes down.
#[test]
fn what_waits_for_a_restart_is_not_done_for_its_sake() {
    let account = account();
    with_parameters(&account, "{family: redis7, description: own, parameters: {databases: '4'}}");
    let waits = "{reboot: [huntaze-redis-001, huntaze-redis-002]}";
    account.sandbox.edit(|world| {
        world.elasticache.replication_groups.get_mut(OLD).unwrap().parameter_apply = serde_yaml::from_str(waits).unwrap();
    });
    let plan = block_on(account.planned(&wish("")));
    assert!(plan.steps.iter().all(|step| !step.title.contains("holdfast-fence")), "{:#?}", plan.steps);
    let said = plan.notes.join("\n");
    assert!(said.contains("huntaze-redis is not fenced after the commit: parameters of huntaze-redis wait for a restart"), "{said}");
    let outcomes = block_on(account.apply(&wish("")));
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(has(&account).as_deref(), Some("own"));
    block_on(account.in_sync(&wish("")));
}

/// One of that name that is not holdfast's is neither used nor deleted.
#[test]
fn somebody_elses_parameter_group_of_that_name_is_left_alone() {
    let account = account();
    account.sandbox.edit(|world| {
        let group = serde_yaml::from_str("{family: redis7, description: theirs}").unwrap();
        world.elasticache.parameter_groups.insert(FENCE.to_owned(), group);
    });
    let wish = wish(", keepOld: 2h, retire: Delete");
    let outcomes = block_on(account.apply(&wish));
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(has(&account), None);
    assert!(notes(&account, &wish).contains("holdfast did not make it"));
    account.sandbox.clock().advance(Duration::from_secs(7201));
    block_on(account.converge(&wish));
    assert!(account.sandbox.world().elasticache.parameter_groups.contains_key(FENCE));
}

/// A run does not wait for it for ever, and a later one tries again.
#[test]
fn where_it_takes_too_long_the_run_ends_without_it() {
    let account = Account::with(account().sandbox.world(), Faults::default());
    block_on(account.converge(&wish("")));
    let begun = |at: &str| {
        account.sandbox.edit(|world| {
            world.elasticache.replication_groups.get_mut(OLD).unwrap().parameter_group = None;
            let lock = world.elasticache.parameter_groups.iter_mut().find(|(name, _)| name.starts_with("holdfast-move-")).unwrap().1;
            lock.tags.insert("holdfast.dev/fence".to_owned(), format!("begun {at}"));
        });
    };
    let now = account.sandbox.clock().now();
    begun(&(now - jiff::SignedDuration::from_mins(61)).to_string());
    block_on(account.in_sync(&wish("")));
    let told = notes(&account, &wish(""));
    assert!(told.contains("huntaze-redis is not fenced: that was begun, and AWS does not show it yet"), "{told}");
    begun(&(now - jiff::SignedDuration::from_mins(121)).to_string());
    block_on(account.converge(&wish("")));
    assert_eq!(has(&account).as_deref(), Some(FENCE));
}

/// The policy of the declared key, before anything is made.
#[test]
fn a_key_whose_policy_lets_nobody_make_grants_is_found_before_the_move() {
    let keyed = wish("").replace("enabled: true}", "enabled: true, kmsKeyId: alias/app}");
    let with = |policy: Option<&str>, faults: &str| {
        let found = account();
        found.sandbox.edit(|world| world.kms.keys.values_mut().for_each(|key| key.policy = policy.map(str::to_owned)));
        block_on(Account::with(found.sandbox.world(), faults.parse().unwrap()).planned(&keyed))
    };
    let plan = with(None, "");
    assert!(!plan.steps.is_empty() && !plan.notes.iter().any(|note| note.contains("grants")), "{plan:#?}");
    let theirs = r#"{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "kms:*"}]}"#;
    let plan = with(Some(theirs), "");
    let blocks: Vec<&str> = plan.all_blocks().map(|block| block.message.as_str()).collect();
    assert!(
        blocks.iter().any(|block| block.contains("the policy of the KMS key alias/app lets nobody of this account make grants")),
        "{blocks:?}"
    );
    assert!(plan.steps.is_empty());
    let plan = with(Some(theirs), "denied@GetKeyPolicy");
    assert!(!plan.steps.is_empty(), "{plan:#?}");
    assert!(
        plan.notes.iter().any(|note| note.contains("alias/app allows grants could not be read: kms:GetKeyPolicy")),
        "{:#?}",
        plan.notes
    );
}

/// Who gives the old group a parameter group of their own means it; who takes a backup of it changes nothing.
#[test]
fn what_somebody_else_does_with_the_old_group_is_not_fought() {
    let account = account();
    block_on(account.converge(&wish("")));
    let now = account.sandbox.clock().now();
    let snapshotting = |status: &str| {
        account.sandbox.edit(|world| {
            let group = world.elasticache.replication_groups.get_mut(OLD).unwrap();
            group.status = serde_yaml::from_str(status).unwrap();
            group.ready_at = (status != "available").then(|| crate::clock::later(now, Duration::from_secs(600)));
        });
    };
    snapshotting("snapshotting");
    let plan = block_on(account.plan(&wish("")));
    assert!(plan.in_sync(), "{:#?}", plan.resources);
    snapshotting("available");
    with_parameters(&account, "{family: redis7, description: theirs}");
    let outcomes = block_on(account.apply(&wish("")));
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    assert_eq!(has(&account).as_deref(), Some("own"));
    block_on(account.in_sync(&wish("")));
    assert!(notes(&account, &wish("")).contains("huntaze-redis is not fenced: "), "{}", notes(&account, &wish("")));
}
