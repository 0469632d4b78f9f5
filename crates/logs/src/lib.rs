//! Log formats and drivers: the writer for the shim, the reader for the engine.
//!
//! The shim writes what a container's process writes, through a [`Driver`]; the engine reads it back as a [`Reader`] of
//! [`Entry`]s. Both halves work on the same files without knowing of each other, so a log survives the engine, and an
//! engine that was away reads what was written meanwhile. One room owns the format.
//!
//! - [`drivers`]: the one list of formats. `json-file` is Docker's, byte for byte.
//! - [`Driver`]: how output goes in. It never fails and never blocks for long: a full disk must not stop a container.
//! - [`Query`], [`Reader`]: how it comes out: since, until, tail, follow, across rotation.
//! - [`time`]: RFC 3339 as Go writes it.
//!
//! ```
//! use std::time::SystemTime;
//! use tierce_logs::{Next, Query, Stream, Target, drivers, drivers::json_file};
//!
//! let directory = tempfile::tempdir().unwrap();
//! let options = json_file::Options { path: directory.path().join("c-json.log"), ..json_file::Options::default() };
//! let mut log = drivers::open(&Target::JsonFile(options.clone())).unwrap().unwrap();
//! log.write(Stream::Stdout, b"hello\n", SystemTime::now());
//!
//! let mut reader = json_file::Reader::open(&options.path, &Query::default()).unwrap();
//! let Next::Entry(entry) = reader.next(None).unwrap() else { panic!() };
//! assert_eq!(entry.line, b"hello\n");
//! assert!(matches!(reader.next(None).unwrap(), Next::End));
//! ```

mod driver;
pub mod drivers;
mod entry;
mod error;
#[doc(hidden)] // for the fuzz targets
pub mod fuzzing;
pub mod time;

pub use driver::Driver;
pub use drivers::Target;
pub use drivers::json_file::{Compression, Reader, Stopper};
pub use entry::{Entry, Next, Query, Stream};
pub use error::{Error, Result};
