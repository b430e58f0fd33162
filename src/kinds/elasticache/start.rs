//! Sending a change: changed fields only, and never formatted, since the SDK prints tokens.

use std::collections::BTreeMap;

use aws_sdk_elasticache::operation::modify_replication_group::builders::ModifyReplicationGroupFluentBuilder as Modify;
use aws_sdk_elasticache::types::{
    AuthTokenUpdateStrategyType as Strategy, CloudWatchLogsDestinationDetails, DestinationDetails, DestinationType as SdkDestination,
    KinesisFirehoseDestinationDetails, LogDeliveryConfigurationRequest, LogFormat as SdkFormat, LogType, ParameterNameValue, Tag,
    TransitEncryptionMode,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::observe::{group, tags_of};
use super::op::Op;
use super::seen::Group;
use super::spec::{DestinationType, LogDelivery, LogFormat, TransitEncryption};
use super::token::{Note, Phase, Stage, TAG, TokenRef, is_well_shaped, stage};
use super::{OBJECT_TAG, OWNER_TAG, OWNER_TAG_VALUE};
use crate::aws::calls::elasticache::MODIFY_REPLICATION_GROUP;
use crate::aws::{Call, CallError, Class, GET_SECRET_VALUE, Reads, Writes};

pub async fn start(writes: &Writes, op: &Op) -> Result<(), CallError> {
    let elasticache = writes.elasticache();
    match op {
        Op::Wait { .. } => Ok(()),
        Op::Settings { group, settings, immediately, snapshot_source } => {
            // Read before anything is sent: an operation that another version wrote may hold what this one does not know.
            let wish = settings.iter().map(|(path, value)| Setting::read(path, value)).collect::<Result<Vec<Setting>, CallError>>()?;
            modify(writes, group, |request| {
                let request = request.apply_immediately(*immediately).set_snapshotting_cluster_id(snapshot_source.clone());
                wish.into_iter().fold(request, |request, one| one.put(request))
            })
            .await
        }
        // Once TLS is on, sending TransitEncryptionEnabled again makes AWS refuse the request. [aws-controllers-k8s/community#2536]
        Op::Transit { group, mode: TransitEncryption::Preferred, token } => {
            looked_at(writes, token.as_ref()).await?;
            modify(writes, group, |request| {
                let mode = TransitEncryptionMode::Preferred;
                request.apply_immediately(true).transit_encryption_enabled(true).transit_encryption_mode(mode)
            })
            .await
        }
        Op::Transit { group, mode: TransitEncryption::Required, token } => {
            looked_at(writes, token.as_ref()).await?;
            let mode = TransitEncryptionMode::Required;
            modify(writes, group, |request| request.apply_immediately(true).transit_encryption_mode(mode)).await
        }
        Op::RotateToken { group, token } => rotate(writes, group, token).await,
        Op::SetToken { group, token } => set(writes, group, token).await,
        Op::RecordToken { group, token } => record(writes, group, token).await,
        Op::Upgrade { group, version, parameter_group, token, .. } => {
            looked_at(writes, token.as_ref()).await?;
            modify(writes, group, |request| {
                request.apply_immediately(true).engine_version(version).set_cache_parameter_group_name(parameter_group.clone())
            })
            .await
        }
        Op::AttachParameterGroup { group, name, .. } => {
            modify(writes, group, |request| request.apply_immediately(true).cache_parameter_group_name(name)).await
        }
        Op::CreateParameterGroup { name, family, object, group } => {
            let answer = elasticache
                .create_cache_parameter_group(|request| {
                    let request = request.cache_parameter_group_name(name).cache_parameter_group_family(family);
                    let request = request.description(format!("{group}, made by holdfast"));
                    request.tags(tag(OWNER_TAG, OWNER_TAG_VALUE)).tags(tag(OBJECT_TAG, object))
                })
                .await;
            answer.map(|_| ())
        }
        Op::SetParameters { name, parameters } => {
            let value =
                |(name, value): (&String, &String)| ParameterNameValue::builder().parameter_name(name).parameter_value(value).build();
            let values: Vec<ParameterNameValue> = parameters.iter().map(value).collect();
            let answer = elasticache
                .modify_cache_parameter_group(|request| request.cache_parameter_group_name(name).set_parameter_name_values(Some(values)))
                .await;
            answer.map(|_| ())
        }
        Op::ResetParameters { name, parameters } => {
            let names: Vec<ParameterNameValue> =
                parameters.iter().map(|name| ParameterNameValue::builder().parameter_name(name).build()).collect();
            let answer = elasticache
                .reset_cache_parameter_group(|request| {
                    request.cache_parameter_group_name(name).reset_all_parameters(false).set_parameter_name_values(Some(names))
                })
                .await;
            answer.map(|_| ())
        }
        Op::DeleteParameterGroup { name } => {
            let answer = elasticache.delete_cache_parameter_group(|request| request.cache_parameter_group_name(name)).await;
            unless_gone(answer.map(|_| ()))
        }
        Op::Tag { arn, tags } => put_tags(writes, arn, tags.clone()).await,
        Op::Move(op) => super::moving::start(writes, op).await,
        Op::Untag { arn, keys } => {
            let keys = keys.clone();
            let answer = elasticache.remove_tags_from_resource(|request| request.resource_name(arn).set_tag_keys(Some(keys))).await;
            // A tag that is gone already is refused as not found; then the others are looked at again.
            answer.map(|_| ()).or_else(|error| if error.is("TagNotFound") { Ok(()) } else { Err(error) })
        }
    }
}

async fn modify(writes: &Writes, group: &str, build: impl FnOnce(Modify) -> Modify + Send) -> Result<(), CallError> {
    let answer = writes.elasticache().modify_replication_group(|request| build(request.replication_group_id(group))).await;
    answer.map(|_| ())
}

fn unless_gone(answer: Result<(), CallError>) -> Result<(), CallError> {
    answer.or_else(|error| if error.class == Class::NotFound { Ok(()) } else { Err(error) })
}

pub fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

pub async fn put_tags(writes: &Writes, arn: &str, tags: BTreeMap<String, String>) -> Result<(), CallError> {
    let tags: Vec<Tag> = tags.iter().map(|(key, value)| tag(key, value)).collect();
    let answer = writes.elasticache().add_tags_to_resource(|request| request.resource_name(arn).set_tags(Some(tags))).await;
    answer.map(|_| ())
}

/// One declared setting, as the request takes it.
enum Setting {
    Failover(bool),
    MultiAz(bool),
    RetentionDays(i32),
    SnapshotWindow(String),
    MaintenanceWindow(String),
    Topic(String),
    AutoMinor(bool),
    Log(LogType, LogDelivery),
}

impl Setting {
    fn read(path: &str, value: &Value) -> Result<Setting, CallError> {
        let log = || serde_json::from_value::<LogDelivery>(value.clone()).ok();
        let text = || value.as_str().map(str::to_owned);
        let setting = match path {
            "automaticFailover" => value.as_bool().map(Setting::Failover),
            "multiAz" => value.as_bool().map(Setting::MultiAz),
            "snapshotRetentionDays" => value.as_i64().and_then(|days| i32::try_from(days).ok()).map(Setting::RetentionDays),
            "snapshotWindow" => text().map(Setting::SnapshotWindow),
            "maintenanceWindow" => text().map(Setting::MaintenanceWindow),
            "notificationTopicArn" => text().map(Setting::Topic),
            "autoMinorVersionUpgrade" => value.as_bool().map(Setting::AutoMinor),
            "logDelivery.slowLog" => log().map(|log| Setting::Log(LogType::SlowLog, log)),
            "logDelivery.engineLog" => log().map(|log| Setting::Log(LogType::EngineLog, log)),
            _ => None,
        };
        setting.ok_or_else(|| not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "NotUnderstood", format!("{path} cannot be {value}")))
    }

    fn put(self, request: Modify) -> Modify {
        match self {
            Setting::Failover(on) => request.automatic_failover_enabled(on),
            Setting::MultiAz(on) => request.multi_az_enabled(on),
            Setting::RetentionDays(days) => request.snapshot_retention_limit(days),
            Setting::SnapshotWindow(window) => request.snapshot_window(super::window::normal(&window)),
            Setting::MaintenanceWindow(window) => request.preferred_maintenance_window(super::window::normal(&window)),
            // A topic that was made inactive stays so unless it is said.
            Setting::Topic(arn) => request.notification_topic_arn(arn).notification_topic_status("active"),
            Setting::AutoMinor(on) => request.auto_minor_version_upgrade(on),
            Setting::Log(log_type, log) => request.log_delivery_configurations(delivery(log_type, log)),
        }
    }
}

