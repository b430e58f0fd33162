//! Replication groups and clusters: made, read, changed, ended.

use aws_sdk_elasticache::types::{
    AutomaticFailoverStatus, CloudWatchLogsDestinationDetails, DestinationDetails, DestinationType, LogDeliveryConfigurationRequest,
    LogDeliveryConfigurationStatus, LogFormat, LogType, MultiAzStatus, NodeGroupConfiguration, StorageEncryptionType, Tag,
    TransitEncryptionMode,
};

use super::{Account, FOUND, code};

const ARN: &str = "arn:aws:elasticache:us-east-1:317805897534:replicationgroup:huntaze-redis";

fn create(
    account: &Account,
    id: &str,
) -> aws_sdk_elasticache::operation::create_replication_group::builders::CreateReplicationGroupFluentBuilder {
    account
        .client
        .create_replication_group()
        .replication_group_id(id)
        .replication_group_description("a test")
        .cache_node_type("cache.t3.small")
}

#[tokio::test]
async fn a_group_found_reads_as_clients_expect() {
    let account = Account::new(FOUND);
    let group = account.group("HUNTAZE-redis").await;
    assert_eq!(group.status(), Some("available"));
    assert_eq!(group.arn(), Some(ARN));
    assert_eq!(group.engine(), Some("redis"));
    assert_eq!(group.member_clusters(), ["huntaze-redis-001", "huntaze-redis-002"]);
    assert_eq!(group.storage_encryption_type(), Some(&StorageEncryptionType::None));
    assert_eq!((group.transit_encryption_enabled(), group.at_rest_encryption_enabled()), (Some(false), Some(false)));
    assert_eq!(group.transit_encryption_mode(), None);
    assert_eq!(group.auto_minor_version_upgrade(), Some(true));
    let shard = &group.node_groups()[0];
    assert_eq!(shard.node_group_id(), Some("0001"));
    let roles: Vec<_> = shard.node_group_members().iter().filter_map(|member| member.current_role()).collect();
    assert_eq!(roles, ["replica", "primary"], "the primary need not be -001");
    assert!(shard.reader_endpoint().unwrap().address().unwrap().ends_with(".use1.cache.amazonaws.com"));

    let answer =
        account.client.describe_cache_clusters().cache_cluster_id("huntaze-redis-002").show_cache_node_info(true).send().await.unwrap();
    let cluster = &answer.cache_clusters()[0];
    assert_eq!(cluster.engine_version(), Some("7.1.0"));
    assert_eq!(cluster.replication_group_id(), Some("huntaze-redis"));
    let parameters = cluster.cache_parameter_group().unwrap();
    assert_eq!((parameters.cache_parameter_group_name(), parameters.parameter_apply_status()), (Some("default.redis7"), Some("in-sync")));
    assert_eq!(cluster.preferred_maintenance_window(), Some("sun:05:00-sun:06:00"));
    assert_eq!(cluster.cache_nodes()[0].endpoint().unwrap().port(), Some(6379));
    assert_eq!(cluster.cache_subnet_group_name(), Some("default"));

    let missing =
        account.client.describe_replication_groups().replication_group_id("nobody").send().await.unwrap_err().into_service_error();
    assert!(missing.is_replication_group_not_found_fault());
    assert_eq!(code(account.client.describe_cache_clusters().cache_cluster_id("nobody").send().await), "CacheClusterNotFound");
}

#[tokio::test]
async fn pages_are_followed_to_their_end() {
    let names: Vec<String> = (0..7).map(|number| format!("group-{number}")).collect();
    let groups: String = names.iter().map(|name| format!("{name}: {{nodes: 2}}, ")).collect();
    let account = Account::new(&format!("{{pageSize: 3, elasticache: {{replicationGroups: {{{groups}}}}}}}"));
    let mut pages = account.client.describe_replication_groups().into_paginator().send();
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.replication_groups().len());
        seen.extend(page.replication_groups().iter().filter_map(|group| group.replication_group_id().map(str::to_owned)));
    }
    assert_eq!((seen, sizes), (names, vec![3, 3, 1]));
    let clusters = account.client.describe_cache_clusters().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(clusters.len(), 14);
    let wrong = account.client.describe_replication_groups().marker("nonsense").send().await;
    assert_eq!(code(wrong), "InvalidParameterValue");
    assert_eq!(code(account.client.describe_replication_groups().max_records(5).send().await), "InvalidParameterValue");
}

