//! The command line, in dockerd's spelling.
//!
//! Each flag serialises under the key that `daemon.json` has for it, so that flags and file become one document and
//! what is given twice is found by name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::document::Runtime;
use crate::registry::ProxySettings;

/// A Docker-compatible engine.
#[derive(Debug, Clone, Default, Parser, Serialize)]
#[command(name = "tierced", version, about, disable_help_subcommand = true)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Flags {
    /// Daemon configuration file [default: /etc/tierce/daemon.json, else /etc/docker/daemon.json]
    #[arg(long, value_name = "PATH")]
    #[serde(skip)]
    pub(crate) config_file: Option<PathBuf>,
    /// Check the configuration and exit
    #[arg(long)]
    #[serde(skip)]
    pub(crate) validate: bool,
    #[command(flatten)]
    #[serde(flatten)]
    daemon: DaemonFlags,
    #[command(flatten)]
    #[serde(flatten)]
    storage: StorageFlags,
    #[command(flatten)]
    #[serde(flatten)]
    network: NetworkFlags,
    #[command(flatten)]
    #[serde(flatten)]
    containers: ContainerFlags,
    #[command(flatten)]
    #[serde(flatten)]
    compatibility: CompatibilityFlags,
}

/// Where it listens and lives, and how it logs.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
struct DaemonFlags {
    /// Socket to listen on: unix://PATH, tcp://HOST:PORT, or fd:// (may be given several times)
    #[arg(short = 'H', long = "host", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    /// Group of the unix socket [default: docker, where it exists]
    #[arg(short = 'G', long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// Root of what survives a reboot [default: /var/lib/tierce]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_root: Option<PathBuf>,
    /// Root of what lives as long as the kernel does [default: /run/tierce]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    exec_root: Option<PathBuf>,
    /// File for the process id [default: EXEC_ROOT/tierced.pid]
    #[arg(short = 'p', long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pidfile: Option<PathBuf>,
    /// Log what is only of use for finding defects
    #[arg(short = 'D', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<bool>,
    /// Least severity that is logged: debug, info, warn, error, fatal
    #[arg(short = 'l', long, value_name = "LEVEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_level: Option<String>,
    /// Form of the log: text or json
    #[arg(long, value_name = "FORM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<String>,
    /// Program that is the parent of each container [default: beside this one]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    shim: Option<PathBuf>,
}

/// Images and their storage.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
struct StorageFlags {
    /// Storage driver [default: the one in use, else overlay2]
    #[arg(short = 's', long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_driver: Option<String>,
    /// Option of the storage driver (may be given several times)
    #[arg(long = "storage-opt", value_name = "KEY=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    storage_opts: Vec<String>,
    /// Mirror of Docker Hub, or of another registry: [PREFIX=]URL (may be given several times)
    #[arg(long = "registry-mirror", value_name = "MIRROR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registry_mirrors: Vec<String>,
    /// Registry without verified TLS: HOST[:PORT] or an address range (may be given several times)
    #[arg(long = "insecure-registry", value_name = "REGISTRY")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    insecure_registries: Vec<String>,
    #[command(flatten)]
    #[serde(skip_serializing_if = "ProxySettings::is_empty")]
    proxies: ProxySettings,
    /// How many layers are downloaded at once [default: as many as there are cores, at least 3]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent_downloads: Option<i64>,
    /// How many layers are uploaded at once [default: 5]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent_uploads: Option<i64>,
    /// How often a request to a registry is made before its failure counts [default: 5]
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_download_attempts: Option<i64>,
}

/// Networks.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
struct NetworkFlags {
    /// Interface of the default bridge [default: docker0]
    #[arg(short = 'b', long, value_name = "INTERFACE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge: Option<String>,
    /// Address and prefix of the default bridge
    #[arg(long, value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    bip: Option<String>,
    /// Addresses of containers on the default bridge are taken from here
    #[arg(long, value_name = "CIDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_cidr: Option<String>,
    /// Gateway of containers on the default bridge
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_gateway: Option<String>,
    /// Pool for new networks: base=CIDR,size=PREFIX (may be given several times)
    #[arg(long = "default-address-pool", value_name = "POOL", value_parser = parse_pool)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    default_address_pools: Vec<Value>,
    /// MTU of the default bridge
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    /// Containers may talk to each other on the default bridge
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    icc: Option<bool>,
    /// Masquerade what leaves the default bridge
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_masq: Option<bool>,
    /// Switch the host's IPv4 forwarding on
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_forward: Option<bool>,
    /// Program the packet filter; without it published ports need the administrator
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    iptables: Option<bool>,
    /// Host address that ports are published on unless they say
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// Relay connections that the kernel cannot bring to a container
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    userland_proxy: Option<bool>,
    /// Name of the packet filter's table; each daemon of a host needs its own
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    firewall_table: Option<String>,
    /// Beginning of the names of host interfaces; each daemon of a host needs its own
    #[arg(long, value_name = "PREFIX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    interface_prefix: Option<String>,
}

