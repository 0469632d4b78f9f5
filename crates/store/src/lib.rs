//! Durable JSON records and leases: who holds what.
//!
//! * [`Collection`] keeps one JSON document a file. A write is atomic and durable, a damaged record is reported and
//!   never stops the others from working.
//! * [`Leases`] answers "is this in use, and by whom?" without a call to the room that uses it: the user writes the use
//!   *down* as a lease, and whoever removes things looks at the leases in its own room. The table lives in memory and
//!   is derived again from the records that cause the use (the containers) when the daemon starts.
//! * [`to_json`] writes JSON as Go does, for the documents that Docker Engine reads too.
//! * [`bolt`] reads and writes the databases that Docker Engine keeps beside its JSON documents.
//!
//! ```
//! use tierce_store::{Lease, Leases, Resource};
//!
//! let leases = Leases::default();
//! let image = Resource::image("sha256:57a2");
//! leases.hold(image.clone(), Lease::new("daf507f55334").running(true));
//! assert_eq!(leases.holders(&image)[0].holder, "daf507f55334");
//! leases.release_all("daf507f55334");
//! assert!(!leases.is_held(&image));
//! ```

pub mod bolt;
mod collection;
mod document;
mod error;
mod leases;

pub use collection::{Collection, Damaged, Loaded};
pub use document::to_json;
pub use error::Error;
pub use leases::{Lease, Leases, Resource, ResourceKind};
