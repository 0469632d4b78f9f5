use super::*;

fn sound() -> Facts {
    Facts {
        forwarding: Some(true),
        connections: Some((10, 1000)),
        uplink: Some(("eth0".into(), 1500)),
        networks: vec![NetworkFacts {
            name: "bridge".into(),
            bridge: "docker0".into(),
            subnet: "172.17.0.0/24".parse().unwrap(),
            gateway: "172.17.0.1".parse().unwrap(),
            mtu: 1500,
            internal: false,
            is_up: Some(true),
            addresses: vec!["172.17.0.1/24".parse().unwrap()],
            outwards: Passage::Open,
            wants_masquerade: true,
            masquerades: true,
            unmanaged: false,
            way_back: "docker0".into(),
            reverse_path: 1,
            container: Some(ContainerFacts {
                key: "/run/netns/x".into(),
                is_way_out: true,
                gateway: Some("172.17.0.1".parse().unwrap()),
                servers: vec![("192.0.2.53".into(), None)],
            }),
        }],
    }
}

/// The one finding after something was changed for the worse: its subject, and what mends it.
fn found(change: impl FnOnce(&mut Facts, &mut NetworkFacts)) -> (Subject, String) {
    let mut facts = sound();
    let mut network = facts.networks.remove(0);
    change(&mut facts, &mut network);
    facts.networks.push(network);
    let findings = judge(&facts);
    let [only] = &findings[..] else { panic!("{findings:?}") };
    assert!(!only.evidence.is_empty());
    (only.subject, only.mend.join("; "))
}

#[test]
fn row_145_each_fault_has_its_name_and_the_command_that_mends_it() {
    assert_eq!(judge(&sound()), []);
    assert_eq!(
        found(|facts, _| facts.forwarding = Some(false)),
        (Subject::Forwarding, "sysctl -w net.ipv4.ip_forward=1".into())
    );
    assert_eq!(
        found(|_, network| network.outwards = Passage::Blocked("ip filter FORWARD".into())),
        (
            Subject::ForwardPolicy,
            "nft insert rule ip filter FORWARD iifname docker0 accept; \
             nft insert rule ip filter FORWARD oifname docker0 accept"
                .into()
        )
    );
    assert_eq!(found(|_, network| network.masquerades = false).0, Subject::Masquerade);
    assert_eq!(
        found(|_, network| network.addresses = vec!["172.17.0.9/24".parse().unwrap()]),
        (Subject::Gateway, "ip address add 172.17.0.1/24 dev docker0".into())
    );
    assert_eq!(
        found(|_, network| network.container.as_mut().unwrap().gateway = None),
        (
            Subject::Gateway,
            "nsenter --net=/run/netns/x ip route replace default via 172.17.0.1".into()
        )
    );
    assert_eq!(found(|_, network| network.is_up = None).0, Subject::Gateway);
    assert_eq!(
        found(|_, network| network.is_up = Some(false)).1,
        "ip link set docker0 up"
    );
    let (subject, mend) = found(|_, network| network.way_back = "tun0".into());
    assert_eq!(subject, Subject::ReversePath);
    assert!(mend.contains("sysctl -w net.ipv4.conf.docker0.rp_filter=2"), "{mend}");
    let (subject, mend) = found(|facts, _| facts.uplink = Some(("wg0".into(), 1420)));
    assert_eq!(subject, Subject::Mtu);
    assert!(mend.contains("--mtu 1420"), "{mend}");
    assert_eq!(
        found(|facts, _| facts.connections = Some((980, 1000))).0,
        Subject::Connections
    );
    let dead = |network: &mut NetworkFacts| {
        network.container.as_mut().unwrap().servers[0].1 = Some("no answer".into());
    };
    assert_eq!(found(|_, network| dead(network)).0, Subject::Dns);
}

#[test]
fn what_was_asked_for_is_named_as_such() {
    let mut facts = sound();
    facts.networks[0].wants_masquerade = false;
    facts.networks[0].masquerades = false;
    let findings = judge(&facts);
    assert!(findings[0].what.contains("as it was asked to"), "{findings:?}");
    facts.networks[0].internal = true;
    assert_eq!(judge(&facts), []);
    // One server that answers is enough.
    let mut facts = sound();
    let servers = &mut facts.networks[0].container.as_mut().unwrap().servers;
    servers.push(("192.0.2.54".into(), Some("no answer".into())));
    assert_eq!(judge(&facts), []);
}
