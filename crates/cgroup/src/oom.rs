//! The news of an OOM kill: a descriptor to poll, and a count to compare.

use crate::stats::flat_keyed;
use crate::{Error, Result, file};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A watch on the OOM killer in one group.
///
/// Poll [`OomWatch::as_fd`] for input; when it is readable, and once more after the last process ended, ask
/// [`OomWatch::rose`]. The descriptor also becomes readable when the group is removed.
#[derive(Debug)]
pub struct OomWatch {
    descriptor: OwnedFd,
    /// Kept open, so that asking needs no path: `memory.oom_control` or `memory.events`.
    counter: OwnedFd,
    path: PathBuf,
    seen: u64,
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl OomWatch {
    /// v1: an eventfd registered by `cgroup.event_control` (kernel's `cgroup-v1/memory.rst`, section 9).
    pub(crate) fn v1(directory: &Path) -> Result<Self> {
        let path = directory.join("memory.oom_control");
        let fail = |source| Error::File {
            verb: "watch",
            path: path.clone(),
            source,
        };
        let counter = open(&path).map_err(fail)?;
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(fail)?;
        let registration = format!("{} {}", descriptor.as_raw_fd(), counter.as_raw_fd());
        file::write(directory, "cgroup.event_control", &registration)?;
        Self::watching(descriptor, counter, path)
    }

    /// v2: inotify on `memory.events` (kernel's `cgroup-v2.rst`).
    pub(crate) fn v2(directory: &Path) -> Result<Self> {
        let path = directory.join("memory.events");
        let fail = |source| Error::File {
            verb: "watch",
            path: path.clone(),
            source,
        };
        let counter = open(&path).map_err(fail)?;
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let descriptor = inotify::init(flags).map_err(fail)?;
        inotify::add_watch(&descriptor, &path, inotify::WatchFlags::MODIFY).map_err(fail)?;
        Self::watching(descriptor, counter, path)
    }

    fn watching(descriptor: OwnedFd, counter: OwnedFd, path: PathBuf) -> Result<Self> {
        let mut watch = Self {
            descriptor,
            counter,
            path,
            seen: 0,
        };
        watch.seen = watch.count()?.unwrap_or(0);
        Ok(watch)
    }

    /// Whether the OOM killer ended a task of the group since the watch began or was last asked. Also takes the
    /// readiness off the descriptor. A group that is gone has no news.
    pub fn rose(&mut self) -> Result<bool> {
        let mut events = [0; 4096];
        while rustix::io::read(&self.descriptor, &mut events).is_ok_and(|read| read > 0) {}
        match self.count()? {
            Some(count) if count > self.seen => {
                self.seen = count;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// `oom_kill` of the counter file, `None` when the group is gone.
    fn count(&self) -> Result<Option<u64>> {
        let mut bytes = [0; 512];
        let read = match rustix::io::pread(&self.counter, &mut bytes, 0) {
            Err(Errno::NODEV | Errno::NOENT) => return Ok(None),
            result => result.map_err(|source| Error::File {
                verb: "read",
                path: self.path.clone(),
                source,
            })?,
        };
        let text = String::from_utf8_lossy(&bytes[..read]);
        let count = flat_keyed(&text)
            .find(|(key, _)| *key == "oom_kill")
            .map_or(0, |(_, count)| count);
        Ok(Some(count))
    }
}

fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}
