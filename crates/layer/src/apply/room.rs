//! The room in which a layer is unpacked: a thread that cannot reach the host.
//!
//! Every path of a layer is resolved beneath its root by construction ([`super::beneath`]). Should that ever fail, the
//! thread that does it has nothing else to find:
//!
//! - its root directory is the layer's directory (chroot(2) after unsharing it from the other threads), so that no name
//!   leads out, neither `/` nor `..`;
//! - Landlock lets it open, make, link and remove files beneath the layer's directory and beside the place for replaced
//!   content only, descriptors of other directories or not, and no socket of the network;
//! - it has the privileges that owners, modes, devices and attributes take, and no others: it cannot leave its root.
//!
//! All three are attributes of a thread, cost microseconds, and end with it. Where one cannot be had (a kernel without
//! Landlock, an engine without privileges) a notice says so once, and what is left holds.

use crate::Error;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::os::fd::BorrowedFd;
use std::sync::Once;
use std::thread;
use tierce_sys::landlock::{Rights, Rules};
use tierce_sys::namespaces::unshare_directories;

/// What unpacking takes: owners, modes and times of others' files, devices, and `trusted.` and `security.` attributes.
const PRIVILEGES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_ADMIN);

/// What holds of this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Working and root directory are the thread's own, and the latter is the layer's.
    pub(crate) own_root: bool,
    /// Landlock's rules are in force.
    pub(crate) ruled: bool,
}

/// Runs `work` on a thread that has only these two directories: the layer's, and one for replaced content.
///
/// # Errors
/// When no thread can be had, or one that cannot be confined to what it was promised; then nothing was run.
pub(crate) fn within<T: Send>(
    layer: BorrowedFd<'_>,
    beside: BorrowedFd<'_>,
    work: impl FnOnce(Room) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    thread::scope(|scope| {
        let unpacking = thread::Builder::new()
            .name("layer-unpack".to_owned())
            .spawn_scoped(scope, || work(enter(layer, beside)?))
            .map_err(Error::Read)?;
        match unpacking.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Confines the calling thread, for good.
fn enter(layer: BorrowedFd<'_>, beside: BorrowedFd<'_>) -> Result<Room, Error> {
    let own_root = match own_root(layer) {
        Ok(own_root) => own_root,
        Err(error) => return Err(Error::Room(error.into())),
    };
    let ruled = rule(layer, beside);
    let privileges = drop_privileges();
    if let Some(error) = ruled.err().or(privileges.err()) {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| tracing::warn!(%error, "layers are unpacked without all of the kernel's confinement"));
    } else if !own_root {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| tracing::warn!("layers are unpacked without a root directory of their own: not permitted"));
    }
    Ok(Room {
        own_root,
        ruled: ruled.is_ok(),
    })
}

/// Makes the layer's directory the thread's root; `false` where that is not permitted.
fn own_root(layer: BorrowedFd<'_>) -> Result<bool, Errno> {
    match unshare_directories() {
        Ok(()) => {}
        // Under a filter of system calls. The root is shared with the whole process and must stay.
        Err(Errno::PERM | Errno::NOSYS) => return Ok(false),
        Err(error) => return Err(error),
    }
    rustix::process::fchdir(layer)?;
    match rustix::process::chroot(c".") {
        Ok(()) => Ok(true),
        Err(Errno::PERM) => Ok(false),
        Err(error) => Err(error),
    }
}

fn rule(layer: BorrowedFd<'_>, beside: BorrowedFd<'_>) -> Result<(), Errno> {
    let rules = Rules::new()?;
    for directory in [layer, beside] {
        rules.allow(directory, Rights::FILES)?;
    }
    rules.restrict_this_thread()
}

fn drop_privileges() -> Result<(), Errno> {
    let now = capabilities(None)?;
    let kept = CapabilitySets {
        effective: now.effective & PRIVILEGES,
        permitted: now.permitted & PRIVILEGES,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, openat};
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::Path;

    fn directory(path: &Path) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, path, flags, Mode::empty()).unwrap()
    }

    fn read(at: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
        openat(at, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }

    #[test]
    fn code_in_the_room_cannot_open_a_file_of_the_host() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for name in ["layer", "beside"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        std::fs::write(path("precious"), "untouched").unwrap();
        let (layer, beside) = (directory(&path("layer")), directory(&path("beside")));
        let (host, precious) = (directory(Path::new("/")), path("precious"));
        let relative = precious.strip_prefix("/").unwrap().to_str().unwrap();
        let room = within(layer.as_fd(), beside.as_fd(), |room| {
            std::fs::write("/made", "inside").unwrap();
            openat(&beside, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
            rustix::fs::renameat(&layer, "made", &beside, "moved").unwrap();
            if room.own_root {
                assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
                assert!(!precious.exists() && !Path::new("/proc/self").exists());
                assert_eq!(read(CWD, "../../../../../../etc/passwd").err(), Some(Errno::NOENT));
            } else {
                println!("skipped: no root directory of its own here");
            }
            // By a descriptor that somebody left open, names lead anywhere, if it were not for the rules.
            if room.ruled {
                assert_eq!(read(&host, relative).err(), Some(Errno::ACCESS));
                let made = rustix::fs::mkdirat(&host, "tierce-was-here", Mode::RWXU);
                assert_eq!(made, Err(Errno::ACCESS));
                let linked = rustix::fs::linkat(&host, relative, &layer, "link", rustix::fs::AtFlags::empty());
                assert!(linked.is_err());
                assert!(std::net::TcpListener::bind("127.0.0.1:0").is_err());
            } else {
                println!("skipped: no Landlock here");
            }
            assert_eq!(rustix::process::chroot(c".").err(), Some(Errno::PERM));
            assert!(capabilities(None).unwrap().permitted.difference(PRIVILEGES).is_empty());
            Ok(room)
        });
        let room = room.unwrap();
        assert!(
            precious.exists() && path("beside/moved").exists(),
            "this thread is free"
        );
        if rustix::process::geteuid().is_root() {
            assert!(room.own_root);
        }
    }
}
