//! Lifecycle rules: one form for those that the manifest declares, those that S3 holds, and those that are written back
//! unchanged because they are not ours.

mod order;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types as sdk;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::{Impact, SpecProblem};
use crate::manifest::FieldPath;

/// What a rule of ours is called on S3: its id behind this.
pub(super) const ID_PREFIX: &str = "holdfast-";

/// What S3 does by itself with objects as they grow old.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lifecycle {
    /// The rules of ours. On S3 each is called `holdfast-` and its id; rules of other names are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub rules: Vec<Rule>,
    /// `true`: no rules but these; all others of the bucket are removed, ours that are no longer declared too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive: Option<bool>,
    /// Consent to the rules of this entry that delete data, or delete it earlier than now. What expires is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_approved: Option<bool>,
}

/// One rule. All ages are whole days since the object was made; S3 rounds up to the next midnight UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Letters, digits, `-`, `_` and `.`. Unique within the bucket.
    #[schemars(length(min = 1, max = 246), regex(pattern = "^[A-Za-z0-9][-_.A-Za-z0-9]*$"), extend("examples" = ["expire-old"]))]
    pub id: String,
    /// Whether S3 acts on it.
    pub enabled: bool,
    /// Which objects; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Moves to cheaper storage classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub transitions: Vec<Transition>,
    /// When objects are deleted; in a versioned bucket, when they become noncurrent. It destroys data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Expiration>,
    /// Moves of versions that were overwritten or deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub noncurrent_transitions: Vec<NoncurrentTransition>,
    /// When versions that were overwritten or deleted are deleted for good. It destroys data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noncurrent_expiration: Option<NoncurrentExpiration>,
    /// Days after which the parts of an upload that was never completed are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub abort_multipart_after_days: Option<i32>,
}

/// Which objects a rule is for: all conditions at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Keys that begin so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub prefix: Option<String>,
    /// Tags that an object carries.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub tags: BTreeMap<String, String>,
    /// Objects larger than this, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub size_greater_than: Option<i64>,
    /// Objects smaller than this, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub size_less_than: Option<i64>,
}

/// One move to another storage class: after `days`, or on `date`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transition {
    /// Days since the object was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub days: Option<i32>,
    /// A day, at midnight UTC: `2027-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), extend("examples" = ["2027-01-31"]))]
    pub date: Option<String>,
    pub storage_class: StorageClass,
}

/// The class that objects move to.
// Text and no Rust enum: rules that are not ours are written back as they were, with classes younger than this program too.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StorageClass(
    #[schemars(extend("enum" = ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]))] pub String,
);

/// When objects are deleted: one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expiration {
    /// Days since the object was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub days: Option<i32>,
    /// A day, at midnight UTC: `2027-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10), regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), extend("examples" = ["2027-01-31"]))]
    pub date: Option<String>,
    /// Removes the marks of deleted objects that have no versions left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_object_delete_marker: Option<bool>,
}

/// One move of noncurrent versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoncurrentTransition {
    /// Days since the version became noncurrent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub days: Option<i32>,
    /// How many of the newest noncurrent versions stay where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub newer_noncurrent_versions: Option<i32>,
    pub storage_class: StorageClass,
}

/// When noncurrent versions are deleted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoncurrentExpiration {
    /// Days since the version became noncurrent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2147483647))]
    pub days: Option<i32>,
    /// How many of the newest noncurrent versions are kept however old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub newer_noncurrent_versions: Option<i32>,
}

/// Classes whose objects must be restored before they can be read, for hours, and the one that keeps them in a single zone, to be lost with it.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
const WITHDRAWING: [&str; 3] = ["GLACIER", "DEEP_ARCHIVE", "ONEZONE_IA"];

