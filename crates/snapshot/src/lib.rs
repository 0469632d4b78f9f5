//! File system snapshots behind one trait; drivers return mounts, they never mount.
//!
//! A *snapshot* is a directory tree known by a [`CacheId`]: either one layer of an image (read-only once it is
//! committed) or the writable top of a container. A driver knows how such trees are stacked; who unpacks, hashes,
//! registers and mounts them lives elsewhere (`layer` above, the shim beside).
//!
//! ```text
//!   stage(id) ──(somebody unpacks into diff_dir)──> commit(id, parent)          a layer of an image
//!   create(id-init, top layer, Kind::Init) ──> create(id, id-init, Kind::Container { size: None })   a container
//!        mounts(id) ──> Mount values ──> the shim mounts them
//! ```
//!
//! The parent of a layer need not be there when it is staged: all layers of an image are unpacked at the same time and
//! are stacked when they are committed, from the bottom up.
//!
//! # Example
//! ```no_run
//! use tierce_snapshot::{CacheId, Kind, drivers};
//! # fn main() -> Result<(), tierce_snapshot::Error> {
//! let chosen = drivers::open("/var/lib/tierce".as_ref(), None, &[])?;
//! let driver = chosen.driver;
//! let layer = CacheId::random()?;
//! let dir = driver.stage(&layer)?;
//! std::fs::write(dir.join("hello"), "world\n").expect("write the layer's content");
//! driver.commit(&layer, None)?;
//! let top = CacheId::random()?;
//! driver.create(&top, Some(&layer), Kind::Container { size: None })?;
//! for mount in driver.mounts(&top)? {
//!     println!("mount -t {} -o {} {}", mount.kind, mount.options.join(","), mount.target.display());
//! }
//! driver.remove(&top)?;
//! # Ok(()) }
//! ```

mod cache_id;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod drivers;
mod error;
mod layout;
mod merge;
mod mount;
mod options;
mod placement;
mod snapshotter;
mod stacks;
pub mod tree;

pub use cache_id::CacheId;
pub use error::Error;
pub use layout::{Layout, Union};
pub use mount::{CompactMount, Mount};
pub use options::container_size;
pub use snapshotter::{Kind, Snapshotter};
