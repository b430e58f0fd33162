//! The object that a manifest holds. What is declared of AWS resources is kept as written, by group: each kind reads
//! its own part. Doc comments here become the descriptions in the schema, so they speak to the person who writes a
//! manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The `apiVersion` of every manifest.
pub const API_VERSION: &str = "holdfast.dev/v1alpha1";
/// The `kind` of every manifest.
pub const KIND: &str = "AwsBaseline";

/// What an AWS account must look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsBaseline {
    pub api_version: String,
    pub kind: String,
    pub metadata: Metadata,
    pub spec: Spec,
}

/// What the object is called, as in every Kubernetes object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name of the object. Progress is kept under it, and under the namespace where there is one.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["huntaze-production"]))]
    pub name: String,
    /// The Kubernetes namespace, where there is one. The object is `namespace/name` then, in plans, tags and the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), extend("examples" = ["production"]))]
    pub namespace: Option<String>,
    /// Kubernetes labels. Not read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Kubernetes annotations. Not read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How often the spec was changed; the API server counts it. Not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub generation: Option<i64>,
    /// What else the API server keeps of the object: the schema says what that can be.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: Map<String, Value>,
}

impl Metadata {
    /// What the object is called among all others: its name, behind its namespace where there is one.
    pub fn object(&self) -> String {
        full_name(self.namespace.as_deref(), &self.name)
    }
}

/// `name`, or `namespace/name`: neither can hold a slash.
pub(super) fn full_name(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// Which account, how holdfast may act in it, and what is declared of its resources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The AWS account, twelve digits in quotes. Nothing is done in any other.
    #[schemars(length(max = 12), regex(pattern = r"^[0-9]{12}$"), extend("examples" = ["317805897534"]))]
    pub account: String,
    /// The AWS region of everything that has one.
    #[schemars(length(max = 32), regex(pattern = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$"), extend("examples" = ["us-east-1"]))]
    pub region: String,
    /// A role to act as, in that account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
    /// What may be changed, when, and how much at once.
    #[serde(default)]
    pub policy: Policy,
    /// Differences that are accepted until a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub exceptions: Vec<Exception>,
    /// Who is told when a run changed something, failed or was blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
    /// What is declared of AWS resources, by group (`s3`, `rds`).
    #[serde(flatten)]
    #[schemars(skip)]
    pub resources: Map<String, Value>,
}

/// A role to act as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssumeRole {
    /// The ARN of the role, in the account of the manifest.
    #[schemars(
        length(max = 2048),
        regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$"),
        extend("examples" = ["arn:aws:iam::317805897534:role/holdfast"])
    )]
    pub role_arn: String,
    /// The external id that the role asks for (IAM's own limits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224), regex(pattern = r"^[A-Za-z0-9_+=,.@:/-]+$"), extend("examples" = ["holdfast-production"]))]
    pub external_id: Option<String>,
}

/// What may be changed, when, and how much at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Whether differences are repaired or only reported.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to a step that interrupts a service (a reboot, a fail-over).
    #[serde(default)]
    pub disruptive: Disruptive,
    /// When disruptive steps may run. Without windows: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub change_windows: Vec<ChangeWindow>,
    /// How many resources one plan may change before it needs consent.
    #[serde(default = "default_max_changes")]
    #[schemars(range(max = 1_000_000))]
    pub max_changes: u32,
}

/// Enough for the repair of an account, too little for a mistaken selector over a large one.
fn default_max_changes() -> u32 {
    100
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { mode: Mode::default(), disruptive: Disruptive::default(), change_windows: Vec::new(), max_changes: default_max_changes() }
    }
}

/// Whether differences are repaired or only reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Differences are repaired.
    #[default]
    Enforce,
    /// Differences are reported, nothing is changed.
    Observe,
}

/// What happens to a step that interrupts a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Disruptive {
    /// It runs, inside the change windows; save a restart that, as far as can be told, nothing declared needs.
    Allow,
    /// It waits for consent to the exact plan.
    #[default]
    Approve,
    /// It never runs.
    Deny,
}

