//! Parameter groups, and what changing them does to who uses them.

use aws_sdk_elasticache::types::{ChangeType, ParameterNameValue};

use super::{Account, code};

const ACCOUNT: &str = "
elasticache:
  replicationGroups: {r: {nodes: 2, parameterGroup: own}}
  parameterGroups: {own: {family: redis7, description: ours, parameters: {timeout: '300'}}}
";

fn pair(name: &str, value: &str) -> ParameterNameValue {
    ParameterNameValue::builder().parameter_name(name).parameter_value(value).build()
}

fn modify(
    account: &Account,
    group: &str,
    pairs: &[(&str, &str)],
) -> aws_sdk_elasticache::operation::modify_cache_parameter_group::builders::ModifyCacheParameterGroupFluentBuilder {
    let pairs = pairs.iter().map(|(name, value)| pair(name, value)).collect();
    account.client.modify_cache_parameter_group().cache_parameter_group_name(group).set_parameter_name_values(Some(pairs))
}

async fn applied(account: &Account, cluster: &str) -> (String, usize) {
    let answer = account.client.describe_cache_clusters().cache_cluster_id(cluster).send().await.unwrap();
    let group = answer.cache_clusters()[0].cache_parameter_group().unwrap().clone();
    (group.parameter_apply_status().unwrap().to_owned(), group.cache_node_ids_to_reboot().len())
}

#[tokio::test]
async fn parameters_are_read_page_by_page_and_by_source() {
    let account = Account::new(&format!("pageSize: 10{ACCOUNT}"));
    let all = account.client.describe_cache_parameters().cache_parameter_group_name("default.redis7").into_paginator().items().send();
    let all = all.collect::<Result<Vec<_>, _>>().await.unwrap();
    let policy = all.iter().find(|one| one.parameter_name() == Some("maxmemory-policy")).unwrap();
    assert_eq!((policy.parameter_value(), policy.source(), policy.is_modifiable()), (Some("volatile-lru"), Some("system"), Some(true)));
    assert!(all.len() > 40);
    let databases = all.iter().find(|one| one.parameter_name() == Some("databases")).unwrap();
    assert_eq!(databases.change_type(), Some(&ChangeType::RequiresReboot));
    let own = account.client.describe_cache_parameters().cache_parameter_group_name("own").source("user").send().await.unwrap();
    let own: Vec<_> = own.parameters().iter().map(|one| (one.parameter_name().unwrap(), one.parameter_value().unwrap())).collect();
    assert_eq!(own, [("timeout", "300")]);
    let names = |family: &str| super::super::parameters::table::of(family).iter().map(|one| one.name).collect::<Vec<_>>();
    assert!(names("redis6.x").contains(&"hash-max-ziplist-entries") && !names("redis7").contains(&"hash-max-ziplist-entries"));
    assert!(!names("redis7").contains(&"set-max-listpack-entries") && names("valkey7").contains(&"set-max-listpack-entries"));
    let missing = account.client.describe_cache_parameters().cache_parameter_group_name("nobody").send().await;
    assert_eq!(code(missing), "CacheParameterGroupNotFound");
}

#[tokio::test]
async fn changes_are_refused_as_the_service_refuses_them() {
    let account = Account::new(ACCOUNT);
    assert_eq!(code(modify(&account, "default.redis7", &[("timeout", "1")]).send().await), "InvalidCacheParameterGroupState");
    for wrong in [
        ("no-such-parameter", "1"),
        ("timeout", "soon"),
        ("timeout", "-1"),
        ("maxmemory-policy", "lru"),
        ("appendonly", "yes"),
        ("reserved-memory-percent", "101"),
    ] {
        assert_eq!(code(modify(&account, "own", &[("tcp-keepalive", "60"), wrong]).send().await), "InvalidParameterValue", "{wrong:?}");
    }
    let many: Vec<(&str, &str)> = std::iter::repeat_n(("timeout", "1"), 21).collect();
    assert_eq!(code(modify(&account, "own", &many).send().await), "InvalidParameterCombination");
    assert_eq!(code(modify(&account, "own", &[]).send().await), "MissingParameter");
    let parameters = account.sandbox.world().elasticache.parameter_groups["own"].parameters.clone();
    assert_eq!(parameters.len(), 1, "a refused change changes nothing");
    assert_eq!(
        code(account.client.delete_cache_parameter_group().cache_parameter_group_name("own").send().await),
        "InvalidCacheParameterGroupState"
    );
}

