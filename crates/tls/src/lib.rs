//! TLS settings from PEM files, and the one choice of cryptography.
//!
//! Who is trusted is said once, by [`Trust`]; who we are, by [`Identity`]. No I/O but reading the files that are named:
//! connections are their owners'.
//!
//! ```no_run
//! use std::path::Path;
//! use tierce_tls::{Authorities, Identity, Trust, client};
//!
//! # fn run() -> Result<(), tierce_tls::Error> {
//! let mut authorities = Authorities::default();
//! authorities.add(Path::new("ca.pem"))?;
//! let me = Identity::read(Path::new("cert.pem"), Path::new("key.pem"))?;
//! let config = client(Trust::In(authorities), Some(me))?;
//! # Ok(()) }
//! ```

mod authorities;
mod unverified;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use authorities::Authorities;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
pub use rustls::{ClientConfig, ClientConnection, ServerConfig};
pub use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tierce_fault::{Fault, Kind};

/// A file that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot load {}: {cause}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: String,
}

impl Error {
    fn new(path: &Path, cause: impl fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            cause: cause.to_string(),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Whose certificates are believed.
#[derive(Debug)]
pub enum Trust {
    /// Those that these authorities signed.
    In(Authorities),
    /// Anybody's: the other side is not looked at.
    Anybody,
}

/// A chain of certificates and the key of the first.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads both from PEM files. Whether they belong together is seen when they are used.
    ///
    /// # Errors
    /// A file that is missing or not PEM, and an encrypted key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        Self::from_pem((certificate, &read(certificate)?), (key, &read(key)?))
    }

    /// Takes both from the texts of PEM files; the paths are for errors.
    ///
    /// # Errors
    /// A text that is not PEM, and an encrypted key.
    pub fn from_pem(certificate: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, Error> {
        Ok(Self {
            certificate: certificate.0.to_owned(),
            chain: chain(certificate.0, certificate.1)?,
            key: PrivateKeyDer::from_pem_slice(key.1).map_err(|error| Error::new(key.0, error))?,
        })
    }
}

/// Settings of one who connects.
///
/// # Errors
/// A key that is not that of its certificate.
pub fn client(trust: Trust, identity: Option<Identity>) -> Result<ClientConfig, Error> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Path::new("TLS"), error))?;
    let builder = match trust {
        Trust::In(authorities) => builder.with_root_certificates(authorities.into_store()),
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(unverified::verifier(provider)),
    };
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(Identity {
            certificate,
            chain,
            key,
        }) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| Error::new(&certificate, error)),
    }
}

/// Settings of one who serves HTTP/1.1. Clients need a certificate of `clients`, if there are any.
///
/// # Errors
/// A key that is not that of its certificate; `clients` without a certificate.
pub fn server(identity: Identity, clients: Option<Authorities>) -> Result<ServerConfig, Error> {
    let Identity {
        certificate,
        chain,
        key,
    } = identity;
    let bad = |error: &dyn fmt::Display| Error::new(&certificate, error);
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities.into_store()), provider)
                .build()
                .map_err(|error| bad(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| bad(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The one place that chooses the cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::new(path, error))
}

fn chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<_, _> = CertificateDer::pem_slice_iter(text).collect();
    certificates.map_err(|error| Error::new(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_said_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let (missing, empty) = (directory.path().join("missing"), directory.path().join("empty"));
        std::fs::write(&empty, "").unwrap();
        let refused = |certificate: &Path, key: &Path| Identity::read(certificate, key).unwrap_err();
        assert_eq!(refused(&missing, &empty).path, missing);
        let error = refused(&empty, &empty);
        assert_eq!((error.path.as_path(), error.kind()), (empty.as_path(), Kind::Invalid));
        assert!(error.to_string().starts_with("cannot load /"), "{error}");
        assert_eq!(Authorities::default().add(&empty).unwrap(), 0);
        assert_eq!(Authorities::default().add(&missing).unwrap_err().path, missing);
    }

    #[test]
    fn one_certificate_that_cannot_be_used_spoils_no_others_where_that_is_asked() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, pem).unwrap();
        assert_eq!(Authorities::default().add_usable(pem.as_bytes()), 0);
        assert_eq!(Authorities::default().add(&file).unwrap_err().path, file);
    }
}
