//! IPv6: alone and beside IPv4.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::world::*;
use crate::*;
use tierce_links::Rtnetlink;

fn six_only(name: &str) -> NetworkSpec {
    NetworkSpec {
        ipv4: Some(false),
        ..dual(name, &[])
    }
}

#[test]
fn row_143_a_sandbox_has_both_families_at_once() {
    on_own_machine(|world| {
        let networks = world.controller();
        let network = networks.create(dual("own", &[])).unwrap();
        let subnet = network.ipam6.as_ref().unwrap().subnet;
        assert!(
            subnet.to_string().starts_with("fd") && subnet.prefix_len() == 64,
            "{subnet}"
        );
        let sandbox = networks.join(wish_on("own", 1)).unwrap();
        let (_, link) = sandbox.primary().unwrap();
        let gateway = link.gateway6.unwrap();
        assert_eq!(u128::from(link.address6.unwrap()), u128::from(gateway) + 1);
        let inside = |arguments| inside(sandbox.key.as_ref().unwrap(), || ip(arguments));
        let addresses = inside("-6 address show eth0");
        assert!(addresses.contains(&format!("inet6 {}/64 scope global nodad", link.address6.unwrap())));
        assert!(addresses.contains("inet6 fe80::"), "{addresses}");
        assert!(
            !addresses.contains("tentative"),
            "nobody is asked, and nothing waits: {addresses}"
        );
        assert!(inside("-6 route").contains(&format!("default via {gateway} dev eth0")));
        let NetworkKind::Bridge(options) = &network.kind else {
            unreachable!()
        };
        let host = Rtnetlink::open().unwrap();
        let bridge = host.link(&options.bridge).unwrap().unwrap();
        let own: Vec<_> = host
            .addresses(bridge.index)
            .unwrap()
            .iter()
            .map(ipnet::IpNet::addr)
            .collect();
        assert_eq!(own, link.gateways().collect::<Vec<_>>());
        let listens = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{}/accept_ra", options.bridge));
        assert_eq!(listens.unwrap().trim(), "0");
        networks.leave(&sandbox.container).unwrap();
        networks.remove("own").unwrap();
        networks.shutdown().unwrap();
        assert_eq!(ruleset(), "", "row 142: nothing is left");
    });
}

#[test]
fn a_container_that_switches_ipv6_off_takes_no_address_of_it() {
    on_own_machine(|world| {
        let networks = world.controller();
        let six = NetworkSpec {
            ipv4: Some(false),
            ..dual("six", &[])
        };
        networks.create(dual("own", &[])).unwrap();
        networks.create(six).unwrap();
        let attachments = ["own", "six"].map(|network| Attachment {
            without_ipv6: true,
            ..Attachment::to(network)
        });
        let attachments = attachments.to_vec();
        let sandbox = networks.join(Join { attachments, ..wish(1) }).unwrap();
        let links: Vec<_> = sandbox
            .endpoints
            .iter()
            .filter_map(|endpoint| endpoint.link.as_ref())
            .collect();
        assert!(links[0].address.is_some() && links[1].address.is_none());
        for link in links {
            assert_eq!((link.address6, link.gateway6), (None, None));
            assert_ne!(link.mac, Mac::default());
        }
        let addresses = inside(sandbox.key.as_ref().unwrap(), || ip("-6 address show eth0"));
        assert!(!addresses.contains("inet6"), "{addresses}");
        assert!(
            networks
                .join(wish_on("six", 2))
                .unwrap()
                .primary()
                .unwrap()
                .1
                .address6
                .is_some()
        );
    });
}

#[test]
fn an_interface_without_ipv6_has_none_beside_one_that_has() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let attachments = vec![Attachment::to("own"), Attachment::to("bridge")];
        let sandbox = networks.join(Join { attachments, ..wish(1) }).unwrap();
        let addresses = inside(sandbox.key.as_ref().unwrap(), || ip("-6 address"));
        assert!(addresses.contains("eth0") && !addresses.contains("eth1"), "{addresses}");
    });
}

#[test]
fn row_150_ipv6_leaves_with_the_hosts_address() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let sandbox = networks.join(wish_on("own", 1)).unwrap();
        serve(&world.other_host, 7000);
        let answer = inside(sandbox.key.as_ref().unwrap(), || ask((THERE6, 7000)));
        assert_eq!(answer.unwrap(), format!("ping {HERE6}"));
        let answer = inside(sandbox.key.as_ref().unwrap(), || ask((THERE, 7000)));
        assert_eq!(answer.unwrap(), format!("ping {HERE}"));
    });
}

