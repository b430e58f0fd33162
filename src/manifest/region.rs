//! Names of regions: what cannot be one is said before any AWS is asked.

use serde_json::Value;

use super::path::FieldPath;
use super::validate::{Finding, did_you_mean};

/// The beginnings of regions' names, by which their partitions know them. From botocore's partitions.json (`regionRegex`).
const BEGINNINGS: &[&str] =
    &["af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa", "us", "us-gov", "us-iso", "us-isob", "us-isof"];
const DIRECTIONS: &[&str] = &["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// Every region of botocore's partitions.json, to guess what was meant. A region that is newer than this list is taken if it is called as regions are.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
    "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2",
    "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1",
    "us-west-2", "cn-north-1", "cn-northwest-1", "eusc-de-east-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1",
    "us-isob-west-1", "eu-isoe-west-1", "us-isof-east-1", "us-isof-south-1", "us-gov-east-1", "us-gov-west-1",
];

/// Checks `spec.region`. What the schema refuses already is passed over: letters, hyphens, a number.
pub(super) fn check(value: &Value, spec: &FieldPath, findings: &mut Vec<Finding>) {
    let Some(region) = value.pointer("/spec/region").and_then(Value::as_str).filter(|region| region.len() <= 32) else { return };
    let mut parts = region.rsplitn(3, '-');
    let (Some(number), Some(direction), Some(beginning)) = (parts.next(), parts.next(), parts.next()) else { return };
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !numbered || !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return;
    }
    if !BEGINNINGS.contains(&beginning) || !DIRECTIONS.contains(&direction) {
        let finding = Finding::at(spec.key("region"), format!("no AWS region is called {region}"));
        findings.push(Finding {
            expected: Some("one such as us-east-1".to_owned()),
            help: did_you_mean(region, KNOWN.iter().copied()),
            ..finding
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(region: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        check(&json!({"spec": {"region": region}}), &FieldPath::root().key("spec"), &mut findings);
        findings
    }

    #[test]
    fn what_cannot_be_a_region_is_said_with_what_was_meant() {
        for (wrong, meant) in
            [("us-eest-9", "us-east-1"), ("eu-wets-1", "eu-west-1"), ("ue-west-1", "eu-west-1"), ("us-gvo-west-1", "us-gov-west-1")]
        {
            let findings = said(wrong);
            assert_eq!(findings.len(), 1, "{wrong}");
            assert!(findings[0].help.as_deref().is_some_and(|help| help.contains(meant)), "{wrong}: {findings:?}");
        }
    }

    #[test]
    fn regions_are_taken_and_new_ones_too() {
        for region in KNOWN.iter().copied().chain(["ap-southeast-8", "eu-north-2", "us-gov-central-1"]) {
            assert_eq!(said(region), [], "{region}");
        }
        // The schema speaks of these.
        for other in ["", "us", "us-east", "US-EAST-1", "us east-1", "-1"] {
            assert_eq!(said(other), [], "{other}");
        }
    }
}
