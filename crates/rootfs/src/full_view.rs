//! Mounts of the host that show a whole procfs or sysfs. Where the root is changed without pivot_root(2) they stay in
//! the container's mount namespace, though nothing leads to them, and the kernel allows a container to mount a procfs of
//! its own, unmasked, while it sees a whole one already. So they go.

use crate::error::{Doing, Error};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Unmounts all whole procfs and sysfs that do not lie below `rootfs`, or covers those that may not be unmounted.
pub fn remove(rootfs: &Path) -> Result<(), Error> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").doing(|| "read /proc/self/mountinfo".into())?;
    for path in table.lines().filter_map(whole).filter(|path| !path.starts_with(rootfs)) {
        let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        match rustix::mount::mount_change(&path, flags) {
            // It went with one above it.
            Err(Errno::NOENT | Errno::INVAL) => continue,
            result => result.doing(|| format!("cut {} loose", path.display()))?,
        }
        match rustix::mount::unmount(&path, UnmountFlags::DETACH) {
            Err(Errno::INVAL | Errno::PERM) => rustix::mount::mount("tmpfs", &path, "tmpfs", MountFlags::empty(), None)
                .doing(|| format!("cover {}", path.display()))?,
            result => result.doing(|| format!("unmount {}", path.display()))?,
        }
    }
    Ok(())
}

/// The mount point of a line of mountinfo that stands for the whole of a procfs or sysfs.
fn whole(line: &str) -> Option<PathBuf> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let whole = root == "/" && matches!(kind.split(' ').next()?, "proc" | "sysfs");
    whole.then(|| PathBuf::from(unescaped(point)))
}

/// Undoes the `\040` of mountinfo.
fn unescaped(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| first == b'\\');
        let octal = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(first));
        rest = if octal.is_some() { &behind[3..] } else { behind };
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_ones_are_told_from_parts_and_others() {
        let point = |line| whole(line).map(|path| path.display().to_string());
        assert_eq!(
            point("26 30 0:24 / /a\\040b/proc rw,nosuid shared:12 - proc proc rw"),
            Some("/a b/proc".into())
        );
        assert_eq!(point("26 30 0:24 /sys /proc/sys rw - proc proc rw"), None);
        assert_eq!(point("26 30 0:24 / /tmp rw - tmpfs tmpfs rw"), None);
        assert_eq!(point("nonsense"), None);
    }
}
