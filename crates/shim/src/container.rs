//! The container that the shim is the parent of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tierce_cgroup::{Manager, OomWatch};
use tierce_fault::Kind;

use crate::error::{Doing, Error, Result};
use crate::health::Monitor;
use crate::runtime::Runtime;

/// Name of the file in the bundle that says how to clean up after a shim that is dead.
const RECORD: &str = "shim.json";

/// See the module's description. Its processes are in the table of the shim.
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    pub(crate) record: Record,
    pub(crate) outline: Outline,
    pub(crate) paused: bool,
    pub(crate) oom_killed: bool,
    pub(crate) oom: Option<OomWatch>,
    /// The most memory it used, once the kernel has killed for lack of it; 0: not known.
    pub(crate) memory_peak: u64,
    /// Looks after its health, where that is probed.
    pub(crate) health: Option<Monitor>,
    /// The answers and the I/O socket are ours, not containerd's FIFOs.
    pub(crate) own_streams: bool,
    /// Directory of the checkpoint that it is restored from.
    pub(crate) checkpoint: Option<PathBuf>,
}

impl Container {
    /// Its control group, opened anew: it is needed rarely, and a manager holds nothing but paths.
    pub(crate) fn cgroup(&self, init: u32) -> Result<Box<dyn Manager>> {
        let driver = if self.record.runtime.systemd_cgroup {
            tierce_cgroup::Driver::Systemd
        } else {
            tierce_cgroup::Driver::Cgroupfs
        };
        if let Some(path) = self
            .outline
            .linux
            .cgroups_path
            .as_deref()
            .filter(|path| !path.is_empty())
        {
            return Ok(tierce_cgroup::open(path, driver, &BTreeMap::new())?);
        }
        // The runtime has chosen one itself.
        let groups = tierce_cgroup::of_pid(init)?;
        let path = ["memory", "pids", ""]
            .iter()
            .find_map(|controller| groups.get(*controller));
        let path = path.ok_or_else(|| Error::refused(Kind::NotFound, "the container has no control group"))?;
        Ok(tierce_cgroup::open(
            path,
            tierce_cgroup::Driver::Cgroupfs,
            &BTreeMap::new(),
        )?)
    }
}

/// What is needed to clean up, also by a later shim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) runtime: Runtime,
    /// Where a root filesystem was mounted; `None`: nowhere.
    pub(crate) rootfs: Option<PathBuf>,
}

impl Record {
    pub(crate) fn write(&self, bundle: &Path) -> Result<()> {
        let path = bundle.join(RECORD);
        let json = serde_json::to_vec(self).map_err(|error| Error::refused(Kind::Internal, error.to_string()))?;
        fs::write(&path, json).on("write", &path)
    }

    /// `None` if no container was ever created in this bundle.
    pub(crate) fn read(bundle: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(bundle.join(RECORD)).ok()?).ok()
    }
}

/// The few parts of the bundle's `config.json` that matter to the shim.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Outline {
    #[serde(default)]
    root: Root,
    #[serde(default)]
    linux: Linux,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Root {
    #[serde(default)]
    path: PathBuf,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    cgroups_path: Option<String>,
    #[serde(default)]
    namespaces: Vec<Namespace>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

impl Outline {
    pub(crate) fn read(bundle: &Path) -> Result<Self> {
        let path = bundle.join("config.json");
        let bytes = fs::read(&path).on("read", &path)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::refused(Kind::Invalid, format!("cannot read {}: {error}", path.display())))
    }

    /// Absolute path of the root filesystem.
    pub(crate) fn rootfs(&self, bundle: &Path) -> PathBuf {
        bundle.join(&self.root.path)
    }

    /// Whether the container's processes die with its init, because it is the init of a pid namespace of their own.
    pub(crate) fn has_own_pids(&self) -> bool {
        self.linux
            .namespaces
            .iter()
            .any(|namespace| namespace.kind == "pid" && namespace.path.is_empty())
    }
}
