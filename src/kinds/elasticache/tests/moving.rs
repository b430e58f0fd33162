//! Moving a group into a new one, on AWS alone: `writeGap: Accept`.

#[path = "moving_back.rs"]
mod back;
#[path = "moving_crashes.rs"]
mod crashes;
#[path = "moving_faults.rs"]
mod faults;
#[path = "moving_ground.rs"]
mod ground;

use std::time::Duration;

use super::account::{Account, SECRET, TOKEN, found};
use super::pipeline::reasons;
use crate::execute::End;
use crate::kinds::Reason;
use crate::kinds::elasticache::moving::MOVE_TAG;

const APP: &str = "arn:aws:secretsmanager:us-east-1:317805897534:secret:app-x1Y2z3";
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
    });
    account
}

fn wish(migration: &str) -> String {
    format!(
        "{{name: huntaze-redis, atRestEncryption: {{enabled: true}}, transitEncryption: Required, auth: {{secretArn: '{SECRET}', key: token}},
          migration: {{approved: true, writeGap: Accept{migration}, cutover: [{{secretsManager: {{secretArn: '{APP}', key: REDIS_URL}}}}]}}}}"
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
    // It soaks: nothing is done, and nothing is left to do.
    account.in_sync(&wish("")).await;
    account.in_sync("{name: huntaze-redis, atRestEncryption: {enabled: true}}").await;
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
    for expected in ["no such KMS key", "not declared where clients read", "writeGap: None"] {
        assert!(said.iter().any(|one| one.contains(expected)), "{expected}: {said:#?}");
    }
    assert!(plan.steps.is_empty());
    let plan = account.planned("{name: huntaze-redis, atRestEncryption: {enabled: true}}").await;
    assert_eq!(reasons(&plan)[0].0, Reason::NeedsMigration);
}
