//! The network on one host: rows 141 to 143, 150, 151, 153, 157, 158.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, Host, wait_until};

const SERVER: &str = "mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w";

fn get(host: &Host, url: &str) -> String {
    host.run(&["curl", "--silent", "--max-time", "3", url]).stdout
}

fn serves(host: &Host, url: &str) {
    wait_until(url, Duration::from_secs(20), || get(host, url) == "page\n");
}

#[test]
fn row_141_row_142_rules_come_and_go_without_calling_programs() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "c1", "-p", "8080:80", &image, "sh", "-c", SERVER])
        .ok();
    let rules = daemon.host().run(&["nft", "list", "ruleset"]).ok();
    assert!(rules.contains("8080") && rules.contains("masquerade"), "{rules}");
    daemon.docker(&["rm", "-f", "c1"]).ok();
    assert!(!daemon.host().run(&["nft", "list", "ruleset"]).ok().contains("8080"));
    daemon.stop();
    assert_eq!(
        daemon.host().run(&["nft", "list", "ruleset"]).ok(),
        "",
        "no rule stays without daemon and containers"
    );
    daemon.launch();
}

#[test]
fn row_143_row_150_the_default_bridge_is_built_of_the_known_blocks() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "100"])
        .ok();
    let gateway = daemon.inspect("c1", "{{.NetworkSettings.Networks.bridge.Gateway}}");
    let address = daemon.inspect("c1", "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    let links = daemon.host().run(&["ip", "-d", "link"]).ok();
    assert!(
        links.contains("docker0") && links.contains("veth") && links.contains("bridge_slave"),
        "{links}"
    );
    assert!(
        daemon
            .host()
            .run(&["ip", "address", "show", "docker0"])
            .ok()
            .contains(&gateway)
    );
    let route = daemon.docker(&["exec", "c1", "ip", "route"]).ok();
    assert!(route.contains(&format!("default via {gateway} dev eth0")), "{route}");
    assert!(
        daemon
            .docker(&["exec", "c1", "ip", "address", "show", "eth0"])
            .ok()
            .contains(&address)
    );
    daemon.docker(&["exec", "c1", "ping", "-c1", "-W2", &gateway]).ok();
}

#[test]
fn row_150_outside_the_source_is_the_hosts_address() {
    let (daemon, image) = Daemon::with_busybox();
    let outside = Host::new();
    daemon.host().connect("198.51.100.1/24", &outside, "198.51.100.2/24");
    let capture = outside
        .command("timeout")
        .args([
            "5",
            "sh",
            "-c",
            "echo | nc -l -p 7777 -v -n 2>&1 || busybox nc -l -p 7777 -v 2>&1",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    daemon.docker(&["run", "--rm", &image, "sh", "-c", "echo x | nc -w1 198.51.100.2 7777"]);
    let text = String::from_utf8_lossy(&capture.wait_with_output().unwrap().stdout).into_owned();
    // The outside host has no way back to the bridge's addresses, so an answer at all proves the masquerade.
    assert!(!text.contains("172.17."), "{text}");
    daemon
        .docker(&["run", "--rm", &image, "ping", "-c1", "-W2", "198.51.100.2"])
        .ok();
}

#[test]
fn row_151_the_host_network_is_the_hosts() {
    let (daemon, image) = Daemon::with_busybox();
    let inside = daemon
        .docker(&["run", "--rm", "--network", "host", &image, "ls", "/sys/class/net"])
        .ok();
    assert!(inside.contains("docker0"), "{inside}");
    daemon
        .docker(&[
            "run",
            "-d",
            "--network",
            "host",
            "--name",
            "c1",
            &image,
            "sh",
            "-c",
            "mkdir /w; echo page > /w/index.html; exec httpd -f -p 8181 -h /w",
        ])
        .ok();
    serves(daemon.host(), "http://127.0.0.1:8181/");
}

#[test]
fn row_153_none_has_only_a_loopback() {
    let (daemon, image) = Daemon::with_busybox();
    let links = daemon
        .docker(&["run", "--rm", "--network", "none", &image, "ip", "-o", "link"])
        .ok();
    assert_eq!(links.lines().count(), 1, "{links}");
    assert!(links.contains("lo:") && links.contains("UP"), "{links}");
}

#[test]
fn row_157_a_published_port_is_reachable_from_everywhere_and_gone_after_stop() {
    let (daemon, image) = Daemon::with_busybox();
    let outside = Host::new();
    daemon.host().connect("198.51.100.1/24", &outside, "198.51.100.2/24");
    daemon
        .docker(&["run", "-d", "--name", "c1", "-p", "9901:80", &image, "sh", "-c", SERVER])
        .ok();
    serves(daemon.host(), "http://127.0.0.1:9901/");
    serves(daemon.host(), "http://198.51.100.1:9901/");
    serves(daemon.host(), "http://[::1]:9901/");
    serves(&outside, "http://198.51.100.1:9901/");
    let gateway = daemon.inspect("c1", "{{.NetworkSettings.Networks.bridge.Gateway}}");
    let fetch = format!("http://{gateway}:9901/");
    // Not `wget -T`: Debian's static busybox crashes with it.
    assert_eq!(
        daemon
            .docker(&["exec", "c1", "timeout", "10", "wget", "-qO-", &fetch])
            .ok(),
        "page",
        "hairpin"
    );
    assert_eq!(
        daemon
            .docker(&["run", "--rm", &image, "timeout", "10", "wget", "-qO-", &fetch])
            .ok(),
        "page",
        "neighbour"
    );
    daemon.docker(&["stop", "-t", "0", "c1"]).ok();
    assert_eq!(get(daemon.host(), "http://127.0.0.1:9901/"), "");
    assert_eq!(get(&outside, "http://198.51.100.1:9901/"), "");
}

#[test]
fn row_157_ports_can_be_chosen_ranged_and_bound_to_an_address() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            "-p",
            "127.0.0.1::80",
            "-p",
            "8000-8002:90-92",
            "-p",
            "53:53/udp",
            &image,
            "sh",
            "-c",
            SERVER,
        ])
        .ok();
    let ports = daemon.docker(&["port", "c1"]).ok();
    assert!(
        ports.contains("92/tcp -> 0.0.0.0:8002") && ports.contains("53/udp -> 0.0.0.0:53"),
        "{ports}"
    );
    let chosen = daemon.docker(&["port", "c1", "80"]).ok();
    serves(daemon.host(), &format!("http://{chosen}/"));
    assert_eq!(daemon.tierce(&["port", "c1"]).ok(), ports);
    daemon
        .docker(&[
            "run", "-d", "--name", "all", "-P", "--expose", "80", &image, "sh", "-c", SERVER,
        ])
        .ok();
    let chosen = daemon.docker(&["port", "all", "80"]).ok();
    let chosen = chosen.lines().next().unwrap().replace("0.0.0.0", "127.0.0.1");
    serves(daemon.host(), &format!("http://{chosen}/"));
}

