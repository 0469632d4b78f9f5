//! What every network driver must keep, tried on all of them.

use std::collections::BTreeMap;

use tierce_ipam::Ipam;
use tierce_links::Rtnetlink;

use crate::drivers;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::{Configuration, Network, NetworkKind};
use crate::tests::world::on_own_machine;

fn network(driver: &str) -> Network {
    let id = "f".repeat(64);
    let options = drivers::bridge::Options::of("conf0".into(), 1400);
    let none = BTreeMap::new();
    let kind = match driver {
        "bridge" => NetworkKind::Bridge(options),
        // Each has a dummy as its parent.
        "macvlan" => NetworkKind::Macvlan(drivers::macvlan::Options::parse(&none, &id).unwrap()),
        "ipvlan" => NetworkKind::Ipvlan(drivers::ipvlan::Options::parse(&none, &id).unwrap()),
        "host" => NetworkKind::Host,
        _ => NetworkKind::None,
    };
    let ipam = Ipam {
        gateway: Some("10.66.0.1".parse().unwrap()),
        configured: true,
        ..Ipam::of("10.66.0.0/24".parse().unwrap())
    };
    let ipam = (!matches!(kind, NetworkKind::Host | NetworkKind::None)).then_some(ipam);
    Network {
        id,
        name: "conformance".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        kind,
        ipam,
        ipam6: None,
        configuration: Configuration::Own,
        idle: Vec::new(),
        internal: false,
        attachable: false,
        ipam_options: None,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
    }
}

#[test]
fn every_driver_may_be_asked_twice() {
    on_own_machine(|world| {
        for (number, driver) in drivers::all().into_iter().enumerate() {
            let network = network(driver.name());
            assert_eq!(network.driver(), driver.name());
            let mut link = Link::named("eth0".into(), format!("vethconf{number}"));
            link.mac = "02:42:0a:42:00:02".parse().unwrap();
            link.address = Some("10.66.0.2".parse().unwrap());
            link.prefix_length = 24;
            link.gateway = Some("10.66.0.1".parse().unwrap());
            let names = || {
                let links = Rtnetlink::open().unwrap().links().unwrap();
                links.into_iter().map(|link| link.name).collect::<Vec<_>>()
            };
            let before = names();
            if let Err(error) = driver.create(&network) {
                let text = error.to_string();
                assert!(text.contains("this kernel has no interfaces of this kind"), "{text}");
                println!("skipped: driver {}: {text}", driver.name());
                // A refusal leaves nothing, and removing that again is no error.
                driver.remove(&network).unwrap();
                assert_eq!(names(), before, "{}", driver.name());
                continue;
            }
            driver.create(&network).unwrap();
            let pin = world.root.path().join(format!("conformance{number}"));
            let namespace = Namespace::create(&pin).unwrap();
            driver.attach(&network, &mut link, &namespace).unwrap();
            let is_there = || namespace.route.link(&link.interface).unwrap().is_some();
            assert_eq!(is_there(), network.ipam.is_some(), "{}", driver.name());
            driver.rejoin(&network, &link).unwrap();
            driver.detach(&network, &link).unwrap();
            // The namespace goes on without it.
            driver.withdraw(&link, &namespace).unwrap();
            driver.withdraw(&link, &namespace).unwrap();
            assert!(!is_there(), "{}", driver.name());
            driver.attach(&network, &mut link, &namespace).unwrap();
            driver.detach(&network, &link).unwrap();
            driver.detach(&network, &link).unwrap();
            drop(namespace);
            crate::netns::unpin(&pin).unwrap();
            crate::netns::unpin(&pin).unwrap();
            driver.detach(&network, &link).unwrap();
            driver.remove(&network).unwrap();
            driver.remove(&network).unwrap();
            assert_eq!(driver.rules(&network, "t"), driver.rules(&network, "t"));
        }
    });
}
