//! What only the composition root knows, for `info` and `version`.

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
}
