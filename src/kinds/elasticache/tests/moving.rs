//! Moving a group into a new one, on AWS alone: `writeGap: Accept`.

#[path = "moving_back.rs"]
mod back;
#[path = "moving_consent.rs"]
mod consent;
#[path = "moving_crashes.rs"]
mod crashes;
#[path = "moving_exec.rs"]
mod exec;
#[path = "moving_faults.rs"]
mod faults;
#[path = "moving_fence.rs"]
mod fence;
#[path = "moving_ground.rs"]
pub mod ground;
#[path = "moving_holder.rs"]
mod holder;
#[path = "moving_kubernetes.rs"]
pub mod kubernetes;
#[path = "moving_places.rs"]
mod places;
#[path = "moving_standalone.rs"]
mod standalone;
#[path = "moving_teeth.rs"]
mod teeth;

use std::time::Duration;

use super::account::{Account, SECRET, TOKEN, found};
use super::pipeline::reasons;
use crate::execute::End;
use crate::kinds::Reason;
use crate::kinds::elasticache::moving::MOVE_TAG;

const APP: &str = "arn:aws:secretsmanager:us-east-1:317805897534:secret:app-x1Y2z3";
const PARAMETER: &str = "/app/REDIS_URL";
const OLD: &str = "huntaze-redis";

/// The owner's group with what a move must carry over, and an application's secret that names its address.
fn account() -> Account {
    let account = Account::new(&found(", subnetGroup: private, tags: {team: web}, snapshotRetentionLimit: 3, description: sessions"));
    let host = "huntaze-redis.6bf2a7.ng.0001.use1.cache.amazonaws.com";
    account.sandbox.edit(|world| {
        let text = "{subnetGroups: {private: {description: private, vpcId: vpc-1, subnets: [subnet-1, subnet-2]}}}";
        world.elasticache.subnet_groups =
            serde_yaml::from_str::<crate::sandbox::world::World>(&format!("{{account: '317805897534', elasticache: {text}}}"))
                .unwrap()
                .elasticache
                .subnet_groups;
        let secret = format!("{{arnSuffix: x1Y2z3, secretString: '{{\"REDIS_URL\": \"redis://{host}:6379/0\", \"other\": \"kept\"}}'}}");
        world.secretsmanager.secrets.insert("app".to_owned(), serde_yaml::from_str(&secret).unwrap());
        world.secretsmanager.settle("2026-01-01T00:00:00Z".parse().unwrap());
        let text = format!(
            "{{account: '317805897534', ssm: {{parameters: {{{PARAMETER}: {{type: SecureString, keyId: alias/app, value: 'redis://{host}:6379/1'}}}}}},
              kms: {{keys: {{0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d: {{}}}}, aliases: {{alias/app: 0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d}}}},
              ecs: {{clusters: {{main: {{services: {{api: {{desiredCount: 2, circuitBreaker: {{enable: true}}}}}}}}}}}}}}"
        );
        let other: crate::sandbox::world::World = serde_yaml::from_str(&text).unwrap();
        (world.ssm, world.kms, world.ecs) = (other.ssm, other.kms, other.ecs);
        world.ssm.settle("2026-01-01T00:00:00Z".parse().unwrap());
        world.ecs.settle("2026-01-01T00:00:00Z".parse().unwrap());
    });
    account
}

fn wish(migration: &str) -> String {
    format!(
        "{{name: huntaze-redis, atRestEncryption: {{enabled: true}}, transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}},
          migration: {{approved: true, writeGap: Accept{migration}, cutover: [{{secretsManager: {{secretArn: '{APP}', key: REDIS_URL}}}}, {{ssmParameter: {{name: {PARAMETER}}}}}, {{ecs: {{cluster: main, service: api}}}}]}}}}"
    )
}

fn target(account: &Account) -> String {
    let world = account.sandbox.world();
    world.elasticache.replication_groups.keys().find(|id| *id != OLD).cloned().expect("a target")
}

/// What the application reads now.
fn url(account: &Account) -> String {
    let world = account.sandbox.world();
    let secret = &world.secretsmanager.secrets["app"];
    let current = secret.versions.values().find(|version| version.stages.contains(&"AWSCURRENT".to_owned())).unwrap();
    current.secret_string.as_ref().unwrap().0.clone()
}

