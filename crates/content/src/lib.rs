//! Blobs in flight: ingest with resume, verify, hand over.
//!
//! A blob is read once: from the registry, through an [`Ingest`], into whoever unpacks it. On the way every byte is
//! counted and hashed, and (for blobs worth it) appended to a staging file, so that a transfer which broke, even by
//! the death of the daemon, goes on where it stopped. The staging file goes as soon as the blob is complete: what is
//! kept of a layer is its unpacked files, nothing twice.
//!
//! ```text
//! <staging directory>/<sha256 hex>.part     the first bytes of a blob that is not complete yet
//! ```
//!
//! The other half of a transfer, asking the registry for the bytes from [`Ingest::staged`] on, is the caller's.
//!
//! ```
//! use std::io::Read;
//! # let directory = tempfile::tempdir()?;
//! let blob = b"a layer";
//! let digest = tierce_oci::Digest::sha256_of(blob);
//! let staging = tierce_content::Staging::open(directory.path())?;
//! let ingest = staging.ingest(&digest, blob.len() as u64)?;
//! let mut pieces = vec![bytes::Bytes::from_static(b" layer"), bytes::Bytes::from_static(b"a")];
//! let mut reader = ingest.reader(move || Ok(pieces.pop()));
//! let mut unpacked = Vec::new();
//! reader.read_to_end(&mut unpacked)?;
//! reader.finish()?;
//! assert_eq!(unpacked, blob);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod ingest;
mod staging;

pub use error::Error;
pub use ingest::{Ingest, IngestReader, Source};
pub use staging::Staging;
