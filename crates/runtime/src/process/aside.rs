//! Files that can only be opened from other namespaces: a process of its own joins them, opens, and sends the descriptor,
//! so that nobody else has to live there.

use super::channel::Channel;
use super::message::Message;
use super::parent::live;
use crate::error::{Doing, Error};
use std::os::fd::{AsFd, OwnedFd};
use tierce_fault::Fault;
use tierce_sys::clone::{Flags, Fork, fork};

/// Opens something in a process of its own.
///
/// # Errors
/// That of `open`, or those of making the process.
pub(crate) fn open(look_up: impl FnOnce() -> Result<OwnedFd, Error>) -> Result<OwnedFd, Error> {
    let (ours, theirs) = Channel::pair()?;
    let helper = match fork(Flags::NONE, None).doing(|| "clone the process that opens files elsewhere".into())? {
        Fork::Child => live(|| {
            // If the parent cannot be told, it sees the end of the channel.
            let _ = match look_up() {
                Ok(file) => theirs.send_with(&Message::Source(0), &[file.as_fd()]),
                Err(error) => theirs.send(&Message::Failed {
                    kind: error.kind(),
                    text: error.to_string(),
                }),
            };
        }),
        Fork::Parent { pidfd, .. } => pidfd,
    };
    drop(theirs);
    let said = ours.receive();
    let _ = rustix::process::waitid(
        rustix::process::WaitId::PidFd(helper.as_fd()),
        rustix::process::WaitIdOptions::EXITED,
    );
    match said? {
        Some((Message::Source(_), mut files)) if files.len() == 1 => Ok(files.remove(0)),
        Some((Message::Failed { kind, text }, _)) => Err(Error::Step { kind, text }),
        other => Err(Error::Invalid(format!(
            "the process that opens files elsewhere said {other:?}"
        ))),
    }
}
