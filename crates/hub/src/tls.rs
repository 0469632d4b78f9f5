//! TLS of the listeners.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate with its key, to serve with.
#[derive(Clone)]
pub struct Certificate(pub(crate) TlsAcceptor);

impl Certificate {
    /// Reads a chain of certificates and its key from PEM files.
    ///
    /// # Errors
    /// When a file is missing or not PEM, or the key is not that of the certificate.
    pub fn read(chain: &Path, key: &Path) -> Result<Self> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect)
            .with_context(|| format!("read certificates of {}", chain.display()))?;
        let private = PrivateKeyDer::from_pem_file(key).with_context(|| format!("read the key {}", key.display()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("choose versions of TLS")?
            .with_no_client_auth()
            .with_single_cert(certificates, private)
            .with_context(|| format!("use {} with {}", chain.display(), key.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
