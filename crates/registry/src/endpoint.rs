//! Where a registry may be found: mirrors, TLS, plain HTTP, in the order in which they are tried.

use crate::{Config, Error, Url};
use tierce_oci::DEFAULT_DOMAIN;

/// One place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Root of the API; paths begin with `v2/` under it.
    pub(crate) base: Url,
    /// A stand-in for the registry: gets no credentials, and any failure leads to the next endpoint.
    pub(crate) mirror: bool,
    /// Unverified TLS, plain HTTP and redirects to it are accepted.
    pub(crate) insecure: bool,
}

/// The endpoints of the registry `domain`. `known_plain` moves plain HTTP to the front, where it worked before.
pub(crate) fn candidates(config: &Config, domain: &str, known_plain: bool) -> Result<Vec<Endpoint>, Error> {
    let endpoint = |base: Url, mirror| Endpoint {
        insecure: config.is_insecure(&base.authority()),
        base,
        mirror,
    };
    if domain == DEFAULT_DOMAIN {
        let mirrors = config.mirrors.iter().map(|mirror| endpoint(mirror.clone(), true));
        return Ok(mirrors.chain([endpoint(config.hub.clone(), false)]).collect());
    }
    let insecure = config.is_insecure(domain);
    let secured = Endpoint {
        base: Url::of_domain(domain, true)?,
        mirror: false,
        insecure,
    };
    if !insecure {
        return Ok(vec![secured]);
    }
    let plain = Endpoint {
        base: Url::of_domain(domain, false)?,
        mirror: false,
        insecure,
    };
    Ok(if known_plain {
        vec![plain, secured]
    } else {
        vec![secured, plain]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(config: &Config, domain: &str, known_plain: bool) -> Vec<String> {
        candidates(config, domain, known_plain)
            .unwrap()
            .iter()
            .map(|endpoint| endpoint.base.to_string())
            .collect()
    }

    #[test]
    fn row_031_short_names_lead_to_the_hub_and_hosts_to_themselves() {
        let config = Config {
            mirrors: vec!["https://m.example/p/".parse().unwrap()],
            ..Config::default()
        };
        assert_eq!(
            bases(&config, "docker.io", false),
            ["https://m.example/p/", "https://registry-1.docker.io/"]
        );
        assert_eq!(
            bases(&config, "docker.elastic.co", false),
            ["https://docker.elastic.co/"]
        );
        assert_eq!(
            bases(&config, "127.0.0.1:5000", false),
            ["https://127.0.0.1:5000/", "http://127.0.0.1:5000/"]
        );
        assert_eq!(
            bases(&config, "localhost:5000", true),
            ["http://localhost:5000/", "https://localhost:5000/"]
        );
    }
}
