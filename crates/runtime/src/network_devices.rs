//! `linux.netDevices`: network devices of the runtime's network namespace that are moved into the container's, with
//! their permanent addresses of global scope. Source: runtime-spec `config-linux.md#network-devices`, rtnetlink(7).

use crate::error::{Doing, Error};
use crate::namespaces::{self, Namespaces};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use tierce_oci::runtime::{Linux, NamespaceKind, NetDevice};
use tierce_sys::namespaces::Kinds;
use tierce_sys::netlink::{Attributes, Batch, Family, Refusal, Reply, Socket, flags};

/// `RTM_*` of linux/rtnetlink.h.
const SET_LINK: u16 = 19;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
/// `IFLA_*` of linux/if_link.h.
const NAME: u16 = 3;
const NAMESPACE: u16 = 28;
/// `IFA_*` of linux/if_addr.h.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const BROADCAST: u16 = 4;
const ADDRESS_FLAGS: u16 = 8;
/// `IFA_F_PERMANENT`
const PERMANENT: u32 = 0x80;
/// `IFF_UP`
const UP: u32 = 1;
/// Length of `struct ifinfomsg` and of `struct ifaddrmsg`.
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
/// Longest name of a device, without the NUL behind it.
const LONGEST_NAME: usize = 15;

/// One address of a device: its header's family and prefix length, and the attributes that make it up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    family: u8,
    prefix: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

/// Refuses what cannot be.
///
/// # Errors
/// [`Error::Invalid`], with runc's texts.
pub(crate) fn check(linux: &Linux, namespaces: &Namespaces) -> Result<(), Error> {
    if linux.net_devices.is_empty() {
        return Ok(());
    }
    let wrong = |text: String| Err(Error::Invalid(text));
    if !rustix::process::geteuid().is_root() {
        return wrong("network devices are not supported for rootless containers".into());
    }
    if !namespaces.has(NamespaceKind::Network) {
        return wrong("unable to move network devices without a NET namespace".into());
    }
    if namespaces.joins_own(NamespaceKind::Network)? {
        return wrong("unable to move network devices without a private NET namespace".into());
    }
    let mut names: Vec<&str> = Vec::new();
    for (device, inside) in &linux.net_devices {
        let inside = inside_name(device, inside);
        for name in [device, inside] {
            if !is_name(name) {
                return wrong(format!("invalid network device name {name:?}"));
            }
        }
        if names.contains(&inside) {
            return wrong(format!("linux.netDevices: two devices are to be named {inside:?}"));
        }
        names.push(inside);
    }
    Ok(())
}

fn inside_name<'a>(device: &'a str, inside: &'a NetDevice) -> &'a str {
    if inside.name.is_empty() { device } else { &inside.name }
}

/// The kernel's rule, `dev_valid_name`.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= LONGEST_NAME
        && !name.contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace())
}

/// Moves the devices into the network namespace of a container whose process is `pid`.
///
/// # Errors
/// [`Error::Invalid`] naming the device; it is where it was, or in the container's namespace, then.
pub(crate) fn move_all(devices: &BTreeMap<String, NetDevice>, namespaces: &Namespaces, pid: i32) -> Result<(), Error> {
    if devices.is_empty() {
        return Ok(());
    }
    let opened;
    let target = if let Some(joined) = namespaces.joined(NamespaceKind::Network) {
        joined
    } else {
        let path = format!("/proc/{pid}/ns/net");
        opened = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .doing(|| format!("open {path}"))?;
        &opened
    };
    let own = namespaces::own(NamespaceKind::Network)?;
    let here = Socket::open(Family::Route).doing(|| "open a netlink socket".into())?;
    // A socket stays in the namespace where it was opened.
    tierce_sys::namespaces::join(target.as_fd(), Kinds::NETWORK)
        .doing(|| "join the container's network namespace".into())?;
    let there = Socket::open(Family::Route);
    tierce_sys::namespaces::join(own.as_fd(), Kinds::NETWORK)
        .doing(|| "join our own network namespace again".into())?;
    let there = there.doing(|| "open a netlink socket in the container".into())?;
    devices
        .iter()
        .try_for_each(|(device, inside)| move_one(&here, &there, target, device, inside_name(device, inside)))
}

