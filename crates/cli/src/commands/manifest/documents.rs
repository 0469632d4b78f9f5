//! Manifests as they are kept here, and the lists that are made of them.
//!
//! The file of a manifest and the members of a list are those of Docker's command line, in its order.

use crate::error::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tierce_format::indent;
use tierce_oci::{Digest, Manifest, media_type};

/// A manifest with what is known of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ImageManifest {
    /// The full reference that it was found by.
    #[serde(rename = "Ref")]
    pub(super) reference: String,
    /// What it is, and what its image runs on.
    pub(super) descriptor: Entry,
    /// Its bytes, base64.
    #[serde(default)]
    raw: String,
    /// The same for readers, where it is Docker's.
    #[serde(rename = "SchemaV2Manifest", default, skip_serializing_if = "Option::is_none")]
    docker: Option<Box<RawValue>>,
    /// The same for readers, where it is OCI's.
    #[serde(rename = "OCIManifest", default, skip_serializing_if = "Option::is_none")]
    oci: Option<Box<RawValue>>,
}

/// What a manifest is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// Its media type.
    pub(super) media_type: String,
    /// Digest of its bytes.
    pub(super) digest: Digest,
    /// Their number.
    pub(super) size: u64,
    /// What the image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
}

/// What an image runs on, member by member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Platform {
    /// `amd64` and its like.
    pub(super) architecture: String,
    /// `linux` and its like.
    pub(super) os: String,
    /// Version of the operating system; Windows.
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub(super) os_version: String,
    /// What the operating system must have; Windows.
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub(super) os_features: Vec<String>,
    /// `v7`, `v8` and their like.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) variant: String,
}

/// A list of manifests.
#[derive(Deserialize)]
pub(super) struct List {
    /// Its members.
    #[serde(default)]
    pub(super) manifests: Vec<Entry>,
}

impl ImageManifest {
    /// A manifest from its bytes.
    ///
    /// # Errors
    /// When it is no JSON, or neither Docker's nor OCI's.
    pub(super) fn new(reference: String, descriptor: Entry, bytes: &[u8]) -> Result<Self, Error> {
        let document: Box<RawValue> = serde_json::from_slice(bytes)
            .map_err(|error| Error::failed(format!("cannot read the manifest of {reference}: {error}")))?;
        let (docker, oci) = match descriptor.media_type.as_str() {
            media_type::DOCKER_MANIFEST => (Some(document), None),
            media_type::OCI_MANIFEST => (None, Some(document)),
            _ => return Err(Error::failed(format!("unsupported manifest format: {reference}"))),
        };
        Ok(Self {
            reference,
            descriptor,
            raw: STANDARD.encode(bytes),
            docker,
            oci,
        })
    }

    /// Its bytes as the registry gave them.
    ///
    /// # Errors
    /// When the file that it comes from is damaged.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Error> {
        let bytes = STANDARD.decode(&self.raw).ok();
        bytes
            .filter(|bytes| Digest::sha256_of(bytes) == self.descriptor.digest)
            .ok_or_else(|| {
                Error::failed(format!(
                    "cannot use the manifest of {}: what is kept of it does not have the digest {}; create the list anew",
                    self.reference, self.descriptor.digest
                ))
            })
    }

    /// Digests of its configuration and layers.
    pub(super) fn blobs(&self) -> Result<Vec<Digest>, Error> {
        let manifest: Manifest = serde_json::from_slice(&self.bytes()?)
            .map_err(|error| Error::failed(format!("cannot read the manifest of {}: {error}", self.reference)))?;
        let layers = manifest.layers.into_iter().map(|layer| layer.digest);
        Ok(std::iter::once(manifest.config.digest).chain(layers).collect())
    }
}

/// A member of a list, in the order of its members.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    media_type: &'a str,
    size: u64,
    digest: &'a Digest,
    platform: Platform,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: Vec<Member<'a>>,
}

/// The list of these members, and its media type: OCI's where the first member is, else Docker's.
pub(super) fn list_of(entries: &[&Entry]) -> Result<(&'static str, String), Error> {
    let kind = match entries.first() {
        Some(entry) if entry.media_type == media_type::OCI_MANIFEST => media_type::OCI_INDEX,
        _ => media_type::DOCKER_LIST,
    };
    let member = |entry: &&'_ Entry| -> (String, u64, Digest, Platform) {
        (
            entry.media_type.clone(),
            entry.size,
            entry.digest.clone(),
            entry.platform.clone().unwrap_or_default(),
        )
    };
    let members: Vec<_> = entries.iter().map(member).collect();
    let manifests = members.iter().map(|(media_type, size, digest, platform)| Member {
        media_type,
        size: *size,
        digest,
        platform: platform.clone(),
    });
    let made = Made {
        schema_version: 2,
        media_type: kind,
        manifests: manifests.collect(),
    };
    Ok((kind, indented(&made, "   ")?))
}

/// A document over lines, as Go indents it.
pub(super) fn indented(document: &impl Serialize, step: &str) -> Result<String, Error> {
    let text = serde_json::to_string(document).map_err(|error| Error::failed(format!("write a manifest: {error}")))?;
    Ok(indent::indented_by(&text, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_the_bytes_of_dockers() {
        let entry = |architecture: &str, variant: &str| Entry {
            media_type: media_type::DOCKER_MANIFEST.to_owned(),
            digest: Digest::sha256_of(b""),
            size: 527,
            platform: Some(Platform {
                architecture: architecture.to_owned(),
                os: "linux".to_owned(),
                os_features: if variant.is_empty() {
                    Vec::new()
                } else {
                    vec!["a".to_owned()]
                },
                variant: variant.to_owned(),
                ..Platform::default()
            }),
        };
        let (kind, text) = list_of(&[&entry("amd64", ""), &entry("arm", "v7")]).unwrap();
        assert_eq!(kind, media_type::DOCKER_LIST);
        let expected = r#"{
   "schemaVersion": 2,
   "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
   "manifests": [
      {
         "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
         "size": 527,
         "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "platform": {
            "architecture": "amd64",
            "os": "linux"
         }
      },
      {
         "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
         "size": 527,
         "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "platform": {
            "architecture": "arm",
            "os": "linux",
            "os.features": [
               "a"
            ],
            "variant": "v7"
         }
      }
   ]
}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn damaged_files_are_told() {
        let bytes = br#"{"config":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}}"#;
        let entry = Entry {
            media_type: media_type::OCI_MANIFEST.to_owned(),
            digest: Digest::sha256_of(bytes),
            size: bytes.len() as u64,
            platform: None,
        };
        let manifest = ImageManifest::new("a/b:1".to_owned(), entry, bytes);
        let mut manifest = manifest.unwrap();
        assert_eq!(manifest.bytes().unwrap(), bytes);
        manifest.raw = "xx".to_owned();
        assert!(
            manifest
                .bytes()
                .unwrap_err()
                .to_string()
                .contains("create the list anew")
        );
    }
}
