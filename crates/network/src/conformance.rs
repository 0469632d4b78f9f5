//! What every network driver must keep, tried on all of them.

use std::collections::BTreeMap;

use crate::drivers;
use crate::endpoint::Link;
use crate::netns::Namespace;
use crate::network::{Ipam, Network, NetworkKind};
use crate::tests::world::on_own_machine;

fn network(driver: &str) -> Network {
    let options = drivers::bridge::Options::of("conf0".into(), 1400);
    let (kind, ipam) = match driver {
        "bridge" => (
            NetworkKind::Bridge(options),
            Some(Ipam {
                gateway: Some("10.66.0.1".parse().unwrap()),
                configured: true,
                ..Ipam::of("10.66.0.0/24".parse().unwrap())
            }),
        ),
        "host" => (NetworkKind::Host, None),
        _ => (NetworkKind::None, None),
    };
    Network {
        id: "f".repeat(64),
        name: "conformance".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        kind,
        ipam,
        ipam6: None,
        internal: false,
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
            driver.create(&network).unwrap();
            driver.create(&network).unwrap();
            let pin = world.root.path().join(format!("conformance{number}"));
            let namespace = Namespace::create(&pin).unwrap();
            driver.attach(&network, &link, &namespace).unwrap();
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
