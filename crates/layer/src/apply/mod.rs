//! Unpacking one layer beneath a directory, in one pass.
//!
//! # What keeps a stranger's layer inside
//! - Names are cleaned first: `..` above the root is the root, and an absolute name starts there.
//! - A directory is opened by `openat2(2)` with `RESOLVE_IN_ROOT`: symbolic links inside the layer lead inside the
//!   layer. The entry itself is made by a call relative to that directory with `O_EXCL` or `O_NOFOLLOW`, so it never
//!   goes through a link; hard links are made from a descriptor that was opened the same way.
//! - [`Limits`] bound the archive's length, each file's length and the number of entries; headers are bounded by the
//!   tar reader. A name is at most 4,095 bytes long.
//! - Extended attributes that steer overlay itself are dropped.
//! - Should all of this fail, the thread that unpacks cannot reach the host ([`room`]).
//!
//! # Whiteouts
//! `.wh.NAME` becomes overlay's whiteout (character device 0:0), `.wh..wh..opq` makes the directory opaque, other
//! `.wh..wh.` entries are AUFS's own records and are not unpacked, but for files that hard links lead to. As the OCI layer specification says, a whiteout
//! hides what lies below and never an entry of its own layer, whichever comes first.

pub(crate) mod attributes;
pub(crate) mod beneath;
mod deferred;
mod make;
pub(crate) mod room;
mod shadow;

use crate::crc64::Crc64;
use crate::decode::Compression;
use crate::name::{AUFS_LINKS, Name, Whiteout};
use crate::pipeline;
use crate::tar::{Entry, EntryKind, Reader, Source};
use crate::tar_split::Writer;
use crate::{Error, Limits};
use beneath::Beneath;
use deferred::Deferred;
use room::Room;
use shadow::Shadow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;
use tierce_oci::DiffId;

/// What unpacking a layer found out.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Digest of the uncompressed archive.
    pub diff_id: DiffId,
    /// Sum of the sizes of files and links (what Docker writes into `layerdb/…/size`).
    pub size: u64,
    /// Length of the uncompressed archive.
    pub archive_size: u64,
    /// How the stream was compressed.
    pub compression: Compression,
    /// What can only be done when the layers below are known.
    pub(crate) unfinished: Unfinished,
}

/// Entries that concern the layers below, which may not be there yet while a layer is unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// The layer's root is opaque: nothing from below is to be seen.
    pub(crate) opaque_root: bool,
}

/// Where and how to unpack.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Existing directory to unpack into.
    pub directory: &'a Path,
    /// The `tar-split.json.gz` to create.
    pub tar_split: &'a Path,
    /// Directory to be made, on the same file system, for content that a later entry replaces.
    pub aside: &'a Path,
    /// Mark opaque directories by `user.overlay.opaque` instead of `trusted.overlay.opaque` (rootless).
    pub user_xattr: bool,
}

/// Unpacks a layer: plain, gzip or zstd, told by its first bytes.
///
/// Decompression and hashing run on a second thread. The whole stream is read, what follows the archive's end mark
/// included, since the digest covers it. On an error the directory holds a part of the layer and is to be thrown away.
///
/// # Errors
/// [`Error::Refused`], [`Error::Tar`], [`Error::Limit`] and their like for bad layers, [`Error::Read`] when the stream
/// fails, [`Error::Entry`] and [`Error::Io`] when the disk does.
pub fn apply(input: impl Read + Send, target: &Target<'_>, limits: &Limits) -> Result<Applied, Error> {
    let ((size, unfinished), decoded) = pipeline::run(input, limits, |chunks| {
        let unpack = Unpack::new(Reader::new(chunks), target, *limits)?;
        let (layer, aside) = (unpack.root.share()?, unpack.shadow.share()?);
        let done = room::within(layer.as_fd(), aside.as_fd(), |room| unpack.run(room))?;
        done.finish(target)
    })?;
    Ok(Applied {
        diff_id: decoded.diff_id,
        size,
        archive_size: decoded.length,
        compression: decoded.compression,
        unfinished,
    })
}

