//! Device nodes and links of `/dev`.

use super::beneath::Root;
use super::{bind, mount::attach};
use crate::error::{Doing, Error};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, makedev};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use tierce_oci::runtime::Device;

/// Nodes that every container has: path, minor, major (all character devices, mode 0666, owned by root).
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// Links that every container has.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// One node to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    path: PathBuf,
    kind: FileType,
    number: u64,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Node {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn of(device: &Device) -> Result<Self, Error> {
        let wrong = |what: &str| Error::Invalid(format!("device {}: {what}", device.path.display()));
        let kind = match device.kind.as_str() {
            "c" | "u" => FileType::CharacterDevice,
            "b" => FileType::BlockDevice,
            "p" => FileType::Fifo,
            other => return Err(wrong(&format!("unknown type {other:?}"))),
        };
        let part = |value: i64| u32::try_from(value).map_err(|_| wrong("major or minor out of range"));
        Ok(Self {
            path: super::beneath::clean(&device.path),
            kind,
            number: if kind == FileType::Fifo {
                0
            } else {
                makedev(part(device.major)?, part(device.minor)?)
            },
            mode: device.file_mode.unwrap_or(0o666) & 0o7777,
            uid: device.uid.unwrap_or(0),
            gid: device.gid.unwrap_or(0),
        })
    }
}

/// The nodes of a container: the defaults, then the document's, which win over defaults of the same path.
///
/// # Errors
/// [`Error::Invalid`] for an unknown type or a number out of range.
pub fn nodes(devices: &[Device]) -> Result<Vec<Node>, Error> {
    let mut nodes = devices.iter().map(Node::of).collect::<Result<Vec<_>, _>>()?;
    for (path, major, minor) in DEFAULTS {
        if !nodes.iter().any(|node| node.path == Path::new(path)) {
            nodes.push(Node {
                path: path.into(),
                kind: FileType::CharacterDevice,
                number: makedev(major, minor),
                mode: 0o666,
                uid: 0,
                gid: 0,
            });
        }
    }
    Ok(nodes)
}

/// Makes the nodes. With `bind` (in a user namespace, where device nodes cannot be made) the host's are bound instead.
pub fn make(root: &Root, nodes: &[Node], bind: bool) -> Result<(), Error> {
    // Modes are the document's, whatever the caller's mask says.
    let mask = rustix::process::umask(Mode::empty());
    let mut directory: Option<(PathBuf, OwnedFd)> = None;
    let result = nodes.iter().try_for_each(|node| {
        if bind {
            return bind_node(root, node);
        }
        let above = node.path.parent().unwrap_or(Path::new("/"));
        let name = node.path.file_name().unwrap_or_default();
        if directory.as_ref().is_none_or(|(path, _)| path != above) {
            directory = Some((above.to_owned(), root.make_directories(above)?));
        }
        match &directory {
            Some((_, parent)) => match make_node(parent, name, node) {
                Err(Error::Kernel {
                    source: Errno::PERM, ..
                }) => bind_node(root, node),
                result => result,
            },
            None => Ok(()),
        }
    });
    rustix::process::umask(mask);
    result
}

fn make_node(parent: &OwnedFd, name: &OsStr, node: &Node) -> Result<(), Error> {
    let action = || format!("mknod {}", node.path.display());
    match rustix::fs::mknodat(parent, name, node.kind, Mode::from_raw_mode(node.mode), node.number) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            // The image or a mount brought something under that name; it will do only if it is the same device.
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).doing(action)?;
            if FileType::from_raw_mode(stat.st_mode) == node.kind && stat.st_rdev == node.number {
                return Ok(());
            }
            return Err(Error::Kernel {
                action: action(),
                source: Errno::EXIST,
            });
        }
        Err(source) => {
            return Err(Error::Kernel {
                action: action(),
                source,
            });
        }
    }
    if (node.uid, node.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
        rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).doing(action)?;
    }
    Ok(())
}

fn bind_node(root: &Root, node: &Node) -> Result<(), Error> {
    let source = bind::tree(&node.path, false)?;
    let target = root.make_file(&node.path)?;
    attach(source.as_fd(), target.as_fd())
}

/// Makes the links of `/dev`, and `/dev/ptmx` for the container's own pseudo-terminals.
pub fn link(root: &Root) -> Result<(), Error> {
    let directory = root.make_directories(Path::new("/dev"))?;
    let action = |name: &str| format!("symlink /dev/{name}");
    for (name, target) in LINKS {
        match rustix::fs::symlinkat(target, &directory, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => {
                return Err(Error::Kernel {
                    action: action(name),
                    source,
                });
            }
        }
    }
    if rustix::fs::access("/proc/kcore", rustix::fs::Access::EXISTS).is_ok() {
        match rustix::fs::symlinkat("/proc/kcore", &directory, "core") {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => {
                return Err(Error::Kernel {
                    action: action("core"),
                    source,
                });
            }
        }
    }
    match rustix::fs::symlinkat("pts/ptmx", &directory, "ptmx") {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(&directory, "ptmx", AtFlags::empty()).doing(|| "remove /dev/ptmx".into())?;
            rustix::fs::symlinkat("pts/ptmx", &directory, "ptmx").doing(|| action("ptmx"))
        }
        result => result.doing(|| action("ptmx")),
    }
}

/// Opens a terminal device beneath the root (`O_PATH` would not do: it is used).
pub fn open_terminal(root: &Root, path: &Path) -> Result<OwnedFd, Errno> {
    root.open(path, OFlags::RDWR | OFlags::NOCTTY)
}
