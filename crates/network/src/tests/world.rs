//! A machine of its own for each test: a thread in new network and mount namespaces, with a second "host" at the other
//! end of a cable. Everything vanishes with the thread.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::mount::{MountPropagationFlags, mount_change};
use tempfile::TempDir;
use tierce_links::{Plan, Rtnetlink};
use tierce_sys::namespaces::{Kinds, join, unshare};

use crate::*;

/// Address of this machine on the cable.
pub(crate) const HERE: &str = "10.9.0.1";
/// Address of the other host.
pub(crate) const THERE: &str = "10.9.0.2";
/// The same of IPv6.
pub(crate) const HERE6: &str = "fd00:9::1";
/// The same of IPv6.
pub(crate) const THERE6: &str = "fd00:9::2";

pub(crate) struct World {
    pub(crate) root: TempDir,
    pub(crate) other_host: PathBuf,
}

/// Runs `test` on a machine of its own.
pub(crate) fn on_own_machine(test: impl FnOnce(&World) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        if let Err(error) = unshare(Kinds::NETWORK | Kinds::MOUNT) {
            println!("skipped: no own namespaces: {error}");
            return;
        }
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        let world = World::build();
        test(&world);
        world.destroy();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl World {
    fn build() -> Self {
        let root = tempfile::Builder::new().prefix("tn").tempdir().unwrap();
        let other_host = root.path().join("other-host");
        let other = netns::Namespace::create(&other_host).unwrap();
        let mut plan = Plan::default();
        let mac = [2, 0, 0, 0, 0, 2];
        plan.create_veth("cable0", mac, 1500, "cable1", other.home())
            .look_up("cable0");
        let cable0 = other.route.apply(&plan).unwrap().remove(0);
        other.switch_ipv6_on("cable0").unwrap();
        let mut plan = Plan::default();
        for address in [format!("{THERE}/24"), format!("{THERE6}/64")] {
            plan.address(&cable0, address.parse().unwrap());
        }
        other.route.apply(&plan).unwrap();
        // A machine that is up for long has asked long ago whether somebody has its link-local address.
        std::fs::write("/proc/sys/net/ipv6/conf/cable1/accept_dad", "0").unwrap();
        let here = Rtnetlink::open().unwrap();
        let cable1 = here
            .apply(Plan::default().up("lo").up("cable1").look_up("cable1"))
            .unwrap()
            .remove(0);
        let mut plan = Plan::default();
        for address in [format!("{HERE}/24"), format!("{HERE6}/64")] {
            plan.address(&cable1, address.parse().unwrap());
        }
        here.apply(&plan).unwrap();
        Self { root, other_host }
    }

    fn destroy(self) {
        netns::unpin(&self.other_host).unwrap();
        for pin in std::fs::read_dir(self.root.path().join("run/netns"))
            .into_iter()
            .flatten()
            .flatten()
        {
            netns::unpin(&pin.path()).unwrap();
        }
        self.root.close().unwrap();
    }

    pub(crate) fn config(&self) -> Config {
        // Programs are built beside the folder of the tests.
        let programs = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
        let mut config = Config::new(self.root.path().join("data"), self.root.path().join("run"));
        config.names.program = programs.join(tierce_dns::PROGRAM);
        config.pools.push(tierce_ipam::Pool::unique_local("some host"));
        config
    }

    /// A controller that has been restored with nothing alive.
    pub(crate) fn controller(&self) -> Arc<Controller> {
        self.restored(&[])
    }

    pub(crate) fn restored(&self, alive: &[&str]) -> Arc<Controller> {
        let controller = Controller::open(self.config()).unwrap();
        let alive: Vec<_> = alive
            .iter()
            .map(|container| Alive {
                container: (*container).to_owned(),
            })
            .collect();
        let failures = controller.restore(&alive).unwrap();
        assert!(failures.is_empty(), "{failures:?}");
        controller
    }

    /// Runs something in the other host.
    pub(crate) fn there<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.other_host, work)
    }
}

