//! What the manifest can say of the detector.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::{Scope, SpecProblem};
use crate::manifest::FieldPath;

/// The GuardDuty detector of the account and region. Every field is optional: what is left out is neither read nor changed. Where there
/// is no detector, one is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DetectorSpec {
    /// Whether GuardDuty watches, or is suspended. A detector that has to be made watches, unless this says false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How often findings that occur again are published to EventBridge and to the publishing destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding_publishing_frequency: Option<Frequency>,
    /// What GuardDuty watches besides CloudTrail, DNS and flow logs. Features that are not named keep what they have; a new detector
    /// has AWS's defaults there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// The bucket that findings are published to. The statements that GuardDuty needs in its policy are merged into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishing_destination: Option<PublishingDestination>,
    /// Tags and their values; `null` takes a tag away. Tags that are not named are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// How often findings that occur again are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Frequency {
    FifteenMinutes,
    OneHour,
    SixHours,
}

/// The features by their API names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub struct Features {
    /// S3 Protection: what is done to objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_data_events: Option<Feature>,
    /// EKS Protection: the audit logs of clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eks_audit_logs: Option<Feature>,
    /// Malware Protection for EC2: the volumes of instances that look suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebs_malware_protection: Option<Feature>,
    /// RDS Protection: logins to Aurora and RDS databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rds_login_events: Option<Feature>,
    /// Lambda Protection: network activity of functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_network_logs: Option<Feature>,
    /// Runtime Monitoring of EKS alone, in its older form. Not together with `RUNTIME_MONITORING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eks_runtime_monitoring: Option<EksRuntimeMonitoring>,
    /// Runtime Monitoring of EKS, ECS on Fargate, and EC2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_monitoring: Option<RuntimeMonitoring>,
}

/// A feature, or an additional configuration of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Feature {
    /// Whether it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Runtime Monitoring of EKS in its older form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EksRuntimeMonitoring {
    /// Whether it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Who sees to the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_configuration: Option<EksAgent>,
}

/// Runtime Monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuntimeMonitoring {
    /// Whether it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Who sees to the agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_configuration: Option<Agents>,
}

/// The additional configuration of `EKS_RUNTIME_MONITORING`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub struct EksAgent {
    /// Whether GuardDuty installs and updates the agent in EKS clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eks_addon_management: Option<Feature>,
}

/// The additional configuration of `RUNTIME_MONITORING`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub struct Agents {
    /// Whether GuardDuty installs and updates the agent in EKS clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eks_addon_management: Option<Feature>,
    /// Whether it does so in ECS tasks on Fargate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecs_fargate_agent_management: Option<Feature>,
    /// Whether it does so on EC2 instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ec2_agent_management: Option<Feature>,
}

/// Where findings are published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishingDestination {
    /// The bucket, by name or ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 100), regex(pattern = r"^(arn:aws[a-z-]*:s3:::)?[a-z0-9][a-z0-9.-]*[a-z0-9]$"), extend("examples" = ["huntaze-findings"]))]
    pub bucket: Option<String>,
    /// The account that `bucket` belongs to, where it is not this one: its policy is then left to that account, which must put GuardDuty's
    /// statements into it: <https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_exportfindings.html>
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 12), regex(pattern = r"^[0-9]{12}$"), extend("examples" = ["317805897534"]))]
    pub bucket_account: Option<String>,
    /// What the keys of its objects begin with, before `AWSLogs/`; empty for nothing. No slash at its ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = r"^([A-Za-z0-9!_.'()-]([A-Za-z0-9!_.'()/-]*[A-Za-z0-9!_.'()-])?)?$"), extend("examples" = ["findings"]))]
    pub prefix: Option<String>,
    /// The ARN of the KMS key that findings are encrypted with. Its policy must let GuardDuty use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$"), extend("examples" = ["arn:aws:kms:us-east-1:317805897534:key/1234abcd-12ab-34cd-56ef-1234567890ab"]))]
    pub kms_key_arn: Option<String>,
}

/// The name in a bucket's ARN; a name is itself.
pub fn bucket_name(bucket: &str) -> &str {
    match bucket.split_once(":s3:::") {
        Some((partition, name)) if partition.starts_with("arn:") => name,
        _ => bucket,
    }
}

impl DetectorSpec {
    /// The name of the bucket that findings are published to.
    pub(super) fn bucket(&self) -> Option<&str> {
        self.publishing_destination.as_ref()?.bucket.as_deref().map(bucket_name)
    }

    /// The same, where the bucket is this account's, so that its policy can be seen to.
    pub(super) fn own_bucket(&self, scope: &Scope) -> Option<&str> {
        let account = self.publishing_destination.as_ref()?.bucket_account.as_ref();
        self.bucket().filter(|_| account.is_none_or(|account| *account == scope.account))
    }

    pub(super) fn problems(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut problem_at = |path: FieldPath, message: &str, expected: &str| {
            problems.push(SpecProblem { path, message: message.to_owned(), expected: expected.to_owned() });
        };
        let mut problem = |path: &str, message: &str, expected: &str| problem_at(FieldPath::fixed(path), message, expected);
        if self.features.as_ref().is_some_and(|features| features.eks_runtime_monitoring.is_some() && features.runtime_monitoring.is_some())
        {
            problem(
                "features.EKS_RUNTIME_MONITORING",
                "GuardDuty refuses EKS_RUNTIME_MONITORING and RUNTIME_MONITORING together",
                "RUNTIME_MONITORING alone: it covers EKS as well",
            );
        }
        for (key, value) in self.tags.iter().flatten() {
            // Limits of TagResource: https://docs.aws.amazon.com/guardduty/latest/APIReference/API_TagResource.html
            if !is_tag_key(key) {
                let expected =
                    "1 to 128 letters (a to z), digits and characters of + , - . / : ; < = _ without spaces, not beginning with aws:";
                problem_at(FieldPath::fixed("tags").key(key), "GuardDuty refuses this key", expected);
            }
            if value.as_deref().is_some_and(|value| value.chars().count() > 256) {
                problem_at(FieldPath::fixed("tags").key(key), "the value is too long", "at most 256 characters");
            }
        }
        problems
    }
}

/// The service model's pattern is `(?!aws:)[a-zA-Z+-=._:/]+`, in which `+-=` is a range with the digits in it. [service model, TagKey]
fn is_tag_key(key: &str) -> bool {
    (1..=128).contains(&key.len())
        && !key.to_ascii_lowercase().starts_with("aws:")
        && key.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'+'..=b'=' | b'_'))
}

impl Features {
    /// What is declared, flat: `S3_DATA_EVENTS: true`, `RUNTIME_MONITORING.EKS_ADDON_MANAGEMENT: true`.
    pub(super) fn flat(&self) -> BTreeMap<String, bool> {
        let mut flat = BTreeMap::new();
        // Structures of options: they can always be written down.
        let Ok(Value::Object(features)) = serde_json::to_value(self) else { return flat };
        let enabled = |feature: &Value| feature.get("enabled").and_then(Value::as_bool);
        for (name, feature) in &features {
            flat.extend(enabled(feature).map(|enabled| (name.clone(), enabled)));
            let additional = feature.get("additionalConfiguration").and_then(Value::as_object);
            for (part, configuration) in additional.into_iter().flatten() {
                flat.extend(enabled(configuration).map(|enabled| (format!("{name}.{part}"), enabled)));
            }
        }
        flat
    }
}
