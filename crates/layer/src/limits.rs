//! How much a layer may unpack to.

use std::path::Path;

/// Limits of one layer, against bombs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the uncompressed archive, and of each file in it (holes of sparse files counted).
    pub bytes: u64,
    /// Most entries.
    pub entries: u64,
}

impl Default for Limits {
    /// 1 TiB and 20 million entries: more than any honest layer. [`Self::for_directory`] is tighter.
    fn default() -> Self {
        Self {
            bytes: 1 << 40,
            entries: 20_000_000,
        }
    }
}

impl Limits {
    /// These limits, but no more than what the file system of `directory` can still hold.
    ///
    /// A bomb is refused before it has filled the disk to the last block: one twentieth of the free space stays free.
    #[must_use]
    pub fn for_directory(self, directory: &Path) -> Self {
        let Ok(stat) = rustix::fs::statvfs(directory) else {
            return self;
        };
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        // File systems without a fixed number of inodes say 0.
        let entries = if stat.f_favail == 0 {
            self.entries
        } else {
            self.entries.min(stat.f_favail)
        };
        Self {
            bytes: self.bytes.min(free - free / 20),
            entries,
        }
    }
}
