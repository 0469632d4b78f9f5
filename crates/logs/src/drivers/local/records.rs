//! Records with their length on both sides: reading them, from the end as well.

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use super::entry::{LENGTH, decode};
use crate::Entry;
use crate::records::{MAX_RECORD, Record, Records};

/// The format's records.
#[derive(Debug)]
pub(crate) struct Frames;

/// Bytes of a record whose length is `length`, both lengths included; `None`: it cannot be one.
fn whole(length: [u8; LENGTH]) -> Option<usize> {
    let length = u32::from_be_bytes(length) as usize;
    (length <= MAX_RECORD).then_some(length + 2 * LENGTH)
}

impl Records for Frames {
    fn read(&self, reader: &mut dyn BufRead, record: &mut Record) -> io::Result<bool> {
        loop {
            let bytes = match reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            let length = record.bytes.first_chunk::<LENGTH>().copied();
            let wanted = match length.map(whole) {
                None => LENGTH,
                Some(Some(whole)) => whole,
                // Damaged: where the next record begins cannot be known in this file.
                Some(None) => {
                    record.overlong = true;
                    let all = bytes.len();
                    reader.consume(all);
                    continue;
                }
            };
            let taken = bytes.len().min(wanted - record.bytes.len());
            record.bytes.extend_from_slice(&bytes[..taken]);
            reader.consume(taken);
            if length.is_some() && record.bytes.len() == wanted {
                return Ok(true);
            }
        }
    }

    fn parse(&self, record: &[u8]) -> Option<Entry> {
        decode(record)
    }

    fn nth_last(&self, file: &File, count: u64) -> io::Result<Result<u64, u64>> {
        let (mut place, mut found) = (whole_records(file)?, 0);
        while found < count {
            match before(file, place)? {
                Some(start) => place = start,
                None => return Ok(Err(found)),
            }
            found += 1;
        }
        Ok(if place == 0 { Err(found) } else { Ok(place) })
    }

    fn last_time(&self, file: &File) -> io::Result<Option<SystemTime>> {
        let end = whole_records(file)?;
        Ok(match before(file, end)? {
            Some(start) => entry(file, start, end)?.map(|entry| entry.time),
            None => None,
        })
    }

    fn search(&self, file: &File, since: SystemTime) -> io::Result<u64> {
        // Backwards: what is passed over is what is going to be shown.
        let mut place = whole_records(file)?;
        while let Some(start) = before(file, place)? {
            if entry(file, start, place)?.is_some_and(|entry| entry.time < since) {
                break;
            }
            place = start;
        }
        Ok(place)
    }
}

fn length_at(file: &File, offset: u64) -> io::Result<Option<usize>> {
    let mut length = [0; LENGTH];
    file.read_exact_at(&mut length, offset)?;
    Ok(whole(length))
}

fn entry(file: &File, start: u64, end: u64) -> io::Result<Option<Entry>> {
    let mut record = vec![0; (end - start) as usize];
    file.read_exact_at(&mut record, start)?;
    Ok(decode(&record))
}

/// Where the record that ends at `end` begins; `None`: none does.
fn before(file: &File, end: u64) -> io::Result<Option<u64>> {
    let Some(trailer) = end.checked_sub(LENGTH as u64) else {
        return Ok(None);
    };
    let whole = length_at(file, trailer)?;
    let Some(start) = whole.and_then(|whole| end.checked_sub(whole as u64)) else {
        return Ok(None);
    };
    Ok((length_at(file, start)? == whole).then_some(start))
}

/// Where the last whole record ends: a crash may have cut one short. Looks at the end, and only if that is damaged at
/// all of the file.
pub(super) fn whole_records(file: &File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    if size == 0 || before(file, size)?.is_some() {
        return Ok(size);
    }
    let mut place = 0;
    while place + LENGTH as u64 <= size {
        let Some(whole) = length_at(file, place)? else { break };
        let next = place + whole as u64;
        if next > size || before(file, next)? != Some(place) {
            break;
        }
        place = next;
    }
    Ok(place)
}
