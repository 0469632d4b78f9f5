//! The OCI runtime documents: `config.json` ([`Spec`]) and the state of a container ([`State`]).
//!
//! Source: OCI runtime specification 1.3, `config.md`, `config-linux.md`, `runtime.md`. Member names are the
//! specification's; unknown members are accepted, as the specification demands of runtimes.

pub mod capability;
mod linux;
mod process;
mod resources;
mod seccomp;
mod state;

pub use linux::{
    Device, IdMapping, IntelRdt, Linux, MemoryPolicy, Namespace, NamespaceKind, NetDevice, Personality, TimeOffset,
};
pub use process::{Capabilities, ConsoleSize, ExecCpuAffinity, IoPriority, Process, Rlimit, Scheduler, User};
pub use resources::{
    BlockIo, Cpu, DeviceCgroup, HugepageLimit, InterfacePriority, Memory, NetworkClass, Pids, Rdma, Resources,
    ThrottleDevice, WeightDevice,
};
pub use seccomp::{Action, Arch, ArgCondition, Operator, Seccomp, SyscallRule};
pub use state::{State, Status};

use crate::{is_default, null_is_default};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The version of the runtime specification that Tierce writes into the documents it makes.
pub const VERSION: &str = "1.3.0";

/// `config.json`: what a container is to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Version of the specification that the document follows.
    pub oci_version: String,
    /// The container's root file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// Mounts on top of the root, in order.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// The container process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Host name inside a UTS namespace.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub hostname: String,
    /// NIS domain name inside a UTS namespace.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub domainname: String,
    /// Programs to be called at points of the life cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// Free-form labels.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Linux-only settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
}

/// The root file system of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Absolute, or relative to the bundle.
    pub path: PathBuf,
    /// Whether the container sees it read-only.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub readonly: bool,
}

/// One mount of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where, as an absolute path inside the container.
    pub destination: PathBuf,
    /// File system type; absent or `bind` for a bind mount.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Device, or path on the host (absolute, or relative to the bundle).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Options of fstab's form.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// User mappings of an idmapped mount.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Group mappings of an idmapped mount.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
}

/// Programs called at points of the life cycle, each list in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Deprecated form of `createRuntime`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub prestart: Vec<Hook>,
    /// After the namespaces exist, before the root is changed; in the runtime's namespaces.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub create_runtime: Vec<Hook>,
    /// The same moment; in the container's namespaces.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub create_container: Vec<Hook>,
    /// In the container, right before the user's program.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub start_container: Vec<Hook>,
    /// After the user's program was started.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub poststart: Vec<Hook>,
    /// After the container was deleted.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub poststop: Vec<Hook>,
}

/// One program of a hook list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Absolute path of the program.
    pub path: PathBuf,
    /// Its arguments, the zeroth included.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its environment, `NAME=value`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Seconds after which it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

impl Spec {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// [`crate::Error::Json`] with line and column when it is not the document.
    pub fn from_json(bytes: &[u8]) -> Result<Self, crate::Error> {
        crate::json::parse("config.json", bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Spec;

    #[test]
    fn null_is_an_absent_member() {
        let bytes = br#"{"ociVersion": "1.3.0", "mounts": null, "hostname": null, "annotations": null,
            "root": {"path": "rootfs", "readonly": null}, "hooks": {"prestart": null},
            "process": {"args": null, "terminal": null, "user": null, "cwd": "/", "execCPUAffinity": {"final": null}},
            "linux": {"timeOffsets": null, "uidMappings": null, "sysctl": null, "netDevices": null, "seccomp": null,
                "intelRdt": {"schemata": null}, "resources": {"devices": null, "unified": null}}}"#;
        let spec = Spec::from_json(bytes).expect("a spec");
        assert!(spec.mounts.is_empty() && spec.linux.is_some_and(|linux| linux.time_offsets.is_empty()));
    }
}
