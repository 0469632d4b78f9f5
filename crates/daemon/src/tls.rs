//! TLS of TCP sockets, by dockerd's rules. Source: moby `cmd/dockerd/options.go`, docker/go-connections `tlsconfig`.
//!
//! ```text
//!  --tls           --tlsverify       then
//!  absent, false   absent            no TLS
//!  true            absent, true      TLS; clients need a certificate of the CA
//!  any             true, or $DOCKER_TLS_VERIFY   the same
//!  any             false             TLS; clients need nothing
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use tierce_tls::{Authorities, Identity, ServerConfig};

use crate::document::Document;

/// How much TCP sockets protect.
#[derive(Debug, Clone)]
pub(crate) enum Protection {
    /// Nothing. `meant`: somebody said so, by `--tls=false`.
    None { meant: bool },
    /// Encrypted; anybody may connect.
    Encrypted(Arc<ServerConfig>),
    /// Encrypted; only clients with a certificate of the CA.
    Verified(Arc<ServerConfig>),
}

impl Protection {
    /// The configuration of TLS, if there is any.
    pub(crate) fn config(&self) -> Option<&Arc<ServerConfig>> {
        match self {
            Self::None { .. } => None,
            Self::Encrypted(config) | Self::Verified(config) => Some(config),
        }
    }

    /// `HOST:PORT`, with the usual port where none is given.
    pub(crate) fn address(&self, host: &str, port: Option<u16>) -> String {
        let port = self.port(port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// The port, or the usual one.
    pub(crate) fn port(&self, given: Option<u16>) -> u16 {
        given.unwrap_or(if self.config().is_some() { 2376 } else { 2375 })
    }

    /// Reads the files that the document names.
    pub(crate) fn new(document: &Document) -> Result<Self> {
        match wanted(document) {
            None => Ok(Self::None {
                meant: document.tls == Some(false),
            }),
            Some(verify) => server(document, verify).context("invalid TLS configuration"),
        }
    }
}

/// Whether clients are verified; `None` without TLS.
fn wanted(document: &Document) -> Option<bool> {
    let by_environment = std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty());
    match (document.tls, document.tlsverify) {
        (_, Some(verify)) => Some(verify),
        (Some(true), None) => Some(true),
        (_, None) => by_environment.then_some(true),
    }
}

fn server(document: &Document, verify: bool) -> Result<Protection> {
    let clients = if verify {
        Some(authorities(&place(document.tlscacert.as_deref(), "ca.pem"))?)
    } else {
        None
    };
    let (certificate, key) = (
        place(document.tlscert.as_deref(), "cert.pem"),
        place(document.tlskey.as_deref(), "key.pem"),
    );
    let pair = format!(
        "X509 key pair (cert: {:?}, key: {:?})",
        certificate.display().to_string(),
        key.display().to_string()
    );
    let loading = || format!("Could not load {pair}");
    let texts = (
        read(&certificate).with_context(loading)?,
        read(&key).with_context(loading)?,
    );
    let bad = |tierce_tls::Error { path, cause }| {
        let hint = if path == key {
            ". Make sure the key is not encrypted."
        } else {
            ""
        };
        anyhow!("Error reading {pair}: {cause}{hint}")
    };
    let identity = Identity::from_pem((&certificate, &texts.0), (&key, &texts.1)).map_err(bad)?;
    let config = Arc::new(tierce_tls::server(identity, clients).map_err(bad)?);
    Ok(if verify {
        Protection::Verified(config)
    } else {
        Protection::Encrypted(config)
    })
}

/// The certificates that clients' ones must come from.
fn authorities(path: &Path) -> Result<Authorities> {
    let text = read(path).with_context(|| format!("could not read CA certificate {:?}", path.display().to_string()))?;
    let mut authorities = Authorities::default();
    if authorities.add_usable(&text) == 0 {
        bail!(
            "failed to append certificates from PEM file: {:?}",
            path.display().to_string()
        );
    }
    Ok(authorities)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("open {}", path.display()))
}

/// Where a file is: as given, or beside the client's own ones.
fn place(given: Option<&Path>, name: &str) -> PathBuf {
    if let Some(given) = given.filter(|path| !path.as_os_str().is_empty()) {
        return given.to_owned();
    }
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    from("DOCKER_CERT_PATH")
        .or_else(|| from("DOCKER_CONFIG"))
        .unwrap_or_else(|| from("HOME").unwrap_or_else(|| "/root".into()).join(".docker"))
        .join(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn protection(document: serde_json::Value) -> Result<Protection> {
        Protection::new(&serde_json::from_value(document).unwrap())
    }

    #[test]
    fn row_085_what_cannot_be_used_is_refused_in_dockers_words() {
        assert!(matches!(
            protection(json!({})).unwrap(),
            Protection::None { meant: false }
        ));
        assert!(matches!(
            protection(json!({"tls": false})).unwrap(),
            Protection::None { meant: true }
        ));
        let refusal = |document| format!("{:#}", protection(document).unwrap_err());
        let text = refusal(json!({"tlsverify": true, "tlscacert": "/nonexistent/ca.pem"}));
        assert!(
            text.starts_with("invalid TLS configuration: could not read CA certificate \"/nonexistent/ca.pem\": open"),
            "{text}"
        );
        let text = refusal(json!({"tlsverify": false, "tlscert": "/nonexistent/c", "tlskey": "/nonexistent/k"}));
        assert!(
            text.starts_with(
                "invalid TLS configuration: Could not load X509 key pair (cert: \"/nonexistent/c\", key: \
                 \"/nonexistent/k\"): open /nonexistent/c"
            ),
            "{text}"
        );
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, "nothing").unwrap();
        let text = refusal(json!({"tls": true, "tlscacert": file}));
        assert!(
            text.contains("failed to append certificates from PEM file: \""),
            "{text}"
        );
    }

    #[test]
    fn tls_means_verification_unless_it_is_switched_off() {
        let wanted = |document| wanted(&serde_json::from_value(document).unwrap());
        assert_eq!(wanted(json!({"tls": true})), Some(true));
        assert_eq!(wanted(json!({"tls": true, "tlsverify": false})), Some(false));
        assert_eq!(wanted(json!({"tls": false, "tlsverify": true})), Some(true));
        assert_eq!(wanted(json!({"tlsverify": false})), Some(false));
    }
}
