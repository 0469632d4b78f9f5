//! Network namespaces with a name in the file system: made on a short-lived thread, pinned by a bind mount.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use tierce_sys::namespaces::{Kinds, join, unshare};

use crate::Error;
use crate::endpoint::Link;
use tierce_links::{LinkEntry, Plan, Rtnetlink};

/// The namespace file of the calling thread (not of the process: they differ).
const OWN: &str = "/proc/thread-self/ns/net";

/// A sandbox's namespace while it is furnished or changed.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// A socket inside.
    pub(crate) route: Rtnetlink,
    /// The namespace we live in, to be named as home of the other end of a veth pair.
    home: OwnedFd,
    /// Where it is pinned.
    pin: PathBuf,
}

impl Namespace {
    /// Makes one, sets `lo` up, and pins it at `pin`, which must not exist. IPv6 is off on later interfaces (they get
    /// no IPv6 address) and on for `lo`.
    pub(crate) fn create(pin: &Path) -> Result<Self, Error> {
        let home = open_own()?;
        let place = pin.to_owned();
        let thread = std::thread::Builder::new()
            .name("netns".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || enter_new(&place));
        let thread = thread.map_err(|cause| Error::file("start a thread to make", pin, cause))?;
        let made = thread
            .join()
            .unwrap_or_else(|_| Err(Error::file("make", pin, Errno::IO)));
        match made {
            Ok(route) => Ok(Self {
                route,
                home,
                pin: pin.to_owned(),
            }),
            Err(error) => {
                // What failed first is what matters.
                let _ = unpin(pin);
                Err(error)
            }
        }
    }

    /// One that is pinned there.
    pub(crate) fn open(pin: &Path) -> Result<Self, Error> {
        Ok(Self {
            route: inside(pin, || Ok(Rtnetlink::open()?))?,
            home: open_own()?,
            pin: pin.to_owned(),
        })
    }

    /// The namespace itself.
    pub(crate) fn file(&self) -> Result<File, Error> {
        File::open(&self.pin).map_err(|cause| Error::file("open", &self.pin, cause))
    }

    /// An interface of an endpoint, whatever it is called by now.
    pub(crate) fn find(&self, link: &Link) -> Result<Option<LinkEntry>, Error> {
        Ok(match link.index {
            0 => self.route.link(&link.interface)?,
            index => self.route.link_at(index)?,
        })
    }

    /// The namespace of the daemon.
    pub(crate) fn home(&self) -> BorrowedFd<'_> {
        self.home.as_fd()
    }

    /// Gives an interface IPv6, at once: nobody is asked whether somebody has its address.
    pub(crate) fn switch_ipv6_on(&self, interface: &str) -> Result<(), Error> {
        inside(&self.pin, || {
            for (switch, value) in [("accept_dad", "0"), ("disable_ipv6", "0")] {
                let path = format!("/proc/sys/net/ipv6/conf/{interface}/{switch}");
                std::fs::write(&path, value).map_err(|cause| Error::file("switch IPv6 on in", path, cause))?;
            }
            Ok(())
        })
    }
}

fn open_own() -> Result<OwnedFd, Error> {
    rustix::fs::open(OWN, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|cause| Error::file("open", OWN, cause))
}

/// On a thread of its own: leaves for a new namespace.
fn enter_new(pin: &Path) -> Result<Rtnetlink, Error> {
    File::create_new(pin).map_err(|cause| Error::file("create", pin, cause))?;
    unshare(Kinds::NETWORK).map_err(|cause| Error::file("make a network namespace for", pin, cause))?;
    mount_bind(OWN, pin).map_err(|cause| Error::file("pin network namespace at", pin, cause))?;
    // As Docker does for endpoints without IPv6. Absent in kernels without IPv6.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    let route = Rtnetlink::open()?;
    let mut plan = Plan::default();
    plan.up("lo");
    route.apply(&plan)?;
    Ok(route)
}

/// Does `work` in the namespace that is pinned there, on a thread of its own.
pub(crate) fn inside<T: Send>(pin: &Path, work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let namespace = File::open(pin).map_err(|cause| Error::file("open", pin, cause))?;
    std::thread::scope(|scope| {
        let enter = || {
            join(namespace.as_fd(), Kinds::NETWORK)
                .map_err(|cause| Error::file("enter network namespace", pin, cause))?;
            work()
        };
        let inside = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, enter);
        let inside = inside.map_err(|cause| Error::file("start a thread to enter", pin, cause))?;
        inside
            .join()
            .unwrap_or_else(|_| Err(Error::file("work in", pin, Errno::IO)))
    })
}

/// Takes the pin away; the kernel destroys the namespace with its links when nobody is inside any more, on its own
/// time. A pin that is gone already is no error.
pub(crate) fn unpin(pin: &Path) -> Result<(), Error> {
    match unmount(pin, UnmountFlags::DETACH) {
        // EINVAL: the file is there, but nothing is mounted on it.
        Ok(()) | Err(Errno::NOENT | Errno::INVAL) => {}
        Err(cause) => return Err(Error::file("unpin network namespace", pin, cause)),
    }
    match std::fs::remove_file(pin) {
        Ok(()) => Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(Error::file("remove", pin, cause)),
    }
}

/// Whether a namespace is pinned there.
pub(crate) fn is_pinned(pin: &Path) -> bool {
    const NSFS_MAGIC: u64 = 0x6e73_6673;
    rustix::fs::statfs(pin).is_ok_and(|stat| stat.f_type as u64 == NSFS_MAGIC)
}
