//! Log formats and drivers: the writer for the shim, the reader for the engine.
//!
//! The shim writes what a container's process writes, through a [`Driver`]; the engine reads it back as a [`Reader`] of
//! [`Entry`]s. Both halves work on the same files without knowing of each other, so a log survives the engine, and an
//! engine that was away reads what was written meanwhile. One room owns the format.
//!
//! - [`drivers`]: the one list. `json-file` and `local` are Docker's, byte for byte, and can be read back; `journald` and
//!   `syslog` send, and have a copy in the format of `local` beside them, as in Docker.
//! - [`options`]: what `--log-opt` may say of each.
//! - [`Driver`]: how output goes in. It never fails and never blocks for long: a full disk must not stop a container.
//! - [`Query`], [`Reader`]: how it comes out: since, until, tail, follow, across rotation.
//! - `rotation`: files that are full make room for new ones. `forward`: messages to programs that are slow or away.
//! - [`time`]: RFC 3339 as Go writes it.
//!
//! ```
//! use std::time::SystemTime;
//! use tierce_logs::drivers::{self, Source, Target, json_file};
//! use tierce_logs::{Files, Next, Query, Stream};
//!
//! let directory = tempfile::tempdir().unwrap();
//! let path = directory.path().join("c-json.log");
//! let files = Files { path: path.clone(), ..Files::default() };
//! let target = Target::JsonFile(json_file::Options { files, ..json_file::Options::default() });
//! let mut log = drivers::open(&target).unwrap().unwrap();
//! log.write(Stream::Stdout, b"hello\n", SystemTime::now());
//!
//! let mut reader = drivers::read(&Source::JsonFile(path), &Query::default()).unwrap();
//! let Next::Entry(entry) = reader.next(None).unwrap() else { panic!() };
//! assert_eq!(entry.line, b"hello\n");
//! assert!(matches!(reader.next(None).unwrap(), Next::End));
//! ```

mod driver;
pub mod drivers;
mod entry;
mod error;
mod forward;
#[doc(hidden)] // for the fuzz targets
pub mod fuzzing;
mod lines;
pub mod options;
mod partial;
mod reader;
mod records;
mod rotation;
pub mod time;

pub use driver::Driver;
pub use drivers::{Source, Target};
pub use entry::{Entry, Next, Query, Stream};
pub use error::{Error, Result};
pub use forward::{BUFFER, Mode};
pub use lines::MAX_PIECE;
pub use reader::{Reader, Stopper};
pub use rotation::{Compression, Files};
