//! Groups with real servers behind them.

use std::io::Write as _;

use redis::Value;
use secrecy::SecretString;

use super::{Account, code};
use crate::clock::Clock;
use crate::migration::wire::{Endpoint, Link, Login, Name, Tls, WireError};
use crate::sandbox::redis::{FleetError, for_holdfast, program};
use crate::sandbox::{Options, Sandbox};

const TOKEN: &str = "a-token-of-20-letter";
const NEXT: &str = "another-token-of-letters";

const LIVE: &str = "
account: '317805897534'
elasticache:
  servers: true
  replicationGroups:
    live: {engineVersion: 7.1.0, nodeType: cache.t3.medium, nodes: 2, automaticFailover: true, data: {keys: 200}}
  subnetGroups: {private: {subnets: [subnet-1]}}
";

fn account(yaml: &str) -> Option<Account> {
    if program().is_none() {
        // Past the harness, which keeps what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: needs redis-server");
        return None;
    }
    Some(Account::new(yaml))
}

/// How a client comes in.
#[derive(Clone, Copy, Default)]
struct As<'a> {
    tls: bool,
    token: Option<&'a str>,
    holdfast: bool,
}

const TLS: As<'static> = As { tls: true, token: None, holdfast: false };

impl Account {
    async fn primary(&self, id: &str) -> (String, u16) {
        let group = self.group(id).await;
        let endpoint = group.node_groups()[0].primary_endpoint().unwrap();
        (endpoint.address().unwrap().to_owned(), u16::try_from(endpoint.port().unwrap()).unwrap())
    }

    async fn connect(&self, (host, port): (String, u16), how: As<'_>) -> Result<Link, WireError> {
        let roots = std::fs::read(self.sandbox.redis().unwrap().ca_file()).unwrap();
        let tls = if how.tls { Tls::On { roots: Some(roots) } } else { Tls::Off };
        let host = if how.holdfast { for_holdfast(&host).unwrap() } else { host };
        let login = Login { user: None, token: how.token.map(|token| SecretString::from(token.to_owned())), tls };
        Link::connect(&Endpoint { host, port, login }, 0, &Name { migration: "test".to_owned(), epoch: 1, role: "test" }, None).await
    }

    /// A connection to a group's primary endpoint.
    async fn link(&self, id: &str, how: As<'_>) -> Result<Link, WireError> {
        let at = self.primary(id).await;
        self.connect(at, how).await
    }

    async fn restore(&self, name: &str, node_type: &str) -> aws_sdk_elasticache::types::ReplicationGroup {
        let request = self.client.create_replication_group().replication_group_id("target").replication_group_description("restored");
        let request = request.snapshot_name(name).cache_node_type(node_type).cache_subnet_group_name("private").num_cache_clusters(2);
        let request = request.at_rest_encryption_enabled(true).transit_encryption_enabled(true).auth_token(TOKEN);
        request.send().await.unwrap().replication_group.unwrap()
    }
}

