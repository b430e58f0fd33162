//! Which service a request is for, and the common edges of every answer.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response};

use super::call::{Answer, Call, Operation, Refusal};
use super::protocol::query;
use super::world::World;
use super::{cloudtrail, ecs, elasticache, guardduty, kms, rds, s3, s3control, secretsmanager, sns, ssm, sts};

/// The services that the sandbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    S3,
    S3Control,
    Rds,
    ElastiCache,
    CloudTrail,
    GuardDuty,
    Sns,
    SecretsManager,
    Kms,
    Ssm,
    Ecs,
    Sts,
}

/// Evaluates an expression with `$module` standing for the service's module.
macro_rules! in_module {
    ($service:expr, $module:ident => $body:expr) => {
        match $service {
            Service::S3 => {
                use s3 as $module;
                $body
            }
            Service::S3Control => {
                use s3control as $module;
                $body
            }
            Service::Rds => {
                use rds as $module;
                $body
            }
            Service::ElastiCache => {
                use elasticache as $module;
                $body
            }
            Service::CloudTrail => {
                use cloudtrail as $module;
                $body
            }
            Service::GuardDuty => {
                use guardduty as $module;
                $body
            }
            Service::Sns => {
                use sns as $module;
                $body
            }
            Service::SecretsManager => {
                use secretsmanager as $module;
                $body
            }
            Service::Kms => {
                use kms as $module;
                $body
            }
            Service::Ssm => {
                use ssm as $module;
                $body
            }
            Service::Ecs => {
                use ecs as $module;
                $body
            }
            Service::Sts => {
                use sts as $module;
                $body
            }
        }
    };
}

impl Service {
    /// The service that a call was signed for; none where it is unsigned or for a service that is not here.
    pub fn of(call: &Call) -> Option<Service> {
        Some(match call.service.as_str() {
            "s3" if is_s3_control(call) => Service::S3Control,
            "s3" => Service::S3,
            "rds" => Service::Rds,
            "elasticache" => Service::ElastiCache,
            "cloudtrail" => Service::CloudTrail,
            "guardduty" => Service::GuardDuty,
            "sns" => Service::Sns,
            "secretsmanager" => Service::SecretsManager,
            "kms" => Service::Kms,
            "ssm" => Service::Ssm,
            "ecs" => Service::Ecs,
            "sts" => Service::Sts,
            _ => return None,
        })
    }

    /// The name under which requests are recorded and faults are told: botocore's.
    pub fn name(self) -> &'static str {
        match self {
            Service::S3 => "s3",
            Service::S3Control => "s3control",
            Service::Rds => "rds",
            Service::ElastiCache => "elasticache",
            Service::CloudTrail => "cloudtrail",
            Service::GuardDuty => "guardduty",
            Service::Sns => "sns",
            Service::SecretsManager => "secretsmanager",
            Service::Kms => "kms",
            Service::Ssm => "ssm",
            Service::Ecs => "ecs",
            Service::Sts => "sts",
        }
    }

    pub fn operation(self, call: &Call) -> Result<Operation, Refusal> {
        in_module!(self, module => module::operation(call))
    }

    pub fn answer(self, world: &mut World, operation: &Operation, call: &Call) -> Result<Answer, Refusal> {
        in_module!(self, module => module::answer(world, operation, call))
    }
}

/// A refusal in the form of the service it comes from; where that is not known, as AWS Query has it.
pub fn refuse(service: Option<Service>, refusal: &Refusal, request_id: &str) -> Answer {
    match service {
        Some(service) => in_module!(service, module => module::refuse(refusal, request_id)),
        None => query::refuse(refusal, request_id),
    }
}

/// Why a call has no service.
pub fn unknown_service(call: &Call) -> Refusal {
    if call.service.is_empty() {
        return Refusal::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
    }
    Refusal::new(501, "NotImplemented", format!("The sandbox has no service that is signed as {:?}.", call.service))
}

/// A request as services see it. S3's virtual hosts (`bucket.s3.us-east-1.amazonaws.com/key`) become paths (`/bucket/key`).
pub fn read(parts: Parts, body: Bytes) -> Call {
    let header = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(|authority| authority.as_str()).or(header).unwrap_or_default();
    let mut call = Call {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        host: host.to_ascii_lowercase(),
        method: parts.method,
        headers: parts.headers,
        body,
        service: String::new(),
        region: String::new(),
    };
    if let Some(credential) = Credential::of(&call) {
        call.service = credential.service;
        call.region = credential.region;
    }
    if call.service == "s3"
        && !is_s3_control(&call)
        && let Some((bucket, rest)) = virtual_host(&call.host)
    {
        call.path = format!("/{bucket}{}", call.path);
        call.host = rest;
    }
    call
}

/// An answer on its way out: with the request's id, and without a body where HTTP forbids one.
pub fn response(answer: Answer, call: &Call, request_id: &str) -> Response<Bytes> {
    let body = if call.method == Method::HEAD { Bytes::new() } else { Bytes::from(answer.body) };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let id = if call.service == "s3" { "x-amz-request-id" } else { "x-amzn-requestid" };
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static(id), value);
    }
    for (name, value) in answer.headers {
        // A text that cannot be a header is left out, as no HTTP server could send it.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    response
}

