//! A container's root with its volumes, mounted where nobody sees it: for copying files into and out of a container that
//! does not run.
//!
//! The mounts are in a mount namespace of their own that no process is in: one descriptor holds it, and all of it is gone
//! with that, also when the daemon is killed. Names are resolved from an open descriptor of the root, which crosses the
//! mounts like any other walk, from whatever namespace it is done.

use crate::Error;
use crate::view::{self, Program, Top};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use tierce_fsops::{Beneath, Root};
use tierce_snapshot::{Layout, Union};
use tierce_sys::mount_attributes::{self, Attributes, Change, Propagation};
use tierce_sys::namespaces::{Kinds, unshare};

/// What is to be done in the root.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// Reading. The container may be started meanwhile.
    Read,
    /// Writing, with these options of the union besides its directories. The container must not be started meanwhile.
    Write(&'a [String]),
}

/// A directory or file of the host that is mounted in the container.
#[derive(Debug, Clone)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// In the container.
    pub destination: PathBuf,
    /// Whether nothing may be written there.
    pub read_only: bool,
    /// Whether mounts below the source stay out.
    pub flat: bool,
}

/// The mounted root.
pub struct MountedRoot {
    // In the order in which they are given up.
    root: Root,
    missing: Vec<PathBuf>,
    _namespace: OwnedFd,
    _program: Option<Program>,
}

impl MountedRoot {
    /// Mounts the root of a container that does not run, with `binds` in it, those nearer to the root first.
    ///
    /// - `place`: an existing directory of the host, covered by the root in the new namespace only.
    ///
    /// # Errors
    /// File errors.
    pub fn open(layout: &Layout, access: Access<'_>, binds: &[Bind], place: &Path) -> Result<Self, Error> {
        // A thread of its own, since a thread cannot leave a mount namespace again that shares its directories.
        std::thread::scope(|scope| {
            let mounting = std::thread::Builder::new()
                .name("root-mount".to_owned())
                .spawn_scoped(scope, || mount_all(layout, access, binds, place))
                .map_err(Error::Read)?;
            match mounting.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// The root; every path of it resolves inside.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Destinations of binds that do not exist in a root that is only read; nothing is mounted there.
    pub fn missing(&self) -> &[PathBuf] {
        &self.missing
    }
}

fn mount_all(layout: &Layout, access: Access<'_>, binds: &[Bind], place: &Path) -> Result<MountedRoot, Error> {
    let failed = || Error::io::<Errno>("mount the root on", place);
    unshare(Kinds::MOUNT).map_err(failed())?;
    // Mounts of the host still come in, and none of ours goes out.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).map_err(failed())?;
    // Before the place is covered, where some of them may lie.
    let trees = binds
        .iter()
        .map(|bind| clone_tree(&bind.source, bind.read_only, !bind.flat))
        .collect::<Result<Vec<_>, _>>()?;
    let (mount, program) = root_of(layout, access)?;
    attach(mount.as_fd(), open_place(place)?.as_fd()).map_err(failed())?;
    let root = Root::of(open_place(place)?, place);
    let mut missing = Vec::new();
    for (bind, tree) in binds.iter().zip(trees) {
        match target(root.beneath(), &bind.destination, tree.as_fd(), access) {
            Err(Errno::NOENT) if matches!(access, Access::Read) => missing.push(bind.destination.clone()),
            found => found
                .and_then(|target| attach(tree.as_fd(), target.as_fd()))
                .map_err(Error::io("mount in the container's root", &bind.destination))?,
        }
    }
    let own = Path::new("/proc/thread-self/ns/mnt");
    let namespace = File::open(own).map_err(Error::io("open", own))?;
    Ok(MountedRoot {
        root,
        missing,
        _namespace: namespace.into(),
        _program: program,
    })
}

fn open_place(place: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, place, flags, Mode::empty()).map_err(Error::io("open", place))
}

/// The root as a detached mount.
fn root_of(layout: &Layout, access: Access<'_>) -> Result<(OwnedFd, Option<Program>), Error> {
    let read_only = matches!(access, Access::Read);
    let (upper, lowers, work, union) = match layout {
        Layout::Tree { root } => return Ok((clone_tree(root, read_only, false)?, None)),
        Layout::Overlay { upper, lowers, .. } if lowers.is_empty() => {
            return Ok((clone_tree(upper, read_only, false)?, None));
        }
        Layout::Overlay {
            upper,
            lowers,
            work,
            union,
            ..
        } => (upper, lowers, work, *union),
    };
    let shown = match access {
        Access::Read => {
            let mut directories = vec![upper.clone()];
            directories.extend(lowers.iter().cloned());
            view::show(union, &directories, None)
        }
        Access::Write(options) => view::show(
            union,
            lowers,
            Some(Top {
                upper,
                work,
                options: own(union, options),
            }),
        ),
    };
    shown.map_err(Error::io("mount the root of", upper))
}

/// Options that the union's maker takes: fuse-overlayfs has others than the kernel.
fn own(union: Union, options: &[String]) -> &[String] {
    match union {
        Union::Kernel => options,
        Union::Fuse => &[],
    }
}

/// A detached copy of a piece of the host's mounts.
fn clone_tree(source: &Path, read_only: bool, recursive: bool) -> Result<OwnedFd, Error> {
    let failed = || Error::io::<Errno>("mount", source);
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(CWD, source, flags).map_err(failed())?;
    let change = Change {
        set: if read_only {
            Attributes::READ_ONLY
        } else {
            Attributes::NONE
        },
        propagation: Some(Propagation::Private),
        ..Change::default()
    };
    mount_attributes::set(tree.as_fd(), true, change).map_err(failed())?;
    Ok(tree)
}

/// Where a tree is mounted; made where it is missing and may be made.
fn target(root: &Beneath, path: &Path, tree: BorrowedFd<'_>, access: Access<'_>) -> Result<OwnedFd, Errno> {
    if matches!(access, Access::Read) {
        return root.open(path, OFlags::PATH);
    }
    let (file, directory) = (Mode::from_raw_mode(0o755), Mode::from_raw_mode(0o755));
    if FileType::from_raw_mode(fstat(tree)?.st_mode) == FileType::Directory {
        root.make_directories(path, directory)
    } else {
        root.make_file(path, file, directory)
    }
}

fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags)
}
