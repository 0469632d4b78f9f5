//! Where to begin reading: the last n entries, or the first entry not before a time.

use std::fs::File;
use std::io::{self, BufReader};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;

use crate::records::{Record, Records};
use crate::rotation::{LogFile, Origin};

/// Bytes of a compressed file that are looked at at once.
const BLOCK: usize = 64 * 1024;

/// Where in one file reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// At this byte of a plain file.
    Offset(u64),
    /// After so many entries of a compressed one.
    Skip(u64),
}

/// For files given newest first: how many of them to read and where to begin in the oldest of those, so that the last
/// `count` entries are seen. Reads only as much from the ends as is needed.
pub(super) fn last_entries(records: &dyn Records, files: &[LogFile], count: usize) -> io::Result<(usize, Begin)> {
    let mut missing = count as u64;
    for (index, log) in files.iter().enumerate() {
        if missing == 0 {
            // Nothing is wanted of the newest file but what comes, or the newer ones hold all that is wanted.
            return if index == 0 && !log.compressed {
                Ok((1, Begin::Offset(log.file.metadata()?.len())))
            } else {
                Ok((index, Begin::Offset(0)))
            };
        }
        if log.compressed {
            let total = entries_in_compressed(records, &log.file)?;
            if total > missing {
                return Ok((index + 1, Begin::Skip(total - missing)));
            }
            missing -= total;
        } else {
            match records.nth_last(&log.file, missing)? {
                Ok(offset) => return Ok((index + 1, Begin::Offset(offset))),
                Err(found) => missing -= found,
            }
        }
    }
    Ok((files.len(), Begin::Offset(0)))
}

fn entries_in_compressed(records: &dyn Records, file: &File) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(BLOCK, MultiGzDecoder::new(file.try_clone()?));
    let (mut total, mut record) = (0, Record::default());
    // A damaged file is read as far as it goes.
    while let Ok(true) = records.read(&mut reader, &mut record) {
        total += 1;
        record.clear();
    }
    rewind(file)?;
    Ok(total)
}

fn rewind(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)
}

/// For files given newest first: how many of them may hold entries not before `since`, and where to begin in the oldest
/// of those. Entries are in order of time unless the clock was set back; those before `since` are filtered out anyway.
pub(super) fn first_since(records: &dyn Records, files: &[LogFile], since: SystemTime) -> io::Result<(usize, Begin)> {
    let mut needed = files.len().min(1);
    for (index, log) in files.iter().enumerate().skip(1) {
        let last = if log.compressed {
            let last = Origin::read(&log.file).and_then(|origin| origin.last_time());
            rewind(&log.file)?;
            last
        } else {
            records.last_time(&log.file)?
        };
        if last.is_some_and(|last| last < since) {
            break;
        }
        needed = index + 1;
    }
    let Some(oldest) = needed.checked_sub(1).map(|index| &files[index]) else {
        return Ok((0, Begin::Offset(0)));
    };
    let begin = if oldest.compressed {
        Begin::Skip(0)
    } else {
        Begin::Offset(records.search(&oldest.file, since)?)
    };
    Ok((needed, begin))
}