#[tokio::test]
async fn a_new_group_takes_its_time_and_is_then_what_was_asked_for() {
    let account = Account::new("elasticache: {subnetGroups: {private: {subnets: [subnet-1]}}}");
    let full = || {
        create(&account, "New-Redis")
            .engine("redis")
            .engine_version("7.1")
            .num_cache_clusters(2)
            .automatic_failover_enabled(true)
            .multi_az_enabled(true)
            .cache_subnet_group_name("private")
            .at_rest_encryption_enabled(true)
            .kms_key_id("1234")
            .transit_encryption_enabled(true)
            .auth_token("a-token-of-20-letter")
            .snapshot_retention_limit(7)
            .tags(Tag::builder().key("team").value("a = b").build())
    };
    let group = full().send().await.unwrap().replication_group.unwrap();
    assert_eq!((group.status(), group.replication_group_id()), (Some("creating"), Some("new-redis")));
    assert!(group.node_groups().is_empty());
    assert_eq!(code(full().send().await), "ReplicationGroupAlreadyExists");
    let arn = group.arn().unwrap().to_owned();
    assert_eq!(code(account.client.list_tags_for_resource().resource_name(&arn).send().await), "InvalidReplicationGroupState");
    assert_eq!(
        code(account.client.delete_replication_group().replication_group_id("new-redis").send().await),
        "InvalidReplicationGroupState"
    );

    account.wait(11);
    assert_eq!(account.group("new-redis").await.status(), Some("creating"));
    account.wait(1);
    let group = account.group("new-redis").await;
    assert_eq!(group.status(), Some("available"));
    assert_eq!(group.storage_encryption_type(), Some(&StorageEncryptionType::SseKms));
    assert_eq!(group.kms_key_id(), Some("arn:aws:kms:us-east-1:000000000000:key/1234"));
    assert_eq!(group.transit_encryption_mode(), Some(&TransitEncryptionMode::Required));
    assert_eq!(group.multi_az(), Some(&MultiAzStatus::Enabled));
    assert_eq!(group.snapshotting_cluster_id(), Some("new-redis-002"), "a replica");
    let host = group.node_groups()[0].primary_endpoint().unwrap().address().unwrap();
    assert!(host.starts_with("master.new-redis."), "{host}");
    assert!(!account.state("new-redis").auth.admits(None));
    let tags = account.client.list_tags_for_resource().resource_name(&arn).send().await.unwrap();
    assert_eq!(tags.tag_list()[0].value(), Some("a = b"));
}

