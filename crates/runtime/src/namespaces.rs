//! Which namespaces a container gets, and by which way: made with the process, joined by path, or shared with us.

use crate::error::{Doing, Error};
use crate::process::user_namespace;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tierce_oci::runtime::{Linux, NamespaceKind};
use tierce_sys::clone::Flags;
use tierce_sys::namespaces::Kinds;

/// A namespace to join.
#[derive(Debug)]
pub(crate) struct Joined {
    /// Its kind.
    pub(crate) kind: NamespaceKind,
    /// Its file.
    pub(crate) file: OwnedFd,
}

/// The namespaces of a container, decided.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    new: Vec<NamespaceKind>,
    /// Those to join, in the document's order.
    pub(crate) joined: Vec<Joined>,
}

/// The kernel's bit for a kind.
pub(crate) fn bit(kind: NamespaceKind) -> Kinds {
    match kind {
        NamespaceKind::Mount => Kinds::MOUNT,
        NamespaceKind::Pid => Kinds::PID,
        NamespaceKind::Network => Kinds::NETWORK,
        NamespaceKind::Uts => Kinds::UTS,
        NamespaceKind::Ipc => Kinds::IPC,
        NamespaceKind::User => Kinds::USER,
        NamespaceKind::Cgroup => Kinds::CGROUP,
        NamespaceKind::Time => Kinds::TIME,
    }
}

/// Name of the kind's file in `/proc/PID/ns`.
pub(crate) fn file_name(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Mount => "mnt",
        NamespaceKind::Pid => "pid",
        NamespaceKind::Network => "net",
        NamespaceKind::Uts => "uts",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::User => "user",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::Time => "time",
    }
}

/// Name of the kind in documents.
fn word(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Mount => "mount",
        NamespaceKind::Network => "network",
        kind => file_name(kind),
    }
}

/// All kinds.
pub(crate) const ALL: [NamespaceKind; 8] = [
    NamespaceKind::User,
    NamespaceKind::Cgroup,
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Network,
    NamespaceKind::Pid,
    NamespaceKind::Time,
    NamespaceKind::Mount,
];

impl Namespaces {
    /// Reads the document and opens the files of those to join.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a kind named twice or settings without their namespace; [`Error::Kernel`] when a file
    /// cannot be opened.
    pub(crate) fn of(linux: &Linux) -> Result<Self, Error> {
        let mut namespaces = Self::default();
        for wanted in &linux.namespaces {
            if namespaces.has(wanted.kind) {
                let path = wanted.path.clone().unwrap_or_default();
                return Err(Error::Invalid(format!(
                    "malformed spec file: duplicated ns {{{:?} {:?}}}",
                    word(wanted.kind),
                    path.display().to_string()
                )));
            }
            match wanted.path.as_deref().filter(|path| !path.as_os_str().is_empty()) {
                None => namespaces.new.push(wanted.kind),
                Some(path) => {
                    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                        .doing(|| format!("open namespace {}", path.display()))?;
                    namespaces.joined.push(Joined {
                        kind: wanted.kind,
                        file,
                    });
                }
            }
        }
        namespaces.check(linux)?;
        Ok(namespaces)
    }

    fn check(&self, linux: &Linux) -> Result<(), Error> {
        let (uids, gids) = (&linux.uid_mappings, &linux.gid_mappings);
        let wrong = |text: &str| Err(Error::Invalid(text.to_owned()));
        let mapped = !uids.is_empty() || !gids.is_empty();
        if mapped && !self.has(NamespaceKind::User) {
            return wrong("user namespace mappings specified, but user namespace isn't enabled in the config");
        }
        if self.is_new(NamespaceKind::User) {
            match (uids.is_empty(), gids.is_empty()) {
                (true, true) => {
                    return wrong(
                        "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
                    );
                }
                (true, false) => {
                    return wrong("user namespaces enabled, but no uid mappings found: linux.uidMappings is empty");
                }
                (false, true) => {
                    return wrong("user namespaces enabled, but no gid mappings found: linux.gidMappings is empty");
                }
                (false, false) => {}
            }
        }
        if let Some(namespace) = self.joined(NamespaceKind::User).filter(|_| mapped) {
            // containerd and CRI-O give both; they must agree.
            if user_namespace::mappings_of(namespace)? != (uids.clone(), gids.clone()) {
                return wrong(
                    "user namespaces enabled, but both namespace path and non-matching mapping specified -- you may \
                     only provide one",
                );
            }
        }
        if !linux.time_offsets.is_empty() {
            if self.joined(NamespaceKind::Time).is_some() {
                return wrong(
                    "time namespace enabled, but both namespace path and time offsets specified -- you may only \
                     provide one",
                );
            }
            if !self.is_new(NamespaceKind::Time) {
                return wrong("time namespace offsets specified, but time namespace isn't enabled in the config");
            }
        }
        Ok(())
    }

