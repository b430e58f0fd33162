//! From a manifest's account to clients that surely talk to it (contract 11).

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::path::PathBuf;
use std::time::Duration;

use super::budget::Budget;
use super::operations::{Clients, Reads};
use super::{CallError, Class, Pace, profile, provider, region};
use crate::clock::Clock;
use crate::exec::Allowed;
use crate::kubernetes::Clusters;

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
    /// Who this is, to other processes that work on the same account: the machine and its state folder.
    pub holder: String,
    /// Whom connections to data stores (Redis) trust, as PEM; none: the machine's own authorities.
    pub trusted: Option<Vec<u8>>,
    /// The folder of this run's state: what goes on between passes shows there how far it is. None: nowhere.
    pub state: Option<PathBuf>,
    /// The clusters of Kubernetes that may be spoken to; none where nothing is said.
    pub clusters: Clusters,
    /// The leave to run the manifest's commands; nobody has it where nothing is said.
    pub exec: Option<Allowed>,
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
        "no AWS credentials, neither in environment variables nor in the shared config and credentials files (profile {profile}), SSO, web identity, the container or the instance metadata services: set AWS_PROFILE, run `aws sso login`, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    NoCredentials { profile: String },
    #[error(
        "no AWS credentials ({why}), from the first that is set up of environment variables, the shared config and credentials files (profile {profile}), SSO, web identity, the container and the instance metadata services: mend that one, run `aws sso login`, or choose another profile with AWS_PROFILE"
    )]
    ProviderFailed { profile: String, why: String },
    #[error("no AWS credentials from {provider} ({why}): {what_to_do}, or choose another profile with AWS_PROFILE")]
    NothingFrom { provider: String, why: String, what_to_do: String },
    #[error(
        "AWS refused the credentials of {source_name} ({why}), which are expired or wrong: sign in again (`aws sso login`) or renew them there, then run the same command"
    )]
    Refused { source_name: String, why: String },
    #[error(
        "AWS refuses the credentials of {caller} since this run began ({code}), most likely as they ran out, and what was read until then is not all: sign in again (`aws sso login`) or renew them, then run the same command"
    )]
    RanOut { caller: String, code: String },
    #[error(
        "the role {role} could not be assumed with the credentials of {source_name} ({why}): allow sts:AssumeRole on it to them, have its trust policy (and external id) name them, or correct spec.assumeRole"
    )]
    RoleRefused { role: String, source_name: String, why: String },
    #[error(
        "the manifest is for region {expected}, but {setting} says {found}: nothing was read or changed. Run with AWS_REGION={expected}, or correct spec.region; where manifests of several regions are run together, no setting may name one"
    )]
    WrongRegion { expected: String, found: String, setting: String },
    #[error(
        "the manifest is for account {expected}, but these credentials ({caller}) belong to account {found}: nothing was read or changed. Choose the other profile with AWS_PROFILE, or correct spec.account"
    )]
    WrongAccount { expected: String, found: String, caller: String },
    #[error(
        "the manifest is for account {expected}, but the sandbox holds account {found}: nothing was read or changed. Write {found} into spec.account to try the manifest there; or describe your account in a file, serve it (`holdfast sandbox serve --account FILE`), and run with AWS_ENDPOINT_URL in place of --sandbox"
    )]
    NotInSandbox { expected: String, found: String },
    #[error(
        "the profile {profile} that AWS_PROFILE names is in neither {files}{known}: nothing else was tried. Correct AWS_PROFILE, or unset it"
    )]
    NoProfile { profile: String, files: String, known: String },
    /// Without the value: a password can stand in it.
    #[error("what {setting} holds is no URL: nothing was read or changed. Write it as http://HOST:PORT or https://HOST, or unset it")]
    NoUrl { setting: String },
    #[error(
        "the certificates to be trusted that {setting} names cannot be taken ({path}: {why}): nothing was read or changed. Name a PEM file of certificates there, or unset it"
    )]
    NoBundle { setting: String, path: String, why: String },
    #[error("AWS could not be asked who the caller is: {0}")]
    Unreachable(CallError),
    #[error(
        "the endpoint {endpoint} could not be asked who the caller is ({error}): start what answers there, or correct the endpoint where it is named (AWS_ENDPOINT_URL or the profile)"
    )]
    NoEndpoint { endpoint: String, error: CallError },
}

