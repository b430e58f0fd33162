//! An endpoint that the user names (`AWS_ENDPOINT_URL`: a test server, a proxy, `holdfast sandbox serve`) is taken as it is.
//!
//! By itself the SDK puts the account before S3 Control's host and the bucket before S3's, names that nothing but AWS's own DNS resolves.

use aws_sdk_s3control::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_types::service_config::ServiceConfigKey;

use super::operations::Clients;

#[derive(Debug)]
struct AsNamed(String);

impl ResolveEndpoint for AsNamed {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(Endpoint::builder().url(self.0.clone()).build()))
    }
}

/// The services that are asked, as the SDK calls them.
const SERVICES: [&str; 12] =
    ["CloudTrail", "ECS", "ElastiCache", "GuardDuty", "KMS", "RDS", "S3", "S3 Control", "SNS", "SSM", "STS", "Secrets Manager"];

/// The endpoint that requests go to where it is not AWS's own: from the environment or the profile, as the SDK reads them.
pub async fn named() -> Option<String> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).region(aws_config::Region::new("us-east-1")).load().await;
    let everything = config.endpoint_url().map(bare);
    // Endpoints of one service each, of which the configuration as a whole does not tell.
    let single = SERVICES.iter().filter_map(|service| {
        let own = of(&config, service).filter(|own| Some(own.as_str()) != config.endpoint_url())?;
        Some(format!("{}={}", variable(service), bare(&own)))
    });
    let all: Vec<String> = everything.into_iter().chain(single).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// The variable that names the endpoint of one service.
fn variable(service: &str) -> String {
    format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase().replace(' ', "_"))
}

/// The endpoint of one service, where it is not AWS's own: its own setting before the one for all, the variables before the profile, none where the
/// settings say that they are to be ignored. As the SDK's clients read it, but that a profile calls a service `s3_control`
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html>), which they look for under `s3-control`.
fn of(config: &aws_config::SdkConfig, service: &str) -> Option<String> {
    let service = service.replace(' ', "_");
    let key = ServiceConfigKey::builder().service_id(&service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let own = config.service_config().and_then(|settings| settings.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty())
}

/// The endpoint of a configuration, as it may be shown.
pub(super) fn of_all(config: &aws_config::SdkConfig) -> Option<String> {
    config.endpoint_url().map(bare)
}

/// The endpoint that the question who the caller is goes to, where it is not AWS's own.
pub(super) fn of_sts(config: &aws_config::SdkConfig) -> Option<String> {
    of(config, "STS").as_deref().map(bare)
}

/// The setting that names an endpoint which is no URL, where there is one. The SDK would find out with the first request, and try that again and again;
/// of a variable that holds none its configuration does not even tell.
pub(super) fn misnamed(config: &aws_config::SdkConfig) -> Option<String> {
    let set = |name: &str| std::env::var_os(name).filter(|url| !url.is_empty());
    let all = "AWS_ENDPOINT_URL".to_owned();
    // The SDK takes what is no text for not set.
    let mut variables = SERVICES.iter().map(|service| variable(service)).chain([all.clone()]);
    if let Some(name) = variables.find(|name| set(name).is_some_and(|url| url.to_str().is_none())) {
        return Some(name);
    }
    let service = SERVICES.iter().find(|service| of(config, service).is_some_and(|url| !is_url(&url)))?;
    let wrong = |name: &String| set(name).is_some_and(|url| !url.to_str().is_some_and(is_url));
    Some([variable(service), all].into_iter().find(wrong).unwrap_or_else(|| "endpoint_url of the profile".to_owned()))
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty()))
}

/// An endpoint as it may be shown and kept: a password can stand before the host, a token in the query.
fn bare(url: &str) -> String {
    let uri = url.parse::<http::Uri>().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16(), uri.path())));
    match parts {
        Some((scheme, host, Some(port), path)) => format!("{scheme}://{host}:{port}{}", path.trim_end_matches('/')),
        Some((scheme, host, None, path)) => format!("{scheme}://{host}{}", path.trim_end_matches('/')),
        None => "(an address that is no URL)".to_owned(),
    }
}

/// Has those that the SDK would not, or not as they are named, talk to the endpoints that were named, where one was.
pub(super) fn as_named(clients: &mut Clients, config: &aws_config::SdkConfig) {
    if let Some(url) = of(config, "S3 Control") {
        let control = aws_sdk_s3control::config::Builder::from(config).endpoint_resolver(AsNamed(url)).build();
        clients.s3control = aws_sdk_s3control::Client::from_conf(control);
    }
    if let Some(url) = of(config, "Secrets Manager") {
        let secrets = aws_sdk_secretsmanager::config::Builder::from(config).endpoint_url(url).build();
        clients.secretsmanager = aws_sdk_secretsmanager::Client::from_conf(secrets);
    }
    if of(config, "S3").is_some() {
        let path_style = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
        clients.s3 = aws_sdk_s3::Client::from_conf(path_style);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{SERVICES, bare, is_url};
    use crate::aws::Service;

    #[test]
    fn every_service_that_is_asked_has_an_endpoint_of_its_own() {
        let plain = |name: &str| name.to_ascii_lowercase().replace(' ', "");
        let asked: BTreeSet<String> =
            Service::ALL.iter().filter(|one| !matches!(one, Service::Kubernetes | Service::Exec)).map(|one| plain(one.name())).collect();
        assert_eq!(SERVICES.iter().map(|name| plain(name)).collect::<BTreeSet<_>>(), asked);
    }

    #[test]
    fn an_endpoint_is_a_url_of_http() {
        for (text, is) in [
            ("http://127.0.0.1:4566", true),
            ("https://vpce-1.s3.us-east-1.vpce.amazonaws.com", true),
            ("foo", false),
            ("localhost:4566", false),
            ("ftp://host", false),
            ("", false),
        ] {
            assert_eq!(is_url(text), is, "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_kept_without_what_may_be_a_secret() {
        assert_eq!(bare("http://user:s3cr3t@127.0.0.1:4566/aws?token=s3cr3t"), "http://127.0.0.1:4566/aws");
        assert_eq!(bare("https://aws.example"), "https://aws.example");
        assert_eq!(bare("http://[::1]:4566/"), "http://[::1]:4566");
        assert!(!bare("s3cr3t").contains("s3cr3t"));
    }
}
