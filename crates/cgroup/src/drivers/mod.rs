//! The one list of drivers, and the choice among them.

mod systemd;
mod v1;
mod v2;

use crate::hierarchy::{Hierarchies, of_self};
use crate::path::GroupPath;
use crate::{Manager, Paths, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tierce_oci::runtime::Rdma;
use v1::V1;
use v2::V2;

/// Who writes to the hierarchy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// We do, through the file system.
    #[default]
    Cgroupfs,
    /// systemd does, asked over D-Bus.
    Systemd,
}

/// The group that `linux.cgroupsPath` names, on v1 or v2 as this machine has it. Nothing is made yet.
///
/// For [`Driver::Cgroupfs`] an absolute path is one below the root of every hierarchy, a relative one below the groups
/// of this process. For [`Driver::Systemd`] it is `slice:prefix:name`, or the name of a container that has no path; the
/// specification's `annotations` whose names begin with `org.systemd.property.` are further properties of its scope.
///
/// # Errors
/// [`NotMounted`](crate::Error::NotMounted), [`Path`](crate::Error::Path), [`NoSystemd`](crate::Error::NoSystemd),
/// [`Invalid`](crate::Error::Invalid).
pub fn open(path: &str, driver: Driver, annotations: &BTreeMap<String, String>) -> Result<Box<dyn Manager>> {
    if driver == Driver::Systemd {
        return Ok(Box::new(systemd::open(path, annotations, of_files)?));
    }
    let path = GroupPath::parse(path)?;
    let hierarchies = Hierarchies::find()?;
    let own = if path.absolute { None } else { Some(of_self()?) };
    let own = |name: &str| own.as_ref().and_then(|own| own.get(name)).map(String::as_str);
    let paths: Paths = hierarchies
        .places()
        .map(|(name, mount)| (name, path.within(mount, own(name))))
        .collect();
    Ok(of_files(paths))
}

/// The group at paths that an earlier process kept, with the driver that made it.
pub fn load(paths: Paths, driver: Driver) -> Box<dyn Manager> {
    match driver {
        Driver::Cgroupfs => of_files(paths),
        Driver::Systemd => systemd::load(paths, of_files),
    }
}

/// The file system driver of the version that the paths are of.
fn of_files(paths: Paths) -> Box<dyn Manager> {
    if paths.unified().is_some() {
        Box::new(V2::new(paths))
    } else {
        Box::new(V1::new(paths))
    }
}

/// A line of `rdma.max`, the same in v1 and v2.
fn rdma_line(device: &str, limit: &Rdma) -> String {
    let mut line = device.to_owned();
    for (key, value) in [("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects)] {
        if let Some(value) = value {
            line.extend([" ", key, "=", &value.to_string()]);
        }
    }
    line
}

/// The sizes of huge pages that this machine has, in the controller's spelling (`2MB`, `1GB`).
fn huge_page_sizes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/sys/kernel/mm/hugepages") else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let kilobytes = |name: String| name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok();
    names.filter_map(kilobytes).map(spell_page_size).collect()
}

/// The kernel's `hugetlb_cgroup.c`: the greatest unit that fits.
fn spell_page_size(kilobytes: u64) -> String {
    match kilobytes {
        0..1024 => format!("{kilobytes}KB"),
        1024..1_048_576 => format!("{}MB", kilobytes >> 10),
        _ => format!("{}GB", kilobytes >> 20),
    }
}