/// Hours in which disruptive steps may run, by the clock on the wall of a time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeWindow {
    /// The days on which the window opens.
    #[schemars(length(min = 1, max = 7))]
    pub days: Vec<Day>,
    /// When it opens, as hours and minutes.
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), extend("examples" = ["22:00"]))]
    pub from: String,
    /// When it closes; earlier than `from` means on the day after. 24:00 is the end of the day.
    #[schemars(length(max = 5), regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"), extend("examples" = ["04:00"]))]
    pub to: String,
    /// The time zone, by its IANA name.
    #[schemars(length(min = 1, max = 64), extend("examples" = ["Europe/Paris"]))]
    pub time_zone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A difference that is accepted until a date, and shown as excepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exception {
    /// Which resource: its kind, a slash, and its name here or its real one, in which `*` and `?` stand for any characters, as in `s3.buckets/huntaze-*`. A kind
    /// that an account has once has no name.
    #[schemars(
        length(max = 400),
        regex(pattern = r"^[A-Za-z0-9]+\.[A-Za-z0-9]+(/.+)?$"),
        extend("examples" = ["s3.buckets/huntaze-assets"])
    )]
    pub resource: String,
    /// Which field, with everything in it, as the manifest calls it or as the plan shows it. What several entries ask for together (a statement of a bucket's policy) is excepted where all of them are.
    #[schemars(length(min = 1, max = 400), extend("examples" = ["versioning"]))]
    pub field: String,
    /// Until when: a date (to its end, UTC) or an RFC 3339 time.
    #[schemars(with = "String", length(max = 40), extend("examples" = ["2026-12-31"]))]
    pub until: Until,
    /// Why, for the person who reads this in a year.
    #[schemars(length(min = 1, max = 1000), regex(pattern = r"\S"), extend("examples" = ["the old clients are gone in March"]))]
    pub reason: String,
}

impl Exception {
    /// Whether it may name several resources: no name of AWS's holds such characters.
    pub fn is_pattern(&self) -> bool {
        self.resource.contains(['*', '?'])
    }

    /// The path of the kind, and the name where one was given.
    pub fn target(&self) -> (&str, Option<&str>) {
        match self.resource.split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (&self.resource, None),
        }
    }
}

/// The end of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Until {
    written: String,
    at: Timestamp,
}

impl Until {
    /// The first moment at which the exception no longer counts.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// Why a text is no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUntil {
    #[error("neither a date such as 2026-12-31 nor a time such as 2026-12-31T18:00:00Z")]
    Form,
    #[error("out of range: the last time that can be given is {:.0}", Timestamp::MAX)]
    OutOfRange,
}

impl FromStr for Until {
    type Err = BadUntil;

    fn from_str(text: &str) -> Result<Until, BadUntil> {
        // jiff reads more forms than are good for a manifest: a date is ten characters, a time has its offset.
        let at = match text.len() {
            10 => {
                let day = text.parse::<Date>().map_err(|_| BadUntil::Form)?;
                let next = day.checked_add(1.day()).and_then(|next| next.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC));
                // "For ever" is often written as the last day there is, whose end is no time any more.
                next.map_or(Timestamp::MAX, |end| end.timestamp())
            }
            _ => text.parse::<Timestamp>().map_err(|_| if is_time(text) { BadUntil::OutOfRange } else { BadUntil::Form })?,
        };
        Ok(Until { written: text.to_owned(), at })
    }
}

/// Whether a text has the form of an RFC 3339 time, be there such a time or not.
fn is_time(text: &str) -> bool {
    Pieces::parse(text).is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some())
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for Until {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Until, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who is told what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notifications {
    /// An SNS topic in the account and region of the manifest.
    #[schemars(
        length(max = 512),
        regex(pattern = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$"),
        extend("examples" = ["arn:aws:sns:us-east-1:317805897534:huntaze-ops-alerts"])
    )]
    pub topic_arn: String,
}
