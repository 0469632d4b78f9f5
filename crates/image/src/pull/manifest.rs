//! Choosing and checking the manifest of one image.

use crate::Error;
use tierce_oci::{Descriptor, ImageConfig, Index, Manifest, Platform, Reference, media_type};
use tierce_registry::{FetchedManifest, Repository};

/// More layers than any driver can stack.
const MOST_LAYERS: usize = 1000;

/// What BuildKit marks attestations by.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// An index may lead to another one, as the specification allows and dockerd follows.
const DEEPEST_INDEX: usize = 3;

/// The manifest of one image, checked for what can be checked in it alone.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) manifest: Manifest,
    shown: String,
}

/// The manifest in `fetched`, or the one for `wanted` when that is an index.
pub(crate) async fn choose(
    repository: &Repository,
    fetched: FetchedManifest,
    wanted: &Platform,
    reference: &Reference,
) -> Result<Chosen, Error> {
    let mut fetched = fetched;
    for _ in 0..DEEPEST_INDEX {
        if !media_type::is_index(&fetched.media_type) {
            break;
        }
        let mut index = Index::from_json(&fetched.bytes)?;
        // Most have no platform of this world, and all are about an image instead of being one.
        index
            .manifests
            .retain(|entry| entry.annotations.get(REFERENCE_TYPE).map(String::as_str) != Some("attestation-manifest"));
        let entry = index.choose(wanted).ok_or_else(|| Error::NoPlatform {
            platform: wanted.to_string(),
        })?;
        // Its digest says which it is; sizes in lists made by hand are often wrong, and dockerd does not look at them.
        fetched = repository
            .manifest(entry.digest.as_str())
            .await
            .map_err(|error| super::translated(error, reference))?;
    }
    check(&fetched, reference)
}

fn check(fetched: &FetchedManifest, reference: &Reference) -> Result<Chosen, Error> {
    let shown = reference.familiar();
    let unusable = |cause: String| Error::Unusable {
        reference: shown.clone(),
        cause,
    };
    match fetched.media_type.as_str() {
        media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => {}
        media_type::DOCKER_MANIFEST_V1 | media_type::DOCKER_MANIFEST_V1_SIGNED => {
            return Err(Error::Schema1);
        }
        media_type if media_type::is_index(media_type) => {
            return Err(unusable(format!(
                "its indexes lead on to others, more than {DEEPEST_INDEX} deep"
            )));
        }
        other => return Err(unusable(format!("unsupported manifest media type {other:?}"))),
    }
    let manifest = Manifest::from_json(&fetched.bytes)?;
    // Registries have served configurations under the last two.
    let config_type = manifest.config.media_type.as_str();
    if !matches!(
        config_type,
        media_type::OCI_CONFIG | media_type::DOCKER_CONFIG | "" | "application/octet-stream" | "text/html"
    ) {
        return Err(unusable(format!(
            "unsupported media type {config_type:.100} of its configuration: it is no container image"
        )));
    }
    if !manifest.config.digest.is_sha256() {
        return Err(unusable(format!(
            "unsupported digest algorithm {}",
            manifest.config.digest.algorithm()
        )));
    }
    if manifest.layers.len() > MOST_LAYERS {
        return Err(unusable(format!("it has {} layers", manifest.layers.len())));
    }
    manifest.layers.iter().try_for_each(check_layer).map_err(unusable)?;
    Ok(Chosen { manifest, shown })
}

fn check_layer(layer: &Descriptor) -> Result<(), String> {
    let digest = &layer.digest;
    if media_type::is_foreign_layer(&layer.media_type) {
        return Err(format!(
            "layer {digest} is a foreign layer, which is not fetched from other places"
        ));
    }
    if !digest.is_sha256() {
        return Err(format!("unsupported digest algorithm of layer {digest}"));
    }
    let known = matches!(
        layer.media_type.as_str(),
        media_type::OCI_LAYER
            | media_type::OCI_LAYER_GZIP
            | media_type::OCI_LAYER_ZSTD
            | media_type::DOCKER_LAYER
            | media_type::DOCKER_LAYER_GZIP
            | media_type::DOCKER_LAYER_ZSTD
    );
    if known {
        Ok(())
    } else {
        Err(format!(
            "unsupported media type {:.100} of layer {digest}",
            layer.media_type
        ))
    }
}

/// Reads a configuration and checks that it belongs to the manifest.
pub(crate) fn check_config(chosen: &Chosen, raw: &[u8]) -> Result<ImageConfig, Error> {
    let config = ImageConfig::from_json(raw).map_err(|error| Error::Unusable {
        reference: chosen.shown.clone(),
        cause: error.to_string(),
    })?;
    if !config.os.is_empty() && config.os != "linux" {
        return Err(Error::OperatingSystem {
            os: config.os.chars().take(100).collect(),
        });
    }
    let (layers, diff_ids) = (chosen.manifest.layers.len(), &config.rootfs.diff_ids);
    if layers != diff_ids.len() {
        let cause = format!(
            "the manifest has {layers} of them, the configuration {}",
            diff_ids.len()
        );
        return Err(Error::Mismatch { cause });
    }
    if let Some(diff_id) = diff_ids.iter().find(|diff_id| !diff_id.0.is_sha256()) {
        return Err(Error::Mismatch {
            cause: format!("unsupported digest algorithm of {diff_id}"),
        });
    }
    // History is checked here, so that `history` cannot fail on an image that was accepted.
    let made = config.history.iter().filter(|entry| !entry.empty_layer).count();
    if made > layers {
        return Err(Error::Mismatch {
            cause: format!("its history makes {made} layers, it has {layers}"),
        });
    }
    Ok(config)
}