impl Rule {
    /// One way to write what can be written in several: order of moves, empty parts, a `false` that says nothing.
    pub(super) fn normal(mut self) -> Rule {
        self.transitions
            .sort_by(|one, other| (one.days, &one.date, &one.storage_class).cmp(&(other.days, &other.date, &other.storage_class)));
        self.noncurrent_transitions.sort_by(|one, other| (one.days, &one.storage_class).cmp(&(other.days, &other.storage_class)));
        if let Some(filter) = &mut self.filter {
            filter.prefix = filter.prefix.take().filter(|prefix| !prefix.is_empty());
        }
        self.filter = self.filter.filter(|filter| *filter != Filter::default());
        if let Some(expiration) = &mut self.expiration {
            expiration.expired_object_delete_marker = expiration.expired_object_delete_marker.filter(|remove| *remove);
        }
        self.expiration = self.expiration.filter(|expiration| *expiration != Expiration::default());
        self.noncurrent_expiration = self.noncurrent_expiration.filter(|expiration| *expiration != NoncurrentExpiration::default());
        self
    }

    /// The rule as a value to compare: normal, and without its id, which is its key.
    pub(super) fn value(&self) -> Value {
        let mut value = serde_json::to_value(self.clone().normal()).unwrap_or(Value::Null);
        if let Value::Object(members) = &mut value {
            members.remove("id");
        }
        value
    }

    /// The rule out of a compared value.
    pub(super) fn from_value(id: String, value: &Value) -> Option<Rule> {
        let mut value = value.clone();
        value.as_object_mut()?.insert("id".to_owned(), Value::from(id));
        serde_json::from_value(value).ok()
    }

    /// Whether objects move, that do not do so now or not so early, to where they cannot be read at once, or are kept in one place alone.
    fn withdraws_more_than(&self, found: Option<&Rule>) -> bool {
        let withdraws = |class: &StorageClass| WITHDRAWING.contains(&class.0.as_str());
        let moves = self.transitions.iter().filter(|one| withdraws(&one.storage_class)).any(|one| {
            let found = found.into_iter().flat_map(|found| &found.transitions).filter(|found| found.storage_class == one.storage_class);
            // Days and dates of one form order themselves; ISO dates do so as text.
            !found.into_iter().any(|found| match (found.days.zip(one.days), found.date.as_ref().zip(one.date.as_ref())) {
                (Some((found, declared)), _) => declared >= found,
                (_, Some((found, declared))) => declared >= found,
                _ => false,
            })
        });
        let noncurrent = self.noncurrent_transitions.iter().filter(|one| withdraws(&one.storage_class)).any(|one| {
            let found = found.into_iter().flat_map(|found| &found.noncurrent_transitions);
            !found.filter(|found| found.storage_class == one.storage_class).any(|found| {
                one.days >= found.days
                    && one.newer_noncurrent_versions.unwrap_or_default() >= found.newer_noncurrent_versions.unwrap_or_default()
            })
        });
        self.enabled && (moves || noncurrent)
    }

    fn deletes(&self) -> bool {
        self.enabled
            && (self.expiration.as_ref().is_some_and(|expiration| expiration.days.is_some() || expiration.date.is_some())
                || self.noncurrent_expiration.is_some())
    }
}

/// A rule that deletes data which no rule deletes now, or deletes it earlier, cannot be taken back.
pub(super) fn impact(found: &Value, declared: &Value) -> Impact {
    let Some(declared) = Rule::from_value(String::new(), declared) else { return Impact::Online };
    let found = Rule::from_value(String::new(), found).filter(|found| found.enabled && found.filter == declared.filter);
    let of_moves = if declared.withdraws_more_than(found.as_ref()) { Impact::Disruptive } else { Impact::Online };
    if !declared.deletes() {
        return of_moves;
    }
    let Some(found) = found else { return Impact::Irreversible };
    let current = match (&found.expiration, &declared.expiration) {
        (_, None) => true,
        (None, Some(declared)) => declared.days.is_none() && declared.date.is_none(),
        (Some(found), Some(declared)) => match (found, declared) {
            // Days and dates of one form order themselves; ISO dates do so as text.
            (Expiration { days: Some(found), .. }, Expiration { days: Some(declared), .. }) => declared >= found,
            (Expiration { date: Some(found), .. }, Expiration { date: Some(declared), .. }) => declared >= found,
            (_, declared) => declared.days.is_none() && declared.date.is_none(),
        },
    };
    let noncurrent = match (&found.noncurrent_expiration, &declared.noncurrent_expiration) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(found), Some(declared)) => {
            declared.days >= found.days
                && declared.newer_noncurrent_versions.unwrap_or_default() >= found.newer_noncurrent_versions.unwrap_or_default()
        }
    };
    if current && noncurrent { of_moves } else { Impact::Irreversible }
}

