//! What the sandbox's own tests share: signed requests as they go over the wire.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use super::faults::Faults;
use super::world::World;
use super::{Options, Sandbox};
use crate::clock::Clock;

/// A sandbox on a clock that stands at the beginning of 2026 until somebody moves it.
pub fn sandbox(world: World, faults: &str) -> Sandbox {
    let faults: Faults = faults.parse().unwrap();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Sandbox::new(world, Options { clock: Clock::simulated(start), faults, ..Options::default() }).unwrap()
}

pub fn authorization(key: &str, service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=0")
}

/// A form of AWS Query.
pub fn form(service: &str, body: &str) -> Request<Bytes> {
    Request::post(format!("https://{service}.us-east-1.amazonaws.com/"))
        .header("authorization", authorization("AKIASANDBOX", service))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body.to_owned()))
        .unwrap()
}

/// A call of awsJson 1.1.
pub fn json(service: &str, target: &str, body: &serde_json::Value) -> Request<Bytes> {
    Request::post(format!("https://{service}.us-east-1.amazonaws.com/"))
        .header("authorization", authorization("AKIASANDBOX", service))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

/// Status and body of the answer.
pub async fn ask(sandbox: &Sandbox, request: Request<Bytes>) -> (u16, String) {
    text(sandbox.handle(request).await.unwrap())
}

pub fn text(response: Response<Bytes>) -> (u16, String) {
    (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
}

/// Status and body of the answer, parsed.
pub async fn ask_json(sandbox: &Sandbox, request: Request<Bytes>) -> (u16, serde_json::Value) {
    let (status, body) = ask(sandbox, request).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}
