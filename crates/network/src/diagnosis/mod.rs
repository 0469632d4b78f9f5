//! What is wrong with a network: from facts to findings with the command that mends them. Pure; what is so is collected in
//! `collect.rs`.

pub(crate) mod collect;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tierce_firewall::Passage;

/// What is looked at, in the order in which a packet of a container meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The bridge, and its address, which is the containers' gateway.
    Gateway,
    /// Whether the host forwards at all.
    Forwarding,
    /// What other programs' rules do with forwarded packets.
    ForwardPolicy,
    /// Whether what leaves gets the host's address.
    Masquerade,
    /// Whether the host believes where packets of the container come from.
    ReversePath,
    /// Whether packets fit where they leave.
    Mtu,
    /// The kernel's table of connections.
    Connections,
    /// Whether names are answered.
    Dns,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Gateway,
        Self::Forwarding,
        Self::ForwardPolicy,
        Self::Masquerade,
        Self::ReversePath,
        Self::Mtu,
        Self::Connections,
        Self::Dns,
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Forwarding => "forwarding",
            Self::ForwardPolicy => "FORWARD policy",
            Self::Masquerade => "masquerade",
            Self::ReversePath => "rp_filter",
            Self::Mtu => "MTU",
            Self::Connections => "conntrack",
            Self::Dns => "DNS",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// With what.
    pub subject: Subject,
    /// What is the matter.
    pub what: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// The commands that mend it.
    pub mend: Vec<String>,
}

/// What is so on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// `net.ipv4.ip_forward`
    pub(crate) forwarding: Option<bool>,
    /// Entries of the table of connections, and its size.
    pub(crate) connections: Option<(u64, u64)>,
    /// The interface of the default route, with its MTU.
    pub(crate) uplink: Option<(String, u32)>,
    /// The networks that are looked at.
    pub(crate) networks: Vec<NetworkFacts>,
}

/// What is so of a bridge network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkFacts {
    pub(crate) name: String,
    pub(crate) bridge: String,
    pub(crate) subnet: Ipv4Net,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) mtu: u32,
    pub(crate) internal: bool,
    /// The bridge is there, and up.
    pub(crate) is_up: Option<bool>,
    /// Its addresses.
    pub(crate) addresses: Vec<Ipv4Net>,
    /// What happens to a packet from the bridge to the outside, by rules of others.
    pub(crate) outwards: Passage,
    /// The network wants masquerading.
    pub(crate) wants_masquerade: bool,
    /// A rule that masquerades it is in force.
    pub(crate) masquerades: bool,
    /// The packet filter is left to the administrator.
    pub(crate) unmanaged: bool,
    /// The interface by which the host sends to the subnet; empty: none.
    pub(crate) way_back: String,
    /// `rp_filter` of the bridge as it counts: 0 off, 1 strict, 2 loose.
    pub(crate) reverse_path: u32,
    /// The container that is asked about.
    pub(crate) container: Option<ContainerFacts>,
}

/// What is so inside of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerFacts {
    /// Where its namespace is pinned.
    pub(crate) key: String,
    /// This network is the one of its default route.
    pub(crate) is_way_out: bool,
    /// Where its default route leads.
    pub(crate) gateway: Option<Ipv4Addr>,
    /// Answers of its servers: server, and what was wrong (`None`: nothing).
    pub(crate) servers: Vec<(String, Option<String>)>,
}

/// What is wrong, in the order in which packets meet it.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.forwarding == Some(false) && !facts.networks.is_empty() {
        findings.push(Finding {
            subject: Subject::Forwarding,
            what: "this host does not forward packets: containers reach this host and each other only".to_owned(),
            evidence: vec!["net.ipv4.ip_forward = 0".to_owned()],
            mend: vec!["sysctl -w net.ipv4.ip_forward=1".to_owned()],
        });
    }
    if let Some((used, size)) = facts.connections
        && used.saturating_mul(100) >= size.saturating_mul(95)
    {
        findings.push(Finding {
            subject: Subject::Connections,
            what: "the kernel's table of connections is full: new connections are dropped".to_owned(),
            evidence: vec![format!("nf_conntrack_count = {used}, nf_conntrack_max = {size}")],
            mend: vec![format!("sysctl -w net.netfilter.nf_conntrack_max={}", size.max(1) * 4)],
        });
    }
    for network in &facts.networks {
        findings.extend(gateway(network));
        findings.extend(forward_policy(network));
        findings.extend(masquerade(network));
        findings.extend(reverse_path(network));
        findings.extend(mtu(network, facts.uplink.as_ref()));
        findings.extend(dns(network));
    }
    findings.sort_by_key(|finding| finding.subject);
    findings
}

fn gateway(network: &NetworkFacts) -> Option<Finding> {
    let NetworkFacts {
        name,
        bridge,
        gateway,
        subnet,
        ..
    } = network;
    let found = |what: String, evidence: String, mend: String| Finding {
        subject: Subject::Gateway,
        what,
        evidence: vec![evidence],
        mend: vec![mend],
    };
    match network.is_up {
        None => {
            return Some(found(
                format!("the bridge of network {name} is gone: its containers are cut off"),
                format!("there is no interface {bridge}"),
                "restart the daemon, and then the network's containers".to_owned(),
            ));
        }
        Some(false) => {
            return Some(found(
                format!("the bridge of network {name} is down"),
                format!("interface {bridge} is not up"),
                format!("ip link set {bridge} up"),
            ));
        }
        Some(true) => {}
    }
    if !network.addresses.iter().any(|address| address.addr() == *gateway) {
        let address = format!("{gateway}/{}", subnet.prefix_len());
        return Some(found(
            format!("nobody has the address of the gateway of network {name}"),
            format!("{bridge} has {}, not {address}", list(&network.addresses)),
            format!("ip address add {address} dev {bridge}"),
        ));
    }
    let container = network.container.as_ref().filter(|inside| inside.is_way_out)?;
    let wrong = match container.gateway {
        Some(address) if address == *gateway => return None,
        Some(address) => format!("its default route leads to {address}, the gateway is {gateway}"),
        None => "it has no default route".to_owned(),
    };
    Some(found(
        "the container does not know the way out".to_owned(),
        wrong,
        format!("nsenter --net={} ip route replace default via {gateway}", container.key),
    ))
}

