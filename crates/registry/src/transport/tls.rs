//! TLS settings by host: the machine's certificate authorities, those of `certs.d`, client certificates.
//!
//! ```text
//! certs.d/<host[:port]>/ca.crt          more certificate authorities (any *.crt)
//! certs.d/<host[:port]>/client.cert     client certificate chain ...
//! certs.d/<host[:port]>/client.key      ... and its key (any pair of *.cert and *.key)
//! ```

use crate::config::host_of;
use crate::trust::Trust;
use crate::{Config, Error, Url};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsConnector;

pub(crate) struct Tls {
    config: Arc<Config>,
    trust: Arc<Trust>,
    /// By host and port, and whether it is trusted unseen.
    made: Mutex<HashMap<(String, bool), Arc<ClientConfig>>>,
}

impl Tls {
    pub(crate) fn new(config: Arc<Config>, trust: Arc<Trust>) -> Self {
        Self {
            config,
            trust,
            made: Mutex::default(),
        }
    }

    /// The connector and the name to verify for `url`.
    pub(crate) async fn connector(&self, url: &Url) -> Result<(TlsConnector, ServerName<'static>), Error> {
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| Error::Unreachable {
            url: url.shown(),
            cause: format!("tls: {:?} is no host name", url.host()),
        })?;
        let authority = url.authority();
        let unverified = self.trust.accepts(&authority);
        let key = (authority, unverified);
        let made = self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(settings) = made {
            return Ok((TlsConnector::from(settings), name));
        }
        let (config, host) = (self.config.clone(), key.0.clone());
        // Reads and parses some 150 files.
        let settings = tokio::task::spawn_blocking(move || settings_for(&config, &host, unverified))
            .await
            .map_err(|error| Error::Unreachable {
                url: url.shown(),
                cause: format!("tls: {error}"),
            })??;
        let settings = Arc::new(settings);
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, settings.clone());
        Ok((TlsConnector::from(settings), name))
    }
}

fn settings_for(config: &Config, authority: &str, unverified: bool) -> Result<ClientConfig, Error> {
    // The one place that chooses the cryptography provider.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::BadConfig {
            what: "TLS",
            value: authority.to_owned(),
            cause: error.to_string(),
        })?;
    let files = host_files(config, authority);
    let builder = if unverified {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    } else {
        builder.with_root_certificates(authorities(&files)?)
    };
    match client_pair(&files)? {
        None => Ok(builder.with_no_client_auth()),
        Some((path, chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| Error::Certificate {
                path,
                cause: error.to_string(),
            }),
    }
}

/// The files of `certs.d` for a host, sorted by name.
fn host_files(config: &Config, authority: &str) -> Vec<PathBuf> {
    // The name becomes part of a path; a host has no reason for such characters.
    if authority.contains(['/', '\0']) || host_of(authority).starts_with('.') {
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = config
        .certificate_directories
        .iter()
        .filter_map(|directory| std::fs::read_dir(directory.join(authority)).ok())
        .flat_map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())))
        .collect();
    files.sort();
    files
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn bad(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::Certificate {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

fn authorities(files: &[PathBuf]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a certificate authority of this machine cannot be read");
    }
    store.add_parsable_certificates(native.certs);
    for path in files.iter().filter(|path| has_extension(path, "crt")) {
        for certificate in read_chain(path)? {
            store.add(certificate).map_err(|error| bad(path, &error))?;
        }
    }
    Ok(store)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(path)
        .map_err(|error| bad(path, &error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(path, &error))
}

type Pair = (PathBuf, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_pair(files: &[PathBuf]) -> Result<Option<Pair>, Error> {
    let is_alone = |key: &&PathBuf| has_extension(key, "key") && !key.with_extension("cert").exists();
    if let Some(key) = files.iter().find(is_alone) {
        let certificate = key.with_extension("cert");
        // Docker's words.
        return Err(bad(
            key,
            &format!("missing client certificate {} for key", certificate.display()),
        ));
    }
    let Some(path) = files.iter().find(|path| has_extension(path, "cert")) else {
        return Ok(None);
    };
    let key_path = path.with_extension("key");
    if !key_path.exists() {
        // Docker's words.
        return Err(bad(
            path,
            &format!("missing key {} for client certificate", key_path.display()),
        ));
    }
    let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|error| bad(&key_path, &error))?;
    Ok(Some((path.clone(), read_chain(path)?, key)))
}

/// Accepts any certificate, for registries that the administrator marked insecure.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