#[test]
fn row_157_a_port_of_both_families_answers_everywhere_with_its_callers_address() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        networks.create(dual("other", &[])).unwrap();
        let ports = publish("9911", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        let (neighbour, stranger) = (
            networks.join(wish_on("own", 2)).unwrap(),
            networks.join(wish_on("other", 3)).unwrap(),
        );
        let key = sandbox.key.clone().unwrap();
        let (_, six) = addresses(&sandbox);
        serve(&key, 991);
        assert!(
            ruleset().contains(&format!("tcp . 9911 : {six} . 991")),
            "{}",
            ruleset()
        );
        // From another host, with its address.
        assert_eq!(world.there(|| ask((HERE6, 9911))).unwrap(), format!("ping {THERE6}"));
        assert_eq!(world.there(|| ask((HERE, 9911))).unwrap(), format!("ping {THERE}"));
        // From this host; ::1 is the relay's.
        let gateway = sandbox.primary().unwrap().1.gateway6.unwrap();
        ask((HERE6, 9911)).unwrap();
        assert_eq!(ask("[::1]:9911").unwrap(), format!("ping {gateway}"));
        ask("127.0.0.1:9911").unwrap();
        // From a neighbour, from the container itself (hairpin), from a container of another network.
        for from in [&neighbour, &sandbox, &stranger] {
            inside(from.key.as_ref().unwrap(), || ask((HERE6, 9911))).unwrap();
            inside(from.key.as_ref().unwrap(), || ask((gateway, 9911))).unwrap();
        }
        let shown: Vec<_> = sandbox
            .ports
            .iter()
            .map(|port| (port.address.to_string(), port.host_port))
            .collect();
        assert_eq!(shown, [("0.0.0.0".to_owned(), 9911), ("::".to_owned(), 9911)]);
        networks.leave(&sandbox.container).unwrap();
        assert!(!ruleset().contains("9911"));
        assert!(world.there(|| ask((HERE6, 9911))).is_err());
        assert!(TcpListener::bind("[::]:9911").is_ok());
    });
}

#[test]
fn row_157_udp_over_ipv6_and_single_addresses() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let mut ports = publish("5354", "53/udp");
        ports.extend(publish(&format!("{HERE6}|5355"), "53/udp"));
        ports.extend(publish("::1|9912", "991/tcp"));
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        let key = sandbox.key.clone().unwrap();
        serve_udp(&key, 53);
        serve(&key, 991);
        for port in [5354, 5355] {
            let answer = world.there(|| ask_udp("[::]:0", &format!("[{HERE6}]:{port}")));
            assert_eq!(answer.unwrap(), format!("pong {THERE6}"));
        }
        ask_udp("[::]:0", "[::1]:5354").unwrap();
        ask("[::1]:9912").unwrap();
        assert!(world.there(|| ask((HERE6, 9912))).is_err());
        let taken = Join {
            ports: publish("::|9912", "80/tcp"),
            ..wish(2)
        };
        let error = networks.join(taken).unwrap_err().to_string();
        assert!(
            error.contains("Bind for :::9912 failed: port is already allocated"),
            "{error}"
        );
    });
}

#[test]
fn ipv6_alone_publishes_on_ipv6_alone() {
    on_own_machine(|world| {
        let networks = world.controller();
        let network = networks.create(six_only("six")).unwrap();
        assert_eq!(network.ipam, None);
        let ports = publish("9913", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("six", 1)
            })
            .unwrap();
        let (_, link) = sandbox.primary().unwrap();
        assert_eq!((link.address, link.gateway), (None, None));
        let shown: Vec<_> = sandbox.ports.iter().map(|port| port.address.to_string()).collect();
        assert_eq!(shown, ["::"]);
        serve(sandbox.key.as_ref().unwrap(), 991);
        assert_eq!(world.there(|| ask((HERE6, 9913))).unwrap(), format!("ping {THERE6}"));
        assert!(ask("127.0.0.1:9913").is_err());
        // As dockerd: a port on an IPv4 address leads nowhere, and is no error.
        let ports = publish("0.0.0.0|9914", "991/tcp");
        let other = networks
            .join(Join {
                ports,
                ..wish_on("six", 2)
            })
            .unwrap();
        assert_eq!(other.ports, []);
        let neither = NetworkSpec {
            ipv6: None,
            ..six_only("neither")
        };
        assert_eq!(
            networks.create(neither).unwrap_err().to_string(),
            "IPv4 or IPv6 must be enabled"
        );
    });
}