/// A layer being unpacked.
struct Unpack<S> {
    reader: Reader<S>,
    root: Beneath,
    split: Writer,
    deferred: Deferred,
    shadow: Shadow,
    limits: Limits,
    size: u64,
    unfinished: Unfinished,
    user_xattr: bool,
    has_aufs_links: bool,
}

/// Where a file's content is to be found when the archive is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    InTree,
    InTarSplit,
}

impl<S: Source<Error = Error>> Unpack<S> {
    fn new(reader: Reader<S>, target: &Target<'_>, limits: Limits) -> Result<Self, Error> {
        Ok(Self {
            reader,
            root: Beneath::open(target.directory, target.user_xattr)?,
            split: Writer::create(target.tar_split)?,
            deferred: Deferred::default(),
            shadow: Shadow::new(target.aside)?,
            limits,
            size: 0,
            unfinished: Unfinished::default(),
            user_xattr: target.user_xattr,
            has_aufs_links: false,
        })
    }

    /// Unpacks everything, in a room of its own.
    fn run(mut self, room: Room) -> Result<Unpacked, Error> {
        self.root.moved_into(room);
        self.entries()?;
        if self.has_aufs_links {
            // They were there for hard links to be made to them.
            let root = self.root.share()?;
            self.shadow.put_tree_aside(&self.root, root, AUFS_LINKS, AUFS_LINKS)?;
            self.shadow.mark_replaced();
        }
        let Self {
            root,
            split,
            deferred,
            shadow,
            size,
            unfinished,
            ..
        } = self;
        deferred.apply(&root)?;
        Ok(Unpacked {
            split,
            shadow,
            size,
            unfinished,
        })
    }

    /// Unpacks all entries, then takes what follows the end mark.
    fn entries(&mut self) -> Result<(), Error> {
        let mut count = 0;
        while let Some(entry) = self.reader.next_entry()? {
            count += 1;
            if count > self.limits.entries {
                let subject = "its number of entries".to_owned();
                return Err(Error::Limit {
                    limit: self.limits.entries,
                    unit: "entries",
                    subject,
                });
            }
            self.split.raw(self.reader.raw())?;
            self.reader.raw().clear();
            self.entry(&entry)?;
        }
        self.split.raw(self.reader.raw())?;
        self.reader.raw().clear();
        loop {
            let bytes = self.reader.trailer()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let count = bytes.len();
            self.split.raw(bytes)?;
            self.reader.consume_trailer(count);
        }
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        let size = entry
            .sparse
            .as_ref()
            .map_or(entry.size, |sparse| sparse.size.max(entry.size));
        if size > self.limits.bytes {
            let subject = format!(
                "{:?} says that it has {size} bytes",
                crate::error::printable(&entry.name)
            );
            return Err(Error::Limit {
                limit: self.limits.bytes,
                unit: "bytes",
                subject,
            });
        }
        let name = Name::parse(&entry.name)?;
        // The root's own attributes are not taken from a layer, as Docker and containerd do.
        let Some((parent, base)) = name.split() else {
            return self.skip(entry);
        };
        match Whiteout::of(&name)? {
            Some(Whiteout::Record) if parent == AUFS_LINKS && entry.kind == EntryKind::File => {
                self.has_aufs_links = true;
                return self.file(entry, parent, base, Keep::InTarSplit);
            }
            Some(Whiteout::Record) => return self.skip(entry),
            Some(Whiteout::Opaque) => {
                if parent.is_empty() {
                    self.unfinished.opaque_root = true;
                } else {
                    self.root.make_opaque(parent)?;
                }
                return self.skip(entry);
            }
            Some(Whiteout::Of(hidden)) => {
                self.root.whiteout(parent, hidden)?;
                return self.skip(entry);
            }
            None => {}
        }
        match entry.kind {
            EntryKind::File => {
                let keep = if name.climbs() { Keep::InTarSplit } else { Keep::InTree };
                return self.file(entry, parent, base, keep);
            }
            EntryKind::Directory => {
                self.make_directory(entry, parent, base)?;
                self.deferred.add(name.joined(), entry, &self.shadow)?;
            }
            EntryKind::Symlink => {
                self.make_symlink(entry, parent, base)?;
                self.size += entry.link.len() as u64;
            }
            EntryKind::HardLink => self.make_hard_link(entry, parent, base)?,
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => self.make_node(entry, parent, base)?,
            EntryKind::Unknown(flag) => return Err(Error::refused(&entry.name, unknown(flag))),
        }
        self.split.file(&entry.name, 0, 0)
    }

