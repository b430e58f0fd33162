//! Reading: the account's instances once a pass, then only what the declared fields ask for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_rds::types::{ApplyMethod, DbInstance, DbParameterGroup};
use serde_json::{Map, Value};

use super::Instances;
use super::brings::Waiting;
use super::seen::{Engine, Instance, OwnGroup, Pending, Seen, users};
use super::spec::{InstanceSpec, ParameterValue};
use super::values::Parameter;
use crate::aws::{CallError, Class, Reads, pages};
use crate::clock::later;
use crate::kinds::{Fact, FactSet, Target, Unreadable, kms};

/// The tags that say what holdfast made, and for which object.
pub const OWNER_TAG: (&str, &str) = ("holdfast.dev/owner", "holdfast");
pub const OBJECT_TAG: &str = "holdfast.dev/object";
/// The tag that says when it was made.
pub const MADE_TAG: &str = "holdfast.dev/made-at";

/// "You should wait at least 5 minutes before creating your first DB instance that uses that DB parameter group"
/// (CreateDBParameterGroup): before that a group may be used without its values.
const COMPLETE_AFTER: Duration = Duration::from_secs(300);

pub async fn observe(reads: &Reads, target: &Target<'_, Instances>, want: &FactSet) -> Seen {
    let spec = target.spec;
    let all = match instances(reads).await {
        Ok(all) => all,
        Err(error) => return unreadable(&error),
    };
    let found = all.iter().find(|one| one.db_instance_identifier().is_some_and(|id| id.eq_ignore_ascii_case(target.id)));
    let Some(instance) = found.map(|found| Instance::read(found, &all)) else {
        return Seen { instance: Fact::Absent, parameters: Fact::Absent, ..Seen::default() };
    };
    let mut seen = Seen { counts: instance.pending.counting(spec, &instance), ..Seen::default() };
    let parameters = want.any_below("parameters");
    let (attached, (family, own), insights_key, storage_key, engine) = futures::join!(
        async {
            match parameters {
                true => attached(reads, &instance, None).await,
                false if may_restart(spec, want, &instance) => attached(reads, &instance, Some("user")).await,
                false => Fact::default(),
            }
        },
        async { if parameters { own(reads, target, &instance, &all).await } else { Default::default() } },
        async {
            let declared = spec.performance_insights.as_ref().and_then(|insights| insights.kms_key_id.as_deref());
            key(reads, declared.filter(|_| want.has("performanceInsights.kmsKeyId")), instance.insights_key.as_deref()).await
        },
        async {
            let declared = spec.storage_encrypted.as_ref().and_then(|encrypted| encrypted.kms_key_id.as_deref());
            key(reads, declared.filter(|_| want.has("storageEncrypted.kmsKeyId")), instance.storage_key.as_deref()).await
        },
        async { if needs_engine(spec, want, &instance) { engine(reads, &instance).await } else { Fact::default() } },
    );
    seen.waiting = attached.as_ref().map(|attached| Waiting::read(spec, attached));
    let attached = if parameters { attached } else { Fact::default() };
    seen.parameters = attached.as_ref().map(|attached| declared(spec, attached));
    (seen.attached, seen.family, seen.own) = (attached, family, own);
    (seen.insights_key, seen.storage_key, seen.engine) = (insights_key, storage_key, engine);
    seen.instance = Fact::Present(instance);
    seen
}

/// Nothing could be read: every fact says why.
fn unreadable(error: &CallError) -> Seen {
    let why = Unreadable::from(error);
    Seen {
        instance: Fact::Unknown(why.clone()),
        parameters: Fact::Unknown(why.clone()),
        insights_key: Fact::Unknown(why.clone()),
        storage_key: Fact::Unknown(why),
        ..Seen::default()
    }
}

async fn instances(reads: &Reads) -> Result<Arc<Vec<DbInstance>>, CallError> {
    reads
        .once("DescribeDBInstances", || {
            pages(|marker| async move {
                let page = reads.rds().describe_db_instances(|request| request.max_records(100).set_marker(marker)).await?;
                let next = page.marker().map(str::to_owned);
                Ok((page.db_instances.unwrap_or_default(), next))
            })
        })
        .await
}

async fn groups(reads: &Reads) -> Result<Arc<Vec<DbParameterGroup>>, CallError> {
    reads
        .once("DescribeDBParameterGroups", || {
            pages(|marker| async move {
                let page = reads.rds().describe_db_parameter_groups(|request| request.max_records(100).set_marker(marker)).await?;
                let next = page.marker().map(str::to_owned);
                Ok((page.db_parameter_groups.unwrap_or_default(), next))
            })
        })
        .await
}

