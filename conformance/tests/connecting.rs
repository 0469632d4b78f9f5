//! Containers are connected to networks and disconnected, running or not: rows 146, 147, 149 and 152.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use std::time::Duration;
use tierce_testkit::{Daemon, wait_until};

const SERVER: &str = "mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w";

/// A daemon with two networks and a container `c1` on `beta` that publishes its page at 8080.
fn world() -> (Daemon, String) {
    let (daemon, image) = Daemon::with_busybox();
    for (name, subnet) in [("alpha", "10.61.0.0/24"), ("beta", "10.62.0.0/24")] {
        daemon.docker(&["network", "create", "--subnet", subnet, name]).ok();
    }
    let run = [
        "run",
        "-d",
        "--name",
        "c1",
        "--hostname",
        "host1",
        "--network",
        "beta",
        "-p",
        "8080:80",
        &image,
    ];
    daemon.docker(&[&run[..], &["sh", "-c", SERVER]].concat()).ok();
    (daemon, image)
}

fn sleeper(daemon: &Daemon, image: &str, name: &str, flags: &[&str]) {
    let run = [&["run", "-d", "--name", name], flags, &[image, "sleep", "1000"]].concat();
    daemon.docker(&run).ok();
}

fn inside(daemon: &Daemon, container: &str, command: &[&str]) -> String {
    daemon.docker(&[&["exec", container], command].concat()).ok()
}

fn serves(daemon: &Daemon) {
    let get = || {
        daemon
            .host()
            .run(&["curl", "-s", "--max-time", "3", "http://127.0.0.1:8080/"])
            .stdout
    };
    wait_until("the page", Duration::from_secs(20), || get() == "page\n");
}

#[test]
fn row_149_the_commands_as_written_and_a_second_interface_live() {
    let (daemon, image) = world();
    daemon.docker(&["network", "create", "br3"]).ok();
    sleeper(&daemon, &image, "c3", &["--net=br3"]);
    assert_eq!(daemon.docker(&["network", "connect", "br3", "c1"]).ok(), "");
    assert!(inside(&daemon, "c1", &["ip", "-o", "link"]).contains("eth1"));
    inside(&daemon, "c1", &["ping", "-c1", "-W2", "c3"]);
    inside(&daemon, "c3", &["ping", "-c1", "-W2", "c1"]);
    assert_eq!(daemon.docker(&["network", "disconnect", "br3", "c1"]).ok(), "");
    assert!(!inside(&daemon, "c1", &["ip", "-o", "link"]).contains("eth1"));
    assert!(daemon.docker(&["exec", "c1", "ping", "-c1", "-W1", "c3"]).code != 0);
}