/// One delivery as a request takes it, by the API's name of the log.
pub fn log_request(log_type: &str, log: &LogDelivery) -> Result<LogDeliveryConfigurationRequest, CallError> {
    match LogType::from(log_type) {
        known @ (LogType::SlowLog | LogType::EngineLog) => Ok(delivery(known, log.clone())),
        _ => Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Invalid, "NotUnderstood", format!("there is no log {log_type}"))),
    }
}

fn delivery(log_type: LogType, log: LogDelivery) -> LogDeliveryConfigurationRequest {
    let details = DestinationDetails::builder();
    let (destination, details) = match log.destination_type {
        DestinationType::CloudWatchLogs => {
            let log_group = CloudWatchLogsDestinationDetails::builder().log_group(log.destination).build();
            (SdkDestination::CloudWatchLogs, details.cloud_watch_logs_details(log_group))
        }
        DestinationType::KinesisFirehose => {
            let stream = KinesisFirehoseDestinationDetails::builder().delivery_stream(log.destination).build();
            (SdkDestination::KinesisFirehose, details.kinesis_firehose_details(stream))
        }
    };
    let format = match log.format {
        LogFormat::Json => SdkFormat::Json,
        LogFormat::Text => SdkFormat::Text,
    };
    LogDeliveryConfigurationRequest::builder()
        .log_type(log_type)
        .destination_type(destination)
        .destination_details(details.build())
        .log_format(format)
        .enabled(true)
        .build()
}

