//! What went wrong with a request, in the few classes that decide what happens next.

use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{Call, secret};

/// A request that did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{call}: {}{message}{}", shown(code), request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default())]
pub struct CallError {
    pub call: &'static Call,
    pub class: Class,
    /// The service's code on the wire, or a word of ours where no answer came.
    pub code: String,
    /// The service's words, cleaned: one line, no secret, at most 300 characters.
    pub message: String,
    pub request_id: Option<String>,
}

/// Words of ours for what no service answered, and that would pass for a service's code: a person is told the message alone.
const OURS: &[&str] = &["NoAuthToken", "SecretEmpty"];

fn shown(code: &str) -> String {
    if OURS.contains(&code) { String::new() } else { format!("{code}: ") }
}

/// What an error means for what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The thing is not there.
    NotFound,
    /// A thing of that name is there already.
    AlreadyExists,
    /// The thing is busy or was changed at the same moment: the same request may succeed later.
    Busy,
    /// Too many requests: surely not applied.
    Throttled,
    /// The caller may not.
    Denied,
    /// There are no valid credentials: nothing else will work either.
    Credentials,
    /// The request is wrong, and will be next time.
    Invalid,
    /// Nobody knows whether it was applied: no answer, or a fault of the server.
    Ambiguous,
}

impl CallError {
    pub(super) fn new<E>(call: &'static Call, error: SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // The SDK keeps the id under this key in the error's extras (aws-types, `request_id`).
        let request_id = error.as_service_error().and_then(|error| error.meta().extra("aws_request_id")).map(str::to_owned);
        let meta = error.as_service_error().map(|error| (error.code(), error.message()));
        let (class, code, message) = match (&error, meta) {
            (SdkError::ServiceError(context), Some((code, message))) => {
                let status = context.raw().status().as_u16();
                let code = code.map(str::to_owned).unwrap_or_else(|| format!("HTTP {status}"));
                (classify(&code, status), code, message.unwrap_or("the service gave no reason").to_owned())
            }
            (SdkError::ConstructionFailure(_), _) => (Class::Invalid, "RequestNotBuilt".to_owned(), deepest(&error)),
            (SdkError::DispatchFailure(failure), _) if failure.is_user() || is_credentials(&error) => {
                let (class, code, message) = no_credentials(&error);
                // The request itself was never sent.
                let class = if call.writes && class == Class::Ambiguous { Class::Throttled } else { class };
                (class, code, message)
            }
            (SdkError::TimeoutError(_), _) => (Class::Ambiguous, "Timeout".to_owned(), "no answer in time".to_owned()),
            _ => (Class::Ambiguous, "NoAnswer".to_owned(), deepest(&error)),
        };
        CallError { call, class, code, message: secret::clean(&message), request_id }
    }

    /// A write that was left before it was sent.
    pub(super) fn not_sent(call: &'static Call) -> CallError {
        CallError {
            call,
            class: Class::Throttled,
            code: "NotSent".to_owned(),
            message: "left before it was sent".to_owned(),
            request_id: None,
        }
    }

    /// Whether S3 says that the bucket is another region's.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>: the endpoint is the wrong region's.
    pub fn is_elsewhere(&self) -> bool {
        self.is("PermanentRedirect") || self.is("AuthorizationHeaderMalformed") || self.is("HTTP 301")
    }

    /// Whether the service answered with this code.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

/// The innermost reason of an error: the SDK wraps it several times.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn is_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<aws_credential_types::provider::error::CredentialsError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// Why a request could not be signed: no provider has credentials, one of them failed, or a role could not be assumed with what it gave.
fn no_credentials(error: &(dyn std::error::Error + 'static)) -> (Class, String, String) {
    use aws_credential_types::provider::error::CredentialsError;
    let mut found = "ProviderFailed";
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(SdkError::ServiceError(refused)) = error.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            let status = refused.raw().status().as_u16();
            let code = refused.err().code().map(str::to_owned).unwrap_or_else(|| format!("HTTP {status}"));
            let message = refused.err().message().unwrap_or("the service gave no reason").to_owned();
            return match classify(&code, status) {
                class @ (Class::Credentials | Class::Throttled | Class::Ambiguous) => (class, code, message),
                _ => (Class::Credentials, "RoleRefused".to_owned(), format!("{code}: {message}")),
            };
        }
        if matches!(error.downcast_ref(), Some(CredentialsError::CredentialsNotLoaded(_))) {
            found = "NoCredentials";
        }
        next = error.source();
    }
    (Class::Credentials, found.to_owned(), deepest(error))
}

/// The class of a service's error code. A test holds every code of these tables against the published models.
pub fn classify(code: &str, status: u16) -> Class {
    // Older XML services append "Fault" or "Exception" on the wire, or not; the stem decides.
    let stem = code.strip_suffix("Exception").unwrap_or(code);
    let stem = stem.strip_suffix("Fault").unwrap_or(stem);
    if THROTTLED.contains(&stem) || status == 429 {
        return Class::Throttled;
    }
    if CREDENTIALS.contains(&stem) {
        return Class::Credentials;
    }
    if DENIED.contains(&stem) {
        return Class::Denied;
    }
    if BUSY.contains(&stem) {
        return Class::Busy;
    }
    if TAKEN.contains(&stem) {
        return Class::Invalid;
    }
    if NOT_FOUND.contains(&stem) || stem.ends_with("NotFound") {
        return Class::NotFound;
    }
    if ALREADY_EXISTS.contains(&stem) || stem.ends_with("AlreadyExists") {
        return Class::AlreadyExists;
    }
    match status {
        500.. => Class::Ambiguous,
        404 => Class::NotFound,
        401 | 403 => Class::Denied,
        _ => Class::Invalid,
    }
}

