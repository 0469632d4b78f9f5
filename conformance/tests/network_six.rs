//! IPv6 from the command line down: rows 143, 148, 150, 157, 158, 159 with addresses of both families.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, Host, wait_until};

const SERVER: &str = "mkdir -p /w/cgi-bin; echo page > /w/index.html; \
                      printf '#!/bin/sh\\necho; echo $REMOTE_ADDR\\n' > /w/cgi-bin/who; chmod +x /w/cgi-bin/who; \
                      exec httpd -f -p '[::]:80' -h /w";

fn get(host: &Host, url: &str) -> String {
    host.run(&["curl", "--silent", "--globoff", "--max-time", "3", url])
        .stdout
}

fn serves(host: &Host, url: &str) {
    wait_until(url, Duration::from_secs(20), || get(host, url) == "page\n");
}

/// A second host on a cable with IPv6, and the daemon's own address there.
fn second_host(daemon: &Daemon) -> (Host, &'static str) {
    let outside = Host::new();
    daemon.host().connect("2001:db8:9::1/64", &outside, "2001:db8:9::2/64");
    (outside, "2001:db8:9::1")
}

#[test]
fn row_143_row_158_a_network_with_both_families_is_shown_as_docker_shows_it() {
    let (daemon, image) = Daemon::with_busybox();
    let network = |arguments: &[&str]| daemon.docker(&[&["network", "create"], arguments].concat()).ok();
    network(&[
        "--ipv6",
        "--subnet",
        "2001:db8:77::/64",
        "--subnet",
        "10.77.0.0/24",
        "--gateway",
        "2001:db8:77::9",
        "n",
    ]);
    let shown = |template| daemon.docker(&["network", "inspect", "n", "-f", template]).ok();
    assert_eq!(shown("{{.EnableIPv4}} {{.EnableIPv6}}"), "true true");
    // Of what the user said, only that.
    assert_eq!(
        shown("{{json .IPAM.Config}}"),
        "[{\"Subnet\":\"10.77.0.0/24\"},{\"Subnet\":\"2001:db8:77::/64\",\"Gateway\":\"2001:db8:77::9\"}]"
    );
    let run = [
        "run",
        "-d",
        "--name",
        "c1",
        "--network",
        "n",
        "--ip6",
        "2001:db8:77::42",
        &image,
        "sleep",
        "100",
    ];
    daemon.docker(&run).ok();
    let of = |member: &str| daemon.inspect("c1", &format!("{{{{.NetworkSettings.Networks.n.{member}}}}}"));
    assert_eq!(of("GlobalIPv6Address"), "2001:db8:77::42");
    assert_eq!(of("GlobalIPv6PrefixLen"), "64");
    assert_eq!(of("IPv6Gateway"), "2001:db8:77::9");
    assert_eq!(of("IPAddress"), "10.77.0.2");
    assert!(shown("{{json .Containers}}").contains("\"IPv6Address\":\"2001:db8:77::42/64\""));
    // The hosts file has both, and the other finds both by name.
    let id = daemon.inspect("c1", "{{.Config.Hostname}}");
    let hosts = daemon.docker(&["exec", "c1", "cat", "/etc/hosts"]).ok();
    assert!(
        hosts.contains(&format!("10.77.0.2\t{id}\n2001:db8:77::42\t{id}")),
        "{hosts}"
    );
    let lookup = ["run", "--rm", "--network", "n", &image, "nslookup", "-type=aaaa", "c1"];
    let answer = daemon.docker(&lookup).ok();
    assert!(answer.contains("2001:db8:77::42"), "{answer}");
    daemon
        .docker(&[
            "run",
            "--rm",
            "--network",
            "n",
            &image,
            "ping",
            "-6",
            "-c1",
            "-W2",
            "c1",
        ])
        .ok();
    for (arguments, text) in [
        (&["--ip6", "2001:db8:99::1"][..], "2001:db8:99::1"),
        (&["--ip6", "2001:db8:77::42"], "Address already in use"),
        (&["--ip6", "hello"], "hello"),
        (&["--ip6", "::ffff:10.77.0.8"], "invalid IPv6 address: ::ffff:10.77.0.8"),
        (
            &["--link-local-ip", "2001:db8:77::8"],
            "invalid link local IP address: 2001:db8:77::8",
        ),
    ] {
        let refused = daemon.docker(&[&["run", "--rm", "--network", "n"], arguments, &[&image, "true"]].concat());
        assert!(refused.code != 0 && refused.stderr.contains(text), "{}", refused.stderr);
    }
}

