//! `fuse-overlayfs`: as overlay2 (`crate::stacks` draws it), but a program shows the union: for kernels and file systems
//! on which the kernel's overlay does not work.
//!
//! Mounts are of the type `fuse3.fuse-overlayfs`: whoever mounts executes `mount.fuse3` for it, as containerd and
//! `mount(8)` do. The program serves the mount until it is unmounted.

use crate::stacks::Stacks;
use crate::{CacheId, Error, Kind, Layout, Mount, Snapshotter, Union, options};
use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Name of the driver, of its directory, and of the program.
pub const NAME: &str = "fuse-overlayfs";

/// File system type of the mounts.
const MOUNT_TYPE: &str = "fuse3.fuse-overlayfs";

/// Programs that a mount takes, and their Debian packages.
const PROGRAMS: [(&str, &str); 2] = [(NAME, NAME), ("mount.fuse3", "fuse3")];

/// Where programs are looked for besides `PATH`: daemons are often started with a short one.
const DIRECTORIES: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The driver.
#[derive(Debug)]
pub struct FuseOverlayfs {
    stacks: Stacks,
}

impl FuseOverlayfs {
    /// Checks that the program and the kernel's side of it are here, and opens (creates) `<data root>/fuse-overlayfs`.
    ///
    /// # Errors
    /// [`Error::Unusable`] naming what is missing and its cure; [`Error::Option`] for any `fuse-overlayfs.*`, for it has
    /// none; file errors.
    pub fn open(data_root: &Path, options: &[String]) -> Result<Self, Error> {
        if let Some((key, value)) = options::own(NAME, options)?.first() {
            return Err(options::refuse(
                NAME,
                &format!("{key}={value}"),
                "fuse-overlayfs has no options",
            ));
        }
        let path = env::var_os("PATH").unwrap_or_default();
        if let Some(missing) = missing(Path::new("/dev/fuse"), &path.to_string_lossy()) {
            return Err(Error::Unusable {
                driver: NAME,
                root: data_root.to_owned(),
                missing,
            });
        }
        let root = Stacks::make_root(data_root, NAME)?;
        let stacks = Stacks::open(root, Union::Fuse)?;
        Ok(Self { stacks })
    }
}

/// What this machine lacks, and the command that mends it.
fn missing(device: &Path, path: &str) -> Option<String> {
    for (program, package) in PROGRAMS {
        let found = path
            .split(':')
            .chain(DIRECTORIES.split(':'))
            .any(|directory| Path::new(directory).join(program).is_file());
        if !found {
            return Some(format!(
                "there is no program {program}; install it with: apt-get install {package}"
            ));
        }
    }
    let error = File::options().read(true).write(true).open(device).err()?;
    let device = device.display();
    Some(format!(
        "{device} cannot be opened: {error}; load the file system with: modprobe fuse (in a container: --device {device})"
    ))
}

impl Snapshotter for FuseOverlayfs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn status(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn stage(&self, id: &CacheId) -> Result<PathBuf, Error> {
        self.stacks.make(id, |_| Ok(()))?;
        Ok(self.diff_dir(id))
    }

    fn commit(&self, id: &CacheId, parent: Option<&CacheId>) -> Result<(), Error> {
        self.stacks.stack(id, parent)?;
        self.stacks.mark_committed(id)
    }

    fn create(&self, id: &CacheId, parent: Option<&CacheId>, kind: Kind) -> Result<(), Error> {
        if matches!(kind, Kind::Container { size: Some(_) }) {
            return Err(Error::StorageOption("--storage-opt is not supported".to_owned()));
        }
        self.stacks.make(id, |_| Ok(()))?;
        self.stacks.stack(id, parent)?;
        match kind {
            Kind::Init => self.stacks.mark_committed(id),
            Kind::Container { .. } => Ok(()),
        }
    }

    fn diff_dir(&self, id: &CacheId) -> PathBuf {
        self.stacks.diff_dir(id)
    }

    fn mounts(&self, id: &CacheId) -> Result<Vec<Mount>, Error> {
        self.stacks.mounts(id, MOUNT_TYPE, Vec::new())
    }

    fn layout(&self, id: &CacheId) -> Result<Layout, Error> {
        self.stacks.layout(id)
    }

    fn remove(&self, id: &CacheId) -> Result<(), Error> {
        self.stacks.remove(id)
    }

    fn user_xattr(&self) -> bool {
        // It reads both; `trusted.*` is for root alone.
        !rustix::process::geteuid().is_root()
    }
}

#[cfg(test)]
mod tests {
    use super::{FuseOverlayfs, missing};
    use crate::conformance;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn row_039_fuse_overlayfs_conforms() {
        conformance::run(&|root| Ok(Arc::new(FuseOverlayfs::open(root, &[])?)));
    }

    #[test]
    fn row_061_what_is_missing_is_named_with_its_cure() {
        if let Some(text) = missing(Path::new("/dev/null"), "") {
            println!("skipped: {text}");
            return;
        }
        let text = missing(Path::new("/dev/no-fuse"), "").unwrap();
        assert!(
            text.contains("modprobe fuse") && text.contains("/dev/no-fuse"),
            "{text}"
        );
    }
}
