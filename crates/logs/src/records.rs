//! How entries lie in a file, one after the other; what a reader needs of a format.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, BufRead};
use std::time::SystemTime;

use crate::Entry;

/// The longest record that is looked at: a piece of 16 KiB with every byte escaped, attributes, and room to spare. Longer
/// ones cannot be ours.
pub(crate) const MAX_RECORD: usize = 1 << 20;

/// A format of records.
pub(crate) trait Records: Debug + Sync {
    /// Adds to `record` up to its end. `false` at the end of what is there; to be called again when there is more. A
    /// record that cannot be one of ours is passed over and left empty.
    fn read(&self, reader: &mut dyn BufRead, record: &mut Record) -> io::Result<bool>;

    /// The entry in a record; `None` if it is none: it is then skipped, as Docker does.
    fn parse(&self, record: &[u8]) -> Option<Entry>;

    /// Offset of the `count`th record from the end, or how many there are if fewer or just as many. Reads only as much
    /// of the end as is needed.
    fn nth_last(&self, file: &File, count: u64) -> io::Result<Result<u64, u64>>;

    /// Time of the last entry.
    fn last_time(&self, file: &File) -> io::Result<Option<SystemTime>>;

    /// Beginning of a record such that all before it are older than `since`.
    fn search(&self, file: &File, since: SystemTime) -> io::Result<u64>;
}

/// A record being put together.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Its bytes so far.
    pub(crate) bytes: Vec<u8>,
    /// It is longer than any of ours: skip to its end.
    pub(crate) overlong: bool,
}

impl Record {
    /// Ready for the next one.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.overlong = false;
    }
}
