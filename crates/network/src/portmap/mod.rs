//! Published ports: which are held, by whom, and the sockets that hold them.
//!
//! A published port is a socket bound on the host (so no other program can take it, and the kernel's own table is the
//! truth) plus an element of a packet filter map (so packets never touch that socket). The socket serves the relay for
//! what the packet filter cannot do. A port on all addresses of both families has one socket for both. Where sockets
//! get scarce (a range of thousands), those that the relay does not need are left out, and ports that need it are refused:
//! the rest of the daemon has to live beside them. When the daemon is gone the sockets are gone and the map elements go on working;
//! the restarted daemon binds them again.

pub(crate) mod holder;
pub(crate) mod nat;
pub(crate) mod relay;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol as Transport, SocketFlags, SocketType, sockopt};

use crate::error::PortError;
use crate::request::{Protocol, Publication};
use crate::sandbox::Published;
use nat::Targets;

/// All published ports of the daemon.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    held: BTreeMap<(Protocol, u16), Vec<(IpAddr, String)>>,
    /// Where the search for a free port goes on.
    next: BTreeMap<Protocol, u16>,
}

/// A port with the socket that holds it.
#[derive(Debug)]
pub(crate) struct Held {
    /// What is published.
    pub(crate) published: Published,
    /// Bound, and listening where the protocol has that.
    pub(crate) socket: OwnedFd,
}

/// Ports taken for one container, not yet in force.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    /// All of them.
    pub(crate) published: Vec<Published>,
    /// The sockets of those that could be bound.
    pub(crate) sockets: Vec<Held>,
}

/// Who takes ports, for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taker<'a> {
    /// Name of the container.
    pub(crate) name: &'a str,
    /// Its addresses.
    pub(crate) targets: Targets,
    /// What becomes of ports on IPv4 addresses, and of those on IPv6 addresses.
    pub(crate) ways: [Way; 2],
    /// Address for wishes without one; `None`: all addresses of both families.
    pub(crate) default_address: Option<IpAddr>,
}

/// What becomes of the ports on addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They are taken on the host.
    Host,
    /// They answer at the container's own address; nothing is taken.
    Inside,
    /// Nothing leads to the container.
    Nowhere,
}

impl Taker<'_> {
    fn way(&self, address: IpAddr) -> Way {
        self.ways[usize::from(address.is_ipv6())]
    }

    /// The container's address that a port of the host leads to, for texts.
    fn target(&self, host: IpAddr) -> IpAddr {
        self.targets.for_relay(host).unwrap_or(Ipv4Addr::UNSPECIFIED.into())
    }
}

impl Ports {
    /// Takes a port for every wish, or none at all.
    pub(crate) fn reserve(&self, wishes: &[Publication], taker: Taker<'_>) -> Result<Reservation, PortError> {
        let mut reservation = Reservation::default();
        for wish in wishes {
            let before = reservation.published.len();
            if let Err(error) = self.reserve_one(wish, taker, &mut reservation) {
                self.release(&reservation.published, taker.name);
                return Err(error);
            }
            // Whatever becomes of them, IPv4 stands first.
            reservation.published[before..].sort_by_key(|published| published.address);
        }
        Ok(reservation)
    }

    /// Takes up ports that are in force already (after a restart). A port that somebody bound meanwhile stays published
    /// by the packet filter; that is reported.
    pub(crate) fn readopt(&self, published: &[Published], taker: Taker<'_>) -> (Vec<Held>, Vec<PortError>) {
        let (mut sockets, mut failures) = (Vec::new(), Vec::new());
        let of_one_port = |one: &Published, next: &Published| {
            (one.port, one.host_port) == (next.port, next.host_port) && one.host_port != 0
        };
        for addresses in published.chunk_by(of_one_port).filter(|all| all[0].host_port != 0) {
            let key = (addresses[0].port.protocol, addresses[0].host_port);
            let holders = addresses.iter().map(|one| (one.address, taker.name.to_owned()));
            self.lock().held.entry(key).or_default().extend(holders);
            for (published, bound) in hold(addresses, taker) {
                match bound {
                    Ok(socket) => sockets.extend(socket.map(|socket| Held { published, socket })),
                    Err(error) => failures.push(error),
                }
            }
        }
        (sockets, failures)
    }