/// What stands in the parameter now.
fn parameter(world: &crate::sandbox::world::World) -> String {
    world.ssm.parameters[PARAMETER].versions.last_key_value().unwrap().1.value.0.clone()
}

#[tokio::test]
async fn a_group_is_moved_and_the_logical_name_means_the_new_one() {
    let account = account();
    let before = url(&account);
    account.converge(&wish("")).await;
    let new = target(&account);
    let world = account.sandbox.world();
    let (old, group) = (&world.elasticache.replication_groups[OLD], &world.elasticache.replication_groups[&new]);
    assert!(group.at_rest_encryption && group.auth.admits(Some(TOKEN)) && !group.auth.admits(None));
    assert_eq!(
        (&group.node_type, group.nodes, &group.description, group.snapshot_retention_limit),
        (&old.node_type, old.nodes, &old.description, 3)
    );
    assert_eq!(group.tags.get("team").map(String::as_str), Some("web"));
    assert!(!group.tags.contains_key(MOVE_TAG), "what serves can be taken for no debris");
    let now = url(&account);
    assert!(now.contains(&format!("rediss://:{TOKEN}@")) && now.contains(&new) && now.contains("kept") && now != before, "{now}");
    let now = parameter(&world);
    assert!(now.contains(&format!("rediss://:{TOKEN}@")) && now.contains(&new) && now.ends_with(":6379/1"), "{now}");
    assert_eq!(world.ssm.parameters[PARAMETER].key_id.as_deref(), Some("alias/app"), "the key of a parameter is kept");
    let service = &world.ecs.clusters["main"].services["api"];
    assert_eq!((service.made, service.deployments.len()), (2, 1), "its tasks were started anew, once");
    // It soaks: nothing is done, and nothing is left to do.
    account.in_sync(&wish("")).await;
    account.in_sync("{name: huntaze-redis, atRestEncryption: {enabled: true}}").await;
}

#[tokio::test]
async fn a_group_in_cluster_mode_is_moved_shard_by_shard_to_its_configuration_endpoint() {
    let account = account();
    let slots = ["0-999,12000-16383", "1000-7999", "8000-11999"].map(str::to_owned).to_vec();
    account.sandbox.edit(|world| {
        let group = world.elasticache.replication_groups.get_mut(OLD).unwrap();
        (group.cluster_enabled, group.shards, group.primaries) = (true, 3, Default::default());
        group.slots.clone_from(&slots);
        let turned = |text: &mut String| *text = text.replace(".6bf2a7.ng.0001.", ".6bf2a7.clustercfg.");
        let versions = world.secretsmanager.secrets.get_mut("app").unwrap().versions.values_mut();
        versions.for_each(|version| turned(&mut version.secret_string.as_mut().unwrap().0));
        let versions = world.ssm.parameters.get_mut(PARAMETER).unwrap().versions.values_mut();
        versions.for_each(|version| turned(&mut version.value.0));
    });
    account.converge(&wish("")).await;
    let new = target(&account);
    let world = account.sandbox.world();
    let group = &world.elasticache.replication_groups[&new];
    assert_eq!((group.cluster_enabled, group.shards, group.nodes, &group.slots), (true, 3, 2, &slots));
    assert_eq!(group.parameter_group_name(), "default.redis7.cluster.on");
    assert!(group.at_rest_encryption && group.auth.admits(Some(TOKEN)) && !group.auth.admits(None));
    let snapshots: Vec<String> =
        account.writes().into_iter().filter(|(operation, _)| operation == "CreateSnapshot").map(|(_, body)| body).collect();
    assert!(snapshots.len() == 1 && snapshots[0].contains("ReplicationGroupId=huntaze-redis&"), "of the whole group: {snapshots:?}");
    for text in [url(&account), parameter(&world)] {
        assert!(text.contains(&format!("rediss://:{TOKEN}@clustercfg.{new}.")), "{text}");
    }
    account.in_sync(&wish("")).await;
}