#[test]
fn each_family_is_published_by_the_network_that_leads_it_outside() {
    on_own_machine(|world| {
        let networks = world.controller();
        let four = NetworkSpec {
            name: "four".into(),
            ..NetworkSpec::default()
        };
        networks.create(four).unwrap();
        networks.create(six_only("six")).unwrap();
        let sandbox = networks
            .join(Join {
                attachments: vec![Attachment::to("four"), Attachment::to("six")],
                ports: publish("9915", "991/tcp"),
                ..wish(1)
            })
            .unwrap();
        let shown: Vec<_> = sandbox.ports.iter().map(|port| port.address.to_string()).collect();
        assert_eq!(shown, ["0.0.0.0", "::"]);
        serve(sandbox.key.as_ref().unwrap(), 991);
        assert_eq!(world.there(|| ask((HERE6, 9915))).unwrap(), format!("ping {THERE6}"));
        assert_eq!(world.there(|| ask((HERE, 9915))).unwrap(), format!("ping {THERE}"));
        // Without the one, the relay brings its callers to the other.
        let mut off = Connect {
            container: sandbox.container.clone(),
            attachment: Attachment::to("six"),
            ports: publish("9915", "991/tcp"),
            ..Connect::default()
        };
        networks.disconnect(&off).unwrap();
        world.there(|| ask((HERE6, 9915))).unwrap();
        networks.connect(&off).unwrap();
        assert_eq!(world.there(|| ask((HERE6, 9915))).unwrap(), format!("ping {THERE6}"));
        off.attachment = Attachment::to("four");
        networks.disconnect(&off).unwrap();
        assert!(world.there(|| ask((HERE, 9915))).is_err());
        world.there(|| ask((HERE6, 9915))).unwrap();
    });
}

#[test]
fn row_148_ipv6_networks_are_isolated_from_each_other_and_from_outside() {
    on_own_machine(|world| {
        let networks = world.controller();
        for name in ["red", "blue"] {
            networks.create(dual(name, &[])).unwrap();
        }
        let red = networks.join(wish_on("red", 1)).unwrap();
        let blue = networks.join(wish_on("blue", 2)).unwrap();
        let second = networks.join(wish_on("red", 3)).unwrap();
        for sandbox in [&blue, &second] {
            serve(sandbox.key.as_ref().unwrap(), 80);
        }
        let from_red = |to: &Sandbox| inside(red.key.as_ref().unwrap(), || ask((addresses(to).1, 80)));
        from_red(&second).unwrap();
        assert!(from_red(&blue).is_err());
        world.there(|| {
            ip(&format!("-6 route add fd00::/8 via {HERE6}"));
            assert!(ask((addresses(&blue).1, 80)).is_err());
        });
    });
}

#[test]
fn row_158_ipv6_addresses_are_unique_chosen_ones_honoured_and_freed() {
    on_own_machine(|world| {
        let networks = world.controller();
        let spec = NetworkSpec {
            subnets: vec![SubnetSpec::of("2001:db8:77::/64".parse().unwrap())],
            ..dual("own", &[])
        };
        networks.create(spec).unwrap();
        let at = |number, address: &str| {
            let attachment = Attachment {
                address6: Some(address.parse().unwrap()),
                ..Attachment::to("own")
            };
            networks.join(Join {
                attachments: vec![attachment],
                ..wish(number)
            })
        };
        let first = at(1, "2001:db8:77::42").unwrap();
        assert_eq!(addresses(&first).1.to_string(), "2001:db8:77::42");
        let taken = at(2, "2001:db8:77::42").unwrap_err().to_string();
        assert_eq!(taken, "Address already in use: 2001:db8:77::42 is held by c1");
        assert!(at(2, "2001:db8:78::42").is_err());
        let not_configured = Attachment {
            address: "172.18.0.9".parse().ok(),
            ..Attachment::to("own")
        };
        let join = Join {
            attachments: vec![not_configured],
            ..wish(2)
        };
        assert!(networks.join(join).is_err(), "the IPv4 subnet is not the user's");
        networks.leave(&first.container).unwrap();
        at(2, "2001:db8:77::42").unwrap();
        // What failed has left no address taken.
        assert_eq!(
            addresses(&networks.join(wish_on("own", 4)).unwrap()).1.to_string(),
            "2001:db8:77::2"
        );
    });
}

