//! Attributes of directories, set when everything in them is done: else a set-group-id bit or an access list would be
//! inherited, a mode without write permission would be in the way, and the times would change.
//!
//! A layer may have millions of directories, so what has to wait does so in a file, and memory holds the end of it only:
//!
//! ```text
//! name, mode, owner, group, seconds, nanoseconds, number of attributes, each with name and value; then the next one
//! ```
//! Numbers have 8 bytes, and texts their length before them.

use super::attributes;
use super::beneath::Beneath;
use super::shadow::Shadow;
use crate::Error;
use crate::tar::{Entry, EntryKind};
use rustix::fs::{OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::fd::AsFd;

/// What memory holds before it goes to the file.
const MOST_HELD: usize = 1 << 20;

/// Directories whose attributes are still to be set, in the order of the archive.
#[derive(Default)]
pub(super) struct Deferred {
    held: Vec<u8>,
    written: Option<File>,
}

impl Deferred {
    /// Remembers a directory; `shadow` has the place for the file.
    pub(super) fn add(&mut self, name: &[u8], entry: &Entry, shadow: &Shadow) -> Result<(), Error> {
        self.text(name);
        let (seconds, nanoseconds) = entry.mtime;
        for number in [
            u64::from(entry.mode),
            entry.uid,
            entry.gid,
            seconds.cast_unsigned(),
            u64::from(nanoseconds),
            entry.xattrs.len() as u64,
        ] {
            self.number(number);
        }
        for (key, value) in &entry.xattrs {
            self.text(key);
            self.text(value);
        }
        if self.held.len() < MOST_HELD {
            return Ok(());
        }
        let mut file = match self.written.take() {
            Some(file) => file,
            None => shadow.nameless_file()?,
        };
        file.write_all(&self.held)
            .map_err(Error::entry("remember its attributes", name))?;
        self.held.clear();
        self.written = Some(file);
        Ok(())
    }

    fn number(&mut self, number: u64) {
        self.held.extend_from_slice(&number.to_ne_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.held.extend_from_slice(text);
    }

    /// Sets all of them; of a directory that came twice the last ones count.
    pub(super) fn apply(self, root: &Beneath) -> Result<(), Error> {
        let lost = |error| Error::entry("remember the attributes of directories", b".")(error);
        let mut written: Box<dyn Read> = match self.written {
            Some(mut file) => {
                file.rewind().map_err(lost)?;
                Box::new(BufReader::new(file))
            }
            None => Box::new(io::empty()),
        };
        let mut records = written.by_ref().chain(&*self.held);
        while let Some(entry) = next(&mut records).map_err(lost)? {
            let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let fd = match root.resolve(&entry.name, directory, ResolveFlags::empty()) {
                Ok(fd) => fd,
                // A later entry of the layer has replaced it.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(error) => return Err(Error::entry("open the directory", &entry.name)(error)),
            };
            if !root.is_root(fd.as_fd()) {
                attributes::set_on_open(fd.as_fd(), &entry, root.user_xattr())?;
            }
        }
        Ok(())
    }
}

/// The next record; `None` at the end.
fn next(records: &mut impl Read) -> io::Result<Option<Entry>> {
    let name = match text(records) {
        Ok(name) => name,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entry = Entry::new(name, EntryKind::Directory);
    entry.mode = small(records)?;
    (entry.uid, entry.gid) = (number(records)?, number(records)?);
    entry.mtime = (number(records)?.cast_signed(), small(records)?);
    for _ in 0..number(records)? {
        entry.xattrs.push((text(records)?, text(records)?));
    }
    Ok(Some(entry))
}

fn number(records: &mut impl Read) -> io::Result<u64> {
    let mut number = [0; 8];
    records.read_exact(&mut number)?;
    Ok(u64::from_ne_bytes(number))
}

fn small(records: &mut impl Read) -> io::Result<u32> {
    u32::try_from(number(records)?).map_err(io::Error::other)
}

fn text(records: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = number(records)?;
    let mut text = Vec::new();
    if records.take(length).read_to_end(&mut text)? as u64 == length {
        Ok(text)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