#[tokio::test]
async fn a_way_back_that_was_stopped_keeps_the_old_group_until_somebody_decides() {
    let account = account();
    let wish = wish(", keepOld: 2h, retire: Delete");
    account.converge(&wish).await;
    let lock = |key: &str, value: &str| {
        account.sandbox.edit(|world| {
            let lock = world.elasticache.parameter_groups.iter_mut().find(|(name, _)| name.starts_with("holdfast-move-")).unwrap().1;
            lock.tags.insert(format!("holdfast.dev/{key}"), value.to_owned());
        });
    };
    lock("return", "stopped");
    lock("return-stopped", "late writes");
    account.in_sync(&wish).await;
    account.sandbox.clock().sleep(Duration::from_secs(7201)).await;
    let plan = account.planned(&wish).await;
    assert_eq!((plan.steps.len(), plan.blocks.first().map(|block| block.reason)), (0, Some(Reason::Conflict)), "{plan:#?}");
    assert!(plan.blocks[0].message.ends_with("late writes") && plan.blocks[0].what_to_do.contains("--give-up-writes"), "{plan:#?}");
    lock("finalized", "2026-01-01T00:00:00Z");
    account.converge(&wish).await;
    assert!(!account.sandbox.world().elasticache.replication_groups.contains_key(OLD));
}

/// What a person asked for without the words that it takes is not done, by whichever way the tag came there.
#[tokio::test]
async fn writes_that_cannot_be_copied_back_are_not_given_up_by_themselves() {
    let account = account();
    account.converge(&wish("")).await;
    account.sandbox.edit(|world| {
        let lock = world.elasticache.parameter_groups.iter_mut().find(|(name, _)| name.starts_with("holdfast-move-")).unwrap().1;
        lock.tags.insert("holdfast.dev/return".to_owned(), "asked".to_owned());
    });
    let plan = account.planned(&wish("")).await;
    assert_eq!((plan.steps.len(), plan.blocks.first().map(|block| block.reason)), (0, Some(Reason::Conflict)), "{plan:#?}");
}