    /// Gives a container's ports back.
    pub(crate) fn release(&self, published: &[Published], name: &str) {
        let mut table = self.lock();
        for published in published {
            let key = (published.port.protocol, published.host_port);
            if let Some(holders) = table.held.get_mut(&key) {
                holders.retain(|(address, holder)| *address != published.address || holder != name);
                if holders.is_empty() {
                    table.held.remove(&key);
                }
            }
        }
    }

    fn reserve_one(&self, wish: &Publication, taker: Taker<'_>, into: &mut Reservation) -> Result<(), PortError> {
        let addresses = match wish.address.or(taker.default_address) {
            Some(address) => vec![address],
            None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        };
        let inside = addresses.iter().filter(|address| taker.way(**address) == Way::Inside);
        into.published.extend(inside.map(|address| Published {
            port: wish.port,
            // There is no host side, and dockerd shows it so.
            address: unspecified(*address),
            host_port: 0,
        }));
        let addresses: Vec<_> = addresses
            .into_iter()
            .filter(|address| taker.way(*address) == Way::Host)
            .collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let (start, end) = wish.host.unwrap_or_else(ephemeral_range);
        let first = match wish.host {
            Some(_) => start,
            None => self.next_ephemeral(wish.port.protocol, start, end),
        };
        let mut failure = None;
        for port in (first..=end).chain(start..first) {
            match self.try_port(wish, &addresses, port, taker) {
                Ok(held) => {
                    if wish.host.is_none() {
                        self.lock()
                            .next
                            .insert(wish.port.protocol, port.checked_add(1).unwrap_or(start));
                    }
                    for (published, socket) in held {
                        into.published.push(published);
                        into.sockets.extend(socket.map(|socket| Held { published, socket }));
                    }
                    return Ok(());
                }
                // Only a taken port is a reason to try the next one.
                Err(error @ (PortError::Allocated { .. } | PortError::Bind { .. })) if is_taken(&error) => {
                    failure = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let exhausted = PortError::RangeExhausted {
            address: addresses.first().map(ToString::to_string).unwrap_or_default(),
            start,
            end,
            protocol: wish.port.protocol.name(),
        };
        Err(if start == end {
            failure.unwrap_or(exhausted)
        } else {
            exhausted
        })
    }

    fn try_port(
        &self,
        wish: &Publication,
        addresses: &[IpAddr],
        port: u16,
        taker: Taker<'_>,
    ) -> Result<Vec<(Published, Option<OwnedFd>)>, PortError> {
        self.mark(wish.port.protocol, port, addresses, taker.name)?;
        let all: Vec<_> = addresses
            .iter()
            .map(|address| Published {
                port: wish.port,
                address: *address,
                host_port: port,
            })
            .collect();
        let mut held = Vec::new();
        for (published, bound) in hold(&all, taker) {
            match bound {
                Ok(socket) => held.push((published, socket)),
                // Nobody asked for IPv6 by name, and this host has none.
                Err(PortError::Bind { error, .. })
                    if published.address.is_ipv6() && all.len() > 1 && is_absent(&error) =>
                {
                    self.release(&[published], taker.name);
                }
                Err(error) => {
                    self.release(&all, taker.name);
                    return Err(error);
                }
            }
        }
        Ok(held)
    }

    /// Writes the port down for all addresses, if no other container has one that collides.
    fn mark(&self, protocol: Protocol, port: u16, addresses: &[IpAddr], name: &str) -> Result<(), PortError> {
        let mut table = self.lock();
        let holders = table.held.entry((protocol, port)).or_default();
        for address in addresses {
            if let Some((_, holder)) = holders.iter().find(|(held, _)| collide(*held, *address)) {
                let holder = holder.clone();
                return Err(PortError::Allocated {
                    address: address.to_string(),
                    port,
                    holder,
                });
            }
        }
        holders.extend(addresses.iter().map(|address| (*address, name.to_owned())));
        Ok(())
    }

    fn next_ephemeral(&self, protocol: Protocol, start: u16, end: u16) -> u16 {
        self.lock()
            .next
            .get(&protocol)
            .copied()
            .filter(|next| (start..=end).contains(next))
            .unwrap_or(start)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All addresses of the family of this one.
fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Two addresses of one family collide when they are equal or one of them means all.
fn collide(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4() && (one == other || one.is_unspecified() || other.is_unspecified())
}

fn is_taken(error: &PortError) -> bool {
    match error {
        PortError::Bind { error, .. } => error.kind() == std::io::ErrorKind::AddrInUse,
        _ => true,
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    let absent = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL, Errno::NODEV];
    absent
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Where Docker takes ports from that nobody chose.
fn ephemeral_range() -> (u16, u16) {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(start), Some(end)) if start > 0 && start <= end => (start, end),
        _ => (49153, 65535),
    }
}

/// Binds one port of the host on all its addresses: each with its socket, with none where another one's or the packet
/// filter alone does for it, or with the reason why not.
fn hold<'a>(
    all: &'a [Published],
    taker: Taker<'a>,
) -> impl Iterator<Item = (Published, Result<Option<OwnedFd>, PortError>)> + use<'a> {
    // When that does not go, binding one by one tells which of them is in the way.
    let mut both = match all {
        [four, six] if four.address == Ipv4Addr::UNSPECIFIED && six.address == Ipv6Addr::UNSPECIFIED => {
            bind_socket(six, Families::Both)
                .ok()
                .filter(|socket| !is_scarce(socket))
        }
        _ => None,
    };
    let one_for_both = both.is_some();
    all.iter().map(move |published| {
        let bound = match (one_for_both, published.address) {
            (true, IpAddr::V4(_)) => Ok(None),
            (true, IpAddr::V6(_)) => Ok(both.take()),
            (false, _) => bind(published, taker),
        };
        (*published, bound)
    })
}

/// Whether so many descriptors are in use that the rest is needed for other things: the kernel gives the lowest one.
fn is_scarce(socket: &OwnedFd) -> bool {
    let number = u64::from(socket.as_raw_fd().cast_unsigned());
    number > tierce_sys::descriptors::limit() / 4 * 3
}

/// Binds the host's port. `None`: the kernel lacks the protocol (sctp), or file descriptors are scarce; the packet filter
/// alone serves the port then.
fn bind(published: &Published, taker: Taker<'_>) -> Result<Option<OwnedFd>, PortError> {
    let bound = match bind_socket(published, Families::One) {
        Ok(socket) if is_scarce(&socket) => Err(Errno::MFILE),
        bound => bound,
    };
    match bound {
        Ok(socket) => Ok(Some(socket)),
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) if published.port.protocol == Protocol::Sctp => Ok(None),
        Err(Errno::MFILE | Errno::NFILE) if taker.targets.is_translated(published.address) => {
            tracing::debug!(
                port = published.host_port,
                "file descriptors are scarce: a published port is not held"
            );
            Ok(None)
        }
        Err(errno) => Err(PortError::Bind {
            binding: format!(
                "{}:{}:{}/{}",
                SocketAddr::new(published.address, published.host_port),
                taker.target(published.address),
                published.port.number,
                published.port.protocol.name()
            ),
            reason: go_text(errno),
            holder: if errno == Errno::ADDRINUSE {
                holder::describe(published)
            } else {
                String::new()
            },
            error: errno.into(),
        }),
    }
}

/// Whose packets a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    /// Of its address.
    One,
    /// Of IPv6 and IPv4: one for all addresses.
    Both,
}

