//! The `mounts` section. Source: moby `oci/defaults.go`, `daemon/oci_linux.go` (`withMounts`).

use super::process::INIT;
use super::{Inputs, Place, security, tmpfs};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tierce_oci::runtime::Mount;

/// A directory or file of the host that is mounted into the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindSource {
    /// On the host.
    pub source: PathBuf,
    /// Directories whose union is mounted instead, topmost first; always read-only.
    pub union: Vec<PathBuf>,
    /// In the container.
    pub destination: String,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether read-only holds for the mount itself only, not for those below it.
    pub read_only_flat: bool,
    /// Whether mounts below the source stay out.
    pub non_recursive: bool,
    /// `rprivate` and its like; empty: the default.
    pub propagation: String,
    /// Whether the engine put it there (hosts, hostname, resolv.conf, shm) and not the user.
    pub own: bool,
}

/// The section.
pub(super) struct Mounts {
    pub(super) mounts: Vec<Mount>,
    pub(super) root_propagation: String,
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: Some(kind.to_owned()),
        source: Some(source.into()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

pub(super) fn mounts(inputs: &Inputs<'_>) -> Result<Mounts> {
    let tmpfs = tmpfs_mounts(inputs);
    let user: BTreeSet<&str> = tmpfs
        .keys()
        .map(String::as_str)
        .chain(
            inputs
                .binds
                .iter()
                .filter(|bind| !bind.own)
                .map(|bind| bind.destination.as_str()),
        )
        .collect();
    let mut mounts = default_mounts(inputs)?;
    // What the user mounts takes the place of the default; with an own /dev all of it is the user's.
    mounts.retain(|mount| {
        let destination = mount.destination.to_string_lossy();
        let hidden = user.contains("/dev") && destination.starts_with("/dev/");
        !hidden && !user.contains(&*destination)
    });
    if let Some(init) = inputs.init {
        mounts.push(mount(INIT, "bind", &init.to_string_lossy(), &["bind", "ro"]));
    }
    let mut root_propagation = String::new();
    for (_, planned) in planned(inputs, &tmpfs) {
        match planned {
            Planned::Tmpfs(destination, text) => {
                let mut entry = mount(destination, "tmpfs", "tmpfs", &[]);
                entry.options = tmpfs::options(text)?;
                mounts.push(entry);
            }
            Planned::Bind(bind) => {
                strengthen(&mut root_propagation, &bind.propagation);
                mounts.push(bind_mount(inputs, bind));
            }
        }
    }
    if inputs.host_config.readonly_rootfs {
        make_read_only(&mut mounts, &user);
    }
    Ok(Mounts {
        mounts,
        root_propagation,
    })
}

enum Planned<'a> {
    Tmpfs(&'a str, &'a str),
    Bind(&'a BindSource),
}

/// All further mounts, those nearer to the root first, so that none hides another.
fn planned<'a>(inputs: &'a Inputs<'_>, tmpfs: &'a BTreeMap<String, String>) -> Vec<(usize, Planned<'a>)> {
    let depth = |path: &str| Path::new(path).components().count();
    let mut planned: Vec<(usize, Planned<'a>)> = tmpfs
        .iter()
        .map(|(destination, text)| (depth(destination), Planned::Tmpfs(destination.as_str(), text.as_str())))
        .collect();
    planned.extend(
        inputs
            .binds
            .iter()
            .map(|bind| (depth(&bind.destination), Planned::Bind(bind))),
    );
    planned.sort_by_key(|(depth, _)| *depth);
    planned
}

/// Destination → option text, from `--tmpfs` and `--mount type=tmpfs`.
fn tmpfs_mounts(inputs: &Inputs<'_>) -> BTreeMap<String, String> {
    let mut mounts = inputs.host_config.tmpfs.clone().unwrap_or_default();
    for entry in inputs
        .host_config
        .mounts
        .iter()
        .flatten()
        .filter(|entry| entry.kind == "tmpfs")
    {
        mounts.insert(entry.target.clone(), tmpfs::text_of(entry));
    }
    mounts
}

fn default_mounts(inputs: &Inputs<'_>) -> Result<Vec<Mount>> {
    let privileged = inputs.host_config.privileged;
    let options = security::options(inputs.host_config.security_opt.as_deref().unwrap_or_default())?;
    let writable_cgroups = options.writable_cgroups.unwrap_or(privileged);
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
    ];
    let writable: &[&str] = &["nosuid", "noexec", "nodev"];
    let system = if privileged {
        writable
    } else {
        &["nosuid", "noexec", "nodev", "ro"]
    };
    let groups = if writable_cgroups {
        writable
    } else {
        &["ro", "nosuid", "noexec", "nodev"]
    };
    mounts.push(mount("/sys", "sysfs", "sysfs", system));
    mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", groups));
    mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
    if inputs.shm.is_none() && inputs.host_config.ipc_mode != "none" && inputs.places.ipc == Place::New {
        let size = format!("size={}", inputs.host_config.shm_size);
        mounts.push(mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", &size],
        ));
    }
    Ok(mounts)
}

fn bind_mount(inputs: &Inputs<'_>, bind: &BindSource) -> Mount {
    if !bind.union.is_empty() {
        let layers: Vec<String> = bind.union.iter().map(|layer| escaped(layer)).collect();
        let lowers = format!("lowerdir={}", layers.join(":"));
        return mount(
            &bind.destination,
            "overlay",
            "overlay",
            &["ro", "nodev", "nosuid", &lowers],
        );
    }
    let mut options = vec![if bind.non_recursive { "bind" } else { "rbind" }];
    if bind.read_only {
        let recursive = inputs.host.recursive_read_only && !bind.read_only_flat && !bind.non_recursive;
        options.push(if recursive { "rro" } else { "ro" });
    }
    if !bind.propagation.is_empty() {
        options.push(&bind.propagation);
    }
    mount(&bind.destination, "bind", &bind.source.to_string_lossy(), &options)
}

/// Colons and backslashes have a meaning in the list of layers.
fn escaped(layer: &Path) -> String {
    layer.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:")
}

/// A shared mount needs a shared root above it, a slave at least a slave one.
fn strengthen(root: &mut String, propagation: &str) {
    match propagation {
        "shared" | "rshared" => "shared".clone_into(root),
        "slave" | "rslave" if root.is_empty() => "rslave".clone_into(root),
        _ => {}
    }
}

/// With a read-only root, the file systems that only the kernel writes to stay writable, and what the user mounted
/// stays as the user said.
fn make_read_only(mounts: &mut [Mount], user: &BTreeSet<&str>) {
    for mount in mounts {
        let destination = mount.destination.to_string_lossy();
        let kept = matches!(
            &*destination,
            "/proc" | "/dev/pts" | "/dev/shm" | "/dev/mqueue" | "/dev"
        );
        if !kept && !user.contains(&*destination) && !mount.options.iter().any(|o| o == "ro" || o == "rro") {
            mount.options.push("ro".to_owned());
        }
    }
}
