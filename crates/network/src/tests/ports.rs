//! Published ports.

use std::net::{IpAddr, SocketAddr, TcpListener};

use rustix::net::{AddressFamily, SocketType, ipproto};

use super::world::*;
use crate::*;

#[test]
fn row_157_published_port_answers_everywhere_and_is_gone_after_leave() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks
            .join(Join {
                ports: publish("9901", "991/tcp"),
                ..wish(1)
            })
            .unwrap();
        let neighbour = networks.join(wish(2)).unwrap();
        let key = sandbox.key.clone().unwrap();
        serve(&key, 991);
        assert!(ruleset().contains("tcp . 9901 : 172.17.0.2 . 991"), "{}", ruleset());
        // From another host, with its address.
        assert_eq!(world.there(|| ask((HERE, 9901))).unwrap(), format!("ping {THERE}"));
        // From this host: its own address, localhost, and localhost over IPv6 (relay).
        ask((HERE, 9901)).unwrap();
        assert_eq!(ask("127.0.0.1:9901").unwrap(), "ping 172.17.0.1");
        assert_eq!(ask("[::1]:9901").unwrap(), "ping 172.17.0.1");
        // From a neighbour, and from the container itself (hairpin).
        let neighbour_key = neighbour.key.clone().unwrap();
        inside(&neighbour_key, || ask((HERE, 9901))).unwrap();
        inside(&neighbour_key, || ask("172.17.0.1:9901")).unwrap();
        inside(&key, || ask((HERE, 9901))).unwrap();
        // From a container of another network.
        networks
            .create(NetworkSpec {
                name: "own".into(),
                ..NetworkSpec::default()
            })
            .unwrap();
        let stranger = networks
            .join(Join {
                attachments: vec![Attachment::to("own")],
                ..wish(3)
            })
            .unwrap();
        inside(stranger.key.as_ref().unwrap(), || ask((HERE, 9901))).unwrap();
        let shown: Vec<_> = sandbox.port_map().into_iter().collect();
        let hosts: Vec<_> = shown[0]
            .1
            .iter()
            .flatten()
            .map(|b| (b.host_ip.as_str(), b.host_port.as_str()))
            .collect();
        assert_eq!(
            (shown[0].0.as_str(), hosts),
            ("991/tcp", vec![("0.0.0.0", "9901"), ("::", "9901")])
        );
        networks.leave(&sandbox.container).unwrap();
        assert!(!ruleset().contains("9901"));
        assert!(ask("127.0.0.1:9901").is_err());
        assert!(TcpListener::bind("0.0.0.0:9901").is_ok());
    });
}

#[test]
fn row_157_udp_is_published_too() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks
            .join(Join {
                ports: publish("5353", "53/udp"),
                ..wish(1)
            })
            .unwrap();
        serve_udp(sandbox.key.as_ref().unwrap(), 53);
        assert_eq!(
            world.there(|| ask_udp("0.0.0.0:0", "10.9.0.1:5353")).unwrap(),
            format!("pong {THERE}")
        );
        assert_eq!(ask_udp("0.0.0.0:0", "127.0.0.1:5353").unwrap(), "pong 172.17.0.1");
        assert_eq!(ask_udp("[::]:0", "[::1]:5353").unwrap(), "pong 172.17.0.1");
    });
}

#[test]
fn a_port_on_localhost_is_for_this_host_only() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks
            .join(Join {
                ports: publish("127.0.0.1|9902", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        serve(sandbox.key.as_ref().unwrap(), 80);
        ask("127.0.0.1:9902").unwrap();
        assert!(ask((HERE, 9902)).is_err());
        assert!(world.there(|| ask((HERE, 9902))).is_err());
        // A neighbour on the cable that sends to 127.0.0.1 through us.
        world.there(|| {
            ip("route del local 127.0.0.0/8 dev lo table local");
            ip("route del local 127.0.0.1 dev lo table local");
            ip(&format!("route add 127.0.0.0/8 via {HERE} src {THERE}"));
            let _ = std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
            assert!(ask("127.0.0.1:9902").is_err());
        });
    });
}

#[test]
fn a_port_on_all_addresses_of_both_families_is_held_by_one_socket() {
    on_own_machine(|world| {
        let sockets = |file: &str| {
            let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap();
            text.lines().filter(|line| line.contains(":26AD 0")).count()
        };
        let networks = world.controller();
        let held = |port: &str| {
            let ports = publish(port, "991/tcp");
            let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
            let taken = TcpListener::bind("0.0.0.0:9901").is_err() && TcpListener::bind("[::]:9901").is_err();
            let found = (sockets("tcp"), sockets("tcp6"), taken);
            networks.leave(&sandbox.container).unwrap();
            found
        };
        assert_eq!(held("9901"), (0, 1, true));
        assert_eq!(held("127.0.0.1|9901"), (1, 0, true));
        // After a restart, too.
        let ports = publish("9901", "991/tcp");
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        drop(networks);
        let _networks = world.restored(&[&sandbox.container]);
        assert_eq!((sockets("tcp"), sockets("tcp6")), (0, 1));
    });
}

#[test]
fn ranges_are_intervals_and_answer() {
    on_own_machine(|world| {
        let networks = world.controller();
        let ports = (20_000..20_200)
            .flat_map(|port| publish(&port.to_string(), &format!("{port}/tcp")))
            .collect();
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        assert!(ruleset().contains("tcp . 20000-20199 : 172.17.0.2"), "{}", ruleset());
        serve(sandbox.key.as_ref().unwrap(), 20_150);
        world.there(|| ask((HERE, 20_150))).unwrap();
        ask("127.0.0.1:20150").unwrap();
        networks.leave(&sandbox.container).unwrap();
        assert!(!ruleset().contains("20199"));
    });
}

