//! Flags of the daemon itself: where it listens and lives, how it logs, and TLS.

use std::path::PathBuf;

use serde::Serialize;

use super::values;

/// Where it listens and lives, and how it logs.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DaemonFlags {
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
    #[arg(short = 'D', long)]
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
    /// Label of this daemon, shown by `info` (may be given several times)
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = values::label)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    /// HOST:PORT to serve metrics for Prometheus at, as /metrics
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics_addr: Option<String>,
    /// Containers outlive this daemon [default: true]; with =false they are stopped with it
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    live_restore: Option<bool>,
    /// Seconds that containers get to stop with --live-restore=false; -1: as long as they need [default: 15]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    shutdown_timeout: Option<i64>,
    /// Serve what Docker calls experimental: checkpoints
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    experimental: Option<bool>,
    /// Switch an optional feature; there are none, they are only told in the event of a reload
    #[arg(long = "feature", value_name = "NAME[=BOOL]", value_parser = values::feature)]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "values::serialize_pairs")]
    features: Vec<(String, bool)>,
}

/// Who looks after the containers.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SupervisorFlags {
    /// Program that is the parent of each container [default: beside this one]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    shim: Option<PathBuf>,
    /// Socket of tierce-supervisor, which then starts and watches the containers [default: this daemon does it itself]
    #[arg(long, value_name = "SOCKET")]
    #[serde(skip_serializing_if = "Option::is_none")]
    containerd: Option<PathBuf>,
    /// Namespace there that the containers are in [default: moby]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    containerd_namespace: Option<String>,
}

/// TLS of TCP sockets.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TlsFlags {
    /// Use TLS on TCP sockets; implied by --tlsverify, and implies it unless --tlsverify=false
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<bool>,
    /// Let in only clients with a certificate of the CA [default: $DOCKER_TLS_VERIFY]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    tlsverify: Option<bool>,
    /// CA whose certificates clients must have [default: ~/.docker/ca.pem]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tlscacert: Option<PathBuf>,
    /// Certificate of this daemon [default: ~/.docker/cert.pem]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tlscert: Option<PathBuf>,
    /// Its key [default: ~/.docker/key.pem]
    #[arg(long, value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tlskey: Option<PathBuf>,
}
