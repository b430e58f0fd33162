//! The certificates that endpoints show: of an authority of the sandbox's own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::error::FleetError;

/// The authority, made once a fleet.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub file: PathBuf,
}

fn bad(error: impl std::fmt::Display) -> FleetError {
    FleetError::Certificate(error.to_string())
}

impl Authority {
    /// The authority that `folder` has, or a new one.
    pub fn of(folder: &Path) -> Result<Authority, FleetError> {
        let (file, key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
        let mut params = CertificateParams::new(Vec::new()).map_err(bad)?;
        params.distinguished_name.push(DnType::CommonName, "holdfast sandbox");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = match std::fs::read_to_string(&key_file) {
            // The certificate that is there was made from the same parameters.
            Ok(pem) if file.is_file() => KeyPair::from_pem(&pem).map_err(bad)?,
            _ => {
                let key = KeyPair::generate().map_err(bad)?;
                std::fs::write(&key_file, key.serialize_pem())?;
                std::fs::write(&file, params.self_signed(&key).map_err(bad)?.pem())?;
                key
            }
        };
        Ok(Authority { issuer: Issuer::new(params, key), file })
    }

    /// What a server needs that is reached at these addresses, and as localhost.
    pub fn server(&self, addresses: &[Ipv4Addr]) -> Result<Arc<ServerConfig>, FleetError> {
        let mut names: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
        names.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
        let key = KeyPair::generate().map_err(bad)?;
        let mut params = CertificateParams::new(names).map_err(bad)?;
        params.distinguished_name.push(DnType::CommonName, "holdfast sandbox node");
        let certificate = params.signed_by(&key, &self.issuer).map_err(bad)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(bad)?;
        Ok(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).map_err(bad)?))
    }
}