    /// Whether the container has its own (made or joined) namespace of a kind.
    pub(crate) fn has(&self, kind: NamespaceKind) -> bool {
        self.is_new(kind) || self.joined.iter().any(|joined| joined.kind == kind)
    }

    /// Whether a namespace of the kind is made for the container.
    pub(crate) fn is_new(&self, kind: NamespaceKind) -> bool {
        self.new.contains(&kind)
    }

    /// The namespace of a kind that is joined.
    pub(crate) fn joined(&self, kind: NamespaceKind) -> Option<&OwnedFd> {
        self.joined
            .iter()
            .find(|joined| joined.kind == kind)
            .map(|joined| &joined.file)
    }

    /// Whether a kind is joined by the path of the very namespace that the runtime is in.
    ///
    /// # Errors
    /// [`Error::Kernel`] when `/proc` does not show our own.
    pub(crate) fn joins_own(&self, kind: NamespaceKind) -> Result<bool, Error> {
        let Some(joined) = self.joined(kind) else {
            return Ok(false);
        };
        let identity = |file: &OwnedFd| {
            let found = rustix::fs::fstat(file).doing(|| format!("stat {} namespace", file_name(kind)))?;
            Ok::<_, Error>((found.st_dev, found.st_ino))
        };
        Ok(identity(joined)? == identity(&own(kind)?)?)
    }

    /// What `clone3` makes with the process. The cgroup namespace is made by the process itself once it is in its
    /// group, and the time namespace by the parent, for both would otherwise show the wrong root or clock.
    pub(crate) fn clone_flags(&self) -> Flags {
        self.new.iter().fold(Flags::NONE, |flags, kind| {
            flags
                | match kind {
                    NamespaceKind::Mount => Flags::NEW_MOUNT,
                    NamespaceKind::Pid => Flags::NEW_PID,
                    NamespaceKind::Network => Flags::NEW_NET,
                    NamespaceKind::Uts => Flags::NEW_UTS,
                    NamespaceKind::Ipc => Flags::NEW_IPC,
                    NamespaceKind::User => Flags::NEW_USER,
                    NamespaceKind::Cgroup | NamespaceKind::Time => Flags::NONE,
                }
        })
    }

    /// Whether a process in between must join first and clone then: namespaces that are made must belong to the user
    /// namespace, and those that are joined must be joined before it is entered.
    pub(crate) fn needs_middle(&self) -> bool {
        self.joined.iter().any(|joined| joined.kind == NamespaceKind::User)
            || (self.is_new(NamespaceKind::User) && !self.joined.is_empty())
    }
}

/// Joins namespaces, except those that `skip` picks out. The user namespace goes last, since the others may belong to
/// the host; those that only it may join are tried again after it.
pub(crate) fn join(joined: &[Joined], skip: impl Fn(NamespaceKind) -> bool) -> Result<(), Error> {
    let mut later = Vec::new();
    let wanted = || joined.iter().filter(|joined| !skip(joined.kind));
    for namespace in wanted().filter(|joined| joined.kind != NamespaceKind::User) {
        if tierce_sys::namespaces::join(namespace.file.as_fd(), bit(namespace.kind)).is_err() {
            later.push(namespace);
        }
    }
    for namespace in wanted()
        .filter(|joined| joined.kind == NamespaceKind::User)
        .chain(later)
    {
        tierce_sys::namespaces::join(namespace.file.as_fd(), bit(namespace.kind))
            .doing(|| format!("failed to setns into {} namespace", file_name(namespace.kind)))?;
    }
    Ok(())
}

/// Opens the calling process's own namespace of a kind.
pub(crate) fn own(kind: NamespaceKind) -> Result<OwnedFd, Error> {
    let path = Path::new("/proc/self/ns").join(file_name(kind));
    rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| format!("open {}", path.display()))
}
