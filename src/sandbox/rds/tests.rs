//! Through the SDK's client: what it sends is what is read, and what it parses is what was written.

use std::time::Duration;

use aws_sdk_rds::Client;
use aws_sdk_rds::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder;
use aws_sdk_rds::types::{ApplyMethod, CloudwatchLogsExportConfiguration, DbInstance, Filter, Parameter, Tag};

use crate::sandbox::{Sandbox, testing};

mod groups;
mod instances;

pub struct Rds {
    sandbox: Sandbox,
    client: Client,
}

/// Two instances: `db` with a group of its own, `plain` with the default one.
const ACCOUNT: &str = "
rds:
  instances:
    db: {engine: postgres, engineVersion: '14.9', class: db.t3.medium, parameterGroup: own14}
    plain: {engineVersion: '14.9', backupRetention: 0}
    shop: {engine: mysql, engineVersion: 8.0.36, class: db.t3.micro}
  parameterGroups:
    own14: {family: postgres14, description: ours, parameters: {work_mem: 4096}}
";

pub fn rds(yaml: &str) -> Rds {
    let sandbox = testing::sandbox(serde_yaml::from_str(yaml).unwrap(), "");
    let config = aws_sdk_rds::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIASANDBOX", "secret", None, None, "test"))
        .retry_config(aws_sdk_rds::config::retry::RetryConfig::disabled())
        .http_client(sandbox.http_client())
        .build();
    Rds { client: Client::from_conf(config), sandbox }
}

impl Rds {
    pub fn wait(&self, seconds: u64) {
        self.sandbox.clock().advance(Duration::from_secs(seconds));
    }

    pub async fn look(&self, id: &str) -> DbInstance {
        let found = self.client.describe_db_instances().db_instance_identifier(id).send().await.unwrap();
        found.db_instances.unwrap().remove(0)
    }

    pub async fn status(&self, id: &str) -> String {
        self.look(id).await.db_instance_status.unwrap()
    }

    /// `ParameterApplyStatus` of the instance's group.
    pub async fn apply_status(&self, id: &str) -> String {
        self.look(id).await.db_parameter_groups.unwrap().remove(0).parameter_apply_status.unwrap()
    }

    pub fn modify(&self, id: &str) -> ModifyDBInstanceFluentBuilder {
        self.client.modify_db_instance().db_instance_identifier(id)
    }

    pub async fn set(&self, group: &str, parameters: Vec<Parameter>) -> Result<(), String> {
        let modify = self.client.modify_db_parameter_group().db_parameter_group_name(group);
        modify.set_parameters(Some(parameters)).send().await.map(drop).map_err(code)
    }

    pub async fn reboot(&self, id: &str) {
        self.client.reboot_db_instance().db_instance_identifier(id).send().await.unwrap();
        assert_eq!(self.status(id).await, "rebooting");
        self.wait(60);
    }

    /// What the database runs with.
    pub fn in_force(&self, id: &str, parameter: &str) -> Option<String> {
        self.sandbox.world().rds.in_force(id).remove(parameter)
    }
}

pub fn parameter(name: &str, value: &str, method: ApplyMethod) -> Parameter {
    Parameter::builder().parameter_name(name).parameter_value(value).apply_method(method).build()
}

/// The error code of a refusal.
pub fn code<E: ProvideErrorMetadata + std::fmt::Debug>(error: SdkError<E>) -> String {
    error.code().unwrap_or_else(|| panic!("not a refusal: {error:?}")).to_owned()
}

pub fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

pub fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

pub fn logs(enable: &[&str], disable: &[&str]) -> CloudwatchLogsExportConfiguration {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    CloudwatchLogsExportConfiguration::builder().set_enable_log_types(list(enable)).set_disable_log_types(list(disable)).build()
}
