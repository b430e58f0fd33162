//! The way back from a change of a group that serves, as commands with what was found.

use serde_json::{Value, json};

use super::Context;
use crate::kinds::back::{document, switch, tag_list, word};
use crate::kinds::elasticache::spec::{DestinationType, LogDelivery};
use crate::kinds::{Drift, Fact, back};

impl Context<'_> {
    pub(super) fn command(&self, verb: &str) -> String {
        format!("aws elasticache {verb} --region {}", self.planning.scope.region)
    }

    pub(super) fn tags_back<'d>(&self, drifts: impl IntoIterator<Item = &'d Drift>) -> String {
        let of = |verb: &str| format!("{} --resource-name {}", self.command(verb), word(&self.group.arn));
        back::tags(
            drifts,
            |found| format!("{} --tags {}", of("add-tags-to-resource"), tag_list(found)),
            |keys| format!("{} --tag-keys {}", of("remove-tags-from-resource"), document(&json!(keys))),
        )
    }

    /// Sets these settings to what was found.
    pub(super) fn settings_back(&self, drifts: &[&Drift], immediately: bool) -> String {
        let options = drifts.iter().filter_map(|drift| option(drift)).collect::<Vec<_>>().join(" ");
        let logs: Vec<Value> = drifts.iter().filter_map(|drift| delivery(drift)).collect();
        let stay: Vec<&str> =
            drifts.iter().filter(|drift| option(drift).is_none() && delivery(drift).is_none()).map(|drift| drift.field.as_str()).collect();
        if stay.len() == drifts.len() {
            // A command that sets nothing would still carry out what waits for the maintenance window.
            return format!("nothing: ElastiCache takes {} back by no request", stay.join(", "));
        }
        let stay = if stay.is_empty() { String::new() } else { format!(": {} stays", stay.join(", ")) };
        let logs = if logs.is_empty() { String::new() } else { format!(" --log-delivery-configurations {}", document(&json!(logs))) };
        let options = if options.is_empty() { options } else { format!(" {options}") };
        let when = if immediately { " --apply-immediately" } else { " --no-apply-immediately" };
        let head = self.command("modify-replication-group");
        let days = drifts.iter().find(|drift| drift.field == "snapshotRetentionDays").map(|drift| drift.found.as_i64().unwrap_or(0));
        let lost = days.map_or_else(String::new, |days| format!("; daily snapshots beyond {days} days are deleted by it"));
        format!("`{head} --replication-group-id {}{options}{logs}{when}`{stay}{lost}", word(self.id()))
    }

    pub(super) fn delete_group_back(&self, group: &str) -> String {
        format!("`{} --cache-parameter-group-name {}`, once nothing uses it", self.command("delete-cache-parameter-group"), word(group))
    }

    /// Has the nodes use their former parameter group again.
    pub(super) fn attach_back(&self, was: Option<&str>) -> String {
        let Some(was) = was else { return "have it use the former parameter group again".to_owned() };
        let head = self.command("modify-replication-group");
        format!("`{head} --replication-group-id {} --cache-parameter-group-name {} --apply-immediately`", word(self.id()), word(was))
    }

    /// Gives parameters of a group what a person had set, else the engine's default.
    pub(super) fn parameters_back<'p>(&self, group: &str, parameters: impl Iterator<Item = &'p str>) -> String {
        let Some(known) = self.planning.seen.parameter_groups.get(group).and_then(Fact::present) else {
            return "nothing of its own: the parameter group is new, and goes as a whole".to_owned();
        };
        let (mut set, mut reset): (Vec<Value>, Vec<Value>) = Default::default();
        for name in parameters {
            match known.parameters.get(name).filter(|parameter| parameter.set) {
                Some(parameter) => set.push(json!({"ParameterName": name, "ParameterValue": parameter.value})),
                None => reset.push(json!({"ParameterName": name})),
            }
        }
        let of = |verb: &str, all: &str, parameters: Vec<Value>| {
            let (head, parameters) = (self.command(verb), document(&Value::Array(parameters)));
            format!("`{head} --cache-parameter-group-name {}{all} --parameter-name-values {parameters}`", word(group))
        };
        let commands = [
            (!set.is_empty()).then(|| of("modify-cache-parameter-group", "", set)),
            (!reset.is_empty()).then(|| of("reset-cache-parameter-group", " --no-reset-all-parameters", reset)),
        ];
        commands.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// <https://docs.aws.amazon.com/cli/latest/reference/elasticache/modify-replication-group.html>
fn option(drift: &Drift) -> Option<String> {
    let found = &drift.found;
    let flag = |name: &str| Some(switch(name, found.as_bool()?));
    let text = |name: &str| Some(format!("--{name} {}", word(found.as_str()?)));
    match drift.field.as_str() {
        "automaticFailover" => flag("automatic-failover-enabled"),
        "multiAz" => flag("multi-az-enabled"),
        "autoMinorVersionUpgrade" => flag("auto-minor-version-upgrade"),
        "snapshotRetentionDays" => Some(format!("--snapshot-retention-limit {}", found.as_i64().unwrap_or(0))),
        "snapshotWindow" => text("snapshot-window"),
        "maintenanceWindow" => text("preferred-maintenance-window"),
        "notificationTopicArn" if found.is_null() => Some("--notification-topic-status inactive".to_owned()),
        "notificationTopicArn" => text("notification-topic-arn"),
        _ => None,
    }
}

/// A log's delivery as the API takes it; one that was not there, or not understood, is turned off.
fn delivery(drift: &Drift) -> Option<Value> {
    let log = match drift.field.as_str() {
        "logDelivery.slowLog" => "slow-log",
        "logDelivery.engineLog" => "engine-log",
        _ => return None,
    };
    let mut found = drift.found.clone();
    if let Some(members) = found.as_object_mut() {
        members.remove("error");
    }
    let Ok(found) = serde_json::from_value::<LogDelivery>(found) else { return Some(json!({"LogType": log, "Enabled": false})) };
    let details = match found.destination_type {
        DestinationType::CloudWatchLogs => json!({"CloudWatchLogsDetails": {"LogGroup": found.destination}}),
        DestinationType::KinesisFirehose => json!({"KinesisFirehoseDetails": {"DeliveryStream": found.destination}}),
    };
    let (kind, format) = (json!(found.destination_type), json!(found.format));
    Some(json!({"LogType": log, "DestinationType": kind, "DestinationDetails": details, "LogFormat": format, "Enabled": true}))
}
