//! Sockets in other network namespaces: a socket stays in the namespace in which it was made.

use rustix::fs::{Mode, OFlags, open};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_sys::namespaces::{Kinds, join};

/// A network namespace.
#[derive(Debug)]
pub(crate) struct Namespace(OwnedFd);

impl Namespace {
    /// That of the calling thread.
    pub(crate) fn own() -> io::Result<Self> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// The one that is pinned at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Makes something in this namespace, and comes back to `home`.
    ///
    /// A thread that cannot come back must not go on: the whole program ends.
    pub(crate) fn make<T>(&self, home: &Self, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        join(self.0.as_fd(), Kinds::NETWORK)?;
        let made = make();
        if join(home.0.as_fd(), Kinds::NETWORK).is_err() {
            std::process::abort();
        }
        made
    }
}
