//! Doors for the fuzz targets (`fuzz/`): archives and what describes them, read without unpacking. Not part of the
//! library's interface.

use crate::name::Name;
use crate::tar::{BLOCK, Reader};
use crate::tar_split;

/// An archive, uncompressed.
pub fn tar(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut entries = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
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

/// An archive with right checksums in the headers that its sizes lead to, so that changed bytes come further than to the
/// first check.
pub fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut archive = bytes.to_vec();
    let mut offset = 0;
    while let Some(header) = archive.get_mut(offset..offset + BLOCK) {
        if header.iter().any(|byte| *byte != 0) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let mut reader = Reader::new(&archive[offset..]);
        let size = match reader.next_entry() {
            Ok(Some(entry)) => entry.size,
            _ => 0,
        };
        // Also of extended headers, which the reader takes with what follows them.
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(archive.len());
        offset += BLOCK + size.next_multiple_of(BLOCK);
    }
    archive
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
