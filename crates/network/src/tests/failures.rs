//! The daemon dies, restarts, ends.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use super::others::until;
use super::world::*;
use crate::*;
use tierce_links::Rtnetlink;

#[test]
fn published_ports_live_while_the_daemon_is_dead_and_after_it_is_back() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks
            .join(Join {
                ports: publish("9904", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        serve(sandbox.key.as_ref().unwrap(), 80);
        drop(networks);
        world.there(|| ask((HERE, 9904))).unwrap();
        let networks = world.restored(&[&sandbox.container]);
        assert_eq!(networks.sandbox(&sandbox.container), Some(sandbox.clone()));
        world.there(|| ask((HERE, 9904))).unwrap();
        ask("[::1]:9904").unwrap();
        // What it holds is held again.
        let error = networks
            .join(Join {
                ports: publish("9904", "80/tcp"),
                ..wish(2)
            })
            .unwrap_err()
            .to_string();
        assert!(error.contains("by container c1"), "{error}");
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
        networks.leave(&sandbox.container).unwrap();
        assert!(world.there(|| ask((HERE, 9904))).is_err());
    });
}

#[test]
fn restore_removes_what_died_meanwhile_and_strays() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks
            .join(Join {
                ports: publish("9905", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        let record = networks.config().state.join(format!("{}.json", sandbox.container));
        // A join that died before its record was written.
        let stray = networks.join(wish(2)).unwrap();
        std::fs::remove_file(networks.config().state.join(format!("{}.json", stray.container))).unwrap();
        drop(networks);
        let networks = world.restored(&[]);
        assert!(!record.exists());
        assert!(!ruleset().contains("9905"));
        assert_eq!(std::fs::read_dir(&networks.config().netns).unwrap().count(), 0);
        let links = Rtnetlink::open().unwrap().links().unwrap();
        let left: Vec<_> = links.iter().filter(|link| link.name.starts_with("veth")).collect();
        // The first one's pair goes with its namespace, on the kernel's time; it can talk no more.
        assert!(left.len() <= 1, "{left:?}");
        assert_eq!(
            networks
                .join(wish(3))
                .unwrap()
                .primary()
                .unwrap()
                .1
                .address
                .unwrap()
                .to_string(),
            "172.17.0.2"
        );
    });
}

#[test]
fn row_142_no_rule_or_pin_is_left_after_shutdown() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks
            .create(NetworkSpec {
                name: "own".into(),
                ..NetworkSpec::default()
            })
            .unwrap();
        let sandbox = networks
            .join(Join {
                ports: publish("9906", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        networks.shutdown().unwrap();
        assert!(ruleset().contains("9906"), "a container is there: all stays");
        networks.leave(&sandbox.container).unwrap();
        networks.shutdown().unwrap();
        assert_eq!(ruleset(), "");
        let bridges = Rtnetlink::open()
            .unwrap()
            .links()
            .unwrap()
            .into_iter()
            .filter(|link| link.kind == "bridge");
        assert_eq!(bridges.count(), 2, "bridges stay, for one may have been there before");
        assert_eq!(std::fs::read_dir(&networks.config().netns).unwrap().count(), 0);
        drop(networks);
        // The user's network comes back with the next start.
        assert_eq!(world.controller().network("own").unwrap().name, "own");
    });
}

#[test]
fn default_subnet_avoids_the_hosts_routes_and_names_them() {
    on_own_machine(|world| {
        ip("route add 172.17.0.0/16 dev cable1");
        let networks = world.controller();
        let subnet = networks.network("bridge").unwrap().ipam.clone().unwrap().subnet;
        assert_eq!(subnet.to_string(), "172.18.0.0/24");
        let spec = NetworkSpec {
            name: "clash".into(),
            subnets: vec![SubnetSpec::of("172.17.5.0/24".parse().unwrap())],
            ..NetworkSpec::default()
        };
        let error = networks.create(spec).unwrap_err().to_string();
        assert!(
            error.contains("172.17.5.0/24 overlaps with 172.17.0.0/16 (host route by cable1)"),
            "{error}"
        );
    });
}

#[test]
fn a_foreign_drop_policy_is_reported() {
    on_own_machine(|world| {
        let networks = world.controller();
        assert_eq!(networks.warnings(), Vec::<String>::new());
        let nft = |script: &str| {
            let status = std::process::Command::new("nft").arg(script).status();
            assert!(status.unwrap().success(), "{script}");
        };
        nft("add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }");
        let warnings = networks.warnings();
        assert!(warnings[0].contains("\"ip filter FORWARD\" drops"), "{warnings:?}");
        // What drops IPv6 is nothing to networks without it.
        nft("add table ip6 f; add chain ip6 f f { type filter hook forward priority 0; policy drop; }");
        assert_eq!(networks.warnings(), warnings);
        let network = networks.create(dual("own", &[])).unwrap();
        let warnings = networks.warnings();
        assert!(warnings[1].contains("\"ip6 f f\" drops"), "{warnings:?}");
        assert!(
            warnings[1].contains(&format!("iifname br-{} accept", &network.id[..12])),
            "{warnings:?}"
        );
    });
}