#[tokio::test]
async fn creates_are_refused_as_the_service_refuses_them() {
    let account = Account::new(FOUND);
    let new = || create(&account, "new").cache_subnet_group_name("default");
    let combination = "InvalidParameterCombination";
    for (why, request) in [
        ("a token without TLS", new().auth_token("a-token-of-20-letter")),
        (
            "a token with preferred",
            new()
                .auth_token("a-token-of-20-letter")
                .transit_encryption_enabled(true)
                .transit_encryption_mode(TransitEncryptionMode::Preferred),
        ),
        ("a key without encryption", new().kms_key_id("1234")),
        ("a mode without TLS", new().transit_encryption_mode(TransitEncryptionMode::Required)),
        ("failover on one node", new().automatic_failover_enabled(true)),
        ("Multi-AZ without failover", new().num_cache_clusters(2).multi_az_enabled(true)),
        ("cluster mode without failover", new().num_node_groups(2)),
        ("a version that is none", new().engine_version("9.9")),
        ("a patch where the service chooses it", new().engine_version("7.1.0")),
        ("a parameter group of another family", new().engine_version("6.2").cache_parameter_group_name("default.redis7")),
        ("TLS without a subnet group", create(&account, "new").transit_encryption_enabled(true)),
    ] {
        assert_eq!(code(request.send().await), combination, "{why}");
    }
    let value = "InvalidParameterValue";
    for id in ["1new", "new-", "new--er", "new_er", &"n".repeat(41)] {
        assert_eq!(code(create(&account, id).send().await), value, "{id}");
    }
    assert_eq!(code(new().engine("memcached").send().await), value);
    assert_eq!(code(new().snapshot_retention_limit(36).send().await), value);
    assert_eq!(code(new().preferred_maintenance_window("sun:05:00-sun:05:30").send().await), value);
    assert_eq!(
        code(new().snapshot_window("05:00-06:00").preferred_maintenance_window("mon:05:30-mon:06:30").send().await),
        value,
        "overlap"
    );
    assert_eq!(code(new().cache_subnet_group_name("nobody").send().await), "CacheSubnetGroupNotFoundFault");
    assert_eq!(code(new().cache_parameter_group_name("nobody").send().await), "CacheParameterGroupNotFound");
    assert_eq!(code(new().user_group_ids("users").send().await), "NotImplemented", "nothing is ignored in silence");
    let nameless = account.client.create_replication_group().replication_group_id("new").send().await;
    assert_eq!(code(nameless), "MissingParameter");
    assert!(account.sandbox.world().elasticache.replication_groups.len() == 1);
}

#[tokio::test]
async fn a_create_can_fail_and_is_then_deleted() {
    let account = Account::new("elasticache: {failCreates: 1}");
    create(&account, "one").send().await.unwrap();
    create(&account, "two").send().await.unwrap();
    account.wait(12);
    assert_eq!(account.group("one").await.status(), Some("create-failed"));
    assert_eq!(account.group("two").await.status(), Some("available"));
    assert_eq!(code(account.modify("one").snapshot_retention_limit(1).send().await), "InvalidReplicationGroupState");
    account.client.delete_replication_group().replication_group_id("one").send().await.unwrap();
    account.wait(6);
    assert_eq!(
        code(account.client.describe_replication_groups().replication_group_id("one").send().await),
        "ReplicationGroupNotFoundFault"
    );
}

/// As users of other tools were refused. [hashicorp/terraform#10581, aws-controllers-k8s/community#1846]
#[tokio::test]
async fn snapshots_are_turned_on_with_their_source() {
    let account = Account::new(FOUND);
    let turn_on = || account.modify("huntaze-redis").snapshot_retention_limit(7);
    assert_eq!(code(turn_on().send().await), "InvalidParameterCombination");
    turn_on().snapshotting_cluster_id("huntaze-redis-002").send().await.unwrap();
    account.wait(5);
    account.modify("huntaze-redis").snapshot_retention_limit(9).send().await.unwrap();
}

#[tokio::test]
async fn settings_are_in_force_at_once_and_still_pass_through_modifying() {
    let account = Account::new(FOUND);
    let answer = account
        .modify("huntaze-redis")
        .apply_immediately(false)
        .snapshot_retention_limit(7)
        .snapshot_window("02:00-03:00")
        .preferred_maintenance_window("MON:07:00-MON:08:00")
        .notification_topic_arn("arn:aws:sns:us-east-1:317805897534:alerts")
        .auto_minor_version_upgrade(false)
        .snapshotting_cluster_id("huntaze-redis-001")
        .send()
        .await
        .unwrap();
    let group = answer.replication_group.unwrap();
    assert_eq!(
        (group.status(), group.snapshot_retention_limit(), group.snapshot_window()),
        (Some("modifying"), Some(7), Some("02:00-03:00"))
    );
    assert_eq!(group.snapshotting_cluster_id(), Some("huntaze-redis-001"));
    account.wait(1);
    assert_eq!(account.group("huntaze-redis").await.status(), Some("available"));
    let clusters = account.client.describe_cache_clusters().cache_cluster_id("huntaze-redis-001").send().await.unwrap();
    let cluster = &clusters.cache_clusters()[0];
    assert_eq!(cluster.preferred_maintenance_window(), Some("mon:07:00-mon:08:00"));
    assert_eq!(cluster.notification_configuration().unwrap().topic_status(), Some("active"));
    for wrong in ["arn:aws:sns:us-east-1:999999999999:alerts", "arn:aws:sqs:us-east-1:317805897534:alerts", "alerts"] {
        assert_eq!(code(account.modify("huntaze-redis").notification_topic_arn(wrong).send().await), "InvalidParameterValue");
    }
    account.modify("huntaze-redis").notification_topic_status("inactive").send().await.unwrap();
    assert!(!account.state("huntaze-redis").notification_active);
    account.wait(1);
    let nothing = account.modify("huntaze-redis").send().await;
    assert_eq!(code(nothing), "InvalidParameterCombination");
    assert_eq!(code(account.modify("huntaze-redis").snapshotting_cluster_id("huntaze-redis-003").send().await), "CacheClusterNotFound");
}

