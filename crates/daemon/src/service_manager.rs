//! systemd's side: readiness and sockets handed over. Sources: sd_notify(3), sd_listen_fds(3).

use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::{Context, Result};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use tracing::warn;

/// Number of the first descriptor that is handed over.
const FIRST_DESCRIPTOR: i32 = 3;
/// More sockets than this are a mistake.
const MOST_DESCRIPTORS: i32 = 64;

/// Tells the service manager something (`READY=1`, `STOPPING=1`), if there is one. A failure is only worth a warning.
pub(crate) fn notify(state: &str) {
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(path.as_bytes(), state)
    {
        warn!(%error, state, "could not notify the service manager");
    }
}

fn send(path: &[u8], state: &str) -> std::io::Result<()> {
    let address = match path.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(state.as_bytes(), &address)
        .map(drop)
}

/// The sockets that the service manager opened for this process; none when it did not start it.
pub(crate) fn inherited_sockets() -> Result<Vec<OwnedFd>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
    let for_us = number("LISTEN_PID").is_some_and(|pid| u32::try_from(pid) == Ok(std::process::id()));
    let count = if for_us {
        number("LISTEN_FDS").unwrap_or(0).clamp(0, MOST_DESCRIPTORS)
    } else {
        0
    };
    if count == 0 {
        return Ok(Vec::new());
    }
    // Nobody here owns those numbers; asking the kernel for this process' own descriptors makes owners of them.
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).context("open this process")?;
    (FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + count)
        .map(|number| {
            pidfd_getfd(&own, number, PidfdGetfdFlags::empty())
                .with_context(|| format!("take over descriptor {number} of the service manager"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_095_readiness_reaches_both_kinds_of_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str().as_bytes(), "READY=1").unwrap();
        let received = |socket: &UnixDatagram| {
            let mut buffer = [0; 32];
            let length = socket.recv(&mut buffer).unwrap();
            buffer[..length].to_vec()
        };
        assert_eq!(received(&by_path), b"READY=1");
        let name = format!("tierce-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(format!("@{name}").as_bytes(), "STOPPING=1").unwrap();
        assert_eq!(received(&by_name), b"STOPPING=1");
        assert!(send(b"/nonexistent/notify", "READY=1").is_err());
    }
}
