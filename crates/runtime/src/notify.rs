//! sd_notify(3) out of a container: its first process finds a socket of ours at `NOTIFY_SOCKET`, and the one message that
//! matters, that it is ready, goes on to whoever supervises the runtime, together with the pid to be watched.
//!
//! ```text
//! program ──READY=1──> <state>/notify/notify.sock ──READY=1, MAINPID=…, BARRIER=1──> $NOTIFY_SOCKET of the runtime
//! ```
//!
//! Nothing else is passed on: a container is not to speak for its supervisor's unit. `create` only makes the directory,
//! and whoever starts the program (`start`, `run`) makes the socket, for only then there is somebody to read it. As runc
//! does it (`notify_socket.go`).

use crate::error::{Doing, Error};
use crate::log;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tierce_oci::runtime::Mount;

/// The directory in the container, which is the one in the state directory.
pub(crate) const INSIDE: &str = "/run/notify";

/// The directory in the state directory.
const DIRECTORY: &str = "notify";

/// The socket in both.
const SOCKET: &str = "notify.sock";

/// How long a supervisor may take to say that it has understood.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// What the container's program is told.
pub(crate) const VARIABLE: (&str, &str) = ("NOTIFY_SOCKET", "/run/notify/notify.sock");

/// The directory of a container's socket.
pub(crate) fn directory(home: &Path) -> PathBuf {
    home.join(DIRECTORY)
}

/// The mount that brings the directory in.
pub(crate) fn mount(home: &Path) -> Mount {
    Mount {
        destination: INSIDE.into(),
        kind: Some("bind".into()),
        source: Some(directory(home)),
        options: ["bind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec(),
        ..Mount::default()
    }
}

/// Makes the directory.
///
/// # Errors
/// [`Error::Kernel`].
pub(crate) fn make_directory(home: &Path) -> Result<(), Error> {
    let path = directory(home);
    let action = || format!("mkdir {}", path.display());
    std::fs::create_dir(&path).doing(action)?;
    // Any user of the container must be able to enter it, whatever the caller's mask.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).doing(action)
}

/// The supervisor's socket: a path, or with `@` a name without one.
fn address(host: &Path) -> Result<SocketAddrUnix, Errno> {
    match host.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddrUnix::new_abstract_name(name),
        None => SocketAddrUnix::new(host),
    }
}

fn socket() -> Result<OwnedFd, Error> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .doing(|| "make a notify socket".into())
}

/// Listens for a container.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: OwnedFd,
    host: PathBuf,
}

impl Proxy {
    /// Makes the socket of a container that has a directory for it; `host` is the supervisor's.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub(crate) fn of(home: &Path, host: Option<&Path>) -> Result<Option<Self>, Error> {
        let Some(host) = host else { return Ok(None) };
        let path = directory(home);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match rustix::fs::open(&path, flags, Mode::empty()) {
            // It was created by somebody whom nobody supervised.
            Err(Errno::NOENT) => return Ok(None),
            result => result.doing(|| format!("open {}", path.display()))?,
        };
        let socket = socket()?;
        let action = || format!("bind {}", path.join(SOCKET).display());
        // Through the descriptor, since a socket's path is short and a state directory's may not be.
        let address = format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd());
        rustix::net::bind(&socket, &SocketAddrUnix::new(address).doing(action)?).doing(action)?;
        std::fs::set_permissions(path.join(SOCKET), std::fs::Permissions::from_mode(0o777)).doing(action)?;
        Ok(Some(Self {
            socket,
            host: host.to_owned(),
        }))
    }

    /// The descriptor that is readable when the container said something.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes one message. Returns whether it says that the container is ready.
    pub(crate) fn is_ready(&self) -> bool {
        let mut buffer = [0; 4096];
        match tierce_sys::passing::receive(self.socket.as_fd(), &mut buffer) {
            Ok((length, _)) => says_ready(&buffer[..length]),
            Err(_) => false,
        }
    }

    /// Tells the supervisor that the container is ready, and which process to watch. The answer's end is readable, or
    /// rather closed, when it has understood.
    fn tell(&self, pid: i32) -> Result<OwnedFd, Error> {
        let action = || format!("notify {}", self.host.display());
        let client = socket()?;
        rustix::net::connect(&client, &address(&self.host).doing(action)?).doing(action)?;
        let send = |text: &str, files: &[BorrowedFd<'_>]| {
            tierce_sys::passing::send(client.as_fd(), text.as_bytes(), files)
                .map(drop)
                .doing(action)
        };
        send("READY=1\n", &[])?;
        send(&format!("MAINPID={pid}\n"), &[])?;
        let (answer, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).doing(action)?;
        send("BARRIER=1", &[theirs.as_fd()])?;
        Ok(answer)
    }

    /// Tells the supervisor without waiting for its answer: this process stays.
    pub(crate) fn pass_on(self, pid: i32) {
        if let Err(error) = self.tell(pid) {
            log::warn(&error.to_string());
        }
    }

    /// Waits until the container is ready and the supervisor knows it, or until the container ends.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the supervisor cannot be told.
    pub(crate) fn attend(self, pidfd: BorrowedFd<'_>, pid: i32) -> Result<(), Error> {
        loop {
            let mut waiting = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::from_borrowed_fd(pidfd, PollFlags::IN),
            ];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut waiting, None))
                .doing(|| "wait for the container to be ready".into())?;
            let [said, ended] = waiting.map(|one| !one.revents().is_empty());
            if said && self.is_ready() {
                break;
            }
            if ended && !said {
                return Ok(());
            }
        }
        // The sender of a message must live until it is read, which a supervisor may do later.
        let answer = self.tell(pid)?;
        let mut waiting = [PollFd::new(&answer, PollFlags::IN)];
        let understood = rustix::io::retry_on_intr(|| rustix::event::poll(&mut waiting, Some(&PATIENCE)));
        if understood == Ok(0) {
            log::warn("Timeout after waiting 30s for barrier. Ignored.");
        }
        Ok(())
    }
}

/// Whether one of a message's lines is the one that matters.
fn says_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_that_says_it_means_ready() {
        for message in [&b"READY=1"[..], b"READY=1\n", b"STATUS=fine\nREADY=1\nMAINPID=7"] {
            assert!(says_ready(message));
        }
        for message in [&b""[..], b"READY=0", b"STATUS=READY=1", b"READY=12"] {
            assert!(!says_ready(message));
        }
    }

    #[test]
    fn a_container_without_a_directory_has_no_socket() {
        let home = tempfile::tempdir().expect("a directory");
        let none = Proxy::of(home.path(), Some(Path::new("/run/some"))).expect("no error");
        assert!(none.is_none());
    }
}