/// The parameters of a group, by name.
async fn parameters(reads: &Reads, group: &str) -> Result<Arc<BTreeMap<String, Parameter>>, CallError> {
    parameters_from(reads, group, None).await
}

/// The same; with `source` those alone whose values come from there.
async fn parameters_from(reads: &Reads, group: &str, source: Option<&str>) -> Result<Arc<BTreeMap<String, Parameter>>, CallError> {
    reads
        .once(format!("DescribeDBParameters {group} {}", source.unwrap_or_default()), || async move {
            let rows = pages(|marker| async move {
                let send = reads.rds();
                let page = send
                    .describe_db_parameters(|request| {
                        let request = request.db_parameter_group_name(group).max_records(100).set_marker(marker);
                        request.set_source(source.map(str::to_owned))
                    })
                    .await?;
                let next = page.marker().map(str::to_owned);
                Ok((page.parameters.unwrap_or_default(), next))
            })
            .await?;
            let read = |row: aws_sdk_rds::types::Parameter| {
                let is = |text: Option<&str>, word: &str| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
                let parameter = Parameter {
                    set: is(row.source(), "user"),
                    restarts: is(row.apply_type(), "static"),
                    waits: row.apply_method() == Some(&ApplyMethod::PendingReboot),
                    modifiable: row.is_modifiable().unwrap_or(false),
                    list: is(row.data_type(), "list"),
                    value: row.parameter_value,
                    allowed: row.allowed_values,
                };
                Some((row.parameter_name?, parameter))
            };
            Ok(rows.into_iter().filter_map(read).collect())
        })
        .await
}

/// The parameters of the group that the instance uses; with `source` those alone whose values come from there.
async fn attached(reads: &Reads, instance: &Instance, source: Option<&str>) -> Fact<BTreeMap<String, Parameter>> {
    match &instance.group {
        None => Fact::Absent,
        // A group that an instance uses is there: not finding it is no proof of absence.
        Some(group) => Fact::read(parameters_from(reads, &group.name, source).await.map(|map| Some((*map).clone())), |_| false),
    }
}

/// Whether the instance may be restarted for what is declared though no parameter is looked at: for a parameter group that is not in force, for another
/// certificate, or because a change that is made at once takes along one that waits.
fn may_restart(spec: &InstanceSpec, want: &FactSet, instance: &Instance) -> bool {
    let group = want.has("parametersInForce") && instance.group.as_ref().is_some_and(|group| group.status != "in-sync");
    let certificate = want.has("caCertificate") && spec.ca_certificate.is_some() && spec.ca_certificate != instance.ca_certificate;
    let waits = Pending::restarts(&instance.pending.besides(&[]));
    let taken_along = ["backupRetentionDays", "multiAz", "iamAuthentication", "caCertificate", "maintenanceWindow"];
    group || certificate || waits && taken_along.iter().any(|field| want.has(field))
}

/// The declared parameters among those of a group; what has no value is left out, and the engine's default where that is declared.
fn declared(spec: &InstanceSpec, attached: &BTreeMap<String, Parameter>) -> Map<String, Value> {
    let found = |(name, declared): (&String, &Option<ParameterValue>)| {
        let parameter = attached.get(name).filter(|parameter| parameter.set || declared.is_some())?;
        Some((name.clone(), Value::String(parameter.value.clone()?)))
    };
    spec.parameters.iter().flatten().filter_map(found).collect()
}

/// The name of the group that holdfast makes for an instance: letters, digits and single hyphens, as RDS wants it.
pub fn own_name(instance: &str, family: &str) -> String {
    let mut name = format!("holdfast-{}-", instance.to_ascii_lowercase());
    for letter in family.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => name.push(letter.to_ascii_lowercase()),
            _ if !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.trim_end_matches('-').to_owned()
}

/// The attached group's family, and the instance's own group where another one is attached.
async fn own(reads: &Reads, target: &Target<'_, Instances>, instance: &Instance, all: &[DbInstance]) -> (Fact<String>, Fact<OwnGroup>) {
    let Some(group) = instance.group.as_ref() else { return (Fact::Absent, Fact::Absent) };
    let groups = match groups(reads).await {
        Ok(groups) => groups,
        Err(error) => return (Fact::Unknown(Unreadable::from(&error)), Fact::Unknown(Unreadable::from(&error))),
    };
    let named = |name: &str| groups.iter().find(|one| one.db_parameter_group_name() == Some(name));
    let family = named(&group.name).and_then(|group| group.db_parameter_group_family()).map(str::to_owned);
    let Some(family) = family else { return (Fact::Absent, Fact::Absent) };
    let name = own_name(target.id, &family);
    if name == group.name {
        return (Fact::Present(family), Fact::Absent);
    }
    let own = match named(&name) {
        None => Fact::Absent,
        Some(group) => match look(reads, target, &name, group, all).await {
            Ok(own) => Fact::Present(own),
            Err(error) => Fact::Unknown(Unreadable::from(&error)),
        },
    };
    (Fact::Present(family), own)
}

