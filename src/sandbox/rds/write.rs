//! Instances, groups and parameters in the XML that clients parse; element names out of the service's model.

use std::collections::{BTreeMap, BTreeSet};

use super::engines::{self, Version};
use super::parameters::Parameter;
use super::state::{Instance, ParameterGroup, Status};
use crate::sandbox::ids;
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

/// A DB instance.
pub fn instance(world: &World, id: &str, instance: &Instance, xml: Xml) -> Xml {
    let insights = &instance.performance_insights;
    let zone = zone(world, instance);
    let port = instance.port.unwrap_or_else(|| engines::port(&instance.engine));
    let mut xml = xml
        .text("DBInstanceIdentifier", id)
        .text("DBInstanceClass", &instance.class)
        .text("Engine", &instance.engine)
        .text("EngineVersion", &instance.engine_version)
        .text("DBInstanceStatus", instance.status.name())
        .text("MasterUsername", &instance.master_username)
        .maybe("DBName", instance.database_name.as_ref())
        .text("AllocatedStorage", instance.allocated_storage)
        .maybe("InstanceCreateTime", instance.created_at)
        .text("PreferredBackupWindow", &instance.backup_window)
        .text("BackupRetentionPeriod", instance.backup_retention)
        .text("BackupTarget", "region")
        .node("DBSecurityGroups", |xml| xml)
        .list("VpcSecurityGroups", "VpcSecurityGroupMembership", &instance.vpc_security_groups, |xml, group| {
            xml.text("VpcSecurityGroupId", group).text("Status", "active")
        })
        .list("DBParameterGroups", "DBParameterGroup", [&instance.parameter_group], |xml, group| {
            xml.text("DBParameterGroupName", group).text("ParameterApplyStatus", apply_status(instance))
        })
        .list("OptionGroupMemberships", "OptionGroupMembership", [()], |xml, ()| {
            let major = engines::major(&instance.engine, &instance.engine_version).replace('.', "-");
            xml.text("OptionGroupName", format!("default:{}-{major}", instance.engine)).text("Status", "in-sync")
        })
        .text("AvailabilityZone", &zone)
        .text("PreferredMaintenanceWindow", &instance.maintenance_window)
        .node("PendingModifiedValues", |xml| pending(instance, xml))
        .text("MultiAZ", instance.multi_az)
        .text("AutoMinorVersionUpgrade", instance.auto_minor_version_upgrade)
        .node("ReadReplicaDBInstanceIdentifiers", |xml| xml)
        .text("LicenseModel", if instance.engine == "mysql" { "general-public-license" } else { "postgresql-license" })
        .maybe("Iops", instance.iops)
        .text("PubliclyAccessible", instance.publicly_accessible)
        .node("StatusInfos", |xml| xml)
        .text("StorageType", &instance.storage_type)
        .text("DbInstancePort", 0)
        .text("StorageEncrypted", instance.storage_encrypted)
        .maybe("KmsKeyId", instance.kms_key_id.as_ref())
        .text("DbiResourceId", resource_id(world, id))
        .text("CACertificateIdentifier", &instance.ca_certificate)
        .node("DomainMemberships", |xml| xml)
        .text("CopyTagsToSnapshot", instance.copy_tags_to_snapshot)
        .text("MonitoringInterval", instance.monitoring.interval)
        .maybe("MonitoringRoleArn", instance.monitoring.role_arn.as_ref())
        .text("DBInstanceArn", arn(world, "db", id))
        .text("IAMDatabaseAuthenticationEnabled", instance.iam_authentication)
        .text("DatabaseInsightsMode", "standard")
        .text("PerformanceInsightsEnabled", insights.enabled)
        .text("DeletionProtection", instance.deletion_protection)
        .node("AssociatedRoles", |xml| xml)
        .maybe("MaxAllocatedStorage", instance.max_allocated_storage)
        .text("CustomerOwnedIpEnabled", false)
        .text("NetworkType", "IPV4")
        .text("ActivityStreamStatus", "stopped")
        .text("DedicatedLogVolume", false);
    let certificate = engines::CERTIFICATES.iter().find(|(name, _)| *name == instance.ca_certificate);
    if let Some((name, valid_till)) = certificate {
        xml = xml.node("CertificateDetails", |xml| xml.text("CAIdentifier", name).text("ValidTill", valid_till));
    }
    if instance.multi_az {
        xml = xml.text("SecondaryAvailabilityZone", format!("{}b", world.region));
    }
    if insights.enabled {
        let key = insights.kms_key_id.clone().unwrap_or_else(|| service_key(world));
        xml =
            xml.text("PerformanceInsightsKMSKeyId", key).text("PerformanceInsightsRetentionPeriod", insights.retention_period.unwrap_or(7));
    }
    if !instance.log_exports.is_empty() {
        xml = xml.texts("EnabledCloudwatchLogsExports", "member", &instance.log_exports);
    }
    if instance.backup_retention > 0 {
        xml = xml.maybe("LatestRestorableTime", instance.created_at.map(|_| world.now));
    }
    if let Some(name) = &instance.subnet_group {
        xml = xml.node("DBSubnetGroup", |xml| {
            xml.text("DBSubnetGroupName", name).text("DBSubnetGroupDescription", name).text("SubnetGroupStatus", "Complete")
        });
    }
    // An instance that is being created has no address yet.
    if instance.status != Status::Creating {
        xml = xml.node("Endpoint", |xml| {
            xml.text("Address", format!("{id}.{}.{}.rds.amazonaws.com", subdomain(world), world.region))
                .text("Port", port)
                .text("HostedZoneId", "Z2R2ITUGPM61AM")
        });
    }
    tags_as(xml, "TagList", &instance.tags)
}