#[tokio::test]
async fn an_immediate_parameter_is_applied_and_one_that_needs_it_waits_for_a_reboot() {
    let account = Account::new(ACCOUNT);
    modify(&account, "own", &[("notify-keyspace-events", "KEA"), ("slowlog-log-slower-than", "-1")]).send().await.unwrap();
    assert_eq!(applied(&account, "r-001").await, ("applying".to_owned(), 0));
    account.wait(1);
    assert_eq!(applied(&account, "r-001").await, ("in-sync".to_owned(), 0));

    modify(&account, "own", &[("databases", "32")]).send().await.unwrap();
    account.wait(1);
    assert_eq!(applied(&account, "r-001").await, ("pending-reboot".to_owned(), 1));
    account.wait(60 * 24 * 14);
    assert_eq!(applied(&account, "r-001").await.0, "pending-reboot", "no maintenance window does it");
    let reboot = |id: &str| account.client.reboot_cache_cluster().cache_cluster_id(id).cache_node_ids_to_reboot("0001").send();
    reboot("r-001").await.unwrap();
    assert_eq!(code(reboot("r-002").await), "InvalidCacheClusterState");
    account.wait(1);
    assert_eq!(applied(&account, "r-001").await, ("in-sync".to_owned(), 0));
    assert_eq!(applied(&account, "r-002").await, ("pending-reboot".to_owned(), 1));
    reboot("r-002").await.unwrap();
    account.wait(1);
    assert_eq!(applied(&account, "r-002").await, ("in-sync".to_owned(), 0));
}

#[tokio::test]
async fn a_group_is_made_attached_reset_and_deleted() {
    let account = Account::new(ACCOUNT);
    let create = |family: &str| {
        account
            .client
            .create_cache_parameter_group()
            .cache_parameter_group_name("Second")
            .cache_parameter_group_family(family)
            .description("d")
            .send()
    };
    assert_eq!(code(create("redis99").await), "InvalidParameterValue");
    create("redis7").await.unwrap();
    assert_eq!(code(create("redis7").await), "CacheParameterGroupAlreadyExists");
    modify(&account, "second", &[("activerehashing", "no")]).send().await.unwrap();
    account.modify("r").cache_parameter_group_name("second").send().await.unwrap();
    assert_eq!(
        code(account.client.delete_cache_parameter_group().cache_parameter_group_name("own").send().await),
        "InvalidCacheParameterGroupState"
    );
    account.wait(4);
    assert_eq!(applied(&account, "r-001").await.0, "applying");
    account.wait(1);
    assert_eq!(applied(&account, "r-001").await.0, "pending-reboot");
    account.client.delete_cache_parameter_group().cache_parameter_group_name("own").send().await.unwrap();
    account.client.reset_cache_parameter_group().cache_parameter_group_name("second").reset_all_parameters(true).send().await.unwrap();
    assert!(account.sandbox.world().elasticache.parameter_groups["second"].parameters.is_empty());
    let groups =
        account.client.describe_cache_parameter_groups().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    let names: Vec<_> = groups.iter().filter_map(|group| group.cache_parameter_group_name()).collect();
    assert!(names.contains(&"second") && names.contains(&"default.redis7.cluster.on") && !names.contains(&"own"));
}

#[tokio::test]
async fn versions_and_subnet_groups_are_told() {
    let account = Account::new(ACCOUNT);
    let versions = account.client.describe_cache_engine_versions().engine("redis").default_only(true).send().await.unwrap();
    let versions: Vec<_> = versions
        .cache_engine_versions()
        .iter()
        .map(|one| (one.engine_version().unwrap(), one.cache_parameter_group_family().unwrap()))
        .collect();
    assert_eq!(versions, [("7.1", "redis7")]);
    let create = || {
        account
            .client
            .create_cache_subnet_group()
            .cache_subnet_group_name("Private")
            .cache_subnet_group_description("d")
            .subnet_ids("subnet-1")
            .send()
    };
    create().await.unwrap();
    assert_eq!(code(create().await), "CacheSubnetGroupAlreadyExists");
    let groups = account.client.describe_cache_subnet_groups().send().await.unwrap();
    let names: Vec<_> = groups.cache_subnet_groups().iter().filter_map(|group| group.cache_subnet_group_name()).collect();
    assert_eq!(names, ["default", "private"]);
    let missing = account.client.describe_cache_subnet_groups().cache_subnet_group_name("nobody").send().await;
    assert_eq!(code(missing), "CacheSubnetGroupNotFoundFault");
}

#[tokio::test]
async fn an_account_has_so_many_parameter_groups() {
    let groups: Vec<String> = (0..149).map(|number| format!("p{number}: {{family: redis7}}")).collect();
    let account = Account::new(&format!("elasticache: {{parameterGroups: {{{}}}}}", groups.join(", ")));
    let create = |name: &str| {
        let request = account.client.create_cache_parameter_group().cache_parameter_group_name(name);
        request.cache_parameter_group_family("redis7").description("d").send()
    };
    create("last").await.unwrap();
    assert_eq!(code(create("more").await), "CacheParameterGroupQuotaExceeded");
}
