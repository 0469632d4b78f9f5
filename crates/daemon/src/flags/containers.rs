//! Flags of what containers get that do not say.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use serde::Serialize;
use tierce_oci::container::Ulimit;

use super::values;

/// What containers get that do not say.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ContainerFlags {
    /// Run an init program in containers
    #[arg(long)]
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
    #[arg(long = "add-runtime", value_name = "NAME=PATH", value_parser = values::runtime)]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "values::serialize_runtimes")]
    runtimes: Vec<(String, String)>,
    /// Log driver of containers
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_driver: Option<String>,
    /// Option of the log driver (may be given several times)
    #[arg(long = "log-opt", value_name = "KEY=VALUE", value_parser = values::pair)]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "values::serialize_pairs")]
    log_opts: Vec<(String, String)>,
    /// Name server of containers (may be given several times)
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns: Vec<IpAddr>,
    /// Option of the resolver of containers (may be given several times)
    #[arg(long = "dns-opt", value_name = "OPTION")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_opts: Vec<String>,
    /// Domain that containers search names in (may be given several times)
    #[arg(long, value_name = "DOMAIN", value_parser = values::search_domain)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_search: Vec<String>,
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

/// Limits and isolation of containers that do not say.
#[derive(Debug, Clone, Default, clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct IsolationFlags {
    /// Resource limit: NAME=SOFT[:HARD] (may be given several times)
    #[arg(long = "default-ulimit", value_name = "LIMIT")]
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "values::serialize_ulimits")]
    default_ulimits: Vec<Ulimit>,
    /// IPC namespace: private or shareable [default: private]
    #[arg(long, value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_ipc_mode: Option<String>,
    /// Cgroup namespace: private or host [default: private, with cgroups v1 host]
    #[arg(long, value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    default_cgroupns_mode: Option<String>,
    /// File with the seccomp profile, builtin, or unconfined [default: builtin]
    #[arg(long, value_name = "PROFILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    seccomp_profile: Option<String>,
    /// Processes never get more privileges than they have
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    no_new_privileges: Option<bool>,
    /// Directory with CDI documents (may be given several times) [default: /etc/cdi, /var/run/cdi]
    #[arg(long = "cdi-spec-dir", value_name = "PATH", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cdi_spec_dirs: Vec<PathBuf>,
}