#[test]
fn row_146_row_147_addresses_names_files_and_ports_follow() {
    let (daemon, image) = world();
    serves(&daemon);
    sleeper(&daemon, &image, "c2", &["--network", "alpha"]);
    let connect = [
        "network",
        "connect",
        "--ip",
        "10.61.0.40",
        "--alias",
        "other",
        "--link-local-ip",
        "169.254.9.9",
    ];
    daemon.docker(&[&connect[..], &["alpha", "c1"]].concat()).ok();
    let networks =
        |member: &str| daemon.inspect("c1", &format!("{{{{json .NetworkSettings.Networks.alpha.{member}}}}}"));
    assert_eq!(networks("IPAddress"), "\"10.61.0.40\"");
    assert_eq!(networks("Gateway"), "\"10.61.0.1\"");
    assert_eq!(networks("Aliases"), "[\"other\"]");
    assert_eq!(
        networks("IPAMConfig"),
        "{\"IPv4Address\":\"10.61.0.40\",\"LinkLocalIPs\":[\"169.254.9.9\"]}"
    );
    let id = daemon.inspect("c1", "{{.Id}}");
    assert_eq!(
        networks("DNSNames"),
        format!("[\"c1\",\"other\",\"{}\",\"host1\"]", &id[..12])
    );
    let member = format!("{{{{(index .Containers \"{id}\").IPv4Address}}}}");
    let shown = daemon
        .docker(&["network", "inspect", "--format", &member, "alpha"])
        .ok();
    assert_eq!(shown.trim(), "10.61.0.40/24");
    // Of two networks without a priority the first by name leads out.
    let routes = inside(&daemon, "c1", &["ip", "route"]);
    assert!(routes.contains("default via 10.61.0.1 dev eth1"), "{routes}");
    assert!(inside(&daemon, "c1", &["ip", "address", "show", "eth1"]).contains("inet 169.254.9.9/16"));
    let hosts = inside(&daemon, "c1", &["cat", "/etc/hosts"]);
    assert!(hosts.contains("10.62.0.2\thost1\n10.61.0.40\thost1"), "{hosts}");
    inside(&daemon, "c2", &["ping", "-c1", "-W2", "other"]);
    serves(&daemon);
    daemon.docker(&["network", "disconnect", "beta", "c1"]).ok();
    serves(&daemon);
    let hosts = inside(&daemon, "c1", &["cat", "/etc/hosts"]);
    assert!(
        hosts.ends_with("10.61.0.40\thost1") && !hosts.contains("10.62.0.2"),
        "{hosts}"
    );
    daemon.docker(&["network", "disconnect", "alpha", "c1"]).ok();
    assert_eq!(
        daemon.inspect(
            "c1",
            "{{json .NetworkSettings.Networks}} {{json .NetworkSettings.Ports}}"
        ),
        "{} {}"
    );
    assert_eq!(inside(&daemon, "c1", &["ip", "route"]), "");
    daemon.docker(&["network", "connect", "beta", "c1"]).ok();
    serves(&daemon);
    // It is the record that decides what the next start brings.
    daemon.docker(&["restart", "-t0", "c1"]).ok();
    assert_eq!(
        daemon.inspect("c1", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}"),
        "beta"
    );
    serves(&daemon);
}

#[test]
fn row_146_three_networks_at_the_start_with_all_that_can_be_asked_of_each() {
    let (daemon, image) = world();
    daemon.docker(&["network", "create", "--internal", "inner"]).ok();
    let alpha = "name=alpha,ip=10.61.0.66,gw-priority=2,mac-address=02:11:22:33:44:55,link-local-ip=169.254.7.7,alias=u,\
                 driver-opt=com.docker.network.endpoint.ifname=pub0";
    let sysctl =
        "name=beta,gw-priority=9,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1";
    sleeper(
        &daemon,
        &image,
        "c4",
        &["--network", alpha, "--network", sysctl, "--network", "inner"],
    );
    let addresses = inside(&daemon, "c4", &["ip", "address", "show", "pub0"]);
    for wanted in [
        "link/ether 02:11:22:33:44:55",
        "inet 10.61.0.66/24",
        "inet 169.254.7.7/16",
    ] {
        assert!(addresses.contains(wanted), "{addresses}");
    }
    let routes = inside(&daemon, "c4", &["ip", "route"]);
    assert!(routes.contains("default via 10.62.0.1 dev eth0"), "{routes}");
    assert_eq!(routes.matches("default").count(), 1, "{routes}");
    assert_eq!(
        inside(&daemon, "c4", &["cat", "/proc/sys/net/ipv4/conf/eth0/log_martians"]),
        "1"
    );
    assert_eq!(
        inside(&daemon, "c4", &["cat", "/proc/sys/net/ipv4/conf/pub0/log_martians"]),
        "0"
    );
    assert!(inside(&daemon, "c4", &["ip", "-o", "link"]).contains("eth1"));
    inside(&daemon, "c1", &["ping", "-c1", "-W2", "c4"]);
    daemon.docker(&["network", "disconnect", "beta", "c4"]).ok();
    let routes = inside(&daemon, "c4", &["ip", "route"]);
    assert!(routes.contains("default via 10.61.0.1 dev pub0"), "{routes}");
}

#[test]
fn a_container_that_does_not_run_is_connected_in_its_record() {
    let (daemon, image) = world();
    daemon
        .docker(&["create", "--name", "made", &image, "sleep", "1000"])
        .ok();
    daemon
        .docker(&["network", "connect", "--alias", "later", "alpha", "made"])
        .ok();
    daemon.docker(&["network", "connect", "unborn", "made"]).ok();
    assert!(daemon.docker(&["start", "made"]).code != 0);
    daemon.docker(&["network", "disconnect", "-f", "unborn", "made"]).ok();
    daemon.docker(&["start", "made"]).ok();
    assert_eq!(
        inside(&daemon, "made", &["ip", "-o", "link"]).matches(": eth").count(),
        2
    );
    daemon.docker(&["stop", "-t0", "made"]).ok();
    daemon.docker(&["network", "disconnect", "alpha", "made"]).ok();
    daemon.docker(&["start", "made"]).ok();
    assert_eq!(
        inside(&daemon, "made", &["ip", "-o", "link"]).matches(": eth").count(),
        1
    );
}

