//! The daemon is killed between two steps: what was under way is done wholly or not at all after the next start.

use std::sync::Arc;

use super::others::{nft, until};
use super::world::*;
use crate::failpoint::{self, tests::arm};
use crate::*;
use tierce_links::Rtnetlink;

/// Does something that is cut short at that place. As a kill: nothing is undone, all that was in memory is lost.
fn killed_at(point: &'static str, work: impl FnOnce()) {
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        arm(point);
        work();
    }));
    arm("nowhere");
    assert!(died.is_err(), "{point} is not passed");
}

fn own() -> NetworkSpec {
    NetworkSpec {
        name: "own".into(),
        ipv6: Some(true),
        subnets: vec![SubnetSpec::of("10.71.0.0/24".parse().unwrap())],
        ..NetworkSpec::default()
    }
}

/// What the kernel and the records have of containers and networks, word by word.
fn traces(networks: &Controller) -> Vec<String> {
    let mut found: Vec<_> = ruleset().split([' ', '\n', '\t', ',']).map(str::to_owned).collect();
    let links = Rtnetlink::open().unwrap().links().unwrap();
    found.extend(links.iter().map(|link| format!("link {} {}", link.name, link.kind)));
    found.extend(neighbours());
    for directory in [&networks.config().netns, &networks.config().state] {
        let names = std::fs::read_dir(directory).unwrap().flatten();
        let files = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        // The host goes on forwarding, and it is remembered who began with that.
        found.extend(files.filter(|name| !name.starts_with("forwarding")));
    }
    found.sort();
    found
}

/// Neighbours that no bridge has, as long as it is there: the kernel forgets those of a bridge in its own time.
fn neighbours() -> Vec<String> {
    let bridges = ip("-o link show type bridge");
    let is_of_a_bridge = |line: &&str| {
        let link = line.split(" dev ").nth(1).and_then(|rest| rest.split(' ').next());
        link.is_some_and(|link| bridges.contains(&format!(" {link}:")))
    };
    let all = ip("neighbour");
    let strays = all
        .lines()
        .filter(|line| !line.contains("cable1") && !is_of_a_bridge(line));
    strays.map(|line| format!("neighbour {line}")).collect()
}

/// What there is now and was not before, and the reverse.
fn difference(before: &[String], after: &[String]) -> [Vec<String>; 2] {
    let less = |all: &[String], those: &[String]| {
        let mut rest = all.to_vec();
        for one in those {
            if let Some(place) = rest.iter().position(|other| other == one) {
                rest.remove(place);
            }
        }
        rest
    };
    [less(after, before), less(before, after)]
}

const SAME: [Vec<String>; 2] = [Vec::new(), Vec::new()];

#[test]
fn row_142_a_daemon_killed_while_a_container_joins_or_leaves_leaves_nothing() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(own()).unwrap();
        let before = traces(&networks);
        drop(networks);
        for (number, point) in (1..).zip(failpoint::JOIN.iter().chain(failpoint::LEAVE)) {
            let networks = world.controller();
            let join = Join {
                ports: publish("9931", "80/tcp"),
                ..wish_on("own", number)
            };
            if failpoint::JOIN.contains(point) {
                killed_at(point, || drop(networks.join(join.clone())));
            } else {
                let sandbox = networks.join(join.clone()).unwrap();
                // So that there is a neighbour.
                let _ = ask("10.71.0.2:80");
                killed_at(point, || networks.leave(&sandbox.container).unwrap());
            }
            drop(networks);
            // Its container never ran, or is dead.
            let networks = world.controller();
            assert_eq!(difference(&before, &traces(&networks)), SAME, "{point}");
            // Nobody keeps its namespace alive.
            let socket = networks.config().names.socket.clone();
            until("the end of the server of names", || !socket.exists());
            let again = networks.join(join).unwrap();
            assert_eq!(again.primary().unwrap().1.address.unwrap().to_string(), "10.71.0.2");
            networks.leave(&again.container).unwrap();
        }
    });
}

#[test]
fn row_142_a_daemon_killed_while_a_network_comes_or_goes_leaves_it_whole_or_not_at_all() {
    on_own_machine(|world| {
        let networks = world.controller();
        let without = traces(&networks);
        networks.create(own()).unwrap();
        let with = traces(&networks).len();
        networks.remove("own").unwrap();
        drop(networks);
        for point in failpoint::CREATE.iter().chain(failpoint::REMOVE) {
            let networks = world.controller();
            if failpoint::CREATE.contains(point) {
                killed_at(point, || drop(networks.create(own())));
            } else {
                networks.create(own()).unwrap();
                killed_at(point, || drop(networks.remove("own")));
            }
            drop(networks);
            let networks = world.controller();
            Rtnetlink::open().unwrap().sweep().unwrap();
            if networks.network("own").is_ok() {
                assert_eq!(traces(&networks).len(), with, "{point}");
                let sandbox = networks.join(wish_on("own", 1)).unwrap();
                serve(sandbox.key.as_ref().unwrap(), 80);
                ask("10.71.0.2:80").unwrap();
                networks.leave(&sandbox.container).unwrap();
                networks.remove("own").unwrap();
                Rtnetlink::open().unwrap().sweep().unwrap();
            } else {
                assert_eq!(difference(&without, &traces(&networks)), SAME, "{point}");
            }
        }
    });
}

