//! Layers: tar to file system and back, tar-split, compression, and Docker's layer database.
//!
//! - [`apply`] unpacks one layer's stream beneath a directory, in one pass: decompress, hash, keep what tar-split needs,
//!   write the files. Layers come from strangers; nothing they contain reaches outside the directory.
//! - [`tar_split`] writes and reads Docker's `tar-split.json.gz`, from which the archive is rebuilt bit for bit.
//! - [`archive`] reads archives of files that are not unpacked.
//! - [`copy`] takes files out of the root of a container and puts others in.
//! - [`diff`] packs a directory as a layer; [`changes`] lists what a container changed, as `docker diff`.
//! - [`Store`] keeps Docker's `layerdb` over a storage driver: crash-safe, many layers at once.
//!
//! ```no_run
//! use tierce_layer::{Limits, Store};
//! use tierce_snapshot::drivers;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let root = std::path::Path::new("/var/lib/tierce");
//! let driver = drivers::open(root, None, &[])?.driver;
//! let store = Store::open(&root.join("image/overlay2/layerdb"), driver)?;
//! // Any number of these at the same time, on any threads:
//! let mut ingest = store.ingest()?;
//! let applied = ingest.apply(std::fs::File::open("layer.tar.gz")?, &Limits::default())?;
//! println!("unpacked {} ({} bytes)", applied.diff_id, applied.size);
//! // From the bottom up:
//! let layer = store.register(ingest, None)?;
//! let container = store.create_rw("0123abcd", Some(&layer.chain_id), None, &mut tierce_layer::docker_init_layer)?;
//! println!("{:?}", container.mounts()?);
//! # Ok(()) }
//! ```

pub mod apply;
pub mod archive;
pub mod changes;
pub mod copy;
mod crc64;
mod decode;
pub mod diff;
mod error;
#[doc(hidden)] // for the fuzz targets
pub mod fuzzing;
mod init;
mod limits;
mod marks;
mod mounted;
mod name;
mod pipeline;
mod store;
pub mod tar_split;
mod view;

pub use apply::Applied;
pub use changes::{Change, ChangeKind};
pub use decode::{Compression, decompress};
pub use error::Error;
pub use init::docker_init_layer;
pub use limits::Limits;
pub use mounted::{Access, Bind, MountedRoot};
pub use store::{Boot, Ingest, Layer, Removed, Repaired, RwLayer, Store};
pub use tierce_tar as tar;
pub use view::{RootView, mount_union};
