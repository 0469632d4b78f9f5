//! The process in between. Where a container joins a user namespace, or makes one and joins others, a process must join
//! first and clone then. It clones with CLONE_PARENT, so that the container's process is its sibling: a child of the
//! caller; then it ends.

use super::channel::Channel;
use super::message::Message;
use super::parent::live;
use crate::error::{Doing, Error};
use crate::failpoint::{Point, reach};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tierce_fault::{Fault, Kind};
use tierce_sys::clone::{Flags, Fork, fork};

/// Runs `enter` in a process in between, which then clones the process whose life is `body`. Returns that one's pid and
/// descriptor.
///
/// `ours` is the end of its channel that the caller goes on with: no child may keep it open, for its end is what tells
/// them that the caller died.
pub(crate) fn launch(
    enter: impl FnOnce() -> Result<(), Error>,
    flags: Flags,
    group: Option<BorrowedFd<'_>>,
    ours: Channel,
    body: impl FnOnce(),
) -> Result<(i32, OwnedFd, Channel), Error> {
    // A channel of its own, so that its death is seen while the process that it made holds the other one open.
    let (mine, its) = Channel::pair()?;
    let between = match fork(Flags::NONE, None).doing(|| "clone the process that joins namespaces".into())? {
        Fork::Child => {
            drop((ours, mine));
            live(|| between(enter, flags, group, its, body))
        }
        Fork::Parent { pidfd, .. } => pidfd,
    };
    drop((its, body));
    let said = mine.receive();
    let _ = rustix::process::waitid(
        rustix::process::WaitId::PidFd(between.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    );
    match said? {
        Some((Message::Pid(pid), mut files)) if files.len() == 1 => Ok((pid, files.remove(0), ours)),
        Some((Message::Failed { kind, text }, _)) => Err(Error::Init { kind, text }),
        None => Err(Error::Init {
            kind: Kind::Internal,
            text: "the process that joins namespaces ended before it was through (killed by a memory limit?)".into(),
        }),
        other => Err(Error::Invalid(format!(
            "the process that joins namespaces said {other:?}"
        ))),
    }
}

fn between(
    enter: impl FnOnce() -> Result<(), Error>,
    flags: Flags,
    group: Option<BorrowedFd<'_>>,
    channel: Channel,
    body: impl FnOnce(),
) {
    // A neighbour in the namespace that is joined may have every power over it, and this process is the runtime.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let clone = || fork(flags | Flags::SIBLING, group).doing(|| format!("clone the container process ({flags:?})"));
    let result = enter().and_then(|()| reach(Point::Joined)).and_then(|()| clone());
    let sent = match result {
        Ok(Fork::Child) => {
            drop(channel);
            return body();
        }
        Ok(Fork::Parent { pid, pidfd }) => {
            reach(Point::Sibling).and_then(|()| channel.send_with(&Message::Pid(pid), &[pidfd.as_fd()]))
        }
        Err(error) => channel.send(&Message::Failed {
            kind: error.kind(),
            text: error.to_string(),
        }),
    };
    // If the parent cannot be told, it sees the end of the channel.
    drop(sent);
}
