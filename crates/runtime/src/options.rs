//! What a caller may ask of [`create`](crate::create) and [`exec`](crate::exec), and what it gets back.

use crate::error::{Doing, Error};
use crate::verbs::help;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tierce_oci::runtime::Process;

/// Where the master side of the process's pseudo-terminal goes. Without `process.terminal` it does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Console {
    /// Returned to the caller in [`Created::terminal`].
    #[default]
    Return,
    /// Returned as well, with its line feeds passed on as they are and with the caller's size, for a caller that joins
    /// it to a terminal or a pipe of its own.
    Foreground,
    /// Sent over this unix socket by SCM_RIGHTS (`--console-socket`). A process without a terminal is refused.
    Socket(PathBuf),
    /// Nowhere: a process with a terminal is refused.
    Refuse,
}

impl Console {
    /// The way for a command that stays with the process, or does not, when this is what it was told.
    ///
    /// # Errors
    /// [`Error::Usage`] in runc's words for a socket that nobody needs.
    pub(crate) fn of_command(self, detach: bool) -> Result<Self, Error> {
        match self {
            Self::Return if detach => Ok(Self::Refuse),
            Self::Return => Ok(Self::Foreground),
            Self::Socket(_) if !detach => Err(needless_socket()),
            other => Ok(other),
        }
    }

    /// Refuses a terminal without a way, and a way without a terminal.
    ///
    /// # Errors
    /// [`Error::Usage`] in runc's words.
    pub(crate) fn check(&self, terminal: bool) -> Result<(), Error> {
        match (self, terminal) {
            (Self::Refuse, true) => Err(Error::Usage(format!(
                "cannot allocate tty if {} will detach without setting console socket",
                help::name()
            ))),
            (Self::Socket(_), false) => Err(needless_socket()),
            _ => Ok(()),
        }
    }
}

/// How long the listener of a console socket may take to listen: callers often start it in the same breath, and other
/// runtimes are slow enough not to notice.
const PATIENCE: Duration = Duration::from_millis(500);

impl Console {
    /// Connects to whoever takes the terminal, before anything is made: who is not there is known at once.
    ///
    /// # Errors
    /// [`Error::Kernel`] for a path that is too long, no socket, or one on which nobody listens.
    pub(crate) fn connect(&self) -> Result<Option<OwnedFd>, Error> {
        let Self::Socket(path) = self else { return Ok(None) };
        let action = || format!("connect to console socket {}", path.display());
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .doing(action)?;
        let address = SocketAddrUnix::new(path).doing(action)?;
        let begun = Instant::now();
        loop {
            match rustix::net::connect(&socket, &address) {
                Err(Errno::NOENT | Errno::CONNREFUSED) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(PATIENCE / 50);
                }
                result => return result.doing(action).map(|()| Some(socket)),
            }
        }
    }
}

fn needless_socket() -> Error {
    Error::Usage(format!(
        "cannot use console socket if {} will not detach or allocate tty",
        help::name()
    ))
}

/// The standard streams of a process without a terminal; `None` inherits the caller's.
#[derive(Debug, Default)]
pub struct Stdio {
    /// Descriptor 0.
    pub stdin: Option<OwnedFd>,
    /// Descriptor 1.
    pub stdout: Option<OwnedFd>,
    /// Descriptor 2.
    pub stderr: Option<OwnedFd>,
}

/// How to make a container from a bundle.
#[derive(Debug, Default)]
pub struct CreateOptions {
    /// The new container's name: letters, digits, `_`, `+`, `-`, `.`.
    pub id: String,
    /// Directory with `config.json`.
    pub bundle: PathBuf,
    /// Directory of all containers' states (`--root`).
    pub root: PathBuf,
    /// The terminal's way.
    pub console: Console,
    /// Streams without a terminal.
    pub stdio: Stdio,
    /// File that gets the pid.
    pub pid_file: Option<PathBuf>,
    /// Unix socket that gets a descriptor of the process by SCM_RIGHTS.
    pub pidfd_socket: Option<PathBuf>,
    /// Change the root by moving mounts instead of pivot_root (for roots on an initial RAM disk).
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Make control groups through systemd.
    pub systemd_cgroup: bool,
    /// How many descriptors from 3 upwards the process inherits.
    pub preserve_fds: u32,
    /// How many of these are sockets of sd_listen_fds(3); the process is told.
    pub listen_fds: u32,
    /// Socket of sd_notify(3) on the host. The container gets one of its own, which `start` listens on.
    pub notify_socket: Option<PathBuf>,
}

/// How to execute a further process in a container.
#[derive(Debug, Default)]
pub struct ExecOptions {
    /// The container.
    pub id: String,
    /// Directory of all containers' states (`--root`).
    pub root: PathBuf,
    /// What to execute. Absent capabilities mean none.
    pub process: Process,
    /// The terminal's way.
    pub console: Console,
    /// Streams without a terminal.
    pub stdio: Stdio,
    /// File that gets the pid.
    pub pid_file: Option<PathBuf>,
    /// Unix socket that gets a descriptor of the process by SCM_RIGHTS.
    pub pidfd_socket: Option<PathBuf>,
    /// How many descriptors from 3 upwards the process inherits.
    pub preserve_fds: u32,
    /// Groups below the container's own to run in, by controller; the empty name stands for all.
    pub sub_groups: BTreeMap<String, PathBuf>,
    /// Go on although the container is paused (the process waits until it is resumed).
    pub ignore_paused: bool,
}

/// A process that was made.
#[derive(Debug)]
pub struct Created {
    /// Its pid in the caller's pid namespace. It is a child of the caller, who must wait for it.
    pub pid: i32,
    /// A descriptor that stands for it.
    pub pidfd: OwnedFd,
    /// The master side of its terminal, for [`Console::Return`].
    pub terminal: Option<OwnedFd>,
}
