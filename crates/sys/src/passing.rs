//! Messages with file descriptors over unix sockets (`SCM_RIGHTS`).

use rustix::io::{IoSlice, IoSliceMut, Result};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// How many descriptors one message carries at most.
pub const DESCRIPTORS: usize = 24;

/// Sends one message with up to [`DESCRIPTORS`] descriptors; returns how many bytes went.
///
/// # Errors
/// Those of sendmsg(2); a closed peer is `EPIPE`, never a signal.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], files: &[BorrowedFd<'_>]) -> Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(rustix::io::Errno::INVAL);
    }
    rustix::io::retry_on_intr(|| sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL))
}

/// Receives one message into `buffer`; returns its length (0 when the peer is gone) and its descriptors, which are
/// close-on-exec.
///
/// # Errors
/// Those of recvmsg(2).
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::io::retry_on_intr(|| {
        recvmsg(
            socket,
            &mut [IoSliceMut::new(buffer)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut files = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            files.extend(received);
        }
    }
    Ok((message.bytes, files))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_travels_with_its_bytes() {
        let (left, right) = UnixStream::pair().expect("a pair");
        let file = tempfile::tempfile().expect("a file");
        send(left.as_fd(), b"here", &[file.as_fd()]).expect("sent");
        let mut buffer = [0; 16];
        let (length, files) = receive(right.as_fd(), &mut buffer).expect("received");
        assert_eq!((&buffer[..length], files.len()), (&b"here"[..], 1));
        drop(left);
        assert_eq!(receive(right.as_fd(), &mut buffer).expect("end").0, 0);
    }
}