#[tokio::test]
async fn what_touches_nodes_waits_for_the_maintenance_window_unless_told_otherwise() {
    let account = Account::new(FOUND);
    // 2026-01-01 is a Thursday: the window, Sunday at 05:00, is 77 hours away.
    let later = account.modify("huntaze-redis").apply_immediately(false).cache_node_type("cache.m6g.large");
    let group = later.send().await.unwrap().replication_group.unwrap();
    assert_eq!((group.status(), group.cache_node_type()), (Some("available"), Some("cache.t3.medium")));
    let clusters = account.client.describe_cache_clusters().cache_cluster_id("huntaze-redis-001").send().await.unwrap();
    assert_eq!(clusters.cache_clusters()[0].pending_modified_values().unwrap().cache_node_type(), Some("cache.m6g.large"));
    account.wait(77 * 60 - 1);
    assert_eq!(account.group("huntaze-redis").await.cache_node_type(), Some("cache.t3.medium"));
    account.wait(2);
    assert_eq!(account.group("huntaze-redis").await.status(), Some("modifying"));
    account.wait(20);
    let group = account.group("huntaze-redis").await;
    assert_eq!((group.status(), group.cache_node_type()), (Some("available"), Some("cache.m6g.large")));
}

#[tokio::test]
async fn versions_go_up_and_never_down() {
    let account = Account::new("elasticache: {replicationGroups: {r: {engineVersion: 6.2.6}, v: {engine: valkey, engineVersion: 8.0.1}}}");
    let version = |version: &str| account.modify("r").engine_version(version);
    assert_eq!(code(version("6.0").send().await), "InvalidParameterCombination");
    assert_eq!(code(account.modify("v").engine("redis").engine_version("7.1").send().await), "InvalidParameterCombination");
    version("7.1").send().await.unwrap();
    assert_eq!(code(version("7.1").send().await), "InvalidReplicationGroupState");
    account.wait(20);
    assert_eq!(account.state("r").engine_version, "7.1.0");
    assert_eq!(account.state("r").parameter_group_name(), "default.redis7");
    account.modify("r").engine("valkey").engine_version("8.0").send().await.unwrap();
    account.wait(20);
    assert_eq!((account.state("r").engine.as_str(), account.state("r").engine_version.as_str()), ("valkey", "8.0.1"));
}

#[tokio::test]
async fn a_custom_parameter_group_must_follow_to_the_new_family() {
    let account = Account::new(
        "elasticache: {replicationGroups: {r: {engineVersion: 6.2.6, parameterGroup: six}}, \
         parameterGroups: {six: {family: redis6.x}, seven: {family: redis7}}}",
    );
    assert_eq!(code(account.modify("r").engine_version("7.1").send().await), "InvalidParameterCombination");
    account.modify("r").engine_version("7.1").cache_parameter_group_name("seven").send().await.unwrap();
    account.wait(21);
    assert_eq!(account.state("r").parameter_group_name(), "seven");
    assert_eq!(account.state("r").parameter_apply.text(), "in-sync");
}

