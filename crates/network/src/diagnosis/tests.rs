use super::*;

fn side(subnet: &str, gateway: &str) -> SideFacts {
    SideFacts {
        subnet: subnet.parse().unwrap(),
        own_address: gateway.parse().ok(),
        addresses: gateway.parse().into_iter().collect(),
        leaves_here: true,
        outwards: Passage::Open,
        source: Source::Host,
        way_back: "docker0".into(),
        reverse_path: u32::from(subnet.contains('.')),
        way_out: gateway.parse::<IpNet>().ok().map(|gateway| gateway.addr()),
    }
}

fn sound() -> Facts {
    let family = |listens| FamilyFacts {
        forwarding: Some(true),
        uplink: Some(Uplink {
            name: "eth0".into(),
            mtu: 1500,
            listens,
        }),
    };
    Facts {
        families: [family(false), family(true)],
        connections: Some((10, 1000)),
        networks: vec![NetworkFacts {
            name: "bridge".into(),
            bridge: "docker0".into(),
            mtu: 1500,
            internal: false,
            is_up: Some(true),
            sides: vec![
                side("172.17.0.0/24", "172.17.0.1/24"),
                side("fd00:17::/64", "fd00:17::1/64"),
            ],
        }],
        container: Some(ContainerFacts {
            key: "/run/netns/x".into(),
            gateways: vec!["172.17.0.1".parse().unwrap(), "fd00:17::1".parse().unwrap()],
            servers: vec![("192.0.2.53".into(), None)],
        }),
        not_judged: Vec::new(),
    }
}

/// The one finding after something was changed for the worse: its subject, and what mends it.
fn found(change: impl FnOnce(&mut Facts)) -> (Subject, String) {
    let mut facts = sound();
    change(&mut facts);
    let findings = judge(&facts);
    let [only] = &findings[..] else { panic!("{findings:?}") };
    assert!(!only.evidence.is_empty());
    (only.subject, only.mend.join("; "))
}

fn found_of_network(change: impl FnOnce(&mut NetworkFacts)) -> (Subject, String) {
    found(|facts| change(&mut facts.networks[0]))
}

fn found_of_ipv4(change: impl FnOnce(&mut SideFacts)) -> (Subject, String) {
    found_of_network(|network| change(&mut network.sides[0]))
}

fn found_of_ipv6(change: impl FnOnce(&mut SideFacts)) -> (Subject, String) {
    found_of_network(|network| change(&mut network.sides[1]))
}

#[test]
fn row_145_each_fault_has_its_name_and_the_command_that_mends_it() {
    assert_eq!(judge(&sound()), []);
    assert_eq!(
        found(|facts| facts.families[0].forwarding = Some(false)),
        (Subject::Forwarding, "sysctl -w net.ipv4.ip_forward=1".into())
    );
    assert_eq!(
        found_of_ipv4(|side| side.outwards = Passage::Blocked("ip filter FORWARD".into())),
        (
            Subject::ForwardPolicy,
            "nft insert rule ip filter FORWARD iifname docker0 accept; \
             nft insert rule ip filter FORWARD oifname docker0 accept"
                .into()
        )
    );
    assert_eq!(
        found_of_ipv4(|side| side.source = Source::Missing).0,
        Subject::Masquerade
    );
    assert_eq!(
        found_of_ipv4(|side| side.addresses = vec!["172.17.0.9/24".parse().unwrap()]),
        (Subject::Gateway, "ip address add 172.17.0.1/24 dev docker0".into())
    );
    assert_eq!(
        found(|facts| facts.container.as_mut().unwrap().gateways.retain(IpAddr::is_ipv6)),
        (
            Subject::Gateway,
            "nsenter --net=/run/netns/x ip route replace default via 172.17.0.1".into()
        )
    );
    assert_eq!(found_of_network(|network| network.is_up = None).0, Subject::Gateway);
    assert_eq!(
        found_of_network(|network| network.is_up = Some(false)).1,
        "ip link set docker0 up"
    );
    let (subject, mend) = found_of_ipv4(|side| side.way_back = "tun0".into());
    assert_eq!(subject, Subject::ReversePath);
    assert!(mend.contains("sysctl -w net.ipv4.conf.docker0.rp_filter=2"), "{mend}");
    let narrow = |facts: &mut Facts| {
        let uplink = facts.families[0].uplink.as_mut().unwrap();
        (uplink.name, uplink.mtu) = ("wg0".into(), 1420);
    };
    let (subject, mend) = found(narrow);
    assert_eq!(subject, Subject::Mtu);
    assert!(mend.contains("--mtu 1420"), "{mend}");
    assert_eq!(
        found(|facts| facts.connections = Some((980, 1000))).0,
        Subject::Connections
    );
    let dead = |facts: &mut Facts| facts.container.as_mut().unwrap().servers[0].1 = Some("no answer".into());
    assert_eq!(found(dead).0, Subject::Dns);
}

