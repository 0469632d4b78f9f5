//! Who is said to reach a published port does reach it, and nobody else; what is said to be wrong with a network is.

use std::process::Command;

use super::world::*;
use crate::diagnosis::{Diagnosis, Subject};
use crate::*;

fn nft(script: &str) {
    assert!(Command::new("nft").arg(script).status().unwrap().success(), "{script}");
}

/// What is said of the port that is published on an address.
fn told(networks: &Controller, address: &str) -> PortReach {
    let all = reach(networks).unwrap();
    let found = all.iter().find(|port| port.published.address.to_string() == address);
    found.unwrap_or_else(|| panic!("{address}: {all:?}")).clone()
}

/// What is said of those who come by an address of this host.
fn by(port: &PortReach, address: &str) -> Passage {
    let mut entrances = port.outside.iter();
    let entrance = entrances.find(|entrance| entrance.address.to_string() == address);
    entrance
        .unwrap_or_else(|| panic!("{address}: {port:?}"))
        .passage
        .clone()
}

fn blocked(by: &str) -> Passage {
    Passage::Blocked(by.to_owned())
}

#[test]
fn row_157_who_reaches_a_port_of_ipv6_is_judged_by_the_rules_of_ipv6() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let mut ports = publish("9921", "991/tcp");
        ports.extend(publish("::1|9922", "991/tcp"));
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        serve(sandbox.key.as_ref().unwrap(), 991);
        let from_outside = || world.there(|| ask((HERE6, 9921)));

        let port = told(&networks, "::");
        assert_eq!(
            (port.carrier, port.target),
            (Carrier::Kernel, addresses(&sandbox).1.into())
        );
        assert_eq!((port.this_host, &port.containers), (true, &Passage::Open));
        assert_eq!(by(&port, HERE6), Passage::Open);
        from_outside().unwrap();
        let near = told(&networks, "::1");
        assert_eq!((near.carrier, near.outside), (Carrier::Relay, Vec::new()));
        assert!(matches!(near.containers, Passage::Blocked(_)));

        // What keeps others from this host's own programs does not keep them from the container.
        nft(
            "table ip6 in { chain in { type filter hook input priority 0; policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; iif lo accept; }; }",
        );
        let port = told(&networks, "::");
        assert_eq!(by(&port, HERE6), Passage::Open);
        let mut entrances = port.outside.iter();
        let entrance = entrances
            .find(|entrance| entrance.address.to_string() == HERE6)
            .unwrap();
        assert_eq!(entrance.bypasses.as_deref(), Some("ip6 in in"));
        from_outside().unwrap();

        // What drops forwarded packets does, and what is about IPv4 says nothing of IPv6.
        nft("table ip6 f { chain f { type filter hook forward priority 0; policy drop; }; }");
        assert_eq!(by(&told(&networks, "::"), HERE6), blocked("ip6 f f"));
        assert_eq!(by(&told(&networks, "0.0.0.0"), HERE), Passage::Open);
        assert!(from_outside().is_err());
        world.there(|| ask((HERE, 9921))).unwrap();
    });
}

#[test]
fn row_157_who_reaches_a_container_without_ipv6_by_ipv6_passes_the_hosts_own_rules() {
    on_own_machine(|world| {
        let networks = world.controller();
        let ports = publish("9923", "991/tcp");
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        serve(sandbox.key.as_ref().unwrap(), 991);
        let port = told(&networks, "::");
        assert_eq!(
            (port.carrier, port.target),
            (Carrier::Relay, "172.17.0.2".parse().unwrap())
        );
        assert_eq!(by(&port, HERE6), Passage::Open);
        // No container has IPv6.
        assert!(matches!(port.containers, Passage::Blocked(_)), "{:?}", port.containers);
        world.there(|| ask((HERE6, 9923))).unwrap();
        nft(
            "table inet in { chain in { type filter hook input priority 0; ip6 daddr fd00:9::1 tcp dport 9923 drop; }; }",
        );
        assert_eq!(by(&told(&networks, "::"), HERE6), blocked("inet in in"));
        assert!(world.there(|| ask((HERE6, 9923))).is_err());
        networks.create(dual("own", &[])).unwrap();
        assert_eq!(told(&networks, "::").containers, Passage::Open);
    });
}

