//! One request to the sandbox as its services see it, and what they answer.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

/// A request, taken apart as far as every protocol needs it.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// The path, percent-decoded nowhere: S3 keys and ARNs decode it themselves.
    pub path: String,
    /// The query string without `?`.
    pub query: String,
    pub host: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The signing name out of the `Authorization` header's credential scope: `s3`, `rds`, `elasticache`, ...
    pub service: String,
    /// The region out of the same scope.
    pub region: String,
}

/// What a service answers when it does what was asked.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// A refusal, in the words of the service; each protocol writes it in its own form (XML or JSON).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// The service's error code on the wire: `DBInstanceNotFound`, `NoSuchBucket`.
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Refusal {
        Refusal { status, code: code.into(), message: message.into() }
    }
}

/// What an operation is, as the service's documentation has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The API's name of it: `DescribeDBInstances`, `PutBucketPolicy`.
    pub name: String,
    /// Whether it changes anything.
    pub writes: bool,
}