fn forward_policy(network: &NetworkFacts) -> Option<Finding> {
    let bridge = &network.bridge;
    let (what, chains) = match &network.outwards {
        Passage::Open => return None,
        Passage::Blocked(chain) => ("drops", vec![chain.clone()]),
        Passage::Depends(chains) => ("may drop", chains.clone()),
    };
    let accept = |chain: &String| {
        ["iifname", "oifname"].map(|direction| format!("nft insert rule {chain} {direction} {bridge} accept"))
    };
    Some(Finding {
        subject: Subject::ForwardPolicy,
        what: format!(
            "a rule of another program {what} what network {} sends to the outside",
            network.name
        ),
        evidence: chains
            .iter()
            .map(|chain| format!("packet filter chain {chain} ends without accepting packets from {bridge}"))
            .collect(),
        mend: chains.iter().flat_map(accept).collect(),
    })
}

fn masquerade(network: &NetworkFacts) -> Option<Finding> {
    if network.internal || network.masquerades {
        return None;
    }
    let NetworkFacts {
        name, bridge, subnet, ..
    } = network;
    let by_hand = format!("nft add rule ip nat POSTROUTING ip saddr {subnet} oifname != {bridge} masquerade");
    let (what, evidence, mend) = if !network.wants_masquerade {
        (
            format!("network {name} does not masquerade, as it was asked to: others must know a route to {subnet}"),
            "com.docker.network.bridge.enable_ip_masquerade = false".to_owned(),
            format!("ip route add {subnet} via <this host>   (on the other host)"),
        )
    } else if network.unmanaged {
        (
            format!("nobody masquerades network {name}: the packet filter is the administrator's (--iptables=false)"),
            "no rule of ours is in force".to_owned(),
            by_hand,
        )
    } else {
        (
            format!("the rule that masquerades network {name} is not in force: no answer finds back to its containers"),
            format!("no masquerade of {bridge} in our table of the packet filter"),
            "restart the daemon (its rules are put back then, and within a second while it runs)".to_owned(),
        )
    };
    Some(Finding {
        subject: Subject::Masquerade,
        what,
        evidence: vec![evidence],
        mend: vec![mend],
    })
}

fn reverse_path(network: &NetworkFacts) -> Option<Finding> {
    let NetworkFacts {
        name,
        bridge,
        subnet,
        way_back,
        ..
    } = network;
    if network.is_up != Some(true) || way_back == bridge || network.addresses.is_empty() {
        return None;
    }
    let elsewhere = if way_back.is_empty() {
        format!("this host has no route to {subnet}")
    } else {
        format!("this host sends what is for {subnet} to {way_back}, not to {bridge}")
    };
    let strict = network.reverse_path == 1;
    let mut evidence = vec![elsewhere];
    let mut mend = vec![format!(
        "ip route replace {subnet} dev {bridge} metric 0   (or withdraw the other route)"
    )];
    if strict {
        evidence.push(format!("net.ipv4.conf.{bridge}.rp_filter = 1 (strict)"));
        mend.push(format!("sysctl -w net.ipv4.conf.{bridge}.rp_filter=2"));
    }
    let consequence = if strict {
        "packets of its containers are dropped (rp_filter)"
    } else {
        "answers to its containers go elsewhere"
    };
    Some(Finding {
        subject: Subject::ReversePath,
        what: format!("a route of this host leads past network {name}: {consequence}"),
        evidence,
        mend,
    })
}

fn mtu(network: &NetworkFacts, uplink: Option<&(String, u32)>) -> Option<Finding> {
    let (interface, narrow) = uplink.filter(|(_, mtu)| *mtu < network.mtu && !network.internal)?;
    Some(Finding {
        subject: Subject::Mtu,
        what: format!(
            "packets of network {} may be larger than what {interface} takes: large transfers stall",
            network.name
        ),
        evidence: vec![format!(
            "MTU of {} is {}, of {interface} {narrow}",
            network.bridge, network.mtu
        )],
        mend: vec![if network.name == "bridge" {
            format!("start the daemon with --mtu {narrow}, and the containers anew")
        } else {
            format!("network create --opt com.docker.network.driver.mtu={narrow} … (in place of the old one)")
        }],
    })
}

fn dns(network: &NetworkFacts) -> Option<Finding> {
    let servers = &network.container.as_ref()?.servers;
    let failed: Vec<_> = servers
        .iter()
        .filter_map(|(server, wrong)| Some(format!("{server}: {}", wrong.as_ref()?)))
        .collect();
    // Where nothing leads outwards nobody of the outside is asked.
    if network.internal || servers.is_empty() || failed.len() < servers.len() {
        return None;
    }
    Some(Finding {
        subject: Subject::Dns,
        what: "no DNS server answers the container".to_owned(),
        evidence: failed,
        mend: vec![
            "run the container with --dns ADDRESS, or name a server in /etc/resolv.conf of this host".to_owned(),
        ],
    })
}

fn list(addresses: &[Ipv4Net]) -> String {
    if addresses.is_empty() {
        return "no address".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