    /// Reads past an entry that is not unpacked; its content is kept for tar-split.
    fn skip(&mut self, entry: &Entry) -> Result<(), Error> {
        loop {
            let bytes = self.reader.content()?;
            if bytes.is_empty() {
                return self.split.file(&entry.name, 0, 0);
            }
            let count = bytes.len();
            self.split.raw(bytes)?;
            self.reader.consume(count);
        }
    }

    fn file(&mut self, entry: &Entry, parent: &[u8], base: &[u8], keep: Keep) -> Result<(), Error> {
        let (file, behind_link) = self.make_file(entry, parent, base)?;
        self.size += entry.sparse.as_ref().map_or(entry.size, |sparse| sparse.size);
        // Content that cannot be found again by its name alone, by Docker's reader either, goes into tar-split itself.
        if entry.sparse.is_some() || behind_link || keep == Keep::InTarSplit {
            self.copy_sparse(entry, &file)?;
            self.split.file(&entry.name, 0, 0)?;
        } else {
            let crc = self.copy(entry, &file)?;
            self.split.file(&entry.name, entry.size, crc)?;
        }
        attributes::set_on_file(&file, entry, &self.root)
    }

    fn copy(&mut self, entry: &Entry, mut file: &File) -> Result<u64, Error> {
        let mut crc = Crc64::default();
        loop {
            let bytes = self.reader.content()?;
            if bytes.is_empty() {
                return Ok(crc.finish());
            }
            file.write_all(bytes).map_err(Error::entry("write", &entry.name))?;
            crc.update(bytes);
            let count = bytes.len();
            self.reader.consume(count);
        }
    }

    /// Writes content to where it belongs in a file with holes (or without), and into tar-split.
    fn copy_sparse(&mut self, entry: &Entry, mut file: &File) -> Result<(), Error> {
        let fail = |error: io::Error| Error::entry("write", &entry.name)(error);
        let whole = [(0, entry.size)];
        let pieces = entry.sparse.as_ref().map_or(&whole[..], |sparse| &sparse.pieces);
        for &(offset, length) in pieces {
            file.seek(SeekFrom::Start(offset)).map_err(fail)?;
            let mut rest = length;
            while rest > 0 {
                let bytes = self.reader.content()?;
                let count = bytes.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                file.write_all(&bytes[..count]).map_err(fail)?;
                self.split.raw(&bytes[..count])?;
                self.reader.consume(count);
                rest -= count as u64;
            }
        }
        let size = entry.sparse.as_ref().map_or(entry.size, |sparse| sparse.size);
        file.set_len(size).map_err(fail)
    }
}

/// Why an entry of another kind is refused. Docker and containerd refuse the same ones: a layer with one of them would be
/// of no use to them.
fn unknown(flag: u8) -> String {
    match flag {
        b'S' => "a sparse file in GNU's old form; make the archive with --format=pax".to_owned(),
        b'7' => "a contiguous file; make it a regular one".to_owned(),
        flag => format!("unknown kind of entry {:?}", char::from(flag)),
    }
}

/// A layer whose files are there.
struct Unpacked {
    split: Writer,
    shadow: Shadow,
    size: u64,
    unfinished: Unfinished,
}

impl Unpacked {
    /// Completes what describes the layer.
    fn finish(self, target: &Target<'_>) -> Result<(u64, Unfinished), Error> {
        self.split.finish(self.shadow.contents())?;
        // Replaced entries were counted too: then the sum is taken from what is there.
        let size = if self.shadow.replaced() {
            tierce_snapshot::tree::size(target.directory)?
        } else {
            self.size
        };
        Ok((size, self.unfinished))
    }
}

#[cfg(test)]
pub(crate) mod tests;
