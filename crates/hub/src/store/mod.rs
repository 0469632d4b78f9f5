//! The store: contents by digest, and repositories of manifests, tags and blobs over them.
//!
//! A blob is there as long as a manifest of its repository lists it, or somebody has a lease on it: the one who
//! uploaded it, mounted it, or was told that it exists, until that one pushes a manifest that lists it. When neither is
//! so any more the blob goes, and its bytes with the last repository that has it, at once, in the same call.
//!
//! ```text
//!   upload, mount, HEAD ──▶ leased ──(manifest pushed)──▶ used ──(last manifest deleted)──▶ gone
//!                              └──────────(lease ends)─────────────────────────────────────▶ gone
//! ```
//!
//! Changes are made one after the other, on the disk and then in memory; looks wait for neither disk nor changes. A
//! content that somebody reads stays readable when it is removed, as files do.

mod disk;
mod document;
mod error;
mod index;
mod listing;
mod name;
mod opening;
mod upload;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tierce_fsops::{self as fsops, FileLock, PathContext};
use tierce_oci::{Digest, Hasher};

use disk::{Disk, Kind, file_name};
use document::Document;
pub(crate) use document::LONGEST_MANIFEST;
pub(crate) use error::{Error, Result};
pub(crate) use index::Holder;
use index::{Gone, Held, Index, Repository, unknown_blob};
pub(crate) use name::{Name, Tag, Which};
use upload::Uploads;
pub(crate) use upload::random_id;
pub(crate) use upload::{Claim, Upload};

/// How long those who were told that a blob is there may rely on it at most. Some only look.
const ASKED: Duration = Duration::from_hours(1);

/// How long a store keeps what.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// How long a blob that no manifest lists, and an upload that nobody goes on with.
    pub lease: Duration,
    /// Whether a manifest that loses its last tag stays.
    pub untagged: bool,
}

/// Everything that the hub has, on the disk and in memory.
#[derive(Debug)]
pub(crate) struct Store {
    disk: Disk,
    keep: Keep,
    /// Held by the one who changes something.
    changes: Mutex<()>,
    index: RwLock<Index>,
    uploads: Uploads,
    _exclusive: FileLock,
}

/// A manifest that is to be kept.
#[derive(Debug)]
pub(crate) struct NewManifest<'a> {
    /// Its tag, or the digest that it must have.
    pub(crate) which: Which,
    /// Further tags.
    pub(crate) tags: Vec<Tag>,
    /// The `Content-Type` that it was sent as.
    pub(crate) media_type: Option<&'a str>,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
}

/// A manifest that was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its digest.
    pub(crate) digest: Digest,
    /// What it is about, where it is about another manifest.
    pub(crate) subject: Option<Digest>,
}

/// A manifest that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its digest.
    pub(crate) digest: Digest,
    /// What it was sent as.
    pub(crate) media_type: String,
    /// Its length in bytes.
    pub(crate) size: u64,
}

impl Store {
    /// Opens the store at a root, makes it where it is missing, and mends what a crash left.
    ///
    /// # Errors
    /// When another hub has it, or the disk says no.
    pub(crate) fn open(root: &Path, keep: Keep) -> Result<Self> {
        let disk = Disk::open(root)?;
        let exclusive = fsops::try_lock(&root.join("hub.lock"))?;
        let exclusive = exclusive.ok_or_else(|| Error::InUse(root.display().to_string()))?;
        let index = opening::load(&disk, keep.lease)?;
        Ok(Self {
            uploads: Uploads::new(disk.uploads()),
            disk,
            keep,
            changes: Mutex::new(()),
            index: RwLock::new(index),
            _exclusive: exclusive,
        })
    }

    /// Begins an upload to a repository; `algorithm` is that of the digest that it will get.
    ///
    /// # Errors
    /// When it cannot be computed, there are too many uploads, or the disk says no.
    pub(crate) fn begin_upload(&self, name: &Name, algorithm: &str) -> Result<Arc<Upload>> {
        self.uploads.begin(name, algorithm)
    }

    /// An upload under way.
    ///
    /// # Errors
    /// [`Error::UploadUnknown`].
    pub(crate) fn upload(&self, name: &Name, id: &str) -> Result<Arc<Upload>> {
        self.uploads.find(name, id)
    }

