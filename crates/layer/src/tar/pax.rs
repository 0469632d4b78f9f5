//! PAX extended headers: `length key=value\n` records. Source: POSIX.1-2017 pax, "pax Extended Header".

use super::header::Refusal;
use super::{Entry, Sparse, sparse};

/// Prefix of extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Records of one extended header, in order.
#[derive(Debug, Default)]
pub(super) struct Records<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Records<'a> {
    /// Splits the content of an extended header.
    pub(super) fn parse(mut bytes: &'a [u8]) -> Result<Self, Refusal> {
        const BAD: Refusal = "malformed PAX record";
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().take(20).position(|&byte| byte == b' ').ok_or(BAD)?;
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
    pub(super) fn apply(&self, entry: &mut Entry) -> Result<(), Refusal> {
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
                b"size" => entry.size = number(value)?,
                b"uid" => entry.uid = number(value)?,
                b"gid" => entry.gid = number(value)?,
                b"mtime" => entry.mtime = time(value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// GNU's sparse forms in PAX: 0.0 and 0.1 give the map here; for 1.0 it is at the start of the content, told by
    /// `true`. Sets the entry's real name.
    pub(super) fn sparse(&self, entry: &mut Entry) -> Result<Option<(Sparse, bool)>, Refusal> {
        let version = (self.get("GNU.sparse.major"), self.get("GNU.sparse.minor"));
        let in_content = match version {
            (Some(b"1"), Some(b"0")) => true,
            (Some(b"0"), Some(b"0" | b"1")) => false,
            (Some(_), _) | (_, Some(_)) => return Err("unknown version of sparse file"),
            (None, None) if self.get("GNU.sparse.map").is_some() => false,
            (None, None) if self.get("GNU.sparse.numblocks").is_some() => false,
            (None, None) => return Ok(None),
        };
        if let Some(name) = self.get("GNU.sparse.name").filter(|name| !name.is_empty()) {
            if name.contains(&0) {
                return Err("a PAX record with NUL in it");
            }
            entry.name = name.to_vec();
        }
        let size = self.get("GNU.sparse.realsize").or_else(|| self.get("GNU.sparse.size"));
        let size = size.map_or(Ok(entry.size), number)?;
        if in_content {
            return Ok(Some((
                Sparse {
                    pieces: Vec::new(),
                    size,
                },
                true,
            )));
        }
        let mut numbers = Vec::new();
        if let Some(map) = self.get("GNU.sparse.map") {
            for part in map.split(|&byte| byte == b',').filter(|part| !part.is_empty()) {
                numbers.push(number(part)?);
            }
        } else {
            // 0.0 repeats the two keys; their order is the map.
            for &(key, value) in &self.0 {
                let expected: &[u8] = if numbers.len() % 2 == 0 {
                    b"GNU.sparse.offset"
                } else {
                    b"GNU.sparse.numbytes"
                };
                match key {
                    b"GNU.sparse.offset" | b"GNU.sparse.numbytes" if key != expected => {
                        return Err("malformed map of a sparse file");
                    }
                    b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => numbers.push(number(value)?),
                    _ => {}
                }
            }
        }
        Ok(Some((
            Sparse {
                pieces: sparse::pairs(&numbers)?,
                size,
            },
            false,
        )))
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
pub(super) fn number(value: &[u8]) -> Result<u64, Refusal> {
    let number: Option<i64> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number
        .and_then(|number| u64::try_from(number).ok())
        .ok_or("a PAX number that is none")
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
