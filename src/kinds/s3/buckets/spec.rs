//! What the manifest can say of a bucket, or of every bucket that a selector chooses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lifecycle::{self, Lifecycle};
use crate::kinds::s3::PublicAccessBlock;
use crate::kinds::{Selector, SpecProblem};
use crate::manifest::FieldPath;

/// A bucket, or with `match` every bucket that it chooses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSpec {
    /// Our label of this entry.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), extend("examples" = ["huntaze-assets"]))]
    pub name: String,
    /// The bucket's name, where it is not `name`. Not together with `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 63), regex(pattern = "^[a-z0-9][-.a-z0-9]*[a-z0-9]$"), extend("examples" = ["huntaze-assets"]))]
    pub bucket: Option<String>,
    /// The buckets that this entry is for, those made later too. Not together with `bucket` or `create`.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<Selector>,
    /// `true`: make the bucket when it is missing. A bucket that leaves the manifest is never deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<bool>,
    /// Block Public Access for this bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
    /// How objects are encrypted that come without encryption of their own. Objects already there stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// `true`: requests that do not come over TLS are refused, by one statement of ours in the bucket's policy. `false`: that statement must not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_insecure_transport: Option<bool>,
    /// Requests over an older TLS than this are refused, by one statement of ours in the bucket's policy. A statement of ours that refuses more
    /// (1.3 found, 1.2 declared) is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_tls_version: Option<TlsVersion>,
    /// Whether overwritten and deleted objects are kept as versions. S3 takes up to 15 minutes to act on a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
    /// Who owns objects that others upload, and whether ACLs count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// Where S3 delivers the bucket's access log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// What S3 does by itself with objects as they grow old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Tags that the bucket carries; `null` takes one off. Tags that are not named here stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: BTreeMap<String, Option<String>>,
}

/// Default encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Encryption {
    /// `AES256` is SSE-S3, `aws:kms` is SSE-KMS, `aws:kms:dsse` is KMS in two layers. To go to KMS is disruptive: writers and readers need the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// The KMS key: alias (`alias/data`), id or ARN of key or alias. Without it S3 uses the account's own key `aws/s3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub kms_key_id: Option<String>,
    /// Whether S3 asks KMS once for many objects, not for each: cheaper, and fewer entries in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_key: Option<bool>,
}

/// The kinds of default encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
    #[serde(rename = "aws:kms:dsse")]
    KmsDsse,
}

impl Algorithm {
    /// As S3 spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Aes256 => "AES256",
            Algorithm::Kms => "aws:kms",
            Algorithm::KmsDsse => "aws:kms:dsse",
        }
    }
}

/// The TLS versions that S3 speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    pub fn as_str(self) -> &'static str {
        match self {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        }
    }
}

/// Whether versions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Versioning {
    Enabled,
    /// No new versions; those there are stay.
    Suspended,
}

impl Versioning {
    pub fn as_str(self) -> &'static str {
        match self {
            Versioning::Enabled => "Enabled",
            Versioning::Suspended => "Suspended",
        }
    }
}

/// Object ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Ownership {
    /// The bucket's owner owns everything and ACLs do not count.
    BucketOwnerEnforced,
    /// The bucket's owner owns what is uploaded with `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// Who uploads owns.
    ObjectWriter,
}

impl Ownership {
    pub fn as_str(self) -> &'static str {
        match self {
            Ownership::BucketOwnerEnforced => "BucketOwnerEnforced",
            Ownership::BucketOwnerPreferred => "BucketOwnerPreferred",
            Ownership::ObjectWriter => "ObjectWriter",
        }
    }
}

/// Server access logging.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logging {
    /// The bucket that receives the log: same account and region, and another than this one. S3 is let in by one statement of ours in that bucket's
    /// policy: without it, it throws the log away. So it does where that bucket's default encryption is by KMS: it must be SSE-S3 (AES256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 63), regex(pattern = "^[a-z0-9][-.a-z0-9]*[a-z0-9]$"), extend("examples" = ["huntaze-assets"]))]
    pub target_bucket: Option<String>,
    /// What the keys of log objects begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 800))]
    pub target_prefix: Option<String>,
}

impl BucketSpec {
    /// The bucket's name, for an entry that is not a selector.
    pub(super) fn id(&self) -> &str {
        self.bucket.as_deref().unwrap_or(&self.name)
    }