#[test]
fn row_145_faults_of_ipv6_have_commands_of_ipv6() {
    assert_eq!(
        found(|facts| facts.families[1].forwarding = Some(false)),
        (
            Subject::Forwarding,
            // Or the host loses the address and the route that it has from its router.
            "sysctl -w net.ipv6.conf.eth0.accept_ra=2; sysctl -w net.ipv6.conf.all.forwarding=1".into()
        )
    );
    assert_eq!(
        found_of_ipv6(|side| side.outwards = Passage::Blocked("ip6 filter FORWARD".into())).1,
        "nft insert rule ip6 filter FORWARD iifname docker0 accept; \
         nft insert rule ip6 filter FORWARD oifname docker0 accept"
    );
    let (subject, mend) = found_of_ipv6(|side| side.source = Source::Unmanaged);
    assert_eq!(subject, Subject::Masquerade);
    assert_eq!(
        mend,
        "nft add rule ip6 nat POSTROUTING ip6 saddr fd00:17::/64 oifname != docker0 masquerade"
    );
    assert_eq!(
        found_of_ipv6(|side| side.addresses.clear()),
        (Subject::Gateway, "ip address add fd00:17::1/64 dev docker0".into())
    );
    assert_eq!(
        found(|facts| facts.container.as_mut().unwrap().gateways.truncate(1)).1,
        "nsenter --net=/run/netns/x ip -6 route replace default via fd00:17::1"
    );
    let (subject, mend) = found_of_ipv6(|side| side.way_back = "tun0".into());
    assert_eq!(subject, Subject::ReversePath);
    assert!(
        mend.starts_with("ip -6 route replace fd00:17::/64 dev docker0"),
        "{mend}"
    );
    assert_eq!(
        found(|facts| facts.families[1].uplink.as_mut().unwrap().mtu = 1280).0,
        Subject::Mtu
    );
}

#[test]
fn what_was_asked_for_is_named_as_such() {
    let mut facts = sound();
    facts.networks[0].sides[0].source = Source::Own("x = false");
    let findings = judge(&facts);
    assert!(findings[0].what.contains("as it was asked to"), "{findings:?}");
    assert_eq!(findings[0].evidence, ["x = false"]);
    // One server that answers is enough.
    let mut facts = sound();
    let servers = &mut facts.container.as_mut().unwrap().servers;
    servers.push(("192.0.2.54".into(), Some("no answer".into())));
    assert_eq!(judge(&facts), []);
}

/// Internal networks, and those whose router is another one.
#[test]
fn where_nothing_leaves_by_this_host_the_way_out_is_not_looked_at() {
    let mut facts = sound();
    for (family, side) in facts.families.iter_mut().zip(&mut facts.networks[0].sides) {
        family.forwarding = Some(false);
        family.uplink.as_mut().unwrap().mtu = 1280;
        side.leaves_here = false;
        side.source = Source::Missing;
        side.outwards = Passage::Blocked("ip filter FORWARD".into());
    }
    assert_eq!(judge(&facts), []);
    // A bridge that shall have no address needs none, and the host sends nothing to the subnet by it.
    let four = &mut facts.networks[0].sides[0];
    (four.own_address, four.addresses, four.way_back) = (None, Vec::new(), String::new());
    assert_eq!(judge(&facts), []);
}
