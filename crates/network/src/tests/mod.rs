//! Rows of the requirements, each on a machine of its own (see [`world`]).

mod connect;
mod crashes;
mod exhaustion;
mod failures;
mod modes;
mod others;
mod ports;
mod reach;
mod six;
mod speed;
mod upper;
pub(crate) mod world;

use world::*;

use crate::*;
use tierce_links::Rtnetlink;

#[test]
fn row_143_sandbox_is_a_netns_with_a_veth_on_the_bridge() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks.join(wish(1)).unwrap();
        let key = sandbox.key.clone().unwrap();
        let (_, link) = sandbox.primary().unwrap();
        assert_eq!(
            (link.interface.as_str(), link.address.unwrap().to_string().as_str()),
            ("eth0", "172.17.0.2")
        );
        assert_eq!(link.mac.to_string(), "02:42:ac:11:00:02");
        let host = Rtnetlink::open().unwrap();
        let bridge = host.link("docker0").unwrap().unwrap();
        assert_eq!(bridge.kind, "bridge");
        assert_eq!(
            host.addresses(bridge.index).unwrap(),
            ["172.17.0.1/24".parse().unwrap()]
        );
        assert_eq!(host.link(&link.peer).unwrap().unwrap().master, Some(bridge.index));
        assert!(!ip("-6 address show").contains(" master docker0") && !ip("-6 address show docker0").contains("fe80"));
        let routes = inside(&key, || ip("route"));
        assert!(routes.contains("default via 172.17.0.1 dev eth0"), "{routes}");
        let addresses = inside(&key, || ip("address"));
        assert!(
            addresses.contains("inet 172.17.0.2/24 brd 172.17.0.255 scope global eth0"),
            "{addresses}"
        );
        assert!(addresses.contains("inet6 ::1/128 scope host"), "{addresses}");
        assert!(!addresses.contains("fe80"), "{addresses}");
        networks.leave(&sandbox.container).unwrap();
        assert!(!key.exists());
        networks.shutdown().unwrap();
    });
}

#[test]
fn row_116_sandboxes_have_their_own_devices_ports_and_firewall() {
    on_own_machine(|world| {
        let networks = world.controller();
        let keys: Vec<_> = (1..=2)
            .map(|n| networks.join(wish(n)).unwrap().key.clone().unwrap())
            .collect();
        // The same port twice, and none of the host's rules inside.
        for key in &keys {
            serve(key, 80);
            assert_eq!(inside(key, ruleset), "");
            assert!(!inside(key, || ip("link")).contains("docker0"));
        }
        assert_eq!(ask("172.17.0.2:80").unwrap(), "ping 172.17.0.1");
        assert_eq!(inside(&keys[0], || ask("172.17.0.3:80")).unwrap(), "ping 172.17.0.2");
    });
}

#[test]
fn row_150_bridge_reaches_outside_with_the_hosts_address() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks.join(wish(1)).unwrap();
        let key = sandbox.key.clone().unwrap();
        serve(&world.other_host, 7000);
        assert_eq!(inside(&key, || ask((THERE, 7000))).unwrap(), format!("ping {HERE}"));
        // Nobody comes in uninvited, even with a route.
        serve(&key, 80);
        world.there(|| ip(&format!("route add 172.17.0.0/24 via {HERE}")));
        assert!(world.there(|| ask("172.17.0.2:80")).is_err());
        ask("172.17.0.2:80").unwrap();
    });
}

#[test]
fn row_151_host_mode_has_no_namespace_and_no_ports() {
    on_own_machine(|world| {
        let networks = world.controller();
        let join = Join {
            attachments: vec![Attachment::to("host")],
            ports: publish("80", "80/tcp"),
            ..wish(1)
        };
        let sandbox = networks.join(join).unwrap();
        assert_eq!((sandbox.key.as_ref(), sandbox.ports.len()), (None, 0));
        assert_eq!(sandbox.endpoints[0].network_name, "host");
        networks.leave(&sandbox.container).unwrap();
        let both = Join {
            attachments: vec![Attachment::to("host"), Attachment::to("bridge")],
            ..wish(2)
        };
        assert!(networks.join(both).is_err());
    });
}

