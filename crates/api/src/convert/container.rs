//! Containers.

use std::collections::BTreeMap;
use std::iter;

use jiff::Timestamp;
use tierce_api_types::ApiVersion;
use tierce_api_types::container as wire;
use tierce_api_types::network::{EndpointIpam, EndpointSettings};
use tierce_engine::container::PathStat;
use tierce_engine::record::{self, Record};
use tierce_engine::requests::{Create, Difference, DifferenceKind, Inspection, Summary};

use super::state;
use crate::status::Failure;
use crate::timestamp::rfc3339;

/// Before this version a container's short id and host name stood among its aliases.
const WITHOUT_OWN_ALIASES: ApiVersion = ApiVersion::new(1, 45);
/// The first version whose lists have annotations.
const WITH_LISTED_ANNOTATIONS: ApiVersion = ApiVersion::new(1, 46);

/// A create request. What its bodies hold beyond Docker's documents is dropped, so that no client can put something into
/// a record under a name that a later version gives a meaning.
pub(crate) fn create(
    name: Option<String>,
    platform: Option<String>,
    rootfs: Option<String>,
    request: wire::CreateRequest,
) -> Result<Create, Failure> {
    let wire::CreateRequest {
        mut config,
        host_config,
        networking_config,
    } = request;
    let mut host_config = host_config.unwrap_or_default();
    config.extra.clear();
    host_config.extra.clear();
    if config == wire::Config::default() {
        return Err(Failure::invalid(
            "config cannot be empty in order to create a container",
        ));
    }
    let endpoints = networking_config.unwrap_or_default().endpoints_config;
    let endpoints = endpoints
        .into_iter()
        .map(|(name, wish)| (name, endpoint_wish(wish.unwrap_or_default())))
        .collect();
    Ok(Create {
        name,
        platform,
        rootfs,
        config,
        host_config,
        endpoints,
        flat_read_only: false,
        trace: None,
    })
}

/// What is asked of an endpoint; addresses that only a running container has are not taken over.
pub(crate) fn endpoint_wish(wire: EndpointSettings) -> record::EndpointSettings {
    record::EndpointSettings {
        ipam_config: wire.ipam_config.and_then(|ipam| serde_json::to_value(ipam).ok()),
        links: wire.links,
        aliases: wire.aliases,
        desired_mac_address: wire.mac_address.clone(),
        mac_address: wire.mac_address,
        driver_opts: wire.driver_opts,
        gw_priority: wire.gw_priority,
        network_id: wire.network_id,
        ..record::EndpointSettings::default()
    }
}

/// What is at a path.
pub(crate) fn path_stat(stat: &PathStat) -> wire::PathStat {
    let target = stat.link_target.as_deref().unwrap_or(std::path::Path::new(""));
    wire::PathStat {
        name: stat.name.clone(),
        size: stat.size,
        mode: wire::file_mode(stat.mode),
        mtime: rfc3339(stat.modified),
        link_target: target.to_string_lossy().into_owned(),
    }
}

/// A row of the list.
pub(crate) fn summary(summary: &Summary, now: Timestamp, version: ApiVersion) -> wire::ContainerSummary {
    let record = &*summary.record;
    let annotations = summary.host_config.annotations.as_ref();
    let annotations = annotations.filter(|_| version >= WITH_LISTED_ANNOTATIONS);
    let bytes = |size: Option<u64>| size.map_or(0, |size| i64::try_from(size).unwrap_or(i64::MAX));
    wire::ContainerSummary {
        id: record.id.clone(),
        names: iter::once(&record.name).chain(&summary.other_names).cloned().collect(),
        image: summary.image.clone(),
        image_id: record.image.clone(),
        command: command(record),
        created: record.created.as_second(),
        ports: ports(record),
        size_rw: bytes(summary.size_rw),
        size_root_fs: bytes(summary.size_root_fs),
        labels: record.config.labels.clone().unwrap_or_default(),
        state: record.state.status().as_str().to_owned(),
        status: state::in_status_words(&record.state, now),
        host_config: wire::SummaryHostConfig {
            network_mode: summary.host_config.network_mode.clone(),
            annotations: annotations.cloned().unwrap_or_default(),
        },
        network_settings: Some(wire::SummaryNetworkSettings {
            // The list leaves the names out, as dockerd's does.
            networks: networks(record)
                .into_iter()
                .map(|(name, endpoint)| {
                    (
                        name,
                        EndpointSettings {
                            dns_names: None,
                            ..endpoint
                        },
                    )
                })
                .collect(),
        }),
        mounts: summary.mounts.iter().map(mount_point).collect(),
    }
}

/// Path and arguments on one line; those with blanks are quoted. Source: moby `daemon/container/view.go`, `transform`.
fn command(record: &Record) -> String {
    let mut line = record.path.clone();
    for argument in &record.args {
        let quote = if argument.contains(' ') { "'" } else { "" };
        line.push(' ');
        line.push_str(quote);
        line.push_str(argument);
        line.push_str(quote);
    }
    line
}