#[tokio::test]
async fn after_the_soak_the_old_group_is_left_or_deleted_as_declared() {
    for (retire, gone) in [("Keep", false), ("Delete", true)] {
        let account = account();
        let wish = wish(&format!(", keepOld: 2h, retire: {retire}"));
        account.converge(&wish).await;
        account.sandbox.clock().sleep(Duration::from_secs(7201)).await;
        let plan = account.planned(&wish).await;
        assert_eq!(plan.steps.iter().any(|step| step.title == "Delete huntaze-redis"), gone, "{:#?}", plan.steps);
        account.converge(&wish).await;
        let world = account.sandbox.world();
        assert_eq!(world.elasticache.replication_groups.contains_key(OLD), !gone);
        let snapshots: Vec<&String> = world.elasticache.snapshots.keys().collect();
        assert_eq!(snapshots.len(), usize::from(gone), "{snapshots:?}");
        assert!(world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-move-")));
    }
}

#[tokio::test]
async fn a_restore_that_fails_is_tried_three_times_each_with_a_snapshot_of_its_own() {
    let account = account();
    account.sandbox.edit(|world| world.elasticache.fail_creates = 2);
    account.converge(&wish(", restoreTimeout: 3h")).await;
    let names: Vec<String> =
        account.writes().into_iter().filter(|(operation, _)| operation == "CreateSnapshot").map(|(_, body)| body).collect();
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn a_restore_that_fails_for_good_leaves_the_account_as_it_was() {
    let account = account();
    let before = url(&account);
    account.sandbox.edit(|world| world.elasticache.fail_creates = 3);
    let outcomes = account.apply(&wish("")).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    let world = account.sandbox.world();
    assert_eq!(world.elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
    assert!(world.elasticache.snapshots.is_empty() && world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-")));
    assert_eq!(url(&account), before);
    // It is not begun again by itself.
    let plan = account.planned(&wish("")).await;
    assert_eq!(reasons(&plan).iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), [Reason::NeedsMigration], "{plan:#?}");
    let writes = account.writes().len();
    account.apply(&wish("")).await;
    assert_eq!(account.writes().len(), writes);
}

/// Before the commit and after it: AWS takes its backup of the new group, and its tags, which tell who serves, cannot be read meanwhile.
#[test]
fn while_the_group_that_may_serve_is_busy_nothing_is_planned_but_to_wait() {
    let whole = account();
    ground::block_on(whole.converge(&wish("")));
    for world in [whole.sandbox.world(), ground::before_the_commit()] {
        let account = Account::with(world, crate::sandbox::faults::Faults::default());
        let (new, now) = ("huntaze-redis-72348fb3", account.sandbox.clock().now());
        account.sandbox.edit(|world| {
            let group = world.elasticache.replication_groups.get_mut(new).unwrap();
            group.status = serde_yaml::from_str("snapshotting").unwrap();
            group.ready_at = Some(crate::clock::later(now, Duration::from_secs(600)));
        });
        let plan = ground::block_on(account.planned(&wish("")));
        let steps: Vec<&str> = plan.steps.iter().map(|step| step.title.as_str()).collect();
        assert_eq!(steps, [format!("Wait until {new} is available (it is snapshotting)")], "{plan:#?}");
        assert_eq!((plan.blocks.len(), plan.unreadable.len()), (0, 0));
        let outcomes = ground::block_on(account.apply(&wish("")));
        assert!(matches!(outcomes.resources[0].end, End::Changed | End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    }
}

#[tokio::test]
async fn snapshots_that_are_stuck_end_in_the_way_back() {
    let account = account();
    account.sandbox.edit(|world| world.elasticache.stick_snapshots = 3);
    let outcomes = account.apply(&wish(", restoreTimeout: 30m")).await;
    let End::RolledBack { .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    let taken = account.writes().iter().filter(|(operation, _)| operation == "CreateSnapshot").count();
    assert_eq!(taken, 3);
    // One that is stuck once is followed by another.
    let account = self::account();
    account.sandbox.edit(|world| world.elasticache.stick_snapshots = 1);
    account.converge(&wish("")).await;
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_in_one_go() {
    let account = account();
    account.sandbox.edit(|world| world.elasticache.replication_groups.get_mut(OLD).unwrap().subnet_group = String::new());
    let plan = account
        .planned("{name: huntaze-redis, atRestEncryption: {enabled: true, kmsKeyId: alias/none}, migration: {approved: true}}")
        .await;
    let said: Vec<&str> = plan.all_blocks().map(|block| block.message.as_str()).collect();
    for expected in ["no such KMS key", "not declared where clients read"] {
        assert!(said.iter().any(|one| one.contains(expected)), "{expected}: {said:#?}");
    }
    assert!(plan.steps.is_empty());
    let plan = account.planned("{name: huntaze-redis, atRestEncryption: {enabled: true}}").await;
    assert_eq!(reasons(&plan)[0].0, Reason::NeedsMigration);
}

#[tokio::test]
async fn what_aws_would_refuse_later_is_said_before() {
    let said = async |account: &Account, wish: &str| {
        let plan = account.planned(wish).await;
        assert!(plan.steps.is_empty(), "{:#?}", plan.steps);
        plan.all_blocks().map(|block| format!("{:?}: {}", block.reason, block.message)).collect::<Vec<String>>().join("\n")
    };
    // As many snapshots as AWS takes within a day, on the replica that one is taken from; those of the day before do not count.
    let account = self::account();
    let now = account.sandbox.clock().now();
    let snapshots = |account: &Account, hours: i64| {
        let at = now.checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap();
        account.sandbox.edit(|world| {
            for number in 0..20 {
                let text = format!("{{createdAt: '{at}', cluster: {OLD}-001}}");
                world.elasticache.snapshots.insert(format!("by-hand-{number}"), serde_yaml::from_str(&text).unwrap());
            }
        });
    };
    snapshots(&account, 30);
    assert!(!account.planned(&wish("")).await.steps.is_empty());
    snapshots(&account, 2);
    assert!(said(&account, &wish("")).await.contains("NotSupported: 20 snapshots of huntaze-redis were taken by hand within a day"));
    // A subnet group that is gone, a node type without encryption, and a key that is not in force, in one go.
    let account = self::account();
    account.sandbox.edit(|world| {
        world.elasticache.subnet_groups.clear();
        world.elasticache.replication_groups.get_mut(OLD).unwrap().node_type = "cache.m2.xlarge".to_owned();
        world.kms.keys.values_mut().for_each(|key| key.state = "PendingDeletion".to_owned());
    });
    let keyed = wish("").replace("enabled: true}", "enabled: true, kmsKeyId: alias/app}");
    let all = said(&account, &keyed).await;
    for words in ["the subnet group private", "cache.m2.xlarge cannot be encrypted", "the KMS key alias/app is PendingDeletion"] {
        assert!(all.contains(words), "{words}: {all}");
    }
    // What cannot be read is not taken for fine.
    let account = Account::with(self::account().sandbox.world(), "denied@DescribeCacheSubnetGroups".parse().unwrap());
    assert!(said(&account, &wish("")).await.contains("Unreadable: the subnet group private: elasticache:DescribeCacheSubnetGroups"));
}

/// `moving_*.rs` hold what goes wrong; here is what a person decides.
#[tokio::test]
async fn a_token_is_made_where_the_secret_is_there_and_empty() {
    let account = account();
    account.sandbox.edit(|world| world.secretsmanager.secrets.get_mut("redis").unwrap().versions.clear());
    let plan = account.planned(&wish("")).await;
    assert!(plan.steps[0].title.contains("make a token"), "{:#?}", plan.steps);
    account.converge(&wish("")).await;
    let world = account.sandbox.world();
    let secret = &world.secretsmanager.secrets["redis"];
    let text: serde_json::Value =
        serde_json::from_str(&secret.versions.values().next().unwrap().secret_string.as_ref().unwrap().0).unwrap();
    let token = text["token"].as_str().unwrap();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "64 letters and digits");
    assert!(world.elasticache.replication_groups[&target(&account)].auth.admits(Some(token)) && url(&account).contains(token));
    assert!(!format!("{plan:?}").contains(token));
}

#[tokio::test]
async fn an_address_with_a_token_goes_into_what_is_made_for_secrets_only() {
    let account = account();
    account.sandbox.edit(|world| {
        let parameter = world.ssm.parameters.get_mut(PARAMETER).unwrap();
        parameter.kind = "String".to_owned();
        parameter.key_id = None;
        parameter.versions.values_mut().for_each(|version| version.kind = "String".to_owned());
    });
    let plan = account.planned(&wish("")).await;
    let blocks: Vec<&str> = plan.all_blocks().map(|block| block.message.as_str()).collect();
    assert!(blocks.iter().any(|block| block.contains("is not made for secrets")), "{blocks:?}");
    assert!(plan.steps.is_empty());
    // Without a token it is an address like any other.
    let open = wish("").replace(&format!(", auth: {{secretArn: '{SECRET}', key: token}}"), "");
    account.converge(&open).await;
}

#[tokio::test]
async fn a_deployment_that_fails_turns_the_move_back() {
    let account = account();
    let before = (url(&account), parameter(&account.sandbox.world()));
    account.sandbox.edit(|world| world.ecs.clusters.get_mut("main").unwrap().services.get_mut("api").unwrap().fail_deployments = 1);
    let outcomes = account.apply(&wish("")).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    let world = account.sandbox.world();
    assert_eq!((url(&account), parameter(&world)), before);
    assert_eq!(world.elasticache.replication_groups.keys().collect::<Vec<_>>(), [OLD]);
    let service = &world.ecs.clusters["main"].services["api"];
    assert_eq!(service.made, 3, "the one that was found, the one that failed, and the one that took it back");
    assert!(service.tags.is_empty());
}

/// Whoever else writes an address of the target by hand: it is not deleted under clients.
#[test]
fn a_target_that_is_named_anywhere_is_not_deleted() {
    let mut world = ground::before_the_commit();
    let parameter = world.ssm.parameters.get_mut(PARAMETER).unwrap();
    let last = parameter.versions.last_key_value().map(|(number, version)| (*number, version.clone())).unwrap();
    let mut foreign = last.1;
    foreign.labels.clear();
    foreign.value.0.push_str("?by=hand");
    parameter.versions.insert(last.0 + 1, foreign);
    let account = Account::with(world, crate::sandbox::faults::Faults::default());
    let outcomes = ground::block_on(account.apply(&ground::wish()));
    let End::Failed { message, .. } = &outcomes.resources[0].end else { panic!("{:#?}", outcomes.resources[0]) };
    assert!(message.contains(&format!("the parameter {PARAMETER} names")), "{message}");
    assert_eq!(account.sandbox.world().elasticache.replication_groups.len(), 3);
}
