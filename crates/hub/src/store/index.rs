//! What the files of the store say, in memory: made from them at the start, and changed after them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tierce_oci::Digest;

use super::document::Document;
use super::error::{Error, Result};
use super::name::{Name, Tag, Which};

/// Most holders of one blob's leases; a further one takes the place of the one that ends first.
const MOST_LEASES: usize = 64;

/// Who may be about to push a manifest: the one who uploaded, mounted or asked for a blob. Opaque.
pub(crate) type Holder = Arc<str>;

/// Everything that the hub has.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) repositories: BTreeMap<Name, Repository>,
    /// How many repositories have a content; none that nobody has.
    contents: HashMap<Digest, usize>,
}

/// What one repository has.
#[derive(Debug, Default)]
pub(super) struct Repository {
    pub(super) manifests: BTreeMap<Digest, Held>,
    pub(super) tags: BTreeMap<Tag, Digest>,
    pub(super) blobs: BTreeMap<Digest, Blob>,
}

/// What went, and has to go from the disk.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) tags: Vec<Tag>,
    pub(super) blobs: Vec<Digest>,
    /// Those of the blobs that no repository has any more.
    pub(super) contents: Vec<Digest>,
    /// What the manifest listed, which stays.
    pub(super) children: Vec<Digest>,
}

/// A manifest.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) media_type: String,
    pub(super) size: u64,
    pub(super) document: Document,
}

/// A content that a repository has.
#[derive(Debug, Default)]
pub(super) struct Blob {
    pub(super) size: u64,
    /// How many manifests of the repository list it.
    pub(super) users: usize,
    /// Who counts on it until when, and has not pushed a manifest that lists it.
    pub(super) leases: HashMap<Holder, Instant>,
}

impl Blob {
    /// Whether nobody needs it.
    fn is_garbage(&self, now: Instant) -> bool {
        self.users == 0 && self.leases.values().all(|end| *end <= now)
    }

    /// Keeps it until `end` though no manifest lists it.
    pub(super) fn lease(&mut self, holder: Holder, end: Instant) {
        if self.leases.len() >= MOST_LEASES && !self.leases.contains_key(&holder) {
            let first = self
                .leases
                .iter()
                .min_by_key(|(_, end)| **end)
                .map(|(holder, _)| Holder::clone(holder));
            first.map(|first| self.leases.remove(&first));
        }
        self.leases.insert(holder, end);
    }
}

impl Index {
    pub(super) fn repository(&self, name: &Name) -> Result<&Repository> {
        self.repositories
            .get(name)
            .ok_or_else(|| Error::NameUnknown(name.to_string()))
    }

    /// The digest that a request means.
    pub(super) fn resolve(&self, name: &Name, which: &Which) -> Result<(Digest, &Held)> {
        let unknown = || Error::ManifestUnknown {
            name: name.to_string(),
            which: which.to_string(),
        };
        // As docker-registry has it: a repository that is not there has no manifests, and clients know that word.
        let repository = self.repositories.get(name).ok_or_else(unknown)?;
        let digest = match which {
            Which::Digest(digest) => digest,
            Which::Tag(tag) => repository.tags.get(tag).ok_or_else(unknown)?,
        };
        let held = repository.manifests.get(digest).ok_or_else(unknown)?;
        Ok((digest.clone(), held))
    }

    /// A blob of a repository.
    pub(super) fn blob(&self, name: &Name, digest: &Digest) -> Result<&Blob> {
        let repository = self.repositories.get(name);
        repository
            .and_then(|repository| repository.blobs.get(digest))
            .ok_or_else(|| unknown_blob(name, digest))
    }

    /// Whether any repository has a content.
    pub(super) fn has_content(&self, digest: &Digest) -> bool {
        self.contents.contains_key(digest)
    }

    /// Notes that a repository has a blob; it may have had it before.
    pub(super) fn add_blob(&mut self, name: &Name, digest: &Digest, size: u64) -> &mut Blob {
        let repository = self.repositories.entry(name.clone()).or_default();
        let contents = &mut self.contents;
        repository.blobs.entry(digest.clone()).or_insert_with(|| {
            *contents.entry(digest.clone()).or_default() += 1;
            Blob {
                size,
                ..Blob::default()
            }
        })
    }