    /// Ends an upload without a blob.
    pub(crate) fn cancel(&self, upload: &Upload) {
        self.uploads.end(upload);
    }

    /// Makes a blob of an upload, which ends; `holder` gets a lease on it.
    ///
    /// # Errors
    /// When the bytes are not those of the digest, or the disk says no.
    pub(crate) fn commit(&self, mut claim: Claim, digest: &Digest, holder: Holder) -> Result<()> {
        let upload = Arc::clone(claim.upload());
        self.uploads.end(&upload);
        let size = claim.settle(digest)?;
        let _changing = self.change();
        self.disk.keep_content(claim.path(), digest)?;
        self.add_blob(upload.name(), digest, size, holder).inspect_err(|_| {
            if !read(&self.index).has_content(digest) {
                // What cannot be removed now is removed at the next start.
                let _ = self.disk.remove_content(digest);
            }
        })
    }

    /// Gives a repository a blob that another one has: `from`, or any that `readable` takes. Whether there is one.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn mount(
        &self,
        to: &Name,
        digest: &Digest,
        from: Option<&Name>,
        readable: impl Fn(&Name) -> bool,
        holder: Holder,
    ) -> Result<bool> {
        let _changing = self.change();
        let size = {
            let mut index = write(&self.index);
            let named = |name: &Name| from.is_none_or(|from| from == name) && readable(name);
            let sources = index.repositories.iter_mut().filter(|(name, _)| named(name));
            let mut found = sources.filter_map(|(_, source)| source.blobs.get_mut(digest));
            found.next().map(|blob| {
                // This is what it was asked for there; where no manifest lists it, one may be about to.
                if blob.users > 0 {
                    blob.leases.remove(&holder);
                }
                blob.size
            })
        };
        match size {
            Some(size) => self.add_blob(to, digest, size, holder).map(|()| true),
            None => Ok(false),
        }
    }

    /// The length of a blob; `holder`, where there is one, may count on it from now on.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`].
    pub(crate) fn blob_size(&self, name: &Name, digest: &Digest, holder: Option<Holder>) -> Result<u64> {
        let Some(holder) = holder else {
            return read(&self.index).blob(name, digest).map(|blob| blob.size);
        };
        let mut index = write(&self.index);
        let repository = index.repositories.get_mut(name);
        let blob = repository.and_then(|repository| repository.blobs.get_mut(digest));
        let blob = blob.ok_or_else(|| unknown_blob(name, digest))?;
        blob.lease(holder, Instant::now() + self.keep.lease.min(ASKED));
        Ok(blob.size)
    }

    /// The bytes of a blob, and their number.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`], or the disk says no.
    pub(crate) fn open_blob(&self, name: &Name, digest: &Digest) -> Result<(File, u64)> {
        let size = self.blob_size(name, digest, None)?;
        let path = self.disk.content(digest);
        match File::open(&path).at("open", &path) {
            Ok(file) => Ok((file, size)),
            // It went a moment ago.
            Err(error) if error.is_not_found() => Err(unknown_blob(name, digest)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a blob that no manifest lists from a repository.
    ///
    /// # Errors
    /// [`Error::BlobUnknown`], [`Error::BlobInUse`], or the disk says no.
    pub(crate) fn delete_blob(&self, name: &Name, digest: &Digest) -> Result<()> {
        let _changing = self.change();
        let users = read(&self.index).blob(name, digest)?.users;
        if users > 0 {
            return Err(Error::BlobInUse {
                name: name.to_string(),
                digest: digest.clone(),
                users,
            });
        }
        let mut gone = Gone {
            blobs: vec![digest.clone()],
            ..Gone::default()
        };
        gone.contents = write(&self.index).remove_blobs(name, &gone.blobs);
        self.remove(name, None, &gone)?;
        self.forget_if_empty(name);
        Ok(())
    }

    /// Keeps a manifest, whose blobs the repository has, and its tags.
    ///
    /// # Errors
    /// When it is none, not of its digest, lists what is not there, or the disk says no.
    pub(crate) fn put_manifest(&self, name: &Name, new: NewManifest<'_>, holder: &Holder) -> Result<Kept> {
        let (media_type, document) = document::read(new.media_type, new.bytes)?;
        let digest = digest_of(&new.which, new.bytes)?;
        let mut tags = new.tags;
        if let Which::Tag(tag) = new.which {
            tags.push(tag);
        }
        let subject = document.subject.clone();
        let _changing = self.change();
        {
            let index = read(&self.index);
            check_parts(name, index.repositories.get(name), &document)?;
        }
        self.disk.add_manifest(name, &digest, &media_type, new.bytes)?;
        for tag in &tags {
            self.disk.set_tag(name, tag, &digest).inspect_err(|_| {
                if read(&self.index).resolve(name, &Which::Digest(digest.clone())).is_err() {
                    // The next start drops a tag whose manifest is not there.
                    let _ = self.disk.remove(name, Kind::Manifests, [file_name(&digest).as_str()]);
                }
            })?;
        }
        let mut replaced = Vec::new();
        {
            let mut index = write(&self.index);
            let held = Held {
                media_type,
                size: new.bytes.len() as u64,
                document,
            };
            index.add_manifest(name, digest.clone(), held, Some(holder));
            let repository = index.repositories.entry(name.clone()).or_default();
            for tag in tags {
                replaced.extend(repository.tags.insert(tag, digest.clone()));
            }
        }
        self.remove_untagged(name, replaced)?;
        Ok(Kept { digest, subject })
    }

    /// What a manifest is.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`].
    pub(crate) fn find_manifest(&self, name: &Name, which: &Which) -> Result<Found> {
        let index = read(&self.index);
        let (digest, held) = index.resolve(name, which)?;
        Ok(Found {
            digest,
            media_type: held.media_type.clone(),
            size: held.size,
        })
    }

    /// The bytes of a manifest that was found.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`] when it went since, or the disk says no.
    pub(crate) fn read_manifest(&self, name: &Name, found: &Found) -> Result<Vec<u8>> {
        let unknown = || Error::ManifestUnknown {
            name: name.to_string(),
            which: found.digest.to_string(),
        };
        match self.disk.manifest(name, &found.digest) {
            Ok(manifest) => manifest.map(|(_, bytes)| bytes).ok_or_else(unknown),
            Err(error) if error.is_not_found() => Err(unknown()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a tag, or a manifest with all its tags and with the blobs that nobody else needs.
    ///
    /// # Errors
    /// [`Error::ManifestUnknown`], or the disk says no.
    pub(crate) fn delete_manifest(&self, name: &Name, which: &Which) -> Result<()> {
        let _changing = self.change();
        let (digest, _) = read(&self.index)
            .resolve(name, which)
            .map(|(digest, held)| (digest, held.size))?;
        match which {
            Which::Digest(_) => self.remove_manifests(name, vec![digest])?,
            Which::Tag(tag) => {
                if let Some(repository) = write(&self.index).repositories.get_mut(name) {
                    repository.tags.remove(tag);
                }
                self.disk.remove(name, Kind::Tags, [tag.as_str()])?;
                self.remove_untagged(name, vec![digest])?;
            }
        }
        self.forget_if_empty(name);
        Ok(())
    }

    /// Removes blobs whose leases ended and uploads that nobody goes on with.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn sweep(&self) -> Result<()> {
        self.uploads.expire(self.keep.lease);
        let _changing = self.change();
        let names: Vec<Name> = read(&self.index).repositories.keys().cloned().collect();
        for name in names {
            let gone = write(&self.index).remove_expired(&name, Instant::now());
            for digest in &gone.blobs {
                tracing::info!(%name, %digest, "nobody pushed a manifest that lists this blob; it is removed");
            }
            self.remove(&name, None, &gone)?;
            self.forget_if_empty(&name);
        }
        Ok(())
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a repository a blob whose content is there.
    fn add_blob(&self, name: &Name, digest: &Digest, size: u64, holder: Holder) -> Result<()> {
        let known = read(&self.index).blob(name, digest).is_ok();
        if !known {
            self.disk.add_blob(name, digest)?;
        }
        let end = Instant::now() + self.keep.lease;
        write(&self.index).add_blob(name, digest, size).lease(holder, end);
        Ok(())
    }

    /// Takes from the disk what went from memory, names first.
    fn remove(&self, name: &Name, manifest: Option<&Digest>, gone: &Gone) -> Result<()> {
        self.disk.remove(name, Kind::Tags, gone.tags.iter().map(Tag::as_str))?;
        let manifest = manifest.map(file_name);
        self.disk.remove(name, Kind::Manifests, manifest.as_deref())?;
        let blobs: Vec<String> = gone.blobs.iter().map(file_name).collect();
        self.disk.remove(name, Kind::Blobs, blobs.iter().map(String::as_str))?;
        for digest in &gone.contents {
            self.disk.remove_content(digest)?;
        }
        Ok(())
    }

    /// Takes manifests, and where untagged ones do not stay, those that only they listed.
    fn remove_manifests(&self, name: &Name, mut digests: Vec<Digest>) -> Result<()> {
        while let Some(digest) = digests.pop() {
            let gone = write(&self.index).remove_manifest(name, &digest, Instant::now());
            self.remove(name, Some(&digest), &gone)?;
            if !self.keep.untagged {
                digests.extend(self.untagged(name, gone.children));
            }
        }
        Ok(())
    }

    /// Takes those of some manifests that have no tag any more, where such do not stay.
    fn remove_untagged(&self, name: &Name, digests: Vec<Digest>) -> Result<()> {
        if self.keep.untagged {
            return Ok(());
        }
        let untagged = self.untagged(name, digests);
        self.remove_manifests(name, untagged)
    }

    fn untagged(&self, name: &Name, digests: impl IntoIterator<Item = Digest>) -> Vec<Digest> {
        let index = read(&self.index);
        let Some(repository) = index.repositories.get(name) else {
            return Vec::new();
        };
        digests
            .into_iter()
            .filter(|digest| repository.is_untagged(digest))
            .collect()
    }

    fn forget_if_empty(&self, name: &Name) {
        if write(&self.index).forget_if_empty(name) {
            self.disk.remove_repository(name);
        }
    }
}

/// The digest of a manifest, which must be the one that it is named by.
fn digest_of(which: &Which, bytes: &[u8]) -> Result<Digest> {
    let Which::Digest(expected) = which else {
        return Ok(Digest::sha256_of(bytes));
    };
    let hasher = Hasher::of(expected.algorithm());
    let mut hasher = hasher.ok_or_else(|| Error::Algorithm(expected.algorithm().to_owned()))?;
    hasher.update(bytes);
    let found = hasher.finish();
    if found != *expected {
        return Err(Error::DigestMismatch {
            expected: expected.clone(),
            found,
        });
    }
    Ok(found)
}

/// Whether a repository has everything that a manifest lists, in the lengths that it says.
fn check_parts(name: &Name, repository: Option<&Repository>, document: &Document) -> Result<()> {
    let blob = |digest: &Digest| repository?.blobs.get(digest).map(|blob| blob.size);
    let manifest = |digest: &Digest| repository?.manifests.get(digest).map(|held| held.size);
    let blobs = document
        .blobs
        .iter()
        .map(|(digest, size)| (digest, *size, blob(digest)));
    let children = document
        .children
        .iter()
        .map(|(digest, size)| (digest, *size, manifest(digest)));
    let mut missing = Vec::new();
    for (digest, said, found) in blobs.chain(children) {
        match found {
            None => missing.push(digest.clone()),
            Some(found) if found != said => {
                return Err(Error::ManifestInvalid(format!(
                    "it says that {digest} has {said} bytes, but it has {found}"
                )));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::ManifestBlobUnknown {
        name: name.to_string(),
        digests: missing,
    })
}

fn read(index: &RwLock<Index>) -> RwLockReadGuard<'_, Index> {
    index.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(index: &RwLock<Index>) -> RwLockWriteGuard<'_, Index> {
    index.write().unwrap_or_else(PoisonError::into_inner)
}

/// For [`crate::fuzzing`].
pub(crate) fn fuzz_manifest(bytes: &[u8]) {
    for media_type in [
        None,
        Some("application/vnd.oci.image.manifest.v1+json"),
        Some("application/vnd.oci.image.index.v1+json"),
    ] {
        if let Ok((_, document)) = document::read(media_type, bytes) {
            assert!(document.blobs.len() + document.children.len() <= bytes.len());
        }
    }
}