    /// The bucket that is to receive the access log of the bucket `id`; none where that would be itself.
    pub(super) fn log_target(&self, id: &str) -> Option<&str> {
        let target = self.logging.as_ref().and_then(|logging| logging.target_bucket.as_deref());
        target.filter(|target| *target != id)
    }

    pub(super) fn problems(&self) -> Vec<SpecProblem> {
        let mut problems = Vec::new();
        let mut wrong_at = |path: FieldPath, message: &str, expected: &str| {
            problems.push(SpecProblem { path, message: message.to_owned(), expected: expected.to_owned() });
        };
        let mut wrong = |path: &str, message: &str, expected: &str| wrong_at(FieldPath::fixed(path), message, expected);
        if self.matching.is_some() && self.bucket.is_some() {
            wrong("match", "the entry names one bucket and chooses buckets too", "one of bucket and match");
        }
        if self.matching.is_some() && self.create == Some(true) {
            wrong(
                "create",
                "a selector chooses among buckets that are there; it cannot say what to make",
                "an entry of its own for the bucket",
            );
        }
        if let (None, Some(message)) = (&self.matching, refused_name(self.id())) {
            wrong("bucket", message, "the bucket's name in bucket");
        }
        if let Some(encryption) = &self.encryption {
            let by_kms = matches!(encryption.algorithm, Some(Algorithm::Kms | Algorithm::KmsDsse));
            if encryption.kms_key_id.is_some() && !by_kms {
                wrong("encryption.kmsKeyId", "only KMS encryption has a key", "encryption.algorithm: aws:kms or aws:kms:dsse");
            }
            if encryption.algorithm == Some(Algorithm::KmsDsse) && encryption.bucket_key == Some(true) {
                wrong("encryption.bucketKey", "two-layer encryption (DSSE) knows no bucket key", "false, or leave it out");
            }
        }
        if let Some(logging) = &self.logging {
            if let Some(message) = logging.target_bucket.as_deref().and_then(refused_name) {
                wrong("logging.targetBucket", message, "the name of a bucket");
            }
            match &logging.target_bucket {
                None if logging.target_prefix.is_some() => {
                    wrong("logging.targetPrefix", "a prefix without a bucket", "logging.targetBucket");
                }
                Some(target) if self.matching.is_none() && target == self.id() => {
                    wrong("logging.targetBucket", "a bucket that logs to itself logs its own log, without end", "another bucket");
                }
                _ => {}
            }
        }
        let mut wrong = |path: &FieldPath, message: &str, expected: &str| wrong_at(path.clone(), message, expected);
        for (key, value) in &self.tags {
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html
            let path = FieldPath::fixed("tags").key(key);
            if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
                wrong(&path, "only AWS itself sets tags that begin with aws:", "another key");
            } else if key.starts_with("holdfast.dev/") {
                wrong(&path, "by tags under holdfast.dev/ holdfast knows what it made", "another key");
            } else if !(1..=128).contains(&key.chars().count()) || !key.chars().all(in_tags) {
                wrong(&path, "S3 refuses this key", &format!("1 to 128 characters: {TAG_CHARACTERS}"));
            }
            if value.as_ref().is_some_and(|value| value.chars().count() > 256) {
                wrong(&path, "the value is too long", "at most 256 characters");
            }
            if value.as_ref().is_some_and(|value| !value.chars().all(in_tags)) {
                wrong(&path, "S3 refuses this value", TAG_CHARACTERS);
            }
        }
        if let Some(lifecycle) = &self.lifecycle {
            problems.extend(lifecycle::problems(lifecycle));
        }
        problems
    }
}

/// What is wrong with the name of a bucket that its schema does not say.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn refused_name(name: &str) -> Option<&'static str> {
    match name {
        name if !(3..=63).contains(&name.len()) => Some("a bucket's name has 3 to 63 characters"),
        name if name.contains("..") => Some("a bucket's name has no two dots in a row"),
        name if name.parse::<Ipv4Addr>().is_ok() => Some("a bucket's name does not look like an IP address"),
        name if OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Some("names that begin so are S3's own"),
        name if OWN_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) => Some("names that end so are S3's own"),
        _ => None,
    }
}

const OWN_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const OWN_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

const TAG_CHARACTERS: &str = "letters, digits, spaces and _ . : / = + - @";

/// The characters of tags, as in IAM's and the tagging services' `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/tagging.html>
fn in_tags(character: char) -> bool {
    character.is_alphanumeric() || (character.is_whitespace() && !character.is_control()) || "_.:/=+-@".contains(character)
}