#[test]
fn a_default_bridge_that_is_switched_off_goes_when_nobody_is_on_it() {
    on_own_machine(|world| {
        let networks = world.controller();
        let sandbox = networks.join(wish(1)).unwrap();
        drop(networks);
        let open = |alive: &[Alive]| {
            let mut config = world.config();
            config.bridge.name = DefaultBridge::OFF.to_owned();
            let controller = Controller::open(config).unwrap();
            assert_eq!(controller.restore(alive).unwrap().len(), 0);
            let names: Vec<_> = controller
                .networks()
                .iter()
                .map(|network| network.name.clone())
                .collect();
            (controller, names)
        };
        let container = sandbox.container.clone();
        let (networks, names) = open(&[Alive { container }]);
        assert!(names.contains(&"bridge".to_owned()), "{names:?}");
        networks.leave(&sandbox.container).unwrap();
        drop(networks);
        let (networks, mut names) = open(&[]);
        names.sort();
        assert_eq!(names, ["host", "none"]);
        let refused = networks.join(wish(2)).unwrap_err().to_string();
        assert_eq!(refused, "network bridge not found");
        let links = ip("-o link");
        assert!(!links.contains("docker0") && !links.contains(" none"), "{links}");
    });
}

#[test]
fn the_address_of_another_router_is_given_to_nobody() {
    on_own_machine(|world| {
        let mut config = world.config();
        config.bridge.address = Some("172.30.0.1/24".parse().unwrap());
        config.bridge.gateway = Some("172.30.0.2".parse().unwrap());
        let networks = Controller::open(config).unwrap();
        networks.restore(&[]).unwrap();
        let sandbox = networks.join(wish(1)).unwrap();
        let link = sandbox.endpoints[0].link.clone().unwrap();
        assert_eq!(link.address, Some("172.30.0.3".parse().unwrap()));
        assert_eq!(link.gateway, Some("172.30.0.2".parse().unwrap()));
        networks.leave(&sandbox.container).unwrap();
    });
}

