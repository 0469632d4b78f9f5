//! What is wrong with a network: from facts to findings with the command that mends them. Pure; what is so is collected in
//! `collect.rs`.

pub(crate) mod collect;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;
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

/// What was found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong, in the order in which packets meet it.
    pub findings: Vec<Finding>,
    /// What could not be judged, each with the reason.
    pub not_judged: Vec<String>,
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
    /// What is so of IPv4, and of IPv6.
    pub(crate) families: [FamilyFacts; 2],
    /// Entries of the table of connections, and its size.
    pub(crate) connections: Option<(u64, u64)>,
    /// The networks that are looked at.
    pub(crate) networks: Vec<NetworkFacts>,
    /// The container that is asked about.
    pub(crate) container: Option<ContainerFacts>,
    /// What could not be looked at, each with the reason.
    pub(crate) not_judged: Vec<String>,
}

/// What is so of a family on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FamilyFacts {
    /// `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`
    pub(crate) forwarding: Option<bool>,
    /// Where the default route leads.
    pub(crate) uplink: Option<Uplink>,
}

/// The interface of a default route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uplink {
    pub(crate) name: String,
    pub(crate) mtu: u32,
    /// It has its addresses and routes from a router only as long as the host does not forward (`accept_ra` is 1).
    pub(crate) listens: bool,
}

/// What is so of a bridge network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkFacts {
    pub(crate) name: String,
    pub(crate) bridge: String,
    pub(crate) mtu: u32,
    pub(crate) internal: bool,
    /// The bridge is there, and up.
    pub(crate) is_up: Option<bool>,
    /// What is so of each family that it has.
    pub(crate) sides: Vec<SideFacts>,
}

/// What is so of a family of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SideFacts {
    pub(crate) subnet: IpNet,
    /// What the bridge shall have.
    pub(crate) own_address: Option<IpNet>,
    /// Addresses that it has.
    pub(crate) addresses: Vec<IpNet>,
    /// Packets of the containers leave by this host; otherwise by another router, or not at all.
    pub(crate) leaves_here: bool,
    /// What happens to a packet from the bridge to the outside, by rules of others.
    pub(crate) outwards: Passage,
    /// The address that packets leave with.
    pub(crate) source: Source,
    /// The interface by which the host sends to the subnet; empty: none.
    pub(crate) way_back: String,
    /// `rp_filter` of the bridge as it counts: 0 off, 1 strict, 2 loose. IPv6 has none.
    pub(crate) reverse_path: u32,
    /// Where the container's default route shall lead, if it is by this network.
    pub(crate) way_out: Option<IpAddr>,
}

/// The address that packets of a network leave with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// One of the host's.
    Host,
    /// One of the host's, if the rule for that were in force.
    Missing,
    /// The packet filter is the administrator's, and has no rule that could make it one of the host's.
    Unmanaged,
    /// The container's own, as the network was asked to; by this option.
    Own(&'static str),
}

/// What is so inside of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerFacts {
    /// Where its namespace is pinned.
    pub(crate) key: String,
    /// Where its default routes lead.
    pub(crate) gateways: Vec<IpAddr>,
    /// Answers of its servers: server, and what was wrong (`None`: nothing). Where nothing leads outwards none is asked.
    pub(crate) servers: Vec<(String, Option<String>)>,
}

impl SideFacts {
    fn is_ipv6(&self) -> bool {
        self.subnet.addr().is_ipv6()
    }

    /// The family as `nft` names it.
    fn nft(&self) -> &'static str {
        if self.is_ipv6() { "ip6" } else { "ip" }
    }
}

/// What is wrong, in the order in which packets meet it.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(forwarding(facts, false));
    findings.extend(forwarding(facts, true));
    findings.extend(connections(facts));
    for network in &facts.networks {
        findings.extend(bridge(network));
        findings.extend(mtu(network, &facts.families));
        for side in &network.sides {
            findings.extend(gateway(network, side, facts.container.as_ref()));
            findings.extend(forward_policy(network, side));
            findings.extend(masquerade(network, side));
            findings.extend(reverse_path(network, side));
        }
    }
    findings.extend(facts.container.as_ref().and_then(dns));
    findings.sort_by_key(|finding| finding.subject);
    findings
}