/// `ParameterApplyStatus`.
pub fn apply_status(instance: &Instance) -> &'static str {
    if instance.applying.is_some() {
        "applying"
    } else if instance.pending_reboot {
        "pending-reboot"
    } else {
        "in-sync"
    }
}

/// What waits for the window and what is under way, both.
fn pending(instance: &Instance, xml: Xml) -> Xml {
    let mut pending = instance.pending.clone();
    if let Some(work) = &instance.work {
        pending.merge(work.changes.clone());
    }
    let xml = xml
        .maybe("DBInstanceClass", pending.class)
        .maybe("AllocatedStorage", pending.allocated_storage)
        .maybe("StorageType", pending.storage_type)
        .maybe("Iops", pending.iops)
        .maybe("BackupRetentionPeriod", pending.backup_retention)
        .maybe("MultiAZ", pending.multi_az)
        .maybe("EngineVersion", pending.engine_version)
        .maybe("CACertificateIdentifier", pending.ca_certificate)
        .maybe("IAMDatabaseAuthenticationEnabled", pending.iam_authentication);
    match pending.log_exports {
        None => xml,
        Some(wanted) => xml.node("PendingCloudwatchLogsExports", |xml| {
            let list = |xml: Xml, name, types: BTreeSet<&String>| if types.is_empty() { xml } else { xml.texts(name, "member", types) };
            let xml = list(xml, "LogTypesToEnable", wanted.difference(&instance.log_exports).collect());
            list(xml, "LogTypesToDisable", instance.log_exports.difference(&wanted).collect())
        }),
    }
}

/// A parameter group.
pub fn group(world: &World, name: &str, group: &ParameterGroup, xml: Xml) -> Xml {
    xml.text("DBParameterGroupName", name)
        .text("DBParameterGroupFamily", &group.family)
        .text("Description", &group.description)
        .text("DBParameterGroupArn", arn(world, "pg", name))
}