#[test]
fn row_157_ports_of_routed_networks_are_judged_at_the_containers_own_address() {
    on_own_machine(|world| {
        let networks = world.controller();
        let mode = [
            ("bridge.gateway_mode_ipv4", "routed"),
            ("bridge.gateway_mode_ipv6", "routed"),
        ];
        networks.create(dual("own", &mode)).unwrap();
        let ports = publish("9924", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        serve(sandbox.key.as_ref().unwrap(), 991);
        let (four, six) = addresses(&sandbox);
        world.there(|| {
            ip(&format!("route add {four} via {HERE}"));
            ip(&format!("-6 route add {six} via {HERE6}"));
        });
        for (address, own) in [("0.0.0.0", four.to_string()), ("::", six.to_string())] {
            let port = told(&networks, address);
            assert_eq!((port.carrier, port.published.host_port), (Carrier::Route, 0));
            assert_eq!(by(&port, &own), Passage::Open);
        }
        world.there(|| ask((six, 991))).unwrap();
        nft("add rule ip6 tierce admin tcp dport 991 drop");
        assert_eq!(
            by(&told(&networks, "::"), &six.to_string()),
            blocked("ip6 tierce forward")
        );
        assert_eq!(by(&told(&networks, "0.0.0.0"), &four.to_string()), Passage::Open);
        assert!(world.there(|| ask((six, 991))).is_err());
        world.there(|| ask((four, 991))).unwrap();
    });
}

fn subjects(diagnosis: &Diagnosis) -> Vec<Subject> {
    diagnosis.findings.iter().map(|finding| finding.subject).collect()
}

#[test]
fn row_145_what_breaks_ipv6_is_found_and_mended() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let sandbox = networks.join(wish_on("own", 1)).unwrap();
        let key = sandbox.key.clone().unwrap();
        let diagnosed = || diagnose(&networks, Some(&sandbox.container), &[]).unwrap();
        assert_eq!(subjects(&diagnosed()), [], "{:?}", diagnosed());
        // This machine has a neighbour and no way further.
        assert!(
            diagnosed()
                .not_judged
                .iter()
                .any(|text| text.starts_with("IPv6 beyond"))
        );
        serve(&world.other_host, 7001);
        let reaches = || inside(&key, || ask((THERE6, 7001))).is_ok();
        assert!(reaches());
        let bridge = networks.network("own").unwrap();
        let NetworkKind::Bridge(options) = &bridge.kind else {
            unreachable!()
        };
        for (breaks, subject) in [
            (
                "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding".to_owned(),
                Subject::Forwarding,
            ),
            (
                "nft 'table ip6 f { chain f { type filter hook forward priority 0; policy drop; }; }'".to_owned(),
                Subject::ForwardPolicy,
            ),
            (
                format!("nsenter --net={} ip -6 route del default", key.display()),
                Subject::Gateway,
            ),
            (
                format!(
                    "ip address del {} dev {}",
                    bridge.ipam6.as_ref().unwrap().gateway_address().unwrap(),
                    options.bridge
                ),
                Subject::Gateway,
            ),
        ] {
            shell(&breaks);
            assert!(!reaches(), "{breaks}");
            let diagnosis = diagnosed();
            assert_eq!(
                diagnosis.findings.first().map(|finding| finding.subject),
                Some(subject),
                "{breaks}"
            );
            diagnosis.findings[0].mend.iter().for_each(|command| shell(command));
            assert_eq!(subjects(&diagnosed()), [], "{breaks}: {:?}", diagnosed());
            assert!(reaches(), "{breaks}: {diagnosis:?}");
        }
    });
}

fn shell(command: &str) {
    assert!(
        Command::new("sh").args(["-c", command]).status().unwrap().success(),
        "{command}"
    );
}

#[test]
fn row_145_a_router_that_is_not_this_host_is_not_judged() {
    on_own_machine(|world| {
        let mut config = world.config();
        config.bridge.address = Some("172.30.0.1/24".parse().unwrap());
        config.bridge.gateway = Some("172.30.0.2".parse().unwrap());
        let networks = Controller::open(config).unwrap();
        networks.restore(&[]).unwrap();
        networks
            .create(dual("other", &[("bridge.inhibit_ipv4", "true")]))
            .unwrap();
        networks
            .create(NetworkSpec {
                internal: true,
                ..dual("inner", &[])
            })
            .unwrap();
        // What is forwarded is dropped: that is nothing to those whose packets nobody forwards.
        nft("table ip f { chain f { type filter hook forward priority 0; policy drop; }; }");
        let sandbox = networks.join(wish(1)).unwrap();
        let second = networks.join(wish_on("other", 2)).unwrap();
        let third = networks.join(wish_on("inner", 3)).unwrap();
        for (container, not_judged) in [(&sandbox, "IPv4 of network bridge"), (&second, "IPv4 of network other")] {
            let diagnosis = diagnose(&networks, Some(&container.container), &[]).unwrap();
            assert_eq!(subjects(&diagnosis), [], "{diagnosis:?}");
            assert!(diagnosis.not_judged[0].starts_with(not_judged), "{diagnosis:?}");
        }
        let inner = diagnose(&networks, Some(&third.container), &[]).unwrap();
        assert_eq!(inner, Diagnosis::default());
    });
}
