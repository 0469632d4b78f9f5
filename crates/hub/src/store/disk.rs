//! The files of the store, and how they come and go.
//!
//! ```text
//! ROOT/
//! ├── hub.lock                          one hub a root
//! ├── repositories.json                 the operator's: descriptions, stars, what is private
//! ├── blobs/<algorithm>/<2 hex>/<hex>   contents, once for all repositories
//! ├── uploads/<id>                      bytes that arrive; dropped at the next start
//! └── repositories/<name>/
//!     ├── _blobs/<algorithm>-<hex>      the repository has the content; empty
//!     ├── _manifests/<algorithm>-<hex>  media type, line feed, and the manifest to the byte
//!     └── _tags/<tag>                   a digest
//! ```
//!
//! Whatever a file says is true by itself: there is no list beside them. A content is there before a repository has it,
//! a blob before a manifest that lists it, a manifest before its tag; they go in the opposite order. So a hub that is
//! killed leaves nothing that lacks something, only contents that nobody has, which the next start removes.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tierce_fsops::{self as fsops, PathContext};
use tierce_oci::Digest;

use super::document::LONGEST_MANIFEST;
use super::name::{Name, Tag};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Longest first line of a manifest's file.
const LONGEST_MEDIA_TYPE: usize = 1024;

/// What a repository has of a kind, each kind in a directory.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Contents.
    Blobs,
    /// Manifests.
    Manifests,
    /// Names of manifests.
    Tags,
}

impl Kind {
    fn directory(self) -> &'static str {
        match self {
            Self::Blobs => "_blobs",
            Self::Manifests => "_manifests",
            Self::Tags => "_tags",
        }
    }
}

/// The root of a store.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The store at a root, which is made where it is missing.
    pub(super) fn open(root: &Path) -> fsops::Result<Self> {
        for directory in ["blobs", "uploads", "repositories"] {
            fsops::create_dir_all(&root.join(directory), DIRECTORY_MODE)?;
        }
        fsops::sync_dir(root)?;
        Ok(Self { root: root.to_owned() })
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn contents(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    /// Where the bytes of a blob are.
    pub(super) fn content(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.contents().join(digest.algorithm()).join(&hex[..2]).join(hex)
    }

    /// The directory of a kind in a repository.
    pub(super) fn directory(&self, name: &Name, kind: Kind) -> PathBuf {
        self.repositories().join(name.as_str()).join(kind.directory())
    }

    /// Moves the bytes of an upload, which must be on the disk, to where its digest says.
    pub(super) fn keep_content(&self, upload: &Path, digest: &Digest) -> fsops::Result<()> {
        let path = self.content(digest);
        if fsops::exists(&path) {
            return fsops::remove_file(upload);
        }
        let directory = parent(&path);
        make_directories(directory)?;
        fsops::rename(upload, &path)?;
        fsops::sync_dir(directory)
    }

    pub(super) fn remove_content(&self, digest: &Digest) -> fsops::Result<()> {
        fsops::remove_file(&self.content(digest))
    }

    /// Notes that a repository has a blob.
    pub(super) fn add_blob(&self, name: &Name, digest: &Digest) -> fsops::Result<()> {
        self.write(name, Kind::Blobs, &file_name(digest), b"")
    }

    /// Writes a manifest.
    pub(super) fn add_manifest(
        &self,
        name: &Name,
        digest: &Digest,
        media_type: &str,
        bytes: &[u8],
    ) -> fsops::Result<()> {
        let file = [media_type.as_bytes(), b"\n", bytes].concat();
        self.write(name, Kind::Manifests, &file_name(digest), &file)
    }

    /// Writes or replaces a tag.
    pub(super) fn set_tag(&self, name: &Name, tag: &Tag, digest: &Digest) -> fsops::Result<()> {
        self.write(name, Kind::Tags, tag.as_str(), digest.as_str().as_bytes())
    }

    /// The bytes of a manifest; `None` where its file is not one of [`Self::add_manifest`].
    pub(super) fn manifest(&self, name: &Name, digest: &Digest) -> fsops::Result<Option<(String, Vec<u8>)>> {
        let path = self.directory(name, Kind::Manifests).join(file_name(digest));
        let mut file = Vec::new();
        fs::File::open(&path)
            .and_then(|opened| {
                opened
                    .take((LONGEST_MEDIA_TYPE + LONGEST_MANIFEST) as u64)
                    .read_to_end(&mut file)
            })
            .at("read", &path)?;
        let Some(end) = file.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let bytes = file.split_off(end + 1);
        file.truncate(end);
        Ok(String::from_utf8(file).ok().map(|media_type| (media_type, bytes)))
    }

    /// The digest that a tag's file says.
    pub(super) fn tag(&self, name: &Name, tag: &Tag) -> fsops::Result<Option<Digest>> {
        let text = fsops::read(&self.directory(name, Kind::Tags).join(tag.as_str()))?;
        Ok(str::from_utf8(&text).ok().and_then(|text| text.parse().ok()))
    }

    /// How long ago a repository got a blob.
    pub(super) fn age(&self, name: &Name, digest: &Digest) -> Duration {
        let path = self.directory(name, Kind::Blobs).join(file_name(digest));
        let since = fs::metadata(path).and_then(|metadata| metadata.modified());
        since
            .ok()
            .and_then(|since| SystemTime::now().duration_since(since).ok())
            .unwrap_or_default()
    }

    /// Removes files of a kind from a repository, durably.
    pub(super) fn remove<'a>(
        &self,
        name: &Name,
        kind: Kind,
        files: impl IntoIterator<Item = &'a str>,
    ) -> fsops::Result<()> {
        let directory = self.directory(name, kind);
        let mut changed = false;
        for file in files {
            fsops::remove_file(&directory.join(file))?;
            changed = true;
        }
        if changed && fsops::exists(&directory) {
            fsops::sync_dir(&directory)?;
        }
        Ok(())
    }

    /// Removes the directories of a repository that has nothing any more, and those above it that are empty then.
    pub(super) fn remove_repository(&self, name: &Name) {
        for kind in [Kind::Tags, Kind::Manifests, Kind::Blobs] {
            // One that is not empty has a file that somebody else put there.
            let _ = fs::remove_dir(self.directory(name, kind));
        }
        let mut directory = self.repositories().join(name.as_str());
        while directory != self.repositories() && fs::remove_dir(&directory).is_ok() {
            directory.pop();
        }
    }

    fn write(&self, name: &Name, kind: Kind, file: &str, bytes: &[u8]) -> fsops::Result<()> {
        let directory = self.directory(name, kind);
        make_directories(&directory)?;
        fsops::write_atomic(&directory.join(file), bytes, FILE_MODE)
    }
}

/// A digest as the name of a file.
pub(super) fn file_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

/// The digest that a file is named after.
pub(super) fn digest_of(file: &str) -> Option<Digest> {
    file.replacen('-', ":", 1).parse().ok()
}

/// Makes directories that outlast a loss of power.
fn make_directories(path: &Path) -> fsops::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    make_directories(above)?;
    fsops::create_dir_all(path, DIRECTORY_MODE)?;
    fsops::sync_dir(above)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
