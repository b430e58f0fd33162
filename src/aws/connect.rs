//! From a manifest's account to clients that surely talk to it (contract 11).

use aws_config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

use super::budget::Budget;
use super::operations::{Clients, Reads};
use super::{CallError, Class, Pace};
use crate::clock::Clock;

/// Where to connect, and as whom.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    /// The manifest's account, twelve digits.
    pub account: String,
    /// The manifest's region.
    pub region: String,
    /// The role to assume before anything else.
    pub role: Option<Role>,
    /// The embedded AWS, in place of the network. It brings its own credentials.
    pub embedded: Option<SharedHttpClient>,
    pub pace: Pace,
    /// The time that AWS lives in; the machine's, where none is given.
    pub clock: Option<Clock>,
}

/// `spec.assumeRole`.
#[derive(Clone, Debug)]
pub struct Role {
    pub arn: String,
    pub external_id: Option<String>,
}

/// A checked connection.
#[derive(Clone)]
pub struct Connection {
    pub reads: Reads,
    /// The caller's ARN.
    pub caller: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
}

/// Why there is no connection. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(
        "no AWS credentials: {0}. Tried, in order: environment variables, the shared config and credentials files (profile {1}), SSO, web identity, the container and instance metadata services. Set AWS_PROFILE, run `aws sso login`, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    NoCredentials(String, String),
    #[error(
        "AWS refused the credentials ({0}): they are expired or wrong. Sign in again (`aws sso login`) or renew the variables, then run the same command"
    )]
    Refused(String),
    #[error(
        "the manifest is for account {expected}, but these credentials ({caller}) belong to account {found}: nothing was read or changed. Choose the other profile with AWS_PROFILE, or correct spec.account"
    )]
    WrongAccount { expected: String, found: String, caller: String },
    #[error("AWS could not be asked who the caller is: {0}")]
    Unreachable(CallError),
}

/// Connects, and asks AWS who the caller is before anything else.
pub async fn connect(options: &ConnectOptions) -> Result<Connection, AccountError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(options.region.clone()))
        // Trying again is ours: it is budgeted, and a write without an answer is never sent twice blindly.
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_attempt_timeout(Duration::from_secs(60)).build(),
        );
    if let Some(client) = &options.embedded {
        loader = loader
            .http_client(client.clone())
            .empty_test_environment()
            .credentials_provider(aws_credential_types::Credentials::new("SANDBOX", "sandbox", None, None, "sandbox"));
    }
    let mut config = loader.load().await;
    if let Some(role) = &options.role {
        let mut provider = aws_config::sts::AssumeRoleProvider::builder(&role.arn).session_name("holdfast").configure(&config);
        if let Some(external_id) = &role.external_id {
            provider = provider.external_id(external_id);
        }
        let provider = provider.build().await;
        config =
            config.into_builder().credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(provider)).build();
    }
    let reads = Reads::new(Clients::new(&config, Budget::new(options.pace), options.clock.clone().unwrap_or_else(Clock::system)));
    let who = reads.sts().get_caller_identity(|request| request).await.map_err(|error| match error.class {
        Class::Credentials if error.code == "NoCredentials" => {
            AccountError::NoCredentials(error.message, std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned()))
        }
        Class::Credentials | Class::Denied => AccountError::Refused(format!("{}: {}", error.code, error.message)),
        _ => AccountError::Unreachable(error),
    })?;
    let found = who.account().unwrap_or_default().to_owned();
    let caller = who.arn().unwrap_or_default().to_owned();
    if found != options.account {
        return Err(AccountError::WrongAccount { expected: options.account.clone(), found, caller });
    }
    let partition = caller.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws").to_owned();
    Ok(Connection { reads, caller, partition })
}
