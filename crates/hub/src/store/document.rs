//! What a manifest says, as far as a registry has to know.

use std::collections::BTreeMap;

use serde::Deserialize;
use tierce_oci::{Descriptor, Digest, Extra, Index, Manifest, json, media_type};

use super::error::{Error, Result};

/// Longest manifest; what docker-registry and the specification's conformance suite take as the limit.
pub(crate) const LONGEST_MANIFEST: usize = 4 << 20;
/// Longest description that is kept for a search.
const LONGEST_DESCRIPTION: usize = 1000;
/// The annotation, or label of a configuration, that describes an image.
pub(super) const DESCRIPTION: &str = "org.opencontainers.image.description";

/// What is kept in memory of a manifest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Document {
    /// Blobs that it needs: configuration and layers, but those that are fetched elsewhere.
    pub(super) blobs: Vec<(Digest, u64)>,
    /// Manifests that it needs, of an index.
    pub(super) children: Vec<(Digest, u64)>,
    /// The configuration, of an image.
    pub(super) config: Option<Digest>,
    /// What it is about, where it is about another manifest.
    pub(super) subject: Option<Digest>,
    /// Its kind, as a list of referrers gives it.
    pub(super) artifact_type: String,
    /// Its annotations, where it has a subject.
    pub(super) annotations: BTreeMap<String, String>,
    /// Its description for people.
    pub(super) description: String,
}

/// The members that say what a document is, whatever it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
}

/// The media type of a manifest, and what it says; `sent` is the request's `Content-Type`.
///
/// # Errors
/// [`Error::ManifestInvalid`], [`Error::ManifestTooLong`].
pub(super) fn read(sent: Option<&str>, bytes: &[u8]) -> Result<(String, Document)> {
    if bytes.len() > LONGEST_MANIFEST {
        return Err(Error::ManifestTooLong(LONGEST_MANIFEST));
    }
    let head: Head = json::parse("manifest", bytes)?;
    if head.schema_version != 2 {
        return Err(Error::ManifestInvalid(format!(
            "it is of schema version {}, not 2: push it with a newer client",
            head.schema_version
        )));
    }
    let said = head.media_type.filter(|text| !text.is_empty());
    let sent = sent.filter(|text| !text.is_empty());
    let Some(media_type) = sent.or(said.as_deref()).map(str::to_owned) else {
        return Err(Error::ManifestInvalid(
            "neither Content-Type nor mediaType says what it is".to_owned(),
        ));
    };
    let kind = essence(&media_type);
    if said.as_deref().is_some_and(|said| said != kind) {
        let said = said.unwrap_or_default();
        return Err(Error::ManifestInvalid(format!(
            "its mediaType is {said:?}, but it was sent as {kind:?}"
        )));
    }
    let document = match kind {
        media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => image(bytes)?,
        media_type::OCI_INDEX | media_type::DOCKER_LIST => index(bytes)?,
        _ => {
            return Err(Error::ManifestInvalid(format!(
                "media type {kind:?} is no manifest's or index's"
            )));
        }
    };
    Ok((media_type, document))
}

fn image(bytes: &[u8]) -> Result<Document> {
    let manifest = Manifest::from_json(bytes)?;
    let mut blobs = vec![(manifest.config.digest.clone(), manifest.config.size)];
    for layer in &manifest.layers {
        // Its bytes may be elsewhere only, and then nobody can push them.
        if !media_type::is_foreign_layer(&layer.media_type) {
            blobs.push((layer.digest.clone(), layer.size));
        }
    }
    blobs.sort();
    blobs.dedup();
    let (subject, mut artifact_type, annotations) = shared(&manifest.extra)?;
    if artifact_type.is_empty() {
        artifact_type = manifest.config.media_type;
    }
    let description = described(&annotations);
    Ok(Document {
        blobs,
        children: Vec::new(),
        config: Some(manifest.config.digest),
        annotations: if subject.is_some() {
            annotations
        } else {
            BTreeMap::new()
        },
        subject,
        artifact_type,
        description,
    })
}

fn index(bytes: &[u8]) -> Result<Document> {
    let index = Index::from_json(bytes)?;
    let mut children: Vec<_> = index
        .manifests
        .into_iter()
        .map(|child| (child.digest, child.size))
        .collect();
    children.sort();
    children.dedup();
    let (subject, artifact_type, annotations) = shared(&index.extra)?;
    let description = described(&annotations);
    Ok(Document {
        children,
        annotations: if subject.is_some() {
            annotations
        } else {
            BTreeMap::new()
        },
        subject,
        artifact_type,
        description,
        ..Document::default()
    })
}

/// Subject, artifact type and annotations, which images and indexes have alike.
fn shared(extra: &Extra) -> Result<(Option<Digest>, String, BTreeMap<String, String>)> {
    fn member<T: Default + serde::de::DeserializeOwned>(extra: &Extra, name: &str) -> Result<T> {
        match extra.get(name) {
            None | Some(serde_json::Value::Null) => Ok(T::default()),
            Some(value) => T::deserialize(value).map_err(|error| Error::ManifestInvalid(format!("{name}: {error}"))),
        }
    }
    let subject: Option<Descriptor> = member(extra, "subject")?;
    Ok((
        subject.map(|subject| subject.digest),
        member(extra, "artifactType")?,
        member(extra, "annotations")?,
    ))
}

fn described(annotations: &BTreeMap<String, String>) -> String {
    annotations
        .get(DESCRIPTION)
        .map(|text| shortened(text))
        .unwrap_or_default()
}

/// A description as long as a search shows at most.
pub(super) fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_DESCRIPTION)].to_owned()
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

impl From<tierce_oci::Error> for Error {
    fn from(error: tierce_oci::Error) -> Self {
        Self::ManifestInvalid(error.to_string())
    }
}