/// Runs something in a pinned network namespace.
pub(crate) fn inside<T: Send>(pin: &Path, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(pin).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            join(file.as_fd(), Kinds::NETWORK).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// A wish to join the default bridge.
pub(crate) fn wish(number: u16) -> Join {
    Join {
        container: format!("{number:04x}").repeat(16),
        name: format!("c{number}"),
        attachments: vec![Attachment::to("bridge")],
        ..Join::default()
    }
}

/// A wish to join that network.
pub(crate) fn wish_on(network: &str, number: u16) -> Join {
    Join {
        attachments: vec![Attachment::to(network)],
        ..wish(number)
    }
}

/// A network with IPv4 and IPv6, with options of the bridge driver.
pub(crate) fn dual(name: &str, options: &[(&str, &str)]) -> NetworkSpec {
    let option = |(key, value): &(&str, &str)| (format!("com.docker.network.{key}"), (*value).to_owned());
    NetworkSpec {
        name: name.into(),
        ipv6: Some(true),
        options: options.iter().map(option).collect(),
        ..NetworkSpec::default()
    }
}

/// Both addresses of a sandbox.
pub(crate) fn addresses(sandbox: &Sandbox) -> (std::net::Ipv4Addr, std::net::Ipv6Addr) {
    let (_, link) = sandbox.primary().unwrap();
    (link.address.unwrap(), link.address6.unwrap())
}

pub(crate) fn publish(host: &str, port: &str) -> Vec<Publication> {
    let (address, host_port) = host.rsplit_once('|').unwrap_or(("", host));
    let binding = tierce_oci::container::PortBinding {
        host_ip: address.into(),
        host_port: host_port.into(),
    };
    let map = [(port.to_owned(), Some(vec![binding]))].into_iter().collect();
    Publication::from_bindings(&map, &[], false).unwrap()
}

/// A server that answers each connection with the caller's address; runs until its namespace's test ends.
pub(crate) fn serve(pin: &Path, port: u16) {
    let listener = inside(pin, || {
        TcpListener::bind(("::", port))
            .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
            .unwrap()
    });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut word = [0; 4];
            if stream.read_exact(&mut word).is_ok() {
                if &word == b"stop" {
                    return;
                }
                let peer = stream.peer_addr().unwrap().ip().to_canonical();
                let _ = stream.write_all(format!("{} {peer}", String::from_utf8_lossy(&word)).as_bytes());
            }
        }
    });
}

/// Asks such a server; the error's text on failure.
pub(crate) fn ask(address: impl ToSocketAddrs) -> Result<String, String> {
    let address = address.to_socket_addrs().unwrap().next().unwrap();
    ask_at(address).map_err(|error| error.to_string())
}

fn ask_at(address: SocketAddr) -> std::io::Result<String> {
    // A container answers to questions for its IPv6 address a moment after it has it; the second one comes after a second.
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(1300))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"ping")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A UDP server that answers with the caller's address.
pub(crate) fn serve_udp(pin: &Path, port: u16) {
    let socket = inside(pin, || {
        UdpSocket::bind(("::", port))
            .or_else(|_| UdpSocket::bind(("0.0.0.0", port)))
            .unwrap()
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if &buffer[..length] == b"stop" {
                return;
            }
            let _ = socket.send_to(format!("pong {}", peer.ip().to_canonical()).as_bytes(), peer);
        }
    });
}

pub(crate) fn ask_udp(local: &str, address: &str) -> Result<String, String> {
    let socket = UdpSocket::bind(local).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut buffer = [0; 64];
    let answer = socket
        .connect(address)
        .and_then(|()| socket.send(b"ping"))
        .and_then(|_| socket.recv(&mut buffer));
    answer
        .map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
        .map_err(|error| error.to_string())
}

pub(crate) fn ruleset() -> String {
    let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
