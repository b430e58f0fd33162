//! Moving a standalone cluster into a group: what is other than where a group is moved. That it may end anywhere is in `crashes`.

use super::super::pipeline::{blocked, reasons};
use super::*;
use crate::execute::Said;
use crate::kinds::elasticache::moving::{GIVEN_UP_TAG, REPLACED_TAG, SERVES_TAG};
use crate::plan::ResourcePlan;
use crate::sandbox::elasticache::state::{CacheCluster, ReplicationGroup, Status};
use crate::sandbox::world::World;

/// Makes the owner's group a standalone cluster of the same settings.
pub fn stands_alone(account: &Account) {
    account.sandbox.edit(|world| {
        let group = world.elasticache.replication_groups.remove(OLD).unwrap();
        let cluster = CacheCluster {
            engine_version: group.engine_version,
            node_type: group.node_type,
            subnet_group: group.subnet_group,
            security_groups: ["sg-1".to_owned()].into(),
            snapshot_retention_limit: group.snapshot_retention_limit,
            snapshot_window: "03:00-04:00".to_owned(),
            maintenance_window: "tue:05:00-tue:06:00".to_owned(),
            auto_minor_version_upgrade: false,
            created_at: group.created_at,
            tags: group.tags,
            port: Some(6380),
            ..CacheCluster::default()
        };
        world.elasticache.cache_clusters.insert(OLD.to_owned(), cluster);
        let turned = |text: &mut String| *text = text.replace(".6bf2a7.ng.0001.", ".6bf2a7.0001.").replace(":6379", ":6380");
        let versions = world.secretsmanager.secrets.get_mut("app").unwrap().versions.values_mut();
        versions.for_each(|version| turned(&mut version.secret_string.as_mut().unwrap().0));
        let versions = world.ssm.parameters.get_mut(PARAMETER).unwrap().versions.values_mut();
        versions.for_each(|version| turned(&mut version.value.0));
    });
}

/// An account whose application uses a standalone cluster.
fn alone() -> Account {
    let account = account();
    stands_alone(&account);
    account
}

fn made(world: &World) -> (&String, &ReplicationGroup) {
    world.elasticache.replication_groups.iter().next().expect("a target")
}

fn titles(plan: &ResourcePlan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.title.as_str()).collect()
}

fn said(plan: &ResourcePlan) -> String {
    plan.all_blocks().map(|block| format!("{}: {}\n", block.message, block.what_to_do)).collect()
}

#[tokio::test]
async fn a_standalone_cluster_becomes_a_group_of_one_node_with_its_settings() {
    let account = alone();
    let before = url(&account);
    account.converge(&wish("")).await;
    let world = account.sandbox.world();
    let old = &world.elasticache.cache_clusters[OLD];
    let (new, group) = made(&world);
    assert!(group.at_rest_encryption && group.auth.admits(Some(TOKEN)) && !group.auth.admits(None));
    assert_eq!((group.nodes, group.shards, group.cluster_enabled, group.automatic_failover, group.multi_az), (1, 1, false, false, false));
    assert_eq!(
        (&group.node_type, &group.engine_version, group.port, &group.subnet_group, &group.security_groups),
        (&old.node_type, &old.engine_version, 6380, &old.subnet_group, &old.security_groups)
    );
    assert_eq!(
        (group.snapshot_retention_limit, &group.snapshot_window, &group.maintenance_window, group.auto_minor_version_upgrade),
        (3, &old.snapshot_window, &old.maintenance_window, false)
    );
    assert_eq!((group.tags["team"].as_str(), group.tags[SERVES_TAG].as_str()), ("web", OLD));
    let now = url(&account);
    assert!(now.contains(&format!("rediss://:{TOKEN}@master.{new}.")) && now.contains(":6380/0") && now != before, "{now}");
    assert!(parameter(&world).contains(new), "{}", parameter(&world));
    let snapshots: Vec<String> = account.writes().into_iter().filter(|(name, _)| name == "CreateSnapshot").map(|(_, body)| body).collect();
    assert!(snapshots.len() == 1 && snapshots[0].contains("CacheClusterId=huntaze-redis&"), "{snapshots:?}");
    let lock = world.elasticache.parameter_groups.iter().find(|(name, _)| name.starts_with("holdfast-move-")).unwrap().1;
    assert_eq!(lock.tags["holdfast.dev/source"], format!("cluster {}", old.created_at));
    // It soaks, and the name means the new group, which changes where it is.
    account.in_sync(&wish("")).await;
    account.converge("{name: huntaze-redis, atRestEncryption: {enabled: true}, snapshotRetentionDays: 9}").await;
    assert_eq!(made(&account.sandbox.world()).1.snapshot_retention_limit, 9);
    assert_eq!(account.sandbox.world().elasticache.cache_clusters[OLD].snapshot_retention_limit, 3);
}