fn move_one(here: &Socket, there: &Socket, target: &OwnedFd, device: &str, inside: &str) -> Result<(), Error> {
    let failed = |what: &str, refusal: &Refusal| Error::Step {
        kind: tierce_fault::kind_of_io(&refusal.error),
        text: format!("network device {device:?}: {what}: {refusal}"),
    };
    let index = index_of(here, device)
        .map_err(|refusal| failed("link not found for interface on runtime namespace", &refusal))?;
    let addresses = addresses_of(here, index).map_err(|refusal| failed("list its addresses", &refusal))?;
    let mut batch = Batch::default();
    // Its name can only be changed while it is down.
    batch.message(SET_LINK, flags::REQUEST | flags::ACK, &link(index, 0, UP), |_| {});
    batch.message(SET_LINK, flags::REQUEST | flags::ACK, &link(index, 0, 0), |message| {
        message.text(NAME, inside);
        message.u32(NAMESPACE, target.as_raw_fd().cast_unsigned());
    });
    here.exchange(&batch)
        .map_err(|refusal| failed("move it into the container's network namespace", &refusal))?;
    let index = index_of(there, inside).map_err(|refusal| failed("find it in the container", &refusal))?;
    let mut batch = Batch::default();
    for address in &addresses {
        let mut header = [0; ADDRESS_HEADER];
        (header[0], header[1]) = (address.family, address.prefix);
        header[4..].copy_from_slice(&index.to_ne_bytes());
        let kinds = flags::REQUEST | flags::ACK | flags::CREATE | flags::REPLACE;
        batch.message(NEW_ADDRESS, kinds, &header, |message| {
            for (kind, value) in &address.attributes {
                message.bytes(*kind, value);
            }
        });
    }
    batch.message(SET_LINK, flags::REQUEST | flags::ACK, &link(index, UP, UP), |_| {});
    there
        .exchange(&batch)
        .map_err(|refusal| failed("give it its addresses and set it up", &refusal))?;
    Ok(())
}

/// A `struct ifinfomsg`.
fn link(index: u32, flags: u32, change: u32) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&change.to_ne_bytes());
    header
}

fn index_of(socket: &Socket, name: &str) -> Result<u32, Refusal> {
    let mut batch = Batch::default();
    batch.message(GET_LINK, flags::REQUEST | flags::ACK, &[0; LINK_HEADER], |message| {
        message.text(NAME, name);
    });
    let replies = socket.exchange(&batch)?;
    let index = replies
        .first()
        .and_then(|reply| reply.payload.get(4..8)?.try_into().ok());
    Ok(index.map_or(0, u32::from_ne_bytes))
}

fn addresses_of(socket: &Socket, index: u32) -> Result<Vec<Address>, Refusal> {
    let mut batch = Batch::default();
    batch.message(GET_ADDRESS, flags::REQUEST | flags::DUMP, &[0; ADDRESS_HEADER], |_| {});
    let replies = socket.exchange(&batch)?;
    Ok(replies.iter().filter_map(|reply| lasting(reply, index)).collect())
}

/// An address of this device that was given to it by hand and means the same everywhere: those that a router or a DHCP
/// server lent belong to the network that is left, and link-local ones come by themselves.
fn lasting(reply: &Reply, index: u32) -> Option<Address> {
    let header = reply.payload.get(..ADDRESS_HEADER)?;
    let attributes = reply.payload.get(ADDRESS_HEADER..)?;
    let flags = Attributes::find(attributes, ADDRESS_FLAGS)
        .and_then(|value| value.try_into().ok())
        .map_or(u32::from(header[2]), u32::from_ne_bytes);
    let universal = header[3] == 0;
    if header[4..8] != index.to_ne_bytes() || !universal || flags & PERMANENT == 0 {
        return None;
    }
    Some(Address {
        family: header[0],
        prefix: header[1],
        attributes: Attributes::new(attributes)
            .filter(|(kind, _)| matches!(*kind, ADDRESS | LOCAL | BROADCAST))
            .map(|(kind, value)| (kind, value.to_vec()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_devices() {
        assert!(is_name("eth0") && is_name("a-15-characters"));
        for name in ["", ".", "..", "a/b", "a b", "a:1", "a-16-characters!"] {
            assert!(!is_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(payload in proptest::collection::vec(any::<u8>(), 0..64), index: u32) {
            let _ = lasting(&Reply { kind: 20, sequence: 1, payload }, index);
        }
    }
}