#[test]
fn ports_stay_open_while_the_daemon_is_down_and_are_taken_up_again() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let ports = publish("9915", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        serve(sandbox.key.as_ref().unwrap(), 991);
        networks.shutdown().unwrap();
        drop(networks);
        let both = || {
            assert_eq!(world.there(|| ask((HERE6, 9915))).unwrap(), format!("ping {THERE6}"));
            assert_eq!(world.there(|| ask((HERE, 9915))).unwrap(), format!("ping {THERE}"));
        };
        both();
        let networks = world.restored(&[sandbox.container.as_str()]);
        assert_eq!(networks.sandbox(&sandbox.container).unwrap(), sandbox);
        both();
        ask("[::1]:9915").unwrap();
        let next = networks.join(wish_on("own", 2)).unwrap();
        assert_ne!(addresses(&next), addresses(&sandbox));
        networks.leave(&sandbox.container).unwrap();
        assert!(!ruleset().contains("9915"));
    });
}

#[test]
fn the_default_bridge_may_have_ipv6() {
    on_own_machine(|world| {
        let mut config = world.config();
        config.bridge.ipv6 = Some(DefaultBridge6 {
            address: "fd00:17::1/64".parse().ok(),
            allocation: "fd00:17::100/120".parse().ok(),
            gateway: None,
        });
        let networks = Controller::open(config).unwrap();
        networks.restore(&[]).unwrap();
        let sandbox = networks.join(wish(1)).unwrap();
        assert_eq!(addresses(&sandbox).1.to_string(), "fd00:17::100");
        serve(&world.other_host, 7000);
        let answer = inside(sandbox.key.as_ref().unwrap(), || ask((THERE6, 7000)));
        assert_eq!(answer.unwrap(), format!("ping {HERE6}"));
    });
}

#[test]
fn the_default_bridge_follows_the_part_that_addresses_are_taken_from() {
    on_own_machine(|world| {
        let own = |four: Option<&str>, six: &str| {
            let mut config = world.config();
            config.bridge.allocation = four.map(|part| part.parse().unwrap());
            config.bridge.ipv6 = Some(DefaultBridge6 {
                allocation: six.parse().ok(),
                ..DefaultBridge6::default()
            });
            let networks = Controller::open(config).unwrap();
            networks.restore(&[]).unwrap();
            let bridge = networks.network("bridge").unwrap();
            let mut own = bridge.subnets().map(|ipam| ipam.gateway_address().unwrap().to_string());
            (own.next().unwrap(), own.next().unwrap())
        };
        let (first, six) = own(None, "fd00:a::/64");
        assert_eq!((first.as_str(), six.as_str()), ("172.17.0.1/24", "fd00:a::1/64"));
        // A part of what the bridge has changes nothing; another one, everything.
        assert_eq!(own(Some("172.17.0.128/25"), "fd00:a::/80"), (first, six));
        let moved = own(Some("10.60.0.0/25"), "fe80:1237::/32");
        assert_eq!(moved, ("10.60.0.1/25".to_owned(), "fe80:1237::1/32".to_owned()));
        assert_eq!(own(Some("10.60.0.0/24"), "fe80::/64").0, "10.60.0.1/24");
    });
}

#[test]
fn without_ip6tables_no_rule_of_ipv6_is_made() {
    on_own_machine(|world| {
        let mut config = world.config();
        config.firewall.ipv6 = FirewallChoice::None;
        let networks = Controller::open(config).unwrap();
        networks.restore(&[]).unwrap();
        networks.create(dual("own", &[])).unwrap();
        let ports = publish("9916", "991/tcp");
        let sandbox = networks
            .join(Join {
                ports,
                ..wish_on("own", 1)
            })
            .unwrap();
        assert!(ruleset().contains("table ip tierce") && !ruleset().contains("table ip6"));
        serve(sandbox.key.as_ref().unwrap(), 991);
        // The relay alone serves IPv6.
        world.there(|| ask((HERE6, 9916))).unwrap();
        networks.leave(&sandbox.container).unwrap();
        networks.remove("own").unwrap();
    });
}