#[tokio::test]
async fn what_else_is_declared_is_changed_on_the_new_group_in_the_same_run() {
    let account = alone();
    let more = "{name: huntaze-redis, snapshotRetentionDays: 9, tags: {team: api}, ";
    account.converge(&wish("").replacen("{name: huntaze-redis, ", more, 1)).await;
    let world = account.sandbox.world();
    let (new, group) = made(&world);
    assert_eq!((group.snapshot_retention_limit, group.tags["team"].as_str()), (9, "api"));
    assert_eq!(group.snapshotting_cluster.as_deref().unwrap_or("huntaze-redis-72348fb3-001"), format!("{new}-001"));
    let old = &world.elasticache.cache_clusters[OLD];
    assert_eq!((old.snapshot_retention_limit, old.tags["team"].as_str()), (3, "web"));
    assert!(account.writes().iter().all(|(operation, _)| operation != "ModifyCacheCluster"));
}

#[tokio::test]
async fn after_the_soak_the_cluster_is_deleted_with_a_last_snapshot_or_kept_with_a_note() {
    for (retire, deleted) in [("Delete", true), ("Keep", false)] {
        let account = alone();
        let wish = wish(&format!(", keepOld: 2h, retire: {retire}"));
        account.converge(&wish).await;
        account.sandbox.clock().advance(Duration::from_secs(7201));
        let outcomes = account.apply(&wish).await;
        assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
        let world = account.sandbox.world();
        let (new, _) = made(&world);
        let clusters = &world.elasticache.cache_clusters;
        assert_eq!(clusters.contains_key(OLD), !deleted);
        assert_eq!(world.elasticache.snapshots.keys().collect::<Vec<_>>(), [&format!("{new}-final")][..usize::from(deleted)]);
        let deletes: Vec<(String, String)> =
            account.writes().into_iter().filter(|(name, _)| name == "DeleteCacheCluster" || name == "DeleteReplicationGroup").collect();
        match deleted {
            true => assert!(deletes.len() == 1 && deletes[0].1.contains("CacheClusterId=huntaze-redis"), "{deletes:?}"),
            false => assert_eq!((deletes, clusters[OLD].tags[REPLACED_TAG].as_str()), (Vec::new(), new.as_str())),
        }
        assert!(world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-move-")));
        account.in_sync(&wish).await;
    }
}

/// The one that was moved is deleted, and no other that was given its name meanwhile.
#[tokio::test]
async fn another_cluster_of_that_name_is_not_deleted() {
    let account = alone();
    let wish = wish(", keepOld: 2h, retire: Delete");
    account.converge(&wish).await;
    account.sandbox.edit(|world| {
        let cluster = world.elasticache.cache_clusters.get_mut(OLD).unwrap();
        cluster.created_at = "2026-01-01T01:00:00Z".parse().unwrap();
    });
    account.sandbox.clock().advance(Duration::from_secs(7201));
    let before = account.sandbox.world().elasticache.cache_clusters[OLD].clone();
    let outcomes = account.apply(&wish).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    let world = account.sandbox.world();
    assert_eq!(world.elasticache.cache_clusters[OLD], before);
    assert!(world.elasticache.parameter_groups.keys().all(|name| !name.starts_with("holdfast-move-")));
    // It comes in the moment before it is deleted.
    let account = alone();
    account.converge(&wish).await;
    account.sandbox.clock().advance(Duration::from_secs(7201));
    let sandbox = account.sandbox.clone();
    let outcomes = account.apply_until(&wish, move |said| {
        if matches!(said, Said::Done { step, .. } if step.starts_with("Take a last snapshot")) {
            sandbox.edit(|world| {
                let cluster = world.elasticache.cache_clusters.get_mut(OLD).unwrap();
                cluster.created_at = "2026-01-01T01:00:00Z".parse().unwrap();
            });
        }
        false
    });
    outcomes.await;
    assert!(account.sandbox.world().elasticache.cache_clusters.contains_key(OLD));
    assert!(account.writes().iter().all(|(operation, _)| operation != "DeleteCacheCluster"));
    // A group that got the name is another thing: the cluster's move ends without it.
    let account = alone();
    account.converge(&wish).await;
    account.sandbox.edit(|world| {
        world.elasticache.cache_clusters.remove(OLD);
        let other = made(world).1.clone();
        world.elasticache.replication_groups.insert(OLD.to_owned(), ReplicationGroup { tags: Default::default(), ..other });
    });
    account.sandbox.clock().advance(Duration::from_secs(7201));
    account.apply(&wish).await;
    assert!(account.sandbox.world().elasticache.replication_groups.contains_key(OLD));
    assert!(account.writes().iter().all(|(operation, _)| operation != "DeleteReplicationGroup" && operation != "DeleteCacheCluster"));
}

/// What the move made for one cluster does not get the clients of another.
#[tokio::test]
async fn a_cluster_that_is_made_anew_while_it_is_moved_is_not_the_source() {
    let account = alone();
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Compare"));
    account.apply_until(&wish(""), last).await;
    account.sandbox.edit(|world| {
        let cluster = world.elasticache.cache_clusters.get_mut(OLD).unwrap();
        cluster.created_at = "2026-01-01T01:00:00Z".parse().unwrap();
    });
    let (writes, before) = (account.writes().len(), url(&account));
    let plan = account.planned(&wish("")).await;
    assert!(plan.steps.is_empty() && said(&plan).contains("is not there any more"), "{plan:#?}");
    account.apply(&wish("")).await;
    assert_eq!((account.writes().len(), url(&account)), (writes, before));
}

/// Somebody makes a group of the cluster's name while the cluster is moved: the move was begun for the cluster.
#[tokio::test]
async fn a_group_of_that_name_that_comes_meanwhile_is_left_alone() {
    let account = alone();
    let last = |said: &Said| matches!(said, Said::Done { step, .. } if step.starts_with("Compare"));
    account.apply_until(&wish(""), last).await;
    account.sandbox.edit(|world| {
        let other = world.elasticache.replication_groups.values().next().unwrap().clone();
        let other = ReplicationGroup { tags: Default::default(), ..other };
        world.elasticache.replication_groups.insert(OLD.to_owned(), other);
    });
    let before = account.sandbox.world().elasticache.replication_groups[OLD].clone();
    let outcomes = account.apply(&wish("")).await;
    assert_eq!(outcomes.resources[0].end, End::Changed, "{:#?}", outcomes.resources[0]);
    let world = account.sandbox.world();
    assert_eq!(world.elasticache.replication_groups[OLD], before);
    let new = world.elasticache.replication_groups.iter().find(|(_, group)| group.tags.contains_key(SERVES_TAG)).unwrap().0;
    assert!(url(&account).contains(new.as_str()), "{}", url(&account));
}

#[tokio::test]
async fn a_move_that_fails_leaves_the_cluster_as_it_was_with_a_note() {
    let account = alone();
    let before = (url(&account), account.sandbox.world().elasticache.cache_clusters[OLD].clone());
    account.sandbox.edit(|world| world.elasticache.fail_creates = 3);
    let outcomes = account.apply(&wish(", restoreTimeout: 3h")).await;
    assert!(matches!(outcomes.resources[0].end, End::RolledBack { .. }), "{:#?}", outcomes.resources[0]);
    let world = account.sandbox.world();
    assert!(world.elasticache.replication_groups.is_empty() && world.elasticache.snapshots.is_empty());
    let cluster = &world.elasticache.cache_clusters[OLD];
    assert!(cluster.tags.contains_key(GIVEN_UP_TAG), "{:?}", cluster.tags);
    assert_eq!((url(&account), &cluster.node_type, cluster.created_at), (before.0, &before.1.node_type, before.1.created_at));
    let plan = account.planned(&wish("")).await;
    assert!(plan.steps.is_empty() && said(&plan).contains("holdfast migration resume huntaze-redis"), "{}", said(&plan));
}

/// A wish for everything that a group can have and this cluster has not.
const MORE: &str = "snapshotRetentionDays: 9, tags: {team: api}, engineVersion: '7.2', automaticFailover: true";

#[tokio::test]
async fn without_a_migration_each_field_is_blocked_with_what_to_do() {
    let account = alone();
    let plan = account.planned(&format!("{{name: {OLD}, atRestEncryption: {{enabled: true}}, transitEncryption: Required, {MORE}}}")).await;
    assert_eq!(titles(&plan), [""; 0]);
    assert_eq!(
        reasons(&plan),
        [
            blocked(Reason::NeedsMigration, &["atRestEncryption.enabled", "transitEncryption"]),
            blocked(Reason::NotSupported, &["automaticFailover"]),
            blocked(Reason::NotSupported, &["snapshotRetentionDays", "engineVersion", "tags.team"]),
        ],
        "{plan:#?}"
    );
    let words = said(&plan);
    for expected in [
        "huntaze-redis is a standalone cluster, which can be neither encrypted nor given a token",
        "declare `migration` on this entry",
        "holdfast changes replication groups only",
        "aws elasticache modify-cache-cluster --cache-cluster-id huntaze-redis`, tags with `add-tags-to-resource`",
        "and this needs a replica",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    // What needs no group.
    let plan = account.planned(&format!("{{name: {OLD}, snapshotRetentionDays: 9}}")).await;
    assert_eq!(reasons(&plan), [blocked(Reason::NotSupported, &["snapshotRetentionDays"])]);
    assert!(said(&plan).contains("or declare what a group is for (`atRestEncryption`) and `migration`"), "{}", said(&plan));
    // What is as declared is no difference.
    account.in_sync(&format!("{{name: {OLD}, snapshotRetentionDays: 3, tags: {{team: web}}, engineVersion: '7.1'}}")).await;
    assert_eq!(account.writes(), []);
    // A move that cannot begin: what it would bring is blocked too, and not changed where the cluster is.
    let wish = wish("").replacen("{name: huntaze-redis, ", "{name: huntaze-redis, snapshotRetentionDays: 9, ", 1);
    let plan = account.planned(&wish.replace("/app/REDIS_URL", "/nobody")).await;
    assert_eq!(titles(&plan), [""; 0]);
    assert!(reasons(&plan).contains(&blocked(Reason::NotSupported, &["snapshotRetentionDays"])), "{plan:#?}");
    assert!(said(&plan).contains("is not there") && said(&plan).contains("it is changed on the new group then"), "{}", said(&plan));
}

#[tokio::test]
async fn what_no_group_can_be_made_of_is_refused_with_the_reason() {
    let old_engine = alone();
    old_engine.sandbox.edit(|world| world.elasticache.cache_clusters.get_mut(OLD).unwrap().engine_version = "6.0.5".to_owned());
    let plan = old_engine.planned(&wish("").replace("writeGap: Accept", "writeGap: None")).await;
    assert!(
        plan.steps.is_empty()
            && said(&plan).contains("aws elasticache modify-cache-cluster --cache-cluster-id huntaze-redis --engine-version 6.2"),
        "{}",
        said(&plan)
    );
    let without_subnets = alone();
    without_subnets.sandbox.edit(|world| world.elasticache.cache_clusters.get_mut(OLD).unwrap().subnet_group.clear());
    let plan = without_subnets.planned(&wish("")).await;
    assert!(plan.steps.is_empty() && said(&plan).contains("VPC subnet group"), "{}", said(&plan));
    let memcached = alone();
    memcached.sandbox.edit(|world| world.elasticache.cache_clusters.get_mut(OLD).unwrap().engine = "memcached".to_owned());
    for wish in [wish(""), format!("{{name: {OLD}, snapshotRetentionDays: 9}}")] {
        let plan = memcached.planned(&wish).await;
        assert_eq!(reasons(&plan), [blocked(Reason::NotSupported, &[])]);
        assert!(said(&plan).contains("huntaze-redis is a cluster of Memcached"), "{}", said(&plan));
    }
    let both = alone();
    both.sandbox.edit(|world| {
        let group = account().sandbox.world().elasticache.replication_groups[OLD].clone();
        world.elasticache.replication_groups.insert(OLD.to_owned(), group);
    });
    for wish in [wish(""), format!("{{name: {OLD}, snapshotRetentionDays: 9}}")] {
        let plan = both.planned(&wish).await;
        assert_eq!((titles(&plan), reasons(&plan)), (Vec::new(), vec![blocked(Reason::Conflict, &[])]));
        assert!(
            said(&plan).contains(
                "and a standalone cluster called huntaze-redis, and it cannot be told which is meant: delete the one that nobody uses"
            ),
            "{}",
            said(&plan)
        );
    }
    let failed = alone();
    failed.sandbox.edit(|world| world.elasticache.cache_clusters.get_mut(OLD).unwrap().status = Status::CreateFailed);
    let plan = failed.planned(&wish("")).await;
    assert_eq!(reasons(&plan), [blocked(Reason::UnexpectedState, &[])]);
    assert!(said(&plan).contains("the cluster is restore-failed"), "{}", said(&plan));
}

/// Denied is unknown: a group that is not listed may be a cluster.
#[tokio::test]
async fn what_may_be_a_cluster_is_not_said_to_be_missing() {
    let account = Account::with(alone().sandbox.world(), "denied@DescribeCacheClusters".parse().unwrap());
    let plan = account.planned(&format!("{{name: {OLD}, snapshotRetentionDays: 9}}")).await;
    let unread: Vec<&str> = plan.unreadable.iter().map(|field| field.why.call.as_str()).collect();
    assert_eq!((unread, reasons(&plan)), (vec!["elasticache:DescribeCacheClusters"], Vec::new()));
}

#[tokio::test]
async fn a_cluster_that_is_busy_is_waited_for() {
    let account = alone();
    account.sandbox.edit(|world| {
        let cluster = world.elasticache.cache_clusters.get_mut(OLD).unwrap();
        cluster.status = Status::Snapshotting;
        cluster.ready_at = Some("2026-01-01T00:03:00Z".parse().unwrap());
    });
    assert_eq!(titles(&account.planned(&wish("")).await), ["Wait until huntaze-redis is available (it is snapshotting)"]);
    account.converge(&wish("")).await;
    assert!(url(&account).contains("rediss://"));
}
