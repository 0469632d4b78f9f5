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
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tierce_tls::{Authorities, ClientConfig, Identity, ServerName};
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
    let files = host_files(config, authority);
    let trust = if unverified {
        // The administrator marked the registry insecure.
        tierce_tls::Trust::Anybody
    } else {
        tierce_tls::Trust::In(authorities(&files)?)
    };
    Ok(tierce_tls::client(trust, identity(&files)?)?)
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

fn authorities(files: &[PathBuf]) -> Result<Authorities, Error> {
    let (mut authorities, unread) = Authorities::of_this_machine();
    for error in unread {
        tracing::warn!(%error, "a certificate authority of this machine cannot be read");
    }
    for path in files.iter().filter(|path| has_extension(path, "crt")) {
        authorities.add(path)?;
    }
    Ok(authorities)
}

fn identity(files: &[PathBuf]) -> Result<Option<Identity>, Error> {
    // Docker's words.
    let is_alone = |key: &&PathBuf| has_extension(key, "key") && !key.with_extension("cert").exists();
    if let Some(key) = files.iter().find(is_alone) {
        let certificate = key.with_extension("cert");
        let cause = format!("missing client certificate {} for key", certificate.display());
        return Err(bad(key, cause));
    }
    let Some(certificate) = files.iter().find(|path| has_extension(path, "cert")) else {
        return Ok(None);
    };
    let key = certificate.with_extension("key");
    if !key.exists() {
        let cause = format!("missing key {} for client certificate", key.display());
        return Err(bad(certificate, cause));
    }
    Ok(Some(Identity::read(certificate, &key)?))
}

fn bad(path: &Path, cause: String) -> Error {
    Error::Certificate(tierce_tls::Error {
        path: path.to_owned(),
        cause,
    })
}