async fn text(link: &Link, words: &[&str]) -> String {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    match link.ask(&command, std::time::Duration::from_secs(10)).await.unwrap() {
        Value::BulkString(text) => String::from_utf8(text).unwrap(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        Value::Int(number) => number.to_string(),
        Value::Okay => "OK".to_owned(),
        other => format!("{other:?}"),
    }
}

async fn info(link: &Link, line: &str) -> String {
    let all = text(link, &["INFO", "everything"]).await;
    all.lines().find_map(|found| found.trim_end().strip_prefix(line)?.strip_prefix(':').map(str::to_owned)).unwrap()
}

#[tokio::test]
async fn a_snapshot_is_restored_into_an_encrypted_group_with_the_data() {
    let Some(account) = account(LIVE) else { return };
    let source = account.link("live", As::default()).await.unwrap();
    assert_eq!(account.primary("live").await.1, 6379);
    assert_eq!(info(&source, "connected_slaves").await, "1");
    assert_eq!(info(&source, "maxmemory").await, (3164_u64 * 3 / 4 * 65_536).to_string());
    text(&source, &["SET", "mine", "1"]).await;
    account.client.create_snapshot().snapshot_name("s").cache_cluster_id("live-001").send().await.unwrap();
    text(&source, &["SET", "late", "1"]).await;
    account.wait(3);
    account.client.copy_snapshot().source_snapshot_name("s").target_snapshot_name("c").send().await.unwrap();
    account.wait(2);
    account.client.delete_snapshot().snapshot_name("s").send().await.unwrap();
    account.wait(1);
    assert!(account.restore("c", "cache.t3.medium").await.node_groups().is_empty());
    account.wait(12);
    let target = account.link("target", As { tls: true, token: Some(TOKEN), ..As::default() }).await.unwrap();
    assert_eq!(text(&target, &["DBSIZE"]).await, "201");
    for how in [As::default(), TLS, As { token: Some(TOKEN), ..As::default() }] {
        assert!(account.link("target", how).await.is_err());
    }
    let processes = account.sandbox.redis().unwrap().pids().len();
    account.client.delete_replication_group().replication_group_id("target").send().await.unwrap();
    assert_eq!((processes, account.sandbox.redis().unwrap().pids().len()), (4, 2), "a group's processes end with it");
}

#[tokio::test]
async fn too_small_a_node_comes_up_with_nothing() {
    let Some(account) = account(LIVE) else { return };
    account.client.create_snapshot().snapshot_name("s").cache_cluster_id("live-001").send().await.unwrap();
    account.wait(3);
    account.restore("s", "cache.t3.micro").await;
    account.wait(12);
    assert_eq!(account.group("target").await.status(), Some("create-failed"));
    assert_eq!(account.sandbox.redis().unwrap().pids().len(), 2);
}

#[tokio::test]
async fn tls_comes_in_two_steps_and_a_token_in_two_more() {
    let Some(account) = account(LIVE) else { return };
    let early = account.link("live", As::default()).await.unwrap();
    let tls = || account.modify("live").transit_encryption_enabled(true);
    tls().transit_encryption_mode("preferred".into()).send().await.unwrap();
    assert!(account.link("live", TLS).await.is_err(), "not before it is done");
    account.wait(4);
    assert!(account.link("live", TLS).await.is_ok() && account.link("live", As::default()).await.is_ok());
    account.modify("live").transit_encryption_mode("required".into()).send().await.unwrap();
    account.wait(4);
    assert!(account.link("live", TLS).await.is_ok() && account.link("live", As::default()).await.is_err());

    let token = |token: &str, strategy: &str| account.modify("live").auth_token(token).auth_token_update_strategy(strategy.into()).send();
    let with = |token| As { token, ..TLS };
    token(TOKEN, "ROTATE").await.unwrap();
    account.wait(4);
    assert!(account.link("live", TLS).await.is_ok() && account.link("live", with(Some(TOKEN))).await.is_ok());
    assert!(account.link("live", with(Some(NEXT))).await.is_err());
    token(TOKEN, "SET").await.unwrap();
    account.wait(4);
    assert!(account.link("live", TLS).await.is_err() && account.link("live", with(Some(TOKEN))).await.is_ok());
    token(NEXT, "ROTATE").await.unwrap();
    account.wait(4);
    assert!(account.link("live", with(Some(NEXT))).await.is_ok() && account.link("live", with(Some(TOKEN))).await.is_ok());
    assert_eq!(text(&early, &["PING"]).await, "PONG", "who is connected stays connected");
}

#[tokio::test]
async fn a_failover_takes_the_endpoint_along() {
    let Some(account) = account(LIVE) else { return };
    let before = account.link("live", As::default()).await.unwrap();
    account.client.test_failover().replication_group_id("live").node_group_id("0001").send().await.unwrap();
    assert!(account.link("live", As::default()).await.is_err(), "between the two nobody answers");
    account.wait(2);
    let after = account.link("live", As::default()).await.unwrap();
    assert_ne!(before.identity.run_id, after.identity.run_id);
    assert_eq!(text(&after, &["DBSIZE"]).await, "200");
    assert_eq!(info(&after, "connected_slaves").await, "1");

    account.client.increase_replica_count().replication_group_id("live").new_replica_count(2).apply_immediately(true).send().await.unwrap();
    account.wait(20);
    let third = account.group("live").await.node_groups()[0].node_group_members()[2].read_endpoint().unwrap().clone();
    let third = (third.address().unwrap().to_owned(), 6379);
    let third = account.connect(third, As::default()).await.unwrap();
    assert_eq!(text(&third, &["DBSIZE"]).await, "200");
    account.client.reboot_cache_cluster().cache_cluster_id("live-002").cache_node_ids_to_reboot("0001").send().await.unwrap();
    account.wait(1);
    let rebooted = account.link("live", As::default()).await.unwrap();
    assert_ne!(rebooted.identity.run_id, after.identity.run_id);
    assert_eq!(text(&rebooted, &["DBSIZE"]).await, "200");

    // One that nobody asked for.
    assert!(account.sandbox.fail_over("live", 1).await && !account.sandbox.fail_over("other", 1).await);
    let third_now = account.link("live", As::default()).await.unwrap();
    assert_eq!(third_now.identity.run_id, third.identity.run_id);
    assert_eq!(account.group("live").await.node_groups()[0].node_group_members()[2].current_role(), Some("primary"));
}

#[tokio::test]
async fn parameters_take_effect_on_the_servers() {
    let yaml = "elasticache: {servers: true, parameterGroups: {p: {family: redis7, parameters: {maxmemory-policy: allkeys-lru, databases: '4'}}}, \
                replicationGroups: {live: {parameterGroup: p}}}";
    let Some(account) = account(yaml) else { return };
    let link = account.link("live", As::default()).await.unwrap();
    assert_eq!(info(&link, "maxmemory_policy").await, "allkeys-lru");
    let refused = link.ask(redis::cmd("SELECT").arg(4), std::time::Duration::from_secs(10)).await;
    assert!(refused.is_err(), "four databases");
    let change = |name: &str, value: &str| {
        let pair = aws_sdk_elasticache::types::ParameterNameValue::builder().parameter_name(name).parameter_value(value).build();
        account.client.modify_cache_parameter_group().cache_parameter_group_name("p").parameter_name_values(pair).send()
    };
    change("maxmemory-policy", "noeviction").await.unwrap();
    change("min-replicas-to-write", "1").await.unwrap();
    assert_eq!(info(&link, "maxmemory_policy").await, "noeviction");
    let refused = link.ask(redis::cmd("SET").arg("a").arg(1), std::time::Duration::from_secs(10)).await.unwrap_err();
    assert!(refused.to_string().contains("NOREPLICAS"), "{refused}");
}

#[tokio::test]
async fn a_security_group_can_admit_holdfast_alone() {
    let yaml = format!("{LIVE}  securityGroups: {{sg-fence: {{admits: holdfast}}}}\n  endpointsLateBy: 30\n");
    let Some(account) = account(&yaml) else { return };
    let early = account.link("live", As::default()).await.unwrap();
    account.modify("live").security_group_ids("sg-fence").send().await.unwrap();
    account.wait(1);
    assert!(account.link("live", As::default()).await.is_err());
    assert!(account.link("live", As { holdfast: true, ..As::default() }).await.is_ok());
    assert_eq!(text(&early, &["PING"]).await, "PONG", "a connection that stands outlives it");
    account.modify("live").security_group_ids("sg-fence").security_group_ids("sg-open").send().await.unwrap();
    account.wait(1);
    assert!(account.link("live", As::default()).await.is_ok(), "groups add up");

    // Its name is not known at once.
    let request = account.client.create_replication_group().replication_group_id("new").replication_group_description("d");
    request.cache_node_type("cache.t3.micro").send().await.unwrap();
    account.wait(12);
    assert_eq!(account.group("new").await.status(), Some("available"));
    assert!(account.link("new", As::default()).await.is_err());
    account.wait(1);
    assert!(account.link("new", As::default()).await.is_ok());
}

#[tokio::test]
async fn a_cluster_and_a_standalone_one_have_servers_too() {
    let yaml = "elasticache: {servers: true, replicationGroups: {live: {clusterEnabled: true, automaticFailover: true, shards: 3, data: {keys: 60}}}, \
                cacheClusters: {alone: {engineVersion: 6.2.6, data: {keys: 5}}}}";
    let Some(account) = account(yaml) else { return };
    account.client.create_snapshot().snapshot_name("s").replication_group_id("live").send().await.unwrap();
    account.client.create_snapshot().snapshot_name("a").cache_cluster_id("alone").send().await.unwrap();
    account.wait(3);
    let create = |id: &str, snapshot: &str| {
        let request = account.client.create_replication_group().replication_group_id(id).replication_group_description("d");
        request.snapshot_name(snapshot)
    };
    create("target", "s").automatic_failover_enabled(true).send().await.unwrap();
    create("flat", "a").send().await.unwrap();
    account.wait(12);
    let group = account.group("target").await;
    let mut sum = 0;
    for shard in group.node_groups() {
        let member = format!("target-{}-001", shard.node_group_id().unwrap());
        let request = account.client.describe_cache_clusters().cache_cluster_id(member).show_cache_node_info(true);
        let endpoint = request.send().await.unwrap().cache_clusters()[0].cache_nodes()[0].endpoint().unwrap().clone();
        let link = account.connect((endpoint.address().unwrap().to_owned(), 6379), As::default()).await.unwrap();
        sum += text(&link, &["DBSIZE"]).await.parse::<u32>().unwrap();
    }
    assert_eq!(sum, 60);
    let entry = group.configuration_endpoint().unwrap();
    let entry = account.connect((entry.address().unwrap().to_owned(), 6379), As::default()).await.unwrap();
    assert!(text(&entry, &["CLUSTER", "INFO"]).await.contains("cluster_size:3"));
    let flat = account.link("flat", As::default()).await.unwrap();
    assert_eq!(text(&flat, &["DBSIZE"]).await, "5");
}

#[tokio::test]
async fn an_account_that_is_loaded_again_has_its_data() {
    let Some(first) = account(LIVE) else { return };
    drop(first);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account.json");
    let options = |keeps: bool| Options {
        clock: Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap()),
        save_to: keeps.then(|| file.clone()),
        ..Options::default()
    };
    let account = Account::of(Sandbox::from_yaml(LIVE, options(true)).unwrap());
    let at = account.primary("live").await;
    let link = account.link("live", As::default()).await.unwrap();
    text(&link, &["SET", "mine", "1"]).await;
    account.client.create_snapshot().snapshot_name("s").cache_cluster_id("live-001").send().await.unwrap();
    account.sandbox.save().unwrap();
    drop(account);

    // A run that keeps nothing changes nothing.
    let picture = Account::of(Sandbox::load(&file, options(false)).unwrap().unwrap());
    assert_eq!(picture.primary("live").await, at);
    let link = picture.link("live", As::default()).await.unwrap();
    assert_eq!(text(&link, &["DEL", "mine"]).await, "1");
    drop(picture);

    let account = Account::of(Sandbox::load(&file, options(true)).unwrap().unwrap());
    assert_eq!(account.primary("live").await, at);
    let link = account.link("live", As::default()).await.unwrap();
    assert_eq!(text(&link, &["DBSIZE"]).await, "201");
    account.wait(3);
    account.restore("s", "cache.t3.medium").await;
    account.wait(12);
    let target = account.link("target", As { tls: true, token: Some(TOKEN), ..As::default() }).await.unwrap();
    assert_eq!(text(&target, &["DBSIZE"]).await, "201");
}