#[test]
fn chosen_ports_differ_and_ranges_give_the_first_free() {
    on_own_machine(|world| {
        let networks = world.controller();
        let mut ports = publish("", "80/tcp");
        ports.extend(publish("", "81/tcp"));
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        let chosen: Vec<_> = sandbox
            .ports
            .iter()
            .map(|port| (port.port.number, port.host_port))
            .collect();
        assert_eq!(chosen, [(80, 32768), (80, 32768), (81, 32769), (81, 32769)]);
        let _taken = TcpListener::bind("0.0.0.0:18090").unwrap();
        let sandbox = networks
            .join(Join {
                ports: publish("18090-18091", "80/tcp"),
                ..wish(2)
            })
            .unwrap();
        assert_eq!(sandbox.ports[0].host_port, 18091);
        let error = networks
            .join(Join {
                ports: publish("18090-18091", "80/tcp"),
                ..wish(3)
            })
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("all ports of 0.0.0.0:18090-18091/tcp are allocated"),
            "{error}"
        );
    });
}

#[test]
fn a_taken_port_names_its_holder_and_leaves_nothing() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks
            .join(Join {
                ports: publish("18080", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        let before = (
            ruleset(),
            ip("link"),
            std::fs::read_dir(&networks.config().netns).unwrap().count(),
        );
        let error = networks
            .join(Join {
                ports: publish("18080", "80/tcp"),
                ..wish(2)
            })
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("driver failed programming external connectivity on endpoint c2 ("),
            "{error}"
        );
        let rest = "): Bind for 0.0.0.0:18080 failed: port is already allocated (by container c1)";
        assert!(error.ends_with(rest), "{error}");
        let _server = TcpListener::bind("0.0.0.0:18099").unwrap();
        let error = networks
            .join(Join {
                ports: publish("18099", "80/tcp"),
                ..wish(2)
            })
            .unwrap_err()
            .to_string();
        let text =
            "failed to bind host port for 0.0.0.0:18099:172.17.0.3:80/tcp: address already in use (held by process ";
        assert!(error.contains(text), "{error}");
        let error = networks
            .join(Join {
                ports: publish("10.99.9.9|1", "80/tcp"),
                ..wish(2)
            })
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("10.99.9.9:1:172.17.0.3:80/tcp: cannot assign requested address"),
            "{error}"
        );
        // Nothing is left of the three, and their address is free.
        let after = (
            ruleset(),
            ip("link"),
            std::fs::read_dir(&networks.config().netns).unwrap().count(),
        );
        assert_eq!(before, after);
        assert_eq!(
            networks
                .join(wish(2))
                .unwrap()
                .primary()
                .unwrap()
                .1
                .address
                .unwrap()
                .to_string(),
            "172.17.0.3"
        );
    });
}

#[test]
fn the_relay_serves_ports_while_the_rules_are_flushed() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks
            .join(Join {
                ports: publish("9903", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        serve(sandbox.key.as_ref().unwrap(), 80);
        assert!(
            std::process::Command::new("nft")
                .args(["flush", "ruleset"])
                .status()
                .unwrap()
                .success()
        );
        world.there(|| ask((HERE, 9903))).unwrap();
        networks.leave(&sandbox.container).unwrap();
    });
}

#[test]
fn row_157_sctp_passes_a_published_port() {
    let socket = || rustix::net::socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::SCTP));
    if let Err(error) = socket() {
        println!("skipped: no SCTP in this kernel: {error}");
        return;
    }
    on_own_machine(move |world| {
        let networks = world.controller();
        let ports = publish("9935", "36412/sctp");
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        assert_eq!(sandbox.ports.len(), 2, "IPv4 and IPv6");
        let server = inside(sandbox.key.as_ref().unwrap(), || {
            let server = socket().unwrap();
            rustix::net::bind(&server, &SocketAddr::from(([0, 0, 0, 0], 36412))).unwrap();
            rustix::net::listen(&server, 1).unwrap();
            server
        });
        let answering = std::thread::spawn(move || {
            let (stream, _) = rustix::net::acceptfrom(&server).unwrap();
            let mut word = [0; 4];
            rustix::io::read(&stream, &mut word).unwrap();
            rustix::io::write(&stream, &word).unwrap();
        });
        let client = world.there(|| socket().unwrap());
        let here: SocketAddr = (HERE.parse::<IpAddr>().unwrap(), 9935).into();
        rustix::net::connect(&client, &here).unwrap();
        rustix::io::write(&client, b"ping").unwrap();
        let mut word = [0; 4];
        rustix::io::read(&client, &mut word).unwrap();
        assert_eq!(&word, b"ping");
        answering.join().unwrap();
        networks.leave(&sandbox.container).unwrap();
        let late = world.there(|| socket().unwrap());
        assert!(rustix::net::connect(&late, &here).is_err());
    });
}

#[test]
fn exact_ports_come_before_those_that_are_chosen() {
    let bindings =
        serde_json::from_str(r#"{"80/tcp": [{}, {"HostPort": "9000-9001"}], "8080/tcp": [{"HostPort": "9000"}]}"#);
    let wishes = Publication::from_bindings(&bindings.unwrap(), &[], false).unwrap();
    let hosts: Vec<_> = wishes.iter().map(|wish| wish.host).collect();
    assert_eq!(hosts, [Some((9000, 9000)), None, Some((9000, 9001))]);
    let none = serde_json::from_str(r#"{"80/tcp": [{"HostPort": "aa80"}]}"#).unwrap();
    let refused = Publication::from_bindings(&none, &[], false).unwrap_err();
    assert_eq!(refused.to_string(), "invalid port specification: \"aa80\"");
}
