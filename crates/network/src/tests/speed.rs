//! How long a sandbox takes. The numbers are printed; there are no bounds, for machines differ.

use std::collections::BTreeSet;
use std::time::Instant;

use super::world::*;
use crate::{Attachment, Connect, Join, NetworkSpec, Publication};

#[test]
fn fifty_containers_join_and_leave_in_parallel() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        for network in ["bridge", "own"] {
            let alone = Instant::now();
            for number in 1..=10 {
                networks.join(wish_on(network, number)).unwrap();
            }
            let alone = alone.elapsed() / 10;
            let leave = Instant::now();
            for number in 1..=10 {
                networks.leave(&wish(number).container).unwrap();
            }
            let leave = leave.elapsed() / 10;
            let together = Instant::now();
            std::thread::scope(|scope| {
                for number in 100..150 {
                    let networks = &networks;
                    scope.spawn(move || networks.join(wish_on(network, number)).unwrap());
                }
            });
            let together = together.elapsed();
            let address = |number| {
                let sandbox = networks.sandbox(&wish(number).container).unwrap();
                sandbox.primary().unwrap().1.address
            };
            let addresses: BTreeSet<_> = (100..150).map(address).collect();
            assert_eq!(addresses.len(), 50);
            let all = Instant::now();
            std::thread::scope(|scope| {
                for number in 100..150 {
                    let networks = &networks;
                    scope.spawn(move || networks.leave(&wish(number).container).unwrap());
                }
            });
            println!(
                "{network}: join {alone:?}, leave {leave:?}; 50 at once: join {together:?}, leave {:?}",
                all.elapsed()
            );
        }
    });
}

/// What many published ports cost: run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn many_published_ports() {
    on_own_machine(|world| {
        let networks = world.controller();
        networks.create(dual("own", &[])).unwrap();
        let single = |count: u16| {
            (0..count)
                .flat_map(|n| publish(&(20_000 + n).to_string(), "80/tcp"))
                .collect()
        };
        let range = |count: u16| {
            let one = |n: u16| publish(&(20_000 + n).to_string(), &format!("{}/tcp", 20_000 + n));
            (0..count).flat_map(one).collect()
        };
        let cases: [(&str, Vec<Publication>); 4] = [
            ("no port", Vec::new()),
            ("1,000 ports to one", single(1000)),
            ("a range of 1,000", range(1000)),
            ("a range of 10,000", range(10_000)),
        ];
        for (number, (what, ports)) in cases.into_iter().enumerate() {
            for network in ["bridge", "own"] {
                let (before, start) = (resident(), Instant::now());
                let join = Join {
                    ports: ports.clone(),
                    ..wish_on(network, number as u16)
                };
                let sandbox = networks.join(join).unwrap();
                let (joined, after, start) = (start.elapsed(), resident(), Instant::now());
                networks.leave(&sandbox.container).unwrap();
                println!(
                    "{what} on {network}: join {joined:?}, leave {:?}, {} KiB more",
                    start.elapsed(),
                    after.saturating_sub(before)
                );
            }
        }
    });
}

/// What hundreds of networks cost: run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn many_networks() {
    const COUNT: usize = 200;
    on_own_machine(|world| {
        let networks = world.controller();
        let name = |number: usize| format!("n{number}");
        let mut parts = Vec::new();
        for part in 0..4 {
            let start = Instant::now();
            for number in part * COUNT / 4..(part + 1) * COUNT / 4 {
                let spec = NetworkSpec {
                    name: name(number),
                    ..NetworkSpec::default()
                };
                networks.create(spec).unwrap();
            }
            parts.push(start.elapsed() * 4 / COUNT as u32);
        }
        println!("create, each, by quarters: {parts:?}");
        let start = Instant::now();
        assert_eq!(networks.warnings(), Vec::<String>::new());
        println!("warnings: {:?}", start.elapsed());
        let ports = (0..1000).flat_map(|port: u16| publish(&(20_000 + port).to_string(), "80/tcp"));
        let join = Join {
            attachments: (0..COUNT).map(|number| Attachment::to(name(number))).collect(),
            ports: ports.collect(),
            ..wish(1)
        };
        let start = Instant::now();
        let sandbox = networks.join(join).unwrap();
        println!("join of {COUNT} networks with 1,000 ports: {:?}", start.elapsed());
        let connect = Connect {
            container: sandbox.container.clone(),
            attachment: Attachment::to("bridge"),
            ..Connect::default()
        };
        let start = Instant::now();
        networks.connect(&connect).unwrap();
        println!("connect to one more: {:?}", start.elapsed());
        let start = Instant::now();
        networks.leave(&sandbox.container).unwrap();
        println!("leave: {:?}", start.elapsed());
        let start = Instant::now();
        for number in 0..COUNT {
            networks.remove(&name(number)).unwrap();
        }
        println!("remove, each: {:?}", start.elapsed() / COUNT as u32);
    });
}

/// KiB of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
