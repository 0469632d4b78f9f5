//! The program `criu` in its `swrk` mode: a child of ours that serves one request on a socket it inherits, and may
//! notify of what happens on the way.

use crate::error::{Doing, Error};
use crate::options::Stdio;
use crate::process::channel::Channel;
use crate::process::message::Message;
use crate::process::parent::live;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};
use rustix::process::{WaitId, WaitIdOptions};
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use tierce_criu::{self as message, Features, Kind, Options, Response};
use tierce_fault::{Fault, Kind as FaultKind};
use tierce_sys::clone::{Flags, Fork};
use tierce_sys::exec::StringArray;

/// The longest answer; CRIU's are a few dozen bytes.
const LONGEST: usize = 40 * 1024;

/// The oldest CRIU that can be asked for its version.
pub(crate) const OLDEST: u32 = 30_000;

/// How long a CRIU that has nothing left to do may take to end.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Where CRIU is looked for besides `$PATH`, which for users often lacks them.
const ADMINISTRATORS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Hears of what happens: its name, the pid it is about, descriptors that came with it.
pub(crate) type Notified<'a> = dyn FnMut(&str, i32, Vec<OwnedFd>) -> Result<(), Error> + 'a;

/// What CRIU and the processes that it restores start from.
#[derive(Debug, Default)]
pub(crate) struct Seat<'a> {
    /// Streams; absent ones are the caller's.
    pub(crate) stdio: Option<&'a Stdio>,
    /// Descriptors that are inherited under their numbers.
    pub(crate) inherited: &'a [OwnedFd],
    /// Its v2 group.
    pub(crate) group: Option<BorrowedFd<'a>>,
    /// The doors of its v1 groups.
    pub(crate) doors: &'a [OwnedFd],
}

/// A serving CRIU. Dropped, it is waited for; one that does not end is killed.
#[derive(Debug)]
pub(crate) struct Criu {
    socket: OwnedFd,
    /// Its pid.
    pub(crate) pid: i32,
    pidfd: OwnedFd,
    ended: bool,
}

/// Finds the program.
///
/// # Errors
/// [`Error::Program`].
fn find() -> Result<CString, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(ADMINISTRATORS.map(PathBuf::from));
    directories
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("criu"))
        .find(|path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file())
        .and_then(|path| CString::new(path.into_os_string().into_vec()).ok())
        .ok_or_else(|| Error::Program {
            program: "criu".into(),
            cause: "executable file not found in $PATH (install CRIU to checkpoint and restore containers)".into(),
            kind: FaultKind::NotFound,
        })
}

impl Criu {
    /// Starts it. The caller must have a single thread.
    ///
    /// # Errors
    /// [`Error::Program`] when there is none; [`Error::Kernel`] and [`Error::Init`] when it cannot be started.
    pub(crate) fn start(seat: &Seat<'_>) -> Result<Self, Error> {
        let program = find()?;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .doing(|| "make a socket to criu".into())?;
        let (listen, speak) = Channel::pair()?;
        match tierce_sys::clone::fork(Flags::NONE, seat.group).doing(|| "clone criu".into())? {
            Fork::Child => live(|| {
                let error = become_criu(seat, &theirs, &program);
                // Without a parent to hear it the failure does not matter.
                let _ = speak.send(&Message::Failed {
                    kind: error.kind(),
                    text: error.to_string(),
                });
            }),
            Fork::Parent { pid, pidfd } => {
                drop((theirs, speak));
                let criu = Self {
                    socket: ours,
                    pid,
                    pidfd,
                    ended: false,
                };
                match listen.receive()? {
                    None => Ok(criu),
                    Some((Message::Failed { kind, text }, _)) => Err(Error::Step { kind, text }),
                    Some((message, _)) => Err(Error::Invalid(format!("criu said {message:?} before it was one"))),
                }
            }
        }
    }

    /// Sends a request and confirms what it notifies of until it has its answer.
    ///
    /// # Errors
    /// Those of `notified`; [`Error::Step`] with CRIU's own account when it fails.
    pub(crate) fn ask(&self, request: &[u8], notified: &mut Notified<'_>) -> Result<Response, Error> {
        self.send(request)?;
        loop {
            let (response, files) = self.receive()?;
            if !response.success {
                return Err(failure(&response));
            }
            let Some((script, pid)) = response.notice.clone().filter(|_| response.kind == Some(Kind::Notify)) else {
                return Ok(response);
            };
            notified(&script, pid, files)?;
            self.send(&message::confirmation())?;
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        tierce_sys::passing::send(self.socket.as_fd(), bytes, &[])
            .map(drop)
            .doing(|| "send a request to criu".into())
    }

    fn receive(&self) -> Result<(Response, Vec<OwnedFd>), Error> {
        let mut buffer = vec![0; LONGEST];
        let (length, files) =
            tierce_sys::passing::receive(self.socket.as_fd(), &mut buffer).doing(|| "receive from criu".into())?;
        if length == 0 {
            return Err(Error::Step {
                kind: FaultKind::Internal,
                text: "criu failed: unexpected EOF".into(),
            });
        }
        let response = Response::read(&buffer[..length])
            .map_err(|error| Error::Invalid(format!("unable to parse the response of criu: {error}")))?;
        Ok((response, files))
    }

    /// Has it end and waits for that. Returns whether it did so successfully.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it was killed instead.
    pub(crate) fn end(mut self) -> Result<bool, Error> {
        self.wait()
    }

    fn wait(&mut self) -> Result<bool, Error> {
        self.ended = true;
        // It may have closed its end already.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        let mut waiting = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let in_time = rustix::io::retry_on_intr(|| rustix::event::poll(&mut waiting, Some(&PATIENCE)));
        if in_time == Ok(0) {
            let _ = tierce_sys::signals::send(self.pidfd.as_fd(), 9);
        }
        let status = rustix::io::retry_on_intr(|| {
            rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED)
        })
        .doing(|| "wait for criu".into())?;
        if in_time == Ok(0) {
            return Err(Error::Timeout("criu did not end and was killed".into()));
        }
        Ok(status.and_then(|status| status.exit_status()) == Some(0))
    }
}

