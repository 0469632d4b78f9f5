//! Gateway modes and other options of bridge networks, from the point of view of those who talk.

use super::world::*;
use crate::*;

const MODE: &str = "bridge.gateway_mode_ipv4";
const MODE6: &str = "bridge.gateway_mode_ipv6";

/// The other host finds the containers' own addresses through this one.
fn lead_there(world: &World, network: &Network) {
    for ipam in network.subnets() {
        let gateway = if ipam.subnet.addr().is_ipv4() { HERE } else { HERE6 };
        world.there(|| ip(&format!("route add {} via {gateway}", ipam.subnet)));
    }
}

#[test]
fn routed_networks_answer_at_their_own_addresses_and_only_published_ports() {
    on_own_machine(|world| {
        let networks = world.controller();
        let network = networks
            .create(dual("own", &[(MODE, "routed"), (MODE6, "routed")]))
            .unwrap();
        networks.create(dual("other", &[])).unwrap();
        let ports = publish("9921", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        let key = sandbox.key.clone().unwrap();
        // There is no host side; dockerd shows an empty port.
        let shown: Vec<_> = sandbox.port_map().remove("991/tcp").unwrap().unwrap();
        let shown: Vec<_> = shown
            .iter()
            .map(|one| (one.host_ip.as_str(), one.host_port.as_str()))
            .collect();
        assert_eq!(shown, [("0.0.0.0", ""), ("::", "")]);
        serve(&key, 991);
        serve(&key, 992);
        lead_there(world, &network);
        let (four, six) = addresses(&sandbox);
        world.there(|| {
            assert_eq!(ask((four, 991)).unwrap(), format!("ping {THERE}"));
            assert_eq!(ask((six, 991)).unwrap(), format!("ping {THERE6}"));
            for refused in [ask((four, 992)), ask((six, 992)), ask((HERE, 9921)), ask((HERE6, 9921))] {
                assert!(refused.is_err(), "{refused:?}");
            }
        });
        // A container of another network reaches what is published.
        let stranger = networks.join(wish_on("other", 2)).unwrap();
        inside(stranger.key.as_ref().unwrap(), || {
            ask((six, 991)).unwrap();
            assert!(ask((six, 992)).is_err());
        });
        // Outwards, it has its own address.
        serve(&world.other_host, 7000);
        assert_eq!(inside(&key, || ask((THERE6, 7000))).unwrap(), format!("ping {six}"));
        assert_eq!(inside(&key, || ask((THERE, 7000))).unwrap(), format!("ping {four}"));
        networks.leave(&sandbox.container).unwrap();
        assert!(!ruleset().contains(&six.to_string()));
    });
}

#[test]
fn unprotected_networks_answer_at_all_ports_and_are_translated_too() {
    on_own_machine(|world| {
        let networks = world.controller();
        let options = [(MODE, "nat-unprotected"), (MODE6, "nat-unprotected")];
        let network = networks.create(dual("own", &options)).unwrap();
        networks.create(dual("other", &[])).unwrap();
        let ports = publish("9922", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        let key = sandbox.key.clone().unwrap();
        serve(&key, 991);
        serve(&key, 992);
        lead_there(world, &network);
        let (four, six) = addresses(&sandbox);
        world.there(|| {
            for address in [ask((four, 992)), ask((six, 992)), ask((HERE, 9922)), ask((HERE6, 9922))] {
                address.unwrap();
            }
        });
        // Other networks stay apart, as with dockerd.
        let stranger = networks.join(wish_on("other", 2)).unwrap();
        assert!(inside(stranger.key.as_ref().unwrap(), || ask((six, 992))).is_err());
        serve(&world.other_host, 7000);
        assert_eq!(inside(&key, || ask((THERE6, 7000))).unwrap(), format!("ping {HERE6}"));
    });
}

#[test]
fn isolated_networks_have_no_gateway_and_their_bridge_no_address() {
    on_own_machine(|world| {
        let networks = world.controller();
        let options = [(MODE, "isolated"), (MODE6, "isolated")];
        let error = networks.create(dual("own", &options)).unwrap_err().to_string();
        assert_eq!(
            error,
            "gateway mode 'isolated' can only be used for an internal network"
        );
        let spec = NetworkSpec {
            internal: true,
            ..dual("own", &options)
        };
        let network = networks.create(spec).unwrap();
        let ports = publish("9923", "991/tcp");
        let first = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        let second = networks.join(wish_on("own", 2)).unwrap();
        assert_eq!(first.ports, [], "internal networks publish nothing");
        let (four, six) = addresses(&first);
        // The gateway's place is free.
        assert_eq!(u32::from(four) & 0xff, 1);
        assert_eq!(u128::from(six) & 0xff, 1);
        let NetworkKind::Bridge(options) = &network.kind else {
            unreachable!()
        };
        assert!(!ip(&format!("address show {}", options.bridge)).contains("scope global"));
        serve(first.key.as_ref().unwrap(), 80);
        inside(second.key.as_ref().unwrap(), || {
            ask((four, 80)).unwrap();
            ask((six, 80)).unwrap();
            assert!(!ip("route").contains("default") && !ip("-6 route").contains("default"));
        });
    });
}

#[test]
fn both_addresses_of_the_smallest_network_are_containers() {
    on_own_machine(|world| {
        let networks = world.controller();
        for (name, option) in [
            ("isolated", (MODE, "isolated")),
            ("inhibited", ("bridge.inhibit_ipv4", "true")),
        ] {
            let spec = NetworkSpec {
                internal: true,
                ipv6: None,
                subnets: vec![SubnetSpec::of("10.72.0.0/31".parse().unwrap())],
                ..dual(name, &[option])
            };
            networks.create(spec).unwrap();
            let [one, two] = [1, 2].map(|number| networks.join(wish_on(name, number)).unwrap());
            let address = |sandbox: &Sandbox| sandbox.primary().unwrap().1.address.unwrap().to_string();
            assert_eq!(
                (address(&one).as_str(), address(&two).as_str()),
                ("10.72.0.0", "10.72.0.1")
            );
            serve(one.key.as_ref().unwrap(), 80);
            inside(two.key.as_ref().unwrap(), || ask("10.72.0.0:80")).unwrap();
            for sandbox in [one, two] {
                networks.leave(&sandbox.container).unwrap();
            }
            networks.remove(name).unwrap();
        }
    });
}

#[test]
fn internal_networks_lead_nowhere_not_even_to_published_ports() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks
            .create(NetworkSpec {
                internal: true,
                ..dual("own", &[])
            })
            .unwrap();
        let ports = publish("9924", "991/tcp");
        let web = networks.join(Join { ports, ..wish(1) }).unwrap();
        serve(web.key.as_ref().unwrap(), 991);
        serve(&world.other_host, 7000);
        let inner = networks.join(wish_on("own", 2)).unwrap();
        inside(inner.key.as_ref().unwrap(), || {
            for refused in [ask((THERE, 7000)), ask((THERE6, 7000)), ask((HERE, 9924))] {
                assert!(refused.is_err(), "{refused:?}");
            }
        });
    });
}

