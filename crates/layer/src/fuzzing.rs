//! Doors for the fuzz targets (`fuzz/`): archives and what describes them, read without unpacking. Not part of the
//! library's interface.

use crate::name::Name;
use crate::tar::reader::Reader;
use crate::tar_split;

/// An archive, uncompressed.
pub fn tar(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut entries = 0;
    while let Ok(Some(entry)) = reader.next() {
        entries += 1;
        // Each entry takes at least its header's block.
        assert!(entries <= bytes.len() / 512, "more entries than blocks");
        if let Ok(name) = Name::parse(&entry.name) {
            assert!(!name.joined().split(|byte| *byte == b'/').any(|part| part == b".."));
        }
        while let Ok(content) = reader.content() {
            if content.is_empty() {
                break;
            }
            let count = content.len();
            reader.consume(count);
        }
        reader.raw().clear();
    }
}

/// A line of `tar-split.json`.
pub fn tar_split_line(bytes: &[u8]) {
    tar_split::read_line(bytes);
}

/// A compressed stream; at most a mebibyte of it is unpacked.
pub fn compressed(bytes: &[u8]) {
    use std::io::Read;
    let owned = std::io::Cursor::new(bytes.to_vec());
    if let Ok((_, unpacked)) = crate::decompress(owned) {
        let _ = std::io::copy(&mut unpacked.take(1 << 20), &mut std::io::sink());
    }
}