impl Drop for Criu {
    fn drop(&mut self) {
        if !self.ended {
            // Another failure led here; a CRIU that sees its client go takes back what it did.
            let _ = self.wait();
        }
    }
}

fn failure(response: &Response) -> Error {
    // CRIU's own text is the first error of its log, which may be one that it got over; the log is told instead.
    let kind = response.kind.map_or_else(|| "?".to_owned(), |kind| kind.to_string());
    Error::Step {
        kind: FaultKind::Internal,
        text: format!("criu failed: type {kind} errno {}", response.error),
    }
}

/// The child's half. Returns only its failure.
fn become_criu(seat: &Seat<'_>, socket: &OwnedFd, program: &CString) -> Error {
    if let Err(error) = prepare(seat, socket) {
        return error;
    }
    let number = CString::new(socket.as_raw_fd().to_string()).unwrap_or_default();
    let arguments = [c"criu".to_owned(), c"swrk".to_owned(), number];
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", OsStr::as_bytes(&value)].concat()).ok())
        .collect();
    let (arguments, environment) = (StringArray::new(&arguments), StringArray::new(&environment));
    Error::Kernel {
        action: format!("execute {}", program.to_string_lossy()),
        source: tierce_sys::exec::execve(program, &arguments, &environment),
    }
}

fn prepare(seat: &Seat<'_>, socket: &OwnedFd) -> Result<(), Error> {
    tierce_sys::signals::reset();
    for door in seat.doors {
        rustix::io::write(door, b"0").doing(|| "enter the control group".into())?;
    }
    if let Some(stdio) = seat.stdio {
        for (number, stream) in [&stdio.stdin, &stdio.stdout, &stdio.stderr].into_iter().enumerate() {
            if let Some(stream) = stream {
                tierce_sys::descriptors::place(stream.as_fd(), number as i32)
                    .doing(|| format!("place stream {number}"))?;
            }
        }
    }
    tierce_sys::descriptors::close_on_exec_from(3).doing(|| "close_range".into())?;
    for file in std::iter::once(socket).chain(seat.inherited) {
        tierce_sys::descriptors::inherit(file.as_raw_fd()).doing(|| "leave a descriptor to criu".into())?;
    }
    Ok(())
}

/// The version of the installed CRIU as one number.
///
/// # Errors
/// When there is none, it does not work here, or it is too old.
pub(crate) fn version() -> Result<u32, Error> {
    let failed = |error: Error| Error::Step {
        kind: error.kind(),
        text: format!("CRIU version check failed: {error}"),
    };
    let ask = || {
        let criu = Criu::start(&Seat::default())?;
        let response = criu.ask(&message::request(Kind::Version, None), &mut |_, _, _| Ok(()))?;
        criu.end()?;
        Ok(response.version.unwrap_or(0))
    };
    let version = ask().map_err(failed)?;
    require(version, OLDEST)?;
    Ok(version)
}

/// Refuses a version that is too old.
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn require(version: u32, oldest: u32) -> Result<(), Error> {
    if version < oldest {
        return Err(Error::Unsupported(format!(
            "CRIU version {version} must be {oldest} or higher"
        )));
    }
    Ok(())
}

/// Refuses to go on without these features.
///
/// # Errors
/// [`Error::Unsupported`] naming those that are missing.
pub(crate) fn require_features(wanted: Features) -> Result<(), Error> {
    let criu = Criu::start(&Seat::default())?;
    let response = criu
        .ask(&message::feature_question(wanted), &mut |_, _, _| Ok(()))
        .map_err(|error| Error::Step {
            kind: error.kind(),
            text: format!("CRIU feature check failed: {error}"),
        })?;
    criu.end()?;
    let there = response.features;
    let missing: Vec<&str> = [
        ("MemTrack", wanted.memory_tracking, there.memory_tracking),
        ("LazyPages", wanted.lazy_pages, there.lazy_pages),
    ]
    .into_iter()
    .filter(|(_, wanted, there)| *wanted == Some(true) && *there == Some(false))
    .map(|(name, ..)| name)
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "criu is missing features: [{}]",
        missing.join(" ")
    )))
}

/// Asks for a dump or a restore with these options. A pre-dump leaves CRIU waiting for the dump proper, so its end says
/// nothing.
///
/// # Errors
/// See [`Criu::ask`].
pub(crate) fn serve(criu: Criu, kind: Kind, options: &Options, notified: &mut Notified<'_>) -> Result<(), Error> {
    criu.ask(&message::request(kind, Some(options)), notified)?;
    if !criu.end()? && kind != Kind::PreDump {
        return Err(Error::Step {
            kind: FaultKind::Internal,
            text: "criu failed after its answer".into(),
        });
    }
    Ok(())
}