/// What S3 would refuse, or what would not do what it says.
pub(super) fn problems(lifecycle: &Lifecycle) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    if lifecycle.expiry_approved == Some(true) && lifecycle.rules.is_empty() {
        // Entries that speak of one bucket are merged: what this one consents to would be whatever another one says.
        problems.push(SpecProblem {
            path: FieldPath::fixed("lifecycle.expiryApproved"),
            message: "it consents to the rules of its own entry, which has none".to_owned(),
            expected: "expiryApproved beside the rules that delete".to_owned(),
        });
    }
    for (at, rule) in lifecycle.rules.iter().enumerate() {
        let mut wrong = |member: &str, message: String, expected: &str| {
            let path = FieldPath::fixed("lifecycle.rules").index(at).then(&FieldPath::fixed(member));
            problems.push(SpecProblem { path, message, expected: expected.to_owned() });
        };
        if !ids.insert(rule.id.as_str()) {
            wrong("id", format!("two rules are called {}", rule.id), "an id of its own for each rule");
        }
        let normal = rule.clone().normal();
        if normal.transitions.is_empty()
            && normal.noncurrent_transitions.is_empty()
            && normal.expiration.is_none()
            && normal.noncurrent_expiration.is_none()
            && normal.abort_multipart_after_days.is_none()
        {
            wrong(
                "",
                format!("rule {} does nothing", rule.id),
                "transitions, expiration, noncurrentTransitions, noncurrentExpiration or abortMultipartAfterDays",
            );
        }
        for transition in &rule.transitions {
            when("transitions", transition.days, transition.date.as_deref(), &mut wrong);
            let infrequent = matches!(transition.storage_class.0.as_str(), "STANDARD_IA" | "ONEZONE_IA");
            if let (true, Some(days @ ..30)) = (infrequent, transition.days) {
                // https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
                wrong("transitions", format!("S3 moves no object to {} after {days} days", transition.storage_class.0), "30 days or more");
            }
        }
        if let Some(expiration) = &normal.expiration {
            if expiration.expired_object_delete_marker == Some(true) {
                if expiration.days.is_some() || expiration.date.is_some() {
                    wrong(
                        "expiration",
                        "expiredObjectDeleteMarker stands beside days or date".to_owned(),
                        "one of days, date, expiredObjectDeleteMarker",
                    );
                }
            } else {
                when("expiration", expiration.days, expiration.date.as_deref(), &mut wrong);
            }
            let last = rule.transitions.iter().filter_map(|transition| transition.days).max();
            if let (Some(days), Some(last)) = (expiration.days, last)
                && days <= last
            {
                wrong(
                    "expiration.days",
                    format!("objects would be deleted after {days} days and moved after {last}"),
                    "more days than every transition has",
                );
            }
        }
        if rule.noncurrent_transitions.iter().any(|transition| transition.days.is_none()) {
            wrong("noncurrentTransitions", "a noncurrent transition says no days".to_owned(), "days");
        }
        if normal.noncurrent_expiration.as_ref().is_some_and(|expiration| expiration.days.is_none()) {
            wrong("noncurrentExpiration", "a noncurrent expiration says no days".to_owned(), "days");
        }
        order::problems(&normal, &mut wrong);
        let narrow = normal
            .filter
            .as_ref()
            .is_some_and(|filter| !filter.tags.is_empty() || filter.size_greater_than.is_some() || filter.size_less_than.is_some());
        if narrow && rule.abort_multipart_after_days.is_some() {
            wrong(
                "abortMultipartAfterDays",
                "unfinished uploads have neither tags nor a size".to_owned(),
                "a rule of its own, with a prefix or without a filter",
            );
        }
        if narrow && normal.expiration.as_ref().is_some_and(|expiration| expiration.expired_object_delete_marker == Some(true)) {
            wrong(
                "expiration.expiredObjectDeleteMarker",
                "delete markers have neither tags nor a size".to_owned(),
                "a rule without tags and sizes in its filter",
            );
        }
    }
    problems
}