#[test]
fn row_157_a_taken_port_is_refused_by_name() {
    let (daemon, image) = Daemon::with_busybox();
    daemon
        .docker(&["run", "-d", "--name", "first", "-p", "8080:80", &image, "sleep", "100"])
        .ok();
    let text = daemon
        .docker(&["run", "-d", "--name", "second", "-p", "8080:80", &image, "sleep", "100"])
        .fails(125);
    assert!(text.contains("port is already allocated"), "{text}");
    // The container is there and can be started once the port is free.
    daemon.docker(&["rm", "-f", "first"]).ok();
    daemon.docker(&["start", "second"]).ok();
    let listener = daemon
        .host()
        .command("busybox")
        .args(["nc", "-l", "-p", "9090"])
        .stdin(std::process::Stdio::piped())
        .spawn();
    let mut listener = listener.unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let text = daemon
        .docker(&["run", "-d", "-p", "9090:80", &image, "sleep", "100"])
        .fails(125);
    assert!(
        text.contains("address already in use") || text.contains("already allocated"),
        "{text}"
    );
    listener.kill().unwrap();
    listener.wait().unwrap();
}

#[test]
fn row_158_addresses_are_unique_and_come_back() {
    let (daemon, image) = Daemon::with_busybox();
    let address = |name: &str| daemon.inspect(name, "{{.NetworkSettings.Networks.bridge.IPAddress}}");
    let mut seen = std::collections::BTreeSet::new();
    for name in ["a1", "b1", "c1"] {
        daemon
            .docker(&["run", "-d", "--name", name, &image, "sleep", "100"])
            .ok();
        assert!(seen.insert(address(name)), "{seen:?}");
    }
    daemon
        .docker(&["exec", "a1", "ping", "-c1", "-W2", &address("b1")])
        .ok();
    daemon.docker(&["rm", "-f", "a1"]).ok();
    daemon.docker(&["stop", "-t", "0", "b1"]).ok();
    assert_eq!(address("b1"), "");
    daemon.docker(&["start", "b1"]).ok();
    assert!(!address("b1").is_empty());
}

#[test]
fn names_and_resolvers_are_generated() {
    let (daemon, image) = Daemon::with_busybox();
    let text = daemon
        .docker(&[
            "run",
            "--rm",
            "--dns",
            "10.9.8.7",
            "--add-host",
            "gw:host-gateway",
            &image,
            "cat",
            "/etc/resolv.conf",
            "/etc/hosts",
        ])
        .ok();
    assert!(text.contains("nameserver 10.9.8.7"), "{text}");
    assert!(
        text.lines()
            .any(|line| line.ends_with("\tgw") && !line.contains("host-gateway")),
        "{text}"
    );
}
