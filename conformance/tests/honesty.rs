//! Rows 142, 145 and 157: who reaches a container is what the daemon says, and what is wrong has a name.
//!
//! Each test has a machine of its own (a network namespace), whose settings it may break.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, Host, Output, wait_until};

const SERVER: &str = "mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w";
const INPUT_DROPS: &str = "table inet ufw { chain input { type filter hook input priority 0; policy drop; \
                           ct state established,related accept; iif lo accept; tcp dport 22 accept; }; }";

fn get(host: &Host, url: &str) -> Output {
    host.run(&["curl", "--silent", "--max-time", "2", url])
}

fn serves(host: &Host, url: &str) {
    wait_until(url, Duration::from_secs(20), || get(host, url).stdout == "page\n");
}

/// One try, for what shall not get through.
fn pings(daemon: &Daemon, container: &str, address: &str) -> bool {
    let words = ["exec", container, "ping", "-c1", "-W1", address];
    daemon.docker(&words).code == 0
}

/// A link that is new takes its time on a busy machine.
fn container_reaches(daemon: &Daemon, container: &str, address: &str) {
    wait_until(address, Duration::from_secs(20), || pings(daemon, container, address));
}

/// A daemon's machine with a neighbour at the other end of a cable.
fn with_neighbour(flags: &[&str]) -> (Daemon, String, Host) {
    let mut daemon = Daemon::start_with(flags);
    let image = daemon.add_image(&tierce_testkit::ImageBuilder::busybox(), "busybox");
    let outside = Host::new();
    daemon.host().connect("198.51.100.1/24", &outside, "198.51.100.2/24");
    (daemon, image, outside)
}

fn ports(daemon: &Daemon, format: &str) -> String {
    daemon.tierce(&["ports", "--format", format]).ok()
}

#[test]
fn row_157_ports_tells_who_can_reach_what_by_the_rules_in_force() {
    let (daemon, image, outside) = with_neighbour(&[]);
    for (name, port) in [
        ("all", "8080:80"),
        ("near", "127.0.0.1:8081:80"),
        ("one", "198.51.100.1:8082:80"),
    ] {
        daemon
            .docker(&["run", "-d", "--name", name, "-p", port, &image, "sh", "-c", SERVER])
            .ok();
    }
    serves(&outside, "http://198.51.100.1:8080/");
    serves(&outside, "http://198.51.100.1:8082/");
    let line = "{{.Name}} {{.Published}} {{.Way}} | {{.ReachableFrom}} | {{.HostFirewall}}";
    let told = ports(&daemon, line);
    let link = told
        .split("other hosts by ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    for expected in [
        &format!("all 0.0.0.0:8080 kernel | this host, containers, other hosts by {link} (198.51.100.1) | -"),
        &format!("one 198.51.100.1:8082 kernel | this host, containers, other hosts by {link} (198.51.100.1) | -"),
        "near 127.0.0.1:8081 kernel | this host | -",
    ] {
        assert!(told.contains(expected), "{expected}{told}");
    }
    // A firewall that lets nothing in does not keep others from the container, and `ports` says so.
    daemon.host().run(&["nft", INPUT_DROPS]).ok();
    assert_eq!(get(&outside, "http://198.51.100.1:8080/").stdout, "page\n");
    assert!(
        ports(&daemon, line).contains("BYPASSES inet ufw input"),
        "{}",
        ports(&daemon, line)
    );
    // One that forwards nothing does.
    let forward = "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }";
    daemon.host().run(&["nft", forward]).ok();
    assert_eq!(get(&outside, "http://198.51.100.1:8080/").stdout, "");
    let told = ports(&daemon, line);
    assert!(
        told.contains("all 0.0.0.0:8080 kernel | this host | blocked by ip filter FORWARD"),
        "{told}"
    );
    // The administrator's own chain is looked at as the others are.
    daemon.host().run(&["nft", "delete", "table", "ip", "filter"]).ok();
    let rule = format!("add rule ip tierce admin iifname \"{link}\" drop");
    daemon.host().run(&["nft", &rule]).ok();
    assert_eq!(get(&outside, "http://198.51.100.1:8080/").stdout, "");
    assert!(
        ports(&daemon, line).contains("blocked by ip tierce forward"),
        "{}",
        ports(&daemon, line)
    );
    let only = daemon.tierce(&["ports", "near", "--format", "{{.Name}}"]).ok();
    assert_eq!(only, "near");
    let refused = daemon.tierce(&["ports", "nobody"]);
    assert!(
        refused.stderr.contains("No such container: nobody"),
        "{}",
        refused.stderr
    );
}