    /// Takes a blob from a repository; whether it was the last that had the content.
    pub(super) fn remove_blob(&mut self, name: &Name, digest: &Digest) -> bool {
        let removed = self
            .repositories
            .get_mut(name)
            .and_then(|repository| repository.blobs.remove(digest));
        let Some(count) = self.contents.get_mut(digest).filter(|_| removed.is_some()) else {
            return false;
        };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.contents.remove(digest);
        }
        last
    }

    /// Notes a manifest, which uses its blobs from now on; the holder's leases on them end.
    pub(super) fn add_manifest(&mut self, name: &Name, digest: Digest, held: Held, holder: Option<&Holder>) {
        let repository = self.repositories.entry(name.clone()).or_default();
        let known = repository.manifests.contains_key(&digest);
        for (blob, _) in &held.document.blobs {
            let Some(blob) = repository.blobs.get_mut(blob) else {
                continue;
            };
            if !known {
                blob.users += 1;
            }
            if let Some(holder) = holder {
                // Whose blob it was before a restart, nobody knows.
                blob.leases.retain(|other, _| other != holder && !other.is_empty());
            }
        }
        repository.manifests.insert(digest, held);
    }

    /// Takes a manifest, its tags, and the blobs that nobody needs any more, all in one step: nobody can be told that a
    /// blob is there and get a lease on it when it is on its way out.
    pub(super) fn remove_manifest(&mut self, name: &Name, digest: &Digest, now: Instant) -> Gone {
        let mut gone = Gone::default();
        let Some(repository) = self.repositories.get_mut(name) else {
            return gone;
        };
        let Some(held) = repository.manifests.remove(digest) else {
            return gone;
        };
        let tags = repository.tags.extract_if(.., |_, tagged| tagged == digest);
        gone.tags = tags.map(|(tag, _)| tag).collect();
        for (digest, _) in held.document.blobs {
            if let Some(blob) = repository.blobs.get_mut(&digest) {
                blob.users -= 1;
                if blob.is_garbage(now) {
                    gone.blobs.push(digest);
                }
            }
        }
        gone.children = held.document.children.into_iter().map(|(child, _)| child).collect();
        gone.contents = self.remove_blobs(name, &gone.blobs);
        gone
    }

    /// Takes the blobs of a repository whose last lease ended while no manifest lists them.
    pub(super) fn remove_expired(&mut self, name: &Name, now: Instant) -> Gone {
        let mut gone = Gone::default();
        if let Some(repository) = self.repositories.get(name) {
            let garbage = repository.blobs.iter().filter(|(_, blob)| blob.is_garbage(now));
            gone.blobs = garbage.map(|(digest, _)| digest.clone()).collect();
        }
        gone.contents = self.remove_blobs(name, &gone.blobs);
        gone
    }

    /// Takes blobs from a repository; returns those whose content no repository has any more.
    pub(super) fn remove_blobs(&mut self, name: &Name, digests: &[Digest]) -> Vec<Digest> {
        let mut contents = Vec::new();
        for digest in digests {
            if self.remove_blob(name, digest) {
                contents.push(digest.clone());
            }
        }
        contents
    }

    /// Forgets a repository that has nothing; whether it did.
    pub(super) fn forget_if_empty(&mut self, name: &Name) -> bool {
        let empty = self.repositories.get(name).is_some_and(|repository| {
            repository.manifests.is_empty() && repository.tags.is_empty() && repository.blobs.is_empty()
        });
        if empty {
            self.repositories.remove(name);
        }
        empty
    }
}

impl Repository {
    /// Whether a manifest has no tag, and no index here lists it.
    pub(super) fn is_untagged(&self, digest: &Digest) -> bool {
        let listed = |held: &Held| held.document.children.iter().any(|(child, _)| child == digest);
        !self.tags.values().any(|tagged| tagged == digest) && !self.manifests.values().any(listed)
    }
}

pub(super) fn unknown_blob(name: &Name, digest: &Digest) -> Error {
    Error::BlobUnknown {
        name: name.to_string(),
        digest: digest.clone(),
    }
}
