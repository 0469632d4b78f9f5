//! What is finite runs out: addresses, the kernel's table of connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use tierce_fault::{Fault as _, Kind};

use super::world::*;
use crate::*;

/// A network with five addresses for containers.
fn small(networks: &Controller) {
    let spec = NetworkSpec {
        name: "small".into(),
        subnets: vec![SubnetSpec::of("10.74.0.0/29".parse().unwrap())],
        ..NetworkSpec::default()
    };
    networks.create(spec).unwrap();
}

#[test]
fn row_158_a_full_network_refuses_by_name_and_goes_on() {
    on_own_machine(|world| {
        let networks = world.controller();
        small(&networks);
        // Twice as many at once as there is room for.
        let joined: Vec<_> = std::thread::scope(|scope| {
            let joins = (1..=10).map(|number| {
                let networks = &networks;
                scope.spawn(move || networks.join(wish_on("small", number)))
            });
            let joins: Vec<_> = joins.collect();
            joins.into_iter().map(|join| join.join().unwrap()).collect()
        });
        let (there, refused): (Vec<_>, Vec<_>) = joined.into_iter().partition(Result::is_ok);
        let mut addresses: Vec<_> = there
            .iter()
            .map(|sandbox| sandbox.as_ref().unwrap().primary().unwrap().1.address.unwrap().octets()[3])
            .collect();
        addresses.sort_unstable();
        assert_eq!(addresses, [2, 3, 4, 5, 6]);
        for refusal in &refused {
            let error = refusal.as_ref().unwrap_err();
            assert_eq!(error.kind(), Kind::Exhausted);
            assert!(error.to_string().contains("10.74.0.0/29"), "{error}");
        }
        assert_eq!(refused.len(), 5);
        assert_eq!(
            ip("-o link show type veth").matches("master").count(),
            5,
            "a refusal leaves nothing"
        );
        let first = there[0].as_ref().unwrap();
        networks.leave(&first.container).unwrap();
        let next = networks.join(wish_on("small", 11)).unwrap();
        assert_eq!(next.primary().unwrap().1.address, first.primary().unwrap().1.address);
    });
}

#[test]
fn row_158_of_two_that_want_one_address_at_once_one_gets_it() {
    on_own_machine(|world| {
        let networks = world.controller();
        small(&networks);
        for round in 0..10 {
            let with = |number| {
                let attachment = Attachment {
                    address: Some("10.74.0.5".parse().unwrap()),
                    ..Attachment::to("small")
                };
                let join = Join {
                    attachments: vec![attachment],
                    ..wish(number)
                };
                networks.join(join)
            };
            let joined = std::thread::scope(|scope| {
                let two = [2 * round + 1, 2 * round + 2].map(|number| scope.spawn(move || with(number)));
                two.map(|join| join.join().unwrap())
            });
            let (there, refused): (Vec<_>, Vec<_>) = joined.into_iter().partition(Result::is_ok);
            let (Some(Ok(there)), Some(Err(refused))) = (there.first(), refused.first()) else {
                panic!("{there:?} {refused:?}");
            };
            let holder = format!("Address already in use: 10.74.0.5 is held by {}", there.name);
            assert_eq!(refused.to_string(), holder);
            networks.leave(&there.container).unwrap();
        }
    });
}

/// All network namespaces have this limit of the first one in common: not on a machine that others use.
#[test]
#[ignore = "changes nf_conntrack_max of the whole machine"]
fn row_145_a_full_table_of_connections_is_named_and_stops_no_container() {
    const LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
    let before = std::fs::read_to_string(LIMIT).unwrap();
    let (limit, limits) = mpsc::channel::<String>();
    let (set, done) = mpsc::channel();
    // This thread stays in the namespace that may change it.
    let setting = std::thread::spawn(move || {
        for limit in limits {
            std::fs::write(LIMIT, limit).unwrap();
            // In the end nobody waits for it.
            let _ = set.send(());
        }
    });
    let last = limit.clone();
    on_own_machine(move |world| {
        let change = |to: String| {
            limit.send(to).unwrap();
            done.recv().unwrap();
        };
        let networks = world.controller();
        let ports = publish("9936", "80/tcp");
        let sandbox = networks.join(Join { ports, ..wish(1) }).unwrap();
        serve(sandbox.key.as_ref().unwrap(), 80);
        let here = SocketAddr::new(HERE.parse().unwrap(), 9936);
        let call = || world.there(|| TcpStream::connect_timeout(&here, Duration::from_millis(700)));
        let mut first = call().unwrap();
        let table =
            |what: &str| std::fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{what}")).unwrap();
        let used: u32 = table("count").trim().parse().unwrap();
        change((used + 20).to_string());
        let held: Vec<_> = (0..100).map_while(|_| call().ok()).collect();
        assert!(held.len() < 100, "{} of {}", table("count"), table("max"));
        // Who was there before goes on.
        first.write_all(b"ping").unwrap();
        let mut word = [0; 4];
        first.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"ping");
        let findings = diagnose(&networks, None, &[]).unwrap();
        let names: Vec<_> = findings.findings.iter().map(|finding| finding.subject.name()).collect();
        assert!(names.contains(&"conntrack"), "{names:?}");
        let second = networks.join(wish(2)).unwrap();
        networks.leave(&second.container).unwrap();
        change("65536".to_owned());
        call().unwrap();
        networks.leave(&sandbox.container).unwrap();
    });
    last.send(before).unwrap();
    drop(last);
    setting.join().unwrap();
}
