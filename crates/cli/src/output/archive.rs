//! An archive from the daemon, into a file or to standard output.

use crate::error::Error;
use crate::terminal;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use tierce_client::ByteStream;

/// Refuses what cannot be written to, before the daemon is asked to do `what` (`save image`).
///
/// # Errors
/// With Docker's texts: a terminal, a directory that is not there, a directory, a device.
pub(crate) fn check(output: Option<&Path>, what: &str) -> Result<(), Error> {
    let Some(path) = output else {
        return if terminal::stdout_is_terminal() {
            Err(Error::failed(
                "cowardly refusing to save to a terminal. Use the -o flag or redirect",
            ))
        } else {
            Ok(())
        };
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if directory.is_some_and(|directory| !directory.is_dir()) {
        return Err(Error::failed(format!(
            "failed to {what}: invalid output path: stat {}: no such file or directory",
            directory.unwrap_or(path).display()
        )));
    }
    let kind = fs::metadata(path).map(|metadata| metadata.file_type());
    let refused = match kind {
        Ok(kind) if kind.is_dir() => Some("directory"),
        Ok(kind) if kind.is_char_device() => Some("character device file"),
        _ => None,
    };
    if let Some(refused) = refused {
        return Err(Error::failed(format!("failed to {what}: cannot write to a {refused}")));
    }
    Ok(())
}

/// Writes an archive. A file has its name only when it is complete.
///
/// # Errors
/// When the stream breaks off or cannot be written.
pub(crate) async fn write(mut archive: ByteStream, output: Option<&Path>) -> Result<(), Error> {
    let failed = |error: io::Error| Error::failed(format!("write the archive: {error}"));
    let Some(path) = output else {
        let mut stdout = io::stdout().lock();
        while let Some(piece) = archive.next().await? {
            stdout.write_all(&piece).map_err(failed)?;
        }
        return stdout.flush().map_err(failed);
    };
    // A device or pipe is written to as it is.
    if path.exists() && !path.is_file() {
        let mut file = File::options().write(true).open(path).map_err(failed)?;
        return copy(&mut archive, &mut file).await;
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let partial = path.with_file_name(name);
    let mut file = File::create_new(&partial).map_err(failed)?;
    let written = copy(&mut archive, &mut file).await;
    let placed = written.and_then(|()| fs::rename(&partial, path).map_err(failed));
    if placed.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&partial);
    }
    placed
}

async fn copy(archive: &mut ByteStream, file: &mut File) -> Result<(), Error> {
    while let Some(piece) = archive.next().await? {
        file.write_all(&piece)
            .map_err(|error| Error::failed(format!("write the archive: {error}")))?;
    }
    Ok(())
}
