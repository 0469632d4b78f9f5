//! What is at a path in a container.

use serde::{Deserialize, Serialize};

/// The document in `X-Docker-Container-Path-Stat`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PathStat {
    /// Last part of the path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Kind and permissions in Go's numbers, see [`file_mode`].
    pub mode: u32,
    /// When it was changed last, RFC 3339.
    pub mtime: String,
    /// Where a link leads; empty for everything else.
    pub link_target: String,
}

/// Bits of Go's `fs.FileMode` beside the permissions, by the kernel's kind of file (inode(7)).
const KINDS: [(u32, u32); 6] = [
    (0o040_000, 1 << 31),
    (0o120_000, 1 << 27),
    (0o060_000, 1 << 26),
    (0o020_000, 1 << 26 | 1 << 21),
    (0o010_000, 1 << 25),
    (0o140_000, 1 << 24),
];
/// The same for the bits beside a kind.
const FLAGS: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

/// Go's number for a kernel's `st_mode`.
pub fn file_mode(mode: u32) -> u32 {
    let kind = KINDS.iter().find(|(kind, _)| mode & 0o170_000 == *kind);
    let flags = FLAGS.iter().filter(|(flag, _)| mode & flag != 0);
    flags.fold(mode & 0o777 | kind.map_or(0, |(_, bit)| *bit), |mode, (_, bit)| {
        mode | bit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_gos() {
        for (kernel, go) in [
            (0o100_644, 0o644),
            (0o040_755, 0x8000_01ed),
            (0o120_777, 0x0800_01ff),
            (0o104_755, 0x0080_01ed),
            (0o041_777, 0x8010_01ff),
            (0o020_666, 0x0420_01b6),
        ] {
            assert_eq!(file_mode(kernel), go, "{kernel:o}");
        }
    }
}