/// A parameter; `set` is the value that a user gave it, and whether `immediate`ly.
pub fn parameter(xml: Xml, parameter: &Parameter, set: Option<(&str, bool)>) -> Xml {
    let immediate = set.is_some_and(|(_, immediate)| immediate);
    xml.text("ParameterName", parameter.name)
        .maybe("ParameterValue", set.map(|(value, _)| value).or(parameter.default))
        .text("Description", parameter.description)
        .text("Source", source(parameter, set.is_some()))
        .text("ApplyType", parameter.apply_type())
        .text("DataType", parameter.data_type)
        .maybe("AllowedValues", Some(parameter.allowed).filter(|allowed| !allowed.is_empty()))
        .text("IsModifiable", parameter.modifiable)
        .text("ApplyMethod", if immediate { "immediate" } else { "pending-reboot" })
}

/// Where a parameter's value comes from.
pub fn source(parameter: &Parameter, set: bool) -> &'static str {
    if set {
        "user"
    } else if parameter.set_by_rds {
        "system"
    } else {
        "engine-default"
    }
}

/// A version on offer.
pub fn engine_version(xml: Xml, offered: Version) -> Xml {
    let Version { engine, version } = offered;
    let name = if engine == "mysql" { "MySQL" } else { "PostgreSQL" };
    let later = engines::versions().filter(|other| other.engine == engine && engines::numbers(other.version) > engines::numbers(version));
    xml.text("Engine", engine)
        .text("MajorEngineVersion", engines::major(engine, version))
        .text("EngineVersion", version)
        .text("DBParameterGroupFamily", engines::family(engine, version))
        .text("DBEngineDescription", name)
        .text("DBEngineVersionDescription", format!("{name} {version}"))
        .list("ValidUpgradeTarget", "UpgradeTarget", later, |xml, target| {
            xml.text("Engine", engine)
                .text("EngineVersion", target.version)
                .text("Description", format!("{name} {}", target.version))
                .text("AutoUpgrade", false)
                .text("IsMajorVersionUpgrade", engines::major(engine, target.version) != engines::major(engine, version))
        })
        .texts("ExportableLogTypes", "member", engines::log_types(engine))
        .text("SupportsLogExportsToCloudwatchLogs", true)
        .text("SupportsReadReplica", true)
        .text("Status", "available")
        .text("SupportsCertificateRotationWithoutRestart", true)
        .texts(
            "SupportedCACertificateIdentifiers",
            "member",
            engines::CERTIFICATES.iter().map(|(name, _)| name).filter(|name| **name != "rds-ca-2019"),
        )
}

/// A `TagList`.
pub fn tags(xml: Xml, tags: &BTreeMap<String, String>) -> Xml {
    tags_as(xml, "TagList", tags)
}

fn tags_as(xml: Xml, name: &str, tags: &BTreeMap<String, String>) -> Xml {
    xml.list(name, "Tag", tags, |xml, (key, value)| xml.text("Key", key).text("Value", value))
}

/// The ARN of a `db` or a `pg`.
pub fn arn(world: &World, sort: &str, name: &str) -> String {
    format!("arn:aws:rds:{}:{}:{sort}:{name}", world.region, world.account)
}

/// `db-` and 26 capitals: the same for the same account and name, so that two runs compare.
pub fn resource_id(world: &World, id: &str) -> String {
    let hash = ids::hash(&["rds", &world.account, &world.region, id]);
    // Hex digits as the letters A to P.
    let letters = hash.chars().take(26).filter_map(|digit| char::from_u32(u32::from(b'A') + digit.to_digit(16)?));
    format!("db-{}", letters.collect::<String>())
}

/// The account's own key for RDS (`aws/rds`), which AWS makes on first use.
pub fn service_key(world: &World) -> String {
    let key = ids::uuid(&["aws/rds", &world.account, &world.region]);
    format!("arn:aws:kms:{}:{}:key/{key}", world.region, world.account)
}

fn zone(world: &World, instance: &Instance) -> String {
    if instance.availability_zone.is_empty() { format!("{}a", world.region) } else { instance.availability_zone.clone() }
}

/// The part of an endpoint that is the account's in a region.
fn subdomain(world: &World) -> String {
    format!("c{}", ids::hash(&["rds", &world.account, &world.region]).get(..11).unwrap_or_default())
}
