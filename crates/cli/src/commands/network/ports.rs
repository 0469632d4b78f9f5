//! `tierce ports`

use crate::context::Context;
use crate::error::Error;
use crate::help::{self, FORMAT};
use crate::output;
use clap::Args;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use tierce_api_types::reach::{Entrance, Passage, PortReach};
use tierce_format::listing::{Column, Listing};

#[derive(Args)]
#[command(after_help = help::accepted(COLUMNS, &[]))]
pub(crate) struct Ports {
    /// Only ports of these containers (default: all)
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    #[arg(long, default_value = "", hide_default_value = true, help = FORMAT)]
    format: String,
}

const COLUMNS: &[Column] = &[
    Column::new("Name", "CONTAINER", true),
    Column::new("Published", "PUBLISHED", true),
    Column::new("Target", "TARGET", true),
    Column::new("Way", "BY", true),
    Column::new("ReachableFrom", "REACHABLE FROM", true),
    Column::new("HostFirewall", "HOST FIREWALL", true),
    Column::new("ID", "CONTAINER ID", false),
    Column::new("HostIp", "HOST IP", false),
    Column::new("HostPort", "HOST PORT", false),
    Column::new("Port", "PORT", false),
    Column::new("Containers", "CONTAINERS", false),
    Column::new("Outside", "OUTSIDE", false),
];

impl Ports {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Error> {
        let mut ports = context.client.networks().ports().await?;
        if !self.containers.is_empty() {
            for name in &self.containers {
                // An unknown container is an error, one without ports is not.
                if !ports.iter().any(|port| is(port, name)) {
                    context.client.containers().inspect(name, false).await?;
                }
            }
            ports.retain(|port| self.containers.iter().any(|name| is(port, name)));
        }
        let rows: Vec<_> = ports.iter().map(row).collect();
        output::print(
            &Listing {
                columns: COLUMNS,
                also: &[],
                format: &self.format,
                quiet: None,
            },
            &rows,
        )
    }
}

fn is(port: &PortReach, name: &str) -> bool {
    port.name == name.trim_start_matches('/') || (name.len() >= 2 && port.id.starts_with(name))
}

fn row(port: &PortReach) -> Map<String, Value> {
    let bracketed = |address: &str| {
        if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        }
    };
    let published = if port.way == "route" {
        "-".to_owned()
    } else {
        format!("{}:{}", bracketed(&port.host_ip), port.host_port)
    };
    let fields = [
        ("ID", json!(port.id)),
        ("Name", json!(port.name)),
        ("Published", json!(published)),
        ("Target", json!(format!("{}:{}", bracketed(&port.target), port.port))),
        ("Way", json!(port.way)),
        ("ReachableFrom", json!(reachable_from(port))),
        ("HostFirewall", json!(host_firewall(port))),
        ("HostIp", json!(port.host_ip)),
        ("HostPort", json!(port.host_port)),
        ("Port", json!(port.port)),
        ("Containers", json!(port.containers.verdict)),
        ("Outside", json!(port.outside)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Everybody who reaches the port, the nearest first.
fn reachable_from(port: &PortReach) -> String {
    let mut from = Vec::new();
    if port.this_host {
        from.push("this host".to_owned());
    }
    if port.containers.verdict != "blocked" {
        from.push("containers".to_owned());
    }
    for entrance in &port.outside {
        let Entrance { interface, address, .. } = entrance;
        // To its link-local address come only those on the same wire.
        let who = match address.parse() {
            Ok(IpAddr::V6(address)) if address.is_unicast_link_local() => "neighbours",
            _ => "other hosts",
        };
        let by = if port.way == "route" {
            format!("{who} by {interface}, if they have a route")
        } else {
            format!("{who} by {interface} ({address})")
        };
        match entrance.passage.verdict.as_str() {
            "open" => from.push(by),
            "depends" => from.push(format!("some {by}")),
            _ => {}
        }
    }
    if from.is_empty() {
        "nobody".to_owned()
    } else {
        from.join(", ")
    }
}

/// What the host's own rules have to do with it.
fn host_firewall(port: &PortReach) -> String {
    let mut words = Vec::new();
    let mut say = |text: String| {
        if !words.contains(&text) {
            words.push(text);
        }
    };
    for entrance in &port.outside {
        let Passage { verdict, chains } = &entrance.passage;
        match verdict.as_str() {
            "blocked" => say(format!("blocked by {}", chains.join(", "))),
            "depends" => say(format!("decided by {}", chains.join(", "))),
            _ if !entrance.bypasses.is_empty() => say(format!("BYPASSES {}", entrance.bypasses)),
            _ => {}
        }
    }
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(outside: &[(&str, &str, &str)]) -> PortReach {
        PortReach {
            host_ip: "0.0.0.0".into(),
            this_host: true,
            containers: Passage {
                verdict: "open".into(),
                chains: vec![],
            },
            outside: outside
                .iter()
                .map(|(interface, verdict, bypasses)| Entrance {
                    interface: (*interface).into(),
                    address: "192.0.2.1".into(),
                    passage: Passage {
                        verdict: (*verdict).into(),
                        chains: vec!["ip filter FORWARD".into()],
                    },
                    bypasses: (*bypasses).into(),
                })
                .collect(),
            ..PortReach::default()
        }
    }

    #[test]
    fn who_reaches_a_port_is_said_in_words() {
        let open = port(&[("eth0", "open", "inet ufw input")]);
        assert_eq!(
            reachable_from(&open),
            "this host, containers, other hosts by eth0 (192.0.2.1)"
        );
        assert_eq!(host_firewall(&open), "BYPASSES inet ufw input");
        let mixed = port(&[
            ("eth0", "blocked", ""),
            ("eth1", "depends", ""),
            ("eth2", "blocked", ""),
        ]);
        assert_eq!(
            reachable_from(&mixed),
            "this host, containers, some other hosts by eth1 (192.0.2.1)"
        );
        assert_eq!(
            host_firewall(&mixed),
            "blocked by ip filter FORWARD; decided by ip filter FORWARD"
        );
        assert_eq!(host_firewall(&port(&[])), "-");
        let mut near = port(&[("eth0", "open", "")]);
        near.outside[0].address = "fe80::1".into();
        assert_eq!(
            reachable_from(&near),
            "this host, containers, neighbours by eth0 (fe80::1)"
        );
        near.way = "route".into();
        near.outside[0].address = "fd00::2".into();
        near.outside[0].passage.verdict = "depends".into();
        assert_eq!(
            reachable_from(&near),
            "this host, containers, some other hosts by eth0, if they have a route"
        );
        let nobody = PortReach {
            containers: Passage {
                verdict: "blocked".into(),
                chains: vec![],
            },
            ..PortReach::default()
        };
        assert_eq!(reachable_from(&nobody), "nobody");
    }

    #[test]
    fn addresses_of_ipv6_are_told_from_ports() {
        let mut six = port(&[]);
        (six.host_ip, six.host_port) = ("::".into(), 8080);
        (six.target, six.port, six.way) = ("fd00::2".into(), "80/tcp".into(), "kernel".into());
        let fields = row(&six);
        assert_eq!(
            (&fields["Published"], &fields["Target"]),
            (&json!("[::]:8080"), &json!("[fd00::2]:80/tcp"))
        );
        six.way = "route".into();
        assert_eq!(row(&six)["Published"], json!("-"));
    }
}
