//! What a reader gives, and what it is asked.

use std::collections::BTreeMap;
use std::time::SystemTime;

/// Which standard stream an entry was written to. A terminal's output is standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line, or one 16 KiB piece of a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it was written to.
    pub stream: Stream,
    /// When the shim read it.
    pub time: SystemTime,
    /// The text, with its newline unless it is a piece of a longer line or the process ended without one.
    pub line: Vec<u8>,
    /// Extra attributes (`docker logs --details`).
    pub attributes: BTreeMap<String, String>,
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Not before this.
    pub since: Option<SystemTime>,
    /// Not after this. As in Docker, applied after `tail`.
    pub until: Option<SystemTime>,
    /// Only the last so many entries of what is there already; applied before the other conditions, as in Docker.
    pub tail: Option<usize>,
    /// Go on with what is written from now on, until stopped or past `until`.
    pub follow: bool,
}

/// What a reader has next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// An entry.
    Entry(Entry),
    /// Nothing came within the time given; ask again.
    Idle,
    /// There is and will be no more.
    End,
}
