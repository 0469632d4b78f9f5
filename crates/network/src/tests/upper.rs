//! Networks upon a parent interface: macvlan and ipvlan. This needs modules that many kernels of virtual machines lack.

use super::world::*;
use crate::*;
use tierce_links::Rtnetlink;

/// The network, or nothing where the kernel cannot have it.
fn create(
    networks: &Controller,
    name: &str,
    driver: &str,
    options: &[(&str, &str)],
) -> Option<std::sync::Arc<Network>> {
    let spec = NetworkSpec {
        name: name.into(),
        driver: driver.into(),
        subnets: vec![SubnetSpec {
            gateway: Some(THERE.parse().unwrap()),
            allocation: Some("10.9.0.128/25".parse().unwrap()),
            ..SubnetSpec::of("10.9.0.0/24".parse().unwrap())
        }],
        options: options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..NetworkSpec::default()
    };
    match networks.create(spec) {
        Ok(network) => Some(network),
        Err(error) if error.to_string().contains("this kernel has no interfaces of this kind") => {
            println!("skipped: {driver}: {error}");
            assert!(networks.network(name).is_err(), "a refusal leaves nothing");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn on(number: u16, network: &str) -> Join {
    Join {
        attachments: vec![Attachment::to(network)],
        ports: publish("9909", "80/tcp"),
        ..wish(number)
    }
}

#[test]
fn row_147_another_driver_supplies_another_kind_of_link() {
    on_own_machine(|world| {
        let networks = world.controller();
        serve(&world.other_host, 7001);
        for (driver, mode, modes) in [
            (
                "macvlan",
                "macvlan_mode",
                ["bridge", "private", "vepa", "passthru"].as_slice(),
            ),
            ("ipvlan", "ipvlan_mode", &["l2", "l3", "l3s"]),
        ] {
            for wanted in modes {
                let Some(network) = create(&networks, "wire", driver, &[("parent", "cable1"), (mode, wanted)]) else {
                    break;
                };
                let sandbox = networks.join(on(1, "wire")).unwrap();
                let key = sandbox.key.clone().unwrap();
                let shown = inside(&key, || ip("-d link show eth0"));
                assert!(
                    shown.contains(&format!("{driver} ")) && shown.contains(&format!("mode {wanted}")),
                    "{shown}"
                );
                // Ports are the container's own.
                assert!(sandbox.ports.is_empty() && !ruleset().contains("9909"));
                let routes = inside(&key, || ip("route"));
                let route = if wanted.starts_with("l3") {
                    "default dev eth0".to_owned()
                } else {
                    format!("default via {THERE} dev eth0")
                };
                assert!(routes.contains(&route), "{driver} {wanted}: {routes}");
                let address = sandbox.primary().unwrap().1.address.unwrap();
                // In bridge mode, and by layer 2, the other host is a neighbour.
                if matches!(*wanted, "bridge" | "l2") {
                    assert_eq!(
                        inside(&key, || ask((THERE, 7001))).unwrap(),
                        format!("ping {address}"),
                        "{driver} {wanted}"
                    );
                    let second = networks.join(on(2, "wire")).unwrap();
                    serve(&key, 81);
                    inside(second.key.as_ref().unwrap(), || ask((address, 81))).unwrap();
                    networks.leave(&second.container).unwrap();
                }
                networks.leave(&sandbox.container).unwrap();
                networks.remove(&network.id).unwrap();
                assert!(
                    Rtnetlink::open().unwrap().link("cable1").unwrap().is_some(),
                    "the parent is not ours"
                );
            }
        }
    });
}

#[test]
fn row_148_a_vlan_sub_interface_is_made_as_parent_and_removed() {
    on_own_machine(|world| {
        let networks = world.controller();
        let Some(network) = create(&networks, "tagged", "macvlan", &[("parent", "cable1.50")]) else {
            return;
        };
        let shown = ip("-d link show cable1.50");
        assert!(
            shown.contains("vlan protocol 802.1Q id 50") && shown.contains("alias tierce"),
            "{shown}"
        );
        // The other host has the same VLAN on its end of the cable.
        world.there(|| {
            ip("link add link cable0 name cable0.50 type vlan id 50");
            ip("address add 10.9.50.2/24 dev cable0.50");
            ip("link set cable0.50 up");
        });
        let sandbox = networks.join(on(1, "tagged")).unwrap();
        let key = sandbox.key.clone().unwrap();
        inside(&key, || ip("address add 10.9.50.3/24 dev eth0"));
        serve(&world.other_host, 7002);
        assert_eq!(inside(&key, || ask("10.9.50.2:7002")).unwrap(), "ping 10.9.50.3");
        assert!(
            inside(&key, || ask((THERE, 7002))).is_err(),
            "untagged frames are of another network"
        );
        // A second network on the same parent keeps it.
        let spec = NetworkSpec {
            name: "more".into(),
            driver: "macvlan".into(),
            options: [("parent".to_owned(), "cable1.50".to_owned())].into(),
            ..NetworkSpec::default()
        };
        networks.create(spec).unwrap();
        networks.leave(&sandbox.container).unwrap();
        networks.remove(&network.id).unwrap();
        assert!(parent::is_ours("cable1.50").unwrap());
        let is_there = || Rtnetlink::open().unwrap().link("cable1.50").unwrap().is_some();
        assert!(is_there());
        networks.remove("more").unwrap();
        assert!(!is_there());
        // One that somebody else made stays, and a dockerd is not told otherwise.
        ip("link add link cable1 name cable1.60 type vlan id 60");
        assert!(!parent::is_ours("cable1.60").unwrap() && parent::is_ours("cable1.50").unwrap());
        let theirs = create(&networks, "theirs", "macvlan", &[("parent", "cable1.60")]).unwrap();
        networks.remove(&theirs.id).unwrap();
        assert!(Rtnetlink::open().unwrap().link("cable1.60").unwrap().is_some());
    });
}

#[test]
fn row_149_an_upper_interface_comes_and_goes_live_and_with_a_restart() {
    on_own_machine(|world| {
        let networks = world.controller();
        let Some(network) = create(&networks, "wire", "macvlan", &[]) else {
            return;
        };
        let dummy = format!("dm-{}", &network.id[..12]);
        assert!(
            ip("-d link").contains(&dummy),
            "a dummy is the parent of a network without one"
        );
        let sandbox = networks.join(wish(1)).unwrap();
        let to = Connect {
            container: sandbox.container.clone(),
            attachment: Attachment::to("wire"),
            ..Connect::default()
        };
        let both = networks.connect(&to).unwrap();
        let key = both.key.clone().unwrap();
        assert!(inside(&key, || ip("route")).contains("default via 172.17.0.1 dev eth0"));
        drop(networks);
        let networks = world.restored(&[&sandbox.container]);
        assert_eq!(networks.network("wire").unwrap(), network);
        let one = networks.disconnect(&to).unwrap();
        assert!(!inside(&key, || ip("link")).contains("eth1"));
        networks.leave(&one.container).unwrap();
        networks.remove("wire").unwrap();
        assert!(!ip("link").contains(&dummy));
    });
}

#[test]
fn row_147_an_interface_that_was_renamed_inside_goes_all_the_same() {
    on_own_machine(|world| {
        let networks = world.controller();
        if create(&networks, "wire", "macvlan", &[("parent", "cable1")]).is_none() {
            return;
        }
        let sandbox = networks.join(on(1, "wire")).unwrap();
        let key = sandbox.key.clone().unwrap();
        let both = Connect {
            container: sandbox.container.clone(),
            attachment: Attachment::to("bridge"),
            ..Connect::default()
        };
        inside(&key, || ip("link set eth0 down"));
        inside(&key, || ip("link set eth0 name mine"));
        inside(&key, || ip("link set mine up"));
        // The default route leads by what is called otherwise by now, and then back.
        networks.connect(&both).unwrap();
        networks.disconnect(&both).unwrap();
        assert!(inside(&key, || ip("route")).contains("dev mine"));
        networks.connect(&both).unwrap();
        let wire = Connect {
            attachment: Attachment::to("wire"),
            ..both
        };
        networks.disconnect(&wire).unwrap();
        let links = inside(&key, || ip("-o link"));
        assert!(!links.contains("mine") && links.contains("eth"), "{links}");
        networks.leave(&sandbox.container).unwrap();
    });
}

#[test]
fn refusals_of_upper_networks_are_dockers() {
    on_own_machine(|world| {
        let networks = world.controller();
        let refused = |driver: &str, option: &str, value: &str| {
            let spec = NetworkSpec {
                name: "bad".into(),
                driver: driver.into(),
                options: [(option.to_owned(), value.to_owned())].into(),
                ..NetworkSpec::default()
            };
            networks.create(spec).unwrap_err().to_string()
        };
        assert_eq!(
            refused("macvlan", "macvlan_mode", "foo"),
            "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default"
        );
        assert_eq!(
            refused("ipvlan", "ipvlan_mode", "foo"),
            "requested ipvlan mode 'foo' is not valid, 'l2' mode is the ipvlan driver default"
        );
        assert_eq!(
            refused("ipvlan", "ipvlan_flag", "foo"),
            "requested ipvlan flag 'foo' is not valid, 'bridge' is the ipvlan driver default"
        );
        assert_eq!(
            refused("macvlan", "parent", "lo"),
            "loopback interface is not a valid macvlan parent link"
        );
        assert_eq!(
            refused("ipvlan", "parent", "lo"),
            "loopback interface is not a valid ipvlan parent link"
        );
        assert!(networks.network("bad").is_err());
        let Some(first) = create(
            &networks,
            "first",
            "macvlan",
            &[("parent", "cable1"), ("macvlan_mode", "passthru")],
        ) else {
            return;
        };
        assert_eq!(
            refused("macvlan", "parent", "cable1"),
            format!(
                "macvlan network {} is already using parent interface cable1 in mode passthru",
                first.id
            )
        );
        assert_eq!(
            refused("macvlan", "parent", "eth77"),
            "invalid subinterface vlan name eth77, example formatting is eth0.10"
        );
        assert_eq!(
            refused("macvlan", "parent", "eth77.5"),
            "-o parent interface was not found on the host: eth77"
        );
    });
}