fn when(member: &str, days: Option<i32>, date: Option<&str>, wrong: &mut impl FnMut(&str, String, &str)) {
    match (days, date) {
        (Some(_), Some(_)) => wrong(member, "both days and date are given".to_owned(), "one of them"),
        (None, None) => wrong(member, "neither days nor date is given".to_owned(), "one of them"),
        // S3 began in 2006; from 1970 on it can say a day as it says any other.
        (None, Some(date)) if date.parse::<Date>().map_or(true, |date| date.year() < 1970) => {
            wrong(member, format!("{date} is no day of the calendar"), "a date such as 2027-01-31")
        }
        _ => {}
    }
}

/// A rule as S3 answers it. The older form, with a prefix beside the filter's place, means the same and cannot stand beside
/// the newer one in one request, so that it is written back as a filter.
pub(super) fn from_sdk(rule: &sdk::LifecycleRule) -> Rule {
    let tag = |tag: &sdk::Tag| (tag.key().to_owned(), tag.value().to_owned());
    #[allow(deprecated)] // still answered for rules of before 2016
    let mut filter = Filter { prefix: rule.prefix().map(str::to_owned), ..Filter::default() };
    if let Some(found) = rule.filter() {
        let both = found.and();
        filter.prefix = found.prefix().or(both.and_then(|both| both.prefix())).map(str::to_owned);
        filter.tags = found.tag().into_iter().chain(both.map(|both| both.tags()).unwrap_or_default()).map(tag).collect();
        filter.size_greater_than = found.object_size_greater_than().or(both.and_then(|both| both.object_size_greater_than()));
        filter.size_less_than = found.object_size_less_than().or(both.and_then(|both| both.object_size_less_than()));
    }
    let class =
        |class: Option<&sdk::TransitionStorageClass>| StorageClass(class.map(|class| class.as_str().to_owned()).unwrap_or_default());
    let transition =
        |one: &sdk::Transition| Transition { days: one.days(), date: one.date().map(day), storage_class: class(one.storage_class()) };
    let noncurrent = |one: &sdk::NoncurrentVersionTransition| NoncurrentTransition {
        days: one.noncurrent_days(),
        newer_noncurrent_versions: one.newer_noncurrent_versions(),
        storage_class: class(one.storage_class()),
    };
    Rule {
        id: rule.id().unwrap_or_default().to_owned(),
        enabled: rule.status() == &sdk::ExpirationStatus::Enabled,
        filter: Some(filter),
        transitions: rule.transitions().iter().map(transition).collect(),
        expiration: rule.expiration().map(|found| Expiration {
            days: found.days().filter(|days| *days > 0),
            date: found.date().map(day),
            expired_object_delete_marker: found.expired_object_delete_marker(),
        }),
        noncurrent_transitions: rule.noncurrent_version_transitions().iter().map(noncurrent).collect(),
        noncurrent_expiration: rule.noncurrent_version_expiration().map(|found| NoncurrentExpiration {
            days: found.noncurrent_days(),
            newer_noncurrent_versions: found.newer_noncurrent_versions(),
        }),
        abort_multipart_after_days: rule.abort_incomplete_multipart_upload().and_then(|abort| abort.days_after_initiation()),
    }
    .normal()
}

/// S3 takes midnights (UTC) only, so that the day says it all.
fn day(at: &aws_smithy_types::DateTime) -> String {
    match jiff::Timestamp::from_second(at.secs()) {
        Ok(at) => at.to_zoned(TimeZone::UTC).date().to_string(),
        Err(_) => at.to_string(),
    }
}

