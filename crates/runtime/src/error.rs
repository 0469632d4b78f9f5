//! What can go wrong, in words that clients of runc match on: dockerd, containerd and podman look for
//! `container does not exist`, `container not running`, `executable file not found in $PATH`,
//! `no such file or directory`, `permission denied`.

use rustix::io::Errno;
use tierce_fault::{Fault, Kind};
use tierce_sys::Cause;

/// Why a verb of the runtime failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No container of that id under this root directory.
    #[error("container does not exist")]
    NotFound,
    /// The id is taken.
    #[error("container with given ID already exists")]
    Exists,
    /// The id has characters that do not belong into a file name.
    #[error("invalid container ID format: {0:?}")]
    Id(String),
    /// The verb needs a process, and there is none.
    #[error("container not running")]
    NotRunning,
    /// The verb does not fit the container's status.
    #[error("{0}")]
    Status(String),
    /// The bundle's `config.json`, or a document given with the verb, asks for something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A value on the command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The command line cannot be read: an unknown flag, a missing or needless word.
    #[error("{0}")]
    Misused(String),
    /// There is no such command.
    #[error("No help topic for '{0}'")]
    NoCommand(String),
    /// No error: help was asked for instead of what the verb does.
    #[error("help is asked for")]
    Help,
    /// A verb or feature that this runtime does not have.
    #[error("{0}")]
    Unsupported(String),
    /// The container's process could not be prepared. The text is its own account.
    #[error("unable to start container process: error during container init: {text}")]
    Init {
        /// What kind of failure it was.
        kind: Kind,
        /// The account of the failed step.
        text: String,
    },
    /// The same of a further process in a container.
    #[error("unable to start container process: {text}")]
    Further {
        /// What kind of failure it was.
        kind: Kind,
        /// The account of the failed step.
        text: String,
    },
    /// The program was found, and nothing but its execution was left; the kernel refused it.
    #[error("unable to start container process: error during container init: {text}")]
    Executed {
        /// What kind of failure it was.
        kind: Kind,
        /// `exec`, the program and the cause.
        text: String,
    },
    /// A step that tells more than a verb, an object and a cause.
    #[error("{text}")]
    Step {
        /// What kind of failure it was.
        kind: Kind,
        /// The account of it.
        text: String,
    },
    /// The kernel said no; the action is the verb with its object.
    #[error("{action}: {}", Cause(*.source))]
    Kernel {
        /// Verb and object.
        action: String,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// A lookup of the program to execute failed, in Go's words.
    #[error("exec: {program:?}: {cause}")]
    Program {
        /// As it was asked for.
        program: String,
        /// Why it cannot run.
        cause: String,
        /// What kind of failure that is.
        kind: Kind,
    },
    /// A hook.
    #[error(transparent)]
    Hook(#[from] tierce_hooks::Error),
    /// The root file system.
    #[error(transparent)]
    Rootfs(#[from] tierce_rootfs::Error),
    /// Control groups.
    #[error(transparent)]
    Cgroup(#[from] tierce_cgroup::Error),
    /// The control group of a new container could not be made or entered.
    #[error("unable to start container process: unable to apply cgroup configuration: {0}")]
    Join(tierce_cgroup::Error),
    /// A limit of a new container was refused.
    #[error("unable to start container process: error setting cgroup config for procHooks process: {0}")]
    Limit(tierce_cgroup::Error),
    /// The system call filter.
    #[error("unable to compile the seccomp filter: {0}")]
    Seccomp(#[from] tierce_seccomp::Error),
    /// A document that is not what it must be.
    #[error(transparent)]
    Document(#[from] tierce_oci::Error),
    /// A process did not end in time.
    #[error("{0}")]
    Timeout(String),
}

impl Error {
    /// The same account, for the room below that asked for a step of ours.
    pub(crate) fn into_step(self) -> tierce_rootfs::Error {
        tierce_rootfs::Error::Step {
            kind: self.kind(),
            text: self.to_string(),
        }
    }
}

/// Gives a kernel's answer its verb and object.
pub(crate) trait Doing<T> {
    /// Says what was being done.
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Kernel {
            action: action(),
            source,
        })
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::Kernel {
            action: action(),
            source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })
    }
}

impl Error {
    /// The same in the words for a further process: as under runc, the container's init has no part in it.
    pub(crate) fn of_further_process(self) -> Self {
        match self {
            Self::Init { kind, text } => Self::Further { kind, text },
            other => other,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::Exists | Self::NotRunning | Self::Status(_) => Kind::Conflict,
            Self::Id(_)
            | Self::Invalid(_)
            | Self::Usage(_)
            | Self::Misused(_)
            | Self::NoCommand(_)
            | Self::Help
            | Self::Document(_) => Kind::Invalid,
            Self::Unsupported(_) => Kind::NotImplemented,
            Self::Init { kind, .. }
            | Self::Further { kind, .. }
            | Self::Executed { kind, .. }
            | Self::Step { kind, .. }
            | Self::Program { kind, .. } => *kind,
            Self::Kernel { source, .. } => tierce_fault::kind_of_io(&(*source).into()),
            Self::Hook(error) => error.kind(),
            Self::Cgroup(error) | Self::Join(error) | Self::Limit(error) => error.kind(),
            Self::Rootfs(error) => error.kind(),
            Self::Seccomp(error) => error.kind(),
            Self::Timeout(_) => Kind::Timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_names_verb_object_and_cause() {
        let error = Err::<(), _>(Errno::NOENT)
            .doing(|| "open /x".into())
            .map_err(|error| error.to_string());
        assert_eq!(error, Err("open /x: no such file or directory".into()));
    }
}