/// What is known of a group's token in the very moment of a change.
struct Access {
    group: Group,
    note: Option<Note>,
}

impl Access {
    /// Reads once more where what was read does not fit what the step was begun on: reads lag behind writes, and what they then show looks as if
    /// somebody else had been at it.
    async fn confirmed(writes: &Writes, id: &str, fits: impl Fn(&Access) -> bool) -> Result<Access, CallError> {
        let access = Access::now(writes, id).await?;
        if fits(&access) { Ok(access) } else { Access::now(writes, id).await }
    }

    /// Reads anew: what this pass has seen may be older than the last change.
    async fn now(writes: &Writes, id: &str) -> Result<Access, CallError> {
        let reads = writes.reads();
        let answer = reads.elasticache().describe_replication_groups(|request| request.replication_group_id(id)).await?;
        let Some(found) = answer.replication_groups().first() else {
            return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::NotFound, "GroupGone", format!("there is no replication group {id}")));
        };
        let group = group(found);
        if group.status != "available" {
            return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "GroupBusy", format!("{id} is {}", group.status)));
        }
        let tags = tags_of(&reads, &group.arn).await?;
        Ok(Access { note: tags.get(TAG).and_then(|text| Note::read(text)), group })
    }

    fn stage(&self, token: &TokenRef) -> Stage {
        stage(token, self.note.as_ref(), self.group.auth_changed)
    }

    /// Whether the note says already what is about to be done. It then keeps its date: a change whose answer was lost shows by it.
    fn noted(&self, token: &TokenRef, phase: Phase) -> bool {
        self.note.as_ref().is_some_and(|note| note.phase == phase && token.is(note))
    }

    async fn write(&self, writes: &Writes, token: &TokenRef, phase: Phase) -> Result<(), CallError> {
        let note = token.note(phase, self.group.auth_changed);
        put_tags(writes, &self.group.arn, BTreeMap::from([(TAG.to_owned(), note.to_string())])).await
    }
}

async fn rotate(writes: &Writes, id: &str, token: &TokenRef) -> Result<(), CallError> {
    let access = Access::now(writes, id).await?;
    if access.stage(token) != Stage::Before {
        return Ok(());
    }
    let bytes = bytes(writes, token).await?;
    if !access.noted(token, Phase::Rotate) {
        access.write(writes, token, Phase::Rotate).await?;
    }
    send(writes, id, bytes, Strategy::Rotate).await
}

