//! Row 144: a network made by hand with `ip` and `nft`, and the same network made with `network create`.
//!
//! Read it from top to bottom; `docs/networking.md` tells it in a table. Each step adds one thing by hand, names the command
//! that gets as far with ours, and then asks of both who is reached and who is not. The two worlds look alike:
//!
//! ```text
//! first  10.2.0.2 ┐
//!                 ├ bridge 10.2.0.1 ─ router 198.51.100.1 ─── 198.51.100.2 outside 203.0.113.1 ─── 203.0.113.2 far
//! second 10.2.0.3 ┘
//! ```
//!
//! By hand all of these are network namespaces. With ours the router is the daemon's host, and first and second are
//! containers.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, Host, ImageBuilder, wait_until};

const SECOND: &str = "10.2.0.3";
const BRIDGE: &str = "10.2.0.1";
const ROUTER: &str = "198.51.100.1";
const OUTSIDE: &str = "198.51.100.2";
const FAR: &str = "203.0.113.2";

#[test]
fn row_144_the_hand_made_network_and_ours_step_by_step() {
    let hand = ByHand::new();
    let ours = Ours::new();
    let (by_hand, with_ours) = (
        |address: &str| hand.first_reaches(address),
        |address: &str| ours.first_reaches(address),
    );
    let reached = |address| both_reach(&by_hand, &with_ours, address);
    let not_reached = |address, why| neither_reaches(&by_hand, &with_ours, address, why);

    // 1. Two network namespaces know nothing of each other, and two containers without a network do not either.
    ours.containers_on("none");
    not_reached(SECOND, "nothing joins them");

    // 2. A bridge, and a veth pair to it for each: the two reach each other and nobody else.
    hand.on_router("ip link add br0 type bridge; ip link set br0 up");
    hand.plug_in(&hand.first, "first", "10.2.0.2/24");
    hand.plug_in(&hand.second, "second", "10.2.0.3/24");
    ours.network("--internal -o com.docker.network.bridge.gateway_mode_ipv4=isolated");
    reached(SECOND);
    not_reached(BRIDGE, "the bridge has no address");

    // 3. The bridge gets an address: the host is one of them.
    hand.on_router("ip address add 10.2.0.1/24 dev br0");
    ours.network("--internal");
    reached(BRIDGE);
    not_reached(ROUTER, "there is no default route");

    // 4. The bridge's address is their default gateway: they reach every address of the host.
    for node in [&hand.first, &hand.second] {
        shell(node, "ip route add default via 10.2.0.1");
    }
    ours.network("");
    ours.on_host("echo 0 > /proc/sys/net/ipv4/ip_forward");
    reached(ROUTER);
    not_reached(OUTSIDE, "the host does not forward");

    // 5. The host forwards: their packets get out, with addresses that nobody outside knows a way to.
    hand.on_router("echo 1 > /proc/sys/net/ipv4/ip_forward");
    ours.on_host("echo 1 > /proc/sys/net/ipv4/ip_forward");
    ours.network("-o com.docker.network.bridge.enable_ip_masquerade=false");
    not_reached(OUTSIDE, "no answer finds back");

    // 6. What leaves gets the host's address: answers find back to it, and it knows for whom they are.
    hand.on_router("nft add table ip nat");
    hand.on_router("nft add chain ip nat POSTROUTING '{ type nat hook postrouting priority 100; }'");
    hand.on_router("nft add rule ip nat POSTROUTING ip saddr 10.2.0.0/24 oifname != br0 masquerade");
    ours.network("");
    reached(OUTSIDE);

    // 7. Another program drops what is forwarded: an acceptance for the bridge has to stand in its own chain.
    let drops = "nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'";
    hand.on_router(drops);
    ours.on_host(drops);
    not_reached(OUTSIDE, "what is forwarded is dropped");
    let accepts = |bridge: &str| {
        format!(
            "nft insert rule ip filter FORWARD iifname {bridge} accept;
             nft insert rule ip filter FORWARD oifname {bridge} accept"
        )
    };
    hand.on_router(&accepts("br0"));
    ours.on_host(&accepts(&ours.bridge()));
    reached(OUTSIDE);

    // 8. Beyond the neighbour: the neighbour has to do for the host what the host does for them.
    hand.on_router("ip route add default via 198.51.100.2");
    ours.on_host("ip route add default via 198.51.100.2");
    not_reached(FAR, "the neighbour does not forward");
    let second_hop = "echo 1 > /proc/sys/net/ipv4/ip_forward;
                      nft 'table ip nat { chain POSTROUTING { type nat hook postrouting priority 100; masquerade; }; }'";
    shell(&hand.outside, second_hop);
    shell(&ours.outside, second_hop);
    reached(FAR);
}

