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

/// Has S3 and S3 Control talk to the endpoint that was named, where one was.
pub(super) fn as_named(clients: &mut Clients, config: &aws_config::SdkConfig) {
    let Some(url) = config.endpoint_url() else { return };
    let control = aws_sdk_s3control::config::Builder::from(config).endpoint_resolver(AsNamed(url.to_owned())).build();
    clients.s3control = aws_sdk_s3control::Client::from_conf(control);
    let path_style = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    clients.s3 = aws_sdk_s3::Client::from_conf(path_style);
}