fn bind_socket(published: &Published, families: Families) -> rustix::io::Result<OwnedFd> {
    let family = if published.address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let (kind, transport) = match published.port.protocol {
        Protocol::Tcp => (SocketType::STREAM, rustix::net::ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, rustix::net::ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, sctp()),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, kind, flags, Some(transport))?;
    if published.address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, families == Families::One)?;
    }
    if published.port.protocol == Protocol::Tcp {
        // Connections of an earlier listener in TIME_WAIT are no obstacle.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(published.address, published.host_port))?;
    if published.port.protocol != Protocol::Udp {
        rustix::net::listen(&socket, 1024)?;
    }
    Ok(socket)
}

fn sctp() -> Transport {
    rustix::net::ipproto::SCTP
}

/// The words of Go's `syscall.Errno`, which clients know.
fn go_text(errno: Errno) -> String {
    match errno {
        Errno::ADDRINUSE => "address already in use".to_owned(),
        Errno::ADDRNOTAVAIL => "cannot assign requested address".to_owned(),
        Errno::ACCESS => "permission denied".to_owned(),
        Errno::INVAL => "invalid argument".to_owned(),
        Errno::MFILE | Errno::NFILE => {
            "too many open files: the daemon holds a socket for each published port; give it more (LimitNOFILE= of its unit, \
             or ulimit -n)"
                .to_owned()
        }
        other => std::io::Error::from(other).to_string(),
    }
}
