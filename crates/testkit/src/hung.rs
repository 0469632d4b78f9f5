//! A file system that never answers, as one over a dead network: whoever looks into it waits.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A FUSE mount whose server reads no request. Those who wait are let go with an error when it is dropped.
#[derive(Debug)]
pub struct HungMount {
    directory: tempfile::TempDir,
    device: Option<File>,
}

impl HungMount {
    /// Mounts one.
    ///
    /// # Errors
    /// Why there is none on this machine: for a test to skip with.
    pub fn new() -> Result<Self, String> {
        let directory = tempfile::Builder::new()
            .prefix("hung")
            .tempdir_in("/tmp")
            .map_err(|error| error.to_string())?;
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .map_err(|error| format!("open /dev/fuse: {error}"))?;
        let hung = Self {
            directory,
            device: Some(device),
        };
        std::fs::create_dir(hung.path()).map_err(|error| error.to_string())?;
        let number = hung.device.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let options = CString::new(format!("fd={number},rootmode=40755,user_id=0,group_id=0,allow_other"))
            .map_err(|error| error.to_string())?;
        mount("hung", hung.path(), "fuse", MountFlags::NOSUID, &*options)
            .map_err(|error| format!("mount a FUSE file system: {error}"))?;
        Ok(hung)
    }

    /// Where it is mounted. To look at it is to wait.
    pub fn path(&self) -> PathBuf {
        Path::new(self.directory.path()).join("mount")
    }

    /// Lets everybody go who waits.
    pub fn release(&mut self) {
        self.device = None;
    }
}

impl Drop for HungMount {
    fn drop(&mut self) {
        self.release();
        // It may not have been mounted.
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}