/// What containers get that do not say.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ContainerFlags {
    /// Run an init program in containers
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    /// The init program
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    init_path: Option<PathBuf>,
    /// Runtime of containers that name none
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_runtime: Option<String>,
    /// Further OCI runtime: NAME=PATH (may be given several times)
    #[arg(long = "add-runtime", value_name = "NAME=PATH", value_parser = parse_pair)]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_runtimes")]
    runtimes: Vec<(String, String)>,
    /// Log driver of containers
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_driver: Option<String>,
    /// Option of the log driver (may be given several times)
    #[arg(long = "log-opt", value_name = "KEY=VALUE", value_parser = parse_pair)]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_pairs")]
    log_opts: Vec<(String, String)>,
    /// Name server of containers (may be given several times)
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns: Vec<String>,
    /// Parent control group of containers
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup_parent: Option<String>,
    /// Option of the runtime: native.cgroupdriver=cgroupfs|systemd
    #[arg(long = "exec-opt", value_name = "KEY=VALUE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exec_opts: Vec<String>,
    /// Size of /dev/shm of containers
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_shm_size: Option<String>,
}

/// Flags of dockerd that have no meaning here; accepted with a note, so that its command lines work.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
struct CompatibilityFlags {
    /// Containers always outlive this daemon; --live-restore=false has no effect
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    live_restore: Option<bool>,
    /// There is no containerd here
    #[arg(long, value_name = "PATH", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    containerd: Option<String>,
    /// Experimental features
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    experimental: Option<bool>,
    /// There is no proxy process here
    #[arg(long, value_name = "PATH", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    userland_proxy_path: Option<String>,
    /// IPv6 rules
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6tables: Option<bool>,
    /// Seconds to wait for containers at the end
    #[arg(long, value_name = "SECONDS", hide = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_timeout: Option<i64>,
}

impl Flags {
    /// What was given, under the keys of `daemon.json`.
    pub(crate) fn document(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // A struct of plain values serialises to an object.
            _ => Map::new(),
        }
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn parse_pool(text: &str) -> Result<Value, String> {
    let mut pool = Map::new();
    for part in text.split(',') {
        let (key, value) = parse_pair(part)?;
        let value = match key.as_str() {
            "base" => Value::String(value),
            "size" => Value::from(
                value
                    .parse::<u8>()
                    .map_err(|error| format!("size {value:?}: {error}"))?,
            ),
            other => return Err(format!("unknown part {other:?}, expected base and size")),
        };
        pool.insert(key, value);
    }
    Ok(Value::Object(pool))
}

fn serialize_pairs<S: serde::Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

fn serialize_runtimes<S: serde::Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let runtimes: BTreeMap<&str, Runtime> = pairs
        .iter()
        .map(|(name, path)| {
            (
                name.as_str(),
                Runtime {
                    path: Some(path.into()),
                    ..Runtime::default()
                },
            )
        })
        .collect();
    runtimes.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_become_the_keys_of_the_file() {
        let flags = Flags::try_parse_from([
            "tierced",
            "-H",
            "unix:///a",
            "-H",
            "tcp://b",
            "--iptables=false",
            "-D",
            "--log-opt",
            "max-size=1m",
            "--default-address-pool",
            "base=10.0.0.0/8,size=24",
            "--add-runtime",
            "crun=/usr/bin/crun",
            "-s",
            "vfs",
            "--https-proxy",
            "p:1",
        ])
        .unwrap();
        assert_eq!(
            Value::Object(flags.document()),
            json!({
                "hosts": ["unix:///a", "tcp://b"], "iptables": false, "debug": true, "log-opts": {"max-size": "1m"},
                "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}], "storage-driver": "vfs",
                "runtimes": {"crun": {"path": "/usr/bin/crun"}}, "proxies": {"https-proxy": "p:1"}
            })
        );
        assert!(Flags::try_parse_from(["tierced"]).unwrap().document().is_empty());
        assert!(Flags::try_parse_from(["tierced", "--log-opt", "x"]).is_err());
    }
}
