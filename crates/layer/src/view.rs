//! A look into a container's root without mounting it anywhere.
//!
//! Users are looked up in the container's own `/etc/passwd` before it runs, and volumes are filled from its image; both
//! need the union of its layers. The union is made as a *detached* mount (fsopen(2), fsmount(2)): it is in no mount
//! table, belongs to one descriptor, and is gone with it, also when the daemon is killed. Where fuse-overlayfs shows the
//! union, that program serves the detached mount as long.

use crate::{Error, diff};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, move_mount,
};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tierce_fsops::Root;
use tierce_snapshot::{Layout, Union};

/// An open, read-only view of a container's root.
pub struct RootView {
    root: Root,
    /// Holds the detached mount. After the root, which is in it; before the program that serves it.
    _mount: Option<OwnedFd>,
    _program: Option<Program>,
}

impl RootView {
    /// Opens the root of a container that is not mounted now.
    ///
    /// # Errors
    /// File errors.
    pub fn open(layout: &Layout) -> Result<Self, Error> {
        let (directories, by) = match layout {
            Layout::Tree { root } => (vec![root.clone()], Union::Kernel),
            Layout::Overlay {
                upper, lowers, union, ..
            } => {
                let mut directories = vec![upper.clone()];
                directories.extend(lowers.iter().cloned());
                (directories, *union)
            }
        };
        if let [only] = directories.as_slice() {
            return Ok(Self {
                root: Root::open(only)?,
                _mount: None,
                _program: None,
            });
        }
        let (mount, program) =
            show(by, &directories, None).map_err(Error::io("look into the root", &directories[0]))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", mount.as_fd().as_raw_fd()));
        Ok(Self {
            root: Root::open(&path)?,
            _mount: Some(mount),
            _program: program,
        })
    }

    /// The root; every path of it resolves inside.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Writes the whole tree as an archive, for `export`.
    ///
    /// # Errors
    /// File errors, errors of the output.
    pub fn pack(&self, output: impl Write) -> Result<(), Error> {
        diff::pack_tree(self.root.path(), output).map(drop)
    }
}

/// Mounts the union of directories, topmost first, read-only at `place`, by the kernel. For who wants a part of it:
/// what is mounted from there outlives it.
///
/// # Errors
/// File errors.
pub fn mount_union(directories: &[PathBuf], place: &Path) -> Result<(), Error> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    union(directories, None)
        .and_then(|mount| move_mount(mount.as_fd(), "", CWD, place, flags))
        .map_err(Error::io("mount the union of layers on", place))
}

/// What makes a union writable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Top<'a> {
    /// Takes the changes.
    pub(crate) upper: &'a Path,
    /// Scratch space beside it.
    pub(crate) work: &'a Path,
    /// Further options of the mount, as the storage driver has them.
    pub(crate) options: &'a [String],
}

/// A detached union of directories, topmost first; with a `top` above them it is writable.
pub(crate) fn show(by: Union, directories: &[PathBuf], top: Option<Top<'_>>) -> io::Result<(OwnedFd, Option<Program>)> {
    match by {
        Union::Kernel => union(directories, top)
            .map(|mount| (mount, None))
            .map_err(io::Error::from),
        Union::Fuse => served_union(directories, top).map(|(mount, program)| (mount, Some(program))),
    }
}

/// A detached overlay.
fn union(directories: &[PathBuf], top: Option<Top<'_>>) -> Result<OwnedFd, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    match append_each(context.as_fd(), directories) {
        Ok(()) => {}
        // Before Linux 6.5 there is only the one long option.
        Err(Errno::INVAL) => return union_in_one_option(directories, top),
        Err(error) => return Err(error),
    }
    cover(&context, top)?;
    finish(&context, top.is_none())
}