#[test]
fn a_trusted_interface_reaches_published_ports_at_their_own_addresses() {
    on_own_machine(|world| {
        let networks = world.controller();
        let trusted = networks
            .create(dual("own", &[("bridge.trusted_host_interfaces", "lo:cable1")]))
            .unwrap();
        let plain = networks.create(dual("plain", &[])).unwrap();
        let join = |network, number, port: &str| {
            let ports = publish(port, "991/tcp");
            let sandbox = networks
                .join(Join {
                    ports,
                    ..wish_on(network, number)
                })
                .unwrap();
            serve(sandbox.key.as_ref().unwrap(), 991);
            serve(sandbox.key.as_ref().unwrap(), 992);
            addresses(&sandbox)
        };
        let (four, six) = join("own", 1, "9925");
        let (other, _) = join("plain", 2, "9926");
        lead_there(world, &trusted);
        lead_there(world, &plain);
        world.there(|| {
            ask((four, 991)).unwrap();
            ask((six, 991)).unwrap();
            assert!(ask((six, 992)).is_err() && ask((other, 991)).is_err());
        });
    });
}

#[test]
fn direct_routing_opens_published_ports_of_all_networks() {
    on_own_machine(|world| {
        let mut config = world.config();
        config.firewall.direct_routing = true;
        let networks = Controller::open(config).unwrap();
        networks.restore(&[]).unwrap();
        let network = networks.create(dual("own", &[])).unwrap();
        let ports = publish("9927", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        serve(sandbox.key.as_ref().unwrap(), 991);
        serve(sandbox.key.as_ref().unwrap(), 992);
        lead_there(world, &network);
        let (four, six) = addresses(&sandbox);
        world.there(|| {
            ask((four, 991)).unwrap();
            ask((six, 991)).unwrap();
            assert!(ask((six, 992)).is_err());
        });
    });
}

#[test]
fn what_leaves_has_the_chosen_address() {
    on_own_machine(|world| {
        ip("address add 10.9.0.77/24 dev cable1");
        ip("address add fd00:9::77/64 dev cable1 nodad");
        let networks = world.controller();
        networks
            .create(dual("own", &[("host_ipv4", "10.9.0.77"), ("host_ipv6", "fd00:9::77")]))
            .unwrap();
        let sandbox = networks.join(wish_on("own", 1)).unwrap();
        serve(&world.other_host, 7000);
        inside(sandbox.key.as_ref().unwrap(), || {
            assert_eq!(ask((THERE, 7000)).unwrap(), "ping 10.9.0.77");
            assert_eq!(ask((THERE6, 7000)).unwrap(), "ping fd00:9::77");
        });
    });
}

#[test]
fn without_masquerading_the_containers_own_address_leaves() {
    on_own_machine(|world| {
        let networks = world.controller();
        let network = networks
            .create(dual("own", &[("bridge.enable_ip_masquerade", "false")]))
            .unwrap();
        let sandbox = networks.join(wish_on("own", 1)).unwrap();
        lead_there(world, &network);
        serve(&world.other_host, 7000);
        let (four, six) = addresses(&sandbox);
        inside(sandbox.key.as_ref().unwrap(), || {
            assert_eq!(ask((THERE, 7000)).unwrap(), format!("ping {four}"));
            assert_eq!(ask((THERE6, 7000)).unwrap(), format!("ping {six}"));
        });
    });
}

#[test]
fn names_sizes_bindings_and_the_absent_bridge_address_are_as_asked() {
    on_own_machine(|world| {
        let networks = world.controller();
        let options = [
            ("container_iface_prefix", "lan"),
            ("driver.mtu", "1400"),
            ("bridge.host_binding_ipv4", "127.0.0.1"),
            ("bridge.inhibit_ipv4", "true"),
            ("bridge.name", "mine0"),
        ];
        networks.create(dual("own", &options)).unwrap();
        let ports = publish("9928", "991/tcp");
        let first = Attachment {
            priority: 1,
            ..Attachment::to("own")
        };
        let attachments = vec![first, Attachment::to("bridge")];
        let sandbox = networks
            .join(Join {
                attachments,
                ports,
                ..wish(1)
            })
            .unwrap();
        let names: Vec<_> = sandbox
            .endpoints
            .iter()
            .map(|one| one.link.as_ref().unwrap().interface.clone())
            .collect();
        assert_eq!(names, ["lan0", "eth0"]);
        let links = inside(sandbox.key.as_ref().unwrap(), || ip("link show lan0"));
        assert!(links.contains("mtu 1400"), "{links}");
        let bridge = ip("address show mine0");
        assert!(
            bridge.contains("mtu 1400") && !bridge.contains("inet 1") && bridge.contains("inet6 fd"),
            "{bridge}"
        );
        let shown: Vec<_> = sandbox.ports.iter().map(|port| port.address.to_string()).collect();
        assert_eq!(shown, ["127.0.0.1"]);
    });
}

#[test]
fn icc_off_separates_containers_over_ipv6_too() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[("bridge.enable_icc", "false")])).unwrap();
        let first = networks.join(wish_on("own", 1)).unwrap();
        let ports = publish("9929", "80/tcp");
        let second = networks
            .join(Join {
                ports,
                ..wish_on("own", 2)
            })
            .unwrap();
        serve(second.key.as_ref().unwrap(), 80);
        let (four, six) = addresses(&second);
        let gateway = second.primary().unwrap().1.gateway6.unwrap();
        inside(first.key.as_ref().unwrap(), || {
            assert!(ask((four, 80)).is_err() && ask((six, 80)).is_err());
            // What is published is for everybody.
            ask((gateway, 9929)).unwrap();
        });
    });
}
