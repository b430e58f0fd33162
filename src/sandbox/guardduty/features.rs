//! The features of a detector, and the older "data sources" that name some of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::super::call::Refusal;
use super::{Detector, bad_request, out_of_range};

const ON: &str = "ENABLED";
const OFF: &str = "DISABLED";
const EKS_RUNTIME: &str = "EKS_RUNTIME_MONITORING";
const RUNTIME: &str = "RUNTIME_MONITORING";

/// The features that can be set (model, DetectorFeature), with the additional configuration each has.
const FEATURES: [(&str, &[&str]); 7] = [
    ("S3_DATA_EVENTS", &[]),
    ("EKS_AUDIT_LOGS", &[]),
    ("EBS_MALWARE_PROTECTION", &[]),
    ("RDS_LOGIN_EVENTS", &[]),
    (EKS_RUNTIME, &["EKS_ADDON_MANAGEMENT"]),
    ("LAMBDA_NETWORK_LOGS", &[]),
    (RUNTIME, &["EKS_ADDON_MANAGEMENT", "ECS_FARGATE_AGENT_MANAGEMENT", "EC2_AGENT_MANAGEMENT"]),
];
/// The features that every detector has and none can set. (model, DetectorFeatureResult)
const FOUNDATIONS: [&str; 3] = ["CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS"];

/// A feature of the detector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Feature {
    /// `ENABLED` or `DISABLED`.
    #[schemars(extend("enum" = [ON, OFF]))]
    pub status: String,
    /// When it was last changed. Left out: when the detector was made.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// By name. What is left out is `DISABLED`.
    #[serde(default)]
    pub additional_configuration: BTreeMap<String, Additional>,
}

/// An additional configuration of a feature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Additional {
    /// `ENABLED` or `DISABLED`.
    #[schemars(extend("enum" = [ON, OFF]))]
    pub status: String,
    /// When it was last changed. Left out: when the detector was made.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// The names of the features that can be set.
pub fn names() -> [&'static str; 7] {
    FEATURES.map(|(name, _)| name)
}

/// "All optional features are enabled by default", except runtime monitoring in both its forms. (CreateDetector)
pub fn of_new_detector() -> BTreeMap<String, Feature> {
    let feature = |(name, additional): &(&str, &[&str])| {
        let status = if [RUNTIME, EKS_RUNTIME].contains(name) { OFF } else { ON };
        let off = Additional { status: OFF.to_owned(), updated_at: None };
        let additional_configuration = additional.iter().map(|name| ((*name).to_owned(), off.clone())).collect();
        ((*name).to_owned(), Feature { status: status.to_owned(), updated_at: None, additional_configuration })
    };
    FEATURES.iter().map(feature).collect()
}

/// Features out of an account file, completed by those that it leaves out.
pub fn completed<'de, D: Deserializer<'de>>(file: D) -> Result<BTreeMap<String, Feature>, D::Error> {
    let written = BTreeMap::<String, Feature>::deserialize(file)?;
    let mut features = of_new_detector();
    let state = |status: &str| status == ON || status == OFF;
    for (name, mut feature) in written {
        let Some(known) = features.get_mut(&name) else {
            return Err(serde::de::Error::custom(format!("{name} is not a feature of GuardDuty")));
        };
        let statuses = feature.additional_configuration.values().map(|additional| &additional.status).chain([&feature.status]);
        if let Some(status) = statuses.into_iter().find(|status| !state(status)) {
            return Err(serde::de::Error::custom(format!("{status} is neither ENABLED nor DISABLED")));
        }
        if let Some(other) = feature.additional_configuration.keys().find(|other| !known.additional_configuration.contains_key(*other)) {
            return Err(serde::de::Error::custom(format!("{name} has no additional configuration {other}")));
        }
        for (additional, status) in std::mem::take(&mut known.additional_configuration) {
            feature.additional_configuration.entry(additional).or_insert(status);
        }
        *known = feature;
    }
    Ok(features)
}

/// A feature as a request sets it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    name: String,
    status: Option<String>,
    #[serde(default)]
    additional_configuration: Vec<WantedAdditional>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WantedAdditional {
    name: String,
    status: Option<String>,
}

/// The older way to set three of the features.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DataSources {
    s3_logs: Option<Enable>,
    kubernetes: Option<Kubernetes>,
    malware_protection: Option<Malware>,
}

