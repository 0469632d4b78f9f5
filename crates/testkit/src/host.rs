//! A host of its own: a network namespace made by iproute2, removed with this value.

use crate::{Output, Run};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static SEQUENCE: AtomicU32 = AtomicU32::new(0);

/// A network namespace with a loopback interface.
#[derive(Debug)]
pub struct Host {
    name: String,
}

impl Host {
    /// Makes one.
    pub fn new() -> Self {
        let name = format!("tt-{}-{}", std::process::id(), SEQUENCE.fetch_add(1, Ordering::Relaxed));
        Command::new("ip").args(["netns", "add", &name]).run().ok();
        let host = Self { name };
        host.run(&["ip", "link", "set", "lo", "up"]).ok();
        host
    }

    /// The namespace's name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run here.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        // Not `ip netns exec`: it would give the program a /sys of its own, without control groups.
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.name))
            .arg("--")
            .arg(program);
        command
    }

    /// Runs a command here.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words[0]).args(&words[1..]).run()
    }

    /// Does something in this host's network, on a thread of its own.
    pub fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        inside(&self.name, what)
    }

    /// Joins two hosts by a cable with these addresses (`10.9.0.1/24`).
    pub fn connect(&self, own: &str, other: &Self, theirs: &str) {
        let (near, far) = (format!("{}a", &self.name[3..]), format!("{}b", &self.name[3..]));
        let (near, far) = (
            &near[near.len().saturating_sub(12)..],
            &far[far.len().saturating_sub(12)..],
        );
        self.run(&[
            "ip",
            "link",
            "add",
            near,
            "type",
            "veth",
            "peer",
            "name",
            far,
            "netns",
            &other.name,
        ])
        .ok();
        for (host, link, address) in [(self, near, own), (other, far, theirs)] {
            host.run(&["ip", "address", "add", address, "dev", link]).ok();
            host.run(&["ip", "link", "set", link, "up"]).ok();
        }
    }

    /// The links of this host, loopback left out.
    pub fn links(&self) -> Vec<String> {
        let links: serde_json::Value =
            serde_json::from_str(&self.run(&["ip", "-json", "link"]).ok()).expect("ip prints JSON");
        let names = links
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|link| link["ifname"].as_str());
        names.filter(|name| *name != "lo").map(str::to_owned).collect()
    }
}

/// Does something on a thread of this process that is on a host, and gives what came of it. Threads and sockets made by it
/// are on the host too.
pub(crate) fn inside<T: Send>(host: &str, what: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(format!("/run/netns/{host}")).expect("open the host's network namespace");
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network).expect("enter the host's network namespace");
            what()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        Command::new("ip").args(["netns", "delete", &self.name]).run();
    }
}
