//! The tar format: ustar, PAX, GNU and what Go's `archive/tar` also reads.
//!
//! Layers are made by many programs and read by many others, so the reader accepts what Go's reader accepts (that is
//! what Docker and containerd use), and refuses what it refuses.
//!
//! ```
//! use tierce_tar::{Entry, EntryKind, Reader, Writer};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut writer = Writer::new(Vec::new());
//! let mut entry = Entry::new(b"greeting".to_vec(), EntryKind::File);
//! entry.size = 5;
//! writer.begin(&entry)?;
//! writer.write_content(b"hello")?;
//! let archive = writer.finish()?;
//!
//! let mut reader = Reader::new(&*archive);
//! assert_eq!(reader.next_entry()?, Some(entry));
//! assert_eq!(reader.content()?, b"hello");
//! # Ok(()) }
//! ```

mod error;
mod file;
mod header;
mod pax;
mod reader;
mod source;
mod sparse;
mod writer;

pub use error::Error;
pub use reader::Reader;
pub use source::Source;
pub use writer::Writer;

/// Length of a block.
pub const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Another name of an entry before.
    HardLink,
    /// Symbolic link.
    Symlink,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
    /// Directory.
    Directory,
    /// Named pipe.
    Fifo,
    /// Another type, with content: a vendor's, a contiguous file, a file with holes in GNU's old form.
    Unknown(u8),
}

impl EntryKind {
    /// Whether content follows the header, whatever the size field says.
    fn has_content(self) -> bool {
        matches!(self, Self::File | Self::Unknown(_))
    }
}

/// Time as seconds and nanoseconds since 1970.
pub type Time = (i64, u32);

/// Name and value of an extended attribute.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// One entry of an archive: everything but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name as in the archive, not cleaned, any bytes but NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Target of a hard or symbolic link.
    pub link: Vec<u8>,
    /// Permission bits with suid, sgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Time of the last modification.
    pub mtime: Time,
    /// Bytes of content in the archive.
    pub size: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Where the content belongs in a file with holes.
    pub sparse: Option<Sparse>,
}

impl Entry {
    /// An entry with nothing but a name and a kind.
    pub fn new(name: Vec<u8>, kind: EntryKind) -> Self {
        Self {
            name,
            kind,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: (0, 0),
            size: 0,
            device: (0, 0),
            xattrs: Vec::new(),
            sparse: None,
        }
    }
}

/// A file with holes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sparse {
    /// Offset and length of each piece, ascending, not overlapping.
    pub pieces: Vec<(u64, u64)>,
    /// Length of the file.
    pub size: u64,
}

#[cfg(test)]
mod tests;