#[test]
fn row_142_nothing_remains_after_the_last_container_and_network() {
    on_own_machine(|world| {
        let networks = world.controller();
        let before = traces(&networks);
        let watching = watch(&networks).unwrap();
        networks.create(own()).unwrap();
        let sandboxes: Vec<_> = (1..=3)
            .map(|number| {
                let ports = publish("", "80/tcp");
                networks
                    .join(Join {
                        ports,
                        ..wish_on("own", number)
                    })
                    .unwrap()
            })
            .collect();
        for sandbox in &sandboxes {
            let (four, six) = addresses(sandbox);
            serve(sandbox.key.as_ref().unwrap(), 80);
            ask((four, 80)).unwrap();
            ask((six, 80)).unwrap();
        }
        let bridge = format!("br-{}", &networks.network("own").unwrap().id[..12]);
        let known = || ip(&format!("neighbour show dev {bridge}"));
        assert!(
            known().contains("10.71.0.4") && known().contains("fe80::42:"),
            "{}",
            known()
        );
        for sandbox in &sandboxes {
            networks.leave(&sandbox.container).unwrap();
        }
        assert_eq!(known(), "");
        networks.remove("own").unwrap();
        until("the end of all links", || traces(&networks) == before);
        drop(watching);
        networks.shutdown().unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn row_142_rules_of_a_container_that_is_just_joining_come_back_too() {
    on_own_machine(|world| {
        let networks = world.controller();
        let ports = |host: &str| publish(host, "80/tcp");
        killed_at("join/published", || {
            let joining = Join {
                ports: ports("9932"),
                ..wish(1)
            };
            drop(networks.join(joining));
        });
        // That thread is stuck, for all that the others know. Whoever comes next finds that all rules are gone.
        nft("flush ruleset");
        networks
            .join(Join {
                ports: ports("9933"),
                ..wish(2)
            })
            .unwrap();
        assert!(
            ruleset().contains("9932") && ruleset().contains("9933"),
            "{}",
            ruleset()
        );
        // The watch waits for nobody either.
        let _watching = watch(&networks).unwrap();
        nft("flush ruleset");
        until("both ports", || {
            ruleset().contains("9932") && ruleset().contains("9933")
        });
    });
}

#[test]
fn the_table_of_ipv6_is_there_as_long_as_a_network_has_ipv6() {
    on_own_machine(|world| {
        let networks = world.controller();
        let has_table = || ruleset().contains("table ip6 tierce");
        networks.create(dual("one", &[])).unwrap();
        networks.create(dual("two", &[])).unwrap();
        networks.remove("one").unwrap();
        assert!(has_table());
        networks.remove("two").unwrap();
        assert!(!has_table(), "{}", ruleset());
        networks.create(dual("three", &[])).unwrap();
        assert!(has_table() && ruleset().contains("fdd4:4b55:496b"), "{}", ruleset());
        networks.remove("three").unwrap();
        // One that a daemon of before left behind.
        nft("add table ip6 tierce");
        drop(networks);
        let networks: Arc<Controller> = world.controller();
        assert!(!has_table(), "{}", ruleset());
        networks.shutdown().unwrap();
    });
}

#[test]
fn ports_are_published_as_the_network_that_remains_does_it() {
    on_own_machine(|world| {
        let networks = world.controller();
        let gateway_mode = "com.docker.network.bridge.gateway_mode_ipv4".to_owned();
        for (name, options) in [
            ("alpha", [].into()),
            ("beta", [(gateway_mode, "routed".to_owned())].into()),
        ] {
            let name = name.into();
            networks
                .create(NetworkSpec {
                    name,
                    options,
                    ..NetworkSpec::default()
                })
                .unwrap();
        }
        drop(networks);
        let publishes = |sandbox: &Sandbox, host_port: u16| {
            let key = sandbox.key.clone().unwrap();
            let (_, link) = sandbox.published_at(false).unwrap();
            assert!(sandbox.ports.iter().all(|published| published.host_port == host_port));
            assert_eq!(world.there(|| ask((HERE, 9934))).is_ok(), host_port != 0);
            let address = link.address.unwrap();
            world.there(|| ip(&format!("route replace {address} via {HERE}")));
            assert_eq!(world.there(|| ask((address, 80))).is_ok(), host_port == 0);
            assert!(key.exists());
        };
        for (number, point) in (1..).zip(failpoint::DISCONNECT) {
            // The one whose name comes first leads out, until its priority says otherwise.
            for (left, host_port) in [("alpha", 0), ("beta", 9934)] {
                let networks = world.controller();
                let attach = |name: &str| Attachment {
                    priority: i64::from(name == left),
                    ..Attachment::to(name)
                };
                let join = Join {
                    attachments: vec![attach("alpha"), attach("beta")],
                    ports: publish("9934", "80/tcp"),
                    ..wish(number)
                };
                let sandbox = networks.join(join).unwrap();
                serve(sandbox.key.as_ref().unwrap(), 80);
                let disconnect = Connect {
                    container: sandbox.container.clone(),
                    attachment: Attachment::to(left),
                    ports: publish("9934", "80/tcp"),
                    ..Connect::default()
                };
                killed_at(point, || drop(networks.disconnect(&disconnect)));
                drop(networks);
                let networks = world.restored(&[&sandbox.container]);
                let after = networks.sandbox(&sandbox.container).unwrap();
                assert!(after.changing.is_none() && after.wishes.is_empty(), "{point}");
                publishes(&after, host_port);
                drop(networks);
                // It is so for good.
                let networks = world.restored(&[&sandbox.container]);
                publishes(&networks.sandbox(&sandbox.container).unwrap(), host_port);
                networks.leave(&sandbox.container).unwrap();
            }
        }
    });
}
