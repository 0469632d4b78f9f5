//! Containers that run are connected and disconnected.

use super::world::*;
use crate::failpoint::{self, tests::arm};
use crate::*;
use tierce_links::Rtnetlink;

/// Three networks: two with a way out, one internal.
fn networks(world: &World) -> std::sync::Arc<Controller> {
    let networks = world.controller();
    for (name, subnet, internal) in [
        ("alpha", "10.71.0.0/24", false),
        ("beta", "10.72.0.0/24", false),
        ("inner", "10.73.0.0/24", true),
    ] {
        let spec = NetworkSpec {
            name: name.into(),
            subnets: vec![SubnetSpec::of(subnet.parse().unwrap())],
            internal,
            ..NetworkSpec::default()
        };
        networks.create(spec).unwrap();
    }
    networks
}

fn to(number: u16, network: &str) -> Connect {
    Connect {
        container: wish(number).container,
        attachment: Attachment::to(network),
        ..Connect::default()
    }
}

fn routes(sandbox: &Sandbox) -> String {
    inside(sandbox.key.as_ref().unwrap(), || ip("route"))
}

fn interfaces(sandbox: &Sandbox) -> Vec<String> {
    let links = inside(sandbox.key.as_ref().unwrap(), || {
        Rtnetlink::open().unwrap().links().unwrap()
    });
    let mut names: Vec<_> = links.into_iter().map(|link| link.name).collect();
    // What the kernel puts into every namespace.
    names.retain(|name| {
        ![
            "gre0", "gretap0", "erspan0", "sit0", "tunl0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0",
        ]
        .contains(&name.as_str())
    });
    names
}

#[test]
fn row_149_row_147_a_second_interface_appears_and_disappears_live() {
    on_own_machine(|world| {
        let networks = networks(world);
        let first = networks
            .join(Join {
                attachments: vec![Attachment::to("beta")],
                ..wish(1)
            })
            .unwrap();
        assert_eq!(interfaces(&first), ["lo", "eth0"]);
        let both = networks.connect(&to(1, "alpha")).unwrap();
        assert_eq!(interfaces(&both), ["lo", "eth0", "eth1"]);
        assert_eq!(networks.members(&networks.network("alpha").unwrap()).len(), 1);
        let other = networks
            .join(Join {
                attachments: vec![Attachment::to("alpha")],
                ..wish(2)
            })
            .unwrap();
        serve(other.key.as_ref().unwrap(), 80);
        assert_eq!(
            inside(both.key.as_ref().unwrap(), || ask("10.71.0.3:80")).unwrap(),
            "ping 10.71.0.2"
        );
        assert!(matches!(networks.remove("alpha"), Err(Error::InUse { .. })));
        let again = networks.connect(&to(1, "alpha")).unwrap_err().to_string();
        assert_eq!(again, "endpoint with name c1 already exists in network alpha");
        let one = networks.disconnect(&to(1, "alpha")).unwrap();
        assert_eq!(interfaces(&one), ["lo", "eth0"]);
        assert!(inside(one.key.as_ref().unwrap(), || ask("10.71.0.3:80")).is_err());
        assert!(
            networks
                .disconnect(&to(1, "alpha"))
                .unwrap_err()
                .to_string()
                .contains("is not connected to network alpha")
        );
        // The address is free again, and the name of the interface.
        networks.leave(&other.container).unwrap();
        let third = networks
            .join(Join {
                attachments: vec![Attachment::to("alpha")],
                ..wish(3)
            })
            .unwrap();
        assert_eq!(third.primary().unwrap().1.address.unwrap().to_string(), "10.71.0.2");
        let inner = networks.connect(&to(1, "inner")).unwrap();
        assert_eq!(interfaces(&inner), ["lo", "eth0", "eth1"]);
    });
}

