//! Packing a file or directory of this machine.

use crate::Error;
use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use tierce_tar::{Entry, EntryKind, Writer};

/// Packs what is at a path, under another name. The name `.` stands for the content of a directory.
///
/// Sockets are left out; of extended attributes, a program's capabilities are taken, as Docker does.
///
/// # Errors
/// When a file cannot be read or has shrunk meanwhile; errors of the output.
pub fn pack<W: Write>(path: &Path, name: &[u8], output: W) -> Result<W, Error> {
    let mut pack = Pack {
        writer: Writer::new(output),
        links: HashMap::new(),
        buffer: vec![0; 256 << 10],
    };
    let metadata = path.symlink_metadata().map_err(Error::io("look at", path))?;
    pack.tree(path, name, &metadata)?;
    pack.writer.finish().map_err(written)
}

fn written(error: io::Error) -> Error {
    Error::Stream("write", error)
}

struct Pack<W> {
    writer: Writer<W>,
    /// First name of files with several, by inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
}

impl<W: Write> Pack<W> {
    fn tree(&mut self, path: &Path, name: &[u8], metadata: &Metadata) -> Result<(), Error> {
        self.entry(path, name, metadata)?;
        if !metadata.is_dir() {
            return Ok(());
        }
        let listed = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut children = listed.map_err(Error::io("read the directory", path))?;
        children.sort_by_key(fs::DirEntry::file_name);
        for child in children {
            let (path, file_name) = (child.path(), child.file_name());
            let metadata = path.symlink_metadata().map_err(Error::io("look at", &path))?;
            self.tree(&path, &[name, b"/", file_name.as_bytes()].concat(), &metadata)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &[u8], metadata: &Metadata) -> Result<(), Error> {
        let Some(mut entry) = Entry::of_file(name, metadata) else {
            return Ok(());
        };
        if entry.kind == EntryKind::Symlink {
            let target = fs::read_link(path).map_err(Error::io("read the link", path))?;
            entry.link = target.into_os_string().into_vec();
        }
        if !metadata.is_dir() && metadata.nlink() > 1 {
            let key = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&key) {
                entry.kind = EntryKind::HardLink;
                entry.link.clone_from(first);
                entry.size = 0;
            } else {
                self.links.insert(key, name.to_vec());
            }
        }
        if entry.kind == EntryKind::File {
            entry.xattrs.extend(capabilities(path));
        }
        self.writer.begin(&entry).map_err(written)?;
        if entry.kind == EntryKind::File {
            self.content(path, entry.size)?;
        }
        Ok(())
    }

    /// Copies exactly the announced size: what a file has grown by is left out, what it has shrunk by is an error.
    fn content(&mut self, path: &Path, size: u64) -> Result<(), Error> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(path);
        let mut file: File = opened.map_err(Error::io("open", path))?;
        let mut rest = size;
        while rest > 0 {
            let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = file.read(&mut self.buffer[..wanted]).map_err(Error::io("read", path))?;
            if count == 0 {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "it has shrunk while it was packed");
                return Err(Error::io("read", path)(error));
            }
            self.writer.write_content(&self.buffer[..count]).map_err(written)?;
            rest -= count as u64;
        }
        Ok(())
    }
}

/// A program's capabilities; none where it has none or the file system keeps none.
fn capabilities(path: &Path) -> Option<(Vec<u8>, Vec<u8>)> {
    const NAME: &str = "security.capability";
    let mut value = vec![0; 64];
    let length = rustix::fs::lgetxattr(path, NAME, &mut value).ok()?;
    value.truncate(length);
    Some((NAME.into(), value))
}