/// The credential scope of a signed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub access_key: String,
    pub region: String,
    pub service: String,
}

impl Credential {
    /// Out of the `Authorization` header, or out of the query of a presigned request.
    pub fn of(call: &Call) -> Option<Credential> {
        let header = call.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let text = match header {
            Some(header) => header.split_once("Credential=")?.1.split([',', ' ']).next()?.to_owned(),
            None => form_urlencoded::parse(call.query.as_bytes()).find(|(name, _)| name == "X-Amz-Credential")?.1.into_owned(),
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (access_key, region, service) = match parts.as_slice() {
            [key, _date, region, service, "aws4_request"] => (key, *region, service),
            // The asymmetric form (SigV4a) names no region.
            [key, _date, service, "aws4_request"] => (key, "", service),
            _ => return None,
        };
        Some(Credential { access_key: (*access_key).to_owned(), region: region.to_owned(), service: (*service).to_owned() })
    }
}

/// S3 Control is signed as `s3`. Its requests have the version as the first segment and say for which account they
/// are, in a header or (boto3) as the first label of the host: together no bucket's request looks so.
fn is_s3_control(call: &Call) -> bool {
    let label = call.host.split('.').next().unwrap_or_default();
    let names_account = label.len() == 12 && label.bytes().all(|byte| byte.is_ascii_digit());
    call.path.starts_with("/v20180820/") && (names_account || call.headers.contains_key("x-amz-account-id"))
}

/// The bucket in a host name, and the host without it.
fn virtual_host(host: &str) -> Option<(String, String)> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let at = if name.ends_with(".localhost") {
        name.len() - ".localhost".len()
    } else if name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn") {
        // The last one: bucket names may hold dots.
        name.rfind(".s3.").or_else(|| name.rfind(".s3-"))?
    } else {
        return None;
    };
    let (before, rest) = (host.get(..at)?, host.get(at + 1..)?);
    // `s3.localhost` is the service itself.
    let bucket = if before == "s3" { "" } else { before.strip_suffix(".s3").unwrap_or(before) };
    (!bucket.is_empty()).then(|| (bucket.to_owned(), rest.to_owned()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn call(url: &str, headers: &[(&str, &str)]) -> Call {
        let mut request = Request::builder().uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        read(parts, Bytes::new())
    }

    const S3: (&str, &str) =
        ("authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0");

    #[test]
    fn every_way_to_name_a_bucket_is_the_same_path() {
        for url in [
            "https://s3.us-east-1.amazonaws.com/logs.example/a%20b?acl",
            "https://logs.example.s3.us-east-1.amazonaws.com/a%20b?acl",
            "https://logs.example.s3.amazonaws.com/a%20b?acl",
            "http://logs.example.localhost:4566/a%20b?acl",
            "http://logs.example.s3.localhost:4566/a%20b?acl",
            "https://logs.example.s3.cn-north-1.amazonaws.com.cn/a%20b?acl",
            "http://localhost:4566/logs.example/a%20b?acl",
            "http://127.0.0.1:4566/logs.example/a%20b?acl",
            "http://s3.localhost:4566/logs.example/a%20b?acl",
        ] {
            let call = call(url, &[S3]);
            assert_eq!((call.path.as_str(), call.query.as_str()), ("/logs.example/a%20b", "acl"), "{url}");
            assert_eq!(Service::of(&call), Some(Service::S3));
            assert_eq!(call.region, "eu-west-1");
        }
    }

    #[test]
    fn s3_control_is_told_from_s3_with_and_without_the_account_in_the_host() {
        let account = ("x-amz-account-id", "317805897534");
        for url in
            ["http://localhost:4566/v20180820/configuration/publicAccessBlock", "https://s3-control.us-east-1.amazonaws.com/v20180820/x"]
        {
            assert_eq!(Service::of(&call(url, &[S3, account])), Some(Service::S3Control), "{url}");
        }
        let in_host = call("http://317805897534.localhost:4566/v20180820/configuration/publicAccessBlock", &[S3]);
        assert_eq!(Service::of(&in_host), Some(Service::S3Control));
        assert_eq!(in_host.path, "/v20180820/configuration/publicAccessBlock");
        let object = call("http://localhost:4566/v20180820/key", &[S3]);
        assert_eq!(Service::of(&object), Some(Service::S3), "a bucket may be called so");
    }

    #[test]
    fn credentials_are_read_from_header_and_query() {
        let presigned = call("https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", &[]);
        assert_eq!(presigned.service, "s3");
        let unsigned = call("https://sts.amazonaws.com/", &[]);
        assert_eq!(unknown_service(&unsigned).code, "MissingAuthenticationToken");
        let other = call(
            "https://ec2.amazonaws.com/",
            &[("authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/ec2/aws4_request, Signature=0")],
        );
        assert_eq!(unknown_service(&other).code, "NotImplemented");
        assert!(unknown_service(&other).message.contains("ec2"));
    }
}
