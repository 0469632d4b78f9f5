//! Docker's `json-file` format: one JSON object a line, rotated files beside the current one.
//!
//! ```text
//! <id>-json.log        {"log":"text\n","stream":"stdout","attrs":{…},"time":"2025-11-21T09:07:00.123456789Z"}\n …
//! <id>-json.log.1      the one before (with `compress`: .1.gz once that is done)
//! <id>-json.log.2 …    older ones, up to `max_files` with the current one
//! ```
//! Format and names are those of moby `daemon/logger/jsonfilelog` and `daemon/logger/loggerutils`. Beyond them:
//! rotation, compression and readers take a lock (`flock`) on the directory while they rename or open files, so that a
//! reader sees a consistent set; and the header of a compressed file names the inode it was made from, by which a
//! reader that follows finds the place it was at.

mod compress;
mod escape;
mod files;
mod parse;
mod reader;
mod tail;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use compress::Compression;
pub use reader::{Reader, Stopper};
pub use writer::Writer;

/// Longest text of one entry; longer lines are cut into pieces of this size, as Docker does.
pub const MAX_PIECE: usize = 16 * 1024;

/// Parsed options of the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The current file.
    pub path: PathBuf,
    /// Begin a new file once the current one has this many bytes; `None`: never.
    pub max_size: Option<u64>,
    /// Files to keep, the current one included; 0 counts as 1.
    pub max_files: u32,
    /// Compress rotated files.
    pub compress: bool,
    /// Extra attributes of every entry.
    pub attributes: BTreeMap<String, String>,
}

/// Reads a line, and whatever it is as a message that a container wrote, there and back; for the fuzz targets.
pub(crate) fn read_line(bytes: &[u8]) {
    let _ = parse::parse(bytes);
    let mut line = b"{\"log\":\"".to_vec();
    escape::escape_into(bytes, &mut line);
    line.extend_from_slice(b"\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.000000006Z\"}");
    let entry = parse::parse(&line);
    // What is no text comes back with replacements, as Docker writes it.
    let same = |entry: crate::Entry| entry.line == bytes || std::str::from_utf8(bytes).is_err();
    assert!(entry.is_some_and(same), "{bytes:?} does not come back");
}

#[cfg(test)]
mod tests;
