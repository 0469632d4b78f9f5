//! File operations whose errors carry the path: atomic replace, locks, opening beneath a root.
//!
//! Two families. The free functions ([`read`], [`write_atomic`], [`remove_dir_all`], …) work on paths that this program
//! chose itself. [`Root`] works on paths that a stranger chose (an image, a layer, a container, a request): every
//! operation of it resolves beneath one directory by construction, through `openat2(RESOLVE_IN_ROOT)`, so that `..`,
//! absolute names and symbolic links cannot leave it. [`Beneath`] is what it stands on, for those who go on with
//! descriptors.
//!
//! ```
//! let dir = tempfile::tempdir()?;
//! tierce_fsops::write_atomic(&dir.path().join("record.json"), b"{}", 0o600)?;
//! let root = tierce_fsops::Root::open(dir.path())?;
//! assert_eq!(root.read("/../../record.json".as_ref(), 1024)?, b"{}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod atomic;
mod beneath;
mod error;
mod files;
mod lock;
mod root;

pub use atomic::{Durability, remove_unfinished, sync_dir, write_atomic, write_atomic_locked, write_atomic_with};
pub use beneath::{Beneath, clean};
pub use error::{Error, PathContext, Result};
pub use files::{
    copy_ownership, create_dir, create_dir_all, exists, names, read, read_if_exists, read_to_string, remove_dir_all,
    remove_file, rename, symlink, write,
};
pub use lock::{FileLock, try_lock};
pub use root::Root;
