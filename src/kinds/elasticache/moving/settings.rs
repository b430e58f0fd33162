//! Everything that a group has beside its data, its encryption and its token: what a new one is given, and what is compared afterwards.

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::{AutomaticFailoverStatus, CacheCluster, MultiAzStatus, ReplicationGroup};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::elasticache::seen::FoundLog;
use crate::kinds::elasticache::spec::LogDelivery;

/// The settings of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    pub description: String,
    pub engine: String,
    /// As the nodes have it: 7.1.0.
    pub engine_version: String,
    pub node_type: String,
    pub cluster_mode: bool,
    /// The slots of each shard: `0-8191`. Empty where cluster mode is off.
    pub slots: Vec<String>,
    /// The replicas of each shard.
    pub replicas: u32,
    pub port: Option<i32>,
    pub subnet_group: String,
    /// By id, sorted.
    pub security_groups: Vec<String>,
    pub parameter_group: String,
    pub maintenance_window: String,
    pub snapshot_window: String,
    pub snapshot_retention_days: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_topic: Option<String>,
    pub auto_minor: bool,
    pub failover: bool,
    pub multi_az: bool,
    /// By the API's name.
    pub logs: BTreeMap<String, LogDelivery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_discovery: Option<String>,
    /// Its tags, without AWS's own and holdfast's.
    pub tags: BTreeMap<String, String>,
}

impl Settings {
    /// What AWS says of a group and its clusters; nothing where the clusters are not all listed yet.
    pub fn of(
        found: &ReplicationGroup,
        clusters: &[CacheCluster],
        logs: &BTreeMap<String, FoundLog>,
        tags: &BTreeMap<String, String>,
    ) -> Option<Settings> {
        let cluster_of = |id: &String| clusters.iter().find(|cluster| cluster.cache_cluster_id() == Some(id.as_str()));
        let members: Vec<&CacheCluster> = found.member_clusters().iter().map(cluster_of).collect::<Option<_>>()?;
        let first = members.first()?;
        let shards = found.node_groups();
        let cluster_mode = found.cluster_enabled().unwrap_or_default();
        let topic = first.notification_configuration().filter(|topic| topic.topic_status() != Some("inactive"));
        let mut security_groups: Vec<String> =
            first.security_groups().iter().filter_map(|group| group.security_group_id().map(str::to_owned)).collect();
        security_groups.sort();
        let replicas = shards.iter().map(|shard| shard.node_group_members().len()).max().unwrap_or(members.len()).saturating_sub(1);
        let ours = |key: &String| key.starts_with("aws:") || key.starts_with("holdfast.dev/");
        Some(Settings {
            description: found.description().unwrap_or_default().to_owned(),
            engine: found.engine().unwrap_or("redis").to_owned(),
            engine_version: first.engine_version()?.to_owned(),
            node_type: found.cache_node_type()?.to_owned(),
            cluster_mode,
            slots: match cluster_mode {
                true => shards.iter().map(|shard| shard.slots().unwrap_or_default().to_owned()).collect(),
                false => Vec::new(),
            },
            replicas: u32::try_from(replicas).unwrap_or_default(),
            port: port(found),
            subnet_group: first.cache_subnet_group_name().unwrap_or_default().to_owned(),
            security_groups,
            parameter_group: first.cache_parameter_group()?.cache_parameter_group_name()?.to_owned(),
            maintenance_window: first.preferred_maintenance_window().unwrap_or_default().to_owned(),
            snapshot_window: found.snapshot_window().unwrap_or_default().to_owned(),
            snapshot_retention_days: found.snapshot_retention_limit().unwrap_or_default(),
            notification_topic: topic.and_then(|topic| topic.topic_arn().map(str::to_owned)),
            auto_minor: found.auto_minor_version_upgrade().unwrap_or_default(),
            failover: matches!(found.automatic_failover(), Some(AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Enabling)),
            multi_az: matches!(found.multi_az(), Some(MultiAzStatus::Enabled)),
            logs: logs.iter().filter_map(|(name, log)| Some((name.clone(), log.delivery.clone()?))).collect(),
            network_type: found.network_type().map(|one| one.as_str().to_owned()),
            ip_discovery: found.ip_discovery().map(|one| one.as_str().to_owned()),
            tags: tags.iter().filter(|(key, _)| !ours(key)).map(|(key, value)| (key.clone(), value.clone())).collect(),
        })
    }

    /// In what the other differs, in words, field by field: `nodeType is cache.t3.small, and was cache.t3.medium`.
    pub fn differences(&self, other: &Settings) -> Vec<String> {
        let members = |settings: &Settings| match serde_json::to_value(settings) {
            Ok(Value::Object(members)) => members,
            _ => serde_json::Map::new(),
        };
        let (mine, theirs) = (members(self), members(other));
        let mut names: Vec<&String> = mine.keys().chain(theirs.keys()).collect();
        names.sort();
        names.dedup();
        let word = |value: Option<&Value>| match value {
            None | Some(Value::Null) => "none".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "none".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let differs = |name: &&String| mine.get(*name) != theirs.get(*name);
        names
            .into_iter()
            .filter(differs)
            .map(|name| format!("{name} is {}, and was {}", word(theirs.get(name)), word(mine.get(name))))
            .collect()
    }
}

/// The port that clients connect to.
fn port(found: &ReplicationGroup) -> Option<i32> {
    let configured = found.configuration_endpoint().and_then(|endpoint| endpoint.port());
    configured.or_else(|| found.node_groups().first()?.primary_endpoint()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_said_by_its_field() {
        let was = Settings {
            node_type: "cache.t3.medium".to_owned(),
            replicas: 1,
            notification_topic: Some("arn".to_owned()),
            ..Settings::default()
        };
        assert!(was.differences(&was).is_empty());
        let is = Settings { node_type: "cache.t3.small".to_owned(), replicas: 2, notification_topic: None, ..was.clone() };
        assert_eq!(
            was.differences(&is),
            ["nodeType is cache.t3.small, and was cache.t3.medium", "notificationTopic is none, and was arn", "replicas is 2, and was 1"]
        );
    }
}