fn cover(context: &OwnedFd, top: Option<Top<'_>>) -> Result<(), Errno> {
    let Some(top) = top else { return Ok(()) };
    fsconfig_set_string(context.as_fd(), "upperdir", top.upper)?;
    fsconfig_set_string(context.as_fd(), "workdir", top.work)?;
    for option in top.options {
        match option.split_once('=') {
            Some((name, value)) => fsconfig_set_string(context.as_fd(), name, value)?,
            None => fsconfig_set_flag(context.as_fd(), option.as_str())?,
        }
    }
    Ok(())
}

fn append_each(context: rustix::fd::BorrowedFd<'_>, directories: &[PathBuf]) -> Result<(), Errno> {
    directories
        .iter()
        .try_for_each(|directory| fsconfig_set_string(context, "lowerdir+", directory))
}

fn union_in_one_option(directories: &[PathBuf], top: Option<Top<'_>>) -> Result<OwnedFd, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let text: Vec<String> = directories.iter().map(|directory| escape(directory)).collect();
    fsconfig_set_string(context.as_fd(), "lowerdir", text.join(":"))?;
    cover(&context, top)?;
    finish(&context, top.is_none())
}

/// Colons and backslashes have a meaning in the one long option.
fn escape(directory: &Path) -> String {
    directory.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:")
}

/// fuse-overlayfs, serving one detached mount.
pub(crate) struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It ends by itself when its mount is gone; whatever keeps it from that must not keep us. The view is read-only,
        // so nothing is lost.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A detached mount that fuse-overlayfs serves. The kernel's end is its standard input.
fn served_union(directories: &[PathBuf], top: Option<Top<'_>>) -> io::Result<(OwnedFd, Program)> {
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let own = |id: u32| id.to_string();
    for (name, value) in [
        ("source", "fuse-overlayfs".to_owned()),
        ("fd", device.as_raw_fd().to_string()),
        ("rootmode", "40000".to_owned()),
        ("user_id", own(rustix::process::geteuid().as_raw())),
        ("group_id", own(rustix::process::getegid().as_raw())),
    ] {
        fsconfig_set_string(context.as_fd(), name, value)?;
    }
    fsconfig_set_flag(context.as_fd(), "default_permissions")?;
    let mount = finish(&context, top.is_none())?;
    let text: Vec<String> = directories.iter().map(|directory| escape(directory)).collect();
    let mut options = format!("lowerdir={}", text.join(":"));
    if let Some(top) = top {
        options = format!("{options},upperdir={},workdir={}", escape(top.upper), escape(top.work));
    }
    let program = Command::new("fuse-overlayfs")
        .args(["-f", "-o"])
        .arg(options)
        .arg("/dev/fd/0")
        .stdin(Stdio::from(device))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((mount, Program(program)))
}

fn finish(context: &OwnedFd, read_only: bool) -> Result<OwnedFd, Errno> {
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    if read_only {
        fsconfig_set_flag(context.as_fd(), "ro")?;
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_union_shows_the_upper_file_and_is_in_no_mount_table() {
        for union in [Union::Kernel, Union::Fuse] {
            let directory = tempfile::tempdir().unwrap();
            let (upper, lower) = (directory.path().join("upper"), directory.path().join("lower"));
            for (layer, text) in [(&upper, "upper"), (&lower, "lower")] {
                fs::create_dir_all(layer.join("etc")).unwrap();
                fs::write(layer.join("etc/passwd"), text).unwrap();
            }
            fs::write(lower.join("etc/group"), "lower").unwrap();
            let layout = Layout::Overlay {
                upper,
                lowers: vec![lower],
                work: directory.path().join("work"),
                merged: directory.path().join("merged"),
                union,
            };
            let view = match RootView::open(&layout) {
                Ok(view) => view,
                Err(error) => {
                    println!("skipped: {union:?} shows no union here: {error}");
                    continue;
                }
            };
            assert_eq!(view.root().read(Path::new("/etc/passwd"), 99).unwrap(), b"upper");
            assert_eq!(view.root().read(Path::new("/etc/group"), 99).unwrap(), b"lower");
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
            assert!(!mounts.contains(directory.path().to_str().unwrap()));
        }
    }
}
