//! What callers ask for, as typed values: a network to create, a container to join.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tierce_oci::container::PortMap;

use crate::Error;
use crate::drivers::bridge::interface_name;
use crate::files::ResolverOverrides;
use crate::network::Configuration;

/// `HostConfig.NetworkMode`, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// A network by name or id; `default` and the empty string mean `bridge`.
    Network(String),
    /// The host's own stack.
    Host,
    /// Only `lo`.
    None,
    /// The stack of another container (name or id); the engine resolves it and passes that sandbox's `key` on.
    Container(String),
}

impl Mode {
    /// Never fails: any unknown word is a network's name.
    pub fn parse(text: &str) -> Self {
        match text {
            "" | "default" => Self::Network("bridge".to_owned()),
            "host" => Self::Host,
            "none" => Self::None,
            other => match other.strip_prefix("container:") {
                Some(container) => Self::Container(container.to_owned()),
                None => Self::Network(other.to_owned()),
            },
        }
    }
}

/// A container that is to get its sandbox.
#[derive(Debug, Clone, Default)]
pub struct Join {
    /// The container's id (64 hex).
    pub container: String,
    /// Its name without a slash; used in error texts and as DNS name.
    pub name: String,
    /// The networks, `eth0` first. Empty: `none`. Host mode: one attachment named `host`.
    pub attachments: Vec<Attachment>,
    /// What to publish.
    pub ports: Vec<Publication>,
    /// Exposed but unpublished ports, for inspect.
    pub exposed: Vec<Port>,
    /// Containers that it is linked to on the default bridge, by id. They have joined already.
    pub links: Vec<String>,
    /// What it wants of `resolv.conf`.
    pub resolver: ResolverOverrides,
}

/// Wish for one endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Network name or id.
    pub network: String,
    /// Static address (`--ip`), user-defined networks only.
    pub address: Option<Ipv4Addr>,
    /// Static IPv6 address (`--ip6`), likewise.
    #[serde(default)]
    pub address6: Option<Ipv6Addr>,
    /// No IPv6 address, whatever the network has: the container switches IPv6 off.
    #[serde(default)]
    pub without_ipv6: bool,
    /// `--mac-address`
    pub mac: Option<Mac>,
    /// The container's host name, which answers too.
    #[serde(default)]
    pub hostname: String,
    /// `--network-alias`
    pub aliases: Vec<String>,
    /// `--link`, as given.
    pub links: Vec<String>,
    /// `gw-priority`: the highest has the default route.
    #[serde(default)]
    pub priority: i64,
    /// Addresses beside the network's, `--link-local-ip`.
    #[serde(default)]
    pub link_local: Vec<IpAddr>,
    /// Name of the interface inside, when it shall not be the next `eth…`.
    #[serde(default)]
    pub interface: Option<String>,
    /// Kernel parameters of the interface.
    #[serde(default)]
    pub sysctls: Vec<InterfaceSysctl>,
}

/// A kernel parameter of an interface: `net.FAMILY.GROUP.IFNAME.NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSysctl {
    /// `ipv4`, `ipv6` or `mpls`.
    pub family: String,
    /// `conf` or `neigh`.
    pub group: String,
    /// Its own name.
    pub name: String,
    /// What it is set to.
    pub value: String,
}

/// A running container that is to be connected to, or disconnected from, one network.
#[derive(Debug, Clone, Default)]
pub struct Connect {
    /// The container's id.
    pub container: String,
    /// Its name without a slash, by which others find it in the network.
    pub name: String,
    /// The network, and what is wished there.
    pub attachment: Attachment,
    /// What the container publishes, if it does not yet and can now.
    pub ports: Vec<Publication>,
    /// What it wants of `resolv.conf`.
    pub resolver: ResolverOverrides,
}

/// Option with the name of the interface.
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

impl Attachment {
    /// Option with kernel parameters of the interface, [`InterfaceSysctl`]s with commas between them.
    pub const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

