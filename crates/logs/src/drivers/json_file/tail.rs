//! Where to begin reading: the last n entries, or the first entry not before a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;

use super::compress::Origin;
use super::files::LogFile;
use super::parse::{MAX_LINE, parse};

/// Bytes read at once when going backwards.
const BLOCK: u64 = 64 * 1024;
/// Files smaller than this are not searched by time, but read.
const WORTH_SEARCHING: u64 = 256 * 1024;

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
pub(super) fn last_entries(files: &[LogFile], count: usize) -> io::Result<(usize, Begin)> {
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
            let total = entries_in_compressed(&log.file)?;
            if total > missing {
                return Ok((index + 1, Begin::Skip(total - missing)));
            }
            missing -= total;
        } else {
            match backwards(&log.file, missing)? {
                Ok(offset) => return Ok((index + 1, Begin::Offset(offset))),
                Err(found) => missing -= found,
            }
        }
    }
    Ok((files.len(), Begin::Offset(0)))
}

/// Offset of the `count`th line from the end, or how many lines there are if fewer or just as many.
fn backwards(file: &File, count: u64) -> io::Result<Result<u64, u64>> {
    let size = file.metadata()?.len();
    let mut end = size;
    let mut found = 0;
    let mut block = vec![0; BLOCK as usize];
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let block = &mut block[..(end - start) as usize];
        file.read_exact_at(block, start)?;
        for at in (0..block.len()).rev().filter(|&at| block[at] == b'\n') {
            let next = start + at as u64 + 1;
            // The newline at the very end closes the last line; every other one begins the line after it.
            if next < size {
                found += 1;
                if found == count {
                    return Ok(Ok(next));
                }
            }
        }
        end = start;
    }
    Ok(Err(found + u64::from(size > 0)))
}

fn entries_in_compressed(file: &File) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(BLOCK as usize, MultiGzDecoder::new(file.try_clone()?));
    let mut total = 0;
    // A damaged file is read as far as it goes.
    while let Ok(bytes @ [_, ..]) = reader.fill_buf() {
        total += bytes.split(|&byte| byte == b'\n').count() as u64 - 1;
        let length = bytes.len();
        reader.consume(length);
    }
    rewind(file)?;
    Ok(total)
}

fn rewind(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)
}

/// For files given newest first: how many of them may hold entries not before `since`, and where to begin in the oldest
/// of those. Entries are in order of time unless the clock was set back; those before `since` are filtered out anyway.
pub(super) fn first_since(files: &[LogFile], since: SystemTime) -> io::Result<(usize, Begin)> {
    let mut needed = files.len().min(1);
    for (index, log) in files.iter().enumerate().skip(1) {
        let last = if log.compressed {
            let last = Origin::read(&log.file).and_then(|origin| origin.last_time());
            rewind(&log.file)?;
            last
        } else {
            last_time(&log.file)?
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
        Begin::Offset(search(&oldest.file, since)?)
    };
    Ok((needed, begin))
}

fn last_time(file: &File) -> io::Result<Option<SystemTime>> {
    let begin = backwards(file, 1)?.unwrap_or(0);
    Ok(line_at(file, begin)?
        .and_then(|line| parse(&line))
        .map(|entry| entry.time))
}

/// The line that begins at `offset`, without its newline.
fn line_at(file: &File, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut block = [0; 4096];
    loop {
        let read = file.read_at(&mut block, offset + line.len() as u64)?;
        if let Some(end) = block[..read].iter().position(|&byte| byte == b'\n') {
            line.extend_from_slice(&block[..end]);
            return Ok(Some(line));
        }
        line.extend_from_slice(&block[..read]);
        if read == 0 || line.len() > MAX_LINE {
            return Ok(None);
        }
    }
}

/// Binary search for a line start such that all lines before it are older than `since`.
fn search(file: &File, since: SystemTime) -> io::Result<u64> {
    let size = file.metadata()?.len();
    // Invariant: `low` is a line start, everything before it is older; the answer is not after `high`.
    let (mut low, mut high) = (0, size);
    while high - low > WORTH_SEARCHING {
        let middle = low + (high - low) / 2;
        let Some(rest) = line_at(file, middle)? else { break };
        let start = middle + rest.len() as u64 + 1;
        match line_at(file, start)?.and_then(|line| parse(&line)) {
            Some(entry) if start < high && entry.time < since => low = start,
            Some(_) => high = middle,
            None => break,
        }
    }
    Ok(low)
}
