//! CreateDBInstance, with what AWS fills in.

use super::state::{Instance, Status, Work};
use super::{engines, groups, read, reference, refusals, settings, times, write};
use crate::clock::later;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

pub fn create(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let id = read::new_identifier(form, "DBInstanceIdentifier", 63)?;
    if world.rds.instances.contains_key(&id) {
        return Err(Refusal::new(400, "DBInstanceAlreadyExists", format!("DB instance already exists: {id}")));
    }
    let instance = requested(world, form)?;
    let xml = Xml::new().node("DBInstance", |xml| write::instance(world, &id, &instance, xml));
    world.rds.instances.insert(id, instance);
    Ok(xml)
}

fn requested(world: &World, form: &Form) -> Result<Instance, Refusal> {
    let engine = form.require("Engine")?;
    let default = engines::default_version(engine).ok_or_else(|| refusals::value(format!("Invalid DB engine: {engine}")))?;
    let version = match form.get("EngineVersion") {
        Some(wanted) => {
            engines::resolve(engine, wanted).ok_or_else(|| refusals::combination(format!("Cannot find version {wanted} for {engine}")))?
        }
        None => default,
    };
    let family = engines::family(engine, version);
    let username = form.require("MasterUsername")?;
    // The password itself is nobody's business: only its length is looked at.
    if !(8..=128).contains(&form.require("MasterUserPassword")?.chars().count()) {
        return Err(refusals::value(
            "The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters or too long.",
        ));
    }
    let allocated =
        form.int("AllocatedStorage")?.ok_or_else(|| refusals::value("The request must contain the parameter AllocatedStorage."))?;
    if !(20..=65536).contains(&allocated) {
        return Err(refusals::value(format!("Invalid storage size for engine name {engine}: {allocated}")));
    }
    let encrypted = form.bool("StorageEncrypted")?.unwrap_or(false);
    let key = form.get("KmsKeyId").map(str::to_owned);
    if key.is_some() && !encrypted {
        return Err(refusals::combination("KmsKeyId needs StorageEncrypted."));
    }
    let group = match form.get("DBParameterGroupName") {
        Some(name) => groups::usable(&world.rds, name, &family)?,
        None => format!("default.{family}"),
    };
    let mut instance = Instance {
        engine: engine.to_owned(),
        engine_version: version.to_owned(),
        class: settings::class(form.require("DBInstanceClass")?)?,
        status: Status::Creating,
        master_username: username.to_owned(),
        database_name: form.get("DBName").map(str::to_owned),
        port: form.int("Port")?,
        allocated_storage: allocated,
        iops: form.int("Iops")?,
        storage_encrypted: encrypted,
        kms_key_id: encrypted.then(|| key.unwrap_or_else(|| write::service_key(world))),
        parameters_in_force: Some(world.rds.values_read(&group, world.now)),
        parameter_group: group,
        subnet_group: form.get("DBSubnetGroupName").map(str::to_owned),
        availability_zone: form.get("AvailabilityZone").unwrap_or_default().to_owned(),
        vpc_security_groups: settings::security_groups(form)?.unwrap_or_default(),
        tags: read::tags(form)?,
        created_at: Some(world.now),
        multi_az: form.bool("MultiAZ")?.unwrap_or(false),
        publicly_accessible: form.bool("PubliclyAccessible")?.unwrap_or(false),
        deletion_protection: form.bool("DeletionProtection")?.unwrap_or(false),
        copy_tags_to_snapshot: form.bool("CopyTagsToSnapshot")?.unwrap_or(false),
        auto_minor_version_upgrade: form.bool("AutoMinorVersionUpgrade")?.unwrap_or(true),
        iam_authentication: form.bool("EnableIAMDatabaseAuthentication")?.unwrap_or(false),
        work: Some(Work {
            status: Status::Creating,
            starts_at: world.now,
            ready_at: later(world.now, times::CREATE),
            changes: Default::default(),
            boot: None,
            then: Status::Available,
        }),
        ..Instance::default()
    };
    if let Some(limit) = form.int("MaxAllocatedStorage")? {
        instance.max_allocated_storage = settings::max_storage(limit, allocated)?;
    }
    if let Some(name) = form.get("StorageType") {
        instance.storage_type = settings::storage_type(name)?;
    }
    if let Some(days) = form.int("BackupRetentionPeriod")? {
        instance.backup_retention = settings::retention(days)?;
    }
    if let Some(name) = form.get("CACertificateIdentifier") {
        instance.ca_certificate = reference::certificate(name)?;
    }
    let logs = form.list("EnableCloudwatchLogsExports");
    reference::log_types(engine, version, &logs)?;
    instance.log_exports = logs.into_iter().collect();
    settings::windows(&mut instance, form)?;
    if let Some(insights) = settings::performance_insights(&instance, &instance.class, form)? {
        instance.performance_insights = insights;
    }
    if let Some(monitoring) = settings::monitoring(&instance.monitoring, form)? {
        instance.monitoring = monitoring;
    }
    Ok(instance)
}
