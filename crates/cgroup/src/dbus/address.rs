//! Where a bus is. Source: specification, "Server Addresses"; sd_bus_default(3) for the places.

use super::BusError;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

/// The system's bus where no variable names another.
const SYSTEM: &str = "unix:path=/run/dbus/system_bus_socket";

/// Whose systemd is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    /// The machine's.
    System,
    /// That of the user who calls.
    User,
}

impl Bus {
    /// The address by the environment, or the usual place.
    pub(super) fn address(self) -> Result<String, BusError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match self {
            Self::System => Ok(variable("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|| SYSTEM.to_owned())),
            Self::User => variable("DBUS_SESSION_BUS_ADDRESS")
                .or_else(|| {
                    let path = format!("{}/bus", variable("XDG_RUNTIME_DIR")?);
                    Path::new(&path).exists().then(|| format!("unix:path={path}"))
                })
                .ok_or_else(|| {
                    BusError::Address(
                        "find the user's bus: neither DBUS_SESSION_BUS_ADDRESS nor a bus in XDG_RUNTIME_DIR is there; \
                         install dbus-user-session and log in again"
                            .to_owned(),
                    )
                }),
        }
    }
}

/// Connects to the first address of a list that can be connected to.
pub(super) fn connect(addresses: &str) -> Result<UnixStream, BusError> {
    let mut last = BusError::Address(format!("bus address {addresses:?} names no unix socket"));
    for address in addresses.split(';') {
        let Some(target) = parse(address) else { continue };
        match target.and_then(|target| UnixStream::connect_addr(&target)) {
            Ok(stream) => return Ok(stream),
            Err(source) => {
                last = BusError::Socket {
                    verb: "connect to the bus at",
                    address: address.to_owned(),
                    source,
                }
            }
        }
    }
    Err(last)
}

/// Reads one address; `None` for a transport that is not ours.
pub(super) fn parse(address: &str) -> Option<std::io::Result<SocketAddr>> {
    let pairs = address.strip_prefix("unix:")?;
    pairs.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        match key {
            "path" => Some(SocketAddr::from_pathname(std::ffi::OsString::from_vec(unescape(
                value,
            )?))),
            "abstract" => Some(SocketAddr::from_abstract_name(unescape(value)?)),
            _ => None,
        }
    })
}

/// Undoes `%XX`; `None` where that is broken.
fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut out = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            out.push((high << 4 | low) as u8);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}
