//! Network interfaces by the old ioctl interface: only what needs no netlink.

use crate::clone::last_error;
use rustix::io::{Errno, Result};
use std::os::fd::AsRawFd;

/// Sets an interface of this network namespace up (`ip link set NAME up`).
///
/// # Errors
/// `EINVAL` for a name longer than 15 bytes; otherwise those of netdevice(7).
pub fn set_up(name: &str) -> Result<()> {
    // SAFETY: ifreq is a plain struct for which zero is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(Errno::INVAL);
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives until the call returns.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}
