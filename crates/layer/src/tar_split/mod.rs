//! Docker's `tar-split.json.gz`: what a layer's archive has besides the files' content.
//!
//! A gzip-compressed sequence of JSON lines (`github.com/vbatts/tar-split`, package `storage`):
//!
//! ```text
//! {"type":2,"payload":"<base64: headers, padding, end mark>","position":0}
//! {"type":1,"name":"etc/passwd","size":65,"payload":"<base64: CRC-64/ISO of the content>","position":1}
//! ```
//! Type 1 stands for the content of the file of that name in the unpacked layer (`name_raw`, base64, when the name is
//! no UTF-8); entries without content have `"payload":null`. Everything else is type 2. Put one behind the other they
//! are the archive again, bit for bit.
//!
//! Where Docker's writer gives up or writes what cannot be rebuilt, this one stores the content itself as type 2, which
//! every reader understands: sparse files, content that a later entry of the same archive replaces, entries that are
//! not unpacked, files behind a symbolic link.

mod assemble;
mod entry;
mod writer;

pub use assemble::{assemble, length};

pub(crate) use writer::{Shadowed, Writer};

/// Reads a line as reassembly would; for the fuzz targets.
pub(crate) fn read_line(line: &[u8]) {
    let _ = entry::parse(line);
}

#[cfg(test)]
mod tests;
