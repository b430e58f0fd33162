//! JSON bodies: awsJson 1.1 (`X-Amz-Target`: CloudTrail, Secrets Manager, KMS) and REST JSON (GuardDuty).

use http::StatusCode;
use serde_json::{Value, json};

use crate::sandbox::call::{Answer, Call, Refusal};

/// The operation out of `X-Amz-Target: Something.Operation`.
pub fn target(call: &Call) -> Result<String, Refusal> {
    let target = call.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match target.rsplit_once('.') {
        Some((_, operation)) if !operation.is_empty() => Ok(operation.to_owned()),
        _ => Err(Refusal::new(400, "UnknownOperationException", "The request names no operation.")),
    }
}

/// The body as an object; an empty body is an empty object.
pub fn body(call: &Call) -> Result<Value, Refusal> {
    if call.body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        _ => Err(Refusal::new(400, "SerializationException", "The body is not a JSON object.")),
    }
}

pub fn answer(body: &Value) -> Answer {
    Answer { status: StatusCode::OK, headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())], body: body.to_string() }
}

/// A refusal as both JSON protocols read it: `__type` for awsJson, the header for REST JSON.
pub fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST),
        headers: vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amzn-errortype", refusal.code.clone()),
            ("x-amzn-requestid", request_id.to_owned()),
        ],
        body: json!({"__type": refusal.code, "message": refusal.message}).to_string(),
    }
}