#[test]
fn row_153_none_mode_has_only_lo() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks
            .join(Join {
                attachments: vec![Attachment::to("none")],
                ..wish(1)
            })
            .unwrap();
        let links = inside(sandbox.key.as_ref().unwrap(), || {
            Rtnetlink::open().unwrap().links().unwrap()
        });
        let names: Vec<_> = links
            .iter()
            .map(|link| link.name.as_str())
            .filter(|name| !name.ends_with('0'))
            .collect();
        assert_eq!(names, ["lo"]);
        assert!(!links.iter().any(|link| link.name == "eth0"));
        assert_eq!(networks.members(&networks.network("none").unwrap()).len(), 1);
    });
}

#[test]
fn row_158_addresses_are_unique_static_ones_honoured_and_freed() {
    on_own_machine(|world| {
        let networks = world.controller();
        let spec = NetworkSpec {
            name: "own".into(),
            subnets: vec![SubnetSpec::of("10.77.0.0/24".parse().unwrap())],
            ..NetworkSpec::default()
        };
        networks.create(spec).unwrap();
        let at = |number, address: &str| {
            let attachment = Attachment {
                address: Some(address.parse().unwrap()),
                ..Attachment::to("own")
            };
            Join {
                attachments: vec![attachment],
                ..wish(number)
            }
        };
        let first = networks.join(at(1, "10.77.0.9")).unwrap();
        assert_eq!(first.primary().unwrap().1.address.unwrap().to_string(), "10.77.0.9");
        let taken = networks.join(at(2, "10.77.0.9")).unwrap_err().to_string();
        assert_eq!(taken, "Address already in use: 10.77.0.9 is held by c1");
        assert!(networks.join(at(2, "10.78.0.9")).is_err());
        assert!(
            networks
                .join(Join {
                    attachments: at(2, "172.17.0.9").attachments,
                    ..wish(2)
                })
                .is_err()
        );
        networks.leave(&first.container).unwrap();
        let again = networks.join(at(2, "10.77.0.9")).unwrap();
        // The address is at home in the new sandbox, while the kernel may still take the old one apart.
        serve(again.key.as_ref().unwrap(), 80);
        ask("10.77.0.9:80").unwrap();
    });
}

#[test]
fn row_148_networks_are_isolated_from_each_other() {
    on_own_machine(|world| {
        let networks = world.controller();
        for name in ["red", "blue"] {
            networks
                .create(NetworkSpec {
                    name: name.into(),
                    ..NetworkSpec::default()
                })
                .unwrap();
        }
        let on = |number, name| {
            networks
                .join(Join {
                    attachments: vec![Attachment::to(name)],
                    ..wish(number)
                })
                .unwrap()
        };
        let (red, blue, second) = (on(1, "red"), on(2, "blue"), on(3, "red"));
        let address = |sandbox: &Sandbox| sandbox.primary().unwrap().1.address.unwrap();
        let key = |sandbox: &Sandbox| sandbox.key.clone().unwrap();
        for sandbox in [&blue, &second] {
            serve(&key(sandbox), 80);
        }
        inside(&key(&red), || ask((address(&second), 80))).unwrap();
        assert!(inside(&key(&red), || ask((address(&blue), 80))).is_err());
        assert!(matches!(networks.remove("red"), Err(Error::InUse { .. })));
        for sandbox in [&red, &blue, &second] {
            networks.leave(&sandbox.container).unwrap();
        }
        let bridge = format!("br-{}", &networks.remove("red").unwrap().id[..12]);
        assert!(!ip("address").contains("172.17.1.1"), "what it had is free at once");
        Rtnetlink::open().unwrap().sweep().unwrap();
        assert_eq!(Rtnetlink::open().unwrap().link(&bridge).unwrap(), None);
        assert!(!ruleset().contains(&bridge));
    });
}