/// Connects, and asks AWS who the caller is before anything else. A region that the caller's settings name must be the manifest's; the embedded AWS has
/// no settings of the caller's.
pub async fn connect(options: &ConnectOptions) -> Result<Connection, AccountError> {
    if options.embedded.is_none()
        && let Some((files, known)) = profile::missing().await
    {
        return Err(AccountError::NoProfile { profile: profile::name(), files, known });
    }
    if options.embedded.is_none()
        && let Some((found, setting)) = region::configured().await
        && found != options.region
    {
        return Err(AccountError::WrongRegion { expected: options.region.clone(), found, setting });
    }
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(options.region.clone()))
        // Trying again is ours: it is budgeted, and a write without an answer is never sent twice blindly.
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_attempt_timeout(Duration::from_secs(60)).build(),
        );
    if options.embedded.is_none()
        && let Some(client) = super::trust::client().await?
    {
        loader = loader.http_client(client);
    }
    if let Some(client) = &options.embedded {
        loader = loader
            .http_client(client.clone())
            .empty_test_environment()
            .credentials_provider(aws_credential_types::Credentials::new("SANDBOX", "sandbox", None, None, "sandbox"));
    }
    let mut config = loader.load().await;
    if let Some(setting) = super::endpoint::misnamed(&config).filter(|_| options.embedded.is_none()) {
        return Err(AccountError::NoUrl { setting });
    }
    let own = config.credentials_provider();
    if let Some(role) = &options.role {
        let mut provider = aws_config::sts::AssumeRoleProvider::builder(&role.arn).session_name("holdfast").configure(&config);
        if let Some(external_id) = &role.external_id {
            provider = provider.external_id(external_id);
        }
        let provider = provider.build().await;
        config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
    }
    let clock = options.clock.clone().unwrap_or_else(Clock::system);
    let reads = Reads::new(Clients::new(&config, Budget::new(options.pace).at(super::endpoint::of_all(&config)), clock, options));
    let who = match reads.sts().get_caller_identity(|request| request).await {
        Ok(who) => who,
        Err(error) => {
            let own = own.filter(|_| options.embedded.is_none());
            let refused = refusal(error, options, own).await;
            return Err(match (refused, super::endpoint::of_sts(&config)) {
                (AccountError::Unreachable(error), Some(endpoint)) => AccountError::NoEndpoint { endpoint, error },
                (refused, _) => refused,
            });
        }
    };
    let found = who.account().unwrap_or_default().to_owned();
    let caller = who.arn().unwrap_or_default().to_owned();
    if found != options.account {
        if options.embedded.is_some() {
            return Err(AccountError::NotInSandbox { expected: options.account.clone(), found });
        }
        return Err(AccountError::WrongAccount { expected: options.account.clone(), found, caller });
    }
    let partition = caller.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws").to_owned();
    Ok(Connection { reads, caller, partition })
}

/// What it means that nobody could be asked, in one sentence that says whose credentials were tried and what to do.
async fn refusal(error: CallError, options: &ConnectOptions, own: Option<SharedCredentialsProvider>) -> AccountError {
    let profile = profile::name();
    if error.class == Class::Credentials
        && matches!(error.code.as_str(), "NoCredentials" | "ProviderFailed")
        && options.embedded.is_none()
        && let Some(tried) = provider::first_set_up().await
    {
        let why = tried.trouble.unwrap_or(error.message);
        return AccountError::NothingFrom { provider: tried.provider, why, what_to_do: tried.what_to_do };
    }
    match (error.class, error.code.as_str()) {
        (Class::Credentials, "NoCredentials") => AccountError::NoCredentials { profile },
        // The last that is asked: whatever comes before it is not set up.
        (Class::Credentials, "ProviderFailed") if error.message.contains("IMDS") => AccountError::NothingFrom {
            provider: format!(
                "the instance metadata service, the last that is asked: neither environment variables nor the profile {profile} hold any"
            ),
            why: error.message,
            what_to_do: "run `aws sso login`, export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the instance a role".to_owned(),
        },
        (Class::Credentials, "ProviderFailed") => AccountError::ProviderFailed { profile, why: error.message },
        (Class::Credentials, "RoleRefused") => AccountError::RoleRefused {
            role: options.role.as_ref().map_or_else(|| format!("of the profile {profile}"), |role| role.arn.clone()),
            source_name: source_name(own).await,
            why: error.message,
        },
        (Class::Credentials | Class::Denied, code) => {
            AccountError::Refused { source_name: source_name(own).await, why: format!("{code}: {}", error.message) }
        }
        _ => AccountError::Unreachable(error),
    }
}

/// Where credentials came from, as their provider marked them; the sandbox has none of its own kind.
async fn source_name(provider: Option<SharedCredentialsProvider>) -> String {
    use AwsCredentialFeature as From;
    let Some(provider) = provider else { return "the sandbox".to_owned() };
    let profile = format!("the profile {}", profile::name());
    let Ok(credentials) = provider.provide_credentials().await else { return profile };
    let marks = credentials.get_property::<Vec<From>>().map(Vec::as_slice).unwrap_or_default();
    let has = |mark: &From| marks.contains(mark);
    if has(&From::CredentialsEnvVars) {
        "the environment variables (AWS_ACCESS_KEY_ID)".to_owned()
    } else if has(&From::CredentialsEnvVarsStsWebIdToken) {
        "the web identity token (AWS_WEB_IDENTITY_TOKEN_FILE)".to_owned()
    } else if has(&From::CredentialsHttp) {
        "the container's credentials service".to_owned()
    } else if has(&From::CredentialsImds) {
        "the instance metadata service".to_owned()
    } else {
        profile
    }
}
