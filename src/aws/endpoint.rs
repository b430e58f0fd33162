//! An endpoint that the user names (`AWS_ENDPOINT_URL`: a test server, a proxy, `holdfast sandbox serve`) is taken as it is.
//!
//! By itself the SDK puts the account before S3 Control's host and the bucket before S3's, names that nothing but AWS's own DNS resolves.

use aws_sdk_s3control::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};

use super::operations::Clients;

#[derive(Debug)]
struct AsNamed(String);

impl ResolveEndpoint for AsNamed {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(Endpoint::builder().url(self.0.clone()).build()))
    }
}

/// The endpoint that requests go to where it is not AWS's own: from the environment or the profile, as the SDK reads them.
pub async fn named() -> Option<String> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).region(aws_config::Region::new("us-east-1")).load().await;
    let everything = config.endpoint_url().map(bare);
    // Endpoints of one service each, of which the configuration as a whole does not tell.
    let mut single: Vec<String> =
        variables().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL_")).map(|(name, url)| format!("{name}={}", bare(&url))).collect();
    single.sort();
    let all: Vec<String> = everything.into_iter().chain(single).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// The variables that name an endpoint, where they hold something. What is no text is shown as far as it is one: then it is no URL either.
fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let set = std::env::vars_os().map(move |(name, url)| (text(name), text(url)));
    set.filter(|(name, url)| (name == "AWS_ENDPOINT_URL" || name.starts_with("AWS_ENDPOINT_URL_")) && !url.is_empty())
}

/// The endpoint of a configuration, as it may be shown.
pub(super) fn of_all(config: &aws_config::SdkConfig) -> Option<String> {
    config.endpoint_url().map(bare)
}

/// The endpoint that the question who the caller is goes to, where it is not AWS's own.
pub(super) fn of_sts(config: &aws_config::SdkConfig) -> Option<String> {
    let single = std::env::var("AWS_ENDPOINT_URL_STS").ok().filter(|url| !url.is_empty());
    single.as_deref().or(config.endpoint_url()).map(bare)
}

/// The setting that names an endpoint which is no URL, where there is one. The SDK would find out with the first request, and try that again and again;
/// of a variable that holds none its configuration does not even tell.
pub(super) fn misnamed(config: &aws_config::SdkConfig) -> Option<String> {
    let variable = variables().find_map(|(name, url)| (!is_url(&url)).then_some(name));
    variable.or_else(|| config.endpoint_url().filter(|url| !is_url(url)).map(|_| "endpoint_url of the profile".to_owned()))
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

/// Has S3 and S3 Control talk to the endpoint that was named, where one was.
pub(super) fn as_named(clients: &mut Clients, config: &aws_config::SdkConfig) {
    let Some(url) = config.endpoint_url() else { return };
    let control = aws_sdk_s3control::config::Builder::from(config).endpoint_resolver(AsNamed(url.to_owned())).build();
    clients.s3control = aws_sdk_s3control::Client::from_conf(control);
    let path_style = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    clients.s3 = aws_sdk_s3::Client::from_conf(path_style);
}

#[cfg(test)]
mod tests {
    use super::{bare, is_url};

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