#[test]
fn row_146_the_default_route_and_the_ports_follow_priority_and_name() {
    on_own_machine(|world| {
        let networks = networks(world);
        let sandbox = networks
            .join(Join {
                attachments: vec![Attachment::to("beta")],
                ports: publish("9907", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        let key = sandbox.key.clone().unwrap();
        serve(&key, 80);
        world.there(|| ask((HERE, 9907))).unwrap();
        let published = |sandbox: &Sandbox, address: &str| {
            assert_eq!(sandbox.ports.len(), 2, "IPv4 and IPv6");
            assert!(
                ruleset().contains(&format!("tcp . 9907 : {address} . 80")),
                "{}",
                ruleset()
            );
            world.there(|| ask((HERE, 9907))).unwrap();
            // By the relay.
            ask("[::1]:9907").unwrap();
        };
        published(&sandbox, "10.72.0.2");
        // Of equals the name decides.
        let sandbox = networks.connect(&to(1, "alpha")).unwrap();
        assert!(
            routes(&sandbox).contains("default via 10.71.0.1 dev eth1"),
            "{}",
            routes(&sandbox)
        );
        published(&sandbox, "10.71.0.2");
        // An internal network has no way out, whatever its priority.
        let mut inner = to(1, "inner");
        inner.attachment.priority = 9;
        inner.attachment.link_local = vec!["169.254.7.7".parse().unwrap()];
        let sandbox = networks.connect(&inner).unwrap();
        assert!(
            routes(&sandbox).contains("default via 10.71.0.1 dev eth1"),
            "{}",
            routes(&sandbox)
        );
        let addresses = inside(&key, || ip("address show eth2"));
        assert!(
            addresses.contains("inet 169.254.7.7/16 brd 169.254.255.255"),
            "{addresses}"
        );
        let sandbox = networks.disconnect(&to(1, "alpha")).unwrap();
        assert!(
            routes(&sandbox).contains("default via 10.72.0.1 dev eth0"),
            "{}",
            routes(&sandbox)
        );
        published(&sandbox, "10.72.0.2");
        let sandbox = networks.disconnect(&to(1, "beta")).unwrap();
        assert!(!routes(&sandbox).contains("default"), "{}", routes(&sandbox));
        assert!(sandbox.ports.is_empty() && !ruleset().contains("9907"));
        let free = networks
            .join(Join {
                ports: publish("9907", "80/tcp"),
                ..wish(2)
            })
            .unwrap();
        networks.leave(&free.container).unwrap();
        let mut wanted = to(1, "alpha");
        wanted.ports = publish("9907", "80/tcp");
        let sandbox = networks.connect(&wanted).unwrap();
        published(&sandbox, "10.71.0.2");
        assert!(
            routes(&sandbox).contains("default via 10.71.0.1 dev eth0"),
            "{}",
            routes(&sandbox)
        );
    });
}

#[test]
fn a_connection_that_fails_leaves_nothing() {
    on_own_machine(|world| {
        let networks = networks(world);
        let first = networks
            .join(Join {
                attachments: vec![Attachment::to("beta")],
                ..wish(1)
            })
            .unwrap();
        let record = networks.config().state.join(format!("{}.json", first.container));
        let before = (std::fs::read(&record).unwrap(), interfaces(&first), routes(&first));
        let mut bad = to(1, "alpha");
        bad.attachment = bad
            .attachment
            .with_options(
                &[(
                    Attachment::SYSCTLS.to_owned(),
                    "net.ipv4.conf.IFNAME.nosuch=1".to_owned(),
                )]
                .into(),
            )
            .unwrap();
        let error = networks.connect(&bad).unwrap_err().to_string();
        assert!(error.contains("/proc/sys/net/ipv4/conf/eth1/nosuch"), "{error}");
        assert_eq!(
            (std::fs::read(&record).unwrap(), interfaces(&first), routes(&first)),
            before
        );
        assert_eq!(networks.sandbox(&first.container).unwrap(), first);
        let mut taken = to(1, "alpha");
        taken.attachment.address = Some("10.71.0.1".parse().unwrap());
        assert!(networks.connect(&taken).is_err());
        taken.attachment.address = None;
        taken.attachment.interface = Some("eth0".into());
        assert_eq!(
            networks.connect(&taken).unwrap_err().to_string(),
            "error renaming interface to \"eth0\": file exists: the container has one of that name"
        );
        // All addresses are there.
        taken.attachment.interface = Some("mine".into());
        let both = networks.connect(&taken).unwrap();
        assert_eq!(interfaces(&both), ["lo", "eth0", "mine"]);
        assert_eq!(
            both.endpoints[1].link.as_ref().unwrap().address.unwrap().to_string(),
            "10.71.0.2"
        );
    });
}

#[test]
fn a_connection_that_fails_leaves_ports_where_they_were() {
    on_own_machine(|world| {
        let networks = networks(world);
        let spec = NetworkSpec {
            name: "aaa".into(),
            options: [(
                "com.docker.network.bridge.gateway_mode_ipv4".to_owned(),
                "routed".to_owned(),
            )]
            .into(),
            ..NetworkSpec::default()
        };
        networks.create(spec).unwrap();
        let before = networks
            .join(Join {
                attachments: vec![Attachment::to("beta")],
                ports: publish("", "80/tcp"),
                ..wish(1)
            })
            .unwrap();
        let host_port = before.ports[0].host_port;
        let bad = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.nosuch=1";
        let (key, value) = bad.split_once('=').unwrap();
        for network in ["aaa", "alpha"] {
            let mut connect = to(1, network);
            connect.ports = publish("", "80/tcp");
            connect.attachment = connect
                .attachment
                .with_options(&[(key.to_owned(), value.to_owned())].into())
                .unwrap();
            networks.connect(&connect).unwrap_err();
            let after = networks.sandbox(&before.container).unwrap();
            assert_eq!((&after.ports, after.endpoints.len()), (&before.ports, 1), "{network}");
            assert!(
                ruleset().contains(&format!("tcp . {host_port} : 10.72.0.2 . 80")),
                "{network}: {}",
                ruleset()
            );
        }
        networks.leave(&before.container).unwrap();
        assert!(!ruleset().contains(" . 80"), "{}", ruleset());
    });
}

#[test]
fn a_container_that_was_renamed_connects_under_its_new_name() {
    on_own_machine(|world| {
        let networks = networks(world);
        let attachments = vec![Attachment::to("beta")];
        let sandbox = networks.join(Join { attachments, ..wish(1) }).unwrap();
        networks.rename(&sandbox.container, "new").unwrap();
        let mut connect = to(1, "alpha");
        connect.name = "new".to_owned();
        let connected = networks.connect(&connect).unwrap();
        for endpoint in &connected.endpoints {
            assert_eq!(endpoint.dns_names[0], "new");
        }
        networks.leave(&sandbox.container).unwrap();
    });
}

#[test]
fn a_daemon_killed_between_any_two_steps_leaves_no_half_connection() {
    on_own_machine(|world| {
        drop(networks(world));
        for (number, point) in (1..).zip(failpoint::CONNECT.iter().chain(failpoint::DISCONNECT)) {
            let connects = failpoint::CONNECT.contains(point);
            let networks = world.controller();
            let mut attachments = vec![Attachment::to("beta")];
            if !connects {
                attachments.push(Attachment::to("alpha"));
            }
            let ports = publish("9908", "80/tcp");
            let sandbox = networks
                .join(Join {
                    attachments,
                    ports,
                    ..wish(number)
                })
                .unwrap();
            // As a kill: nothing is undone, all that was in memory is lost.
            let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                arm(point);
                let _ = if connects {
                    networks.connect(&to(number, "alpha"))
                } else {
                    networks.disconnect(&to(number, "alpha"))
                };
            }));
            assert!(died.is_err(), "{point} is not passed");
            arm("nowhere");
            drop(networks);
            let networks = world.restored(&[&sandbox.container]);
            let after = networks.sandbox(&sandbox.container).unwrap();
            assert_eq!(after.endpoints.len(), 1, "{point}");
            assert_eq!(after.changing, None);
            assert_eq!(interfaces(&after), ["lo", "eth0"], "{point}");
            assert!(
                routes(&after).contains("default via 10.72.0.1 dev eth0"),
                "{point}: {}",
                routes(&after)
            );
            assert!(
                ruleset().contains("tcp . 9908 : 10.72.0.2 . 80"),
                "{point}: {}",
                ruleset()
            );
            let bridge = format!("br-{}", &networks.network("alpha").unwrap().id[..12]);
            assert!(
                !ip("-o link").contains(&format!("master {bridge}")),
                "{point}: {}",
                ip("-o link")
            );
            assert_eq!(
                networks.members(&networks.network("alpha").unwrap()).len(),
                0,
                "{point}"
            );
            // And all is free again.
            let again = networks.connect(&to(number, "alpha")).unwrap();
            assert_eq!(
                again.endpoints[1].link.as_ref().unwrap().address.unwrap().to_string(),
                "10.71.0.2",
                "{point}"
            );
            networks.leave(&sandbox.container).unwrap();
        }
    });
}

