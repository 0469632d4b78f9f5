//! Which registries may be spoken to without verified TLS, or without TLS.

use crate::Config;
use crate::config::host_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The settings, and what the name service said of registries' names. A range of addresses is meant for names that lead
/// there too, as for dockerd: who sets one trusts the name service.
pub(crate) struct Trust {
    config: Arc<Config>,
    /// Whether the name of a registry (`host[:port]`) led into an insecure range when it was last looked up.
    by_address: Mutex<HashMap<String, bool>>,
}

impl Trust {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            by_address: Mutex::default(),
        }
    }

    /// Whether the registry `domain` (`host[:port]`) needs no verified TLS.
    pub(crate) fn accepts(&self, domain: &str) -> bool {
        let by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        self.config.is_insecure(domain) || by_address.get(domain).copied().unwrap_or_default()
    }

    /// Looks up where the name of a registry leads, if that can matter.
    pub(crate) async fn look_up(&self, domain: &str) {
        let host = host_of(domain);
        if !self.config.has_insecure_ranges() || host.parse::<IpAddr>().is_ok() || self.config.is_insecure(domain) {
            return;
        }
        // The port has no meaning for the answer. A name that is not found is told of by the connection.
        let found = tokio::net::lookup_host((host, 443)).await;
        let inside = found.is_ok_and(|mut found| found.any(|address| self.config.is_insecure_address(address.ip())));
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        by_address.insert(domain.to_owned(), inside);
    }
}
