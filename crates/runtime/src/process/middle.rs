//! The process in between. Where a container joins a user namespace, or makes one and joins others, a process must join
//! first and clone then. It clones with CLONE_PARENT, so that the container's process is its sibling: a child of the
//! caller; then it ends.

use super::channel::Channel;
use super::message::Message;
use super::parent::live;
use crate::error::{Doing, Error};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tierce_fault::Fault;
use tierce_sys::clone::{Flags, Fork, fork};

/// Runs `enter` in a process in between, which then clones the process whose life is `body`.
pub(crate) fn launch(
    enter: impl FnOnce() -> Result<(), Error>,
    flags: Flags,
    group: Option<BorrowedFd<'_>>,
    ours: &Channel,
    theirs: Channel,
    body: impl FnOnce(Channel),
) -> Result<(i32, OwnedFd), Error> {
    let between = match fork(Flags::NONE, None).doing(|| "clone the process that joins namespaces".into())? {
        Fork::Child => live(|| between(enter, flags, group, theirs, body)),
        Fork::Parent { pidfd, .. } => pidfd,
    };
    drop(theirs);
    let said = ours.receive();
    let _ = rustix::process::waitid(
        rustix::process::WaitId::PidFd(between.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    );
    match said? {
        Some((Message::Pid(pid), mut files)) if files.len() == 1 => Ok((pid, files.remove(0))),
        Some((Message::Failed { kind, text }, _)) => Err(Error::Init { kind, text }),
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
    body: impl FnOnce(Channel),
) {
    let result = enter().and_then(|()| {
        fork(flags | Flags::SIBLING, group).doing(|| format!("clone the container process ({flags:?})"))
    });
    let sent = match result {
        Ok(Fork::Child) => return body(channel),
        Ok(Fork::Parent { pid, pidfd }) => channel.send_with(&Message::Pid(pid), &[pidfd.as_fd()]),
        Err(error) => channel.send(&Message::Failed {
            kind: error.kind(),
            text: error.to_string(),
        }),
    };
    // If the parent cannot be told, it sees the end of the channel.
    drop(sent);
}
