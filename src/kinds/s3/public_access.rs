//! The four Block Public Access flags, which an account and a bucket both have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kinds::Drift;

/// The Block Public Access flags that are managed. The most restrictive of organisation, account and bucket wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicAccessBlock {
    /// Refuse new public ACLs, and uploads that carry one. Existing ACLs stay in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_public_acls: Option<bool>,
    /// Treat every public ACL, old or new, as if it were not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_public_acls: Option<bool>,
    /// Refuse new bucket policies that make something public. Existing policies stay in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_public_policy: Option<bool>,
    /// Let only the account's own users and AWS services through a policy that is public.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrict_public_buckets: Option<bool>,
}

/// All four flags, as S3 holds and replaces them: always together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flags {
    pub block_public_acls: bool,
    pub block_public_policy: bool,
    pub ignore_public_acls: bool,
    pub restrict_public_buckets: bool,
}

impl Flags {
    /// What every bucket made since April 2023 begins with.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html>
    pub const ALL: Flags =
        Flags { block_public_acls: true, ignore_public_acls: true, block_public_policy: true, restrict_public_buckets: true };

    /// These flags with the drifted ones as declared; the others keep what they have.
    pub(super) fn with<'a>(mut self, drifts: impl IntoIterator<Item = &'a Drift>) -> Flags {
        for drift in drifts {
            let Value::Bool(on) = drift.declared else { continue };
            match drift.field.strip_prefix("publicAccessBlock.") {
                Some("blockPublicAcls") => self.block_public_acls = on,
                Some("ignorePublicAcls") => self.ignore_public_acls = on,
                Some("blockPublicPolicy") => self.block_public_policy = on,
                Some("restrictPublicBuckets") => self.restrict_public_buckets = on,
                _ => {}
            }
        }
        self
    }

    /// What becomes weaker where flags are taken away; nothing where none is.
    pub(super) fn weakens(drifts: &[&Drift]) -> String {
        let off = drifts.iter().filter(|drift| drift.declared == Value::Bool(false) && drift.found == Value::Bool(true));
        let off: Vec<&str> = off.map(|drift| drift.field.strip_prefix("publicAccessBlock.").unwrap_or(&drift.field)).collect();
        if off.is_empty() { String::new() } else { format!("less protected: public access is no longer kept out by {}", off.join(", ")) }
    }

    /// The command that brings these flags back. `command` holds the verb as `{}`. All four off is what a thing without them has.
    pub(super) fn way_back(self, command: &str) -> String {
        if self == Flags::default() {
            return format!("`{}`", command.replace("{}", "delete"));
        }
        format!(
            "`{} --public-access-block-configuration BlockPublicAcls={},IgnorePublicAcls={},BlockPublicPolicy={},RestrictPublicBuckets={}`",
            command.replace("{}", "put"),
            self.block_public_acls,
            self.ignore_public_acls,
            self.block_public_policy,
            self.restrict_public_buckets
        )
    }

    /// Whether every declared flag is as declared.
    pub(super) fn satisfy(self, declared: &PublicAccessBlock) -> bool {
        let same = |declared: Option<bool>, found: bool| declared.is_none_or(|declared| declared == found);
        same(declared.block_public_acls, self.block_public_acls)
            && same(declared.ignore_public_acls, self.ignore_public_acls)
            && same(declared.block_public_policy, self.block_public_policy)
            && same(declared.restrict_public_buckets, self.restrict_public_buckets)
    }
}

// A flag that an answer leaves out is off.
impl From<&aws_sdk_s3::types::PublicAccessBlockConfiguration> for Flags {
    fn from(found: &aws_sdk_s3::types::PublicAccessBlockConfiguration) -> Flags {
        Flags {
            block_public_acls: found.block_public_acls().unwrap_or_default(),
            ignore_public_acls: found.ignore_public_acls().unwrap_or_default(),
            block_public_policy: found.block_public_policy().unwrap_or_default(),
            restrict_public_buckets: found.restrict_public_buckets().unwrap_or_default(),
        }
    }
}

impl From<&aws_sdk_s3control::types::PublicAccessBlockConfiguration> for Flags {
    fn from(found: &aws_sdk_s3control::types::PublicAccessBlockConfiguration) -> Flags {
        Flags {
            block_public_acls: found.block_public_acls().unwrap_or_default(),
            ignore_public_acls: found.ignore_public_acls().unwrap_or_default(),
            block_public_policy: found.block_public_policy().unwrap_or_default(),
            restrict_public_buckets: found.restrict_public_buckets().unwrap_or_default(),
        }
    }
}

impl From<Flags> for aws_sdk_s3::types::PublicAccessBlockConfiguration {
    fn from(flags: Flags) -> Self {
        Self::builder()
            .block_public_acls(flags.block_public_acls)
            .ignore_public_acls(flags.ignore_public_acls)
            .block_public_policy(flags.block_public_policy)
            .restrict_public_buckets(flags.restrict_public_buckets)
            .build()
    }
}

impl From<Flags> for aws_sdk_s3control::types::PublicAccessBlockConfiguration {
    fn from(flags: Flags) -> Self {
        Self::builder()
            .block_public_acls(flags.block_public_acls)
            .ignore_public_acls(flags.ignore_public_acls)
            .block_public_policy(flags.block_public_policy)
            .restrict_public_buckets(flags.restrict_public_buckets)
            .build()
    }
}
