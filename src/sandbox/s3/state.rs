//! What S3 holds, as the account file writes it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::lifecycle::Lifecycle;
use super::wire::words;

/// What this service holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// The account's buckets by name, in all regions.
    pub buckets: BTreeMap<String, Bucket>,
    /// Bucket names that other accounts have taken.
    pub foreign: BTreeSet<String>,
    /// How many of the next writes are refused with `OperationAborted`, as after a concurrent change.
    pub conflicts: u32,
    /// What reads of a bucket's versioning still show after a change.
    #[schemars(with = "serde_json::Value", extend("readOnly" = true))]
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

/// A bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Bucket {
    /// Where it is. Left out: the region of the account.
    pub region: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its own Block Public Access. Left out: never configured, which is all four off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
    /// The policy as JSON text. Left out: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Left out: versioning was never turned on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
    /// Whether versions can be deleted with a second factor alone.
    pub mfa_delete: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its lifecycle rules. Left out: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// What it serves as a website; `true` stands for one with an `index.html`. Left out, or `false`: none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "website")]
    #[schemars(with = "Option<WebsiteForm>")]
    pub website: Option<Website>,
    /// Who owns new objects. Left out: no ownership controls, as in buckets from before 2023; ACLs count then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// The grants beyond the owner's own `FULL_CONTROL`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acl: Vec<Grant>,
    /// Where its access logs are delivered to. Left out: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// How new objects are encrypted. Left out: SSE-S3, which every bucket has since January 2023.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// What it holds, by key.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PublicAccessBlock {
    /// Refuses ACLs that make something public.
    pub block_public_acls: bool,
    /// Public ACLs do not count.
    pub ignore_public_acls: bool,
    /// Refuses a policy that makes the bucket public.
    pub block_public_policy: bool,
    /// A public policy counts for the own account and AWS's services alone.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Grant {
    /// Who gets it: a group or another account.
    pub to: Grantee,
    /// What it permits.
    pub permission: Permission,
}

/// Who gets something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Grantee {
    /// A group that S3 knows.
    Group {
        /// By the last part of its URI.
        group: Group,
    },
    /// Another account.
    CanonicalUser {
        /// Its canonical id: 64 hex digits.
        id: String,
    },
}

/// Where access logs are delivered to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Logging {
    /// The bucket that gets them.
    pub target_bucket: String,
    /// What their keys begin with.
    #[serde(default)]
    pub target_prefix: String,
    /// How their keys are built. Left out: `SimplePrefix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_format: Option<KeyFormat>,
}

words!(
    /// How the keys of delivered logs are built; the partitioned ones by their date source.
    KeyFormat { Simple = "SimplePrefix", EventTime = "EventTime", DeliveryTime = "DeliveryTime" }
);

/// How new objects are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Encryption {
    /// `none`, which the API does not have, is a bucket from before January 2023.
    pub algorithm: Algorithm,
    /// The key, with `aws:kms` and `aws:kms:dsse`. Left out: AWS's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// Whether a key of the bucket's saves requests to KMS.
    pub bucket_key_enabled: bool,
    /// The encryptions that uploads may not ask for.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Website {
    /// The document of a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_document: Option<String>,
    /// The document of an error. Left out: S3's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_document: Option<String>,
    /// The host that everything is redirected to. Left out: documents are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_host: Option<String>,
    /// The protocol that it is redirected to. Left out: that of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_protocol: Option<Protocol>,
}

words!(Protocol { Http = "http", Https = "https" });

/// `website: true`, or the configuration in full.
#[derive(Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Object {
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// When it was last written.
    pub modified: Timestamp,
    /// Its media type. Left out: `binary/octet-stream`.
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
