//! What S3 holds, as the account file writes it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::lifecycle::Lifecycle;
use super::wire::words;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// The account's buckets, in all regions.
    pub buckets: BTreeMap<String, Bucket>,
    /// Bucket names that other accounts have taken.
    pub foreign: BTreeSet<String>,
    /// How many of the next writes are refused with `OperationAborted`, as after a concurrent change.
    pub conflicts: u32,
    /// What reads of a bucket's versioning still show after a change.
    pub versioning_before: BTreeMap<String, Earlier<Option<Versioning>>>,
}

/// An old value that reads show until the new one has spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Earlier<T> {
    pub value: T,
    /// From when on reads show the new value.
    pub visible_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Bucket {
    /// Where it is. Left out: the region of the account.
    pub region: String,
    pub created: Timestamp,
    /// Absent: never configured, which is all four off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
    /// The policy as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Absent: versioning was never turned on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
    pub mfa_delete: bool,
    pub tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// `true` stands for a website with an `index.html`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "website")]
    pub website: Option<Website>,
    /// Absent: no ownership controls, as in buckets from before 2023; ACLs count then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// The grants beyond the owner's own `FULL_CONTROL`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acl: Vec<Grant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Absent: SSE-S3, which every bucket has since January 2023.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    pub objects: BTreeMap<String, Object>,
}

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket {
            region: String::new(),
            created: Timestamp::UNIX_EPOCH,
            public_access_block: None,
            policy: None,
            versioning: None,
            mfa_delete: false,
            tags: BTreeMap::new(),
            lifecycle: None,
            website: None,
            ownership: None,
            acl: Vec::new(),
            logging: None,
            encryption: None,
            objects: BTreeMap::new(),
        }
    }
}

/// The four flags of Block Public Access, of a bucket or of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PublicAccessBlock {
    pub block_public_acls: bool,
    pub ignore_public_acls: bool,
    pub block_public_policy: bool,
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// All four on: what new buckets have since April 2023.
    pub const ALL: PublicAccessBlock =
        PublicAccessBlock { block_public_acls: true, ignore_public_acls: true, block_public_policy: true, restrict_public_buckets: true };
}

words!(Versioning { Enabled = "Enabled", Suspended = "Suspended" });

words!(Ownership {
    BucketOwnerEnforced = "BucketOwnerEnforced",
    BucketOwnerPreferred = "BucketOwnerPreferred",
    ObjectWriter = "ObjectWriter",
});

words!(Permission { FullControl = "FULL_CONTROL", Write = "WRITE", WriteAcp = "WRITE_ACP", Read = "READ", ReadAcp = "READ_ACP" });

words!(
    /// The groups that S3 knows, by the last part of their URI.
    Group { AllUsers = "AllUsers", AuthenticatedUsers = "AuthenticatedUsers", LogDelivery = "LogDelivery" }
);

impl Group {
    pub fn uri(self) -> &'static str {
        match self {
            Group::AllUsers => "http://acs.amazonaws.com/groups/global/AllUsers",
            Group::AuthenticatedUsers => "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
            Group::LogDelivery => "http://acs.amazonaws.com/groups/s3/LogDelivery",
        }
    }

    pub fn of_uri(uri: &str) -> Option<Group> {
        [Group::AllUsers, Group::AuthenticatedUsers, Group::LogDelivery].into_iter().find(|group| group.uri() == uri)
    }
}

/// One grant of an ACL; it names a group or another account's canonical id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Grant {
    pub to: Grantee,
    pub permission: Permission,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Grantee {
    Group {
        group: Group,
    },
    /// Another account, by its canonical id: 64 hex digits.
    CanonicalUser {
        id: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Logging {
    pub target_bucket: String,
    #[serde(default)]
    pub target_prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_format: Option<KeyFormat>,
}

words!(
    /// How the keys of delivered logs are built; the partitioned ones by their date source.
    KeyFormat { Simple = "SimplePrefix", EventTime = "EventTime", DeliveryTime = "DeliveryTime" }
);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Encryption {
    pub algorithm: Algorithm,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    pub bucket_key_enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_encryption_types: Vec<BlockedType>,
}

impl Default for Encryption {
    fn default() -> Encryption {
        Encryption { algorithm: Algorithm::Aes256, kms_key_id: None, bucket_key_enabled: false, blocked_encryption_types: Vec::new() }
    }
}

words!(
    /// `none`, which the API does not have, is a bucket from before January 2023, when there was no default.
    Algorithm { Aes256 = "AES256", Kms = "aws:kms", Dsse = "aws:kms:dsse", None = "none" }
);

words!(BlockedType { None = "NONE", CustomerKeys = "SSE-C" });

/// A static website: a redirect of everything, or documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Website {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_document: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_document: Option<String>,
    /// The host that everything is redirected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_protocol: Option<Protocol>,
}

words!(Protocol { Http = "http", Https = "https" });

/// `website: true`, or the configuration in full.
#[derive(Deserialize)]
#[serde(untagged)]
enum WebsiteForm {
    Is(bool),
    Written(Website),
}

fn website<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Website>, D::Error> {
    Ok(match Option::<WebsiteForm>::deserialize(deserializer)? {
        None | Some(WebsiteForm::Is(false)) => None,
        Some(WebsiteForm::Is(true)) => Some(Website { index_document: Some("index.html".to_owned()), ..Website::default() }),
        Some(WebsiteForm::Written(website)) => Some(website),
    })
}

/// An object, without its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Object {
    /// Bytes.
    pub size: u64,
    /// The SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    pub modified: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

impl State {
    /// Gives each bucket that names no region that of the account, `here`; lets what was changed long enough ago be seen.
    pub fn settle(&mut self, now: Timestamp, here: &str) {
        for bucket in self.buckets.values_mut().filter(|bucket| bucket.region.is_empty()) {
            here.clone_into(&mut bucket.region);
        }
        self.versioning_before.retain(|_, earlier| earlier.visible_at > now);
    }
}
