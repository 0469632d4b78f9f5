//! How registries are reached: mirrors, registries without verified TLS, proxies, limits.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tierce_registry::{Config, Insecure, Mirror, Proxies};

use crate::document::Document;

/// The proxies. What is not given is taken from the environment.
#[expect(clippy::struct_field_names, reason = "the keys are dockerd's")]
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct ProxySettings {
    /// Proxy for registries of plain HTTP [default: HTTP_PROXY of the environment]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    http_proxy: Option<String>,
    /// Proxy for registries of HTTPS [default: HTTPS_PROXY of the environment]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    https_proxy: Option<String>,
    /// Hosts and address ranges without proxy, comma-separated [default: NO_PROXY of the environment]
    #[arg(long, value_name = "LIST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    no_proxy: Option<String>,
}

impl ProxySettings {
    /// Whether nothing was given.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// With the environment's values where there are none: for HTTP, for HTTPS, and the exceptions.
    fn values(&self) -> [String; 3] {
        let or_environment = |given: &Option<String>, name: &str| match given {
            Some(value) => value.clone(),
            None => [name.to_owned(), name.to_ascii_lowercase()]
                .iter()
                .find_map(|name| std::env::var(name).ok())
                .unwrap_or_default(),
        };
        [
            or_environment(&self.http_proxy, "HTTP_PROXY"),
            or_environment(&self.https_proxy, "HTTPS_PROXY"),
            or_environment(&self.no_proxy, "NO_PROXY"),
        ]
    }
}

/// The settings of the registry client.
pub(crate) fn client(document: &Document) -> Result<Config> {
    let mut config = Config::default();
    for registry in document.insecure_registries.iter().flatten() {
        config.insecure.push(registry.parse::<Insecure>()?);
    }
    config.mirrors = mirrors(document)?;
    let [http, https, exceptions] = document.proxies.values();
    config.proxies = match Proxies::new(&http, &https, &exceptions) {
        // The environment is not always meant for us, and no reason not to start.
        Err(error) if document.proxies.is_empty() => {
            tracing::warn!(%error, "the proxies of the environment are not used");
            Proxies::default()
        }
        proxies => proxies?,
    };
    if let Some(attempts) = document.max_download_attempts {
        if attempts < 0 {
            bail!("invalid max download attempts: {attempts}");
        }
        // 0 stands for the default, as with dockerd.
        if attempts > 0 {
            config.attempts = u32::try_from(attempts).context("max-download-attempts")?;
        }
    }
    Ok(config)
}

/// How many layers are moved at once; what is not given or 0 stays as it is.
pub(crate) fn limit_transfers(document: &Document, config: &mut tierce_image::Parallel) -> Result<()> {
    let settings = [
        (document.max_concurrent_downloads, &mut config.downloads, "downloads"),
        (document.max_concurrent_uploads, &mut config.uploads, "uploads"),
    ];
    for (given, limit, what) in settings {
        match given.map(usize::try_from) {
            None | Some(Ok(0)) => {}
            Some(Ok(given)) => *limit = given,
            Some(Err(_)) => bail!("invalid max concurrent {what}: {}", given.unwrap_or_default()),
        }
    }
    Ok(())
}

/// What `info` tells of registries.
pub(crate) fn facts(document: &Document, facts: &mut tierce_api::Facts) -> Result<()> {
    facts.insecure_registries = document.insecure_registries.clone().unwrap_or_default();
    facts.registry_mirrors = mirrors(document)?.iter().filter_map(Mirror::of_hub).collect();
    let [http, https, exceptions] = document.proxies.values();
    facts.http_proxy = masked(&http);
    facts.https_proxy = masked(&https);
    facts.no_proxy = exceptions;
    Ok(())
}

fn mirrors(document: &Document) -> Result<Vec<Mirror>> {
    let given = document.registry_mirrors.iter().flatten();
    Ok(given.map(|mirror| mirror.parse()).collect::<Result<_, _>>()?)
}

/// An address without its user and password, in dockerd's form (moby `daemon/config`, `MaskCredentials`).
pub(crate) fn masked(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), address),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}xxxxx:xxxxx@{host}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(json: &serde_json::Value) -> Document {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    fn row_094_registries_mirrors_proxies_and_limits_are_dockerds_keys() {
        let document = document(&json!({
            "registry-mirrors": ["https://hub.example", "quay.io=https://cache.example/quay"],
            "insecure-registries": ["10.0.0.0/8", "reg.example:5000"],
            "http-proxy": "http://u:secret@p:1", "https-proxy": "p:2", "no-proxy": ".in.example",
            "max-download-attempts": 2, "max-concurrent-downloads": 7, "max-concurrent-uploads": 0
        }));
        let config = client(&document).unwrap();
        assert_eq!(
            (config.attempts, config.mirrors.len(), config.insecure.len()),
            (2, 2, 2)
        );
        let mut parallel = tierce_image::Parallel::default();
        let uploads = parallel.uploads;
        limit_transfers(&document, &mut parallel).unwrap();
        assert_eq!((parallel.downloads, parallel.uploads), (7, uploads));
        let mut told = tierce_api::Facts::default();
        facts(&document, &mut told).unwrap();
        assert_eq!(told.registry_mirrors, ["https://hub.example/"]);
        assert_eq!(told.http_proxy, "http://xxxxx:xxxxx@p:1");
        assert_eq!(told.no_proxy, ".in.example");
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for json in [
            json!({"registry-mirrors": ["quay.io"]}),
            json!({"insecure-registries": ["a/b"]}),
            json!({"https-proxy": "socks5://h:1"}),
            json!({"max-download-attempts": -1}),
        ] {
            assert!(client(&document(&json)).is_err(), "{json}");
        }
        let document = document(&json!({"max-concurrent-uploads": -1}));
        let mut parallel = tierce_image::Parallel::default();
        assert_eq!(
            limit_transfers(&document, &mut parallel).unwrap_err().to_string(),
            "invalid max concurrent uploads: -1"
        );
    }
}
