//! bbolt's file format: the small databases that Docker Engine keeps its volumes' labels and its networks in.
//!
//! A database here is a value: it is read whole, changed in memory, and written whole under a new inode. That is right
//! for what Docker keeps in them (some hundred bytes a volume or network) and leaves out all that makes a database hard:
//! free pages, splits, readers beside a writer. What is written is what bbolt itself writes after a compaction.
//!
//! ```text
//! page 0, 1   meta: magic, version, page size, root, free list, high-water mark, transaction, checksum
//! page 2      free list, empty
//! page 3 …    leaves and branches of the buckets; a bucket below a quarter of a page lies in its parent's leaf
//! ```
//!
//! The file is locked as bbolt locks it (flock), for as long as the value lives: a dockerd on the same root would
//! otherwise write over what this program wrote, and the other way round. So each of the two refuses to start while the
//! other runs.
//!
//! Source: bbolt 1.4, `internal/common/{meta,page,inode}.go`, `node.go`, `bucket.go`; files written by Docker 28.5.

mod read;
mod write;

use crate::Error;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tierce_fsops::FileLock;

/// Size of a page in files that this program makes; those that it finds keep theirs.
const PAGE_SIZE: usize = 4096;
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes before a page's elements.
const PAGE_HEADER: usize = 16;
/// Bytes of an element of a page, without its key and value.
const ELEMENT: usize = 16;
/// Bytes before the page of a bucket that lies in its parent's leaf: root (zero) and sequence.
const BUCKET_HEADER: usize = 16;
/// Bytes of a meta page that its checksum covers.
const META_LENGTH: usize = 56;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const META: u16 = 0x04;
const FREE_LIST: u16 = 0x10;
/// Flag of a leaf's element: its value is a bucket.
const IS_BUCKET: u32 = 0x01;

/// Keys in their order, each with a value or a bucket of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Docker does not use it; kept as it is found.
    pub sequence: u64,
    /// What the bucket holds.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

/// What a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Bytes.
    Value(Vec<u8>),
    /// More keys.
    Bucket(Bucket),
}

impl Bucket {
    /// The bucket of that name in this one; an empty one is made where there is none.
    pub fn bucket(&mut self, name: &str) -> &mut Self {
        let entry = self.entries.entry(name.as_bytes().to_vec());
        let entry = entry.or_insert_with(|| Entry::Bucket(Self::default()));
        if let Entry::Value(_) = entry {
            *entry = Entry::Bucket(Self::default());
        }
        match entry {
            Entry::Bucket(bucket) => bucket,
            Entry::Value(_) => unreachable!("it was made a bucket"),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        match self.entries.get(key.as_bytes())? {
            Entry::Value(value) => Some(value),
            Entry::Bucket(_) => None,
        }
    }

    /// Sets the value of a key.
    pub fn put(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        self.entries.insert(key.as_bytes().to_vec(), Entry::Value(value.into()));
    }

    /// Takes a key away, with all below it.
    pub fn remove(&mut self, key: &str) {
        self.entries.remove(key.as_bytes());
    }

    /// Values whose keys are text, in their order.
    pub fn values(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().filter_map(|(key, entry)| match entry {
            Entry::Value(value) => Some((std::str::from_utf8(key).ok()?, value.as_slice())),
            Entry::Bucket(_) => None,
        })
    }
}

/// A database file, held by this process alone.
#[derive(Debug)]
pub struct Database {
    /// The outermost bucket: its entries are the named buckets.
    pub root: Bucket,
    path: PathBuf,
    page_size: usize,
    transaction: u64,
    mode: u32,
    /// Replaced with the file itself, for the lock belongs to the inode.
    lock: FileLock,
}

impl Database {
    /// Opens a database, made where there is none.
    ///
    /// - `mode`: permission bits of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it open and keeps it; [`Error::BoltDamaged`]; file errors.
    pub fn open(path: &Path, mode: u32) -> Result<Self, Error> {
        let lock = take_lock(path)?;
        let bytes = tierce_fsops::read(path)?;
        let contents = if bytes.is_empty() {
            read::Contents::default()
        } else {
            read::read(&bytes).map_err(|what| Error::BoltDamaged {
                path: path.to_owned(),
                what,
            })?
        };
        Ok(Self {
            root: contents.root,
            path: path.to_owned(),
            page_size: contents.page_size,
            transaction: contents.transaction,
            mode,
            lock,
        })
    }

    /// Writes the database anew, durably.
    ///
    /// # Errors
    /// File errors; the file is then as it was.
    pub fn save(&mut self) -> Result<(), Error> {
        let bytes = write::write(&self.root, self.page_size, self.transaction + 1);
        self.lock = tierce_fsops::write_atomic_locked(&self.path, &bytes, self.mode)?;
        self.transaction += 2;
        Ok(())
    }
}

/// A program that this process is starting at the moment has all its descriptors, locks with them, until it executes: so
/// a lock that is taken is asked for again for a second. dockerd waits ten.
fn take_lock(path: &Path) -> Result<FileLock, Error> {
    const TRIES: usize = 50;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..TRIES {
        if let Some(lock) = tierce_fsops::try_lock(path)? {
            return Ok(lock);
        }
        std::thread::sleep(PAUSE);
    }
    Err(Error::Locked { path: path.to_owned() })
}

/// FNV-1a of 64 bits, bbolt's checksum of a meta page.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
