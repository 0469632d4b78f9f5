//! TLS of the listeners.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use tierce_tls::Identity;
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
        let config = tierce_tls::server(Identity::read(chain, key)?, None)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
