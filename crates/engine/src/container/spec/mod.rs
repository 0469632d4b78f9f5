//! A container's records → the OCI runtime document, cut by section.
//!
//! Every section is a pure function of [`Inputs`]; what must be looked up on the host (devices, namespaces of other
//! containers, users of the image) was looked up before and stands in the inputs. The result is what dockerd writes:
//! the tests compare it with documents of Docker Engine 28.5 in `tests/fixtures`.

mod devices;
mod exec;
mod failure;
mod mounts;
mod namespaces;
mod process;
mod resources;
mod security;
#[cfg(test)]
mod tests;
pub(crate) mod tmpfs;

pub(crate) use devices::{Grant, check_rule, gather as gather_devices};
pub(crate) use exec::exec_process;
pub(crate) use failure::runtime_failure;
pub(crate) use mounts::BindSource;
pub(crate) use resources::resources;
pub(crate) use security::{effective_mask, normalise as normalise_capabilities, options as security_options};

use super::record::Record;
use crate::error::Result;
use std::path::{Path, PathBuf};
use tierce_oci::container::HostConfig;
use tierce_oci::runtime::{Linux, Root, Spec, User, VERSION};

/// Whose namespace of a kind the container uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A new one.
    New,
    /// The host's.
    Host,
    /// The one behind this file.
    Path(PathBuf),
}

/// What is known of the host.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostFacts {
    /// Whether control groups are the unified hierarchy only.
    pub(crate) unified_cgroups: bool,
    /// Whether read-only can be made recursive (Linux 5.12).
    pub(crate) recursive_read_only: bool,
    /// The AppArmor profile of containers that name none, where AppArmor is on and the profile loaded.
    pub(crate) apparmor_profile: Option<String>,
    /// The capabilities that this process has itself and can give, as a mask (capabilities(7)).
    pub(crate) capabilities: u64,
    /// Kernel version, major and minor.
    pub(crate) kernel: (u32, u32),
}

/// Everything that a runtime document is made from.
pub(crate) struct Inputs<'a> {
    pub(crate) record: &'a Record,
    pub(crate) host_config: &'a HostConfig,
    pub(crate) host: &'a HostFacts,
    /// Where the shim mounts the root.
    pub(crate) root: &'a Path,
    /// As whom the first process runs.
    pub(crate) user: User,
    /// Network namespace.
    pub(crate) network: Place,
    /// PID namespace.
    pub(crate) pid: Place,
    /// IPC namespace.
    pub(crate) ipc: Place,
    /// Directory bound to `/dev/shm` (host's, shareable or another container's); `None`: an own tmpfs.
    pub(crate) shm: Option<PathBuf>,
    /// Host directories behind the mount points.
    pub(crate) binds: Vec<BindSource>,
    /// Device nodes and rules beyond the default ones.
    pub(crate) devices: Vec<Grant>,
    /// The init program, where one is wanted.
    pub(crate) init: Option<&'a Path>,
    /// `linux.cgroupsPath`.
    pub(crate) cgroups_path: String,
}

/// Makes the whole document.
pub(crate) fn assemble(inputs: &Inputs<'_>) -> Result<Spec> {
    let security = security::security(inputs)?;
    let namespaces = namespaces::namespaces(inputs);
    let devices = devices::devices(inputs)?;
    let mounts = mounts::mounts(inputs)?;
    let mut resources = resources(&inputs.host_config.resources)?;
    resources.devices = devices.rules;
    let process = process::process(inputs, &security);
    Ok(Spec {
        oci_version: VERSION.to_owned(),
        root: Some(Root {
            path: inputs.root.to_owned(),
            readonly: inputs.host_config.readonly_rootfs,
        }),
        mounts: mounts.mounts,
        process: Some(process),
        hostname: namespaces.hostname,
        domainname: String::new(),
        hooks: None,
        annotations: inputs.host_config.annotations.clone().unwrap_or_default(),
        linux: Some(Linux {
            sysctl: namespaces.sysctl,
            resources: Some(resources),
            cgroups_path: inputs.cgroups_path.clone(),
            namespaces: namespaces.list,
            devices: devices.nodes,
            seccomp: security.seccomp,
            rootfs_propagation: mounts.root_propagation,
            masked_paths: security.masked_paths,
            readonly_paths: security.readonly_paths,
            ..Linux::default()
        }),
    })
}

/// `linux.cgroupsPath` of a container (moby `daemon/oci_linux.go`, `WithCgroups`).
pub(crate) fn cgroups_path(id: &str, host_config: &HostConfig, parent: Option<&str>, systemd: bool) -> String {
    let own = host_config.resources.cgroup_parent.as_str();
    let parent = if own.is_empty() { parent } else { Some(own) };
    if systemd {
        return format!("{}:docker:{id}", parent.unwrap_or("system.slice"));
    }
    Path::new(parent.unwrap_or("/docker"))
        .join(id)
        .to_string_lossy()
        .into_owned()
}