#[test]
fn a_container_on_two_networks_has_two_interfaces_and_one_default_route() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks
            .create(NetworkSpec {
                name: "own".into(),
                ..NetworkSpec::default()
            })
            .unwrap();
        let attachments = vec![Attachment::to("own"), Attachment::to("bridge")];
        let sandbox = networks.join(Join { attachments, ..wish(1) }).unwrap();
        assert_eq!(sandbox.endpoints[0].dns_names, ["c1", "000100010001"]);
        let routes = inside(sandbox.key.as_ref().unwrap(), || ip("route"));
        assert_eq!(routes.matches("default").count(), 1, "{routes}");
        // Of equals the one whose name comes first leads out.
        assert!(routes.contains("default via 172.17.0.1 dev eth1"), "{routes}");
    });
}

#[test]
fn icc_off_separates_containers_of_one_network() {
    on_own_machine(|world| {
        let mut config = world.config();
        config.bridge.icc = false;
        let networks = Controller::open(config).unwrap();
        networks.restore(&[]).unwrap();
        let first = networks.join(wish(1)).unwrap();
        let second = networks
            .join(Join {
                ports: publish("8080", "80/tcp"),
                ..wish(2)
            })
            .unwrap();
        serve(second.key.as_ref().unwrap(), 80);
        assert!(inside(first.key.as_ref().unwrap(), || ask("172.17.0.3:80")).is_err());
        ask("172.17.0.3:80").unwrap();
        // What is published is for everybody.
        inside(first.key.as_ref().unwrap(), || ask("172.17.0.1:8080")).unwrap();
    });
}

#[test]
fn links_open_what_is_exposed_between_separated_containers_and_nothing_else() {
    on_own_machine(|world| {
        let open = |alive: &[&Sandbox]| {
            let mut config = world.config();
            config.bridge.icc = false;
            let networks = Controller::open(config).unwrap();
            let container = |sandbox: &&Sandbox| Alive {
                container: sandbox.container.clone(),
            };
            networks
                .restore(&alive.iter().map(container).collect::<Vec<_>>())
                .unwrap();
            networks
        };
        let networks = open(&[]);
        let server = || Join {
            exposed: vec!["80/tcp".parse().unwrap()],
            ..wish(1)
        };
        let child = networks.join(server()).unwrap();
        for port in [80, 81] {
            serve(child.key.as_ref().unwrap(), port);
        }
        let linked = Join {
            links: vec![child.container.clone()],
            ..wish(2)
        };
        let (parent, stranger) = (networks.join(linked).unwrap(), networks.join(wish(3)).unwrap());
        serve(parent.key.as_ref().unwrap(), 80);
        let asks = |sandbox: &Sandbox, address| inside(sandbox.key.as_ref().unwrap(), || ask(address));
        asks(&parent, "172.17.0.2:80").unwrap();
        assert!(asks(&parent, "172.17.0.2:81").is_err());
        assert!(asks(&stranger, "172.17.0.2:80").is_err());
        assert!(asks(&child, "172.17.0.3:80").is_err());

        // Another life of the daemon opens the same.
        drop(networks);
        let networks = open(&[&child, &parent, &stranger]);
        asks(&parent, "172.17.0.2:80").unwrap();

        // The link follows its container to another address, and opens nothing to whoever has the one before.
        networks.leave(&child.container).unwrap();
        let other = networks.join(wish(4)).unwrap();
        let child = networks.join(server()).unwrap();
        for sandbox in [&other, &child] {
            serve(sandbox.key.as_ref().unwrap(), 80);
        }
        let addresses = [&other, &child].map(|sandbox| sandbox.primary().unwrap().1.address.unwrap().to_string());
        assert_eq!(addresses, ["172.17.0.2", "172.17.0.5"]);
        assert!(asks(&parent, "172.17.0.2:80").is_err());
        asks(&parent, "172.17.0.5:80").unwrap();

        networks.unlink(&parent.container, &child.container).unwrap();
        assert!(asks(&parent, "172.17.0.5:80").is_err());
        assert!(!ruleset().contains("172.17.0.5 . tcp"), "{}", ruleset());
    });
}