async fn look(
    reads: &Reads,
    target: &Target<'_, Instances>,
    name: &str,
    group: &DbParameterGroup,
    all: &[DbInstance],
) -> Result<OwnGroup, CallError> {
    let arn = group.db_parameter_group_arn().unwrap_or_default();
    let tags = async { reads.rds().list_tags_for_resource(|request| request.resource_name(arn)).await };
    let (parameters, tags) = futures::join!(parameters(reads, name), tags);
    let tags = tags?;
    let has = |key: &str, value: &str| tags.tag_list().iter().any(|tag| tag.key() == Some(key) && tag.value() == Some(value));
    let made = tags.tag_list().iter().find(|tag| tag.key() == Some(MADE_TAG)).and_then(|tag| tag.value());
    let made = made.and_then(|made| made.parse::<jiff::Timestamp>().ok());
    Ok(OwnGroup {
        // Without the tag nobody knows: it may be on show late.
        complete: made.is_some_and(|made| later(made, COMPLETE_AFTER) <= reads.now()),
        name: name.to_owned(),
        family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
        ours: has(OWNER_TAG.0, OWNER_TAG.1) && has(OBJECT_TAG, &target.scope.object),
        users: users(all, name),
        parameters: (*parameters?).clone(),
    })
}

/// The key that is used, in the manifest's words where it is the declared one: alias, key id and ARN may all mean it.
async fn key(reads: &Reads, declared: Option<&str>, found: Option<&str>) -> Fact<String> {
    let Some(declared) = declared else { return Fact::default() };
    let Some(found) = found else { return Fact::Absent };
    let means = declared == found
        || !(declared.starts_with("arn:") && declared.contains(":key/")) && {
            let answer = kms::described(reads, None, declared).await;
            match answer.as_ref().map(|answer| answer.key_metadata()) {
                Ok(Some(key)) => key.arn() == Some(found) || key.key_id() == found,
                Ok(None) => false,
                // A key that is not there is not the one that is used.
                Err(error) if error.class == Class::NotFound => false,
                Err(error) => return Fact::Unknown(Unreadable::from(error)),
            }
        };
    Fact::Present(if means { declared } else { found }.to_owned())
}

/// What the engine can do is asked only where a difference is planned from it.
fn needs_engine(spec: &InstanceSpec, want: &FactSet, instance: &Instance) -> bool {
    let certificate = want.has("caCertificate") && spec.ca_certificate.is_some() && spec.ca_certificate != instance.ca_certificate;
    let missing = |name: &String| !instance.log_exports.contains(name);
    certificate || want.has("logExports") && spec.log_exports.iter().flatten().any(missing)
}

async fn engine(reads: &Reads, instance: &Instance) -> Fact<Engine> {
    let (Some(engine), Some(version)) = (instance.engine.as_deref(), instance.engine_version.as_deref()) else { return Fact::Absent };
    let answer = reads
        .once(format!("DescribeDBEngineVersions {engine} {version}"), || async {
            let send = reads.rds();
            let answer = send.describe_db_engine_versions(|request| request.engine(engine).engine_version(version)).await?;
            Ok(answer.db_engine_versions().first().map(|version| Engine {
                rotates_certificate_without_restart: version.supports_certificate_rotation_without_restart().unwrap_or(false),
                log_types: version.exportable_log_types().to_vec(),
            }))
        })
        .await;
    Fact::read(answer.map(|engine| (*engine).clone()), |_| false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_groups_have_names_that_rds_takes() {
        for (instance, family, name) in [
            ("Huntaze-DB", "postgres15", "holdfast-huntaze-db-postgres15"),
            ("a", "postgres9.6", "holdfast-a-postgres9-6"),
            ("a", "sqlserver-ex-15.0", "holdfast-a-sqlserver-ex-15-0"),
            ("a", "odd..", "holdfast-a-odd"),
        ] {
            assert_eq!(own_name(instance, family), name);
        }
    }
}
