//! Which bucket, which object and which operation a request means.

use http::Method;
use percent_encoding::percent_decode_str;

use super::wire::invalid_request;
use crate::sandbox::call::{Call, Operation, Refusal};

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub bucket: Option<String>,
    pub key: Option<String>,
}

/// The bucket and the key that a request names; buckets in the host's name were brought into the path before.
pub fn target(call: &Call) -> Target {
    let path = call.path.strip_prefix('/').unwrap_or(&call.path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Target { bucket: some(decode(bucket)), key: some(decode(key)) }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The parts of a bucket that have a query member of their own, and what `Get`, `Put` and `Delete` call them.
const PARTS: [(&str, &str); 22] = [
    ("abac", "BucketAbac"),
    ("accelerate", "BucketAccelerateConfiguration"),
    ("acl", "BucketAcl"),
    ("analytics", "BucketAnalyticsConfiguration"),
    ("cors", "BucketCors"),
    ("encryption", "BucketEncryption"),
    ("intelligent-tiering", "BucketIntelligentTieringConfiguration"),
    ("inventory", "BucketInventoryConfiguration"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("metrics", "BucketMetricsConfiguration"),
    ("notification", "BucketNotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("policy", "BucketPolicy"),
    ("policyStatus", "BucketPolicyStatus"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "BucketReplication"),
    ("requestPayment", "BucketRequestPayment"),
    ("tagging", "BucketTagging"),
    ("versioning", "BucketVersioning"),
];

const WEBSITE: (&str, &str) = ("website", "BucketWebsite");

/// Which operation a request is.
pub fn operation(call: &Call) -> Result<Operation, Refusal> {
    let target = target(call);
    let members: Vec<String> = form_urlencoded::parse(call.query.as_bytes()).map(|(name, _)| name.into_owned()).collect();
    let has = |name: &str| members.iter().any(|member| member == name);
    let writes = !matches!(call.method, Method::GET | Method::HEAD);
    let name = match (target.bucket.is_some(), target.key.is_some()) {
        (false, _) if call.method == Method::GET => Some("ListBuckets".to_owned()),
        (false, _) => None,
        (true, false) => bucket_operation(&call.method, has),
        (true, true) => object_operation(call, has),
    };
    match name {
        Some(name) => Ok(Operation { name, writes }),
        None => Err(Refusal::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")),
    }
}

fn bucket_operation(method: &Method, has: impl Fn(&str) -> bool) -> Option<String> {
    if let Some((part, called)) = PARTS.into_iter().chain([WEBSITE]).find(|(member, _)| has(member)) {
        return match *method {
            Method::GET if ["analytics", "intelligent-tiering", "inventory", "metrics"].contains(&part) && !has("id") => {
                Some(format!("List{called}s"))
            }
            Method::GET => Some(format!("Get{called}")),
            Method::PUT => Some(format!("Put{called}")),
            // The one whose deletion has another name.
            Method::DELETE if part == "lifecycle" => Some("DeleteBucketLifecycle".to_owned()),
            Method::DELETE => Some(format!("Delete{called}")),
            _ => None,
        };
    }
    let name = match *method {
        Method::GET if has("uploads") => "ListMultipartUploads",
        Method::GET if has("versions") => "ListObjectVersions",
        Method::GET if has("session") => "CreateSession",
        Method::GET if has("list-type") => "ListObjectsV2",
        Method::GET => "ListObjects",
        Method::HEAD => "HeadBucket",
        Method::PUT => "CreateBucket",
        Method::DELETE => "DeleteBucket",
        Method::POST if has("delete") => "DeleteObjects",
        _ => return None,
    };
    Some(name.to_owned())
}

fn object_operation(call: &Call, has: impl Fn(&str) -> bool) -> Option<String> {
    let parts = [
        ("acl", "ObjectAcl"),
        ("tagging", "ObjectTagging"),
        ("retention", "ObjectRetention"),
        ("legal-hold", "ObjectLegalHold"),
        ("attributes", "ObjectAttributes"),
        ("torrent", "ObjectTorrent"),
    ];
    if let Some((_, called)) = parts.into_iter().find(|(member, _)| has(member)) {
        return match call.method {
            Method::GET => Some(format!("Get{called}")),
            Method::PUT => Some(format!("Put{called}")),
            Method::DELETE => Some(format!("Delete{called}")),
            _ => None,
        };
    }
    let copies = call.headers.contains_key("x-amz-copy-source");
    let name = match call.method {
        Method::GET if has("uploadId") => "ListParts",
        Method::GET => "GetObject",
        Method::HEAD => "HeadObject",
        Method::PUT if has("partNumber") && copies => "UploadPartCopy",
        Method::PUT if has("partNumber") => "UploadPart",
        Method::PUT if copies => "CopyObject",
        Method::PUT => "PutObject",
        Method::DELETE if has("uploadId") => "AbortMultipartUpload",
        Method::DELETE => "DeleteObject",
        Method::POST if has("uploads") => "CreateMultipartUpload",
        Method::POST if has("uploadId") => "CompleteMultipartUpload",
        Method::POST if has("restore") => "RestoreObject",
        Method::POST if has("select") => "SelectObjectContent",
        _ => return None,
    };
    Some(name.to_owned())
}

/// The action that IAM and bucket policies know an operation by, where they differ.
pub fn action(operation: &str) -> String {
    let action = match operation {
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "HeadObject" => "GetObject",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        "DeleteBucketTagging" => "PutBucketTagging",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "GetBucketCors" => "GetBucketCORS",
        "GetBucketReplication" => "GetReplicationConfiguration",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        other => other,
    };
    format!("s3:{action}")
}

/// The bucket that a request has to name.
pub fn named(target: &Target) -> Result<&str, Refusal> {
    target.bucket.as_deref().ok_or_else(|| invalid_request("The request names no bucket."))
}