#[test]
fn a_bridge_that_was_deleted_by_hand_is_made_again() {
    on_own_machine(|world| {
        let networks = networks(world);
        let first = networks
            .join(Join {
                attachments: vec![Attachment::to("alpha")],
                ..wish(1)
            })
            .unwrap();
        let bridge = format!("br-{}", &networks.network("alpha").unwrap().id[..12]);
        ip(&format!("link delete {bridge}"));
        let second = networks
            .join(Join {
                attachments: vec![Attachment::to("alpha")],
                ..wish(2)
            })
            .unwrap();
        // Who was there before is on it again.
        serve(first.key.as_ref().unwrap(), 80);
        assert_eq!(
            inside(second.key.as_ref().unwrap(), || ask("10.71.0.2:80")).unwrap(),
            "ping 10.71.0.3"
        );
        assert_eq!(
            inside(second.key.as_ref().unwrap(), || ip("route"))
                .matches("default via 10.71.0.1")
                .count(),
            1
        );
    });
}

#[test]
fn an_interface_or_a_namespace_that_was_deleted_by_hand_stops_nobody() {
    on_own_machine(|world| {
        let networks = networks(world);
        let sandbox = networks
            .join(Join {
                attachments: vec![Attachment::to("alpha"), Attachment::to("beta")],
                ..wish(1)
            })
            .unwrap();
        let key = sandbox.key.clone().unwrap();
        inside(&key, || ip("link delete eth0"));
        networks.disconnect(&to(1, "alpha")).unwrap();
        assert!(
            routes(&sandbox).contains("default via 10.72.0.1 dev eth1"),
            "{}",
            routes(&sandbox)
        );
        let pin = key.to_str().unwrap().to_owned();
        assert!(
            std::process::Command::new("umount")
                .args(["-l", &pin])
                .status()
                .unwrap()
                .success()
        );
        std::fs::remove_file(&pin).unwrap();
        let error = networks.connect(&to(1, "alpha")).unwrap_err().to_string();
        assert!(error.contains(&pin), "{error}");
        networks.leave(&sandbox.container).unwrap();
        assert_eq!(networks.members(&networks.network("beta").unwrap()).len(), 0);
    });
}