    /// Names that answer in a user-defined network: the container's name, its aliases there, its short id, its host name.
    pub fn dns_names(&self, name: &str, container: &str) -> Vec<String> {
        let mut names = vec![name.to_owned()];
        let short = container.get(..12).unwrap_or(container).to_owned();
        let others = self.aliases.iter().cloned().chain([short, self.hostname.clone()]);
        for name in others.filter(|name| !name.is_empty()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The same of a container with this host name.
    #[must_use]
    pub fn with_hostname(mut self, hostname: &str) -> Self {
        hostname.clone_into(&mut self.hostname);
        self
    }

    /// The same of a container that switches IPv6 off, or does not.
    #[must_use]
    pub fn with_ipv6_off(mut self, off: bool) -> Self {
        self.without_ipv6 = off;
        self
    }

    /// Takes Docker's options of an endpoint (`--network name=…,driver-opt=…`); unknown ones are for others.
    pub fn with_options(mut self, options: &BTreeMap<String, String>) -> Result<Self, Error> {
        if let Some(name) = options.get(INTERFACE).filter(|name| !name.is_empty()) {
            let valid =
                interface_name(name).ok_or_else(|| Error::Invalid(format!("invalid interface name {name:?}")))?;
            self.interface = Some(valid);
        }
        let sysctls = options.get(Self::SYSCTLS).map_or("", String::as_str);
        for sysctl in sysctls.split(',').filter(|sysctl| !sysctl.is_empty()) {
            self.sysctls.push(sysctl.parse()?);
        }
        Ok(self)
    }

    /// The plain wish for `network`.
    pub fn to(network: impl Into<String>) -> Self {
        Self {
            network: network.into(),
            ..Self::default()
        }
    }
}

impl FromStr for InterfaceSysctl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<_> = text.splitn(5, '.').collect();
        let [_, family @ ("ipv4" | "ipv6" | "mpls"), group, "IFNAME" | "ifname", rest] = parts[..] else {
            return Err(Error::Invalid(format!(
                "unrecognised network interface sysctl '{text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' \
                 must be 'ipv4', 'ipv6' or 'mpls'"
            )));
        };
        let (name, value) = rest
            .split_once('=')
            .ok_or_else(|| Error::Invalid(format!("expected sysctl '{text}' to have format name=value")))?;
        // They become parts of a path.
        if [group, name]
            .iter()
            .any(|part| part.is_empty() || part.starts_with('.') || part.contains('/'))
        {
            return Err(Error::Invalid(format!("{text} is not a sysctl of an interface")));
        }
        Ok(Self {
            family: family.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// A MAC address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

impl FromStr for Mac {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid(format!("invalid MAC address: {text}"));
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(invalid)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        // A group address cannot be the address of an interface.
        if parts.next().is_some() || bytes[0] & 1 == 1 {
            Err(invalid())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

/// Transport protocols that can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// tcp
    Tcp,
    /// udp
    Udp,
    /// sctp
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// The protocol's number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

/// A container's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// 1–65535
    pub number: u16,
    /// Transport.
    pub protocol: Protocol,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol.name())
    }
}

impl FromStr for Port {
    type Err = Error;

    /// Docker's `80/tcp`; without a protocol it is tcp.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            other => {
                return Err(Error::Invalid(format!(
                    "invalid port {text:?}: unknown protocol {other:?}"
                )));
            }
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { number, protocol }),
            _ => Err(Error::Invalid(format!(
                "invalid port {text:?}: want 1-65535[/tcp|udp|sctp]"
            ))),
        }
    }
}

/// One wish of `-p`: a container port, and where on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The container's side.
    pub port: Port,
    /// Host address; `None`: the daemon's default, usually all.
    pub address: Option<IpAddr>,
    /// Any one port of this inclusive range; `None`: chosen from the ephemeral range.
    pub host: Option<(u16, u16)>,
}

