//! Children that work for the shim: everything that may take long, crash or need much memory happens in one.
//!
//! The shim forks, the child does its work with a copy of the shim's memory, reports once over a socket and exits. So
//! the shim goes on serving streams and requests meanwhile, a runtime that hangs can still be killed, and what the work
//! allocated is gone with the child. A container's process that such a child makes becomes the shim's own child when
//! the worker exits: the shim is a sub-reaper.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use prost::Message;
use tierce_fault::{Fault, Kind};
use tierce_sys::clone::{Flags, Fork, fork};
use tierce_sys::exec::exit_now;
use tierce_sys::{passing, signals};
use tierce_task::status;

use crate::error::{Doing, Error, Result};

/// What a worker has made.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Host pid of a process it made; 0: none.
    pub(crate) pid: u32,
    /// A descriptor that stands for that process.
    pub(crate) pidfd: Option<OwnedFd>,
    /// The master side of its terminal.
    pub(crate) terminal: Option<OwnedFd>,
    /// Host pid of a child of ours that ends as it does, where the process itself is another's child; 0: it is ours.
    pub(crate) stand_in: u32,
}

impl Report {
    /// The child whose end is the process's.
    pub(crate) fn child(&self) -> u32 {
        if self.stand_in == 0 { self.pid } else { self.stand_in }
    }
}

/// A report on the wire; its descriptors are beside it.
#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    #[prost(uint32, tag = "1")]
    pid: u32,
    #[prost(bool, tag = "2")]
    pidfd: bool,
    #[prost(bool, tag = "3")]
    terminal: bool,
    /// 0: success.
    #[prost(int32, tag = "4")]
    code: i32,
    #[prost(string, tag = "5")]
    message: String,
    #[prost(uint32, tag = "6")]
    stand_in: u32,
}

/// A worker under way.
#[derive(Debug)]
pub(crate) struct Job {
    socket: UnixStream,
}

/// Longest message; an account of a failure is cut to fit.
const MAX_REPORT: usize = 16 * 1024;

/// Starts a worker. `work` runs in the child only.
pub(crate) fn start(work: impl FnOnce() -> Result<Report>) -> Result<Job> {
    let (ours, theirs) = UnixStream::pair().doing(|| "make a socket pair".into())?;
    match fork(Flags::NONE, None).doing(|| "fork".into())? {
        // The worker is reaped with all other children.
        Fork::Parent { .. } => Ok(Job { socket: ours }),
        Fork::Child => {
            drop(ours);
            signals::reset();
            let result = work();
            report(&theirs, result);
            exit_now(0)
        }
    }
}

fn report(socket: &UnixStream, result: Result<Report>) {
    let (wire, files) = match result {
        Ok(Report {
            pid,
            pidfd,
            terminal,
            stand_in,
        }) => {
            let wire = Wire {
                pid,
                stand_in,
                pidfd: pidfd.is_some(),
                terminal: terminal.is_some(),
                ..Wire::default()
            };
            (wire, [pidfd, terminal])
        }
        Err(error) => {
            let mut message = error.to_string();
            message.truncate(message.floor_char_boundary(MAX_REPORT - 64));
            let code = status::Code::from(error.kind()) as i32;
            (
                Wire {
                    code,
                    message,
                    ..Wire::default()
                },
                [None, None],
            )
        }
    };
    let files: Vec<_> = files.iter().flatten().map(AsFd::as_fd).collect();
    // An empty message would look like the end of the socket.
    let mut bytes = wire.encode_to_vec();
    bytes.insert(0, 0);
    let _ = passing::send(socket.as_fd(), &bytes, &files);
}

impl Job {
    /// Readable when there is a report, or the worker has died without.
    pub(crate) fn descriptor(&self) -> &UnixStream {
        &self.socket
    }

    /// Takes the report.
    pub(crate) fn finish(self) -> Result<Report> {
        let mut buffer = vec![0; MAX_REPORT];
        let died = || Error::refused(Kind::Internal, "the process that worked on it has died");
        let (length, files) =
            passing::receive(self.socket.as_fd(), &mut buffer).doing(|| "hear from a worker".into())?;
        let bytes = buffer.get(1..length).ok_or_else(died)?;
        let wire = Wire::decode(bytes).map_err(|_| died())?;
        if wire.code != 0 {
            return Err(Error::refused(status::kind_of_code(wire.code), wire.message));
        }
        let mut files = files.into_iter();
        let pidfd = wire.pidfd.then(|| files.next()).flatten();
        let terminal = wire.terminal.then(|| files.next()).flatten();
        Ok(Report {
            pid: wire.pid,
            pidfd,
            terminal,
            stand_in: wire.stand_in,
        })
    }
}
