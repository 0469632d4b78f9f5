//! What users and scripts see of networks through the stock client, as Docker Engine 28.5 answered the same commands: texts,
//! exit codes, and members of inspections.

#![allow(clippy::unwrap_used)] // a test has nothing better to do with a failure

use serde_json::{Value, json};
use tierce_testkit::{Daemon, ImageBuilder, Output};

/// Runs the words of a line.
fn docker(daemon: &Daemon, line: &str) -> Output {
    daemon.docker(&line.split_whitespace().collect::<Vec<_>>())
}

/// The line fails with status 1 and says so.
fn refused(daemon: &Daemon, line: &str, text: &str) {
    let output = docker(daemon, line);
    assert_eq!(output.code, 1, "{line}: {}", output.stderr);
    assert!(output.stderr.contains(text), "{line}: {}", output.stderr);
}

fn inspected(daemon: &Daemon, network: &str) -> Value {
    let told = docker(daemon, &format!("network inspect {network}")).ok();
    serde_json::from_str::<Value>(&told).unwrap()[0].take()
}

#[test]
fn networks_are_created_and_listed_as_docker_does() {
    let daemon = Daemon::start();
    let empty = daemon.docker(&["network", "create", " "]);
    assert_eq!(
        empty.stderr.trim(),
        "Error response from daemon: invalid name: name is empty"
    );
    // Every other name is one.
    docker(&daemon, "network create -- -x").ok();
    docker(&daemon, "network create a/b").ok();
    docker(&daemon, "network rm -- -x a/b").ok();
    refused(
        &daemon,
        "network create --subnet 10.22.0.0/24 --aux-address a=10.22.0.3 --aux-address b=10.22.0.3 n1",
        "failed to allocate secondary ip address (b:10.22.0.3): Address already in use",
    );
    docker(&daemon, "network create --subnet 10.20.0.0/24 taken").ok();
    refused(
        &daemon,
        "network create --subnet 10.20.0.128/25 n1",
        "invalid pool request: Pool overlaps with other one on this address space: 10.20.0.128/25 overlaps with \
         10.20.0.0/24 (network taken)",
    );
    docker(&daemon, "network create --attachable n1").ok();
    assert_eq!(inspected(&daemon, "n1")["Attachable"], json!(true));
    refused(&daemon, "network ls --filter type=foo", "invalid filter: 'type'='foo'");
    // What the user named comes first.
    docker(
        &daemon,
        "network create --ipv6 --subnet 2001:db8:2::/64 --gateway 2001:db8:2::99 n2",
    )
    .ok();
    let pools = inspected(&daemon, "n2")["IPAM"]["Config"].take();
    assert_eq!(
        pools[0],
        json!({"Subnet": "2001:db8:2::/64", "Gateway": "2001:db8:2::99"}),
        "{pools}"
    );
    assert_eq!(pools.as_array().unwrap().len(), 2);
    // A subnet of a family that the network has not is shown, and of no effect.
    docker(&daemon, "network create --subnet 2001:db8:3::/64 --label x=y idle").ok();
    let idle = inspected(&daemon, "idle");
    assert_eq!(idle["EnableIPv6"], json!(false));
    assert_eq!(idle["IPAM"]["Config"][0], json!({"Subnet": "2001:db8:3::/64"}));
    assert_eq!(idle["IPAM"]["Config"].as_array().unwrap().len(), 2);
    // Options of the address management are kept: given, given as none, and not given.
    docker(&daemon, "network create --ipam-opt a=b n3").ok();
    assert_eq!(
        daemon.request("POST", "/networks/create", Some(r#"{"Name":"n4"}"#)).0,
        201
    );
    daemon.tierce(&["network", "create", "n5"]).ok();
    for (name, options) in [
        ("n3", json!({"a": "b"})),
        ("n1", json!({})),
        ("n4", Value::Null),
        ("n5", json!({})),
    ] {
        assert_eq!(inspected(&daemon, name)["IPAM"]["Options"], options, "{name}");
    }
    for (method, path, body, status, text) in [
        ("GET", "/networks/", None, 200, "\"Name\":\"n1\""),
        ("POST", "/networks/create", None, 400, "invalid name: name is empty"),
        ("GET", "/networks/n1?verbose=true", None, 200, "\"Name\":\"n1\""),
        ("GET", "/networks/n1?scope=swarm", None, 404, "network n1 not found"),
        (
            "GET",
            "/networks/n1?verbose=maybe",
            None,
            400,
            "invalid value for verbose: maybe: strconv.ParseBool: parsing \\\"maybe\\\": invalid syntax",
        ),
    ] {
        let (answered, document) = daemon.request(method, path, body);
        assert_eq!(answered, status, "{path}: {document}");
        assert!(document.contains(text), "{path}: {document}");
    }
}

#[test]
fn settings_of_networks_are_kept_apart_and_taken() {
    let (mut daemon, image) = Daemon::with_busybox();
    docker(
        &daemon,
        "network create --config-only --subnet 10.88.0.0/24 --ip-range 10.88.0.128/25 -o x=y --label l=1 settings",
    )
    .ok();
    daemon.restart();
    let settings = inspected(&daemon, "settings");
    assert_eq!(
        (&settings["Driver"], &settings["ConfigOnly"]),
        (&json!("null"), &json!(true))
    );
    docker(&daemon, "network create --config-from settings net").ok();
    let network = inspected(&daemon, "net");
    for member in ["Options", "Labels", "EnableIPv4", "EnableIPv6"] {
        assert_eq!(network[member], settings[member], "{member}");
    }
    assert_eq!(network["IPAM"]["Config"], settings["IPAM"]["Config"]);
    assert_eq!(network["ConfigFrom"], json!({"Network": "settings"}));
    let address = docker(&daemon, &format!("run --rm --network net {image} hostname -i")).ok();
    assert_eq!(address, "10.88.0.128");
    for (line, text) in [
        (
            "network rm settings",
            "error while removing network: configuration network \"settings\" is in use",
        ),
        (
            "network create --config-from nope n2",
            "configuration network \"nope\" does not exist",
        ),
        (
            "network create --config-from net n2",
            "\"net\" is not a configuration network",
        ),
        (
            "network create --config-from settings --subnet 10.77.0.0/24 n2",
            "user specified configurations are not supported if the network depends on a configuration network",
        ),
        (
            "network create --config-only --config-from settings n2",
            "a configuration network cannot depend on another configuration network",
        ),
        (
            "network create --config-only --internal n2",
            "configuration network can only contain network specific fields.",
        ),
    ] {
        refused(&daemon, line, text);
    }
    let run = docker(&daemon, &format!("run --rm --network settings {image} true"));
    assert!(
        run.stderr
            .contains("cannot create endpoint on configuration-only network"),
        "{}",
        run.stderr
    );
    docker(&daemon, "network rm net settings").ok();
}

#[test]
fn members_of_networks_have_the_names_that_docker_shows() {
    let (daemon, image) = Daemon::with_busybox();
    docker(&daemon, "network create n1").ok();
    for name in ["one", "two"] {
        docker(
            &daemon,
            &format!("run -d --name {name} --network n1 {image} sleep 1000"),
        )
        .ok();
    }
    let endpoint = |name: &str| daemon.inspect(name, "{{.NetworkSettings.Networks.n1.EndpointID}}")[..12].to_owned();
    let told = docker(&daemon, "network rm n1");
    assert_eq!(told.code, 1);
    for name in ["one", "two"] {
        let member = format!("name:\"{name}\" id:\"{}\"", endpoint(name));
        assert!(told.stderr.contains(&member), "{member}: {}", told.stderr);
    }
    docker(&daemon, "rename one other").ok();
    let id = daemon.inspect("other", "{{.Id}}");
    assert_eq!(inspected(&daemon, "n1")["Containers"][&id]["Name"], json!("other"));
}

#[test]
fn endpoints_are_refused_in_dockers_words() {
    let (daemon, image) = Daemon::with_busybox();
    docker(&daemon, "network create --subnet 10.40.0.0/24 n1").ok();
    docker(&daemon, &format!("run -d --name base --network n1 {image} sleep 1000")).ok();
    let own_only = "user specified IP address is supported on user defined networks only";
    let configured =
        "user specified IP address is supported only when connecting to networks with user configured subnets";
    let head = "invalid endpoint settings:\n";
    for (words, text) in [
        (
            "--ip 172.17.0.9",
            format!("invalid config for network bridge: {head}{own_only}"),
        ),
        (
            "--network host --ip 1.2.3.4",
            format!("invalid config for network host: {head}* {own_only}\n* {configured}"),
        ),
        (
            "--network container:base --ip 10.40.0.9",
            format!("invalid config for network container:base: {head}{own_only}"),
        ),
    ] {
        refused(&daemon, &format!("create --name c1 {words} {image}"), &text);
    }
    docker(&daemon, "network create --subnet 2001:db8:3::/64 idle").ok();
    docker(
        &daemon,
        &format!("run -d --name six --network idle --ip6 2001:db8:3::9 {image} sleep 1000"),
    )
    .ok();
    let told = daemon.inspect(
        "six",
        "{{json .NetworkSettings.Networks.idle.IPAMConfig}} {{.NetworkSettings.Networks.idle.GlobalIPv6Address}}",
    );
    assert_eq!(told, "{\"IPv6Address\":\"2001:db8:3::9\"} ");
    let elsewhere = format!("create --name c1 --network idle --ip6 2001:db8:4::9 {image}");
    refused(
        &daemon,
        &elsewhere,
        "no configured subnet or ip-range contain the IP address 2001:db8:4::9",
    );
    docker(&daemon, &format!("run -d --name edge {image} sleep 1000")).ok();
    for address in ["10.40.0.0", "10.40.0.255"] {
        let connect = format!("network connect --ip {address} n1 edge");
        refused(&daemon, &connect, &format!("Address already in use: {address}"));
    }
}

#[test]
fn what_a_container_refers_to_is_looked_for_when_it_starts() {
    let (daemon, image) = Daemon::with_busybox();
    docker(&daemon, "network create n1").ok();
    docker(&daemon, &format!("run -d --name base --network n1 {image} sleep 1000")).ok();
    docker(
        &daemon,
        &format!("create --name late --network container:later {image} hostname"),
    )
    .ok();
    assert_eq!(daemon.inspect("late", "{{.HostConfig.NetworkMode}}"), "container:later");
    refused(
        &daemon,
        "start late",
        "joining network namespace of container: No such container: later",
    );
    assert_eq!(daemon.inspect("late", "{{.State.ExitCode}}"), "128");
    docker(
        &daemon,
        &format!("run -d --name later --hostname later {image} sleep 1000"),
    )
    .ok();
    assert_eq!(docker(&daemon, "start -a late").ok(), "later");
    docker(
        &daemon,
        &format!("create --name own --network container:own {image} true"),
    )
    .ok();
    refused(&daemon, "start own", "cannot join own network namespace");
    // A link of a user-defined network is a name, whether somebody has it or not; one of the default bridge leads there.
    docker(&daemon, &format!("run --rm --network n1 --link nobody {image} true")).ok();
    docker(&daemon, &format!("create --name linked --link base {image} true")).ok();
    let id = daemon.inspect("base", "{{.Id}}");
    let text = format!("container {id} not attached to default bridge network");
    refused(&daemon, "start linked", &text);
    assert_eq!(daemon.inspect("linked", "{{.State.ExitCode}}"), "128");
    let hosts = docker(&daemon, &format!("run --rm --hostname foo.bar {image} cat /etc/hosts")).ok();
    assert!(hosts.lines().any(|line| line.ends_with("\tfoo.bar foo")), "{hosts}");
}

#[test]
fn an_id_means_more_than_a_name_and_a_name_more_than_the_beginning_of_an_id() {
    let daemon = Daemon::start();
    let id = docker(&daemon, "network create n1").ok();
    let short = id[..12].to_owned();
    let named_short = docker(&daemon, &format!("network create {short}")).ok();
    let named_long = docker(&daemon, &format!("network create {id}")).ok();
    assert_eq!(inspected(&daemon, &short)["Id"], json!(named_short));
    assert_eq!(inspected(&daemon, &id)["Name"], json!("n1"));
    docker(&daemon, &format!("network rm {short}")).ok();
    docker(&daemon, &format!("network rm {id}")).ok();
    assert_eq!(inspected(&daemon, &id)["Id"], json!(named_long));
}

#[test]
fn families_are_chosen_by_the_request_then_by_options_then_by_the_daemons_options() {
    let daemon = Daemon::start_with(&[
        "--default-network-opt",
        "bridge=com.docker.network.enable_ipv4=false",
        "--default-network-opt",
        "bridge=com.docker.network.enable_ipv6=true",
    ]);
    let families = |network: &str| {
        let told = inspected(&daemon, network);
        (
            told["EnableIPv4"].clone(),
            told["EnableIPv6"].clone(),
            told["Options"].clone(),
        )
    };
    docker(&daemon, "network create six").ok();
    let shown = json!({"com.docker.network.enable_ipv4": "false", "com.docker.network.enable_ipv6": "true"});
    assert_eq!(families("six"), (json!(false), json!(true), shown));
    docker(&daemon, "network create --ipv4 --ipv6=false four").ok();
    assert_eq!(families("four"), (json!(true), json!(false), json!({})));
    refused(
        &daemon,
        "network create -o com.docker.network.enable_ipv6=x odd",
        "driver-opt \"com.docker.network.enable_ipv6\" is not a valid bool",
    );
    // Before API 1.48 nobody could do without IPv4.
    let body =
        r#"{"Name":"old","EnableIPv4":false,"EnableIPv6":true,"Options":{"com.docker.network.enable_ipv4":"true"}}"#;
    assert_eq!(daemon.request("POST", "/v1.47/networks/create", Some(body)).0, 201);
    assert_eq!(families("old").0, json!(true));
}

#[test]
fn who_names_endpoints_has_no_others() {
    let (daemon, image) = Daemon::with_busybox();
    docker(&daemon, "network create n1").ok();
    let body = |name: &str| {
        format!(r#"{{"Image":"{image}","Cmd":["true"],"NetworkingConfig":{{"EndpointsConfig":{{"{name}":{{}}}}}}}}"#)
    };
    for (endpoint, network) in [("n1", "n1"), ("default", "bridge")] {
        let (code, answer) = daemon.request("POST", "/v1.51/containers/create", Some(&body(endpoint)));
        assert_eq!(code, 201, "{answer}");
        let id = serde_json::from_str::<Value>(&answer).unwrap()["Id"]
            .as_str()
            .unwrap()
            .to_owned();
        let names = daemon.inspect(&id, "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}");
        assert_eq!(names.trim(), network);
    }
}

#[test]
fn without_a_default_bridge_its_containers_have_a_loopback() {
    let mut daemon = Daemon::start_with(&["--bridge", "none"]);
    let image = daemon.add_image(&ImageBuilder::busybox(), "alone");
    let told = docker(&daemon, &format!("run --rm {image} ls /sys/class/net")).ok();
    assert_eq!(told, "lo");
}
