//! The service as the SDK's own client sees it.

mod access;
mod groups;
mod parameters;
mod servers;
mod snapshots;

use std::time::Duration;

use aws_sdk_elasticache::Client;
use aws_sdk_elasticache::config::retry::RetryConfig;
use aws_sdk_elasticache::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_elasticache::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_elasticache::operation::modify_replication_group::builders::ModifyReplicationGroupFluentBuilder;
use aws_sdk_elasticache::types::ReplicationGroup;

use super::state;
use crate::sandbox::{Sandbox, testing};

/// An account, its client, and time in the hand of the test.
struct Account {
    sandbox: Sandbox,
    client: Client,
}

impl Account {
    fn new(yaml: &str) -> Account {
        let world = serde_yaml::from_str(yaml).unwrap();
        Account::of(testing::sandbox(world, ""))
    }

    fn of(sandbox: Sandbox) -> Account {
        let config = aws_sdk_elasticache::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIASANDBOX", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(sandbox.http_client())
            .build();
        Account { sandbox, client: Client::from_conf(config) }
    }

    fn wait(&self, minutes: u64) {
        self.sandbox.clock().advance(Duration::from_secs(minutes * 60));
    }

    fn state(&self, id: &str) -> state::ReplicationGroup {
        self.sandbox.world().elasticache.replication_groups[id].clone()
    }

    async fn group(&self, id: &str) -> ReplicationGroup {
        let answer = self.client.describe_replication_groups().replication_group_id(id).send().await.unwrap();
        answer.replication_groups()[0].clone()
    }

    fn modify(&self, id: &str) -> ModifyReplicationGroupFluentBuilder {
        self.client.modify_replication_group().replication_group_id(id).apply_immediately(true)
    }
}

/// The code with which a call was refused.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, SdkError<E>>) -> String {
    let error = result.unwrap_err();
    error.code().unwrap_or("no code").to_owned()
}

/// A group of two nodes as the owner's account has it.
const FOUND: &str = "
account: '317805897534'
elasticache:
  replicationGroups:
    huntaze-redis: {engine: redis, engineVersion: 7.1.0, nodeType: cache.t3.medium, nodes: 2, automaticFailover: true, primaries: {1: 2}}
";