#[test]
fn row_143_link_local_addresses_are_given_and_who_switches_ipv6_off_has_none() {
    let (daemon, image) = Daemon::with_busybox();
    daemon.docker(&["network", "create", "--ipv6", "n"]).ok();
    let run = |name: &str, flag: [&str; 2]| {
        let run = ["run", "-d", "--name", name, "--network", "n"];
        daemon
            .docker(&[&run[..], &flag, &[&image, "sleep", "100"]].concat())
            .ok();
    };
    let inside = |name: &str, arguments: &[&str]| daemon.docker(&[&["exec", name], arguments].concat());
    run("near", ["--link-local-ip", "fe80::254:77"]);
    run("off", ["--sysctl", "net.ipv6.conf.all.disable_ipv6=1"]);
    run("other", ["--link-local-ip", "fe80::254:78"]);
    let addresses = inside("near", &["ip", "address"]).ok();
    assert!(addresses.contains("inet6 fe80::254:77/64 scope link"), "{addresses}");
    wait_until("the link-local address", Duration::from_secs(10), || {
        inside("other", &["ping", "-6", "-c1", "-W2", "fe80::254:77%eth0"]).code == 0
    });
    assert_eq!(
        daemon.inspect("off", "{{.NetworkSettings.Networks.n.GlobalIPv6Address}}"),
        ""
    );
    inside("near", &["ping", "-4", "-c1", "-W3", "off"]).ok();
    let unknown = inside("near", &["ping", "-6", "-c1", "-W3", "off"]);
    assert!(unknown.stderr.contains("bad address"), "{}", unknown.stderr);
}

#[test]
fn row_150_row_157_both_families_are_published_and_answer_from_everywhere() {
    let (daemon, image) = Daemon::with_busybox();
    let (outside, here) = second_host(&daemon);
    daemon.docker(&["network", "create", "--ipv6", "n"]).ok();
    let ports = ["-p", "8081:80", "-p", "127.0.0.1:8082:80", "-p", "[::1]:8083:80"];
    let run = [
        &["run", "-d", "--name", "c1", "--network", "n"][..],
        &ports,
        &[&image, "sh", "-c", SERVER],
    ]
    .concat();
    daemon.docker(&run).ok();
    assert_eq!(
        daemon.docker(&["port", "c1"]).ok(),
        "80/tcp -> 0.0.0.0:8081\n80/tcp -> 127.0.0.1:8082\n80/tcp -> [::1]:8083\n80/tcp -> [::]:8081"
    );
    serves(daemon.host(), "http://127.0.0.1:8081/");
    serves(daemon.host(), "http://[::1]:8081/");
    serves(daemon.host(), "http://[::1]:8083/");
    serves(&outside, &format!("http://[{here}]:8081/"));
    // The caller's address is kept.
    assert_eq!(
        get(&outside, &format!("http://[{here}]:8081/cgi-bin/who")).trim(),
        "[2001:db8:9::2]"
    );
    assert_eq!(get(&outside, &format!("http://[{here}]:8083/")), "");
    // From the container itself, and from one of another network.
    // busybox's wget dies of such addresses.
    let fetch = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {here} 8081 | tail -n 1");
    assert_eq!(daemon.docker(&["exec", "c1", "sh", "-c", &fetch]).ok(), "page");
    daemon.docker(&["network", "create", "--ipv6", "other"]).ok();
    let stranger = ["run", "--rm", "--network", "other", &image, "sh", "-c", &fetch];
    assert_eq!(daemon.docker(&stranger).ok(), "page");
    // Outwards, the host's address is seen: there is no way back to the container's own.
    let ping = [
        "run",
        "--rm",
        "--network",
        "n",
        &image,
        "ping",
        "-6",
        "-c1",
        "-W2",
        "2001:db8:9::2",
    ];
    daemon.docker(&ping).ok();
    daemon.docker(&["rm", "-f", "c1"]).ok();
    assert_eq!(get(&outside, &format!("http://[{here}]:8081/")), "");
}

