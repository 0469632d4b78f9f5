//! Docker's `local` format: protocol buffers between their lengths, in files that are rotated (see [`crate::rotation`]).
//!
//! ```text
//! local-logs/container.log     [u32 length][LogEntry][u32 length] [u32 length][LogEntry]…       lengths big endian
//! ```
//! Source: moby `daemon/logger/local`, `api/types/plugins/logdriver/entry.proto`.

mod entry;
mod records;
mod writer;

pub(crate) use records::Frames;
pub use writer::Writer;

/// Begin a new file at this size, where nobody says otherwise.
pub const MAX_SIZE: u64 = 20_000_000;
/// Files kept, where nobody says otherwise.
pub const MAX_FILES: u32 = 5;

#[cfg(test)]
mod tests;