#[tokio::test]
async fn failover_and_multi_az_need_each_other_and_a_replica() {
    let account = Account::new("elasticache: {replicationGroups: {one: {nodes: 1}, two: {nodes: 2}}}");
    let refused = "InvalidParameterCombination";
    assert_eq!(code(account.modify("one").automatic_failover_enabled(true).send().await), refused);
    assert_eq!(code(account.modify("two").multi_az_enabled(true).send().await), refused);
    let both = account.modify("two").automatic_failover_enabled(true).multi_az_enabled(true);
    let group = both.send().await.unwrap().replication_group.unwrap();
    assert_eq!(group.automatic_failover(), Some(&AutomaticFailoverStatus::Enabling));
    account.wait(4);
    let group = account.group("two").await;
    assert_eq!((group.automatic_failover(), group.multi_az()), (Some(&AutomaticFailoverStatus::Enabled), Some(&MultiAzStatus::Enabled)));
    assert_eq!(code(account.modify("two").automatic_failover_enabled(false).send().await), refused);
    assert_eq!(code(account.modify("two").primary_cluster_id("two-002").send().await), refused);

    account.client.test_failover().replication_group_id("two").node_group_id("0001").send().await.unwrap();
    account.wait(2);
    assert_eq!(account.state("two").primary(1), 2);
    let shrink =
        |count| account.client.decrease_replica_count().replication_group_id("two").new_replica_count(count).apply_immediately(true).send();
    assert_eq!(code(shrink(0).await), refused);
    assert_eq!(code(shrink(1).await), "NoOperationFault");
    account.client.increase_replica_count().replication_group_id("two").new_replica_count(2).apply_immediately(true).send().await.unwrap();
    account.wait(20);
    assert_eq!(account.group("two").await.member_clusters().len(), 3);
    let unknown = account.client.test_failover().replication_group_id("two").node_group_id("0002").send().await;
    assert_eq!(code(unknown), "NodeGroupNotFoundFault");
}

#[tokio::test]
async fn log_delivery_is_enabled_one_log_type_at_a_time() {
    let account = Account::new("elasticache: {replicationGroups: {r: {}, old: {engineVersion: 5.0.6}}}");
    let delivery = |enabled: bool| {
        let details = DestinationDetails::builder()
            .cloud_watch_logs_details(CloudWatchLogsDestinationDetails::builder().log_group("/redis/slow").build())
            .build();
        let request = LogDeliveryConfigurationRequest::builder().log_type(LogType::SlowLog).enabled(enabled);
        if !enabled {
            return request.build();
        }
        request.destination_type(DestinationType::CloudWatchLogs).destination_details(details).log_format(LogFormat::Json).build()
    };
    assert_eq!(code(account.modify("old").log_delivery_configurations(delivery(true)).send().await), "InvalidParameterCombination");
    assert_eq!(code(account.modify("r").log_delivery_configurations(delivery(false)).send().await), "InvalidParameterValue");
    let group = account.modify("r").log_delivery_configurations(delivery(true)).send().await.unwrap().replication_group.unwrap();
    assert_eq!(group.log_delivery_configurations()[0].status(), Some(&LogDeliveryConfigurationStatus::Enabling));
    assert_eq!(group.pending_modified_values().unwrap().log_delivery_configurations().len(), 1);
    account.wait(4);
    let found = account.group("r").await.log_delivery_configurations()[0].clone();
    assert_eq!((found.status(), found.log_format()), (Some(&LogDeliveryConfigurationStatus::Active), Some(&LogFormat::Json)));
    let details = found.destination_details().unwrap().cloud_watch_logs_details().unwrap();
    assert_eq!(details.log_group(), Some("/redis/slow"));
    account.modify("r").log_delivery_configurations(delivery(false)).send().await.unwrap();
    account.wait(4);
    assert!(account.group("r").await.log_delivery_configurations().is_empty());
}

#[tokio::test]
async fn cluster_mode_has_a_configuration_endpoint_and_says_no_roles() {
    let account = Account::new("{}");
    create(&account, "big").num_node_groups(2).replicas_per_node_group(1).automatic_failover_enabled(true).send().await.unwrap();
    account.wait(12);
    let group = account.group("big").await;
    assert_eq!(group.cluster_enabled(), Some(true));
    assert_eq!(group.member_clusters(), ["big-0001-001", "big-0001-002", "big-0002-001", "big-0002-002"]);
    assert!(group.configuration_endpoint().is_some());
    let shard = &group.node_groups()[1];
    assert_eq!(shard.slots(), Some("8192-16383"));
    assert!(shard.primary_endpoint().is_none() && shard.node_group_members()[0].current_role().is_none());
    assert_eq!(account.state("big").parameter_group_name(), "default.redis7.cluster.on");
}

