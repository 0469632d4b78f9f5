//! Names in user-defined networks, with real containers and their C library's resolver: row 159, and 146 as far as it is
//! about names.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::process::Command;
use std::time::Duration;
use tierce_testkit::{Daemon, Run as _, wait_until};

/// The addresses that the resolver of a container gives for a name.
fn lookup(daemon: &Daemon, container: &str, name: &str) -> Vec<String> {
    let output = daemon.docker(&["exec", container, "nslookup", name]);
    let answer = output.stdout.split("Name:").skip(1);
    let mut addresses: Vec<_> = answer
        .filter_map(|part| part.split_once("Address: "))
        .map(|(_, rest)| rest.lines().next().unwrap().to_owned())
        .collect();
    addresses.sort();
    addresses
}

fn address(daemon: &Daemon, container: &str, network: &str) -> String {
    daemon.inspect(
        container,
        &format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}"),
    )
}

#[test]
fn row_159_containers_of_a_user_network_find_each_other_by_name() {
    let (mut daemon, image) = Daemon::with_busybox();
    daemon.docker(&["network", "create", "front"]).ok();
    let run = |name: &str, more: &[&str]| {
        let words = [
            &["run", "-d", "--name", name, "--network", "front"],
            more,
            &[&image, "sleep", "1000"],
        ]
        .concat();
        daemon.docker(&words).ok().trim().to_owned()
    };
    let web = run("web", &["--network-alias", "www", "--hostname", "site"]);
    run("client", &[]);
    let address_of_web = address(&daemon, "web", "front");
    for name in ["web", "www", "WEB", "web.front", "site", &web[..12]] {
        assert_eq!(lookup(&daemon, "client", name), [address_of_web.as_str()], "{name}");
    }
    let reversed = daemon.docker(&["exec", "client", "nslookup", &address_of_web]).stdout;
    assert!(reversed.contains("name = web.front"), "{reversed}");
    daemon.docker(&["exec", "client", "ping", "-c1", "-W2", "web"]).ok();
    run("web2", &["--network-alias", "www"]);
    let mut both = [address_of_web, address(&daemon, "web2", "front")];
    both.sort();
    assert_eq!(lookup(&daemon, "client", "www"), both, "an alias means all who have it");
    let resolver = daemon.docker(&["exec", "client", "cat", "/etc/resolv.conf"]).ok();
    assert!(
        resolver.contains("nameserver 127.0.0.11\n") && resolver.contains("ndots:0"),
        "{resolver}"
    );

    daemon.docker(&["rename", "web2", "shop"]).ok();
    assert_eq!(lookup(&daemon, "client", "shop"), [address(&daemon, "shop", "front")]);
    assert_eq!(lookup(&daemon, "client", "web2"), [""; 0], "by its old name no more");
    daemon.docker(&["rename", "shop", "web2"]).ok();

    daemon.docker(&["rm", "-f", "web"]).ok();
    assert_eq!(lookup(&daemon, "client", "web"), [""; 0], "gone with its container");

    let (address, inside) = (
        address(&daemon, "web2", "front"),
        daemon.inspect("client", "{{.State.Pid}}"),
    );
    daemon.crash();
    let words = [
        "nsenter",
        "--net",
        "--target",
        &inside,
        "busybox",
        "nslookup",
        "web2",
        "127.0.0.11",
    ];
    let answer = Command::new(words[0]).args(&words[1..]).run().ok();
    assert!(answer.contains(&address), "while the daemon is away: {answer}");
    daemon.launch();
    assert_eq!(
        lookup(&daemon, "client", "web2"),
        [address.as_str()],
        "after the daemon was killed"
    );
}

#[test]
fn row_159_other_networks_names_stay_theirs_and_the_default_bridge_has_none() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["network", "create", "one"]).ok();
    daemon.docker(&["network", "create", "--internal", "two"]).ok();
    for (name, network) in [("ann", "one"), ("bob", "two"), ("cat", "bridge")] {
        let words = [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            network,
            &image,
            "sleep",
            "1000",
        ];
        daemon.docker(&words).ok();
    }
    assert_eq!(lookup(&daemon, "ann", "bob"), [""; 0]);
    assert_eq!(lookup(&daemon, "bob", "ann"), [""; 0]);
    let outside = daemon.docker(&["exec", "bob", "nslookup", "example.org"]);
    assert!(
        outside.stdout.contains("SERVFAIL"),
        "an internal network asks nobody: {outside:?}"
    );
    let resolver = daemon.docker(&["exec", "cat", "cat", "/etc/resolv.conf"]).ok();
    assert!(!resolver.contains("127.0.0.11"), "{resolver}");
}

#[test]
fn row_159_a_container_may_serve_port_53_itself() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["network", "create", "front"]).ok();
    let serve = "echo mine | nc -l -p 53 & exec sleep 1000";
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "dns",
            "--network",
            "front",
            &image,
            "sh",
            "-c",
            serve,
        ])
        .ok();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "client",
            "--network",
            "front",
            &image,
            "sleep",
            "1000",
        ])
        .ok();
    wait_until("the container's own server answers", Duration::from_secs(20), || {
        let asked = daemon.docker(&["exec", "client", "sh", "-c", "nc -w 2 dns 53 </dev/null"]);
        asked.stdout == "mine\n"
    });
    assert_eq!(lookup(&daemon, "dns", "client"), [address(&daemon, "client", "front")]);
}