#[tokio::test]
async fn servers_outlive_a_holdfast_that_ends() {
    let Some(account) = account(LIVE) else { return };
    let link = account.link("live", As::default()).await.unwrap();
    text(&link, &["SET", "mine", "1"]).await;
    let redis = account.sandbox.redis().cloned();
    let next = Sandbox::new(account.sandbox.world(), Options { clock: account.sandbox.clock(), redis, ..Options::default() }).unwrap();
    drop(account);
    assert_eq!(text(&link, &["GET", "mine"]).await, "1");
    let next = Account::of(next);
    assert_eq!(next.link("live", As::default()).await.unwrap().identity.run_id, link.identity.run_id);
}

#[test]
fn nothing_runs_unless_it_is_asked_for() {
    let account = Account::new(super::FOUND);
    assert!(account.sandbox.redis().is_none());
    let missing = FleetError::NoProgram.to_string();
    assert!(missing.contains("apt-get install redis-server"), "{missing}");
}

#[tokio::test]
async fn a_trouble_is_shown_as_the_service_shows_it() {
    let Some(account) = account(LIVE) else { return };
    account.sandbox.redis().unwrap().crash("live", "live-002").unwrap();
    account.client.create_snapshot().snapshot_name("s").cache_cluster_id("live-002").send().await.unwrap();
    account.wait(24 * 60);
    let found = account.client.describe_snapshots().snapshot_name("s").send().await.unwrap();
    assert_eq!(found.snapshots()[0].snapshot_status(), Some("creating"), "a node that is down has no data to give");
    assert_eq!(code(account.client.delete_snapshot().snapshot_name("s").send().await), "InvalidSnapshotState");
}
