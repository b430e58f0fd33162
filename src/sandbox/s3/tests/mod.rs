//! The service under the SDK's own client.

mod access;
mod buckets;
mod lifecycle;
mod policy;
mod settings;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use bytes::Bytes;
use http::{Method, Request};

use crate::sandbox::Sandbox;
use crate::sandbox::testing::{ask, authorization};

const ACCOUNT: &str = "account: '317805897534'\npageSize: 2\n";

/// A sandbox whose S3 is `s3`, in YAML.
fn sandbox(s3: &str) -> Sandbox {
    let world = serde_yaml::from_str(&format!("{ACCOUNT}s3: {s3}\n")).unwrap();
    crate::sandbox::testing::sandbox(world, "")
}

/// A client in a region, without retries.
fn client_in(sandbox: &Sandbox, region: &'static str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(Credentials::for_tests())
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .http_client(sandbox.http_client())
        .build();
    Client::from_conf(config)
}

fn client(sandbox: &Sandbox) -> Client {
    client_in(sandbox, "us-east-1")
}

/// The service's code of a failed call.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(result: Result<T, SdkError<E, R>>) -> String {
    result.unwrap_err().code().unwrap_or("none").to_owned()
}

/// A request written by hand, for what the SDK would not send.
async fn raw(sandbox: &Sandbox, method: Method, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://s3.us-east-1.amazonaws.com/{path}"))
        .header("authorization", authorization("AKIASANDBOX", "s3"))
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    ask(sandbox, request).await
}

/// The code in the body of a refusal.
fn code_in(body: &str) -> &str {
    body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("none", |(code, _)| code)
}

fn wait(sandbox: &Sandbox, seconds: u64) {
    sandbox.clock().advance(Duration::from_secs(seconds));
}