// Throttling codes as the SDKs' own retry policies list them (smithy's and botocore's `_retry.json`).
pub const THROTTLED: &[&str] = &[
    "Throttling",
    "Throttled",
    "RequestThrottled",
    "RequestLimitExceeded",
    "TooManyRequests",
    "SlowDown",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
];

// Codes common to all services: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html and S3's list of errors.
pub const CREDENTIALS: &[&str] = &[
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "UnrecognizedClient",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "InvalidToken",
    "TokenRefreshRequired",
    // The machine's clock is wrong: every request will be refused.
    "RequestExpired",
    "RequestTimeTooSkewed",
];

pub const DENIED: &[&str] = &["AccessDenied", "AuthorizationError", "UnauthorizedOperation", "OptInRequired", "NotAuthorized"];

pub const BUSY: &[&str] = &[
    "OperationAborted",
    "Conflict",
    "ConditionalRequestConflict",
    "InvalidReplicationGroupState",
    "InvalidCacheClusterState",
    "InvalidCacheParameterGroupState",
    "InvalidDBInstanceState",
    "InvalidDBParameterGroupState",
    "ConcurrentModification",
    "InvalidSnapshotState",
    "TooManyUpdates",
];

pub const NOT_FOUND: &[&str] = &[
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "NoSuchLifecycleConfiguration",
    "NoSuchTagSet",
    "NoSuchWebsiteConfiguration",
    "InsightNotEnabled",
];

pub const ALREADY_EXISTS: &[&str] = &["BucketAlreadyOwnedByYou"];

/// A name that somebody else has: unlike [`ALREADY_EXISTS`], waiting shows nothing (S3's list of errors).
pub const TAKEN: &[&str] = &["BucketAlreadyExists"];

static NO_CALL: Call = Call { service: super::Service::Sts, operation: "None", action: "none", writes: false };

impl CallError {
    /// Two kinds of fact were read under one name: a bug of a kind, which must not pass for a fact.
    pub(super) fn mixed_up() -> CallError {
        CallError {
            call: &NO_CALL,
            class: Class::Invalid,
            code: "Mixed".to_owned(),
            message: "two kinds of fact were read under one name".to_owned(),
            request_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_class() {
        let cases = [
            ("Throttling", 400, Class::Throttled),
            ("ThrottlingException", 400, Class::Throttled),
            ("TooManyRequestsException", 400, Class::Throttled),
            ("SlowDown", 503, Class::Throttled),
            ("Whatever", 429, Class::Throttled),
            ("ExpiredTokenException", 400, Class::Credentials),
            ("UnrecognizedClientException", 400, Class::Credentials),
            ("RequestTimeTooSkewed", 403, Class::Credentials),
            ("AccessDenied", 403, Class::Denied),
            ("AccessDeniedException", 400, Class::Denied),
            ("Whatever", 403, Class::Denied),
            ("InvalidDBInstanceState", 400, Class::Busy),
            ("InvalidReplicationGroupStateFault", 400, Class::Busy),
            ("OperationAborted", 409, Class::Busy),
            ("InvalidSnapshotState", 400, Class::Busy),
            ("TooManyUpdates", 400, Class::Busy),
            ("ParameterNotFound", 400, Class::NotFound),
            ("ConflictException", 409, Class::Busy),
            ("DBInstanceNotFound", 404, Class::NotFound),
            ("ReplicationGroupNotFoundFault", 404, Class::NotFound),
            ("TrailNotFoundException", 400, Class::NotFound),
            ("NoSuchBucketPolicy", 404, Class::NotFound),
            ("ServerSideEncryptionConfigurationNotFoundError", 404, Class::NotFound),
            ("ReplicationGroupAlreadyExists", 400, Class::AlreadyExists),
            ("TrailAlreadyExistsException", 400, Class::AlreadyExists),
            ("BucketAlreadyOwnedByYou", 409, Class::AlreadyExists),
            // Somebody else's: it will never be ours.
            ("BucketAlreadyExists", 409, Class::Invalid),
            ("InvalidParameterValue", 400, Class::Invalid),
            ("InternalFailure", 500, Class::Ambiguous),
            ("ServiceUnavailable", 503, Class::Ambiguous),
            ("HTTP 502", 502, Class::Ambiguous),
        ];
        for (code, status, class) in cases {
            assert_eq!(classify(code, status), class, "{code} {status}");
        }
    }

    #[test]
    fn every_code_of_the_tables_is_reached() {
        for (table, class) in [
            (THROTTLED, Class::Throttled),
            (CREDENTIALS, Class::Credentials),
            (DENIED, Class::Denied),
            (BUSY, Class::Busy),
            (NOT_FOUND, Class::NotFound),
            (ALREADY_EXISTS, Class::AlreadyExists),
            (TAKEN, Class::Invalid),
        ] {
            for code in table {
                assert_eq!(classify(code, 400), class, "{code}");
            }
        }
    }
}
