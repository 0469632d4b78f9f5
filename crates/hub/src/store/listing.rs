//! What is there: pages of names, referrers, and what a search shows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use serde::Serialize;
use tierce_oci::{Digest, ImageConfig};

use super::disk::Disk;
use super::document::{DESCRIPTION, shortened};
use super::error::Result;
use super::name::{Name, Tag};
use super::{Store, read};

/// Longest configuration that is read for the description of its image.
const LONGEST_CONFIG: u64 = 1 << 20;

/// A part of a list in its order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The entries.
    pub(crate) entries: Vec<String>,
    /// Whether there are more behind the last.
    pub(crate) more: bool,
}

/// What a list of referrers says of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Referrer {
    /// What kind of manifest it is.
    pub(crate) media_type: String,
    /// Its digest.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// What kind of thing it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) artifact_type: String,
    /// Its annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Store {
    /// At most `most` tags of a repository, those behind `last`, in the order of their bytes.
    ///
    /// # Errors
    /// When there is no such repository.
    pub(crate) fn tags(&self, name: &Name, last: &str, most: usize) -> Result<Page> {
        let index = read(&self.index);
        Ok(page(index.repository(name)?.tags.keys().map(Tag::as_str), last, most))
    }

    /// At most `most` repositories among those that `wanted` takes, those behind `last`, in the order of their bytes.
    pub(crate) fn repositories(&self, last: &str, most: usize, wanted: impl Fn(&Name) -> bool) -> Page {
        let index = read(&self.index);
        let names = index.repositories.keys().filter(|name| wanted(name));
        page(names.map(Name::as_str), last, most)
    }

    /// The manifests of a repository that are about `subject`, of one artifact type where one is given.
    pub(crate) fn referrers(&self, name: &Name, subject: &Digest, artifact_type: Option<&str>) -> Vec<Referrer> {
        let index = read(&self.index);
        let Some(repository) = index.repositories.get(name) else {
            return Vec::new();
        };
        let about = repository.manifests.iter().filter(|(_, held)| {
            let document = &held.document;
            document.subject.as_ref() == Some(subject)
                && artifact_type.is_none_or(|wanted| document.artifact_type == wanted)
        });
        about
            .map(|(digest, held)| Referrer {
                media_type: held.media_type.clone(),
                digest: digest.clone(),
                size: held.size,
                artifact_type: held.document.artifact_type.clone(),
                annotations: held.document.annotations.clone(),
            })
            .collect()
    }

    /// What the image of a repository says of itself: the annotation of its manifest, or else the label of its
    /// configuration; of `latest`, or else of the last tag. Empty when it says nothing.
    pub(crate) fn description(&self, name: &Name) -> String {
        let config = {
            let index = read(&self.index);
            let Some(repository) = index.repositories.get(name) else {
                return String::new();
            };
            let latest = repository.tags.iter().find(|(tag, _)| tag.as_str() == "latest");
            let Some((_, digest)) = latest.or_else(|| repository.tags.last_key_value()) else {
                return String::new();
            };
            let Some(held) = repository.manifests.get(digest) else {
                return String::new();
            };
            // An index has no configuration; its first image has.
            let image = held
                .document
                .children
                .iter()
                .find_map(|(child, _)| repository.manifests.get(child));
            let said = [Some(held), image]
                .into_iter()
                .flatten()
                .map(|held| &held.document.description);
            if let Some(description) = said.into_iter().find(|text| !text.is_empty()) {
                return description.clone();
            }
            held.document.config.clone().or_else(|| image?.document.config.clone())
        };
        config.and_then(|config| label(&self.disk, &config)).unwrap_or_default()
    }
}

/// What an image's configuration says that it is.
fn label(disk: &Disk, config: &Digest) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(disk.content(config)).ok()?;
    file.take(LONGEST_CONFIG).read_to_end(&mut bytes).ok()?;
    let labels = ImageConfig::from_json(&bytes).ok()?.config?.labels?;
    labels.get(DESCRIPTION).map(|text| shortened(text))
}

fn page<'a>(names: impl Iterator<Item = &'a str>, last: &str, most: usize) -> Page {
    let mut names = names.filter(|name| *name > last);
    let entries: Vec<String> = names.by_ref().take(most).map(str::to_owned).collect();
    Page {
        more: !entries.is_empty() && names.next().is_some(),
        entries,
    }
}
