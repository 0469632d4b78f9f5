//! TLS to a daemon: whom it trusts and who it is, from PEM texts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tierce_tls::{Authorities, ClientConfig, Identity, Trust};
use tokio_rustls::TlsConnector;

use crate::Error;

/// Files that TLS needs, as `--tlscacert`, `--tlscert` and `--tlskey` name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority whose certificates are trusted, and no others; `None`: those of this machine.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Whether the daemon's certificate is not looked at.
    pub skip_verify: bool,
}

/// Settings of TLS, made once for all connections.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error::Tls`] for a file that cannot be read or holds no certificate or key, and a certificate without its key.
    pub fn load(files: &TlsFiles) -> Result<Self, Error> {
        let trust = if files.skip_verify {
            // `--tls` without `--tlsverify`, as Docker's client.
            Trust::Anybody
        } else {
            Trust::In(authorities(files.ca.as_deref())?)
        };
        let identity = match (&files.cert, &files.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(Identity::read(cert, key)?),
            (Some(alone), None) => return Err(bad(alone, "its key is missing")),
            (None, Some(alone)) => return Err(bad(alone, "its certificate is missing")),
        };
        Ok(Self(Arc::new(tierce_tls::client(trust, identity)?)))
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.0.clone())
    }
}

fn bad(path: &Path, cause: &str) -> Error {
    Error::Tls(tierce_tls::Error {
        path: path.to_owned(),
        cause: cause.to_owned(),
    })
}

fn authorities(ca: Option<&Path>) -> Result<Authorities, Error> {
    let Some(path) = ca else {
        // What of the machine's own files cannot be read is not trusted.
        return Ok(Authorities::of_this_machine().0);
    };
    let mut authorities = Authorities::default();
    match authorities.add(path)? {
        0 => Err(bad(path, "no certificate is in it")),
        _ => Ok(authorities),
    }
}
