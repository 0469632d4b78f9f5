//! A file system of a test's own: in a file, mounted through a loop device.

use crate::Daemon;
use crate::daemon::start;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system. Dropping it unmounts it, by which the kernel frees the loop device.
#[derive(Debug)]
pub struct Disk {
    directory: tempfile::TempDir,
}

impl Disk {
    /// Makes and mounts one in this mount namespace.
    ///
    /// - `kind`: `btrfs`, `ext4`, `xfs`: what `mkfs.<kind>` and `mount -t` know.
    /// - `size`: bytes; the file is sparse.
    ///
    /// # Errors
    /// Why there is none on this machine: for a test to skip with.
    pub fn new(kind: &str, size: u64) -> Result<Self, String> {
        Self::with_options(kind, size, &[], "loop")
    }

    /// As [`Self::new`], with arguments for the program that makes it, and with mount options (`loop` among them).
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_options(kind: &str, size: u64, making: &[&str], mounting: &str) -> Result<Self, String> {
        let directory = tempfile::Builder::new()
            .prefix("disk")
            .tempdir_in("/tmp")
            .map_err(|error| error.to_string())?;
        let disk = Self { directory };
        let image = disk.directory.path().join("image");
        let file = fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(size).map_err(|error| error.to_string())?;
        fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        let path = std::env::var("PATH").unwrap_or_default();
        for (program, arguments) in [
            (format!("mkfs.{kind}"), making),
            ("mount".to_owned(), &["-t", kind, "-o", mounting]),
        ] {
            let mut command = Command::new(&program);
            command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
            command.args(arguments).arg(&image);
            if program == "mount" {
                command.arg(disk.path());
            }
            match command.output() {
                Err(error) => return Err(format!("cannot execute {program}: {error}")),
                Ok(output) if !output.status.success() => {
                    return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()));
                }
                Ok(_) => {}
            }
        }
        Ok(disk)
    }

    /// Starts a daemon that has its data root here, with these flags. It must be dropped first.
    pub fn daemon(&self, flags: &[&str]) -> Daemon {
        start(Some(&self.path()), flags)
    }

    /// Its root directory.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("root")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.path());
    }
}

/// Unmounts everything at and below a directory.
fn unmount(root: &Path) {
    // What is not mounted (the making failed) is refused, and nothing is lost by it.
    let _ = Command::new("umount")
        .args(["--recursive", "--lazy"])
        .arg(root)
        .output();
}