fn ports(record: &Record) -> Vec<wire::Port> {
    let mut ports = Vec::new();
    for (port, bindings) in record.network_settings.ports.iter().flatten() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let Ok(private_port) = number.parse() else { continue };
        let plain = wire::Port {
            private_port,
            protocol: protocol.to_owned(),
            ..wire::Port::default()
        };
        match bindings.as_deref() {
            None | Some([]) => ports.push(plain),
            Some(bindings) => ports.extend(bindings.iter().map(|binding| wire::Port {
                ip: binding.host_ip.clone(),
                public_port: binding.host_port.parse().ok(),
                ..plain.clone()
            })),
        }
    }
    ports
}

fn networks(record: &Record) -> BTreeMap<String, EndpointSettings> {
    record
        .network_settings
        .networks
        .iter()
        .map(|(name, settings)| (name.clone(), endpoint(settings)))
        .collect()
}

fn endpoint(settings: &record::EndpointSettings) -> EndpointSettings {
    EndpointSettings {
        ipam_config: settings
            .ipam_config
            .clone()
            .and_then(|ipam| serde_json::from_value::<EndpointIpam>(ipam).ok()),
        links: settings.links.clone(),
        aliases: settings.aliases.clone(),
        mac_address: settings.mac_address.clone(),
        driver_opts: settings.driver_opts.clone(),
        gw_priority: settings.gw_priority,
        network_id: settings.network_id.clone(),
        endpoint_id: settings.endpoint_id.clone(),
        gateway: settings.gateway.clone(),
        ip_address: settings.ip_address.clone(),
        ip_prefix_len: prefix_length(settings.ip_prefix_len),
        ipv6_gateway: settings.ipv6_gateway.clone(),
        global_ipv6_address: settings.global_ipv6_address.clone(),
        global_ipv6_prefix_len: prefix_length(settings.global_ipv6_prefix_len),
        dns_names: settings.dns_names.clone(),
    }
}

fn prefix_length(length: i64) -> u8 {
    u8::try_from(length).unwrap_or_default()
}

fn mount_point(mount: &record::MountPoint) -> wire::MountPoint {
    wire::MountPoint {
        kind: mount.kind.clone(),
        name: mount.name.clone(),
        source: mount.source.clone(),
        destination: mount.destination.clone(),
        driver: mount.driver.clone(),
        mode: mount.relabel.clone(),
        rw: mount.rw,
        propagation: mount.propagation.clone(),
    }
}

/// Everything about one container.
pub(crate) fn inspect(inspection: &Inspection, version: ApiVersion) -> wire::ContainerInspect {
    let record = &*inspection.record;
    let bytes = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let mut config = record.config.clone();
    // Docker always writes this one.
    config.labels.get_or_insert_default();
    if config.mac_address.is_empty() {
        let mode = &inspection.host_config.network_mode;
        let mode = if mode == "default" { "bridge" } else { mode };
        let endpoint = record.network_settings.networks.get(mode);
        config.mac_address = endpoint.map_or_else(String::new, |endpoint| endpoint.desired_mac_address.clone());
    }
    wire::ContainerInspect {
        id: record.id.clone(),
        created: rfc3339(record.created),
        path: record.path.clone(),
        args: record.args.clone(),
        state: state::document(&record.state),
        image: record.image.clone(),
        resolv_conf_path: record.resolv_conf_path.clone(),
        hostname_path: record.hostname_path.clone(),
        hosts_path: record.hosts_path.clone(),
        log_path: record.log_path.clone(),
        name: record.name.clone(),
        restart_count: u64::try_from(record.restart_count).unwrap_or_default(),
        driver: record.driver.clone(),
        platform: record.os.clone(),
        mount_label: record.mount_label.clone(),
        process_label: record.process_label.clone(),
        app_armor_profile: record.app_armor_profile.clone(),
        exec_ids: (!inspection.exec_ids.is_empty()).then(|| inspection.exec_ids.clone()),
        host_config: (*inspection.host_config).clone(),
        graph_driver: wire::GraphDriver {
            data: (!inspection.graph_data.is_empty()).then(|| inspection.graph_data.clone()),
            name: inspection.graph_driver.clone(),
        },
        size_rw: inspection.size_rw.map(bytes),
        size_root_fs: inspection.size_root_fs.map(bytes),
        mounts: inspection.mounts.iter().map(mount_point).collect(),
        config,
        network_settings: network_settings(record, version),
    }
}

