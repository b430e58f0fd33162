//! Bytes to and from a node, encrypted or not.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Endpoint, Tls};

pub enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects; what is wrong is said in words.
    pub async fn connect(to: &Endpoint) -> Result<Stream, String> {
        let worded = |error: std::io::Error| error.to_string();
        let tcp = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(worded)?;
        tcp.set_nodelay(true).map_err(worded)?;
        let Tls::On { roots } = &to.login.tls else { return Ok(Stream::Plain(tcp)) };
        let host = ServerName::try_from(to.host.clone()).map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        let config = config.with_root_certificates(trusted(roots.as_deref())?).with_no_client_auth();
        let stream = TlsConnector::from(Arc::new(config)).connect(host, tcp).await.map_err(worded)?;
        Ok(Stream::Encrypted(Box::new(stream)))
    }

    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Encrypted(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Reads what there is into the buffer's free room. 0: the node has closed the connection.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read_buf(buffer).await,
            Stream::Encrypted(stream) => stream.read_buf(buffer).await,
        }
    }

    /// Whether it is open and nothing comes in, as it is between two questions.
    pub fn is_quiet(&self) -> bool {
        let tcp = match self {
            Stream::Plain(stream) => stream,
            Stream::Encrypted(stream) => stream.get_ref().0,
        };
        matches!(tcp.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// Whose certificates count: those of a PEM text, or the machine's own.
fn trusted(pem: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match pem {
        Some(pem) => {
            for root in CertificateDer::pem_slice_iter(pem) {
                roots.add(root.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
                return Err(error.to_string());
            }
            roots.add_parsable_certificates(found.certs);
        }
    }
    Ok(roots)
}
