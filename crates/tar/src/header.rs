//! One header block. Source: POSIX.1-2017 pax "ustar Interchange Format", GNU tar manual "Basic Tar Format".

use super::{BLOCK, Entry, EntryKind};

/// Why a header is refused; the reader adds the offset.
pub(super) type Refusal = &'static str;

/// One block.
pub(super) type Block = [u8; BLOCK];

/// Which fields of a header mean what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

/// The type byte of a header; kinds that are not entries of their own, too.
pub(super) fn type_flag(block: &Block) -> u8 {
    block[156]
}

pub(super) fn format(block: &Block) -> Format {
    match (&block[257..263], &block[263..265]) {
        (b"ustar\0", _) if &block[508..512] == b"tar\0" => Format::Star,
        (b"ustar\0", _) => Format::Ustar,
        (b"ustar ", b" \0") => Format::Gnu,
        _ => Format::V7,
    }
}

/// Checks the checksum: unsigned as the standard says, or signed as old programs wrote it.
pub(super) fn check(block: &Block) -> Result<(), Refusal> {
    let stored = octal(&block[148..156])?;
    let (mut unsigned, mut signed) = (0_u64, 0_i64);
    for (index, &byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&index) { b' ' } else { byte };
        unsigned += u64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    if stored == unsigned || i64::try_from(stored) == Ok(signed) {
        Ok(())
    } else {
        Err("wrong header checksum")
    }
}

/// Decodes a header block whose checksum is right.
pub(super) fn parse(block: &Block) -> Result<Entry, Refusal> {
    let format = format(block);
    let mut name = text(&block[..100]).to_vec();
    let prefix = match format {
        Format::Ustar => text(&block[345..500]),
        Format::Star => text(&block[345..476]),
        Format::Gnu => gnu_prefix(block),
        Format::V7 => b"",
    };
    if !prefix.is_empty() {
        name = [prefix, b"/", &name].concat();
    }
    let flag = type_flag(block);
    let kind = match flag {
        // Old archives mark directories by the name alone.
        0 if name.ends_with(b"/") => EntryKind::Directory,
        b'0' | 0 => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => EntryKind::Unknown(other),
    };
    let mut entry = Entry::new(name, kind);
    entry.link = text(&block[157..257]).to_vec();
    entry.mode = (number(&block[100..108])? & 0o7777) as u32;
    entry.uid = owner(number(&block[108..116])?);
    entry.gid = owner(number(&block[116..124])?);
    entry.mtime = (number(&block[136..148])?, 0);
    if format != Format::V7 {
        // They must be numbers whatever the entry is.
        let (major, minor) = (number(&block[329..337])?, number(&block[337..345])?);
        if matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
            let part = |number| u32::try_from(number).map_err(|_| "device number out of range");
            entry.device = (part(major)?, part(minor)?);
        }
    }
    if format == Format::Star {
        for time in [476..488, 488..500] {
            number(&block[time])?;
        }
    }
    Ok(entry)
}

/// An owner as the kernel takes numbers, of which the last 32 bits count: an old "nobody" is -2.
pub(super) fn owner(number: i64) -> u64 {
    u64::from(number as u32)
}

/// The size field of an entry that has content.
pub(super) fn size(block: &Block) -> Result<u64, Refusal> {
    u64::try_from(signed_size(block)?).map_err(|_| "negative size")
}

/// The size field.
pub(super) fn signed_size(block: &Block) -> Result<i64, Refusal> {
    number(&block[124..136])
}

/// GNU headers have times where ustar has the prefix; Go before 1.8 wrote a prefix there all the same. Docker images of
/// that age exist, so the reader does as Go's: when the times cannot be times and all is ASCII, it is a prefix.
fn gnu_prefix(block: &Block) -> &[u8] {
    let broken = [345..357, 357..369]
        .into_iter()
        .any(|time| block[time.start] != 0 && number(&block[time]).is_err());
    let prefix = text(&block[345..500]);
    if broken && prefix.is_ascii() { prefix } else { b"" }
}

/// Bytes up to the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number: octal digits, or GNU's base 256 when the first bit is set.
pub(super) fn number(field: &[u8]) -> Result<i64, Refusal> {
    let Some(&first) = field.first() else { return Ok(0) };
    if first & 0x80 == 0 {
        return i64::try_from(octal(field)?).map_err(|_| "number too big");
    }
    // Two's complement, big endian; the first bit is only the mark, the second the sign.
    let negative = first & 0x40 != 0;
    let mut value: i64 = if negative { -1 } else { 0 };
    for (index, &byte) in field.iter().enumerate() {
        let byte = match index {
            0 if negative => byte | 0x80,
            0 => byte & 0x7F,
            _ => byte,
        };
        if value.checked_mul(256).is_none() {
            return Err("number too big");
        }
        value = (value << 8) | i64::from(byte);
    }
    Ok(value)
}

/// Octal digits with blanks and NULs around; nothing at all is zero.
fn octal(field: &[u8]) -> Result<u64, Refusal> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|byte| !is_blank(byte)) else {
        return Ok(0);
    };
    let end = field
        .iter()
        .rposition(|byte| !is_blank(byte))
        .map_or(start, |last| last + 1);
    let digits = text(&field[start..end]);
    let mut value: u64 = 0;
    for &digit in digits {
        if !matches!(digit, b'0'..=b'7') {
            return Err("a number that is not octal");
        }
        value = value.checked_mul(8).ok_or("number too big")? | u64::from(digit - b'0');
    }
    Ok(value)
}
