//! `manifest.json`: Docker's own list of the images in an archive.

use super::Plan;
use super::contents::{Contents, bad};
use crate::Error;
use serde::Deserialize;
use tierce_oci::{ImageId, Reference};

/// More layers than any driver can stack.
const MOST_LAYERS: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    #[serde(default)]
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
    #[serde(default)]
    parent: Option<String>,
}

/// The images that the archive lists.
pub(super) fn plans(contents: &Contents) -> Result<Vec<Plan>, Error> {
    let bytes = contents.document_of("manifest.json")?;
    let items: Option<Vec<Item>> =
        serde_json::from_slice(bytes).map_err(|error| bad(format!("failed to decode manifest.json: {error}")))?;
    let items = items
        .ok_or_else(|| Error::BadArchive("invalid manifest, manifest cannot be null (but can be [])".to_owned()))?;
    items.into_iter().map(|item| plan(contents, item)).collect()
}

fn plan(contents: &Contents, item: Item) -> Result<Plan, Error> {
    let layers = item.layers.unwrap_or_default();
    if layers.len() > MOST_LAYERS {
        return Err(bad(format!("an image of it has {} layers", layers.len())));
    }
    let tags = item.repo_tags.unwrap_or_default();
    let names = tags.iter().map(|tag| {
        let reference = Reference::parse(tag)?;
        if reference.tag().is_none() || reference.digest().is_some() {
            return Err(Error::BadArchive(format!("invalid tag {tag:.300?}")));
        }
        Ok(reference)
    });
    Ok(Plan {
        config: contents.document_of(&item.config)?.to_vec(),
        layers,
        names: names.collect::<Result<_, _>>()?,
        parent: item.parent.and_then(|parent| parent.parse().ok()).map(ImageId),
    })
}
