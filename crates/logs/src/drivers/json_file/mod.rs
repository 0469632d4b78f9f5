//! Docker's `json-file` format: one JSON object a line, in files that are rotated (see [`crate::rotation`]).
//!
//! ```text
//! <id>-json.log        {"log":"text\n","stream":"stdout","attrs":{…},"time":"2025-11-21T09:07:00.123456789Z"}\n …
//! ```
//! Source: moby `daemon/logger/jsonfilelog`.

mod escape;
mod records;
mod writer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rotation::Files;
pub(crate) use records::JsonLines;
pub use writer::Writer;

/// Parsed options of the driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Where it lies, and how much is kept.
    pub files: Files,
    /// Extra attributes of every entry.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Reads a line, and whatever it is as a message that a container wrote, there and back; for the fuzz targets.
pub(crate) fn read_line(bytes: &[u8]) {
    let _ = records::parse(bytes);
    let mut line = b"{\"log\":\"".to_vec();
    escape::escape_into(bytes, &mut line);
    line.extend_from_slice(b"\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.000000006Z\"}");
    let entry = records::parse(&line);
    // What is no text comes back with replacements, as Docker writes it.
    let same = |entry: crate::Entry| entry.line == bytes || std::str::from_utf8(bytes).is_err();
    assert!(entry.is_some_and(same), "{bytes:?} does not come back");
}

#[cfg(test)]
mod tests;
