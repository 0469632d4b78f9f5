//! Writing an archive: ustar headers, with PAX records for what ustar cannot say (as Go's writer does).

use super::{BLOCK, Entry, EntryKind, Time};
use std::io::{self, Write};

/// Largest number of a 12-byte octal field with its NUL.
const MAX_OCTAL_12: u64 = 0o777_7777_7777;
/// The same for 8 bytes.
const MAX_OCTAL_8: u64 = 0o777_7777;

/// An archive being written. [`Self::finish`] must be called at the end.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    remaining: u64,
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// An archive without entries.
    pub fn new(output: W) -> Self {
        Self {
            output,
            remaining: 0,
            padding: 0,
        }
    }

    /// Begins an entry. `entry.size` bytes of content must follow through [`Self::write_content`] when it is a file.
    ///
    /// # Errors
    /// When the entry before is not complete; errors of the output.
    pub fn begin(&mut self, entry: &Entry) -> io::Result<()> {
        self.end_entry()?;
        let records = records(entry);
        if !records.is_empty() {
            let name = entry.name.strip_suffix(b"/").unwrap_or(&entry.name);
            let start = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
            let (dir, base) = name.split_at(start);
            let mut extended = Entry::new([dir, b"PaxHeaders.0/", base].concat(), EntryKind::Unknown(b'x'));
            extended.size = records.len() as u64;
            extended.mode = 0o644;
            self.output.write_all(&block(&extended))?;
            self.output.write_all(&records)?;
            self.pad(records.len())?;
        }
        self.output.write_all(&block(entry))?;
        self.remaining = if entry.kind == EntryKind::File { entry.size } else { 0 };
        self.padding = (self.remaining.next_multiple_of(BLOCK as u64) - self.remaining) as usize;
        Ok(())
    }

    /// Writes content of the entry begun last.
    ///
    /// # Errors
    /// When it is more than was announced; errors of the output.
    pub fn write_content(&mut self, bytes: &[u8]) -> io::Result<()> {
        let rest = self.remaining.checked_sub(bytes.len() as u64);
        self.remaining = rest.ok_or_else(|| io::Error::other("more content than the header announced"))?;
        self.output.write_all(bytes)
    }

    /// Writes the end mark and gives the output back.
    ///
    /// # Errors
    /// When the last entry is not complete; errors of the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_entry()?;
        self.output.write_all(&[0; 2 * BLOCK])?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn end_entry(&mut self) -> io::Result<()> {
        if self.remaining > 0 {
            return Err(io::Error::other("less content than the header announced"));
        }
        let padding = std::mem::take(&mut self.padding);
        self.output.write_all(&[0; BLOCK][..padding])
    }

    fn pad(&mut self, length: usize) -> io::Result<()> {
        self.output
            .write_all(&[0; BLOCK][..length.next_multiple_of(BLOCK) - length])
    }
}

/// The ustar header; what does not fit is cut or zero, and is said by [`records`].
fn block(entry: &Entry) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block[..100], &entry.name);
    octal(&mut block[100..108], u64::from(entry.mode));
    octal(&mut block[108..116], fitting(entry.uid, MAX_OCTAL_8));
    octal(&mut block[116..124], fitting(entry.gid, MAX_OCTAL_8));
    octal(&mut block[124..136], fitting(entry.size, MAX_OCTAL_12));
    octal(
        &mut block[136..148],
        u64::try_from(entry.mtime.0).map_or(0, |seconds| fitting(seconds, MAX_OCTAL_12)),
    );
    block[156] = match entry.kind {
        EntryKind::File => b'0',
        EntryKind::HardLink => b'1',
        EntryKind::Symlink => b'2',
        EntryKind::CharDevice => b'3',
        EntryKind::BlockDevice => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
        EntryKind::Unknown(flag) => flag,
    };
    put(&mut block[157..257], &entry.link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    octal(&mut block[329..337], u64::from(entry.device.0));
    octal(&mut block[337..345], u64::from(entry.device.1));
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut block[148..155], sum);
    block
}

fn put(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

fn fitting(value: u64, max: u64) -> u64 {
    if value <= max { value } else { 0 }
}

/// Digits and a NUL.
fn octal(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}");
    field[..digits].copy_from_slice(&text.as_bytes()[..digits]);
}

/// PAX records for what the header cannot say.
fn records(entry: &Entry) -> Vec<u8> {
    let mut records = Vec::new();
    if entry.name.len() > 100 {
        record(&mut records, b"path", &entry.name);
    }
    if entry.link.len() > 100 {
        record(&mut records, b"linkpath", &entry.link);
    }
    for (key, value, max) in [
        (&b"uid"[..], entry.uid, MAX_OCTAL_8),
        (b"gid", entry.gid, MAX_OCTAL_8),
        (b"size", entry.size, MAX_OCTAL_12),
    ] {
        if value > max {
            record(&mut records, key, value.to_string().as_bytes());
        }
    }
    if entry.mtime.1 != 0 || entry.mtime.0 < 0 || entry.mtime.0 > MAX_OCTAL_12 as i64 {
        record(&mut records, b"mtime", time(entry.mtime).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records
}

/// `length key=value\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    length = rest + length.to_string().len();
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn time((seconds, nanoseconds): Time) -> String {
    if nanoseconds == 0 {
        return seconds.to_string();
    }
    let (sign, seconds, nanoseconds) = if seconds < 0 {
        ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds)
    } else {
        ("", seconds.unsigned_abs(), nanoseconds)
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').to_owned()
}
