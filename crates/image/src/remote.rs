//! What a registry is asked without pulling anything: what is behind a name, a search, whether credentials are good.

use crate::{Credentials, Error, Images};
use tierce_oci::{Descriptor, ImageConfig, Index, Manifest, Platform, Reference, media_type};
use tierce_registry::{Found, Secret};

/// Larger configurations are not looked into.
const LONGEST_CONFIG: u64 = 16 << 20;

/// What a registry has behind a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// What it runs on.
    pub platforms: Vec<Platform>,
}

/// What to search for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `[registry/]words`.
    pub term: String,
    /// At most so many; 25 when absent.
    pub limit: Option<i64>,
    /// Only those that Docker publishes, or only the others.
    pub official: Option<bool>,
    /// Only those with so many stars.
    pub stars: i64,
    /// Who asks; anonymous when absent.
    pub credentials: Option<Credentials>,
}

impl Images {
    /// Asks the registry of `reference` what it has behind the name.
    ///
    /// # Errors
    /// Failures of the registry, in its own words as dockerd tells them.
    pub async fn look_up(&self, reference: &Reference, credentials: Option<Credentials>) -> Result<Remote, Error> {
        let reference = reference.clone().with_default_tag();
        let repository = self.reach.terms().registry.repository(&reference, credentials);
        let asked = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or_default().to_owned(),
        };
        let fetched = repository.manifest(&asked).await?;
        let platforms = match fetched.media_type.as_str() {
            kind if media_type::is_index(kind) => {
                let entries = Index::from_json(&fetched.bytes)?.manifests;
                entries.into_iter().filter_map(|entry| entry.platform).collect()
            }
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => {
                let manifest = Manifest::from_json(&fetched.bytes)?;
                let raw = repository
                    .read_blob(&manifest.config, LONGEST_CONFIG, "image config")
                    .await?;
                // What is no container image runs on nothing.
                let config = ImageConfig::from_json(&raw).ok();
                let config = config.filter(|config| !config.architecture.is_empty());
                config.iter().map(ImageConfig::platform).collect()
            }
            _ => Vec::new(),
        };
        Ok(Remote {
            descriptor: Descriptor {
                media_type: fetched.media_type,
                digest: fetched.digest,
                size: fetched.bytes.len() as u64,
                platform: None,
                urls: Vec::new(),
                annotations: std::collections::BTreeMap::new(),
            },
            platforms,
        })
    }

    /// Searches an index.
    ///
    /// # Errors
    /// [`Error::BadSearch`] with Docker's texts; failures of the index.
    pub async fn search(&self, search: &Search) -> Result<Vec<Found>, Error> {
        if search.term.contains("://") {
            return Err(Error::BadSearch(format!(
                "invalid repository name: repository name ({}) should not have a scheme",
                search.term
            )));
        }
        let limit = search.limit.filter(|limit| *limit != 0).unwrap_or(25);
        let in_range = u32::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
        let in_range =
            in_range.ok_or_else(|| Error::BadSearch(format!("limit {limit} is outside the range of [1, 100]")))?;
        let credentials = search.credentials.as_ref();
        let mut found = self
            .reach
            .terms()
            .registry
            .search(&search.term, in_range, credentials)
            .await?;
        found.retain(|one| {
            search.official.is_none_or(|official| official == one.is_official) && one.star_count >= search.stars
        });
        Ok(found)
    }

    /// Tries credentials at a registry; see [`tierce_registry::Client::log_in`].
    ///
    /// # Errors
    /// Failures of the registry.
    pub async fn log_in(&self, server: &str, credentials: &Credentials) -> Result<Option<Secret>, Error> {
        Ok(self.reach.terms().registry.log_in(server, credentials).await?)
    }
}
