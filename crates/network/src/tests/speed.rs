//! How long a sandbox takes. The numbers are printed; the bounds are wide, for busy machines.

use std::time::{Duration, Instant};

use super::world::*;

#[test]
fn fifty_containers_join_and_leave_in_parallel() {
    on_own_machine(|world| {
        let networks = world.controller();
        let alone = Instant::now();
        for number in 1..=10 {
            networks.join(wish(number)).unwrap();
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
                scope.spawn(move || networks.join(wish(number)).unwrap());
            }
        });
        let together = together.elapsed();
        let mut addresses: Vec<_> = (100..150)
            .map(|number| {
                networks
                    .sandbox(&wish(number).container)
                    .unwrap()
                    .primary()
                    .unwrap()
                    .1
                    .address
            })
            .collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 50);
        let all = Instant::now();
        std::thread::scope(|scope| {
            for number in 100..150 {
                let networks = &networks;
                scope.spawn(move || networks.leave(&wish(number).container).unwrap());
            }
        });
        println!(
            "join {alone:?}, leave {leave:?}; 50 at once: join {together:?}, leave {:?}",
            all.elapsed()
        );
        assert!(together < Duration::from_secs(20));
    });
}
