//! Under which address a registry's credentials are kept.

use tierce_oci::DEFAULT_DOMAIN;

/// Under which Docker Hub's credentials are kept.
pub const HUB: &str = "https://index.docker.io/v1/";

/// The address under which credentials for a registry are kept.
pub fn address_of(domain: &str) -> &str {
    if domain == DEFAULT_DOMAIN || domain == "index.docker.io" {
        HUB
    } else {
        domain
    }
}

/// The host of an address, which older clients wrote with scheme and path.
pub fn host_of(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    address.split('/').next().unwrap_or(address)
}
