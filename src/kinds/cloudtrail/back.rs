//! The way back from a change of a trail, as commands with what was found.

use serde_json::{Map, Value, json};

use super::SeenTrail;
use super::op::InsightSetting;
use super::selectors::Events;
use crate::kinds::Drift;
use crate::kinds::back::{self, document, switch, tag_list, word};

/// What every command on a trail begins with.
pub(super) fn command(region: &str, verb: &str, option: &str, trail: &str) -> String {
    format!("aws cloudtrail {verb} --region {region} {option} {}", word(trail))
}

/// Sets what these drifts change to what it was. An empty text takes a setting away.
/// <https://docs.aws.amazon.com/cli/latest/reference/cloudtrail/update-trail.html>
pub(super) fn update(name: &str, trail: &SeenTrail, drifts: &[&Drift]) -> String {
    let found = &trail.settings;
    let text = |option: &str, value: &Option<String>| format!("--{option} {}", word(value.as_deref().unwrap_or_default()));
    let mut options: Vec<String> = Vec::new();
    for drift in drifts {
        let option = match drift.field.as_str() {
            "bucket" => text("s3-bucket-name", &found.bucket),
            "keyPrefix" => text("s3-key-prefix", &found.key_prefix),
            "multiRegion" => switch("is-multi-region-trail", found.multi_region == Some(true)),
            "globalEvents" => switch("include-global-service-events", found.global_events == Some(true)),
            "logFileValidation" => switch("enable-log-file-validation", found.log_file_validation == Some(true)),
            "kmsKeyId" => text("kms-key-id", &found.kms_key_arn),
            // CloudTrail takes the two together only.
            _ => format!(
                "{} {}",
                text("cloud-watch-logs-log-group-arn", &found.log_group_arn),
                text("cloud-watch-logs-role-arn", &found.role_arn)
            ),
        };
        if !options.contains(&option) {
            options.push(option);
        }
    }
    format!("`{} {}`", command(&trail.home_region, "update-trail", "--name", name), options.join(" "))
}

/// CloudTrail names tags that are taken off as it does those that are set.
pub(super) fn tags<'a>(region: &str, arn: &str, drifts: impl IntoIterator<Item = &'a Drift>) -> String {
    back::tags(
        drifts,
        |found| format!("{} --tags-list {}", command(region, "add-tags", "--resource-id", arn), tag_list(found)),
        |keys| {
            let keys = keys.iter().map(|key| json!({"Key": key})).collect();
            format!("{} --tags-list {}", command(region, "remove-tags", "--resource-id", arn), document(&keys))
        },
    )
}

/// Has the trail record what it recorded.
pub(super) fn events(region: &str, trail: &str, found: &Events) -> String {
    let (option, selectors) = match found {
        // A trail without selectors records all management events.
        Events::Plain(selectors) if selectors.is_empty() => {
            ("event-selectors", json!([{"ReadWriteType": "All", "IncludeManagementEvents": true}]))
        }
        Events::Plain(selectors) => ("event-selectors", json!(selectors)),
        Events::Advanced(selectors) => ("advanced-event-selectors", json!(selectors)),
    };
    let command = command(region, "put-event-selectors", "--trail-name", trail);
    format!("`{command} --{option} {}`", word(&as_the_api_spells(selectors).to_string()))
}

/// Has Insights look for what it looked for.
pub(super) fn insights(region: &str, trail: &str, found: &[InsightSetting]) -> String {
    let one = |setting: &InsightSetting| match setting.categories.is_empty() {
        true => json!({"InsightType": setting.insight}),
        false => json!({"InsightType": setting.insight, "EventCategories": setting.categories}),
    };
    let selectors: Vec<Value> = found.iter().map(one).collect();
    let command = command(region, "put-insight-selectors", "--trail-name", trail);
    format!("`{command} --insight-selectors {}`", word(&json!(selectors).to_string()))
}

/// The members of the manifest's form are those of the API, but for the first letter.
fn as_the_api_spells(value: Value) -> Value {
    match value {
        Value::Array(all) => Value::Array(all.into_iter().map(as_the_api_spells).collect()),
        Value::Object(members) => {
            let spelled = |name: String| name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect::<String>();
            Value::Object(members.into_iter().map(|(name, value)| (spelled(name), as_the_api_spells(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Impact;
    use crate::kinds::cloudtrail::op::Settings;

    #[test]
    fn a_trail_goes_back_to_the_settings_that_were_found() {
        let settings = Settings {
            multi_region: Some(false),
            log_group_arn: Some("arn:aws:logs:us-east-1:317805897534:log-group:old:*".to_owned()),
            role_arn: Some("arn:aws:iam::317805897534:role/old".to_owned()),
            ..Settings::default()
        };
        let trail =
            SeenTrail { arn: String::new(), home_region: "us-east-1".to_owned(), owner: String::new(), organization: false, settings };
        let drift = |field: &str| Drift { field: field.to_owned(), found: Value::Null, declared: Value::Null, impact: Impact::Online };
        let drifts = ["multiRegion", "kmsKeyId", "cloudWatchLogs.logGroupArn", "cloudWatchLogs.roleArn"].map(drift);
        assert_eq!(
            update("audit", &trail, &drifts.iter().collect::<Vec<_>>()),
            "`aws cloudtrail update-trail --region us-east-1 --name audit --no-is-multi-region-trail --kms-key-id '' \
             --cloud-watch-logs-log-group-arn 'arn:aws:logs:us-east-1:317805897534:log-group:old:*' \
             --cloud-watch-logs-role-arn arn:aws:iam::317805897534:role/old`"
        );
    }

    #[test]
    fn what_was_recorded_is_written_as_the_api_spells_it() {
        let command = "`aws cloudtrail put-event-selectors --region us-east-1 --trail-name audit";
        for (found, option) in [
            (r#"{"plain": []}"#, r#"--event-selectors '[{"IncludeManagementEvents":true,"ReadWriteType":"All"}]'"#),
            (
                r#"{"advanced": [{"fieldSelectors": [{"field": "eventCategory", "notStartsWith": ["x"]}]}]}"#,
                r#"--advanced-event-selectors '[{"FieldSelectors":[{"Field":"eventCategory","NotStartsWith":["x"]}]}]'"#,
            ),
        ] {
            let found: Events = serde_json::from_str(found).unwrap();
            assert_eq!(events("us-east-1", "audit", &found), format!("{command} {option}`"));
        }
        let found = [InsightSetting { insight: "ApiCallRateInsight".to_owned(), categories: Vec::new() }];
        assert_eq!(
            insights("us-east-1", "audit", &found),
            "`aws cloudtrail put-insight-selectors --region us-east-1 --trail-name audit --insight-selectors '[{\"InsightType\":\"ApiCallRateInsight\"}]'`"
        );
    }
}