#[test]
fn ask_001_a_host_that_lets_nothing_in_can_be_obeyed() {
    let (daemon, image, outside) = with_neighbour(&["--firewall-obey-host"]);
    daemon
        .docker(&["run", "-d", "--name", "c1", "-p", "8080:80", &image, "sh", "-c", SERVER])
        .ok();
    serves(daemon.host(), "http://127.0.0.1:8080/");
    serves(&outside, "http://198.51.100.1:8080/");
    daemon.host().run(&["nft", INPUT_DROPS]).ok();
    assert_eq!(get(&outside, "http://198.51.100.1:8080/").stdout, "");
    serves(daemon.host(), "http://127.0.0.1:8080/");
    let line = "{{.ReachableFrom}} | {{.HostFirewall}}";
    let told = ports(&daemon, line);
    assert!(told.contains("this host | blocked by inet ufw input"), "{told}");
    // What the administrator lets in comes in: by port, or by who asks.
    let rule = [
        "insert",
        "rule",
        "inet",
        "ufw",
        "input",
        "ip",
        "saddr",
        "198.51.100.2",
        "tcp",
        "dport",
        "8080",
        "accept",
    ];
    daemon.host().run(&[&["nft"][..], &rule].concat()).ok();
    serves(&outside, "http://198.51.100.1:8080/");
    let told = ports(&daemon, line);
    assert!(told.contains("some other hosts by"), "{told}");
}

#[test]
fn row_157_ports_are_published_on_the_default_address_that_the_daemon_was_given() {
    let (daemon, image, outside) = with_neighbour(&["--publish-default-address", "127.0.0.1"]);
    daemon
        .docker(&["run", "-d", "--name", "c1", "-p", "8080:80", &image, "sh", "-c", SERVER])
        .ok();
    serves(daemon.host(), "http://127.0.0.1:8080/");
    assert_eq!(get(&outside, "http://198.51.100.1:8080/").stdout, "");
    assert_eq!(
        ports(&daemon, "{{.Published}} {{.ReachableFrom}}"),
        "127.0.0.1:8080 this host"
    );
}

#[test]
fn row_142_rules_that_others_flush_are_back_and_the_log_says_who_it_was() {
    let (daemon, image, outside) = with_neighbour(&[]);
    daemon
        .docker(&["run", "-d", "--name", "c1", "-p", "8080:80", &image, "sh", "-c", SERVER])
        .ok();
    serves(&outside, "http://198.51.100.1:8080/");
    daemon.host().run(&["nft", "flush", "ruleset"]).ok();
    serves(&outside, "http://198.51.100.1:8080/");
    wait_until("the log", Duration::from_secs(10), || {
        daemon.log().contains("changed the packet filter's table")
    });
    assert!(daemon.log().contains("nft ("), "{}", daemon.log());
    container_reaches(&daemon, "c1", "198.51.100.2");
}

fn bridge_of(daemon: &Daemon, network: &str) -> String {
    let id = daemon
        .docker(&["network", "inspect", "--format", "{{.Id}}", network])
        .ok();
    format!("br-{}", &id[..12])
}

#[test]
fn row_145_diagnose_names_what_is_broken_and_its_command_mends_it() {
    let (daemon, image, _outside) = with_neighbour(&[]);
    daemon.docker(&["network", "create", "net"]).ok();
    daemon
        .docker(&["run", "-d", "--name", "c1", "--network", "net", &image, "sleep", "300"])
        .ok();
    let bridge = bridge_of(&daemon, "net");
    let key = daemon.inspect("c1", "{{.NetworkSettings.SandboxKey}}");
    let shell = |script: &str| daemon.host().run(&["sh", "-c", script]).ok();
    // There is no DNS server in this test's world; the rest is as it should be.
    let subjects = || {
        let told = daemon.tierce(&["network", "diagnose", "c1", "--format", "json"]).stdout;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let findings = told["Findings"].as_array().unwrap();
        let named = findings
            .iter()
            .map(|finding| finding["Subject"].as_str().unwrap().to_owned());
        named.filter(|subject| subject != "DNS").collect::<Vec<_>>()
    };
    assert_eq!(subjects(), Vec::<String>::new());
    container_reaches(&daemon, "c1", "198.51.100.2");
    let inside = format!("nsenter --net={key} ip route del default");
    let away = format!("ip address flush dev {bridge}");
    let forward = "nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'";
    for (breaks, subject) in [
        ("echo 0 > /proc/sys/net/ipv4/ip_forward", "forwarding"),
        (forward, "FORWARD policy"),
        (inside.as_str(), "gateway"),
        (away.as_str(), "gateway"),
    ] {
        shell(breaks);
        assert!(!pings(&daemon, "c1", "198.51.100.2"), "{breaks}");
        assert_eq!(subjects().first().map(String::as_str), Some(subject), "{breaks}");
        let told = daemon.tierce(&["network", "diagnose", "c1"]);
        assert_eq!(told.code, 1);
        let commands = told.stdout.lines().take_while(|line| !line.is_empty());
        for command in commands.filter_map(|line| line.strip_prefix("  → ")) {
            shell(command);
        }
        container_reaches(&daemon, "c1", "198.51.100.2");
        assert_eq!(subjects(), Vec::<String>::new(), "{breaks}");
    }
    shell("nft delete table ip filter");
    // Our masquerade comes back by itself; a network that was asked to do without is named.
    daemon
        .docker(&[
            "network",
            "create",
            "-o",
            "com.docker.network.bridge.enable_ip_masquerade=false",
            "plain",
        ])
        .ok();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c2",
            "--network",
            "plain",
            &image,
            "sleep",
            "300",
        ])
        .ok();
    assert!(!pings(&daemon, "c2", "198.51.100.2"));
    let told = daemon.tierce(&["network", "diagnose", "c2"]).stdout;
    assert!(
        told.starts_with("masquerade: network plain does not masquerade"),
        "{told}"
    );
    let refused = daemon.tierce(&["network", "diagnose", "nobody"]);
    assert!(
        refused.stderr.contains("No such container: nobody"),
        "{}",
        refused.stderr
    );
}

