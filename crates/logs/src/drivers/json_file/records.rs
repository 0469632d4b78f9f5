//! One JSON object a line: reading it, and finding lines in a file without reading all of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use serde::Deserialize;

use crate::records::{MAX_RECORD, Record, Records};
use crate::{Entry, Stream, time};

/// Bytes read at once when going backwards.
const BLOCK: u64 = 64 * 1024;
/// Files smaller than this are not searched by time, but read.
const WORTH_SEARCHING: u64 = 256 * 1024;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    attrs: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// The format's records: lines.
#[derive(Debug)]
pub(crate) struct JsonLines;

impl Records for JsonLines {
    fn read(&self, reader: &mut dyn BufRead, record: &mut Record) -> io::Result<bool> {
        loop {
            let bytes = match reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let taken = end.unwrap_or(bytes.len());
            if record.bytes.len() + taken > MAX_RECORD {
                record.overlong = true;
                record.bytes.clear();
            } else if !record.overlong {
                record.bytes.extend_from_slice(&bytes[..taken]);
            }
            reader.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn parse(&self, record: &[u8]) -> Option<Entry> {
        parse(record)
    }

    fn nth_last(&self, file: &File, count: u64) -> io::Result<Result<u64, u64>> {
        backwards(file, count)
    }

    fn last_time(&self, file: &File) -> io::Result<Option<SystemTime>> {
        let begin = backwards(file, 1)?.unwrap_or(0);
        let last = line_at(file, begin)?.and_then(|line| parse(&line));
        Ok(last.map(|entry| entry.time))
    }

    fn search(&self, file: &File, since: SystemTime) -> io::Result<u64> {
        search(file, since)
    }
}

/// The entry in `line` (without its newline); `None` if it is not one: it is then skipped, as Docker does.
pub(super) fn parse(line: &[u8]) -> Option<Entry> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    Some(Entry {
        stream: if line.stream == "stderr" {
            Stream::Stderr
        } else {
            Stream::Stdout
        },
        time: time::parse(&line.time)?,
        line: line.log.into_owned().into_bytes(),
        attributes: line.attrs.unwrap_or_default(),
    })
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
        if read == 0 || line.len() > MAX_RECORD {
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
