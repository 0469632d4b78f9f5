//! What the daemon's configuration says about networks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use ipnet::{Ipv4Net, Ipv6Net};
use tierce_ipam::Pool;

/// Settings of this crate; [`Config::new`] gives Docker's defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of the networks' records (`<data root>/network`); survives a reboot.
    pub records: PathBuf,
    /// Directory of the sandboxes' records (`<exec root>/network`); lives as long as the kernel objects, so on a tmpfs.
    pub state: PathBuf,
    /// Directory in which network namespaces are pinned (`<exec root>/netns`).
    pub netns: PathBuf,
    /// The default bridge.
    pub bridge: DefaultBridge,
    /// Where subnets of networks without one come from.
    pub pools: Vec<Pool>,
    /// What the packet filter does.
    pub firewall: Firewall,
    /// Name of our nf_tables table; several daemons on one host need different ones.
    pub table: String,
    /// What is done with the host itself.
    pub host: HostPolicy,
    /// Address that `-p` without an address publishes on (`--ip`); `None`: all addresses of both families.
    pub publish_address: Option<IpAddr>,
    /// Relay connections that the kernel cannot bring to a container: IPv6 to an IPv4 container (`--userland-proxy`).
    pub relay: bool,
    /// The host's resolver file.
    pub host_resolv_conf: PathBuf,
    /// Options of new networks that do not give them, by driver (`--default-network-opt`).
    pub default_options: BTreeMap<String, BTreeMap<String, String>>,
    /// The DNS server.
    pub names: DnsServer,
    /// Program names: prefix of the host's veth names, at most 6 characters. Daemons on one host need different ones,
    /// because leftovers are recognised by it.
    pub veth_prefix: String,
}

/// What is done with the host's own settings and rules.
#[derive(Debug, Clone, Copy)]
pub struct HostPolicy {
    /// Set `net.ipv4.ip_forward` when it is off (`--ip-forward`).
    pub forward: bool,
    /// What comes from outside to a published port passes the host's own rules for what comes in, and the relay
    /// (`--firewall-obey-host`).
    pub obey_firewall: bool,
}

impl Default for HostPolicy {
    fn default() -> Self {
        Self {
            forward: true,
            obey_firewall: false,
        }
    }
}

/// What the packet filter does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Firewall {
    /// Which one programs IPv4 (`--iptables`).
    pub ipv4: tierce_firewall::Choice,
    /// Which one programs IPv6 (`--ip6tables`).
    pub ipv6: tierce_firewall::Choice,
    /// Published ports answer at the containers' own addresses too, on every network (`--allow-direct-routing`).
    pub direct_routing: bool,
}

impl Firewall {
    /// The one that programs any family.
    pub(crate) fn any(self) -> tierce_firewall::Choice {
        match self.ipv4 {
            tierce_firewall::Choice::None => self.ipv6,
            chosen @ tierce_firewall::Choice::Nft => chosen,
        }
    }
}

/// The DNS server of user-defined networks, which outlives the daemon.
#[derive(Debug, Clone)]
pub struct DnsServer {
    /// Its control socket (`<exec root>/names.sock`).
    pub socket: PathBuf,
    /// Its program; as a rule beside the daemon's.
    pub program: PathBuf,
}

/// The network that containers join when none is named.
#[derive(Debug, Clone)]
pub struct DefaultBridge {
    /// Interface name (`--bridge`); [`Self::OFF`]: there is no default bridge.
    pub name: String,
    /// Address and prefix (`--bip`); `None`: from the pools.
    pub address: Option<Ipv4Net>,
    /// Addresses for containers are taken only from here (`--fixed-cidr`).
    pub allocation: Option<Ipv4Net>,
    /// Gateway other than the bridge itself (`--default-gateway`).
    pub gateway: Option<Ipv4Addr>,
    /// Its IPv6 side; `None`: it has none (`--ipv6`).
    pub ipv6: Option<DefaultBridge6>,
    /// `--mtu`
    pub mtu: u32,
    /// Containers may talk to each other (`--icc`).
    pub icc: bool,
    /// Masquerade outgoing traffic (`--ip-masq`).
    pub masquerade: bool,
}

impl DefaultBridge {
    /// The interface, unless another is named.
    pub const NAME: &str = "docker0";
    /// The word that switches it off. Source: moby `daemon/daemon_unix.go` (`DisableNetworkBridge`).
    pub const OFF: &str = "none";

    pub(crate) fn is_off(&self) -> bool {
        self.name == Self::OFF
    }
}

impl Default for DefaultBridge {
    fn default() -> Self {
        Self {
            name: Self::NAME.to_owned(),
            address: None,
            allocation: None,
            gateway: None,
            ipv6: None,
            mtu: 1500,
            icc: true,
            masquerade: true,
        }
    }
}

/// IPv6 of the default bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefaultBridge6 {
    /// Address and prefix (`--bip6`); `None`: from the pools.
    pub address: Option<Ipv6Net>,
    /// Addresses for containers are taken only from here (`--fixed-cidr-v6`).
    pub allocation: Option<Ipv6Net>,
    /// Gateway other than the bridge itself (`--default-gateway-v6`).
    pub gateway: Option<Ipv6Addr>,
}

impl Config {
    /// Defaults for a daemon with these two roots.
    pub fn new(data_root: impl Into<PathBuf>, exec_root: impl Into<PathBuf>) -> Self {
        let exec_root = exec_root.into();
        Self {
            records: data_root.into().join("network"),
            state: exec_root.join("network"),
            netns: exec_root.join("netns"),
            names: DnsServer {
                socket: exec_root.join("names.sock"),
                program: std::env::current_exe()
                    .unwrap_or_default()
                    .with_file_name(tierce_dns::PROGRAM),
            },
            bridge: DefaultBridge::default(),
            pools: Pool::defaults(),
            firewall: Firewall::default(),
            table: "tierce".to_owned(),
            host: HostPolicy::default(),
            publish_address: None,
            relay: true,
            host_resolv_conf: PathBuf::from("/etc/resolv.conf"),
            default_options: BTreeMap::new(),
            veth_prefix: "veth".to_owned(),
        }
    }
}