async fn set(writes: &Writes, id: &str, token: &TokenRef) -> Result<(), CallError> {
    let fits = |access: &Access| access.stage(token) != Stage::Before && access.group.transit == Some(TransitEncryption::Required);
    let access = Access::confirmed(writes, id, fits).await?;
    match access.stage(token) {
        Stage::Set | Stage::InForce => return Ok(()),
        Stage::Before => {
            // Reads lag: it is looked at again until the step's time is over.
            let message = format!("the token of {id} was changed by somebody else since it was rotated: run again");
            return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "NotRotated", message));
        }
        Stage::Rotated if access.group.transit != Some(TransitEncryption::Required) => {
            let message = format!("{id} does not require TLS any more: run again");
            return Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "NotEncrypted", message));
        }
        Stage::Rotated => {}
    }
    let bytes = bytes(writes, token).await?;
    if !access.noted(token, Phase::Set) {
        access.write(writes, token, Phase::Set).await?;
    }
    match send(writes, id, bytes, Strategy::Set).await {
        // SET is refused where there is nothing for it to end. The token was rotated in (the note proves it), TLS is required and the
        // group is free: what is left as a reason is that it is the only token already, as with a group that was made with it.
        Err(error) if error.is("InvalidParameterCombination") => access.write(writes, token, Phase::InForce).await,
        answer => answer,
    }
}

async fn record(writes: &Writes, id: &str, token: &TokenRef) -> Result<(), CallError> {
    let fits = |access: &Access| matches!(access.stage(token), Stage::Set | Stage::InForce);
    let access = Access::confirmed(writes, id, fits).await?;
    match access.stage(token) {
        Stage::InForce => Ok(()),
        Stage::Set => access.write(writes, token, Phase::InForce).await,
        Stage::Before | Stage::Rotated => {
            let message = format!("the token of {id} is not the one that was set: run again");
            Err(not_sent(&MODIFY_REPLICATION_GROUP, Class::Busy, "NotSet", message))
        }
    }
}

/// The token's bytes, of exactly the planned version while it is the current one: a stale token is never put back.
pub async fn bytes(writes: &Writes, token: &TokenRef) -> Result<SecretString, CallError> {
    well_shaped(writes.secret_version(&token.secret_arn, token.key.as_deref(), &token.version).await?, token)
}

/// Fails where the token that a later step is to set cannot be had: before anything is sent for the steps that lead up to it.
async fn looked_at(writes: &Writes, token: Option<&TokenRef>) -> Result<(), CallError> {
    match token {
        Some(token) => bytes(writes, token).await.map(|_| ()),
        None => Ok(()),
    }
}

/// The same to log in, for whoever changes nothing.
pub async fn login(reads: &Reads, token: &TokenRef) -> Result<SecretString, CallError> {
    well_shaped(reads.login(&token.secret_arn, token.key.as_deref(), &token.version).await?, token)
}

fn well_shaped(bytes: SecretString, token: &TokenRef) -> Result<SecretString, CallError> {
    if is_well_shaped(bytes.expose_secret()) {
        return Ok(bytes);
    }
    let text = bytes.expose_secret();
    let what = token.key.as_ref().map_or_else(String::new, |key| format!(" under the key {key}"));
    // The slips that are told apart say nothing of the token itself.
    let why = if token.key.is_none() && serde_json::from_str::<serde_json::Map<String, Value>>(text).is_ok() {
        "it is JSON: name the member that is the token in auth.key"
    } else if text.ends_with(['\n', '\r']) {
        "it ends with a line break: put it without (`echo -n`, `printf %s`)"
    } else if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        "it begins or ends with a blank: put it without"
    } else {
        "it takes 16 to 128 letters, digits and the signs ! & # $ ^ < > -"
    };
    let message = format!("the secret {}{what} is no AUTH token: {why}", token.secret_arn);
    Err(not_sent(&GET_SECRET_VALUE, Class::Invalid, "NoAuthToken", message))
}

async fn send(writes: &Writes, id: &str, token: SecretString, strategy: Strategy) -> Result<(), CallError> {
    modify(writes, id, |request| request.apply_immediately(true).auth_token(token.expose_secret()).auth_token_update_strategy(strategy))
        .await
}

/// A request that was not sent, since what it needs is not as it must be. The words hold no secret.
pub fn not_sent(call: &'static Call, class: Class, code: &str, message: String) -> CallError {
    CallError { call, class, code: code.to_owned(), message, request_id: None }
}
