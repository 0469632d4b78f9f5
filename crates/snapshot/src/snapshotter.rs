//! The contract between snapshot drivers and those who use them.

use crate::{CacheId, Error, Layout, Mount};
use std::path::PathBuf;

/// What a snapshot made by [`Snapshotter::create`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The layer between image and container, with the mount points of `/etc/hosts` and its like. Written once
    /// through [`Snapshotter::diff_dir`], then a parent; it counts as committed.
    Init,
    /// The writable top of a container.
    Container {
        /// The most bytes that it may hold; what is counted depends on the driver. `None`: the driver's default.
        size: Option<u64>,
    },
}

/// A way to store and stack directory trees.
///
/// # Contract
/// - A driver stores everything beneath its own directory `<data root>/<name>` and knows nothing of images and
///   containers. It returns [`Mount`] values and never mounts or unmounts.
/// - All methods may be called from many threads at once for different snapshots. Calls that change **one** snapshot
///   are made one after the other by the caller.
/// - `stage` does not look at a parent, so the layers of an image may be staged and unpacked at the same time, in any
///   order. `commit` comes from the bottom up: the parent must be committed then.
/// - What is unpacked into a staged directory are the layer's changes, whiteouts in overlay's form (character device
///   0:0, extended attribute `trusted.overlay.opaque` = `y`; `user.overlay.opaque` when [`Self::user_xattr`]). A
///   driver without union mounts merges them when it commits.
/// - A committed snapshot's files never change again. Its parent must outlive it; drivers do not check that.
/// - No method syncs. The caller of `commit` syncs the file system once before it writes down that a layer is there;
///   what `create` makes can be made again from the caller's records.
/// - `remove` takes away a snapshot in whatever state, half made ones included; a snapshot that is not there is no
///   error. It must not be mounted.
///
/// The worked example is in the crate's documentation, the test suite in `conformance`.
pub trait Snapshotter: Send + Sync {
    /// Docker's name of the driver, also the name of its directory.
    fn name(&self) -> &'static str;

    /// Lines of `docker info` below the storage driver, in order.
    fn status(&self) -> Vec<(String, String)>;

    /// Makes an empty layer and says where to unpack it.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken; file errors.
    fn stage(&self, id: &CacheId) -> Result<PathBuf, Error>;

    /// Puts a staged layer on top of its parent and makes it read-only.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it or the parent is not there; [`Error::TooDeep`]; file errors.
    fn commit(&self, id: &CacheId, parent: Option<&CacheId>) -> Result<(), Error>;

    /// Makes an init layer or a container's writable layer on top of a committed parent (or of nothing).
    ///
    /// # Errors
    /// As [`Self::stage`] and [`Self::commit`]; [`Error::StorageOption`] when the driver cannot keep a size.
    fn create(&self, id: &CacheId, parent: Option<&CacheId>, kind: Kind) -> Result<(), Error>;

    /// Where the snapshot's own files are. Does not look whether it is there.
    fn diff_dir(&self, id: &CacheId) -> PathBuf;

    /// How to mount the snapshot: writable for a container's layer, read-only for a committed one (vfs does not know).
    /// Creates the mount point; whoever unmounts removes it (as Docker does), and `remove` does otherwise.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`]; file errors.
    fn mounts(&self, id: &CacheId) -> Result<Vec<Mount>, Error>;

    /// Where the snapshot's and its parents' files lie: for `inspect`, and to compute changes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`]; file errors.
    fn layout(&self, id: &CacheId) -> Result<Layout, Error>;

    /// Removes a snapshot with all its files.
    ///
    /// # Errors
    /// File errors, [`rustix::io::Errno::BUSY`] among them when it is mounted.
    fn remove(&self, id: &CacheId) -> Result<(), Error>;

    /// Whether whiteout attributes are `user.overlay.*` instead of `trusted.overlay.*` (rootless).
    fn user_xattr(&self) -> bool {
        false
    }
}
