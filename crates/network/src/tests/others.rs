//! Other programs of the host change what is ours, or what is near it.

use std::time::{Duration, Instant};

use super::world::*;
use crate::*;

pub(super) fn nft(arguments: &str) {
    let output = std::process::Command::new("nft")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "nft {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn row_142_rules_that_others_flush_come_back() {
    on_own_machine(|world| {
        let networks = world.controller();
        let watching = watch(&networks).unwrap();
        let ports = publish("9921", "80/tcp");
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        serve(sandbox.key.as_ref().unwrap(), 80);
        let before = ruleset();
        for deed in [
            "flush ruleset",
            "delete table ip tierce",
            "flush chain ip tierce forward",
            "delete element ip tierce bridges { \"docker0\" }",
        ] {
            nft(deed);
            until(deed, || ruleset() == before);
            world.there(|| ask((HERE, 9921))).unwrap();
        }
        // A container that comes while nothing is there does not fail.
        nft("flush ruleset");
        let ports = publish("9922", "80/tcp");
        let second = networks.join(Join { ports, ..wish(2) }).unwrap();
        until("both ports", || {
            ruleset().contains("9921") && ruleset().contains("9922")
        });
        nft("flush ruleset");
        networks.leave(&second.container).unwrap();
        until("the one port", || ruleset() == before);
        networks.leave(&sandbox.container).unwrap();
        drop(watching);
        networks.shutdown().unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn row_142_the_administrators_chain_decides_first_and_stays() {
    on_own_machine(|world| {
        let networks = world.controller();
        let watching = watch(&networks).unwrap();
        let ports = publish("9923", "80/tcp");
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        serve(sandbox.key.as_ref().unwrap(), 80);
        world.there(|| ask((HERE, 9923))).unwrap();
        nft("add rule ip tierce admin meta l4proto tcp ct original proto-dst 9923 iifname cable1 drop");
        assert!(world.there(|| ask((HERE, 9923))).is_err());
        ask((HERE, 9923)).unwrap();
        nft("flush chain ip tierce forward");
        until("the rules", || ruleset().contains("jump admin"));
        assert!(world.there(|| ask((HERE, 9923))).is_err());
        drop(watching);
        drop(networks);
        let networks = world.restored(&[&sandbox.container]);
        assert!(world.there(|| ask((HERE, 9923))).is_err());
        networks.leave(&sandbox.container).unwrap();
        networks.shutdown().unwrap();
        let left = ruleset();
        assert!(left.contains("proto-dst 9923") && !left.contains("hook"), "{left}");
    });
}

#[test]
fn row_158_routes_that_come_later_are_told_and_avoided() {
    on_own_machine(|world| {
        let networks = world.controller();
        let spec = |name: &str| NetworkSpec {
            name: name.into(),
            ..NetworkSpec::default()
        };
        let first = networks.create(spec("first")).unwrap();
        let subnet = first.ipam.as_ref().unwrap().subnet.to_string();
        assert_eq!(subnet, "172.17.1.0/24");
        assert_eq!(networks.warnings(), Vec::<String>::new());
        // A VPN is dialled: its route is as specific as ours, or wider.
        ip("route add 172.17.0.0/22 via 10.9.0.2 dev cable1");
        let warnings = networks.warnings();
        let expected = "the host's route to 172.17.0.0/22 by cable1 collides with network first (172.17.1.0/24)";
        assert!(
            warnings.iter().any(|warning| warning.starts_with(expected)),
            "{warnings:?}"
        );
        let second = networks.create(spec("second")).unwrap();
        assert_eq!(second.ipam.as_ref().unwrap().subnet.to_string(), "172.17.4.0/24");
        let taken = NetworkSpec {
            subnets: vec![SubnetSpec::of("172.17.2.0/24".parse().unwrap())],
            ..spec("third")
        };
        let error = networks.create(taken).unwrap_err().to_string();
        assert!(
            error.contains("172.17.2.0/24 overlaps with 172.17.0.0/22 (host route by cable1)"),
            "{error}"
        );
    });
}
