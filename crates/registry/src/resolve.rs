//! From a tag or digest to the bytes of a manifest.

use crate::retry::Attempts;
use crate::{Error, Repository};
use bytes::Bytes;
use http::{HeaderName, header};
use serde::Deserialize;
use tierce_oci::{Digest, media_type};

/// The limit of other clients and registries.
const LONGEST_MANIFEST: u64 = 4 << 20;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// What is understood, Docker's own form first as Docker has it. The last two are asked for only to be refused by name.
const ACCEPT: &[&str] = &[
    media_type::DOCKER_MANIFEST,
    media_type::DOCKER_LIST,
    media_type::OCI_INDEX,
    media_type::OCI_MANIFEST,
    media_type::DOCKER_MANIFEST_V1_SIGNED,
    "application/json",
];

/// A manifest or index as the registry served it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedManifest {
    /// What it says it is; one of [`media_type`]'s, or something unknown.
    pub media_type: String,
    /// Digest of [`Self::bytes`], computed here.
    pub digest: Digest,
    /// The document.
    pub bytes: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

impl Repository {
    /// Fetches the manifest of a tag or digest.
    ///
    /// # Errors
    /// Any of [`Error`]; [`Error::WrongDigest`] when the bytes are not those of the digest.
    pub async fn manifest(&self, tag_or_digest: &str) -> Result<FetchedManifest, Error> {
        let what = format!("manifests/{tag_or_digest}");
        let config = self.client().config();
        let mut attempts = Attempts::new(config.attempts, config.timeouts);
        loop {
            match self.fetch_manifest(&what, tag_or_digest).await {
                // A registry that is busy may serve in a moment; one that is not there is reported at once.
                Err(error @ Error::Refused { .. }) => tokio::time::sleep(attempts.after(error)?).await,
                Err(error) if is_about_content(&error) && self.pass_over() => {
                    tracing::warn!(%error, "a mirror is passed over");
                }
                other => return other,
            }
        }
    }

    async fn fetch_manifest(&self, what: &str, tag_or_digest: &str) -> Result<FetchedManifest, Error> {
        let answer = self.get(what, ACCEPT, 0).await?;
        let url = answer.url.shown();
        let content_type = answer.header(header::CONTENT_TYPE).map(essence);
        let announced = answer
            .header(CONTENT_DIGEST)
            .and_then(|text| text.parse::<Digest>().ok());
        let object = format!("manifest {tag_or_digest}");
        let bytes = answer.into_bytes(&object, LONGEST_MANIFEST).await?;
        let digest = Digest::sha256_of(&bytes);
        let wanted = tag_or_digest.parse::<Digest>().ok();
        if let Some(unsupported) = wanted.as_ref().filter(|wanted| !wanted.is_sha256()) {
            let cause = format!("digest algorithm {} is not supported", unsupported.algorithm());
            return Err(Error::Malformed { url, cause });
        }
        let expected = wanted.or_else(|| announced.filter(Digest::is_sha256));
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(Error::WrongDigest {
                url,
                object: "manifest",
                expected,
                actual: digest,
            });
        }
        let media_type = media_type_of(content_type, &bytes).map_err(|cause| Error::Malformed { url, cause })?;
        Ok(FetchedManifest {
            media_type,
            digest,
            bytes,
        })
    }
}

/// Whether an answer came that is of no use.
fn is_about_content(error: &Error) -> bool {
    matches!(
        error,
        Error::Malformed { .. } | Error::WrongDigest { .. } | Error::TooLarge { .. }
    )
}

/// A media type without its parameters.
fn essence(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn is_known(media_type: &str) -> bool {
    media_type::is_index(media_type)
        || matches!(
            media_type,
            media_type::OCI_MANIFEST
                | media_type::DOCKER_MANIFEST
                | media_type::DOCKER_MANIFEST_V1
                | media_type::DOCKER_MANIFEST_V1_SIGNED
        )
}

/// What a document is. The header, the member `mediaType` and the shape must not tell different stories: a document
/// that is a manifest to one reader and an index to another can smuggle an image past a scanner (CVE-2021-41190).
pub(crate) fn media_type_of(content_type: Option<String>, bytes: &[u8]) -> Result<String, String> {
    // serde would read an array as the members in order; no other reader does.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err("the manifest is no JSON object".to_owned());
    }
    let shape: Shape = serde_json::from_slice(bytes).map_err(|error| format!("the manifest is no JSON: {error}"))?;
    let is_image = shape.config.is_some() || shape.layers.is_some();
    if is_image && shape.manifests.is_some() {
        return Err("the document is a manifest and an index at once".to_owned());
    }
    let by_header = content_type.filter(|media_type| is_known(media_type));
    let by_member = shape.media_type.filter(|media_type| !media_type.is_empty());
    let media_type = match (by_header, by_member) {
        (Some(header), Some(member)) if header != member => {
            return Err(format!("it was served as {header} but says it is {member:.100}"));
        }
        (Some(header), _) => header,
        (None, Some(member)) => member,
        (None, None) if shape.schema_version == 1 => media_type::DOCKER_MANIFEST_V1.to_owned(),
        (None, None) if is_image => media_type::OCI_MANIFEST.to_owned(),
        (None, None) if shape.manifests.is_some() => media_type::OCI_INDEX.to_owned(),
        (None, None) => return Err("the document is neither a manifest nor an index".to_owned()),
    };
    if media_type::is_index(&media_type) && is_image {
        return Err("the document says it is an index but has the members of a manifest".to_owned());
    }
    if matches!(
        media_type.as_str(),
        media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST
    ) && shape.manifests.is_some()
    {
        return Err("the document says it is a manifest but has the members of an index".to_owned());
    }
    Ok(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(content_type: Option<&str>, json: &serde_json::Value) -> Result<String, String> {
        media_type_of(content_type.map(essence), json.to_string().as_bytes())
    }

    #[test]
    fn row_028_all_four_types_are_asked_for_and_known() {
        for media_type in [
            media_type::DOCKER_MANIFEST,
            media_type::DOCKER_LIST,
            media_type::OCI_INDEX,
            media_type::OCI_MANIFEST,
        ] {
            assert!(ACCEPT.contains(&media_type) && is_known(media_type), "{media_type}");
        }
    }

    #[test]
    fn header_member_and_shape_must_agree() {
        use serde_json::json;
        let manifest = json!({"schemaVersion": 2, "config": {}, "layers": []});
        let index = json!({"schemaVersion": 2, "manifests": []});
        assert_eq!(
            of(
                Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
                &manifest
            )
            .unwrap(),
            media_type::OCI_MANIFEST
        );
        assert_eq!(of(Some("text/plain"), &manifest).unwrap(), media_type::OCI_MANIFEST);
        assert_eq!(of(None, &index).unwrap(), media_type::OCI_INDEX);
        assert_eq!(
            of(None, &json!({"schemaVersion": 1, "fsLayers": []})).unwrap(),
            media_type::DOCKER_MANIFEST_V1
        );
        assert!(of(Some(media_type::OCI_INDEX), &manifest).is_err());
        assert!(of(Some(media_type::OCI_MANIFEST), &index).is_err());
        let both = json!({"schemaVersion": 2, "config": {}, "layers": [], "manifests": []});
        assert!(of(Some(media_type::OCI_MANIFEST), &both).is_err());
        let lying = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "config": {}});
        assert!(of(Some(media_type::OCI_MANIFEST), &lying).is_err());
        assert!(of(None, &json!({})).is_err());
        assert!(of(None, &json!([1])).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_manifest_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = media_type_of(None, &bytes);
        }
    }
}
