//! What can go wrong with a control group.

use crate::BusError;
use rustix::io::Errno;
use std::path::PathBuf;
use tierce_fault::{Fault, Kind, kind_of_io};

/// A control group operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the control group file system said no.
    #[error("{verb} {}: {}", path.display(), describe(*source))]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// A setting was refused.
    #[error("write {value:?} to {}: {}", path.display(), describe(*source))]
    Write {
        /// What was written.
        value: String,
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
    /// A file of the kernel does not look as documented.
    #[error("parse {}: unexpected {found:?}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// The piece that was not understood.
        found: String,
    },
    /// A limit is asked for whose controller this machine does not have.
    #[error("cannot set {0} limit: container could not join or create cgroup")]
    NoController(&'static str),
    /// The group already holds processes.
    #[error("container's cgroup is not empty: {0} process(es) found")]
    Occupied(usize),
    /// The group already exists and is frozen.
    #[error("container's cgroup unexpectedly frozen")]
    Frozen,
    /// The freezer did not come to rest.
    #[error("unable to freeze {}", .0.display())]
    Freeze(PathBuf),
    /// No control group hierarchy is mounted.
    #[error(
        "find control groups: none is mounted at /sys/fs/cgroup: mount them, or boot with systemd or cgroupfs-mount"
    )]
    NotMounted,
    /// The path names the root of the hierarchy, or leaves it.
    #[error("invalid cgroups path {0:?}: it names no group below the root")]
    Path(String),
    /// The systemd driver was asked for where no systemd runs.
    #[error("systemd not running on this host, cannot use systemd cgroups manager")]
    NoSystemd,
    /// Settings of v2 files on v1.
    #[error("invalid configuration: cannot use unified on cgroup v1")]
    UnifiedOnV1,
    /// systemd did not do what it was asked, or could not be asked.
    #[error("{action}: {cause}")]
    Systemd {
        /// What was asked, with the unit.
        action: String,
        /// Its answer.
        cause: BusError,
    },
    /// A resource setting that can never be.
    #[error("{0}")]
    Invalid(String),
    /// A device rule that the controller cannot express.
    #[error(
        "requested [{rule}] rule not supported by devices cgroup (cannot punch hole in existing wildcard rule [{wildcard}])"
    )]
    DeviceHole {
        /// The rule.
        rule: String,
        /// What it would make a hole in.
        wildcard: String,
    },
    /// A limit below what is used now.
    #[error("unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak})")]
    MemoryInUse {
        /// Bytes asked for.
        limit: i64,
        /// Bytes used now.
        usage: u64,
        /// Most bytes ever used.
        peak: u64,
    },
    /// The device program of a v2 group could not be installed.
    #[error("{verb} the device program of {}: {}", path.display(), describe(*source))]
    Program {
        /// What was tried.
        verb: &'static str,
        /// The group.
        path: PathBuf,
        /// The kernel's answer.
        source: Errno,
    },
}

/// The cause without Rust's ` (os error N)`, as other programs print it.
fn describe(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_lowercase().chain(characters).collect())
        .unwrap_or_default()
}

impl Error {
    /// What systemd was asked, and its answer.
    pub(crate) fn systemd(action: impl Into<String>, cause: BusError) -> Self {
        Self::Systemd {
            action: action.into(),
            cause,
        }
    }

    /// The kernel's answer, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::File { source, .. } | Self::Write { source, .. } | Self::Program { source, .. } => Some(*source),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::File { source, .. } | Self::Write { source, .. } | Self::Program { source, .. } => match *source {
                Errno::INVAL | Errno::RANGE => Kind::Invalid,
                errno => kind_of_io(&errno.into()),
            },
            Self::Occupied(_) | Self::Frozen | Self::MemoryInUse { .. } => Kind::Conflict,
            Self::Path(_) | Self::Invalid(_) | Self::UnifiedOnV1 | Self::DeviceHole { .. } => Kind::Invalid,
            Self::NoController(_) => Kind::NotImplemented,
            Self::NotMounted | Self::NoSystemd | Self::Systemd { .. } => Kind::Unavailable,
            Self::Freeze(_) => Kind::Timeout,
            Self::Parse { .. } => Kind::Internal,
        }
    }
}