#[test]
fn the_resolver_comes_with_the_first_network_that_has_names() {
    let (daemon, image) = world();
    sleeper(&daemon, &image, "plain", &[]);
    assert!(!inside(&daemon, "plain", &["cat", "/etc/resolv.conf"]).contains("127.0.0.11"));
    daemon.docker(&["network", "connect", "beta", "plain"]).ok();
    assert!(inside(&daemon, "plain", &["cat", "/etc/resolv.conf"]).contains("127.0.0.11"));
    inside(&daemon, "plain", &["ping", "-c1", "-W2", "c1"]);
    // What somebody has edited stays.
    sleeper(&daemon, &image, "edited", &[]);
    inside(
        &daemon,
        "edited",
        &["sh", "-c", "echo nameserver 192.0.2.7 > /etc/resolv.conf"],
    );
    daemon.docker(&["network", "connect", "beta", "edited"]).ok();
    assert_eq!(
        inside(&daemon, "edited", &["cat", "/etc/resolv.conf"]),
        "nameserver 192.0.2.7"
    );
}

const SHARES: &str =
    "container sharing network namespace with another container or host cannot be connected to any other network";
const PRIVATE: &str =
    "container cannot be connected to multiple networks with one of the networks in private (none) mode";
const HOST_ONLY: &str = "cannot connect container to host network - container must be created in host network mode";
const STAYS: &str = "cannot disconnect container from host network - container was created in host network mode";

/// Verb, network, container (`!`: by force), and dockerd's answer, in which `@name` is the id of a container.
#[rustfmt::skip]
const REFUSALS: [(&str, &str, &str, u16, &str); 24] = [
    ("connect", "beta", "c1", 403, "endpoint with name c1 already exists in network beta"),
    ("connect", "host", "c1", 400, HOST_ONLY),
    ("connect", "none", "c1", 400, PRIVATE),
    ("connect", "nosuch", "c1", 404, "network nosuch not found"),
    ("connect", "host", "made", 400, HOST_ONLY),
    ("connect", "none", "made", 400, PRIVATE),
    ("connect", "host", "onhost", 403, "endpoint with name onhost already exists in network host"),
    ("connect", "alpha", "onhost", 400, SHARES),
    ("connect", "none", "onhost", 400, SHARES),
    ("connect", "alpha", "alone", 400, PRIVATE),
    ("connect", "alpha", "guest", 400, SHARES),
    ("connect", "nosuch", "guest", 400, SHARES),
    ("connect", "alpha", "nobody", 404, "No such container: nobody"),
    ("connect", "alpha", "", 400, "invalid name or ID supplied: \"\""),
    ("disconnect", "alpha", "c1", 500, "container @c1 is not connected to network alpha"),
    ("disconnect", "nosuch", "c1", 404, "network nosuch not found"),
    ("disconnect", "host", "onhost", 400, STAYS),
    ("disconnect", "alpha", "onhost", 500, "container @onhost is not connected to network alpha"),
    ("disconnect", "alpha", "guest", 500, "container @guest is not connected to network alpha"),
    ("disconnect", "alpha", "made", 500, "container @made is not connected to the network alpha"),
    ("disconnect", "alpha", "nobody", 404, "No such container: nobody"),
    ("disconnect", "alpha", "!nobody", 404, "endpoint nobody not found"),
    ("disconnect", "nosuch", "!nobody", 404, "network nosuch not found"),
    ("disconnect", "nosuch", "!c1", 500, "container @c1 is not connected to the network nosuch"),
];