#[test]
fn row_159_servers_domains_options_and_hosts_of_a_container_are_those_asked_for() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["network", "create", "front"]).ok();
    let gateway = daemon.docker(&[
        "network",
        "inspect",
        "bridge",
        "-f",
        "{{(index .IPAM.Config 0).Gateway}}",
    ]);
    let gateway = gateway.ok();
    for (network, server) in [("bridge", "192.0.2.9"), ("front", "127.0.0.11")] {
        let words = [
            "run",
            "--rm",
            "--network",
            network,
            "--dns",
            "192.0.2.9",
            "--dns-search",
            "one.example",
            "--dns-search",
            "two.example",
            "--dns-option",
            "ndots:3",
            "--add-host",
            "host.docker.internal:host-gateway",
            "--add-host",
            "db:192.0.2.7",
            &image,
            "cat",
            "/etc/resolv.conf",
            "/etc/hosts",
        ];
        let told = daemon.docker(&words).ok();
        for expected in [
            format!("nameserver {server}"),
            "search one.example two.example".to_owned(),
            "options ndots:3".to_owned(),
            format!("{gateway}\thost.docker.internal"),
            "192.0.2.7\tdb".to_owned(),
        ] {
            assert!(
                told.lines().any(|line| line.starts_with(&expected)),
                "{expected}\n{told}"
            );
        }
    }
}

#[test]
fn row_159_host_gateway_stands_for_the_hosts_addresses_of_both_families() {
    let mut daemon = Daemon::start_with(&["--ipv6", "--bip6", "fd00:17::1/64"]);
    let image = daemon.add_image(&tierce_testkit::ImageBuilder::busybox(), "busybox");
    daemon.docker(&["network", "create", "--ipv6", "front"]).ok();
    let add = ["--add-host", "host.docker.internal:host-gateway"];
    for network in ["bridge", "front", "none", "host"] {
        let words = [
            &["run", "--rm", "--network", network],
            &add[..],
            &[&image, "cat", "/etc/hosts"],
        ];
        let told = daemon.docker(&words.concat()).ok();
        let lines: Vec<_> = told
            .lines()
            .filter(|line| line.ends_with("\thost.docker.internal"))
            .collect();
        assert_eq!(lines.len(), 2, "{network}: {told}");
        assert!(
            lines[0].starts_with("172.17.") && lines[1].starts_with("fd00:17::1\t"),
            "{lines:?}"
        );
    }
    // Programs that ask a server instead of the file get the same answer.
    let words = [
        &["run", "-d", "--name", "ann", "--network", "front"],
        &add[..],
        &[&image, "sleep", "1000"],
    ];
    daemon.docker(&words.concat()).ok();
    let addresses = lookup(&daemon, "ann", "host.docker.internal");
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert_eq!(addresses[1], "fd00:17::1");
    // A container that switches IPv6 off has no line of it.
    let words = [
        &["run", "--rm", "--sysctl", "net.ipv6.conf.all.disable_ipv6=1"],
        &add[..],
        &[&image, "cat", "/etc/hosts"],
    ];
    let told = daemon.docker(&words.concat()).ok();
    assert!(
        told.contains("\thost.docker.internal\n") && !told.contains("::"),
        "{told}"
    );
}

#[test]
fn row_159_host_gateway_of_a_host_without_one_is_refused() {
    let mut daemon = Daemon::start_with(&["--bridge", "none"]);
    let image = daemon.add_image(&tierce_testkit::ImageBuilder::busybox(), "busybox");
    let run = [
        "run",
        "--name",
        "c1",
        "--network",
        "host",
        "--add-host",
        "h:host-gateway",
        &image,
        "true",
    ];
    let refused = daemon.docker(&run);
    assert!(
        refused
            .stderr
            .contains("unable to derive the IP value for host-gateway"),
        "{}",
        refused.stderr
    );
    assert_eq!(daemon.inspect("c1", "{{.State.Status}}"), "created");
    // Of two addresses both are used, in their order.
    daemon.stop();
    let mut daemon = Daemon::start_with(&["--host-gateway-ip", "2001:db8::7", "--host-gateway-ip", "192.0.2.7"]);
    let image = daemon.add_image(&tierce_testkit::ImageBuilder::busybox(), "busybox");
    let run = [
        "run",
        "--rm",
        "--add-host",
        "h:host-gateway",
        &image,
        "cat",
        "/etc/hosts",
    ];
    let told = daemon.docker(&run).ok();
    assert!(told.contains("2001:db8::7\th\n192.0.2.7\th\n"), "{told}");
}

#[test]
fn row_159_a_dns_server_that_dies_is_replaced() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["network", "create", "front"]).ok();
    for name in ["ann", "bob"] {
        let words = [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "front",
            &image,
            "sleep",
            "1000",
        ];
        daemon.docker(&words).ok();
    }
    let socket = daemon.exec_root().join("names.sock");
    let server = process_of(&socket.to_string_lossy());
    Command::new("kill").args(["-KILL", &server]).run().ok();
    let expected = [address(&daemon, "bob", "front")];
    wait_until("names are back", Duration::from_secs(20), || {
        lookup(&daemon, "ann", "bob") == expected
    });
    assert_ne!(process_of(&socket.to_string_lossy()), server);
}

/// The process that was started with this last word.
fn process_of(word: &str) -> String {
    let found = std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let is_it = line.trim_end_matches('\0').ends_with(&format!("\0{word}"));
        is_it.then(|| entry.file_name().into_string().unwrap())
    });
    found.expect("the DNS server runs")
}