/// Sandbox, ports and endpoints; the members of the default bridge's endpoint stand also at the top.
fn network_settings(record: &Record, version: ApiVersion) -> wire::NetworkSettings {
    let settings = &record.network_settings;
    let mut networks = networks(record);
    if version < WITHOUT_OWN_ALIASES {
        let user_defined = networks
            .iter_mut()
            .filter(|(name, _)| !matches!(name.as_str(), "default" | "bridge" | "host" | "none"));
        for (_, endpoint) in user_defined {
            let aliases = endpoint.aliases.get_or_insert_default();
            for own in [record.short_id(), &record.config.hostname] {
                if !aliases.iter().any(|alias| alias == own) {
                    aliases.push(own.to_owned());
                }
            }
        }
    }
    let bridge = networks.get("bridge").cloned().unwrap_or_default();
    wire::NetworkSettings {
        bridge: settings.bridge.clone(),
        sandbox_id: settings.sandbox_id.clone(),
        sandbox_key: settings.sandbox_key.clone(),
        ports: settings.ports.clone().unwrap_or_default(),
        endpoint_id: bridge.endpoint_id,
        gateway: bridge.gateway,
        global_ipv6_address: bridge.global_ipv6_address,
        global_ipv6_prefix_len: bridge.global_ipv6_prefix_len,
        ip_address: bridge.ip_address,
        ip_prefix_len: bridge.ip_prefix_len,
        ipv6_gateway: bridge.ipv6_gateway,
        mac_address: bridge.mac_address,
        networks,
        ..wire::NetworkSettings::default()
    }
}

/// One line of the difference.
pub(crate) fn change(difference: &Difference) -> wire::Change {
    let kind = match difference.kind {
        DifferenceKind::Modified => 0,
        DifferenceKind::Added => 1,
        DifferenceKind::Deleted => 2,
    };
    wire::Change {
        path: difference.path.to_string_lossy().into_owned(),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        serde_json::from_value(json!({
            "State": {"Running": true, "Pid": 7, "StartedAt": "2026-11-21T09:14:40Z"},
            "ID": "1".repeat(64), "Created": "2026-11-21T09:14:40.490651255Z", "Path": "sh", "Args": ["-c", "echo a b"],
            "Config": {"Labels": null, "Image": "x"}, "Image": "sha256:2", "Name": "/web",
            "NetworkSettings": {
                "Networks": {"bridge": {"IPAddress": "172.17.0.2", "IPPrefixLen": 16}},
                "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8081"}], "81/udp": null}
            }
        }))
        .unwrap()
    }

    #[test]
    fn row_093_rows_of_ps_are_dockers() {
        let record = std::sync::Arc::new(record());
        let row = summary(
            &Summary {
                record,
                host_config: std::sync::Arc::default(),
                other_names: vec!["/web/data".into()],
                image: "x".into(),
                mounts: Vec::new(),
                size_rw: None,
                size_root_fs: Some(5),
            },
            "2026-11-21T09:14:50Z".parse().unwrap(),
            ApiVersion::MAX,
        );
        let row = serde_json::to_value(row).unwrap();
        assert_eq!(row["Command"], "sh -c 'echo a b'");
        assert_eq!(row["Status"], "Up 10 seconds");
        assert_eq!(
            row["Ports"],
            json!([
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"},
                {"PrivatePort": 81, "Type": "udp"}
            ])
        );
        assert_eq!(row.get("SizeRw"), None);
        assert_eq!(row["SizeRootFs"], 5);
        assert_eq!(row["Labels"], json!({}));
        assert_eq!(row["Mounts"], json!([]));
    }

    #[test]
    fn row_093_inspect_has_dockers_members() {
        let inspection = Inspection {
            record: std::sync::Arc::new(record()),
            host_config: std::sync::Arc::default(),
            graph_driver: "overlay2".into(),
            graph_data: BTreeMap::new(),
            mounts: Vec::new(),
            exec_ids: Vec::new(),
            size_rw: None,
            size_root_fs: None,
        };
        let document = serde_json::to_value(inspect(&inspection, ApiVersion::MAX)).unwrap();
        assert_eq!(document["Created"], "2026-11-21T09:14:40.490651255Z");
        assert_eq!(document["State"]["FinishedAt"], "0001-01-01T00:00:00Z");
        assert_eq!(document["NetworkSettings"]["IPAddress"], "172.17.0.2");
        assert_eq!(document["ExecIDs"], json!(null));
        assert_eq!(document["Config"]["Labels"], json!({}));
    }

    #[test]
    fn unknown_members_of_a_create_are_dropped() {
        let request = serde_json::from_value(json!({"Image": "x", "Future": 1, "HostConfig": {"Later": 2}})).unwrap();
        let create = create(None, None, None, request).unwrap();
        assert!(create.config.extra.is_empty() && create.host_config.extra.is_empty());
        let empty = super::create(None, None, None, serde_json::from_value(json!({"Future": 1})).unwrap());
        assert_eq!(
            empty.unwrap_err().message,
            "config cannot be empty in order to create a container"
        );
    }
}