fn forwarding(facts: &Facts, is_ipv6: bool) -> Option<Finding> {
    let family = &facts.families[usize::from(is_ipv6)];
    let mut sides = facts.networks.iter().flat_map(|network| &network.sides);
    let concerns = sides.any(|side| side.leaves_here && side.is_ipv6() == is_ipv6);
    if !concerns || family.forwarding != Some(false) {
        return None;
    }
    let (name, switch) = if is_ipv6 {
        ("IPv6", "net.ipv6.conf.all.forwarding")
    } else {
        ("IPv4", "net.ipv4.ip_forward")
    };
    // A host that forwards listens to no router any more, unless it is told to.
    let listening = family.uplink.as_ref().filter(|uplink| uplink.listens);
    let keep = listening.map(|uplink| format!("sysctl -w net.ipv6.conf.{}.accept_ra=2", uplink.name));
    Some(Finding {
        subject: Subject::Forwarding,
        what: format!("this host does not forward packets of {name}: containers reach this host and each other only"),
        evidence: vec![format!("{switch} = 0")],
        mend: keep.into_iter().chain([format!("sysctl -w {switch}=1")]).collect(),
    })
}

fn connections(facts: &Facts) -> Option<Finding> {
    let (used, size) = facts.connections?;
    let is_full = used.saturating_mul(100) >= size.saturating_mul(95);
    is_full.then(|| Finding {
        subject: Subject::Connections,
        what: "the kernel's table of connections is full: new connections are dropped".to_owned(),
        evidence: vec![format!("nf_conntrack_count = {used}, nf_conntrack_max = {size}")],
        mend: vec![format!("sysctl -w net.netfilter.nf_conntrack_max={}", size.max(1) * 4)],
    })
}

fn of_gateway(what: String, evidence: String, mend: String) -> Finding {
    Finding {
        subject: Subject::Gateway,
        what,
        evidence: vec![evidence],
        mend: vec![mend],
    }
}

fn bridge(network: &NetworkFacts) -> Option<Finding> {
    let NetworkFacts { name, bridge, .. } = network;
    match network.is_up {
        None => Some(of_gateway(
            format!("the bridge of network {name} is gone: its containers are cut off"),
            format!("there is no interface {bridge}"),
            "restart the daemon, and then the network's containers".to_owned(),
        )),
        Some(false) => Some(of_gateway(
            format!("the bridge of network {name} is down"),
            format!("interface {bridge} is not up"),
            format!("ip link set {bridge} up"),
        )),
        Some(true) => None,
    }
}

fn gateway(network: &NetworkFacts, side: &SideFacts, container: Option<&ContainerFacts>) -> Option<Finding> {
    let NetworkFacts { name, bridge, .. } = network;
    if network.is_up != Some(true) {
        return None;
    }
    if let Some(own) = side.own_address
        && !side.addresses.iter().any(|address| address.addr() == own.addr())
    {
        return Some(of_gateway(
            format!("nobody has the address of the gateway of network {name}"),
            format!("{bridge} has {}, not {own}", list(&side.addresses)),
            format!("ip address add {own} dev {bridge}"),
        ));
    }
    let (container, wanted) = container.zip(side.way_out)?;
    let mut gateways = container.gateways.iter();
    let wrong = match gateways.find(|gateway| gateway.is_ipv6() == side.is_ipv6()) {
        Some(address) if *address == wanted => return None,
        Some(address) => format!("its default route leads to {address}, the gateway is {wanted}"),
        None => "it has no default route".to_owned(),
    };
    let (family, flag) = if side.is_ipv6() { (" of IPv6", " -6") } else { ("", "") };
    Some(of_gateway(
        format!("the container does not know the way out{family}"),
        wrong,
        format!(
            "nsenter --net={} ip{flag} route replace default via {wanted}",
            container.key
        ),
    ))
}

