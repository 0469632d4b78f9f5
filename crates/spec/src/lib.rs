//! What a container is asked to be, checked, and the OCI runtime document made of it.
//!
//! ```text
//!  Config, HostConfig ── validate, mount_points ──▶ refusals in dockerd's words, mount points
//!          │
//!  the host, the image ── host, devices, user, propagation ──▶ Inputs ── assemble ──▶ runtime document
//! ```
//!
//! Every section of the document is a pure function of [`Inputs`]; what must be looked up on the host (devices,
//! namespaces of other containers, users of the image) was looked up before and stands in the inputs. The result is
//! what dockerd writes: the tests compare it with documents of Docker Engine 28.5 (`crates/engine/tests/fixtures`).
//!
//! The room knows no daemon: no table of containers, no state, nothing that lives longer than a call.

mod apparmor;
pub mod cdi;
mod devices;
mod error;
mod exec;
mod host;
pub mod mount_points;
mod mounts;
mod namespaces;
mod process;
mod propagation;
mod resources;
mod security;
pub mod signal;
#[cfg(test)]
mod tests;
mod tmpfs;
pub mod user;
pub mod validate;

pub use devices::{Grant, gather as gather_devices};
pub use error::{Error, Result};
pub use exec::{Exec, bounding_set};
pub use host::{HostFacts, init_program, runtimes};
pub use mounts::BindSource;
pub use process::DEFAULT_PATH;
pub use propagation::of_bind as propagation_of_bind;
pub use resources::resources;
pub use security::{normalise as normalise_capabilities, options as security_options};

use std::path::{Path, PathBuf};
use tierce_oci::container::{Config, HostConfig};
use tierce_oci::runtime::{Linux, Root, Spec, User, VERSION};

/// Whose namespace of a kind the container uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A new one.
    New,
    /// The host's.
    Host,
    /// The one behind this file.
    Path(PathBuf),
}

/// Namespaces that a container can have for itself or share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Network namespace.
    pub network: Place,
    /// PID namespace.
    pub pid: Place,
    /// IPC namespace.
    pub ipc: Place,
}

/// Everything that a runtime document is made from.
pub struct Inputs<'a> {
    /// What runs.
    pub config: &'a Config,
    /// The program, after entrypoint and command were merged.
    pub program: &'a str,
    /// Its arguments.
    pub arguments: &'a [String],
    /// How it is fenced and placed.
    pub host_config: &'a HostConfig,
    /// The host that it is to run on.
    pub host: &'a HostFacts,
    /// Where the shim mounts the root.
    pub root: &'a Path,
    /// As whom the first process runs.
    pub user: User,
    /// Its namespaces, as far as they can be others'.
    pub places: Places,
    /// Directory bound to `/dev/shm` (host's, shareable or another container's); `None`: an own tmpfs.
    pub shm: Option<PathBuf>,
    /// Host directories behind the mount points.
    pub binds: Vec<BindSource>,
    /// Device nodes and rules beyond the default ones.
    pub devices: Vec<Grant>,
    /// What devices of the container device interface change.
    pub edits: cdi::Edits,
    /// Variables that tell of linked containers; its own ones are stronger.
    pub linked_environment: Vec<String>,
    /// The init program, where one is wanted.
    pub init: Option<&'a Path>,
    /// `linux.cgroupsPath`.
    pub cgroups_path: String,
}

/// Makes the whole document.
pub fn assemble(inputs: &Inputs<'_>) -> Result<Spec> {
    let security = security::security(inputs)?;
    let namespaces = namespaces::namespaces(inputs);
    let devices = devices::devices(inputs)?;
    let mounts = mounts::mounts(inputs)?;
    let mut resources = resources(&inputs.host_config.resources)?;
    resources.devices = devices.rules;
    let process = process::process(inputs, &security);
    let mut spec = Spec {
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
    };
    inputs.edits.apply(&mut spec)?;
    Ok(spec)
}

/// `linux.cgroupsPath` of a container (moby `daemon/oci_linux.go`, `WithCgroups`).
pub fn cgroups_path(id: &str, host_config: &HostConfig, parent: Option<&str>, systemd: bool) -> String {
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
