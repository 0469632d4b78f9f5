//! PAX extended headers: `length key=value\n` records. Source: POSIX.1-2017 pax, "pax Extended Header".

use super::header::{self, Refusal};
use super::{Entry, Sparse, sparse};

/// Prefix of extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Keys of form 0.0 of sparse files.
const OFFSET: &[u8] = b"GNU.sparse.offset";
const LENGTH: &[u8] = b"GNU.sparse.numbytes";

/// Records of one extended header, in order.
#[derive(Debug, Default)]
pub(super) struct Records<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Records<'a> {
    /// Splits the content of an extended header.
    pub(super) fn parse(mut bytes: &'a [u8]) -> Result<Self, Refusal> {
        const BAD: Refusal = "malformed PAX record";
        let mut records = Vec::new();
        // Form 0.0 of sparse files repeats two keys in turn.
        let mut next_of_map: &[u8] = OFFSET;
        while !bytes.is_empty() {
            let space = bytes.iter().position(|&byte| byte == b' ').ok_or(BAD)?;
            let length = decimal(&bytes[..space])
                .filter(|&n| n > space + 1 && n <= bytes.len())
                .ok_or(BAD)?;
            let (record, rest) = bytes.split_at(length);
            let record = record[space + 1..].strip_suffix(b"\n").ok_or(BAD)?;
            let equals = record.iter().position(|&byte| byte == b'=').ok_or(BAD)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            // As Go: names cannot contain NUL, and no key may.
            let named = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
            if key.is_empty() || key.contains(&0) || (named && value.contains(&0)) {
                return Err("a PAX record with NUL in it");
            }
            if key == OFFSET || key == LENGTH {
                if key != next_of_map || value.contains(&b',') {
                    return Err("malformed map of a sparse file");
                }
                next_of_map = if key == OFFSET { LENGTH } else { OFFSET };
            }
            records.push((key, value));
            bytes = rest;
        }
        Ok(Self(records))
    }

    /// The last value of a key.
    fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.0
            .iter()
            .rev()
            .find(|(found, _)| *found == key.as_bytes())
            .map(|(_, value)| *value)
    }

    /// Overrides what the header says. An empty value leaves the header's.
    pub(super) fn apply(&self, entry: &mut Entry, size: &mut i64) -> Result<(), Refusal> {
        for &(key, value) in &self.0 {
            if let Some(name) = key.strip_prefix(XATTR) {
                if name.is_empty() {
                    return Err("an extended attribute without a name");
                }
                entry.xattrs.retain(|(old, _)| old != name);
                entry.xattrs.push((name.to_vec(), value.to_vec()));
                continue;
            }
            if value.is_empty() {
                continue;
            }
            match key {
                b"path" => entry.name = value.to_vec(),
                b"linkpath" => entry.link = value.to_vec(),
                b"size" => *size = signed(value)?,
                b"uid" => entry.uid = header::owner(signed(value)?),
                b"gid" => entry.gid = header::owner(signed(value)?),
                b"mtime" => entry.mtime = time(value)?,
                // Not kept, as under Docker, but they must be times.
                b"atime" | b"ctime" => drop(time(value)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// GNU's sparse forms in PAX: 0.0 and 0.1 give the map here; for 1.0 it is at the start of the content, told by
    /// `true`. Sets the entry's real name. An unknown version is a file like any other, as for Go.
    pub(super) fn sparse(&self, entry: &mut Entry) -> Result<Option<(Sparse, bool)>, Refusal> {
        const BAD: Refusal = "malformed map of a sparse file";
        let set = |key| self.get(key).filter(|value| !value.is_empty());
        let map = self.map()?;
        let in_content = match (set("GNU.sparse.major"), set("GNU.sparse.minor")) {
            (Some(b"1"), Some(b"0")) => true,
            (Some(b"0"), Some(b"0" | b"1")) => false,
            (None, None) if map.is_some() => false,
            _ => return Ok(None),
        };
        if let Some(name) = set("GNU.sparse.name") {
            if name.contains(&0) {
                return Err("a PAX record with NUL in it");
            }
            entry.name = name.to_vec();
        }
        let size = set("GNU.sparse.size").or_else(|| set("GNU.sparse.realsize"));
        let size = size.map_or(Ok(entry.size), number)?;
        let mut pieces = Vec::new();
        if !in_content {
            let blocks = number(self.get("GNU.sparse.numblocks").unwrap_or_default())?;
            pieces = sparse::pairs(&map.unwrap_or_default())?;
            if pieces.len() as u64 != blocks {
                return Err(BAD);
            }
        }
        Ok(Some((Sparse { pieces, size }, in_content)))
    }

    /// The map of forms 0.0 and 0.1, a flat list of offsets and lengths; `None` without one.
    fn map(&self) -> Result<Option<Vec<u64>>, Refusal> {
        let mut numbers = Vec::new();
        for &(_, value) in self.0.iter().filter(|(key, _)| *key == OFFSET || *key == LENGTH) {
            numbers.push(number(value)?);
        }
        if !numbers.is_empty() {
            return Ok(Some(numbers));
        }
        let Some(map) = self.get("GNU.sparse.map").filter(|map| !map.is_empty()) else {
            return Ok(None);
        };
        map.split(|&byte| byte == b',')
            .map(number)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

fn decimal(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
        .parse()
        .ok()
}

/// A number that is not negative.
fn number(value: &[u8]) -> Result<u64, Refusal> {
    u64::try_from(signed(value)?).map_err(|_| "a PAX number that is negative")
}

fn signed(value: &[u8]) -> Result<i64, Refusal> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.ok_or("a PAX number that is none")
}

/// Seconds with an optional fraction, perhaps negative.
fn time(value: &[u8]) -> Result<super::Time, Refusal> {
    const BAD: Refusal = "a PAX time that is none";
    let text = std::str::from_utf8(value).map_err(|_| BAD)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| BAD)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BAD);
    }
    let nanoseconds = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = nanoseconds.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    if nanoseconds > 0 && whole.starts_with('-') {
        return Ok((seconds.checked_sub(1).ok_or(BAD)?, 1_000_000_000 - nanoseconds));
    }
    Ok((seconds, nanoseconds))
}
