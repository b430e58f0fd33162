//! Whose certificates are believed where the caller names a bundle (`AWS_CA_BUNDLE`, or `ca_bundle` of the profile: a company's proxy, a test server), as the
//! AWS CLI and other SDKs take it. The SDK for Rust looks at neither.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::AccountError;

/// The SDK's own client, but believing the caller's bundle in place of the machine's authorities; nothing where none is named.
pub(super) async fn client() -> Result<Option<SharedHttpClient>, AccountError> {
    let Some((setting, path)) = named().await else { return Ok(None) };
    let refused = |why: String| AccountError::NoBundle { setting: setting.clone(), path: path.clone(), why };
    let pem = tokio::fs::read(&path).await.map_err(|error| refused(error.to_string()))?;
    certificates(&pem).map_err(&refused)?;
    let store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(store).build().map_err(|error| refused(error.to_string()))?;
    // As the SDK makes its own: `aws_smithy_runtime::client::http::default_https_client`.
    Ok(Some(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })))
}

/// The bundle's path, and what names it.
async fn named() -> Option<(String, String)> {
    if let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        return Some(("AWS_CA_BUNDLE".to_owned(), path.to_string_lossy().into_owned()));
    }
    let profiles = aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), None).await.ok()?;
    let path = profiles.get("ca_bundle").filter(|path| !path.is_empty())?;
    Some(("ca_bundle of the profile".to_owned(), path.to_owned()))
}

/// The SDK panics on what is no certificate.
fn certificates(pem: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::certificates;

    #[test]
    fn a_bundle_holds_certificates_and_nothing_that_is_none() {
        let pem = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
        assert_eq!(certificates(format!("# ours\n{pem}{pem}").as_bytes()), Ok(()));
        for wrong in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &pem.replace("MII", "MI")] {
            assert!(certificates(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
