//! Manifests at registries.

use super::documents::{Entry, ImageManifest, List, Platform};
use crate::credentials;
use crate::error::Error;
use tierce_oci::{Descriptor, Manifest, Reference, media_type};
use tierce_registry::{Client, Config, Credentials, Destination, FetchedManifest, Repository};
use tierce_settings::Settings;

/// A longer configuration is none; that of a large image has a few hundred kilobytes.
const LONGEST_CONFIGURATION: u64 = 8 << 20;

/// What is behind a name.
pub(super) enum Found {
    /// One image.
    Image(Box<ImageManifest>),
    /// A list of them, as the registry has it.
    List(Vec<Entry>),
}

/// A registry's client, in the user's name.
pub(super) struct Remote<'a> {
    settings: &'a Settings,
    client: Client,
}

impl<'a> Remote<'a> {
    /// A client for the registry of a reference; `insecure` = also without verified TLS.
    pub(super) fn of(settings: &'a Settings, reference: &Reference, insecure: bool) -> Result<Self, Error> {
        let mut config = Config::default();
        if insecure {
            config.insecure.push(reference.domain().parse().map_err(failed)?);
        }
        let client = Client::new(config).map_err(failed)?;
        Ok(Self { settings, client })
    }

    /// What the registry has behind a name.
    ///
    /// # Errors
    /// `no such manifest` in Docker's words; whatever else the registry says.
    pub(super) async fn find(&self, reference: &Reference) -> Result<Found, Error> {
        let repository = self.client.repository(reference, self.credentials_for(reference)?);
        let fetched = fetch(&repository, reference).await?;
        if media_type::is_index(&fetched.media_type) {
            let list: List = parse(reference, &fetched)?;
            return Ok(Found::List(list.manifests));
        }
        let image = image(&repository, reference, &fetched).await?;
        Ok(Found::Image(Box::new(image)))
    }

    /// The image behind a name.
    ///
    /// # Errors
    /// As [`Self::find`]; a list is none.
    pub(super) async fn image(&self, reference: &Reference) -> Result<ImageManifest, Error> {
        match self.find(reference).await? {
            Found::Image(image) => Ok(*image),
            Found::List(_) => Err(Error::failed(format!("{reference} is a manifest list"))),
        }
    }

    /// The image of a list's entry, told by the list's name and its digest; it runs on what the list says.
    pub(super) async fn member(&self, list: &Reference, entry: &Entry) -> Result<ImageManifest, Error> {
        let repository = self.client.repository(list, self.credentials_for(list)?);
        let fetched = repository.manifest(entry.digest.as_str()).await.map_err(failed)?;
        let reference = format!("{list}@{}", entry.digest);
        ImageManifest::new(reference, entry.clone(), &fetched.bytes)
    }

    /// The repository of a reference, to push to.
    pub(super) fn destination(&self, reference: &Reference) -> Result<Destination, Error> {
        Ok(self
            .client
            .repository_to_push(reference, self.credentials_for(reference)?))
    }

    fn credentials_for(&self, reference: &Reference) -> Result<Option<Credentials>, Error> {
        let found = credentials::for_image(self.settings, reference)?;
        Ok(found.map(|auth| Credentials::from_document(&auth.username, &auth.password, &auth.identity_token)))
    }
}

async fn fetch(repository: &Repository, reference: &Reference) -> Result<FetchedManifest, Error> {
    let name = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or(tierce_oci::DEFAULT_TAG).to_owned(),
    };
    repository.manifest(&name).await.map_err(|error| match error {
        tierce_registry::Error::Refused { status: 404, .. } => Error::failed(format!("no such manifest: {reference}")),
        error => failed(error),
    })
}

/// An image whose platform is that of its configuration.
async fn image(
    repository: &Repository,
    reference: &Reference,
    fetched: &FetchedManifest,
) -> Result<ImageManifest, Error> {
    let manifest: Manifest = parse(reference, fetched)?;
    let platform = match configuration(repository, &manifest.config).await? {
        // An artifact runs nowhere.
        Some(platform) if platform != Platform::default() => Some(platform),
        _ => None,
    };
    let entry = Entry {
        media_type: fetched.media_type.clone(),
        digest: fetched.digest.clone(),
        size: fetched.bytes.len() as u64,
        platform,
    };
    ImageManifest::new(reference.to_string(), entry, &fetched.bytes)
}

async fn configuration(repository: &Repository, config: &Descriptor) -> Result<Option<Platform>, Error> {
    let bytes = repository
        .read_blob(config, LONGEST_CONFIGURATION, "configuration")
        .await
        .map_err(failed)?;
    Ok(serde_json::from_slice(&bytes).ok())
}

fn parse<T: serde::de::DeserializeOwned>(reference: &Reference, fetched: &FetchedManifest) -> Result<T, Error> {
    serde_json::from_slice(&fetched.bytes)
        .map_err(|error| Error::failed(format!("cannot read the manifest of {reference}: {error}")))
}

/// What a registry's client said.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn failed(error: tierce_registry::Error) -> Error {
    Error::failed(error.to_string())
}