#[derive(Deserialize)]
struct Enable {
    enable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kubernetes {
    audit_logs: Enable,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Malware {
    scan_ec2_instance_with_findings: Option<Scan>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Scan {
    ebs_volumes: Option<bool>,
}

/// Sets what a request names; all of it, or nothing when one part is refused.
pub fn set(detector: &mut Detector, wanted: &[Wanted], sources: Option<&DataSources>, now: Timestamp) -> Result<(), Refusal> {
    let names: BTreeSet<&str> = wanted.iter().map(|one| one.name.as_str()).collect();
    if names.len() < wanted.len() || (sources.is_some() && !wanted.is_empty()) {
        return Err(out_of_range());
    }
    // "Specifying both EKS Runtime Monitoring and Runtime Monitoring will cause an error." (UpdateDetector)
    let both =
        || bad_request("The request is rejected because EKS_RUNTIME_MONITORING and RUNTIME_MONITORING cannot be specified together.");
    if names.contains(EKS_RUNTIME) && names.contains(RUNTIME) {
        return Err(both());
    }
    let mut features = detector.features.clone();
    for one in wanted {
        let feature = features.get_mut(&one.name).ok_or_else(out_of_range)?;
        if let Some(status) = &one.status {
            switch(&mut feature.status, &mut feature.updated_at, status, now)?;
        }
        for additional in &one.additional_configuration {
            let present = feature.additional_configuration.get_mut(&additional.name).ok_or_else(out_of_range)?;
            if let Some(status) = &additional.status {
                switch(&mut present.status, &mut present.updated_at, status, now)?;
            }
        }
    }
    let of_sources = sources.map(|sources| {
        let scan = sources.malware_protection.as_ref().and_then(|malware| malware.scan_ec2_instance_with_findings.as_ref());
        [
            ("S3_DATA_EVENTS", sources.s3_logs.as_ref().map(|logs| logs.enable)),
            ("EKS_AUDIT_LOGS", sources.kubernetes.as_ref().map(|kubernetes| kubernetes.audit_logs.enable)),
            ("EBS_MALWARE_PROTECTION", scan.and_then(|scan| scan.ebs_volumes)),
        ]
    });
    for (name, enable) in of_sources.into_iter().flatten() {
        if let (Some(enable), Some(feature)) = (enable, features.get_mut(name)) {
            switch(&mut feature.status, &mut feature.updated_at, if enable { ON } else { OFF }, now)?;
        }
    }
    // Runtime monitoring covers EKS; turning it on first is how one gets from the old feature to the new one, so
    // only the way back is shut. (user guide, "Migrating from EKS Runtime Monitoring to Runtime Monitoring")
    let on = |name: &str| features.get(name).is_some_and(|feature| feature.status == ON);
    let eks_turned_on = wanted.iter().any(|one| one.name == EKS_RUNTIME && one.status.as_deref() == Some(ON));
    if eks_turned_on && on(RUNTIME) {
        return Err(both());
    }
    detector.features = features;
    Ok(())
}

fn switch(status: &mut String, updated_at: &mut Option<Timestamp>, to: &str, now: Timestamp) -> Result<(), Refusal> {
    if to != ON && to != OFF {
        return Err(out_of_range());
    }
    if status != to {
        *status = to.to_owned();
        *updated_at = Some(now);
    }
    Ok(())
}

/// The features as GetDetector shows them: the foundations first, all of them always.
pub fn described(detector: &Detector) -> Value {
    let since = |time: Option<Timestamp>| time.or(detector.created_at).unwrap_or(Timestamp::UNIX_EPOCH).as_second();
    let mut shown: Vec<Value> = Vec::new();
    for name in FOUNDATIONS {
        shown.push(json!({"name": name, "status": detector.status, "updatedAt": since(None)}));
    }
    for (name, additional) in FEATURES {
        let Some(feature) = detector.features.get(name) else { continue };
        let mut entry = json!({"name": name, "status": feature.status, "updatedAt": since(feature.updated_at)});
        let configured = additional.iter().filter_map(|name| feature.additional_configuration.get_key_value(*name));
        let configured: Vec<Value> = configured
            .map(|(name, additional)| json!({"name": name, "status": additional.status, "updatedAt": since(additional.updated_at)}))
            .collect();
        if !configured.is_empty() {
            entry["additionalConfiguration"] = Value::Array(configured);
        }
        shown.push(entry);
    }
    Value::Array(shown)
}

/// The same, in the older form.
pub fn described_as_data_sources(detector: &Detector, service_role: &str) -> Value {
    let status = |name: &str| json!({"status": detector.features.get(name).map_or(OFF, |feature| feature.status.as_str())});
    let foundation = json!({"status": detector.status});
    json!({
        "cloudTrail": foundation,
        "dnsLogs": foundation,
        "flowLogs": foundation,
        "s3Logs": status("S3_DATA_EVENTS"),
        "kubernetes": {"auditLogs": status("EKS_AUDIT_LOGS")},
        "malwareProtection": {
            "scanEc2InstanceWithFindings": {"ebsVolumes": status("EBS_MALWARE_PROTECTION")},
            "serviceRole": service_role,
        },
    })
}
