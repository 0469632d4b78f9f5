//! Where a repository may be found: mirrors, TLS, plain HTTP, in the order in which they are tried.

use crate::trust::Trust;
use crate::{Config, Error, Url, mirrors};
use tierce_oci::DEFAULT_DOMAIN;

/// One place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Root of the API; paths begin with `v2/` under it.
    pub(crate) base: Url,
    /// Path of the repository there.
    pub(crate) repository: String,
    /// A stand-in for the registry: gets no credentials, and any failure leads to the next endpoint.
    pub(crate) mirror: bool,
    /// Unverified TLS, plain HTTP and redirects to it are accepted.
    pub(crate) insecure: bool,
}

/// The endpoints of the repository `path` of the registry `domain`, the mirrors first.
pub(crate) fn candidates(
    config: &Config,
    trust: &Trust,
    domain: &str,
    path: &str,
    known_plain: bool,
) -> Result<Vec<Endpoint>, Error> {
    let mirrors = mirrors::places(&config.mirrors, domain, path).into_iter();
    let mut endpoints: Vec<Endpoint> = mirrors
        .map(|(base, repository)| Endpoint {
            insecure: trust.accepts(&base.authority()),
            base,
            repository,
            mirror: true,
        })
        .collect();
    for mut endpoint in origins(config, trust, domain, known_plain)? {
        path.clone_into(&mut endpoint.repository);
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

/// The registry `domain` itself. `known_plain` moves plain HTTP to the front, where it worked before.
pub(crate) fn origins(config: &Config, trust: &Trust, domain: &str, known_plain: bool) -> Result<Vec<Endpoint>, Error> {
    let endpoint = |base: Url, insecure| Endpoint {
        base,
        repository: String::new(),
        mirror: false,
        insecure,
    };
    if domain == DEFAULT_DOMAIN {
        let hub = config.hub.clone();
        let insecure = trust.accepts(&hub.authority());
        return Ok(vec![endpoint(hub, insecure)]);
    }
    let insecure = trust.accepts(domain);
    let secured = endpoint(Url::of_domain(domain, true)?, insecure);
    if !insecure {
        return Ok(vec![secured]);
    }
    let plain = endpoint(Url::of_domain(domain, false)?, insecure);
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
        let trust = Trust::new(std::sync::Arc::new(config.clone()));
        candidates(config, &trust, domain, "a/b", known_plain)
            .unwrap()
            .iter()
            .map(|endpoint| endpoint.base.to_string())
            .collect()
    }

    #[test]
    fn row_031_short_names_lead_to_the_hub_and_hosts_to_themselves() {
        let config = Config {
            mirrors: vec!["https://m.example".parse().unwrap()],
            ..Config::default()
        };
        assert_eq!(
            bases(&config, "docker.io", false),
            ["https://m.example/", "https://registry-1.docker.io/"]
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