fn forward_policy(network: &NetworkFacts, side: &SideFacts) -> Option<Finding> {
    if !side.leaves_here {
        return None;
    }
    let NetworkFacts { name, bridge, .. } = network;
    let (what, chains) = match &side.outwards {
        Passage::Open => return None,
        Passage::Blocked(chain) => ("drops", vec![chain.clone()]),
        Passage::Depends(chains) => ("may drop", chains.clone()),
    };
    let accept = |chain: &String| {
        ["iifname", "oifname"].map(|direction| format!("nft insert rule {chain} {direction} {bridge} accept"))
    };
    let family = if side.is_ipv6() { " by IPv6" } else { "" };
    Some(Finding {
        subject: Subject::ForwardPolicy,
        what: format!("a rule of another program {what} what network {name} sends to the outside{family}"),
        evidence: chains
            .iter()
            .map(|chain| format!("packet filter chain {chain} ends without accepting packets from {bridge}"))
            .collect(),
        mend: chains.iter().flat_map(accept).collect(),
    })
}

fn masquerade(network: &NetworkFacts, side: &SideFacts) -> Option<Finding> {
    if !side.leaves_here {
        return None;
    }
    let NetworkFacts { name, bridge, .. } = network;
    let (subnet, nft) = (side.subnet, side.nft());
    let by_hand = format!("nft add rule {nft} nat POSTROUTING {nft} saddr {subnet} oifname != {bridge} masquerade");
    let (what, evidence, mend) = match side.source {
        Source::Host => return None,
        Source::Own(option) => (
            format!("network {name} does not masquerade, as it was asked to: others must know a route to {subnet}"),
            option.to_owned(),
            format!("ip route add {subnet} via <this host>   (on the other host)"),
        ),
        Source::Unmanaged => (
            format!(
                "nobody masquerades network {name}: the packet filter is the administrator's (--{nft}tables=false)"
            ),
            "no rule of ours is in force, and no other translates what leaves".to_owned(),
            by_hand,
        ),
        Source::Missing => (
            format!("the rule that masquerades network {name} is not in force: no answer finds back to its containers"),
            format!("no masquerade of {bridge} in table {nft} of the packet filter that is ours"),
            "restart the daemon (its rules are put back then, and within a second while it runs)".to_owned(),
        ),
    };
    Some(Finding {
        subject: Subject::Masquerade,
        what,
        evidence: vec![evidence],
        mend: vec![mend],
    })
}

fn reverse_path(network: &NetworkFacts, side: &SideFacts) -> Option<Finding> {
    let NetworkFacts { name, bridge, .. } = network;
    let SideFacts { subnet, way_back, .. } = side;
    if network.is_up != Some(true) || way_back == bridge || side.addresses.is_empty() {
        return None;
    }
    let elsewhere = if way_back.is_empty() {
        format!("this host has no route to {subnet}")
    } else {
        format!("this host sends what is for {subnet} to {way_back}, not to {bridge}")
    };
    let flag = if side.is_ipv6() { " -6" } else { "" };
    let strict = side.reverse_path == 1;
    let mut evidence = vec![elsewhere];
    let mut mend = vec![format!(
        "ip{flag} route replace {subnet} dev {bridge} metric 0   (or withdraw the other route)"
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

fn mtu(network: &NetworkFacts, families: &[FamilyFacts; 2]) -> Option<Finding> {
    let leaving = network.sides.iter().filter(|side| side.leaves_here);
    let uplinks = leaving.filter_map(|side| families[usize::from(side.is_ipv6())].uplink.as_ref());
    let narrowest = uplinks.min_by_key(|uplink| uplink.mtu)?;
    let Uplink { name, mtu, .. } = narrowest;
    if *mtu >= network.mtu {
        return None;
    }
    Some(Finding {
        subject: Subject::Mtu,
        what: format!(
            "packets of network {} may be larger than what {name} takes: large transfers stall",
            network.name
        ),
        evidence: vec![format!("MTU of {} is {}, of {name} {mtu}", network.bridge, network.mtu)],
        mend: vec![if network.name == "bridge" {
            format!("start the daemon with --mtu {mtu}, and the containers anew")
        } else {
            format!("network create --opt com.docker.network.driver.mtu={mtu} … (in place of the old one)")
        }],
    })
}

fn dns(container: &ContainerFacts) -> Option<Finding> {
    let servers = &container.servers;
    let failed: Vec<_> = servers
        .iter()
        .filter_map(|(server, wrong)| Some(format!("{server}: {}", wrong.as_ref()?)))
        .collect();
    if servers.is_empty() || failed.len() < servers.len() {
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

fn list(addresses: &[IpNet]) -> String {
    if addresses.is_empty() {
        return "no address".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
