//! What the manifest can say of one trail.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::selectors::{AdvancedEventSelector, EventSelector};
use crate::kinds::{Scope, SpecProblem};
use crate::manifest::FieldPath;

/// A CloudTrail trail. Every field is optional: what is left out is neither read nor changed. One that is missing is made in the
/// manifest's region, if `bucket` is declared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrailSpec {
    /// The label of this entry. It is the trail's name too, where `trail` is left out.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["huntaze-audit"]))]
    pub name: String,
    /// The trail's name: 3 to 128 letters, digits, periods, hyphens and underscores.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 128), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$"), extend("examples" = ["huntaze-audit"]))]
    pub trail: Option<String>,
    /// The bucket that log files are delivered to, in whichever region it is. The statements that CloudTrail needs in its policy are merged into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"), extend("examples" = ["huntaze-audit-logs"]))]
    pub bucket: Option<String>,
    /// The account that `bucket` belongs to, where it is not this one: its policy is then left to that account, which must put CloudTrail's
    /// statements into it: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-set-bucket-policy-for-multiple-accounts.html>
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 12), regex(pattern = r"^[0-9]{12}$"), extend("examples" = ["317805897534"]))]
    pub bucket_account: Option<String>,
    /// The id of the organization that an organization's trail records for: members' logs are let into `bucket` below it. `aws organizations
    /// describe-organization` shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 34), regex(pattern = r"^o-[a-z0-9]{10,32}$"), extend("examples" = ["o-a1b2c3d4e5"]))]
    pub organization_id: Option<String>,
    /// What the keys of log files begin with, before `AWSLogs/`; empty for nothing. No slash at its ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200), regex(pattern = r"^([A-Za-z0-9!_.'()-]([A-Za-z0-9!_.'()/-]*[A-Za-z0-9!_.'()-])?)?$"), extend("examples" = ["cloudtrail"]))]
    pub key_prefix: Option<String>,
    /// Whether events of every region are recorded, not only of the trail's own. Such a trail is shown in every region under its name: two objects may
    /// both declare a trail of one name only where both say `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_region: Option<bool>,
    /// Whether events of global services (IAM, STS, CloudFront) are recorded. A multi-region trail always records them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_events: Option<bool>,
    /// Whether signed digests are written, by which a changed or deleted log file is noticed. Turning it off breaks the chain of
    /// digests for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_file_validation: Option<bool>,
    /// The KMS key that log files are encrypted with: an alias (`alias/audit`), a key id, or the ARN of either. Its policy must let
    /// CloudTrail use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
    /// The CloudWatch Logs log group that events are sent to as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_watch_logs: Option<CloudWatchLogs>,
    /// Whether the trail records at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<bool>,
    /// What is recorded, in the plain form; it stands for all that the trail has. Not together with `advancedEventSelectors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5))]
    pub event_selectors: Option<Vec<EventSelector>>,
    /// What is recorded, in the advanced form; it stands for all that the trail has. Not together with `eventSelectors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub advanced_event_selectors: Option<Vec<AdvancedEventSelector>>,
    /// What CloudTrail Insights looks for: unusual rates of calls, of errors. An empty list: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2))]
    pub insights: Option<Vec<Insight>>,
    /// Tags and their values; `null` takes a tag away. Tags that are not named are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// Where in CloudWatch Logs a trail's events go. CloudTrail takes both members or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudWatchLogs {
    /// The log group's ARN, with or without `:*` at its end.
    #[schemars(length(min = 1, max = 700), regex(pattern = r"^arn:aws[a-z-]*:logs:[a-z0-9-]+:[0-9]{12}:log-group:.+$"), extend("examples" = ["arn:aws:logs:us-east-1:317805897534:log-group:cloudtrail:*"]))]
    pub log_group_arn: String,
    /// The role that CloudTrail assumes to write to it.
    #[schemars(length(min = 1, max = 700), regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"), extend("examples" = ["arn:aws:iam::317805897534:role/cloudtrail-to-logs"]))]
    pub role_arn: String,
}

/// What CloudTrail Insights looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Insight {
    /// Unusual rates of write management calls.
    ApiCallRateInsight,
    /// Unusual rates of errors.
    ApiErrorRateInsight,
}

impl Insight {
    pub fn as_str(self) -> &'static str {
        match self {
            Insight::ApiCallRateInsight => "ApiCallRateInsight",
            Insight::ApiErrorRateInsight => "ApiErrorRateInsight",
        }
    }
}

/// Plain event selectors name at most so many data resources, all together. (PutEventSelectors)
const MOST_DATA_RESOURCES: usize = 250;

