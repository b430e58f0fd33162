//! The way back from a change of the detector, as commands with what was found.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::SeenDetector;
use super::op::Place;
use crate::kinds::back::{self, document, switch, word};
use crate::kinds::{Drift, Scope};

/// Deletes a detector that has no id yet.
pub(super) fn delete(scope: &Scope) -> String {
    let region = &scope.region;
    format!(
        "`aws guardduty delete-detector --region {region} --detector-id ID` with the ID that `aws guardduty list-detectors --region {region}` shows; \
         findings go with it"
    )
}

/// Sets what these drifts change to what it was.
pub(super) fn update(scope: &Scope, detector: &SeenDetector, drifts: &[&Drift]) -> String {
    let mut command = format!("aws guardduty update-detector --region {} --detector-id {}", scope.region, word(&detector.id));
    let status = |name: &str| if super::steps::on(detector, name) { "ENABLED" } else { "DISABLED" };
    let mut features: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for drift in drifts {
        match drift.field.strip_prefix("features.") {
            Some(path) => {
                let (feature, below) = path.split_once('.').map_or((path, None), |(feature, below)| (feature, Some(below)));
                let configurations = features.entry(feature).or_default();
                configurations.extend(below.map(|below| json!({"Name": below, "Status": status(path)})));
            }
            None if drift.field == "enabled" => command = format!("{command} {}", switch("enable", detector.enabled)),
            None => command = format!("{command} --finding-publishing-frequency {}", detector.frequency.as_deref().unwrap_or("SIX_HOURS")),
        }
    }
    let one = |(name, configurations): (&str, Vec<Value>)| match configurations.is_empty() {
        true => json!({"Name": name, "Status": status(name)}),
        false => json!({"Name": name, "Status": status(name), "AdditionalConfiguration": configurations}),
    };
    let features: Vec<Value> = features.into_iter().map(one).collect();
    match features.is_empty() {
        true => format!("`{command}`"),
        false => format!("`{command} --features {}`", word(&json!(features).to_string())),
    }
}

/// Brings the publishing destination back to where it was.
pub(super) fn update_destination(scope: &Scope, detector: &str, destination: &str, was: &Place) -> String {
    let mut properties = json!({});
    if let Some(arn) = &was.arn {
        properties["DestinationArn"] = json!(arn);
    }
    if let Some(key) = &was.kms_key_arn {
        properties["KmsKeyArn"] = json!(key);
    }
    format!(
        "`aws guardduty update-publishing-destination --region {} --detector-id {} --destination-id {} --destination-properties {}`",
        scope.region,
        word(detector),
        word(destination),
        document(&properties)
    )
}

pub(super) fn tags<'a>(scope: &Scope, arn: &str, drifts: impl IntoIterator<Item = &'a Drift>) -> String {
    let of = |verb: &str| format!("aws guardduty {verb} --region {} --resource-arn {}", scope.region, word(arn));
    back::tags(
        drifts,
        |found| format!("{} --tags {}", of("tag-resource"), document(&json!(found))),
        |keys| format!("{} --tag-keys {}", of("untag-resource"), document(&json!(keys))),
    )
}

/// Deletes a publishing destination that has no id yet.
pub(super) fn delete_destination(scope: &Scope, detector: &str) -> String {
    let of = format!("--region {} --detector-id {}", scope.region, word(detector));
    format!(
        "`aws guardduty delete-publishing-destination {of} --destination-id ID` with the ID that `aws guardduty list-publishing-destinations {of}` shows"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Impact;
    use crate::kinds::guardduty::observe::SeenFeature;

    #[test]
    fn a_detector_goes_back_to_what_was_found() {
        let scope = Scope {
            object: "o".to_owned(),
            account: "317805897534".to_owned(),
            region: "us-east-1".to_owned(),
            partition: "aws".to_owned(),
        };
        let on = SeenFeature { enabled: true, managed: false };
        let detector = SeenDetector {
            id: "abc".to_owned(),
            features: BTreeMap::from([("RUNTIME_MONITORING".to_owned(), on)]),
            ..SeenDetector::default()
        };
        let drift = |field: &str| Drift { field: field.to_owned(), found: Value::Null, declared: Value::Null, impact: Impact::Online };
        let drifts = ["enabled", "features.S3_DATA_EVENTS", "features.RUNTIME_MONITORING.EC2_AGENT_MANAGEMENT"].map(drift);
        assert_eq!(
            update(&scope, &detector, &drifts.iter().collect::<Vec<_>>()),
            "`aws guardduty update-detector --region us-east-1 --detector-id abc --no-enable --features \
             '[{\"AdditionalConfiguration\":[{\"Name\":\"EC2_AGENT_MANAGEMENT\",\"Status\":\"DISABLED\"}],\"Name\":\"RUNTIME_MONITORING\",\"Status\":\"ENABLED\"},\
             {\"Name\":\"S3_DATA_EVENTS\",\"Status\":\"DISABLED\"}]'`"
        );
    }
}
