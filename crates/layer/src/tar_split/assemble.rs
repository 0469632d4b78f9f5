//! The archive again, from the tar-split file and the unpacked files.

use super::entry::{Part, parse};
use crate::Error;
use crate::crc64::Crc64;
use crate::name::Name;
use flate2::bufread::GzDecoder;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tierce_fsops::Root;

/// Writes the archive whose tar-split file is at `tar_split` and whose files are beneath `directory`.
///
/// The content of every file is checked against its checksum while it goes out. Returns the length of the archive.
///
/// # Errors
/// [`Error::Rebuild`] when a file is missing or has changed, [`Error::Corrupt`] for a damaged tar-split file, errors of
/// the output as [`Error::Io`].
pub fn assemble(tar_split: &Path, directory: &Path, output: &mut impl Write) -> Result<u64, Error> {
    let file = File::open(tar_split).map_err(Error::io("open", tar_split))?;
    let mut lines = BufReader::with_capacity(64 << 10, GzDecoder::new(BufReader::with_capacity(64 << 10, file)));
    let root = Root::open(directory)?;
    let mut buffer = vec![0; 256 << 10];
    let mut line = Vec::new();
    let mut length = 0;
    loop {
        line.clear();
        let read = lines
            .read_until(b'\n', &mut line)
            .map_err(|error| corrupt(tar_split, error.to_string()))?;
        if read == 0 {
            return Ok(length);
        }
        match parse(&line).map_err(|reason| corrupt(tar_split, reason))? {
            Part::Raw(bytes) => {
                output
                    .write_all(&bytes)
                    .map_err(Error::io("write the archive of", directory))?;
                length += bytes.len() as u64;
            }
            Part::Content { size: 0, .. } => {}
            Part::Content { name, size, crc } => {
                copy(&root, &name, (size, crc), &mut buffer, output)?;
                length += size;
            }
        }
    }
}

/// Length of the archive whose tar-split file is at `tar_split`.
///
/// # Errors
/// [`Error::Corrupt`] for a damaged tar-split file, file errors.
pub fn length(tar_split: &Path) -> Result<u64, Error> {
    let file = File::open(tar_split).map_err(Error::io("open", tar_split))?;
    let lines = BufReader::with_capacity(64 << 10, GzDecoder::new(BufReader::with_capacity(64 << 10, file)));
    let mut length = 0;
    for line in lines.split(b'\n') {
        let line = line.map_err(|error| corrupt(tar_split, error.to_string()))?;
        length += match parse(&line).map_err(|reason| corrupt(tar_split, reason))? {
            Part::Raw(bytes) => bytes.len() as u64,
            Part::Content { size, .. } => size,
        };
    }
    Ok(length)
}

fn corrupt(path: &Path, reason: String) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        reason,
    }
}

/// Copies one file and checks it.
fn copy(
    root: &Root,
    name: &[u8],
    (size, crc): (u64, u64),
    buffer: &mut [u8],
    output: &mut impl Write,
) -> Result<(), Error> {
    let layer = || root.path().display().to_string();
    let shown = || crate::error::printable(name);
    // Cleaned as when it was unpacked (and as Docker's reader does), not as the kernel would resolve `..`.
    let cleaned = Name::parse(name)?;
    let path = Path::new(OsStr::from_bytes(cleaned.joined()));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = root.open_at(path, flags, Mode::empty());
    let mut file = File::from(opened.map_err(|error| Error::Rebuild {
        layer: layer(),
        reason: error.to_string(),
    })?);
    let mut sum = Crc64::default();
    let mut copied = 0;
    loop {
        let count = file.read(buffer).map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        copied += count as u64;
        if copied > size {
            break;
        }
        sum.update(&buffer[..count]);
        output
            .write_all(&buffer[..count])
            .map_err(Error::io("write the archive of", root.path()))?;
    }
    if copied != size || sum.finish() != crc {
        let reason = format!("the content of {:?} has changed since the layer was unpacked", shown());
        return Err(Error::Rebuild { layer: layer(), reason });
    }
    Ok(())
}