impl Publication {
    /// Turns Docker's `PortBindings`, exposed ports and `-P` into wishes. With `publish_all`, an exposed port without a
    /// binding gets a chosen one. Exact host ports come first, lest one of them be chosen for another; then the order is
    /// by container port.
    pub fn from_bindings(bindings: &PortMap, exposed: &[Port], publish_all: bool) -> Result<Vec<Self>, Error> {
        let mut wishes = BTreeMap::<Port, Vec<Self>>::new();
        for (port, hosts) in bindings {
            let port: Port = port.parse()?;
            let entry = wishes.entry(port).or_default();
            for host in hosts.iter().flatten() {
                let address = match host.host_ip.as_str() {
                    "" => None,
                    text => Some(
                        text.trim_matches(['[', ']'])
                            .parse()
                            .map_err(|_| Error::Invalid(format!("invalid IP address in port binding: {text}")))?,
                    ),
                };
                entry.push(Self {
                    port,
                    address,
                    host: parse_host_port(&host.host_port)?,
                });
            }
            if entry.is_empty() {
                entry.push(Self {
                    port,
                    address: None,
                    host: None,
                });
            }
        }
        if publish_all {
            for port in exposed {
                wishes.entry(*port).or_insert_with(|| {
                    vec![Self {
                        port: *port,
                        address: None,
                        host: None,
                    }]
                });
            }
        }
        let mut wishes: Vec<_> = wishes.into_values().flatten().collect();
        wishes.sort_by_key(|wish| wish.host.is_none_or(|(start, end)| start != end));
        Ok(wishes)
    }
}

fn parse_host_port(text: &str) -> Result<Option<(u16, u16)>, Error> {
    let invalid = || Error::Invalid(format!("invalid port specification: {text:?}"));
    if text.is_empty() {
        return Ok(None);
    }
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (
        start.parse().map_err(|_| invalid())?,
        end.parse().map_err(|_| invalid())?,
    );
    match (start, end) {
        (0, 0) => Ok(None),
        (start, end) if start > 0 && start <= end => Ok(Some((start, end))),
        _ => Err(invalid()),
    }
}

/// A network that is to be created.
#[derive(Debug, Clone, Default)]
pub struct NetworkSpec {
    /// Its name; must not be a predefined one.
    pub name: String,
    /// `bridge` (also when empty), `macvlan` or `ipvlan`.
    pub driver: String,
    /// IPv4 addresses for containers; as a rule.
    pub ipv4: Option<bool>,
    /// IPv6 addresses for containers; not as a rule.
    pub ipv6: Option<bool>,
    /// Static subnets; those of a family without one come from the pools.
    pub subnets: Vec<SubnetSpec>,
    /// Whose settings it has.
    pub configuration: Configuration,
    /// No way out (`--internal`).
    pub internal: bool,
    /// Kept as it is (`--attachable`).
    pub attachable: bool,
    /// `com.docker.network.*` options; the driver parses them once.
    pub options: BTreeMap<String, String>,
    /// Options of the address management, kept as they are.
    pub ipam_options: Option<BTreeMap<String, String>>,
    /// Labels, kept as they are.
    pub labels: BTreeMap<String, String>,
}

impl NetworkSpec {
    /// Decides which families it has: as asked, else as the options say. As with dockerd, an option that is overruled is
    /// not shown.
    pub(crate) fn choose_families(&mut self) -> Result<(), Error> {
        let families = [
            (&mut self.ipv4, "com.docker.network.enable_ipv4"),
            (&mut self.ipv6, "com.docker.network.enable_ipv6"),
        ];
        for (family, option) in families {
            if family.is_some() {
                self.options.remove(option);
            } else if let Some(value) = self.options.get(option) {
                let invalid = || Error::Invalid(format!("driver-opt {option:?} is not a valid bool"));
                *family = Some(tierce_oci::parse_bool(value).map_err(|_| invalid())?);
            }
        }
        if let Configuration::Only { ipv4, ipv6 } = &mut self.configuration {
            (*ipv4, *ipv6) = (self.ipv4.unwrap_or(true), self.ipv6.unwrap_or(false));
        }
        Ok(())
    }
}

/// A subnet that a network shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetSpec {
    /// The subnet.
    pub subnet: IpNet,
    /// Gateway inside the subnet; `None`: the first address.
    pub gateway: Option<IpAddr>,
    /// Containers get addresses only from this part of the subnet (`--ip-range`).
    pub allocation: Option<IpNet>,
    /// Addresses that are never given out, by name (`--aux-address`).
    pub auxiliary: BTreeMap<String, IpAddr>,
}

impl SubnetSpec {
    /// A subnet of which nothing else is asked.
    pub fn of(subnet: IpNet) -> Self {
        Self {
            subnet,
            gateway: None,
            allocation: None,
            auxiliary: BTreeMap::new(),
        }
    }
}