/// A network and a container on it, made and removed: each verb needs those before it.
const VERBS: [&[&str]; 4] = [
    &["network", "create", "net"],
    &[
        "run",
        "-d",
        "--name",
        "c1",
        "--network",
        "net",
        "-p",
        "8080:80",
        "busybox",
        "sleep",
        "100",
    ],
    &["rm", "-f", "c1"],
    &["network", "rm", "net"],
];

/// After a verb during which the daemon was killed, nothing keeps anybody from removing what there is, and then nothing
/// is left.
fn leaves_nothing(daemon: &Daemon, when: &str) {
    daemon.docker(&["rm", "-f", "c1"]);
    daemon.docker(&["network", "rm", "net"]);
    let networks = daemon.docker(&["network", "ls", "-q"]).ok();
    assert_eq!(networks.lines().count(), 3, "{when}: {networks}");
    let links = || daemon.host().links();
    wait_until("the kernel has taken the links apart", Duration::from_secs(20), || {
        links().iter().all(|link| link.starts_with("docker0"))
    });
    let pins = std::fs::read_dir(daemon.exec_root().join("netns")).map_or(0, Iterator::count);
    assert_eq!(pins, 0, "{when}");
    let rules = daemon.host().run(&["nft", "list", "ruleset"]).ok();
    assert!(!rules.contains("8080"), "{when}: {rules}");
}

#[test]
fn row_142_kill_9_within_network_verbs_leaves_no_link_rule_or_namespace() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon.docker(&["tag", &image, "busybox"]).ok();
    for round in 0..12_usize {
        let (before, verb) = (&VERBS[..round % 4], VERBS[round % 4]);
        for done in before {
            daemon.docker(done).ok();
        }
        let mut client = daemon.docker_command();
        let mut client = client
            .args(verb)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis([5, 40, 120][round / 4]));
        daemon.crash();
        client.wait().unwrap();
        daemon.launch();
        leaves_nothing(&daemon, &format!("{verb:?}"));
    }
    daemon.stop();
    assert_eq!(daemon.host().run(&["nft", "list", "ruleset"]).ok(), "");
}

#[test]
fn row_142_kill_9_between_two_steps_of_network_verbs_leaves_nothing() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon.docker(&["tag", &image, "busybox"]).ok();
    for (place, point) in [
        (0, "create/recorded"),
        (0, "create/made"),
        (1, "join/pinned"),
        (1, "join/attached"),
        (1, "join/named"),
        (1, "join/recorded"),
        (2, "leave/unpublished"),
        (2, "leave/cut off"),
        (3, "remove/unruled"),
        (3, "remove/given up"),
    ] {
        for done in &VERBS[..place] {
            daemon.docker(done).ok();
        }
        daemon.crash();
        daemon.environment = vec![("TIERCE_FAILPOINT".to_owned(), format!("{point}=kill"))];
        daemon.launch();
        assert!(daemon.docker(VERBS[place]).code != 0, "{point}");
        daemon.crash();
        daemon.environment.clear();
        daemon.launch();
        leaves_nothing(&daemon, point);
    }
    daemon.stop();
    assert_eq!(daemon.host().run(&["nft", "list", "ruleset"]).ok(), "");
}