/// Network, what is asked of the endpoint, and what dockerd finds wrong.
#[rustfmt::skip]
const ENDPOINTS: [(&str, &str, &str); 7] = [
    ("alpha", r#"{"IPAMConfig":{"IPv4Address":"10.9.9.9"}}"#, "no configured subnet or ip-range contain the IP address 10.9.9.9"),
    ("alpha", r#"{"IPAMConfig":{"IPv4Address":"x"}}"#,
     "* invalid IPv4 address: x\n* no configured subnet or ip-range contain the IP address x"),
    ("alpha", r#"{"IPAMConfig":{"IPv6Address":"::ffff:10.61.0.9"}}"#,
     "* invalid IPv6 address: ::ffff:10.61.0.9\n* user specified IP address is supported only when connecting to networks with \
      user configured subnets"),
    ("alpha", r#"{"IPAMConfig":{"LinkLocalIPs":["x"]}}"#, "invalid link-local IP address: x"),
    ("automatic", r#"{"IPAMConfig":{"IPv4Address":"10.9.9.9"}}"#,
     "user specified IP address is supported only when connecting to networks with user configured subnets"),
    ("bridge", r#"{"Aliases":["x"]}"#, "network-scoped alias is supported only for containers in user defined networks"),
    ("alpha", r#"{"DriverOpts":{"com.docker.network.endpoint.sysctls":"net.ipv4.conf.eth0.log_martians=1"}}"#,
     "unrecognised network interface sysctl 'net.ipv4.conf.eth0.log_martians=1'; represent 'net.X.Y.ethN.Z=V' as \
      'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"),
];

/// Status and message of an answer to `POST /networks/NETWORK/VERB`.
fn ask(daemon: &Daemon, verb: &str, network: &str, body: &str) -> (u16, String) {
    let (status, text) = daemon.request("POST", &format!("/v1.51/networks/{network}/{verb}"), Some(body));
    let text: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    (status, text["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn refusals_are_dockers() {
    let (daemon, image) = world();
    sleeper(&daemon, &image, "onhost", &["--network", "host"]);
    sleeper(&daemon, &image, "alone", &["--network", "none"]);
    sleeper(&daemon, &image, "guest", &["--network", "container:c1"]);
    daemon.docker(&["create", "--name", "made", &image, "true"]).ok();
    for (verb, network, container, status, text) in REFUSALS {
        let name = container.trim_start_matches('!');
        let body = format!(r#"{{"Container":"{name}","Force":{}}}"#, container.starts_with('!'));
        let text = match text.find('@') {
            Some(_) => text.replace(&format!("@{name}"), &daemon.inspect(name, "{{.Id}}")),
            None => text.to_owned(),
        };
        assert_eq!(
            ask(&daemon, verb, network, &body),
            (status, text),
            "{verb} {network} {container}"
        );
    }
}

#[test]
fn what_cannot_be_asked_of_an_endpoint_is_told_in_dockers_words() {
    let (daemon, _) = world();
    daemon.docker(&["network", "create", "automatic"]).ok();
    for (network, endpoint, text) in ENDPOINTS {
        let body = format!(r#"{{"Container":"c1","EndpointConfig":{endpoint}}}"#);
        let refusal = (400, format!("invalid endpoint settings:\n{text}"));
        assert_eq!(ask(&daemon, "connect", network, &body), refusal, "{endpoint}");
    }
    let mac = r#"{"Container":"c1","EndpointConfig":{"MacAddress":"zz"}}"#;
    assert_eq!(
        ask(&daemon, "connect", "alpha", mac),
        (400, "invalid MAC address zz".to_owned())
    );
}

#[test]
fn addresses_that_are_used_up_or_taken_are_refused_and_leave_nothing() {
    let (daemon, image) = world();
    daemon
        .docker(&["network", "create", "--subnet", "10.63.0.0/30", "tiny"])
        .ok();
    sleeper(&daemon, &image, "c2", &["--network", "tiny"]);
    let (_, text) = ask(&daemon, "connect", "tiny", r#"{"Container":"c1"}"#);
    assert!(
        text.starts_with("no available IPv4 addresses on this network's address pools: tiny ("),
        "{text}"
    );
    let at = |container: &str| {
        format!(r#"{{"Container":"{container}","EndpointConfig":{{"IPAMConfig":{{"IPv4Address":"10.61.0.50"}}}}}}"#)
    };
    assert_eq!(ask(&daemon, "connect", "alpha", &at("c1")).0, 200);
    let (status, text) = ask(&daemon, "connect", "alpha", &at("c2"));
    assert!(
        status == 403 && text.starts_with("Address already in use"),
        "{status} {text}"
    );
    let shown = daemon.inspect(
        "c2",
        "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
    );
    assert_eq!(shown.trim(), "tiny");
    assert_eq!(inside(&daemon, "c2", &["ip", "-o", "link"]).matches(": eth").count(), 1);
}

#[test]
fn events_tell_of_connections_of_containers_that_run() {
    let (daemon, image) = world();
    daemon.docker(&["create", "--name", "made", &image, "true"]).ok();
    for (verb, container) in [
        ("connect", "made"),
        ("disconnect", "made"),
        ("connect", "c1"),
        ("disconnect", "c1"),
    ] {
        daemon.docker(&["network", verb, "alpha", container]).ok();
    }
    let format = "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}} {{.Actor.Attributes.container}}";
    let filters = [
        "--filter",
        "type=network",
        "--filter",
        "network=alpha",
        "--format",
        format,
    ];
    let told = daemon.events(Daemon::docker, &filters);
    let id = daemon.inspect("c1", "{{.Id}}");
    let told: Vec<_> = told.lines().filter(|line| !line.starts_with("create")).collect();
    assert_eq!(
        told,
        [
            format!("connect alpha bridge {id}"),
            format!("disconnect alpha bridge {id}")
        ]
    );
}

#[test]
fn a_restarted_daemon_finds_what_was_connected() {
    let (mut daemon, image) = world();
    sleeper(&daemon, &image, "c2", &["--network", "alpha"]);
    daemon
        .docker(&["network", "connect", "--alias", "twice", "alpha", "c1"])
        .ok();
    daemon.docker(&["network", "connect", "bridge", "c2"]).ok();
    let shown = |daemon: &Daemon| ["c1", "c2"].map(|name| daemon.inspect(name, "{{json .NetworkSettings}}"));
    let before = shown(&daemon);
    daemon.crash();
    daemon.launch();
    assert_eq!(shown(&daemon), before);
    serves(&daemon);
    inside(&daemon, "c2", &["ping", "-c1", "-W2", "twice"]);
    daemon.docker(&["network", "disconnect", "beta", "c1"]).ok();
    serves(&daemon);
}

#[test]
fn a_daemon_killed_while_it_connects_leaves_nothing() {
    let (mut daemon, _) = world();
    let record = |daemon: &Daemon| daemon.inspect("c1", "{{json .NetworkSettings.Networks}}");
    let before = record(&daemon);
    for (verb, point) in [
        ("connect", "connect/attached"),
        ("connect", "connect/done"),
        ("disconnect", "disconnect/taken out"),
        ("disconnect", "disconnect/done"),
    ] {
        if verb == "disconnect" {
            daemon.docker(&["network", "connect", "alpha", "c1"]).ok();
        }
        daemon.crash();
        daemon.environment = vec![("TIERCE_FAILPOINT".to_owned(), format!("{point}=kill"))];
        daemon.launch();
        assert!(daemon.docker(&["network", verb, "alpha", "c1"]).code != 0, "{point}");
        daemon.crash();
        daemon.environment.clear();
        daemon.launch();
        assert_eq!(record(&daemon), before, "{point}");
        assert_eq!(
            inside(&daemon, "c1", &["ip", "-o", "link"]).matches(": eth").count(),
            1,
            "{point}"
        );
        assert!(
            !inside(&daemon, "c1", &["cat", "/etc/hosts"]).contains("10.61."),
            "{point}"
        );
        serves(&daemon);
        daemon.docker(&["network", "rm", "alpha"]).ok();
        daemon
            .docker(&["network", "create", "--subnet", "10.61.0.0/24", "alpha"])
            .ok();
    }
}

#[test]
fn row_152_a_shared_stack_talks_over_lo_and_has_the_same_files() {
    let (daemon, image) = world();
    sleeper(&daemon, &image, "guest", &["--network=container:c1"]);
    let page = || {
        daemon
            .docker(&["exec", "guest", "wget", "-q", "-O-", "http://127.0.0.1/"])
            .stdout
    };
    wait_until("the page over lo", Duration::from_secs(20), || page() == "page\n");
    for file in ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"] {
        assert_eq!(
            inside(&daemon, "guest", &["cat", file]),
            inside(&daemon, "c1", &["cat", file]),
            "{file}"
        );
    }
    assert_eq!(inside(&daemon, "guest", &["hostname"]), "host1");
    // What happens to the one happens to the other.
    daemon.docker(&["network", "connect", "alpha", "c1"]).ok();
    assert!(inside(&daemon, "guest", &["ip", "-o", "link"]).contains("eth1"));
    assert!(inside(&daemon, "guest", &["cat", "/etc/hosts"]).contains("10.61.0.2\thost1"));
    let shown = daemon.inspect(
        "guest",
        "{{json .NetworkSettings.Networks}} {{.NetworkSettings.SandboxID}}",
    );
    assert_eq!(shown.trim(), "{}");
    // The other one dies: the guest lives on with nothing but lo, and its address may go to somebody else.
    daemon.docker(&["kill", "c1"]).ok();
    let links = || daemon.docker(&["exec", "guest", "ip", "-o", "link"]).ok();
    wait_until("only lo is left", Duration::from_secs(20), || {
        !links().contains(": eth")
    });
    sleeper(&daemon, &image, "next", &["--network", "beta"]);
    assert_eq!(
        daemon.inspect("next", "{{.NetworkSettings.Networks.beta.IPAddress}}"),
        "10.62.0.2"
    );
    let refused = daemon.docker(&["run", "--rm", "--network", "container:c1", &image, "true"]);
    assert!(
        refused
            .stderr
            .contains("cannot join network namespace of a non running container: container c1 is exited"),
        "{}",
        refused.stderr
    );
    daemon.docker(&["start", "c1"]).ok();
    daemon.docker(&["restart", "-t0", "guest"]).ok();
    wait_until("the page over lo", Duration::from_secs(20), || page() == "page\n");
}

#[test]
fn row_152_what_a_container_cannot_have_beside_anothers_network() {
    let (daemon, image) = world();
    let conflict = |flags: &[&str]| {
        let run = [&["run", "--rm"], flags, &[&image, "true"]].concat();
        let output = daemon.docker(&run);
        let line = output.stderr.lines().next().unwrap_or_default().to_owned();
        assert_eq!(output.code, 125, "{flags:?}: {line}");
        line.trim_start_matches("docker: Error response from daemon: ")
            .trim_end_matches('.')
            .to_owned()
    };
    let table = [
        ("-h x", "conflicting options: hostname and the network mode"),
        ("--dns 192.0.2.1", "conflicting options: dns and the network mode"),
        (
            "--add-host a:192.0.2.1",
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (
            "-p 80",
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            "-P",
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            "--expose 80",
            "conflicting options: port exposing and the container type network mode",
        ),
        (
            "--link c1:x",
            "conflicting options: container type network can't be used with links. This would result in undefined behavior",
        ),
    ];
    for (flags, text) in table {
        let flags: Vec<&str> = ["--network", "container:c1"]
            .into_iter()
            .chain(flags.split(' '))
            .collect();
        assert_eq!(conflict(&flags), text);
    }
    assert_eq!(
        conflict(&["--network", "container:nobody"]),
        "joining network namespace of container: No such container: nobody"
    );
    assert_eq!(
        conflict(&["--network", "container"]),
        "invalid network mode: invalid container format container:<name|id>"
    );
    let text =
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior";
    assert_eq!(conflict(&["--network", "host", "--link", "c1:x"]), text);
}

#[test]
fn row_151_a_clash_of_ports_on_the_hosts_network_is_reported() {
    let (daemon, image) = world();
    let output = daemon.docker(&["run", "--rm", "--network", "host", &image, "nc", "-l", "-p", "8080"]);
    assert!(
        output.code != 0 && output.stderr.contains("Address already in use"),
        "{}",
        output.stderr
    );
    sleeper(&daemon, &image, "onhost", &["--network", "host"]);
    daemon.docker(&["exec", "-d", "onhost", "nc", "-l", "-p", "8090"]).ok();
    let refused = || daemon.docker(&["run", "--rm", "-p", "8090:80", &image, "true"]).stderr;
    wait_until("the port is taken", Duration::from_secs(20), || {
        refused().contains("failed to bind host port for 0.0.0.0:8090") && refused().contains("address already in use")
    });
}