impl TrailSpec {
    /// The bucket, where it is this account's, so that its policy can be seen to.
    pub(super) fn own_bucket(&self, scope: &Scope) -> Option<&String> {
        self.bucket.as_ref().filter(|_| self.bucket_account.as_ref().is_none_or(|account| *account == scope.account))
    }

    /// What is wrong with it that the schema cannot say.
    pub(super) fn problems(&self, scope: &Scope) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut problem_at = |path: FieldPath, message: &str, expected: &str| {
            problems.push(SpecProblem { path, message: message.to_owned(), expected: expected.to_owned() });
        };
        let mut problem = |path: &str, message: &str, expected: &str| problem_at(FieldPath::fixed(path), message, expected);
        let (path, trail) = self.trail.as_ref().map_or(("name", &self.name), |trail| ("trail", trail));
        if !is_trail_name(trail) {
            problem(
                path,
                "CloudTrail takes no trail of this name",
                "3 to 128 letters, digits, periods, hyphens and underscores; letters or digits at its ends, no two marks side by side, no IP address",
            );
        }
        if self.multi_region == Some(true) && self.global_events == Some(false) {
            problem("globalEvents", "a multi-region trail always records global events", "true, or multiRegion: false");
        }
        if self.event_selectors.is_some() && self.advanced_event_selectors.is_some() {
            problem("advancedEventSelectors", "a trail has plain or advanced event selectors, never both", "one of the two lists");
        }
        if let Some(logs) = &self.cloud_watch_logs {
            // "You must use a log group that exists in your account", and the same of the role.
            // https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
            let part = |arn: &str, place: usize| arn.split(':').nth(place).unwrap_or_default().to_owned();
            if part(&logs.log_group_arn, 4) != scope.account {
                problem(
                    "cloudWatchLogs.logGroupArn",
                    "the log group is another account's, and CloudTrail takes one of the trail's own",
                    "a log group of the account in spec.account",
                );
            }
            if part(&logs.role_arn, 4) != scope.account {
                problem(
                    "cloudWatchLogs.roleArn",
                    "the role is another account's, and CloudTrail takes one of the trail's own",
                    "a role of the account in spec.account",
                );
            }
            // One that records other regions too may be at home in one of them.
            if self.multi_region == Some(false) && part(&logs.log_group_arn, 3) != scope.region {
                problem(
                    "cloudWatchLogs.logGroupArn",
                    "the log group is in another region than the trail",
                    "a log group of the region in spec.region, or multiRegion: true for a trail that is at home elsewhere",
                );
            }
        }
        let plain = self.event_selectors.iter().flatten();
        let resources = plain.clone().flat_map(|selector| &selector.data_resources).map(|resource| resource.values.len());
        if resources.sum::<usize>() > MOST_DATA_RESOURCES {
            problem("eventSelectors", "too many data resources", "at most 250 values in all selectors together");
        }
        for (at, selector) in plain.enumerate() {
            if !selector.exclude_management_event_sources.is_empty() && !selector.include_management_events {
                problem(
                    &format!("eventSelectors[{at}].excludeManagementEventSources"),
                    "sources can be excluded only where management events are included",
                    "includeManagementEvents: true, or no excluded sources",
                );
            }
        }
        for (at, selector) in self.advanced_event_selectors.iter().flatten().enumerate() {
            let path = format!("advancedEventSelectors[{at}].fieldSelectors");
            if !selector.has_category() {
                problem(&path, "it does not say which category of events it selects", "a field eventCategory with one value under equals");
            }
            if selector.field_selectors.iter().any(|field| !field.has_operator()) {
                problem(&path, "a field has no operator", "equals, startsWith, endsWith or one of their opposites, with values");
            }
        }
        for (key, value) in self.tags.iter().flatten() {
            // Limits of AddTags: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Tag.html
            if key.is_empty() || key.chars().count() > 128 || key.to_ascii_lowercase().starts_with("aws:") {
                problem_at(
                    FieldPath::fixed("tags").key(key),
                    "CloudTrail refuses this key",
                    "1 to 128 characters, not beginning with aws:",
                );
            }
            if value.as_deref().is_some_and(|value| value.chars().count() > 256) {
                problem_at(FieldPath::fixed("tags").key(key), "the value is too long", "at most 256 characters");
            }
        }
        problems
    }
}

/// The rules of CreateTrail for names: <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html>
fn is_trail_name(name: &str) -> bool {
    let mark = |character: char| matches!(character, '.' | '_' | '-');
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    (3..=128).contains(&name.len())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || mark(character))
        && edge(name.chars().next())
        && edge(name.chars().next_back())
        && !name.chars().zip(name.chars().skip(1)).any(|(one, next)| mark(one) && mark(next))
        && name.parse::<Ipv4Addr>().is_err()
}