#[test]
fn a_host_that_listened_to_routers_goes_on_when_it_forwards() {
    on_own_machine(|world| {
        let switch = |name: &str| format!("/proc/sys/net/ipv6/conf/{name}");
        let read = |name: &str| std::fs::read_to_string(switch(name)).unwrap().trim().to_owned();
        std::fs::write(switch("cable1/accept_ra"), "1").unwrap();
        let networks = world.controller();
        assert_eq!(read("all/forwarding"), "0", "no network has IPv6 yet");
        networks.create(dual("own", &[])).unwrap();
        assert_eq!(
            (read("all/forwarding"), read("cable1/accept_ra")),
            ("1".to_owned(), "2".to_owned())
        );
        // The host was no router, and is none for others now.
        assert!(ruleset().matches("not a router").count() >= 1);
    });
}

#[test]
fn what_cannot_be_is_told_in_dockers_words() {
    on_own_machine(|world| {
        let networks = world.controller();
        let create = |subnet: SubnetSpec| {
            let spec = NetworkSpec {
                subnets: vec![subnet],
                ..dual("own", &[])
            };
            networks.create(spec).unwrap_err().to_string()
        };
        let subnet = |text: &str| SubnetSpec::of(text.parse().unwrap());
        let head = "invalid network config:\n";
        assert_eq!(
            create(subnet("2001:db8:81::5/64")),
            format!("{head}invalid subnet 2001:db8:81::5/64: it should be 2001:db8:81::/64")
        );
        let gateway = SubnetSpec {
            gateway: "2001:db8:92::1".parse().ok(),
            ..subnet("2001:db8:91::/64")
        };
        assert_eq!(
            create(gateway),
            format!(
                "{head}invalid gateway 2001:db8:92::1: parent subnet 2001:db8:91::/64 doesn't contain this address"
            )
        );
        let range = SubnetSpec {
            allocation: "2001:db8:93::/80".parse().ok(),
            ..subnet("10.92.0.0/24")
        };
        assert_eq!(
            create(range),
            format!("{head}invalid ip-range 2001:db8:93::/80: parent subnet is an IPv4 block")
        );
        let edge = SubnetSpec {
            gateway: "10.93.0.0".parse().ok(),
            ..subnet("10.93.0.0/24")
        };
        assert_eq!(
            create(edge),
            "failed to allocate gateway (10.93.0.0): Address already in use"
        );
        assert_eq!(
            create(subnet("ff02::/64")),
            "multicast subnet 'ff02::1/64' is not allowed"
        );
        let small = NetworkSpec {
            ipv6: Some(true),
            ..dual("own", &[("driver.mtu", "1000")])
        };
        assert!(
            networks
                .create(small)
                .unwrap_err()
                .to_string()
                .contains("too small for IPv6")
        );
        let two = NetworkSpec {
            subnets: vec![subnet("2001:db8:79::/64"), subnet("2001:db8:80::/64")],
            ..dual("own", &[])
        };
        assert_eq!(
            networks.create(two).unwrap_err().to_string(),
            "bridge driver doesn't support multiple subnets"
        );
        // Nothing of all that is left.
        assert_eq!(networks.networks().len(), 3);
        assert!(!ip("link").contains("br-"), "{}", ip("link"));
    });
}

#[test]
fn the_record_of_an_older_build_is_read() {
    let text = r#"{"interface":"eth0","peer":"veth1","mac":"02:42:ac:11:00:02","address":"172.17.0.2",
                   "prefix_length":24,"gateway":"172.17.0.1"}"#;
    let link: Link = serde_json::from_str(text).unwrap();
    assert_eq!((link.address, link.address6), ("172.17.0.2".parse().ok(), None));
}

#[test]
fn the_relay_leads_each_client_to_the_address_of_its_family() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let sandbox = networks
            .join(Join {
                ports: publish("9917", "991/tcp"),
                ..wish_on("own", 1)
            })
            .unwrap();
        // A program that knows IPv4 alone, and no rules: the relay's one socket takes clients of both families.
        let bound = inside(sandbox.key.as_ref().unwrap(), || TcpListener::bind("0.0.0.0:991"));
        let listener = bound.unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut word = [0; 4];
                stream.read_exact(&mut word).unwrap();
                stream.write_all(b"four").unwrap();
            }
        });
        let mut flush = std::process::Command::new("nft");
        assert!(flush.args(["flush", "ruleset"]).status().unwrap().success());
        assert_eq!(world.there(|| ask((HERE, 9917))).unwrap(), "four");
        networks.leave(&sandbox.container).unwrap();
    });
}