#[test]
fn predefined_networks_are_protected_and_names_unique() {
    on_own_machine(|world| {
        let networks = world.controller();
        let create = |name: &str, driver: &str| {
            let spec = NetworkSpec {
                name: name.into(),
                driver: driver.into(),
                ..NetworkSpec::default()
            };
            networks.create(spec).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(
            create("bridge", ""),
            Err("operation is not permitted on predefined bridge network".into())
        );
        assert_eq!(create("x", "foo"), Err("plugin \"foo\" not found".into()));
        assert_eq!(create("own", ""), Ok(()));
        assert_eq!(create("own", ""), Err("network with name own already exists".into()));
        let error = networks.remove("bridge").unwrap_err().to_string();
        assert_eq!(error, "bridge is a pre-defined network and cannot be removed");
        assert_eq!(
            networks.network("nosuch").unwrap_err().to_string(),
            "network nosuch not found"
        );
        let error = networks
            .join(Join {
                attachments: vec![Attachment::to("nosuch")],
                ..wish(1)
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "network nosuch not found");
    });
}

#[test]
fn while_one_sandbox_is_entered_for_its_names_others_join_and_leave() {
    on_own_machine(|world| {
        let networks = world.controller();
        let spec = NetworkSpec {
            name: "own".into(),
            ..NetworkSpec::default()
        };
        networks.create(spec).unwrap();
        let (entered, wait) = std::sync::mpsc::channel();
        let (go_on, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let (networks, patience) = (&networks, Duration::from_secs(10));
            let slow = scope.spawn(move || {
                failpoint::tests::stop("join/names told", move || {
                    entered.send(()).unwrap();
                    stopped.recv_timeout(patience).expect("others wait for this one");
                });
                networks.join(wish_on("own", 1)).unwrap()
            });
            wait.recv_timeout(patience).unwrap();
            let quick = networks.join(wish_on("own", 2)).unwrap();
            networks.leave(&quick.container).unwrap();
            go_on.send(()).unwrap();
            let slow = slow.join().unwrap();
            let port = slow.name_server.as_ref().unwrap().port;
            let rules = inside(slow.key.as_ref().unwrap(), ruleset);
            assert!(rules.contains(&format!("127.0.0.11 . {port}")), "{rules}");
        });
    });
}

#[test]
fn a_container_that_left_is_silent_at_once_and_its_interface_goes_though_a_process_stays() {
    on_own_machine(|world| {
        let networks = world.controller();
        let _watching = watch(&networks).unwrap();
        let sandbox = networks.join(wish(1)).unwrap();
        let key = sandbox.key.clone().unwrap();
        serve(&world.other_host, 7003);
        // As a connection that lost its other side does, this keeps the namespace.
        let process = inside(&key, || std::fs::File::open("/proc/thread-self/ns/net").unwrap());
        let behind = PathBuf::from(format!("/proc/self/fd/{}", process.as_raw_fd()));
        inside(&behind, || ask((THERE, 7003))).unwrap();
        networks.leave(&sandbox.container).unwrap();
        assert!(inside(&behind, || ask((THERE, 7003))).is_err());
        let peer = &sandbox.primary().unwrap().1.peer;
        until("the end of the interface", || !ip("-o link").contains(peer.as_str()));
    });
}

#[test]
fn a_bridge_that_is_going_is_not_taken_for_that_of_a_new_network() {
    on_own_machine(|world| {
        let networks = world.controller();
        let spec = |name: &str| NetworkSpec {
            name: name.into(),
            options: [("com.docker.network.bridge.name".to_owned(), "chosen".to_owned())].into(),
            ..NetworkSpec::default()
        };
        networks.create(spec("old")).unwrap();
        std::thread::scope(|scope| {
            let (going, wait) = std::sync::mpsc::channel();
            let (go_on, stopped) = std::sync::mpsc::channel::<()>();
            let networks = &networks;
            let removal = scope.spawn(move || {
                failpoint::tests::stop("remove/unruled", move || {
                    going.send(()).unwrap();
                    stopped.recv().unwrap();
                });
                networks.remove("old").unwrap();
            });
            wait.recv().unwrap();
            // Half gone: the name of the network is free, that of the bridge is not.
            let refused = networks.create(spec("new")).unwrap_err().to_string();
            go_on.send(()).unwrap();
            removal.join().unwrap();
            assert_eq!(refused, "bridge name chosen is in use by network old");
        });
        // Given up, and not gone yet.
        assert!(ip("-o link").contains(" chosen:"));
        networks.create(spec("new")).unwrap();
        let sandbox = networks.join(wish_on("new", 1)).unwrap();
        tierce_links::Rtnetlink::open().unwrap().sweep().unwrap();
        serve(sandbox.key.as_ref().unwrap(), 80);
        ask((sandbox.primary().unwrap().1.address.unwrap(), 80)).unwrap();
    });
}

#[test]
fn a_server_of_names_that_does_not_answer_is_waited_for_once() {
    on_own_machine(|world| {
        let networks = world.controller();
        let spec = NetworkSpec {
            name: "own".into(),
            ..NetworkSpec::default()
        };
        networks.create(spec).unwrap();
        let socket = networks.config().names.socket.clone();
        // Takes every connection and says nothing, as one that was stopped.
        let stuck = UnixListener::bind(&socket).unwrap();
        let refused = networks.join(wish_on("own", 1)).unwrap_err().to_string();
        assert!(refused.contains("names.sock"), "{refused}");
        stuck.set_nonblocking(true).unwrap();
        assert_eq!(stuck.incoming().map_while(Result::ok).count(), 1);
        drop(stuck);
        networks.join(wish_on("own", 1)).unwrap();
    });
}

#[test]
fn interfaces_of_others_survive_networks_that_were_refused_or_sat_upon_them() {
    on_own_machine(|world| {
        let networks = world.controller();
        let ip = |words: &str| {
            let mut command = std::process::Command::new("ip");
            assert!(command.args(words.split(' ')).status().unwrap().success(), "ip {words}");
        };
        let wish = |bridge: &str, third: u8| NetworkSpec {
            name: "own".into(),
            options: [("com.docker.network.bridge.name".to_owned(), bridge.to_owned())].into(),
            subnets: vec![SubnetSpec {
                gateway: Some(format!("10.77.{third}.1").parse().unwrap()),
                ..SubnetSpec::of(format!("10.77.{third}.0/24").parse().unwrap())
            }],
            ..NetworkSpec::default()
        };
        let route = tierce_links::Rtnetlink::open().unwrap();
        let survives = |name: &str, address: &str| {
            route.sweep().unwrap();
            let link = route.link(name).unwrap().unwrap();
            assert!(!link.is_going());
            let addresses = route.addresses(link.index).unwrap();
            assert!(addresses.contains(&address.parse().unwrap()), "{addresses:?}");
        };
        // Something that is no bridge.
        ip("link add wire0 type veth peer name wire1");
        ip("address add 10.77.1.1/24 dev wire0");
        let refused = networks.create(wish("wire0", 1)).unwrap_err().to_string();
        assert!(refused.contains("wire0 exists and is not a bridge"), "{refused}");
        survives("wire0", "10.77.1.1/24");
        assert!(networks.network("own").is_err());
        // A bridge of the administrator's, after a restart of the daemon, too.
        ip("link add bridge0 type bridge");
        ip("address add 10.77.2.9/24 dev bridge0");
        networks.create(wish("bridge0", 2)).unwrap();
        networks.remove("own").unwrap();
        survives("bridge0", "10.77.2.9/24");
        networks.create(wish("bridge0", 2)).unwrap();
        drop(networks);
        let networks = world.controller();
        networks.remove("own").unwrap();
        survives("bridge0", "10.77.2.9/24");
        // What was made for a network goes with it.
        networks.create(wish("bridge1", 3)).unwrap();
        networks.remove("own").unwrap();
        route.sweep().unwrap();
        assert_eq!(route.link("bridge1").unwrap(), None);
        let again = networks.remove("own").unwrap_err();
        assert!(matches!(again, Error::NetworkNotFound(_)), "{again}");
    });
}
