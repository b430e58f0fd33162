//! The operations that this service knows, whether they write, and the members of their requests that it acts on.

use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;

pub struct Known {
    pub name: &'static str,
    pub writes: bool,
    /// Top-level members. Any other is refused: to ignore one would be a silent success.
    members: &'static [&'static str],
}

pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

impl Known {
    /// Refuses members that nothing here acts on.
    pub fn check(&self, form: &Form) -> Result<(), Refusal> {
        let foreign = form.names().map(|name| name.split('.').next().unwrap_or(name)).find(|name| {
            // The request's own members, and those of the older signatures.
            !matches!(*name, "Action" | "Version" | "AWSAccessKeyId" | "Signature" | "SignatureMethod" | "SignatureVersion" | "Timestamp")
                && !name.starts_with("X-Amz-")
                && !self.members.contains(name)
        });
        match foreign {
            Some(name) => Err(Refusal::new(501, "NotImplemented", format!("{}: the sandbox does not know the member {name}.", self.name))),
            None => Ok(()),
        }
    }
}

const fn read(name: &'static str, members: &'static [&'static str]) -> Known {
    Known { name, writes: false, members }
}

const fn write(name: &'static str, members: &'static [&'static str]) -> Known {
    Known { name, writes: true, members }
}

const KNOWN: &[Known] = &[
    write("AddTagsToResource", &["ResourceName", "Tags"]),
    write(
        "CopyDBParameterGroup",
        &["SourceDBParameterGroupIdentifier", "TargetDBParameterGroupIdentifier", "TargetDBParameterGroupDescription", "Tags"],
    ),
    write(
        "CreateDBInstance",
        &[
            "AllocatedStorage",
            "AutoMinorVersionUpgrade",
            "AvailabilityZone",
            "BackupRetentionPeriod",
            "CACertificateIdentifier",
            "CopyTagsToSnapshot",
            "DBInstanceClass",
            "DBInstanceIdentifier",
            "DBName",
            "DBParameterGroupName",
            "DBSubnetGroupName",
            "DeletionProtection",
            "EnableCloudwatchLogsExports",
            "EnableIAMDatabaseAuthentication",
            "EnablePerformanceInsights",
            "Engine",
            "EngineVersion",
            "Iops",
            "KmsKeyId",
            "MasterUserPassword",
            "MasterUsername",
            "MaxAllocatedStorage",
            "MonitoringInterval",
            "MonitoringRoleArn",
            "MultiAZ",
            "PerformanceInsightsKMSKeyId",
            "PerformanceInsightsRetentionPeriod",
            "Port",
            "PreferredBackupWindow",
            "PreferredMaintenanceWindow",
            "PubliclyAccessible",
            "StorageEncrypted",
            "StorageType",
            "Tags",
            "VpcSecurityGroupIds",
        ],
    ),
    write("CreateDBParameterGroup", &["DBParameterGroupName", "DBParameterGroupFamily", "Description", "Tags"]),
    write("DeleteDBInstance", &["DBInstanceIdentifier", "SkipFinalSnapshot", "FinalDBSnapshotIdentifier", "DeleteAutomatedBackups"]),
    write("DeleteDBParameterGroup", &["DBParameterGroupName"]),
    read("DescribeCertificates", &["CertificateIdentifier", "MaxRecords", "Marker"]),
    read("DescribeDBEngineVersions", &["Engine", "EngineVersion", "DBParameterGroupFamily", "DefaultOnly", "MaxRecords", "Marker"]),
    read("DescribeDBInstances", &["DBInstanceIdentifier", "Filters", "MaxRecords", "Marker"]),
    read("DescribeDBParameterGroups", &["DBParameterGroupName", "MaxRecords", "Marker"]),
    read("DescribeDBParameters", &["DBParameterGroupName", "Source", "Filters", "MaxRecords", "Marker"]),
    read("DescribeEngineDefaultParameters", &["DBParameterGroupFamily", "Filters", "MaxRecords", "Marker"]),
    read("DescribePendingMaintenanceActions", &["ResourceIdentifier", "Filters", "MaxRecords", "Marker"]),
    read("ListTagsForResource", &["ResourceName", "Filters"]),
    write(
        "ModifyDBInstance",
        &[
            "AllocatedStorage",
            "AllowMajorVersionUpgrade",
            "ApplyImmediately",
            "AutoMinorVersionUpgrade",
            "BackupRetentionPeriod",
            "CACertificateIdentifier",
            "CertificateRotationRestart",
            "CloudwatchLogsExportConfiguration",
            "CopyTagsToSnapshot",
            "DBInstanceClass",
            "DBInstanceIdentifier",
            "DBParameterGroupName",
            "DeletionProtection",
            "EnableIAMDatabaseAuthentication",
            "EnablePerformanceInsights",
            "EngineVersion",
            "Iops",
            "MaxAllocatedStorage",
            "MonitoringInterval",
            "MonitoringRoleArn",
            "MultiAZ",
            "PerformanceInsightsKMSKeyId",
            "PerformanceInsightsRetentionPeriod",
            "PreferredBackupWindow",
            "PreferredMaintenanceWindow",
            "PubliclyAccessible",
            "StorageType",
            "VpcSecurityGroupIds",
        ],
    ),
    write("ModifyDBParameterGroup", &["DBParameterGroupName", "Parameters"]),
    write("RebootDBInstance", &["DBInstanceIdentifier", "ForceFailover"]),
    write("RemoveTagsFromResource", &["ResourceName", "TagKeys"]),
    write("ResetDBParameterGroup", &["DBParameterGroupName", "ResetAllParameters", "Parameters"]),
    write("StartDBInstance", &["DBInstanceIdentifier"]),
    write("StopDBInstance", &["DBInstanceIdentifier"]),
];