fn midnight(day: &str) -> Result<aws_smithy_types::DateTime, String> {
    let date: Date = day.parse().map_err(|error| format!("{day}: {error}"))?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|error| format!("{day}: {error}"))?;
    Ok(aws_smithy_types::DateTime::from_secs(midnight.timestamp().as_second()))
}

/// The rule as S3 takes it.
pub(super) fn to_sdk(rule: &Rule) -> Result<sdk::LifecycleRule, String> {
    let mut transitions = Vec::new();
    for one in &rule.transitions {
        transitions.push(
            sdk::Transition::builder()
                .set_days(one.days)
                .set_date(one.date.as_deref().map(midnight).transpose()?)
                .storage_class(one.storage_class.0.as_str().into())
                .build(),
        );
    }
    let noncurrent = rule.noncurrent_transitions.iter().map(|one| {
        sdk::NoncurrentVersionTransition::builder()
            .set_noncurrent_days(one.days)
            .set_newer_noncurrent_versions(one.newer_noncurrent_versions)
            .storage_class(one.storage_class.0.as_str().into())
            .build()
    });
    let expiration = match &rule.expiration {
        None => None,
        Some(one) => Some(
            sdk::LifecycleExpiration::builder()
                .set_days(one.days)
                .set_date(one.date.as_deref().map(midnight).transpose()?)
                .set_expired_object_delete_marker(one.expired_object_delete_marker)
                .build(),
        ),
    };
    let noncurrent_expiration = rule.noncurrent_expiration.as_ref().map(|one| {
        sdk::NoncurrentVersionExpiration::builder()
            .set_noncurrent_days(one.days)
            .set_newer_noncurrent_versions(one.newer_noncurrent_versions)
            .build()
    });
    let abort =
        rule.abort_multipart_after_days.map(|days| sdk::AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build());
    let some = |transitions: Vec<_>| (!transitions.is_empty()).then_some(transitions);
    let noncurrent: Vec<_> = noncurrent.collect();
    sdk::LifecycleRule::builder()
        .set_id(Some(rule.id.clone()).filter(|id| !id.is_empty()))
        .status(if rule.enabled { sdk::ExpirationStatus::Enabled } else { sdk::ExpirationStatus::Disabled })
        .filter(filter(rule.filter.as_ref())?)
        .set_transitions(some(transitions))
        .set_noncurrent_version_transitions((!noncurrent.is_empty()).then_some(noncurrent))
        .set_expiration(expiration)
        .set_noncurrent_version_expiration(noncurrent_expiration)
        .set_abort_incomplete_multipart_upload(abort)
        .build()
        .map_err(|error| error.to_string())
}

/// S3 wants one condition bare and several inside `And`; a rule for all objects has an empty prefix.
fn filter(filter: Option<&Filter>) -> Result<sdk::LifecycleRuleFilter, String> {
    let all = Filter::default();
    let filter = filter.unwrap_or(&all);
    let mut tags = Vec::new();
    for (key, value) in &filter.tags {
        tags.push(sdk::Tag::builder().key(key).value(value).build().map_err(|error| error.to_string())?);
    }
    let conditions = usize::from(filter.prefix.is_some())
        + tags.len()
        + usize::from(filter.size_greater_than.is_some())
        + usize::from(filter.size_less_than.is_some());
    let built = sdk::LifecycleRuleFilter::builder();
    Ok(match conditions {
        0 => built.prefix("").build(),
        1 => built
            .set_prefix(filter.prefix.clone())
            .set_tag(tags.pop())
            .set_object_size_greater_than(filter.size_greater_than)
            .set_object_size_less_than(filter.size_less_than)
            .build(),
        _ => {
            let both = sdk::LifecycleRuleAndOperator::builder()
                .set_prefix(filter.prefix.clone())
                .set_tags((!tags.is_empty()).then_some(tags))
                .set_object_size_greater_than(filter.size_greater_than)
                .set_object_size_less_than(filter.size_less_than)
                .build();
            built.and(both).build()
        }
    })
}
