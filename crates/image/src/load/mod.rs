//! Load: the images of an archive that `save` (of Docker, podman, skopeo, or ours) has written.
//!
//! The archive is read once, as it comes: what looks like a layer is unpacked at once into a directory of its own, what
//! looks like a document is kept in memory ([`contents`]). At its end the documents say which layers make which image
//! ([`docker`] for `manifest.json`, [`oci`] for an OCI layout); those are checked, registered from the bottom up, and
//! the rest is thrown away. Layers that are here already are neither unpacked nor registered again.
//!
//! The archive is hostile: names in it are keys of a table and never paths of a file system; every digest that is
//! claimed is checked; documents, entries and links are bounded ([`contents`]), layers as in a pull.
//!
//! Source: moby `daemon/internal/image/tarexport/load.go`; its texts.

mod contents;
mod docker;
mod oci;
mod sniff;

use crate::under_way::UnderWay;
use crate::{Error, Images, Loaded, Message, Progress};
use contents::Contents;
use std::io::Read;
use std::sync::Arc;
use tierce_oci::{ChainId, Digest, ImageConfig, ImageId, Platform, Reference};

/// One image of an archive.
struct Plan {
    /// Its configuration, to the byte.
    config: Vec<u8>,
    /// Names of its layers in the archive, bottom first.
    layers: Vec<String>,
    /// Names to give it.
    names: Vec<Reference>,
    /// The image that it was made from, when that is in the archive too.
    parent: Option<ImageId>,
}

impl Images {
    /// Loads the images of an archive, those for `platform` if it is given. Compression is told by the first bytes.
    ///
    /// # Errors
    /// [`Error::BadArchive`] with Docker's texts, [`Error::Layer`] when a layer cannot be unpacked. Images that were
    /// complete before the failure stay.
    pub fn load(
        self: &Arc<Self>,
        input: impl Read + Send,
        platform: Option<&Platform>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Vec<Loaded>, Error> {
        let mut contents = Contents::read(self, input, progress)?;
        let plans = if contents.has("manifest.json") {
            docker::plans(&contents)?
        } else if contents.has("index.json") && contents.has("oci-layout") {
            oci::plans(&contents, platform.unwrap_or(&self.config.platform))?
        } else {
            return Err(Error::BadArchive(
                "invalid archive: does not contain a manifest.json".to_owned(),
            ));
        };
        let mut loaded: Vec<Loaded> = Vec::new();
        let mut parents = Vec::new();
        for plan in plans {
            let config = checked_config(&plan)?;
            if platform.is_some_and(|platform| config.platform().distance(platform) != Some(0)) {
                continue;
            }
            let one = load_one(self, &plan, &config, &mut contents, progress)?;
            parents.extend(plan.parent.map(|parent| (one.id.clone(), parent)));
            loaded.push(one);
        }
        for (id, parent) in parents
            .into_iter()
            .filter(|(_, parent)| loaded.iter().any(|one| one.id == *parent))
        {
            set_checked_parent(self, &id, &parent)?;
        }
        // Docker names the ids only when the last image has no name.
        if loaded.last().is_some_and(|last| last.names.is_empty()) {
            for one in &loaded {
                progress.report(Message::output(format!("Loaded image ID: {}\n", one.id)));
            }
        }
        Ok(loaded)
    }
}

/// Registers the layers of one image, and records and names it.
fn load_one(
    images: &Arc<Images>,
    plan: &Plan,
    config: &ImageConfig,
    contents: &mut Contents,
    progress: &Arc<dyn Progress>,
) -> Result<Loaded, Error> {
    let diff_ids = &config.rootfs.diff_ids;
    if plan.layers.len() != diff_ids.len() {
        return Err(Error::BadArchive(format!(
            "invalid manifest, layers length mismatch: expected {}, got {}",
            plan.layers.len(),
            diff_ids.len()
        )));
    }
    let chains = ChainId::stack(diff_ids);
    let id = ImageId(Digest::sha256_of(&plan.config));
    let named = (!plan.names.is_empty()).then_some(&id);
    let (under_way, _) = UnderWay::begin(images.clone(), "load").hold(&chains, named)?;
    for (index, chain) in chains.iter().enumerate() {
        if images.layers.has(chain) {
            continue;
        }
        let (actual, ingest) = contents.layer(&plan.layers[index])?;
        if actual != diff_ids[index] {
            return Err(Error::BadArchive(format!(
                "invalid diffID for layer {index}: expected \"{}\", got \"{actual}\"",
                diff_ids[index]
            )));
        }
        let below = index.checked_sub(1).map(|below| &chains[below]);
        images.layers.register(ingest, below)?;
        contents.registered(&actual, chain);
    }
    let mut familiar = Vec::new();
    {
        let _change = images.change();
        images.records.insert(&plan.config, config)?;
        for name in &plan.names {
            let before = images.names.get(name).filter(|before| *before != id);
            if let Some(before) = before {
                progress.report(Message::output(format!(
                    "The image {} already exists, renaming the old one with ID {before} to empty string\n",
                    name.familiar()
                )));
            }
            familiar.push(name.familiar());
        }
        let entries: Vec<_> = plan.names.iter().map(|name| (name.clone(), id.clone())).collect();
        images.names.set(&entries)?;
        if named.is_none() {
            images.journal.keep(&id)?;
        }
    }
    under_way.finish()?;
    for name in &familiar {
        progress.report(Message::output(format!("Loaded image: {name}\n")));
    }
    Ok(Loaded { id, names: familiar })
}

/// Notes what an image was made from, if their histories agree.
fn set_checked_parent(images: &Images, id: &ImageId, parent: &ImageId) -> Result<(), Error> {
    let (child, above) = (images.get(id)?, images.get(parent)?);
    let (ours, theirs) = (&child.config.history, &above.config.history);
    let fits = (ours.is_empty() && theirs.is_empty())
        || (ours.len() == theirs.len() + 1 && ours[..theirs.len()] == theirs[..]);
    if !fits {
        return Err(Error::BadArchive(format!(
            "image {parent} is not a valid parent for {id}"
        )));
    }
    let _change = images.change();
    images.records.set_parent(id, parent)
}

/// Reads a configuration and checks what a pull checks of it.
fn checked_config(plan: &Plan) -> Result<ImageConfig, Error> {
    let bad = |cause: String| Error::BadArchive(format!("invalid archive: {cause}"));
    let config = ImageConfig::from_json(&plan.config).map_err(|error| bad(error.to_string()))?;
    if !config.os.is_empty() && config.os != "linux" {
        let os: String = config.os.chars().take(100).collect();
        return Err(Error::BadArchive(format!("cannot load {os} image on linux")));
    }
    let diff_ids = &config.rootfs.diff_ids;
    if let Some(odd) = diff_ids.iter().find(|diff_id| !diff_id.0.is_sha256()) {
        return Err(bad(format!("unsupported digest algorithm of {odd}")));
    }
    let made = config.history.iter().filter(|entry| !entry.empty_layer).count();
    if made > diff_ids.len() {
        return Err(bad(format!(
            "its history makes {made} layers, it has {}",
            diff_ids.len()
        )));
    }
    Ok(config)
}

#[cfg(test)]
mod tests;
