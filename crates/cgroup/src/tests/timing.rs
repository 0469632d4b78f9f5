//! Not assertions but numbers to quote: `cargo test --release -p tierce-cgroup -- --ignored --nocapture timing`.

use super::{Group, resources};
use crate::{Driver, open};
use std::time::{Duration, Instant};

fn report(label: &str, samples: &mut [Duration]) {
    samples.sort();
    println!(
        "{label}: median {:?}, greatest {:?}",
        samples[samples.len() / 2],
        samples[samples.len() - 1]
    );
}

#[test]
#[ignore = "a measurement"]
fn timing_of_a_containers_group() {
    let with_limits = format!(
        r#"{}, "memory":{{"limit":67108864,"swap":134217728,"disableOOMKiller":false}},"cpu":{{"quota":50000,"period":100000}},"pids":{{"limit":100}}}}"#,
        super::devices::DOCKER.trim_end_matches('}')
    );
    for (name, make) in [("v1", Group::v1 as fn() -> Option<Group>), ("v2", Group::v2)] {
        let json = if name == "v1" {
            with_limits.as_str()
        } else {
            super::devices::DOCKER
        };
        let resources = resources(json);
        let mut phases: [(&str, Vec<Duration>); 4] = ["create", "set", "enter", "delete"].map(|phase| (phase, vec![]));
        for _ in 0..50 {
            let Some(group) = make() else { return };
            let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
            let mut time = |phase: usize, work: &mut dyn FnMut()| {
                let start = Instant::now();
                work();
                phases[phase].1.push(start.elapsed());
            };
            time(0, &mut || group.create().unwrap());
            time(1, &mut || group.set(&resources).unwrap());
            time(2, &mut || group.enter(child.id()).unwrap());
            child.kill().unwrap();
            child.wait().unwrap();
            time(3, &mut || group.delete().unwrap());
        }
        for (phase, samples) in &mut phases {
            report(&format!("{name} {phase}"), samples);
        }
    }
    let mut samples: Vec<Duration> = (0..100)
        .map(|_| {
            let start = Instant::now();
            open("/docker/x", Driver::Cgroupfs, &std::collections::BTreeMap::new()).unwrap();
            start.elapsed()
        })
        .collect();
    report("open", &mut samples);
}
