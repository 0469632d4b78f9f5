//! The entry that stands for a file of a file system.

use super::{Entry, EntryKind};
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

impl Entry {
    /// The entry of a file, from what the kernel says of it: kind, mode, owner, time, size, device. The name of a directory
    /// gets its slash. `None` for a socket, which no archive can hold.
    ///
    /// Left to the caller: where a symbolic link leads, hard links, extended attributes.
    pub fn of_file(name: &[u8], metadata: &Metadata) -> Option<Self> {
        let file = metadata.file_type();
        let kind = if file.is_socket() {
            return None;
        } else if file.is_dir() {
            EntryKind::Directory
        } else if file.is_symlink() {
            EntryKind::Symlink
        } else if file.is_fifo() {
            EntryKind::Fifo
        } else if file.is_char_device() {
            EntryKind::CharDevice
        } else if file.is_block_device() {
            EntryKind::BlockDevice
        } else {
            EntryKind::File
        };
        let mut entry = Self::new(name.to_vec(), kind);
        match kind {
            EntryKind::Directory => entry.name.push(b'/'),
            EntryKind::File => entry.size = metadata.size(),
            EntryKind::CharDevice | EntryKind::BlockDevice => {
                entry.device = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
            }
            _ => {}
        }
        entry.mode = metadata.mode() & 0o7777;
        (entry.uid, entry.gid) = (u64::from(metadata.uid()), u64::from(metadata.gid()));
        // The kernel gives 0 to 999,999,999.
        entry.mtime = (metadata.mtime(), metadata.mtime_nsec() as u32);
        Some(entry)
    }
}