#[test]
fn row_157_ports_of_ipv6_stay_open_while_the_daemon_is_down() {
    let (mut daemon, image) = Daemon::with_busybox();
    let (outside, here) = second_host(&daemon);
    daemon
        .docker(&["network", "create", "--ipv6", "--ipv4=false", "six"])
        .ok();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            "--network",
            "six",
            "-p",
            "8084:80",
            &image,
            "sh",
            "-c",
            SERVER,
        ])
        .ok();
    assert_eq!(daemon.docker(&["port", "c1"]).ok(), "80/tcp -> [::]:8084");
    let url = format!("http://[{here}]:8084/");
    serves(&outside, &url);
    daemon.crash();
    assert_eq!(get(&outside, &url), "page\n");
    daemon.launch();
    assert_eq!(get(&outside, &url), "page\n");
    assert_eq!(daemon.docker(&["port", "c1"]).ok(), "80/tcp -> [::]:8084");
    let network = daemon
        .docker(&["network", "inspect", "six", "-f", "{{.EnableIPv4}} {{.EnableIPv6}}"])
        .ok();
    assert_eq!(network, "false true");
    daemon.docker(&["rm", "-f", "c1"]).ok();
    daemon.docker(&["network", "rm", "six"]).ok();
    daemon.stop();
    assert_eq!(daemon.host().run(&["nft", "list", "ruleset"]).ok(), "", "row 142");
    daemon.launch();
}

#[test]
fn gateway_modes_are_shown_and_refused_as_docker_does() {
    let (daemon, image) = Daemon::with_busybox();
    let create = |options: &[&str]| daemon.docker(&[&["network", "create", "--ipv6"], options].concat());
    let mode = |mode: &str| format!("com.docker.network.bridge.gateway_mode_ipv4={mode}");
    create(&["-o", &mode("routed"), "routed"]).ok();
    daemon
        .docker(&[
            "run",
            "-d",
            "--name",
            "c1",
            "--network",
            "routed",
            "-p",
            "8085:80",
            &image,
            "sleep",
            "100",
        ])
        .ok();
    assert_eq!(
        daemon.docker(&["port", "c1"]).ok(),
        "80/tcp -> 0.0.0.0:\n80/tcp -> [::]:8085"
    );
    for (options, text) in [
        (
            &["-o", "com.docker.network.bridge.gateway_mode_ipv6=isolated", "x"][..],
            "gateway mode 'isolated' can only be used for an internal network",
        ),
        (
            &["-o", "com.docker.network.bridge.gateway_mode_ipv6=foo", "x"],
            "failed to parse com.docker.network.bridge.gateway_mode_ipv6 value: foo (unknown gateway mode foo)",
        ),
        (
            &["--subnet", "2001:db8:81::5/64", "x"],
            "invalid network config:\ninvalid subnet 2001:db8:81::5/64: it should be 2001:db8:81::/64",
        ),
        (
            &["--subnet", "2001:db8:79::/64", "--subnet", "2001:db8:80::/64", "x"],
            "bridge driver doesn't support multiple subnets",
        ),
    ] {
        let refused = create(options);
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
    let left = daemon.docker(&["network", "ls", "--format", "{{.Name}}"]).ok();
    assert_eq!(left, "bridge\nhost\nnone\nrouted");
}

#[test]
fn row_094_the_default_bridge_has_ipv6_when_the_daemon_is_told_so() {
    let flags = ["--ipv6", "--bip6=fd00:17::1/64", "--fixed-cidr-v6=fd00:17::100/120"];
    let mut daemon = Daemon::start_with(&flags);
    let image = daemon.add_image(&tierce_testkit::ImageBuilder::busybox(), "busybox");
    daemon
        .docker(&["run", "-d", "--name", "c1", &image, "sleep", "100"])
        .ok();
    let address = daemon.inspect("c1", "{{.NetworkSettings.Networks.bridge.GlobalIPv6Address}}");
    assert_eq!(address, "fd00:17::100");
    assert_eq!(daemon.inspect("c1", "{{.NetworkSettings.GlobalIPv6Address}}"), address);
    daemon.host().run(&["ping", "-6", "-c1", "-W2", &address]).ok();
}
