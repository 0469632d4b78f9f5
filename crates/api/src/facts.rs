//! What only the composition root knows, for `info` and `version`.

use std::sync::{Arc, PoisonError, RwLock};

/// Version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Facts about the daemon that no part of the engine knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Id of this daemon, the same after each start.
    pub id: String,
    /// `nftables` or `none`.
    pub firewall: String,
    /// Registries without verified TLS: hosts and address ranges.
    pub insecure_registries: Vec<String>,
    /// Mirrors of Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// Proxy for HTTP, without user and password; empty for none.
    pub http_proxy: String,
    /// Proxy for HTTPS, likewise.
    pub https_proxy: String,
    /// Hosts without proxy.
    pub no_proxy: String,
    /// Labels of this daemon.
    pub labels: Vec<String>,
    /// Whether containers outlive this daemon.
    pub live_restore: bool,
    /// Whether features are served that Docker calls experimental: checkpoints.
    pub experimental: bool,
    /// Directories with CDI documents.
    pub cdi_spec_dirs: Vec<String>,
    /// What the administrator should know.
    pub warnings: Vec<String>,
}

/// The facts of the moment; a reload of the configuration changes them.
#[derive(Debug, Default)]
pub(crate) struct Shared(RwLock<Arc<Facts>>);

impl Shared {
    pub(crate) fn new(facts: Facts) -> Self {
        Self(RwLock::new(Arc::new(facts)))
    }

    /// As they are now.
    pub(crate) fn get(&self) -> Arc<Facts> {
        // The value is replaced as a whole.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, facts: Facts) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(facts);
    }
}