#[tokio::test]
async fn shards_can_be_given_one_by_one_with_their_slots() {
    let account = Account::new("{}");
    let shards = |id: &str, slots: &[&str], replicas: &[i32]| {
        let one = |(slots, replicas): (&&str, &i32)| NodeGroupConfiguration::builder().slots(*slots).replica_count(*replicas).build();
        let shards = slots.iter().zip(replicas).map(one).collect();
        create(&account, id).set_node_group_configuration(Some(shards)).automatic_failover_enabled(true).send()
    };
    shards("big", &["0-99,200-16383", "100-199"], &[1, 1]).await.unwrap();
    account.wait(12);
    let group = account.group("big").await;
    let slots: Vec<_> = group.node_groups().iter().map(|shard| shard.slots().unwrap()).collect();
    assert_eq!((slots, group.member_clusters().len()), (vec!["0-99,200-16383", "100-199"], 4));
    for wrong in [["0-99", "100-199"], ["0-9000", "9000-16383"], ["0-99,200-16383", "x"], ["0-8191", "8192-16384"]] {
        assert_eq!(code(shards("wrong", &wrong, &[1, 1]).await), "InvalidParameterValue", "{wrong:?}");
    }
    assert_eq!(code(shards("wrong", &["0-8191", "8192-16383"], &[1, 2]).await), "NotImplemented");
    account.client.create_snapshot().snapshot_name("s").replication_group_id("big").send().await.unwrap();
    account.wait(3);
    let restored = |id: &str| create(&account, id).snapshot_name("s").automatic_failover_enabled(true);
    let elsewhere = NodeGroupConfiguration::builder().slots("0-8191").build();
    let others = NodeGroupConfiguration::builder().slots("8192-16383").build();
    assert_eq!(code(restored("other").set_node_group_configuration(Some(vec![elsewhere, others])).send().await), "NotImplemented");
    restored("same").send().await.unwrap();
    account.wait(12);
    assert_eq!(account.group("same").await.node_groups()[1].slots(), Some("100-199"));
}

#[tokio::test]
async fn tags_are_merged_removed_and_refused_while_the_group_changes() {
    let account = Account::new(FOUND);
    let add = |key: &str| account.client.add_tags_to_resource().resource_name(ARN).tags(Tag::builder().key(key).value("1").build()).send();
    add("a").await.unwrap();
    assert_eq!(add("b").await.unwrap().tag_list().len(), 2);
    for key in ["AWS:x", "cost(center)", "a;b"] {
        assert_eq!(code(add(key).await), "InvalidParameterValue", "{key}");
    }
    let remove = |key: &str| account.client.remove_tags_from_resource().resource_name(ARN).tag_keys(key).send();
    assert_eq!(code(remove("c").await), "TagNotFound");
    assert_eq!(remove("a").await.unwrap().tag_list()[0].key(), Some("b"));
    account.modify("huntaze-redis").snapshotting_cluster_id("huntaze-redis-001").snapshot_retention_limit(1).send().await.unwrap();
    assert_eq!(code(add("d").await), "InvalidReplicationGroupState");
    assert_eq!(code(account.client.list_tags_for_resource().resource_name(ARN).send().await), "InvalidReplicationGroupState");
    assert_eq!(code(account.client.list_tags_for_resource().resource_name("arn:aws:s3:::x").send().await), "InvalidARN");
}

