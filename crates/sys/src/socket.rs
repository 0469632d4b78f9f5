//! What the kernel knows of a socket beyond what can be read and written.

use crate::clone::last_error;
use rustix::io::Result;
use std::os::fd::{AsRawFd, BorrowedFd};

/// How much was sent that the other side has not taken yet: of a unix socket, bytes (with the kernel's own around them)
/// that it has not read; of TCP, bytes that it has not acknowledged. See `SIOCOUTQ` in unix(7) and tcp(7).
///
/// # Errors
/// Those of ioctl(2).
pub fn untaken(socket: BorrowedFd<'_>) -> Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ, which is SIOCOUTQ for sockets, writes one int to where the pointer points, which lives until then.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result < 0 {
        return Err(last_error());
    }
    Ok(usize::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_the_other_side_has_read_is_taken() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(untaken(ours.as_fd()), Ok(0));
        ours.write_all(b"head").unwrap();
        assert!(untaken(ours.as_fd()).unwrap() >= 4);
        theirs.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(untaken(ours.as_fd()), Ok(0));
    }
}
