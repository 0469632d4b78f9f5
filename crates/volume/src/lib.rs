//! Volumes: named and anonymous directories outside the union file system.
//!
//! ```text
//! DR/volumes/
//!   <name>/_data         what containers see
//!   <name>/opts.json     mount options of the local driver, where there are any (Docker's file)
//!   <name>/volume.json   labels, driver, creation time (ours; dockerd ignores it)
//! ```
//!
//! A volume made by dockerd has no `volume.json`; it is shown with the local driver, its options and its directory's
//! time. Who uses a volume is read from the leases: removal refuses while there is one.
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
mod record;
mod volumes;

pub use driver::Driver;
pub use error::Error;
pub use record::{Create, Volume};
pub use volumes::Volumes;

/// Docker's label of volumes that were made without a name.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";