#[tokio::test]
async fn standalone_clusters_live_beside_the_groups() {
    let account = Account::new("elasticache: {replicationGroups: {r: {}}}");
    let new = |id: &str, engine: &str| {
        account.client.create_cache_cluster().cache_cluster_id(id).engine(engine).cache_node_type("cache.t3.micro").num_cache_nodes(1)
    };
    assert_eq!(code(new("alone", "redis").transit_encryption_enabled(true).send().await), "InvalidParameterCombination");
    assert_eq!(code(new("alone", "redis").num_cache_nodes(2).send().await), "InvalidParameterValue");
    new("alone", "redis").send().await.unwrap();
    new("memory", "memcached").num_cache_nodes(3).send().await.unwrap();
    assert_eq!(code(new("r-001", "redis").send().await), "CacheClusterAlreadyExists");
    account.wait(12);
    let only = account
        .client
        .describe_cache_clusters()
        .show_cache_clusters_not_in_replication_groups(true)
        .show_cache_node_info(true)
        .send()
        .await
        .unwrap();
    let nodes: Vec<usize> = only.cache_clusters().iter().map(|cluster| cluster.cache_nodes().len()).collect();
    assert_eq!(nodes, [1, 3]);
    account.client.modify_cache_cluster().cache_cluster_id("alone").snapshot_retention_limit(2).send().await.unwrap();
    let again = account.client.modify_cache_cluster().cache_cluster_id("alone").snapshot_retention_limit(3).send().await;
    assert_eq!(code(again), "InvalidCacheClusterState");
    assert_eq!(code(account.client.delete_cache_cluster().cache_cluster_id("r-001").send().await), "InvalidCacheClusterState");
    account.client.delete_cache_cluster().cache_cluster_id("memory").send().await.unwrap();
    account.wait(6);
    assert_eq!(code(account.client.delete_cache_cluster().cache_cluster_id("memory").send().await), "CacheClusterNotFound");
}

#[tokio::test]
async fn a_standalone_cluster_is_deleted_when_its_last_snapshot_has_been_taken() {
    let account = Account::new("elasticache: {cacheClusters: {alone: {tags: {team: web}}}}");
    let delete = || account.client.delete_cache_cluster().cache_cluster_id("alone");
    account.client.create_snapshot().snapshot_name("first").cache_cluster_id("alone").send().await.unwrap();
    assert_eq!(code(delete().send().await), "InvalidCacheClusterState");
    account.wait(3);
    assert_eq!(code(delete().final_snapshot_identifier("first").send().await), "SnapshotAlreadyExistsFault");
    let answer = delete().final_snapshot_identifier("last").send().await.unwrap();
    let status = async || {
        let answer = account.client.describe_cache_clusters().cache_cluster_id("alone").send().await;
        answer.map(|answer| answer.cache_clusters()[0].cache_cluster_status().unwrap().to_owned())
    };
    assert_eq!(answer.cache_cluster().unwrap().cache_cluster_status(), Some("snapshotting"));
    account.wait(2);
    assert_eq!(status().await.unwrap(), "snapshotting");
    account.wait(1);
    assert_eq!(status().await.unwrap(), "deleting");
    let last = account.client.describe_snapshots().snapshot_name("last").send().await.unwrap().snapshots()[0].clone();
    assert_eq!((last.snapshot_status(), last.cache_cluster_id(), last.replication_group_id()), (Some("available"), Some("alone"), None));
    account.wait(6);
    assert_eq!(code(status().await), "CacheClusterNotFound");
}

#[tokio::test]
async fn an_account_survives_being_written_and_read_again() {
    let account = Account::new(FOUND);
    account
        .modify("huntaze-redis")
        .cache_node_type("cache.m6g.large")
        .snapshotting_cluster_id("huntaze-redis-001")
        .snapshot_retention_limit(7)
        .send()
        .await
        .unwrap();
    let world = account.sandbox.world();
    let json = serde_json::to_string(&world.elasticache).unwrap();
    assert_eq!(serde_json::from_str::<super::state::State>(&json).unwrap(), world.elasticache);
    let yaml = serde_yaml::to_string(&world.elasticache).unwrap();
    assert_eq!(serde_yaml::from_str::<super::state::State>(&yaml).unwrap(), world.elasticache);
    assert!(serde_yaml::from_str::<super::state::State>("{replicationGroups: {r: {engin: redis}}}").is_err());
}
