//! Volumes: named and anonymous directories outside the union file system.
//!
//! ```text
//! DR/volumes/
//!   <name>/_data         what containers see
//!   <name>/opts.json     mount options of the local driver, where there are any
//!   metadata.db          driver, labels and options of each volume: a bolt database
//! ```
//!
//! All of it is Docker's form, so that dockerd and this program find each other's volumes with their labels. The
//! directories are what counts: one without an entry in the database is a volume all the same, an entry without its
//! directory is none. Who uses a volume is read from the leases: removal refuses while there is one.
//!
//! ```
//! # let directory = tempfile::tempdir().unwrap();
//! use std::sync::Arc;
//! use tierce_volume::{Create, Volumes};
//!
//! let volumes = Volumes::open(directory.path().join("volumes"), Arc::default())?;
//! let volume = volumes.create(Create { name: Some("db".into()), ..Create::default() })?;
//! assert!(volume.mountpoint.is_dir());
//! volumes.remove("db", false)?;
//! # Ok::<(), tierce_volume::Error>(())
//! ```

mod copy_up;
mod driver;
mod drivers;
mod error;
mod metadata;
mod record;
mod volumes;

pub use driver::Driver;
pub use error::Error;
pub use record::{Create, Volume};
pub use volumes::Volumes;

/// Docker's label of volumes that were made without a name.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";