/// The world of network namespaces.
struct ByHand {
    first: Host,
    second: Host,
    router: Host,
    outside: Host,
    _far: Host,
}

impl ByHand {
    /// All of them, with cables from the router to the outside and on; nothing is on the router's inner side yet.
    fn new() -> Self {
        let router = Host::new();
        let (outside, far) = beyond(&router);
        Self {
            first: Host::new(),
            second: Host::new(),
            router,
            outside,
            _far: far,
        }
    }

    /// A veth pair between a node and the bridge, with an address on the node's end.
    fn plug_in(&self, node: &Host, name: &str, address: &str) {
        let namespace = node.name();
        self.on_router(&format!(
            "ip link add {name} type veth peer name eth0 netns {namespace}"
        ));
        self.on_router(&format!("ip link set {name} master br0 up"));
        shell(node, &format!("ip address add {address} dev eth0; ip link set eth0 up"));
    }

    fn on_router(&self, script: &str) {
        shell(&self.router, script);
    }

    fn first_reaches(&self, address: &str) -> bool {
        self.first.run(&["ping", "-c1", "-W1", address]).code == 0
    }
}

/// The world of the daemon.
struct Ours {
    daemon: Daemon,
    image: String,
    outside: Host,
    _far: Host,
}

impl Ours {
    /// The daemon's host with the same cables.
    fn new() -> Self {
        let mut daemon = Daemon::start();
        let image = daemon.add_image(&ImageBuilder::busybox(), "busybox");
        let (outside, far) = beyond(daemon.host());
        Self {
            daemon,
            image,
            outside,
            _far: far,
        }
    }

    /// The network anew, made with these flags, with both containers on it.
    fn network(&self, flags: &str) {
        self.docker("rm -f first second");
        self.daemon.docker(&["network", "rm", "net"]);
        self.docker(&format!("network create --subnet 10.2.0.0/24 {flags} net"));
        for (name, address) in [("first", "10.2.0.2"), ("second", SECOND)] {
            let image = &self.image;
            self.docker(&format!(
                "run -d --name {name} --network net --ip {address} {image} sleep 1000"
            ));
        }
    }

    /// Both containers, on a network that is there.
    fn containers_on(&self, network: &str) {
        for name in ["first", "second"] {
            self.docker(&format!(
                "run -d --name {name} --network {network} {} sleep 1000",
                self.image
            ));
        }
    }

    fn docker(&self, line: &str) -> String {
        self.daemon.docker(&line.split_whitespace().collect::<Vec<_>>()).ok()
    }

    fn on_host(&self, script: &str) {
        shell(self.daemon.host(), script);
    }

    fn bridge(&self) -> String {
        format!("br-{}", &self.docker("network inspect --format {{.Id}} net")[..12])
    }

    fn first_reaches(&self, address: &str) -> bool {
        self.daemon
            .docker(&["exec", "first", "ping", "-c1", "-W1", address])
            .code
            == 0
    }
}

/// What is behind a router: the neighbour, and the neighbour's neighbour.
fn beyond(router: &Host) -> (Host, Host) {
    let (outside, far) = (Host::new(), Host::new());
    router.connect("198.51.100.1/24", &outside, "198.51.100.2/24");
    outside.connect("203.0.113.1/24", &far, "203.0.113.2/24");
    (outside, far)
}

fn shell(host: &Host, script: &str) {
    host.run(&["sh", "-ec", script]).ok();
}

/// A link that is new takes its time on a busy machine.
fn both_reach(by_hand: &dyn Fn(&str) -> bool, with_ours: &dyn Fn(&str) -> bool, address: &str) {
    let patience = Duration::from_secs(20);
    wait_until(&format!("by hand: {address}"), patience, || by_hand(address));
    wait_until(&format!("with ours: {address}"), patience, || with_ours(address));
}

/// One try each.
fn neither_reaches(by_hand: &dyn Fn(&str) -> bool, with_ours: &dyn Fn(&str) -> bool, address: &str, why: &str) {
    assert!(!by_hand(address), "by hand {address} is reached, although {why}");
    assert!(!with_ours(address), "with ours {address} is reached, although {why}");
}
