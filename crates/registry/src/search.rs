//! Search of an index: `GET /v1/search?q=…&n=…`, which Docker Hub still serves.
//!
//! Source: moby `daemon/pkg/registry/search.go`.

use crate::endpoint::origins;
use crate::transport::Call;
use crate::{Client, Credentials, Error, Url};
use serde::Deserialize;
use tierce_oci::DEFAULT_DOMAIN;

/// A hundred results have some 30 kB.
const LONGEST_ANSWER: u64 = 4 << 20;

/// One repository that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Name without the registry.
    pub name: String,
    /// What it is.
    pub description: String,
    /// How many people like it.
    pub star_count: i64,
    /// Whether Docker publishes it.
    pub is_official: bool,
    /// Whether only some may see it; such are not told of.
    is_private: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Option<Vec<Found>>,
}

impl Client {
    /// Searches for `term` (`[registry/]words`), at most `limit` repositories. Private ones are left out.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn search(&self, term: &str, limit: u32, credentials: Option<&Credentials>) -> Result<Vec<Found>, Error> {
        let (domain, words) = split(term);
        let bases = if domain == DEFAULT_DOMAIN {
            vec![(self.config().index.clone(), false)]
        } else {
            self.trust().look_up(domain).await;
            let endpoints = origins(self.config(), self.trust(), domain, false)?.into_iter();
            endpoints.map(|endpoint| (endpoint.base, endpoint.insecure)).collect()
        };
        let mut before = None;
        for (base, insecure) in bases {
            let url = base
                .under("v1/search")
                .with_query("q", words)
                .with_query("n", &limit.to_string());
            match self.search_at(url, insecure, credentials).await {
                Err(error @ (Error::Unreachable { .. } | Error::TimedOut { .. })) => {
                    before.get_or_insert(error);
                }
                other => return other,
            }
        }
        Err(before.unwrap_or_else(|| Error::BadConfig {
            what: "registry",
            value: domain.to_owned(),
            cause: "it has no endpoint".to_owned(),
        }))
    }

    async fn search_at(
        &self,
        url: Url,
        insecure: bool,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<Found>, Error> {
        let basic = credentials.and_then(Credentials::basic_header);
        let call = Call {
            authorization: basic.filter(|_| url.is_secure() || insecure),
            ..Call::get(url)
        };
        let shown = call.url.shown();
        let body = self
            .transport()
            .read(call, "list of repositories", LONGEST_ANSWER)
            .await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| Error::Malformed {
            url: shown,
            cause: format!("error decoding registry search results: {error}"),
        })?;
        let mut found = answer.results.unwrap_or_default();
        found.retain(|one| !one.is_private);
        Ok(found)
    }
}

/// Registry and words of a search term.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((domain, words)) if domain.contains(['.', ':']) || domain == "localhost" => (domain, words),
        _ => (DEFAULT_DOMAIN, term.strip_prefix("library/").unwrap_or(term)),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn terms_may_name_a_registry() {
        assert_eq!(split("alpine"), ("docker.io", "alpine"));
        assert_eq!(split("library/alpine"), ("docker.io", "alpine"));
        assert_eq!(split("some/one"), ("docker.io", "some/one"));
        assert_eq!(split("127.0.0.1:5000/a/b"), ("127.0.0.1:5000", "a/b"));
    }
}
