//! The operations by name: what a request is called, and which IAM action allows it.

use std::fmt;

/// A service that holdfast talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    CloudTrail,
    Ecs,
    ElastiCache,
    GuardDuty,
    Kms,
    Rds,
    S3,
    S3Control,
    SecretsManager,
    Sns,
    Ssm,
    Sts,
    /// No service of AWS: the API server of a cluster.
    Kubernetes,
    /// No service of AWS: a command of the manifest.
    Exec,
}

impl Service {
    pub const ALL: [Service; 14] = [
        Service::CloudTrail,
        Service::Ecs,
        Service::ElastiCache,
        Service::GuardDuty,
        Service::Kms,
        Service::Rds,
        Service::S3,
        Service::S3Control,
        Service::SecretsManager,
        Service::Sns,
        Service::Ssm,
        Service::Sts,
        Service::Kubernetes,
        Service::Exec,
    ];

    /// The name in botocore's data and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Service::CloudTrail => "cloudtrail",
            Service::Ecs => "ecs",
            Service::ElastiCache => "elasticache",
            Service::GuardDuty => "guardduty",
            Service::Kms => "kms",
            Service::Rds => "rds",
            Service::S3 => "s3",
            Service::S3Control => "s3control",
            Service::SecretsManager => "secretsmanager",
            Service::Sns => "sns",
            Service::Ssm => "ssm",
            Service::Sts => "sts",
            Service::Kubernetes => "kubernetes",
            Service::Exec => "exec",
        }
    }
}

/// One operation of the API.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    pub service: Service,
    /// As the API spells it: `DescribeDBInstances`.
    pub operation: &'static str,
    /// The IAM action that allows it: `rds:DescribeDBInstances`, `s3:GetEncryptionConfiguration`.
    pub action: &'static str,
    pub writes: bool,
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.service.name(), self.operation)
    }
}
