//! The user's side of `cp` between a container and this machine: where things go ([`Place`], [`plan`]), packing what goes
//! into a container ([`pack`]) and unpacking what comes out of one ([`unpack`]).
//!
//! The archive that comes out of a container is a stranger's. Every entry is made relative to a directory that was
//! opened beneath the destination without following any symbolic link, and replaces what was there instead of writing
//! through it; see [`unpack`].
//!
//! ```
//! use std::path::Path;
//! use tierce_copy::{Place, plan};
//! // `cp CONTAINER:/etc/hosts /tmp/copy`, where /tmp/copy is not there yet:
//! let source = Place { path: "/etc/hosts".into(), is_dir: Some(false) };
//! let destination = Place { path: "/tmp/copy".into(), is_dir: None };
//! let plan = plan(&source, &destination).expect("a file may get a new name");
//! assert_eq!((&*plan.directory, plan.name.as_deref()), (Path::new("/tmp"), Some("copy".as_ref())));
//! ```

mod error;
mod pack;
mod place;
mod unpack;

pub use error::Error;
pub use pack::pack;
pub use place::{Place, Plan, absolute, check_destination, destination, followed, plan, source, split};
pub use unpack::{Rename, unpack};
